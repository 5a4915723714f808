"""What always holds, law by law: on the book alone, whatever it is told."""

import numpy as np
import pricetime as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.audit import Audit
from model.batches import LEAST, orders, through
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
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
)
from pricetime.records import OrderState

LIMIT = OrderType.LIMIT
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
    assert (events["flags"] & EventFlag.LAST == np.where(ends, EventFlag.LAST, 0)).all()
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
            spent = quantity * int(event["price"])  # of a quote quantity
            for side, left in (("order_id", "remaining"), ("maker_id", "maker_remaining")):
                side = int(event[side])
                amount = remaining[side] - int(event[left])
                assert amount in (quantity, spent)
                traded[side] += amount
                remaining[side] -= amount
        elif event["kind"] in (EventKind.CANCELLED, EventKind.REPLACED):
            cancelled[order_id] += quantity
            remaining[order_id] -= quantity
        elif event["kind"] in (EventKind.AMENDED, EventKind.TRIGGERED):
            change = int(event["remaining"]) - remaining[order_id]
            entered[order_id] += max(change, 0)
            cancelled[order_id] += max(-change, 0)
            remaining[order_id] += change
    for order_id in entered:
        parts = traded[order_id] + remaining[order_id] + cancelled[order_id]
        assert entered[order_id] == parts
        assert remaining[order_id] >= 0
    rows = book.orders(hidden=True)
    live = dict(zip(rows["order_id"].tolist(), rows["remaining"].tolist(), strict=True))
    assert live == {order_id: left for order_id, left in remaining.items() if left > 0}
    totals = [traded[order_id] + left for order_id, left in live.items()]
    assert rows["quantity"].tolist() == totals


@given(any_tape)
def test_levels_add_up_and_hold_less_than_the_bound(commands):
    book = pt.Book()
    book.process(commands)
    every = book.orders(hidden=True)
    priced = every[(every["state"] == OrderState.RESTING) & (every["order_type"] == LIMIT)]
    for hidden, rows in ((False, book.orders()), (True, priced)):
        for side, levels in (
            (Side.BUY, book.bids(hidden=hidden)),
            (Side.SELL, book.asks(hidden=hidden)),
        ):
            of_side = rows[rows["side"] == side]
            prices = list(dict.fromkeys(of_side["price"].tolist()))
            assert levels["price"].tolist() == prices == sorted(prices, reverse=side == Side.BUY)
            for level in levels:
                there = of_side[of_side["price"] == level["price"]]["remaining"].tolist()
                assert (sum(there), len(there)) == (level["quantity"], level["orders"])
                assert sum(there) < BOUND


@given(any_tape)
def test_the_market_sees_what_is_displayed_and_no_more(commands):
    book = pt.Book()
    book.process(commands)
    every, seen = book.orders(hidden=True), book.orders()
    shown = every[every["displayed"] > 0]
    assert seen["remaining"].tolist() == shown["displayed"].tolist()
    assert (shown["state"] == OrderState.RESTING).all()
    iceberg = shown["flags"] & Flag.ICEBERG != 0
    assert (shown["displayed"][iceberg] <= shown["slot"][iceberg]).all()
    assert (seen["quantity"][iceberg] == seen["remaining"][iceberg]).all()
    for name in ("order_id", "price", "displayed", "accepted", "priority", "account", "side"):
        assert seen[name].tolist() == shown[name].tolist()
    for name in ("slot", "partner", "parent", "marks", "trigger", "reference"):
        assert not seen[name].any()
    assert not (seen["flags"] & (Flag.ICEBERG | Flag.MINIMUM | Flag.OCO | Flag.ON_FILL)).any()


# -- matching -------------------------------------------------------------------------------------


def each_trade(book, commands):
    """Each trade, and the auditor that has heard all before it."""
    audit = Audit()
    audit.parameters = dict.fromkeys(Parameter, 0) | {Parameter.STP: STP.ALLOW}
    for i in range(len(commands)):
        heard = commands[i : i + 1]
        for event in book.process(heard):
            if event["kind"] == EventKind.TRADE:
                yield event, audit
            elif event["kind"] == EventKind.PARAMETER_SET:
                audit.parameters[int(event["order_id"])] = int(event["detail"])
            audit.feed(event.reshape(1), heard)
            heard = ()


@given(any_tape)
def test_the_book_is_never_crossed_or_locked_at_rest(commands):
    """Links apart: a leg that goes in an uncross can leave others that could trade."""
    commands["flags"] &= ~np.uint16(Flag.OCO | Flag.ON_FILL)
    book = pt.Book()
    for _ in one_by_one(book, commands):
        matches = book.current_phase in (Phase.CONTINUOUS, Phase.POST_ONLY)
        if matches and None not in (book.best_bid, book.best_ask):
            assert book.best_bid < book.best_ask


@given(any_tape)
def test_every_trade_is_with_who_is_first_in_line_at_the_price_that_was_waiting(commands):
    """Pro-rata: with one of those who are. In an uncross both sides are first."""
    for event, audit in each_trade(pt.Book(), commands):
        taker, maker = audit.live[int(event["order_id"])], audit.live[int(event["maker_id"])]
        if event["flags"] & EventFlag.AUCTION:
            for side in (taker, maker):
                others = audit.resting(side.side)
                assert side is next(o for o in others if not o.flags & Flag.ALL_OR_NONE)
        elif audit.parameters[Parameter.MATCHING] == 2 and not maker.is_second:
            assert maker.level == audit.first(taker).level
        else:
            assert maker is audit.first(taker)


@given(any_tape)
def test_no_limit_is_passed(commands):
    """A buyer never pays more than his limit, a seller never gets less."""
    for event, audit in each_trade(pt.Book(), commands):
        for life in (audit.live[int(event["order_id"])], audit.live[int(event["maker_id"])]):
            sign = 1 if life.side == Side.BUY else -1
            assert life.is_market or sign * int(event["price"]) <= sign * life.price


@given(any_tape)
def test_one_account_trades_with_itself_only_where_that_is_allowed(commands):
    for event, audit in each_trade(pt.Book(), commands):
        same = event["account"] == event["maker_account"] != 0
        if same and not event["flags"] & EventFlag.AUCTION:
            mode = audit.live[int(event["order_id"])].stp
            assert (mode or audit.parameters[Parameter.STP]) == STP.ALLOW


@given(any_tape)
def test_a_post_only_order_takes_in_an_uncross_alone(commands):
    for event, audit in each_trade(pt.Book(), commands):
        if audit.live[int(event["order_id"])].flags & (Flag.POST_ONLY | Flag.POST_ONLY_SLIDE):
            assert event["flags"] & EventFlag.AUCTION


@given(any_tape)
def test_all_or_none_is_all_or_none(commands):
    book = pt.Book()
    for event, audit in each_trade(book, commands):
        if audit.live[int(event["maker_id"])].flags & Flag.ALL_OR_NONE:
            assert event["maker_remaining"] == 0
            assert not event["flags"] & EventFlag.AUCTION
    rows = book.orders(hidden=True)
    rows = rows[rows["flags"] & Flag.ALL_OR_NONE != 0]
    assert (rows["quantity"] == rows["remaining"]).all()


@given(tape_of("auctions", "everything", "phases", "quotes", "bands"))
def test_an_uncross_has_one_price(commands):
    events = pt.Book().process(commands)
    marked = (events["kind"] == EventKind.TRADE) & (events["flags"] & EventFlag.AUCTION != 0)
    uncross = np.cumsum(events["kind"] == EventKind.PHASE_CHANGED)[marked]
    for number in np.unique(uncross):
        assert len(np.unique(events["price"][marked][uncross == number])) == 1


@given(any_tape)
def test_what_cannot_rest_does_not(commands):
    book = pt.Book()
    for _ in one_by_one(book, commands):
        pass
    rows = book.orders(hidden=True)
    rests = rows[rows["state"] == OrderState.RESTING]
    assert not np.isin(rests["tif"], (TIF.IOC, TIF.FOK)).any()
    assert not (rests["flags"] & Flag.QUOTE_QUANTITY).any()
    if book.current_phase in (Phase.CONTINUOUS, Phase.POST_ONLY):
        assert (rests["order_type"] == LIMIT).all()
        assert (rests["tif"] != TIF.AUCTION).all()


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
        state, rows = book.state_hash(), book.orders(hidden=True)
        events = book.process(commands[i : i + 1])
        if rejection(events) == Reason.FOK:
            assert len(events) == 1
            assert book.state_hash() == state
            assert book.orders(hidden=True).tobytes() == rows.tobytes()


@given(any_tape)
def test_a_fok_trades_all_or_nothing(commands):
    fillable = commands["flags"] & (Flag.POST_ONLY | Flag.POST_ONLY_SLIDE | Flag.ICEBERG) == 0
    commands["tif"][fillable & (np.arange(COUNT) % 3 == 0)] = TIF.FOK
    book, audit = pt.Book(), Audit()
    events = book.process(commands)
    for i, event in enumerate(events):
        if event["kind"] == EventKind.CANCELLED:
            life = audit.live[int(event["order_id"])]
            assert life.tif != TIF.FOK or life.traded == 0
        audit.feed(events[i : i + 1], () if i else commands)


# -- one future -----------------------------------------------------------------------------------


@given(any_tape, st.lists(points, max_size=8).map(sorted), st.integers(LEAST, 60))
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
def test_the_book_can_be_rebuilt_from_what_was_said(commands):
    book, audit = pt.Book(max_orders=30), Audit()
    for part in np.array_split(commands, 10):
        audit.feed(book.process(part), part)
        assert audit.book() == book.orders(hidden=True).tolist()


# -- the state's name -----------------------------------------------------------------------------


def disturb(book, count):
    """Orders far away come and go, the first of them first: slots and chains are others now."""
    far = orders(count, FAR, price=-FAR - np.arange(count) % 97, stp=STP.CANCEL_TAKER)
    far["side"][::2] = Side.SELL
    far["price"][::2] *= -1
    far["expires"] = 2**32 - 1
    far["tif"][::3] = TIF.GTD
    far["order_type"][::5] = OrderType.STOP_LIMIT
    far["trigger"] = -far["price"]
    far["flags"][1::7], far["slot"][1::7] = Flag.ICEBERG, 1
    far["flags"][2::7] = Flag.HIDDEN
    for at, flag in ((3, Flag.OCO), (4, Flag.ON_FILL)):
        far["flags"][at::7] = flag
        far["slot"][at::7] = far["order_id"][at::7] - np.uint64(at - 1)
    book.process(far)
    far["kind"] = Kind.CANCEL
    book.process(far)


@given(any_tape, points, st.integers(1, 300))
def test_the_hash_knows_nothing_of_the_layout(commands, point, count):
    """Two books of the same orders, one of which has seen many others come and go."""
    for name in ("price", "trigger"):
        wild = (commands["kind"] != Kind.SET) & (abs(commands[name] // 2) > FAR // 4)
        commands[name][wild] = 100
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
    ["buy 1 5@100 auction"],
    ["buy 1 5@100 hidden"],
    ["buy 1 5@100 aon"],
    ["buy 1 5@100 peak=2"],
    ["buy 1 5@100 peak=3"],
    ["buy 1 5@100 min=2"],
    ["buy 1 6@100 peak=2", "sell 2 1@100"],
    ["buy 1 6@100 peak=2", "sell 2 3@100", "amend 1 8@100"],
    ["buy 1 5@100 stop=105"],
    ["buy 1 5@100 stop=106"],
    ["buy 1 5@100 take=105"],
    ["buy 1 5@market stop=105"],
    ["buy 1 5@market trail=3"],
    ["buy 1 5@~0 trail=3"],
    ["buy 1 5@~1 trail=3"],
    ["buy 8 1@100", "sell 9 1@100"],
    ["buy 8 1@100", "sell 9 1@100", "buy 1 5@market trail=3"],
    ["buy 1 5@market trail=3", "buy 8 1@100", "sell 9 1@100", "buy 8 1@101", "sell 9 1@101"],
    ["buy 8 1@100", "sell 9 1@100", "buy 1 5@100 stop=100"],
    ["buy 1 5@100", "buy 2 5@100 oco=1"],
    ["buy 1 5@100", "buy 2 5@100 parent=1"],
    ["buy 1 5@100", "buy 2 5@100 parent=1", "buy 3 5@100 parent=1"],
    ["quote 1 5@100 - account=1"],
    ["buy 1 5@100 post account=1"],
    ["arm account=1 until=9"],
    ["arm account=1 until=8"],
    ["arm account=2 until=9"],
    ["phase HALTED until=9"],
    ["phase HALTED until=8"],
    ["phase CLOSED until=9"],
    ["phase HALTED until=9", "arm account=1 until=9"],
    ["arm account=1 until=9", "phase HALTED until=9"],
    ["phase AUCTION"],
    ["phase AUCTION", "buy 1 5@market"],
]
# Auctions that end by themselves, sooner or later, and one that does not.
CALL = ["set BAND_ACTION 2", "set STATIC_BAND 1", "sell 1 1@100"]
STATES += [
    ["set AUCTION_SECONDS 5", *CALL, "buy 2 1@100", "set AUCTION_SECONDS 7"],
    ["set AUCTION_SECONDS 6", *CALL, "buy 2 1@100", "set AUCTION_SECONDS 7"],
    ["set AUCTION_SECONDS 7", *CALL, "phase AUCTION", "buy 2 1@100"],
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
