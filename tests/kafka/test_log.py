"""The log on a real broker: pairs, commands, checkpoints, and what others put between."""

import json
import re
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest
from model.batches import orders
from model.logs import NAME, Teller, joined, start, token_rows
from pricetime import Book, LogDamaged, LogError, LogVersion, Venue
from pricetime.log import LogFailed, LogTrimmed, Tail
from pricetime.log.batch import (
    NO_TOKENS,
    Commands,
    Events,
    Part,
    pack_commands,
    pack_part,
)

pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewPartitions
from model.kafka_logs import (
    HISTORY,
    PATIENCE,
    commands,
    drive,
    events,
    flipped,
    newer,
    sequences,
    trimmed,
    until,
)
from pricetime.log.kafka import KafkaReader
from pricetime.log.kafka.pairs import PairMap
from pricetime.log.kafka.stream import COMMANDS_MAX, JOINED_MAX

NOISE = np.random.default_rng(1)  # which the client does not compress

# -- the map of pairs -----------------------------------------------------------------------------


def test_a_venue_does_not_take_it(log):
    with pytest.raises(TypeError, match="a venue cannot use a KafkaLog: others append to it too"):
        Venue(log)


def test_pairs_stand_in_the_order_in_which_they_were_added(place):
    names = ["b", "a", "ü c", "d"]
    log = place.open(partitions=1)  # more are made
    assert log.instruments() == {}
    for name in names:
        log.add(name, f"definition of {name}")
        log.add(name, f"definition of {name}")
    assert list(log.instruments().items()) == [(name, f"definition of {name}") for name in names]
    assert [pair.partition for pair in log.map.pairs.values()] == [0, 1, 2, 3]
    again = place.open()
    again.add("e", "")
    assert list(again.map.pairs.values())[:4] == list(log.map.pairs.values())
    for name in names:
        again.stream(name).append(orders(1, len(names)), NO_TOKENS)
    again.commit()
    assert [joined(log.stream(name).read(0)) for name in names] == [orders(1, 4).tobytes()] * 4
    with pytest.raises(LogError, match="a is there already, with definition of a"):
        again.add("a", "another")


def test_partitions_that_another_has_made_are_taken(place):
    log = place.open(partitions=1)
    log.add("a", "")
    topics = [log.address.topic(name) for name in ("commands", "events", "checkpoints")]
    admin = log.clients.admin()
    made = admin.create_partitions([NewPartitions(name, 3) for name in topics])
    for future in made.values():
        future.result(PATIENCE)
    log.add("b", "")
    assert [pair.partition for pair in log.map.pairs.values()] == [0, 1]


def test_a_pair_whose_partition_is_not_there_is_told_so(place, monkeypatch):
    monkeypatch.setattr("pricetime.log.kafka.partition.LEADER_SECONDS", 0.5)
    log = place.open(partitions=1)
    claim = {"format": 1, "version": 1, "pair": NAME, "partition": 5, "definition": ""}
    place.put("pairs", json.dumps(claim).encode())
    with pytest.raises(LogFailed, match=r"partition 5: .*give the topic as many partitions"):
        log.stream(NAME)


@pytest.mark.parametrize("code", [KafkaError._DESTROY_BROKER, KafkaError._TIMED_OUT])
def test_a_broker_that_goes_while_it_is_asked_is_asked_again(log, code):
    partition = log.partition("commands", log.map.pair(NAME))
    consumer, answers = partition.consumer, [KafkaException(KafkaError(code)), None]

    class Asked:
        def get_watermark_offsets(self, place, timeout):
            if (error := answers.pop(0)) is not None:
                raise error
            return consumer.get_watermark_offsets(place, timeout)

    partition.consumer = Asked()
    assert partition.bounds() == (0, 0)
    partition.consumer = consumer
    partition.close()


def test_two_who_add_at_once_agree(place):
    logs = [place.open(), place.open()]
    failed = []

    def add(log, who):
        try:
            for number in range(6):
                log.add(f"{who}{number}", "")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=pair) for pair in zip(logs, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    maps = [log.map.pairs for log in (*logs, place.open())]
    logs[0].map.refresh()
    logs[1].map.refresh()
    assert maps[0] == maps[1] == maps[2]
    assert sorted(pair.partition for pair in maps[0].values()) == list(range(12))


def test_of_two_claims_the_first_counts(place):
    log = place.open()
    place.put(
        "pairs", log.map.claim("x", "first"), log.map.claim("y", ""), log.map.claim("x", "late")
    )
    log.add("y", "")
    assert [(p.name, p.partition, p.definition) for p in log.map.pairs.values()] == [
        ("x", 0, "first"),
        ("y", 1, ""),
    ]


CLAIM = {"format": 1, "version": 2, "pair": "x", "partition": 1, "definition": ""}
NO_CLAIMS = (
    b"",
    b"\xff",
    b"null",
    b"[1]",
    b"[" * 100_000,
    b"{}",
    json.dumps(CLAIM | {"version": "x"}).encode(),
    json.dumps(CLAIM).replace('"partition": 1', '"partition": 1e999').encode(),
    json.dumps(CLAIM | {"partition": -1}).encode(),
    json.dumps(CLAIM | {"partition": 0}).encode(),  # which another has
)


@pytest.mark.parametrize("claim", NO_CLAIMS, ids=range(len(NO_CLAIMS)))
def test_what_is_no_claim_is_damage(claim):
    known = PairMap(None)
    known.apply(json.dumps(CLAIM | {"version": 1, "pair": "y", "partition": 0}).encode(), "here")
    with pytest.raises(LogDamaged, match=r"^here: "):
        known.apply(claim, "here")


def test_a_damaged_claim_is_named_again_and_again(place, log):
    place.put("pairs", None, json.dumps(CLAIM).encode())
    for _ in range(2):
        with pytest.raises(LogDamaged, match="pairs, partition 0, offset 1: "):
            log.map.refresh()
    assert list(log.instruments()) == [NAME]


def test_a_claim_of_a_later_release_is_told(log, place):
    place.put("pairs", json.dumps({"format": 2}).encode())
    for _ in range(2):
        with pytest.raises(LogVersion, match="format 2 of the map of pairs is not known"):
            log.add("x", "")


def test_a_pair_that_the_brokers_refuse_is_told(place, log):
    place.refuse("pairs", 500)
    with pytest.raises(LogFailed, match=r"x cannot be added to .*raise max.message.bytes"):
        log.add("x", NOISE.bytes(1000).hex())
    log.add("y", "d")


def test_an_unknown_pair_is_named(log, reader):
    with pytest.raises(LogError, match=f"has no pair 'nope'; it has {NAME}"):
        log.stream("nope")
    with pytest.raises(LogError, match=f"has no pair 'nope'; it has {NAME}"):
        list(reader.events("nope", 0))


def test_a_reader_makes_nothing(place):
    with pytest.raises(LogError, match="has no topics of that prefix: `pricetime run --log`"):
        KafkaReader(place.address)


def test_those_who_write_already_see_partitions_that_are_new(place):
    log, other = place.open(), place.open()
    log.add("a", "")
    log.stream("a").append(orders(1), NO_TOKENS)
    log.commit()
    for name in "bcd":
        other.add(name, "")
    teller = Teller(log, "d")
    teller.append(orders(2))
    teller.stream.publish(Events(HISTORY[:2], 1, ""))
    teller.stream.store(1, 1, 0, b"data")
    log.commit()
    assert joined(log.stream("d").read(0)) == orders(2).tobytes()
    assert log.stream("d").tail() == (2, 1)


# -- commands -------------------------------------------------------------------------------------


def test_nothing_is_there_at_first(log, reader):
    stream = log.stream(NAME)
    assert list(stream.read(0)) == list(stream.published(0)) == stream.checkpoints() == []
    assert list(reader.commands(NAME, 0)) == list(reader.events(NAME, 0)) == []
    assert stream.tail() == reader.tail(NAME) == reader.head(NAME) == Tail(0, 0)
    assert reader.checkpoints(NAME) == []


def test_commands_are_read_from_each_position_on(log, reader):
    sizes = {0: 1, 1: 2, 2: 3}
    stream = log.stream(NAME)
    for position, size in sizes.items():
        stream.append(orders(size, 10 * position + 1), NO_TOKENS)
        log.commit()
    for position in range(4):
        expected = [orders(sizes[at], 10 * at + 1).tobytes() for at in range(position, 3)]
        (*_, last) = [None, *stream.read(position)]
        assert joined(stream.read(position)) == b"".join(expected)
        assert last is None or last.position == 3
        assert [b.records.tobytes() for b in reader.commands(NAME, position)] == expected
    assert [batch.position for batch in reader.commands(NAME, 0)] == [1, 2, 3]


def test_small_messages_are_joined_and_tokens_move_with_their_commands(log, reader):
    stream = log.stream(NAME)
    stream.append(orders(2), token_rows((1, 0, 1, 5), (2, 1, 1, 6)))
    stream.append(orders(3, 3), NO_TOKENS)
    stream.append(orders(2, 6), token_rows((3, 1, 1, 7)))
    log.commit()
    (batch,) = stream.read(0)
    assert batch.records.tobytes() == orders(7).tobytes()
    moved = token_rows((1, 0, 1, 5), (2, 1, 1, 6), (3, 6, 1, 7))
    assert (batch.tokens.tobytes(), batch.position) == (moved.tobytes(), 3)
    assert [len(batch.tokens) for batch in reader.commands(NAME, 0)] == [2, 0, 1]


def test_no_more_are_joined_than_a_batch_should_hold(log):
    stream = log.stream(NAME)
    for _ in range(3):
        stream.append(orders(JOINED_MAX // 2), NO_TOKENS)
    log.commit()
    assert [(len(b.records), b.position) for b in stream.read(0)] == [(4096, 2), (2048, 3)]


def test_more_commands_than_a_message_holds_go_in_several(log, reader):
    stream = log.stream(NAME)
    many = orders(2 * COMMANDS_MAX + 5)
    stream.append(many, NO_TOKENS)
    log.commit()
    assert [len(batch.records) for batch in reader.commands(NAME, 0)] == [COMMANDS_MAX] * 2 + [5]
    assert joined(stream.read(0)) == many.tobytes()


def test_more_commands_with_tokens_than_a_message_holds_are_refused(log):
    stream = log.stream(NAME)
    marks = token_rows(*((key, key, 1, 0) for key in range(1001)))
    with pytest.raises(LogError, match="15608 commands with 1001 tokens") as caught:
        stream.append(orders(COMMANDS_MAX), marks)
    room = int(re.search(r"bytes: (\d+) do not", str(caught.value))[1])
    with pytest.raises(LogError, match="append fewer"):
        stream.append(orders(room + 1), marks)
    stream.append(orders(room), marks)
    log.commit()
    assert [len(batch.records) for batch in stream.read(0)] == [room]


def test_a_message_that_the_brokers_refuse_is_told_and_the_log_goes_on(place, log):
    stream = log.stream(NAME)
    place.refuse("commands", 1000)
    stream.append(orders(100, price=NOISE.integers(2**40, size=100)), NO_TOKENS)
    with pytest.raises(LogFailed, match=r"commands, partition 0: .*raise max.message.bytes"):
        log.commit()
    log.rollback()
    stream = log.stream(NAME)
    stream.append(orders(1), NO_TOKENS)
    log.commit()
    assert joined(stream.read(0)) == orders(1).tobytes()


def test_what_is_on_its_way_is_counted_until_it_has_arrived_or_is_given_up(place):
    place.address.options["linger.ms"] = "300"
    log = place.open(partitions=2)
    for name in ("a", "b"):
        log.add(name, "one")
    first, second = log.stream("a"), log.stream("b")
    first.publish(Events(HISTORY[:2], 1, ""))
    second.publish(Events(HISTORY[:3], 1, ""))
    assert (first.sent_bytes, second.sent_bytes) == (64 + 2 * 96, 64 + 3 * 96)
    assert log.sent_bytes == first.sent_bytes + second.sent_bytes
    first.close()
    assert (first.sent_bytes, log.sent_bytes) == (0, second.sent_bytes)
    log.commit()
    assert (first.sent_bytes, second.sent_bytes, log.sent_bytes) == (0, 0, 0)


def test_a_stream_sees_whether_another_publishes_beside_it(log, monkeypatch):
    stream = log.stream(NAME)
    arrived = []

    class Message(NamedTuple):
        place: int | None

        def offset(self):
            return self.place

    monkeypatch.setattr(stream.output, "send", lambda *given: arrived.append(given[-1]))
    offsets = [4, 5, None, 9, 10, 12]  # None: a broker said only that it has it
    seen = []
    for number, offset in enumerate(offsets, 1):
        stream.publish(Events(Book().process(orders(1)), number, ""))
        arrived[-1](None, Message(offset))
        seen.append(stream.overtaken)
    assert seen == [False] * 5 + [True]


# -- what is no batch of commands -----------------------------------------------------------------

GOOD = commands(orders(3))
DAMAGED = (
    (None, "0 bytes are no batch"),
    (b"", "0 bytes are no batch"),
    (b"PTIM", "4 bytes are no batch"),
    (np.random.default_rng(1).bytes(5000), "it begins with"),
    (b'{"side": "buy"}' * 9, "it begins with"),
    (GOOD[:-1], "its checksum"),
    (GOOD + b"x", "its checksum"),
    (pack_commands("ETH", Commands(orders(1), NO_TOKENS, 0)), "it belongs to another instrument"),
    (events(1, 2), "it is of kind 2, not 1"),
    *((flipped(GOOD, bit), "") for bit in range(0, 8 * len(GOOD), 7)),
)


def test_what_is_no_batch_is_quarantined_and_the_pair_goes_on(place, log, reader, caplog):
    place.put("commands", GOOD, *(data for data, _ in DAMAGED), commands(orders(2, 4)))
    runner = start(log)
    log.commit()
    assert runner.position == len(DAMAGED) + 2
    assert runner.book.state_hash() == after(orders(5)).state_hash()
    assert joined(reader.commands(NAME, 0)) == orders(5).tobytes()
    kept = place.contents("quarantine")
    assert len(kept) == runner.stream.quarantined == len(DAMAGED)
    where = f"commands of {NAME} at offset %d of {place.address.topic('commands')}, partition 0: "
    for offset, (data, reason) in enumerate(DAMAGED, 1):
        message = kept[offset - 1]
        assert (message.key(), message.value()) == (f"{NAME}/{offset}".encode(), data or b"")
        text = dict(message.headers())["reason"].decode()
        assert text.startswith(where % offset + reason)
        if offset == 1:  # of so many at once one alone is told
            assert caplog.messages == [f"{text}; it is in quarantine, the pair goes on"]


def test_what_goes_into_quarantine_is_told_now_and_then(place, log, monkeypatch, caplog):
    monkeypatch.setattr("pricetime.log.kafka.stream.COMPLAINT_SECONDS", 0.2)
    place.put("commands", b"a", b"b", b"c")
    runner = start(log)
    time.sleep(0.3)
    place.put("commands", b"d", b"e")
    list(runner.step())
    ends = [text.partition("; ")[2] for text in caplog.messages]
    assert ends == [
        "it is in quarantine, the pair goes on",
        "it is in quarantine like 3 before it, the pair goes on",
    ]


def after(*parts):
    book = Book()
    for part in parts:
        book.process(part)
    return book


def test_a_pair_with_nothing_good_goes_past_it(log, place):
    place.put("commands", b"a", None, b"c")
    runner = start(log)
    assert (runner.position, runner.book.commands) == (3, 0)
    drive(runner, log, orders(1))
    assert (runner.position, runner.book.commands) == (4, 1)


def test_a_message_larger_than_ours_does_not_stop_the_pair(log, place):
    place.put("commands", b"x" * 1_030_000, GOOD)
    runner = start(log)
    log.commit()
    assert runner.book.commands == 3
    (message,) = place.contents("quarantine")
    assert message.value() == b"x" * 990_000


def test_a_quarantine_that_takes_nothing_does_not_stop_the_pair(log, place, caplog):
    place.refuse("quarantine", 100)
    place.put("commands", b"x" * 1000, GOOD)
    runner = start(log)
    log.commit()
    assert runner.book.commands == 3
    assert f"did not arrive in {place.address.topic('quarantine')}" in caplog.text


def test_a_batch_of_a_later_release_stops_the_pair(log, place, reader):
    place.put("commands", GOOD, newer(GOOD), GOOD)
    for _ in range(2):
        with pytest.raises(LogVersion, match=r"at offset 1 .*batch format 3 is not known"):
            start(log)
    with pytest.raises(LogVersion, match="batch format 3"):
        list(reader.commands(NAME, 0))
    log.commit()
    assert place.contents("quarantine") == []


# -- checkpoints ----------------------------------------------------------------------------------


def test_a_checkpoint_is_there_with_its_last_part(told, log, reader):
    for number, data in enumerate((b"a", b"", b"c")):
        assert told.stream.checkpoints() == reader.checkpoints(NAME) == []
        told.stream.store(6, 3, number, data)
        log.commit()
    for source in (told.stream, log.stream(NAME)):
        assert (source.checkpoints(), source.checkpoint(6)) == ([6], b"ac")
    assert (reader.checkpoints(NAME), reader.checkpoint(NAME, 6)) == ([6], b"ac")
    for read in (log.stream(NAME).checkpoint, lambda position: reader.checkpoint(NAME, position)):
        with pytest.raises(LogDamaged, match=f"checkpoint of {NAME} at 4: it is not there"):
            read(4)


def test_the_newest_checkpoints_are_kept_and_half_of_one_is_none(place, told, log, reader):
    for position in (1, 2, 3):
        for number in range(2):
            told.stream.store(position, 2, number, b"%d" % position)
        log.commit()
    told.stream.store(6, 2, 0, b"half")
    log.commit()
    until(lambda: place.contents("checkpoints")[0].offset() == 2)
    assert told.stream.checkpoints() == log.stream(NAME).checkpoints() == [3, 2]
    assert reader.checkpoints(NAME) == [3, 2]
    log.rollback()
    stream = log.stream(NAME)
    for number in range(2):
        stream.store(6, 2, number, b"new%d" % number)
    log.commit()
    assert (log.stream(NAME).checkpoints()[0], reader.checkpoint(NAME, 6)) == (6, b"new0new1")


def test_two_who_store_at_once_do_not_mix(place, log, reader):
    one, two = log.stream(NAME), place.open().stream(NAME)
    for number in range(3):
        for source, data in ((one, b"a"), (two, b"b")):
            if number < 2 or source is two:
                source.store(5, 3, number, data)
                source.log.commit()
    assert (reader.checkpoints(NAME), reader.checkpoint(NAME, 5)) == ([5], b"bbb")


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_part_costs_its_checkpoint_and_a_warning(log, place, caplog, number):
    for position in (3, 5):
        parts = [pack_part(NAME, Part(b"data", n, 2, position)) for n in range(2)]
        if position == 5:
            parts[number] = flipped(parts[number], 515)
        place.put("checkpoints", *parts, key=f"{position}/me")
    place.put("checkpoints", None, b"junk", key=b"9" * 30)
    assert log.stream(NAME).checkpoints() == [3]
    (text, *_) = caplog.messages
    assert text.startswith(f"a part of a checkpoint of {NAME} at offset {2 + number} of ")
    assert text.endswith("its checkpoint is not whole")


# -- trimming -------------------------------------------------------------------------------------


def test_what_is_trimmed_is_told_as_such_and_the_rest_stays(told, log, reader):
    trimmed(told.stream, reader, 2, 5)
    assert reader.head(NAME) == Tail(5, 2)
    assert joined(told.stream.read(2)) == orders(1, 6).tobytes()
    assert sequences(reader.events(NAME, 5)) == [6]
    assert told.stream.tail() == reader.tail(NAME) == log.stream(NAME).tail() == (6, 6)
    fresh = log.stream(NAME)
    for after in range(5):
        for read in (fresh.published, lambda after: reader.events(NAME, after)):
            with pytest.raises(LogTrimmed, match=f"events {after + 1} to 5 of {NAME} were trimmed"):
                list(read(after))
    for after in range(2):
        for read in (fresh.read, lambda after: reader.commands(NAME, after)):
            with pytest.raises(LogTrimmed, match="commands, partition 0 begins at 2"):
                list(read(after))


def test_whole_batches_alone_are_trimmed_and_the_last_one_stays(told, log, reader):
    trimmed(told.stream, reader, 1, 2)
    told.stream.trim(1, 4)
    assert reader.head(NAME) == Tail(2, 1)
    trimmed(told.stream, reader, 3, 6)
    assert (reader.head(NAME), reader.tail(NAME)) == (Tail(5, 3), Tail(6, 6))
    assert list(told.stream.read(3)) == list(reader.events(NAME, 6)) == []
    again = log.stream(NAME)
    again.append(orders(1, 7), NO_TOKENS)
    again.publish(Events(HISTORY[6:7], 7, ""))
    log.commit()
    assert sequences(reader.events(NAME, 6)) == [7]
    assert joined(again.read(3)) == orders(1, 7).tobytes()


def test_no_event_is_trimmed_that_old_repeats_hide(log, place, reader):
    place.put("events", *(events(n, n) for n in range(1, 11)))
    place.put("events", *(events(n, n) for n in (1, 2, 3) for _ in range(9)))
    place.put("commands", *[GOOD] * 5)
    trimmed(log.stream(NAME), reader, 1, 5)
    assert reader.head(NAME) == (5, 1)
    assert sequences(log.stream(NAME).published(5)) == list(range(6, 11))


def test_what_cannot_be_dropped_is_told_and_leaves_no_thread(log, caplog):
    before = threading.active_count()
    log.drop("commands", 0, 99)  # there is no such message

    def told():
        log.drop("commands", 0, 0)
        return caplog.text

    assert "could not be dropped" in until(told)
    assert threading.active_count() == before
