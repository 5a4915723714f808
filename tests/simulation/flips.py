"""Bits that change while nobody looks: harmless, or noticed and named, never served.

SQLite itself has no checksums in its file: what is noticed, is so by ours, or since the pages make
no sense any more.
"""

from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from pricetime import Book
from pricetime.log.errors import Diverged, LogError
from pricetime.log.holder import witness_path
from pricetime.records import EventKind
from pricetime.venue.definition import Definition

from .acts import restart
from .disk import Machine
from .process import Process
from .truth import Truth, require
from .vfs import Connection, FileSystem

if TYPE_CHECKING:
    from .venues import Venues

__all__ = ["flip"]

STATE = "bit flip in a state"
CHECKPOINT = "bit flip in a checkpoint"
TABLES = {
    "bit flip in commands": "commands",
    "bit flip in events": "events",
    CHECKPOINT: "checkpoints",
}
REACH = 300  # bytes of a batch that lie in the page where it begins, at least, if it has so many


def flip(world: "Venues", truths: dict[str, Truth]) -> None:
    """Damages what is stored, with no venue on it, and looks twice at what is served."""
    stored = stored_bytes(world)
    for follower in world.followers:
        follower.die()
    if world.rng.random() < 0.5:
        restart(world)
    else:  # its write-ahead log stays
        world.end(world.process)
        world.process = None
    way = world.rng.random()
    if way < 0.2:
        lose_row(world, truths)
    elif way < 0.4:
        other_rules(world, truths)
    else:
        kind = flip_bit(world, stored)
        for _ in range(2):
            noticed = look(world, truths, recovers=kind == CHECKPOINT)
            world.faults["flip noticed" if noticed else "flip harmless"] += 1


def lose_row(world: "Venues", truths: dict[str, Truth]) -> None:
    """A row that SQLite has lost, or has given another's bytes, is missed."""
    table = world.rng.choice(("commands", "events"))
    machine = Machine(world.disk)
    files = FileSystem(machine)
    connection = Connection(world.path, files)
    rows = [row for (row,) in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
    if len(rows) > 1:
        one, other = world.rng.sample(rows, 2)
        if world.rng.random() < 0.5:
            name, statement = f"{table} lost", f"DELETE FROM {table} WHERE rowid = ?"
            connection.execute(statement, (one,))
        else:
            name = f"{table} put in another's place"
            statement = f"SELECT batch FROM {table} WHERE rowid = ?"
            batch = connection.execute(statement, (other,)).fetchone()[0]
            connection.execute(f"UPDATE {table} SET batch = ? WHERE rowid = ?", (batch, one))
        world.faults[name] += 1
        world.say(f"row    {name}")
    connection.close()
    files.unregister()
    if len(rows) > 1:
        require(look(world, truths), "nobody has missed", name)


class Misreporting(Book):
    """A book that does the same, and tells its trades otherwise."""

    def process(self, commands: np.ndarray) -> np.ndarray:
        events = super().process(commands).copy()
        events["price"][events["kind"] == EventKind.TRADE] += 1
        return events


RULES: tuple[tuple[type[Book], dict[str, int]], ...] = (
    (Book, {"max_orders": 2}),
    (Book, {"stp": 1}),
    (Book, {"stp": 3}),
    (Book, {"collar": 1}),
    (Book, {"matching": 2}),
    (Misreporting, {}),
    (Misreporting, {}),
)


def other_rules(world: "Venues", truths: dict[str, Truth]) -> None:
    """Books of other rules than those that made the events either make the same, or say so."""
    book, rules = world.rng.choice(RULES)

    def new_book(definition: Definition) -> Book:
        return book(**definition.instrument.parameters() | definition.book | rules)

    process = Process(world, "commit")
    with patch.object(Definition, "new_book", new_book):
        process.start()
    world.faults["books of other rules"] += 1
    for name, truth in truths.items():
        if process.log.stream(name).checkpoints():  # which keep the rules that were
            continue
        broken = process.core._broken.get(name)
        same = same_events(truth, book(**truth.parameters | rules))
        require(same or isinstance(broken, Diverged), name, "has diverged in silence")
    process.die()


def same_events(truth: Truth, book: Book) -> bool:
    """Whether a book makes what stands, and is now and then in the state that stands."""
    made = []
    for batch in truth.stored.events:
        end = truth.done[batch.position]
        made.append(book.process(truth.commands[book.commands : end]).tobytes())
        if batch.digest and batch.digest != book.state_hash():
            return False
    return b"".join(made) == truth.data


def flip_bit(world: "Venues", stored: dict[str, list[bytes]]) -> str:
    """Flips one bit; the name of where."""
    choice = places(world, stored)
    kind = world.rng.choice([*choice, *(choice.keys() & {STATE})])
    file, at = world.rng.choice(choice[kind])
    bit = world.rng.randrange(8)
    if file is None:
        text = bytearray(witness_path(world.path).read_bytes())
        text[at] ^= 1 << bit
        witness_path(world.path).write_bytes(text)
    else:
        world.disk.names[file].content[at] ^= 1 << bit
        world.disk.names[file].platter[at : at + 1] = world.disk.names[file].content[at : at + 1]
    world.faults[kind] += 1
    world.say(f"flip   {kind}: bit {bit} of byte {at} of {file or 'the lock file'}")
    return kind


def stored_bytes(world: "Venues") -> dict[str, list[bytes]]:
    """What stands in the file, by the name of a fault that may befall it."""
    log = world.process.log
    found = {STATE: [log._state.pack()]}
    for name, definition in log.instruments().items():
        found[STATE].append(log.stream(name).state.pack(name, definition))
    for kind, table in TABLES.items():
        rows = log._connection.execute(f"SELECT batch FROM {table} ORDER BY rowid")
        found[kind] = [batch[:REACH] for (batch,) in rows]
    return found


def places(
    world: "Venues", stored: dict[str, list[bytes]]
) -> dict[str, list[tuple[str | None, int]]]:
    """Where bits may flip, as file and byte, by what is there; None is the lock file."""
    rng = world.rng
    found: dict[str, list[tuple[str | None, int]]] = {}
    for name, file in world.disk.names.items():
        content = bytes(file.content)
        if not content:
            continue
        if name.endswith("-wal"):
            found["bit flip in the write-ahead log"] = [(name, rng.randrange(len(content)))]
        else:
            for kind, parts in stored.items():
                hits = [(content.rfind(part), len(part)) for part in parts]
                there = [(name, at + rng.randrange(size)) for at, size in hits if at >= 0]
                if there:
                    found[kind] = there
        found.setdefault("bit flip anywhere", []).append((name, rng.randrange(len(content))))
    if rng.random() < 0.1:
        size = len(witness_path(world.path).read_bytes())
        found["bit flip anywhere"] = [(None, rng.randrange(size))]
    return found


def look(world: "Venues", truths: dict[str, Truth], *, recovers: bool = False) -> bool:
    """Whether something is said to be wrong; what is not is complete and right."""
    process = Process(world, "commit")
    try:
        process.start()
    except LogError as error:
        world.say(f"       {error!r}")
        process.die()
        require(not recovers, "does not start, though there is a way:", repr(error))
        return True
    require(not recovers or not process.core._broken, "does not recover, though there is a way")
    noticed = bool(process.core._broken)
    for error in process.core._broken.values():
        world.say(f"       {error!r}")
    for name, truth in truths.items():
        if name in process.core._broken:
            continue
        require(name in process.core.definitions, name, "is gone, and nobody says so")
        require(process.core.definitions[name] == world.definitions[name], name, "is another")
        truth.check_book(process.core.runner(name).book)
        noticed |= misread(world, name, truth)
    for name in process.core.definitions:
        require(name in truths, name, "is there, and was never added")
    try:
        process.close()
    except LogError as error:
        world.say(f"       {error!r}")
        noticed = True
    return noticed


def misread(world: "Venues", name: str, truth: Truth) -> bool:
    """Whether reading all of an instrument meets damage; what is read before it is right."""
    try:
        stored = world.stored(name)
    except LogError as error:
        world.say(f"       {error!r}")
        return True
    for ours, theirs in zip(stored.commands, truth.stored.commands, strict=True):
        same = all(a.tobytes() == b.tobytes() for a, b in zip(ours[:2], theirs[:2], strict=True))
        require(same and ours.position == theirs.position, name, "serves other commands")
    for ours, theirs in zip(stored.events, truth.stored.events, strict=True):
        require(ours.records.tobytes() == theirs.records.tobytes(), name, "serves other events")
        require(ours[1:] == theirs[1:], name, "serves another position or digest")
    return False
