"""The book's API, a call at a time: what each answers, what it leaves, what it refuses."""

import copy
from decimal import Decimal

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from model.tapes import PROFILES, tape
from pricetime import (
    BOUND,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Status,
    Trade,
)
from pricetime.records import OrderState

BUY, SELL = pt.Side.BUY, pt.Side.SELL
SECOND = 10**9  # ns
LAST_ID = 2**64 - 1
NO_INTS = (1.0, np.float64(1.0), "1", b"1", Decimal(1), True, np.True_, [1])


@pytest.fixture
def book():
    """Sells 1 and 2 (5 each at 101), 3 (5 at 102); buys 4 (5 at 99), 5 (5 at 98); account = id."""
    book = pt.Book()
    for side, price in ((SELL, 101), (SELL, 101), (SELL, 102), (BUY, 99), (BUY, 98)):
        book.limit(side, price, 5, account=len(book) + 1)
    return book


def outcome(result):
    return result.status, result.filled, result.remaining, result.reason


def kinds(result):
    return [EventKind(int(kind)) for kind in result.events["kind"]]


def ids(rows):
    return rows["order_id"].tolist()


# -- what becomes of an order ---------------------------------------------------------------------


def test_order_that_meets_nobody_rests(book):
    assert outcome(book.limit(BUY, 100, 7)) == (Status.RESTING, 0, 7, None)


def test_order_that_trades_a_part_and_rests_is_partial(book):
    assert outcome(book.limit(BUY, 101, 12)) == (Status.PARTIAL, 10, 2, None)


def test_order_that_trades_all_is_filled(book):
    assert outcome(book.limit(BUY, 102, 12)) == (Status.FILLED, 12, 0, None)


def test_what_is_left_of_ioc_is_cancelled(book):
    result = book.limit(BUY, 101, 12, tif=TIF.IOC)
    assert outcome(result) == (Status.CANCELLED, 10, 0, Reason.IOC)


def test_what_is_left_of_a_market_order_is_cancelled(book):
    assert outcome(book.market(BUY, 20)) == (Status.CANCELLED, 15, 0, Reason.NO_LIQUIDITY)


def test_market_order_that_trades_all_is_filled(book):
    assert outcome(book.market(SELL, 7)) == (Status.FILLED, 7, 0, None)


def test_fok_trades_all(book):
    assert outcome(book.limit(BUY, 102, 15, tif=TIF.FOK)) == (Status.FILLED, 15, 0, None)


def test_self_trade_cancels_what_is_left_of_the_taker(book):
    result = book.limit(BUY, 101, 12, account=2, stp=STP.CANCEL_TAKER)
    assert outcome(result) == (Status.CANCELLED, 5, 0, Reason.SELF_TRADE)


def test_self_trade_that_cancels_the_maker_leaves_the_taker(book):
    result = book.limit(BUY, 101, 12, account=2, stp=STP.CANCEL_MAKER)
    assert outcome(result) == (Status.PARTIAL, 5, 7, None)


def test_taker_that_only_lost_lots_to_self_trade_is_resting(book):
    result = book.limit(BUY, 101, 12, account=1, stp=STP.DECREMENT, tif=TIF.GTC)
    assert outcome(result) == (Status.PARTIAL, 5, 2, None)
    alone = pt.Book()
    alone.limit(SELL, 100, 5, account=1)
    result = alone.limit(BUY, 100, 6, account=1, stp=STP.DECREMENT)
    assert outcome(result) == (Status.RESTING, 0, 1, None)


def test_taker_that_decrements_to_nothing_is_cancelled():
    book = pt.Book(stp=STP.DECREMENT)
    book.limit(SELL, 100, 5, account=1)
    result = book.limit(BUY, 100, 5, account=1)
    assert outcome(result) == (Status.CANCELLED, 0, 0, Reason.SELF_TRADE)


def test_rest_that_would_overflow_its_level_is_cancelled():
    book = pt.Book()
    book.limit(BUY, 100, BOUND - 1)
    assert outcome(book.limit(BUY, 100, 1)) == (Status.CANCELLED, 0, 0, Reason.CAPACITY)


def test_slide_rests_a_tick_short(book):
    result = book.limit(BUY, 105, 5, flags=Flag.POST_ONLY_SLIDE)
    assert outcome(result) == (Status.RESTING, 0, 5, None)
    assert book.best_bid == 100


def test_post_only_that_does_not_trade_rests(book):
    result = book.limit(BUY, 100, 5, flags=Flag.POST_ONLY)
    assert outcome(result) == (Status.RESTING, 0, 5, None)


def test_gtd_leaves_at_its_second(book):
    result = book.limit(BUY, 100, 5, tif=TIF.GTD, expires=10)
    assert outcome(result) == (Status.RESTING, 0, 5, None)
    book.clock(10 * SECOND - 1)
    assert result.order_id in ids(book.orders())
    event = book.clock(10 * SECOND).events[0]
    assert (event["order_id"], event["reason"]) == (result.order_id, Reason.EXPIRED)
    assert result.order_id not in ids(book.orders())


# -- refusals -------------------------------------------------------------------------------------

GTD, FOK, POST = TIF.GTD, TIF.FOK, Flag.POST_ONLY
REFUSED = {  # the reason, parameters that bring it about in the book above, the call
    "no id": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, order_id=0)),
    "no side": (Reason.MALFORMED, {}, lambda b: b.limit(0, 100, 1)),
    "price": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, BOUND, 1)),
    "quantity": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 0)),
    "both post-only": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, flags=3)),
    "tif 5": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, tif=5)),
    "stp 6": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, stp=6)),
    "no phase": (Reason.MALFORMED, {}, lambda b: b.phase(0)),
    "no parameter": (Reason.MALFORMED, {}, lambda b: b.set(0, 1)),
    "value": (Reason.MALFORMED, {}, lambda b: b.set(Parameter.MIN_QUANTITY, 0)),
    "cancel 0": (Reason.MALFORMED, {}, lambda b: b.cancel(0)),
    "mass side": (Reason.MALFORMED, {}, lambda b: b.mass_cancel(side=3)),
    "peak": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, peak=2)),
    "link to itself": (Reason.MALFORMED, {}, lambda b: b.limit(BUY, 100, 1, order_id=9, oco=9)),
    "no offset": (Reason.MALFORMED, {}, lambda b: b.trailing_stop(BUY, 0, 1)),
    "nobody's quote": (Reason.MALFORMED, {}, lambda b: b.quote(0, (90, 1))),
    "nobody's switch": (Reason.MALFORMED, {}, lambda b: b.arm(0, 9)),
    "peg": (Reason.UNSUPPORTED, {}, lambda b: b.replace(1, BUY, 100, 1, order_type=9)),
    "uncross": (Reason.PHASE, {}, lambda b: b.uncross()),
    "unknown": (Reason.UNKNOWN_ORDER, {}, lambda b: b.cancel(77)),
    "unknown amend": (Reason.UNKNOWN_ORDER, {}, lambda b: b.amend(77, price=5)),
    "unknown replace": (Reason.UNKNOWN_ORDER, {}, lambda b: b.replace(77, BUY, 100, 1)),
    "owner": (Reason.NOT_OWNER, {}, lambda b: b.cancel(1, account=2)),
    "owner amend": (Reason.NOT_OWNER, {}, lambda b: b.amend(1, quantity=1, account=2)),
    "live id": (Reason.DUPLICATE_ID, {}, lambda b: b.limit(BUY, 100, 1, order_id=1)),
    "live new id": (Reason.DUPLICATE_ID, {}, lambda b: b.replace(1, SELL, 103, 1, new_id=2)),
    "price range": (Reason.PRICE_RANGE, {"max_price": 102}, lambda b: b.limit(BUY, 103, 1)),
    "too few": (Reason.QUANTITY_RANGE, {"min_quantity": 2}, lambda b: b.limit(BUY, 100, 1)),
    "too many": (Reason.QUANTITY_RANGE, {"max_quantity": 5}, lambda b: b.market(BUY, 6)),
    "notional": (Reason.NOTIONAL_RANGE, {"max_notional": 510}, lambda b: b.limit(BUY, 100, 6)),
    "expired": (Reason.EXPIRED, {}, lambda b: b.limit(BUY, 100, 1, tif=GTD, expires=0)),
    "account": (
        Reason.TOO_MANY_ORDERS,
        {"orders_per_account": 1},
        lambda b: b.limit(BUY, 100, 1, account=3),
    ),
    "capacity": (Reason.CAPACITY, {"max_orders": 5}, lambda b: b.limit(BUY, 100, 1)),
    "post-only": (Reason.WOULD_TRADE, {}, lambda b: b.limit(BUY, 101, 1, flags=POST)),
    "quote": (Reason.WOULD_TRADE, {}, lambda b: b.quote(9, (101, 1))),
    "link": (Reason.LINK_GONE, {}, lambda b: b.limit(BUY, 100, 1, oco=77)),
    "parent": (Reason.LINK_GONE, {}, lambda b: b.limit(BUY, 100, 1, parent=1, account=2)),
    "minimum": (Reason.MINIMUM, {}, lambda b: b.limit(BUY, 101, 20, minimum=11)),
    "fok": (Reason.FOK, {}, lambda b: b.limit(BUY, 101, 11, tif=FOK)),
    "fok market": (Reason.FOK, {}, lambda b: b.market(BUY, 16, tif=FOK)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(book, case):
    reason, parameters, call = REFUSED[case]
    guarded = pt.Book(**parameters)
    for row in np.sort(book.orders(), order="order_id"):
        guarded.limit(row["side"], row["price"], row["quantity"], account=row["account"])
    before = guarded.state_hash()
    result = call(guarded)
    assert outcome(result) == (Status.REJECTED, 0, 0, reason)
    assert kinds(result) == [EventKind.REJECTED]
    assert guarded.state_hash() == before


@pytest.mark.parametrize("phase", [Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED])
def test_phase_refuses_orders(book, phase):
    assert book.phase(phase).status == Status.DONE
    for result in (book.limit(BUY, 1, 1), book.amend(1, price=105), book.replace(1, BUY, 1, 1)):
        assert outcome(result) == (Status.REJECTED, 0, 0, Reason.PHASE)


def test_every_reason_to_refuse_is_tried():
    tried = {reason for reason, _, _ in REFUSED.values()}
    assert tried == {reason for reason in Reason if reason < Reason.USER}


# -- the result -----------------------------------------------------------------------------------


def test_trades_are_told_in_their_order(book):
    assert book.limit(BUY, 102, 12).trades == (
        Trade(maker_id=1, maker_account=1, price=101, quantity=5),
        Trade(maker_id=2, maker_account=2, price=101, quantity=5),
        Trade(maker_id=3, maker_account=3, price=102, quantity=2),
    )


def test_trades_are_empty_where_nothing_traded(book):
    assert book.limit(BUY, 100, 1).trades == ()


def test_events_are_the_commands_and_end_with_last(book):
    events = book.limit(BUY, 101, 7, timestamp=5).events
    assert events.dtype == pt.EVENT
    assert [EventKind(int(kind)).name for kind in events["kind"]] == ["ACCEPTED", "TRADE", "TRADE"]
    assert events["command"].tolist() == [book.commands] * 3
    assert events["sequence"].tolist() == [6, 7, 8]
    assert events["flags"].tolist() == [0, 0, EventFlag.LAST]


def test_events_of_a_result_cannot_be_written_to(book):
    assert not book.limit(BUY, 100, 1).events.flags.writeable


def test_result_stays_as_it_is_when_the_book_goes_on(book):
    result = book.limit(BUY, 101, 12)
    before = outcome(result), result.trades, result.events.tobytes()
    book.mass_cancel()
    del book
    assert (outcome(result), result.trades, result.events.tobytes()) == before


def test_result_of_a_long_sweep_has_all_of_it():
    book = pt.Book()
    for _ in range(500):
        book.limit(SELL, 100, 1)
    result = book.limit(BUY, 100, 501)
    assert outcome(result) == (Status.PARTIAL, 500, 1, None)
    assert [trade.maker_id for trade in result.trades] == list(range(1, 501))


def test_expiries_before_a_command_are_no_part_of_its_outcome(book):
    book.limit(BUY, 97, 5, tif=TIF.GTD, expires=10)
    result = book.limit(BUY, 101, 5, timestamp=10 * SECOND)
    assert kinds(result) == [EventKind.CANCELLED, EventKind.ACCEPTED, EventKind.TRADE]
    assert outcome(result) == (Status.FILLED, 5, 0, None)


def test_result_is_about_the_new_order_where_one_with_its_id_expired_first(book):
    book.limit(BUY, 97, 5, order_id=50, tif=TIF.GTD, expires=10)
    result = book.limit(BUY, 101, 12, order_id=50, timestamp=10 * SECOND)
    assert outcome(result) == (Status.PARTIAL, 10, 2, None)


def test_repr_of_a_result_says_what_became_of_it(book):
    assert repr(book.limit(BUY, 101, 7)) == "Result(FILLED, order_id=6, filled=7, remaining=0)"
    assert repr(book.cancel(77)) == (
        "Result(REJECTED, order_id=77, filled=0, remaining=0, reason=UNKNOWN_ORDER)"
    )


def test_results_come_from_books_alone():
    with pytest.raises(TypeError):
        pt.Result()


def test_numbers_of_a_result_are_plain_ints(book):
    result = book.limit(BUY, 101, 7)
    numbers = [result.order_id, result.filled, result.remaining, *result.trades[0]]
    assert {type(number) for number in numbers} == {int}


# -- ids ------------------------------------------------------------------------------------------


def test_first_free_id_is_1():
    assert pt.Book().limit(BUY, 100, 1).order_id == 1


def test_next_id_follows_the_highest_so_far(book):
    book.limit(BUY, 90, 1, order_id=1000)
    book.limit(BUY, 90, 1, order_id=500)
    assert book.limit(BUY, 90, 1).order_id == 1001


def test_next_id_is_not_one_that_was_used(book):
    book.cancel(book.limit(BUY, 90, 1).order_id)
    assert book.limit(BUY, 90, 1).order_id == 7


def test_order_that_trades_at_once_uses_its_id(book):
    assert book.market(BUY, 1).order_id == 6
    assert book.market(BUY, 1).order_id == 7


def test_id_of_a_refused_order_is_still_free(book):
    book.limit(BUY, 101, 100, tif=TIF.FOK, order_id=900)
    assert book.limit(BUY, 90, 1).order_id == 6


def test_replace_without_an_id_takes_the_next(book):
    assert book.replace(4, BUY, 97, 1).order_id == 6


def test_after_the_last_id_the_lowest_free_one_is_next(book):
    assert book.limit(BUY, 90, 1, order_id=LAST_ID).order_id == LAST_ID
    assert book.limit(BUY, 90, 1).order_id == 6
    book.cancel(2)
    assert book.limit(BUY, 90, 1).order_id == 2
    assert book.replace(4, BUY, 97, 1).order_id == 7


def test_last_id_is_an_id_like_any_other(book):
    book.limit(BUY, 90, 1, order_id=LAST_ID)
    assert int(book.order(LAST_ID)["order_id"]) == LAST_ID
    assert book.cancel(LAST_ID).status == Status.CANCELLED


def test_an_id_may_come_again_when_it_is_free(book):
    book.cancel(1)
    assert book.limit(SELL, 101, 1, order_id=1).status == Status.RESTING


# -- cancel, amend, replace -----------------------------------------------------------------------


def test_cancel(book):
    result = book.cancel(1)
    assert (outcome(result), result.order_id) == ((Status.CANCELLED, 0, 0, Reason.USER), 1)
    assert book.order(1) is None


def test_owner_may_cancel(book):
    assert book.cancel(2, account=2).status == Status.CANCELLED


def test_amend_down_keeps_priority(book):
    assert outcome(book.amend(1, quantity=3)) == (Status.RESTING, 0, 3, None)
    assert book.market(BUY, 1).trades[0].maker_id == 1


def test_amend_up_loses_priority(book):
    assert outcome(book.amend(1, quantity=6)) == (Status.RESTING, 0, 6, None)
    assert book.market(BUY, 1).trades[0].maker_id == 2


def test_amend_of_the_price_alone_keeps_the_quantity(book):
    book.amend(1, quantity=4)
    assert outcome(book.amend(1, price=103)) == (Status.RESTING, 0, 4, None)
    assert [int(book.order(1)[name]) for name in ("price", "quantity")] == [103, 4]


def test_amend_of_the_quantity_alone_keeps_the_price(book):
    book.amend(3, quantity=9)
    assert [int(book.order(3)[name]) for name in ("price", "quantity")] == [102, 9]


def test_amend_counts_what_has_traded(book):
    book.market(BUY, 2)
    assert outcome(book.amend(1, quantity=4)) == (Status.RESTING, 0, 2, None)


def test_amend_of_the_price_alone_keeps_the_total_of_a_traded_order(book):
    book.market(BUY, 2)
    assert outcome(book.amend(1, price=103)) == (Status.RESTING, 0, 3, None)
    assert int(book.order(1)["quantity"]) == 5


def test_amend_to_what_has_traded_cancels(book):
    book.market(BUY, 2)
    assert outcome(book.amend(1, quantity=2)) == (Status.CANCELLED, 0, 0, Reason.USER)


def test_amend_may_trade(book):
    assert outcome(book.amend(4, price=101)) == (Status.FILLED, 5, 0, None)
    assert outcome(book.amend(5, price=101, quantity=8)) == (Status.PARTIAL, 5, 3, None)


def test_amend_with_nothing_to_change_is_a_mistake(book):
    with pytest.raises(TypeError, match="price, a quantity or a trigger"):
        book.amend(1)
    assert book.commands == 5


def test_replace(book):
    result = book.replace(4, BUY, 100, 7, new_id=70)
    assert (outcome(result), result.order_id) == ((Status.RESTING, 0, 7, None), 70)
    assert book.order(4) is None
    assert [int(book.order(70)[name]) for name in ("price", "account")] == [100, 4]


def test_replace_may_trade(book):
    result = book.replace(4, BUY, 101, 7)
    assert outcome(result) == (Status.FILLED, 7, 0, None)
    assert [trade.maker_id for trade in result.trades] == [1, 2]


def test_refused_replace_leaves_the_old_order(book):
    result = book.replace(4, BUY, 101, 7, flags=Flag.POST_ONLY)
    assert outcome(result) == (Status.REJECTED, 0, 0, Reason.WOULD_TRADE)
    assert book.order(4) is not None


# -- the other commands ---------------------------------------------------------------------------


def test_replace_keeps_what_is_not_given():
    book = pt.Book()
    book.limit(SELL, 105, 9, order_id=1, account=7)
    book.limit(BUY, 105, 2)
    result = book.replace(1, price=104)
    row = book.order(result.order_id)
    assert (row["side"], row["price"], row["quantity"], row["account"]) == (SELL, 104, 7, 7)
    assert (row.side, row.price, row.quantity, row.account) == (SELL, 104, 7, 7)
    assert book.replace(77, price=104).reason == Reason.UNKNOWN_ORDER


def test_mass_cancel_takes_all(book):
    result = book.mass_cancel()
    assert (outcome(result), result.order_id) == ((Status.DONE, 0, 0, None), 0)
    assert ids(result.events) == [1, 2, 3, 4, 5]
    assert set(result.events["reason"]) == {Reason.MASS}
    assert len(book) == 0


def test_mass_cancel_by_side(book):
    assert ids(book.mass_cancel(side=BUY).events) == [4, 5]


def test_mass_cancel_by_account_and_side(book):
    book.limit(BUY, 97, 1, account=3)
    book.limit(SELL, 110, 1, account=3)
    assert ids(book.mass_cancel(account=3, side=SELL).events) == [3, 7]


def test_mass_cancel_that_finds_nothing_is_done(book):
    result = book.mass_cancel(account=77)
    assert (result.status, kinds(result)) == (Status.DONE, [EventKind.ACKNOWLEDGED])


def test_phase(book):
    assert book.current_phase is Phase.CONTINUOUS
    assert outcome(book.phase(Phase.HALTED)) == (Status.DONE, 0, 0, None)
    assert book.current_phase is Phase.HALTED


def test_day_orders_go_when_the_book_closes(book):
    order_id = book.limit(BUY, 97, 1, tif=TIF.DAY).order_id
    result = book.phase(Phase.CLOSED)
    assert kinds(result) == [EventKind.PHASE_CHANGED, EventKind.CANCELLED]
    assert (result.status, ids(result.events)) == (Status.DONE, [0, order_id])


def test_clock(book):
    result = book.clock(5 * SECOND)
    assert (outcome(result), kinds(result)) == (
        (Status.DONE, 0, 0, None),
        [EventKind.ACKNOWLEDGED],
    )
    assert book.timestamp == 5 * SECOND


def test_time_does_not_go_back(book):
    book.clock(5 * SECOND)
    assert book.limit(BUY, 100, 1, timestamp=3 * SECOND).events["timestamp"][0] == 5 * SECOND
    assert book.timestamp == 5 * SECOND


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.limit(BUY, 100, 1, timestamp=7),
        lambda b: b.market(BUY, 1, timestamp=7),
        lambda b: b.cancel(1, timestamp=7),
        lambda b: b.amend(1, quantity=1, timestamp=7),
        lambda b: b.replace(1, SELL, 105, 1, timestamp=7),
        lambda b: b.mass_cancel(timestamp=7),
        lambda b: b.phase(Phase.HALTED, timestamp=7),
        lambda b: b.stop(BUY, 105, 1, timestamp=7),
        lambda b: b.take_profit(BUY, 105, 1, timestamp=7),
        lambda b: b.trailing_stop(BUY, 5, 1, timestamp=7),
        lambda b: b.spend(BUY, 500, timestamp=7),
        lambda b: b.quote(1, (90, 1), timestamp=7),
        lambda b: b.arm(1, 9, timestamp=7),
        lambda b: b.uncross(timestamp=7),
        lambda b: b.clock(7),
        lambda b: b.set(Parameter.MIN_PRICE, 1, timestamp=7),
    ],
)
def test_every_call_takes_the_time(book, call):
    assert set(call(book).events["timestamp"].tolist()) == {7}
    assert book.timestamp == 7


def test_set(book):
    assert outcome(book.set(Parameter.MAX_PRICE, 50)) == (Status.DONE, 0, 0, None)
    assert book.parameters["max_price"] == 50
    assert len(book) == 5


SLOTS = {Flag.ICEBERG: "peak", Flag.MINIMUM: "minimum", Flag.OCO: "oco", Flag.ON_FILL: "parent"}
WATCHING = {  # types that end as limit orders, what their method is, and how their price is called
    OrderType.STOP_LIMIT: ("stop", "price"),
    OrderType.TAKE_PROFIT_LIMIT: ("take_profit", "price"),
    OrderType.TRAILING_STOP_LIMIT: ("trailing_stop", "distance"),
}


def tell_new(book, c, terms):
    """A new order as a call, or None where there is no call like it."""
    order_type, side, quantity = c["order_type"], c["side"], c["quantity"]
    names = [name for flag, name in SLOTS.items() if c["flags"] & flag]
    terms = terms | {"order_id": c["order_id"], **{name: c["slot"] for name in names}}
    terms["flags"] = c["flags"] & ~np.uint16(sum(SLOTS))
    if len(names) > 1 or (names == ["peak"] and order_type == OrderType.MARKET):
        return None
    if order_type == OrderType.LIMIT:
        return book.limit(side, c["price"], quantity, **terms)
    if order_type == OrderType.MARKET:
        return book.market(side, quantity, **terms)
    for limited, (method, price) in WATCHING.items():
        if order_type in (limited, limited - 1):
            terms |= {price: c["price"]} if order_type == limited else {}
            return getattr(book, method)(side, c["trigger"], quantity, **terms)
    return None


def tell(book, c):
    """The record as a call, or None where there is no call like it."""
    at = {"timestamp": c["timestamp"]}
    by = {"account": c["account"], **at}
    terms = {name: c[name] for name in ("tif", "stp", "flags", "expires")} | by
    values = {name: c[name] for name in ("price", "quantity", "trigger")}
    kind = c["kind"]
    if kind == Kind.NEW:
        return tell_new(book, c, terms)
    if kind == Kind.CANCEL:
        return book.cancel(c["order_id"], **by)
    if kind == Kind.AMEND:
        return book.amend(c["order_id"], **values, **by)
    if kind == Kind.REPLACE:
        entry = {"side": c["side"], "order_type": c["order_type"], "new_id": c["slot"]}
        return book.replace(c["order_id"], **entry, **values, **terms)
    if kind == Kind.MASS_CANCEL:
        return book.mass_cancel(side=c["side"], **by)
    if kind == Kind.QUOTE:
        sides = (c["price"], c["quantity"]), (c["trigger"], c["slot"])
        return book.quote(c["account"], *sides, order_id=c["order_id"], **at)
    if kind == Kind.ARM:
        return book.arm(c["account"], c["expires"], **at)
    if kind == Kind.PHASE:
        return book.phase(c["order_type"], expires=c["expires"], **at)
    if kind == Kind.UNCROSS:
        return book.uncross(c["order_type"], **at)
    if kind == Kind.CLOCK:
        return book.clock(**at)
    if kind == Kind.SET:
        return book.set(c["order_id"], c["price"], **at)
    return None


@pytest.mark.parametrize("profile", PROFILES)
def test_a_call_does_what_its_record_does(profile):
    single, whole = pt.Book(max_orders=30), pt.Book(max_orders=30)
    commands = tape(7, profile, 300)
    commands["reserved"] = 0  # no call has it
    told = 0
    for i in range(len(commands)):
        if (result := tell(single, commands[i])) is not None:
            told += 1
            events = whole.process(commands[i : i + 1])
            # What a REJECTED repeats of the command may be what a call leaves at 0.
            for name in ("kind", "reason", "sequence", "command", "timestamp", "remaining"):
                assert result.events[name].tolist() == events[name].tolist()
    assert told > len(commands) // 2
    assert single.checkpoint() == whole.checkpoint()


def test_spend_is_a_market_order_by_its_value(book):
    terms = {"order_type": OrderType.MARKET, "tif": TIF.IOC, "flags": Flag.QUOTE_QUANTITY}
    same = copy.copy(book).process(orders(1, 6, price=0, quantity=615, **terms))
    result = book.spend(BUY, 615)
    assert result.events.tobytes() == same.tobytes()
    assert [trade.quantity for trade in result.trades] == [5, 1]


# -- parameters -----------------------------------------------------------------------------------

PARAMETERS = {
    "min_price": -7,
    "max_price": 1000,
    "min_quantity": 2,
    "max_quantity": 50,
    "min_notional": 10,
    "max_notional": 10**6,
    "orders_per_account": 3,
    "stp": STP.CANCEL_BOTH,
    "matching": 2,
    "top_order": 1,
    "min_allocation": 3,
    "collar": 5,
    "static_band": 50,
    "static_reference": -7,
    "dynamic_band": 9,
    "band_action": 2,
    "auction_seconds": 60,
}


def test_parameters_start_at_their_widest():
    assert pt.Book().parameters == {
        "min_price": 1 - BOUND,
        "max_price": BOUND - 1,
        "min_quantity": 1,
        "max_quantity": BOUND - 1,
        "min_notional": 0,
        "max_notional": 0,
        "orders_per_account": 0,
        "stp": STP.ALLOW,
        "matching": 1,
        "top_order": 0,
        "min_allocation": 1,
        "collar": 0,
        "static_band": 0,
        "static_reference": 0,
        "dynamic_band": 0,
        "band_action": 1,
        "auction_seconds": 300,
    }


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_as_a_keyword(name):
    assert pt.Book(**{name: PARAMETERS[name]}).parameters == {
        **pt.Book().parameters,
        name: PARAMETERS[name],
    }


@pytest.mark.parametrize("name", PARAMETERS)
def test_keyword_is_the_same_as_set(name):
    book = pt.Book()
    assert book.set(Parameter[name.upper()], PARAMETERS[name]).status == Status.DONE
    assert book.state_hash() == pt.Book(**{name: PARAMETERS[name]}).state_hash()


def test_all_parameters_together():
    assert {**pt.Book().parameters, **PARAMETERS} == pt.Book(**PARAMETERS).parameters


def test_max_orders_as_a_keyword():
    assert pt.Book(max_orders=12).max_orders == 12
    assert pt.Book().max_orders == 2**31 - 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_orders": -1},
        {"max_orders": 2**31},
        {"min_price": -BOUND},
        {"max_price": BOUND},
        {"max_price": 2**64},
        {"min_quantity": 0},
        {"max_quantity": 0},
        {"max_quantity": BOUND},
        {"min_notional": -1},
        {"max_notional": -1},
        {"orders_per_account": -1},
        {"stp": STP.DEFAULT},
        {"stp": 6},
        {"matching": 3},
        {"top_order": 2},
        {"min_allocation": 0},
        {"collar": -1},
        {"static_band": -1},
        {"static_reference": BOUND},
        {"dynamic_band": -1},
        {"band_action": 0},
        {"auction_seconds": 0},
        {"min_price": 5, "max_price": 4},
        {"min_quantity": 5, "max_quantity": 4},
        {"min_notional": 5, "max_notional": 4},
    ],
)
def test_impossible_parameter_is_refused_by_name_and_value(parameters):
    name, value = list(parameters.items())[-1]
    with pytest.raises(ValueError, match=rf"{name}.* {int(value)}\b"):
        pt.Book(**parameters)


@pytest.mark.parametrize("name", ["max_orders", *PARAMETERS])
def test_parameter_that_is_no_int_is_refused(name):
    for value in NO_INTS:
        with pytest.raises(TypeError) as caught:
            pt.Book(**{name: value})
        assert f"{name} {value!r}" in str(caught.value)
        assert "pass an int" in str(caught.value)


def test_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="tick_size"):
        pt.Book(tick_size=1)


def test_parameters_are_keywords_only():
    with pytest.raises(TypeError):
        pt.Book(5)


def test_book_in_use_cannot_be_begun_anew(book):
    with pytest.raises(RuntimeError, match="make a new one"):
        book.__init__(max_orders=3)
    assert (len(book), book.max_orders) == (5, 2**31 - 1)


# -- views ----------------------------------------------------------------------------------------


def test_best_prices(book):
    assert (book.best_bid, book.best_ask) == (99, 101)


def test_best_prices_of_an_empty_book_are_none():
    assert (pt.Book().best_bid, pt.Book().best_ask) == (None, None)


def test_depth(book):
    assert book.bids().dtype == book.asks().dtype == pt.LEVEL
    assert book.bids().tolist() == [(99, 5, 1), (98, 5, 1)]
    assert book.asks().tolist() == [(101, 10, 2), (102, 5, 1)]


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 2**31, 2**62, np.int64(1)])
def test_depth_is_cut_to_so_many_levels(book, depth):
    assert book.bids(depth).tolist() == book.bids().tolist()[:depth]
    assert book.asks(depth).tolist() == book.asks().tolist()[:depth]


def test_depth_none_is_all(book):
    assert book.asks(None).tolist() == book.asks().tolist()


@pytest.mark.parametrize("depth", [-1, -(2**63)])
def test_negative_depth_is_refused(book, depth):
    for levels in (book.bids, book.asks):
        with pytest.raises(ValueError, match=f"depth {depth}"):
            levels(depth)


def test_depth_that_is_no_int_is_refused(book):
    for depth in NO_INTS:
        with pytest.raises(TypeError, match=r"depth .*pass an int"):
            book.bids(depth)


def test_order_shows_every_field():
    book = pt.Book()
    book.limit(SELL, 100, 2)
    book.limit(BUY, 100, 5, account=7, tif=GTD, stp=STP.CANCEL_TAKER, expires=9, order_id=8)
    row = book.order(8)
    assert row.dtype == pt.ORDER
    assert dict(zip(pt.ORDER.names, row.tolist(), strict=True)) == {
        "order_id": 8,
        "price": 100,
        "quantity": 5,
        "remaining": 3,
        "displayed": 3,
        "trigger": 0,
        "reference": 0,
        "slot": 0,
        "partner": 0,
        "parent": 0,
        "accepted": 2,
        "priority": 2,
        "account": 7,
        "expires": 9,
        "side": BUY,
        "order_type": OrderType.LIMIT,
        "tif": GTD,
        "stp": STP.CANCEL_TAKER,
        "flags": 0,
        "state": OrderState.RESTING,
        "marks": 0,
    }


@pytest.fixture
def veiled(book):
    """The book above, and orders 6 to 12 of which the market sees a slice or nothing."""
    book.limit(BUY, 100, 9, peak=2, account=6)
    book.limit(BUY, 100, 5, flags=Flag.HIDDEN)
    book.limit(SELL, 101, 5, flags=Flag.ALL_OR_NONE)
    book.stop(SELL, 90, 5)
    book.limit(SELL, 110, 5, parent=6, account=6)
    book.limit(BUY, 97, 5, tif=TIF.AUCTION)
    book.limit(BUY, 96, 5, oco=6, account=6)
    assert len(book) == 12
    return book


def test_market_sees_what_is_displayed(veiled):
    assert ids(veiled.orders()) == [6, 4, 5, 12, 1, 2, 3]
    assert veiled.bids().tolist() == [(100, 2, 1), (99, 5, 1), (98, 5, 1), (96, 5, 1)]
    assert veiled.asks().tolist() == [(101, 10, 2), (102, 5, 1)]
    assert [veiled.order(order_id) for order_id in (7, 8, 9, 10, 11)] == [None] * 5
    row = veiled.order(6)
    names = ("quantity", "remaining", "displayed", "slot", "partner", "flags")
    assert [int(row[name]) for name in names] == [2, 2, 2, 0, 0, 0]


def test_hidden_shows_all_there_is(veiled):
    assert ids(veiled.orders(hidden=True)) == [6, 7, 4, 5, 12, 1, 2, 8, 3, 9, 10, 11]
    assert veiled.bids(hidden=True).tolist()[0] == (100, 14, 2)
    assert veiled.asks(1, hidden=True).tolist() == [(101, 15, 3)]
    row = veiled.order(6, hidden=True)
    names = ("quantity", "remaining", "displayed", "slot", "partner", "flags")
    assert [int(row[name]) for name in names] == [9, 9, 2, 2, 12, Flag.ICEBERG]
    assert int(veiled.order(10, hidden=True)["parent"]) == 6


def test_waiting_and_sleeping_orders_have_views_of_their_own(veiled):
    assert ids(veiled.waiting()) == [9]
    assert ids(veiled.sleeping()) == [10, 11]
    assert veiled.waiting().dtype == veiled.sleeping().dtype == pt.ORDER


def test_best_prices_are_displayed_ones():
    book = pt.Book()
    book.limit(BUY, 100, 5, flags=Flag.HIDDEN)
    book.limit(SELL, 105, 5, flags=Flag.ALL_OR_NONE)
    assert (book.best_bid, book.best_ask) == (None, None)


def test_priority_is_the_event_that_gave_the_place(book):
    book.amend(1, quantity=9)
    assert [int(book.order(1)[name]) for name in ("accepted", "priority")] == [1, 6]


@pytest.mark.parametrize("order_id", [0, 6, LAST_ID])
def test_order_that_is_not_there_is_none(book, order_id):
    assert book.order(order_id) is None


def test_orders_come_from_the_best_and_first_in_time_first(book):
    book.limit(BUY, 99, 1)
    book.limit(SELL, 101, 1)
    assert ids(book.orders()) == [4, 6, 5, 1, 2, 7, 3]
    assert book.orders().dtype == pt.ORDER


def test_orders_of_an_empty_book_are_an_empty_array():
    assert pt.Book().orders().shape == (0,)
    assert pt.Book().bids().shape == (0,)


def test_views_are_copies(book):
    for view in (book.orders(), book.bids(), book.order(1)):
        view["price"] = 0
    assert (book.best_bid, int(book.order(1)["price"])) == (99, 101)


def test_len_counts_live_orders(book):
    assert len(book) == 5
    book.market(BUY, 10)
    assert len(book) == 3


def test_empty_book_is_false_as_any_container():
    assert not pt.Book()


def test_repr_of_a_book_says_where_it_stands(book):
    assert repr(book) == "<Book bid=99 ask=101 orders=5 phase=CONTINUOUS>"


def test_counters(book):
    assert (book.commands, book.sequence, book.trades, book.timestamp) == (5, 5, 0, 0)
    book.limit(BUY, 101, 7, timestamp=4)
    assert (book.commands, book.sequence, book.trades, book.timestamp) == (6, 8, 2, 4)
    book.cancel(77)
    assert (book.commands, book.sequence, book.trades) == (7, 9, 2)


def test_last_price(book):
    assert book.last_price is None
    book.limit(BUY, 102, 12)
    assert book.last_price == 102


def test_views_of_numbers_are_plain_ints(book):
    book.market(BUY, 1)
    numbers = [book.best_bid, book.best_ask, book.last_price, book.commands, book.timestamp]
    assert {type(number) for number in (*numbers, *book.parameters.values())} == {int}


# -- what is no whole number, or too large --------------------------------------------------------

ENTRY = {"side": BUY, "price": 100, "quantity": 1}
AMENDED = {"price": 1, "quantity": 1, "trigger": 1}
TERMS = {"account": 0, "tif": 1, "stp": 0, "flags": 0, "expires": 0, "timestamp": 0}
CALLS = {
    "limit": {**ENTRY, **TERMS, "order_id": 9},
    "market": {"side": BUY, "quantity": 1, **TERMS, "order_id": 9},
    "cancel": {"order_id": 1, "account": 0, "timestamp": 0},
    "spend": {"side": BUY, "amount": 100, "account": 0, "stp": 0, "flags": 0, "order_id": 9},
    "stop": {"side": BUY, "trigger": 105, "quantity": 1, "price": 105, **TERMS, "order_id": 9},
    "take_profit": {"side": BUY, "trigger": 9, "quantity": 1, "price": 9, **TERMS, "order_id": 9},
    "trailing_stop": {"side": BUY, "offset": 1, "quantity": 1, "distance": 0, **TERMS},
    "quote": {"account": 1, "order_id": 9, "timestamp": 0},
    "amend": {"order_id": 1, **AMENDED, "account": 0, "timestamp": 0},
    "replace": {"order_id": 1, **ENTRY, **TERMS, "order_type": 2, "trigger": 0, "new_id": 9},
    "arm": {"account": 1, "expires": 9, "timestamp": 0},
    "uncross": {"phase": 3, "timestamp": 0},
    "mass_cancel": {"account": 0, "side": 0, "timestamp": 0},
    "phase": {"phase": 3, "expires": 0, "timestamp": 0},
    "clock": {"timestamp": 0},
    "set": {"parameter": 1, "value": 1, "timestamp": 0},
    "order": {"order_id": 1},
}
BITS = {"side": 8, "tif": 8, "stp": 8, "flags": 16, "account": 32, "expires": 32, "phase": 8}
BITS |= {"order_type": 8}
CALLED = {"amount": "quantity", "offset": "trigger", "distance": "price"}  # in messages
SIGNED = {
    "price",
    "quantity",
    "timestamp",
    "value",
    "trigger",
    *CALLED,
}  # the others are natural, 64 bits if not above
ARGUMENTS = [(call, name) for call, names in CALLS.items() for name in names]


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_argument_that_is_no_int_is_refused(book, call, name):
    for value in NO_INTS:
        with pytest.raises(TypeError) as caught:
            getattr(book, call)(**{**CALLS[call], name: value})
        assert f"{CALLED.get(name, name)} {value!r}" in str(caught.value)
        assert "pass an int" in str(caught.value)
    assert book.commands == 5
    assert book.limit(BUY, 90, 1).status == Status.RESTING


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_argument_that_does_not_fit_is_refused(book, call, name):
    low, high = (-(2**63), 2**63) if name in SIGNED else (0, 1 << BITS.get(name, 64))
    for value in (low - 1, high, -(2**70), 2**70):
        with pytest.raises(OverflowError, match=f"{CALLED.get(name, name)} {value} "):
            getattr(book, call)(**{**CALLS[call], name: value})
    assert book.commands == 5
    assert book.limit(BUY, 90, 1).status == Status.RESTING


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_any_number_that_fits_is_answered_by_the_book(book, call, name):
    low, high = (-(2**63), 2**63) if name in SIGNED else (0, 1 << BITS.get(name, 64))
    for value in (low, high - 1):
        getattr(book, call)(**{**CALLS[call], name: value})
    book.check()


@pytest.mark.parametrize("make", [np.uint8, np.int64, np.uint64, OrderType])
def test_whole_numbers_of_other_kinds_are_taken(book, make):
    assert book.limit(make(1), make(2), make(3), order_id=make(9)).status == Status.RESTING
    assert book.order(make(9))["quantity"] == 3


def test_enums_are_ints(book):
    assert book.limit(2, 101, 1, tif=1, stp=5, flags=1).status == Status.RESTING


@pytest.mark.parametrize("arguments", [(), (BUY,), (BUY, 100), (BUY, 100, 1, 7)])
def test_terms_of_an_order_are_keywords_only(book, arguments):
    with pytest.raises(TypeError):
        book.limit(*arguments)
