"""Batches of what is rarer than limit orders: stops, quotes, icebergs, an auction.

    python bench/kinds.py [--quick] [flow ...]

The flows are those of `mixes.py`, and beside them `normal` of `flows.py`: as it is, and with one
stop order in the book that never fires. That one order is enough for the book to leave its short
way for plain orders, so the second line against the first is what the long way costs.

A million commands each, processor time, best of three fresh books, in a new process each round; the
ratio is that of times for a command to those of `normal` in the same round. For `auction` the
orders gather on the clock; then one CLOCK asks for the indicative price, and one UNCROSS trades,
until the last event is read.
"""

import statistics
from pathlib import Path

import lab
import mixes
import numpy as np
from flows import SHAPES, START, flow
from pricetime.records import EVENT, TIF, EventKind, Kind, OrderType, Phase, Side

COMMANDS = 1_000_000
LATER = START + 10**15  # ns, behind all flows
REPEATS = 3  # fresh books in a process, of which the best counts
END = mixes.blank(1, kind=Kind.UNCROSS, order_type=Phase.CONTINUOUS, timestamp=LATER)
FLOWS = ("normal", "one stop waits", *mixes.MIXES)


def _normal(count):
    build = SHAPES["normal"].resting
    commands = flow("normal", build + count, ids="sparse")
    return commands[:build], commands[build:]


def _one_stop(count):
    built, tape = _normal(count)
    stop = mixes.limits(
        1, order_type=OrderType.STOP, side=Side.BUY, order_id=2**63, quantity=1, trigger=2**60
    )
    return np.concatenate([stop, built]), tape


MAKE = {"normal": _normal, "one stop waits": _one_stop} | mixes.MIXES


# ------------------------------------------------------------------------------- in a child


def speed(built, tape):
    """Processor seconds of a tape behind its build; of an auction also of what ends it."""
    import pricetime as pt

    commands, first, out = np.load(tape), np.load(built), np.zeros(lab.ROOM, pt.EVENT)
    steps = {"seconds": commands}
    if Path(tape).stem == "auction":
        steps["clock"] = mixes.blank(1, kind=Kind.CLOCK, timestamp=LATER)
        steps["uncross"] = END
    runs = []
    for _ in range(REPEATS):
        book = pt.Book()
        lab.drive(book, first, out)
        runs.append({name: lab.drive_seconds(book, part, out) for name, part in steps.items()})
    return {name: min(run[name] for run in runs) for name in steps}


def contents(built, tape):
    """What a tape is made of and what it makes: counts of events, and the book at its end."""
    import pricetime as pt

    book, out = pt.Book(), np.zeros(lab.ROOM, EVENT)
    lab.drive(book, np.load(built), out)
    commands, first = np.load(tape), book.commands
    if Path(tape).stem == "auction":
        commands = np.concatenate([commands, END])
    counts = np.zeros(len(EventKind) + 1, np.int64)
    while book.commands - first < len(commands) or book.pending:
        at = book.commands - first
        events = book.process(commands[at : at + lab.BATCH], out=out)
        counts += np.bincount(events["kind"], minlength=len(counts))
    book.check()
    new = commands[commands["kind"] == Kind.NEW]
    return {
        "commands": len(commands),
        "new": len(new),
        "quotes": int((commands["kind"] == Kind.QUOTE).sum()),
        "cancels": int((commands["kind"] == Kind.CANCEL).sum()),
        "immediate": int((new["tif"] == TIF.IOC).sum()),
        "stops": int((new["order_type"] > OrderType.LIMIT).sum()),
        "icebergs": int((new["slot"] > 0).sum()),
        "orders": len(book),
        "levels": len(book.bids()) + len(book.asks()),
        "events": {kind.name: int(counts[kind]) for kind in EventKind},
    }


# ------------------------------------------------------------------------------- the whole


def measure(names, options, cache):
    """All rounds of all flows in turns: a dict of figures by flow."""
    count = COMMANDS // 20 if options.quick else COMMANDS
    files, found, seconds = {}, {}, {name: [] for name in names}
    for name in names:
        lab.progress(f"{name}: making {count:,} commands")
        files[name] = _files(name, count, cache)
        found[name] = {"contents": lab.child(contents, options.core, **files[name])}
    for round_ in range(options.rounds):
        for name in names:
            lab.progress(f"{name}: round {round_ + 1} of {options.rounds}")
            seconds[name].append(lab.child(speed, options.core, **files[name]))
    lab.progress("")
    for name, runs in seconds.items():
        took = [run["seconds"] for run in runs]
        events = sum(found[name]["contents"]["events"].values())
        found[name] |= {"commands": count, "rate": count / statistics.median(took)}
        if "normal" in seconds:
            pairs = zip(took, seconds["normal"], strict=True)
            found[name]["ratios"] = [own / plain["seconds"] for own, plain in pairs]
        if "uncross" in runs[0]:
            found[name]["clock"] = statistics.median(run["clock"] for run in runs)
            found[name]["uncross"] = statistics.median(run["uncross"] for run in runs)
        else:
            found[name]["event_ns"] = statistics.median(took) / events * 1e9
    return found


def _files(name, count, cache):
    """The flow as two files of the cache, made where they are not there."""
    folder = Path(cache, f"kinds-{count}")
    folder.mkdir(exist_ok=True)
    stem = name.replace(" ", "-")
    files = {"built": folder / f"{stem}-built.npy", "tape": folder / f"{stem}.npy"}
    built, tape = MAKE[name](count)
    np.save(files["built"], built)
    np.save(files["tape"], tape)
    return {key: str(path) for key, path in files.items()}


HEAD = ["flow", "M commands/s", "ns a command", "times normal's", "events a command", "ns an event"]


def rows(flows):
    """The table's cells."""
    for name, f in flows.items():
        events = sum(f["contents"]["events"].values()) / f["contents"]["commands"]
        ratios = f.get("ratios")
        gathers = "uncross" in f  # its events are those of the gathering: one a command
        yield [
            name,
            f"{f['rate'] / 1e6:.2f}",
            f"{1e9 / f['rate']:.0f}",
            f"{statistics.median(ratios):.2f}" if ratios else "-",
            "1.00" if gathers else f"{events:.2f}",
            f"{1e9 / f['rate']:.0f}" if gathers else f"{f['event_ns']:.0f}",
        ]


def auction_line(f):
    """A line on what ends an auction."""
    events, trades = f["contents"]["events"], f["contents"]["events"]["TRADE"]
    return (
        f"auction: {f['contents']['new']:,} orders gathered; indicative price "
        f"{lab.nanoseconds(f['clock'] * 1e9)}; uncross {lab.nanoseconds(f['uncross'] * 1e9)} for "
        f"{trades:,} trades and {events['CANCELLED'] - f['contents']['cancels']:,} orders that it "
        f"left over: {f['uncross'] / trades * 1e9:.0f} ns a trade."
    )


def contents_line(name, f):
    """A line on what a flow is made of and what comes of it."""
    made = f["contents"]
    events, per = made["events"], 100 / made["commands"]
    parts = {
        "new orders": made["new"],
        "takers": made["immediate"],
        "stops": made["stops"],
        "icebergs": made["icebergs"],
        "quotes": made["quotes"],
        "cancels": made["cancels"],
        "rejected": events["REJECTED"],
        "fired": events["TRIGGERED"],
        "new slices": events["REFRESHED"],
    }
    shares = ", ".join(f"{count * per:.1f} % {word}" for word, count in parts.items() if count)
    return (
        f"{name}: {shares}; {events['TRADE'] * per / 100:.2f} trades a command; at the end "
        f"{made['orders']:,} orders, those that show on {made['levels']:,} prices"
    )


def main():
    parser = lab.parser(__doc__, rounds=5)
    parser.add_argument("flows", nargs="*", metavar="flow", help=f"{', '.join(FLOWS)}: all of them")
    options = parser.parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 2)
    lab.settle(options)
    with lab.cache_folder(options) as cache:
        flows = measure(options.flows or FLOWS, options, cache)
    print(lab.table(HEAD, rows(flows)) + "\n")
    if "auction" in flows:
        print(auction_line(flows["auction"]) + "\n")
    print("\n".join(contents_line(name, f) for name, f in flows.items()) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "kinds", {"rounds": options.rounds, "flows": flows})


if __name__ == "__main__":
    lab.start(main, speed, contents)
