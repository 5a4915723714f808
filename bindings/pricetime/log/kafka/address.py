"""Where a log on Kafka is: `kafka://HOST:PORT[,HOST:PORT…]/PREFIX?option=value…`.

Options are librdkafka's, such as `security.protocol` and `sasl.username`. What is secret belongs
into a file of KEY=VALUE lines, named by `config=FILE`: a command line is seen by others.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from pricetime.log.errors import LogError

__all__ = ["SCHEME", "KafkaAddress"]

SCHEME = "kafka://"
PREFIX = "pricetime"
HOSTS_PATTERN = re.compile(r"([^\[\]]|\[[^\[\],]*\])*")  # brackets, of IPv6, in pairs
PREFIX_PATTERN = re.compile(r"[a-zA-Z0-9._-]{1,200}")
FIXED = {
    *("acks", "delivery.timeout.ms", "enable.idempotence", "transactional.id"),
    *("auto.offset.reset", "enable.auto.commit", "enable.partition.eof", "group.id"),
    "isolation.level",
}
"""Options of librdkafka's on whose values what a log promises rests."""
TOPICS = ("pairs", "commands", "events", "checkpoints", "quarantine")


@dataclass(frozen=True)
class KafkaAddress:
    """The brokers, what the topics' names begin with, and options for librdkafka."""

    bootstrap: str
    prefix: str = PREFIX
    options: dict[str, str] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        if not self.bootstrap:
            raise LogError(f"{self}: it names no broker; write {SCHEME}HOST:PORT/PREFIX")
        if not PREFIX_PATTERN.fullmatch(self.prefix):
            raise LogError(
                f"{self}: topics cannot begin with {self.prefix!r}; take 1 to 200 letters of "
                "a-z A-Z 0-9 . _ -"
            )
        if fixed := sorted(FIXED & self.options.keys()):
            raise LogError(f"{self}: {fixed[0]} is no option here: what is promised rests on it")

    def __str__(self) -> str:
        return f"{SCHEME}{self.bootstrap}/{self.prefix}"  # without options: some are secret

    @classmethod
    def parse(cls, text: str) -> "KafkaAddress":
        """The address in a text; raises LogError."""
        place = text.partition("?")[0]  # without options: some are secret
        if "@" in place:
            raise LogError(
                "an address has no user and password before its hosts: put sasl.username and "
                "sasl.password into a file, and add ?config=FILE"
            )
        if not text.startswith(SCHEME):
            raise LogError(f"{place!r} is no address of Kafka; write {SCHEME}HOST:PORT/PREFIX")
        # By hand: of several hosts with brackets some releases of urlsplit make an error.
        hosts, _, prefix = place.removeprefix(SCHEME).partition("/")
        query = text.partition("?")[2]
        try:
            given = parse_qsl(query, True, strict_parsing=True) if query else []
            if not HOSTS_PATTERN.fullmatch(hosts):
                raise ValueError
        except ValueError:  # whose text may hold what is secret
            raise LogError(
                f"{place!r} is no address of Kafka, or its options are none: write "
                f"{SCHEME}HOST:PORT/PREFIX?option=value&option=value"
            ) from None
        options: dict[str, str] = {}
        for key, value in given:
            options |= _read(Path(value)) if key == "config" else {key: value}
        return cls(hosts, unquote(prefix.strip("/")) or PREFIX, options)

    def topic(self, name: str) -> str:
        """The name of a topic."""
        return f"{self.prefix}.{name}"


def _read(path: Path) -> dict[str, str]:
    """Options of a file, a line each; # begins a comment."""
    options = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"config={path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise LogError(f"config={path}, line {number}: it is not KEY=VALUE")
        options[key.strip()] = value.strip()
    return options
