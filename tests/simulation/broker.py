"""A log as a broker keeps it: commands, events and checkpoints in topics, far from who writes them.

What is sent arrives later, or twice, or not at all, and whoever sent it may never learn which; what
has arrived is seen by some before others. Several runners publish the events of one book: a topic
may have them more than once, but never otherwise and never with a gap. That is checked here, as
each message arrives.
"""

from collections.abc import Callable, Iterator
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
from pricetime.log.errors import LogDamaged, LogTrimmed, OutcomeUnknown
from pricetime.log.protocol import Tail

from .faults import Faults
from .truth import require

__all__ = ["Broker", "BrokerLog", "BrokerReader", "Message"]

Trouble = Callable[[str], bool]
"""Whether something of that name goes wrong now; may raise Crash."""


class Topics:
    """All of one instrument: topics of commands and events, and a table of checkpoints."""

    def __init__(self, name: str, faults: Faults) -> None:
        self.name = name
        self.faults = faults
        self.base = 0  # offset of the first command message that is kept
        self.commands: list[bytes] = []
        self.events: list[bytes] = []
        self.parts: dict[int, list[bytes]] = {}  # of checkpoints, by position; b"": not there yet
        self.standing: list[Events] = []  # events without those that came before

    @property
    def end(self) -> int:
        return self.base + len(self.commands)

    @property
    def tail(self) -> Tail:
        if not self.standing:
            return Tail(0, 0)
        return Tail(self.standing[-1].last, self.standing[-1].position)

    def arrive(self, data: bytes) -> None:
        """A message of events is at the end of its topic from now on."""
        self.events.append(data)
        batch = unpack_events(data, self.name, "a message")
        last = self.tail.sequence
        require(batch.first <= last + 1, self.name, "after", last, "is published", batch.first)
        if batch.first <= last:
            self.faults["events come twice"] += 1
            self.check_again(batch)
        if batch.last > last:
            self.standing.append(cut_events(batch, last))

    def check_again(self, batch: Events) -> None:
        """What was published before is now the same."""
        for old in reversed(self.standing):
            if old.last < batch.first:
                break
            begin, end = max(old.first, batch.first), min(old.last, batch.last)
            if begin <= end:
                ours = old.records[begin - old.first : end - old.first + 1]
                theirs = batch.records[begin - batch.first : end - batch.first + 1]
                same = ours.tobytes() == theirs.tobytes()
                require(same, self.name, "events", begin, "to", end, "are published otherwise")

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        """Stores a part of a checkpoint; that of another runner is the same."""
        whole = self.parts.setdefault(position, [b""] * parts)
        require(len(whole) == parts, self.name, "a checkpoint has another size")
        whole[number] = data

    def complete(self) -> list[int]:
        return sorted((at for at, parts in self.parts.items() if all(parts)), reverse=True)

    def checkpoint(self, position: int) -> bytes:
        where = f"checkpoint of {self.name} at {position}"
        found = [unpack_part(data, self.name, where) for data in self.parts[position]]
        if any(part.position != position for part in found):
            raise LogDamaged(f"{where}: a part belongs to another position")
        return b"".join(part.data for part in found)

    def read(self, position: int, end: Callable[[], int]) -> Iterator[Commands]:
        """The messages after a position, up to an end that may move."""
        if position < self.base:
            raise LogTrimmed(f"commands of {self.name} begin at {self.base}")
        while position < end():
            where = f"commands of {self.name} at {position}"
            batch = unpack_commands(self.commands[position - self.base], self.name, where)
            position += 1
            yield batch._replace(position=position)


class Broker:
    """The topics of all instruments."""

    def __init__(self, names: list[str], faults: Faults) -> None:
        self.topics = {name: Topics(name, faults) for name in names}


class Message(NamedTuple):
    """Something on its way to a topic."""

    topics: Topics
    sort: str
    """append, publish or store"""
    arrive: Callable[[], None]


class BrokerLog:
    """One client's side of the log: what it has sent, and what it is shown."""

    def __init__(self, broker: Broker, trouble: Trouble) -> None:
        self.broker = broker
        self.trouble = trouble
        self.sent: list[Message] = []  # in the order in which it will arrive
        self.shown = {name: topics.end for name, topics in broker.topics.items()}

    def instruments(self) -> dict[str, str]:
        return dict.fromkeys(self.broker.topics, "")

    def add(self, name: str, definition: str) -> None:
        raise NotImplementedError("instruments are there from the start")

    def stream(self, name: str) -> "BrokerStream":
        return BrokerStream(self, self.broker.topics[name])

    def deliver(self, count: int) -> None:
        """The first of what was sent arrives."""
        for _ in range(count):
            self.sent.pop(0).arrive()

    def commit(self) -> None:
        self.trouble("crash before a commit")
        while self.sent:
            sort = self.sent[0].sort
            if self.trouble(f"{sort} fails"):
                raise OutcomeUnknown(f"{sort} was not acknowledged")
            self.deliver(1)
            if self.trouble(f"{sort} fails, and has happened"):
                raise OutcomeUnknown(f"{sort} was not acknowledged")
        self.trouble("crash after a commit")

    def rollback(self) -> None:
        self.sent.clear()

    def reader(self) -> "BrokerReader":
        return BrokerReader(self.broker)

    def close(self) -> None:
        self.rollback()


class BrokerStream:
    """One client's side of one instrument."""

    def __init__(self, log: BrokerLog, topics: Topics) -> None:
        self.log = log
        self.topics = topics
        self.name = topics.name

    def send(self, sort: str, arrive: Callable[[], None]) -> None:
        self.log.trouble(f"crash before a {sort}")
        self.log.sent.append(Message(self.topics, sort, arrive))
        if self.log.trouble("sent at once"):
            self.log.deliver(len(self.log.sent))
        self.log.trouble(f"crash after a {sort}")

    # --- Stream

    def append(self, records: Records, tokens: Records) -> None:
        data = pack_commands(self.name, Commands(records, tokens, 0))
        self.send("append", lambda: self.topics.commands.append(data))

    def read(self, position: int) -> Iterator[Commands]:
        def end() -> int:
            self.log.trouble("crash before a read")
            return self.log.shown[self.name]

        return self.topics.read(position, end)

    def publish(self, batch: Events) -> None:
        data = pack_events(self.name, batch)
        self.send("publish", lambda: self.topics.arrive(data))

    def published(self, after: int) -> Iterator[Events]:
        for batch in list(self.topics.standing):
            if batch.last > after:
                yield cut_events(batch, after)

    def tail(self) -> Tail:
        return self.topics.tail

    def checkpoints(self) -> list[int]:
        return self.topics.complete()

    def checkpoint(self, position: int) -> bytes:
        return self.topics.checkpoint(position)

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        part = pack_part(self.name, Part(data, number, parts, position))
        self.send("store", lambda: self.topics.store(position, parts, number, part))

    def trim(self, position: int, sequence: int) -> bool:
        topics = self.topics
        begin = max(position, topics.base)
        del topics.commands[: begin - topics.base]
        topics.base = begin
        for old in [at for at in topics.parts if at < begin]:
            del topics.parts[old]
        return False


class BrokerReader:
    """Reads the topics as they arrived, up to what it is shown, and drops what it has seen."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.shown = dict.fromkeys(broker.topics, 0)  # messages of events
        self.places = dict.fromkeys(broker.topics, (0, 0))  # message and last event read

    def instruments(self) -> dict[str, str]:
        return dict.fromkeys(self.broker.topics, "")

    def commands(self, name: str, position: int) -> Iterator[Commands]:
        topics = self.broker.topics[name]
        return topics.read(position, lambda: topics.end)

    def events(self, name: str, after: int) -> Iterator[Events]:
        topics = self.broker.topics[name]
        at, last = self.places[name]
        if last != after:
            at, last = 0, 0
        while at < self.shown[name]:
            batch = unpack_events(topics.events[at], name, f"events of {name}, message {at}")
            at += 1
            if batch.last > max(last, after):
                yield cut_events(batch, max(last, after))
            last = max(last, batch.last)
            self.places[name] = at, last

    def head(self, name: str) -> Tail:
        return Tail(0, self.broker.topics[name].base)

    def tail(self, name: str) -> Tail:
        return self.broker.topics[name].tail

    def checkpoints(self, name: str) -> list[int]:
        return self.broker.topics[name].complete()

    def checkpoint(self, name: str, position: int) -> bytes:
        return self.broker.topics[name].checkpoint(position)

    def close(self) -> None:
        """Nothing is held."""
