"""An instrument and the first parameters of its book as a line of JSON, as a log keeps them."""

import json
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from pricetime._book import Book
from pricetime.instrument import Instrument

__all__ = ["Definition"]


@dataclass(frozen=True)
class Definition:
    """What a venue is told when an instrument is added."""

    instrument: Instrument
    book: dict[str, int]
    """keywords of `Book` beside those that the instrument has"""

    def new_book(self) -> Book:
        """An empty book; raises ValueError for parameters that it cannot have."""
        return Book(**self.instrument.parameters(), **self.book)

    def dump(self) -> str:
        """The definition as JSON: equal ones give equal texts."""
        given: dict[str, Any] = {}
        for key in (field.name for field in fields(self.instrument) if field.init):
            value = getattr(self.instrument, key)
            if key == "tick_table" and value is not None:
                given[key] = [[f"{start:f}", f"{step:f}"] for start, step in value]
            elif isinstance(value, Decimal):
                given[key] = f"{value:f}"
            elif value is not None:
                given[key] = value
        return json.dumps({"instrument": given, "book": self.book}, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> "Definition":
        """The definition in this JSON."""
        given = json.loads(text)
        return cls(Instrument(**given["instrument"]), given["book"])

    def differences(self, other: "Definition") -> str:
        """What the other has otherwise, for an error; "" for nothing."""
        ours, theirs = json.loads(self.dump()), json.loads(other.dump())
        told = []
        for part in ("instrument", "book"):
            for key in sorted(ours[part] | theirs[part]):
                before, after = ours[part].get(key), theirs[part].get(key)
                if before != after:
                    told.append(f"{key} {before}, not {after}")
        return "; ".join(told)
