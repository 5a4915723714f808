"""What is no checkpoint: damaged bytes, and books that cannot be under a checksum that fits."""

import hashlib

import numpy as np
import pricetime as pt
import pytest
from model.blotter import SECOND
from model.books import BOOKS, rich, small
from model.saved import parts, whole
from model.tapes import tape
from pricetime import BOUND, ORDER, STP, TIF, Flag, Parameter, Phase, Side, checkpoint
from pricetime.records import Mark, OrderState

SELL = Side.SELL


# -- damaged bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
def test_every_flip_of_a_byte_is_refused(make):
    data = bytearray(make().checkpoint())
    for at in range(len(data)):
        for change in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            data[at] ^= change
            with pytest.raises(ValueError):
                pt.Book.restore(data)
            data[at] ^= change


@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
def test_every_truncation_is_refused(make):
    data = make().checkpoint()
    for length in range(len(data)):
        with pytest.raises(ValueError):
            pt.Book.restore(data[:length])


@pytest.mark.parametrize("more", [b"\0", bytes(64), small().checkpoint()])
def test_more_bytes_are_refused(more):
    for data in (small().checkpoint() + more, more + small().checkpoint()):
        with pytest.raises(ValueError):
            pt.Book.restore(data)


@pytest.mark.parametrize("data", [None, "PRICETIM", 5, [1, 2], np.zeros(3, object)])
def test_what_is_no_bytes_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        pt.Book.restore(data)


def test_other_files_are_told_by_their_beginning():
    with pytest.raises(ValueError, match="no checkpoint: it begins with b'GIF89a"):
        pt.Book.restore(b"GIF89a" + bytes(1000))


def test_newer_version_is_told_before_the_checksum():
    data = bytearray(small().checkpoint())
    data[8] += 1
    with pytest.raises(ValueError, match=r"format 2 is not known: .* reads format 1"):
        pt.Book.restore(data)


def test_damage_is_told_as_such():
    data = bytearray(small().checkpoint())
    data[-20] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        pt.Book.restore(data)


# -- impossible content ---------------------------------------------------------------------------


def forged(change, make=small):
    """The checkpoint of a book with its state changed, under a checksum that fits."""
    state = whole(checkpoint.decode(make().checkpoint()))
    changed = change(state)
    return checkpoint.encode(parts(state if changed is None else changed))


def miswritten(change, make=rich):
    """The same, where the records themselves are changed, in which orders are cut in two."""
    state = checkpoint.State(*(part.copy() for part in checkpoint.decode(make().checkpoint())))
    changed = change(state)
    return checkpoint.encode(state if changed is None else changed)


def refused(change, make=small):
    with pytest.raises(ValueError):
        pt.Book.restore(forged(change, make))


@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
def test_unchanged_it_is_taken(make):
    data = forged(lambda state: None, make)
    assert data == pt.Book.restore(data).checkpoint() == make().checkpoint()


def put(part, name, value, at=0):
    def change(state):
        getattr(state, part)[name][at] = value

    return change


def put_into(order_id, **values):
    """Into the order with this id."""

    def change(state):
        row = state.orders["order_id"] == order_id
        assert row.any()
        for name, value in values.items():
            state.orders[name][row] = value

    return change


HEADER_VALUES = [
    ("phase", (0, Phase.CLOSED, 8, 255)),
    ("last_known", (0, 2, 255)),
    ("reserved", (1, 2**15)),
    ("commands", (2**63, 10**6)),
    ("sequence", (0, 3)),
    ("trades", (0, 2**63)),
    ("id_max", (0, 2, 39)),
    ("timestamp", (-1, -(2**63), 9 * SECOND, 1000 * SECOND, 2**63 - 1)),
    ("last_price", (BOUND, -BOUND, 2**63 - 1, -(2**63))),
    ("orders_max", (0, 6, 2**31, 2**32, 2**63)),
    ("auction_end", (1, 6 * SECOND, -1)),
    ("auction_sequence", (1, 2**63)),
]
RICH_HEADER_VALUES = [
    ("phase", (p for p in Phase if p != Phase.AUCTION)),
    ("auction_end", (0, 5 * SECOND, -1, -(2**63))),
    ("auction_sequence", (0, 1000, 2**63, 5)),
    ("timestamp", (20 * SECOND, 30 * SECOND)),
    ("trades", (0,)),
]
ORDER_VALUES = [
    ("order_id", (0, 3, 41, 2**64 - 1)),
    ("price", (BOUND, -BOUND, 2**63 - 1)),
    ("quantity", (0, -1, 2, BOUND, -(2**63))),
    ("remaining", (0, -1, 6, BOUND - 1, BOUND, 2**63 - 1, -(2**63))),
    ("displayed", (0, 1, 4, -1, BOUND)),
    ("trigger", (1, -1, BOUND)),
    ("reference", (1, 100)),
    ("slot", (1, 2**63)),
    ("partner", (1, 3, 40, 77)),
    ("parent", (1, 3, 40, 77)),
    ("accepted", (0, 5, 2**63)),
    ("priority", (0, 5, 6, 2**63)),
    ("expires", (1, 1000)),
    ("side", (0, SELL, 3, 255)),
    ("order_type", (0, 1, 3, 8, 11, 12, 255)),
    ("tif", (TIF.AUCTION, TIF.IOC, TIF.FOK, 5, TIF.GTD, 7, 255)),
    ("stp", (6, 255)),
    ("flags", (3, 4, 8, 16, 32, 64, 512, 2**15)),
    ("state", (0, OrderState.WAITING, OrderState.SLEEPING, 4, 255)),
    ("marks", (Mark.QUOTE, Mark.REFERENCE, 8, 255)),
]
RICH_VALUES = {  # orders of the rich book by id, and values that they cannot have
    "iceberg": (1, {"displayed": (0, 4, 8, 9), "slot": (0, 1), "flags": (0, 36, 48, 33 | 2)}),
    "hidden": (2, {"displayed": (1, 5), "flags": (0, 12)}),
    "all-or-none": (3, {"displayed": (1, 4), "flags": (0, 48, 17), "quantity": (5,)}),
    "waiting for a price": (
        6,
        {
            "trigger": (BOUND, -BOUND),
            "price": (1,),
            "remaining": (4,),
            "displayed": (5,),
            "order_type": (0, 1, 2, 9),
            "marks": (Mark.TRIGGERED, Mark.REFERENCE, Mark.QUOTE),
            "reference": (100,),
            "flags": (1, 4, 8, 16, 32, 64),
            "tif": (TIF.AUCTION,),
        },
    ),
    "trailing": (
        8,
        {
            "trigger": (0, -1),
            "reference": (99, 0, BOUND, 2**63 - 1),
            "marks": (0, Mark.TRIGGERED | Mark.REFERENCE),
            "price": (1,),
        },
    ),
    "trailing limit": (9, {"price": (-1, BOUND), "reference": (101, -BOUND), "trigger": (0,)}),
    "leg": (11, {"partner": (0, 11, 13, 1000), "account": (2,), "quantity": (6,)}),
    "other leg": (12, {"partner": (0, 2, 12), "marks": (Mark.TRIGGERED,)}),
    "child": (
        14,
        {
            "parent": (0, 11, 14, 15, 1000),
            "partner": (0, 12, 13, 14),
            "account": (0,),
            "flags": (0, Flag.OCO),
            "quantity": (6,),
            "displayed": (5,),
            "state": (OrderState.RESTING, OrderState.WAITING),
            "accepted": (2,),
        },
    ),
    "child that is a stop": (15, {"marks": (Mark.REFERENCE, Mark.TRIGGERED), "reference": (5,)}),
    "minimum": (16, {"slot": (0, BOUND), "flags": (64 | 32, 65 | 2)}),
    "quote": (
        20,
        {
            "account": (0,),
            "flags": (0, 2),
            "tif": (TIF.DAY,),
            "stp": (STP.ALLOW,),
            "side": (SELL,),
        },
    ),
    "at market": (22, {"price": (1,), "displayed": (2,), "flags": (1, 4, 8, 32), "tif": (3, 4)}),
    "fired": (23, {"order_type": (4,), "trigger": (101,), "marks": (Mark.TRIGGERED | 4,)}),
    "day and auction": (17, {"tif": (TIF.IOC, TIF.FOK), "state": (OrderState.SLEEPING,)}),
}
PART_VALUES = [
    ("switches", "account", (0, 1)),  # the other one's
    ("switches", "expires", (0, 5, 4, 51)),
    ("switches", "sequence", (0, 1000, 5)),
    ("plans", "time", (0, 5 * SECOND, -1, -(2**63), 61 * SECOND)),
    ("plans", "sequence", (0, 1000, 2**63, 5)),
    ("plans", "phase", (0, 8, 255, 2**31)),
    ("plans", "reserved", (1, 2**31)),
]
PARAMETER_VALUES = [
    (Parameter.MIN_PRICE, (-BOUND, BOUND, 2**63 - 1)),
    (Parameter.MAX_PRICE, (-BOUND, BOUND, -(2**63))),
    (Parameter.MIN_QUANTITY, (0, -1, BOUND)),
    (Parameter.MAX_QUANTITY, (0, -1, BOUND)),
    (Parameter.MIN_NOTIONAL, (-1, BOUND)),
    (Parameter.MAX_NOTIONAL, (-1, BOUND)),
    (Parameter.ORDERS_PER_ACCOUNT, (-1, BOUND)),
    (Parameter.STP, (0, 6, -1)),
    (Parameter.MATCHING, (0, 3)),
    (Parameter.TOP_ORDER, (-1, 2)),
    (Parameter.MIN_ALLOCATION, (0, -1, BOUND)),
    (Parameter.COLLAR, (-1, BOUND)),
    (Parameter.STATIC_BAND, (-1, BOUND)),
    (Parameter.STATIC_REFERENCE, (-BOUND, BOUND)),
    (Parameter.DYNAMIC_BAND, (-1, BOUND)),
    (Parameter.BAND_ACTION, (0, 3)),
    (Parameter.AUCTION_SECONDS, (0, -1, BOUND)),
]


@pytest.mark.parametrize(("name", "values"), HEADER_VALUES)
def test_impossible_value_in_the_header_is_refused(name, values):
    for value in values:
        refused(put("header", name, value))


@pytest.mark.parametrize(("name", "values"), RICH_HEADER_VALUES)
def test_impossible_value_beside_an_auction_is_refused(name, values):
    for value in values:
        refused(put("header", name, value), rich)


@pytest.mark.parametrize(("parameter", "values"), PARAMETER_VALUES)
def test_impossible_parameter_is_refused(parameter, values):
    for value in values:
        refused(set_to({parameter: value}))


def test_every_parameter_is_tried():
    assert [parameter for parameter, _ in PARAMETER_VALUES] == list(Parameter)


def set_to(values):
    def change(state):
        for parameter, value in values.items():
            state.header["parameter"][0][parameter - 1] = value

    return change


def test_minimum_above_its_maximum_is_refused():
    refused(set_to({Parameter.MIN_PRICE: 5, Parameter.MAX_PRICE: 4}))


@pytest.mark.parametrize(("name", "values"), ORDER_VALUES)
def test_impossible_value_in_an_order_is_refused(name, values):
    for value in values:
        refused(put("orders", name, value))  # in a buy at 100 of which 2 have traded


def test_every_field_of_an_order_is_tried():
    free = {"account"}  # any order may be anybody's
    assert {name for name, _ in ORDER_VALUES} == set(ORDER.names) - free


SORTS = [(sort, name) for sort, (_, fields) in RICH_VALUES.items() for name in fields]


@pytest.mark.parametrize(("sort", "name"), SORTS)
def test_impossible_value_in_an_order_of_its_sort_is_refused(sort, name):
    order_id, fields = RICH_VALUES[sort]
    for value in fields[name]:
        refused(put_into(order_id, **{name: value}), rich)


@pytest.mark.parametrize(("part", "name", "values"), PART_VALUES)
def test_impossible_switch_or_plan_is_refused(part, name, values):
    for value in values:
        refused(put(part, name, value), rich)


def in_order(*places, part="orders"):
    """What stood at these places, in this order."""
    return lambda state: state._replace(**{part: getattr(state, part)[list(places)]})


def overfull(state):
    for name in ("quantity", "remaining", "displayed"):
        state.orders[name][:2] = BOUND // 2


def many_plans(state):
    plans = np.repeat(state.plans[:1], 65)
    plans["sequence"] = 100 + np.arange(65)
    state.header["sequence"] = 1000
    return state._replace(plans=plans)


IMPOSSIBLE = {  # buys at 100, 100, 99, 98; sells at 110, 111, 112
    "crossed": put("orders", "price", 99, at=6),
    "an order twice": in_order(0, 0, 1, 2, 3, 4, 5, 6),
    "an id on both sides": put("orders", "order_id", 1, at=6),
    "out of time at a price": in_order(1, 0, 2, 3, 4, 5, 6),
    "a priority twice at a price": put("orders", "priority", 1, at=1),
    "accepted twice by one event": put("orders", "accepted", 1, at=3),
    "a worse buy first": in_order(0, 1, 3, 2, 4, 5, 6),
    "a worse sell first": in_order(0, 1, 2, 3, 5, 4, 6),
    "sells first": in_order(4, 5, 6, 0, 1, 2, 3),
    "sides mixed": in_order(0, 1, 2, 4, 3, 5, 6),
    "gtd without an end": put("orders", "expires", 0, at=6),
    "gtd that has ended": put("orders", "expires", 5, at=6),
    "a level with too much": overfull,
}
RICH_IMPOSSIBLE = {
    "switches out of order": in_order(1, 0, part="switches"),
    "a switch twice": in_order(0, 0, 1, part="switches"),
    "plans out of order": in_order(0, 2, 1, part="plans"),
    "a plan twice": in_order(0, 0, 1, 2, part="plans"),
    "more plans than can wait": many_plans,
    "waiting before resting": in_order(13, *range(13), *range(14, 22)),
    "sleeping before waiting": in_order(*range(14), 20, *range(14, 20), 21),
    "waiting out of time": in_order(*range(14), 15, 14, *range(16, 22)),
    "market order behind others": in_order(1, 0, *range(2, 22)),
    "without the parent": lambda s: s._replace(orders=s.orders[s.orders["order_id"] != 13]),
    "without the other leg": lambda s: s._replace(orders=s.orders[s.orders["order_id"] != 12]),
    "without one child": lambda s: s._replace(orders=s.orders[s.orders["order_id"] != 15]),
    "a leg that has traded": put_into(11, quantity=9),
    "a trigger that has been met": lambda s: (
        put_into(7, trigger=100)(s),
        put("header", "phase", Phase.CONTINUOUS)(s),
    )[-1],
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_book_is_refused(case):
    refused(IMPOSSIBLE[case])


@pytest.mark.parametrize("case", RICH_IMPOSSIBLE)
def test_impossible_book_of_all_sorts_is_refused(case):
    refused(RICH_IMPOSSIBLE[case], rich)


def test_refusal_names_the_order():
    with pytest.raises(ValueError, match="order 40"):
        pt.Book.restore(forged(put("orders", "remaining", 6, at=5)))


# -- impossible layout ----------------------------------------------------------------------------


def more_extras(*places, **values):
    """More extra records, of the orders at these places, with these values or none."""

    def change(state):
        extras = np.zeros(len(places), checkpoint.EXTRA)
        extras["place"] = places
        for name, value in values.items():
            extras[name] = value
        extras = np.concatenate([state.extras, extras])
        return state._replace(extras=extras[np.argsort(extras["place"], kind="stable")])

    return change


MISWRITTEN = {  # of the 22 orders of the rich book; the one at place 5 is plain, and buys 3 at 97
    "an extra that says nothing": (more_extras(5, displayed=3), "order 20 that says nothing"),
    "a plain order displayed less": (more_extras(5, displayed=2), "canonical order"),
    "a plain order not displayed": (more_extras(5), "canonical order"),
    "a plain order with a trigger": (more_extras(5, displayed=3, trigger=1), "order 20 cannot be"),
    "a plain order with a partner": (
        more_extras(5, displayed=3, partner=7),
        "links do not point both",
    ),
    "two extras of an order": (more_extras(0, displayed=1), "not in the order of their orders"),
    "extras out of order": (in_order(1, 0, *range(2, 14), part="extras"), "not in the order"),
    "an extra of no order": (more_extras(22, displayed=1), r"at place 22, but 22 orders"),
    "an extra far away": (more_extras(2**64 - 1, displayed=1), r"place 18446744073709551615"),
    "an extra missing": (in_order(*range(13), part="extras"), "order 15 "),
    "an extra of another order": (put("extras", "place", 5, at=3), "canonical order"),
    "an iceberg without its peak": (in_order(0, *range(2, 14), part="extras"), "order 1 cannot"),
}


@pytest.mark.parametrize("case", MISWRITTEN)
def test_impossible_layout_is_refused(case):
    change, words = MISWRITTEN[case]
    with pytest.raises(ValueError, match=words):
        pt.Book.restore(miswritten(change))


@pytest.mark.parametrize("name", ["orders", "extras", "switches", "plans"])
def test_count_that_does_not_fit_the_bytes_is_told(name):
    data = bytearray(rich().checkpoint()[: -checkpoint.CHECKSUM_BYTES])
    at = checkpoint.HEADER.fields[name][1]
    for count in (2**64 - 1, data[at] + 1, data[at] - 1):
        data[at : at + 8] = count.to_bytes(8, "little")
        sealed = bytes(data) + hashlib.blake2b(data, digest_size=16).digest()
        with pytest.raises(ValueError, match=rf"has {len(sealed)} bytes, but .*{count} {name}"):
            pt.Book.restore(sealed)


def test_bytes_between_the_parts_are_refused():
    whole_bytes = rich().checkpoint()[: -checkpoint.CHECKSUM_BYTES]
    for cut in (whole_bytes[:-8], whole_bytes + bytes(8)):
        with pytest.raises(ValueError, match="22 orders, 14 extras, 2 switches, 3 plans make"):
            pt.Book.restore(cut + hashlib.blake2b(cut, digest_size=16).digest())


@pytest.mark.parametrize("forge", [forged, miswritten])
@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
@pytest.mark.parametrize("seed", range(4))
def test_any_content_is_refused_or_makes_a_sound_book(seed, make, forge):
    rng = np.random.default_rng(seed)
    futures = [tape(seed, profile, 30) for profile in ("noise", "everything", "auctions")]

    def change(state):
        part = state[int(rng.choice([0, 1, 1, 1, *range(2, len(state))]))]
        raw = part.view(np.uint8).reshape(-1)
        at = rng.integers(0, max(len(raw), 1), rng.integers(1, 4))
        if len(raw):
            raw[at] = rng.choice([0, 1, 2, 127, 128, 255, rng.integers(256)], len(at))

    for number in range(500):
        data = forge(change, make)
        try:
            book = pt.Book.restore(data)
        except ValueError:
            continue
        book.check()
        assert book.checkpoint() == data
        book.process(futures[number % 3])
        book.check()
