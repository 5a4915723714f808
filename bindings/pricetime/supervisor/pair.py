"""One pair's task: recovered, then live; failed, and after a while begun again.

What goes wrong in it stays in it. A failure drops the book and all that was not published; the log
has it all, so beginning again is recovery. Where beginning again cannot help, as when the book
makes other events than stand published, the pair halts and says so.
"""

import logging
import time
from concurrent.futures import Executor, Future
from enum import Enum

from pricetime.log.errors import Diverged, Fenced, LogError, LogVersion
from pricetime.log.kafka import KafkaLog
from pricetime.log.kafka.pairs import Pair
from pricetime.supervisor.live import LivePair
from pricetime.supervisor.metrics import Metrics

__all__ = ["PairTask", "State"]

BACKOFF_SECONDS = (0.5, 60.0)  # before the first new begin, and at most
CALM_SECONDS = 60.0  # live for so long, a pair's failures are forgotten

logger = logging.getLogger("pricetime")


class State(Enum):
    """How a pair is."""

    RECOVERING = "recovering"
    LIVE = "live"
    BLOCKED = "blocked"
    """live, and its output is full"""
    FAILED = "failed"
    """begins again after a while"""
    HALTED = "halted"
    """stays so until somebody looks"""


class PairTask:
    """A pair that this process runs."""

    def __init__(self, log: KafkaLog, pair: Pair, executor: Executor, metrics: Metrics) -> None:
        self.pair = pair
        self.name = pair.name
        self.live: LivePair | None = None
        self.reason = ""
        """why it failed or halted"""
        self._log = log
        self._executor = executor
        self._metrics = metrics.of(pair.name)
        self._recovery: Future[LivePair] | None = None
        self._halted = False
        self._failures = 0
        self._begin_at = 0.0
        self._live_since = 0.0
        self._leave_by = 0.0
        self._metrics.live.set(0)

    @property
    def state(self) -> State:
        """How it is now."""
        if self.live is not None:
            return State.BLOCKED if self.live.blocked_since else State.LIVE
        if self._halted:
            return State.HALTED
        return State.RECOVERING if self._recovery else State.FAILED

    def begin(self) -> None:
        """Begins to recover its book, in another thread, unless it does or has or must wait."""
        waits = self._halted or time.monotonic() < self._begin_at
        if self.live is None and self._recovery is None and not waits:
            self._recovery = self._executor.submit(LivePair, self._log, self.pair, self._metrics)

    def ready(self) -> LivePair | None:
        """Itself live, if it has become so just now: its partition is to be read from there."""
        if self._recovery is None or not self._recovery.done():
            return None
        recovery, self._recovery = self._recovery, None
        try:
            self.live = recovery.result()
        except Exception as error:
            self.fail(error)
            return None
        self._live_since = time.monotonic()
        self._metrics.live.set(1)
        self.reason = ""
        return self.live

    def fail(self, error: BaseException) -> None:
        """Drops its book; begins again after a while, unless that is of no use."""
        if self.live is not None:
            if time.monotonic() - self._live_since > CALM_SECONDS:
                self._failures = 0
            self.live.stream.close()
            self.live = None
            self._metrics.live.set(0)
        self.reason = str(error) if isinstance(error, LogError) else repr(error)
        self._metrics.failures.inc()
        if isinstance(error, Diverged | LogVersion | Fenced):
            self._halted = True
            logger.error("%s is halted: %s", self.name, self.reason)
            return
        first, most = BACKOFF_SECONDS
        wait = min(first * 2**self._failures, most)
        self._failures += 1
        self._begin_at = time.monotonic() + wait
        logger.error("%s failed, and begins again in %.1f s: %s", self.name, wait, self.reason)

    def leave(self, seconds: float) -> bool:
        """Goes on until the process that it is for has begun, and for so many seconds at most;
        whether it has."""
        if self.live is None:
            return True
        if not self._leave_by:
            self._leave_by = time.monotonic() + seconds
            try:
                self.live.leave()
            except Exception as error:  # it is for its heir's sake alone
                logger.warning("%s: no checkpoint could be taken: %r", self.name, error)
        return self.live.has_left() or time.monotonic() >= self._leave_by

    def stay(self) -> None:
        """Leaves no more."""
        self._leave_by = 0.0

    def hand_over(self, seconds: float) -> None:
        """Leaves it to another process."""
        if self.live is None:
            return
        try:
            self.live.hand_over(seconds)
        except Exception as error:
            logger.warning("%s was not handed over in order, nothing is lost: %s", self.name, error)
        self.live = None
