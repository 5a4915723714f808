"""The live view in a process of its own.

Drawing a frame keeps Python busy for 10 to 20 ms, and in a thread the book would wait for the GIL
meanwhile. So frames go through a pipe to a second process that owns the terminal. A frame that
finds the pipe busy is dropped: a slow terminal costs pictures, never time. The second process puts
the terminal back in order when the pipe ends, also where the first one was killed.
"""

import contextlib
import io
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from types import TracebackType
from typing import Any

from pricetime.demo.keys import without_enter

__all__ = ["Screen", "draw"]

PATIENCE = 2.0  # seconds that the view has to end
NICE = 5  # less urgent than the book

START = "import sys; sys.path[:] = {!r}; from pricetime.demo.screen import draw; draw(*{!r})"


class Screen:
    """Where frames are shown; opens with the first one, and leaves the terminal as it was.

    `view`: the module whose View draws them; `keys`: whether keys are to come without an enter.
    """

    def __init__(self, title: str, view: str = "pricetime.demo.view", *, keys: bool = False):
        self._drawn = title, view, keys
        self._frames: queue.Queue[Any] = queue.Queue(1)
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> "Screen":
        code = START.format(sys.path, self._drawn)
        with _without_interrupt():
            self._process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        self._thread.start()
        return self

    def show(self, frame: object) -> None:
        """Shows a frame, or drops it where the one before is still on its way."""
        with contextlib.suppress(queue.Full):
            self._frames.put_nowait(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        try:
            self._frames.put(None, timeout=PATIENCE)
            self._process.wait(PATIENCE)
        except (queue.Full, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._thread.join(PATIENCE)

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # the view has gone: the run goes on without it
            while (frame := self._frames.get()) is not None:
                pickle.dump(frame, pipe, pickle.HIGHEST_PROTOCOL)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """A process started within ignores Ctrl-C: this one decides when the view ends."""
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def draw(title: str, module: str, keys: bool) -> None:
    """Draws the frames that come through standard input until it ends."""
    from rich.console import Console
    from rich.live import Live

    if hasattr(os, "nice"):
        os.nice(NICE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show bars
    console, view = Console(), import_module(module).View(title)
    frames = sys.stdin.buffer
    with contextlib.ExitStack() as stack:
        if keys:
            stack.enter_context(without_enter(sys.stdout.fileno()))
        live = None
        with contextlib.suppress(EOFError):
            while True:
                picture = view.picture(pickle.load(frames), *console.size)
                if live is None:
                    live = Live(console=console, screen=True, auto_refresh=False)
                    stack.enter_context(live)
                live.update(picture, refresh=True)
