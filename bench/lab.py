"""What the benchmarks share: one core, own processes, percentiles, tables, the machine in words.

A script's `main` asks for figures; each is made by a function of the same script in a process of
its own (`child`), pinned to one core, so that no figure inherits another one's memory or caches.
Much of it asks /proc and /sys: the benchmarks need Linux.
"""

import argparse
import json
import mmap
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH = 2_048  # commands a call of `process` in batch figures
ROOM = 4_096  # events that the reused `out` holds
SETTLED = 0.6  # of the available memory: in use once before anything is measured
HERE = Path(__file__).resolve().parent


# ------------------------------------------------------------------------------- scripts


def parser(doc, rounds):
    """The options that every benchmark takes; `rounds` is how often it repeats unless told."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="small sizes: a look, not a figure")
    made.add_argument("--rounds", type=int, default=rounds, help=f"repeats (default {rounds})")
    made.add_argument("--core", type=int, default=last_core(), help="pin everything to this one")
    made.add_argument("--cache", help="keep flows here (default: a temporary directory, removed)")
    made.add_argument("--json", help="also write the figures to this file")
    return made


def start(main, *children):
    """Run a script: its `main`, or in a child the one function that was asked for."""
    if sys.argv[1:2] != ["--child"]:
        return main()
    name, task = sys.argv[2], json.loads(sys.argv[3])
    pin(task.pop("core"))
    refuse_checked()
    print(json.dumps({f.__name__: f for f in children}[name](**task)))
    return None


def child(function, core, bindings=None, **task):
    """What a function of the running script returns, called in a new process on that core.

    `bindings`: a folder to import pricetime from, in place of the one that is in use here.
    """
    script = sys.modules[function.__module__].__file__
    environment = dict(os.environ)
    if bindings is not None:
        environment["PYTHONPATH"] = str(bindings)
    end = subprocess.run(
        [sys.executable, script, "--child", function.__name__, json.dumps({"core": core} | task)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    if end.returncode:
        raise SystemExit(f"{Path(script).name}: {function.__name__} ended with {end.returncode}")
    return json.loads(end.stdout.splitlines()[-1])


def cache_folder(options):
    """A context manager: the folder for what can be made again, as `--cache` says."""
    if options.cache is None:
        return tempfile.TemporaryDirectory(prefix="pricetime-bench-")
    Path(options.cache).mkdir(parents=True, exist_ok=True)
    return _Kept(options.cache)


class _Kept(str):
    def __enter__(self):
        return str(self)

    def __exit__(self, *_):
        return False


def refuse_checked():
    """End here if the build is a checked one: its figures would mean nothing."""
    from pricetime import _book

    if _book.CHECKED:
        raise SystemExit("this is a checked build: build a release one, then measure")


def save(options, script, results):
    """Write the figures and the machine, if `--json` asks for it."""
    if options.json:
        whole = {"benchmark": script, "quick": options.quick, "machine": machine()}
        Path(options.json).write_text(json.dumps(whole | results, indent=1) + "\n")


def progress(text):
    """A line on stderr that the next one replaces; an empty one clears it."""
    if sys.stderr.isatty():
        print("\r" + text[:99].ljust(99) + ("" if text else "\r"), end="", file=sys.stderr)


# ------------------------------------------------------------------------------- measuring


def last_core():
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def pin(core):
    """Stay on one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def drive(book, commands, out, batch=BATCH):
    """Take all commands in batches, with one buffer for the events: the fast way in."""
    at, before, count = 0, book.commands, len(commands)
    while at < count or book.pending:
        book.process(commands[at : at + batch], out=out)
        at = book.commands - before


def drive_seconds(book, commands, out, batch=BATCH):
    """Processor seconds that `drive` takes."""
    start = time.thread_time_ns()
    drive(book, commands, out, batch)
    return (time.thread_time_ns() - start) * 1e-9


def anonymous():
    """Bytes of memory that this process has from the system, mapped files apart."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def settle(options):
    """Let a throwaway process use much of the memory, so that little is first used on the clock.

    A virtual machine gets its memory from the host when it is first used, which can take fifty
    times as long as to use again what was in use before. What comes back is how long 2 MiB of new
    memory take when that is done: percentiles, ns.
    """
    progress("using some memory, so that the host has given it")
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    much = available / 2**20 * SETTLED / (10 if options.quick else 1)
    child(touch, options.core, gibibytes=much)
    found = child(touch, options.core, gibibytes=much / 8)
    progress("")
    return found


def touch(gibibytes):
    """Percentiles of the time that 2 MiB of new memory take, ns, over so many gibibytes."""
    size, count = 1 << 21, int(gibibytes * 512)
    memory = mmap.mmap(-1, size * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    clock, took = time.perf_counter_ns, []
    for begin in range(0, size * count, size):
        begun = clock()
        for page in range(begin, begin + size, mmap.PAGESIZE):
            memory[page] = 1
        took.append(clock() - begun)
    return percentiles(took)


POINTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


def percentiles(times):
    """p50, p99, p99.9, p99.99 and max of an array of times."""
    import numpy as np

    ordered = np.sort(np.asarray(times))
    found = {name: float(ordered[int(share * len(ordered))]) for name, share in POINTS.items()}
    return found | {"max": float(ordered[-1])}


def median_percentiles(rounds):
    """Of each percentile the median over the rounds, but the worst of the worst."""
    found = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    return found | {"max": max(r["max"] for r in rounds)}


# ------------------------------------------------------------------------------- tables


def table(head, rows, left=1):
    """Columns as text; the first `left` ones lean to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def markdown(head, rows, left=1):
    """The same columns as a Markdown table."""
    rule = ["---" if i < left else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, rule, *rows])


def nanoseconds(value):
    """A time in a unit that reads well."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} ns"


def count(value):
    """A large number in words short enough for an axis or a column."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


# ------------------------------------------------------------------------------- the machine


def machine():
    """What the figures were made on: a dict of words."""
    import numpy as np

    info = _cpuinfo()
    name = info.get("model name", platform.processor() or platform.machine())
    if "cpu family" in info:
        name += f" (family {info['cpu family']}, model {info['model']})"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": name,
        "kind": "virtual machine" if "hypervisor" in info.get("flags", "") else "machine",
        "cores": os.cpu_count(),
        "caches": _caches(),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "huge pages": _bracketed("/sys/kernel/mm/transparent_hugepage/enabled"),
        "compiler": _first_line(["gcc", "--version"]),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def words(m):
    """The machine in two sentences."""
    caches = ", ".join(f"{name} {size}" for name, size in m["caches"].items())
    return (
        f"A {m['kind']} with {m['cores']} cores of an {m['cpu']}; caches: {caches or 'not known'}; "
        f"{m['memory']} of memory; {m['system']}, transparent huge pages: {m['huge pages']}. "
        f"{m['compiler']}, Python {m['python']}, numpy {m['numpy']}. "
        f"Load average at the end of the run: {m['load']}."
    )


def _cpuinfo():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in reversed(lines) if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _caches():
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (folder / name).read_text().strip() for name in ("level", "type", "size")
        )
        shared = (folder / "shared_cpu_list").read_text().strip()
        if kind != "Instruction":
            found[f"L{level}"] = f"{_kib(size)} " + ("a core" if shared == "0" else "shared")
    return found


def _kib(size):
    amount = int(size.rstrip("K"))
    return f"{amount // 1024} MiB" if amount % 1024 == 0 else f"{amount} KiB"


def _bracketed(path):
    """The choice in brackets of a file of the kernel: `always [madvise] never`."""
    try:
        return Path(path).read_text().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return "not known"


def _first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return f"{command[0]} not found"


if __name__ == "__main__":
    start(None, touch)
