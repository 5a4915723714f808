"""The venue file: its tables, its version, and what SQLite's errors mean for a log.

    venue        one row: `state`, a fence and a count (see VENUE_STATE); the releases that made it
                 and wrote to it last
    instrument   a row each: name, definition (JSON), and `state`, how far it is (see STATE)
    commands     batches: `position` behind which the first stands, the batch (see batch.py)
    events       batches: `sequence` of the first, the batch
    checkpoints  parts: the `position` of the checkpoint, which part, the part

Every byte of a batch is under its checksum, every state under its own, and each batch must begin
where the one before ends, up to where the state says: so a row that is damaged, missing, doubled or
another's is found.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from pricetime.log.errors import (
    LogBusy,
    LogDamaged,
    LogError,
    LogFailed,
    LogVersion,
    OutcomeUnknown,
)
from pricetime.log.holder import witness_path

__all__ = [
    "FILE_VERSION",
    "State",
    "VenueState",
    "check_file",
    "check_witness",
    "create_tables",
    "file_version",
    "is_new",
    "told",
    "venue_state",
]

APPLICATION_ID = 0x5054494D  # "PTIM", in the file's header: `file` and sqlite3 show it
FILE_VERSION = 2
"""2: the states of instruments say where what is stored begins."""

TABLES = """
CREATE TABLE venue (state BLOB NOT NULL, created_by TEXT NOT NULL, written_by TEXT NOT NULL);
CREATE TABLE instrument (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL,
    state BLOB NOT NULL);
CREATE TABLE commands (
    instrument INTEGER NOT NULL, position INTEGER NOT NULL, batch BLOB NOT NULL,
    PRIMARY KEY (instrument, position));
CREATE TABLE events (
    instrument INTEGER NOT NULL, sequence INTEGER NOT NULL, batch BLOB NOT NULL,
    PRIMARY KEY (instrument, sequence));
CREATE TABLE checkpoints (
    instrument INTEGER NOT NULL, position INTEGER NOT NULL, part INTEGER NOT NULL,
    parts INTEGER NOT NULL, batch BLOB NOT NULL, PRIMARY KEY (instrument, position, part));
"""

VENUE_STATE = struct.Struct("<QQI")
STATE = struct.Struct("<QQQQQI")


class VenueState(NamedTuple):
    """The one row of `venue`; a writer changes it only from what it last was, else it is fenced."""

    epoch: int
    """how many writers have opened the file"""
    commits: int
    """how many transactions there have been"""

    def pack(self) -> bytes:
        return VENUE_STATE.pack(*self, crc32(VENUE_STATE.pack(*self, 0)))

    @classmethod
    def unpack(cls, data: object, where: str) -> "VenueState":
        if isinstance(data, bytes) and len(data) == VENUE_STATE.size:
            *fields, crc = VENUE_STATE.unpack(data)
            if crc == crc32(VENUE_STATE.pack(*fields, 0)):
                return cls(*fields)
        raise LogDamaged(f"{where}: the state of the venue does not match its checksum")


class State(NamedTuple):
    """How far one instrument is."""

    end: int
    """the position behind the last command"""
    sequence: int
    """of the last event"""
    position: int
    """where in the log of commands the book stood behind that"""
    begin: int = 0
    """the position behind the last command that was trimmed"""
    begin_sequence: int = 0
    """of the last event that was trimmed"""

    def pack(self, name: str, definition: str) -> bytes:
        return STATE.pack(*self, self._crc(name, definition))

    def _crc(self, name: str, definition: str) -> int:
        return crc32(definition.encode(), crc32(name.encode(), crc32(STATE.pack(*self, 0))))

    @classmethod
    def unpack(cls, data: object, name: object, definition: object, where: str) -> "State":
        if isinstance(data, bytes) and len(data) == STATE.size:
            *fields, crc = STATE.unpack(data)
            state = cls(*fields)
            texts = isinstance(name, str) and isinstance(definition, str)
            if texts and crc == state._crc(str(name), str(definition)):
                return state
        raise LogDamaged(f"{where}: the row of instrument {name!r} does not match its checksum")


def is_new(connection: sqlite3.Connection) -> bool:
    """Whether nothing has been written yet: a new file, or one whose making was interrupted."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return (tables, application) == (0, 0)


def create_tables(connection: sqlite3.Connection, release: str) -> None:
    """Makes the tables, within the transaction that is open."""
    for statement in TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FILE_VERSION}")
    connection.execute(
        "INSERT INTO venue VALUES (?, ?, ?)", (VenueState(0, 0).pack(), release, release)
    )


def file_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a venue file; raises LogVersion for a file of another kind."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise LogVersion(
            f"{path} is an SQLite file, but not a venue's: its application id is {application:#x}, "
            f"not {APPLICATION_ID:#x}"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Raises LogVersion for a file that this release cannot read."""
    version = file_version(connection, path)
    if version != FILE_VERSION:
        release = "unknown"
        with suppress(sqlite3.Error, TypeError):  # another version may have other tables
            (release,) = connection.execute("SELECT written_by FROM venue").fetchone()
        way = f"first run `pricetime migrate {path}`"
        if version > FILE_VERSION:
            way = "use that release or a later one"
        raise LogVersion(
            f"{path} has file version {version}, written by release {release}; this release reads "
            f"version {FILE_VERSION}: {way}"
        )


def venue_state(connection: sqlite3.Connection, path: Path) -> VenueState:
    """The venue's row; raises LogDamaged."""
    row = connection.execute("SELECT state FROM venue").fetchone()
    return VenueState.unpack(row[0] if row else None, str(path))


def check_witness(path: Path, state: VenueState, commits: int) -> None:
    """Raises LogDamaged where the file has fewer commits than were acknowledged."""
    if state.commits < commits:
        raise LogDamaged(
            f"{path} ends with commit {state.commits}, but {commits} were acknowledged "
            f"({witness_path(path)}): its write-ahead log is damaged or not there. Put the right "
            "one beside it; or, to go on without what is lost, remove that lock file"
        )


@contextmanager
def told(path: Path, doing: str, *, writing: bool = False) -> Iterator[None]:
    """Turns SQLite's errors into those of a log; `doing` says what was tried."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of text that is none
        raise _translate(str(error), f"{path}: {doing}", writing) from error


DAMAGE = ("malformed", "not a database", "decode", "no such", "unsupported file format")
"""What SQLite says of a file whose bytes make no sense: a table or a column may be gone as well."""


def _translate(text: str, what: str, writing: bool) -> LogError:
    # By text, as Python 3.10 does not tell SQLite's codes. They are in its own source, unchanged
    # for twenty years.
    if any(sign in text for sign in DAMAGE):
        return LogDamaged(f"{what}: {text}; `pricetime verify` says what can still be read")
    if "full" in text:
        return LogFailed(f"{what}: the disk is full; nothing of it was done, make room and go on")
    if "readonly" in text:
        return LogFailed(f"{what}: the file or its folder is read-only; nothing of it was done")
    if "locked" in text or "busy" in text:
        return LogBusy(f"{what}: another program has locked the file ({text})")
    if "unable to open" in text:
        return LogError(f"{what}: cannot open it: is there such a folder, and may we write there?")
    if writing and "I/O" in text:
        return OutcomeUnknown(f"{what}: {text}; what was sent may or may not have happened")
    return LogError(f"{what}: {text}")
