"""A book's state as canonical bytes, and its name.

Layout, little-endian: `HEADER`, then a record of `ORDER` for every live order (buys from the best
price, then sells from the best, first in time first), then a BLAKE2b checksum of 16 bytes over all
before it. Nothing in it depends on where the book keeps an order or on how it got there.
"""

import hashlib

import numpy as np

from pricetime.records import ORDER, Parameter

__all__ = ["CHECKSUM_BYTES", "FORMAT_VERSION", "HEADER", "decode", "encode", "state_hash"]

MAGIC = b"PRICETIM"
FORMAT_VERSION = 1
CHECKSUM_BYTES = 16
COUNTERS = ("commands", "sequence", "trades", "id_max")
"""Header fields that number what has been and decide nothing that comes."""

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("phase", "u1"),  # Phase
        ("last_known", "u1"),  # 1: there was a trade
        ("reserved", "<u2"),  # 0
        ("commands", "<u8"),
        ("sequence", "<u8"),
        ("trades", "<u8"),
        ("id_max", "<u8"),  # the highest id accepted so far
        ("timestamp", "<i8"),  # engine time, nanoseconds
        ("last_price", "<i8"),  # ticks; 0 where there was no trade
        ("orders_max", "<u8"),
        ("orders", "<u8"),  # records that follow
        ("parameter", "<i8", len(Parameter)),  # by Parameter, from 1
    ]
)


def _checksum(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def encode(header: np.ndarray, orders: np.ndarray) -> bytes:
    """The checkpoint of a state: one record of `HEADER`, and its live orders in canonical order."""
    header["magic"] = MAGIC
    header["version"] = FORMAT_VERSION
    header["orders"] = len(orders)
    body = header.tobytes() + orders.tobytes()
    return body + _checksum(body)


def decode(data: bytes | bytearray | memoryview) -> tuple[np.ndarray, np.ndarray]:
    """Header and orders of a checkpoint; a ValueError says what is wrong with the bytes."""
    view = memoryview(data).cast("B")
    least = HEADER.itemsize + CHECKSUM_BYTES
    if len(view) < least:
        raise ValueError(
            f"{len(view)} bytes are too few for a checkpoint, which has at least {least}"
        )
    header = np.frombuffer(view, HEADER, 1)
    if header["magic"][0] != MAGIC:
        raise ValueError(
            f"this is no checkpoint: it begins with {bytes(view[:8])!r}, not {MAGIC!r}"
        )
    version = int(header["version"][0])
    if version != FORMAT_VERSION:
        raise ValueError(
            f"checkpoint format {version} is not known: this release reads format {FORMAT_VERSION}"
        )
    if _checksum(view[:-CHECKSUM_BYTES]) != view[-CHECKSUM_BYTES:]:
        raise ValueError("the checkpoint is damaged: its checksum does not match its bytes")
    expected = least + int(header["orders"][0]) * ORDER.itemsize
    if len(view) != expected:
        raise ValueError(
            f"the checkpoint has {len(view)} bytes, "
            f"but {int(header['orders'][0])} orders make {expected}"
        )
    return header.copy(), np.frombuffer(view[HEADER.itemsize : -CHECKSUM_BYTES], ORDER)


def _ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value, from 1; they all differ."""
    ranks = np.empty(len(values), np.uint64)
    ranks[np.argsort(values)] = np.arange(1, len(values) + 1, dtype=np.uint64)
    return ranks


def state_hash(header: np.ndarray, orders: np.ndarray) -> str:
    """32 hexadecimal digits that name the state.

    Two books of one name answer every future command with the same events, but for the numbers that
    count events, commands and trades: these are left out, and of the orders' times only which came
    first is kept.
    """
    for name in COUNTERS:
        header[name] = 0
    orders = orders.copy()
    for name in ("accepted", "priority"):
        orders[name] = _ranks(orders[name])
    return _checksum(header.tobytes() + orders.tobytes()).hex()
