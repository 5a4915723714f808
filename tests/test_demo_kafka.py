"""The demo over Kafka: real runs of the whole, and its parts where no broker is needed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.demo import command
from pricetime.demo.latency import Latency

SECONDS = 240  # for what takes 30 on an idle machine
SECOND = 10**9  # ns


@pytest.fixture
def parts():
    """The modules that need the extra, by name."""
    pytest.importorskip("confluent_kafka")
    from pricetime.demo.kafka import frame, pairs, rates, runner, task, text, trader, twin

    return {m.__name__.rsplit(".", 1)[1]: m for m in (
        frame, pairs, rates, runner, task, text, trader, twin
    )}  # fmt: skip


# -- the options


@pytest.mark.parametrize("option", [("--fast-seconds", "0"), ("--fast-commands", "5")])
def test_options_of_the_other_parts_are_refused(capsys, option):
    assert main(["demo", "--kafka", *option]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"pricetime demo: {option[0]} is not for --kafka, where all is paced\n"


@pytest.mark.parametrize("missing", command.KAFKA_NEEDS)
def test_a_missing_extra_is_named(capsys, monkeypatch, missing):
    monkeypatch.setattr(command, "find_spec", lambda name: name != missing)
    assert main(["demo", "--kafka", "--plain"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"{missing}, which is not installed: pip install 'pricetime[kafka,broker]'" in err


# -- commands and their events


@pytest.fixture
def trader(parts):
    """A trader at 60 commands a minute of all four, and the commands that opened its book."""
    made = parts["trader"].Trader(parts["pairs"].PAIRS["XAU_EUR"], 1, 60, 4)
    return made, np.concatenate(list(made.open(1000 * SECOND)))


def test_commands_are_due_evenly_from_when_it_begins(trader):
    trader, opening = trader
    assert set(opening["timestamp"]) == {1000 * SECOND}
    trader.begin(2000 * SECOND, 0.5)
    assert [trader.due((2000 + at) * SECOND) for at in (0, 3, 4, 11, 12)] == [0, 0, 1, 2, 3]
    taken = np.concatenate([trader.take(2) for _ in range(3)])
    assert trader.given == len(taken)
    assert list(taken["timestamp"]) == [(2000 + 4 * (at + 1)) * SECOND for at in range(len(taken))]


def test_what_expires_does_so_behind_its_command(trader):
    _, opening = trader
    ends = opening["expires"][opening["expires"] > 0]
    assert len(ends)
    assert ends.min() >= 1000


def test_the_twin_knows_when_commands_were_due(parts, trader):
    trader, opening = trader
    definition = parts["pairs"].PAIRS["XAU_EUR"]
    twin, book = parts["twin"].Twin("XAU_EUR", definition.new_book()), definition.new_book()
    clock = np.zeros(1, pt.COMMAND)  # as a runner sends it
    clock["kind"], clock["timestamp"] = pt.Kind.CLOCK, 1500 * SECOND
    trader.begin(2000 * SECOND, 1.0)
    later = trader.take(1)
    for commands in (opening, clock, later):
        twin.take(commands)
        due = twin.match(book.process(commands))
    assert twin.commands == len(opening) + 1
    assert twin.waiting == 0
    assert set(due) == {2004 * SECOND}


def test_the_twin_sees_any_byte_that_differs(parts, trader):
    _, opening = trader
    book = parts["pairs"].PAIRS["XAU_EUR"].new_book()
    twin = parts["twin"].Twin("XAU_EUR", parts["pairs"].PAIRS["XAU_EUR"].new_book())
    twin.take(opening)
    events = book.process(opening)
    events["remaining"][7] += 1
    twin.match(events[:7])
    with pytest.raises(pt.Diverged, match="events 8 to 10 of XAU_EUR"):
        twin.match(events[7:10])


# -- what is measured


def test_many_latencies_at_once_are_as_one_by_one():
    durations = np.random.default_rng(1).lognormal(11, 5, 5000).astype(np.int64)
    durations[:3] = 0, 1, 1 << 52
    together, single = Latency(), Latency()
    together.add_all(durations, SECOND)
    for value in durations.tolist():
        single.add(value, 1, SECOND)
    assert together.whole() == single.whole()
    assert together.recent() == single.recent()


def test_latencies_of_several_are_joined():
    first, second, whole = Latency(), Latency(), Latency()
    for part, now in ((first, 1), (second, 3), (first, 3), (second, 9), (first, 10)):
        part.add(now * 1000, 1, now * SECOND)
        whole.add(now * 1000, 1, now * SECOND)
    second.turn(10 * SECOND)
    joined = Latency.joined([first, second])
    assert joined.whole() == whole.whole()
    assert joined.recent() == whole.recent()
    assert joined.second() == whole.second()


def test_rates_are_of_the_last_second(parts):
    rates = parts["rates"].Rates()
    assert rates.look(5 * SECOND, [100]) == [0]
    assert rates.look(5 * SECOND + SECOND // 2, [150]) == [100]
    for half in range(2, 9):
        found = rates.look(5 * SECOND + half * SECOND // 2, [150])
    assert found == [0]


def test_an_error_in_a_thread_is_raised_to_who_looks(parts):
    class Broken(parts["task"].Task):
        def work(self):
            raise ValueError("broken")

    task = Broken("broken")
    assert not task.running
    task.start()
    task.end()
    with pytest.raises(ValueError, match="broken"):
        _ = task.running


# -- the view


def drawn(frame, width, height):
    console_of = pytest.importorskip("rich.console").Console
    from pricetime.demo.kafka.view import View

    view = View("four pairs")
    view.picture(frame, width, height)
    picture = view.picture(frame, width, height)
    console = console_of(width=width, height=height, color_system=None)
    lines = console.render_lines(picture, console.options.update(width=width, height=height))
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.fixture
def moment(parts):
    """A frame in which runner 2 recovers."""
    frame, pairs = parts["frame"], parts["pairs"]
    latency = Latency()
    latency.add(3_000_000, 1, 0)
    second = latency.whole()
    return frame.Frame(
        elapsed=12.5, seconds=60.0, per_minute=1_600_000, rate=26_700.0, sent=333_000, behind=5,
        second=second, whole=second,
        pairs=tuple(
            frame.PairFrame(name, "27.5", 1 + at // 2, 9_000.0, 99, 9, 1.5 * (at // 2), second)
            for at, name in enumerate(pairs.PAIRS)
        ),
        runners=(
            frame.RunnerFrame(1, pairs.RUNNERS[0], 4711, "live", 0.0, 2, (1.25, 2.5)),
            frame.RunnerFrame(2, pairs.RUNNERS[1], 4712, "recovering", 1.5, 1, ()),
        ),
        news=("00:11  runner 2 is killed",), ending=False, keys=True,
    )  # fmt: skip


def test_view_shows_the_whole_on_any_terminal(moment):
    from rich.cells import cell_len

    whole = "\n".join(drawn(moment, 120, 30))
    for word in (
        "BTC_EUR",
        "26,700/s",
        "3.00 ms",
        "recovering 1.5 s",
        "nothing for 1.5 s",
        "recovered in 1.25 s, 2.50 s",
        "1, 2 kill a runner",
        "runner 2 is killed",
    ):
        assert word in whole, word
    assert whole.count("nothing for") == 2
    for width in (1, 10, 40, 80, 100, 200):
        for height in (1, 3, 10, 17, 18, 24, 60):
            lines = drawn(moment, width, height)
            assert {cell_len(line) for line in lines} == {width}
            assert len(lines) == height


def test_summary_counts_kills_and_what_was_not_sent(parts, moment):
    summary = parts["text"].summary(moment)
    assert "not sent" not in summary
    assert "BTC_EUR ETH_USD; killed 2 times, recovered in 1.25 s, 2.50 s" in summary
    assert "XAU_EUR XAG_GBP; killed once, recovered in -" in summary
    assert "; 999 more were due and not sent" in parts["text"].summary(moment._replace(behind=999))


# -- the whole


def started(*options, **keywords):
    """The demo as a process of its own that hears Ctrl-C, whoever started these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        words = [sys.executable, "-m", "pricetime", "demo", "--kafka", "--plain", *options]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(tmp_path):
    """Where temporary folders are made, and an environment that says so."""
    return tmp_path, {**os.environ, "TMPDIR": str(tmp_path)}


def children(process):
    """The numbers of the processes that it started, and what each is called."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
            if int(rest.split()[1]) == process.pid:
                found[int(path.parent.name)] = name
    return found


def until(process, begin):
    """Reads to a line that begins so."""
    assert any(line.startswith(begin) for line in process.stdout)


def test_a_runner_is_killed_and_recovers_and_nothing_is_missing(kafka, folder):
    path, environment = folder
    with started("--seconds", "12", "--rate", "24000", env=environment) as process:
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    for line in (
        r"00:0\d  [\d,]+/s  p50 .* BTC_EUR \d+\.\d\d [\d,]+/s .*  runner 1 live  runner 2 live",
        r"00:0\d  runner 1 is killed",
        r"00:\d\d  runner 1 has recovered in \d+\.\d\d s",
        r"  commands +[\d,]+ in 1\d\.\d s",
        r"  events +[\d,]+, of which [\d,]+ are trades",
        r"  missing +nothing: ",
        r"  latency +p50 \S+ [um]?s  p99 \S+ [um]?s  p99\.9 \S+ [um]?s  max \S+ [um]?s",
        r"  runner 1 +BTC_EUR ETH_USD; killed once, recovered in \d+\.\d\d s",
        r"  runner 2 +XAU_EUR XAG_GBP; never killed",
    ):
        assert re.search(f"^{line}", out, re.M), (line, out)
    assert out.isascii()
    assert not list(path.iterdir())


def test_interrupt_ends_with_the_summary_and_leaves_nothing(kafka, folder):
    path, environment = folder
    with started("--seconds", "0", "--rate", "24000", env=environment) as process:
        until(process, "00:02")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert re.search("^  missing +nothing: ", out, re.M)
    assert not list(path.iterdir())


def test_a_dead_broker_ends_it_with_an_error(kafka, folder):
    path, environment = folder
    with started("--seconds", "0", "--rate", "24000", env=environment) as process:
        until(process, "00:01")
        broker = next(number for number, name in children(process).items() if name == "java")
        os.kill(broker, signal.SIGKILL)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "pricetime demo: ended by an error: the broker has ended" in err
    assert not list(path.iterdir())


def test_nothing_outlives_a_demo_that_is_killed(kafka, folder):
    _, environment = folder
    with started("--seconds", "0", "--rate", "24000", env=environment) as process:
        until(process, "00:01")
        started_by_it = children(process)
        assert len(started_by_it) == 3
        process.kill()
        process.communicate(timeout=SECONDS)
    end = time.monotonic() + SECONDS
    while any(os.path.exists(f"/proc/{child}") for child in started_by_it):
        assert time.monotonic() < end, "a broker or a runner is left"
        time.sleep(0.1)
