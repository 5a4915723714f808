"""The book and its naive twin say the same, byte for byte, about anything that they are told."""

import numpy as np
import pricetime as pt
import pytest
from model.audit import Audit
from model.batches import LEAST, orders
from model.blotter import record
from model.pair import Pair
from model.shrink import failure, shrink
from model.tapes import PROFILES, tape
from pricetime import EventFlag, EventKind, Kind, Phase, Reason

PARAMETERS = {  # books that are not as all others
    "no room": {"max_orders": 3},
    "little room": {"max_orders": 12},
    "few for each": {"orders_per_account": 4},
    "prevention": {"stp": pt.STP.DECREMENT},
    "pro-rata": {"matching": 2},
    "top order": {"matching": 2, "top_order": 1, "min_allocation": 2},
    "bands": {"static_band": 4, "static_reference": 100, "dynamic_band": 2, "collar": 1},
    "auctions by bands": {"dynamic_band": 1, "band_action": 2, "auction_seconds": 1},
    "limits": {"min_price": 97, "max_price": 104, "max_notional": 700, "min_quantity": 2},
}


def compare(commands, rng, **parameters):
    """Feeds both in random batches; the book's batches also through a buffer of random size."""
    pair = Pair(**parameters)
    begin = 0
    while begin < len(commands):
        part = commands[begin : begin + int(rng.integers(1, 60))]
        room = int(rng.integers(LEAST, 60))
        pair.process(part, np.empty(room, pt.EVENT) if rng.random() < 0.5 else None)
        pair.check()
        begin += len(part)
        if rng.random() < 0.1:
            pair.save_and_restore()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(8))
def test_tape(profile, seed):
    rng = np.random.default_rng([seed, 1])
    compare(tape(seed, profile, 600), rng)


@pytest.mark.parametrize("profile", PROFILES)
def test_tape_with_few_places(profile):
    rng = np.random.default_rng(2)
    compare(tape(33, profile, 600), rng, max_orders=int(rng.integers(1, 40)))


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("profile", ["everything", "links", "icebergs", "quotes", "stops"])
def test_tape_with_parameters(profile, parameters):
    compare(tape(44, profile, 500), np.random.default_rng(3), **parameters)


@pytest.mark.parametrize("profile", ["everything", "auctions", "links", "prorata"])
def test_tape_command_by_command_through_the_smallest_buffer(profile):
    """Everything that can be cut is cut, and looked at behind every command."""
    pair, out = Pair(), np.empty(LEAST, pt.EVENT)
    commands = tape(55, profile, 800)
    for number in range(len(commands)):
        pair.process(commands[number : number + 1], out)
        pair.check()


def test_tapes_reach_every_event_reason_and_mark():
    kinds, reasons, marks = set(), set(), set()
    for seed in range(6):
        events = pt.Book(max_orders=30 + seed).process(tape(seed, "everything", 2000))
        kinds |= set(map(EventKind, events["kind"].tolist()))
        reasons |= set(map(Reason, events["reason"][events["reason"] > 0].tolist()))
        marks |= {int(mark) & ~EventFlag.LAST for mark in events["flags"]}
    assert kinds == set(EventKind)
    assert reasons == set(Reason)
    assert marks == {0, EventFlag.AUCTION, EventFlag.HIDDEN}


@pytest.mark.parametrize("profile", set(PROFILES) - {"noise", "abyss", "edge", "foreign", "limits"})
def test_most_of_a_tape_is_done(profile):
    """A tape of which most is refused tests little."""
    commands = tape(66, profile, 1000)
    events = pt.Book().process(commands)
    refused = np.count_nonzero(events["kind"] == EventKind.REJECTED)
    assert refused < len(commands) / 2
    assert np.count_nonzero(events["kind"] == EventKind.TRADE) > len(commands) / 25


def test_a_seed_gives_its_tape_again():
    assert tape(3, "noise", 500).tobytes() == tape(3, "noise", 500).tobytes()
    assert tape(3, "noise", 500).tobytes() != tape(4, "noise", 500).tobytes()


def test_more_orders_than_a_page_holds():
    """Far orders of many accounts fill pages; tapes trade beside them, and reach for some."""
    pair, count = Pair(orders_per_account=400), 4900
    every = np.arange(count)
    far = orders(count, 10**6, price=90 - every % 40, account=every % 300, quantity=1 + every % 7)
    far["side"][::2] = pt.Side.SELL
    far["price"][::2] += 60
    far["tif"][::31], far["tif"][1::29] = pt.TIF.GTD, pt.TIF.DAY
    far["expires"] = 2_000_000_000 + every % 50
    far["order_type"][::7], far["trigger"][::7] = pt.OrderType.STOP_LIMIT, 30 + every[::7] % 3
    far["trigger"][(far["side"] == pt.Side.BUY) & (far["trigger"] > 0)] = 200
    far["flags"][::5], far["slot"][::5] = pt.Flag.ICEBERG, 1
    pair.process(far)
    for seed, profile in enumerate(("mixed", "taker", "selftrade", "stops")):
        commands = tape(seed, profile, 200)
        commands["kind"][commands["kind"] == Kind.MASS_CANCEL] = Kind.CANCEL
        reach = (np.arange(200) % 4 == 0) & np.isin(commands["kind"], (2, 3, 4))
        commands["order_id"][reach] = 10**6 + np.arange(200)[reach] * 37 % count
        for part in np.array_split(commands, 3):
            pair.process(part, np.empty(50, pt.EVENT))
        pair.check()
    pair.process(record(Kind.PHASE, order_type=Phase.CONTINUOUS))
    assert len(pair.book) > 4096
    for kind, fields in (
        (Kind.PHASE, {"order_type": Phase.AUCTION}),
        (Kind.UNCROSS, {"order_type": Phase.CONTINUOUS}),
        (Kind.CLOCK, {"timestamp": 2_000_000_049 * 10**9}),
        (Kind.PHASE, {"order_type": Phase.CLOSED}),
        (Kind.PHASE, {"order_type": Phase.CONTINUOUS}),
        (Kind.MASS_CANCEL, {"side": pt.Side.BUY}),
        (Kind.MASS_CANCEL, {}),
    ):
        pair.process(record(kind, **fields), np.empty(LEAST, pt.EVENT))
        pair.check()
    assert len(pair.book) == 0


# -- those who judge are judged -------------------------------------------------------------------


def test_an_auditor_notices_events_that_lie():
    commands = tape(5, "everything", 300)
    events = pt.Book().process(commands)
    told = {EventKind.ACCEPTED, EventKind.TRADE, EventKind.CANCELLED, EventKind.AMENDED}
    told |= {EventKind.TRIGGERED, EventKind.REFRESHED, EventKind.REPLACED}
    for kind in told:
        for at in np.flatnonzero(events["kind"] == kind)[:5]:
            with pytest.raises((AssertionError, KeyError)):
                Audit().feed(np.delete(events, at), commands)
            false = events.copy()
            false["quantity"][at] += 1
            with pytest.raises((AssertionError, KeyError)):
                Audit().feed(false, commands)


def test_what_fails_is_made_short():
    commands = tape(9, "everything", 200)
    commands["order_id"][[50, 120]] = 777, 778
    commands["kind"][[50, 120]] = Kind.CANCEL

    def fails(part):
        ids = part["order_id"].tolist()
        return 777 in ids and 778 in ids and ids.index(777) < ids.index(778)

    assert shrink(commands, fails)["order_id"].tolist() == [777, 778]


def test_what_does_not_fail_is_no_failure():
    assert failure(tape(1, "everything", 30)) is None


def test_a_failure_is_told_though_it_ends_the_process(monkeypatch):
    import os

    monkeypatch.setattr(Pair, "check", lambda self: os._exit(3))
    assert "ended its process" in failure(tape(1, "mixed", 3))
    monkeypatch.setattr(Pair, "check", lambda self: pt.Book().process(None))
    assert "TypeError" in failure(tape(1, "mixed", 3))
