"""A venue for threads: every call returns when what it did is durable."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from decimal import Decimal
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pricetime._book import Book
from pricetime.instrument import Instrument
from pricetime.log.batch import Records
from pricetime.log.history import check_after
from pricetime.log.protocol import Log
from pricetime.log.sqlite import Durability
from pricetime.records import EVENT
from pricetime.venue.answer import Answer
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

__all__ = ["Market", "Venue"]

T = TypeVar("T")


class Venue:
    """Many books over one durable log: `Venue("venue.db")` makes the file, or recovers from it.

    What a call answers is durable: with `durability="commit"` on the disk, with "system" in the
    hands of the operating system (quicker; a power cut may take the newest commands, a killed
    process none). Calls of many threads at once share one fsync. Commands without a time (0) are
    stamped by `clock` (nanoseconds since the epoch; the system's by default), never backwards.

    One venue at a time holds a file. Raises LogBusy where another does, LogVersion, LogDamaged.
    """

    def __init__(
        self,
        log: str | PathLike[str] | Log,
        *,
        durability: Durability = "commit",
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._worker = Worker(lambda: make_core(log, durability, clock))
        self._markets: dict[str, Market] = {}

    def __enter__(self) -> Venue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Does what was sent before, then lets go of the log. Twice is once."""
        self._worker.close()

    def add(self, instrument: Instrument, **parameters: Any) -> Market:
        """The market of an instrument, which is added if it is new.

        parameters: of its book as it begins, in the instrument's units (`collar="50.00"`), and
        max_orders. Raises ValueError where the instrument is there with other ones.
        """
        definition = define(instrument, parameters)
        self._worker.ask(lambda core: core.add(definition)).result()
        return self[instrument.name]

    def __getitem__(self, name: str) -> Market:
        """The market of an instrument that was added; LogError where there is none."""
        market = self._markets.get(name)
        if market is None:
            definition = self._worker.ask(lambda core: core.definition(name)).result()
            market = self._markets[name] = Market(self._worker, definition.instrument)
        return market

    def __iter__(self) -> Iterator[str]:
        return iter(self._worker.ask(lambda core: list(core.definitions)).result())

    def submit(self, name: str, commands: Records, *, token: Token | None = None) -> Records:
        """Carries out an array of COMMAND; returns their events, durable, as an array of EVENT.

        More than 65,536 commands go in parts, each of which is done whole or not at all; where one
        fails, those behind it may have been done: send all again with the same token. token: the
        same again does nothing and is answered with the events of the first time.
        """
        window: deque[Future[bytes]] = deque()
        done: list[bytes] = []
        for part, mark in array_parts(commands, token):
            sent = send(self._worker, name, part.tobytes(), events_alone, mark, id_max=id_max(part))
            window.append(sent)
            if len(window) == WINDOW:
                done.append(window.popleft().result())
        done.extend(future.result() for future in window)
        return np.frombuffer(b"".join(done), EVENT)

    def events(self, name: str, after: int = 0, *, follow: bool = True) -> Iterator[Records]:
        """The events of an instrument after a sequence, in arrays of EVENT: history, then live as
        they become durable, until the venue is closed; without `follow`, history alone."""
        after = check_after(after)
        changed = threading.Event()
        self._worker.ask(lambda core: core.watch(name, changed.set)).result()
        reader = self._worker.reader()
        try:
            while True:
                closed = self._worker.closed
                changed.clear()
                for batch in reader.events(name, after):
                    after = batch.last
                    yield batch.records
                if closed or not follow:
                    return
                changed.wait()
        finally:
            reader.close()
            self._worker.unwatch(changed.set)

    def trim(
        self, name: str, archive: str | PathLike[str] | None = None, *, before: int | None = None
    ) -> Point:
        """Where the history of an instrument begins from now on: at its last checkpoint but one.

        What was before is dropped; if an archive is named, a venue file, it is durable there first,
        behind what that has. before: the number of a command; it and all behind it stay too.
        Raises LogError where there are no two checkpoints yet, or the archive does not fit.
        """
        return self._worker.trim(name, archive, before)


class Market(Desk[Answer]):
    """One instrument of a venue: `limit`, `cancel` … return its Answer when that is durable."""

    def __init__(self, worker: Worker, instrument: Instrument) -> None:
        self.instrument = instrument
        self._worker = worker

    def _send(
        self,
        data: bytes,
        *,
        money: bool = False,
        token: Token | None = None,
        **fields: Unpack[Fields],
    ) -> Answer:
        make = self._answer_money if money else self._answer
        answer: Answer = send(
            self._worker, self.instrument.name, data, make, token, **fields
        ).result()
        return answer

    def look(self, view: Callable[[Book], T]) -> T:
        """What a function makes of the book (in ticks and lots); ValueError if it changes it.

        It sees the book between two groups of commands, so nothing that is not durable.
        """
        return self._worker.ask(lambda core: core.look(self.instrument.name, view)).result()

    @property
    def best_bid(self) -> Decimal | None:
        """The highest price at which somebody buys, or None."""
        return price_or_none(self.instrument, self.look(lambda book: book.best_bid))

    @property
    def best_ask(self) -> Decimal | None:
        """The lowest price at which somebody sells, or None."""
        return price_or_none(self.instrument, self.look(lambda book: book.best_ask))

    def bids(self, depth: int | None = None, *, hidden: bool = False) -> list[Level]:
        """The best `depth` levels of buyers, None for all, highest price first; see Book.bids."""
        return levels(self.instrument, self.look(lambda book: book.bids(depth, hidden=hidden)))

    def asks(self, depth: int | None = None, *, hidden: bool = False) -> list[Level]:
        """The best `depth` levels of sellers, None for all, lowest price first; see Book.asks."""
        return levels(self.instrument, self.look(lambda book: book.asks(depth, hidden=hidden)))

    def state_hash(self) -> str:
        """32 hexadecimal digits that name the book's state; see Book.state_hash."""
        return self.look(lambda book: book.state_hash())


def send(
    worker: Worker,
    name: str,
    data: bytes,
    make: Make,
    token: Token | None,
    **fields: Unpack[Fields],
) -> Future[Any]:
    """Sends commands; the future has what is made of their events once they are durable."""
    future: Future[Any] = Future()
    worker.put(Request(name, data, settle, token=token, future=future, make=make, **fields))
    return future


def settle(
    request: Request, events: bytes | None, repeated: bool, error: BaseException | None
) -> None:
    """Resolves a request's future."""
    if events is None:
        request.future.set_exception(error)
    else:
        request.future.set_result(request.make(request, events, repeated))
