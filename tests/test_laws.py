"""What always holds, law by law: on the book alone, whatever it is told."""

import numpy as np
import pricetime as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.audit import OTHER, Audit
from model.batches import orders, through
from model.blotter import command
from model.tapes import PROFILES, tape
from pricetime import (
    BOUND,
    EVENT,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    Parameter,
    Phase,
    Reason,
    Side,
)

# Laws are tried on tapes of few commands, many times; PROFILES say what a tape is made of.
COUNT = 120
any_tape = st.builds(tape, st.integers(0, 2**32), st.sampled_from(list(PROFILES)), st.just(COUNT))
points = st.integers(0, COUNT)
FAR = 10**15  # ticks and ids that no tape comes near


def tape_of(*profiles):
    return st.builds(tape, st.integers(0, 2**32), st.sampled_from(profiles), st.just(COUNT))


def one_by_one(book, commands):
    """Each command as an array of one, and its events."""
    for i in range(len(commands)):
        yield commands[i : i + 1], book.process(commands[i : i + 1])


def rejection(events):
    """The reason for which the command was rejected, or None."""
    last = events[-1]
    return Reason(int(last["reason"])) if last["kind"] == EventKind.REJECTED else None


# -- numbers --------------------------------------------------------------------------------------


@given(any_tape)
def test_sequence_trades_and_commands_are_numbered_without_gaps(commands):
    book = pt.Book(max_orders=30)
    events = book.process(commands)
    trades = events[events["kind"] == EventKind.TRADE]
    assert events["sequence"].tolist() == list(range(1, len(events) + 1))
    assert trades["detail"].tolist() == list(range(1, len(trades) + 1))
    assert np.unique(events["command"]).tolist() == list(range(1, len(commands) + 1))
    numbers = (book.commands, book.sequence, book.trades)
    assert numbers == (len(commands), len(events), len(trades))


@given(any_tape)
def test_every_command_ends_with_the_one_event_that_is_marked_last(commands):
    events = pt.Book(max_orders=30).process(commands)
    ends = np.append(events["command"][1:] != events["command"][:-1], True)
    assert (events["flags"] == np.where(ends, EventFlag.LAST, 0)).all()
    assert (np.diff(events["command"].astype(int)) >= 0).all()


@given(any_tape)
def test_time_never_goes_back(commands):
    book = pt.Book()
    times = book.process(commands)["timestamp"].tolist()
    assert times == sorted(times)
    assert (times[0] >= 0) and (times[-1] <= book.timestamp)


# -- lots -----------------------------------------------------------------------------------------


@given(any_tape)
def test_what_is_entered_is_traded_or_remains_or_is_cancelled(commands):
    """Counted here from the events alone, order by order, in the plainest way."""
    entered, traded, cancelled, remaining = {}, {}, {}, {}
    book = pt.Book(max_orders=30)
    for event in book.process(commands):
        order_id, quantity = int(event["order_id"]), int(event["quantity"])
        if event["kind"] == EventKind.ACCEPTED:
            entered[order_id], traded[order_id], cancelled[order_id] = quantity, 0, 0
            remaining[order_id] = quantity
        elif event["kind"] == EventKind.TRADE:
            for side in (order_id, int(event["maker_id"])):
                traded[side] += quantity
                remaining[side] -= quantity
        elif event["kind"] in (EventKind.CANCELLED, EventKind.REPLACED):
            cancelled[order_id] += quantity
            remaining[order_id] -= quantity
        elif event["kind"] == EventKind.AMENDED:
            change = int(event["remaining"]) - remaining[order_id]
            entered[order_id] += max(change, 0)
            cancelled[order_id] += max(-change, 0)
            remaining[order_id] += change
    for order_id in entered:
        parts = traded[order_id] + remaining[order_id] + cancelled[order_id]
        assert entered[order_id] == parts
        assert remaining[order_id] >= 0
    live = {int(row["order_id"]): int(row["remaining"]) for row in book.orders()}
    assert live == {order_id: left for order_id, left in remaining.items() if left > 0}
    assert all(
        row["quantity"] == traded[int(row["order_id"])] + row["remaining"] for row in book.orders()
    )


@given(any_tape)
def test_levels_add_up_and_hold_less_than_the_bound(commands):
    book = pt.Book()
    book.process(commands)
    rows = book.orders()
    for side, levels in ((Side.BUY, book.bids()), (Side.SELL, book.asks())):
        of_side = rows[rows["side"] == side]
        prices = list(dict.fromkeys(of_side["price"].tolist()))
        assert levels["price"].tolist() == prices == sorted(prices, reverse=side == Side.BUY)
        for level in levels:
            there = of_side[of_side["price"] == level["price"]]["remaining"].tolist()
            assert (sum(there), len(there)) == (level["quantity"], level["orders"])
            assert sum(there) < BOUND


# -- matching -------------------------------------------------------------------------------------


@given(any_tape)
def test_the_book_is_never_crossed_or_locked_at_rest(commands):
    book = pt.Book()
    for _ in one_by_one(book, commands):
        if None not in (book.best_bid, book.best_ask):
            assert book.best_bid < book.best_ask


@given(any_tape)
def test_every_trade_is_with_who_is_first_in_line_at_the_price_that_was_waiting(commands):
    book, audit = pt.Book(), Audit()
    events = book.process(commands)
    for i, event in enumerate(events):
        if event["kind"] == EventKind.TRADE:
            first = audit.first(OTHER[int(event["side"])])
            assert (event["maker_id"], event["price"]) == (first.order_id, first.price)
            taker = audit.live[int(event["order_id"])]
            assert taker.side == event["side"]
        audit.feed(events[i : i + 1])


@given(tape_of("mixed", "taker", "selftrade", "amend", "spread"))
def test_no_limit_is_passed(commands):
    """A buyer never pays more than his limit, a seller never gets less."""
    book, limits = pt.Book(), {}
    for row, events in one_by_one(book, commands):
        for event in events:
            if event["kind"] in (EventKind.ACCEPTED, EventKind.AMENDED):
                market = row["kind"] in (Kind.NEW, Kind.REPLACE) and row["order_type"] == 1
                limits[int(event["order_id"])] = None if market else int(event["price"])
            elif event["kind"] == EventKind.TRADE:
                limit = limits[int(event["order_id"])]
                sign = 1 if event["side"] == Side.BUY else -1
                assert limit is None or sign * int(event["price"]) <= sign * limit


@given(tape_of("selftrade", "mixed", "taker", "amend"))
def test_one_account_trades_with_itself_only_where_that_is_allowed(commands):
    book, modes, default = pt.Book(stp=STP.CANCEL_MAKER), {}, STP.CANCEL_MAKER
    for row, events in one_by_one(book, commands):
        for event in events:
            order_id = int(event["order_id"])
            if event["kind"] == EventKind.ACCEPTED:
                modes[order_id] = int(row["stp"][0])
            elif event["kind"] == EventKind.PARAMETER_SET and order_id == Parameter.STP:
                default = int(event["detail"])
            elif event["kind"] == EventKind.TRADE and event["account"] == event["maker_account"]:
                allowed = (modes[order_id] or default) == STP.ALLOW
                assert event["account"] == 0 or allowed


@given(tape_of("post", "selftrade", "spread", "edge", "abyss"))
def test_a_post_only_order_never_takes_as_it_enters(commands):
    book, posted = pt.Book(), set()
    for row, events in one_by_one(book, commands):
        takers = events[events["kind"] == EventKind.TRADE]["order_id"].tolist()
        if row["kind"] in (Kind.NEW, Kind.REPLACE) and rejection(events) is None:
            field = "order_id" if row["kind"] == Kind.NEW else "slot"
            order_id = int(row[field][0])
            posted.discard(order_id)
            if row["flags"] & (Flag.POST_ONLY | Flag.POST_ONLY_SLIDE):
                posted.add(order_id)
        assert not posted.intersection(takers)


# -- rejections -----------------------------------------------------------------------------------


@given(any_tape)
def test_a_rejected_command_changes_nothing_but_the_time(commands):
    """The state is as after a CLOCK of the same time, or where it is refused at once as it was."""
    book = pt.Book(max_orders=12)
    for i in range(len(commands)):
        row, before = commands[i : i + 1], book.checkpoint()
        reason = rejection(book.process(row))
        if reason is not None:
            expected = pt.Book.restore(before)
            if reason not in (Reason.MALFORMED, Reason.UNSUPPORTED):
                expected.clock(int(row["timestamp"][0]))
            assert book.state_hash() == expected.state_hash(), reason


@given(tape_of("taker", "selftrade", "mixed"))
def test_a_rejected_fok_leaves_no_trace(commands):
    """No event but the rejection, no lot and no place of anybody changed."""
    commands["timestamp"] = 0
    commands["tif"] = np.where(commands["tif"] == TIF.GTC, TIF.FOK, commands["tif"])
    commands["tif"][::3] = TIF.GTC
    book = pt.Book()
    for i in range(len(commands)):
        state, rows = book.state_hash(), book.orders()
        events = book.process(commands[i : i + 1])
        if rejection(events) == Reason.FOK:
            assert len(events) == 1
            assert (book.state_hash(), book.orders().tobytes()) == (state, rows.tobytes())


@given(tape_of("taker", "selftrade", "mixed"))
def test_an_accepted_fok_is_filled(commands):
    commands["flags"] = 0
    commands["tif"][::2] = TIF.FOK
    book = pt.Book()
    for row, events in one_by_one(book, commands):
        entry = row["kind"] in (Kind.NEW, Kind.REPLACE)
        if entry and row["tif"] == TIF.FOK and rejection(events) is None:
            order_id = int(row["order_id" if row["kind"] == Kind.NEW else "slot"][0])
            mine = events[(events["kind"] == EventKind.TRADE) & (events["order_id"] == order_id)]
            assert mine["quantity"].sum() == row["quantity"]
            assert mine["remaining"][-1] == 0


# -- one future -----------------------------------------------------------------------------------


@given(any_tape, st.lists(points, max_size=8).map(sorted), st.integers(4, 40))
def test_any_cut_into_batches_gives_the_same_bytes(commands, cuts, room):
    whole, parts, small = pt.Book(), pt.Book(), pt.Book()
    expected = whole.process(commands).tobytes()
    cut_up = np.split(commands, cuts)
    out = np.empty(room, EVENT)
    assert b"".join(parts.process(part).tobytes() for part in cut_up) == expected
    assert b"".join(through(small, part, out) for part in cut_up) == expected
    assert whole.checkpoint() == parts.checkpoint() == small.checkpoint()


@pytest.fixture(scope="module")
def deep():
    """A checkpoint deep enough for a batch to look far ahead; a tape finds room beside it."""
    book = pt.Book()
    many = orders(70_000, FAR, price=-1000 - np.arange(70_000) % 5000)
    many["side"][::2] = Side.SELL
    many["price"][::2] *= -1
    many["tif"][::50] = TIF.GTD
    many["expires"] = 2**32 - 1 - np.arange(70_000) % 7
    book.process(many)
    assert len(book) == 70_000
    return book.checkpoint()


@pytest.mark.parametrize("profile", PROFILES)
def test_looking_ahead_in_a_deep_book_changes_nothing(deep, profile):
    commands = tape(8, profile, 1500)
    deeper = (np.arange(1500) % 5 == 0) & np.isin(commands["kind"], (Kind.CANCEL, Kind.AMEND))
    commands["order_id"][deeper] = FAR + 7 * np.arange(1500)[deeper]
    commands["kind"][commands["kind"] == Kind.MASS_CANCEL] = Kind.CANCEL
    far_ahead, nothing_ahead = pt.Book.restore(deep), pt.Book.restore(deep)
    events = far_ahead.process(commands)
    single = [events_of_one for _, events_of_one in one_by_one(nothing_ahead, commands)]
    assert events.tobytes() == np.concatenate(single).tobytes()
    far_ahead.check()
    assert far_ahead.state_hash() == nothing_ahead.state_hash()


@given(any_tape, points)
def test_a_checkpoint_at_any_point_changes_nothing(commands, point):
    book = pt.Book(max_orders=40)
    book.process(commands[:point])
    saved = book.checkpoint()
    restored = pt.Book.restore(saved)
    restored.check()
    assert restored.checkpoint() == saved
    assert restored.state_hash() == book.state_hash()
    future = book.process(commands[point:])
    assert restored.process(commands[point:]).tobytes() == future.tobytes()
    assert restored.checkpoint() == book.checkpoint()


@given(any_tape)
def test_the_book_can_be_rebuilt_from_its_events_alone(commands):
    book, audit = pt.Book(max_orders=30), Audit()
    names = ["order_id", "side", "price", "remaining", "account"]
    for part in np.array_split(commands, 10):
        audit.feed(book.process(part))
        assert audit.book() == book.orders()[names].tolist()


# -- the state's name -----------------------------------------------------------------------------


def disturb(book, count):
    """Orders far away come and go, the first of them first: slots and chains are others now."""
    far = orders(count, FAR, price=-FAR - np.arange(count) % 97, stp=STP.CANCEL_TAKER)
    far["side"][::2] = Side.SELL
    far["price"][::2] *= -1
    far["expires"] = 2**32 - 1
    far["tif"][::3] = TIF.GTD
    book.process(far)
    far["kind"] = Kind.CANCEL
    book.process(far)


@given(
    tape_of("mixed", "amend", "expiry", "phases", "limits", "selftrade"),
    points,
    st.integers(1, 300),
)
def test_the_hash_knows_nothing_of_the_layout(commands, point, count):
    """Two books of the same orders, one of which has seen many others come and go."""
    wild = (commands["kind"] != Kind.SET) & (abs(commands["price"]) > FAR // 2)
    commands["price"][wild] = 100
    plain, disturbed = pt.Book(), pt.Book()
    disturb(disturbed, count)
    for part in (commands[:point], commands[point:]):
        ours, theirs = plain.process(part), disturbed.process(part)
        names = [name for name in EVENT.names if name not in ("sequence", "command")]
        assert ours[names].tolist() == theirs[names].tolist()
        disturb(disturbed, count)
        assert plain.state_hash() == disturbed.state_hash()
        assert plain.checkpoint() != disturbed.checkpoint()


@given(any_tape, points)
def test_the_hash_is_that_of_the_restored_book(commands, point):
    book = pt.Book()
    book.process(commands[:point])
    assert pt.Book.restore(book.checkpoint()).state_hash() == book.state_hash()


STATES = [
    [],
    ["buy 1 5@100"],
    ["sell 1 5@100"],
    ["buy 2 5@100"],
    ["buy 1 6@100"],
    ["buy 1 5@101"],
    ["buy 1 5@100 account=7"],
    ["buy 1 5@100 day"],
    ["buy 1 5@100 gtd until=3"],
    ["buy 1 5@100 gtd until=4"],
    ["buy 1 5@100 post"],
    ["buy 1 5@100 slide"],
    ["buy 1 5@100 stp-allow"],
    ["buy 1 5@100", "sell 2 1@100"],
    ["buy 1 4@100"],
    ["buy 1 5@100", "buy 2 5@100"],
    ["buy 2 5@100", "buy 1 5@100"],
    ["buy 1 5@99", "buy 2 5@100", "amend 1 5@100"],
    ["buy 1 5@100", "phase HALTED"],
    ["set MAX_PRICE 100"],
    ["set STP 1"],
    ["clock at=1"],
]


def test_what_would_behave_otherwise_has_another_hash():
    names = {}
    for lines in STATES:
        book = pt.Book()
        for line in lines:
            book.process(command(line))
        names.setdefault(book.state_hash(), []).append(lines)
    assert [lines for lines in names.values() if len(lines) > 1] == []
    assert pt.Book(max_orders=9).state_hash() not in names


@pytest.mark.parametrize("phase", [Phase.CONTINUOUS, Phase.CLOSED])
def test_another_way_to_the_same_state_has_the_same_hash(phase):
    one, other = pt.Book(), pt.Book()
    for line in ("buy 1 5@100 at=9", "sell 2 3@101"):
        one.process(command(line))
    for line in (
        "set MAX_PRICE 999",
        "buy 5 5@90",
        "buy 1 5@100",
        "phase HALTED",
        "cancel 5",
        "phase CONTINUOUS",
        "sell 2 4@101",
        "amend 2 3@101 at=9",
        f"set MAX_PRICE {BOUND - 1}",
    ):
        other.process(command(line))
    for book in (one, other):
        book.phase(phase)
    # An amend has taken a lot off the total: what has traded is the same, and so is what remains.
    assert one.state_hash() == other.state_hash()
    assert one.checkpoint() != other.checkpoint()
