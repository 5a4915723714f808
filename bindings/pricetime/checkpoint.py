"""A book's state as canonical bytes, and its name.

Layout, little-endian:

    HEADER           256 bytes
    PLAIN             64 for every live order: buys in the order in which they would trade, then
                      sells, then those that wait and those that sleep, by time
    EXTRA             56 for every order that has more to say, in the same order
    SWITCH            16 for every armed switch, in the order in which they fall due
    PLAN              24 for every change of phase to come, in the order in which they fall due
    checksum          16 BLAKE2b over all before it

An order's PLAIN and EXTRA fields together are those of `ORDER`. It has an extra record where not
all that remains of it is displayed, or where another of these fields is not 0, and only there: so a
plain order takes 64 bytes, and 120 one that hides, waits, sleeps or is linked. Nothing depends on
where the book keeps an order or on how it got there: a state has one checkpoint.
"""

import hashlib
from typing import Literal, NamedTuple

import numpy as np

from pricetime.records import Parameter

__all__ = [
    "CHECKSUM_BYTES",
    "EXTRA",
    "FORMAT_VERSION",
    "HEADER",
    "PLAIN",
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
RUNS: Literal["stable"] = "stable"
"""The kind of sort that is quick where much is in order: times rise along each queue, and
priorities nearly do in the order of acceptance."""
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
        ("extras", "<u8"),
        ("switches", "<u8"),
        ("plans", "<u8"),
        ("parameter", "<i8", len(Parameter)),  # by Parameter, from 1
    ]
)

PLAIN = np.dtype(
    [
        ("order_id", "<u8"),
        ("price", "<i8"),  # ticks; 0 of a market order; of a trailing limit that waits its distance
        ("quantity", "<i8"),  # lots, traded plus remaining
        ("remaining", "<i8"),  # lots
        ("accepted", "<u8"),  # sequence of the event that accepted it
        ("priority", "<u8"),  # sequence of the event that gave it its place in time
        ("account", "<u4"),
        ("expires", "<u4"),  # seconds since the epoch; 0 unless tif is GTD
        ("side", "u1"),  # Side
        ("order_type", "u1"),  # OrderType
        ("tif", "u1"),  # TIF
        ("stp", "u1"),  # STP
        ("flags", "<u2"),  # Flag
        ("state", "u1"),  # OrderState
        ("marks", "u1"),  # Mark
    ]
)

EXTRA = np.dtype(
    [
        ("place", "<u8"),  # of its order among the orders, from 0
        ("displayed", "<i8"),  # lots; of an order without this record all that remains
        ("trigger", "<i8"),  # ticks; 0: none
        ("reference", "<i8"),  # ticks, of a trailing stop; 0 of others
        ("slot", "<u8"),  # lots, peak or minimum; 0: neither
        ("partner", "<u8"),  # order id; 0: none
        ("parent", "<u8"),  # order id; 0: none
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
    """records of PLAIN"""
    extras: np.ndarray
    """records of EXTRA"""
    switches: np.ndarray
    """records of SWITCH"""
    plans: np.ndarray
    """records of PLAN"""


PARTS = {"orders": PLAIN, "extras": EXTRA, "switches": SWITCH, "plans": PLAN}
"""What follows the header, each with its count there."""


def _checksum(*parts: memoryview) -> bytes:
    checksum = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
    for part in parts:
        checksum.update(part)
    return checksum.digest()


def encode(state: State) -> bytes:
    """The checkpoint of a state whose parts are in canonical order."""
    header, *parts = state
    header["magic"] = MAGIC
    header["version"] = FORMAT_VERSION
    for name, part in zip(PARTS, parts, strict=True):
        header[name] = len(part)
    written = [part.data for part in state]
    return b"".join([*written, _checksum(*written)])


def decode(data: bytes | bytearray | memoryview) -> State:
    """The state in a checkpoint; a ValueError says what is wrong with the bytes."""
    # Of what others may change meanwhile, or what is not aligned, a copy.
    view = memoryview(data if type(data) is bytes else bytes(memoryview(data).cast("B")))
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
        told = ", ".join(f"{count} {name}" for count, name in zip(counts, PARTS, strict=True))
        raise ValueError(
            f"the checkpoint has {len(view)} bytes, but {told} make {least + sum(sizes)}"
        )
    parts = []
    begin = HEADER.itemsize
    for size, dtype in zip(sizes, PARTS.values(), strict=True):
        parts.append(np.frombuffer(view[begin : begin + size], dtype))
        begin += size
    state = State(header.copy(), *parts)
    _check_extras(state)
    return state


def _check_extras(state: State) -> None:
    """That each extra record belongs to one order, in order, and says something of it."""
    orders, extras = state.orders, state.extras
    places = extras["place"]
    if not np.all(places[1:] > places[:-1]):
        raise ValueError("the checkpoint's extras are not in the order of their orders")
    if len(places) and places[-1] >= len(orders):
        raise ValueError(
            f"the checkpoint has an extra for the order at place {places[-1]}, but {len(orders)} "
            "orders, whose places begin at 0"
        )
    silent = extras["displayed"] == orders["remaining"][places]
    for name in ("trigger", "reference", "slot", "partner", "parent"):
        silent &= extras[name] == 0
    if np.any(silent):
        order_id = orders["order_id"][places[silent][0]]
        raise ValueError(f"the checkpoint has an extra for order {order_id} that says nothing")


def stamps(state: State) -> np.ndarray:
    """The sequences of all events that gave something its time, sorted."""
    orders = state.orders
    moved = orders["priority"][orders["priority"] != orders["accepted"]]
    return np.sort(np.concatenate([_set(state), moved]), kind=RUNS)


def _set(state: State) -> np.ndarray:
    """The sequences of the events that set what may fall due: orders, switches, plans, the end of
    an auction."""
    end = state.header["auction_sequence"]
    parts = [state.orders["accepted"], state.switches["sequence"], state.plans["sequence"]]
    return np.concatenate([*parts, end[end != 0]])


def state_hash(state: State) -> str:
    """32 hexadecimal digits that name the state.

    Two books of one name answer every future command with the same events, but for the numbers that
    count events, commands and trades: these are left out, and of the times only which came first is
    kept.
    """
    header, orders, extras, switches, plans = (part.copy() for part in state)
    by_set = np.argsort(_set(state), kind=RUNS)
    accepted = by_set[by_set < len(orders)]
    by_priority = np.argsort(orders["priority"][accepted], kind=RUNS)
    for name in COUNTERS:
        header[name] = 0
    for part, name in (
        (header, "auction_sequence"),
        (orders, "accepted"),
        (orders, "priority"),
        (switches, "sequence"),
        (plans, "sequence"),
    ):
        part[name] = 0
    times = (times.astype("<u8", copy=False) for times in (by_set, by_priority))
    parts = (header, orders, extras, switches, plans, *times)
    return _checksum(*(part.data for part in parts)).hex()
