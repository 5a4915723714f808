"""What the tools on a venue file share: opening it, picking instruments, errors as one line."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pricetime.log.errors import LogError
from pricetime.log.sqlite_read import SqliteReader

__all__ = ["ToolError", "add_file", "opened", "picked", "told"]

UNUSABLE = 2
"""Exit code for what cannot be used."""


class ToolError(Exception):
    """What a tool cannot use: the text says what was given, what is allowed and what to do."""


def add_file(parser: argparse.ArgumentParser) -> None:
    """Adds FILE and --market."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the venue's file")
    parser.add_argument(
        "--market",
        metavar="NAME",
        action="append",
        default=[],
        help="only this instrument (repeatable; all without it)",
    )


@contextlib.contextmanager
def opened(path: Path, *, witness: bool = True) -> Iterator[SqliteReader]:
    """A reader of the file, which may be in use; raises LogError."""
    reader = SqliteReader(path, witness=witness)
    try:
        yield reader
    finally:
        reader.close()


def picked(reader: SqliteReader, wanted: list[str]) -> list[str]:
    """The instruments that were asked for, all without names; LogError for one that is not."""
    names = list(reader.lanes())
    for name in wanted:
        if name not in names:
            known = ", ".join(names) or "none"
            raise LogError(f"{reader.path} has no instrument {name!r}; it has {known}")
    return [name for name in names if name in wanted] if wanted else names


def told(command: str, act: Callable[[], int]) -> int:
    """What `act` returns; 2 and a line on stderr where something cannot be used."""
    try:
        return act()
    except BrokenPipeError:
        raise
    except (LogError, ToolError) as error:
        text = str(error)
    except OSError as error:
        text = f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}"
    except UnicodeEncodeError as error:
        text = (
            f"the output's encoding is {error.encoding}, which has no "
            f"{error.object[error.start]!r}: set PYTHONUTF8=1"
        )
    print(f"pricetime {command}: {text}", file=sys.stderr)
    return UNUSABLE
