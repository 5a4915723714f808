"""Short benchmarks of rarer orders: `pytest bench/test_kinds.py`. The build is not on the clock."""

import bursts
import mixes
import numpy as np
import pricetime as pt
import pytest
from lab import ROOM, drive

COMMANDS = 20_000
STOPS = 10_000
ROUNDS = 10
END = mixes.blank(1, kind=pt.Kind.UNCROSS, order_type=pt.Phase.CONTINUOUS)


def _run(benchmark, build, tape, **info):
    """Times a tape, each round on a fresh book that has taken the build."""
    out = np.zeros(ROOM, pt.EVENT)

    def setup():
        book = pt.Book()
        drive(book, build, out)
        return (book, tape, out), {}

    benchmark.extra_info.update(info)
    benchmark.pedantic(drive, setup=setup, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("name", mixes.MIXES)
def test_flow(benchmark, name):
    _run(benchmark, *mixes.MIXES[name](COMMANDS), commands=COMMANDS)


def test_indicative_price(benchmark):
    built, gathered = mixes.auction(COMMANDS)
    clock = mixes.blank(1, kind=pt.Kind.CLOCK)
    _run(benchmark, np.concatenate([built, gathered]), clock)


def test_uncross(benchmark):
    built, gathered = mixes.auction(COMMANDS)
    _run(benchmark, np.concatenate([built, gathered]), END)


@pytest.mark.parametrize("fired", [bursts.at_once, bursts.each_the_next])
def test_cascade_of_fixed_stops(benchmark, fired):
    build, trade, _ = fired(STOPS, False)
    _run(benchmark, build, trade, stops=STOPS)


@pytest.mark.parametrize("fired", [bursts.at_once, bursts.each_the_next])
def test_cascade_of_trailing_stops(benchmark, fired):
    build, trade, _ = fired(STOPS, True)
    _run(benchmark, build, trade, stops=STOPS)


def test_trades_while_trailing_stops_wait(benchmark):
    build, trades, count = bursts.rising(STOPS)
    _run(benchmark, build, trades, trades=count)
