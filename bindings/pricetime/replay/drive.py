"""Runs a tape through books and keeps what came of it.

Commands go in by batches of `BATCH` through one reused event buffer; the clock runs around that
alone. Where a tape has a guide, the book is checkpointed before a batch: when book and exchange
part in it, the book goes back, takes what came before, asks the guide, and goes on in small batches
that grow again. So it is always the book itself that says whom it would match, and never a copy of
it.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import pricetime as pt
from pricetime.records import EVENT, EventKind, Kind
from pricetime.replay.compare import ASKED, CANCELS, Parting, compare, right
from pricetime.replay.tape import Chunk, Expect, Fill, Progress, Repair, Tape

__all__ = ["Difference", "Outcome", "Sampler", "Sink", "replay"]

BATCH = 4096  # commands at once: where more make nothing faster
CAUTIOUS = 32  # commands at once where book and exchange have just parted
BUFFER = 3 * BATCH  # events: two a command is common, more than three on the whole is not


class Difference(NamedTuple):
    """Where a book and the exchange are not the same."""

    row: int  # of the file, from 0; -1: before its first
    kind: str
    text: str
    book: str  # the instrument


class Sink(Protocol):
    """Keeps events."""

    def write(self, events: NDArray[np.void], book: str) -> None:
        """Takes the next events of a book; the array is reused afterwards."""


class Sampler(Protocol):
    """Watches books for a picture."""

    def stride(self, key: int) -> int:
        """After how many commands at the latest it wants to see the book again."""

    def see(self, key: int, book: Any, events: NDArray[np.void], timestamp: int) -> None:
        """Looks at a book behind some commands."""


@dataclass(slots=True)
class Outcome:
    """What a replay came to; seconds are of wall time."""

    commands: int = 0
    commands_run: int = 0  # with those that were run again after going back
    kinds: Counter[str] = field(default_factory=Counter)  # of commands
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # reasons
    executions: int = 0  # real ones, as far as they are known
    right: int = 0  # of which the book named maker, price and quantity
    cancels: int = 0  # real ones whose quantity is known
    cancels_equal: int = 0  # of which the book had exactly that left
    helped: int = 0  # of those, whose command came right only when orders had been taken out
    lots: int = 0  # traded by the books
    resting: int = 0  # orders at the end
    books: dict[int, Any] = field(default_factory=dict)
    differences: Counter[str] = field(default_factory=Counter)
    first: list[Difference] = field(default_factory=list)  # at most some of each kind
    states: int = 0  # remainders that the exchange told, compared
    final_orders: int | None = None  # of the exchange's last book, where it is known
    final_equal: int = 0  # of which the book has the same quantity
    went_back: int = 0
    seconds_parse: float = 0.0
    seconds_match: float = 0.0
    seconds_compare: float = 0.0

    @property
    def trades(self) -> int:
        """Trades of the books."""
        return self.events["trade"]


def replay(
    tape: Tape,
    *,
    show: int = 10,
    sink: Sink | None = None,
    sampler: Sampler | None = None,
    progress: Progress = lambda stage, fraction: None,
) -> Outcome:
    """Runs the whole tape; keeps the first `show` differences of each kind."""
    drive = _Drive(tape, show, sink, sampler)
    began = perf_counter()
    for chunk in _timed(tape, drive.outcome):
        drive.feed(chunk)
        if tape.done:
            progress("reading and matching", tape.done())
        elif len(chunk):
            progress("matching", (int(chunk.rows[-1]) + 1) / tape.rows)
    drive.finish()
    out = drive.outcome
    out.seconds_compare = perf_counter() - began - out.seconds_parse - out.seconds_match
    return out


def _timed(tape: Tape, outcome: Outcome) -> Any:
    """The chunks of the tape, with the time that making them takes put down as parsing."""
    while True:
        began = perf_counter()
        chunk = next(tape.chunks, None)
        outcome.seconds_parse += perf_counter() - began
        if chunk is None:
            return
        yield chunk


class _Drive:
    """The books of a tape and the way through them."""

    def __init__(self, tape: Tape, show: int, sink: Sink | None, sampler: Sampler | None):
        self.tape, self.show, self.sink, self.sampler = tape, show, sink, sampler
        self.outcome = Outcome()
        self.books: dict[int, Any] = self.outcome.books
        self._buffer = np.zeros(BUFFER, EVENT)
        self._left: dict[int, set[int]] = {}  # order id: lots left behind each of its trades
        self._helped: set[int] = set()  # commands of this chunk that a repair went before
        self._shown: Counter[str] = Counter()
        self._events = np.zeros(16, np.int64)
        self._kinds = np.zeros(16, np.int64)
        self._reasons = np.zeros(256, np.int64)

    def feed(self, chunk: Chunk) -> None:
        """Runs one chunk through its book."""
        key = chunk.book
        if key not in self.books:
            self.books[key] = pt.Book()
        for row in chunk.missed:
            self.outcome.executions += 1
            self._add(
                row,
                "executions of orders that the file never enters",
                "no side and no price are known",
                key,
            )
        self._helped.clear()
        at, batch, skip = 0, BATCH, -1
        probes = list(reversed(chunk.probes))
        while True:
            while probes and probes[-1][0] <= at:
                self._probe(chunk, probes.pop()[1])
            if at >= len(chunk):
                return
            end = min(at + batch, len(chunk), probes[-1][0] if probes else len(chunk))
            if self.sampler:
                end = min(end, at + self.sampler.stride(key))
            after, skip = self._batch(chunk, at, end, skip)
            batch = min(2 * batch, BATCH) if after == end and skip < 0 else CAUTIOUS
            at = after

    def _batch(self, chunk: Chunk, first: int, last: int, skip: int) -> tuple[int, int]:
        """Runs commands first to last, or up to where a guide steps in.

        Says where to go on, and which command's parting is to pass, since the guide had no answer.
        """
        key, guide = chunk.book, self.tape.guide
        mark = self.books[key].checkpoint() if guide and self._risky(chunk, first, last) else None
        base = self.books[key].commands
        events = self._process(key, chunk.commands[first:last])
        partings = compare(chunk, first, last, events, base)
        if mark is not None and guide:
            for parting in partings:
                row = int(chunk.rows[parting.at])
                if (
                    parting.fills
                    and parting.at != skip
                    and guide.parts(row, parting.made, parting.real)
                ):
                    self.books[key] = pt.Book.restore(mark)
                    self.outcome.went_back += 1
                    return self._part(chunk, first, partings, parting)
        self._commit(chunk, first, last, events, base, partings)
        return last, -1

    def _risky(self, chunk: Chunk, first: int, last: int) -> bool:
        """Whether the guide may have to step in."""
        if not self.tape.executions_only:
            return True
        begin, end = np.searchsorted(chunk.fills["index"], (first, last))
        return bool(end > begin)

    def _part(
        self, chunk: Chunk, first: int, partings: list[Parting], parting: Parting
    ) -> tuple[int, int]:
        """From the restored book: what came before the parting, then what the guide says."""
        key, index, tape = chunk.book, parting.at, self.tape
        assert tape.guide
        base = self.books[key].commands
        events = self._process(key, chunk.commands[first:index])
        before = [other for other in partings if other.at < index]
        self._commit(chunk, first, index, events, base, before)
        row = int(chunk.rows[index])
        repair = tape.guide.repair(
            self.books[key], row, chunk.commands[index], parting.made, parting.real
        )
        if repair is None:
            return index, index
        if not repair.again:
            self.outcome.executions += len(parting.real)
            self._differ(chunk, parting)
        if repair.what:
            self._add(row, repair.what, repair.text, key, len(repair.commands))
        if repair.again:
            self._helped.add(index)
        self._repair(chunk, index, repair)
        return (index, -1) if repair.again else (index + 1, -1)

    def _repair(self, chunk: Chunk, index: int, repair: Repair) -> None:
        if len(repair.commands):
            events = self._process(chunk.book, repair.commands)
            self._count(chunk.book, repair.commands, events)
        if repair.shift:
            order_id, lots = repair.shift
            rest = chunk.commands[index + 1 :]
            mine = (rest["kind"] == Kind.AMEND) & (rest["order_id"] == order_id)
            rest["quantity"][mine] -= lots
            rest["kind"][mine & (rest["quantity"] <= 0)] = Kind.CANCEL
            if self.tape.shift:
                self.tape.shift(order_id, lots)

    def _process(self, key: int, commands: NDArray[np.void]) -> NDArray[np.void]:
        """All events of the commands: a part of the buffer, or a copy where that is too small."""
        book = self.books[key]
        before = book.commands
        began = perf_counter()
        events: NDArray[np.void] = book.process(commands, out=self._buffer)
        if book.pending or book.commands - before < len(commands):
            parts = []
            while len(events):
                parts.append(events.copy())
                events = book.process(commands[book.commands - before :], out=self._buffer)
            events = np.concatenate(parts)
        self.outcome.seconds_match += perf_counter() - began
        self.outcome.commands_run += len(commands)
        return events

    def _commit(
        self,
        chunk: Chunk,
        first: int,
        last: int,
        events: NDArray[np.void],
        base: int,
        partings: list[Parting],
    ) -> None:
        """Puts down what stands: counts, differences, events."""
        out = self.outcome
        self._count(chunk.book, chunk.commands[first:last], events)
        begin, end = np.searchsorted(chunk.fills["index"], (first, last)).tolist()
        out.executions += end - begin
        out.right += end - begin
        if self._helped:
            out.helped += int(np.isin(chunk.fills["index"][begin:end], list(self._helped)).sum())
        for parting in partings:
            if parting.kind == ASKED:
                continue
            if parting.fills:
                out.right -= len(parting.real) - right(parting.made, parting.real)
            self._differ(chunk, parting)
        self._cancels(chunk, first, last, events, base, sum(p.kind == CANCELS for p in partings))
        if self.tape.states:
            self._states(chunk, first, last, events, base)

    def _count(self, key: int, commands: NDArray[np.void], events: NDArray[np.void]) -> None:
        out, kind = self.outcome, events["kind"]
        out.commands += len(commands)
        self._kinds += np.bincount(commands["kind"], minlength=16)
        self._events += np.bincount(kind, minlength=16)
        self._reasons += np.bincount(events["reason"][kind == EventKind.REJECTED], minlength=256)
        out.lots += int(events["quantity"][kind == EventKind.TRADE].sum())
        if self.sink:
            self.sink.write(events, self.tape.books.get(key, ""))
        if self.sampler and len(commands):
            self.sampler.see(key, self.books[key], events, int(commands["timestamp"][-1]))

    def _cancels(
        self, chunk: Chunk, first: int, last: int, events: NDArray[np.void], base: int, unequal: int
    ) -> None:
        """Counts the exchange's cancels, and those that the book had in the same quantity."""
        expect = chunk.expect[first:last]
        refused = (
            events["command"][events["kind"] == EventKind.REJECTED].astype(np.int64) - base - 1
        )
        whole = (expect & Expect.QUANTITY) > 0
        gone = whole[refused]
        either = gone & ((expect[refused] & Expect.EITHER) > 0)
        asked = int(whole.sum()) - int(either.sum())
        self.outcome.cancels += asked
        self.outcome.cancels_equal += asked - int(gone.sum()) + int(either.sum()) - unequal

    def _states(
        self, chunk: Chunk, first: int, last: int, events: NDArray[np.void], base: int
    ) -> None:
        """Compares what the exchange says is left of an order with its last trade in the book."""
        trades = events[events["kind"] == EventKind.TRADE]
        index = (trades["command"].astype(np.int64) + (first - base - 1)).tolist()
        fields = ("order_id", "remaining", "maker_id", "maker_remaining")
        rows = list(zip(index, *(trades[name].tolist() for name in fields), strict=True))
        at = 0
        begin = bisect_left(chunk.states, first if first else -1, key=lambda state: state.at)
        for state in chunk.states[begin:]:
            if state.at >= last:
                break
            while at < len(rows) and rows[at][0] <= state.at:
                self._note(rows[at])
                at += 1
            self.outcome.states += 1
            ours = self._left.get(state.order_id, set())
            if state.remaining not in ours:
                given = f"has {self.tape.amount(min(ours))}" if ours else "has not traded it"
                left = self.tape.amount(state.remaining)
                text = f"order {state.order_id}: {left} left, the book {given}"
                self._add(state.row, "fills that the book does not show", text, chunk.book)
        for row in rows[at:]:
            self._note(row)

    def _note(self, trade: tuple[int, ...]) -> None:
        """Remembers what a trade (index, taker, its rest, maker, its rest) left of both orders."""
        _, taker, left, maker, maker_left = trade
        self._left.setdefault(taker, set()).add(left)
        self._left.setdefault(maker, set()).add(maker_left)

    def _probe(self, chunk: Chunk, row: int) -> None:
        assert self.tape.probe
        text = self.tape.probe(self.books[chunk.book], row)
        if text:
            self._add(row, "order-book rows with another level", text, chunk.book)

    def _differ(self, chunk: Chunk, parting: Parting) -> None:
        tape = self.tape
        text = parting.text.format(*(tape.amount(lots) for lots in parting.lots))
        if parting.fills:
            text = f"exchange {self._trades(parting.real)}; book {self._trades(parting.made)}"
        count = (
            max(len(parting.real) - right(parting.made, parting.real), 1) if parting.fills else 1
        )
        self._add(int(chunk.rows[parting.at]), parting.kind, text, chunk.book, count)

    def _trades(self, fills: list[Fill]) -> str:
        """Some trades in words."""
        tape = self.tape
        some = [
            f"{tape.amount(fill.quantity)} @ {tape.money(fill.price)} of order {fill.maker}"
            for fill in fills[:3]
        ]
        return ", ".join(some + ["..."] * (len(fills) > 3)) or "no trade"

    def _add(self, row: int, kind: str, text: str, key: int, count: int = 1) -> None:
        self.outcome.differences[kind] += count
        self._shown[kind] += 1
        if self._shown[kind] <= self.show:
            self.outcome.first.append(Difference(row, kind, text, self.tape.books.get(key, "")))

    def finish(self) -> None:
        """The totals, and the last book beside the exchange's."""
        out = self.outcome
        out.resting = sum(len(book) for book in self.books.values())
        for name, counts, into in (
            (pt.EventKind, self._events, out.events),
            (pt.Kind, self._kinds, out.kinds),
            (pt.Reason, self._reasons, out.refused),
        ):
            for value in np.flatnonzero(counts).tolist():
                into[name(value).name.lower()] = int(counts[value])
        if self.tape.final:
            self._final(self.tape.final())
        out.first.sort(key=lambda difference: difference.row)

    def _final(self, theirs: dict[int, int]) -> None:
        """Compares the orders that rest at the end, by id."""
        tape, out = self.tape, self.outcome
        orders = self.books[0].orders() if 0 in self.books else np.zeros(0, pt.ORDER)
        ours = dict(zip(orders["order_id"].tolist(), orders["remaining"].tolist(), strict=True))
        out.final_orders = len(theirs)
        out.final_equal = sum(ours.get(order_id) == left for order_id, left in theirs.items())
        for order_id in sorted(ours.keys() | theirs.keys()):
            mine, real = ours.get(order_id), theirs.get(order_id)
            if mine != real:
                text = (
                    f"order {order_id}: exchange {'gone' if real is None else tape.amount(real)}, "
                    f"book {'gone' if mine is None else tape.amount(mine)}"
                )
                self._add(tape.rows, "orders of the last book that differ", text, 0)
