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
WORDS = {side.name.lower(): ("side", side) for side in Side}
WORDS |= {tif.name.lower(): ("tif", tif) for tif in TIF}
WORDS |= {"stp-" + stp.name.lower(): ("stp", stp) for stp in STP}
FLAGS = {"post": Flag.POST_ONLY, "slide": Flag.POST_ONLY_SLIDE, "hidden": Flag.HIDDEN}


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
    pairs = dict(word.split("=") for word in words if "=" in word)
    words = [word for word in words if "=" not in word]
    fields = {"flags": 0}
    if kind == Kind.PHASE:
        fields["order_type"] = Phase[words.pop(0)]
    elif kind == Kind.SET:
        fields |= {"order_id": Parameter[words.pop(0)], "price": int(words.pop(0))}
    elif kind == Kind.NEW:
        words.append(verb)
    elif kind == Kind.REPLACE:
        fields["order_id"] = int(words.pop(0))
    for word in words:
        if "@" in word:
            quantity, price = word.split("@")
            fields |= {"quantity": int(quantity), "price": 0 if price == "market" else int(price)}
            if kind in (Kind.NEW, Kind.REPLACE):
                fields["order_type"] = MARKET if price == "market" else LIMIT
                fields.setdefault("tif", TIF.GTC)
        elif word in FLAGS:
            fields["flags"] |= FLAGS[word]
        elif word in WORDS:
            fields[WORDS[word][0]] = WORDS[word][1]
        else:
            fields["slot" if kind == Kind.REPLACE else "order_id"] = int(word)
    named = {ALIASES.get(name, name): number(value) for name, value in pairs.items()}
    return record(kind, **fields | named)


def written(row):
    """A line that `command` reads as this record."""
    row = {name: int(row[name]) for name in COMMAND.names}
    kind, order_id, slot = row["kind"], row["order_id"], row["slot"]
    side = "sell" if row["side"] == Side.SELL else "buy"
    price = "market" if row["order_type"] == MARKET else row["price"]
    terms = f"{row['quantity']}@{price}"
    text = {
        Kind.NEW: f"{side} {order_id} {terms}",
        Kind.CANCEL: f"cancel {order_id}",
        Kind.AMEND: f"amend {order_id} {row['quantity']}@{row['price']}",
        Kind.REPLACE: f"replace {order_id} {slot} {side} {terms}",
        Kind.MASS_CANCEL: "mass",
    }.get(kind, "clock")
    if kind == Kind.PHASE and row["order_type"] in set(Phase):
        text = f"phase {Phase(row['order_type']).name}"
    if kind == Kind.SET and order_id in set(Parameter):
        text = f"set {Parameter(order_id).name} {row['price']}"
    for words in (WORDS, {word: ("flags", flag) for word, flag in FLAGS.items()}):
        made = command(text)[0]
        fits = [w for w, (name, value) in words.items() if row[name] == value != made[name]]
        text = " ".join([text, *fits])
    made = command(text)[0]
    for short, name in {**ALIASES, **{name: name for name in COMMAND.names}}.items():
        if made[name] != row[name] and f"{name}=" not in text:
            text += f" {short}={row[name]}"
            made[name] = row[name]
    return text


def told(e):
    """One event in words."""
    kind, reason = EventKind(int(e["kind"])), Reason(int(e["reason"])).name if e["reason"] else ""
    what = f"{e['order_id']} {e['quantity']}@{e['price']}"
    return {
        EventKind.ACCEPTED: lambda: f"accepted {what}",
        EventKind.REJECTED: lambda: f"rejected {reason}",
        EventKind.TRADE: lambda: (
            f"trade {e['order_id']}x{e['maker_id']} {e['quantity']}@{e['price']}"
            f" ({e['remaining']}/{e['maker_remaining']})"
        ),
        EventKind.CANCELLED: lambda: f"cancelled {what} {reason}{told_time(e)}",
        EventKind.AMENDED: lambda: f"amended {what} ({e['remaining']}) {reason}".strip(),
        EventKind.REPLACED: lambda: f"replaced {what} by {int(e['detail']) % 2**64}",
        EventKind.PHASE_CHANGED: lambda: f"phase {Phase(int(e['detail'])).name}",
        EventKind.PARAMETER_SET: lambda: f"set {Parameter(int(e['order_id'])).name} {e['detail']}",
        EventKind.ACKNOWLEDGED: lambda: "ok",
    }[kind]()


def told_time(e):
    """When an order expired: the one event whose time need not be its command's."""
    if e["reason"] != Reason.EXPIRED:
        return ""
    seconds, rest = divmod(int(e["timestamp"]), SECOND)
    return f" at {e['timestamp']}" if rest else f" at {seconds}s"


def shown(book):
    """The orders in line, buys from the best, then behind `/` the sells."""
    lines = {side: [] for side in Side}
    for row in book.orders():
        lines[int(row["side"])].append(f"{row['order_id']} {row['remaining']}@{row['price']}")
    return f"{'; '.join(lines[Side.BUY])} / {'; '.join(lines[Side.SELL])}".strip()


def scenarios(text):
    """(title, rows) of each scenario; a row is line number, command, and what it causes."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line.startswith("="):
            found.append((line[1:].strip(), []))
            continue
        said, _, caused = (" ".join(part.split()) for part in numbers(line).partition("|"))
        if said:
            found[-1][1].append((number, said, caused))
        elif caused:  # more of the line above
            number, said, before = found[-1][1].pop()
            found[-1][1].append((number, said, f"{before} ; {caused}" if before else caused))
    return found


def play(rows, make):
    """Run a scenario on a new `make(**parameters)`, line by line; the commands and their events."""
    parameters = rows[0][1].removeprefix("given ").split() if rows[0][1][:6] == "given " else []
    parameters = {name: int(value) for name, value in (word.split("=") for word in parameters)}
    book, commands, events = make(**parameters), [], []
    for number, said, caused in rows[bool(parameters) :]:
        expected = re.sub(r"\s*;\s*", "; ", caused)
        if said == "book":
            assert shown(book) == expected, f"line {number}: {said}"
            continue
        commands.append(command(said))
        events.append(book.process(commands[-1]))
        book.check()
        assert "; ".join(map(told, events[-1])) == expected, f"line {number}: {said}"
        marks = [int(mark) for mark in events[-1]["flags"]]
        assert marks == [0] * (len(marks) - 1) + [EventFlag.LAST], f"line {number}: {said}"
    return parameters, np.concatenate(commands), np.concatenate(events)


def blotter(commands, make, **parameters):
    """The commands and what they cause in a new `make(**parameters)`, as a scenario to paste."""
    lines = [" ".join(["given", *(f"{name}={int(value)}" for name, value in parameters.items())])]
    book = make(**parameters)
    for row in commands:
        events = book.process(row.reshape(1))
        lines.append(f"{written(row)} | {'; '.join(map(told, events))}")
    return "\n".join(lines[not parameters :])
