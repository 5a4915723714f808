"""Books with something of every sort, for tests of what a book keeps."""

import numpy as np
import pricetime as pt
from pricetime.records import STP, TIF, Flag, Side

from .blotter import SECOND, command

BUY, SELL = Side.BUY, Side.SELL


def small():
    """A book with an order of most sorts, which has traded; 7 orders, time 5 s."""
    book = pt.Book(max_orders=50)
    book.limit(BUY, 100, 5, account=7)
    book.limit(SELL, 110, 5, tif=TIF.GTD, expires=1000)
    book.limit(BUY, 99, 5, stp=STP.DECREMENT, flags=Flag.POST_ONLY)
    book.limit(SELL, 111, 5, tif=TIF.GTD, expires=1000, order_id=40)
    book.limit(BUY, 100, 5, tif=TIF.DAY)
    book.limit(SELL, 112, 5, tif=TIF.GTD, expires=9)
    book.limit(BUY, 98, 5, flags=Flag.POST_ONLY_SLIDE)
    book.limit(SELL, 100, 2, timestamp=5 * SECOND)
    return book


RICH = """
    set BAND_ACTION 2
    set DYNAMIC_BAND 2
    set AUCTION_SECONDS 20
    set STP 2
    buy 1 9@100 peak=3 account=1
    buy 2 5@100 hidden
    buy 3 4@99 aon
    sell 4 6@104
    sell 5 1@100
    sell 23 3@103 stop=101
    buy 6 5@market stop=107 account=1
    sell 7 5@90 stop=91
    sell 8 5@market trail=3 account=2
    buy 9 5@~2 trail=30
    sell 10 5@120 take=121 gtd until=30
    buy 11 5@95 account=1
    sell 12 5@130 oco=11 account=1
    buy 13 5@96 account=1
    sell 14 5@140 parent=13 account=1
    sell 15 5@80 stop=81 parent=13 account=1
    buy 16 4@94 min=2
    buy 17 5@93 auction
    quote 20 3@97 3@105 account=3
    arm account=1 until=50
    arm account=2 until=40
    phase HALTED until=60
    phase CLOSED until=60
    phase PRE_OPEN until=70
    buy 18 1@104
    sell 19 2@100
    buy 22 2@market
    clock at=5s
"""


def rich():
    """Nearly all that there is: 22 orders, 2 switches, 3 plans, in an auction that ends at 20 s."""
    book = pt.Book(max_orders=50)
    book.process(np.concatenate([command(line) for line in RICH.strip().splitlines()]))
    return book


BOOKS = {"small": small, "rich": rich}
