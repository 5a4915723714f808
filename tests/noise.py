"""Tells books noise for as long as you like: nothing may crash, and a sound book must stay sound.

    python tests/noise.py --minutes 5              # a seed of its own, printed
    python tests/noise.py --minutes 5 --seed 17    # the same again

Random bytes, half-random bytes and odd tapes, as commands; damaged checkpoints, as books. Every
round is a book of its own, made from the seed and the round's number alone: `--first 12 --rounds 1`
is round 12 again. In every fourth (with `--twin` in each) the naive twin hears the same and must
say the same; where it does not, or with `--shrink` where the book crashes, the commands are made
few and told as a scenario. sanitize.sh runs it under the sanitizers.
"""

import argparse
import hashlib
import secrets
import sys
import time
from pathlib import Path

import numpy as np
import pricetime as pt
from pricetime import BOUND, COMMAND, EVENT, EventFlag, EventKind

sys.path.insert(0, str(Path(__file__).parent))

from model.batches import LEAST, through, without_huge_icebergs
from model.blotter import blotter
from model.pair import Pair
from model.shrink import failure, shrink
from model.tapes import PROFILES, tape
from model.twin import Twin

COMMANDS = 20_000  # a round
COMMANDS_TWIN = 2_000  # a round that the twin hears too
TWIN_EVERY = 4  # rounds
CHECKSUM = 16  # bytes at the end of a checkpoint


# -- what books are told --------------------------------------------------------------------------


def any_bytes(rng, count):
    """Nearly all of it is malformed."""
    return rng.integers(0, 256, (count, COMMAND.itemsize), np.uint8).view(COMMAND)[:, 0]


def bytes_of_known_kinds(rng, count):
    """Random behind the first look: kind and reserved are known, most other fields are near."""
    commands = any_bytes(rng, count)
    kinds = [1] * 12 + [2, 3, 3, 3, 4, 4, *range(5, 12)]
    commands["kind"] = rng.choice(kinds, count)
    commands["reserved"] = 0
    near = {"side": (1, 3), "order_type": (1, 9), "stp": (0, 6), "flags": (0, 3), "slot": (0, 90)}
    near |= {"account": (0, 4), "order_id": (1, 90), "price": (-5, 5), "quantity": (1, 9)}
    near |= {"expires": (0, 9), "timestamp": (0, 10**9), "trigger": (-5, 5), "tif": (0, 7)}
    for name, (low, high) in near.items():
        rows = rng.random(count) < 0.95
        commands[name][rows] = rng.integers(low, high, count)[rows]
    rows = rng.random(count) < 0.3
    commands["flags"][rows] = 1 << rng.integers(0, 9, count)[rows]
    commands["slot"][rows] = rng.integers(1, 6, count)[rows]
    # Else the first far timestamp or limit is the end of most things.
    commands["timestamp"][rng.random(count) < 0.99] = 0
    commands["kind"][(commands["kind"] == 11) & (rng.random(count) < 0.7)] = 1
    commands["order_type"][(commands["kind"] == 8) & (rng.random(count) < 0.7)] = 3
    commands["expires"][commands["kind"] == 8] = 0
    return commands


def tape_of_any_profile(rng, count):
    """A tape as the tests use them."""
    return tape(int(rng.integers(2**32)), str(rng.choice(list(PROFILES))), count)


def tape_with_flipped_bits(rng, count):
    """One bit of every few records is the other way round."""
    data = tape_of_any_profile(rng, count).view(np.uint8).reshape(count, -1)
    rows = np.flatnonzero(rng.random(count) < 0.3)
    columns = rng.integers(0, COMMAND.itemsize, len(rows))
    data[rows, columns] ^= np.uint8(1) << rng.integers(0, 8, len(rows)).astype(np.uint8)
    return data.view(COMMAND)[:, 0]


def tape_with_mixed_fields(rng, count):
    """Every value has been seen, in another record."""
    commands = tape_of_any_profile(rng, count)
    for name in rng.choice(COMMAND.names, 4, replace=False):
        rows = np.flatnonzero(rng.random(count) < 0.3)
        commands[name][rows] = commands[name][rng.permutation(rows)]
    return commands


def crowd(rng, count):
    """Many orders far and wide, that come and go in waves: slabs, pages and chains are worked."""
    commands = np.zeros(count, COMMAND)
    commands["kind"] = np.where(rng.random(count) < np.sin(np.arange(count) / 900) / 3 + 0.55, 1, 2)
    commands["side"] = rng.integers(1, 3, count)
    commands["order_type"], commands["tif"] = 2, rng.choice([0, 1, 1, 6], count)
    away = np.exp2(rng.uniform(0, 61, count)).astype("<i8")
    commands["price"] = np.where(commands["side"] == 1, -away, away)
    commands["quantity"] = rng.integers(1, BOUND // 8, count)
    commands["flags"] = rng.choice([0, 0, 0, 4, 16, 32, 64, 128, 256], count)
    commands["slot"] = rng.integers(1, 3000, count)
    large = commands["flags"] & (32 | 64) != 0
    commands["slot"][large] = commands["quantity"][large] // 4 + 1
    waits = rng.random(count) < 0.1
    commands["order_type"][waits] = rng.integers(3, 9, count)[waits]
    commands["trigger"] = np.where(commands["side"] == 1, away, -away)
    commands["order_id"] = rng.integers(1, 3000, count) * np.uint64(rng.choice([1, 2**32, 4096]))
    commands["account"] = rng.integers(0, 500, count) * (commands["kind"] == 1)
    commands["expires"] = rng.integers(1, 40, count)
    commands["timestamp"] = np.arange(count) * 10**6
    return commands


STYLES = (
    any_bytes,
    bytes_of_known_kinds,
    tape_of_any_profile,
    tape_with_flipped_bits,
    tape_with_mixed_fields,
    crowd,
)


# -- how they are told ----------------------------------------------------------------------------


def parameters(rng):
    """Of a book: mostly none, some that bite."""
    few = {"max_orders": int(rng.integers(0, 50)), "orders_per_account": int(rng.integers(0, 5))}
    few |= {"stp": int(rng.integers(1, 6)), "matching": 2, "top_order": int(rng.integers(0, 2))}
    few |= {"min_allocation": int(rng.integers(1, 4)), "dynamic_band": 2, "band_action": 2}
    return {name: value for name, value in few.items() if rng.random() < 0.2}


def batches(rng, commands):
    """Cut up in sizes small and large; some strided, some that must not be written to."""
    begin = 0
    while begin < len(commands):
        part = commands[begin : begin + int(np.exp2(rng.uniform(0, 11)))]
        begin += len(part)
        if rng.random() < 0.2:
            part = np.repeat(part, 2)[::2]
        part.flags.writeable = False
        yield part


def out(rng):
    """A buffer for events as small as it may be, or larger; or None."""
    return np.empty(int(rng.integers(LEAST, 200)), EVENT) if rng.random() < 0.5 else None


def with_twin(rng, commands, given):
    """Book and twin must say the same; the events."""
    pair = Pair(**given)
    events = []
    for part in batches(rng, commands):
        events.append(pair.process(part, out(rng)))
        if rng.random() < 0.3:
            pair.check()
        if rng.random() < 0.1:
            pair.save_and_restore()
    pair.check()
    return np.concatenate(events)


def alone(rng, commands, given):
    """The book by itself must be sound; the events."""
    book = pt.Book(**given)
    events = []
    for part in batches(rng, commands):
        buffer = out(rng)
        if buffer is None:
            events.append(book.process(part))
        else:
            events.append(np.frombuffer(through(book, part, buffer), EVENT))
        if rng.random() < 0.1:
            book.check()
        if rng.random() < 0.03:
            book = restored(rng, book)
    book.check()
    return np.concatenate(events)


def restored(rng, book):
    """The book that its checkpoint makes; damaged ones on the way must be refused, or be sound."""
    data = book.checkpoint()
    for _ in range(3):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        try:
            pt.Book.restore(damaged)
            raise AssertionError("a damaged checkpoint was taken")
        except ValueError:
            pass
        # With a checksum that fits, as no accident would leave it: what comes in must be possible.
        body = bytes(damaged[:-CHECKSUM])
        sealed = body + hashlib.blake2b(body, digest_size=CHECKSUM).digest()
        try:
            odd = pt.Book.restore(sealed)
        except ValueError:
            continue
        odd.check()
        assert odd.checkpoint() == sealed, "restore then checkpoint gives other bytes"
        odd.process(tape(int(rng.integers(2**32)), "everything", 50))
        odd.check()
    again = pt.Book.restore(data)
    assert again.checkpoint() == data
    return again


def judge(commands, events):
    """What holds of any events: gapless, and one last of each command."""
    assert (events["sequence"] == np.arange(1, len(events) + 1, dtype="<u8")).all()
    trades = events[events["kind"] == EventKind.TRADE]
    assert (trades["detail"] == np.arange(1, len(trades) + 1)).all()
    last = events[events["flags"] & EventFlag.LAST != 0]
    assert (last["command"] == np.arange(1, len(commands) + 1, dtype="<u8")).all()
    assert (events["flags"] <= sum(EventFlag)).all()


def run(seed, number, options):
    """One round, with a line about it."""
    rng = np.random.default_rng([seed, number])
    style = tape_of_any_profile if options.tapes else STYLES[int(rng.integers(len(STYLES)))]
    twin = options.twin or number % TWIN_EVERY == 0
    print(f"round {number:5}  {style.__name__.replace('_', ' '):24}", end="", flush=True)
    commands = without_huge_icebergs(style(rng, COMMANDS_TWIN if twin else COMMANDS))
    given = parameters(rng)
    if options.shrink:
        explain(commands, given)
    try:
        events = (with_twin if twin else alone)(rng, commands, given)
    except AssertionError:
        explain(commands, given)
        raise
    judge(commands, events)
    kinds = np.bincount(events["kind"], minlength=len(EventKind) + 1)
    print(
        f"{len(commands):7} commands {len(events):7} events {kinds[EventKind.TRADE]:6} trades"
        f" {kinds[EventKind.REJECTED]:6} rejected{'  as the twin' if twin else ''}"
    )
    return len(commands)


def explain(commands, given):
    """Prints the shortest scenario that fails as these commands do, where one by one they do."""
    if failure(commands, **given) is not None:
        few = shrink(commands, lambda part: failure(part, **given) is not None)
        print(f"\n{failure(few, **given)}\n\n= Found by noise\n{blotter(few, Twin, **given)}\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default 1)")
    parser.add_argument("--rounds", type=int, help="so many rounds, however long they take")
    parser.add_argument("--seed", type=int, help="to repeat a run (default: a new one)")
    parser.add_argument("--first", type=int, default=0, help="round to begin with (default 0)")
    parser.add_argument("--twin", action="store_true", help="the twin hears every round")
    parser.add_argument("--tapes", action="store_true", help="tapes of all profiles, no noise")
    parser.add_argument("--shrink", action="store_true", help="first look for a short scenario")
    options = parser.parse_args(arguments)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    end = time.monotonic() + 60 * options.minutes
    number, commands = options.first, 0
    while number - options.first < options.rounds if options.rounds else time.monotonic() < end:
        try:
            commands += run(seed, number, options)
        except BaseException:
            same = "".join(f" --{name}" for name in ("twin", "tapes") if getattr(options, name))
            print(f"\nagain: python tests/noise.py --seed {seed} --first {number} --rounds 1{same}")
            raise
        number += 1
    print(f"{number - options.first} rounds, {commands} commands: nothing found (seed {seed})")


if __name__ == "__main__":
    main()
