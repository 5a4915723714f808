"""A runner: a process that may be killed, and is started again at once."""

import signal
import sys
from enum import Enum
from pathlib import Path

from pricetime.broker.process import BrokerProcess
from pricetime.demo.kafka.clock import Clock
from pricetime.demo.kafka.watch import Watch
from pricetime.log.errors import LogError

__all__ = ["Runner", "State"]

START = "import sys; sys.path[:] = {!r}; from pricetime.cli import main; sys.exit(main())"
END_SECONDS = 10.0
LAST_WORDS = 500  # characters


class State(Enum):
    """How a runner is, as its events tell."""

    STARTING = "starting"
    LIVE = "live"
    RECOVERING = "recovering"


class Runner:
    """`pricetime run` for some pairs; like a broker it does not outlive this process.

    It is live when events have come of commands that were due after it was started; those its
    predecessor cannot have made. So a recovery is as long as clients had to wait for it.
    """

    def __init__(
        self, number: int, url: str, watches: list[Watch], folder: Path, clock: Clock
    ) -> None:
        self.number = number
        self.names = [watch.name for watch in watches]
        self.state = State.STARTING
        self.recoveries: list[float] = []
        """seconds of each"""
        self.kills = 0
        self._watches, self._clock = watches, clock
        self._log = folder / f"runner-{number}.log"
        self._command = [sys.executable, "-c", START.format(sys.path), "run", "--log", url]
        self._command += ["--pairs", ",".join(self.names)]
        self._killed = 0  # ns: the first time since it was live
        self._started = 0  # ns
        self._process = self._start()

    def _start(self) -> BrokerProcess:
        self._started = self._clock.now()
        return BrokerProcess(self._command, Path(), self._log)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def waited(self) -> float:
        """Seconds since it was killed."""
        return (self._clock.now() - self._killed) / 1e9

    def kill(self) -> None:
        """Kills it without a word, and starts it again."""
        now = self._clock.now()
        self._process.signal(signal.SIGKILL)
        self._process.wait(END_SECONDS)
        if self.state is not State.RECOVERING:
            self._killed = now
        self.kills += 1
        self.state = State.RECOVERING
        self._process = self._start()

    def look(self) -> bool:
        """Whether it has just recovered; raises LogError where it has ended by itself."""
        code = self._process.poll()
        if code == -signal.SIGKILL:  # by somebody else
            self.kill()
        elif code is not None:
            raise LogError(f"runner {self.number} has ended with {code}; {self._last_words()}")
        if self.state is State.LIVE or any(w.heard < self._started for w in self._watches):
            return False
        recovering, self.state = self.state is State.RECOVERING, State.LIVE
        seconds = (max(watch.came for watch in self._watches) - self._killed) / 1e9
        if not recovering or seconds < 0:  # it was killed behind its last event
            return False
        self.recoveries.append(seconds)
        return True

    def _last_words(self) -> str:
        said = self._log.read_text("utf-8", "replace").strip()
        return f"its last words: {said[-LAST_WORDS:]}" if said else "it said nothing"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tells it to end."""
        self._process.signal(number)

    def end(self) -> None:
        """Ends it in order, or without where that takes long."""
        self.stop()
        self._process.wait(END_SECONDS)
