"""Events on a real broker: each once and in order, however often runners have published it."""

import time
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.batches import orders
from model.logs import NAME, Teller, joined, keep, read_beside_writer, spans, start
from pricetime import Book, LogDamaged
from pricetime.log import Tail
from pricetime.log.batch import Events

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from model.kafka_logs import PATIENCE, drive, events, flipped, sequences
from pricetime.log.kafka import Follower, KafkaAddress
from pricetime.log.kafka.client import Clients
from pricetime.log.kafka.follow import find_tail, locate
from pricetime.log.kafka.partition import Partition
from pricetime.log.kafka.stream import EVENTS_MAX

# -- events ---------------------------------------------------------------------------------------


def test_events_are_cut_behind_a_sequence(told, reader):
    whole = [(1, 2), (3, 5), (6, 6)]
    for after in range(8):
        expected = [(max(first, after + 1), last) for first, last in whole if last > after]
        assert spans(told.stream.published(after)) == expected
        assert spans(reader.events(NAME, after)) == expected
    assert told.stream.tail() == reader.tail(NAME) == Tail(6, 6)


def test_more_events_than_a_message_holds_go_in_several(log, reader):
    count = 2 * EVENTS_MAX + 5
    made = Book().process(orders(count + 1))
    stream = log.stream(NAME)
    stream.publish(Events(made[:1], 7, ""))
    stream.publish(Events(made[1:], 9, "ab" * 16))
    log.commit()
    assert [(len(b.records), b.position, b.digest) for b in reader.events(NAME, 0)] == [
        (1, 7, ""),
        (EVENTS_MAX, 7, ""),
        (EVENTS_MAX, 7, ""),
        (5, 9, "ab" * 16),
    ]
    assert joined(stream.published(0)) == made.tobytes()
    assert stream.tail() == reader.tail(NAME) == log.stream(NAME).tail() == (count + 1, 9)


def test_repeats_in_other_batches_are_dropped(log, place, reader):
    place.put("events", events(1, 3), events(4, 6), events(1, 2), events(3, 5), events(6, 9))
    place.put("events", events(2, 8), events(9, 9), events(10, 11))
    for read in (log.stream(NAME).published, lambda after: reader.events(NAME, after)):
        for after in range(12):
            assert sequences(read(after)) == list(range(after + 1, 12))


def test_many_old_repeats_do_not_lower_the_tail(log, place, reader):
    runner = start(log)
    drive(runner, log, orders(20))
    keep(runner, log)
    for first in range(21, 31):
        drive(runner, log, orders(1, first))
    repeats = [events(n, n) for n in range(1, 6)] * 20
    place.put("events", *repeats)
    assert log.stream(NAME).tail() == reader.tail(NAME) == (30, 11)
    again = start(log)
    log.commit()
    assert (again.behind, again.book.state_hash()) == (10, runner.book.state_hash())
    assert len(place.contents("events")) == 11 + len(repeats)
    assert sequences(again.stream.published(12)) == list(range(13, 31))


def test_a_reader_among_repeats_finds_what_comes_next(log, place, reader):
    place.put("events", *(events(n, n) for n in range(1, 11)))
    place.put("events", *(events(n, n) for n in (1, 2, 3, 4, 5, 6) for _ in range(4)))
    follower = reader.follow(NAME, 4)
    seen = sequences(follower.to_the_end())
    place.put("events", events(11, 12))
    seen += sequences(follower.to_the_end())
    assert seen == list(range(5, 13))
    follower.partition.close()


def test_what_is_missing_is_named_again_and_again(log, place, reader):
    place.put("events", events(1, 3), events(6, 7))
    for read in (log.stream(NAME).published, lambda after: reader.events(NAME, after)):
        for _ in range(2):
            batches = read(1)
            assert spans([next(batches)]) == [(2, 3)]
            with pytest.raises(LogDamaged, match=f"events 4 to 5 of {NAME} are missing in .*ev"):
                next(batches)
            with pytest.raises(LogDamaged, match="events 4 to 5"):
                list(read(3))


@pytest.mark.parametrize("bad", [None, flipped(events(3, 4), 700)])
def test_damaged_events_are_named_where_they_are_reached(log, place, reader, bad):
    place.put("events", events(1, 2), bad, *(events(n, n) for n in range(5, 9)))
    for _ in range(2):
        batches = reader.events(NAME, 0)
        assert spans([next(batches)]) == [(1, 2)]
        with pytest.raises(LogDamaged, match=f"events of {NAME} at offset 1 of .*events"):
            next(batches)
        with pytest.raises(LogDamaged, match="offset 1"):
            list(reader.events(NAME, 2))
    assert [sequences(reader.events(NAME, after)) for after in (6, 7)] == [[7, 8], [8]]


LAYOUTS = 16


@pytest.fixture(scope="module")
def layouts(broker):
    """Makes partitions of events, each with a layout of its own."""
    address = KafkaAddress(broker, f"layouts-{time.time_ns()}")
    topic = address.topic("events")
    clients = Clients(address)
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, LAYOUTS, 1)])[topic].result(PATIENCE)
    producer = clients.producer()
    free = count()

    def lay(spans_laid):
        partition = Partition(clients, topic, next(free) % LAYOUTS)
        behind = partition.bounds()[1]  # of a layout before this one, where it is tried again
        place = TopicPartition(topic, partition.number, behind)
        admin.delete_records([place])[place].result(PATIENCE)

        def more(*spans_more):
            for begin, end in spans_more:
                producer.produce(topic, events(begin, end), partition=partition.number)
            assert producer.flush(PATIENCE) == 0

        more(*spans_laid)
        return partition, behind, more

    yield lay
    clients.close()


@st.composite
def laid(draw):
    """Spans of events as runners lay them down: new ones, and repeats by one that was asleep."""
    made, tail = [], 0
    for size, back, repeats in draw(
        st.lists(
            st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(0, 12)),
            min_size=1,
            max_size=20,
        )
    ):
        at = max(tail - back, 0)
        for number in range(min(repeats, tail - at)):
            made.append((at + number + 1, min(at + number + size, tail)))
        made.append((tail + 1, tail + size))
        tail += size
    return made[: draw(st.integers(1, len(made)))]


@settings(max_examples=LAYOUTS)
@given(layout=laid(), after=st.integers(0, 80), least=st.integers(0, 80))
def test_whatever_the_layout_events_come_once_and_in_order(layouts, layout, after, least):
    partition, low, more = layouts(layout)
    tail = max(last for _, last in layout)
    after, least = min(after, tail), min(least, tail)
    assert find_tail(partition, NAME, 0).sequence == tail
    assert least <= find_tail(partition, NAME, least).sequence <= tail
    repeated = any(b[1] <= a[1] for a, b in pairwise(layout))
    if not repeated:
        offset = locate(partition, NAME, lambda batch: batch.last > after)
        assert offset == low + max(sum(last <= after for _, last in layout) - 1, 0)
    whole = sequences(Follower(partition, NAME, after).to_the_end(tail))
    assert whole == list(range(after + 1, tail + 1))
    follower = Follower(partition, NAME, after)
    seen = sequences(follower.to_the_end())
    more((tail + 1, tail + 2))
    seen += sequences(follower.to_the_end())
    assert seen == list(range(after + 1, tail + 3))
    partition.close()


# -- readers --------------------------------------------------------------------------------------


def test_a_second_reading_goes_on_at_once(place, log, reader):
    teller = Teller(log)
    other = place.reader()
    for first in range(1, 31):
        teller.tell(orders(1, first))
        if first % 7 == 0:
            time.sleep(0.15)  # the consumer meets the end
        assert sequences(reader.events(NAME, first - 1)) == [first]
        assert other.tail(NAME).sequence == first


def test_a_pair_is_seen_as_soon_as_it_is_there(place):
    log = place.open(partitions=20)
    reader = place.reader()
    for number in range(20):
        log.add(f"x{number}", "")
        if number % 7 == 0:
            time.sleep(0.15)
        assert len(reader.instruments()) == number + 1


def test_readings_at_once_do_not_disturb_each_other(told, reader):
    one, two = reader.events(NAME, 0), reader.events(NAME, 0)
    assert spans([next(one), next(two)]) == [(1, 2)] * 2
    three = reader.events(NAME, 6)
    assert list(three) == []
    told.tell(orders(1, 7))
    assert spans([*one, *two]) == [(3, 5), (6, 6)] * 2
    assert spans(reader.events(NAME, 6)) == [(7, 7)]
    assert spans([next(reader.events(NAME, 2))]) == [(3, 5)]
    assert spans(reader.events(NAME, 2)) == [(3, 5), (6, 6), (7, 7)]


def test_readers_beside_the_writer_see_no_gap(log):
    seen = read_beside_writer(log)
    assert sorted(seen) == sorted(2 * list(range(1, 201)))
