"""Bytes of a file, packed by gzip or not, from the front to the end and never all at once.

What a file or an option says that cannot be used becomes a `ReplayError` of one line that names the
file and the place in it.  Nothing here seeks, so a pipe does as well as a file.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator

__all__ = ["ReplayError", "Source", "lines"]

BLOCK = 4 << 20  # bytes asked for at once: large enough for numpy, small beside any memory
LINE_LIMIT = 1 << 20  # bytes of one line of text: more than any capture has a use for

PACKED = {  # how other packers begin: named, so that the error can say what was given
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
    b"\x04\x22\x4d\x18": "lz4",
}


class ReplayError(ValueError):
    """What was given and cannot be used, in one line: the file, the place, the value, what is
    allowed.
    """


class Source:
    """A file read from the front: `read`, `peek` and how much of it is done."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self.offset = 0  # bytes given out so far, unpacked
        self._ahead = b""
        try:
            if os.path.isdir(self.path):
                raise ReplayError(f"{self.path}: is a directory; give one file")
            self._raw = open(self.path, "rb")  # noqa: SIM115 (closed by close)
            self.size = os.fstat(self._raw.fileno()).st_size  # bytes on disk; 0 for a pipe
            start = self._raw.peek(8)[:8]
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ReplayError(f"{self.path}: {reason}") from None
        for magic, packer in PACKED.items():
            if start.startswith(magic):
                self.close()
                raise ReplayError(
                    f"{self.path}: packed by {packer}; give it as it is or packed by gzip"
                )
        self.packed = start.startswith(b"\x1f\x8b")
        self._file: io.BufferedIOBase = self._raw
        if self.packed:
            self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()

    @property
    def fraction(self) -> float:
        """How much of the file is read, 0 to 1 (for a progress bar alone); 0 for a pipe."""
        if not self.size:
            return 0.0
        return min(1.0, self._raw.tell() / self.size)

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end of the file only."""
        parts, missing = [self._ahead[:size]], size - len(self._ahead)
        self._ahead = self._ahead[size:]
        while missing > 0:
            part = self._take(missing)
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        self.offset += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer at the end), which stay to be read."""
        while len(self._ahead) < size:
            part = self._take(size - len(self._ahead))
            if not part:
                break
            self._ahead += part
        return self._ahead[:size]

    def _take(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except EOFError:
            what = "the gzip data ends too early"
        except (gzip.BadGzipFile, zlib.error) as error:
            what = f"the gzip data is damaged ({str(error).lower()})"
        except OSError as error:
            what = (error.strerror or str(error)).lower()
        raise ReplayError(
            f"{self.path}: {what}, {self._file.tell():,} bytes unpacked; get the file again, "
            "or unpack what is whole and replay that"
        )


def lines(source: Source, *, size: int = BLOCK) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, each ending with a newline, and the number of their first, from 1."""
    rest, number = b"", 1
    while True:
        data = source.read(size)
        if not data:
            break
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest += data
            if len(rest) > LINE_LIMIT:
                raise ReplayError(
                    f"{source.path}:{number}: a line of more than {LINE_LIMIT:,} bytes; not a text "
                    "file"
                )
            continue
        block = rest + data[:cut]
        rest = data[cut:]
        yield block, number
        number += block.count(b"\n")
    if rest:
        yield rest + b"\n", number
