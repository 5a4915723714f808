"""`pricetime trim FILE`: history that recovery does not need goes into an archive, or away."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pricetime.log.errors import LogError
from pricetime.log.sqlite import SqliteLog
from pricetime.log.sqlite_read import SqliteReader
from pricetime.progress import Bar
from pricetime.tools.venue_file import ToolError, add_file, picked, told
from pricetime.venue.retention import Point, archive, trim_point

__all__ = ["register"]

ABOUT = """\
Drops the commands and events of a venue file that recovery does not need: those before the last
checkpoint but one, so that it can fall back on that one. With --archive they are first copied into
another venue file, behind what that has of them already, and dropped when they are on the disk
there: an interruption loses nothing, and the same again finishes it. `log`, `verify` and `export`
read an archive as they read any venue file.

The room in the file is used again by what comes; the file does not shrink. Nobody may hold the file
meanwhile: a running venue trims by `venue.trim(name, archive)`.
"""
EXAMPLES = """\
examples:
  pricetime trim venue.db --archive venue-2026.db
  pricetime trim venue.db --market BTC_EUR --before 5000001       keeps command 5000001 and on

Ends with 0, 2 when something cannot be used or there are no two checkpoints yet, 130 after Ctrl-C.
"""
COMMAND_MAX = 1 << 63


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "trim",
        help="drop old history of a venue file, into an archive if one is named",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_file(parser)
    parser.add_argument(
        "--archive", metavar="ARCHIVE", type=Path, help="the venue file that takes what is dropped"
    )
    parser.add_argument(
        "--before",
        metavar="COMMAND",
        type=_command,
        help="drop only what is before this command, by its number, or before the `checkpoint` "
        "(default)",
    )
    parser.set_defaults(func=run)


def _command(text: str) -> int | None:
    if text == "checkpoint":
        return None
    if not text.isdecimal() or not 1 <= int(text) < COMMAND_MAX:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no command; allowed: its number, from 1, or checkpoint"
        )
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Trims one file: 0, or 2 with one line on stderr."""
    return told("trim", lambda: _trim(options))


def _trim(options: argparse.Namespace) -> int:
    reader = SqliteReader(options.file)  # which makes no venue of what is none
    try:
        names = picked(reader, options.market)
    finally:
        reader.close()
    if options.archive is not None and not options.archive.parent.is_dir():
        raise ToolError(f"--archive {options.archive}: there is no folder {options.archive.parent}")
    if not names:
        raise ToolError(f"{options.file} has no instruments")
    log = SqliteLog(options.file)
    try:
        done: list[str] = []
        try:
            with Bar("") as bar:
                _trim_all(log, names, options, done, bar)
        finally:  # not beside the bar, which may share the terminal
            for line in done:
                print(line)
    finally:
        log.close()
    return 0


def _trim_all(
    log: SqliteLog,
    names: list[str],
    options: argparse.Namespace,
    done: list[str],
    bar: Callable[[str, float], None],
) -> None:
    """Trims one after the other, those that can be; puts what was done into `done`."""
    points: dict[str, Point] = {}
    refusals: dict[str, LogError] = {}
    reader = log.reader()
    try:
        for name in names:
            bar(f"looking at {name}", 0)
            try:
                points[name] = trim_point(reader, name, options.before)
            except LogError as error:
                refusals[name] = error
    finally:
        reader.close()
    if not points:
        raise next(iter(refusals.values()))
    done.extend(f"{name}: not trimmed: {error}" for name, error in refusals.items())
    for name, point in points.items():
        done.append(_trim_one(log, name, point, options.archive, bar))


def _trim_one(
    log: SqliteLog,
    name: str,
    point: Point,
    target: Path | None,
    bar: Callable[[str, float], None],
) -> str:
    """What was done."""
    reader = log.reader()
    try:
        head = reader.head(name)
        # Both: an interruption may have left events of commands that are gone.
        if point.position <= head.position and point.sequence <= head.sequence:
            return f"{name}: nothing to drop: it begins at event {head.sequence + 1:,}"
        if target is not None:
            archive(reader, name, target, point, partial(bar, f"archiving {name}"))
    finally:
        reader.close()
    stream = log.stream(name)
    while stream.trim(point.position, point.sequence):
        log.commit()
        gone = stream.state.begin_sequence - head.sequence
        bar(f"dropping {name}", gone / max(point.sequence - head.sequence, 1))
    log.commit()
    where = f", now in {target}" if target is not None else ""
    return (
        f"{name}: dropped {point.position - head.position:,} commands and "
        f"{point.sequence - head.sequence:,} events{where}; it begins at event "
        f"{point.sequence + 1:,}"
    )
