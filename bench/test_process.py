"""Short benchmarks of batches: `pytest bench/test_process.py`.

Every round starts from a copy of a built book; making it, and the tape, is not on the clock.
"""

import numpy as np
import pricetime as pt
import pytest
from flows import SHAPES, flow
from lab import ROOM, drive

COMMANDS = 20_000
ROUNDS = 10


@pytest.fixture(scope="module", params=["normal", "deep", "sweep"])
def tape(request):
    """A book that the flow has built, and the commands that come then."""
    build = SHAPES[request.param].resting
    commands = flow(request.param, build + COMMANDS, seed=1, ids="sparse")
    book = pt.Book()
    book.process(commands[:build])
    return book.checkpoint(), commands[build:]


def _fresh(checkpoint, commands):
    return (pt.Book.restore(checkpoint), commands, np.zeros(ROOM, pt.EVENT))


@pytest.mark.parametrize("batch", [16, 2_048])
def test_batches(benchmark, tape, batch):
    benchmark.extra_info["commands"] = COMMANDS
    benchmark.pedantic(
        lambda book, commands, out: drive(book, commands, out, batch),
        setup=lambda: (_fresh(*tape), {}),
        rounds=ROUNDS,
        warmup_rounds=1,
    )


def test_one_command_a_call(benchmark, tape):
    checkpoint, commands = tape
    parts = [commands[i : i + 1] for i in range(2_000)]

    def run(book, parts, out):
        for part in parts:
            book.process(part, out=out)

    benchmark.extra_info["commands"] = len(parts)
    benchmark.pedantic(
        run, setup=lambda: (_fresh(checkpoint, parts), {}), rounds=ROUNDS, warmup_rounds=1
    )


def test_answer_in_a_new_array(benchmark, tape):
    benchmark.extra_info["commands"] = COMMANDS
    benchmark.pedantic(
        lambda book, commands, _: book.process(commands),
        setup=lambda: (_fresh(*tape), {}),
        rounds=ROUNDS,
        warmup_rounds=1,
    )


def test_filling_an_empty_book(benchmark):
    commands = flow("normal", COMMANDS, seed=1, ids="sparse")
    benchmark.extra_info["commands"] = COMMANDS
    benchmark.pedantic(
        drive,
        setup=lambda: ((pt.Book(), commands, np.zeros(ROOM, pt.EVENT)), {}),
        rounds=ROUNDS,
        warmup_rounds=1,
    )
