"""The book and its naive twin say the same, byte for byte, about anything that they are told."""

import numpy as np
import pricetime as pt
import pytest
from model.audit import Audit
from model.tapes import PROFILES, tape
from model.twin import Twin

FIELDS = ("order_id", "side", "price", "quantity", "remaining", "account", "tif", "stp", "flags",
          "expires", "accepted", "priority")  # fmt: skip


def same_orders(book, twin):
    ours = [{name: int(row[name]) for name in FIELDS} for row in book.orders()]
    return ours == [{name: int(order[name]) for name in FIELDS} for order in twin.orders()]


def first_difference(ours, theirs, commands):
    """A readable account of the first event that differs, and the command behind it."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.tobytes() != b.tobytes():
            command = commands[int(a["command"]) - int(ours[0]["command"])]
            return f"event {i}\nbook {a}\ntwin {b}\ncommand {command}"
    return f"{len(ours)} events of the book, {len(theirs)} of the twin"


def compare(tape_, rng, **parameters):
    """Feeds both in random batches; the book's batches also through a buffer of random size."""
    book, twin, audit = pt.Book(**parameters), Twin(**parameters), Audit()
    begin = 0
    while begin < len(tape_):
        part = tape_[begin : begin + int(rng.integers(1, 60))]
        ours, theirs = process(book, part, rng), twin.process(part)
        assert ours.tobytes() == theirs.tobytes(), first_difference(ours, theirs, part)
        book.check()
        audit.feed(ours)
        assert same_orders(book, twin)
        assert (book.best_bid, book.best_ask) == (twin.best_bid, twin.best_ask)
        assert [tuple(map(int, row)) for row in book.bids()] == list(map(tuple, twin.bids()))
        assert [tuple(map(int, row)) for row in book.asks()] == list(map(tuple, twin.asks()))
        begin += len(part)
    return book, twin


def process(book, part, rng):
    """In one call, or through a small buffer, call after call."""
    if rng.random() < 0.5:
        return book.process(part)
    out = np.empty(int(rng.integers(4, 40)), pt.EVENT)
    parts, begin = [], book.commands
    while (done := book.commands - begin) < len(part) or book.pending:
        parts.append(book.process(part[done:], out=out).copy())
    return np.concatenate(parts)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_tape(profile, seed):
    rng = np.random.default_rng([seed, 1])
    compare(tape([seed, 0], profile, 600), rng)


@pytest.mark.parametrize("profile", PROFILES)
def test_tape_with_few_places(profile):
    rng = np.random.default_rng(2)
    compare(tape(3, profile, 600), rng, max_orders=int(rng.integers(1, 40)))
