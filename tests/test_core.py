"""The venue without threads: groups, tokens, time, and what it does when its log fails."""

import sqlite3

import numpy as np
import pytest
from model.batches import orders
from model.failing import FailingLog
from model.hand import Hand, defined
from model.logs import KINDS, NAME, Place, joined
from pricetime import (
    TIF,
    Book,
    Diverged,
    EventKind,
    Fenced,
    LogDamaged,
    LogError,
    LogFailed,
    OutcomeUnknown,
    Overloaded,
    Reason,
    TokenReused,
    UnknownInstrument,
)
from pricetime.log import LogTrimmed, SqliteLog
from pricetime.log.batch import pack_events, unpack_events
from pricetime.runner import Distance
from pricetime.runner.runner import CHECKPOINT_NS
from pricetime.venue.core import CLOSING, TIMERS_PAUSE_NS, WAITING_MAX
from pricetime.venue.request import BATCH_MAX
from pricetime.venue.retention import Point

NS = 10**9
NOW = 1_700_000_000 * NS
OTHER = "ETH_EUR"


@pytest.fixture
def hand():
    """A core with two instruments over a log in memory that can fail."""
    return Hand()


# -- groups ---------------------------------------------------------------------------------------


def test_what_waits_is_carried_out_in_one_commit(hand):
    before = hand.log.commits
    answers = [hand.put(orders(2, n), name) for n in range(1, 20, 2) for name in (NAME, OTHER)]
    hand.core.step()
    assert hand.log.commits == before + 1
    assert all(len(answer) == 1 for answer in answers)
    assert hand.book().commands == hand.book(OTHER).commands == 20


def test_everybody_gets_the_events_of_his_own_commands(hand):
    book = Book()
    parts = [orders(count, 10 * count, timestamp=NOW) for count in (1, 3, 2, 5)]
    answers = [hand.put(part) for part in parts]
    hand.core.step()
    for part, (answer,) in zip(parts, answers, strict=True):
        assert answer == (book.process(part).tobytes(), False)


def test_nobody_is_answered_before_the_commit(hand):
    seen = []

    class Watching(FailingLog):
        def commit(self):
            seen.append([len(answer) for answer in answers])
            super().commit()

    answers = []
    hand.log = hand.core.log = Watching(hand.log)
    answers.extend(hand.put(orders(1, n)) for n in (1, 2))
    hand.core.step()
    assert seen == [[0, 0]]
    assert [len(answer) for answer in answers] == [1, 1]


def test_questions_are_answered_in_their_turn_between_groups(hand):
    asked = []
    for first in (1, 2, 3):
        hand.put(orders(1, first))
        asked.append(hand.ask(lambda core: core.runner(NAME).book.commands))
    while not hand.core.idle:
        hand.core.step()
    assert asked == [[1], [2], [3]]


def test_a_question_that_fails_is_told(hand):
    answers = hand.ask(lambda core: 1 // 0)
    hand.core.step()
    assert isinstance(answers[0], ZeroDivisionError)


def test_commands_of_an_unknown_instrument_touch_no_others(hand):
    wrong, right = hand.put(orders(1), "nope"), hand.put(orders(1))
    hand.core.step()
    assert isinstance(wrong[0], UnknownInstrument)
    assert str(wrong[0]) == (
        f"unknown instrument 'nope': add it first; this venue has {NAME}, {OTHER}"
    )
    assert right[0][1] is False


def test_more_than_may_wait_is_refused(hand):
    large = orders(BATCH_MAX)
    for _ in range(WAITING_MAX // BATCH_MAX):
        hand.put(large)
    with pytest.raises(Overloaded, match=f"{WAITING_MAX} commands wait already, and {WAITING_MAX}"):
        hand.put(orders(1))
    hand.ask(lambda core: None)  # which need no room
    hand.core.step()
    hand.put(orders(1))


def test_a_group_is_bounded(hand):
    answers = [hand.put(orders(BATCH_MAX)) for _ in range(3)]
    hand.core.step()
    assert [len(answer) for answer in answers] == [1, 1, 0]
    hand.core.step()
    assert [len(answer) for answer in answers] == [1, 1, 1]


# -- tokens ---------------------------------------------------------------------------------------


def test_a_token_twice_is_done_once_and_answered_twice(hand):
    first, repeated = hand.do(orders(2), token="a")
    again, repeated_again = hand.do(orders(2), token="a")
    assert (repeated, repeated_again) == (False, True)
    assert again.tobytes() == first.tobytes()
    assert hand.book().commands == 2


def test_a_token_twice_in_one_group_is_done_once(hand):
    answers = [
        hand.put(orders(2), token="a"),
        hand.put(orders(1, 3)),
        hand.put(orders(2), token="a"),
        hand.put(orders(1, 4)),
        hand.put(orders(2), token="a"),
    ]
    hand.core.step()
    (first,), (second,), (third,), (fourth,), (fifth,) = answers
    assert (first[1], third, fifth) == (False, (first[0], True), (first[0], True))
    assert [len(data) // 96 for data, _ in (second, fourth)] == [1, 1]
    assert hand.book().commands == 4


def test_text_and_its_bytes_are_one_token(hand):
    hand.do(orders(1), token="é")
    assert hand.do(orders(1), token="é".encode())[1]


def test_a_token_belongs_to_an_instrument(hand):
    hand.do(orders(1), token="a")
    assert not hand.do(orders(1), OTHER, token="a")[1]


@pytest.mark.parametrize(
    "other", [orders(1), orders(3), orders(2, 2), orders(2, price=5), orders(2, timestamp=5)]
)
def test_a_token_with_other_commands_is_refused(hand, other):
    hand.do(orders(2), token="a")
    with pytest.raises(TokenReused, match=f"this token of {NAME} came before, with other command"):
        hand.do(other, token="a")
    assert hand.book().commands == 2
    assert hand.do(orders(2), token="a")[1]


def test_a_token_of_a_refused_command_is_used_too(hand):
    cancelled = np.zeros(1, orders(1).dtype)
    cancelled["kind"], cancelled["order_id"] = 2, 77
    first, _ = hand.do(cancelled, token="a")
    hand.do(orders(1, 77))
    again, repeated = hand.do(cancelled, token="a")
    assert repeated
    assert again.tobytes() == first.tobytes()
    assert again["reason"].tolist() == [Reason.UNKNOWN_ORDER]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpoint", [1, 10**6])
def test_tokens_are_known_after_a_restart(tmp_path, kind, checkpoint):
    place = Place(kind, tmp_path)
    hand = Hand(place.open(), distance=Distance(checkpoint))
    first, _ = hand.do(orders(2), token="a")
    hand.do(orders(1, 3), token="b")
    hand.core.close()
    hand.log = place.open()
    hand.start()
    hand.now += 3600 * NS
    again, repeated = hand.do(orders(2), token="a")
    assert repeated
    assert again.tobytes() == first.tobytes()
    hand.core.close()


def test_a_token_of_a_group_that_failed_is_new(hand):
    hand.log.fail("commit", LogFailed("full"))
    with pytest.raises(LogFailed):
        hand.do(orders(2), token="a")
    events, repeated = hand.do(orders(2), token="a")
    assert not repeated
    assert events["sequence"].tolist() == [1, 2]


def test_a_token_whose_events_were_trimmed_says_so(hand):
    hand.do(orders(2), token="a")
    hand.core.trim(NAME, Point(2, 2, 2))
    with pytest.raises(LogTrimmed, match=f"this token of {NAME} came before, and was done as comm"):
        hand.do(orders(2), token="a")


# -- time -----------------------------------------------------------------------------------------


def stamps(events):
    return events["timestamp"].tolist()


def test_commands_without_a_time_have_the_clocks(hand):
    assert stamps(hand.do(orders(2))[0]) == [NOW, NOW]


def test_commands_with_a_time_keep_it(hand):
    later = NOW + 5
    assert stamps(hand.do(orders(2, timestamp=[later, 0]))[0]) == [later, later]
    assert stamps(hand.do(orders(1, 3))[0]) == [later]  # the book's own time is no earlier


def test_stamps_never_run_backwards(hand):
    found = []
    for number, jump in enumerate((0, 100, -5000, 7, -1, 0, 10**12, -(10**12))):
        hand.now += jump
        found += stamps(hand.do(orders(1, number + 1))[0])
    assert found == sorted(found)
    assert found[:4] == [NOW, NOW + 100, NOW + 100, NOW + 100]


def test_stamps_never_run_backwards_across_a_restart(hand):
    hand.do(orders(1))
    hand.now -= 3600 * NS
    hand.start()
    assert stamps(hand.do(orders(1, 2))[0]) == [NOW]
    commands = np.concatenate([b.records for b in hand.log.reader().commands(NAME, 0)])
    assert commands["timestamp"].tolist() == [NOW, NOW]


def test_a_clock_may_stand_at_zero_or_below(hand):
    hand.now = -5
    hand.start()
    assert stamps(hand.do(orders(1))[0]) == [0]


# -- what falls due -------------------------------------------------------------------------------


def later(seconds):
    return NOW // NS + seconds


def test_nothing_falls_due_on_its_own_at_first(hand):
    assert hand.core.next_due is None
    hand.core.step()
    assert hand.book().commands == 0


@pytest.mark.parametrize("seconds", [1, 60])
def test_an_order_expires_by_the_clock(hand, seconds):
    hand.do(orders(1, tif=TIF.GTD, expires=later(seconds)))
    assert hand.core.next_due == later(seconds) * NS
    hand.now = later(seconds) * NS - 1
    hand.core.step()
    assert len(hand.book()) == 1
    hand.now += 1
    hand.core.step()
    assert (len(hand.book()), hand.book().commands) == (0, 2)
    last = next(hand.log.reader().events(NAME, 1)).records
    assert last["kind"].tolist() == [EventKind.CANCELLED, EventKind.ACKNOWLEDGED]
    assert hand.core.next_due is None
    hand.core.step()
    assert hand.book().commands == 2


def test_what_is_due_happens_with_the_commands_that_come(hand):
    hand.do(orders(1, tif=TIF.GTD, expires=later(1)))
    hand.now = later(1) * NS
    events, _ = hand.do(orders(1, 2))
    assert events["kind"].tolist() == [EventKind.CANCELLED, EventKind.ACCEPTED]
    assert hand.book().commands == 2


def test_what_is_due_at_a_restart_happens_then(hand):
    hand.do(orders(1, tif=TIF.GTD, expires=later(1)))
    hand.now = later(5) * NS
    hand.start()
    hand.core.step()
    assert len(hand.book()) == 0


def test_what_is_due_waits_after_a_failure(hand):
    hand.do(orders(1, tif=TIF.GTD, expires=later(1)))
    hand.now = later(1) * NS
    hand.log.fail("commit", LogFailed("full"))
    hand.core.step()
    assert len(hand.book()) == 1
    hand.core.step()
    assert len(hand.book()) == 1
    hand.now += TIMERS_PAUSE_NS
    hand.core.step()
    assert len(hand.book()) == 0


# -- when the log fails ---------------------------------------------------------------------------

ERRORS = [LogFailed("the disk is full"), LogError("odd"), MemoryError("no room"), ValueError("bug")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["append", "read", "publish", "commit"])
def test_a_group_that_fails_did_not_happen(hand, where, error):
    hand.do(orders(2))
    hand.do(orders(2), OTHER)
    before = hand.book().state_hash(), hand.book(OTHER).state_hash()
    told = hand.events(), hand.events(OTHER)
    hand.log.fail(where, error)
    answers = hand.put(orders(1, 3)), hand.put(orders(1, 3), OTHER), hand.put(orders(1, 4))
    hand.core.step()
    assert [answer == [error] for answer in answers] == [True] * 3
    assert (hand.book().state_hash(), hand.book(OTHER).state_hash()) == before
    assert (hand.events(), hand.events(OTHER)) == told
    events, _ = hand.do(orders(1, 3))
    assert events["sequence"].tolist() == [3]
    book = Book()
    assert hand.events() == book.process(orders(3, timestamp=NOW)).tobytes()
    assert hand.book().state_hash() == book.state_hash()


def test_an_outcome_that_turns_out_is_told(hand):
    hand.log.fail("commit", OutcomeUnknown("fsync"))
    with pytest.raises(LogFailed, match="fsync: now it is known that nothing of it has happened"):
        hand.do(orders(1))


def test_an_outcome_that_happened_may_be_asked_again(hand):
    hand.log.fail("committed", OutcomeUnknown("fsync"))
    with pytest.raises(OutcomeUnknown, match="fsync"):
        hand.do(orders(2), token="a")
    assert hand.book().commands == 2
    events, repeated = hand.do(orders(2), token="a")
    assert repeated
    assert events.tobytes() == hand.events()


def test_a_rollback_that_fails_is_made_later(hand):
    hand.do(orders(1))
    hand.log.fail("commit", LogFailed("full"))
    hand.log.fail("rollback", LogFailed("still full"))
    with pytest.raises(LogFailed, match="full"):
        hand.do(orders(1, 2))
    events, _ = hand.do(orders(1, 3))
    assert events["sequence"].tolist() == [2]
    assert hand.book().orders()["order_id"].tolist() == [1, 3]


def test_questions_see_nothing_of_a_group_that_failed(hand):
    hand.do(orders(1))
    hand.log.fail("commit", LogFailed("full"))
    hand.log.fail("rollback", LogFailed("still full"))
    hand.put(orders(1, 2))
    asked = hand.ask(lambda core: len(core.runner(NAME).book))
    while not hand.core.idle:
        hand.core.step()
    assert asked == [1]


@pytest.mark.parametrize("where", ["append", "commit", "rollback"])
def test_a_fenced_venue_does_nothing_any_more(hand, where):
    hand.do(orders(1, tif=TIF.GTD, expires=later(1)))
    told = hand.events()
    if where == "rollback":
        hand.log.fail("commit", LogFailed("full"))
    hand.log.fail(where, Fenced("taken over"))
    with pytest.raises((Fenced, LogFailed)):
        hand.do(orders(1, 2))
    for _ in range(2):
        with pytest.raises(Fenced, match="taken over"):
            hand.do(orders(1, 2))
        with pytest.raises(Fenced, match="taken over"):
            hand.core.add(defined("third"))
        with pytest.raises(Fenced, match="taken over"):
            hand.book()
    hand.now = later(2) * NS
    hand.core.step()
    assert joined(hand.log.inner.reader().events(NAME, 0)) == told
    assert hand.core.idle
    assert hand.core.next_due is None


def test_a_fenced_venue_has_nothing_left_to_store():
    hand = Hand(distance=Distance(1))
    hand.do(orders(9000))
    assert not hand.core.idle
    hand.log.fail("store", Fenced("taken over"))
    hand.core.step()
    assert hand.core.idle


def test_an_instrument_that_could_not_be_added_is_not_there(hand):
    for where in ("add", "commit"):
        hand.log.fail(where, LogFailed("full"))
        with pytest.raises(LogFailed):
            hand.core.add(defined("third"))
        with pytest.raises(UnknownInstrument):
            hand.do(orders(1), "third")
    hand.core.add(defined("third"))
    hand.do(orders(1), "third")


def test_a_checkpoint_that_could_not_be_stored_is_taken_anew():
    hand = Hand()
    hand.do(orders(1))  # a first one is due at once
    hand.log.fail("store", LogFailed("full"))
    hand.core.step()
    assert hand.log.stream(NAME).checkpoints() == []
    hand.now += CHECKPOINT_NS
    hand.do(orders(1, 2))
    while not hand.core.idle:
        hand.core.step()
    assert hand.log.stream(NAME).checkpoints() == [2]


def test_a_group_that_fails_while_a_checkpoint_is_stored_spoils_neither():
    hand = Hand(distance=Distance(1))
    hand.do(orders(20_000))
    hand.core.step()  # stores the first part
    hand.log.fail("commit", LogFailed("full"))
    with pytest.raises(LogFailed):
        hand.do(orders(1, 20_001))
    hand.do(orders(100_000, 20_001))
    while not hand.core.idle:
        hand.core.step()
    before = hand.book().state_hash()
    hand.start()
    assert hand.book().state_hash() == before
    assert hand.core.runner(NAME).behind == 0


# -- damaged instruments --------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    """A closed venue file with two instruments, each with two orders."""
    hand = Hand(SqliteLog(tmp_path / "venue.db"))
    hand.now = 5  # near the epoch no checkpoint is due by time
    for name in (NAME, OTHER):
        hand.do(orders(2), name)
    hand.core.close()
    return tmp_path / "venue.db"


def altered(path, statement, *values):
    connection = sqlite3.connect(path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def forged(path):
    """Has another event stand published, under a checksum that fits."""
    connection = sqlite3.connect(path)
    (data,) = connection.execute("SELECT batch FROM events WHERE instrument = 1").fetchone()
    connection.close()
    batch = unpack_events(data, NAME, "")
    records = batch.records.copy()
    records["price"][1] += 1
    data = pack_events(NAME, batch._replace(records=records))
    altered(path, "UPDATE events SET batch = ? WHERE instrument = 1", data)


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda p: altered(p, "DELETE FROM commands WHERE instrument = 1"), LogDamaged, "missing"),
        (lambda p: altered(p, "DELETE FROM events WHERE instrument = 1"), LogDamaged, "missing"),
        (
            lambda p: altered(p, "UPDATE instrument SET definition = '{}' WHERE number = 1"),
            LogDamaged,
            "definition|checksum",
        ),
        (
            lambda p: altered(p, "UPDATE instrument SET state = x'00' WHERE number = 1"),
            LogDamaged,
            "checksum",
        ),
        (forged, Diverged, "event 2 of command 2"),
    ],
)  # fmt: skip
def test_a_damaged_instrument_does_not_touch_the_others(path, damage, error, words, caplog):
    damage(path)
    hand = Hand(SqliteLog(path), names=())
    assert NAME in caplog.text
    for _ in range(2):
        with pytest.raises(error, match=words):
            hand.do(orders(1, 3))
        with pytest.raises(error, match=words):
            hand.book()
    events, _ = hand.do(orders(1, 3), OTHER)
    assert events["sequence"].tolist() == [3]
    with pytest.raises(error, match=words):
        hand.do(orders(1, 3))
    hand.core.close()


def test_a_damaged_definition_is_not_replaced_by_adding_it_again(path):
    altered(path, "UPDATE instrument SET definition = '{}' WHERE number = 1")
    hand = Hand(SqliteLog(path), names=())
    with pytest.raises(LogDamaged, match=NAME):
        hand.core.add(defined(NAME))
    hand.core.close()


# -- closing --------------------------------------------------------------------------------------


def test_closing_does_what_waits(hand):
    answers = [hand.put(orders(1, first)) for first in (1, 2)]
    asked = hand.ask(lambda core: core.runner(NAME).book.commands)
    hand.core.close()
    assert [len(answer) for answer in answers] == [1, 1]
    assert asked == [2]


@pytest.mark.parametrize("count", [CLOSING.commands - 1, CLOSING.commands])
def test_closing_takes_a_checkpoint_where_much_was_done(tmp_path, count):
    hand = Hand(SqliteLog(tmp_path / "venue.db"))
    hand.now = 5  # near the epoch no checkpoint is due by time
    hand.do(orders(count))
    hand.core.close()
    hand.log = SqliteLog(tmp_path / "venue.db")
    hand.start()
    assert hand.core.runner(NAME).behind == (0 if count >= CLOSING.commands else count)
    hand.core.close()


def test_closing_a_fenced_venue_refuses_what_waits(hand):
    hand.log.fail("commit", Fenced("taken over"))
    answers = [hand.put(orders(1, first)) for first in (1, 2)]
    hand.core.close()
    assert all(isinstance(answer[0], Fenced) for answer in answers)
