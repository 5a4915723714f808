"""Commands that come twice are done once: what a book's runner remembers of clients' tokens.

What is remembered decides what reaches the book, so it is a function of the log and a part of every
checkpoint: the last TOKENS_MAX tokens, whatever the time.
"""

import struct
from typing import NamedTuple

import numpy as np

from pricetime.log.batch import Commands, Records

__all__ = ["ROW", "TOKENS_MAX", "Seen", "Tokens"]

TOKENS_MAX = 65_536
"""How many tokens an instrument remembers; the oldest is forgotten first."""

ROW = struct.Struct("<16sQQII")
"""A token as a checkpoint keeps it: its key and the fields of Seen."""
KEY_BYTES = 16


class Seen(NamedTuple):
    """The commands that a token marked when it came first."""

    command: int
    """number of the first in the book"""
    sequence: int
    """of an event before theirs"""
    commands: int
    """how many"""
    crc: int
    """of what the client gave"""


class Tokens:
    """The tokens that came last, in the order in which they came."""

    def __init__(self) -> None:
        self._rows = bytearray()  # of ROW; when there are TOKENS_MAX, the oldest gives its place
        self._oldest = 0  # row
        self._places: dict[bytes, int] = {}  # by key, where its row begins

    def __len__(self) -> int:
        return len(self._places)

    def sift(
        self, batch: Commands, commands: int, sequence: int
    ) -> tuple[Records, dict[int, Seen]]:
        """The commands of a batch that are not repeated, and the repetitions by their begin.

        commands, sequence: of the book before the batch.
        """
        if not len(batch.tokens):
            return batch.records, {}
        repeated: dict[int, Seen] = {}
        fresh = np.ones(len(batch.records), np.bool_)
        dropped = 0
        fields = (batch.tokens[name].tolist() for name in ("begin", "count", "crc"))
        for token, begin, count, crc in zip(batch.tokens, *fields, strict=True):
            key = token["key"].tobytes()
            place = self._places.get(key)
            if place is not None:
                repeated[begin] = Seen(*ROW.unpack_from(self._rows, place)[1:])
                fresh[begin : begin + count] = False
                dropped += count
                continue
            self._add(key, Seen(commands + begin - dropped + 1, sequence, count, crc))
        return (batch.records[fresh] if dropped else batch.records), repeated

    def _add(self, key: bytes, seen: Seen) -> None:
        row = ROW.pack(key, *seen)
        if len(self._places) < TOKENS_MAX:
            self._places[key] = len(self._rows)
            self._rows += row
            return
        place = self._oldest * ROW.size
        del self._places[bytes(self._rows[place : place + KEY_BYTES])]
        self._places[key] = place
        self._rows[place : place + ROW.size] = row
        self._oldest = (self._oldest + 1) % TOKENS_MAX

    def pack(self) -> bytes:
        """The tokens as rows, the oldest first."""
        place = self._oldest * ROW.size
        return bytes(self._rows[place:] + self._rows[:place])

    @classmethod
    def unpack(cls, data: bytes) -> "Tokens":
        """The tokens in rows."""
        tokens = cls()
        tokens._rows = bytearray(data)
        places = range(0, len(data), ROW.size)
        tokens._places = {data[place : place + KEY_BYTES]: place for place in places}
        return tokens
