"""Sends the commands of all pairs as an open loop: each when it is due, whether or not anything
else keeps up. What is late is sent as soon as can be, and its latency counts from when it was due.
"""

from confluent_kafka import KafkaError, Message

from pricetime.demo.kafka.clock import Clock
from pricetime.demo.kafka.task import Task
from pricetime.demo.kafka.trader import Trader
from pricetime.log.batch import NO_TOKENS, Commands, Records, pack_commands
from pricetime.log.kafka import KafkaLog
from pricetime.log.kafka.client import failure

__all__ = ["Generator"]

TICK = 0.005  # seconds between two looks at what is due
MESSAGE_MAX = 4096  # commands
GRACE = 1.0  # seconds behind its end in which it may still catch up


def _arrived(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise failure(error, f"commands for {message.topic()}")


class Generator(Task):
    """Sends through a log that nobody else writes to meanwhile; for so many seconds, 0: until it is
    told to stop."""

    def __init__(
        self, log: KafkaLog, traders: dict[str, Trader], clock: Clock, seconds: float
    ) -> None:
        super().__init__("generator")
        self.opening: dict[str, int] = {}
        """commands that filled each book"""
        self.given_up = False
        """whether it need not wait for the brokers at its end"""
        self._log, self._traders, self._clock, self._seconds = log, traders, clock, seconds
        self.began = 0
        """when it did (ns); 0: not yet"""
        self._ended: int | None = None  # ns since then

    def open(self) -> None:
        """Fills all books."""
        for name, trader in self._traders.items():
            self.opening[name] = 0
            for commands in trader.open(self._clock.now()):
                self._send(name, commands)
                self.opening[name] += len(commands)
        self._log.commit()

    def start(self) -> None:
        self.began = self._clock.now()
        for number, trader in enumerate(self._traders.values()):
            trader.begin(self.began, (number + 1) / len(self._traders))
        super().start()

    def work(self) -> None:
        """Sends until the end, and until the brokers have it all."""
        while not self.stop.wait(TICK) and self._turn():
            self._log.output.poll()
        self._ended = self.elapsed
        if not self.given_up:
            self._log.commit()

    def _turn(self) -> bool:
        """Sends what is due; whether more will be."""
        elapsed, late = self.elapsed, self.seconds - self._seconds
        over = bool(self._seconds) and late >= 0
        for name, trader in self._traders.items():
            due = min(trader.due(self.began + elapsed) - trader.given, MESSAGE_MAX)
            if due > 0:
                self._send(name, trader.take(due))
        return not over or (self.behind > 0 and late < GRACE)

    def _send(self, name: str, commands: Records) -> None:
        data = pack_commands(name, Commands(commands, NO_TOKENS, 0))
        self._log.send("commands", self._log.map.pair(name).partition, data, _arrived)

    @property
    def elapsed(self) -> int:
        """ns since it began, up to its end."""
        if self._ended is not None or not self.began:
            return self._ended or 0
        passed = self._clock.now() - self.began
        return min(passed, round(self._seconds * 1e9)) if self._seconds else passed

    @property
    def seconds(self) -> float:
        """Since it began."""
        return (self._clock.now() - self.began) / 1e9 if self.began else 0.0

    @property
    def sent(self) -> int:
        """Commands, without those that filled the books."""
        return sum(trader.given for trader in self._traders.values())

    @property
    def behind(self) -> int:
        """Commands that were due and have not been sent."""
        now = self.began + self.elapsed
        return sum(max(t.due(now) - t.given, 0) for t in self._traders.values())

    def total(self, name: str) -> int:
        """Commands of a pair, all in all."""
        return self.opening[name] + self._traders[name].given
