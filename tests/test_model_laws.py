"""What holds for the twin on every tape, and what the tapes reach."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.audit import Audit
from model.tapes import PROFILES, tape
from model.twin import Twin
from pricetime.records import EventKind, Reason


@pytest.mark.parametrize("profile", PROFILES)
def test_the_book_can_be_rebuilt_from_events(profile):
    twin, audit = Twin(max_orders=60), Audit()
    for batch in np.array_split(tape(1, profile, 3000), 60):
        audit.feed(twin.process(batch))
        twin.check()
        rows = twin.orders()
        names = ("order_id", "side", "price", "remaining", "account")
        assert audit.book() == [tuple(row[name] for name in names) for row in rows]
    assert (audit.command, audit.sequence) == (twin.commands, twin.sequence)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(list(PROFILES)), st.integers(0, 200))
def test_any_cut_of_batches_gives_the_same_bytes(seed, profile, cut):
    commands = tape(seed, profile, 200)
    whole, parts = Twin(), Twin()
    cut_up = [parts.process(commands[:cut]), parts.process(commands[cut:])]
    assert whole.process(commands).tobytes() == b"".join(part.tobytes() for part in cut_up)


def test_a_seed_gives_its_tape_again():
    assert tape(3, "noise", 500).tobytes() == tape(3, "noise", 500).tobytes()
    assert tape(3, "noise", 500).tobytes() != tape(4, "noise", 500).tobytes()


def test_the_tapes_reach_every_event_and_reason_of_this_scope():
    later = {
        *(Reason.LINK_GONE, Reason.MINIMUM, Reason.COLLAR, Reason.BAND, Reason.DISARMED),
        *(Reason.OCO, Reason.PARENT, Reason.AUCTION),
    }
    kinds, reasons = set(), set()
    for profile in PROFILES:
        events = Twin(max_orders=25).process(tape(2, profile, 3000))
        kinds |= set(map(EventKind, events["kind"].tolist()))
        reasons |= set(map(Reason, events["reason"][events["reason"] > 0].tolist()))
    assert reasons == set(Reason) - later
    assert kinds == set(EventKind) - {
        *(EventKind.TRIGGERED, EventKind.REFRESHED, EventKind.INDICATIVE)
    }
