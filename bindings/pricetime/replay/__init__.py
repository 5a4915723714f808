"""Replays of real order-level data: readers of exchanges' files, a driver, a report, a picture.

A reader (`lobster`, `itch`, `bitstamp`, `bme`) makes a `tape.Tape` of a file: commands, and what
the exchange did.  `drive.replay` runs it through books; `report` and `plot` show what came of it.
Only the readers know formats, and only `drive` knows the book.
"""
