"""The venue for asyncio: the same promises, and a loop that never waits for a disk."""

import asyncio
import functools
import gc
import threading
from decimal import Decimal

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from model.failing import FailingLog
from model.logs import NAME, joined
from model.threads import Clock, Gate, sequences
from pricetime import EVENT, EventKind, LogError, LogFailed
from pricetime.log import MemoryLog, SqliteLog, SqliteReader

BTC = pt.Instrument(NAME, tick_size="0.01", lot_size="0.00001")
PATIENCE = 60  # s, after which a test that hangs fails


def story(test):
    """Runs an async test in a loop of its own."""

    @functools.wraps(test)
    def run(*args, **fixtures):
        asyncio.run(asyncio.wait_for(test(*args, **fixtures), PATIENCE))

    return run


@pytest.fixture
def path(tmp_path):
    """Where a venue file may be."""
    return tmp_path / "venue.db"


@pytest.fixture
def gate():
    """A log in memory whose commits can be made to wait."""
    log = Gate()
    yield log
    log.open.set()


async def reached(gate):
    """Waits until a commit waits at the gate."""
    await asyncio.to_thread(gate.reached.wait)


async def collect(events, count):
    """The sequences of the first events, so many at least; then lets go of them."""
    seen = []
    async for part in events:
        seen += part["sequence"].tolist()
        if len(seen) >= count:
            break
    await events.aclose()
    return seen


async def history(venue, after=0):
    """The sequences of all events that are there."""
    return [s async for part in venue.events(NAME, after, follow=False) for s in part["sequence"]]


# -- what most do with it -------------------------------------------------------------------------


@story
async def test_the_first_example_works_for_asyncio(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        answer = await btc.limit("buy", "27000.50", "0.25", account=7)
        events = await venue.submit(NAME, orders(3, 100))
        assert answer.remaining == Decimal("0.25")
        assert events["sequence"].tolist() == [2, 3, 4]
        assert await collect(venue.events(NAME, after=0), 4) == [1, 2, 3, 4]
        before = await btc.state_hash()
    async with pt.AsyncVenue(str(path)) as venue:
        assert await venue.markets() == [NAME]
        btc = await venue.market(NAME)
        assert await btc.state_hash() == before
        assert await btc.best_bid() == Decimal("27000.50")


@story
async def test_what_was_awaited_is_in_the_file(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        answer = await btc.limit("buy", 5, 1)
        reader = SqliteReader(path)
        assert joined(reader.events(NAME, 0)) == answer.events.tobytes()
        reader.close()


@story
async def test_both_faces_write_the_same_file(path):
    async with pt.AsyncVenue(path) as venue:
        await (await venue.add(BTC, collar="5")).limit("buy", 5, 1, token="a")
    with pt.Venue(path) as venue:
        assert venue.add(BTC, collar="5").limit("buy", 5, 1, token="a").repeated


@story
async def test_a_market_shows_its_book_in_units_too(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        assert (await btc.best_bid(), await btc.best_ask(), await btc.bids()) == (None, None, [])
        await btc.limit("buy", "5.25", "1", peak="0.25")
        await btc.limit("sell", "6", "3")
        assert await btc.best_ask() == 6
        assert await btc.bids(1, hidden=True) == [(Decimal("5.25"), Decimal("1"), 1)]
        assert await btc.asks() == [(Decimal("6"), Decimal("3"), 1)]
        assert await btc.look(len) == 2
        with pytest.raises(ZeroDivisionError):
            await btc.look(lambda book: 1 // 0)


@story
async def test_a_refusal_is_an_answer_and_a_mistake_an_exception(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        assert (await btc.cancel(5)).reason == pt.Reason.UNKNOWN_ORDER
        with pytest.raises(TypeError, match="is not exact"):
            await btc.limit("buy", 5.5, 1)
        with pytest.raises(ValueError, match="side 'up' is none of buy, sell"):
            await btc.limit("up", 5, 1)
        with pytest.raises(pt.UnknownInstrument, match="unknown instrument 'nope'"):
            await venue.market("nope")
        with pytest.raises(pt.UnknownInstrument, match="unknown instrument 'nope'"):
            await venue.submit("nope", orders(1))
        with pytest.raises(ValueError, match="is there already, with"):
            await venue.add(BTC, collar="5")
        assert len(await venue.submit(NAME, orders(0))) == 0


@story
async def test_a_token_twice_is_done_once(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        first, again = await asyncio.gather(*(btc.limit("buy", 5, 1, token="a") for _ in "12"))
        assert (first.repeated, again.repeated) == (False, True)
        assert first.events.tobytes() == again.events.tobytes()
        with pytest.raises(pt.TokenReused):
            await btc.limit("buy", 6, 1, token="a")
        large = orders(150_000, 10)
        told = (await venue.submit(NAME, large, token="b")).tobytes()
        assert (await venue.submit(NAME, large, token="b")).tobytes() == told


@story
async def test_what_falls_due_does_so_though_nobody_calls():
    clock = Clock()
    async with pt.AsyncVenue(MemoryLog(), clock=clock) as venue:
        btc = await venue.add(BTC)
        later = clock.now // 10**9 + 60
        await btc.limit("buy", 5, 1, tif="gtd", expires=later)
        clock.now = later * 10**9
        events = venue.events(NAME, 1)
        part = await anext(events)
        assert part["kind"].tolist() == [EventKind.CANCELLED, EventKind.ACKNOWLEDGED]
        await events.aclose()


# -- tasks ----------------------------------------------------------------------------------------


@story
async def test_tasks_that_wait_share_a_commit(gate):
    async with pt.AsyncVenue(gate) as venue:
        btc = await venue.add(BTC)
        gate.shut()
        first = asyncio.ensure_future(btc.limit("buy", 5, 1))
        await reached(gate)
        before = gate.commits
        rest = [asyncio.ensure_future(btc.limit("buy", 5, 1)) for _ in range(63)]
        gate.open.set()
        answers = await asyncio.gather(first, *rest)
        assert gate.commits == before + 2
        assert [answer.order_id for answer in answers] == list(range(1, 65))
        told = b"".join(answer.events.tobytes() for answer in answers)
        assert told == joined(gate.reader().events(NAME, 0))


@story
async def test_many_tasks_are_all_answered(path):
    log = FailingLog(SqliteLog(path))
    async with pt.AsyncVenue(log) as venue:
        btc = await venue.add(BTC)
        before = log.commits

        async def trade(account):
            return [await btc.limit(s, 5, 1, account=account) for s in ("buy", "sell") * 10]

        answers = await asyncio.gather(*(trade(account) for account in range(1, 65)))
        assert log.commits - before < 64 * 20
        told = sequences(answer.events for own in answers for answer in own)
        assert sorted(told) == list(range(1, len(told) + 1))
        assert await history(venue) == sorted(told)


@story
async def test_a_cancelled_task_harms_nobody(gate):
    async with pt.AsyncVenue(gate) as venue:
        btc = await venue.add(BTC)
        gate.shut()
        cancelled = asyncio.ensure_future(btc.limit("buy", 5, 1, token="a"))
        await reached(gate)
        also, other = (asyncio.ensure_future(btc.limit("buy", 6, 1)) for _ in range(2))
        asked = asyncio.ensure_future(btc.best_bid())
        await asyncio.sleep(0)
        for task in (cancelled, also, asked):
            task.cancel()
        gate.open.set()
        assert (await other).order_id == 3
        for task in (cancelled, also, asked):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await btc.look(len) == 3
        assert (await btc.limit("buy", 5, 1, token="a")).repeated


@story
async def test_the_loop_goes_on_while_a_commit_waits(gate):
    async with pt.AsyncVenue(gate) as venue:
        btc = await venue.add(BTC)
        gate.shut()
        waiting = [
            asyncio.ensure_future(work)
            for work in (
                btc.limit("buy", 5, 1),
                venue.submit(NAME, orders(300_000, 10)),
                btc.state_hash(),
                collect(venue.events(NAME), 300_001),
            )
        ]
        await reached(gate)
        for _ in range(1000):  # each is a turn of the loop
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        gate.open.set()
        _, events, _, seen = await asyncio.gather(*waiting)
        assert len(events) == 300_000
        assert seen == list(range(1, 300_002))


@story
async def test_a_failed_commit_is_told_to_each_task_and_no_other(path):
    log = FailingLog(SqliteLog(path))
    async with pt.AsyncVenue(log) as venue:
        btc = await venue.add(BTC)
        log.fail("commit", LogFailed("full"))
        with pytest.raises(LogFailed, match="full"):
            await btc.limit("buy", 5, 1)
        assert (await btc.limit("buy", 5, 1)).events["sequence"].tolist() == [1]


def test_an_array_that_fails_in_the_middle_leaves_no_noise():
    told = []

    async def submit():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        log = FailingLog(MemoryLog())
        async with pt.AsyncVenue(log) as venue:
            await venue.add(BTC)
            for error in (LogFailed("full"), pt.Fenced("taken over")):
                log.fail("commit", error)
                with pytest.raises(type(error)):
                    await venue.submit(NAME, orders(300_000))
        gc.collect()

    asyncio.run(submit())
    gc.collect()
    assert told == []


# -- events ---------------------------------------------------------------------------------------


@story
async def test_events_are_history_and_then_live(path):
    async with pt.AsyncVenue(path) as venue:
        await venue.add(BTC)
        await venue.submit(NAME, orders(3))
        events = venue.events(NAME)
        assert (await anext(events))["sequence"].tolist() == [1, 2, 3]
        live = asyncio.ensure_future(anext(events))
        await venue.submit(NAME, orders(2, 4))
        assert (await live)["sequence"].tolist() == [4, 5]
        await events.aclose()


@pytest.mark.parametrize("after", range(7))
@story
async def test_events_begin_behind_a_sequence(path, after):
    async with pt.AsyncVenue(path) as venue:
        await venue.add(BTC)
        for first in (1, 4):
            await venue.submit(NAME, orders(3, first))
        assert await history(venue, after) == list(range(after + 1, 7))


@story
async def test_events_begin_behind_one_of_an_array(path):
    async with pt.AsyncVenue(path) as venue:
        await venue.add(BTC)
        first = await venue.submit(NAME, orders(2))
        await venue.submit(NAME, orders(2, 3))
        assert await history(venue, first["sequence"][0]) == [2, 3, 4]


@story
async def test_events_that_cannot_be_are_refused(path):
    async with pt.AsyncVenue(path) as venue:
        await venue.add(BTC)
        with pytest.raises(ValueError, match="after -1 is below 0"):
            await anext(venue.events(NAME, -1))
        with pytest.raises(pt.UnknownInstrument):
            await anext(venue.events("nope"))


@story
async def test_several_followers_see_all_until_the_venue_closes(path):
    async with pt.AsyncVenue(path) as venue:
        btc = await venue.add(BTC)
        followers = [
            asyncio.ensure_future(collect(venue.events(NAME, after), 10**9)) for after in (0, 0, 3)
        ]
        for _ in range(100):
            await btc.limit("buy", 5, 1)
    whole = list(range(1, 101))
    assert await asyncio.gather(*followers) == [whole, whole, whole[3:]]


class Counted(FailingLog):
    """A log that counts the readers that are open."""

    def __init__(self):
        super().__init__(MemoryLog())
        self.readers = []

    def reader(self):
        reader = self.inner.reader()
        self.readers.append(reader)
        reader.close = lambda: self.readers.remove(reader)
        return reader


async def until(holds):
    """Lets others go on until something holds; `story` has the patience."""
    while not holds():
        await asyncio.sleep(0)


@story
async def test_breaking_out_of_events_frees_their_reader():
    log = Counted()
    async with pt.AsyncVenue(log) as venue:
        await venue.add(BTC)
        await venue.submit(NAME, orders(1))
        async for _ in venue.events(NAME):
            assert len(log.readers) == 1
            break
        await until(lambda: not log.readers)


@story
async def test_cancelling_a_follower_frees_its_reader():
    log = Counted()
    async with pt.AsyncVenue(log) as venue:
        await venue.add(BTC)
        await venue.submit(NAME, orders(1))
        follower = asyncio.ensure_future(collect(venue.events(NAME), 10))
        await until(lambda: log.readers)
        follower.cancel()
        with pytest.raises(asyncio.CancelledError):
            await follower
        await until(lambda: not log.readers)


# -- opening and closing --------------------------------------------------------------------------


@story
async def test_a_venue_opens_in_a_thread(gate):
    gate.shut()
    opening = asyncio.ensure_future(pt.AsyncVenue(gate).open())
    await reached(gate)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not opening.done()
    gate.open.set()
    venue = await opening
    await venue.close()


@story
async def test_an_opening_that_is_cancelled_holds_nothing(path, gate):
    gate.inner = SqliteLog(path)
    gate.shut()
    opening = asyncio.ensure_future(pt.AsyncVenue(gate).open())
    await reached(gate)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    gate.open.set()
    while True:
        try:
            async with pt.AsyncVenue(path) as venue:
                await venue.add(BTC)
                return
        except pt.LogBusy:
            await asyncio.sleep(0)


@story
async def test_a_venue_that_is_not_open_says_so(path):
    venue = pt.AsyncVenue(path)
    for call in (venue.add(BTC), venue.market(NAME), venue.submit(NAME, orders(1))):
        with pytest.raises(RuntimeError, match="this venue is not open yet: use it in"):
            await call
    await venue.close()
    async with venue:
        with pytest.raises(RuntimeError, match="this venue is open already"):
            await venue.open()


@story
async def test_a_venue_that_cannot_be_opened_says_why(path, tmp_path):
    with pytest.raises(LogError, match="is a folder"):
        async with pt.AsyncVenue(tmp_path):
            pass
    async with pt.AsyncVenue(path):
        with pytest.raises(pt.LogBusy, match="held by this process"):
            async with pt.AsyncVenue(path):
                pass


@story
async def test_closing_does_what_waits(gate):
    venue = await pt.AsyncVenue(gate).open()
    btc = await venue.add(BTC)
    gate.shut()
    waiting = [asyncio.ensure_future(btc.limit("buy", 5, 1)) for _ in range(5)]
    await reached(gate)
    closing = asyncio.ensure_future(venue.close())
    gate.open.set()
    answers = await asyncio.gather(*waiting)
    await closing
    await venue.close()
    assert [answer.order_id for answer in answers] == [1, 2, 3, 4, 5]
    with pytest.raises(LogError, match="this venue is closed"):
        await btc.limit("buy", 5, 1)


@story
async def test_an_error_inside_the_block_closes_the_venue(path):
    with pytest.raises(ZeroDivisionError):
        async with pt.AsyncVenue(path) as venue:
            await venue.add(BTC)
            _ = 1 // 0
    SqliteLog(path).close()


def test_a_loop_may_end_while_the_venue_works(gate):
    made = []

    async def leave():
        venue = await pt.AsyncVenue(gate).open()
        made.append(venue)
        btc = await venue.add(BTC)
        gate.shut()
        waiting = [asyncio.ensure_future(btc.limit("buy", 5, 1)) for _ in range(3)]
        waiting.append(asyncio.ensure_future(btc.best_bid()))
        waiting.append(asyncio.ensure_future(collect(venue.events(NAME), 99)))
        await reached(gate)

    asyncio.run(leave())
    gate.open.set()
    asyncio.run(made[0].close())
    events = np.concatenate([batch.records for batch in gate.reader().events(NAME, 0)])
    assert events.dtype == EVENT
    assert len(events) == 3
    assert threading.active_count() < 20
