"""What holds for the twin under any commands: sound after each, true to its own events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.audit import Audit
from model.tapes import PROFILES, tape
from model.twin import Twin
from pricetime.records import ORDER, OrderState, OrderType, Side

SEEDS = range(6)


def rows(orders):
    return [tuple(order[name] for name in ORDER.names) for order in orders]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_sound_and_as_its_events_tell_after_every_command(seed):
    twin, audit = Twin(max_orders=40), Audit()
    for command in tape(seed, "everything", 400):
        command = command.reshape(1)
        audit.feed(twin.process(command), command)
        twin.check()
        assert audit.book() == rows(twin.orders(hidden=True))
    counters = (twin.commands, twin.sequence, twin.trades)
    assert (audit.command, audit.sequence, audit.trades) == counters


@pytest.mark.parametrize("profile", PROFILES)
def test_it_can_be_rebuilt_from_what_was_said(profile):
    twin, audit = Twin(max_orders=60), Audit()
    for batch in np.array_split(tape(1, profile, 1500), 60):
        audit.feed(twin.process(batch), batch)
        twin.check()
        assert audit.book() == rows(twin.orders(hidden=True))


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(list(PROFILES)), st.integers(0, 200))
def test_any_cut_gives_the_same_bytes(seed, profile, cut):
    commands = tape(seed, profile, 200)
    whole, parts = Twin(), Twin()
    cut_up = [parts.process(commands[:cut]), parts.process(commands[cut:])]
    assert whole.process(commands).tobytes() == b"".join(part.tobytes() for part in cut_up)
    assert whole.orders(hidden=True) == parts.orders(hidden=True)


@pytest.mark.parametrize("profile", ["everything", "icebergs", "auctions"])
@pytest.mark.parametrize("seed", SEEDS)
def test_depth_is_the_sum_of_orders(seed, profile):
    twin = Twin(max_orders=60)
    twin.process(tape(seed, profile, 250))
    resting = [o for o in twin.orders(hidden=True) if o["state"] == OrderState.RESTING]
    for side, whole, seen in (
        (Side.BUY, twin.bids(hidden=True), twin.bids()),
        (Side.SELL, twin.asks(hidden=True), twin.asks()),
    ):
        for orders, depth in ((resting, whole), (twin.orders(), seen)):
            levels = {}
            for order in orders:
                if order["side"] == side and order["order_type"] == OrderType.LIMIT:
                    quantity, count = levels.get(order["price"], (0, 0))
                    levels[order["price"]] = (quantity + order["remaining"], count + 1)
            sign = -1 if side == Side.BUY else 1
            ranked = sorted(levels.items(), key=lambda item: sign * item[0])
            assert depth == [(price, *level) for price, level in ranked]
