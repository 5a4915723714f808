"""One broker as a child process, which does not outlive its parent."""

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pricetime.broker.java import environment

__all__ = ["BrokerProcess"]

# The shell becomes the broker, and leaves a guard behind that reads a pipe which we hold: a line
# releases it; an end without one is our death, of whatever kind. A death signal of the kernel
# would follow the thread that started the broker, and needs a hook between fork and exec.
GUARDED = """\
exec 3<&0
(read -r _ <&3 || kill -9 $$) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""


class BrokerProcess:
    """Runs a command in a folder, with its output added to a log."""

    def __init__(self, command: Sequence[str], folder: Path, log: Path) -> None:
        with open(log, "ab") as out:
            self._process = subprocess.Popen(
                ["sh", "-c", GUARDED, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is for the parent alone
                env=environment(),
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._release()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Until it has ended and its ports are free; kills it when it takes longer."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        """Lets the guard go, before the number of the process may become another's."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if not stdin.closed:
                stdin.write(b"\n")
                stdin.close()
