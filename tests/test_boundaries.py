"""A venue is killed at its write system calls, and each of them fails: some here, in 20 s.

`python tests/kills/boundaries.py` goes through all of them, in some four minutes.
"""

import pytest
from kills.boundaries import disturb_all, unable

COUNT = 60


def test_a_venue_ends_at_any_write_and_goes_on_where_it_was(tmp_path):
    reason = unable()
    if reason:
        pytest.skip(reason)
    counted = disturb_all(tmp_path, COUNT, seed=1)
    assert counted["write system calls"] > 100
    assert counted["runs"] == COUNT
    for what in (
        "killed",
        "pwrite64 error=ENOSPC",
        "pwrite64 error=EIO",
        "went on without a restart",
    ):
        assert counted[what] > 0, f"no {what}"
