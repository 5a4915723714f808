"""Two ways to go on where book and exchange part, for recipes that use them."""

from typing import Any

import numpy as np

from pricetime.records import COMMAND, Kind, OrderType
from pricetime.replay.tape import Fill, Repair

__all__ = ["TAKEN_OUT", "take_from", "take_out"]

TAKEN_OUT = "orders that the exchange no longer had, taken out"


def take_out(order_ids: list[int], command: np.void) -> Repair:
    """Cancels orders that cannot be there any more, and lets the command try again."""
    commands = np.zeros(len(order_ids), COMMAND)
    commands["kind"], commands["order_id"] = Kind.CANCEL, order_ids
    commands["timestamp"] = command["timestamp"]
    names = ", ".join(map(str, order_ids))
    return Repair(
        commands, again=True, what=TAKEN_OUT, text=f"passed over by the exchange: order {names}"
    )


def take_from(book: Any, real: Fill, command: np.void) -> Repair:
    """Lets the named order lose what it lost at the exchange, although it was not first in line."""
    order = book.order(real.maker)
    if order is None:
        return Repair(np.zeros(0, COMMAND), again=False)
    change = np.zeros(1, COMMAND)
    change["order_type"], change["order_id"] = OrderType.LIMIT, real.maker
    change["timestamp"] = command["timestamp"]
    change["price"] = order["price"]
    change["kind"] = Kind.CANCEL
    if order["remaining"] > real.quantity:
        change["kind"] = Kind.AMEND
        change["quantity"] = order["quantity"] - real.quantity
        return Repair(change, again=False, shift=(real.maker, real.quantity))
    return Repair(change, again=False)
