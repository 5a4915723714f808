"""What the tests with threads share: a clock set by hand, a log that waits, calls made at once."""

import threading

from pricetime.log import MemoryLog

from .failing import FailingLog

NOW = 1_700_000_000 * 10**9  # ns


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


class Gate(FailingLog):
    """A log in memory whose commits wait while it is shut."""

    def __init__(self):
        super().__init__(MemoryLog())
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def commit(self):
        if self.written or not self.commits:
            self.reached.set()
            self.open.wait()
        super().commit()

    def shut(self):
        """From now on commits wait; `reached` says that one does."""
        self.open.clear()
        self.reached.clear()


def sequences(parts):
    """All sequences of some arrays of events."""
    return [sequence for part in parts for sequence in part["sequence"].tolist()]


def together(*calls):
    """Runs calls in threads of their own at once; what they return, or raises."""
    found, failed = [None] * len(calls), []

    def run(number, call):
        try:
            found[number] = call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=numbered) for numbered in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    return found
