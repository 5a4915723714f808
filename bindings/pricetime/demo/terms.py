"""What the orders of the flow ask for: by tables, and the figures that their terms bring along.

Some orders belong together and are made of commands in a row: a bracket is a parent and its two
children, which sleep until it is filled and are an OCO pair then; a pair is a limit order and the
stop that guards the same position.
"""

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.dice import Shape, Table, Terms
from pricetime.records import STP, TIF, Flag, OrderType, Side

__all__ = [
    "BRACKET",
    "CALL_RESTS",
    "CALL_TAKES",
    "GUARDS",
    "PAIR",
    "RESTS",
    "TAKES",
    "guard",
    "lean",
    "link_brackets",
    "link_pairs",
    "measure",
]

RESTS = Table(
    Terms(0.03, flags=Flag.POST_ONLY_SLIDE),
    Terms(0.22, flags=Flag.POST_ONLY),
    Terms(0.04, flags=Flag.ICEBERG),
    Terms(0.02, flags=Flag.HIDDEN),
    Terms(0.005, flags=Flag.ALL_OR_NONE),
    Terms(0.01, flags=Flag.MINIMUM),
    Terms(0.004, tif=TIF.AUCTION),
    Terms(0.03, tif=TIF.DAY),
    Terms(0.07, tif=TIF.GTD),
)
TAKES = Table(
    Terms(0.04, tif=TIF.FOK),
    Terms(0.04, OrderType.MARKET, TIF.FOK),
    Terms(0.15, OrderType.MARKET, TIF.IOC),
    Terms(0.03, OrderType.MARKET, TIF.IOC, Flag.QUOTE_QUANTITY),
    Terms(0.02, tif=TIF.IOC, flags=Flag.MINIMUM),
    Terms(0.47, tif=TIF.IOC),
    Terms(0.05, stp=STP.CANCEL_MAKER),
)
CALL_RESTS = Table(  # in an auction: what a continuous book alone knows is refused
    Terms(0.04, flags=Flag.ICEBERG),
    Terms(0.02, flags=Flag.HIDDEN),
    Terms(0.10, tif=TIF.AUCTION),
    Terms(0.03, tif=TIF.DAY),
    Terms(0.07, tif=TIF.GTD),
)
CALL_TAKES = Table(
    Terms(0.10, OrderType.MARKET, TIF.AUCTION),
    Terms(0.05, OrderType.MARKET),
    Terms(0.40, tif=TIF.AUCTION),
)
GUARDS = Table(
    Terms(0.35, OrderType.STOP),
    Terms(0.15, OrderType.STOP_LIMIT),
    Terms(0.15, OrderType.TAKE_PROFIT),
    Terms(0.05, OrderType.TAKE_PROFIT_LIMIT),
    Terms(0.22, OrderType.TRAILING_STOP),
    Terms(0.08, OrderType.TRAILING_STOP_LIMIT),
)
# Plain numbers: numpy takes a microsecond and more to look at an enum.
BUY, SELL, LIMIT, STOP = (int(v) for v in (Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP))
PROFITS, TRAILS = (
    int(OrderType.TAKE_PROFIT),
    int(OrderType.TRAILING_STOP),
)  # two types each, in order
GTC, GTD = int(TIF.GTC), int(TIF.GTD)
ICEBERG, MINIMUM, QUOTE_QUANTITY, OCO, ON_FILL = (
    int(Flag[name]) for name in ("ICEBERG", "MINIMUM", "QUOTE_QUANTITY", "OCO", "ON_FILL")
)

GUARD_LEAST, GUARD_MEAN = 150, 1_200  # ticks from the reference to a trigger, and beyond that
GUARD_ROUND = Shape((50.0, 250.0, 1_000.0), (0.3, 0.3, 0.4))  # ticks: where many fire at once
SLIP = 100  # ticks: how far behind its trigger a stop's limit is
ICEBERG_PEAKS = 10  # of the whole, at the most
ICEBERG_SELLS = 0.5  # share of the icebergs that are sellers' whatever else was drawn
LEAST = 4  # what MINIMUM asks for at once: a quarter
SPENDS = 10**9  # ticks times lots: amounts that QUOTE_QUANTITY orders are multiples of: 100 EUR

BRACKET, PAIR = 3, 2  # commands in a row
TOUCH = 60.0  # ticks from the reference to a parent, mean
PROFIT_LEAST, PROFIT_MEAN = 200, 400  # ticks from a parent to its children, and beyond that

Commands = NDArray[np.void]
Places = NDArray[np.int64]


def lean(rng: np.random.Generator, commands: Commands, rests: Places) -> None:
    """Makes most icebergs those of sellers."""
    icebergs = rests[commands["flags"][rests] == ICEBERG]
    commands["side"][icebergs[rng.random(len(icebergs)) < ICEBERG_SELLS]] = SELL


def measure(rng: np.random.Generator, commands: Commands, new: Places) -> None:
    """Gives new orders what their terms need: peaks, least quantities, amounts, expiries."""
    flags, quantity = commands["flags"][new], commands["quantity"]
    icebergs = new[flags == ICEBERG]
    commands["slot"][icebergs] = quantity[icebergs]
    quantity[icebergs] *= rng.integers(2, ICEBERG_PEAKS + 1, len(icebergs))
    least = new[flags == MINIMUM]
    commands["slot"][least] = quantity[least] // LEAST + 1
    spend = new[flags == QUOTE_QUANTITY]
    quantity[spend] = (quantity[spend] * commands["price"][spend] // SPENDS + 1) * SPENDS
    dated = new[commands["tif"][new] == GTD]
    seconds = commands["timestamp"][dated] // 10**9
    commands["expires"][dated] = seconds + rng.integers(1, 15, len(dated))


def guard(
    rng: np.random.Generator, commands: Commands, at: Places, reference: NDArray[np.float64]
) -> None:
    """Triggers of stops and take-profits, offsets of trailing stops, and what their limits are."""
    away = GUARD_LEAST + GUARD_MEAN * rng.standard_exponential(len(at))
    grid = GUARD_ROUND.draw(rng, len(at))
    kind = commands["order_type"][at]
    up = (commands["side"][at] == BUY) ^ ((kind >= PROFITS) & (kind < TRAILS))
    exact = np.where(up, reference[at] + away, reference[at] - away) / grid
    trigger = (np.where(up, np.ceil(exact), np.floor(exact)) * grid).astype(np.int64)
    trails = kind >= TRAILS
    trigger[trails] = away[trails]
    slip = np.where(commands["side"][at] == BUY, SLIP, -SLIP)
    commands["trigger"][at] = np.maximum(trigger, 1)
    commands["price"][at] = np.where(trails, SLIP, np.maximum(trigger + slip, 1))


def link_brackets(
    rng: np.random.Generator, commands: Commands, parents: Places, reference: NDArray[np.float64]
) -> None:
    """Makes brackets of the three commands from each of these places on."""
    count = len(parents)
    _plain(commands, parents, BRACKET)
    buys = commands["side"][parents] == BUY
    ahead = np.where(buys, 1, -1)
    near = reference[parents] - ahead * (1 + TOUCH * rng.standard_exponential(count))
    price = np.maximum(near, 1).astype(np.int64)
    away = PROFIT_LEAST + (PROFIT_MEAN * rng.standard_exponential((2, count))).astype(np.int64)
    commands["price"][parents] = price
    commands["price"][parents + 1] = np.maximum(price + ahead * away[0], 1)
    commands["order_type"][parents + 2] = STOP
    commands["trigger"][parents + 2] = np.maximum(price - ahead * away[1], 1)
    for child in (parents + 1, parents + 2):
        commands["side"][child] = np.where(buys, SELL, BUY)
        commands["flags"][child] = ON_FILL
        commands["slot"][child] = commands["order_id"][parents]


def link_pairs(
    rng: np.random.Generator, commands: Commands, firsts: Places, reference: NDArray[np.float64]
) -> None:
    """Makes OCO pairs of the two commands from each of these places on."""
    _plain(commands, firsts, PAIR)
    commands["side"][firsts + 1] = commands["side"][firsts]
    commands["order_type"][firsts + 1] = STOP
    guard(rng, commands, firsts + 1, reference)
    commands["flags"][firsts + 1] = OCO
    commands["slot"][firsts + 1] = commands["order_id"][firsts]


def _plain(commands: Commands, firsts: Places, count: int) -> None:
    """Takes the terms off so many commands in a row; account and quantity are the first one's."""
    for at in range(count):
        commands["order_type"][firsts + at] = LIMIT
        commands["tif"][firsts + at] = GTC
        for name in ("flags", "slot"):
            commands[name][firsts + at] = 0
        for name in ("account", "quantity"):
            commands[name][firsts + at] = commands[name][firsts]
