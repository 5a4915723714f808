"""Venue files for the tests of what reads them: two instruments, all kinds of orders, tokens that
came twice, checkpoints and digests; and ways to damage them.
"""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pricetime as pt
from model.tapes import tape
from pricetime.log import SqliteLog
from pricetime.log.sqlite import SqliteStream
from pricetime.runner import Distance
from pricetime.runner import runner as runner_module
from pricetime.venue.core import Core
from pricetime.venue.definition import Definition
from pricetime.venue.request import Request

EUR = pt.Instrument("BTC_EUR", tick_size="0.01", lot_size="0.00001")
BOND = pt.Instrument("BOND/7", tick_size="0.05", lot_size="1")
START = 1_767_225_590_000_000_000  # ns, ten seconds before 2026 begins
BATCH = 40  # commands
SECOND = 10**9


def clock(step=SECOND // 10):
    """A clock that goes on by a step each time it is read."""
    now = START

    def read():
        nonlocal now
        now += step
        return now

    return read


def deals(count, account=7):
    """Commands of a quiet book, without times: somebody sells, somebody buys some of it."""
    commands = np.zeros(count, pt.COMMAND)
    commands["kind"] = pt.Kind.NEW
    commands["order_type"], commands["tif"] = pt.OrderType.LIMIT, pt.TIF.GTC
    commands["side"] = np.where(np.arange(count) % 2, pt.Side.BUY, pt.Side.SELL)
    commands["order_id"] = np.arange(1, count + 1)
    commands["price"] = 2_700_050
    commands["quantity"] = np.where(np.arange(count) % 2, 24_999, 25_000)
    commands["account"] = account + np.arange(count) % 2
    return commands


def spends(count, first):
    """Market orders that spend an amount."""
    commands = np.zeros(count, pt.COMMAND)
    commands["kind"], commands["side"] = pt.Kind.NEW, pt.Side.BUY
    commands["order_type"], commands["tif"] = pt.OrderType.MARKET, pt.TIF.IOC
    commands["flags"] = pt.Flag.QUOTE_QUANTITY
    commands["order_id"] = np.arange(first, first + count)
    commands["quantity"] = 2_700_050 * 3 + 11
    return commands


class Sampled:
    """A core over a file that takes a checkpoint and a digest often."""

    def __init__(self, path, monkeypatch, *, checkpoint=150):
        monkeypatch.setattr(runner_module, "DIGEST_COMMANDS", 100)
        monkeypatch.setattr(runner_module, "DIGEST_PER_ORDER", 0)
        monkeypatch.setattr(runner_module, "CHECKPOINT_NS", 1 << 62)
        self.core = Core(SqliteLog(path), clock(), distance=Distance(checkpoint))

    def add(self, instrument):
        self.core.add(Definition(instrument, {}))

    def send(self, name, commands, token=None):
        """One batch."""
        self.core.put(Request(name, commands.tobytes(), settled, token=token))
        self.core.step()

    def close(self):
        self.core.close()


def settled(request, events, repeated, error):
    if error is not None:
        raise error


def make(path, monkeypatch, count=1200):
    """The sample: returns its path."""
    venue = Sampled(path, monkeypatch)
    venue.add(EUR)
    venue.add(BOND)
    quiet, wild = deals(count), tape(3, "everything", count)
    for number, begin in enumerate(range(0, count, BATCH)):
        token = f"token {number}" if number % 3 == 0 else None
        batch = quiet[begin : begin + BATCH].copy()
        venue.send(EUR.name, batch, token)
        if number % 6 == 0:
            venue.send(EUR.name, batch, token)
        venue.send(BOND.name, wild[begin : begin + BATCH])
    venue.send(EUR.name, spends(5, count + 1))
    venue.send(EUR.name, quiet[:BATCH].copy(), "token 0")
    venue.close()
    return path


def copied(path, to):
    """A copy of a venue file nobody holds, with its witness."""
    for suffix in ("", ".lock"):
        shutil.copyfile(f"{path}{suffix}", f"{to}{suffix}")
    return to


def edit(path, statement, *values):
    """Does something to a file behind the log's back; how many rows it was."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).rowcount


def ask(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def number_of(path, name):
    return ask(path, "SELECT number FROM instrument WHERE name = ?", name)[0][0]


def rows(path, table, name):
    """Keys and batches of an instrument."""
    key = "sequence" if table == "events" else "position"
    statement = f"SELECT {key}, batch FROM {table} WHERE instrument = ? ORDER BY {key}"
    return ask(path, statement, number_of(path, name))


def put(path, table, name, at, batch):
    """Another batch in the place of one."""
    key = "sequence" if table == "events" else "position"
    statement = f"UPDATE {table} SET batch = ? WHERE instrument = ? AND {key} = ?"
    assert edit(path, statement, batch, number_of(path, name), at) == 1


def flipped(data, at):
    """The bytes with a bit of one of them turned over."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def restate(path, name, **changed):
    """Changes the row of an instrument, with a good checksum."""
    log = SqliteLog(path)
    stream = log.stream(name)
    assert isinstance(stream, SqliteStream)
    stream.state = stream.state._replace(**changed)
    stream.change()
    log.commit()
    log.close()
