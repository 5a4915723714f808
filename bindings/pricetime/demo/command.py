"""`pricetime demo`: the options, and the way through both parts."""

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import FrameType

from pricetime.demo import text
from pricetime.demo.flow import ACCOUNTS, INSTRUMENT, RESTING
from pricetime.demo.frame import Frame, process_bytes
from pricetime.demo.makers import MAKERS
from pricetime.demo.run import Exchange, Paced
from pricetime.demo.schedule import INTERRUPTION

__all__ = ["register"]

PER_MINUTE = 1_600_000  # commands
PER_MINUTE_LEAST, PER_MINUTE_MOST = 60, 60_000_000  # commands: the flow is not made faster
FAST_SECONDS = 4
SECONDS_LIMIT = 10_000_000  # some four months
KAFKA_NEEDS = ("confluent_kafka", "prometheus_client", "jgo")  # Java may be the machine's
COUNT_LIMIT = 10**12  # commands
SEED_LIMIT = 1 << 63
VIEW_EVERY = 0.2  # seconds between two frames
LINE_EVERY = 1.0  # seconds between two lines

ABOUT = f"""\
Shows the book at work on a made-up exchange, no file needed: {INSTRUMENT.name}, some {RESTING:,}
orders of {ACCOUNTS} accounts that come and go around a wandering price, and {MAKERS} market makers
that quote both sides. First as fast as the book goes, then paced at {PER_MINUTE:,} commands a
minute with a live view: the ladder, the last trades, stops that fire, slices of icebergs, the rate,
and how long commands take from when they are due until their events are there.

The paced part is a session: it opens and closes with an auction whose price shows as it forms. Now
and then an order far too large meets the band, and an auction of {INTERRUPTION} seconds finds the
price again.

With --kafka it shows pairs over Kafka (docs/kafka.md) instead: a local broker, four pairs, their
flows, two runners, and a client that reads all events and looks whether any is missing. A key kills
a runner, and it recovers; where no keys are heard, one is killed on the way.
"""
EXAMPLES = """\
examples:
  pricetime demo
  pricetime demo --seconds 0 --rate 6000000       until Ctrl-C, at 100,000 commands a second
  pricetime demo --plain --seconds 5              a line a second, for logs
  pricetime demo --kafka --seconds 0              over Kafka, until q or Ctrl-C

Ends with 0, with 2 when an option cannot be used, with 130 after Ctrl-C (and its summary).
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "demo",
        help="see the book at work on a made-up flow, as fast as it goes and paced",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds",
        metavar="N",
        type=_seconds,
        default=30.0,
        help="length of the paced part (default 30; 0: until Ctrl-C)",
    )
    parser.add_argument(
        "--rate",
        metavar="PER_MINUTE",
        type=_rate,
        default=PER_MINUTE,
        help=f"commands a minute of the paced part (default {PER_MINUTE})",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_seed,
        default=1,
        help="what the flow is made from (default 1); the same seed makes the same flow",
    )
    fast = parser.add_mutually_exclusive_group()
    fast.add_argument(
        "--fast-seconds",
        metavar="N",
        type=_seconds,
        help=f"length of the part as fast as it goes (default {FAST_SECONDS}; 0: leave it out)",
    )
    fast.add_argument(
        "--fast-commands",
        metavar="N",
        type=_count,
        help="run so many commands as fast as it goes, whatever the time: the same seed, rate and "
        "count end in the same state",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="no live view, but a line a second (so it is where the output is no terminal)",
    )
    parser.add_argument(
        "--kafka",
        action="store_true",
        help="four pairs over a Kafka of their own instead of one book: a broker, "
        "generators, runners that may be killed, latency from end to end",
    )
    parser.set_defaults(func=run)


def _number(text: str, least: int, most: int, what: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 30 else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}; allowed: {least} to {most}")
    return number


def _rate(text: str) -> int:
    return _number(text, PER_MINUTE_LEAST, PER_MINUTE_MOST, "a number of commands a minute")


def _count(text: str) -> int:
    return _number(text, 1, COUNT_LIMIT, "a number of commands")


def _seed(text: str) -> int:
    return _number(text, 0, SEED_LIMIT - 1, "a seed")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= SECONDS_LIMIT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds; allowed: 0 to {SECONDS_LIMIT}"
        )
    return seconds


class _Interrupt:
    """Ctrl-C as a question: was it pressed? A second one is a KeyboardInterrupt as ever."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self) -> bool:
        return self.pressed

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextlib.contextmanager
    def listen(self) -> Iterator[None]:
        """Takes Ctrl-C; where the process ignores it, or in another thread, all stays as it is."""
        before = signal.getsignal(signal.SIGINT)
        try:
            if before == signal.default_int_handler:
                signal.signal(signal.SIGINT, self._press)
        except ValueError:
            before = signal.SIG_IGN
        try:
            yield
        finally:
            if before == signal.default_int_handler:
                signal.signal(signal.SIGINT, before)


def run(options: argparse.Namespace) -> int:
    """Runs both parts: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    able = sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    live = able and not options.plain
    if live and not find_spec("rich"):
        return _unable(
            "the live view needs rich: pip install 'pricetime[cli]' "
            "(or --plain for a line a second)"
        )
    interrupt = _Interrupt()
    with interrupt.listen():
        if options.kafka:
            code = _over_kafka(options, live, interrupt)
        else:
            code = _parts(options, live, interrupt)
    return code or (130 if interrupt.pressed else 0)


def _unable(why: str) -> int:
    print(f"pricetime demo: {why}", file=sys.stderr)
    return 2


def _over_kafka(options: argparse.Namespace, live: bool, stop: _Interrupt) -> int:
    if options.fast_seconds is not None or options.fast_commands is not None:
        which = "seconds" if options.fast_commands is None else "commands"
        return _unable(f"--fast-{which} is not for --kafka, where all is paced")
    for needed in KAFKA_NEEDS:
        if not find_spec(needed):
            return _unable(
                f"--kafka needs {needed}, which is not installed: "
                "pip install 'pricetime[kafka,broker]'"
            )
    from pricetime.demo.kafka.command import run

    return run(options.seed, options.rate, options.seconds, live, stop)


def _parts(options: argparse.Namespace, live: bool, stop: _Interrupt) -> int:
    exchange = Exchange(options.seed, options.rate)
    tick, lot = INSTRUMENT.tick_size, INSTRUMENT.lot_size
    _print(f"{INSTRUMENT.name}: tick {tick:f}, lot {lot:f}, seed {options.seed}", "")
    with contextlib.ExitStack() as stack:
        show: Callable[[Frame], None] = _line
        every = LINE_EVERY
        if live:
            from pricetime.demo.screen import Screen

            title = f"{INSTRUMENT.name}  {options.rate:,}/min  seed {options.seed}"
            show, every = stack.enter_context(Screen(title)).show, VIEW_EVERY
        fast = FAST_SECONDS if options.fast_seconds is None else options.fast_seconds
        if options.fast_commands or fast:
            _race(exchange, fast, options.fast_commands, live, stop)
            _print(text.flat_out(exchange.flat_out, process_bytes()), "")
        else:
            exchange.open()
        if stop():
            return 0
        if not live:
            _print(f"paced at {options.rate:,} commands a minute = {options.rate / 60:,.0f}/s")
        frame = Paced(exchange, options.rate, options.seconds).run(show, every, stop)
    if not live:
        _print("")
    _print(text.paced(frame))
    return 0


def _race(
    exchange: Exchange, seconds: float, commands: int | None, live: bool, stop: _Interrupt
) -> None:
    """The part as fast as it goes, with a progress bar on a terminal."""
    from pricetime.progress import Bar

    with Bar(INSTRUMENT.name, quiet=not live) as bar:
        exchange.race(
            seconds,
            commands,
            lambda fraction: bar("as fast as it goes:", fraction),
            stop,
        )


def _line(frame: Frame) -> None:
    _print(text.line(frame))


def _print(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)
