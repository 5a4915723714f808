"""The checkpoints of a pair: messages of parts in a partition, the newest few of which are kept.

The key of a part is `POSITION/WRITER/SEQUENCE`: two runners may store at the same time, and a
checkpoint is whole when all its parts are there from one of them. The events up to the sequence had
arrived by then, so the tail is not before it.
"""

import logging
from typing import NamedTuple

from pricetime.log.errors import LogDamaged, LogTrimmed
from pricetime.log.kafka.message import part_of
from pricetime.log.kafka.partition import Partition

__all__ = ["Save", "Saves", "arrived", "save_key"]

SEQUENCE_DIGITS = 20

logger = logging.getLogger("pricetime")


class Save(NamedTuple):
    """A whole checkpoint."""

    position: int
    offset: int
    """of its first part"""
    end: int
    """behind its last part"""
    key: bytes

    @property
    def sequence(self) -> int:
        """Up to which events had arrived when it was stored; 0 where its key does not say."""
        digits = self.key.rpartition(b"/")[2]
        return int(digits) if digits.isdigit() and len(digits) <= SEQUENCE_DIGITS else 0


def arrived(saves: list[Save]) -> int:
    """Up to which events are known to be there."""
    return max((save.sequence for save in saves), default=0)


def save_key(position: int, writer: str, sequence: int) -> bytes:
    """The key of the parts of a checkpoint."""
    return f"{position}/{writer}/{sequence}".encode()


class Saves:
    """The checkpoints that stand in a pair's partition."""

    def __init__(self, partition: Partition, name: str) -> None:
        self.partition = partition
        self.name = name

    def whole(self) -> list[Save]:
        """Those of which all parts are there, the newest position first."""
        while True:
            try:
                return self._whole()
            except LogTrimmed:
                continue  # a runner has dropped some meanwhile

    def _whole(self) -> list[Save]:
        low, _ = self.partition.bounds()
        begun: dict[bytes, tuple[int, set[int]]] = {}
        found: dict[int, Save] = {}
        for message in self.partition.read(low):
            try:
                part = part_of(message, self.name, self.partition.where)
            except LogDamaged as error:
                logger.warning("%s; its checkpoint is not whole", error)
                continue
            key, offset = message.key() or b"", message.offset() or 0
            if part.number == 0:
                begun[key] = offset, set()
            if key not in begun:
                continue
            begin, numbers = begun[key]
            numbers.add(part.number)
            if len(numbers) == part.parts:
                found[part.position] = Save(part.position, begin, offset + 1, key)
        return sorted(found.values(), reverse=True)

    def load(self, save: Save) -> bytes:
        """The bytes of a checkpoint; raises LogDamaged."""
        where = f"checkpoint of {self.name} at {save.position}"
        parts = []
        try:
            for message in self.partition.read(save.offset, save.end):
                if message.key() == save.key:
                    parts.append(part_of(message, self.name, self.partition.where))
        except LogTrimmed as error:
            raise LogDamaged(f"{where}: a later one has taken its place: {error}") from None
        if [part.number for part in parts] != list(range(len(parts))) or not parts:
            raise LogDamaged(f"{where}: its parts do not stand in order")
        return b"".join(part.data for part in parts)
