"""`pricetime run --log kafka://…`: the options, the signals and the end."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable

from pricetime.instrument import Instrument
from pricetime.log.errors import LogError
from pricetime.log.kafka import KafkaLog
from pricetime.supervisor.metrics import serve
from pricetime.supervisor.supervisor import Supervisor
from pricetime.venue.shared import define

__all__ = ["run"]


def run(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Runs pairs of a log on Kafka until it is told to stop: 0, 1, 2, or 130 after Ctrl-C."""
    began = time.monotonic()
    stop = threading.Event()
    first: list[int] = []

    def told(number: int, _: object) -> None:
        if first:
            sys.exit(1)  # the second one does not wait
        first.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    try:
        log = KafkaLog(options.log, options.delivery)
        for name, tick, lot in options.instrument:
            log.add(name, _definition(name, tick, lot))
        _check(log, options.pairs)
        supervisor = Supervisor(log, pairs=options.pairs, group=options.group, stop=stop)
        if options.http:
            serve(options.http.host, options.http.port, supervisor.metrics, supervisor.told)
    except (LogError, ValueError) as error:
        say(str(error))
        return 2
    which = f"group {options.group}" if options.group else ", ".join(options.pairs or ["all pairs"])
    say(f"{log.address}: {which}, ready to run in {time.monotonic() - began:.2f} s")
    try:
        supervisor.run()
    except LogError as error:
        say(f"ended by an error; nothing that was acknowledged is lost: {error}")
        return 1
    return 130 if first == [signal.SIGINT] else 0


def _definition(name: str, tick: str, lot: str) -> str:
    try:
        return define(Instrument(name, tick_size=tick, lot_size=lot), {}).dump()
    except ValueError as error:
        raise ValueError(f"--instrument {name} {tick} {lot}: {error}") from None


def _check(log: KafkaLog, names: list[str] | None) -> None:
    """That the pairs that we are to run are there."""
    for name in names or ():
        log.map.pair(name)
