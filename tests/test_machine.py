"""Hypothesis drives the book and its twin: a rule for each command, and batches of wild values.

What it finds is shrunk and printed as a scenario, to be pasted into scenarios/.
"""

import numpy as np
import pricetime as pt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from model.blotter import SECOND, record
from model.pair import Pair
from model.twin import DEFAULTS
from pricetime import BOUND, COMMAND, STP, TIF, Flag, Kind, OrderType, Parameter, Phase, Side

TOP = BOUND - 1
LAST_ID = 2**64 - 1
INT64 = np.iinfo(np.int64)
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET

# Few of everything, so that most commands meet something.
sides = st.sampled_from(Side)
prices = st.integers(98, 102)
quantities = st.integers(1, 4)
accounts = st.sampled_from([0, 1, 1, 2])
modes = st.sampled_from(STP)
tifs = st.sampled_from([TIF.GTC, TIF.GTC, TIF.DAY, TIF.GTD, TIF.IOC, TIF.FOK])
posts = st.sampled_from([0, 0, 0, Flag.POST_ONLY, Flag.POST_ONLY_SLIDE])
pauses = st.sampled_from([0, 0, 0, 1, SECOND // 2, SECOND, -SECOND])
lives = st.integers(-1, 3)  # seconds
SHUT = [Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED]
phases = st.sampled_from([*[Phase.CONTINUOUS] * 4, *SHUT])
limits = st.sampled_from(
    [  # a value that lifts the limit, values that bite, some that cannot be
        *((Parameter.MIN_PRICE, value) for value in (-TOP, 98, 99, 103)),
        *((Parameter.MAX_PRICE, value) for value in (TOP, 97, 101, 102)),
        *((Parameter.MIN_QUANTITY, value) for value in (1, 2, 0)),
        *((Parameter.MAX_QUANTITY, value) for value in (TOP, 3, 1)),
        *((Parameter.MIN_NOTIONAL, value) for value in (0, 197, 201)),
        *((Parameter.MAX_NOTIONAL, value) for value in (0, 304, 196)),
        *((Parameter.ORDERS_PER_ACCOUNT, value) for value in (0, 1, 3)),
        *((Parameter.STP, value) for value in STP),
    ]
)


class Machine(RuleBasedStateMachine):
    """Bundle `orders` holds ids of orders that rested when they entered; most of them still do."""

    orders = Bundle("orders")

    def __init__(self):
        super().__init__()
        self.pair = Pair(max_orders=14)
        self.ids = 0
        self.time = 0

    def tell(self, kind, /, pause=0, **fields):
        self.time = max(self.time + pause, 0)
        self.pair.process(record(kind, timestamp=self.time, **fields))

    def enter(self, kind, pause=0, life=0, **terms):
        """Tells of an order with an id of its own; the id for `orders` if it rests."""
        self.ids += 1
        own = {"slot": self.ids} if kind == Kind.REPLACE else {"order_id": self.ids}
        expires = max(self.time // SECOND + life, 0)
        self.tell(kind, pause, expires=expires, **terms, **own)
        return self.ids if self.ids in self.pair.twin.live else multiple()

    @initialize(
        target=orders,
        bids=st.lists(st.tuples(st.integers(98, 100), quantities, accounts), max_size=6),
        asks=st.lists(st.tuples(st.integers(101, 102), quantities, accounts), max_size=6),
    )
    def some_rest(self, bids, asks):
        ids = []
        for side, orders in ((Side.BUY, bids), (Side.SELL, asks)):
            for price, quantity, account in orders:
                terms = {"side": side, "price": price, "quantity": quantity, "account": account}
                ids.append(self.enter(Kind.NEW, order_type=LIMIT, tif=TIF.GTC, **terms))
        return multiple(*ids)

    @rule(target=orders, side=sides, price=prices, quantity=quantities, account=accounts)
    def plain_limit(self, **terms):
        return self.enter(Kind.NEW, order_type=LIMIT, tif=TIF.GTC, **terms)

    @rule(
        target=orders,
        side=sides,
        price=prices,
        quantity=quantities,
        account=accounts,
        tif=tifs,
        stp=modes,
        flags=posts,
        life=lives,
        pause=pauses,
    )
    def limit(self, **terms):
        return self.enter(Kind.NEW, order_type=LIMIT, **terms)

    @rule(side=sides, quantity=st.integers(1, 9), account=accounts, tif=tifs, stp=modes, life=lives)
    def market(self, **terms):
        self.enter(Kind.NEW, order_type=MARKET, **terms)

    @rule(order_id=orders, side=sides, price=prices, quantity=quantities, account=accounts)
    def again_under_an_old_id(self, **terms):
        self.tell(Kind.NEW, order_type=LIMIT, tif=TIF.GTC, **terms)

    @rule(order_id=consumes(orders), account=st.sampled_from([0, 0, 0, 1, 2]), pause=pauses)
    def cancel(self, **terms):
        self.tell(Kind.CANCEL, **terms)

    @rule(order_id=orders, price=prices, quantity=st.integers(1, 6), pause=pauses)
    def amend(self, **terms):
        self.tell(Kind.AMEND, **terms)

    @rule(order_id=orders, price=prices, quantity=quantities, account=accounts)
    def amend_as_somebody(self, **terms):
        self.tell(Kind.AMEND, **terms)

    @rule(order_id=orders, quantity=st.integers(3, 9))
    def amend_the_quantity(self, order_id, quantity):
        order = self.pair.twin.live.get(order_id)
        price = 100 if order is None else order.price
        self.tell(Kind.AMEND, order_id=order_id, price=price, quantity=quantity)

    @rule(
        target=orders,
        order_id=consumes(orders),
        order_type=st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET]),
        side=sides,
        price=prices,
        quantity=quantities,
        tif=tifs,
        stp=modes,
        flags=posts,
        life=lives,
        pause=pauses,
    )
    def replace(self, **terms):
        return self.enter(Kind.REPLACE, **terms)

    @rule(order_id=orders, slot=orders, side=sides, price=prices, quantity=quantities)
    def replace_under_an_old_id(self, **terms):
        self.tell(Kind.REPLACE, order_type=LIMIT, tif=TIF.GTC, **terms)

    @rule(account=accounts, side=st.integers(0, 2))
    def mass_cancel(self, account, side):
        self.tell(Kind.MASS_CANCEL, account=account, side=side)

    @rule(phase=phases, pause=pauses)
    def phase(self, phase, pause):
        self.tell(Kind.PHASE, pause, order_type=phase)

    @precondition(lambda self: self.pair.book.current_phase != Phase.CONTINUOUS)
    @rule()
    def reopen(self):
        self.tell(Kind.PHASE, order_type=Phase.CONTINUOUS)

    @rule(pause=pauses)
    def clock(self, pause):
        self.tell(Kind.CLOCK, pause)

    @rule(limit=limits)
    def set(self, limit):
        self.tell(Kind.SET, order_id=limit[0], price=limit[1])

    @precondition(lambda self: self.pair.twin.parameters != DEFAULTS)
    @rule()
    def lift_limits(self):
        for parameter, value in DEFAULTS.items():
            if self.pair.twin.parameters[parameter] != value:
                self.tell(Kind.SET, order_id=parameter, price=value)

    @rule()
    def save_and_restore(self):
        self.pair.save_and_restore()

    @invariant()
    def agree(self):
        self.pair.check()


TestMachine = Machine.TestCase


# -- whole batches of adversarial values ----------------------------------------------------------


def row(kind, **fields):
    """A command, each field drawn from its strategy or as it is; what is not said is 0."""
    fields["kind"] = kind
    columns = [fields.get(name, 0) for name in COMMAND.names]
    return st.tuples(*(c if isinstance(c, st.SearchStrategy) else st.just(int(c)) for c in columns))


def batch(*rows):
    """An array of commands, each like one of the rows; `timestamp` is drawn as a pause."""

    def put(drawn):
        commands = np.array(drawn, COMMAND)
        commands["timestamp"] = np.cumsum(commands["timestamp"])
        return commands

    # Lists of their own accord are short.
    counts = st.integers(1, 40)
    return counts.flatmap(lambda n: st.lists(st.one_of(rows), min_size=n, max_size=n)).map(put)


def compare(commands, cut, **parameters):
    """Both take it as two batches, the second through the smallest buffer there may be."""
    pair = Pair(**parameters)
    pair.process(commands[:cut])
    pair.check()
    pair.process(commands[cut:], np.empty(4, pt.EVENT))
    pair.check()


cuts = st.integers(0, 40)
near_ids = st.sampled_from([1, 2, 3, LAST_ID])
any_price = st.sampled_from([TOP, -TOP, TOP, -TOP, TOP - 1, 1 - TOP, 0, 1, -1, BOUND, -BOUND])
any_quantity = st.sampled_from(
    [1, 1, 2, 2, TOP, TOP, TOP - 1, BOUND // 2, BOUND // 2 + 1, BOUND // 4, 0, BOUND]
)
gaps = st.sampled_from([0] * 12 + [1, SECOND])

ends = {"side": sides, "price": any_price, "quantity": any_quantity, "timestamp": gaps}
ends |= {"tif": tifs, "expires": st.sampled_from([1, 2, 2**32 - 1]), "flags": posts}
at_the_ends = [
    row(Kind.NEW, order_type=LIMIT, order_id=near_ids, **ends),
    row(Kind.NEW, order_type=LIMIT, order_id=st.integers(4, 9), **ends),
    row(Kind.NEW, order_type=MARKET, order_id=near_ids, **ends | {"flags": 0}),
    row(Kind.AMEND, order_id=near_ids, price=any_price, quantity=any_quantity),
    row(Kind.REPLACE, order_type=LIMIT, order_id=near_ids, slot=near_ids, **ends),
    row(Kind.CANCEL, order_id=near_ids),
]


@given(batch(*at_the_ends), cuts)
def test_extreme_prices_quantities_and_ids(commands, cut):
    compare(commands, cut)


full = {"side": sides, "order_type": LIMIT, "tif": TIF.GTC, "stp": modes, "account": accounts}
full |= {"price": st.sampled_from([100, 101]), "quantity": any_quantity}
into_full_levels = [
    row(Kind.NEW, order_id=near_ids, **full),
    row(Kind.NEW, order_id=st.integers(4, 9), **full),
    row(Kind.AMEND, order_id=st.integers(1, 9), **full | {"account": 0}),
    row(Kind.REPLACE, order_id=near_ids, slot=st.integers(1, 9), **full | {"account": 0}),
]


@given(batch(*into_full_levels), cuts)
def test_levels_that_overflow(commands, cut):
    compare(commands, cut)


few_ids = st.integers(1, 12)
burst = {"side": sides, "price": prices, "quantity": quantities, "timestamp": gaps}
ending = {"order_type": LIMIT, "tif": TIF.GTD, "expires": st.integers(1, 3), **burst}
falling_due = [
    row(Kind.NEW, order_id=few_ids, **ending),
    row(Kind.NEW, order_id=few_ids, **ending | {"flags": posts, "account": accounts}),
    row(Kind.NEW, order_id=few_ids, **ending | {"tif": st.sampled_from([TIF.DAY, TIF.IOC])}),
    row(Kind.AMEND, order_id=few_ids, **burst),
    row(Kind.REPLACE, order_id=few_ids, slot=few_ids, **ending),
    row(st.sampled_from([Kind.CANCEL, Kind.MASS_CANCEL, Kind.CLOCK]), order_id=few_ids),
    row(Kind.PHASE, order_type=st.sampled_from([Phase.CONTINUOUS] * 3 + [Phase.CLOSED])),
]


@given(batch(*falling_due), cuts)
def test_bursts_and_expiry_ties(commands, cut):
    compare(commands, cut)


any_i8, any_u8 = st.integers(INT64.min, INT64.max), st.integers(0, LAST_ID)
wild = {
    "side": st.sampled_from([1, 2, 1, 2, 0, 3]),
    "order_type": st.sampled_from([LIMIT] * 6 + [MARKET, *OrderType, 0, 12]),
    "tif": st.sampled_from([*TIF, *TIF, 5, 7]),
    "stp": st.sampled_from([*STP, *STP, 6]),
    "reserved": st.sampled_from([0] * 20 + [1]),
    "flags": st.sampled_from([0] * 9 + [*map(int, Flag), 512]) | st.integers(0, 2**16 - 1),
    "account": accounts | st.just(2**32 - 1),
    "expires": st.sampled_from([0, 1, 2**32 - 1]),
    "order_id": st.integers(1, 9) | st.sampled_from([0, LAST_ID]),
    "price": prices | any_price | any_i8,
    "quantity": quantities | any_quantity | any_i8,
    "trigger": st.just(0) | any_price | any_i8,
    "timestamp": gaps | st.sampled_from([INT64.max, -SECOND]) | any_i8,
    "slot": st.integers(0, 9) | any_u8,
}
valued = {"price": prices | any_price, "quantity": quantities | any_quantity}
plain = {"order_type": LIMIT, "tif": TIF.GTC, "side": sides, "order_id": st.integers(1, 9)}
anything = [
    row(Kind.NEW, **wild),
    row(Kind.NEW, **wild | valued | plain | {"flags": posts, "reserved": 0, "timestamp": 0}),
    row(Kind.NEW, **plain | {"price": prices, "quantity": quantities, "account": accounts}),
    row(st.sampled_from(Kind) | st.integers(0, 255), **wild),
    row(Kind.AMEND, **wild | valued | {"trigger": 0}),
    row(st.sampled_from([Kind.CANCEL, Kind.CLOCK, Kind.MASS_CANCEL]), **wild),
    row(Kind.SET, **wild | {"order_id": st.integers(0, 18)}),
    row(Kind.PHASE, **wild | {"order_type": st.integers(0, 8), "expires": st.integers(0, 1)}),
    row(Kind.PHASE, order_type=Phase.CONTINUOUS),
]


@given(batch(*anything), cuts, st.sampled_from([0, 2, 9, 9]))
def test_anything_at_all(commands, cut, max_orders):
    compare(commands, cut, max_orders=max_orders)
