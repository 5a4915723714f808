"""`pricetime run`: a real process, real sockets; hostile clients, slow ones, signals. 12 s."""

import asyncio
import json
import select
import signal
import socket
import subprocess
import threading
import time

import pricetime as pt
import pytest
from pricetime.log import MemoryLog
from pricetime.serve import protocol
from pricetime.serve.connection import IN_FLIGHT_MAX
from pricetime.serve.protocol import LINE_BYTES_MAX
from pricetime.venue.desk import Desk
from run_process import (
    BTC,
    COMMAND,
    SEARCH,
    SECONDS,
    Client,
    answers,
    ask,
    limit,
    lines,
    piped,
    running,
)

CALLERS_MISTAKES = {
    "BadLine",
    "OverflowError",
    "TypeError",
    "UnicodeEncodeError",
    "UnknownInstrument",
    "ValueError",
}


@pytest.fixture
def server(tmp_path):
    with running(tmp_path) as server:
        yield server


# -- what is asked and answered -------------------------------------------------------------------


def test_commands_in_answers_out(tmp_path):
    rest, trade, book, again = answers(
        tmp_path / "venue.db",
        limit(id=1, account=7, token="a"),
        limit("sell", "99.50", "0.4", id="two"),
        ask("book", id=3, depth=5),
        limit(id=4, account=7, token="a"),
    )
    assert rest == {
        "id": 1, "status": "RESTING", "order_id": 1, "filled": "0.000", "remaining": "1.000",
        "reason": None, "trades": [], "repeated": False, "command": 1, "sequence": 1,
    }  # fmt: skip
    assert (trade["id"], trade["status"], trade["filled"]) == ("two", "FILLED", "0.400")
    assert trade["trades"] == [
        {"maker_id": 1, "maker_account": 7, "price": "100.00", "quantity": "0.400"}
    ]
    assert book == {"id": 3, "sequence": 3, "bids": [["100.00", "0.600", 1]], "asks": []}
    assert again == {**rest, "id": 4, "repeated": True}


def test_every_command_of_a_market_is_there_under_its_own_name():
    public = {
        name for name in vars(Desk) if not name.startswith("_") and callable(vars(Desk)[name])
    }
    assert public == set(protocol.COMMANDS)
    assert {"limit", "market", "cancel", "amend", "replace", "quote", "phase", "set"} <= public


def test_all_kinds_of_commands_are_carried_out(tmp_path):
    told = answers(
        tmp_path / "venue.db",
        limit(id=0, order_id=5, peak="0.5"),
        ask("amend", order_id=5, quantity="2"),
        ask("replace", order_id=5, price="99.00", new_id=6),
        ask("stop", side="sell", trigger="90", quantity="1", price="89"),
        ask("trailing_stop", side="sell", offset="5.00", quantity="1"),
        ask("take_profit", side="buy", trigger="80", quantity="1"),
        ask("quote", account=3, bid=["98.00", "1"], ask=["101.00", 1], order_id=20),
        ask("market", side="buy", quantity="0.5"),
        ask("spend", side="buy", amount="10.1"),
        ask("set", parameter="collar", value="5.00"),
        ask("arm", account=3, expires=0),
        ask("phase", phase="auction"),
        ask("uncross"),
        ask("clock"),
        ask("cancel", order_id=6),
        ask("mass_cancel", side="buy"),
    )
    assert [answer.get("status", answer) for answer in told] == [
        "RESTING", "RESTING", "RESTING", "RESTING", "RESTING", "RESTING", "RESTING", "FILLED",
        "FILLED", "DONE", "DONE", "DONE", "DONE", "DONE", "CANCELLED", "DONE",
    ]  # fmt: skip


def test_instruments_are_added_with_all_their_terms(tmp_path):
    add = {"do": "add", "id": 1, "market": "ETH_EUR", "tick_size": "0.05", "lot_size": "0.1"}
    told = answers(
        tmp_path / "venue.db",
        {**add, "collar": "5.00", "max_orders": 100, "min_price": "1.00"},
        {**add, "id": 2, "collar": "6.00"},
        {"do": "markets"},
    )
    assert told[0] == {"id": 1, "market": "ETH_EUR", "tick_size": "0.05", "lot_size": "0.1"}
    assert told[1]["error"] == "ValueError"
    assert "collar" in told[1]["message"]
    assert told[2] == {"id": None, "markets": ["BTC_EUR", "ETH_EUR"]}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (limit(price=100.5), "not exact"),
        (limit(price=1e400), "not exact"),
        (limit(quantity=float("nan")), "not exact"),
        (ask("limit", sid="buy"), 'limit has no "sid"; allowed: id, do, market, side, price'),
        (ask("limit", side="buy"), "limit needs price, quantity"),
        (limit(side="bought"), "none of buy, sell"),
        (limit(side=None), "pass an int"),
        (limit(price="1.001"), "not a multiple of the tick"),
        (limit(price=["1"]), "cannot be a price"),
        (limit(account="7"), "pass an int"),
        (limit(account=-1), "outside 0"),
        (limit(order_id={}), "pass an int"),
        (limit(token=5), "pass a str or bytes"),
        (limit(token="x" * 300), "300 bytes"),
        (limit(token="\ud800"), "surrogates"),
        (limit(market="XMR_EUR"), "unknown instrument 'XMR_EUR'"),
        (limit(market=None), "needs a market"),
        (limit(market=""), "needs a market"),
        (ask("nothing"), "none of limit, market"),
        (ask("_send"), "none of limit, market"),
        (ask(None), "none of limit, market"),
        ({"do": "markets", "market": "BTC_EUR"}, "takes no market"),
        (ask("quote", account=1, bid="12"), "is not (price, quantity)"),
        (ask("quote", account=1, bid=[]), "is not (price, quantity)"),
        (ask("phase", phase="lunch"), "none of pre_open"),
        (ask("book", depth=5000), "whole number from 0 to 1000"),
        (ask("book", depth=True), "whole number from 0 to 1000"),
        (ask("events", after=-1), "whole number"),
        (ask("events", after="x"), "whole number"),
        (ask("events", follow=1), "true or false"),
        (ask("add", tick_size="0", lot_size="1"), "not above 0"),
        ([1], "an object"),
        ("text", "an object"),
        (None, "an object"),
        ({}, "none of limit"),
        ({"id": [1]}, "an id is a text or an int"),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_says_what_can(request_, said, shared):
    client = shared.client()
    told = client.ask(request_)
    assert said in told["message"], told
    assert told["error"] in CALLERS_MISTAKES, told
    assert client.ask(ask("book", id=1))["id"] == 1
    client.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A process that must survive all that many tests do to it."""
    with running(tmp_path_factory.mktemp("shared")) as server:
        yield server
        assert server.end(signal.SIGTERM) == 0
        assert "mistake" not in server.process.stderr.read().decode()


@pytest.mark.parametrize(
    "data",
    [
        b"\n", b"\0\n", b"\xff\xfe\xfd\n", b"{\n", b'{"do":\n', b"[" * 60_000 + b"\n",
        b'{"a":' * 9_000 + b"\n", b"1" * 10_000 + b"\n", b'{"id":1,"id":2}\n',
        b'{"do":"limit"}{"do":"limit"}\n', "{\"do\": \"é\"}".encode("utf-16") + b"\n",
        bytes(range(256)) * 3 + b"\n",
    ],
    ids=range(12),
)  # fmt: skip
def test_hostile_bytes_get_an_error_line_and_no_more(data, shared):
    client = shared.client()
    client.socket.sendall(data + lines(ask("book", id="after")))
    while (told := client.receive())["id"] != "after":
        assert told["error"] == "BadLine"
    client.close()


def test_a_line_that_is_too_long_is_refused_and_the_next_one_taken(shared):
    client = shared.client()
    for size in (LINE_BYTES_MAX + 1, 5_000_000):
        client.socket.sendall(b"x" * size + b"\n" + lines(ask("book", id=2)))
        told = client.receive()
        assert told["error"] == "BadLine"
        assert str(LINE_BYTES_MAX) in told["message"]
        assert client.receive()["id"] == 2
    just = lines(limit(token="t")).replace(b'"t"', b'"t"' + b" " * LINE_BYTES_MAX)[-LINE_BYTES_MAX:]
    client.socket.sendall(b" " * (LINE_BYTES_MAX - 2) + b"{}\n")
    assert "none of limit" in client.receive()["message"]
    assert len(just) == LINE_BYTES_MAX
    client.close()


def test_a_client_that_goes_within_a_line_or_unanswered_is_no_matter(shared):
    for data in (b'{"do": "lim', lines(*[limit() for _ in range(500)])):
        client = shared.client()
        client.socket.sendall(data)
        client.close()
    assert shared.client().ask(ask("book", id=1))["id"] == 1


# -- many clients, slow clients -------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_lines_of_each_client(server):
    clients = [server.client() for _ in range(5)]
    for client in clients:
        client.send(*[limit(id=n, price=f"{90 + n % 7}.00") for n in range(400)])
    seen = set()
    for client in clients:
        told = [client.receive() for _ in range(400)]
        assert [answer["id"] for answer in told] == list(range(400))
        orders = [answer["order_id"] for answer in told]
        assert orders == sorted(orders)
        seen.update(orders)
    assert seen == set(range(1, 2001))


def test_a_client_that_does_not_read_stops_itself_alone(server):
    slow, quick = server.client(), server.client()
    slow.socket.setblocking(False)
    data = lines(*[ask("book", depth=1000, id=n) for n in range(200)])
    quick.send(*[limit(price=f"{10 + n // 100}.{n % 100:02}", id=n) for n in range(1000)])
    for _ in range(1000):
        quick.receive()
    before = server.memory()
    sent = 0
    while select.select([], [slow.socket], [], 1)[1]:  # until nothing more is taken for a second
        sent += slow.socket.send(data)
        assert sent < 50_000_000
    assert quick.ask(limit(id=1))["status"] == "RESTING"
    grown = server.memory() - before
    assert grown < 64 << 20, f"{grown:,} bytes for what one client does not read"
    slow.socket.settimeout(SECONDS)
    taken = [slow.receive() for _ in range(IN_FLIGHT_MAX)]
    assert all(len(book["bids"]) == 1000 for book in taken)


# -- events ---------------------------------------------------------------------------------------


def test_events_stream_history_then_live(server):
    trader, reader = server.client(), server.client()
    trader.ask(limit())
    trader.ask(limit("sell", quantity="0.3"))
    reader.send(ask("events", id="e", after=1))
    history = [reader.receive(), reader.receive()]
    assert [event["sequence"] for event in history] == [2, 3]
    assert history[1]["kind"] == "TRADE"
    assert (history[1]["price"], history[1]["quantity"], history[1]["maker_id"]) == (10_000, 300, 1)
    trader.ask(ask("cancel", order_id=1))
    live = reader.receive()
    assert (live["id"], live["kind"], live["sequence"], live["reason"]) == (
        "e",
        "CANCELLED",
        4,
        "USER",
    )
    reader.close()
    assert trader.ask(limit(id=9))["id"] == 9


def test_history_alone_ends_with_a_line_and_the_connection_goes_on(server):
    client = server.client()
    client.send(limit(), ask("events", id=2, follow=False))
    assert client.receive()["status"] == "RESTING"
    assert client.receive()["kind"] == "ACCEPTED"
    assert client.receive() == {"id": 2, "end": True, "sequence": 1}
    assert client.ask(limit(id=3))["id"] == 3


def test_who_follows_leaves_by_closing_or_by_sending_more(server):
    trader = server.client()
    for data in (b"", b"x\n"):
        reader = server.client()
        reader.send(ask("events", id=1))
        trader.ask(limit())
        assert reader.receive()["kind"] == "ACCEPTED"
        if data:
            reader.socket.sendall(data)
        else:
            reader.socket.shutdown(socket.SHUT_WR)
        while reader.receive() is not None:
            pass
    assert server.end(signal.SIGTERM) == 0


def test_followers_may_leave_in_the_midst_of_history(server):
    trader = server.client()
    for _ in range(4):
        trader.send(*[limit(price=f"{50 + n % 20}.00", side=("buy", "sell")[n % 2], id=n)
                      for n in range(500)])  # fmt: skip
        while trader.receive()["id"] != 499:
            pass
    for after in range(200):
        reader = Client(server.path)
        reader.send(ask("events", after=after))
        if after % 3:
            assert reader.receive()["sequence"] == after + 1
        reader.close()
    assert trader.ask(limit(id=1))["id"] == 1


def test_many_followers_see_the_same_events(server):
    trader = server.client()
    readers = [server.client() for _ in range(20)]
    for reader in readers:
        reader.send(ask("events"))
    trader.send(
        *[limit(price=f"{50 + n % 20}.00", side=("buy", "sell")[n % 2]) for n in range(300)]
    )
    last = [trader.receive() for _ in range(300)][-1]["sequence"]
    streams = [[reader.receive() for _ in range(last)] for reader in readers]
    assert [event["sequence"] for event in streams[0]] == list(range(1, last + 1))
    assert all(stream == streams[0] for stream in streams)


class HeldLog(MemoryLog):
    """A log whose reader stays within a read until it is let go, and says if it is closed there."""

    def __init__(self):
        super().__init__()
        self.entered, self.let_go, self.closed = (threading.Event() for _ in range(3))
        self.within = self.closed_within = False

    def reader(self):
        reader = super().reader()
        events = reader.events

        def held(name, after):
            self.within = True
            self.entered.set()
            assert self.let_go.wait(SECONDS)
            self.within = False
            yield from events(name, after)

        def close():
            self.closed_within |= self.within
            self.closed.set()

        reader.events, reader.close = held, close
        return reader


def test_a_task_that_is_cancelled_does_not_close_a_reader_that_a_thread_is_in():
    log = HeldLog()

    async def follow(venue):
        async for _ in venue.events("BTC_EUR"):
            pass

    async def main():
        async with pt.AsyncVenue(log) as venue:
            await venue.add(pt.Instrument("BTC_EUR", tick_size="0.01", lot_size="0.001"))
            task = asyncio.ensure_future(follow(venue))
            assert await asyncio.to_thread(log.entered.wait, SECONDS)
            task.cancel()
            await asyncio.wait({task})
            log.let_go.set()
            assert await asyncio.to_thread(log.closed.wait, SECONDS)

    asyncio.run(main())
    assert not log.closed_within


# -- signals and ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_answers_what_came_and_closes(number, code, server):
    client, reader = server.client(), server.client()
    reader.send(ask("events", id="e"))
    client.send(*[limit(id=n, price=f"{50 + n % 40}.00") for n in range(1000)])
    told = [client.receive()]
    server.process.send_signal(number)
    while (answer := client.receive()) is not None:
        told.append(answer)
    assert [answer["id"] for answer in told] == list(range(len(told)))
    events = []
    while (event := reader.receive()) is not None:
        events.append(event)
    assert events[-1]["end"]
    assert events[-1]["sequence"] == told[-1]["sequence"], "followers see all before the end"
    assert server.process.wait(SECONDS) == code
    assert not server.path.exists()
    log = server.file.with_name("venue.db-wal")
    assert not log.exists() or not log.stat().st_size, "the file alone has all of it"
    with pt.Venue(server.file) as venue:
        assert venue["BTC_EUR"].look(lambda book: book.commands) == len(told)


def test_a_second_signal_leaves_a_client_that_does_not_read(server):
    client = server.client()
    client.send(*[limit(price=f"{10 + n // 100}.{n % 100:02}", id=n) for n in range(1000)])
    while client.receive()["id"] != 999:
        pass
    client.socket.setblocking(False)
    data = lines(*[ask("book", depth=1000, id=n) for n in range(200)])
    while select.select([], [client.socket], [], 0.5)[1]:
        client.socket.send(data)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(0.5)
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 8, "it did not wait for the client"


def test_the_end_of_the_input_is_the_end(tmp_path):
    code, told, stderr = piped(tmp_path / "venue.db", lines(limit(id=1))[:-1], *BTC)
    assert code == 0
    assert told[0]["status"] == "RESTING", "a last line needs no end"
    assert stderr.count(b"\n") == 1


def test_an_input_that_is_closed_is_refused(tmp_path):
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, tmp_path / "venue.db"]
    done = subprocess.run(closed, capture_output=True, env=SEARCH, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert b"standard input or output is closed" in done.stderr and done.stderr.count(b"\n") == 1
    assert not (tmp_path / "venue.db").exists()


def test_an_output_that_nobody_reads_any_more_is_no_matter(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, tmp_path / "venue.db", *BTC], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=SEARCH,
    )  # fmt: skip
    process.stdout.close()
    try:
        process.stdin.write(lines(*[limit() for _ in range(2000)]))
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.wait(SECONDS) == 0
    told = process.stderr.read().decode()
    process.stderr.close()
    assert "Traceback" not in told
    with pt.Venue(tmp_path / "venue.db") as venue:
        assert "BTC_EUR" in list(venue)


# -- the start ------------------------------------------------------------------------------------


def test_the_start_says_what_it_recovered(tmp_path):
    answers(tmp_path / "venue.db", *[limit() for _ in range(1234)])
    _, _, stderr = piped(tmp_path / "venue.db", b"")
    told = stderr.decode()
    assert told.startswith(f"pricetime run: {tmp_path}/venue.db: 1 markets, 1,234 commands, ready")
    assert "reading standard input" in told


def test_tcp_listens_on_this_machine_alone_unless_told(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, tmp_path / "venue.db", "--listen", "0", *BTC], stderr=subprocess.PIPE, env=SEARCH
    )
    try:
        told = process.stderr.readline().decode()
        host, port = told.split("listening on ")[1].strip().rsplit(":", 1)
        assert host == "127.0.0.1"
        with socket.create_connection((host, int(port)), SECONDS) as client:
            client.sendall(lines(limit(id=1)))
            assert json.loads(client.makefile("rb").readline())["status"] == "RESTING"
            again = [*COMMAND, tmp_path / "other.db", "--listen", f"{host}:{port}"]
            done = subprocess.run(again, capture_output=True, env=SEARCH, check=False)
            assert done.returncode == 2
            assert b"cannot listen" in done.stderr
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_what_cannot_begin_says_so_in_a_line(tmp_path, server):
    text, sock = tmp_path / "notes.txt", tmp_path / "other.sock"
    text.write_text("no venue at all\n" * 100)
    damaged = tmp_path / "damaged.db"
    made = tmp_path / "made.db"
    answers(made, limit())
    damaged.write_bytes(made.read_bytes()[:5000])
    for options, said in (
        ([server.file], "is held by process"),
        ([text], "not a database"),
        ([damaged], "malformed"),
        ([tmp_path / "no" / "venue.db"], "No such file or directory"),
        ([tmp_path], "is a folder"),
        ([made, "--listen", server.path], "somebody listens there already"),
        ([made, "--listen", text], "no socket"),
        ([made, "--listen", tmp_path / "no" / "it.sock"], "cannot listen"),
        ([made, "--instrument", "BTC_EUR", "0.02", "1"], "there already, with"),
        ([made, "--instrument", "X", "0", "1"], "not above 0"),
    ):
        code, told, stderr = piped(options[0], b"", *options[1:])
        assert code == 2, (options, stderr)
        assert said in stderr.decode(), stderr
        assert stderr.count(b"\n") == 1, stderr
        assert told == []
    assert not sock.exists()
    for listen in ("127.0.0.1:99999", "127.0.0.1:x", ""):
        code, _, stderr = piped(made, b"", "--listen", listen)
        assert (code, b"--listen" in stderr) == (2, True)


def test_a_socket_that_a_killed_process_left_is_taken_over(tmp_path):
    with running(tmp_path) as first:
        first.client().ask(limit())
        first.end(signal.SIGKILL)
        assert first.path.exists()
    with running(tmp_path) as second:
        assert ", 1 commands, " in second.told
        assert second.client().ask(limit())["order_id"] == 2
