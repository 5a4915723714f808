"""A process that runs pairs over a real Kafka: what is done, and what goes wrong in one of them."""

import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import numpy as np
import pricetime as pt
import pytest
from model.batches import orders
from model.logs import token_rows
from pricetime import Instrument
from pricetime.log.batch import NO_TOKENS, Events
from pricetime.log.errors import LogError
from pricetime.records import TIF, EventKind, Reason
from pricetime.runner import Distance, Runner
from pricetime.venue.definition import Definition

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from model.kafka_logs import until
from pricetime.log.kafka import KafkaLog, KafkaReader
from pricetime.supervisor import Supervisor, group, live, pair, supervisor
from pricetime.supervisor.metrics import serve

PATIENCE = 60  # seconds
until = partial(until, seconds=PATIENCE)
numbers = count()


def definition(name):
    return Definition(Instrument(name, tick_size="0.01", lot_size="0.01"), {}).dump()


class Site:
    """A log of its own, an edge that sends commands to it, and processes that run its pairs."""

    def __init__(self, broker, *names):
        self.url = f"kafka://{broker}/supervisor-{time.time_ns()}-{next(numbers)}"
        self.edge = KafkaLog(self.url)
        for name in names:
            self.edge.add(name, definition(name))
        self.running = []

    def run(self, delivery="sequenced", *, options="", **which):
        """A supervisor in a thread of its own."""
        made = Supervisor(KafkaLog(self.url + options, delivery), **which)
        thread = threading.Thread(target=made.run)
        thread.start()
        self.running.append((made, thread))
        return made

    def stop(self, made):
        made.stop.set()
        next(thread for some, thread in self.running if some is made).join(PATIENCE)
        self.running = [(some, thread) for some, thread in self.running if some is not made]

    def send(self, name, commands, tokens=NO_TOKENS):
        self.edge.stream(name).append(commands, tokens)
        self.edge.commit()

    def events(self, name, commands):
        """The events of a pair, once those of so many commands are there."""
        reader = KafkaReader(self.url)
        follower, found = reader.follow(name, 0), []
        try:
            until(lambda: found.extend(follower.poll(0.1)) or reached(found, commands), "an event")
        finally:
            follower.partition.close()
            reader.close()
        return np.concatenate([batch.records for batch in found])

    def close(self):
        for made, _ in list(self.running):
            self.stop(made)
        self.edge.close()


def reached(batches, commands):
    return bool(batches) and int(batches[-1].records["command"][-1]) >= commands


def state(made, name):
    return made.told()[2].get(name, "")


def is_live(made, *names):
    return lambda: all(state(made, name) == "live" for name in names)


def book_of(made, name):
    return next(task.live.runner.book for task in made.tasks.values() if task.name == name)


@pytest.fixture
def site(broker):
    """A log with two pairs."""
    opened = Site(broker, "BTC_EUR", "ETH_USD")
    yield opened
    opened.close()


def test_commands_of_each_pair_become_its_events(site):
    site.run()
    for first in (1, 11, 21):
        site.send("BTC_EUR", orders(10, first))
        site.send("ETH_USD", orders(5, first))
    for name, each, total in (("BTC_EUR", 10, 30), ("ETH_USD", 5, 15)):
        book = pt.Book()
        expected = [book.process(orders(each, first)) for first in (1, 11, 21)]
        assert site.events(name, total).tobytes() == np.concatenate(expected).tobytes()


def test_it_is_not_ready_before_it_has_begun(site):
    made = Supervisor(KafkaLog(site.url))
    assert made.told() == (True, False, {})
    made.close()


def test_only_the_named_pairs_are_run(site):
    made = site.run(pairs=["ETH_USD"])
    site.send("BTC_EUR", orders(1))
    site.send("ETH_USD", orders(1))
    site.events("ETH_USD", 1)
    assert set(made.told()[2]) == {"ETH_USD"}


def test_a_pair_that_is_added_later_is_run(site):
    site.run()
    site.edge.add("XAU_EUR", definition("XAU_EUR"))
    site.send("XAU_EUR", orders(3))
    assert len(site.events("XAU_EUR", 3)) == 3


@pytest.mark.parametrize("closing", [Distance(10), Distance(1000, positions=1)])
def test_the_next_process_goes_on_from_what_stands(site, monkeypatch, closing):
    monkeypatch.setattr(live, "CLOSING", closing)
    first = site.run()
    site.send("BTC_EUR", orders(10))
    site.events("BTC_EUR", 10)
    until(is_live(first, "BTC_EUR"))
    before = book_of(first, "BTC_EUR").state_hash()
    site.stop(first)
    second = site.run()
    until(is_live(second, "BTC_EUR"))
    (task,) = (task for task in second.tasks.values() if task.name == "BTC_EUR")
    assert task.live.runner.book.state_hash() == before
    assert task.live.runner.behind == 0, "it had a checkpoint to begin at"
    site.send("BTC_EUR", orders(10, 11))
    assert site.events("BTC_EUR", 20)["sequence"].tolist() == list(range(1, 21))


def test_small_messages_are_reason_for_a_checkpoint_as_many_commands_are(site, monkeypatch):
    distance = Distance(1000, positions=5, positions_per_order=0.5)
    monkeypatch.setattr(live, "CHECKPOINT", distance)
    site.run()
    stream, reader = site.edge.stream("BTC_EUR"), KafkaReader(site.url)
    for number in range(1, 10):
        stream.append(orders(1, number), NO_TOKENS)
    site.edge.commit()
    site.events("BTC_EUR", 9)
    assert reader.checkpoints("BTC_EUR") == []
    stream.append(orders(1, 10), NO_TOKENS)
    site.edge.commit()
    until(lambda: reader.checkpoints("BTC_EUR") == [10])  # 5 and, for 10 orders, 5 messages
    reader.close()


def test_a_token_makes_a_second_sending_harmless(site):
    site.run()
    for _ in range(3):
        site.send("BTC_EUR", orders(2), token_rows((7, 0, 2, 99)))
    site.send("BTC_EUR", orders(1, 3))
    events = site.events("BTC_EUR", 3)
    assert events["order_id"].tolist() == [1, 2, 3]


def test_bad_bytes_are_put_in_quarantine_and_the_pair_goes_on(site):
    made = site.run()
    place = site.edge.map.pair("BTC_EUR").partition
    site.edge.send("commands", place, b"no commands at all", lambda error, message: None)
    site.send("BTC_EUR", orders(1))
    assert len(site.events("BTC_EUR", 1)) == 1
    until(is_live(made, "BTC_EUR"))
    quarantine = KafkaReader(site.url)._partition("quarantine", 0)
    (message,) = until(lambda: list(quarantine.read(0)))
    assert message.value() == b"no commands at all"
    assert message.key() == b"BTC_EUR/0"
    assert b"no batch" in dict(message.headers())["reason"]
    quarantine.close()


def test_a_pair_that_cannot_be_made_leaves_the_others_alone(site, monkeypatch):
    monkeypatch.setattr(pair, "BACKOFF_SECONDS", (0.05, 0.1))
    site.edge.add("POISON", "this is no definition")
    made = site.run()
    site.send("BTC_EUR", orders(2))
    assert len(site.events("BTC_EUR", 2)) == 2
    until(lambda: made.metrics.failures.labels("POISON")._value.get() >= 3, "a new begin")
    assert state(made, "POISON").startswith(("failed", "recovering"))
    until(is_live(made, "BTC_EUR"))
    healthy, ready, _ = made.told()
    assert healthy and not ready


def test_a_pair_that_fails_begins_again_and_publishes_nothing_twice_or_otherwise(site, monkeypatch):
    monkeypatch.setattr(pair, "BACKOFF_SECONDS", (0.05, 0.1))
    made = site.run()
    site.send("BTC_EUR", orders(3))
    site.events("BTC_EUR", 3)
    work, broken = live.LivePair.work, []

    def fails_once(self, *arguments):
        if self.name == "BTC_EUR" and not broken:
            broken.append(self)
            raise MemoryError("there is none left")
        return work(self, *arguments)

    monkeypatch.setattr(live.LivePair, "work", fails_once)
    site.send("BTC_EUR", orders(3, 4))
    site.send("ETH_USD", orders(1))
    assert site.events("BTC_EUR", 6).tobytes() == pt.Book().process(orders(6)).tobytes()
    assert broken
    until(is_live(made, "BTC_EUR", "ETH_USD"))


def test_a_book_that_makes_other_events_than_stand_is_halted(site):
    site.send("BTC_EUR", orders(2))
    other = pt.Book().process(orders(2, price=77))
    stream = site.edge.stream("BTC_EUR")
    stream.publish(Events(other, 1, ""))
    site.edge.commit()
    made = site.run()
    until(lambda: state(made, "BTC_EUR").startswith("halted"), "the halt")
    assert "stands published" in state(made, "BTC_EUR")
    site.send("BTC_EUR", orders(2, 3))
    site.send("ETH_USD", orders(2))
    assert len(site.events("ETH_USD", 2)) == 2
    assert len(site.events("BTC_EUR", 2)) == 2, "nothing more of it was published"


def test_what_is_due_by_the_clock_happens_though_nobody_sends(site):
    site.run()
    soon = (time.time_ns() // 10**9 + 1) + 1
    site.send("BTC_EUR", orders(1, tif=TIF.GTD, expires=soon, timestamp=time.time_ns()))
    events = site.events("BTC_EUR", 2)
    assert events["kind"].tolist()[:2] == [EventKind.ACCEPTED, EventKind.CANCELLED]
    assert events["reason"][1] == Reason.EXPIRED


@pytest.mark.parametrize("delivery", ["sequenced", "transactional"])
def test_processes_of_a_group_share_the_pairs_and_take_over(broker, delivery):
    names = [f"P{number}" for number in range(6)]
    site = Site(broker, *names)
    try:
        first = site.run(delivery, group="g")
        until(is_live(first, *names))
        second = site.run(delivery, group="g")
        until(lambda: len(second.told()[2]) >= 2 and len(first.told()[2]) <= 4, "the sharing")
        for name in names:
            site.send(name, orders(4))
        for name in names:
            site.events(name, 4)
        site.stop(first)
        until(is_live(second, *names))
        for name in names:
            site.send(name, orders(4, 5))
            assert site.events(name, 8).tobytes() == pt.Book().process(orders(8)).tobytes()
    finally:
        site.close()


def test_a_pair_that_moves_goes_on_until_its_heir_has_begun(site, monkeypatch):
    monkeypatch.setattr(live, "IDLE_SECONDS", PATIENCE)
    monkeypatch.setattr(group, "LINGER_SECONDS", PATIENCE)
    first = site.run(group="g")
    until(is_live(first, "BTC_EUR", "ETH_USD"))
    gate = threading.Event()

    class Held(ThreadPoolExecutor):
        """Whose recoveries wait at the gate."""

        def submit(self, call, *given):
            def wait():
                assert call is not live.LivePair or gate.wait(PATIENCE)
                return call(*given)

            return super().submit(wait)

    monkeypatch.setattr(supervisor, "ThreadPoolExecutor", Held)
    second = site.run(group="g")
    until(lambda: second.told()[2], "a pair that moves")
    name = next(iter(second.told()[2]))
    site.send(name, orders(5))
    site.events(name, 5)
    assert (state(first, name), state(second, name)) == ("live", "recovering")
    gate.set()
    until(is_live(second, name))
    ids = count(6)

    def has_ended():  # both publish until then
        site.send(name, orders(1, next(ids)))
        return not state(first, name)

    until(has_ended, "its end in the first process")
    site.send(name, orders(1, next(ids)))
    sent = next(ids) - 1
    assert site.events(name, sent).tobytes() == pt.Book().process(orders(sent)).tobytes()
    monkeypatch.undo()  # so that it ends soon


def test_who_is_alone_in_a_group_waits_for_nobody(site, monkeypatch):
    monkeypatch.setattr(live, "IDLE_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(group, "LINGER_SECONDS", 10 * PATIENCE)
    made = site.run(group="g")
    until(is_live(made, "BTC_EUR", "ETH_USD"))
    site.send("BTC_EUR", orders(5))
    site.stop(made)
    assert not made.tasks


def test_a_pair_that_has_no_memory_for_a_checkpoint_leaves_without_one(site, monkeypatch, caplog):
    def full(_):
        raise MemoryError("full")

    monkeypatch.setattr(live, "CLOSING", Distance(1))
    made = site.run()
    until(is_live(made, "BTC_EUR", "ETH_USD"))
    site.send("BTC_EUR", orders(5))
    site.events("BTC_EUR", 5)
    monkeypatch.setattr(Runner, "take_checkpoint", full)
    site.stop(made)
    assert "BTC_EUR: no checkpoint could be taken: MemoryError('full')" in caplog.text
    assert not made.tasks


def test_who_is_thrown_out_of_a_group_ends(site, monkeypatch):
    def thrown_out(_):
        raise LogError("thrown out")

    made = Supervisor(KafkaLog(site.url), group="g")
    monkeypatch.setattr(group.Group, "poll", thrown_out)
    with pytest.raises(LogError, match="thrown out"):
        made.run()
    assert not made.tasks


def test_full_output_stops_reading_and_goes_on_by_itself(site, monkeypatch):
    monkeypatch.setattr(supervisor, "OUTPUT_BYTES", 1)
    monkeypatch.setattr(supervisor, "OUTPUT_BYTES_MIN", 1)
    # What is sent arrives late: so the output is full for a while.
    made = site.run(options="?linger.ms=1000")
    until(is_live(made, "BTC_EUR"))
    for first in range(1, 4001, 1000):
        site.send("BTC_EUR", orders(1000, first))
    seen = set()
    until(lambda: seen.add(state(made, "BTC_EUR")) or "blocked" in seen, "a full output")
    events = site.events("BTC_EUR", 4000)
    assert events.tobytes() == pt.Book().process(orders(4000)).tobytes()
    until(is_live(made, "BTC_EUR"))


def test_a_pair_that_gets_on_slowly_is_not_paused(site, monkeypatch):
    monkeypatch.setattr(supervisor, "OUTPUT_BYTES", 1)
    monkeypatch.setattr(supervisor, "OUTPUT_BYTES_MIN", 1)
    monkeypatch.setattr(supervisor, "PATIENCE_SECONDS", 2)
    # One message after another, each a while: longer in all than is waited for one.
    made = site.run(options="?linger.ms=100")
    until(is_live(made, "BTC_EUR"))
    paused, held = [], []
    stream = next(task.live.stream for task in made.tasks.values() if task.name == "BTC_EUR")
    monkeypatch.setattr(made._intake, "pause", paused.append)
    edge = site.edge.stream("BTC_EUR")
    for batch in np.split(orders(30 * 4096), 30):
        edge.append(batch, NO_TOKENS)
    began = time.monotonic()
    site.edge.commit()
    count = made.metrics.commands.labels("BTC_EUR")._value
    until(lambda: held.append(stream.waiting_bytes) or count.get() == 30 * 4096, "the last command")
    assert time.monotonic() - began > 2 and not paused
    assert 0 < max(held) < supervisor.INBOX_BYTES_MAX


def test_a_pair_may_have_most_of_the_output_that_the_others_leave(site):
    made = site.run()
    until(is_live(made, "BTC_EUR", "ETH_USD"))
    one, other = (task.live for task in made.tasks.values())
    all_bytes = supervisor.OUTPUT_BYTES
    assert made._output_bytes(one) == all_bytes * 4 // 5
    one.stream._on_their_way(all_bytes // 2)
    assert made._output_bytes(one) == all_bytes * 4 // 5
    assert made._output_bytes(other) == all_bytes // 2 * 4 // 5
    one.stream._on_their_way(all_bytes)
    assert made._output_bytes(other) == supervisor.OUTPUT_BYTES_MIN
    one.stream._on_their_way(-all_bytes // 2 - all_bytes)


def test_readers_of_committed_messages_see_each_event_once(site):
    made = site.run("transactional")
    site.send("BTC_EUR", orders(50))
    site.events("BTC_EUR", 50)
    heir = site.run("transactional")  # of the same pairs: the one before is fenced
    until(is_live(heir, "BTC_EUR", "ETH_USD"))
    site.send("BTC_EUR", orders(50, 51))
    until(lambda: state(made, "BTC_EUR").startswith("halted"), "the fencing")
    assert "taken over" in state(made, "BTC_EUR")
    site.events("BTC_EUR", 100)
    plain = KafkaLog(site.url, "transactional").partition("events", site.edge.map.pair("BTC_EUR"))

    def sequences():
        batches = [m.value() for m in plain.read(0)]
        return [s for data in batches for s in np.frombuffer(data[64:], pt.EVENT)["sequence"]]

    until(lambda: len(sequences()) >= 100, "all of it")
    assert sequences() == list(range(1, 101))
    plain.close()


def test_it_tells_how_it_is_over_http(site):
    made = site.run()
    until(is_live(made, "BTC_EUR", "ETH_USD"))
    server = serve("127.0.0.1", 0, made.metrics, made.told)
    base = f"http://127.0.0.1:{server.server_address[1]}"

    def get(path):
        with urllib.request.urlopen(f"{base}{path}", timeout=5) as answer:
            return answer.read().decode()

    site.send("BTC_EUR", orders(7))
    site.events("BTC_EUR", 7)
    assert json.loads(get("/ready"))["pairs"] == {"BTC_EUR": "live", "ETH_USD": "live"}
    assert json.loads(get("/health"))["healthy"]
    until(lambda: 'pricetime_commands_total{pair="BTC_EUR"} 7.0' in get("/metrics"))
    until(lambda: 'pricetime_orders{pair="BTC_EUR"} 7.0' in get("/metrics"))
    for gauge in ("lag", "quarantined"):
        assert f'pricetime_{gauge}_messages{{pair="ETH_USD"}} 0.0' in get("/metrics")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/other")
    server.shutdown()
    server.server_close()
