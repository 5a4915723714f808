"""The demo: both ways of running its flow, its view, its command line.

Times are those of a clock that the tests turn, but where the whole program runs.
"""

import contextlib
import itertools
import os
import re
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pricetime as pt
import pytest
from pricetime.cli import main
from pricetime.demo import command, run, text
from pricetime.demo.latency import Latency

MINUTE = 1_600_000
BRIEF = ("--plain", "--seconds", "0.1", "--fast-commands", "20000")


def never():
    return False


# -- latencies


def test_percentiles_are_never_better_than_what_was_measured():
    durations = np.random.default_rng(1).lognormal(11, 3, 20_000).astype(np.int64)
    latency = Latency()
    for value in durations.tolist():
        latency.add(value, 1, 0)
    ordered = np.sort(durations)
    found = latency.whole()
    assert found == latency.recent()
    for percentile, rank in zip(found, (10_000, 19_800, 19_980, 20_000), strict=True):
        assert ordered[rank - 1] <= percentile <= 1.017 * ordered[rank - 1]
    assert found.max == ordered[-1]


def test_old_latencies_leave_what_is_recent():
    latency = Latency()
    latency.add(5_000_000, 10, 0)
    latency.add(1_000, 90, 3 * 10**9)
    assert latency.recent().max == 5_000_000
    latency.add(1_000, 1, 9 * 10**9)
    assert latency.recent().max == latency.second().max == 1_000 or latency.second().max == 0
    assert latency.whole().max == 5_000_000
    latency.add(1_000, 1, 10**15)
    assert latency.recent() == (1_000,) * 4


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "-"),
        (71, "0.07 us"),
        (9_994, "9.99 us"),
        (71_000, "71.0 us"),
        (999_499, "999 us"),
        (999_500, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (2_050_000_000, "2.05 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds, shown):
    assert text.duration(nanoseconds) == shown


def test_clock_has_hours_where_there_are_any():
    assert [text.clock(second) for second in (0, 61.9, 3_600)] == ["00:00", "01:01", "1:00:00"]


# -- pacing, by a clock that stands still but where it is turned


class Clock:
    """In the place of the module `time`: sleeping takes what it should, looking takes nothing."""

    def __init__(self):
        self.now = 10**15

    def perf_counter_ns(self):
        return self.now

    def perf_counter(self):
        return self.now / 10**9

    def sleep(self, seconds):
        self.now += round(seconds * 10**9)


@pytest.fixture
def paced(monkeypatch):
    """Runs at the usual rate; `takes` gives the ns that each packet keeps the book busy."""

    def go(seconds, takes, stop=never, show=lambda frame: None):
        turned = Clock()
        monkeypatch.setattr(run, "time", turned)
        exchange = run.Exchange(1, MINUTE)
        book = exchange.book

        class Slow:
            def process(self, commands):
                turned.now += next(takes)
                return book.process(commands)

            def __getattr__(self, name):
                return getattr(book, name)

            def __len__(self):
                return len(book)

        exchange.book = Slow()
        return run.Paced(exchange, MINUTE, seconds).run(show, 0.1, stop).pace

    return go


def test_every_command_is_sent_in_time(paced):
    frames = []
    pace = paced(1.0, itertools.repeat(20_000), show=frames.append)
    assert pace.done == pace.due == MINUTE // 60
    assert pace.elapsed == pytest.approx(1.0, abs=0.001)
    assert pace.whole == (20_000,) * 4
    assert pace.busy == pytest.approx(0.01, rel=0.01)
    assert len(frames) == 10
    assert [round(frame.pace.elapsed, 1) for frame in frames] == [n / 10 for n in range(1, 11)]
    assert all(frame.pace.achieved == pytest.approx(26_667, rel=0.01) for frame in frames)


def test_a_stall_counts_for_all_that_was_due_meanwhile(paced):
    stall = itertools.chain([20_000] * 100, [100_000_000], itertools.repeat(20_000))
    pace = paced(1.0, stall)
    assert pace.done == pace.due == MINUTE // 60
    assert pace.whole.max == 100_000_000
    # Fifty packets came due in that tenth of a second: 1 % of all commands waited 80 ms and more.
    assert 80_000_000 < pace.whole.p99 < 100_000_000
    assert pace.whole.p50 == pytest.approx(20_000, rel=0.016)


def test_what_is_never_reached_counts_with_the_time_it_waited(paced):
    pace = paced(1.0, itertools.repeat(8_000_000))  # four times as long as a packet may take
    assert pace.elapsed == pytest.approx(1.05, abs=0.02)
    assert pace.done == pytest.approx(MINUTE / 60 / 4, rel=0.1)
    assert pace.due == MINUTE // 60
    assert pace.whole.p50 == pytest.approx(0.44e9, rel=0.2)
    assert pace.whole.max == pytest.approx(0.79e9, rel=0.1)


def test_a_run_without_end_stops_when_told(paced):
    answers = itertools.chain([False] * 700, itertools.repeat(True))
    pace = paced(0, itertools.repeat(20_000), stop=lambda: next(answers))
    assert pace.elapsed == pytest.approx(1.4, abs=0.01)
    assert pace.done == pace.due == 700 * MINUTE // 30_000


# -- as fast as it goes


def test_race_ends_in_the_same_state_however_long_it_takes():
    done = []
    for _ in range(2):
        exchange = run.Exchange(3, MINUTE)
        exchange.race(0.0, 30_001, done.append, never)
        exchange.book.check()
        flat = exchange.flat_out
        assert flat.commands == exchange.book.commands == 30_001
        assert (flat.events, flat.trades) == (exchange.book.sequence, exchange.book.trades)
        done.append(flat.state_hash)
    hashes = [entry for entry in done if isinstance(entry, str)]
    assert hashes[0] == hashes[1]
    assert max(entry for entry in done if not isinstance(entry, str)) == 1.0


def test_race_takes_batches_with_more_events_than_its_buffer_holds(monkeypatch):
    hashes = []
    for events in (run.BUFFER, 64):
        monkeypatch.setattr(run, "BUFFER", events)
        exchange = run.Exchange(3, MINUTE)
        exchange.race(0.0, 10_000, lambda fraction: None, never)
        hashes.append(exchange.flat_out.state_hash)
    assert hashes[0] == hashes[1]


def test_race_ends_when_its_time_is_over_or_when_told():
    exchange = run.Exchange(3, MINUTE)
    exchange.race(0.05, None, lambda fraction: None, never)
    assert exchange.flat_out.wall >= 0.05
    assert exchange.flat_out.commands % 4096 == 0
    stopped = run.Exchange(3, MINUTE)
    stopped.race(60.0, None, lambda fraction: None, lambda: True)
    assert stopped.flat_out.commands == 0


# -- the view


@pytest.fixture(scope="module")
def frames():
    """Some frames: of an almost empty book, and of a full one between its auctions."""
    taken = []
    run.Paced(run.Exchange(1, MINUTE), MINUTE, 0.02).run(taken.append, 0.01, never)
    exchange = run.Exchange(1, MINUTE)
    exchange.race(0.0, 60_000, lambda fraction: None, never)
    run.Paced(exchange, MINUTE, 0.4).run(taken.append, 0.05, never)
    last = max(n for n, frame in enumerate(taken) if frame.market.phase is pt.Phase.CONTINUOUS)
    return taken[: last + 1]


@pytest.fixture(scope="module")
def auction(frames):
    """A frame of a closing auction, and one of its end."""
    exchange = run.Exchange(1, MINUTE)
    exchange.open()
    exchange.flow.session(16_000)
    taken = []
    for count in (15_000, 1_000):
        exchange.learn(exchange.book.process(exchange.flow.make(count)))
        taken.append(frames[-1]._replace(market=exchange.market()))
    return taken


def drawn(frames, width, height):
    """The lines that a terminal of that size shows of the last frame."""
    console_of = pytest.importorskip("rich.console").Console
    from pricetime.demo.view import View

    view = View("BTC_EUR  seed 1")
    for frame in frames:
        picture = view.picture(frame, width, height)
    console = console_of(width=width, height=height, color_system=None)
    lines = console.render_lines(picture, console.options.update(width=width, height=height))
    return ["".join(segment.text for segment in line) for line in lines]


def test_view_fits_any_terminal(frames):
    pytest.importorskip("rich")
    from rich.cells import cell_len

    for width in (1, 10, 40, 71, 72, 80, 123, 124, 200):
        for height in (1, 3, 10, 17, 18, 24, 26, 60):
            lines = drawn(frames, width, height)
            assert len(lines) == height
            assert {cell_len(line) for line in lines} == {width}
            assert len(drawn(frames[:1], width, height)) == height


def test_view_shows_asks_above_bids_with_the_best_in_the_middle(frames):
    market = frames[-1].market
    in_time = frames[-1].pace._replace(done=frames[-1].pace.due)  # whatever else the machine does
    lines = drawn([*frames, frames[-1]._replace(pace=in_time)], 80, 24)
    whole = "\n".join(lines)
    for word in (
        "pricetime demo",
        "bids",
        "asks",
        "spread",
        "last",
        "p99.9",
        "26,667/s",
        "flat out",
    ):
        assert word in whole, word
    at = next(number for number, line in enumerate(lines) if "spread" in line)
    ask, bid = (f"{market[side]['price'][0] / 100:.2f}" for side in (1, 0))
    assert ask in lines[at - 1]
    assert bid in lines[at + 1]
    rows = [line[1:45] for line in lines[at - 6 : at] + lines[at + 1 : at + 7]]
    prices = [float(price) for row in rows for price in re.findall(r"\d+\.\d\d(?= )", row)]
    assert len(prices) == 12
    assert sorted(prices, reverse=True) == prices


def test_view_shows_where_an_auction_stands(auction):
    frame, _ = auction
    market = frame.market
    lines = drawn([frame], 80, 24)
    assert "book auction" in lines[1]
    price, quantity, surplus = market.indicative
    shown = (
        f"indicative {price / 100:.2f} × {text.short(quantity)}  surplus {text.surplus(surplus)}"
    )
    at = next(number for number, line in enumerate(lines) if shown in line)
    ask, bid = (f"{market[side]['price'][0] / 100:.2f}" for side in (1, 0))
    assert ask in lines[at - 1]
    assert bid in lines[at + 1]
    empty = frame._replace(
        market=market._replace(indicative=market.indicative._replace(quantity=0))
    )
    assert any("indicative none" in line for line in drawn([empty], 80, 24))


def test_view_shows_what_is_no_trade(frames):
    notes = np.zeros(4, pt.EVENT)
    notes["kind"] = (
        pt.EventKind.PHASE_CHANGED,
        pt.EventKind.TRIGGERED,
        pt.EventKind.REFRESHED,
        pt.EventKind.CANCELLED,
    )
    notes["detail"] = pt.Phase.CONTINUOUS, 2_700_050, 0, 0
    notes["price"] = 0, 0, 2_700_011, 2_699_999
    notes["quantity"] = 0, 7, 50_000, 3
    market = frames[-1].market._replace(notes=notes, waiting=1_234, sleeping=56)
    lines = drawn([frames[-1]._replace(market=market)], 80, 24)
    for shown in (
        r"═ continuous ",
        r"◆ 27000\.50 +fired",
        r"↻ 27000\.11 +0\.50000",
        r"× 26999\.99 +disarmed",
        r"wait/sleep +1,234/56",
    ):
        assert sum(bool(re.search(shown, line)) for line in lines) == 1, shown
    at = [next(n for n, line in enumerate(lines) if mark in line) for mark in "×↻◆═"]
    assert at == list(range(at[0], at[0] + 4))


def test_a_wide_view_counts_orders_and_draws_a_chart(frames):
    whole = "\n".join(drawn(frames, 170, 40))
    assert "orders" in whole
    assert any("\u2800" < character < "\u2900" for character in whole)


def test_summary_says_what_was_not_reached(frames):
    frame = frames[-1]
    done = frame._replace(pace=frame.pace._replace(done=1_000, due=1_266))
    assert "not reached" not in text.paced(done)
    behind = frame._replace(pace=frame.pace._replace(done=1_000, due=1_267))
    assert re.search("commands +1,000; 267 more were due and not reached", text.paced(behind))
    assert max(map(len, text.paced(behind).splitlines())) <= 80


def test_text_tells_of_an_auction(auction):
    frame, closed = auction
    assert re.search(
        r"  auction indicative \d+\.\d\d x [\d.]+ surplus [+-][\d.]+  trades", text.line(frame)
    )
    price, quantity, _ = closed.market.uncross
    assert closed.market.phase is pt.Phase.CLOSED
    shown = f"closed at +{price / 100:.2f}, {text.short(quantity)} in the auction"
    assert re.search(shown, text.paced(closed))
    assert "closed at" not in text.paced(frame)


@pytest.mark.parametrize(
    ("lots", "shown"), [(0, "+0.00"), (999_400, "+9.99"), (-999_500, "-10.0"), (12_345_678, "+123")]
)
def test_a_surplus_has_a_sign_and_three_digits(lots, shown):
    assert text.surplus(lots) == shown


# -- the command line


def demo(capsys, *options):
    code = main(["demo", *options])
    return code, *capsys.readouterr()


def test_plain_run_tells_of_both_parts(capsys):
    code, out, err = demo(capsys, *BRIEF)
    assert (code, err) == (0, "")
    for line in (
        r"BTC_EUR: tick 0\.01, lot 0\.00001, seed 1",
        r"as fast as it goes",
        r"  commands +20,000 in \d+\.\d+ s \(and \d+\.\d s to make them\)",
        r"  commands/s +[\d,]+",
        r"  events/s +[\d,]+  \([\d,]+\)",
        r"  trades/s +[\d,]+  \([\d,]+\)",
        r"  resting +[\d,]+ orders",
        r"  waiting, sleeping +[\d,]+, [\d,]+",
        r"  closed at +\d+\.\d\d, [\d.]+ in the auction",
        r"  stops fired +[\d,]+",
        r"  memory +the book [\d.]+ [KM]iB",
        r"  state hash +[0-9a-f]{32}",
        r"paced at 1,600,000 commands a minute = 26,667/s",
        r"paced, 0\.1 s",
        r"  rate +[\d,]+/s of 26,667/s asked for",
        r"  latency +p50 \S+ [um]?s  p99 \S+ [um]?s  p99\.9 \S+ [um]?s  max \S+ [um]?s",
        r"  book busy +\d+\.\d % of the time",
    ):
        assert re.search(f"^{line}", out, re.M), line
    assert out.isascii()


def test_plain_run_prints_a_line_a_second(capsys):
    code, out, _ = demo(
        capsys, "--plain", "--seconds", "1.1", "--fast-seconds", "0", "--rate", "60000"
    )
    assert code == 0
    line = (
        r"^00:\d\d  [\d,]+/s  p50 .* auction indicative .*resting [\d,]+ waiting \d+ sleeping \d+$"
    )
    lines = re.findall(line, out, re.M)
    assert len(lines) == 1
    assert "as fast as it goes" not in out


def test_seed_rate_and_count_give_the_state(capsys):
    hashes = []
    for seed in ("7", "7", "8"):
        _, out, _ = demo(capsys, *BRIEF, "--seed", seed)
        hashes.append(re.search(r"state hash +(\S+)", out)[1])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--seconds -1", "'-1' is not a number of seconds; allowed: 0 to 10000000"),
        ("--seconds nan", "'nan' is not a number of seconds"),
        ("--seconds soon", "'soon' is not a number of seconds"),
        ("--fast-seconds inf", "'inf' is not a number of seconds"),
        ("--rate 0", "'0' is not a number of commands a minute; allowed: 60 to 60000000"),
        ("--rate 1e6", "'1e6' is not a number of commands a minute"),
        ("--rate 60000001", "'60000001' is not a number of commands a minute"),
        ("--seed -1", "'-1' is not a seed; allowed: 0 to 9223372036854775807"),
        ("--seed 1.5", "'1.5' is not a seed"),
        ("--fast-commands 0", "'0' is not a number of commands; allowed: 1 to 1000000000000"),
        ("--fast-commands 5 --fast-seconds 5", "not allowed with argument"),
        ("book.csv", "unrecognized arguments: book.csv"),
    ],
)
def test_wrong_options_are_named(capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main(["demo", *options.split()])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def terminal(monkeypatch, term="xterm"):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)


def test_without_rich_one_line_says_how_to_get_it(capsys, monkeypatch):
    terminal(monkeypatch)
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    code, out, err = demo(capsys, "--seconds", "0.1")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "pip install 'pricetime[cli]'" in err


@pytest.mark.parametrize("plain", [True, False])
def test_without_rich_plain_output_works(capsys, monkeypatch, plain):
    terminal(monkeypatch, "xterm" if plain else "dumb")
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    code, out, err = demo(capsys, *(BRIEF if plain else BRIEF[1:]))
    assert (code, err) == (0, "")
    assert "paced, 0.1 s" in out


# -- the whole program


def started(*options, **keywords):
    """`pricetime demo` as a process of its own that hears Ctrl-C, whoever started these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        words = [sys.executable, "-m", "pricetime", "demo", *options]
        return subprocess.Popen(words, **keywords)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("part", ["BTC_EUR", "paced at"])
def test_interrupt_ends_with_the_summary(part):
    options = ("--plain", "--seconds", "0", "--fast-seconds", "60" if part == "BTC_EUR" else "0.1")
    with started(*options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith(part):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    assert ("as fast as it goes" if part == "BTC_EUR" else "both parts") in out


class Terminal:
    """A terminal of 100 by 30 and what was written to it."""

    def __init__(self):
        import fcntl
        import pty
        import struct
        import termios

        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.text = ""

    def until(self, found, seconds=30.0):
        """Reads until a text is there, or with None until nobody writes any more."""
        end = time.monotonic() + seconds
        while found is None or found not in self.text:
            assert time.monotonic() < end, f"{found!r} is not in {self.text[-2000:]!r}"
            if not select.select([self.ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.ours, 1 << 16)
            except OSError:
                data = b""
            if not data:
                assert found is None, f"{found!r} is not in {self.text[-2000:]!r}"
                return
            self.text += data.decode("utf-8", "replace")


@contextlib.contextmanager
def live(*options):
    """The demo in a terminal; the process, and the terminal."""
    pytest.importorskip("rich")
    pytest.importorskip("pty")
    screen = Terminal()
    environment = {**os.environ, "TERM": "xterm-256color"}
    with started(
        *options,
        stdin=subprocess.DEVNULL,
        stdout=screen.theirs,
        stderr=screen.theirs,
        env=environment,
    ) as process:
        os.close(screen.theirs)
        try:
            yield process, screen
        finally:
            process.kill()
            os.close(screen.ours)


OPENED, CLOSED = "\x1b[?1049h", "\x1b[?1049l"


def test_live_view_leaves_the_terminal_as_it_was():
    with live("--seconds", "1.5", "--fast-commands", "20000") as (process, screen):
        screen.until(None)
        assert process.wait(30) == 0
    before, view, after = re.split("|".join(map(re.escape, (OPENED, CLOSED))), screen.text)
    assert "commands/s" in before
    assert "spread" in view and "p99.9" in view
    assert "both parts" in after


def test_live_view_ends_at_an_interrupt():
    with live("--seconds", "0", "--fast-seconds", "0") as (process, screen):
        screen.until("spread")
        process.send_signal(signal.SIGINT)
        screen.until(None)
        assert process.wait(30) == 130
    assert "both parts" in screen.text.split(CLOSED)[1]


def test_live_view_puts_the_terminal_in_order_when_the_demo_is_killed():
    with live("--seconds", "0", "--fast-seconds", "0") as (process, screen):
        screen.until("spread")
        process.kill()
        screen.until(CLOSED)
