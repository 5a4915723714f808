"""What a market answers to one command, in the instrument's units."""

from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pricetime._book import Result, _result
from pricetime.instrument import Instrument
from pricetime.log.batch import Records
from pricetime.records import EVENT, EventKind, Reason, Status

__all__ = ["Answer", "Fill"]

OWN = (EventKind.ACCEPTED, EventKind.AMENDED, EventKind.REPLACED, EventKind.CANCELLED)
"""How what a command does to its own order begins, where the reason is none or USER."""


class Fill(NamedTuple):
    """One trade of the order that a call brought in, with the resting order that it met."""

    maker_id: int
    maker_account: int
    price: Decimal
    quantity: Decimal


class Answer:
    """What became of one command; read from its events, when asked for."""

    __slots__ = ("__dict__", "_data", "_instrument", "_money", "order_id", "repeated")

    order_id: int
    """The order that the command brought in, changed or ended; 0 for a command without one."""
    repeated: bool
    """Whether its token had come before: this is then what became of it the first time."""

    def __init__(
        self, instrument: Instrument, data: bytes, order_id: int, *, money: bool, repeated: bool
    ) -> None:
        self._instrument = instrument
        self._data = data
        self._money = money
        self.order_id = order_id
        self.repeated = repeated

    @cached_property
    def _ticks_and_lots(self) -> Result:
        """The same in ticks and lots."""
        # What fell due first may have been about the same order. It carries other reasons.
        events = self.events
        own = (events["order_id"] == self.order_id) & np.isin(events["kind"], OWN)
        own &= np.isin(events["reason"], (0, Reason.USER))
        own[-1] |= events["kind"][-1] == EventKind.REJECTED
        first = int(np.argmax(own))  # 0 if there is none
        return _result(self._data, self.order_id, int(events["sequence"][first]) - 1)

    @property
    def status(self) -> Status:
        """What became of the command."""
        return self._ticks_and_lots.status

    @property
    def reason(self) -> Reason | None:
        """Why the command was rejected or its order cancelled; else None."""
        return self._ticks_and_lots.reason

    @property
    def filled(self) -> Decimal:
        """The quantity of the order that this command traded."""
        return self._instrument.quantity(self._ticks_and_lots.filled)

    @property
    def remaining(self) -> Decimal:
        """The quantity of the order that is still open; of an amount to spend, the money."""
        remaining = self._ticks_and_lots.remaining
        convert = self._instrument.amount if self._money else self._instrument.quantity
        return convert(remaining)

    @property
    def trades(self) -> tuple[Fill, ...]:
        """The order's trades with orders that rested, as they happened."""
        price, quantity = self._instrument.price, self._instrument.quantity
        return tuple(
            Fill(trade.maker_id, trade.maker_account, price(trade.price), quantity(trade.quantity))
            for trade in self._ticks_and_lots.trades
        )

    @property
    def events(self) -> Records:
        """All events of the command, in ticks and lots: a read-only array of EVENT."""
        return np.frombuffer(self._data, EVENT)

    def __repr__(self) -> str:
        reason = f", reason={self.reason.name}" if self.reason is not None else ""
        repeated = ", repeated" if self.repeated else ""
        return (
            f"Answer({self.status.name}, order_id={self.order_id}, filled={self.filled}, "
            f"remaining={self.remaining}{reason}{repeated})"
        )
