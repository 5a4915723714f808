"""Checkpoints and the state's name: what they keep, what they leave out, what they refuse."""

import hashlib

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders, through
from model.tapes import PROFILES, tape
from model.twin import Twin
from pricetime import BOUND, EVENT, ORDER, STP, TIF, Flag, Parameter, Phase, Side, checkpoint

BUY, SELL = Side.BUY, Side.SELL
SECOND = 10**9  # ns


def small():
    """A book with an order of most sorts, which has traded; 7 orders, time 5 s."""
    book = pt.Book(max_orders=50)
    book.limit(BUY, 100, 5, account=7)
    book.limit(SELL, 110, 5, tif=TIF.GTD, expires=1000)
    book.limit(BUY, 99, 5, stp=STP.DECREMENT, flags=Flag.POST_ONLY)
    book.limit(SELL, 111, 5, tif=TIF.GTD, expires=1000, order_id=40)
    book.limit(BUY, 100, 5, tif=TIF.DAY)
    book.limit(SELL, 112, 5, tif=TIF.GTD, expires=9)
    book.limit(BUY, 98, 5, flags=Flag.POST_ONLY_SLIDE)
    book.limit(SELL, 100, 2, timestamp=5 * SECOND)
    return book


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


def test_restored_book_has_every_number():
    book, restored = small(), pt.Book.restore(small().checkpoint())
    for name in ("commands", "sequence", "trades", "timestamp", "last_price", "current_phase"):
        assert getattr(restored, name) == getattr(book, name)
    assert (restored.max_orders, restored.parameters) == (book.max_orders, book.parameters)
    assert restored.orders().tobytes() == book.orders().tobytes()
    assert restored.limit(BUY, 1, 1).order_id == book.limit(BUY, 1, 1).order_id == 45


@pytest.mark.parametrize("phase", [Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED])
def test_phase_is_kept(phase):
    book = small()
    book.phase(phase)
    assert pt.Book.restore(book.checkpoint()).current_phase is phase


@pytest.mark.parametrize("parameter", [p for p in Parameter if p <= Parameter.STP])
def test_parameter_is_kept(parameter):
    book = small()
    book.set(parameter, 4)
    assert pt.Book.restore(book.checkpoint()).parameters[parameter.name.lower()] == 4


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


# -- damaged bytes --------------------------------------------------------------------------------


def test_every_flip_of_a_byte_is_refused():
    data = bytearray(small().checkpoint())
    for at in range(len(data)):
        for change in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            data[at] ^= change
            with pytest.raises(ValueError):
                pt.Book.restore(data)
            data[at] ^= change


def test_every_truncation_is_refused():
    data = small().checkpoint()
    for length in range(len(data)):
        with pytest.raises(ValueError):
            pt.Book.restore(data[:length])


@pytest.mark.parametrize("more", [b"\0", bytes(64), small().checkpoint()])
def test_more_bytes_are_refused(more):
    for data in (small().checkpoint() + more, more + small().checkpoint()):
        with pytest.raises(ValueError):
            pt.Book.restore(data)


@pytest.mark.parametrize("data", [None, "PRICETIM", 5, [1, 2], np.zeros(3, object)])
def test_what_is_no_bytes_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        pt.Book.restore(data)


def test_other_files_are_told_by_their_beginning():
    with pytest.raises(ValueError, match="no checkpoint: it begins with b'GIF89a"):
        pt.Book.restore(b"GIF89a" + bytes(1000))


def test_newer_version_is_told_before_the_checksum():
    data = bytearray(small().checkpoint())
    data[8] += 1
    with pytest.raises(ValueError, match=r"format 2 is not known: .* reads format 1"):
        pt.Book.restore(data)


def test_damage_is_told_as_such():
    data = bytearray(small().checkpoint())
    data[-20] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        pt.Book.restore(data)


# -- impossible content ---------------------------------------------------------------------------


def forged(change):
    """The checkpoint of `small()` with header and orders changed, under a checksum that fits."""
    header, rows = checkpoint.decode(small().checkpoint())
    header, rows = header.copy(), rows.copy()
    changed = change(header, rows)
    rows = rows if changed is None else changed
    header["orders"] = len(rows)
    body = header.tobytes() + rows.tobytes()
    return body + hashlib.blake2b(body, digest_size=checkpoint.CHECKSUM_BYTES).digest()


def test_unchanged_it_is_taken():
    data = forged(lambda header, rows: None)
    assert data == pt.Book.restore(data).checkpoint() == small().checkpoint()


HEADER_VALUES = [
    ("phase", (0, *(p for p in Phase if p < 3), Phase.POST_ONLY, 8, 255)),
    ("last_known", (0, 2, 255)),
    ("reserved", (1, 2**15)),
    ("sequence", (0, 3)),
    ("id_max", (0, 2, 39)),
    ("timestamp", (-1, -(2**63), 9 * SECOND, 1000 * SECOND, 2**63 - 1)),
    ("last_price", (BOUND, -BOUND, 2**63 - 1, -(2**63))),
    ("orders_max", (0, 6, 2**31, 2**32, 2**63)),
]
ORDER_VALUES = [
    ("order_id", (0, 3, 41, 2**64 - 1)),
    ("price", (110, 2**61, BOUND, -BOUND, 2**63 - 1)),
    ("quantity", (0, -1, 2, BOUND, -(2**63))),
    ("remaining", (0, -1, 6, BOUND - 1, BOUND, 2**63 - 1, -(2**63))),
    ("accepted", (0, 5, 2**63)),
    ("priority", (0, 5, 6, 2**63)),
    ("expires", (1, 1000)),
    ("side", (0, SELL, 3, 255)),
    ("order_type", (0, 1, 3, 11, 12, 255)),
    ("tif", (TIF.AUCTION, TIF.IOC, TIF.FOK, 5, TIF.GTD, 7, 255)),
    ("stp", (6, 255)),
    ("flags", (3, 4, 8, 256, 512, 2**15)),
    ("reserved", (1, 2**15)),
]
PARAMETER_VALUES = [
    (Parameter.MIN_PRICE, (-BOUND, BOUND, 2**63 - 1)),
    (Parameter.MAX_PRICE, (-BOUND, BOUND, -(2**63))),
    (Parameter.MIN_QUANTITY, (0, -1, BOUND)),
    (Parameter.MAX_QUANTITY, (0, -1, BOUND)),
    (Parameter.MIN_NOTIONAL, (-1, BOUND)),
    (Parameter.MAX_NOTIONAL, (-1, BOUND)),
    (Parameter.ORDERS_PER_ACCOUNT, (-1, BOUND)),
    (Parameter.STP, (0, 6, -1)),
    # What this engine does not know yet has the value that it starts with.
    (Parameter.MATCHING, (0, 2)),
    (Parameter.TOP_ORDER, (1,)),
    (Parameter.MIN_ALLOCATION, (0, 2)),
    (Parameter.COLLAR, (1, -1)),
    (Parameter.STATIC_BAND, (1,)),
    (Parameter.STATIC_REFERENCE, (1,)),
    (Parameter.DYNAMIC_BAND, (1,)),
    (Parameter.BAND_ACTION, (0, 2)),
    (Parameter.AUCTION_SECONDS, (0, 1)),
]


def put(name, value, at=0):
    def change(header, rows):
        rows[name][at] = value

    return change


@pytest.mark.parametrize(("name", "values"), HEADER_VALUES)
def test_impossible_value_in_the_header_is_refused(name, values):
    for value in values:
        with pytest.raises(ValueError):
            pt.Book.restore(
                forged(lambda header, rows, value=value: put(name, value)(None, header))
            )


@pytest.mark.parametrize(("parameter", "values"), PARAMETER_VALUES)
def test_impossible_parameter_is_refused(parameter, values):
    for value in values:
        with pytest.raises(ValueError):
            pt.Book.restore(forged(set_to({parameter: value})))


def set_to(values):
    def change(header, rows):
        for parameter, value in values.items():
            header["parameter"][0][parameter - 1] = value

    return change


def test_minimum_above_its_maximum_is_refused():
    with pytest.raises(ValueError):
        pt.Book.restore(forged(set_to({Parameter.MIN_PRICE: 5, Parameter.MAX_PRICE: 4})))


@pytest.mark.parametrize(("name", "values"), ORDER_VALUES)
def test_impossible_value_in_an_order_is_refused(name, values):
    for value in values:
        with pytest.raises(ValueError):
            pt.Book.restore(forged(put(name, value)))  # in a buy at 100 of which 2 have traded


def in_order(*places):
    """The orders that stood at these places, in this order."""
    return lambda header, rows: rows[list(places)]


def overfull(header, rows):
    rows["quantity"][:2] = rows["remaining"][:2] = BOUND // 2


IMPOSSIBLE = {  # buys at 100, 100, 99, 98; sells at 110, 111, 112
    "crossed": put("price", 99, at=6),
    "locked": put("price", 110),
    "an order twice": in_order(0, 0, 1, 2, 3, 4, 5, 6),
    "an id on both sides": put("order_id", 1, at=6),
    "out of time at a price": in_order(1, 0, 2, 3, 4, 5, 6),
    "a priority twice at a price": put("priority", 1, at=1),
    "accepted twice by one event": put("accepted", 1, at=3),
    "a worse buy first": in_order(0, 1, 3, 2, 4, 5, 6),
    "a worse sell first": in_order(0, 1, 2, 3, 5, 4, 6),
    "sells first": in_order(4, 5, 6, 0, 1, 2, 3),
    "sides mixed": in_order(0, 1, 2, 4, 3, 5, 6),
    "gtd without an end": put("expires", 0, at=6),
    "gtd that has ended": put("expires", 5, at=6),
    "a level with too much": overfull,
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_book_is_refused(case):
    with pytest.raises(ValueError):
        pt.Book.restore(forged(IMPOSSIBLE[case]))


def test_refusal_names_the_order():
    with pytest.raises(ValueError, match="order 40"):
        pt.Book.restore(forged(put("remaining", 6, at=5)))


@pytest.mark.parametrize("seed", range(4))
def test_any_content_is_refused_or_makes_a_sound_book(seed):
    rng = np.random.default_rng(seed)

    def change(header, rows):
        raw = (header if rng.random() < 0.3 else rows).view(np.uint8).reshape(-1)
        at = rng.integers(16 if len(raw) < 256 else 0, len(raw), rng.integers(1, 4))
        raw[at] = rng.choice([0, 1, 2, 127, 128, 255, rng.integers(256)], len(at))

    for _ in range(500):
        data = forged(change)
        try:
            book = pt.Book.restore(data)
        except ValueError:
            continue
        book.check()
        assert book.checkpoint() == data
        book.process(tape(seed, "noise", 30))
        book.check()


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
    through(small_out, commands, np.empty(5, EVENT))
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


@pytest.mark.parametrize("parameter", [p for p in Parameter if p <= Parameter.STP])
def test_parameter_is_a_part_of_the_state(parameter):
    assert told(lambda b: b.set(parameter, 2)).state_hash() != plain().state_hash()


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
    assert len(data) == size + 7 * ORDER.itemsize + checkpoint.CHECKSUM_BYTES
    assert data[size:-16] == small().orders().tobytes()
