"""A loop from commands to events without a book: what Kafka and Python alone take.

For each message of commands it makes as many events as it has commands, which do nothing; the rest
is as lean as it can be: no checks, no tail, no checkpoints, one thread.

    python tests/cluster/bare.py BOOTSTRAP PREFIX NAME=PARTITION …
"""

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pricetime.log.batch import HEADER_BYTES, Events, pack_events
from pricetime.log.kafka.pairs import Pair
from pricetime.records import COMMAND, EVENT, EventKind

__all__ = ["BareProcess"]

COMMON = {"socket.nagle.disable": True, "log_level": 2}


class BareProcess:
    """The loop as a process, for some pairs."""

    def __init__(self, url: str, pairs: Iterable[Pair]) -> None:
        bootstrap, _, prefix = url.removeprefix("kafka://").rpartition("/")
        places = [f"{pair.name}={pair.partition}" for pair in pairs]
        self.process = subprocess.Popen([sys.executable, __file__, bootstrap, prefix, *places])
        time.sleep(1)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def loop(bootstrap: str, prefix: str, names: dict[int, str]) -> None:
    """Until it is killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "bare", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, "fetch.queue.backoff.ms": 5,
            **COMMON,
        }
    )  # fmt: skip
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, **COMMON}
    )
    commands_topic, events_topic = f"{prefix}.commands", f"{prefix}.events"
    consumer.assign([TopicPartition(commands_topic, number, 0) for number in names])
    last = dict.fromkeys(names, 0)
    while True:
        first = consumer.poll(0.05)
        if first is not None:
            for message in (first, *consumer.consume(500, 0)):
                number, commands = message.partition(), message.value()
                records = np.frombuffer(commands, COMMAND, offset=HEADER_BYTES)
                events = np.zeros(len(records), EVENT)
                events["kind"] = EventKind.ACCEPTED
                events["timestamp"] = records["timestamp"]
                numbers = np.arange(last[number] + 1, last[number] + 1 + len(records))
                events["sequence"] = events["command"] = numbers
                last[number] += len(records)
                data = pack_events(names[number], Events(events, message.offset() + 1, ""))
                producer.produce(events_topic, data, partition=number)
        producer.poll(0)


if __name__ == "__main__":
    bootstrap, prefix, *places = sys.argv[1:]
    pairs = (place.split("=") for place in places)
    loop(bootstrap, prefix, {int(number): name for name, number in pairs})
