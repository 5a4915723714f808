"""The log in an SQLite file: who may have it, and what is wrong with it is found and named."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from model.batches import orders
from model.logs import NAME, Teller, joined, spans
from pricetime import Fenced, LogBusy, LogDamaged, LogError, LogFailed, LogVersion
from pricetime.log import SqliteLog, SqliteReader, Tail

OTHER = "ETH_EUR"


@pytest.fixture
def path(tmp_path):
    """Where a venue file may be."""
    return tmp_path / "venue.db"


@pytest.fixture
def filled(path):
    """A closed file: two instruments with three batches of each kind, two checkpoints of one."""
    log = SqliteLog(path)
    for name, price in ((NAME, 100), (OTHER, 50)):
        log.add(name, f"definition of {name}")
        teller = Teller(log, name)
        for count, first in ((2, 1), (3, 3), (1, 6)):
            teller.tell(orders(count, first, price=price))
    stream = log.stream(NAME)
    for position in (5, 6):
        stream.store(position, 2, 0, b"first" * position)
        stream.store(position, 2, 1, b"second" * position)
    log.commit()
    log.close()
    return path


def lock_of(path):
    return path.with_name(path.name + ".lock")


def altered(path, *statements):
    """Changes a file behind the log's back."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def everything(path):
    """All that a reader finds in a file."""
    reader = SqliteReader(path)
    try:
        return {
            name: (
                definition,
                joined(reader.commands(name, 0)),
                joined(reader.events(name, 0)),
                reader.head(name),
                reader.tail(name),
                [reader.checkpoint(name, at) for at in reader.checkpoints(name)],
            )
            for name, definition in reader.instruments().items()
        }
    finally:
        reader.close()


def everything_of_writer(path):
    """All that a log finds in a file."""
    log = SqliteLog(path)
    try:
        return {
            name: (
                definition,
                joined(log.stream(name).read(0)),
                joined(log.stream(name).published(0)),
                log.stream(name).tail(),
                [log.stream(name).checkpoint(at) for at in log.stream(name).checkpoints()],
            )
            for name, definition in log.instruments().items()
        }
    finally:
        log.close()


# -- who holds the file ---------------------------------------------------------------------------


def test_what_was_committed_is_there_again(filled):
    before = everything(filled)
    assert len(before[NAME][1]) == 6 * 64
    assert before[NAME][-1] == [b"first" * 6 + b"second" * 6, b"first" * 5 + b"second" * 5]
    SqliteLog(filled).close()
    assert everything(filled) == before
    ours = everything_of_writer(filled)
    assert [ours[NAME][1:3], ours[OTHER][1:3]] == [before[NAME][1:3], before[OTHER][1:3]]


@pytest.mark.parametrize("durability", ["commit", "system"])
def test_a_second_log_of_this_process_is_refused(path, durability):
    for _ in range(2):  # a new file, and one that is there
        log = SqliteLog(path, durability)
        with pytest.raises(LogBusy, match=rf"{path} is held by this process: close it there"):
            SqliteLog(path)
        log.close()
    SqliteLog(path).close()


HOLD = """
import sys
from pricetime.log import SqliteLog
log = SqliteLog(sys.argv[1], sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("durability", ["commit", "system"])
def test_a_file_that_another_process_holds_is_free_when_that_is_killed(filled, durability):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, filled, durability],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LogBusy, match=f"is held by process {holder.pid}: close it there"):
            SqliteLog(filled)
        assert len(everything(filled)) == 2  # which a reader may
        holder.kill()
        holder.wait()
        SqliteLog(filled).close()
    finally:
        holder.kill()
        holder.communicate()


def test_a_refused_log_takes_the_lock_from_nobody(path):
    log = SqliteLog(path)
    for _ in range(2):
        with pytest.raises(LogBusy):
            SqliteLog(path)
    log.add(NAME, "one")
    log.commit()
    log.close()


def test_a_log_that_cannot_be_opened_holds_nothing(filled):
    altered(filled, "PRAGMA user_version = 99")
    for _ in range(2):
        with pytest.raises(LogVersion):
            SqliteLog(filled)


def test_another_programs_lock_is_told(path):
    log = SqliteLog(path, connect=lambda at: sqlite3.connect(at, isolation_level=None, timeout=0))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogBusy, match="another program has locked the file"):
        log.add(NAME, "one")
    other.execute("ROLLBACK")
    other.close()
    log.rollback()
    log.add(NAME, "one")
    log.commit()
    log.close()


@pytest.fixture
def usurped(filled):
    """A log, and a second one that took the file over though the first one lives."""
    first = SqliteLog(filled)
    lock_of(filled).unlink()
    second = SqliteLog(filled)
    yield first, second
    first.close()
    second.close()


def test_an_earlier_holder_is_fenced_for_ever(usurped):
    first, second = usurped
    for number in range(3):
        with pytest.raises(Fenced, match="taken over by another process"):
            Teller(first).tell(orders(1, 7 + number))
    assert second.stream(NAME).tail() == Tail(6, 6)
    assert len(joined(second.stream(NAME).read(0))) == 6 * 64


def test_a_fenced_holder_does_not_stand_in_the_way(usurped):
    first, second = usurped
    with pytest.raises(Fenced):
        Teller(first).tell(orders(1, 7))
    second.stream(NAME).append(orders(2, 7), np.empty(0, "V32"))
    second.commit()
    assert [batch.position for batch in second.stream(NAME).read(5)] == [6, 8]


def test_a_fenced_holder_takes_nothing_over_by_rolling_back(usurped):
    first, second = usurped
    with pytest.raises(Fenced):
        first.rollback()
    second.stream(NAME).append(orders(2, 7), np.empty(0, "V32"))
    second.commit()
    with pytest.raises(Fenced):
        first.rollback()


def test_a_closed_log_says_so(path):
    log = SqliteLog(path)
    log.add(NAME, "one")
    log.commit()
    stream = log.stream(NAME)
    log.close()
    log.close()
    for act in (
        lambda: stream.append(orders(1), np.empty(0, "V32")),
        lambda: list(stream.published(-1)),
        lambda: log.add(OTHER, "two"),
    ):
        with pytest.raises(LogError, match="closed"):
            act()


# -- files that are something else ----------------------------------------------------------------

OPEN = {"log": SqliteLog, "reader": SqliteReader}
each_way = pytest.mark.parametrize("open_file", OPEN.values(), ids=OPEN)


@each_way
@pytest.mark.parametrize("version", [99, 2**31 - 1])
def test_a_newer_file_version_is_named(filled, open_file, version):
    altered(filled, f"PRAGMA user_version = {version}")
    words = rf"{filled} has file version {version}, written by release \S+; .* use that release"
    with pytest.raises(LogVersion, match=words):
        open_file(filled)


@each_way
def test_a_newer_file_may_have_other_tables(filled, open_file):
    altered(filled, "PRAGMA user_version = 99", "ALTER TABLE venue RENAME TO venues")
    with pytest.raises(LogVersion, match="file version 99"):
        open_file(filled)


@each_way
def test_another_applications_file_is_left_alone(path, open_file):
    altered(path, "CREATE TABLE guests (name TEXT)", "INSERT INTO guests VALUES ('Ann')")
    before = path.read_bytes()
    with pytest.raises(LogVersion, match=r"is an SQLite file, but not a venue's.*id is 0x0"):
        open_file(path)
    assert path.read_bytes() == before


@each_way
def test_a_file_of_another_kind_is_left_alone(path, open_file):
    path.write_text("Dear Ann,\n" * 200)
    with pytest.raises(LogDamaged, match=f"{path}: open: file is not a database"):
        open_file(path)
    assert path.read_text() == "Dear Ann,\n" * 200


@each_way
def test_a_folder_is_refused(tmp_path, open_file):
    with pytest.raises(LogError, match=f"{tmp_path} is"):
        open_file(tmp_path)


@each_way
def test_a_missing_folder_is_told(tmp_path, open_file):
    with pytest.raises(LogError, match="nowhere"):
        open_file(tmp_path / "nowhere" / "venue.db")


def test_a_reader_makes_no_file(path):
    with pytest.raises(LogError, match="is not there"):
        SqliteReader(path)
    assert list(path.parent.iterdir()) == []


def test_an_empty_file_becomes_a_venues(path):
    path.touch()
    log = SqliteLog(path)
    log.add(NAME, "one")
    log.commit()
    log.close()
    assert list(everything(path)) == [NAME]


def test_an_unknown_durability_is_named(path):
    with pytest.raises(ValueError, match="durability 'fast' is not known: pass 'commit' or 'sys"):
        SqliteLog(path, "fast")
    assert not path.exists()


@pytest.mark.parametrize(("durability", "level"), [("commit", 2), ("system", 1)])
def test_durability_decides_what_is_waited_for(path, durability, level):
    made = []

    def connect(at):
        made.append(sqlite3.connect(at, isolation_level=None))
        return made[-1]

    log = SqliteLog(path, durability, connect=connect)
    assert made[0].execute("PRAGMA synchronous").fetchone() == (level,)
    assert made[0].execute("PRAGMA journal_mode").fetchone() == ("wal",)
    log.close()


# -- the witness ----------------------------------------------------------------------------------


def test_an_older_copy_put_back_is_refused_with_a_way_out(filled, tmp_path):
    shutil.copy(filled, tmp_path / "copy")
    log = SqliteLog(filled)
    Teller(log, NAME).append(orders(1, 7))
    log.commit()
    log.close()
    shutil.copy(tmp_path / "copy", filled)
    words = rf"ends with commit \d+, but \d+ were acknowledged \({lock_of(filled)}\).* remove that"
    with pytest.raises(LogDamaged, match=words):
        SqliteLog(filled)
    lock_of(filled).unlink()
    SqliteLog(filled).close()


def test_a_lost_write_ahead_log_is_noticed(path, tmp_path):
    log = SqliteLog(path)
    log.add(NAME, "one")
    log.commit()
    for name in ("venue.db", "venue.db.lock"):  # as after a crash, but without venue.db-wal
        shutil.copy(path.with_name(name), tmp_path / f"crashed-{name}")
    log.close()
    with pytest.raises(LogDamaged, match="were acknowledged"):
        SqliteLog(tmp_path / "crashed-venue.db")


def test_commits_without_durability_are_not_vouched_for(filled, tmp_path):
    shutil.copy(filled, tmp_path / "copy")
    log = SqliteLog(filled, "system")
    Teller(log, NAME).append(orders(1, 7))
    log.commit()
    log.close()
    shutil.copy(tmp_path / "copy", filled)
    SqliteLog(filled).close()


def test_a_removed_file_starts_anew(filled):
    filled.unlink()
    log = SqliteLog(filled)
    assert log.instruments() == {}
    log.close()
    SqliteLog(filled).close()


def test_a_file_that_lost_all_its_bytes_is_refused(filled):
    filled.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(LogDamaged, match="were acknowledged"):
            SqliteLog(filled)


@pytest.mark.parametrize("text", ["", "what", "1 2 3", "-1 5", "\0" * 64])
def test_an_unreadable_witness_vouches_for_nothing(filled, text):
    lock_of(filled).write_text(text)
    assert everything(filled).keys() == {NAME, OTHER}
    SqliteLog(filled).close()


# -- rows that are not as they were ---------------------------------------------------------------

COMMANDS_MISSING = f"commands of {NAME} after 2 are missing"
EVENTS_MISSING = f"events of {NAME} from 3 are missing"
ALTERED = {
    "commands removed": (
        "DELETE FROM commands WHERE instrument = 1 AND position = 2",
        COMMANDS_MISSING,
    ),
    "first commands removed": (
        "DELETE FROM commands WHERE instrument = 1 AND position = 0",
        f"commands of {NAME} after 0 are missing",
    ),
    "last commands removed": (
        "DELETE FROM commands WHERE instrument = 1 AND position = 5",
        f"commands of {NAME} after 5 are missing; there should be 1 more",
    ),
    "all commands removed": ("DELETE FROM commands", "commands of .* after 0 are missing"),
    "events removed": ("DELETE FROM events WHERE instrument = 1 AND sequence = 3", EVENTS_MISSING),
    "last events removed": (
        "DELETE FROM events WHERE instrument = 1 AND sequence = 6",
        f"events of {NAME} from 6 are missing; the last one should be 6",
    ),
    "all events removed": ("DELETE FROM events", "events of .* from 1 are missing"),
    "commands doubled": (
        "INSERT INTO commands SELECT instrument, 3, batch FROM commands WHERE position = 2",
        f"commands of {NAME} after 5",
    ),
    "events doubled": (
        "INSERT INTO events SELECT instrument, 4, batch FROM events WHERE sequence = 3",
        f"events of {NAME} from 6",
    ),
    "commands swapped": (
        "UPDATE commands SET batch = (SELECT batch FROM commands AS other "
        "WHERE other.position = 2 AND other.instrument = commands.instrument) WHERE position = 0",
        f"commands of {NAME}",
    ),
    "events swapped": (
        "UPDATE events SET batch = (SELECT batch FROM events AS other "
        "WHERE other.sequence = 3 AND other.instrument = events.instrument) WHERE sequence = 1",
        f"events of {NAME}",
    ),
    "another instrument's commands": (
        "UPDATE commands SET batch = (SELECT batch FROM commands AS other WHERE other.position = "
        "commands.position AND other.instrument = 3 - commands.instrument)",
        "commands of .*belongs to another instrument",
    ),
    "another instrument's events": (
        "UPDATE events SET batch = (SELECT batch FROM events AS other WHERE other.sequence = "
        "events.sequence AND other.instrument = 3 - events.instrument)",
        "events of .*belongs to another instrument",
    ),
    "commands moved": ("UPDATE commands SET position = 1 WHERE position = 2", COMMANDS_MISSING),
    "events as text": ("UPDATE events SET batch = CAST(batch AS TEXT)", f"events of {NAME}"),
    "commands as a number": ("UPDATE commands SET batch = 5", f"commands of {NAME}"),
    "positions as text": (
        "UPDATE commands SET position = 'x' || position",
        "commands of .* missing",
    ),
    "sequences as text": ("UPDATE events SET sequence = 'x' || sequence", None),
    "a state altered": (
        "UPDATE instrument SET state = zeroblob(length(state)) WHERE number = 1",
        f"row of instrument '{NAME}' does not match its checksum",
    ),
    "another instrument's state": (
        "UPDATE instrument SET state = (SELECT state FROM instrument WHERE number = 2) "
        "WHERE number = 1",
        f"row of instrument '{NAME}' does not match its checksum",
    ),
    "a state as text": ("UPDATE instrument SET state = 'far'", "does not match its checksum"),
    "a state as a number": ("UPDATE instrument SET state = 7", "does not match its checksum"),
    "a name altered": (
        "UPDATE instrument SET name = 'BTC_USD' WHERE number = 1",
        "row of instrument 'BTC_USD' does not match its checksum",
    ),
    "a definition altered": (
        "UPDATE instrument SET definition = 'other' WHERE number = 1",
        f"row of instrument '{NAME}' does not match its checksum",
    ),
    "a definition as a blob": (
        "UPDATE instrument SET definition = x'00ff'",
        f"row of instrument '{NAME}' does not match its checksum",
    ),
    "a checkpoint's part removed": ("DELETE FROM checkpoints WHERE part = 0", None),
    "checkpoints swapped": (
        "UPDATE checkpoints SET batch = (SELECT batch FROM checkpoints AS other "
        "WHERE other.position = 11 - checkpoints.position AND other.part = checkpoints.part)",
        "a part belongs to another position",
    ),
    "parts swapped": (
        "UPDATE checkpoints SET batch = (SELECT batch FROM checkpoints AS other "
        "WHERE other.position = checkpoints.position AND other.part != checkpoints.part)",
        "2 parts are there, but not all",
    ),
    "a part as text": ("UPDATE checkpoints SET batch = 'x'", f"checkpoint of {NAME} at 6"),
}


@pytest.mark.parametrize("case", ALTERED)
@pytest.mark.parametrize("read", [everything, everything_of_writer])
def test_altered_rows_are_found_and_named(filled, case, read):
    statement, words = ALTERED[case]
    before = read(filled)
    altered(filled, "PRAGMA ignore_check_constraints = ON", statement)
    if words is None:
        after = read(filled)
        assert [after[NAME][n] for n in (0, 1, 2)] == [before[NAME][n] for n in (0, 1, 2)]
        return
    with pytest.raises(LogDamaged, match=words) as caught:
        read(filled)
    assert str(filled) in str(caught.value)


@pytest.mark.parametrize("statement", [
    "UPDATE venue SET state = zeroblob(length(state))",
    "UPDATE venue SET state = 'far'",
    "UPDATE venue SET state = 8",
    "DELETE FROM venue",
])  # fmt: skip
def test_an_altered_state_of_the_venue_is_found(filled, statement):
    altered(filled, statement)
    with pytest.raises(LogDamaged, match=f"{filled}: the state of the venue"):
        SqliteLog(filled)


def test_any_flipped_byte_of_the_file_changes_nothing_or_is_refused(filled, tmp_path):
    data = filled.read_bytes()
    before = everything(filled), everything_of_writer(filled)
    rng = np.random.default_rng(1)
    used = np.flatnonzero(np.frombuffer(data, np.uint8))  # most of such a small file is free space
    places = [*range(100), *rng.integers(100, len(data), 200), *rng.choice(used, 500)]
    refused = 0
    for number, at in enumerate(places):
        path = tmp_path / f"{number}.db"
        changed = bytearray(data)
        changed[at] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        for read, expected in zip((everything, everything_of_writer), before, strict=True):
            try:
                found = read(path)
            except LogError:
                refused += 1
                continue
            # A checkpoint that is not whole any more is one fewer; nothing else may differ.
            for name, parts in found.items():
                assert parts[:-1] == expected[name][:-1], f"byte {at}"
                assert all(part in expected[name][-1] for part in parts[-1]), f"byte {at}"
            assert found.keys() == expected.keys(), f"byte {at}"
        for rest in tmp_path.glob(f"{number}.db*"):
            rest.unlink()
    assert refused > 200


# -- disks ----------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_nothing_is_half_done(path):
    pages = [20]

    def connect(at):
        connection = sqlite3.connect(at, isolation_level=None)
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")
        return connection

    log = SqliteLog(path, connect=connect)
    log.add(NAME, "one")
    Teller(log).tell(orders(10))
    with pytest.raises(LogFailed, match=f"{path}: .*the disk is full; nothing of it was done"):
        Teller(log).tell(orders(4000, 11))
    log.rollback()
    assert [batch.position for batch in log.stream(NAME).read(0)] == [10]
    pages[0] = 1000
    log.rollback()
    again = Teller(log)
    again.tell(orders(4000, 11))
    assert spans(again.stream.published(0)) == [(1, 10), (11, 4010)]
    log.close()


@pytest.fixture
def read_only(filled):
    """A copy in a folder in which this user may not write."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = Path(folder) / "venue.db"
        shutil.copy(filled, copy)
        copy.chmod(0o444)
        os.chmod(folder, 0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield copy
        finally:
            if root:
                os.seteuid(0)
            os.chmod(folder, 0o755)


def test_a_file_in_a_read_only_folder_can_be_read(filled, read_only):
    found = everything(read_only)
    assert [len(found[name][1]) for name in (NAME, OTHER)] == [6 * 64, 6 * 64]


def test_a_file_in_a_read_only_folder_cannot_be_held(read_only):
    with pytest.raises(LogError, match=re.escape(f"cannot open {lock_of(read_only)}: Perm")):
        SqliteLog(read_only)
