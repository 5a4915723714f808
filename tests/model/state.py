"""What the book holds, and the events that it says.

Invariant: a live order stands in `live` under its id; if it rests, in exactly one queue as well:
the market orders of its side, or one of the two queues (displayed, not displayed) of its level.
Who waits and who sleeps is looked for each time, sums are summed each time: slow on purpose.
"""

from pricetime.records import EVENT, EventKind, OrderState, Phase

from .order import BUY, GONE, INCOMING, RESTING, SELL, in_second_queue, is_market, shows

KIND, PRICE, QUANTITY = (EVENT.names.index(name) for name in ("kind", "price", "quantity"))
FLAGS = EVENT.names.index("flags")
CHANGED_BY_TRADING = ("levels", "markets", "live", "queue", "last", "sequence", "trades")


class State:
    """Orders, counters and events; the lowest layer."""

    def __init__(self, max_orders, parameters):
        self.max_orders = max_orders
        self.parameters = parameters
        self.levels = {BUY: {}, SELL: {}}  # price -> (displayed queue, second queue)
        self.markets = {BUY: [], SELL: []}  # resting in an auction, in order of time
        self.live = {}  # id -> order
        self.queue = []  # fired and woken orders, to be served (§6); empty between commands
        self.last = None  # ticks: price of the last trade
        self.phase = Phase.CONTINUOUS
        self.auction_end = None  # (ns, command) of an auction that a band caused
        self.left_crossed = False  # an order left in an uncross, and the rest could trade still
        self.time = 0  # ns
        self.commands = 0
        self.sequence = 0
        self.trades = 0
        self.events = []  # of the batch at hand

    # -- where orders are -------------------------------------------------------------------------

    def put(self, order):
        """To the end of its queue."""
        order.state = RESTING
        order.displayed = shows(order)
        order.place = self.sequence
        if not is_market(order):
            self.levels[order.side].setdefault(order.price, ([], []))
        self.queue_of(order).append(order)

    def queue_of(self, order):
        """The queue that it rests in."""
        if is_market(order):
            return self.markets[order.side]
        return self.levels[order.side][order.price][in_second_queue(order)]

    def take_out(self, order):
        """Out of its queue; it stays live."""
        if order.state == RESTING:
            self.queue_of(order).remove(order)
            if not is_market(order) and self.levels[order.side][order.price] == ([], []):
                del self.levels[order.side][order.price]
        order.state = INCOMING
        order.displayed = 0

    def remove(self, order):
        """Out of the book for good."""
        self.take_out(order)
        if order in self.queue:
            self.queue.remove(order)
        del self.live[order.order_id]
        order.state = GONE

    # -- views ------------------------------------------------------------------------------------

    def prices(self, side):
        """The prices of a side, best first."""
        return sorted(self.levels[side], reverse=side == BUY)

    def resting(self, side):
        """A side's orders in the order of §5, market orders first."""
        found = list(self.markets[side])
        for price in self.prices(side):
            displayed, second = self.levels[side][price]
            found += displayed + second
        return found

    def level_total(self, order):
        """What rests where this order would."""
        if is_market(order):
            return sum(other.remaining for other in self.markets[order.side])
        displayed, second = self.levels[order.side].get(order.price, ([], []))
        return sum(other.remaining for other in displayed + second)

    def all_in(self, state):
        """Live orders in that state, by time."""
        found = [order for order in self.live.values() if order.state == state]
        return sorted(found, key=lambda order: order.priority)

    def children(self, parent):
        """The orders that sleep until the parent is gone, first one first."""
        found = [order for order in self.live.values() if order.parent is parent]
        return sorted(found, key=lambda order: order.accepted)

    def is_child(self, order):
        """Whether it sleeps for a parent."""
        return order.state == OrderState.SLEEPING and order.parent is not None

    # -- trying -----------------------------------------------------------------------------------

    def tried(self, action, order):
        """What the action returns, with everything that it did put back."""
        orders = {id(o): o for o in (*self.live.values(), order)}.values()
        fields = [(o, dict(vars(o))) for o in orders]
        kept = {name: copied(getattr(self, name)) for name in CHANGED_BY_TRADING}
        said = len(self.events)
        try:
            return action()
        finally:
            for o, values in fields:
                vars(o).update(values)
            for name, value in kept.items():
                setattr(self, name, value)
            del self.events[said:]

    # -- events (§4) ------------------------------------------------------------------------------

    def say(self, kind, **fields):
        """One event."""
        self.sequence += 1
        event = dict.fromkeys(EVENT.names, 0)
        event.update(
            fields,
            kind=kind,
            sequence=self.sequence,
            command=self.commands,
            timestamp=self.time,
        )
        assert len(event) == len(EVENT.names), fields
        self.events.append(list(event.values()))

    def say_of(self, kind, order, **fields):
        """An event that carries an order's side, account, id and price."""
        self.say(
            kind,
            side=order.side,
            account=order.account,
            order_id=order.order_id,
            price=order.price,
            **fields,
        )

    def say_amended(self, order, reason=0):
        """AMENDED: the order's new values."""
        self.say_of(
            EventKind.AMENDED,
            order,
            reason=reason,
            quantity=order.quantity,
            remaining=order.remaining,
            detail=order.trigger,
        )


def copied(value):
    """A copy as deep as the containers go, orders not."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(value)
    if isinstance(value, tuple):
        return tuple(copied(item) for item in value)
    return value
