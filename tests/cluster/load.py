"""A client that sends commands at a steady rate, and writes down each that was acknowledged.

The loop is open: a command's time is when it was meant to be sent, whether or not the machine kept
up, and what is late is sent as soon as can be. It knows nothing of runners. Pairs take turns, so
that what is due of each comes at times of its own.
"""

import threading
import time
from typing import NamedTuple

import numpy as np
from pricetime._crc import crc32c
from pricetime.log.batch import NO_TOKENS, Commands, pack_commands
from pricetime.log.kafka import KafkaLog
from pricetime.records import COMMAND, TIF, Kind, OrderType, Side

__all__ = ["MESSAGE_MAX", "Acknowledged", "Load", "flow"]

TICK_SECONDS = 0.005  # what is due in it is one message for each pair
MESSAGE_MAX = 4096  # commands
LIFE_ORDERS = 8192  # at most so many new ones come before an order is cancelled


class Acknowledged(NamedTuple):
    """A message that the brokers have taken."""

    offset: int | None
    """None where a broker, asked once more after a failure, said no more than that it is there"""
    crc: int
    """CRC-32C of its bytes"""


def flow(count: int, seed: int) -> np.ndarray:
    """Orders about one price that trade now and then, and a cancel behind each, of one before; so a
    book of some thousand orders. Without times."""
    rng = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    orders, cancels = commands[0::2], commands[1::2]
    orders["kind"] = Kind.NEW
    orders["side"] = rng.choice([Side.BUY, Side.SELL], len(orders))
    orders["order_type"] = OrderType.LIMIT
    orders["tif"] = TIF.GTC
    orders["order_id"] = np.arange(1, count + 1, 2)
    orders["price"] = 10_000 + rng.integers(-50, 51, len(orders))
    orders["quantity"] = rng.integers(1, 100, len(orders))
    orders["account"] = rng.integers(1, 1000, len(orders))
    cancels["kind"] = Kind.CANCEL
    ends = np.arange(len(orders)) + rng.integers(0, LIFE_ORDERS, len(orders))
    # Each once, in the order in which they end; none before it is there.
    whom = np.argsort(ends, kind="stable")[: max(len(cancels) - LIFE_ORDERS, 0)]
    cancels["order_id"][LIFE_ORDERS:] = orders["order_id"][whom]
    return commands


class Load:
    """Sends to all pairs by turns from a thread, until it is stopped. `burst`: commands of a pair
    that are due at one time."""

    def __init__(
        self, log: KafkaLog, names: list[str], rate: float, seed: int, burst: int = 1
    ) -> None:
        self.names = names
        self.acknowledged: dict[str, list[Acknowledged]] = {name: [] for name in names}
        self.sent = dict.fromkeys(names, 0)  # commands
        self.failed: list[str] = []
        self._partitions = {name: log.map.pair(name).partition for name in names}
        self._topic = log.address.topic("commands")
        self._make = lambda: log.clients.producer(**{"linger.ms": 1})
        self._producer = self._make()
        self._renew = threading.Event()
        self._rate = rate / len(names)
        self._burst = burst
        self._filled = dict.fromkeys(names, 0)  # commands that came before the steady ones
        self._flows = [flow(1 << 20, seed + number) for number in range(min(len(names), 8))]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Load":
        self._thread.start()
        return self

    def renew(self) -> None:
        """Goes on with another producer, soon."""
        self._renew.set()

    def stop(self) -> None:
        """Sends no more, and waits until the brokers have all that was sent."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._flush()

    def _flush(self) -> None:
        waiting = self._producer.flush(120)
        assert not waiting, f"{waiting} messages were not acknowledged within 120 s"
        assert not self.failed, self.failed

    def prepare(self, name: str, count: int) -> list[bytes]:
        """Full messages of the first so many commands of a pair."""
        sizes = [min(count - begin, MESSAGE_MAX) for begin in range(0, count, MESSAGE_MAX)]
        now = time.time_ns()
        return [
            self._message(name, number * MESSAGE_MAX, np.full(size, now))
            for number, size in enumerate(sizes)
        ]

    def fill(self, name: str, count: int, messages: list[bytes]) -> None:
        """Sends what was prepared as fast as it is taken, before the steady commands."""
        for data in messages:
            self._produce(name, data)
        self.sent[name] = self._filled[name] = count
        self._flush()

    def _run(self) -> None:
        began = tick = time.monotonic()
        began_ns = time.time_ns()
        period = self._burst / self._rate
        ahead = {name: number / len(self.names) * period for number, name in enumerate(self.names)}
        while not self._stop.is_set():
            elapsed = time.monotonic() - began
            for name in self.names:
                bursts = int((elapsed + ahead[name]) / period)
                done = self.sent[name] - self._filled[name]
                count = min(bursts * self._burst - done, MESSAGE_MAX)
                if count > 0:
                    numbers = np.arange(done, done + count) // self._burst
                    due = (numbers + 1) * period - ahead[name]
                    times = began_ns + (due * 1e9).astype(np.int64)
                    self._produce(name, self._message(name, self.sent[name], times))
                    self.sent[name] += count
            tick = max(tick + TICK_SECONDS, time.monotonic())
            while (rest := tick - time.monotonic()) > 0:  # acknowledgements end it before
                self._producer.poll(rest)
            if self._renew.is_set():
                self._renew.clear()
                self._flush()
                self._producer = self._make()

    def _message(self, name: str, begin: int, times: np.ndarray) -> bytes:
        """The commands of a pair behind its first `begin`, due at these times (ns)."""
        source = self._flows[self._partitions[name] % len(self._flows)]
        numbers = np.arange(begin, begin + len(times))
        commands = source[numbers % len(source)]
        # Round after round the same flow, with ids of its own.
        commands["order_id"] += (numbers // len(source) * len(source)).astype(np.uint64)
        commands["timestamp"] = times
        return pack_commands(name, Commands(commands, NO_TOKENS, 0))

    def _produce(self, name: str, data: bytes) -> None:
        acknowledged, crc = self.acknowledged[name], crc32c(data)

        def arrived(error, message):
            if error is not None:
                self.failed.append(error.str())
            else:
                acknowledged.append(Acknowledged(message.offset(), crc))

        while True:
            try:
                self._producer.produce(
                    self._topic, data, partition=self._partitions[name], on_delivery=arrived
                )
                break
            except BufferError:
                self._producer.poll(0.01)
