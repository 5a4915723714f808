"""The traded pairs.

Their flows are alike in ticks; what a tick is worth makes gold of one and silver of another.
"""

from pricetime.demo.run import RULES
from pricetime.instrument import Instrument
from pricetime.venue.definition import Definition

__all__ = ["PAIRS", "RUNNERS"]


def _definition(name: str, tick: str, lot: str) -> Definition:
    return Definition(Instrument(name, tick_size=tick, lot_size=lot, min_price=tick), RULES)


PAIRS = {
    "BTC_EUR": _definition("BTC_EUR", "0.01", "0.00001"),
    "ETH_USD": _definition("ETH_USD", "0.001", "0.0001"),
    "XAU_EUR": _definition("XAU_EUR", "0.001", "0.0001"),
    "XAG_GBP": _definition("XAG_GBP", "0.00001", "0.01"),
}
RUNNERS = (("BTC_EUR", "ETH_USD"), ("XAU_EUR", "XAG_GBP"))
"""The pairs of each runner."""
