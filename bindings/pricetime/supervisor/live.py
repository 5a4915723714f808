"""A pair that is live: its book, what waits for it, and what it has sent."""

import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import Message

from pricetime.log.batch import NO_TOKENS
from pricetime.log.kafka import KafkaLog, KafkaStream
from pricetime.log.kafka.pairs import Pair
from pricetime.records import COMMAND, Kind
from pricetime.runner import Distance, Done, Runner
from pricetime.supervisor.metrics import PairMetrics
from pricetime.venue.definition import Definition

__all__ = ["TRANSACTION_SECONDS", "LivePair"]

CHECKPOINT = Distance(250_000, 2, positions=5_000, positions_per_order=0.05)
CLOSING = Distance(10_000, positions=1_000)
"""From the last checkpoint, as far as which handing over takes one."""
TRANSACTION_SECONDS = 0.005  # after which one is committed
IDLE_SECONDS = 0.5  # without commands, after which a pair that leaves waits for nobody
HEIR_SECONDS = 1.0  # from the first event of another, which may still recover, until it is live
CLOCK_SECONDS = 1.0  # how often what is due is asked for again


class LivePair:
    """A recovered pair. Whatever it raises, it is of no more use then."""

    def __init__(self, log: KafkaLog, pair: Pair, metrics: PairMetrics) -> None:
        definition = Definition.load(pair.definition)
        self.name = pair.name
        self._metrics = metrics
        self.stream: KafkaStream = log.stream(pair.name)
        self.runner = Runner(pair.name, self.stream, definition.new_book, distance=CHECKPOINT)
        self.stream.settle()
        self.stream.go_live()
        self.blocked_since = 0.0
        """time.monotonic() at which it was last seen to get on, if its output is full; 0.0: it is
        not"""
        self.paused = False
        """whether its partition is"""
        self.shown_at = 0.0
        """time.monotonic() at which its gauges were set last"""
        self._came_at = 0.0  # time.monotonic() at which the last message has
        self._overtaken_at = 0.0  # time.monotonic() at which another was seen to publish
        self._came_ms = 0  # Kafka's time of the first message that is not done
        self._steps: Iterator[Done] = iter(())
        self._saving = 0  # sequence that the checkpoint being stored stands behind
        self._clock_sent = (0, 0.0)  # what was due, and when a clock was sent for it

    def deliver(self, message: Message) -> None:
        """Lets a message wait for its turn."""
        self._came_at = time.monotonic()
        if not self._came_ms:
            self._came_ms = message.timestamp()[1]
        self.stream.deliver(message)

    def work(self, bytes_max: int) -> bool:
        """Processes what was delivered while less than so many bytes of events are on their way:
        whether all of it is done and committed."""
        if self.stream.error is not None:
            raise self.stream.error
        commands = events = 0
        done = False
        while not done and self.stream.sent_bytes < bytes_max:
            step = next(self._steps, None)
            if step is not None:
                commands += self.runner.book.commands + 1 - step.command
                events += len(step.events)
            elif self.stream.waiting:
                self._steps = self.runner.step()
            else:
                done = True
        if done:
            if self._came_ms:
                seconds = max(time.time() - self._came_ms / 1000, 0)
                self._metrics.latency.observe(seconds)
            self._came_ms = 0
            self.blocked_since = 0.0
        elif commands or not self.blocked_since:
            self.blocked_since = time.monotonic()
        open_since = self.stream.output.open_since
        if open_since and time.monotonic() - open_since >= TRANSACTION_SECONDS:
            self.stream.settle()
        self._metrics.commands.inc(commands)
        self._metrics.events.inc(events)
        self._save()
        return done and not self.committing

    @property
    def committing(self) -> bool:
        """Whether it has events in a transaction, which it must commit soon."""
        return self.stream.output.open_since > 0

    def _save(self) -> None:
        """Takes a checkpoint where one is due; stores it once the events before it have arrived."""
        if not self.runner.storing:
            if not self.runner.checkpoint_due():
                return
            self._take_checkpoint()
        if self.stream.arrived >= self._saving and not self.committing:
            self.runner.store_part()

    def _take_checkpoint(self) -> None:
        self.runner.take_checkpoint()
        self._saving = self.runner.book.sequence

    def tick(self, now: int) -> None:
        """What has to be done now and then: checkpoints without commands, and what is due by the
        clock (ns), for which a command is sent that lets time pass."""
        self._save()
        due = self.runner.book.due
        if due is None or due > now:
            return
        sent_for, sent_at = self._clock_sent
        if sent_for == due and time.monotonic() < sent_at + CLOCK_SECONDS:
            return
        clock = np.zeros(1, COMMAND)
        clock["kind"], clock["timestamp"] = Kind.CLOCK, now
        self.stream.append(clock, NO_TOKENS)
        self._clock_sent = due, time.monotonic()

    def show(self, end: int) -> None:
        """Sets its gauges; `end`: of its partition."""
        self._metrics.lag.set(max(end - self.runner.position, 0))
        self._metrics.waiting.set(self.stream.waiting)
        self._metrics.sent.set(self.stream.sent_bytes)
        self._metrics.quarantined.set(self.stream.quarantined)
        self._metrics.behind.set(self.runner.behind)
        self._metrics.age.set(self.runner.age_ns / 1e9)
        self._metrics.orders.set(len(self.runner.book))

    def leave(self) -> None:
        """Lets another take over, which begins at a fresh checkpoint."""
        self.stream.overtaken = False
        self._overtaken_at = 0.0
        self._came_at = time.monotonic()
        if not self.runner.storing and self.runner.is_past(CLOSING):
            self._take_checkpoint()

    def has_left(self) -> bool:
        """Whether another has taken over, or nothing has come for a while."""
        now = time.monotonic()
        if self.stream.overtaken and not self._overtaken_at:
            self._overtaken_at = now
        overtaken = self._overtaken_at and now - self._overtaken_at > HEIR_SECONDS
        return bool(overtaken) or now - self._came_at > IDLE_SECONDS

    def hand_over(self, seconds: float) -> None:
        """Has all that was published arrive, and the checkpoint if the next one has not begun."""
        self._await_output(seconds)
        while self.runner.storing and not self.stream.overtaken:
            self.runner.store_part()
        self.stream.close()

    def _await_output(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.stream.sent_bytes and self.stream.error is None and time.monotonic() < end:
            self.stream.output.poll(0.01)
        self.stream.settle()
