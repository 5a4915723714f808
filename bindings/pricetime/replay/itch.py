"""NASDAQ TotalView-ITCH 5.0: every displayed order of every stock of a day, in one binary stream.

Two bytes of length come before each message (some copies leave them zero: the type says the length,
too), big-endian integers, prices in 0.0001 USD.  A and F are NEW; E and C, the execution of a
displayed order, are an IOC of the other side; X is an AMEND to a smaller total, D a CANCEL, U a
REPLACE, whose new order stands at the back.  The other types do nothing to the orders that can be
seen.

The file is read block by block and never kept; what is kept is one integer for every live order,
since E, X and U leave out side and price.  Messages of a block are dealt out to one book for each
stock.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricetime.records import COMMAND, TIF, Kind, Side
from pricetime.replay.guide import take_from
from pricetime.replay.source import ReplayError, Source
from pricetime.replay.tape import FILL, LIMIT_GTC, TAKER, Chunk, Expect, Fill, Repair, Tape

__all__ = ["read"]

BLOCK = 16 << 20  # bytes at once: half a million messages
LONGEST = 255  # bytes of a message of a type that is not known: it is passed over, by its length
ZERO = TAKER - 1  # the id in the book of an order 0
NAMED = 10  # stocks that an error names

LENGTHS = {  # bytes of each type's message, without the two of length
    **{"S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21},
    **{"A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35},
    **{"P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48},
}
A, C, D, E, F, R, U, X = (ord(kind) for kind in "ACDEFRUX")
STEPS = [0] * 256  # bytes from one message to the next; 0: no known type
for _kind, _length in LENGTHS.items():
    STEPS[ord(_kind)] = 2 + _length
ADDS, TAKES = (A, F), (E, C)
IS_ORDER = np.zeros(256, bool)
IS_ORDER[[A, C, D, E, F, U, X]] = True

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def read(source: Source, stocks: Sequence[str]) -> Tape:
    """The tape of a file: of all its stocks, or of those that are named."""
    reader = _Reader(source, stocks)
    tape = Tape(
        path=source.path,
        format="NASDAQ ITCH 5.0",
        tick_size=Decimal("0.0001"),
        lot_size=Decimal(1),
        currency="USD",
        unit="shares",
        chunks=reader.chunks(),
        line=lambda row: f"message {row + 1:,}",
        books=reader.names,
        guide=reader,
        executions_only=True,
        shift=reader.shift,
        done=lambda: source.fraction,
    )
    reader.tape = tape
    return tape


def _integers(data: Bytes, at: Ints, width: int) -> NDArray[Any]:
    """Big-endian integers of 1, 2, 4 or 8 bytes at these places."""
    windows = np.lib.stride_tricks.sliding_window_view(data, width)
    return windows[at].view(f">u{width}")[:, 0].astype(f"u{width}")


class _Reader:
    """Cuts the stream into messages and makes commands of them."""

    tape: Tape

    def __init__(self, source: Source, stocks: Sequence[str]):
        self.source = source
        self.wanted = {stock.upper() for stock in stocks}
        self.names: dict[int, str] = {}  # stock locate: symbol
        self.others: dict[int, str] = {}  # of stocks that are not wanted
        self.live: dict[int, int] = {}  # order id: price << 33 | shares left << 1 | 1 if it sells
        self.executed: dict[
            int, int
        ] = {}  # order id: shares executed so far, of orders that are left
        self.unknown: Counter[str] = Counter()  # types of messages that name no live order

    def chunks(self) -> Iterator[Chunk]:
        """All commands, stock by stock within each block."""
        rest = b""
        while True:
            data = self.source.read(BLOCK)
            begin = self.source.offset - len(data) - len(rest)
            block = rest + data
            places, end = self._walk(block, begin)
            rest = block[end:]
            if places:
                self._check(block, places, begin)
                yield from self._block(np.frombuffer(block, np.uint8), np.array(places, np.int64))
            if not data:
                break
        self._finish(rest)

    def _walk(self, block: bytes, begin: int) -> tuple[list[int], int]:
        """Where each whole message begins, at its two bytes of length, and where the last ends."""
        places: list[int] = []
        steps, size, at = STEPS, len(block), 0
        while at + 2 < size:
            step = steps[block[at + 2]]
            if not step:
                length = int.from_bytes(block[at : at + 2], "big")
                if not 0 < length <= LONGEST or not block[at + 2 : at + 3].isalpha():
                    self._check(block, places, begin)  # a wrong length before it says more
                    raise ReplayError(
                        f"{self.source.path}: byte {begin + at:,}: message type "
                        f"{block[at + 2 : at + 3]!r} is not one "
                        f"of ITCH 5.0 ({' '.join(LENGTHS)})"
                    )
                step = 2 + length
            if at + step > size:
                break
            places.append(at)
            at += step
        return places, at

    def _block(self, data: Bytes, places: Ints) -> Iterator[Chunk]:
        """The commands of whole messages."""
        kinds = data[places + 2]
        number = self.tape.rows + np.arange(len(places))
        self.tape.rows += len(places)
        for kind, count in enumerate(np.bincount(kinds, minlength=256).tolist()):
            if count:
                self.tape.counts[chr(kind)] += count
        locate = _integers(data, places + 3, 2).astype(np.int64)
        self._learn(data, places, kinds, locate)
        mine = IS_ORDER[kinds]
        if self.wanted:
            mine &= np.isin(locate, list(self.names))
        if mine.any():
            yield from self._deal(data, places[mine], kinds[mine], locate[mine], number[mine])

    def _check(self, block: bytes, places: Sequence[int], begin: int) -> None:
        """The two bytes of length are the type's, or zero; `begin` is where the block begins."""
        data, at = np.frombuffer(block, np.uint8), np.array(places, np.int64)
        kinds, length = data[at + 2], _integers(data, at, 2).astype(np.int64)
        own = np.array(STEPS, np.int64)[kinds] - 2
        wrong = np.flatnonzero((length != 0) & (length != own) & (own > 0))
        if len(wrong):
            first = wrong[0]
            raise ReplayError(
                f"{self.source.path}: byte {begin + at[first]:,}: message type "
                f"{chr(kinds[first])!r} of {length[first]} bytes; ITCH 5.0 has {own[first]}"
            )

    def _learn(self, data: Bytes, places: Ints, kinds: Bytes, locate: Ints) -> None:
        """The symbols of stocks that are new: from the directory, else from their first order."""
        for kind, at in ((R, 13), (A, 26), (F, 26)):
            which = np.flatnonzero(kinds == kind)
            stocks, first = np.unique(locate[which], return_index=True)
            for stock, row in zip(stocks.tolist(), which[first].tolist(), strict=True):
                if stock not in self.names and stock not in self.others:
                    raw = data[places[row] + at : places[row] + at + 8].tobytes()
                    name = raw.decode("ascii", "replace").strip()
                    known = (
                        self.names
                        if not self.wanted or name.upper() in self.wanted
                        else self.others
                    )
                    known[stock] = name

    def _deal(
        self, data: Bytes, places: Ints, kinds: Bytes, locate: Ints, number: Ints
    ) -> Iterator[Chunk]:
        """One chunk for each stock."""
        commands, expect, quantity, fills, missed = self._commands(data, places, kinds, number)
        order = np.argsort(locate, kind="stable")
        stocks, first = np.unique(locate[order], return_index=True)
        filled = np.zeros(len(places), bool)
        filled[fills["index"]] = True
        at_fill = np.cumsum(filled) - 1  # of a message that fills, its place in fills
        for stock, mine in zip(stocks.tolist(), np.split(order, first[1:]), strict=True):
            self.names.setdefault(stock, f"locate {stock}")
            lost = [int(number[at]) for at in mine[missed[mine]].tolist()]
            mine = mine[~missed[mine]]
            here = np.flatnonzero(filled[mine])
            my_fills = fills[at_fill[mine[here]]]
            my_fills["index"] = here
            yield Chunk(
                commands[mine],
                number[mine],
                expect[mine],
                quantity[mine],
                my_fills,
                book=stock,
                missed=lost,
            )

    def _commands(self, data: Bytes, places: Ints, kinds: Bytes, number: Ints) -> tuple[Any, ...]:
        """A command for every message, and what the exchange did; `missed` marks those that cannot
        be one.
        """
        count = len(places)
        commands = np.zeros(count, COMMAND)
        commands[:] = LIMIT_GTC
        ids = self._ids(data, places)
        commands["timestamp"] = (_integers(data, places + 5, 8) & ((1 << 48) - 1)).astype(np.int64)
        adds, takes = (kinds == A) | (kinds == F), (kinds == E) | (kinds == C)
        replaces, reduces = kinds == U, kinds == X
        shares, price, sells = (
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint64),
        )
        successor = np.zeros(count, np.uint64)
        shares[adds] = _integers(data, places[adds] + 22, 4)
        price[adds] = _integers(data, places[adds] + 34, 4)
        sells[adds] = data[places[adds] + 21] == ord("S")
        shares[takes | reduces] = _integers(data, places[takes | reduces] + 21, 4)
        priced = kinds == C
        price[priced] = _integers(data, places[priced] + 34, 4)
        successor[replaces] = self._ids(data, places[replaces] + 8)
        shares[replaces] = _integers(data, places[replaces] + 29, 4)
        price[replaces] = _integers(data, places[replaces] + 33, 4)
        packed = (price << 33) | (shares << 1) | sells
        at_price, total, sold, missed = self._track(kinds, ids, packed, shares, successor)
        commands["order_id"], commands["slot"] = ids, successor
        commands["order_id"][takes] = TAKER + number[takes].astype(np.uint64) + 1
        commands["price"] = np.where(adds | replaces, price.astype(np.int64), at_price)
        commands["quantity"] = np.where(reduces, total, shares.astype(np.int64))
        commands["side"] = np.where(np.where(adds, sells == 1, sold), Side.SELL, Side.BUY)
        commands["side"][takes] = np.where(sold[takes], Side.BUY, Side.SELL)
        commands["tif"][takes] = TIF.IOC
        commands["kind"][replaces] = Kind.REPLACE
        commands["kind"][reduces] = np.where(total[reduces] > 0, Kind.AMEND, Kind.CANCEL)
        commands["kind"][kinds == D] = Kind.CANCEL
        expect = np.full(count, Expect.FILLS, np.uint8)
        expect[reduces], expect[kinds == D] = Expect.REDUCED, Expect.QUANTITY
        quantity = np.where(kinds == D, total, shares.astype(np.int64))
        at = np.flatnonzero(takes & ~missed)
        fills = np.zeros(len(at), FILL)
        fills["index"], fills["maker"], fills["quantity"] = at, ids[at], shares[at]
        fills["price"] = np.where(kinds[at] == C, price[at].astype(np.int64), at_price[at])
        return commands, expect, quantity, fills, missed

    def _ids(self, data: Bytes, places: Ints) -> NDArray[Any]:
        """The order ids of messages; a book knows no order 0."""
        ids = _integers(data, places + 13, 8)
        if not ids.all():
            ids[ids == 0] = ZERO
            note = f"order 0 is sent as {ZERO}"
            if note not in self.tape.notes:
                self.tape.notes.append(note)
        return ids

    def _track(
        self,
        kinds: Bytes,
        ids: NDArray[Any],
        packed: NDArray[Any],
        shares: NDArray[Any],
        successor: NDArray[Any],
    ) -> tuple[Ints, Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """Price, total and side of the orders that messages name without them; executions of
        unknown ones.
        """
        live, executed, unknown = self.live, self.executed, self.unknown
        count = len(kinds)
        price, total, sold, missed = [0] * count, [1] * count, bytearray(count), bytearray(count)
        rows = zip(kinds.tolist(), ids.tolist(), packed.tolist(), shares.tolist(), strict=True)
        for at, (kind, order_id, value, size) in enumerate(rows):
            if kind in ADDS:
                live[order_id] = value
                continue
            order = live.pop(order_id, None)
            if order is None:
                unknown[chr(kind)] += 1
                missed[at] = kind in TAKES
                continue
            left = order >> 1 & 0xFFFFFFFF
            if kind == D:
                total[at] = left
                if executed:
                    executed.pop(order_id, None)
                continue
            price[at], sold[at] = order >> 33, order & 1
            if kind == U:
                live[int(successor[at])] = value | (order & 1)
                executed.pop(order_id, None)
                continue
            done = executed.get(order_id, 0)
            if kind == X:
                total[at] = max(left - size, 0) + done
            if left > size:
                live[order_id] = order - (size << 1)
                if kind != X:
                    executed[order_id] = done + size
            else:
                executed.pop(order_id, None)
        to_bool = [np.frombuffer(flags, np.uint8).astype(bool) for flags in (sold, missed)]
        return np.array(price, np.int64), np.array(total, np.int64), to_bool[0], to_bool[1]

    def _finish(self, rest: bytes) -> None:
        """What a whole file must be; two zero bytes may end it."""
        path = self.source.path
        if rest.strip(b"\0"):
            raise ReplayError(
                f"{path}: byte {self.source.offset - len(rest):,}: the file ends {len(rest)} bytes "
                "into a message of "
                f"type {chr(rest[2]) if len(rest) > 2 else '?'!r}; get the file again, or cut it "
                "there"
            )
        if self.wanted:
            missing = sorted(self.wanted - {name.upper() for name in self.names.values()})
            if missing:
                there = sorted(set(self.names.values()) | set(self.others.values()))
                more = f" and {len(there) - NAMED:,} more" if len(there) > NAMED else ""
                raise ReplayError(
                    f"{path}: no stock {', '.join(missing)}; the file has "
                    f"{', '.join(there[:NAMED])}{more}"
                )
        names = {
            "D": "deletes",
            "E": "executions",
            "C": "executions at a price",
            "X": "reductions",
            "U": "replaces",
        }
        for kind, name in names.items():
            if self.unknown[kind]:
                self.tape.counts[f"{name} of orders that the file does not have"] = self.unknown[
                    kind
                ]
        self.tape.counts["orders that the file leaves"] = len(self.live)

    # The guide of the replay.

    def parts(self, row: int, made: list[Fill], real: list[Fill]) -> bool:
        """An execution can always be made good."""
        return bool(real)

    def repair(
        self, book: Any, row: int, command: np.void, made: list[Fill], real: list[Fill]
    ) -> Repair | None:
        """The order that the file names loses the quantity."""
        return take_from(book, real[0], command)

    def shift(self, order_id: int, lots: int) -> None:
        """What was taken from an order by a repair the book does not count as traded."""
        if order_id in self.executed:
            self.executed[order_id] -= lots
