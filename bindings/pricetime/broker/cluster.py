"""Brokers on this machine as one cluster, whose files are in one folder."""

import os
import random
import signal
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from pricetime.broker.errors import BrokerError
from pricetime.broker.folder import ClusterFolder
from pricetime.broker.jars import install, program
from pricetime.broker.process import BrokerProcess
from pricetime.broker.settings import HOST, checked

__all__ = ["PORT", "SIZES", "Cluster"]

PORT = 9092
SIZES = (1, 3)
START_SECONDS = 120.0  # on an idle machine it takes 4 to 11
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05

# Below the ports that systems give to clients: one of those may be taken by the connection of a
# client while its broker is down, and then the broker cannot come back.
FREE_PORTS = range(10_000, 20_000)

BROKER_JVM = ("-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")


class Cluster:
    """One broker or three, each a controller too; from `start` to the end of a `with` they run.

    What they have stored stays in `folder` for the next start, which may take other ports and
    settings but not another number of brokers. They do not outlive this process. Not for several
    threads at once. Raises ValueError for what makes no sense, BrokerError for what did not work.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        brokers: int = 1,
        port: int = PORT,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`port` is the first of twice as many as brokers, or 0 for any free ones; `settings` are
        of `server.properties`, over those of `pricetime.broker.settings`."""
        if brokers not in SIZES:
            raise ValueError(f"{brokers} brokers; allowed: {' or '.join(map(str, SIZES))}")
        last = 65_536 - 2 * brokers
        if port and not 1 <= port <= last:
            raise ValueError(f"port {port} is outside 1..{last}; or 0 for any free ones")
        self.nodes = range(1, brokers + 1)
        self.folder = ClusterFolder(Path(folder).absolute(), brokers)
        self._settings = checked(settings or {})
        first = port or _free_ports(2 * brokers)
        self._ports = [(first + i, first + brokers + i) for i in range(brokers)]
        self._processes: dict[int, BrokerProcess] = {}

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as clients want them: `bootstrap.servers`."""
        return ",".join(f"{HOST}:{client}" for client, _ in self._ports)

    def pid(self, node: int) -> int | None:
        """The process of a broker, or None when it does not run. Brokers count from 1."""
        process = self._processes.get(self._checked(node))
        return process.pid if process and process.poll() is None else None

    def start(self) -> "Cluster":
        """Starts all; returns when each answers and knows all. Fetches the jars if need be."""
        self._start(self.nodes)
        return self

    def start_node(self, node: int) -> None:
        """Starts one that was stopped or killed; returns when it knows all that run, which it
        cannot while one of them is paused."""
        self._start([self._checked(node)])

    def stop(self, *nodes: int) -> None:
        """Ends these in order, or all; kills those that take longer than 20 s."""
        try:
            self._end(nodes or self.nodes, signal.SIGTERM)
        except BaseException:  # a second Ctrl-C
            self.kill(*nodes)
            raise

    def kill(self, *nodes: int) -> None:
        """Ends these at once, or all, by SIGKILL."""
        self._end(nodes or self.nodes, signal.SIGKILL)

    def pause(self, *nodes: int) -> None:
        """Freezes these, or all: connections stay, nothing answers."""
        self._signal(nodes or self.nodes, signal.SIGSTOP)

    def resume(self, *nodes: int) -> None:
        """Lets those that were paused go on."""
        self._signal(nodes or self.nodes, signal.SIGCONT)

    def destroy(self) -> None:
        """Kills all, and removes what is stored."""
        self.kill()
        self.folder.hold()  # another cluster may run in it
        self.folder.remove()
        self.folder.release()

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _checked(self, node: int) -> int:
        if node not in self.nodes:
            raise ValueError(f"there is no broker {node}; this cluster has 1 to {len(self.nodes)}")
        return node

    def _start(self, nodes: Iterable[int]) -> None:
        down = [node for node in nodes if self.pid(node) is None]
        install()
        self.folder.hold()
        try:
            for node in down:
                for port in self._ports[node - 1]:
                    _check_free(port, node)
            self.folder.prepare(self._ports, self._settings)
            command = program(*BROKER_JVM, "kafka.Kafka", "server.properties")
            for node in down:
                home, log = self.folder.home(node), self.folder.log(node)
                self._processes[node] = BrokerProcess(command, home, log)
            self._await(down)
        except BaseException:
            self._end(down, signal.SIGKILL)
            raise

    def _await(self, nodes: Iterable[int]) -> None:
        """Until each of these answers, and knows of as many brokers as run."""
        end = time.monotonic() + START_SECONDS
        for node in nodes:
            process = self._processes[node]
            while True:
                code = process.poll()
                if code is not None or time.monotonic() > end:
                    late = f"was not ready within {START_SECONDS:.0f} s"
                    why = late if code is None else f"ended while it started, with {code}"
                    raise BrokerError(f"broker {node} {why}; {self.folder.last_words(node)}")
                if _known_brokers(self._ports[node - 1][0]) >= len(self._running(self.nodes)):
                    break
                time.sleep(POLL_SECONDS)

    def _running(self, nodes: Iterable[int]) -> list[BrokerProcess]:
        return [self._processes[node] for node in nodes if self.pid(node)]

    def _signal(self, nodes: Iterable[int], number: signal.Signals) -> list[BrokerProcess]:
        running = self._running(nodes)
        for process in running:
            process.signal(number)
        return running

    def _end(self, nodes: Iterable[int], number: signal.Signals) -> None:
        running = self._signal(nodes, number)
        self._signal(nodes, signal.SIGCONT)  # one that is paused would not hear of it
        end = time.monotonic() + STOP_SECONDS
        for process in running:
            process.wait(max(end - time.monotonic(), 0))
        if not self._running(self.nodes):
            self.folder.release()


def _free_ports(count: int) -> int:
    """The first of so many ports in a row that are free."""
    while True:
        first = random.randrange(FREE_PORTS.start, FREE_PORTS.stop - count)
        try:
            for port in range(first, first + count):
                _bind(port)
        except OSError:
            continue
        return first


def _check_free(port: int, node: int) -> None:
    try:
        _bind(port)
    except OSError as error:
        raise BrokerError(
            f"broker {node} cannot have port {port}: {error.strerror}; take another port, or 0 for "
            "any free ones"
        ) from None


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as brokers do
        probe.bind((HOST, port))


def _known_brokers(port: int) -> int:
    """How many brokers the one on this port knows, itself among them; 0 when it does not answer.

    By a Metadata request of version 1, which names no topics.
    """
    header = struct.pack(">hhih9s", 3, 1, 1, 9, b"pricetime")
    request = header + struct.pack(">i", 0)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as answer:
                _size, _request, brokers = struct.unpack(">iii", answer.read(12))
                return int(brokers)
    except (OSError, struct.error):
        return 0
