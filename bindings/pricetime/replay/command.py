"""`pricetime replay FILE`: the options, and the way from a file to a report."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from time import perf_counter

from pricetime.progress import Bar
from pricetime.replay import bitstamp, bme, drive, itch, lobster
from pricetime.replay.layout import FORMATS, layout_of
from pricetime.replay.output import EventFile, check_target, replacing, require
from pricetime.replay.report import as_json, as_text
from pricetime.replay.source import ReplayError, Source
from pricetime.replay.tape import Progress, Tape

__all__ = ["register"]

PICTURES = (".png", ".svg", ".pdf")
EVENTS = (".npy", ".parquet")

ABOUT = """\
Reads real order-level data, matches it through the book, and says how fast that was and where the
book does other than the exchange did. FILE may be packed by gzip; its format is told from its
content:

  lobster    LOBSTER message files (NASDAQ, one stock and day); --order-book gives the book to
             start from
  itch       NASDAQ TotalView-ITCH 5.0 (all stocks of a day, one book each); --stock picks some
  bitstamp   order captures: id,timestamp,exchange_timestamp,price,volume,action,direction;
             --trades gives the real trades to compare with
  bme        order captures: ordtype;uid;is_buy;qty;price;timestamp
"""
EXAMPLES = """\
examples:
  pricetime replay AAPL_2012-06-21_34200000_57600000_message_10.csv \\
      --order-book AAPL_2012-06-21_34200000_57600000_orderbook_10.csv --plot day.png
  pricetime replay 01302020.NASDAQ_ITCH50.gz --stock AAPL --out events.parquet
  pricetime replay orders.csv.gz --trades trades.csv --json

Ends with 0 when the whole file was replayed (differences or none), 2 when something cannot be used
(one line on stderr says what, where, and what is allowed), 130 after Ctrl-C.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "replay",
        help="match a file of real orders and compare with what the exchange did",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="the data, as it is or packed by gzip")
    parser.add_argument(
        "--format", choices=list(FORMATS), help="what FILE is, where its content does not tell"
    )
    parser.add_argument(
        "--order-book", metavar="BOOK", help="LOBSTER: the order-book file of these messages"
    )
    parser.add_argument(
        "--trades", metavar="TRADES", help="Bitstamp: the real trades, with both order ids"
    )
    parser.add_argument(
        "--stock",
        metavar="SYMBOL",
        action="append",
        default=[],
        help="ITCH: only this stock (repeatable)",
    )
    parser.add_argument(
        "--plot",
        metavar="PICTURE",
        help=f"draw price, trades and depth over the day ({', '.join(PICTURES)})",
    )
    parser.add_argument("--out", metavar="EVENTS", help=f"keep the events ({', '.join(EVENTS)})")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--differences",
        metavar="N",
        type=_count,
        default=5,
        help="list the first N differences of each kind (default 5)",
    )
    parser.set_defaults(func=run)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; allowed: 0 to 999999")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Replays one file: 0, or 2 with one line on stderr."""
    try:
        print(_replay(options))
    except ReplayError as error:
        print(f"pricetime replay: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:  # while writing: reading says its own
        where = error.filename or options.out or options.plot
        print(
            f"pricetime replay: {where}: {(error.strerror or str(error)).lower()}", file=sys.stderr
        )
        return 2
    return 0


def _replay(options: argparse.Namespace) -> str:
    """The report."""
    ending = check_target(options.out, "--out", EVENTS) if options.out else ""
    if ending == ".parquet":
        require("pyarrow", f"--out {options.out}")
    if options.plot:
        check_target(options.plot, "--plot", PICTURES)
        require("matplotlib", "--plot")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Source(options.file))
        bar = stack.enter_context(Bar(source.path))
        began = perf_counter()
        tape = _tape(source, options, bar)
        reading = perf_counter() - began
        sink = watcher = None
        if options.out:
            sink = stack.enter_context(_events(options.out, ending, several=tape.executions_only))
        if options.plot:
            from pricetime.replay.plot import Watcher, draw

            watcher = Watcher(tape)
        out = drive.replay(tape, show=options.differences, sink=sink, sampler=watcher, progress=bar)
        out.seconds_parse += reading
        if sink:
            sink.finish()
        if watcher:
            bar("drawing", 0)
            with replacing(options.plot) as temporary:
                draw(watcher, temporary)
    return as_json(tape, out) if options.json else as_text(tape, out)


@contextlib.contextmanager
def _events(path: str, ending: str, *, several: bool) -> Iterator[EventFile]:
    """A file of events that is in place when all went well."""
    with replacing(path) as temporary:
        file = EventFile(temporary, ending, several=several)
        try:
            yield file
        finally:
            file.close()


def _tape(source: Source, options: argparse.Namespace, progress: Progress) -> Tape:
    """The tape of the file's own format."""
    layout = layout_of(source, options.format)
    for option, format in (("order_book", "lobster"), ("trades", "bitstamp"), ("stock", "itch")):
        if getattr(options, option) and layout.format != format:
            raise ReplayError(
                f"--{option.replace('_', '-')} goes with {FORMATS[format]}, and {source.path} is "
                f"{FORMATS[layout.format]}"
            )
    if layout.format == "itch":
        return itch.read(source, options.stock)
    if layout.format == "lobster":
        return lobster.read(source, layout, options.order_book, progress)
    if layout.format == "bitstamp":
        return bitstamp.read(source, layout, options.trades, progress)
    return bme.read(source, layout, progress)
