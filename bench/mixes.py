"""Seeded flows of what `flows.py` leaves out: stops, quotes, icebergs, and an auction.

    from mixes import MIXES
    built, tape = MIXES["stops"](1_000_000, seed=1)     # two arrays of pricetime.COMMAND

`built` makes the book and is not on the clock; `tape` is what is measured.

- stops: of the new orders 30 % are stops, stop limits, take-profits, their limits, trailing stops
  and trailing stop limits, five ticks from the price on average, and the price keeps moving
- makers: fifty accounts quote both sides and do so again and again: three commands in four are
  QUOTEs, every third of those with the same prices; one in four is a taker through some quotes
- icebergs: the flow `sweep`, but 30 % of what rests shows a peak of 5 to 20 % of its quantity
- auction: orders gather in AUCTION: limits around one price, market orders, icebergs, hidden ones,
  cancels; the uncross is not in the tape

Takers and those whom they meet never share an account. All dice are thrown in bulk.
"""

from collections import deque
from heapq import heappop, heappush

import numpy as np
from flows import MIDDLE, SHAPES, START, TAKE, _Play, _records, _throw
from pricetime.records import COMMAND, TIF, Flag, Kind, OrderType, Phase, Side

KINDS = np.array(  # of stops
    [
        *(OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT),
        *(OrderType.TAKE_PROFIT_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT),
    ]
)
TRAILING = OrderType.TRAILING_STOP  # from here on: `trigger` is an offset
MAKERS = 50


def blank(count, **fields):
    """So many commands with these fields, a column or one value each; a tick of time apart."""
    commands = np.zeros(count, COMMAND)
    commands["timestamp"] = START + 400 * np.arange(count)
    for name, value in fields.items():
        commands[name] = value
    return commands


def limits(count, **fields):
    """New limit orders, good till cancelled unless told."""
    plain = {"kind": Kind.NEW, "order_type": OrderType.LIMIT, "tif": TIF.GTC}
    return blank(count, **plain | fields)


def _rng(name, seed):
    return np.random.default_rng([seed, *name.encode()])


def _size(rng, count, mean):
    return 1 + (rng.standard_exponential(count) * mean).astype(np.int64)


def _sides(buy):
    return np.where(buy, Side.BUY, Side.SELL)


# ------------------------------------------------------------------------------- stops


STOPS_BUILD = 20_000
STOPS_ALIVE = 2_000  # no cancels while fewer are thought to live; about seven times as many do
STOPS_MIX = (0.38, 0.11, 0.21, 0.30)  # resting limits, takers, stops of all kinds, cancels
REACH = 4  # ticks that a taker reaches beyond the price


def stops(count, seed=1):
    """Orders wait for prices that keep coming; a sixth each is of the six kinds."""
    rng, total = _rng("stops", seed), STOPS_BUILD + count
    building = np.arange(total) < STOPS_BUILD
    what = rng.choice(4, total, p=STOPS_MIX)
    what[building] = 0
    buy = rng.random(total) < 0.5
    steps = np.where(rng.random(total) < 0.1, rng.choice((-1, 1), total), 0)
    reference = MIDDLE + np.cumsum(np.where(building, 0, steps))
    out = np.where(buy, 1, -1)  # ticks away from where an order of this side rests
    away = 1 + (rng.standard_exponential(total) * 12.0).astype(np.int64)
    kind = KINDS[rng.integers(0, 6, total)]
    trailing = kind >= TRAILING
    met_rising = buy == np.isin(kind, (OrderType.STOP, OrderType.STOP_LIMIT))
    near = 1 + (rng.standard_exponential(total) * 5.0).astype(np.int64)
    trigger = np.where(trailing, near, reference + np.where(met_rising, near, -near))
    slack = rng.integers(0, 10, total)  # of a limit beyond its trigger; of a trailing one, distance
    commands = limits(
        total,
        side=_sides(buy),
        account=rng.integers(1, 5_000, total) * 2 + buy,
        order_id=1 + np.arange(total),
        price=reference - out * away,
        quantity=_size(rng, total, 20.0),
    )
    taking, waiting = what == 1, what == 2
    commands["price"][taking] = (reference + REACH * out)[taking]
    commands["quantity"][taking] = _size(rng, total, 25.0)[taking]
    commands["tif"][taking] = TIF.IOC
    commands["quantity"][waiting] = _size(rng, total, 10.0)[waiting]
    commands["order_type"][waiting] = kind[waiting]
    commands["trigger"][waiting] = trigger[waiting]
    price = np.where(trailing, slack, trigger + out * slack)
    commands["price"][waiting] = price[waiting]
    _cancel_what_lives(commands, what, reference, rng)
    return commands[:STOPS_BUILD], commands[STOPS_BUILD:]


def _cancel_what_lives(commands, what, reference, rng):
    """Makes each command that is to be a cancel one of an order that is likely to live.

    That is one whose price, or trigger, `reference` has not come to. Trailing stops are left
    to fire. Where few live, the command stays a resting order.
    """
    heaps, alive = ([], []), []  # what a rising and a falling price ends; numbers to choose from
    place = [-1] * len(commands)  # where a number stands among those
    pick = rng.random(len(commands)).tolist()
    columns = (commands[name].tolist() for name in ("price", "order_type", "trigger"))
    rows = zip(what.tolist(), reference.tolist(), *columns, strict=True)
    for number, (doing, at, price, kind, trigger) in enumerate(rows):
        for heap, key in zip(heaps, (at, -at), strict=True):
            while heap and heap[0][0] <= key:
                _forget(alive, place, heappop(heap)[1])
        if doing == 3 and len(alive) > STOPS_ALIVE:
            chosen = alive[int(pick[number] * len(alive))]
            _forget(alive, place, chosen)
            commands["kind"][number] = Kind.CANCEL
            commands["order_id"][number] = chosen + 1
            commands["account"][number] = commands["account"][chosen]
        elif doing != 1 and (doing != 2 or kind < TRAILING):
            end = trigger if doing == 2 else price
            rises = end > at
            heappush(heaps[not rises], (end if rises else -end, number))
            place[number] = len(alive)
            alive.append(number)


def _forget(alive, place, number):
    """Takes a number out of those that live, if it is among them."""
    at = place[number]
    if at >= 0:
        last = alive.pop()
        if last != number:
            alive[at] = last
            place[last] = at
        place[number] = -1


# ------------------------------------------------------------------------------- makers


def makers(count, seed=1):
    """Fifty market makers quote around a moving price; ids of a maker's sides never change."""
    rng, total = _rng("makers", seed), MAKERS + count
    taking = (rng.random(total) < 0.25) & (np.arange(total) >= MAKERS)
    maker = np.where(np.arange(total) < MAKERS, np.arange(total), rng.integers(0, MAKERS, total))
    steps = np.where(rng.random(total) < 0.005, rng.choice((-1, 1), total), 0)
    reference = MIDDLE + np.cumsum(steps)
    _hold(reference, maker, taking, rng.random(total) < 0.33)
    half = 3 + maker % 8  # ticks from the middle to either side
    commands = blank(
        total,
        kind=Kind.QUOTE,
        account=2 * (1 + maker),
        order_id=1 + 2 * maker,
        price=reference - half,
        quantity=_size(rng, total, 50.0),
        trigger=reference + half,
        slot=_size(rng, total, 50.0),
    )
    buy = rng.random(total) < 0.5
    taker = limits(
        total,
        side=_sides(buy),
        tif=TIF.IOC,
        account=rng.integers(1, 5_000, total) * 2 + 1,
        order_id=1_000 + np.arange(total),
        price=reference + np.where(buy, 1, -1) * rng.integers(4, 12, total),
        quantity=_size(rng, total, 150.0),
    )
    commands[taking] = taker[taking]
    return commands[:MAKERS], commands[MAKERS:]


def _hold(reference, maker, taking, again):
    """Gives each quote that is to come `again` the price of its maker's quote before, in place."""
    last = {}
    for i, (who, takes, same) in enumerate(
        zip(maker.tolist(), taking.tolist(), again.tolist(), strict=True)
    ):
        if not takes:
            if same and who in last:
                reference[i] = last[who]
            last[who] = reference[i]


# ------------------------------------------------------------------------------- icebergs


class _Slices(_Play):
    """The small book of `flows.py`, with peaks: a slice that is used up is followed at the back."""

    def __init__(self, shape, dice):
        super().__init__(shape, dice)
        self.peak, self.slice = [0], {}  # peaks by command; what an iceberg displays, by number

    def _match(self, buy, price, left):
        heap, queues = self.best[not buy], self.queues[not buy]
        limit = price if buy else -price
        while left and heap and heap[0] <= limit:
            queue = queues[heap[0]]
            while left and queue:
                left = self._meet(queue, left)
            if not queue:
                del queues[heappop(heap)]
        return left

    def _meet(self, queue, left):
        maker = queue[0]
        peak = self.peak[self.entry[maker]]
        shown = self.slice.setdefault(maker, peak) if peak else self.open[maker]
        traded = min(left, shown, self.open[maker])
        if traded:
            self.trades += 1
            self.traded += traded
            self.open[maker] -= traded
            if not self.open[maker]:
                self._forget(maker)
                self.departed.append(maker)
        if not self.open[maker]:
            queue.popleft()
            self.slice.pop(maker, None)
        elif peak and traded == shown:
            self.slice[maker] = min(peak, self.open[maker])
            queue.rotate(-1)
        elif peak:
            self.slice[maker] = shown - traded
        return left - traded


def icebergs_tape(count, seed=1):
    """The flow `icebergs` with its build, as a `flows.Tape`: it knows its trades."""
    shape = SHAPES["sweep"]._replace(mix=(0.80, 0.05, 0.15, 0.0))
    rng = _rng("icebergs", seed)
    dice = _throw(shape, shape.resting + count, rng, True)
    quantity = dice["quantity"]
    peak = 1 + (quantity * rng.uniform(0.05, 0.20, len(quantity))).astype(np.int64)
    peak[(rng.random(len(quantity)) >= 0.3) | (dice["what"] == TAKE) | (quantity < 2)] = 0
    play = _Slices(shape, dice)
    play.peak = peak.tolist()
    played = play.run()
    tape = _records(dice, played, lambda number: number)
    entry, commands = played[1], tape.commands
    sliced = (commands["kind"] == Kind.NEW) & (peak[entry] > 0)
    commands["flags"][sliced] = Flag.ICEBERG
    commands["slot"][sliced] = peak[entry][sliced]
    return tape


def icebergs(count, seed=1):
    """Takers sweep through icebergs."""
    commands, build = icebergs_tape(count, seed).commands, SHAPES["sweep"].resting
    return commands[:build], commands[build:]


# ------------------------------------------------------------------------------- auction


def auction(count, seed=1):
    """Orders gather around one price, on some thousand prices; about half of the lots meet."""
    rng = _rng("auction", seed)
    buy = rng.random(count) < 0.5
    dice = rng.random(count)
    commands = limits(
        count,
        side=_sides(buy),
        account=1 + rng.integers(0, 10_000, count),
        order_id=1 + np.arange(count),
        price=MIDDLE + (rng.standard_normal(count) * 1_000.0).astype(np.int64),
        quantity=_size(rng, count, 50.0),
    )
    commands["order_type"][dice < 0.02] = OrderType.MARKET
    commands["price"][dice < 0.02] = 0
    sliced = (dice >= 0.02) & (dice < 0.07)
    commands["flags"][sliced] = Flag.ICEBERG
    commands["slot"][sliced] = 1 + commands["quantity"][sliced] // 10
    commands["flags"][(dice >= 0.07) & (dice < 0.10)] = Flag.HIDDEN
    commands["tif"][(dice >= 0.10) & (dice < 0.15)] = TIF.AUCTION
    _cancel_earlier(commands, np.flatnonzero(dice >= 0.90), rng)
    return blank(1, kind=Kind.PHASE, order_type=Phase.AUCTION), commands


def _cancel_earlier(commands, cancels, rng):
    """Makes these commands cancels of earlier orders, each of another one."""
    entered = deque(rng.permutation(np.setdiff1d(np.arange(len(commands)), cancels)).tolist())
    early = []  # drawn, but not entered yet
    for number in cancels.tolist():
        chosen = None
        while entered and chosen is None:
            drawn = entered.popleft()
            if drawn < number:
                chosen = drawn
            else:
                early.append(drawn)
        if chosen is None:
            continue
        entered.extend(early)
        early.clear()
        commands[number] = blank(
            1,
            kind=Kind.CANCEL,
            order_id=commands["order_id"][chosen],
            account=commands["account"][chosen],
            timestamp=commands["timestamp"][number],
        )[0]


MIXES = {"stops": stops, "makers": makers, "icebergs": icebergs, "auction": auction}
