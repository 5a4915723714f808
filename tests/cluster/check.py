"""What must hold at the end, whatever was done to runners and brokers in the meantime."""

from pricetime import Book
from pricetime._crc import crc32c
from pricetime.log.batch import records_bytes, unpack_commands
from pricetime.log.kafka import KafkaLog

from .load import Load
from .watch import Watch

__all__ = ["check"]


def check(log: KafkaLog, load: Load, watch: Watch) -> dict[str, int]:
    """Every acknowledged command once and in order in the log, and its events with the reader, byte
    for byte those of a book that was never interrupted. Counts commands and events."""
    totals = {"commands": 0, "events": 0}
    for name in load.names:
        ours = load.acknowledged[name]
        known = [a.offset for a in ours if a.offset is not None]
        assert known == sorted(set(known)), f"{name}: out of order"
        expected = iter(ours)
        book, crc = Book(), 0
        partition = log.partition("commands", log.map.pair(name))
        for message in partition.read(0):
            acknowledged = next(expected, None)
            # Nobody else sends but a runner whose clock is due, which here has nothing due.
            assert acknowledged is not None, f"{name}: sent twice, from {message.offset()} on"
            same_place = acknowledged.offset in (None, message.offset())
            assert same_place, f"{name}: {acknowledged} is gone"
            assert acknowledged.crc == crc32c(message.value()), f"{name}: {acknowledged} differs"
            events = book.process(unpack_commands(message.value(), name, "").records)
            crc = crc32c(records_bytes(events), crc)
        partition.close()
        assert next(expected, None) is None, f"{name}: what was acknowledged last is gone"
        assert watch.last[name] == book.sequence, f"{name}: events are missing or too many"
        assert watch.crc[name] == crc, f"{name}: the reader was told something else"
        totals["commands"] += book.commands
        totals["events"] += book.sequence
    return totals
