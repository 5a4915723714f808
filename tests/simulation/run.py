"""Runs histories, counts what went wrong in them, and says how to repeat one that fails.

    python tests/simulation/run.py --seeds 0 5000
    python tests/simulation/run.py --world disk --seed 4711          (one, told step by step)
    python tests/simulation/run.py --sabotages             (the product broken in every way we know)
    python tests/simulation/run.py --minutes 60 --jobs 1 --counts counts.json

--counts keeps the sum of all runs in a file, and goes on behind the last seed that stands there.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulation.faults import BROKER, DISK, Crash, Faults
from simulation.process import playground
from simulation.runners import Runners
from simulation.sabotage import SABOTAGES
from simulation.venues import Venues

__all__ = ["WORLDS", "Chunk", "missing", "noticed", "run_chunk", "run_jobs", "seeds"]

WORLDS: dict[str, tuple[type, tuple[str, ...]]] = {
    "disk": (Venues, DISK),
    "broker": (Runners, BROKER),
}
"""By name: what runs a history, and the faults that a run must have injected."""
CHUNK = 100  # histories of one job
SABOTAGE_SEEDS = 2000  # histories within which each must be noticed; most are in the first ten
SHARE = {"disk": 0.6, "broker": 0.4}  # of the histories, where both worlds run


class Chunk(NamedTuple):
    """What came of some histories that follow each other."""

    world: str
    first: int
    histories: int
    faults: Faults
    failures: list[tuple[int, str]]
    """seeds and errors"""
    seconds: float


def silent(text: str) -> None:
    """Says nothing."""


def run_chunk(
    world: str, first: int, count: int, say: Callable[[str], None] = silent, *, failures: int = 20
) -> Chunk:
    """Runs the histories of some seeds, up to a number of failures."""
    history = WORLDS[world][0]
    faults = Faults()
    failed: list[tuple[int, str]] = []
    begin, done = time.monotonic(), 0
    with playground():
        for seed in range(first, first + count):
            try:
                history(seed, faults, say).run()
            except (Exception, Crash) as error:
                failed.append((seed, f"{type(error).__name__}: {error}"))
            done += 1
            if len(failed) == failures:
                break
    return Chunk(world, first, done, faults, failed, time.monotonic() - begin)


def missing(world: str, faults: Faults) -> list[str]:
    """The faults of a world that never happened."""
    return faults.missing(WORLDS[world][1])


def run_jobs(plan: Iterator[tuple[str, int, int]], jobs: int) -> Iterator[Chunk]:
    """Runs chunks (world, first seed, count) in processes of their own, as they come."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        running: set[Future[Chunk]] = set()
        for chunk in plan:
            running.add(pool.submit(run_chunk, *chunk))
            while len(running) > jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def seeds(worlds: list[str], first: dict[str, int], count: int) -> Iterator[tuple[str, int, int]]:
    """A number of histories, shared out among the worlds, in chunks."""
    for world in worlds:
        share = round(count * SHARE[world]) if len(worlds) > 1 else count
        for begin in range(0, share, CHUNK):
            yield world, first[world] + begin, min(CHUNK, share - begin)


def until(end: float, worlds: list[str], first: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """Chunks of all worlds by turns, until a time."""
    places = dict(first)
    while time.monotonic() < end:
        for world in worlds:
            yield world, places[world], CHUNK
            places[world] += CHUNK


class Counts:
    """What all runs have done so far, by world; seconds are those of one process."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.worlds: dict[str, dict] = {}
        if path is not None and path.exists():
            self.worlds = json.loads(path.read_text("utf-8"))
        self.began = time.monotonic()
        self.now: dict[str, int] = {}  # histories of this run

    def next_seed(self, world: str) -> int:
        return self.worlds[world]["next_seed"] if world in self.worlds else 0

    def add(self, chunk: Chunk) -> None:
        new = {"first_seed": chunk.first, "next_seed": 0, "histories": 0, "failures": []}
        counts = self.worlds.setdefault(chunk.world, new | {"seconds": 0.0, "faults": {}})
        counts["histories"] += chunk.histories
        counts["seconds"] += chunk.seconds
        counts["first_seed"] = min(counts["first_seed"], chunk.first)
        counts["next_seed"] = max(counts["next_seed"], chunk.first + chunk.histories)
        counts["failures"] += chunk.failures
        for kind, count in chunk.faults.items():
            counts["faults"][kind] = counts["faults"].get(kind, 0) + count
        self.now[chunk.world] = self.now.get(chunk.world, 0) + chunk.histories

    def save(self) -> None:
        """Writes the file, if there is one; whole, whenever this is stopped."""
        if self.path is not None:
            new = self.path.with_name(f"{self.path.name}.new")
            new.write_text(json.dumps(self.worlds, indent=1, sort_keys=True), "utf-8")
            new.replace(self.path)

    @property
    def rate(self) -> float:
        """Histories a second in this run."""
        return sum(self.now.values()) / (time.monotonic() - self.began)


def noticed(number: int) -> tuple[int, str]:
    """After how many histories a sabotage is noticed, 0 for never; and by what."""
    sabotage = SABOTAGES[number]
    with sabotage.apply():
        chunk = run_chunk(sabotage.world, 0, SABOTAGE_SEEDS, failures=1)
    return (chunk.histories, chunk.failures[0][1]) if chunk.failures else (0, "")


def break_all() -> int:
    """Prints after how many histories each sabotage is noticed; 1 if any is not."""
    missed = 0
    for number, sabotage in enumerate(SABOTAGES):
        histories, error = noticed(number)
        missed += not histories
        told = error.splitlines()[0][:80] if histories else "NOT NOTICED"
        print(f"{sabotage.world:6}  {sabotage.name:66} {histories:5}  {told}", flush=True)
    return min(missed, 1)


def repeat(world: str, seed: int) -> str:
    """The command that runs one history and tells it."""
    return f"python tests/simulation/run.py --world {world} --seed {seed}"


def tell_one(world: str, seed: int) -> int:
    """Runs one history, telling what happens in it."""
    history = WORLDS[world][0]
    with playground():
        history(seed, Faults(), print).run()
    print("nothing is wrong with it")
    return 0


def tell_all(counts: Counts, worlds: list[str]) -> int:
    """The table of faults, what failed, and whether any did."""
    bad = 0
    for world in worlds:
        done = counts.worlds[world]
        rate = done["histories"] / done["seconds"]
        print(f"\n{world}: {done['histories']:,} histories, seeds {done['first_seed']} to "
              f"{done['next_seed'] - 1}, {rate:.1f} a second in one process")  # fmt: skip
        for kind, count in sorted(done["faults"].items()):
            print(f"  {count:>12,}  {kind}")
        for kind in missing(world, Faults(done["faults"])):
            print(f"  never happened: {kind}")
            bad += 1
        for seed, error in done["failures"]:
            print(f"  seed {seed}: {error}\n    repeat it: {repeat(world, seed)}")
            bad += 1
    print(f"\n{counts.rate:.1f} histories a second")
    return min(bad, 1)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if a history failed or a fault never happened."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--world", choices=list(WORLDS), help="one of the worlds; both without")
    parser.add_argument("--seed", type=int, help="run one history and tell it")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "COUNT"))
    parser.add_argument("--minutes", type=float, help="run for so long")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--sabotages", action="store_true", help="break the product in every way")
    parser.add_argument("--counts", type=Path, help="keep the sum of all runs in a file")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its processes end as well
    worlds = [given.world] if given.world else list(WORLDS)
    if given.sabotages:
        return break_all()
    if given.seed is not None:
        if given.world is None:
            parser.error("--seed needs --world: a seed means another history in each")
        return tell_one(given.world, given.seed)
    counts = Counts(given.counts)
    if given.minutes is not None:
        first = {world: counts.next_seed(world) for world in worlds}
        plan = until(counts.began + 60 * given.minutes, worlds, first)
    else:
        begin, count = given.seeds or (0, 1000)
        plan = seeds(worlds, dict.fromkeys(worlds, begin), count)
    for number, chunk in enumerate(run_jobs(plan, given.jobs), 1):
        counts.add(chunk)
        counts.save()
        for seed, error in chunk.failures:
            print(f"{chunk.world} {seed}: {error}\n  {repeat(chunk.world, seed)}", flush=True)
        if number % 10 == 0:
            done = sum(counts.now.values())
            print(f"{done:,} histories, {counts.rate:.1f} a second", flush=True)
    return tell_all(counts, worlds)


if __name__ == "__main__":
    sys.exit(main())
