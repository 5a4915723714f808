"""The product, broken on purpose: each way must be noticed by histories of its world.

A fault test counts only if it has failed on broken code. So this is a table of what could be wrong
in the product, as functions that put wrong code in the place of right code for a while.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from pricetime.log import batch as batch_module
from pricetime.log import sqlite as sqlite_module
from pricetime.log import sqlite_read
from pricetime.log.batch import Events
from pricetime.log.errors import LogDamaged, LogError
from pricetime.log.protocol import Tail
from pricetime.log.sqlite import SqliteLog, SqliteStream
from pricetime.log.sqlite_file import STATE, VENUE_STATE, State, VenueState
from pricetime.log.sqlite_read import Lane
from pricetime.runner import runner as runner_module
from pricetime.runner import saved
from pricetime.runner.runner import Runner
from pricetime.runner.tokens import Tokens
from pricetime.venue.core import Core, Question
from pricetime.venue.request import Sequenced

from . import vfs
from .process import Process

__all__ = ["SABOTAGES", "Sabotage"]


class Sabotage(NamedTuple):
    """One way to break the product."""

    name: str
    world: str
    """whose histories notice it"""
    apply: Callable[[], AbstractContextManager[object]]


SABOTAGES: list[Sabotage] = []


def breaks(name: str, *worlds: str) -> Callable[[Callable[[], Iterator[None]]], None]:
    """Enters what stands below into the table."""

    def enter(apply: Callable[[], Iterator[None]]) -> None:
        SABOTAGES.extend(Sabotage(name, world, contextmanager(apply)) for world in worlds)

    return enter


# --- durability


@breaks("acknowledge before the commit", "disk")
def _() -> Iterator[None]:
    commit = SqliteLog.commit

    def late(self: SqliteLog) -> None:
        self.skipped = not getattr(self, "skipped", False)
        if not self.skipped:
            commit(self)

    with patch.object(SqliteLog, "commit", late):
        yield


@breaks("acknowledge though the commit failed", "disk")
def _() -> Iterator[None]:
    commit = SqliteLog.commit

    def deaf(self: SqliteLog) -> None:
        with suppress(LogError):
            commit(self)

    with patch.object(SqliteLog, "commit", deaf):
        yield


@breaks("never sync", "disk")
def _() -> Iterator[None]:
    with patch.dict(sqlite_module.DURABILITIES, commit="OFF"):
        yield


@breaks("sync only now and then, in place of each commit", "disk")
def _() -> Iterator[None]:
    with patch.dict(sqlite_module.DURABILITIES, commit="NORMAL"):
        yield


@breaks("keep a rollback journal in place of a write-ahead log", "disk")
def _() -> Iterator[None]:
    execute = vfs.Connection.execute

    def without(self: vfs.Connection, statement: str, values: tuple[object, ...] = ()) -> vfs.Rows:
        if statement == "PRAGMA journal_mode = WAL":
            statement = "SELECT 'wal'"
        return execute(self, statement, values)

    with patch.object(vfs.Connection, "execute", without):
        yield


@breaks("keep a book that is ahead of the log when a commit has failed", "disk")
def _() -> Iterator[None]:
    undo = Core._undo

    def keep(self: Core, error: Exception) -> Exception:
        ahead = dict(self._runners)
        told = undo(self, error)
        if not self._failed:
            for name, runner in ahead.items():
                runner.reopen(self.log.stream(name))
                self._runners[name] = runner
        return told

    with patch.object(Core, "_undo", keep):
        yield


@breaks("say that nothing has happened when that is not known", "disk")
def _() -> Iterator[None]:
    with patch.object(Core, "_nothing_behind", lambda self, positions: True):
        yield


@breaks("tell why it cannot roll back in place of why the commit failed", "disk")
def _() -> Iterator[None]:
    undo, rollback = Core._undo, Core._rollback

    def remembering(self: Core) -> None:
        try:
            rollback(self)
        except LogError as error:
            self.second = error
            raise

    def misled(self: Core, error: Exception) -> Exception:
        self.second = None
        told = undo(self, error)
        return self.second or told

    with patch.object(Core, "_undo", misled), patch.object(Core, "_rollback", remembering):
        yield


@breaks("go on in the old connection when a commit has failed", "disk")
def _() -> Iterator[None]:
    def stay(self: SqliteLog) -> None:
        self._writing = False
        self._streams = {}

    with patch.object(SqliteLog, "rollback", stay):
        yield


@breaks("build on what a failed sync has left in the write-ahead log", "disk")
def _() -> Iterator[None]:
    with patch.object(Process, "renew", lambda self, path: None):
        yield


# --- damage


@breaks("do not check the checksum of a batch", "disk")
def _() -> Iterator[None]:
    unpack = batch_module._unpack

    def trusting(data: bytes, *arguments: object) -> object:
        try:
            return unpack(data, *arguments)
        except LogDamaged as error:
            if "checksum" not in str(error):
                raise
            return batch_module._Header._make(batch_module.HEADER.unpack_from(data))

    with patch.object(batch_module, "_unpack", trusting):
        yield


@breaks("do not check the checksum of a state", "disk")
def _() -> Iterator[None]:
    def venue(cls: type[VenueState], data: bytes, where: str) -> VenueState:
        return cls(*VENUE_STATE.unpack(data)[:-1])

    def state(cls: type[State], data: bytes, name: str, definition: str, where: str) -> State:
        return cls(*STATE.unpack(data)[:-1])

    with (
        patch.object(VenueState, "unpack", classmethod(venue)),
        patch.object(State, "unpack", classmethod(state)),
    ):
        yield


@breaks("do not check that batches follow each other", "disk")
def _() -> Iterator[None]:
    def commands(self: Lane, position: int, end: int) -> Iterator[object]:
        for _, data in self._rows("commands", "position", position):
            yield batch_module.unpack_commands(data, self.name, "commands")

    def events(self: Lane, after: int, end: int) -> Iterator[Events]:
        for _, data in self._rows("events", "sequence", 0):
            batch = batch_module.unpack_events(data, self.name, "events")
            if batch.last > after:
                yield batch_module.cut_events(batch, after)

    with patch.object(Lane, "commands", commands), patch.object(Lane, "events", events):
        yield


@breaks("do not ask the witness", "disk")
def _() -> Iterator[None]:
    with (
        patch.object(sqlite_module, "check_witness", lambda *given: None),
        patch.object(sqlite_read, "check_witness", lambda *given: None),
    ):
        yield


@breaks("bear witness before the commit", "disk")
def _() -> Iterator[None]:
    finish = SqliteLog._finish

    def early(self: SqliteLog, state: VenueState) -> None:
        self._holder.acknowledge(state.commits + 1)
        finish(self, state)

    with patch.object(SqliteLog, "_finish", early):
        yield


@breaks("bear witness to commits that are not synced", "disk")
def _() -> Iterator[None]:
    finish = SqliteLog._finish

    def always(self: SqliteLog, state: VenueState) -> None:
        finish(self, state)
        self._holder.acknowledge(self._state.commits)

    with patch.object(SqliteLog, "_finish", always):
        yield


@breaks("recover from the newest checkpoint alone", "disk", "broker")
def _() -> Iterator[None]:
    unpack = saved.unpack

    def strict(data: bytes, where: str) -> saved.Saved:
        try:
            return unpack(data, where)
        except LogDamaged as error:
            raise LogError(str(error)) from error

    start = Runner._start

    def newest(self: Runner, new_book: Callable[[], object]) -> None:
        for position in self.stream.checkpoints()[:1]:
            strict(self.stream.checkpoint(position), "the newest checkpoint")
        start(self, new_book)

    with patch.object(Runner, "_start", newest):
        yield


# --- two at once


@breaks("do not take the lock", "disk")
def _() -> Iterator[None]:
    with patch.object(fcntl, "flock", lambda *given: None):
        yield


@breaks("do not look whether somebody has taken over", "disk")
def _() -> Iterator[None]:
    def unaware(self: SqliteLog) -> None:
        if not self._writing:
            self._connection.execute("BEGIN IMMEDIATE")
            self._writing = True

    with patch.object(SqliteLog, "_write", unaware):
        yield


@breaks("take over again by rolling back", "disk")
def _() -> Iterator[None]:
    rollback = SqliteLog.rollback

    def again(self: SqliteLog) -> None:
        self._epoch = 0
        rollback(self)

    with patch.object(SqliteLog, "rollback", again):
        yield


@breaks("keep the file locked when fenced", "disk")
def _() -> Iterator[None]:
    execute = vfs.Connection.execute

    def without(self: vfs.Connection, statement: str, values: tuple[object, ...] = ()) -> vfs.Rows:
        return execute(self, "SELECT 1" if statement == "ROLLBACK" else statement, values)

    with patch.object(vfs.Connection, "execute", without):
        yield


# --- the runner


@breaks("publish again what stands", "disk")
def _() -> Iterator[None]:
    publish = Runner._publish

    def again(self: Runner, events: np.ndarray, position: int) -> None:
        self._tail = Tail(0, 0)
        publish(self, events, position)

    with patch.object(Runner, "_publish", again):
        yield


@breaks("publish from one event too late", "broker")
def _() -> Iterator[None]:
    start = Runner._start

    def late(self: Runner, new_book: Callable[[], object]) -> None:
        start(self, new_book)
        self._tail = self._tail._replace(sequence=self._tail.sequence + 1)

    compare = Runner._compare

    def less(self: Runner, events: np.ndarray) -> None:
        with suppress(LogDamaged):
            compare(self, events)

    with patch.object(Runner, "_start", late), patch.object(Runner, "_compare", less):
        yield


@breaks("do not compare events with those that stand", "disk")
def _() -> Iterator[None]:
    with patch.object(Runner, "_same", lambda self, made, standing: None):
        yield


@breaks("do not compare the state with the digest that stands", "disk")
def _() -> Iterator[None]:
    with patch.object(Runner, "_same_state", lambda self, digest: None):
        yield


@breaks("give parts of a batch's events the position behind all", "disk", "broker")
def _() -> Iterator[None]:
    publish = Runner._publish

    def ahead(self: Runner, events: np.ndarray, position: int) -> None:
        self.stream.tail = lambda: Tail(0, position)
        publish(self, events, position)
        del self.stream.tail

    with patch.object(Runner, "_publish", ahead):
        yield


@breaks("take the digest before the commands", "disk", "broker")
def _() -> Iterator[None]:
    step = Runner.step

    def stale(self: Runner) -> Iterator[object]:
        self.stale = self.book.state_hash()
        for done in step(self):
            yield done
            self.stale = self.book.state_hash()

    digest = Runner._digest

    def old(self: Runner) -> str:
        return digest(self) and self.stale

    with patch.object(Runner, "step", stale), patch.object(Runner, "_digest", old):
        yield


@breaks("skip the command behind a checkpoint", "disk", "broker")
def _() -> Iterator[None]:
    pack = saved.pack

    def wrong(state: saved.Saved) -> bytes:
        return pack(state._replace(position=state.position + 1))

    with patch.object(runner_module.saved, "pack", wrong):
        yield


@breaks("store parts of a checkpoint under where the book is by then", "broker")
def _() -> Iterator[None]:
    store = Runner.store_part

    def moved(self: Runner) -> None:
        self._checkpoint_position = self.position
        store(self)

    with patch.object(Runner, "store_part", moved):
        yield


# --- tokens, times, answers


@breaks("forget tokens at a checkpoint", "disk", "broker")
def _() -> Iterator[None]:
    pack = saved.pack

    def without(state: saved.Saved) -> bytes:
        return pack(state._replace(tokens=Tokens()))

    with patch.object(runner_module.saved, "pack", without):
        yield


@breaks("do again what comes again", "disk", "broker")
def _() -> Iterator[None]:
    with patch.object(Tokens, "sift", lambda self, batch, *place: (batch.records, {})):
        yield


@breaks("do not see a token taken for other commands", "disk")
def _() -> Iterator[None]:
    first = Core._first_events

    def trusting(self: Core, request: object, seen: object) -> bytes:
        request.crc, request.count = seen.crc, seen.commands
        return first(self, request, seen)

    with patch.object(Core, "_first_events", trusting):
        yield


@breaks("stamp with the machine's clock as it is", "disk")
def _() -> Iterator[None]:
    def sequenced(self: Core, runner: Runner) -> Sequenced:
        return Sequenced(runner.book, self.clock())

    with patch.object(Core, "_sequenced", sequenced):
        yield


@breaks("give an answer to another request", "disk")
def _() -> Iterator[None]:
    outcomes = Sequenced.outcomes

    def mixed(self: Sequenced, done: object) -> list[tuple[object, object]]:
        right = outcomes(self, done)
        answers = [outcome for _, outcome in right]
        return [(request, answers[-1 - i]) for i, (request, _) in enumerate(right)]

    with patch.object(Sequenced, "outcomes", mixed):
        yield


@breaks("drop more history than may be dropped", "disk")
def _() -> Iterator[None]:
    trim = SqliteStream.trim

    def more(self: SqliteStream, position: int, sequence: int) -> bool:
        return trim(self, self.state.end, self.state.sequence)

    with patch.object(SqliteStream, "trim", more):
        yield


@breaks("answer questions before the commit", "disk")
def _() -> Iterator[None]:
    process = Core._process

    def early(self: Core, groups: dict[str, list[object]]) -> object:
        outcomes = process(self, groups)
        while self._waiting and isinstance(self._waiting[0], Question):
            self._waiting.popleft().ask(self)
        return outcomes

    with patch.object(Core, "_process", early):
        yield
