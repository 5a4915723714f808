"""A book's state as canonical bytes, and its name.

Layout, little-endian: `HEADER`; a record of `ORDER` for every live order (buys in the order in
which they would trade, then sells, then those that wait and those that sleep, by time); a record of
`SWITCH` for every armed switch and of `PLAN` for every change of phase to come, in the order in
which they fall due; then a BLAKE2b checksum of 16 bytes over all before it. Nothing in it depends
on where the book keeps an order or on how it got there.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from pricetime.records import ORDER, Parameter

__all__ = [
    "CHECKSUM_BYTES",
    "FORMAT_VERSION",
    "HEADER",
    "PLAN",
    "SWITCH",
    "State",
    "decode",
    "encode",
    "state_hash",
]

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
        ("auction_end", "<i8"),  # nanoseconds, of the auction that a band has called; 0: none
        ("auction_sequence", "<u8"),  # of the event that set it
        ("orders_max", "<u8"),
        ("orders", "<u8"),  # records that follow, of each kind
        ("switches", "<u8"),
        ("plans", "<u8"),
        ("parameter", "<i8", len(Parameter)),  # by Parameter, from 1
    ]
)

SWITCH = np.dtype(
    [
        ("account", "<u4"),
        ("expires", "<u4"),  # seconds since the epoch
        ("sequence", "<u8"),  # of the event that armed it
    ]
)

PLAN = np.dtype(
    [
        ("time", "<i8"),  # nanoseconds since the epoch
        ("sequence", "<u8"),  # of the event that acknowledged it
        ("phase", "<u4"),  # Phase
        ("reserved", "<u4"),  # 0
    ]
)


class State(NamedTuple):
    """What a checkpoint holds."""

    header: np.ndarray
    """one record of HEADER"""
    orders: np.ndarray
    """records of ORDER"""
    switches: np.ndarray
    """records of SWITCH"""
    plans: np.ndarray
    """records of PLAN"""


PARTS = {"orders": ORDER, "switches": SWITCH, "plans": PLAN}
"""What follows the header, each with its count there."""


def _checksum(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def encode(state: State) -> bytes:
    """The checkpoint of a state whose parts are in canonical order."""
    header, *parts = state
    header["magic"] = MAGIC
    header["version"] = FORMAT_VERSION
    for name, part in zip(PARTS, parts, strict=True):
        header[name] = len(part)
    body = b"".join([header.tobytes(), *(part.tobytes() for part in parts)])
    return body + _checksum(body)


def decode(data: bytes | bytearray | memoryview) -> State:
    """The state in a checkpoint; a ValueError says what is wrong with the bytes."""
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
    counts = [int(header[name][0]) for name in PARTS]
    sizes = [count * dtype.itemsize for count, dtype in zip(counts, PARTS.values(), strict=True)]
    if len(view) != least + sum(sizes):
        raise ValueError(
            f"the checkpoint has {len(view)} bytes, but {counts[0]} orders, {counts[1]} switches "
            f"and {counts[2]} plans make {least + sum(sizes)}"
        )
    parts = []
    begin = HEADER.itemsize
    for size, dtype in zip(sizes, PARTS.values(), strict=True):
        parts.append(np.frombuffer(view[begin : begin + size], dtype))
        begin += size
    return State(header.copy(), *parts)


def stamps(state: State) -> np.ndarray:
    """The sequences of all events that gave something its time, sorted."""
    orders = state.orders
    moved = orders["priority"][orders["priority"] != orders["accepted"]]
    return np.sort(np.concatenate([_set(state), moved]))


def _set(state: State) -> np.ndarray:
    """The sequences of the events that set what may fall due: orders, switches, plans, the end of
    an auction."""
    end = state.header["auction_sequence"]
    parts = [state.orders["accepted"], state.switches["sequence"], state.plans["sequence"]]
    return np.concatenate([*parts, end[end != 0]])


def _ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value, from 1; they all differ."""
    ranks = np.empty(len(values), np.uint64)
    ranks[np.argsort(values)] = np.arange(1, len(values) + 1, dtype=np.uint64)
    return ranks


def state_hash(state: State) -> str:
    """32 hexadecimal digits that name the state.

    Two books of one name answer every future command with the same events, but for the numbers that
    count events, commands and trades: these are left out, and of the times only which came first is
    kept.
    """
    ranks = _ranks(_set(state))
    header, orders, switches, plans = (part.copy() for part in state)
    for name in COUNTERS:
        header[name] = 0
    ends = np.cumsum([len(orders), len(switches), len(plans)])
    orders["accepted"], switches["sequence"], plans["sequence"], end = np.split(ranks, ends)
    header["auction_sequence"] = end if len(end) else 0
    orders["priority"] = _ranks(orders["priority"])
    parts = (header, orders, switches, plans)
    return _checksum(b"".join(part.tobytes() for part in parts)).hex()
