"""Choices with chances in thousandths, drawn for many commands at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricetime.records import STP, TIF, OrderType

__all__ = ["Shape", "Table", "Terms"]

SIDES = 1_000  # of the die


def _faces(chances: list[float]) -> NDArray[np.int64]:
    """Which choice each side of the die stands for: looking it up beats comparing chances."""
    ends = [round(SIDES * sum(chances[: at + 1])) for at in range(len(chances))]
    return np.searchsorted(ends, np.arange(SIDES), side="right")


def _throw(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    return (SIDES * rng.random(count)).astype(np.int64)


class Shape:
    """A choice of values with its chances, which add up to 1."""

    def __init__(self, values: tuple[float, ...], chances: tuple[float, ...]):
        self._faces = np.array(values, np.float64)[_faces(list(chances))]

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """So many of the values."""
        drawn: NDArray[np.float64] = self._faces[_throw(rng, count)]
        return drawn


class Terms(NamedTuple):
    """What an order asks for besides side, price and quantity; and the chance of that."""

    chance: float
    order_type: OrderType = OrderType.LIMIT
    tif: TIF = TIF.GTC
    flags: int = 0  # Flag
    stp: STP = STP.DEFAULT


PLAIN = Terms(0.0)


class Table:
    """A choice of terms; what their chances leave of 1 is plain limit orders."""

    def __init__(self, *rows: Terms):
        faces = _faces([row.chance for row in rows])
        self._columns = {
            name: np.array([int(getattr(row, name)) for row in (*rows, PLAIN)], np.uint16)[faces]
            for name in Terms._fields[1:]
            if any(getattr(row, name) != getattr(PLAIN, name) for row in rows)
        }

    def give(
        self, rng: np.random.Generator, commands: NDArray[np.void], at: NDArray[np.int64]
    ) -> None:
        """Writes terms into the commands at these places, which are plain so far."""
        thrown = _throw(rng, len(at))
        for name, faces in self._columns.items():
            commands[name][at] = faces[thrown]
