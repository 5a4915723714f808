"""Records as columns of Parquet, the same for every instrument.

    ints        as int64, under the record's own names; ids as uint64, which is what they are
    enums       as dictionaries of names; flags as names joined by "|"
    timestamp   in nanoseconds, UTC
    …_decimal   prices and quantities in the instrument's units, decimal(38, 18); null where that
                does not hold them, which the int64 always does

One scale for all, as files of one dataset must have one schema, and instruments have ticks of
different sizes.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from pricetime.log.batch import Commands, Records
from pricetime.records import (
    STP,
    TIF,
    EventFlag,
    EventKind,
    Flag,
    Kind,
    OrderType,
    Reason,
    Side,
)
from pricetime.tools.units import Unit, Units

__all__ = ["Columns"]

PRECISION, SCALE = 38, 18
IDS = ("order_id", "maker_id", "slot")

EVENT_FIELDS = (
    "sequence", "command", "timestamp", "kind", "side", "reason", "flags", "account", "order_id",
    "price", "quantity", "remaining", "maker_id", "maker_account", "reserved", "maker_remaining",
    "detail",
)  # fmt: skip
COMMAND_FIELDS = (
    "timestamp", "kind", "side", "order_type", "tif", "stp", "reserved", "flags", "account",
    "expires", "order_id", "price", "quantity", "trigger", "slot",
)  # fmt: skip
ENUMS: dict[str, Any] = {
    "side": Side, "reason": Reason, "order_type": OrderType, "tif": TIF, "stp": STP,
}  # fmt: skip


class Columns:
    """Makes tables of one instrument's records."""

    def __init__(self, name: str, units: Units) -> None:
        self._pa: Any = import_module("pyarrow")
        self._compute: Any = import_module("pyarrow.compute")
        self._name = name
        self._units = units

    def events(self, records: Records, money: npt.NDArray[np.bool_]) -> Any:
        """A table of EVENT; `money` says whose quantity and rest are an amount."""
        names = {**ENUMS, "kind": EventKind}
        columns = self._plain(records, EVENT_FIELDS, names, EventFlag)
        own = money & (records["kind"] != EventKind.TRADE)  # what a taker gets are lots
        units = self._units
        columns["price_decimal"] = self._decimal(records["price"], units.tick)
        columns["quantity_decimal"] = self._either(records["quantity"], own)
        columns["remaining_decimal"] = self._either(records["remaining"], money)
        columns["maker_remaining_decimal"] = self._decimal(records["maker_remaining"], units.lot)
        columns["in_money"] = self._pa.array(money)
        return self._table(columns)

    def commands(self, batch: Commands) -> Any:
        """A table of COMMAND with each one's number in the log, and the key of its token."""
        records = batch.records
        names = {**ENUMS, "kind": Kind}
        first = batch.position - len(records) + 1
        numbers = np.arange(first, batch.position + 1, dtype=np.int64)
        columns = {"number": self._pa.array(numbers)}
        columns |= self._plain(records, COMMAND_FIELDS, names, Flag)
        money = (records["flags"] & Flag.QUOTE_QUANTITY) != 0
        columns["price_decimal"] = self._decimal(records["price"], self._units.tick)
        columns["quantity_decimal"] = self._either(records["quantity"], money)
        columns["trigger_decimal"] = self._decimal(records["trigger"], self._units.tick)
        columns["in_money"] = self._pa.array(money)
        tokens: list[str | None] = [None] * len(records)
        for token in batch.tokens:
            begin = int(token["begin"])
            tokens[begin : begin + token["count"]] = [token["key"].tobytes().hex()] * token["count"]
        columns["token"] = self._pa.array(tokens, self._pa.string())
        return self._table(columns)

    def _table(self, columns: dict[str, Any]) -> Any:
        count = len(next(iter(columns.values())))
        instrument = self._pa.DictionaryArray.from_arrays(
            self._pa.array(np.zeros(count, np.int32)), self._pa.array([self._name])
        )
        return self._pa.table({"instrument": instrument, **columns})

    def _plain(
        self, records: Records, fields: tuple[str, ...], enums: dict[str, Any], flags: Any
    ) -> dict[str, Any]:
        """The record's own fields."""
        pa = self._pa
        columns = {}
        for field in fields:
            values = np.ascontiguousarray(records[field])
            if field == "timestamp":
                columns[field] = pa.array(values).cast(pa.timestamp("ns", "UTC"))
            elif field == "flags":
                columns[field] = self._names(values, partial(_joined, flags))
            elif field in enums:
                columns[field] = self._names(values, partial(_one, enums[field]))
            elif field in IDS:
                columns[field] = pa.array(values)
            else:
                columns[field] = pa.array(values.astype(np.int64))
        return columns

    def _names(self, values: npt.NDArray[Any], name: Callable[[int], str | None]) -> Any:
        """A dictionary column; the same values in another order make the same dictionary."""
        found, at = np.unique(values, return_inverse=True)
        texts = [name(int(value)) for value in found]
        missing = np.array([text is None for text in texts], np.bool_)[at]
        return self._pa.DictionaryArray.from_arrays(
            self._pa.array(at.astype(np.int32), mask=missing),
            self._pa.array([text or "" for text in texts], self._pa.string()),
        )

    def _either(self, counts: npt.NDArray[np.int64], money: npt.NDArray[np.bool_]) -> Any:
        """Lots, or amounts where it is money."""
        lots = self._decimal(np.where(money, 0, counts), self._units.lot)
        if not money.any():
            return lots
        amounts = self._decimal(np.where(money, counts, 0), self._units.money)
        return self._compute.if_else(self._pa.array(money), amounts, lots)

    def _decimal(self, counts: npt.NDArray[np.int64], unit: Unit) -> Any:
        """So many steps each, as decimals of one scale."""
        pa = self._pa
        kind = pa.decimal128(PRECISION, SCALE)
        largest = max((abs(int(end)) for end in (counts.min(), counts.max())), default=0)
        if unit.decimals <= SCALE and largest * unit.digits < 1 << 63:
            whole = pa.array(counts * unit.digits).cast(pa.decimal128(PRECISION, 0))
            scaled = pa.Array.from_buffers(
                pa.decimal128(PRECISION, unit.decimals), len(counts), whole.buffers()
            )
            try:
                return scaled.cast(kind)
            except pa.ArrowInvalid:  # one of them is too large: that one alone is to be null
                pass
        return pa.array([_fitting(count, unit) for count in counts.tolist()], kind)


def _fitting(count: int, unit: Unit) -> Any:
    """A Decimal that a column can hold, or None."""
    value, rest = divmod(count * unit.digits * 10**SCALE, 10**unit.decimals)
    if rest or abs(value) >= 10**PRECISION:
        return None
    return Decimal(f"{value}E-{SCALE}")


def _one(kind: Any, value: int) -> str | None:
    """An enum's name; None for the 0 that says that there is none."""
    if value in kind._value2member_map_:
        return str(kind(value).name)
    return str(value) if value else None


def _joined(kind: Any, value: int) -> str:
    return "|".join(flag.name for flag in kind if value & flag)
