"""Writing a file's bytes anew: what the operating system shows of it is then on the disk.

After a sync that has failed a system may show what it could not write, and count it as written:
nobody's next sync tries again. A process that met this knows; one that opens the file when that one
has died does not. It would take the commits that it sees in a write-ahead log for durable, and put
others behind them; then a power cut would uncover the hole, and all behind it would be gone.
"""

import os
from pathlib import Path

from pricetime.log.errors import LogError

__all__ = ["renew"]

PIECE_BYTES = 1 << 20


def renew(path: Path) -> None:
    """Writes a file's bytes anew, if it is there, and syncs them; nobody else may write to it
    meanwhile. Raises LogError where the disk refuses."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogError(f"cannot open {path} to write it anew: {error.strerror}") from None
    try:
        at = 0
        while data := os.pread(file, PIECE_BYTES, at):
            at += os.pwrite(file, data, at)
        os.fsync(file)
    except OSError as error:
        raise LogError(
            f"cannot write {path} anew: {error.strerror}; is its disk failing?"
        ) from None
    finally:
        os.close(file)
