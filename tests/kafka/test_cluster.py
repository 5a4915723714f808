"""Short runs of `tests/cluster`: pairs under load while runners and brokers come, go and freeze.

`python tests/cluster/run.py` makes the long ones, whose results are in docs/kafka.md.
"""

import pytest

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from cluster.scenarios import PLACES, PLAIN, SCENARIOS
from cluster.venue import Venue
from pricetime.broker import Cluster

RATE = 2000  # commands a second
SHORT = {  # how much of each, and what it is made with
    "steady": (3, {}),
    "bare": (2, {}),
    "kills": (2, {}),
    "standby": (2, {}),
    "zombies": (1, {}),
    "rebalances": (3, {}),
    "recovery": (1, {"history": 200_000}),
    "peak": (200_000, {}),
    "crowd": (2, {"crowd": 80, "burst": 4}),  # more than one consumer reads
}
OF_THREE = {
    "leaders": (1, {}),
    "frozen": (1, {}),
    "blocked": (5, {"places": PLACES["blocked"]}),
    "stuck": (5, {"places": PLACES["stuck"]}),
}


def play(name, bootstrap, count, made, cluster=None):
    venue = Venue(bootstrap, RATE, 1, cluster, plain=name in PLAIN, **made)
    try:
        result = SCENARIOS[name](venue, count, print)
    finally:
        venue.close()
    print(result.tell(name))
    assert result.commands and result.events
    assert result.checked == (name != "bare")


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_or_repeated(broker, name):
    play(name, broker, *SHORT[name])


@pytest.fixture(scope="module")
def three(kafka, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("three"), 3, port=0) as cluster:
        yield cluster


@pytest.mark.parametrize("name", OF_THREE)
def test_nothing_is_lost_or_repeated_with_three_brokers(three, name):
    play(name, three.bootstrap, *OF_THREE[name], three)
