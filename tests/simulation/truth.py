"""What must have become of the commands of a log: made anew from it by a book never interrupted.

It shares neither the runner's sifting of tokens nor its bookkeeping: only the book, and on a sample
of histories not even that, but the naive twin.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pricetime as pt
from model.twin import Twin
from pricetime.log.batch import Commands, Events
from pricetime.records import COMMAND, EVENT, Reason

from .faults import Failure

__all__ = ["Piece", "Stored", "Truth", "join", "require"]


def require(holds: bool, *what: object) -> None:
    """Raises Failure with what is said, unless it holds."""
    if not holds:
        raise Failure(" ".join(map(str, what)))


@dataclass
class Stored:
    """All that a log holds of one instrument, or held before it was trimmed."""

    commands: list[Commands] = field(default_factory=list)
    events: list[Events] = field(default_factory=list)

    @property
    def position(self) -> int:
        return self.commands[-1].position if self.commands else 0

    @property
    def sequence(self) -> int:
        return self.events[-1].last if self.events else 0


@dataclass
class Piece:
    """Commands of a log that one token marks, or that none does."""

    key: bytes
    records: np.ndarray
    first: int | None
    """number of the first in the book; None: they had been done before"""


def pieces(batches: list[Commands]) -> tuple[list[Piece], dict[int, int]]:
    """The log cut at its tokens, in its order; of each token the first piece alone counts. And how
    many commands are done at each position."""
    found: list[Piece] = []
    done = {0: 0}
    seen: set[bytes] = set()
    number = 1
    for batch in batches:
        at = 0
        marks = [(int(t["begin"]), int(t["count"]), bytes(t["key"])) for t in batch.tokens]
        for begin, count, key in [*marks, (len(batch.records), 0, b"")]:
            if begin > at:
                found.append(Piece(b"", batch.records[at:begin], number))
                number += begin - at
            if count:
                records = batch.records[begin : begin + count]
                found.append(Piece(key, records, None if key in seen else number))
                number += 0 if key in seen else count
                seen.add(key)
            at = begin + count
        done[batch.position] = number - 1
    return found, done


def join(batches: list[Events]) -> np.ndarray:
    """All their events."""
    if not batches:
        return np.empty(0, EVENT)
    return np.concatenate([batch.records for batch in batches])


class Truth:
    """The log of one instrument as it must be; raises Failure where it is not."""

    def __init__(self, name: str, parameters: dict[str, int], stored: Stored) -> None:
        self.name = name
        self.parameters = parameters
        self.stored = stored
        self.pieces, self.done = pieces(stored.commands)
        done = [piece.records for piece in self.pieces if piece.first is not None]
        self.commands = np.concatenate(done) if done else np.empty(0, COMMAND)
        self.book = pt.Book(**parameters)
        self.events = self.book.process(self.commands)
        self.data = self.events.tobytes()

    def check_events(self, events: np.ndarray) -> None:
        """They are those of the commands, all of them, in order, once."""
        data = events.tobytes()
        if data == self.data:
            return
        for ours, theirs in zip(self.events, events, strict=False):
            require(ours.tobytes() == theirs.tobytes(), self.name, "stored", theirs, "not", ours)
        raise Failure(f"{self.name}: {len(events)} events stand, not {len(self.events)}")

    def check_batches(self, batches: list[Events]) -> None:
        """Each says where in the log the book stood behind it, and now and then in what state."""
        numbers = self.events["command"]
        book = pt.Book(**self.parameters)
        for batch, after in pairwise([*batches, None]):
            where = f"{self.name}: events {batch.first} to {batch.last}"
            require(batch.position in self.done, where, "have a position that no commands end at")
            at = int(np.searchsorted(numbers, self.done[batch.position], "right"))
            if at != batch.last:  # a part of those of one batch of commands, not the last one
                require(at < batch.first, where, "have position", batch.position, "of event", at)
                require(after is not None, where, "are cut off")
                require(not batch.digest, where, "have a digest, but are not whole")
            if batch.digest:
                book.process(self.commands[book.commands : self.done[batch.position]])
                require(batch.digest == book.state_hash(), where, "have another state's digest")

    def check_book(self, book: pt.Book) -> None:
        """A recovered book is as one that was never interrupted."""
        book.check()
        require(book.commands == self.book.commands, self.name, book.commands, "commands were done")
        require(book.sequence == self.book.sequence, self.name, book.sequence, "events were made")
        same = book.state_hash() == self.book.state_hash()
        require(same, self.name, "the recovered book is in another state")

    def check_times(self, stamped: np.ndarray) -> None:
        """Neither events nor what the venue has stamped (a mask of commands) run backwards."""
        times = self.events["timestamp"]
        require(bool(np.all(times[1:] >= times[:-1])), self.name, "events run backwards")
        # What is malformed, or of a reserved type, does not move the book's time, so that a later
        # run of the venue cannot know of it.
        unread = np.isin(self.events["reason"], (Reason.MALFORMED, Reason.UNSUPPORTED))
        refused = self.events["command"][unread]
        heard = stamped.copy()
        heard[refused.astype(np.int64) - 1] = False
        times = self.commands["timestamp"][heard]
        require(bool(np.all(times[1:] >= times[:-1])), self.name, "stamped times run backwards")

    def check_twin(self) -> None:
        """The naive twin says the same."""
        said = Twin(**self.parameters).process(self.commands)
        require(said.tobytes() == self.data, self.name, "the naive twin makes other events")

    def number_of(self, sequence: int) -> int:
        """The command that caused an event."""
        return int(self.events["command"][sequence - 1])
