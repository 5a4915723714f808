"""`pricetime verify FILE`: the audit of a venue file as a sub-command."""

import argparse
import sqlite3

from pricetime.log.errors import LogDamaged
from pricetime.log.holder import witnessed
from pricetime.log.sqlite_read import SqliteReader
from pricetime.progress import Bar
from pricetime.tools.audit.file import audit_file
from pricetime.tools.audit.findings import Findings
from pricetime.tools.venue_file import add_file, opened, picked, told

__all__ = ["register"]

DAMAGED = 1
"""Exit code for a file in which something is damaged."""

ABOUT = """\
Checks a venue file and does not trust the engine that wrote it: replays the commands of each
instrument through a fresh book and compares every event, digest and checkpoint with what that
makes, byte for byte; checks every checksum, that numbers have no gaps, that each command ends once,
that time does not run backwards, that each order's quantities add up by the events alone, and
SQLite's own structures. Says what is damaged and from where, and goes on with the rest.

A history that was trimmed is replayed from the checkpoint where it begins. The file may be in use:
it is seen as it is at the start.
"""
EXAMPLES = """\
examples:
  pricetime verify venue.db
  pricetime verify venue.db --market BTC_EUR

Ends with 0 when all is good, 1 when something is damaged, 2 when the file cannot be used, 130 after
Ctrl-C.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "verify",
        help="check a venue file: replay it through a fresh book and compare everything",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_file(parser)
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Checks one file: 0, 1 where it is damaged, 2 with one line on stderr."""
    return told("verify", lambda: _verify(options))


def _verify(options: argparse.Namespace) -> int:
    with opened(options.file, witness=False) as reader:  # the audit says so itself
        commits = witnessed(reader.path)  # before, as a venue may be at work
        try:
            reader.hold()
            lanes = [reader.lane(name) for name in picked(reader, options.market)]
        except LogDamaged as error:
            print(error)
            return DAMAGED
        ends = {lane.name: _end(reader, lane.name) for lane in lanes}
        total = max(sum(ends.values()), 1)
        done: dict[str, int] = {}

        with Bar(options.file.name) as bar:
            bar("checking", 0)

            def progress(name: str, position: int) -> None:
                done[name] = position
                bar("checking", sum(done.values()) / total)

            found = audit_file(reader, lanes, commits, progress)
    print(report(found))
    return 0 if all(findings.good for findings in found) else DAMAGED


def _end(reader: SqliteReader, name: str) -> int:
    """How many commands there are to come, for the progress bar."""
    try:
        return reader.lane(name).state().end
    except (LogDamaged, sqlite3.Error):  # the audit says so
        return 0


HEAD = (
    "instrument", "commands", "events", "trades", "checkpoints", "digests", "seconds",
    "M commands/s", "",
)  # fmt: skip


def report(found: list[Findings]) -> str:
    """What was found: a table, then each damage on a line, then each note."""
    rows = [list(HEAD)]
    for findings in found[1:]:
        rate = findings.replayed / findings.seconds / 1e6 if findings.seconds else 0.0
        counts = (
            findings.commands, findings.events, findings.trades, findings.checkpoints,
            findings.digests,
        )  # fmt: skip
        numbers = [f"{count:,}" for count in counts]
        verdict = "good" if findings.good else "DAMAGED"
        time = [f"{findings.seconds:.2f}", f"{rate:.2f}"]
        rows.append([findings.name, *numbers, *time, verdict])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells, verdict in rows:
        middle = "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, widths[1:-1], strict=True))
        lines.append(f"{name:<{widths[0]}}  {middle}  {verdict}".rstrip())
    for findings in found:
        lines.extend(_told(findings))
    damages = sum(len(findings.damages) + findings.more for findings in found)
    lines.append(f"damaged in {damages} places" if damages else "all good")
    return "\n".join(lines)


def _told(findings: Findings) -> list[str]:
    who = findings.name or "file"
    lines = [f"{who}: {text}" for text in (*findings.damages, *findings.notes)]
    if findings.more:
        lines.append(f"{who}: and {findings.more} damages more")
    if not findings.good and findings.name:
        ends = (("commands", findings.good_commands), ("events", findings.good_events))
        parts = [f"all {what}" if end is None else f"{what} up to {end}" for what, end in ends]
        lines.append(f"{who}: good are {' and '.join(parts)}")
    return lines
