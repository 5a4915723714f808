"""The first world: the real venue core, runners and SQLite log over a disk that lies.

A history starts venues, asks them things, kills them at any operation of the disk, cuts the power,
breaks writes and syncs, lets the clock jump, opens a second venue beside the first, and reads what
is committed all the while (acts.py). In the end everything is made whole and looked at (ending.py).
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from pricetime.log.errors import Diverged, LogDamaged, LogError
from pricetime.log.holder import witness_path
from pricetime.records import EVENT
from pricetime.runner import Distance
from pricetime.runner import runner as runner_module
from pricetime.venue.core import Core, Overloaded
from pricetime.venue.definition import Definition

from .acts import ACTS, arm
from .clients import Ledger, Load, Sent
from .disk import Disk
from .ending import finish
from .faults import Crash, Faults
from .process import Follower, Process, folder, heard
from .truth import Stored, Truth, join, require
from .vfs import seed_sqlite

__all__ = ["Venues"]

SECOND = 10**9
PARAMETERS: tuple[dict[str, int], ...] = (
    {"max_orders": 6},
    {"stp": 4},
    {"matching": 2},
    {"dynamic_band": 1, "band_action": 2, "auction_seconds": 1},
    {"collar": 1, "orders_per_account": 3},
)
"""Of books that are not as most."""


class Claim(NamedTuple):
    """Events that a follower had seen."""

    name: str
    after: int
    """sequence of the event before them"""
    data: bytes

    def cut(self, last: int) -> "Claim":
        """Those up to a sequence."""
        return self._replace(data=self.data[: max(last - self.after, 0) * EVENT.itemsize])


def silent(text: str) -> None:
    """Says nothing."""


class Venues:
    """One history; `run` raises Failure where a promise was not kept."""

    def __init__(self, seed: int, faults: Faults, say: Callable[[str], None] = silent) -> None:
        self.seed = seed
        self.faults = faults
        here = str(folder())  # another one in each run
        self.say = lambda text: say(text.replace(here, "."))
        self.rng = Random(f"venues {seed}")
        self.path = folder() / "venue.db"
        self.disk = Disk(self.rng, faults)
        self.ledger = Ledger()
        self.loads: dict[str, Load] = {}
        self.definitions: dict[str, Definition] = {}
        self.adding: dict[str, str] = {}  # whether an instrument is "there", "not", or "maybe"
        self.archive: dict[str, Stored] = {}  # what was trimmed
        self.claims: list[Claim] = []
        self.process: Process | None = None
        self.zombie: Process | None = None
        self.followers: list[Follower] = []
        self.witnesses: list[bytes] = []  # what the lock file has held
        self.tails: list[dict[str, int]] = []  # sequences behind each group, since a durable one
        self.lossy = False  # whether the power was cut while groups were not durable
        self.cut = ""  # the way in which the last process died
        self.distance = Distance(self.rng.choice((8, 20, 40, 10**6)))
        self.digest_commands = self.rng.choice((7, 7, 10**6))
        self.durable = self.rng.random() < 0.85
        self.time = 0

    def run(self) -> None:
        """All of it."""
        seed_sqlite(self.seed)
        for file in folder().iterdir():
            file.unlink()
        self.plan()
        try:
            digests = patch.object(runner_module, "DIGEST_COMMANDS", self.digest_commands)
            with heard(self.faults), digests:
                for _ in range(self.rng.randint(10, 45)):
                    self.act()
                finish(self)
        finally:
            for follower in self.followers:
                follower.die()
            for process in (self.process, self.zombie):
                if process is not None:
                    process.die()

    def plan(self) -> None:
        """Who trades what."""
        for name in ("A", "B", "C")[: self.rng.choice((1, 1, 2, 3))]:
            load = Load(self.rng, self.seed, name)
            book = {} if self.rng.random() < 0.7 else self.rng.choice(PARAMETERS)
            self.loads[name] = load
            self.definitions[name] = Definition(load.front.instrument, book)
            self.adding[name] = "not"
        self.time = max(1, *(load.begin for load in self.loads.values()))

    def act(self) -> None:
        """One thing that happens."""
        try:
            if self.process is None:
                self.start(safely=False)
            if self.process is not None:
                self.rng.choices(list(ACTS), list(ACTS.values()))[0](self)
        except Crash:
            self.bury()

    # --- one venue

    @property
    def core(self) -> Core:
        return self.process.core

    def clock(self) -> int:
        return self.time

    def start(self, *, safely: bool) -> None:
        """Starts a venue, if that is possible; not safely: recovery meets faults as well."""
        durability = "commit" if self.durable else self.rng.choice(("commit", "system"))
        self.process = process = Process(self, durability)
        if not safely and self.rng.random() < 0.3:
            arm(self)
        self.say(f"start  {durability}")
        try:
            process.start()
        except LogError as error:
            self.excuse(process, error)
        broken = list(process.core._broken.values()) if process.core else []
        for error in broken:
            self.excuse(process, error)
        self.witness()
        if process.core is None or broken:
            process.die()
            self.process = None
            return
        if self.rng.random() < 0.5:
            process.machine.armed.clear()
        if self.lossy:
            self.forget_lost()
        self.note_tails()

    def excuse(self, process: Process, error: LogError) -> None:
        """An error is right where the process has met one, unless it says that data are wrong."""
        self.say(f"       {error!r}")
        met = process.machine.struck and not isinstance(error, LogDamaged | Diverged)
        require(met, "failed without a fault:", repr(error))

    def put(self, process: Process, sent: Sent) -> None:
        """A client sends something."""
        request = self.ledger.request(sent)
        sent.holder = process
        self.say(f"ask    {sent}")
        try:
            process.core.put(request)
        except Overloaded as error:
            request.settle(request, None, False, error)
            self.faults["overload"] += 1

    def step(self) -> None:
        """The venue does a group."""
        self.time += self.rng.choice((0, 1, SECOND // 10, SECOND))
        self.core.step()
        require(self.core._fenced is None, "fenced, though nobody took over")
        self.witness()
        self.note_tails()
        for sent in self.ledger.sent[-6:]:  # what the clients learn of their orders
            if sent.events is not None and not sent.array:
                order_id = int(np.frombuffer(sent.events, EVENT)["order_id"][0])
                self.loads[sent.name].ids.append(min(max(order_id, 1), 2**64 - 2))

    # --- crashes

    def bury(self) -> None:
        """After a crash: what died with the process, or with the machine."""
        self.say(f"       {self.cut}")
        if self.process is not None:
            self.faults["checkpoint half written"] += self.process.half_stored
            self.end(self.process)
            self.process = None
        self.witness()
        if self.cut == "kill":
            self.faults["kill with a reader that lives on"] += bool(self.followers)
            return
        for follower in self.followers:
            self.claim(follower)
            follower.die()
        self.followers = []
        if self.zombie is not None:
            self.end(self.zombie)
            self.zombie = None
        self.disk.cut_power()
        self.set_back_witness()
        for file in folder().iterdir():  # what stands for the disk's files, and shared memory
            if file != witness_path(self.path):
                file.unlink()
        for name in self.disk.names:
            folder().joinpath(name).touch()
        self.lossy = not self.durable

    def end(self, process: Process) -> None:
        """A process is gone: those that wait are answered no more."""
        process.die()
        for sent in self.ledger.sent:
            if sent.holder is process:
                self.ledger.lost(sent)

    def claim(self, follower: Follower) -> None:
        """What one has seen stands for ever."""
        for name, seen in follower.seen.items():
            if seen:
                self.claims.append(Claim(name, seen[0].first - 1, join(seen).tobytes()))

    def witness(self) -> None:
        """Notes what the lock file says now."""
        with suppress(FileNotFoundError):
            text = witness_path(self.path).read_bytes()
            if not self.witnesses or self.witnesses[-1] != text:
                self.witnesses.append(text)

    def set_back_witness(self) -> None:
        """It is written and never synced: a power cut leaves what it held at any time."""
        if not self.witnesses:
            return
        keep = self.rng.randrange(len(self.witnesses))
        self.faults["witness set back"] += keep < len(self.witnesses) - 1
        del self.witnesses[keep + 1 :]
        witness_path(self.path).write_bytes(self.witnesses[-1])

    # --- groups that are not durable

    def note_tails(self) -> None:
        """How far the log is: what a power cut must leave of it, or may."""
        if self.durable or self.core._failed:
            return
        if self.process.durability == "commit":
            self.tails.clear()
        self.tails.append(self.process.tails())

    def forget_lost(self) -> None:
        """Behind a power cut that may take the newest groups away, what is left says which."""
        self.lossy = False
        tails = self.process.tails()
        newest = self.tails[-1] if self.tails else {}
        beyond = all(tails.get(name, -1) >= last for name, last in newest.items())
        require(tails in self.tails or beyond, "left are", tails, "of", self.tails)
        for sent in self.ledger.sent:
            if sent.events is not None:
                last = int(np.frombuffer(sent.events, EVENT)["sequence"][-1])
                if last > tails.get(sent.name, 0):
                    sent.events, sent.maybe = None, True
        self.claims = [claim.cut(tails.get(claim.name, 0)) for claim in self.claims]
        for name in self.loads:
            self.adding[name] = "there" if name in tails else "not"
        self.tails.clear()

    # --- what stands

    def stored(self, name: str) -> Stored:
        """All of an instrument, as a reader of the file sees it now, behind what was archived."""
        old = self.archive.get(name, Stored())
        follower = Follower(self.path, self.disk)
        reader = follower.reader
        try:
            head = reader.head(name)
            stored = Stored(
                [batch for batch in old.commands if batch.position <= head.position],
                [batch for batch in old.events if batch.last <= head.sequence],
            )
            require((stored.position, stored.sequence) == (head.position, head.sequence),
                    name, "was trimmed up to", head, "and archived up to", stored)  # fmt: skip
            stored.commands += reader.commands(name, head.position)
            stored.events += reader.events(name, head.sequence)
            require(reader.tail(name).sequence == stored.sequence, name, "has another tail")
        finally:
            follower.die()
        return stored

    def truth(self, name: str, stored: Stored) -> Truth:
        """What its commands must have caused."""
        definition = self.definitions[name]
        return Truth(name, definition.instrument.parameters() | definition.book, stored)
