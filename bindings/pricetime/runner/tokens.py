"""Commands that come twice are done once: what a book's runner remembers of clients' tokens.

What is remembered decides what reaches the book, so it is a function of the log and a part of every
checkpoint: the last TOKENS_MAX tokens, whatever the time.
"""

from typing import NamedTuple

import numpy as np

from pricetime.log.batch import Commands, Records

__all__ = ["SEEN", "TOKENS_MAX", "Seen", "Tokens"]

TOKENS_MAX = 65_536
"""How many tokens an instrument remembers; the oldest is forgotten first."""

SEEN = np.dtype(
    [
        ("key", "<u8", 2),
        ("command", "<u8"),
        ("sequence", "<u8"),
        ("commands", "<u4"),
        ("crc", "<u4"),
    ]
)
"""A token as a checkpoint keeps it, with the fields of Seen: 40 bytes."""


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
        self._seen: dict[bytes, Seen] = {}

    def __len__(self) -> int:
        return len(self._seen)

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
            seen = self._seen.get(key)
            if seen is not None:
                repeated[begin] = seen
                fresh[begin : begin + count] = False
                dropped += count
                continue
            self._seen[key] = Seen(commands + begin - dropped + 1, sequence, count, crc)
            if len(self._seen) > TOKENS_MAX:
                del self._seen[next(iter(self._seen))]
        return (batch.records[fresh] if dropped else batch.records), repeated

    def pack(self) -> bytes:
        """The tokens as records of SEEN, the oldest first."""
        rows = np.zeros(len(self._seen), SEEN)
        rows["key"] = np.frombuffer(b"".join(self._seen), "<u8").reshape(-1, 2)
        for field, name in enumerate(Seen._fields):
            rows[name] = [seen[field] for seen in self._seen.values()]
        return rows.tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> "Tokens":
        """The tokens in records of SEEN."""
        tokens = cls()
        rows = np.frombuffer(data, SEEN)
        fields = zip(*(rows[name].tolist() for name in Seen._fields), strict=True)
        for key, seen in zip(rows["key"], fields, strict=True):
            tokens._seen[key.tobytes()] = Seen(*seen)
        return tokens
