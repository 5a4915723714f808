"""Runs a scenario against a real broker, and says what was measured.

    python tests/cluster/run.py kills --count 200
    python tests/cluster/run.py steady --count 600          (seconds)
    python tests/cluster/run.py zombies --count 50 --rate 26667 --bootstrap 127.0.0.1:9092

Without --bootstrap a broker of its own is started, and taken away at the end.
"""

import argparse
import gc
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pricetime.log.kafka.kafka import DELIVERIES

from cluster.scenarios import PLACES, PLAIN, SCENARIOS
from cluster.venue import Venue

RATE = 1_600_000 / 60
NEED_THREE = ("leaders", "frozen", "blocked", "stuck")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=RATE, help="commands a second, all pairs")
    parser.add_argument("--burst", type=int, default=1, help="commands due at once, of a pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bootstrap")
    parser.add_argument("--warm", type=float, default=0, help="seconds of load before it begins")
    parser.add_argument("--delivery", choices=DELIVERIES, default="sequenced")
    parser.add_argument("--pairs", type=int, default=1000, help="of crowd")
    parser.add_argument("--history", type=int, default=10_000_000, help="commands, of recovery")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    options = parser.parse_args()
    # What is measured is not this process: its threads give way to each other at once, and it
    # does not look through the messages that it keeps.
    sys.setswitchinterval(0.0005)
    gc.disable()
    if options.scenario in NEED_THREE and (options.bootstrap or options.brokers != 3):
        parser.error(f"{options.scenario} needs --brokers 3")
    with ExitStack() as stack:
        bootstrap, cluster = options.bootstrap, None
        if bootstrap is None:
            from pricetime.broker import Cluster

            folder = stack.enter_context(tempfile.TemporaryDirectory())
            brokers = Cluster(Path(folder, "kafka"), brokers=options.brokers, port=0)
            cluster = stack.enter_context(brokers)
            bootstrap = cluster.bootstrap
        venue = Venue(
            bootstrap,
            options.rate,
            options.seed,
            cluster,
            places=PLACES.get(options.scenario),
            plain=options.scenario in PLAIN,
            crowd=options.pairs if options.scenario == "crowd" else 0,
            burst=options.burst,
            history=options.history,
            warm=options.warm,
            delivery=options.delivery,
        )
        stack.callback(venue.close)
        result = SCENARIOS[options.scenario](venue, options.count, print)
    print(result.tell(options.scenario))
    return 0


if __name__ == "__main__":
    sys.exit(main())
