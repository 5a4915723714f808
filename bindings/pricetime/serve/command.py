"""`pricetime run`: the options, the start, the signals and the end."""

import argparse
import asyncio
import logging
import signal
import sys
import time

from pricetime.instrument import Instrument
from pricetime.log.errors import LogError
from pricetime.log.sqlite import DURABILITIES
from pricetime.serve.listen import HOST, Address, address
from pricetime.serve.protocol import LINE_BYTES_MAX
from pricetime.serve.server import DRAIN_SECONDS, Server
from pricetime.serve.stdio import Stdio
from pricetime.venue import AsyncVenue

__all__ = ["register"]

ABOUT = f"""\
Runs a venue as a process: many order books over one durable file, which is made if it is not there
and recovered from if it is. Takes commands as lines of JSON, from standard input or from clients of
a socket, and answers each with a line when what it did is on the disk.

  {{"id": 1, "do": "add", "market": "BTC_EUR", "tick_size": "0.01", "lot_size": "0.00001"}}
  {{"id": 2, "do": "limit", "market": "BTC_EUR", "side": "buy", "price": "27000.50",
   "quantity": "0.25", "account": 7, "token": "a-1"}}             (on one line)
  {{"id": 3, "do": "book", "market": "BTC_EUR", "depth": 5}}
  {{"id": 4, "do": "events", "market": "BTC_EUR", "after": 0}}    (until the client leaves)

`do` is any method of pricetime.Market with its parameters (limit, market, spend, stop, amend,
replace, cancel, quote, phase, uncross, set ...), or add, book, events, markets. Numbers are texts
or whole. Answers come in the order of the lines. A `token` makes it harmless to send a line again
whose answer never came. A line has at most {LINE_BYTES_MAX} bytes.
"""
EXAMPLES = f"""\
examples:
  pricetime run venue.db --instrument BTC_EUR 0.01 0.00001 --listen 127.0.0.1:7000
  pricetime run venue.db --listen /run/venue.sock
  pricetime run venue.db < commands.jsonl > answers.jsonl

There is no password: who can reach the address can trade. SIGTERM and Ctrl-C take no more lines,
answer those taken and close the venue, within {DRAIN_SECONDS:.0f} seconds if clients read; a second
signal leaves those that do not. Ends with 0, with 2 and one line when it cannot begin, with 1 when
the venue could not be closed in order (nothing that was answered is lost), with 130 after Ctrl-C.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "run",
        help="run a venue as a process, over a file, for clients that send lines of JSON",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="the venue's file")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT | PATH",
        type=address,
        help=f"a TCP address (a port alone: of {HOST}; 0: any free one), or where to make a Unix "
        "socket; without it standard input and output",
    )
    parser.add_argument(
        "--durability",
        choices=list(DURABILITIES),
        default="commit",
        help="answer when it is on the disk (commit, the default), or when the operating system "
        "has it (system): quicker, but a power cut may take the newest commands",
    )
    parser.add_argument(
        "--instrument",
        metavar=("NAME", "TICK", "LOT"),
        nargs=3,
        action="append",
        default=[],
        help="add an instrument unless it is there: its name, smallest step of price and of "
        'quantity; may be given again. What has more terms is added by {"do": "add"}',
    )
    kafka = parser.add_argument_group(
        "pairs over Kafka",
        "In place of FILE. Commands come from the topic `commands`, events go to the topic "
        "`events`; see docs/kafka.md.",
    )
    kafka.add_argument("--log", metavar="kafka://HOST:PORT/PREFIX", help="the log on Kafka")
    kafka.add_argument(
        "--pairs",
        metavar="NAME[,NAME...]",
        type=lambda text: text.split(","),
        help="the pairs that this process runs; without it, and without a group, all",
    )
    kafka.add_argument(
        "--group", metavar="NAME", help="share the pairs with the other processes of this group"
    )
    kafka.add_argument(
        "--delivery",
        choices=("sequenced", "transactional"),
        default="sequenced",
        help="publish events for readers that drop repeats by their numbers (sequenced, the "
        "default), or in transactions, for readers that know only read_committed: slower",
    )
    kafka.add_argument(
        "--http",
        metavar="HOST:PORT",
        type=address,
        help="answer /metrics, /health and /ready there",
    )
    parser.set_defaults(func=run)


class Unable(Exception):
    """Why the venue cannot begin, for a line on stderr."""


class Signals:
    """SIGTERM and SIGINT as events of a loop: the first asks to stop, the second to hurry."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.first = 0
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._came, number)

    def _came(self, number: int) -> None:
        if not self.first:
            self.first = number
            self.stop.set()
        else:
            self.hurry.set()


def run(options: argparse.Namespace) -> int:
    """Runs the venue until it is told to stop: 0, 1, 2 or 130; see EXAMPLES."""
    logging.basicConfig(format="pricetime run: %(message)s", stream=sys.stderr)
    try:
        _check(options)
        if options.log:
            return _run_pairs(options)
        return asyncio.run(_run(options))
    except Unable as error:
        _say(str(error))
        return 2
    except LogError as error:
        _say(f"the venue did not close in order; what was answered is safe: {error}")
        return 1


def _check(options: argparse.Namespace) -> None:
    """That the options go together; raises Unable."""
    if bool(options.file) == bool(options.log):
        raise Unable("name a FILE, or a log on Kafka by --log, and not both")
    if options.file and not options.listen and (sys.stdin is None or sys.stdout is None):
        raise Unable("standard input or output is closed: pass --listen, or open both")
    if options.log and options.listen:
        raise Unable("--listen is for a FILE: over Kafka commands come from a topic")
    if options.file and (options.pairs or options.group or options.http):
        raise Unable("--pairs, --group and --http are for --log")
    if options.pairs and options.group:
        raise Unable("--pairs names the pairs, --group shares them out: not both")


def _run_pairs(options: argparse.Namespace) -> int:
    try:
        from pricetime.supervisor.command import run
    except ImportError as error:
        raise Unable(
            f"--log needs {error.name}, which is not installed: pip install 'pricetime[kafka]'"
        ) from None
    return run(options, _say)


def _say(text: str) -> None:
    print(f"pricetime run: {text}", file=sys.stderr, flush=True)


async def _run(options: argparse.Namespace) -> int:
    signals = Signals()
    began = time.monotonic()
    venue = AsyncVenue(options.file, durability=options.durability)
    try:
        await venue.open()
    except LogError as error:
        raise Unable(str(error)) from None
    server = Server(venue)
    stdio = None if options.listen else Stdio()
    try:
        for name, tick, lot in options.instrument:
            await _add(venue, name, tick, lot)
        ready = f"{await _recovered(venue)}, ready in {time.monotonic() - began:.2f} s"
        if stdio is None:
            where = f"listening on {await _listen(server, options.listen)}"
        else:
            where = "reading standard input"
            serving = asyncio.ensure_future(server.serve(*await stdio.open()))
            serving.add_done_callback(lambda _: signals.stop.set())
        _say(f"{options.file}: {ready}; {where}")
        await signals.stop.wait()
    finally:
        await server.drain(signals.hurry)
    if stdio is not None:
        await asyncio.to_thread(stdio.flush, 0 if signals.hurry.is_set() else DRAIN_SECONDS)
    return 130 if signals.first == signal.SIGINT else 0


async def _add(venue: AsyncVenue, name: str, tick: str, lot: str) -> None:
    try:
        await venue.add(Instrument(name, tick_size=tick, lot_size=lot))
    except (ValueError, LogError) as error:
        raise Unable(f"--instrument {name} {tick} {lot}: {error}") from None


async def _recovered(venue: AsyncVenue) -> str:
    """What the venue came back with."""
    commands = broken = 0
    names = await venue.markets()
    for name in names:
        try:
            market = await venue.market(name)
            commands += await market.look(lambda book: book.commands)
        except LogError:  # the log has said why
            broken += 1
    text = f"{len(names)} markets, {commands:,} commands"
    return f"{text}, {broken} markets cannot be used" if broken else text


async def _listen(server: Server, where: Address) -> str:
    try:
        return await server.listen(where)
    except OSError as error:
        place = where.path or f"{where.host}:{where.port}"
        raise Unable(f"cannot listen on {place}: {error.strerror or error}") from None
