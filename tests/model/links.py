"""Triggers and links (§6), and what the end of an order brings about.

Nothing here trades: orders are cancelled, or join the queue that is served once the command's own
step is done.  Invariant: an order in the queue is live, and is queued once: it has `met` a trigger
or it is to wake (SLEEPING without a parent).
"""

from pricetime.records import TIF, EventKind, Phase, Reason

from .order import AUCTIONS, BUY, SLEEPING, WAITING, is_met, trigger_of
from .state import State
from .wellformed import TRAILING


class Links(State):
    """Ends of orders, and what fires or wakes."""

    def cancel(self, order, reason):
        """All that is left, of any live order; then what hangs on it."""
        if self.live.get(order.order_id) is not order:
            return  # it went with another
        self.remove(order)
        quantity, order.remaining = order.remaining, 0
        self.say_of(EventKind.CANCELLED, order, reason=reason, quantity=quantity)
        self.unlink(order)

    def cancel_all(self, orders, reason):
        """One after the other; those that go with an earlier one are passed."""
        for order in orders:
            self.cancel(order, reason)

    def unlink(self, order):
        """Behind the end of an order by other than a fill: first the other leg, then children."""
        self.cancel_partner(order)
        self.free_children(order)

    def cancel_partner(self, order):
        """The other leg of a pair goes."""
        other = order.partner
        if other is not None:
            order.partner = other.partner = None
            self.cancel(other, Reason.OCO)

    def free_children(self, parent):
        """Of a parent that is gone: they join the queue, or are gone as well."""
        children = self.children(parent)
        for child in children:
            child.parent = None
        if parent.traded > 0:
            for child in children:
                child.allowance = parent.traded
                self.queue.append(child)
            return
        for child in children:
            child.partner = None
        self.cancel_all(children, Reason.PARENT)

    # -- triggers ---------------------------------------------------------------------------------

    def watching(self):
        """Waiting orders that have not been fired, by time."""
        return [order for order in self.all_in(WAITING) if order.met is None]

    def move_references(self):
        """Trailing references follow the last trade where it is better."""
        for order in self.watching():
            if order.order_type not in TRAILING:
                continue
            better = min if order.side == BUY else max
            known = self.last if order.reference is None else order.reference
            order.reference = better(known, self.last)

    def fire(self, before=None):
        """What the last price fires joins the queue: by distance from the price before, by time."""
        fired = [order for order in self.watching() if is_met(order, self.last)]
        if before is not None:
            fired.sort(key=lambda order: abs(trigger_of(order) - before))  # stable: then by time
        for order in fired:
            self.join_to_fire(order)

    def join_to_fire(self, order):
        order.met = trigger_of(order)
        self.queue.append(order)

    def wait(self, order):
        """Wait for the trigger, or join the queue if it is met already."""
        order.state = WAITING
        order.reference = self.last if order.order_type in TRAILING else None
        if self.phase == Phase.CONTINUOUS and is_met(order, self.last):
            self.join_to_fire(order)

    # -- phases -----------------------------------------------------------------------------------

    def become(self, phase):
        """PHASE_CHANGED, then what the new phase causes, by time (§8); the uncross is before."""
        if phase != self.phase:
            self.auction_end = None
        self.phase = Phase(phase)
        self.say(EventKind.PHASE_CHANGED, detail=int(phase))
        if phase == Phase.CLOSED:
            day = [order for order in self.live.values() if order.tif == TIF.DAY]
            self.cancel_all(sorted(day, key=lambda order: order.priority), Reason.EXPIRED)
        elif phase in AUCTIONS:
            for order in self.all_in(SLEEPING):
                if order.parent is None and order not in self.queue:
                    self.queue.append(order)
        elif phase == Phase.CONTINUOUS:
            self.fire()
