"""What a reader makes of a file: commands for a book, and beside each what the exchange did.

A reader yields chunks; a chunk belongs to one book.  `expect` says which outcomes are the
exchange's own, so that the replay can compare without knowing any format.  A recipe that must look
at the book while it goes (an order that the exchange passes over) is a `Guide`: the replay goes
back to just before the command, asks, and goes on with what it is given.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntFlag
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pricetime.records import COMMAND, TIF, Kind, OrderType

__all__ = [
    "FILL",
    "LIMIT_GTC",
    "TAKER",
    "Chunk",
    "Expect",
    "Fill",
    "Guide",
    "Progress",
    "Repair",
    "State",
    "Tape",
]

Ints = NDArray[np.int64]
Progress = Callable[
    [str, float], None
]  # the stage in a word or two, and how much of it is done, 0 to 1

TAKER = 1 << 63  # takers that a feed does not name get ids from here: TAKER + their row

FILL = np.dtype(
    [
        ("index", "<i8"),  # which command of its chunk, from 0
        ("maker", "<u8"),  # order id
        ("price", "<i8"),  # ticks
        ("quantity", "<i8"),  # lots
    ]
)
"""An execution of the exchange: 32 bytes."""


class Expect(IntFlag):
    """Which outcomes of a command agree with the exchange; 0: accepted, whatever it trades."""

    FILLS = 1
    """It makes exactly the trades that the chunk lists for it, be they none."""
    QUANTITY = 2
    """A cancel: what it takes out is exactly the chunk's quantity."""
    REDUCED = 64
    """A reduction by the chunk's quantity: it leaves something, or takes out exactly that."""
    EITHER = 4
    """It may be refused: the feed does not say."""
    REFUSED = 8
    """It must be refused: the exchange no longer has the order."""
    ASK = 32
    """Which trades it should make is not known, but the guide may know some that it cannot have
    made.
    """
    HELPER = 16
    """Not from the feed: it only puts an order in its place; its outcome is not compared."""


class Fill(NamedTuple):
    """One trade: who rested, at which price (ticks), how much (lots)."""

    maker: int
    price: int
    quantity: int


class State(NamedTuple):
    """What the exchange says is left of an order: to be compared, never sent."""

    at: int  # behind which command of its chunk
    row: int
    order_id: int
    remaining: int  # lots


class Repair(NamedTuple):
    """How a replay goes on where book and exchange part."""

    commands: NDArray[np.void]  # to send first; may be empty
    again: bool  # then the command itself, else it is dropped
    what: str = ""  # counted under this name, with `text` for the list of differences
    text: str = ""
    shift: tuple[int, int] | None = (
        None  # order id, lots: its later totals in AMENDs are that much smaller
    )


class Guide(Protocol):
    """A recipe that asks the book."""

    def parts(self, row: int, made: list[Fill], real: list[Fill]) -> bool:
        """Whether `repair` may have an answer to a command that made other trades than the real
        ones.
        """

    def repair(
        self, book: Any, row: int, command: np.void, made: list[Fill], real: list[Fill]
    ) -> Repair | None:
        """What to do instead, from the book as it stands before the command; None: nothing."""


@dataclass(slots=True)
class Chunk:
    """Some commands of one book, in order."""

    commands: NDArray[np.void]  # COMMAND
    rows: Ints  # which row or message of the file each is from, from 0; -1: before the first
    expect: NDArray[np.uint8]  # Expect
    quantity: Ints  # lots, where expect has QUANTITY or REDUCED
    fills: NDArray[np.void]  # FILL, by index
    book: int = 0  # key of its book in Tape.books
    states: list[State] = field(default_factory=list)  # by at
    missed: list[int] = field(
        default_factory=list
    )  # rows: executions of orders that the file never enters
    probes: list[tuple[int, int]] = field(
        default_factory=list
    )  # (commands before it, row), ascending

    @classmethod
    def empty(cls, count: int) -> "Chunk":
        """`count` zeroed commands that expect to be accepted, from no row."""
        return cls(
            np.zeros(count, COMMAND),
            np.full(count, -1, np.int64),
            np.zeros(count, np.uint8),
            np.zeros(count, np.int64),
            np.zeros(0, FILL),
        )

    def __len__(self) -> int:
        return len(self.commands)


@dataclass(slots=True)
class Tape:
    """A file as its reader understood it. Counts, notes and `final` are whole once the chunks are
    used up.
    """

    path: str
    format: str  # as people call it
    tick_size: Decimal  # price of one tick
    lot_size: Decimal  # quantity of one lot
    currency: str  # of prices, for people
    unit: str  # of quantities, plural
    chunks: Iterator[Chunk]
    line: Callable[[int], str]  # where a row stands in the file, for people
    books: dict[int, str] = field(default_factory=lambda: {0: ""})  # key of a book: instrument
    rows: int = 0  # rows or messages read
    counts: Counter[str] = field(default_factory=Counter)  # what the file holds
    notes: list[str] = field(default_factory=list)  # what was inferred and should be known
    guide: Guide | None = None
    trades_known: bool = True  # False: no execution is expected because none is known
    final: Callable[[], dict[int, int]] | None = None  # what must rest at the end: order id: lots
    probe: Callable[[Any, int], str] | None = None  # book, row: what differs there; empty: nothing
    states: bool = False  # chunks carry states
    executions_only: bool = (
        False  # the guide steps in where a command has real executions, else anywhere
    )
    done: Callable[[], float] | None = None  # of a stream: how much of the file is through, 0 to 1
    dated: bool = False  # timestamps count from the epoch, else from midnight
    clock: str = "exchange time"  # whose time it is, for people
    instrument: str = ""  # what is traded, where the file's name says so
    shift: Callable[[int, int], None] | None = None  # tells the reader of Repair.shift

    def title(self, key: int) -> str:
        """The instrument of a book, or else the file."""
        return self.books.get(key) or self.instrument or os.path.basename(self.path)

    def money(self, ticks: int) -> str:
        """A price as people write it."""
        return f"{self.tick_size * ticks:f}"

    def amount(self, lots: int) -> str:
        """A quantity as people write it."""
        return f"{self.lot_size * lots:f}"


LIMIT_GTC = np.zeros((), COMMAND)
LIMIT_GTC["kind"], LIMIT_GTC["order_type"], LIMIT_GTC["tif"] = Kind.NEW, OrderType.LIMIT, TIF.GTC
