"""The loop between a log and a book: read, process, publish; and how it starts again."""

from pricetime.runner.runner import CHECKPOINT_COMMANDS, Done, Runner

__all__ = ["CHECKPOINT_COMMANDS", "Done", "Runner"]
