"""`pricetime broker`: a local Kafka in the foreground."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from pricetime.broker.cluster import PORT, SIZES, Cluster
from pricetime.broker.errors import BrokerError
from pricetime.broker.jars import KAFKA, SIZE, folder, install
from pricetime.progress import Bar

__all__ = ["register"]

ABOUT = f"""\
Runs a real Apache Kafka {KAFKA} on this machine, one broker or three, until it is told to stop: to
develop and to try out, not for production, as it listens on this machine alone and has no password.
Needs no Docker, Java or Maven: pip install 'pricetime[broker]' brings a Java, and the first start
fetches Kafka's jars, {SIZE}, into ~/.cache/pricetime.

One broker keeps one copy of everything. Of three, each partition has three copies, and what is
acknowledged is on two: kill one by its process number, and watch. Topics are made by who uses them
(`pricetime run` does), never by a typing error; nothing is dropped by age.
"""
EXAMPLES = """\
examples:
  pricetime broker
  pricetime broker --brokers 3 --port 0 --dir kafka
  pricetime broker --set message.max.bytes=10485760

SIGTERM and Ctrl-C stop the brokers in order, a second one kills them; they end with this process
however it ends. Ends with 0, with 2 when it cannot begin, with 1 when every broker has ended by
itself, with 130 after Ctrl-C.
"""
LOOK_SECONDS = 0.5


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "broker",
        help="run a local Kafka, one broker or three, for pairs over Kafka",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--brokers", type=int, choices=SIZES, default=1, help="default: 1")
    parser.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=PORT,
        help=f"the first of twice as many ports as brokers ({PORT}); 0: any free ones",
    )
    parser.add_argument(
        "--dir",
        metavar="DIR",
        type=Path,
        help="keep what is stored in this folder, for the next start; without it, it is gone at "
        "the end",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=_setting,
        action="append",
        default=[],
        help="a setting of the brokers, as in server.properties; may be given again",
    )
    parser.set_defaults(func=run)


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} has no =; write KEY=VALUE")
    return key.strip(), value.strip()


def run(options: argparse.Namespace) -> int:
    """Runs the brokers until it is told to stop: 0, 1, 2 or 130; see EXAMPLES."""
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _run(options)
    except (BrokerError, ValueError) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130 if came[0] == signal.SIGINT else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        kept = options.dir is not None
        place = options.dir or stack.enter_context(tempfile.TemporaryDirectory())
        cluster = Cluster(place, options.brokers, options.port, dict(options.set))
        if not folder().is_dir():
            _say(f"fetching Kafka {KAFKA}, {SIZE}, into {folder()}: this once")
            with Bar(f"Kafka {KAFKA}") as bar:
                install(bar)
        stack.callback(cluster.stop if kept else cluster.destroy)
        began = time.monotonic()
        cluster.start()
        _tell(cluster, time.monotonic() - began, kept)
        _watch(cluster)
        _say("every broker has ended")
        return 1


def _tell(cluster: Cluster, seconds: float, kept: bool) -> None:
    """Where it is and how to use it; the address alone goes to stdout, for scripts."""
    place = f"what is stored stays in {cluster.folder.path}" if kept else "nothing of it stays"
    _say(f"Kafka {KAFKA} is ready after {seconds:.1f} s; Ctrl-C stops it, and {place}")
    for node in cluster.nodes:
        _say(f"broker {node}: process {cluster.pid(node)}, log {cluster.folder.log(node)}")
    _say(
        f"for example: pricetime run --log kafka://{cluster.bootstrap}/venue "
        "--instrument BTC_EUR 0.01 0.00001"
    )
    print(cluster.bootstrap, flush=True)


def _watch(cluster: Cluster) -> None:
    """Tells of each broker that ends by itself; returns when none is left."""
    running = set(cluster.nodes)
    while running:
        time.sleep(LOOK_SECONDS)
        for node in sorted(running):
            if cluster.pid(node) is None:
                running.remove(node)
                _say(f"broker {node} has ended; {cluster.folder.last_words(node)}")


def _say(text: str) -> None:
    print(f"pricetime broker: {text}", file=sys.stderr, flush=True)
