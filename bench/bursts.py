"""Single commands that touch many orders: what one order costs, as the many become more.

    python bench/bursts.py [--quick] [case ...]

Each case builds a book of a thousand to a million orders, then times one command, or one call, and
divides by what it has to touch. Orders are entered in no order unless told, so that every one is
somewhere else in memory: the first hundred thousand do not fit the caches, and cost more for that.
Where the last tenfold makes each cost at most three times as much, it is called linear.

Cascades: stops that one trade fires at once or that fire each other, with fixed and with trailing
triggers. Waiting: trailing stops in the book while trades move their references. Then what else may
touch a whole book. Processor time, best of three fresh books; events are read into one buffer.
"""

import sys
import time

import lab
import mixes
import numpy as np
from flows import MIDDLE
from pricetime.records import TIF, Flag, Kind, OrderType, Parameter, Phase, Side

SIZES = (1_000, 10_000, 100_000, 1_000_000)
REPEATS = 3
LINEAR = 3.0  # times the cost for each that the last tenfold may add: caches, and a logarithm
HOPELESS = 7.0, 5e9  # the same, and ns to be expected, where a larger size is not tried
TRADES = 20_000
SECOND = 10**9  # ns
LOW = MIDDLE - 5_000_000  # below everything that waits
FIRST = 10**9  # order ids of those that do not belong to the many


# ------------------------------------------------------------------------------- in a child


def one(case, size):
    """Nanoseconds for each of what a case touches: the best of the repeats."""
    import pricetime as pt

    best = None
    for _ in range(REPEATS):
        book, out = pt.Book(), np.zeros(lab.ROOM, pt.EVENT)
        build, act, items = CASES[case].make(size)
        lab.drive(book, build, out)
        if callable(act):
            begun = time.thread_time_ns()
            act(book)
            took = time.thread_time_ns() - begun
        else:
            took = lab.drive_seconds(book, act, out) * 1e9
        best = min(took, best or took)
    return {"ns": best / items}


# ------------------------------------------------------------------------------- pieces


def join(*parts):
    """One tape of several, its time going on."""
    tape = np.concatenate(parts)
    tape["timestamp"] = mixes.blank(len(tape))["timestamp"]
    return tape


def take(side, price, quantity=1, **fields):
    """An immediate order of account 9."""
    fields = {"order_id": FIRST + 1, "account": 9} | fields
    return mixes.limits(1, side=side, price=price, quantity=quantity, tif=TIF.IOC, **fields)


def traded_at(price):
    """Two orders that trade one lot at a price."""
    rest = mixes.limits(1, side=Side.SELL, price=price, quantity=1, order_id=FIRST + 2, account=8)
    return join(rest, take(Side.BUY, price))


def bid_below(quantity):
    """One bid for so many lots, below all triggers."""
    return mixes.limits(1, side=Side.BUY, price=LOW, quantity=quantity, order_id=FIRST + 3)


def many(count, **fields):
    """New limit orders to sell one lot at MIDDLE, numbered from 1, unless told."""
    plain = {"side": Side.SELL, "price": MIDDLE, "quantity": 1, "order_id": np.arange(1, count + 1)}
    return mixes.limits(count, **plain | fields)


def stops(count, trailing, at):
    """Stops that sell one lot; `at` is how far below MIDDLE each fires."""
    if trailing:
        return many(count, order_type=OrderType.TRAILING_STOP, price=0, trigger=at)
    return many(count, order_type=OrderType.STOP, price=0, trigger=MIDDLE - at)


def phase(phase):
    return mixes.blank(1, kind=Kind.PHASE, order_type=phase)


def setting(parameter, value):
    return mixes.blank(1, kind=Kind.SET, order_id=parameter, price=value)


def dice(count):
    return np.random.default_rng(count)


# ------------------------------------------------------------------------------- cascades


def at_once(size, trailing, ordered=False):
    """One trade fires all: their triggers lie on a thousand prices; `ordered`: as they entered."""
    at = dice(size).integers(1, 1_001, size)
    at = np.sort(at) if ordered else at
    build = join(traded_at(MIDDLE), bid_below(size + 1), stops(size, trailing, at))
    return build, take(Side.SELL, LOW), size


def each_the_next(size, trailing):
    """A ladder of bids of one lot each: the trade of one stop fires the next."""
    at = dice(size).permutation(size) + 1
    steps = np.arange(1, size + 2)
    bids = many(size + 1, side=Side.BUY, price=MIDDLE - steps, order_id=FIRST + 10 + steps)
    build = join(traded_at(MIDDLE), bids, stops(size, trailing, at))
    return build, take(Side.SELL, MIDDLE - 1), size


def _falling(size):
    """Trailing stops that each enter at a lower last price: as many references as stops."""
    at = np.arange(size)
    number = np.repeat(at, 3)
    tape = many(3 * size, order_id=FIRST + 10 + np.arange(3 * size), price=MIDDLE - number)
    tape["side"][1::3] = Side.BUY
    tape["tif"][1::3] = TIF.IOC
    tape[2::3] = stops(size, True, 2 * size + dice(size).integers(0, 1_000, size))
    return join(bid_below(size + 1), tape)


def own_references(size):
    """The same by one trade, where every stop has a reference of its own."""
    return _falling(size), take(Side.SELL, LOW), size


def melting(size):
    """One trade above all references makes them one."""
    return _falling(size), traded_at(MIDDLE + 1), size


def opening(size):
    """The triggers hold when continuous trading begins: all fire, by time."""
    at = -dice(size).integers(1, 1_001, size)
    gathered = stops(size, False, at)
    build = join(traded_at(MIDDLE), bid_below(size), phase(Phase.AUCTION), gathered)
    return build, phase(Phase.CONTINUOUS), size


def rising(size, waiting=True):
    """Trailing stops of both sides wait, while each trade is a tick above the one before."""
    trigger = 1_000_000 + dice(size).integers(0, 1_000, size)
    far = stops(size, True, trigger)
    far["side"][::2] = Side.BUY
    steps = np.repeat(np.arange(1, TRADES + 1), 2)
    trades = many(2 * TRADES, price=MIDDLE + steps, order_id=FIRST + 10 + np.arange(2 * TRADES))
    trades["side"][1::2] = Side.BUY
    trades["tif"][1::2] = TIF.IOC
    return join(traded_at(MIDDLE), far[: size if waiting else 0]), trades, TRADES


def zigzag(size):
    """The same, but the price goes up two ticks and down one, and a stop follows each trade."""
    build, trades, _ = rising(size)
    number = np.arange(TRADES)
    price = MIDDLE + number // 2 + number % 2 * 2
    trades["price"] = np.repeat(price, 2)
    tape = np.repeat(trades[::2], 3)
    tape[0::3], tape[1::3] = trades[::2], trades[1::2]
    tape[2::3] = stops(TRADES, True, np.full(TRADES, 1_000_000))
    tape["order_id"] = FIRST + 10 + np.arange(len(tape))
    return build, join(tape), TRADES


# ------------------------------------------------------------------------------- auctions


def _crossed(size, flags=0):
    """An auction in which every price trades: five orders a price, buys above sells."""
    number = np.arange(size)
    buy = number % 2 == 0
    price = MIDDLE + np.where(buy, 1, -1) * (1 + number // 10)
    orders = many(size, side=np.where(buy, Side.BUY, Side.SELL), price=price, flags=flags)
    return join(phase(Phase.AUCTION), orders)


def indicative(size, flags=0):
    """CLOCK in an auction: a tenth as many prices as orders on either side."""
    return _crossed(size, flags), mixes.blank(1, kind=Kind.CLOCK), size


def uncross(size, flags=0):
    tape = mixes.blank(1, kind=Kind.UNCROSS, order_type=Phase.CONTINUOUS)
    return _crossed(size, flags), tape, size // 2


# ------------------------------------------------------------------------------- all-or-none


def _unfillable(size, prices):
    """All-or-none offers of 1,000 lots on so many prices; a tick behind each price a plain lot."""
    offers = many(
        size,
        price=MIDDLE + np.arange(size) * prices // size,
        quantity=1_000,
        flags=Flag.ALL_OR_NONE,
    )
    plain = many(
        prices, price=MIDDLE + 1 + np.arange(prices), order_id=FIRST + 10 + np.arange(prices)
    )
    return join(offers, plain)


def passes(size, prices, tif=TIF.IOC):
    """A taker that all of them are too large for."""
    taker = take(Side.BUY, MIDDLE + prices, prices)
    taker["tif"] = tif
    return _unfillable(size, prices), taker, size


def passes_again(size):
    """A thousand takers of one lot each, all of which pass: time for each taker and order."""
    build, _, _ = passes(size, 1)
    number = np.arange(1_000)
    takers = many(1_000, side=Side.BUY, tif=TIF.IOC, order_id=FIRST + 10**6 + number)
    return build, takers, size * 1_000


def quote_over(size):
    """A quote whose bid would reach them: its dry run passes all."""
    offers = _unfillable(size, 1)[:-1]
    quote = mixes.blank(
        1, kind=Kind.QUOTE, account=7, order_id=FIRST, price=MIDDLE, quantity=1,
        trigger=MIDDLE + 1, slot=1,
    )  # fmt: skip
    return offers, quote, size


# ------------------------------------------------------------------------------- pro rata


def pro_rata(size, lots, tif=TIF.IOC, slices=1):
    """A level of orders of ten lots each; `lots` says what a taker takes of so many."""
    level = many(size, quantity=10 * slices)
    if slices > 1:
        level["flags"], level["slot"] = Flag.ICEBERG, 10
    taker = take(Side.BUY, MIDDLE, lots(10 * size * slices))
    taker["tif"] = tif
    return join(setting(Parameter.MATCHING, 2), level), taker, size * slices


# ------------------------------------------------------------------------------- whole books


def _owned(size, each, **fields):
    """Offers on a thousand prices, `each` an account."""
    number = np.arange(size)
    return many(size, price=MIDDLE + number % 1_000, account=1 + number // each, **fields)


def switches(size, accounts):
    """So many switches run out in one second; each cancels a hundred orders."""
    accounts = accounts(size)
    second = int(mixes.blank(1)["timestamp"][0] // SECOND) + 1_000
    armed = mixes.blank(accounts, kind=Kind.ARM, account=1 + np.arange(accounts), expires=second)
    clock = mixes.blank(1, kind=Kind.CLOCK, timestamp=(second + 1) * SECOND)
    return join(_owned(size, 100), armed), clock, 100 * accounts


def mass(size, account, items):
    """MASS_CANCEL of an account, or of all."""
    tape = mixes.blank(1, kind=Kind.MASS_CANCEL, account=account)
    return _owned(size, 100), tape, items(size)


def expiring(size):
    """Orders good till one second, which comes."""
    second = int(mixes.blank(1)["timestamp"][0] // SECOND) + 1_000
    clock = mixes.blank(1, kind=Kind.CLOCK, timestamp=(second + 1) * SECOND)
    return _owned(size, 100, tif=TIF.GTD, expires=second), clock, size


def closing(size):
    """Orders for the day, at the end of the day."""
    return _owned(size, 100, tif=TIF.DAY), phase(Phase.CLOSED), size


def pairs(size):
    """One taker trades with a leg of each of so many pairs: the other legs go."""
    legs = many(2 * size, account=1)
    legs["price"][1::2] = MIDDLE + 1_000
    legs["flags"][1::2] = Flag.OCO
    legs["slot"][1::2] = legs["order_id"][0::2]
    return legs, take(Side.BUY, MIDDLE, size), size


# ------------------------------------------------------------------------------- views


def _chain(size):
    """Trailing stops with falling offsets: each new one is the next to fire."""
    return join(traded_at(MIDDLE), stops(size, True, 2_000_000 - np.arange(size)))


def view(size, act):
    return _chain(size), act, size


def cancels(size):
    """Trailing stops are cancelled one by one, the first to enter first."""
    tape = mixes.blank(size, kind=Kind.CANCEL, order_id=np.arange(1, size + 1))
    return _chain(size), tape, size


def top_level(size):
    """The best level alone, of so many orders, with an iceberg somewhere else."""
    far = many(1, price=MIDDLE + 9, quantity=9, flags=Flag.ICEBERG, slot=1, order_id=FIRST)
    return join(many(size), far), lambda book: book.asks(1), 1


def state(book):
    import pricetime as pt

    pt.Book.restore(book.checkpoint())


# ------------------------------------------------------------------------------- the cases


class Case:
    """What is measured: how to make it, and what the time is divided by."""

    def __init__(self, item, function, *arguments, most=SIZES[-1], **options):
        self.item, self.most = item, most
        self.make = lambda size: function(size, *arguments, **options)


def half(lots):
    return lots // 2


def whole(lots):
    return lots


HIDDEN = Flag.HIDDEN
CASES = {
    "fixed stops, one trade fires all": Case("stop", at_once, False),
    "the same, fired in order of entry": Case("stop", at_once, False, ordered=True),
    "fixed stops, each fires the next": Case("stop", each_the_next, False),
    "trailing stops, one trade fires all": Case("stop", at_once, True),
    "trailing stops, each fires the next": Case("stop", each_the_next, True),
    "trailing stops, a reference each, one trade": Case("stop", own_references),
    "fixed stops, fired by the opening": Case("stop", opening),
    "no stop waits, trades on rising prices": Case("trade", rising, False),
    "trailing stops wait, trades on rising prices": Case("trade", rising),
    "trailing stops wait, zigzag, a stop enters a trade": Case("trade and stop", zigzag),
    "a reference each, one trade above all": Case("stop", melting),
    "CLOCK in a crossed auction": Case("order", indicative),
    "CLOCK in a crossed auction, all hidden": Case("order", indicative, HIDDEN),
    "UNCROSS": Case("trade", uncross),
    "UNCROSS, all hidden": Case("trade", uncross, HIDDEN),
    "a taker passes all-or-none offers": Case("order passed", passes, 1),
    "the same on a hundred prices": Case("order passed", passes, 100),
    "FOK: the dry run passes them, then it": Case("order passed", passes, 100, TIF.FOK),
    "a thousand takers pass them": Case("order passed", passes_again, most=100_000),
    "a QUOTE passes them": Case("order passed", quote_over),
    "pro rata, a taker of one lot": Case("order", pro_rata, lambda lots: 1),
    "pro rata, a taker of half": Case("order", pro_rata, half),
    "pro rata, a taker of all": Case("order", pro_rata, whole),
    "pro rata, FOK for all": Case("order", pro_rata, whole, TIF.FOK),
    "pro rata, icebergs of ten slices, all": Case("slice", pro_rata, whole, TIF.IOC, 10),
    "ten switches run out": Case("order cancelled", switches, lambda size: 10),
    "a switch for every account runs out": Case(
        "order cancelled", switches, lambda size: size // 100, most=100_000
    ),
    "MASS_CANCEL, one account of many": Case("order in the book", mass, 1, whole),
    "MASS_CANCEL, all": Case("order cancelled", mass, 0, whole),
    "GTD orders of one second expire": Case("order cancelled", expiring),
    "DAY orders at CLOSED": Case("order cancelled", closing),
    "a taker through OCO legs": Case("pair", pairs),
    "trailing stops: orders()": Case("order", view, lambda book: book.orders(hidden=True)),
    "trailing stops: checkpoint": Case("order", view, lambda book: book.checkpoint()),
    "trailing stops: checkpoint, restore": Case("order", view, state),
    "trailing stops: check()": Case("order", view, lambda book: book.check()),
    "trailing stops: cancels in order of entry": Case("order", cancels),
    "asks(1), many orders there, an iceberg elsewhere": Case("call", top_level),
}


# ------------------------------------------------------------------------------- the whole


HEAD = ["what", "ns an item", *(lab.count(size) for size in SIZES), "growth", ""]


def growth(case):
    """How much the cost of an item has grown by the last tenfold of orders."""
    figures = [case["ns"][str(size)] for size in SIZES if str(size) in case["ns"]]
    return figures[-1] / figures[-2] if len(figures) > 1 else 1.0


def hopeless(case, size):
    """Whether this size would take too long, from the one before it."""
    before = case["ns"].get(str(size // 10), 0.0)
    factor, most = HOPELESS
    return growth(case) > factor and before * size * growth(case) > most


def rows(cases):
    """The table's cells."""
    for name, case in cases.items():
        word = "linear" if growth(case) <= LINEAR else "**more than linear**"
        figures = [case["ns"].get(str(size)) for size in SIZES]
        cells = ["-" if ns is None else f"{ns:,.{1 if ns < 10 else 0}f}" for ns in figures]
        yield [name, case["item"], *cells, f"{growth(case):.1f}", word]


def main():
    parser = lab.parser(__doc__, rounds=1)
    parser.add_argument("cases", nargs="*", metavar="case", help="words in the name; default: all")
    options = parser.parse_args()
    names = [name for name in CASES if all(word in name for word in options.cases)]
    if not names:
        sys.exit(f"no case has {' and '.join(options.cases)} in its name")
    lab.settle(options)
    found = {}
    for name in names:
        case = CASES[name]
        most = min(case.most, SIZES[1]) if options.quick else case.most
        found[name] = {"item": case.item, "ns": {}}
        for size in (size for size in SIZES if size <= most):
            if hopeless(found[name], size):
                break
            lab.progress(f"{name}: {size:,}")
            ns = [
                lab.child(one, options.core, case=name, size=size)["ns"]
                for _ in range(options.rounds)
            ]
            found[name]["ns"][str(size)] = min(ns)
    lab.progress("")
    print(lab.table(HEAD, rows(found), left=2) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "bursts", {"cases": found})


if __name__ == "__main__":
    lab.start(main, one)
