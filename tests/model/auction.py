"""The auction (§8): what an uncross would do now, the uncross itself, and the change of phase."""

from pricetime.records import TIF, Reason

from .entry import Entry
from .order import BUY, GONE, MATCHING, RESTING, SELL, is_market, reaches
from .wellformed import ALL_OR_NONE, ICEBERG


class Auction(Entry):
    """One price for all."""

    def parties(self, side):
        """Who takes part, in order: all that rests but all-or-none orders."""
        return [order for order in self.resting(side) if not order.flags & ALL_OR_NONE]

    def equilibrium(self):
        """The (price, volume, surplus) of an uncross, or None where nothing would trade."""
        buys, sells = self.parties(BUY), self.parties(SELL)
        prices = sorted({order.price for order in buys + sells if not is_market(order)})
        if not prices and self.last is not None:
            prices = [self.last]
        found = []  # (price, volume, surplus), lowest price first
        for price in prices:
            demand = sum(order.remaining for order in buys if reaches(order, price))
            supply = sum(order.remaining for order in sells if reaches(order, price))
            found.append((price, min(demand, supply), demand - supply))
        most = max((volume for _, volume, _ in found), default=0)
        if most == 0:
            return None
        found = [row for row in found if row[1] == most]
        least = min(abs(surplus) for _, _, surplus in found)
        found = [row for row in found if abs(row[2]) == least]
        if all(surplus > 0 for _, _, surplus in found):
            return found[-1]
        if all(surplus < 0 for _, _, surplus in found) or self.last is None:
            return found[0]
        return min(found, key=lambda row: abs(row[0] - self.last))  # the lower one if tied

    def uncross(self):
        """Its trades, what icebergs then display, and the end of what lives for auctions only."""
        found = self.equilibrium()
        if found is not None:
            self.pair_off(found[0])
            self.left_crossed = self.is_crossed()
        left = [
            order
            for order in (*self.resting(BUY), *self.resting(SELL))
            if is_market(order) or order.tif == TIF.AUCTION
        ]
        for order in sorted(left, key=lambda order: order.priority):
            self.cancel(order, Reason.NO_LIQUIDITY if is_market(order) else Reason.AUCTION)

    def pair_off(self, price):
        """From the top of both sides; an order that has left on the way is passed."""
        buys, sells = (
            [order for order in self.parties(side) if reaches(order, price)] for side in (BUY, SELL)
        )
        parties = buys + sells
        icebergs = [order for order in parties if order.flags & ICEBERG]
        traded = {order: order.traded for order in icebergs}
        while True:
            buys = [order for order in buys if order.state == RESTING]
            sells = [order for order in sells if order.state == RESTING]
            if not buys or not sells:
                break
            maker, taker = sorted((buys[0], sells[0]), key=lambda order: order.priority)
            quantity = min(maker.remaining, taker.remaining)
            self.trade(taker, maker, price, quantity, auction=True)
        # Without these the price would have been the best, and nothing would be left to trade.
        left = [order for order in parties if order.traded < order.quantity and order.state == GONE]
        assert left or not self.is_crossed(), "the uncross left the book crossed"
        for order in sorted(icebergs, key=lambda order: order.priority):
            shown = min(order.slot, order.remaining)
            if order.state == RESTING and order.traded > traded[order] and shown != order.displayed:
                order.displayed = shown
                self.say_refreshed(order)

    def is_crossed(self):
        """Whether orders that take part could trade with each other."""
        bids, asks = (
            [order.price for order in self.parties(side) if not is_market(order)]
            for side in (BUY, SELL)
        )
        return bool(bids and asks) and max(bids) >= min(asks)

    def change_phase(self, phase):
        """As PHASE and the clock do: an uncross where the phase is left for one that matches."""
        if phase in MATCHING and phase != self.phase:
            self.uncross()
        self.become(phase)
