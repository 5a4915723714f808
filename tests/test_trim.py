"""Retention: what is dropped is in the archive before, whatever interrupts, and what remains says
where it begins; and files of an older version, which `pricetime migrate` brings up to date.
"""

import asyncio
import gzip
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.log import MemoryLog, SqliteLog, SqliteReader, migrate
from pricetime.log import sqlite as sqlite_module
from pricetime.log.sqlite_file import FILE_VERSION
from pricetime.runner import Distance
from pricetime.runner import runner as runner_module
from pricetime.venue import retention
from venue_samples import (
    BATCH,
    BOND,
    EUR,
    Sampled,
    ask,
    clock,
    copied,
    deals,
    edit,
    flipped,
    make,
    put,
    rows,
    spends,
)

NAMES = (EUR.name, BOND.name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make(tmp_path_factory.mktemp("whole") / "venue.db", patch)


@pytest.fixture
def file(whole, tmp_path):
    return copied(whole, tmp_path / "venue.db")


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive.db"


@pytest.fixture
def run(capsys):
    """Runs a command line; its code and what it prints."""

    def go(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out + err

    return go


def history(path, name):
    """Commands, tokens and events of an instrument, from where they begin; and that place."""
    with closing(SqliteReader(path)) as reader:
        head = reader.head(name)
        commands = list(reader.commands(name, head.position))
        events = list(reader.events(name, head.sequence))
        return (
            b"".join(batch.records.tobytes() + batch.tokens.tobytes() for batch in commands),
            b"".join(batch.records.tobytes() for batch in events),
            tuple(head),
        )


def kept_whole(whole, file, archive, name):
    """That the archive and the file together hold the history, the same where they overlap."""
    before, now, old = history(whole, name), history(file, name), history(archive, name)
    for every, begun, rest in zip(before[:2], old[:2], now[:2], strict=True):
        assert every.startswith(begun) and every.endswith(rest)
        assert len(begun) + len(rest) >= len(every)


def hashes(path):
    with pt.Venue(path, clock=lambda: 1) as venue:
        return [venue[name].state_hash() for name in venue]


# -- what it does ---------------------------------------------------------------------------------


def test_history_moves_to_the_archive_and_recovery_does_not_mind(run, whole, file, archive):
    code, said = run("trim", file, "--archive", archive)
    assert code == 0
    for name in NAMES:
        oldest = rows(whole, "checkpoints", name)[0][0]
        assert rows(file, "commands", name)[0][0] == oldest
        assert rows(archive, "commands", name)[0][0] == 0
        kept_whole(whole, file, archive, name)
        assert history(archive, name)[0] + history(file, name)[0] == history(whole, name)[0]
        assert history(archive, name)[1] + history(file, name)[1] == history(whole, name)[1]
        assert re.search(rf"{name}: dropped [\d,]+ commands and [\d,]+ events, now in", said)
    assert hashes(file) == hashes(copied(whole, archive.with_name("other.db")))
    assert run("verify", file)[0] == run("verify", archive)[0] == 0


def test_rows_move_as_they_are(run, whole, file, archive):
    run("trim", file, "--archive", archive)
    for table in ("commands", "events"):
        for name in NAMES:
            moved, stayed = rows(archive, table, name), rows(file, table, name)
            assert moved and moved + stayed == rows(whole, table, name), "byte for byte"


def test_two_checkpoints_stay(run, whole, file):
    assert run("trim", file)[0] == 0
    for name in NAMES:
        assert rows(file, "checkpoints", name) == rows(whole, "checkpoints", name)
        assert len(rows(file, "checkpoints", name)) == 2
    newest = rows(file, "checkpoints", EUR.name)[1]
    put(file, "checkpoints", EUR.name, newest[0], flipped(newest[1], 100))
    assert hashes(file) == hashes(copied(whole, file.with_name("other.db"))), "from the other one"


def test_without_a_good_checkpoint_a_trimmed_instrument_is_damaged_and_says_so(run, file):
    run("trim", file)
    for at, batch in rows(file, "checkpoints", EUR.name):
        put(file, "checkpoints", EUR.name, at, flipped(batch, 100))
    with pt.Venue(file, clock=lambda: 1) as venue:
        with pytest.raises(pt.LogDamaged, match=f"{EUR.name}: no checkpoint of it is good, and .*"
                           "begin at"):  # fmt: skip
            venue[EUR.name].state_hash()
        assert venue[BOND.name].state_hash(), "the others work"


def test_archiving_again_appends(whole, tmp_path, archive, monkeypatch, run):
    venue = Sampled(tmp_path / "venue.db", monkeypatch, checkpoint=80)
    venue.add(EUR)
    commands = deals(1200)
    begins = []
    try:
        for begin in range(0, 1200, BATCH):
            venue.send(EUR.name, commands[begin : begin + BATCH].copy(), f"token {begin}")
            if begin % 240 == 200:
                reader = venue.core.log.reader()
                point = retention.trim_point(reader, EUR.name)
                retention.archive(reader, EUR.name, archive, point)
                reader.close()
                while venue.core.trim(EUR.name, point):
                    pass
                begins.append(point.position)
    finally:
        venue.close()
    assert len(set(begins)) == 5
    with closing(SqliteReader(archive)) as reader:
        assert reader.tail(EUR.name).position == begins[-1]
    old, new = history(archive, EUR.name), history(tmp_path / "venue.db", EUR.name)
    with pt.Venue(tmp_path / "again.db", clock=clock()) as again:
        again.add(EUR)
        again.submit(EUR.name, commands)
    told = np.frombuffer(old[1] + new[1], pt.EVENT)
    expected = np.frombuffer(history(tmp_path / "again.db", EUR.name)[1], pt.EVENT)
    for field in ("kind", "order_id", "quantity", "remaining", "sequence", "command"):
        assert np.array_equal(told[field], expected[field]), field
    assert run("verify", archive)[0] == run("verify", tmp_path / "venue.db")[0] == 0


def test_an_archive_that_begins_late_begins_with_its_checkpoint(run, file, archive, monkeypatch):
    assert run("trim", file, "--market", EUR.name)[0] == 0
    begin = rows(file, "commands", EUR.name)[0][0]
    venue = Sampled(file, monkeypatch, checkpoint=100)
    commands = deals(800)
    commands["order_id"] += 10_000
    for at in range(0, 800, BATCH):
        venue.send(EUR.name, commands[at : at + BATCH].copy())
    venue.close()
    assert rows(file, "checkpoints", EUR.name)[0][0] == begin, "kept, though newer ones are there"
    assert len(rows(file, "checkpoints", EUR.name)) == 3
    assert run("verify", file)[0] == 0
    assert run("trim", file, "--market", EUR.name, "--archive", archive)[0] == 0
    assert [at for at, _ in rows(archive, "checkpoints", EUR.name)] == [begin]
    code, said = run("verify", archive)
    assert code == 0 and "not replayed" not in said
    assert run("log", archive, "--last", 3)[0] == 0


def test_before_keeps_the_command_named(run, file, archive):
    oldest = rows(file, "checkpoints", EUR.name)[0][0]
    code, said = run("trim", file, "--archive", archive, "--before", 301, "--market", EUR.name)
    assert code == 0, said
    with closing(SqliteReader(file)) as reader:
        head = reader.head(EUR.name)
        first = next(iter(reader.events(EUR.name, head.sequence))).records[0]
    assert first["command"] == 281, "the batch of 40 that holds command 301 stays whole"
    assert run("verify", file)[0] == run("verify", archive)[0] == 0
    run("trim", file, "--archive", archive, "--before", 10**9, "--market", EUR.name)
    assert rows(file, "commands", EUR.name)[0][0] == oldest, "the checkpoint is the limit"
    assert "nothing to drop" in run("trim", file, "--before", "checkpoint", "--market", EUR.name)[1]


def test_many_events_of_one_batch_are_cut_at_batches_of_commands(tmp_path, monkeypatch, run):
    """The events of a batch stand in several where they are many; retention takes them whole."""
    monkeypatch.setattr(runner_module, "EVENTS_MAX", 7)
    monkeypatch.setattr(retention, "COMMIT_EVENTS", 10)
    monkeypatch.setattr(sqlite_module, "TRIM_MAX", 30)
    path = make(tmp_path / "venue.db", monkeypatch, 800)
    whole = copied(path, tmp_path / "whole.db")
    archive = tmp_path / "archive.db"
    for before in (100, 333, "checkpoint"):
        assert run("trim", path, "--before", before, "--archive", archive)[0] == 0
        for name in NAMES:
            kept_whole(whole, path, archive, name)
            last = np.frombuffer(history(archive, name)[1], pt.EVENT)[-1]
            assert last["flags"] & pt.EventFlag.LAST, "a command stays with its events"
            with closing(SqliteReader(archive)) as old, closing(SqliteReader(path)) as new:
                assert old.tail(name) == new.head(name)
    assert run("verify", path)[0] == run("verify", tmp_path / "archive.db")[0] == 0


# -- a venue at work ------------------------------------------------------------------------------


def test_a_venue_trims_itself_and_works_on(file, archive, run):
    with pt.Venue(file, clock=lambda: 1) as venue:
        point = venue.trim(EUR.name, archive)
        assert venue.trim(EUR.name, archive) == point, "again is nothing more"
        answer = venue[EUR.name].limit("sell", "27000.50", "0.25")
        told = f"events of {EUR.name} begin at {point.sequence + 1}: those before were trimmed"
        with pytest.raises(pt.LogTrimmed, match=told):
            next(venue.events(EUR.name))
        events = np.concatenate(list(venue.events(EUR.name, point.sequence, follow=False)))
        assert events["sequence"][0] == point.sequence + 1
        assert events["order_id"][-1] == answer.order_id
        with pytest.raises(pt.UnknownInstrument):
            venue.trim("ETH")
    assert run("verify", file)[0] == run("verify", archive)[0] == 0


def test_an_asyncio_venue_trims_as_well(file, archive, run):
    async def go():
        async with pt.AsyncVenue(file, clock=lambda: 1) as venue:
            point = await venue.trim(EUR.name, archive)
            with pytest.raises(pt.LogTrimmed):
                async for _ in venue.events(EUR.name):
                    pass
            return point

    point = asyncio.run(go())
    assert rows(file, "events", EUR.name)[0][0] == point.sequence + 1
    assert run("verify", file)[0] == run("verify", archive)[0] == 0


def test_a_token_whose_events_were_trimmed_is_told_so(file):
    commands = deals(1200)[:BATCH].copy()
    with pt.Venue(file, clock=lambda: 1) as venue:
        venue.trim(EUR.name)
        before = venue[EUR.name].state_hash()
        told = r"came before, and was done as command 1; but .* begin at \d+: those before were"
        with pytest.raises(pt.LogTrimmed, match=told):
            venue.submit(EUR.name, commands, token="token 0")
        assert venue[EUR.name].state_hash() == before, "and nothing is done twice"


def test_a_log_in_memory_trims_as_well(archive, run):
    log = MemoryLog()
    with pt.Venue(log, clock=clock()) as venue:
        venue._worker._core.distance = Distance(100)
        venue.add(EUR)
        for begin in range(0, 800, BATCH):
            venue.submit(EUR.name, deals(800)[begin : begin + BATCH])
        before = np.concatenate(list(venue.events(EUR.name, follow=False)))
        point = venue.trim(EUR.name, archive)
        with pytest.raises(pt.LogTrimmed, match=f"begin at {point.sequence + 1}"):
            next(venue.events(EUR.name, 5))
        after = np.concatenate(list(venue.events(EUR.name, point.sequence, follow=False)))
        assert history(archive, EUR.name)[1] + after.tobytes() == before.tobytes()
    assert run("verify", archive)[0] == 0


# -- interruptions --------------------------------------------------------------------------------


class Interrupted(BaseException):
    """The process has ended."""


class Ending(sqlite3.Connection):
    """Ends the process before a write: the n-th of all connections."""

    left = -1

    def execute(self, statement, *values):
        if statement.split()[0] in ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT"):
            Ending.left -= 1
            if Ending.left == 0:
                raise Interrupted
        return super().execute(statement, *values)


def connect(path):
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Ending)


def interrupted(file, archive, left):
    """Whether a trim of EUR ended before its n-th write. Its files are then as a dead process
    leaves them: what was not committed is rolled back as its connections close."""
    log = SqliteLog(file, connect=connect)
    with pytest.MonkeyPatch.context() as patch, closing(log.reader()) as reader:
        patch.setattr(retention, "SqliteLog", lambda path: SqliteLog(path, connect=connect))
        Ending.left = left
        try:
            point = retention.trim_point(reader, EUR.name)
            retention.archive(reader, EUR.name, archive, point)
            stream = log.stream(EUR.name)
            while stream.trim(point.position, point.sequence):
                log.commit()
            log.commit()
        except Interrupted:
            return True
        finally:
            Ending.left = -1
            log.close()
    return False


def test_an_interruption_at_any_write_loses_nothing(tmp_path, run, monkeypatch):
    monkeypatch.setattr(runner_module, "EVENTS_MAX", 30)
    monkeypatch.setattr(retention, "COMMIT_EVENTS", 20)
    monkeypatch.setattr(sqlite_module, "TRIM_MAX", 150)
    whole = make(tmp_path / "whole.db", monkeypatch, 480)
    every = history(whole, EUR.name)
    left, going = 0, True
    while going:
        left += 1
        file, archive = copied(whole, tmp_path / f"{left}.db"), tmp_path / f"archive {left}.db"
        going = interrupted(file, archive, left)
        if archive.exists() and EUR.name in names_in(archive):
            kept_whole(whole, file, archive, EUR.name)
            code, said = run("verify", archive)
            assert code == 0, said
        else:
            assert history(file, EUR.name) == every
        if left % 7 == 0:  # what stands in between is a good file
            assert run("verify", file)[0] == 0
        code, said = run("trim", file, "--archive", archive, "--market", EUR.name)
        assert code == 0, said
        old, new = history(archive, EUR.name), history(file, EUR.name)
        assert (old[0] + new[0], old[1] + new[1]) == every[:2]
    assert left > 30, "there were so many writes"


def names_in(path):
    try:
        with closing(SqliteReader(path)) as reader:
            return list(reader.instruments())
    except pt.LogVersion:  # its tables were not made yet
        return []


def test_a_killed_trim_is_finished_by_the_next(run, whole, file, archive):
    code = (
        "import os, signal, sys\n"
        "from pricetime.cli import main\n"
        "from pricetime.log.sqlite import SqliteStream\n"
        "def stop(self, *where):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "SqliteStream.trim = stop\n"
        f"main(['trim', {str(file)!r}, '--archive', {str(archive)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert history(file, EUR.name)[2] == (0, 0)
    assert run("trim", file, "--archive", archive)[0] == 0
    for name in NAMES:
        for part in (0, 1):
            both = history(archive, name)[part] + history(file, name)[part]
            assert both == history(whole, name)[part]


# -- what is refused ------------------------------------------------------------------------------


def test_an_archive_of_another_history_is_refused(run, file, archive):
    with pt.Venue(archive, clock=clock()) as other:
        other.add(EUR)
        other.submit(EUR.name, spends(30, 1))
    before = history(file, EUR.name)
    code, said = run("trim", file, "--archive", archive, "--market", EUR.name)
    assert code == 2
    assert f"{archive} holds another history of {EUR.name}: name the right archive" in said
    assert history(file, EUR.name) == before


def test_an_archive_with_another_instrument_of_that_name_is_refused(run, file, archive):
    with pt.Venue(archive, clock=clock()) as other:
        other.add(pt.Instrument(EUR.name, tick_size="0.05", lot_size="1"))
    code, said = run("trim", file, "--archive", archive, "--market", EUR.name)
    assert code == 2 and f"{archive} has another {EUR.name}" in said


def test_a_gap_before_the_history_is_refused(run, file, archive):
    run("trim", file, "--archive", archive, "--market", EUR.name, "--before", 200)
    run("trim", file, "--market", EUR.name, "--before", 400)
    code, said = run("trim", file, "--archive", archive, "--market", EUR.name)
    assert code == 2 and "what is between them is in neither" in said


def test_damaged_history_is_not_archived_and_not_dropped(run, file, archive):
    at, batch = rows(file, "events", EUR.name)[3]
    put(file, "events", EUR.name, at, flipped(batch, 80))
    code, said = run("trim", file, "--archive", archive, "--market", EUR.name)
    assert code == 2 and f"events of {EUR.name} from {at}: its checksum" in said
    assert rows(file, "commands", EUR.name)[0][0] == 0
    assert run("trim", file, "--market", EUR.name)[0] == 0, "without an archive it may go"


def test_two_good_checkpoints_are_needed(run, file):
    at, batch = rows(file, "checkpoints", EUR.name)[0]
    put(file, "checkpoints", EUR.name, at, flipped(batch, 100))
    code, said = run("trim", file, "--market", EUR.name)
    assert code == 2
    assert f"{EUR.name} has 1 good checkpoints: history is dropped up to the last but one" in said
    code, said = run("trim", file)
    assert code == 0, "the others are trimmed all the same"
    assert f"{EUR.name}: not trimmed: " in said and f"{BOND.name}: dropped" in said


def test_a_file_that_is_held_is_refused(run, file, archive):
    with pt.Venue(file, clock=lambda: 1):
        code, said = run("trim", file)
        assert code == 2 and "is held by this process" in said
    code, said = run("trim", file, "--archive", file)
    assert code == 2 and "is held by this process" in said
    assert run("trim", file, "--archive", archive)[0] == 0


def test_wrong_input_ends_with_one_line(run, file, tmp_path, capsys):
    text = tmp_path / "text.db"
    text.write_text("no venue\n" * 100)
    empty = tmp_path / "empty.db"
    empty.touch()
    for words, told in {
        (tmp_path / "none.db",): "is not there, or is no file",
        (text,): "file is not a database",
        (empty,): "is an SQLite file, but not a venue's",
        (file, "--market", "ETH"): f"has no instrument 'ETH'; it has {EUR.name}",
        (file, "--archive", tmp_path / "no" / "archive.db"): "there is no folder .*no\n",
    }.items():
        code, said = run("trim", *words)
        assert code == 2, words
        assert re.search(told, said, re.IGNORECASE) and said.count("\n") == 1, said
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(SystemExit):
        main(["trim", str(file), "--before", "yesterday"])
    assert "is no command; allowed: its number, from 1, or checkpoint" in capsys.readouterr().err
    assert not empty.stat().st_size


# -- older files ----------------------------------------------------------------------------------

VERSION_1 = Path(__file__).parent / "data" / "venue-version-1.db.gz"
"""Made by the code that wrote version 1: two instruments, a token that came twice, checkpoints."""
HASHES_1 = ["a43f656fee6af931801e8b5df976ce3d", "9016651e755d5f67573f83ffef397a91"]


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    return path


def test_a_file_of_version_1_is_migrated(run, old):
    stored = [ask(old, f"SELECT * FROM {table}") for table in ("commands", "events", "checkpoints")]
    code, said = run("migrate", old)
    assert (code, said) == (0, f"{old} had file version 1 and has {FILE_VERSION} now\n")
    assert ask(old, "PRAGMA user_version") == [(FILE_VERSION,)]
    now = [ask(old, f"SELECT * FROM {table}") for table in ("commands", "events", "checkpoints")]
    assert now == stored, "byte for byte"
    assert run("verify", old)[0] == 0
    assert hashes(old) == HASHES_1
    code, said = run("migrate", old)
    assert (code, said) == (0, f"{old} has file version {FILE_VERSION} already\n")


def test_a_file_of_version_1_is_refused_until_then(run, old):
    told = f"file version 1, .*this release reads version {FILE_VERSION}: first run `pricetime migr"
    with pytest.raises(pt.LogVersion, match=told):
        pt.Venue(old)
    for command in ("verify", "log"):
        code, said = run(command, old)
        assert code == 2 and re.search(told, said)
    code, said = run("trim", old)
    assert code == 2 and re.search(told, said)


def test_a_newer_file_is_refused(run, old):
    edit(old, f"PRAGMA user_version = {FILE_VERSION + 1}")
    code, said = run("migrate", old)
    assert code == 2 and "use that release or a later one" in said


def test_a_damaged_row_stops_a_migration_and_nothing_is_changed(run, old):
    edit(old, "UPDATE instrument SET definition = definition || ' ' WHERE name = 'ETH_EUR'")
    before = ask(old, "SELECT * FROM instrument")
    code, said = run("migrate", old)
    assert code == 2 and "the row of instrument 'ETH_EUR' does not match its checksum" in said
    assert ask(old, "SELECT * FROM instrument") == before
    assert ask(old, "PRAGMA user_version") == [(1,)]


def test_a_held_file_is_not_migrated(run, old, tmp_path):
    with pt.Venue(tmp_path / "venue.db", clock=clock()):
        code, said = run("migrate", tmp_path / "venue.db")
    assert code == 2 and "is held by this process" in said
    assert run("migrate", tmp_path / "none.db")[0] == 2
    assert not (tmp_path / "none.db").exists()
    assert migrate(old) == 1
