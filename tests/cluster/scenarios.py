"""What is done to a venue of four pairs under load, and what is measured meanwhile."""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from pricetime import Instrument
from pricetime.log.kafka import KafkaLog
from pricetime.venue.definition import Definition

from .check import check
from .load import Load
from .processes import RunnerProcess
from .watch import Watch

__all__ = ["PAIRS", "SCENARIOS", "Result", "Venue"]

PAIRS = ("BTC_EUR", "ETH_USD", "XAU_EUR", "XAG_GBP")
SETTLE_SECONDS = 120.0

Say = Callable[[str], None]


class Result(NamedTuple):
    """What came of a scenario; it raises where something was lost, repeated or otherwise."""

    done: int
    commands: int
    events: int
    seconds: float
    pauses: list[float]
    """of each trouble: seconds in which some pair had no events"""
    latency_ms: dict[str, float]


class Venue:
    """Pairs on a broker with load and a reader; runners are the scenario's."""

    def __init__(self, bootstrap: str, rate: float, seed: int) -> None:
        self.url = f"kafka://{bootstrap}/cluster-{seed}-{time.time_ns()}"
        self.rng = random.Random(seed)
        self.log = KafkaLog(self.url)
        for name in PAIRS:
            instrument = Instrument(name, tick_size="0.01", lot_size="0.01")
            self.log.add(name, Definition(instrument, {}).dump())
        self.watch = Watch(self.url, list(PAIRS))
        self.load = Load(self.log, list(PAIRS), rate, seed)
        self.moments: list[float] = []
        self._ports = iter(range(20_000 + self.rng.randrange(20_000), 65_000))
        self._began = time.monotonic()

    def runner(self, *options: str) -> RunnerProcess:
        """A new runner; without options of all pairs."""
        return RunnerProcess(self.url, *options, port=next(self._ports))

    def serve(self, runners: int = 1) -> list[RunnerProcess]:
        """So many runners of all pairs; the load begins when they are ready."""
        made = [self.runner() for _ in range(runners)]
        for runner in made:
            runner.await_ready()
        self.load.start()
        return made

    def trouble(self) -> None:
        """Notes that something is done now."""
        self.moments.append(time.monotonic())

    def sleep(self, low: float, high: float) -> None:
        time.sleep(self.rng.uniform(low, high))

    def finish(self, done: int, within: float) -> Result:
        """Ends the load, waits for its events, and checks all of it."""
        self.load.stop()
        self.watch.await_commands(self.load.sent, SETTLE_SECONDS)
        seconds = time.monotonic() - self._began
        self.watch.stop()
        totals = check(self.log, self.load, self.watch)
        latencies = np.concatenate(self.watch.latencies) / 1e6
        shown = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}
        result = Result(
            done,
            totals["commands"],
            totals["events"],
            seconds,
            self.watch.pauses(self.moments, within),
            {name: float(np.percentile(latencies, at)) for name, at in shown.items()},
        )
        self.log.close()
        return result


def steady(venue: Venue, count: int, say: Say) -> Result:
    """Nothing is done, for so many seconds."""
    (runner,) = venue.serve()
    time.sleep(count)
    result = venue.finish(count, 0)
    runner.end()
    return result


def kills(venue: Venue, count: int, say: Say) -> Result:
    """The one runner is killed with SIGKILL, and started again."""
    (runner,) = venue.serve()
    for number in range(count):
        venue.sleep(0.2, 1.5)
        venue.trouble()
        runner.kill()
        runner = venue.runner()
        if venue.rng.random() < 0.7:  # else killed while it recovers, perhaps
            runner.await_ready()
        say(f"kill {number + 1}")
    result = venue.finish(count, 10)
    runner.end()
    return result


def standby(venue: Venue, count: int, say: Say) -> Result:
    """Two runners publish the same; one is killed, and another takes its place."""
    active, other = venue.serve(2)
    for number in range(count):
        venue.sleep(0.5, 1.5)
        venue.trouble()
        active.kill()
        time.sleep(0.5)  # what is measured is how the other does alone
        active, other = other, venue.runner()
        other.await_ready()
        say(f"kill {number + 1}")
    result = venue.finish(count, 0.5)
    active.end()
    other.end()
    return result


def zombies(venue: Venue, count: int, say: Say) -> Result:
    """Both runners are frozen, others come, and the frozen ones wake up as zombies."""
    runners = venue.serve(2)
    for number in range(count):
        venue.sleep(0.2, 1.0)
        venue.trouble()
        for runner in runners:
            runner.freeze()
        heir = venue.runner()
        heir.await_ready()
        venue.sleep(0.1, 0.8)
        for runner in runners:
            runner.wake()
        venue.sleep(0.1, 0.5)
        runners[0].kill()
        runners = [runners[1], heir]
        say(f"frozen {number + 1}")
    result = venue.finish(count, 10)
    for runner in runners:
        runner.end()
    return result


def rebalances(venue: Venue, count: int, say: Say) -> Result:
    """Runners of a group join and leave in order."""
    group = ("--group", "g")
    runners = [venue.runner(*group)]
    venue.load.start()
    venue.watch.await_commands(dict.fromkeys(PAIRS, 1), SETTLE_SECONDS)
    for number in range(count):
        venue.sleep(0.5, 2.0)
        venue.trouble()
        if len(runners) == 1 or (len(runners) < 3 and venue.rng.random() < 0.5):
            runners.append(venue.runner(*group))
        else:
            runners.pop(venue.rng.randrange(len(runners))).end()
        say(f"move {number + 1}: {len(runners)} runners")
    result = venue.finish(count, 3)
    for runner in runners:
        runner.end()
    return result


SCENARIOS: dict[str, Callable[[Venue, int, Say], Result]] = {
    "steady": steady,
    "kills": kills,
    "standby": standby,
    "zombies": zombies,
    "rebalances": rebalances,
}
