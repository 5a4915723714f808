"""The commands of one pair, each with the time at which it is due.

The flow must hear what became of its commands before it makes the next ones, and cannot wait for
Kafka: so it hears it from a book of its own. The runners' books see the same commands, and now and
then one of a runner's besides, that lets time pass; what differs by that is refused and no more.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.flow import RESTING, Flow
from pricetime.demo.run import BATCH
from pricetime.log.batch import Records
from pricetime.venue.definition import Definition

__all__ = ["Trader"]

MINUTE = 60 * 10**9  # ns
BLOCK = MINUTE // 600  # ns of the flow that are made at once: a block costs some ms, however large
SECOND = 10**9  # ns


class Trader:
    """Makes commands without end: so many a minute for all traders, of which this is one."""

    def __init__(self, definition: Definition, seed: int, per_minute: int, traders: int) -> None:
        self.given = 0
        """commands, without those that opened the book"""
        self._each = traders * MINUTE  # ns of `per_minute` commands of ours
        self._per_minute = per_minute
        self._flow = Flow(seed, max(per_minute // traders, 1))
        self._scout = definition.new_book()
        self._began = 0  # ns
        self._size = min(max(self._due(BLOCK), 1), BATCH)
        self._made = 0  # of the commands that are due at a time of their own
        self._block = self._flow.make(0)  # made and not given

    def open(self, now: int) -> Iterator[Records]:
        """Commands, all due at one time (ns), that fill the book to the flow's target."""
        while len(self._scout) < RESTING:
            yield self._make(np.full(BATCH, now))

    def begin(self, now: int, share: float) -> None:
        """From this time on (ns) commands are due one after the other. The first block has a share
        of the usual size, so that not all traders make theirs at once."""
        self._began = now
        self._make_block(max(round(share * self._size), 1))

    def due(self, now: int) -> int:
        """How many of them are due by a time (ns)."""
        return self._due(now - self._began)

    def _due(self, elapsed: int) -> int:
        return elapsed * self._per_minute // self._each

    def take(self, count: int) -> Records:
        """The next of them, so many at most."""
        if not len(self._block):
            self._make_block(self._size)
        taken, self._block = self._block[:count], self._block[count:]
        self.given += len(taken)
        return taken

    def _make_block(self, count: int) -> None:
        numbers = range(self._made + 1, self._made + count + 1)
        times = [-(-number * self._each // self._per_minute) for number in numbers]
        self._block = self._make(self._began + np.array(times, np.int64))
        self._made += count

    def _make(self, times: NDArray[np.int64]) -> Records:
        """The next commands of the flow, at these times; what expires does so as much later."""
        commands = self._flow.make(len(times))
        later = -((commands["timestamp"] - times) // SECOND)
        commands["timestamp"] = times
        expires = commands["expires"]
        commands["expires"] = np.where(expires, expires + later, 0)
        self._flow.learn(self._scout.process(commands))
        return commands
