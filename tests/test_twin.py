"""The book and its naive twin say the same, byte for byte, about anything that they are told."""

import numpy as np
import pricetime as pt
import pytest
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
