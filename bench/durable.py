"""What a venue over SQLite does a second, durable; how fast it starts again; against bare writes.

    python bench/durable.py [--quick] [--folder FOLDER]

Everything is on the disk when it counts, with one fsync each time that it must be. Three ways take
the same bytes in turns: the venue (commands in, matched, events out), a bare SQLite table (the same
commands and events as two rows of a transaction, pages as large, nothing matched, nothing checked),
and a plain file (the same bytes appended, then fdatasync). So the last two are what any durable
engine pays here, without being one. The flow is `normal` of `flows.py`; all cores may be used; wall
time, medians over the rounds.

- batches: arrays of commands, each durable before the next is sent; the flow is sent again when it
  ends, and then a fifth of it is rejected (new orders whose id still rests)
- single commands: one at a time, and from many tasks or threads at once, which share the fsyncs
- recovery: a log without a checkpoint against the book alone on the same commands
- checkpoint: of a million resting orders, until it is on the disk, and back into a book
"""

import asyncio
import math
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from pathlib import Path

import flows
import lab
import numpy as np

BATCH_TARGET = 500_000  # commands a second
GROUP_TARGET = 20  # times the rate of one fsync each
REPLAY_TARGET = 1.2, 1.0  # of the book's time, and seconds
CHECKPOINT_TARGET = 1.0  # seconds, each way
BATCHES = (64, 1_024, 8_192, 65_536)
TASKS = (1, 8, 64, 256)
BARE = {"table": "a bare table, one commit each", "file": "a plain file, one fsync each"}
ORDERS = 1_000_000  # in the checkpoint
COMMANDS = 10_000_000  # to recover


def free():
    """Use all cores again, as a venue does."""
    os.sched_setaffinity(0, range(os.cpu_count()))


def instrument():
    import pricetime as pt

    return pt.Instrument("BENCH", tick_size="0.01", lot_size="0.001")


# ------------------------------------------------------------------------------- batches


def batches(folder, size, seconds):
    """Commands a second of the three ways, arrays of one size each."""
    free()
    commands = flows.flow("normal", max(4 * size, 100_000), ids="sparse")
    parts = [commands[at : at + size] for at in range(0, len(commands) - size + 1, size)]
    return {
        "venue": rate(venue_taker(folder), parts, seconds),
        "table": rate(table_taker(folder, parts), parts, seconds),
        "file": rate(file_taker(folder, parts), parts, seconds),
    }


def rate(taker, parts, seconds):
    """Commands a second that a way takes: a generator that is sent the number of a part."""
    next(taker)
    taker.send((0, parts[0]))
    begun, done, turn = time.perf_counter(), 0, 1
    while (now := time.perf_counter() - begun) < seconds:
        number = turn % len(parts)
        taker.send((number, parts[number]))
        done += len(parts[number])
        turn += 1
    taker.close()
    return done / now


def venue_taker(folder):
    import pricetime as pt

    with pt.Venue(fresh(folder, "venue.db")) as venue:
        name = venue.add(instrument()).instrument.name
        part = yield
        while True:
            venue.submit(name, part[1])
            part = yield


def events_of(parts):
    """The bytes that the commands and their events have, by part."""
    import pricetime as pt

    book = pt.Book()
    return [(part.tobytes(), book.process(part).tobytes()) for part in parts]


def table_taker(folder, parts):
    from pricetime.log.sqlite import PAGE_BYTES

    rows = events_of(parts)
    connection = sqlite3.connect(fresh(folder, "table.db"), isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # the venue's
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, data BLOB)")
    try:
        part = yield
        while True:
            connection.execute("BEGIN")
            for data in rows[part[0]]:
                connection.execute("INSERT INTO log (data) VALUES (?)", (data,))
            connection.execute("COMMIT")
            part = yield
    finally:
        connection.close()


def file_taker(folder, parts):
    rows = events_of(parts)
    file = os.open(fresh(folder, "plain"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        part = yield
        while True:
            os.writev(file, rows[part[0]])
            os.fdatasync(file)
            part = yield
    finally:
        os.close(file)


def fresh(folder, name):
    """The path of a file that is not there."""
    for path in Path(folder).glob(f"{name}*"):
        path.unlink()
    return Path(folder, name)


# ------------------------------------------------------------------------------- single commands


def tasks(folder, count, seconds, durability="commit"):
    """Rate and latency of orders that so many tasks await, one after the other each."""
    import pricetime as pt

    free()
    took = []

    async def trader(market, number, until):
        turn = number
        while (begun := time.perf_counter()) < until:
            side = "buy" if turn % 2 else "sell"
            await market.limit(side, f"{100 + turn % 7}.5", "0.25", account=number + 1)
            took.append(time.perf_counter() - begun)
            turn += 1

    async def run():
        path = fresh(folder, "tasks.db")
        async with pt.AsyncVenue(path, durability=durability) as venue:
            market = await venue.add(instrument())
            await market.limit("buy", "1", "1")
            begun = time.perf_counter()
            until = begun + seconds
            await asyncio.gather(*(trader(market, number, until) for number in range(count)))
            return time.perf_counter() - begun

    whole = asyncio.run(run())
    return {"rate": len(took) / whole} | lab.percentiles(np.array(took) * 1e9)


def threads(folder, count, seconds):
    """The same of threads that call a plain venue."""
    import pricetime as pt

    free()
    took = []

    def trader(market, number, until):
        turn = number
        while (begun := time.perf_counter()) < until:
            side = "buy" if turn % 2 else "sell"
            market.limit(side, f"{100 + turn % 7}.5", "0.25", account=number + 1)
            took.append(time.perf_counter() - begun)
            turn += 1

    with pt.Venue(fresh(folder, "threads.db")) as venue:
        market = venue.add(instrument())
        begun = time.perf_counter()
        until = begun + seconds
        crew = [threading.Thread(target=trader, args=(market, i, until)) for i in range(count)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        whole = time.perf_counter() - begun
    return {"rate": len(took) / whole} | lab.percentiles(np.array(took) * 1e9)


def bare(folder, seconds):
    """Commits a second of a bare table and of a file, 64 and 96 bytes each."""
    free()
    commands = flows.flow("normal", 2_000, ids="sparse")
    parts = [commands[at : at + 1] for at in range(len(commands))]
    return {
        "table": rate(table_taker(folder, parts), parts, seconds),
        "file": rate(file_taker(folder, parts), parts, seconds),
    }


# ------------------------------------------------------------------------------- recovery


def core_of(path):
    """A venue's core over a file, which takes no checkpoints by itself."""
    from pricetime.log import SqliteLog
    from pricetime.runner import Distance
    from pricetime.venue.core import Core

    return Core(SqliteLog(path), time.time_ns, distance=Distance(math.inf))


def fill(core, commands):
    """Puts all commands into the log, in batches."""
    from pricetime.venue.definition import Definition
    from pricetime.venue.request import BATCH_MAX, Request

    core.add(Definition(instrument(), {}))
    for begin in range(0, len(commands), BATCH_MAX):
        data = commands[begin : begin + BATCH_MAX].tobytes()
        core.put(Request("BENCH", data, lambda request, events, repeated, error: None))
        core.step()


def recovery(folder, flow):
    """Seconds that a log of a flow's commands takes to recover, and the book alone."""
    import pricetime as pt

    free()
    commands = np.load(flow)
    path = fresh(folder, "recovery.db")
    core = core_of(path)
    fill(core, commands)
    wanted = core.runner("BENCH").book.state_hash()
    core.log.close()  # as a kill leaves it: no checkpoint is taken
    book, begun = pt.Book(), time.perf_counter()
    book.process(commands)
    alone = time.perf_counter() - begun
    begun = time.perf_counter()
    core = core_of(path)
    found = time.perf_counter() - begun
    assert core.runner("BENCH").book.state_hash() == wanted
    core.log.close()
    return {"commands": len(commands), "recovery": found, "book": alone}


def flow_file(cache, count):
    """The file of a flow that long; minutes to make where the cache has none."""
    path = Path(cache, f"durable-{count}.npy")
    if not path.exists():
        lab.progress(f"making a flow of {count:,} commands")
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, flows.flow("normal", count, ids="sparse"))
        unfinished.rename(path)
    return str(path)


# ------------------------------------------------------------------------------- checkpoints


def checkpoint(folder, orders):
    """Seconds to take a checkpoint, to have it on the disk, and to start from it."""
    import pricetime as pt

    free()
    commands = np.zeros(orders, pt.COMMAND)
    rng = np.random.default_rng(1)
    commands["kind"], commands["order_type"] = pt.Kind.NEW, pt.OrderType.LIMIT
    commands["tif"], commands["quantity"] = pt.TIF.GTC, rng.integers(1, 100, orders)
    commands["side"] = 1 + np.arange(orders) % 2
    below = rng.integers(1, orders // 5, orders)
    commands["price"] = 10_000_000 + np.where(commands["side"] == 1, -below, below)
    commands["order_id"] = rng.permutation(np.arange(1, orders + 1, dtype=np.uint64) << 20)
    commands["account"], commands["timestamp"] = rng.integers(1, 1000, orders), flows.START
    path = fresh(folder, "checkpoint.db")
    core = core_of(path)
    fill(core, commands)
    runner = core.runner("BENCH")
    wanted, size = runner.book.state_hash(), len(runner.book.checkpoint())
    begun = time.perf_counter()
    core.checkpoint("BENCH")
    taken = time.perf_counter() - begun
    while not core.idle:
        core.step()
    written = time.perf_counter() - begun
    core.log.close()
    begun = time.perf_counter()
    core = core_of(path)
    restored = time.perf_counter() - begun
    assert core.runner("BENCH").book.state_hash() == wanted
    core.log.close()
    return {"orders": orders, "bytes": size, "taken": taken, "written": written, "read": restored}


# ------------------------------------------------------------------------------- the whole


def median(found):
    """The median of each figure over the rounds."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


BATCHES_HEAD = ["commands a batch", "venue", "bare table", "plain file", "venue / table"]
SINGLES_HEAD = ["who", "commands/s", "p50", "p99", "p99.9", "max"]


def batch_rows(data):
    for size, found in data.items():
        cells = [f"{found[way] / 1e3:,.0f}" for way in ("venue", "table", "file")]
        yield [f"{int(size):,}", *cells, f"{found['venue'] / found['table']:.2f}"]


def single_rows(data):
    for who, found in data.items():
        points = ("p50", "p99", "p99.9", "max")
        times = [lab.nanoseconds(found[p]) if p in found else "" for p in points]
        yield [who, f"{found['rate']:,.0f}", *times]


def targets(data):
    """What is asked, target, measured, and the share by which it is missed: reached from 0 down."""
    size, found = max(data["batches"].items(), key=lambda item: item[1]["venue"])
    yield (
        f"venue over SQLite, batches of {int(size):,}, commands/s on the disk "
        f"(bare table {found['table']:,.0f}, plain file {found['file']:,.0f})",
        f"≥ {BATCH_TARGET:,}",
        f"{found['venue']:,.0f}",
        1 - found["venue"] / BATCH_TARGET,
    )
    rates = {who: found["rate"] for who, found in data["singles"].items()}
    group = rates["64 tasks"] / rates["1 task"]
    yield (
        f"64 tasks that await single commands, times the rate of one, {rates['1 task']:,.0f}/s "
        f"(bare table {rates[BARE['table']]:,.0f}, plain file {rates[BARE['file']]:,.0f})",
        f"≥ {GROUP_TARGET}",
        f"{group:.1f}",
        1 - group / GROUP_TARGET,
    )
    found, (share, extra) = data["recovery"], REPLAY_TARGET
    most = share * found["book"] + extra
    yield (
        f"recovery of {found['commands']:,.0f} commands without a checkpoint "
        f"(the book alone {found['book']:.2f} s)",
        f"≤ {share:g} × {found['book']:.2f} s + {extra:g} s = {most:.2f} s",
        f"{found['recovery']:.2f} s",
        found["recovery"] / most - 1,
    )
    found = data["checkpoint"]
    for what, key in (("taken and on the disk", "written"), ("read back into a book", "read")):
        yield (
            f"checkpoint of {found['orders']:,.0f} orders, {what}",
            f"< {CHECKPOINT_TARGET:g} s",
            f"{found[key]:.2f} s",
            found[key] / CHECKPOINT_TARGET - 1,
        )


def verdicts(data):
    """A line for each target, and one on the checkpoint's size."""
    for what, target, measured, missed in targets(data):
        yield f"{what}: {measured}; target {target}: {'missed' if missed > 0 else 'reached'}"
    found = data["checkpoint"]
    yield (
        f"the checkpoint has {found['bytes'] / 2**20:.0f} MiB; commands wait {found['taken']:.2f} "
        "s while it is taken, then a part of it is written with each group"
    )


def scale(options):
    """By what the large sizes are divided."""
    return 20 if options.quick else 1


def measure(options, folder, flow):
    """All figures: a dict by part. `flow`: the file of the commands to recover."""
    core, seconds = options.core, 0.3 if options.quick else 2.0

    def rounds(function, **task):
        lab.progress(f"{function.__name__} {task}")
        return median(
            [lab.child(function, core, folder=folder, **task) for _ in range(options.rounds)]
        )

    found = {"batches": {}, "singles": {}}
    for size in BATCHES:
        found["batches"][str(size)] = rounds(batches, size=size, seconds=seconds)
    for way, rate in rounds(bare, seconds=seconds).items():
        found["singles"][BARE[way]] = {"rate": rate}
    for count in TASKS:
        name = "1 task" if count == 1 else f"{count} tasks"
        found["singles"][name] = rounds(tasks, count=count, seconds=seconds)
    system = rounds(tasks, count=64, seconds=seconds, durability="system")
    found["singles"]['64 tasks, durability "system"'] = system
    for count in (1, 64):
        name = "1 thread" if count == 1 else f"{count} threads"
        found["singles"][name] = rounds(threads, count=count, seconds=seconds)
    found["recovery"] = rounds(recovery, flow=flow)
    found["checkpoint"] = rounds(checkpoint, orders=ORDERS // scale(options))
    lab.progress("")
    return found


def main():
    parser = lab.parser(__doc__, rounds=3)
    parser.add_argument("--folder", help="where the files go (default: beside this script)")
    options = parser.parse_args()
    with (
        lab.cache_folder(options) as cache,
        tempfile.TemporaryDirectory(dir=options.folder or lab.HERE) as folder,
    ):
        flow = flow_file(cache, COMMANDS // scale(options))
        found = measure(options, folder, flow)
    print(lab.table(BATCHES_HEAD, batch_rows(found["batches"])))
    print("\nThousands of commands a second, durable.\n")
    print(lab.table(SINGLES_HEAD, single_rows(found["singles"])) + "\n")
    print("\n".join(verdicts(found)) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "durable", {"rounds": options.rounds, "target": BATCH_TARGET} | found)


if __name__ == "__main__":
    lab.start(main, batches, bare, tasks, threads, recovery, checkpoint)
