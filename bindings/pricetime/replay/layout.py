"""Which format a file is, told from its content, and what its columns are.

Names and endings of files lie; the first bytes do not.  A text format is known by its header, or
where there is none by what stands in its first row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pricetime.replay.fields import Table, shown
from pricetime.replay.source import ReplayError, Source, lines

__all__ = ["FORMATS", "Layout", "layout_of", "tables", "trades_layout"]

PEEK = 1 << 16  # bytes looked at
LONG = 100  # characters of a header that an error repeats
DELIMITERS = ",;\t|"

FORMATS = {
    "lobster": "a LOBSTER message file",
    "itch": "a NASDAQ ITCH 5.0 file",
    "bitstamp": "a capture with the columns of Bitstamp's",
    "bme": "a capture with the columns of BME's",
}

# Column: the names it goes by, without capitals, blanks, "_" and "-"; in the order of files that
# have no header.
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "lobster": {
        "time": ("time", "timestamp", "seconds"),
        "type": ("type", "eventtype", "event", "messagetype", "msgtype"),
        "order_id": ("orderid", "id", "order"),
        "size": ("size", "shares", "quantity", "qty", "volume"),
        "price": ("price",),
        "direction": ("direction", "side", "buysell"),
    },
    "bitstamp": {
        "id": ("id", "orderid"),
        "timestamp": ("timestamp",),
        "exchange_timestamp": ("exchangetimestamp",),
        "price": ("price",),
        "volume": ("volume", "amount", "quantity"),
        "action": ("action", "event"),
        "direction": ("direction", "side"),
    },
    "bme": {
        "ordtype": ("ordtype",),
        "uid": ("uid",),
        "is_buy": ("isbuy",),
        "qty": ("qty", "quantity"),
        "price": ("price",),
        "timestamp": ("timestamp", "time"),
    },
}
TRADES: dict[str, tuple[str, ...]] = {
    "price": ("price",),
    "amount": ("amount", "volume", "quantity"),
    "buy_order_id": ("buyorderid",),
    "sell_order_id": ("sellorderid",),
    "side": ("side", "direction"),
}

ACTIONS = {"created", "changed", "deleted"}
ORDER_TYPES = {"new", "modif", "cancel"}


@dataclass(frozen=True, slots=True)
class Layout:
    """A format and, for text, where its columns stand."""

    format: str  # a key of FORMATS
    delimiter: str = ","
    columns: tuple[str, ...] = ()  # every column of the file; those of the format by our names
    header: bool = False


def layout_of(source: Source, forced: str | None = None) -> Layout:
    """The layout of the file, which is only peeked at."""
    head = source.peek(PEEK)
    if not head:
        raise ReplayError(f"{source.path}: the file is empty; nothing to replay")
    binary = len(head) > 2 and head[0] == 0 and head[2:3].isalpha()
    if forced == "itch" or (forced is None and binary):
        return Layout("itch")
    first, delimiter = _first_row(head)
    if not any(first):
        raise ReplayError(f"{source.path}: nothing but blank lines; nothing to replay")
    header = not any(_numeric(text) for text in first) and not _headless(first)
    if header:
        return _by_header(source, first, delimiter, forced)
    format = forced or _headless(first)
    if format is None:
        raise ReplayError(f"{source.path}:1: {_unknown(first)}")
    known = tuple(COLUMNS[format])
    if len(first) < len(known):
        raise ReplayError(
            f"{source.path}:1: {len(first)} columns; {FORMATS[format]} has {len(known)}: "
            f"{', '.join(known)}"
        )
    extra = tuple(f"column {at + 1}" for at in range(len(known), len(first)))
    return Layout(format, delimiter, known + extra)


def trades_layout(source: Source) -> Layout:
    """The layout of a file of trades beside a Bitstamp capture."""
    head = source.peek(PEEK)
    if not head:
        raise ReplayError(f"{source.path}: the file is empty; no trades in it")
    first, delimiter = _first_row(head)
    columns = _named(tuple(_plain(name) for name in first), TRADES)
    missing = [name for name in TRADES if name not in columns]
    if missing:
        raise ReplayError(
            f"{source.path}:1: no column {', '.join(missing)} among "
            f"{shown(', '.join(first), LONG)}; "
            f"a file of trades has {', '.join(TRADES)}"
        )
    return Layout("trades", delimiter, columns, True)


def tables(source: Source, layout: Layout) -> Iterator[Table]:
    """The rows of the file, a few megabytes at a time."""
    waiting = layout.header
    for block, number in lines(source):
        if number == 1:
            block = block.removeprefix(b"\xef\xbb\xbf")
        if waiting:  # drop the header, which may follow blank lines
            while waiting and block:
                line, _, block = block.partition(b"\n")
                number += 1
                waiting = not line.strip()
            if not block:
                continue
        yield Table(source.path, block, number, layout.delimiter, list(layout.columns))


def _first_row(head: bytes) -> tuple[list[str], str]:
    """The fields of the first line with something in it, and what stands between them."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    line = next((line for line in text.split("\n") if line.strip()), "").strip("\r")
    delimiter = max(DELIMITERS, key=line.count)
    return [field.strip(' \t\r"') for field in line.split(delimiter)], delimiter


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "").replace("-", "")


def _numeric(text: str) -> bool:
    return bool(text) and text.lstrip("+-.")[:1].isdigit()


def _named(names: tuple[str, ...], columns: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Our name for every column that has one; the others keep theirs, marked so that none is taken
    for ours.
    """
    found: list[str] = []
    for at, name in enumerate(names):
        ours = [
            column for column, known in columns.items() if name in known and column not in found
        ]
        exact = [column for column in ours if name == _plain(column)]
        found.append((exact or ours or [f"column {at + 1}"])[0])
    return tuple(found)


def _by_header(source: Source, first: list[str], delimiter: str, forced: str | None) -> Layout:
    names = tuple(_plain(name) for name in first)
    candidates = [forced] if forced else list(COLUMNS)
    scores: list[tuple[int, str]] = []
    for format in candidates:
        columns = _named(names, COLUMNS[format])
        missing = [column for column in COLUMNS[format] if column not in columns]
        if not missing:
            return Layout(format, delimiter, columns, True)
        scores.append((len(missing), format))
    if {"buyorderid", "sellorderid"} <= set(names):
        raise ReplayError(
            f"{source.path}:1: this is a file of trades; give the orders, and this one by --trades"
        )
    missed, format = min(scores)
    if missed > len(COLUMNS[format]) // 2 and not forced:
        raise ReplayError(f"{source.path}:1: {_unknown(first)}")
    missing = [column for column in COLUMNS[format] if column not in _named(names, COLUMNS[format])]
    raise ReplayError(
        f"{source.path}:1: no column {', '.join(missing)} among {shown(', '.join(first), LONG)}; "
        f"{FORMATS[format]} has {', '.join(COLUMNS[format])}"
    )


def _headless(first: list[str]) -> str | None:
    """The format whose rows look like this one."""
    words = [text.lower() for text in first]
    if len(first) >= 7 and words[5] in ACTIONS:
        return "bitstamp"
    if len(first) >= 6 and words[0] in ORDER_TYPES:
        return "bme"
    messages = len(first) >= 6 and all(_numeric(text) for text in first[:6])
    if messages and first[5].lstrip("+-").rstrip("0").rstrip(".") in ("1", ""):
        return "lobster"
    return None


def _unknown(first: list[str]) -> str:
    given = ",".join(first)
    if len(first) % 4 == 0 and all(_numeric(text) for text in first):
        return (
            "this looks like an order-book file; give the message file, "
            "and this one by --order-book"
        )
    return (
        f"no known format in {shown(given, LONG)}; allowed: LOBSTER messages (six numbers a row), "
        "ITCH 5.0, "
        "CSV with a header as Bitstamp's (id, timestamp, exchange_timestamp, price, volume, "
        "action, "
        "direction) or BME's (ordtype, uid, is_buy, qty, price, timestamp)"
    )
