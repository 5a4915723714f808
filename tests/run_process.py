"""`pricetime run` as a test has it: a real process, and clients on real sockets."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

SECONDS = 30  # for what should take none
COMMAND = [sys.executable, "-m", "pricetime", "run"]
BTC = ("--instrument", "BTC_EUR", "0.01", "0.001")
SEARCH = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def ask(do, **terms):
    return {"do": do, "market": "BTC_EUR", **terms}


def limit(side="buy", price="100.00", quantity="1", **terms):
    return ask("limit", side=side, price=price, quantity=quantity, **terms)


def lines(*requests):
    return b"".join(json.dumps(request).encode() + b"\n" for request in requests)


def piped(path, given, *options):
    """Runs it on a whole input: exit code, answers, stderr."""
    done = subprocess.run(
        [*COMMAND, path, *options], input=given, capture_output=True, env=SEARCH, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def answers(path, *requests):
    """What a venue with one market answers."""
    code, told, _ = piped(path, lines(*requests), *BTC)
    assert code == 0
    return told


class Client:
    """A connection, line by line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def send(self, *requests):
        self.socket.sendall(lines(*requests))

    def receive(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def ask(self, request):
        self.send(request)
        return self.receive()

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    """A process that listens on a Unix socket."""

    def __init__(self, folder, *options):
        self.path = folder / "venue.sock"
        self.file = folder / "venue.db"
        self.clients = []
        self.process = subprocess.Popen(
            [*COMMAND, self.file, "--listen", self.path, *BTC, *options],
            stderr=subprocess.PIPE, env=SEARCH,
        )  # fmt: skip
        self.told = self.process.stderr.readline().decode()
        assert "listening on" in self.told, self.told

    def client(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def end(self, *signals):
        """Sends signals; the exit code."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def memory(self):
        """Resident bytes."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(folder, *options):
    server = Server(folder, *options)
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        server.process.kill()
        server.process.wait()
        server.process.stderr.close()
