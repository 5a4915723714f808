"""What all tests share: the way to `model`, how hard hypothesis tries, and which build it is.

HYPOTHESIS_PROFILE=long tries long and anew each time; without it every run does the same.
PRICETIME_KAFKA_REQUIRED=1 fails where a real Kafka cannot be had; without it its tests are skipped.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from pricetime import Book, _book
from pricetime.broker import BrokerError, Cluster, install
from pricetime.broker.java import java

# Importlib mode leaves `sys.path` alone.
sys.path.insert(0, str(Path(__file__).parent))

from model.twin import Twin

settings.register_profile(
    "ci", max_examples=150, stateful_step_count=40, deadline=None, derandomize=True
)
settings.register_profile(
    "long", max_examples=3000, stateful_step_count=80, deadline=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_report_header():
    build = "checked" if _book.CHECKED else "release"
    return f"pricetime: {build} build at {_book.__file__}"


@pytest.fixture(params=[Book, Twin])
def make(request):
    """The maker of a book: the compiled one, and its naive twin."""
    return request.param


@pytest.fixture(scope="session")
def kafka():
    """For tests that start a real Kafka: skips them where it cannot be had, or fails."""
    try:
        if find_spec("confluent_kafka") is None:
            raise BrokerError("no confluent_kafka: pip install 'pricetime[kafka,broker]'")
        java()
        install()
    except BrokerError as error:
        missing = pytest.fail if os.environ.get("PRICETIME_KAFKA_REQUIRED") == "1" else pytest.skip
        missing(f"a real Kafka: {error}")


@pytest.fixture(scope="session")
def broker(kafka, tmp_path_factory):
    """The address of a real Kafka of one broker, which all tests share: each has its own topics."""
    cluster = Cluster(tmp_path_factory.mktemp("broker"), port=0)
    cluster.start()
    yield cluster.bootstrap
    cluster.destroy()
