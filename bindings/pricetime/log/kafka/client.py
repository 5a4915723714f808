"""Clients of librdkafka with the settings that a log needs, and its errors in our words."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from pricetime.log.errors import Fenced, LogError, LogFailed, OutcomeUnknown
from pricetime.log.kafka.address import KafkaAddress

__all__ = [
    "ANSWER_SECONDS",
    "COMPLAINT_SECONDS",
    "MESSAGE_BYTES_MAX",
    "Clients",
    "failure",
    "passing",
    "take",
    "told",
]

ANSWER_SECONDS = 10.0
"""How long a broker may take to answer a question."""
COMPLAINT_SECONDS = 30.0
"""Between two warnings of the same trouble."""
MESSAGE_BYTES_MAX = 1_000_000
"""The default of brokers and clients for one message."""
FETCH_MESSAGES = 500
"""Most that are taken from a consumer at a time."""
QUEUE_KILOBYTES = 16_384
"""Most that a consumer reads ahead; a producer keeps four times as much at most."""

logger = logging.getLogger("pricetime")

NO_BROKER = "is a broker there, of this security.protocol? `pricetime broker` starts one"
WAY_OUT = {
    KafkaError._TRANSPORT: NO_BROKER,
    KafkaError._ALL_BROKERS_DOWN: NO_BROKER,
    KafkaError._RESOLVE: "is the host's name right?",
    KafkaError._AUTHENTICATION: "check security.protocol, sasl.* and ssl.* in the options",
    KafkaError._SSL: "check security.protocol and ssl.* in the options",
    KafkaError._TIMED_OUT: "is the broker there, and are enough of its replicas?",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic, or send smaller batches",
    KafkaError._UNKNOWN_TOPIC: "was the log made? `pricetime run --log` makes it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "was the log made? `pricetime run --log` makes it",
    KafkaError._UNKNOWN_PARTITION: "the map of pairs names it: give the topic as many partitions",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the user needs rights on this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the user needs READ on groups of the log's prefix",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the user needs the right of idempotent writes",
}


def failure(error: KafkaError, where: str) -> LogError:
    """What an error of librdkafka means to who uses a log."""
    text = f"{where}: {error.str()}"
    if error.code() in WAY_OUT:
        text += f"; {WAY_OUT[error.code()]}"
    if error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return Fenced(f"{where}: another runner has taken over; this one may not write")
    if error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE):
        return OutcomeUnknown(text)
    return LogFailed(text)


def passing(error: KafkaError) -> bool:
    """Whether librdkafka goes on trying by itself, so that a reader has only to wait."""
    return error.retriable() or error.code() in (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
    )


def take(consumer: Consumer, seconds: float) -> list[Message]:
    """What has come, [] after so long without; errors are among it."""
    first = consumer.poll(seconds)
    # `consume` alone would wait for so many, or the whole time.
    return [] if first is None else [first, *consumer.consume(FETCH_MESSAGES, 0)]


@contextmanager
def told(where: str) -> Iterator[None]:
    """Errors of librdkafka as those of a log."""
    try:
        yield
    except KafkaException as error:
        raise failure(error.args[0], where) from error
    except SystemError as error:  # out of a delivery callback
        if isinstance(error.__cause__, KafkaException):
            raise failure(error.__cause__.args[0], where) from error
        raise


class Clients:
    """Makes clients for one address, and remembers what their connections complain of."""

    def __init__(self, address: KafkaAddress) -> None:
        self.address = address
        self.complaint: KafkaError | None = None
        self._complained_at = 0.0
        self._idle: list[Consumer] = []
        self._lent: set[Consumer] = set()

    def _settings(self, **settings: Any) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.address.bootstrap,
            "error_cb": self._complained,
            "log_level": 2,  # what is said below is told to error_cb too
            "socket.nagle.disable": True,
            "reconnect.backoff.max.ms": 1000,
            **settings,
            **self.address.options,
        }

    def _complained(self, error: KafkaError) -> None:
        """Connections complain again and again while a broker is away: it is told now and then."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self.complaint is not None:
            return  # that one says why
        now = time.monotonic()
        known = self.complaint is not None and self.complaint.code() == error.code()
        if not known or now - self._complained_at > COMPLAINT_SECONDS:
            logger.warning("%s: %s", self.address, error.str())
            self._complained_at = now
        self.complaint = error

    def admin(self) -> AdminClient:
        """For topics; it must live as long as what it was asked."""
        with self._making():
            return AdminClient(self._settings())

    def producer(self, **settings: Any) -> Producer:
        """Never gives up a message, or its successors would come without it."""
        with self._making():
            return Producer(
                self._settings(
                    **{
                        "enable.idempotence": True,
                        "delivery.timeout.ms": 0,
                        "linger.ms": 0.5,
                        "compression.type": "lz4",
                        "retry.backoff.ms": 2,
                        "batch.size": MESSAGE_BYTES_MAX,
                        "message.max.bytes": MESSAGE_BYTES_MAX,
                        "queue.buffering.max.kbytes": QUEUE_KILOBYTES * 4,
                    }
                    | settings
                )
            )

    def consumer(self, **settings: Any) -> Consumer:
        """For partitions given by hand at an explicit offset; no offset is ever guessed."""
        with self._making():
            return Consumer(
                self._settings(
                    **{
                        "group.id": f"{self.address.prefix}.by-hand",
                        "enable.auto.commit": False,
                        "auto.offset.reset": "error",
                        "enable.partition.eof": True,
                        "isolation.level": "read_committed",  # commands may be, too
                        "fetch.wait.max.ms": 100,
                        "fetch.min.bytes": 1,
                        "fetch.queue.backoff.ms": 5,
                        "queued.max.messages.kbytes": QUEUE_KILOBYTES,
                    }
                    | settings
                )
            )

    def borrow(self) -> Consumer:
        """A consumer for one partition at a time; its connections may be there already."""
        try:
            consumer = self._idle.pop()
        except IndexError:  # what it asks next waits for the fetch at the end that is under way
            consumer = self.consumer(**{"fetch.wait.max.ms": 10})
        self._lent.add(consumer)
        return consumer

    def give_back(self, consumer: Consumer) -> None:
        """Keeps a consumer for the next one."""
        if consumer in self._lent:  # not closed meanwhile
            self._lent.discard(consumer)
            consumer.unassign()
            self._idle.append(consumer)

    def close(self) -> None:
        """Closes all consumers that were borrowed."""
        for consumers in (self._idle, self._lent):
            while consumers:
                consumers.pop().close()

    @contextmanager
    def _making(self) -> Iterator[None]:
        try:
            yield
        except (KafkaException, ValueError, TypeError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else error
            raise LogError(f"{self.address}: an option is wrong: {reason}") from None

    def metadata(self, admin: AdminClient) -> dict[str, int]:
        """The topics that there are, and how many partitions each has; raises LogFailed."""
        try:
            found = admin.list_topics(timeout=ANSWER_SECONDS)
        except KafkaException as error:
            admin.poll(0)  # for what the connections complain of
            cause = self.complaint or error.args[0]
            where = f"{self.address} did not answer within {ANSWER_SECONDS:.0f} s"
            raise failure(cause, where) from None
        return {name: len(topic.partitions) for name, topic in found.topics.items()}
