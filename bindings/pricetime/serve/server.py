"""All clients of a venue: lets them in up to a bound, and sees them out when the venue closes."""

import asyncio

from pricetime.log.errors import LogError
from pricetime.serve.connection import Connection
from pricetime.serve.listen import Address, Listener
from pricetime.serve.protocol import error_line
from pricetime.venue import AsyncVenue

__all__ = ["CONNECTIONS_MAX", "DRAIN_SECONDS", "Server"]

CONNECTIONS_MAX = 1024
"""Most clients at once."""
DRAIN_SECONDS = 10.0
"""How long a client may take to read its last answers when the venue closes."""


class Server:
    """Serves many clients from one venue."""

    def __init__(self, venue: AsyncVenue) -> None:
        self._venue = venue
        self._connections: dict[Connection, asyncio.Future[None]] = {}
        self._draining = False
        self._listener: Listener | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client until it has left."""
        if self._draining or len(self._connections) >= CONNECTIONS_MAX:
            why = "the venue closes" if self._draining else f"{CONNECTIONS_MAX} clients are here"
            writer.write(error_line(None, LogError(f"{why}: try again later")))
            writer.close()
            return
        connection = Connection(self._venue, reader, writer)
        serving = self._connections[connection] = asyncio.ensure_future(connection.serve())
        try:
            await serving
        finally:
            del self._connections[connection]

    async def listen(self, where: Address) -> str:
        """Lets clients in there, and says where that is; raises OSError."""
        self._listener = await Listener.open(self.serve, where)
        return str(self._listener)

    async def drain(self, hurry: asyncio.Event) -> None:
        """Takes no more lines, answers those taken, closes the venue and lets everybody go.

        hurry: to let go at once those that have not read their answers.
        """
        self._draining = True
        if self._listener is not None:
            self._listener.close()
        closing = asyncio.ensure_future(self._close())
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait(
            {closing, hurried}, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        for connection in self._connections:
            connection.abort()
        await closing

    async def _close(self) -> None:
        for connection in self._connections:
            connection.stop()
        if self._connections:
            await asyncio.wait({connection.reading for connection in self._connections})
        try:
            await self._venue.close()  # answers what was taken, and ends what is followed
        finally:
            if self._connections:
                await asyncio.wait(set(self._connections.values()))
