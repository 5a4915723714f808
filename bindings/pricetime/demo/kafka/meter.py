"""Latencies of one pair, which its thread measures and the view asks for."""

import threading

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.latency import Latency

__all__ = ["Meter"]


class Meter:
    """From when a command was due to its events having come."""

    def __init__(self) -> None:
        self._began = 0  # ns; 0: nothing is measured yet
        self._latency = Latency()
        self._lock = threading.Lock()

    def begin(self, now: int) -> None:
        """Measures commands that are due from now on (ns)."""
        self._began = now

    def add(self, due: NDArray[np.int64], came: NDArray[np.int64]) -> None:
        """When commands were due, and when their events came (ns); in order."""
        began = self._began
        measured = due > began
        durations = (came - due)[measured]
        if began and len(durations):
            with self._lock:
                self._latency.add_all(durations, int(came[-1]) - began)

    def latency(self, now: int) -> Latency:
        """What is measured by now (ns), in a copy."""
        with self._lock:
            self._latency.turn(now - self._began)
            return Latency.joined([self._latency])
