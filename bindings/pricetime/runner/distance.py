"""How far a book goes before its next checkpoint: what decides how long its recovery takes."""

import math
from typing import NamedTuple

__all__ = ["Distance"]


class Distance(NamedTuple):
    """From the last checkpoint, by whichever comes first.

    More for each live order: what taking a checkpoint costs is spread over it.
    """

    commands: float
    commands_per_order: float = 0
    positions: float = math.inf
    """of the log, each of which has to be read again, however little stands there"""
    positions_per_order: float = 0
