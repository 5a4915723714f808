"""Market makers: accounts that quote both sides, and arm a switch in case they fall silent.

Now and then one does: it neither quotes nor arms any more, and when its switch is due the book
takes its quote out. Some time later it is back.
"""

import numpy as np
from numpy.typing import NDArray

from pricetime.demo.dice import Shape

__all__ = ["ARMS", "MAKERS", "QUOTES", "QUOTE_IDS", "Makers"]

MAKERS = 12
QUOTES, ARMS = 0.07, 0.004  # shares of all commands
QUOTE_IDS = 1 << 40  # the first of the makers' order ids, above those of all others: two a maker
HALF = (50.0, 100.0)  # ticks from the reference to a side at least, and beyond that in the mean
LOTS = Shape((10_000.0, 25_000.0, 50_000.0), (0.5, 0.3, 0.2))  # of a side
ONE_SIDED = 0.02  # of all quotes
LEASE = 20_000  # commands: seven times as many as pass between two arms of a maker
SILENCE = 250_000  # commands from one maker's silence to the next one's, in the mean


class Makers:
    """Who quotes, and who is silent for now."""

    def __init__(self, first_account: int, per_minute: int):
        self._account = first_account
        self._lease = 2 + LEASE * 60 // per_minute  # seconds, of which the first is begun
        self._per_minute = per_minute
        self._silent = MAKERS  # which one: none
        self._until = 0  # commands: when it is back
        self._next = SILENCE // 4  # commands: when the next one falls silent

    def act(
        self,
        rng: np.random.Generator,
        commands: NDArray[np.void],
        quotes: NDArray[np.int64],
        arms: NDArray[np.int64],
        reference: NDArray[np.float64],
        made: int,
    ) -> None:
        """Writes quotes and arms into the commands at these places; so many were made before."""
        self._fall_silent(rng, made)
        there = (np.arange(MAKERS) != self._silent).nonzero()[0]
        for at in (quotes, arms):
            who = there[rng.integers(0, len(there), len(at))]
            commands["account"][at] = self._account + who
            commands["order_id"][at] = QUOTE_IDS + 2 * who
        commands["expires"][arms] = commands["timestamp"][arms] // 10**9 + self._lease
        count = len(quotes)
        half = HALF[0] + HALF[1] * rng.standard_exponential((2, count))
        middle = reference[quotes]
        commands["price"][quotes] = np.maximum(np.floor(middle - half[0]), 1)
        commands["trigger"][quotes] = np.maximum(np.ceil(middle + half[1]), 2)
        one_sided = rng.random(count) < ONE_SIDED
        commands["quantity"][quotes] = np.where(one_sided, 0, LOTS.draw(rng, count))
        commands["slot"][quotes] = LOTS.draw(rng, count)

    def _fall_silent(self, rng: np.random.Generator, made: int) -> None:
        lease = self._lease * self._per_minute // 60  # commands
        if made >= self._until:
            self._silent = MAKERS
        if made >= self._next:
            self._silent = int(rng.integers(MAKERS))
            self._until = made + 2 * lease
            self._next = self._until + int(SILENCE * 2 * rng.random())
