"""The records that go in and come out, and the names of the values they hold.

Fixed size, little-endian, no hidden padding: the same bytes in memory, on disk and on a wire. A
field that a kind does not use is ignored in a command (`reserved` apart, which is 0) and 0 in an
event.
"""

from enum import IntEnum, IntFlag

import numpy as np

__all__ = [
    "BOUND",
    "COMMAND",
    "EVENT",
    "LEVEL",
    "ORDER",
    "STP",
    "TIF",
    "EventFlag",
    "EventKind",
    "Flag",
    "Kind",
    "Mark",
    "OrderState",
    "OrderType",
    "Parameter",
    "Phase",
    "Reason",
    "Side",
    "Status",
]

BOUND = 1 << 62
"""Prices (ticks) lie between -BOUND and BOUND, quantities (lots) between 0 and BOUND, exclusive."""

COMMAND = np.dtype(
    [
        ("kind", "u1"),  # Kind
        ("side", "u1"),  # Side
        ("order_type", "u1"),  # OrderType; for PHASE and UNCROSS the Phase
        ("tif", "u1"),  # TIF
        ("stp", "u1"),  # STP
        ("reserved", "u1"),  # 0
        ("flags", "<u2"),  # Flag
        ("account", "<u4"),  # owner; 0 is nobody
        ("expires", "<u4"),  # seconds since the epoch
        ("order_id", "<u8"),  # for SET the Parameter
        ("price", "<i8"),  # ticks; for SET the value
        ("quantity", "<i8"),  # lots
        ("trigger", "<i8"),  # ticks
        ("timestamp", "<i8"),  # nanoseconds since the epoch
        ("slot", "<u8"),  # what the kind or one flag says: for REPLACE the new id
    ]
)
"""What a book is told: 64 bytes."""

EVENT = np.dtype(
    [
        ("kind", "u1"),  # EventKind
        ("side", "u1"),  # Side
        ("reason", "u1"),  # Reason
        ("flags", "u1"),  # EventFlag
        ("account", "<u4"),
        ("sequence", "<u8"),  # gapless from 1 in each book
        ("command", "<u8"),  # number of the command that caused it, from 1 in each book
        ("timestamp", "<i8"),  # nanoseconds since the epoch
        ("order_id", "<u8"),  # for PARAMETER_SET the Parameter
        ("price", "<i8"),  # ticks
        ("quantity", "<i8"),  # lots
        ("remaining", "<i8"),  # lots
        ("maker_id", "<u8"),
        ("maker_account", "<u4"),
        ("reserved", "<u4"),  # 0
        ("maker_remaining", "<i8"),  # lots
        ("detail", "<i8"),  # what the kind says: for TRADE the trade's number, from 1 in each book
    ]
)
"""What a book says: 96 bytes."""

LEVEL = np.dtype(
    [
        ("price", "<i8"),  # ticks
        ("quantity", "<i8"),  # lots, the sum of what its orders display
        ("orders", "<i8"),  # how many
    ]
)
"""One row of `Book.bids` and `Book.asks`: 24 bytes."""

ORDER = np.dtype(
    [
        ("order_id", "<u8"),
        ("price", "<i8"),  # ticks; 0 of a market order; of a trailing limit that waits its distance
        ("quantity", "<i8"),  # lots, traded plus remaining: as entered, or as last amended
        ("remaining", "<i8"),  # lots still open
        ("displayed", "<i8"),  # lots that the market sees; 0 of one that is hidden or not resting
        ("trigger", "<i8"),  # ticks, of a trailing stop the offset; 0 of one without, or that fired
        ("reference", "<i8"),  # ticks, what a trailing stop has followed so far; see Mark.REFERENCE
        ("slot", "<u8"),  # lots: the peak of an ICEBERG, the smallest first trade of a MINIMUM
        ("partner", "<u8"),  # order id of the other leg of its OCO pair; 0: none
        ("parent", "<u8"),  # order id that a sleeping ON_FILL child waits for; 0: none
        ("accepted", "<u8"),  # sequence of the event that accepted it
        ("priority", "<u8"),  # sequence of the event that gave it its place in time
        ("account", "<u4"),
        ("expires", "<u4"),  # seconds since the epoch; 0 unless tif is GTD
        ("side", "u1"),  # Side
        ("order_type", "u1"),  # OrderType; MARKET or LIMIT once it has fired
        ("tif", "u1"),  # TIF
        ("stp", "u1"),  # STP
        ("flags", "<u2"),  # Flag
        ("state", "u1"),  # OrderState
        ("marks", "u1"),  # Mark
    ]
)
"""A live order, as `Book.order` and `Book.orders` show it: 112 bytes."""


class Kind(IntEnum):
    """What a command does."""

    NEW = 1
    CANCEL = 2
    AMEND = 3
    REPLACE = 4
    MASS_CANCEL = 5
    QUOTE = 6
    ARM = 7
    PHASE = 8
    UNCROSS = 9
    CLOCK = 10
    SET = 11


class Side(IntEnum):
    """Side of an order [FIX 54]."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """What an order is [FIX 40]."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TAKE_PROFIT = 5
    TAKE_PROFIT_LIMIT = 6
    TRAILING_STOP = 7
    TRAILING_STOP_LIMIT = 8
    PEG_PRIMARY = 9
    PEG_MARKET = 10
    PEG_MID = 11


class TIF(IntEnum):
    """Time in force: how long an order lives [FIX 59, with its values]."""

    DAY = 0
    GTC = 1
    AUCTION = 2
    IOC = 3
    FOK = 4
    GTD = 6


class STP(IntEnum):
    """Self-trade prevention: who gives way in a trade with itself; the taker's mode decides."""

    DEFAULT = 0
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3
    DECREMENT = 4
    ALLOW = 5


class Flag(IntFlag):
    """Conditions of an order; they combine."""

    POST_ONLY = 1
    POST_ONLY_SLIDE = 2
    HIDDEN = 4
    QUOTE_QUANTITY = 8
    ALL_OR_NONE = 16
    ICEBERG = 32
    MINIMUM = 64
    OCO = 128
    ON_FILL = 256


class OrderState(IntEnum):
    """Where a live order is."""

    RESTING = 1
    """In its level, open to be traded with."""
    WAITING = 2
    """For its trigger to be met."""
    SLEEPING = 3
    """For its parent to be gone (ON_FILL), or for the next auction (tif AUCTION)."""


class Mark(IntFlag):
    """What a live order has behind it."""

    QUOTE = 1
    """It is a side of its account's quote."""
    TRIGGERED = 2
    """It was a stop or take-profit, and has fired."""
    REFERENCE = 4
    """A trailing stop that has seen a last price, which `reference` holds."""


class EventKind(IntEnum):
    """What an event says."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELLED = 4
    AMENDED = 5
    REPLACED = 6
    TRIGGERED = 7
    REFRESHED = 8
    PHASE_CHANGED = 9
    INDICATIVE = 10
    PARAMETER_SET = 11
    ACKNOWLEDGED = 12


class EventFlag(IntFlag):
    """Marks on an event; LAST stands on the last event of every command."""

    LAST = 1
    AUCTION = 2
    HIDDEN = 4


class Phase(IntEnum):
    """Trading session state of the book [FIX 336]."""

    PRE_OPEN = 1
    AUCTION = 2
    CONTINUOUS = 3
    POST_ONLY = 4
    CANCEL_ONLY = 5
    HALTED = 6
    CLOSED = 7


class Parameter(IntEnum):
    """What SET sets; `Book` takes them as keywords in lower case."""

    MIN_PRICE = 1
    MAX_PRICE = 2
    MIN_QUANTITY = 3
    MAX_QUANTITY = 4
    MIN_NOTIONAL = 5
    MAX_NOTIONAL = 6
    ORDERS_PER_ACCOUNT = 7
    STP = 8
    MATCHING = 9
    TOP_ORDER = 10
    MIN_ALLOCATION = 11
    COLLAR = 12
    STATIC_BAND = 13
    STATIC_REFERENCE = 14
    DYNAMIC_BAND = 15
    BAND_ACTION = 16
    AUCTION_SECONDS = 17


class Reason(IntEnum):
    """Why a command was rejected or an order left the book."""

    MALFORMED = 1
    UNSUPPORTED = 2
    PHASE = 3
    UNKNOWN_ORDER = 4
    NOT_OWNER = 5
    DUPLICATE_ID = 6
    PRICE_RANGE = 7
    QUANTITY_RANGE = 8
    NOTIONAL_RANGE = 9
    EXPIRED = 10
    TOO_MANY_ORDERS = 11
    CAPACITY = 12
    LINK_GONE = 13
    WOULD_TRADE = 14
    FOK = 15
    MINIMUM = 16
    USER = 18
    IOC = 19
    NO_LIQUIDITY = 20
    COLLAR = 21
    BAND = 22
    SELF_TRADE = 23
    MASS = 24
    DISARMED = 25
    OCO = 26
    PARENT = 27
    AUCTION = 28


class Status(IntEnum):
    """What became of a command, as `Result.status` says it."""

    REJECTED = 1
    """Refused: nothing changed; the result's reason says why."""
    RESTING = 2
    """The order is in the book (resting, waiting or sleeping), nothing of it traded now."""
    PARTIAL = 3
    """This command traded a part of the order; the rest is in the book."""
    FILLED = 4
    """Nothing is left of the order: its last part traded."""
    CANCELLED = 5
    """The rest of the order was cancelled (a part may have traded before); the reason says why."""
    DONE = 6
    """A command without an order of its own (phase, clock, parameter, mass cancel) was done."""
