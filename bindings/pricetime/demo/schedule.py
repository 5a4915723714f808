"""The phases of the exchange: sessions, by the number of the command, and what disturbs them.

A session opens with an auction and, where its length is known, closes with one. In between, now and
then, somebody sends far too large an order: the band stops it, and the book goes to an auction that
ends by itself. While an auction gathers orders, a CLOCK in each batch asks where it stands.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricetime.records import EventKind, Kind, Phase

__all__ = ["AUCTIONS", "FIRST", "INTERRUPTION", "Control", "Schedule"]

PHASE_CHANGED = int(EventKind.PHASE_CHANGED)  # numpy takes long to look at an enum
PRE_OPEN, AUCTION = int(Phase.PRE_OPEN), int(Phase.AUCTION)
AUCTIONS = (Phase.PRE_OPEN, Phase.AUCTION)
CALL = 3  # seconds of the auctions that open and close a session; or the share below, if shorter
CALL_SHARE = 8  # a session of so many times the auction's length
FIRST = 8_192  # commands of the very first opening auction
INTERRUPTION = 2  # seconds of the auction behind a disturbance
CALM = 12  # seconds between two disturbances, in the mean; or the commands below, if longer
CALM_LEAST = 300_000  # commands


class Control(NamedTuple):
    """A command of the exchange itself."""

    number: int  # how many commands are before it
    kind: Kind
    phase: Phase | int = 0


class Schedule:
    """What is planned, and the phase as far as it is known."""

    def __init__(self, per_minute: int):
        self.phase = Phase.CONTINUOUS  # after the last events, or with the next command
        self._per_minute = per_minute
        self._plan: list[Control] = []
        self._disturbance = 0  # number of a command
        self._quiet: int | None = None  # number of the command from which on nobody disturbs

    @property
    def auction(self) -> bool:
        """Whether orders gather now."""
        return self.phase in AUCTIONS

    def session(self, rng: np.random.Generator, made: int, count: int, opening: int = 0) -> None:
        """Plans a session from now on, of so many commands; 0: without an end."""
        call = opening or CALL * self._per_minute // 60
        if count:
            call = min(call, count // CALL_SHARE)
        self._plan = []
        self._quiet = None
        if call >= 2:
            self.phase = Phase.PRE_OPEN
            self._plan = [
                Control(made, Kind.PHASE, Phase.PRE_OPEN),
                Control(made + call, Kind.UNCROSS, Phase.CONTINUOUS),
            ]
        if call >= 2 and count:
            last = made + count - 1
            self._quiet = last - call - (INTERRUPTION + 1) * self._per_minute // 60
            self._plan += [
                Control(last - call, Kind.PHASE, Phase.AUCTION),
                Control(last, Kind.UNCROSS, Phase.CLOSED),
            ]
        self._disturbance = made + call + self._calm(rng)

    def controls(self, made: int, count: int) -> list[Control]:
        """Those among the next commands."""
        end = made + count
        due = [control for control in self._plan if control.number < end]
        self._plan = self._plan[len(due) :]
        if self.auction and count and not (due and due[-1].number == end - 1):
            due.append(Control(end - 1, Kind.CLOCK))
        return due

    def disturbances(self, rng: np.random.Generator, made: int, count: int) -> list[int]:
        """Which of the next commands are far too large: none, or one."""
        at = self._disturbance - made
        if at >= count:
            return []
        self._disturbance = made + self._calm(rng)
        if self.phase is not Phase.CONTINUOUS or (self._quiet is not None and self._quiet <= made):
            return []
        return [max(at, 0)]

    def auctions(self, events: NDArray[np.void], at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether orders gathered when these of the new events happened."""
        changes = (events["kind"] == PHASE_CHANGED).nonzero()[0]
        phases = np.concatenate(([int(self.phase)], events["detail"][changes]))
        gathered: NDArray[np.bool_] = (phases == PRE_OPEN) | (phases == AUCTION)
        return gathered[np.searchsorted(changes, at)]

    def learn(self, events: NDArray[np.void]) -> None:
        """Hears which phase it is."""
        changes = (events["kind"] == PHASE_CHANGED).nonzero()[0]
        if len(changes):
            self.phase = Phase(int(events["detail"][changes[-1]]))

    def _calm(self, rng: np.random.Generator) -> int:
        calm = max(CALM * self._per_minute // 60, CALM_LEAST)
        return int(calm * (0.5 + rng.random()))
