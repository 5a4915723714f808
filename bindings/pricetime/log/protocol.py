"""What a log is: for each instrument commands in one order, and the events that they caused.

The protocol is written for the hard case: commands and events lie in different places, an append
and its outcome are far apart, others read while we write, and a second runner of the same book may
still be alive. So the order of the log is the truth, a book is a function of it, and what has been
published, not what somebody remembers, says where a runner goes on.

A *position* is a place between commands of the log: 0 is the beginning, and the position of a batch
is the place behind it. It is the log's own count and may have gaps. It is not the number of a
command in its book, as the log also keeps commands that were sent twice and are done once.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from pricetime.log.batch import Commands, Events, Records

__all__ = ["CHECKPOINTS_KEPT", "Log", "Reader", "Stream", "Tail"]


CHECKPOINTS_KEPT = 2
"""The newest checkpoints of an instrument that a log keeps: should one be damaged, there is one
before it."""


class Tail(NamedTuple):
    """How far the events of an instrument are published."""

    sequence: int
    """of the last event; 0 before the first"""
    position: int
    """where in the log of commands the book stood behind it"""


class Reader(Protocol):
    """Reads a log beside those that write to it; sees what is committed and nothing else.

    What is damaged raises LogDamaged where it is reached: it is named and not served. What has been
    trimmed raises LogTrimmed.
    """

    def instruments(self) -> dict[str, str]:
        """Names and definitions, in the order in which they were added."""

    def commands(self, name: str, position: int) -> Iterator[Commands]:
        """The batches after a position that a batch ends at, to the end as it is now."""

    def events(self, name: str, after: int) -> Iterator[Events]:
        """The batches with events after a sequence, the first one cut there, to the present end."""

    def head(self, name: str) -> Tail:
        """Where what is stored begins: behind this event and this position; 0 unless trimmed."""

    def tail(self, name: str) -> Tail:
        """How far the events are published."""

    def checkpoints(self, name: str) -> list[int]:
        """The positions of complete checkpoints, the newest first."""

    def checkpoint(self, name: str, position: int) -> bytes:
        """The checkpoint taken at a position."""

    def close(self) -> None:
        """Lets go of files and connections."""


class Stream(Protocol):
    """The write side of one instrument, for the one runner of its book."""

    def append(self, records: Records, tokens: Records) -> None:
        """Puts COMMAND records at the end of the log, with the TOKEN records that mark some.

        They are durable when `commit` of the log has returned, or earlier.
        """

    def read(self, position: int) -> Iterator[Commands]:
        """The batches after a position, appended ones too; ends where nothing more is there yet."""

    def publish(self, batch: Events) -> None:
        """Puts events behind those published; they carry on their sequence."""

    def published(self, after: int) -> Iterator[Events]:
        """The batches published with events after a sequence, the first one cut there."""

    def tail(self) -> Tail:
        """How far the events are published."""

    def checkpoints(self) -> list[int]:
        """The positions of complete checkpoints, the newest first."""

    def checkpoint(self, position: int) -> bytes:
        """The checkpoint taken at a position; raises LogDamaged."""

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        """Stores a part of the checkpoint of a position; with the last it is complete."""

    def trim(self, position: int, sequence: int) -> bool:
        """Drops commands up to a position and events up to a sequence, whole batches only, and the
        checkpoints before them. A bounded number at a time: call it again until it drops nothing
        and says so by False."""


@runtime_checkable
class Log(Protocol):
    """Where commands and events of many instruments are kept."""

    embedded: bool
    """whether one commit has commands together with their events, and nobody else appends: what a
    venue needs; a runner does without"""

    def instruments(self) -> dict[str, str]:
        """Names and definitions, in the order in which they were added."""

    def add(self, name: str, definition: str) -> None:
        """Adds an instrument; durable when `commit` has returned."""

    def stream(self, name: str) -> Stream:
        """The write side of an instrument that was added."""

    def commit(self) -> None:
        """Makes all that was appended, published and stored durable, or none of it.

        Raises LogFailed where none of it has happened, OutcomeUnknown where that is not known,
        Fenced where another runner has taken over. After any of these only `rollback` helps.
        """

    def rollback(self) -> None:
        """Forgets what was not committed. Streams given out before are void."""

    def reader(self) -> Reader:
        """A reader for another thread."""

    def close(self) -> None:
        """Lets go of the log; what was not committed is forgotten."""
