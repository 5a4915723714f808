"""Batches for the tests of the API: many orders at once, and `process` through a small `out`."""

import numpy as np
from pricetime.records import COMMAND, EVENT, TIF, Flag, Kind, OrderType, Side

LEAST = 24  # events that `out` must have room for
HUGE = 10**6  # lots: no iceberg of a random test has more


def orders(count, first_id=1, **fields):
    """Limit orders, buys of 1 at 100 with ids from `first_id` where no field says otherwise."""
    commands = np.zeros(count, COMMAND)
    commands["kind"] = Kind.NEW
    commands["side"] = Side.BUY
    commands["order_type"] = OrderType.LIMIT
    commands["tif"] = TIF.GTC
    commands["order_id"] = np.arange(first_id, first_id + count, dtype=np.uint64)
    commands["price"] = 100
    commands["quantity"] = 1
    for name, values in fields.items():
        commands[name] = values
    return commands


def without_huge_icebergs(commands):
    """The commands without icebergs of so many slices that a sweep through one would never end."""
    huge = commands["quantity"] > HUGE
    iceberg = (commands["kind"] == Kind.NEW) & (commands["flags"] & Flag.ICEBERG != 0)
    amended = (commands["kind"] == Kind.AMEND) & huge
    amended &= np.isin(commands["order_id"], commands["order_id"][iceberg])
    commands["flags"][iceberg & huge] &= ~np.uint16(Flag.ICEBERG)
    commands["quantity"][amended] = HUGE
    return commands


def through(book, commands, out):
    """The bytes of all events, read through `out` as `Book.process` documents it."""
    parts = []
    begin = book.commands
    while (taken := book.commands - begin) < len(commands) or book.pending:
        parts.append(book.process(commands[taken:], out=out).tobytes())
    return b"".join(parts)


def feed(book, commands):
    """Tells a book of all commands and keeps nothing of what it says."""
    out = np.empty(4000, EVENT)
    begin = book.commands
    while (taken := book.commands - begin) < len(commands) or book.pending:
        book.process(commands[taken:], out=out)
