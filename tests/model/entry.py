"""How an order enters (§3 steps 3 and 4): as a new one, fired, woken, or again after an amend.

Each way asks the same questions in the same order and then does the same thing: wait, sleep, rest,
or meet the book.  What is asked changes nothing.
"""

from pricetime.records import BOUND, TIF, EventKind, OrderType, Parameter, Phase, Reason

from .matching import Matching, short_of, volume
from .order import (
    AT_ONCE,
    AUCTIONS,
    MATCHING,
    SECOND,
    SELL,
    SHUT,
    SLEEPING,
    fired_type,
    is_market,
    watches,
)
from .wellformed import (
    ALL_OR_NONE,
    LIMITS,
    MINIMUM,
    OCO,
    ON_FILL,
    POST,
    QUOTE_QUANTITY,
    SLIDE,
    TRAILING,
)

TO_AUCTION = 2  # value of BAND_ACTION
NOT_IN_AUCTION = POST | ALL_OR_NONE | MINIMUM | QUOTE_QUANTITY
CHILDREN_MAX = 2


class Entry(Matching):
    """May it enter, and what happens when it does."""

    # -- may it (§3, step 3) ----------------------------------------------------------------------

    def phase_refuses(self, order, child=False):
        """Whether the phase has no room for it; `child`: it would sleep for a parent."""
        if self.phase in SHUT:
            return True
        if child or watches(order) or self.sleeps_for_auction(order):
            return False
        if self.phase in AUCTIONS:
            return order.tif in AT_ONCE or bool(order.flags & NOT_IN_AUCTION)
        return self.phase == Phase.POST_ONLY and (is_market(order) or order.tif in AT_ONCE)

    def sleeps_for_auction(self, order):
        return order.tif == TIF.AUCTION and self.phase not in AUCTIONS

    def refused(self, order, link=0, old=None):
        """The reason against a new order, or None; re-prices a sliding one, ties a linked one.

        `old` is what a REPLACE cancels: it counts for no room, and is out of the way of the dry
        run with all that goes with it, but its id is live when the new id is compared.
        """
        if order.order_id in self.live:
            return Reason.DUPLICATE_ID
        reason = self.value_refused(order, order.price, order.trigger, order.quantity)
        if reason:
            return reason
        if order.tif == TIF.GTD and order.expires * SECOND <= self.time:
            return Reason.EXPIRED
        reason = self.no_room(order.account, 1, [] if old is None else [old])
        if reason:
            return reason
        reason = self.link_refused(order, link)
        if reason or order.parent is not None:
            return reason
        order.price, reason = self.judged(order, None if old is None else lambda: self.end(old))
        return reason

    def value_refused(self, order, price, trigger, quantity):
        """The reason against values that an order of this type has or would have, or None."""
        parameters = self.parameters
        trails = order.order_type in TRAILING
        if trails and (trigger < 1 or price < 0):
            return Reason.PRICE_RANGE
        limit = order.order_type in LIMITS and not trails
        if limit and not self.in_price_range(price):
            return Reason.PRICE_RANGE
        low, high = parameters[Parameter.MIN_QUANTITY], parameters[Parameter.MAX_QUANTITY]
        if not low <= quantity <= high:
            return Reason.QUANTITY_RANGE
        low, high = parameters[Parameter.MIN_NOTIONAL], parameters[Parameter.MAX_NOTIONAL]
        notional = abs(price * quantity)
        if limit and (notional < low or (high > 0 and notional > high)):
            return Reason.NOTIONAL_RANGE
        return None

    def in_price_range(self, price):
        parameters = self.parameters
        return parameters[Parameter.MIN_PRICE] <= price <= parameters[Parameter.MAX_PRICE]

    def no_room(self, account, new, leaving):
        """The reason against so many new orders of the account once the others have left."""
        staying = [order for order in self.live.values() if order not in leaving]
        most = self.parameters[Parameter.ORDERS_PER_ACCOUNT]
        own = sum(order.account == account for order in staying)
        if most > 0 and account != 0 and new > 0 and own + new > most:
            return Reason.TOO_MANY_ORDERS
        if new > 0 and len(staying) + new > self.max_orders:
            return Reason.CAPACITY
        return None

    def link_refused(self, order, link):
        """The reason against its link, or None; the link is then known to the order alone."""
        if not order.flags & (OCO | ON_FILL):
            return None
        other = self.live.get(link)
        if other is None or other.account != order.account or self.is_child(other):
            return Reason.LINK_GONE
        if order.flags & OCO:
            if other.partner is not None or other.traded > 0 or other.fired:
                return Reason.LINK_GONE
            order.partner = other
            return None
        siblings = self.children(other)
        if len(siblings) == CHILDREN_MAX:
            return Reason.CAPACITY
        order.parent = other
        order.partner = siblings[0] if siblings else None
        return None

    def judged(self, order, prepare=None, **changes):
        """The price at which it enters, and the reason of its dry run against it, or None (§5)."""
        price = changes.pop("price", order.price)
        if self.phase not in MATCHING or watches(order) or self.sleeps_for_auction(order):
            return price, None

        def trades(price):
            return self.dry_run(order, prepare, price=price, **changes)

        if order.flags & POST or self.phase == Phase.POST_ONLY:
            found = trades(price)
            if found:
                if not order.flags & SLIDE:
                    return price, Reason.WOULD_TRADE
                slid = short_of(order.side, found[0][0])
                if not self.in_price_range(slid):
                    return price, Reason.WOULD_TRADE
                price = slid
        if order.tif == TIF.FOK and volume(trades(price)) < order.remaining:
            return price, Reason.FOK
        if order.flags & MINIMUM and not order.entered:
            lots = volume(trades(price))
            at_once = is_market(order) or order.tif == TIF.IOC
            if lots < order.slot and (lots > 0 or at_once):
                return price, Reason.MINIMUM
        return price, None

    # -- it does (§3, step 4) ---------------------------------------------------------------------

    def accept(self, order):
        """ACCEPTED, and what follows."""
        self.say_of(
            EventKind.ACCEPTED,
            order,
            quantity=order.quantity,
            remaining=order.remaining,
            detail=order.trigger,
        )
        order.accepted = order.priority = self.sequence
        order.command = self.commands
        self.live[order.order_id] = order
        if order.partner is not None:
            order.partner.partner = order
        if order.parent is not None:
            order.state = SLEEPING
        else:
            self.enter(order)

    def enter(self, order):
        """As a new order does that sleeps for no parent."""
        if watches(order):
            self.wait(order)
        elif self.sleeps_for_auction(order):
            order.state = SLEEPING
        else:
            self.match(order)

    def match(self, order):
        """Meet the book, or rest where the phase trades nothing."""
        if self.phase in AUCTIONS or (order.flags & ALL_OR_NONE and not self.dry_run(order)):
            self.rest(order)
        else:
            self.settle(order, self.step(order))
        order.entered = True

    def settle(self, order, stopped_by):
        """What becomes of the rest of an order whose step is done."""
        if order.remaining == 0:
            return
        assert order.tif != TIF.FOK, "the dry run of a FOK promised more than the step held"
        if stopped_by == Reason.BAND:
            self.stopped_by_band(order)
        elif is_market(order):
            self.cancel(order, stopped_by)
        elif order.tif == TIF.IOC:
            self.cancel(order, Reason.IOC)
        else:
            self.rest(order)

    def stopped_by_band(self, order):
        """The rest goes; or the book goes to AUCTION and the rest stays, if it can."""
        stays = False
        if self.phase == Phase.CONTINUOUS and (
            self.parameters[Parameter.BAND_ACTION] == TO_AUCTION
        ):
            self.become(Phase.AUCTION)
            seconds = self.parameters[Parameter.AUCTION_SECONDS]
            self.auction_end = (self.time + seconds * SECOND, self.commands)
            stays = order.tif != TIF.IOC and not order.flags & QUOTE_QUANTITY
        if stays:
            self.rest(order)
        else:
            self.cancel(order, Reason.BAND)

    def rest(self, order):
        """In its level, if that has room."""
        if self.level_total(order) + order.remaining >= BOUND:
            self.cancel(order, Reason.CAPACITY)
        else:
            self.put(order)

    def end(self, old):
        """A replaced order goes, and its links as by a cancel."""
        self.remove(old)
        self.unlink(old)

    # -- the queue of fired and woken orders (§6) -------------------------------------------------

    def serve(self):
        """One after the other; what they fire and free joins the end."""
        while self.queue:
            order = self.queue.pop(0)
            if order.state == SLEEPING:
                self.wake(order)
            else:
                self.go_off(order)

    def go_off(self, order):
        """A waiting order whose trigger was met becomes a market or limit order."""
        trigger, order.met = order.met, None
        self.take_out(order)
        if order.order_type == OrderType.TRAILING_STOP_LIMIT:
            order.price = trigger + (-order.price if order.side == SELL else order.price)
        order.order_type = fired_type(order.order_type)
        order.trigger, order.reference, order.fired = 0, None, True
        self.triggered(order, trigger)

    def wake(self, order):
        """A child, with no more than its parent traded; or an order for the auction."""
        if order.allowance is not None:
            order.quantity = order.remaining = min(order.remaining, order.allowance)
            order.allowance = None
        self.take_out(order)
        self.triggered(order, None)

    def triggered(self, order, trigger):
        """TRIGGERED, then it enters, or is cancelled for what would refuse a new order now."""
        fires = trigger is not None
        reason = self.refused_now(order)
        if reason is None:
            prepare = (lambda: self.cancel_partner(order)) if fires else None
            order.price, reason = self.judged(order, prepare)
        self.say_of(
            EventKind.TRIGGERED,
            order,
            quantity=order.remaining,
            remaining=order.remaining,
            detail=trigger or 0,
        )
        order.priority = self.sequence
        if fires:
            self.cancel_partner(order)
        if reason is not None:
            self.cancel(order, reason)
        else:
            self.enter(order)

    def refused_now(self, order):
        """PHASE or PRICE_RANGE, where a fired or woken order meets them, or None."""
        if self.phase_refuses(order):
            return Reason.PHASE
        if order.order_type not in LIMITS or order.order_type in TRAILING:
            return None
        return None if self.in_price_range(order.price) else Reason.PRICE_RANGE

    # -- again, after an amend --------------------------------------------------------------------

    def change(self, order, price, trigger, remaining, keeps):
        """AMENDED: in its place, or as the newest order."""
        state = order.state
        if not keeps:
            self.take_out(order)
        order.price, order.trigger = price, trigger
        order.quantity, order.remaining = order.traded + remaining, remaining
        order.displayed = min(order.displayed, remaining)  # what an iceberg hides goes first
        self.say_amended(order)
        if keeps:
            return
        order.priority = self.sequence
        if state == SLEEPING:
            order.state = SLEEPING
        elif watches(order):
            self.wait(order)
        else:
            self.match(order)
