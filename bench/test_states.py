"""Short benchmarks of whole states: `pytest bench/test_states.py`. On a book of 100,000 orders."""

import pricetime as pt
import pytest
from flows import SHAPES, flow

ROUNDS = 5


@pytest.fixture(scope="module")
def book():
    """The book that the flow `deep` builds; nothing here changes it."""
    made = pt.Book()
    made.process(flow("deep", SHAPES["deep"].resting, seed=1, ids="sparse"))
    return made


def test_checkpoint(benchmark, book):
    benchmark.pedantic(book.checkpoint, rounds=ROUNDS, warmup_rounds=1)


def test_restore(benchmark, book):
    data = book.checkpoint()
    benchmark.pedantic(lambda: pt.Book.restore(data), rounds=ROUNDS, warmup_rounds=1)


def test_state_hash(benchmark, book):
    benchmark.pedantic(book.state_hash, rounds=ROUNDS, warmup_rounds=1)


def test_check(benchmark, book):
    benchmark.pedantic(book.check, rounds=ROUNDS, warmup_rounds=1)


def test_all_orders(benchmark, book):
    benchmark.pedantic(book.orders, rounds=ROUNDS, warmup_rounds=1)
