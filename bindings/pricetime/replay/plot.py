"""A picture of a replayed day: price and depth over time, trades, traded quantity.

`Watcher` looks at the books while they run and keeps a bounded number of looks at each: where it
has too many it drops every second one and looks half as often.  `draw` makes the picture; only
there are ticks and lots turned into floats, for the eye.
"""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import EventKind, Side
from pricetime.replay.source import ReplayError
from pricetime.replay.tape import Tape

__all__ = ["Watcher", "draw"]

LOOKS = 2048  # at one book, at most; half of them is the least once it is busy
STRIDE = 64  # commands between two looks, to begin with
LEVELS = 250  # of each side, at each look
DEEP = 10  # levels that count as depth near the touch
DOTS = 20_000  # trades kept to be drawn one by one
BOOKS = 50  # stocks watched at once: each takes some megabytes
SECOND = 10**9  # ns
BARS = 120  # of traded quantity
ROWS = 160  # of the map of depth

BID, ASK = "#1668b8", "#d1342b"
TAKEN = ((Side.BUY, 1, ASK, "buyer took ask"), (Side.SELL, -1, BID, "seller took bid"))


@dataclass(slots=True)
class Look:
    """A book at one moment."""

    timestamp: int  # ns
    bids: NDArray[np.void]  # LEVEL
    asks: NDArray[np.void]


@dataclass(slots=True)
class Seen:
    """What is kept of one book."""

    stride: int = STRIDE
    commands: int = -1  # at the last look
    looks: list[Look] = field(default_factory=list)
    trades: list[NDArray[np.void]] = field(default_factory=list)  # events, thinned
    held: int = 0  # trades in there
    each: int = 1  # one in so many is kept
    count: int = 0  # of all
    volume: dict[tuple[int, int], int] = field(default_factory=dict)  # (second, taker's side): lots


class Watcher:
    """Keeps what a picture needs."""

    def __init__(self, tape: Tape):
        self.tape = tape
        self.seen: dict[int, Seen] = {}

    def stride(self, key: int) -> int:
        """After how many commands at the latest it wants to see the book again."""
        if len(self.tape.books) > BOOKS:
            raise ReplayError(
                f"{self.tape.path}: --plot draws one of at most {BOOKS} stocks, and the file has "
                f"{len(self.tape.books):,}; pick one by --stock"
            )
        return self.seen[key].stride if key in self.seen else STRIDE

    def see(self, key: int, book: Any, events: NDArray[np.void], timestamp: int) -> None:
        """Looks at a book behind some commands."""
        seen = self.seen.setdefault(key, Seen())
        trades = events[events["kind"] == EventKind.TRADE]
        if len(trades):
            self._trade(seen, trades)
        if seen.looks and book.commands - seen.commands < seen.stride:
            return
        seen.commands = book.commands
        seen.looks.append(Look(timestamp, book.bids(LEVELS), book.asks(LEVELS)))
        if len(seen.looks) > LOOKS:
            seen.looks = seen.looks[::2]
            seen.stride *= 2

    def _trade(self, seen: Seen, trades: NDArray[np.void]) -> None:
        sides = (Side.BUY, Side.SELL)
        rows = zip(
            (trades["timestamp"] // SECOND).tolist(),
            trades["side"].tolist(),
            trades["quantity"].tolist(),
            strict=True,
        )
        for second, side, lots in rows:
            seen.volume[second, side] = seen.volume.get((second, side), 0) + lots
        assert trades["side"].max() in sides
        keep = trades[(seen.count + np.arange(len(trades))) % seen.each == 0]
        seen.count += len(trades)
        seen.trades.append(keep.copy())
        seen.held += len(keep)
        if seen.held > DOTS:
            seen.trades = [np.concatenate(seen.trades)[::2]]
            seen.held, seen.each = len(seen.trades[0]), 2 * seen.each


def draw(watcher: Watcher, path: str) -> str:
    """Writes the picture of the book that traded most; the text is its title."""
    tape = watcher.tape
    full = {key: seen for key, seen in watcher.seen.items() if seen.looks}
    if not full:
        raise ReplayError(f"{tape.path}: nothing to draw: no book has seen a command")
    key = max(full, key=lambda key: (full[key].count, len(full[key].looks)))
    seen = full[key]
    title = f"{tape.title(key)}: {seen.count:,} trades"
    if len(full) > 1:
        title += f" (most of {len(full)} stocks)"
    figure = import_module("matplotlib.figure").Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[3.4, 1, 1])
    trades = np.concatenate(seen.trades) if seen.trades else None
    _prices(figure, axes[0], tape, seen, trades)
    _depth(axes[1], tape, seen)
    _volume(axes[2], tape, seen)
    axes[0].set_title(title, loc="left", fontsize=13)
    axes[0].set_title(
        f"{tape.format}, replayed by pricetime", loc="right", fontsize=9, color="#666666"
    )
    _times(axes[2], tape, seen)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0)
    figure.savefig(path, dpi=130)
    return title


def _moments(timestamps: Any) -> NDArray[Any]:
    return np.asarray(timestamps, np.int64).astype("datetime64[ns]")


def _edges(seen: Seen) -> NDArray[Any]:
    """When each look was, and an end: what a look has seen holds until the next one."""
    times = [look.timestamp for look in seen.looks]
    return _moments([*times, max(times[-1], times[0] + SECOND)])


def _best(seen: Seen, tape: Tape) -> tuple[NDArray[Any], NDArray[Any]]:
    """Best bid and ask at each edge, in money; NaN where there is none."""
    tick = float(tape.tick_size)
    bid = [float(look.bids["price"][0]) * tick if len(look.bids) else np.nan for look in seen.looks]
    ask = [float(look.asks["price"][0]) * tick if len(look.asks) else np.nan for look in seen.looks]
    return np.array([*bid, bid[-1]]), np.array([*ask, ask[-1]])


def _prices(figure: Any, ax: Any, tape: Tape, seen: Seen, trades: Any) -> None:
    """Best bid and ask, trades, and behind them how much rests at each price."""
    tick = float(tape.tick_size)
    when = _edges(seen)
    bid, ask = _best(seen, tape)
    low, high = _window(bid, ask, None if trades is None else trades["price"] * tick, tick)
    _map(figure, ax, tape, seen, low, high)
    ax.step(when, ask, where="post", color=ASK, lw=0.9, label="best ask")
    ax.step(when, bid, where="post", color=BID, lw=0.9, label="best bid")
    if trades is not None:
        area = 5 + 70 * trades["quantity"] / trades["quantity"].max()
        each = "" if seen.each == 1 else f", one of {seen.each} shown"
        for side, _, color, name in TAKEN:
            mine = trades["side"] == side
            ax.scatter(
                _moments(trades["timestamp"][mine]),
                trades["price"][mine] * tick,
                s=area[mine],
                facecolor=color,
                edgecolor="white",
                lw=0.3,
                alpha=0.9,
                zorder=3,
                label=f"trade, {name} (area: quantity{each})",
            )
    ax.set_ylim(low, high)
    ax.set_ylabel(f"price ({tape.currency})")
    ax.ticklabel_format(axis="y", useOffset=False, style="plain")
    ax.legend(loc="upper left", ncols=2, framealpha=0.9, fontsize=9)


def _window(bid: Any, ask: Any, traded: Any, tick: float) -> tuple[float, float]:
    """The prices to show: all trades and nearly all of the touch, with some room."""
    touch = np.concatenate((bid[~np.isnan(bid)], ask[~np.isnan(ask)]))
    parts = [np.quantile(touch, (0.02, 0.98))] if len(touch) else []
    if traded is not None and len(traded):
        parts.append(np.quantile(traded, (0.001, 0.999)))
    if not parts:
        return 0.0, 1.0
    ends = np.concatenate(parts)
    room = max(ends.max() - ends.min(), 20 * tick)
    return float(ends.min() - 0.08 * room), float(ends.max() + 0.22 * room)  # above: the legend


def _map(figure: Any, ax: Any, tape: Tape, seen: Seen, low: float, high: float) -> None:
    """Resting quantity by time and price."""
    colors, ticker = import_module("matplotlib.colors"), import_module("matplotlib.ticker")
    tick, lot = float(tape.tick_size), float(tape.lot_size)
    step = max(1, int(np.ceil((high - low) / tick / ROWS)))
    first = int(np.floor(low / tick / step)) * step
    rows = int(np.ceil((high / tick - first) / step)) + 1
    depth = np.zeros((rows, len(seen.looks)))
    for at, look in enumerate(seen.looks):
        for levels in (look.bids, look.asks):
            row = (levels["price"] - first) // step
            inside = (row >= 0) & (row < rows)
            np.add.at(depth[:, at], row[inside], levels["quantity"][inside] * lot)
    if not depth.any():
        return
    prices = (first + np.arange(rows + 1) * step - 0.5) * tick
    shown = np.ma.masked_equal(depth, 0)
    least, most = np.quantile(depth[depth > 0], (0.05, 0.995))
    norm = colors.LogNorm(vmin=least, vmax=max(most, 1.01 * least), clip=True)
    greys = colors.LinearSegmentedColormap.from_list("depth", ("#f4f4f2", "#b9bcb8", "#5d6468"))
    mesh = ax.pcolormesh(_edges(seen), prices, shown, cmap=greys, norm=norm, rasterized=True)
    bar = figure.colorbar(mesh, ax=ax, pad=0.01, aspect=40)
    bar.ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    bar.ax.yaxis.set_minor_formatter(ticker.NullFormatter())
    bar.set_label(f"resting at a price step of {step * tape.tick_size:f} ({tape.unit})")


def _depth(ax: Any, tape: Tape, seen: Seen) -> None:
    """Quantity on the best levels, asks up and bids down."""
    lot = float(tape.lot_size)
    for side, sign, color in (("asks", 1, ASK), ("bids", -1, BID)):
        sums = [int(getattr(look, side)["quantity"][:DEEP].sum()) for look in seen.looks]
        near = sign * lot * np.array([*sums, sums[-1]], float)
        ax.fill_between(_edges(seen), near, step="post", color=color, alpha=0.55, lw=0, label=side)
    ax.axhline(0, color="#666666", lw=0.6)
    _symmetric(ax)
    ax.set_ylabel(f"depth, best {DEEP} levels\n({tape.unit})")
    ax.legend(loc="upper left", ncols=2, framealpha=0.9, fontsize=9)


def _volume(ax: Any, tape: Tape, seen: Seen) -> None:
    """Quantity traded in equal spans of time, by the side that took."""
    lot = float(tape.lot_size)
    first = seen.looks[0].timestamp // SECOND
    last = max([seen.looks[-1].timestamp // SECOND, *(second for second, _ in seen.volume)])
    width = _span(max(1, (last - first) / BARS))
    begin = first // width
    for side, sign, color, name in TAKEN:
        bars: dict[int, int] = {}
        for (second, taker), lots in seen.volume.items():
            if taker == side:
                bars[second // width] = bars.get(second // width, 0) + lots
        at = np.array(sorted(bars), np.int64)
        heights = np.array([sign * bars[bar] * lot for bar in at.tolist()])
        left = _moments(np.maximum(at, begin) * width * SECOND)
        if len(at):
            span = np.timedelta64(width, "s")
            ax.bar(left, heights, width=span, align="edge", color=color, alpha=0.8, label=name)
    ax.axhline(0, color="#666666", lw=0.6)
    _symmetric(ax)
    ax.set_ylabel(f"traded per {_words(width)}\n({tape.unit})")
    if seen.volume:
        ax.legend(loc="upper left", ncols=2, framealpha=0.9, fontsize=9)


def _span(seconds: float) -> int:
    """The next round span of time, in seconds."""
    for span in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200):
        if span >= seconds:
            return span
    return 86400 * int(np.ceil(seconds / 86400))


def _words(seconds: int) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % unit == 0:
            count = seconds // unit
            return name if count == 1 else f"{count} {name}s"
    return "second" if seconds == 1 else f"{seconds} seconds"


def _symmetric(ax: Any) -> None:
    """Zero in the middle of what there is, and no minus signs: both directions are quantities."""
    ticker = import_module("matplotlib.ticker")
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{abs(value):,.10g}"))
    low, high = ax.get_ylim()
    ax.set_ylim(1.05 * low, 1.3 * high if high > 0 else 1)


def _times(ax: Any, tape: Tape, seen: Seen) -> None:
    """Clock times below the lowest panel."""
    dates: Any = import_module("matplotlib.dates")
    locator = dates.AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    seconds = (seen.looks[-1].timestamp - seen.looks[0].timestamp) // SECOND
    several = seconds > 2 * 86400
    clock = "%H:%M:%S.%f" if seconds < 10 else "%H:%M:%S" if seconds < 600 else "%H:%M"
    formatter = dates.ConciseDateFormatter(locator) if several else dates.DateFormatter(clock)
    ax.xaxis.set_major_formatter(formatter)
    day = ""
    if tape.dated and not several:
        day = f", {np.datetime64(seen.looks[0].timestamp, 'ns').astype('datetime64[D]')}"
    ax.set_xlabel(f"{tape.clock}{day}")
