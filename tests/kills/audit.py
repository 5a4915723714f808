"""What a venue's file holds, gone through from the beginning with a book that never stopped.

Tells a replay's truth apart from what recovery made of it: commands are read one batch after the
other, those whose token came before are left out, a fresh book processes the rest, and its events
must be those that are stored, byte for byte.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pricetime.log.sqlite_read import SqliteReader
from pricetime.records import EVENT
from pricetime.venue.definition import Definition

__all__ = ["Story", "audit"]


class Story(NamedTuple):
    """What is stored of one instrument."""

    events: np.ndarray
    """all of them, an array of EVENT"""
    state_hash: str
    """of the book that was never interrupted"""
    commands: int
    """that the book was given"""
    repeated: int
    """that stand in the log a second time, and were not done again"""
    checkpoints: list[int]
    """positions, the newest first"""

    def outcomes(self) -> dict[int, np.ndarray]:
        """The events of each command by its number."""
        cuts = np.flatnonzero(np.diff(self.events["command"])) + 1
        return {int(part["command"][0]): part for part in np.split(self.events, cuts) if len(part)}


def audit(path: Path | str) -> dict[str, Story]:
    """Reads all of a venue's file, also while a venue writes to it; raises where it is wrong."""
    reader = SqliteReader(Path(path))
    try:
        return {
            name: _story(reader, name, Definition.load(text))
            for name, text in reader.instruments().items()
        }
    finally:
        reader.close()


def _story(reader: SqliteReader, name: str, definition: Definition) -> Story:
    book = definition.new_book()
    stored = [batch.records for batch in reader.events(name, 0)]
    events = np.concatenate(stored) if stored else np.empty(0, EVENT)
    last = int(events["sequence"][-1]) if len(events) else 0
    assert np.array_equal(events["sequence"], np.arange(1, last + 1)), f"{name}: a gap"
    assert np.all(np.diff(events["timestamp"]) >= 0), f"{name}: time runs backwards"
    seen: set[bytes] = set()
    made, repeated = [], 0
    for batch in reader.commands(name, 0):
        if book.sequence >= last:
            break  # what came in after the events were read
        fresh = np.ones(len(batch.records), bool)
        for token in batch.tokens:
            key = token["key"].tobytes()
            if key in seen:
                fresh[token["begin"] : token["begin"] + token["count"]] = False
            seen.add(key)
        repeated += int(np.sum(~fresh))
        made.append(book.process(batch.records[fresh]))
    same = b"".join(part.tobytes() for part in made) == events.tobytes()
    assert same, f"{name}: a fresh book makes other events of the stored commands"
    return Story(events, book.state_hash(), book.commands, repeated, reader.checkpoints(name))


def summary(stories: dict[str, Story]) -> str:
    """Two runs that ended alike have the same one: times apart, all that the books are told."""
    return json.dumps({name: story.state_hash for name, story in stories.items()})
