"""A client that reads the events of all pairs, each once, and when it had them."""

import threading
import time
from collections import defaultdict

import numpy as np
from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaReader
from pricetime.records import EventKind

__all__ = ["Watch"]


class Watch:
    """Follows some pairs, from a thread each; keeps all that it is given."""

    def __init__(self, url: str, names: list[str]) -> None:
        self.events: dict[str, list[bytes]] = {name: [] for name in names}
        self.last = dict.fromkeys(names, 0)  # sequence
        self.commands = dict.fromkeys(names, 0)  # number of the last one heard of
        self.arrivals: dict[str, list[tuple[float, int]]] = defaultdict(list)
        """(time.monotonic(), events) of each batch"""
        self.latencies: list[np.ndarray] = []
        """ns from a command's time to its event being here"""
        self.errors: list[str] = []
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
                    now, now_ns = time.monotonic(), time.time_ns()
                    records = batch.records
                    self.events[name].append(records.tobytes())
                    self.arrivals[name].append((now, len(records)))
                    own = records[records["kind"] != EventKind.TRADE]
                    self.latencies.append(now_ns - own["timestamp"].astype(np.int64))
                    self.last[name] = batch.last
                    self.commands[name] = int(records["command"][-1])
        except LogError as error:
            self.errors.append(f"{name}: {error}")
        finally:
            follower.partition.close()

    def await_commands(self, counts: dict[str, int], seconds: float) -> None:
        """Until the events of so many commands of each pair have come."""
        end = time.monotonic() + seconds
        while any(self.commands[name] < count for name, count in counts.items()):
            assert not self.errors, self.errors
            missing = {n: (self.commands[n], c) for n, c in counts.items() if self.commands[n] < c}
            assert time.monotonic() < end, f"events are missing: (have, of) {missing}"
            time.sleep(0.02)

    def renew(self) -> None:
        """Goes on with other consumers, soon."""
        self._renewed += 1

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._reader.close()
        assert not self.errors, self.errors

    def pauses(self, moments: list[float], within: float) -> list[float]:
        """For each moment the longest time without an event of some pair behind it, in seconds."""
        found = []
        for moment in moments:
            longest = 0.0
            for arrivals in self.arrivals.values():
                times = np.array([at for at, _ in arrivals])
                part = times[(times > moment - 1) & (times < moment + within)]
                if len(part) > 1:
                    longest = max(longest, float(np.diff(part).max()))
            found.append(longest)
        return found
