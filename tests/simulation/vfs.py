"""SQLite over the lying disk: a file system for it in Python, and a connection like sqlite3's.

Shared memory and locks are those of real, empty files beside, so that several connections work as
they do elsewhere; what is read and written is the disk's.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import apsw

from .disk import File, Machine
from .faults import Crash

__all__ = ["Connection", "FileSystem", "seed_sqlite"]

CHECKPOINT_PAGES = 12
"""Pages in the write-ahead log from which they are copied into the file: SQLite's default is 1000,
which a short history never sees."""

ERRORS: dict[type[apsw.Error], tuple[type[sqlite3.Error], str]] = {
    apsw.FullError: (sqlite3.OperationalError, "database or disk is full"),
    apsw.IOError: (sqlite3.OperationalError, "disk I/O error"),
    apsw.ReadOnlyError: (sqlite3.OperationalError, "attempt to write a readonly database"),
    apsw.CorruptError: (sqlite3.DatabaseError, "database disk image is malformed"),
    apsw.NotADBError: (sqlite3.DatabaseError, "file is not a database"),
    apsw.BusyError: (sqlite3.OperationalError, "database is locked"),
    apsw.LockedError: (sqlite3.OperationalError, "database table is locked"),
    apsw.CantOpenError: (sqlite3.OperationalError, "unable to open database file"),
    apsw.SQLError: (sqlite3.OperationalError, ""),
    apsw.ConstraintError: (sqlite3.IntegrityError, ""),
}
"""What sqlite3 raises in their place, and says where we raised the error ourselves."""


class Entropy(apsw.VFS):
    """Where SQLite gets its random numbers, which become the salts of write-ahead logs."""

    def __init__(self) -> None:
        super().__init__("entropy", "", makedefault=True)
        self.rng = Random(0)

    def xRandomness(self, count: int) -> bytes:
        return self.rng.randbytes(count)


ENTROPY: list[Entropy] = []


def seed_sqlite(seed: int) -> None:
    """Makes SQLite's random numbers those of a seed."""
    if not ENTROPY:
        ENTROPY.append(Entropy())
    ENTROPY[0].rng.seed(seed)
    apsw.randomness(0)


class FileSystem(apsw.VFS):
    """One process's view of the disk."""

    count = 0

    def __init__(self, machine: Machine) -> None:
        FileSystem.count += 1
        self.name = f"lying-{FileSystem.count}"
        self.machine = machine
        super().__init__(self.name, "unix", maxpathname=1024)

    def excepthook(self, *error: object) -> None:
        """Is told errors that SQLite itself keeps to itself, and does so too."""

    def xOpen(self, name: Any, flags: list[int]) -> "Handle":
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert path is not None, "no temporary files: they would not be ours"
        return Handle(self.machine, path, name, flags)

    def xAccess(self, path: str, flags: int) -> bool:
        return os.path.basename(path) in self.machine.disk.names

    def xDelete(self, path: str, sync: bool) -> None:
        if self.machine.begin("delete"):
            self.machine.disk.delete(os.path.basename(path), sync)
            with contextlib.suppress(apsw.Error):
                super().xDelete(path, False)
            self.machine.end("delete")


class Handle(apsw.VFSFile):
    """An open file."""

    def __init__(self, machine: Machine, path: str, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.machine = machine
        disk = machine.disk
        key = os.path.basename(path)
        file = disk.names.get(key)
        # As on Unix: with the first sync of a journal that is opened to write its folder is synced.
        self.logs = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        journal = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        self.sync_folder = bool(flags[0] & journal and flags[0] & apsw.SQLITE_OPEN_CREATE)
        if file is None:
            file = disk.names[key] = File()
        self.file = file

    def excepthook(self, *error: object) -> None:
        """As above."""

    def xRead(self, amount: int, offset: int) -> bytes:
        self.machine.begin("read")
        return bytes(self.file.content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        with self.alive("write"):
            self.machine.logged += self.logs
            self.file.write(bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        with self.alive("truncate"):
            self.file.truncate(size)

    def xSync(self, flags: int) -> None:
        with self.alive("sync"):
            self.file.sync()
            if self.sync_folder:
                self.machine.disk.sync_folder()
                self.sync_folder = False

    @contextlib.contextmanager
    def alive(self, operation: str) -> Iterator[None]:
        """Does an operation where the process lives; fails where it does not, or does no more, so
        that SQLite does not tell others, by the shared memory, of what has not been done."""
        if self.machine.begin(operation, self.file):
            yield
            self.machine.end(operation)
        if self.machine.dead:
            raise apsw.IOError

    def xFileSize(self) -> int:
        return len(self.file.content)


class Rows:
    """What a statement gave; as in sqlite3 one row is read ahead, so that a statement whose last
    row was given has ended, and with it what it keeps of the write-ahead log."""

    def __init__(self, connection: apsw.Connection, cursor: apsw.Cursor, machine: Machine) -> None:
        self._connection = connection
        self._cursor = cursor
        self._machine = machine
        self._ahead = next(cursor, None)

    @property
    def rowcount(self) -> int:
        return self._connection.changes()

    @property
    def lastrowid(self) -> int:
        return self._connection.last_insert_rowid()

    def fetchone(self) -> Any:
        return next(self, None)

    def fetchall(self) -> list[Any]:
        return list(self)

    def close(self) -> None:
        self._ahead = None
        self._cursor.close(True)

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> Any:
        row = self._ahead
        if row is None:
            raise StopIteration
        with told(self._machine):
            self._ahead = next(self._cursor, None)
        return row


class Connection:
    """A connection with as much of sqlite3's face as a log uses."""

    def __init__(self, path: Path, files: FileSystem, *, read_only: bool = False) -> None:
        self.machine = files.machine
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
        if not read_only:
            flags |= apsw.SQLITE_OPEN_CREATE
        self._pages = 0
        self._closed = False
        with told(self.machine):
            self._connection = apsw.Connection(str(path), flags=flags, vfs=files.name)
            self._connection.set_wal_hook(self._count_pages)

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> Rows:
        with told(self.machine):
            cursor = self._connection.execute(statement, values)
            if statement == "COMMIT" and self._pages >= CHECKPOINT_PAGES:
                self._checkpoint()
            return Rows(self._connection, cursor, self.machine)

    def _checkpoint(self) -> None:
        """As SQLite does by itself behind a commit; there too its errors are nobody's."""
        self._pages = 0
        with contextlib.suppress(apsw.Error):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.machine.dead:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with told(self.machine), contextlib.suppress(apsw.Error):
            self._connection.close(True)


@contextlib.contextmanager
def told(machine: Machine) -> Iterator[None]:
    """Raises apsw's errors as sqlite3's; and a crash, where it has happened meanwhile.

    SQLite goes on as if nothing were wrong until the call returns, but nothing of it has an effect.
    """
    dead = machine.dead
    try:
        yield
        if machine.dead and not dead:
            raise Crash
    except apsw.Error as error:
        if machine.dead:
            raise Crash from error
        for ours, (theirs, text) in ERRORS.items():
            if isinstance(error, ours):
                raise theirs(text or str(error)) from error
        raise sqlite3.OperationalError(str(error)) from error
