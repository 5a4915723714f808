"""What a book did beside what the exchange did, for a whole batch at once.

Where all agree, which is the rule, a batch costs a few passes of numpy; only a batch in which
something differs is taken apart command by command.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricetime.records import EventKind, Kind, Reason
from pricetime.replay.tape import Chunk, Expect, Fill

__all__ = ["ASKED", "CANCELS", "Parting", "compare", "right"]

# As plain ints: numpy compares with those at once, and with enum members the long way round.
TRADE, REJECTED, CANCELLED = map(int, (EventKind.TRADE, EventKind.REJECTED, EventKind.CANCELLED))
FILLS, ASK, GONE = int(Expect.FILLS), int(Expect.ASK), int(Expect.REFUSED)
TOLD = int(Expect.QUANTITY | Expect.REDUCED)
REFUSABLE = int(Expect.EITHER | Expect.REFUSED | Expect.HELPER)

ASKED = ""  # the kind of what is no difference unless the guide says so
CANCELS = "cancels of another quantity"
NO_FILLS: list[Fill] = []


class Parting(NamedTuple):
    """A command that came out otherwise than at the exchange."""

    at: int  # in its chunk
    kind: str  # of difference, as it is counted
    made: list[Fill]  # by the book; for `fills` alone
    real: list[Fill]  # by the exchange
    text: str  # what differs, for kinds other than `fills`; quantities in lots as {lots}
    lots: tuple[int, ...] = ()  # quantities that the text names

    @property
    def fills(self) -> bool:
        """Whether the trades differ, rather than what became of the order."""
        return not self.text


def compare(
    chunk: Chunk, first: int, last: int, events: NDArray[np.void], base: int
) -> list[Parting]:
    """Where the commands first to last (excluded) differ; `base` commands went to their book before
    them.
    """
    index = events["command"].astype(np.int64) + (first - base - 1)
    kind = events["kind"]
    found = _fills(chunk, first, last, events, index, kind) + _asked(chunk, events, index, kind)
    found += _refusals(chunk, first, last, events, index, kind)
    found += _quantities(chunk, events, index, kind)
    return sorted(found, key=lambda parting: parting.at)


def right(made: list[Fill], real: list[Fill]) -> int:
    """How many of the real executions of one command the book made as well, of the same maker,
    price and quantity.
    """
    rest = list(made)
    count = 0
    for fill in real:
        if fill in rest:
            rest.remove(fill)
            count += 1
    return count


def _fills(
    chunk: Chunk, first: int, last: int, events: NDArray[np.void], index: Any, kind: Any
) -> list[Parting]:
    trade = kind == TRADE
    known = trade & ((chunk.expect[index] & FILLS) > 0)
    begin, end = np.searchsorted(chunk.fills["index"], (first, last))
    real = chunk.fills[begin:end]
    made = events[known]
    if len(made) == len(real) and all(
        np.array_equal(ours, theirs)
        for ours, theirs in (
            (index[known], real["index"]),
            (made["maker_id"], real["maker"]),
            (made["price"], real["price"]),
            (made["quantity"], real["quantity"]),
        )
    ):
        return []
    ours = _grouped(index[known], made["maker_id"], made["price"], made["quantity"])
    theirs = _grouped(real["index"], real["maker"], real["price"], real["quantity"])
    return [
        Parting(
            at,
            _kind(ours.get(at, NO_FILLS), theirs.get(at, NO_FILLS)),
            ours.get(at, []),
            theirs.get(at, []),
            "",
        )
        for at in ours.keys() | theirs.keys()
        if ours.get(at) != theirs.get(at)
    ]


def _asked(chunk: Chunk, events: NDArray[np.void], index: Any, kind: Any) -> list[Parting]:
    """Trades that only the guide may object to."""
    mine = (kind == TRADE) & ((chunk.expect[index] & ASK) > 0)
    if not mine.any():
        return []
    made = events[mine]
    groups = _grouped(index[mine], made["maker_id"], made["price"], made["quantity"])
    return [Parting(at, ASKED, fills, [], "") for at, fills in groups.items()]


def _grouped(index: Any, maker: Any, price: Any, quantity: Any) -> dict[int, list[Fill]]:
    groups: dict[int, list[Fill]] = {}
    rows: Iterable[tuple[int, ...]] = zip(
        index.tolist(), maker.tolist(), price.tolist(), quantity.tolist(), strict=True
    )
    for at, *fill in rows:
        groups.setdefault(at, []).append(Fill(*fill))
    return groups


def _kind(made: list[Fill], real: list[Fill]) -> str:
    """The name under which different trades are counted."""
    if not real:
        return "trades that the exchange did not make"
    if not made:
        return "executions that the book did not make"
    for ours, theirs in zip(made, real, strict=False):
        if ours.maker != theirs.maker:
            place = ours.price == theirs.price
            return (
                "executions with another maker at the same price"
                if place
                else "executions at another price"
            )
        if ours.price != theirs.price:
            return "executions at another price"
        if ours.quantity != theirs.quantity:
            break
    return "executions of another quantity"


def _refusals(
    chunk: Chunk, first: int, last: int, events: NDArray[np.void], index: Any, kind: Any
) -> list[Parting]:
    """Refused by the book alone, or gone at the exchange alone."""
    refused = np.zeros(last - first, bool)
    at = kind == REJECTED
    refused[index[at] - first] = True
    expect = chunk.expect[first:last]
    must = (expect & GONE) > 0
    may = (expect & REFUSABLE) > 0
    found = []
    if (refused & ~may).any():
        reason = dict(zip(index[at].tolist(), events["reason"][at].tolist(), strict=True))
        for row in np.flatnonzero(refused & ~may).tolist():
            command = chunk.commands[first + row]
            what = f"{Kind(command['kind']).name.lower()} of order {command['order_id']}"
            why = Reason(reason[first + row]).name.lower().replace("_", " ")
            name = "commands that the book refused"
            found.append(Parting(first + row, name, [], [], f"{what} refused: {why}"))
    for row in np.flatnonzero(must & ~refused).tolist():
        command = chunk.commands[first + row]
        text = f"order {command['order_id']} is gone at the exchange and was still in the book"
        found.append(Parting(first + row, "orders that the book still had", [], [], text))
    return found


def _quantities(chunk: Chunk, events: NDArray[np.void], index: Any, kind: Any) -> list[Parting]:
    """Cancelled in another quantity than at the exchange."""
    told = (kind == CANCELLED) & ((chunk.expect[index] & TOLD) > 0)
    at = index[told]
    ours, theirs = events["quantity"][told], chunk.quantity[at]
    found = []
    for row in np.flatnonzero(ours != theirs).tolist():
        order_id = chunk.commands["order_id"][at[row]]
        whole = chunk.expect[at[row]] & Expect.QUANTITY
        name = CANCELS if whole else "reductions by more than was left"
        text = f"order {order_id}: the exchange took out {{}}, the book had {{}}"
        found.append(Parting(int(at[row]), name, [], [], text, (int(theirs[row]), int(ours[row]))))
    return found
