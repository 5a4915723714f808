"""Kills a venue under load with SIGKILL, again and again, and holds it to every answer it gave.

    python tests/kills/sigkill.py --count 200 --seed 1

A `pricetime run` process serves an independent client (trader.py). It is killed at random moments,
while it starts too, and started again. In the end each answer that the client has is found in the
file, once; each command in the file is one that the client asked, once; sequences have no gaps; the
recovered books are those that a fresh book makes of the stored commands.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import pricetime as pt  # noqa: E402
from pricetime.records import EventKind, Reason  # noqa: E402

from kills.audit import audit  # noqa: E402

MARKETS = ("BTC_EUR", "ETH_EUR", "XMR_EUR")
TICK, LOT = "0.50", "0.001"
INSTRUMENT = pt.Instrument("any of them", tick_size=TICK, lot_size=LOT)
CHECKPOINT_COMMANDS = 1500
START_SECONDS = 0.6  # of a process, about: a third of the kills fall into so long from its birth
READY_SECONDS = 60
LIFE_SECONDS = 0.4  # after it is ready, at most: the other kills
AUDIT_EVERY = 20  # restarts


def start(folder: Path) -> subprocess.Popen:
    """A venue process; its stderr goes to a file."""
    command = [sys.executable, str(HERE / "venue.py"), str(CHECKPOINT_COMMANDS)]
    command += [str(folder / "venue.db"), "--listen", str(folder / "venue.sock")]
    for market in MARKETS:
        command += ["--instrument", market, TICK, LOT]
    with (folder / "venue.err").open("ab") as told:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=told)


def wait_ready(venue: subprocess.Popen, folder: Path, lines: int) -> int:
    """Waits until it says that it listens; how many lines it has said so far."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        told = (folder / "venue.err").read_text()
        if told.count("listening on") > lines:
            return told.count("listening on")
        if venue.poll() is not None:
            raise SystemExit(f"it does not start by itself: {told[-2000:]}")
        time.sleep(0.005)
    raise SystemExit(f"not ready after {READY_SECONDS} s")


def kill_often(folder: Path, count: int, dice: random.Random) -> Counter:
    """Kills and restarts, `count` times."""
    counted: Counter = Counter(kills=count)
    ready = 0
    for number in range(1, count + 1):
        venue = start(folder)
        if dice.random() < 1 / 3:
            time.sleep(dice.uniform(0, START_SECONDS))
            counted["kills near the start"] += 1
        else:
            ready = wait_ready(venue, folder, ready)
            time.sleep(dice.uniform(0, LIFE_SECONDS))
        if venue.poll() is not None:
            raise SystemExit(f"it died by itself: {(folder / 'venue.err').read_text()[-2000:]}")
        venue.kill()
        venue.wait()
        ready = (folder / "venue.err").read_text().count("listening on")
        if number % AUDIT_EVERY == 0:
            audit(folder / "venue.db")
            counted["audits on the way"] += 1
    return counted


def finish(folder: Path, client: subprocess.Popen) -> None:
    """Starts a last time, lets the client get all its answers, and ends both in order."""
    venue = start(folder)
    wait_ready(venue, folder, (folder / "venue.err").read_text().count("listening on"))
    client.stdin.close()
    if client.wait(READY_SECONDS):
        raise SystemExit("the client has given up")
    venue.terminate()
    if venue.wait(READY_SECONDS):
        raise SystemExit(f"SIGTERM: exit code {venue.returncode}")


def check(folder: Path) -> Counter:
    """Compares all that the client was told with all that is stored; raises where they differ."""
    stories = audit(folder / "venue.db")
    told: dict[str, dict[int, dict]] = {market: {} for market in MARKETS}
    counted: Counter = Counter()
    journals = [path.read_text() for path in folder.glob("journal.*")]
    for line in "".join(journals).splitlines():
        entry = json.loads(line)
        market, answer = entry["market"], entry["answer"]
        assert answer["command"] not in told[market], f"done twice: {entry}"
        told[market][answer["command"]] = answer
        counted["answers"] += 1
        counted["asked again"] += entry["times"] > 1
        counted["had been done before"] += answer["repeated"]
    for market, story in stories.items():
        outcomes = story.outcomes()
        assert outcomes.keys() == told[market].keys(), f"{market}: asked for is not what was done"
        for command, answer in told[market].items():
            check_one(answer, outcomes[command])
        counted["repetitions in the log"] += story.repeated
        counted["checkpoints kept"] += len(story.checkpoints)
    with pt.Venue(folder / "venue.db") as venue:
        for market, story in stories.items():
            assert venue[market].state_hash() == story.state_hash, market
    verify = [sys.executable, "-m", "pricetime", "verify", str(folder / "venue.db")]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    return counted


def check_one(answer: dict, events) -> None:
    """The answer says what the events say."""
    assert answer["sequence"] == int(events["sequence"][-1]), answer
    rejections = events[events["kind"] == EventKind.REJECTED]
    assert (answer["status"] == "REJECTED") == (len(rejections) > 0), answer
    if len(rejections):
        assert answer["reason"] == Reason(int(rejections["reason"][-1])).name, answer
        return
    about = events[events["order_id"] == answer["order_id"]]
    trades = [
        (int(event["maker_id"]), int(event["price"]), int(event["quantity"]))
        for event in about[about["kind"] == EventKind.TRADE]
    ]
    fills = [
        (fill["maker_id"], INSTRUMENT.ticks(fill["price"]), INSTRUMENT.lots(fill["quantity"]))
        for fill in answer["trades"]
    ]
    assert fills == trades, answer
    left = 0 if answer["status"] == "CANCELLED" else int(about["remaining"][-1])
    assert Decimal(answer["remaining"]) == INSTRUMENT.quantity(left), answer


def kill_and_check(folder: Path, count: int, seed: int) -> Counter:
    """The whole of it."""
    command = [sys.executable, str(HERE / "trader.py"), str(folder / "venue.sock")]
    command += [str(folder / "journal"), str(seed), *MARKETS]
    client = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        counted = kill_often(folder, count, random.Random(seed))
        finish(folder, client)
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
    return counted + check(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="kills (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of moments and orders (default 1)")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counted = kill_and_check(Path(folder), options.count, options.seed)
    for what, number in counted.items():
        print(f"{number:9,} {what}")
    print(f"{time.monotonic() - began:9.1f} s; 0 lost, 0 repeated, books equal")


if __name__ == "__main__":
    main()
