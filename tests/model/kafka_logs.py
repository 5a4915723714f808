"""What the tests of the log on Kafka share: a log under a name of its own, and what others put in.

Needs the extra `kafka`.
"""

import re
import time
from itertools import count

import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from pricetime import EVENT, Book
from pricetime.log.batch import NO_TOKENS, Commands, Events, pack_commands, pack_events
from pricetime.log.kafka import KafkaAddress, KafkaLog
from pricetime.log.kafka.partition import Partition

from .batches import orders
from .crc import crc32c
from .logs import NAME

PATIENCE = 10  # seconds
HISTORY = np.frombuffer(Book().process(orders(400)).tobytes(), EVENT)  # one for each command
numbers = count()


class KafkaPlace:
    """Where a log on a real broker is: nothing is there at first, and all is closed at the end."""

    def __init__(self, broker, name):
        name = re.sub(r"[^a-zA-Z0-9]+", "-", name)[:80]
        self.address = KafkaAddress(broker, f"{name}-{time.time_ns()}-{next(numbers)}")
        self._opened = []
        self._admin = AdminClient({"bootstrap.servers": broker})
        settings = {"bootstrap.servers": broker, "linger.ms": 0, "message.max.bytes": 1_040_000}
        self._producer = Producer(settings)

    def open(self, delivery="sequenced", partitions=1):
        """A log."""
        self._opened.append(KafkaLog(self.address, delivery, partitions=partitions))
        return self._opened[-1]

    def reader(self):
        """A reader of the log."""
        self._opened.append(self._opened[0].reader())
        return self._opened[-1]

    def put(self, topic, *values, key=None, by=None):
        """Has somebody else put messages into the first partition of a topic."""
        producer = by or self._producer
        for value in values:
            producer.produce(self.address.topic(topic), value, key, partition=0)
        assert producer.flush(PATIENCE) == 0

    def contents(self, topic):
        """The messages of the first partition of a topic."""
        partition = Partition(self._opened[0].clients, self.address.topic(topic), 0)
        try:
            return list(partition.read(partition.bounds()[0]))
        finally:
            partition.close()

    def refuse(self, topic, bytes_max):
        """Has the broker take no larger messages for a topic."""
        entry = ConfigEntry(
            "max.message.bytes", str(bytes_max), incremental_operation=AlterConfigOpType.SET
        )
        name = self.address.topic(topic)
        place = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
        for future in self._admin.incremental_alter_configs([place]).values():
            future.result(PATIENCE)

    def close(self):
        """Closes what was opened."""
        for each in self._opened[::-1]:
            each.close()


def events(begin, end):
    """The bytes of HISTORY's events from one sequence to another."""
    return pack_events(NAME, Events(HISTORY[begin - 1 : end], end, ""))


def commands(batch):
    """The bytes of commands."""
    return pack_commands(NAME, Commands(batch, NO_TOKENS, 0))


def newer(data):
    """A batch as a later release would write it."""
    data = bytearray(data)
    data[4], data[8:12] = 3, bytes(4)
    data[8:12] = crc32c(data).to_bytes(4, "little")
    return bytes(data)


def flipped(data, bit):
    """The bytes with one bit changed."""
    data = bytearray(data)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


def until(there, what="it", seconds=PATIENCE):
    """Waits until something is so; returns what it is."""
    end = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < end, f"{what} has not come about"
        time.sleep(0.01)
    return found


def drive(runner, log, batch, tokens=NO_TOKENS):
    """Has a runner do commands, and all that is in the log before them."""
    runner.stream.append(batch, tokens)
    log.commit()
    done = list(runner.step())
    log.commit()
    return done


def trimmed(stream, reader, position, sequence):
    """Drops what may be dropped, and waits until it is gone; the last event stays."""
    assert stream.trim(position, sequence) is False
    last = min(sequence, reader.tail(NAME).sequence - 1)
    until(lambda: reader.head(NAME) >= (last, position) and reader.head(NAME).position >= position)


def sequences(batches):
    """The sequences of all events of some batches."""
    return [number for batch in batches for number in batch.records["sequence"].tolist()]
