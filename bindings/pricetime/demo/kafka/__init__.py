"""`pricetime demo --kafka`: four pairs over a Kafka of their own, and runners that may be killed.

`pairs` are the traded ones, `trader` makes their commands and `generator` sends them; `watch` reads
the events, which `twin` compares with what they must be; `runner` is a process that is killed and
started again; `venue` puts all together. `frame` is what is known at one moment; `view` (rich) and
`text` show it, `keys` hears what is pressed, `command` is the way through.
"""
