"""Retention: history that recovery does not need goes into an archive, or away.

An archive is a venue file like any other, with the same batches: it is read by the same tools. What
is dropped from a log is durable in its archive before; so an interruption loses nothing, and doing
it again finishes it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pricetime.log.batch import Commands
from pricetime.log.errors import LogDamaged, LogError
from pricetime.log.protocol import Reader, Stream
from pricetime.log.sqlite import SqliteLog, SqliteStream
from pricetime.runner import saved

__all__ = ["Point", "archive", "trim_point"]

COMMIT_EVENTS = 1 << 17
"""Events behind which what was copied to an archive is committed."""

Progress = Callable[[float], None]
"""Is told how much is done, 0 to 1."""


class Point(NamedTuple):
    """A place in the history of an instrument, between two batches."""

    position: int
    """in the log of commands"""
    sequence: int
    """of the last event before it"""
    command: int
    """number of the last command before it"""


def trim_point(reader: Reader, name: str, before: int | None = None) -> Point:
    """Up to where history may be dropped: to the last good checkpoint but one, so that recovery has
    two; and with `before` so that this command and all behind it stay.

    Raises LogError where there are no two good checkpoints.
    """
    good: list[Point] = []
    for position in reader.checkpoints(name):
        try:
            data = reader.checkpoint(name, position)
            book = saved.unpack(data, f"checkpoint of {name} at {position}").book
        except LogDamaged:
            continue
        good.append(Point(position, book.sequence, book.commands))
        if len(good) == 2:
            return good[1] if before is None else _point_before(reader, name, before, good[1])
    raise LogError(
        f"{name} has {len(good)} good checkpoints: history is dropped up to the last but one only, "
        "so that recovery has two. A venue takes one every million commands or five minutes"
    )


def _point_before(reader: Reader, name: str, command: int, most: Point) -> Point:
    """The last place between batches where all commands are before this one, `most` at most."""
    head = reader.head(name)
    point = Point(head.position, head.sequence, 0)
    for batch in reader.events(name, head.sequence):
        last = int(batch.records["command"][-1])
        if batch.position > most.position or last >= command:
            break
        if batch.position > point.position:  # else a first part of the next batch's events
            point = Point(batch.position, batch.last, last)
    return point


def archive(
    reader: Reader, name: str, path: Path, point: Point, progress: Progress = lambda _: None
) -> None:
    """Copies the history up to a point into a venue file, behind what is there; durable.

    Raises LogError where the archive does not fit: of another history, or with a gap before ours.
    """
    log = SqliteLog(path)
    try:
        stream = _archived(reader, name, log)
        _check_overlap(reader, name, log, stream)
        _copy(reader, name, log, stream, point, progress)
    finally:
        log.close()


def _archived(reader: Reader, name: str, log: SqliteLog) -> SqliteStream:
    """The archive's write side, made where it is new: it begins where the history does."""
    head = reader.head(name)
    definition = reader.instruments()[name]
    known = log.instruments()
    if name in known and known[name] != definition:
        raise LogError(f"{log.path} has another {name}: {known[name]}, not {definition}")
    if name not in known:
        log.add(name, definition)
        stream = log.stream(name)
        if head.position:
            stream.begin_at(head.position, head.sequence)
            if head.position in reader.checkpoints(name):
                _store(stream, head.position, reader.checkpoint(name, head.position))
        log.commit()
    stream = log.stream(name)
    end = Point(stream.state.end, stream.state.sequence, 0)
    if end.position < head.position or end.sequence < head.sequence:
        raise LogError(
            f"{log.path} has {name} up to event {end.sequence}, but the log begins at "
            f"{head.sequence + 1}: what is between them is in neither. Name the archive that has "
            "it, or a new one"
        )
    return stream


def _store(stream: Stream, position: int, data: bytes) -> None:
    parts = saved.parts(data)
    for number, part in enumerate(parts):
        stream.store(position, len(parts), number, part)


def _check_overlap(reader: Reader, name: str, log: SqliteLog, stream: SqliteStream) -> None:
    """That what stands in both, as after an interruption, is the same in both."""
    head, end = reader.head(name), stream.state
    differ = LogError(f"{log.path} holds another history of {name}: name the right archive")
    if end.position > head.position:
        ours, theirs = reader.commands(name, head.position), stream.read(head.position)
        for there in theirs:
            here = next(ours, None)
            if here is None or here.records.tobytes() != there.records.tobytes():
                raise differ
            if here.position != there.position or here.tokens.tobytes() != there.tokens.tobytes():
                raise differ
    if end.sequence > head.sequence:
        standing = reader.events(name, head.sequence)
        for batch in stream.published(head.sequence):
            if (found := next(standing, None)) is None:
                raise differ
            if found.records.tobytes() != batch.records.tobytes():
                raise differ


def _copy(
    reader: Reader,
    name: str,
    log: SqliteLog,
    stream: SqliteStream,
    point: Point,
    progress: Progress,
) -> None:
    """Appends what the archive does not have yet, in transactions at whose ends no command is
    without its events."""
    commands = reader.commands(name, stream.state.end)
    begin = stream.state.sequence
    copied = 0
    if begin < point.sequence:
        for batch in reader.events(name, begin):
            ahead = batch.position > stream.state.end
            if ahead:
                _copy_commands(commands, stream, batch.position)
            stream.publish(batch)
            copied += len(batch.records)
            if ahead and copied >= COMMIT_EVENTS:
                log.commit()
                copied = 0
                progress((batch.last - begin) / (point.sequence - begin))
            if batch.last >= point.sequence:
                break
    if stream.state.end < point.position:
        _copy_commands(commands, stream, point.position)  # repeated ones, which made no events
    log.commit()


def _copy_commands(commands: Iterator[Commands], stream: Stream, end: int) -> None:
    for batch in commands:
        stream.append(batch.records, batch.tokens)
        if batch.position >= end:
            return
