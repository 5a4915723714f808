"""Standard input and output as one more connection.

Asyncio can wait for a pipe, but not for a file, and a thread that waits for input cannot be
stopped. So two threads copy between the standard streams and a socket, which serves as any other:
bounded both ways, and closed when the venue does.
"""

import asyncio
import os
import socket
import threading
from contextlib import suppress

__all__ = ["Stdio"]

CHUNK_BYTES = 1 << 16


class Stdio:
    """The near end of a socket whose far end is standard input and output."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._output = threading.Thread(target=self._copy_out, daemon=True)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Begins to copy."""
        streams = await asyncio.open_connection(sock=self._near)
        threading.Thread(target=self._copy_in, daemon=True).start()
        self._output.start()
        return streams

    def flush(self, seconds: float) -> None:
        """Waits until the output is written that was sent before the near end was closed, or as
        long as given: somebody has to read it."""
        self._output.join(seconds)

    def _copy_in(self) -> None:
        with suppress(OSError):  # the near end is closed
            while data := os.read(0, CHUNK_BYTES):
                self._far.sendall(data)
            self._far.shutdown(socket.SHUT_WR)

    def _copy_out(self) -> None:
        try:
            while data := self._far.recv(CHUNK_BYTES):
                while data:
                    data = data[os.write(1, data) :]
        except OSError:  # nobody reads the output
            self._far.shutdown(socket.SHUT_RDWR)
