"""Which events count in money: those of an order that spends an amount (`QUOTE_QUANTITY`).

Its quantity and what remains of it are ticks times lots, and events do not say so: its command
does. So the commands are read along, a batch ahead of the events. An id that is given to a plain
order within a batch or two of the one that spent under it is the one thing that this gets wrong.
"""

import numpy as np
import numpy.typing as npt

from pricetime.log.batch import Events, Records
from pricetime.log.sqlite_read import SqliteReader
from pricetime.records import EventKind, Flag, Kind

__all__ = ["Amounts"]

OWN = [kind for kind in EventKind if kind <= EventKind.REFRESHED]
"""Kinds of event that have a quantity of their own order."""


class Amounts:
    """Follows the commands of one instrument beside its events."""

    def __init__(self, reader: SqliteReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._position = -1  # behind the commands that were read; -1: none yet
        self._ids: npt.NDArray[np.uint64] = np.empty(0, np.uint64)  # of orders that spend

    def of(self, batch: Events) -> npt.NDArray[np.bool_]:
        """Which events of a batch, of those taken in their order, count in money."""
        if self._position < 0:
            self._position = self._start(batch.position)
        if self._position <= batch.position:
            for commands in self._reader.commands(self._name, self._position):
                self._read(commands.records)
                self._position = commands.position
                if self._position > batch.position:
                    break
        if not len(self._ids):
            return np.zeros(len(batch.records), np.bool_)
        own = np.isin(batch.records["kind"], OWN)
        return own & np.isin(batch.records["order_id"], self._ids)

    def _start(self, position: int) -> int:
        """Where the batch of commands begins that ends at a position, or the first one there is."""
        lane = self._reader.lane(self._name)
        (start,) = lane.connection.execute(
            "SELECT max(position) FROM commands WHERE instrument = ? AND position < ?",
            (lane.number, position),
        ).fetchone()
        return lane.state().begin if start is None else int(start)

    def _read(self, records: Records) -> None:
        enters = np.isin(records["kind"], (Kind.NEW, Kind.REPLACE))
        spends = enters & ((records["flags"] & Flag.QUOTE_QUANTITY) != 0)
        if not spends.any() and not len(self._ids):
            return
        ids = np.where(records["kind"] == Kind.REPLACE, records["slot"], records["order_id"])
        plain = np.setdiff1d(ids[enters], ids[spends])
        self._ids = np.union1d(np.setdiff1d(self._ids, plain), ids[spends])
