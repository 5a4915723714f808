"""How fast counters grow."""

from collections import deque

__all__ = ["Rates"]

SPAN = 10**9  # ns over which a rate is taken


class Rates:
    """Looks at some counters now and then."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, list[int]]] = deque()

    def look(self, now: int, counters: list[int]) -> list[float]:
        """What each grew by in a second of late; `now` in ns."""
        looks = self._looks
        looks.append((now, counters))
        while len(looks) > 2 and now - looks[1][0] >= SPAN:
            looks.popleft()
        then, before = looks[0]
        passed = max(now - then, 1) / 1e9
        return [(new - old) / passed for new, old in zip(counters, before, strict=True)]
