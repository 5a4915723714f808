"""A frame as a picture for the terminal, by rich: ladder, trades, pace, latency, counters.

The picture fits its room: a wide terminal gets a third column with a chart, a low one loses its
panels, and the ladder and the tape take what is left. Nothing here knows the book or the time.
"""

from collections import deque
from datetime import datetime, timezone

import numpy as np
from rich.layout import Layout

from pricetime.demo import text
from pricetime.demo.chart import bar, line_chart
from pricetime.demo.flow import INSTRUMENT
from pricetime.demo.frame import Auction, Frame, Market
from pricetime.demo.panel import (
    BUY,
    BUYS,
    CALL,
    EDGE,
    MICRO,
    NAME,
    NOTE,
    SELL,
    SELLS,
    STRONG,
    VALUE,
    Row,
    Rows,
    entry,
    panel,
)
from pricetime.records import EventKind, Phase, Side

__all__ = ["View"]

LARGE = INSTRUMENT.lots("0.5")  # lots: trades that stand out
HISTORY = 1_500  # frames that the chart remembers: five minutes
WIDE, HIGH = 124, 26  # columns and rows from which on there is a third column
THIRD = 40  # columns of the third at least
TAPE = 34  # columns of the tape beside the ladder
NOTES = 3  # of the tape's rows, one in so many is no trade
NOTES_LEAST = 9  # rows of a tape from which on it has any
ORDERS = 62  # columns of the ladder from which on it counts orders
LADDER_LEAST = 38  # columns; where there are fewer, the tape goes
PANELS = 7  # rows of the panels below
PANEL_LEAST = 24  # columns of one of them
PANELS_LEAST = 18  # rows of a terminal; where there are fewer, the panels go


class View:
    """Pictures of one frame after the other."""

    def __init__(self, title: str):
        self._title = title
        self._mids: deque[float] = deque(maxlen=HISTORY)

    def picture(self, frame: Frame, width: int, height: int) -> Layout:
        """The frame for a terminal of so many columns and rows."""
        if len(frame.market.bids) and len(frame.market.asks):
            best = [int(side["price"][0]) for side in frame.market[:2]]
            self._mids.append(sum(best) / 2)
        whole = Layout()
        head = Layout(Rows(lambda wide, high: [_head(self._title, frame, wide)]), size=1)
        market = frame.market
        colour, edge = (VALUE, EDGE) if market.phase is Phase.CONTINUOUS else (CALL, CALL)
        title = f"book [{colour}]{text.phase(market.phase)}[/]"
        ladder = Layout(panel(title, lambda *room: _ladder(market, *room), edge=edge))
        tape = Layout(panel("trades and other news", lambda *room: _tape(market, *room)), size=TAPE)
        body = Layout()
        if width >= WIDE and height >= HIGH:
            third = Layout(size=max(THIRD, 3 * width // 10))
            third.split_column(*self._panels(frame, PANELS), self._chart())
            body.split_row(ladder, tape, third)
            whole.split_column(head, body)
            return whole
        if width >= LADDER_LEAST + TAPE:
            body.split_row(ladder, tape)
        else:
            body.split_row(ladder)
        if height < PANELS_LEAST:
            whole.split_column(head, body)
            return whole
        below = Layout(size=PANELS)
        below.split_row(*self._panels(frame, None)[: max(width // PANEL_LEAST, 1)])
        whole.split_column(head, body, below)
        return whole

    def _panels(self, frame: Frame, size: int | None) -> list[Layout]:
        return [
            Layout(panel("latency", lambda wide, high: _latency(frame, wide)), size=size),
            Layout(panel("pace", lambda wide, high: _pace(frame, wide)), size=size),
            Layout(panel("engine", lambda wide, high: _engine(frame, wide)), size=size),
        ]

    def _chart(self) -> Layout:
        return Layout(panel("middle of bid and ask", self._line))

    def _line(self, width: int, height: int) -> list[Row]:
        mids = np.array(self._mids)
        if height < 3 or len(mids) < 2:
            return []
        low, high = float(mids.min()), float(mids.max())
        names = {0: text.money(round(high)), height - 1: text.money(round(low))}
        wide = max(map(len, names.values()))
        rows = line_chart(mids, width - wide - 1, height)
        return [
            [(row, BUY if mids[-1] >= mids[0] else SELL), (f" {names.get(at, ''):>{wide}}", NAME)]
            for at, row in enumerate(rows)
        ]


def _head(title: str, frame: Frame, width: int) -> Row:
    pace = frame.pace
    of = f" of {text.clock(pace.seconds)}" if pace.seconds else ""
    left, right = " pricetime demo  ", f"{text.clock(pace.elapsed)}{of}  Ctrl-C ends "
    room = max(width - len(left) - len(right) - 1, 0)
    return [(left, STRONG), (f"{title[:room]:<{room + 1}}", VALUE), (right, NAME)]


def _ladder(market: Market, width: int, height: int) -> list[Row]:
    """Asks above, bids below, the best of both in the middle.

    Bars grow with the square root of the quantity: one wall would make dots of the others.
    """
    deep = max((height - 2) // 2, 1)
    asks, bids = market.asks[: height - 2 - deep][::-1], market.bids[:deep]
    shown = np.concatenate((asks, bids))
    if not len(shown):
        return [[("the book is empty", NAME)]]
    prices = [text.money(int(price)) for price in shown["price"]]
    quantities = [text.amount(int(lots)) for lots in shown["quantity"]]
    price_wide = max(map(len, prices))
    quantity_wide = max(8, *map(len, quantities))
    orders_wide = 7 if width >= ORDERS else 0
    bar_wide = max((width - price_wide - 2) // 2 - quantity_wide - orders_wide - 1, 0)
    half = bar_wide + quantity_wide + orders_wide + 1
    most = float(shown["quantity"].max())
    rows: list[Row] = [_ladder_head(price_wide, quantity_wide, orders_wide, bar_wide)]
    rows += [[]] * (height - 2 - deep - len(asks))
    for at, (price, quantity) in enumerate(zip(prices, quantities, strict=True)):
        if at == len(asks):
            rows.append(_middle(market, price_wide + 2 * half + 2))
        buys, best = at >= len(asks), at in (len(asks) - 1, len(asks))
        length = bar_wide * (float(shown["quantity"][at]) / most) ** 0.5
        orders = f"{shown['orders'][at]}" if orders_wide else ""
        colour, shade = (BUY, BUYS) if buys else (SELL, SELLS)
        middle = (f" {price:>{price_wide}} ", f"bold {colour}" if best else colour)
        weight = STRONG if best else VALUE
        if buys:
            rows.append(
                [
                    (f"{orders:>{max(orders_wide - 1, 0)}}", NAME),
                    (f"{quantity:>{quantity_wide + (orders_wide > 0)}} ", weight),
                    (bar(length, bar_wide, left=True), shade),
                    middle,
                ]
            )
        else:
            rows.append(
                [
                    (" " * half, ""),
                    middle,
                    (bar(length, bar_wide), shade),
                    (f" {quantity:>{quantity_wide}}", weight),
                    (f"{orders:>{orders_wide}}", NAME),
                ]
            )
    return rows


def _ladder_head(price: int, quantity: int, orders: int, bars: int) -> Row:
    left = f"{'quantity':>{quantity}} {'bids':>{bars}}"
    right = f"{'asks':<{bars}} {'quantity':>{quantity}}"
    if orders:
        left, right = f"{'orders':<{orders}}{left}", f"{right}{'orders':>{orders}}"
    return [(f"{left} {'price':^{price}} {right}", NAME)]


def _middle(market: Market, width: int) -> Row:
    """The spread and the last price, or where an auction stands, between asks and bids."""
    parts: Row = []
    if market.indicative:
        parts = _indicative(market.indicative)
    elif len(market.bids) and len(market.asks):
        bid, ask = (int(side["price"][0]) for side in market[:2])
        parts += [("spread ", NAME), (text.money(ask - bid), VALUE), ("   ", "")]
    if len(market.tape) and not market.indicative:
        last = market.tape[-1]
        buys = last["side"] == Side.BUY
        arrow, colour = ("▲", BUY) if buys else ("▼", SELL)
        parts += [("last ", NAME), (f"{text.money(int(last['price']))} {arrow}", f"bold {colour}")]
    used = sum(len(part) for part, _ in parts)
    return [(" " * max((width - used) // 2, 0), ""), *parts]


def _indicative(auction: Auction) -> Row:
    price, quantity, surplus = auction
    if not quantity:
        return [("indicative ", NAME), ("none", VALUE)]
    colour = BUY if surplus > 0 else SELL
    return [
        ("indicative ", NAME),
        (text.money(price), f"bold {CALL}"),
        (f" × {text.short(quantity)}", VALUE),
        ("  surplus ", NAME),
        (text.surplus(surplus), colour),
    ]


def _tape(market: Market, width: int, height: int) -> list[Row]:
    """The last trades, newest first, and below them what else happened."""
    wide = max(width - 21, 0)
    rows: list[Row] = [[(f"{'time':<9}  {'price':>9} {'quantity':>{wide}}", NAME)]]
    count = height // NOTES if height >= NOTES_LEAST else 0
    notes = market.notes[::-1][:count]
    for trade in market.tape[::-1][: height - 1 - len(notes)]:
        buys = trade["side"] == Side.BUY
        arrow, colour = ("▲", BUY) if buys else ("▼", SELL)
        price, quantity = text.money(int(trade["price"])), text.amount(int(trade["quantity"]))
        weight = STRONG if trade["quantity"] >= LARGE else VALUE
        rows.append(
            [(_time(trade), NAME), (f"{arrow}{price:>9} ", colour), (f"{quantity:>{wide}}", weight)]
        )
    rows += [[]] * (height - len(rows) - len(notes))
    return rows + [_note(note, wide) for note in notes]


def _note(event: np.void, wide: int) -> Row:
    """What is no trade: a trigger met, an iceberg's next slice, a phase, a maker's silence."""
    kind, price = event["kind"], int(event["price"])
    if kind == EventKind.PHASE_CHANGED:
        phase = text.phase(Phase(int(event["detail"])))
        return [(_time(event), NAME), (f"═ {phase:<{9 + wide}}", CALL)]
    if kind == EventKind.REFRESHED:
        mark, colour, word = "↻", NOTE, text.amount(int(event["quantity"]))
    elif kind == EventKind.CANCELLED:
        mark, colour, word = "×", SELL, "disarmed"
    else:
        mark, colour, word, price = "◆", CALL, "fired", int(event["detail"])
    return [
        (_time(event), NAME),
        (f"{mark}{text.money(price):>9} ", colour),
        (f"{word:>{wide}}", VALUE),
    ]


def _time(event: np.void) -> str:
    when = datetime.fromtimestamp(int(event["timestamp"]) // 10**9, timezone.utc)
    return f"{when:%M:%S}.{int(event['timestamp']) // 10**6 % 1000:03} "


def _pace(frame: Frame, width: int) -> list[Row]:
    pace, flat = frame.pace, frame.flat_out
    target = pace.per_minute / 60
    share = pace.achieved / target
    length = width * min(share, 1.0)
    shade = BUYS if share > 0.98 else SELLS
    rows = [
        entry("rate", f"{pace.achieved:,.0f}/s", width, STRONG),
        [(bar(length, width), shade)],
        entry("target", f"{target:,.0f}/s", width),
        entry("book busy", f"{100 * pace.busy:.1f} %", width),
    ]
    behind = pace.due - pace.done
    late = behind > target / 100
    if flat.commands and not late:
        fast = f"{flat.per_second(flat.commands) / 1e6:.1f} M/s"
        rows.append(entry("flat out", fast, width))
    else:
        rows.append(entry("behind", f"{behind:,}", width, SELL if late else VALUE))
    return rows


def _latency(frame: Frame, width: int) -> list[Row]:
    pace = frame.pace
    first = 6
    column = max((width - first) // 2, 0)
    rows: list[Row] = [[(f"{'':<{first}}{'last 5 s':>{column}}{'all':>{column}}", NAME)]]
    names = ("p50", "p99", "p99.9", "max")
    for name, recent, whole in zip(names, pace.recent, pace.whole, strict=True):
        rows.append(
            [
                (f"{name:<{first}}", NAME),
                (f"{text.duration(recent, MICRO):>{column}}", STRONG),
                (f"{text.duration(whole, MICRO):>{column}}", VALUE),
            ]
        )
    return rows


def _engine(frame: Frame, width: int) -> list[Row]:
    market = frame.market
    return [
        entry("commands", f"{market.commands:,}", width),
        entry("trades", f"{market.trades:,}", width),
        entry("resting", f"{market.resting:,}", width),
        entry("wait/sleep", f"{market.waiting:,}/{market.sleeping:,}", width),
        entry("memory", text.mebibytes(market.nbytes), width),
    ]
