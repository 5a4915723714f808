"""A compiled price-time matching engine behind a thin Python API."""

from pricetime._book import Book, Result
from pricetime.records import *
from pricetime.records import __all__ as _records
from pricetime.result import Trade

__all__ = ["Book", "Result", "Trade", *_records]
