"""A little of noise.py on every run."""

import noise
import pytest


@pytest.mark.parametrize("first", range(0, 24, 4))
def test_noise(first):
    noise.main(["--seed", "5", "--first", str(first), "--rounds", "4"])


def test_every_style_is_tried():
    import numpy as np

    numbers = [int(np.random.default_rng([5, n]).integers(len(noise.STYLES))) for n in range(24)]
    assert set(numbers) == set(range(len(noise.STYLES)))
