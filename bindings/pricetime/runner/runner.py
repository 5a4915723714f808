"""One instrument's loop, the same for every log: read commands, process them, publish events.

The book is a function of the log: whoever reads the same commands publishes the same events. So a
runner that starts takes the newest good checkpoint, processes what came after it, and compares what
it makes with what stands published, byte for byte; it publishes from the first event that is not
there yet. Where the two differ it stops, rather than tell anybody anything wrong.

A runner reads no clock and does no waiting; who drives it commits the log between steps.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from pricetime._book import Book
from pricetime.log.batch import Events, Records, first_difference
from pricetime.log.errors import Diverged, LogDamaged, LogTrimmed
from pricetime.log.protocol import Stream
from pricetime.runner import saved
from pricetime.runner.distance import Distance
from pricetime.runner.tokens import Seen, Tokens

__all__ = ["CHECKPOINT", "Done", "Runner"]

CHECKPOINT = Distance(commands=1_000_000, commands_per_order=4)
CHECKPOINT_NS = 300 * 10**9
DIGEST_COMMANDS = 65_536
DIGEST_PER_ORDER = 16
EVENTS_MAX = 1 << 17
"""Most events of one batch; what made more is published in several."""

logger = logging.getLogger("pricetime")


class Done(NamedTuple):
    """What became of one batch of commands."""

    command: int
    """number in the book of the first that was processed"""
    events: Records
    """all their events"""
    repeated: dict[int, Seen]
    """by the place in the batch where they begin: commands that had been done before"""


class Runner:
    """The book of one instrument, and its place in the log.

    Recovers as it is made: raises LogDamaged, LogVersion or Diverged where it cannot.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        new_book: Callable[[], Book],
        *,
        distance: Distance = CHECKPOINT,
    ) -> None:
        self.name = name
        self.stream = stream
        self.distance = distance
        self._parts: list[bytes] = []  # of a checkpoint, still to be stored, the last one first
        self._tail = stream.tail()
        self._start(new_book)
        self._standing: Iterator[Events] = iter(())
        if self.book.sequence < self._tail.sequence:
            self._standing = stream.published(self.book.sequence)
        self._digest_command = self.book.commands
        try:
            for _ in self.step():
                pass
        except LogTrimmed as error:
            raise LogDamaged(f"{name}: no checkpoint of it is good, and {error}") from error
        if self.book.sequence < self._tail.sequence:
            raise Diverged(
                f"{name}: events stand up to {self._tail.sequence}, but the commands make them up "
                f"to {self.book.sequence} only: commands are missing"
            )

    def _start(self, new_book: Callable[[], Book]) -> None:
        """Takes the newest checkpoint that is good."""
        state = saved.Saved(new_book(), Tokens(), 0)
        self._checkpoint_command = self._checkpoint_time = 0
        for position in self.stream.checkpoints():
            where = f"checkpoint of {self.name} at {position}"
            try:
                found = saved.unpack(self.stream.checkpoint(position), where)
                if found.book.sequence > self._tail.sequence:  # they would be told with a gap
                    raise LogDamaged(
                        f"{where}: it is behind event {found.book.sequence}, but events stand up "
                        f"to {self._tail.sequence} only"
                    )
            except LogDamaged as error:
                logger.warning("%s; taking the one before it", error)
                continue
            state = found
            self._checkpoint_command = state.book.commands
            self._checkpoint_time = state.book.timestamp
            break
        self.book, self.tokens, self.position = state
        self._checkpoint_position = self.position

    def step(self) -> Iterator[Done]:
        """Processes the commands that are in the log and publishes their events, batch by batch."""
        for batch in self.stream.read(self.position):
            before = self.book.commands
            records, repeated = self.tokens.sift(batch, before, self.book.sequence)
            events = self.book.process(records)
            self._publish(events, batch.position)
            self.position = batch.position
            yield Done(before + 1, events, repeated)

    # --- events

    def _publish(self, events: Records, position: int) -> None:
        """Publishes what does not stand there yet, and compares what does."""
        standing = 0
        if len(events) and self._tail.sequence >= int(events["sequence"][0]):
            standing = min(self._tail.sequence - int(events["sequence"][0]) + 1, len(events))
            self._compare(events[:standing])
        for begin in range(standing, len(events), EVENTS_MAX):
            part = events[begin : begin + EVENTS_MAX]
            last = begin + EVENTS_MAX >= len(events)
            digest = self._digest() if last else ""
            # So a batch's position is behind the one before only where its commands are complete.
            reached = position if last else self.stream.tail().position
            self.stream.publish(Events(part, reached, digest))

    def _digest(self) -> str:
        """The state hash where one is due: often where it is cheap, less so for large books."""
        due = self._digest_command + DIGEST_COMMANDS + DIGEST_PER_ORDER * len(self.book)
        if self.book.commands < due:
            return ""
        self._digest_command = self.book.commands
        return self.book.state_hash()

    def _compare(self, events: Records) -> None:
        """Raises Diverged unless these events stand published as they are."""
        while len(events):
            batch = next(self._standing, None)
            if batch is None:
                raise LogDamaged(f"{self.name}: published events end before their tail")
            count = min(len(batch.records), len(events))
            self._same(events[:count], batch.records[:count])
            if count < len(batch.records):
                rest = batch._replace(records=batch.records[count:])
                self._standing = chain((rest,), self._standing)
            elif batch.digest and batch.last == self.book.sequence:
                self._same_state(batch.digest)
            events = events[count:]

    def _same(self, made: Records, standing: Records) -> None:
        at = first_difference(made, standing)
        if at is None:
            return
        raise Diverged(
            f"{self.name}: event {int(made['sequence'][at])} of command {int(made['command'][at])} "
            f"is {made[at]} now, but {standing[at]} stands published: was the log written by a "
            "release with other rules? Nothing more is published"
        )

    def _same_state(self, digest: str) -> None:
        self._digest_command = self.book.commands
        if self.book.state_hash() != digest:
            raise Diverged(
                f"{self.name}: behind command {self.book.commands} the book's state is "
                f"{self.book.state_hash()}, but {digest} stands published: was the log written by "
                "a release with other rules? Nothing more is published"
            )

    # --- checkpoints

    def checkpoint_due(self) -> bool:
        """Whether enough has been processed, or time passed in the book, since the last one."""
        return self.is_past(self.distance) or (self.behind > 0 and self.age_ns >= CHECKPOINT_NS)

    def is_past(self, distance: Distance) -> bool:
        """Whether it is as far from its last checkpoint as this, or farther."""
        orders = len(self.book)
        return (
            self.behind >= distance.commands + distance.commands_per_order * orders
            or self.position - self._checkpoint_position
            >= distance.positions + distance.positions_per_order * orders
        )

    def take_checkpoint(self) -> None:
        """Takes one of what is committed; `store_part` stores it, piece by piece."""
        self._checkpoint_command = self.book.commands
        self._checkpoint_time = self.book.timestamp
        self._checkpoint_position = self.position
        data = saved.pack(saved.Saved(self.book, self.tokens, self.position))
        self._parts = saved.parts(data)[::-1]
        self._parts_all = len(self._parts)

    @property
    def behind(self) -> int:
        """Commands since the last checkpoint."""
        return self.book.commands - self._checkpoint_command

    @property
    def age_ns(self) -> int:
        """The book's time since the last checkpoint."""
        return self.book.timestamp - self._checkpoint_time

    def reopen(self, stream: Stream) -> None:
        """Goes on with a stream of the same log, which has rolled back."""
        self.stream = stream

    def drop_checkpoint(self) -> None:
        """Forgets the checkpoint that was taken last, which is not stored whole."""
        self._parts.clear()
        self._checkpoint_command = 0

    @property
    def storing(self) -> bool:
        """Whether parts of a checkpoint are still to be stored."""
        return bool(self._parts)

    def store_part(self) -> None:
        """Stores the next part of the checkpoint taken."""
        number = self._parts_all - len(self._parts)
        self.stream.store(self._checkpoint_position, self._parts_all, number, self._parts.pop())
