"""`pricetime demo`: a made-up exchange at work, first as fast as it goes, then paced.

`flow` makes the commands (with `terms`, `makers` and `schedule`), `run` gives them to the book and
takes the time, `frame` is what is known at one moment; `view` (rich, in a process of its own:
`screen`) and `text` show it.
"""

from pricetime.demo.command import register

__all__ = ["register"]
