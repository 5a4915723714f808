"""Brings a venue file of an older version to the one that this release reads and writes.

Version 1: the state of an instrument did not say where what is stored begins, as
nothing was trimmed. Its checksum covered the other three numbers, its name and definition.
"""

import sqlite3
import struct
from pathlib import Path
from zlib import crc32

from pricetime.log.errors import LogDamaged, LogError
from pricetime.log.holder import Holder, followed
from pricetime.log.sqlite_file import (
    FILE_VERSION,
    State,
    check_file,
    check_witness,
    file_version,
    told,
    venue_state,
)
from pricetime.release import __version__

__all__ = ["migrate"]

STATE_1 = struct.Struct("<QQQI")


def migrate(path: Path) -> int:
    """The version that the file had; now it has this release's, by one transaction.

    Nobody may hold the file meanwhile. Raises LogBusy, LogVersion for a newer one, LogDamaged.
    """
    path = followed(path)
    if not path.is_file():
        raise LogError(f"{path} is not there, or is no file")
    holder = Holder(path)
    try:
        with told(path, "migrate", writing=True):
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                return _migrate(connection, path, holder)
            finally:
                connection.close()
    finally:
        holder.close()


def _migrate(connection: sqlite3.Connection, path: Path, holder: Holder) -> int:
    execute = connection.execute
    version = file_version(connection, path)
    if version != 1:
        check_file(connection, path)
        return version
    execute("PRAGMA synchronous = FULL")
    execute("PRAGMA fullfsync = ON")
    execute("BEGIN IMMEDIATE")
    venue = venue_state(connection, path)
    check_witness(path, venue, holder.commits)
    rows = execute("SELECT number, name, definition, state FROM instrument").fetchall()
    for number, name, definition, data in rows:
        state = _state_of_1(path, name, definition, data)
        execute(
            "UPDATE instrument SET state = ? WHERE number = ?",
            (state.pack(name, definition), number),
        )
    venue = venue._replace(epoch=venue.epoch + 1, commits=venue.commits + 1)
    execute("UPDATE venue SET state = ?, written_by = ?", (venue.pack(), __version__))
    execute(f"PRAGMA user_version = {FILE_VERSION}")
    execute("COMMIT")
    holder.acknowledge(venue.commits)
    return version


def _state_of_1(path: Path, name: str, definition: str, data: bytes) -> State:
    if len(data) == STATE_1.size:
        *fields, crc = STATE_1.unpack(data)
        plain = STATE_1.pack(*fields, 0)
        if crc == crc32(definition.encode(), crc32(name.encode(), crc32(plain))):
            return State(*fields)
    raise LogDamaged(f"{path}: the row of instrument {name!r} does not match its checksum")
