"""Step 1 of a command (§3): is it well-formed, and of a type that is not reserved.

A list of rules, each a condition under which a record is refused; the order among them is of no
consequence, since all of them give the same reason.  Nothing here looks at the book: the only state
that counts is the parameters (a minimum may not pass its maximum).
"""

from typing import NamedTuple

from pricetime.records import (
    BOUND,
    STP,
    TIF,
    Flag,
    Kind,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
)

# Plain ints: an IntFlag costs a microsecond at every `&`.
(POST_ONLY, SLIDE, HIDDEN, QUOTE_QUANTITY, ALL_OR_NONE, ICEBERG, MINIMUM, OCO, ON_FILL) = map(
    int, Flag
)
POST = POST_ONLY | SLIDE
SLOTTED = (ICEBERG, MINIMUM, OCO, ON_FILL)  # the flags that give `slot` its meaning
ALL_FLAGS = sum(map(int, Flag))

SIDES, TYPES, TIFS, STPS = (frozenset(map(int, e)) for e in (Side, OrderType, TIF, STP))
PHASES, PARAMETERS = (frozenset(map(int, e)) for e in (Phase, Parameter))

T = OrderType
RESERVED = {T.PEG_PRIMARY, T.PEG_MARKET, T.PEG_MID}
TRAILING = {T.TRAILING_STOP, T.TRAILING_STOP_LIMIT}
TRIGGERED = {T.STOP, T.STOP_LIMIT, T.TAKE_PROFIT, T.TAKE_PROFIT_LIMIT} | TRAILING
LIMITS = {T.LIMIT, T.STOP_LIMIT, T.TAKE_PROFIT_LIMIT, T.TRAILING_STOP_LIMIT}
MARKETS = {T.MARKET, T.STOP, T.TAKE_PROFIT, T.TRAILING_STOP}  # end as a market order


class Command(NamedTuple):
    """One row of COMMAND, fields in its order."""

    kind: int
    side: int
    order_type: int
    tif: int
    stp: int
    reserved: int
    flags: int
    account: int
    expires: int
    order_id: int
    price: int
    quantity: int
    trigger: int
    timestamp: int
    slot: int


def refusal(command, parameters):
    """The reason for which step 1 refuses the command, or 0."""
    if command.reserved != 0 or command.kind not in MALFORMED:
        return Reason.MALFORMED
    if MALFORMED[command.kind](command, parameters):
        return Reason.MALFORMED
    if command.kind in (Kind.NEW, Kind.REPLACE) and command.order_type in RESERVED:
        return Reason.UNSUPPORTED
    return 0


def bad_price(value):
    """Whether it is outside the structural bounds of a price (§1), which are outside themselves."""
    return not -BOUND < value < BOUND


def bad_quantity(value):
    """Whether it is outside the structural bounds of a quantity (§1)."""
    return not 0 < value < BOUND


def bad_entry(c, _parameters):
    """NEW, REPLACE."""
    if bad_entry_fields(c):
        return True
    # A reserved type is UNSUPPORTED as soon as its single fields are known: combinations and what
    # only they give a meaning (price, trigger, slot) are not looked at (§3.1).
    if c.order_type in RESERVED:
        return False
    return bad_entry_values(c) or bad_slot(c) or bad_flags(c) or bad_auction_tif(c)


def bad_entry_fields(c):
    """What can be seen of one field alone."""
    return (
        c.order_id == 0
        or (c.kind == Kind.REPLACE and c.slot == 0)
        or c.side not in SIDES
        or c.order_type not in TYPES
        or c.tif not in TIFS
        or c.stp not in STPS
        or c.flags > ALL_FLAGS
        or bad_quantity(c.quantity)
    )


def bad_entry_values(c):
    """Price and trigger, where the type has them."""
    if c.order_type in LIMITS and bad_price(c.price):
        return True
    if c.order_type in TRIGGERED and bad_price(c.trigger):
        return True
    if c.order_type in TRAILING and c.trigger < 1:
        return True
    return c.order_type == T.TRAILING_STOP_LIMIT and c.price < 0


def bad_slot(c):
    """The flags that share `slot`, and what it then holds."""
    owners = sum(1 for flag in SLOTTED if c.flags & flag)
    if owners == 0:
        return False
    if owners > 1 or c.kind == Kind.REPLACE:
        return True
    if c.flags & (ICEBERG | MINIMUM):
        return not 1 <= c.slot <= c.quantity
    return c.slot in (0, c.order_id)


def bad_flags(c):
    """Flags against type, tif and each other."""
    flags, tif = c.flags, c.tif
    if flags == 0:
        return False
    ends_as_market = POST | HIDDEN | ICEBERG | ALL_OR_NONE
    if c.order_type != T.MARKET:
        ends_as_market |= MINIMUM
    at_once = tif in (TIF.IOC, TIF.FOK)
    return bool(
        flags & POST == POST
        or (c.order_type in MARKETS and flags & ends_as_market)
        or (at_once and flags & (POST | ICEBERG | ALL_OR_NONE))
        or (flags & HIDDEN and flags & ICEBERG)
        or (flags & ALL_OR_NONE and flags & (ICEBERG | MINIMUM | POST))
        or (flags & QUOTE_QUANTITY and c.order_type != T.MARKET)
        or (flags & QUOTE_QUANTITY and (tif in (TIF.FOK, TIF.AUCTION) or flags & MINIMUM))
        or (flags & MINIMUM and tif == TIF.FOK)
    )


def bad_auction_tif(c):
    """The tif AUCTION against type and flags."""
    if c.tif != TIF.AUCTION:
        return False
    return c.order_type in TRIGGERED or bool(c.flags & (POST | ALL_OR_NONE | MINIMUM))


def bad_cancel(c, _parameters):
    """CANCEL."""
    return c.order_id == 0


def bad_amend(c, _parameters):
    """AMEND: all three values, whatever the order's type, which is not known yet."""
    return c.order_id == 0 or bad_price(c.price) or bad_price(c.trigger) or bad_quantity(c.quantity)


def bad_mass_cancel(c, _parameters):
    """MASS_CANCEL."""
    return c.side > 2


def bad_quote(c, _parameters):
    """QUOTE: bid price x quantity, ask trigger x slot; a price counts where there is a quantity."""
    bid, ask = c.quantity, c.slot
    return (
        c.account == 0
        or c.order_id in (0, 2**64 - 1)
        or not 0 <= bid < BOUND
        or not 0 <= ask < BOUND
        or (bid > 0 and bad_price(c.price))
        or (ask > 0 and bad_price(c.trigger))
        or (bid > 0 and ask > 0 and c.price >= c.trigger)
    )


def bad_arm(c, _parameters):
    """ARM."""
    return c.account == 0


def bad_phase(c, _parameters):
    """PHASE, UNCROSS."""
    return c.order_type not in PHASES


def bad_clock(_c, _parameters):
    """CLOCK has nothing that could be wrong, `reserved` apart."""
    return False


def bad_set(c, parameters):
    """SET: the parameter in `order_id`, its value in `price`."""
    return bad_parameter(c.order_id, c.price, parameters)


P = Parameter
LEAST = {  # least value of each parameter that has one
    P.MIN_QUANTITY: 1,
    P.MAX_QUANTITY: 1,
    P.MIN_NOTIONAL: 0,
    P.MAX_NOTIONAL: 0,
    P.ORDERS_PER_ACCOUNT: 0,
    P.STP: 1,
    P.MATCHING: 1,
    P.TOP_ORDER: 0,
    P.MIN_ALLOCATION: 1,
    P.COLLAR: 0,
    P.STATIC_BAND: 0,
    P.DYNAMIC_BAND: 0,
    P.BAND_ACTION: 1,
    P.AUCTION_SECONDS: 1,
}
MOST = {P.STP: 5, P.MATCHING: 2, P.TOP_ORDER: 1, P.BAND_ACTION: 2}


def bad_parameter(parameter, value, parameters):
    """Whether it is unknown, or cannot have the value while the others are as they are."""
    if parameter not in PARAMETERS or bad_price(value):
        return True
    if value < LEAST.get(parameter, value) or value > MOST.get(parameter, value):
        return True
    after = {**parameters, parameter: value}
    return (
        after[P.MIN_PRICE] > after[P.MAX_PRICE]
        or after[P.MIN_QUANTITY] > after[P.MAX_QUANTITY]
        # A maximum of 0 is none, so no minimum is above it.
        or 0 < after[P.MAX_NOTIONAL] < after[P.MIN_NOTIONAL]
    )


MALFORMED = {
    Kind.NEW: bad_entry,
    Kind.CANCEL: bad_cancel,
    Kind.AMEND: bad_amend,
    Kind.REPLACE: bad_entry,
    Kind.MASS_CANCEL: bad_mass_cancel,
    Kind.QUOTE: bad_quote,
    Kind.ARM: bad_arm,
    Kind.PHASE: bad_phase,
    Kind.UNCROSS: bad_phase,
    Kind.CLOCK: bad_clock,
    Kind.SET: bad_set,
}
