"""What a replay found, as text for people and as one JSON object for programs."""

import json
from typing import Any

from pricetime.replay.drive import Outcome
from pricetime.replay.tape import Tape

__all__ = ["as_json", "as_text"]

BUSIEST = 20  # stocks that a report lists
WIDE = 24  # columns of the names in the text


def _share(part: int, whole: int) -> str:
    """A percentage that is 100 only where nothing is missing."""
    if not whole:
        return "-"
    text = f"{100 * part / whole:.2f}"
    if part < whole and text == "100.00":
        text = "99.99"
    return f"{text} %"


def _rate(count: int, seconds: float) -> int:
    return round(count / seconds) if seconds > 0 else 0


def as_text(tape: Tape, out: Outcome) -> str:
    """The report, some thirty lines."""
    lines = [f"{tape.path}: {tape.format}, {tape.rows:,} rows"]
    lines.append(
        f"  tick {tape.tick_size:f} ({tape.currency}), lot {tape.lot_size:f} ({tape.unit}); "
        f"{tape.clock}"
    )
    if len(tape.books) > 1:
        lines.append(
            f"  {len(tape.books):,} stocks, one book each, {len(out.books):,} of them used"
        )
    lines += [f"  {_wrapped(note)}" for note in tape.notes]
    held = ", ".join(f"{name} {count:,}" for name, count in tape.counts.items() if count)
    lines += ["", "the file", f"  {_wrapped(held)}", "", "the replay"]
    lines += _run(tape, out)
    lines += ["", "the book beside the exchange", *_beside(tape, out)]
    if out.first:
        lines += ["", "first differences, at most some of each kind"]
        for difference in out.first:
            where = tape.line(difference.row)
            stock = f" {difference.book}" if len(tape.books) > 1 and difference.book else ""
            lines.append(f"  {where}{stock}: {difference.kind}: {difference.text}")
    if len(tape.books) > 1:
        lines += ["", "the busiest books", *_busiest(tape, out)]
    return "\n".join(lines)


def _wrapped(text: str, width: int = 116, indent: str = "    ") -> str:
    """The text in lines of that width."""
    import textwrap

    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False)


def _entry(name: str, value: str) -> str:
    return f"  {name:<{WIDE}} {value}"


def _run(tape: Tape, out: Outcome) -> list[str]:
    def listed(counts: Any) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())

    lines = [
        _entry("commands", f"{out.commands:,}  ({listed(out.kinds)})"),
        _entry("events", f"{sum(out.events.values()):,}  ({listed(out.events)})"),
    ]
    if out.refused:
        lines.append(_entry("refused", listed(out.refused)))
    lines += [
        _entry("trades", f"{out.trades:,}, together {tape.lot_size * out.lots:,f} ({tape.unit})"),
        _entry("resting at the end", f"{out.resting:,} orders"),
        _entry(
            "matching",
            f"{_rate(out.commands_run, out.seconds_match):,} commands/s  ({out.seconds_match:.3f} "
            "s)",
        ),
        _entry(
            "parsing",
            f"{_rate(tape.rows, out.seconds_parse):,} rows/s  ({out.seconds_parse:.3f} s)",
        ),
        _entry("comparing", f"{out.seconds_compare:.3f} s, with what is written and drawn"),
    ]
    if out.went_back:
        lines.append(
            _entry(
                "went back",
                f"{out.went_back:,} times, to ask the book where it and the exchange part",
            )
        )
    return lines


def _beside(tape: Tape, out: Outcome) -> list[str]:
    lines = []
    if out.executions:
        lines.append(
            _entry(
                "real executions",
                f"{out.executions:,}; maker, price and quantity as the book names them: "
                f"{out.right:,} = "
                f"{_share(out.right, out.executions)}",
            )
        )
        if out.helped:
            lines.append(
                _entry("", f"{out.helped:,} of these once orders that had gone were taken out")
            )
    else:
        why = "none in this file" if tape.trades_known else "no trades are known"
        lines.append(_entry("real executions", why))
    if out.cancels:
        lines.append(
            _entry(
                "real cancels",
                f"{out.cancels:,}; exactly what the book had left: {out.cancels_equal:,} = "
                f"{_share(out.cancels_equal, out.cancels)}",
            )
        )
    if out.states:
        missed = out.differences["fills that the book does not show"]
        lines.append(
            _entry("fills told", f"{out.states:,}; as the book has them: {out.states - missed:,}")
        )
    if out.final_orders is not None:
        off = out.differences["orders of the last book that differ"]
        lines.append(
            _entry(
                "last book",
                f"{out.final_orders:,} orders; equal in id and quantity: {out.final_equal:,}"
                + (
                    f"; {off:,} differ or are on one side only"
                    if off
                    else "; nothing else in the book"
                ),
            )
        )
    if not out.differences:
        lines.append(_entry("differences", "none"))
    for at, (kind, count) in enumerate(out.differences.most_common()):
        lines.append(_entry("" if at else "differences", f"{count:,} {kind}"))
    return lines


def _busiest(tape: Tape, out: Outcome) -> list[str]:
    books = sorted(out.books.items(), key=lambda item: -item[1].commands)[:BUSIEST]
    return [
        _entry(
            tape.books.get(key, str(key)),
            f"{book.commands:,} commands, {book.trades:,} trades, {len(book):,} resting",
        )
        for key, book in books
    ]


def as_json(tape: Tape, out: Outcome) -> str:
    """The same as one JSON object; prices and quantities are strings, exact."""
    summary: dict[str, Any] = {
        "file": tape.path,
        "format": tape.format,
        "rows": tape.rows,
        "tick_size": f"{tape.tick_size:f}",
        "lot_size": f"{tape.lot_size:f}",
        "counts": dict(tape.counts),
        "notes": tape.notes,
        "commands": out.commands,
        "command_kinds": dict(out.kinds),
        "events": sum(out.events.values()),
        "event_kinds": dict(out.events),
        "refused": dict(out.refused),
        "trades": out.trades,
        "traded": tape.amount(out.lots),
        "resting": out.resting,
        "executions": {
            "real": out.executions,
            "right": out.right,
            "right_once_gone_orders_were_out": out.helped,
        },
        "executions_known": tape.trades_known,
        "right_percent": round(100 * out.right / out.executions, 3) if out.executions else None,
        "cancels": {"real": out.cancels, "equal": out.cancels_equal},
        "fills_told": out.states,
        "last_book": None,
        "differences": dict(out.differences),
        "first_differences": [
            {
                "row": d.row + 1,
                "where": tape.line(d.row),
                "kind": d.kind,
                "text": d.text,
                "stock": d.book,
            }
            for d in out.first
        ],
        "went_back": out.went_back,
        "seconds": {
            "parse": round(out.seconds_parse, 6),
            "match": round(out.seconds_match, 6),
            "compare": round(out.seconds_compare, 6),
        },
        "commands_per_second": _rate(out.commands_run, out.seconds_match),
        "books": len(out.books),
    }
    if out.final_orders is not None:
        differ = out.differences["orders of the last book that differ"]
        summary["last_book"] = {
            "orders": out.final_orders,
            "equal": out.final_equal,
            "differ": differ,
        }
    if len(out.books) > 1:
        busiest = sorted(out.books.items(), key=lambda item: -item[1].commands)[:BUSIEST]
        summary["busiest"] = [
            {
                "stock": tape.books[key],
                "commands": b.commands,
                "trades": b.trades,
                "resting": len(b),
            }
            for key, b in busiest
        ]
    return json.dumps(summary, indent=1)
