"""Bytes that come in as lines, each of a bounded length, until there are no more or we stop."""

import asyncio

__all__ = ["LineReader"]

CHUNK_BYTES = 1 << 16


class LineReader:
    """Takes the lines of one client; the reader must not be read by anybody else."""

    def __init__(self, reader: asyncio.StreamReader, line_bytes_max: int) -> None:
        self.stopping = False
        self._reader = reader
        self._most = line_bytes_max
        self._pending: asyncio.Future[bytes] | None = None
        self._buffer = bytearray()  # bytes behind the last line taken
        self._scanned = 0  # bytes of it that hold no newline

    def stop(self) -> None:
        """Ends the lines behind those whose bytes are here already."""
        self.stopping = True
        if self._pending is not None:
            self._pending.cancel()

    async def next(self) -> bytes | None:
        """The next line without its end, or None. Of one that is too long, a beginning that is too
        long as well; the rest is thrown away as it comes."""
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > self._most:
                return await self._cut()
            chunk = await self._chunk()
            if not chunk:
                line = bytes(self._buffer) if not self.stopping else b""
                self._forget(len(self._buffer))
                return line or None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        self._forget(end + 1)
        return line

    async def left(self) -> None:
        """Waits until the client leaves, sends something, or we stop."""
        if not self._buffer:
            await self._chunk()

    async def _cut(self) -> bytes:
        line = bytes(self._buffer)
        self._buffer.clear()
        while (end := self._buffer.find(b"\n")) < 0:
            self._buffer[:] = await self._chunk()
            if not self._buffer:
                break
        self._forget(end + 1)
        return line

    def _forget(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0

    async def _chunk(self) -> bytes:
        """Some more bytes; b"" where none will come."""
        if self.stopping:
            return b""
        self._pending = asyncio.ensure_future(self._reader.read(CHUNK_BYTES))
        try:
            return await self._pending
        except asyncio.CancelledError:
            if self.stopping:
                return b""
            raise
        except OSError:  # the client is gone
            return b""
        finally:
            self._pending = None
