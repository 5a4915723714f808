"""Who holds a venue file, and how much of it was acknowledged: the small file `….lock` beside it.

One process at a time may write to a venue. It holds an advisory lock (flock) on the lock file,
which the system lets go when the process ends, however it ends. Readers need no lock.

The lock file also bears witness: behind each durable commit stands its number. SQLite takes the
first damaged frame of its write-ahead log for the end of it, as after a power cut, so that a bit
flipped there would silently take acknowledged commits away; a file that has fewer commits than its
witness says is damaged.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pricetime.log.errors import LogBusy, LogError

__all__ = ["Holder", "followed", "witness_path", "witnessed"]

SIZE = 64  # bytes; written in place, so that a full disk does not matter


def followed(path: str | Path) -> Path:
    """The file itself where a path is a symbolic link: its lock and its write-ahead log are beside
    that one, whatever way leads there."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)


def witness_path(path: Path) -> Path:
    """Where the lock file of a venue file is."""
    return path.with_name(path.name + ".lock")


def witnessed(path: Path) -> int:
    """How many commits were acknowledged as durable, as far as anybody knows."""
    try:
        return _parse(witness_path(path).read_bytes()).commits
    except OSError:
        return 0


class Witness(NamedTuple):
    """What a lock file says."""

    pid: int
    commits: int
    """acknowledged as being on the disk"""


def _parse(text: bytes) -> Witness:
    """What a lock file says; 0 for what is not there or not readable."""
    fields = text.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return Witness(0, 0)
    return Witness(int(fields[0]), int(fields[1]))


class Holder:
    """The right to write to a venue file; raises LogBusy where another has it."""

    def __init__(self, path: Path) -> None:
        self.lock_path = witness_path(path)
        try:
            import fcntl
        except ImportError:
            raise LogError(f"cannot hold {path}: this system has no flock, as Unix has") from None
        try:
            self._file = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LogError(f"cannot open {self.lock_path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _parse(os.pread(self._file, SIZE, 0)).pid
            os.close(self._file)
            who = "this process" if pid == os.getpid() else f"process {pid}" if pid else "another"
            raise LogBusy(
                f"{path} is held by {who}: close it there first; one venue at a time may write to a"
                " file, while readers (pricetime log, verify, export) may read beside it"
            ) from None
        self.commits = _parse(os.pread(self._file, SIZE, 0)).commits

    def acknowledge(self, commits: int) -> None:
        """Bears witness that so many commits are on the disk."""
        self.commits = commits
        with suppress(OSError):  # the commits stand; only this proof of them does not
            os.pwrite(self._file, f"{os.getpid()} {commits}\n".ljust(SIZE).encode(), 0)

    def close(self) -> None:
        """Lets another process have the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
