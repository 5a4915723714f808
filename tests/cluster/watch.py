"""A client that reads the events of all pairs, each once, and when it had them."""

import threading
import time
from collections import defaultdict

import numpy as np
from pricetime._crc import crc32c
from pricetime.log.batch import Events, records_bytes
from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaLog, KafkaReader
from pricetime.log.kafka.intake import Intake
from pricetime.log.kafka.message import events_of
from pricetime.records import EventKind

__all__ = ["PlainWatch", "Watch"]


class Seen:
    """What a client was given."""

    def __init__(self, names: list[str]) -> None:
        self.crc = dict.fromkeys(names, 0)
        """CRC-32C of the bytes of all events: to keep them would cost more than to read them"""
        self.last = dict.fromkeys(names, 0)  # sequence
        self.commands = dict.fromkeys(names, 0)  # number of the last one heard of
        self.arrivals: dict[str, list[tuple[float, int]]] = defaultdict(list)
        """(time.monotonic(), events) of each batch"""
        self.latencies: dict[str, list[np.ndarray]] = defaultdict(list)
        """ns from a command's time to its event being here"""
        self.errors: list[str] = []

    def note(self, name: str, batch: Events) -> None:
        """That the next events of a pair have just come."""
        now, now_ns = time.monotonic(), time.time_ns()
        records = batch.records
        self.crc[name] = crc32c(records_bytes(records), self.crc[name])
        self.arrivals[name].append((now, len(records)))
        times = records["timestamp"][records["kind"] != EventKind.TRADE]
        self.latencies[name].append(now_ns - times.astype(np.int64))
        self.last[name] = batch.last
        self.commands[name] = int(records["command"][-1])

    def await_commands(self, counts: dict[str, int], seconds: float) -> None:
        """Until the events of so many commands of each pair have come."""
        end = time.monotonic() + seconds
        while any(self.commands[name] < count for name, count in counts.items()):
            assert not self.errors, self.errors
            missing = {n: (self.commands[n], c) for n, c in counts.items() if self.commands[n] < c}
            assert time.monotonic() < end, f"events are missing: (have, of) {missing}"
            time.sleep(0.02)

    def pauses(self, moments: list[float], within: float) -> list[float]:
        """For each moment the longest time without an event of some pair behind it, in seconds."""
        found = []
        for moment in moments:
            longest = 0.0
            for arrivals in self.arrivals.values():
                times = np.array([at for at, _ in arrivals])
                end = min(moment + within, times[-1])
                part = times[(times > moment) & (times < end)]
                if end > moment:
                    longest = max(longest, float(np.diff([moment, *part, end]).max()))
            found.append(longest)
        return found


class Watch(Seen):
    """Follows some pairs by the product's reader, from a thread each."""

    def __init__(self, url: str, names: list[str]) -> None:
        super().__init__(names)
        self._reader = KafkaReader(url)
        self._stop = threading.Event()
        self._renewed = 0  # times that all followers were to begin anew
        self._threads = [
            threading.Thread(target=self._watch, args=(name,), daemon=True) for name in names
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, name: str) -> None:
        while not self._stop.is_set() and not self.errors:
            self._follow(name, self._reader.follow(name, self.last[name]), self._renewed)

    def _follow(self, name: str, follower, renewed: int) -> None:
        try:
            while not self._stop.is_set() and renewed == self._renewed:
                for batch in follower.poll(0.1):
                    self.note(name, batch)
        except LogError as error:
            self.errors.append(f"{name}: {error}")
        finally:
            follower.partition.close()

    def renew(self) -> None:
        """Goes on with other consumers, soon."""
        self._renewed += 1

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._reader.close()
        assert not self.errors, self.errors


class PlainWatch(Seen):
    """Follows any number of pairs from one thread; nobody publishes twice here."""

    def __init__(self, log: KafkaLog, names: list[str]) -> None:
        super().__init__(names)
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        topic = self._log.address.topic("events")
        names = {self._log.map.pair(name).partition: name for name in self.last}
        intake = Intake(self._log.clients, topic)
        for number in names:
            intake.assign(number, 0)
        while not self._stop.is_set():
            for message in intake.receive(0.1):
                name = names[message.partition()]
                batch = events_of(message, name, topic)
                if batch.first != self.last[name] + 1:
                    self.errors.append(f"{name}: {batch.first} comes after {self.last[name]}")
                    return
                self.note(name, batch)
        intake.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.errors, self.errors
