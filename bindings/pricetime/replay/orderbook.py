"""LOBSTER order-book files: what rested at every level behind each message.

The first row seeds a book; of the others an even sample is kept, at most `SAMPLED` rows, for
comparison. A row is ask price, ask size, bid price, bid size of level 1, then of level 2 and so on.
"""

import math
from decimal import Decimal
from typing import Any

from pricetime.replay.fields import shown
from pricetime.replay.source import ReplayError, Source, lines
from pricetime.replay.tape import Progress

__all__ = ["OrderBookFile", "levels_differ"]

SAMPLED = 2048  # rows kept: when full, every second one goes
EMPTY = 9_999_999_999  # price, with either sign, of a level that is not there

Side = list[tuple[int, int]]  # price (ticks), lots; best first


class OrderBookFile:
    """The first row and a sample of the others."""

    def __init__(self, path: str, progress: Progress):
        self.path = path
        self.rows = 0
        self.levels = 0
        self.sampled: dict[int, tuple[Side, Side]] = {}  # row from 0: asks, bids
        stride, last = 1, b""
        with Source(path) as source:
            for block, number in lines(source):
                for at, line in enumerate(block.split(b"\n")):
                    if not line.strip():
                        continue
                    if self.rows % stride == 0:
                        self.sampled[self.rows] = self._levels(line, number + at)
                        if len(self.sampled) > SAMPLED:
                            stride *= 2
                            self.sampled = {
                                row: both for row, both in self.sampled.items() if row % stride == 0
                            }
                    last, last_line = line, number + at
                    self.rows += 1
                progress("reading the order-book file", source.fraction)
        if not self.rows:
            raise ReplayError(f"{path}: the file is empty; no order-book rows in it")
        self.sampled[self.rows - 1] = self._levels(last, last_line)
        self.first = self.sampled[0]

    def _levels(self, line: bytes, number: int) -> tuple[Side, Side]:
        """Asks and bids of one row, without the levels that are empty."""
        try:
            values = [int(text) for text in line.strip(b"\xef\xbb\xbf\r\t ,").split(b",")]
        except ValueError:
            raise ReplayError(
                f"{self.path}:{number}: {shown(line.decode('utf-8', 'replace').strip())} is not a "
                "row of whole "
                "numbers: ask price, ask size, bid price, bid size, level by level"
            ) from None
        if len(values) % 4 or (self.levels and len(values) != 4 * self.levels):
            wanted = f"{4 * self.levels}" if self.levels else "a multiple of 4"
            raise ReplayError(f"{self.path}:{number}: {len(values)} columns; allowed: {wanted}")
        self.levels = len(values) // 4
        both = (
            zip(values[0::4], values[1::4], strict=True),
            zip(values[2::4], values[3::4], strict=True),
        )
        asks, bids = (
            [(p, size) for p, size in side if abs(p) != EMPTY and size > 0] for side in both
        )
        return asks, bids

    def tick(self, tick: int) -> int:
        """The largest unit that divides `tick` and every price here."""
        return math.gcd(
            tick, *(price for both in self.sampled.values() for side in both for price, _ in side)
        )

    def scale(self, tick: int) -> None:
        """Turns the prices into ticks."""
        self.sampled = {
            row: ([(p // tick, q) for p, q in asks], [(p // tick, q) for p, q in bids])
            for row, (asks, bids) in self.sampled.items()
        }
        self.first = self.sampled[0]

    def check(self, messages: int) -> None:
        """Refuses a file that has more rows than there are messages."""
        if self.rows > messages:
            raise ReplayError(
                f"{self.path}: {self.rows:,} rows for {messages:,} messages; allowed: one row for "
                "each message, "
                "from the first on"
            )


def levels_differ(book: Any, row: tuple[Side, Side], tick_size: Decimal) -> tuple[int, str]:
    """The first level (from 1) at which the book is not as the row has it, and how; 0 and "" if
    none is.

    Levels of the book behind those of the row are out of the file's sight, and not looked at.
    """
    found = (0, "")
    for name, levels, theirs in (
        ("ask", book.asks(len(row[0])), row[0]),
        ("bid", book.bids(len(row[1])), row[1]),
    ):
        ours = list(zip(levels["price"].tolist(), levels["quantity"].tolist(), strict=True))
        for at, real in enumerate(theirs):
            mine = ours[at] if at < len(ours) else None
            if mine != real:
                if not found[0] or at + 1 < found[0]:
                    given = f"{mine[1]} @ {mine[0] * tick_size}" if mine else "nothing"
                    found = (
                        at + 1,
                        f"{name} {at + 1}: book {given}, file {real[1]} @ {real[0] * tick_size}",
                    )
                break
    return found
