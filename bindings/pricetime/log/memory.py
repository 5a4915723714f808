"""A log in memory: for tests, simulations, and venues that may forget.

It keeps batches as the bytes that a file would hold, so that what works here has been packed and
unpacked as everywhere.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

from pricetime.log.batch import (
    Commands,
    Events,
    Part,
    Records,
    cut_events,
    pack_commands,
    pack_events,
    pack_part,
    unpack_commands,
    unpack_events,
    unpack_part,
)
from pricetime.log.errors import LogDamaged, LogError, LogTrimmed
from pricetime.log.protocol import CHECKPOINTS_KEPT, Tail

__all__ = ["MemoryLog"]


class _Stored(NamedTuple):
    end: int  # position of commands, last sequence of events
    data: bytes


def _end(stored: _Stored) -> int:
    return stored.end


class _State(NamedTuple):
    """How far an instrument is. It is replaced and never changed, so the one committed stays."""

    end: int  # position behind the last command
    tail: Tail
    head: Tail
    parts: dict[int, tuple[bytes, ...]]  # of checkpoints, by position; b"": not there yet

    def checkpoints(self) -> list[int]:
        return sorted((at for at, parts in self.parts.items() if all(parts)), reverse=True)

    def with_checkpoints_from(self, position: int, *others: int) -> "_State":
        """The state without the checkpoints before a position, but for some others."""
        kept = {at: parts for at, parts in self.parts.items() if at >= position or at in others}
        return self._replace(parts=kept)


class _Lane:
    """All of one instrument: what is committed, and behind it what is not yet."""

    def __init__(self, name: str, definition: str, lock: Lock) -> None:
        self.name = name
        self.definition = definition
        self.lock = lock
        self.added = False  # whether its being there is committed
        self.commands_stored: list[_Stored] = []
        self.events_stored: list[_Stored] = []
        self.state = self.kept = _State(0, Tail(0, 0), Tail(0, 0), {})

    def commit(self) -> None:
        self.added = True
        self.kept = self.state
        position, sequence = self.kept.head.position, self.kept.head.sequence
        del self.commands_stored[: bisect_right(self.commands_stored, position, key=_end)]
        del self.events_stored[: bisect_right(self.events_stored, sequence, key=_end)]

    def rollback(self) -> None:
        self.state = self.kept
        position, sequence = self.kept.end, self.kept.tail.sequence
        del self.commands_stored[bisect_right(self.commands_stored, position, key=_end) :]
        del self.events_stored[bisect_right(self.events_stored, sequence, key=_end) :]

    # --- Stream

    def append(self, records: Records, tokens: Records) -> None:
        first = self.state.end
        batch = Commands(records, tokens, first + len(records))
        data = pack_commands(self.name, batch, first)
        self.commands_stored.append(_Stored(batch.position, data))
        self.state = self.state._replace(end=batch.position)

    def read(self, position: int) -> Iterator[Commands]:
        return self.commands_in(self.state, position)

    def publish(self, batch: Events) -> None:
        self.events_stored.append(_Stored(batch.last, pack_events(self.name, batch)))
        self.state = self.state._replace(tail=Tail(batch.last, batch.position))

    def published(self, after: int) -> Iterator[Events]:
        return self.events_in(self.state, after)

    def tail(self) -> Tail:
        return self.state.tail

    def checkpoints(self) -> list[int]:
        return self.state.checkpoints()

    def checkpoint(self, position: int) -> bytes:
        return self.checkpoint_in(self.state, position)

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        whole = list(self.state.parts.get(position, (b"",) * parts))
        whole[number] = pack_part(self.name, Part(data, number, parts, position))
        self.state = self.state._replace(parts={**self.state.parts, position: tuple(whole)})
        if number == parts - 1:
            oldest = self.state.checkpoints()[:CHECKPOINTS_KEPT][-1]
            # What is stored can be replayed from its head only while the one there is kept.
            self.state = self.state.with_checkpoints_from(oldest, self.state.head.position)

    def trim(self, position: int, sequence: int) -> bool:
        before = self.state
        commands = self.commands_stored[: bisect_right(self.commands_stored, position, key=_end)]
        events = self.events_stored[: bisect_right(self.events_stored, sequence, key=_end)]
        head = Tail(
            max([before.head.sequence, *(stored.end for stored in events[-1:])]),
            max([before.head.position, *(stored.end for stored in commands[-1:])]),
        )
        self.state = before._replace(head=head).with_checkpoints_from(head.position)
        return head != before.head

    # --- what both sides read

    def commands_in(self, state: _State, position: int) -> Iterator[Commands]:
        with self.lock:
            self._check_head("commands", position, state.head.position, self.kept.head.position)
            begin = bisect_right(self.commands_stored, position, key=_end)
            end = bisect_right(self.commands_stored, state.end, key=_end)
            batches = self.commands_stored[begin:end]
        for at, data in batches:
            yield unpack_commands(data, self.name, f"commands of {self.name} up to {at}")

    def events_in(self, state: _State, after: int) -> Iterator[Events]:
        with self.lock:
            self._check_head("events", after, state.head.sequence, self.kept.head.sequence)
            begin = bisect_left(self.events_stored, after + 1, key=_end)
            end = bisect_right(self.events_stored, state.tail.sequence, key=_end)
            batches = self.events_stored[begin:end]
        for last, data in batches:
            batch = unpack_events(data, self.name, f"events of {self.name} up to {last}")
            yield cut_events(batch, after)

    def _check_head(self, what: str, after: int, *heads: int) -> None:
        """Raises LogTrimmed where what comes after a place was trimmed, then or since."""
        if after < (head := max(heads)):
            raise LogTrimmed(
                f"{what} of {self.name} begin at {head + 1}: those before were trimmed, look in "
                "their archive"
            )

    def checkpoint_in(self, state: _State, position: int) -> bytes:
        where = f"checkpoint of {self.name} at {position}"
        parts = state.parts.get(position, ())
        if not parts or not all(parts):
            raise LogDamaged(f"{where}: it is not there, or not all of it")
        return b"".join(unpack_part(part, self.name, where).data for part in parts)


class MemoryLog:
    """A log that lives as long as the object; `commit` costs nothing and keeps nothing safe."""

    embedded = True

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._lock = Lock()

    def instruments(self) -> dict[str, str]:
        return {name: lane.definition for name, lane in self._lanes.items()}

    def add(self, name: str, definition: str) -> None:
        if name in self._lanes:
            raise LogError(f"{name} is there already")
        self._lanes[name] = _Lane(name, definition, self._lock)

    def stream(self, name: str) -> _Lane:
        return self._lanes[name]

    def commit(self) -> None:
        with self._lock:
            for lane in self._lanes.values():
                lane.commit()

    def rollback(self) -> None:
        with self._lock:
            for name in [name for name, lane in self._lanes.items() if not lane.added]:
                del self._lanes[name]
            for lane in self._lanes.values():
                lane.rollback()

    def reader(self) -> "MemoryReader":
        return MemoryReader(self._lanes)

    def close(self) -> None:
        self.rollback()


class MemoryReader:
    """Reads what is committed of a MemoryLog, from any thread."""

    def __init__(self, lanes: dict[str, _Lane]) -> None:
        self._lanes = lanes  # those of the log

    def _lane(self, name: str) -> _Lane:
        lane = self._lanes.get(name)
        if lane is None or not lane.added:
            known = ", ".join(self.instruments()) or "none"
            raise LogError(f"the log has no instrument {name!r}; it has {known}")
        return lane

    def instruments(self) -> dict[str, str]:
        lanes = list(self._lanes.items())
        return {name: lane.definition for name, lane in lanes if lane.added}

    def commands(self, name: str, position: int) -> Iterator[Commands]:
        lane = self._lane(name)
        return lane.commands_in(lane.kept, position)

    def events(self, name: str, after: int) -> Iterator[Events]:
        lane = self._lane(name)
        return lane.events_in(lane.kept, after)

    def head(self, name: str) -> Tail:
        return self._lane(name).kept.head

    def tail(self, name: str) -> Tail:
        return self._lane(name).kept.tail

    def checkpoints(self, name: str) -> list[int]:
        return self._lane(name).kept.checkpoints()

    def checkpoint(self, name: str, position: int) -> bytes:
        lane = self._lane(name)
        return lane.checkpoint_in(lane.kept, position)

    def close(self) -> None:
        pass
