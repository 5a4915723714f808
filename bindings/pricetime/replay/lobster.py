"""LOBSTER message files: NASDAQ's visible orders of one stock and day, within some levels of the
touch.

Types 1, 2, 3 are NEW, AMEND to a smaller total, CANCEL; type 4, the execution of a visible order,
is an IOC of the other side; 5 (hidden), 6 (cross) and 7 (halt) move nothing that can be seen.  The
file names every order that it touches, so that what is left of each is known from the file alone;
what the file does not show is inferred by `Lives`, and said in the notes.  Where the exchange took
another order than the first in line, that order loses the quantity and the rest of the day stays
exact.

Columns are kept for the whole file (about 40 bytes a message), commands are made some rows at a
time.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import COMMAND, TIF, Flag, Kind, Side
from pricetime.replay.guide import take_from, take_out
from pricetime.replay.layout import Layout, tables
from pricetime.replay.lives import Lives, Messages
from pricetime.replay.orderbook import OrderBookFile, levels_differ
from pricetime.replay.source import ReplayError, Source
from pricetime.replay.tape import (
    FILL,
    LIMIT_GTC,
    TAKER,
    Chunk,
    Expect,
    Fill,
    Progress,
    Repair,
    Tape,
)

__all__ = ["read"]

ROWS = 1 << 16  # messages made into commands at once
UNNAMED = TAKER + (1 << 62)  # ids of what stands in the order-book file and is never named
NANOSECOND_PLACES = 9
COMPARED = "rows of the order-book file compared"
LEVEL_1 = "of these equal in level 1"
TYPES = {
    1: "new",
    2: "reduced",
    3: "deleted",
    4: "executed",
    5: "executed hidden",
    6: "cross",
    7: "halt",
}
NAMED = re.compile(
    r"([A-Za-z.]+)_([0-9]{4}-[0-9]{2}-[0-9]{2})_"
).match  # as LOBSTER names its files
LATEST = 10 * 86400  # seconds after midnight: no session is that long
CENT = 100  # of the file's prices: the largest tick of a US stock
DOLLAR = Decimal("0.0001")  # unit of the file's prices

Ints = NDArray[np.int64]


def read(source: Source, layout: Layout, order_book: str | None, progress: Progress) -> Tape:
    """The tape of a message file; the file `order_book` (a path) gives the book to start from."""
    messages = _messages(source, layout, progress)
    visible = messages.visible
    tick = int(np.gcd.reduce(messages.price[visible], initial=CENT))
    book_file = OrderBookFile(order_book, progress) if order_book else None
    if book_file:
        book_file.check(len(messages))
        tick = book_file.tick(tick)
        book_file.scale(tick)
    messages.price //= tick  # of hidden executions this may cut something: they are not used
    lives = Lives(messages, book_file.first if book_file else None)
    tick_size = _trimmed(DOLLAR * tick)
    reader = _Reader(messages, lives, book_file, tick_size)
    tape = Tape(
        path=source.path,
        format="LOBSTER messages",
        tick_size=tick_size,
        lot_size=Decimal(1),
        currency="USD",
        unit="shares",
        chunks=reader.chunks(),
        line=lambda row: "before the first message" if row < 0 else f"line {messages.line[row]:,}",
        rows=len(messages),
        guide=reader,
    )
    named = NAMED(os.path.basename(source.path))
    if named:
        tape.instrument = f"{named[1]}, {named[2]}"
    tape.counts.update(_counts(messages))
    tape.shift = reader.shift
    tape.notes += lives.notes
    if book_file:
        tape.probe = reader.probe
        tape.notes.append(
            f"levels compared with {len(book_file.sampled):,} of {book_file.rows:,} rows of the "
            "order-book file"
        )
    else:
        tape.notes.append(
            "no order-book file: the book starts with the orders that the messages name and never "
            "enter, nothing else"
        )
    reader.counts, reader.notes = tape.counts, tape.notes
    return tape


def _trimmed(value: Decimal) -> Decimal:
    """Without trailing zeros, and without an exponent where it is whole."""
    value = value.normalize()
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value


def _messages(source: Source, layout: Layout, progress: Progress) -> Messages:
    """The columns of the file, checked."""
    parts: list[tuple[NDArray[Any], ...]] = []
    for table in tables(source, layout):
        kind = table.integers("type")
        table.require((kind >= 1) & (kind <= 7), "type", "1 to 7")
        visible = kind <= 4
        direction = table.integers("direction")
        table.require((np.abs(direction) == 1) | ~visible, "direction", "1 (buy) or -1 (sell)")
        order_id = table.integers("order_id")
        table.require((order_id > 0) | ~visible, "order_id", "1 to 2^62")
        size = table.integers("size", "a whole number of shares")
        table.require((size > 0) | ~visible, "size", "1 share or more")
        price = table.integers("price", "a whole number of 0.0001 USD")
        time, scale = table.decimals("time", "seconds after midnight")
        seconds = time // 10 ** np.minimum(scale, 18).astype(np.int64)
        table.require((time >= 0) & (seconds < LATEST), "time", "seconds after midnight")
        parts.append(
            (
                table.lines,
                _nanoseconds(time, scale),
                kind.astype(np.int8),
                order_id,
                size,
                price,
                direction.astype(np.int8),
            )
        )
        progress("reading", source.fraction)
    if not sum(len(part[0]) for part in parts):
        raise ReplayError(f"{source.path}: a header and no messages; nothing to replay")
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Messages(*columns)


def _nanoseconds(value: Ints, scale: NDArray[np.int8]) -> Ints:
    """Seconds with decimals to nanoseconds; what is finer is cut off."""
    places = scale.astype(np.int64)
    up = 10 ** np.clip(NANOSECOND_PLACES - places, 0, NANOSECOND_PLACES)
    down = 10 ** np.clip(places - NANOSECOND_PLACES, 0, 18)
    return value // down * up


def _counts(messages: Messages) -> Counter[str]:
    numbers = np.bincount(messages.kind, minlength=8).tolist()
    return Counter(
        {f"type {kind} ({name})": numbers[kind] for kind, name in TYPES.items() if numbers[kind]}
    )


class _Reader:
    """Makes the commands and answers where book and exchange part."""

    notes: list[str]  # of the tape

    def __init__(
        self, messages: Messages, lives: Lives, book_file: OrderBookFile | None, tick_size: Decimal
    ):
        self.messages, self.lives, self.book_file, self.tick_size = (
            messages,
            lives,
            book_file,
            tick_size,
        )
        self.shifts: Counter[int] = Counter()  # order id: lots taken off its totals by repairs
        self.counts: Counter[str] = Counter()

    def chunks(self) -> Iterator[Chunk]:
        """All commands, in order."""
        extras, extra_key, extra_expect = self._extras()
        count = len(self.messages)
        begin = 0
        for first in range(0, count, ROWS):
            last = min(first + ROWS, count)
            end = len(extra_key) if last == count else int(np.searchsorted(extra_key, 4 * last))
            yield self._chunk(
                first, last, extras[begin:end], extra_key[begin:end], extra_expect[begin:end]
            )
            begin = end
        if self.counts[LEVEL_1] < self.counts[COMPARED] / 2:
            self.notes.append(
                "most rows of the order-book file have another level 1: it may not have one row "
                "for each message"
            )

    def _extras(self) -> tuple[NDArray[np.void], Ints, NDArray[np.uint8]]:
        """Commands that no message is: orders that were there, came unseen or made room."""
        entries = self.lives.entries
        commands = np.zeros(len(entries), COMMAND)
        commands[:] = LIMIT_GTC
        expect = np.zeros(len(entries), np.uint8)
        unnamed = 0
        for at, entry in enumerate(entries):
            command = commands[at]
            command["side"] = Side.BUY if entry.direction > 0 else Side.SELL
            command["price"], command["quantity"] = entry.price, entry.size
            command["timestamp"] = self.messages.time[max(entry.row, 0)]
            command["order_id"] = entry.order_id
            if not entry.order_id:
                unnamed += 1
                command["order_id"] = UNNAMED + unnamed
            expect[at] = Expect.HELPER
            if entry.leaves:
                command["kind"] = Kind.CANCEL
            elif entry.unsure:
                command["flags"] = Flag.POST_ONLY
        key = np.array([4 * entry.row + entry.slot for entry in entries], np.int64)
        order = np.argsort(key, kind="stable")
        return commands[order], key[order], expect[order]

    def _chunk(
        self, first: int, last: int, extras: Any, extra_key: Ints, extra_expect: Any
    ) -> Chunk:
        """The commands of messages first to last (excluded), with the extras among them."""
        m = self.messages
        row = np.flatnonzero(m.visible[first:last]) + first
        kind = m.kind[row]
        commands = np.zeros(len(row), COMMAND)
        commands[:] = LIMIT_GTC
        commands["side"] = np.where(m.direction[row] > 0, Side.BUY, Side.SELL)
        commands["order_id"] = m.order_id[row]
        commands["price"], commands["quantity"] = m.price[row], m.size[row]
        commands["timestamp"] = m.time[row]
        expect = np.where(kind == 2, Expect.REDUCED, Expect.QUANTITY).astype(np.uint8)
        expect[kind == 1] = Expect.FILLS
        taken = kind == 4
        expect[taken] = Expect.FILLS
        commands["side"][taken] = np.where(m.direction[row[taken]] > 0, Side.SELL, Side.BUY)
        commands["tif"][taken] = TIF.IOC
        commands["order_id"][taken] = TAKER + row[taken].astype(np.uint64) + 1
        self._reductions(commands, row, kind == 2)
        commands["kind"][kind == 3] = Kind.CANCEL
        all_rows = np.concatenate((row, extra_key // 4))
        order = np.argsort(np.concatenate((4 * row + 1, extra_key)), kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        fills = np.zeros(int(taken.sum()), FILL)
        fills["index"] = place[: len(row)][taken]
        fills["maker"] = m.order_id[row[taken]]
        fills["price"], fills["quantity"] = m.price[row[taken]], m.size[row[taken]]
        quantity = np.concatenate((m.size[row], np.zeros(len(extras), np.int64)))
        merged = Chunk(
            np.concatenate((commands, extras))[order],
            all_rows[order],
            np.concatenate((expect, extra_expect))[order],
            quantity[order],
            fills,
        )
        if self.book_file:
            merged.probes = [
                (int(np.searchsorted(merged.rows, at, "right")), at)
                for at in self.book_file.sampled
                if first <= at < last
            ]
        return merged

    def _reductions(self, commands: NDArray[np.void], row: Ints, which: NDArray[np.bool_]) -> None:
        """Turns type 2 into AMENDs; one that leaves nothing of an order that has not traded is a
        CANCEL.
        """
        at = np.flatnonzero(which)
        totals = self.lives.totals(row[at])
        if self.shifts:
            ids = commands["order_id"][at].tolist()
            totals = totals - np.array([self.shifts.get(i, 0) for i in ids], np.int64)
        commands["kind"][at] = np.where(totals > 0, Kind.AMEND, Kind.CANCEL)
        commands["quantity"][at] = totals

    # The guide of the replay.

    def _gone(self, fill: Fill, row: int) -> bool:
        """The order was traded by the book and is never named from here on: it left unseen."""
        return self.lives.last_named(fill.maker) < row

    def parts(self, row: int, made: list[Fill], real: list[Fill]) -> bool:
        """An execution can always be made good; else only where an order met what is gone."""
        return bool(real) or any(self._gone(fill, row) for fill in made)

    def repair(
        self, book: Any, row: int, command: np.void, made: list[Fill], real: list[Fill]
    ) -> Repair | None:
        """Takes out orders that are gone; else lets the order that the file names lose the
        quantity.
        """
        gone = [fill.maker for fill in made if fill not in real and self._gone(fill, row)]
        if gone:
            return take_out(gone, command)
        if not real:
            return None
        return take_from(book, real[0], command)

    def shift(self, order_id: int, lots: int) -> None:
        """Remembers what a repair took off an order's total."""
        self.shifts[order_id] += lots

    def probe(self, book: Any, row: int) -> str:
        """Where the book first differs from the order-book file's row; "" if nowhere."""
        assert self.book_file
        depth, differs = levels_differ(book, self.book_file.sampled[row], self.tick_size)
        self.counts[COMPARED] += 1
        self.counts[LEVEL_1] += depth != 1
        self.counts[f"of these equal in all {self.book_file.levels} levels"] += not differs
        return differs
