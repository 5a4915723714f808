"""Order captures as the Spanish exchange's (BME): new, modif, cancel, by order and quantity.

`new` is a NEW limit order, `modif` takes its quantity off an order that keeps its place (an AMEND
to the smaller total), `cancel` is a CANCEL and says what the exchange still held: the book must
hold the same. The file names no trades.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import COMMAND, Kind, Side
from pricetime.replay.fields import Table, Units
from pricetime.replay.layout import Layout, tables
from pricetime.replay.source import ReplayError, Source
from pricetime.replay.tape import FILL, LIMIT_GTC, Chunk, Expect, Progress, Tape

__all__ = ["read"]

ROWS = 1 << 16  # rows made into commands at once
NEW, MODIF, CANCEL = 0, 1, 2
KINDS = {"new": NEW, "modif": MODIF, "cancel": CANCEL}
SIDES: dict[str, int] = {"true": Side.BUY, "false": Side.SELL, "1": Side.BUY, "0": Side.SELL}

Ints = NDArray[np.int64]


def read(source: Source, layout: Layout, progress: Progress) -> Tape:
    """The tape of a capture."""
    price, quantity = Units("price"), Units("qty")
    parts = []
    for table in tables(source, layout):
        parts.append(_columns(table, price, quantity))
        progress("reading", source.fraction)
    if not sum(len(part[0]) for part in parts):
        raise ReplayError(f"{source.path}: a header and no rows; nothing to replay")
    line, kind, order_id, side, time = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    ticks, tick_size = price.settle(lambda at: f"{source.path}:{line[at]}")
    lots, lot_size = quantity.settle(lambda at: f"{source.path}:{line[at]}")
    if lot_size == lot_size.to_integral_value():
        lots, lot_size = lots * int(lot_size), Decimal(1)  # shares are whole: the lot is one
    tape = Tape(
        path=source.path,
        format="BME capture",
        tick_size=tick_size,
        lot_size=lot_size,
        currency="EUR",
        unit="shares",
        chunks=_chunks(kind, order_id, side, ticks, lots, time),
        line=lambda row: f"line {line[row]:,}",
        rows=len(line),
        trades_known=False,
        dated=True,
        clock="time as in the file",
    )
    tape.counts.update({name: int((kind == code).sum()) for name, code in KINDS.items()})
    tape.notes.append("the file names no trades: its cancels say what must be left")
    return tape


def _columns(table: Table, price: Units, quantity: Units) -> tuple[NDArray[Any], ...]:
    """Some rows, checked; price and quantity go into their units."""
    kind = table.words("ordtype", KINDS)
    new = kind == NEW
    for column in ("is_buy", "price"):
        table.require(table.filled(column) | ~new, column, "a value for every new order")
    order_id = table.integers("uid", "an order id")
    table.require(order_id > 0, "uid", "1 to 2^62")
    side = table.words("is_buy", SIDES | {"": 0})
    price.add(*table.decimals("price", blank=True))
    value, scale = table.decimals("qty")
    table.require(value > 0, "qty", "more than 0")
    quantity.add(value, scale)
    return table.lines, kind, order_id, side, table.moments("timestamp")


def _chunks(
    kind: Any, order_id: Ints, side: Any, price: Ints, size: Ints, time: Ints
) -> Iterator[Chunk]:
    """All commands, in order."""
    total, at_price = _totals(kind, order_id, price, size)
    for first in range(0, len(kind), ROWS):
        row = np.arange(first, min(first + ROWS, len(kind)))
        commands = np.zeros(len(row), COMMAND)
        commands[:] = LIMIT_GTC
        commands["side"], commands["order_id"], commands["timestamp"] = (
            side[row],
            order_id[row],
            time[row],
        )
        commands["price"], commands["quantity"] = at_price[row], total[row]
        commands["kind"][kind[row] == CANCEL] = Kind.CANCEL
        less = kind[row] == MODIF
        commands["kind"][less] = np.where(total[row][less] > 0, Kind.AMEND, Kind.CANCEL)
        expect = np.array([0, Expect.REDUCED, Expect.QUANTITY], np.uint8)[kind[row]]
        yield Chunk(commands, row, expect, size[row], np.zeros(0, FILL))


def _totals(kind: Any, order_id: Ints, price: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Behind each row, its order's total (what came in minus what was taken off) and price."""
    by_id = np.argsort(order_id, kind="stable")
    begins = kind[by_id] == NEW
    begins[:1] = True
    begins[1:] |= order_id[by_id][1:] != order_id[by_id][:-1]
    first = np.flatnonzero(begins)[
        np.cumsum(begins) - 1
    ]  # of each row in this order, that of its `new`
    signed = np.where(kind == NEW, size, np.where(kind == MODIF, -size, 0))[by_id]
    summed = np.cumsum(signed)
    total, at_price = np.empty(len(kind), np.int64), np.empty(len(kind), np.int64)
    total[by_id] = summed - (summed[first] - signed[first])
    at_price[by_id] = price[by_id][first]
    return total, at_price
