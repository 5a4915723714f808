"""Ticks and lots as decimal texts, exactly and quickly: a Decimal for each of a million events is
slow.
"""

from decimal import Decimal

from pricetime.instrument import Instrument

__all__ = ["Unit", "Units"]


class Unit:
    """A step, as a whole number of its last decimals."""

    def __init__(self, digits: int, decimals: int) -> None:
        self.digits = digits
        self.decimals = decimals
        self._scale = 10**decimals

    @classmethod
    def of(cls, step: Decimal) -> "Unit":
        """The unit that a step is."""
        _, digits, exponent = step.as_tuple()
        assert isinstance(exponent, int)  # it is finite
        number = int("".join(map(str, digits)))
        return cls(number * 10 ** max(exponent, 0), max(-exponent, 0))

    def text(self, count: int) -> str:
        """So many steps, with the decimals of one."""
        value = abs(count) * self.digits
        sign = "-" if count < 0 else ""
        if not self.decimals:
            return f"{sign}{value}"
        whole, rest = divmod(value, self._scale)
        return f"{sign}{whole}.{rest:0{self.decimals}d}"


class Units:
    """The three units of an instrument: of prices, quantities and money."""

    def __init__(self, instrument: Instrument) -> None:
        self.tick = Unit.of(instrument.tick_size)
        self.lot = Unit.of(instrument.lot_size)
        self.money = Unit(
            self.tick.digits * self.lot.digits, self.tick.decimals + self.lot.decimals
        )
