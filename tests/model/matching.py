"""Matching (§5): one incoming order against what rests on the other side.

A step is one loop: find the best order that has a turn, ask the rules in their order, trade or
prevent, again.  A dry run is the same step on the same book, put back afterwards (state.tried).
"""

from pricetime.records import STP, EventFlag, EventKind, Parameter, Phase, Reason

from .links import Links
from .order import BUY, OTHER, RESTING, in_second_queue, is_market, lots, reaches
from .state import KIND, PRICE, QUANTITY
from .wellformed import ALL_OR_NONE, ICEBERG, QUOTE_QUANTITY

PRO_RATA = 2  # value of MATCHING


class Matching(Links):
    """Steps, dry runs and trades."""

    def dry_run(self, order, prepare=None, **changes):
        """The (price, lots) of each trade that a step of the order would make.

        `changes` are the order's fields as they would be; `prepare` clears the way.
        """

        def run():
            self.live[order.order_id] = order
            if order.partner is not None:
                order.partner.partner = order
            self.take_out(order)
            vars(order).update(changes)
            if prepare is not None:
                prepare()
            said = len(self.events)
            self.step(order)
            return [(e[PRICE], e[QUANTITY]) for e in self.events[said:] if e[KIND] == TRADE]

        trades = self.tried(run, order)
        if order.flags & ALL_OR_NONE and volume(trades) < changes.get("remaining", order.remaining):
            return []
        return trades

    def step(self, taker):
        """Trade until it is filled or something stops it: the reason, or None where all is done."""
        before, first = self.last, None
        while taker.remaining > 0:
            maker = self.next_maker(taker)
            if maker is None or not reaches(taker, maker.price):
                return Reason.NO_LIQUIDITY
            first = maker.price if first is None else first
            if is_market(taker) and self.beyond(Parameter.COLLAR, first, maker.price):
                return Reason.COLLAR
            if self.out_of_bands(before, maker.price):
                return Reason.BAND
            if lots(taker, maker.price) == 0:
                return Reason.IOC
            if self.parameters[Parameter.MATCHING] == PRO_RATA and not in_second_queue(maker):
                self.share(taker, maker.price)
            else:
                self.meet(taker, maker)
        return None

    def next_maker(self, taker):
        """The best opposite order; an all-or-none that cannot be filled has no turn."""
        side = OTHER[taker.side]
        for price in self.prices(side):
            displayed, second = self.levels[side][price]
            for maker in displayed + second:
                if not maker.flags & ALL_OR_NONE or maker.remaining <= lots(taker, price):
                    return maker
        return None

    def beyond(self, parameter, centre, price):
        """Whether the price is further from the centre than the parameter says; 0 is no limit."""
        most = self.parameters[parameter]
        return most > 0 and abs(price - centre) > most

    def out_of_bands(self, before, price):
        """`before` is the last trade before the order's step; without one no dynamic band."""
        reference = self.parameters[Parameter.STATIC_REFERENCE]
        if self.beyond(Parameter.STATIC_BAND, reference, price):
            return True
        return before is not None and self.beyond(Parameter.DYNAMIC_BAND, before, price)

    def meet(self, taker, maker):
        """A maker's turn, once limit, collar, bands and quote quantity have let it pass."""
        if self.prevention(taker, maker) != STP.ALLOW:
            self.prevent(taker, maker)
            return
        there = maker.displayed if maker.displayed > 0 else maker.remaining
        self.trade(taker, maker, maker.price, min(lots(taker, maker.price), there))

    # -- pro-rata ---------------------------------------------------------------------------------

    def share(self, taker, price):
        """One round at a level: own orders are dealt with, or what is displayed is shared."""
        displayed, _ = self.levels[OTHER[taker.side]][price]
        makers = sorted(displayed, key=lambda order: order.priority)
        own = [maker for maker in makers if self.prevention(taker, maker) != STP.ALLOW]
        if own:
            for maker in own:
                if taker.remaining > 0 and maker.state == RESTING:
                    self.prevent(taker, maker)
            return
        shares = self.shares(makers, lots(taker, price))
        for maker, quantity in zip(makers, shares, strict=True):
            # Behind an earlier trade of the round either may have gone, as an OCO leg does.
            if quantity > 0 and taker.remaining > 0 and maker.state == RESTING:
                self.trade(taker, maker, price, quantity)

    def shares(self, makers, wanted):
        """What each maker, in order of time, gives of what the taker wants."""
        displayed = [maker.displayed for maker in makers]
        if wanted >= sum(displayed):
            return displayed
        shares, rest = [0] * len(makers), wanted
        if self.parameters[Parameter.TOP_ORDER] == 1:
            shares[0] = min(displayed[0], rest)
            rest -= shares[0]
        others = range(self.parameters[Parameter.TOP_ORDER], len(makers))
        theirs = sum(displayed[i] for i in others)
        for i in others:
            part = rest * displayed[i] // theirs
            if part >= self.parameters[Parameter.MIN_ALLOCATION]:
                shares[i] = part
        left = wanted - sum(shares)
        for i in others:
            more = min(left, displayed[i] - shares[i])
            shares[i] += more
            left -= more
        return shares

    # -- one trade --------------------------------------------------------------------------------

    def trade(self, taker, maker, price, quantity, auction=False):
        """One trade and everything behind it; in an auction both rest, and display later."""
        flags = EventFlag.AUCTION if auction else 0
        if not auction and in_second_queue(maker):
            flags = EventFlag.HIDDEN
        value = quantity * price if taker.flags & QUOTE_QUANTITY else quantity
        for order, amount in ((taker, value), (maker, quantity)):
            order.remaining -= amount
            order.traded += amount
            if order.flags & ICEBERG and not auction:
                order.displayed = max(order.displayed - amount, 0)
            elif order.displayed > 0 and not order.flags & ICEBERG:
                order.displayed = order.remaining
            if order.remaining == 0:
                self.remove(order)
        self.trades += 1
        self.say(
            EventKind.TRADE,
            flags=flags,
            side=taker.side,
            account=taker.account,
            order_id=taker.order_id,
            price=price,
            quantity=quantity,
            remaining=taker.remaining,
            maker_id=maker.order_id,
            maker_account=maker.account,
            maker_remaining=maker.remaining,
            detail=self.trades,
        )
        self.behind_trade(taker, maker, price, auction)

    def behind_trade(self, taker, maker, price, auction):
        """Other legs, then references and triggers, then children, then the next slice (§5)."""
        if taker.partner is maker:
            taker.partner = maker.partner = None
            self.cancel_all((taker, maker), Reason.OCO)  # what is left of them
        else:
            self.cancel_partner(maker)
            self.cancel_partner(taker)
        before, self.last = self.last, price
        self.move_references()
        if self.phase == Phase.CONTINUOUS and not auction:
            self.fire(before)
        for order in (maker, taker):
            if order.remaining == 0:
                self.free_children(order)
        if maker.state == RESTING and maker.flags & ICEBERG and maker.displayed == 0:
            self.take_out(maker)
            self.put(maker)
            self.say_refreshed(maker)
            maker.place = self.sequence

    def say_refreshed(self, order):
        """REFRESHED: what an iceberg displays now."""
        self.say_of(EventKind.REFRESHED, order, quantity=order.displayed, remaining=order.remaining)

    # -- self-trade prevention --------------------------------------------------------------------

    def prevention(self, taker, maker):
        """The self-trade mode that stands between the two; ALLOW where they may trade."""
        if taker.account == 0 or taker.account != maker.account:
            return STP.ALLOW
        mode = self.parameters[Parameter.STP] if taker.stp == STP.DEFAULT else taker.stp
        if mode == STP.DECREMENT and taker.flags & QUOTE_QUANTITY:
            return STP.CANCEL_TAKER
        return mode

    def prevent(self, taker, maker):
        """Do what the mode says: the maker first."""
        mode = self.prevention(taker, maker)
        if mode == STP.DECREMENT:
            taken = min(taker.remaining, maker.remaining)
            self.decrement(maker, taken)
            self.decrement(taker, taken)
            return
        if mode in (STP.CANCEL_MAKER, STP.CANCEL_BOTH):
            self.cancel(maker, Reason.SELF_TRADE)
        if mode in (STP.CANCEL_TAKER, STP.CANCEL_BOTH):
            self.cancel(taker, Reason.SELF_TRADE)

    def decrement(self, order, taken):
        if order.remaining <= taken:  # less: it went as the other's leg
            self.cancel(order, Reason.SELF_TRADE)
            return
        order.remaining -= taken
        order.quantity -= taken
        order.displayed = min(order.displayed, order.remaining)  # what is hidden goes first
        self.say_amended(order, Reason.SELF_TRADE)


TRADE = EventKind.TRADE


def volume(trades):
    """The lots of a dry run."""
    return sum(quantity for _, quantity in trades)


def short_of(side, price):
    """One tick short of trading at that price."""
    return price - 1 if side == BUY else price + 1
