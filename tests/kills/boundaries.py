"""Ends a venue at each of its write system calls, and lets each of them fail.

    python tests/kills/boundaries.py [--count N] [--seed S]

The system calls by which script.py changes its venue's files are counted with strace. Then it runs
once for each of them and is killed as it makes that call, before it takes effect (so that the kill
at one call is the one behind the call before); and once for each write and each fsync that returns
EIO or ENOSPC. After each: all that was acknowledged is stored, nothing is there twice or half, a
reader reads it, the script run again completes it, and the events and the books are byte for byte
those of a run that nobody disturbed.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from pricetime.log.errors import LogError  # noqa: E402

from kills.audit import audit  # noqa: E402
from kills.script import INSTRUMENTS, live  # noqa: E402

CALLS = "openat,write,pwrite64,writev,pwritev,fdatasync,fsync,ftruncate,fallocate,unlink,rename"
KILL = "signal=KILL"
FAULTS = {
    "pwrite64": ("error=ENOSPC", "error=EIO"),
    "fdatasync": ("error=EIO",),
    "fsync": ("error=EIO",),
    "ftruncate": ("error=EIO",),
}
NAME = "venue.db"
LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)")


class Case(NamedTuple):
    """What is done to one run."""

    call: str
    number: int
    """of the call among those of its name, from 1"""
    fault: str
    """for strace"""

    def __str__(self) -> str:
        return f"{self.call}:{self.fault}:when={self.number}"


def unable() -> str:
    """Why strace cannot be used here, or ""."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-f", "-o", os.devnull, "-e", f"inject=getppid:{KILL}", "true"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def run(folder: Path, *options: str) -> tuple[int, list[dict]]:
    """Runs the script under strace: its exit code, and what it said in whole lines."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["strace", "-f", "-y", "-e", f"trace={CALLS}", *options]
    command += [sys.executable, str(HERE / "script.py"), str(folder / NAME)]
    with (folder / "stderr").open("wb") as told:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=told, check=False, env=environment
        )
    lines = done.stdout.split(b"\n")[:-1]
    return done.returncode, [json.loads(line) for line in lines]


def boundaries(folder: Path) -> list[tuple[str, int]]:
    """The calls that change the venue's files, by name and number among those of that name."""
    trace = folder / "trace"
    code, _ = run(folder, "-o", str(trace))
    assert code == 0
    numbers: Counter = Counter()
    found = []
    for line in trace.read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        call, rest = match.groups()
        numbers[call] += 1
        if str(folder / NAME) in rest and (call != "openat" or "O_CREAT" in rest):
            found.append((call, numbers[call]))
    return found


class Truth(NamedTuple):
    """What an undisturbed run makes."""

    events: dict[str, bytes]
    """by instrument, all of them"""
    told: dict[str, str]
    """events by what was asked, in hexadecimal digits"""
    ends: dict[str, set[int]]
    """by instrument: lengths of `events` behind each group, and 0"""
    hashes: dict[str, str]


def truth(folder: Path) -> Truth:
    """Runs it undisturbed."""
    said: list[dict] = []
    live(folder / NAME, lambda **fields: said.append(fields))
    stories = audit(folder / NAME)
    told = {line["what"]: line["events"] for line in said if "events" in line}
    events = {name: story.events.tobytes() for name, story in stories.items()}
    ends = {name: {0} for name in events}
    for made in map(bytes.fromhex, told.values()):
        for name, whole in events.items():
            if made in whole:
                ends[name].add(whole.index(made) + len(made))
    return Truth(events, told, ends, {name: story.state_hash for name, story in stories.items()})


def disturb(folder: Path, case: Case, truth: Truth) -> Counter:
    """One run, and all that must hold behind it."""
    inject = f"inject={case.call}:{case.fault}:when={case.number}"
    quick = () if case.fault == KILL else ("--seccomp-bpf",)  # with which no signal is delivered
    code, said = run(folder, "-o", os.devnull, "-e", inject, *quick)
    counted: Counter = Counter(runs=1)
    errors = [line for line in said if "error" in line]
    if case.fault == KILL:
        assert code in (-9, 137), f"exit code {code}: it was to be killed"
        assert not errors, errors
    else:
        assert code in (0, 3), f"exit code {code}"
        counted["went on without a restart"] += code == 0
    acknowledged = {line["what"]: line.get("events") for line in said if "what" in line}
    check_stored(folder, acknowledged, truth)
    counted["acknowledged"] += len(acknowledged)
    again: list[dict] = []
    live(folder / NAME, lambda **fields: again.append(fields))
    assert [line for line in again if "error" in line] == []
    completed = {line["what"]: line for line in again if "events" in line}
    assert {what: line["events"] for what, line in completed.items()} == truth.told
    for what in acknowledged.keys() & completed.keys():
        assert completed[what]["repeated"], f"{what} was done again"
    counted["done, not acknowledged"] += sum(line["repeated"] for line in completed.values())
    counted["done, not acknowledged"] -= len(acknowledged.keys() & completed.keys())
    check_stored(folder, truth.told, truth)
    for name, story in audit(folder / NAME).items():
        assert story.state_hash == truth.hashes[name], name
        assert story.events.tobytes() == truth.events[name], name
    return counted


def check_stored(folder: Path, acknowledged: dict, truth: Truth) -> None:
    """All that was acknowledged stands in the file, and nothing half."""
    try:
        stories = audit(folder / NAME)
    except LogError as error:
        assert not acknowledged, f"{sorted(acknowledged)} were acknowledged, but {error}"
        return
    for name in (each.name for each in INSTRUMENTS):
        if name not in stories:
            assert f"add {name}" not in acknowledged
            continue
        stored = stories[name].events.tobytes()
        assert truth.events[name].startswith(stored), f"{name}: other events"
        assert len(stored) in truth.ends[name], f"{name}: half of a group"
    stored = b"|".join(story.events.tobytes() for story in stories.values())
    for what, events in acknowledged.items():
        assert events is None or bytes.fromhex(events) in stored, f"{what} is lost"


def cases(found: list[tuple[str, int]]) -> list[Case]:
    """A kill at each call, and each failure that the call can have."""
    return [
        Case(call, number, fault)
        for call, number in found
        for fault in (KILL, *FAULTS.get(call, ()))
    ]


def disturb_all(folder: Path, count: int | None, seed: int) -> Counter:
    """All cases, or `count` of them."""
    for name in ("count", "truth"):
        (folder / name).mkdir()
    found = boundaries(folder / "count")
    chosen = cases(found)
    counted: Counter = Counter({"write system calls": len(found)})
    counted["cases"] = len(chosen)
    if count is not None:
        chosen = random.Random(seed).sample(chosen, min(count, len(chosen)))
    right = truth(folder / "truth")
    for number, case in enumerate(chosen):
        place = folder / str(number)
        place.mkdir()
        try:
            counted += disturb(place, case, right)
        except BaseException:
            print(f"case {case}", (place / "stderr").read_text()[-2000:], file=sys.stderr)
            raise
        shutil.rmtree(place)
        counted["killed" if case.fault == KILL else f"{case.call} {case.fault}"] += 1
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, help="cases, chosen by the seed (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default 1)")
    options = parser.parse_args()
    reason = unable()
    if reason:
        raise SystemExit(reason)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counted = disturb_all(Path(folder), options.count, options.seed)
    for what, number in counted.items():
        print(f"{number:9,} {what}")
    print(f"{time.monotonic() - began:9.1f} s; 0 lost, 0 repeated, books equal")


if __name__ == "__main__":
    main()
