"""What a process tells of itself: Prometheus' metrics, and whether it is healthy and ready."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from pricetime.log.errors import LogError

__all__ = ["Metrics", "PairMetrics", "serve"]

LATENCY_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30,
)  # fmt: skip


PAIR = ["pair"]
NAMESPACE = "pricetime"

M = TypeVar("M", Counter, Gauge)


class Metrics:
    """The metrics of a process; labelled by pair."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.commands = self._of(Counter, "commands", "Commands processed")
        self.events = self._of(Counter, "events", "Events published")
        self.failures = self._of(Counter, "failures", "Times that a pair failed")
        self.latency = Histogram(
            "latency_seconds",
            "From a message of commands being sent to all that has come being published",
            PAIR,
            NAMESPACE,
            registry=self.registry,
            buckets=LATENCY_SECONDS,
        )
        self.lag = self._of(Gauge, "lag_messages", "Messages of commands not processed yet")
        self.waiting = self._of(Gauge, "waiting_messages", "Of these, those that were read")
        self.sent = self._of(Gauge, "sent_bytes", "Bytes of events not acknowledged yet")
        self.quarantined = self._of(Gauge, "quarantined_messages", "Messages that were no commands")
        self.behind = self._of(Gauge, "checkpoint_commands", "Commands since the last checkpoint")
        self.age = self._of(Gauge, "checkpoint_seconds", "Book's time since the last checkpoint")
        self.orders = self._of(Gauge, "orders", "Live orders")
        self.live = self._of(Gauge, "live", "1 while a pair is processed, 0 while it is not")

    def _of(self, kind: type[M], name: str, text: str) -> M:
        return kind(name, text, PAIR, NAMESPACE, registry=self.registry)

    def of(self, pair: str) -> "PairMetrics":
        """Those of a pair."""
        return PairMetrics(*(getattr(self, name).labels(pair) for name in PairMetrics._fields))

    def forget(self, pair: str) -> None:
        """A pair is no longer ours: its gauges would stand still."""
        for name, kind in PairMetrics.__annotations__.items():
            if kind is Gauge:
                with suppress(KeyError):  # it never was live
                    getattr(self, name).remove(pair)


class PairMetrics(NamedTuple):
    """The metrics of one pair, found once: looking them up costs more than setting them."""

    commands: Counter
    events: Counter
    failures: Counter
    latency: Histogram
    lag: Gauge
    waiting: Gauge
    sent: Gauge
    quarantined: Gauge
    behind: Gauge
    age: Gauge
    orders: Gauge
    live: Gauge


class _Handler(BaseHTTPRequestHandler):
    metrics: Metrics
    state: Callable[[], tuple[bool, bool, dict[str, str]]]

    def do_GET(self) -> None:
        """/metrics, /health (200 while the loop turns), /ready (200 while every pair is live)."""
        healthy, ready, pairs = type(self).state()
        if self.path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4", generate_latest(self.metrics.registry))
        elif self.path in ("/health", "/ready"):
            good = healthy if self.path == "/health" else ready
            body = {"healthy": healthy, "ready": ready, "pairs": pairs}
            data = json.dumps(body, indent=1).encode() + b"\n"
            self._answer(200 if good else 503, "application/json", data)
        else:
            self._answer(404, "text/plain", b"/metrics, /health or /ready\n")

    def _answer(self, code: int, sort: str, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", sort)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing: a monitor asks every few seconds."""


def serve(
    host: str, port: int, metrics: Metrics, state: Callable[[], tuple[bool, bool, dict[str, str]]]
) -> ThreadingHTTPServer:
    """Answers over HTTP, in a thread, until it is shut down; raises LogError."""
    handler = type("Handler", (_Handler,), {"metrics": metrics, "state": staticmethod(state)})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise LogError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    threading.Thread(target=server.serve_forever, name="pricetime-http", daemon=True).start()
    return server
