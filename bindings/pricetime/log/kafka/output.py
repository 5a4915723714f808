"""What is sent, and what became of it: a producer whose queue is bounded.

Plain, it delivers each message once and in order, and gives none up; that is all that numbered
events need. With a transactional id what is sent becomes visible to `read_committed` readers by
`commit`, all at once, and who takes the same id later fences this one.
"""

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message

from pricetime.log.errors import LogError, LogFailed, OutcomeUnknown
from pricetime.log.kafka.client import ANSWER_SECONDS, Clients, failure, told

__all__ = ["COMMIT_SECONDS", "Arrived", "Output"]

COMMIT_SECONDS = 30.0
"""How long `commit` and a full queue wait for the brokers."""
TRANSACTION_MS = 10_000
"""After which the brokers give up a transaction whose producer is gone."""

Arrived = Callable[[KafkaError | None, Message], None]
"""Is told what became of a message, while something is sent, waited or polled for."""


class Output:
    """A producer; for several threads, but for transactions."""

    def __init__(self, clients: Clients, transactional_id: str = "") -> None:
        self.clients = clients
        self.where = str(clients.address)
        self.sent = 0
        """messages that have not arrived yet"""
        self.open_since = 0.0
        """time.monotonic() at which the open transaction began, 0.0: there is none"""
        self._lock = threading.Lock()
        self._transactional = bool(transactional_id)
        if not transactional_id:
            self._producer = clients.producer()
            return
        settings = {"transactional.id": transactional_id, "transaction.timeout.ms": TRANSACTION_MS}
        self._producer = clients.producer(**settings)
        with told(self.where):
            self._producer.list_topics(timeout=ANSWER_SECONDS)  # connected, the next is quick
            self._producer.init_transactions(COMMIT_SECONDS)

    def send(
        self,
        topic: str,
        partition: int,
        data: bytes,
        arrived: Arrived,
        key: bytes | None = None,
        reason: str = "",
    ) -> None:
        """Sends a message; waits where too many are on their way, but not for ever.

        reason: why it is where it is, as a header.
        """

        def counted(error: KafkaError | None, message: Message) -> None:
            with self._lock:
                self.sent -= 1
            arrived(error, message)

        headers: list[tuple[str, str | bytes | None]] = [("reason", reason)] if reason else []
        end = time.monotonic() + COMMIT_SECONDS
        while True:
            try:
                with told(f"{topic}, partition {partition}"):
                    if self._transactional and not self.open_since:
                        self._producer.begin_transaction()
                        self.open_since = time.monotonic()
                    try:
                        self._producer.produce(
                            topic, data, key, partition, on_delivery=counted, headers=headers
                        )
                    except KafkaException as error:
                        new = error.args[0].code() == KafkaError._UNKNOWN_PARTITION
                        if not new or time.monotonic() > end:
                            raise
                        self._producer.list_topics(topic, ANSWER_SECONDS)  # it may be a new one
                        continue
                with self._lock:
                    self.sent += 1
                return
            except BufferError:
                if time.monotonic() > end:
                    raise LogFailed(
                        f"{self.where} has taken nothing for {COMMIT_SECONDS:.0f} s: {self.sent} "
                        "messages wait; are the brokers there?"
                    ) from None
                self.poll(0.01)

    def poll(self, seconds: float = 0) -> None:
        """Hears what became of what was sent."""
        with told(self.where):
            self._producer.poll(seconds)

    def commit(self) -> None:
        """Waits until all has arrived, and makes it visible; raises OutcomeUnknown."""
        if self._transactional:
            self._commit_transaction()
        end = time.monotonic() + COMMIT_SECONDS
        while self.sent:
            self.poll(0.05)
            if time.monotonic() > end:
                raise OutcomeUnknown(
                    f"{self.where}: {self.sent} messages have not been acknowledged for "
                    f"{COMMIT_SECONDS:.0f} s: are the brokers there, and enough of its replicas?"
                )

    def _commit_transaction(self) -> None:
        if not self.open_since:
            return
        try:
            self._producer.commit_transaction(COMMIT_SECONDS)
        except KafkaException as error:
            cause = error.args[0]
            if cause.txn_requires_abort():
                with told(self.where):
                    self._producer.abort_transaction(COMMIT_SECONDS)
            elif not cause.fatal():  # it may be committed, and yet may be
                raise OutcomeUnknown(
                    f"{self.where}: a transaction was not committed within {COMMIT_SECONDS:.0f} s: "
                    f"{cause.str()}"
                ) from None
            raise failure(cause, self.where) from None
        finally:
            self.open_since = 0.0

    def close(self) -> None:
        """Gives up what has not arrived."""
        try:
            with told(self.where):
                if self.open_since:
                    self._producer.abort_transaction(1)
                self._producer.purge()
                self._producer.flush(1)
        except LogError:
            pass  # nothing more is asked of it
