"""A compiled price-time matching engine behind a thin Python API."""

from pricetime._book import Book, Result
from pricetime.instrument import Instrument
from pricetime.records import (
    BOUND,
    COMMAND,
    EVENT,
    LEVEL,
    ORDER,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    Mark,
    OrderState,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
    Status,
)
from pricetime.result import Trade

__version__ = "0.1.0"

__all__ = [
    "BOUND",
    "COMMAND",
    "EVENT",
    "LEVEL",
    "ORDER",
    "STP",
    "TIF",
    "Book",
    "EventFlag",
    "EventKind",
    "Flag",
    "Instrument",
    "Kind",
    "Mark",
    "OrderState",
    "OrderType",
    "Parameter",
    "Phase",
    "Reason",
    "Result",
    "Side",
    "Status",
    "Trade",
]
