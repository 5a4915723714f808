"""The Python order books that one would pick instead, on the same flow, one call an order.

    python bench/peers.py --install                  # peers in a venv of their own, then removed
    python bench/peers.py --python VENV/bin/python normal --commands 50000

Each engine is driven as its user would: a limit order in, a cancel, a reduce, from a Python loop,
with ids and objects made beforehand where that is fair (`peer_engines.py` says how for each). What
comes back is looked at: the trades of each order, or its filled quantity, or nothing where the
engine tells nothing; pricetime is then measured with the same look. An engine without immediate or
cancel, or without reduces, gets a flow that has none, and pricetime the same flow. Every run is a
process of its own, pinned to one core; the engines take turns. Figures are medians of the repeats,
ratios medians of the pairs of one turn. Building the book is not on the clock; the loop itself is.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peer_engines import CANCEL, ENGINES, GTC, IOC, OURS, REDUCE, Loop

CHUNK = 200  # operations between two looks at the clock and notes of how far it has come
SLOW = 20.0  # seconds: what takes longer in all is run once


# ------------------------------------------------------------------------------- one run


def work(name, look, tape, answer):
    """Run one engine over one tape in this process and write down what came of it."""
    with open(tape, "rb") as file:
        task = pickle.load(file)
    os.sched_setaffinity(0, {task["core"]})
    make = Loop if name == "loop" else OURS[look] if name == "pricetime" else ENGINES[name].make
    peer = make()
    result = {"version": _version(name), "best": None, "ended": False}

    def tell(done, seconds, **more):
        """Written on the way too: an engine that gets stuck is judged by what it did before."""
        counted = {key: vars(peer).get(key) for key in ("trades", "traded")}
        result.update(done=done, seconds=seconds, **counted | more)
        Path(answer).write_text(json.dumps(result))

    try:
        build, operations = peer.ready(task["build"]), peer.ready(task["operations"])
        del task["build"], task["operations"]
        gc.collect()
        gc.freeze()  # what was made beforehand is none of the engine's garbage to look through
        built, _ = _run(peer, build, task["build_seconds"])
        if built < len(build):
            sys.exit(f"{built:,} orders built in {task['build_seconds']:.0f} s, then left")
        done, seconds = _run(peer, operations, task["seconds"], tell)
        tell(done, seconds, trades=peer.trades, traded=peer.traded, best=peer.best(), ended=True)
    finally:
        peer.close()


def _run(peer, operations, most, tell=None):
    """Run until done or out of time: how many operations, in how many seconds."""
    done, seconds, clock = 0, 0.0, time.perf_counter
    for chunk in [operations[i : i + CHUNK] for i in range(0, len(operations), CHUNK)]:
        start = clock()
        peer.run(chunk)
        seconds += clock() - start
        done += len(chunk)
        if seconds > most:
            break
        if tell:
            tell(done, seconds)
    return done, seconds


def _version(name):
    package = ENGINES[name].package.partition("[")[0] if name in ENGINES else name
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"


# ------------------------------------------------------------------------------- the tapes


def operations(tape):
    """A tape's commands as the adapters take them."""
    import numpy as np
    from pricetime.records import TIF, Kind, Side

    c = tape.commands
    kind = np.select(
        [c["kind"] == Kind.CANCEL, c["kind"] == Kind.AMEND, c["tif"] == TIF.IOC],
        [CANCEL, REDUCE, IOC],
        GTC,
    ).tolist()
    number, price = c["order_id"].tolist(), c["price"].tolist()
    quantity, left = c["quantity"].tolist(), np.maximum(tape.left, 1).tolist()
    total = {}  # by number: lots entered, less what reduces took off
    for i, k in enumerate(kind):
        if k == REDUCE:
            price[i] = max(1, total[number[i]] - quantity[i])
        if k != CANCEL:
            total[number[i]] = quantity[i]
    buy = (c["side"] == Side.BUY).tolist()
    return list(zip(kind, number, buy, price, quantity, left, strict=True))


class Tapes:
    """The variants of one flow, written down for the workers."""

    def __init__(self, flow, options, folder):
        self.flow, self.options, self.folder, self.made = flow, options, Path(folder), {}

    def get(self, ioc, reduces):
        """The path of a variant, its Tape, and how many commands build the book."""
        if (ioc, reduces) not in self.made:
            from flows import SHAPES, tape

            o = self.options
            build = SHAPES[self.flow].resting
            made = tape(self.flow, build + o.commands, o.seed, o.ids, ioc=ioc, reduces=reduces)
            plain = operations(made)
            task = {"build": plain[:build], "operations": plain[build:], "core": o.core}
            task.update(seconds=o.seconds, build_seconds=o.build_seconds)
            path = self.folder / f"{self.flow}-{ioc:d}{reduces:d}.pickle"
            path.write_bytes(pickle.dumps(task))
            self.made[ioc, reduces] = path, made, build
        return self.made[ioc, reduces]


# ------------------------------------------------------------------------------- all runs


def measure(name, look, path, python, most):
    """One run in a process of its own: what `work` wrote, or {"error": why not}."""
    answer = path.with_suffix(".json")
    answer.unlink(missing_ok=True)
    command = [python, __file__, "--work", name, look, str(path), str(answer)]
    try:
        end = subprocess.run(command, capture_output=True, text=True, timeout=most)
        lines = [line.strip() for line in end.stderr.splitlines() if line.strip()]
        why = lines[-1][:120] if lines else f"ended with {end.returncode}"
        if end.returncode < 0:
            why = f"ended by signal {-end.returncode}"
    except subprocess.TimeoutExpired:
        why = "stuck in a call"
    result = json.loads(answer.read_text()) if answer.exists() else {}
    return result if result.get("ended") else result | {"error": why}


LOOP = "loop", "nothing", True, True
FULL = "pricetime", "trades", True, True


def job(name, who=None):
    """What is run for an engine, or what `who` does for its sake: engine, look, ioc, reduces."""
    engine = ENGINES[name]
    return who or name, engine.look, engine.ioc, engine.reduces


def run_flow(tapes, names, python, repeats):
    """Everybody in turn, `repeats` times: {(name, look, ioc, reduces): [result, ...]}."""
    jobs = {}
    for name in names:
        jobs[job(name)] = python
        jobs[job(name, "pricetime")] = sys.executable
    jobs = {LOOP: python, FULL: sys.executable} | jobs
    results = {key: [] for key in jobs}
    given_up = set()
    for repeat in range(repeats):
        for key, interpreter in jobs.items():
            if key in given_up:
                continue
            name, look, ioc, reduces = key
            start = time.perf_counter()
            path, most = tapes.get(ioc, reduces)[0], tapes.options.most
            result = measure(name, look, path, interpreter, most)
            results[key].append(result)
            if "error" in result or time.perf_counter() - start > SLOW:
                given_up.add(key)
            rate = result.get("error") or f"{result['done'] / result['seconds']:,.0f} calls/s"
            print(
                f"\r{tapes.flow} {repeat + 1}/{repeats} {name} {rate}"[:79].ljust(79),
                end="",
                file=sys.stderr,
            )
    print("\r" + " " * 79 + "\r", end="", file=sys.stderr)
    return results


# ------------------------------------------------------------------------------- the table


def rates(results):
    return [r["done"] / r["seconds"] for r in results if "done" in r]


def agreement(result, tape, build):
    """Whether an engine traded what a right one does."""
    end = build + result["done"] - 1
    for key, word in (("trades", "trades"), ("traded", "lots")):
        told, right = result[key], int(getattr(tape, key)[end])
        if told is not None:
            return f"same {word}" if told == right else f"{told - right:+,} of {right:,} {word}"
    return "untold"


def touch(result, ours):
    """Whether an engine that tells no trades ends with pricetime's best prices."""
    if result["best"] is None or not ours or result["done"] != ours["done"]:
        return "untold"
    same = list(result["best"]) == list(ours["best"])
    return "same touch" if same else f"touch {result['best']}, not {ours['best']}"


def row(name, tapes, results):
    """The cells of one engine, and by how much pricetime was faster (None: not known)."""
    engine = ENGINES[name]
    own, ours = results[job(name)], results[job(name, "pricetime")]
    _, tape, build = tapes.get(engine.ioc, engine.reduces)
    if not rates(own):
        return None, own[-1]["error"]
    pairs = zip(rates(ours), rates(own), strict=False)
    times = [a / b for a, b in pairs]
    ratio = statistics.median(times) if times else None
    last, right = own[-1], next((r for r in ours if "done" in r), None)
    said = agreement(last, tape, build)
    notes = [] if engine.ioc else ["no IOC"]
    notes += [] if engine.reduces else ["no reduce"]
    if last["done"] < len(tape.commands) - build:
        notes.append(f"first {last['done']:,} only")
    if "error" in last:
        notes.append(f"then {last['error']}")
    if len(own) < len(results[LOOP]):
        notes.append(f"{len(own)} repeat")
    cells = [
        name,
        last["version"],
        engine.language,
        f"{statistics.median(rates(own)):,.0f}",
        f"{ratio:,.2f} x" if ratio else "-",
        touch(last, right) if said == "untold" else said,
        engine.look,
        ", ".join(notes),
    ]
    return ratio, cells


HEAD = ["engine", "version", "language", "calls/s", "pricetime is", "agrees", "read", "left out"]


def table(tapes, names, results):
    """One flow's table as text; engines by speed."""
    _, tape, build = tapes.get(True, True)
    rows, missing, faster = [], [], []
    for name in names:
        ratio, cells = row(name, tapes, results)
        if isinstance(cells, str):
            missing.append(f"  {name}: {cells}")
            continue
        rows.append(cells)
        if ratio is not None and ratio < 1:
            faster.append(name)
    ours = results[FULL]
    if rates(ours):
        said = agreement(ours[-1], tape, build)
        figure = f"{statistics.median(rates(ours)):,.0f}"
        rows.append(["pricetime", ours[-1]["version"], "Cython", figure, "1 x", said, "trades", ""])
    else:
        missing.append(f"  pricetime: {ours[-1]['error']}")
    loop = rates(results[LOOP])
    if loop:
        figure = f"{statistics.median(loop):,.0f}"
        rows.append(["(the loop alone)", "", "Python", figure, "", "", "", ""])
    rows.sort(key=lambda cells: -float(cells[3].replace(",", "")))
    widths = [max(len(r[i]) for r in [HEAD, *rows]) for i in range(len(HEAD))]
    lines = [mix(tapes.flow, tape, build)]
    for cells in [HEAD, *rows]:
        right = (3, 4)
        padded = (
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    if rates(ours):
        lines.append("Faster than pricetime here: " + (", ".join(faster) or "none") + ".")
    if missing:
        lines += ["Not in the table:", *missing]
    return "\n".join(lines)


def mix(flow, tape, build):
    """A line on what the flow is made of."""
    from pricetime.records import TIF, Kind

    c = tape.commands[build:]
    shares = [
        f"{100 * (c['kind'] == kind).mean():.0f} % {word}"
        for kind, word in ((Kind.NEW, "new"), (Kind.CANCEL, "cancels"), (Kind.AMEND, "reduces"))
    ]
    shares.insert(1, f"{100 * (c['tif'] == TIF.IOC).mean():.0f} % IOC among them")
    trades = (tape.trades[-1] - tape.trades[build - 1]) / len(c)
    return (
        f"{flow}: {len(c):,} commands on a book of {build:,} orders; "
        f"{', '.join(shares)}; {trades:.2f} trades a command"
    )


# ------------------------------------------------------------------------------- the rest


def install(folder, names):
    """Make a venv and try to install each peer: its python, and why some are missing."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python, reasons = str(Path(folder, "bin", "python")), {}
    for name in names:
        print(f"\rinstalling {name}".ljust(79), end="", file=sys.stderr)
        pip = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        try:
            end = subprocess.run(
                [*pip, ENGINES[name].package], capture_output=True, text=True, timeout=600
            )
        except subprocess.TimeoutExpired:
            reasons[name] = "pip did not end in 600 s"
            continue
        if end.returncode:
            reasons[name] = "does not install: " + _reason(end.stdout + end.stderr)
    print("\r" + " " * 79 + "\r", end="", file=sys.stderr)
    return python, reasons


def _reason(said):
    """The line in which pip, or the compiler behind it, says what was wrong."""
    lines = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    fatal = [line for line in lines if "fatal error" in line]
    return ([*fatal, *lines] or ["pip gave no reason"])[0][:150]


def machine():
    """Processor, system and Python in words."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("flows", nargs="*", default=["normal", "deep", "sweep"])
    parser.add_argument("--commands", type=int, default=100_000, help="on the clock, a run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="most on the clock, a run")
    parser.add_argument("--build-seconds", type=float, default=30, help="most to build the book")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ids", choices=("dense", "sparse"), default="dense")
    parser.add_argument("--only", nargs="+", choices=ENGINES, metavar="ENGINE", default=[*ENGINES])
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--install", action="store_true", help="peers into a venv, removed behind")
    where.add_argument("--python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.most = 60 + options.seconds + options.build_seconds  # a whole process
    return options


def main():
    options = arguments()
    if options.work:
        return work(*options.work)
    with tempfile.TemporaryDirectory(prefix="pricetime-peers-") as folder:
        names, python, reasons = options.only, options.python, {}
        if options.install:
            python, reasons = install(str(Path(folder, "venv")), names)
            names = [name for name in names if name not in reasons]
        print(f"{machine()}; {options.repeats} repeats; core {options.core}; ids {options.ids}\n")
        for flow in options.flows:
            tapes = Tapes(flow, options, folder)
            print(table(tapes, names, run_flow(tapes, names, python, options.repeats)))
            print("".join(f"  {name}: {why}\n" for name, why in reasons.items()))
        for name in names:
            if ENGINES[name].note:
                print(f"  {name}: {ENGINES[name].note}")
    return None


if __name__ == "__main__":
    main()
