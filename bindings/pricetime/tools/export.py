"""`pricetime export FILE --to FOLDER`: a venue's history as Parquet, in partitions by date."""

import argparse
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricetime.log.batch import Commands, Records
from pricetime.log.errors import LogDamaged
from pricetime.log.sqlite_read import SqliteReader
from pricetime.progress import Bar
from pricetime.tools.amounts import Amounts
from pricetime.tools.columns import Columns
from pricetime.tools.partitions import Writer, last_number
from pricetime.tools.units import Units
from pricetime.tools.venue_file import ToolError, add_file, opened, picked, told
from pricetime.venue.definition import Definition

__all__ = ["register"]

WHAT = ("events", "commands", "both")
DAY_NS = 86_400 * 10**9
ROWS = 1 << 16
"""Rows that are made into columns at once; a batch may make it more."""

ABOUT = """\
Writes the events of a venue file, or its commands, as Parquet files in partitions by date (UTC):

  FOLDER/events/date=2026-01-31/BTC_EUR-000000000001.parquet

DuckDB, Polars, Athena and pyarrow read the folder as it is. Every field of the record is a column
under its own name, with enums by name and the instrument beside it; prices and quantities stand as
whole ticks and lots, and once more in the instrument's units (price_decimal and so on). Commands
are dated by when they were done.

Done again it goes on behind what the folder has. A file is whole and in place, or not there; the
same venue file into an empty folder gives the same files. The file may be in use.
"""
EXAMPLES = """\
examples:
  pricetime export venue.db --to history
  duckdb -c "select date, sum(quantity_decimal) from 'history/events/*/*.parquet' \\
      where kind = 'TRADE' group by date"
  pricetime export venue-2026.db --to history      an archive, before the file that it is of

Ends with 0, 2 when something cannot be used, 130 after Ctrl-C; what is complete stays.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "export",
        help="write a venue's history as Parquet, in partitions by date",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_file(parser)
    parser.add_argument("--to", metavar="FOLDER", type=Path, required=True, help="made if needed")
    parser.add_argument(
        "--what", choices=WHAT, default="events", help="what to write (default events)"
    )
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Exports one file: 0, or 2 with one line on stderr."""
    return told("export", lambda: _export(options))


class _Rows(NamedTuple):
    """Rows of one date."""

    date: str
    first: int
    """number of the first"""
    last: int
    table: Any


def _export(options: argparse.Namespace) -> int:
    if find_spec("pyarrow") is None:
        raise ToolError("needs pyarrow, which is not installed: pip install 'pricetime[data]'")
    if options.to.exists() and not options.to.is_dir():
        raise ToolError(f"--to {options.to} is no folder")
    kinds = ("events", "commands") if options.what == "both" else (options.what,)
    done: list[str] = []
    try:
        with opened(options.file) as reader, Bar("") as bar:
            for name in picked(reader, options.market):
                for kind in kinds:
                    done.append(_export_one(reader, name, kind, options.to / kind, bar))
    finally:  # not beside the bar, which may share the terminal
        for line in done:
            print(line)
    return 0


def _export_one(
    reader: SqliteReader, name: str, kind: str, folder: Path, bar: Callable[[str, float], None]
) -> str:
    """What was done with the events or the commands of one instrument."""
    lane = reader.lane(name)
    state = lane.state()
    begin, end, column = state.begin_sequence, state.sequence, "sequence"
    if kind == "commands":
        begin, end, column = state.begin, state.end, "number"
    there = last_number(folder, name, column)
    if there > end:
        raise ToolError(
            f"{folder} has {kind} of {name} up to {there}, but {reader.path} ends at {end}: it is "
            "of another venue, or of a later copy of this one"
        )
    if there and there < begin:
        raise ToolError(
            f"{folder} has {kind} of {name} up to {there}, but {reader.path} begins at "
            f"{begin + 1}: export the archive that has what is between them first"
        )
    begin = max(begin, there)
    if begin >= end:
        return f"{name}: no {kind} behind {there:,}, which {folder} has"
    try:
        units = Units(Definition.load(lane.definition).instrument)
    except (ValueError, TypeError, KeyError) as error:
        raise LogDamaged(f"{reader.path}: the definition of {name}: {error}") from None
    columns = Columns(name, units)
    source = _events if kind == "events" else _commands
    with Writer(folder, name) as writer:
        for rows in source(reader, name, columns, begin, end):
            writer.write(rows.date, rows.first, rows.table)
            bar(f"{kind} of {name}", (rows.last - begin) / (end - begin))
        writer.finish()
    return f"{name}: {end - begin:,} {kind} in {writer.files} files, up to {end:,}"


def _events(
    reader: SqliteReader, name: str, columns: Columns, begin: int, end: int
) -> Iterator[_Rows]:
    """The events after a sequence, each under its own date."""
    amounts = Amounts(reader, name)
    held: list[Records] = []
    marks: list[npt.NDArray[np.bool_]] = []
    for batch in reader.events(name, begin):
        held.append(batch.records)
        marks.append(amounts.of(batch))
        if batch.last - begin < ROWS and batch.last < end:
            continue
        begin = batch.last
        records, money = np.concatenate(held), np.concatenate(marks)
        held.clear()
        marks.clear()
        days = records["timestamp"] // DAY_NS
        cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for start, stop in pairwise(cuts):
            first, last = records["sequence"][[start, stop - 1]].tolist()
            table = columns.events(records[start:stop], money[start:stop])
            yield _Rows(_date(days[start]), first, last, table)
        if batch.last >= end:  # what is published meanwhile is for the next time
            return


def _commands(
    reader: SqliteReader, name: str, columns: Columns, begin: int, end: int
) -> Iterator[_Rows]:
    """The commands after a position, a batch under the date on which it was done."""
    days = _days_done(reader, name)
    held: list[Commands] = []
    position, day = -1, None
    for batch in reader.commands(name, begin):
        before = day
        while position < batch.position:
            found = next(days, None)
            if found is None:
                break
            position, day = found
        if held and (day != before or batch.position - begin > ROWS):
            yield _dated(columns, held, before)
        if not held:
            begin = batch.position - len(batch.records)
        held.append(batch)
        if batch.position >= end:
            break
    if held:
        yield _dated(columns, held, day)


def _dated(columns: Columns, held: list[Commands], day: int | None) -> _Rows:
    """Batches as rows of one date; takes them out of the list."""
    records = np.concatenate([batch.records for batch in held])
    tokens = np.concatenate([batch.tokens for batch in held])
    offsets = np.cumsum([0, *(len(batch.records) for batch in held[:-1])])
    tokens["begin"] += np.repeat(offsets, [len(batch.tokens) for batch in held]).astype(np.uint32)
    whole = Commands(records, tokens, held[-1].position)
    held.clear()
    first = whole.position - len(records) + 1
    return _Rows(_date(day or 0), first, whole.position, columns.commands(whole))


def _days_done(reader: SqliteReader, name: str) -> Iterator[tuple[int, int]]:
    """Positions of the book and the days on which it came there. A command's own timestamp may say
    anything."""
    for batch in reader.events(name, reader.head(name).sequence):
        yield batch.position, int(batch.records["timestamp"][-1]) // DAY_NS


def _date(day: int) -> str:
    return str(np.datetime64(int(day), "D"))
