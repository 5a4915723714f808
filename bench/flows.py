"""Seeded flows of orders, made like the traffic of an exchange, for the benchmarks.

    from flows import flow, tape
    commands = flow("normal", 200_000, seed=1)       # an array of pricetime.COMMAND

A flow first builds a book (`SHAPES[name].resting` orders that do not trade), then goes on with the
mix of its shape, steered so that the book neither drains nor grows. Limit orders only, good till
cancelled or immediate or cancel; cancels; reduces. About 3 % of the cancels and reduces name an
order that is gone. Buyers have odd accounts and sellers even ones: nobody trades with himself.

Dice are thrown in bulk with numpy; one plain loop then plays them on a small book of its own, which
alone knows which orders are alive. So a tape also says what a right engine makes of it.
"""

from collections import deque
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from pricetime.records import COMMAND, TIF, Kind, OrderType, Side

START = 1_750_000_000_000_000_000  # ns
MIDDLE = 10_000_000  # ticks: where the reference price starts
REST, TAKE, PULL, SHRINK = range(4)  # what a command is meant to do


class Shape(NamedTuple):
    """What tells one flow from another; shares are of all commands behind the build."""

    resting: int  # orders that build the book, and about as many stay
    mix: tuple[float, float, float, float]  # shares of REST, TAKE, PULL, SHRINK
    near: float  # mean distance of the nearest half of resting prices to the reference (ticks)
    spread_share: float  # share of resting prices anywhere within `spread`
    spread: int  # ticks
    walk: float  # chance that the reference price moves a tick
    reach: int  # ticks that a taking order reaches beyond the reference
    take_mean: float  # lots of a taking order; resting ones are 50 on average


SHAPES = {
    # A calm book: most of the traffic rests and is pulled near the touch.
    "normal": Shape(20_000, (0.54, 0.10, 0.32, 0.04), 8.0, 0.0, 1, 0.01, 60, 52.0),
    # A book that no cache holds: prices far and wide, cancels at any depth.
    "deep": Shape(100_000, (0.54, 0.10, 0.32, 0.04), 8.0, 0.5, 100_000, 0.01, 60, 52.0),
    # Few but large takers, each through many orders and prices.
    "sweep": Shape(20_000, (0.80, 0.05, 0.13, 0.02), 40.0, 0.0, 1, 0.02, 5_000, 700.0),
}


class Tape(NamedTuple):
    """A flow and what a right engine makes of it; one entry a command."""

    commands: np.ndarray  # COMMAND
    left: np.ndarray  # lots still open behind a reduce of a live order, else 0
    trades: np.ndarray  # trades so far
    traded: np.ndarray  # lots traded so far


def flow(name, commands, seed=1, ids="dense", **options):
    """The commands of a `tape` alone: an array of pricetime.COMMAND."""
    return tape(name, commands, seed, ids, **options).commands


def tape(name, commands, seed=1, ids="dense", *, ioc=True, reduces=True, resting=None):
    """Make so many commands of a flow, the build of the book included.

    `ids`: "dense" counts from 1, "sparse" spreads the same count over 63 bits. Without `ioc`,
    taking orders are all good till cancelled; without `reduces`, reduces are cancels: each is a
    flow of its own, for engines that lack the one or the other. `resting` sizes the book.
    """
    shape = SHAPES[name]
    if resting is not None:
        shape = shape._replace(resting=resting)
    if not reduces:
        rest, take, pull, shrink = shape.mix
        shape = shape._replace(mix=(rest, take, pull + shrink, 0.0))
    dice = _throw(shape, commands, np.random.default_rng([seed, *name.encode()]), ioc)
    played = _Play(shape, dice).run()
    return _records(dice, played, _spread if ids == "sparse" else lambda n: n)


def _throw(shape, n, rng, ioc):
    """Everything about n commands that does not depend on the book."""
    building = np.arange(n) < shape.resting
    what = rng.choice(4, n, p=np.array(shape.mix) / sum(shape.mix))
    what[building] = REST
    buy = rng.random(n) < 0.5
    steps = np.where(rng.random(n) < shape.walk, rng.choice((-1, 1), n), 0)
    reference = MIDDLE + np.cumsum(np.where(building, 0, steps))
    scale = shape.near * rng.choice((1.0, 10.0, 120.0), n, p=(0.6, 0.25, 0.15))
    away = 1 + (rng.standard_exponential(n) * scale).astype(np.int64)
    anywhere = rng.random(n) < np.where(building & (shape.spread > 1), 1.0, shape.spread_share)
    away[anywhere] = rng.integers(1, shape.spread + 1, int(anywhere.sum()))
    beyond = rng.integers(shape.reach // 2, shape.reach + 1, n)
    taking = what == TAKE
    mean = np.where(taking, shape.take_mean, 50.0)
    return {
        "what": what,
        "buy": buy,
        "price": reference + np.where(buy == taking, 1, -1) * np.where(taking, beyond, away),
        "steered": reference - np.where(buy, 1, -1) * away,  # price of a PULL turned into a REST
        "quantity": 1 + (rng.standard_exponential(n) * mean).astype(np.int64),
        "ioc": taking & (rng.random(n) < 0.7) & ioc,
        "pick": rng.random(n),
        "cut": rng.random(n),
        "gone": rng.random(n) < 0.03,
        "account": rng.integers(1, 5_000, n) * 2 + buy,
        "timestamp": START + np.cumsum(1 + rng.integers(0, 800, n)),
    }


class _Play:
    """The small book: queues of order numbers, best prices in heaps, the living in one list."""

    def __init__(self, shape, dice):
        self.resting = shape.resting
        self.dice = {key: column.tolist() for key, column in dice.items()}
        self.queues = ({}, {})  # by side (1 buys): key -> deque of numbers; the gone stay until met
        self.best = ([], [])  # by side: heap of keys, -price for buys
        self.total, self.open, self.price, self.entry = [0], [0], [0], [0]  # by number
        self.alive, self.place = [], [-1]  # numbers; where a number stands among them
        self.departed = deque(maxlen=500)  # numbers that have traded away
        self.trades = self.traded = 0

    def run(self):
        """A column each: what, entering command, number, price, quantity, left, trades, traded."""
        dice, rows = self.dice, []
        columns = (dice[key] for key in ("what", "buy", "price", "steered", "quantity", "ioc"))
        for i, (what, buy, price, steered, quantity, ioc) in enumerate(zip(*columns, strict=True)):
            if what in (PULL, SHRINK) and len(self.alive) < max(1, 0.97 * self.resting):
                what, price = REST, steered
            elif what == REST and len(self.alive) > 1.03 * self.resting:
                what = PULL
            if what in (REST, TAKE):
                number = self._enter(i, buy, price, quantity, ioc)
                row = (what, i, number, price, quantity, 0)
            else:
                row = self._leave(what, i)
            rows.append((*row, self.trades, self.traded))
        return np.array(rows, dtype=np.int64).reshape(len(rows), 8).T

    def _enter(self, i, buy, price, quantity, ioc):
        number = len(self.total)
        self.total.append(quantity)
        self.price.append(price)
        self.entry.append(i)
        self.place.append(-1)
        left = self._match(buy, price, quantity)
        self.open.append(0 if ioc else left)
        if self.open[number]:
            key = -price if buy else price
            if key not in self.queues[buy]:
                self.queues[buy][key] = deque()
                heappush(self.best[buy], key)
            self.queues[buy][key].append(number)
            self.place[number] = len(self.alive)
            self.alive.append(number)
        return number

    def _match(self, buy, price, left):
        heap, queues = self.best[not buy], self.queues[not buy]
        limit = price if buy else -price
        while left and heap and heap[0] <= limit:
            queue = queues[heap[0]]
            while left and queue:
                maker = queue[0]
                traded = min(left, self.open[maker])
                if traded:
                    self.trades += 1
                    self.traded += traded
                    left -= traded
                    self.open[maker] -= traded
                    if not self.open[maker]:
                        self._forget(maker)
                        self.departed.append(maker)
                if not self.open[maker]:
                    queue.popleft()
            if not queue:
                del queues[heappop(heap)]
        return left

    def _leave(self, what, i):
        dice = self.dice
        among = self.departed if dice["gone"][i] and self.departed else self.alive
        number = among[int(dice["pick"][i] * len(among))]
        entry, price, left = self.entry[number], self.price[number], self.open[number]
        if what == SHRINK and left != 1:
            off = 1 + int(dice["cut"][i] * (left - 1)) if left else 0
            self.total[number] -= off
            self.open[number] -= off
            return SHRINK, entry, number, price, self.total[number], left - off
        if left:
            self.open[number] = 0
            self._forget(number)
        return PULL, entry, number, 0, 0, 0

    def _forget(self, number):
        place, last = self.place[number], self.alive.pop()
        if last != number:
            self.alive[place] = last
            self.place[last] = place
        self.place[number] = -1


def _records(dice, played, spread):
    what, entry, number, price, quantity, left, trades, traded = played
    enters = what <= TAKE
    commands = np.zeros(len(what), COMMAND)
    commands["kind"] = np.choose(what, (Kind.NEW, Kind.NEW, Kind.CANCEL, Kind.AMEND))
    commands["side"] = np.where(dice["buy"][entry], Side.BUY, Side.SELL)
    commands["order_type"] = np.where(enters, OrderType.LIMIT, 0)
    commands["tif"] = np.where(enters, np.where(dice["ioc"], TIF.IOC, TIF.GTC), 0)
    commands["account"] = dice["account"][entry]
    commands["order_id"] = spread(number.astype(np.uint64))
    commands["price"] = price
    commands["quantity"] = quantity
    commands["timestamp"] = dice["timestamp"]
    return Tape(commands, left, trades, traded)


def _spread(number):
    """A one-to-one map of 63-bit numbers: odd products and folded shifts, all undoable."""
    mask = np.uint64(2**63 - 1)
    for factor, shift in ((0xFF51AFD7ED558CCD, 33), (0xC4CEB9FE1A85EC53, 29)):
        number = (number * np.uint64(factor)) & mask
        number ^= number >> np.uint64(shift)
    return number
