"""A disk that lies: what has been written and not synced is in the operating system's hands alone.

A file has what the system shows, and what is on the platter; between them stand the writes since
the last sync, in their order. A kill loses none of them; a power cut loses them, keeps them, tears
them at sectors or bytes, or keeps later ones without earlier ones. A name that was deleted comes
back if the folder has not been synced since.

What is armed strikes at its operation: a crash before or after it, or an error in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from .faults import Faults

__all__ = ["SECTOR", "Armed", "Disk", "File", "Machine"]

SECTOR = 512  # bytes that are written whole or not at all, where writes tear at sectors

Pending = tuple[int, bytes | None]
"""A write at a place, or with None a truncation to a size."""


class File:
    """One file: what the system shows, what is on the platter, and the writes between them."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.platter = bytearray()
        self.pending: list[Pending] = []

    def write(self, data: bytes, offset: int) -> None:
        put(self.content, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        put(self.content, size, None)
        self.pending.append((size, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            put(self.platter, offset, data)
        self.pending.clear()


def put(content: bytearray, offset: int, data: bytes | None) -> None:
    """Writes into a file's bytes; with None truncates them."""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


@dataclass
class Disk:
    """Files by name, as the system shows them and as the platter has them."""

    rng: Random
    faults: Faults
    names: dict[str, File] = field(default_factory=dict)
    platter: dict[str, File] = field(default_factory=dict)

    def sync_folder(self) -> None:
        self.platter = dict(self.names)

    def delete(self, name: str, sync: bool) -> None:
        del self.names[name]
        if sync:
            self.sync_folder()

    # --- power

    def cut_power(self) -> None:
        """What was not synced is lost, in whole, in part or not at all."""
        for name in sorted(self.names.keys() | self.platter.keys()):
            now, before = self.names.get(name), self.platter.get(name)
            if now is before or self.rng.random() < 0.5:
                continue
            if before is None:
                self.faults["new file lost"] += 1
                del self.names[name]
            else:
                self.faults["delete undone"] += 1
                self.names[name] = before
        self.sync_folder()
        for file in self.names.values():
            self._cut(file)

    def _cut(self, file: File) -> None:
        kept: list[Pending] = []
        if file.pending:
            kept = self._survivors(file.pending)
        for offset, data in kept:
            put(file.platter, offset, data)
        file.pending.clear()
        file.content = bytearray(file.platter)

    def _survivors(self, pending: list[Pending]) -> list[Pending]:
        rng = self.rng
        way = rng.choice(("none", "all", "first", "some", "some", "torn", "torn"))
        if way == "all":
            return pending
        if way == "some":
            keep = [rng.random() < 0.5 for _ in pending]
        else:
            count = 0 if way == "none" else rng.randrange(len(pending))
            keep = [number < count for number in range(len(pending))]
        self.faults["unsynced write lost"] += keep.count(False)
        if any(late and not early for early, late in pairwise(keep)):
            self.faults["unsynced writes reordered"] += 1
        kept = [write for write, whether in zip(pending, keep, strict=True) if whether]
        if way == "torn":
            kept += self._torn(*pending[len(kept)])
        return kept

    def _torn(self, offset: int, data: bytes | None) -> list[Pending]:
        """What is left of a write that the power cut met."""
        if data is None or len(data) < 2:
            return []
        if self.rng.random() < 0.5:
            self.faults["unsynced write torn at a byte"] += 1
            return [(offset, data[: self.rng.randrange(1, len(data))])]
        first = -offset % SECTOR
        cuts = [0, *range(first or SECTOR, len(data), SECTOR), len(data)]
        if len(cuts) < 3:
            return []
        self.faults["unsynced write torn at a sector"] += 1
        sectors = [(offset + a, data[a:b]) for a, b in pairwise(cuts)]
        kept = [sector for sector in sectors if self.rng.random() < 0.5]
        return kept if len(kept) < len(sectors) else kept[1:]


@dataclass
class Armed:
    """Something that will go wrong: at the n-th operation of its sort from now, or from then on."""

    operation: str
    countdown: int  # operations that pass before it strikes
    strike: Callable[[File | None], None]
    before: bool = True
    times: int = 1


class Machine:
    """One process's way to the disk: once it is dead nothing that it does has an effect."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.dead = False
        self.armed: list[Armed] = []
        self.struck = 0  # errors that it has met
        self.logged = 0  # writes to a write-ahead log: what a commit is

    def begin(self, operation: str, file: File | None = None) -> bool:
        """Whether an operation is to be done now; raises an error that strikes in its place."""
        if not self.dead and self.armed:
            self._operation(operation, True, file)
        return not self.dead

    def end(self, operation: str) -> None:
        """An operation has been done."""
        if self.armed:
            self._operation(operation, False)

    def _operation(self, name: str, before: bool, file: File | None = None) -> None:
        """What is armed strikes."""
        for armed in self.armed[:]:
            if armed.operation != name or armed.before != before:
                continue
            armed.countdown -= 1
            if armed.countdown < 0:
                armed.times -= 1
                if not armed.times:
                    self.armed.remove(armed)
                self.struck += 1
                armed.strike(file)
                if self.dead:  # nothing else can befall it
                    return
