"""Breaks the kernel on purpose, one small way at a time: the tests must catch every one.

    python tests/mutants.py                   # all of them
    python tests/mutants.py trail 12 stops    # those of a kernel, of a number, of a file

mutants/*.txt say how: README.md there is about their language. A mutant meets the scenarios, or the
one test that it names; it is caught where that fails, dies or hangs. One that survives is a hole in
the tests: the script lists it and exits with 1.

Nearly all are built at once, in one scratch copy: a kernel function with a mutant gets a twin that
has it, and steps aside for it where the environment says so. What is not in a function of a .pxd
is built alone.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LISTS = sorted(Path(__file__).with_name("mutants").glob("*.txt"))
SECONDS_MAX = 60  # a mutant that hangs is caught
CHOICE = "PRICETIME_MUTANT"  # the environment's variable that says which is on; 0: none

PLAY = """
from pathlib import Path
import pricetime
from model.blotter import play, scenarios
for file in sorted(Path("tests/scenarios").glob("*.txt")):
    for title, rows in scenarios(file.read_text("utf-8")):
        try:
            parameters, commands, events = play(rows, pricetime.Book)
            assert pricetime.Book(**parameters).process(commands).tobytes() == events.tobytes()
        except Exception:
            raise SystemExit(f"{file.stem}: {title}")
"""

HEADER = f"""
#include <stdlib.h>
static inline int mutant(int number)
{{
    static int chosen = -1;
    if (chosen < 0) chosen = atoi(getenv("{CHOICE}") ? getenv("{CHOICE}") : "0");
    return chosen == number;
}}
"""
DECLARED = '\ncdef extern from "mutant.h" nogil:\n    bint mutant(int number)\n'

HEAD = re.compile(
    r"cdef inline (?P<answer>[^\n(]*?)(?P<name>\w+)\((?P<arguments>.*?)\)(?= noexcept nogil:\n)",
    re.DOTALL,
)


class Mutant(NamedTuple):
    """One way to break one kernel; `old`, whole lines, stands there exactly once."""

    number: int
    list: str
    title: str
    file: str
    old: str
    new: str
    test: str  # a pytest node under tests/; "": the scenarios

    def there(self) -> Path:
        return ROOT / "engine" / (self.file if "." in self.file else f"{self.file}.pxd")

    def stands(self) -> int:
        """How many times `old` stands in its kernel."""
        return ("\n" + self.there().read_text("utf-8")).count("\n" + self.old)

    def applied(self) -> str:
        """Its kernel, broken."""
        text = "\n" + self.there().read_text("utf-8")
        return text.replace("\n" + self.old, "\n" + self.new)[1:]


# -- the lists ------------------------------------------------------------------------------------


def mutants() -> list[Mutant]:
    found = []
    for path in LISTS:
        for text in re.split(r"^= ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            title, about, *hunk = text.rstrip().splitlines()
            file, _, test = about.removeprefix("@ ").partition(" by ")
            old, new = (
                "".join(line[1:] + "\n" for line in hunk if line[:1] != other) for other in "+-"
            )
            found.append(Mutant(len(found) + 1, path.stem, title, file, old, new, test))
    return found


# -- all in one build -----------------------------------------------------------------------------


def pieces(text: str) -> list[str]:
    """A kernel cut up: the functions, and what stands before, between and behind them."""
    return re.split(r"^(?=cdef inline )|(?<=\n)(?=\n\n?(?![ \n]))", text, flags=re.MULTILINE)


def twin_of(mutant: Mutant) -> tuple[str, str] | None:
    """The function that a mutant changes, and what it makes of it; None: it is in no function."""
    if mutant.there().suffix != ".pxd":
        return None
    before = pieces(mutant.there().read_text("utf-8"))
    after = pieces(mutant.applied())
    if len(before) != len(after):
        return None
    differ = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    if len(differ) != 1 or not HEAD.match(differ[0][0]):
        return None
    same = HEAD.match(differ[0][0])[0] == HEAD.match(differ[0][1])[0]
    return differ[0] if same else None


def fused(text: str, of_file: list[tuple[int, str, str]]) -> str:
    """A kernel with all its mutants, each asleep until it is chosen."""
    for number, function, broken in of_file:
        name = HEAD.match(function)["name"]
        broken = broken.replace(f"{name}(", f"{name}_{number}(", 1)
        text = text.replace(function, f"{function}\n\n{broken}", 1)
    for function in {function for _, function, _ in of_file}:
        head = HEAD.match(function)
        names = re.findall(r"(\w+)\s*(?:,|$)", head["arguments"])
        for number in sorted(number for number, f, _ in of_file if f == function):
            call = f"{head['name']}_{number}({', '.join(names)})"
            call = f"{call}; return" if head["answer"].strip() == "void" else f"return {call}"
            start = head[0] + " noexcept nogil:\n"
            text = text.replace(start, f"{start}    if mutant({number}): {call}\n", 1)
    return text + DECLARED


def copy(scratch: Path) -> None:
    """The tree as it is; built with little optimizing, which would take most of the time."""
    for name in ("engine", "bindings", "tests"):
        shutil.copytree(
            ROOT / name, scratch / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, scratch)
    (scratch / "engine" / "mutant.h").write_text(HEADER)
    setup = scratch / "setup.py"
    setup.write_text(setup.read_text().replace('"-O3", "-g1"', '"-O1"'))


def build(scratch: Path) -> str:
    """'', or what went wrong."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    made = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    return "" if made.returncode == 0 else f"does not build: {made.stderr[-600:]}"


# -- the tests ------------------------------------------------------------------------------------


def fails(scratch: Path, test: str, number: int) -> str:
    """How a test ends with a mutant (0: without any): '' where it passes."""
    command = [sys.executable, "-c", PLAY]
    if test:
        options = ["-q", "-x", "-p", "no:cacheprovider", "--tb=no"]
        command = [sys.executable, "-m", "pytest", *options, f"tests/{test}"]
    environment = os.environ | {CHOICE: str(number)}
    environment["PYTHONPATH"] = os.pathsep.join(str(scratch / d) for d in ("bindings", "tests"))
    try:
        run = subprocess.run(
            command,
            cwd=scratch,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    if run.returncode == 0:
        return ""
    said = (run.stdout + run.stderr).strip().splitlines()
    return said[-1][:90] if run.returncode > 0 and said else f"signal {-run.returncode}"


def alone(mutant: Mutant) -> str:
    """The verdict on a mutant with a build of its own."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy(Path(name))
        (Path(name) / mutant.there().relative_to(ROOT)).write_text(mutant.applied(), "utf-8")
        return build(Path(name)) or caught(Path(name), mutant)


def caught(scratch: Path, mutant: Mutant) -> str:
    how = fails(scratch, mutant.test, mutant.number)
    return f"caught: {how}" if how else "SURVIVED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="*", help="kernels, numbers, lists; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    which = set((options := parser.parse_args()).which)
    every = mutants()
    stale = [mutant for mutant in every if mutant.stands() != 1]
    for mutant in stale:
        print(f"{mutant.number:3}  {mutant.file:11} {mutant.title}: stands {mutant.stands()} times")
    if stale:
        return 2
    chosen = [m for m in every if not which or {str(m.number), m.file, m.list} & which]
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        return judge(Path(name), chosen, options.jobs)


def judge(scratch: Path, chosen: list[Mutant], jobs: int) -> int:
    """Tells of each mutant what became of it; the script's answer."""
    twins = {m: twin for m in chosen if (twin := twin_of(m)) is not None}
    copy(scratch)
    for path in {m.there() for m in twins}:
        of_file = [(m.number, *twin) for m, twin in twins.items() if m.there() == path]
        target = scratch / path.relative_to(ROOT)
        target.write_text(fused(path.read_text("utf-8"), of_file), "utf-8")
    wrong = build(scratch)
    for test in sorted({m.test for m in chosen}) if not wrong else ():
        if how := fails(scratch, test, 0):
            wrong = f"without any mutant {test or 'the scenarios'} fails: {how}"
    if wrong:
        print(wrong)
        return 2
    bad = 0
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = pool.map(lambda m: caught(scratch, m) if m in twins else alone(m), chosen)
        for mutant, found in zip(chosen, verdicts, strict=True):
            bad += not found.startswith("caught")
            print(f"{mutant.number:3}  {mutant.file:11} {mutant.title}: {found}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - bad} caught")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
