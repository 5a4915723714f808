"""`pricetime run`: a venue as a process, which takes commands as lines of JSON."""

from pricetime.serve.command import register

__all__ = ["register"]
