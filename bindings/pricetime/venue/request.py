"""What a caller wants done, and how requests become a batch of the log."""

import struct
from collections.abc import Callable
from typing import Any, TypedDict
from zlib import crc32

import numpy as np

from pricetime._book import Book
from pricetime.log.batch import NO_TOKENS, TOKEN, Records
from pricetime.records import COMMAND, EVENT, EventKind, Kind, Side
from pricetime.runner import Done
from pricetime.runner.tokens import Seen
from pricetime.venue.token import Token, token_key

__all__ = [
    "BATCH_MAX",
    "Fields",
    "Outcome",
    "Request",
    "Sequenced",
    "Settle",
    "events_alone",
    "first_id",
]

BATCH_MAX = 65_536
"""Most commands of one request."""

Outcome = bytes | Seen | BaseException
"""The events' bytes; or where the same was done before; or why it was not done."""

Settle = Callable[["Request", "bytes | None", bool, "BaseException | None"], None]
"""Is told events, whether they were made before, and an error in their place."""

Make = Callable[["Request", bytes, bool], Any]
"""What a caller gets, of a request's events, and whether they were made before."""

ID_BEGIN = {int(Kind.NEW): 16, int(Kind.QUOTE): 16, int(Kind.REPLACE): 56}
"""The byte at which the id of the order stands that a command brings in, by the command's kind."""

ID_LAST = (1 << 64) - 1
TOKEN_ROW = struct.Struct("<16sIIII")  # a record of TOKEN

CLOCK = np.zeros(1, COMMAND)
CLOCK["kind"] = Kind.CLOCK


def events_alone(request: "Request", events: bytes, repeated: bool) -> bytes:
    """What is made of the events of an array: their bytes."""
    return events


class Fields(TypedDict, total=False):
    """What a request may say about its one command."""

    order_id: int
    """of the order that it is about"""
    free_ids: int
    """how many ids the command is to be given: 1, for a quote 2; 0: it has its own"""
    id_max: int
    """the highest id that it names for a new order"""
    build: Callable[[Book], bytes] | None
    """makes its bytes from the book as it is when its turn comes"""


class Request:
    """Commands of one caller for one instrument, and how to tell what became of them."""

    __slots__ = (
        "build", "count", "crc", "data", "free_ids", "future", "id_max", "key", "make", "name",
        "order_id", "settle",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        data: bytes,
        settle: Settle,
        *,
        future: Any = None,
        make: Make = events_alone,
        order_id: int = 0,
        free_ids: int = 0,
        id_max: int = 0,
        build: Callable[[Book], bytes] | None = None,
        token: Token | None = None,
    ) -> None:
        key = token_key(token)
        self.name = name
        self.data = data
        self.count = max(len(data) // COMMAND.itemsize, 1)
        self.settle = settle
        self.future = future  # of who waits for it, for `settle`
        self.make = make  # of the events, for `settle`
        self.free_ids = free_ids
        self.build = build
        self.key = key  # of its token, 16 bytes; b"": none
        self.crc = crc32(data) if key else 0
        self.id_max = id_max
        self.order_id = order_id  # with `free_ids` 0 until it has one


class Sequenced:
    """A batch in the making: requests in their order, stamped and given ids."""

    def __init__(self, book: Book, now: int) -> None:
        self.count = 0  # commands
        self._book = book
        self._now = now
        self._next_id = book.id_max + 1
        self._lowest = 1
        self._requests: list[Request] = []
        self._data: list[bytes] = []

    def add(self, request: Request) -> BaseException | None:
        """Adds a request; says why if it cannot be."""
        data = request.data
        if request.build is not None:
            try:
                data = request.build(self._book)
            except Exception as error:
                return error
        if request.free_ids:
            request.order_id = self._free_id(request.free_ids)
            begin = ID_BEGIN[data[0]]
            data = data[:begin] + request.order_id.to_bytes(8, "little") + data[begin + 8 :]
        self._next_id = max(self._next_id, request.id_max + 1)
        self._data.append(data)
        self._requests.append(request)
        self.count += request.count
        return None

    def must_wait(self, request: Request) -> bool:
        """Whether a request must see in the book what the ones before it do."""
        ids_end = self._next_id + request.free_ids - 1 > ID_LAST and request.free_ids > 0
        return self.count > 0 and (request.build is not None or ids_end)

    def add_clock(self) -> None:
        """Adds a command that lets time pass, for nobody."""
        self._data.append(CLOCK.tobytes())
        self.count += 1

    def _free_id(self, count: int) -> int:
        """The first of so many ids that nobody has, as a book gives them: behind the highest; at
        the end of ids the lowest."""
        first = self._next_id
        if first + count - 1 > ID_LAST:
            first = self._lowest
            while any(self._book.order(first + i, hidden=True) is not None for i in range(count)):
                first += 1
            self._lowest = first + count
        else:
            self._next_id = first + count
        return first

    def records(self) -> Records:
        """The commands; those that came without a time have this one."""
        records = np.frombuffer(bytearray(b"".join(self._data)), COMMAND)
        times = records["timestamp"]
        times[times == 0] = self._now
        return records

    def tokens(self) -> Records:
        """The marks of the requests that have tokens."""
        rows = []
        begin = 0
        for request in self._requests:
            if request.key:
                rows.append(TOKEN_ROW.pack(request.key, begin, request.count, request.crc, 0))
            begin += request.count
        return np.frombuffer(b"".join(rows), TOKEN) if rows else NO_TOKENS

    def outcomes(self, done: Done) -> list[tuple[Request, Outcome]]:
        """What became of each request."""
        starts = []  # number of each request's first command, were it processed
        number, begin = done.command, 0
        places = []
        for request in self._requests:
            starts.append(number)
            places.append(begin)
            if begin not in done.repeated:
                number += request.count
            begin += request.count
        starts.append(number)
        cuts = np.searchsorted(done.events["command"], np.array(starts, np.uint64)).tolist()
        data = done.events.tobytes()
        size = EVENT.itemsize
        return [
            (request, done.repeated.get(place) or data[cut * size : end * size])
            for request, place, cut, end in zip(
                self._requests, places, cuts[:-1], cuts[1:], strict=True
            )
        ]


def first_id(events: Records, count: int) -> int:
    """The first of so many ids that a command's order was given, from its events."""
    accepted = events[events["kind"] == EventKind.ACCEPTED]
    if not len(accepted):
        return int(events["order_id"][-1])
    ask_alone = count == 2 and int(accepted["side"][0]) == Side.SELL
    return int(accepted["order_id"][0]) - ask_alone
