"""Which pairs a process runs: those it was told, or its share of a group's.

A group only decides. Its consumer is given partitions and reads none of them: each pair begins at
the position that its own recovery names, in either case.
"""

from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaLog

__all__ = ["Chosen", "Group", "Share"]

SESSION_MS = 6000
"""How long a group waits for a process that has died without a word."""
LINGER_SECONDS = 10.0
ALONE_SECONDS = 2.0  # to hear whether others are there


class Share(Protocol):
    """What a process is to run, from time to time another."""

    linger_seconds: float
    """how long at most a pair that is no longer ours goes on, until another process has begun"""

    def joined(self) -> bool:
        """Whether what it has is known."""

    def poll(self) -> None:
        """Hears of changes; must be called often."""

    def has(self, name: str, partition: int) -> bool:
        """Whether the pair in a partition is ours."""

    def close(self) -> None:
        """Leaves: it has nothing any more. May be called by another thread; twice is once."""


class Chosen:
    """The pairs of these names, or all."""

    linger_seconds = 0.0

    def __init__(self, names: list[str] | None) -> None:
        self._names = names

    def joined(self) -> bool:
        return True

    def poll(self) -> None:
        pass

    def has(self, name: str, partition: int) -> bool:
        return self._names is None or name in self._names

    def close(self) -> None:
        self._names = []


class Group:
    """What a group gives us: cooperative and sticky, so pairs that stay are not disturbed.

    A pair that goes to another process goes on until that one has begun: two may publish at once.
    Not in transactions, where who begins fences the one before.
    """

    def __init__(self, log: KafkaLog, group: str) -> None:
        self.linger_seconds = 0.0 if log.delivery == "transactional" else LINGER_SECONDS
        self._owned: set[int] = set()
        self._open = True
        self._id = f"{log.address.prefix}.{group}"
        self._admin = log.admin
        self._consumer = log.clients.consumer(
            **{
                "group.id": self._id,
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
        self._owned -= {place.partition for place in partitions}
        consumer.incremental_unassign(partitions)

    def joined(self) -> bool:
        return self._open and bool(self._consumer.memberid())

    def poll(self) -> None:
        message = self._consumer.poll(0) if self._open else None
        error = message.error() if message is not None else None
        if error is not None and error.fatal():
            raise LogError(f"the group has thrown this process out: {error.str()}")

    def has(self, name: str, partition: int) -> bool:
        return partition in self._owned

    def close(self) -> None:
        if not self._open:
            return
        self._open = False  # closing waits for the group; nothing is heard of it meanwhile
        try:
            if self._alone():
                self.linger_seconds = 0.0
            self._consumer.close()
        except KafkaException as error:
            raise LogError(f"the group could not be left: {error.args[0].str()}") from None
        finally:
            self._owned.clear()

    def _alone(self) -> bool:
        """Whether nobody is there to take over, as far as the brokers say."""
        described = self._admin.describe_consumer_groups([self._id], request_timeout=ALONE_SECONDS)
        try:
            return len(described[self._id].result().members) < 2
        except KafkaException:
            return True
