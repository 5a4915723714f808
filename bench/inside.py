"""Single commands timed inside the engine, where no call from Python hides them.

`build` makes a second copy of the package in a temporary folder, the same but for a function that
takes commands one by one and reads the processor's counter around each (`clocked.pyx.in`). A child
that is given this copy to import (`lab.child(..., bindings=...)`) can call `times`. Needs Cython, a
C compiler and an x86 processor, as the C book's own `--latency` does.
"""

import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import lab
import numpy as np

GREW, FAULTED, SWITCHED = 1, 2, 4  # memory made, pages given by the system, core taken away by it


def build(folder):
    """The copy's folder to import from; or None where it cannot be made, and a line says why."""
    if platform.machine() not in ("x86_64", "AMD64"):
        print(f"times inside the engine: not on {platform.machine()}, which has no rdtscp")
        return None
    root, copy = lab.HERE.parent, Path(folder, "inside")
    shutil.rmtree(copy, ignore_errors=True)
    no_builds = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "*.egg-info")
    for name in ("engine", "bindings"):
        shutil.copytree(root / name, copy / name, ignore=no_builds)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (root / name).exists():
            shutil.copy(root / name, copy)
    with open(copy / "engine" / "_book.pyx", "a") as source:
        source.write((lab.HERE / "clocked.pyx.in").read_text())
    lab.progress("building the engine with a clock inside")
    made = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    lab.progress("")
    if made.returncode:
        last = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"times inside the engine: the copy does not build: {last}")
        return None
    return str(copy / "bindings")


def tick_ns():
    """Nanoseconds a tick of the counter, over a twentieth of a second."""
    from pricetime import _book

    ticks, start = _book.counter(), time.perf_counter_ns()
    while time.perf_counter_ns() - start < 50_000_000:
        pass
    return (time.perf_counter_ns() - start) / (_book.counter() - ticks)


def times(book, commands, watch=False):
    """How long each command took in ns, and what befell it: two arrays.

    What befell it is a sum of GREW and, if watched, FAULTED and SWITCHED.
    """
    import pricetime as pt
    from pricetime import _book

    events = np.zeros(lab.ROOM, pt.EVENT)
    ticks = np.zeros(len(commands), np.uint32)
    marks = np.zeros(len(commands), np.uint8)
    _book.clocked(book, commands, events, ticks, marks, watch)
    return ticks * tick_ns(), marks
