"""What can be wrong with a log: one class for each thing that a caller would do about it."""

__all__ = [
    "Diverged",
    "Fenced",
    "LogBusy",
    "LogDamaged",
    "LogError",
    "LogFailed",
    "LogTrimmed",
    "LogVersion",
    "OutcomeUnknown",
]


class LogError(Exception):
    """Anything that a log refuses or has found; the text says what, where and what to do."""


class LogDamaged(LogError):
    """Bytes that were read back are not those that were written; nothing of them is served."""


class LogVersion(LogError):
    """The file is of another format or of a newer release."""


class LogTrimmed(LogError):
    """What was asked for is no longer in the log: it was trimmed, into an archive perhaps."""


class LogBusy(LogError):
    """Another process holds the file, or another venue of this one."""


class Fenced(LogError):
    """A later holder has taken the log over: this one may not write any more."""


class Diverged(LogError):
    """The book makes other events of the stored commands than stand in the log."""


class LogFailed(LogError):
    """A write was refused, by a full disk say; nothing of the commands has happened."""


class OutcomeUnknown(LogError):
    """A write failed such that the commands may or may not have happened.

    Send them again with the same token: what has happened does not happen twice.
    """
