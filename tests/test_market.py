"""A market's calls: names and decimals, what is refused with which words, answers, free ids."""

from decimal import Decimal

import numpy as np
import pytest
from model.blotter import command
from model.hand import Counter, Crowd, same
from pricetime import (
    STP,
    TIF,
    Book,
    EventKind,
    Flag,
    Instrument,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
    Status,
)
from pricetime.venue.shared import id_max

NOW = 1_700_000_000  # s
LATER = NOW + 60
NS = 10**9
INSTRUMENT = Instrument("BTC_EUR", tick_size="0.5", lot_size="0.01")
TABLED = Instrument("T", tick_size="0.01", lot_size="1", tick_table=[("0", "0.01"), ("10", "0.5")])


@pytest.fixture
def counter():
    """A market without threads."""
    return Counter(INSTRUMENT, now=NOW * NS)


@pytest.fixture
def crowd():
    """A market whose calls are carried out together."""
    return Crowd(INSTRUMENT, now=NOW * NS)


# -- names and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "plain"),
    [
        (lambda d: d.limit("buy", "50.5", "0.07"), lambda d: d.limit(Side.BUY, 101, 7)),
        (lambda d: d.limit("SELL", 50, 1), lambda d: d.limit(2, 100, 100)),
        (
            lambda d: d.limit("Buy", Decimal("50.5"), "1e-2", tif="ioc", stp="cancel_both"),
            lambda d: d.limit(Side.BUY, 101, 1, tif=TIF.IOC, stp=STP.CANCEL_BOTH),
        ),
        (
            lambda d: d.limit("buy", np.int64(50), "0.07", account=np.uint32(7)),
            lambda d: d.limit(Side.BUY, 100, 7, account=7),
        ),
        (lambda d: d.spend("buy", "0.005"), lambda d: d.spend(Side.BUY, 1)),
        (lambda d: d.mass_cancel(side="sell"), lambda d: d.mass_cancel(side=Side.SELL)),
        (lambda d: d.phase("cancel_only"), lambda d: d.phase(Phase.CANCEL_ONLY)),
        (lambda d: d.set("collar", "50.5"), lambda d: d.set(Parameter.COLLAR, 101)),
        (lambda d: d.set("stp", "decrement"), lambda d: d.set(Parameter.STP, STP.DECREMENT)),
        (lambda d: d.set("min_notional", "0.01"), lambda d: d.set(Parameter.MIN_NOTIONAL, 2)),
        (
            lambda d: d.replace(1, "buy", "50.5", "0.07", order_type="stop_limit", trigger=60),
            lambda d: d.replace(1, Side.BUY, 101, 7, order_type=OrderType.STOP_LIMIT, trigger=120),
        ),
    ],
)
def test_names_and_decimals_mean_values(counter, named, plain):
    book = Book()
    book.clock(NOW * NS)
    counter.clock()
    same(named(counter), plain(book), INSTRUMENT)


ORDER = ("buy", "50.5", "0.07")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d: d.limit("buy", 50.5, 1), TypeError, "50.5 is not exact: pass str, int or Decim"),
        (lambda d: d.limit("buy", "50.5", 0.07), TypeError, "0.07 is not exact"),
        (lambda d: d.limit("buy", "50.3", 1), ValueError, r"price 50.3 is not a multiple of the t"),
        (lambda d: d.limit("buy", "50.5", "0.071"), ValueError, "quantity 0.071 is not a multiple"),
        (lambda d: d.limit("buy", "50.5", 0), ValueError, "quantity 0 is outside"),
        (lambda d: d.limit("buy", "50.5", -1), ValueError, "quantity -1 is outside"),
        (lambda d: d.spend("buy", 1.5), TypeError, "1.5 is not exact"),
        (lambda d: d.spend("buy", "0.001"), ValueError, "amount 0.001 is not a multiple"),
        (lambda d: d.limit("bid", "50.5", 1), ValueError, "side 'bid' is none of buy, sell"),
        (lambda d: d.limit(1.0, "50.5", 1), TypeError, "side 1.0 is a float: pass an int"),
        (lambda d: d.limit(None, "50.5", 1), TypeError, "side None is a NoneType"),
        (lambda d: d.limit(300, "50.5", 1), OverflowError, r"side 300 is outside 0\.\.255"),
        (lambda d: d.limit(*ORDER, tif="day_only"), ValueError, "tif 'day_only' is none of day, "),
        (lambda d: d.limit(*ORDER, stp="none"), ValueError, "stp 'none' is none of default, canc"),
        (lambda d: d.limit(*ORDER, flags="hidden"), TypeError, "flags 'hidden' is a str: pass an"),
        (lambda d: d.limit(*ORDER, flags=1.0), TypeError, "flags 1.0 is a float"),
        (lambda d: d.limit(*ORDER, flags=1.0, peak=1), TypeError, "flags 1.0 is a float"),
        (lambda d: d.limit(*ORDER, flags=1 << 16), OverflowError, "flags 65536 is outside"),
        (lambda d: d.limit(*ORDER, account=-1), OverflowError, r"account -1 is outside 0\.\.42949"),
        (lambda d: d.limit(*ORDER, account=2**32), OverflowError, "account 4294967296 is outside"),
        (lambda d: d.limit(*ORDER, account="7"), TypeError, "account '7' is a str: pass an int"),
        (lambda d: d.limit(*ORDER, account=7.0), TypeError, "account 7.0 is a float"),
        (lambda d: d.limit(*ORDER, expires=2**32), OverflowError, "expires 4294967296 is outside"),
        (lambda d: d.limit(*ORDER, order_id="5"), TypeError, "order_id '5' is a str"),
        (lambda d: d.limit(*ORDER, order_id=2**64), OverflowError, "order_id 18446744073709551616"),
        (lambda d: d.limit(*ORDER, order_id=-1), OverflowError, "order_id -1 is outside"),
        (lambda d: d.limit(*ORDER, oco="5"), TypeError, "oco '5' is a str"),
        (lambda d: d.limit(*ORDER, parent=1.0), TypeError, "parent 1.0 is a float"),
        (lambda d: d.limit(*ORDER, peak=0.01), TypeError, "0.01 is not exact"),
        (lambda d: d.limit(*ORDER, peak=1, minimum=1), ValueError, "give one of peak, minim"),
        (lambda d: d.limit(*ORDER, oco=1, parent=2), ValueError, "give one of peak, minimum, oco"),
        (lambda d: d.limit(*ORDER, token=5), TypeError, "token 5 is a int: pass a str or bytes"),
        (lambda d: d.limit(*ORDER, token=""), ValueError, "a token of 0 bytes: it has 1 to 256"),
        (lambda d: d.limit(*ORDER, token="é" * 129), ValueError, "a token of 258 bytes"),
        (lambda d: d.limit(*ORDER, colour="red"), TypeError, "colour"),
        (lambda d: d.cancel("5"), TypeError, "order_id '5' is a str"),
        (lambda d: d.cancel(-1), OverflowError, "order_id -1 is outside"),
        (lambda d: d.cancel(1, account=1.5), TypeError, "account 1.5 is a float"),
        (lambda d: d.amend(1), TypeError, "amend changes a price, a quantity or a trigger: give"),
        (lambda d: d.amend("1", price=50), TypeError, "order_id '1' is a str"),
        (lambda d: d.amend(1, price=50.5), TypeError, "50.5 is not exact"),
        (lambda d: d.replace("1"), TypeError, "order_id '1' is a str"),
        (lambda d: d.replace(1, "up"), ValueError, "side 'up' is none of buy, sell"),
        (lambda d: d.replace(1, new_id="2"), TypeError, "new_id '2' is a str"),
        (lambda d: d.replace(1, order_type="iceberg"), ValueError, "order_type 'iceberg' is none"),
        (lambda d: d.replace(1, order_type=300), OverflowError, "order_type 300 is outside"),
        (lambda d: d.quote("maker"), TypeError, "account 'maker' is a str"),
        (lambda d: d.quote(1, (50.5, 1)), TypeError, "50.5 is not exact"),
        (lambda d: d.quote(1, ("50.5",)), (TypeError, ValueError), "bid"),
        (lambda d: d.quote(1, None, "50.5"), (TypeError, ValueError), "ask"),
        (lambda d: d.quote(1, order_id=None, ask=("50.5", 0)), ValueError, "quantity 0 is outside"),
        (lambda d: d.arm(1, -1), OverflowError, "expires -1 is outside"),
        (lambda d: d.arm("a", 1), TypeError, "account 'a' is a str"),
        (lambda d: d.phase("lunch"), ValueError, "phase 'lunch' is none of pre_open, auction, con"),
        (lambda d: d.phase(256), OverflowError, "256 is outside"),
        (lambda d: d.set("fee", 1), ValueError, "parameter 'fee' is none of min_price, max_price"),
        (lambda d: d.set("collar", 0.5), TypeError, "0.5 is not exact"),
        (lambda d: d.set("collar", -1), ValueError, "distance -1 is outside"),
        (lambda d: d.set("matching", 1.0), TypeError, "1.0 is a float: pass an int"),
        (lambda d: d.set("matching", 2**63), OverflowError, "9223372036854775808 is outside"),
        (lambda d: d.set("stp", "never"), ValueError, "value 'never' is none of default, cancel_t"),
        (lambda d: d.set("top_order", "yes"), TypeError, "value 'yes' is a str: pass an int"),
        (lambda d: d.set("matching", "allow"), TypeError, "value 'allow' is a str: pass an int"),
    ],
)
def test_what_no_command_can_have_is_named(counter, call, error, words):
    with pytest.raises(error, match=words):
        call(counter)
    assert counter.book.commands == 0


def test_what_trails_may_lie_off_the_tick_table():
    counter = Counter(TABLED, now=NOW * NS)
    order = counter.trailing_stop("sell", "10.03", 5, distance="0.07").order_id
    assert counter.amend(order, trigger="12.34", price="11.11").status == Status.RESTING
    row = counter.book.order(order, hidden=True)
    assert (row["trigger"], row["price"]) == (1234, 1111)


# -- values that an order keeps -------------------------------------------------------------------


def test_an_amend_keeps_what_the_order_has_when_its_turn_comes(crowd):
    crowd.limit("buy", 50, 5, order_id=1)
    crowd.amend(1, price=51)
    answer = crowd.amend(1, quantity=3)
    crowd.step()
    row = crowd.book.order(1)
    assert (INSTRUMENT.price(row["price"]), INSTRUMENT.quantity(row["quantity"])) == (51, 3)
    assert answer[0].status == Status.RESTING


def test_a_replace_keeps_what_the_order_has_when_its_turn_comes(crowd):
    crowd.limit("sell", 50, 5, order_id=1)
    crowd.limit("buy", 50, 2)
    crowd.replace(1, price=52, new_id=9)
    crowd.step()
    row = crowd.book.order(9)
    assert (row["side"], row["price"], row["quantity"]) == (Side.SELL, 104, 300)


# -- answers --------------------------------------------------------------------------------------


def test_an_answer_is_in_the_instruments_units(counter):
    counter.limit("sell", "50.5", "0.05", account=3, order_id=8)
    answer = counter.limit("buy", 51, "0.07", account=4)
    assert answer.trades == ((8, 3, Decimal("50.5"), Decimal("0.05")),)
    assert answer.trades[0].maker_id == 8
    assert str(answer.trades[0].price) == "50.5"
    assert (str(answer.filled), str(answer.remaining)) == ("0.05", "0.02")
    assert (answer.status, answer.reason, answer.order_id) == (Status.PARTIAL, None, 9)
    assert answer.repeated is False
    assert repr(answer) == "Answer(PARTIAL, order_id=9, filled=0.05, remaining=0.02)"
    assert not answer.events.flags.writeable


def test_a_refusal_is_an_answer_with_a_reason(counter):
    answer = counter.cancel(5)
    assert (answer.status, answer.reason) == (Status.REJECTED, Reason.UNKNOWN_ORDER)
    expected = "Answer(REJECTED, order_id=5, filled=0.00, remaining=0.00, reason=UNKNOWN_ORDER)"
    assert repr(answer) == expected


def test_a_refused_replace_names_the_order_that_was_to_go(counter):
    assert counter.replace(99, "buy", 50, 1).order_id == 99


def test_what_remains_of_an_amount_is_money(counter):
    counter.limit("sell", 50, 1)
    answer = counter.spend("buy", "50.505")
    assert (str(answer.filled), answer.reason) == ("1.00", Reason.NO_LIQUIDITY)
    (cancelled,) = answer.events[answer.events["kind"] == EventKind.CANCELLED]
    assert INSTRUMENT.amount(cancelled["quantity"]) == Decimal("0.505")
    assert str(answer.remaining) == "0.000"


def test_a_repeated_answer_says_so(counter):
    first = counter.limit(*ORDER, token="a")
    again = counter.limit(*ORDER, token="a")
    assert (again.repeated, again.order_id) == (True, first.order_id)
    assert again.events.tobytes() == first.events.tobytes()
    expected = "Answer(RESTING, order_id=1, filled=0.00, remaining=0.07, repeated)"
    assert repr(again) == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.limit(*ORDER, token="t"),
        lambda d: d.limit(*ORDER, flags=Flag.POST_ONLY | Flag.POST_ONLY_SLIDE, token="t"),
        lambda d: d.limit(*ORDER, order_id=40, token="t"),
        lambda d: d.market("buy", 1, token="t"),
        lambda d: d.spend("buy", 1, token="t"),
        lambda d: d.stop("buy", 50, 1, token="t"),
        lambda d: d.quote(5, ("40.5", 1), ("60.5", 1), token="t"),
        lambda d: d.quote(5, ("40.5", 1), token="t"),
        lambda d: d.quote(5, None, ("60.5", 1), token="t"),
        lambda d: d.quote(5, ("70.5", 1), ("80.5", 1), token="t"),
        lambda d: d.cancel(7, token="t"),
        lambda d: d.amend(7, price=61, token="t"),
        lambda d: d.replace(7, price=61, token="t"),
        lambda d: d.replace(99, "buy", 1, 1, token="t"),
        lambda d: d.replace(99, "buy", 1, 1, new_id=8, token="t"),
        lambda d: d.mass_cancel(token="t"),
        lambda d: d.arm(5, LATER, token="t"),
        lambda d: d.phase("halted", token="t"),
        lambda d: d.uncross(token="t"),
        lambda d: d.clock(token="t"),
        lambda d: d.set("collar", 5, token="t"),
    ],
)
def test_every_method_repeated_is_answered_as_the_first_time(counter, call):
    counter.limit("sell", 60, 5, order_id=7, account=5)
    first = call(counter)
    commands = counter.book.commands
    again = call(counter)
    assert counter.book.commands == commands
    assert again.repeated
    assert again.events.tobytes() == first.events.tobytes()
    assert again.order_id == first.order_id
    assert repr(again) == repr(first)[:-1] + ", repeated)"


# -- free ids -------------------------------------------------------------------------------------


def test_ids_that_are_not_given_are_the_next_free_ones(counter):
    assert [counter.limit(*ORDER).order_id for _ in range(3)] == [1, 2, 3]
    counter.limit(*ORDER, order_id=40)
    assert counter.limit(*ORDER).order_id == 41
    assert counter.quote(5, ("40.5", 1), ("60.5", 1)).order_id == 42
    assert counter.replace(1).order_id == 44


def test_ids_of_a_group_are_all_different(crowd):
    answers = [
        crowd.limit(*ORDER),
        crowd.quote(5, ("40.5", 1), ("60.5", 1)),
        crowd.limit(*ORDER, order_id=40),
        crowd.limit(*ORDER),
        crowd.quote(6, order_id=50, bid=("40.5", 1), ask=("60.5", 1)),
        crowd.limit(*ORDER),
        crowd.replace(1, "buy", "40.5", 1, new_id=60),
        crowd.limit(*ORDER),
    ]
    crowd.step()
    assert [answer.order_id for (answer,) in answers] == [1, 2, 40, 41, 50, 52, 60, 61]
    assert all(answer.reason is None for (answer,) in answers)


@pytest.mark.parametrize(
    "line", ["buy 90 5@100", "quote 89 1@90 1@110 account=5", "replace 1 sell 90 5@120"]
)
def test_ids_that_an_array_names_are_not_given_again(crowd, line):
    crowd.limit(*ORDER, order_id=1)
    crowd.step()
    array = crowd.put(command(line).tobytes(), id_max=id_max(command(line)))
    order = crowd.limit("buy", "40.5", 1)
    crowd.step()
    assert crowd.book.order(90) is not None
    assert (order[0].order_id, order[0].reason) == (91, None)
    assert len(array) == 1


def test_at_the_end_of_ids_the_lowest_free_one_is_given(counter):
    counter.limit(*ORDER, order_id=2**64 - 2)
    assert counter.limit(*ORDER).order_id == 2**64 - 1
    assert counter.limit(*ORDER).order_id == 1
    counter.limit(*ORDER, order_id=3)
    assert counter.quote(5, ("40.5", 1), ("60.5", 1)).order_id == 4
    assert counter.limit(*ORDER).order_id == 2
    assert counter.limit(*ORDER).order_id == 6


def test_a_quote_takes_the_last_two_ids(counter):
    counter.limit(*ORDER, order_id=2**64 - 3)
    answer = counter.quote(5, ("40.5", 1), ("60.5", 1))
    assert (answer.order_id, answer.reason) == (2**64 - 2, None)


def test_at_the_end_of_ids_a_group_gets_different_ones(crowd):
    crowd.limit(*ORDER, order_id=2**64 - 1)
    crowd.step()
    named = crowd.limit(*ORDER, order_id=1)
    answers = [crowd.limit(*ORDER) for _ in range(3)]
    crowd.step()
    assert [answer.order_id for (answer,) in [named, *answers]] == [1, 2, 3, 4]
    assert all(answer.reason is None for (answer,) in answers)
