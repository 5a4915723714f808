"""Reads the events of a pair, as a client would, and looks whether they are all there."""

import time
from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.kafka.clock import Clock
from pricetime.demo.kafka.meter import Meter
from pricetime.demo.kafka.task import Task
from pricetime.demo.kafka.twin import Twin
from pricetime.log.batch import Records, records_bytes
from pricetime.log.errors import LogFailed
from pricetime.log.kafka import Follower, KafkaLog
from pricetime.log.kafka.client import Clients
from pricetime.log.kafka.message import commands_of
from pricetime.log.kafka.partition import Partition
from pricetime.log.kafka.stream import joined
from pricetime.records import EVENT, EventKind
from pricetime.venue.definition import Definition

__all__ = ["Watch"]

WAIT = 0.05  # seconds
AUDIT = 0.1  # seconds from one look at what has come to the next
SELDOM = {"fetch.min.bytes": "1000000", "fetch.wait.max.ms": "100"}
PATIENCE = 60.0  # seconds in which something must come when something is missing
TRADE = int(EventKind.TRADE)


class Watch(Task):
    """Follows one pair; the consumers are made by who makes it, for one thread at a time."""

    def __init__(self, log: KafkaLog, name: str, definition: Definition, clock: Clock) -> None:
        super().__init__(f"watch-{name}")
        self.name = name
        self.events = 0
        self.trades = 0
        self.price: int | None = None
        """of the last trade, in ticks"""
        self.command = 0
        """number of the last one whose events have come"""
        self.heard = 0
        """when the last of ours was due whose events have come (ns)"""
        self.came = 0
        """when the last events came (ns)"""
        self.meter = Meter()
        self.total: int | None = None
        """commands that were sent, once it is known; with their events it ends"""
        pair = log.map.pair(name)
        self._clock = clock
        self._follower = Follower(log.partition("events", pair), name, 0)
        # Fetched now and then: it must not keep the broker from what matters.
        self._clients = Clients(replace(log.address, options=SELDOM))
        topic = log.address.topic("commands")
        self._commands = Partition(self._clients, topic, pair.partition)
        self._arrivals: deque[tuple[int, Records]] = deque()
        """events that were not looked at, and when they came (ns)"""
        self._twin = Twin(name, definition.new_book())

    def work(self) -> None:
        """Reads on and on, or to the last event that must come."""
        self._commands.seek(0)
        patience = time.monotonic() + PATIENCE
        next_audit = 0.0
        while not self.stop.is_set():
            batches = self._follower.poll(WAIT)
            if batches:
                self.came = self._clock.now()
                self._arrivals += [(self.came, batch.records) for batch in batches]
            if time.monotonic() >= next_audit:
                next_audit = time.monotonic() + AUDIT
                self._audit()
            if self.total is None or batches:
                patience = time.monotonic() + PATIENCE
            elif self._complete(self.total):
                return
            elif time.monotonic() > patience:
                raise LogFailed(
                    f"{self._missing} of {self.name} are missing after {PATIENCE:.0f} s"
                )

    def _audit(self) -> None:
        """Looks at what has come, as far as its commands are there; many at once cost less."""
        messages = self._commands.poll(0)
        where = self._commands.where
        for batch in joined(commands_of(message, self.name, where) for message in messages):
            self._twin.take(batch.records)
        ready: list[Records] = []
        times: list[int] = []  # of each event
        while self._arrivals:
            now, records = self._arrivals[0]
            if len(times) + len(records) > self._twin.waiting:
                break
            self._arrivals.popleft()
            ready.append(records)
            times += [now] * len(records)
        if ready:
            data = b"".join(records_bytes(records) for records in ready)
            self._count(np.frombuffer(data, EVENT), np.array(times))
        elif self._arrivals and self._clock.now() - self._arrivals[0][0] > PATIENCE * 1e9:
            raise LogFailed(f"commands of {self.name} are missing, of events that are there")

    def _count(self, events: Records, times: NDArray[np.int64]) -> None:
        due = self._twin.match(events)
        last = np.append(np.diff(events["command"]) != 0, True)  # of each command's events
        self.meter.add(due[last], times[last])
        self.heard = max(self.heard, int(due.max()))
        self.command = int(events["command"][-1])
        self.events += len(events)
        traded = (events["kind"] == TRADE).nonzero()[0]
        if len(traded):
            self.trades += len(traded)
            self.price = int(events["price"][traded[-1]])

    def _complete(self, total: int) -> bool:
        """Whether all commands were there, and all of their events."""
        if self._twin.commands != total or self._twin.waiting:
            return False
        self.heard = self._clock.now()  # nothing that was due before is missing
        return True

    @property
    def _missing(self) -> str:
        lost = (self.total or 0) - self._twin.commands
        return f"{lost} commands" if lost else f"{self._twin.waiting} events"

    def close(self) -> None:
        """Ends, and gives its consumers back."""
        self.end()
        self._follower.partition.close()
        self._clients.close()
