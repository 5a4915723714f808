"""A folder of Parquet files in partitions by date, which grows: `events/date=2026-01-31/….parquet`.

A file is complete and in place, or it has a name that readers pass over (it begins with a dot). Its
name says which instrument it is of and the number of its first row; the footer says the last one.
So the folder itself tells where to go on.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pricetime.tools.venue_file import ToolError

__all__ = ["FILE_ROWS", "Writer", "last_number"]

FILE_ROWS = 1 << 22
"""Rows from which a file ends, though the day goes on."""
GROUP_ROWS = 1 << 17
DIGITS = 12  # of the number in a file's name, so that names sort as numbers do


def _stem(name: str) -> str:
    """An instrument's name as part of a file's name, which readers do not pass over."""
    stem = quote(name, safe="")
    return stem if stem[0] not in "._" else f"%{ord(stem[0]):02X}{stem[1:]}"


def _files(folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    """The complete files of an instrument, by the number of the first row."""
    for path in folder.glob("date=*/*.parquet"):
        stem, _, number = path.stem.rpartition("-")
        if stem == _stem(name) and number.isdecimal():
            yield int(number), path


def last_number(folder: Path, name: str, column: str) -> int:
    """The number of the last row that stands in a folder of an instrument; 0 for none."""
    path = max(_files(folder, name), default=None)
    if path is None:
        return 0
    try:
        footer: Any = import_module("pyarrow.parquet").read_metadata(path[1])
    except ValueError as error:
        raise ToolError(
            f"{path[1]} is no whole Parquet file: remove it, and what it had is written again "
            f"({error})"
        ) from None
    at = footer.schema.to_arrow_schema().get_field_index(column)
    groups = range(footer.num_row_groups)
    return int(max(footer.row_group(group).column(at).statistics.max for group in groups))


class Writer:
    """Writes one instrument's rows; a context that leaves no half file, however it ends."""

    def __init__(self, folder: Path, name: str) -> None:
        self._pa: Any = import_module("pyarrow")
        self._parquet: Any = import_module("pyarrow.parquet")
        self._folder = folder
        self._name = name
        self._date = ""
        self._rows = 0  # of the file
        self._held: list[Any] = []
        self._held_rows = 0
        self._file: Any = None
        self._path = Path()
        self.files = 0  # complete

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._file is not None:
            with suppress(Exception):
                self._file.close()
            self._temporary.unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        return self._path.with_name(f".{self._path.name}.tmp")

    def write(self, date: str, first: int, table: Any) -> None:
        """Takes the next rows, all of one date, and the number of the first."""
        if date != self._date or self._rows >= FILE_ROWS:
            self.finish()
            self._begin(date, first, table.schema)
        self._held.append(table)
        self._held_rows += len(table)
        self._rows += len(table)
        if self._held_rows >= GROUP_ROWS:
            self._write_group()

    def finish(self) -> None:
        """Completes the file that is being written, if there is one."""
        if self._file is None:
            return
        self._write_group()
        self._file.close()
        self._file = None
        _sync(self._temporary)
        os.replace(self._temporary, self._path)
        _sync(self._path.parent)
        self._date = ""
        self.files += 1

    def _begin(self, date: str, first: int, schema: Any) -> None:
        parent = self._folder / f"date={date}"
        parent.mkdir(parents=True, exist_ok=True)
        for above in (parent.parent, parent.parent.parent):
            _sync(above)
        self._path = parent / f"{_stem(self._name)}-{first:0{DIGITS}d}.parquet"
        self._file = self._parquet.ParquetWriter(self._temporary, schema, compression="zstd")
        self._date = date
        self._rows = 0

    def _write_group(self) -> None:
        if self._held:
            table = self._pa.concat_tables(self._held).unify_dictionaries()
            self._held, self._held_rows = [], 0
            self._file.write_table(table, row_group_size=GROUP_ROWS)


def _sync(path: Path) -> None:
    """Has the system put a file, or the names in a folder, on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
