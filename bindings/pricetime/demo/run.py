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
from pricetime.demo.frame import Auction, FlatOut, Frame, Market, Pace, process_bytes
from pricetime.demo.latency import Latency
from pricetime.demo.schedule import AUCTIONS, INTERRUPTION
from pricetime.records import EVENT, STP, EventFlag, EventKind, Reason

__all__ = ["BATCH", "RULES", "Exchange", "Paced"]

BATCH = 4096  # commands at once, as fast as it goes
AHEAD = 64  # batches made ahead: 16 MiB
BUFFER = 4 * BATCH  # events at once: two a command is common
TICK = 2_000_000  # ns between two packets
BLOCK = 16  # packets whose commands are made at once; fewer where that were more than a batch
GRACE = 50_000_000  # ns behind its end that a run may still catch up
LATELY = 1_000_000_000  # ns over which the achieved rate is taken
DEPTH = 100  # levels of a side that a frame holds
TRADES = 100  # trades that a frame holds, and other notes
MINUTE = 60 * 10**9  # ns
COLLAR = INSTRUMENT.distance("5")  # ticks
BAND = INSTRUMENT.distance("10")  # ticks from the last trade
TO_AUCTION = 2  # what the band does: BAND_ACTION

# Plain numbers: numpy takes a microsecond and more to look at an enum.
TRADE, CANCELLED, TRIGGERED, REFRESHED, PHASE_CHANGED, INDICATIVE = (
    int(EventKind[name])
    for name in ("TRADE", "CANCELLED", "TRIGGERED", "REFRESHED", "PHASE_CHANGED", "INDICATIVE")
)
DISARMED, UNCROSSED = int(Reason.DISARMED), int(EventFlag.AUCTION)
PLAIN = np.dtype((np.void, EVENT.itemsize))  # the same bytes: numpy copies fields one by one

Batch = NDArray[np.void]


RULES = {
    "stp": int(STP.CANCEL_TAKER),
    "collar": COLLAR,
    "dynamic_band": BAND,
    "band_action": TO_AUCTION,
    "auction_seconds": INTERRUPTION,
}
"""What a book for the flow is told beside its instrument."""


def _book() -> Book:
    """An empty book for the flow."""
    return Book(**INSTRUMENT.parameters(), **RULES)


class Exchange:
    """A book, the flow that feeds it, and what is counted."""

    def __init__(self, seed: int, per_minute: int):
        self.book = _book()
        self.flow = Flow(seed, per_minute)
        self.flat_out = FlatOut()
        self._counts = np.zeros(256, np.int64)  # events, by EventKind
        self._fired = 0  # orders whose trigger was met
        self._buffer = np.empty(BUFFER, EVENT)
        self._tape = np.zeros(0, EVENT)  # the last trades
        self._notes = np.zeros(0, EVENT)  # what else is worth a line
        self._indicative = Auction()  # the last one that was told
        self._uncross = Auction()  # the last one that traded

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
            resting=len(book) - self.flow.waiting - self.flow.sleeping,
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
        kind = events["kind"].copy()
        self._counts += np.bincount(kind, minlength=len(self._counts))
        trades = (kind == TRADE).nonzero()[0]
        self._tape = _append(self._tape, events, trades)
        fired = (kind == TRIGGERED) & (events["detail"] != 0)
        self._fired += int(np.count_nonzero(fired))
        silent = (kind == CANCELLED) & (events["reason"] == DISARMED)
        noted = fired | silent | (kind == REFRESHED) | (kind == PHASE_CHANGED)
        self._notes = _append(self._notes, events, noted.nonzero()[0])
        asked = (kind == INDICATIVE).nonzero()[0]
        if len(asked):
            last = events[asked[-1]]
            self._indicative = Auction(*(int(last[n]) for n in ("price", "quantity", "detail")))
        crossed = trades[(events["flags"][trades] & UNCROSSED) != 0]
        if len(crossed):
            crossed = crossed[events["command"][crossed] == events["command"][crossed[-1]]]
            quantity = int(events["quantity"][crossed].sum())
            self._uncross = Auction(int(events["price"][crossed[-1]]), quantity)

    def market(self) -> Market:
        """The book and its counters as they are now."""
        book = self.book
        indicative = self._indicative if book.current_phase in AUCTIONS else None
        if indicative and indicative.quantity:
            bids, asks = book.bids(), book.asks()
            bids = bids[bids["price"] < indicative.price][:DEPTH].copy()
            asks = asks[asks["price"] > indicative.price][:DEPTH].copy()
        else:
            bids, asks = book.bids(DEPTH), book.asks(DEPTH)
        # As the flow knows them: to look for them in the book takes a walk of milliseconds.
        waiting, sleeping = self.flow.waiting, self.flow.sleeping
        return Market(
            bids=bids,
            asks=asks,
            tape=self._tape,
            notes=self._notes,
            phase=book.current_phase,
            indicative=indicative,
            uncross=self._uncross,
            commands=book.commands,
            events=book.sequence,
            trades=book.trades,
            rejected=int(self._counts[EventKind.REJECTED]),
            fired=self._fired,
            refreshed=int(self._counts[EventKind.REFRESHED]),
            resting=len(book) - waiting - sleeping,
            waiting=waiting,
            sleeping=sleeping,
            nbytes=book.nbytes,
        )


def _append(tape: Batch, events: Batch, at: NDArray[np.int64]) -> Batch:
    """The tape and these events behind it, as far as a frame holds them."""
    if not len(at):
        return tape
    new = events.view(PLAIN)[at[-TRADES:]]
    return np.concatenate((tape.view(PLAIN), new))[-TRADES:].view(EVENT)


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
        exchange.flow.session(due(self._packets))
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
