"""Those who ask and remember: what they sent, what they were told, and what must have been done.

A client knows that its commands are done (it has their events), or that they are not (it was told
so), or neither: the process died, or said that it did not know. Then it may send them again, with
the same token.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from model.tapes import PROFILES, Source
from pricetime.instrument import Instrument
from pricetime.log.errors import Diverged, Fenced, LogDamaged, LogError, LogFailed, LogTrimmed
from pricetime.records import COMMAND, EVENT, TIF, Kind, Phase
from pricetime.venue.core import Overloaded, TokenReused
from pricetime.venue.desk import Desk
from pricetime.venue.request import Request
from pricetime.venue.shared import id_max
from pricetime.venue.token import token_key

from .truth import Piece, Truth, require

__all__ = ["Ledger", "Load", "Sent"]

NOT_DONE = (Fenced, LogFailed, Overloaded, TokenReused)
"""Errors that promise that nothing was done."""
REFUSALS = (Fenced, LogTrimmed, Overloaded, TokenReused)
"""Errors that need no fault."""
TAPE = 120  # commands
SEEDS = 10  # tapes of each profile, of 2,000 histories that follow each other
SECOND = 10**9
LEGAL = set(Kind)


@dataclass(eq=False)
class Sent:
    """Commands of one client, and what it knows of them."""

    number: int
    name: str
    given: np.ndarray
    token: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    array: bool = False
    holder: object = None  # the process that has it
    waiting: int = 0  # of the times it was sent, how many are not answered
    events: bytes | None = None
    error: BaseException | None = None
    sure: bool = False
    """whether they are in the log, as its broker has said"""
    maybe: bool = False
    """whether they may be done though no events came"""
    trimmed: bool = False
    """whether they are done, but their events are in the archive alone"""
    reused: bool = False
    """whether the token is that of other commands, which are done"""

    def __str__(self) -> str:
        kinds = ",".join(Kind(kind).name if kind in LEGAL else "?" for kind in self.given["kind"])
        error = f", last refused by {self.error!r}" if self.error else ""
        return f"{self.name}{self.number} {kinds}, token {self.token!r}{error}"

    @property
    def key(self) -> bytes:
        return token_key(self.token)

    @property
    def stamped(self) -> np.ndarray:
        """Which of them had no time of their own."""
        return self.given["timestamp"] == 0

    def fits(self, records: np.ndarray) -> bool:
        """Whether these of the log may be what was sent: with times, ids and values filled in."""
        if len(records) != len(self.given):
            return False
        blank = records.copy()
        blank["timestamp"][self.stamped] = 0
        given = self.given
        if self.fields.get("build"):
            names = ("kind", "order_id", "account", "flags")
            return all(np.array_equal(blank[name], given[name]) for name in names)
        if self.fields.get("free_ids"):
            blank[{Kind.REPLACE: "slot"}.get(Kind(int(given["kind"][0])), "order_id")] = 0
        return blank.tobytes() == given.tobytes()


class Front(Desk[Sent]):
    """A market's desk whose commands are handed to a load rather than sent."""

    def __init__(self, load: "Load", instrument: Instrument) -> None:
        self.load = load
        self.instrument = instrument

    def _send(self, data: bytes, *, money: bool = False, token: Any = None, **fields: Any) -> Sent:
        given = np.frombuffer(data, COMMAND)
        return self.load.made(self.instrument.name, given, token, fields, array=False)


@lru_cache(maxsize=1500)
def made_tape(seed: int, profile: str) -> tuple[np.ndarray, int]:
    """A tape and the time at which it begins."""
    source = Source(seed, PROFILES[profile])
    begin = source.start
    commands = np.zeros(TAPE, COMMAND)
    for i in range(TAPE):
        commands[i] = source.next()
        source.book.process(commands[i : i + 1])
    commands.flags.writeable = False
    return commands, begin


class Load:
    """What clients ask of one instrument, from a history's seed."""

    def __init__(self, rng: Random, seed: int, name: str) -> None:
        self.rng = rng
        self.name = name
        self.front = Front(self, Instrument(name, tick_size=1, lot_size=1))
        self.profile = rng.choice(list(PROFILES))
        self.tape, self.begin = made_tape(seed // 2000 * SEEDS + rng.randrange(SEEDS), self.profile)
        self.at = 0
        self.timed = rng.choice((0, 0, 0, 0.5, 1))  # share of arrays with times of their own
        self.ids = [1]  # of orders that were accepted
        self.count = 0

    def made(
        self, name: str, given: np.ndarray, token: str | None, fields: dict[str, Any], array: bool
    ) -> Sent:
        self.count += 1
        return Sent(self.count, name, given, token, fields, array)

    def next(self, now: int) -> Sent:
        """Something new to be done."""
        rng = self.rng
        token = self.token() if rng.random() < 0.7 else None
        if rng.random() < 0.5:
            sent = self.array(token)
            if sent is not None:
                return sent
        return self.single(token, now // SECOND)

    def token(self) -> str:
        """A new one."""
        return f"{self.name} {self.count}"

    def array(self, token: str | None) -> Sent | None:
        """The next few commands of the tape; None at its end."""
        given = self.tape[self.at :][: self.rng.choice((1, 1, 2, 3, 5, 8, 13, 30))].copy()
        self.at += len(given)
        if self.rng.random() >= self.timed:
            given["timestamp"] = 0
        return self.made(self.name, given, token, {}, array=True) if len(given) else None

    def single(self, token: str | None, now: int) -> Sent:
        """One command as a market sends it, about orders that may live."""
        rng, front = self.rng, self.front
        side, quantity = rng.choice(("buy", "sell")), rng.randint(1, 5)
        price, order_id = rng.randint(97, 103), rng.choice(self.ids[-8:])
        terms: dict[str, Any] = {"account": rng.randint(0, 3), "token": token}
        way = rng.randrange(14)
        if way < 4:
            if rng.random() < 0.3:
                terms |= {"tif": TIF.GTD, "expires": now + rng.randint(1, 6)}
            if rng.random() < 0.3:
                terms |= rng.choice(({"peak": 1}, {"oco": order_id}, {"parent": order_id}))
            return front.limit(side, price, quantity, **terms)
        if way == 4:
            return front.market(side, quantity, **terms)
        if way == 5:
            return front.stop(side, price, quantity, price=price, **terms)
        if way == 6:
            return front.trailing_stop(side, rng.randint(1, 3), quantity, **terms)
        if way == 7:
            return front.amend(order_id, price=price, token=token)
        if way == 8:
            return front.amend(order_id, quantity=quantity, token=token)
        if way == 9:
            return front.replace(order_id, price=price, token=token)
        if way == 10:
            quote = ((price - 1, quantity), (price + 1, quantity))
            return front.quote(rng.randint(1, 3), *quote, token=token)
        if way == 11:
            return front.arm(rng.randint(1, 3), now + rng.randint(1, 5), token=token)
        if way == 12:
            late = now + rng.randint(1, 4) if rng.random() < 0.5 else 0
            phases = (Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.AUCTION, Phase.CLOSED)
            return front.phase(rng.choice(phases), expires=late, token=token)
        return front.cancel(order_id, token=token)

    def other(self, sent: Sent) -> Sent:
        """The same token with other commands: a client's mistake."""
        given = np.repeat(sent.given, 2)
        mistake = self.made(self.name, given, sent.token, {}, array=True)
        mistake.reused = True
        return mistake


class Ledger:
    """All that was sent, and what became of it; raises Failure for an answer that cannot be."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def note(self, sent: Sent) -> None:
        """Somebody sends it, for the first time or again."""
        if sent not in self.sent:
            self.sent.append(sent)

    def request(self, sent: Sent) -> Request:
        """The request that sends it, for the first time or again."""
        self.note(sent)
        sent.waiting += 1
        maybe_before = sent.maybe or sent.events is not None

        def settle(
            request: Request, events: bytes | None, repeated: bool, error: BaseException | None
        ) -> None:
            sent.waiting -= 1
            if error is not None:
                self.refused(sent, error, repeated)
                return
            require(events is not None, sent, "was answered with neither events nor an error")
            require(not sent.reused, "a token came with other commands and was taken:", sent)
            require(not repeated or maybe_before or sent.maybe or sent.events is not None,
                    "done before, though it was said that it was not:", sent)  # fmt: skip
            require(sent.events in (None, events), "two answers, which differ:", sent)
            sent.events = events

        fields = {"id_max": id_max(sent.given)} if sent.array else sent.fields
        return Request(sent.name, sent.given.tobytes(), settle, token=sent.token, **fields)

    def refused(self, sent: Sent, error: BaseException, repeated: bool) -> None:
        """An error came in place of events."""
        sent.error = error
        require(not isinstance(error, LogDamaged | Diverged), "refused", sent, "for", repr(error))
        if isinstance(error, LogError) and not isinstance(error, REFUSALS):
            require(sent.holder.machine.struck, "refused without a fault:", sent)
        if isinstance(error, TokenReused):
            require(sent.reused, "its token was refused, but is its own:", sent)
        elif isinstance(error, LogTrimmed):
            require(sent.maybe or sent.events is not None, "trimmed, though never done:", sent)
            sent.trimmed = True
        elif not isinstance(error, NOT_DONE) or repeated:
            sent.maybe = True

    def lost(self, sent: Sent) -> None:
        """Nobody will answer any more."""
        if sent.waiting:
            sent.waiting = 0
            sent.maybe = True

    def of(self, name: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.name == name]

    def tokens(self) -> list[Sent]:
        """Those that may be sent again."""
        return [sent for sent in self.sent if sent.token and not sent.reused]

    def check(self, name: str, truth: Truth) -> np.ndarray:
        """What was done is what was asked and answered, each once. Says which commands of the log
        the venue has stamped."""
        stamped = np.zeros(len(truth.commands), bool)
        everyone = [sent for sent in self.of(name) if not sent.reused]
        marked = {sent.key: sent for sent in everyone if sent.token}
        plain = [sent for sent in everyone if not sent.token]
        loose: list[Piece] = []
        for piece in truth.pieces:
            if not piece.key:
                loose.append(piece)
            elif piece.first is not None:
                sent = marked.pop(piece.key, None)
                require(sent is not None, name, "has commands that nobody sent:", piece)
                self.check_done(sent, truth, piece.first, piece.records)
                stamped[piece.first - 1 :][: len(piece.records)] = sent.stamped
        for sent in marked.values():
            require(
                sent.events is None and not sent.sure, "acknowledged, but not in the log:", sent
            )
        self.check_plain(plain, loose, truth, stamped)
        return stamped

    def check_done(self, sent: Sent, truth: Truth, first: int, records: np.ndarray) -> None:
        """What stands in the log from that number on is what was asked, and was answered so."""
        require(sent.fits(records), "the log holds", records, "for", sent)
        numbers = truth.events["command"]
        begin, end = np.searchsorted(numbers, [first, first + len(records)])
        data = truth.events[begin:end].tobytes()
        if sent.events is None:
            require(sent.maybe or sent.sure, "done, though it was said that it was not:", sent)
        else:
            require(sent.events == data, "acknowledged with other events than stand:", sent)

    def check_plain(
        self, plain: list[Sent], loose: list[Piece], truth: Truth, stamped: np.ndarray
    ) -> None:
        """The same for those without tokens: by their numbers, else in the order of sending."""
        free = np.zeros(len(truth.commands), bool)
        for piece in loose:
            free[piece.first - 1 :][: len(piece.records)] = True
        for sent in plain:
            if sent.events is not None:
                first = int(np.frombuffer(sent.events, EVENT)["command"][0])
                own = np.s_[first - 1 : first - 1 + len(sent.given)]
                there = own.stop <= len(free) and bool(np.all(free[own]))
                require(there, "acknowledged, but not in the log:", sent)
                free[own] = False
                self.check_done(sent, truth, first, truth.commands[own])
                stamped[own] = sent.stamped
        at = 0
        places = np.flatnonzero(free).tolist()
        maybe = [sent for sent in plain if sent.events is None and (sent.maybe or sent.sure)]
        while at < len(places):
            first = places[at]
            count = 1
            for number, sent in enumerate(maybe):
                own = np.s_[first : first + len(sent.given)]
                if bool(np.all(free[own])) and sent.fits(truth.commands[own]):
                    count = len(sent.given)
                    stamped[own] = sent.stamped
                    del maybe[: number + 1]
                    break
            else:
                record = truth.commands[first]
                own = record["kind"] == Kind.CLOCK  # the venue's
                require(own, "done, though nobody asked, or was told that it was not:", record)
                stamped[first] = True
            at += count
