"""Batches of records as the bytes that a log stores and a message carries.

A batch is a header of 64 bytes, then its parts. Little-endian; the CRC is CRC-32C over the whole
batch, taken with 0 in its own place. In version 1, which is still read, it was that of zlib.crc32.

    0   magic      4 bytes  b"PTIM"
    4   version    u2       2
    6   kind       u1       1 commands, 2 events, 3 a part of a checkpoint
    7   reserved   u1       0
    8   crc        u4
    12  count      u4       records; of a checkpoint's part its bytes
    16  first      u8       commands: the position before them; events: the first one's sequence;
                            part: which one, from 0
    24  position   u8       the position behind them; part: of the checkpoint. Where the log has
                            positions of its own, as Kafka has, commands have 0 in both
    32  stream     8 bytes  BLAKE2b of the instrument's name: no batch passes for another book's
    40  tokens     u4       commands: TOKEN records before them; part: how many parts there are
    44  reserved   u4       0
    48  digest     16 bytes events: the state hash of the book behind them; zeros: not taken

A commands batch goes on with its tokens and its commands, an events batch with its events.
"""

import hashlib
import struct
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pricetime._crc import crc32c
from pricetime.log.errors import LogDamaged, LogVersion
from pricetime.records import COMMAND, EVENT

__all__ = [
    "BATCH_VERSION",
    "HEADER_BYTES",
    "NO_TOKENS",
    "TOKEN",
    "BatchKind",
    "Commands",
    "Events",
    "Part",
    "cut_events",
    "first_difference",
    "pack_commands",
    "pack_events",
    "pack_part",
    "records_bytes",
    "stream_key",
    "unpack_commands",
    "unpack_events",
    "unpack_part",
]

Records = npt.NDArray[np.void]

MAGIC = b"PTIM"
BATCH_VERSION = 2
CHECKSUMS = {1: crc32, BATCH_VERSION: crc32c}
HEADER = struct.Struct("<4sHBBIIQQ8sII16s")
HEADER_BYTES = HEADER.size
CRC_BEGIN, CRC_END = 8, 12
NO_DIGEST = bytes(16)

TOKEN = np.dtype(
    [
        ("key", "<u8", 2),  # BLAKE2b of what the client gave
        ("begin", "<u4"),  # its first command's place in the batch
        ("count", "<u4"),  # its commands, from 1
        ("crc", "<u4"),  # of the commands as the client gave them, without ids and times of ours
        ("reserved", "<u4"),  # 0
    ]
)
"""A client's mark on some commands of a batch, by which a second sending is known: 32 bytes."""

NO_TOKENS: Records = np.empty(0, TOKEN)
NO_TOKENS.flags.writeable = False


class BatchKind(IntEnum):
    """What a batch holds."""

    COMMANDS = 1
    EVENTS = 2
    PART = 3


class Commands(NamedTuple):
    """Commands that follow each other in the log."""

    records: Records
    """COMMAND"""
    tokens: Records
    """TOKEN, by ascending `begin`"""
    position: int
    """where in the log they end: what a reader asks for to get what follows"""


class Events(NamedTuple):
    """Events that follow each other."""

    records: Records
    """EVENT, at least one"""
    position: int
    """where in the log of commands the book stands behind them; of what is only a first part of the
    events of a batch of commands, that of the events before"""
    digest: str
    """the state hash of the book behind them, or "" """

    @property
    def first(self) -> int:
        """Sequence of the first event."""
        return int(self.records["sequence"][0])

    @property
    def last(self) -> int:
        """Sequence of the last event."""
        return int(self.records["sequence"][-1])


def cut_events(batch: Events, after: int) -> Events:
    """The batch without the events up to a sequence."""
    if batch.first > after:
        return batch
    return batch._replace(records=batch.records[after + 1 - batch.first :])


def first_difference(ours: Records, theirs: Records) -> int | None:
    """The place of the first record that is not the same, byte for byte, in arrays of one length;
    None if all are."""
    words = [np.ascontiguousarray(records).view(np.uint64) for records in (ours, theirs)]
    differ = words[0] != words[1]
    if not differ.any():
        return None
    return int(np.argmax(differ.reshape(len(ours), -1).any(axis=1)))


class Part(NamedTuple):
    """A piece of a checkpoint."""

    data: bytes
    number: int
    """from 0"""
    parts: int
    """how many make the whole"""
    position: int
    """where in the log of commands the book stood"""


class _Header(NamedTuple):
    magic: bytes
    version: int
    kind: int
    reserved: int
    crc: int
    records: int
    first: int
    position: int
    stream: bytes
    tokens: int
    reserved_last: int
    digest: bytes


@lru_cache(maxsize=4096)
def stream_key(name: str) -> bytes:
    """The 8 bytes by which a batch names its instrument."""
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def _pack(
    kind: BatchKind,
    stream: str,
    count: int,
    body: list[bytes | memoryview],
    *,
    first: int = 0,
    position: int = 0,
    tokens: int = 0,
    digest: bytes = NO_DIGEST,
) -> bytes:
    fields = (count, first, position, stream_key(stream), tokens, 0, digest)
    crc = crc32c(HEADER.pack(MAGIC, BATCH_VERSION, kind, 0, 0, *fields))
    for part in body:
        crc = crc32c(part, crc)
    return b"".join([HEADER.pack(MAGIC, BATCH_VERSION, kind, 0, crc, *fields), *body])


def _unpack(data: bytes, kind: BatchKind, stream: str, where: str) -> _Header:
    """The header of a whole batch; raises LogDamaged or LogVersion, which begin with `where`."""
    if not isinstance(data, bytes):  # a flipped bit can make a column of SQLite text or a number
        raise LogDamaged(f"{where}: a {type(data).__name__} is no batch, which is bytes")
    if len(data) < HEADER_BYTES:
        raise LogDamaged(f"{where}: {len(data)} bytes are no batch, which has {HEADER_BYTES}")
    header = _Header._make(HEADER.unpack_from(data))
    if header.magic != MAGIC:
        raise LogDamaged(f"{where}: it begins with {header.magic!r}, not with {MAGIC!r}")
    checksum = CHECKSUMS.get(header.version, crc32c)
    crc = checksum(memoryview(data)[:CRC_BEGIN])
    crc = checksum(memoryview(data)[CRC_END:], checksum(bytes(4), crc))
    if header.version not in CHECKSUMS and crc == header.crc:
        raise LogVersion(
            f"{where}: batch format {header.version} is not known: this release reads formats up "
            f"to {BATCH_VERSION}; read it with the release that wrote it, or a later one"
        )
    if crc != header.crc:
        raise LogDamaged(f"{where}: its checksum {header.crc:08x} does not match its bytes")
    if header.kind != kind:
        raise LogDamaged(f"{where}: it is of kind {header.kind}, not {kind} ({kind.name})")
    if header.stream != stream_key(stream):
        raise LogDamaged(f"{where}: it belongs to another instrument")
    return header


def _records(data: bytes, dtype: np.dtype, count: int, begin: int, where: str) -> Records:
    """`count` records from a place in a batch to its end."""
    if len(data) != begin + count * dtype.itemsize:
        raise LogDamaged(
            f"{where}: {len(data)} bytes, but its {count} records make "
            f"{begin + count * dtype.itemsize}"
        )
    return np.frombuffer(data, dtype, count, begin)


def records_bytes(records: Records) -> memoryview:
    """The bytes of records, without a copy where they lie together."""
    return np.ascontiguousarray(records).view(np.uint8).data


def pack_commands(stream: str, batch: Commands, first: int = 0) -> bytes:
    """The bytes of commands; `first`: how many stand before them in the log, if that is known."""
    body: list[bytes | memoryview] = [records_bytes(batch.records)]
    if len(batch.tokens):
        body.insert(0, records_bytes(batch.tokens))
    return _pack(
        BatchKind.COMMANDS,
        stream,
        len(batch.records),
        body,
        first=first,
        position=batch.position,
        tokens=len(batch.tokens),
    )


def unpack_commands(data: bytes, stream: str, where: str) -> Commands:
    """The commands in a batch's bytes; raises LogDamaged or LogVersion."""
    header = _unpack(data, BatchKind.COMMANDS, stream, where)
    begin = HEADER_BYTES + header.tokens * TOKEN.itemsize
    records = _records(data, COMMAND, header.records, begin, where)
    if not header.tokens:
        return Commands(records, NO_TOKENS, header.position)
    tokens = np.frombuffer(data, TOKEN, header.tokens, HEADER_BYTES)
    ends = tokens["begin"].astype(np.uint64) + tokens["count"]
    apart = np.all(tokens["begin"][1:] >= ends[:-1])
    if not apart or np.any(ends > len(records)) or np.any(tokens["count"] == 0):
        raise LogDamaged(f"{where}: a token marks commands that are not there or not its own")
    return Commands(records, tokens, header.position)


def pack_events(stream: str, batch: Events) -> bytes:
    """The bytes of events."""
    return _pack(
        BatchKind.EVENTS,
        stream,
        len(batch.records),
        [records_bytes(batch.records)],
        first=batch.first,
        position=batch.position,
        digest=bytes.fromhex(batch.digest) if batch.digest else NO_DIGEST,
    )


def unpack_events(data: bytes, stream: str, where: str) -> Events:
    """The events in a batch's bytes; raises LogDamaged or LogVersion."""
    header = _unpack(data, BatchKind.EVENTS, stream, where)
    records = _records(data, EVENT, header.records, HEADER_BYTES, where)
    if not len(records):
        raise LogDamaged(f"{where}: it holds no events")
    numbers = np.arange(len(records), dtype=np.uint64) + np.uint64(header.first)
    if not (records["sequence"] == numbers).all():
        raise LogDamaged(f"{where}: its events are not numbered {header.first} and on")
    digest = header.digest.hex() if header.digest != NO_DIGEST else ""
    return Events(records, header.position, digest)


def pack_part(stream: str, part: Part) -> bytes:
    """The bytes of a piece of a checkpoint."""
    return _pack(
        BatchKind.PART,
        stream,
        len(part.data),
        [part.data],
        first=part.number,
        position=part.position,
        tokens=part.parts,
    )


def unpack_part(data: bytes, stream: str, where: str) -> Part:
    """The piece of a checkpoint in a batch's bytes; raises LogDamaged or LogVersion."""
    header = _unpack(data, BatchKind.PART, stream, where)
    if len(data) != HEADER_BYTES + header.records:
        raise LogDamaged(f"{where}: {len(data)} bytes, not {HEADER_BYTES + header.records}")
    return Part(data[HEADER_BYTES:], header.first, header.tokens, header.position)
