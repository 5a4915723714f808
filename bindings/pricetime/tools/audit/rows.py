"""The rows of a venue file's tables as they stand there, one by one, the unreadable ones too."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from pricetime.log.batch import Commands, Events, Records, unpack_commands, unpack_events
from pricetime.log.errors import LogError
from pricetime.log.sqlite_read import Lane
from pricetime.tools.audit.findings import Findings

__all__ = ["Begun", "EventFeed", "command_batches"]

KEYS = {"commands": "position", "events": "sequence"}


def rows(lane: Lane, table: Literal["commands", "events"]) -> Iterator[tuple[int, bytes | str]]:
    """Key and batch of each row of an instrument, or why SQLite could not read it."""
    key = KEYS[table]
    last = -1
    while True:
        try:
            for at, data in lane.connection.execute(
                f"SELECT {key}, batch FROM {table} WHERE instrument = ? AND {key} > ? "
                f"ORDER BY {key}",
                (lane.number, last),
            ):
                last = at
                yield at, data
            return
        except sqlite3.DatabaseError as error:
            text = str(error)
        # The index may be whole where the row is not, and say which one that is and what follows.
        try:
            (at,) = lane.connection.execute(
                f"SELECT min({key}) FROM {table} WHERE instrument = ? AND {key} > ?",
                (lane.number, last),
            ).fetchone()
        except sqlite3.DatabaseError:
            at = None
        yield (last + 1 if at is None else at), text
        if at is None:
            return
        last = at


class Begun(NamedTuple):
    """Commands and the position where they begin."""

    begin: int
    batch: Commands


def command_batches(
    lane: Lane, begin: int, end: int | None, findings: Findings
) -> Iterator[Begun | None]:
    """An instrument's batches of commands from a position to its end; None stands for what is
    damaged or not there, which is noted."""
    expected = begin
    for at, data in rows(lane, "commands"):
        where = f"commands from {at + 1}"
        try:
            if isinstance(data, str):
                raise LogError(f"{where}: {data}")
            batch = unpack_commands(data, lane.name, where)
            if batch.position - len(batch.records) != at:
                raise LogError(f"{where}: they are filed there, but end at {batch.position}")
            if at < expected:
                raise LogError(f"{where}: they stand beside others up to {expected}")
        except LogError as error:
            findings.damaged(str(error), commands=min(at, expected))
            yield None
            continue
        if at > expected:
            missing = f"commands from {expected + 1} to {at} are damaged or not there"
            findings.damaged(missing, commands=expected)
            yield None
        expected = batch.position
        yield Begun(at, batch)
    if end is not None and expected != end:
        findings.damaged(
            f"commands end at {expected}, but the instrument's row says {end}",
            commands=min(expected, end),
        )


class EventFeed:
    """An instrument's events, read ahead as far as it takes to know which digests come."""

    def __init__(self, lane: Lane, after: int, findings: Findings) -> None:
        self.digests: dict[int, Events] = {}
        """batches whose digest is not checked yet, by their position"""
        self.last = after  # sequence of the last event read
        self.position = 0  # of the last batch read
        self._name = lane.name
        self._rows = rows(lane, "events")
        self._findings = findings
        self._ahead: deque[Events] = deque()
        self._ended = False

    def look_ahead(self, position: int) -> None:
        """Reads the batches up to a position of the book."""
        while not self._ended and self.position <= position:
            self._read()

    def take(self, last: int) -> Iterator[Records]:
        """The events up to a sequence that were not taken yet, in stretches without a gap."""
        held: list[Records] = []
        expected = 0
        while self._ahead or not self._ended:
            if not self._ahead:
                self._read()
                continue
            batch = self._ahead[0]
            if batch.first > last:
                break
            if held and batch.first != expected:
                yield np.concatenate(held)
                held.clear()
            if batch.last > last:
                cut = last + 1 - batch.first
                self._ahead[0] = batch._replace(records=batch.records[cut:])
                held.append(batch.records[:cut])
                break
            self._ahead.popleft()
            held.append(batch.records)
            expected = batch.last + 1
        if held:
            yield np.concatenate(held) if len(held) > 1 else held[0]

    def _read(self) -> None:
        """Reads one row; notes what is wrong with it or not there."""
        row = next(self._rows, None)
        if row is None:
            self._ended = True
            return
        at, data = row
        where = f"events from {at}"
        try:
            if isinstance(data, str):
                raise LogError(f"{where}: {data}")
            batch = unpack_events(data, self._name, where)
            if batch.first != at:
                raise LogError(f"{where}: they are filed there, but begin at {batch.first}")
            if at <= self.last:
                raise LogError(f"{where}: they stand beside others up to {self.last}")
            if batch.position < self.position:
                raise LogError(f"{where}: they stand behind others of a later command")
        except LogError as error:
            self._findings.damaged(str(error), events=min(at - 1, self.last))
            return
        if at != self.last + 1:
            self._findings.damaged(
                f"events from {self.last + 1} to {at - 1} are damaged or not there",
                events=self.last,
            )
        self.last, self.position = batch.last, batch.position
        self._findings.events += len(batch.records)
        if batch.digest:
            self.digests[batch.position] = batch._replace(records=batch.records[-1:])
        self._ahead.append(batch)
