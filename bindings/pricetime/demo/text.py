"""Frames as plain text: a line a second, and the summary at the end; ASCII alone, for any log."""

from pricetime.demo.flow import INSTRUMENT
from pricetime.demo.frame import FlatOut, Frame, Market
from pricetime.demo.latency import Percentiles
from pricetime.records import Phase

__all__ = [
    "amount",
    "clock",
    "duration",
    "entry",
    "flat_out",
    "line",
    "mebibytes",
    "money",
    "paced",
    "percentiles",
    "phase",
    "short",
    "surplus",
]

WIDE = 24  # columns of the names in a summary, as in the report of a replay


def money(ticks: int) -> str:
    """A price in the instrument's currency."""
    return f"{INSTRUMENT.price(ticks):f}"


def amount(lots: int) -> str:
    """A quantity in the instrument's unit."""
    return f"{INSTRUMENT.quantity(lots):f}"


def short(lots: int) -> str:
    """A quantity with three digits or whole: "0.05", "12.3", "1234"."""
    value = abs(lots) * float(INSTRUMENT.lot_size)
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def surplus(lots: int) -> str:
    """What more there is to buy (+) or to sell (-) in an auction."""
    return f"{'-' if lots < 0 else '+'}{short(lots)}"


def phase(value: Phase) -> str:
    """The phase in words."""
    return value.name.lower().replace("_", "-")


def duration(nanoseconds: int, micro: str = "us") -> str:
    """A latency with three digits: "71.0 us", "1.24 ms"; a dash where there is none."""
    if not nanoseconds:
        return "-"
    if nanoseconds < 999_500:
        return f"{_three(nanoseconds / 1e3)} {micro}"
    if nanoseconds < 999_500_000:
        return f"{_three(nanoseconds / 1e6)} ms"
    return f"{_three(nanoseconds / 1e9)} s"


def _three(value: float) -> str:
    """At least three digits, no more decimals than that takes."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"


def mebibytes(count: int) -> str:
    """Memory; below one MiB in KiB."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def percentiles(values: Percentiles) -> str:
    """All four in one line."""
    names = ("p50", "p99", "p99.9", "max")
    return "  ".join(f"{name} {duration(value)}" for name, value in zip(names, values, strict=True))


def line(frame: Frame) -> str:
    """The last second of a paced run."""
    market, pace = frame.market, frame.pace
    bid, ask = (money(int(side["price"][0])) if len(side) else "-" for side in market[:2])
    where = f"bid {bid} ask {ask}"
    if market.indicative:
        price, quantity, more = market.indicative
        where = f"indicative {money(price)} x {short(quantity)} surplus {surplus(more)}"
    return (
        f"{clock(pace.elapsed)}  {pace.achieved:,.0f}/s  {percentiles(pace.second)}  "
        f"{phase(market.phase)} {where}  trades {market.trades:,}  resting {market.resting:,} "
        f"waiting {market.waiting:,} sleeping {market.sleeping:,}"
    )


def entry(name: str, value: str) -> str:
    """A line of a summary."""
    return f"  {name:<{WIDE}} {value}"


def flat_out(part: FlatOut, memory: int) -> str:
    """What the part that ran as fast as it goes came to."""
    return "\n".join(
        (
            "as fast as it goes",
            entry(
                "commands",
                f"{part.commands:,} in {part.seconds:.3f} s "
                f"(and {part.wall - part.seconds:.1f} s to make them)",
            ),
            entry("commands/s", f"{part.per_second(part.commands):,.0f}"),
            entry("events/s", f"{part.per_second(part.events):,.0f}  ({part.events:,})"),
            entry("trades/s", f"{part.per_second(part.trades):,.0f}  ({part.trades:,})"),
            entry("resting", f"{part.resting:,} orders"),
            entry("memory", _memory(part.nbytes, memory)),
            entry("state hash", part.state_hash),
        )
    )


def paced(frame: Frame) -> str:
    """What a paced run came to."""
    market, pace = frame.market, frame.pace
    target = pace.per_minute / 60
    missed = pace.due - pace.done
    share = 100 * pace.average / target
    done = f"{pace.done:,}"
    if missed > target / 100:  # what came due in the last moment is no news
        done += f"; {missed:,} more were due and not reached"
    return "\n".join(
        (
            f"paced, {pace.elapsed:.1f} s",
            entry("commands", done),
            entry("rate", f"{pace.average:,.0f}/s of {target:,.0f}/s asked for = {share:.1f} %"),
            entry("latency", f"{percentiles(pace.whole)}"),
            entry("", "from when a command is due until its events are there"),
            entry("book busy", f"{100 * pace.busy:.1f} % of the time"),
            entry("resting", f"{market.resting:,} orders"),
            entry("waiting, sleeping", f"{market.waiting:,}, {market.sleeping:,}"),
            *_close(market),
            entry("memory", _memory(market.nbytes, frame.memory)),
            "both parts",
            *_totals(market),
        )
    )


def _close(market: Market) -> tuple[str, ...]:
    """What the closing auction came to; nothing where there was none."""
    price, quantity, _ = market.uncross
    if market.phase is not Phase.CLOSED:
        return ()
    return (entry("closed at", f"{money(price)}, {short(quantity)} in the auction"),)


def _totals(market: Market) -> tuple[str, ...]:
    rejected = 100 * market.rejected / max(market.commands, 1)
    return (
        entry("commands", f"{market.commands:,}, of which {rejected:.1f} % were rejected"),
        entry("events", f"{market.events:,}"),
        entry("trades", f"{market.trades:,}"),
        entry("stops fired", f"{market.fired:,}"),
        entry("iceberg slices", f"{market.refreshed:,}"),
    )


def _memory(book: int, process: int) -> str:
    whole = f", the process {mebibytes(process)}" if process else ""
    return f"the book {mebibytes(book)}{whole}"
