"""The runner: how a book starts again from its log, what it publishes, and when it stops."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.batches import orders
from model.blotter import SECOND, record
from model.logs import NAME, Teller, joined, keep, spans, start, token_rows
from model.tapes import PROFILES, tape
from pricetime import EVENT, Book, Diverged, Kind, LogDamaged, LogVersion
from pricetime.log import MemoryLog, SqliteLog
from pricetime.log.batch import NO_TOKENS, Events, pack_events, unpack_events
from pricetime.runner import Distance, saved
from pricetime.runner.runner import (
    CHECKPOINT_NS,
    DIGEST_COMMANDS,
    DIGEST_PER_ORDER,
    EVENTS_MAX,
)
from pricetime.runner.tokens import TOKENS_MAX, Seen


@pytest.fixture
def log():
    """A log in memory with one instrument."""
    made = MemoryLog()
    made.add(NAME, "")
    made.commit()
    return made


def drive(runner, log, commands, tokens=NO_TOKENS):
    """Has a runner do commands, as one batch that is committed; what became of them."""
    runner.stream.append(commands, tokens)
    (done,) = runner.step()
    log.commit()
    return done


def nothing(count):
    """Commands that change nothing: they cancel what is not there."""
    return np.repeat(record(Kind.CANCEL, order_id=2**63), count)


def published(log):
    """The bytes of all events."""
    return joined(log.reader().events(NAME, 0))


def made_of(*parts):
    """What a book says of commands, and its state."""
    book = Book()
    events = b"".join(book.process(part).tobytes() for part in parts)
    return events, book.state_hash()


# -- starting again -------------------------------------------------------------------------------


def test_a_new_runner_has_an_empty_book(log):
    runner = start(log)
    assert (runner.book.commands, runner.position, len(runner.tokens)) == (0, 0, 0)
    assert published(log) == b""


def test_commands_without_events_are_done_and_published(log):
    Teller(log).append(orders(3))
    log.commit()
    runner = start(log)
    log.commit()
    assert (published(log), runner.book.state_hash()) == made_of(orders(3))
    assert log.reader().tail(NAME) == (3, 3)


def test_what_is_published_is_not_published_again(log):
    teller = Teller(log)
    teller.tell(orders(2))
    teller.tell(orders(3, 3))
    before = spans(log.reader().events(NAME, 0))
    runner = start(log)
    log.commit()
    assert spans(log.reader().events(NAME, 0)) == before
    assert runner.book.state_hash() == teller.book.state_hash()


@pytest.mark.parametrize("count", range(1, 4))
def test_the_rest_of_a_partly_published_batch_is_published(log, count):
    events, state = made_of(orders(4))
    stream = log.stream(NAME)
    stream.append(orders(4), NO_TOKENS)
    stream.publish(Events(np.frombuffer(events, EVENT)[:count], 0, ""))
    log.commit()
    runner = start(log)
    log.commit()
    assert (published(log), runner.book.state_hash()) == (events, state)
    assert spans(log.reader().events(NAME, 0)) == [(1, count), (count + 1, 4)]
    assert log.reader().tail(NAME) == (4, 4)


def test_a_batch_published_in_other_pieces_is_the_same(log):
    events, _ = made_of(orders(6))
    events = np.frombuffer(events, EVENT)
    stream = log.stream(NAME)
    for count, first in ((2, 1), (4, 3)):
        stream.append(orders(count, first), NO_TOKENS)
    for begin, end in ((0, 1), (1, 5), (5, 6)):
        stream.publish(Events(events[begin:end], end, ""))
    log.commit()
    start(log)
    log.commit()
    assert spans(log.reader().events(NAME, 0)) == [(1, 1), (2, 5), (6, 6)]


def test_a_checkpoint_saves_what_came_before_it(log):
    runner = start(log)
    drive(runner, log, orders(5))
    keep(runner, log)
    drive(runner, log, orders(5, 6))
    while runner.stream.trim(5, 5):
        log.commit()
    again = start(log)
    assert again.book.state_hash() == runner.book.state_hash()
    assert (again.position, again.book.commands, again.behind) == (10, 10, 5)


def test_a_checkpoint_of_the_very_end_needs_no_replay(log):
    runner = start(log)
    drive(runner, log, orders(5))
    keep(runner, log)
    assert start(log).book.checkpoint() == runner.book.checkpoint()


def test_a_runner_goes_on_as_if_it_had_not_stopped(log):
    commands = tape(1, "mixed", 90)
    for part in np.split(commands, 3):
        drive(start(log), log, part)
    assert published(log) == made_of(commands)[0]


def test_a_large_checkpoint_is_stored_in_parts_and_half_of_one_is_none(log):
    runner = start(log)
    drive(runner, log, orders(5))
    keep(runner, log)
    drive(runner, log, orders(20_000, 6))
    runner.take_checkpoint()
    runner.store_part()
    assert runner.storing
    log.commit()
    assert start(log).behind == 20_000
    while runner.storing:
        runner.store_part()
    log.commit()
    again = start(log)
    assert again.behind == 0
    assert again.book.state_hash() == runner.book.state_hash()


def test_a_checkpoint_is_of_when_it_was_taken(log):
    runner = start(log)
    drive(runner, log, orders(5))
    runner.take_checkpoint()
    drive(runner, log, orders(5, 6))
    while runner.storing:
        runner.store_part()
    log.commit()
    assert log.stream(NAME).checkpoints() == [5]
    assert start(log).book.state_hash() == runner.book.state_hash()


def test_a_checkpoint_that_is_dropped_is_taken_anew(log):
    runner = start(log, distance=Distance(1))
    drive(runner, log, nothing(5))
    runner.take_checkpoint()
    runner.drop_checkpoint()
    assert not runner.storing
    assert runner.checkpoint_due()


# -- stopping -------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    """A closed venue file: two checkpoints, at 10 and 20, and 30 commands with their events."""
    log = SqliteLog(tmp_path / "venue.db")
    log.add(NAME, "")
    runner = start(log)
    for part in np.split(orders(30), 3):
        drive(runner, log, part)
        if runner.position < 30:
            keep(runner, log)
    log.close()
    return log.path


def change(path, table, key, value, alter):
    """Puts other bytes into a row."""
    connection = sqlite3.connect(path)
    where = f"FROM {table} WHERE {key} = {value}"
    (data,) = connection.execute(f"SELECT batch {where}").fetchone()
    connection.execute(f"UPDATE {table} SET batch = ? WHERE {key} = {value}", (alter(data),))
    connection.commit()
    connection.close()


def with_event(at, **fields):
    """Changes an event of a batch, under a checksum that fits."""

    def alter(data):
        batch = unpack_events(data, NAME, "")
        records = batch.records.copy()
        for name, value in fields.items():
            records[name][at] = value
        return pack_events(NAME, batch._replace(records=records))

    return alter


def flipped(data):
    return data[:70] + bytes([data[70] ^ 1]) + data[71:]


def reopened(path):
    """A runner of a file, as a venue starts it; with the file closed again."""
    log = SqliteLog(path)
    try:
        runner = start(log)
        log.commit()
        return runner
    finally:
        log.close()


def test_another_event_than_stands_published_stops_the_runner(path):
    change(path, "events", "sequence", 21, with_event(4, quantity=2))
    log = SqliteLog(path)
    log.stream(NAME).append(orders(1, 31), NO_TOKENS)  # which it would publish
    log.commit()
    with pytest.raises(Diverged, match=f"{NAME}: event 25 of command 25 is .* but .* stands publ"):
        start(log)
    assert log.stream(NAME).tail() == (30, 30)
    log.close()


@pytest.mark.parametrize("field", [name for name in EVENT.names if name != "sequence"])
def test_every_field_of_an_event_is_compared(path, field):
    change(path, "events", "sequence", 21, with_event(0, **{field: 99}))
    with pytest.raises(Diverged, match="event 21 of command 21"):
        reopened(path)


def test_what_a_checkpoint_is_behind_is_not_compared(path):
    change(path, "events", "sequence", 11, with_event(0, quantity=2))
    assert reopened(path).book.commands == 30


def test_events_without_commands_stop_the_runner(log):
    teller = Teller(log)
    teller.tell(orders(2))
    teller.publish(orders(1, 3))
    log.commit()
    with pytest.raises(Diverged, match="up to 3, but the commands make them up to 2 only"):
        start(log)


@pytest.mark.parametrize("right", [True, False])
def test_a_digest_is_compared(log, right):
    teller = Teller(log)
    teller.append(orders(2))
    events = teller.book.process(orders(2))
    digest = teller.book.state_hash() if right else "0123456789abcdef" * 2
    teller.stream.publish(Events(events, 2, digest))
    log.commit()
    if right:
        assert start(log).book.commands == 2
        return
    state = teller.book.state_hash()
    with pytest.raises(Diverged, match=f"command 2 the book's state is {state}, but 0123456789ab"):
        start(log)


# -- damaged checkpoints --------------------------------------------------------------------------


def test_a_damaged_checkpoint_costs_the_one_before_and_a_warning(path, caplog):
    expected = reopened(path).book.state_hash()
    assert not caplog.records
    change(path, "checkpoints", "position", 20, flipped)
    runner = reopened(path)
    assert (runner.behind, runner.book.state_hash()) == (20, expected)
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    words = f"{path}: checkpoint of {NAME} at 20: its checksum"
    assert warning.getMessage().startswith(words)
    assert warning.getMessage().endswith("taking the one before it")


def test_without_a_good_checkpoint_the_runner_begins_at_the_beginning(path, caplog):
    expected = reopened(path).book.state_hash()
    for position in (10, 20):
        change(path, "checkpoints", "position", position, flipped)
    runner = reopened(path)
    assert (runner.behind, runner.book.state_hash()) == (30, expected)
    assert len(caplog.records) == 2


def test_without_a_good_checkpoint_and_a_beginning_there_is_no_way(path):
    log = SqliteLog(path)
    while log.stream(NAME).trim(10, 10):
        log.commit()
    log.close()
    for position in (10, 20):
        change(path, "checkpoints", "position", position, flipped)
    with pytest.raises(LogDamaged, match=f"{NAME}: no checkpoint of it is good, and .* trimmed"):
        reopened(path)


def stored(log, position, data):
    log.stream(NAME).store(position, 1, 0, data)
    log.commit()


@pytest.mark.parametrize("at", ["runner's", "book's"])
def test_a_checkpoint_of_a_newer_release_is_refused_by_name(log, at):
    runner = start(log)
    drive(runner, log, orders(5), token_rows((1, 0, 5, 7)))
    data = bytearray(saved.pack(saved.Saved(runner.book, runner.tokens, 5)))
    begin = 8 if at == "runner's" else data.index(runner.book.checkpoint()[:12]) + 8
    data[begin] = 99
    stored(log, 5, bytes(data))
    words = f"checkpoint of {NAME} at 5: the {at} format 99 is not known, this release reads"
    with pytest.raises(LogVersion, match=words):
        start(log)


def test_every_flipped_byte_of_a_runners_state_is_damage():
    book, log = Book(), MemoryLog()
    log.add(NAME, "")
    runner = start(log)
    drive(runner, log, orders(3), token_rows((1, 0, 2, 7), (2, 2, 1, 8)))
    book = runner.book
    data = saved.pack(saved.Saved(book, runner.tokens, 3))
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises((LogDamaged, LogVersion), match="here: "):
            saved.unpack(bytes(changed), "here")
        with pytest.raises(LogDamaged, match="here: "):
            saved.unpack(data[:at], "here")


def test_a_checkpoint_ahead_of_the_events_is_not_used(log, caplog):
    """Where they lie in different places the events may be lost and the checkpoint not."""
    runner = start(log)
    runner.stream.append(orders(5), NO_TOKENS)
    log.commit()
    ahead = MemoryLog()
    ahead.add(NAME, "")
    other = start(ahead)
    drive(other, ahead, orders(5))
    stored(log, 5, saved.pack(saved.Saved(other.book, other.tokens, 5)))
    again = start(log)
    log.commit()
    drive(again, log, orders(1, 6))
    assert published(log) == made_of(orders(6))[0]
    assert "taking the one before it" in caplog.text


# -- tokens ---------------------------------------------------------------------------------------


def test_a_token_twice_is_done_once(log):
    runner = start(log)
    drive(runner, log, orders(2), token_rows((7, 0, 2, 99)))
    done = drive(runner, log, orders(3), token_rows((7, 0, 2, 99)))
    assert done.repeated == {0: Seen(1, 0, 2, 99)}
    assert done.events["command"].tolist() == [3]
    assert runner.book.commands == 3
    assert runner.position == 5


def test_a_token_twice_in_one_batch_is_done_once(log):
    runner = start(log)
    marks = token_rows((7, 0, 2, 99), (8, 2, 1, 5), (7, 3, 2, 99), (8, 5, 1, 5))
    done = drive(runner, log, np.concatenate([orders(3), orders(4, 4)]), marks)
    assert done.repeated == {3: Seen(1, 0, 2, 99), 5: Seen(3, 0, 1, 5)}
    assert runner.book.orders()["order_id"].tolist() == [1, 2, 3, 7]


def test_a_batch_of_repetitions_alone_makes_no_events(log):
    runner = start(log)
    drive(runner, log, orders(2), token_rows((7, 0, 2, 99)))
    done = drive(runner, log, orders(2), token_rows((7, 0, 2, 99)))
    assert len(done.events) == 0
    assert (runner.position, log.reader().tail(NAME)) == (4, (2, 2))
    assert start(log).position == 4


@pytest.mark.parametrize("checkpoint", [False, True])
def test_tokens_are_known_after_a_restart(log, checkpoint):
    runner = start(log)
    drive(runner, log, orders(2), token_rows((7, 0, 1, 98), (8, 1, 1, 99)))
    if checkpoint:
        keep(runner, log)
    again = start(log)
    done = drive(again, log, orders(3), token_rows((8, 2, 1, 99)))
    assert done.repeated == {2: Seen(2, 0, 1, 99)}


@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_oldest_token_is_forgotten_first(log, checkpoint):
    runner = start(log)
    count = TOKENS_MAX + 1
    marks = token_rows(*((key, key, 1, 0) for key in range(count)))
    drive(runner, log, nothing(count), marks)
    assert len(runner.tokens) == TOKENS_MAX
    if checkpoint:
        keep(runner, log)
        runner = start(log)

    def known(key):
        return bool(drive(runner, log, nothing(1), token_rows((key, 0, 1, 0))).repeated)

    assert known(1)  # which makes it no younger
    assert not known(0)  # and now it is the youngest
    assert not known(1)
    assert [known(key) for key in (0, 3, TOKENS_MAX)] == [True] * 3
    assert len(runner.tokens) == TOKENS_MAX


# -- digests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("resting", [0, 100, 5000])
def test_digests_stand_where_they_are_due_and_are_right(log, resting):
    runner = start(log)
    size = 8_192
    batches = [orders(resting), *[nothing(size)] * 20]
    for batch in batches[resting == 0 :]:
        drive(runner, log, batch)
    every = DIGEST_COMMANDS + DIGEST_PER_ORDER * resting
    book, taken = Book(), 0
    for batch, stored in zip(batches[resting == 0 :], log.reader().events(NAME, 0), strict=True):
        book.process(batch)
        expected = ""
        if book.commands >= taken + every:
            taken, expected = book.commands, book.state_hash()
        assert stored.digest == expected
    assert taken > 0
    assert start(log).book.state_hash() == book.state_hash()


def test_more_events_than_a_batch_holds_go_in_several(log):
    runner = start(log)
    drive(runner, log, orders(1, 7))
    done = drive(runner, log, nothing(EVENTS_MAX + 5))
    assert len(done.events) == EVENTS_MAX + 5
    first, second, third = log.reader().events(NAME, 0)
    assert (len(second.records), len(third.records)) == (EVENTS_MAX, 5)
    assert (second.position, third.position) == (first.position, EVENTS_MAX + 6)
    assert (second.digest, third.digest) == ("", runner.book.state_hash())
    assert start(log).book.state_hash() == runner.book.state_hash()


# -- when a checkpoint is due ---------------------------------------------------------------------


def test_a_checkpoint_is_due_by_commands(log):
    runner = start(log, distance=Distance(10))
    drive(runner, log, nothing(9))
    assert not runner.checkpoint_due()
    drive(runner, log, nothing(1))
    assert runner.checkpoint_due()
    runner.take_checkpoint()
    assert not runner.checkpoint_due()


def test_a_checkpoint_is_due_later_with_many_orders(log):
    runner = start(log, distance=Distance(10, 4))
    drive(runner, log, orders(10))
    drive(runner, log, nothing(4 * 10 - 1))
    assert not runner.checkpoint_due()
    drive(runner, log, nothing(1))
    assert runner.checkpoint_due()


def test_a_checkpoint_is_due_by_time_if_anything_was_done(log):
    runner = start(log)
    now = 1_700_000_000 * SECOND
    drive(runner, log, record(Kind.CLOCK, timestamp=now))
    runner.take_checkpoint()
    drive(runner, log, record(Kind.CLOCK, timestamp=now + CHECKPOINT_NS - 1))
    assert not runner.checkpoint_due()
    drive(runner, log, record(Kind.CLOCK, timestamp=now + CHECKPOINT_NS))
    assert runner.checkpoint_due()
    runner.take_checkpoint()
    assert not runner.checkpoint_due()


# -- the log alone decides ------------------------------------------------------------------------


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(PROFILES)),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=12),
)
def test_whatever_the_cuts_checkpoints_and_restarts_the_events_are_the_books(
    seed, profile, commands_max, steps
):
    commands = tape(seed, profile, 120)
    log = MemoryLog()
    log.add(NAME, "")
    log.commit()
    runner = start(log, distance=Distance(commands_max))
    cuts = np.cumsum([count for count, _ in steps])
    parts = np.split(commands, cuts[cuts < len(commands)])
    restarts = [restart for _, restart in steps]
    for number, part in enumerate(parts):
        if len(part):
            drive(runner, log, part)
        if runner.storing:
            runner.store_part()
            log.commit()
        elif runner.checkpoint_due():
            runner.take_checkpoint()
        if number < len(restarts) and restarts[number]:
            log.rollback()
            runner = start(log, distance=Distance(commands_max))
    book = Book()
    assert published(log) == book.process(commands).tobytes()
    assert runner.book.state_hash() == book.state_hash()
    assert joined(log.reader().commands(NAME, 0)) == commands.tobytes()
