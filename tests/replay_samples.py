"""A few rows of every format that replays read, as the formats have them."""

import struct

# LOBSTER: time, type, order id, size, price, direction of the resting order

DAY = """\
34200.000000001,1,11,100,1000000,1
34200.25,1,12,50,1000100,-1
34201.5,2,11,40,1000000,1
34202,4,11,30,1000000,1
34203.1,3,11,30,1000000,1
34203.2,5,0,10,1000050,1
34204,4,12,50,1000100,-1
34205,7,0,0,-1,-1
"""

# ITCH


def message(kind, locate=1, at=0, **fields):
    head = struct.pack(">cHH", kind.encode(), locate, 0) + at.to_bytes(6, "big")
    f = {"ref": 1, "shares": 100, "price": 1000000, "side": "B", "stock": "ABC", "new": 2, **fields}
    stock = f["stock"].ljust(8).encode()
    order = struct.pack(">Q", f["ref"])
    tail = {
        "S": b"O",
        "R": stock + bytes(20),
        "A": order + struct.pack(">cI8sI", f["side"].encode(), f["shares"], stock, f["price"]),
        "E": order + struct.pack(">IQ", f["shares"], 0),
        "C": order + struct.pack(">IQcI", f["shares"], 0, b"Y", f["price"]),
        "X": order + struct.pack(">I", f["shares"]),
        "D": order,
        "U": order + struct.pack(">QII", f["new"], f["shares"], f["price"]),
        "P": bytes(33),
    }
    tail["F"] = tail["A"] + b"MPID"
    return head + tail[kind]


def framed(*messages, length=True):
    return b"".join((len(m) if length else 0).to_bytes(2, "big") + m for m in messages)


STREAM = (
    message("S", 0),
    message("R", 1),
    message("R", 2, stock="XYZ"),
    message("A", 1, 5, ref=1, shares=100),
    message("F", 1, 6, ref=2, shares=70),
    message("A", 2, 7, ref=3, side="S", shares=10, price=2000000, stock="XYZ"),
    message("E", 1, 8, ref=1, shares=40),
    message("X", 1, 9, ref=1, shares=10),
    message("E", 1, 10, ref=1, shares=50),
    message("U", 1, 11, ref=2, new=4, shares=60, price=1000100),
    message("C", 1, 12, ref=4, shares=20, price=1000100),
    message("D", 1, 13, ref=4),
    message("P", 1, 14),
    message("D", 2, 15, ref=3),
)


# Bitstamp

COLUMNS = "id,timestamp,exchange_timestamp,price,volume,action,direction\n"
T = 1777689383000  # ms


def row(order_id, at, price, volume, action, direction, received=1):
    return f"{order_id},{T + at + received},{T + at},{price},{volume},{action},{direction}\n"


SNAPSHOT = (
    row(2, 0, "101.0", "1.5", "created", "ask")
    + row(1, 0, "100.0", "2.00000001", "created", "bid")
    + row(3, 0, "101.0", "4.05e-05", "created", "ask")
)
# 2 of 101 would trade at once (order 3 is behind it): 10 is refused, 11 an IOC, 12 rests a moment,
# 13 takes 2 and part of 3, 14 is a market order for a quote amount.
EVENTS = (
    row(10, 5, "101.0", "1.0", "created", "bid")
    + row(10, 5, "101.0", "1.0", "deleted", "bid")
    + row(11, 6, "101.0", "2.0", "created", "bid")
    + row(2, 6, "101.0", "0.0", "deleted", "ask")
    + row(3, 6, "101.0", "0.0", "deleted", "ask")
    + row(11, 6, "101.0", "0.4999595", "deleted", "bid")
    + row(12, 7, "100.5", "1.0", "created", "bid")
    + row(12, 7, "100.5", "1.0", "deleted", "bid")
    + row(13, 8, "100.0", "3.0", "created", "ask")
    + row(1, 8, "100.0", "0.0", "deleted", "bid")
    + row(13, 8, "100.0", "0.99999999", "changed", "ask")
    + row(14, 9, "999999999.0", "0.0", "created", "bid")
    + row(13, 9, "100.0", "0.49999999", "changed", "ask")
    + row(14, 9, "999999999.0", "0.0", "deleted", "bid")
    + row(15, 10, "99.0", "1.0", "created", "bid")
)
END = row(13, 20, "100.0", "0.49999999", "deleted", "ask", 0) + row(
    15, 20, "99.0", "1.0", "deleted", "bid", 0
)
TRADES = (
    "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side\n"
    "1,1,1,101.0,1.5,11,2,buy\n"
    "2,1,1,101.0,0.0000405,11,3,buy\n"
    "3,1,1,100.0,2.00000001,1,13,sell\n"
    "4,1,1,100.0,0.5,14,13,buy\n"
)


# BME

SESSION = """\
ordtype;uid;is_buy;qty;price;timestamp
new;1;False;10;95.8;2019-05-23 09:00:30.216
new;2;True;4;95.85;2019-05-23 09:00:30.217
modif;1;;2;;2019-05-23 09:00:31
cancel;1;;4;;2019-05-23 09:00:32.5
new;3;True;7;95.8;2019-05-23 09:00:33
modif;3;;7;;2019-05-23 09:00:34
"""
