"""A progress bar on stderr, by rich where it is installed; without it, one line that says how to
get it.
"""

import sys
from time import monotonic
from types import TracebackType
from typing import Any

__all__ = ["Bar"]

INTERVAL = 0.05  # seconds between two looks at the bar: it must not cost what it shows
WITHOUT = "pricetime: no progress bar without rich: pip install 'pricetime[cli]'"


class Bar:
    """Called with a stage and how much of it is done, 0 to 1."""

    def __init__(self, title: str, *, quiet: bool = False):
        self._progress: Any = None
        self._task: Any = None
        self._stage = ""
        self._next = 0.0
        if quiet:
            return
        try:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
            )
        except ImportError:
            print(WITHOUT, file=sys.stderr)
            return
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._title = title

    def __enter__(self) -> "Bar":
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def __call__(self, stage: str, fraction: float) -> None:
        if not self._progress:
            return
        now = monotonic()
        if stage == self._stage and now < self._next and fraction < 1:
            return
        self._next = now + INTERVAL
        if stage != self._stage:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._stage = stage
            self._task = self._progress.add_task(f"{stage} {self._title}", total=1.0)
        self._progress.update(self._task, completed=fraction)
