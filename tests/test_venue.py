"""The venue for threads: what its calls promise when they return."""

import signal
import threading
from decimal import Decimal

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from model.failing import FailingLog
from model.logs import NAME, joined
from model.threads import Clock, Gate, sequences, together
from pricetime import EVENT, EventKind, LogError, Side
from pricetime.log import MemoryLog, SqliteLog, SqliteReader

BTC = pt.Instrument(NAME, tick_size="0.01", lot_size="0.00001")
ETH = pt.Instrument("ETH_EUR", tick_size="0.05", lot_size="0.001")
SECOND = 10**9
NOW = 1_700_000_000  # s


@pytest.fixture
def path(tmp_path):
    """Where a venue file may be."""
    return tmp_path / "venue.db"


@pytest.fixture
def venue(path):
    """A venue over a file, with one instrument."""
    with pt.Venue(path) as opened:
        opened.add(BTC)
        yield opened


# -- what most do with it -------------------------------------------------------------------------


def test_the_first_example_works_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = orders(3, 100)
    seen = []
    with pt.Venue("venue.db") as venue:
        btc = venue.add(pt.Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001"))
        result = btc.limit("buy", "27000.50", "0.25", account=7)
        venue.submit("BTC_EUR", commands)
        for events in venue.events("BTC_EUR", after=0):
            seen.extend(events["sequence"].tolist())
            if seen[-1] == 4:
                break
    assert (result.order_id, result.remaining) == (1, Decimal("0.25"))
    assert seen == [1, 2, 3, 4]
    with pt.Venue("venue.db") as venue:
        assert venue["BTC_EUR"].best_bid == Decimal("27000.50")


def test_what_a_call_did_is_in_the_file_when_it_returns(venue, path):
    answer = venue[NAME].limit("buy", "5", "1")
    reader = SqliteReader(path)
    assert joined(reader.events(NAME, 0)) == answer.events.tobytes()
    events = venue.submit(NAME, orders(3, 10))
    assert joined(reader.events(NAME, 1)) == events.tobytes()
    reader.close()


def test_a_reopened_venue_is_as_it_was(path):
    with pt.Venue(path) as venue:
        venue.add(BTC, collar="50.00", max_orders=100)
        venue.add(ETH)
        venue.submit(NAME, orders(20))
        venue["ETH_EUR"].limit("sell", "10.05", "0.5")
        before = [venue[name].state_hash() for name in venue]
    with pt.Venue(str(path)) as venue:
        assert list(venue) == [NAME, "ETH_EUR"]
        assert [venue[name].state_hash() for name in venue] == before
        assert venue[NAME].look(lambda book: (book.parameters["collar"], book.max_orders)) == (
            5000,
            100,
        )
        assert venue["ETH_EUR"].instrument == ETH


def test_a_market_shows_its_book_in_units(venue):
    btc = venue[NAME]
    assert (btc.best_bid, btc.best_ask, btc.bids(), btc.asks()) == (None, None, [], [])
    btc.limit("buy", "5.25", "1")
    btc.limit("buy", "5.25", "0.5", peak="0.1")
    btc.limit("buy", "5", "2")
    btc.limit("sell", "6", "3")
    assert (btc.best_bid, btc.best_ask) == (Decimal("5.25"), Decimal("6.00"))
    assert btc.bids() == [
        (Decimal("5.25"), Decimal("1.1"), 2),
        (Decimal("5"), Decimal("2"), 1),
    ]
    assert btc.bids(1, hidden=True) == [(Decimal("5.25"), Decimal("1.5"), 2)]
    assert btc.asks(0) == []
    assert btc.asks()[0].orders == 1
    assert btc.look(len) == 4


@pytest.mark.parametrize("log", [MemoryLog, lambda: FailingLog(MemoryLog())])
def test_a_venue_may_be_over_any_log(log):
    with pt.Venue(log()) as venue:
        assert venue.add(BTC).limit("buy", 5, 1).order_id == 1


# -- arrays ---------------------------------------------------------------------------------------


def test_an_array_is_answered_with_its_events(venue):
    events = venue.submit(NAME, orders(5))
    assert events.dtype == EVENT
    expected = pt.Book().process(orders(5))
    for name in set(EVENT.names) - {"timestamp"}:
        assert events[name].tolist() == expected[name].tolist()


@pytest.mark.parametrize("commands", [orders(0), orders(9)[5:2]])
def test_an_empty_array_does_nothing(venue, commands):
    events = venue.submit(NAME, commands)
    assert (len(events), events.dtype) == (0, EVENT)
    assert venue[NAME].look(lambda book: book.commands) == 0


@pytest.mark.parametrize(
    "commands",
    [None, [], b"", np.zeros(3), np.zeros(3, EVENT), np.zeros((2, 2), pt.COMMAND), orders(1)[0]],
)
def test_what_is_no_array_of_commands_is_refused(venue, commands):
    with pytest.raises(
        TypeError, match=r"commands must be a one-dim.* array of pricetime\.COMMAND"
    ):
        venue.submit(NAME, commands)


def test_an_array_may_lie_as_it_likes(venue):
    spread = np.repeat(orders(4), 2)[::2]
    spread.flags.writeable = False
    assert len(venue.submit(NAME, spread)) == 4
    assert spread["timestamp"].tolist() == [0] * 4


def test_a_large_array_goes_in_parts_and_comes_back_whole(venue):
    events = venue.submit(NAME, orders(300_000))
    assert events["sequence"].tolist() == list(range(1, 300_001))
    assert venue[NAME].look(len) == 300_000


def test_a_large_array_with_a_token_is_done_once(path):
    with pt.Venue(path) as venue:
        venue.add(BTC)
        first = venue.submit(NAME, orders(150_000), token="a")
        assert venue.submit(NAME, orders(150_000), token="a").tobytes() == first.tobytes()
    with pt.Venue(path) as venue:
        assert venue.submit(NAME, orders(150_000), token="a").tobytes() == first.tobytes()
        assert venue[NAME].look(lambda book: book.commands) == 150_000
        with pytest.raises(pt.TokenReused):
            venue.submit(NAME, orders(150_000, price=7), token="a")


def test_an_empty_array_with_a_token_of_no_kind_is_refused_too(venue):
    with pytest.raises(TypeError, match="token 5 is a int"):
        venue.submit(NAME, orders(0), token=5)


def test_a_token_may_be_any_text(venue):
    for number, token in enumerate(("株", "\0"), 1):
        answers = [venue[NAME].limit("buy", 5, 1, token=token) for _ in range(2)]
        assert [answer.order_id for answer in answers] == [number, number]
        assert [answer.repeated for answer in answers] == [False, True]
    with pytest.raises(ValueError, match=r"token '\\ud800' is no text"):
        venue[NAME].limit("buy", 5, 1, token="\ud800")


def test_a_token_survives_what_nobody_knows_the_outcome_of():
    log = FailingLog(MemoryLog())
    with pt.Venue(log) as venue:
        btc = venue.add(BTC)
        log.fail("committed", pt.OutcomeUnknown("fsync"))
        with pytest.raises(pt.OutcomeUnknown, match="fsync"):
            btc.limit("buy", 5, 1, token="a")
        answer = btc.limit("buy", 5, 1, token="a")
        assert (answer.repeated, answer.order_id) == (True, 1)
        assert btc.look(len) == 1


# -- many at once ---------------------------------------------------------------------------------


def test_many_threads_share_commits_and_are_all_answered(path):
    log = FailingLog(SqliteLog(path))
    with pt.Venue(log) as venue:
        btc = venue.add(BTC)
        before = log.commits

        def trade(account):
            sides = ("buy", "sell")
            return [btc.limit(sides[n % 2], 5, 1, account=account) for n in range(50)]

        parts = together(*(lambda a=account: trade(a) for account in range(1, 17)))
        answers = [answer for part in parts for answer in part]
        assert log.commits - before < 800
        assert len({answer.order_id for answer in answers}) == 800
        told = b"".join(
            sorted((a.events.tobytes() for a in answers), key=lambda data: data[8:16][::-1])
        )
        assert told == joined(log.reader().events(NAME, 0))
        events = np.frombuffer(told, EVENT)
        assert events["sequence"].tolist() == list(range(1, len(events) + 1))


def test_several_instruments_share_commits():
    log = Gate()
    with pt.Venue(log) as venue:
        btc, eth = venue.add(BTC), venue.add(ETH)
        log.shut()
        sent = [threading.Thread(target=btc.limit, args=("buy", 5, 1))]
        sent[0].start()
        log.reached.wait()
        before = log.commits
        sent += [threading.Thread(target=m.limit, args=("buy", 5, 1)) for m in (btc, eth) * 4]
        for thread in sent[1:]:
            thread.start()
        log.open.set()
        for thread in sent:
            thread.join()
        assert log.commits - before < 9
        assert (btc.look(len), eth.look(len)) == (5, 4)


def test_an_interrupted_call_harms_nobody():
    """Control-C while a call waits for the disk: what was sent happens all the same."""
    log = Gate()
    with pt.Venue(log) as venue:
        btc = venue.add(BTC)
        log.shut()

        def interrupt():
            log.reached.wait()
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        helper = threading.Thread(target=interrupt)
        helper.start()
        with pytest.raises(KeyboardInterrupt):
            btc.limit("buy", 5, 1, token="a")
        helper.join()
        log.open.set()
        assert btc.limit("buy", 5, 1, token="a").repeated
        assert btc.look(len) == 1


def test_a_question_may_not_ask_its_own_venue(venue):
    btc = venue[NAME]
    for call in (lambda book: btc.best_bid, lambda book: btc.limit("buy", 5, 1)):
        with pytest.raises(RuntimeError, match="a question cannot ask its own venue"):
            btc.look(call)
    assert btc.limit("buy", 5, 1).order_id == 1


def test_what_a_question_raises_is_raised(venue):
    with pytest.raises(ZeroDivisionError):
        venue[NAME].look(lambda book: 1 // 0)


def test_a_look_that_changes_the_book_is_refused_and_undone(path):
    with pt.Venue(path) as venue:
        btc = venue.add(BTC)
        btc.limit("buy", 5, 1)
        before = btc.state_hash()
        with pytest.raises(ValueError, match="may not change its book"):
            btc.look(lambda book: book.cancel(1) and 1 // 0)
        assert btc.state_hash() == before
        assert btc.limit("buy", 5, 1).order_id == 2
        assert sequences(venue.events(NAME, follow=False)) == [1, 2]


# -- time -----------------------------------------------------------------------------------------


def test_the_clock_is_the_venues_own(path):
    clock = Clock()
    with pt.Venue(path, clock=clock) as venue:
        btc = venue.add(BTC)
        assert btc.limit("buy", 5, 1).events["timestamp"].tolist() == [NOW * SECOND]
        clock.now -= SECOND
        assert btc.limit("buy", 5, 1).events["timestamp"].tolist() == [NOW * SECOND]
    clock.now -= SECOND
    with pt.Venue(path, clock=clock) as venue:
        assert venue[NAME].limit("buy", 5, 1).events["timestamp"].tolist() == [NOW * SECOND]


LATER = NOW + 60


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda btc: btc.limit("buy", 5, 1, tif="gtd", expires=LATER), EventKind.CANCELLED),
        (lambda btc: btc.arm(7, LATER), EventKind.CANCELLED),
        (lambda btc: btc.phase("halted", expires=LATER), EventKind.PHASE_CHANGED),
    ],
)
def test_what_falls_due_does_so_though_nobody_calls(call, kind):
    clock = Clock()
    with pt.Venue(MemoryLog(), clock=clock) as venue:
        btc = venue.add(BTC)
        btc.limit("buy", 4, 1, account=7)
        call(btc)
        (*_, before) = sequences(venue.events(NAME, follow=False))
        clock.now = LATER * SECOND
        events = next(venue.events(NAME, before))
        assert events["kind"].tolist() == [kind, EventKind.ACKNOWLEDGED]
        assert events["timestamp"].tolist() == [LATER * SECOND] * 2


def test_a_clock_that_breaks_ends_the_venue_with_its_error():
    clock = Clock()
    venue = pt.Venue(MemoryLog(), clock=lambda: NOW // clock.now)
    btc = venue.add(BTC)
    clock.now = 0
    with pytest.raises(LogError, match="closed"):
        btc.limit("buy", 5, 1)
    with pytest.raises(ZeroDivisionError):
        venue.close()
    venue.close()


# -- instruments ----------------------------------------------------------------------------------


def test_an_unknown_instrument_is_named_with_those_that_there_are(venue):
    for call in (lambda: venue["nope"], lambda: venue.submit("nope", orders(1))):
        with pytest.raises(pt.UnknownInstrument, match=rf"unknown instrument 'nope': .* {NAME}$"):
            call()
    with pytest.raises(KeyError):
        venue["nope"]


def test_an_instrument_is_added_again_as_it_was(venue):
    btc = venue.add(BTC)
    assert btc.limit("buy", 5, 1).order_id == 1
    assert (
        venue.add(pt.Instrument(NAME, tick_size=Decimal("0.010"), lot_size="1e-5")).look(len) == 1
    )
    assert list(venue) == [NAME]


@pytest.mark.parametrize(
    ("instrument", "parameters", "words"),
    [
        (pt.Instrument(NAME, tick_size="0.1", lot_size="0.00001"), {}, "tick_size 0.01, not 0.1"),
        (BTC, {"collar": "5"}, "collar None, not 500"),
        (pt.Instrument(NAME, tick_size="0.01", lot_size="0.00001", stp=1), {}, "stp None, not 1"),
    ],
)
def test_an_instrument_added_with_other_values_is_refused(venue, instrument, parameters, words):
    with pytest.raises(ValueError, match=f"{NAME} is there already, with {words}"):
        venue.add(instrument, **parameters)


@pytest.mark.parametrize(
    ("instrument", "parameters", "error", "words"),
    [
        ("BTC", {}, TypeError, "'BTC' is no Instrument"),
        (ETH, {"colour": 1}, TypeError, "'colour' is no parameter of a book"),
        (ETH, {"collar": 1.5}, TypeError, "1.5 is not exact"),
        (ETH, {"collar": "1.01"}, ValueError, "1.01 is not a multiple of the tick 0.05"),
        (ETH, {"matching": 3}, ValueError, "matching 3 is not possible"),
        (ETH, {"max_orders": 1.5}, TypeError, "max_orders 1.5 is a float: pass an int"),
        (ETH, {"max_orders": -1}, ValueError, "max_orders -1 is outside"),
        (pt.Instrument("", tick_size=1, lot_size=1), {}, ValueError, "a name of 0 bytes: it has 1"),
        (pt.Instrument("é" * 33, tick_size=1, lot_size=1), {}, ValueError, "a name of 66 bytes"),
        (pt.Instrument("\ud800", tick_size=1, lot_size=1), {}, ValueError, r"'\\ud800' is no text"),
    ],
)
def test_what_cannot_be_added_is_refused(venue, instrument, parameters, error, words):
    with pytest.raises(error, match=words):
        venue.add(instrument, **parameters)
    assert list(venue) == [NAME]


@pytest.mark.parametrize("name", ["é" * 32, "a b/c", "naïve 🪙", "'; DROP TABLE events; --", "\0"])
def test_a_name_may_be_any_text(path, name):
    with pt.Venue(path) as venue:
        venue.add(pt.Instrument(name, tick_size=1, lot_size=1)).limit("buy", 5, 1)
    with pt.Venue(path) as venue:
        assert list(venue) == [name]
        assert venue[name].best_bid == 5
        assert sequences(venue.events(name, follow=False)) == [1]


def test_every_field_of_an_instrument_comes_back(path):
    instrument = pt.Instrument(
        "ALL",
        tick_size="0.01",
        lot_size="0.1",
        tick_table=[("0", "0.01"), ("10", "0.5")],
        min_price="-5",
        max_price="1000",
        min_quantity="0.2",
        max_quantity="500",
        min_notional="0.001",
        max_notional="0",
        stp=pt.STP.DECREMENT,
        orders_per_account=9,
    )
    with pt.Venue(path) as venue:
        venue.add(instrument)
    with pt.Venue(path) as venue:
        assert venue["ALL"].instrument == instrument
        venue.add(instrument)


# -- opening and closing --------------------------------------------------------------------------


def test_a_file_that_a_venue_holds_is_refused_to_another(venue, path):
    with pytest.raises(pt.LogBusy, match="held by this process"):
        pt.Venue(path)
    assert venue[NAME].limit("buy", 5, 1).order_id == 1


def test_a_venue_that_cannot_be_opened_leaves_no_thread(tmp_path):
    before = threading.active_count()
    for name in (tmp_path, tmp_path / "nowhere" / "venue.db", ":memory:"):
        with pytest.raises(LogError):
            pt.Venue(name)
    assert threading.active_count() == before


@pytest.mark.parametrize("log", [None, 3, b"venue.db"])
def test_what_is_no_log_is_refused(log):
    with pytest.raises(TypeError, match="is no log: pass the path of a file, or a Log"):
        pt.Venue(log)


def test_a_closed_venue_says_so(path):
    venue = pt.Venue(path)
    btc = venue.add(BTC)
    venue.close()
    venue.close()
    for call in (
        lambda: btc.limit("buy", 5, 1),
        lambda: btc.best_bid,
        lambda: venue.submit(NAME, orders(1)),
        lambda: venue.add(ETH),
        lambda: list(venue),
        lambda: next(venue.events(NAME)),
    ):
        with pytest.raises(LogError, match="this venue is closed"):
            call()
    pt.Venue(path).close()


def test_an_error_inside_the_block_closes_the_venue(path):
    with pytest.raises(ZeroDivisionError), pt.Venue(path) as venue:
        venue.add(BTC)
        _ = 1 // 0
    with pt.Venue(path) as venue:
        assert list(venue) == [NAME]


def test_calls_at_work_when_the_venue_closes_are_done_or_refused(path):
    venue = pt.Venue(path)
    btc = venue.add(BTC)
    begun = threading.Barrier(5)

    def trade():
        done = 0
        begun.wait()
        try:
            for _ in range(10_000):
                btc.limit("buy", 5, 1)
                done += 1
        except LogError as error:
            assert "closed" in str(error)
        return done

    def close():
        begun.wait()
        btc.limit("buy", 5, 1)
        venue.close()

    *done, _ = together(trade, trade, trade, trade, close)
    with pt.Venue(path) as venue:
        assert venue[NAME].look(len) == sum(done) + 1


def test_durability_is_chosen_by_name(path):
    with pt.Venue(path, durability="system") as venue:
        venue.add(BTC).limit("buy", 5, 1)
    with pytest.raises(ValueError, match="durability 'fast' is not known"):
        pt.Venue(path, durability="fast")
    with pt.Venue(path) as venue:
        assert venue[NAME].bids()[0].quantity == 1


def test_sides_are_values_too(venue):
    assert venue[NAME].limit(Side.SELL, 5, 1).events["side"].tolist() == [Side.SELL]
