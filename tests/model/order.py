"""One order, and what can be said of it without looking at the book.

Plain data: who moves it about is in state.py and above.  Numbers are ticks and lots; of a quote
quantity `quantity`, `remaining` and `traded` are in ticks x lots.
"""

from dataclasses import dataclass

from pricetime.records import BOUND, TIF, OrderState, OrderType, Parameter, Phase, Side

from .wellformed import (
    ALL_OR_NONE,
    HIDDEN,
    ICEBERG,
    LIMITS,
    MARKETS,
    MINIMUM,
    QUOTE_QUANTITY,
    TRAILING,
    TRIGGERED,
)

SECOND = 10**9  # ns
BUY, SELL = Side.BUY, Side.SELL
OTHER = {BUY: SELL, SELL: BUY}
INCOMING = 0  # on its way: neither resting nor waiting nor sleeping
RESTING, WAITING, SLEEPING = OrderState
GONE = 4
AT_ONCE = (TIF.IOC, TIF.FOK)
AUCTIONS = (Phase.PRE_OPEN, Phase.AUCTION)  # orders rest without trading
MATCHING = (Phase.CONTINUOUS, Phase.POST_ONLY)  # orders meet the book
SHUT = (Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED)  # nothing enters
STOPS = {OrderType.STOP, OrderType.STOP_LIMIT} | TRAILING  # the others take profit

DEFAULTS = {
    Parameter.MIN_PRICE: -BOUND + 1,
    Parameter.MAX_PRICE: BOUND - 1,
    Parameter.MIN_QUANTITY: 1,
    Parameter.MAX_QUANTITY: BOUND - 1,
    Parameter.MIN_NOTIONAL: 0,  # none
    Parameter.MAX_NOTIONAL: 0,  # none
    Parameter.ORDERS_PER_ACCOUNT: 0,  # none
    Parameter.STP: 5,  # ALLOW
    Parameter.MATCHING: 1,  # FIFO
    Parameter.TOP_ORDER: 0,
    Parameter.MIN_ALLOCATION: 1,
    Parameter.COLLAR: 0,  # none
    Parameter.STATIC_BAND: 0,  # none
    Parameter.STATIC_REFERENCE: 0,
    Parameter.DYNAMIC_BAND: 0,  # none
    Parameter.BAND_ACTION: 1,  # cancel the rest
    Parameter.AUCTION_SECONDS: 300,
}


@dataclass(eq=False)
class Order:
    """One order, wherever it is."""

    order_id: int
    side: int
    order_type: int  # MARKET or LIMIT once it has fired
    tif: int
    stp: int
    flags: int
    account: int  # 0 is nobody
    expires: int  # seconds; 0 unless GTD
    price: int  # ticks; 0 where the type has none; of a waiting trailing limit its distance
    quantity: int  # the total, = traded + remaining
    remaining: int  # 0 once it is gone
    trigger: int = 0  # ticks, of a trailing type the offset; 0 once it has fired
    slot: int = 0  # lots: peak of an ICEBERG, minimum of a MINIMUM
    quote: bool = False  # a side of its account's quote
    traded: int = 0
    displayed: int = 0  # lots that the market sees
    state: int = INCOMING
    fired: bool = False  # was a stop or take-profit
    entered: bool = False  # has met the book once: its minimum no longer counts
    reference: int | None = None  # ticks: what a trailing type has followed so far
    partner: "Order | None" = None  # the other leg
    parent: "Order | None" = None  # of a sleeping child
    met: int | None = None  # the trigger that was met, of an order queued to fire
    allowance: int | None = None  # what its parent traded, of a child queued to wake
    accepted: int = 0  # sequence of its ACCEPTED
    priority: int = 0  # its time (§5): sequence of the event that gave it
    place: int = 0  # sequence at which it, or its slice, joined the end of its queue
    command: int = 0  # number of the command that entered it


def is_market(order):
    """Whether it is a market order by now."""
    return order.order_type == OrderType.MARKET


def watches(order):
    """Whether it still has a trigger to be met."""
    return order.order_type in TRIGGERED


def in_second_queue(order):
    """Whether it rests behind what its level displays (§5)."""
    return bool(order.flags & (HIDDEN | ALL_OR_NONE))


def shows(order):
    """What it displays when it comes to rest."""
    if is_market(order) or in_second_queue(order):
        return 0
    if order.flags & ICEBERG:
        return min(order.slot, order.remaining)
    return order.remaining


def lots(order, price):
    """How many lots it could take at this price, its limit apart."""
    if not order.flags & QUOTE_QUANTITY:
        return order.remaining
    return order.remaining // price if price > 0 else 0


def reaches(order, price):
    """Whether the price is within its limit; a market order has none."""
    if is_market(order):
        return True
    return price <= order.price if order.side == BUY else price >= order.price


def trigger_of(order):
    """The price that fires it; None while a trailing one has no reference."""
    if order.order_type not in TRAILING:
        return order.trigger
    if order.reference is None:
        return None
    away = -order.trigger if order.side == SELL else order.trigger
    return order.reference + away


def is_met(order, last):
    """Whether the last trade's price fires it (§6)."""
    trigger = trigger_of(order)
    if last is None or trigger is None:
        return False
    upwards = (order.side == BUY) == (order.order_type in STOPS)
    return last >= trigger if upwards else last <= trigger


def order_of(c, order_id, account):
    """The order that a well-formed NEW or REPLACE describes; what it does not use is 0."""
    return Order(
        order_id=order_id,
        side=c.side,
        order_type=c.order_type,
        tif=c.tif,
        stp=c.stp,
        flags=c.flags,
        account=account,
        expires=c.expires if c.tif == TIF.GTD else 0,
        price=c.price if c.order_type in LIMITS else 0,
        quantity=c.quantity,
        remaining=c.quantity,
        trigger=c.trigger if c.order_type in TRIGGERED else 0,
        slot=c.slot if c.flags & (ICEBERG | MINIMUM) else 0,
    )


def fired_type(order_type):
    """What a stop or take-profit is once it has fired."""
    return OrderType.MARKET if order_type in MARKETS else OrderType.LIMIT


def signed(value):
    """The 64 bits of an id as `detail` holds them."""
    return value - 2**64 if value >= 2**63 else value


def clamped(value):
    """The nearest value that 64 bits hold."""
    return max(-(2**63), min(2**63 - 1, value))
