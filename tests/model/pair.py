"""A book and its naive twin side by side: told the same, they must say the same, byte for byte."""

import numpy as np
import pricetime as pt

from .audit import Audit
from .batches import through
from .blotter import blotter
from .twin import Twin

FIELDS = [name for name in pt.ORDER.names if name != "reserved"]
SHORT = 80  # commands up to which a difference is told as a whole scenario


class Pair:
    """Both books, and an auditor of what they say; AssertionError where anything differs."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.book, self.twin = pt.Book(**parameters), Twin(**parameters)
        self.audit = Audit()
        self.history = []  # all commands so far

    def process(self, commands, out=None):
        """Tells both, the book by way of a small buffer where there is one; what they say."""
        self.history.append(commands.copy())
        ours = self.book.process(commands) if out is None else self._through(commands, out)
        theirs = self.twin.process(commands)
        assert ours.tobytes() == theirs.tobytes(), self._difference(ours, theirs)
        self.audit.feed(ours)
        return ours

    def _through(self, commands, out):
        return np.frombuffer(through(self.book, commands, out), pt.EVENT)

    def check(self):
        """The book is sound, and shows what its twin shows."""
        book, twin = self.book, self.twin
        book.check()
        twin.check()
        ours = book.orders()[FIELDS].tolist()
        assert ours == [tuple(order[name] for name in FIELDS) for order in twin.orders()], self
        assert (book.best_bid, book.best_ask) == (twin.best_bid, twin.best_ask), self
        assert book.bids().tolist() == twin.bids(), self
        assert book.asks().tolist() == twin.asks(), self
        assert len(book) == len(twin.live), self
        ours = (book.commands, book.sequence, book.trades, book.timestamp, book.current_phase)
        assert ours == (twin.commands, twin.sequence, twin.trades, twin.time, twin.phase), self

    def save_and_restore(self):
        """Goes on with a book made from the checkpoint of this one."""
        data = self.book.checkpoint()
        self.book = pt.Book.restore(data)
        assert self.book.checkpoint() == data

    def __str__(self):
        """The way that led here as a scenario, or its length."""
        commands = np.concatenate(self.history) if self.history else []
        if len(commands) > SHORT:
            return f"after {len(commands)} commands"
        return "\n" + blotter(commands, Twin, **self.parameters)

    def _difference(self, ours, theirs):
        for a, b in zip(ours, theirs, strict=False):
            if a.tobytes() != b.tobytes():
                return f"{self}\nthe book says {nonzero(a)}\nits twin says {nonzero(b)}"
        return f"{self}\n{len(ours)} events of the book, {len(theirs)} of its twin"


def nonzero(event):
    """The fields that say something."""
    return {name: int(event[name]) for name in pt.EVENT.names if event[name]}
