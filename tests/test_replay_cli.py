"""The command line of replays: help, files that it writes, and every way in which input can be bad.

Bad input ends with code 2 and one line on stderr that names the file, the place, what was given and
what is allowed; nothing half written is left.
"""

import builtins
import contextlib
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.replay import output
from replay_samples import COLUMNS, DAY, EVENTS, SESSION, SNAPSHOT, STREAM, TRADES, framed

CAPTURE = COLUMNS + SNAPSHOT + EVENTS
ITCH = framed(*STREAM)
ONE_ROW = "".join(SESSION.splitlines(keepends=True)[:2])
BOOK = "1000100,50,1000000,50\n"


@pytest.fixture
def run(tmp_path, capsys):
    """Writes files by their names and runs a command line in which {name} is a file's path."""

    def go(line, **files):
        paths = {name: tmp_path / name for name in files}
        for name, content in files.items():
            paths[name].write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main([word.format(dir=tmp_path, **paths) for word in line.split()])
        out, err = capsys.readouterr()
        return code, out, err.replace(str(tmp_path) + os.sep, "")

    return go


def cut(data, size):
    return gzip.compress(data.encode() if isinstance(data, str) else data)[:size]


BAD = {
    # what: (content, how the line on stderr goes on behind the name of the file)
    "empty": ("", ": the file is empty; nothing to replay"),
    "blank": ("\n \n", ": nothing but blank lines"),
    "empty gzip": (gzip.compress(b""), ": the file is empty"),
    "header alone": (COLUMNS, ": a header and no rows"),
    "unknown": ("a,b,c\n1,2,3\n", ":1: no known format in 'a,b,c'; allowed: LOBSTER"),
    "noise": (random.Random(1).randbytes(999), ":1: no known format"),
    "zip": (b"PK\x03\x04....", ": packed by zip; give it as it is or packed by gzip"),
    "bzip2": (b"BZh91AY&SY", ": packed by bzip2"),
    "order book": (BOOK, ":1: this looks like an order-book file; give the message file, and this"),
    "trades": (TRADES, ":1: this is a file of trades; give the orders, and this one by --trades"),
    "gzip cut": (cut(DAY * 99, 80), ": the gzip data ends too early, .* bytes unpacked; get the"),
    "gzip cut in its header": (cut(DAY, 9), ": the gzip data ends too early, 0 bytes unpacked"),
    "gzip damaged": (gzip.compress(DAY.encode())[:-6] + b"\1\2\3\4\5\6", ": the gzip data is dam"),
    "gzip and more": (gzip.compress(DAY.encode()) + b"more", ": the gzip data is damaged"),
    "missing column": (
        CAPTURE.replace("volume", "v", 1),
        ":1: no column volume among 'id, .*'; a capture .* has id, timestamp, exchange_timestamp",
    ),
    "few columns": ("1,1,5,10,1000,1\n2,1,6,10,1000\n", ":2: 5 columns where 6 are wanted"),
    "many columns": ("1,1,5,10,1000,1\n2,1,6,10,1000,1,7\n", ":2: 7 columns where 6 are wanted"),
    "type": ("1,1,5,10,1000,1\n2,9,6,10,1000,1\n", ":2: type '9'; allowed: 1 to 7"),
    "direction": (DAY + "34206,1,9,1,1000000,2\n", ":9: direction '2'; allowed: 1 .buy. or -1"),
    "size": (DAY + "34206,1,9,0,1000000,1\n", ":9: size '0'; allowed: 1 share or more"),
    "no size": (DAY + "34206,1,9,,1000000,1\n", ":9: size is empty; allowed: a whole number"),
    "part of a share": (DAY + "34206,1,9,1.5,1000000,1\n", ":9: size '1.5'; allowed: a whole"),
    "price": (DAY + "34206,1,9,1,10.5,1\n", ":9: price '10.5'; allowed: a whole number of 0.0001"),
    "time": (DAY + "noon,1,9,1,1000000,1\n", ":9: time 'noon'; allowed: seconds after midnight"),
    "id": (
        DAY + "34206,1,99999999999999999999,1,1000000,1\n",
        ":9: order_id '99999999999999999999'",
    ),
    "line behind blank lines": ("\n\n" + DAY + "\nx,1,9,1,1000000,1\n", ":12: time 'x'"),
    "action": (CAPTURE.replace("deleted", "gone", 1), ":6: action 'gone'; allowed: created, chan"),
    "side": (CAPTURE.replace("ask", "sideways", 1), ":2: direction 'sideways'; allowed: bid, ask"),
    "volume": (CAPTURE.replace("1.5", "-1.5", 1), ":2: volume '-1.5'; allowed: 0 or more"),
    "unit": (CAPTURE.replace("1.5", "1e17", 1), ":2: volume 1.* beside one with 8 decimal places"),
    "qty": (SESSION.replace("4;95.85", "four;95.85"), ":3: qty 'four'; allowed: a number"),
    "no price": (
        SESSION.replace("95.85", ""),
        ":3: price is empty; allowed: a value for every new",
    ),
    "moment": (SESSION.replace("09:00:33", "9 o'clock"), ":6: timestamp .2019.*; allowed: a time"),
    "ITCH cut": (ITCH[:-3], ": byte 447: the file ends 18 bytes into a message of type 'D'"),
    "ITCH type": (ITCH + b"\0\0%", ": byte 468: message type b'%' is not one of ITCH 5.0 .S R H"),
    "ITCH length": (
        b"\0\x0bS" + bytes(60),
        ": byte 0: message type 'S' of 11 bytes; ITCH 5.0 has 12",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_ends_with_one_line(run, what):
    content, message = BAD[what]
    code, out, err = run("replay {tape} --out {dir}/events.npy", tape=content)
    assert code == 2 and out == ""
    assert err.count("\n") == 1
    assert re.match(f"pricetime replay: tape(?:{message})", err), err


OPTIONS = [
    ("replay {dir}/none", "none: no such file or directory"),
    ("replay {dir}", ": is a directory; give one file"),
    (
        "replay {day} --trades {trades}",
        "--trades goes with a capture with the columns of Bitstamp's",
    ),
    ("replay {itch} --order-book {book}", "--order-book goes with a LOBSTER message file"),
    ("replay {day} --stock ABC", "--stock goes with a NASDAQ ITCH 5.0 file"),
    ("replay {itch} --stock NONE", "itch: no stock NONE; the file has ABC, XYZ"),
    ("replay {day} --order-book {dir}/none", "none: no such file or directory"),
    (
        "replay {day} --order-book {day}",
        "day:1: '34200.000000001,.*' is not a row of whole numbers",
    ),
    ("replay {day} --order-book {odd}", "odd:2: 3 columns; allowed: 4"),
    ("replay {day} --order-book {long}", "long: 9 rows for 8 messages; allowed: one row for each"),
    ("replay {day} --order-book {empty}", "empty: the file is empty; no order-book rows in it"),
    ("replay {capture} --trades {capture}", "capture:1: no column amount|no column buy_order_id"),
    ("replay {capture} --trades {empty}", "empty: the file is empty; no trades in it"),
    ("replay {day} --format itch", "day: byte 0: message type b'2' is not one of ITCH 5.0"),
    ("replay {day} --format bme", "day:1: ordtype '34200.000000001'; allowed: new, modif, cancel"),
    ("replay {capture} --format lobster", "capture:1: no column type"),
    ("replay {day} --out events.txt", "--out events.txt ends in .txt; allowed: .npy, .parquet"),
    ("replay {day} --out events", "--out events has no ending; allowed"),
    ("replay {day} --plot day.jpg", "--plot day.jpg ends in .jpg; allowed: .png, .svg, .pdf"),
    ("replay {day} --out {dir}/no/events.npy", "there is no directory"),
]


@pytest.mark.parametrize("line, message", OPTIONS)
def test_bad_options_end_with_one_line(run, line, message):
    files = {"day": DAY, "capture": CAPTURE, "itch": ITCH, "trades": TRADES, "book": BOOK}
    files |= {"odd": BOOK + "1,2,3\n", "long": BOOK * 9, "empty": ""}
    code, out, err = run(line, **files)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert re.search(message, err), err


@pytest.mark.parametrize("line", ["", "nonsense", "replay", "replay x --differences -1"])
def test_wrong_command_lines_exit_with_2(line, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(line.split())
    assert exit_.value.code == 2
    assert "usage: pricetime" in capsys.readouterr().err


def test_help_is_worth_reading(capsys):
    for line, words in (
        ("--help", ["matching engine", "sub-commands", "examples:", "pricetime replay AAPL"]),
        ("replay --help", ["LOBSTER", "ITCH", "bitstamp", "bme", "examples:", "--plot", "130"]),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(line.split())
        text = capsys.readouterr().out
        assert exit_.value.code == 0 and all(word in text for word in words)


def test_text_report(run):
    code, out, _ = run("replay {tape}", tape=DAY.replace("34202,4,11", "34202,4,77"))
    assert code == 0
    for words in ("LOBSTER messages, 8 rows", "commands/s", "real executions", "real cancels"):
        assert words in out


def test_differences_are_bounded(run):
    rows = "".join(f"{i},3,{i},5,1000000,1\n{i},3,{i},5,1000000,1\n" for i in range(1, 50))
    for count in (0, 3):
        _, out, _ = run(f"replay {{tape}} --json --differences {count}", tape=rows)
        report = json.loads(out)
        assert report["differences"]["commands that the book refused"] == 49
        kinds = [difference["kind"] for difference in report["first_differences"]]
        assert all(kinds.count(kind) == count for kind in report["differences"]) or not kinds


def test_events_npy_are_the_books_own(run, tmp_path):
    code, _, _ = run("replay {tape} --out {dir}/events.npy", tape=SESSION)
    events = np.load(tmp_path / "events.npy")
    assert code == 0 and events.dtype == pt.EVENT
    assert events["sequence"].tolist() == list(range(1, len(events) + 1))
    assert events["quantity"][events["kind"] == pt.EventKind.TRADE].tolist() == [4]
    assert sorted(os.listdir(tmp_path)) == ["events.npy", "tape"]


@pytest.mark.parametrize("tape", [SESSION, ITCH], ids=["one book", "two books"])
def test_events_parquet_are_the_same(run, tmp_path, tape):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    run("replay {tape} --out {dir}/events.npy", tape=tape)
    run("replay {tape} --out {dir}/events.parquet", tape=tape)
    events, table = (
        np.load(tmp_path / "events.npy"),
        parquet.read_table(tmp_path / "events.parquet"),
    )
    assert table.column_names == list(events.dtype.names)
    for name in events.dtype.names:
        column = table[name].to_pylist()
        assert column == [v.decode() if name == "stock" else v for v in events[name].tolist()]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize("tape", [DAY, CAPTURE, SESSION, ITCH, ONE_ROW])
def test_plot(run, tmp_path, ending, tape):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code, _, err = run(f"replay {{tape}} --plot {{dir}}/day.{ending}", tape=tape)
    assert code == 0, err
    assert (tmp_path / f"day.{ending}").stat().st_size > 5_000


def test_earlier_files_stay_when_a_run_fails(run, tmp_path):
    (tmp_path / "events.npy").write_text("earlier")
    code, _, _ = run("replay {tape} --out {dir}/events.npy", tape=ITCH[:-3])
    assert code == 2 and (tmp_path / "events.npy").read_text() == "earlier"
    assert sorted(os.listdir(tmp_path)) == ["events.npy", "tape"]


def test_disk_that_is_full_ends_with_one_line(run, monkeypatch):
    def full(self, events, book):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.EventFile, "write", full)
    code, out, err = run("replay {tape} --out {dir}/events.npy", tape=DAY)
    assert code == 2 and out == "" and err.endswith("events.npy: no space left on device\n")


@pytest.mark.parametrize(
    "module, line, extra",
    [("matplotlib", "--plot {dir}/a.png", "data"), ("pyarrow", "--out {dir}/a.parquet", "data")],
)
def test_missing_extra_is_said_before_any_work(run, monkeypatch, module, line, extra):
    monkeypatch.setattr(output, "find_spec", lambda name: None)
    code, _, err = run("replay {dir}/none " + line)
    assert code == 2
    assert f"needs {module}, which is not installed: pip install 'pricetime[{extra}]'" in err


def test_without_rich_one_line_says_how_to_get_the_bar(run, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = run("replay {tape}", tape=DAY)
    assert code == 0
    assert err == "pricetime: no progress bar without rich: pip install 'pricetime[cli]'\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_ctrl_c_leaves_nothing_behind(tmp_path):
    """Interrupted while it waits for more of a stream, with its file of events begun."""
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    out.mkdir()
    os.mkfifo(pipe)
    feed = os.open(pipe, os.O_RDWR)  # both ends, so that nobody waits for the other
    line = [sys.executable, "-m", "pricetime", "replay", str(pipe), "--out", str(out / "e.npy")]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        data = memoryview(framed(*STREAM[:1]) * 5000)
        patience = time.monotonic() + 60
        os.set_blocking(feed, False)
        while not os.listdir(out) and process.poll() is None and time.monotonic() < patience:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(feed, data) :]
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    os.close(feed)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("pricetime replay: stopped by Ctrl-C")
    assert os.listdir(out) == []


def test_module_runs_and_pipes_are_files(tmp_path):
    line = [sys.executable, "-m", "pricetime", "replay", "/dev/stdin"]
    done = subprocess.run(line, input=DAY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "real executions" in done.stdout


def mutated(data, draw):
    """The file with some bytes or lines changed, dropped or doubled."""
    if isinstance(data, bytes):
        changed = bytearray(data)
        for _ in range(draw.choice([1, 3, 20])):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed[: draw.randrange(1, len(changed) + 1)])
    rows = data.split("\n")
    for _ in range(draw.choice([1, 2, 10])):
        at, other = draw.randrange(len(rows)), draw.randrange(len(rows))
        if draw.random() < 0.5:
            rows[at] = rows[other]
        else:
            one, two = rows[at].split(","), rows[other].split(",")
            one[draw.randrange(len(one))] = draw.choice([*two, "-1", "1e17", "0", '"'])
            rows[at] = ",".join(one)
    return "\n".join(rows)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_end_with_a_report_or_a_line(run, seed):
    draw = random.Random(seed)
    for tape in (DAY, CAPTURE, SESSION, ITCH):
        code, out, err = run("replay {tape}", tape=mutated(tape, draw))
        assert (code == 0 and out) or (code == 2 and err.count("\n") == 1)
