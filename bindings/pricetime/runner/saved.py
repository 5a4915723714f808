"""A runner's state as bytes: its book's checkpoint, its place in the log, its tokens.

Little-endian: magic `PTRUNNER`, version (u4), number of tokens (u4), position in the log (u8), a
BLAKE2b checksum of 16 bytes over these and the tokens, the tokens (ROW), the book's checkpoint
(which has a checksum of its own).
"""

import hashlib
import struct
from typing import NamedTuple

from pricetime._book import Book
from pricetime.checkpoint import FORMAT_VERSION
from pricetime.log.errors import LogDamaged, LogVersion
from pricetime.runner.tokens import ROW, Tokens

__all__ = ["SAVED_VERSION", "Saved", "pack", "parts", "unpack"]

SAVED_VERSION = 1
MAGIC = b"PTRUNNER"
HEADER = struct.Struct("<8sIIQ")
CHECKSUM_BYTES = 16
PART_BYTES = 1 << 19
"""Most bytes of one part of a checkpoint, as logs store them."""
BOOK_VERSION = struct.Struct("<8sI")  # how the checkpoint of a book begins


class Saved(NamedTuple):
    """What a runner goes on from."""

    book: Book
    tokens: Tokens
    position: int


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def pack(saved: Saved) -> bytes:
    """The bytes of a runner's state."""
    tokens = saved.tokens.pack()
    header = HEADER.pack(MAGIC, SAVED_VERSION, len(saved.tokens), saved.position)
    return b"".join([header, _checksum(header + tokens), tokens, saved.book.checkpoint()])


def parts(data: bytes) -> list[bytes]:
    """A state's bytes in the parts in which a log stores them."""
    return [data[i : i + PART_BYTES] for i in range(0, len(data), PART_BYTES)]


def unpack(data: bytes, where: str) -> Saved:
    """The state in these bytes; raises LogDamaged, and LogVersion for one of a newer release."""
    if len(data) < HEADER.size or data[:8] != MAGIC:
        raise LogDamaged(f"{where}: this is no checkpoint of a runner")
    _, version, count, position = HEADER.unpack_from(data)
    if version != SAVED_VERSION:
        raise _newer(where, "runner's", version, SAVED_VERSION)
    begin = HEADER.size + CHECKSUM_BYTES
    end = begin + count * ROW.size
    tokens = data[begin:end]
    if _checksum(data[: HEADER.size] + tokens) != data[HEADER.size : begin]:
        raise LogDamaged(f"{where}: its checksum does not match its bytes")
    if len(data) >= end + BOOK_VERSION.size:
        book_version = BOOK_VERSION.unpack_from(data, end)[1]
        if book_version > FORMAT_VERSION:
            raise _newer(where, "book's", book_version, FORMAT_VERSION)
    try:
        book = Book.restore(memoryview(data)[end:])
    except ValueError as error:
        raise LogDamaged(f"{where}: {error}") from None
    return Saved(book, Tokens.unpack(tokens), position)


def _newer(where: str, whose: str, version: int, known: int) -> LogVersion:
    return LogVersion(
        f"{where}: the {whose} format {version} is not known, this release reads {known}: it was "
        "written by a newer release, use that one"
    )
