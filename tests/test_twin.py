"""The book and its naive twin say the same, byte for byte, about anything that they are told."""

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from model.blotter import record
from model.pair import Pair
from model.tapes import PROFILES, tape


def compare(commands, rng, **parameters):
    """Feeds both in random batches; the book's batches also through a buffer of random size."""
    pair = Pair(**parameters)
    begin = 0
    while begin < len(commands):
        part = commands[begin : begin + int(rng.integers(1, 60))]
        room = int(rng.integers(4, 40))
        pair.process(part, np.empty(room, pt.EVENT) if rng.random() < 0.5 else None)
        pair.check()
        begin += len(part)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_tape(profile, seed):
    rng = np.random.default_rng([seed, 1])
    compare(tape([seed, 0], profile, 600), rng)


@pytest.mark.parametrize("profile", PROFILES)
def test_tape_with_few_places(profile):
    rng = np.random.default_rng(2)
    compare(tape(3, profile, 600), rng, max_orders=int(rng.integers(1, 40)))


def test_more_orders_than_a_page_holds():
    """Far orders of many accounts fill pages; tapes trade beside them, and reach for some."""
    pair, count = Pair(orders_per_account=400), 5000
    every = np.arange(count)
    far = orders(count, 10**6, price=90 - every % 40, account=every % 300, quantity=1 + every % 7)
    far["side"][::2] = pt.Side.SELL
    far["price"][::2] += 60
    far["tif"][::3], far["tif"][1::9] = pt.TIF.GTD, pt.TIF.DAY
    far["expires"] = 1_700_000_000 + every % 50
    pair.process(far)
    for seed, profile in enumerate(("mixed", "amend", "taker", "selftrade", "limits")):
        commands = tape(seed, profile, 900)
        commands["kind"][commands["kind"] == pt.Kind.MASS_CANCEL] = pt.Kind.CANCEL
        reach = (np.arange(900) % 4 == 0) & np.isin(commands["kind"], (2, 3, 4))
        commands["order_id"][reach] = 10**6 + np.arange(900)[reach] * 37 % count
        for part in np.array_split(commands, 3):
            pair.process(part, np.empty(50, pt.EVENT))
        pair.check()
    assert len(pair.book) > 4096
    for kind, fields in (
        (pt.Kind.CLOCK, {"timestamp": 1_700_000_049 * 10**9}),
        (pt.Kind.PHASE, {"order_type": pt.Phase.CLOSED}),
        (pt.Kind.PHASE, {"order_type": pt.Phase.CONTINUOUS}),
        (pt.Kind.MASS_CANCEL, {"side": pt.Side.BUY}),
        (pt.Kind.MASS_CANCEL, {}),
    ):
        pair.process(record(kind, **fields), np.empty(7, pt.EVENT))
        pair.check()
    assert len(pair.book) == 0
