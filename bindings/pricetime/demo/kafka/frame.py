"""What is known at one moment: all that the view and the lines show, as plain values."""

from typing import NamedTuple

from pricetime.demo.latency import Percentiles

__all__ = ["Frame", "PairFrame", "RunnerFrame"]


class PairFrame(NamedTuple):
    """A pair, as a client sees it."""

    name: str
    price: str  # of the last trade; "" before the first
    runner: int
    rate: float  # events a second of late
    events: int
    trades: int
    silent: float  # seconds since the last event
    second: Percentiles  # latencies of the last whole second


class RunnerFrame(NamedTuple):
    """A runner."""

    number: int
    names: tuple[str, ...]
    pid: int
    state: str
    waited: float  # seconds since it was killed, while it recovers
    kills: int
    recoveries: tuple[float, ...]  # seconds of each


class Frame(NamedTuple):
    """One moment."""

    elapsed: float  # seconds
    seconds: float  # how long it shall be; 0: until it is stopped
    per_minute: int  # commands asked for
    rate: float  # commands a second of late
    sent: int  # commands
    behind: int  # commands that are due and not sent
    second: Percentiles  # latencies of the last whole second
    whole: Percentiles  # of all
    pairs: tuple[PairFrame, ...]
    runners: tuple[RunnerFrame, ...]
    news: tuple[str, ...]  # what happened, the newest last
    ending: bool  # whether no more is sent
    keys: bool  # whether they are heard
