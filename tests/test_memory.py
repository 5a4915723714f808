"""Memory: how much a book takes, that it uses it again, and what happens when there is none."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from textwrap import dedent

import numpy as np
import pricetime as pt
import pytest
from model.batches import feed, orders
from model.blotter import record
from pricetime import TIF, Flag, Kind, OrderType, Reason, Side, Status

MANY = 100_000
MASS_CANCEL = record(Kind.MASS_CANCEL)


def scattered(count, seed=1):
    """Buys at a thousand prices under ids that follow no order."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(2 * count)[:count].astype(np.uint64) * 0x9E3779B97F4A7C15 + 1
    return orders(count, order_id=ids, price=rng.integers(0, 1000, count))


# -- how much -------------------------------------------------------------------------------------


def test_empty_book_takes_64_kib_at_most():
    assert pt.Book().nbytes <= 64 << 10


def test_limit_of_orders_costs_nothing_until_it_is_used():
    assert pt.Book(max_orders=2**31 - 1).nbytes == pt.Book(max_orders=1).nbytes


def test_resting_order_takes_100_bytes_all_told():
    book = pt.Book()
    book.process(scattered(10 * MANY))
    assert len(book) == 10 * MANY
    assert book.nbytes / len(book) <= 100


def of_all_sorts(count):
    """Orders for every slab: with records of their own, timers, accounts; and switches."""
    commands = scattered(count)
    commands["tif"][::3], commands["expires"] = TIF.GTD, 5 + np.arange(count) % 999
    commands["account"] = np.arange(count) % 97
    commands["order_type"][1::5] = OrderType.STOP_LIMIT
    commands["trigger"][1::5] = 2000 + np.arange(count)[1::5] % 300
    commands["flags"][2::5], commands["slot"][2::5] = Flag.ICEBERG, 1
    commands["kind"][4::50] = Kind.ARM
    return commands


@pytest.mark.parametrize("count", [0, 100, 5000, MANY])
def test_nbytes_is_what_the_allocator_says(count):
    commands = of_all_sorts(count)
    pt.Book().process(commands[:5])  # what is made once, and belongs to no book
    tracemalloc.start()
    try:
        book = pt.Book(orders_per_account=MANY)
        feed(book, commands)
        traced = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert abs(traced - book.nbytes) < 0.01 * book.nbytes + 8192


def test_pages_that_the_system_gave_are_no_more_than_nbytes():
    limited("""
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

        commands = orders(500_000)
        commands["price"] = np.arange(500_000) % 1000
        feed(pt.Book(), commands[:100])
        before = resident()
        book = pt.Book()
        feed(book, commands)
        grown = resident() - before
        assert 0.7 * book.nbytes < grown < 1.1 * book.nbytes + (4 << 20), (grown, book.nbytes)
    """)


def test_book_that_fills_and_empties_uses_its_memory_again():
    book = pt.Book(orders_per_account=MANY)
    sizes = []
    for turn in range(10):
        commands = scattered(20_000, seed=turn)
        commands["price"] += 1000 * turn
        commands["account"] = np.arange(20_000) % 997 + 1000 * turn
        commands["tif"][::3], commands["expires"] = TIF.GTD, 1000 * turn + np.arange(20_000) % 999
        commands["expires"] += 1
        feed(book, commands)
        assert len(book) == 20_000
        feed(book, MASS_CANCEL)
        assert len(book) == 0
        sizes.append(book.nbytes)
    assert set(sizes) == {sizes[0]}
    book.check()


def test_records_timers_and_switches_are_used_again():
    book, sizes = pt.Book(), []
    for _ in range(6):
        feed(book, of_all_sorts(20_000))
        feed(book, MASS_CANCEL)
        feed(book, record(Kind.CLOCK, timestamp=book.timestamp + 2000 * 10**9))
        assert len(book) == 0
        sizes.append(book.nbytes)
    assert sizes[1:] == [sizes[1]] * 5
    book.check()


def test_orders_that_come_and_go_take_no_more():
    book = pt.Book()
    feed(book, scattered(3000))
    before = book.nbytes
    for turn in range(10):
        feed(book, orders(3000, 1 + 3000 * turn, side=Side.SELL, price=5000 + turn))
        feed(book, record(Kind.MASS_CANCEL, side=Side.SELL))
    assert book.nbytes < 3 * before
    assert len(book) == 3000


def test_prices_far_from_each_other_find_memory_for_the_nodes_above_them():
    """Each needs two, so it is these that are short, of all that an order takes."""
    book, wild = pt.Book(), np.random.default_rng(3)
    book.process(orders(2000, price=wild.integers(-(2**61), 2**61, 2000)))
    assert len(book) == 2000
    book.check()


# -- the cap --------------------------------------------------------------------------------------


def test_full_book_refuses_with_capacity():
    book = pt.Book(max_orders=3)
    assert book.process(orders(5))["reason"].tolist() == [0, 0, 0, Reason.CAPACITY, Reason.CAPACITY]
    assert len(book) == 3


def test_full_book_has_room_again_when_an_order_goes():
    book = pt.Book(max_orders=3)
    book.process(orders(3))
    book.cancel(2)
    assert book.limit(1, 100, 1).status == Status.RESTING
    assert book.limit(1, 100, 1).reason == Reason.CAPACITY


def test_full_book_takes_no_order_even_if_it_would_not_rest():
    book = pt.Book(max_orders=1)
    book.limit(Side.SELL, 100, 5)
    assert book.market(Side.BUY, 1).reason == Reason.CAPACITY


def test_full_book_can_replace_and_amend():
    book = pt.Book(max_orders=1)
    book.limit(Side.SELL, 100, 5)
    assert book.replace(1, Side.SELL, 101, 5).status == Status.RESTING
    assert book.amend(2, price=102, quantity=9).status == Status.RESTING


def test_book_for_no_orders():
    assert pt.Book(max_orders=0).limit(1, 100, 1).reason == Reason.CAPACITY


# -- no memory ------------------------------------------------------------------------------------

PRELUDE = """
import re, resource
import numpy as np
import pricetime as pt
from model.batches import feed, orders, through
from model.blotter import record
from model.tapes import tape

NOTHING = orders(0)
MASS_CANCEL = record(pt.Kind.MASS_CANCEL)

def leave(megabytes):
    "Lets the process grow by so much and no more; None lifts the limit."
    most = resource.RLIM_INFINITY
    if megabytes is not None:
        status = open("/proc/self/status").read()
        most = (int(re.search(r"VmSize:\\s+(\\d+)", status)[1]) << 10) + int(megabytes * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

def sells(count):
    book = pt.Book()
    feed(book, orders(count, side=2))
    return book
"""


def limited(script):
    """Runs the script in a process of its own, where memory can be limited."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux tells and limits memory like this")
    if "libasan" in maps.read_text():
        pytest.skip("the address sanitizer needs all address space there is")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "OPENBLAS_NUM_THREADS": "1",  # each takes address space
        "MALLOC_MMAP_THRESHOLD_": "65536",  # what is freed goes back to the system
    }
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_batch_without_memory_raises_and_goes_on_when_there_is_some():
    limited("""
        commands = orders(200_000)
        expected = pt.Book().process(commands).tobytes()
        book, told, failed = pt.Book(), [], False
        leave(8)
        try:
            while book.commands < len(commands):
                told.append(book.process(commands[book.commands:][:10_000]))
        except MemoryError:
            failed = True
        leave(None)
        assert failed and 0 < book.commands < len(commands)
        told.append(book.process(NOTHING))
        book.check()
        told.append(book.process(commands[book.commands:]))
        book.check()
        assert b"".join(part.tobytes() for part in told) == expected
    """)


def test_one_large_batch_without_memory_loses_no_event():
    limited("""
        commands = orders(200_000)
        expected = pt.Book().process(commands).tobytes()
        for megabytes in (0, 8, 30, 34, 38, 42):
            book, told = pt.Book(), []
            leave(megabytes)
            try:
                told.append(book.process(commands))
                failed = False
            except MemoryError:
                failed = True
            leave(None)
            assert book.pending == (failed and book.sequence > 0)
            told.append(book.process(NOTHING))
            book.check()
            told.append(book.process(commands[book.commands:]))
            assert failed or len(told[0]) == len(commands)
            assert b"".join(part.tobytes() for part in told) == expected
            del book, told
    """)


def test_batch_through_out_tells_what_was_done_before_it_raises():
    limited("""
        commands, out = orders(200_000), np.zeros(8000, pt.EVENT)
        expected = pt.Book().process(commands).tobytes()
        book, told, failed = pt.Book(), 0, False
        leave(8)
        try:
            while book.commands < len(commands):
                events = book.process(commands[book.commands:], out=out)
                size = len(events) * 96
                assert memoryview(events.view(np.uint8)) == memoryview(expected)[told : told + size]
                told += size
        except MemoryError:
            failed = True
        leave(None)
        assert failed and 0 < book.commands < len(commands)
        assert told == 96 * book.sequence and not book.pending
        book.check()
        assert expected[told:] == through(book, commands[book.commands:], out)
    """)


def test_memory_may_end_between_any_two_of_the_books_arrays():
    limited("""
        commands, failed = orders(30_000), 0
        commands["price"] = np.arange(30_000) % 700
        commands["tif"][::5], commands["expires"] = pt.TIF.GTD, 9
        out = np.zeros(4000, pt.EVENT)
        expected = through(pt.Book(), commands, out)
        for step in range(60):
            book, told = pt.Book(), []
            leave(0.1 * step)
            try:
                while book.commands < len(commands):
                    told.append(len(book.process(commands[book.commands:], out=out)))
            except MemoryError:
                failed += 1
            leave(None)
            book.check()
            assert expected[sum(told) * 96:] == through(book, commands[book.commands:], out)
            book.check()
        assert 5 < failed < 60, failed
    """)


def test_memory_may_end_between_any_two_arrays_of_any_sort_of_order():
    limited("""
        commands, failed = tape(3, "everything", 30_000), 0
        commands["kind"][commands["kind"] == pt.Kind.MASS_CANCEL] = pt.Kind.CLOCK
        commands["account"], commands["order_id"] = np.arange(30_000) % 5000, np.arange(1, 30_001)
        commands["flags"] &= ~np.uint16(pt.Flag.OCO | pt.Flag.ON_FILL)
        apart = np.where(commands["side"] == 1, -9000, 9000) + np.arange(30_000) % 3000
        commands["price"] = np.where(commands["kind"] == pt.Kind.NEW, apart, commands["price"])
        out = np.zeros(4000, pt.EVENT)
        expected = through(pt.Book(), commands, out)
        for step in range(30):
            book, told = pt.Book(), []
            leave(0.1 * step)
            try:
                while book.commands < len(commands):
                    told.append(len(book.process(commands[book.commands:], out=out)))
            except MemoryError:
                failed += 1
            leave(None)
            book.process(NOTHING) if book.pending else None
            book.check()
            assert expected[book.sequence * 96:] == through(book, commands[book.commands:], out)
            book.check()
        assert 2 < failed < 30, failed
    """)


def test_call_without_memory_raises_and_enters_nothing():
    limited("""
        book, told = pt.Book(), 0
        leave(8)
        try:
            while told < 10**6:
                told += len(book.limit(1, told % 100, 1).events)
        except MemoryError:
            leave(None)
        assert told < 10**6
        assert book.commands == book.sequence == len(book) == told
        book.check()
        assert book.limit(1, 50, 1).status == pt.Status.RESTING
    """)


def test_mass_cancel_without_memory_loses_no_event():
    limited("""
        failed = 0
        for megabytes in (0, 1, 3, 6, 9, 15):
            book, told = sells(100_000), NOTHING
            leave(megabytes)
            try:
                told = book.process(MASS_CANCEL)
            except MemoryError:
                failed += 1
            leave(None)
            assert len(told) + len(book.process(NOTHING)) == 100_000, megabytes
            book.check()
            assert len(book) == 0
            del book, told
        assert failed > 2
    """)


@pytest.mark.parametrize("sort", ["cascade", "children", "pairs", "due", "uncross"])
def test_what_a_command_sets_off_without_memory_loses_no_event(sort):
    limited(f"""
        def made():
            "A book in which one command sets much off, the command, and how many events it makes."
            book = pt.Book()
            many = orders(50_000, 10, side=1, price=90, account=7)
            if "{sort}" == "cascade":
                many["order_type"], many["trigger"] = pt.OrderType.STOP_LIMIT, 95
                last = orders(1, 2, side=2, price=95)
            elif "{sort}" == "children":
                book.process(orders(50_000, 100_000, price=95, account=7))
                many["flags"], many["slot"] = pt.Flag.ON_FILL, np.arange(50_000) + 100_000
                last = orders(1, 2, side=2, price=95, quantity=50_000)
            elif "{sort}" == "pairs":
                book.process(orders(50_000, 100_000, price=95, account=7))
                many["flags"], many["slot"] = pt.Flag.OCO, np.arange(50_000) + 100_000
                last = orders(1, 2, side=2, price=95, quantity=50_000)
            elif "{sort}" == "due":
                many["tif"], many["expires"] = pt.TIF.GTD, 1 + np.arange(50_000) % 9
                last = record(pt.Kind.CLOCK, timestamp=10**10)
            else:
                book.phase(pt.Phase.AUCTION)
                book.process(orders(25_000, 100_000, side=2, price=80))
                last = record(pt.Kind.UNCROSS, order_type=pt.Phase.CONTINUOUS)
            feed(book, many)
            book.process(orders(1, 1, price=95))
            return book, last

        book, last = made()
        expected = book.process(last).tobytes()
        after, failed = book.checkpoint(), 0
        for megabytes in (0, 1, 3, 6, 9, 15):
            book, last = made()
            before, told = book.sequence, NOTHING
            leave(megabytes)
            try:
                told = book.process(last)
            except MemoryError:
                failed += 1
            leave(None)
            taken = last if book.sequence == before else NOTHING
            told = told.tobytes() + book.process(taken).tobytes()
            assert told == expected, megabytes
            assert book.checkpoint() == after
            book.check()
            del book, told
        assert failed > 1, failed
    """)


def test_sweep_by_a_call_without_memory_loses_no_event():
    limited("""
        failed = 0
        for megabytes in (0, 1, 3, 6, 9, 15):
            book, told = sells(100_000), NOTHING
            leave(megabytes)
            try:
                told = book.limit(1, 100, 100_000).events
            except MemoryError:
                failed += 1
            leave(None)
            assert len(told) + len(book.process(NOTHING)) == 100_001, megabytes
            book.check()
            assert len(book) == 0
            del book, told
        assert failed > 2
    """)


def test_set_that_begins_to_count_accounts_without_memory_changes_nothing():
    limited("""
        book, failed = pt.Book(), False
        commands = orders(100_000)
        commands["account"] = np.arange(100_000)
        book.process(commands)
        before = book.checkpoint()
        leave(1)
        try:
            book.set(pt.Parameter.ORDERS_PER_ACCOUNT, 5)
        except MemoryError:
            failed = True
        leave(None)
        assert failed and book.checkpoint() == before
        book.check()
        assert book.set(pt.Parameter.ORDERS_PER_ACCOUNT, 5).status == pt.Status.DONE
        book.check()
    """)


def test_views_without_memory_leave_the_book_as_it_is():
    limited("""
        book = sells(100_000)
        before = book.state_hash()
        for view in (book.orders, book.checkpoint, book.__copy__, book.state_hash):
            leave(1)
            try:
                view()
                raise AssertionError(f"{view} found memory")
            except MemoryError:
                pass
            leave(None)
        book.check()
        assert book.state_hash() == before
    """)


def test_restore_without_memory_is_no_fault_of_the_bytes():
    limited("""
        data, failed = sells(100_000).checkpoint(), False
        for megabytes in range(0, 40, 2):
            leave(megabytes)
            try:
                pt.Book.restore(data)
                break
            except MemoryError:
                failed = True
            finally:
                leave(None)
        assert failed
        assert pt.Book.restore(data).checkpoint() == data
    """)


FALLIBLE = ["limit", "sweep", "mass_cancel", "set", "process", "uncross", "cascade", "due"]


@pytest.mark.parametrize("call", FALLIBLE)
def test_no_allocation_that_fails_loses_an_event(call):
    pytest.importorskip("_testcapi", reason="this Python cannot be told to have no memory")
    limited(f"""
        import _testcapi

        CALLS = {{
            "limit": lambda book: book.limit(1, 90, 1),
            "sweep": lambda book: book.limit(1, 100, 150),
            "mass_cancel": lambda book: book.mass_cancel(),
            "set": lambda book: book.set(pt.Parameter.ORDERS_PER_ACCOUNT, 500),
            "process": lambda book: book.process(MASS_CANCEL),
            "uncross": lambda book: book.process(record(9, order_type=3)),
            "cascade": lambda book: book.process(orders(1, 901, price=100)),
            "due": lambda book: book.process(record(10, timestamp=10**11)),
        }}

        def prepared():
            book = sells(200)
            more = orders(200, 301, price=120, side=1, tif=pt.TIF.GTD, expires=9)
            more["order_type"], more["trigger"] = pt.OrderType.STOP_LIMIT, 100
            if "{call}" == "uncross":
                book.process(record(pt.Kind.PHASE, order_type=pt.Phase.AUCTION))
                more["order_type"] = pt.OrderType.LIMIT
            if "{call}" in ("uncross", "cascade", "due"):
                book.process(more)
            return book
        for only_one in (True, False):
            for first in range(60):
                book, told = prepared(), NOTHING
                before = book.sequence
                _testcapi.set_nomemory(first, first + only_one)
                try:
                    told = CALLS["{call}"](book)
                except Exception:  # a MemoryError, though numpy makes others of some
                    pass
                finally:
                    _testcapi.remove_mem_hooks()
                told = len(getattr(told, "events", told)) + len(book.process(NOTHING))
                assert told == book.sequence - before, (first, only_one)
                book.check()
    """)
