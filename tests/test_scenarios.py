"""The scenarios of scenarios/*.txt, told to the book and to its naive twin."""

from pathlib import Path

import numpy as np
import pricetime as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.blotter import blotter, command, play, scenarios, written
from model.tapes import PROFILES, tape
from model.twin import Twin
from pricetime.records import COMMAND

FILES = sorted(Path(__file__).with_name("scenarios").glob("*.txt"))
CASES = [
    pytest.param(rows, id=f"{file.stem}:{rows[0][0]} {title}")
    for file in FILES
    for title, rows in scenarios(file.read_text("utf-8"))
]


@pytest.mark.parametrize("rows", CASES)
@pytest.mark.parametrize("make", [pt.Book, Twin])
def test_scenario(make, rows):
    parameters, commands, events = play(rows, make)
    assert make(**parameters).process(commands).tobytes() == events.tobytes()


def test_there_are_scenarios():
    assert len(FILES) == 32
    titles = [title for file in FILES for title, _ in scenarios(file.read_text("utf-8"))]
    assert len(titles) == len(set(titles)) > 650


@given(st.integers(0, 2**32), st.sampled_from(list(PROFILES)))
def test_what_is_written_can_be_read(seed, profile):
    for row in tape(seed, profile, 40):
        assert command(written(row)).tobytes() == row.tobytes(), written(row)


@given(st.binary(min_size=64, max_size=64), st.integers(0, 12))
def test_any_record_can_be_written(noise, kind):
    row = np.frombuffer(noise, COMMAND)[0].copy()
    row["kind"] = kind
    assert command(written(row)).tobytes() == row.tobytes(), written(row)


def test_what_a_tape_causes_can_be_played_again():
    commands = tape(5, "mixed", 300)
    text = "= A tape\n" + blotter(commands, Twin, max_orders=9)
    ((_, rows),) = scenarios(text)
    parameters, again, _ = play(rows, pt.Book)
    assert parameters == {"max_orders": 9}
    assert again.tobytes() == commands.tobytes()
