"""What a scenario cannot show: the bytes of each event, times, and the records of orders.

Each holds for the book and for its naive twin.
"""

import numpy as np
import pytest
from model.blotter import command, record, told
from pricetime.records import EVENT, EventFlag, EventKind, Kind, OrderType, Phase, Reason

SECOND = 10**9


def run(book, *lines):
    """The events of each line of a blotter."""
    return [book.process(command(line)) for line in lines]


# -- §1, §7 time ----------------------------------------------------------------------------------


def test_an_expiry_carries_its_own_time_and_the_number_of_the_command_that_brought_it(make):
    book = make()
    _, events = run(book, "buy 1 5@100 gtd until=3", "cancel 1 at=9s")
    assert [told(e) for e in events] == [
        "cancelled 1 5@100 EXPIRED at 3s",
        "rejected UNKNOWN_ORDER",
    ]
    assert list(events["timestamp"]) == [3 * SECOND, 9 * SECOND]
    assert list(events["command"]) == [2, 2]


def test_time_never_goes_back_and_what_is_refused_at_once_does_not_move_it(make):
    book = make()
    book.process(record(Kind.CLOCK, timestamp=50))
    for timestamp in (40, -1, -(2**63)):
        assert book.process(record(Kind.CLOCK, timestamp=timestamp))["timestamp"] == [50]
    assert book.process(record(Kind.CLOCK, timestamp=99, reserved=1))["timestamp"] == [50]
    peg = {"order_type": OrderType.PEG_MID, "side": 1, "quantity": 1}
    refused = book.process(record(Kind.NEW, timestamp=99, order_id=1, **peg))
    assert (refused["reason"], refused["timestamp"]) == ([Reason.UNSUPPORTED], [50])
    assert book.process(record(Kind.CANCEL, timestamp=99, order_id=1))["timestamp"] == [99]
    assert book.process(record(Kind.CLOCK))["timestamp"] == [99]


# -- §8 phases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_that_is_not_to_come_is_entered_now(make, phase):
    row = {"order_type": phase, "timestamp": 2 * SECOND}
    now, later = EventKind.PHASE_CHANGED, EventKind.ACKNOWLEDGED
    for expires, kind in ((0, now), (2, now), (3, later)):
        event = make().process(record(Kind.PHASE, expires=expires, **row))[0]
        assert (event["kind"], event["timestamp"]) == (kind, 2 * SECOND)


# -- §4 the bytes of each event -------------------------------------------------------------------


def event(kind, **fields):
    row = np.zeros(1, EVENT)
    for name, value in {"kind": kind, "flags": EventFlag.LAST, **fields}.items():
        row[name] = value
    return row[0]


def test_every_field_of_every_event(make):
    big = 2**64 - 1
    entry = {"order_type": 2, "tif": 1, "timestamp": 11}
    commands = [
        record(1, side=2, order_id=5, account=7, price=100, quantity=5, trigger=3, **entry),
        record(1, side=1, order_id=6, account=8, price=100, quantity=2, **entry),
        record(4, side=2, order_id=5, slot=big, price=101, quantity=4, **entry),
        record(3, order_id=big, price=101, quantity=3, trigger=9, timestamp=5),
        record(2, order_id=big, account=7, side=9, price=-1, quantity=-2),
        record(2, order_id=big, account=7, side=9, price=-1, quantity=-2, trigger=4, slot=4),
        record(8, order_type=6, account=3, order_id=4, price=5),
        record(11, order_id=1, price=-9, account=3),
        record(10, account=2**32 - 1, order_id=4, price=5),
    ]
    five = {"side": 2, "account": 7, "order_id": 5, "price": 100, "timestamp": 11}
    new = {"side": 2, "account": 7, "order_id": big, "price": 101, "timestamp": 11}
    six = {"side": 1, "account": 8, "order_id": 6, "price": 100, "timestamp": 11, "quantity": 2}
    maker = {"maker_id": 5, "maker_account": 7, "maker_remaining": 3, "detail": 1}
    back = {"side": 9, "account": 7, "order_id": big, "price": -1, "quantity": -2, "timestamp": 11}
    expected = [
        event(1, sequence=1, command=1, quantity=5, remaining=5, **five),
        event(1, sequence=2, command=2, remaining=2, **six | {"flags": 0}),
        event(3, sequence=3, command=2, remaining=0, **six, **maker),
        event(6, sequence=4, command=3, quantity=3, detail=-1, **five | {"flags": 0}),
        event(1, sequence=5, command=3, quantity=4, remaining=4, **new),
        event(5, sequence=6, command=4, quantity=3, remaining=3, **new),
        event(4, sequence=7, command=5, quantity=3, reason=Reason.USER, **new),
        event(2, sequence=8, command=6, reason=Reason.UNKNOWN_ORDER, **back),
        event(9, sequence=9, command=7, detail=6, timestamp=11),
        event(11, sequence=10, command=8, order_id=1, detail=-9, timestamp=11),
        event(12, sequence=11, command=9, account=2**32 - 1, timestamp=11),
    ]
    events = make().process(np.concatenate(commands))
    assert events.dtype == EVENT
    assert events.tolist() == [row.item() for row in expected]


def test_orders_show_what_was_entered(make):
    book = make()
    run(
        book,
        "buy  1 5@100 gtd until=9 account=7 stp-decrement",
        "sell 2 2@100",
        "buy  3 5@101 day until=9 slide",
        "buy  4 2@99",
        "amend 4 3@99",
    )
    rows = {int(row["order_id"]): row for row in book.orders()}
    assert list(rows) == [3, 1, 4]
    for order_id, expected in {
        3: {
            **{"side": 1, "order_type": 2, "tif": 0, "stp": 0, "flags": 2, "account": 0},
            **{"expires": 0, "price": 101, "quantity": 5, "remaining": 5},
            **{"accepted": 4, "priority": 4},
        },
        1: {
            **{"side": 1, "order_type": 2, "tif": 6, "stp": 4, "flags": 0, "account": 7},
            **{"expires": 9, "price": 100, "quantity": 5, "remaining": 3},
            **{"accepted": 1, "priority": 1},
        },
        4: {
            **{"side": 1, "order_type": 2, "tif": 1, "stp": 0, "flags": 0, "account": 0},
            **{"expires": 0, "price": 99, "quantity": 3, "remaining": 3},
            **{"accepted": 5, "priority": 6},
        },
    }.items():
        assert {name: rows[order_id][name] for name in expected} == expected
