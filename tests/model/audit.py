"""An auditor that matches nothing, and rebuilds every order and the whole book from what was said.

§4 promises that this can be done.  Events tell of an order's life: what was entered, traded, is
left and was cancelled, its price, trigger and place, what fired, woke and went with another.
`ACCEPTED` does not say what an order is made of (type, tif, flags, peak, link), and with that not
whether it rests, waits or sleeps and what it displays: that is read in the command that it answers.

Invariant: for every order ever accepted, entered = traded + remaining + cancelled, where an amend
moves `entered` up, and what it, a decrement or a waking takes off counts as cancelled.
"""

from dataclasses import dataclass, field

from pricetime.records import (
    EVENT,
    ORDER,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Kind,
    Mark,
    OrderState,
    OrderType,
    Phase,
    Reason,
    Side,
)

from .wellformed import (
    ALL_OR_NONE,
    HIDDEN,
    ICEBERG,
    MARKETS,
    MINIMUM,
    OCO,
    ON_FILL,
    POST_ONLY,
    QUOTE_QUANTITY,
    TRAILING,
    TRIGGERED,
    Command,
)

OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
RESTING, WAITING, SLEEPING = OrderState
AUCTIONS = (Phase.PRE_OPEN, Phase.AUCTION)
STOPS = {OrderType.STOP, OrderType.STOP_LIMIT} | TRAILING  # the others take profit
KEPT = ("order_id", "price", "remaining", "trigger", "slot", "accepted", "priority", "account")
KEPT += ("expires", "side", "order_type", "tif", "stp", "flags", "displayed")


@dataclass(eq=False, slots=True)
class Life:
    """One order as it is told; a resting one counts as such from its entry."""

    order_id: int
    side: int
    account: int
    price: int
    trigger: int
    entered: int
    remaining: int
    accepted: int
    order_type: int
    tif: int
    stp: int
    flags: int
    expires: int
    slot: int
    quote: bool
    traded: int = 0
    cancelled: int = 0
    state: int = RESTING
    priority: int = 0  # sequence of the event that gave it its time
    place: int = 0  # the same, or that of the event that showed its latest slice
    slice: int | None = None  # what is displayed of an iceberg, once something was taken off it
    fired: bool = False
    reference: int | None = None
    partner: "Life | None" = None
    parent: "Life | None" = None
    children: "list[Life]" = field(default_factory=list)  # asleep until it is gone, first one first
    met: int | None = None  # the trigger that was met
    allowance: int | None = None  # what its parent traded

    @property
    def quantity(self):
        """The total, as it is now."""
        return self.traded + self.remaining

    @property
    def is_market(self):
        return self.order_type == OrderType.MARKET

    @property
    def is_second(self):
        """Whether it rests behind what its level displays."""
        return bool(self.flags & (HIDDEN | ALL_OR_NONE))

    @property
    def displayed(self):
        if self.state != RESTING or self.is_market or self.is_second:
            return 0
        if not self.flags & ICEBERG:
            return self.remaining
        return min(self.slot if self.slice is None else self.slice, self.remaining)

    @property
    def level(self):
        """Where it stands: at market, then from the best price, displayed first."""
        sign = -1 if self.side == Side.BUY else 1
        return (not self.is_market, sign * self.price, self.is_second)

    def lots(self, price):
        """How many it could take at that price."""
        if not self.flags & QUOTE_QUANTITY:
            return self.remaining
        return self.remaining // price if price > 0 else 0

    def trigger_met(self, last):
        """The price that the last trade has met, or None."""
        trigger = self.trigger
        if self.order_type in TRAILING:
            if self.reference is None:
                return None
            trigger = self.reference + (-trigger if self.side == Side.SELL else trigger)
        upwards = (self.side == Side.BUY) == (self.order_type in STOPS)
        if last is None or (last < trigger if upwards else last > trigger):
            return None
        return trigger

    def row(self):
        """As ORDER has it."""
        marks = Mark.QUOTE * self.quote | Mark.TRIGGERED * self.fired
        marks |= Mark.REFERENCE * (self.reference is not None)
        row = {name: int(getattr(self, name)) for name in KEPT}
        row |= {"quantity": self.quantity, "reference": self.reference or 0, "marks": int(marks)}
        row |= {"state": int(self.state)}
        row |= {"partner": self.partner.order_id if self.partner else 0}
        row |= {"parent": self.parent.order_id if self.parent else 0}
        return tuple(row[name] for name in ORDER.names)


class Audit:
    """The book as it was told so far; `feed` raises AssertionError where the events lie."""

    def __init__(self):
        self.live = {}  # id -> Life
        self.waiting = {}  # id -> Life, a part of these
        self.terms = {}  # number -> Command, of those that are not done
        self.heard = 0  # commands
        self.sequence = 0
        self.command = 0  # the last one that is done
        self.timestamp = 0
        self.trades = 0
        self.phase = Phase.CONTINUOUS
        self.last = None  # ticks
        self.owed = []  # (order, reason) of the cancels that have to come next, and in that order
        self.called = []  # orders that have to fire or wake before the command is done

    def feed(self, events, commands=()):
        """Take events, of these commands or of earlier ones."""
        for row in commands.tolist() if len(commands) else ():
            self.heard += 1
            self.terms[self.heard] = Command._make(row)
        for row in events.tolist():
            event = dict(zip(EVENT.names, row, strict=True))
            self._order_of_things(event)
            telling = TELLING.get(event["kind"])
            if telling:
                telling(self, event)
            if event["flags"] & EventFlag.LAST:
                self._done()

    def book(self):
        """Rows of ORDER, as `orders(hidden=True)` of a book has them."""
        buys, sells = self.resting(Side.BUY), self.resting(Side.SELL)
        rest = [life for life in self.live.values() if life.state != RESTING]
        rest.sort(key=lambda life: (life.state, life.priority))
        return [life.row() for life in buys + sells + rest]

    def resting(self, side):
        """A side's orders in the order in which they trade."""
        found = [life for life in self.live.values() if (life.state, life.side) == (RESTING, side)]
        return sorted(found, key=lambda life: (life.level, life.place))

    def first(self, taker):
        """Who is first in line to trade with it; or None."""
        for maker in self.resting(OTHER[taker.side]):
            if not maker.flags & ALL_OR_NONE or maker.remaining <= taker.lots(maker.price):
                return maker
        return None

    def _order_of_things(self, event):
        self.sequence += 1
        assert event["sequence"] == self.sequence, event
        assert event["command"] == self.command + 1, event
        assert event["timestamp"] >= self.timestamp, event
        assert event["reserved"] == 0, event
        self.timestamp = event["timestamp"]
        if self.owed:
            life, reason = self.owed.pop(0)
            owed = (EventKind.CANCELLED, life.order_id, reason)
            assert (event["kind"], event["order_id"], event["reason"]) == owed, event
        elif event["kind"] == EventKind.CANCELLED:
            assert event["reason"] not in (Reason.OCO, Reason.PARENT), event

    def _done(self):
        """Behind the last event of a command."""
        assert self.owed == [], "links of an order that is gone did not go"
        called = [life for life in self.called if self.live.get(life.order_id) is life]
        assert called == [], "a trigger that was met, or a parent's end, caused nothing"
        self.called = []
        self.command += 1
        del self.terms[self.command]

    # -- one event --------------------------------------------------------------------------------

    def _accepted(self, event):
        assert event["order_id"] not in self.live, event
        assert event["quantity"] == event["remaining"] > 0, event
        life = life_of(event, self.terms[event["command"]])
        life.priority = life.place = event["sequence"]
        self.live[life.order_id] = life
        slot = self.terms[event["command"]].slot
        if life.flags & ON_FILL:
            life.parent, life.state = self.live[slot], SLEEPING
            for sibling in life.parent.children:
                self._tie(life, sibling)
            life.parent.children.append(life)
            return
        if life.flags & OCO:
            self._tie(life, self.live[slot])
        self._enter(life)

    @staticmethod
    def _tie(one, other):
        assert one.partner is other.partner is None, (one, other)
        assert one.account == other.account, (one, other)
        one.partner, other.partner = other, one

    def _enter(self, life):
        """Where an order goes that sleeps for no parent."""
        life.slice = None
        self.waiting.pop(life.order_id, None)
        if life.order_type in TRIGGERED:
            life.state = WAITING
            self.waiting[life.order_id] = life
            life.reference = self.last if life.order_type in TRAILING else None
            if self.phase == Phase.CONTINUOUS:
                self._fire([life])
        elif life.tif == TIF.AUCTION and self.phase not in AUCTIONS:
            life.state = SLEEPING
        else:
            life.state = RESTING

    def _traded(self, event):
        self.trades += 1
        assert event["detail"] == self.trades, event
        taker, maker = self.live[event["order_id"]], self.live[event["maker_id"]]
        auction = bool(event["flags"] & EventFlag.AUCTION)
        assert (taker.side, taker.account) == (event["side"], event["account"]), event
        assert (maker.side, maker.account) == (OTHER[taker.side], event["maker_account"]), event
        assert taker.state == maker.state == RESTING, event
        assert event["quantity"] > 0, event
        if auction:
            assert taker.priority > maker.priority, event
        else:
            assert event["price"] == maker.price, event
            assert bool(event["flags"] & EventFlag.HIDDEN) == maker.is_second, event
            assert maker.is_second or event["quantity"] <= maker.displayed, event
            if maker.flags & ICEBERG:
                maker.slice = maker.displayed - event["quantity"]
        value = event["quantity"] * (event["price"] if taker.flags & QUOTE_QUANTITY else 1)
        for life, amount in ((taker, value), (maker, event["quantity"])):
            life.traded += amount
            life.remaining -= amount
        left = (event["remaining"], event["maker_remaining"])
        assert (taker.remaining, maker.remaining) == left, event
        self._behind_trade(taker, maker, event["price"], auction)
        for life in (taker, maker):
            self._settle(life)

    def _behind_trade(self, taker, maker, price, auction):
        """Other legs go; references move, and triggers are met."""
        if taker.partner is maker:
            taker.partner = maker.partner = None
            self.owed = [(life, Reason.OCO) for life in (taker, maker) if life.remaining > 0]
        else:
            self.owed = self._leg(maker) + self._leg(taker)
        self.last = price
        watching = [life for life in self.waiting.values() if life.met is None]
        for life in watching:
            if life.order_type in TRAILING:
                better = min if life.side == Side.BUY else max
                known = price if life.reference is None else life.reference
                life.reference = better(known, price)
        if self.phase == Phase.CONTINUOUS and not auction:
            self._fire(watching)

    def _fire(self, watching):
        for life in watching:
            if life.met is None:
                life.met = life.trigger_met(self.last)
                if life.met is not None:
                    self.called.append(life)

    def _leg(self, life):
        """The cancel of the other leg, which is owed from now on."""
        other = life.partner
        if other is None:
            return []
        life.partner = other.partner = None
        return [(other, Reason.OCO)]

    def _cancelled(self, event):
        life = self._named(event)
        assert event["price"] == life.price, event
        assert event["quantity"] == life.remaining > 0, event
        assert event["remaining"] == 0, event
        life.cancelled += life.remaining
        life.remaining = 0
        self.owed = self._leg(life) + self._orphans(life) + self.owed
        self._settle(life)

    def _replaced(self, event):
        assert event["detail"] % 2**64 == self.terms[event["command"]].slot, event
        self._cancelled(event)

    def _orphans(self, life):
        """The cancels of the children of an order that went without a trade."""
        children = life.children if life.traded == 0 else []
        for child in children:
            child.partner = None
        return [(child, Reason.PARENT) for child in children]

    def _amended(self, event):
        life = self._named(event)
        change = event["remaining"] - life.remaining
        assert event["quantity"] == life.traded + event["remaining"], event
        assert event["remaining"] > 0, event
        assert event["reason"] in (0, Reason.SELF_TRADE), event
        anew = (event["price"], event["detail"]) != (life.price, life.trigger) or change > 0
        life.price, life.trigger = event["price"], event["detail"]
        life.remaining = event["remaining"]
        life.entered += max(change, 0)
        life.cancelled += max(-change, 0)
        if anew:
            assert event["reason"] == 0, event
            life.priority = life.place = event["sequence"]
            if life.state != SLEEPING:
                self._enter(life)
        self._settle(life)

    def _triggered(self, event):
        life = self._named(event)
        assert event["quantity"] == event["remaining"] > 0, event
        assert life in self.called, event
        self.called.remove(life)
        life.priority = life.place = event["sequence"]
        life.cancelled += life.remaining - event["remaining"]
        if life.state == WAITING:
            assert (event["detail"], event["remaining"]) == (life.met, life.remaining), event
            life.order_type = OrderType.MARKET if life.order_type in MARKETS else OrderType.LIMIT
            life.trigger, life.reference, life.met, life.fired = 0, None, None, True
            self.owed = self._leg(life)
        else:
            assert life.state == SLEEPING and event["detail"] == 0, event
            allowed = life.remaining if life.allowance is None else life.allowance
            assert event["remaining"] == min(life.remaining, allowed), event
            life.allowance = None
        life.price, life.remaining = event["price"], event["remaining"]
        self._enter(life)
        self._settle(life)

    def _refreshed(self, event):
        """The next slice; or in an uncross, in its place, what is displayed from now on."""
        life = self._named(event)
        assert life.flags & ICEBERG and event["price"] == life.price, event
        assert event["remaining"] == life.remaining, event
        assert event["quantity"] == min(life.slot, life.remaining) > 0, event
        if life.slice == 0:
            life.place = event["sequence"]
        life.slice = event["quantity"]

    def _phase_changed(self, event):
        self.phase = Phase(event["detail"])
        if self.phase == Phase.CONTINUOUS:
            self._fire(list(self.waiting.values()))
        elif self.phase in AUCTIONS:
            self.called += [
                life
                for life in self.live.values()
                if life.state == SLEEPING and life.parent is None and life not in self.called
            ]

    def _named(self, event):
        life = self.live[event["order_id"]]
        assert (life.side, life.account) == (event["side"], event["account"]), event
        return life

    def _settle(self, life):
        assert life.entered == life.traded + life.remaining + life.cancelled, life
        assert life.remaining >= 0, life
        if life.remaining > 0:
            return
        del self.live[life.order_id]
        self.waiting.pop(life.order_id, None)
        if life.parent is not None:
            life.parent.children.remove(life)
        for child in life.children:
            child.parent = None
            if life.traded > 0:
                child.allowance = life.traded
                self.called.append(child)


def life_of(event, c):
    """A new order: what its event says, and the terms of its command."""
    terms = {name: getattr(c, name) for name in ("order_type", "tif", "stp", "flags")}
    if c.kind == Kind.QUOTE:
        terms = {"order_type": OrderType.LIMIT, "tif": TIF.GTC, "stp": STP.DEFAULT}
        terms["flags"] = POST_ONLY
        slot = 0
    else:
        assert c.kind in (Kind.NEW, Kind.REPLACE), event
        slot = c.slot if c.kind == Kind.NEW and c.flags & (ICEBERG | MINIMUM) else 0
    same = {name: event[name] for name in ("order_id", "side", "account", "price", "remaining")}
    return Life(
        **same,
        **terms,
        trigger=event["detail"],
        entered=event["quantity"],
        accepted=event["sequence"],
        expires=c.expires if terms["tif"] == TIF.GTD else 0,
        slot=slot,
        quote=c.kind == Kind.QUOTE,
    )


TELLING = {
    EventKind.ACCEPTED: Audit._accepted,
    EventKind.TRADE: Audit._traded,
    EventKind.CANCELLED: Audit._cancelled,
    EventKind.AMENDED: Audit._amended,
    EventKind.REPLACED: Audit._replaced,
    EventKind.TRIGGERED: Audit._triggered,
    EventKind.REFRESHED: Audit._refreshed,
    EventKind.PHASE_CHANGED: Audit._phase_changed,
}
