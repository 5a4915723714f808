"""What the two faces of a venue, the plain and the asyncio one, have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pricetime.instrument import Instrument, index
from pricetime.log.batch import Records
from pricetime.log.protocol import Log
from pricetime.log.sqlite import Durability, SqliteLog
from pricetime.records import COMMAND, Kind, Parameter
from pricetime.venue.core import Core
from pricetime.venue.definition import Definition
from pricetime.venue.desk import parameter_value
from pricetime.venue.request import BATCH_MAX, ID_LAST
from pricetime.venue.token import Token, encoded, token_key

__all__ = [
    "WINDOW",
    "Level",
    "array_parts",
    "define",
    "id_max",
    "levels",
    "make_core",
    "price_or_none",
]

NAME_BYTES_MAX = 64
WINDOW = 4
"""Parts of a large array that are on their way at once."""


class Level(NamedTuple):
    """One price of a side, in the instrument's units."""

    price: Decimal
    quantity: Decimal
    orders: int


def make_core(
    log: Log | str | PathLike[str], durability: Durability, clock: Callable[[], int] | None
) -> Core:
    """The core over a log, or over the SQLite file of that name."""
    opened = SqliteLog(Path(log), durability) if isinstance(log, str | PathLike) else log
    if not isinstance(opened, Log):
        raise TypeError(f"{log!r} is no log: pass the path of a file, or a Log")
    if not opened.embedded:
        raise TypeError(
            f"a venue cannot use a {type(opened).__name__}: others append to it too. "
            "`pricetime run --log` or a Supervisor runs its pairs; append commands to its streams"
        )
    try:
        return Core(opened, clock or time.time_ns)
    except BaseException:
        opened.close()
        raise


def define(instrument: Instrument, parameters: dict[str, Any]) -> Definition:
    """What `add` was given as a definition; the book's parameters are in the instrument's units."""
    if not isinstance(instrument, Instrument):
        raise TypeError(f"{instrument!r} is no Instrument")
    size = len(encoded(instrument.name, "name"))
    if not 1 <= size <= NAME_BYTES_MAX:
        raise ValueError(f"a name of {size} bytes: it has 1 to {NAME_BYTES_MAX}")
    book = {}
    for name, value in parameters.items():
        if name == "max_orders":
            book[name] = index(value, name)
            continue
        if name.upper() not in Parameter.__members__:
            raise TypeError(f"{name!r} is no parameter of a book")
        book[name] = parameter_value(instrument, Parameter[name.upper()], value)
    return Definition(instrument, book)


def array_parts(commands: Records, token: Token | None) -> Iterator[tuple[Records, Token | None]]:
    """An array in parts that one request may have, each with a token of its own."""
    if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND or commands.ndim != 1:
        raise TypeError("commands must be a one-dimensional numpy array of pricetime.COMMAND")
    mark = token_key(token)
    if len(commands) <= BATCH_MAX:
        if len(commands):
            yield commands, token
        return
    for number, begin in enumerate(range(0, len(commands), BATCH_MAX)):
        yield (
            commands[begin : begin + BATCH_MAX],
            mark + number.to_bytes(8, "little") if mark else None,
        )


def id_max(commands: Records) -> int:
    """The highest id that they name for new orders, 0 for none."""
    kinds, ids = commands["kind"], commands["order_id"]
    named = (
        ids[kinds == Kind.NEW],
        ids[(kinds == Kind.QUOTE) & (ids < ID_LAST)] + np.uint64(1),
        commands["slot"][kinds == Kind.REPLACE],
    )
    return max((int(some.max()) for some in named if len(some)), default=0)


def levels(instrument: Instrument, rows: Records) -> list[Level]:
    """Rows of LEVEL in the instrument's units."""
    return [
        Level(instrument.price(price), instrument.quantity(quantity), orders)
        for price, quantity, orders in rows.tolist()
    ]


def price_or_none(instrument: Instrument, ticks: int | None) -> Decimal | None:
    """The price of so many ticks, if there are any."""
    return None if ticks is None else instrument.price(ticks)
