"""Many books over one log: what most users hold."""

from pricetime.venue.aio import AsyncMarket, AsyncVenue
from pricetime.venue.answer import Answer, Fill
from pricetime.venue.core import Overloaded, TokenReused, UnknownInstrument
from pricetime.venue.venue import Market, Venue

__all__ = [
    "Answer",
    "AsyncMarket",
    "AsyncVenue",
    "Fill",
    "Market",
    "Overloaded",
    "TokenReused",
    "UnknownInstrument",
    "Venue",
]
