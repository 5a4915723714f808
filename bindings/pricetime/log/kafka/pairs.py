"""The map of pairs: which partition is whose, written down once and never moved.

It is the fold of the topic `pairs`, which has one partition: each message is a claim, as JSON, to
make the next version of the map. The first claim of a version counts, whoever else made one at the
same time; the order of the log decides.
"""

import json
from typing import NamedTuple

from pricetime.log.errors import LogDamaged, LogError, LogVersion
from pricetime.log.kafka.message import body
from pricetime.log.kafka.partition import Partition

__all__ = ["MAP_FORMAT", "Pair", "PairMap"]

MAP_FORMAT = 1


class Pair(NamedTuple):
    """A traded pair, as it was added."""

    name: str
    partition: int
    """of the topics commands, events and checkpoints"""
    definition: str


class PairMap:
    """All pairs, in the order in which they were added, as far as it has read."""

    def __init__(self, partition: Partition) -> None:
        self.version = 0
        self.pairs: dict[str, Pair] = {}
        self._partition = partition
        self._next = 0  # the offset behind the last message that was taken in

    def refresh(self) -> None:
        """Reads what has been added since."""
        partition = self._partition
        for message in partition.read(self._next):
            offset = message.offset() or 0
            self.apply(body(message), f"{partition.where}, offset {offset}")
            self._next = offset + 1

    def pair(self, name: str) -> Pair:
        """A pair, read anew where it is not known; raises LogError."""
        if name not in self.pairs:
            self.refresh()
        if name not in self.pairs:
            known = ", ".join(self.pairs) or "none"
            raise LogError(f"{self._partition.where} has no pair {name!r}; it has {known}")
        return self.pairs[name]

    def definitions(self) -> dict[str, str]:
        """The definition of each pair."""
        return {pair.name: pair.definition for pair in self.pairs.values()}

    def claim(self, name: str, definition: str) -> bytes:
        """The message that would add a pair behind the last partition in use."""
        claim = {
            "format": MAP_FORMAT,
            "version": self.version + 1,
            "pair": name,
            "partition": len(self.pairs),
            "definition": definition,
        }
        return json.dumps(claim).encode()

    def apply(self, data: bytes, where: str) -> None:
        """Takes the next message in; raises LogDamaged, LogVersion."""
        try:
            claim = json.loads(data)
            form = claim["format"]
            if form == MAP_FORMAT:
                pair = Pair(str(claim["pair"]), int(claim["partition"]), str(claim["definition"]))
                version = int(claim["version"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise LogDamaged(f"{where}: this is no entry of a map of pairs: {error!r}") from None
        if form != MAP_FORMAT:
            raise LogVersion(
                f"{where}: format {form} of the map of pairs is not known, this release reads "
                f"{MAP_FORMAT}: it was written by a newer release, use that one"
            )
        if version != self.version + 1 or pair.name in self.pairs:
            return  # another was first
        if pair.partition < 0 or any(p.partition == pair.partition for p in self.pairs.values()):
            raise LogDamaged(f"{where}: partition {pair.partition} cannot be that of {pair.name}")
        self.version = version
        self.pairs[pair.name] = pair
