"""A frame as a picture for the terminal, by rich: pairs, latency, runners, what happened."""

from collections import deque

import numpy as np
from rich.layout import Layout

from pricetime.demo import text
from pricetime.demo.chart import bar, line_chart
from pricetime.demo.kafka.frame import Frame, PairFrame, RunnerFrame
from pricetime.demo.panel import (
    BUY,
    BUYS,
    CALL,
    EDGE,
    MICRO,
    NAME,
    SELL,
    SELLS,
    STRONG,
    VALUE,
    Row,
    Rows,
    entry,
    panel,
)

__all__ = ["View"]

LIVE = "live"  # of a runner's states
HISTORY = 240  # frames that the chart remembers: a minute
SILENT = 0.5  # seconds without an event from which on a pair stands out whose runner is not live
PAIRS = 7  # rows of the panel of pairs
MIDDLE = 8  # rows of the panels below it
COLUMNS = (12, 13, 10, 10, 10, 10)  # of the table of pairs; what is too narrow loses the last ones
PANELS_LEAST = 18  # rows of a terminal; where there are fewer, what is below goes


class View:
    """Pictures of one frame after the other."""

    def __init__(self, title: str):
        self._title = title
        self._latencies: deque[float] = deque(maxlen=HISTORY)

    def picture(self, frame: Frame, width: int, height: int) -> Layout:
        """The frame for a terminal of so many columns and rows."""
        if frame.second.p99:
            self._latencies.append(float(np.log10(frame.second.p99)))
        live = all(each.state == LIVE for each in frame.runners)
        edge = EDGE if live else CALL
        head = Layout(Rows(lambda wide, high: [_head(self._title, frame, wide)]), size=1)
        pairs = Layout(panel("pairs", lambda wide, high: _pairs(frame, wide)), size=PAIRS)
        runners = Layout(panel("runners", lambda wide, high: _runners(frame, wide), edge=edge))
        whole = Layout()
        if height < PANELS_LEAST:
            runners.size = None
            whole.split_column(head, pairs, runners)
            return whole
        middle, below = Layout(size=MIDDLE), Layout()
        middle.split_row(
            Layout(panel("latency, end to end", lambda wide, high: _latency(frame, wide))),
            Layout(panel("pace", lambda wide, high: _pace(frame, wide))),
        )
        news = Layout(panel("what happened", lambda wide, high: _news(frame, high)))
        chart = Layout(panel("p99 of the last second, logarithmic", self._chart))
        below.split_row(runners, *((news,) if width < 100 else (news, chart)))
        whole.split_column(head, pairs, middle, below)
        return whole

    def _chart(self, width: int, height: int) -> list[Row]:
        values = np.array(self._latencies)
        if height < 2 or len(values) < 2:
            return []
        low, high = (text.duration(round(10**end), MICRO) for end in (values.min(), values.max()))
        names = {0: high, height - 1: low}
        wide = max(map(len, names.values()))
        rows = line_chart(values, max(width - wide - 1, 1), height)
        return [
            [(row, BUY), (f" {names.get(at, ''):>{wide}}", NAME)] for at, row in enumerate(rows)
        ]


def _head(title: str, frame: Frame, width: int) -> Row:
    of = f" of {text.clock(frame.seconds)}" if frame.seconds else ""
    ends = "1, 2 kill a runner  q ends" if frame.keys else "Ctrl-C ends"
    if frame.ending:
        ends = "ends with the last event"
    left, right = " pricetime demo  ", f"{text.clock(frame.elapsed)}{of}  {ends} "
    room = max(width - len(left) - len(right) - 1, 0)
    return [(left, STRONG), (f"{title[:room]:<{room + 1}}", VALUE), (right, CALL)]


def _pairs(frame: Frame, width: int) -> list[Row]:
    names = ("", "last price", "events/s", "p50", "p99", "max")
    rows: list[Row] = [_cells([(name, NAME) for name in names], width)]
    return [*rows, *(_pair(each, frame, width) for each in frame.pairs)]


def _pair(pair: PairFrame, frame: Frame, width: int) -> Row:
    silent = pair.silent > SILENT and frame.runners[pair.runner - 1].state != LIVE
    latencies = (pair.second.p50, pair.second.p99, pair.second.max)
    cells = [
        (pair.name, SELL if silent else STRONG),
        (pair.price or "-", VALUE),
        (f"{pair.rate:,.0f}", VALUE),
        *((text.duration(value, MICRO), VALUE) for value in latencies),
    ]
    if silent:
        cells[3:] = [(f"   nothing for {pair.silent:.1f} s", SELL)]
    return _cells(cells, width)


def _cells(cells: Row, width: int) -> Row:
    """Cells of a table, the first one at the left."""
    row: Row = []
    for at, ((told, style), wide) in enumerate(zip(cells, COLUMNS, strict=False)):
        if width < wide:
            break
        row.append((f"{told:<{wide}}" if not at else f"{told:>{wide}}", style))
        width -= wide
    return row


def _latency(frame: Frame, width: int) -> list[Row]:
    first = 6
    column = max((width - first) // 2, 0)
    rows: list[Row] = [[(f"{'':<{first}}{'last second':>{column}}{'all':>{column}}", NAME)]]
    names = ("p50", "p99", "p99.9", "max")
    for name, second, whole in zip(names, frame.second, frame.whole, strict=True):
        rows.append(
            [
                (f"{name:<{first}}", NAME),
                (f"{text.duration(second, MICRO):>{column}}", STRONG),
                (f"{text.duration(whole, MICRO):>{column}}", VALUE),
            ]
        )
    return rows


def _pace(frame: Frame, width: int) -> list[Row]:
    target = frame.per_minute / 60
    share = frame.rate / target
    late = frame.behind > target / 100
    return [
        entry("sent", f"{frame.rate:,.0f}/s", width, STRONG),
        [(bar(width * min(share, 1.0), width), BUYS if share > 0.98 else SELLS)],
        entry("asked for", f"{target:,.0f}/s", width),
        entry("behind", f"{frame.behind:,}", width, SELL if late else VALUE),
        entry("commands", f"{frame.sent:,}", width),
        entry("events", f"{sum(pair.events for pair in frame.pairs):,}", width),
    ]


def _runners(frame: Frame, width: int) -> list[Row]:
    return [row for each in frame.runners for row in _runner(each, width)]


def _runner(runner: RunnerFrame, width: int) -> list[Row]:
    state = f"{runner.state} {runner.waited:.1f} s" if runner.waited else runner.state
    good = runner.state == LIVE
    times = ", ".join(f"{seconds:.2f} s" for seconds in runner.recoveries[-3:])
    return [
        [
            (f"{runner.number} ", STRONG),
            (f"{state:<17}", BUY if good else CALL),
            (f"process {runner.pid}", NAME),
        ],
        [(f"  {' '.join(runner.names)}", VALUE)],
        [(f"  recovered in {times}" if times else "", VALUE)],
    ]


def _news(frame: Frame, height: int) -> list[Row]:
    return [[(told, VALUE)] for told in frame.news[::-1][:height]]
