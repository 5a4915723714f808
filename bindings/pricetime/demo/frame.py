"""What is known of a run at one moment: all that a view or a report shows, and nothing else.

Frames hold plain values and small arrays of their own, so they can go to another process.
"""

import os
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.latency import Percentiles
from pricetime.records import Phase

__all__ = ["Auction", "FlatOut", "Frame", "Market", "Pace", "process_bytes"]


class FlatOut(NamedTuple):
    """What the part that ran as fast as it goes came to."""

    commands: int = 0
    events: int = 0
    trades: int = 0
    resting: int = 0  # orders at the end
    seconds: float = 0.0  # in the book
    wall: float = 0.0  # seconds with the making of the commands
    nbytes: int = 0  # of the book's memory
    state_hash: str = ""

    def per_second(self, count: int) -> float:
        """The rate of so many of something."""
        return count / self.seconds if self.seconds else 0.0


class Auction(NamedTuple):
    """What an uncross would trade now, or what one traded."""

    price: int = 0  # ticks
    quantity: int = 0  # lots; 0: nothing
    surplus: int = 0  # lots: buy minus sell


class Market(NamedTuple):
    """The book and what has been counted of it, over its whole life."""

    bids: NDArray[np.void]  # LEVEL, best first; in an auction those beyond its price
    asks: NDArray[np.void]  # LEVEL, best first; in an auction those beyond its price
    tape: NDArray[np.void]  # EVENT: the last trades, oldest first
    notes: NDArray[np.void]  # EVENT: what else happened of late, oldest first
    phase: Phase
    indicative: Auction | None  # while an auction gathers orders
    uncross: Auction  # the last one that traded
    commands: int
    events: int
    trades: int
    rejected: int  # commands
    fired: int  # orders whose trigger was met
    refreshed: int  # slices of icebergs
    resting: int  # orders
    waiting: int  # orders, for their trigger
    sleeping: int  # orders, for their parent or an auction
    nbytes: int  # of the book's memory


class Pace(NamedTuple):
    """How a paced run goes."""

    seconds: float  # how long it shall be; 0: until it is stopped
    elapsed: float  # seconds so far
    per_minute: int  # commands asked for
    achieved: float  # commands a second of late
    average: float  # commands a second over all
    done: int  # commands
    due: int  # commands that should have been done by now
    busy: float  # share of the time that was spent in the book
    second: Percentiles  # of the last whole second
    recent: Percentiles  # of some seconds
    whole: Percentiles  # of all


class Frame(NamedTuple):
    """One moment of a paced run."""

    market: Market
    pace: Pace
    flat_out: FlatOut
    memory: int  # bytes of the process; 0: not known


def process_bytes() -> int:
    """Memory that this process holds now, or at most held where the system tells no more; or 0."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
