"""What must hold of the order of events, whatever they say: numbers, commands, time.

Sequences are gapless, commands follow each other, each ends with one LAST and nothing stands behind
it, time does not run backwards, trades are numbered one by one.
"""

import numpy as np

from pricetime.log.batch import Records
from pricetime.records import EventFlag, EventKind

__all__ = ["Flow"]


class Flow:
    """How far events are; knows nothing before the first ones unless they are told to begin."""

    def __init__(self, *, begin: bool) -> None:
        self.known = begin
        self.sequence = 0
        self.command = 0
        self.ended = True  # whether LAST stood on the last event
        self.timestamp = 0  # ns
        self.trades = 0  # number of the last trade

    def feed(self, events: Records) -> tuple[int, str] | None:
        """Takes events; the sequence of the first that is wrong, and why."""
        if not self.known or int(events["sequence"][0]) != self.sequence + 1:
            self._resume(events[0])
        wrong = self._first_wrong(events)
        last = events[-1]
        trades = events["detail"][events["kind"] == EventKind.TRADE]
        self.known = True
        self.sequence, self.command = int(last["sequence"]), int(last["command"])
        self.ended = bool(last["flags"] & EventFlag.LAST)
        self.timestamp = int(last["timestamp"])
        if len(trades):
            self.trades = int(trades[-1])
        return wrong

    def _resume(self, event: np.void) -> None:
        """Takes it from the first event behind a gap."""
        self.sequence = int(event["sequence"]) - 1
        self.command, self.ended = int(event["command"]), False
        self.timestamp = int(event["timestamp"])
        self.trades = -1

    def _first_wrong(self, events: Records) -> tuple[int, str] | None:
        ended = (events["flags"] & EventFlag.LAST).astype(np.uint64)
        ended_before = np.concatenate([[np.uint64(self.ended)], ended[:-1]])
        command_before = np.concatenate([[np.uint64(self.command)], events["command"][:-1]])
        time_before = np.concatenate([[np.int64(self.timestamp)], events["timestamp"][:-1]])
        numbers = np.arange(self.sequence + 1, self.sequence + 1 + len(events), dtype=np.uint64)
        checks = {
            "its sequence does not follow": events["sequence"] != numbers,
            "its command is not that which LAST says": (
                events["command"] != command_before + ended_before
            ),
            "time runs backwards": events["timestamp"] < time_before,
            "it has no kind of event": ~np.isin(events["kind"], list(EventKind)),
            "its reserved field is not 0": events["reserved"] != 0,
        }
        first: tuple[int, str] | None = None
        for text, wrong in checks.items():
            if wrong.any():
                at = int(np.argmax(wrong))
                if first is None or at < first[0]:
                    first = (at, text)
        places = np.flatnonzero(events["kind"] == EventKind.TRADE)
        if len(places):
            trades = events["detail"][places]
            start = int(trades[0]) if self.trades < 0 else self.trades + 1
            wrong = trades != np.arange(start, start + len(trades))
            if wrong.any():
                at = int(places[np.argmax(wrong)])
                if first is None or at < first[0]:
                    first = (at, "its trade is not the next one by number")
        return None if first is None else (int(events["sequence"][first[0]]), first[1])
