"""Processes that come and go: venues over a log in a file, and those who follow its events."""

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import apsw
from pricetime.log import sqlite as sqlite_module
from pricetime.log import sqlite_read
from pricetime.log.batch import Events
from pricetime.log.errors import LogError
from pricetime.log.sqlite import SqliteLog
from pricetime.log.sqlite_read import SqliteReader
from pricetime.runner import Distance
from pricetime.runner import runner as runner_module
from pricetime.runner import saved as saved_module
from pricetime.venue import core as core_module
from pricetime.venue.core import Core

from .disk import Disk, Machine
from .faults import Crash, Faults
from .truth import require
from .vfs import Connection, FileSystem

if TYPE_CHECKING:
    from .venues import Venues

__all__ = ["Follower", "Process", "folder", "heard", "playground"]

LIMITS = {  # made small, so that a short history meets them
    (runner_module, "DIGEST_COMMANDS"): 7,
    (runner_module, "DIGEST_PER_ORDER"): 0,
    (saved_module, "PART_BYTES"): 700,
    (runner_module, "EVENTS_MAX"): 9,
    (core_module, "CLOSING"): Distance(40),
    (core_module, "GROUP_MAX"): 60,
    (core_module, "WAITING_MAX"): 120,
    (sqlite_module, "TRIM_MAX"): 40,
    (sqlite_read, "READ_BYTES"): 2000,
}


FOLDER: list[Path] = []


@contextmanager
def playground() -> Iterator[None]:
    """A place for histories: limits that short ones meet, and a folder."""
    shared = Path("/dev/shm")
    with ExitStack() as stack:
        for (module, name), value in LIMITS.items():
            stack.enter_context(patch.object(module, name, value))
        stack.enter_context(patch.object(sys, "unraisablehook", untold))
        root = shared if shared.is_dir() else None
        FOLDER.append(Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root))))
        try:
            yield
        finally:
            FOLDER.pop()


def folder() -> Path:
    """Where the real files behind locks and shared memory are."""
    return FOLDER[-1]


class Listener(logging.Handler):
    """Hears what the product logs: which checkpoint was not good."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self.faults["older checkpoint taken"] += "taking the one before" in record.getMessage()


@contextmanager
def heard(faults: Faults) -> Iterator[None]:
    """Counts what the product logs, rather than print it."""
    logger, listener = logging.getLogger("pricetime"), Listener(faults)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def untold(error: "sys.UnraisableHookArgs") -> None:
    """Takes errors that SQLite, on its way out of another one, did not ask about."""
    if not isinstance(error.exc_value, apsw.Error):
        sys.__unraisablehook__(error)


class Process:
    """One venue's process: its core, and all that goes with it when it dies."""

    def __init__(self, world: "Venues", durability: str) -> None:
        self.world = world
        self.machine = Machine(world.disk)
        self.files = FileSystem(self.machine)
        self.connections: list[Connection] = []
        self.durability = durability
        self.log: SqliteLog | None = None
        self.core: Core | None = None
        self.gone = False

    def connect(self, path: Path) -> Connection:
        self.connections.append(Connection(path, self.files))
        return self.connections[-1]

    def connect_to_read(self, path: Path) -> Connection:
        self.connections.append(Connection(path, self.files, read_only=True))
        self.connections[-1].execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return self.connections[-1]

    def renew(self, path: Path) -> None:
        """As the product's own does on a disk that is none of ours."""
        file = self.machine.disk.names.get(path.name)
        if file is None:
            return
        try:
            if self.machine.begin("write in place"):  # for which a full disk has room
                file.write(bytes(file.content), 0)
                self.machine.end("write in place")
            if self.machine.begin("sync", file):
                file.sync()
                self.machine.end("sync")
        except apsw.Error as error:
            raise LogError(f"cannot write {path} anew: {error!r}") from error
        if self.machine.dead:
            raise Crash

    def start(self) -> None:
        world = self.world
        self.log = SqliteLog(
            world.path,
            self.durability,
            connect=self.connect,
            connect_to_read=self.connect_to_read,
            renew=self.renew,
        )
        self.core = Core(self.log, world.clock, distance=world.distance)

    def die(self) -> None:
        """Nothing that is still done has an effect; locks and memory go. Twice is once."""
        self.machine.dead = True
        if self.gone:
            return
        self.gone = True
        for connection in self.connections:
            connection.close()
        if self.log is not None:
            self.log._holder.close()
        self.files.unregister()

    def close(self) -> None:
        """Ends as a venue does that is asked to."""
        try:
            self.core.close()
        finally:
            self.die()

    def tails(self) -> dict[str, int]:
        """The sequence of the last committed event of each instrument."""
        log = self.log
        return {name: log.stream(name).tail().sequence for name in log.instruments()}

    @property
    def half_stored(self) -> bool:
        """Whether some parts of a checkpoint are stored, and others not."""
        runners = self.core._runners.values() if self.core else ()
        return any(0 < len(runner._parts) < runner._parts_all for runner in runners)


class Follower:
    """One who follows the events of all instruments, in a process of its own."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.machine = Machine(disk)
        self.files = FileSystem(self.machine)
        self.seen: dict[str, list[Events]] = {}
        self.reading: dict[str, Iterator[Events]] = {}  # what was left off
        self.connections: list[Connection] = []
        try:
            with patch.object(sqlite_read, "connect_to_read", self.connect):
                self.reader = SqliteReader(path)
        except BaseException:
            self.die()
            raise

    def connect(self, path: Path) -> Connection:
        """A connection that reads the lying disk."""
        self.connections.append(Connection(path, self.files, read_only=True))
        return self.connections[-1]

    def poll(self, most: int | None = None) -> None:
        """Takes what is new, each event once and in order; `most` batches of each instrument, from
        where the last reading was left off, if it was."""
        for name in self.reader.instruments():
            seen = self.seen.setdefault(name, [])
            after = seen[-1].last if seen else self.reader.head(name).sequence
            batches = self.reading.pop(name, None) or self.reader.events(name, after)
            for batch in islice(batches, most):
                require(batch.first == after + 1, name, "after event", after, "comes", batch.first)
                after = batch.last
                seen.append(batch)
            if most is not None:
                self.reading[name] = batches

    def poll_all(self) -> None:
        """Takes everything."""
        self.reading.clear()
        self.poll()

    def die(self) -> None:
        if not self.machine.dead:
            self.machine.dead = True
            for connection in self.connections:
                connection.close()
            self.files.unregister()
