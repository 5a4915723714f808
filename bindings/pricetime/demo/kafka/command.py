"""The way through: all is started, shown for a while, ended and summed up."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

from pricetime.broker import BrokerError, install
from pricetime.broker.jars import KAFKA, SIZE, folder
from pricetime.broker.java import java
from pricetime.demo import keys
from pricetime.demo.kafka import text
from pricetime.demo.kafka.frame import Frame
from pricetime.demo.kafka.venue import Stop, Venue
from pricetime.log.errors import LogError
from pricetime.progress import Bar

__all__ = ["run"]

VIEW_EVERY, LINE_EVERY = 0.25, 1.0  # seconds
TURN = 0.02  # seconds
ENDS = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
KILL_LEAST = 10.0  # seconds of a run from which on a runner is killed where no keys are heard
KILL_AT = 0.4  # of the run
KILL_AFTER = 15.0  # seconds, in a run without an end


def run(seed: int, per_minute: int, seconds: float, live: bool, stop: Stop) -> int:
    """Runs it all: 0, or 1 or 2 with one line on stderr."""
    try:
        java()
        if not folder().is_dir():
            _say(f"fetching Kafka {KAFKA}, {SIZE}, into {folder()}: this once")
            with Bar(f"Kafka {KAFKA}") as bar:
                install(bar)
    except BrokerError as error:
        _say(str(error))
        return 2
    try:
        with (
            _ending_in_order(),
            Venue(seed, per_minute, seconds, live and keys.can_hear(), _say) as venue,
        ):
            venue.open(stop)
            if not stop():
                _show(venue, live, stop)
        return 0
    except (BrokerError, LogError) as error:
        _say(f"ended by an error: {error}")
        return 1


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Within, SIGTERM and a terminal that is closed leave no folder behind either."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDS}
    before = {number: how for number, how in before.items() if how == signal.SIG_DFL}
    try:
        for number in before:
            signal.signal(number, end)
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(venue: Venue, live: bool, stop: Stop) -> None:
    hear = keys.heard if live and keys.can_hear() else None
    lines = Lines()
    with contextlib.ExitStack() as stack:
        show: Callable[[Frame], None] = lines.show
        every = LINE_EVERY
        if live:
            from pricetime.demo.screen import Screen

            title = f"four pairs over Kafka  {venue.per_minute:,}/min"
            screen = Screen(title, "pricetime.demo.kafka.view", keys=hear is not None)
            show, every = stack.enter_context(screen).show, VIEW_EVERY
        _loop(venue, show, every, hear, stop)
        venue.look()
    if not live:
        lines.news(venue.frame())
    print(text.summary(venue.frame()), flush=True)


def _loop(
    venue: Venue,
    show: Callable[[Frame], None],
    every: float,
    hear: Callable[[float], str] | None,
    stop: Stop,
) -> None:
    """Shows a frame now and then, and kills whom it is told to kill, until all events are there."""
    kill_at = None if hear else _kill_at(venue.seconds)
    began = next_show = time.monotonic()
    while not venue.complete:
        pressed = hear(TURN) if hear else ""
        if not hear:
            time.sleep(TURN)
        now = time.monotonic()
        if kill_at is not None and now >= began + kill_at:
            kill_at, pressed = None, "1"
        if stop() or "q" in pressed:
            venue.end()
        for runner in venue.runners:
            if str(runner.number) in pressed and not venue.ending:
                venue.kill(runner)
        venue.look()
        if now >= next_show + every:
            show(venue.frame())
            next_show = max(next_show + every, now - every)


def _kill_at(seconds: float) -> float | None:
    """When a runner is killed by itself, if at all, in a run of so many seconds."""
    if not seconds:
        return KILL_AFTER
    return KILL_AT * seconds if seconds >= KILL_LEAST else None


class Lines:
    """Prints a line for each frame, and the news before it."""

    def __init__(self) -> None:
        self._told = 0

    def show(self, frame: Frame) -> None:
        """Prints a frame."""
        self.news(frame)
        print(text.line(frame), flush=True)

    def news(self, frame: Frame) -> None:
        """Prints what has happened since the last time."""
        for told in frame.news[self._told :]:
            print(told, flush=True)
        self._told = len(frame.news)


def _say(told: str) -> None:
    print(f"pricetime demo: {told}", file=sys.stderr, flush=True)
