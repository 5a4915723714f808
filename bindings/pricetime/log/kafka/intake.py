"""Reads many partitions of one topic, for who takes turns between them.

librdkafka names all partitions of a consumer in each fetch, and a broker looks at all of them for
each, and again for each message that comes to one of them. So what a message costs grows with the
partitions of its consumer, and many partitions are dealt out to several consumers.
"""

from collections import Counter
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from pricetime.log.kafka.client import Clients, take, told

__all__ = ["Intake"]

PARTITIONS_MAX = 64
"""Of one consumer, which has some threads and connections of its own."""
QUEUE_KILOBYTES = 4096
"""That one consumer reads ahead."""
GLANCE_SECONDS = 0.002
"""How long one of several consumers is waited for before the others are looked at."""


class Intake:
    """Partitions of a topic, and the consumers that read them; for one thread."""

    def __init__(self, clients: Clients, topic: str) -> None:
        self.topic = topic
        self._clients = clients
        self._consumers: list[Consumer] = []
        self._of: dict[int, Consumer] = {}  # by partition
        self._turn = 0  # whom we wait for next
        self._add()

    def _add(self) -> Consumer:
        settings = {"enable.partition.eof": False, "queued.max.messages.kbytes": QUEUE_KILOBYTES}
        consumer = self._clients.consumer(**settings)
        self._consumers.append(consumer)
        return consumer

    def assign(self, partition: int, offset: int) -> None:
        """Reads a partition from an offset; raises LogError."""
        loads = Counter(self._of.values())
        consumer = min(self._consumers, key=lambda each: loads[each])
        if loads[consumer] >= PARTITIONS_MAX:
            consumer = self._add()
        with told(f"{self.topic}, partition {partition}"):
            consumer.incremental_assign([TopicPartition(self.topic, partition, offset)])
        self._of[partition] = consumer

    def unassign(self, partition: int) -> None:
        """Reads it no more, if it was read."""
        consumer = self._of.pop(partition, None)
        if consumer is not None:
            with suppress(KafkaException):
                consumer.incremental_unassign([TopicPartition(self.topic, partition)])

    def pause(self, partition: int) -> None:
        """Fetches no more of it, until it is resumed."""
        self._of[partition].pause([TopicPartition(self.topic, partition)])

    def resume(self, partition: int) -> None:
        """Fetches it again, within a second."""
        self._of[partition].resume([TopicPartition(self.topic, partition)])

    def end(self, partition: int) -> int:
        """The offset behind the last message, as far as is known; negative if it is not."""
        place = TopicPartition(self.topic, partition)
        _, end = self._of[partition].get_watermark_offsets(place, cached=True)
        return int(end)

    def receive(self, seconds: float) -> list[Message]:
        """What has come, or comes within so many seconds or less; errors are among it."""
        found: list[Message] = []
        for consumer in self._consumers:
            found += take(consumer, 0)
        if not found and seconds:
            self._turn = (self._turn + 1) % len(self._consumers)
            wait = seconds if len(self._consumers) == 1 else min(seconds, GLANCE_SECONDS)
            found += take(self._consumers[self._turn], wait)
        return found

    def close(self) -> None:
        """Closes all consumers."""
        for consumer in self._consumers:
            consumer.close()
