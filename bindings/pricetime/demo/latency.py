"""Latencies by the million in little memory: counts in buckets, and percentiles of them.

A bucket is at most 1/64 of its value wide, and a percentile is the upper end of its bucket: never
better than what was measured, and at most 1.6 % worse. The largest value is kept as it is.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Latency", "Percentiles"]

FINE = 6  # bits of a value that tell buckets apart, behind its highest one
BUCKETS = 64 << FINE  # room for every int64
RECENT = 5  # seconds that count as recent


class Percentiles(NamedTuple):
    """Of the latencies of some commands; all 0 where there are none."""

    p50: int = 0  # ns
    p99: int = 0  # ns
    p999: int = 0  # ns
    max: int = 0  # ns


class _Histogram:
    """Counts of durations."""

    def __init__(self) -> None:
        self.counts = np.zeros(BUCKETS, np.int64)
        self.max = 0  # ns

    def add(self, duration: int, count: int) -> None:
        shift = max(duration.bit_length() - 1 - FINE, 0)
        self.counts[(shift << FINE) + (duration >> shift)] += count
        self.max = max(self.max, duration)

    def add_all(self, durations: NDArray[np.int64]) -> None:
        shift = np.maximum(np.frexp(durations)[1] - (1 + FINE), 0)
        np.add.at(self.counts, (shift << FINE) + (durations >> shift), 1)
        self.max = max(self.max, int(durations.max(initial=0)))

    def merge(self, other: "_Histogram") -> None:
        self.counts += other.counts
        self.max = max(self.max, other.max)

    def percentiles(self) -> Percentiles:
        below = np.cumsum(self.counts)
        total = int(below[-1])
        if not total:
            return Percentiles()
        ranks = [-(-total * part // 1000) for part in (500, 990, 999)]
        p50, p99, p999 = (
            min(_upper(int(bucket)), self.max) for bucket in np.searchsorted(below, ranks)
        )
        return Percentiles(p50, p99, p999, self.max)


def _upper(bucket: int) -> int:
    """The largest duration of a bucket."""
    shift = max((bucket >> FINE) - 1, 0)
    return ((bucket - (shift << FINE) + 1) << shift) - 1


class Latency:
    """The latencies of a run: all of them, and those of the last seconds."""

    def __init__(self) -> None:
        self._whole = _Histogram()
        self._seconds: deque[_Histogram] = deque([_Histogram()], RECENT + 1)
        self._second = 0

    def add(self, duration: int, count: int, now: int) -> None:
        """So many commands took that long (ns), in the second of the run that `now` (ns) is in."""
        self.turn(now)
        self._seconds[-1].add(max(duration, 0), count)

    def add_all(self, durations: NDArray[np.int64], now: int) -> None:
        """A command took each of these (ns), in the second of the run that `now` (ns) is in."""
        self.turn(now)
        self._seconds[-1].add_all(np.maximum(durations, 0))

    def turn(self, now: int) -> None:
        """Lets the time of the run be `now` (ns), whether or not anything took any."""
        second = now // 10**9
        while self._second < second:
            self._second = max(self._second + 1, second - RECENT)
            self._whole.merge(self._seconds[-1])
            self._seconds.append(_Histogram())

    @classmethod
    def joined(cls, parts: "list[Latency]") -> "Latency":
        """The latencies of several runs together, whose time is the same."""
        whole = cls()
        whole._seconds.extend(_Histogram() for _ in range(RECENT))
        for part in parts:
            whole._whole.merge(part._whole)
            for back, second in enumerate(reversed(part._seconds), 1):
                whole._seconds[-back].merge(second)
        return whole

    def whole(self) -> Percentiles:
        """Of all commands."""
        return _merged([self._whole, self._seconds[-1]])

    def recent(self) -> Percentiles:
        """Of the second under way and the five before it."""
        return _merged(self._seconds)

    def second(self) -> Percentiles:
        """Of the last whole second."""
        return self._seconds[-2].percentiles() if len(self._seconds) > 1 else self.whole()


def _merged(parts: "deque[_Histogram] | list[_Histogram]") -> Percentiles:
    merged = _Histogram()
    for part in parts:
        merged.merge(part)
    return merged.percentiles()
