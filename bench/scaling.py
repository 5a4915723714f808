"""How speed, latency and memory change with a book's depth, its spread, and the number of books.

    python bench/scaling.py [--quick] [depth] [spread] [books]

Books are built and then kept at their depth by the traffic of `steady.py`: 40 % new orders
anywhere in the book, 40 % cancels of any of them, 20 % that meet at the touch and trade. Ids are
spread over 64 bits.

- depth: a thousand to ten million resting orders, five a price; the C book takes the same tape
- spread: 100,000 orders on 20,000 prices, which stand 1 to 10^13 ticks apart
- books: one to a thousand books of a thousand orders, in turns, some commands each time

Throughput is processor time in batches; latency is of single commands inside the engine
(`inside.py`); both on a book that is built and has seen as much traffic before. Memory is what a
book of resting limit orders holds behind its build: `nbytes`, and by how much the process has
grown, over the number of orders.
"""

import contextlib
import gc
import statistics
import tempfile
import time
from pathlib import Path

import inside
import lab
import numpy as np
import yardstick
from steady import Shape

TARGET = 100  # bytes a resting order, all told
NAMES = (*lab.POINTS, "max")
BLOCK = 500_000  # commands made at a time
GAPS = [10**power for power in (0, 1, 2, 3, 5, 7, 9, 11, 13)]
ORDERS_A_BOOK = 1_000
TURNS = (16, 256, 2_048)  # commands that a book takes before it is the next one's turn


# ------------------------------------------------------------------------------- in a child


def book_of(tape, orders):
    """A book that has taken the build, the seconds that took, and by how much memory grew.

    The build is copied off the clock from a mapped file to a buffer that was there before, so that
    nothing but the book makes the process grow.
    """
    import pricetime as pt

    out, block = np.zeros(lab.ROOM, pt.EVENT), np.zeros(BLOCK, pt.COMMAND)
    for array in (out, block):
        array["price"] = 1  # touched
    pt.Book().process(tape[:1], out=out)
    gc.collect()
    before, seconds, book = lab.anonymous(), 0.0, pt.Book()
    for begin in range(0, orders, BLOCK):
        count = min(BLOCK, orders - begin)
        block[:count] = tape[begin : begin + count]
        seconds += lab.drive_seconds(book, block[:count], out)
    gc.collect()
    return book, seconds, lab.anonymous() - before


def batches(path, orders, traffic):
    """Rates and memory of a book that takes a tape: build, traffic off and traffic on the clock."""
    import pricetime as pt

    tape = np.load(path, mmap_mode="r")
    book, seconds, grown = book_of(tape, orders)
    found = {
        "build": orders / seconds,
        "nbytes": book.nbytes / orders,
        "resident": grown / orders,
        "prices": len(book.bids()) + len(book.asks()),
    }
    out = np.zeros(lab.ROOM, pt.EVENT)
    warm, timed = np.array(tape[orders : orders + traffic]), np.array(tape[orders + traffic :])
    lab.drive(book, warm, out)
    return found | {"rate": traffic / lab.drive_seconds(book, timed, out)}


def singles(path, orders, traffic):
    """Percentiles of single commands inside the engine, ns."""
    tape = np.load(path, mmap_mode="r")
    book, _, _ = book_of(tape, orders)
    inside.times(book, tape[orders : orders + traffic])
    took, _ = inside.times(book, np.array(tape[orders + traffic :]))
    return lab.percentiles(took)


def many(books, traffic, turn):
    """Commands/s of so many books in turns, `turn` commands each time."""
    import pricetime as pt

    shapes = [Shape(ORDERS_A_BOOK, seed=seed) for seed in range(books)]
    out, made = np.zeros(lab.ROOM, pt.EVENT), [pt.Book() for _ in shapes]
    for book, shape in zip(made, shapes, strict=True):
        lab.drive(book, shape.build(0, shape.orders), out)
    each = max(turn, traffic // books)
    tapes = [shape.traffic(0, each) for shape in shapes]
    steps = [
        (book.process, tape[begin : begin + turn])
        for begin in range(0, each, turn)
        for book, tape in zip(made, tapes, strict=True)
    ]
    start = time.thread_time_ns()
    for process, part in steps:
        process(part, out=out)  # a turn's events fit: four a command at most here
    seconds = (time.thread_time_ns() - start) * 1e-9
    assert not any(book.pending for book in made)
    return {"rate": books * each / seconds}


def empties(books):
    """Bytes of an empty book: as it says, and as the process grows by each."""
    import pricetime as pt

    pt.Book()
    before = lab.anonymous()
    made = [pt.Book() for _ in range(books)]
    return {"nbytes": made[0].nbytes, "resident": (lab.anonymous() - before) / books}


# ------------------------------------------------------------------------------- the whole


def one_shape(shape, options, traffic, bindings, limit, cache):
    """Everything about one shape: medians over the rounds."""
    path = write_tape(shape, traffic, cache)
    at = {"path": path, "orders": shape.orders, "traffic": traffic}
    clock_from = shape.orders + traffic
    ours, alone, c = [], [], []
    for _ in range(options.rounds):
        ours.append(lab.child(batches, options.core, **at))
        if bindings:
            alone.append(lab.child(singles, options.core, bindings=bindings, **at))
        if limit:
            ways = [
                limit.run(path, prefetch=ahead, runs=1, start=clock_from)["seconds"]
                for ahead in (False, True)
            ]
            slow = limit.run(path, latency=True, runs=1, start=clock_from)
            c.append({"rate": traffic / min(ways), "latency": {p: slow[p] for p in NAMES}})
    Path(path).unlink()
    found = {"orders": shape.orders, "gap": shape.gap}
    found |= {key: statistics.median(run[key] for run in ours) for key in ours[0]}
    if alone:
        found["latency"] = lab.median_percentiles(alone)
    if c:
        pairs = zip(ours, c, strict=True)
        found["ratio"] = statistics.median(own["rate"] / run["rate"] for own, run in pairs)
        found["c_rate"] = statistics.median(run["rate"] for run in c)
        found["c_latency"] = lab.median_percentiles([run["latency"] for run in c])
    return found


def write_tape(shape, traffic, cache):
    """A file with the build and twice the traffic."""
    path, size = Path(cache, f"tape-{shape.orders}.npy"), shape.orders + 2 * traffic
    tape = np.lib.format.open_memmap(path, "w+", shape.build(0, 0).dtype, (size,))
    for begin in range(0, size, BLOCK):
        end = min(begin + BLOCK, size)
        middle = min(max(begin, shape.orders), end)
        tape[begin:middle] = shape.build(begin, middle)
        tape[middle:end] = shape.traffic(middle - shape.orders, end - shape.orders)
    tape.flush()
    return str(path)


def depths(options, traffic, bindings, cache):
    """One row for each depth."""
    sizes = [10**power for power in range(3, 6 if options.quick else 8)]
    have, found = yardstick.FOLDER.is_dir(), []
    with yardstick.Limit(options.core) if have else contextlib.nullcontext() as limit:
        for size in sizes:
            lab.progress(f"depth: {size:,} orders")
            found.append(one_shape(Shape(size), options, traffic, bindings, limit, cache))
    return found


def spreads(options, traffic, bindings, cache):
    """One row for each distance of neighbouring prices."""
    orders, found = 10_000 if options.quick else 100_000, []
    for gap in GAPS:
        lab.progress(f"spread: {gap:,} ticks between prices")
        found.append(one_shape(Shape(orders, gap=gap), options, traffic, bindings, None, cache))
    return found


def numbers(options, traffic, _bindings, _cache):
    """One row for each number of books; last, what an empty one takes."""
    found = []
    for books in (1, 10, 100) if options.quick else (1, 3, 10, 30, 100, 300, 1_000):
        lab.progress(f"books: {books:,}")
        rates = {}
        for turn in TURNS:
            at = {"books": books, "traffic": traffic, "turn": turn}
            runs = [lab.child(many, options.core, **at)["rate"] for _ in range(options.rounds)]
            rates[str(turn)] = statistics.median(runs)
        found.append({"books": books, "rates": rates})
    return {"rows": found, "empty": lab.child(empties, options.core, books=1_000)}


# ------------------------------------------------------------------------------- tables


def shape_head(first):
    return [
        *(first, "prices", "build M/s", "M commands/s", "C book", "ratio"),
        *("p50", "p99", "p99.9", "C p50", "C p99.9", "nbytes/order", "resident/order"),
    ]


def shape_rows(found, key):
    """The table's cells for depth or spread."""
    for f in found:
        ours, c = f.get("latency", {}), f.get("c_latency", {})
        times = [(ours, "p50"), (ours, "p99"), (ours, "p99.9"), (c, "p50"), (c, "p99.9")]
        yield [
            f"{f[key]:,}" if f[key] < 10**9 else f"{f[key]:.0e}",
            f"{f['prices']:,}",
            f"{f['build'] / 1e6:.2f}",
            f"{f['rate'] / 1e6:.2f}",
            f"{f['c_rate'] / 1e6:.2f}" if "c_rate" in f else "-",
            f"{f['ratio']:.2f}" if "ratio" in f else "-",
            *(lab.nanoseconds(of[point]) if point in of else "-" for of, point in times),
            f"{f['nbytes']:.0f}",
            f"{f['resident']:.0f}" if f["orders"] >= 10_000 else "-",  # pages, not orders
        ]


BOOKS_HEAD = ["books", *(f"{turn:,} a turn" for turn in TURNS)]


def books_rows(found):
    for f in found["rows"]:
        yield [f"{f['books']:,}", *(f"{f['rates'][str(turn)] / 1e6:.2f}" for turn in TURNS)]


def memory_verdict(depth):
    """A line on the target, for the deepest book, and on the others."""
    *others, last = [f for f in depth if f["orders"] >= 10_000]
    word = "reached" if max(last["nbytes"], last["resident"]) <= TARGET else "missed"
    rest = ", ".join(f"{f['orders']:,}: {f['nbytes']:.0f}/{f['resident']:.0f}" for f in others)
    return (
        f"{last['orders']:,} resting limit orders take {last['nbytes']:.0f} bytes each by "
        f"`nbytes`, {last['resident']:.0f} by what the process grew; target {TARGET}: {word}. "
        f"The same for fewer orders: {rest}."
    )


def empty_line(found):
    """A line on empty books."""
    empty = found["empty"]
    return (
        f"An empty book holds {empty['nbytes'] / 1024:.1f} KiB by `nbytes`; a thousand of them "
        f"made the process grow by {empty['resident'] / 1024:.1f} KiB each."
    )


PARTS = {"depth": depths, "spread": spreads, "books": numbers}


def main():
    parser = lab.parser(__doc__, rounds=3)
    parser.add_argument("parts", nargs="*", metavar="part", help="depth spread books: all of them")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    traffic = 50_000 if options.quick else 1_000_000
    found = {}
    lab.settle(options)
    with lab.cache_folder(options) as cache, tempfile.TemporaryDirectory() as folder:
        wanted = options.parts or [*PARTS]
        bindings = inside.build(folder) if {"depth", "spread"} & {*wanted} else None
        for part in wanted:
            found[part] = PARTS[part](options, traffic, bindings, cache)
    lab.progress("")
    for part, key in (("depth", "orders"), ("spread", "gap")):
        if part in found:
            print(f"By {part}\n\n{lab.table(shape_head(key), shape_rows(found[part], key))}\n")
    if "depth" in found:
        print(memory_verdict(found["depth"]) + "\n")
    if "books" in found:
        print("By number of books, M commands/s\n")
        print(lab.table(BOOKS_HEAD, books_rows(found["books"])) + "\n")
        print(empty_line(found["books"]) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "scaling", {"target": TARGET, "traffic": traffic} | found)


if __name__ == "__main__":
    lab.start(main, batches, singles, many, empties)
