"""Where clients come in: a TCP address or a Unix socket."""

import argparse
import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

__all__ = ["HOST", "Address", "Listener", "address"]

HOST = "127.0.0.1"
PORT_MOST = (1 << 16) - 1

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Address(NamedTuple):
    """Where to listen: a path, or else a host and a port."""

    path: str
    host: str
    port: int


def address(text: str) -> Address:
    """The address in an option's text: a port, HOST:PORT, or the path of a Unix socket."""
    host, colon, port = text.rpartition(":")
    if text and not colon and not text.isdecimal():
        return Address(text, "", 0)
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and int(port) <= PORT_MOST):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no path, nor HOST:PORT with a port of 0 to {PORT_MOST}"
        )
    return Address("", host.strip("[]") or HOST, int(port))


class Listener:
    """An open door."""

    def __init__(self, server: asyncio.Server, path: str) -> None:
        self._server = server
        self._path = path

    @classmethod
    async def open(cls, serve: Serve, where: Address) -> "Listener":
        """Lets clients in; raises OSError where it cannot listen."""
        if not where.path:
            return cls(await asyncio.start_server(serve, where.host, where.port), "")
        _make_way(where.path)
        return cls(await asyncio.start_unix_server(serve, where.path), where.path)

    def __str__(self) -> str:
        if self._path:
            return self._path
        names = (held.getsockname()[:2] for held in self._server.sockets)
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                         for host, port in names)  # fmt: skip

    def close(self) -> None:
        """Lets nobody in any more; those inside stay."""
        self._server.close()
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)


def _make_way(path: str) -> None:
    """Removes what a killed process has left at a path; raises OSError where somebody listens, or
    where there is something else."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError("there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError("somebody listens there already")
