"""The time by which commands are due and events have come."""

import time

__all__ = ["Clock"]


class Clock:
    """The time of day (ns) that was at the beginning, and what has passed since: it never steps."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        """The time (ns)."""
        return time.monotonic_ns() + self._offset
