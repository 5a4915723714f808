"""What a checkpoint takes: its bytes, the time to make and to restore it, and to name the state.

    python bench/checkpoint.py [--quick]

- plain: a thousand to a million resting limit orders, five a price, ids spread over 64 bits, in
  books that have seen as much traffic as they hold (`steady.py`)
- every kind: a hundred thousand orders, a tenth each of `KINDS`

Processor time, the median of five in a new process each round, then over the rounds. To restore is
to check as well: the bytes, each order, and the whole book. The disk is not in these figures.
"""

import statistics
import time

import lab
import numpy as np
from pricetime.records import TIF, Flag, OrderType
from steady import MIDDLE, Shape

REPEATS = 5
STEPS = ("make", "restore", "state_hash")
KINDS = {  # what the n-th of ten orders has that a plain one has not
    "plain": {},
    "expires": {"tif": TIF.GTD, "expires": 2**32 - 1},
    "hidden": {"flags": Flag.HIDDEN},
    "all or none": {"flags": Flag.ALL_OR_NONE},
    "iceberg": {"flags": Flag.ICEBERG, "slot": 1},
    "minimum": {"flags": Flag.MINIMUM, "slot": 1},
    "stop": {"order_type": OrderType.STOP, "price": 0, "trigger": MIDDLE},
    "trailing stop": {"order_type": OrderType.TRAILING_STOP, "price": 0, "trigger": 10},
    "sleeps for the auction": {"tif": TIF.AUCTION},
    "one cancels the other": {"flags": Flag.OCO},  # the plain order of its ten
}


# ------------------------------------------------------------------------------- in a child


def every_kind(orders):
    """New orders of all kinds, in turns."""
    commands = Shape(orders).build(0, orders)
    for place, fields in enumerate(KINDS.values()):
        for name, value in fields.items():
            commands[name][place :: len(KINDS)] = value
    first, last = commands[:: len(KINDS)], commands[len(KINDS) - 1 :: len(KINDS)]
    last["slot"] = first["order_id"]
    for name in ("account", "quantity"):
        last[name] = first[name]
    return commands


def book_of(kind, orders):
    """A book with so many orders."""
    import pricetime as pt

    book, out, shape = pt.Book(), np.zeros(lab.ROOM, pt.EVENT), Shape(orders)
    if kind == "plain":
        lab.drive(book, shape.build(0, orders), out)
        lab.drive(book, shape.traffic(0, orders), out)
    else:
        lab.drive(book, every_kind(orders), out)
    assert len(book) == orders, f"{len(book)} orders live of {orders}"
    return book


def measure(kind, orders):
    """Bytes of a checkpoint, and seconds of each step."""
    import pricetime as pt

    book = book_of(kind, orders)
    data = book.checkpoint()
    assert pt.Book.restore(data).checkpoint() == data
    calls = {
        "make": book.checkpoint,
        "restore": lambda: pt.Book.restore(data),
        "state_hash": book.state_hash,
    }
    return {"bytes": len(data)} | {step: _seconds(call) for step, call in calls.items()}


def _seconds(call):
    took = []
    for _ in range(REPEATS):
        start = time.thread_time_ns()
        call()
        took.append(time.thread_time_ns() - start)
    return statistics.median(took) * 1e-9


# ------------------------------------------------------------------------------- the whole


HEAD = ["book", "orders", "bytes", "an order", *STEPS]


def rows(found):
    for f in found:
        times = [lab.nanoseconds(f[step] * 1e9) for step in STEPS]
        size = [f"{f['bytes']:,}", f"{f['bytes'] / f['orders']:.0f}"]
        yield [f["kind"], f"{f['orders']:,}", *size, *times]


def main():
    options = lab.parser(__doc__, rounds=3).parse_args()
    sizes = [1_000, 100_000] if options.quick else [1_000, 100_000, 1_000_000]
    cases = [("plain", size) for size in sizes] + [("every kind", 100_000)]
    lab.settle(options)
    found = []
    for kind, orders in cases:
        lab.progress(f"{kind}: {orders:,} orders")
        at = {"kind": kind, "orders": orders}
        runs = [lab.child(measure, options.core, **at) for _ in range(options.rounds)]
        figures = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        found.append(at | figures)
    lab.progress("")
    print(lab.table(HEAD, rows(found)))
    print("\n" + lab.words(lab.machine()))
    lab.save(options, "checkpoint", {"rounds": options.rounds, "books": found})


if __name__ == "__main__":
    lab.start(main, measure)
