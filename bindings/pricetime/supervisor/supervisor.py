"""One loop for all pairs of a process: what comes for each goes to its task, and nowhere else.

The loop never waits for one pair. A pair whose output is full keeps what was delivered to it and
its partition is paused; one that has failed waits to begin again; recovery happens in other
threads. The book releases the GIL, so these and librdkafka's threads run beside it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import KafkaError, Message

from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaLog
from pricetime.log.kafka.client import failure, passing
from pricetime.log.kafka.intake import Intake
from pricetime.supervisor.group import Chosen, Group, Share
from pricetime.supervisor.live import TRANSACTION_SECONDS, LivePair
from pricetime.supervisor.metrics import Metrics
from pricetime.supervisor.pair import PairTask, State

__all__ = ["Supervisor"]

OUTPUT_BYTES = 20 << 20
"""Of events that have not arrived, for all pairs together."""
OUTPUT_PART = 4, 5
"""Of what the others leave of it that one pair may have: much where it is busy alone, and never all
where it is stuck."""
OUTPUT_BYTES_MIN = 64 << 10
INBOX_BYTES = 1 << 20
"""Of commands that wait for a pair whose output is full, above which nothing is read awhile."""
INBOX_BYTES_MAX = 8 << 20
"""Above which its partition is paused."""
PATIENCE_SECONDS = 0.2
"""How long a pair may get on with nothing before its partition is paused: to resume one takes up to
a second."""
TURN_SECONDS = 0.05
HOUSEKEEPING_SECONDS = 0.1
SHOW_SECONDS = 1.0  # between two times that a pair's gauges are set
MAP_SECONDS = 1.0  # how soon a new pair is seen
HAND_OVER_SECONDS = 5.0
RECOVERIES = 4  # at once

logger = logging.getLogger("pricetime")


class Supervisor:
    """Runs pairs until it is told to stop. `pairs`: their names, None for all; or `group`: the
    name of a group whose processes share them."""

    def __init__(
        self,
        log: KafkaLog,
        *,
        pairs: list[str] | None = None,
        group: str | None = None,
        clock: Callable[[], int] = time.time_ns,
        stop: threading.Event | None = None,
    ) -> None:
        self.log = log
        self.metrics = Metrics()
        self.tasks: dict[int, PairTask] = {}
        """by partition"""
        self.stop = stop or threading.Event()
        self._clock = clock
        self._executor = ThreadPoolExecutor(RECOVERIES, thread_name_prefix="pricetime-recover")
        self._intake = Intake(log.clients, log.address.topic("commands"))
        self._share: Share = Group(log, group) if group else Chosen(pairs)
        self._begun = False  # whether there is a task for each pair that is ours
        self._busy: set[int] = set()  # partitions whose task has something to do
        self._map: Future[None] = self._executor.submit(log.map.refresh)
        self._map_at = self._kept_at = self._turned_at = time.monotonic()

    # --- what others ask

    def told(self) -> tuple[bool, bool, dict[str, str]]:
        """Whether the loop turns, whether every pair is live, and how each is."""
        healthy = time.monotonic() - self._turned_at < 10 * HAND_OVER_SECONDS
        pairs = {
            task.name: f"{task.state.value}: {task.reason}" if task.reason else task.state.value
            for task in list(self.tasks.values())
        }
        live = self._begun and all(state == State.LIVE.value for state in pairs.values())
        return healthy, healthy and live, pairs

    # --- the loop

    def run(self) -> None:
        """Runs until `stop` is set, then hands all pairs over."""
        try:
            while not self.stop.is_set():
                self.turn()
            self._leave()
        finally:
            self.close()

    def turn(self) -> None:
        """One round."""
        self._turned_at = now = time.monotonic()
        if now - self._kept_at >= HOUSEKEEPING_SECONDS:
            self._kept_at = now
            self._keep(now)
        try:
            self.log.output.poll(0.005 if self._all_blocked() else 0)
        except LogError as error:  # the producer, which all share, is of no more use
            self._restart(error)
        for message in self._receive():
            self._deliver(message)
        for partition in list(self._busy):
            self._work(partition)

    def _busy_pairs(self) -> Iterator[LivePair]:
        for partition in self._busy:
            live = self.tasks[partition].live
            if live is not None:
                yield live

    def _all_blocked(self) -> bool:
        """Whether nothing can be done before output has arrived: then nothing is read either."""
        return bool(self._busy) and all(live.blocked_since for live in self._busy_pairs())

    def _receive(self) -> list[Message]:
        if self._all_blocked() and self._inbox_full() and not self._patience_ends():
            return []
        return self._intake.receive(self._wait_seconds())

    def _inbox_full(self) -> bool:
        """Whether so much waits for a pair that others can wait until it has got on."""
        return any(live.stream.waiting_bytes > INBOX_BYTES for live in self._busy_pairs())

    def _wait_seconds(self) -> float:
        """How long nothing but new commands needs us."""
        if not self._busy:
            return TURN_SECONDS
        only_committing = all(live.committing for live in self._busy_pairs())
        return TRANSACTION_SECONDS if only_committing else 0

    def _patience_ends(self) -> bool:
        """Whether a partition should be paused by now: then the consumer must go on for others."""
        end = time.monotonic() - PATIENCE_SECONDS
        return any(live.blocked_since < end for live in self._busy_pairs())

    def _deliver(self, message: Message) -> None:
        partition = message.partition()
        task = self.tasks.get(-1 if partition is None else partition)
        error = message.error()
        if error is not None:
            self._complained(error, task)
        elif task is not None and task.live is not None:
            task.live.deliver(message)
            self._busy.add(task.pair.partition)

    def _complained(self, error: KafkaError, task: PairTask | None) -> None:
        if passing(error):
            return
        if task is None:
            logger.warning("%s: %s", self._intake.topic, error.str())
        else:
            self._failed(task, failure(error, f"commands of {task.name}"))

    def _work(self, partition: int) -> None:
        task = self.tasks[partition]
        if (live := task.live) is None:
            return
        try:
            done = live.work(self._output_bytes(live))
        except Exception as error:
            self._failed(task, error)
            return
        if done:
            self._busy.discard(partition)
            if live.paused:
                self._intake.resume(partition)
                live.paused = False
        elif not live.paused and self._should_pause(live):
            self._intake.pause(partition)
            live.paused = True

    def _output_bytes(self, live: LivePair) -> int:
        """How many bytes of a pair's events may be on their way."""
        part, of = OUTPUT_PART
        left = OUTPUT_BYTES - (self.log.sent_bytes - live.stream.sent_bytes)
        return max(left * part // of, OUTPUT_BYTES_MIN)

    def _should_pause(self, live: LivePair) -> bool:
        if not live.blocked_since:
            return False
        waited = time.monotonic() - live.blocked_since
        return live.stream.waiting_bytes > INBOX_BYTES_MAX or waited > PATIENCE_SECONDS

    # --- pairs come and go

    def _keep(self, now: float) -> None:
        """What has to be done now and then."""
        self._share.poll()
        if self._map.done() and now - self._map_at >= MAP_SECONDS:
            self._map_at = now
            if (error := self._map.exception()) is not None:
                logger.warning("the map of pairs could not be read: %s", error)
            self._map = self._executor.submit(self.log.map.refresh)
        for pair in list(self.log.map.pairs.values()):
            if pair.partition not in self.tasks and self._share.has(pair.name, pair.partition):
                self.tasks[pair.partition] = PairTask(self.log, pair, self._executor, self.metrics)
        self._begun = self._share.joined()
        self._let_go()
        clock = self._clock()
        for partition, task in self.tasks.items():
            self._keep_one(partition, task, clock)

    def _keep_one(self, partition: int, task: PairTask, clock: int) -> None:
        task.begin()
        try:
            if (begun := task.ready()) is not None:
                self._intake.assign(partition, begun.runner.position)
            elif task.live is not None:
                task.live.tick(clock)
                if task.live.shown_at < self._kept_at - SHOW_SECONDS:
                    task.live.shown_at = self._kept_at
                    task.live.show(self._intake.end(partition))
        except Exception as error:
            self._failed(task, error)

    def _failed(self, task: PairTask, error: BaseException) -> None:
        if task.live is not None:
            self._unassign(task.pair.partition)
        task.fail(error)

    def _unassign(self, partition: int) -> None:
        self._busy.discard(partition)
        self._intake.unassign(partition)

    def _restart(self, error: LogError) -> None:
        """All pairs begin again, with a new producer."""
        self.log.rollback()
        for task in self.tasks.values():
            if task.live is not None:
                self._failed(task, error)

    def _let_go(self) -> None:
        """Hands over what is not ours any more."""
        gone = []
        for task in self.tasks.values():
            if self._share.has(task.name, task.pair.partition):
                task.stay()
            elif task.leave(self._share.linger_seconds):
                gone.append(task)
        self._hand_over(gone)

    def _hand_over(self, tasks: list[PairTask]) -> None:
        end = time.monotonic() + HAND_OVER_SECONDS
        for task in tasks:
            del self.tasks[task.pair.partition]
            if task.live is not None:
                self._unassign(task.pair.partition)
            task.hand_over(max(end - time.monotonic(), 0))
            self.metrics.forget(task.name)

    def _leave(self) -> None:
        """Goes on until others have taken the pairs over."""
        leaving = self._executor.submit(self._share.close)  # it waits for others of the group
        while self.tasks or not leaving.done():
            self.turn()
        leaving.result()

    def close(self) -> None:
        """Hands over what it still has, and ends."""
        self._hand_over(list(self.tasks.values()))
        self._share.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._intake.close()
        end = time.monotonic() + HAND_OVER_SECONDS
        while self.log.output.sent and time.monotonic() < end:  # checkpoints
            self.log.output.poll(0.05)
        self.log.close()
