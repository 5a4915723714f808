"""One call at a time from Python, with its result: `limit`, `cancel`, `amend`, `market`.

    python bench/calls.py [--quick]

The flow `normal`, a method call for each command, arguments made beforehand, from an ordinary loop
whose own cost is in the figures (and shown). Each call makes its Result; what a user then reads of
it costs extra, so there are rows for reading nothing, `status`, `filled`, and the trades of every
order. In the same rounds the C book takes the same commands, since the target scales with the
machine: 1.5 M calls/s where the C book makes 25 M commands/s. Then each method by itself, on a book
of 20,000 orders. Processor time, medians over the rounds.
"""

import contextlib
import gc
import statistics
import time

import lab
import numpy as np
import yardstick

TARGET, AT = 1.5, 25.0  # M calls/s, where the C book makes so many M commands/s
WARM = 200_000  # commands that bring the book to its depth, off the clock
READS = ("nothing", "status", "filled", "trades")


# ------------------------------------------------------------------------------- in a child


def flow(path, commands):
    """Seconds for all calls by what is read, and for the loop with a function that does nothing."""
    import pricetime as pt

    tape = yardstick.load(path, WARM + commands)
    names = ("kind", "side", "price", "quantity", "account", "tif", "order_id")
    columns = [tape[name][WARM:].tolist() for name in names]
    calls, out = list(zip(*columns, strict=True)), np.zeros(lab.ROOM, pt.EVENT)
    seconds, traded = {}, {}
    gc.freeze()
    for read in ("loop", *READS):
        book = pt.Book()
        lab.drive(book, tape[:WARM], out)
        begun = time.thread_time_ns()
        if read == "loop":
            send(_Nobody, calls)
        elif read == "nothing":
            send(book, calls)
        else:
            send_and_read(book, calls, read)
        seconds[read] = (time.thread_time_ns() - begun) * 1e-9
        traded[read] = book.trades
    assert len({traded[read] for read in READS}) == 1
    return seconds


class _Nobody:
    """No book at all: methods that do nothing, called with the same arguments."""

    @staticmethod
    def limit(side, price, quantity, *, account, tif, order_id):
        pass

    @staticmethod
    def cancel(order_id, *, account):
        pass

    @staticmethod
    def amend(order_id, *, quantity, account):
        pass


def send(book, calls):
    limit, cancel, amend = book.limit, book.cancel, book.amend
    for kind, side, price, quantity, account, tif, order_id in calls:
        if kind == 1:
            limit(side, price, quantity, account=account, tif=tif, order_id=order_id)
        elif kind == 2:
            cancel(order_id, account=account)
        else:
            amend(order_id, quantity=quantity, account=account)


def send_and_read(book, calls, read):
    limit, cancel, amend = book.limit, book.cancel, book.amend
    status, filled = read == "status", read == "filled"
    for kind, side, price, quantity, account, tif, order_id in calls:
        if kind == 1:
            result = limit(side, price, quantity, account=account, tif=tif, order_id=order_id)
        elif kind == 2:
            result = cancel(order_id, account=account)
        else:
            result = amend(order_id, quantity=quantity, account=account)
        if status:
            result.status  # noqa: B018
        elif filled:
            result.filled  # noqa: B018
        elif kind == 1:
            result.trades  # noqa: B018


def methods(turns):
    """Seconds a call by method, on a book of 20,000 orders; `turns` blocks of a thousand calls."""
    import pricetime as pt
    from steady import MIDDLE, Shape

    shape = Shape(20_000)
    book, many, clock = pt.Book(), range(1_000), time.thread_time_ns
    lab.drive(book, shape.build(0, shape.orders), np.zeros(lab.ROOM, pt.EVENT))
    block = shape.build(shape.orders, shape.orders + len(many))
    names = ("order_id", "side", "price", "account")
    ids, sides, prices, accounts = (block[name].tolist() for name in names)
    limit, market, cancel, amend = book.limit, book.market, book.cancel, book.amend
    buy, sell, ioc = pt.Side.BUY, pt.Side.SELL, pt.TIF.IOC
    blocks = {
        "limit, rests": lambda: [
            limit(sides[i], prices[i], 50, account=accounts[i], order_id=ids[i]) for i in many
        ],
        "amend, less": lambda: [amend(ids[i], quantity=40, account=accounts[i]) for i in many],
        "amend, other price": lambda: [
            amend(ids[i], price=prices[i] + (1 if sides[i] == sell else -1)) for i in many
        ],
        "cancel": lambda: [cancel(ids[i], account=accounts[i]) for i in many],
        "limit, IOC, a trade": lambda: [limit(buy, MIDDLE, 1, account=1, tif=ioc) for i in many],
        "market, a trade": lambda: [market(buy, 1, account=1) for i in many],
        "best_bid": lambda: [book.best_bid for i in many],
        "bids(10)": lambda: [book.bids(10) for i in many],
    }
    seconds = dict.fromkeys(blocks, 0.0)
    for turn in range(turns + 1):  # the first one warms up
        limit(sell, MIDDLE, 2 * len(many), account=2)  # what the takers find
        for name, run in blocks.items():
            begun = clock()
            run()
            seconds[name] += (clock() - begun) * 1e-9 if turn else 0.0
    assert len(book) == shape.orders
    return {name: spent / turns / len(many) for name, spent in seconds.items()}


# ------------------------------------------------------------------------------- the whole


def measure(options, commands, turns, cache, limit):
    """All rounds: M calls/s by what is read, M commands/s of the C book, seconds by method."""
    path, _ = yardstick.flow("normal", cache, WARM + commands if options.quick else None)
    runs, c, alone = [], [], []
    for round_ in range(options.rounds):
        lab.progress(f"calls: round {round_ + 1} of {options.rounds}")
        runs.append(lab.child(flow, options.core, path=path, commands=commands))
        alone.append(lab.child(methods, options.core, turns=turns))
        if limit:
            at = {"runs": 3, "start": WARM, "commands": WARM + commands}
            ways = [limit.run(path, prefetch=ahead, **at)["seconds"] for ahead in (False, True)]
            c.append(min(ways))
    lab.progress("")
    million = commands / 1e6
    rates = {read: million / statistics.median(run[read] for run in runs) for read in runs[0]}
    found = {
        "commands": commands,
        "rates": rates,
        "methods": {name: statistics.median(a[name] for a in alone) for name in alone[0]},
    }
    if limit:
        found["c_rate"] = million / statistics.median(c)
        found["target"] = TARGET * found["c_rate"] / AT
        # Of each round: how much of the target was reached.
        found["reached"] = {
            read: statistics.median(
                (million / run[read]) / (TARGET / AT * million / own)
                for run, own in zip(runs, c, strict=True)
            )
            for read in READS
        }
    return found


HEAD = ["read of each result", "M calls/s", "of the target"]


def rows(found):
    """The table's cells."""
    reached = found.get("reached", {})
    for read in READS:
        part = f"{100 * reached[read]:.0f} %" if read in reached else "-"
        yield [read, f"{found['rates'][read]:.2f}", part]
    yield ["(the loop, without a book)", f"{found['rates']['loop']:.2f}", ""]


def verdict(found):
    """A line on the target."""
    if "target" not in found:
        return yardstick.MISSING
    word = "reached" if found["reached"]["nothing"] >= 1 else "missed"
    return (
        f"The C book makes {found['c_rate']:.1f} M commands/s of the same flow here, so the target "
        f"is {found['target']:.2f} M calls/s ({TARGET} M where it makes {AT:.0f} M): {word}."
    )


METHODS_HEAD = ["method", "ns a call", "M calls/s"]


def method_rows(found):
    for name, seconds in found["methods"].items():
        yield [name, f"{seconds * 1e9:.0f}", f"{1e-6 / seconds:.2f}"]


def main():
    options = lab.parser(__doc__, rounds=7).parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 2)
    commands, turns = (50_000, 20) if options.quick else (1_000_000, 200)
    have = yardstick.FOLDER.is_dir()
    with (
        lab.cache_folder(options) as cache,
        yardstick.Limit(options.core) if have else contextlib.nullcontext() as limit,
    ):
        found = measure(options, commands, turns, cache, limit)
    print(f"Flow `normal`, {commands:,} calls\n")
    print(lab.table(HEAD, rows(found)) + "\n\n" + verdict(found) + "\n")
    print(lab.table(METHODS_HEAD, method_rows(found)) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "calls", found)


if __name__ == "__main__":
    lab.start(main, flow, methods)
