"""Events and commands as lines: a blotter for people, JSON for programs.

A line's fields are made as texts of one instrument's units; money is told from lots by the caller.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from pricetime.instrument import Instrument
from pricetime.records import (
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
from pricetime.tools.units import Unit, Units
from pricetime.venue.desk import PARAMETERS

__all__ = ["COMMAND_HEAD", "EVENT_HEAD", "Blotter", "Table"]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
STOPS = tuple(kind for kind in OrderType if OrderType.STOP <= kind <= OrderType.TRAILING_STOP_LIMIT)

EVENT_HEAD = (
    "time (UTC)", "instrument", "event", "kind", "side", "quantity", "price", "order", "account",
    "left", "",
)  # fmt: skip
COMMAND_HEAD = (*EVENT_HEAD[:2], "command", *EVENT_HEAD[3:9], "")
ALIGNED = "<<><<>>>>><"  # the first ten columns are as wide as the widest text so far
WIDTHS = (29, 7, 7, 13, 4, 10, 9, 5, 7, 10, 0)  # columns, at least
ENUMS = (EventKind, Side, Reason, Kind, OrderType, TIF, STP, Phase, Parameter)
NAMES: dict[Any, dict[int, str]] = {
    kind: {int(member): member.name for member in kind} for kind in ENUMS
}
"""Of enums; looked up by the million."""

LAST = int(EventFlag.LAST)
REJECTED, TRADE, REFRESHED = map(int, (EventKind.REJECTED, EventKind.TRADE, EventKind.REFRESHED))
SIZED = tuple(map(int, (Kind.NEW, Kind.REPLACE, Kind.AMEND, Kind.QUOTE)))

Row = dict[str, Any]
"""A record's fields."""


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"


def moment(timestamp: int) -> str:
    """Nanoseconds since the epoch as people write it, in UTC; beyond the year 9999 as they are."""
    seconds, rest = divmod(timestamp, 10**9)
    try:
        return f"{_second(seconds)}.{rest:09d}"
    except OverflowError:
        return f"{timestamp} ns"


def name(kind: Any, value: int) -> str:
    """The name of an enum's value, or the number that it does not have."""
    return NAMES[kind].get(value) or str(value)


@lru_cache(maxsize=1024)
def flags(kind: Any, value: int) -> list[str]:
    """The names of the flags that are set."""
    return [flag.name for flag in kind if value & flag]


class Table:
    """Lays cells out in columns that grow with what they hold; without a column of instruments
    where there is but one."""

    def __init__(self, head: tuple[str, ...], *, several: bool) -> None:
        self._shown = [at for at in range(len(head)) if several or at != 1]
        self._widths = [max(len(text), w) for text, w in zip(head, WIDTHS, strict=False)]
        self.head = self.line(list(head))

    def line(self, cells: list[str]) -> str:
        """The cells in a line."""
        parts = []
        for at in self._shown:
            text = cells[at]
            if len(text) > self._widths[at]:
                self._widths[at] = len(text)
            width = self._widths[at]
            parts.append(text.rjust(width) if ALIGNED[at] == ">" else text.ljust(width))
        return "  ".join(parts).rstrip()


class Blotter:
    """The lines of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.name = instrument.name
        self.units = Units(instrument)

    # --- events

    def event_cells(self, event: Row, money: bool) -> list[str]:
        """An event for people, as EVENT_HEAD has it."""
        unit = self.units.money if money else self.units.lot
        kind = event["kind"]
        own = kind <= REFRESHED
        # What a taker spends is money; what it gets are lots.
        lots = self.units.lot if kind == TRADE else unit
        return [
            moment(event["timestamp"]),
            self.name,
            str(event["sequence"]),
            name(EventKind, kind),
            name(Side, event["side"]) if event["side"] else "",
            lots.text(event["quantity"]) if event["quantity"] else "",
            self.units.tick.text(event["price"]) if event["price"] or kind == TRADE else "",
            str(event["order_id"]) if own else "",
            str(event["account"]) if event["account"] else "",
            unit.text(event["remaining"]) if own and kind != REJECTED else "",
            self._more(event),
        ]

    def _more(self, event: Row) -> str:
        """What a kind of event has besides."""
        more = MORE.get(event["kind"])
        text = more(self, event) if more else ""
        reason = name(Reason, event["reason"]) if event["reason"] else ""
        marks = flags(EventFlag, event["flags"] & ~LAST)
        return "  ".join(part for part in (text, reason, *marks) if part)

    def _trade(self, event: Row) -> str:
        left = self.units.lot.text(event["maker_remaining"])
        return (
            f"trade {event['detail']} with order {event['maker_id']} of account "
            f"{event['maker_account']}, {left} left"
        )

    def _trigger(self, event: Row) -> str:
        return f"trigger {self.units.tick.text(event['detail'])}" if event["detail"] else ""

    def _replaced(self, event: Row) -> str:
        return f"by order {event['detail'] & (1 << 64) - 1}"

    def _phase(self, event: Row) -> str:
        return name(Phase, event["detail"])

    def _surplus(self, event: Row) -> str:
        return f"surplus {self.units.lot.text(event['detail'])}"

    def _parameter(self, event: Row) -> str:
        return self._set(event["order_id"], event["detail"])

    def _set(self, parameter: int, value: int) -> str:
        unit = PARAMETER_UNITS.get(PARAMETERS.get(parameter, ""))
        text = getattr(self.units, unit).text(value) if unit else str(value)
        return f"{name(Parameter, parameter)} {text}"

    def event_json(self, event: Row, money: bool) -> str:
        """An event for programs: every field of the record under its own name, whatever the kind,
        and what is counted also as a decimal text in the instrument's units."""
        unit = self.units.money if money else self.units.lot
        lots = self.units.lot if event["kind"] == TRADE else unit
        told = {"instrument": self.name, **event}
        for field, kind in EVENT_ENUMS.items():
            told[field] = name(kind, event[field]) if event[field] else None
        told["flags"] = flags(EventFlag, event["flags"])
        del told["reserved"]
        told["price_decimal"] = self.units.tick.text(event["price"])
        told["quantity_decimal"] = lots.text(event["quantity"])
        told["remaining_decimal"] = unit.text(event["remaining"])
        told["maker_remaining_decimal"] = self.units.lot.text(event["maker_remaining"])
        told["in_money"] = money
        return json.dumps(told)

    # --- commands

    def command_cells(self, command: Row, number: int, marked: bool) -> list[str]:
        """A command for people, as COMMAND_HEAD has it: its number in the log, and whether a token
        marks it."""
        kind = command["kind"]
        sized = kind in SIZED
        return [
            moment(command["timestamp"]),
            self.name,
            str(number),
            name(Kind, kind),
            name(Side, command["side"]) if command["side"] else "",
            self._unit(command).text(command["quantity"]) if sized else "",
            self.units.tick.text(command["price"]) if sized and command["price"] else "",
            str(command["order_id"]) if sized or kind == Kind.CANCEL else "",
            str(command["account"]) if command["account"] else "",
            "  ".join(self._terms(command, marked)),
        ]

    def _unit(self, command: Row) -> Unit:
        spends = command["flags"] & Flag.QUOTE_QUANTITY
        return self.units.money if spends else self.units.lot

    def _terms(self, command: Row, marked: bool) -> list[str]:
        kind = command["kind"]
        terms = []
        if kind in (Kind.NEW, Kind.REPLACE):
            terms += [name(OrderType, command["order_type"]), name(TIF, command["tif"])]
            if command["stp"]:
                terms.append(name(STP, command["stp"]))
            terms += flags(Flag, command["flags"])
        if kind in (Kind.PHASE, Kind.UNCROSS):
            terms.append(name(Phase, command["order_type"]))
        if kind == Kind.SET:
            terms.append(self._set(command["order_id"], command["price"]))
        if command["order_type"] in STOPS or (kind == Kind.AMEND and command["trigger"]):
            terms.append(f"trigger {self.units.tick.text(command['trigger'])}")
        if kind == Kind.REPLACE:
            terms.append(f"as order {command['slot']}")
        if kind == Kind.QUOTE:
            ask = self.units.tick.text(command["trigger"])
            terms.append(f"ask {self.units.lot.text(command['slot'])} @ {ask}")
        if kind == Kind.NEW and command["flags"] & (Flag.ICEBERG | Flag.MINIMUM):
            terms.append(self.units.lot.text(command["slot"]))
        if kind == Kind.NEW and command["flags"] & (Flag.OCO | Flag.ON_FILL):
            terms.append(f"order {command['slot']}")
        if command["expires"]:
            terms.append(f"expires {moment(command['expires'] * 10**9)[:19]}")
        if marked:
            terms.append("token")
        return terms

    def command_json(self, command: Row, number: int, marked: bool) -> str:
        """A command for programs: every field of the record; what is counted also in decimals."""
        told = {"instrument": self.name, "number": number, **command}
        for field, kind in COMMAND_ENUMS.items():
            told[field] = name(kind, command[field]) if command[field] else None
        told["tif"] = name(TIF, command["tif"])  # DAY is 0
        told["flags"] = flags(Flag, command["flags"])
        del told["reserved"]
        told["price_decimal"] = self.units.tick.text(command["price"])
        told["quantity_decimal"] = self._unit(command).text(command["quantity"])
        told["trigger_decimal"] = self.units.tick.text(command["trigger"])
        told["in_money"] = bool(command["flags"] & Flag.QUOTE_QUANTITY)
        told["token"] = marked
        return json.dumps(told)


EVENT_ENUMS = {"kind": EventKind, "side": Side, "reason": Reason}
COMMAND_ENUMS = {"kind": Kind, "side": Side, "order_type": OrderType, "stp": STP}
MORE: dict[int, Callable[[Blotter, Row], str]] = {
    EventKind.ACCEPTED: Blotter._trigger,
    EventKind.TRADE: Blotter._trade,
    EventKind.AMENDED: Blotter._trigger,
    EventKind.REPLACED: Blotter._replaced,
    EventKind.TRIGGERED: Blotter._trigger,
    EventKind.PHASE_CHANGED: Blotter._phase,
    EventKind.INDICATIVE: Blotter._surplus,
    EventKind.PARAMETER_SET: Blotter._parameter,
}
PARAMETER_UNITS = {"ticks": "tick", "distance": "tick", "lots": "lot", "units": "money"}
