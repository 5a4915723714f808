"""Lets the short benchmarks import what they share by name, and says on what build they run."""

import sys
from pathlib import Path

import pytest
from pricetime import _book

sys.path.insert(0, str(Path(__file__).parent))


def pytest_report_header():
    return "pricetime: a checked build, nothing to measure" if _book.CHECKED else None


@pytest.fixture(autouse=True)
def _release_build():
    if _book.CHECKED:
        pytest.skip("a checked build: its figures would mean nothing")
