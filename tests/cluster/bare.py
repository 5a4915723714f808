"""A loop from commands to events without a book: what Kafka and Python alone take.

For each message of commands it makes as many events as a book does, with the commands' fields in
them, so that they pack alike; the rest is as lean as it can be: no checks, no tail, no checkpoints,
one thread. Its clients are those of a runner.

    python tests/cluster/bare.py URL
"""

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from confluent_kafka import TopicPartition

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pricetime.log.batch import HEADER_BYTES, Events, pack_events
from pricetime.log.kafka import KafkaLog
from pricetime.log.kafka.client import take
from pricetime.records import COMMAND, EVENT, EventKind

__all__ = ["BareProcess"]

EVENTS_PER_COMMAND = 1.39  # of the flow that is sent
FIELDS = ("timestamp", "order_id", "price", "quantity", "account")


class BareProcess:
    """The loop as a process, for all pairs of a log."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, __file__, url])
        time.sleep(1)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def loop(log: KafkaLog) -> None:
    """Until it is killed."""
    consumer = log.clients.consumer(**{"enable.partition.eof": False})
    producer = log.clients.producer(**{"linger.ms": 1})
    commands_topic, events_topic = log.address.topic("commands"), log.address.topic("events")
    names = {pair.partition: pair.name for pair in log.map.pairs.values()}
    consumer.assign([TopicPartition(commands_topic, number, 0) for number in names])
    last, last_command = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    while True:
        for message in take(consumer, 0.05):
            number, commands = message.partition(), message.value()
            records = np.frombuffer(commands, COMMAND, offset=HEADER_BYTES)
            events = np.zeros(math.ceil(len(records) * EVENTS_PER_COMMAND), EVENT)
            of = np.arange(len(events)) * len(records) // len(events)
            events["kind"] = EventKind.ACCEPTED
            for field in FIELDS:
                events[field] = records[field][of]
            events["command"] = last_command[number] + 1 + of
            events["sequence"] = np.arange(last[number] + 1, last[number] + 1 + len(events))
            last_command[number] += len(records)
            last[number] += len(events)
            data = pack_events(names[number], Events(events, message.offset() + 1, ""))
            while True:
                try:
                    producer.produce(events_topic, data, partition=number)
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)


if __name__ == "__main__":
    loop(KafkaLog(sys.argv[1]))
