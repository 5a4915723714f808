"""Short benchmarks of single calls: `pytest bench/test_calls.py`. A round is a thousand calls."""

import pricetime as pt
import pytest
from flows import MIDDLE, flow

CALLS = range(1_000)
ROUNDS = 20
FIRST = 1_000_000  # order ids of the calls, which the flow does not use


@pytest.fixture(scope="module")
def checkpoint():
    """A book of 20,000 orders."""
    book = pt.Book()
    book.process(flow("normal", 20_000, seed=1))
    return book.checkpoint()


@pytest.fixture
def rounds(benchmark, checkpoint):
    """Runs a function of a book ROUNDS times, each time on a fresh book, prepared off the clock."""

    def run(function, prepare=lambda book: None):
        def setup():
            book = pt.Book.restore(checkpoint)
            prepare(book)
            return (book,), {}

        benchmark.extra_info["calls"] = len(CALLS)
        benchmark.pedantic(function, setup=setup, rounds=ROUNDS, warmup_rounds=1)

    return run


def rest(book):
    for i in CALLS:
        book.limit(pt.Side.BUY, MIDDLE - 500 - i % 50, 50, account=1, order_id=FIRST + i)


def test_limit_that_rests(rounds):
    rounds(rest)


def test_cancel(rounds):
    rounds(lambda book: [book.cancel(FIRST + i, account=1) for i in CALLS], rest)


def test_amend_to_less(rounds):
    rounds(lambda book: [book.amend(FIRST + i, quantity=40) for i in CALLS], rest)


def test_amend_to_another_price(rounds):
    rounds(lambda book: [book.amend(FIRST + i, price=MIDDLE - 600) for i in CALLS], rest)


def test_replace(rounds):
    buy, price = pt.Side.BUY, MIDDLE - 600
    rounds(lambda book: [book.replace(FIRST + i, buy, price, 50) for i in CALLS], rest)


def test_market_that_trades(rounds):
    rounds(lambda book: [book.market(pt.Side.SELL, 1) for i in CALLS])


def test_market_with_its_trades_read(rounds):
    rounds(lambda book: [book.market(pt.Side.SELL, 1).trades for i in CALLS])


def test_best_prices(rounds):
    rounds(lambda book: [(book.best_bid, book.best_ask) for i in CALLS])


def test_ten_levels_of_each_side(rounds):
    rounds(lambda book: [(book.bids(10), book.asks(10)) for i in CALLS])


def test_order_by_id(rounds):
    rounds(lambda book: [book.order(FIRST + i) for i in CALLS], rest)
