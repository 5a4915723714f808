"""What can go wrong with a local broker."""

__all__ = ["BrokerError"]


class BrokerError(Exception):
    """A broker could not be installed, started or reached; the text says what to do."""
