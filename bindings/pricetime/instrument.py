"""The exact edge between decimal prices and the book's integer ticks and lots.

Every value becomes `digits * 10**exponent` in plain ints and is divided by the unit; a remainder
is an error. So nothing is rounded, and no decimal context (precision, rounding, traps) has a say.
Decimal's own arithmetic would not do: it rounds at 28 digits, and with its traps off even
`Decimal("x")` is a quiet NaN.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from numbers import Rational, Real
from typing import NamedTuple, SupportsIndex

import numpy as np

from pricetime.records import BOUND, STP

__all__ = ["Instrument", "index"]

TEXT_LIMIT = 256  # characters of a number: more than any value within the bounds has a use for
DECIMALS_LIMIT = 32  # decimals of a tick or a lot, and digits before its point
ROWS_LIMIT = 256  # rows of a tick table: the longest that are published have about 20
SHIFT_LIMIT = (
    4 * DECIMALS_LIMIT + 20
)  # a non-zero value this many decimal places up is out of bounds

# ASCII digits alone: `\d` and Decimal would take other scripts, Decimal underscores and blanks too.
_match = re.compile(r"([+-]?(?:[0-9]+|(?=\.[0-9])))(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?").fullmatch

Number = str | SupportsIndex | Decimal
BOOLS = bool, np.bool_  # ints to Python, and before numpy 2.3 to operator.index


class _Unit(NamedTuple):
    """A tick, a lot, or their product: `digits` / 10**`decimals`."""

    digits: int  # above 0
    decimals: int  # 0 or more; as written, so that 0.50 shows prices with two decimals
    noun: str  # for errors


class _Table(NamedTuple):
    """A tick table in ticks, or its mirror image below 0. Row n says that from `froms[n]` on the
    legal prices are the multiples of `steps[n]`, as its own start and the next row's are."""

    froms: tuple[int, ...]  # ascending from 0
    steps: tuple[int, ...]  # above 0

    def step(self, size: int) -> int:
        """The step at a price of so many ticks, 0 or more."""
        return self.steps[bisect_right(self.froms, size) - 1]

    def floor(self, ticks: int) -> int:
        """The highest legal price that is not above so many ticks."""
        return ticks - ticks % self.step(ticks) if ticks >= 0 else -self.ceil(-ticks)

    def ceil(self, ticks: int) -> int:
        """The lowest legal price that is not below so many ticks."""
        return ticks + -ticks % self.step(ticks) if ticks >= 0 else -self.floor(-ticks)


NO_TABLE = _Table((0,), (1,))  # every tick is legal


def _plain(digits: int, decimals: int) -> str:
    """The text of `digits` / 10**`decimals`, without an exponent."""
    if not decimals:
        return str(digits)
    text = str(abs(digits)).zfill(decimals + 1)
    return f"{'-' if digits < 0 else ''}{text[:-decimals]}.{text[-decimals:]}"


def _decimal(digits: int, decimals: int) -> Decimal:
    """The Decimal `digits` / 10**`decimals`: made from text, which no context rounds."""
    return Decimal(f"{digits}E-{decimals}")


def _show(value: object) -> str:
    """The value as an error names it: short, whatever it is."""
    if isinstance(value, int) and value.bit_length() > 4 * TEXT_LIMIT:
        return f"of {value.bit_length()} bits"  # Python refuses to print the largest ones
    text = str(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _type_error(value: object, name: str) -> TypeError:
    kind = type(value).__name__
    if isinstance(value, Real) and not isinstance(value, Rational):
        return TypeError(f"{kind} {_show(value)} is not exact: pass str, int or Decimal")
    return TypeError(f"{kind} {_show(value)} cannot be a {name}: pass str, int or Decimal")


def _integer(value: object, name: str) -> int:
    """The int of anything that is one (numpy's too), but a bool."""
    if not isinstance(value, BOOLS):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{type(value).__name__} {_show(value)} cannot be {name}: pass an int")


def _parse(value: Number, name: str) -> tuple[int, int]:
    """Digits and exponent of a number: value = digits * 10**exponent."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, Decimal):
        text = Decimal.__str__(value)
    elif isinstance(value, BOOLS):
        raise _type_error(value, name)
    else:
        try:
            return operator.index(value), 0
        except TypeError:
            raise _type_error(value, name) from None
    if len(text) > TEXT_LIMIT:
        raise ValueError(f"{name} {_show(text)} is longer than {TEXT_LIMIT} characters")
    match = _match(text)
    if match is None:
        shown = repr(text) if isinstance(value, str) else text
        raise ValueError(f"{name} {shown} is not a decimal number such as -12.5 or 1e-8")
    whole, fraction, exponent = match.groups()
    digits = int(whole + fraction) if fraction else int(whole)
    return digits, (int(exponent) if exponent else 0) - len(fraction or "")


def _unit(value: Number, name: str, noun: str) -> _Unit:
    """The tick or lot that was given."""
    digits, exponent = _parse(value, name)
    if digits <= 0:
        raise ValueError(f"{name} {_show(value)} is not above 0")
    if -exponent > DECIMALS_LIMIT:
        raise ValueError(f"{name} {_show(value)} has more than {DECIMALS_LIMIT} decimals")
    if exponent > DECIMALS_LIMIT or digits >= 10 ** (DECIMALS_LIMIT - exponent):
        raise ValueError(f"{name} {_show(value)} is not below 1e{DECIMALS_LIMIT}")
    if exponent > 0:
        digits, exponent = digits * 10**exponent, 0
    return _Unit(digits, -exponent, noun)


def _divide(value: Number, unit: _Unit, name: str) -> tuple[int, int]:
    """How many whole units the value has, rounded down, and what is left: 0 if that is exact."""
    digits, exponent = _parse(value, name)
    shift = exponent + unit.decimals
    if not digits:
        return 0, 0
    if shift > SHIFT_LIMIT:  # 1e999999999: not a number to write out
        return (BOUND if digits > 0 else -BOUND), 0
    if shift < -TEXT_LIMIT:  # fewer digits than places: a part of a unit
        return (0 if digits > 0 else -1), 1
    scale: int = 10 ** abs(shift)
    return divmod(digits * scale, unit.digits) if shift > 0 else divmod(digits, unit.digits * scale)


def _count(value: Number, unit: _Unit, name: str, least: int) -> int:
    """How many units the value is: whole, from `least` to BOUND - 1, or a ValueError."""
    count, rest = _divide(value, unit, name)
    if rest:
        size = _plain(unit.digits, unit.decimals)
        raise ValueError(f"{name} {_show(value)} is not a multiple of the {unit.noun} {size}")
    if not least <= count < BOUND:
        raise _bound_error(f"{name} {_show(value)}", unit, least)
    return count


def _bound_error(what: str, unit: _Unit, least: int) -> ValueError:
    low, high, size = (_plain(n * unit.digits, unit.decimals) for n in (least, BOUND - 1, 1))
    return ValueError(
        f"{what} is outside {low}..{high}, less than 2^62 times the {unit.noun} {size}"
    )


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Instrument:
    """Converts between decimal prices and quantities and the book's ticks and lots, exactly.

    Numbers are str, int (numpy's too) or Decimal; a float, and what is not a whole number of ticks
    or lots, is refused. Instruments are immutable, hashable, picklable; equal if all they hold is.

    Where the step of prices depends on the price, `tick_table` has a row (from, step) for each
    range, the first from 0: prices from there on are multiples of the step. Below 0 its mirror
    image holds. The book goes on counting in `tick_size` and does not know the table: what it works
    out itself (where an order slides to, what trails) may lie off it, and `price` shows it.

        >>> instrument = Instrument(
        ...     "BTC_EUR", tick_size="0.01", lot_size="0.00001", min_price="0.01"
        ... )
        >>> instrument.ticks("27000.50"), instrument.lots("0.015")
        (2700050, 1500)
        >>> instrument.price(2700050), instrument.quantity(1500)
        (Decimal('27000.50'), Decimal('0.01500'))
        >>> instrument.parameters()
        {'min_price': 1}
        >>> instrument = Instrument(
        ...     "X", tick_size="0.01", lot_size=1, tick_table=[("0", "0.01"), ("10", "0.05")]
        ... )
        >>> instrument.ticks("9.99"), instrument.floor("10.03"), instrument.ceil("10.03")
        (999, 1000, 1005)
        >>> instrument.next_below(1000), instrument.next_above(1000)
        (999, 1005)
    """

    name: str
    """What it is called; the book does not know it."""
    tick_size: Decimal
    """Smallest step of a price; prices have as many decimals as it was written with."""
    lot_size: Decimal
    """Smallest step of a quantity; quantities have as many decimals as it was written with."""
    tick_table: tuple[tuple[Decimal, Decimal], ...] | None
    """Rows of the price from which a step holds, and that step; None: tick_size everywhere."""
    min_price: Decimal | None
    max_price: Decimal | None
    min_quantity: Decimal | None
    max_quantity: Decimal | None
    min_notional: Decimal | None
    """Least price times quantity, in money; 0 is no limit."""
    max_notional: Decimal | None
    """Largest price times quantity, in money; 0 is no limit."""
    stp: STP | None
    """Self-trade prevention of orders that leave it at DEFAULT."""
    orders_per_account: int | None
    """Most live orders of one account; 0 is no limit."""
    _tick: _Unit = field(init=False, compare=False)
    _lot: _Unit = field(init=False, compare=False)
    _money: _Unit = field(init=False, compare=False)
    _table: _Table = field(init=False, compare=False)
    _parameters: tuple[tuple[str, int], ...] = field(init=False, compare=False)

    def __init__(
        self,
        name: str,
        *,
        tick_size: Number,
        lot_size: Number,
        tick_table: Iterable[tuple[Number, Number]] | None = None,
        min_price: Number | None = None,
        max_price: Number | None = None,
        min_quantity: Number | None = None,
        max_quantity: Number | None = None,
        min_notional: Number | None = None,
        max_notional: Number | None = None,
        stp: STP | int | None = None,
        orders_per_account: SupportsIndex | None = None,
    ) -> None:
        """Take tick, lot and limits in the units people use; None is the book's default.

        A limit must be a whole number of ticks, of lots, or (notional) of ticks times lots. A step
        of `tick_table` must be one of ticks; where a row starts, a multiple of the step there and
        of the one before.
        Raises TypeError for a float or a bool, ValueError for a value that does not fit.
        """
        if not isinstance(name, str):
            raise TypeError(f"{type(name).__name__} {_show(name)} cannot be a name: pass a str")
        tick = _unit(tick_size, "tick_size", "tick")
        lot = _unit(lot_size, "lot_size", "lot")
        money = _Unit(tick.digits * lot.digits, tick.decimals + lot.decimals, "tick times lot")
        limits = {
            "min_price": (min_price, tick, 1 - BOUND),
            "max_price": (max_price, tick, 1 - BOUND),
            "min_quantity": (min_quantity, lot, 1),
            "max_quantity": (max_quantity, lot, 1),
            "min_notional": (min_notional, money, 0),
            "max_notional": (max_notional, money, 0),
        }
        put = object.__setattr__
        put(self, "name", name)
        put(self, "tick_size", _decimal(tick.digits, tick.decimals))
        put(self, "lot_size", _decimal(lot.digits, lot.decimals))
        put(self, "_tick", tick)
        put(self, "_lot", lot)
        put(self, "_money", money)
        table = NO_TABLE if tick_table is None else _read_table(tick_table, tick)
        rows = tuple((self.price(n), self.price(step)) for n, step in zip(*table, strict=True))
        put(self, "_table", table)
        put(self, "tick_table", None if tick_table is None else rows)
        parameters: dict[str, int] = {}
        for key, (value, unit, least) in limits.items():
            if value is not None:
                parameters[key] = _count(value, unit, key, least)
                put(self, key, _decimal(parameters[key] * unit.digits, unit.decimals))
            else:
                put(self, key, None)
        self._check_order(parameters)
        if stp is not None:
            parameters["stp"] = _stp(stp)
        if orders_per_account is not None:
            parameters["orders_per_account"] = _orders(orders_per_account)
        put(self, "stp", parameters.get("stp"))
        put(self, "orders_per_account", parameters.get("orders_per_account"))
        put(self, "_parameters", tuple(parameters.items()))

    def _check_order(self, parameters: dict[str, int]) -> None:
        for what in ("price", "quantity", "notional"):
            low, high = parameters.get(f"min_{what}"), parameters.get(f"max_{what}")
            if low is None or high is None or low <= high or (what == "notional" and high == 0):
                continue
            given = [getattr(self, f"{end}_{what}") for end in ("min", "max")]
            raise ValueError(f"min_{what} {given[0]:f} is above max_{what} {given[1]:f}")

    def ticks(self, price: Number) -> int:
        """The price as a number of ticks, between -2^62 and 2^62.

        Raises ValueError if it is no whole number of ticks, off the tick table or out of bounds,
        TypeError for a float.
        The instrument's own limits are the book's to check: it rejects with PRICE_RANGE.
        """
        if self.tick_table is None:
            return _count(price, self._tick, "price", 1 - BOUND)
        count, rest = _divide(price, self._tick, "price")
        size = count if count >= 0 else -count - (rest > 0)  # of the price without sign, cut
        if size >= BOUND:
            raise _bound_error(f"price {_show(price)}", self._tick, 1 - BOUND)
        if rest or size % self._table.step(size):
            raise self._step_error(f"price {_show(price)}", size, count < 0)
        return count

    def _step_error(self, what: str, size: int, negative: bool) -> ValueError:
        row = bisect_right(self._table.froms, size) - 1
        sign = -1 if negative else 1
        ends = [f"{self.price(sign * end):f}" for end in self._table.froms[row : row + 2]]
        if len(ends) == 2:
            low, high = ends[::sign]
            where = f"between {low} and {high}"
        else:
            where = f"from {ends[0]} {'down' if negative else 'up'}"
        step = self.price(self._table.steps[row])
        return ValueError(f"{what} is not a multiple of {step:f}, the step {where}")

    def floor(self, price: Number) -> int:
        """The highest legal price at or below this one, of any decimals, as a number of ticks.

        Raises ValueError if either is beyond the bounds of `ticks`, TypeError for a float.
        """
        count, _ = self._cut(price)
        return self._legal(self._table.floor(count), f"at or below {_show(price)}")

    def ceil(self, price: Number) -> int:
        """The lowest legal price at or above this one, of any decimals, as a number of ticks.

        Raises ValueError if either is beyond the bounds of `ticks`, TypeError for a float.
        """
        count, rest = self._cut(price)
        return self._legal(self._table.ceil(count + (rest > 0)), f"at or above {_show(price)}")

    def next_below(self, ticks: SupportsIndex) -> int:
        """The highest legal price below so many ticks, which may be off the table themselves.

        Raises ValueError if there is none within the bounds of `ticks`, TypeError for a non-int.
        """
        count = _ticks(ticks)
        return self._legal(self._table.floor(count - 1), f"below {count} ticks")

    def next_above(self, ticks: SupportsIndex) -> int:
        """The lowest legal price above so many ticks, which may be off the table themselves.

        Raises ValueError if there is none within the bounds of `ticks`, TypeError for a non-int.
        """
        count = _ticks(ticks)
        return self._legal(self._table.ceil(count + 1), f"above {count} ticks")

    def _cut(self, price: Number) -> tuple[int, int]:
        count, rest = _divide(price, self._tick, "price")
        if not -BOUND < count < BOUND:
            raise _bound_error(f"price {_show(price)}", self._tick, 1 - BOUND)
        return count, rest

    def _legal(self, count: int, what: str) -> int:
        if not -BOUND < count < BOUND:
            tick = _plain(self._tick.digits, self._tick.decimals)
            raise ValueError(f"no legal price {what} is less than 2^62 times the tick {tick}")
        return count

    def distance(self, value: Number) -> int:
        """A distance between prices (what trails, a collar, a band) as a number of ticks.

        As `ticks`, but for the tick table, which has no say, and for values below 0: ValueError.
        """
        return _count(value, self._tick, "distance", 0)

    def lots(self, quantity: Number) -> int:
        """The quantity as a number of lots, above 0 and below 2^62.

        Raises ValueError if it is no whole number of lots or out of bounds, TypeError for a float.
        """
        return _count(quantity, self._lot, "quantity", 1)

    def units(self, amount: Number) -> int:
        """An amount of money as a number of ticks times lots, below 2^62; 0 is one.

        Raises ValueError if it is no whole number of them or out of bounds, TypeError for a float.
        """
        return _count(amount, self._money, "amount", 0)

    def amount(self, units: SupportsIndex) -> Decimal:
        """The money of so many ticks times lots, with the decimals of both; 0 may remain.

        Raises ValueError outside 0..2^62 - 1, TypeError for what is not an int.
        """
        count = _integer(units, "a number of ticks times lots")
        if not 0 <= count < BOUND:
            raise ValueError(f"{_show(count)} ticks times lots are outside 0..2^62 - 1")
        return _decimal(count * self._money.digits, self._money.decimals)

    def price(self, ticks: SupportsIndex) -> Decimal:
        """The price of so many ticks, legal or not, with the tick's number of decimals.

        Raises ValueError beyond the bounds of `ticks`, TypeError for what is not an int.
        """
        return _decimal(_ticks(ticks) * self._tick.digits, self._tick.decimals)

    def quantity(self, lots: SupportsIndex) -> Decimal:
        """The quantity of so many lots, with the lot's number of decimals; 0 lots may remain.

        Raises ValueError outside 0..2^62 - 1, TypeError for what is not an int.
        """
        count = _integer(lots, "a number of lots")
        if not 0 <= count < BOUND:
            raise ValueError(f"{_show(count)} lots are outside 0..2^62 - 1")
        return _decimal(count * self._lot.digits, self._lot.decimals)

    def parameters(self) -> dict[str, int]:
        """The limits that were given as keywords of `Book`: in ticks, lots and ticks times lots."""
        return dict(self._parameters)

    def __repr__(self) -> str:
        given = [repr(self.name)]
        for key in self.__dataclass_fields__:
            value = getattr(self, key)
            if isinstance(value, Decimal):
                given.append(f"{key}='{value:f}'")
            elif key == "tick_table" and value is not None:
                rows = ", ".join(f"('{start:f}', '{step:f}')" for start, step in value)
                given.append(f"{key}=[{rows}]")
            elif isinstance(value, STP):
                given.append(f"{key}=STP.{value.name}")
            elif isinstance(value, int):
                given.append(f"{key}={value}")
        return f"{type(self).__name__}({', '.join(given)})"


def _read_table(rows: Iterable[tuple[Number, Number]], tick: _Unit) -> _Table:
    """The tick table that was given, or an error that names the row."""
    try:
        pairs = list(islice(rows, ROWS_LIMIT + 1))
    except TypeError:
        raise _table_error("tick_table", rows, "pairs of price and step") from None
    if not pairs:
        raise ValueError("tick_table has no rows; without one, leave it out or pass None")
    if len(pairs) > ROWS_LIMIT:
        raise ValueError(f"tick_table has more than {ROWS_LIMIT} rows")
    froms: list[int] = []
    steps: list[int] = []
    for row, pair in enumerate(pairs):
        name = f"tick_table[{row}]"
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise _table_error(name, pair, "a pair of price and step")
        start = _count(pair[0], tick, f"{name} price", 0)
        step = _count(pair[1], tick, f"{name} step", 1)
        shown, size, before, below = (
            _plain(n * tick.digits, tick.decimals)
            for n in (start, step, froms[-1] if row else 0, steps[-1] if row else 0)
        )
        if not row and start:
            raise ValueError(f"{name} price {shown} is not 0; limit prices with min_price")
        if row and start <= froms[-1]:
            raise ValueError(f"{name} price {shown} is not above {before}, the row before")
        if start % step:
            raise ValueError(f"{name} price {shown} is not a multiple of its step {size}")
        if row and start % steps[-1]:
            raise ValueError(f"{name} price {shown} is not a multiple of {below}, the step before")
        froms.append(start)
        steps.append(step)
    return _Table(tuple(froms), tuple(steps))


def _table_error(name: str, value: object, wanted: str) -> TypeError:
    return TypeError(f"{name} is {type(value).__name__} {_show(value)}: pass {wanted}")


def _ticks(value: SupportsIndex) -> int:
    count = _integer(value, "a number of ticks")
    if not -BOUND < count < BOUND:
        raise ValueError(f"{_show(count)} ticks are outside -(2^62 - 1)..2^62 - 1")
    return count


def _stp(value: STP | int) -> STP:
    mode = _integer(value, "an STP")
    if not STP.CANCEL_TAKER <= mode <= STP.ALLOW:
        raise ValueError(f"stp {_show(mode)} is outside 1..5 (CANCEL_TAKER..ALLOW)")
    return STP(mode)


def _orders(value: SupportsIndex) -> int:
    count = _integer(value, "orders_per_account")
    if not 0 <= count < BOUND:
        raise ValueError(f"orders_per_account {_show(count)} is outside 0..2^62 - 1")
    return count


def index(value: SupportsIndex, name: str) -> int:
    """The int of what is one; raises TypeError."""
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name} {value!r} is a {kind}: pass an int") from None
