"""An auditor of venue files, which does not trust the engine that wrote them.

`rows` reads what stands in the file, good or not; `flow` and `orders` say what events must be like,
whatever made them; `instrument` replays the commands through a fresh book and compares; `file` goes
through all of it, and `findings` is what came of it.
"""
