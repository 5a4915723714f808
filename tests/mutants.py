"""Breaks the kernel on purpose, one small way at a time: the tests must catch every one.

    python tests/mutants.py             # all of them
    python tests/mutants.py ladder 12   # those whose file or number is named

Each mutant is built in a scratch copy and meets the tests below, which stop at the first failure.
A mutant that survives is a hole in the tests: the script lists it and exits with 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TESTS = [
    "test_twin.py",
    "test_scenarios.py",
    "test_laws.py",
    "test_checkpoint.py",
    "test_process.py",
    "test_book.py",
    "test_memory.py",
]
MINUTES_MAX = 2  # a mutant that hangs is caught


class Mutant(NamedTuple):
    """One way to break one kernel; `old` stands there exactly once."""

    file: str
    old: str
    new: str
    why: str


MUTANTS = [
    # Priority and matching.
    Mutant(
        "order",
        "    order.prior = level.tail\n",
        "    order.prior = level.head\n",
        "a queue's backward links",
    ),
    Mutant(
        "order",
        "        order_at(orders, order.prior).next = order.next\n",
        "        order_at(orders, order.prior).next = 0\n",
        "a cancel cuts the queue short",
    ),
    Mutant(
        "matching",
        "    while slot != 0:\n        if bits_unlikely(core_room",
        "    while slot != level.tail:\n        if bits_unlikely(core_room",
        "the last of a level is passed over",
    ),
    Mutant(
        "matching",
        "        quantity = min(taker.remaining, maker.remaining)\n        INVARIANT",
        "        quantity = max(taker.remaining, maker.remaining)\n        INVARIANT",
        "too much is traded",
    ),
    Mutant(
        "matching",
        (
            "        if ladder_key(ladder, level.price) > taker.limit:\n"
            "            break\n"
            "        if not match_level"
        ),
        (
            "        if ladder_key(ladder, level.price) >= taker.limit:\n"
            "            break\n"
            "        if not match_level"
        ),
        "the limit itself does not trade",
    ),
    Mutant(
        "matching",
        "    taker.limit = ladder_key(core_ladder(core, 3 - taker.side), taker.price)",
        "    taker.limit = ladder_key(core_ladder(core, taker.side), taker.price)",
        "the limit in the wrong side's keys",
    ),
    Mutant(
        "matching",
        "        level.quantity -= quantity\n        event_trade",
        "        event_trade",
        "the level's total forgets a trade",
    ),
    Mutant(
        "matching",
        "        level.orders -= 1\n        slot = next_slot",
        "        slot = next_slot",
        "the level's count forgets a maker",
    ),
    Mutant(
        "matching",
        "        if taker.remaining == 0:\n            break\n    level.head = slot",
        "    level.head = slot",
        "goes on with nothing left",
    ),
    Mutant(
        "matching",
        "            reason = REASON_NO_LIQUIDITY\n",
        "            reason = REASON_IOC\n",
        "a market order's end",
    ),
    Mutant(
        "matching",
        "quantity < PRICE_END - taker.remaining:",
        "quantity <= PRICE_END - taker.remaining:",
        "a level of 2^62 lots",
    ),
    # Self-trade prevention.
    Mutant(
        "matching",
        "    if taker.account == 0:\n        return STP_ALLOW\n",
        "",
        "nobody trades with nobody",
    ),
    Mutant(
        "matching",
        "    if stp != STP_CANCEL_TAKER:\n",
        "    if stp == STP_CANCEL_BOTH:\n",
        "cancel maker does nothing",
    ),
    Mutant(
        "matching",
        "    if stp != STP_CANCEL_MAKER:\n",
        "    if stp == STP_CANCEL_TAKER:\n",
        "cancel both spares the taker",
    ),
    Mutant(
        "matching",
        "        taker.quantity -= quantity\n",
        "",
        "decrement keeps the taker's total",
    ),
    Mutant(
        "matching",
        "    terms.quantity -= quantity\n",
        "",
        "a reduced maker keeps its total",
    ),
    Mutant(
        "matching",
        (
            "                if stp == STP_DECREMENT:\n"
            "                    left -= min(left, maker.remaining)\n"
        ),
        "",
        "a dry run forgets what decrement takes",
    ),
    Mutant(
        "matching",
        (
            "                if stp == STP_CANCEL_TAKER or stp == STP_CANCEL_BOTH:\n"
            "                    return prospect\n"
        ),
        "",
        "a dry run trades past the taker's end",
    ),
    Mutant(
        "matching",
        "            if slot == absent:\n",
        "            if slot == absent and wanted == 0:\n",
        "a replaced order is in its successor's way",
    ),
    # Checks.
    Mutant(
        "command",
        "    if command.quantity <= terms.quantity - order.remaining:",
        "    if command.quantity < terms.quantity - order.remaining:",
        "an amend to what has traded",
    ),
    Mutant(
        "command",
        (
            "            if command.quantity <= terms.quantity:\n"
            "                return amend_in_place(core, order, terms, command"
        ),
        (
            "            if command.quantity >= terms.quantity:\n"
            "                return amend_in_place(core, order, terms, command"
        ),
        "growing keeps the place",
    ),
    Mutant(
        "command",
        (
            "    taker.priority = core.sequence\n"
            "    return take(core, &taker)\n"
            "\n"
            "\n"
            "cdef inline void taker_of_order"
        ),
        (
            "    taker.priority = taker.accepted\n"
            "    return take(core, &taker)\n"
            "\n"
            "\n"
            "cdef inline void taker_of_order"
        ),
        "an amended order keeps its time",
    ),
    Mutant(
        "command",
        "        if price < core.parameter[PARAMETER_MIN_PRICE]:",
        "        if price <= core.parameter[PARAMETER_MIN_PRICE]:",
        "the lowest price",
    ),
    Mutant(
        "command",
        "    if quantity > core.parameter[PARAMETER_MAX_QUANTITY]:",
        "    if quantity >= core.parameter[PARAMETER_MAX_QUANTITY]:",
        "the largest quantity",
    ),
    Mutant(
        "command",
        "taker.expires * <int64_t> SECOND <= core.now",
        "taker.expires * <int64_t> SECOND < core.now",
        "expiring now is too late",
    ),
    Mutant(
        "command",
        "    if live >= core.orders_max:",
        "    if live > core.orders_max:",
        "one order too many",
    ),
    Mutant(
        "command",
        "    cdef uint32_t live = core.orders.live - (leaving != 0)",
        "    cdef uint32_t live = core.orders.live",
        "a replace needs no room",
    ),
    Mutant(
        "command",
        "    price = prospect.first_price + (1 if taker.side == SELL else -1)",
        "    price = prospect.first_price + (1 if taker.side == BUY else -1)",
        "slides the wrong way",
    ),
    Mutant(
        "command",
        (
            "        if core_room(core) < 1:\n"
            "            return False\n"
            "        core.now = core.due.next"
        ),
        "        if core_room(core) < 1:\n            return False\n        core.now = time",
        "an expiry has the command's time",
    ),
    Mutant(
        "command",
        "    while core.due.ladder.best != 0 and core.due.next <= time:",
        "    while core.due.ladder.best != 0 and core.due.next < time:",
        "due at the very time",
    ),
    Mutant(
        "command",
        (
            "    if core.phase == PHASE_CLOSED:\n"
            "        return event_reject(core, command, REASON_PHASE)\n"
            "    reason = check_owned"
        ),
        "    reason = check_owned",
        "a cancel while closed",
    ),
    Mutant(
        "command",
        "    core.serve = worklist_collect(core, TAKE_DAY, 0, 0)",
        "    core.serve = worklist_collect(core, TAKE_ACCOUNT, 0, 0)",
        "closing ends all orders",
    ),
    Mutant(
        "screen",
        "TIF_PLAIN = 0x5B",
        "TIF_PLAIN = 0x5F",
        "an auction order taken for a plain one",
    ),
    Mutant(
        "screen",
        "    return 0 < quantity < PRICE_END",
        "    return 0 < quantity <= PRICE_END",
        "a quantity of 2^62",
    ),
    Mutant(
        "screen",
        "        return value >= 0 and not 0 < present[PARAMETER_MAX_NOTIONAL] < value",
        "        return value >= 0",
        "a least notional above the largest",
    ),
    Mutant(
        "worklist",
        "        return core_terms(core, slot).accepted\n",
        "        return core_terms(core, slot).priority\n",
        "mass cancel by time instead of acceptance",
    ),
    Mutant(
        "worklist",
        "        if worklist_key(core, first, take) < worklist_key(core, second, take):",
        "        if worklist_key(core, first, take) > worklist_key(core, second, take):",
        "oldest last",
    ),
    # Structures.
    Mutant(
        "ladder",
        "        above = node.bitmap >> ((key >> node.shift) & 63) >> 1",
        "        above = node.bitmap >> ((key >> node.shift) & 63) >> 2",
        "the next price is jumped over",
    ),
    Mutant(
        "ladder",
        "    cdef uint32_t shift = bits_highest(differ) // FANOUT_BITS * FANOUT_BITS",
        "    cdef uint32_t shift = bits_highest(differ) // FANOUT_BITS * FANOUT_BITS + FANOUT_BITS",
        "a fork one step too high",
    ),
    Mutant(
        "ladder",
        "        ladder.recent[(key >> FANOUT_BITS) % RECENT].leaf = 0\n    slab_give",
        "        pass\n    slab_give",
        "a leaf remembered when it is gone",
    ),
    Mutant(
        "ladder",
        "        if ladder.best == dropped:\n            ladder.best = node.child",
        "        if ladder.best == 0:\n            ladder.best = node.child",
        "the best price stays when it is gone",
    ),
    Mutant(
        "ladder",
        "    if node.bitmap & (node.bitmap - 1) != 0:\n        return\n",
        "    return\n",
        "a node with one child is kept",
    ),
    Mutant(
        "index",
        "    if index.count == 2 * index.half:",
        "    if index.count > 2 * index.half:",
        "the table doubles one split too late",
    ),
    Mutant(
        "index",
        "    bucket.item[place.lane] = bucket.item[last]\n",
        "",
        "erasing loses another entry",
    ),
    Mutant(
        "due",
        "    rare.due_prior = level.tail\n",
        "    rare.due_prior = 0\n",
        "expiries' backward links",
    ),
    Mutant(
        "due",
        "    level.orders -= 1\n    if level.orders == 0:",
        "    level.orders -= 1\n    if level.orders == 1:",
        "a second is forgotten with one order left",
    ),
    Mutant(
        "account",
        "    account_at(accounts, item).live += 1\n",
        "    account_at(accounts, item).live += 2\n",
        "an order counts twice",
    ),
    Mutant(
        "core",
        "        account_leave(&core.accounts, order.account)\n",
        "        pass\n",
        "an order is counted when it is gone",
    ),
    Mutant(
        "slab",
        "    slab.free = item\n    slab.live -= 1",
        "    slab.live -= 1",
        "a freed item is lost",
    ),
    Mutant(
        "event",
        "    (core.event - 1).flags |= MARK_LAST\n",
        "",
        "no event is the last",
    ),
    Mutant(
        "event",
        "    core.trades += 1\n",
        "",
        "trades are not numbered",
    ),
    Mutant(
        "load",
        "    core_admit_rare(core, core_find_id(core, row.order_id, &place), row.expires)\n",
        "    core_find_id(core, row.order_id, &place)\n",
        "a restored order does not expire",
    ),
]


def stands(mutant: Mutant) -> int:
    """How many times `old` stands in its kernel."""
    return (ROOT / "engine" / f"{mutant.file}.pxd").read_text().count(mutant.old)


def build(scratch: Path, mutant: Mutant | None) -> str:
    """A copy of the tree with the mutant in it, built in place; '' or what went wrong."""
    for name in ("engine", "bindings", "tests"):
        shutil.copytree(
            ROOT / name, scratch / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, scratch)
    if mutant is not None:
        kernel = scratch / "engine" / f"{mutant.file}.pxd"
        kernel.write_text(kernel.read_text().replace(mutant.old, mutant.new))
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    made = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    return "" if made.returncode == 0 else f"does not build: {made.stderr[-400:]}"


def survives(scratch: Path) -> bool:
    """Whether the tests pass."""
    tests = [f"tests/{name}" for name in TESTS if (ROOT / "tests" / name).exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(scratch / "bindings")}
    try:
        run = subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, timeout=60 * MINUTES_MAX
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def verdict(mutant: Mutant | None) -> str:
    """One of 'caught', 'SURVIVED', or what kept it from being tried."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        scratch = Path(name)
        return build(scratch, mutant) or ("SURVIVED" if survives(scratch) else "caught")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="*", help="files or numbers of mutants; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    which = set((options := parser.parse_args()).which)
    chosen = [(i, m) for i, m in enumerate(MUTANTS, 1) if not which or {str(i), m.file} & which]
    stale = [(i, m, n) for i, m in enumerate(MUTANTS, 1) if (n := stands(m)) != 1]
    for i, mutant, n in stale:
        print(f"{i:3}  {mutant.file:9} {mutant.why:45} stands there {n} times, wanted once")
    if stale:
        return 2
    if verdict(None) != "SURVIVED":
        print("the tests fail without any mutant: mend that first")
        return 2
    bad = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for (i, mutant), found in zip(
            chosen, pool.map(verdict, [m for _, m in chosen]), strict=True
        ):
            bad += found != "caught"
            print(f"{i:3}  {mutant.file:9} {mutant.why:45} {found}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - bad} caught")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
