"""A venue without threads: what waits is sequenced, processed and committed, a group at a time.

`step` takes what has come in for all instruments, stamps it, appends it to the log, lets the
runners publish its events, and commits it all at once: so everybody in the group shares one fsync,
and nobody is answered before it. Questions about a book are answered between groups, so that they
see only what is durable. Who drives it (a thread of a venue, a simulation) decides when.

If a commit fails nothing of the group is answered as done: the log rolls back, and the books that
were ahead of it are made again from what it holds.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pricetime._book import Book
from pricetime.log.errors import (
    Diverged,
    Fenced,
    LogDamaged,
    LogError,
    LogFailed,
    LogTrimmed,
    LogVersion,
    OutcomeUnknown,
)
from pricetime.log.protocol import Log
from pricetime.records import EVENT, EventKind
from pricetime.runner import CHECKPOINT, Distance, Runner
from pricetime.runner.tokens import Seen
from pricetime.venue.definition import Definition
from pricetime.venue.request import BATCH_MAX, Outcome, Request, Sequenced, first_id
from pricetime.venue.retention import Point

__all__ = ["WAITING_MAX", "Core", "Overloaded", "Question", "TokenReused", "UnknownInstrument"]

GROUP_MAX = 2 * BATCH_MAX
"""Commands above which a group takes no more requests."""
WAITING_MAX = 1 << 20
"""Most commands that may wait to be sequenced."""
CLOSING = Distance(commands=10_000)
"""From the last checkpoint, as far as which closing takes one: the next start is quick."""
TIMERS_PAUSE_NS = 10**9
"""How long what falls due by itself waits after a failure: each attempt costs a recovery."""

T = TypeVar("T")

logger = logging.getLogger("pricetime")


class Overloaded(LogError):
    """More waits for a venue than it lets wait."""


class UnknownInstrument(LogError, KeyError):
    """A venue has no instrument of that name."""

    __str__ = LogError.__str__  # KeyError would show it quoted


class TokenReused(LogError):
    """A token came before with other commands: nothing was done."""


class Question:
    """Something to be done between two groups, by the one who may touch books and log."""

    __slots__ = ("_answer", "_settle")

    def __init__(
        self,
        answer: Callable[["Core"], Any],
        settle: Callable[[Any, BaseException | None], None],
    ) -> None:
        self._answer = answer
        self._settle = settle

    def ask(self, core: "Core") -> None:
        """Answers it."""
        try:
            answer = self._answer(core)
        except Exception as error:
            self._settle(None, error)
        else:
            self._settle(answer, None)

    def refuse(self, error: BaseException) -> None:
        """Says that it will not be answered."""
        self._settle(None, error)


class Core:
    """The books of a log. For one thread, but for `put`, which any one at a time may call."""

    def __init__(
        self,
        log: Log,
        clock: Callable[[], int],
        *,
        distance: Distance = CHECKPOINT,
    ) -> None:
        self.log = log
        self.clock = clock
        self.distance = distance
        self.now = 0  # ns, the latest the clock has said
        self.watchers: list[Callable[[], None]] = []  # called behind each commit
        self.definitions: dict[str, Definition] = {}
        self._waiting: deque[Request | Question] = deque()
        self._put_commands = 0  # in all; written by `put` alone
        self._taken_commands = 0  # written by `step` alone
        self._runners: dict[str, Runner] = {}
        self._storing: dict[str, Runner] = {}  # those that have parts of a checkpoint to store
        self._due: dict[str, int] = {}  # ns; when something falls due by itself
        self._timers_from = 0  # ns; until then nothing falls due
        self._touched: dict[str, int] = {}  # books that may be ahead of the log, and from where
        self._broken: dict[str, LogError] = {}  # instruments that cannot be recovered
        self._failed = False  # a rollback is still to be made
        self._fenced: Fenced | None = None
        self._recover()
        self.log.commit()  # what recovery may have published

    # --- what another thread may do

    def put(self, item: Request | Question) -> None:
        """Lets a request or a question wait for its turn; raises Overloaded."""
        if isinstance(item, Request):
            waiting = self._put_commands - self._taken_commands
            if waiting + item.count > WAITING_MAX:
                raise Overloaded(
                    f"{waiting} commands wait already, and {WAITING_MAX} may: wait "
                    "for answers before sending more"
                )
            self._put_commands += item.count
        self._waiting.append(item)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and no checkpoint is half stored."""
        return not self._waiting and not self._storing

    @property
    def next_due(self) -> int | None:
        """When something falls due by itself, by the clock, or None."""
        return min(self._due.values(), default=None)

    # --- instruments

    def add(self, definition: Definition) -> None:
        """Adds an instrument, or finds that it is there; durable."""
        name = definition.instrument.name
        known = self.definitions.get(name)
        if known is not None:
            if known != definition:
                raise ValueError(
                    f"{name} is there already, with {known.differences(definition)}; what can "
                    "change does by SET"
                )
            return
        if name in self._broken:
            raise self._broken[name]
        definition.new_book()  # raises for parameters that a book cannot have
        self._guarded(lambda: self.log.add(name, definition.dump()))
        self.definitions[name] = definition

    def definition(self, name: str) -> Definition:
        """What an instrument was added with; UnknownInstrument where there is none."""
        definition = self.definitions.get(name)
        if definition is None and name in self._broken:
            raise self._broken[name]
        if definition is None:
            known = ", ".join(self.definitions) or "none"
            raise UnknownInstrument(
                f"unknown instrument {name!r}: add it first; this venue has {known}"
            )
        return definition

    def watch(self, name: str, watcher: Callable[[], None]) -> None:
        """Calls a watcher behind each commit."""
        self.definition(name)
        self.watchers.append(watcher)

    def runner(self, name: str) -> Runner:
        """The runner of an instrument, recovered; raises LogError where that is not possible."""
        if self._fenced is not None:
            raise self._fenced
        if self._failed:
            self._rollback()
        runner = self._runners.get(name)
        if runner is not None:
            return runner
        if name in self._broken:
            raise self._broken[name]
        definition = self.definition(name)
        try:
            runner = Runner(
                name, self.log.stream(name), definition.new_book, distance=self.distance
            )
        except (LogDamaged, LogVersion, Diverged) as error:
            self._broken[name] = error
            raise
        self._runners[name] = runner
        self._note_due(runner)
        return runner

    def _recover(self) -> None:
        """Recovers every instrument that is not; one that cannot be does not touch the others."""
        for name, text in self.log.instruments().items():
            if name not in self.definitions and name not in self._broken:
                try:
                    self.definitions[name] = Definition.load(text)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    self._broken[name] = LogDamaged(f"{name}: its definition is damaged: {error}")
                    logger.error("%s cannot be used: %s", name, self._broken[name])
        for name in self.definitions:
            try:
                self.runner(name)
            except LogError as error:
                logger.error("%s cannot be used: %s", name, error)

    def look(self, name: str, view: Callable[[Book], T]) -> T:
        """What a function makes of a book; where it changes it, the book is made anew from the log
        and ValueError raised."""
        book = self.runner(name).book
        sequence = book.sequence
        try:
            return view(book)
        finally:
            if book.sequence != sequence:
                del self._runners[name]
                self._storing.pop(name, None)
                self.runner(name)
                raise ValueError(
                    f"a look at {name} may not change its book: send commands to the market, which "
                    "writes them down first"
                )

    def _note_due(self, runner: Runner) -> None:
        if runner.book.due is not None:
            self._due[runner.name] = runner.book.due
        else:
            self._due.pop(runner.name, None)

    def trim(self, name: str, point: Point) -> bool:
        """Drops history up to a point, a bounded piece of it: whether anything was left to drop."""
        stream = self.runner(name).stream
        return self._guarded(lambda: stream.trim(point.position, point.sequence))

    # --- the loop

    def step(self) -> None:
        """One group: everything that waits, up to a bound; and what falls due by the clock."""
        self.now = max(self.now, self.clock())
        requests = self._take()
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(request.name, []).append(request)
        for name in self._due_now():
            groups.setdefault(name, [])
        try:
            outcomes = self._guarded(lambda: self._process(groups))
        except Exception as error:
            for request in requests:
                request.settle(request, None, False, error)
            return
        for request, outcome in outcomes:
            self._settle(request, outcome)
        for name in groups:
            runner = self._runners.get(name)
            if runner is not None and not runner.storing and runner.checkpoint_due():
                self.checkpoint(name)
        if groups:
            self.tell_watchers()

    def tell_watchers(self) -> None:
        """Lets those who follow events look."""
        for watcher in list(self.watchers):
            watcher()

    def _take(self) -> list[Request]:
        """Answers the questions up to the first request, then takes requests up to the next
        question; all in the order in which they came."""
        requests: list[Request] = []
        count = 0
        while self._waiting and count < GROUP_MAX:
            item = self._waiting[0]
            if isinstance(item, Question):
                if requests:
                    break
                self._waiting.popleft()
                item.ask(self)
                continue
            self._waiting.popleft()
            self._taken_commands += item.count
            count += item.count
            requests.append(item)
        return requests

    def _due_now(self) -> list[str]:
        """Instruments in which something falls due by itself."""
        if self.now < self._timers_from:
            return []
        return [name for name, due in self._due.items() if due <= self.now]

    def _process(self, groups: dict[str, list[Request]]) -> list[tuple[Request, Outcome]]:
        """Appends, processes and publishes the groups; what came of each request."""
        outcomes: list[tuple[Request, Outcome]] = []
        for name, group in groups.items():
            try:
                runner = self.runner(name)
            except LogError as error:
                outcomes.extend((request, error) for request in group)
                continue
            outcomes.extend(self._process_one(runner, group))
        for runner in self._storing.values():
            runner.store_part()
        return outcomes

    def _process_one(self, runner: Runner, group: list[Request]) -> list[tuple[Request, Outcome]]:
        outcomes: list[tuple[Request, Outcome]] = []
        batch = self._sequenced(runner)
        for request in group:
            if batch.must_wait(request):
                outcomes += self._carry_out(runner, batch)
                batch = self._sequenced(runner)
            error = batch.add(request)
            if error is not None:
                outcomes.append((request, error))
        if not group:
            batch.add_clock()
        if batch.count:
            outcomes += self._carry_out(runner, batch)
        return outcomes

    def _sequenced(self, runner: Runner) -> Sequenced:
        return Sequenced(runner.book, max(self.now, runner.book.timestamp))

    def _carry_out(self, runner: Runner, batch: Sequenced) -> list[tuple[Request, Outcome]]:
        """Appends, processes and publishes one batch."""
        self._touched.setdefault(runner.name, runner.position)
        runner.stream.append(batch.records(), batch.tokens())
        (done,) = runner.step()
        self._note_due(runner)
        return batch.outcomes(done)

    def checkpoint(self, name: str) -> None:
        """Takes a checkpoint of what is committed; the groups that come store it, a part each."""
        runner = self.runner(name)
        try:
            runner.take_checkpoint()
        except MemoryError as error:
            logger.error("%s: no checkpoint could be taken: %s", name, error)
        else:
            self._storing[name] = runner

    def _settle(self, request: Request, outcome: Outcome) -> None:
        """Tells the caller, now that it is durable."""
        if isinstance(outcome, BaseException):
            request.settle(request, None, False, outcome)
        elif isinstance(outcome, bytes):
            if request.free_ids and outcome[-EVENT.itemsize] == EventKind.REJECTED:
                # What was refused has the id that its event has, now and when it is asked again.
                request.order_id = first_id(np.frombuffer(outcome, EVENT), request.free_ids)
            request.settle(request, outcome, False, None)
        else:
            try:
                data = self._first_events(request, outcome)
            except LogError as error:
                request.settle(request, None, True, error)
            else:
                request.settle(request, data, True, None)

    def _first_events(self, request: Request, seen: Seen) -> bytes:
        """The events of commands that were done before, from the log."""
        if (seen.crc, seen.commands) != (request.crc, request.count):
            raise TokenReused(
                f"this token of {request.name} came before, with other commands: take a new one "
                "for each thing to be done"
            )
        parts = []
        try:
            for batch in self.runner(request.name).stream.published(seen.sequence):
                numbers = batch.records["command"]
                own = batch.records[
                    (numbers >= seen.command) & (numbers < seen.command + seen.commands)
                ]
                parts.append(own.tobytes())
                if int(numbers[-1]) >= seen.command + seen.commands:
                    break
        except LogTrimmed as error:
            raise LogTrimmed(
                f"this token of {request.name} came before, and was done as command "
                f"{seen.command}; but {error}"
            ) from None
        data = b"".join(parts)
        if request.free_ids:
            request.order_id = first_id(np.frombuffer(data, EVENT), request.free_ids)
        return data

    # --- when the log fails

    def _guarded(self, act: Callable[[], T]) -> T:
        """Does something to the log and commits it, all or nothing."""
        if self._fenced is not None:
            raise self._fenced
        if self._failed:
            self._rollback()
        self._touched.clear()
        try:
            value = act()
            self.log.commit()
        except Fenced as error:
            self._fence(error)
            raise
        except Exception as error:
            logger.error("a group of commands failed: %s", error)
            raise self._undo(error) from error
        for name in [name for name, runner in self._storing.items() if not runner.storing]:
            del self._storing[name]
        return value

    def _undo(self, error: Exception) -> Exception:
        """Rolls back, now or when the log can; the error to tell, in the light of what is known."""
        positions = dict(self._touched)
        self._failed = True
        self._timers_from = self.now + TIMERS_PAUSE_NS
        for runner in self._storing.values():
            runner.drop_checkpoint()
        self._storing.clear()
        for name in positions:  # these books are ahead of the log
            self._runners.pop(name, None)
            self._due.pop(name, None)
        try:
            self._rollback()
            if isinstance(error, OutcomeUnknown) and positions and self._nothing_behind(positions):
                return LogFailed(f"{error}: now it is known that nothing of it has happened")
        except LogError as second:
            logger.error("the log cannot be rolled back yet: %s", second)
        return error

    def _fence(self, error: Fenced) -> None:
        """From now on does nothing: whatever it did, the later holder would not know of it."""
        self._fenced = error
        self._storing.clear()
        self._due.clear()

    def _rollback(self) -> None:
        """Goes on from what is committed."""
        try:
            self.log.rollback()
        except Fenced as error:
            self._fence(error)
            raise
        self._failed = False
        for name, runner in self._runners.items():
            runner.reopen(self.log.stream(name))
        self._recover()

    def _nothing_behind(self, positions: dict[str, int]) -> bool:
        """Whether the log has no commands behind these positions."""
        return not any(
            True
            for name, position in positions.items()
            for _ in self.log.stream(name).read(position)
        )

    def close(self) -> None:
        """Does all that waits, takes checkpoints for a quick start, and closes the log."""
        try:
            while self._waiting:
                self.step()
            for name, runner in list(self._runners.items()):
                worth = runner.is_past(CLOSING) and not runner.storing
                if worth and self._fenced is None:
                    self.checkpoint(name)
            while self._storing:
                self._guarded(lambda: self._process({}))
        finally:
            self._refuse()
            self.log.close()

    def _refuse(self) -> None:
        """Tells those who still wait that nobody will come."""
        closed = LogError("this venue is closed: nothing of it has happened")
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, Question):
                item.refuse(closed)
            else:
                item.settle(item, None, False, closed)
