"""What the events of a pair must be: the commands in its log, through a book of our own."""

import numpy as np
from numpy.typing import NDArray

from pricetime._book import Book
from pricetime.log.batch import Records
from pricetime.log.errors import Diverged
from pricetime.records import EVENT, Kind

__all__ = ["Twin"]

CLOCK = int(Kind.CLOCK)


class Twin:
    """Compares events byte for byte, and knows when the command of each was due."""

    def __init__(self, name: str, book: Book) -> None:
        self.name = name
        self.commands = 0
        """that it has taken; without those of runners"""
        self._book = book
        self._events = bytearray()  # made and not seen yet
        self._due = np.zeros(0, np.int64)  # ns, of each; 0: it comes of a runner's command

    @property
    def waiting(self) -> int:
        """Events that must still come."""
        return len(self._due)

    def take(self, commands: Records) -> None:
        """Takes the next commands of the log."""
        before = self._book.commands
        events = self._book.process(commands)
        # Runners send commands of nobody that let time pass.
        ours = (commands["kind"] != CLOCK) | (commands["account"] != 0)
        due = np.where(ours, commands["timestamp"], 0)
        self.commands += int(np.count_nonzero(ours))
        self._events += events.tobytes()
        of = events["command"].astype(np.int64) - (before + 1)
        self._due = np.concatenate((self._due, due[of]))

    def match(self, events: Records) -> NDArray[np.int64]:
        """When the commands of these events were due (ns); raises Diverged where they are not the
        next ones."""
        size = len(events) * EVENT.itemsize
        if self._events[:size] != events.tobytes():
            first, last = (int(events["sequence"][at]) for at in (0, -1))
            raise Diverged(f"events {first} to {last} of {self.name} are not what they must be")
        del self._events[:size]
        due, self._due = self._due[: len(events)], self._due[len(events) :]
        return due
