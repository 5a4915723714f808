"""Following the events of a venue: history, then live, by as many as like."""

import threading
from itertools import islice

import pricetime as pt
import pytest
from model.batches import orders
from model.failing import FailingLog
from model.logs import NAME
from model.threads import Clock, sequences, together
from pricetime import LogError
from pricetime.log import LogTrimmed, MemoryLog
from pricetime.runner.runner import CHECKPOINT_NS

BTC = pt.Instrument(NAME, tick_size="0.01", lot_size="0.00001")


@pytest.fixture
def path(tmp_path):
    """Where a venue file may be."""
    return tmp_path / "venue.db"


@pytest.fixture
def venue(path):
    """A venue over a file, with one instrument."""
    with pt.Venue(path) as opened:
        opened.add(BTC)
        yield opened


# -- events ---------------------------------------------------------------------------------------


def test_events_are_history_and_then_live(venue):
    venue.submit(NAME, orders(3))
    events = venue.events(NAME)
    assert sequences(islice(events, 1)) == [1, 2, 3]
    venue.submit(NAME, orders(2, 4))
    assert sequences(islice(events, 1)) == [4, 5]
    events.close()


def test_events_live_reach_one_that_waits(venue):
    venue.submit(NAME, orders(1))
    events = venue.events(NAME, after=1)
    first, _ = together(lambda: next(events), lambda: venue.submit(NAME, orders(2, 2)))
    assert sequences([first])[0] == 2
    events.close()


@pytest.mark.parametrize("after", range(7))
def test_events_begin_behind_a_sequence(venue, after):
    venue.submit(NAME, orders(3))
    venue.submit(NAME, orders(3, 4))
    assert sequences(venue.events(NAME, after, follow=False)) == list(range(after + 1, 7))


def test_events_begin_behind_one_of_an_array(venue):
    first = venue.submit(NAME, orders(2))
    venue.submit(NAME, orders(2, 3))
    assert sequences(venue.events(NAME, first["sequence"][0], follow=False)) == [2, 3, 4]


@pytest.mark.parametrize("after", [-1, -(2**70)])
def test_events_behind_no_sequence_are_refused(venue, after):
    with pytest.raises(ValueError, match=f"after {after} is below 0"):
        next(venue.events(NAME, after))


def test_history_alone_ends(venue):
    assert list(venue.events(NAME, follow=False)) == []
    venue.submit(NAME, orders(3))
    assert sequences(venue.events(NAME, follow=False)) == [1, 2, 3]


def test_several_followers_see_all_until_the_venue_closes(path):
    venue = pt.Venue(path)
    btc = venue.add(BTC)
    ready = threading.Barrier(4)

    def follow():
        events = venue.events(NAME)
        seen = sequences(islice(events, 1))
        ready.wait()
        return seen + sequences(events)

    def tell():
        btc.limit("buy", 5, 1)
        ready.wait()
        for _ in range(100):
            btc.limit("buy", 5, 1)
        venue.close()

    *seen, _ = together(follow, follow, follow, tell)
    assert seen == [list(range(1, 102))] * 3


def test_followers_that_stop_let_go_of_their_reader():
    readers = []

    class Counting(FailingLog):
        def reader(self):
            readers.append("opened")
            reader = self.inner.reader()
            reader.close = lambda: readers.append("closed")
            return reader

    with pt.Venue(Counting(MemoryLog())) as venue:
        venue.add(BTC)
        venue.submit(NAME, orders(1))
        for _ in venue.events(NAME):
            break
        list(venue.events(NAME, follow=False))
    assert readers == ["opened", "closed"] * 2


def test_events_of_an_unknown_instrument_are_refused(venue):
    with pytest.raises(pt.UnknownInstrument, match="unknown instrument 'nope'"):
        next(venue.events("nope"))


def test_events_that_were_trimmed_are_told_as_such(path):
    clock = Clock()
    with pt.Venue(path, clock=clock) as venue:
        venue.add(BTC)
        with pytest.raises(LogError, match="0 good checkpoints: history is dropped up to the last"):
            venue.trim(NAME)
        for number in range(4):  # each makes a checkpoint due, and the next one stores it
            clock.now += CHECKPOINT_NS
            venue.submit(NAME, orders(1, number + 1))
        point = venue.trim(NAME)
        assert 1 <= point.sequence < 4
        with pytest.raises(LogTrimmed, match="trimmed"):
            next(venue.events(NAME))
        rest = sequences(venue.events(NAME, point.sequence, follow=False))
        assert rest == list(range(point.sequence + 1, 5))
