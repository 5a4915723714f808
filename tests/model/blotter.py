"""Scenarios that read like a blotter, for the twin and for whatever has its `process` and `check`.

A command a line, what it causes after `|`, events in order and parted by `;`.  An event about an
order shows its id and quantity@price, and `(remaining)` behind an amend; a trade shows taker x
maker and what is left of each, `(taker/maker)`.
"""

import numpy as np
from pricetime.records import (
    COMMAND,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
)

from .twin import Twin

WORDS = {tif.name.lower(): ("tif", tif) for tif in TIF}
WORDS |= {"stp-" + stp.name.lower(): ("stp", stp) for stp in STP}
WORDS |= {"post": ("flags", Flag.POST_ONLY), "slide": ("flags", Flag.POST_ONLY_SLIDE)}


def record(kind, **fields):
    row = np.zeros(1, COMMAND)
    for name, value in {"kind": kind, **fields}.items():
        row[name] = value
    return row


def command(text):
    """The record that a line means: `buy 1 5@100 ioc account=7`, `amend 1 8@101`, `set STP 2`."""
    verb, *words = text.split()
    extra = dict(word.split("=") for word in words if "=" in word)
    fields = {name: int(value) for name, value in extra.items()}
    words = [word for word in words if "=" not in word]
    if verb in ("phase", "set"):
        value = Phase[words[0]] if verb == "phase" else Parameter[words[0]]
        fields["order_type" if verb == "phase" else "order_id"] = value
        fields |= {"price": int(words[1])} if verb == "set" else {}
        return record(Kind[verb.upper()], **fields)
    kind = {"buy": "NEW", "sell": "NEW", "mass": "MASS_CANCEL"}.get(verb, verb.upper())
    if verb in ("buy", "sell"):
        words.insert(0, verb)
    if kind == "REPLACE":
        fields["order_id"] = int(words.pop(0))
    for word in words:
        if word in ("buy", "sell"):
            fields["side"] = Side[word.upper()]
        elif "@" in word:
            quantity, price = word.split("@")
            fields["quantity"] = int(quantity)
            fields["order_type"] = OrderType.MARKET if price == "market" else OrderType.LIMIT
            fields["price"] = 0 if price == "market" else int(price)
            fields.setdefault("tif", TIF.GTC)
        elif word in WORDS:
            fields[WORDS[word][0]] = WORDS[word][1]
        else:
            fields["slot" if kind == "REPLACE" else "order_id"] = int(word)
    return record(Kind[kind], **fields)


def told(e):
    """One event in words."""
    kind, reason = EventKind(int(e["kind"])), Reason(int(e["reason"])).name if e["reason"] else ""
    what = f"{e['order_id']} {e['quantity']}@{e['price']}"
    return {
        EventKind.ACCEPTED: f"accepted {what}",
        EventKind.REJECTED: f"rejected {reason}",
        EventKind.TRADE: f"trade {e['order_id']}x{e['maker_id']} {e['quantity']}@{e['price']}"
        f" ({e['remaining']}/{e['maker_remaining']})",
        EventKind.CANCELLED: f"cancelled {what} {reason}",
        EventKind.AMENDED: f"amended {what} ({e['remaining']}) {reason}".strip(),
        EventKind.REPLACED: f"replaced {what} by {e['detail']}",
        EventKind.PHASE_CHANGED: f"phase {e['detail']}",
        EventKind.PARAMETER_SET: f"set {e['order_id']} {e['detail']}",
        EventKind.ACKNOWLEDGED: "ok",
    }[kind]


def play(blotter, twin=None):
    """Run a blotter and compare line by line; the twin that it leaves."""
    twin = twin or Twin()
    for line in filter(None, map(str.strip, blotter.splitlines())):
        text, _, expected = line.partition("|")
        events = twin.process(command(text))
        twin.check()
        assert [told(e) for e in events] == [e.strip() for e in expected.split(";")], text
        assert list(events["flags"]) == [0] * (len(events) - 1) + [EventFlag.LAST]
    return twin
