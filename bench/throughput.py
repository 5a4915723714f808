"""Batch throughput on the published flows, as a ratio to a hand-written C book. The main benchmark.

    python bench/throughput.py              # whole flows, some minutes
    python bench/throughput.py --quick      # heads of the flows, to see that it works

The C book knows the range of prices beforehand, has all its memory touched and zeroed, and does
only what these flows ask for. pricetime starts from an empty book and grows on the clock. Both run
alone on one core, in turns, each in a process of its own: processor time, best of three runs a
round, medians over the rounds, ratios within a round. The C book is taken with or without its
prefetching, whichever is the faster on that flow. In `deep` the million orders that build the book
are not on the clock.

A run off the clock compares trades and final book with the C book's and, for whole flows, with the
published figures: numbers, best prices and two digests.
"""

import statistics
import time

import lab
import numpy as np
import yardstick

TARGET = 0.70
REPEATS = 3  # runs of each side in a round, of which the best counts
QUICK = {"normal": 300_000, "deep": 1_200_000, "sweep": 300_000}


# ------------------------------------------------------------------------------- in a child


def speed(path, commands, start):
    """Seconds of processor time for the commands behind `start`, once a repeat."""
    import pricetime as pt

    tape = yardstick.load(path, commands)
    out = np.zeros(lab.ROOM, pt.EVENT)
    seconds, wall = [], []
    for _ in range(REPEATS):
        book = pt.Book()
        lab.drive(book, tape[:start], out)
        begun = time.perf_counter()
        seconds.append(lab.drive_seconds(book, tape[start:], out))
        wall.append(time.perf_counter() - begun)
        del book
    return {"seconds": seconds, "wall": wall}


def state(path, commands):
    """What the book ends with, and the digests of its trades and orders."""
    import pricetime as pt

    tape = yardstick.load(path, commands)
    out, book, at = np.zeros(lab.ROOM, pt.EVENT), pt.Book(), 0
    columns = ("maker_id", "order_id", "price", "quantity")
    parts = {name: [] for name in columns}
    while at < commands or book.pending:
        events = book.process(tape[at : at + lab.BATCH], out=out)
        at = book.commands
        trades = events[events["kind"] == pt.EventKind.TRADE]
        for name in columns:
            parts[name].append(trades[name].copy())
    book.check()
    orders = book.orders()
    trade = [np.concatenate(parts[name]) for name in columns]
    return {
        "trades": book.trades,
        "traded": int(trade[3].sum()),
        "resting": len(book),
        "levels": len(book.bids()) + len(book.asks()),
        "best_bid": book.best_bid,
        "best_ask": book.best_ask,
        "book_digest": yardstick.columns_digest(
            *(orders[name] for name in ("side", "price", "order_id", "remaining"))
        ),
        "trade_digest": yardstick.columns_digest(*trade),
        "mix": yardstick.mix(tape),
        "nbytes": book.nbytes,
    }


# ------------------------------------------------------------------------------- the whole


def measure(name, options, cache, limit):
    """All rounds of one flow: a dict of figures."""
    path, commands = yardstick.flow(name, cache, QUICK[name] if options.quick else None)
    start = yardstick.BUILD[name]
    lab.progress(f"{name}: final state")
    found = {"ours": lab.child(state, options.core, path=path, commands=commands)}
    found["c"] = limit.run(path, runs=1, commands=commands)
    ours, plain, ahead = [], [], []
    for round_ in range(options.rounds):
        lab.progress(f"{name}: round {round_ + 1} of {options.rounds}")
        run = lab.child(speed, options.core, path=path, commands=commands, start=start)
        ours.append(min(run["seconds"]))
        for prefetch, seconds in ((False, plain), (True, ahead)):
            at = {"runs": REPEATS, "start": start, "commands": commands}
            seconds.append(limit.run(path, prefetch=prefetch, **at)["seconds"])
    lab.progress("")
    better = plain if statistics.median(plain) <= statistics.median(ahead) else ahead
    ratios = [c / own for c, own in zip(better, ours, strict=True)]
    million = (commands - start) / 1e6
    return found | {
        "commands": commands - start,
        "built": start,
        "whole": commands == yardstick.SIZES[name],
        "prefetch": better is ahead,
        "rate": million / statistics.median(ours),
        "c_plain": million / statistics.median(plain),
        "c_prefetch": million / statistics.median(ahead),
        "c_rate": million / statistics.median(better),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "differs": differences(name, found, commands == yardstick.SIZES[name]),
    }


def differences(name, found, whole):
    """Where the book's end is not the C book's, or not the published one: a list of lines."""
    rights = {"the C book": found["c"]}
    if whole:
        rights["the published figures"] = yardstick.EXPECTED[name]
    return [
        f"{name}: {key} is {found['ours'][key]}, {who} say {right[key]}"
        for who, right in rights.items()
        for key in yardstick.EXPECTED[name]
        if found["ours"][key] != right[key]
    ]


HEAD = ["flow", "commands", "pricetime", "C book", "its way", "ratio", "lowest..highest", "target"]


def rows(flows):
    """The table's cells, M commands/s."""
    for name, f in flows.items():
        yield [
            name,
            f"{f['commands']:,}",
            f"{f['rate']:.2f}",
            f"{f['c_rate']:.2f}",
            "prefetch" if f["prefetch"] else "plain",
            f"{f['ratio']:.2f}",
            f"{min(f['ratios']):.2f}..{max(f['ratios']):.2f}",
            f"{TARGET:.2f} {'reached' if f['ratio'] >= TARGET else 'missed'}",
        ]


def contents(f):
    """A line on what a flow is made of and what it ends with."""
    end, total = f["ours"], f["built"] + f["commands"]
    return (
        f"{end['mix']}; {end['trades'] / total:.2f} trades a command; at the end "
        f"{end['resting']:,} orders on {end['levels']:,} prices"
    )


def agreement(flows):
    """A line on whether all books ended right."""
    wrong = [line for f in flows.values() for line in f["differs"]]
    if wrong:
        return "WRONG: " + "; ".join(wrong)
    whole = all(f["whole"] for f in flows.values())
    return "Trades and final books equal the C book's" + (
        " and the published figures." if whole else " (heads of the flows only)."
    )


def main():
    parser = lab.parser(__doc__, rounds=7)
    parser.add_argument("flows", nargs="*", metavar="flow", help="normal deep sweep: all of them")
    options = parser.parse_args()
    if not yardstick.FOLDER.is_dir():
        print(yardstick.MISSING)
        return
    if options.quick:
        options.rounds = min(options.rounds, 3)
    lab.settle(options)
    with lab.cache_folder(options) as cache, yardstick.Limit(options.core) as limit:
        names = options.flows or [*yardstick.SIZES]
        flows = {name: measure(name, options, cache, limit) for name in names}
    print(f"M commands/s of processor time, {options.rounds} rounds of {REPEATS} runs\n")
    print(lab.table(HEAD, rows(flows)) + "\n\n" + agreement(flows))
    print("\n".join(f"{name}: {contents(f)}" for name, f in flows.items()))
    print(lab.words(lab.machine()))
    lab.save(options, "throughput", {"rounds": options.rounds, "target": TARGET, "flows": flows})
    if any(f["differs"] for f in flows.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    lab.start(main, speed, state)
