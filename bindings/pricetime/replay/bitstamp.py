"""Captures of order events as Bitstamp's feed gives them: created, changed, deleted, with ids.

Every taker's own order is there with its limit, so the book must make each real trade by itself.
The feed does not say what an order was; what became of it does:

- created and deleted at one exchange time with all of it left: POST_ONLY, which the book must
  refuse if it would trade; if it would not, it rests until its delete;
- the same with a part left: IOC;
- a price that no limit has (999999999 to buy, 0 to sell): a market order.  With volume 0 it was for
  a quote amount, and its quantity is what it traded, which only the trades file knows.

A first run of `created` rows of one time is a snapshot: its orders enter by id.  A last run of
`deleted` rows of one time that names all that was left is the capture's own list of what rests at
its end: the book must end there.  An order of the snapshot that stays whole until that list was not
in the exchange's book if the book meets it where the exchange did not: it is taken out (`repair`).
Without a snapshot the book starts with the orders that are named and never created.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import COMMAND, TIF, Flag, Kind, OrderType, Side
from pricetime.replay.fields import LAST, Table, Units
from pricetime.replay.guide import take_out
from pricetime.replay.layout import Layout, tables, trades_layout
from pricetime.replay.source import ReplayError, Source
from pricetime.replay.tape import (
    FILL,
    LIMIT_GTC,
    Chunk,
    Expect,
    Fill,
    Progress,
    Repair,
    State,
    Tape,
)

__all__ = ["epoch_ns", "read"]

ROWS = 1 << 16  # rows made into commands at once
CREATED, CHANGED, DELETED = 0, 1, 2
ACTIONS = {"created": CREATED, "changed": CHANGED, "deleted": DELETED}
SIDES: dict[str, int] = {"bid": Side.BUY, "ask": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}
NO_LIMIT = 999_999_999  # the price that the feed shows for a market order to buy

NEVER = 1 << 62  # above every id

Ints = NDArray[np.int64]


@dataclass(slots=True)
class _Rows:
    """The columns of a capture."""

    line: Ints
    order_id: Ints
    received: Ints  # ns since the epoch
    time: Ints  # ns since the epoch, of the exchange
    price: Ints  # ticks; NO_LIMIT of market orders is 0 here
    volume: Ints  # lots left behind the row
    action: NDArray[np.int8]
    side: NDArray[np.int8]
    market: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.line)


@dataclass(slots=True)
class _Trades:
    """The columns of a file of trades."""

    line: Ints
    taker: Ints
    maker: Ints
    price: Ints  # ticks
    quantity: Ints  # lots


def epoch_ns(time: Ints) -> Ints:
    """Counts since the epoch in whatever of s, ms, us, ns their size says, as ns."""
    largest = int(time.max(initial=0))
    for unit in (10**9, 10**6, 10**3):
        if largest < LAST * (10**9 // unit):
            return time * unit
    return time


def read(source: Source, layout: Layout, trades: str | None, progress: Progress) -> Tape:
    """The tape of a capture, with the trades of the file `trades` (a path), if there is one."""
    price, volume = Units("price"), Units("volume")
    parts = []
    for table in tables(source, layout):
        parts.append(_columns(table, price, volume))
        progress("reading", source.fraction)
    if not sum(len(part[0]) for part in parts):
        raise ReplayError(f"{source.path}: a header and no rows; nothing to replay")
    line, order_id, received, time, action, side, market = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    made = _read_trades(trades, price, volume, progress) if trades else None
    count = len(line)

    def where(at: int) -> str:
        return (
            f"{source.path}:{line[at]}"
            if at < count or not made
            else f"{trades}:{made[0][at - count]}"
        )

    no_limit = np.concatenate((market, np.zeros(len(made[0]) if made else 0, bool)))
    ticks, tick_size = price.settle(where, no_limit)
    lots, lot_size = volume.settle(where)
    rows = _Rows(
        line,
        order_id,
        epoch_ns(received),
        epoch_ns(time),
        ticks[:count],
        lots[:count],
        action,
        side,
        market,
    )
    known = _Trades(made[0], made[1], made[2], ticks[count:], lots[count:]) if made else None
    reader = _Reader(rows, known)
    tape = Tape(
        path=source.path,
        format="Bitstamp capture",
        tick_size=tick_size,
        lot_size=lot_size,
        currency="quote currency",
        unit="base currency",
        chunks=reader.chunks(),
        line=lambda row: "end" if row >= count else f"line {line[row]:,}",
        rows=count,
        guide=reader,
        trades_known=known is not None,
        final=reader.final if reader.ending < count else None,
        states=True,
        dated=True,
        clock="time in UTC",
    )
    tape.counts.update({name: int((action == code).sum()) for name, code in ACTIONS.items()})
    reader.counts = tape.counts
    tape.notes = reader.notes
    return tape


def _columns(table: Table, price: Units, volume: Units) -> tuple[NDArray[Any], ...]:
    """Some rows, checked; price and volume go into their units."""
    order_id = table.integers("id", "an order id")
    table.require(order_id > 0, "id", "1 to 2^62")
    side = table.words("direction", SIDES)
    value, scale = table.decimals("price")
    table.require(value >= 0, "price", "0 or more")
    whole = value // 10 ** np.minimum(scale, 18).astype(np.int64)
    price.add(value, scale)
    left, places = table.decimals("volume")
    table.require(left >= 0, "volume", "0 or more")
    volume.add(left, places)
    action = table.words("action", ACTIONS)
    market = (whole >= NO_LIMIT) & (side == Side.BUY)
    market |= (value == 0) & (side == Side.SELL)
    times = []
    for column in ("timestamp", "exchange_timestamp"):
        times.append(table.integers(column, "a whole number of ms since the epoch"))
        table.require(times[-1] >= 0, column, "ms since the epoch, 0 or more")
    return (
        table.lines,
        order_id,
        *times,
        action,
        side,
        market,
    )


def _read_trades(
    path: str, price: Units, volume: Units, progress: Progress
) -> tuple[Ints, Ints, Ints]:
    """Line, taker and maker of every trade; price and amount go into the units behind those of the
    orders.
    """
    parts = []
    with Source(path) as source:
        for table in tables(source, trades_layout(source)):
            buy, sell = table.integers("buy_order_id"), table.integers("sell_order_id")
            bought = table.words("side", SIDES) == Side.BUY
            price.add(*table.decimals("price"))
            volume.add(*table.decimals("amount"))
            parts.append((table.lines, np.where(bought, buy, sell), np.where(bought, sell, buy)))
            progress("reading trades", source.fraction)
    if not parts:
        none = np.zeros(0, np.int64)
        return none, none, none
    line, taker, maker = (np.concatenate(column) for column in zip(*parts, strict=True))
    return line, taker, maker


class _Reader:
    """Makes the commands and answers where book and exchange part."""

    def __init__(self, rows: _Rows, trades: _Trades | None):
        self.rows = rows
        self.counts: Counter[str] = Counter()
        self.ghosts: set[int] = set()  # orders of the snapshot that were not there
        self.notes: list[str] = []
        self.snapshot = self._leading()
        self.ending = self._trailing()
        self._orders()
        self._fills(trades)
        self._seed()

    def _leading(self) -> int:
        """How many rows the snapshot has: the first run of `created` of one time."""
        r = self.rows
        same = (r.action == CREATED) & (r.time == r.time[0]) & (r.received == r.received[0])
        count = len(r) if same.all() else int(np.argmin(same))
        if count > 1:
            self.notes.append(
                f"the first {count:,} rows, all of one time, are a snapshot: in the book from the "
                "start"
            )
        return count if count > 1 else 0

    def _trailing(self) -> int:
        """The row where the list of what rests at the end begins; the number of rows if there is
        none.
        """
        r = self.rows
        same = (r.action == DELETED) & (r.time == r.time[-1]) & (r.received == r.time[-1])
        begin = len(r) - (len(r) if same.all() else int(np.argmin(same[::-1])))
        listed = len(r) - begin
        entered = np.unique(r.order_id[r.action == CREATED])
        alive = np.setdiff1d(entered, r.order_id[r.action == DELETED]).size
        if listed < 2 or 2 * alive > listed:
            self.notes.append(
                "the file does not end with a list of what rests: the last book is not compared"
            )
            return len(r)
        self.notes.append(
            f"the last {listed:,} rows, all of one time, list what rests at the end: not sent, "
            "compared"
        )
        return begin

    def _orders(self) -> None:
        """What each `created` row must have been, from how it ended."""
        r, end = self.rows, self.ending
        made = np.flatnonzero(r.action == CREATED)
        ids, first = np.unique(r.order_id[made], return_index=True)
        self._ids, self._born = np.append(ids, NEVER), np.append(made[first], -1)
        self._created = self._row_of(r.order_id)
        self._known = self._created >= 0
        gone = np.flatnonzero(
            (r.action[:end] == DELETED) & (r.volume[:end] > 0) & self._known[:end]
        )
        born = self._created[gone]
        at_once = (r.time[gone] == r.time[born]) & (born >= self.snapshot)
        whole = r.volume[gone] == r.volume[born]
        self.refusable = np.zeros(len(r), bool)  # of created and deleted rows
        self.refusable[gone[at_once & whole]] = self.refusable[born[at_once & whole]] = True
        self.cut = np.zeros(len(r), bool)  # IOC: of created and deleted rows
        self.cut[gone[at_once & ~whole]] = self.cut[born[at_once & ~whole]] = True
        self.market = r.market & (np.arange(len(r)) >= self.snapshot) & (r.action == CREATED)
        self.untouched = self._untouched()

    def _row_of(self, order_id: Ints) -> Ints:
        """The row that first created each order; -1: none does."""
        place = np.searchsorted(self._ids, order_id)
        return np.where(self._ids[place] == order_id, self._born[place], -1)

    def _untouched(self) -> set[int]:
        """Orders of the snapshot that no row names again, but the list at the end if there is one,
        as whole.
        """
        r = self.rows
        ids, times = np.unique(r.order_id, return_counts=True)
        if self.ending == len(r):
            mine = np.arange(self.snapshot)
            return set(r.order_id[mine[np.isin(r.order_id[mine], ids[times == 1])]].tolist())
        last = np.arange(self.ending, len(r))
        mine = last[(self._created[last] >= 0) & (self._created[last] < self.snapshot)]
        mine = mine[
            (r.volume[mine] == r.volume[self._created[mine]])
            & np.isin(r.order_id[mine], ids[times == 2])
        ]
        return set(r.order_id[mine].tolist())

    def _fills(self, trades: _Trades | None) -> None:
        """The real trades under the row of their taker, and the quantities of market orders."""
        self.fills: dict[int, list[Fill]] | None = None
        self.volume = self.rows.volume
        if trades is None:
            self.notes.append(
                "no trades are known: give them by --trades to have makers, prices and quantities "
                "compared"
            )
        else:
            self.fills, strangers = {}, 0
            self.traded = set(trades.taker.tolist()) | set(trades.maker.tolist())
            columns = (self._row_of(trades.taker), trades.maker, trades.price, trades.quantity)
            for row, *fill in zip(*(column.tolist() for column in columns), strict=True):
                if row < self.snapshot:
                    strangers += 1
                else:
                    self.fills.setdefault(row, []).append(Fill(*fill))
            if strangers:
                self.notes.append(
                    f"trades of takers that the capture does not show coming: {strangers:,}, not "
                    "compared"
                )
        unsized = np.flatnonzero(self.market & (self.volume == 0))
        if len(unsized):
            self.volume = self.volume.copy()
            for row in unsized.tolist():
                self.volume[row] = sum(fill.quantity for fill in (self.fills or {}).get(row, []))
            unknown = int((self.volume[unsized] == 0).sum())
            which = "market orders for a quote amount"
            if len(unsized) > unknown:
                self.notes.append(
                    f"{which}: {len(unsized) - unknown:,}, of the quantity that they traded"
                )
            if unknown:
                self.notes.append(
                    f"{which}: {unknown:,} left out, since what they traded is not known"
                )

    def _seed(self) -> None:
        """Without a snapshot: the orders that are named and never created, as far as rows show
        their quantity.
        """
        r = self.rows
        self.seeds = np.zeros(0, np.int64)  # the row that first names each
        self.seeded = self.seeds  # lots of each
        if self.snapshot:
            return
        named = np.flatnonzero(~self._known)
        ids, first = np.unique(r.order_id[named], return_index=True)
        _, last = np.unique(r.order_id[named][::-1], return_index=True)
        left = r.volume[named[::-1][last]] if len(ids) else self.seeds
        taken: Counter[int] = Counter()
        for fills in (self.fills or {}).values():
            for fill in fills:
                taken[fill.maker] += fill.quantity
        entered = left + np.array([taken[order_id] for order_id in ids.tolist()], np.int64)
        self.seeds, self.seeded = named[first[entered > 0]], entered[entered > 0]
        self._known |= np.isin(r.order_id, ids[entered > 0])
        self.untouched.update(r.order_id[self.seeds[self.seeds >= self.ending]].tolist())
        if len(self.seeds):
            self.notes.append(
                f"the file does not begin with a snapshot: {len(self.seeds):,} orders that are "
                "named and never created "
                "are in the book from the start"
            )

    def _start(self) -> Chunk:
        """The orders that are named and never created, by id; one that would trade came later, and
        is refused.
        """
        r = self.rows
        chunk = Chunk.empty(len(self.seeds))
        chunk.commands[:] = LIMIT_GTC
        chunk.commands["flags"] = Flag.POST_ONLY
        for name, column in (("side", r.side), ("order_id", r.order_id), ("price", r.price)):
            chunk.commands[name] = column[self.seeds]
        chunk.commands["quantity"] = self.seeded
        chunk.commands["timestamp"] = r.time[0]
        chunk.expect[:] = Expect.HELPER
        return chunk

    def chunks(self) -> Iterator[Chunk]:
        """All commands, in order: the snapshot by id, then the rows as they come."""
        r = self.rows
        yield self._start()
        snapshot = np.argsort(r.order_id[: self.snapshot], kind="stable")
        order = np.concatenate((snapshot, np.arange(self.snapshot, self.ending)))
        for first in range(0, len(order), ROWS):
            yield self._chunk(order[first : first + ROWS])

    def _sent(self, row: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows become commands; and which of the `changed` ones among them are amends."""
        r = self.rows
        action = r.action[row]
        sent = (action == CREATED) & ~(self.market[row] & (self.volume[row] == 0))
        known = self._known[row] & (self._created[row] < row)  # -1: from the start
        sent |= (action == DELETED) & known & ~self.cut[row]
        amends = np.zeros(len(row), bool)
        if self.fills is not None:  # a change of an order that never trades is its owner's
            changed = np.flatnonzero((action == CHANGED) & known & (r.volume[row] > 0))
            traded = np.array([i in self.traded for i in r.order_id[row[changed]].tolist()], bool)
            amends[changed[~traded]] = True
        self.counts["deleted, never created"] += int(((action == DELETED) & ~known).sum())
        return sent | amends, amends

    def _chunk(self, row: Ints) -> Chunk:
        """The commands of some rows."""
        r = self.rows
        sent, amends = self._sent(row)
        index = np.cumsum(sent) - 1  # of the command of a row, or of the last one before it
        changed = np.flatnonzero((r.action[row] == CHANGED) & ~amends & self._known[row])
        states = [
            State(at, int(of), int(r.order_id[of]), int(r.volume[of]))
            for at, of in zip(index[changed].tolist(), row[changed].tolist(), strict=True)
        ]
        self.counts["changed by its owner"] += int(amends.sum())
        row, amends = row[sent], amends[sent]
        commands = np.zeros(len(row), COMMAND)
        commands[:] = LIMIT_GTC
        for name, column in (
            ("side", r.side),
            ("order_id", r.order_id),
            ("price", r.price),
            ("quantity", self.volume),
            ("timestamp", r.time),
        ):
            commands[name] = column[row]
        created = r.action[row] == CREATED
        commands["kind"][~created] = Kind.CANCEL
        commands["kind"][amends] = Kind.AMEND
        commands["flags"][created & self.refusable[row]] = Flag.POST_ONLY
        commands["tif"][created & (self.cut[row] | self.market[row])] = TIF.IOC
        commands["order_type"][created & self.market[row]] = OrderType.MARKET
        expect = np.zeros(len(row), np.uint8)
        expect[~created & ~amends] = Expect.QUANTITY
        expect[~created & ~amends & (r.volume[row] == 0)] = Expect.REFUSED
        expect[self.refusable[row]] |= np.uint8(Expect.EITHER)
        if self.fills is not None:
            expect[created] |= np.uint8(Expect.FILLS)
        elif self.untouched:
            expect[created] |= np.uint8(Expect.ASK)
        return Chunk(commands, row, expect, r.volume[row], self._listed(row), states=states)

    def _listed(self, row: Ints) -> NDArray[np.void]:
        """The real trades of the rows' commands."""
        fills = self.fills or {}
        listed = [(at, *fill) for at, of in enumerate(row.tolist()) for fill in fills.get(of, ())]
        return np.array(listed, FILL) if listed else np.zeros(0, FILL)

    def final(self) -> dict[int, int]:
        """What the capture says rests at its end, without what was taken out: order id: lots."""
        r = self.rows
        last = slice(self.ending, None)
        listed = dict(zip(r.order_id[last].tolist(), r.volume[last].tolist(), strict=True))
        return {order_id: left for order_id, left in listed.items() if order_id not in self.ghosts}

    # The guide of the replay.

    def parts(self, row: int, made: list[Fill], real: list[Fill]) -> bool:
        """Whether the book met an order that the exchange cannot have had."""
        return any(fill.maker in self.untouched and fill not in real for fill in made)

    def repair(
        self, book: Any, row: int, command: np.void, made: list[Fill], real: list[Fill]
    ) -> Repair | None:
        """Takes such orders out."""
        found = [fill.maker for fill in made if fill.maker in self.untouched and fill not in real]
        self.ghosts.update(found)
        return take_out(found, command)
