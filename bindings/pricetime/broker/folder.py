"""The folder of a cluster: what its brokers have stored, and what they are started from."""

import base64
import contextlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from pricetime.broker.errors import BrokerError
from pricetime.broker.jars import program
from pricetime.broker.java import environment
from pricetime.broker.settings import LOGGING, LOGGING_FILE, properties

__all__ = ["ClusterFolder"]

LOG_LINES = 200  # from the end of a log, in which an error looks for its reason
SHOWN_LINES = 6
FORMAT_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # it runs for a second


class ClusterFolder:
    """A folder for so many brokers; nothing is made before it is held."""

    def __init__(self, path: Path, brokers: int) -> None:
        self.path = path
        self._nodes = range(1, brokers + 1)
        self._state = path / "cluster.json"
        self._lock_path = path / "lock"
        self._lock: BinaryIO | None = None

    def home(self, node: int) -> Path:
        """Where a broker runs."""
        return self.path / f"node-{node}"

    def log(self, node: int) -> Path:
        """What a broker has printed, in all its runs."""
        return self.home(node) / "log"

    def last_words(self, node: int) -> str:
        """Where a broker's log is, and how it ends."""
        return f"{self.log(node)} ends:\n{_end_of(self.log(node).read_text(errors='replace'))}"

    def hold(self) -> None:
        """Makes it ours until `release`, or until this process ends.

        Kafka's own lock comes too late: a second broker on the same files has by then damaged its
        metadata, or taken it for damaged.
        """
        if self._lock is not None:
            return
        try:
            import fcntl
        except ImportError:
            raise BrokerError("a local broker needs a Unix, such as Linux or macOS") from None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self._lock_path, "ab")  # noqa: SIM115 (closed by release)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise BrokerError(
                f"another cluster runs in {self.path}: stop it, or take another folder"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Lets others hold it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def prepare(self, ports: Sequence[tuple[int, int]], settings: Mapping[str, str]) -> None:
        """Writes what the brokers start from, and formats what is new."""
        try:
            identity = self._identity()
            (self.path / LOGGING_FILE).write_text(LOGGING)
            for node in self._nodes:
                self.home(node).mkdir(exist_ok=True)
                text = properties(node, ports, settings)
                (self.home(node) / "server.properties").write_text(text)
        except OSError as error:
            raise self._unusable(error) from None
        self._format(identity)

    def remove(self) -> None:
        """Removes what was made here, and the folder if nothing else is in it."""
        for node in self._nodes:
            shutil.rmtree(self.home(node), ignore_errors=True)
        for file in (self._state, self.path / LOGGING_FILE, self._lock_path):
            file.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _unusable(self, error: OSError) -> BrokerError:
        return BrokerError(f"a cluster cannot be kept in {self.path}: {error.strerror}")

    def _identity(self) -> str:
        """The cluster's id, made for a new folder; that this one is of as many brokers."""
        if not self._state.exists():
            name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            part = self._state.with_suffix(".part")
            part.write_text(json.dumps({"id": name, "brokers": len(self._nodes)}))
            part.replace(self._state)
        try:
            state = json.loads(self._state.read_text())
            name, brokers = str(state["id"]), int(state["brokers"])
        except (ValueError, TypeError, KeyError):
            raise BrokerError(f"{self._state} is damaged: take another folder") from None
        if brokers != len(self._nodes):
            raise BrokerError(
                f"{self.path} is of a cluster of {brokers}, not of {len(self._nodes)}: start "
                f"{brokers}, or take another folder"
            )
        return name

    def _format(self, identity: str) -> None:
        """Formats what is not yet, all at once: most of it is a Java's start."""
        new = [n for n in self._nodes if not (self.home(n) / "data" / "meta.properties").exists()]
        named = f"--cluster-id={identity}"  # in one word: an id may begin with "-"
        tool = ("kafka.tools.StorageTool", "format", named, "-c", "server.properties")
        with contextlib.ExitStack() as stack:  # which waits for them, whatever happens
            running = [stack.enter_context(self._program(node, *tool)) for node in new]
            told = [process.communicate()[0] for process in running]
        for node, process, text in zip(new, running, told, strict=True):
            if process.returncode:
                raise BrokerError(f"the folder of broker {node} was not made:\n{_end_of(text)}")

    def _program(self, node: int, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            program(*FORMAT_JVM, *command),
            cwd=self.home(node),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )


def _end_of(text: str) -> str:
    """What a program of Java's has said last, without its routine and places in its source."""
    lines = [line for line in text.splitlines()[-LOG_LINES:] if not line.startswith("\t")]
    told = [line for line in lines if " INFO " not in line] or lines
    return "\n".join(told[-SHOWN_LINES:])
