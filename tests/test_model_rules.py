"""The twin, rule by rule: a blotter for each feature, worked out by hand from the contract."""

import pytest
from model.blotter import command, play, scenarios
from model.twin import Twin
from pricetime.records import EventFlag, EventKind, Mark, OrderState, Reason

RULES = """
= Iceberg: a slice traded away is followed by the next at the back of the line
sell 1 9@100 peak=4      | accepted 1 9@100
sell 2 3@100             | accepted 2 3@100
depth                    | / 7@100
buy  3 8@100             | accepted 3 8@100
                         | trade 3x1 4@100 (4/5) ; refreshed 1 4@100 (5)
                         | trade 3x2 3@100 (1/0) ; trade 3x1 1@100 (0/4)
book                     | / 1 4@100 (3)

= Hidden and all-or-none orders form the second queue
sell 1 3@100 hidden      | accepted 1 3@100
sell 2 5@100 aon         | accepted 2 5@100
sell 3 1@100             | accepted 3 1@100
buy  4 5@100             | accepted 4 5@100 ; trade 4x3 1@100 (4/0) ; trade 4x1 3@100 (1/0) hidden
book                     | 4 1@100 / 2 5@100 (0)
depth                    | 1@100 /

= An all-or-none order rests across what cannot fill it
buy  1 4@100             | accepted 1 4@100
sell 2 5@99 aon          | accepted 2 5@99
buy  3 5@99              | accepted 3 5@99 ; trade 3x2 5@99 (0/0) hidden

= Minimum: less is rejected, nothing rests, an IOC wants it at once
sell 1 2@100             | accepted 1 2@100
buy  2 5@100 min=3       | rejected MINIMUM
buy  2 5@99 min=3 ioc    | rejected MINIMUM
buy  2 5@99 min=3        | accepted 2 5@99
buy  3 5@100 min=2       | accepted 3 5@100 ; trade 3x1 2@100 (3/0)

= A quote quantity takes the whole lots that its rest pays for
sell 1 2@100             | accepted 1 2@100
sell 2 5@101             | accepted 2 5@101
buy  3 450@market spend  | accepted 3 450@0 ; trade 3x1 2@100 (250/0) ; trade 3x2 2@101 (48/3)
                         | cancelled 3 48@0 IOC

= A dry run sees what links do: the other leg is gone after the first trade
sell 1 3@100 account=1        | accepted 1 3@100
sell 2 3@101 account=1 oco=1  | accepted 2 3@101
buy  3 6@101 fok              | rejected FOK
buy  3 3@101 fok              | accepted 3 3@101 ; trade 3x1 3@100 (0/0) ; cancelled 2 3@101 OCO

= Behind a trade: the maker's leg, the taker's leg, then what fires
sell 1 5@100 account=1          | accepted 1 5@100
buy  2 5@90 account=1 oco=1     | accepted 2 5@90
buy  3 5@91 account=2           | accepted 3 5@91
buy  4 9@92 stop=100            | accepted 4 9@92 trigger=100
buy  5 5@100 account=2 oco=3    | accepted 5 5@100 ; trade 5x1 5@100 (0/0)
                                | cancelled 2 5@90 OCO ; cancelled 3 5@91 OCO
                                | triggered 4 9@92 trigger=100

= Behind a cancel: the other leg and its children, then its own children
buy  1 5@90 account=1            | accepted 1 5@90
buy  2 5@91 account=1 oco=1      | accepted 2 5@91
sell 3 1@110 account=1 parent=1  | accepted 3 1@110
sell 4 1@111 account=1 parent=2  | accepted 4 1@111
sell 5 1@112 account=1 parent=2  | accepted 5 1@112
cancel 1                         | cancelled 1 5@90 USER ; cancelled 2 5@91 OCO
                                 | cancelled 4 1@111 PARENT ; cancelled 5 1@112 PARENT
                                 | cancelled 3 1@110 PARENT

= Children take what their parent traded, as a pair, the first one first
buy  1 5@100 account=1                    | accepted 1 5@100
sell 2 9@105 account=1 parent=1           | accepted 2 9@105
sell 3 9@market account=1 parent=1 stop=95| accepted 3 9@0 trigger=95
sell 4 3@100                              | accepted 4 3@100 ; trade 4x1 3@100 (0/2)
cancel 1                                  | cancelled 1 2@100 USER
                                          | triggered 2 3@105 ; triggered 3 3@0
book                                      | / 2 3@105 oco=3; 3 3@market stop=95 oco=2
buy  5 1@105                              | accepted 5 1@105 ; trade 5x2 1@105 (0/2)
                                          | cancelled 3 3@0 OCO

= Pro-rata shares what is displayed, and what rounding left goes in time order
given matching=2
sell 1 5@100             | accepted 1 5@100
sell 2 3@100             | accepted 2 3@100
sell 3 2@100             | accepted 3 2@100
buy  4 7@100             | accepted 4 7@100
                         | trade 4x1 4@100 (3/1) ; trade 4x2 2@100 (1/1) ; trade 4x3 1@100 (0/1)

= Pro-rata: the first order gets all it can, small shares are nothing
given matching=2 top_order=1 min_allocation=2
sell 1 2@100             | accepted 1 2@100
sell 2 8@100             | accepted 2 8@100
sell 3 2@100             | accepted 3 2@100
sell 4 6@100 hidden      | accepted 4 6@100
buy  5 9@100             | accepted 5 9@100
                         | trade 5x1 2@100 (7/0) ; trade 5x2 7@100 (0/1)
buy  6 6@100             | accepted 6 6@100
                         | trade 6x2 1@100 (5/0) ; trade 6x3 2@100 (3/0)
                         | trade 6x4 3@100 (0/3) hidden

= Pro-rata: own orders first, then rounds over the slices
given matching=2
sell 1 9@100 peak=2           | accepted 1 9@100
sell 2 2@100 account=7        | accepted 2 2@100
sell 3 2@100                  | accepted 3 2@100
buy  4 7@100 account=7 stp-cancel_maker | accepted 4 7@100 ; cancelled 2 2@100 SELF_TRADE
                              | trade 4x1 2@100 (5/7) ; refreshed 1 2@100 (7)
                              | trade 4x3 2@100 (3/0)
                              | trade 4x1 2@100 (1/5) ; refreshed 1 2@100 (5)
                              | trade 4x1 1@100 (0/4)

= Collar: no further than so many ticks from the best price that was found first
given collar=1
sell 1 1@100             | accepted 1 1@100
sell 2 1@101             | accepted 2 1@101
sell 3 1@102             | accepted 3 1@102
buy  4 5@market          | accepted 4 5@0 ; trade 4x1 1@100 (4/0) ; trade 4x2 1@101 (3/0)
                         | cancelled 4 3@0 COLLAR

= Bands end limit orders too; a dry run stops there
given static_band=2 static_reference=100
sell 1 1@102             | accepted 1 1@102
sell 2 1@103             | accepted 2 1@103
buy  3 2@103 fok         | rejected FOK
buy  3 2@103             | accepted 3 2@103 ; trade 3x1 1@102 (1/0) ; cancelled 3 1@103 BAND
buy  4 1@103 post        | accepted 4 1@103 ; cancelled 4 1@103 BAND

= The dynamic band is around the last trade before the step
given dynamic_band=2
sell 1 1@100             | accepted 1 1@100
sell 2 1@102             | accepted 2 1@102
sell 3 1@103             | accepted 3 1@103
buy  4 1@100             | accepted 4 1@100 ; trade 4x1 1@100 (0/0)
buy  5 3@103             | accepted 5 3@103 ; trade 5x2 1@102 (2/0) ; cancelled 5 2@103 BAND

= A band may start an auction, which ends by itself
given static_band=2 static_reference=100 band_action=2 auction_seconds=5
sell 1 1@102             | accepted 1 1@102
sell 2 4@103             | accepted 2 4@103
sell 3 2@104 stop=102    | accepted 3 2@104 trigger=102
buy  4 3@103 at=1s       | accepted 4 3@103 ; trade 4x1 1@102 (2/0) ; phase AUCTION
                         | triggered 3 2@104 trigger=102
buy  5 1@market at=2s    | accepted 5 1@0
buy  6 1@103 ioc at=2s   | rejected PHASE
clock at=3s              | indicative 3@103 (-1)
clock at=6s              | trade 5x2 1@103 (0/3) auction ; trade 4x2 2@103 (0/1) auction
                         | phase CONTINUOUS ; ok

= What a band does to an IOC and to a quote quantity
given static_band=2 static_reference=100 band_action=2
sell 1 1@103             | accepted 1 1@103
buy  2 3@103 ioc         | accepted 2 3@103 ; phase AUCTION ; cancelled 2 3@103 BAND
phase CONTINUOUS         | phase CONTINUOUS
buy  3 999@market spend  | accepted 3 999@0 ; phase AUCTION ; cancelled 3 999@0 BAND
phase POST_ONLY          | phase POST_ONLY
buy  4 3@103             | accepted 4 3@103 ; cancelled 4 3@103 BAND

= Uncross: the largest volume, then the smallest surplus, then the pressure, then the last trade
phase AUCTION            | phase AUCTION
buy  1 5@102             | accepted 1 5@102
sell 2 5@100             | accepted 2 5@100
clock                    | indicative 5@100 (+0)
buy  3 2@102             | accepted 3 2@102
clock                    | indicative 5@102 (+2)
sell 4 4@market          | accepted 4 4@0
clock                    | indicative 7@100 (-2)
uncross CONTINUOUS       | trade 4x1 4@100 (0/1) auction ; trade 2x1 1@100 (4/0) auction
                         | trade 3x2 2@100 (0/2) auction ; phase CONTINUOUS
book                     | / 2 2@100

= Uncross: nearest to the last trade, the lower one if tied
sell 1 1@101             | accepted 1 1@101
buy  2 1@101             | accepted 2 1@101 ; trade 2x1 1@101 (0/0)
phase AUCTION            | phase AUCTION
buy  3 1@102             | accepted 3 1@102
sell 4 1@100             | accepted 4 1@100
clock                    | indicative 1@100 (+0)
sell 5 1@103             | accepted 5 1@103
buy  6 1@101             | accepted 6 1@101
clock                    | indicative 1@102 (+0)

= Uncross: market orders alone meet at the last price; what is left goes, by time
sell 1 1@100             | accepted 1 1@100
buy  2 1@100             | accepted 2 1@100 ; trade 2x1 1@100 (0/0)
buy  3 2@90 auction      | accepted 3 2@90
book                     | 3 2@90 sleeping /
phase AUCTION            | phase AUCTION ; triggered 3 2@90
cancel 3                 | cancelled 3 2@90 USER
buy  4 5@market          | accepted 4 5@0
sell 5 2@market          | accepted 5 2@0
clock                    | indicative 2@100 (+3)
buy  6 1@90 auction      | accepted 6 1@90
sell 7 1@99 auction      | accepted 7 1@99
phase CONTINUOUS         | trade 5x4 2@99 (0/3) auction ; trade 7x4 1@99 (0/2) auction
                         | cancelled 4 2@0 NO_LIQUIDITY ; cancelled 6 1@90 AUCTION
                         | phase CONTINUOUS

= Uncross: an order that leaves on the way is passed, and the price stays
phase AUCTION                  | phase AUCTION
sell 1 5@100 account=1         | accepted 1 5@100
sell 2 5@100 account=1 oco=1   | accepted 2 5@100
sell 3 5@100                   | accepted 3 5@100
buy  4 9@100                   | accepted 4 9@100
uncross CONTINUOUS             | trade 4x1 5@100 (4/0) auction ; cancelled 2 5@100 OCO
                               | trade 4x3 4@100 (0/1) auction ; phase CONTINUOUS

= Uncross: what an order leaves behind that left on the way may still cross
phase AUCTION                  | phase AUCTION
sell 1 5@100 account=1         | accepted 1 5@100
sell 2 5@100 account=1 oco=1   | accepted 2 5@100
sell 3 9@103                   | accepted 3 9@103
buy  4 9@105                   | accepted 4 9@105
uncross CONTINUOUS             | trade 4x1 5@100 (4/0) auction ; cancelled 2 5@100 OCO
                               | phase CONTINUOUS
book                           | 4 4@105 / 3 9@103
sell 5 5@104                   | accepted 5 5@104 ; trade 5x4 4@105 (1/0)

= Uncross: icebergs take part with all, and display again in their place
sell 1 9@100 peak=3      | accepted 1 9@100
sell 2 2@100             | accepted 2 2@100
buy  3 1@100             | accepted 3 1@100 ; trade 3x1 1@100 (0/8)
phase AUCTION            | phase AUCTION
buy  4 4@100             | accepted 4 4@100
uncross CONTINUOUS       | trade 4x1 4@100 (0/4) auction ; refreshed 1 3@100 (4) ; phase CONTINUOUS
book                     | / 1 4@100 (3); 2 2@100

= Uncross: what it fires waits for CONTINUOUS, what it frees enters behind the phase
phase AUCTION                    | phase AUCTION
buy  1 1@105 stop=100            | accepted 1 1@105 trigger=100
buy  2 5@100 account=1           | accepted 2 5@100
sell 3 5@104 account=1 parent=2  | accepted 3 5@104
sell 4 5@100                     | accepted 4 5@100
uncross CONTINUOUS               | trade 4x2 5@100 (0/0) auction ; phase CONTINUOUS
                                 | triggered 3 5@104 ; triggered 1 1@105 trigger=100
                                 | trade 1x3 1@104 (0/4)

= Phases: what only waits or sleeps is refused where nothing enters, and only there
phase POST_ONLY          | phase POST_ONLY
sell 1 5@100             | accepted 1 5@100
buy  2 5@100             | rejected WOULD_TRADE
buy  2 5@100 slide       | accepted 2 5@99
buy  3 5@market          | rejected PHASE
buy  3 5@99 fok          | rejected PHASE
buy  3 5@market stop=90 fok | accepted 3 5@0 trigger=90
buy  4 5@market auction  | accepted 4 5@0
amend 2 5@100            | amended 2 5@99 (5)
phase AUCTION            | phase AUCTION ; triggered 4 5@0
buy  5 5@100 post        | rejected PHASE
buy  5 5@100 aon         | rejected PHASE
uncross HALTED           | trade 4x1 5@100 (0/0) auction ; phase HALTED
buy  5 5@market stop=90  | rejected PHASE
phase CLOSED             | phase CLOSED
cancel 2                 | rejected PHASE
arm account=1            | rejected PHASE
uncross CONTINUOUS       | rejected PHASE

= What wakes where nothing may enter is cancelled
phase AUCTION                       | phase AUCTION
buy  1 5@100 account=1              | accepted 1 5@100
sell 2 5@104 account=1 parent=1     | accepted 2 5@104
sell 3 5@100                        | accepted 3 5@100
uncross HALTED                      | trade 3x1 5@100 (0/0) auction ; phase HALTED
                                    | triggered 2 5@104 ; cancelled 2 5@104 PHASE

= Phases to come and expiries, in order of due time, then of command
buy  1 5@100 day                | accepted 1 5@100
phase CLOSED until=5            | ok
buy  2 5@99 gtd until=5         | accepted 2 5@99
phase CONTINUOUS until=7        | ok
clock at=8s                     | phase CLOSED at 5s ; cancelled 1 5@100 EXPIRED at 5s
                                | cancelled 2 5@99 EXPIRED at 5s ; phase CONTINUOUS at 7s ; ok

= Dead man's switch: armed again it is later, and takes all orders of the account
arm account=1 until=5               | ok
buy  1 5@100 account=1              | accepted 1 5@100
sell 2 5@market account=1 stop=90   | accepted 2 5@0 trigger=90
arm account=1 until=9               | ok
arm account=2 until=9               | ok
arm account=2 until=0               | ok
buy  3 5@99 account=2 at=6s         | accepted 3 5@99
clock at=9s                         | cancelled 1 5@100 DISARMED at 9s
                                    | cancelled 2 5@0 DISARMED at 9s ; ok
arm account=2 until=9               | rejected EXPIRED

= Quote: new, unchanged, smaller, moved, one side out, nothing
quote 1 5@99 5@101 account=1   | accepted 1 5@99 ; accepted 2 5@101
buy 9 1@99                     | accepted 9 1@99
quote 1 5@99 4@101 account=1   | amended 1 5@99 (5) ; amended 2 4@101 (4)
sell 10 2@99                   | accepted 10 2@99 ; trade 10x1 2@99 (0/3)
quote 1 4@99 4@102 account=1   | amended 1 6@99 (4) ; amended 2 4@102 (4)
book                           | 9 1@99; 1 4@99 / 2 4@102
quote 1 - 4@102 account=1      | cancelled 1 4@99 USER ; amended 2 4@102 (4)
quote 1 4@102 4@103 account=1  | accepted 1 4@102 ; amended 2 4@103 (4)
quote 9 4@90 4@103 account=1   | rejected DUPLICATE_ID
quote 1 4@90 4@99 account=1    | rejected WOULD_TRADE
quote 1 - - account=1          | cancelled 1 4@102 USER ; cancelled 2 4@103 USER
quote 1 - - account=1          | ok

= Quote sides may cross in an auction
phase PRE_OPEN                 | phase PRE_OPEN
sell 9 5@100                   | accepted 9 5@100
quote 1 5@101 5@102 account=1  | accepted 1 5@101 ; accepted 2 5@102
clock                          | indicative 5@100 (+0)
"""
CASES = [pytest.param(rows, id=title) for title, rows in scenarios(RULES)]


@pytest.mark.parametrize("rows", CASES)
def test_rule(rows):
    play(rows, Twin)


def run(*lines, **parameters):
    """A twin that was told so, and the events of the last line."""
    twin = Twin(**parameters)
    events = [twin.process(command(line)) for line in lines]
    twin.check()
    return twin, events[-1]


def test_the_market_sees_what_is_displayed():
    twin, _ = run(
        "sell 1 9@100 peak=4 account=3",
        "sell 2 2@101 hidden",
        "sell 3 2@99 aon",
        "sell 4 2@100",
        "buy 5 1@100 account=4",
        "sell 6 5@105 stop=90 oco=4",
    )
    # Order 5 is too small for the all-or-none order, and takes a lot of the slice.
    assert (twin.best_bid, twin.best_ask) == (None, 100)
    assert twin.asks() == [(100, 5, 2)]
    assert twin.asks(hidden=True) == [(99, 2, 1), (100, 10, 2), (101, 2, 1)]
    seen = twin.orders()[0]
    assert (seen["quantity"], seen["remaining"], seen["displayed"]) == (3, 3, 3)
    assert (seen["slot"], seen["partner"], seen["flags"], seen["marks"]) == (0, 0, 0, 0)
    known = twin.orders(hidden=True)
    assert [row["order_id"] for row in known] == [3, 1, 4, 2, 6]
    assert (known[1]["quantity"], known[1]["remaining"], known[1]["slot"]) == (9, 8, 4)
    assert (known[2]["partner"], known[4]["partner"]) == (6, 4)
    assert known[4]["state"] == OrderState.WAITING


def test_a_trailing_stop_shows_what_it_follows():
    lines = ["sell 1 5@~1 trail=3", "buy 2 2@100", "sell 3 1@100"]
    twin, _ = run(*lines)
    row = twin.orders(hidden=True)[1]
    assert (row["price"], row["trigger"], row["reference"]) == (1, 3, 100)
    assert row["marks"] == Mark.REFERENCE
    twin, events = run(*lines, "cancel 2", "buy 4 1@97", "sell 5 1@97")
    assert events[2]["kind"] == EventKind.TRIGGERED
    assert (events[2]["price"], events[2]["detail"]) == (96, 97)
    row = twin.orders(hidden=True)[0]
    assert (row["order_type"], row["trigger"], row["reference"]) == (2, 0, 0)
    assert row["marks"] == Mark.TRIGGERED


def test_a_phase_waits_with_at_most_64_others():
    lines = [f"phase AUCTION until={second}" for second in range(1, 66)]
    _, events = run(*lines)
    assert events["reason"] == [Reason.CAPACITY]
    _, events = run(*lines[:-1], "clock at=1s", lines[-1])
    assert events["kind"] == [EventKind.ACKNOWLEDGED]


def test_the_indicative_quantity_is_clamped():
    most = 2**62 - 1
    buys = [f"buy {price} {most}@{price}" for price in range(101, 105)]
    sells = [f"sell {price} {most}@{price}" for price in range(97, 101)]
    _, events = run("phase AUCTION", *buys, *sells, "clock")
    assert (events["price"], events["quantity"], events["detail"]) == (100, 2**63 - 1, 0)


def test_an_uncross_marks_its_trades_and_the_later_order_takes():
    _, events = run("phase AUCTION", "sell 1 2@99 hidden", "buy 2 2@100", "uncross CONTINUOUS")
    trade = events[0]
    assert (trade["order_id"], trade["maker_id"], trade["price"]) == (2, 1, 99)
    assert trade["flags"] == EventFlag.AUCTION
