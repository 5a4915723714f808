"""Books of any depth and spread: a build of so many orders, then traffic that keeps the depth.

Everything about the n-th order follows from n, so that any stretch of a tape can be made alone and
in bulk, without a book at hand, however deep it is.

    shape = Shape(orders=10_000_000)
    shape.build(0, 1_000_000)       # the first million new orders, as pricetime.COMMAND
    shape.traffic(0, 500_000)       # what comes behind the build

Traffic goes in tens: four new orders anywhere in the book, each followed by the cancel of an older
one; then an order at the middle, the new best offer, and an immediate order that takes it away. So
one command in ten trades, and the best price moves there and back. Each generation of new orders
replaces the one before it, in an order of its own.
"""

from math import gcd
from typing import NamedTuple

import numpy as np
from pricetime.records import COMMAND, TIF, Kind, OrderType, Side

MIDDLE = 10_000_000  # ticks
START = 1_750_000_000_000_000_000  # ns
TENS = np.array([0, 1, 0, 1, 0, 1, 0, 1, 2, 3])  # new, cancel, ..., best offer, taker
GOLDEN = 0.6180339887498949


class Shape(NamedTuple):
    """What a book looks like."""

    orders: int  # that rest
    each: int = 5  # orders a price, on average
    gap: int = 1  # ticks between neighbouring prices; above 1 each is moved within its gap
    seed: int = 0  # books of different seeds have nothing in common

    def build(self, begin, end):
        """The new orders from number `begin` to below `end`."""
        return self._new(np.arange(begin, end, dtype=np.int64))

    def traffic(self, begin, end):
        """The commands behind the build, from `begin` to below `end`."""
        at = np.arange(begin, end, dtype=np.int64)
        what = TENS[at % 10]
        pair = at // 10 * 4 + at % 10 // 2
        generation, place = np.divmod(pair, self.orders)
        gone = (place * self._stride() + 7 * generation) % self.orders + generation * self.orders
        commands = self._new(np.where(what == 0, self.orders + pair, gone))
        cancel = what == 1
        for name, value in (("kind", Kind.CANCEL), ("order_type", 0), ("tif", 0)):
            commands[name][cancel] = value
        commands["price"][cancel] = commands["quantity"][cancel] = 0
        touch = what >= 2
        commands["side"][touch] = np.where(what == 3, Side.BUY, Side.SELL)[touch]
        commands["tif"][touch] = np.where(what == 3, TIF.IOC, TIF.GTC)[touch]
        commands["price"][touch], commands["quantity"][touch] = MIDDLE, 10
        commands["account"][touch] = what[touch]
        commands["order_id"][touch] = _mix((1 << 50) + self._base() + at[touch])
        commands["timestamp"] = START + self.orders + at
        return commands

    def _new(self, number):
        commands = np.zeros(len(number), COMMAND)
        dice = _mix((1 << 51) + self._base() + number)
        buy = (dice & np.uint64(1)).astype(bool)
        levels = max(1, self.orders // self.each // 2)
        level = ((dice >> np.uint64(1)) % np.uint64(levels)).astype(np.int64)
        away = (1 + level) * self.gap
        if self.gap > 1:
            away += (_mix(level + 1) % np.uint64(self.gap)).astype(np.int64)
        commands["kind"], commands["order_type"] = Kind.NEW, OrderType.LIMIT
        commands["tif"] = TIF.GTC
        commands["side"] = np.where(buy, Side.BUY, Side.SELL)
        commands["account"] = 2 * (10 + (dice >> np.uint64(40)) % np.uint64(5_000)) + buy
        commands["order_id"] = _mix(1 + self._base() + number)
        commands["price"] = MIDDLE + np.where(buy, -away, away)
        commands["quantity"] = 1 + (dice >> np.uint64(32)) % np.uint64(100)
        commands["timestamp"] = START + number
        return commands

    def _base(self):
        return self.seed << 32

    def _stride(self):
        """A step that visits all places of a generation, each far from the one before."""
        stride = max(1, int(self.orders * GOLDEN))
        while gcd(stride, self.orders) != 1:
            stride += 1
        return stride


def _mix(number):
    """A one-to-one map of 64-bit numbers onto what looks like chance (the finish of splitmix64)."""
    x = np.asarray(number).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
