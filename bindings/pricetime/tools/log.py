"""`pricetime log FILE`: what happened on a venue, and what happens, line by line."""

import argparse
import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricetime.log.batch import Records
from pricetime.log.errors import LogDamaged
from pricetime.log.sqlite_read import SqliteReader
from pricetime.records import COMMAND, EVENT, EventKind, Kind, Side
from pricetime.tools.amounts import Amounts
from pricetime.tools.blotter import COMMAND_HEAD, EVENT_HEAD, Blotter, Table
from pricetime.tools.venue_file import ToolError, add_file, opened, picked, told
from pricetime.venue.definition import Definition

__all__ = ["register"]

FOLLOWED = 10
"""Lines that --follow begins with, as `tail -f` does."""
POLL_SECONDS = 0.05
COLOURS = {int(Side.BUY): "green", int(Side.SELL): "red"}

ABOUT = """\
Shows the events of a venue file, one a line, with prices and quantities in the instrument's own
units: the order's side, quantity and price, what is left of it, and who it traded with. Of an
order that spends an amount, quantity and rest are that amount. The file may be in use.
"""
EXAMPLES = """\
examples:
  pricetime log venue.db --last 20
  pricetime log venue.db --market BTC_EUR --follow --kind TRADE
  pricetime log venue.db --account 7 --json | jq .
  pricetime log venue.db --order 4711
  pricetime log venue.db --commands --last 20

Without --market all instruments are shown, one behind the other; with --follow then what comes, as
it becomes durable. --json gives one object a line: the fields of pricetime.EVENT as exact integers
under their own names, enums by name, and price_decimal, quantity_decimal, remaining_decimal and
maker_remaining_decimal as text; in_money says that quantity and remaining are an amount.

Ends with 0, 2 when something cannot be used (a damaged file: at the place where it is), 130 after
Ctrl-C.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "log",
        help="show what happened on a venue, and follow what happens",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_file(parser)
    parser.add_argument(
        "--after", metavar="SEQ", type=_place, help="only events after this sequence"
    )
    parser.add_argument(
        "--last",
        metavar="N",
        type=_place,
        help=f"only the last N of each instrument (with --follow at first {FOLLOWED})",
    )
    parser.add_argument("--follow", action="store_true", help="go on with what comes")
    parser.add_argument(
        "--kind", metavar="KIND,...", help="only these kinds: TRADE, ACCEPTED, CANCELLED ..."
    )
    parser.add_argument(
        "--account", metavar="N", type=_number, help="only this account's, as taker or maker"
    )
    parser.add_argument("--order", metavar="ID", type=_number, help="only what is of this order")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--commands", action="store_true", help="show commands, with their numbers in the log"
    )
    parser.set_defaults(func=run)


def _number(text: str, bits: int = 64) -> int:
    if not text.isdecimal() or not text.isascii() or int(text) >= 1 << bits:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; allowed: 0 to 2^{bits} - 1")
    return int(text)


def _place(text: str) -> int:
    """A place in a log, as SQLite counts."""
    return _number(text, 63)


def run(options: argparse.Namespace) -> int:
    """Shows one file: 0, or 2 with one line on stderr."""
    return told("log", lambda: _log(options))


class _Line(NamedTuple):
    content: str | list[str]
    """JSON, or the cells of a table"""
    side: int


def _log(options: argparse.Namespace) -> int:
    kinds = _kinds(options)
    with opened(options.file) as reader:
        show = _printer(options, several=len(picked(reader, options.market)) > 1)
        sources: dict[str, _Source] = {}
        last = FOLLOWED if options.follow and options.after is None else None
        last = last if options.last is None else options.last
        version = None
        while True:
            seen = reader.connection.execute("PRAGMA data_version").fetchone()
            if seen != version:
                version = seen
                for name in picked(reader, options.market):
                    if name not in sources:
                        sources[name] = _Source(reader, name, options, kinds)
                    lines = sources[name].lines()
                    for line in lines if last is None else deque(lines, last):
                        show(line)
                last = None
                sys.stdout.flush()
            if not options.follow:
                return 0
            time.sleep(POLL_SECONDS)


def _kinds(options: argparse.Namespace) -> list[int] | None:
    """The kinds asked for as numbers."""
    if options.kind is None:
        return None
    known: type[EventKind] | type[Kind] = Kind if options.commands else EventKind
    found = []
    for text in options.kind.split(","):
        if text.strip().upper() not in known.__members__:
            what = "command" if options.commands else "event"
            raise ToolError(
                f"--kind {text!r} is no kind of {what}; allowed: {', '.join(known.__members__)}"
            )
        found.append(int(known[text.strip().upper()]))
    return found


class _Source:
    """The lines of one instrument, from where they were read last."""

    def __init__(
        self,
        reader: SqliteReader,
        name: str,
        options: argparse.Namespace,
        kinds: list[int] | None,
    ) -> None:
        definition = reader.instruments()[name]
        try:
            instrument = Definition.load(definition).instrument
        except (ValueError, TypeError, KeyError) as error:
            raise LogDamaged(f"{reader.path}: the definition of {name}: {error}") from None
        self.reader = reader
        self.name = name
        self.options = options
        self.kinds = kinds
        self.blotter = Blotter(instrument)
        self.amounts = Amounts(reader, name)
        head = reader.head(name)
        if options.commands:
            self.place = self._begin(head.position)
        else:
            self.place = head.sequence if options.after is None else options.after
            if options.last is not None and self._all():
                self.place = max(self.place, reader.tail(name).sequence - options.last)

    def _all(self) -> bool:
        """Whether nothing is filtered."""
        options = self.options
        return self.kinds is None and options.account is None and options.order is None

    def _begin(self, begin: int) -> int:
        """A position where a batch of commands begins, at or before the one asked for."""
        lane = self.reader.lane(self.name)
        after = self.options.after
        if self.options.last is not None and self._all():
            after = max(after or 0, lane.state().end - self.options.last)
        if not after or after <= begin:
            return begin
        (start,) = lane.connection.execute(
            "SELECT max(position) FROM commands WHERE instrument = ? AND position <= ?",
            (lane.number, after),
        ).fetchone()
        return begin if start is None else int(start)

    def lines(self) -> Iterator[_Line]:
        """What there is now and was not there before."""
        return self._commands() if self.options.commands else self._events()

    def _events(self) -> Iterator[_Line]:
        make = self.blotter.event_json if self.options.json else self.blotter.event_cells
        names = EVENT.names or ()
        for batch in self.reader.events(self.name, self.place):
            self.place = batch.last
            money = self.amounts.of(batch)
            chosen = self._chosen(batch.records)
            if self.options.account is not None:
                made = batch.records["maker_account"] == self.options.account
                chosen &= (batch.records["account"] == self.options.account) | made
            rows = batch.records[chosen].tolist()
            for row, in_money in zip(rows, money[chosen].tolist(), strict=True):
                event = dict(zip(names, row, strict=True))
                yield _Line(make(event, in_money), event["side"])

    def _commands(self) -> Iterator[_Line]:
        make = self.blotter.command_json if self.options.json else self.blotter.command_cells
        for batch in self.reader.commands(self.name, self.place):
            begin = batch.position - len(batch.records) + 1
            self.place = batch.position
            numbers = np.arange(begin, batch.position + 1)
            marked = np.zeros(len(numbers), np.bool_)
            for first, count in batch.tokens[["begin", "count"]].tolist():
                marked[first : first + count] = True
            chosen = self._chosen(batch.records) & (numbers > (self.options.after or 0))
            if self.options.account is not None:
                chosen &= batch.records["account"] == self.options.account
            rows = batch.records[chosen].tolist()
            for row, number, token in zip(
                rows, numbers[chosen].tolist(), marked[chosen].tolist(), strict=True
            ):
                command = dict(zip(COMMAND.names or (), row, strict=True))
                yield _Line(make(command, number, token), command["side"])

    def _chosen(self, records: Records) -> npt.NDArray[np.bool_]:
        """Those of the kinds and the order asked for."""
        chosen = np.ones(len(records), np.bool_)
        if self.kinds is not None:
            chosen &= np.isin(records["kind"], self.kinds)
        if (order := self.options.order) is not None:
            order = np.uint64(order)
            found = records["order_id"] == order
            if self.options.commands:
                found |= (records["kind"] == Kind.REPLACE) & (records["slot"] == order)
            else:
                found |= records["maker_id"] == order
                successor = records["detail"].astype(np.uint64) == order
                found |= (records["kind"] == EventKind.REPLACED) & successor
            chosen &= found
        return chosen


def _printer(options: argparse.Namespace, *, several: bool) -> Callable[[_Line], None]:
    """Prints a line; the sides in colours where the output is a terminal and rich is there."""
    write = sys.stdout.write
    if options.json:
        return lambda line: _ignore(write(f"{line.content}\n"))
    table = Table(COMMAND_HEAD if options.commands else EVENT_HEAD, several=several)
    console: Any = None
    if sys.stdout.isatty():
        with contextlib.suppress(ImportError):
            from rich.console import Console

            console = Console(highlight=False, markup=False, soft_wrap=True)
    if console is None:
        write(f"{table.head}\n")
        return lambda line: _ignore(write(f"{table.line(list(line.content))}\n"))
    console.print(table.head, style="bold")
    return lambda line: console.print(table.line(list(line.content)), style=COLOURS.get(line.side))


def _ignore(_: object) -> None:
    return None
