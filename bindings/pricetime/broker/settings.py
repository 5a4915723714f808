"""How brokers are set up: small and quick, for one machine; what is on three stays when one goes.

Not the defaults of Kafka, on purpose: a failed broker is noticed in 3 s, consumer groups begin at
once, sessions may be short, no topic is made by a typing error, and nothing is dropped by age.
"""

import json
import re
from collections.abc import Mapping, Sequence

__all__ = ["HOST", "LOGGING", "LOGGING_FILE", "checked", "properties"]

HOST = "127.0.0.1"

LOGGING_FILE = "log4j2.xml"
"""Its name, in the folder that the brokers' folders are in."""

LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{HH:mm:ss,SSS} %p %m (%c{1})%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="kafka" level="INFO"/>
    <Logger name="org.apache.kafka" level="INFO"/>
  </Loggers>
</Configuration>
"""


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, if a user may make them; raises ValueError."""
    ours = _place(1, [(0, 0)])
    for key in settings:
        if not re.fullmatch(r"[\w.-]+", key):
            raise ValueError(f"{key!r} is no name of a setting; allowed: a-z A-Z 0-9 . _ -")
        if key in ours:
            raise ValueError(f"{key} cannot be set: it follows from the cluster's size and ports")
    return dict(settings)


def properties(node: int, ports: Sequence[tuple[int, int]], settings: Mapping[str, str]) -> str:
    """The text of a broker's `server.properties`; the paths in it are relative to its folder.

    `ports` has each broker's port for clients and that of its controller.
    """
    all_of_them = {**_behaviour(len(ports)), **settings, **_place(node, ports)}
    # JSON's escapes of a text are among those of a Java properties file, and leave ASCII alone.
    return "".join(f"{key}={json.dumps(str(value))[1:-1]}\n" for key, value in all_of_them.items())


def _place(node: int, ports: Sequence[tuple[int, int]]) -> dict[str, object]:
    """Which broker it is, and where: each is a controller too."""
    client, controller = ports[node - 1]
    voters = (f"{number}@{HOST}:{own}" for number, (_, own) in enumerate(ports, 1))
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(voters),
        "listeners": f"PLAINTEXT://{HOST}:{client},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{client}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": "data",
    }


def _behaviour(brokers: int) -> dict[str, object]:
    """What holds for each broker of a cluster, unless the user says otherwise."""
    kept = 2 if brokers >= 3 else 1  # copies of what is acknowledged with acks=all
    return {
        "default.replication.factor": brokers,
        "min.insync.replicas": kept,
        "offsets.topic.replication.factor": brokers,
        "transaction.state.log.replication.factor": brokers,
        "transaction.state.log.min.isr": kept,
        "share.coordinator.state.topic.replication.factor": brokers,
        "share.coordinator.state.topic.min.isr": kept,
        # Few partitions: the first transaction and the first commit wait until they are made.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "num.partitions": 1,
        "auto.create.topics.enable": "false",
        "log.retention.ms": -1,
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "group.consumer.min.session.timeout.ms": 1000,
        "group.consumer.min.heartbeat.interval.ms": 200,
        "num.network.threads": 1,
        "num.io.threads": 2,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 1 << 24,
    }
