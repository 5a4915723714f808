"""The naive twin: what the contract says, in dicts and lists, and nothing else.

A book that is right rather than quick: it shares no code with the engine, and looks and sums anew
each time.  The layers, each on top of the one before: order.py, state.py (orders and events),
links.py (§6), matching.py (§5), entry.py (§3), auction.py (§8), quote.py, and here the commands,
what falls due (§7), and the face.  Sections (§) are those of the contract.
"""

import numpy as np
from pricetime.records import (
    EVENT,
    ORDER,
    TIF,
    EventFlag,
    EventKind,
    Kind,
    Mark,
    Parameter,
    Phase,
    Reason,
)

from .order import (
    AUCTIONS,
    BUY,
    DEFAULTS,
    OTHER,
    RESTING,
    SECOND,
    SELL,
    SHUT,
    SLEEPING,
    WAITING,
    clamped,
    order_of,
    signed,
    watches,
)
from .quote import Quotes
from .sound import check
from .state import FLAGS
from .wellformed import (
    ICEBERG,
    LIMITS,
    MINIMUM,
    OCO,
    ON_FILL,
    Command,
    bad_parameter,
    refusal,
)

__all__ = ["DEFAULTS", "OTHER", "SECOND", "Twin"]

UNSEEN = ICEBERG | MINIMUM | OCO | ON_FILL  # flags that the market does not see
SCHEDULED_MAX = 64
ENTRIES = {Kind.NEW, Kind.AMEND, Kind.REPLACE, Kind.QUOTE}
REFUSED_IN_CLOSED = {Kind.CANCEL, Kind.MASS_CANCEL, Kind.ARM}


class Twin(Quotes):
    """A whole book."""

    def __init__(self, *, max_orders=2**31 - 1, **parameters):
        given = {Parameter[name.upper()]: int(value) for name, value in parameters.items()}
        every = DEFAULTS | given
        for parameter, value in given.items():
            if bad_parameter(parameter, value, every):
                raise ValueError(f"{parameter.name} cannot be {value}")
        super().__init__(max_orders, every)
        self.switches = {}  # account -> (seconds, command)
        self.schedule = []  # (seconds, command, phase)

    # -- the face ---------------------------------------------------------------------------------

    def process(self, commands):
        """All events of the commands, as an array of EVENT."""
        self.events = []
        for row in commands.tolist():
            self.one(Command._make(row))
        return np.array([tuple(event) for event in self.events], EVENT)

    @property
    def best_bid(self):
        """The best displayed bid in ticks, or None."""
        return self.best(BUY)

    @property
    def best_ask(self):
        """The best displayed ask in ticks, or None."""
        return self.best(SELL)

    def best(self, side):
        return next((price for price, _, _ in self.depth(side, False)), None)

    def bids(self, hidden=False):
        """Rows of (price, quantity, orders), highest price first: what the market sees, or all."""
        return self.depth(BUY, hidden)

    def asks(self, hidden=False):
        """Rows of (price, quantity, orders), lowest price first: what the market sees, or all."""
        return self.depth(SELL, hidden)

    def depth(self, side, hidden):
        rows = []
        for price in self.prices(side):
            displayed, second = self.levels[side][price]
            if hidden:
                parts = [order.remaining for order in displayed + second]
            else:
                parts = [order.displayed for order in displayed]
            if parts:
                rows.append((price, sum(parts), len(parts)))
        return rows

    def orders(self, hidden=False):
        """A dict for each order, keyed as ORDER is: what the market sees, or all that is live."""
        resting = [*self.resting(BUY), *self.resting(SELL)]
        if not hidden:
            return [as_seen(order) for order in resting if order.displayed > 0]
        return [row_of(order) for order in resting + self.all_in(WAITING) + self.all_in(SLEEPING)]

    def check(self):
        """Assert what must hold between any two commands."""
        check(self)

    # -- one command (§3) -------------------------------------------------------------------------

    def one(self, c):
        """All that one record causes."""
        self.commands += 1
        reason = refusal(c, self.parameters)
        if not reason:
            self.pass_time(c.timestamp)
            reason = self.apply(c)
            self.serve()
            self.left_crossed = self.left_crossed and self.is_crossed()
        if reason:
            self.say(
                EventKind.REJECTED,
                reason=reason,
                side=c.side,
                account=c.account,
                order_id=c.order_id,
                price=c.price,
                quantity=c.quantity,
            )
        self.events[-1][FLAGS] |= EventFlag.LAST

    def apply(self, c):
        """Steps 3 and 4: the reason of the rejection, or None when it is done."""
        if self.phase_refuses_command(c):
            return Reason.PHASE
        if c.kind in (Kind.CANCEL, Kind.AMEND, Kind.REPLACE):
            order = self.live.get(c.order_id)
            if order is None:
                return Reason.UNKNOWN_ORDER
            if c.account not in (0, order.account):
                return Reason.NOT_OWNER
            of_order = {
                Kind.CANCEL: self.cancel_one,
                Kind.AMEND: self.amend,
                Kind.REPLACE: self.replace,
            }
            return of_order[c.kind](c, order)
        return {
            Kind.NEW: self.new,
            Kind.MASS_CANCEL: self.mass_cancel,
            Kind.QUOTE: self.quote,
            Kind.ARM: self.arm,
            Kind.PHASE: self.phase_command,
            Kind.UNCROSS: self.uncross_command,
            Kind.CLOCK: self.clock,
            Kind.SET: self.set,
        }[c.kind](c)

    def phase_refuses_command(self, c):
        """Step 3 begins with the phase (§8)."""
        if c.kind in ENTRIES and self.phase in SHUT:
            return True
        if c.kind in (Kind.NEW, Kind.REPLACE):
            return self.phase_refuses(order_of(c, 0, 0), child=bool(c.flags & ON_FILL))
        if c.kind == Kind.UNCROSS:
            return self.phase not in AUCTIONS
        return self.phase == Phase.CLOSED and c.kind in REFUSED_IN_CLOSED

    def new(self, c):
        order = order_of(c, c.order_id, c.account)
        reason = self.refused(order, link=c.slot)
        if not reason:
            self.accept(order)
        return reason

    def replace(self, c, old):
        order = order_of(c, c.slot, old.account)
        order.slot = 0
        reason = self.refused(order, old=old)
        if reason:
            return reason
        self.remove(old)
        self.say_of(EventKind.REPLACED, old, quantity=old.remaining, detail=signed(c.slot))
        self.unlink(old)
        self.accept(order)
        return None

    def cancel_one(self, _c, order):
        self.cancel(order, Reason.USER)

    def amend(self, c, order):
        if c.quantity <= order.traded:
            self.cancel(order, Reason.USER)
            return None
        price = c.price if order.order_type in LIMITS else 0
        trigger = c.trigger if watches(order) else 0
        reason = self.value_refused(order, price, trigger, c.quantity)
        if reason:
            return reason
        remaining = c.quantity - order.traded

        def keeps():
            same = (price, trigger) == (order.price, order.trigger)
            return same and remaining <= order.remaining

        if order.state == RESTING and not keeps():
            price, reason = self.judged(order, price=price, remaining=remaining)
            if reason:
                return reason
        # Compared after the slide: a reader of the events sees no more than that, and must be able
        # to tell the place (§4: the whole book can be rebuilt from events alone).
        self.change(order, price, trigger, remaining, keeps())
        return None

    def mass_cancel(self, c):
        found = [
            order
            for order in self.live.values()
            if c.account in (0, order.account) and c.side in (0, order.side)
        ]
        self.cancel_all(sorted(found, key=lambda order: order.accepted), Reason.MASS)
        if not found:
            self.acknowledge(c)

    def arm(self, c):
        if 0 < c.expires * SECOND <= self.time:
            return Reason.EXPIRED
        self.switches.pop(c.account, None)
        if c.expires > 0:
            self.switches[c.account] = (c.expires, self.commands)
        self.acknowledge(c)
        return None

    def phase_command(self, c):
        if c.expires * SECOND <= self.time:
            self.change_phase(Phase(c.order_type))
        elif len(self.schedule) == SCHEDULED_MAX:
            return Reason.CAPACITY
        else:
            self.schedule.append((c.expires, self.commands, Phase(c.order_type)))
            self.acknowledge(c)
        return None

    def uncross_command(self, c):
        self.uncross()
        self.become(Phase(c.order_type))

    def clock(self, c):
        if self.phase not in AUCTIONS:
            self.acknowledge(c)
            return
        price, quantity, surplus = self.equilibrium() or (0, 0, 0)
        self.say(
            EventKind.INDICATIVE, price=price, quantity=clamped(quantity), detail=clamped(surplus)
        )

    def set(self, c):
        self.parameters[Parameter(c.order_id)] = c.price
        self.say(EventKind.PARAMETER_SET, order_id=c.order_id, detail=c.price)

    def acknowledge(self, c):
        self.say(EventKind.ACKNOWLEDGED, account=c.account)

    # -- what falls due (§7) ----------------------------------------------------------------------

    def pass_time(self, timestamp):
        """Step 2: what is due happens first, each at its own time; time never goes back (§1)."""
        if timestamp <= self.time:
            return
        while True:
            due = min(self.due(), key=lambda item: item[:3], default=None)
            if due is None or due[0] > timestamp:
                break
            self.time, action = due[0], due[3]
            action()
            self.serve()
        self.time = timestamp

    def due(self):
        """(ns, command that set it, 1 for the end of an auction, what to do) of all that waits."""
        for order in self.live.values():
            if order.tif == TIF.GTD:
                yield (order.expires * SECOND, order.command, 0, self.expiry(order))
        for account, (seconds, command) in self.switches.items():
            yield (seconds * SECOND, command, 0, self.disarming(account))
        for entry in self.schedule:
            yield (entry[0] * SECOND, entry[1], 0, self.scheduled(entry))
        if self.auction_end is not None:
            yield (*self.auction_end, 1, lambda: self.change_phase(Phase.CONTINUOUS))

    def expiry(self, order):
        return lambda: self.cancel(order, Reason.EXPIRED)

    def disarming(self, account):
        def action():
            del self.switches[account]
            own = [order for order in self.live.values() if order.account == account]
            self.cancel_all(sorted(own, key=lambda order: order.accepted), Reason.DISARMED)

        return action

    def scheduled(self, entry):
        def action():
            self.schedule.remove(entry)
            self.change_phase(entry[2])

        return action


def row_of(order):
    """All that there is to know of an order, as ORDER has it."""
    marks = (
        (Mark.QUOTE if order.quote else 0)
        | (Mark.TRIGGERED if order.fired else 0)
        | (Mark.REFERENCE if order.reference is not None else 0)
    )
    row = {
        name: getattr(order, name)
        for name in ORDER.names
        if name not in ("partner", "parent", "reference", "marks")
    }
    row["reference"] = order.reference or 0
    row["partner"] = 0 if order.partner is None else order.partner.order_id
    row["parent"] = 0 if order.parent is None else order.parent.order_id
    row["marks"] = int(marks)
    return {name: int(row[name]) for name in ORDER.names}


def as_seen(order):
    """What the market sees of an order that displays something."""
    row = row_of(order)
    if order.flags & ICEBERG:
        row["quantity"] = row["remaining"] = order.displayed
    row["flags"] &= ~UNSEEN
    row |= dict.fromkeys(("slot", "partner", "parent", "marks"), 0)
    return row
