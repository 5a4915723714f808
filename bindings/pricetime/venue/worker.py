"""The thread of a venue: the only one that touches its log and its books."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from pricetime.log.errors import LogError
from pricetime.log.protocol import Reader
from pricetime.venue.core import Core, Question
from pricetime.venue.request import Request
from pricetime.venue.retention import Point, trim_point
from pricetime.venue.retention import archive as copy

__all__ = ["Worker"]

T = TypeVar("T")

TICK_SECONDS = 0.25  # how late something that falls due by the clock may be on an idle venue


class Worker:
    """Drives a core. `make_core` runs in the calling thread: it raises here."""

    def __init__(self, make_core: Callable[[], Core]) -> None:
        self._core = make_core()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._asleep = False
        self._closing = False
        self.closed = False  # whether all that was sent is done, and the log closed
        self._closed_by: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pricetime-venue", daemon=True)
        self._thread.start()

    def put(self, item: Request | Question) -> None:
        """Hands something over; raises LogError once the venue is closing, and Overloaded."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a question cannot ask its own venue: use what it is given")
        with self._lock:
            if self._closing:
                raise LogError("this venue is closed") from self._closed_by
            self._core.put(item)
            if self._asleep:
                self._asleep = False
                self._wake.notify()

    def ask(self, answer: Callable[[Core], T]) -> "Future[T]":
        """Has a question answered between two groups."""
        future: Future[T] = Future()

        def settle(value: Any, error: BaseException | None) -> None:
            if not future.set_running_or_notify_cancel():
                return  # nobody waits any more
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        self.put(Question(answer, settle))
        return future

    def close(self) -> None:
        """Does what waits, and ends; raises what the log raised at the end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        error, self._closed_by = self._closed_by, None
        if error is not None:
            raise error

    def reader(self) -> Reader:
        """A reader of the log, for the calling thread; also once it is closed."""
        return self._core.log.reader()

    def trim(self, name: str, archive: str | PathLike[str] | None, before: int | None) -> Point:
        """Trims an instrument's history, in the calling thread but for what is dropped; see
        Venue.trim."""
        self.ask(lambda core: core.definition(name)).result()
        reader = self.reader()
        try:
            point = trim_point(reader, name, before)
            if archive is not None:
                copy(reader, name, Path(archive), point)
        finally:
            reader.close()
        while self.ask(lambda core: core.trim(name, point)).result():
            pass
        return point

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Calls a watcher no more."""
        with suppress(ValueError):
            self._core.watchers.remove(watcher)

    def _run(self) -> None:
        core = self._core
        try:
            while not self._closing:
                with self._wake:
                    if core.idle and not self._closing:
                        self._asleep = True
                        self._wake.wait(self._patience())
                        self._asleep = False
                core.step()
        except BaseException as error:
            self._closed_by = error
        finally:
            with self._wake:
                self._closing = True
            try:
                core.close()
            except BaseException as error:
                self._closed_by = self._closed_by or error
            self.closed = True
            core.tell_watchers()

    def _patience(self) -> float | None:
        """Seconds that nothing needs doing, as far as is known."""
        if self._core.next_due is None:
            return None
        return TICK_SECONDS
