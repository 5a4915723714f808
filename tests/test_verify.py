"""`pricetime verify`: whatever is damaged in a venue file is found, named, and the rest goes on.

Damage is done in two ways: by bytes that change under their checksum, as disks do it, and by rows
that somebody wrote with a good checksum, which only the replay and the laws of events can find.
"""

import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.log import SqliteReader
from pricetime.log.batch import (
    NO_TOKENS,
    Commands,
    Part,
    pack_commands,
    pack_events,
    pack_part,
    unpack_commands,
    unpack_events,
    unpack_part,
)
from pricetime.log.holder import witnessed
from pricetime.log.sqlite_file import FILE_VERSION
from pricetime.records import EventKind
from pricetime.runner import saved
from pricetime.runner.tokens import Tokens
from pricetime.tools.audit.file import audit_file
from venue_samples import (
    BATCH,
    BOND,
    EUR,
    ask,
    copied,
    deals,
    edit,
    flipped,
    make,
    number_of,
    put,
    restate,
    rows,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A good file; nobody may change it."""
    with pytest.MonkeyPatch.context() as patch:
        return make(tmp_path_factory.mktemp("whole") / "venue.db", patch)


@pytest.fixture
def file(whole, tmp_path):
    """A copy of the good file, to be damaged."""
    return copied(whole, tmp_path / "venue.db")


@pytest.fixture
def verify(capsys):
    """Runs the command; its code and what it prints."""

    def go(path, *options):
        code = main(["verify", str(path), *options])
        out, err = capsys.readouterr()
        return code, out + err

    return go


def middle(path, table, name=EUR.name):
    """Key and batch of a row with others before and behind it."""
    found = rows(path, table, name)
    return found[len(found) // 2]


# -- what is good ---------------------------------------------------------------------------------


def test_a_good_file_is_good(verify, whole):
    code, text = verify(whole)
    assert code == 0
    assert text.endswith("all good\n")
    line = next(line for line in text.splitlines() if line.startswith(EUR.name))
    counts = [int(word.replace(",", "")) for word in line.split()[1:6]]
    with closing(SqliteReader(whole)) as reader:
        commands = sum(len(batch.records) for batch in reader.commands(EUR.name, 0))
        batches = list(reader.events(EUR.name, 0))
        checkpoints = reader.checkpoints(EUR.name)
    assert commands == 1200 + 6 * BATCH + 5, "six batches came twice"
    assert counts == [
        commands,
        batches[-1].last,
        sum(np.count_nonzero(batch.records["kind"] == EventKind.TRADE) for batch in batches),
        len(checkpoints),
        sum(1 for batch in batches if batch.digest),
    ]
    assert counts[3] == 2 and counts[4] > 5


def test_a_market_alone(verify, whole):
    code, text = verify(whole, "--market", BOND.name)
    assert code == 0
    assert BOND.name in text and EUR.name not in text


def test_the_audit_leaves_the_file_as_it_is(verify, whole, file):
    assert verify(file)[0] == 0
    assert file.read_bytes() == whole.read_bytes()


def test_a_venue_may_be_at_work(verify, file):
    with pt.Venue(file, clock=lambda: 1) as venue:
        venue.submit(EUR.name, deals(10))
        assert verify(file)[0] == 0


def test_what_a_venue_does_meanwhile_is_not_looked_at(file):
    with closing(SqliteReader(file, witness=False)) as reader:
        commits = witnessed(file)
        reader.hold()
        with pt.Venue(file, clock=lambda: 1) as venue:
            venue.submit(EUR.name, deals(10))
        found = audit_file(reader, list(reader.lanes().values()), commits, lambda *_: None)
    assert [findings.damages for findings in found] == [[], [], []]
    assert witnessed(file) > commits


# -- bytes that change ----------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["commands", "events", "checkpoints"])
def test_any_byte_of_a_batch_is_missed(verify, file, table):
    at, batch = middle(file, table)
    draw = random.Random(table)
    for place in [*range(0, 64, 3), *(draw.randrange(64, len(batch)) for _ in range(8))]:
        put(file, table, EUR.name, at, flipped(batch, place))
        code, text = verify(file)
        assert code == 1, f"byte {place}"
        assert re.search(rf"{EUR.name}: (?:{table} from|checkpoint at) \d+: ", text), text
        assert f"{BOND.name}: " not in text
    put(file, table, EUR.name, at, batch)
    assert verify(file)[0] == 0


def test_damaged_events_are_named_and_the_rest_is_checked(verify, file):
    at, batch = middle(file, "events")
    put(file, "events", EUR.name, at, flipped(batch, 200))
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: events from {at}: its checksum" in text
    assert f"{EUR.name}: good are all commands and events up to {at - 1}\n" in text
    assert text.count(f"{EUR.name}: ") == 3, "what is damaged, what is missing for it, no more"


def test_damaged_commands_are_passed_at_the_next_checkpoint(verify, file):
    found = rows(file, "commands", EUR.name)
    at, batch = found[2]
    put(file, "commands", EUR.name, at, flipped(batch, 300))
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: commands from {at + 1}: its checksum" in text
    assert f"{EUR.name}: good are commands up to {at} and all events\n" in text
    assert "were not replayed" in text
    # What comes behind a checkpoint is replayed again: a lie there is found.
    lie(file, rows(file, "events", EUR.name)[-1][0], "quantity", 1)
    assert "is not what its command makes" in verify(file)[1]


@pytest.mark.parametrize("table", ["commands", "events"])
def test_a_row_that_is_gone_is_missed(verify, file, table):
    at, _ = middle(file, table)
    key = "sequence" if table == "events" else "position"
    number = number_of(file, EUR.name)
    edit(file, f"DELETE FROM {table} WHERE instrument = ? AND {key} = ?", number, at)
    code, text = verify(file)
    first = at if table == "events" else at + 1
    assert code == 1
    assert re.search(rf"{EUR.name}: {table} from {first} to \d+ are damaged or not there", text)


@pytest.mark.parametrize("table", ["commands", "events"])
def test_the_last_row_that_is_gone_is_missed(verify, file, table):
    at = rows(file, table, EUR.name)[-1][0]
    key = "sequence" if table == "events" else "position"
    number = number_of(file, EUR.name)
    edit(file, f"DELETE FROM {table} WHERE instrument = ? AND {key} = ?", number, at)
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: {table} end at {at - (table == 'events')}, but" in text


@pytest.mark.parametrize("table", ["commands", "events"])
def test_a_row_that_stands_twice_is_found(verify, file, table):
    at, batch = middle(file, table)
    edit(file, f"INSERT INTO {table} VALUES (?, ?, ?)", number_of(file, EUR.name), at + 1, batch)
    code, text = verify(file)
    assert code == 1
    assert f"{table} from {at + 1 + (table == 'commands')}: they are filed there, but" in text


def test_commands_and_events_beside_others_are_found(verify, file):
    number = number_of(file, EUR.name)
    at, data = middle(file, "commands")
    records = unpack_commands(data, EUR.name, "").records[1:3]
    batch = pack_commands(EUR.name, Commands(records, NO_TOKENS, at + 3), at + 1)
    edit(file, "INSERT INTO commands VALUES (?, ?, ?)", number, at + 1, batch)
    first, data = middle(file, "events")
    events = unpack_events(data, EUR.name, "")
    batch = pack_events(EUR.name, events._replace(records=events.records[1:3]))
    edit(file, "INSERT INTO events VALUES (?, ?, ?)", number, first + 1, batch)
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: commands from {at + 2}: they stand beside others up to {at + 40}" in text
    assert f"{EUR.name}: events from {first + 1}: they stand beside others up to" in text


def test_rows_of_nobody_are_found(verify, file):
    batch = middle(file, "events")[1]
    edit(file, "INSERT INTO events VALUES (99, 1, ?)", batch)
    code, text = verify(file)
    assert code == 1
    assert "file: events: 1 rows are of instrument 99: there is none" in text


def test_a_batch_of_another_instrument_is_found(verify, file):
    at, _ = rows(file, "commands", EUR.name)[3]
    put(file, "commands", EUR.name, at, dict(rows(file, "commands", BOND.name))[at])
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: commands from {at + 1}: it belongs to another instrument" in text


def test_a_checkpoint_without_a_part_is_found(verify, file):
    number = number_of(file, EUR.name)
    oldest = rows(file, "checkpoints", EUR.name)[0][0]
    edit(file, "UPDATE checkpoints SET parts = 2 WHERE instrument = ? AND position = ?", number,
         oldest)  # fmt: skip
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: checkpoint at {oldest}: 1 of 2 parts are there" in text


def test_a_checkpoint_that_was_being_stored_is_no_damage(verify, file):
    number = number_of(file, EUR.name)
    newest, batch = rows(file, "checkpoints", EUR.name)[-1]
    edit(file, "INSERT INTO checkpoints VALUES (?, ?, 0, 2, ?)", number, newest + 1, batch)
    code, text = verify(file)
    assert code == 0
    assert f"{EUR.name}: checkpoint at {newest + 1}: 1 of 2 parts are there" in text


def test_rows_of_the_instrument_and_the_venue_are_checked(verify, whole, tmp_path):
    for number, (statement, told) in enumerate(
        {
            "UPDATE instrument SET state = zeroblob(44) WHERE name = 'BTC_EUR'": "BTC_EUR: the row",
            "UPDATE instrument SET definition = replace(definition, '0.01', '0.02')": "BTC_EUR: t",
            "UPDATE venue SET state = zeroblob(20)": "file: table venue: the state of the venue do",
            "DELETE FROM venue": "file: table venue has 0 rows, not 1",
        }.items()
    ):
        path = copied(whole, tmp_path / f"{number}.db")
        edit(path, statement)
        code, text = verify(path)
        assert code == 1 and told in text, text


def test_commits_that_were_acknowledged_and_are_not_there_are_missed(verify, file):
    lock = file.with_name(file.name + ".lock")
    pid, commits = lock.read_text().split()
    lock.write_text(f"{pid} {int(commits) + 1}\n")
    code, text = verify(file)
    assert code == 1
    assert re.search(rf"file: .* ends with commit {commits}, but {int(commits) + 1} were ack", text)


def test_a_column_that_has_lost_its_name_is_told(verify, file):
    connection = sqlite3.connect(file)
    connection.execute("ALTER TABLE instrument RENAME COLUMN state TO stale")
    connection.close()
    code, text = verify(file)
    assert code == 1
    assert "no such column" in text


@pytest.mark.parametrize("seed", range(40))
def test_noise_in_the_file_never_ends_in_a_traceback(verify, whole, tmp_path, seed):
    draw = random.Random(seed)
    data = bytearray(whole.read_bytes())
    path = copied(whole, tmp_path / "venue.db")
    for _ in range(draw.choice([1, 2, 50])):
        begin = draw.randrange(len(data))
        width = draw.choice([1, 8, 4096])
        data[begin : begin + width] = draw.randbytes(len(data[begin : begin + width]))
    path.write_bytes(data)
    code, text = verify(path)
    if code == 0:  # what was hit holds nothing
        assert content(path) == content(whole)
    else:
        assert code in (1, 2) and text.strip()


def content(path):
    return [
        sorted(ask(path, f"SELECT * FROM {table}"))
        for table in ("instrument", "commands", "events", "checkpoints")
    ]


# -- rows that somebody wrote ---------------------------------------------------------------------


def lie(path, at, field, by, name=EUR.name):
    """Changes a field of the second event of a batch, under a good checksum."""
    batch = unpack_events(dict(rows(path, "events", name))[at], name, "")
    records = batch.records.copy()
    records[field][1] += by
    put(path, "events", name, at, pack_events(name, batch._replace(records=records)))
    return int(records["sequence"][1])


@pytest.mark.parametrize("field", [name for name in pt.EVENT.names if name != "sequence"])
def test_an_event_that_its_command_does_not_make_is_found(verify, file, field):
    sequence = lie(file, middle(file, "events")[0], field, 1)
    code, text = verify(file)
    assert code == 1
    assert re.search(rf"{EUR.name}: event {sequence} of command \d+ is not what its .*: {field} ",
                     text), text  # fmt: skip
    assert f"events up to {sequence - 1}\n" in text


def test_a_command_that_did_not_make_its_events_is_found(verify, file):
    at, data = middle(file, "commands")
    batch = unpack_commands(data, EUR.name, "")
    records = batch.records.copy()
    records["quantity"][0] += 1
    forged = pack_commands(EUR.name, batch._replace(records=records), at)
    put(file, "commands", EUR.name, at, forged)
    code, text = verify(file)
    assert code == 1 and "is not what its command makes" in text


def test_a_token_that_did_not_stand_there_is_found(verify, file):
    found = rows(file, "commands", EUR.name)
    batches = [(at, unpack_commands(data, EUR.name, "")) for at, data in found]
    at, batch = [(at, batch) for at, batch in batches if len(batch.tokens)][-2]
    forged = Commands(batch.records, batches[0][1].tokens, batch.position)
    put(file, "commands", EUR.name, at, pack_commands(EUR.name, forged, at))
    code, text = verify(file)
    assert code == 1, "its commands are now taken for repeated ones"
    assert "is not what its command makes" in text


def test_a_digest_of_another_state_is_found(verify, file):
    for at, data in rows(file, "events", EUR.name):
        batch = unpack_events(data, EUR.name, "")
        if batch.digest:
            put(
                file,
                "events",
                EUR.name,
                at,
                pack_events(EUR.name, batch._replace(digest="ab" * 16)),
            )
            break
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: the digest behind event {batch.last} is {'ab' * 16}, but" in text


@pytest.mark.parametrize("what", ["book", "tokens"])
def test_a_checkpoint_of_another_book_is_found(verify, file, what):
    position, data = rows(file, "checkpoints", EUR.name)[0]
    state = saved.unpack(unpack_part(data, EUR.name, "").data, "")
    if what == "book":
        state.book.cancel(state.book.orders()["order_id"][0])
    else:
        state = state._replace(tokens=Tokens())
    part = Part(saved.pack(state), 0, 1, position)
    put(file, "checkpoints", EUR.name, position, pack_part(EUR.name, part))
    code, text = verify(file)
    assert code == 1
    told = "state" if what == "book" else "tokens 0, not"
    assert f"{EUR.name}: checkpoint at {position} is not the book there: {told}" in text


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"end": 9}, "commands end at .*, but the instrument's row says 9"),
        ({"sequence": 9}, "events end at .*, but the instrument's row says 9"),
        ({"position": 9}, "the book stood at .*, but the instrument's row says 9"),
    ],
)
def test_a_row_that_says_another_end_is_found(verify, file, changed, told):
    restate(file, EUR.name, **changed)
    code, text = verify(file)
    assert code == 1
    assert re.search(f"{EUR.name}: {told}", text), text


def test_commands_whose_events_were_cut_off_are_found(verify, file):
    at = rows(file, "events", EUR.name)[-1][0]
    number = number_of(file, EUR.name)
    edit(file, "DELETE FROM events WHERE instrument = ? AND sequence >= ?", number, at)
    restate(file, EUR.name, sequence=at - 1)
    code, text = verify(file)
    assert code == 1
    assert f"{EUR.name}: events end at {at - 1}, but the commands make them up to" in text


# -- what must hold of events, whatever made them -------------------------------------------------


# -- histories that were trimmed ------------------------------------------------------------------


def test_a_trimmed_file_and_its_archive_are_good(verify, file, tmp_path):
    with pt.Venue(file, clock=lambda: 1) as venue:
        point = venue.trim(EUR.name, tmp_path / "archive.db")
    assert verify(file)[0] == 0
    code, text = verify(tmp_path / "archive.db")
    assert code == 0
    assert f"{point.sequence:,}" in text


def test_a_trimmed_file_is_replayed_from_where_it_begins(verify, file):
    with pt.Venue(file, clock=lambda: 1) as venue:
        venue.trim(EUR.name)
    at = rows(file, "events", EUR.name)[0][0]
    lie(file, at, "quantity", 1)
    assert "is not what its command makes" in verify(file)[1]


def test_a_history_without_a_checkpoint_where_it_begins_says_so(verify, file):
    with pt.Venue(file, clock=lambda: 1) as venue:
        point = venue.trim(EUR.name, before=200)
    assert point.command < 200
    code, text = verify(file)
    assert code == 0
    assert f"{EUR.name}: commands {point.position + 1} to" in text
    assert "were not replayed: no checkpoint stands where they begin" in text


# -- what cannot be used --------------------------------------------------------------------------


def test_what_cannot_be_used_ends_with_2_and_one_line(verify, whole, tmp_path):
    other = tmp_path / "other.db"
    edit(other, "CREATE TABLE venue (state)")
    newer, older = (copied(whole, tmp_path / f"{name}.db") for name in ("newer", "older"))
    edit(newer, f"PRAGMA user_version = {FILE_VERSION + 1}")
    edit(older, f"PRAGMA user_version = {FILE_VERSION - 1}")
    text = tmp_path / "text.db"
    text.write_text("time,price\n" * 1000)
    empty = tmp_path / "empty.db"
    empty.touch()
    for path, told in {
        tmp_path / "none.db": "is not there, or is no file",
        tmp_path: "is not there, or is no file",
        other: "is an SQLite file, but not a venue's",
        newer: f"has file version {FILE_VERSION + 1}, .*: use that release or a later one",
        older: f"has file version {FILE_VERSION - 1}, .*: first run `pricetime migrate",
        text: "file is not a database",
        empty: "is an SQLite file, but not a venue's",
    }.items():
        code, said = verify(path)
        assert code == 2
        assert said.count("\n") == 1
        assert re.search(f"pricetime verify: .*{told}", said), said


def test_an_unknown_market_is_told_those_that_are_there(verify, whole):
    code, said = verify(whole, "--market", "BTC")
    assert code == 2
    assert said.endswith(f"has no instrument 'BTC'; it has {EUR.name}, {BOND.name}\n")


def test_a_file_in_a_read_only_folder_can_be_verified(verify, file):
    folder = file.parent
    folder.chmod(0o555)
    try:
        assert verify(file)[0] == 0
    finally:
        folder.chmod(0o755)


def test_ctrl_c_ends_it_without_a_traceback(whole):
    """The signal comes in the middle: as the book takes its second batch."""
    code = (
        "import os, signal, sys\n"
        "import pricetime.tools.audit.instrument as instrument\n"
        "from pricetime.cli import main\n"
        "step = instrument._Audit._step\n"
        "def stop(self, *rest):\n"
        "    if self.findings.commands > 50:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return step(self, *rest)\n"
        "instrument._Audit._step = stop\n"
        f"sys.exit(main(['verify', {str(whole)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr and "stopped by Ctrl-C" in done.stderr
