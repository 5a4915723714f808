"""What the tests of logs, runners and venues share: logs to open again, and what they are told."""

import threading

import numpy as np
from pricetime import Book
from pricetime.log import MemoryLog, SqliteLog
from pricetime.log.batch import NO_TOKENS, TOKEN, Events
from pricetime.runner import Runner

from .batches import orders

KINDS = ("memory", "sqlite")
NAME = "BTC_EUR"


class Place:
    """Where a log is kept: `open` it, close it, open it again."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.path = folder / "venue.db"
        self._memory = MemoryLog()

    def open(self):
        """The log as it was left."""
        return self._memory if self.kind == "memory" else SqliteLog(self.path)


class Teller:
    """Appends commands to a stream and publishes what a book makes of them, as a runner does.

    It goes on behind the commands that are there."""

    def __init__(self, log, name=NAME):
        self.log = log
        self.stream = log.stream(name)
        self.book = Book()
        self.position = 0
        for batch in self.stream.read(0):
            self.book.process(batch.records)
            self.position = batch.position

    def append(self, commands, tokens=NO_TOKENS):
        """Has commands in the log, and no events of them."""
        self.stream.append(commands, tokens)

    def publish(self, commands, digest=False):
        """Publishes the events of commands; returns them."""
        events = self.book.process(commands)
        self.position += len(commands)
        name = self.book.state_hash() if digest else ""
        self.stream.publish(Events(events, self.position, name))
        return events

    def tell(self, commands, *, commit=True):
        """Both, and commits them."""
        self.append(commands)
        events = self.publish(commands)
        if commit:
            self.log.commit()
        return events


def token_rows(*rows):
    """TOKEN records of (key, begin, count, crc)."""
    made = np.zeros(len(rows), TOKEN)
    for at, (key, begin, count, crc) in enumerate(rows):
        made[at] = ((key, 0), begin, count, crc, 0)
    return made


def joined(batches):
    """The bytes of all records of some batches."""
    return b"".join(batch.records.tobytes() for batch in batches)


def spans(batches):
    """The (first, last) sequence of each batch of events."""
    return [(batch.first, batch.last) for batch in batches]


def start(log, **options):
    """A runner of what the log has, as after a restart."""
    return Runner(NAME, log.stream(NAME), Book, **options)


def keep(runner, log):
    """Takes a checkpoint and stores it whole."""
    runner.take_checkpoint()
    while runner.storing:
        runner.store_part()
    log.commit()


def read_beside_writer(log, look=lambda reader, after: None):
    """The sequences that two readers see, all in one list, while 200 events are published.

    look: is called by each behind each reading, with the last sequence that it has."""
    seen, failed = [], []

    def follow():
        reader = log.reader()
        try:
            after = 0
            while after < 200:
                for batch in reader.events(NAME, after):
                    seen.extend(batch.records["sequence"].tolist())
                    after = batch.last
                look(reader, after)
        except BaseException as error:
            failed.append(error)
        finally:
            reader.close()

    readers = [threading.Thread(target=follow) for _ in range(2)]
    for thread in readers:
        thread.start()
    teller = Teller(log)
    for first in range(1, 201, 4):
        teller.tell(orders(4, first))
    for thread in readers:
        thread.join()
    assert not failed
    return seen
