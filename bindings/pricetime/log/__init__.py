"""Where commands wait for their book and events for their readers: the protocol, and the logs."""

from pricetime.log.errors import (
    Diverged,
    Fenced,
    LogBusy,
    LogDamaged,
    LogError,
    LogFailed,
    LogTrimmed,
    LogVersion,
    OutcomeUnknown,
)
from pricetime.log.history import events
from pricetime.log.memory import MemoryLog
from pricetime.log.protocol import Log, Reader, Stream, Tail
from pricetime.log.sqlite import SqliteLog
from pricetime.log.sqlite_migrate import migrate
from pricetime.log.sqlite_read import SqliteReader

__all__ = [
    "Diverged",
    "Fenced",
    "Log",
    "LogBusy",
    "LogDamaged",
    "LogError",
    "LogFailed",
    "LogTrimmed",
    "LogVersion",
    "MemoryLog",
    "OutcomeUnknown",
    "Reader",
    "SqliteLog",
    "SqliteReader",
    "Stream",
    "Tail",
    "events",
    "migrate",
]
