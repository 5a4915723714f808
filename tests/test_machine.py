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
from model.batches import LEAST, without_huge_icebergs
from model.blotter import SECOND, record
from model.pair import Pair
from model.twin import DEFAULTS
from pricetime import BOUND, COMMAND, STP, TIF, Flag, Kind, OrderType, Parameter, Phase, Side

TOP = BOUND - 1
LAST_ID = 2**64 - 1
INT64 = np.iinfo(np.int64)
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
POSTS = (Flag.POST_ONLY, Flag.POST_ONLY_SLIDE)

T = OrderType
# Few of everything, so that most commands meet something.
sides = st.sampled_from(Side)
prices = st.integers(98, 102)
triggers = st.integers(97, 103)
distances = st.integers(0, 2)
offsets = st.integers(1, 3)
quantities = st.integers(1, 4)
peaks = st.integers(1, 2)
accounts = st.sampled_from([0, 1, 1, 2])
owners = st.sampled_from([1, 1, 2])
modes = st.sampled_from(STP)
tifs = st.sampled_from([TIF.GTC] * 3 + [TIF.DAY, TIF.GTD, TIF.IOC, TIF.FOK, TIF.AUCTION])
lasting = st.sampled_from([TIF.GTC] * 4 + [TIF.DAY, TIF.GTD])
posts = st.sampled_from([0, 0, 0, Flag.POST_ONLY, Flag.POST_ONLY_SLIDE])
seconds = st.sampled_from([Flag.HIDDEN, Flag.HIDDEN, Flag.ALL_OR_NONE])  # of the second queue
conditions = st.sampled_from([0] * 5 + [*POSTS, Flag.HIDDEN, Flag.ALL_OR_NONE])
to_market = st.sampled_from([T.STOP, T.TAKE_PROFIT])
to_limit = st.sampled_from([T.STOP_LIMIT, T.TAKE_PROFIT_LIMIT])
links = st.sampled_from([Flag.OCO, Flag.ON_FILL])
pauses = st.sampled_from([0, 0, 0, 1, SECOND // 2, SECOND, -SECOND])
lives = st.integers(-1, 3)  # seconds
phases = st.sampled_from([*[Phase.CONTINUOUS] * 4, *[Phase.AUCTION] * 3, *Phase])
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
rules = st.sampled_from(
    [  # how orders match
        *((Parameter.MATCHING, value) for value in (1, 2, 2)),
        *((Parameter.TOP_ORDER, value) for value in (0, 1)),
        *((Parameter.MIN_ALLOCATION, value) for value in (1, 2)),
        *((Parameter.COLLAR, value) for value in (0, 1)),
        *((Parameter.STATIC_BAND, value) for value in (0, 1, 2)),
        *((Parameter.STATIC_REFERENCE, value) for value in (99, 100, 101)),
        *((Parameter.DYNAMIC_BAND, value) for value in (0, 1)),
        *((Parameter.BAND_ACTION, value) for value in (1, 2, 2)),
        *((Parameter.AUCTION_SECONDS, value) for value in (1, 2)),
    ]
)


class Machine(RuleBasedStateMachine):
    """Bundle `orders` holds ids of orders that stayed when they entered; most of them still do."""

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
        """Tells of an order with an id of its own; the id for `orders` if it stays."""
        self.ids += 1
        own = {"slot": self.ids} if kind == Kind.REPLACE else {"order_id": self.ids}
        expires = max(self.time // SECOND + life, 0)
        self.tell(kind, pause, expires=expires, **terms, **own)
        return self.ids if self.ids in self.pair.twin.live else multiple()

    def owner(self, order_id):
        """Whose it is; mostly the links are for the account of the other order."""
        order = self.pair.twin.live.get(order_id)
        return 1 if order is None else order.account

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

    @rule(
        target=orders,
        side=sides,
        quantity=st.integers(1, 9),
        account=accounts,
        tif=tifs,
        stp=modes,
        life=lives,
    )
    def market(self, **terms):
        return self.enter(Kind.NEW, order_type=MARKET, **terms)

    @rule(side=sides, quantity=st.integers(90, 450), account=accounts, stp=modes)
    def quote_quantity(self, **terms):
        flags = Flag.QUOTE_QUANTITY
        self.enter(Kind.NEW, order_type=MARKET, tif=TIF.GTC, flags=flags, **terms)

    @rule(
        target=orders,
        side=sides,
        price=prices,
        quantity=st.integers(2, 6),
        slot=peaks,
        account=accounts,
        tif=lasting,
        post=posts,
    )
    def iceberg(self, post, **terms):
        return self.enter(Kind.NEW, order_type=LIMIT, flags=Flag.ICEBERG | post, **terms)

    @rule(
        target=orders,
        side=sides,
        price=prices,
        quantity=quantities,
        account=accounts,
        tif=tifs,
        stp=modes,
        flags=seconds,
    )
    def hidden_or_all_or_none(self, **terms):
        return self.enter(Kind.NEW, order_type=LIMIT, **terms)

    @rule(
        target=orders,
        side=sides,
        order_type=st.sampled_from([LIMIT, LIMIT, MARKET, T.STOP_LIMIT]),
        price=prices,
        trigger=triggers,
        quantity=st.integers(3, 5),
        slot=st.integers(2, 3),
        account=accounts,
        tif=tifs,
        also=st.sampled_from([0, Flag.HIDDEN, Flag.POST_ONLY_SLIDE]),
    )
    def minimum(self, also, **terms):
        return self.enter(Kind.NEW, flags=Flag.MINIMUM | also, **terms)

    @rule(
        target=orders,
        side=sides,
        order_type=to_market,
        trigger=triggers,
        quantity=quantities,
        account=accounts,
        tif=tifs,
        life=lives,
    )
    def stop(self, **terms):
        return self.enter(Kind.NEW, **terms)

    @rule(
        target=orders,
        side=sides,
        order_type=to_limit,
        price=prices,
        trigger=triggers,
        quantity=quantities,
        account=accounts,
        tif=tifs,
        flags=conditions,
        stp=modes,
    )
    def stop_limit(self, **terms):
        return self.enter(Kind.NEW, **terms)

    @rule(
        target=orders,
        side=sides,
        order_type=st.sampled_from([T.TRAILING_STOP, T.TRAILING_STOP_LIMIT]),
        price=distances,
        trigger=offsets,
        quantity=quantities,
        account=accounts,
        tif=tifs,
    )
    def trailing_stop(self, **terms):
        return self.enter(Kind.NEW, **terms)

    @rule(
        target=orders,
        slot=orders,
        flags=links,
        side=sides,
        order_type=st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET]),
        price=prices,
        quantity=quantities,
        tif=tifs,
        also=conditions,
    )
    def linked(self, slot, flags, also, order_type, **terms):
        flags |= also if order_type == LIMIT else 0
        terms |= {"slot": slot, "flags": flags, "account": self.owner(slot)}
        return self.enter(Kind.NEW, order_type=order_type, **terms)

    @rule(
        target=orders,
        slot=orders,
        flags=links,
        side=sides,
        order_type=st.sampled_from(list(T)[2:8]),
        price=prices,
        trigger=triggers,
        quantity=quantities,
        tif=lasting,
    )
    def linked_stop(self, slot, order_type, price, trigger, **terms):
        if order_type in (T.TRAILING_STOP, T.TRAILING_STOP_LIMIT):
            price, trigger = price - 98, trigger - 96
        terms |= {"price": price, "trigger": trigger, "account": self.owner(slot)}
        return self.enter(Kind.NEW, order_type=order_type, slot=slot, **terms)

    @rule(slot=orders, flags=links, side=sides, price=prices, quantity=quantities, account=accounts)
    def linked_to_anybody(self, **terms):
        self.enter(Kind.NEW, order_type=LIMIT, tif=TIF.GTC, **terms)

    @rule(order_id=orders, side=sides, price=prices, quantity=quantities, account=accounts)
    def again_under_an_old_id(self, **terms):
        self.tell(Kind.NEW, order_type=LIMIT, tif=TIF.GTC, **terms)

    @rule(order_id=consumes(orders), account=st.sampled_from([0, 0, 0, 1, 2]), pause=pauses)
    def cancel(self, **terms):
        self.tell(Kind.CANCEL, **terms)

    @rule(order_id=orders, price=prices, trigger=triggers, quantity=st.integers(1, 6), pause=pauses)
    def amend(self, **terms):
        self.tell(Kind.AMEND, **terms)

    @rule(order_id=orders, price=distances, trigger=offsets, quantity=quantities)
    def amend_as_if_trailing(self, **terms):
        self.tell(Kind.AMEND, **terms)

    @rule(order_id=orders, price=prices, quantity=quantities, account=accounts)
    def amend_as_somebody(self, **terms):
        self.tell(Kind.AMEND, **terms)

    @rule(order_id=orders, quantity=st.integers(1, 9))
    def amend_the_quantity(self, order_id, quantity):
        order = self.pair.twin.live.get(order_id)
        price, trigger = (100, 100) if order is None else (order.price, order.trigger)
        self.tell(Kind.AMEND, order_id=order_id, price=price, trigger=trigger, quantity=quantity)

    @rule(
        target=orders,
        order_id=consumes(orders),
        order_type=st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET, T.STOP, T.TAKE_PROFIT_LIMIT]),
        side=sides,
        price=prices,
        trigger=triggers,
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

    @rule(
        target=orders,
        account=owners,
        bid=st.tuples(st.integers(0, 3), st.integers(97, 100)),
        ask=st.tuples(st.integers(0, 3), st.integers(100, 103)),
    )
    def quote(self, account, bid, ask):
        own = LAST_ID // 2 + 10 * account
        (quantity, price), (slot, trigger) = bid, ask
        terms = {"price": price, "quantity": quantity, "trigger": trigger, "slot": slot}
        self.tell(Kind.QUOTE, account=account, order_id=own, **terms)
        return multiple(*({own, own + 1} & set(self.pair.twin.live)))

    @rule(order_id=orders, price=prices, quantity=quantities, slot=quantities)
    def quote_under_an_old_id(self, price, **terms):
        self.tell(Kind.QUOTE, account=1, price=price, trigger=price + 1, **terms)

    @rule(account=owners, life=lives)
    def arm(self, account, life):
        expires = max(self.time // SECOND + life, 0)
        self.tell(Kind.ARM, account=account, expires=expires)

    @rule(account=accounts, side=st.integers(0, 2))
    def mass_cancel(self, account, side):
        self.tell(Kind.MASS_CANCEL, account=account, side=side)

    @rule(phase=phases, pause=pauses)
    def phase(self, phase, pause):
        self.tell(Kind.PHASE, pause, order_type=phase)

    @rule(phase=phases, life=st.integers(1, 2))
    def plan_a_phase(self, phase, life):
        self.tell(Kind.PHASE, order_type=phase, expires=self.time // SECOND + life)

    @precondition(lambda self: self.pair.book.current_phase in (Phase.PRE_OPEN, Phase.AUCTION))
    @rule(phase=phases)
    def uncross(self, phase):
        self.tell(Kind.UNCROSS, order_type=phase)

    @precondition(lambda self: self.pair.book.current_phase != Phase.CONTINUOUS)
    @rule()
    def reopen(self):
        self.tell(Kind.PHASE, order_type=Phase.CONTINUOUS)

    @rule(pause=pauses)
    def clock(self, pause):
        self.tell(Kind.CLOCK, pause)

    @rule(limit=limits)
    def set_a_limit(self, limit):
        self.tell(Kind.SET, order_id=limit[0], price=limit[1])

    @rule(rule=rules)
    def set_a_rule(self, rule):
        self.tell(Kind.SET, order_id=rule[0], price=rule[1])

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
        return without_huge_icebergs(commands)

    # Lists of their own accord are short.
    counts = st.integers(1, 40)
    return counts.flatmap(lambda n: st.lists(st.one_of(rows), min_size=n, max_size=n)).map(put)


def compare(commands, cut, **parameters):
    """Both take it as two batches, the second through the smallest buffer there may be."""
    pair = Pair(**parameters)
    pair.process(commands[:cut])
    pair.check()
    pair.process(commands[cut:], np.empty(LEAST, pt.EVENT))
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
watching = {"order_id": st.integers(4, 9), "flags": 0, "tif": lasting}
at_the_ends_of_triggers = [
    *at_the_ends[:3],
    row(Kind.NEW, order_type=to_market | to_limit, trigger=any_price, **ends | watching),
    row(Kind.NEW, order_type=T.TRAILING_STOP, trigger=any_quantity, **ends | watching),
    row(Kind.NEW, order_type=T.TRAILING_STOP_LIMIT, trigger=any_quantity, **ends | watching),
    row(Kind.QUOTE, account=1, order_id=near_ids, slot=any_quantity, trigger=any_price, **ends),
    row(Kind.AMEND, order_id=watching["order_id"], trigger=any_quantity, **ends),
    row(Kind.PHASE, order_type=st.sampled_from([Phase.AUCTION, Phase.CONTINUOUS])),
    row(Kind.CLOCK),
]


@given(batch(*at_the_ends), cuts)
def test_extreme_prices_quantities_and_ids(commands, cut):
    compare(commands, cut)


@given(batch(*at_the_ends_of_triggers), cuts)
def test_extreme_triggers_quotes_and_auctions(commands, cut):
    compare(commands, cut)


full = {"side": sides, "order_type": LIMIT, "tif": TIF.GTC, "stp": modes, "account": accounts}
full |= {"price": st.sampled_from([100, 101]), "quantity": any_quantity}
into_full_levels = [
    row(Kind.NEW, order_id=near_ids, **full),
    row(Kind.NEW, order_id=st.integers(4, 9), **full),
    row(Kind.AMEND, order_id=st.integers(1, 9), **full | {"account": 0}),
    row(Kind.REPLACE, order_id=near_ids, slot=st.integers(1, 9), **full | {"account": 0}),
    row(Kind.NEW, order_id=st.integers(4, 9), **full | {"flags": seconds}),
    row(Kind.NEW, order_id=st.integers(4, 9), **full | {"order_type": MARKET}),
    row(Kind.QUOTE, order_id=50, trigger=102, slot=any_quantity, **full | {"account": 1}),
    row(Kind.PHASE, order_type=st.sampled_from([Phase.AUCTION, Phase.CONTINUOUS])),
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
    row(Kind.PHASE, order_type=phases, expires=st.integers(1, 3)),
    row(Kind.ARM, account=owners, expires=st.integers(0, 3)),
    row(Kind.NEW, order_id=few_ids, **ending | {"order_type": to_limit, "trigger": triggers}),
    row(Kind.NEW, order_id=few_ids, slot=few_ids, **ending | {"flags": links}),
    row(Kind.NEW, order_id=few_ids, **ending | {"tif": TIF.AUCTION, "account": owners}),
    row(Kind.SET, order_id=Parameter.BAND_ACTION, price=2),
    row(Kind.SET, order_id=Parameter.AUCTION_SECONDS, price=1),
    row(Kind.SET, order_id=Parameter.DYNAMIC_BAND, price=1),
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
