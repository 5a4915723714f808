"""The protocol of a log: one suite that every log passes."""

import pytest
from model.batches import orders
from model.logs import (
    KINDS,
    NAME,
    Place,
    Teller,
    joined,
    read_beside_writer,
    spans,
    token_rows,
)
from pricetime import LogDamaged, LogError
from pricetime.log import LogTrimmed, Tail

OTHER = "ETH_EUR"


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    """Where a log of each kind is kept."""
    return Place(request.param, tmp_path)


@pytest.fixture
def log(place):
    """A log with two instruments that are durable."""
    opened = place.open()
    opened.add(NAME, "one")
    opened.add(OTHER, "two")
    opened.commit()
    yield opened
    opened.close()


@pytest.fixture
def reader(log):
    """A reader that was opened before anything was written."""
    opened = log.reader()
    yield opened
    opened.close()


@pytest.fixture
def told(log):
    """A log with three batches of 2, 3 and 1 commands and their events."""
    teller = Teller(log)
    for count, first in ((2, 1), (3, 3), (1, 6)):
        teller.tell(orders(count, first))
    return teller


# -- commands -------------------------------------------------------------------------------------


def test_nothing_is_there_at_first(log):
    stream = log.stream(NAME)
    assert list(stream.read(0)) == list(stream.published(0)) == []
    assert stream.tail() == Tail(0, 0)
    assert stream.checkpoints() == []


def test_instruments_stand_in_the_order_in_which_they_were_added(place):
    log = place.open()
    assert log.instruments() == {}
    for name in ("b", "a", "ü c"):
        log.add(name, f"definition of {name}")
    log.commit()
    assert list(log.instruments().items()) == [
        ("b", "definition of b"),
        ("a", "definition of a"),
        ("ü c", "definition of ü c"),
    ]
    log.close()
    log = place.open()
    assert list(log.instruments()) == ["b", "a", "ü c"]
    log.close()


def test_appended_commands_are_read_before_they_are_committed(log):
    stream = log.stream(NAME)
    stream.append(orders(2), token_rows((7, 0, 2, 99)))
    (batch,) = stream.read(0)
    assert batch.records.tobytes() == orders(2).tobytes()
    assert batch.tokens.tobytes() == token_rows((7, 0, 2, 99)).tobytes()
    assert batch.position == 2


def test_positions_count_commands(log):
    teller = Teller(log)
    for count in (2, 1, 5):
        teller.append(orders(count))
        log.commit()
    assert [batch.position for batch in teller.stream.read(0)] == [2, 3, 8]


@pytest.mark.parametrize("committed", range(4))
def test_commands_are_read_from_each_position_on(log, committed):
    teller = Teller(log)
    for number, first in enumerate((1, 3, 6)):
        teller.append(orders(number + 1, first))
        if number < committed:
            log.commit()
    found = {at: [b.position for b in teller.stream.read(at)] for at in (0, 1, 3, 6)}
    assert found == {0: [1, 3, 6], 1: [3, 6], 3: [6], 6: []}
    assert joined(teller.stream.read(1)) == orders(2, 3).tobytes() + orders(3, 6).tobytes()


def test_commands_and_tokens_outlive_the_log(place):
    log = place.open()
    log.add(NAME, "one")
    marks = token_rows((1, 0, 1, 5), (2, 1, 2, 6))
    log.stream(NAME).append(orders(3), marks)
    log.commit()
    log.close()
    log = place.open()
    (batch,) = log.stream(NAME).read(0)
    assert batch.records.tobytes() == orders(3).tobytes()
    assert batch.tokens.tobytes() == marks.tobytes()
    log.close()


# -- events ---------------------------------------------------------------------------------------


def test_tail_follows_what_is_published(log):
    teller = Teller(log)
    teller.append(orders(2))
    assert teller.stream.tail() == Tail(0, 0)
    teller.publish(orders(2))
    assert teller.stream.tail() == Tail(2, 2)
    log.commit()
    assert teller.stream.tail() == Tail(2, 2)


@pytest.mark.parametrize("after", range(8))
def test_events_are_cut_behind_a_sequence(told, after):
    batches = list(told.stream.published(after))
    whole = [(1, 2), (3, 5), (6, 6)]
    assert spans(batches) == [
        (max(first, after + 1), last) for first, last in whole if last > after
    ]
    sequences = [s for batch in batches for s in batch.records["sequence"].tolist()]
    assert sequences == list(range(after + 1, 7))
    assert [batch.position for batch in batches] == [at for at in (2, 5, 6) if at > after]


def test_readers_cut_events_alike(told, reader):
    for after in range(8):
        ours, theirs = told.stream.published(after), reader.events(NAME, after)
        assert joined(ours) == joined(theirs)


def test_published_events_are_seen_before_they_are_committed(log):
    teller = Teller(log)
    teller.tell(orders(2))
    events = teller.tell(orders(3, 3), commit=False)
    assert joined(teller.stream.published(2)) == events.tobytes()


def test_digest_and_position_come_back(log):
    teller = Teller(log)
    teller.append(orders(2))
    teller.publish(orders(2), digest=True)
    (batch,) = teller.stream.published(0)
    assert (batch.digest, batch.position) == (teller.book.state_hash(), 2)


# -- commit and rollback --------------------------------------------------------------------------


def test_nothing_of_what_is_rolled_back_is_seen(told, log, reader):
    told.tell(orders(4, 7), commit=False)
    log.rollback()
    stream = log.stream(NAME)
    assert stream.tail() == Tail(6, 6)
    assert [batch.position for batch in stream.read(0)] == [2, 5, 6]
    assert spans(stream.published(0)) == [(1, 2), (3, 5), (6, 6)]
    assert reader.tail(NAME) == Tail(6, 6)
    log.commit()
    assert [batch.position for batch in reader.commands(NAME, 0)] == [2, 5, 6]


def test_positions_and_sequences_go_on_behind_a_rollback(log):
    teller = Teller(log)
    teller.tell(orders(2))
    teller.append(orders(3, 3))
    log.rollback()
    again = Teller(log)
    again.tell(orders(1, 3))
    assert [batch.position for batch in again.stream.read(0)] == [2, 3]
    assert again.stream.tail() == Tail(3, 3)


def test_an_instrument_that_is_rolled_back_is_not_there(log, reader):
    log.add("gone", "three")
    log.rollback()
    assert list(log.instruments()) == [NAME, OTHER]
    assert list(reader.instruments()) == [NAME, OTHER]
    log.add("gone", "four")
    log.commit()
    assert log.instruments()["gone"] == "four"


def test_a_checkpoint_that_is_rolled_back_is_not_there(told, log):
    told.stream.store(6, 2, 0, b"first ")
    log.commit()
    told.stream.store(6, 2, 1, b"half")
    assert told.stream.checkpoints() == [6]
    log.rollback()
    stream = log.stream(NAME)
    assert stream.checkpoints() == []
    stream.store(6, 2, 1, b"second half")
    log.commit()
    assert stream.checkpoint(6) == b"first second half"


def test_what_is_not_committed_is_forgotten_by_closing(place):
    log = place.open()
    log.add(NAME, "one")
    Teller(log).tell(orders(1))
    Teller(log).append(orders(2, 2))
    log.close()
    log = place.open()
    assert joined(log.stream(NAME).read(0)) == orders(1).tobytes()
    log.close()


def test_a_commit_of_nothing_is_one(log):
    log.commit()
    log.commit()
    assert list(log.instruments()) == [NAME, OTHER]


def test_several_instruments_stand_apart(log, reader):
    one, two = Teller(log), Teller(log, OTHER)
    one.append(orders(2))
    two.append(orders(3, price=5))
    one.publish(orders(2))
    events = two.publish(orders(3, price=5))
    log.commit()
    assert (one.stream.tail(), two.stream.tail()) == (Tail(2, 2), Tail(3, 3))
    assert joined(two.stream.read(0)) == joined(reader.commands(OTHER, 0))
    assert joined(reader.commands(OTHER, 0)) == orders(3, price=5).tobytes()
    assert joined(reader.events(OTHER, 0)) == events.tobytes()
    two.stream.store(3, 1, 0, b"two")
    log.commit()
    assert (reader.checkpoints(NAME), reader.checkpoints(OTHER)) == ([], [3])


# -- readers --------------------------------------------------------------------------------------


def test_readers_see_what_is_committed_alone(log, reader):
    teller = Teller(log)
    log.add("new", "three")
    teller.tell(orders(2), commit=False)
    teller.stream.store(2, 1, 0, b"data")
    assert list(reader.instruments()) == [NAME, OTHER]
    assert list(reader.commands(NAME, 0)) == list(reader.events(NAME, 0)) == []
    assert (reader.tail(NAME), reader.head(NAME)) == (Tail(0, 0), Tail(0, 0))
    assert reader.checkpoints(NAME) == []
    log.commit()
    assert list(reader.instruments()) == [NAME, OTHER, "new"]
    assert joined(reader.commands(NAME, 0)) == orders(2).tobytes()
    assert joined(reader.events(NAME, 0)) == joined(teller.stream.published(0))
    assert reader.tail(NAME) == Tail(2, 2)
    assert reader.checkpoint(NAME, reader.checkpoints(NAME)[0]) == b"data"


def test_a_reading_that_began_ends_where_the_end_was(told, reader):
    batches = reader.events(NAME, 0)
    first = next(batches)
    told.tell(orders(1, 7))
    assert spans([first, *batches]) == [(1, 2), (3, 5), (6, 6)]


def test_an_unknown_instrument_is_named(reader):
    with pytest.raises(LogError, match=f"no instrument 'nope'.*{NAME}, {OTHER}"):
        list(reader.events("nope", 0))


def test_readers_beside_the_writer_see_no_gap(log):
    def look(reader, after):
        assert reader.tail(NAME).sequence >= after

    seen = read_beside_writer(log, look)
    assert sorted(seen) == sorted(2 * list(range(1, 201)))


# -- checkpoints ----------------------------------------------------------------------------------


def test_a_checkpoint_is_there_with_its_last_part(told, log):
    for number, data in enumerate((b"a", b"", b"c")):
        assert told.stream.checkpoints() == []
        told.stream.store(6, 3, number, data)
        log.commit()
    assert told.stream.checkpoints() == [6]
    assert told.stream.checkpoint(6) == b"ac"


def test_the_newest_checkpoint_stands_first(told, log):
    for position in (2, 5):
        told.stream.store(position, 1, 0, b"%d" % position)
    log.commit()
    assert told.stream.checkpoints() == [5, 2]
    assert told.stream.checkpoint(2) == b"2"


def test_two_checkpoints_are_kept(told, log):
    for position in (2, 5, 6):
        told.stream.store(position, 1, 0, b"%d" % position)
        log.commit()
    assert told.stream.checkpoints() == [6, 5]


def test_a_half_stored_checkpoint_takes_nothing_away(told, log):
    for position in (2, 5):
        told.stream.store(position, 1, 0, b"%d" % position)
    told.stream.store(6, 2, 0, b"half")
    log.commit()
    assert told.stream.checkpoints() == [5, 2]


def test_a_checkpoint_that_was_left_half_stored_can_be_stored_again(told, log):
    told.stream.store(6, 2, 0, b"old")
    log.commit()
    told.stream.store(6, 2, 0, b"new ")
    told.stream.store(6, 2, 1, b"one")
    log.commit()
    assert told.stream.checkpoint(6) == b"new one"


def test_a_checkpoint_that_is_not_there_is_told(told, reader):
    for read in (told.stream.checkpoint, lambda position: reader.checkpoint(NAME, position)):
        with pytest.raises(LogDamaged, match=f"checkpoint of {NAME} at 4"):
            read(4)


def test_the_checkpoint_where_what_is_stored_begins_is_kept_too(told, log):
    told.stream.store(2, 1, 0, b"2")
    trimmed(told, 2, 2)
    told.tell(orders(1, 7))
    for position in (5, 6, 7):
        told.stream.store(position, 1, 0, b"%d" % position)
        log.commit()
    assert told.stream.checkpoints() == [7, 6, 2]


# -- trimming -------------------------------------------------------------------------------------


def trimmed(told, position, sequence):
    """Drops what may be dropped, and commits."""
    while told.stream.trim(position, sequence):
        told.log.commit()
    told.log.commit()


def test_what_is_trimmed_is_gone_and_the_rest_stays(told, reader):
    trimmed(told, 2, 5)
    assert reader.head(NAME) == Tail(5, 2)
    assert [batch.position for batch in told.stream.read(2)] == [5, 6]
    assert spans(reader.events(NAME, 5)) == [(6, 6)]
    assert told.stream.tail() == reader.tail(NAME) == Tail(6, 6)


def test_whole_batches_alone_are_trimmed(told, reader):
    trimmed(told, 4, 4)
    assert reader.head(NAME) == Tail(2, 2)


def test_nothing_to_trim_is_told(told):
    assert told.stream.trim(1, 1) is False
    assert told.stream.trim(2, 2) is True
    assert told.stream.trim(2, 2) is False


def test_everything_may_be_trimmed(told, reader):
    trimmed(told, 6, 6)
    assert reader.head(NAME) == reader.tail(NAME) == Tail(6, 6)
    assert list(told.stream.read(6)) == list(reader.events(NAME, 6)) == []
    told.tell(orders(1, 7))
    assert spans(reader.events(NAME, 6)) == [(7, 7)]
    assert [batch.position for batch in reader.commands(NAME, 6)] == [7]


@pytest.mark.parametrize("after", range(5))
def test_what_was_trimmed_is_told_as_such(told, reader, after):
    trimmed(told, 5, 5)
    for read in (
        lambda: told.stream.read(after),
        lambda: told.stream.published(after),
        lambda: reader.commands(NAME, after),
        lambda: reader.events(NAME, after),
    ):
        with pytest.raises(LogTrimmed, match=f"of {NAME} begin at 6: .* trimmed"):
            list(read())


def test_checkpoints_before_what_is_trimmed_go(told, log):
    for position in (2, 5):
        told.stream.store(position, 1, 0, b"data")
    log.commit()
    trimmed(told, 5, 5)
    assert told.stream.checkpoints() == [5]


def test_a_trim_that_is_rolled_back_did_not_happen(told, log, reader):
    told.stream.store(2, 1, 0, b"data")
    log.commit()
    told.stream.trim(5, 5)
    log.rollback()
    stream = log.stream(NAME)
    assert reader.head(NAME) == Tail(0, 0)
    assert [batch.position for batch in stream.read(0)] == [2, 5, 6]
    assert spans(stream.published(0)) == [(1, 2), (3, 5), (6, 6)]
    assert stream.checkpoints() == [2]


def test_what_is_trimmed_stays_so(place, tmp_path):
    log = place.open()
    log.add(NAME, "one")
    teller = Teller(log)
    for first in (1, 2, 3):
        teller.tell(orders(1, first))
    trimmed(teller, 2, 2)
    log.close()
    log = place.open()
    assert log.reader().head(NAME) == Tail(2, 2)
    assert [batch.position for batch in log.stream(NAME).read(2)] == [3]
    log.close()
