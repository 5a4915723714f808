"""The log in one SQLite file: the embedded default.

One transaction commits commands, the events that they caused, and how far the book is; so there are
never commands without their events, and recovery publishes nothing. SQLite's write-ahead log makes
a commit one write and one fsync, which all that wait share.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

from pricetime.log.batch import (
    Commands,
    Events,
    Part,
    Records,
    pack_commands,
    pack_events,
    pack_part,
)
from pricetime.log.errors import Fenced, LogError
from pricetime.log.holder import Holder, followed
from pricetime.log.protocol import CHECKPOINTS_KEPT, Tail
from pricetime.log.renew import renew
from pricetime.log.sqlite_file import (
    State,
    VenueState,
    check_file,
    check_witness,
    create_tables,
    is_new,
    told,
    venue_state,
)
from pricetime.log.sqlite_read import Lane, SqliteReader, connect_to_read, lanes
from pricetime.release import __version__

__all__ = ["DURABILITIES", "Durability", "SqliteLog"]

Durability = Literal["commit", "system"]
"""When a command counts as acknowledged: "commit", when it is on the disk; "system", when the
operating system has it, which is quicker, and a power cut or a crash of the whole machine, though
never a killed process, may take the newest commands away (never one before them)."""

DURABILITIES: dict[Durability, str] = {"commit": "FULL", "system": "NORMAL"}

PAGE_BYTES = 1 << 14  # SQLite's own 4,096 make 4 times the writes of a large batch
WAL_BYTES_KEPT = 1 << 26  # what SQLite may keep of a write-ahead log that was once large
TRIM_MAX = 1 << 16  # commands, and events, that one transaction drops if batches are no larger


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, for whichever thread uses it."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)


class SqliteLog:
    """A log in an SQLite file, made if it is not there; for one thread at a time.

    Raises LogBusy where another process holds the file, LogVersion, LogDamaged, LogFailed.
    """

    embedded = True

    def __init__(
        self,
        path: str | Path,
        durability: Durability = "commit",
        *,
        connect: Callable[[Path], sqlite3.Connection] = connect,
        connect_to_read: Callable[[Path], sqlite3.Connection] = connect_to_read,
        renew: Callable[[Path], None] = renew,
    ) -> None:
        if durability not in DURABILITIES:
            known = " or ".join(map(repr, DURABILITIES))
            raise ValueError(f"durability {durability!r} is not known: pass {known}")
        self.path = followed(path)
        self.durability: Durability = durability
        self._connect = connect
        self._connect_to_read = connect_to_read
        self._renew = renew
        self._epoch = 0  # the one in which we write; 0: not yet taken
        if str(path) == ":memory:":  # which SQLite takes for no file, and readers for one
            raise LogError(
                "':memory:' is no file: pass pricetime.log.MemoryLog() for one in memory"
            )
        if os.path.isdir(self.path):  # False, unlike Path.is_dir, where we may not look
            raise LogError(f"{self.path} is a folder: name a file in it")
        self._holder = Holder(self.path)
        # Says who holds it; and that nothing of a file that was removed is vouched for.
        self._holder.acknowledge(self._holder.commits if self.path.exists() else 0)
        try:
            self._open()
        except BaseException:
            self._holder.close()
            raise

    def _open(self) -> None:
        with told(self.path, "open", writing=True):
            self._connection = self._connect(self.path)
        try:
            with told(self.path, "open", writing=True):
                self._prepare()
                self._take_over()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        new = is_new(self._connection)
        if new:
            execute(f"PRAGMA page_size = {PAGE_BYTES}")
        else:
            check_file(self._connection, self.path)
        # To its last row: if the switch fails, SQLite says so only there.
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise LogError(
                f"{self.path}: SQLite cannot keep a write-ahead log there (its journal mode is "
                f"{mode}): put the file into a folder on a local disk"
            )
        execute(f"PRAGMA synchronous = {DURABILITIES[self.durability]}")
        execute("PRAGMA fullfsync = ON")  # elsewhere than on macOS it means nothing
        execute("PRAGMA cell_size_check = ON")
        execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        self._streams: dict[str, SqliteStream] = {}
        self._changed: set[SqliteStream] = set()  # since the last commit
        self._writing = False
        if new:
            execute("BEGIN IMMEDIATE")
            create_tables(self._connection, __version__)
            execute("COMMIT")
        self._state = venue_state(self._connection, self.path)

    def _take_over(self) -> None:
        """Becomes the one who may write, or stays so: an earlier holder is fenced, from now on."""
        if self._epoch and self._state.epoch != self._epoch:
            raise self._fenced()
        check_witness(self.path, self._state, self._holder.commits)
        self._lanes = lanes(self._connection, self.path)
        epoch = self._epoch or self._state.epoch + 1
        self._write()
        self._renew_wal()
        self._connection.execute("UPDATE venue SET written_by = ?", (__version__,))
        self._finish(self._state._replace(epoch=epoch))
        self._epoch = epoch

    def _renew_wal(self) -> None:
        # Where this fails the write-ahead log may not hold any more what SQLite has seen in it, and
        # closing copies that into the file: but not while somebody reads, nor by who cannot write.
        reading = self._connect_to_read(self.path)
        try:
            self._renew(self.path.with_name(self.path.name + "-wal"))
        except BaseException:
            self._connection.close()
            raise
        finally:
            reading.close()

    def _write(self) -> None:
        """Sees to it that a transaction is open, in which nobody else has written."""
        if self._writing:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        row = self._connection.execute("SELECT state FROM venue").fetchone()
        if row != (self._state.pack(),):
            self._connection.execute("ROLLBACK")
            raise self._fenced()
        self._writing = True

    def _fenced(self) -> Fenced:
        return Fenced(f"{self.path} was taken over by another process: this one may not write")

    def _finish(self, state: VenueState) -> None:
        """Commits under a state that follows the last one."""
        state = state._replace(commits=state.commits + 1)
        self._connection.execute("UPDATE venue SET state = ?", (state.pack(),))
        self._connection.execute("COMMIT")
        self._writing = False
        self._state = state
        if self.durability == "commit":
            self._holder.acknowledge(state.commits)

    # --- Log

    def instruments(self) -> dict[str, str]:
        return {name: lane.definition for name, lane in self._lanes.items()}

    def add(self, name: str, definition: str) -> None:
        with told(self.path, f"add {name}", writing=True):
            self._write()
            added = self._connection.execute(
                "INSERT INTO instrument (name, definition, state) VALUES (?, ?, ?)",
                (name, definition, State(0, 0, 0).pack(name, definition)),
            )
        number = added.lastrowid or 0
        self._lanes[name] = Lane(self._connection, self.path, (number, name, definition))

    def stream(self, name: str) -> "SqliteStream":
        if name not in self._streams:
            with told(self.path, f"open {name}"):
                self._streams[name] = SqliteStream(self, self._lanes[name])
        return self._streams[name]

    def commit(self) -> None:
        if not self._writing:
            return
        with told(self.path, "commit", writing=True):
            for stream in self._changed:
                stream.settle()
            self._finish(self._state)
        for stream in self._changed:
            stream.fresh.clear()
        self._changed.clear()

    def rollback(self) -> None:
        # A new connection, whatever went wrong in the old one. Its first commit overwrites what a
        # failed one may have left in the write-ahead log: only then is that gone for good.
        self._connection.close()
        self._open()

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path)

    def close(self) -> None:
        try:
            # As the last one to close would: readers that are still there do not, and who then
            # copies the file alone should have all of it.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        finally:
            self._holder.close()


class SqliteStream:
    """The write side of one instrument."""

    def __init__(self, log: SqliteLog, lane: Lane) -> None:
        self.log = log
        self.lane = lane
        self.name = lane.name
        self.state = self.stored = lane.state()
        self.fresh: list[Commands] = []  # appended since the last commit

    def told(self, doing: str, *, writing: bool = False) -> AbstractContextManager[None]:
        return told(self.log.path, f"{doing} {self.name}", writing=writing)

    def write(self, statement: str, values: tuple[object, ...]) -> None:
        with self.told("write", writing=True):
            self.change()
            self.log._connection.execute(statement, values)

    def change(self) -> None:
        """Sees to it that a transaction is open, which will write how far it is."""
        self.log._write()
        self.log._changed.add(self)

    def settle(self) -> None:
        """Writes how far it is, if that has changed."""
        if self.state != self.stored:
            data = self.state.pack(self.name, self.lane.definition)
            self.log._connection.execute(
                "UPDATE instrument SET state = ? WHERE number = ?", (data, self.lane.number)
            )
            self.stored = self.state

    # --- Stream

    def append(self, records: Records, tokens: Records) -> None:
        begin = self.state.end
        batch = Commands(records, tokens, begin + len(records))
        self.write(
            "INSERT INTO commands VALUES (?, ?, ?)",
            (self.lane.number, begin, pack_commands(self.name, batch, begin)),
        )
        self.state = self.state._replace(end=batch.position)
        self.fresh.append(batch)

    def read(self, position: int) -> Iterator[Commands]:
        if position < self.stored.end:
            with self.told("read commands of"):
                yield from self.lane.commands(position, self.stored.end)
        yield from [batch for batch in self.fresh if batch.position > position]

    def publish(self, batch: Events) -> None:
        self.write(
            "INSERT INTO events VALUES (?, ?, ?)",
            (self.lane.number, batch.first, pack_events(self.name, batch)),
        )
        self.state = self.state._replace(sequence=batch.last, position=batch.position)

    def published(self, after: int) -> Iterator[Events]:
        with self.told("read events of"):
            yield from self.lane.events(after, self.state.sequence)

    def tail(self) -> Tail:
        return Tail(self.state.sequence, self.state.position)

    def checkpoints(self) -> list[int]:
        with self.told("read checkpoints of"):
            return self.lane.checkpoints()

    def checkpoint(self, position: int) -> bytes:
        with self.told("read a checkpoint of"):
            return self.lane.checkpoint(position)

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        part = pack_part(self.name, Part(data, number, parts, position))
        self.write(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (self.lane.number, position, number, parts, part),
        )
        if number == parts - 1:
            kept = self.checkpoints()[:CHECKPOINTS_KEPT]
            self.write(
                # What is stored can be replayed from its begin only while the one there is kept.
                "DELETE FROM checkpoints WHERE instrument = ? AND position < ? AND position != ?",
                (self.lane.number, kept[-1], self.state.begin),
            )

    def begin_at(self, position: int, sequence: int) -> None:
        """Has a new instrument begin behind a position and a sequence, as an archive may."""
        if self.state != State(0, 0, 0):
            raise ValueError(f"{self.name} has begun already: {self.state}")
        self.change()
        self.state = State(position, sequence, position, position, sequence)

    def trim(self, position: int, sequence: int) -> bool:
        with self.told("trim", writing=True):
            begin = self._trim_to("commands", "position", self.state.begin, position)
            first = self._trim_to("events", "sequence", self.state.begin_sequence + 1, sequence + 1)
        self.write(
            "DELETE FROM checkpoints WHERE instrument = ? AND position < ?",
            (self.lane.number, begin),
        )
        before = self.state
        self.state = before._replace(begin=begin, begin_sequence=first - 1)
        return self.state != before

    def _trim_to(self, table: str, key: str, begin: int, end: int) -> int:
        """Drops whole batches that end at a place at most; the place where the rest begins."""
        last = self.state.end if table == "commands" else self.state.sequence + 1
        near = min(end, begin + TRIM_MAX)
        (start,) = self.log._connection.execute(
            f"SELECT coalesce("
            f"(SELECT max({key}) FROM {table} WHERE instrument = ? AND {key} > ? AND {key} <= ?), "
            f"(SELECT min({key}) FROM {table} WHERE instrument = ? AND {key} > ?), ?)",
            (self.lane.number, begin, near, self.lane.number, begin, last),
        ).fetchone()
        if start > end:
            return begin
        self.write(
            f"DELETE FROM {table} WHERE instrument = ? AND {key} < ?", (self.lane.number, start)
        )
        return int(start)
