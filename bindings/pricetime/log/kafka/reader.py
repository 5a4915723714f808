"""Reads a log on Kafka: for tools, for clients, beside the runners."""

from collections.abc import Iterator

from pricetime.log.batch import Commands, Events
from pricetime.log.errors import LogDamaged, LogError
from pricetime.log.kafka.address import KafkaAddress
from pricetime.log.kafka.client import Clients
from pricetime.log.kafka.follow import Follower, find_tail
from pricetime.log.kafka.message import commands_of, events_of
from pricetime.log.kafka.pairs import PairMap
from pricetime.log.kafka.partition import Partition
from pricetime.log.kafka.saves import Save, Saves, arrived
from pricetime.log.protocol import Tail

__all__ = ["KafkaReader"]


class KafkaReader:
    """Reads what has arrived; for one thread. Raises LogFailed where no broker answers."""

    def __init__(self, address: str | KafkaAddress) -> None:
        self.address = KafkaAddress.parse(address) if isinstance(address, str) else address
        self._clients = Clients(self.address)
        topics = self._clients.metadata(self._clients.admin())
        if self.address.topic("pairs") not in topics:
            raise LogError(
                f"{self.address} has no topics of that prefix: `pricetime run --log` makes them"
            )
        self._map = PairMap(self._partition("pairs", 0))
        self._followers: dict[str, Follower] = {}

    def _partition(self, topic: str, number: int) -> Partition:
        return Partition(self._clients, self.address.topic(topic), number)

    def instruments(self) -> dict[str, str]:
        self._map.refresh()
        return self._map.definitions()

    def commands(self, name: str, position: int) -> Iterator[Commands]:
        partition = self._partition("commands", self._map.pair(name).partition)
        try:
            for message in partition.read(position):
                try:
                    batch = commands_of(message, name, partition.where)
                except LogDamaged:
                    continue  # no runner took it either
                yield batch
        finally:
            partition.close()

    def follow(self, name: str, after: int) -> Follower:
        """The events after a sequence, for one who goes on and on."""
        return Follower(self._partition("events", self._map.pair(name).partition), name, after)

    def events(self, name: str, after: int) -> Iterator[Events]:
        follower = self._followers.pop(name, None)  # for one reading at a time
        if follower is not None and follower.last != after:
            follower.partition.close()
            follower = None
        follower = follower or self.follow(name, after)
        try:
            yield from follower.to_the_end()
        except BaseException:
            follower.partition.close()
            raise
        if name in self._followers:
            self._followers[name].partition.close()
        self._followers[name] = follower  # the next reading goes on here

    def head(self, name: str) -> Tail:
        pair = self._map.pair(name)
        commands = self._partition("commands", pair.partition)
        events = self._partition("events", pair.partition)
        try:
            low, _ = commands.bounds()
            for message in events.read(events.bounds()[0]):
                return Tail(events_of(message, name, events.where).first - 1, low)
            return Tail(0, low)
        finally:
            commands.close()
            events.close()

    def tail(self, name: str) -> Tail:
        partition = self._partition("events", self._map.pair(name).partition)
        try:
            return find_tail(partition, name, arrived(self._whole(name)))
        finally:
            partition.close()

    def checkpoints(self, name: str) -> list[int]:
        return [save.position for save in self._whole(name)]

    def _whole(self, name: str) -> list[Save]:
        saves = self._saves(name)
        try:
            return saves.whole()
        finally:
            saves.partition.close()

    def checkpoint(self, name: str, position: int) -> bytes:
        saves = self._saves(name)
        try:
            for save in saves.whole():
                if save.position == position:
                    return saves.load(save)
        finally:
            saves.partition.close()
        raise LogDamaged(f"checkpoint of {name} at {position}: it is not there")

    def _saves(self, name: str) -> Saves:
        return Saves(self._partition("checkpoints", self._map.pair(name).partition), name)

    def close(self) -> None:
        self._clients.close()
