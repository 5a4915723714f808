"""Compares two builds on the published flows: how much faster or slower plain orders have become.

    python bench/builds.py OTHER [THIS] [--flows normal deep sweep] [--most 3]

OTHER and THIS are folders to import pricetime from (a copy of `bindings` kept with its extension);
without THIS it is the one in use here. Each round runs both, in turns and the first of them
changing, each in a process of its own on one pinned core: processor time, best of three runs, the
ratio within the round. Beside their median stands the ratio of each side's best run of all, which a
noisy machine moves less. `deep` is measured behind the million orders that build its book. With
`--most`, ends with 1 if a flow's median says that this build takes more per cent longer than that.
"""

import statistics

import lab
import throughput
import yardstick

HEAD = ["flow", "other M/s", "this M/s", "time: this / other", "lowest..highest", "best / best"]


def measure(name, options, cache):
    """All rounds of one flow: a dict of figures."""
    path, commands = yardstick.flow(name, cache, throughput.QUICK[name] if options.quick else None)
    start = yardstick.BUILD[name]
    builds = {"other": options.other, "this": options.this}
    best = {which: [] for which in builds}
    for round_ in range(options.rounds):
        lab.progress(f"{name}: round {round_ + 1} of {options.rounds}")
        for which in sorted(builds, reverse=bool(round_ % 2)):
            run = lab.child(
                *(throughput.speed, options.core),
                **{"bindings": builds[which], "path": path, "commands": commands, "start": start},
            )
            best[which].append(min(run["seconds"]))
    lab.progress("")
    million = (commands - start) / 1e6
    return {
        **{which: million / statistics.median(seconds) for which, seconds in best.items()},
        "ratios": [t / o for t, o in zip(best["this"], best["other"], strict=True)],
        "best": min(best["this"]) / min(best["other"]),
    }


def rows(flows):
    """The table's cells."""
    for name, f in flows.items():
        yield [
            name,
            f"{f['other']:.2f}",
            f"{f['this']:.2f}",
            f"{statistics.median(f['ratios']):.3f}",
            f"{min(f['ratios']):.3f}..{max(f['ratios']):.3f}",
            f"{f['best']:.3f}",
        ]


def main():
    parser = lab.parser(__doc__, rounds=7)
    parser.add_argument("other", help="the build to compare with: a folder to import from")
    parser.add_argument("this", nargs="?", help="the build to judge (default: the one in use)")
    parser.add_argument("--flows", nargs="+", default=[*yardstick.SIZES], choices=yardstick.SIZES)
    parser.add_argument("--most", type=float, help="per cent more time that are still accepted")
    options = parser.parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 3)
    lab.settle(options)
    with lab.cache_folder(options) as cache:
        flows = {name: measure(name, options, cache) for name in options.flows}
    print(lab.table(HEAD, rows(flows)) + "\n")
    print(lab.words(lab.machine()))
    lab.save(options, "builds", {"rounds": options.rounds, "flows": flows})
    slow = [
        name
        for name, f in flows.items()
        if options.most is not None and statistics.median(f["ratios"]) > 1 + options.most / 100
    ]
    if slow:
        raise SystemExit(f"more than {options.most:g} % slower: {', '.join(slow)}")


if __name__ == "__main__":
    main()
