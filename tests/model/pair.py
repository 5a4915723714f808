"""A book and its naive twin side by side: told the same, they must say the same, byte for byte."""

import numpy as np
import pricetime as pt
from pricetime.records import OrderState

from .audit import Audit
from .batches import through
from .blotter import blotter
from .twin import Twin

FIELDS = pt.ORDER.names
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
        self.audit.feed(ours, commands)
        return ours

    def _through(self, commands, out):
        return np.frombuffer(through(self.book, commands, out), pt.EVENT)

    def check(self):
        """The book is sound, and shows what its twin shows; events have told the same."""
        book, twin = self.book, self.twin
        book.check()
        twin.check()
        every = [tuple(row[name] for name in FIELDS) for row in twin.orders(hidden=True)]
        self._same(book.orders(hidden=True).tolist(), every)
        self._same(self.audit.book(), every)
        self._same(
            book.orders().tolist(), [tuple(row[name] for name in FIELDS) for row in twin.orders()]
        )
        state = FIELDS.index("state")
        for ours, theirs in (
            (book.waiting(), OrderState.WAITING),
            (book.sleeping(), OrderState.SLEEPING),
        ):
            self._same(ours.tolist(), [row for row in every if row[state] == theirs])
        for hidden in (False, True):
            assert book.bids(hidden=hidden).tolist() == twin.bids(hidden), self
            assert book.asks(hidden=hidden).tolist() == twin.asks(hidden), self
        assert (book.best_bid, book.best_ask) == (twin.best_bid, twin.best_ask), self
        assert (book.last_price, len(book)) == (twin.last, len(twin.live)), self
        ours = (book.commands, book.sequence, book.trades, book.timestamp, book.current_phase)
        assert ours == (twin.commands, twin.sequence, twin.trades, twin.time, twin.phase), self
        assert list(book.parameters.values()) == list(twin.parameters.values()), self

    def save_and_restore(self):
        """Goes on with a book made from the checkpoint of this one."""
        data, name = self.book.checkpoint(), self.book.state_hash()
        self.book = pt.Book.restore(data)
        assert self.book.checkpoint() == data, self
        assert self.book.state_hash() == name, self

    def _same(self, ours, theirs):
        for a, b in zip(ours, theirs, strict=False):
            if a != b:
                pairs = zip(FIELDS, a, b, strict=True)
                differ = {name: (x, y) for name, x, y in pairs if x != y}
                raise AssertionError(f"{self}\norder {a[0]} or {b[0]}: {differ}")
        assert len(ours) == len(theirs), self

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
