"""Tick tables: which prices are legal where the step depends on the price, and the next one."""

import dataclasses
import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricetime.instrument import Instrument
from pricetime.records import BOUND

BTC = Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001")
MOST = BOUND - 1


def instrument(tick="0.01", **rest):
    return Instrument("X", tick_size=tick, lot_size=1, **rest)


SPREADS = [("0", "0.01"), ("10", "0.05"), ("50", "0.10")]
TABLED = instrument(tick_table=SPREADS)


def betfair():
    """Odds: ever coarser."""
    froms = [0, 2, 3, 4, 6, 10, 20, 30, 50, 100]
    steps = ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", 1, 2, 5, 10]
    return list(zip(froms, steps, strict=True))


def test_a_table_says_which_prices_are_legal():
    for text in ("0", "0.01", "9.99", "10", "10.05", "49.95", "50", "50.1", "1e6", "10.0500"):
        assert TABLED.ticks(text) == BTC.ticks(text)
        assert TABLED.ticks(Decimal(text)) == BTC.ticks(text)
    for text in ("10.01", "49.99", "50.05", "999999.95"):
        with pytest.raises(ValueError, match="is not a multiple of"):
            TABLED.ticks(text)


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ("10.03", "is not a multiple of 0.05, the step between 10.00 and 50.00"),
        ("10.005", "is not a multiple of 0.05, the step between 10.00 and 50.00"),
        ("9.995", "is not a multiple of 0.01, the step between 0.00 and 10.00"),
        ("1e-999999999", "is not a multiple of 0.01, the step between 0.00 and 10.00"),
        ("50.05", "is not a multiple of 0.10, the step from 50.00 up"),
        ("-10.03", "is not a multiple of 0.05, the step between -50.00 and -10.00"),
        ("-9.995", "is not a multiple of 0.01, the step between -10.00 and 0.00"),
        ("-1e-999999999", "is not a multiple of 0.01, the step between -10.00 and 0.00"),
        ("-77.05", "is not a multiple of 0.10, the step from -50.00 down"),
    ],
)
def test_what_is_off_the_table_names_the_value_the_range_and_the_step(price, why):
    with pytest.raises(ValueError) as error:
        TABLED.ticks(price)
    assert str(error.value) == f"price {price} {why}"


@pytest.mark.parametrize("beyond", [f"{BOUND}E-2", f"-{BOUND}E-2", "1e999999999", 10**99])
def test_a_table_leaves_the_bounds_as_they_are(beyond):
    assert TABLED.ticks(f"{MOST // 10 * 10}E-2") == MOST // 10 * 10
    for call in (TABLED.ticks, TABLED.floor, TABLED.ceil, BTC.floor, BTC.ceil):
        with pytest.raises(ValueError, match=r"is outside .*, less than 2\^62 times the tick 0.01"):
            call(beyond)


def test_the_table_of_a_price_below_zero_is_the_mirror_image():
    assert TABLED.ticks("-10.05") == -1005
    assert TABLED.ticks("-9.99") == -999
    with pytest.raises(ValueError, match=r"between -50\.00 and -10\.00$"):
        TABLED.ticks("-10.01")


def test_rounding_down_and_up_is_asked_for():
    assert (TABLED.floor("10.03"), TABLED.ceil("10.03")) == (1000, 1005)
    assert (TABLED.floor("10.05"), TABLED.ceil("10.05")) == (1005, 1005)
    assert (TABLED.floor("9.999"), TABLED.ceil("9.999")) == (999, 1000)
    assert (TABLED.floor("49.96"), TABLED.ceil("49.96")) == (4995, 5000)
    assert (TABLED.floor("-10.03"), TABLED.ceil("-10.03")) == (-1005, -1000)
    assert (TABLED.floor("-9.999"), TABLED.ceil("-9.999")) == (-1000, -999)
    assert (TABLED.floor("1e-999999999"), TABLED.ceil("1e-999999999")) == (0, 1)
    assert (TABLED.floor("-1e-999999999"), TABLED.ceil("-1e-999999999")) == (-1, 0)
    assert (BTC.floor("10.005"), BTC.ceil("10.005")) == (1000, 1001)  # no table: one step
    for call in (TABLED.floor, TABLED.ceil):
        with pytest.raises(TypeError, match=r"^float 10\.03 is not exact"):
            call(10.03)
        with pytest.raises(ValueError, match=r"^price 'ten' is not a decimal number"):
            call("ten")


def test_the_next_legal_price_is_one_step_off():
    assert (TABLED.next_below(999), TABLED.next_above(999)) == (998, 1000)
    assert (TABLED.next_below(1000), TABLED.next_above(1000)) == (999, 1005)
    assert (TABLED.next_below(1003), TABLED.next_above(1003)) == (1000, 1005)
    assert (TABLED.next_below(5000), TABLED.next_above(5000)) == (4995, 5010)
    assert (TABLED.next_below(0), TABLED.next_above(0)) == (-1, 1)
    assert (TABLED.next_below(-1000), TABLED.next_above(-1000)) == (-1005, -999)
    assert TABLED.next_above(np.int64(1000)) == 1005
    assert (BTC.next_below(7), BTC.next_above(7)) == (6, 8)
    for call in (TABLED.next_below, TABLED.next_above):
        with pytest.raises(TypeError, match=r"cannot be a number of ticks: pass an int$"):
            call("10.00")
        with pytest.raises(ValueError, match=r"ticks are outside -\(2\^62 - 1\)\.\.2\^62 - 1$"):
            call(BOUND)


def test_there_is_no_legal_price_beyond_the_bounds():
    high = MOST // 10 * 10
    assert TABLED.floor(f"{MOST}E-2") == TABLED.next_below(MOST) == high
    assert TABLED.ceil(f"-{MOST}E-2") == TABLED.next_above(-MOST) == -high
    for call, value, what in (
        (TABLED.ceil, f"{MOST}E-2", f"at or above {MOST}E-2"),
        (TABLED.floor, f"-{MOST}E-2", f"at or below -{MOST}E-2"),
        (TABLED.next_above, high, f"above {high} ticks"),
        (TABLED.next_below, -high, f"below -{high} ticks"),
        (BTC.next_above, MOST, f"above {MOST} ticks"),
    ):
        with pytest.raises(ValueError) as error:
            call(value)
        assert str(error.value) == f"no legal price {what} is less than 2^62 times the tick 0.01"


def test_every_step_of_the_odds():
    one = instrument(tick_table=betfair(), min_price="1.01", max_price=1000)
    odds = [one.ticks("1.01")]
    while odds[-1] < one.ticks(1000):
        odds.append(one.next_above(odds[-1]))
    assert len(odds) == 350
    assert [str(one.price(n)) for n in odds[98:102]] == ["1.99", "2.00", "2.02", "2.04"]
    assert [one.ticks(one.price(n)) for n in odds] == odds
    assert [one.next_below(n) for n in odds[1:]] == odds[:-1]


def test_a_price_is_shown_whether_it_is_legal_or_not():
    assert str(TABLED.price(1003)) == "10.03"


def test_a_distance_between_prices_has_no_table():
    assert TABLED.distance("10.03") == BTC.distance("10.03") == 1003
    assert TABLED.distance(0) == 0
    with pytest.raises(ValueError, match=r"^distance 0\.005 is not a multiple of the tick 0\.01$"):
        TABLED.distance("0.005")
    with pytest.raises(ValueError, match=r"^distance -1 is outside 0\.00\.\."):
        TABLED.distance(-1)


def test_limits_need_not_be_in_the_table():
    assert instrument(tick_table=SPREADS, max_price="77.77").parameters() == {"max_price": 7777}


def test_a_table_may_grow_finer():
    one = instrument(tick_table=[(0, "0.01"), ("0.10", "0.05"), ("0.90", "0.01")])
    assert [one.next_above(n) for n in (9, 10, 85, 90)] == [10, 15, 90, 91]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([], "tick_table has no rows; without one, leave it out or pass None"),
        ([(n, 1) for n in range(257)], "tick_table has more than 256 rows"),
        (
            [("0.01", "0.01")],
            "tick_table[0] price 0.01 is not 0; limit prices with min_price",
        ),
        (
            [(0, 1), (5, 1), (5, 1)],
            "tick_table[2] price 5.00 is not above 5.00, the row before",
        ),
        ([(0, 1), (5, 1), (4, 1)], "tick_table[2] price 4.00 is not above 5.00, the row before"),
        ([(0, "0.015")], "tick_table[0] step 0.015 is not a multiple of the tick 0.01"),
        (
            [(0, "0.01"), ("0.005", "0.01")],
            "tick_table[1] price 0.005 is not a multiple of the tick 0.01",
        ),
        (
            [(0, "0.01"), ("0.07", "0.02")],
            "tick_table[1] price 0.07 is not a multiple of its step 0.02",
        ),
        (
            [(0, "0.02"), ("0.03", "0.01")],
            "tick_table[1] price 0.03 is not a multiple of 0.02, the step before",
        ),
        ([(0, "ten")], "tick_table[0] step 'ten' is not a decimal number such as -12.5 or 1e-8"),
        (
            [(0, 0)],
            "tick_table[0] step 0 is outside 0.01..46116860184273879.03, "
            "less than 2^62 times the tick 0.01",
        ),
        (
            [(-1, 1)],
            "tick_table[0] price -1 is outside 0.00..46116860184273879.03, "
            "less than 2^62 times the tick 0.01",
        ),
    ],
)
def test_a_table_that_cannot_be_names_the_row(table, why):
    with pytest.raises(ValueError) as error:
        instrument(tick_table=table)
    assert str(error.value) == why


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (5, "tick_table is int 5: pass pairs of price and step"),
        ("05", "tick_table[0] is str 0: pass a pair of price and step"),
        ({0: 1}, "tick_table[0] is int 0: pass a pair of price and step"),
        ([(0, 1, 2)], "tick_table[0] is tuple (0, 1, 2): pass a pair of price and step"),
        ([(0, 1), "52"], "tick_table[1] is str 52: pass a pair of price and step"),
        ([(0, 0.5)], "float 0.5 is not exact: pass str, int or Decimal"),
        ([(0.0, 1)], "float 0.0 is not exact: pass str, int or Decimal"),
        ([(0, True)], "bool True cannot be a tick_table[0] step: pass str, int or Decimal"),
    ],
)
def test_a_table_is_made_of_pairs_of_exact_numbers(table, why):
    with pytest.raises(TypeError) as error:
        instrument(tick_table=table)
    assert str(error.value) == why


def test_a_table_without_end_is_refused():
    with pytest.raises(ValueError, match="more than 256 rows"):
        instrument(tick_table=((n, 1) for n in iter(int, 1)))


def tables():
    """Tick tables of a tick of 1, as pairs of ints: steps go up and down."""

    def rows(start, drawn):
        made = [(0, start)]
        for step, length in drawn:
            both = math.lcm(made[-1][1], step)
            made.append(((made[-1][0] // both + length) * both, step))
        return made

    steps = st.integers(1, 12)
    return st.builds(rows, steps, st.lists(st.tuples(steps, st.integers(1, 3)), max_size=5))


def is_legal(table, size):
    """By the words of the rule: a multiple of the step of the last row that starts at or below."""
    return not abs(size) % [step for start, step in table if start <= abs(size)][-1]


@given(tables(), st.integers(-400, 400), st.sampled_from(["0", "0.5", "0.001", "0.999"]))
def test_rounding_and_stepping_find_the_nearest_legal_price(table, whole, part):
    one = instrument(tick=1, tick_table=table)
    value = whole + Decimal(part)
    legal = [n for n in range(-2000, 2001) if is_legal(table, n)]
    assert one.floor(value) == max(n for n in legal if n <= value)
    assert one.ceil(value) == min(n for n in legal if n >= value)
    assert one.next_below(whole) == max(n for n in legal if n < whole)
    assert one.next_above(whole) == min(n for n in legal if n > whole)
    if value in legal:
        assert one.ticks(value) == one.ticks(str(value)) == value
    else:
        with pytest.raises(ValueError, match=r"^price .* is not a multiple of \d+, the step"):
            one.ticks(value)


@given(tables())
def test_which_row_a_boundary_belongs_to_makes_no_difference(table):
    one = instrument(tick=1, tick_table=table)
    for (_, step), (start, _) in itertools.pairwise(table):
        assert one.ticks(start) == one.next_above(start - step) == start


# ------------------------------------------------------------------- a value


def test_equal_tables_are_equal():
    first = instrument(tick_table=SPREADS)
    again = instrument(tick_table=tuple([Decimal(start), step] for start, step in SPREADS))
    assert first == again == TABLED
    assert hash(first) == hash(again)
    assert first != instrument(tick_table=SPREADS[:2])
    assert first != instrument()
    assert instrument() != instrument(tick_table=[(0, "0.01")])


def test_a_table_can_be_replaced_or_taken_away():
    plain = dataclasses.replace(TABLED, tick_table=None)
    assert (plain.tick_table, plain.ticks("10.01")) == (None, 1001)
    assert dataclasses.replace(TABLED, tick_table=SPREADS[:2]).ticks("50.05") == 5005
    with pytest.raises(AttributeError):
        TABLED.tick_table = None


def test_its_text_shows_the_table():
    assert repr(TABLED) == (
        "Instrument('X', tick_size='0.01', lot_size='1', "
        "tick_table=[('0.00', '0.01'), ('10.00', '0.05'), ('50.00', '0.10')])"
    )
