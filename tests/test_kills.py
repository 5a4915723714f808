"""A venue under load is killed with SIGKILL and loses nothing: 15 times here, 8 s.

`python tests/kills/sigkill.py --count 200` does it as often as one likes.
"""

import pytest

pytest.importorskip("fcntl", reason="a venue's file needs flock, as Unix has it")

from kills.sigkill import kill_and_check


def test_a_killed_venue_keeps_every_answer_it_gave_once(tmp_path):
    counted = kill_and_check(tmp_path, count=15, seed=2)
    assert counted["kills"] == 15
    assert counted["answers"] > 1000
    assert counted["asked again"] > 0
    assert counted["had been done before"] > 0, "no kill fell between a commit and its answer"
    assert counted["checkpoints kept"] > 0
