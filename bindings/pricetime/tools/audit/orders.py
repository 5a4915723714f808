"""Conservation: what events tell of each order's quantity must add up, whatever made them.

Matches nothing and shares nothing with the engine. It knows of each live order what remains and
what it has traded, takes both from events alone, and looks at each event as a step from what
remained before to what remains after:

    ACCEPTED    from nothing to all of its quantity
    TRADE       taker and maker lose the quantity; of an amount of money the taker loses its worth
    CANCELLED   and REPLACED: from what they say to nothing
    AMENDED     the new total less the new rest is what was traded
    TRIGGERED   to what enters, no more than there was
    REFRESHED   stays; the slice is no more than that

An order of which nothing remains is gone: whatever happens to it then is wrong. All steps of a
stretch of events are taken at once, sorted by order and then by time, as a million events should
take a fraction of a second.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricetime.log.batch import Records
from pricetime.records import EventKind

__all__ = ["Orders"]

MAKER = 0  # the kind of step that a TRADE is for its maker
STEPS = {
    MAKER: "its maker's rest does not go down by the quantity",
    EventKind.ACCEPTED: "the order lives already, or its quantity is not its rest",
    EventKind.TRADE: "its taker's rest does not go down by the quantity",
    EventKind.CANCELLED: "not what was left of the order is cancelled",
    EventKind.AMENDED: "new total less new rest is not what the order has traded",
    EventKind.REPLACED: "not what was left of the order is replaced",
    EventKind.TRIGGERED: "more enters than was left of the order",
    EventKind.REFRESHED: "what is left of the order is not what it was",
}
"""Kinds of event that are steps of an order, and what is wrong with one that is."""

ENDS = (EventKind.CANCELLED, EventKind.REPLACED)

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]


class _Steps(NamedTuple):
    """Steps of orders, those of one order side by side and in time order."""

    at: Ints  # place of the event
    kind: npt.NDArray[np.uint8]
    order_id: Ids
    quantity: Ints
    price: Ints
    after: Ints  # what remains then
    first: npt.NDArray[np.bool_]  # of the order, among these


class Orders:
    """The live orders, by ascending id."""

    def __init__(self) -> None:
        self._ids: Ids = np.empty(0, np.uint64)
        self._rest: Ints = np.empty(0, np.int64)
        self._traded: Ints = np.empty(0, np.int64)

    def load(self, orders: Records) -> None:
        """Begins with these orders, of ORDER."""
        orders = np.sort(orders, order="order_id")
        self._ids = orders["order_id"].copy()
        self._rest = orders["remaining"].copy()
        self._traded = orders["quantity"] - self._rest

    def __len__(self) -> int:
        return len(self._ids)

    def feed(self, events: Records) -> tuple[int, str] | None:
        """Takes events; the sequence of the first that does not add up, and why."""
        steps = _steps(events)
        if not len(steps.at):
            return None
        rest, traded = self._known(steps.order_id[steps.first])
        before = np.concatenate([steps.after[:1], steps.after[:-1]])
        before[steps.first] = rest
        went = np.where(np.isin(steps.kind, (MAKER, EventKind.TRADE)), before - steps.after, 0)
        traded = _running(steps, went, traded)
        wrong = _wrong(steps, before, went, traded)
        self._settle(steps, traded)
        if not wrong.any():
            return None
        worst = int(np.argmin(np.where(wrong, steps.at, len(events))))
        event = events[steps.at[worst]]
        text = STEPS[int(steps.kind[worst])]
        return int(event["sequence"]), (
            f"{EventKind(event['kind']).name} of order {steps.order_id[worst]}: {text} "
            f"({before[worst]} was left of it)"
        )

    def _known(self, ids: Ids) -> tuple[Ints, Ints]:
        """What remains of orders and what they have traded; 0 of those that do not live."""
        if not len(self._ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        live = self._ids[at] == ids
        return np.where(live, self._rest[at], 0), np.where(live, self._traded[at], 0)

    def _settle(self, steps: _Steps, traded: Ints) -> None:
        """Keeps where each order's last step has left it."""
        last = np.concatenate([steps.first[1:], [True]])
        ids, rest, traded = steps.order_id[last], steps.after[last], traded[last]
        stays = ~np.isin(self._ids, ids)
        live = rest > 0
        kept = self._ids[stays]
        at = np.searchsorted(kept, ids[live])
        self._ids = np.insert(kept, at, ids[live])
        self._rest = np.insert(self._rest[stays], at, rest[live])
        self._traded = np.insert(self._traded[stays], at, traded[live])


def _steps(events: Records) -> _Steps:
    kind = events["kind"]
    own = np.flatnonzero(np.isin(kind, [step for step in STEPS if step != MAKER]))
    trades = np.flatnonzero(kind == EventKind.TRADE)
    at = np.concatenate([own, trades])
    rows = events[at]
    kinds = rows["kind"].copy()
    ids = rows["order_id"].copy()
    after = rows["remaining"].copy()
    kinds[len(own) :] = MAKER
    ids[len(own) :] = rows["maker_id"][len(own) :]
    after[len(own) :] = rows["maker_remaining"][len(own) :]
    after[np.isin(kinds, ENDS)] = 0
    by_order = np.lexsort((at, ids))
    ids = ids[by_order]
    first = np.ones(len(ids), np.bool_)
    first[1:] = ids[1:] != ids[:-1]
    return _Steps(
        at[by_order],
        kinds[by_order],
        ids,
        rows["quantity"][by_order],
        rows["price"][by_order],
        after[by_order],
        first,
    )


def _running(steps: _Steps, went: Ints, known: Ints) -> Ints:
    """What each order has traded behind each of its steps; `known` before its first one."""
    new = steps.kind == EventKind.ACCEPTED
    start = steps.first | new
    before = np.zeros(len(went), np.int64)
    before[steps.first] = known
    before[new] = 0
    total = np.cumsum(went)
    life = np.cumsum(start) - 1  # which order, and which of its lives
    begun = (before - total + went)[start]
    summed: Ints = total + begun[life]
    return summed


def _wrong(steps: _Steps, before: Ints, went: Ints, traded: Ints) -> npt.NDArray[np.bool_]:
    kind, quantity, after = steps.kind, steps.quantity, steps.after
    wrong: npt.NDArray[np.bool_] = (before <= 0) ^ (kind == EventKind.ACCEPTED)
    wrong |= (after < 0) | (quantity <= 0)
    wrong |= (kind == EventKind.ACCEPTED) & (after != quantity)
    wrong |= (kind == MAKER) & (went != quantity)
    wrong |= np.isin(kind, ENDS) & (before != quantity)
    wrong |= (kind == EventKind.AMENDED) & ((after <= 0) | (quantity - after != traded))
    wrong |= (kind == EventKind.TRIGGERED) & ((after > before) | (quantity != after))
    wrong |= (kind == EventKind.REFRESHED) & ((after != before) | (quantity > after))
    taken = np.flatnonzero((kind == EventKind.TRADE) & (went != quantity))
    worth = [
        price * lots != less  # beyond 64 bits, perhaps
        for price, lots, less in zip(
            steps.price[taken].tolist(), quantity[taken].tolist(), went[taken].tolist(), strict=True
        )
    ]
    wrong[taken] |= np.array(worth, np.bool_)
    return wrong
