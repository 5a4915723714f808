"""The yardstick: a hand-written C book and the flows that it is measured on, in ../shared/limit.

Where that folder does not lie beside the checkout, `FOLDER.is_dir()` is false: there is nothing to
compare with, and flows of the same kind come from `flows.py`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import flows
import lab
import numpy as np

FOLDER = lab.HERE.parents[1] / "shared" / "limit"
MISSING = f"skipped: the C book and its flows are not in {FOLDER}"
SIZES = {"normal": 3_000_000, "deep": 4_000_000, "sweep": 3_000_000}  # commands
BUILD = {"normal": 0, "deep": 1_000_000, "sweep": 0}  # of these, applied before the clock starts

# What a right engine ends with after a whole flow, seed 1, sparse ids (shared/limit/README.md).
_KEYS = (
    "trades", "traded", "resting", "levels", "best_bid", "best_ask", "book_digest", "trade_digest",
)  # fmt: skip
EXPECTED = {
    "normal": dict(zip(_KEYS, (
        1_040_281, 26_601_565, 20_967, 3_037, 9_999_961, 9_999_963,
        "b4056abb7b17a6f7", "79d48e020e50969c"), strict=True)),
    "deep": dict(zip(_KEYS, (
        810_500, 20_881_745, 1_049_455, 197_929, 10_000_069, 10_000_087,
        "29e86113e1f6a06f", "0ceac892cd6a609e"), strict=True)),
    "sweep": dict(zip(_KEYS, (
        2_208_854, 103_893_079, 19_025, 4_978, 9_999_934, 9_999_939,
        "bc711e2e2b86971b", "2416ab6ac1b26934"), strict=True)),
}  # fmt: skip


def flow(name, cache, commands=None):
    """The file of a published flow, and how many of its commands to take.

    The cache's whole flow is used where it is there, its head if fewer are wanted; else what is
    missing is made (half a minute for a whole one).
    """
    wanted = commands or SIZES[name]
    for path in (Path(cache, f"{name}.npy"), Path(cache, f"{name}-{wanted}.npy")):
        if path.exists():
            return str(path), wanted
    path = Path(cache, f"{name}.npy" if wanted == SIZES[name] else f"{name}-{wanted}.npy")
    lab.progress(f"making flow {name} of {wanted:,} commands")
    unfinished = path.with_suffix(".part.npy")
    if FOLDER.is_dir():
        subprocess.run(
            [
                *(sys.executable, str(FOLDER / "flows.py"), name, "--commands", str(wanted)),
                *("--seed", "1", "--ids", "sparse", "--out", str(unfinished)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    else:
        np.save(unfinished, flows.flow(name, wanted, ids="sparse"))
    unfinished.rename(path)
    lab.progress("")
    return str(path), wanted


def load(path, commands):
    """The head of a flow, in memory."""
    array = np.load(path)
    return array if len(array) == commands else array[:commands].copy()


def mix(commands):
    """What a tape is made of, in a line."""
    from pricetime.records import TIF, Kind

    kind, count = commands["kind"], len(commands)
    new = kind == Kind.NEW
    shares = {
        "new": new.sum(),
        "immediate or cancel among them": (new & (commands["tif"] == TIF.IOC)).sum(),
        "cancels": (kind == Kind.CANCEL).sum(),
        "amends": (kind == Kind.AMEND).sum(),
    }
    return f"{count:,} commands: " + ", ".join(
        f"{100 * share / count:.1f} % {word}" for word, share in shares.items()
    )


def digest(words):
    """The README's digest of unsigned 64-bit words."""
    h, mask = 0xCBF29CE484222325, 2**64 - 1
    for word in words:
        h = ((h ^ word) * 0x100000001B3) & mask
        h ^= h >> 29
    return f"{h:016x}"


def columns_digest(*columns):
    """The digest of rows, given as columns of whole numbers."""
    rows = np.column_stack(
        [np.asarray(column).astype(np.int64).view(np.uint64) for column in columns]
    )
    return digest(rows.ravel().tolist())


class Limit:
    """The C book, compiled in a temporary directory; a context manager."""

    def __init__(self, core):
        self.core = core
        self.folder = tempfile.TemporaryDirectory(prefix="pricetime-limit-")
        for name in ("limit.c", "Makefile"):
            shutil.copy(FOLDER / name, self.folder.name)
        subprocess.run(["make", "-s", "limit"], cwd=self.folder.name, check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, path, *, prefetch=False, latency=False, runs=3, start=0, commands=None):
        """Run it over a tape, ids hashed: what it prints, as a dict."""
        command = [
            *(str(Path(self.folder.name, "limit")), path, "--ids", "hash", "--runs", str(runs)),
            *("--from", str(start)),
        ]
        command += ["--prefetch"] if prefetch else []
        command += ["--latency"] if latency else []
        command += ["--commands", str(commands)] if commands else []
        end = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: lab.pin(self.core),
        )
        return _parse(end.stdout)


_PATTERNS = {
    "seconds": r"seconds +([\d.]+) min",
    "trades": r"trades +(\d+)",
    "traded": r"traded quantity +(\d+)",
    "resting": r"resting orders +(\d+)",
    "levels": r"resting orders +\d+ on (\d+)",
    "best_bid": r"best bid +(-?\d+)",
    "best_ask": r"best ask +(-?\d+)",
    "book_digest": r"book digest +(\w+)",
    "trade_digest": r"trade digest +(\w+)",
    "bytes": r"memory +([\d.]+)",
    "p50": r"p50 ([\d.]+)",
    "p99": r"p99 ([\d.]+)",
    "p99.9": r"p99\.9 ([\d.]+)",
    "p99.99": r"p99\.99 ([\d.]+)",
    "max": r"  max ([\d.]+)   \(last",
    "empty": r"empty measurement reads (\d+)",
}


def _parse(text):
    found = {}
    for key, pattern in _PATTERNS.items():
        match = re.search(rf"^(?:.*?){pattern}", text, re.MULTILINE)
        if match:
            number = float if "." in match[1] else int
            found[key] = match[1] if key.endswith("digest") else number(match[1])
    return found
