"""The two ways of running the flow: as fast as the book goes, and paced.

As fast as it goes: commands are made ahead on a book of its own, since the flow must hear the
events; then the clock runs around the book alone. Making commands costs more than matching them,
and between two batches it would leave the book a cold cache.

Paced: an open loop. Commands gather in packets, as from a gateway, one every `TICK`; a packet is
due at its time whether the book is ready or not, and latency counts from that time until its events
are there. So a stall counts for everything that was due meanwhile. Between two packets the process
sleeps; commands are made, and frames shown, in the slack behind a packet.
"""

import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pricetime import Book
from pricetime.demo.flow import INSTRUMENT, RESTING, Flow
from pricetime.demo.frame import FlatOut, Frame, Market, Pace, process_bytes
from pricetime.demo.latency import Latency
from pricetime.records import EVENT, STP, EventKind

__all__ = ["Exchange", "Paced"]

BATCH = 4096  # commands at once, as fast as it goes
AHEAD = 64  # batches made ahead: 16 MiB
BUFFER = 4 * BATCH  # events at once: two a command is common
TICK = 2_000_000  # ns between two packets
BLOCK = 16  # packets whose commands are made at once; fewer where that were more than a batch
GRACE = 50_000_000  # ns behind its end that a run may still catch up
LATELY = 1_000_000_000  # ns over which the achieved rate is taken
DEPTH = 100  # levels of a side that a frame holds
TRADES = 100  # trades that a frame holds
MINUTE = 60 * 10**9  # ns

Batch = NDArray[np.void]


def _book() -> Book:
    """An empty book for the flow."""
    return Book(**INSTRUMENT.parameters(), stp=STP.CANCEL_TAKER)


class Exchange:
    """A book, the flow that feeds it, and what is counted."""

    def __init__(self, seed: int, per_minute: int):
        self.book = _book()
        self.flow = Flow(seed, per_minute)
        self.flat_out = FlatOut()
        self.rejected = 0  # commands
        self._buffer = np.empty(BUFFER, EVENT)
        self._tape = np.zeros(0, EVENT)  # the last trades

    def open(self) -> None:
        """Fills the book to the flow's target."""
        while len(self.book) < RESTING:
            self.learn(self.book.process(self.flow.make(BATCH)))

    def race(
        self,
        seconds: float,
        count: int | None,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> None:
        """Runs for so many seconds of wall time, or commands, as fast as the book goes."""
        scout = _book()
        began = time.perf_counter()
        made, spent = 0, 0.0

        def fraction() -> float:
            return made / count if count else (time.perf_counter() - began) / seconds

        while fraction() < 1 and not stop():
            batches: list[Batch] = []
            while len(batches) < AHEAD and fraction() < 1 and not stop():
                batch = self.flow.make(min(BATCH, count - made) if count else BATCH)
                self.learn(scout.process(batch))
                batches.append(batch)
                made += len(batch)
                progress(min(fraction(), 1.0))
            start = time.perf_counter()
            for batch in batches:
                self._process(batch)
            spent += time.perf_counter() - start
        book = self.book
        self.flat_out = FlatOut(
            commands=book.commands,
            events=book.sequence,
            trades=book.trades,
            resting=len(book),
            seconds=spent,
            wall=time.perf_counter() - began,
            nbytes=book.nbytes,
            state_hash=book.state_hash(),
        )

    def _process(self, batch: Batch) -> None:
        """Takes a whole batch, however many events it makes."""
        book = self.book
        end = book.commands + len(batch)
        book.process(batch, out=self._buffer)
        while book.commands < end or book.pending:
            book.process(batch[len(batch) - (end - book.commands) :], out=self._buffer)

    def learn(self, events: Batch) -> None:
        """Tells the flow what became of its commands, and counts."""
        self.flow.learn(events)
        kind = events["kind"]
        self.rejected += int(np.count_nonzero(kind == EventKind.REJECTED))
        trades = np.flatnonzero(kind == EventKind.TRADE)[-TRADES:]
        if len(trades):
            self._tape = np.concatenate((self._tape, events[trades]))[-TRADES:]

    def market(self) -> Market:
        """The book and its counters as they are now."""
        book = self.book
        return Market(
            bids=book.bids(DEPTH),
            asks=book.asks(DEPTH),
            tape=self._tape,
            commands=book.commands,
            events=book.sequence,
            trades=book.trades,
            rejected=self.rejected,
            resting=len(book),
            nbytes=book.nbytes,
        )


class Paced:
    """A run at so many commands a minute, for some seconds; 0: until it is stopped."""

    def __init__(self, exchange: Exchange, per_minute: int, seconds: float):
        self._exchange, self._per_minute, self._seconds = exchange, per_minute, seconds
        self._packets = max(round(seconds * 10**9 / TICK), 1) if seconds else 0  # 0: no end
        self._block = max(min(BLOCK, BATCH // max(self._due(1), 1)), 1)
        self._latency = Latency()
        self._start = self._now = time.perf_counter_ns()  # of the run; of what is known of it
        self._done = 0  # commands
        self._busy = 0  # ns in the book
        self._lately = deque([(self._start, 0)])  # times and commands done until then

    def run(self, show: Callable[[Frame], None], every: float, stop: Callable[[], bool]) -> Frame:
        """Runs to the end, or until `stop`, and shows a frame `every` so many seconds.

        Gives the last frame.
        """
        exchange, due = self._exchange, self._due
        packet, first, events = 0, 0, [np.zeros(0, EVENT)]
        commands = exchange.flow.make(due(self._block))
        self._start = self._now = time.perf_counter_ns()
        self._lately = deque([(self._start, 0)])
        next_show = self._start + every * 10**9
        while not self._over(packet) and not stop():
            if packet == first + self._block:
                exchange.learn(np.concatenate(events))
                commands = exchange.flow.make(due(packet + self._block) - due(packet))
                first, events = packet, []
            if self._now >= next_show:
                show(self._frame())
                next_show = max(next_show + every * 10**9, self._now)
            begin, end = due(packet) - due(first), due(packet + 1) - due(first)
            packet += 1
            events.append(self._send(commands[begin:end], self._start + packet * TICK))
        exchange.learn(np.concatenate(events))
        self._miss(packet)
        frame = self._frame()
        if self._now >= next_show:
            show(frame)
        return frame

    def _due(self, packets: int) -> int:
        """How many commands so many packets hold."""
        return packets * TICK * self._per_minute // MINUTE

    def _over(self, packet: int) -> bool:
        if not self._packets:
            return False
        late = time.perf_counter_ns() - self._start - self._packets * TICK
        return packet >= self._packets or late > GRACE

    def _send(self, commands: Batch, due: int) -> Batch:
        """Gives the book a packet when it is due."""
        ahead = due - time.perf_counter_ns()
        if ahead > 0:
            time.sleep(ahead / 10**9)
        begin = time.perf_counter_ns()
        events = self._exchange.book.process(commands)
        self._now = time.perf_counter_ns()
        self._busy += self._now - begin
        self._done += len(commands)
        if len(commands):
            self._latency.add(self._now - due, len(commands), self._now - self._start)
        return events

    def _miss(self, packet: int) -> None:
        """Counts what was due and not sent with the time it has waited for nothing."""
        self._now = time.perf_counter_ns()
        reached = (self._now - self._start) // TICK
        for late in range(packet, min(self._packets or reached, reached)):
            waited = self._now - self._start - (late + 1) * TICK
            count = self._due(late + 1) - self._due(late)
            self._latency.add(waited, count, self._now - self._start)

    def _frame(self) -> Frame:
        """What is known now."""
        now, start = self._now, self._start
        self._lately.append((now, self._done))
        while len(self._lately) > 2 and now - self._lately[1][0] >= LATELY:
            self._lately.popleft()
        (then, done), elapsed = self._lately[0], max(now - start, 1)
        packets = min((now - start) // TICK, self._packets or now)
        pace = Pace(
            seconds=self._seconds,
            elapsed=elapsed / 10**9,
            per_minute=self._per_minute,
            achieved=(self._done - done) * 10**9 / max(now - then, 1),
            average=self._done * 10**9 / elapsed,
            done=self._done,
            due=max(self._due(packets), self._done),
            busy=self._busy / elapsed,
            second=self._latency.second(),
            recent=self._latency.recent(),
            whole=self._latency.whole(),
        )
        return Frame(self._exchange.market(), pace, self._exchange.flat_out, process_bytes())
