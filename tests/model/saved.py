"""A checkpoint with its orders in one piece: records of ORDER, cut in two as its page says."""

from typing import NamedTuple

import numpy as np
from pricetime import ORDER
from pricetime.checkpoint import EXTRA, PLAIN, State

MORE = [name for name in ORDER.names if name not in PLAIN.names]


class Whole(NamedTuple):
    """A `State` with ORDER records for its orders and extras; writable."""

    header: np.ndarray
    orders: np.ndarray
    switches: np.ndarray
    plans: np.ndarray


def whole(state):
    """The state with each order joined."""
    header, plain, extras, switches, plans = (part.copy() for part in state)
    orders = np.zeros(len(plain), ORDER)
    for name in PLAIN.names:
        orders[name] = plain[name]
    orders["displayed"] = plain["remaining"]
    for name in MORE:
        orders[name][extras["place"]] = extras[name]
    return Whole(header, orders, switches, plans)


def parts(joined):
    """The state that is written: each order cut."""
    header, orders, switches, plans = joined
    plain = np.zeros(len(orders), PLAIN)
    for name in PLAIN.names:
        plain[name] = orders[name]
    said = orders["displayed"] != orders["remaining"]
    for name in MORE[1:]:
        said |= orders[name] != 0
    extras = np.zeros(said.sum(), EXTRA)
    extras["place"] = np.flatnonzero(said)
    for name in MORE:
        extras[name] = orders[name][said]
    return State(header, plain, extras, switches, plans)
