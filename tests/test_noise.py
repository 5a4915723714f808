"""A little of noise.py on every run."""

import noise
import numpy as np
import pricetime as pt
import pytest
from model.blotter import play, scenarios
from model.pair import Pair


@pytest.mark.parametrize("first", range(0, 24, 4))
def test_noise(first):
    noise.main(["--seed", "5", "--first", str(first), "--rounds", "4"])


def test_tapes_as_the_twin():
    noise.main(["--seed", "5", "--rounds", "6", "--tapes", "--twin"])


def test_every_style_is_tried():
    numbers = [int(np.random.default_rng([5, n]).integers(len(noise.STYLES))) for n in range(24)]
    assert set(numbers) == set(range(len(noise.STYLES)))


def test_what_is_found_is_told_as_a_short_scenario(monkeypatch, capsys):
    def dislike_trades(pair):
        assert pair.book.trades == 0

    monkeypatch.setattr(Pair, "check", dislike_trades)
    with pytest.raises(AssertionError):
        noise.main(["--seed", "7", "--rounds", "1", "--tapes"])
    said = capsys.readouterr().out
    assert "again: python tests/noise.py --seed 7 --first 0 --rounds 1 --tapes" in said
    ((_, rows),) = scenarios(said[said.index("= Found") : said.index("again:")])
    _, _, events = play(rows, pt.Book)
    assert len(rows) <= 5
    assert pt.EventKind.TRADE in events["kind"]
