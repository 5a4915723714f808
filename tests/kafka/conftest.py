"""What the tests of the log on Kafka begin with."""

import pytest
from model.batches import orders
from model.logs import NAME, Teller


@pytest.fixture
def place(broker, request):
    """Where the log of a test is."""
    from model.kafka_logs import KafkaPlace  # an extra, without which the tests are skipped

    made = KafkaPlace(broker, request.node.name)
    yield made
    made.close()


@pytest.fixture
def log(place):
    """A log with one pair."""
    made = place.open()
    made.add(NAME, "one")
    return made


@pytest.fixture
def reader(log, place):
    """A reader that was opened before anything was written."""
    return place.reader()


@pytest.fixture
def told(log):
    """A log with three batches of 2, 3 and 1 commands and their events."""
    teller = Teller(log)
    for size, first in ((2, 1), (3, 3), (1, 6)):
        teller.tell(orders(size, first))
    return teller
