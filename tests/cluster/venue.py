"""Pairs on a broker with load and a reader; what a scenario does to them is its own."""

import math
import random
import time
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka.admin import AdminClient, NewTopic
from pricetime import Instrument
from pricetime.log.kafka import KafkaLog
from pricetime.log.kafka.address import KafkaAddress
from pricetime.log.kafka.kafka import PARTITIONS
from pricetime.venue.definition import Definition

from .check import check
from .load import Load
from .processes import RunnerProcess
from .result import Result
from .watch import PlainWatch, Watch

if TYPE_CHECKING:
    from pricetime.broker import Cluster

__all__ = ["PAIRS", "SETTLE_SECONDS", "Venue"]

Latency = dict[str, float]
PERCENTILES = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}

PAIRS = ("BTC_EUR", "ETH_USD", "XAU_EUR", "XAG_GBP")
SETTLE_SECONDS = 120.0
READY_SECONDS, READY_SECONDS_PAIR = 30.0, 0.2


class Venue:
    """Pairs, load and a reader. `cluster`: the brokers, where they are ours; `places`: on which one
    alone each partition of a topic lies; `plain`: one consumer reads all events; `crowd`: so many
    pairs in place of four; `burst`: commands of a pair that are due at one time."""

    def __init__(
        self,
        bootstrap: str,
        rate: float,
        seed: int,
        cluster: "Cluster | None" = None,
        *,
        places: dict[str, list[int]] | None = None,
        plain: bool = False,
        crowd: int = 0,
        burst: int = 1,
        history: int = 0,
        warm: float = 0,
        delivery: str = "sequenced",
    ) -> None:
        self.delivery = delivery
        self.warm = warm
        """seconds of load before anything is done or measured: brokers compile themselves"""
        self._measured_from = 0.0  # time.monotonic()
        self.history = history
        """commands of the first pair, where a scenario begins with many"""
        self.names = [f"PAIR_{number:04}" for number in range(crowd)] or list(PAIRS)
        self.url = f"kafka://{bootstrap}/cluster-{seed}-{time.time_ns()}"
        self.rng = random.Random(seed)
        self.moments: list[float] = []
        self._cluster = cluster
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        if places:
            self._place(places)
        # Enough for two more: to make partitions takes brokers seconds where there are thousands.
        self.log = KafkaLog(self.url, partitions=max(crowd + 2, PARTITIONS))
        for name in self.names:
            self.add(name)
        self.watch = PlainWatch(self.log, self.names) if plain else Watch(self.url, self.names)
        self.load = Load(self.log, self.names, rate, seed, burst)
        self._ports = iter(range(20_000 + self.rng.randrange(10_000), 32_000))
        self._runners: list[RunnerProcess] = []
        self._began = time.monotonic()

    def _place(self, places: dict[str, list[int]]) -> None:
        """Makes topics whose partitions lie on one broker each."""
        address = KafkaAddress.parse(self.url)
        config = {"min.insync.replicas": "1", "retention.ms": "-1"}
        topics = [
            NewTopic(
                address.topic(kind),
                len(nodes),
                replica_assignment=[[node] for node in nodes],
                config=config,
            )
            for kind, nodes in places.items()
        ]
        for made in self._admin.create_topics(topics).values():
            made.result()

    def add(self, name: str) -> int:
        """Adds a pair; its partition."""
        instrument = Instrument(name, tick_size="0.01", lot_size="0.01")
        self.log.add(name, Definition(instrument, {}).dump())
        return self.log.map.pair(name).partition

    @property
    def cluster(self) -> "Cluster":
        assert self._cluster is not None, "this scenario needs brokers of its own: no --bootstrap"
        return self._cluster

    def leader(self, kind: str, pair: str) -> int:
        """The broker that leads a pair's partition."""
        topic = self.log.address.topic(kind)
        partitions = self._admin.list_topics(topic, timeout=10).topics[topic].partitions
        return int(partitions[self.log.map.pair(pair).partition].leader)

    def await_in_sync(self, seconds: float = 60) -> None:
        """Until every partition has all its copies."""
        end = time.monotonic() + seconds
        while True:
            topics = self._admin.list_topics(timeout=10).topics.values()
            behind = [
                f"{topic.topic}/{number}"
                for topic in topics
                for number, partition in topic.partitions.items()
                if len(partition.isrs) < len(partition.replicas) or partition.leader < 0
            ]
            if not behind:
                return
            assert time.monotonic() < end, f"not in sync: {behind}"
            time.sleep(0.2)

    def runner(self, *options: str) -> RunnerProcess:
        """A new runner; without options of all pairs."""
        options = ("--delivery", self.delivery, *options)
        self._runners.append(RunnerProcess(self.url, *options, port=next(self._ports)))
        return self._runners[-1]

    def close(self) -> None:
        """Leaves no runner behind, whatever happened."""
        for runner in self._runners:
            runner.kill()

    def serve(self, runners: int = 1) -> list[RunnerProcess]:
        """So many runners of all pairs; the load begins when they are ready."""
        made = [self.ready_runner() for _ in range(runners)]
        self.begin()
        return made

    def begin(self) -> None:
        """Begins the load, and what is measured of it."""
        self.load.start()
        time.sleep(self.warm)
        self._measured_from = time.monotonic()

    def ready_runner(self) -> RunnerProcess:
        """A new runner of all pairs, which are live."""
        runner = self.runner()
        runner.await_ready(max(READY_SECONDS, READY_SECONDS_PAIR * len(self.names)))
        return runner

    def trouble(self) -> None:
        """Notes that something is done now."""
        self.moments.append(time.monotonic())

    def sleep(self, low: float, high: float) -> None:
        time.sleep(self.rng.uniform(low, high))

    def drain(self) -> None:
        """Ends the load, and waits for its events."""
        self.load.stop()
        self.watch.await_commands(self.load.sent, SETTLE_SECONDS)

    def latency_ms(self, names: list[str], began: float = 0, ended: float = math.inf) -> Latency:
        """Percentiles of what came of some pairs between two times (time.monotonic())."""
        parts = [
            latencies
            for name in names
            for (at, _), latencies in zip(
                self.watch.arrivals[name], self.watch.latencies[name], strict=False
            )
            if began <= at < ended
        ]
        whole = np.concatenate(parts) / 1e6
        return {name: float(np.percentile(whole, at)) for name, at in PERCENTILES.items()}

    def finish(self, done: int, within: float, *, checked: bool = True) -> Result:
        """Ends the load, waits for its events, checks all of it, and ends the runners in order."""
        self.drain()
        seconds = time.monotonic() - self._began
        self.watch.stop()
        events = sum(self.watch.last.values())
        commands = sum(self.load.sent.values())
        if checked:
            totals = check(self.log, self.load, self.watch)
            assert (totals["commands"], totals["events"]) == (commands, events)
        latency_ms = self.latency_ms(self.names, self._measured_from)
        self.log.close()
        for runner in self._runners:
            if runner.process.poll() is None:
                runner.end()
        pauses = self.watch.pauses(self.moments, within)
        return Result(done, commands, events, seconds, pauses, latency_ms, checked)
