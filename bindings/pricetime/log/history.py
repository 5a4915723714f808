"""The events of an instrument for a client, from whichever log they are in."""

import time
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path

from pricetime.instrument import index
from pricetime.log.batch import Records
from pricetime.log.sqlite_read import SqliteReader

__all__ = ["check_after", "events"]

LOOK_SECONDS = 0.02  # how often a file is looked at for more


def check_after(after: int) -> int:
    """The sequence that events are asked for behind, as an int, which one of numpy is not; raises
    ValueError, TypeError."""
    sequence = index(after, "after")
    if sequence < 0:
        raise ValueError(f"after {after} is below 0: it is the last sequence that you have, or 0")
    return sequence


def events(
    where: str | PathLike[str], name: str, after: int = 0, *, follow: bool = True
) -> Iterator[Records]:
    """The events of an instrument after a sequence, in arrays of EVENT: history, then live, for
    ever; without `follow`, history alone.

    where: a venue's file, or `kafka://HOST:PORT/PREFIX`. Each event comes once and in order,
    however often a runner has published it. Raises LogDamaged where some are missing, LogTrimmed
    where they are no longer kept, LogError where there is no such instrument.
    """
    after = check_after(after)
    text = fspath(where)
    if text.startswith("kafka://"):
        yield from _of_kafka(text, name, after, follow)
    else:
        yield from _of_file(text, name, after, follow)


def _of_kafka(address: str, name: str, after: int, follow: bool) -> Iterator[Records]:
    from pricetime.log.kafka import KafkaReader  # an extra

    reader = KafkaReader(address)
    try:
        follower = reader.follow(name, after)
        for batch in follower.to_the_end():
            yield batch.records
        while follow:
            for batch in follower.poll(1.0):
                yield batch.records
    finally:
        reader.close()


def _of_file(path: str, name: str, after: int, follow: bool) -> Iterator[Records]:
    reader = SqliteReader(Path(path))
    try:
        while True:
            for batch in reader.events(name, after):
                after = batch.last
                yield batch.records
            if not follow:
                return
            time.sleep(LOOK_SECONDS)
    finally:
        reader.close()
