"""Reads one partition: from an offset to its present end, or on and on."""

import time
from collections.abc import Iterator

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from pricetime.log.errors import LogFailed, LogTrimmed
from pricetime.log.kafka.client import ANSWER_SECONDS, Clients, failure, passing, take, told

__all__ = ["Partition"]

LEADER_SECONDS = 30.0
"""How long a partition may be without a leader: brokers make thousands of them in so long."""
NO_LEADER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._DESTROY_BROKER,  # its connection was given up while it was asked
    KafkaError._UNKNOWN_PARTITION,
)


class Partition:
    """One partition, and a consumer that reads nothing else meanwhile."""

    def __init__(self, clients: Clients, topic: str, number: int) -> None:
        self._clients = clients
        self.consumer = clients.borrow()
        self.topic = topic
        self.number = number
        self.where = f"{topic}, partition {number}"
        self.next = -1  # the offset that comes next; -1: not reading
        self._closed = False

    def bounds(self) -> tuple[int, int]:
        """The offset of the first message that is kept, and the one behind the last."""
        place = TopicPartition(self.topic, self.number)
        end = time.monotonic() + LEADER_SECONDS
        while True:  # a new topic, and one whose leader has died, has no leader for a while
            try:
                return self.consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in NO_LEADER or time.monotonic() > end:
                    raise failure(error.args[0], self.where) from None
            time.sleep(0.02)

    def seek(self, offset: int) -> None:
        """Goes on from an offset."""
        with told(self.where):
            self.consumer.assign([TopicPartition(self.topic, self.number, offset)])
        self.next = offset

    def read(self, offset: int, end: int | None = None) -> Iterator[Message]:
        """The messages from an offset to an end, or to the present one."""
        low, high = self.bounds()
        if offset < low:
            raise LogTrimmed(f"{self.where} begins at {low}: what was before was trimmed")
        end = high if end is None else end
        if offset >= end:
            return
        if self.next != offset:
            self.seek(offset)
        patience = time.monotonic() + ANSWER_SECONDS
        while self.next < end:
            messages = self.poll(0.1)
            if messages:
                patience = time.monotonic() + ANSWER_SECONDS
            elif time.monotonic() > patience:
                raise LogFailed(
                    f"{self.where}: nothing came for {ANSWER_SECONDS:.0f} s at offset {self.next}, "
                    f"and there is more up to {end}: is the broker there?"
                )
            for message in messages:
                if (message.offset() or 0) >= end:
                    self.next = -1  # read too far: the next one begins anew
                    return
                yield message

    def poll(self, seconds: float) -> list[Message]:
        """What has come, [] after so long without."""
        found = []
        for message in take(self.consumer, seconds):
            error = message.error()
            if error is None:
                found.append(message)
                self.next = (message.offset() or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                # Marks of transactions may stand before it. One that is late tells of an old end.
                self.next = max(self.next, message.offset() or 0)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise LogTrimmed(
                    f"{self.where} has nothing at offset {self.next}: it was trimmed, or is "
                    "another log"
                )
            elif not passing(error):
                raise failure(error, self.where)
        return found

    def at(self, offset: int) -> Message | None:
        """The first message at or behind an offset, if there is one."""
        self.seek(offset)
        end = time.monotonic() + ANSWER_SECONDS
        self.next = -1  # what follows is read ahead
        while time.monotonic() < end:
            message = self.consumer.poll(0.1)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return message
            if error.code() == KafkaError._PARTITION_EOF:
                return None
            if not passing(error):
                raise failure(error, self.where)
        raise LogFailed(f"{self.where}: offset {offset} did not come within {ANSWER_SECONDS:.0f} s")

    def close(self) -> None:
        """Gives the consumer back."""
        self.next = -1
        if not self._closed:
            self._closed = True
            self._clients.give_back(self.consumer)
