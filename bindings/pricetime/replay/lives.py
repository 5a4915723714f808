"""The life of every order of a LOBSTER file, and what the file leaves out.

A message file shows what happens within some levels of the touch and from some moment on.  So it
names orders that it never enters.  Ids of one exchange day grow with time, so an id says when its
order came:

- before the file: it rests from the start, ahead of later ids (with an order-book file: if its
  first row has the price; else it comes into sight later, and enters just before it is first
  named);
- later, outside the levels: it enters when its id's turn comes, before the first new order with a
  larger id.

A new order whose id is lower than one already seen (orders of the opening cross) takes the place
that its id gives it: the orders of its level with larger ids leave and come back behind it.  Where
ids of a file do not grow (`GROWING`), none of this is inferred and such orders enter just before
they are named.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "Entry", "Lives", "Messages"]

GROWING = (
    0.9  # share of new orders whose id is above all before, from which on ids are taken for a clock
)
NEVER = 1 << 62  # the row of what does not happen

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Messages:
    """The columns of a message file."""

    line: Ints  # in the file, from 1
    time: Ints  # ns after midnight
    kind: NDArray[np.int8]  # type, 1 to 7
    order_id: Ints
    size: Ints  # shares
    price: Ints  # 0.0001 USD, then ticks
    direction: NDArray[np.int8]  # of the resting order: 1 buy, -1 sell

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Which messages are of orders that can be seen."""
        return self.kind <= 4

    def __len__(self) -> int:
        return len(self.line)


class Entry(NamedTuple):
    """A command that no message is."""

    row: int  # with which message; -1: before the first
    slot: int  # 0 ahead of the message's own command, 2 behind it
    order_id: int  # 0: the file has no name for it
    direction: int  # 1 buy, -1 sell
    price: int  # ticks
    size: int  # lots
    unsure: bool = False  # enters only if it does not trade
    leaves: bool = False  # is cancelled, to come back behind another


class Lives:
    """What becomes of each order, by the file alone."""

    def __init__(self, messages: Messages, first: tuple[Any, Any] | None):
        """`first` is asks and bids behind message 0 (price, size; best first), where an order-book
        file has them.
        """
        self.messages = messages
        self.notes: list[str] = []
        self.entries: list[Entry] = []
        self._reentered: dict[int, list[tuple[int, int]]] = {}  # life: (row, lots left there)
        self._sort()
        self._growing()
        self._seed(first)
        self._late()
        self._make_room()
        self.entries.sort(key=lambda entry: (entry.row, entry.slot))

    def _sort(self) -> None:
        """Lines the visible messages up by order; a life is one entry of an id and what follows."""
        m = self.messages
        rows = np.flatnonzero(m.visible)
        by_id = rows[np.argsort(m.order_id[rows], kind="stable")]
        ids, kind, size = m.order_id[by_id], m.kind[by_id], m.size[by_id]
        begins = kind == 1
        begins[:1] = True
        begins[1:] |= ids[1:] != ids[:-1]
        self._rows, self._ids = by_id, ids
        self._first = np.flatnonzero(begins)  # of each life, its first place in the sorted messages
        self._end = np.append(self._first[1:], len(ids))
        self._life_of = np.zeros(len(m), np.int64)
        self._life_of[by_id] = np.cumsum(begins) - 1
        self._place = np.zeros(len(m), np.int64)
        self._place[by_id] = np.arange(len(ids))
        self._taken = np.concatenate(([0], np.cumsum(np.where(kind == 1, 0, size))))
        self._reduced = np.concatenate(([0], np.cumsum(np.where(kind == 2, size, 0))))
        first, last = self._first, self._end - 1
        self.id, self.direction, self.price = (
            ids[first],
            m.direction[by_id][first],
            m.price[by_id][first],
        )
        self.named = kind[first] == 1  # entered by the file itself
        taken = self._taken[self._end] - self._taken[first]
        self.size = np.where(self.named, size[first], taken)
        self.entry = np.where(self.named, by_id[first], NEVER)  # row; those not named: set below
        finished = (kind[last] == 3) | (taken >= self.size)
        self.leave = np.where(finished, by_id[last], NEVER)

    def _growing(self) -> None:
        """Whether ids are a clock; the largest id so far at each new order; those with less."""
        m = self.messages
        rows = np.flatnonzero(m.kind == 1)
        ids = m.order_id[rows]
        before = np.concatenate(([0], np.maximum.accumulate(ids)[:-1])) if len(ids) else ids
        self._new_rows, self._highest = rows, np.maximum(before, ids)
        self._low = rows[ids < before]
        self.growing = not len(rows) or len(self._low) <= (1 - GROWING) * len(rows)
        self._first_id = int(ids[0]) if len(ids) else NEVER
        if not self.growing:
            self.notes.append(
                f"order ids do not grow with time ({len(self._low):,} of {len(rows):,} new orders "
                "are below an "
                "earlier one): places in line are by order of the messages alone"
            )

    def _add(self, life: int, row: int, **more: Any) -> None:
        self.entry[life] = row
        self.entries.append(
            Entry(
                row,
                0,
                int(self.id[life]),
                int(self.direction[life]),
                int(self.price[life]),
                int(self.size[life]),
                **more,
            )
        )

    def _seed(self, first: tuple[Any, Any] | None) -> None:
        """What rests before the first message; with an order-book file no more than its first row
        holds.
        """
        unnamed = np.flatnonzero(~self.named)
        old = unnamed[self.id[unnamed] < self._first_id] if self.growing else unnamed[:0]
        if first is None:
            for life in old.tolist():
                self._add(life, -1, unsure=True)
            if len(old):
                self.notes.append(
                    f"orders that are named and have ids older than the file: {len(old):,}, in the "
                    "book from the start"
                )
            return
        room = self._first_levels(first)
        seeded = 0
        for life in old.tolist():
            level = (int(self.direction[life]), int(self.price[life]))
            if self.size[life] > room.get(level, 0):
                self._add(life, int(self._rows[self._first[life]]), unsure=True)
                continue
            room[level] -= int(self.size[life])
            self._add(life, -1)
            seeded += 1
        rest = [
            (direction, price, size)
            for (direction, price), size in sorted(room.items())
            if size > 0
        ]
        self.entries += [Entry(-1, 0, 0, direction, price, size) for direction, price, size in rest]
        self.notes.append(
            "the book starts as the first row of the order-book file: orders that are named later "
            f"{seeded:,}, "
            f"behind them levels of which only the quantity is known {len(rest):,}"
        )
        if len(old) > seeded:
            self.notes.append(
                "orders that have ids older than the file and are not in that row: "
                f"{len(old) - seeded:,}, entered "
                "when they are first named"
            )

    def _first_levels(self, first: tuple[Any, Any]) -> dict[tuple[int, int], int]:
        """(direction, price): lots, before message 0."""
        asks, bids = first
        room = {(-1, price): size for price, size in asks} | {
            (1, price): size for price, size in bids
        }
        m = self.messages
        if m.kind[0] <= 4:
            level = (int(m.direction[0]), int(m.price[0]))
            came = int(m.size[0]) if m.kind[0] == 1 else -int(m.size[0])
            room[level] = room.get(level, 0) - came
        return room

    def _late(self) -> None:
        """Orders of the day that entered unseen, at their id's turn; where ids say nothing, when
        first named.
        """
        late = np.flatnonzero(~self.named & (self.entry == NEVER))
        late = late[self.size[late] > 0]
        mention = self._rows[self._first[late]]
        turn = mention
        if self.growing:
            late, mention = (
                late[self.id[late] >= self._first_id],
                mention[self.id[late] >= self._first_id],
            )
            place = np.searchsorted(self._highest, self.id[late], "right")
            rows = np.append(self._new_rows, NEVER)
            turn = np.minimum(rows[np.minimum(place, len(self._new_rows))], mention)
        for life, row in zip(late.tolist(), turn.tolist(), strict=True):
            self._add(life, row, unsure=True)
        if len(late):
            how = "at their id's turn" if self.growing else "when they are first named"
            self.notes.append(
                f"orders that are named and never entered: {len(late):,}, entered {how}"
            )

    def _make_room(self) -> None:
        """Lets orders of a level with larger ids come back behind an order that comes late."""
        if not self.growing:
            return
        m = self.messages
        late = [(int(m.order_id[row]), row, 1) for row in self._low.tolist()]
        late += [
            (e.order_id, e.row, 0)
            for e in self.entries
            if e.row >= 0 and e.order_id < self._first_id
        ]
        levels: dict[tuple[int, int], list[int]] = {}
        for order_id, row, _ in late:
            life = self._life_of[row] if m.order_id[row] == order_id else self._find(order_id)
            levels[(int(self.direction[life]), int(self.price[life]))] = []
        for life, level in enumerate(
            zip(self.direction.tolist(), self.price.tolist(), strict=True)
        ):
            if level in levels:
                levels[level].append(life)
        moved = 0
        for order_id, row, slot in sorted(late, key=lambda item: (item[1], item[2])):
            life = int(self._life_of[row]) if slot else self._find(order_id)
            level = (int(self.direction[life]), int(self.price[life]))
            behind = [
                other
                for other in levels[level]
                if self.id[other] > order_id and self.entry[other] < row <= self.leave[other]
            ]
            for other in behind:
                self._move(other, row, 2 if slot else 0)
            moved += bool(behind)
        if moved:
            self.notes.append(
                f"orders that came with ids lower than some in line at their price: {moved:,}, put "
                "ahead of those"
            )

    def _find(self, order_id: int) -> int:
        """The first life of an id."""
        return int(self._life_of[self._rows[np.searchsorted(self._ids, order_id)]])

    def _move(self, life: int, row: int, slot: int) -> None:
        """Takes what is left of an order out and in again, as the newest of its level."""
        first, end = self._first[life], self._end[life]
        place = first + int(np.searchsorted(self._rows[first:end], row))
        left = int(self.size[life] - (self._taken[place] - self._taken[first]))
        if left <= 0:
            return
        order = (int(self.id[life]), int(self.direction[life]), int(self.price[life]), left)
        self.entries.append(Entry(row, slot, *order, leaves=True))
        self.entries.append(Entry(row, slot, *order))
        self._reentered.setdefault(life, []).append((row, left))

    def totals(self, rows: Ints) -> Ints:
        """For type 2 messages: the order's total from then on, as an AMEND wants it."""
        life, place = self._life_of[rows], self._place[rows]
        totals: Ints = self.size[life] - (
            self._reduced[place + 1] - self._reduced[self._first[life]]
        )
        for at in np.flatnonzero(np.isin(life, list(self._reentered))).tolist():
            mine = int(life[at])
            back = [entered for entered in self._reentered[mine] if entered[0] <= rows[at]]
            if back:
                row, left = back[-1]
                first = self._first[mine]
                since = first + int(np.searchsorted(self._rows[first : self._end[mine]], row))
                totals[at] = left - (self._reduced[place[at] + 1] - self._reduced[since])
        return totals

    def last_named(self, order_id: int) -> int:
        """The row of the last message that names the order; -1: none does."""
        place = int(np.searchsorted(self._ids, order_id, "right")) - 1 if order_id < NEVER else -1
        return int(self._rows[place]) if place >= 0 and self._ids[place] == order_id else -1
