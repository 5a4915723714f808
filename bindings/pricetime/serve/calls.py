"""What a line does to the venue, and the lines that answer it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from pricetime._book import Book
from pricetime.instrument import Instrument
from pricetime.log.batch import Records
from pricetime.log.errors import LogError
from pricetime.serve.protocol import (
    COMMANDS,
    BadLine,
    Line,
    answer_line,
    dump,
    error_line,
    event_lines,
    levels_rows,
    parse,
    split_definition,
    whole,
)
from pricetime.venue import Answer, AsyncVenue
from pricetime.venue.aio import retrieve
from pricetime.venue.shared import levels

__all__ = ["DEPTH_MAX", "Taken", "take"]

DEPTH_MAX, DEPTH = 1000, 10
"""Most levels of a side that `book` shows, and how many where nothing is said."""
SEQUENCE_MAX = (1 << 63) - 1
LINES_MAX = 256  # events that are made into lines at once

EXPECTED = (LogError, ValueError, TypeError, OverflowError)
"""What a client can cause."""

logger = logging.getLogger("pricetime")


class Taken(NamedTuple):
    """A line that is on its way."""

    lines: AsyncGenerator[bytes, None]
    """that answer it, as they become known"""
    follows: bool
    """whether they end only with the venue"""


async def take(venue: AsyncVenue, data: bytes) -> Taken:
    """Carries out a line, whatever bytes it is.

    A command waits for its turn in the venue when this returns, and is not awaited.
    """
    number = None
    try:
        line = parse(data)
        number = line.id
        if line.do in COMMANDS:
            market = await venue.market(line.market)
            answer = asyncio.ensure_future(getattr(market, line.do)(**line.parameters))
            answer.add_done_callback(retrieve)  # a client that left does not look at errors
            return Taken(_answered(number, answer), False)
        if line.do == "events":
            return await _events(venue, line)
        return Taken(_one(await _asked(venue, line)), False)
    except Exception as error:
        if isinstance(error, BadLine):
            number = error.id if number is None else number
        return Taken(_one(_failed(number, error)), False)


def _failed(number: Any, error: Exception) -> bytes:
    if not isinstance(error, EXPECTED):
        logger.error("a line could not be carried out, by a mistake of ours", exc_info=error)
    return error_line(number, error)


async def _one(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line


async def _answered(number: Any, answer: "asyncio.Future[Answer]") -> AsyncGenerator[bytes, None]:
    try:
        line = answer_line(number, await answer)
    except Exception as error:
        line = _failed(number, error)
    yield line


async def _asked(venue: AsyncVenue, line: Line) -> bytes:
    """The answer to what is no command."""
    if line.do == "markets":
        return dump(line.id, markets=await venue.markets())
    if line.do == "add":
        own, book = split_definition(line.parameters)
        market = await venue.add(Instrument(line.market, **own), **book)
        tick, lot = market.instrument.tick_size, market.instrument.lot_size
        return dump(line.id, market=line.market, tick_size=f"{tick:f}", lot_size=f"{lot:f}")
    depth = whole(line, "depth", DEPTH, DEPTH_MAX)
    market = await venue.market(line.market)

    def view(book: Book) -> tuple[int, Records, Records]:
        return book.sequence, book.bids(depth), book.asks(depth)

    sequence, bids, asks = await market.look(view)
    return dump(
        line.id,
        sequence=sequence,
        bids=levels_rows(levels(market.instrument, bids)),
        asks=levels_rows(levels(market.instrument, asks)),
    )


async def _events(venue: AsyncVenue, line: Line) -> Taken:
    after = whole(line, "after", 0, SEQUENCE_MAX)
    follow = line.parameters.get("follow", True)
    if not isinstance(follow, bool):
        raise BadLine(f"follow is true or false, not a {type(follow).__name__}")
    await venue.market(line.market)  # raises where there is none
    return Taken(_stream(venue, line, after, follow), follow)


async def _stream(
    venue: AsyncVenue, line: Line, after: int, follow: bool
) -> AsyncGenerator[bytes, None]:
    try:
        async for records in venue.events(line.market, after, follow=follow):
            for begin in range(0, len(records), LINES_MAX):
                yield event_lines(line.id, records[begin : begin + LINES_MAX])
            after = int(records["sequence"][-1])
        ending = dump(line.id, end=True, sequence=after)
    except Exception as error:
        ending = _failed(line.id, error)
    yield ending
