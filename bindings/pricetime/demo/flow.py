"""A made-up exchange: an endless flow of commands that keeps its book in balance.

The flow hears what became of its commands (`learn`) before it makes the next ones (`make`), as
traders do: it cancels and amends what is alive, and it lets more in or takes more out until the
target number of orders rests. So it runs for hours without draining or filling the book. Dice are
thrown with numpy for a whole batch at once, from one seed; the same batch sizes give the same flow.

Orders gather around a reference price that wanders and is drawn back to the middle. Traders of all
sorts act: some a few ticks away and quick to leave, some far out and patient, some at round prices.
`terms` says what their orders ask for, `makers` quotes both sides, `schedule` has the phases.
"""

import numpy as np
from numpy.typing import NDArray

from pricetime.demo import terms
from pricetime.demo.dice import Shape
from pricetime.demo.makers import ARMS, MAKERS, QUOTE_IDS, QUOTES, Makers
from pricetime.demo.schedule import FIRST, Schedule
from pricetime.instrument import Instrument
from pricetime.records import COMMAND, TIF, EventKind, Kind, OrderState, OrderType, Side

__all__ = ["ACCOUNTS", "INSTRUMENT", "RESTING", "Flow"]

INSTRUMENT = Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001", min_price="0.01")
RESTING = 20_000  # orders: where the flow steers the book
SLACK = RESTING // 5  # orders off the target at which the flow steers as hard as it can
STEER = 0.3  # share of commands that change from entering to leaving, or back, at the most
START = 1_764_061_200_000_000_000  # ns: 09:00:00 UTC of a November day
MIDDLE = INSTRUMENT.ticks("27000")  # ticks: what the reference price is drawn back to
NUDGE = 50  # ticks that an amend moves a trigger, at the most
WANDER = 1.5  # ticks a command, of one standard deviation: some 50 % a year at 1.6 million a minute
RETURN = 50_000_000  # commands in which the pull would bring the reference price back
ACCOUNTS = 200
REACH = 400.0  # ticks that those who take go beyond the reference, at the most
QUANTITY_LOG, QUANTITY_SPREAD = 8.3, 1.3  # of a log-normal distribution of lots: median 0.04 BTC

# Plain numbers: numpy takes a microsecond and more to look at an enum.
BUY, SELL, LIMIT = int(Side.BUY), int(Side.SELL), int(OrderType.LIMIT)
GTC, IOC, AUCTION = int(TIF.GTC), int(TIF.IOC), int(TIF.AUCTION)
CHILD, CALL = 1, 2  # who sleeps: till its parent is filled; outside of auctions
RESTS, WAITS, SLEEPS = (
    int(value) for value in (OrderState.RESTING, OrderState.WAITING, OrderState.SLEEPING)
)
ACCEPTED, AMENDED, TRADE, CANCELLED, REPLACED, TRIGGERED = (
    int(EventKind[name])
    for name in ("ACCEPTED", "AMENDED", "TRADE", "CANCELLED", "REPLACED", "TRIGGERED")
)

# What a command is meant to do. The first three enter an order.
REST, TAKE, GUARD, PULL, CHANGE, MOVE, PURGE, QUOTE, ARM, CONTROL = range(10)
KINDS = np.array(
    (
        *(Kind.NEW, Kind.NEW, Kind.NEW, Kind.CANCEL, Kind.AMEND, Kind.REPLACE),
        *(Kind.MASS_CANCEL, Kind.QUOTE, Kind.ARM, Kind.CLOCK),
    ),
    np.uint8,
)
SHARES = (0.44, 0.08, 0.02, 0.28, 0.06, 0.05, 2e-5, QUOTES, ARMS)  # when the book is on its target
BRACKETS, PAIRS = 0.012, 0.005  # shares of those who rest that begin one
WHALE = ACCOUNTS + MAKERS + 1  # account whose orders are far too large
SHOCK = 800  # ticks that the reference jumps with an order that is far too large
SHOCK_LIMIT, SHOCK_LOTS = 5_000, INSTRUMENT.lots("20000")  # ticks beyond the reference; its size

AWAY = Shape((250.0, 2_500.0, 25_000.0), (0.55, 0.30, 0.15))  # ticks from the reference, mean
ROUND = Shape((1.0, 10.0, 50.0, 100.0), (0.45, 0.25, 0.2, 0.1))  # ticks: prices people like
WHOLE = Shape((1.0, 100.0, 1_000.0), (0.4, 0.3, 0.3))  # lots: quantities people like

ALIVE = np.dtype(
    [
        ("order_id", "u8"),
        ("price", "i8"),  # ticks
        ("quantity", "i8"),  # lots: the total
        ("trigger", "i8"),  # ticks; 0: none
        ("account", "u4"),
        ("side", "u1"),  # Side
        ("state", "u1"),  # OrderState
    ],
    align=True,
)
PLAIN = np.dtype((np.void, ALIVE.itemsize))  # the same bytes: numpy copies fields one by one
CHANGED = (("price", "price"), ("quantity", "quantity"), ("trigger", "detail"))  # of ALIVE, EVENT
BORN = (("order_id", "order_id"), ("account", "account"), ("side", "side"), *CHANGED)


class Flow:
    """Commands for one book, at so many a minute of the book's time."""

    def __init__(self, seed: int, per_minute: int):
        self._rng = np.random.default_rng(seed)
        self._per_minute = per_minute
        self._made = 0  # commands
        self._ids = 0  # order ids given out: 1, 2, 3 and so on
        self._reference = float(MIDDLE)  # ticks
        self._alive = np.zeros(0, ALIVE)  # by order_id; all but the quotes
        self._sleepy = np.zeros(0, np.uint8)  # CHILD or CALL, of each new id of the last commands
        self._makers = Makers(ACCOUNTS + 1, per_minute)
        self._schedule = Schedule(per_minute)
        self._schedule.session(self._rng, 0, 0, opening=FIRST)

    def session(self, count: int) -> None:
        """Lets the next commands be a session with its auctions; 0: one without an end."""
        self._schedule.session(self._rng, self._made, count)

    def make(self, count: int) -> NDArray[np.void]:
        """The next commands: an array of COMMAND."""
        rng, schedule = self._rng, self._schedule
        what = self._decide(count)
        controls = schedule.controls(self._made, count)
        shocks = schedule.disturbances(rng, self._made, count)
        what[shocks] = TAKE
        what[[control.number - self._made for control in controls]] = CONTROL
        brackets, pairs = self._families(what, shocks)
        commands = np.zeros(count, COMMAND)
        commands["kind"] = KINDS[what]
        commands["order_type"] = LIMIT
        commands["tif"] = GTC
        commands["side"] = np.where(rng.random(count) < 0.5, BUY, SELL)
        commands["account"] = 1 + (ACCOUNTS * rng.random(count) ** 2).astype(np.int64)
        commands["timestamp"] = self._timestamps(count)
        commands["quantity"] = self._quantities(count)
        new = self._terms(commands, what)
        reference = self._wander(count)
        held = ((what >= PULL) & (what <= MOVE)).nonzero()[0]
        orders = self._pick(reference[held])
        for name in ("order_id", "side", "account"):
            commands[name][held] = orders[name]
        commands["price"] = self._prices(commands["side"], what == TAKE, reference)
        self._change(commands, held[what[held] == CHANGE], orders[what[held] == CHANGE])
        self._number(commands, what)
        terms.measure(rng, commands, new)
        terms.guard(rng, commands, (what == GUARD).nonzero()[0], reference)
        terms.link_brackets(rng, commands, brackets, reference)
        terms.link_pairs(rng, commands, pairs, reference)
        self._mark(commands, brackets, new)
        quotes, arms = (what == QUOTE).nonzero()[0], (what == ARM).nonzero()[0]
        self._makers.act(rng, commands, quotes, arms, reference, self._made)
        purges = (what == PURGE).nonzero()[0]
        commands["side"][purges] = rng.integers(0, 3, len(purges))
        for control in controls:
            at = control.number - self._made
            commands["kind"][at], commands["order_type"][at] = control.kind, control.phase
        self._shock(commands, [at for at in shocks if what[at] == TAKE])
        self._made += count
        return commands

    def learn(self, events: NDArray[np.void]) -> None:
        """Hears what became of the last commands made, in order."""
        kind, ids = events["kind"].copy(), events["order_id"].copy()
        own = ids < QUOTE_IDS
        accepted = ((kind == ACCEPTED) & own).nonzero()[0]
        amended = ((kind == AMENDED) & own).nonzero()[0]
        trades = (kind == TRADE).nonzero()[0]
        left = (kind == CANCELLED) | (kind == REPLACED)
        gone = np.concatenate(
            (
                ids[left],
                ids[trades[events["remaining"][trades] == 0]],
                events["maker_id"][trades[events["maker_remaining"][trades] == 0]],
            )
        )
        born = np.zeros(len(accepted), ALIVE)
        for name, field in BORN:
            born[name] = events[field][accepted]
        born["state"] = self._state(born, self._schedule.auctions(events, accepted))
        alive = np.concatenate((self._alive.view(PLAIN), born.view(PLAIN))).view(ALIVE)
        order_ids = alive["order_id"].copy()
        at = np.searchsorted(order_ids, ids[amended])
        for name, field in CHANGED:
            alive[name][at] = events[field][amended]
        triggered = (kind == TRIGGERED).nonzero()[0]
        at = np.searchsorted(order_ids, ids[triggered])
        entered = (events["detail"][triggered] != 0) | (alive["trigger"][at] == 0)
        alive["state"][at] = np.where(entered, RESTS, WAITS)
        keep = np.ones(len(alive), np.bool_)
        keep[np.searchsorted(order_ids, gone[gone < QUOTE_IDS])] = False
        self._alive = alive.view(PLAIN)[keep].view(ALIVE)
        self._schedule.learn(events)

    @property
    def waiting(self) -> int:
        """How many orders wait for their trigger."""
        return int(np.count_nonzero(self._alive["state"] == WAITS))

    @property
    def sleeping(self) -> int:
        """How many orders sleep, until their parent is filled or the next auction begins."""
        return int(np.count_nonzero(self._alive["state"] == SLEEPS))

    def _state(self, born: NDArray[np.void], auction: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Where accepted orders are; in an auction those for auctions do not sleep."""
        first = np.uint64(self._ids + 1 - len(self._sleepy))
        sleepy = self._sleepy[(born["order_id"] - first).astype(np.int64)]
        asleep = (sleepy == CHILD) | ((sleepy == CALL) & ~auction)
        return np.where(asleep, SLEEPS, np.where(born["trigger"] > 0, WAITS, RESTS))

    def _decide(self, count: int) -> NDArray[np.int64]:
        """What each command is meant to do; the further off the target, the more it steers."""
        off = (RESTING - len(self._alive)) / SLACK
        shares = np.array(SHARES)
        shift = STEER * min(max(off, -1.0), 1.0)
        shares[REST] += shift
        shares[PULL] -= shift
        shares = np.maximum(shares, 0.0)
        if not len(self._alive):
            shares[PULL:PURGE] = 0.0
        edges = np.cumsum(shares / shares.sum())
        return np.searchsorted(edges[:-1], self._rng.random(count), side="right")

    def _families(
        self, what: NDArray[np.int64], taken: list[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where brackets and pairs begin; all their commands enter orders, whatever was meant."""
        dice = self._rng.random(len(what))
        free = what != CONTROL
        free[taken] = False
        starts = ((what == REST) & (dice < BRACKETS + PAIRS)).nonzero()[0]
        starts = starts[starts + terms.BRACKET <= len(what)]
        starts = starts[np.diff(starts, prepend=-terms.BRACKET) >= terms.BRACKET]
        starts = starts[free[starts] & free[starts + 1] & free[starts + 2]]
        bracket = dice[starts] < BRACKETS
        brackets, pairs = starts[bracket], starts[~bracket]
        for at in (brackets, brackets + 1, brackets + 2, pairs, pairs + 1):
            what[at] = REST
        return brackets, pairs

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
        buys = side == BUY
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
        """Amends: most take off quantity at the same price, the others get a new price.

        Of stops the trigger moves a little, and never the limit.
        """
        dice = self._rng.random((2, len(at)))
        waits = orders["trigger"] > 0
        stays = waits | (dice[0] < 0.7)
        less = (orders["quantity"] * dice[1]).astype(np.int64) + 1
        price, quantity = commands["price"][at], orders["quantity"]
        commands["price"][at] = np.where(stays, orders["price"], price)
        commands["quantity"][at] = np.where(stays, less, quantity)
        moved = np.maximum(orders["trigger"] + self._rng.integers(-NUDGE, NUDGE + 1, len(at)), 1)
        commands["trigger"][at] = np.where(waits, moved, 0)

    def _number(self, commands: NDArray[np.void], what: NDArray[np.int64]) -> None:
        """New orders get the next ids, in order."""
        new = (what <= GUARD) | (what == MOVE)
        ids = np.cumsum(new).astype(np.uint64) + np.uint64(self._ids)
        entered, moved = what <= GUARD, what == MOVE
        commands["order_id"][entered] = ids[entered]
        commands["slot"][moved] = ids[moved]
        self._ids += int(new.sum())
        self._sleepy = np.zeros(int(new.sum()), np.uint8)

    def _mark(
        self, commands: NDArray[np.void], brackets: NDArray[np.int64], new: NDArray[np.int64]
    ) -> None:
        """Notes who of the new orders may fall asleep."""
        first = np.uint64(self._ids + 1 - len(self._sleepy))
        calls = new[commands["tif"][new] == AUCTION]
        for at, mark in ((calls, CALL), (brackets + 1, CHILD), (brackets + 2, CHILD)):
            self._sleepy[(commands["order_id"][at] - first).astype(np.int64)] = mark

    def _terms(self, commands: NDArray[np.void], what: NDArray[np.int64]) -> NDArray[np.int64]:
        """Gives new orders their terms, as the phase allows; where those are."""
        rng, auction = self._rng, self._schedule.auction
        rests, takes = (what == REST).nonzero()[0], (what == TAKE).nonzero()[0]
        (terms.CALL_RESTS if auction else terms.RESTS).give(rng, commands, rests)
        (terms.CALL_TAKES if auction else terms.TAKES).give(rng, commands, takes)
        terms.GUARDS.give(rng, commands, (what == GUARD).nonzero()[0])
        terms.lean(rng, commands, rests)
        return np.concatenate((rests, takes))

    def _shock(self, commands: NDArray[np.void], at: list[int]) -> None:
        """Orders far too large, of the whale; where they came from, the price is another now."""
        for name, value in (("order_type", LIMIT), ("tif", IOC), ("account", WHALE)):
            commands[name][at] = value
        buys = commands["side"][at] == BUY
        away = np.where(buys, 1, -1)
        commands["flags"][at] = commands["slot"][at] = 0
        commands["price"][at] = int(self._reference) + away * SHOCK_LIMIT
        commands["quantity"][at] = SHOCK_LOTS
        self._reference += SHOCK * float(away.sum())
