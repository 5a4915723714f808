"""Step 1 of a command (§3), of the book and of its twin: malformed, reserved, what SET takes."""

import pytest
from model.blotter import record
from pricetime.records import BOUND, TIF, EventKind, Flag, Kind, OrderType, Parameter, Reason

TOP = BOUND - 1
ENTRY = {"side": 1, "order_type": 2, "tif": 1, "order_id": 1, "price": 100, "quantity": 5}


# -- §3 SET ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (Parameter.MIN_PRICE, (-TOP, 0, TOP), (-BOUND, BOUND)),
        (Parameter.MAX_PRICE, (-TOP, TOP), (-BOUND, BOUND, 2**63 - 1, -(2**63))),
        (Parameter.MIN_QUANTITY, (1, TOP), (0, -1, BOUND)),
        (Parameter.MAX_QUANTITY, (1, TOP), (0, BOUND)),
        (Parameter.MIN_NOTIONAL, (0, 5, TOP), (-1, BOUND)),
        (Parameter.MAX_NOTIONAL, (0, TOP), (-1, BOUND)),
        (Parameter.ORDERS_PER_ACCOUNT, (0, TOP), (-1, BOUND)),
        (Parameter.STP, (1, 5), (0, 6, -1)),
        (Parameter.MATCHING, (1, 2), (0, 3)),
        (Parameter.TOP_ORDER, (0, 1), (-1, 2)),
        (Parameter.MIN_ALLOCATION, (1, TOP), (0, BOUND)),
        (Parameter.COLLAR, (0, TOP), (-1, BOUND)),
        (Parameter.STATIC_BAND, (0, TOP), (-1, BOUND)),
        (Parameter.STATIC_REFERENCE, (-TOP, 0, TOP), (BOUND, -BOUND)),
        (Parameter.DYNAMIC_BAND, (0, TOP), (-1, BOUND)),
        (Parameter.BAND_ACTION, (1, 2), (0, 3)),
        (Parameter.AUCTION_SECONDS, (1, TOP), (0, -1, BOUND)),
    ],
)
def test_values_that_a_parameter_can_have(make, parameter, good, bad):
    for value in good:
        event = make().process(record(Kind.SET, order_id=parameter, price=value))[0]
        assert (event["kind"], event["detail"]) == (EventKind.PARAMETER_SET, value)
    for value in bad:
        event = make().process(record(Kind.SET, order_id=parameter, price=value))[0]
        assert event["reason"] == Reason.MALFORMED, value
        with pytest.raises(ValueError, match=str(value)):
            make(**{parameter.name.lower(): value})


# -- §3 step 1: well-formed -----------------------------------------------------------------------

F, T = Flag, OrderType
MALFORMED_ENTRIES = [
    {"reserved": 1},
    {"order_id": 0},
    {"side": 0},
    {"side": 3},
    {"order_type": 0},
    {"order_type": 12},
    {"tif": 5},
    {"tif": 7},
    {"stp": 6},
    {"flags": 512},
    {"flags": 32768},
    {"price": BOUND},
    {"price": -BOUND},
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": BOUND},
    {"order_type": T.STOP, "trigger": BOUND},
    {"order_type": T.TRAILING_STOP, "trigger": 0},
    {"order_type": T.TRAILING_STOP_LIMIT, "trigger": 1, "price": -1},
    {"order_type": T.PEG_MID, "side": 3},
    {"order_type": T.PEG_MID, "quantity": 0},
    {"flags": F.ICEBERG | F.OCO, "slot": 2},
    {"flags": F.OCO | F.ON_FILL, "slot": 2},
    {"flags": F.POST_ONLY | F.POST_ONLY_SLIDE},
    {"flags": F.POST_ONLY, "order_type": T.MARKET},
    {"flags": F.HIDDEN, "order_type": T.STOP},
    {"flags": F.MINIMUM, "order_type": T.TAKE_PROFIT, "slot": 1},
    {"flags": F.ALL_OR_NONE, "order_type": T.TRAILING_STOP, "trigger": 1},
    {"flags": F.POST_ONLY, "tif": TIF.IOC},
    {"flags": F.POST_ONLY_SLIDE, "tif": TIF.FOK},
    {"flags": F.ICEBERG, "tif": TIF.IOC, "slot": 1},
    {"flags": F.ALL_OR_NONE, "tif": TIF.FOK},
    {"flags": F.HIDDEN | F.ICEBERG, "slot": 1},
    {"flags": F.ALL_OR_NONE | F.ICEBERG, "slot": 1},
    {"flags": F.ALL_OR_NONE | F.MINIMUM, "slot": 1},
    {"flags": F.ALL_OR_NONE | F.POST_ONLY},
    {"flags": F.QUOTE_QUANTITY},
    {"flags": F.QUOTE_QUANTITY, "order_type": T.MARKET, "tif": TIF.FOK},
    {"flags": F.QUOTE_QUANTITY, "order_type": T.MARKET, "tif": TIF.AUCTION},
    {"flags": F.QUOTE_QUANTITY | F.MINIMUM, "order_type": T.MARKET, "slot": 1},
    {"tif": TIF.AUCTION, "order_type": T.STOP},
    {"tif": TIF.AUCTION, "flags": F.POST_ONLY},
    {"tif": TIF.AUCTION, "flags": F.MINIMUM, "slot": 1},
    {"flags": F.ICEBERG, "slot": 0},
    {"flags": F.ICEBERG, "slot": 6},
    {"flags": F.MINIMUM, "slot": 2**63},
    {"flags": F.MINIMUM, "slot": 1, "tif": TIF.FOK},
    {"flags": F.OCO, "slot": 1},
    {"flags": F.ON_FILL, "slot": 0},
]
RESERVED_ENTRIES = [  # UNSUPPORTED, whatever is in the fields that only a known type explains
    {"order_type": T.PEG_PRIMARY, "price": BOUND, "flags": F.POST_ONLY | F.POST_ONLY_SLIDE},
    {"order_type": T.PEG_MARKET, "tif": TIF.AUCTION, "trigger": BOUND},
    {"order_type": T.PEG_MID, "flags": F.ICEBERG | F.OCO},
]
SOUND_ENTRIES = [  # and the reason for which an empty book refuses them, or 0
    ({"order_type": T.STOP, "price": BOUND}, 0),
    ({"order_type": T.LIMIT, "trigger": BOUND}, 0),
    ({"order_type": T.TRAILING_STOP_LIMIT, "trigger": 1, "price": 0}, 0),
    ({"tif": TIF.AUCTION}, 0),
    ({"tif": TIF.AUCTION, "order_type": T.MARKET}, 0),
    ({"tif": TIF.AUCTION, "flags": F.HIDDEN}, 0),
    ({"flags": F.HIDDEN, "tif": TIF.IOC}, 0),
    ({"flags": F.HIDDEN | F.POST_ONLY}, 0),
    ({"flags": F.ALL_OR_NONE | F.HIDDEN}, 0),
    ({"flags": F.QUOTE_QUANTITY, "order_type": T.MARKET}, 0),
    ({"flags": F.MINIMUM, "order_type": T.MARKET, "slot": 5}, Reason.MINIMUM),
    ({"flags": F.MINIMUM | F.POST_ONLY, "slot": 5}, 0),
    ({"flags": F.ICEBERG | F.POST_ONLY_SLIDE, "slot": 5}, 0),
    ({"flags": F.OCO, "slot": 2}, Reason.LINK_GONE),
    ({"flags": F.ON_FILL | F.ALL_OR_NONE, "slot": 2}, Reason.LINK_GONE),
]


@pytest.mark.parametrize("change", MALFORMED_ENTRIES, ids=str)
@pytest.mark.parametrize("kind", [Kind.NEW, Kind.REPLACE])
def test_malformed_entry(make, kind, change):
    row = ENTRY | ({"slot": 7} if kind == Kind.REPLACE else {}) | change
    assert make().process(record(kind, **row))["reason"] == [Reason.MALFORMED]


@pytest.mark.parametrize(("change", "reason"), SOUND_ENTRIES, ids=str)
def test_well_formed_entry(make, change, reason):
    event = make().process(record(Kind.NEW, **ENTRY | {"timestamp": 9} | change))[0]
    assert (event["reason"], event["timestamp"]) == (reason, 9)


@pytest.mark.parametrize("change", RESERVED_ENTRIES, ids=str)
def test_entry_of_a_reserved_type_is_unsupported(make, change):
    event = make().process(record(Kind.NEW, **ENTRY | {"timestamp": 9} | change))[0]
    assert (event["reason"], event["timestamp"]) == (Reason.UNSUPPORTED, 0)


@pytest.mark.parametrize("flag", [F.ICEBERG, F.MINIMUM, F.OCO, F.ON_FILL])
def test_slot_flags_are_malformed_in_a_replace(make, flag):
    row = ENTRY | {"slot": 2, "flags": flag}
    assert make().process(record(Kind.NEW, **row))["reason"] != [Reason.MALFORMED]
    assert make().process(record(Kind.REPLACE, **row))["reason"] == [Reason.MALFORMED]


QUOTE = {"account": 1, "order_id": 1, "price": 9, "quantity": 1, "trigger": 10, "slot": 1}


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        (0, {}, Reason.MALFORMED),
        (12, {}, Reason.MALFORMED),
        (255, {}, Reason.MALFORMED),
        (Kind.REPLACE, ENTRY, Reason.MALFORMED),
        (Kind.CANCEL, {}, Reason.MALFORMED),
        (Kind.CANCEL, {"order_id": 1, "reserved": 1}, Reason.MALFORMED),
        (Kind.CANCEL, {"order_id": 1, "side": 9, "flags": 999}, Reason.UNKNOWN_ORDER),
        (Kind.AMEND, {"quantity": 1}, Reason.MALFORMED),
        (Kind.AMEND, {"order_id": 1}, Reason.MALFORMED),
        (Kind.AMEND, {"order_id": 1, "quantity": 1, "price": BOUND}, Reason.MALFORMED),
        (Kind.AMEND, {"order_id": 1, "quantity": 1, "trigger": -BOUND}, Reason.MALFORMED),
        (Kind.AMEND, {"order_id": 1, "quantity": 1}, Reason.UNKNOWN_ORDER),
        (Kind.MASS_CANCEL, {"side": 3}, Reason.MALFORMED),
        (Kind.MASS_CANCEL, {"side": 2, "tif": 9}, 0),
        (Kind.QUOTE, QUOTE, 0),
        (Kind.QUOTE, QUOTE | {"account": 0}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"order_id": 0}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"order_id": 2**64 - 1}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"quantity": -1}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"slot": BOUND}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"slot": 2**64 - 1}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"price": -BOUND}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"price": -5}, 0),
        (Kind.QUOTE, QUOTE | {"price": -BOUND, "quantity": 0}, 0),
        (Kind.QUOTE, QUOTE | {"price": 10}, Reason.MALFORMED),
        (Kind.QUOTE, QUOTE | {"price": 10, "slot": 0}, 0),
        (Kind.ARM, {}, Reason.MALFORMED),
        (Kind.ARM, {"account": 1}, 0),
        (Kind.PHASE, {"order_type": 0}, Reason.MALFORMED),
        (Kind.PHASE, {"order_type": 8}, Reason.MALFORMED),
        (Kind.UNCROSS, {"order_type": 8}, Reason.MALFORMED),
        (Kind.UNCROSS, {"order_type": 3}, Reason.PHASE),
        (Kind.CLOCK, {"reserved": 255}, Reason.MALFORMED),
        (Kind.CLOCK, {"side": 9, "order_type": 99, "quantity": -1}, 0),
        (Kind.SET, {"order_id": 0}, Reason.MALFORMED),
        (Kind.SET, {"order_id": 18}, Reason.MALFORMED),
    ],
)
def test_well_formed_or_not(make, kind, row, reason):
    assert set(make().process(record(kind, **row))["reason"].tolist()) == {reason}
