"""A market's commands, in the units of its instrument: one method for each kind.

Both faces of a venue have these methods; what a call returns, an answer or something to await, is
the face's own business.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypedDict, TypeVar

from pricetime._book import Book
from pricetime.instrument import Instrument, Number, index
from pricetime.records import STP, TIF, Flag, Kind, OrderType, Parameter, Phase, Side
from pricetime.venue.answer import Answer
from pricetime.venue.request import Request
from pricetime.venue.token import Token

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pricetime.venue.request import Fields

__all__ = ["Desk", "Token", "parameter_value"]

Reply = TypeVar("Reply")

RECORD = struct.Struct("<BBBBBBHIIQqqqqQ")  # a record of COMMAND
BOUNDS = {  # what the fields that callers give may hold
    "side": (0, 0xFF), "order_type": (0, 0xFF), "tif": (0, 0xFF), "stp": (0, 0xFF),
    "flags": (0, 0xFFFF), "account": (0, 0xFFFFFFFF), "expires": (0, 0xFFFFFFFF),
    "order_id": (0, 0xFFFFFFFFFFFFFFFF), "slot": (0, 0xFFFFFFFFFFFFFFFF),
    "price": (-(1 << 63), (1 << 63) - 1),
}  # fmt: skip
TRAILING = (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)

Code = SupportsIndex | str
"""A value of an enum: itself, its number or its name."""

E = TypeVar("E", bound=IntEnum)


class Terms(TypedDict, total=False):
    """What every order may have; see Desk."""

    account: SupportsIndex
    tif: Code
    stp: Code
    flags: SupportsIndex
    expires: SupportsIndex
    peak: Number | None
    minimum: Number | None
    oco: SupportsIndex | None
    parent: SupportsIndex | None
    order_id: SupportsIndex | None
    token: Token | None


def code(kind: type[E], value: Code, name: str) -> int:
    """The number of an enum's value; raises ValueError for a name that it does not have."""
    if not isinstance(value, str):
        return index(value, name)
    try:
        return kind[value.upper()]
    except KeyError:
        known = ", ".join(member.name.lower() for member in kind)
        raise ValueError(f"{name} {value!r} is none of {known}") from None


def pack(
    kind: Kind,
    *,
    side: int = 0,
    order_type: int = 0,
    tif: int = 0,
    stp: int = 0,
    flags: SupportsIndex = 0,
    account: SupportsIndex = 0,
    expires: SupportsIndex = 0,
    order_id: SupportsIndex = 0,
    price: int = 0,
    quantity: int = 0,
    trigger: int = 0,
    slot: SupportsIndex = 0,
) -> bytes:
    """A command's bytes; raises OverflowError or TypeError for what its fields cannot hold."""
    try:
        return RECORD.pack(
            kind, side, order_type, tif, stp, 0, flags, account, expires, order_id, price,
            quantity, trigger, 0, slot,
        )  # fmt: skip
    except struct.error:
        values = locals()
        for name, (least, most) in BOUNDS.items():
            value = values[name]
            if not least <= index(value, name) <= most:
                raise OverflowError(f"{name} {value} is outside {least}..{most}") from None
        raise


PARAMETERS: dict[int, str] = {  # which method of Instrument counts it; others are plain ints
    Parameter.MIN_PRICE: "ticks",
    Parameter.MAX_PRICE: "ticks",
    Parameter.STATIC_REFERENCE: "ticks",
    Parameter.COLLAR: "distance",
    Parameter.STATIC_BAND: "distance",
    Parameter.DYNAMIC_BAND: "distance",
    Parameter.MIN_QUANTITY: "lots",
    Parameter.MAX_QUANTITY: "lots",
    Parameter.MIN_ALLOCATION: "lots",
    Parameter.MIN_NOTIONAL: "units",
    Parameter.MAX_NOTIONAL: "units",
}


def parameter_value(instrument: Instrument, parameter: int, value: Any) -> int:
    """A parameter's value as a book counts it."""
    if parameter in PARAMETERS:
        count: int = getattr(instrument, PARAMETERS[parameter])(value)
        return count
    return code(STP, value, "value") if parameter == Parameter.STP else index(value, "value")


class Desk(ABC, Generic[Reply]):
    """What can be asked of a market. Prices, quantities and amounts are str, int or Decimal.

    side, tif, stp: a value of Side, TIF, STP, or its name ("buy", "IOC"). account: the owner, 0 is
    nobody. flags: Flag. expires: seconds since the epoch, for TIF.GTD. order_id: 1..2**64-1, None
    for the next free one. token: a text or bytes of the caller's own, new for each thing to be
    done: the same token again is answered with what became of it the first time, and does nothing.
    One of: peak, the quantity that an iceberg shows; minimum, the quantity that must trade at once,
    if any does; oco, the id of a live order that goes when this one trades, and the other way
    round; parent, the id of a live order that this one sleeps for until that is gone.

    What a market refuses is an answer with a reason. Raises ValueError, TypeError or OverflowError
    for values that no command can have, LogError where the log cannot take it.
    """

    instrument: Instrument

    def _answer(self, request: Request, events: bytes, repeated: bool) -> Answer:
        """What is made of the events of one command."""
        return Answer(self.instrument, events, request.order_id, money=False, repeated=repeated)

    def _answer_money(self, request: Request, events: bytes, repeated: bool) -> Answer:
        """The same of an amount to spend."""
        return Answer(self.instrument, events, request.order_id, money=True, repeated=repeated)

    @abstractmethod
    def _send(
        self,
        data: bytes,
        *,
        money: bool = False,
        token: Token | None = None,
        **fields: Unpack[Fields],
    ) -> Reply:
        """Sends one command. money: its quantities are amounts to spend."""

    def _enter(
        self,
        order_type: OrderType,
        side: Code,
        quantity: int,
        *,
        price: int = 0,
        trigger: int = 0,
        account: SupportsIndex = 0,
        tif: Code = TIF.GTC,
        stp: Code = STP.DEFAULT,
        flags: SupportsIndex = 0,
        expires: SupportsIndex = 0,
        peak: Number | None = None,
        minimum: Number | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        token: Token | None = None,
        money: bool = False,
    ) -> Reply:
        """Sends a new order."""
        slot: SupportsIndex = 0
        if peak is not None or minimum is not None or oco is not None or parent is not None:
            slot, flags = self._slot(index(flags, "flags"), peak, minimum, oco, parent)
        number = 0 if order_id is None else index(order_id, "order_id")
        data = pack(
            Kind.NEW,
            side=code(Side, side, "side"),
            order_type=order_type,
            tif=code(TIF, tif, "tif"),
            stp=code(STP, stp, "stp"),
            flags=flags,
            account=account,
            expires=expires,
            order_id=number,
            price=price,
            quantity=quantity,
            trigger=trigger,
            slot=slot,
        )
        return self._send(
            data,
            token=token,
            order_id=number,
            free_ids=1 if order_id is None else 0,
            id_max=number,
            money=money,
        )

    def _slot(
        self,
        flags: int,
        peak: Number | None,
        minimum: Number | None,
        oco: SupportsIndex | None,
        parent: SupportsIndex | None,
    ) -> tuple[int, int]:
        """What needs the one slot of a command, and the flags with the one that says so."""
        given: list[tuple[Flag, int]] = []
        for flag, quantity in ((Flag.ICEBERG, peak), (Flag.MINIMUM, minimum)):
            if quantity is not None:
                given.append((flag, self.instrument.lots(quantity)))
        for flag, name, order_id in ((Flag.OCO, "oco", oco), (Flag.ON_FILL, "parent", parent)):
            if order_id is not None:
                given.append((flag, index(order_id, name)))
        if len(given) > 1:
            raise ValueError("give one of peak, minimum, oco and parent: an order has room for one")
        ((flag, slot),) = given
        return slot, flags | flag

    def limit(
        self,
        side: Code,
        price: Number,
        quantity: Number,
        **terms: Unpack[Terms],
    ) -> Reply:
        """Enters a limit order."""
        return self._enter(
            OrderType.LIMIT,
            side,
            self.instrument.lots(quantity),
            price=self.instrument.ticks(price),
            **terms,
        )

    def market(self, side: Code, quantity: Number, **terms: Unpack[Terms]) -> Reply:
        """Enters a market order: trades at any price, and what finds nobody is cancelled. In an
        auction it rests, if its tif is not IOC, as it is unless another is given, or FOK."""
        terms.setdefault("tif", TIF.IOC)
        return self._enter(OrderType.MARKET, side, self.instrument.lots(quantity), **terms)

    def spend(self, side: Code, amount: Number, **terms: Unpack[Terms]) -> Reply:
        """Enters a market order for an amount of money: buys or sells what it pays for."""
        terms.setdefault("tif", TIF.IOC)
        terms["flags"] = index(terms.get("flags", 0), "flags") | Flag.QUOTE_QUANTITY
        units = self.instrument.units(amount)
        return self._enter(OrderType.MARKET, side, units, money=True, **terms)

    def _triggered(
        self,
        types: tuple[OrderType, OrderType],
        side: Code,
        trigger: Number,
        quantity: Number,
        price: Number | None,
        count: Callable[[Number], int],
        terms: Terms,
    ) -> Reply:
        """Sends an order that waits for a trigger. types: without a price, and with one; count: how
        trigger and price become ticks."""
        return self._enter(
            types[price is not None],
            side,
            self.instrument.lots(quantity),
            price=0 if price is None else count(price),
            trigger=count(trigger),
            **terms,
        )

    def stop(
        self,
        side: Code,
        trigger: Number,
        quantity: Number,
        *,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Reply:
        """Enters an order that waits until the last price is at or beyond its trigger: at or above
        to buy, at or below to sell. price: its limit then, None for a market order."""
        types = OrderType.STOP, OrderType.STOP_LIMIT
        return self._triggered(types, side, trigger, quantity, price, self.instrument.ticks, terms)

    def take_profit(
        self,
        side: Code,
        trigger: Number,
        quantity: Number,
        *,
        price: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Reply:
        """Enters an order that waits until the last price is as good as its trigger: at or below to
        buy, at or above to sell. price: its limit then, None for a market order."""
        types = OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT
        return self._triggered(types, side, trigger, quantity, price, self.instrument.ticks, terms)

    def trailing_stop(
        self,
        side: Code,
        offset: Number,
        quantity: Number,
        *,
        distance: Number | None = None,
        **terms: Unpack[Terms],
    ) -> Reply:
        """Enters a stop whose trigger follows the last price at an offset, never back. distance:
        from the trigger to the limit that it will have, None for a market order."""
        count = self.instrument.distance
        return self._triggered(TRAILING, side, offset, quantity, distance, count, terms)

    def quote(
        self,
        account: SupportsIndex,
        bid: tuple[Number, Number] | None = None,
        ask: tuple[Number, Number] | None = None,
        *,
        order_id: SupportsIndex | None = None,
        token: Token | None = None,
    ) -> Reply:
        """Replaces both sides of an account's quote at once, or neither. bid, ask: price and open
        quantity, None to take the side out; order_id: of the bid, the ask has the next one."""
        sides = [self._quoted("bid", bid), self._quoted("ask", ask)]
        number = 0 if order_id is None else index(order_id, "order_id")
        data = pack(
            Kind.QUOTE,
            account=account,
            order_id=number,
            price=sides[0][0],
            quantity=sides[0][1],
            trigger=sides[1][0],
            slot=sides[1][1],
        )
        free_ids = 2 if order_id is None else 0
        return self._send(
            data,
            token=token,
            order_id=number,
            free_ids=free_ids,
            id_max=number + 1 if number else 0,
        )

    def _quoted(self, name: str, side: tuple[Number, Number] | None) -> tuple[int, int]:
        """Ticks and lots of one side of a quote."""
        if side is None:
            return 0, 0
        if not isinstance(side, tuple | list) or len(side) != 2:
            raise TypeError(f"{name} {side!r} is not (price, quantity), nor None to take it out")
        return self.instrument.ticks(side[0]), self.instrument.lots(side[1])

    def cancel(
        self, order_id: SupportsIndex, *, account: SupportsIndex = 0,
        token: Token | None = None,
    ) -> Reply:  # fmt: skip
        """Cancels a live order; refused where `account` is neither 0 nor the order's."""
        data = pack(Kind.CANCEL, order_id=order_id, account=account)
        return self._send(data, token=token, order_id=order_id.__index__())

    def amend(
        self,
        order_id: SupportsIndex,
        *,
        price: Number | None = None,
        quantity: Number | None = None,
        trigger: Number | None = None,
        account: SupportsIndex = 0,
        token: Token | None = None,
    ) -> Reply:
        """Changes price, total quantity and trigger of a live order (of a trailing stop distance
        and offset); None keeps it as it is when the command's turn comes."""
        if price is None and quantity is None and trigger is None:
            raise TypeError("amend changes a price, a quantity or a trigger: give at least one")
        given: dict[str, Any] = {}
        off_table: ValueError | None = None
        for name, value in (("price", price), ("trigger", trigger)):
            if value is not None:
                try:
                    given[name] = self.instrument.ticks(value)
                except ValueError as error:  # but what trails counts distances
                    if self.instrument.tick_table is None:
                        raise
                    given[name] = self.instrument.distance(value)
                    off_table = error
        if quantity is not None:
            given["quantity"] = self.instrument.lots(quantity)
        asked = pack(Kind.AMEND, order_id=order_id, account=account, **given)

        def build(book: Book) -> bytes:
            row = book.order(order_id, hidden=True)
            kept = {"price": 0, "quantity": 1, "trigger": 0}
            if row is not None:
                kept = {key: int(row[key]) for key in kept}
                if off_table is not None and row["order_type"] not in TRAILING:
                    raise off_table
            return pack(Kind.AMEND, order_id=order_id, account=account, **(kept | given))

        return self._send(asked, token=token, order_id=order_id.__index__(), build=build)

    def replace(
        self,
        order_id: SupportsIndex,
        side: Code | None = None,
        price: Number | None = None,
        quantity: Number | None = None,
        *,
        order_type: Code = OrderType.LIMIT,
        trigger: Number | None = None,
        new_id: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        tif: Code = TIF.GTC,
        stp: Code = STP.DEFAULT,
        flags: SupportsIndex = 0,
        expires: SupportsIndex = 0,
        token: Token | None = None,
    ) -> Reply:
        """Cancels an order and enters a new one of its account, in one step or not at all.

        side, price, quantity: None for the old order's when the command's turn comes, of quantity
        what remains of it.
        """
        number = 0 if new_id is None else index(new_id, "new_id")
        entered = code(OrderType, order_type, "order_type")
        ticks = self.instrument.distance if entered in TRAILING else self.instrument.ticks
        terms: dict[str, Any] = {
            "order_type": entered,
            "tif": code(TIF, tif, "tif"),
            "stp": code(STP, stp, "stp"),
            "flags": flags,
            "account": account,
            "expires": expires,
            "order_id": order_id,
            "trigger": 0 if trigger is None else ticks(trigger),
            "slot": number,
        }
        given: dict[str, Any] = {}
        if side is not None:
            given["side"] = code(Side, side, "side")
        if price is not None:
            given["price"] = ticks(price)
        if quantity is not None:
            given["quantity"] = self.instrument.lots(quantity)
        asked = pack(Kind.REPLACE, **terms, **given)

        def build(book: Book) -> bytes:
            row = book.order(order_id, hidden=True)
            kept = {"side": int(Side.BUY), "price": 0, "quantity": 1}
            if row is not None:
                kept = {
                    "side": int(row["side"]),
                    "price": int(row["price"]),
                    "quantity": int(row["remaining"]),
                }
            return pack(Kind.REPLACE, **terms, **(kept | given))

        return self._send(
            asked,
            token=token,
            order_id=number,
            free_ids=1 if new_id is None else 0,
            id_max=number,
            build=build,
        )

    def mass_cancel(
        self, *, account: SupportsIndex = 0, side: Code = 0, token: Token | None = None
    ) -> Reply:
        """Cancels all orders of an account (0: of all) and a side (0: of both), oldest first."""
        data = pack(Kind.MASS_CANCEL, account=account, side=code(Side, side, "side"))
        return self._send(data, token=token)

    def arm(
        self, account: SupportsIndex, expires: SupportsIndex, *, token: Token | None = None
    ) -> Reply:
        """Arms an account's dead man's switch: unless it is armed again before `expires` (seconds
        since the epoch), all its orders are cancelled then; 0 takes the switch away."""
        return self._send(pack(Kind.ARM, account=account, expires=expires), token=token)

    def phase(
        self, phase: Code, *, expires: SupportsIndex = 0, token: Token | None = None
    ) -> Reply:
        """Enters a Phase, now or by itself at `expires` (seconds since the epoch)."""
        data = pack(Kind.PHASE, order_type=code(Phase, phase, "phase"), expires=expires)
        return self._send(data, token=token)

    def uncross(self, phase: Code = Phase.CONTINUOUS, *, token: Token | None = None) -> Reply:
        """Runs the auction, in PRE_OPEN and AUCTION, and enters a Phase."""
        return self._send(pack(Kind.UNCROSS, order_type=code(Phase, phase, "phase")), token=token)

    def clock(self, *, token: Token | None = None) -> Reply:
        """Lets what is due by the venue's clock happen; in an auction its event says what an
        uncross would do now. A venue does it by itself when something is due."""
        return self._send(pack(Kind.CLOCK), token=token)

    def set(self, parameter: Code, value: Number | Code, *, token: Token | None = None) -> Reply:
        """Sets a Parameter, in the instrument's units; orders that rest stay."""
        number = code(Parameter, parameter, "parameter")
        data = pack(
            Kind.SET, order_id=number, price=parameter_value(self.instrument, number, value)
        )
        return self._send(data, token=token)
