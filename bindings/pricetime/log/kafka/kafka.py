"""The log on Kafka, for those who write it: edges that append commands, and runners.

Each pair has one partition, the same in all topics, written down in the map of pairs. What a
commands message is to a book is decided by its offset; a position is the offset behind a message.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic  # type: ignore[attr-defined]

from pricetime.log.errors import LogError, LogFailed
from pricetime.log.kafka.address import TOPICS, KafkaAddress
from pricetime.log.kafka.client import ANSWER_SECONDS, MESSAGE_BYTES_MAX, Clients, failure
from pricetime.log.kafka.output import Arrived, Output
from pricetime.log.kafka.pairs import Pair, PairMap
from pricetime.log.kafka.partition import Partition
from pricetime.log.kafka.reader import KafkaReader
from pricetime.log.kafka.stream import KafkaStream

__all__ = ["DELIVERIES", "Delivery", "KafkaLog"]

PARTITIONS = 8
"""Partitions of new topics; where there are more pairs, more are made."""
BY_PAIR = ("commands", "events", "checkpoints")
SETTINGS = {
    "retention.ms": "-1",
    # Brokers map index files of a fixed size, by default of 10 MiB with an entry for each 4 KiB.
    # The first entry of so large a file takes Linux 2 ms where ext4 has large folios: seconds, of
    # thousands of partitions. These cost a thirtieth, and are enough for a segment of 1 GiB.
    "segment.index.bytes": str(1 << 18),
    "index.interval.bytes": str(1 << 16),
}
"""Of new topics."""
QUARANTINE_BYTES_MAX = MESSAGE_BYTES_MAX - 10_000  # with key and reason it is one message

logger = logging.getLogger("pricetime")

Delivery = Literal["sequenced", "transactional"]
"""How events are published: "sequenced", each batch at once, for readers that drop repeats by their
numbers; "transactional", in transactions besides, for readers that know only `read_committed`."""
DELIVERIES = ("sequenced", "transactional")


def warn_if_refused(error: KafkaError | None, message: Message) -> None:
    """For what nobody waits for."""
    if error is not None:
        logger.warning("a message did not arrive in %s: %s", message.topic(), error.str())


class KafkaLog:
    """A log on Kafka; its topics are made where they are not there. For one thread at a time.

    Raises LogFailed where no broker answers, LogError for wrong options.
    """

    embedded = False

    def __init__(
        self,
        address: str | KafkaAddress,
        delivery: Delivery = "sequenced",
        *,
        partitions: int = PARTITIONS,
    ) -> None:
        if delivery not in DELIVERIES:
            raise ValueError(f"delivery {delivery!r} is not known: pass {' or '.join(DELIVERIES)}")
        self.address = KafkaAddress.parse(address) if isinstance(address, str) else address
        self.delivery = delivery
        self.clients = Clients(self.address)
        self.writer = uuid.uuid4().hex[:12]
        """tells our checkpoints from those of another runner"""
        self.sent_bytes = 0
        """of events of all pairs that have not arrived yet"""
        self.lock = threading.Lock()
        """held where they are counted"""
        self._partitions = partitions
        self._drops: list[Future[Any]] = []  # that were asked for and not looked at
        self._streams: dict[str, KafkaStream] = {}
        self.admin = self.clients.admin()
        self._topics = self.clients.metadata(self.admin)
        self._make_topics()
        self.output = Output(self.clients)
        """of all that is not events in transactions"""
        self.map = PairMap(Partition(self.clients, self.address.topic("pairs"), 0))
        """of pairs"""
        self.map.refresh()

    # --- topics

    def _make_topics(self) -> None:
        """Makes the topics that are not there."""
        counts = dict.fromkeys(TOPICS, 1) | dict.fromkeys(BY_PAIR, self._partitions)
        missing = [
            NewTopic(self.address.topic(name), count, -1, config=SETTINGS)
            for name, count in counts.items()
            if self.address.topic(name) not in self._topics
        ]
        if not missing:
            return
        for name, future in self.admin.create_topics(missing).items():
            try:
                future.result(ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise failure(error.args[0], f"topic {name} cannot be made") from None
        self._await(lambda: all(topic.topic in self._topics for topic in missing))

    def _await(self, there: Callable[[], bool]) -> None:
        """Until the brokers know of what was made."""
        end = time.monotonic() + ANSWER_SECONDS
        while not there():
            if time.monotonic() > end:
                raise LogFailed(f"{self.address}: its brokers do not show the topics made for it")
            self._topics = self.clients.metadata(self.admin)

    def _make_partitions(self, count: int) -> None:
        """Sees to it that there are so many partitions for pairs; those in use stay."""
        names = [self.address.topic(name) for name in BY_PAIR]
        if all(self._topics.get(name, 0) >= count for name in names):
            return
        self._topics = self.clients.metadata(self.admin)  # another may have made some
        few = [name for name in names if self._topics.get(name, 0) < count]
        if not few:
            return
        more = count + self._partitions  # so that it is not done for each pair
        futures = self.admin.create_partitions([NewPartitions(name, more) for name in few])
        for name, future in futures.items():
            try:
                future.result(ANSWER_SECONDS)
            except KafkaException as error:
                # Unless another has just done it.
                if error.args[0].code() != KafkaError.INVALID_PARTITIONS:
                    where = f"topic {name} has too few partitions, and cannot be given {more}"
                    raise failure(error.args[0], where) from None
        self._await(lambda: all(self._topics.get(name, 0) >= count for name in few))

    def drop(self, topic: str, partition: int, offset: int) -> None:
        """Drops the messages before an offset, soon; where that fails it is told behind."""
        self._look_at_drops()
        place = TopicPartition(self.address.topic(topic), partition, offset)
        self._drops += self.admin.delete_records([place]).values()

    def _look_at_drops(self) -> None:
        """Tells what was not dropped. Not by a callback, which would come in a thread of
        librdkafka's that Python then counts as its own."""
        drops, self._drops = self._drops, []
        for drop in drops:
            if not drop.done():
                self._drops.append(drop)
            elif (error := drop.exception()) is not None:
                logger.warning("what is no longer needed could not be dropped: %s", error)

    def partition(self, topic: str, pair: Pair) -> Partition:
        """A partition of a pair, to read it; to be closed."""
        return Partition(self.clients, self.address.topic(topic), pair.partition)

    # --- Log

    def instruments(self) -> dict[str, str]:
        return self.map.definitions()

    def add(self, name: str, definition: str) -> None:
        """Adds a pair; durable when it returns."""
        self.map.refresh()
        while name not in self.map.pairs:
            self._make_partitions(len(self.map.pairs) + 1)
            self._claim(name, definition)
            self.map.refresh()  # another may have been first: then again, behind it
        if self.map.pairs[name].definition != definition:
            raise LogError(f"{name} is there already, with {self.map.pairs[name].definition}")

    def _claim(self, name: str, definition: str) -> None:
        refused: list[KafkaError] = []

        def came(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                refused.append(error)

        self.send("pairs", 0, self.map.claim(name, definition), came)
        self.output.commit()
        if refused:
            raise failure(refused[0], f"{name} cannot be added to {self.address.topic('pairs')}")

    def stream(self, name: str) -> KafkaStream:
        """The write side of a pair, new each time: it reads how far things are."""
        pair = self.map.pair(name)
        if name in self._streams:
            self._streams.pop(name).close()
        self._streams[name] = KafkaStream(self, pair)
        return self._streams[name]

    def send(
        self,
        topic: str,
        partition: int,
        data: bytes,
        arrived: Arrived = warn_if_refused,
        key: bytes | None = None,
        reason: str = "",
    ) -> None:
        """Sends a message to a topic of ours."""
        self.output.send(self.address.topic(topic), partition, data, arrived, key, reason)

    def quarantine(self, pair: Pair, offset: int, data: bytes, reason: str) -> None:
        """Keeps bytes that are no commands, with the reason, in a topic of their own; once for each
        time that they are read, and not all where brokers let others send larger messages."""
        key = f"{pair.name}/{offset}".encode()
        self.send("quarantine", 0, data[:QUARANTINE_BYTES_MAX], key=key, reason=reason)

    def commit(self) -> None:
        self.output.commit()
        for stream in self._streams.values():
            stream.settle()

    def rollback(self) -> None:
        self.output.close()
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        self.output = Output(self.clients)

    def reader(self) -> KafkaReader:
        return KafkaReader(self.address)

    def close(self) -> None:
        self._look_at_drops()
        for stream in self._streams.values():
            stream.close()
        self.output.close()
        self.clients.close()
