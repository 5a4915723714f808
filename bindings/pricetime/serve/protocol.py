"""Lines of JSON in, lines of JSON out: what a client may ask, and how the answers look.

A line is an object. `do` says what, `market` where, `id` (a text or an int) comes back with the
answer; the other keys are the parameters of that name, as the methods of Desk have them. Prices and
quantities are texts or whole numbers: a number with a point or an exponent is refused, as most
readers of JSON would make a float of it.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from pricetime.instrument import Instrument
from pricetime.log.batch import Records
from pricetime.records import EventKind, Parameter, Reason, Side
from pricetime.venue import Answer
from pricetime.venue.desk import Desk, Terms
from pricetime.venue.shared import Level

__all__ = [
    "COMMANDS",
    "LINE_BYTES_MAX",
    "BadLine",
    "Line",
    "answer_line",
    "dump",
    "error_line",
    "event_lines",
    "levels_rows",
    "parse",
    "split_definition",
    "whole",
]

LINE_BYTES_MAX = 1 << 16
TEXT_MAX = 200  # characters of a client's own text that an error repeats

EVERY = ("id", "do", "market")


class BadLine(ValueError):
    """A line that asks for nothing that there is; the text says what is allowed."""

    def __init__(self, text: str, number: Any = None) -> None:
        super().__init__(text)
        self.id = number


class Line(NamedTuple):
    """What a client asks."""

    id: Any
    do: str
    market: str
    """"" for what is about no market"""
    parameters: dict[str, Any]


def _parameters(method: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All parameters of a method of Desk, and those that must be there."""
    known: list[str] = []
    needed: list[str] = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            known.extend(Terms.__annotations__)
        elif parameter.name != "self":
            known.append(parameter.name)
            if parameter.default is parameter.empty:
                needed.append(parameter.name)
    return tuple(known), tuple(needed)


def _definition_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an instrument is added with: its own parameters, then those of its book alone."""
    own = tuple(name for name in inspect.signature(Instrument).parameters if name != "name")
    book = (parameter.name.lower() for parameter in Parameter)
    return own, tuple(name for name in (*book, "max_orders") if name not in own)


COMMANDS = {
    name: _parameters(method)
    for name, method in vars(Desk).items()
    if inspect.isfunction(method) and not name.startswith("_")
}
INSTRUMENT_NAMES, BOOK_NAMES = _definition_names()
ASKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **COMMANDS,
    "add": (INSTRUMENT_NAMES + BOOK_NAMES, ("tick_size", "lot_size")),
    "book": (("depth",), ()),
    "events": (("after", "follow"), ()),
    "markets": ((), ()),
}
NO_MARKET = ("markets",)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once each: of two that differ, which one was meant?"""
    given = dict(pairs)
    if len(given) != len(pairs):
        raise BadLine("a key comes twice in the object")
    return given


def parse(data: bytes) -> Line:
    """What a line asks; raises BadLine, whatever the bytes are."""
    if len(data) > LINE_BYTES_MAX:
        raise BadLine(f"a line has at most {LINE_BYTES_MAX} bytes; the whole of it is ignored")
    inexact: list[str] = []  # a float that was read may be another than was written
    try:
        given = json.loads(
            data.decode(),
            parse_float=inexact.append,
            parse_constant=inexact.append,
            object_pairs_hook=_once,
        )
    except BadLine:
        raise
    except (ValueError, RecursionError) as error:
        raise BadLine(f"the line is no JSON: {_cut(str(error))}") from None
    if not isinstance(given, dict):
        raise BadLine(f"a line is an object, not a {type(given).__name__}")
    number = given.pop("id", None)
    if not isinstance(number, str | int | None):
        raise BadLine(f"an id is a text or an int, not a {type(number).__name__}")
    for text in inexact:
        shown = _cut(text)
        raise BadLine(f'the number {shown} is not exact: write it as a text, "{shown}"', number)
    do, market = given.pop("do", None), given.pop("market", "")
    if not isinstance(do, str) or do not in ASKS:
        raise BadLine(f"do {_cut(json.dumps(do))} is none of {', '.join(ASKS)}", number)
    if not isinstance(market, str) or bool(market) == (do in NO_MARKET):
        wanted = "takes no market" if do in NO_MARKET else "needs a market, the instrument's name"
        raise BadLine(f"{do} {wanted}", number)
    known, needed = ASKS[do]
    for name in given:
        if name not in known:
            allowed = ", ".join((*EVERY, *known))
            raise BadLine(f"{do} has no {_cut(json.dumps(name))}; allowed: {allowed}", number)
    missing = [name for name in needed if name not in given]
    if missing:
        raise BadLine(f"{do} needs {', '.join(missing)}", number)
    return Line(number, do, market, given)


def whole(line: Line, name: str, default: int, most: int) -> int:
    """A parameter that is a whole number from 0 to `most`; raises BadLine."""
    value = line.parameters.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise BadLine(f"{name} {_cut(json.dumps(value))} is no whole number from 0 to {most}")
    return value


def split_definition(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of `add` as the instrument's own, and its book's."""
    own = {name: value for name, value in given.items() if name in INSTRUMENT_NAMES}
    return own, {name: value for name, value in given.items() if name in BOOK_NAMES}


def dump(number: Any, **fields: Any) -> bytes:
    """A line with an id."""
    return json.dumps({"id": number, **fields}, separators=(",", ":")).encode() + b"\n"


def answer_line(number: Any, answer: Answer) -> bytes:
    """What became of a command. `sequence`: of its last event, so that `events` after it goes on
    behind it."""
    last = answer.events[-1]
    return dump(
        number,
        status=answer.status.name,
        order_id=answer.order_id,
        filled=f"{answer.filled:f}",
        remaining=f"{answer.remaining:f}",
        reason=None if answer.reason is None else answer.reason.name,
        trades=[
            {
                "maker_id": fill.maker_id,
                "maker_account": fill.maker_account,
                "price": f"{fill.price:f}",
                "quantity": f"{fill.quantity:f}",
            }
            for fill in answer.trades
        ],
        repeated=answer.repeated,
        command=int(last["command"]),
        sequence=int(last["sequence"]),
    )


def error_line(number: Any, error: BaseException) -> bytes:
    """Why there is no answer: `error` names the class, for programs, `message` says it."""
    return dump(number, error=type(error).__name__, message=str(error))


def levels_rows(levels: list[Level]) -> list[list[Any]]:
    """Levels as rows of price, quantity and number of orders."""
    return [[f"{level.price:f}", f"{level.quantity:f}", level.orders] for level in levels]


NAMES: dict[str, type[Side] | type[EventKind] | type[Reason]] = {
    "kind": EventKind, "side": Side, "reason": Reason,
}  # fmt: skip


def event_lines(number: Any, events: Records) -> bytes:
    """Events as they are stored, in ticks and lots; what has a name has it in place of its code."""
    names = [name for name in events.dtype.names or () if name != "reserved"]
    lines = []
    for row in events[names].tolist():
        fields = dict(zip(names, row, strict=True))
        for name, kind in NAMES.items():
            code = fields[name]
            fields[name] = kind(code).name if code else None
        lines.append(dump(number, **fields))
    return b"".join(lines)
