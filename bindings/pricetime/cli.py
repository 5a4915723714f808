"""`pricetime …`: the sub-commands, each from its own module.

A module gives a sub-command by `register(subparsers)`, which sets `func`: options in, exit code
out.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

__all__ = ["main"]

COMMANDS = (  # modules, in the order of the help
    "pricetime.replay.command",
    "pricetime.demo",
    "pricetime.serve",
    "pricetime.broker.command",
    "pricetime.tools.log",
    "pricetime.tools.export",
    "pricetime.tools.verify",
    "pricetime.tools.trim",
    "pricetime.tools.migrate",
)

ABOUT = """\
A price-time matching engine for Python: commands in, events out, millions a second.

A command (new order, cancel, amend, replace ...) goes into a book, and the book says in events
what came of it: accepted, traded, cancelled, refused and why. Prices are whole ticks, quantities
whole lots; the same commands always give the same events. From Python:

  import pricetime as pt
  book = pt.Book()
  book.limit(pt.Side.SELL, price=27_000, quantity=5)
  print(book.limit(pt.Side.BUY, price=27_000, quantity=2).trades)

The sub-commands below are for the shell; each has its own --help.
"""
EXAMPLES = {
    "replay": "match a day of a real exchange and compare with what it did:\n"
    "    pricetime replay AAPL_2012-06-21_34200000_57600000_message_10.csv --plot day.png",
    "demo": "see the book at work on a made-up flow, no file needed:\n    pricetime demo",
    "run": "a venue as a process, over a file, for clients that send lines of JSON:\n"
    "    pricetime run venue.db --instrument BTC_EUR 0.01 0.00001 --listen 127.0.0.1:7000",
    "broker": "a Kafka to try pairs over Kafka on, nothing to install:\n    pricetime broker",
    "log": "see what happened on it, and what happens:\n"
    "    pricetime log venue.db --market BTC_EUR --follow",
    "export": "its history as Parquet, for DuckDB, Polars and the like:\n"
    "    pricetime export venue.db --to history",
    "verify": "check every byte of it:\n    pricetime verify venue.db",
    "trim": "move old history into an archive:\n"
    "    pricetime trim venue.db --archive venue-2026.db",
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    modules = [import_module(name) for name in COMMANDS if find_spec(name)]
    top = argparse.ArgumentParser(
        prog="pricetime", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = top.add_subparsers(
        title="sub-commands", metavar="COMMAND", dest="command", required=True
    )
    for module in modules:
        module.register(subparsers)
    shown = [text for name, text in EXAMPLES.items() if name in subparsers.choices]
    top.epilog = "examples:\n  " + "\n  ".join(shown)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line: 0, 2 for what cannot be used, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        code = int(options.func(options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(
            f"pricetime {options.command}: stopped by Ctrl-C; nothing half-written is left",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
