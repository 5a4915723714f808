"""The naive twin: what the contract says, in dicts and lists, and nothing else.

Invariant: a live order stands in `live` under its id and in exactly one level, a list in order of
place at `sides[side][price]`.  The best price is looked for each time, sums are summed each time:
slow on purpose, so that there is nothing to get wrong.  Sections (§) are those of the contract.
"""

from dataclasses import dataclass

import numpy as np
from pricetime.records import (
    BOUND,
    EVENT,
    ORDER,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
)

from .wellformed import Command, bad_parameter, refusal

SECOND = 10**9  # ns
OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
POST_ONLY, SLIDE = int(Flag.POST_ONLY), int(Flag.POST_ONLY_SLIDE)
FLAGS = EVENT.names.index("flags")

DEFAULTS = {
    Parameter.MIN_PRICE: -BOUND + 1,
    Parameter.MAX_PRICE: BOUND - 1,
    Parameter.MIN_QUANTITY: 1,
    Parameter.MAX_QUANTITY: BOUND - 1,
    Parameter.MIN_NOTIONAL: 0,  # none
    Parameter.MAX_NOTIONAL: 0,  # none
    Parameter.ORDERS_PER_ACCOUNT: 0,  # none
    Parameter.STP: int(STP.ALLOW),
}

# What a phase refuses (§8); PHASE, SET and CLOCK are taken in all of them.
ENTRIES = {Kind.NEW, Kind.AMEND, Kind.REPLACE}
REFUSED = {
    Phase.CONTINUOUS: set(),
    Phase.CANCEL_ONLY: ENTRIES,
    Phase.HALTED: ENTRIES,
    Phase.CLOSED: ENTRIES | {Kind.CANCEL, Kind.MASS_CANCEL},
}


@dataclass(eq=False, slots=True)
class Order:
    """One order, resting or incoming."""

    order_id: int
    side: int
    order_type: int
    tif: int
    stp: int
    flags: int
    account: int  # 0 is nobody
    expires: int  # seconds; 0 unless GTD
    price: int  # ticks; 0 for a market order
    quantity: int  # lots: the total, = traded + remaining
    remaining: int  # lots; 0 once it is gone
    traded: int = 0  # lots
    accepted: int = 0  # sequence of its ACCEPTED
    priority: int = 0  # sequence of the event that gave it its place


class Twin:
    """A book that is right rather than quick."""

    def __init__(self, *, max_orders=2**31 - 1, **parameters):
        self.parameters = dict(DEFAULTS)
        given = {Parameter[name.upper()]: int(value) for name, value in parameters.items()}
        unknown = given.keys() - DEFAULTS.keys()
        if unknown:
            raise TypeError(f"the twin has no parameter {', '.join(p.name for p in unknown)} yet")
        self.parameters.update(given)
        for parameter, value in given.items():
            if bad_parameter(parameter, value, self.parameters):
                raise ValueError(f"{parameter.name} cannot be {value}")
        self.max_orders = max_orders
        self.sides = {Side.BUY: {}, Side.SELL: {}}  # price -> orders in order of place
        self.live = {}  # id -> order
        self.ending = {}  # id -> order, of the live ones those with tif GTD
        self.phase = Phase.CONTINUOUS
        self.time = 0  # ns
        self.commands = 0
        self.sequence = 0
        self.trades = 0
        self._events = []  # of the batch at hand

    # -- the face ---------------------------------------------------------------------------------

    def process(self, commands):
        """All events of the commands, as an array of EVENT."""
        self._events = []
        for row in commands.tolist():
            self._one(Command._make(row))
        return np.array([tuple(event) for event in self._events], EVENT)

    @property
    def best_bid(self):
        """The best bid in ticks, or None."""
        return self._best(Side.BUY)

    @property
    def best_ask(self):
        """The best ask in ticks, or None."""
        return self._best(Side.SELL)

    def bids(self):
        """Rows of (price, quantity, orders), highest price first."""
        return self._depth(Side.BUY)

    def asks(self):
        """Rows of (price, quantity, orders), lowest price first."""
        return self._depth(Side.SELL)

    def orders(self):
        """A dict for each live order, keyed as ORDER is, buys from the best, then sells."""
        rows = [*self._in_priority(Side.BUY), *self._in_priority(Side.SELL)]
        names = [name for name in ORDER.names if name != "reserved"]
        return [{name: getattr(order, name) for name in names} for order in rows]

    def check(self):
        """Assert what must hold between any two commands."""
        seen = {}
        for side, levels in self.sides.items():
            for price, level in levels.items():
                assert level, f"level {price} is empty"
                assert sum(order.remaining for order in level) < BOUND, f"level {price} overflows"
                places = [order.priority for order in level]
                assert places == sorted(set(places)), f"level {price} is out of order"
                for order in level:
                    assert (order.side, order.price) == (side, price), order
                    assert order.order_id not in seen, f"id {order.order_id} stands twice"
                    seen[order.order_id] = order
                    self._check_order(order)
        assert seen == self.live
        assert self.ending == {i: order for i, order in seen.items() if order.tif == TIF.GTD}
        assert len(seen) <= self.max_orders
        if self.phase == Phase.CONTINUOUS and None not in (self.best_bid, self.best_ask):
            assert self.best_bid < self.best_ask, "the book is crossed or locked"

    def _check_order(self, order):
        assert 0 < order.remaining == order.quantity - order.traded < BOUND, order
        assert order.traded >= 0, order
        assert order.order_type == OrderType.LIMIT, order
        assert order.tif in (TIF.DAY, TIF.GTC, TIF.GTD), order
        assert 0 < order.accepted <= order.priority <= self.sequence, order
        if order.tif == TIF.GTD:
            assert order.expires * SECOND > self.time, order
        if self.phase == Phase.CLOSED:
            assert order.tif != TIF.DAY, order

    # -- one command (§3) -------------------------------------------------------------------------

    def _one(self, command):
        self.commands += 1
        reason = refusal(command, self.parameters, self.time)
        if not reason:
            self._pass_time(command.timestamp)
            reason = self._apply(command)
        if reason:
            self._say(
                EventKind.REJECTED,
                reason=reason,
                side=command.side,
                account=command.account,
                order_id=command.order_id,
                price=command.price,
                quantity=command.quantity,
            )
        self._events[-1][FLAGS] |= EventFlag.LAST

    def _pass_time(self, timestamp):
        """Step 2: what is due happens first, at its own time (§7); time never goes back (§1)."""
        if timestamp <= self.time:
            return
        due = [order for order in self.ending.values() if order.expires * SECOND <= timestamp]
        for order in sorted(due, key=lambda order: (order.expires, order.accepted)):
            self.time = order.expires * SECOND
            self._cancel(order, Reason.EXPIRED)
        self.time = timestamp

    def _apply(self, command):
        """Steps 3 and 4: the reason of the rejection, or None when it is done."""
        if command.kind in REFUSED[self.phase]:
            return Reason.PHASE
        if command.kind in (Kind.CANCEL, Kind.AMEND, Kind.REPLACE):
            order = self.live.get(command.order_id)
            if order is None:
                return Reason.UNKNOWN_ORDER
            if command.account not in (0, order.account):
                return Reason.NOT_OWNER
            of_order = {
                Kind.CANCEL: self._cancel_one,
                Kind.AMEND: self._amend,
                Kind.REPLACE: self._replace,
            }
            return of_order[command.kind](command, order)
        return {
            Kind.NEW: self._new,
            Kind.MASS_CANCEL: self._mass_cancel,
            Kind.PHASE: self._change_phase,
            Kind.CLOCK: self._acknowledge,
            Kind.SET: self._set,
        }[command.kind](command)

    def _new(self, command):
        order = self._order_of(command, command.order_id, command.account)
        reason = self._entry_refused(order)
        if reason:
            return reason
        self._enter(order)

    def _replace(self, command, old):
        new = self._order_of(command, command.slot, old.account)
        reason = self._entry_refused(new, old)
        if reason:
            return reason
        self._leave(old)
        self._say_of(EventKind.REPLACED, old, quantity=old.remaining, detail=signed(command.slot))
        self._enter(new)

    def _cancel_one(self, _command, order):
        self._cancel(order, Reason.USER)

    def _amend(self, command, order):
        price, quantity = command.price, command.quantity
        if quantity <= order.traded:
            self._cancel(order, Reason.USER)
            return None
        reason = self._value_refused(order.order_type, price, quantity)
        if reason:
            return reason
        remaining = quantity - order.traded
        price, reason = self._posted(order, price, remaining)
        if reason:
            return reason
        # Compared after the slide: a reader of the events sees no more than that, and must be able
        # to tell the place (§4: the whole book can be rebuilt from events alone).
        keeps = price == order.price and quantity <= order.quantity
        if not keeps:
            self._leave(order)
        order.price, order.quantity, order.remaining = price, quantity, remaining
        self._say_amended(order)
        if not keeps:
            order.priority = self.sequence
            self._step(order)
            self._rest(order)

    def _mass_cancel(self, command):
        found = [
            order
            for order in self.live.values()
            if command.account in (0, order.account) and command.side in (0, order.side)
        ]
        for order in sorted(found, key=lambda order: order.accepted):
            self._cancel(order, Reason.MASS)
        if not found:
            self._acknowledge(command)

    def _change_phase(self, command):
        """The uncross before CONTINUOUS has nothing to do: no phase yet can cross the book (§8)."""
        self.phase = Phase(command.order_type)
        self._say(EventKind.PHASE_CHANGED, detail=self.phase)
        if self.phase == Phase.CLOSED:
            day = [order for order in self.live.values() if order.tif == TIF.DAY]
            for order in sorted(day, key=lambda order: order.priority):
                self._cancel(order, Reason.EXPIRED)

    def _acknowledge(self, command):
        self._say(EventKind.ACKNOWLEDGED, account=command.account)

    def _set(self, command):
        self.parameters[Parameter(command.order_id)] = command.price
        self._say(EventKind.PARAMETER_SET, order_id=command.order_id, detail=command.price)

    # -- may it enter (§3, step 3) ----------------------------------------------------------------

    def _order_of(self, command, order_id, account):
        limit = command.order_type == OrderType.LIMIT
        return Order(
            order_id=order_id,
            side=command.side,
            order_type=command.order_type,
            tif=command.tif,
            stp=command.stp,
            flags=command.flags,
            account=account,
            expires=command.expires if command.tif == TIF.GTD else 0,
            price=command.price if limit else 0,
            quantity=command.quantity,
            remaining=command.quantity,
        )

    def _entry_refused(self, order, old=None):
        """The reason against a new order, or None; re-prices a sliding one.

        `old` is the order that a REPLACE cancels: out of the way for room and for the dry run, but
        live when the new id is compared.
        """
        if order.order_id in self.live:
            return Reason.DUPLICATE_ID
        reason = self._value_refused(order.order_type, order.price, order.quantity)
        if reason:
            return reason
        if order.tif == TIF.GTD and order.expires * SECOND <= self.time:
            return Reason.EXPIRED
        most = self.parameters[Parameter.ORDERS_PER_ACCOUNT]
        if most > 0 and order.account != 0:
            own = [o for o in self.live.values() if o.account == order.account and o is not old]
            if len(own) >= most:
                return Reason.TOO_MANY_ORDERS
        if len(self.live) - (old is not None) >= self.max_orders:
            return Reason.CAPACITY
        order.price, reason = self._posted(order, order.price, order.remaining, old)
        if reason:
            return reason
        if order.tif == TIF.FOK:
            found = self._dry_run(order, order.price, order.remaining, old)
            if sum(quantity for _, quantity in found) < order.quantity:
                return Reason.FOK
        return None

    def _value_refused(self, order_type, price, quantity):
        """The reason against price (limit types) and total quantity, or None."""
        parameters = self.parameters
        limit = order_type == OrderType.LIMIT
        low, high = parameters[Parameter.MIN_PRICE], parameters[Parameter.MAX_PRICE]
        if limit and not low <= price <= high:
            return Reason.PRICE_RANGE
        low, high = parameters[Parameter.MIN_QUANTITY], parameters[Parameter.MAX_QUANTITY]
        if not low <= quantity <= high:
            return Reason.QUANTITY_RANGE
        low, high = parameters[Parameter.MIN_NOTIONAL], parameters[Parameter.MAX_NOTIONAL]
        notional = abs(price * quantity)
        if limit and (notional < low or (high > 0 and notional > high)):
            return Reason.NOTIONAL_RANGE
        return None

    def _posted(self, order, price, remaining, old=None):
        """The price at which a post-only order may rest, with the reason why not, or None (§5)."""
        if not order.flags & (POST_ONLY | SLIDE):
            return price, None
        found = self._dry_run(order, price, remaining, old)
        if not found:
            return price, None
        if order.flags & POST_ONLY:
            return price, Reason.WOULD_TRADE
        best, _ = found[0]
        slid = best - 1 if order.side == Side.BUY else best + 1
        parameters = self.parameters
        if not parameters[Parameter.MIN_PRICE] <= slid <= parameters[Parameter.MAX_PRICE]:
            return price, Reason.WOULD_TRADE
        return slid, None

    # -- matching (§5) ----------------------------------------------------------------------------

    def _enter(self, order):
        self._say_of(EventKind.ACCEPTED, order, quantity=order.quantity, remaining=order.remaining)
        order.accepted = order.priority = self.sequence
        self._step(order)
        self._rest(order)

    def _dry_run(self, taker, price, remaining, old=None):
        """The (price, quantity) of each trade that a step at this price would make."""
        trades = []
        for maker in self._in_priority(OTHER[taker.side]):
            if maker is old:
                continue
            if remaining == 0 or not reaches(taker, price, maker):
                break
            part = min(remaining, maker.remaining)
            mode = self._prevention(taker, maker)
            if mode in (STP.CANCEL_TAKER, STP.CANCEL_BOTH):
                break
            if mode == STP.CANCEL_MAKER:
                continue
            remaining -= part
            if mode != STP.DECREMENT:
                trades.append((maker.price, part))
        return trades

    def _step(self, taker):
        """Trade with the best opposite order, again and again."""
        while taker.remaining > 0:
            best = self._best(OTHER[taker.side])
            if best is None:
                return
            maker = self.sides[OTHER[taker.side]][best][0]
            if not reaches(taker, taker.price, maker):
                return
            mode = self._prevention(taker, maker)
            if mode == STP.ALLOW:
                self._trade(taker, maker)
            else:
                self._prevent(taker, maker, mode)

    def _trade(self, taker, maker):
        quantity = min(taker.remaining, maker.remaining)
        for order in (taker, maker):
            order.remaining -= quantity
            order.traded += quantity
        if maker.remaining == 0:
            self._leave(maker)
        self.trades += 1
        self._say(
            EventKind.TRADE,
            side=taker.side,
            account=taker.account,
            order_id=taker.order_id,
            price=maker.price,
            quantity=quantity,
            remaining=taker.remaining,
            maker_id=maker.order_id,
            maker_account=maker.account,
            maker_remaining=maker.remaining,
            detail=self.trades,
        )

    def _prevention(self, taker, maker):
        """The self-trade mode that stands between the two; ALLOW where they may trade."""
        if taker.account == 0 or taker.account != maker.account:
            return STP.ALLOW
        if taker.stp == STP.DEFAULT:
            return self.parameters[Parameter.STP]
        return taker.stp

    def _prevent(self, taker, maker, mode):
        if mode == STP.DECREMENT:
            taken = min(taker.remaining, maker.remaining)
            self._decrement(maker, taken)
            self._decrement(taker, taken)
            return
        if mode in (STP.CANCEL_MAKER, STP.CANCEL_BOTH):
            self._cancel(maker, Reason.SELF_TRADE)
        if mode in (STP.CANCEL_TAKER, STP.CANCEL_BOTH):
            self._cancel(taker, Reason.SELF_TRADE)

    def _decrement(self, order, taken):
        if order.remaining == taken:
            self._cancel(order, Reason.SELF_TRADE)
            return
        order.remaining -= taken
        order.quantity -= taken
        self._say_amended(order, Reason.SELF_TRADE)

    def _rest(self, order):
        """What becomes of the rest of an order whose step is done."""
        if order.remaining == 0:
            return
        assert order.tif != TIF.FOK, "the dry run of a FOK promised more than the step held"
        level = self.sides[order.side].get(order.price, [])
        if order.order_type == OrderType.MARKET:
            self._cancel(order, Reason.NO_LIQUIDITY)
        elif order.tif == TIF.IOC:
            self._cancel(order, Reason.IOC)
        elif sum(other.remaining for other in level) + order.remaining >= BOUND:
            self._cancel(order, Reason.CAPACITY)
        else:
            self.sides[order.side].setdefault(order.price, []).append(order)
            self.live[order.order_id] = order
            if order.tif == TIF.GTD:
                self.ending[order.order_id] = order

    # -- the book ---------------------------------------------------------------------------------

    def _best(self, side):
        levels = self.sides[side]
        if not levels:
            return None
        return max(levels) if side == Side.BUY else min(levels)

    def _in_priority(self, side):
        levels = self.sides[side]
        for price in sorted(levels, reverse=side == Side.BUY):
            yield from levels[price]

    def _depth(self, side):
        levels = self.sides[side]
        return [
            (price, sum(order.remaining for order in levels[price]), len(levels[price]))
            for price in sorted(levels, reverse=side == Side.BUY)
        ]

    def _leave(self, order):
        """Take a resting order out of the book."""
        level = self.sides[order.side][order.price]
        level.remove(order)
        if not level:
            del self.sides[order.side][order.price]
        del self.live[order.order_id]
        self.ending.pop(order.order_id, None)

    def _cancel(self, order, reason):
        """Cancel all that is left, of a resting order or of an incoming one."""
        if self.live.get(order.order_id) is order:
            self._leave(order)
        quantity, order.remaining = order.remaining, 0
        self._say_of(EventKind.CANCELLED, order, reason=reason, quantity=quantity)

    # -- events (§4) ------------------------------------------------------------------------------

    def _say_amended(self, order, reason=0):
        self._say_of(
            EventKind.AMENDED,
            order,
            reason=reason,
            quantity=order.quantity,
            remaining=order.remaining,
        )

    def _say_of(self, kind, order, **fields):
        """An event that carries an order's side, account, id and price."""
        self._say(
            kind,
            side=order.side,
            account=order.account,
            order_id=order.order_id,
            price=order.price,
            **fields,
        )

    def _say(self, kind, **fields):
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
        self._events.append(list(event.values()))


def reaches(taker, price, maker):
    """Whether the maker's price is within the taker's limit; a market order has none."""
    if taker.order_type == OrderType.MARKET:
        return True
    return maker.price <= price if taker.side == Side.BUY else maker.price >= price


def signed(value):
    """The 64 bits of an id as `detail` holds them."""
    return value - 2**64 if value >= 2**63 else value
