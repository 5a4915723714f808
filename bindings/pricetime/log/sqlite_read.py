"""Reading a venue file: rows in, checked batches out. Both the writer and the readers use it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pricetime.log.batch import (
    Commands,
    Events,
    cut_events,
    unpack_commands,
    unpack_events,
    unpack_part,
)
from pricetime.log.errors import LogDamaged, LogError, LogTrimmed
from pricetime.log.holder import followed, witnessed
from pricetime.log.protocol import Tail
from pricetime.log.sqlite_file import State, check_file, check_witness, told, venue_state

__all__ = ["Lane", "SqliteReader", "lanes"]


INDEX = "sqlite_autoindex_instrument_1"  # of names: they stand on pages of their own
READ_BYTES = 1 << 20  # of batches that are read ahead


class Lane:
    """One instrument as a connection sees it."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, row: tuple[int, str, str]
    ) -> None:
        self.connection = connection
        self.path = path
        self.number, self.name, self.definition = row

    def state(self) -> State:
        """How far it is."""
        row = self.connection.execute(
            "SELECT state FROM instrument WHERE number = ?", (self.number,)
        ).fetchone()
        return State.unpack(row and row[0], self.name, self.definition, str(self.path))

    def commands(self, position: int, end: int) -> Iterator[Commands]:
        """The batches from a position to a later one."""
        for at, data in self._rows("commands", "position", position):
            if at != position:
                break
            where = f"{self.path}: commands of {self.name} after {at}"
            batch = unpack_commands(data, self.name, where)
            begin = batch.position - len(batch.records)
            if begin != position:
                raise LogDamaged(f"{where}: these are the commands after {begin}")
            position = batch.position
            yield batch
            if position == end:
                return
        if position < end:
            self._check_begin("commands", position)
            raise LogDamaged(
                f"{self.path}: commands of {self.name} after {position} are missing; there should "
                f"be {end - position} more"
            )

    def events(self, after: int, end: int) -> Iterator[Events]:
        """The batches with events from after a sequence to a later one."""
        if after >= end:
            return
        (start,) = self.connection.execute(
            "SELECT max(sequence) FROM events WHERE instrument = ? AND sequence <= ?",
            (self.number, after + 1),
        ).fetchone()
        begin = start if start is not None else after + 1
        for first, data in self._rows("events", "sequence", begin):
            where = f"{self.path}: events of {self.name} from {first}"
            batch = unpack_events(data, self.name, where)
            if batch.first > after + 1 or batch.last <= after:
                break
            batch = cut_events(batch, after)
            after = batch.last
            yield batch
            if after == end:
                return
        self._check_begin("events", after)
        raise LogDamaged(
            f"{self.path}: events of {self.name} from {after + 1} are missing; the last one should "
            f"be {end}"
        )

    def _rows(self, table: str, key: str, begin: int) -> Iterator[tuple[int, bytes]]:
        """The rows from a place on, some at a time: who waits between two of them, as a slow client
        makes us do, would else keep SQLite from using its write-ahead log anew."""
        while True:
            rows: list[tuple[int, bytes]] = []
            size = 0
            cursor = self.connection.execute(
                f"SELECT {key}, batch FROM {table} WHERE instrument = ? AND {key} >= ? "
                f"ORDER BY {key}",
                (self.number, begin),
            )
            for row in cursor:
                rows.append(row)
                size += len(row[1]) if isinstance(row[1], bytes) else 0  # damaged: told later
                if size >= READ_BYTES:
                    break
            cursor.close()
            if not rows:
                return
            yield from rows
            begin = rows[-1][0] + 1

    def _check_begin(self, what: str, after: int) -> None:
        """Raises LogTrimmed where what is missing after a place was trimmed."""
        # Asked behind the rows, not before: they may be trimmed in between.
        state = self.state()
        begin = state.begin if what == "commands" else state.begin_sequence
        if after < begin:
            raise LogTrimmed(
                f"{self.path}: {what} of {self.name} begin at {begin + 1}: those before were "
                "trimmed, look in their archive"
            )

    def checkpoints(self) -> list[int]:
        """Positions of the checkpoints that have all their parts, the newest first."""
        rows = self.connection.execute(
            "SELECT position FROM checkpoints WHERE instrument = ? GROUP BY position "
            "HAVING count(*) = max(parts) ORDER BY position DESC",
            (self.number,),
        )
        return [position for (position,) in rows]

    def checkpoint(self, position: int) -> bytes:
        """The checkpoint of a position; LogDamaged if a part is damaged or not there."""
        where = f"{self.path}: checkpoint of {self.name} at {position}"
        rows = self.connection.execute(
            "SELECT batch FROM checkpoints WHERE instrument = ? AND position = ? ORDER BY part",
            (self.number, position),
        )
        parts = [unpack_part(data, self.name, where) for (data,) in rows]
        if not parts or [part.number for part in parts] != list(range(parts[0].parts)):
            raise LogDamaged(f"{where}: {len(parts)} parts are there, but not all of them")
        if any(part.position != position for part in parts):
            raise LogDamaged(f"{where}: a part belongs to another position")
        return b"".join(part.data for part in parts)


def lanes(connection: sqlite3.Connection, path: Path) -> dict[str, Lane]:
    """The instruments of a file by name; raises LogDamaged where one has gone from its table."""
    rows = connection.execute(
        "SELECT number, name, definition FROM instrument ORDER BY number"
    ).fetchall()
    (count,) = connection.execute(
        f"SELECT count(name) FROM instrument INDEXED BY {INDEX}"
    ).fetchone()
    if count != len(rows):
        raise LogDamaged(
            f"{path}: {len(rows)} instruments are in their table, but {count} in its index; "
            "`pricetime verify` says what can still be read"
        )
    return {row[1]: Lane(connection, path, row) for row in rows}


class SqliteReader:
    """Reads a venue file, also while a venue writes to it; changes nothing in it.

    For one thread. Raises LogError where there is no file, LogVersion, LogDamaged; also where the
    file has fewer commits than were acknowledged, unless it is to be read without a `witness`.
    """

    def __init__(self, path: str | Path, *, witness: bool = True) -> None:
        path = followed(path)
        if not path.is_file():
            raise LogError(f"{path} is not there, or is no file")
        self.path = path
        commits = witnessed(path)  # before the file is read, as both may grow
        with told(path, "open"):
            self.connection = connect_to_read(path)
            try:
                check_file(self.connection, path)
                if witness:
                    check_witness(path, venue_state(self.connection, path), commits)
            except BaseException:
                self.connection.close()
                raise
        self._lanes: dict[str, Lane] = {}

    def hold(self) -> None:
        """From now on sees the file as it is now, whatever is committed; until it is closed."""
        with told(self.path, "read"):
            self.connection.execute("BEGIN")
            self.connection.execute("SELECT count(*) FROM venue").fetchone()

    def instruments(self) -> dict[str, str]:
        with told(self.path, "read instruments"):
            for lane in self.lanes().values():
                lane.state()  # whose checksum covers the name and the definition as well
        return {name: lane.definition for name, lane in self._lanes.items()}

    def lanes(self) -> dict[str, Lane]:
        """The instruments by name, which are not looked at any closer."""
        with told(self.path, "read instruments"):
            self._lanes = lanes(self.connection, self.path)
        return self._lanes

    def lane(self, name: str) -> Lane:
        """An instrument; LogError where there is none of that name."""
        if name not in self._lanes and name not in self.lanes():
            known = ", ".join(self._lanes) or "none"
            raise LogError(f"{self.path} has no instrument {name!r}; it has {known}")
        return self._lanes[name]

    def commands(self, name: str, position: int) -> Iterator[Commands]:
        with told(self.path, f"read commands of {name}"):
            lane = self.lane(name)
            yield from lane.commands(position, lane.state().end)

    def events(self, name: str, after: int) -> Iterator[Events]:
        with told(self.path, f"read events of {name}"):
            lane = self.lane(name)
            yield from lane.events(after, lane.state().sequence)

    def head(self, name: str) -> Tail:
        with told(self.path, f"read {name}"):
            state = self.lane(name).state()
        return Tail(state.begin_sequence, state.begin)

    def tail(self, name: str) -> Tail:
        with told(self.path, f"read {name}"):
            state = self.lane(name).state()
        return Tail(state.sequence, state.position)

    def checkpoints(self, name: str) -> list[int]:
        with told(self.path, f"read checkpoints of {name}"):
            return self.lane(name).checkpoints()

    def checkpoint(self, name: str, position: int) -> bytes:
        with told(self.path, f"read a checkpoint of {name}"):
            return self.lane(name).checkpoint(position)

    def close(self) -> None:
        self.connection.close()


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. In a folder that is read-only SQLite cannot share memory with
    a writer; but there is none, if there is no write-ahead log."""
    where = path.absolute().as_uri()
    connection = sqlite3.connect(
        f"{where}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException as error:
        connection.close()
        missing = isinstance(error, sqlite3.OperationalError)
        if not missing or path.with_name(path.name + "-wal").exists():
            raise
        connection = sqlite3.connect(
            f"{where}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    return connection
