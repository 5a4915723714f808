"""Addresses of logs on Kafka: what is right, what is wrong, and what is never shown."""

import socket
import time

import pytest
from pricetime import LogError
from pricetime.log import LogFailed

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from pricetime.log.kafka import KafkaAddress, KafkaLog


def test_an_address_names_brokers_a_prefix_and_options(tmp_path):
    assert str(KafkaAddress.parse("kafka://a:1")) == "kafka://a:1/pricetime"
    file = tmp_path / "options"
    file.write_text("# mine\n\nsasl.password = a=b # c \nlinger.ms=5\n")
    address = KafkaAddress.parse(f"kafka://a:1,[::1]:2/x.y?linger.ms=1&config={file}&client.id=me")
    assert (address.bootstrap, address.prefix) == ("a:1,[::1]:2", "x.y")
    assert address.options == {"linger.ms": "5", "sasl.password": "a=b # c", "client.id": "me"}
    assert address.topic("events") == "x.y.events"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no address of Kafka; write kafka://HOST:PORT/PREFIX"),
        ("a:1/x", "'a:1/x' is no address of Kafka"),
        ("http://a:1/x", "is no address of Kafka"),
        ("kafka:///x", "names no broker"),
        ("kafka://[a:1/x", "is no address of Kafka"),
        ("kafka://a:1/x/y", "topics cannot begin with 'x/y'"),
        ("kafka://a:1/%20", "topics cannot begin with ' '"),
        ("kafka://a:1/" + "x" * 201, "take 1 to 200 letters"),
        ("kafka://me:word@a:1/x", r"no user and password.*\?config=FILE"),
        ("kafka://a:1/x?linger.ms", "option=value"),
        ("kafka://a:1/x?acks=1", "kafka://a:1/x: acks is no option here"),
        ("kafka://a:1/x?isolation.level=read_uncommitted", "isolation.level is no option"),
        ("kafka://a:1/x?config=", "config=. cannot be read"),
        ("kafka://a:1/x?config=/no/such/file", "config=/no/such/file cannot be read"),
    ],
)
def test_a_wrong_address_says_what_is_right(text, words):
    with pytest.raises(LogError, match=words):
        KafkaAddress.parse(text)


def test_a_wrong_file_of_options_says_which_line(tmp_path):
    file = tmp_path / "options"
    file.write_text("a=b\nsecret\n")
    with pytest.raises(LogError, match="line 2: it is not KEY=VALUE") as caught:
        KafkaAddress.parse(f"kafka://a:1/x?config={file}")
    assert "secret" not in str(caught.value)
    file.write_bytes(b"\xff=secret")
    with pytest.raises(LogError, match="cannot be read") as caught:
        KafkaAddress.parse(f"kafka://a:1/x?config={file}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "kafka://a:1/x/y?sasl.password=secret",
        "kafka://[a:1/x?sasl.password=secret",
        "kafka://a:1/x?secret",
        "kafka://me:secret@a:1/x",
        "kafka://me:sec/secret@a:1/x",
        "kafke://me:secret@a:1/x",
        "Kafka://a:1/x?sasl.password=secret",
    ],
)
def test_an_error_shows_no_secret(text):
    with pytest.raises(LogError) as caught:
        KafkaAddress.parse(text)
    assert "secret" not in str(caught.value)


def test_an_address_shows_no_secret():
    address = KafkaAddress.parse("kafka://a:1/x?sasl.password=secret&no.such=secret")
    assert "secret" not in str(address) + repr(address)
    with pytest.raises(LogError, match=r"kafka://a:1/x: an option is wrong: .*no.such") as e:
        KafkaLog(address)
    assert "secret" not in str(e.value)


def test_no_broker_is_told_in_time():
    began = time.monotonic()
    with socket.socket() as taken:  # bound and not listening: who connects is refused
        taken.bind(("127.0.0.1", 0))
        address = KafkaAddress(f"127.0.0.1:{taken.getsockname()[1]}")
        words = r"did not answer within 10 s: .*refused.*; is .*`pricetime broker` starts one"
        with pytest.raises(LogFailed, match=words):
            KafkaLog(address)
    assert time.monotonic() - began < 12
