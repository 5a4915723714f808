"""One adapter for each engine that `peers.py` runs: how its user would send it one order at a time.

An adapter makes an empty book, turns plain operations into the engine's own arguments and objects
(`ready`, off the clock), sends them one by one (`run`, on the clock), and says what it has been
told of trades. An operation is a tuple `(kind, number, buy, price, quantity, more)`:

    GTC, IOC    a limit order: its number, side, price and quantity
    CANCEL      of the order of that number and side
    REDUCE      to `quantity` in all; `price` is how much goes, `more` how much stays open (both 1
                for an order that is gone)

Engines that give out ids of their own have them kept in a dict, as any user of theirs must. What an
engine throws for an order that is gone is caught, as any user of theirs must too.

Past 600 lines because it is one short class after another, each on its own: no use in two halves.
"""

import logging
from typing import NamedTuple

GTC, IOC, CANCEL, REDUCE = range(4)


class Peer:
    """What the bench asks of an adapter."""

    trades = None  # how many trades it was told of, or None if it is not told
    traded = None  # lots traded, as it was told, or None

    def ready(self, operations):
        """The operations as arguments and objects of this engine: a list."""
        return operations

    def run(self, operations):
        """Send them, one call each, and look at what comes back."""
        raise NotImplementedError

    def best(self):
        """Best bid and ask, where no trade is told: (price, price), or None."""
        return None

    def close(self):
        """Stop what it has started."""


class Loop(Peer):
    """No engine at all: what the loop over the operations costs everybody."""

    def __init__(self):
        self.seen = 0

    def run(self, operations):
        for kind, _number, _buy, _price, _quantity, _more in operations:
            if kind <= IOC:
                self.seen += 1
            elif kind == CANCEL:
                self.seen -= 1


class _Pricetime(Peer):
    def __init__(self):
        import pricetime as pt

        self.book = pt.Book()
        self.sides, self.tifs = (pt.Side.SELL, pt.Side.BUY), (pt.TIF.GTC, pt.TIF.IOC)

    def ready(self, operations):
        return [
            (kind, number, self.sides[buy], price, quantity, self.tifs[kind == IOC])
            for kind, number, buy, price, quantity, _more in operations
        ]

    def best(self):
        return self.book.best_bid, self.book.best_ask


class PricetimeTrades(_Pricetime):
    """The trades of each order are read."""

    trades = 0

    def run(self, operations):
        limit, cancel, amend = self.book.limit, self.book.cancel, self.book.amend
        trades = 0
        for kind, number, side, price, quantity, tif in operations:
            if kind <= IOC:
                trades += len(limit(side, price, quantity, tif=tif, order_id=number).trades)
            elif kind == CANCEL:
                cancel(number)
            else:
                amend(number, quantity=quantity)
        self.trades += trades


class PricetimeFilled(_Pricetime):
    """The filled quantity of each order is read."""

    traded = 0

    def run(self, operations):
        limit, cancel, amend = self.book.limit, self.book.cancel, self.book.amend
        traded = 0
        for kind, number, side, price, quantity, tif in operations:
            if kind <= IOC:
                traded += limit(side, price, quantity, tif=tif, order_id=number).filled
            elif kind == CANCEL:
                cancel(number)
            else:
                amend(number, quantity=quantity)
        self.traded += traded


class PricetimeNothing(_Pricetime):
    """Nothing is read."""

    @property
    def trades(self):
        return self.book.trades

    def run(self, operations):
        limit, cancel, amend = self.book.limit, self.book.cancel, self.book.amend
        for kind, number, side, price, quantity, tif in operations:
            if kind <= IOC:
                limit(side, price, quantity, tif=tif, order_id=number)
            elif kind == CANCEL:
                cancel(number)
            else:
                amend(number, quantity=quantity)


class Nanobook(Peer):
    trades = 0

    def __init__(self):
        import nanobook

        self.book, self.ids = nanobook.Exchange(), {}

    def ready(self, operations):
        sides, tifs = ("sell", "buy"), ("gtc", "ioc")
        return [
            (kind, number, sides[buy], price, quantity, tifs[kind == IOC])
            for kind, number, buy, price, quantity, _more in operations
        ]

    def run(self, operations):
        limit, cancel, ids = self.book.submit_limit, self.book.cancel, self.ids
        trades = 0
        for kind, number, side, price, quantity, tif in operations:
            if kind <= IOC:
                result = limit(side, price, quantity, tif)
                ids[number] = result.order_id
                trades += len(result.trades)
            else:
                cancel(ids[number])
        self.trades += trades


class Bourse(Peer):
    """Its trades come only as one list of all there were, so they are read once, at the end."""

    def __init__(self):
        from bourse.core import OrderBook

        self.book, self.ids, self.clock = OrderBook(0, 1, True), {}, 0

    @property
    def trades(self):
        return len(self.book.get_trades())

    def run(self, operations):
        place, cancel, modify = (
            self.book.place_order,
            self.book.cancel_order,
            self.book.modify_order,
        )
        set_time, ids, clock = self.book.set_time, self.ids, self.clock
        for kind, number, buy, price, quantity, more in operations:
            clock += 1
            set_time(clock)  # at one price and time it keeps only the last order
            if kind <= IOC:
                ids[number] = place(buy, quantity, 1, price=price)
            elif kind == CANCEL:
                cancel(ids[number])
            else:
                modify(ids[number], new_vol=more)
        self.clock = clock


class LimitOrderBook(Peer):
    """It says nothing of trades, and a cancel of an order that is gone ends the process."""

    def __init__(self):
        from limit_order_book import LimitOrderBook

        self.book = LimitOrderBook()

    def run(self, operations):
        book = self.book
        for kind, number, buy, price, quantity, _more in operations:
            if kind <= IOC:
                book.limit(buy, number, quantity, price)
            elif book.has(number):
                book.cancel(number)

    def best(self):
        return self.book.best_buy() or None, self.book.best_sell() or None


class OrderlyChaos(Peer):
    traded = 0

    def __init__(self):
        from orderly_chaos import LimitOrderBook, Side
        from orderly_chaos.errors import UnknownOrderIdError

        self.book, self.gone = LimitOrderBook(), UnknownOrderIdError
        self.sides = Side.SELL, Side.BUY

    def ready(self, operations):
        return [(k, n, self.sides[buy], price, q, more) for k, n, buy, price, q, more in operations]

    def run(self, operations):
        limit, cancel, reduce, gone = (
            self.book.limit,
            self.book.cancel,
            self.book.reduce,
            self.gone,
        )
        traded = 0
        for kind, number, side, price, quantity, _more in operations:
            try:
                if kind <= IOC:
                    traded += limit(side, number, quantity, price)
                elif kind == CANCEL:
                    cancel(number)
                else:
                    reduce(number, price)
            except gone:
                pass
        self.traded += traded


class Obook(Peer):
    trades = 0

    def __init__(self):
        import obook

        self.book, self.ids = obook.Book(max_orders=1_000_000), {}
        self.engine, self.trade = obook, obook.EventKind.TRADE

    def ready(self, operations):
        engine = self.engine
        sides, tifs = (engine.SELL, engine.BUY), (engine.GTC, engine.IOC)
        return [
            (kind, number, sides[buy], price, quantity, tifs[kind == IOC], 1 + buy)
            for kind, number, buy, price, quantity, _more in operations
        ]

    def run(self, operations):
        submit, cancel, reduce, events = (
            self.book.submit,
            self.book.cancel,
            self.book.reduce,
            self.book.events,
        )
        ids, trade, trades = self.ids, self.trade, 0
        for kind, number, side, price, quantity, tif, user in operations:
            if kind <= IOC:
                ids[number] = submit(user, side, price, quantity, tif=tif).order_id
                for event in events():
                    if event.kind is trade:
                        trades += 1
            elif kind == CANCEL:
                cancel(ids[number], user)
            else:
                reduce(ids[number], quantity, user)
        self.trades += trades

    def close(self):
        self.book.close()


class Liquibook(Peer):
    trades = 0

    def __init__(self):
        import liquibook

        peer = self

        class Listener(liquibook.OrderListener):
            """Fills the orders, as the project's own example does; without it they stay open."""

            def on_fill(self, order, maker, quantity, cost):
                order.fill(quantity, cost, 0)
                maker.fill(quantity, cost, 0)
                peer.trades += 1

            def on_accept(self, order):
                """All of these must be there, or the first one ends the call."""

            on_cancel = on_trigger_stop = on_accept

            def on_cancel_reject(self, order, reason):
                """An order that is gone."""

            on_reject = on_replace_reject = on_cancel_reject

        self.engine, self.book, self.listener = liquibook, liquibook.DepthOrderBook(), Listener()
        self.book.set_order_listener(self.listener)
        self.orders = {}

    def ready(self, operations):
        make, conditions = (
            self.engine.SimpleOrder,
            (self.engine.oc_no_conditions, self.engine.oc_immediate_or_cancel),
        )
        made = []
        for kind, number, buy, price, quantity, _more in operations:
            condition = conditions[kind == IOC]
            if kind <= IOC:
                self.orders[number] = make(buy, price, quantity, 0, condition)
            made.append((kind, self.orders[number], condition))
        return made

    def run(self, operations):
        add, cancel = self.book.add, self.book.cancel
        for kind, order, condition in operations:
            if kind <= IOC:
                add(order, condition)
            else:
                cancel(order)


class Litebook(Peer):
    trades = 0

    def __init__(self):
        import litebook

        self.book, self.orders = litebook.OrderBook(tick_size=1.0), {}
        self.sides = litebook.OrderType.Sell, litebook.OrderType.Buy

    def ready(self, operations):
        made = []
        for kind, number, buy, price, quantity, _more in operations:
            if kind <= IOC:
                order = self.book.create_order(self.sides[buy], float(price), float(quantity))
                self.orders[number] = order.id
                made.append((kind, order))
            else:
                made.append((kind, self.orders[number]))
        return made

    def run(self, operations):
        add, cancel = self.book.add, self.book.cancel
        trades = 0
        for kind, order in operations:
            if kind <= IOC:
                trades += len(add(order))
            else:
                cancel(order)
        self.trades += trades


class CythonOrderbook(Peer):
    def __init__(self):
        from cython_orderbook import Order, OrderBook, OrderSide

        self.book, self.order, self.orders = OrderBook(), Order, {}
        self.sides = OrderSide.ASK, OrderSide.BID

    @property
    def trades(self):
        return len(self.book.trade_log)

    def ready(self, operations):
        made = []
        for kind, number, buy, price, quantity, _more in operations:
            if kind <= IOC:
                self.orders[number] = self.order(
                    side=self.sides[buy], price=price, original_quantity=quantity
                )
            made.append((kind, self.orders[number]))
        return made

    def run(self, operations):
        add, cancel = self.book.add_limit_order, self.book.cancel_order
        for kind, order in operations:
            if kind <= IOC:
                add(order)
            else:
                cancel(order.order_id)


class Pyorderbook(Peer):
    trades = 0

    def __init__(self):
        import pyorderbook

        logging.disable(logging.CRITICAL)  # it logs each cancel of an order that is gone
        self.book, self.orders = pyorderbook.Book(), {}
        self.make = pyorderbook.ask, pyorderbook.bid

    def ready(self, operations):
        made = []
        for kind, number, buy, price, quantity, _more in operations:
            if kind <= IOC:
                self.orders[number] = self.make[buy]("X", price, quantity)
            made.append((kind, self.orders[number]))
        return made

    def run(self, operations):
        match, cancel = self.book.match, self.book.cancel
        trades = 0
        for kind, order in operations:
            if kind <= IOC:
                trades += len(match(order).trades)
            else:
                try:  # noqa: SIM105 (a context manager would cost the engine time)
                    cancel(order)
                except KeyError:
                    pass
        self.trades += trades


class LightMatchingEngine(Peer):
    """Its list has a trade for the taker at each price, besides those of the makers."""

    trades = 0

    def __init__(self):
        from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side

        self.book, self.ids = LightMatchingEngine(), {}
        self.sides = Side.SELL, Side.BUY

    def ready(self, operations):
        return [(k, n, self.sides[buy], price, q) for k, n, buy, price, q, _more in operations]

    def run(self, operations):
        add, cancel, ids = self.book.add_order, self.book.cancel_order, self.ids
        trades = 0
        for kind, number, side, price, quantity in operations:
            if kind <= IOC:
                order, made = add("X", price, quantity, side)
                ids[number] = order.order_id
                for trade in made:
                    if trade.trade_side != side:
                        trades += 1
            else:
                try:  # noqa: SIM105 (a context manager would cost the engine time)
                    cancel(ids[number], "X")
                except AssertionError:  # an order that is gone, at a price that is gone
                    pass
        self.trades += trades


class Fastlob(Peer):
    """It tells prices and quantities, not the makers."""

    traded = 0

    def __init__(self):
        import fastlob

        logging.disable(logging.CRITICAL)
        self.make, self.sides = fastlob.OrderParams, (fastlob.OrderSide.ASK, fastlob.OrderSide.BID)
        self.book, self.ids = fastlob.Orderbook(start=True), {}
        self.takes = fastlob.ResultType.MARKET, fastlob.ResultType.PARTIAL_MARKET

    def ready(self, operations):
        return [
            (kind, number, self.make(self.sides[buy], price, q) if kind <= IOC else more)
            for kind, number, buy, price, q, more in operations
        ]

    def run(self, operations):
        book, ids, takes = self.book, self.ids, self.takes
        traded = 0
        for kind, number, order in operations:
            if kind <= IOC:
                result = book.process(order)
                ids[number] = result.orderid()
                if result.kind() in takes:
                    traded += sum(result.execprices().values())
            elif kind == CANCEL:
                book.cancel(ids[number])
            else:
                book.update(ids[number], order)
        self.traded += int(traded)

    def close(self):
        self.book.stop()


class OrderMatching(Peer):
    trades = 0

    def __init__(self):
        from datetime import datetime

        from loguru import logger
        from order_matching.enums import Side
        from order_matching.matching_engine import MatchingEngine
        from order_matching.order import LimitOrder
        from order_matching.orders import Orders

        logger.remove()  # it logs each call to stderr
        self.book, self.order, self.wrap = MatchingEngine(seed=1), LimitOrder, Orders
        self.sides, self.time = (Side.SELL, Side.BUY), datetime(2026, 1, 1)

    def ready(self, operations):
        return [
            (kind, str(number), kind <= IOC and self._order(number, buy, price, quantity))
            for kind, number, buy, price, quantity, _more in operations
        ]

    def _order(self, number, buy, price, quantity):
        order = self.order(
            side=self.sides[buy],
            price=float(price),
            size=float(quantity),
            timestamp=self.time,
            order_id=str(number),
            trader_id="X",
        )
        return self.wrap([order])

    def run(self, operations):
        place, match, cancel = self.book.place, self.book.match, self.book.cancel_order
        trades = 0
        for kind, number, orders in operations:
            if kind <= IOC:
                place(orders)
                trades += len(match(self.time).trades)
            else:
                try:  # noqa: SIM105 (a context manager would cost the engine time)
                    cancel(number)
                except ValueError:
                    pass
        self.trades += trades


class MatchingEngine(Peer):
    trades = 0

    def __init__(self):
        from matching_engine import domain, events
        from matching_engine.engine import MatchingEngine

        self.book, self.domain, self.trade = MatchingEngine(), domain, events.Trade
        self.sequence = 0

    def ready(self, operations):
        domain, made = self.domain, []
        sides = domain.Side.SELL, domain.Side.BUY
        tifs = domain.TimeInForce.GTC, domain.TimeInForce.IOC
        for kind, number, buy, price, quantity, _more in operations:
            self.sequence += 1
            if kind <= IOC:
                command = domain.NewOrder(
                    number, 1 + buy, sides[buy], price, quantity, tif=tifs[kind == IOC]
                )
            else:
                command = domain.CancelOrder(number, 1 + buy)
            made.append(domain.SequencedCommand(self.sequence, 0, command))
        return made

    def run(self, operations):
        process, trade, trades = self.book.process, self.trade, 0
        for command in operations:
            for event in process(command):
                if type(event) is trade:
                    trades += 1
        self.trades += trades


class Orderbook(Peer):
    """Python 2 inside: here so that the table says why it is missing."""

    def __init__(self):
        import orderbook  # noqa: F401


class Pylob(Peer):
    """Does not build: here so that the table says why it is missing."""

    def __init__(self):
        import pylob  # noqa: F401


class Engine(NamedTuple):
    """A row of the table."""

    package: str  # as pip installs it
    language: str
    make: type
    ioc: bool  # takes immediate-or-cancel limit orders
    reduces: bool  # lowers a quantity in place, with the order's priority kept
    look: str  # what is read of each order's result: trades, filled, nothing
    note: str = ""


ENGINES = {
    "nanobook": Engine("nanobook", "Rust", Nanobook, True, False, "trades"),
    "obook": Engine("obook", "Go, ctypes", Obook, True, True, "trades", "trades as drained events"),
    "orderly-chaos": Engine(
        "orderly-chaos", "C++, ctypes", OrderlyChaos, False, True, "filled", "raises on gone orders"
    ),
    "limit-order-book": Engine(
        "limit-order-book",
        "C++, ctypes",
        LimitOrderBook,
        False,
        False,
        "nothing",
        "tells no trades; a cancel asks first whether the order is there, else it may abort",
    ),
    "bourse": Engine(
        "bourse",
        "Rust",
        Bourse,
        False,
        True,
        "nothing",
        "trades only as one list at the end; needs its clock set before each order",
    ),
    "litebook": Engine(
        "litebook", "Rust", Litebook, False, False, "trades", "orders made off the clock"
    ),
    "liquibook": Engine(
        "liquibook", "C++, SWIG", Liquibook, True, False, "trades", "orders made off the clock"
    ),
    "cython-orderbook": Engine(
        "cython-orderbook",
        "Cython",
        CythonOrderbook,
        False,
        False,
        "nothing",
        "trades only as one log; orders made off the clock",
    ),
    "matching-engine": Engine(
        "matching-engine", "Python", MatchingEngine, True, False, "trades", "Python 3.12 and up"
    ),
    "pyorderbook": Engine(
        "pyorderbook", "Python", Pyorderbook, False, False, "trades", "orders made off the clock"
    ),
    "lightmatchingengine": Engine(
        "lightmatchingengine", "Python", LightMatchingEngine, False, False, "trades"
    ),
    "fastlob": Engine(
        "fastlob", "Python", Fastlob, False, True, "filled", "orders made off the clock, log off"
    ),
    "order-matching": Engine(
        "order-matching[polars]",
        "Python",
        OrderMatching,
        False,
        False,
        "trades",
        "orders made off the clock, log off",
    ),
    "orderbook": Engine("orderbook", "Python", Orderbook, False, False, "trades"),
    "pylob": Engine("pylob", "C++", Pylob, False, False, "trades"),
}
OURS = {"trades": PricetimeTrades, "filled": PricetimeFilled, "nothing": PricetimeNothing}
