"""A short life of a venue, the same each time: opened, told some things with tokens, closed.

    python script.py FILE

Says on standard output, unbuffered, what was acknowledged as soon as it is: a line of JSON each.
Told again after an interruption it carries on: what was done is not done again, and what was not
is. Everything has times of its own and no clock is read, so all runs make the same events.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pricetime as pt
from pricetime.log.errors import LogError
from pricetime.log.sqlite import SqliteLog
from pricetime.venue.core import Core
from pricetime.venue.request import Request
from pricetime.venue.shared import define, id_max

ROUNDS = 3
BATCH = 30
ROUND_NS = 200 * 10**9  # a checkpoint is due after 300 s
TRIES = 3  # of what fails in a venue that is still open
INSTRUMENTS = (
    pt.Instrument("BTC_EUR", tick_size="0.01", lot_size="0.001"),
    pt.Instrument("ETH_EUR", tick_size="0.01", lot_size="0.001"),
)


def orders(number, instrument, count):
    """Commands that trade, rest and are cancelled; made from the round's number alone."""
    dice = np.random.default_rng([number, count, len(instrument.name)])
    batch = np.zeros(count, pt.COMMAND)
    cancels = dice.random(count) < (0.2 if count > 1 else 0)
    batch["kind"] = np.where(cancels, pt.Kind.CANCEL, pt.Kind.NEW)
    batch["order_id"] = 1000 * number + np.arange(count) - 5 * cancels
    batch["timestamp"] = 10**18 + number * ROUND_NS
    for field, least, most in (
        ("side", 1, 2), ("account", 1, 5), ("price", 9_990, 10_010), ("quantity", 1, 50),
    ):  # fmt: skip
        batch[field] = np.where(cancels, 0, dice.integers(least, most, count, endpoint=True))
    batch["order_type"] = np.where(cancels, 0, pt.OrderType.LIMIT)
    batch["tif"] = np.where(cancels, 0, pt.TIF.GTC)
    return batch


def requests(say, failed):
    """The groups: calls that make the requests, anew each time, that are to be committed at
    once."""

    def request(what, instrument, commands, free_ids):
        def settle(request, events, repeated, error):
            if error is None:
                say(what=what, events=events.hex(), repeated=repeated)
            else:
                failed.append(what)
                say(error=type(error).__name__, message=str(error))

        return Request(
            instrument.name, commands.tobytes(), settle,
            token=what, free_ids=free_ids, id_max=0 if free_ids else id_max(commands),
        )  # fmt: skip

    def batches(number):
        for each in INSTRUMENTS:
            yield request(f"batch {number} {each.name}", each, orders(number, each, BATCH), 0)

    def single(number):
        yield request(f"single {number}", INSTRUMENTS[0], orders(number, INSTRUMENTS[0], 1), 1)

    for number in range(1, ROUNDS + 1):
        yield partial(batches, number)
        yield partial(single, number)


def live(path, say):
    """The whole life."""
    core = Core(SqliteLog(path), lambda: 0)
    say(what="open")
    for instrument in INSTRUMENTS:
        again(partial(core.add, define(instrument, {})), say)
        say(what=f"add {instrument.name}")
    failed = []
    for group in requests(say, failed):
        for _ in range(TRIES):
            failed.clear()
            for request in group():
                core.put(request)
            core.step()
            while not core.idle:  # a checkpoint is being stored
                core.step()
            if not failed:
                break
        else:
            raise SystemExit(3)
    core.close()
    say(what="close")


def again(act, say):
    """Does something that may fail once."""
    for _ in range(TRIES):
        try:
            return act()
        except LogError as error:
            say(error=type(error).__name__, message=str(error))
    raise SystemExit(3)


def main():
    def say(**fields):
        os.write(1, json.dumps(fields).encode() + b"\n")

    try:
        live(Path(sys.argv[1]), say)
    except LogError as error:
        say(error=type(error).__name__, message=str(error))
        raise SystemExit(3) from None


if __name__ == "__main__":
    main()
