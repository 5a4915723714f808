"""5,000 histories in which everything goes wrong, and the product broken in every way we know.

All of them run in two processes, once for all tests here: 3,000 histories of venues over a disk
that lies, 2,000 of runners over a broker, and as many of each sabotage as it takes to notice it.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import pytest
from simulation.faults import Faults
from simulation.run import WORLDS, Chunk, missing, noticed, repeat, run_chunk, run_jobs, seeds
from simulation.sabotage import SABOTAGES

HISTORIES = 5000
JOBS = 2


class Ran(NamedTuple):
    """What came of it all."""

    chunks: list[Chunk]
    noticed: list[tuple[int, str]]


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    plan = seeds(list(WORLDS), dict.fromkeys(WORLDS, 0), HISTORIES)
    chunks = list(run_jobs(plan, JOBS))
    with ProcessPoolExecutor(JOBS, get_context("spawn")) as pool:
        yield Ran(chunks, list(pool.map(noticed, range(len(SABOTAGES)))))


@pytest.mark.parametrize("world", WORLDS)
def test_every_promise_is_kept(ran, world):
    failed = [
        f"{repeat(world, seed)}\n    {error}"
        for chunk in ran.chunks
        if chunk.world == world
        for seed, error in chunk.failures
    ]
    assert not failed, "\n".join(failed[:10])


@pytest.mark.parametrize("world", WORLDS)
def test_every_fault_has_happened(ran, world):
    faults = Faults()
    for chunk in ran.chunks:
        if chunk.world == world:
            faults.update(chunk.faults)
    assert not missing(world, faults)


def test_so_many_histories_have_run(ran):
    assert sum(chunk.histories for chunk in ran.chunks) == HISTORIES


@pytest.mark.parametrize(
    "number", range(len(SABOTAGES)), ids=[f"{world}: {name}" for name, world, _ in SABOTAGES]
)
def test_a_sabotage_is_noticed(ran, number):
    histories, error = ran.noticed[number]
    assert histories, f"{SABOTAGES[number].name}: no history has failed"
    assert error


@pytest.mark.parametrize("world", WORLDS)
def test_a_seed_decides_everything(world):
    told = []
    for _ in range(2):
        lines: list[str] = []
        chunk = run_chunk(world, 4000, 12, lines.append)
        told.append((lines, chunk.faults))
    assert told[0][0] == told[1][0]
    assert told[0][1] == told[1][1]
