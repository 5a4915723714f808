"""Keys, heard as they are pressed.

The process that draws sets the terminal so, and puts it back in order however ours ends; we read.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

__all__ = ["can_hear", "heard", "without_enter"]


def can_hear() -> bool:
    """Whether somebody can press keys for us."""
    try:
        import termios  # noqa: F401
    except ImportError:
        return False
    return sys.stdin is not None and sys.stdin.isatty()


def heard(seconds: float) -> str:
    """What was pressed, after so long at most; "" where nothing was."""
    began = time.monotonic()
    try:
        if select.select([sys.stdin], [], [], seconds)[0]:
            data = os.read(sys.stdin.fileno(), 64)
            if data:
                return data.decode("utf-8", "replace")
    except OSError:  # the terminal has gone
        pass
    time.sleep(max(began + seconds - time.monotonic(), 0))
    return ""


@contextlib.contextmanager
def without_enter(terminal: int) -> Iterator[None]:
    """Within, keys come without an enter behind them, and do not show."""
    import termios
    import tty

    # When our parent has been killed we are in the background, and would be stopped.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    settings = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, settings)
        signal.signal(signal.SIGTTOU, before)
