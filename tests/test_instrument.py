"""The decimal edge: exact both ways, and every refusal says what was given and what to do."""

import copy
import dataclasses
import decimal
import enum
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricetime.instrument import Instrument
from pricetime.records import BOUND, STP

BTC = Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001")
MOST = BOUND - 1


def instrument(tick="0.01", lot="0.00001", **limits):
    return Instrument("X", tick_size=tick, lot_size=lot, **limits)


# ------------------------------------------------------------------- into ticks and lots


@pytest.mark.parametrize(
    ("tick", "price", "ticks"),
    [
        ("0.01", "27000.50", 2_700_050),
        ("0.01", "27000.5", 2_700_050),
        ("0.01", "-3.07", -307),
        ("0.01", "+3.07", 307),
        ("0.01", "3.070000", 307),
        ("0.01", ".5", 50),
        ("0.01", "5.", 500),
        ("0.01", "000.50", 50),
        ("0.01", "1e2", 10_000),
        ("0.01", "1.5E+1", 1500),
        ("0.01", "100e-4", 1),
        ("0.01", "0", 0),
        ("0.01", "-0.00", 0),
        ("0.01", "0e999999999", 0),
        ("0.01", "0e-999999999", 0),
        ("0.25", "4.75", 19),
        ("0.25", "-0.5", -2),
        ("5", "125", 25),
        ("5", "1.25e2", 25),
        ("1e2", "300", 3),
        ("0.00001", "1", 100_000),
        ("1e-8", "0.00000001", 1),
        ("1e-8", "46116860184.27387903", MOST),
        ("1e-32", "1e-32", 1),
        ("0.5", 7, 14),
        ("0.01", -7, -700),
        ("0.01", Decimal("27000.50"), 2_700_050),
        ("0.01", Decimal("1E+3"), 100_000),
        ("0.01", Decimal("-0"), 0),
        ("0.01", np.int64(-7), -700),
        ("0.01", np.uint8(200), 20_000),
        ("0.01", np.array(3), 300),
        ("0.01", np.str_("1.25"), 125),
        (5, 125, 25),
        (np.int32(5), 125, 25),
        (Decimal("0.25"), "1", 4),
    ],
)
def test_price_becomes_ticks(tick, price, ticks):
    result = instrument(tick=tick).ticks(price)
    assert result == ticks
    assert type(result) is int


def test_quantity_becomes_lots():
    assert BTC.lots("0.015") == 1500
    assert BTC.lots(Decimal("0.00001")) == 1
    assert BTC.lots(2) == 200_000
    assert BTC.lots(np.int64(2)) == 200_000
    assert instrument(lot="100").lots("1e3") == 10


def test_what_is_no_whole_number_of_units_names_the_value_and_the_unit():
    with pytest.raises(ValueError, match=r"^price 10\.005 is not a multiple of the tick 0\.01$"):
        BTC.ticks("10.005")
    with pytest.raises(ValueError, match=r"^price 3 is not a multiple of the tick 5$"):
        instrument(tick=5).ticks(3)
    with pytest.raises(ValueError, match=r"^price -0\.3 is not a multiple of the tick 0\.25$"):
        instrument(tick="0.25").ticks("-0.3")
    with pytest.raises(ValueError, match=r"^quantity 1E-9 is not a multiple of the lot 0\.00001$"):
        BTC.lots(Decimal("1e-9"))
    with pytest.raises(ValueError, match="not a multiple of the tick"):
        BTC.ticks("1e-999999999")
    with pytest.raises(ValueError, match="not a multiple of the tick"):
        BTC.ticks("10.00" + "0" * 200 + "1")


class Colour(str):
    pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        " 1",
        "1\n",
        "\t1",
        "1_000",
        "1,000",
        "1,5",
        "ten",
        "0x10",
        "1e",
        "e5",
        ".",
        "-",
        "+-1",
        "--1",
        "1.2.3",
        "1e5.0",
        "1e+",
        "\u0661",
        "\uff11",
        "1\u00b2",
        "\u22121",
        "nan",
        "NaN",
        "-nan",
        "sNaN",
        "nan123",
        "inf",
        "-inf",
        "Infinity",
        "+Infinity",
        "None",
        "1\x00",
        Colour("red"),
    ],
)
def test_text_that_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match=r"^price .* is not a decimal number such as"):
        BTC.ticks(text)
    with pytest.raises(ValueError, match=r"^tick_size .* is not a decimal number such as"):
        instrument(tick=text)


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "NaN7", "Infinity", "-Infinity"])
def test_decimals_that_are_no_number_are_refused(text):
    with pytest.raises(ValueError, match=f"^price {text} is not a decimal number"):
        BTC.ticks(Decimal(text))
    with pytest.raises(ValueError, match=f"^quantity {text} is not a decimal number"):
        BTC.lots(Decimal(text))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10.1, "float 10.1"),
        (1.0, "float 1.0"),
        (float("nan"), "float nan"),
        (float("inf"), "float inf"),
        (np.float64(10.1), "float64 10.1"),
        (np.float32(0.5), "float32 0.5"),
        (np.float16(0.5), "float16 0.5"),
    ],
)
def test_a_float_is_refused_with_what_to_pass_instead(value, shown):
    wanted = f"^{shown} is not exact: pass str, int or Decimal$"
    for call in (BTC.ticks, BTC.lots, lambda v: instrument(tick=v), lambda v: instrument(lot=v)):
        with pytest.raises(TypeError, match=wanted):
            call(value)
    for key in ("min_price", "max_price", "min_quantity", "max_quantity", "max_notional"):
        with pytest.raises(TypeError, match=wanted):
            instrument(**{key: value})


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        np.True_,
        b"1",
        bytearray(b"1"),
        [1],
        (1,),
        {},
        object,
        1j,
        Fraction(1, 2),
        np.array([1]),
        np.array([1, 2]),
        np.array(0.5),
        np.array(True),
        np.complex64(1),
    ],
)
def test_other_types_are_refused(value):
    for call in (BTC.ticks, BTC.lots, lambda v: instrument(tick=v), lambda v: instrument(lot=v)):
        with pytest.raises(TypeError, match=r"cannot be a .*: pass str, int or Decimal$"):
            call(value)


def test_none_is_no_price():
    with pytest.raises(TypeError, match=r"^NoneType None cannot be a price: pass str, int or Deci"):
        BTC.ticks(None)


# ------------------------------------------------------------------- bounds


@pytest.mark.parametrize("sign", [1, -1])
def test_prices_reach_up_to_the_bound(sign):
    text = f"{sign * MOST}E-2"
    assert BTC.ticks(text) == sign * MOST
    assert BTC.ticks(Decimal(text)) == sign * MOST
    assert BTC.price(sign * MOST) == Decimal(text)
    for beyond in (f"{sign * BOUND}E-2", sign * BOUND, sign * 10**5000, f"{sign}e999999999"):
        with pytest.raises(ValueError, match=r"less than 2\^62 times the tick 0.01"):
            BTC.ticks(beyond)
    with pytest.raises(ValueError, match=r"ticks are outside -\(2\^62 - 1\)\.\.2\^62 - 1$"):
        BTC.price(sign * BOUND)


def test_quantities_reach_from_one_lot_up_to_the_bound():
    assert BTC.lots(f"{MOST}E-5") == MOST
    assert BTC.quantity(MOST) == Decimal(f"{MOST}E-5")
    for beyond in ("0", 0, "-0", "-0.00001", f"{BOUND}E-5", -1, "1e999999999", "-1e999999999"):
        with pytest.raises(ValueError, match=r"less than 2\^62 times the lot 0.00001"):
            BTC.lots(beyond)
    for beyond in (-1, BOUND, 10**5000):
        with pytest.raises(ValueError, match=r"lots are outside 0\.\.2\^62 - 1$"):
            BTC.quantity(beyond)


def test_the_bound_is_named_in_the_callers_units():
    with pytest.raises(ValueError) as error:
        BTC.ticks("1e20")
    assert str(error.value) == (
        "price 1e20 is outside -46116860184273879.03..46116860184273879.03, "
        "less than 2^62 times the tick 0.01"
    )


@pytest.mark.parametrize(
    "value",
    ["1" * 257, "0." + "0" * 300, "1e" + "9" * 300, Decimal((0, (1,) * 300, 0)), "x" * 10**6],
)
def test_a_number_that_never_ends_is_refused_briefly(value):
    with pytest.raises(ValueError, match=r"is longer than 256 characters$") as error:
        BTC.ticks(value)
    assert len(str(error.value)) < 150


def test_an_exponent_costs_nothing():
    """Would write a thousand million digits if it were expanded."""
    for text in ("1e999999999", "-1e-999999999", "1e" + "9" * 200, "1e-" + "9" * 200):
        for value in (text, Decimal(text) if len(text) < 20 else text):
            with pytest.raises(ValueError, match="price"):
                BTC.ticks(value)
            with pytest.raises(ValueError, match="tick_size"):
                instrument(tick=value)


@pytest.mark.parametrize("value", ["0", 0, "-0.01", -1, Decimal(0), "0.00", "-1e9"])
def test_a_unit_is_above_zero(value):
    with pytest.raises(ValueError, match=r"^tick_size .* is not above 0$"):
        instrument(tick=value)
    with pytest.raises(ValueError, match=r"^lot_size .* is not above 0$"):
        instrument(lot=value)


@pytest.mark.parametrize("value", ["1e-33", "0." + "0" * 32 + "1", "1.0e-32", "1e-999999999"])
def test_a_unit_has_at_most_32_decimals(value):
    with pytest.raises(ValueError, match=r"has more than 32 decimals$"):
        instrument(tick=value)


@pytest.mark.parametrize("value", ["1e32", 10**32, "1" + "0" * 32 + ".5", "1e999999999", 10**200])
def test_a_unit_is_below_1e32(value):
    with pytest.raises(ValueError, match=r"is not below 1e32$"):
        instrument(lot=value)
    assert instrument(lot=10**32 - 1).lots(10**32 - 1) == 1


# ------------------------------------------------------------------- back into Decimal


@pytest.mark.parametrize(
    ("tick", "ticks", "text"),
    [
        ("0.01", 2_700_050, "27000.50"),
        ("0.01", 0, "0.00"),
        ("0.01", -7, "-0.07"),
        ("0.25", 3, "0.75"),
        ("0.25", 4, "1.00"),
        ("0.50", 3, "1.50"),
        ("0.010", 3, "0.030"),
        ("5", 3, "15"),
        ("1e2", 3, "300"),
        ("100", 3, "300"),
        ("1e-8", 150_000_000, "1.50000000"),
        ("1e-8", MOST, "46116860184.27387903"),
        ("0.01", np.int64(5), "0.05"),
        ("0.01", np.uint64(5), "0.05"),
    ],
)
def test_ticks_become_a_price_with_the_decimals_of_the_tick(tick, ticks, text):
    price = instrument(tick=tick).price(ticks)
    assert type(price) is Decimal
    assert f"{price:f}" == text
    assert price.as_tuple() == Decimal(text).as_tuple()


def test_lots_become_a_quantity_with_the_decimals_of_the_lot():
    assert str(BTC.quantity(1500)) == "0.01500"
    assert str(BTC.quantity(np.int64(100_000))) == "1.00000"


def test_nothing_remains_is_a_quantity():
    assert str(BTC.quantity(0)) == "0.00000"


@pytest.mark.parametrize("value", [True, np.True_, 1.0, np.float64(1), "1", Decimal(1), None, [1]])
def test_ticks_and_lots_are_ints(value):
    with pytest.raises(TypeError, match=r"cannot be a number of ticks: pass an int$"):
        BTC.price(value)
    with pytest.raises(TypeError, match=r"cannot be a number of lots: pass an int$"):
        BTC.quantity(value)


# ------------------------------------------------------------------- exact, whatever the context

HOSTILE = [
    decimal.Context(prec=1, rounding=decimal.ROUND_UP, traps=[], Emin=0, Emax=1, capitals=0),
    decimal.Context(prec=1, Emin=0, Emax=1, clamp=1, traps=list(decimal.getcontext().flags)),
    decimal.Context(prec=3, rounding=decimal.ROUND_DOWN, traps=[decimal.Inexact, decimal.Rounded]),
    decimal.Context(prec=50, traps=[decimal.FloatOperation]),
]


@pytest.mark.parametrize("context", HOSTILE, ids=["silent", "all-traps", "inexact", "float"])
def test_no_decimal_context_has_a_say(context):
    text = "12345678901234567.89"
    limits = {"min_price": "-99999.99", "max_notional": "123456789012.3456789"}
    limits["tick_table"] = [("0", "0.01"), ("12345678901234567.90", "12345678901234567.90")]
    expected = instrument(**limits)
    with decimal.localcontext(context):
        made = instrument(**limits)
        assert made == expected
        assert hash(made) == hash(expected)
        assert repr(made) == repr(expected)
        assert made.parameters() == expected.parameters()
        assert made.ticks(text) == made.ticks(Decimal(text)) == 1_234_567_890_123_456_789
        assert made.price(1_234_567_890_123_456_789).as_tuple() == Decimal(text).as_tuple()
        assert pickle.loads(pickle.dumps(made)) == expected
        for wrong in ("x", "NaN", "Infinity", Decimal("NaN"), "1e999999999", text + "1"):
            with pytest.raises(ValueError, match=r"^price"):
                made.ticks(wrong)
        for wrong in ({"min_price": 2, "max_price": 1}, {"max_price": "0.001"}):
            with pytest.raises(ValueError, match=r"^m(in|ax)_price"):
                instrument(**wrong)
        assert not any(decimal.getcontext().flags.values())


def units():
    """Ticks and lots as text: few and many decimals, whole ones, exponents."""
    digits = st.integers(1, 10**12)
    return st.builds(lambda n, e: f"{n}e{e}", digits, st.integers(-20, 10))


@given(units(), st.integers(-MOST, MOST))
def test_every_tick_survives_the_round_trip(tick, ticks):
    one = instrument(tick=tick)
    price = one.price(ticks)
    assert Fraction(price) == ticks * Fraction(tick)
    assert one.ticks(price) == one.ticks(str(price)) == one.ticks(f"{price:f}") == ticks
    assert price.as_tuple().exponent == min(0, Decimal(tick).as_tuple().exponent)


@given(units(), st.integers(1, MOST))
def test_every_lot_survives_the_round_trip(lot, lots):
    one = instrument(lot=lot)
    quantity = one.quantity(lots)
    assert Fraction(quantity) == lots * Fraction(lot)
    assert one.lots(quantity) == one.lots(str(quantity)) == lots


@given(units(), st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_converted_exactly_or_refused(tick, price):
    exact = Fraction(price) / Fraction(tick)
    text = str(price)
    if exact.denominator == 1 and abs(exact) < BOUND:
        assert instrument(tick=tick).ticks(price) == instrument(tick=tick).ticks(text) == exact
    else:
        with pytest.raises(ValueError, match=r"not a multiple of|is outside|is longer"):
            instrument(tick=tick).ticks(price)


@given(st.text(max_size=12) | st.text("0123456789+-.eE_ ", max_size=8))
def test_any_text_is_converted_exactly_or_refused(text):
    try:
        ticks = BTC.ticks(text)
    except ValueError as error:
        assert str(error).startswith("price ")
    else:
        assert Fraction(text) == Fraction(ticks, 100)


# ------------------------------------------------------------------- the book's parameters


def test_limits_become_the_books_parameters():
    one = instrument(
        min_price="0.01",
        max_price=1_000_000,
        min_quantity=Decimal("0.0001"),
        max_quantity="1e4",
        min_notional="5",
        max_notional="2500000.50",
        stp=STP.CANCEL_MAKER,
        orders_per_account=200,
    )
    assert one.parameters() == {
        "min_price": 1,
        "max_price": 100_000_000,
        "min_quantity": 10,
        "max_quantity": 1_000_000_000,
        "min_notional": 50_000_000,
        "max_notional": 25_000_005_000_000,
        "stp": STP.CANCEL_MAKER,
        "orders_per_account": 200,
    }


def test_only_given_limits_are_parameters():
    assert BTC.parameters() == {}
    assert instrument(min_price="-1").parameters() == {"min_price": -100}


def test_the_parameters_are_the_callers_own():
    one = instrument(min_price=1)
    one.parameters()["min_price"] = 7
    assert one.parameters() == {"min_price": 100}


def test_limits_are_shown_with_the_decimals_of_their_unit():
    one = instrument(min_price=1, max_quantity=2, min_notional=3)
    assert str(one.min_price) == "1.00"
    assert str(one.max_quantity) == "2.00000"
    assert str(one.min_notional) == "3.0000000"
    assert one.max_price is one.min_quantity is one.max_notional is one.stp is None


def test_a_zero_notional_is_no_limit():
    one = instrument(min_notional="5", max_notional=0)
    assert one.parameters() == {"min_notional": 50_000_000, "max_notional": 0}


def test_limits_are_whole_numbers_of_their_unit():
    with pytest.raises(ValueError, match=r"^min_price 0\.005 is not a multiple of the tick 0\.01$"):
        instrument(min_price="0.005")
    with pytest.raises(ValueError, match=r"^max_quantity 1e-6 is not a multiple of the lot"):
        instrument(max_quantity="1e-6")
    with pytest.raises(
        ValueError, match=r"^min_notional 10 is not a multiple of the tick times lot 0\.0003$"
    ):
        instrument(tick="0.03", lot="0.01", min_notional=10)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min_price", "-1e20"),
        ("max_price", "1e20"),
        ("min_quantity", 0),
        ("max_quantity", 0),
        ("max_quantity", "1e20"),
        ("min_notional", -1),
        ("max_notional", "-0.0000001"),
        ("max_notional", "1e15"),
    ],
)
def test_limits_lie_within_the_bounds(key, value):
    with pytest.raises(ValueError, match=rf"^{key} {value} is outside .*, less than 2\^62 times"):
        instrument(**{key: value})


@pytest.mark.parametrize("what", ["price", "quantity", "notional"])
def test_a_minimum_is_not_above_its_maximum(what):
    assert instrument(**{f"min_{what}": 2, f"max_{what}": 2}).parameters()
    with pytest.raises(ValueError, match=rf"^min_{what} 3\.0+ is above max_{what} 2\.0+$"):
        instrument(**{f"min_{what}": 3, f"max_{what}": 2})


def test_stp_is_a_mode_of_the_book():
    assert instrument(stp=4).stp is STP.DECREMENT
    for wrong in (0, STP.DEFAULT, 6, -1, 10**5000):
        with pytest.raises(ValueError, match=r"^stp .* is outside 1\.\.5 \(CANCEL_T"):
            instrument(stp=wrong)
    for wrong in (True, 1.0, "ALLOW", "5", Decimal(5)):
        with pytest.raises(TypeError, match=r"cannot be an STP: pass an int$"):
            instrument(stp=wrong)


def test_orders_per_account_is_a_count():
    assert instrument(orders_per_account=np.int64(0)).parameters() == {"orders_per_account": 0}
    for wrong in (-1, BOUND):
        with pytest.raises(ValueError, match=r"^orders_per_account .* is outside 0\.\.2\^62 - 1$"):
            instrument(orders_per_account=wrong)
    for wrong in (True, 1.0, "5"):
        with pytest.raises(TypeError, match=r"cannot be orders_per_account: pass an int$"):
            instrument(orders_per_account=wrong)


def test_the_name_is_text():
    with pytest.raises(TypeError, match=r"^int 7 cannot be a name: pass a str$"):
        Instrument(7, tick_size=1, lot_size=1)


# ------------------------------------------------------------------- a value


def test_it_cannot_be_changed():
    for name in ("name", "tick_size", "min_price", "_tick"):
        with pytest.raises(AttributeError):
            setattr(BTC, name, 1)
        with pytest.raises(AttributeError):
            delattr(BTC, name)
    with pytest.raises((AttributeError, TypeError)):  # dataclasses of 3.11 and before: TypeError
        BTC.novel = 1
    assert not hasattr(BTC, "__dict__")


def test_equal_by_value():
    first = instrument(tick="0.01", min_price="1", stp=1)
    again = instrument(tick=Decimal("1e-2"), min_price="1.00", stp=STP.CANCEL_TAKER)
    assert first == again
    assert hash(first) == hash(again)
    assert {first: 1}[again] == 1
    assert instrument(tick="0.010") == instrument(tick="0.01")  # as Decimals are
    assert first != instrument(tick="0.02", min_price="1", stp=1)
    assert first != instrument(tick="0.01", min_price="1")
    assert first != instrument(tick="0.01", min_price="2", stp=1)
    assert first != Instrument("Y", tick_size="0.01", lot_size="0.00001", min_price="1", stp=1)
    assert first != "X"


FULL = instrument(
    tick="0.50",
    lot="10",
    min_price="-1.5",
    max_price="1e6",
    min_quantity=10,
    max_quantity=10**6,
    min_notional=5,
    max_notional=10**9,
    stp=STP.DECREMENT,
    orders_per_account=7,
    tick_table=[("0", "0.5"), ("10", 1)],
)


@pytest.mark.parametrize("one", [BTC, FULL], ids=["plain", "full"])
def test_copies_pickles_and_its_own_text_are_the_same(one):
    copies = [copy.copy(one), copy.deepcopy(one), dataclasses.replace(one)]
    copies += [pickle.loads(pickle.dumps(one, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    copies += [eval(repr(one), {"Instrument": Instrument, "STP": STP})]
    for twin in copies:
        assert twin == one
        assert repr(twin) == repr(one)
        assert twin.parameters() == one.parameters()
        assert twin.price(3).as_tuple() == one.price(3).as_tuple()
        assert twin.next_above(5000) == one.next_above(5000)


def test_one_limit_can_be_replaced():
    assert dataclasses.replace(BTC, max_price="5").parameters() == {"max_price": 500}


def test_its_text_says_what_it_is():
    assert repr(BTC) == "Instrument('BTC_EUR', tick_size='0.01', lot_size='0.00001')"
    assert repr(instrument(tick="1e-8", stp=5, orders_per_account=0, min_price=2)) == (
        "Instrument('X', tick_size='0.00000001', lot_size='0.00001', min_price='2.00000000', "
        "stp=STP.ALLOW, orders_per_account=0)"
    )


class Size(enum.IntEnum):
    SMALL = 3


def test_an_int_of_a_class_of_its_own_is_an_int():
    assert BTC.ticks(Size.SMALL) == 300
    assert str(BTC.price(Size.SMALL)) == "0.03"
