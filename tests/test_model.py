"""The naive twin by itself: scenarios worked out by hand from the sentences of the contract."""

import numpy as np
import pytest
from model.blotter import play, record, told
from model.twin import Twin
from pricetime.records import BOUND, EVENT, EventFlag, Kind, Phase, Reason

SECOND = 10**9
TOP = BOUND - 1


def ids(twin):
    return [row["order_id"] for row in twin.orders()]


# -- §5 priority, step, rest ----------------------------------------------------------------------


def test_price_goes_before_place_and_place_before_the_rest():
    twin = play("""
        sell 1 5@101       | accepted 1 5@101
        sell 2 5@100       | accepted 2 5@100
        sell 3 5@100       | accepted 3 5@100
        buy  4 12@101      | accepted 4 12@101; trade 4x2 5@100 (7/0); trade 4x3 5@100 (2/0); trade 4x1 2@101 (0/3)
    """)  # noqa: E501
    assert (twin.best_bid, twin.best_ask, twin.asks()) == (None, 101, [(101, 3, 1)])


def test_a_limit_stops_at_its_price_and_the_rest_joins_the_book():
    twin = play("""
        buy  1 5@100       | accepted 1 5@100
        buy  2 5@98        | accepted 2 5@98
        sell 3 9@99        | accepted 3 9@99; trade 3x1 5@100 (4/0)
    """)
    assert twin.bids() == [(98, 5, 1)]
    assert twin.asks() == [(99, 4, 1)]


def test_a_maker_that_is_partly_filled_keeps_its_place():
    play("""
        sell 1 5@100       | accepted 1 5@100
        sell 2 5@100       | accepted 2 5@100
        buy  3 2@100       | accepted 3 2@100; trade 3x1 2@100 (0/3)
        buy  4 4@100       | accepted 4 4@100; trade 4x1 3@100 (1/0); trade 4x2 1@100 (0/4)
    """)


def test_ioc_loses_what_is_left():
    twin = play("""
        sell 1 3@100       | accepted 1 3@100
        buy  2 5@100 ioc   | accepted 2 5@100; trade 2x1 3@100 (2/0); cancelled 2 2@100 IOC
        buy  3 5@100 ioc   | accepted 3 5@100; cancelled 3 5@100 IOC
    """)
    assert ids(twin) == []


def test_a_market_order_never_rests_whatever_its_tif():
    play("""
        sell 1 3@100           | accepted 1 3@100
        buy  2 5@market        | accepted 2 5@0; trade 2x1 3@100 (2/0); cancelled 2 2@0 NO_LIQUIDITY
        buy  3 5@market ioc    | accepted 3 5@0; cancelled 3 5@0 NO_LIQUIDITY
        sell 4 5@market day    | accepted 4 5@0; cancelled 4 5@0 NO_LIQUIDITY
    """)


def test_a_market_order_trades_at_negative_prices():
    play("""
        buy  1 3@-7            | accepted 1 3@-7
        sell 2 3@market        | accepted 2 3@0; trade 2x1 3@-7 (0/0)
    """)


def test_fok_trades_all_or_is_rejected():
    twin = play("""
        sell 1 3@100           | accepted 1 3@100
        sell 2 3@101           | accepted 2 3@101
        buy  3 4@100 fok       | rejected FOK
        buy  3 7@101 fok       | rejected FOK
        buy  3 7@market fok    | rejected FOK
        buy  3 4@101 fok       | accepted 3 4@101; trade 3x1 3@100 (1/0); trade 3x2 1@101 (0/2)
        buy  4 2@market fok    | accepted 4 2@0; trade 4x2 2@101 (0/0)
    """)
    assert twin.trades == 3


def test_a_level_that_would_overflow_loses_the_rest():
    twin = play(f"""
        buy  1 {TOP}@100          | accepted 1 {TOP}@100
        buy  2 1@100              | accepted 2 1@100; cancelled 2 1@100 CAPACITY
        buy  3 {TOP}@99           | accepted 3 {TOP}@99
        sell 4 1@99               | accepted 4 1@99; trade 4x1 1@100 (0/{TOP - 1})
        buy  5 1@100              | accepted 5 1@100
        sell 6 4@102              | accepted 6 4@102
        sell 7 {TOP - 4}@103      | accepted 7 {TOP - 4}@103
        sell 8 5@103              | accepted 8 5@103; cancelled 8 5@103 CAPACITY
        amend 6 5@103             | amended 6 5@103 (5); cancelled 6 5@103 CAPACITY
    """)
    assert twin.bids()[0] == (100, TOP, 2)


# -- §5 post-only ---------------------------------------------------------------------------------


def test_post_only_is_rejected_where_it_would_trade():
    twin = play("""
        sell 1 3@100           | accepted 1 3@100
        buy  2 3@100 post      | rejected WOULD_TRADE
        buy  2 3@99 post       | accepted 2 3@99
    """)
    assert twin.best_bid == 99


def test_slide_rests_one_tick_short():
    twin = play("""
        sell 1 3@100           | accepted 1 3@100
        buy  2 3@105 slide     | accepted 2 3@99
        buy  3 3@98 slide      | accepted 3 3@98
        sell 4 3@90 slide      | accepted 4 3@100
    """)
    assert twin.asks() == [(100, 6, 2)]
    assert [row["price"] for row in twin.orders()] == [99, 98, 100, 100]


def test_slide_past_the_price_limits_is_would_trade():
    play(f"""
        set MIN_PRICE 1        | set 1 1
        sell 1 3@1             | accepted 1 3@1
        buy  2 3@1 slide       | rejected WOULD_TRADE
        buy  2 3@{TOP}         | accepted 2 3@{TOP}; trade 2x1 3@1 (0/0)
        buy  3 3@{TOP}         | accepted 3 3@{TOP}
        sell 4 3@7 slide       | rejected WOULD_TRADE
    """)


def test_post_only_against_own_orders_passes_and_prevents():
    play("""
        sell 1 3@100 account=7                           | accepted 1 3@100
        buy  2 5@100 account=7 post stp-cancel_maker     | accepted 2 5@100; cancelled 1 3@100 SELF_TRADE
        sell 3 2@100 account=7 post stp-cancel_taker     | accepted 3 2@100; cancelled 3 2@100 SELF_TRADE
        sell 4 2@100 account=7 slide stp-decrement       | accepted 4 2@100; amended 2 3@100 (3) SELF_TRADE; cancelled 4 2@100 SELF_TRADE
    """)  # noqa: E501


def test_slide_looks_behind_own_orders_that_would_go():
    play("""
        sell 1 3@100 account=7                           | accepted 1 3@100
        sell 2 3@102                                     | accepted 2 3@102
        buy  3 5@105 account=7 post stp-cancel_maker     | rejected WOULD_TRADE
        buy  3 5@105 account=7 slide stp-cancel_maker    | accepted 3 5@101; cancelled 1 3@100 SELF_TRADE
    """)  # noqa: E501


def test_slide_by_decrement_slides_only_if_something_would_trade():
    play("""
        sell 1 3@100 account=7                           | accepted 1 3@100
        sell 2 3@102                                     | accepted 2 3@102
        buy  3 3@105 account=7 slide stp-decrement       | accepted 3 3@105; cancelled 1 3@100 SELF_TRADE; cancelled 3 3@105 SELF_TRADE
        sell 4 3@100 account=7                           | accepted 4 3@100
        buy  5 5@105 account=7 slide stp-decrement       | accepted 5 5@101; cancelled 4 3@100 SELF_TRADE; amended 5 2@101 (2) SELF_TRADE
    """)  # noqa: E501


# -- §5 self-trade prevention ---------------------------------------------------------------------

OWN = """
        sell 1 3@100 account=7     | accepted 1 3@100
        sell 2 3@100 account=8     | accepted 2 3@100
"""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("allow", "trade 3x1 3@100 (2/0); trade 3x2 2@100 (0/1)"),
        ("default", "trade 3x1 3@100 (2/0); trade 3x2 2@100 (0/1)"),
        ("cancel_taker", "cancelled 3 5@100 SELF_TRADE"),
        ("cancel_maker", "cancelled 1 3@100 SELF_TRADE; trade 3x2 3@100 (2/0)"),
        ("cancel_both", "cancelled 1 3@100 SELF_TRADE; cancelled 3 5@100 SELF_TRADE"),
        (
            "decrement",
            "cancelled 1 3@100 SELF_TRADE; amended 3 2@100 (2) SELF_TRADE; trade 3x2 2@100 (0/1)",
        ),
    ],
)
def test_self_trade_prevention_is_the_takers(mode, expected):
    play(OWN + f"buy 3 5@100 account=7 stp-{mode} | accepted 3 5@100; {expected}")


def test_default_is_the_parameters_mode_at_the_time_of_the_step():
    play("""
        buy  1 5@99 account=7      | accepted 1 5@99
        sell 2 3@100 account=7     | accepted 2 3@100
        set STP 1                  | set 8 1
        amend 1 5@100              | amended 1 5@100 (5); cancelled 1 5@100 SELF_TRADE
    """)


def test_account_0_is_nobody_and_never_trades_with_itself():
    play("""
        sell 1 3@100                        | accepted 1 3@100
        buy  2 3@100 stp-cancel_taker       | accepted 2 3@100; trade 2x1 3@100 (0/0)
    """)


def test_decrement_of_a_larger_maker_keeps_its_place_and_lowers_its_total():
    play("""
        sell 1 9@100 account=7                 | accepted 1 9@100
        sell 2 9@100 account=8                 | accepted 2 9@100
        buy  3 2@100                           | accepted 3 2@100; trade 3x1 2@100 (0/7)
        buy  4 3@100 account=7 stp-decrement   | accepted 4 3@100; amended 1 6@100 (4) SELF_TRADE; cancelled 4 3@100 SELF_TRADE
        buy  5 5@100                           | accepted 5 5@100; trade 5x1 4@100 (1/0); trade 5x2 1@100 (0/8)
    """)  # noqa: E501


def test_a_market_taker_is_cancelled_as_self_trade():
    play(
        OWN
        + "buy 3 5@market account=7 stp-cancel_taker | accepted 3 5@0; cancelled 3 5@0 SELF_TRADE"
    )


def test_fok_counts_what_prevention_leaves():
    play(
        OWN
        + """
        buy 3 4@100 account=7 fok stp-cancel_maker   | rejected FOK
        buy 3 4@100 account=7 fok stp-decrement      | rejected FOK
        buy 3 3@100 account=7 fok stp-cancel_taker   | rejected FOK
        buy 3 3@100 account=7 fok stp-cancel_maker   | accepted 3 3@100; cancelled 1 3@100 SELF_TRADE; trade 3x2 3@100 (0/0)
    """  # noqa: E501
    )


# -- §3 CANCEL, AMEND, REPLACE, MASS_CANCEL -------------------------------------------------------


def test_cancel_of_unknown_of_foreign_and_of_own():
    play("""
        buy 1 5@100 account=7      | accepted 1 5@100
        cancel 2                   | rejected UNKNOWN_ORDER
        cancel 1 account=8         | rejected NOT_OWNER
        cancel 1 account=7         | cancelled 1 5@100 USER
        cancel 1                   | rejected UNKNOWN_ORDER
        buy 1 5@100 account=7      | accepted 1 5@100
        cancel 1                   | cancelled 1 5@100 USER
    """)


def test_amend_down_keeps_the_place():
    twin = play("""
        buy 1 5@100        | accepted 1 5@100
        buy 2 5@100        | accepted 2 5@100
        amend 1 3@100      | amended 1 3@100 (3)
        amend 1 3@100      | amended 1 3@100 (3)
    """)
    assert ids(twin) == [1, 2]


def test_amend_up_loses_the_place():
    twin = play("""
        buy 1 5@100        | accepted 1 5@100
        buy 2 5@100        | accepted 2 5@100
        amend 1 6@100      | amended 1 6@100 (6)
    """)
    assert ids(twin) == [2, 1]


def test_amend_to_another_price_may_trade():
    play("""
        buy  1 5@100       | accepted 1 5@100
        sell 2 3@102       | accepted 2 3@102
        amend 1 5@102      | amended 1 5@102 (5); trade 1x2 3@102 (2/0)
    """)


def test_amend_sets_the_total():
    play("""
        buy  1 5@100       | accepted 1 5@100
        sell 2 3@100       | accepted 2 3@100; trade 2x1 3@100 (0/2)
        amend 1 6@100      | amended 1 6@100 (3)
        amend 1 4@100      | amended 1 4@100 (1)
        amend 1 3@100      | cancelled 1 1@100 USER
    """)


def test_amend_to_the_traded_quantity_cancels_before_any_check_of_values():
    play("""
        buy  1 5@100       | accepted 1 5@100
        sell 2 3@100       | accepted 2 3@100; trade 2x1 3@100 (0/2)
        set MAX_PRICE 50   | set 2 50
        amend 1 4@100      | rejected PRICE_RANGE
        amend 1 2@100      | cancelled 1 2@100 USER
    """)


def test_amend_of_post_only_is_rejected_and_of_slide_slides():
    twin = play("""
        sell 1 3@100           | accepted 1 3@100
        buy  2 3@98 post       | accepted 2 3@98
        buy  3 3@97 slide      | accepted 3 3@97
        amend 2 3@100          | rejected WOULD_TRADE
        amend 3 3@100          | amended 3 3@99 (3)
        buy  4 3@99            | accepted 4 3@99
        amend 3 3@105          | amended 3 3@99 (3)
    """)
    assert ids(twin) == [3, 4, 2, 1]


def test_replace_keeps_the_account_and_loses_the_place():
    twin = play("""
        buy 1 5@100 account=7                  | accepted 1 5@100
        buy 2 5@100                            | accepted 2 5@100
        replace 1 3 buy 4@100                  | replaced 1 5@100 by 3; accepted 3 4@100
    """)
    assert [(row["order_id"], row["account"]) for row in twin.orders()] == [(2, 0), (3, 7)]


def test_replace_changes_nothing_if_either_half_is_refused():
    twin = play("""
        sell 9 5@101                           | accepted 9 5@101
        buy 1 5@100 account=7                  | accepted 1 5@100
        buy 2 5@100                            | accepted 2 5@100
        replace 4 3 buy 4@100                  | rejected UNKNOWN_ORDER
        replace 1 3 buy 4@100 account=8        | rejected NOT_OWNER
        replace 1 2 buy 4@100                  | rejected DUPLICATE_ID
        replace 1 1 buy 4@100                  | rejected DUPLICATE_ID
        replace 1 3 buy 4@101 post             | rejected WOULD_TRADE
        replace 1 3 buy 6@101 fok              | rejected FOK
    """)
    assert ids(twin) == [1, 2, 9]


def test_replace_may_cross_to_the_other_side_of_its_own():
    play("""
        buy 1 5@100                            | accepted 1 5@100
        replace 1 2 sell 5@100 post            | replaced 1 5@100 by 2; accepted 2 5@100
        replace 2 3 buy 5@100 fok              | rejected FOK
    """)


def test_replace_counts_room_net():
    twin = Twin(max_orders=2, orders_per_account=1)
    play(
        """
        buy 1 5@100 account=7      | accepted 1 5@100
        buy 2 5@100 account=7      | rejected TOO_MANY_ORDERS
        buy 2 5@100                | accepted 2 5@100
        buy 3 5@100                | rejected CAPACITY
        replace 1 3 buy 5@100      | replaced 1 5@100 by 3; accepted 3 5@100
    """,
        twin,
    )


def test_mass_cancel_goes_by_first_acceptance():
    play("""
        buy  1 5@100 account=7     | accepted 1 5@100
        sell 2 5@105 account=7     | accepted 2 5@105
        buy  3 5@101 account=8     | accepted 3 5@101
        amend 1 6@99               | amended 1 6@99 (6)
        mass account=9             | ok
        mass account=8 sell        | ok
        mass account=7             | cancelled 1 6@99 MASS; cancelled 2 5@105 MASS
        mass                       | cancelled 3 5@101 MASS
        mass                       | ok
    """)


# -- §3 step 3: the order of the reasons ----------------------------------------------------------


def test_reasons_come_in_their_order():
    twin = Twin(min_price=10, max_price=200, min_quantity=2, max_quantity=50)
    play(
        """
        set MAX_NOTIONAL 1000                          | set 6 1000
        sell 1 2@100 account=7                         | accepted 1 2@100
        set ORDERS_PER_ACCOUNT 1                       | set 7 1
        buy 1 1@9 gtd account=7 fok                    | rejected DUPLICATE_ID
        buy 2 1@9 gtd account=7                        | rejected PRICE_RANGE
        buy 2 51@201 gtd account=7                     | rejected PRICE_RANGE
        buy 2 1@200 gtd account=7                      | rejected QUANTITY_RANGE
        buy 2 6@200 gtd account=7                      | rejected NOTIONAL_RANGE
        buy 2 2@100 gtd account=7                      | rejected EXPIRED
        buy 2 2@100 gtd account=7 expires=1 post       | rejected TOO_MANY_ORDERS
        buy 2 2@100 gtd account=8 expires=1 post       | rejected WOULD_TRADE
        phase HALTED                                   | phase 6
        buy 1 1@9 gtd account=7 fok                    | rejected PHASE
    """,
        twin,
    )


def test_notional_is_absolute_and_has_no_meaning_for_market_orders():
    play("""
        set MIN_NOTIONAL 10        | set 5 10
        buy 1 3@-3                 | rejected NOTIONAL_RANGE
        buy 1 4@-3                 | accepted 1 4@-3
        buy 2 4@0                  | rejected NOTIONAL_RANGE
        buy 2 1@market             | accepted 2 1@0; cancelled 2 1@0 NO_LIQUIDITY
    """)


def test_notional_goes_beyond_64_bits():
    play(f"""
        set MAX_NOTIONAL {TOP}     | set 6 {TOP}
        buy 1 4@{BOUND // 2}       | rejected NOTIONAL_RANGE
        buy 1 {TOP}@{-TOP}         | rejected NOTIONAL_RANGE
        buy 1 1@{TOP}              | accepted 1 1@{TOP}
    """)


def test_the_account_limit_exempts_account_0():
    play("""
        set ORDERS_PER_ACCOUNT 1   | set 7 1
        buy 1 5@100                | accepted 1 5@100
        buy 2 5@100                | accepted 2 5@100
        buy 3 5@100 account=1      | accepted 3 5@100
        buy 4 5@100 account=1 ioc  | rejected TOO_MANY_ORDERS
    """)


# -- §1, §7 time ----------------------------------------------------------------------------------


def test_gtd_goes_before_what_the_command_does():
    play(f"""
        sell 1 5@100 gtd expires=3 timestamp=5               | accepted 1 5@100
        buy 2 5@99 gtd expires=3                             | accepted 2 5@99
        buy 3 5@98 gtd expires=2                             | accepted 3 5@98
        clock timestamp={2 * SECOND - 1}                     | ok
        buy 4 5@100 timestamp={3 * SECOND}                   | cancelled 3 5@98 EXPIRED; cancelled 1 5@100 EXPIRED; cancelled 2 5@99 EXPIRED; accepted 4 5@100
    """)  # noqa: E501


def test_an_expiry_carries_its_own_time():
    twin = play("buy 1 5@100 gtd expires=3 | accepted 1 5@100")
    events = twin.process(record(Kind.CANCEL, order_id=1, timestamp=9 * SECOND))
    assert [told(e) for e in events] == ["cancelled 1 5@100 EXPIRED", "rejected UNKNOWN_ORDER"]
    assert list(events["timestamp"]) == [3 * SECOND, 9 * SECOND]
    assert list(events["command"]) == [2, 2]


def test_gtd_must_end_after_engine_time():
    play(f"""
        buy 1 5@100 gtd expires=3 timestamp={3 * SECOND}     | rejected EXPIRED
        buy 1 5@100 gtd expires=4                            | accepted 1 5@100
    """)


def test_time_never_goes_back_and_a_malformed_command_does_not_move_it():
    twin = Twin()
    twin.process(record(Kind.CLOCK, timestamp=50))
    for timestamp in (40, -1, -(2**63)):
        assert twin.process(record(Kind.CLOCK, timestamp=timestamp))["timestamp"] == [50]
    assert twin.process(record(Kind.CLOCK, timestamp=99, reserved=1))["timestamp"] == [50]
    assert twin.process(record(Kind.QUOTE, timestamp=99, account=1, order_id=1))["reason"] == 2
    assert twin.time == 50
    twin.process(record(Kind.CANCEL, timestamp=99, order_id=1))
    assert twin.time == 99


def test_day_orders_end_when_the_phase_becomes_closed():
    twin = play("""
        buy  1 5@100 day       | accepted 1 5@100
        sell 2 5@105 day       | accepted 2 5@105
        buy  3 5@99            | accepted 3 5@99
        amend 1 6@98           | amended 1 6@98 (6)
        phase HALTED           | phase 6
        phase CLOSED           | phase 7; cancelled 2 5@105 EXPIRED; cancelled 1 6@98 EXPIRED
        phase CLOSED           | phase 7
    """)
    assert ids(twin) == [3]


# -- §8 phases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["CANCEL_ONLY", "HALTED", "CLOSED"])
def test_what_a_phase_refuses(phase):
    closed = phase == "CLOSED"
    cancelled, mass = "cancelled 1 5@100 USER", "cancelled 2 5@100 MASS"
    play(f"""
        buy 1 5@100                | accepted 1 5@100
        buy 2 5@100                | accepted 2 5@100
        phase {phase}              | phase {int(Phase[phase])}
        buy 1 5@100                | rejected PHASE
        amend 1 4@100              | rejected PHASE
        replace 9 3 buy 5@100      | rejected PHASE
        cancel 1                   | {"rejected PHASE" if closed else cancelled}
        cancel 1                   | {"rejected PHASE" if closed else "rejected UNKNOWN_ORDER"}
        mass                       | {"rejected PHASE" if closed else mass}
        clock                      | ok
        set MIN_PRICE 1            | set 1 1
        phase CONTINUOUS           | phase 3
        phase CONTINUOUS           | phase 3
        buy 3 5@100                | accepted 3 5@100
    """)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_of_later_is_unsupported(phase):
    known = phase in (Phase.CONTINUOUS, Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED)
    row = {"order_type": phase, "timestamp": 2 * SECOND}
    for expires, supported in ((0, known), (2, known), (3, False)):
        twin = Twin()
        event = twin.process(record(Kind.PHASE, expires=expires, **row))[0]
        assert (event["reason"], twin.time) == ((0, 2 * SECOND) if supported else (2, 0))


# -- §4 the bytes of each event -------------------------------------------------------------------


def event(kind, **fields):
    row = np.zeros(1, EVENT)
    for name, value in {"kind": kind, "flags": EventFlag.LAST, **fields}.items():
        row[name] = value
    return row[0]


def test_every_field_of_every_event():
    big = 2**64 - 1
    entry = {"order_type": 2, "tif": 1, "timestamp": 11}
    commands = [
        record(1, side=2, order_id=5, account=7, price=100, quantity=5, trigger=3, **entry),
        record(1, side=1, order_id=6, account=8, price=100, quantity=2, **entry),
        record(4, side=2, order_id=5, slot=big, price=101, quantity=4, **entry),
        record(3, order_id=big, price=101, quantity=3, trigger=9, timestamp=5),
        record(2, order_id=big, account=7, side=9, price=-1, quantity=-2),
        record(2, order_id=big, account=7, side=9, price=-1, quantity=-2, trigger=4, slot=4),
        record(8, order_type=6, account=3, order_id=4, price=5),
        record(11, order_id=1, price=-9, account=3),
        record(10, account=2**32 - 1, order_id=4, price=5),
    ]
    five = {"side": 2, "account": 7, "order_id": 5, "price": 100, "timestamp": 11}
    new = {"side": 2, "account": 7, "order_id": big, "price": 101, "timestamp": 11}
    six = {"side": 1, "account": 8, "order_id": 6, "price": 100, "timestamp": 11, "quantity": 2}
    maker = {"maker_id": 5, "maker_account": 7, "maker_remaining": 3, "detail": 1}
    back = {"side": 9, "account": 7, "order_id": big, "price": -1, "quantity": -2, "timestamp": 11}
    expected = [
        event(1, sequence=1, command=1, quantity=5, remaining=5, **five),
        event(1, sequence=2, command=2, remaining=2, **six | {"flags": 0}),
        event(3, sequence=3, command=2, remaining=0, **six, **maker),
        event(6, sequence=4, command=3, quantity=3, detail=-1, **five | {"flags": 0}),
        event(1, sequence=5, command=3, quantity=4, remaining=4, **new),
        event(5, sequence=6, command=4, quantity=3, remaining=3, **new),
        event(4, sequence=7, command=5, quantity=3, reason=Reason.USER, **new),
        event(2, sequence=8, command=6, reason=Reason.UNKNOWN_ORDER, **back),
        event(9, sequence=9, command=7, detail=6, timestamp=11),
        event(11, sequence=10, command=8, order_id=1, detail=-9, timestamp=11),
        event(12, sequence=11, command=9, account=2**32 - 1, timestamp=11),
    ]
    events = Twin().process(np.concatenate(commands))
    assert events.dtype == EVENT
    assert events.tolist() == [row.item() for row in expected]


def test_orders_show_what_was_entered():
    twin = play("""
        buy  1 5@100 gtd expires=9 account=7 stp-decrement   | accepted 1 5@100
        sell 2 2@100                                         | accepted 2 2@100; trade 2x1 2@100 (0/3)
        buy  3 5@101 day expires=9 slide                     | accepted 3 5@101
    """)  # noqa: E501
    assert twin.orders() == [
        {
            **{"order_id": 3, "side": 1, "order_type": 2, "tif": 0, "stp": 0, "flags": 2},
            **{"account": 0, "expires": 0, "price": 101, "quantity": 5, "remaining": 5},
            **{"accepted": 4, "priority": 4},
        },
        {
            **{"order_id": 1, "side": 1, "order_type": 2, "tif": 6, "stp": 4, "flags": 0},
            **{"account": 7, "expires": 9, "price": 100, "quantity": 5, "remaining": 3},
            **{"accepted": 1, "priority": 1},
        },
    ]
