"""`Book.process`: what arrays it takes, where its events go, and how little memory it wants."""

import threading
import tracemalloc

import numpy as np
import pricetime as pt
import pytest
from model.batches import LEAST, orders, through
from model.blotter import record
from model.tapes import PROFILES, tape
from pricetime import (
    COMMAND,
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
    Side,
)

COUNT = 60
MANY = 20_000
FEW = 64  # events in a small `out`


def events_of(commands):
    return pt.Book().process(commands).tobytes()


# -- commands -------------------------------------------------------------------------------------


def misaligned(commands):
    return np.frombuffer(b"x" + commands.tobytes(), COMMAND, offset=1)


def read_only(commands):
    commands.flags.writeable = False
    return commands


def strided(commands):
    return np.repeat(commands, 3)[::3]


def column(commands):
    return np.stack([commands, commands], axis=1)[:, 1]


def padded(commands):
    offsets = [2 * COMMAND.fields[name][1] for name in COMMAND.names]
    formats = [COMMAND[name] for name in COMMAND.names]
    spread = {"names": COMMAND.names, "formats": formats, "offsets": offsets, "itemsize": 160}
    return commands.astype(np.dtype(spread))


TAKEN = {
    "as it is": lambda commands: commands,
    "read-only": read_only,
    "strided": strided,
    "reversed": lambda commands: commands[::-1].copy()[::-1],
    "column of two": column,
    "byte-swapped": lambda commands: commands.astype(COMMAND.newbyteorder()),
    "recarray": lambda commands: commands.view(np.recarray),
    "misaligned": misaligned,
    "padded": padded,
    "from bytes": lambda commands: np.frombuffer(commands.tobytes(), COMMAND),
}


@pytest.mark.parametrize("form", TAKEN)
def test_commands_may_come_as(form):
    commands = TAKEN[form](tape(1, "mixed", COUNT))
    kept = commands.tobytes()
    assert events_of(commands) == events_of(tape(1, "mixed", COUNT))
    assert commands.tobytes() == kept


@pytest.mark.parametrize("one", [lambda c: c[0], lambda c: np.array(c[0]), lambda c: c[:1]])
def test_one_command_may_come_as_a_record_or_without_a_dimension(one):
    commands = tape(1, "calm", COUNT)
    assert events_of(one(commands)) == events_of(commands[:1])


@pytest.mark.parametrize("empty", [np.zeros(0, COMMAND), tape(1, "mixed", 9)[9:], orders(9)[5:2]])
def test_no_commands_make_no_events(empty):
    events = pt.Book().process(empty)
    assert (events.shape, events.dtype) == ((0,), EVENT)


def without(name):
    return np.zeros(2, [(field, COMMAND[field]) for field in COMMAND.names if field != name])


def with_type(name, kind):
    return np.zeros(2, [(f, kind if f == name else COMMAND[f]) for f in COMMAND.names])


@pytest.mark.parametrize(
    "commands",
    [
        None,
        b"",
        bytes(64),
        bytearray(64),
        [],
        [(1,) * len(COMMAND.names)],
        tuple(orders(1)[0].tolist()),
        orders(2).tolist(),
        5,
        np.zeros(64, np.uint8),
        np.zeros(2),
        np.zeros(2, object),
        np.zeros(2, EVENT),
        np.zeros(2, "V64"),
        without("slot"),
        with_type("price", "<f8"),
        with_type("price", "<u8"),
        with_type("quantity", "O"),
        orders(2)[["kind", "price"]],
    ],
)
def test_what_is_no_array_of_commands_is_refused(commands):
    book = pt.Book()
    with pytest.raises(TypeError, match=r"pricetime\.COMMAND"):
        book.process(commands)
    assert book.commands == 0


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (0, 5), (1, 1, 2)])
def test_more_than_one_dimension_is_refused(shape):
    with pytest.raises(ValueError, match=f"{len(shape)} dimensions"):
        pt.Book().process(np.zeros(shape, COMMAND))


def test_commands_are_told_apart_from_bytes_with_what_to_do():
    with pytest.raises(TypeError, match="frombuffer"):
        pt.Book().process(bytes(64))


# -- out ------------------------------------------------------------------------------------------


def test_events_go_to_the_head_of_out():
    out = np.empty(100, EVENT)
    events = pt.Book().process(orders(7), out=out)
    assert (len(events), np.shares_memory(events, out)) == (7, True)
    assert events.tobytes() == out[:7].tobytes() == events_of(orders(7))


def test_rest_of_out_is_left_alone():
    out = np.full(100 * EVENT.itemsize, 0xAB, np.uint8).view(EVENT)
    pt.Book().process(orders(7), out=out)
    assert set(out[7:].tobytes()) == {0xAB}


def test_out_may_come_by_position():
    out = np.empty(100, EVENT)
    assert np.shares_memory(pt.Book().process(orders(1), out), out)


def test_out_may_be_a_part_of_an_array_and_a_recarray():
    whole = np.zeros(50, EVENT)
    assert len(pt.Book().process(orders(3), out=whole[5:45].view(np.recarray))) == 3
    assert whole["sequence"].tolist() == [0] * 5 + [1, 2, 3] + [0] * 42


@pytest.mark.parametrize("count", [*range(1, 60), 500])
@pytest.mark.parametrize("size", [LEAST, LEAST + 1, LEAST + 6])
def test_nothing_is_written_around_out(count, size):
    """Wherever a command is cut, even just before its end."""
    book, whole = pt.Book(), np.zeros(size + 20, EVENT)
    book.process(orders(count))
    out, told = whole[10 : 10 + size], 0
    while told == 0 or book.pending:
        told += len(book.process(record(Kind.MASS_CANCEL)[: told == 0], out=out))
        assert not whole[:10].view("V96").tobytes().strip(b"\0")
        assert not whole[10 + size :].view("V96").tobytes().strip(b"\0")
    assert told == count


@pytest.mark.parametrize("count", range(1, 50))
def test_nothing_is_written_behind_out_by_a_self_trade(count):
    """Which tells two things at once, wherever in `out` its turn comes."""
    book, whole, told = pt.Book(), np.zeros(LEAST + 5, EVENT), 0
    makers = orders(count, side=Side.SELL)
    makers["account"][-1] = 7
    book.process(makers)
    taker = orders(1, 1000, quantity=1000, account=7, stp=STP.CANCEL_BOTH)
    while told == 0 or book.pending:
        told += len(book.process(taker[: told == 0], out=whole[:LEAST]))
        assert not whole[LEAST:].view("V96").tobytes().strip(b"\0")
    assert told == count + 2


def frozen(out):
    out.flags.writeable = False
    return out


BAD_TYPE = {
    "list": [],
    "bytearray": bytearray(960),
    "bytes of the right size": np.zeros(960, np.uint8),
    "commands": np.zeros(40, COMMAND),
    "byte-swapped": np.zeros(40, EVENT.newbyteorder()),
    "no dimension": np.zeros(40, EVENT)[0],
}
BAD_VALUE = {
    "two dimensions": np.zeros((40, 40), EVENT),
    "without a dimension": np.zeros((), EVENT),
    "strided": np.zeros(80, EVENT)[::2],
    "reversed": np.zeros(40, EVENT)[::-1],
    "misaligned": np.zeros(96 * 40 + 1, np.uint8)[1:].view(EVENT),
    "read-only": frozen(np.zeros(40, EVENT)),
    "empty": np.zeros(0, EVENT),
    "too small": np.zeros(LEAST - 1, EVENT),
}


@pytest.mark.parametrize("form", BAD_TYPE)
def test_out_of_another_type_is_refused(form):
    book = pt.Book()
    with pytest.raises(TypeError, match=r"pricetime\.EVENT"):
        book.process(orders(2), out=BAD_TYPE[form])
    assert book.commands == 0


@pytest.mark.parametrize("form", BAD_VALUE)
def test_out_that_cannot_be_written_to_is_refused(form):
    book = pt.Book()
    with pytest.raises(ValueError, match="out "):
        book.process(orders(2), out=BAD_VALUE[form])
    assert book.commands == 0


@pytest.mark.parametrize("gap", [0, 64, 128])
def test_out_that_overlaps_the_commands_is_refused(gap):
    memory = np.zeros(8192, np.uint8)
    commands = memory[:192].view(COMMAND)
    commands[:] = orders(3)
    book = pt.Book()
    with pytest.raises(ValueError, match="shares memory"):
        book.process(commands, out=memory[gap : gap + 96 * 40].view(EVENT))
    assert book.commands == 0
    assert commands.tobytes() == orders(3).tobytes()


def test_out_beside_the_commands_is_taken():
    memory = np.zeros(8192, np.uint8)
    memory[:192].view(COMMAND)[:] = orders(3)
    out = memory[192 : 192 + 96 * 40].view(EVENT)
    events = pt.Book().process(memory[:192].view(COMMAND), out=out)
    assert events.tobytes() == events_of(orders(3))


@pytest.mark.parametrize("size", [LEAST, LEAST + 1, LEAST + 3, 64])
@pytest.mark.parametrize("profile", PROFILES)
def test_small_out_gives_the_same_bytes(profile, size):
    commands = tape(5, profile, 500)
    assert through(pt.Book(), commands, np.empty(size, EVENT)) == events_of(commands)


def test_out_that_fills_within_a_command_leaves_the_rest_pending():
    book = pt.Book()
    book.process(orders(50, side=Side.SELL))
    taker = orders(2, 51, quantity=50)
    head = book.process(taker, out=np.empty(LEAST, EVENT))
    assert 0 < len(head) <= LEAST
    assert (book.commands, book.pending) == (51, True)
    rest = book.process(taker[:0], out=np.empty(90, EVENT))
    assert len(head) + len(rest) == 1 + 50
    assert (book.commands, book.pending) == (51, False)


def test_out_that_fills_between_commands_leaves_the_next_untaken():
    book = pt.Book()
    assert len(book.process(orders(40), out=np.empty(LEAST, EVENT))) == book.commands < 40
    assert not book.pending


def test_what_is_pending_comes_before_what_is_new():
    book, other = pt.Book(), pt.Book()
    for each in (book, other):
        each.process(orders(50, side=Side.SELL))
    taker, more = orders(1, 51, quantity=50), orders(5, 60)
    head = book.process(taker, out=np.empty(LEAST, EVENT)).tobytes()
    events = book.process(more, out=np.empty(100, EVENT)).tobytes()
    assert head + events == other.process(np.concatenate([taker, more])).tobytes()


def test_without_out_all_that_is_pending_comes():
    book = pt.Book()
    book.process(orders(200, side=Side.SELL))
    head = book.process(orders(1, 201, quantity=200), out=np.empty(LEAST, EVENT))
    rest = book.process(orders(3, 300))
    assert (len(head) + len(rest), book.pending) == (1 + 200 + 3, False)


def test_nothing_is_pending_after_a_whole_batch():
    book = pt.Book()
    book.process(tape(3, "mixed", 300))
    assert not book.pending
    assert len(book.process(orders(0))) == 0


WANT_REST = {
    "limit": lambda b: b.limit(1, 1, 1),
    "market": lambda b: b.market(1, 1),
    "cancel": lambda b: b.cancel(1),
    "amend": lambda b: b.amend(1, price=1),
    "replace": lambda b: b.replace(1, 1, 1, 1),
    "mass_cancel": lambda b: b.mass_cancel(),
    "phase": lambda b: b.phase(Phase.HALTED),
    "clock": lambda b: b.clock(9),
    "set": lambda b: b.set(Parameter.STP, 1),
    "best_bid": lambda b: b.best_bid,
    "best_ask": lambda b: b.best_ask,
    "bids": lambda b: b.bids(),
    "asks": lambda b: b.asks(),
    "order": lambda b: b.order(1),
    "orders": lambda b: b.orders(),
    "waiting": lambda b: b.waiting(),
    "sleeping": lambda b: b.sleeping(),
    "checkpoint": lambda b: b.checkpoint(),
    "state_hash": lambda b: b.state_hash(),
    "check": lambda b: b.check(),
    "copy": lambda b: b.__copy__(),
    "reduce": lambda b: b.__reduce__(),
}


@pytest.fixture
def half_done():
    """A book in the middle of a mass cancel of 80 orders, of which some are told."""
    book = pt.Book()
    book.process(orders(80))
    told = book.process(record(Kind.MASS_CANCEL), out=np.empty(LEAST, EVENT))
    assert told["order_id"].tolist() == list(range(1, len(told) + 1))
    assert 0 < len(told) <= LEAST
    return book


@pytest.mark.parametrize("call", WANT_REST)
def test_other_calls_are_refused_while_events_are_pending(half_done, call):
    with pytest.raises(RuntimeError, match="still to be read"):
        WANT_REST[call](half_done)
    assert half_done.pending
    assert half_done.process(orders(0))["order_id"].tolist()[-9:] == list(range(72, 81))
    WANT_REST[call](half_done)
    half_done.check()


def test_counters_can_be_read_while_events_are_pending(half_done):
    assert (half_done.commands, half_done.trades) == (81, 0)
    assert 80 < half_done.sequence < 160
    assert half_done.nbytes > 0


def test_repr_works_while_events_are_pending(half_done):
    assert "Book" in repr(half_done)


# -- bounded memory -------------------------------------------------------------------------------


def crowd(book, **fields):
    """MANY sells of five accounts, in a row at one price."""
    terms = {"side": Side.SELL, "account": np.arange(MANY) % 5}
    book.process(orders(MANY, **terms | fields))


def linked(book, flag):
    """Two orders that trade, and MANY others that hang on them in pairs."""
    book.process(orders(MANY, 1, price=1, account=7))
    pairs = orders(MANY, MANY + 1, price=2, account=7, flags=flag)
    pairs["slot"] = np.arange(1, MANY + 1)
    book.process(pairs)


def at(kind, second, **fields):
    return record(kind, timestamp=second * 10**9, **fields)


STOPS = {"order_type": OrderType.STOP_LIMIT, "trigger": 90, "price": 90, "side": Side.BUY}
OF_AN_AUCTION = {"tif": TIF.AUCTION, "price": 50, "side": Side.BUY}
MEETS_ALL = {  # what prepares a book, and the one command that then has much to tell
    "mass cancel": (crowd, record(Kind.MASS_CANCEL)),
    "sweep": (crowd, orders(1, MANY + 1, quantity=MANY)),
    "decrements": (crowd, orders(1, MANY + 1, quantity=MANY, account=1, stp=pt.STP.DECREMENT)),
    "slices": (
        lambda book: book.process(
            orders(1, side=Side.SELL, quantity=MANY, flags=Flag.ICEBERG, slot=1)
        ),
        orders(1, MANY + 1, quantity=MANY),
    ),
    "shares": (
        lambda book: (book.set(Parameter.MATCHING, 2), crowd(book, quantity=2)),
        orders(1, MANY + 1, quantity=MANY),
    ),
    "expiries": (
        lambda book: crowd(book, tif=TIF.GTD, expires=1 + np.arange(MANY) % 7),
        at(Kind.CLOCK, 9),
    ),
    "the end of the day": (
        lambda book: crowd(book, tif=TIF.DAY),
        record(Kind.PHASE, order_type=Phase.CLOSED),
    ),
    "a switch": (
        lambda book: (
            crowd(book, account=3),
            book.process(record(Kind.ARM, account=3, expires=5)),
        ),
        at(Kind.CLOCK, 9),
    ),
    "a cascade": (
        lambda book: (crowd(book, **STOPS), book.process(orders(1, MANY + 1, price=95))),
        orders(1, MANY + 2, price=95, side=Side.SELL),
    ),
    "waking": (
        lambda book: crowd(book, **OF_AN_AUCTION),
        record(Kind.PHASE, order_type=Phase.PRE_OPEN),
    ),
    "an uncross": (
        lambda book: (
            book.phase(Phase.AUCTION),
            crowd(book),
            book.process(orders(1, MANY + 1, quantity=MANY // 2)),
            book.process(orders(MANY // 3, MANY + 2, order_type=OrderType.MARKET)),
        ),
        record(Kind.UNCROSS, order_type=Phase.CONTINUOUS),
    ),
    "what only an auction holds": (
        lambda book: (book.phase(Phase.AUCTION), crowd(book, tif=TIF.AUCTION)),
        record(Kind.PHASE, order_type=Phase.POST_ONLY),
    ),
    "pairs": (lambda book: linked(book, Flag.OCO), record(Kind.MASS_CANCEL, side=Side.BUY)),
    "children": (lambda book: linked(book, Flag.ON_FILL), record(Kind.MASS_CANCEL, account=7)),
    "children that wake": (
        lambda book: linked(book, Flag.ON_FILL),
        orders(1, 3 * MANY, side=Side.SELL, price=1, quantity=MANY),
    ),
}


@pytest.mark.parametrize(("prepare", "last"), MEETS_ALL.values(), ids=MEETS_ALL)
def test_a_command_that_meets_many_orders_wants_no_more_than_out(prepare, last):
    book, whole = pt.Book(), pt.Book()
    for each in (book, whole):
        prepare(each)
    expected = whole.process(last)
    assert len(expected) > MANY // 2
    out, told = np.empty(FEW, EVENT), 0
    tracemalloc.start()
    try:
        while book.pending or told == 0:
            events = book.process(last[: told == 0], out=out)
            assert events.tobytes() == expected[told : told + len(events)].tobytes()
            told += len(events)
        assert tracemalloc.get_traced_memory()[1] < 64 << 10
    finally:
        tracemalloc.stop()
    assert told == len(expected)
    assert book.checkpoint() == whole.checkpoint()
    book.check()


@pytest.mark.parametrize("size", range(LEAST, 2 * LEAST))
def test_a_taker_that_is_gone_with_the_last_hidden_order_stays_gone(size):
    book, whole = pt.Book(), pt.Book()
    for each in (book, whole):
        each.process(orders(LEAST, side=Side.SELL))
        each.process(orders(1, 101, side=Side.SELL, price=101, account=2, flags=Flag.HIDDEN))
        each.process(orders(1, 102, side=Side.SELL, price=102, account=2))
    taker = orders(1, 103, price=102, quantity=MANY, account=2, stp=STP.CANCEL_BOTH)
    commands = np.concatenate([taker, record(Kind.CLOCK)])
    assert through(book, commands, np.empty(size, EVENT)) == whole.process(commands).tobytes()
    assert book.order(102) is not None


# -- the caller's memory --------------------------------------------------------------------------


def test_events_are_a_new_array_each_time():
    book = pt.Book()
    first = book.process(orders(5))
    kept = first.tobytes()
    second = book.process(orders(5, 6))
    assert not np.shares_memory(first, second)
    second["sequence"] = 0
    del book
    assert first.tobytes() == kept
    assert first.flags.writeable


def test_commands_may_be_written_to_afterwards():
    book, commands = pt.Book(), orders(5)
    events = book.process(commands).tobytes()
    commands["price"] = commands["order_id"] = 0
    assert events == events_of(orders(5))
    assert book.bids().tolist() == [(100, 5, 5)]


# -- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_any_cut_gives_the_same_bytes(profile):
    commands = tape(11, profile, 600)
    rng = np.random.default_rng(11)
    for cuts in (np.arange(600), np.arange(0, 600, 25), np.sort(rng.integers(0, 600, 40))):
        book = pt.Book()
        parts = [book.process(part).tobytes() for part in np.split(commands, cuts)]
        assert b"".join(parts) == events_of(commands)


def test_every_command_has_one_last_event():
    events = pt.Book().process(tape(2, "mixed", 1000))
    last = events["command"][events["flags"] & EventFlag.LAST != 0]
    assert last.tolist() == list(range(1, 1001))


@pytest.mark.parametrize("seed", range(5))
def test_any_bytes_are_commands(seed):
    noise = np.random.default_rng(seed).integers(0, 256, 500 * 64, dtype=np.uint8).view(COMMAND)
    book = pt.Book()
    assert set(book.process(noise)["kind"]) == {EventKind.REJECTED}
    book.check()
    assert len(book) == 0


# -- the GIL --------------------------------------------------------------------------------------


def test_other_threads_run_during_a_batch():
    book = pt.Book()
    book.process(orders(30_000))
    walks = np.repeat(record(Kind.MASS_CANCEL, account=9), 3000)  # walk all orders, find none
    busy, seen, end = 0, set(), threading.Event()

    def watch():
        nonlocal busy
        while not end.is_set():
            try:
                _ = book.best_bid
            except RuntimeError:
                # Nobody but the batch holds the book, so that this thread runs within it.
                busy += 1
                seen.add(book.commands)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        events = np.empty(len(walks), EVENT)
        while busy < 100:
            book.process(walks, out=events)
    finally:
        end.set()
        watcher.join()
    assert len(seen) > 1
