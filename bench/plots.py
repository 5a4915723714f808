"""The figures of docs/benchmarks.md, drawn from what the benchmarks have written down."""

from pathlib import Path

import lab
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OURS, C, TARGET, OTHER = "#1f6fb4", "#8a8a8a", "#c8352b", "#e0a030"
POINTS = ["p50", "p99", "p99.9", "p99.99", "max"]


def draw(found, folder):
    """Draw what there are figures for: the names of the files, by what they show."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update({"axes.titlesize": 10, "figure.dpi": 130, "legend.frameon": False})
    scaling = found.get("scaling", {})
    wanted = {
        "throughput": (throughput, found.get("throughput")),
        "latency": (latency, found.get("latency", {}).get("flows")),
        "calls": (calls, found.get("calls")),
        "growth": (growth, found.get("growth")),
        "depth": (depth, scaling.get("depth")),
        "memory": (memory, scaling.get("depth")),
        "spread": (spread, scaling.get("spread")),
        "books": (books, scaling.get("books")),
        "durable": (durable, found.get("durable")),
    }
    names = {}
    for name, (function, data) in wanted.items():
        if data:
            figure = function(data)
            figure.tight_layout()
            figure.savefig(Path(folder, f"{name}.png"))
            plt.close(figure)
            names[name] = f"{name}.png"
    return names


def throughput(data):
    figure, axes = plt.subplots(figsize=(7, 3.8))
    target = data["target"]
    for i, f in enumerate(data["flows"].values()):
        label = i == 0
        axes.bar(i - 0.2, f["rate"], 0.38, color=OURS, label="pricetime" if label else None)
        axes.bar(i + 0.2, f["c_rate"], 0.38, color=C, label="C book" if label else None)
        goal = f"target: {100 * target:.0f} % of the C book" if label else None
        line = [f["c_rate"] * target] * 2
        axes.plot([i - 0.42, i + 0.02], line, color=TARGET, ls="--", label=goal)
        inside = {"ha": "center", "va": "top", "color": "white", "fontweight": "bold"}
        axes.annotate(f"{f['rate']:.1f}", (i - 0.2, f["rate"] * 0.97), **inside)
        axes.annotate(f"{f['c_rate']:.1f}", (i + 0.2, f["c_rate"] * 0.97), **inside)
    axes.set_xticks(
        range(len(data["flows"])),
        [f"{name}\n{100 * f['ratio']:.0f} % of the C book" for name, f in data["flows"].items()],
    )
    axes.set_ylabel("million commands a second")
    axes.set_title("Batches of 2,048 commands, one core: more is better")
    _legend_above(axes)
    return figure


def latency(flows):
    figure, all_axes = plt.subplots(1, len(flows), figsize=(8.5, 3.6), sharey=True, squeeze=False)
    for axes, (name, f) in zip(all_axes[0], flows.items(), strict=True):
        axes.plot(POINTS, [f["ours"][p] for p in POINTS], "o-", color=OURS, label="pricetime")
        axes.plot(POINTS, [f["c"][p] for p in POINTS], "o-", color=C, label="C book")
        axes.plot(
            ["p99.9"], [2 * f["c"]["p99.9"]], "_", color=TARGET, ms=18, mew=2,
            label="target for p99.9: at most\ntwice the C book's",
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_title(f"{name}\np99.9: {f['ratio']:.2f} times the C book's")
    _time_axis(all_axes[0][0])
    all_axes[0][0].legend(loc="upper left")
    figure.suptitle("A single command inside the engine: less is better (max: the machine's too)")
    return figure


def calls(data):
    figure, axes = plt.subplots(figsize=(7, 3.2))
    reads = ["trades", "filled", "status", "nothing"]
    bars = axes.barh(reads, [data["rates"][read] for read in reads], color=OURS)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlabel("million calls a second")
    axes.set_ylabel("read of each result")
    axes.set_title("One Python call for each command of the flow `normal`: more is better")
    if "target" in data:
        text = f"target {data['target']:.2f}, as the C book makes {data['c_rate']:.1f} in batches"
        axes.axvline(data["target"], color=TARGET, ls="--", label=text)
        _legend_above(axes)
    return figure


def growth(data):
    looks = {"inside": "inside the engine", "python": "a call from Python"}
    looks = {look: title for look, title in looks.items() if look in data["looks"]}
    figure, all_axes = plt.subplots(1, len(looks), figsize=(8.5, 3.8), sharey=True, squeeze=False)
    causes = (
        ("the book grew", OURS, "o", lambda row: (row[2] or row[3]) and not row[4]),
        ("the core was taken away", OTHER, "s", lambda row: row[4]),
        ("neither", "black", "x", lambda row: not any(row[2:])),
    )
    for axes, (look, title) in zip(all_axes[0], looks.items(), strict=True):
        worst = data["looks"][look]["worst"]
        for name, colour, mark, fits in causes:
            rows = [row for row in worst["growing"] if fits(row)]
            axes.scatter(
                [row[1] for row in rows], [row[0] for row in rows], color=colour, marker=mark,
                label=f"{name} ({len(rows)})", zorder=3,
            )  # fmt: skip
        axes.scatter(
            [row[1] for row in worst["steady"]], [row[0] for row in worst["steady"]],
            color=C, marker=".", label="worst of a book that does not grow",
        )  # fmt: skip
        axes.axhline(data["target"], color=TARGET, ls="--", label="target for growth pauses: 1 ms")
        axes.set_yscale("log")
        axes.set_xlabel("orders entered before")
        axes.xaxis.set_major_formatter(lambda value, _: lab.count(value))
        axes.set_title(title)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    _time_axis(all_axes[0][0])
    figure.suptitle(f"The worst commands while a book grows to {data['orders']:,} orders")
    return figure


def depth(rows):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 4))
    orders = [row["orders"] for row in rows]
    _rates(left, orders, rows)
    _latencies(right, orders, rows)
    for axes in (left, right):
        axes.set_xlabel("resting orders, five a price")
    figure.suptitle("By depth of the book")
    return figure


def spread(rows):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 4))
    gaps = [row["gap"] for row in rows]
    _rates(left, gaps, rows)
    _latencies(right, gaps, rows)
    for axes in (left, right):
        axes.set_xlabel("ticks between neighbouring prices")
        axes.xaxis.set_major_formatter(plt.matplotlib.ticker.LogFormatterMathtext())
    figure.suptitle(f"By spread of the prices; {rows[0]['orders']:,} orders, five a price")
    return figure


def memory(rows):
    rows = [row for row in rows if row["orders"] >= 10_000]
    figure, axes = plt.subplots(figsize=(7, 3.4))
    orders = [row["orders"] for row in rows]
    axes.plot(orders, [row["nbytes"] for row in rows], "o-", color=OURS, label="book.nbytes")
    grown = [row["resident"] for row in rows]
    axes.plot(orders, grown, "s-", color=OTHER, label="growth of the process")
    axes.axhline(100, color=TARGET, ls="--", label="target: 100 bytes")
    axes.set_ylim(0)
    _log_count_axis(axes)
    axes.set_xlabel("resting limit orders, five a price")
    axes.set_ylabel("bytes an order, all told")
    axes.set_title("Memory of a resting limit order: less is better")
    axes.legend()
    return figure


def books(data):
    figure, axes = plt.subplots(figsize=(7, 3.4))
    numbers = [row["books"] for row in data["rows"]]
    for turn, colour in zip(data["rows"][0]["rates"], (OTHER, C, OURS), strict=True):
        rates = [row["rates"][turn] / 1e6 for row in data["rows"]]
        axes.plot(numbers, rates, "o-", color=colour, label=f"{int(turn):,} commands a turn")
    _log_count_axis(axes)
    axes.set_ylim(0)
    axes.set_xlabel("books of a thousand orders each, in turns")
    axes.set_ylabel("million commands a second")
    axes.set_title("By number of books on one core: more is better")
    axes.legend()
    return figure


def durable(data):
    figure, axes = plt.subplots(figsize=(7, 3.4))
    sizes = [int(size) for size in data["batches"]]
    ways = (
        ("venue", OURS, "venue over SQLite"),
        ("table", C, "bare table"),
        ("file", OTHER, "plain file"),
    )
    for way, colour, label in ways:
        rates = [row[way] for row in data["batches"].values()]
        axes.plot(sizes, rates, "o-", color=colour, label=label)
    target = data["target"]
    axes.axhline(target, color=TARGET, ls="--", label=f"target for the venue: {target:,}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: lab.count(value))
    _log_count_axis(axes)
    axes.set_xlabel("commands a batch, one fsync each")
    axes.set_ylabel("commands a second")
    axes.set_title("Batches, each on the disk before the next: more is better")
    axes.legend()
    return figure


def _rates(axes, x, rows):
    axes.plot(x, [row["rate"] / 1e6 for row in rows], "o-", color=OURS, label="pricetime")
    if "c_rate" in rows[0]:
        c = [row["c_rate"] / 1e6 for row in rows]
        axes.plot(x, c, "o-", color=C, label="C book")
        axes.plot(x, [0.7 * rate for rate in c], "--", color=TARGET, label="70 % of the C book")
    _log_count_axis(axes)
    axes.set_ylim(0)
    axes.set_ylabel("million commands a second")
    axes.set_title("Batches: more is better")
    axes.legend()


def _latencies(axes, x, rows):
    if "latency" not in rows[0]:
        axes.set_axis_off()
        return
    for point, style in (("p50", "o-"), ("p99", "^:"), ("p99.9", "s--")):
        ours = [row["latency"][point] for row in rows]
        axes.plot(x, ours, style, color=OURS, label=f"pricetime {point}")
        if "c_latency" in rows[0] and point != "p99":
            c = [row["c_latency"][point] for row in rows]
            axes.plot(x, c, style, color=C, label=f"C book {point}")
    _log_count_axis(axes)
    axes.set_yscale("log")
    _time_axis(axes)
    axes.yaxis.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.set_title("Single commands, inside: less is better")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)


def _log_count_axis(axes):
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: lab.count(value))


def _time_axis(axes):
    axes.yaxis.set_major_formatter(lambda value, _: lab.nanoseconds(value))
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.set_ylabel("time of one command")


def _legend_above(axes):
    axes.set_title(axes.get_title(), pad=24)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.99), ncols=3)
