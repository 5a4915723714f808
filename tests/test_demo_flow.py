"""The demo's flow: what its traders do, and the phases of its sessions."""

import numpy as np
import pricetime as pt
import pytest
from pricetime.demo import run
from pricetime.demo.flow import RESTING, Flow
from pricetime.demo.makers import MAKERS, QUOTE_IDS
from pricetime.demo.schedule import INTERRUPTION

MINUTE = 1_600_000
AUCTIONS = {pt.Phase.PRE_OPEN, pt.Phase.AUCTION}


def played(seed, batches, size=4096):
    """An exchange, and the commands and events of so many batches."""
    exchange = run.Exchange(seed, MINUTE)
    commands, events = [], []
    for _ in range(batches):
        commands.append(exchange.flow.make(size))
        events.append(exchange.book.process(commands[-1]))
        exchange.learn(events[-1])
    return exchange, np.concatenate(commands), np.concatenate(events)


@pytest.fixture(scope="module")
def day():
    """Some twenty seconds: an opening, and a disturbance at the least."""
    return played(2, 160)


def of_kind(events, kind):
    return events[events["kind"] == kind]


def phases(events):
    return [pt.Phase(value) for value in of_kind(events, pt.EventKind.PHASE_CHANGED)["detail"]]


def test_same_seed_makes_the_same_flow():
    one, same, other = (played(seed, 12)[1].tobytes() for seed in (5, 5, 6))
    assert one == same != other


@pytest.mark.parametrize(("size", "batches"), [(4096, 60), (427, 400)])
def test_flow_keeps_the_book_on_its_target(size, batches):
    exchange, _, _ = played(1, batches, size)
    book = exchange.book
    book.check()
    assert 0.9 * RESTING < len(book) < 1.1 * RESTING
    bids, asks = (int(side["orders"].sum()) for side in (book.bids(), book.asks()))
    assert 0.8 < bids / asks < 1.25


def test_flow_is_like_an_exchange(day):
    exchange, commands, events = day
    for name, values in (
        ("kind", set(pt.Kind) - {pt.Kind.SET}),
        ("tif", set(pt.TIF)),
        ("order_type", {kind for kind in pt.OrderType if kind < pt.OrderType.PEG_PRIMARY}),
        ("flags", set(pt.Flag)),
    ):
        assert values <= set(commands[name].tolist()), name
    assert set(pt.EventKind) - {pt.EventKind.PARAMETER_SET} == set(events["kind"].tolist())
    assert len(set(commands["account"].tolist())) > 100
    assert (np.diff(commands["timestamp"]) >= 0).all()
    rejected = of_kind(events, pt.EventKind.REJECTED)
    assert len(rejected) < 0.05 * len(commands)
    wrong = {pt.Reason.MALFORMED, pt.Reason.UNSUPPORTED, pt.Reason.DUPLICATE_ID, pt.Reason.EXPIRED}
    assert not wrong & set(rejected["reason"].tolist())
    assert 0.1 < exchange.book.trades / len(commands) < 0.5


def test_links_end_as_they_should(day):
    _, _, events = day
    reasons = of_kind(events, pt.EventKind.CANCELLED)["reason"].tolist()
    assert {pt.Reason.OCO, pt.Reason.PARENT, pt.Reason.AUCTION, pt.Reason.BAND} <= set(reasons)
    gone = of_kind(events, pt.EventKind.REJECTED)["reason"] == pt.Reason.LINK_GONE
    assert np.count_nonzero(gone) < 0.1 * reasons.count(pt.Reason.OCO) + 2_000


def test_most_icebergs_sell(day):
    _, commands, _ = day
    icebergs = commands[commands["flags"] == pt.Flag.ICEBERG]
    assert np.mean(icebergs["side"] == pt.Side.SELL) > 0.65
    assert (icebergs["slot"] < icebergs["quantity"]).all()


def test_many_stops_fire_at_once_now_and_then(day):
    _, _, events = day
    fired = of_kind(events, pt.EventKind.TRIGGERED)
    fired = fired[fired["detail"] != 0]
    _, counts = np.unique(fired["command"], return_counts=True)
    assert counts.max() >= 10
    assert len(fired) > 1_000


@pytest.mark.parametrize("size", [853, 4096])
def test_flow_knows_who_waits_and_who_sleeps(size):
    exchange = run.Exchange(4, MINUTE)
    for count in (200_000, 100_000):
        exchange.flow.session(count)
        for _ in range(count // size):
            exchange.learn(exchange.book.process(exchange.flow.make(size)))
            if exchange.book.commands % 10 == 0:
                assert exchange.flow.waiting == len(exchange.book.waiting())
                assert exchange.flow.sleeping == len(exchange.book.sleeping())
    market = exchange.market()
    assert market.waiting > 500
    assert market.resting + market.waiting + market.sleeping == len(exchange.book)


def test_a_silent_maker_is_disarmed_and_comes_back(day):
    _, commands, events = day
    quotes = commands[commands["kind"] == pt.Kind.QUOTE]
    assert len(set(quotes["account"].tolist())) == MAKERS
    disarmed = events[events["reason"] == pt.Reason.DISARMED]
    assert len(disarmed)
    assert (disarmed["order_id"] >= QUOTE_IDS).all()
    account, when = disarmed["account"][0], disarmed["timestamp"][0]
    times = quotes["timestamp"][quotes["account"] == account]
    assert (times > when).any()
    assert np.diff(times).max() > 3 * 10**9


def test_a_session_opens_and_closes_with_an_auction():
    exchange = run.Exchange(3, MINUTE)
    exchange.open()
    exchange.flow.session(80_000)
    events = []
    for size in 80 * [1_000]:
        events.append(exchange.book.process(exchange.flow.make(size)))
        exchange.learn(events[-1])
        market = exchange.market()
        assert (market.phase in AUCTIONS) == (market.indicative is not None)
        if market.indicative and market.indicative.quantity:
            assert market.bids["price"][0] < market.indicative.price < market.asks["price"][0]
    events = np.concatenate(events)
    assert phases(events) == [
        pt.Phase.PRE_OPEN,
        pt.Phase.CONTINUOUS,
        pt.Phase.AUCTION,
        pt.Phase.CLOSED,
    ]
    crossed = events[(events["flags"] & pt.EventFlag.AUCTION) != 0]
    assert len(set(crossed["price"].tolist())) == 2
    assert market.uncross.price == crossed["price"][-1] == exchange.book.last_price
    last = crossed["command"] == crossed["command"][-1]
    assert market.uncross.quantity == crossed["quantity"][last].sum()
    assert events["kind"][-1] == pt.EventKind.PHASE_CHANGED or market.phase is pt.Phase.CLOSED


def test_a_disturbance_ends_by_itself(day):
    _, commands, events = day
    assert phases(events)[:4] == [
        pt.Phase.PRE_OPEN,
        pt.Phase.CONTINUOUS,
        pt.Phase.AUCTION,
        pt.Phase.CONTINUOUS,
    ]
    began, ended = of_kind(events, pt.EventKind.PHASE_CHANGED)[2:4]
    assert ended["timestamp"] - began["timestamp"] == INTERRUPTION * 10**9
    asked = of_kind(events, pt.EventKind.INDICATIVE)
    during = asked[
        (asked["sequence"] > began["sequence"]) & (asked["sequence"] < ended["sequence"])
    ]
    assert len(during) >= 5
    assert (during["quantity"] > 0).all()
    assert np.count_nonzero(commands["kind"] == pt.Kind.UNCROSS) == 1


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 100])
def test_a_short_session_works(count):
    exchange = run.Exchange(1, MINUTE)
    exchange.flow.session(count)
    events = exchange.book.process(exchange.flow.make(count))
    exchange.learn(events)
    exchange.learn(exchange.book.process(exchange.flow.make(10)))
    assert (exchange.book.current_phase is pt.Phase.CLOSED) == (count >= 16)


@pytest.mark.parametrize("per_minute", [60, 60_000_000])
def test_flow_works_at_any_rate(per_minute):
    exchange = run.Exchange(1, per_minute)
    exchange.open()
    assert len(exchange.book) >= RESTING
    commands = exchange.flow.make(7)
    seconds = np.diff(commands["timestamp"]) / 1e9
    assert seconds == pytest.approx(60 / per_minute)


def test_flow_that_makes_nothing_goes_on():
    flow = Flow(1, MINUTE)
    assert len(flow.make(0)) == 0
    assert len(flow.make(3)) == 3
