"""Files that a replay writes: whole and in place at the end, or not at all.

Everything goes to a temporary name beside the target and is renamed once it is complete, so that an
interrupted run leaves nothing half written and the file of an earlier run stays.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import EVENT
from pricetime.replay.source import ReplayError

__all__ = ["EventFile", "check_target", "replacing", "require"]

HEADER = 1024  # bytes of a .npy header: room for any count, and a multiple of 64
ROW_GROUP = 1 << 17  # events of one row group of a Parquet file
EXTRAS = {"matplotlib": "data", "pyarrow": "data", "rich": "cli"}


def require(module: str, purpose: str) -> None:
    """Raises unless the module of an extra is installed."""
    if find_spec(module) is None:
        extra = EXTRAS[module]
        raise ReplayError(
            f"{purpose} needs {module}, which is not installed: pip install 'pricetime[{extra}]'"
        )


def check_target(path: str, option: str, endings: tuple[str, ...]) -> str:
    """The ending of a file to be written, if it is one of these and its folder can take it."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in endings:
        given = f"ends in {ending}" if ending else "has no ending"
        raise ReplayError(f"{option} {path} {given}; allowed: {', '.join(endings)}")
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise ReplayError(f"{option} {path} is a directory; give a file in it")
    if not os.path.isdir(folder):
        raise ReplayError(f"{option} {path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise ReplayError(f"{option} {path}: the directory {folder} cannot be written to")
    return ending


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """A temporary name beside `path`, renamed to it at the end; removed if anything goes wrong."""
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    handle, temporary = tempfile.mkstemp(prefix=f".{stem}.", suffix=ending, dir=folder or ".")
    os.close(handle)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # as any new file; mkstemp's are private
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


class EventFile:
    """Events as they come, to .npy or .parquet; with several books each has its instrument beside
    it.
    """

    def __init__(self, path: str, ending: str, *, several: bool):
        self.count = 0
        self._dtype = np.dtype([*EVENT.descr, ("stock", "S8")]) if several else EVENT
        self._parquet = ending == ".parquet"
        self._held: list[NDArray[np.void]] = []
        self._holding = 0
        if self._parquet:
            self._writer = self._open_parquet(path)
        else:
            self._file = open(path, "wb")  # noqa: SIM115 (closed by finish)
            self._file.write(self._header())

    def write(self, events: NDArray[np.void], book: str) -> None:
        """Takes the next events of a book."""
        rows = np.empty(len(events), self._dtype)
        if self._dtype == EVENT:
            rows[:] = events
        else:
            for name in EVENT.names or ():
                rows[name] = events[name]
            rows["stock"] = book.encode()
        self.count += len(rows)
        if not self._parquet:
            self._file.write(rows.tobytes())
            return
        self._held.append(rows)
        self._holding += len(rows)
        if self._holding >= ROW_GROUP:
            self._write_group()

    def finish(self) -> None:
        """Completes the file."""
        if self._parquet:
            self._write_group()
            self._writer.close()
            return
        self._file.seek(0)
        self._file.write(self._header())
        self.close()

    def close(self) -> None:
        """Lets go of a file that will not be completed."""
        if self._parquet:
            with contextlib.suppress(Exception):
                self._writer.close()
        else:
            self._file.close()

    def _header(self) -> bytes:
        """The .npy header, always as long, so that the count can be put in at the end."""
        description = {"descr": self._dtype.descr, "fortran_order": False, "shape": (self.count,)}
        text = repr(description).encode("latin1")
        lead = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
        return lead + text.ljust(HEADER - 11) + b"\n"

    def _open_parquet(self, path: str) -> Any:
        pa: Any = import_module("pyarrow")
        stock = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(
            (name, stock if name == "stock" else pa.from_numpy_dtype(self._dtype[name]))
            for name in self._dtype.names or ()
        )
        return import_module("pyarrow.parquet").ParquetWriter(path, self._schema)

    def _write_group(self) -> None:
        if not self._holding:
            return
        pa: Any = import_module("pyarrow")
        rows = np.concatenate(self._held)
        self._held, self._holding = [], 0
        columns = []
        for field in self._schema:
            values = np.ascontiguousarray(rows[field.name])
            if field.name == "stock":
                columns.append(pa.array(values.astype("U8")).dictionary_encode())
            else:
                columns.append(pa.array(values))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
