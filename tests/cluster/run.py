"""Runs a scenario against a real broker, and says what was measured.

    python tests/cluster/run.py kills --count 200
    python tests/cluster/run.py steady --count 600          (seconds)
    python tests/cluster/run.py zombies --count 50 --rate 26667 --bootstrap 127.0.0.1:9092

Without --bootstrap a broker of its own is started, and taken away at the end.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cluster.scenarios import SCENARIOS, Result, Venue

__all__ = ["tell"]

RATE = 1_600_000 / 60


def tell(name: str, result: Result) -> str:
    """The result in a few lines."""
    lines = [
        f"{name}: {result.done} done in {result.seconds:.0f} s; {result.commands:,} commands, "
        f"{result.events:,} events: each once, in order, as of a book never interrupted"
    ]
    if result.pauses:
        shown = zip(("p50", "p99", "max"), np.percentile(result.pauses, (50, 99, 100)), strict=True)
        lines.append("time without events: " + ", ".join(f"{k} {v:.3f} s" for k, v in shown))
    lines.append("latency: " + ", ".join(f"{k} {v:.1f} ms" for k, v in result.latency_ms.items()))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=RATE, help="commands a second, all pairs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bootstrap")
    options = parser.parse_args()
    with ExitStack() as stack:
        bootstrap = options.bootstrap
        if bootstrap is None:
            from pricetime.broker import Cluster

            folder = stack.enter_context(tempfile.TemporaryDirectory())
            bootstrap = stack.enter_context(Cluster(Path(folder, "kafka"), port=0)).bootstrap
        venue = Venue(bootstrap, options.rate, options.seed)
        result = SCENARIOS[options.scenario](venue, options.count, print)
    print(tell(options.scenario, result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
