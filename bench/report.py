"""Run all benchmarks and write docs/benchmarks.md with its figures.

    python bench/report.py                       # takes long, on a machine left alone
    python bench/report.py --keep FOLDER         # keep each benchmark's figures there, as JSON
    python bench/report.py --read FOLDER         # run nothing: write from what was kept
    python bench/durable.py --json FOLDER/durable.json     # one anew, then --read FOLDER

Needs matplotlib (the `bench` extra), and ../shared/limit beside the checkout for all ratios to the
C book. `--docs` writes elsewhere than to docs. What stands in bench/notes.md (what was tried
where a target is missed) becomes the last part of the page.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import bursts
import calls
import checkpoint
import durable
import growth
import kinds
import lab
import latency
import plots
import scaling
import throughput
import yardstick

SCRIPTS = (
    *("throughput", "kinds", "bursts", "latency", "calls", "growth", "scaling"),
    *("checkpoint", "durable"),
)


def run(options, folder):
    """Run the scripts, each with its figures to a file of the folder."""
    with lab.cache_folder(options) as cache:
        for name in SCRIPTS:
            command = [sys.executable, str(lab.HERE / f"{name}.py"), "--cache", cache]
            command += ["--core", str(options.core), "--json", str(Path(folder, f"{name}.json"))]
            command += ["--quick"] if options.quick else []
            print(f"== {' '.join(command[1:])}", flush=True)
            end = subprocess.run(command)
            if end.returncode:
                print(f"{name} ended with {end.returncode}", file=sys.stderr)


def read(folder):
    """What the scripts have written, by name."""
    files = {name: Path(folder, f"{name}.json") for name in SCRIPTS}
    found = {name: json.loads(f.read_text()) for name, f in files.items() if f.exists()}
    if not found:
        raise SystemExit(f"no figures in {folder}: run without --read first, with --keep {folder}")
    return found


# ------------------------------------------------------------------------------- the text


def summary(found):
    """A row for each target: what, target, measured, whether reached."""
    for name, f in found.get("throughput", {}).get("flows", {}).items():
        goal = found["throughput"]["target"]
        what = f"batches, flow `{name}`, share of the C book's speed"
        yield [what, f"≥ {goal:.2f}", f"{f['ratio']:.2f}", _least(f["ratio"] / goal)]
    if "target" in found.get("calls", {}):
        c = found["calls"]
        what = (
            f"one call at a time from Python, with the C book at {c['c_rate']:.1f} M/s in batches"
        )
        rate = f"{c['rates']['nothing']:.2f} M/s"
        yield [what, f"≥ {c['target']:.2f} M/s", rate, _least(c["reached"]["nothing"])]
    for name, f in found.get("latency", {}).get("flows", {}).items():
        if name != "sweep":  # no target, but in the table below
            what = f"p99.9 of single commands, flow `{name}`, times the C book's"
            yield [what, "≤ 2", f"{f['ratio']:.2f}", _most(f["ratio"] / latency.TARGET)]
    for look, where in (("inside", "inside the engine"), ("python", "a call from Python")):
        if look in found.get("growth", {}).get("looks", {}):
            pause = growth.pause(found["growth"]["looks"][look])
            what = f"worst growth pause to {found['growth']['orders']:,} orders, {where}"
            yield [what, "< 1 ms", lab.nanoseconds(pause), _most(pause / growth.TARGET)]
    if "bursts" in found:
        cases = found["bursts"]["cases"].values()
        worse = sum(bursts.growth(case) > bursts.LINEAR for case in cases)
        what = f"commands that touch many orders: of {len(cases)} cases, more than linear"
        yield [what, "0", f"{worse}", "**missed**" if worse else "reached"]
    if "depth" in found.get("scaling", {}):
        last = found["scaling"]["depth"][-1]
        size = max(last["nbytes"], last["resident"])
        what = f"memory of a resting limit order, {last['orders']:,} in the book"
        yield [what, f"≤ {scaling.TARGET} bytes", f"{size:.0f}", _most(size / scaling.TARGET)]
    if "durable" in found:
        for what, target, measured, missed in durable.targets(found["durable"]):
            yield [what, target, measured, _reached(missed)]


def _least(part):
    """Whether a target that is a least value is reached; `part` of it was measured."""
    return _reached(1 - part)


def _most(part):
    """The same for a target that is a most."""
    return _reached(part - 1)


def _reached(missed):
    """The same by the share that is missing, or too much."""
    return "reached" if missed <= 0 else f"**missed** by {100 * missed:.0f} %"


def _throughput(data, figure):
    built = [f"`{name}`: {throughput.contents(f)}" for name, f in data["flows"].items()]
    return f"""## Batches

{throughput.__doc__.split(chr(10) * 2, 2)[2].strip()}

{figure}

{lab.markdown(throughput.HEAD, throughput.rows(data["flows"]))}

Millions of commands a second of processor time; {data["rounds"]} rounds.
{throughput.agreement(data["flows"])}

What the flows are made of: {"; ".join(built)}.
"""


def _kinds(data):
    flows = data["flows"]
    parts = [
        "## Rarer orders",
        kinds.__doc__.split(chr(10) * 2, 2)[2].strip(),
        lab.markdown(kinds.HEAD, kinds.rows(flows)),
        f"Processor time; {data['rounds']} rounds.",
    ]
    parts += [kinds.auction_line(flows["auction"])] if "auction" in flows else []
    made = "; ".join(kinds.contents_line(f"`{name}`", f) for name, f in flows.items())
    parts.append(f"What the flows are made of: {made}.")
    return "\n\n".join(parts) + "\n"


def _bursts(data):
    return f"""## Commands that touch many orders

{bursts.__doc__.split(chr(10) * 2, 2)[2].strip()}

{lab.markdown(bursts.HEAD, bursts.rows(data["cases"]), left=2)}

Nanoseconds for each item, by the number of orders; `growth` is that of the last two figures.
"""


def _latency(data, figure):
    inside = ""
    if data["flows"]:
        inside = f"""{figure}

{lab.markdown(latency.HEAD, latency.inside_rows(data["flows"]))}

{chr(10).join("- " + line for line in latency.verdicts(data["flows"]))}

"""
    return f"""## Single commands

{latency.__doc__.split(chr(10) * 2, 2)[2].strip()}

{inside}From Python, on `normal`; paced: {latency.PACE:,.0f} commands/s, a method's call each.

{lab.markdown(latency.HEAD, latency.rows(data["python"]))}
"""


def _calls(data, figure):
    return f"""## One call at a time

{calls.__doc__.split(chr(10) * 2, 2)[2].strip()}

{figure}

{lab.markdown(calls.HEAD, calls.rows(data))}

{calls.verdict(data)}

{lab.markdown(calls.METHODS_HEAD, calls.method_rows(data))}

Other engines in Python on the same kind of flow: `python bench/peers.py`.
"""


def _growth(data, figure):
    parts = []
    for look, title in (("inside", "Inside the engine"), ("python", "A call of `process` each")):
        if look in data["looks"]:
            rows = growth.rows(data["looks"][look]["worst"]["growing"])
            parts += [f"{title}, the worst:", lab.markdown(growth.HEAD, rows)]
            parts.append(growth.verdict(data["looks"][look]))
    parts.append(growth.page_line(data["page"]))
    return f"""## Growth

{growth.__doc__.split(chr(10) * 2, 2)[2].strip()}

{figure}

{(chr(10) * 2).join(parts)}
"""


def _scaling(data, figures):
    parts = ["## Depth, spread, books, memory", scaling.__doc__.split(chr(10) * 2, 2)[2].strip()]
    for part, key in (("depth", "orders"), ("spread", "gap")):
        if part in data:
            head = scaling.shape_head(key)
            parts += [f"### By {part}", figures[part]]
            parts.append(lab.markdown(head, scaling.shape_rows(data[part], key)))
    if "books" in data:
        parts += ["### By number of books", figures["books"]]
        parts.append(lab.markdown(scaling.BOOKS_HEAD, scaling.books_rows(data["books"])))
        parts.append("Millions of commands a second. " + scaling.empty_line(data["books"]))
    if "depth" in data:
        parts += ["### Memory", figures["memory"], scaling.memory_verdict(data["depth"])]
    return "\n\n".join(parts) + "\n"


def _checkpoint(data):
    return f"""## Checkpoints

{checkpoint.__doc__.split(chr(10) * 2, 2)[2].strip()}

{lab.markdown(checkpoint.HEAD, checkpoint.rows(data["books"]))}

Processor time; {data["rounds"]} rounds. `KINDS`: {", ".join(checkpoint.KINDS)}.
"""


def _durable(data, figure):
    return f"""## A durable venue

{durable.__doc__.split(chr(10) * 2, 2)[2].strip()}

{figure}

{lab.markdown(durable.BATCHES_HEAD, durable.batch_rows(data["batches"]))}

Thousands of commands a second, each batch durable; {data["rounds"]} rounds.

{lab.markdown(durable.SINGLES_HEAD, durable.single_rows(data["singles"]))}

{chr(10).join("- " + line for line in durable.verdicts(data))}
"""


def _machines(found):
    """The machine in words; more than one, each with what it ran, where figures were kept."""
    ran = {}
    for name, data in found.items():
        machine = data["machine"]
        ran.setdefault(json.dumps(machine | {"load": ""}), (machine, []))[1].append(name)
    if len(ran) == 1:
        return f"one machine:\n\n> {lab.words(machine)}"
    lines = [f"- {', '.join(names)}: {lab.words(machine)}" for machine, names in ran.values()]
    return "one machine each:\n\n" + "\n".join(lines)


def text(found, figures):
    """The whole page."""
    images = {name: f"![{name}](figures/{file})" for name, file in figures.items()}
    image = defaultdict(str, images)
    small = [name for name, data in found.items() if data["quick"]]
    quick = f"**`--quick`, small sizes, no figures to quote: {', '.join(small)}.**\n\n"
    quick = quick if small else ""
    pages = {
        "throughput": lambda data: _throughput(data, image["throughput"]),
        "kinds": _kinds,
        "bursts": _bursts,
        "calls": lambda data: _calls(data, image["calls"]),
        "latency": lambda data: _latency(data, image["latency"]),
        "growth": lambda data: _growth(data, image["growth"]),
        "scaling": lambda data: _scaling(data, image),
        "checkpoint": _checkpoint,
        "durable": lambda data: _durable(data, image["durable"]),
    }
    missing = [name for name in SCRIPTS if name not in found]
    why = "" if yardstick.FOLDER.is_dir() else f" ({yardstick.MISSING})"
    left_out = f"Not run: {', '.join(missing)}{why}.\n\n" if missing else ""
    head, notes = ["what", "target", "measured", ""], lab.HERE / "notes.md"
    tried = f"\n## What was tried\n\n{notes.read_text()}" if notes.exists() else ""
    return f"""# Benchmarks

{quick}{left_out}Every figure here was printed by the scripts that `python bench/report.py` runs,
one after the other on {_machines(found)}

Ratios to the C book compare two programs in turns on one pinned core; they travel better than the
absolute figures. "The C book" is a hand-written order book in C that does only what these flows ask
for; its speed is the limit to measure against, not a product.

{lab.markdown(head, summary(found))}

{chr(10).join(pages[name](found[name]) for name in pages if name in found)}{tried}"""


def main():
    parser = lab.parser(__doc__, rounds=0)
    parser.add_argument("--keep", help="keep the JSON of each benchmark in this folder")
    parser.add_argument("--read", help="run nothing, take the JSON from this folder")
    parser.add_argument("--docs", default=str(lab.HERE.parent / "docs"), help="where to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = options.read or options.keep or folder
        if not options.read:
            Path(folder).mkdir(parents=True, exist_ok=True)
            run(options, folder)
        found = read(folder)
        figures = plots.draw(found, Path(options.docs, "figures"))
        page = Path(options.docs, "benchmarks.md")
        page.write_text(text(found, figures))
    print(f"written: {page} and {len(figures)} figures beside it")


if __name__ == "__main__":
    main()
