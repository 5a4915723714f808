"""`pricetime export`: the folder holds the file's history exactly, whole files only, and grows."""

import re
import signal
import subprocess
import sys
from contextlib import closing
from datetime import date
from decimal import Decimal

import numpy as np
import pricetime as pt
import pytest
from model.tapes import tape
from pricetime.cli import main
from pricetime.log import SqliteReader
from pricetime.records import STP, TIF, EventFlag, EventKind, Flag, Kind, OrderType, Reason, Side
from pricetime.tools import export, partitions
from venue_samples import BATCH, BOND, EUR, SECOND, START, clock, copied, deals, flipped, make
from venue_samples import put as put_row
from venue_samples import rows as rows_of

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

DAY = 86_400 * SECOND


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make(tmp_path_factory.mktemp("whole") / "venue.db", patch)


@pytest.fixture
def go(capsys):
    """Runs the command; its code and what it prints."""

    def run(path, to, *options):
        code = main(["export", str(path), "--to", str(to), *options])
        out, err = capsys.readouterr()
        return code, out + err

    return run


def table(folder, name, by):
    """What a reader of the folder sees of an instrument."""
    found = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    found = found.filter(pa.compute.equal(found["instrument"], name))
    return found.sort_by(by)


def stored(path, name, what):
    with closing(SqliteReader(path)) as reader:
        batches = reader.events(name, 0) if what == "events" else reader.commands(name, 0)
        return np.concatenate([batch.records for batch in batches])


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))


def content(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


# -- what stands in it ----------------------------------------------------------------------------

ENUMS = {
    "events": {"kind": EventKind, "side": Side, "reason": Reason},
    "commands": {"kind": Kind, "side": Side, "order_type": OrderType, "tif": TIF, "stp": STP},
}


def number(kind, text):
    """The number that stands behind a name: some commands are noise, and have none."""
    if text is None:
        return 0
    return int(text) if text.isdecimal() else int(kind[text])


@pytest.mark.parametrize("what", ["events", "commands"])
@pytest.mark.parametrize("instrument", [EUR, BOND])
def test_the_columns_are_the_records(go, whole, tmp_path, what, instrument):
    assert go(whole, tmp_path, "--what", what)[0] == 0
    key = "sequence" if what == "events" else "number"
    found = table(tmp_path / what, instrument.name, key)
    records = stored(whole, instrument.name, what)
    assert found[key].to_pylist() == list(range(1, len(records) + 1))
    flags = EventFlag if what == "events" else Flag
    for name in records.dtype.names:
        column = found[name]
        if name in ENUMS[what]:
            values = [number(ENUMS[what][name], text) for text in column.to_pylist()]
        elif name == "flags":
            known = sum(flags)
            texts = column.to_pylist()
            values = [sum(flags[flag] for flag in text.split("|") if flag) for text in texts]
            assert values == (records[name] & known).tolist()
            continue
        elif name == "timestamp":
            assert column.type == pa.timestamp("ns", "UTC")
            values = column.cast(pa.int64()).to_pylist()
        else:
            values = column.to_pylist()
        assert values == records[name].tolist(), name


def test_decimals_are_exact(go, whole, tmp_path):
    go(whole, tmp_path)
    for instrument in (EUR, BOND):
        found = table(tmp_path / "events", instrument.name, "sequence")
        money = found["in_money"].to_pylist()
        kinds = found["kind"].to_pylist()
        tick, lot = instrument.tick_size, instrument.lot_size
        assert found["price_decimal"].type == pa.decimal128(38, 18)
        columns = {
            "price": [tick] * len(found),
            "quantity": [
                tick * lot if spends and kind != "TRADE" else lot
                for spends, kind in zip(money, kinds, strict=True)
            ],
            "remaining": [tick * lot if spends else lot for spends in money],
            "maker_remaining": [lot] * len(found),
        }
        for name, units in columns.items():
            counts = found[name].to_pylist()
            exact = found[f"{name}_decimal"].to_pylist()
            for value, count, unit in zip(exact, counts, units, strict=True):
                digits, exponent = unit.as_tuple()[1:]
                scaled = count * int("".join(map(str, digits))) * 10 ** (18 + exponent)
                # What has more than 38 digits is null: the integers beside it always stand.
                expected = None if abs(scaled) >= 10**38 else Decimal(f"{scaled}E-18")
                assert value == expected, (name, count)
    spent = table(tmp_path / "events", EUR.name, "sequence")
    assert sum(spent["in_money"].to_pylist()) == 5 * 3, "accepted, traded, cancelled"


def test_steps_that_18_decimals_do_not_hold_are_null(go, tmp_path):
    fine = pt.Instrument("WEI", tick_size="0." + "0" * 19 + "1", lot_size="5")
    path = tmp_path / "venue.db"
    with pt.Venue(path, clock=clock()) as venue:
        market = venue.add(fine)
        market.limit("buy", "0." + "0" * 17 + "700", "10")
        market.limit("buy", "0." + "0" * 17 + "701", "10")
    assert go(path, tmp_path / "to")[0] == 0
    found = table(tmp_path / "to" / "events", "WEI", "sequence")
    assert found["price"].to_pylist() == [700, 701]
    assert found["price_decimal"].to_pylist() == [Decimal("7E-18"), None]
    assert found["quantity_decimal"].to_pylist() == [Decimal(10), Decimal(10)]


def test_tokens_stand_beside_their_commands(go, whole, tmp_path):
    go(whole, tmp_path, "--what", "commands")
    tokens = table(tmp_path / "commands", EUR.name, "number")["token"].to_pylist()
    assert len(set(tokens[: 2 * BATCH])) == 1 and len(tokens[0]) == 32, "sent twice"
    assert tokens[2 * BATCH : 3 * BATCH] == [None] * BATCH
    assert tokens[-1] == tokens[0]


# -- where it stands ------------------------------------------------------------------------------


def test_dates_are_those_of_the_events_in_utc(go, tmp_path):
    path = tmp_path / "venue.db"
    with pt.Venue(path, clock=clock(7 * 3600 * SECOND)) as venue:
        market = venue.add(EUR)
        for _ in range(30):
            market.limit("buy", "27000", "1")
    assert go(path, tmp_path / "to", "--what", "both")[0] == 0
    found = table(tmp_path / "to" / "events", EUR.name, "sequence")
    days = [date.fromisoformat(day) for day in found["date"].to_pylist()]
    times = found["timestamp"].cast(pa.timestamp("us", "UTC")).to_pylist()
    assert days == [at.date() for at in times]
    assert len(set(days)) > 5
    names = files(tmp_path / "to" / "events")
    assert [name[5:15] for name in names] == sorted({day.isoformat() for day in days})
    assert files(tmp_path / "to" / "commands") == names, "each command was done on that day"


def test_a_day_begins_at_midnight_to_the_nanosecond(go, tmp_path):
    commands = deals(2)
    commands["timestamp"] = [START + 10 * SECOND - 1, START + 10 * SECOND]
    with pt.Venue(tmp_path / "venue.db", clock=lambda: START) as venue:
        venue.add(EUR)
        venue.submit(EUR.name, commands)
    go(tmp_path / "venue.db", tmp_path / "to")
    assert files(tmp_path / "to" / "events") == [
        "date=2025-12-31/BTC_EUR-000000000001.parquet",
        "date=2026-01-01/BTC_EUR-000000000002.parquet",
    ]


def test_the_date_of_a_command_is_that_on_which_it_was_done(go, tmp_path):
    path = tmp_path / "venue.db"
    odd = deals(3)
    odd["timestamp"] = [START, -DAY, START - 300 * DAY]
    with pt.Venue(path, clock=lambda: START) as venue:
        venue.add(EUR)
        venue.submit(EUR.name, odd)
    go(path, tmp_path / "to", "--what", "both")
    assert files(tmp_path / "to") == [
        f"{what}/date=2025-12-31/BTC_EUR-000000000001.parquet" for what in ("commands", "events")
    ]


def test_names_that_no_file_can_have_are_written_in_percent(go, whole, tmp_path):
    go(whole, tmp_path, "--market", BOND.name)
    assert all("/BOND%2F7-" in name for name in files(tmp_path / "events"))
    hidden = pt.Instrument("_.x", tick_size=1, lot_size=1)
    with pt.Venue(tmp_path / "venue.db", clock=clock()) as venue:
        venue.add(hidden).limit("buy", 5, 5)
    assert go(tmp_path / "venue.db", tmp_path / "to")[0] == 0
    assert table(tmp_path / "to" / "events", "_.x", "sequence").num_rows == 1
    assert "no events behind 1" in go(tmp_path / "venue.db", tmp_path / "to")[1]


# -- how it grows ---------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_files(go, whole, tmp_path):
    for folder in ("one", "two"):
        assert go(whole, tmp_path / folder, "--what", "both")[0] == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert go(whole, tmp_path / "two", "--what", "both")[0] == 0
    assert content(tmp_path / "one") == content(tmp_path / "two"), "and again nothing"


def test_it_goes_on_where_the_folder_ends(go, tmp_path):
    path, to = tmp_path / "venue.db", tmp_path / "to"
    now = START
    wild = tape(4, "everything", 400)
    with pt.Venue(path, clock=lambda: now) as venue:
        venue.add(EUR)
        for begin in range(0, 400, 40):
            venue.submit(EUR.name, wild[begin : begin + 40])
            before = content(to) if to.exists() else {}
            assert go(path, to, "--what", "both")[0] == 0
            assert before.items() <= content(to).items(), "what was complete stays"
            now += DAY // 3
    found = table(to / "events", EUR.name, "sequence")
    assert found["sequence"].to_pylist() == stored(path, EUR.name, "events")["sequence"].tolist()
    assert table(to / "commands", EUR.name, "number").num_rows == 400


def test_large_days_are_cut_into_files(go, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "FILE_ROWS", 500)
    monkeypatch.setattr(partitions, "GROUP_ROWS", 200)
    monkeypatch.setattr(export, "ROWS", 100)
    assert go(whole, tmp_path, "--what", "both")[0] == 0
    for what, key in (("events", "sequence"), ("commands", "number")):
        assert len(files(tmp_path / what)) >= 6
        found = table(tmp_path / what, EUR.name, key)
        assert found[key].to_pylist() == list(range(1, len(stored(whole, EUR.name, what)) + 1))
    assert "no events behind" in go(whole, tmp_path)[1]


def test_an_archive_and_then_its_file(go, whole, tmp_path):
    path, to = copied(whole, tmp_path / "venue.db"), tmp_path / "to"
    with pt.Venue(path, clock=lambda: 1) as venue:
        point = venue.trim(EUR.name, tmp_path / "archive.db")
    assert go(tmp_path / "archive.db", to)[0] == 0
    assert go(path, to)[0] == 0
    found = table(to / "events", EUR.name, "sequence")
    assert found["sequence"].to_pylist() == stored(whole, EUR.name, "events")["sequence"].tolist()
    # Without the archive it begins where the file does, and a gap is refused.
    assert go(path, tmp_path / "late")[0] == 0
    first = table(tmp_path / "late" / "events", EUR.name, "sequence")["sequence"][0].as_py()
    assert first == point.sequence + 1


def test_a_gap_between_folder_and_file_is_refused(go, whole, tmp_path):
    path, to = tmp_path / "venue.db", tmp_path / "to"
    copied(whole, path)
    with pt.Venue(path, clock=lambda: 1) as venue:
        venue.trim(EUR.name, tmp_path / "archive.db", before=300)
        go(tmp_path / "archive.db", to)
        venue.trim(EUR.name)
    code, said = go(path, to, "--market", EUR.name)
    assert code == 2
    assert "export the archive that has what is between them first" in said


def test_a_folder_of_another_venue_is_refused(go, whole, tmp_path):
    go(whole, tmp_path / "to")
    with pt.Venue(tmp_path / "venue.db", clock=clock()) as venue:
        venue.add(EUR).limit("buy", "1", "1")
    code, said = go(tmp_path / "venue.db", tmp_path / "to")
    assert code == 2
    assert "but" in said and "ends at 1: it is of another venue" in said


# -- what goes wrong ------------------------------------------------------------------------------


def test_an_interruption_leaves_whole_files_alone(whole, tmp_path, go, monkeypatch):
    """The signal comes as the second file is being written."""
    to = tmp_path / "to"
    code = (
        "import os, signal, sys\n"
        "from pricetime.tools import export, partitions\n"
        "from pricetime.cli import main\n"
        "partitions.FILE_ROWS, partitions.GROUP_ROWS, export.ROWS = 500, 100, 100\n"
        "write = partitions.Writer._write_group\n"
        "def stop(self):\n"
        "    write(self)\n"
        "    if self.files == 1:\n"
        "        os.kill(os.getpid(), signal.{signal})\n"
        "partitions.Writer._write_group = stop\n"
        "sys.exit(main(['export', {path!r}, '--to', {to!r}]))\n"
    )
    for name in ("SIGKILL", "SIGINT"):
        text = code.format(signal=name, path=str(whole), to=str(to))
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=False)
        assert done.returncode == (130 if name == "SIGINT" else -signal.SIGKILL)
        assert b"Traceback" not in done.stderr
        assert len(list(to.rglob("*.tmp"))) == (name == "SIGKILL")
        assert len(files(to)) == (1 if name == "SIGKILL" else 2)
        last = table(to / "events", EUR.name, "sequence")["sequence"][-1].as_py()
        assert 0 < last < 2_000
    assert go(whole, to)[0] == 0
    found = table(to / "events", EUR.name, "sequence")
    assert found["sequence"].to_pylist() == stored(whole, EUR.name, "events")["sequence"].tolist()
    assert not list(to.rglob("*.tmp"))


def test_of_a_damaged_day_nothing_is_written(go, whole, tmp_path):
    path, to = copied(whole, tmp_path / "venue.db"), tmp_path / "to"
    at, batch = rows_of(path, "events", EUR.name)[10]
    put_row(path, "events", EUR.name, at, flipped(batch, 70))
    code, said = go(path, to, "--market", EUR.name)
    assert code == 2
    assert f"events of {EUR.name} from {at}: its checksum" in said
    assert files(to) == [] and not list(to.rglob("*.tmp")), "no half of a day"


def test_pyarrow_that_is_not_there_is_said_before_any_work(go, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    code, said = go(whole, tmp_path / "to")
    assert code == 2
    assert said == (
        "pricetime export: needs pyarrow, which is not installed: pip install 'pricetime[data]'\n"
    )
    assert not (tmp_path / "to").exists()


def test_what_cannot_be_used_ends_with_one_line(go, whole, tmp_path):
    (tmp_path / "file").touch()
    for path, to, options, told in (
        (whole, tmp_path / "file", (), "--to .*file is no folder"),
        (tmp_path / "none.db", tmp_path, (), "is not there, or is no file"),
        (whole, tmp_path, ("--market", "ETH"), "has no instrument 'ETH'; it has"),
    ):
        code, said = go(path, to, *options)
        assert code == 2 and said.count("\n") == 1
        assert re.search(told, said), said


def test_a_damaged_file_in_the_folder_is_named(go, whole, tmp_path):
    go(whole, tmp_path, "--market", EUR.name)
    last = max((tmp_path / "events").rglob("*.parquet"))
    last.write_bytes(last.read_bytes()[:-10])
    code, said = go(whole, tmp_path, "--market", EUR.name)
    assert code == 2
    assert f"{last} is no whole Parquet file" in said and "remove it" in said
    last.unlink()
    assert go(whole, tmp_path, "--market", EUR.name)[0] == 0
    assert len(table(tmp_path / "events", EUR.name, "sequence")) == len(
        stored(whole, EUR.name, "events")
    )


def test_a_folder_that_cannot_be_made_is_said(go, whole, tmp_path):
    (tmp_path / "events").touch()
    code, said = go(whole, tmp_path)
    assert code == 2 and said.count("\n") == 1
    assert "events" in said
