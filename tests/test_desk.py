"""A market's methods: what they send is what a book's methods do, in the instrument's units."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.hand import Counter, same
from model.tapes import PROFILES, tape
from pricetime import (
    STP,
    TIF,
    Book,
    EventKind,
    Flag,
    Instrument,
    Kind,
    OrderType,
    Parameter,
    Phase,
    Side,
)
from pricetime.venue.desk import Desk

NOW = 1_700_000_000  # s
NS = 10**9
INSTRUMENT = Instrument("BTC_EUR", tick_size="0.5", lot_size="0.01")


class Units:
    """A book's own numbers as a market wants them."""

    price = staticmethod(INSTRUMENT.price)
    quantity = staticmethod(INSTRUMENT.quantity)
    money = staticmethod(INSTRUMENT.amount)


class Same:
    """A book's own numbers."""

    price = quantity = money = staticmethod(int)


@pytest.fixture
def counter():
    """A market without threads."""
    return Counter(INSTRUMENT, now=NOW * NS)


def unit_of_remaining(command):
    """The unit of what remains of a command's order."""
    money = command["kind"] == Kind.NEW and command["flags"] & Flag.QUOTE_QUANTITY
    return INSTRUMENT.amount if money else INSTRUMENT.quantity


class At:
    """A book whose methods are called at a time."""

    def __init__(self, book, timestamp):
        self.book = book
        self.timestamp = timestamp

    def __getattr__(self, name):
        return partial(getattr(self.book, name), timestamp=self.timestamp)


# -- every method against the book's --------------------------------------------------------------

REST = (  # what stands in the book: sells of 5 at 101 and 103, buys of 5 at 99 and 97
    lambda d, u: d.limit(Side.SELL, u.price(101), u.quantity(5), account=1, order_id=1),
    lambda d, u: d.limit(Side.SELL, u.price(103), u.quantity(5), account=2, order_id=2),
    lambda d, u: d.limit(Side.BUY, u.price(99), u.quantity(5), account=1, order_id=3),
    lambda d, u: d.limit(Side.BUY, u.price(97), u.quantity(5), account=2, order_id=4),
    lambda d, u: d.limit(Side.BUY, u.price(101), u.quantity(1), account=3, order_id=5),
)
LATER = NOW + 60
CALLS = {
    "limit": lambda d, u: d.limit(Side.BUY, u.price(102), u.quantity(7), account=9),
    "limit of an id": lambda d, u: d.limit(Side.BUY, u.price(9), u.quantity(7), order_id=2**64 - 1),
    "limit below zero": lambda d, u: d.limit(Side.SELL, u.price(-3), u.quantity(7)),
    "limit ioc": lambda d, u: d.limit(Side.BUY, u.price(101), u.quantity(7), tif=TIF.IOC),
    "limit fok": lambda d, u: d.limit(Side.BUY, u.price(101), u.quantity(7), tif=TIF.FOK),
    "limit gtd": lambda d, u: d.limit(
        Side.BUY, u.price(9), u.quantity(7), tif=TIF.GTD, expires=LATER
    ),
    "limit post-only": lambda d, u: d.limit(
        Side.BUY, u.price(101), u.quantity(7), flags=Flag.POST_ONLY
    ),
    "limit that would meet its own": lambda d, u: d.limit(
        Side.BUY, u.price(105), u.quantity(7), account=1, stp=STP.CANCEL_MAKER
    ),
    "limit that meets its own and both lose": lambda d, u: d.limit(
        Side.BUY, u.price(105), u.quantity(9), account=2, stp=STP.DECREMENT
    ),
    "iceberg": lambda d, u: d.limit(Side.BUY, u.price(98), u.quantity(7), peak=u.quantity(2)),
    "minimum": lambda d, u: d.limit(Side.BUY, u.price(102), u.quantity(7), minimum=u.quantity(5)),
    "oco": lambda d, u: d.limit(Side.BUY, u.price(90), u.quantity(7), account=2, oco=4),
    "parent": lambda d, u: d.limit(Side.BUY, u.price(90), u.quantity(7), account=2, parent=4),
    "market": lambda d, u: d.market(Side.BUY, u.quantity(7)),
    "market fok": lambda d, u: d.market(Side.BUY, u.quantity(70), tif=TIF.FOK),
    "market minimum": lambda d, u: d.market(Side.BUY, u.quantity(70), minimum=u.quantity(20)),
    "spend": lambda d, u: d.spend(Side.BUY, u.money(700)),
    "spend more than there is": lambda d, u: d.spend(Side.SELL, u.money(7_000_000), account=7),
    "spend nothing like it": lambda d, u: d.spend(Side.BUY, u.money(1)),
    "stop": lambda d, u: d.stop(Side.BUY, u.price(104), u.quantity(2)),
    "stop that holds": lambda d, u: d.stop(Side.BUY, u.price(101), u.quantity(2)),
    "stop limit": lambda d, u: d.stop(Side.SELL, u.price(90), u.quantity(2), price=u.price(80)),
    "take-profit": lambda d, u: d.take_profit(Side.BUY, u.price(90), u.quantity(2)),
    "take-profit limit": lambda d, u: d.take_profit(
        Side.SELL, u.price(110), u.quantity(2), price=u.price(111)
    ),
    "trailing stop": lambda d, u: d.trailing_stop(Side.SELL, u.price(4), u.quantity(2)),
    "trailing stop limit": lambda d, u: d.trailing_stop(
        Side.SELL, u.price(4), u.quantity(2), distance=u.price(1)
    ),
    "trailing stop limit at its trigger": lambda d, u: d.trailing_stop(
        Side.SELL, u.price(4), u.quantity(2), distance=u.price(0)
    ),
    "quote": lambda d, u: d.quote(
        8, (u.price(98), u.quantity(3)), (u.price(102), u.quantity(4))
    ),
    "quote of an id": lambda d, u: d.quote(8, (u.price(98), u.quantity(3)), order_id=70),
    "quote of an ask alone": lambda d, u: d.quote(8, None, (u.price(102), u.quantity(4))),
    "quote of nothing": lambda d, u: d.quote(8),
    "quote that would trade": lambda d, u: d.quote(8, (u.price(101), u.quantity(3))),
    "cancel": lambda d, u: d.cancel(1),
    "cancel of another's": lambda d, u: d.cancel(1, account=2),
    "cancel of nothing": lambda d, u: d.cancel(77),
    "amend": lambda d, u: d.amend(1, price=u.price(100), quantity=u.quantity(9)),
    "amend the price": lambda d, u: d.amend(1, price=u.price(104)),
    "amend so that it trades": lambda d, u: d.amend(3, price=u.price(101)),
    "amend the quantity": lambda d, u: d.amend(1, quantity=u.quantity(3), account=1),
    "amend to what has traded": lambda d, u: d.amend(1, quantity=u.quantity(1)),
    "amend of nothing": lambda d, u: d.amend(77, quantity=u.quantity(3)),
    "replace": lambda d, u: d.replace(1, Side.SELL, u.price(102), u.quantity(2)),
    "replace with an id": lambda d, u: d.replace(
        1, Side.BUY, u.price(90), u.quantity(2), new_id=900, account=1, flags=Flag.POST_ONLY
    ),
    "replace the price": lambda d, u: d.replace(1, price=u.price(102)),
    "replace the quantity": lambda d, u: d.replace(1, quantity=u.quantity(3)),
    "replace by its like": lambda d, u: d.replace(1),
    "replace by a stop": lambda d, u: d.replace(
        1, Side.SELL, quantity=u.quantity(2), order_type=OrderType.STOP, trigger=u.price(90)
    ),
    "replace of nothing": lambda d, u: d.replace(77, Side.BUY, u.price(90), u.quantity(2)),
    "mass cancel": lambda d, u: d.mass_cancel(account=1, side=Side.SELL),
    "mass cancel of all": lambda d, u: d.mass_cancel(),
    "arm": lambda d, u: d.arm(1, LATER),
    "arm for the past": lambda d, u: d.arm(1, NOW - 1),
    "disarm": lambda d, u: d.arm(1, 0),
    "phase": lambda d, u: d.phase(Phase.HALTED),
    "phase to come": lambda d, u: d.phase(Phase.HALTED, expires=LATER),
    "uncross": lambda d, u: d.uncross(),
    **{
        f"set {parameter.name}": lambda d, u, p=parameter, v=value: d.set(
            p, getattr(u, unit_of(p))(v)
        )
        for parameter, value in {
            Parameter.MIN_PRICE: 5,
            Parameter.MAX_PRICE: 500,
            Parameter.MIN_QUANTITY: 2,
            Parameter.MAX_QUANTITY: 900,
            Parameter.MIN_NOTIONAL: 7,
            Parameter.MAX_NOTIONAL: 90_000,
            Parameter.ORDERS_PER_ACCOUNT: 3,
            Parameter.STP: STP.CANCEL_BOTH,
            Parameter.MATCHING: 2,
            Parameter.TOP_ORDER: 1,
            Parameter.MIN_ALLOCATION: 2,
            Parameter.COLLAR: 6,
            Parameter.STATIC_BAND: 8,
            Parameter.STATIC_REFERENCE: 100,
            Parameter.DYNAMIC_BAND: 9,
            Parameter.BAND_ACTION: 2,
            Parameter.AUCTION_SECONDS: 30,
        }.items()
    },
    "set what is not possible": lambda d, u: d.set(Parameter.MATCHING, 3),
}  # fmt: skip
COUNTS = ("ORDERS_PER_ACCOUNT", "STP", "MATCHING", "TOP_ORDER", "BAND_ACTION", "AUCTION_SECONDS")


def unit_of(parameter):
    """What a parameter is counted in: a name of Units."""
    if parameter.name in COUNTS:
        return "count"
    if "NOTIONAL" in parameter.name:
        return "money"
    return "quantity" if parameter.name.endswith(("QUANTITY", "ALLOCATION")) else "price"


Units.count = Same.count = staticmethod(int)


def test_every_parameter_is_set():
    assert {f"set {parameter.name}" for parameter in Parameter} <= CALLS.keys()


def test_every_command_of_a_book_is_a_method_of_a_market():
    named = {name for name in vars(Desk) if not name.startswith("_")} - {"instrument"}
    assert named == {name for name in vars(Book) if name in named}
    assert len(named) == len(CALL) + 6  # NEW has seven: one for each sort of order


@pytest.mark.parametrize("case", CALLS)
def test_a_market_does_what_a_book_does(counter, case):
    book = Book()
    book.clock(NOW * NS)
    counter.clock()
    for call in REST:
        same(call(counter, Units), call(book, Same), INSTRUMENT)
    unit = INSTRUMENT.amount if case.startswith("spend") else INSTRUMENT.quantity
    same(CALLS[case](counter, Units), CALLS[case](book, Same), INSTRUMENT, unit)
    assert counter.book.state_hash() == book.state_hash()
    book.clock(LATER * NS)
    counter.now = LATER * NS
    counter.clock()
    assert counter.book.state_hash() == book.state_hash()


def test_clock_shows_what_an_auction_would_do(counter):
    counter.phase("auction")
    counter.limit("buy", "50.5", 1)
    counter.limit("sell", "50.5", 3)
    (event,) = counter.clock().events
    assert (event["kind"], event["price"], event["quantity"]) == (EventKind.INDICATIVE, 101, 100)


# -- any commands ---------------------------------------------------------------------------------

STOPS = {
    OrderType.STOP: ("stop", False),
    OrderType.STOP_LIMIT: ("stop", True),
    OrderType.TAKE_PROFIT: ("take_profit", False),
    OrderType.TAKE_PROFIT_LIMIT: ("take_profit", True),
}
SLOTS = {
    Flag.ICEBERG: "peak",
    Flag.MINIMUM: "minimum",
    Flag.OCO: "oco",
    Flag.ON_FILL: "parent",
}


def new(desk, u, c):
    """The call for a NEW command; None where no method makes it."""
    terms = {name: int(c[name]) for name in ("account", "stp", "order_id")}
    flags = int(c["flags"])
    for flag, name in SLOTS.items():
        if flags & flag:
            convert = u.quantity if name in ("peak", "minimum") else int
            terms[name] = convert(int(c["slot"]))
            flags &= ~flag
    if len(terms) > 4:
        return None
    kind, quantity = int(c["order_type"]), int(c["quantity"])
    if kind == OrderType.MARKET and flags & Flag.QUOTE_QUANTITY:
        if c["tif"] != TIF.IOC or not terms.keys().isdisjoint(("peak", "minimum")):
            return None
        return desk.spend(int(c["side"]), u.money(quantity), flags=flags & ~16 & ~8, **terms)
    terms |= {"flags": flags, "tif": int(c["tif"]), "expires": int(c["expires"])}
    side, price, trigger = (int(c[name]) for name in ("side", "price", "trigger"))
    if kind == OrderType.MARKET:
        return None if "peak" in terms else desk.market(side, u.quantity(quantity), **terms)
    if kind == OrderType.LIMIT:
        return desk.limit(side, u.price(price), u.quantity(quantity), **terms)
    if kind in STOPS:
        method, limited = STOPS[kind]
        if limited:
            terms["price"] = u.price(price)
        return getattr(desk, method)(side, u.price(trigger), u.quantity(quantity), **terms)
    if kind in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT):
        if kind == OrderType.TRAILING_STOP_LIMIT:
            terms["distance"] = u.price(price)
        return desk.trailing_stop(side, u.price(trigger), u.quantity(quantity), **terms)
    return None


def amend(desk, u, c):
    """The call for an AMEND command, by its number with some values left out."""
    given = {"price": u.price, "quantity": u.quantity, "trigger": u.price}
    left_out = int(c["order_id"]) % 4
    values = {
        name: convert(int(c[name]))
        for number, (name, convert) in enumerate(given.items())
        if number != left_out
    }
    return desk.amend(int(c["order_id"]), account=int(c["account"]), **values)


def replace(desk, u, c):
    """The call for a REPLACE command, by its number with some values left out."""
    given = {"side": int, "price": u.price, "quantity": u.quantity}
    left_out = int(c["order_id"]) % 4
    values = {
        name: convert(int(c[name]))
        for number, (name, convert) in enumerate(given.items())
        if number != left_out
    }
    terms = {name: int(c[name]) for name in ("order_type", "account", "tif", "stp", "expires")}
    if c["order_type"] != OrderType.LIMIT:
        values["trigger"] = u.price(int(c["trigger"]))
    new_id = int(c["slot"])
    return desk.replace(int(c["order_id"]), **values, **terms, flags=int(c["flags"]), new_id=new_id)


def quote(desk, u, c):
    """The call for a QUOTE command."""
    sides = [
        (u.price(int(c[price])), u.quantity(int(c[quantity]))) if c[quantity] else None
        for price, quantity in (("price", "quantity"), ("trigger", "slot"))
    ]
    return desk.quote(int(c["account"]), *sides, order_id=int(c["order_id"]))


def set_parameter(desk, u, c):
    """The call for a SET command."""
    if int(c["order_id"]) not in set(Parameter):
        return None
    parameter = Parameter(int(c["order_id"]))
    return desk.set(parameter, getattr(u, unit_of(parameter))(int(c["price"])))


CALL = {
    Kind.NEW: new,
    Kind.CANCEL: lambda d, u, c: d.cancel(int(c["order_id"]), account=int(c["account"])),
    Kind.AMEND: amend,
    Kind.REPLACE: replace,
    Kind.MASS_CANCEL: lambda d, u, c: d.mass_cancel(account=int(c["account"]), side=int(c["side"])),
    Kind.QUOTE: quote,
    Kind.ARM: lambda d, u, c: d.arm(int(c["account"]), int(c["expires"])),
    Kind.PHASE: lambda d, u, c: d.phase(int(c["order_type"]), expires=int(c["expires"])),
    Kind.UNCROSS: lambda d, u, c: d.uncross(int(c["order_type"])),
    Kind.SET: set_parameter,
}


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(PROFILES)))
def test_any_commands_do_what_a_books_methods_do(seed, profile):
    counter, book = Counter(INSTRUMENT), Book()
    for command in tape(seed, profile, 60):
        if int(command["kind"]) not in CALL:
            continue
        counter.now = max(counter.now, int(command["timestamp"]))
        call = CALL[int(command["kind"])]
        try:
            answer = call(counter, Units, command)
        except ValueError:  # nothing that an instrument has
            continue
        if answer is not None:
            result = call(At(book, counter.now), Same, command)
            same(answer, result, INSTRUMENT, unit_of_remaining(command))
    assert counter.book.state_hash() == book.state_hash()


@pytest.mark.parametrize(
    "call",
    [
        lambda d, u: d.amend(3, quantity=u.quantity(8)),
        lambda d, u: d.amend(3, quantity=u.quantity(1)),
        lambda d, u: d.amend(3, price=u.price(1)),
        lambda d, u: d.cancel(3),
        lambda d, u: d.cancel(3, account=77),
        lambda d, u: d.replace(3, price=u.price(50)),
        lambda d, u: d.limit(Side.BUY, u.price(100), u.quantity(1), order_id=3),
    ],
)
@pytest.mark.parametrize("quantity", [3, 30])
def test_what_fell_due_first_is_not_the_commands_own(counter, call, quantity):
    """The order's stop fires and trades in the phase that begins just before the command."""
    book = Book()
    for desk, u in ((counter, Units), (At(book, NOW * NS), Same)):
        desk.limit(Side.SELL, u.price(100), u.quantity(9), order_id=1)
        desk.limit(Side.BUY, u.price(100), u.quantity(1), order_id=2)
        desk.phase(Phase.POST_ONLY)
        desk.stop(
            Side.BUY, u.price(100), u.quantity(quantity), order_id=3, price=u.price(100), account=5
        )
        desk.phase(Phase.CONTINUOUS, expires=LATER)
    counter.now = LATER * NS
    answer = call(counter, Units)
    assert EventKind.TRADE in answer.events["kind"]
    same(answer, call(At(book, LATER * NS), Same), INSTRUMENT)
