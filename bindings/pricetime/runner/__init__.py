"""The loop between a log and a book: read, process, publish; and how it starts again."""

from pricetime.runner.distance import Distance
from pricetime.runner.runner import CHECKPOINT, Done, Runner

__all__ = ["CHECKPOINT", "Distance", "Done", "Runner"]
