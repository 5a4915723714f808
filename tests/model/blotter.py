"""Scenarios that read like a blotter, for whatever has `process`, `check` and `orders`.

The language is told in scenarios/README.md: a command a line, what it causes after `|`, events in
order and parted by `;`.  `command` and `written` are each other's inverse, so that what a random
test has found can be pasted as a scenario.
"""

import re
from decimal import Decimal

import numpy as np
from pricetime.records import (
    BOUND,
    COMMAND,
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    Mark,
    OrderState,
    OrderType,
    Parameter,
    Phase,
    Reason,
    Side,
)

SECOND = 10**9  # ns
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
NUMBERS = {"TOP": BOUND - 1, "BOTTOM": 1 - BOUND, "LASTID": 2**64 - 1}
ALIASES = {"at": "timestamp", "until": "expires"}
VERBS = {"buy": Kind.NEW, "sell": Kind.NEW, "mass": Kind.MASS_CANCEL}
VERBS |= {kind.name.lower(): kind for kind in Kind if kind != Kind.NEW}
ENTRIES = (Kind.NEW, Kind.REPLACE)
WORDS = {side.name.lower(): ("side", side) for side in Side}
WORDS |= {tif.name.lower(): ("tif", tif) for tif in TIF}
WORDS |= {"stp-" + stp.name.lower(): ("stp", stp) for stp in STP}
FLAGS = {
    "post": Flag.POST_ONLY,
    "slide": Flag.POST_ONLY_SLIDE,
    "hidden": Flag.HIDDEN,
    "spend": Flag.QUOTE_QUANTITY,
    "aon": Flag.ALL_OR_NONE,
}
SLOTS = {"peak": Flag.ICEBERG, "min": Flag.MINIMUM, "oco": Flag.OCO, "parent": Flag.ON_FILL}
TRIGGERS = {  # what it becomes a market order by, and what a limit order
    "stop": (OrderType.STOP, OrderType.STOP_LIMIT),
    "take": (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT),
    "trail": (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT),
}
TRIGGER_WORDS = {order_type: word for word, types in TRIGGERS.items() for order_type in types}
TO_MARKET = {MARKET, *(types[0] for types in TRIGGERS.values())}


def record(kind, /, **fields):
    """An array of one COMMAND."""
    row = np.zeros(1, COMMAND)
    for name, value in {"kind": kind, **fields}.items():
        row[name] = value
    return row


def numbers(text):
    """The text with TOP, BOTTOM+1, LASTID-1 and the like in figures."""
    pattern = rf"(?<![A-Z])({'|'.join(NUMBERS)})(?![A-Z_])([+-]\d+)?"
    return re.sub(pattern, lambda found: str(NUMBERS[found[1]] + int(found[2] or 0)), text)


def number(text):
    """A plain number, or nanoseconds: `3s`, `2.5s`."""
    return int(Decimal(text[:-1]) * SECOND) if text.endswith("s") else int(text)


def command(text):
    """The record that a line means: `buy 1 5@100 ioc account=7`, `amend 1 8@101`, `set STP 2`."""
    verb, *words = text.split()
    kind = VERBS[verb]
    pairs = [word.split("=") for word in words if "=" in word]
    words = [word for word in words if "=" not in word]
    fields = {"flags": 0}
    if kind in (Kind.PHASE, Kind.UNCROSS):
        fields["order_type"] = Phase[words.pop(0)]
    elif kind == Kind.SET:
        fields |= {"order_id": Parameter[words.pop(0)], "price": int(words.pop(0))}
    elif kind == Kind.QUOTE:
        fields["order_id"] = int(words.pop(0))
        fields["quantity"], fields["price"] = quoted(words.pop(0))
        fields["slot"], fields["trigger"] = quoted(words.pop(0))
    elif kind == Kind.NEW:
        words.append(verb)
    elif kind == Kind.REPLACE:
        fields["order_id"] = int(words.pop(0))
    for word in words:
        if "@" in word:
            fields |= terms(word, kind)
        elif word in FLAGS:
            fields["flags"] |= FLAGS[word]
        elif word in WORDS:
            fields[WORDS[word][0]] = WORDS[word][1]
        else:
            fields["slot" if kind == Kind.REPLACE else "order_id"] = int(word)
    for name, value in pairs:
        if name in TRIGGERS:
            fields["order_type"] = TRIGGERS[name][fields["order_type"] == LIMIT]
            fields["trigger"] = number(value)
        elif name in SLOTS:
            fields["flags"] |= SLOTS[name]
            fields["slot"] = number(value)
        else:
            fields[ALIASES.get(name, name)] = number(value)
    return record(kind, **fields)


def quoted(word):
    """Quantity and price of a side of a quote; `-` for a side that has none."""
    return (0, 0) if word == "-" else tuple(map(int, word.split("@")))


def terms(word, kind):
    """What `5@100`, `5@market` and `5@~2` say; an order's tif is GTC until another is said."""
    quantity, price = word.split("@")
    market = price == "market"
    fields = {"quantity": int(quantity), "price": 0 if market else int(price.removeprefix("~"))}
    if kind in ENTRIES:
        fields |= {"order_type": MARKET if market else LIMIT, "tif": TIF.GTC}
    return fields


def written(row):
    """A line that `command` reads as this record."""
    row = {name: int(row[name]) for name in COMMAND.names}
    text = written_head(row)
    made = command(text)[0]
    fits = [w for w, (name, value) in WORDS.items() if row[name] == value != made[name]]
    if row["kind"] in ENTRIES:
        fits += [word for word, flag in FLAGS.items() if row["flags"] & flag]
        slots = [word for word, flag in SLOTS.items() if row["flags"] & flag]
        if len(slots) == 1 and row["kind"] == Kind.NEW:
            fits.append(f"{slots[0]}={row['slot']}")
    text = " ".join([text, *fits])
    made = command(text)[0]
    for short, name in {**ALIASES, **{name: name for name in COMMAND.names}}.items():
        if made[name] != row[name]:
            text += f" {short}={row[name]}"
            made[name] = row[name]
    return text


def written_head(row):
    """The verb and what it cannot be without; fields that are not said yet may differ."""
    kind, order_id, slot = row["kind"], row["order_id"], row["slot"]
    side = "sell" if row["side"] == Side.SELL else "buy"
    terms = written_terms(row, row["quantity"])
    bid, ask = (
        f"{quantity}@{price}" if quantity or price else "-"
        for quantity, price in ((row["quantity"], row["price"]), (slot, row["trigger"]))
    )
    if kind in (Kind.PHASE, Kind.UNCROSS) and row["order_type"] in set(Phase):
        return f"{Kind(kind).name.lower()} {Phase(row['order_type']).name}"
    if kind == Kind.SET and order_id in set(Parameter):
        return f"set {Parameter(order_id).name} {row['price']}"
    return {
        Kind.NEW: f"{side} {order_id} {terms}",
        Kind.CANCEL: f"cancel {order_id}",
        Kind.AMEND: f"amend {order_id} {row['quantity']}@{row['price']}",
        Kind.REPLACE: f"replace {order_id} {slot} {side} {terms}",
        Kind.MASS_CANCEL: "mass",
        Kind.QUOTE: f"quote {order_id} {bid} {ask}",
        Kind.ARM: "arm",
    }.get(kind, "clock")


def written_terms(row, quantity):
    """`5@100`, `5@market stop=95`, `5@~2 trail=3`: of a command or of a live order."""
    price = "market" if row["order_type"] in TO_MARKET else row["price"]
    distance = "~" if row["order_type"] == OrderType.TRAILING_STOP_LIMIT else ""
    word = TRIGGER_WORDS.get(int(row["order_type"]))
    return f"{quantity}@{distance}{price}" + (f" {word}={row['trigger']}" if word else "")


def told(e, now=None):
    """One event in words: with its time where that is not `now`, and if it is about time."""
    kind, reason = EventKind(int(e["kind"])), Reason(int(e["reason"])).name if e["reason"] else ""
    what = f"{e['order_id']} {e['quantity']}@{e['price']}"
    trigger = f"trigger={e['detail']}" if e["detail"] else ""
    said = {
        EventKind.ACCEPTED: lambda: f"accepted {what} {trigger}",
        EventKind.REJECTED: lambda: f"rejected {reason}",
        EventKind.TRADE: lambda: (
            f"trade {e['order_id']}x{e['maker_id']} {e['quantity']}@{e['price']}"
            f" ({e['remaining']}/{e['maker_remaining']})"
        ),
        EventKind.CANCELLED: lambda: f"cancelled {what} {reason}",
        EventKind.AMENDED: lambda: f"amended {what} ({e['remaining']}) {trigger} {reason}",
        EventKind.REPLACED: lambda: f"replaced {what} by {int(e['detail']) % 2**64}",
        EventKind.TRIGGERED: lambda: f"triggered {what} {trigger}",
        EventKind.REFRESHED: lambda: f"refreshed {what} ({e['remaining']})",
        EventKind.PHASE_CHANGED: lambda: f"phase {Phase(int(e['detail'])).name}",
        EventKind.INDICATIVE: lambda: f"indicative {e['quantity']}@{e['price']} ({e['detail']:+})",
        EventKind.PARAMETER_SET: lambda: f"set {Parameter(int(e['order_id'])).name} {e['detail']}",
        EventKind.ACKNOWLEDGED: lambda: "ok",
    }[kind]()
    marks = [flag.name.lower() for flag in EventFlag if flag & int(e["flags"]) & ~EventFlag.LAST]
    timed = kind == EventKind.CANCELLED and int(e["reason"]) in (Reason.EXPIRED, Reason.DISARMED)
    if timed or now not in (None, e["timestamp"]):
        seconds, rest = divmod(int(e["timestamp"]), SECOND)
        marks.append(f"at {e['timestamp']}" if rest else f"at {seconds}s")
    return " ".join(" ".join([said, *marks]).split())


def caused(events):
    """What one command caused, in words."""
    return "; ".join(told(e, events[-1]["timestamp"]) for e in events)


def shown(book):
    """Every live order, buys then sells behind `/`: resting from the best, waiting, sleeping."""
    lines = {side: [] for side in Side}
    for row in book.orders(hidden=True):
        words = [f"{row['order_id']}", written_terms(row, row["remaining"])]
        priced = row["state"] == OrderState.RESTING and row["order_type"] == LIMIT
        if priced and row["displayed"] != row["remaining"]:
            words.append(f"({row['displayed']})")
        if row["marks"] & Mark.REFERENCE:
            words.append(f"from {row['reference']}")
        if row["partner"]:
            words.append(f"oco={row['partner']}")
        if row["parent"]:
            words.append(f"parent={row['parent']}")
        elif row["state"] == OrderState.SLEEPING:
            words.append("sleeping")
        lines[int(row["side"])].append(" ".join(words))
    return in_two(lines[Side.BUY], lines[Side.SELL])


def depth(book):
    """What the market sees of each level: `5@100; 3@99 / 4@101`."""
    sides = (book.bids(), book.asks())
    return in_two(*([f"{row[1]}@{row[0]}" for row in rows] for rows in sides))


def in_two(buys, sells):
    """Both sides of a book in a line."""
    return f"{'; '.join(buys)} / {'; '.join(sells)}".strip()


VIEWS = {"book": shown, "depth": depth}


def scenarios(text):
    """(title, rows) of each scenario; a row is line number, command, and what it causes."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line.startswith("="):
            found.append((line[1:].strip(), []))
            continue
        said, _, outcome = (" ".join(part.split()) for part in numbers(line).partition("|"))
        if said:
            found[-1][1].append((number, said, outcome))
        elif outcome:  # more of the line above
            number, said, before = found[-1][1].pop()
            found[-1][1].append((number, said, f"{before} ; {outcome}" if before else outcome))
    return found


def given(rows):
    """The parameters that a first row `given max_orders=2` names, and the other rows."""
    verb, *words = rows[0][1].split()
    if verb != "given":
        return {}, rows
    pairs = (word.split("=") for word in words)
    return {name: int(value) for name, value in pairs}, rows[1:]


def play(rows, make):
    """Run a scenario on a new `make(**parameters)`, line by line; the commands and their events."""
    parameters, rows = given(rows)
    book, commands, events = make(**parameters), [], []
    for number, said, expected in rows:
        expected = re.sub(r"\s*;\s*", "; ", expected)
        if said in VIEWS:
            assert VIEWS[said](book) == expected, f"line {number}: {said}"
            continue
        commands.append(command(said))
        events.append(book.process(commands[-1]))
        book.check()
        assert caused(events[-1]) == expected, f"line {number}: {said}"
        last = [bool(mark & EventFlag.LAST) for mark in events[-1]["flags"].tolist()]
        assert last == [False] * (len(last) - 1) + [True], f"line {number}: {said}"
    return parameters, np.concatenate(commands), np.concatenate(events)


def blotter(commands, make, **parameters):
    """The commands and what they cause in a new `make(**parameters)`, as a scenario to paste."""
    lines = [" ".join(["given", *(f"{name}={int(value)}" for name, value in parameters.items())])]
    book = make(**parameters)
    for row in commands:
        events = book.process(row.reshape(1))
        lines.append(f"{written(row)} | {caused(events)}")
    return "\n".join(lines[not parameters :])
