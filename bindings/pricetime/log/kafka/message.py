"""What stands in a message of Kafka, and where that is, for whoever must be told of damage."""

from confluent_kafka import Message

from pricetime.log.batch import (
    Commands,
    Events,
    Part,
    unpack_commands,
    unpack_events,
    unpack_part,
)

__all__ = ["body", "commands_of", "events_of", "part_of"]


def body(message: Message) -> bytes:
    """The bytes of a message."""
    value = message.value()
    return value if isinstance(value, bytes) else b""


def _place(what: str, message: Message, where: str) -> str:
    return f"{what} at offset {message.offset()} of {where}"


def commands_of(message: Message, name: str, where: str) -> Commands:
    """The commands in a message, and its position, the offset behind it."""
    batch = unpack_commands(body(message), name, _place(f"commands of {name}", message, where))
    return batch._replace(position=(message.offset() or 0) + 1)


def events_of(message: Message, name: str, where: str) -> Events:
    """The events in a message."""
    return unpack_events(body(message), name, _place(f"events of {name}", message, where))


def part_of(message: Message, name: str, where: str) -> Part:
    """The part of a checkpoint in a message."""
    what = f"a part of a checkpoint of {name}"
    return unpack_part(body(message), name, _place(what, message, where))
