"""What must hold at the end, whatever was done to runners and brokers in the meantime."""

import numpy as np
from pricetime import Book
from pricetime.log.batch import unpack_commands
from pricetime.log.kafka import KafkaLog
from pricetime.records import COMMAND

from .load import Load
from .watch import Watch

__all__ = ["check"]


def check(log: KafkaLog, load: Load, watch: Watch) -> dict[str, int]:
    """Every acknowledged command once and in order in the log, and its events with the reader, byte
    for byte those of a book that was never interrupted. Counts commands and events."""
    totals = {"commands": 0, "events": 0}
    for name in load.names:
        partition = log.partition("commands", log.map.pair(name))
        messages = [(m.offset(), m.value()) for m in partition.read(0)]
        partition.close()
        ours = load.acknowledged[name]
        assert [a.offset for a in ours] == sorted({a.offset for a in ours}), "out of order"
        stored = dict(messages)
        for acknowledged in ours:
            assert stored[acknowledged.offset] == acknowledged.data, "what was acknowledged is gone"
        # Nobody else sends but a runner whose clock is due, which here has nothing due.
        assert len(messages) == len(ours), (len(messages), len(ours), "sent twice or lost")
        batches = [unpack_commands(data, name, "").records for _, data in messages]
        commands = np.frombuffer(b"".join(batch.tobytes() for batch in batches), COMMAND)
        events = Book().process(commands)
        told = b"".join(watch.events[name])
        assert told == events.tobytes(), f"{name}: the reader was told something else"
        totals["commands"] += len(commands)
        totals["events"] += len(events)
    return totals
