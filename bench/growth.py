"""The worst single command while a book grows to ten million orders.

    python bench/growth.py [--quick]

Orders enter one at a time until ten million rest. In turns with them, block by block, a second book
of fixed depth takes as many commands that make it grow by nothing: what is slow there too is the
machine's doing (others on the core, interrupts, the host), not the book's. Measured twice: inside
the engine, with the processor's counter around each command (`inside.py`), and from Python, around
each call of `process` with one command, garbage collection off. For each of the worst it is told
whether the book made memory for it, whether the system gave pages then (first use of memory: a page
of 2 MiB is zeroed in one go), and whether the system gave the core to somebody else meanwhile.

Memory that the host of a virtual machine has not given it yet takes far longer, whoever asks for
it; so a throwaway process uses much of it first, and the time for 2 MiB of new memory is shown.
"""

import gc
import resource
import tempfile
import time

import inside
import lab
import numpy as np
from steady import Shape

TARGET = 1_000_000  # ns: no growth pause as long as this
WORST = 10
LENGTHS = {"50 µs": 5e4, "200 µs": 2e5, "1 ms": 1e6}  # ns
SLOW = 50_000  # ns: from here a call from Python is looked at
BLOCK = 500_000  # commands between two turns
STEADY = Shape(100_000, seed=1)  # the book that does not grow


# ------------------------------------------------------------------------------- in a child


def growing(orders, look):
    """The worst commands of both books, and how many were slow.

    `look`: "inside" or "python". Each of the worst is [ns, number, grew, faulted, switched].
    """
    import pricetime as pt

    shape, out = Shape(orders), np.zeros(lab.ROOM, pt.EVENT)
    books = {"growing": pt.Book(), "steady": pt.Book()}
    lab.drive(books["steady"], STEADY.build(0, STEADY.orders), out)
    worst = {name: [] for name in books}
    above = {name: dict.fromkeys(LENGTHS, 0) for name in books}
    measure = _inside if look == "inside" else _python
    gc.disable()
    for begin in range(0, orders, BLOCK):
        end = min(begin + BLOCK, orders)
        tapes = {"growing": shape.build(begin, end), "steady": STEADY.traffic(begin, end)}
        for name, tape in tapes.items():
            found = measure(books[name], tape)
            for length, least in LENGTHS.items():
                above[name][length] += sum(row[0] > least for row in found)
            worst[name] += [[row[0], begin + row[1], *row[2:]] for row in found]
            worst[name] = _worst(worst[name])
    if look == "python":
        _say_what_grew(worst["growing"], shape, out)
    book = books["growing"]
    return {"worst": worst, "above": above, "orders": len(book), "nbytes": book.nbytes}


def _worst(found):
    """The worst ten of all, and the worst ten of those that kept the core."""
    found.sort(reverse=True, key=lambda row: row[0])
    kept = [row for row in found if not row[4]][:WORST]
    return found[:WORST] + [row for row in kept if row not in found[:WORST]]


def _inside(book, tape):
    took, marks = inside.times(book, tape, watch=True)
    slow = np.flatnonzero(took > SLOW).tolist()
    least = np.argsort(took)[-WORST:].tolist()
    bits = (inside.GREW, inside.FAULTED, inside.SWITCHED)
    return [
        [float(took[i]), i, *(bool(marks[i] & bit) for bit in bits)]
        for i in sorted({*slow, *least})
    ]


def _python(book, tape):
    """The calls that took long. Whether memory was made is found out later: None."""
    import pricetime as pt

    out = np.zeros(lab.ROOM, pt.EVENT)
    process, clock, usage = book.process, time.perf_counter_ns, resource.getrusage
    who, found = resource.RUSAGE_SELF, []
    for i in range(len(tape)):
        part = tape[i : i + 1]
        before = usage(who)
        begun = clock()
        process(part, out=out)
        took = clock() - begun
        if took > SLOW:
            after = usage(who)
            faulted = after.ru_minflt != before.ru_minflt
            found.append([took, i, None, faulted, after.ru_nivcsw != before.ru_nivcsw])
    return found


def _say_what_grew(worst, shape, out):
    """Build the book again, and see whether it makes memory at those orders: it does so again."""
    import pricetime as pt

    book, at = pt.Book(), 0
    for row in sorted(worst, key=lambda row: row[1]):
        for begin in range(at, row[1], BLOCK):
            lab.drive(book, shape.build(begin, min(begin + BLOCK, row[1])), out)
        before, at = book.nbytes, row[1] + 1
        book.process(shape.build(row[1], at), out=out)
        row[2] = book.nbytes > before


# ------------------------------------------------------------------------------- the whole


HEAD = ["order", "took", "memory made", "pages given", "core taken"]


def rows(worst):
    """The table's cells, the worst first."""
    for took, number, *marks in worst:
        yield [f"{number + 1:,}", lab.nanoseconds(took), *("yes" if m else "-" for m in marks)]


def pause(found):
    """The worst command that grew the book in either sense while it kept the core, ns; 0: none."""
    rows = found["worst"]["growing"]
    return max((row[0] for row in rows if (row[2] or row[3]) and not row[4]), default=0)


def verdict(found):
    """Lines on the target and on the machine's share."""
    grown, steady = (
        max((row[0] for row in found["worst"][name]), default=0) for name in ("growing", "steady")
    )
    counts = "; ".join(
        f"above {length}: {number} while growing, {found['above']['steady'][length]} in the other"
        for length, number in found["above"]["growing"].items()
    )
    return (
        f"Worst growth pause {lab.nanoseconds(pause(found))}; target 1 ms: "
        f"{'reached' if pause(found) < TARGET else 'missed'}. "
        f"Worst command for whatever cause {lab.nanoseconds(grown)}, and "
        f"{lab.nanoseconds(steady)} in the book that does not grow. Commands {counts}."
    )


def page_line(page):
    """A line on what new memory takes without any book."""
    return (
        "2 MiB of new memory by themselves, without any book, take "
        f"{lab.nanoseconds(page['p50'])} (p50), {lab.nanoseconds(page['p99'])} (p99), "
        f"{lab.nanoseconds(page['max'])} (max) here."
    )


def main():
    parser = lab.parser(__doc__, rounds=1)
    parser.add_argument("--orders", type=int, help="how many (default 10,000,000)")
    options = parser.parse_args()
    orders = options.orders or (200_000 if options.quick else 10_000_000)
    found, page = {}, lab.settle(options)
    with tempfile.TemporaryDirectory() as folder:
        bindings = inside.build(folder)
        looks = {"inside": bindings, "python": None} if bindings else {"python": None}
        for look, path in looks.items():
            lab.progress(f"growing to {orders:,} orders: {look}")
            found[look] = lab.child(growing, options.core, bindings=path, orders=orders, look=look)
    lab.progress("")
    for look, title in (("inside", "Inside the engine"), ("python", "From Python, a call each")):
        if look in found:
            print(f"{title}: the worst while growing to {orders:,} orders\n")
            print(lab.table(HEAD, rows(found[look]["worst"]["growing"])) + "\n")
            print(verdict(found[look]) + "\n")
    print(page_line(page) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "growth", {"orders": orders, "target": TARGET, "looks": found, "page": page})


if __name__ == "__main__":
    lab.start(main, growing)
