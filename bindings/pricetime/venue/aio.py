"""A venue for asyncio: the loop never waits for a disk or for matching, only tasks do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from decimal import Decimal
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pricetime._book import Book
from pricetime.instrument import Instrument
from pricetime.log.batch import Records
from pricetime.log.history import check_after
from pricetime.log.protocol import Log, Reader
from pricetime.log.sqlite import Durability
from pricetime.records import EVENT
from pricetime.venue.answer import Answer
from pricetime.venue.core import Core
from pricetime.venue.desk import Desk
from pricetime.venue.request import Make, Request, events_alone
from pricetime.venue.retention import Point
from pricetime.venue.shared import (
    WINDOW,
    Level,
    array_parts,
    define,
    id_max,
    levels,
    make_core,
    price_or_none,
)
from pricetime.venue.token import Token
from pricetime.venue.worker import Worker

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pricetime.venue.request import Fields

__all__ = ["AsyncMarket", "AsyncVenue"]

T = TypeVar("T")


class Inbox:
    """Brings what the venue's thread has found out to a loop: one wake-up for a whole group."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[tuple[Request, bytes | None, bool, BaseException | None]] = deque()
        self._awake = False

    def settle(
        self, request: Request, events: bytes | None, repeated: bool, error: BaseException | None
    ) -> None:
        """Lets the loop resolve a request's future; from any thread."""
        self._items.append((request, events, repeated, error))
        if not self._awake:
            self._awake = True
            with suppress(RuntimeError):  # the loop has ended, and all who waited with it
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._awake = False
        while self._items:
            request, events, repeated, error = self._items.popleft()
            future = request.future
            if future.done():  # its task has given up waiting
                continue
            if events is None:
                future.set_exception(error)
            else:
                future.set_result(request.make(request, events, repeated))


class Link:
    """The one way from a loop to a venue's thread and back."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._inbox = Inbox()
        self._loop = asyncio.get_running_loop()

    def send(
        self,
        name: str,
        data: bytes,
        make: Make,
        token: Token | None,
        **fields: Unpack[Fields],
    ) -> asyncio.Future[Any]:
        """Sends commands; the future has what is made of their events once they are durable."""
        future = self._loop.create_future()
        request = Request(
            name, data, self._inbox.settle, token=token, future=future, make=make, **fields
        )
        self.worker.put(request)
        return future

    async def ask(self, answer: Callable[[Core], T]) -> T:
        """Has a question answered between two groups."""
        return await asyncio.wrap_future(self.worker.ask(answer))


class Reading:
    """A reader that threads use for a loop, one at a time. A task that is cancelled does not wait
    for its thread, and a reader that is closed beneath one brings the process down."""

    reader: Reader

    def __init__(self, make_reader: Callable[[], Reader]) -> None:
        self._make_reader = make_reader
        self._loop = asyncio.get_running_loop()
        self._opened = False
        self._busy: asyncio.Future[Any] = self._loop.create_future()
        self._busy.set_result(None)

    async def open(self) -> None:
        """Makes the reader."""
        await self.run(self._open)

    def _open(self) -> None:
        self.reader = self._make_reader()
        self._opened = True

    async def run(self, act: Callable[[], T]) -> T:
        """Does something in a thread."""
        busy = self._busy = self._loop.run_in_executor(None, act)
        return await asyncio.shield(busy)

    def close(self) -> None:
        """Closes the reader, now or when the thread that uses it is done."""
        if self._busy.done():
            self._close(self._busy)
        else:
            self._busy.add_done_callback(self._close)

    def _close(self, busy: asyncio.Future[Any]) -> None:
        if not busy.cancelled():
            busy.exception()  # which is nobody's any more
        if self._opened:
            self.reader.close()


def close_unused(opened: Future[Worker]) -> None:
    """Closes a venue that nobody waits for any more, so that it does not hold its file."""
    if opened.exception() is None:
        opened.result().close()


def retrieve(sent: asyncio.Future[Any]) -> None:
    """Takes note of an error that nobody waits for, which asyncio would report as forgotten."""
    if not sent.cancelled():
        sent.exception()


class AsyncVenue:
    """`Venue` for asyncio: `async with pt.AsyncVenue("venue.db") as venue: …`.

    The file is opened, and recovered from, in a thread as the block begins. Commands that many
    tasks await at once share one fsync. The rest is as for Venue.
    """

    def __init__(
        self,
        log: str | PathLike[str] | Log,
        *,
        durability: Durability = "commit",
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._make: Callable[[], Worker] = lambda: Worker(lambda: make_core(log, durability, clock))
        self._markets: dict[str, AsyncMarket] = {}
        self._link: Link | None = None

    async def open(self) -> AsyncVenue:
        """Opens the log and recovers the books."""
        if self._link is not None:
            raise RuntimeError("this venue is open already")
        opened: Future[Worker] = Future()

        def make() -> None:
            try:
                opened.set_result(self._make())
            except BaseException as error:
                opened.set_exception(error)

        try:
            await asyncio.to_thread(make)
        except asyncio.CancelledError:
            opened.add_done_callback(close_unused)
            raise
        self._link = Link(opened.result())
        return self

    async def close(self) -> None:
        """Does what was sent before, then lets go of the log. Twice is once."""
        if self._link is not None:
            await asyncio.to_thread(self._link.worker.close)

    async def __aenter__(self) -> AsyncVenue:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _linked(self) -> Link:
        if self._link is None:
            raise RuntimeError("this venue is not open yet: use it in `async with`")
        return self._link

    async def add(self, instrument: Instrument, **parameters: Any) -> AsyncMarket:
        """The market of an instrument, which is added if it is new; see Venue.add."""
        definition = define(instrument, parameters)
        await self._linked().ask(lambda core: core.add(definition))
        return await self.market(instrument.name)

    async def market(self, name: str) -> AsyncMarket:
        """The market of an instrument that was added; UnknownInstrument where there is none."""
        market = self._markets.get(name)
        if market is None:
            link = self._linked()
            definition = await link.ask(lambda core: core.definition(name))
            market = self._markets[name] = AsyncMarket(link, definition.instrument)
        return market

    async def markets(self) -> list[str]:
        """The names of all instruments."""
        return await self._linked().ask(lambda core: list(core.definitions))

    async def submit(self, name: str, commands: Records, *, token: Token | None = None) -> Records:
        """Carries out an array of COMMAND; see Venue.submit."""
        link = self._linked()
        window: deque[asyncio.Future[bytes]] = deque()
        done: list[bytes] = []
        for part, mark in array_parts(commands, token):
            sent = link.send(name, part.tobytes(), events_alone, mark, id_max=id_max(part))
            sent.add_done_callback(retrieve)  # one part's error is told, for all
            window.append(sent)
            if len(window) == WINDOW:
                done.append(await window.popleft())
        while window:
            done.append(await window.popleft())
        return np.frombuffer(b"".join(done), EVENT)

    async def events(
        self, name: str, after: int = 0, *, follow: bool = True
    ) -> AsyncIterator[Records]:
        """The events of an instrument after a sequence: history, then live; see Venue.events."""
        after = check_after(after)
        link = self._linked()
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(changed.set)

        await link.ask(lambda core: core.watch(name, wake))
        reading = Reading(link.worker.reader)
        try:
            await reading.open()
            while True:
                closed = link.worker.closed
                changed.clear()
                batches = reading.reader.events(name, after)
                while (batch := await reading.run(partial(next, batches, None))) is not None:
                    after = batch.last
                    yield batch.records
                if closed or not follow:
                    return
                await changed.wait()
        finally:
            link.worker.unwatch(wake)
            reading.close()

    async def trim(
        self, name: str, archive: str | PathLike[str] | None = None, *, before: int | None = None
    ) -> Point:
        """Where the history of an instrument begins from now on; see Venue.trim."""
        # All in one thread: a task that is cancelled must not close what its thread still reads.
        return await asyncio.to_thread(self._linked().worker.trim, name, archive, before)


class AsyncMarket(Desk[Awaitable[Answer]]):
    """One instrument of a venue: await `limit`, `cancel` … for an Answer that is durable."""

    def __init__(self, link: Link, instrument: Instrument) -> None:
        self.instrument = instrument
        self._link = link

    def _send(
        self,
        data: bytes,
        *,
        money: bool = False,
        token: Token | None = None,
        **fields: Unpack[Fields],
    ) -> Awaitable[Answer]:
        make = self._answer_money if money else self._answer
        return self._link.send(self.instrument.name, data, make, token, **fields)

    async def look(self, view: Callable[[Book], T]) -> T:
        """What a function makes of the book; see Market.look."""
        return await self._link.ask(lambda core: core.look(self.instrument.name, view))

    async def best_bid(self) -> Decimal | None:
        """The highest price at which somebody buys, or None."""
        return price_or_none(self.instrument, await self.look(lambda book: book.best_bid))

    async def best_ask(self) -> Decimal | None:
        """The lowest price at which somebody sells, or None."""
        return price_or_none(self.instrument, await self.look(lambda book: book.best_ask))

    async def bids(self, depth: int | None = None, *, hidden: bool = False) -> list[Level]:
        """The best `depth` levels of buyers, None for all; see Book.bids."""
        rows = await self.look(lambda book: book.bids(depth, hidden=hidden))
        return levels(self.instrument, rows)

    async def asks(self, depth: int | None = None, *, hidden: bool = False) -> list[Level]:
        """The best `depth` levels of sellers, None for all; see Book.asks."""
        rows = await self.look(lambda book: book.asks(depth, hidden=hidden))
        return levels(self.instrument, rows)

    async def state_hash(self) -> str:
        """32 hexadecimal digits that name the book's state; see Book.state_hash."""
        return await self.look(lambda book: book.state_hash())
