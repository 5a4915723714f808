"""Brokers that ask who one is: a wrong password, a user without rights, the wrong way in."""

import socket
import time

import pytest
from model.batches import orders
from model.logs import NAME, joined, start

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from model.kafka_logs import drive
from pricetime.broker import Cluster, settings
from pricetime.log import LogError, LogFailed
from pricetime.log.kafka import KafkaLog

USERS = {"good": "right", "poor": "right"}
SECURE = {
    "inter.broker.listener.name": "PLAINTEXT",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:good",
    "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        + " ".join(f'user_{user}="{word}"' for user, word in USERS.items())
        + ";"
    ),
}
SECONDS = 15  # in which an error is told


@pytest.fixture(scope="module")
def secure(kafka, tmp_path_factory):
    """A broker with a second door, where users have passwords; the addresses of both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = settings._place

    def with_door(node, ports):
        made = place(node, ports)
        for name in ("listeners", "advertised.listeners"):
            made[name] = f"{made[name]},SASL://127.0.0.1:{port}"
        made["listener.security.protocol.map"] += ",SASL:SASL_PLAINTEXT"
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "_place", with_door)
        with Cluster(tmp_path_factory.mktemp("secure"), port=0, settings=SECURE) as cluster:
            yield f"127.0.0.1:{port}", cluster.bootstrap


def options(tmp_path, user, word):
    """Of a user, in a file, as they should be."""
    file = tmp_path / "options"
    lines = ("security.protocol=sasl_plaintext", "sasl.mechanism=PLAIN", f"sasl.username={user}")
    file.write_text("\n".join([*lines, f"sasl.password={word}", ""]))
    return f"config={file}"


def refused(url, caplog, *words, kind=LogFailed):
    """Is told so, once, soon, without what is secret."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        KafkaLog(url).add(NAME, "one")
    assert time.monotonic() - began < SECONDS
    text = str(caught.value)
    for word in words:
        assert word in text
    assert "secret" not in text + caplog.text
    assert len(caplog.records) < 10


def test_who_has_the_password_is_served(secure, tmp_path):
    log = KafkaLog(f"kafka://{secure[0]}/mine?{options(tmp_path, 'good', 'right')}")
    log.add(NAME, "one")
    drive(start(log), log, orders(3))
    reader = log.reader()
    assert joined(reader.commands(NAME, 0)) == orders(3).tobytes()
    reader.close()
    log.close()


def test_a_wrong_password_is_told_with_what_to_check(secure, tmp_path, caplog):
    url = f"kafka://{secure[0]}/mine?{options(tmp_path, 'good', 'secret')}"
    refused(url, caplog, "uthentication", "check security.protocol, sasl.* and ssl.*")


def test_a_user_without_rights_is_told_which(secure, tmp_path, caplog):
    url = f"kafka://{secure[0]}/theirs?{options(tmp_path, 'poor', 'right')}"
    refused(url, caplog, "theirs.pairs", "uthoriz", kind=LogError)


def test_who_may_not_make_more_partitions_is_told_that_there_are_too_few(secure, tmp_path, caplog):
    rights = [(ResourceType.TOPIC, right) for right in ("READ", "WRITE", "CREATE", "DESCRIBE")]
    acls = [
        AclBinding(
            *(kind, "few", ResourcePatternType.PREFIXED, "User:poor", "*"),
            *(AclOperation[right], AclPermissionType.ALLOW),
        )
        for kind, right in [*rights, (ResourceType.GROUP, "READ")]
    ]
    admin = AdminClient({"bootstrap.servers": secure[1]})
    for made in admin.create_acls(acls).values():
        made.result(SECONDS)
    url = f"kafka://{secure[0]}/few?{options(tmp_path, 'poor', 'right')}"
    log = KafkaLog(url, partitions=1)
    log.add("first", "one")
    log.close()
    refused(url, caplog, "topic few.", "too few partitions", "needs rights on this topic")


@pytest.mark.parametrize("door", [0, 1])
def test_encryption_that_the_broker_does_not_speak_is_told(secure, door, caplog):
    refused(f"kafka://{secure[door]}/mine?security.protocol=ssl", caplog, "security.protocol")


def test_no_password_where_one_is_wanted_is_told(secure, caplog):
    refused(f"kafka://{secure[0]}/mine", caplog, "did not answer within 10 s")
