"""Follows the events of a pair: each once, in order, whoever published them how often.

Several runners may have published the same events, each in batches of its own, and one that was
asleep may repeat old ones at any time. What has been seen is dropped by its sequence; a gap is an
error, as it cannot come of runners that keep to the rules.
"""

import time
from collections.abc import Callable, Iterator

from pricetime.log.batch import Events, cut_events
from pricetime.log.errors import LogDamaged, LogError, LogFailed, LogTrimmed
from pricetime.log.kafka.client import ANSWER_SECONDS
from pricetime.log.kafka.message import events_of
from pricetime.log.kafka.partition import Partition
from pricetime.log.protocol import Tail

__all__ = ["Follower", "find_tail", "locate"]


def locate(partition: Partition, name: str, behind: Callable[[Events], bool]) -> int:
    """An offset before which, as far as it looks, no batch is `behind` what is looked for.

    By halving: batches stand in order but for repeats, so whoever reads on from there must see
    whether it was far enough back.
    """
    low, high = partition.bounds()
    while high - low > 1:
        middle = (low + high) // 2
        found = _whole(partition, name, middle, high)
        if found is None or behind(found[1]):
            high = middle
        else:
            low = found[0]
    return low


def _whole(partition: Partition, name: str, offset: int, end: int) -> tuple[int, Events] | None:
    """The first batch at or behind an offset that is not damaged, and its own offset."""
    while (message := partition.at(offset)) is not None:
        offset = message.offset() or 0
        if offset >= end:
            return None
        try:
            return offset, events_of(message, name, partition.where)
        except LogDamaged:  # it is told where it is reached
            offset += 1
    return None


def find_tail(partition: Partition, name: str, least: int) -> Tail:
    """How far the events of a pair are published, by anybody; `least`: a sequence that is there.

    The last message is not always the last event: a runner that was asleep may have repeated old
    ones behind it. So all are looked at behind `least`, which a checkpoint names. Where very many
    are repeated a later one may be missed: then what is behind it is published again, no more.
    """
    low, high = partition.bounds()
    begin = locate(partition, name, lambda batch: batch.last > least) if least else low
    while True:
        tail = Tail(0, 0)
        for message in partition.read(begin):
            batch = events_of(message, name, partition.where)
            if batch.last > tail.sequence:
                tail = Tail(batch.last, batch.position)
        if tail.sequence >= least or begin <= low:
            return tail
        begin = _further_back(begin, high, low)


def _further_back(begin: int, end: int, low: int) -> int:
    """An offset three times as far from the end, not before the first one."""
    return max(low, begin - 2 * (end - begin) - 1)


class Follower:
    """The events of a pair after a sequence; it owns the partition's consumer."""

    def __init__(self, partition: Partition, name: str, after: int) -> None:
        self.partition = partition
        self.name = name
        self.last = after
        """sequence of the last event that was given out"""
        self._begin = -1  # the offset from which we read; -1: not yet known
        self._fresh = True  # nothing was found yet

    def poll(self, seconds: float) -> list[Events]:
        """What is new, [] if nothing comes for so long; raises LogDamaged, LogTrimmed."""
        if self._begin < 0:
            self._seek(locate(self.partition, self.name, lambda batch: batch.last > self.last))
        found: list[Events] = []
        for message in self.partition.poll(seconds):
            try:
                batch = events_of(message, self.name, self.partition.where)
                if batch.first > self.last + 1:
                    self._gap(batch)
                    return found
            except LogError:
                self._begin = -1  # the next call comes here again
                if found:
                    return found
                raise
            if batch.last > self.last:
                found.append(cut_events(batch, self.last))
                self.last = batch.last
                self._fresh = False
        return found

    def to_the_end(self, least: int = 0) -> Iterator[Events]:
        """What is new, up to the present end of the partition. `least`: a sequence that is there;
        where repeats hide it, it looks further back."""
        yield from self._to_the_end()
        while self.last < least and self._back():
            yield from self._to_the_end()

    def _to_the_end(self) -> Iterator[Events]:
        _, high = self.partition.bounds()
        patience = time.monotonic() + ANSWER_SECONDS
        while self.partition.next < high or self._begin < 0:
            found = self.poll(0.1)
            yield from found
            if found:
                patience = time.monotonic() + ANSWER_SECONDS
            elif time.monotonic() > patience:
                raise LogFailed(
                    f"{self.partition.where}: nothing came for {ANSWER_SECONDS:.0f} s: is the "
                    "broker there?"
                )

    def _seek(self, offset: int) -> None:
        self._begin = offset
        self.partition.seek(offset)

    def _back(self) -> bool:
        """Goes further back; says whether there is anything."""
        low, _ = self.partition.bounds()
        if self._begin <= low:
            return False
        self._seek(_further_back(self._begin, self.partition.next, low))
        return True

    def _gap(self, batch: Events) -> None:
        """Goes further back; where that is not possible, says what is missing."""
        if self._back():
            return
        low, _ = self.partition.bounds()
        missing = f"events {self.last + 1} to {batch.first - 1} of {self.name}"
        if low > 0 and self._fresh:
            raise LogTrimmed(f"{missing} were trimmed: {self.partition.where} begins at {low}")
        raise LogDamaged(f"{missing} are missing in {self.partition.where}")
