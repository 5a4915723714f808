"""A two-sided quote, replaced at once (§3): each side is a post-only order of its own."""

from dataclasses import dataclass

from pricetime.records import STP, TIF, EventKind, OrderType, Reason

from .auction import Auction
from .order import BUY, SELL, Order
from .wellformed import POST_ONLY, bad_quantity


@dataclass
class QuoteSide:
    """What a QUOTE asks for on one side."""

    order: Order  # as it would be if it were new
    old: Order | None  # the live one with that id

    @property
    def quantity(self):
        """Lots that shall be open; 0 takes it out."""
        return self.order.quantity

    @property
    def keeps(self):
        """Whether the live one stays where it is."""
        order, old = self.order, self.old
        return old is not None and old.price == order.price and 0 < self.quantity <= old.remaining


class Quotes(Auction):
    """The command QUOTE."""

    def quote(self, c):
        """The reason against it, or None when it is done."""
        bid = self.side_of(c, BUY, c.order_id, c.price, c.quantity)
        ask = self.side_of(c, SELL, c.order_id + 1, c.trigger, c.slot)
        sides = [bid, ask]
        reason = self.quote_refused(sides, c.account)
        if reason:
            return reason
        said = self.sequence
        for side in sides:
            if side.old is not None and not side.keeps:
                self.take_out(side.old)
        for side in sides:
            self.renew(side)
        if self.sequence == said:
            self.say(EventKind.ACKNOWLEDGED, account=c.account)
        return None

    def side_of(self, c, side, order_id, price, quantity):
        order = Order(
            order_id=order_id,
            side=side,
            order_type=OrderType.LIMIT,
            tif=TIF.GTC,
            stp=int(STP.DEFAULT),
            flags=POST_ONLY,
            account=c.account,
            expires=0,
            price=price,
            quantity=quantity,
            remaining=quantity,
            quote=True,
        )
        return QuoteSide(order, self.live.get(order_id))

    def quote_refused(self, sides, account):
        """Each reason of step 3 is asked of both sides before the next one is."""
        for side in sides:
            old = side.old
            mine = old is None or (old.quote and old.account == account)
            if not mine or (old is not None and old.side != side.order.side):
                return Reason.DUPLICATE_ID
        wanted = [side for side in sides if side.quantity > 0]
        reasons = [self.quote_values_refused(side) for side in wanted]
        reasons = [reason for reason in reasons if reason]
        if reasons:
            return min(reasons)  # they are numbered in the order of step 3
        new = sum(side.old is None for side in wanted)
        leaving = [side.old for side in sides if side.old is not None and side.quantity == 0]
        reason = self.no_room(account, new, leaving)
        if reason:
            return reason
        olds = [side.old for side in sides if side.old is not None]
        for side in wanted:
            if not side.keeps and self.side_would_trade(side, olds):
                return Reason.WOULD_TRADE
        return None

    def quote_values_refused(self, side):
        order, traded = side.order, 0 if side.old is None else side.old.traded
        reason = self.value_refused(order, order.price, 0, order.quantity)
        if reason is None and bad_quantity(traded + order.quantity):
            return Reason.QUANTITY_RANGE  # its total would leave the structural bounds
        return reason

    def side_would_trade(self, side, olds):
        def prepare():
            for old in olds:
                self.take_out(old)

        enters = side.order if side.old is None else side.old
        price, remaining = side.order.price, side.quantity
        _, reason = self.judged(enters, prepare, price=price, remaining=remaining)
        return reason is not None

    def renew(self, side):
        """One side's turn: an old one may have gone meanwhile, as an OCO leg does."""
        order, old = side.order, side.old
        if old is not None and self.live.get(old.order_id) is not old:
            side.old = old = None
        if old is None and side.quantity > 0:
            self.accept(order)
        elif old is not None and side.quantity == 0:
            self.cancel(old, Reason.USER)
        elif old is not None:
            self.change(old, order.price, 0, side.quantity, side.keeps)
