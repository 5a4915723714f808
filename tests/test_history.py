"""`pricetime.events`: history, then live, from a file and from Kafka."""

import threading
import time
from itertools import islice

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from pricetime.log.batch import NO_TOKENS, Events

NAME = "BTC_EUR"


class File:
    """A venue in a file."""

    def __init__(self, tmp_path):
        self.where = tmp_path / "venue.db"
        self.venue = pt.Venue(self.where)
        self.venue.add(pt.Instrument(NAME, tick_size="0.01", lot_size="0.01"))

    def send(self, commands):
        self.venue.submit(NAME, commands)

    def close(self):
        self.venue.close()


class Kafka:
    """A pair on Kafka, whose events are published by hand."""

    def __init__(self, broker):
        kafka = pytest.importorskip("pricetime.log.kafka")
        self.where = f"kafka://{broker}/history-{time.time_ns()}"
        self.log = kafka.KafkaLog(self.where)
        self.log.add(NAME, "")
        self.stream = self.log.stream(NAME)
        self.book = pt.Book()

    def send(self, commands):
        self.stream.append(commands, NO_TOKENS)
        events = self.book.process(commands)
        self.stream.publish(Events(events, self.stream.tail().position + 1, ""))
        self.log.commit()

    def close(self):
        self.log.close()


@pytest.fixture(params=["file", "kafka"])
def site(request, tmp_path):
    made = File(tmp_path) if request.param == "file" else Kafka(request.getfixturevalue("broker"))
    yield made
    made.close()


def sequences(arrays):
    return np.concatenate(list(arrays))["sequence"].tolist()


@pytest.mark.parametrize("after", [0, 2, 5])
def test_history_begins_behind_a_sequence(site, after):
    for first in (1, 4):
        site.send(orders(3, first))
    found = sequences(pt.events(site.where, NAME, after=after, follow=False))
    assert found == list(range(after + 1, 7))


def test_nothing_comes_twice_between_history_and_live(site):
    site.send(orders(2))
    told = []

    def follow():
        for events in pt.events(site.where, NAME):
            told.extend(events["sequence"].tolist())
            if len(told) >= 8:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    for first in (3, 5, 7):
        time.sleep(0.05)
        site.send(orders(2, first))
    thread.join(30)
    assert told == list(range(1, 9))


def test_wrong_questions_are_named(site):
    with pytest.raises(ValueError, match="after -1 is below 0"):
        next(pt.events(site.where, NAME, after=-1))
    with pytest.raises(pt.LogError, match=r"'XX'.*it has BTC_EUR"):
        next(pt.events(site.where, "XX", follow=False))
    assert list(islice(pt.events(site.where, NAME, follow=False), 1)) == []


def test_a_sequence_may_be_a_number_of_numpy(site):
    site.send(orders(3))
    (whole,) = pt.events(site.where, NAME, follow=False)
    after = whole["sequence"][1]
    assert sequences(pt.events(site.where, NAME, after=after, follow=False)) == [3]
