"""A book among threads, processes, copies and the garbage collector."""

import copy
import gc
import multiprocessing
import os
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pricetime as pt
import pytest
from model.batches import LEAST, orders
from model.blotter import record
from model.tapes import tape
from pricetime import EVENT, EventKind, Kind, Status

HEAD, TAIL = np.split(tape(4, "everything", 800), 2)


@pytest.fixture
def book():
    book = pt.Book(max_orders=50)
    book.process(HEAD)
    assert len(book) > 5
    return book


def same_future(*books):
    """Whether the books say the same from here on, and end in the same state."""
    ends = {(book.process(TAIL).tobytes(), book.checkpoint()) for book in books}
    for book in books:
        book.check()
    return len(ends) == 1


# -- threads --------------------------------------------------------------------------------------


CALLS = {
    "process": lambda b: b.process(orders(1, 99_999)),
    "process out": lambda b: b.process(orders(1, 99_999), out=np.empty(LEAST, EVENT)),
    "limit": lambda b: b.limit(1, 100, 1),
    "mass_cancel": lambda b: b.mass_cancel(),
    "best_ask": lambda b: b.best_ask,
    "bids": lambda b: b.bids(),
    "order": lambda b: b.order(1),
    "orders": lambda b: b.orders(),
    "check": lambda b: b.check(),
    "checkpoint": lambda b: b.checkpoint(),
    "state_hash": lambda b: b.state_hash(),
    "copy": copy.copy,
    "pickle": pickle.dumps,
}


def refusals(length):
    """What a second thread hears that calls the book during a batch of this length."""
    book, heard = pt.Book(), {}
    book.process(orders(30_000))
    walks = np.repeat(record(Kind.MASS_CANCEL, account=9), length)  # each walks all orders

    def intrude():
        while book.commands == 30_000:
            pass
        for name, call in CALLS.items():
            try:
                call(book)
            except RuntimeError as error:
                heard[name] = str(error)

    intruder = threading.Thread(target=intrude)
    intruder.start()
    assert set(book.process(walks)["kind"]) == {EventKind.ACKNOWLEDGED}
    intruder.join()
    book.check()
    return heard


def test_book_that_is_busy_in_another_thread_is_refused():
    length = 500
    # On a laden machine the batch may end before the other thread is through.
    while (heard := refusals(length)).keys() != CALLS.keys() and length < 50_000:
        length *= 4
    assert heard.keys() == CALLS.keys()
    assert all("busy in another thread" in text for text in heard.values())


def test_threads_that_fight_for_a_book_leave_it_whole():
    book, threads, each = pt.Book(), 4, 400
    start = threading.Barrier(threads)

    def fight(account):
        rng = np.random.default_rng(account)
        done = 0
        start.wait()
        for _ in range(each):
            batch = orders(20, account=account, side=rng.integers(1, 3, 20))
            batch["order_id"] = rng.integers(1, 2**63, 20)
            batch["price"] = rng.integers(95, 105, 20)
            try:
                events = book.process(batch)
                assert len(set(events["command"])) == 20
                done += 20
                done += book.cancel(int(batch["order_id"][0])).status > 0
            except RuntimeError:
                continue
        return done

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(fight, range(threads)))
    finally:
        sys.setswitchinterval(interval)
    book.check()
    assert book.commands == done
    assert book.limit(1, 1, 1).status == Status.RESTING


def test_refused_calls_leave_the_batch_as_it_is():
    book, alone = pt.Book(), pt.Book()
    commands = tape(6, "everything", 20_000)
    end = threading.Event()

    def intrude():
        while not end.is_set():
            with suppress(RuntimeError):
                book.bids(5)

    intruder = threading.Thread(target=intrude)
    intruder.start()
    parts = []
    try:
        while book.commands < len(commands):
            with suppress(RuntimeError):
                parts.append(book.process(commands[book.commands :][:5000]).tobytes())
    finally:
        end.set()
        intruder.join()
    assert b"".join(parts) == alone.process(commands).tobytes()
    book.check()


def test_books_in_threads_of_their_own_work_side_by_side():
    tapes = [tape(seed, "everything", 3000) for seed in range(8)]

    def run(commands):
        book = pt.Book()
        parts = [book.process(part).tobytes() for part in np.array_split(commands, 30)]
        book.check()
        return b"".join(parts), book.state_hash()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, tapes)) == [run(commands) for commands in tapes]


def test_book_may_pass_from_thread_to_thread(book):
    twin = copy.copy(book)
    with ThreadPoolExecutor(1) as pool:
        events = pool.submit(book.process, TAIL[:200]).result()
    assert events.tobytes() == twin.process(TAIL[:200]).tobytes()
    assert book.limit(1, 1, 1).status == twin.limit(1, 1, 1).status


# -- processes ------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork_both_go_on_by_themselves(book):
    twin = copy.copy(book)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            book.mass_cancel()
            book.process(TAIL)
            book.check()
            os.write(write, book.state_hash().encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    assert same_future(book, copy.copy(twin))
    twin.mass_cancel()
    twin.process(TAIL)
    assert told == twin.state_hash()


def test_book_goes_to_a_spawned_process_and_back(book):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(pt.Book.state_hash, (book,)) == book.state_hash()
        back = pool.apply(copy.copy, (book,))
    assert same_future(book, back)


# -- copies ---------------------------------------------------------------------------------------

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "restore": lambda book: pt.Book.restore(book.checkpoint()),
} | {
    f"pickle {protocol}": lambda book, protocol=protocol: pickle.loads(pickle.dumps(book, protocol))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_copy_has_the_same_future(book, make):
    assert same_future(book, make(book))


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_copy_goes_its_own_way(book, make):
    before = book.checkpoint()
    made = make(book)
    made.process(TAIL)
    made.mass_cancel()
    assert book.checkpoint() == before


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_copy_of_an_empty_book(make):
    assert make(pt.Book(max_orders=7)).checkpoint() == pt.Book(max_orders=7).checkpoint()


def test_copies_within_a_structure_are_one(book):
    first, second = pickle.loads(pickle.dumps([book, book]))
    assert first is second
    first, second = copy.deepcopy([book, book])
    assert first is second


class Named(pt.Book):
    pass


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda b: type(b).restore(b.checkpoint())]
)
def test_copy_of_a_subclass_is_one_too(make):
    assert type(make(Named())) is Named


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_results_can_be_copied(book, make):
    result = book.limit(2, 90, 50)
    made = make(result)
    assert (repr(made), made.trades) == (repr(result), result.trades)
    assert made.events.tobytes() == result.events.tobytes()


# -- garbage --------------------------------------------------------------------------------------


def test_book_ends_with_its_last_reference():
    gone = weakref.ref(pt.Book())
    assert gone() is None


def test_book_in_a_cycle_is_collected():
    book = Named()
    book.self = book
    gone = weakref.ref(book)
    del book
    gc.collect()
    assert gone() is None


def test_many_books_come_and_go():
    books = [pt.Book() for _ in range(1000)]
    for i, book in enumerate(books):
        book.limit(1, i, 1)
    assert [book.best_bid for book in books] == list(range(1000))
    gone = [weakref.ref(book) for book in books]
    del books, book
    gc.collect()
    assert not any(ref() for ref in gone)


def test_arrays_and_results_outlive_their_book(book):
    rows, levels, result = book.orders(), book.bids(), book.limit(1, 1, 1)
    kept = rows.tobytes(), levels.tobytes(), result.events.tobytes()
    del book
    gc.collect()
    _ = [pt.Book() for _ in range(50)]
    assert (rows.tobytes(), levels.tobytes(), result.events.tobytes()) == kept
