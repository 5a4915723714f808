"""Many partitions that are read from one thread: each of them whole and in order."""

import pytest

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigResource
from model.kafka_logs import PATIENCE, until
from pricetime.log.kafka import intake as module
from pricetime.log.kafka.intake import Intake

PAIRS = 7


@pytest.fixture
def crowd(place):
    """A log with some pairs; the place has the partitions that they have."""
    log = place.open(partitions=PAIRS)
    for number in range(PAIRS):
        log.add(f"PAIR_{number}", "")
    return log


@pytest.fixture(params=[1, 3, 64], ids="{}-of-a-consumer".format)
def intake(crowd, request, monkeypatch):
    monkeypatch.setattr(module, "PARTITIONS_MAX", request.param)
    made = Intake(crowd.clients, crowd.address.topic("commands"))
    yield made
    made.close()


def send(log, *numbers):
    """Sends the value b"number" to each of these partitions, by turns."""
    for number in numbers:
        log.send("commands", number, b"%d" % number)
    log.commit()


def receive(intake, count):
    """The offsets that come of each partition, so many in all."""
    found = {}

    def more():
        for message in intake.receive(0.05):
            assert message.error() is None
            assert message.value() == b"%d" % message.partition()
            found.setdefault(message.partition(), []).append(message.offset())
        return sum(map(len, found.values())) >= count

    until(more, f"{count} messages")
    return found


def test_each_partition_is_read_from_its_offset_on_and_in_order(crowd, intake):
    send(crowd, *range(PAIRS), *range(PAIRS), *range(PAIRS))
    for number in range(PAIRS):
        intake.assign(number, number % 3)
    assert receive(intake, sum(3 - number % 3 for number in range(PAIRS))) == {
        number: list(range(number % 3, 3)) for number in range(PAIRS)
    }
    send(crowd, 6, 2, 6)
    assert receive(intake, 3) == {2: [3], 6: [3, 4]}
    until(lambda: intake.end(6) == 5, "the end")
    assert intake.receive(0) == []


def test_what_is_unassigned_comes_no_more_until_it_is_assigned_again(crowd, intake):
    for number in range(PAIRS):
        intake.assign(number, 0)
    for number in (0, 1, 2, 0):  # once too often is no harm
        intake.unassign(number)
    send(crowd, *range(PAIRS))
    assert receive(intake, PAIRS - 3) == {number: [0] for number in range(3, PAIRS)}
    assert intake.receive(0.3) == []
    for number in (2, 0):
        intake.assign(number, 0)
    assert receive(intake, 2) == {2: [0], 0: [0]}


def test_a_partition_that_is_paused_waits_and_the_others_go_on(crowd, intake):
    for number in range(PAIRS):
        intake.assign(number, 0)
    intake.pause(3)
    send(crowd, *range(PAIRS))
    assert 3 not in receive(intake, PAIRS - 1)
    intake.resume(3)
    assert receive(intake, 1) == {3: [0]}


@pytest.mark.parametrize("partitions", [0, 1, PAIRS])
def test_waiting_ends_in_time_and_when_something_comes(crowd, intake, partitions):
    for number in range(partitions):
        intake.assign(number, 0)
    assert intake.receive(0.2) == []
    if partitions:
        send(crowd, partitions - 1)
        assert receive(intake, 1) == {partitions - 1: [0]}


def test_no_consumer_has_more_partitions_than_it_may(crowd, monkeypatch):
    monkeypatch.setattr(module, "PARTITIONS_MAX", 3)
    make, made = crowd.clients.consumer, []

    def counted(**settings):
        made.append(make(**settings))
        return made[-1]

    monkeypatch.setattr(crowd.clients, "consumer", counted)
    intake = Intake(crowd.clients, crowd.address.topic("commands"))
    for number in range(PAIRS):
        intake.assign(number, 0)
    assert [len(consumer.assignment()) for consumer in made] == [3, 3, 1]
    for number in range(4):
        intake.unassign(number)
        intake.assign(number, 0)
    loads = [len(consumer.assignment()) for consumer in made]
    assert (len(loads), sum(loads), max(loads)) == (3, PAIRS, 3)
    intake.close()


def test_a_partition_that_is_gone_is_told_as_a_message(crowd, intake):
    intake.assign(0, 5)  # behind the end: auto.offset.reset is `error`
    (told,) = until(lambda: intake.receive(0.05), "the error")
    assert told.error().code() == KafkaError._AUTO_OFFSET_RESET


def test_new_topics_have_small_indexes(crowd):
    names = [crowd.address.topic(name) for name in ("commands", "events", "checkpoints", "pairs")]
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    for future in crowd.admin.describe_configs(asked).values():
        found = future.result(PATIENCE)
        assert found["segment.index.bytes"].value == "262144"
        assert found["index.interval.bytes"].value == "65536"
