"""One client: its lines in, the answers out in the order of the lines.

A line is carried out as soon as it is read, and answered when what it did is durable; so a client
may send many before it reads the first answer. At most IN_FLIGHT_MAX are on their way: then nothing
more is read, the client's own writes come to wait, and what one client costs in memory is bounded.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from pricetime.serve.calls import take
from pricetime.serve.lines import LineReader
from pricetime.serve.protocol import LINE_BYTES_MAX
from pricetime.venue import AsyncVenue

__all__ = ["IN_FLIGHT_MAX", "Connection"]

IN_FLIGHT_MAX = 1024
"""Most lines of one client that are read and not answered."""

logger = logging.getLogger("pricetime")

Lines = AsyncGenerator[bytes, None]


class Connection:
    """Serves one client until it has left, or is asked to, and has its answers."""

    def __init__(
        self, venue: AsyncVenue, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._venue = venue
        self._lines = LineReader(reader, LINE_BYTES_MAX)
        self._writer = writer
        self._free = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._answers: asyncio.Queue[Lines | None] = asyncio.Queue()
        self._stream: Lines | None = None  # what the client follows
        self.reading = asyncio.ensure_future(self._read())
        """done when no more lines are carried out"""

    def stop(self) -> None:
        """Takes no more lines; those taken are still answered."""
        self._lines.stop()

    def abort(self) -> None:
        """Lets the client go, whatever it still waits for."""
        self.stop()
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Answers until there is nothing more to answer."""
        try:
            await self._write()
            if self._stream is not None:
                await self._follow(self._stream)
        except OSError:
            pass  # a client that has gone is no news
        except Exception:
            logger.exception("a connection ended by a mistake of ours")
        finally:
            self.reading.cancel()
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        """Takes lines until there are no more, or the client follows events."""
        try:
            while self._stream is None:
                await self._free.acquire()
                line = await self._lines.next()
                if line is None:
                    return
                lines, follows = await take(self._venue, line)
                if follows:
                    self._stream = lines
                else:
                    self._answers.put_nowait(lines)
        finally:
            self._answers.put_nowait(None)

    async def _write(self) -> None:
        while (lines := await self._answers.get()) is not None:
            await self._send(lines)
            self._free.release()

    async def _send(self, lines: Lines) -> None:
        async with aclosing(lines):
            async for line in lines:
                self._writer.write(line)
                await self._writer.drain()

    async def _follow(self, lines: Lines) -> None:
        """Sends events until the client leaves, as it also does by sending something more, or until
        the venue closes."""
        left = asyncio.ensure_future(self._lines.left())
        sending = asyncio.ensure_future(self._send(lines))
        try:
            await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
            if self._lines.stopping:
                await sending
        finally:
            left.cancel()
            sending.cancel()
            await asyncio.wait({left, sending})
        if not sending.cancelled():
            sending.result()
