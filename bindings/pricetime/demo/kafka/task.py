"""Threads whose errors are not lost."""

import threading

__all__ = ["Task"]


class Task:
    """Work in a thread, which ends when it is done, when it is told to, or by an error."""

    def __init__(self, name: str) -> None:
        self.stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def work(self) -> None:
        """What is to be done; returns soon after `stop` was set."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self._error = error

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended; raises the error that ended it."""
        if self._error is not None:
            raise self._error
        return self._thread.is_alive()

    def end(self) -> None:
        """Has it end, and waits until it has."""
        self.stop.set()
        if self._thread.ident is not None:
            self._thread.join()
