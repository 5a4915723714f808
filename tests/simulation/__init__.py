"""The real venue, runner and books over a disk, a broker and a clock that fail in every way.

One seed is one history and decides all of it. `faults` counts what was done to whom; `disk`, `vfs`
and `venues` are the first world, `broker` and `runners` the second; `clients` says what is asked
and remembers what was answered, `truth` says what must have become of it; `sabotage` breaks the
product in ways that all this has to notice.
"""
