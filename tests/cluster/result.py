"""What came of a scenario, and how it is told."""

from typing import NamedTuple

import numpy as np

__all__ = ["Result", "shown_ms"]


class Result(NamedTuple):
    """A scenario that went well: it raises where something was lost, repeated or otherwise."""

    done: int
    commands: int
    events: int
    seconds: float
    pauses: list[float]
    """of each trouble: seconds in which some pair had no events"""
    latency_ms: dict[str, float]
    checked: bool = True
    notes: list[str] = []  # noqa: RUF012  (nobody adds to it)

    def tell(self, name: str) -> str:
        """It in a few lines."""
        sound = ": each once, in order, as of a book never interrupted" if self.checked else ""
        lines = [
            f"{name}: {self.done} done in {self.seconds:.0f} s; {self.commands:,} commands, "
            f"{self.events:,} events{sound}"
        ]
        if self.pauses:
            at = np.percentile(self.pauses, (50, 99, 100))
            shown = zip(("p50", "p99", "max"), at, strict=True)
            lines.append("time without events: " + ", ".join(f"{k} {v:.3f} s" for k, v in shown))
        return "\n".join([*lines, f"latency: {shown_ms(self.latency_ms)}", *self.notes])


def shown_ms(latency: dict[str, float]) -> str:
    """Percentiles of a latency in a line."""
    return ", ".join(f"{k} {v:.1f} ms" for k, v in latency.items())
