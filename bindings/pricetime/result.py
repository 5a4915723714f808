"""What a book answers to one command."""

from typing import NamedTuple

__all__ = ["Trade"]


class Trade(NamedTuple):
    """One trade of the order that a call brought in, with the resting order that it met."""

    maker_id: int
    maker_account: int
    price: int
    """ticks"""
    quantity: int
    """lots"""
