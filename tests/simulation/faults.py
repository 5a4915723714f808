"""What can go wrong, by name, and how often it did: what never happened was not tested."""

from collections import Counter

__all__ = ["BROKER", "CUTS", "DISK", "OPERATIONS", "Crash", "Failure", "Faults"]

CUTS = ("kill", "power cut")
OPERATIONS = ("write", "sync", "truncate", "delete")

DISK = (
    *(f"{cut} {when} a {op}" for cut in CUTS for when in ("before", "after") for op in OPERATIONS),
    *(f"{cut} between groups" for cut in CUTS),
    "kill with a reader that lives on",
    "unsynced write lost",
    "unsynced write torn at a sector",
    "unsynced write torn at a byte",
    "unsynced writes reordered",
    "delete undone",
    "new file lost",
    "witness set back",
    "disk full at one write",
    "disk full for a while",
    "write error",
    "read error",
    "sync error, data kept",
    "sync error, data dropped",
    "sync error, data reverted",
    "sync error, data dropped, and a kill",
    "sync error, then a full disk",
    "stuck sync",
    "clock jumps forward",
    "clock jumps backward",
    "checkpoint half written",
    "two venues at once",
    "bit flip in commands",
    "bit flip in events",
    "bit flip in a checkpoint",
    "bit flip in a state",
    "bit flip in the write-ahead log",
    "bit flip anywhere",
    "commands lost",
    "commands put in another's place",
    "events lost",
    "events put in another's place",
    "books of other rules",
    "a second venue is refused",
)
"""Faults of the first world."""

BROKER = (
    "append fails",
    "append fails, and has happened",
    "append comes twice",
    "append is late",
    "publish fails",
    "publish fails, and has happened",
    "crash before a read",
    "crash before a publish",
    "crash after a publish",
    "crash before a commit",
    "crash after a commit",
    "crash before a store",
    "crash after a store",
    "two runners at once",
    "three runners at once",
    "zombie wakes",
    "events come twice",
    "commands are seen late",
    "events are seen late",
    "checkpoint half written",
    "bit flip in a checkpoint",
    "clock jumps forward",
    "clock jumps backward",
)
"""Faults of the second world."""


class Crash(BaseException):
    """The process is gone, here and now; no product code may stop it."""


class Failure(AssertionError):
    """A promise that was not kept."""


class Faults(Counter[str]):
    """How often each fault was injected, and what else happened that a run must have seen."""

    def missing(self, kinds: tuple[str, ...]) -> list[str]:
        """The kinds that never happened."""
        return [kind for kind in kinds if not self[kind]]
