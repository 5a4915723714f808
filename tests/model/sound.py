"""What must hold of a twin between any two commands; AssertionError where it does not."""

from pricetime.records import BOUND, STP, TIF, OrderType, Phase

from .order import (
    AT_ONCE,
    AUCTIONS,
    BUY,
    MATCHING,
    RESTING,
    SECOND,
    SELL,
    SLEEPING,
    WAITING,
    in_second_queue,
    is_market,
    is_met,
    shows,
    watches,
)
from .wellformed import (
    ALL_OR_NONE,
    ICEBERG,
    LIMITS,
    MINIMUM,
    ON_FILL,
    POST_ONLY,
    QUOTE_QUANTITY,
    TRAILING,
)


def check(twin):
    """Everything."""
    check_book(twin)
    check_crossing(twin)
    for order_id, order in twin.live.items():
        assert order.order_id == order_id, order
        check_order(twin, order)
        check_links(twin, order)
        {RESTING: check_resting, WAITING: check_waiting, SLEEPING: check_sleeping}[order.state](
            twin, order
        )
    check_due(twin)
    assert twin.queue == [], "fired or woken orders were not served"
    assert len(twin.live) <= twin.max_orders
    priorities = [order.priority for order in twin.live.values()]
    assert len(set(priorities)) == len(priorities), "two orders have one time"


def check_book(twin):
    """Queues against the orders that say that they rest."""
    found = []
    for side in (BUY, SELL):
        check_queue(twin.markets[side], by_time=True)
        found += twin.markets[side]
        for price, (displayed, second) in twin.levels[side].items():
            assert displayed or second, f"level {price} is empty"
            assert not any(map(in_second_queue, displayed)), f"level {price} shows a hidden order"
            assert all(map(in_second_queue, second)), f"level {price} hides a displayed order"
            check_queue(displayed, by_time=False)
            check_queue(second, by_time=True)
            total = sum(order.remaining for order in displayed + second)
            assert total < BOUND, f"level {price} overflows"
            for order in displayed + second:
                assert (order.side, order.price) == (side, price), order
                assert not is_market(order), order
            found += displayed + second
        assert sum(order.remaining for order in twin.markets[side]) < BOUND
        assert all(is_market(order) and order.side == side for order in twin.markets[side])
    assert len(found) == len(set(found)), "an order stands twice"
    resting = {order for order in twin.live.values() if order.state == RESTING}
    assert set(found) == resting


def check_queue(queue, by_time):
    places = [order.place for order in queue]
    assert places == sorted(set(places)), "a queue is out of order"
    plain = [order.priority for order in queue if by_time or not order.flags & ICEBERG]
    assert plain == sorted(plain), "a queue is out of order"


def check_crossing(twin):
    """All-or-none orders apart, nothing that rests could trade, unless an uncross left it so."""
    if twin.phase in MATCHING and not twin.left_crossed:
        assert not twin.is_crossed(), "the book is crossed or locked"
        bid, ask = twin.best_bid, twin.best_ask
        assert bid is None or ask is None or bid < ask, "the book is crossed or locked"


def check_order(twin, order):
    """Whatever it is doing."""
    assert 0 < order.remaining == order.quantity - order.traded, order
    assert order.traded >= 0, order
    assert order.quantity < BOUND, order
    assert 0 < order.accepted <= order.priority <= twin.sequence, order
    assert 0 < order.command <= twin.commands, order
    assert (order.met, order.allowance) == (None, None), order
    assert order.order_type in LIMITS or order.price == 0, order
    assert watches(order) or order.trigger == 0, order
    assert (order.expires > 0) == (order.tif == TIF.GTD), order
    assert order.tif != TIF.GTD or order.expires * SECOND > twin.time, order
    assert order.tif != TIF.DAY or twin.phase != Phase.CLOSED, order
    assert not order.fired or order.order_type in (OrderType.MARKET, OrderType.LIMIT), order
    assert (order.slot > 0) == bool(order.flags & (ICEBERG | MINIMUM)), order
    if order.quote:
        assert (order.order_type, order.tif, order.stp) == (OrderType.LIMIT, TIF.GTC, STP.DEFAULT)
        assert order.flags == POST_ONLY, order
        assert order.account != 0, order
        assert order.state == RESTING, order


def check_links(twin, order):
    """Pairs point at each other; a child's parent lives."""
    other, parent = order.partner, order.parent
    if other is not None:
        assert other is not order, order
        assert other.partner is order, order
        assert twin.live.get(other.order_id) is other, order
        assert other.account == order.account, order
        assert order.traded == 0, order
        assert not order.fired, order
    if parent is not None:
        assert order.state == SLEEPING, order
        assert order.flags & ON_FILL, order
        assert twin.live.get(parent.order_id) is parent, order
        assert parent.account == order.account, order
        assert parent.parent is None, order
        assert parent.accepted < order.accepted, order
        children = twin.children(parent)
        assert len(children) <= 2, order
        assert len(children) == 1 or children[0].partner is children[1], order
        assert len(children) == 2 or order.partner is None, order


def check_resting(twin, order):
    assert not watches(order), order
    assert order.tif not in AT_ONCE, order
    assert not order.flags & QUOTE_QUANTITY, order
    assert twin.phase not in MATCHING or not is_market(order), order
    assert twin.phase not in MATCHING or order.tif != TIF.AUCTION, order
    assert 0 < order.place <= twin.sequence, order
    if order.flags & ICEBERG:
        assert 1 <= order.displayed <= shows(order), order
    else:
        assert order.displayed == shows(order), order
    assert order.displayed > 0 or is_market(order) or in_second_queue(order), order


def check_waiting(twin, order):
    assert watches(order), order
    assert order.displayed == order.traded == 0, order
    assert twin.phase != Phase.CONTINUOUS or not is_met(order, twin.last), order
    if order.order_type not in TRAILING:
        assert order.reference is None, order
        return
    assert order.trigger >= 1, order
    assert (order.reference is None) == (twin.last is None), order
    if order.reference is not None:
        known, last = order.reference, twin.last
        assert known <= last if order.side == BUY else known >= last, order


def check_sleeping(twin, order):
    assert order.displayed == order.traded == 0, order
    assert order.reference is None, order
    assert not order.fired, order
    if order.parent is None:
        assert order.tif == TIF.AUCTION, order
        assert twin.phase not in AUCTIONS, order
        assert not order.flags & ALL_OR_NONE, order


def check_due(twin):
    """Nothing is overdue."""
    assert len(twin.schedule) <= 64
    for seconds, command, phase in twin.schedule:
        assert seconds * SECOND > twin.time and command <= twin.commands, phase
    for account, (seconds, command) in twin.switches.items():
        assert seconds * SECOND > twin.time and command <= twin.commands, account
    if twin.auction_end is not None:
        assert twin.phase == Phase.AUCTION
        assert twin.auction_end[0] > twin.time
