"""Columns of delimited text as integer arrays, exactly: no float is made of any number.

A block of lines is cut at its delimiters by numpy, and a column is read for all its rows at once,
one character position after the other.  What that way does not know (an exponent, more than 18
digits) goes through Decimal, row by row.  `Units` brings the decimals of a whole file to one
integer unit.
"""

import re
import warnings
from collections.abc import Callable
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from pricetime.records import BOUND
from pricetime.replay.source import ReplayError

__all__ = ["LAST", "Table", "Units", "shown"]

DIGITS = 18  # what always fits into int64
LAST = 9_150_000_000  # seconds since the epoch, in 2259: nanoseconds fit into int64 up to here
SHOWN = 40  # characters of a bad value that an error repeats

Ints = NDArray[np.int64]

PAD = np.zeros(256, bool)
PAD[[ord(c) for c in ' \t\r"']] = True

_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?").fullmatch


def shown(text: str, limit: int = SHOWN) -> str:
    """The text in quotes as an error repeats it: printable and short."""
    text = text if len(text) <= limit else text[:limit] + "..."
    return ascii(text)


class Table:
    """Some lines of a file, cut into columns."""

    def __init__(self, path: str, block: bytes, line: int, delimiter: str, columns: list[str]):
        """`block` is whole lines, the first of which has the number `line`; `columns` names every
        column.
        """
        self.path, self.columns = path, columns
        self._bytes = np.frombuffer(block, np.uint8)
        end = np.flatnonzero(self._bytes == ord("\n"))
        start = np.concatenate(([0], end[:-1] + 1))
        number = np.arange(line, line + len(end))
        end = end - (self._bytes[np.maximum(end - 1, 0)] == ord("\r"))
        full = end > start
        if not full.all():  # blank lines count as lines and are no rows
            start, end, number = start[full], end[full], number[full]
        self.lines = number  # from 1
        cuts = np.flatnonzero(self._bytes == ord(delimiter))
        given = np.searchsorted(cuts, end) - np.searchsorted(cuts, start) + 1
        wrong = np.flatnonzero(given != len(columns))
        if len(wrong):
            at, names = wrong[0], ", ".join(columns)
            raise ReplayError(
                f"{path}:{number[at]}: {given[at]} columns where {len(columns)} are wanted "
                f"({names})"
            )
        inner = cuts.reshape(len(end), len(columns) - 1)
        self._start = np.column_stack((start, inner + 1))
        self._end = np.column_stack((inner, end))

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, row: int, column: str) -> str:
        """What stands there, without blanks and quotes around it."""
        at = self.columns.index(column)
        raw = bytes(self._bytes[self._start[row, at] : self._end[row, at]])
        return raw.decode("utf-8", "replace").strip(' \t\r"')

    def error(self, row: int, column: str, allowed: str) -> ReplayError:
        """The error that says what stands there and what is allowed."""
        given = self.text(row, column)
        what = f"{column} is empty" if not given else f"{column} {shown(given)}"
        return ReplayError(f"{self.path}:{self.lines[row]}: {what}; allowed: {allowed}")

    def require(self, good: NDArray[np.bool_], column: str, allowed: str) -> None:
        """Raises for the first row that is not good."""
        if not good.all():
            raise self.error(int(np.argmin(good)), column, allowed)

    def _span(self, column: str) -> tuple[Ints, Ints]:
        """First byte and length of each row's value, without blanks and quotes around it."""
        at = self.columns.index(column)
        start, end = self._start[:, at].copy(), self._end[:, at].copy()
        if not len(start):
            return start, end
        while True:
            more = PAD[self._bytes[start]] & (start < end)
            if not more.any():
                break
            start += more
        while True:
            more = PAD[self._bytes[end - 1]] & (start < end)
            if not more.any():
                break
            end -= more
        return start, end - start

    def _window(self, start: Ints, width: int) -> NDArray[np.uint8]:
        """Row k holds byte k of every value: contiguous, since it is read position by position."""
        last = len(self._bytes) - 1
        window = np.empty((width, len(start)), np.uint8)
        for k in range(width):
            window[k] = self._bytes[np.minimum(start + k, last)]
        return window

    def filled(self, column: str) -> NDArray[np.bool_]:
        """Which rows have a value there."""
        return self._span(column)[1] > 0

    def decimals(
        self, column: str, allowed: str = "a number", *, blank: bool = False
    ) -> tuple[Ints, NDArray[np.int8]]:
        """Every value as an integer and the decimal places to divide it by; with `blank`, nothing
        is 0.
        """
        start, width = self._span(column)
        value, scale = np.zeros(len(start), np.int64), np.zeros(len(start), np.int8)
        if not len(start):
            return value, scale
        sign = self._bytes[start]
        signed = (width > 0) & ((sign == ord("-")) | (sign == ord("+")))
        start, width = start + signed, width - signed
        digits, point = np.zeros(len(start), np.int8), np.zeros(len(start), np.int8)
        odd = np.zeros(len(start), bool)
        longest = min(int(width.max()), DIGITS + 2)
        for k, char in enumerate(self._window(start, longest)):
            live = k < width
            digit = char - np.uint8(ord("0"))  # wraps: below "0" is far above 9
            is_digit = (digit <= 9) & live
            is_point = (char == ord(".")) & live
            np.copyto(value, value * 10 + digit, where=is_digit & (digits < DIGITS))
            digits += is_digit
            scale += is_digit & (point > 0)
            point += is_point
            odd |= live & ~is_digit & ~is_point
        odd |= (digits == 0) | (digits > DIGITS) | (point > 1) | (width > longest)
        if blank:
            odd &= width > 0
        np.negative(value, out=value, where=signed & (sign == ord("-")))
        for row in np.flatnonzero(odd).tolist():
            value[row], scale[row] = self._odd(row, column, allowed)
        return value, scale

    def _odd(self, row: int, column: str, allowed: str) -> tuple[int, int]:
        """One number that is not plain digits and a point."""
        text = self.text(row, column)
        if not _number(text):
            raise self.error(row, column, allowed)
        sign, digits, exponent = Decimal(text).as_tuple()
        assert isinstance(exponent, int)
        value = int("".join(map(str, digits)))
        while value and value % 10 == 0 and exponent < 0:
            value, exponent = value // 10, exponent + 1
        if not value:
            return 0, 0
        if exponent > 2 * DIGITS or -exponent > 2 * DIGITS:
            raise self.error(row, column, f"{allowed} of at most {DIGITS} digits")
        value *= 10 ** max(exponent, 0)
        if value >= BOUND:
            raise self.error(row, column, f"{allowed} of at most {DIGITS} digits")
        return -value if sign else value, max(-exponent, 0)

    def integers(self, column: str, allowed: str = "a whole number") -> Ints:
        """Every value as an integer; 5853300.0 and 5.8533e6 are whole, too."""
        value, scale = self.decimals(column, allowed)
        if scale.any():
            unit = 10 ** np.minimum(scale, DIGITS).astype(np.int64)
            self.require((value % unit == 0) & (scale <= DIGITS), column, allowed)
            value = value // unit
        return value

    def words(self, column: str, known: dict[str, int]) -> NDArray[np.int8]:
        """Every value by its number in `known`; capitals do not matter."""
        start, width = self._span(column)
        found = np.full(len(start), -1, np.int8)
        longest = max(map(len, known))
        if len(start):
            chars = self._window(start, longest)
            chars[(np.arange(longest)[:, None] >= width) | (chars == 0)] = 0
            chars += np.where((chars >= ord("A")) & (chars <= ord("Z")), 32, 0).astype(np.uint8)
            whole = np.ascontiguousarray(chars.T).view(f"S{longest}")[:, 0]
            for word, code in known.items():
                found[(whole == word.encode()) & (width == len(word))] = code
        self.require(found >= 0, column, ", ".join(filter(None, known)))
        return found

    def moments(self, column: str) -> Ints:
        """Every date and time in nanoseconds since the epoch; without a zone it counts as UTC."""
        allowed = "a time such as 2019-05-23 09:00:30.216"
        start, width = self._span(column)
        if not len(start):
            return np.zeros(0, np.int64)
        longest = int(width.max())
        if not (10 <= longest <= 35 and width.min() >= 10):
            self.require((width >= 10) & (width <= 35), column, allowed)
        chars = self._window(start, longest)
        chars[np.arange(longest)[:, None] >= width] = 0
        texts = np.ascontiguousarray(chars.T).view(f"S{longest}")[:, 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy turns a zone into UTC, and warns that it does
            try:
                moments = texts.astype(f"U{longest}").astype("datetime64[ns]")
            except (ValueError, OverflowError):
                raise self.error(self._first_bad(column), column, allowed) from None
            seconds = texts.astype(f"U{longest}").astype("datetime64[s]").astype(np.int64)
        self.require((seconds >= 0) & (seconds < LAST), column, "a time from 1970 to 2259")
        return moments.astype(np.int64)

    def _first_bad(self, column: str) -> int:
        """The first row whose value is no date and time."""
        for row in range(len(self)):
            try:
                np.datetime64(self.text(row, column), "ns")
            except (ValueError, OverflowError):
                break
        return row


class Units:
    """The decimals of a whole file, brought to integers of the largest unit they are whole in."""

    def __init__(self, noun: str):
        self.noun = noun  # what they are, for errors
        self._values: list[Ints] = []
        self._scales: list[NDArray[np.int8]] = []

    def add(self, values: Ints, scales: NDArray[np.int8]) -> None:
        """Takes some more of them, as `Table.decimals` gives them."""
        self._values.append(values)
        self._scales.append(scales)

    def settle(
        self, where: Callable[[int], str], leave: NDArray[np.bool_] | None = None
    ) -> tuple[Ints, Decimal]:
        """All values in units, and the unit; those to `leave` out have no say in the unit and
        become 0.

        `where` says of a value's number, counted from 0, in which file and line it stands.
        """
        values = np.concatenate([*self._values, np.zeros(0, np.int64)])
        scales = np.concatenate([*self._scales, np.zeros(0, np.int8)])
        self._values, self._scales = [], []
        if leave is not None:
            values[leave], scales[leave] = 0, 0
        scales[values == 0] = 0
        deepest = int(scales.max(initial=0))
        for scale in np.unique(scales).tolist():
            mine, factor = scales == scale, 10 ** (deepest - scale)
            if factor == 1:
                continue
            large = np.abs(values) > (BOUND - 1) // factor
            if (mine & large).any():
                at = int(np.argmax(mine & large))
                given = Decimal(int(values[at])).scaleb(-scale)
                raise ReplayError(
                    f"{where(at)}: {self.noun} {given:f} beside one with {deepest} decimal places; "
                    f"allowed: less than 2^62 units of the smallest"
                )
            if factor < BOUND:  # else they are all 0
                values[mine] *= factor
        step = unit_in(int(np.gcd.reduce(values)) if len(values) else 1)
        return values // step, plain(step, deepest)


def unit_in(divisor: int) -> int:
    """The largest divisor that is like a tick or a lot: 1, 2, 2.5 or 5 times a power of ten."""
    if not divisor:
        return 1
    power = 1
    while divisor % (10 * power) == 0:
        power *= 10
    return power * max(step for step in (1, 2, 5, 25) if divisor % (power * step) == 0)


def plain(value: int, places: int) -> Decimal:
    """The Decimal value / 10**places without trailing zeros, as people write it."""
    while places and value % 10 == 0:
        value, places = value // 10, places - 1
    return Decimal(f"{value}E-{places}")
