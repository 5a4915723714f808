"""An independent client: plain sockets and JSON, nothing of pricetime. Its journal is the witness.

    python trader.py SOCKET JOURNAL SEED MARKET...

Trades on each market over a connection of its own, many lines on their way at once, until its
standard input ends; then waits until all it sent is answered. When the venue dies it connects again
and again, and sends what was not answered once more, with the same tokens. Every answer is written
to JOURNAL.MARKET as a line: the market, what was asked, what was answered, how often it was sent.
"""

import json
import random
import socket
import sys
import threading
import time
from collections import deque

WINDOW = 48  # lines on their way at once
PATIENCE_SECONDS = 60  # without a venue
AGAIN = {"OutcomeUnknown", "LogFailed", "LogError", "LogBusy"}  # errors after which one asks again


class Trader:
    """One connection's worth of orders on one market."""

    def __init__(self, path, market, seed, journal, stop):
        self.path = path
        self.market = market
        self.dice = random.Random(f"{seed} {market}")
        self.path_of_journal = journal
        self.stop = stop
        self.waiting = deque()  # [request, how often it was sent], as they were sent
        self.orders = []  # ids that may be live
        self.sent = 0
        self.answered = 0

    def next_request(self):
        """Something to ask, with a token of its own."""
        self.sent += 1
        dice = self.dice
        request = {"id": self.sent, "market": self.market, "token": f"{self.market}-{self.sent}"}
        side = dice.choice(("buy", "sell"))
        price = f"{1000 + dice.randint(-20, 20)}.{dice.choice(('00', '50'))}"
        quantity = f"0.{dice.randint(1, 999):03}"
        kind = dice.random()
        if kind < 0.55 or not self.orders:
            terms = {"side": side, "price": price, "quantity": quantity}
            request |= {"do": "limit", "account": dice.randint(1, 9), **terms}
        elif kind < 0.65:
            request |= {"do": "market", "side": side, "quantity": quantity}
        elif kind < 0.85:
            place = dice.randrange(len(self.orders))
            request |= {"do": "cancel", "order_id": self.orders.pop(place)}
        elif kind < 0.93:
            order = dice.choice(self.orders)
            request |= {"do": "amend", "order_id": order, "quantity": quantity}
        else:
            place = dice.randrange(len(self.orders))
            request |= {"do": "replace", "order_id": self.orders.pop(place), "price": price}
        return request

    def connect(self):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(self.path)
                return client
            except OSError:
                client.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def run(self):
        """Trades until told to stop and all is answered, through any number of deaths."""
        with open(self.path_of_journal, "a") as self.journal:
            while not self.stop.is_set() or self.waiting:
                with self.connect() as client:
                    try:
                        self.trade(client)
                    except OSError:
                        continue

    def trade(self, client):
        """Trades on one connection; ends, or raises OSError, when that has ended."""
        lines = client.makefile("rb")
        for entry in self.waiting:  # outcomes that nobody knows
            entry[1] += 1
        client.sendall(b"".join(json.dumps(entry[0]).encode() + b"\n" for entry in self.waiting))
        while not self.stop.is_set() or self.waiting:
            fresh = []
            while len(self.waiting) < WINDOW and not self.stop.is_set():
                self.waiting.append([self.next_request(), 1])
                fresh.append(json.dumps(self.waiting[-1][0]).encode() + b"\n")
            if fresh:
                client.sendall(b"".join(fresh))
            line = lines.readline()
            if not line.endswith(b"\n"):
                return  # it died, perhaps within a line
            if not self.take(json.loads(line)):
                return

    def take(self, answer):
        """Writes an answer down; whether the connection goes on."""
        request, times = self.waiting[0]
        if answer.get("error") in AGAIN:
            return False
        if "error" in answer or answer["id"] != request["id"]:
            raise SystemExit(f"asked {request}, answered {answer}")
        self.waiting.popleft()
        self.answered += 1
        if answer["status"] in ("RESTING", "PARTIAL"):
            self.orders.append(answer["order_id"])
            del self.orders[:-200]
        entry = {"market": self.market, "asked": request, "answer": answer, "times": times}
        self.journal.write(json.dumps(entry) + "\n")
        return True


def main():
    path, journal, seed, *markets = sys.argv[1:]
    stop = threading.Event()
    traders = [Trader(path, market, seed, f"{journal}.{market}", stop) for market in markets]
    threads = [threading.Thread(target=trader.run) for trader in traders]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    if any(trader.waiting or trader.sent != trader.answered for trader in traders):
        raise SystemExit("not all that was asked was answered")


if __name__ == "__main__":
    main()
