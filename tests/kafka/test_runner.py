"""Runners over a real broker: how a book starts again, and how the log ends."""

import numpy as np
import pytest
from model.batches import orders
from model.logs import NAME, Teller, joined, keep, spans, start, token_rows
from model.tapes import tape
from pricetime import Book, Diverged
from pricetime.log import Fenced, OutcomeUnknown
from pricetime.log.batch import NO_TOKENS, Events, Part, pack_events, pack_part

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from confluent_kafka import KafkaError, KafkaException, Producer
from model.kafka_logs import (
    HISTORY,
    PATIENCE,
    commands,
    drive,
    events,
    sequences,
    trimmed,
)


@pytest.fixture
def transactions(broker, place):
    """A producer of somebody else that works in transactions."""
    settings = {"transactional.id": place.address.prefix, "retry.backoff.ms": 2}
    made = Producer({"bootstrap.servers": broker, **settings})
    made.init_transactions(PATIENCE)
    return made


# -- runners --------------------------------------------------------------------------------------


def check(place, log, reader, *batches):
    """That the events of these commands stand published, and a new runner has their book."""
    book = Book()
    made = b"".join(book.process(batch).tobytes() for batch in batches)
    assert joined(reader.events(NAME, 0)) == made
    before = len(place.contents("events"))
    runner = start(log)
    log.commit()
    assert (runner.book.state_hash(), len(place.contents("events"))) == (book.state_hash(), before)
    return runner


def test_a_runner_starts_from_nothing_and_publishes_once(place, log, reader):
    parts = np.split(tape(1, "mixed", 300), 6)
    stream = log.stream(NAME)
    for part in parts[:3]:
        stream.append(part, NO_TOKENS)
    log.commit()
    runner = start(log)
    log.commit()
    for part in parts[3:]:
        drive(runner, log, part)
    assert check(place, log, reader, *parts).position == 6


def test_a_checkpoint_saves_what_came_before_it(place, log, reader):
    runner = start(log)
    drive(runner, log, orders(2), token_rows((7, 0, 2, 99)))
    drive(runner, log, orders(19_998, 3))
    keep(runner, log)
    drive(runner, log, orders(5, 20_001))
    trimmed(runner.stream, reader, runner.position - 1, 20_000)
    again = start(place.open())
    assert (again.position, again.behind) == (runner.position, 5)
    assert again.book.state_hash() == runner.book.state_hash()
    (done,) = drive(again, again.stream.log, orders(2), token_rows((7, 0, 2, 99)))
    assert list(done.repeated) == [0]
    assert sequences(reader.events(NAME, 20_000)) == list(range(20_001, 20_006))


@pytest.mark.parametrize("size", [1, 3])
def test_the_rest_of_a_partly_published_batch_is_published(place, log, reader, size):
    stream = log.stream(NAME)
    stream.append(orders(4), NO_TOKENS)
    stream.publish(Events(HISTORY[:size], 0, ""))
    log.commit()
    start(log)
    log.commit()
    assert spans(reader.events(NAME, 0)) == [(1, size), (size + 1, 4)]
    assert reader.tail(NAME) == (4, 1)
    check(place, log, reader, orders(4))


def test_events_that_differ_stop_the_runner(log, place):
    runner = start(log)
    drive(runner, log, orders(4))
    keep(runner, log)
    log.stream(NAME).append(orders(2, 5), NO_TOKENS)
    changed = HISTORY[4:5].copy()
    changed["quantity"] = 9
    place.put("events", pack_events(NAME, Events(changed, 2, "")))
    with pytest.raises(Diverged, match=f"{NAME}: event 5 of command 5 is .* but .* stands publ"):
        start(log)
    log.commit()
    assert len(place.contents("events")) == 2


def test_events_without_commands_stop_the_runner(log, place):
    place.put("events", events(1, 2))
    place.put("commands", commands(orders(1)))
    with pytest.raises(Diverged, match="stand up to 2, but the commands make them up to 1 only"):
        start(log)


def test_of_two_runners_at_once_readers_see_each_event_once(place, log, reader):
    batches = np.split(tape(3, "mixed", 400), 20)
    other_log = place.open()
    one, two = start(log), start(other_log)
    follower = reader.follow(NAME, 0)
    seen = []
    for number, batch in enumerate(batches):
        drive(one, log, batch)
        if number % 3 == 2:  # the other one is late, and joins what has come
            list(two.step())
            other_log.commit()
        seen += follower.poll(0.001)
    keep(two, other_log)
    keep(one, log)
    seen += follower.to_the_end()
    follower.partition.close()
    assert joined(seen) == joined(reader.events(NAME, 0))
    assert len(place.contents("events")) > len(batches)
    check(place, log, reader, *batches)


# -- transactions ---------------------------------------------------------------------------------


def test_marks_of_transactions_do_not_disturb(log, place, reader, transactions):
    def transact(topic, data, *, commit):
        transactions.begin_transaction()
        place.put(topic, data, by=transactions)
        (transactions.commit_transaction if commit else transactions.abort_transaction)(PATIENCE)

    runner = start(log)
    for first in (1, 3, 5):
        drive(runner, log, orders(2, first))
        for commit in (True, False):
            transact("events", events(1, 2), commit=commit)
            transact("checkpoints", pack_part(NAME, Part(b"", 1, 2, first)), commit=commit)
        transact("commands", commands(orders(1, 100 + first)), commit=False)
        transact("pairs", log.map.claim(NAME, "again"), commit=True)
    list(runner.step())
    keep(runner, log)
    log.add("other", "")
    check(place, log, reader, orders(6))
    for after in range(7):
        assert sequences(log.stream(NAME).published(after)) == list(range(after + 1, 7))
    assert log.stream(NAME).tail() == reader.tail(NAME) == (6, runner.position)
    assert joined(reader.commands(NAME, 0)) == orders(6).tobytes()


def test_what_is_not_committed_is_not_seen_by_the_next_one(place, log, reader):
    first = place.open("transactional")
    runner = start(first)
    drive(runner, first, orders(2))
    runner.stream.append(orders(3, 3), NO_TOKENS)
    first.output.commit()
    list(runner.step())  # in a transaction that stays open
    second = place.open("transactional")
    heir = second.stream(NAME)
    assert heir.tail() == (2, 1)
    with pytest.raises(Fenced, match="another runner has taken over"):
        first.commit()
    again = start(second)
    second.commit()
    assert again.book.commands == 5
    assert [sequences(second.stream(NAME).published(after)) for after in (0, 3)] == [
        [1, 2, 3, 4, 5],
        [4, 5],
    ]
    check(place, log, reader, orders(5))


def test_a_commit_that_is_not_answered_has_an_unknown_outcome(place, log, monkeypatch):
    class Unanswered(Producer):
        def commit_transaction(self, *_):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer", retriable=True))

    monkeypatch.setattr("pricetime.log.kafka.client.Producer", Unanswered)
    made = place.open("transactional")
    runner = start(made)
    runner.stream.append(orders(2), NO_TOKENS)
    made.output.commit()
    list(runner.step())
    with pytest.raises(OutcomeUnknown, match="not committed within 30 s: no answer"):
        made.commit()


# -- the end of it --------------------------------------------------------------------------------


def test_the_log_goes_on_behind_a_rollback(place, log, reader):
    runner = start(log)
    drive(runner, log, orders(2))
    runner.stream.append(orders(3, 3), NO_TOKENS)
    log.rollback()  # some of it may have arrived
    drive(start(log), log, orders(4, 10))
    found = [batch.records for batch in reader.commands(NAME, 0)]
    assert [len(batch) for batch in found] in ([2, 4], [2, 3, 4], [2, 4, 3])
    list(log.stream(NAME).read(0))
    check(place, log, reader, *found)


def test_streams_that_are_void_keep_no_connections(log):
    log.stream(NAME)
    log.stream(NAME)
    lent = len(log.clients._lent)
    for _ in range(3):
        log.stream(NAME).go_live()
        log.rollback()
        log.stream(NAME)
    assert len(log.clients._lent) == lent
    assert not log.clients._idle


def test_all_may_be_closed_twice(log, reader):
    told = Teller(log)
    for first in (1, 2, 3):
        told.tell(orders(1, first))
    list(reader.events(NAME, 0))
    reader.follow(NAME, 2).poll(0.1)
    open_still = reader.events(NAME, 0)
    next(open_still)
    for each in (reader, log):
        each.close()
        each.close()
    open_still.close()
    told.stream.close()
