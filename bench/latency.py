"""How long single commands take: inside the engine against the C book, and as seen from Python.

    python bench/latency.py [--quick]

Inside: one command at a time, no look-ahead, two readings of the processor's counter around each,
in pricetime and in the C book alike (`inside.py`). From Python: one call of `process` with a single
command, with sixteen, or of `limit`, `cancel` and `amend`; the call itself and the clock are in
these figures, and the table says how much an empty call takes. Paced: commands are due at a fixed
rate, 1.6 million a minute, and a delay counts from when a command was due, so that a stall counts
for all that it holds up. Garbage collection is off in all of them.
"""

import gc
import statistics
import tempfile
import time

import inside
import lab
import numpy as np
import yardstick

TARGET = 2.0  # p99.9 inside, as a multiple of the C book's
PACE = 1_600_000 / 60  # commands/s
QUICK = {"normal": 300_000, "deep": 1_200_000, "sweep": 300_000}
CALLS = 300_000  # commands of `normal` for the figures from Python


# ------------------------------------------------------------------------------- in a child


def engine(path, commands, start):
    """Percentiles of single commands inside the engine, ns."""
    import pricetime as pt

    tape = yardstick.load(path, commands)
    book = pt.Book()
    lab.drive(book, tape[:start], np.zeros(lab.ROOM, pt.EVENT))
    took, _ = inside.times(book, tape[start:])
    return lab.percentiles(took)


def batches(path, commands, warm, size):
    """Percentiles of `process` with so many commands a call, ns a call; size 0: an empty call."""
    import pricetime as pt

    tape = yardstick.load(path, warm + commands)
    out, book = np.zeros(lab.ROOM, pt.EVENT), pt.Book()
    lab.drive(book, tape[:warm], out)
    tape = tape[warm:]
    parts = [tape[i : i + size] for i in range(0, commands, size or 1)]
    process, clock, took = book.process, time.perf_counter_ns, []
    gc.disable()
    for part in parts:
        begun = clock()
        process(part, out=out)
        took.append(clock() - begun)
        while book.pending:
            process(tape[:0], out=out)
    return lab.percentiles(took)


def methods(path, commands, warm):
    """Percentiles of the book's methods for one command, ns a call, by method."""
    book, calls = _calls(path, commands, warm)
    limit, cancel, amend = book.limit, book.cancel, book.amend
    took = {"limit": [], "cancel": [], "amend": []}
    keep = [took[name].append for name in took]
    clock = time.perf_counter_ns
    gc.disable()
    for kind, side, price, quantity, account, tif, order_id in calls:
        if kind == 1:
            begun = clock()
            limit(side, price, quantity, account=account, tif=tif, order_id=order_id)
            keep[0](clock() - begun)
        elif kind == 2:
            begun = clock()
            cancel(order_id, account=account)
            keep[1](clock() - begun)
        else:
            begun = clock()
            amend(order_id, quantity=quantity, account=account)
            keep[2](clock() - begun)
    return {name: lab.percentiles(values) for name, values in took.items()}


def paced(path, commands, warm, seconds):
    """Percentiles of the delay behind the moment a command was due, ns, at the fixed pace."""
    book, calls = _calls(path, min(commands, int(PACE * seconds)), warm)
    limit, cancel, amend = book.limit, book.cancel, book.amend
    clock, gap, took = time.perf_counter_ns, 1e9 / PACE, []
    gc.disable()
    due = first = clock() + 1_000_000
    for i, (kind, side, price, quantity, account, tif, order_id) in enumerate(calls):
        due = first + int(i * gap)
        while clock() < due:
            pass
        if kind == 1:
            limit(side, price, quantity, account=account, tif=tif, order_id=order_id)
        elif kind == 2:
            cancel(order_id, account=account)
        else:
            amend(order_id, quantity=quantity, account=account)
        took.append(clock() - due)
    return lab.percentiles(took)


def _calls(path, commands, warm):
    """A book that has taken the first `warm` commands, and the next ones as arguments."""
    import pricetime as pt

    tape = yardstick.load(path, warm + commands)
    book = pt.Book()
    lab.drive(book, tape[:warm], np.zeros(lab.ROOM, pt.EVENT))
    names = ("kind", "side", "price", "quantity", "account", "tif", "order_id")
    columns = [tape[name][warm:].tolist() for name in names]
    return book, list(zip(*columns, strict=True))


# ------------------------------------------------------------------------------- the whole


def compare(name, options, cache, limit, bindings):
    """Inside the engine and in the C book, in turns: medians of the rounds' percentiles."""
    path, commands = yardstick.flow(name, cache, QUICK[name] if options.quick else None)
    start, ours, theirs = yardstick.BUILD[name], [], []
    for round_ in range(options.rounds):
        lab.progress(f"{name}: round {round_ + 1} of {options.rounds}")
        at = {"path": path, "commands": commands, "start": start}
        ours.append(lab.child(engine, options.core, bindings=bindings, **at))
        found = limit.run(runs=1, latency=True, **at)
        theirs.append({point: found[point] for point in ours[-1]})
    lab.progress("")
    ratios = [own["p99.9"] / c["p99.9"] for own, c in zip(ours, theirs, strict=True)]
    return {
        "ours": lab.median_percentiles(ours),
        "c": lab.median_percentiles(theirs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def from_python(options, cache):
    """Percentiles by what was called, on `normal`, once it has its usual depth."""
    warm, commands = 200_000, CALLS // (10 if options.quick else 1)
    path, _ = yardstick.flow("normal", cache, QUICK["normal"] if options.quick else None)
    at = {"path": path, "commands": commands, "warm": warm}
    found = {}
    for name, function, more in (
        ("an empty call of process", batches, {"size": 0}),
        ("process, 1 command", batches, {"size": 1}),
        ("process, 16 commands", batches, {"size": 16}),
        ("a method", methods, {}),
        ("paced", paced, {"seconds": 2 if options.quick else 10}),
    ):
        lab.progress(f"from Python: {name}")
        answers = [lab.child(function, options.core, **at, **more) for _ in range(options.rounds)]
        if function is methods:
            for method in answers[0]:
                found[f"book.{method}"] = lab.median_percentiles([a[method] for a in answers])
        else:
            found[name] = lab.median_percentiles(answers)
        if "size" in more and more["size"] > 1:
            found[f"{name}, each"] = {p: t / more["size"] for p, t in found[name].items()}
    lab.progress("")
    return found


HEAD = ["", "p50", "p99", "p99.9", "p99.99", "max"]


def rows(found):
    """The table's cells: a row for each thing measured."""
    for name, points in found.items():
        yield [name, *(lab.nanoseconds(value) for value in points.values())]


def inside_rows(flows):
    """The same for the flows inside the engine, with the C book's next to it."""
    for name, f in flows.items():
        yield from rows({f"{name}, pricetime": f["ours"], f"{name}, C book": f["c"]})


def verdicts(flows):
    """A line a flow on the target."""
    for name, f in flows.items():
        word = "reached" if f["ratio"] <= TARGET else "missed"
        spread = f"{min(f['ratios']):.2f}..{max(f['ratios']):.2f}"
        yield (
            f"{name}: p99.9 is {f['ratio']:.2f} times the C book's ({spread}); "
            f"target {TARGET:.0f}: {word}"
        )


def main():
    options = lab.parser(__doc__, rounds=5).parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 2)
    flows = {}
    lab.settle(options)
    with lab.cache_folder(options) as cache, tempfile.TemporaryDirectory() as folder:
        if not yardstick.FOLDER.is_dir():
            print(yardstick.MISSING)
        elif bindings := inside.build(folder):
            with yardstick.Limit(options.core) as limit:
                for name in yardstick.SIZES:
                    flows[name] = compare(name, options, cache, limit, bindings)
        calls = from_python(options, cache)
    if flows:
        print("Single commands inside the engine\n")
        print(lab.table(HEAD, inside_rows(flows)) + "\n\n" + "\n".join(verdicts(flows)) + "\n")
    print(f"From Python, on `normal`; paced: {PACE:,.0f} commands/s, from when each was due\n")
    print(lab.table(HEAD, rows(calls)) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "latency", {"flows": flows, "python": calls, "target": TARGET})


if __name__ == "__main__":
    lab.start(main, engine, batches, methods, paced)
