"""An auditor that sees nothing but events, and rebuilds every order and the whole book from them.

§4 promises that this can be done.  Invariant: for every order ever accepted, entered = traded +
remaining + cancelled, where an amend moves `entered` up and counts what it takes off as cancelled.
"""

from dataclasses import dataclass

from pricetime.records import EventFlag, EventKind, Reason, Side

OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


@dataclass(eq=False, slots=True)
class Life:
    """One order as its events tell it."""

    order_id: int
    side: int
    account: int
    price: int
    entered: int
    remaining: int
    traded: int = 0
    cancelled: int = 0
    priority: int = 0  # sequence of the event that gave it its place


class Audit:
    """The book as the events so far tell it; `feed` raises AssertionError where they lie."""

    def __init__(self):
        self.live = {}  # id -> Life
        self.sequence = 0
        self.command = 0  # the last one that is done
        self.timestamp = 0
        self.trades = 0

    def feed(self, events):
        """Take the events of whole commands."""
        names = events.dtype.names
        for row in events.tolist():
            event = dict(zip(names, row, strict=True))
            self._order_of_things(event)
            telling = TELLING.get(event["kind"])
            if telling:
                telling(self, event)

    def book(self):
        """Rows of (order_id, side, price, remaining, account), buys from the best, then sells."""
        rows = sorted(self.live.values(), key=lambda life: life.priority)
        buys = sorted((r for r in rows if r.side == Side.BUY), key=lambda life: -life.price)
        sells = sorted((r for r in rows if r.side == Side.SELL), key=lambda life: life.price)
        return [(r.order_id, r.side, r.price, r.remaining, r.account) for r in buys + sells]

    def first(self, side):
        """Who is first in line on a side, at the best price the earliest; or None."""
        orders = [life for life in self.live.values() if life.side == side]
        sign = -1 if side == Side.BUY else 1
        return min(orders, key=lambda life: (sign * life.price, life.priority), default=None)

    def _order_of_things(self, event):
        self.sequence += 1
        assert event["sequence"] == self.sequence, event
        assert event["command"] == self.command + 1, event
        assert event["timestamp"] >= self.timestamp, event
        assert event["reserved"] == 0, event
        self.timestamp = event["timestamp"]
        if event["flags"] & EventFlag.LAST:
            self.command += 1

    def _accepted(self, event):
        assert event["order_id"] not in self.live, event
        assert event["quantity"] == event["remaining"] > 0, event
        self.live[event["order_id"]] = Life(
            order_id=event["order_id"],
            side=event["side"],
            account=event["account"],
            price=event["price"],
            entered=event["quantity"],
            remaining=event["remaining"],
            priority=event["sequence"],
        )

    def _traded(self, event):
        self.trades += 1
        assert event["detail"] == self.trades, event
        taker, maker = self.live[event["order_id"]], self.live[event["maker_id"]]
        assert (taker.side, taker.account) == (event["side"], event["account"]), event
        assert (maker.side, maker.account) == (OTHER[taker.side], event["maker_account"]), event
        assert event["price"] == maker.price, event
        assert event["quantity"] > 0, event
        for life, left in ((taker, event["remaining"]), (maker, event["maker_remaining"])):
            life.traded += event["quantity"]
            life.remaining -= event["quantity"]
            assert life.remaining == left >= 0, event
            self._settle(life)

    def _cancelled(self, event):
        life = self._named(event)
        assert event["price"] == life.price, event
        assert event["quantity"] == life.remaining > 0, event
        life.cancelled += life.remaining
        life.remaining = 0
        self._settle(life)

    def _amended(self, event):
        life = self._named(event)
        change = event["remaining"] - life.remaining
        assert event["quantity"] == life.traded + event["remaining"], event
        assert event["remaining"] > 0, event
        if event["price"] != life.price or change > 0:
            assert event["reason"] == 0, event
            life.priority = event["sequence"]
        assert event["reason"] in (0, Reason.SELF_TRADE), event
        life.price = event["price"]
        life.remaining = event["remaining"]
        life.entered += max(change, 0)
        life.cancelled += max(-change, 0)
        self._settle(life)

    def _replaced(self, event):
        life = self._named(event)
        assert event["price"] == life.price, event
        assert event["quantity"] == life.remaining > 0, event
        life.cancelled += life.remaining
        life.remaining = 0
        self._settle(life)

    def _named(self, event):
        life = self.live[event["order_id"]]
        assert (life.side, life.account) == (event["side"], event["account"]), event
        return life

    def _settle(self, life):
        assert life.entered == life.traded + life.remaining + life.cancelled, life
        if life.remaining == 0:
            del self.live[life.order_id]


TELLING = {
    EventKind.ACCEPTED: Audit._accepted,
    EventKind.TRADE: Audit._traded,
    EventKind.CANCELLED: Audit._cancelled,
    EventKind.AMENDED: Audit._amended,
    EventKind.REPLACED: Audit._replaced,
}
