"""What all tests share: the way to `model`, how hard hypothesis tries, and which build it is.

HYPOTHESIS_PROFILE=long tries long and anew each time; without it every run does the same.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from pricetime import Book, _book

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
