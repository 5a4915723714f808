"""Readers of real data: every format on a few rows, by what the exchange did and the book does.

Files are written by the tests.  What the real tapes come to is in test_replay_tapes.py, the command
line and bad input in test_replay_cli.py.
"""

import gzip
import json
import random
from decimal import Decimal

import numpy as np
import pytest
from pricetime.cli import main
from pricetime.replay import bitstamp, drive, itch
from pricetime.replay.fields import Table, Units
from pricetime.replay.source import ReplayError
from replay_samples import (
    COLUMNS,
    DAY,
    END,
    EVENTS,
    SESSION,
    SNAPSHOT,
    STREAM,
    TRADES,
    framed,
    message,
    row,
)


@pytest.fixture
def replay(tmp_path, capsys):
    """Writes a file, replays it, gives the JSON report."""

    def run(content, *options, name="tape"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main(["replay", str(path), "--json", *map(str, options)])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return run


def executions(report):
    return report["executions"]["real"], report["executions"]["right"]


def cancels(report):
    return report["cancels"]["real"], report["cancels"]["equal"]


# LOBSTER


def test_lobster_day(replay):
    report = replay(DAY)
    assert report["format"] == "LOBSTER messages" and report["rows"] == 8
    assert executions(report) == (2, 2) and cancels(report) == (1, 1)
    assert report["command_kinds"] == {"new": 4, "cancel": 1, "amend": 1}
    assert report["differences"] == {} and report["resting"] == 0
    assert report["tick_size"] == "0.01" and report["traded"] == "80"


HEADER = "Time,Event Type,Order ID,Size,Price,Direction\n"
WRITTEN = {
    "gzip": gzip.compress(DAY.encode()),
    "two gzip members": gzip.compress(DAY[:60].encode()) + gzip.compress(DAY[60:].encode()),
    "CRLF": DAY.replace("\n", "\r\n"),
    "header": HEADER + DAY,
    "header behind a blank line": "\n" + HEADER + DAY,
    "byte order mark": "\ufeff" + DAY,
    "byte order mark and header": "\ufeff" + HEADER + DAY,
    "no last newline": DAY[:-1],
    "blank lines": DAY.replace("\n", "\n\n"),
    "blanks and quotes": DAY.replace(",", ' , "', 1).replace(",11,", '",11,', 1),
    "semicolons": DAY.replace(",", ";"),
    "a seventh column": DAY.replace("\n", ",null\n"),
    "scientific": DAY.replace("1000000", "1e6").replace(",1000100", ",1.0001E+06"),
    "floats": DAY.replace(",100,", ",100.0,").replace("1000100", "1000100.00"),
    "more decimals": DAY.replace("34202,", "34202.000000000000,"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_lobster_however_it_is_written(replay, how):
    plain, written = replay(DAY), replay(WRITTEN[how])
    timing = {"seconds", "commands_per_second", "file"}
    assert {k: plain[k] for k in plain.keys() - timing} == {
        k: written[k] for k in written.keys() - timing
    } or how in ("blank lines", "header", "header behind a blank line")
    assert executions(written) == (2, 2) and written["differences"] == {}


def test_lobster_time_is_exact(replay, tmp_path):
    replay(DAY, "--out", tmp_path / "events.npy")
    times = np.load(tmp_path / "events.npy")["timestamp"]
    assert times[0] == 34200 * 10**9 + 1 and times[1] == 34200 * 10**9 + 250_000_000


# The exchange passes over order 21, which stays displayed: 22 loses 30, and its later reduction
# and delete must still be exact.
PASSED = """\
1,1,21,100,1000000,1
2,1,22,100,1000000,1
3,4,22,30,1000000,1
4,2,22,20,1000000,1
5,3,22,50,1000000,1
6,4,21,100,1000000,1
"""


def test_lobster_goes_on_exactly_where_the_exchange_passes_over_an_order(replay, tmp_path):
    report = replay(PASSED, "--out", tmp_path / "events.npy")
    assert executions(report) == (2, 1) and cancels(report) == (1, 1)
    assert report["differences"] == {"executions with another maker at the same price": 1}
    first = report["first_differences"][0]
    assert first["row"] == 3 and "order 22; book 30 @ 100.00 of order 21" in first["text"]
    events = np.load(tmp_path / "events.npy")
    assert events["sequence"].tolist() == list(range(1, len(events) + 1))
    assert report["resting"] == 0


def test_lobster_same_after_going_back_across_chunks(replay, monkeypatch):
    from pricetime.replay import lobster

    whole = replay(PASSED)
    monkeypatch.setattr(lobster, "ROWS", 1)
    cut = replay(PASSED)
    assert whole["differences"] == cut["differences"] and cancels(cut) == (1, 1)
    assert whole["commands"] == cut["commands"] and whole["events"] == cut["events"]


def test_lobster_takes_out_an_order_that_left_unseen(replay):
    """30 is passed over and never named again: it was deleted out of sight."""
    report = replay("1,1,30,5,1000000,1\n2,1,31,5,1000000,1\n3,4,31,5,1000000,1\n")
    assert executions(report) == (1, 1)
    assert report["executions"]["right_once_gone_orders_were_out"] == 1
    assert report["differences"] == {"orders that the exchange no longer had, taken out": 1}
    assert report["resting"] == 0


def test_lobster_new_order_meets_one_that_left_unseen(replay):
    report = replay("1,1,30,5,1000000,1\n2,1,31,5,990000,-1\n3,4,31,5,990000,-1\n")
    assert executions(report) == (1, 1) and report["trades"] == 1


def test_lobster_enters_what_was_there_before_the_file(replay):
    """7 is older than the first new id: in line from the start, ahead of it."""
    report = replay(
        "1,1,50,5,1000000,1\n2,4,7,3,1000000,1\n3,3,7,2,1000000,1\n4,4,50,5,1000000,1\n"
    )
    assert executions(report) == (2, 2) and cancels(report) == (1, 1)
    assert any("ids older than the file: 1" in note for note in report["notes"])


def test_lobster_enters_unseen_orders_at_their_ids_turn(replay):
    """55 came between 50 and 60, beyond the levels of the file."""
    report = replay(
        "1,1,50,5,1000000,1\n2,1,60,5,990000,1\n3,3,50,5,1000000,1\n4,4,55,5,990000,1\n"
    )
    assert executions(report) == (1, 1)
    assert any("never entered: 1, entered at their id's turn" in note for note in report["notes"])


def test_lobster_late_order_keeps_the_place_of_its_id(replay):
    """As behind an opening cross: 51 is shown after 52 and stands ahead of it."""
    many = "".join(f"1,1,{i},1,{900000 + 100 * i},1\n" for i in range(10, 50))
    rows = "2,1,52,9,1000000,1\n3,4,52,2,1000000,1\n4,1,51,5,1000000,1\n5,4,51,5,1000000,1\n"
    report = replay(many + rows + "6,2,52,3,1000000,1\n7,3,52,4,1000000,1\n")
    assert executions(report) == (2, 2) and cancels(report) == (1, 1)
    assert report["differences"] == {}


def test_lobster_ids_that_do_not_grow_are_no_clock(replay):
    rows = [f"{i},1,{900 - i},5,{1000000 - 100 * i},1" for i in range(1, 30)]
    report = replay("\n".join([*rows, "31,4,899,5,999900,1", "32,4,5,1,999800,1"]))
    assert any("do not grow with time" in note for note in report["notes"])
    assert report["executions"]["real"] == 2 and report["executions"]["right"] >= 1


def test_lobster_order_book_file_seeds_and_is_compared(replay, tmp_path):
    """Row 1 is the state behind message 1; the 300 at 99.99 come into sight and are never named."""
    book = tmp_path / "book.csv"
    rows = (
        "1,1,50,20,1000000,1\n2,4,7,30,1000000,1\n3,3,50,20,1000000,1\n"
        "4,4,8,50,1000100,-1\n5,7,0,0,-1,1\n"
    )
    book.write_text(
        "1000100,50,1000000,50\n1000100,50,1000000,20\n1000100,50,999900,300\n"
        "9999999999,0,999900,300\n9999999999,0,999900,301\n"
    )
    report = replay(rows, "--order-book", book)
    assert executions(report) == (2, 2)
    counts = report["counts"]
    assert counts["rows of the order-book file compared"] == 5
    assert report["differences"] == {"order-book rows with another level": 3}
    assert "bid 1: book nothing, file 300 @ 99.99" in report["first_differences"][0]["text"]


# ITCH


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_itch_stream(replay, length, packed):
    data = framed(*STREAM, length=length)
    report = replay(gzip.compress(data) if packed else data)
    assert report["format"] == "NASDAQ ITCH 5.0" and report["rows"] == 14 and report["books"] == 2
    assert executions(report) == (3, 3) and cancels(report) == (2, 2)
    assert report["differences"] == {} and report["resting"] == 0
    assert {k: v for k, v in report["counts"].items() if len(k) == 1} == {
        **{"S": 1, "R": 2, "A": 2, "F": 1, "E": 2, "X": 1, "U": 1, "C": 1, "D": 2, "P": 1}
    }


def test_itch_however_its_blocks_are_cut(replay, monkeypatch):
    whole = replay(framed(*STREAM))
    for size in (1, 7, 64, 100):
        monkeypatch.setattr(itch, "BLOCK", size)
        cut = replay(framed(*STREAM))
        assert cut["counts"] == whole["counts"] and cut["events"] == whole["events"]
        assert executions(cut) == (3, 3) and cut["differences"] == {}


def test_itch_one_stock(replay, tmp_path):
    report = replay(framed(*STREAM), "--stock", "xyz", "--out", tmp_path / "events.npy")
    assert report["books"] == 1 and report["commands"] == 2 and report["executions"]["real"] == 0
    events = np.load(tmp_path / "events.npy")
    assert set(events["stock"].tolist()) == {b"XYZ"} and events["price"][0] == 2000000


def test_itch_end_mark_and_types_of_the_future(replay):
    report = replay(framed(*STREAM[:4], b"z" + bytes(15), *STREAM[4:]) + b"\0\0")
    assert report["counts"]["z"] == 1 and executions(report) == (3, 3)


def test_itch_cross_execution_at_another_price(replay):
    """An auction has a price of its own: a difference, and the order loses the shares."""
    stream = (
        message("A", ref=1, shares=100),
        message("A", ref=2, shares=100),
        message("C", ref=2, shares=60, price=990000),
        message("X", ref=2, shares=10),
        message("D", ref=2),
        message("D", ref=1),
    )
    report = replay(framed(*stream))
    assert executions(report) == (1, 0) and cancels(report) == (2, 2) and report["resting"] == 0


def test_itch_reduction_behind_a_repair_in_an_earlier_block(replay, monkeypatch):
    stream = (
        message("A", ref=1, shares=100),
        message("A", ref=2, shares=100),
        message("E", ref=2, shares=60),
        message("X", ref=2, shares=10),
        message("E", ref=1, shares=100),
        message("E", ref=2, shares=10),
        message("D", ref=2),
    )
    for size in (itch.BLOCK, 40):
        monkeypatch.setattr(itch, "BLOCK", size)
        report = replay(framed(*stream))
        assert executions(report) == (3, 2) and cancels(report) == (1, 1)


def test_itch_messages_of_unknown_orders(replay):
    unknown = [message(kind, ref=9) for kind in "EXDU"]
    report = replay(framed(message("A", ref=1), *unknown))
    assert executions(report) == (1, 0) and report["refused"] == {"unknown_order": 3}
    assert report["differences"]["executions of orders that the file never enters"] == 1
    assert report["counts"]["deletes of orders that the file does not have"] == 1


def test_itch_order_zero(replay):
    report = replay(framed(message("A", ref=0), message("E", ref=0, shares=100)))
    assert executions(report) == (1, 1) and any("order 0" in note for note in report["notes"])


def test_itch_stock_without_a_name(replay):
    report = replay(framed(message("D", 7), message("A", 8)))
    assert [book["stock"] for book in report["busiest"]] == ["locate 7", "ABC"]


# Bitstamp


@pytest.fixture
def trades(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text(TRADES)
    return path


def test_bitstamp_capture(replay, trades):
    report = replay(COLUMNS + SNAPSHOT + EVENTS + END, "--trades", trades)
    assert executions(report) == (4, 4) and report["trades"] == 4
    assert report["last_book"] == {"orders": 2, "equal": 2, "differ": 0}
    assert report["differences"] == {}
    assert report["tick_size"] == "0.5" and report["lot_size"] == "0.00000001"
    assert report["refused"]["would_trade"] == 1


@pytest.mark.parametrize("how", ["no header", "CRLF", "semicolons", "another order of columns"])
def test_bitstamp_however_it_is_written(replay, trades, how):
    text = COLUMNS + SNAPSHOT + EVENTS + END
    if how == "no header":
        text = text.removeprefix(COLUMNS)
    elif how == "CRLF":
        text = text.replace("\n", "\r\n")
    elif how == "semicolons":
        text = text.replace(",", ";")
    else:
        rows = [line.split(",") for line in text.splitlines()]
        text = "\n".join(",".join([*line[3:], "more", *line[:3]]) for line in rows)
    report = replay(text, "--trades", trades)
    assert executions(report) == (4, 4) and report["differences"] == {}


def test_bitstamp_without_trades_says_so(replay):
    report = replay(COLUMNS + SNAPSHOT + EVENTS + END)
    assert report["executions_known"] is False and report["executions"]["real"] == 0
    assert any("no trades are known" in note for note in report["notes"])
    assert report["fills_told"] == 2


@pytest.mark.parametrize("known", [True, False])
def test_bitstamp_snapshot_order_that_the_exchange_passes_over(replay, trades, known):
    ghost = row(4, 0, "100.5", "0.25", "created", "ask")
    last = row(4, 20, "100.5", "0.25", "deleted", "ask", 0)
    options = ["--trades", trades] if known else []
    report = replay(COLUMNS + ghost + SNAPSHOT + EVENTS + END + last, *options)
    assert report["differences"]["orders that the exchange no longer had, taken out"] == 1
    assert report["last_book"]["orders"] == 2
    if known:
        assert executions(report) == (4, 4) and report["last_book"]["equal"] == 2


def test_bitstamp_difference_is_told_and_left(replay, trades):
    trades.write_text(TRADES.replace("101.0,1.5,11,2", "101.0,1.25,11,2"))
    report = replay(COLUMNS + SNAPSHOT + EVENTS + END, "--trades", trades)
    assert executions(report) == (4, 3)
    assert "exchange 1.25000000 @ 101.0 of order 2" in report["first_differences"][0]["text"]


def test_bitstamp_starts_without_a_snapshot(replay, trades):
    report = replay(COLUMNS + EVENTS + END, "--trades", trades)
    assert any("does not begin with a snapshot: 3 orders" in note for note in report["notes"])
    assert executions(report) == (4, 4)


def test_bitstamp_change_by_the_owner_is_an_amend(replay, trades):
    change = row(15, 11, "99.0", "0.75", "changed", "bid")
    last = END.replace(",1.0,deleted", ",0.75,deleted")
    report = replay(COLUMNS + SNAPSHOT + EVENTS + change + last, "--trades", trades)
    assert report["counts"]["changed by its owner"] == 1 and report["command_kinds"]["amend"] == 1
    assert report["last_book"] == {"orders": 2, "equal": 2, "differ": 0}


def test_epochs_by_their_size():
    second = 1777689383
    for unit in (1, 10**3, 10**6, 10**9):
        assert bitstamp.epoch_ns(np.array([second * unit]))[0] == second * 10**9


# BME


def test_bme_session(replay, tmp_path):
    report = replay(SESSION, "--out", tmp_path / "events.npy")
    assert report["trades"] == 1 and report["traded"] == "4" and cancels(report) == (1, 1)
    assert report["differences"] == {} and report["resting"] == 0 and report["tick_size"] == "0.05"
    at = np.load(tmp_path / "events.npy")["timestamp"][0]
    assert np.datetime64(int(at), "ns") == np.datetime64("2019-05-23T09:00:30.216")


def test_bme_cancel_of_another_quantity(replay):
    report = replay(
        SESSION.replace("cancel;1;;4", "cancel;1;;5").replace("modif;3;;7", "modif;3;;9")
    )
    assert cancels(report) == (1, 0)
    assert report["differences"] == {
        "cancels of another quantity": 1,
        "reductions by more than was left": 1,
    }


def test_bme_without_header_and_with_commas(replay):
    text = SESSION.partition("\n")[2].replace(";", ",")
    assert cancels(replay(text)) == (1, 1)


# Numbers


def decimals(texts):
    block = "".join(f"{text}\n" for text in texts).encode()
    values, scales = Table("numbers", block, 1, ",", ["x"]).decimals("x")
    return [Decimal(v).scaleb(-s) for v, s in zip(values.tolist(), scales.tolist(), strict=True)]


def test_decimals_are_exact():
    draw = random.Random(4)
    texts = [
        "0",
        "-0.0",
        "+5",
        ".5",
        "7.",
        "1e3",
        "4.05e-05",
        "123456789012345678",
        "1E+2",
        "000.10",
    ]
    for _ in range(500):
        digits, places = draw.randrange(10 ** draw.randrange(1, 18)), draw.randrange(12)
        texts.append(f"{Decimal(digits).scaleb(-places):f}")
        texts.append(f"{draw.choice('+-')}{digits}e{draw.randrange(-9, 1)}")
    assert decimals(texts) == [Decimal(text) for text in texts]


@pytest.mark.parametrize(
    "text", ['""', "x", "1.2.3", "--1", "1e", "0x10", "nan", "1_0", "9" * 30, "1e40"]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ReplayError, match=r"^numbers:2: x "):
        decimals(["1", text, "3"])


def test_units_are_the_largest_that_divide_all():
    units = Units("price")
    units.add(np.array([15, 100]), np.array([1, 0], np.int8))  # 1.5 and 100
    units.add(np.array([250]), np.array([2], np.int8))  # 2.50
    values, unit = units.settle(str)
    assert values.tolist() == [3, 200, 5] and unit == Decimal("0.5")


@pytest.mark.parametrize(
    "values, unit",
    [([958], 2), ([75, 100], 25), ([9585, 9590], 5), ([30, 60], 10), ([7, 0], 1), ([0], 1)],
)
def test_units_are_like_ticks(values, unit):
    """Not 3 or 958, though all may be multiples of that: few prices say little."""
    units = Units("price")
    units.add(np.array(values), np.zeros(len(values), np.int8))
    assert units.settle(str)[1] == unit


def test_units_that_do_not_fit_are_refused():
    units = Units("price")
    units.add(np.array([10**17, 1]), np.array([0, 12], np.int8))
    with pytest.raises(ReplayError, match="line 0: price 100000000000000000 beside one with 12"):
        units.settle(lambda at: f"line {at}")


@pytest.mark.parametrize("name, size", [("BATCH", 1), ("BATCH", 3), ("BUFFER", 24)])
def test_batches_change_nothing(replay, monkeypatch, trades, name, size):
    """However small the batches or the event buffer are."""
    capture = COLUMNS + SNAPSHOT + EVENTS + END
    whole = [replay(DAY), replay(capture, "--trades", trades), replay(framed(*STREAM))]
    monkeypatch.setattr(drive, name, size)
    cut = [replay(DAY), replay(capture, "--trades", trades), replay(framed(*STREAM))]
    timing = {"seconds", "commands_per_second"}
    for one, other in zip(whole, cut, strict=True):
        assert {k: one[k] for k in one if k not in timing} == {
            k: other[k] for k in other if k not in timing
        }
