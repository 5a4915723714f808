"""Nothing is inert: each value that can go in changes what comes out, and each value comes out.

What goes in has a scenario each in INPUTS, told twice: one line has two halves, parted by `<>`,
which differ in nothing but that value and lead to different events (the mere echo of a phase or a
parameter is no difference).  What comes out is looked for in scenarios/*.txt.  Both are compared
with the enums, so that a new value fails until it has its scenario.
"""

from pathlib import Path

import numpy as np
import pricetime as pt
import pytest
from model.blotter import VIEWS, command, given, scenarios, told
from model.twin import Twin
from pricetime.records import (
    COMMAND,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    Mark,
    OrderState,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
    Status,
)

INPUTS = """
= Kind.NEW
buy 1 5@100 <> clock order_id=1 side=1 order_type=2 tif=1 price=100 quantity=5
sell 2 5@100

= Kind.CANCEL
buy 1 5@100
cancel 1 <> clock order_id=1
sell 2 5@100

= Kind.AMEND
buy 1 5@100
amend 1 4@101 <> clock order_id=1 quantity=4 price=101
sell 2 5@101

= Kind.REPLACE
buy 1 5@100
replace 1 2 buy 5@100 <> buy 1 5@100 slot=2
cancel 2

= Kind.MASS_CANCEL
buy 1 5@100
mass <> clock
sell 2 5@100

= Kind.QUOTE
quote 10 5@99 6@101 account=7 <> clock order_id=10 quantity=5 price=99 slot=6 trigger=101 account=7
buy 1 6@101

= Kind.ARM
buy 1 5@100 account=7
arm account=7 until=9 <> clock account=7 until=9
clock at=9s

= Kind.PHASE
phase HALTED <> clock order_type=6
buy 1 5@100

= Kind.UNCROSS
phase AUCTION
buy 1 5@100
sell 2 5@100
uncross HALTED <> phase HALTED

= Kind.CLOCK
phase AUCTION
buy 1 5@100
clock <> mass

= Kind.SET
set MAX_PRICE 50 <> clock order_id=2 price=50
buy 1 5@100

= Side.BUY
sell 1 5@100
buy 2 5@100 <> sell 2 5@100

= Side.SELL
buy 1 5@100
sell 2 5@100 <> buy 2 5@100

= OrderType.MARKET
sell 1 5@101
buy 2 5@market price=100 <> buy 2 5@100

= OrderType.LIMIT
sell 1 5@101
buy 2 5@100 <> buy 2 5@market price=100

= OrderType.STOP
sell 1 5@100
buy 2 5@market stop=101 <> buy 2 5@market trigger=101

= OrderType.STOP_LIMIT
sell 1 5@100
buy 2 5@100 stop=101 <> buy 2 5@100 trigger=101

= OrderType.TAKE_PROFIT
buy 1 1@100
sell 2 1@100
buy 3 5@market take=101 <> buy 3 5@market stop=101

= OrderType.TAKE_PROFIT_LIMIT
buy 1 1@100
sell 2 1@100
buy 3 5@100 take=101 <> buy 3 5@100 stop=101

= OrderType.TRAILING_STOP
buy 1 1@100
sell 2 1@100
sell 3 5@market trail=1 <> sell 3 5@market stop=1
buy 4 1@99
sell 5 1@99

= OrderType.TRAILING_STOP_LIMIT
buy 1 1@100
sell 2 1@100
sell 3 5@~2 trail=1 <> sell 3 5@2 stop=1
buy 4 1@99
sell 5 1@99

= OrderType.PEG_PRIMARY
buy 1 5@100 order_type=9 <> buy 1 5@100

= OrderType.PEG_MARKET
buy 1 5@100 order_type=10 <> buy 1 5@100

= OrderType.PEG_MID
buy 1 5@100 order_type=11 <> buy 1 5@100

= TIF.DAY
buy 1 5@100 day <> buy 1 5@100
phase CLOSED

= TIF.GTC
buy 1 5@100 gtc <> buy 1 5@100 day
phase CLOSED

= TIF.AUCTION
sell 1 5@100
buy 2 5@100 auction <> buy 2 5@100

= TIF.IOC
buy 1 5@100 ioc <> buy 1 5@100

= TIF.FOK
sell 1 3@100
buy 2 5@100 fok <> buy 2 5@100 ioc

= TIF.GTD
buy 1 5@100 gtd until=3 <> buy 1 5@100 until=3
clock at=3s

= STP.DEFAULT
set STP 1
sell 1 5@100 account=7
buy 2 5@100 account=7 stp-default <> buy 2 5@100 account=7 stp-allow

= STP.CANCEL_TAKER
sell 1 5@100 account=7
buy 2 5@100 account=7 stp-cancel_taker <> buy 2 5@100 account=7 stp-cancel_both

= STP.CANCEL_MAKER
sell 1 5@100 account=7
buy 2 5@100 account=7 stp-cancel_maker <> buy 2 5@100 account=7 stp-cancel_both

= STP.CANCEL_BOTH
sell 1 5@100 account=7
buy 2 4@100 account=7 stp-cancel_both <> buy 2 4@100 account=7 stp-decrement

= STP.DECREMENT
sell 1 5@100 account=7
buy 2 4@100 account=7 stp-decrement <> buy 2 4@100 account=7 stp-cancel_taker

= STP.ALLOW
set STP 1
sell 1 5@100 account=7
buy 2 5@100 account=7 stp-allow <> buy 2 5@100 account=7

= Flag.POST_ONLY
sell 1 5@100
buy 2 5@100 post <> buy 2 5@100

= Flag.POST_ONLY_SLIDE
sell 1 5@100
buy 2 5@100 slide <> buy 2 5@100

= Flag.HIDDEN
sell 1 5@100 hidden <> sell 1 5@100
sell 2 5@100
buy 3 5@100

= Flag.QUOTE_QUANTITY
sell 1 5@100
buy 2 300@market spend <> buy 2 300@market

= Flag.ALL_OR_NONE
sell 1 5@100
buy 2 6@100 aon <> buy 2 6@100

= Flag.ICEBERG
sell 1 5@100 peak=2 <> sell 1 5@100 slot=2
buy 2 3@100

= Flag.MINIMUM
sell 1 2@100
buy 2 5@100 min=3 <> buy 2 5@100 slot=3

= Flag.OCO
sell 1 5@110
buy 2 5@90 oco=1 <> buy 2 5@90 slot=1
cancel 1

= Flag.ON_FILL
buy 1 5@100
sell 2 5@100 parent=1 <> sell 2 5@100 slot=1

= Phase.PRE_OPEN
phase PRE_OPEN <> phase CONTINUOUS
buy 1 5@100
sell 2 5@100

= Phase.AUCTION
phase AUCTION <> phase POST_ONLY
buy 1 5@100
sell 2 5@100

= Phase.CONTINUOUS
phase CONTINUOUS <> phase POST_ONLY
buy 1 5@100
sell 2 5@100

= Phase.POST_ONLY
phase POST_ONLY <> phase HALTED
buy 1 5@100
sell 2 5@100

= Phase.CANCEL_ONLY
buy 1 5@100
phase CANCEL_ONLY <> phase CLOSED
cancel 1

= Phase.HALTED
phase HALTED <> phase AUCTION
buy 1 5@100

= Phase.CLOSED
buy 1 5@100
phase CLOSED <> phase HALTED
cancel 1

= Parameter.MIN_PRICE
set MIN_PRICE 101 <> set MIN_PRICE 100
buy 1 5@100

= Parameter.MAX_PRICE
set MAX_PRICE 99 <> set MAX_PRICE 100
buy 1 5@100

= Parameter.MIN_QUANTITY
set MIN_QUANTITY 6 <> set MIN_QUANTITY 5
buy 1 5@100

= Parameter.MAX_QUANTITY
set MAX_QUANTITY 4 <> set MAX_QUANTITY 5
buy 1 5@100

= Parameter.MIN_NOTIONAL
set MIN_NOTIONAL 501 <> set MIN_NOTIONAL 500
buy 1 5@100

= Parameter.MAX_NOTIONAL
set MAX_NOTIONAL 499 <> set MAX_NOTIONAL 500
buy 1 5@100

= Parameter.ORDERS_PER_ACCOUNT
set ORDERS_PER_ACCOUNT 1 <> set ORDERS_PER_ACCOUNT 2
buy 1 5@100 account=7
buy 2 5@100 account=7

= Parameter.STP
set STP 2 <> set STP 1
sell 1 5@100 account=7
buy 2 5@100 account=7

= Parameter.MATCHING
set MATCHING 2 <> set MATCHING 1
sell 1 5@100
sell 2 5@100
buy 3 4@100

= Parameter.TOP_ORDER
set TOP_ORDER 1 <> set TOP_ORDER 0
set MATCHING 2
sell 1 3@100
sell 2 5@100
buy 3 4@100

= Parameter.MIN_ALLOCATION
set MIN_ALLOCATION 3 <> set MIN_ALLOCATION 2
set MATCHING 2
sell 1 5@100
sell 2 5@100
buy 3 4@100

= Parameter.COLLAR
set COLLAR 1 <> set COLLAR 2
sell 1 1@100
sell 2 1@102
buy 3 2@market

= Parameter.STATIC_BAND
set STATIC_BAND 1 <> set STATIC_BAND 2
sell 1 1@2
buy 2 1@2

= Parameter.STATIC_REFERENCE
set STATIC_REFERENCE 100 <> set STATIC_REFERENCE 99
set STATIC_BAND 1
sell 1 1@101
buy 2 1@101

= Parameter.DYNAMIC_BAND
set DYNAMIC_BAND 1 <> set DYNAMIC_BAND 2
sell 1 1@100
sell 2 1@102
buy 3 1@100
buy 4 1@102

= Parameter.BAND_ACTION
set BAND_ACTION 2 <> set BAND_ACTION 1
set STATIC_BAND 1
sell 1 1@2
buy 2 1@2
cancel 2

= Parameter.AUCTION_SECONDS
set AUCTION_SECONDS 3 <> set AUCTION_SECONDS 4
set BAND_ACTION 2
set STATIC_BAND 1
sell 1 1@2
buy 2 1@2
clock at=3s

= field.reserved
buy 1 5@100 reserved=1 <> buy 1 5@100

= field.account
buy 1 5@100 account=7
cancel 1 account=8 <> cancel 1

= field.expires
buy 1 5@100 gtd until=3 <> buy 1 5@100 gtd until=4
clock at=3s

= field.order_id
buy 1 5@100
cancel 1 <> cancel 2

= field.price
sell 1 5@100
buy 2 5@100 <> buy 2 5@99

= field.quantity
sell 1 5@100
buy 2 5@100 <> buy 2 4@100

= field.trigger
buy 1 1@100
sell 2 1@100
buy 3 5@90 stop=100 <> buy 3 5@90 stop=101

= field.timestamp
buy 1 5@100 gtd until=3
sell 2 5@100 at=3s <> sell 2 5@100 at=2s

= field.slot
sell 1 5@100 peak=2 <> sell 1 5@100 peak=3
buy 2 2@100

= given.max_orders
given max_orders=1 <> given max_orders=2
buy 1 5@100
buy 2 5@100
"""

FIELD_OF = {
    Kind: "kind",
    Side: "side",
    OrderType: "order_type",
    TIF: "tif",
    STP: "stp",
    Flag: "flags",
    Phase: "order_type",
    Parameter: "order_id",
}
TABLE = dict(scenarios(INPUTS))
VALUES = {f"{enum.__name__}.{value.name}": value for enum in FIELD_OF for value in enum}
FIELDS = [name for name in COMMAND.names if name not in FIELD_OF.values() or name == "order_id"]
ECHOES = (EventKind.ACCEPTED, EventKind.PHASE_CHANGED, EventKind.PARAMETER_SET)


def halves(title):
    """The two halves of the line that has two."""
    (line,) = [line for _, line, _ in TABLE[title] if " <> " in line]
    return line.split(" <> ")


def tellings(title):
    """The lines of the scenario, with the one half and with the other."""
    for half in halves(title):
        yield [half if " <> " in line else line for _, line, _ in TABLE[title]]


def effects(make, lines):
    """What the lines cause, in words, without what only repeats them."""
    parameters, rows = given([(0, line, "") for line in lines])
    book = make(**parameters)
    events = np.concatenate([book.process(command(line)) for _, line, _ in rows])
    return [told(e) for e in events if e["kind"] not in ECHOES]


def changed(title):
    """The fields in which the two commands differ."""
    one, other = (command(half)[0] for half in halves(title))
    return {name for name in COMMAND.names if one[name] != other[name]}


def test_every_value_and_every_field_has_its_scenario():
    assert [*TABLE] == [*VALUES, *(f"field.{name}" for name in FIELDS), "given.max_orders"]


@pytest.mark.parametrize("title", TABLE)
def test_this_value_alone_changes_what_happens(make, title):
    one, other = (effects(make, lines) for lines in tellings(title))
    assert one != other


@pytest.mark.parametrize("title", VALUES)
def test_the_two_commands_differ_in_that_value_alone(title):
    value, field = VALUES[title], FIELD_OF[type(VALUES[title])]
    one, other = (int(command(half)[0][field]) for half in halves(title))
    assert (one ^ other if isinstance(value, Flag) else one) == value
    # Of a parameter it is the value that differs.
    assert changed(title) == {"price" if isinstance(value, Parameter) else field}


@pytest.mark.parametrize("field", FIELDS)
def test_the_two_commands_differ_in_that_field_alone(field):
    assert changed(f"field.{field}") == {field}


@pytest.mark.parametrize("parameter", Parameter)
def test_a_parameter_is_also_a_keyword(make, parameter):
    for half, *rest in tellings(f"Parameter.{parameter.name}"):
        keyword = f"given {parameter.name.lower()}={half.split()[-1]}"
        assert effects(make, [half, *rest]) == effects(make, [keyword, *rest])


@pytest.mark.parametrize("peg", [OrderType.PEG_PRIMARY, OrderType.PEG_MARKET, OrderType.PEG_MID])
def test_pegs_are_reserved(make, peg):
    assert effects(make, halves(f"OrderType.{peg.name}")[:1]) == ["rejected UNSUPPORTED"]


# -- what comes out -------------------------------------------------------------------------------

REFUSALS = {reason for reason in Reason if reason <= Reason.MINIMUM}
AT_ENTRY = {Reason.PHASE, Reason.PRICE_RANGE, Reason.WOULD_TRADE, Reason.FOK, Reason.MINIMUM}
FILES = sorted(Path(__file__).with_name("scenarios").glob("*.txt"))


@pytest.fixture(scope="module", params=[pt.Book, Twin])
def seen(request):
    """All events of all scenarios, and every (state, marks) in which an order was seen."""
    events, stands = [], set()
    for file in FILES:
        for _, told_rows in scenarios(file.read_text("utf-8")):
            parameters, rows = given(told_rows)
            book = request.param(**parameters)
            for _, line, _ in rows:
                if line not in VIEWS:
                    events.append(book.process(command(line)))
                    stands |= {(r["state"], r["marks"]) for r in book.orders(hidden=True)}
    return np.concatenate(events), stands


def values(events, name, **only):
    """The values of a field in the events that have these others."""
    for field, value in only.items():
        events = events[events[field] == value]
    return set(events[name].tolist())


def test_every_event_is_seen(seen):
    events, _ = seen
    assert values(events, "kind") == set(EventKind)
    marks = values(events, "flags")
    assert all(any(flag & mark for mark in marks) for flag in EventFlag)
    assert {0, *EventFlag} >= {mark & ~EventFlag.LAST for mark in marks}
    assert values(events, "detail", kind=EventKind.PHASE_CHANGED) == set(Phase)
    assert values(events, "order_id", kind=EventKind.PARAMETER_SET) == set(Parameter)


def test_every_reason_is_seen_where_it_may_be(seen):
    events, _ = seen
    assert values(events, "reason", kind=EventKind.REJECTED) == REFUSALS
    gone = set(Reason) - REFUSALS | AT_ENTRY | {Reason.EXPIRED, Reason.CAPACITY}
    assert values(events, "reason", kind=EventKind.CANCELLED) == gone
    assert values(events, "reason", kind=EventKind.AMENDED) == {0, Reason.SELF_TRADE}


def test_every_state_and_every_mark_is_seen(seen):
    _, stands = seen
    assert {state for state, _ in stands} == set(OrderState)
    assert all(any(mark & marks for _, marks in stands) for mark in Mark)
    assert all(marks <= sum(Mark) for _, marks in stands)


STATUSES = {
    Status.REJECTED: lambda book: book.limit(Side.BUY, 100, 4, tif=TIF.FOK),
    Status.RESTING: lambda book: book.limit(Side.BUY, 99, 4),
    Status.PARTIAL: lambda book: book.limit(Side.BUY, 100, 4),
    Status.FILLED: lambda book: book.limit(Side.BUY, 100, 3),
    Status.CANCELLED: lambda book: book.market(Side.BUY, 4),
    Status.DONE: lambda book: book.clock(1),
}


@pytest.mark.parametrize("status", Status)
def test_every_status_is_seen(status):
    book = pt.Book()
    book.limit(Side.SELL, 100, 3)
    assert STATUSES[status](book).status == status
