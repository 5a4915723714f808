"""Flips bytes of a venue's files, one at a time, and sees that nothing wrong is ever served.

    python tests/kills/flips.py [--every N] [--seed S] [--left closed|killed]

Two venues: one that was closed, one that was killed with all of it still in its write-ahead log. A
byte is flipped in place, of a batch, a checkpoint, a row, a page or a header, and the file is read
by a reader, recovered by a writer, and read again. Each time all that is served must be what was
stored; where something is missing or cannot be served, an error must name it. Nothing may be
shorter without one.
"""

import argparse
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from pricetime.log.errors import (  # noqa: E402
    Diverged,
    LogDamaged,
    LogError,
    LogFailed,
    LogVersion,
)
from pricetime.log.sqlite import SqliteLog  # noqa: E402
from pricetime.log.sqlite_read import SqliteReader  # noqa: E402
from pricetime.venue.core import Core  # noqa: E402

from kills import script  # noqa: E402

NAME = "venue.db"
FILES = ("", "-wal", ".lock")
NAMED = (LogDamaged, LogVersion, Diverged)
"""What a flipped byte may raise."""

WRITE_VERSION = ("", 18)
"""The byte by which SQLite knows that a later one wrote the file, which is then read-only to it."""

KILLED = """
import os, sys
from kills import script
script.live(sys.argv[1], lambda **said: said["what"] == sys.argv[2] and os._exit(0))
"""


def closed(folder: Path) -> None:
    """A venue that was closed."""
    script.live(folder / NAME, lambda **said: None)


def killed(folder: Path) -> None:
    """A venue that ended at its last command, without closing."""
    command = [sys.executable, "-c", KILLED, folder / NAME, f"single {script.ROUNDS}"]
    search = os.pathsep.join([str(HERE.parent), *filter(None, sys.path)])
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": search})


class Content(NamedTuple):
    """What is served of one instrument."""

    definition: str
    commands: bytes
    events: bytes
    checkpoints: dict[int, bytes]


class Reading:
    """What a file serves, by instrument, and the errors in the place of what it does not."""

    def __init__(self, path: Path) -> None:
        self.content: dict[str, Content] = {}
        self.errors: list[LogError] = []
        try:
            reader = SqliteReader(path)
        except LogError as error:
            self.errors.append(error)
            return
        try:
            for name, definition in reader.instruments().items():
                commands = self._all(
                    batch.tokens.tobytes() + batch.records.tobytes()
                    for batch in reader.commands(name, 0)
                )
                events = self._all(batch.records.tobytes() for batch in reader.events(name, 0))
                self.content[name] = Content(definition, commands, events, {})
                for position in reader.checkpoints(name):
                    self._checkpoint(reader, name, position)
        except LogError as error:
            self.errors.append(error)
        finally:
            reader.close()

    def _all(self, parts: Iterator[bytes]) -> bytes:
        """What comes before an error."""
        whole = []
        try:
            whole.extend(parts)
        except LogError as error:
            self.errors.append(error)
        return b"".join(whole)

    def _checkpoint(self, reader: SqliteReader, name: str, position: int) -> None:
        try:
            self.content[name].checkpoints[position] = reader.checkpoint(name, position)
        except LogError as error:
            self.errors.append(error)


def recover(path: Path) -> tuple[dict[str, str], list[LogError]]:
    """State hashes by instrument that a writer comes back with; and the errors."""
    hashes: dict[str, str] = {}
    try:
        log = SqliteLog(path)
    except LogError as error:
        return {}, [error]
    errors: list[LogError] = []
    try:
        core = Core(log, lambda: 0)
        for name in log.instruments():
            try:
                hashes[name] = core.runner(name).book.state_hash()
            except LogError as error:
                errors.append(error)
    except LogError as error:
        errors.append(error)
    finally:
        log.close()
    return hashes, errors


class Venue(NamedTuple):
    """A venue as it was left, and all that it should serve."""

    folder: Path
    truth: dict[str, Content]
    hashes: dict[str, str]

    @classmethod
    def make(cls, folder: Path, how: Callable[[Path], None]) -> "Venue":
        """Makes one in an empty folder."""
        folder.mkdir()
        how(folder)
        reading = Reading(folder / NAME)
        assert not reading.errors
        with tempfile.TemporaryDirectory() as place:
            copy(folder, Path(place))
            hashes, errors = recover(Path(place) / NAME)
        assert not errors
        assert all(len(content.checkpoints) > 1 for content in reading.content.values())
        return cls(folder, reading.content, hashes)

    def places(self) -> list[tuple[str, int]]:
        """Every byte: of which file, and where."""
        return [
            (suffix, offset)
            for suffix in FILES
            if (self.folder / (NAME + suffix)).exists()
            for offset in range((self.folder / (NAME + suffix)).stat().st_size)
        ]


def copy(source: Path, target: Path) -> None:
    """The files of a venue, and no other."""
    for old in target.iterdir():
        old.unlink()
    for suffix in FILES:
        if (source / (NAME + suffix)).exists():
            shutil.copyfile(source / (NAME + suffix), target / (NAME + suffix))


def flip(venue: Venue, place: Path, suffix: str, offset: int, mask: int) -> Counter:
    """Flips bits of one byte in a copy; raises where something wrong is served."""
    copy(venue.folder, place)
    with (place / (NAME + suffix)).open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ mask]))
    reading = Reading(place / NAME)
    check_reading(venue, reading)
    hashes, errors = recover(place / NAME)
    named = NAMED
    if (suffix, offset) == WRITE_VERSION:
        named = (*NAMED, LogFailed)
    for error in errors:
        assert isinstance(error, named), f"{type(error).__name__}: {error}"
    for name, state_hash in hashes.items():
        assert state_hash == venue.hashes[name], f"{name}: another book"
    assert errors or hashes.keys() == venue.hashes.keys(), "an instrument is gone"
    check_reading(venue, Reading(place / NAME))
    found = bool(reading.errors)
    return Counter(
        {
            "flips": 1,
            "named by a reader": found,
            "recovered from all the same": found and not errors,
            "not recovered from, and named": bool(errors),
            "harmless": not found and not errors,
        }
    )


def check_reading(venue: Venue, reading: Reading) -> None:
    """Raises where something wrong was served, or too little without an error that says so."""
    for error in reading.errors:
        assert isinstance(error, NAMED), f"{type(error).__name__}: {error}"
        assert NAME in str(error), error
    for name, content in reading.content.items():
        truth = venue.truth[name]
        assert content.definition == truth.definition
        assert truth.commands.startswith(content.commands), f"{name}: other commands"
        assert truth.events.startswith(content.events), f"{name}: other events"
        assert content.checkpoints.items() <= truth.checkpoints.items(), f"{name}: a checkpoint"
        if not reading.errors:
            assert content.commands == truth.commands, f"{name}: commands are missing"
            assert content.events == truth.events, f"{name}: events are missing"
    assert reading.errors or reading.content.keys() == venue.truth.keys(), "an instrument is gone"


LEFT = {"closed": closed, "killed": killed}
"""How a venue was left."""


def flip_many(folder: Path, every: int, seed: int, left: Iterable[str] = LEFT) -> Counter:
    """One byte in `every` of venues that were left so, from a random first one on."""
    dice = random.Random(seed)
    place = folder / "place"
    place.mkdir()
    counted: Counter = Counter()
    for how in left:
        venue = Venue.make(folder / how, LEFT[how])
        for suffix, offset in venue.places()[dice.randrange(every) :: every]:
            mask = dice.choice((0xFF, 1 << dice.randrange(8)))
            try:
                counted += flip(venue, place, suffix, offset, mask)
            except BaseException as error:
                text = f"{how}, {NAME}{suffix}, byte {offset} ^ {mask:#x}"
                raise AssertionError(f"{text}: {type(error).__name__}: {error}") from error
            counted[f"of {how} {NAME}{suffix}"] += 1
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="one byte in so many (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of which, and of the bits (default 1)")
    parser.add_argument("--left", choices=LEFT, help="only of the venue that was left so")
    options = parser.parse_args()
    logging.getLogger("pricetime").setLevel(logging.CRITICAL)
    began = time.monotonic()
    left = [options.left] if options.left else LEFT
    with tempfile.TemporaryDirectory() as folder:
        counted = flip_many(Path(folder), options.every, options.seed, left)
    for what, number in counted.items():
        print(f"{number:9,} {what}")
    print(f"{time.monotonic() - began:9.1f} s; nothing wrong served, nothing missing unnamed")


if __name__ == "__main__":
    main()
