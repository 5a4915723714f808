"""The log on Kafka: commands, events and checkpoints in topics, one partition for each pair."""

from pricetime.log.kafka.address import KafkaAddress
from pricetime.log.kafka.follow import Follower
from pricetime.log.kafka.kafka import KafkaLog
from pricetime.log.kafka.reader import KafkaReader
from pricetime.log.kafka.stream import KafkaStream

__all__ = ["Follower", "KafkaAddress", "KafkaLog", "KafkaReader", "KafkaStream"]
