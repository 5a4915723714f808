"""`pricetime log`: what a venue file tells, line by line, to people and to programs."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing, redirect_stdout
from decimal import Decimal
from pathlib import Path

import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.log import SqliteReader
from pricetime.records import EventFlag, EventKind, Reason, Side
from venue_samples import (
    BATCH,
    BOND,
    EUR,
    START,
    clock,
    copied,
    deals,
    flipped,
    make,
    put,
    rows,
    spends,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make(tmp_path_factory.mktemp("whole") / "venue.db", patch)


@pytest.fixture
def log(capsys):
    """Runs the command; its code, lines and errors."""

    def go(path, *options):
        code = main(["log", str(path), *map(str, options)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return go


@pytest.fixture
def told(log):
    """The objects that --json gives."""

    def go(path, *options):
        code, lines, err = log(path, "--json", *options)
        assert code == 0, err
        return [json.loads(line) for line in lines]

    return go


def events_of(path, name, after=0):
    with closing(SqliteReader(path)) as reader:
        return [row for batch in reader.events(name, after) for row in batch.records]


# -- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", [EUR, BOND])
def test_json_is_the_record_exactly(told, whole, instrument):
    objects = told(whole, "--market", instrument.name)
    events = events_of(whole, instrument.name)
    assert len(objects) == len(events)
    for given, event in zip(objects, events, strict=True):
        assert given["instrument"] == instrument.name
        kind = EventKind[given["kind"]]
        side = Side[given["side"]] if given["side"] else 0
        reason = Reason[given["reason"]] if given["reason"] else 0
        flags = sum(EventFlag[flag] for flag in given["flags"])
        ints = {"kind": kind, "side": side, "reason": reason, "flags": flags, "reserved": 0}
        assert event.tolist() == tuple((given | ints)[name] for name in pt.EVENT.names)
        assert Decimal(given["price_decimal"]) == event["price"] * instrument.tick_size
        lots = int(event["maker_remaining"])
        assert Decimal(given["maker_remaining_decimal"]) == instrument.quantity(lots)
        if not given["in_money"]:
            assert Decimal(given["quantity_decimal"]) == event["quantity"] * instrument.lot_size
            assert Decimal(given["remaining_decimal"]) == event["remaining"] * instrument.lot_size


def test_every_object_has_the_same_fields(told, whole):
    objects = told(whole)
    assert {tuple(given) for given in objects} == {tuple(objects[0])}
    assert {given["instrument"] for given in objects} == {EUR.name, BOND.name}


def test_what_is_spent_is_money(told, whole):
    accepted, trade, last = told(whole, "--market", EUR.name, "--order", 1201)
    assert accepted["in_money"] and accepted["quantity"] == 2_700_050 * 3 + 11
    assert accepted["quantity_decimal"] == f"{EUR.amount(2_700_050 * 3 + 11):f}" == "0.8100161"
    assert (trade["kind"], trade["quantity_decimal"]) == ("TRADE", "0.00003"), "it gets lots"
    assert trade["remaining_decimal"] == "0.0000011"
    assert (last["kind"], last["quantity_decimal"]) == ("CANCELLED", "0.0000011")


def test_an_id_that_spent_and_is_used_again_is_no_money(told, tmp_path):
    path = tmp_path / "venue.db"
    with pt.Venue(path, clock=clock()) as venue:
        venue.add(EUR)
        venue.submit(EUR.name, deals(1))
        venue.submit(EUR.name, spends(1, 77))
        for _ in range(3):
            venue.submit(EUR.name, deals(4))
        again = deals(1)
        again["order_id"] = 77
        venue.submit(EUR.name, again)
    objects = told(path, "--order", 77)
    assert [given["in_money"] for given in objects] == [True] * 3 + [False]


# -- filters --------------------------------------------------------------------------------------


def test_filters_are_those_of_the_records(told, whole):
    name = ("--market", EUR.name)
    every = told(whole, *name)
    trades = [given for given in every if given["kind"] == "TRADE"]
    assert told(whole, *name, "--kind", "TRADE") == trades
    assert told(whole, *name, "--kind", "trade,CANCELLED") == [
        given for given in every if given["kind"] in ("TRADE", "CANCELLED")
    ]
    assert told(whole, *name, "--account", 8) == [
        given for given in every if 8 in (given["account"], given["maker_account"])
    ]
    maker = trades[10]["maker_id"]
    assert told(whole, *name, "--order", maker) == [
        given for given in every if maker in (given["order_id"], given["maker_id"])
    ]
    assert told(whole, *name, "--after", 500) == every[500:]
    assert told(whole, *name, "--last", 7) == every[-7:]
    assert told(whole, *name, "--last", 3, "--kind", "TRADE") == trades[-3:]
    assert told(whole, *name, "--after", 500, "--last", 10_000) == every[500:]
    assert told(whole, *name, "--after", 10**9) == []


def test_the_successor_of_a_replace_finds_it(told, whole):
    replaced = told(whole, "--market", BOND.name, "--kind", "REPLACED")
    successor = replaced[0]["detail"]
    assert replaced[0] in told(whole, "--market", BOND.name, "--order", successor)


def test_last_is_of_each_instrument(told, whole):
    names = [given["instrument"] for given in told(whole, "--last", 2)]
    assert names == [EUR.name] * 2 + [BOND.name] * 2


def test_commands_are_told_with_their_numbers_and_tokens(told, whole):
    commands = told(whole, "--market", EUR.name, "--commands")
    assert [given["number"] for given in commands] == list(range(1, 1200 + 6 * BATCH + 6))
    marked = [given["token"] for given in commands[: 3 * BATCH]]
    assert marked == [True] * 2 * BATCH + [False] * BATCH, "the first one came twice"
    assert commands[5]["quantity_decimal"] == "0.24999"
    assert told(whole, "--market", EUR.name, "--commands", "--after", 57) == commands[57:]
    assert told(whole, "--market", EUR.name, "--commands", "--last", 5) == commands[-5:]
    assert told(whole, "--market", EUR.name, "--commands", "--order", 9) == [
        given for given in commands if given["order_id"] == 9
    ]


# -- the blotter ----------------------------------------------------------------------------------


def test_the_blotter_is_aligned_and_reads_as_a_desk_reads(log, tmp_path):
    path = tmp_path / "venue.db"
    with pt.Venue(path, clock=lambda: START) as venue:
        market = venue.add(EUR)
        market.limit("sell", "27000.50", "0.25", account=7)
        market.limit("buy", "27001", "0.1", account=8)
        market.stop("sell", "26999", "0.05", account=7)
        market.cancel(1, account=7)
        market.limit("sell", "27005", "0.3", peak="0.1", account=7)
        market.market("buy", "0.1")
        market.limit("buy", "27005", "0.1", flags=pt.Flag.POST_ONLY)
        market.set("collar", "50")
        market.phase("auction")
        market.clock()
    code, lines, _ = log(path)
    assert code == 0
    assert lines == (Path(__file__).parent / "data" / "blotter.txt").read_text().splitlines()


def test_every_kind_of_event_and_command_has_its_line(log, whole):
    _, lines, _ = log(whole, "--market", BOND.name)
    kinds = {line.split()[3] for line in lines[1:]}
    assert kinds >= {kind.name for kind in EventKind} - {"INDICATIVE"}
    _, lines, _ = log(whole, "--market", BOND.name, "--commands")
    assert {line.split()[3] for line in lines[1:]} >= {"NEW", "REPLACE", "QUOTE", "SET", "ARM"}


def test_an_instrument_has_its_column_where_there_are_several(log, whole):
    _, lines, _ = log(whole, "--last", 1)
    assert lines[0].split()[2] == "instrument"
    assert [line.split()[2] for line in lines[1:]] == [EUR.name, BOND.name]


# -- following ------------------------------------------------------------------------------------


def test_follow_tells_what_comes_and_ends_on_ctrl_c(tmp_path):
    path = tmp_path / "venue.db"
    with pt.Venue(path, clock=clock()) as venue:
        market = venue.add(EUR)
        market.limit("sell", "27000.50", "0.25")
        line = [sys.executable, "-m", "pricetime", "log", str(path), "--follow", "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(line, text=True, **pipes) as process:
            seen = [json.loads(process.stdout.readline())]
            for number in range(2, 5):
                market.limit("sell", "27000.50", "0.25", order_id=number)
                seen.append(json.loads(process.stdout.readline()))
            market = venue.add(BOND)
            market.limit("buy", "100.05", "3")
            seen.append(json.loads(process.stdout.readline()))
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
    assert [(given["instrument"], given["sequence"]) for given in seen] == [
        (EUR.name, 1), (EUR.name, 2), (EUR.name, 3), (EUR.name, 4), (BOND.name, 1),
    ]  # fmt: skip
    assert (process.returncode, rest) == (130, "")
    assert "Traceback" not in errors and "stopped by Ctrl-C" in errors


def test_follow_begins_with_the_last_few(whole):
    line = [sys.executable, "-m", "pricetime", "log", str(whole), "--follow", "--json", "--market",
            EUR.name]  # fmt: skip
    with subprocess.Popen(line, text=True, stdout=subprocess.PIPE) as process:
        first = json.loads(process.stdout.readline())
        process.kill()
        process.communicate()
    assert first["sequence"] == len(events_of(whole, EUR.name)) - 9


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(whole, options):
    code = (
        f"import sys; from pricetime.cli import main; sys.exit(main(['log', {str(whole)!r}, *"
        f"{options!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")


# -- what is not there any more, or damaged -------------------------------------------------------


def test_a_trimmed_log_begins_where_it_begins(log, told, whole, tmp_path):
    path = copied(whole, tmp_path / "venue.db")
    with pt.Venue(path, clock=lambda: 1) as venue:
        point = venue.trim(EUR.name)
    assert told(path, "--market", EUR.name)[0]["sequence"] == point.sequence + 1
    code, _, err = log(path, "--market", EUR.name, "--after", 5)
    assert code == 2
    assert f"events of {EUR.name} begin at {point.sequence + 1}: those before were trimmed" in err


def test_a_damaged_file_is_shown_up_to_the_damage(log, whole, tmp_path):
    path = copied(whole, tmp_path / "venue.db")
    at, batch = rows(path, "events", EUR.name)[4]
    put(path, "events", EUR.name, at, flipped(batch, 100))
    code, lines, err = log(path, "--market", EUR.name)
    assert code == 2
    assert len(lines) == at, "the head and the events before"
    assert re.search(rf"pricetime log: .*: events of {EUR.name} from {at}: its checksum", err)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--kind", "FILL"], "--kind 'FILL' is no kind of event; allowed: ACCEPTED, REJECTED, "),
        (["--kind", "TRADE", "--commands"], "--kind 'TRADE' is no kind of command; allowed: NEW"),
        (["--market", "ETH"], f"has no instrument 'ETH'; it has {EUR.name}, {BOND.name}"),
    ],
)
def test_options_that_cannot_be_used_end_with_one_line(log, whole, options, told):
    code, lines, err = log(whole, *options)
    assert code == 2 and not lines
    assert told in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        (["--last", "-1"], 63),
        (["--last", str(1 << 63)], 63),
        (["--after", "x"], 63),
        (["--after", str(1 << 63)], 63),
        (["--order", str(1 << 64)], 64),
    ],
)
def test_numbers_that_are_none_are_refused(whole, options, bits, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["log", str(whole), *options])
    assert exit_.value.code == 2
    assert f"is no number; allowed: 0 to 2^{bits} - 1" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--commands"], ["--account", "1"]])
def test_the_largest_numbers_are_numbers(log, whole, options):
    most = str((1 << 63) - 1)
    assert log(whole, "--last", most, *options) == log(whole, *options)
    code, lines, _ = log(whole, "--after", most, *options)
    assert (code, len(lines)) == (0, 1), "the head alone"


def test_an_output_that_cannot_show_a_name_is_told(tmp_path):
    path = tmp_path / "venue.db"
    with pt.Venue(path) as venue:
        for name in ("A", "株"):
            venue.add(pt.Instrument(name, tick_size=1, lot_size=1)).limit("buy", 1, 1)
    for command in ("log", "verify"):
        done = subprocess.run(
            [sys.executable, "-m", "pricetime", command, path],
            env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2
        assert "the output's encoding is ascii, which has no '\\u682a': set" in done.stderr


def test_there_is_no_file(log, tmp_path):
    code, _, err = log(tmp_path / "none.db")
    assert (code, err.count("\n")) == (2, 1)
    assert not os.listdir(tmp_path), "and none is made"


def test_help_is_worth_reading(capsys):
    for command in ("log", "verify", "export", "trim", "migrate"):
        with pytest.raises(SystemExit) as exit_:
            main([command, "--help"])
        assert exit_.value.code == 0
        text = capsys.readouterr().out
        assert "examples:" in text and "Ends with 0" in text, command


def test_colours_stand_at_a_terminal_alone(whole):
    pytest.importorskip("rich", reason="rich is not installed")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    with redirect_stdout(shown), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        assert main(["log", str(whole), "--last", "3", "--market", EUR.name]) == 0
    assert "\x1b[32m" in shown.getvalue()
    assert threading.active_count() == 1
