"""Frames as plain text: a line a second, and the summary at the end; ASCII alone, for any log."""

from pricetime.demo.kafka.frame import Frame, RunnerFrame
from pricetime.demo.latency import Percentiles
from pricetime.demo.text import clock, duration, entry, percentiles

__all__ = ["line", "runner", "summary"]


def line(frame: Frame) -> str:
    """The last second."""
    pairs = "  ".join(f"{pair.name} {pair.price or '-'} {pair.rate:,.0f}/s" for pair in frame.pairs)
    runners = "  ".join(f"runner {each.number} {runner(each)}" for each in frame.runners)
    return (
        f"{clock(frame.elapsed)}  {frame.rate:,.0f}/s  {_three(frame.second)}  {pairs}  {runners}"
    )


def _three(values: Percentiles) -> str:
    found = (("p50", values.p50), ("p99", values.p99), ("max", values.max))
    return "  ".join(f"{name} {duration(value)}" for name, value in found)


def runner(frame: RunnerFrame) -> str:
    """How a runner is: "live", "recovering 0.8 s"."""
    return f"{frame.state} {frame.waited:.1f} s" if frame.waited else frame.state


def summary(frame: Frame) -> str:
    """What it came to, when all events have been looked at."""
    sent = f"{frame.sent:,} in {frame.elapsed:.1f} s"
    target = frame.per_minute / 60
    if frame.behind > target / 100:
        sent += f"; {frame.behind:,} more were due and not sent"
    average = frame.sent / max(frame.elapsed, 1e-9)
    share = 100 * average / target
    events = sum(pair.events for pair in frame.pairs)
    trades = sum(pair.trades for pair in frame.pairs)
    return "\n".join(
        (
            "over Kafka",
            entry("commands", sent),
            entry("rate", f"{average:,.0f}/s of {target:,.0f}/s asked for = {share:.1f} %"),
            entry("events", f"{events:,}, of which {trades:,} are trades"),
            entry("missing", "nothing: each event came once, as the book makes it"),
            entry("latency", percentiles(frame.whole)),
            entry("", "from when a command is due until its events have come"),
            *(_runner(each) for each in frame.runners),
        )
    )


def _runner(frame: RunnerFrame) -> str:
    told = f"{' '.join(frame.names)}; "
    if not frame.kills:
        return entry(f"runner {frame.number}", f"{told}never killed")
    times = ", ".join(f"{seconds:.2f} s" for seconds in frame.recoveries) or "-"
    killed = "once" if frame.kills == 1 else f"{frame.kills} times"
    return entry(f"runner {frame.number}", f"{told}killed {killed}, recovered in {times}")
