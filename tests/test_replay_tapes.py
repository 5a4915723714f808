"""Replays of real tapes, which lie beside the checkout and are no part of it.

Where they are missing, these tests are skipped.  What they must come to was found by naive programs
that share no code with this one.
"""

import json
from pathlib import Path

import pytest
from pricetime.cli import main

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LOBSTER = DATA / "lobster_aapl_2012-06-21"
BITSTAMP = DATA / "bitstamp_btcusd_2026-05-02"
MESSAGES = LOBSTER / "message_50_first_hour.csv.gz"
ORDERS = BITSTAMP / "orders_first20min.csv.gz"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real tapes are not here: no shared/data beside the checkout"
)


@pytest.fixture
def replay(capsys):
    """Replays a file and gives the JSON report."""

    def run(*arguments):
        code = main(["replay", "--json", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.fixture(scope="session")
def expected():
    return json.loads((DATA / "expected.json").read_text())


@pytest.mark.parametrize("seeded", [True, False])
def test_lobster_every_execution_of_the_prepared_stream(replay, expected, seeded):
    """With the 50 levels at the start, and with nothing but the messages."""
    book = ["--order-book", LOBSTER / "orderbook_50_first_672_rows.csv.gz"] if seeded else []
    report, want = replay(MESSAGES, *book), expected["lobster_aapl"]
    counts = want["file"]["counts"]
    assert report["rows"] == want["messages"]
    assert report["executions"]["real"] == counts["executions"] == 4067
    assert report["executions"]["right"] == counts["maker_same"] == report["trades"] == 4058
    assert report["executions"]["right_once_gone_orders_were_out"] == 0
    assert report["cancels"] == {"real": 41004, "equal": counts["delete_size_equal"]}
    differences = {"executions with another maker at the same price": counts["maker_other_place"]}
    assert report["differences"] == differences
    assert report["resting"] == (443 if seeded else 443 - want["file"]["seed"]["seed_residual"])
    if seeded:
        assert report["counts"]["rows of the order-book file compared"] == 672
        assert report["counts"]["of these equal in all 50 levels"] == 672


def test_bitstamp_every_trade_and_the_last_book(replay, expected):
    report = replay(ORDERS, "--trades", BITSTAMP / "trades_first20min.csv")
    want = expected["bitstamp_first20min"]
    assert report["rows"] == want["event_rows"]
    assert {name: report["counts"][name] for name in want["actions"]} == want["actions"]
    assert report["executions"]["real"] == report["executions"]["right"] == want["trades_real"]
    assert report["trades"] == want["trades_engine"] == 232
    assert report["refused"]["would_trade"] == want["post_only_refused"]
    assert report["cancels"] == {"real": want["cancel_same_rest"], "equal": 35014}
    orders = want["final_book_orders"]
    assert report["last_book"] == {"orders": orders, "equal": 6509, "differ": 0}
    taken_out = {"orders that the exchange no longer had, taken out": want["ghosts_left_out"]}
    assert report["differences"] == taken_out


def test_bitstamp_without_trades(replay):
    report = replay(ORDERS)
    assert report["executions_known"] is False
    assert report["trades"] == 231  # the one market order's quantity is in the trades file alone
    assert report["last_book"] == {"orders": 6509, "equal": 6509, "differ": 0}


def test_bme_every_cancel(replay, expected):
    report, want = replay(DATA / "bme_ana_2019-05-23" / "orders.csv.gz"), expected["bme_ana"]
    for name in ("new", "modif", "cancel"):
        assert report["counts"][name] == want[name]
    assert report["cancels"] == {"real": 11433, "equal": want["cancel_same_rest"]}
    assert report["trades"] == want["trades"] and report["traded"] == str(want["shares_traded"])
    assert report["resting"] == want["resting_at_the_end"] and report["differences"] == {}
    assert report["event_kinds"]["amended"] == want["modif_part"]


def test_itch_counts(replay, expected):
    """The contents are made up and cross the book: only what the parser counts means anything."""
    report = replay(DATA / "itch_synthetic" / "ex20101224.TEST_ITCH_50.gz")
    want = expected["itch_synthetic"]
    counts = report["counts"]
    assert report["rows"] == want["messages"] and report["books"] == want["books"]
    assert {kind: counts[kind] for kind in want["kinds"]} == want["kinds"]
    unknown = " of orders that the file does not have"
    assert counts["executions" + unknown] == want["counts"]["execute_unknown"]
    assert counts["deletes" + unknown] == want["counts"]["delete_unknown"]
    assert counts["reductions" + unknown] == want["counts"]["cancel_unknown"]
    assert counts["replaces" + unknown] == want["counts"]["replace_unknown"]
    assert counts["orders that the file leaves"] == want["resting"]
    assert {book["stock"] for book in report["busiest"]} == {"ALC", "BOB", "CHAR"}
