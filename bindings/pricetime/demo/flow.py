"""A made-up exchange: an endless flow of commands that keeps its book in balance.

The flow hears what became of its commands (`learn`) before it makes the next ones (`make`), as
traders do: it cancels and amends what is alive, and it lets more in or takes more out until the
target number of orders rests. So it runs for hours without draining or filling the book. Dice are
thrown with numpy for a whole batch at once, from one seed; the same batch sizes give the same flow.

Orders gather around a reference price that wanders and is drawn back to the middle. Traders of all
sorts act: some a few ticks away and quick to leave, some far out and patient, some at round prices.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricetime.instrument import Instrument
from pricetime.records import COMMAND, STP, TIF, EventKind, Flag, Kind, OrderType, Side

__all__ = ["ACCOUNTS", "INSTRUMENT", "RESTING", "Flow"]

INSTRUMENT = Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001", min_price="0.01")
RESTING = 20_000  # orders: where the flow steers the book
SLACK = RESTING // 5  # orders off the target at which the flow steers as hard as it can
STEER = 0.3  # share of commands that change from entering to leaving, or back, at the most
START = 1_764_061_200_000_000_000  # ns: 09:00:00 UTC of a November day
MIDDLE = INSTRUMENT.ticks("27000")  # ticks: what the reference price is drawn back to
WANDER = 1.5  # ticks a command, of one standard deviation: some 50 % a year at 1.6 million a minute
RETURN = 50_000_000  # commands in which the pull would bring the reference price back
ACCOUNTS = 200
REACH = 400.0  # ticks that those who take go beyond the reference, at the most
QUANTITY_LOG, QUANTITY_SPREAD = 8.3, 1.3  # of a log-normal distribution of lots: median 0.04 BTC

REST, TAKE, PULL, CHANGE, MOVE, PURGE = range(6)  # what a command is meant to do
KINDS = (Kind.NEW, Kind.NEW, Kind.CANCEL, Kind.AMEND, Kind.REPLACE, Kind.MASS_CANCEL)
SHARES = (0.52, 0.09, 0.28, 0.06, 0.05, 2e-5)  # of all commands, when the book is on its target


class Shape(NamedTuple):
    """A choice of values with its chances."""

    values: tuple[float, ...]
    chances: tuple[float, ...]

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """So many of the values."""
        at = np.searchsorted(np.cumsum(self.chances[:-1]), rng.random(count), side="right")
        return np.array(self.values, np.float64)[at]


AWAY = Shape((250.0, 2_500.0, 25_000.0), (0.55, 0.30, 0.15))  # ticks from the reference, mean
ROUND = Shape((1.0, 10.0, 50.0, 100.0), (0.45, 0.25, 0.2, 0.1))  # ticks: prices people like
WHOLE = Shape((1.0, 100.0, 1_000.0), (0.4, 0.3, 0.3))  # lots: quantities people like

ALIVE = np.dtype(
    [
        ("order_id", "u8"),
        ("price", "i8"),  # ticks
        ("quantity", "i8"),  # lots: the total
        ("account", "u4"),
        ("side", "u1"),  # Side
    ],
    align=True,
)
PLAIN = np.dtype((np.void, ALIVE.itemsize))  # the same bytes: numpy copies fields one by one


class Flow:
    """Commands for one book, at so many a minute of the book's time."""

    def __init__(self, seed: int, per_minute: int):
        self._rng = np.random.default_rng(seed)
        self._per_minute = per_minute
        self._made = 0  # commands
        self._ids = 0  # order ids given out: 1, 2, 3 and so on
        self._reference = float(MIDDLE)  # ticks
        self._alive = np.zeros(0, ALIVE)  # by order_id

    def make(self, count: int) -> NDArray[np.void]:
        """The next commands: an array of COMMAND."""
        rng = self._rng
        what = self._decide(count)
        commands = np.zeros(count, COMMAND)
        commands["kind"] = np.array(KINDS, np.uint8)[what]
        commands["order_type"] = OrderType.LIMIT
        commands["tif"] = TIF.GTC
        commands["side"] = np.where(rng.random(count) < 0.5, Side.BUY, Side.SELL)
        commands["account"] = 1 + (ACCOUNTS * rng.random(count) ** 2).astype(np.int64)
        commands["timestamp"] = self._timestamps(count)
        commands["quantity"] = self._quantities(count)
        reference = self._wander(count)
        held = np.flatnonzero((what >= PULL) & (what <= MOVE))
        orders = self._pick(reference[held])
        for name in ("order_id", "side", "account"):
            commands[name][held] = orders[name]
        commands["price"] = self._prices(commands["side"], what == TAKE, reference)
        self._change(commands, held[what[held] == CHANGE], orders[what[held] == CHANGE])
        self._number(commands, what)
        self._terms(commands, what)
        purges = np.flatnonzero(what == PURGE)
        commands["side"][purges] = rng.integers(0, 3, len(purges))
        self._made += count
        return commands

    def learn(self, events: NDArray[np.void]) -> None:
        """Hears what became of the commands made so far, in order."""
        kind, ids = events["kind"], events["order_id"]
        accepted = np.flatnonzero(kind == EventKind.ACCEPTED)
        amended = np.flatnonzero(kind == EventKind.AMENDED)
        trades = np.flatnonzero(kind == EventKind.TRADE)
        left = (kind == EventKind.CANCELLED) | (kind == EventKind.REPLACED)
        gone = (
            ids[left],
            ids[trades[events["remaining"][trades] == 0]],
            events["maker_id"][trades[events["maker_remaining"][trades] == 0]],
        )
        born = np.zeros(len(accepted), ALIVE)
        for name in ALIVE.names or ():
            born[name] = events[name][accepted]
        alive = np.concatenate((self._alive.view(PLAIN), born.view(PLAIN))).view(ALIVE)
        at = np.searchsorted(alive["order_id"], ids[amended])
        alive["price"][at] = events["price"][amended]
        alive["quantity"][at] = events["quantity"][amended]
        keep = np.ones(len(alive), np.bool_)
        keep[np.searchsorted(alive["order_id"], np.concatenate(gone))] = False
        self._alive = alive.view(PLAIN)[keep].view(ALIVE)

    def _decide(self, count: int) -> NDArray[np.int64]:
        """What each command is meant to do; the further off the target, the more it steers."""
        off = (RESTING - len(self._alive)) / SLACK
        shares = np.array(SHARES)
        shift = STEER * min(max(off, -1.0), 1.0)
        shares[REST] += shift
        shares[PULL] -= shift
        shares = np.maximum(shares, 0.0)
        if not len(self._alive):
            shares[PULL:] = 0.0
        edges = np.cumsum(shares / shares.sum())
        return np.searchsorted(edges[:-1], self._rng.random(count), side="right")

    def _timestamps(self, count: int) -> NDArray[np.int64]:
        """Evenly spaced; whole numbers all the way, for a flow of any length."""
        base = self._made * 60 * 10**9
        first = base // self._per_minute
        offsets = (np.arange(count) * (60 * 10**9) + base % self._per_minute) // self._per_minute
        return START + first + offsets

    def _wander(self, count: int) -> NDArray[np.float64]:
        """The reference price at each command."""
        steps = WANDER * self._rng.standard_normal(count)
        steps -= (self._reference - MIDDLE) / RETURN
        path = self._reference + np.cumsum(steps)
        self._reference = float(path[-1]) if count else self._reference
        return path

    def _pick(self, reference: NDArray[np.float64]) -> NDArray[np.void]:
        """Live orders to cancel or change: of two at random, the one nearer to the reference."""
        alive, count = self._alive, len(reference)
        first, second = self._rng.integers(0, max(len(alive), 1), (2, count))
        if not count:
            return alive[:0]
        away = np.abs(alive["price"][[first, second]] - reference)
        nearer: NDArray[np.void] = alive[np.where(away[0] <= away[1], first, second)]
        return nearer

    def _prices(
        self, side: NDArray[np.uint8], takes: NDArray[np.bool_], reference: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Away from the reference for those who rest, beyond it for those who take."""
        rng, count = self._rng, len(side)
        away = AWAY.draw(rng, count) * rng.standard_exponential(count)
        away = np.where(takes, -REACH * rng.random(count), 1.0 + away)
        grid = np.where(takes, 1.0, ROUND.draw(rng, count))
        buys = side == Side.BUY
        exact = np.where(buys, reference - away, reference + away) / grid
        rounded = np.where(buys, np.floor(exact), np.ceil(exact)) * grid
        prices: NDArray[np.int64] = np.maximum(rounded, 1.0).astype(np.int64)
        return prices

    def _quantities(self, count: int) -> NDArray[np.int64]:
        rng = self._rng
        whole = WHOLE.draw(rng, count)
        lots = np.exp(rng.normal(QUANTITY_LOG, QUANTITY_SPREAD, count))
        return (np.ceil(lots / whole) * whole).astype(np.int64)

    def _change(
        self, commands: NDArray[np.void], at: NDArray[np.int64], orders: NDArray[np.void]
    ) -> None:
        """Amends: most take off quantity at the same price, the others get a new price."""
        dice = self._rng.random((2, len(at)))
        stays = dice[0] < 0.7
        less = (orders["quantity"] * dice[1]).astype(np.int64) + 1
        price, quantity = commands["price"][at], orders["quantity"]
        commands["price"][at] = np.where(stays, orders["price"], price)
        commands["quantity"][at] = np.where(stays, less, quantity)

    def _number(self, commands: NDArray[np.void], what: NDArray[np.int64]) -> None:
        """New orders get the next ids, in order."""
        new = (what <= TAKE) | (what == MOVE)
        ids = np.cumsum(new).astype(np.uint64) + np.uint64(self._ids)
        entered, moved = what <= TAKE, what == MOVE
        commands["order_id"][entered] = ids[entered]
        commands["slot"][moved] = ids[moved]
        self._ids += int(new.sum())

    def _terms(self, commands: NDArray[np.void], what: NDArray[np.int64]) -> None:
        """Time in force, post-only flags, market orders, self-trade prevention."""
        dice = self._rng.random(len(commands))
        rests, takes = what == REST, what == TAKE
        commands["flags"][rests & (dice < 0.25)] = Flag.POST_ONLY
        commands["flags"][rests & (dice < 0.03)] = Flag.POST_ONLY_SLIDE
        dated = rests & (dice > 0.93)
        commands["tif"][dated] = TIF.GTD
        seconds = commands["timestamp"][dated] // 10**9
        commands["expires"][dated] = seconds + self._rng.integers(1, 15, len(seconds))
        commands["tif"][rests & (dice > 0.9) & ~dated] = TIF.DAY
        commands["tif"][takes & (dice < 0.75)] = TIF.IOC
        commands["tif"][takes & (dice < 0.08)] = TIF.FOK
        commands["order_type"][takes & (dice < 0.25) & (dice > 0.04)] = OrderType.MARKET
        commands["stp"][takes & (dice > 0.95)] = STP.CANCEL_MAKER
