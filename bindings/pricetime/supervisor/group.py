"""Which pairs a process runs: those it was told, or its share of a group's.

A group only decides. Its consumer is given partitions and reads none of them: each pair begins at
the position that its own recovery names, in either case.
"""

from collections.abc import Callable
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaLog

__all__ = ["Chosen", "Group", "Share"]

SESSION_MS = 6000
"""How long a group waits for a process that has died without a word."""


class Share(Protocol):
    """What a process is to run, from time to time another."""

    def poll(self) -> None:
        """Hears of changes; must be called often."""

    def has(self, name: str, partition: int) -> bool:
        """Whether the pair in a partition is ours."""

    def close(self) -> None:
        """Leaves."""


class Chosen:
    """The pairs of these names, or all."""

    def __init__(self, names: list[str] | None) -> None:
        self._names = names

    def poll(self) -> None:
        pass

    def has(self, name: str, partition: int) -> bool:
        return self._names is None or name in self._names

    def close(self) -> None:
        pass


class Group:
    """What a group gives us: cooperative and sticky, so pairs that stay are not disturbed.

    release: is told the partitions that go to another process, and hands their pairs over.
    """

    def __init__(self, log: KafkaLog, group: str, release: Callable[[set[int]], None]) -> None:
        self._owned: set[int] = set()
        self._release = release
        self._consumer = log.clients.consumer(
            **{
                "group.id": f"{log.address.prefix}.{group}",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION_MS,
                "heartbeat.interval.ms": SESSION_MS // 10,
                "enable.partition.eof": False,
                "auto.offset.reset": "latest",
                "topic.metadata.refresh.interval.ms": 5000,  # more partitions are seen so soon
            }
        )
        self._consumer.subscribe(
            [log.address.topic("commands")],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._revoked,
        )

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self._owned |= {place.partition for place in partitions}

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {place.partition for place in partitions}
        self._owned -= gone
        self._release(gone)
        consumer.incremental_unassign(partitions)

    def poll(self) -> None:
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is not None and error.fatal():
            raise LogError(f"the group has thrown this process out: {error.str()}")

    def has(self, name: str, partition: int) -> bool:
        return partition in self._owned

    def close(self) -> None:
        try:
            self._consumer.close()
        except KafkaException as error:
            raise LogError(f"the group could not be left: {error.args[0].str()}") from None
