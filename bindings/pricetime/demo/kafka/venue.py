"""All of it: a broker, the pairs, who sends, who reads, and the runners."""

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pricetime.broker import BrokerError, Cluster
from pricetime.demo.kafka.clock import Clock
from pricetime.demo.kafka.frame import Frame, PairFrame, RunnerFrame
from pricetime.demo.kafka.generator import Generator
from pricetime.demo.kafka.pairs import PAIRS, RUNNERS
from pricetime.demo.kafka.rates import Rates
from pricetime.demo.kafka.runner import Runner, State
from pricetime.demo.kafka.trader import Trader
from pricetime.demo.kafka.watch import Watch
from pricetime.demo.latency import Latency, Percentiles
from pricetime.demo.text import clock as shown
from pricetime.log.errors import LogFailed
from pricetime.log.kafka import KafkaLog

__all__ = ["Venue"]

PREFIX = "demo"
SETTINGS = {  # so that a run without an end does not fill the disk
    "log.segment.bytes": str(32 << 20),
    "log.retention.bytes": str(384 << 20),
    "log.retention.check.interval.ms": "20000",
}
OPEN_SECONDS = 120.0
TURN = 0.02  # seconds
SWITCH = 0.0005  # seconds that a thread may keep others from Python: they take the time

Stop = Callable[[], bool]


class Venue:
    """Four pairs over a Kafka of their own; at the end of the `with` nothing of it stays."""

    def __init__(
        self, seed: int, per_minute: int, seconds: float, keys: bool, say: Callable[[str], None]
    ) -> None:
        self.per_minute, self.seconds = per_minute, seconds
        self._seed, self._keys, self._say = seed, keys, say
        self._clock = Clock()
        self._news: list[str] = []
        self._rates = Rates()
        self._watches: dict[str, Watch] = {}
        self._stack = contextlib.ExitStack()
        self._ending = False
        self.runners: list[Runner] = []

    def __enter__(self) -> "Venue":
        with contextlib.ExitStack() as stack:
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(SWITCH)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pricetime-")))
            began = time.monotonic()
            self._say("starting a Kafka")
            self._cluster = Cluster(folder / "kafka", port=0, settings=SETTINGS)
            stack.callback(self._cluster.destroy)
            self._cluster.start()
            self._say(f"Kafka is ready after {time.monotonic() - began:.1f} s")
            url = f"kafka://{self._cluster.bootstrap}/{PREFIX}"
            self._connect(url, stack)
            for number, names in enumerate(RUNNERS, 1):
                watches = [self._watches[name] for name in names]
                runner = Runner(number, url, watches, folder, self._clock)
                stack.callback(runner.end)
                self.runners.append(runner)
            self._stack = stack.pop_all()
        return self

    def _connect(self, url: str, stack: contextlib.ExitStack) -> None:
        """Adds the pairs, and makes who sends and who reads."""
        log = KafkaLog(url)
        stack.callback(log.close)
        traders = {}
        for number, (name, definition) in enumerate(PAIRS.items()):
            log.add(name, definition.dump())
            traders[name] = Trader(definition, self._seed + number, self.per_minute, len(PAIRS))
            watch = Watch(log, name, definition, self._clock)
            stack.callback(watch.close)
            self._watches[name] = watch
        self._generator = Generator(log, traders, self._clock, self.seconds)
        stack.callback(self._generator.end)

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._generator.given_up = kind is not None
        for runner in self.runners:  # all at once; what is lost is of no more use
            runner.stop(signal.SIGKILL if kind else signal.SIGTERM)
        self._stack.close()

    def open(self, stop: Stop) -> None:
        """Fills the books and waits for the runners, then lets the time begin."""
        if stop():
            return
        self._say("filling the books")
        self._generator.open()
        for watch in self._watches.values():
            watch.start()
        end = time.monotonic() + OPEN_SECONDS
        opening = self._generator.opening
        while any(watch.command < opening[name] for name, watch in self._watches.items()):
            self.look()
            if time.monotonic() > end:
                raise LogFailed(f"the runners were not ready within {OPEN_SECONDS:.0f} s")
            if stop():
                return
            time.sleep(TURN)
        self._generator.start()
        for watch in self._watches.values():
            watch.meter.begin(self._generator.began)
        self.frame()  # rates count from here

    def kill(self, runner: Runner) -> None:
        """Kills a runner; it is started again at once."""
        self._tell(f"runner {runner.number} is killed")
        runner.kill()

    def look(self) -> None:
        """Looks after everything; raises what has gone wrong anywhere."""
        for watch in self._watches.values():
            _ = watch.running
        for runner in self.runners:
            if runner.look():
                seconds = runner.recoveries[-1]
                self._tell(f"runner {runner.number} has recovered in {seconds:.2f} s")
        if self._cluster.pid(1) is None:
            raise BrokerError(f"the broker has ended; {self._cluster.folder.last_words(1)}")

    def _tell(self, text: str) -> None:
        self._news.append(f"{shown(self._generator.elapsed / 1e9)}  {text}")

    def end(self) -> None:
        """Sends no more."""
        self._ending = True
        self._generator.stop.set()

    @property
    def ending(self) -> bool:
        """Whether no more is sent."""
        return self._ending or not self._generator.running

    @property
    def complete(self) -> bool:
        """Whether no more is sent, and all events of all commands have come."""
        if self._generator.running:
            return False
        for name, watch in self._watches.items():
            watch.total = self._generator.total(name)
        return not any([watch.running for watch in self._watches.values()])

    def frame(self) -> Frame:
        """What is known now."""
        now, generator, watches = self._clock.now(), self._generator, self._watches.values()
        counters = [generator.sent, *(watch.events for watch in watches)]
        rate, *rates = self._rates.look(now, counters)
        latencies = [watch.meter.latency(now) for watch in watches]
        joined = Latency.joined(latencies)
        seconds = [latency.second() for latency in latencies]
        return Frame(
            elapsed=generator.elapsed / 1e9,
            seconds=self.seconds,
            per_minute=self.per_minute,
            rate=rate,
            sent=generator.sent,
            behind=generator.behind,
            second=joined.second(),
            whole=joined.whole(),
            pairs=tuple(map(self._pair, watches, rates, seconds)),
            runners=tuple(_runner(runner) for runner in self.runners),
            news=tuple(self._news),
            ending=self.ending,
            keys=self._keys,
        )

    def _pair(self, watch: Watch, rate: float, second: Percentiles) -> PairFrame:
        price = watch.price
        return PairFrame(
            name=watch.name,
            price="" if price is None else f"{PAIRS[watch.name].instrument.price(price):f}",
            runner=next(each.number for each in self.runners if watch.name in each.names),
            rate=rate,
            events=watch.events,
            trades=watch.trades,
            silent=(self._clock.now() - watch.came) / 1e9,
            second=second,
        )


def _runner(runner: Runner) -> RunnerFrame:
    return RunnerFrame(
        number=runner.number,
        names=tuple(runner.names),
        pid=runner.pid,
        state=runner.state.value,
        waited=runner.waited if runner.state is State.RECOVERING else 0.0,
        kills=runner.kills,
        recoveries=tuple(runner.recoveries),
    )
