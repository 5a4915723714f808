"""Bytes of a venue's files flip: what is served is what was stored, and what is not is named. 20 s.

`python tests/kills/flips.py` flips every byte of both kinds of venue, in some forty minutes.
"""

import logging
import sqlite3

import pytest
from kills import script
from kills.audit import audit
from kills.flips import NAME, Reading, Venue, closed, copy, flip, flip_many, killed, recover
from pricetime.log.errors import LogDamaged
from pricetime.log.sqlite import PAGE_BYTES

EVERY = 211
TREE_PAGES = (2, 5, 10, 13)  # how SQLite marks pages that have rows or keys
TABLES = {
    "commands": "SELECT name, position, batch FROM commands JOIN instrument ON instrument = number",
    "events": "SELECT name, sequence, batch FROM events JOIN instrument ON instrument = number",
    "checkpoints": "SELECT name, position, batch FROM checkpoints"
    " JOIN instrument ON instrument = number ORDER BY part",
    "instrument": "SELECT name, 0, state FROM instrument",
    "venue": "SELECT '', 0, state FROM venue",
}
CALLED = {  # by table: how an error names a row
    "commands": "commands of {} after {}",
    "events": "events of {} from {}",
    "checkpoints": "checkpoint of {} at {}",
    "instrument": "row of instrument '{}'",
    "venue": "state of the venue",
}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    return Venue.make(tmp_path_factory.mktemp("corruption") / "closed", closed)


def rows(path, table):
    """Instrument, place and bytes of each stored row of a table."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(TABLES[table]).fetchall()
    finally:
        connection.close()


def flip_row(path, stored, within):
    """Flips a byte of a row in place in the file, found there by how the row begins."""
    data = bytearray(path.read_bytes())
    at = data.find(stored[:40])
    assert at >= 0
    assert data.count(stored[:40]) == 1, "which one?"
    data[at + within] ^= 0xFF
    path.write_bytes(data)


def test_any_byte_of_any_file_is_harmless_or_named(tmp_path):
    counted = flip_many(tmp_path, EVERY, seed=1)
    for what in ("named by a reader", "harmless", "recovered from all the same",
                 "not recovered from, and named"):  # fmt: skip
        assert counted[what] > 10, f"too few are {what}: {counted}"
    assert counted["of killed venue.db-wal"] > 1000
    assert counted["of closed venue.db"] > 300


@pytest.mark.parametrize("table", TABLES)
def test_every_row_that_is_damaged_is_named_by_what_it_is(table, venue, tmp_path):
    stored = rows(venue.folder / NAME, table)
    assert stored
    for name, place, data in stored:
        for within in (n for n in (0, 5, 9, 17, 25, 39) if n < len(data)):
            copy(venue.folder, tmp_path)
            flip_row(tmp_path / NAME, data, within)
            errors = Reading(tmp_path / NAME).errors
            words = CALLED[table].format(name, place)
            assert errors, f"byte {within} of {words}"
            assert all(isinstance(error, LogDamaged) for error in errors), errors
            assert any(words in str(error) for error in errors), (words, errors)


def test_a_page_that_counts_its_rows_wrongly_hides_none(venue, tmp_path):
    data = (venue.folder / NAME).read_bytes()
    pages = [at for at in range(0, len(data), PAGE_BYTES) if data[at] in TREE_PAGES]
    assert len(pages) > 10
    for page in pages:
        for place in (page + 3, page + 4):  # how many rows it has
            for mask in (1, 2, 3, 0xFF):
                flip(venue, tmp_path, "", place, mask)


# -- recovery -------------------------------------------------------------------------------------


def damage_checkpoints(venue, folder, count):
    """Copies a venue and damages its newest checkpoints; their positions, the newest first."""
    copy(venue.folder, folder)
    positions = sorted(venue.truth["BTC_EUR"].checkpoints, reverse=True)
    assert len(positions) == 2
    for name, position, data in rows(folder / NAME, "checkpoints"):
        if name == "BTC_EUR" and position in positions[:count]:
            flip_row(folder / NAME, data, 30)
    return positions


@pytest.mark.parametrize("count", [1, 2])
def test_recovery_takes_an_older_checkpoint_or_begins_at_the_beginning(
    count, venue, tmp_path, caplog
):
    positions = damage_checkpoints(venue, tmp_path, count)
    with caplog.at_level(logging.WARNING, "pricetime"):
        hashes, errors = recover(tmp_path / NAME)
    assert hashes == venue.hashes
    assert errors == []
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == count
    for warning, position in zip(warnings, positions, strict=False):
        assert f"checkpoint of BTC_EUR at {position}" in warning


def test_one_damaged_instrument_does_not_touch_the_others(venue, tmp_path):
    copy(venue.folder, tmp_path)
    for name, _, data in rows(tmp_path / NAME, "commands"):
        if name == "BTC_EUR":
            flip_row(tmp_path / NAME, data, 30)
    damage = [data for name, _, data in rows(tmp_path / NAME, "checkpoints") if name == "BTC_EUR"]
    for data in damage:
        flip_row(tmp_path / NAME, data, 30)
    hashes, errors = recover(tmp_path / NAME)
    assert hashes == {"ETH_EUR": venue.hashes["ETH_EUR"]}
    assert "commands of BTC_EUR after 0" in str(errors[0])


@pytest.mark.parametrize("gone", ["-wal", ""])
def test_a_file_that_is_gone_is_missed(gone, tmp_path):
    venue = Venue.make(tmp_path / "killed", killed)
    (tmp_path / "copy").mkdir()
    copy(venue.folder, tmp_path / "copy")
    (tmp_path / "copy" / (NAME + gone)).unlink()
    if gone:
        hashes, errors = recover(tmp_path / "copy" / NAME)
        assert hashes == {}
        assert "were acknowledged" in str(errors[0]) or "not a venue" in str(errors[0])
    assert Reading(tmp_path / "copy" / NAME).errors


def test_without_damage_nothing_is_found(venue, tmp_path):
    copy(venue.folder, tmp_path)
    assert Reading(tmp_path / NAME).errors == []
    assert recover(tmp_path / NAME) == (venue.hashes, [])
    stories = audit(tmp_path / NAME)
    assert {name: story.state_hash for name, story in stories.items()} == venue.hashes
    assert stories.keys() == {instrument.name for instrument in script.INSTRUMENTS}
