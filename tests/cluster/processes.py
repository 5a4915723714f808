"""Runners as processes, to be killed, frozen and ended."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["RunnerProcess"]


class RunnerProcess:
    """`pricetime run --log`, with some options."""

    def __init__(self, url: str, *options: str, port: int = 0) -> None:
        self.port = port
        http = ["--http", f"127.0.0.1:{port}"] if port else []
        # A pipe that nobody reads would stop it.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by kill and end)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pricetime", "run", "--log", url, *options, *http],
            stderr=self._errors,
        )

    def said(self) -> str:
        """What it has written to stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def ready(self) -> bool:
        """Whether it says that all its pairs are live."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def await_ready(self, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not self.ready():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, "a runner is not ready"
            time.sleep(0.02)

    def resident_bytes(self) -> int:
        """Of memory, now."""
        assert self.process.poll() is None, self.said()
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) << 10

    def cpu_seconds(self) -> float:
        """Of processors, until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Without a word; also where it has ended."""
        self.process.kill()
        self.process.wait()
        self._errors.close()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> str:
        """In order; what it had to say."""
        self.process.terminate()
        code = self.process.wait(30)
        said = self.said()
        self._errors.close()
        # One that had not even begun has not yet learnt to end in order.
        assert code in (0, -signal.SIGTERM), (code, said)
        return said
