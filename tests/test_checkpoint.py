"""Checkpoints and the state's name: what they keep, what they leave out, what they refuse."""

import copy
import pickle

import numpy as np
import pricetime as pt
import pytest
from model.batches import LEAST, orders, through
from model.blotter import command, shown
from model.books import BOOKS, rich, small
from model.saved import parts, whole
from model.tapes import PROFILES, tape
from model.twin import Twin
from pricetime import (
    EVENT,
    STP,
    TIF,
    EventKind,
    Flag,
    Parameter,
    Phase,
    Side,
    checkpoint,
)

BUY, SELL = Side.BUY, Side.SELL
OTHER_VALUES = {Parameter.MATCHING: 2, Parameter.TOP_ORDER: 1, Parameter.BAND_ACTION: 2}


# -- the same bytes, the same future --------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_restored_at_any_point_it_says_what_the_twin_says(profile):
    book, twin = pt.Book(max_orders=40), Twin(max_orders=40)
    rng = np.random.default_rng(3)
    for part in np.split(tape(8, profile, 400), np.sort(rng.integers(0, 400, 80))):
        book = pt.Book.restore(book.checkpoint())
        assert book.process(part).tobytes() == twin.process(part).tobytes()


@pytest.mark.parametrize("profile", PROFILES)
def test_restored_once_it_goes_on_to_the_end(profile):
    commands = tape(9, profile, 400)
    whole = pt.Book(max_orders=40)
    kept = []
    for part in np.split(commands, 10):
        kept.append((whole.commands, whole.sequence, whole.checkpoint()))
        whole.process(part)
    events = pt.Book(max_orders=40).process(commands)
    for taken, told, data in kept:
        book = pt.Book.restore(data)
        assert book.process(commands[taken:]).tobytes() == events[told:].tobytes()
        assert book.checkpoint() == whole.checkpoint()


@pytest.mark.parametrize("profile", PROFILES)
def test_restore_then_checkpoint_gives_the_same_bytes(profile):
    book = pt.Book(max_orders=100)
    for part in np.split(tape(10, profile, 400), 20):
        book.process(part)
        data = book.checkpoint()
        restored = pt.Book.restore(data)
        restored.check()
        assert restored.checkpoint() == data
        assert restored.state_hash() == book.state_hash()


@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
def test_restored_book_has_every_number(make):
    book = make()
    restored = pt.Book.restore(book.checkpoint())
    for name in ("commands", "sequence", "trades", "timestamp", "last_price", "current_phase"):
        assert getattr(restored, name) == getattr(book, name)
    assert (restored.max_orders, restored.parameters) == (book.max_orders, book.parameters)
    for hidden in (False, True):
        assert restored.orders(hidden=hidden).tobytes() == book.orders(hidden=hidden).tobytes()
        assert restored.bids(hidden=hidden).tobytes() == book.bids(hidden=hidden).tobytes()
    assert shown(restored) == shown(book)


def test_next_id_is_kept():
    book, restored = small(), pt.Book.restore(small().checkpoint())
    assert restored.limit(BUY, 1, 1).order_id == book.limit(BUY, 1, 1).order_id == 45


KEPT = {  # what the book of `rich` has in store, and a command that brings it out
    "the end of the auction": "clock at=20s",
    "an armed switch": "clock at=40s",
    "both switches": "clock at=50s",
    "planned phases, the first one first": "clock at=60s",
    "all planned phases": "clock at=70s",
    "links of a pair": "cancel 12",
    "children": "cancel 13",
    "a trailing reference": "uncross CONTINUOUS",
    "a slice in the middle": "uncross POST_ONLY",
    "the peak": "amend 1 20@99",
    "a quote": "quote 20 9@97 2@105 account=3",
    "an order that has fired": "amend 23 1@103",
    "acceptance": "mass",
}


@pytest.mark.parametrize("line", KEPT.values(), ids=KEPT)
def test_it_is_kept(line):
    book, restored = rich(), pt.Book.restore(rich().checkpoint())
    events = book.process(command(line))
    assert EventKind.REJECTED not in events["kind"]
    assert restored.process(command(line)).tobytes() == events.tobytes()
    assert restored.checkpoint() == book.checkpoint()


@pytest.mark.parametrize("profile", PROFILES)
def test_copies_and_pickles_go_on_alike(profile):
    book = pt.Book(max_orders=40)
    head, tail = np.split(tape(14, profile, 300), [200])
    book.process(head)
    others = copy.copy(book), copy.deepcopy(book), pickle.loads(pickle.dumps(book))
    events = book.process(tail).tobytes()
    for other in others:
        assert other.process(tail).tobytes() == events
        assert other.checkpoint() == book.checkpoint()
        other.check()


@pytest.mark.parametrize("phase", Phase)
def test_phase_is_kept(phase):
    book = small()
    book.phase(phase)
    assert pt.Book.restore(book.checkpoint()).current_phase is phase


@pytest.mark.parametrize("parameter", Parameter)
def test_parameter_is_kept(parameter):
    book = small()
    value = OTHER_VALUES.get(parameter, 4)
    assert book.set(parameter, value).status == pt.Status.DONE
    assert pt.Book.restore(book.checkpoint()).parameters[parameter.name.lower()] == value


def test_orders_of_an_account_are_counted_in_a_restored_book():
    book = pt.Book(orders_per_account=2)
    book.limit(BUY, 1, 1, account=7)
    restored = pt.Book.restore(book.checkpoint())
    assert restored.limit(BUY, 1, 1, account=7).status == pt.Status.RESTING
    assert restored.limit(BUY, 1, 1, account=7).reason == pt.Reason.TOO_MANY_ORDERS


def test_taking_a_checkpoint_changes_nothing():
    book = small()
    assert book.checkpoint() == book.checkpoint() == small().checkpoint()
    assert book.state_hash() == small().state_hash()


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, np.frombuffer])
def test_restore_takes_any_bytes(form):
    data = small().checkpoint()
    given = np.frombuffer(data, np.uint8) if form is np.frombuffer else form(data)
    assert pt.Book.restore(given).checkpoint() == data


def test_restore_takes_bytes_that_are_not_aligned():
    data = small().checkpoint()
    assert pt.Book.restore(memoryview(b"xyz" + data)[3:]).checkpoint() == data


def test_restored_book_keeps_no_hold_of_the_bytes():
    data = bytearray(small().checkpoint())
    book = pt.Book.restore(data)
    data[:] = bytes(len(data))
    data.clear()
    assert book.checkpoint() == small().checkpoint()


def test_a_million_orders():
    rng = np.random.default_rng(1)
    commands = orders(10**6, order_id=rng.permutation(2 * 10**6)[: 10**6] + 1)
    commands["side"] = rng.integers(1, 3, 10**6)
    commands["price"] = np.where(commands["side"] == BUY, 1000, 3000) + rng.integers(0, 999, 10**6)
    book = pt.Book()
    book.process(commands)
    data = book.checkpoint()
    restored = pt.Book.restore(data)
    assert len(restored) == 10**6
    assert restored.checkpoint() == data


# -- the state's name -----------------------------------------------------------------------------


def plain(**parameters):
    book = pt.Book(**parameters)
    book.limit(BUY, 100, 5, order_id=1, account=7)
    book.limit(BUY, 100, 3, order_id=2)
    book.limit(SELL, 105, 4, order_id=3, tif=TIF.GTD, expires=50)
    return book


def after_noise():
    book = pt.Book()
    book.process(orders(500, 1000, price=50))
    book.mass_cancel()
    for each in (plain(), pt.Book()):
        for row in np.sort(each.orders(), order="accepted"):
            terms = {name: int(row[name]) for name in ("order_id", "account", "tif", "expires")}
            book.limit(row["side"], row["price"], row["quantity"], **terms)
            book.limit(BUY, 1, 1, order_id=2000)
            book.cancel(2000)
    return book


def in_other_slots():
    book = pt.Book()
    book.process(orders(9, 100, price=90))
    for order_id in (104, 101, 108):
        book.cancel(order_id)
    book.limit(BUY, 100, 5, order_id=1, account=7)
    book.cancel(102)
    book.limit(BUY, 100, 3, order_id=2)
    book.limit(SELL, 105, 4, order_id=3, tif=TIF.GTD, expires=50)
    book.mass_cancel(account=0, side=SELL)
    book.limit(SELL, 105, 4, order_id=3, tif=TIF.GTD, expires=50)
    for row in book.orders():
        if row["price"] == 90:
            book.cancel(row["order_id"])
    return book


def by_amends():
    book = pt.Book()
    book.limit(BUY, 90, 9, order_id=1, account=7)
    book.amend(1, price=100, quantity=5)
    book.limit(BUY, 100, 8, order_id=2)
    book.amend(2, quantity=3)
    book.limit(SELL, 106, 1, order_id=9)
    book.replace(9, SELL, 105, 4, new_id=3, tif=TIF.GTD, expires=50)
    return book


WAYS = {
    "straight": plain,
    "after noise": after_noise,
    "other slots": in_other_slots,
    "amends": by_amends,
    "restored": lambda: pt.Book.restore(plain().checkpoint()),
}


@pytest.mark.parametrize("way", WAYS)
def test_equal_states_have_equal_names_whatever_led_there(way):
    assert WAYS[way]().state_hash() == plain().state_hash()


@pytest.mark.parametrize("way", WAYS)
def test_equal_names_mean_the_same_future(way):
    book, same = WAYS[way](), plain()
    names = [name for name in EVENT.names if name not in ("sequence", "command", "detail")]
    commands = tape(12, "mixed", 300)
    ours, theirs = book.process(commands), same.process(commands)
    assert ours[names].tolist() == theirs[names].tolist()
    assert book.state_hash() == same.state_hash()


@pytest.mark.parametrize("profile", PROFILES)
def test_other_cuts_give_the_same_name(profile):
    commands = tape(13, profile, 300)
    whole, parts, small_out = pt.Book(), pt.Book(), pt.Book()
    whole.process(commands)
    for part in np.split(commands, 30):
        parts.process(part)
    through(small_out, commands, np.empty(LEAST, EVENT))
    assert whole.state_hash() == parts.state_hash() == small_out.state_hash()


def with_order(**changed):
    """`plain`, but for some terms of the second order."""
    terms = {"side": BUY, "price": 100, "quantity": 3, "order_id": 2} | changed
    book = pt.Book()
    book.limit(BUY, 100, 5, order_id=1, account=7)
    book.limit(**terms)
    book.limit(SELL, 105, 4, order_id=3, tif=TIF.GTD, expires=50)
    return book


def swapped():
    book = plain()
    book.amend(1, quantity=6)
    book.amend(1, quantity=5)
    return book


def reaccepted():
    """The same places in the queues, but another order of acceptance: a mass cancel tells."""
    book = pt.Book()
    book.limit(SELL, 105, 4, order_id=3, tif=TIF.GTD, expires=50)
    book.limit(BUY, 100, 5, order_id=1, account=7)
    book.limit(BUY, 100, 3, order_id=2)
    return book


def told(call):
    book = plain()
    call(book)
    return book


DIFFERENT = {
    "nothing": plain,
    "empty": pt.Book,
    "id": lambda: with_order(order_id=4),
    "price": lambda: with_order(price=99),
    "side": lambda: with_order(side=SELL, price=105),
    "quantity": lambda: with_order(quantity=4),
    "account": lambda: with_order(account=1),
    "tif": lambda: with_order(tif=TIF.DAY),
    "gtd": lambda: with_order(tif=TIF.GTD, expires=50),
    "gtd later": lambda: with_order(tif=TIF.GTD, expires=51),
    "stp": lambda: with_order(stp=STP.CANCEL_BOTH),
    "post-only": lambda: with_order(flags=Flag.POST_ONLY),
    "slide": lambda: with_order(flags=Flag.POST_ONLY_SLIDE),
    "priority": swapped,
    "acceptance": reaccepted,
    "traded": lambda: told(lambda b: b.market(SELL, 1)),
    "traded and topped up": lambda: told(lambda b: (b.market(SELL, 1), b.amend(1, quantity=6))),
    "time": lambda: told(lambda b: b.clock(1)),
    "phase": lambda: told(lambda b: b.phase(Phase.HALTED)),
    "last price": lambda: told(
        lambda b: (b.limit(SELL, 104, 1, order_id=9), b.limit(BUY, 104, 1, order_id=9))
    ),
    "max_orders": lambda: plain(max_orders=9),
}


def test_states_that_differ_have_different_names():
    names = {case: make().state_hash() for case, make in DIFFERENT.items()}
    assert len(set(names.values())) == len(names), names


@pytest.mark.parametrize("parameter", Parameter)
def test_parameter_is_a_part_of_the_state(parameter):
    value = OTHER_VALUES.get(parameter, 2)
    assert told(lambda b: b.set(parameter, value)).state_hash() != plain().state_hash()


def test_refusals_leave_the_name():
    book = plain()
    before = book.state_hash()
    book.cancel(77)
    book.limit(BUY, 105, 9, tif=TIF.FOK)
    assert book.state_hash() == before
    assert book.commands == plain().commands + 2


def test_name_is_32_hexadecimal_digits():
    name = pt.Book().state_hash()
    assert (len(name), int(name, 16) >= 0) == (32, True)


def test_layout_is_what_its_page_says():
    data = small().checkpoint()
    size = checkpoint.HEADER.itemsize
    assert data[:8] == b"PRICETIM"
    assert len(data) == size + 7 * 64 + checkpoint.CHECKSUM_BYTES
    orders, rows = np.frombuffer(data[size:-16], checkpoint.PLAIN), small().orders(hidden=True)
    for name in checkpoint.PLAIN.names:
        assert orders[name].tolist() == rows[name].tolist()


def test_layout_has_what_most_orders_lack_behind_the_orders():
    data, state = rich().checkpoint(), checkpoint.decode(rich().checkpoint())
    assert [len(part) for part in state] == [1, 22, 14, 2, 3]
    assert data[:-16] == b"".join(part.tobytes() for part in state)
    assert whole(state).orders.tobytes() == rich().orders(hidden=True).tobytes()
    assert parts(whole(state)).extras.tobytes() == state.extras.tobytes()
    plain = np.delete(state.orders["order_id"], state.extras["place"])
    assert sorted(plain.tolist()) == [4, 13, 17, 18, 19, 20, 21, 23]
    assert state.switches["account"].tolist() == [2, 1]
    assert state.plans["phase"].tolist() == [Phase.HALTED, Phase.CLOSED, Phase.PRE_OPEN]
    assert checkpoint.encode(state) == data
