"""The audit of one instrument: what a fresh book makes of its commands must be what stands.

Where commands are damaged the book cannot go on; the audit then takes it up again at the next
checkpoint that is good, and meanwhile looks at what does not need a book. The same at the beginning
of a history that was trimmed.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from pricetime._book import Book
from pricetime.log.batch import Commands, Events, Records, first_difference
from pricetime.log.errors import LogError
from pricetime.log.sqlite_file import State
from pricetime.log.sqlite_read import Lane
from pricetime.records import EVENT, EventKind
from pricetime.runner import saved
from pricetime.runner.tokens import Tokens
from pricetime.tools.audit.findings import Findings
from pricetime.tools.audit.flow import Flow
from pricetime.tools.audit.orders import Orders
from pricetime.tools.audit.rows import EventFeed, command_batches
from pricetime.venue.definition import Definition

__all__ = ["audit_instrument"]

STRETCH = 1 << 16
"""Events that are compared at once."""
LAST = (1 << 64) - 1


class _Replay(NamedTuple):
    """A book on its way through the commands."""

    book: Book
    tokens: Tokens
    orders: Orders


def audit_instrument(lane: Lane, findings: Findings, progress: Callable[[int], None]) -> None:
    """Checks all that stands of an instrument; `progress` is told the positions reached."""
    _Audit(lane, findings, progress).run()


class _Audit:
    def __init__(self, lane: Lane, findings: Findings, progress: Callable[[int], None]) -> None:
        self.lane = lane
        self.findings = findings
        self.progress = progress
        self.state: State | None = None
        try:
            self.state = lane.state()
        except LogError as error:
            findings.damaged(_short(error, lane))
        begin = self.state.begin if self.state else 0
        begin_sequence = self.state.begin_sequence if self.state else 0
        self.checkpoints = self._checkpoints()
        self.flow = Flow(begin=not begin_sequence)
        self.feed = EventFeed(lane, begin_sequence, findings)
        self.commands = command_batches(
            lane, begin, self.state.end if self.state else None, findings
        )
        self.definition = self._definition()
        self.replay: _Replay | None = None
        self.made: list[Records] = []  # events of the book that are not compared yet
        self.compared = begin_sequence  # sequence of the last event that was
        self.unreplayed: list[tuple[int, int]] = []  # positions from, to
        self.end = begin  # position behind the last good commands
        self.last_position = 0  # of the book behind its last event

    def run(self) -> None:
        """All of it, once through."""
        for begun in self.commands:
            if begun is None:
                self._compare()
                self.replay = None
                continue
            begin, batch = begun
            self.findings.commands += len(batch.records)
            self.end = batch.position
            if self.replay is None:
                self._start(begin)
            if self.replay is None:
                self._skip(begin, batch)
            else:
                self._step(self.replay, batch)
            self.progress(batch.position)
        self._compare()
        self._finish()

    # --- where a book begins

    def _definition(self) -> Definition | None:
        try:
            definition = Definition.load(self.lane.definition)
            definition.new_book()
        except (ValueError, TypeError, KeyError, json.JSONDecodeError) as error:
            self.findings.damaged(f"its definition cannot be used: {error}")
            return None
        return definition

    def _checkpoints(self) -> dict[int, saved.Saved | None]:
        """Positions of the checkpoints that are not checked yet; what is damaged is noted."""
        rows = self.lane.connection.execute(
            "SELECT position, count(*), max(parts) FROM checkpoints WHERE instrument = ? "
            "GROUP BY position ORDER BY position",
            (self.lane.number,),
        ).fetchall()
        found: dict[int, saved.Saved | None] = {}
        newest = max((at for at, count, parts in rows if count == parts), default=-1)
        for at, count, parts in rows:
            if count == parts:
                found[at] = None
                continue
            told = f"checkpoint at {at}: {count} of {parts} parts are there"
            if at > newest:  # one that was being stored
                self.findings.notes.append(told)
            else:
                self.findings.damaged(told)
        return found

    def _load(self, position: int) -> tuple[bytes, saved.Saved] | None:
        """A checkpoint that is there; what is damaged is noted, and not there any more."""
        where = f"checkpoint at {position}"
        try:
            data = self.lane.checkpoint(position)
            state = saved.unpack(data, where)
            if state.position != position:
                raise LogError(f"{where}: it was taken at {state.position}")
        except LogError as error:
            del self.checkpoints[position]
            self.findings.damaged(_short(error, self.lane))
            return None
        return data, state

    def _start(self, begin: int) -> None:
        """A book that stands at a position, if there can be one."""
        if begin == 0 and self.definition is not None:
            book, tokens = self.definition.new_book(), Tokens()
        elif begin in self.checkpoints and (loaded := self._load(begin)):
            book, tokens, _ = loaded[1]
            self.checkpoints.pop(begin)
            self.findings.checkpoints += 1
        else:
            return
        self._watch(book.sequence)
        orders = Orders()
        orders.load(book.orders(hidden=True))
        self.replay = _Replay(book, tokens, orders)
        self.last_position = begin

    def _skip(self, begin: int, batch: Commands) -> None:
        """Commands that no book can take up."""
        if self.unreplayed and self.unreplayed[-1][1] == begin:
            begin = self.unreplayed.pop()[0]
        self.unreplayed.append((begin, batch.position))

    # --- a batch of commands

    def _step(self, replay: _Replay, batch: Commands) -> None:
        book = replay.book
        records, _ = replay.tokens.sift(batch, book.commands, book.sequence)
        events = book.process(records)
        self.findings.replayed += len(records)
        if len(events):
            self.made.append(events)
            self.last_position = batch.position
        self.feed.look_ahead(batch.position)
        digest = self.feed.digests.pop(batch.position, None)
        checkpoint = batch.position in self.checkpoints
        if digest or checkpoint or book.sequence - self.compared >= STRETCH:
            self._compare()
        if digest and self.replay:
            self._check_digest(digest, book)
        if checkpoint and self.replay:
            self._check_checkpoint(batch.position, replay)

    def _compare(self) -> None:
        """Compares what the book made with what stands."""
        if self.replay is None or not self.made:
            return
        made = np.concatenate(self.made)
        self.made.clear()
        first, last = int(made["sequence"][0]), int(made["sequence"][-1])
        self.compared = last
        for standing in self.feed.take(last):
            self._look(standing)
            begin = int(standing["sequence"][0]) - first
            ours = made[begin : begin + len(standing)]
            at = first_difference(ours, standing)
            if at is not None:
                self._differ(ours, standing, at)
                return
        wrong = self.replay.orders.feed(made)
        if wrong:
            self.findings.damaged(f"event {wrong[0]}: {wrong[1]}", events=wrong[0] - 1)

    def _differ(self, made: Records, standing: Records, at: int) -> None:
        """Says where; the book and the file have parted, so it goes no further."""
        sequence = int(standing["sequence"][at])
        fields = [
            f"{name} {standing[name][at]}, not {made[name][at]}"
            for name in EVENT.names or ()
            if standing[name][at] != made[name][at]
        ]
        self.findings.damaged(
            f"event {sequence} of command {made['command'][at]} is not what its command makes: "
            + "; ".join(fields),
            events=sequence - 1,
        )
        self.replay = None

    def _watch(self, last: int) -> None:
        """Looks at events up to a sequence that no book has made."""
        for standing in self.feed.take(last):
            self._look(standing)

    def _look(self, standing: Records) -> None:
        self.findings.trades += int(np.count_nonzero(standing["kind"] == EventKind.TRADE))
        wrong = self.flow.feed(standing)
        if wrong:
            self.findings.damaged(f"event {wrong[0]}: {wrong[1]}", events=wrong[0] - 1)

    def _check_digest(self, standing: Events, book: Book) -> None:
        if standing.last != book.sequence or standing.digest != book.state_hash():
            self.findings.damaged(
                f"the digest behind event {standing.last} is {standing.digest}, but the book is at "
                f"event {book.sequence} with {book.state_hash()}",
                events=standing.last,
            )
            return
        self.findings.digests += 1

    def _check_checkpoint(self, position: int, replay: _Replay) -> None:
        """That a checkpoint is the book and the tokens as they were."""
        loaded = self._load(position)
        if loaded is None:
            return
        self.checkpoints.pop(position)
        data, state = loaded
        if data != saved.pack(saved.Saved(replay.book, replay.tokens, position)):
            theirs = {
                "state": (state.book.state_hash(), replay.book.state_hash()),
                "commands": (state.book.commands, replay.book.commands),
                "events": (state.book.sequence, replay.book.sequence),
                "tokens": (len(state.tokens), len(replay.tokens)),
            }
            told = [f"{what} {a}, not {b}" for what, (a, b) in theirs.items() if a != b]
            self.findings.damaged(
                f"checkpoint at {position} is not the book there: "
                + ("; ".join(told) or "their bytes differ")
            )
            return
        self.findings.checkpoints += 1

    # --- the end

    def _finish(self) -> None:
        """What remains, and what the instrument's row says of it all."""
        book = self.replay.book if self.replay else None
        made = book.sequence if book else None
        self._watch(made if made is not None else LAST)
        if made is not None and self.feed.last > made:
            self.findings.damaged(
                f"events from {made + 1} to {self.feed.last} stand, but no command makes them",
                events=made,
            )
        if made is not None and self.feed.last < made:
            self.findings.damaged(
                f"events end at {self.feed.last}, but the commands make them up to {made}",
                events=self.feed.last,
            )
        self._watch(LAST)
        if not self.flow.ended and self.flow.known:
            self.findings.damaged(
                f"event {self.feed.last} is the last one, but does not end its command",
                events=self.feed.last,
            )
        self._check_state()
        for position in list(self.checkpoints):
            if position > self.end:
                self.findings.damaged(f"checkpoint at {position} lies behind the last command")
            elif self._load(position):
                self.findings.notes.append(
                    f"checkpoint at {position} restores, but no book came there to compare with"
                )
        for begin, end in self.unreplayed:
            self.findings.notes.append(
                f"commands {begin + 1} to {end} and their events were not replayed: no checkpoint "
                "stands where they begin"
            )

    def _check_state(self) -> None:
        """The row against what was found; where commands end is looked at as they are read."""
        state = self.state
        if state is None:
            return
        if self.feed.last != state.sequence:
            self.findings.damaged(
                f"events end at {self.feed.last}, but the instrument's row says {state.sequence}",
                events=min(self.feed.last, state.sequence),
            )
        elif self.replay and self.last_position != state.position:
            self.findings.damaged(
                f"the book stood at {self.last_position} behind its last event, but the "
                f"instrument's row says {state.position}"
            )


def _short(error: LogError, lane: Lane) -> str:
    """An error's text without what the reader of a report knows."""
    text = str(error)
    for known in (f"{lane.path}: ", f" of {lane.name}"):
        with suppress(ValueError):
            text = text.replace(known, "", 1)
    return text
