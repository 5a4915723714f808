"""The laws of events that `pricetime verify` holds them to, whatever a book says."""

import numpy as np
import pricetime as pt
import pytest
from model.tapes import PROFILES, tape
from pricetime.tools.audit.flow import Flow
from pricetime.tools.audit.orders import Orders


def made(seed, profile="everything"):
    return pt.Book().process(tape(seed, profile, 600))


def first_wrong(events, cut=97):
    """The first event that one of the two finds wrong, fed in pieces."""
    orders, flow = Orders(), Flow(begin=True)
    for begin in range(0, len(events), cut):
        piece = events[begin : begin + cut]
        found = [wrong[0] for wrong in (orders.feed(piece), flow.feed(piece)) if wrong]
        if found:
            return min(found)
    return None


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_book_says_adds_up(profile):
    commands, book, orders = tape(11, profile, 1500), pt.Book(), Orders()
    for begin in range(0, len(commands), 50):
        assert orders.feed(book.process(commands[begin : begin + 50])) is None
    assert len(orders) == len(book.orders(hidden=True))


QUANTITIES = [
    ("ACCEPTED", "quantity", 1),
    ("ACCEPTED", "remaining", -1),
    ("TRADE", "quantity", 1),
    ("TRADE", "remaining", 1),
    ("TRADE", "maker_remaining", 1),
    ("TRADE", "maker_id", 1),
    ("CANCELLED", "quantity", 1),
    ("AMENDED", "quantity", 1),
    ("AMENDED", "remaining", 1),
    ("REPLACED", "quantity", -1),
    ("TRIGGERED", "quantity", 1),
    ("TRIGGERED", "remaining", 1),
    ("REFRESHED", "remaining", 1),
]


@pytest.mark.parametrize(("kind", "field", "by"), QUANTITIES)
def test_a_quantity_that_does_not_add_up_is_found(kind, field, by):
    events = made(5)
    places = np.flatnonzero(events["kind"] == pt.EventKind[kind])
    assert len(places), f"the tape has no {kind}"
    for at in places[:: max(len(places) // 20, 1)]:
        lying = events.copy()
        lying[field][at] += by
        assert first_wrong(lying) == lying["sequence"][at]


@pytest.mark.parametrize("order", ["order_id", "maker_id"])
def test_a_trade_of_an_order_that_is_gone_is_found(order):
    events = made(5)
    accepted = events["order_id"][events["kind"] == pt.EventKind.ACCEPTED]
    ids, times = np.unique(accepted, return_counts=True)
    ended = events["order_id"][events["kind"] == pt.EventKind.CANCELLED]
    gone = ended[np.isin(ended, ids[times == 1])][0]
    trades = np.flatnonzero(events["kind"] == pt.EventKind.TRADE)
    lying = events.copy()
    lying[order][trades[-1]] = gone
    assert first_wrong(lying) == lying["sequence"][trades[-1]]


def test_an_order_that_is_accepted_twice_is_found():
    events = made(5)
    accepted = np.flatnonzero(events["kind"] == pt.EventKind.ACCEPTED)
    commands, book = tape(5, "everything", 600), pt.Book()
    tried = 0
    for number, command in enumerate(commands, 1):
        live = book.orders(hidden=True)["order_id"]
        at = accepted[events["command"][accepted] == number]
        book.process(commands[number - 1 : number])
        if len(live) and len(at) == 1 and command["kind"] == pt.Kind.NEW:
            lying = events.copy()
            lying["order_id"][at[0]] = live[0]
            assert first_wrong(lying) == lying["sequence"][at[0]]
            tried += 1
    assert tried > 20


FLOWS = [
    ("sequence", 1),
    ("command", 1),
    ("timestamp", -(10**15)),
    ("reserved", 1),
    ("kind", 100),
    ("flags", 1),
]


@pytest.mark.parametrize(("field", "by"), FLOWS)
def test_events_out_of_order_are_found(field, by):
    events = made(6)
    for at in range(40, len(events), 41):
        lying = events.copy()
        value = lying[field][at]
        lying[field][at] = value ^ 1 if field == "flags" else value + by
        found = first_wrong(lying)
        assert found is not None and found <= events["sequence"][at] + 2


def test_a_trade_out_of_number_is_found():
    events = made(6)
    trades = np.flatnonzero(events["kind"] == pt.EventKind.TRADE)
    for at in trades[3::7]:
        lying = events.copy()
        lying["detail"][at] += 1
        assert first_wrong(lying) == lying["sequence"][at]


def test_two_lasts_and_none_are_found():
    flow = Flow(begin=True)
    events = made(6)
    ended = np.flatnonzero(events["flags"] & pt.EventFlag.LAST)
    lying = events.copy()
    lying["flags"][ended[20]] &= ~np.uint8(pt.EventFlag.LAST)
    assert flow.feed(lying)[0] == events["sequence"][ended[20]] + 1
