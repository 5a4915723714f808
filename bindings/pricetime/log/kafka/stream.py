"""One pair's side of a log on Kafka: where its runner reads, publishes and stores."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaError, Message

from pricetime.log.batch import (
    HEADER_BYTES,
    NO_TOKENS,
    TOKEN,
    Commands,
    Events,
    Part,
    Records,
    pack_commands,
    pack_events,
    pack_part,
    records_bytes,
)
from pricetime.log.errors import LogDamaged, LogError
from pricetime.log.kafka.client import COMPLAINT_SECONDS, MESSAGE_BYTES_MAX, failure
from pricetime.log.kafka.follow import Follower, find_tail
from pricetime.log.kafka.message import body, commands_of, events_of
from pricetime.log.kafka.output import Output
from pricetime.log.kafka.pairs import Pair
from pricetime.log.kafka.saves import Save, Saves, arrived, save_key
from pricetime.log.protocol import CHECKPOINTS_KEPT, Tail
from pricetime.records import COMMAND, EVENT

if TYPE_CHECKING:
    from pricetime.log.kafka.kafka import KafkaLog

__all__ = ["COMMANDS_MAX", "EVENTS_MAX", "KafkaStream"]

ROOM_BYTES = MESSAGE_BYTES_MAX - HEADER_BYTES - 1000  # of a message, without what Kafka adds
COMMANDS_MAX = ROOM_BYTES // COMMAND.itemsize
"""Most commands of one message, if none has a token."""
EVENTS_MAX = ROOM_BYTES // EVENT.itemsize
"""Most events of one message; a batch with more is published in several."""
JOINED_MAX = 4096  # commands of small messages that become one batch

logger = logging.getLogger("pricetime")


class KafkaStream:
    """The write side of one pair, for one thread.

    At first it reads with consumers of its own, up to where the log ends at the time: that is how
    its book recovers. `go_live` then has it take what is `delivered` to it.
    """

    def __init__(self, log: "KafkaLog", pair: Pair) -> None:
        self.log = log
        self.pair = pair
        self.name = pair.name
        self.error: LogError | None = None
        """why something that was sent did not arrive; the stream is of no more use then"""
        self.output = log.output
        """of events"""
        if log.delivery == "transactional":
            # Fences the runner before us: what it has not committed by now will never be seen.
            self.output = Output(log.clients, f"{log.address.prefix}.{pair.name}")
        self.waiting_bytes = 0
        """of commands that were delivered and not read"""
        self.sent_bytes = 0
        """of events that have not arrived yet"""
        self._closed = False
        self._live: deque[Message] | None = None
        self._commands = log.partition("commands", pair)
        self._events = log.partition("events", pair)
        self._saves = Saves(log.partition("checkpoints", pair), pair.name)
        self._storing: list[int] = []  # offsets of the parts of the checkpoint being stored
        self._key = b""  # of them
        self.quarantined = 0
        """messages that were no commands"""
        self._warned_at = 0.0  # time.monotonic() at which one was told last
        try:
            self._whole = self._saves.whole()  # checkpoints, the newest first
            self._tail = find_tail(self._events, self.name, arrived(self._whole))
        except BaseException:
            self.close()
            raise
        self.arrived = self._tail.sequence
        """the last event that has arrived, of ours or of those before us"""
        self.overtaken = False
        """whether another has published among what arrived since this was set to False"""
        self._next_offset = -1  # of the events' partition, behind what arrived last; -1: not known

    # --- live

    def go_live(self) -> None:
        """Reads what is delivered from now on."""
        self._live = deque()
        self._close_partitions()

    def _close_partitions(self) -> None:
        for partition in (self._commands, self._events, self._saves.partition):
            partition.close()

    def deliver(self, message: Message) -> None:
        """Lets a message of commands wait to be read."""
        assert self._live is not None, "it must be live"
        self._live.append(message)
        self.waiting_bytes += len(message)

    @property
    def waiting(self) -> int:
        """Messages of commands that were delivered and not read."""
        return len(self._live or ())

    # --- Stream

    def append(self, records: Records, tokens: Records) -> None:
        room = COMMANDS_MAX - len(tokens) * TOKEN.itemsize // COMMAND.itemsize
        if len(tokens) and len(records) > room:
            raise LogError(
                f"{len(records)} commands with {len(tokens)} tokens make more than a message of "
                f"{MESSAGE_BYTES_MAX} bytes: {room} do not; append fewer at a time"
            )
        for begin in range(0, len(records), COMMANDS_MAX):
            part = records[begin : begin + COMMANDS_MAX]
            data = pack_commands(self.name, Commands(part, tokens, 0))
            self.log.send("commands", self.pair.partition, data, self._came)

    def read(self, position: int) -> Iterator[Commands]:
        messages = self._commands.read(position) if self._live is None else self._delivered()
        return joined(self._unpack(messages))

    def _delivered(self) -> Iterator[Message]:
        while self._live:
            message = self._live.popleft()
            self.waiting_bytes -= len(message)
            yield message

    def _unpack(self, messages: Iterator[Message]) -> Iterator[Commands]:
        """The commands of messages. What is damaged is the same for all runners, and left out."""
        for message in messages:
            try:
                batch = commands_of(message, self.name, self._commands.where)
            except LogDamaged as error:
                offset = message.offset() or 0
                self.log.quarantine(self.pair, offset, body(message), str(error))
                self._warn(error)
                batch = Commands(np.empty(0, COMMAND), NO_TOKENS, offset + 1)
            yield batch

    def _warn(self, error: LogDamaged) -> None:
        """Tells of what is in quarantine: of many now and then, as each costs more than it."""
        before, now = self.quarantined, time.monotonic()
        self.quarantined += 1
        if not before or now - self._warned_at > COMPLAINT_SECONDS:
            self._warned_at = now
            others = f" like {before:,} before it" if before else ""
            logger.warning("%s; it is in quarantine%s, the pair goes on", error, others)

    def publish(self, batch: Events) -> None:
        before = self._tail.position
        count = len(batch.records)
        for begin in range(0, count, EVENTS_MAX):
            records = batch.records[begin : begin + EVENTS_MAX]
            part = Events(records, before, "")
            if begin + EVENTS_MAX >= count:
                part = part._replace(position=batch.position, digest=batch.digest)
            self._publish(part)
        self._tail = Tail(batch.last, batch.position)

    def _publish(self, part: Events) -> None:
        data = pack_events(self.name, part)
        last = part.last

        def came(error: KafkaError | None, message: Message) -> None:
            self._on_their_way(-len(data))
            if error is None:
                self._arrived(last, message.offset())
            else:
                self._came(error, message)

        self._on_their_way(len(data))
        topic = self.log.address.topic("events")
        self.output.send(topic, self.pair.partition, data, came)

    def _on_their_way(self, more: int) -> None:
        """Counts bytes of events; another thread than the one that polls may be recovering us."""
        with self.log.lock:
            if not self._closed:
                self.sent_bytes += more
                self.log.sent_bytes += more

    def _arrived(self, sequence: int, offset: int | None) -> None:
        """`offset`: None where a broker that was asked again said only that it has it."""
        self.arrived = sequence
        if offset is not None and 0 <= self._next_offset != offset:
            self.overtaken = True
        self._next_offset = -1 if offset is None else offset + 1

    def settle(self) -> None:
        """Has all events arrive, and makes them visible; raises LogError where some did not."""
        if self.output is not self.log.output:
            self.output.commit()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Gives up what has not arrived."""
        with self.log.lock:
            self.log.sent_bytes -= self.sent_bytes
            self.sent_bytes, self._closed = 0, True
        self._close_partitions()
        if self.output is not self.log.output:
            self.output.close()

    def _came(self, error: KafkaError | None, message: Message) -> None:
        """Is told what became of a message."""
        if error is not None and self.error is None:
            self.error = failure(error, f"{message.topic()}, partition {message.partition()}")

    def published(self, after: int) -> Iterator[Events]:
        return Follower(self._events, self.name, after).to_the_end(self.arrived)

    def tail(self) -> Tail:
        return self._tail

    def checkpoints(self) -> list[int]:
        return [save.position for save in self._whole]

    def checkpoint(self, position: int) -> bytes:
        for save in self._whole:
            if save.position == position:
                return self._saves.load(save)
        raise LogDamaged(f"checkpoint of {self.name} at {position}: it is not there")

    def store(self, position: int, parts: int, number: int, data: bytes) -> None:
        packed = pack_part(self.name, Part(data, number, parts, position))
        if number == 0:
            self._storing = []
            self._key = save_key(position, self.log.writer, self.arrived)
        offsets, key = self._storing, self._key

        def came(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._came(error, message)
                return
            offset = message.offset()
            if offset is not None:  # else the next checkpoint has those before it dropped
                offsets.append(offset)
            if len(offsets) == parts:
                self._stored(Save(position, offsets[0], offsets[-1] + 1, key))

        self.log.send("checkpoints", self.pair.partition, packed, came, key)

    def _stored(self, save: Save) -> None:
        """A checkpoint is whole: those before the last few go."""
        self._whole = [save, *self._whole][:CHECKPOINTS_KEPT]
        self.log.drop("checkpoints", self.pair.partition, min(s.offset for s in self._whole))

    def trim(self, position: int, sequence: int) -> bool:
        """Drops all of it at once, but the last event, which is the tail. It reads the events that
        go: where some are repeated, halving would not find the first one that stays."""
        events = self.log.partition("events", self.pair)
        offset, _ = events.bounds()
        last = 0
        try:
            for message in events.read(offset):
                batch = events_of(message, self.name, events.where)
                if batch.last > last:
                    offset, last = message.offset() or 0, batch.last
                if last > sequence:
                    break
        finally:
            events.close()
        self.log.drop("commands", self.pair.partition, position)
        self.log.drop("events", self.pair.partition, offset)
        return False


def joined(batches: Iterator[Commands]) -> Iterator[Commands]:
    """Small batches as larger ones, which cost less each."""
    waiting: list[Commands] = []
    count = 0
    for batch in batches:
        if waiting and count + len(batch.records) > JOINED_MAX:
            yield _join(waiting)
            waiting, count = [], 0
        waiting.append(batch)
        count += len(batch.records)
    if waiting:
        yield _join(waiting)


def _join(batches: list[Commands]) -> Commands:
    if len(batches) == 1:
        return batches[0]
    begin = 0
    tokens = []
    for batch in batches:
        if len(batch.tokens):
            moved = batch.tokens.copy()
            moved["begin"] += begin
            tokens.append(moved)
        begin += len(batch.records)
    # Of bytes: numpy copies records field by field.
    data = b"".join([records_bytes(batch.records) for batch in batches])
    marks = b"".join([records_bytes(some) for some in tokens])
    return Commands(
        np.frombuffer(data, COMMAND),
        np.frombuffer(marks, TOKEN) if tokens else NO_TOKENS,
        batches[-1].position,
    )
