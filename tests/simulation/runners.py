"""The second world: real runners of the same books over a broker, with clients at its edge.

Runners read, process and publish, crash between any two operations, and are paused for long and
woken, while others have taken their place: all of them make the same events. Clients send commands,
never learn what became of some, and send them again.
"""

from collections.abc import Callable, Iterator
from random import Random

import numpy as np
from pricetime import Book
from pricetime.log.batch import NO_TOKENS, TOKEN, Events
from pricetime.log.errors import LogError, OutcomeUnknown
from pricetime.records import COMMAND, Kind
from pricetime.runner import Distance, Done, Runner
from pricetime.venue.request import TOKEN_ROW
from pricetime.venue.retention import trim_point

from .broker import Broker, BrokerLog, BrokerReader, Message
from .clients import Ledger, Load, Sent
from .faults import Crash, Faults
from .process import heard
from .truth import Stored, Truth, require

__all__ = ["Runners"]

SECOND = 10**9
SITES_MAX = 3
LONG = 6  # acts that a runner sleeps from which it wakes as a zombie
TWIN_EVERY = 50


class Site:
    """A machine with a runner for each book."""

    def __init__(self, world: "Runners", number: int) -> None:
        self.world = world
        self.number = number
        self.log = BrokerLog(world.broker, world.trouble)
        self.runners: dict[str, Runner] = {}
        self.steps: dict[str, Iterator[Done]] = {}
        self.asleep = 0  # acts
        self.show(all_of_it=True)
        for name in world.broker.topics:
            self.recover(name)

    def recover(self, name: str) -> None:
        self.runners[name] = Runner(
            name,
            self.log.stream(name),
            lambda: Book(**self.world.parameters[name]),
            distance=self.world.distance,
        )
        self.steps[name] = self.runners[name].step()

    def show(self, *, all_of_it: bool = False) -> None:
        """What there is to read, or a part of it."""
        for name, topics in self.world.broker.topics.items():
            end = topics.end
            if not all_of_it and self.world.rng.random() < 0.3:
                end = self.world.rng.randint(min(self.log.shown[name], end), end)
                self.world.faults["commands are seen late"] += end < topics.end
            self.log.shown[name] = max(self.log.shown[name], end)

    def run(self, name: str) -> bool:
        """Processes a batch, and says whether there was one."""
        runner = self.runners[name]
        done = next(self.steps[name], None)
        if done is None:
            self.steps[name] = runner.step()
        if done is None or self.world.rng.random() < 0.5:
            self.commit(runner)
        return done is not None

    def commit(self, runner: Runner) -> None:
        """Has what was published arrive; and only what has arrived may be in a checkpoint."""
        self.log.commit()
        if not runner.storing and runner.checkpoint_due():
            runner.take_checkpoint()
        if runner.storing:
            runner.store_part()
            self.log.commit()

    @property
    def half_stored(self) -> bool:
        """Whether some parts of a checkpoint are stored, and others not."""
        return any(0 < len(r._parts) < r._parts_all for r in self.runners.values())


class Runners:
    """One history; `run` raises Failure where a promise was not kept."""

    def __init__(
        self, seed: int, faults: Faults, say: Callable[[str], None] = lambda text: None
    ) -> None:
        self.seed = seed
        self.faults = faults
        self.say = say
        self.rng = rng = Random(f"runners {seed}")
        self.ledger = Ledger()
        names = ["A", "B"][: rng.choice((1, 1, 2))]
        self.loads = {name: Load(rng, seed, name) for name in names}
        self.parameters = {name: rng.choice(({}, {}, {"max_orders": 6})) for name in names}
        self.broker = Broker(names, faults)
        self.edge = BrokerLog(self.broker, self.trouble)
        self.late: list[Message] = []  # appends that have not arrived yet
        self.flying: list[list[Message]] = []  # what dead runners had sent
        self.sites: list[Site] = []
        self.count = 0
        self.readers = [BrokerReader(self.broker) for _ in range(2)]
        self.seen: list[dict[str, list[Events]]] = [{name: [] for name in names} for _ in range(2)]
        self.armed: dict[str, int] = {}  # what goes wrong, and at which time from now
        self.archive = {name: Stored() for name in names}
        self.distance = Distance(rng.choice((5, 15, 40)))
        self.time = max(1, *(load.begin for load in self.loads.values()))
        self.skew = 0  # of the clock at the edge

    def run(self) -> None:
        """All of it."""
        with heard(self.faults):
            for _ in range(self.rng.randint(15, 60)):
                self.act()
            self.finish()

    def act(self) -> None:
        """One thing that happens."""
        for site in self.sites:
            site.asleep += site.asleep > 0
        self.rng.choices(list(ACTS), list(ACTS.values()))[0](self)

    # --- what goes wrong

    def trouble(self, name: str) -> bool:
        """Whether that goes wrong now."""
        if name == "sent at once":
            return self.rng.random() < 0.3
        left = self.armed.get(name)
        if left is None:
            return False
        self.armed[name] = left - 1
        if left > 0:
            return False
        del self.armed[name]
        self.faults[name] += 1
        self.say(f"       {name}")
        if name.startswith("crash"):
            raise Crash
        return True

    def arm(self) -> None:
        name = self.rng.choice(TROUBLES)
        self.armed[name] = self.rng.randrange(2 if "append" in name or "store" in name else 6)
        self.say(f"arm    {name}")

    def jump(self) -> None:
        seconds = self.rng.choice((3600, 60, -60, -3600))
        self.faults["clock jumps forward" if seconds > 0 else "clock jumps backward"] += 1
        self.skew += seconds * SECOND

    # --- the edge

    def ask(self) -> None:
        """Clients send something."""
        self.time += self.rng.choice((0, 1, SECOND // 10, SECOND))
        load = self.rng.choice(list(self.loads.values()))
        batch = []
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            sent = load.array(load.token())
            if sent is not None:
                batch.append(sent)
        if self.rng.random() < 0.1:
            record = np.zeros(1, COMMAND)
            record["kind"] = Kind.CLOCK
            batch.append(load.made(load.name, record, None, {}, array=True))
        self.send(load.name, batch)

    def retry(self) -> None:
        """Clients send again what they do not know of."""
        choice = [sent for sent in self.ledger.tokens() if not sent.sure]
        if self.rng.random() < 0.2:
            choice = self.ledger.tokens()
        if choice:
            sent = self.rng.choice(choice)
            self.faults["sent again"] += 1
            self.send(sent.name, [sent])

    def send(self, name: str, batch: list[Sent]) -> None:
        """Appends a batch, and learns whether it is in the log, or not whether it is."""
        if not batch:
            return
        self.say(f"send   {', '.join(map(str, batch))}")
        records, rows, begin = [], [], 0
        for sent in batch:
            self.ledger.note(sent)
            record = sent.given.copy()
            record["timestamp"][sent.stamped] = max(self.time + self.skew, 1)
            records.append(record)
            if sent.token:
                rows.append(TOKEN_ROW.pack(sent.key, begin, len(record), 7, 0))
            begin += len(record)
        tokens = np.frombuffer(b"".join(rows), TOKEN) if rows else NO_TOKENS
        stream = self.edge.stream(name)
        try:
            stream.append(np.concatenate(records), tokens)
            self.edge.commit()
        except (OutcomeUnknown, Crash):
            if self.edge.sent and self.rng.random() < 0.5:
                self.faults["append is late"] += 1
                self.late += self.edge.sent
            self.edge.rollback()
            for sent in batch:
                sent.maybe = True
        else:
            for sent in batch:
                sent.sure = True
            if len(rows) == len(batch) and self.rng.random() < 0.08:
                self.faults["append comes twice"] += 1
                topics = self.broker.topics[name]
                topics.commands.append(topics.commands[-1])

    def arrive(self) -> None:
        """Something that was on its way for long arrives."""
        if self.late:
            self.late.pop(self.rng.randrange(len(self.late))).arrive()
        if self.flying:
            messages = self.rng.choice(self.flying)
            for _ in range(self.rng.randint(0, len(messages))):
                messages.pop(0).arrive()

    # --- runners

    def work(self) -> None:
        """Runners that are awake go on for a while."""
        if not self.sites:
            self.join()
        for site in list(self.sites):
            if not site.asleep:
                self.drive(site, self.rng.choice((1, 2, 5, 20)))

    def drive(self, site: Site, count: int) -> None:
        site.show()
        try:
            for _ in range(count):
                for name in site.runners:
                    site.run(name)
        except Crash:
            self.bury(site)
        except OutcomeUnknown as error:
            self.say(f"       site {site.number}: {error!r}")
            self.bury(site)

    def bury(self, site: Site) -> None:
        """It is gone; what it had sent may still arrive, as far as it has come."""
        self.faults["checkpoint half written"] += site.half_stored
        self.sites.remove(site)
        if site.log.sent:
            self.flying.append(site.log.sent[: self.rng.randint(0, len(site.log.sent))])

    def join(self) -> None:
        """Another runner of the same books starts: it recovers."""
        if len(self.sites) == SITES_MAX:
            return
        self.count += 1
        self.say(f"site   {self.count} starts")
        try:
            self.sites.append(Site(self, self.count))
        except (Crash, OutcomeUnknown):
            return
        if len(self.sites) > 1:
            words = {2: "two runners at once", 3: "three runners at once"}
            self.faults[words[len(self.sites)]] += 1

    def sleep(self) -> None:
        """A runner is paused, wherever it stands."""
        if self.sites:
            self.rng.choice(self.sites).asleep = 1

    def wake(self) -> None:
        """One that slept goes on, as if nothing had been meanwhile."""
        sleeping = [site for site in self.sites if site.asleep]
        if sleeping:
            site = self.rng.choice(sleeping)
            self.faults["zombie wakes"] += site.asleep > LONG and len(self.sites) > 1
            self.say(f"site   {site.number} wakes")
            site.asleep = 0
            self.drive(site, 3)

    # --- those who look

    def follow(self) -> None:
        """Readers see each event once, in order; some sooner than others."""
        for number, reader in enumerate(self.readers):
            for name, topics in self.broker.topics.items():
                shown = self.rng.randint(reader.shown[name], len(topics.events))
                self.faults["events are seen late"] += shown < len(topics.events)
                self.read(number, name, shown)

    def read(self, number: int, name: str, shown: int) -> None:
        reader, seen = self.readers[number], self.seen[number][name]
        reader.shown[name] = shown
        after = seen[-1].last if seen else 0
        for batch in reader.events(name, after):
            require(batch.first == after + 1, name, "after event", after, "comes", batch.first)
            after = batch.last
            seen.append(batch)

    def flip(self) -> None:
        """A bit of the newest checkpoint changes, where there is something to fall back to."""
        for topics in self.broker.topics.values():
            places = topics.complete()
            if not places or (topics.base and len(places) < 3) or self.rng.random() < 0.5:
                continue
            parts = topics.parts[places[0]]
            number = self.rng.randrange(len(parts))
            data = bytearray(parts[number])
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            parts[number] = bytes(data)
            self.faults["bit flip in a checkpoint"] += 1

    def trim(self) -> None:
        """Commands that recovery does not need are archived and dropped."""
        name = self.rng.choice(list(self.loads))
        topics = self.broker.topics[name]
        try:
            point = trim_point(BrokerReader(self.broker), name)
        except LogError:  # no two checkpoints yet
            return
        self.archive[name].commands += topics.read(topics.base, lambda: point.position)
        BrokerLog(self.broker, self.trouble).stream(name).trim(point.position, point.sequence)
        self.faults["trimmed"] += 1
        for site in list(self.sites):
            if site.runners[name].position < point.position:  # as one that finds its place gone
                self.bury(site)

    # --- the end

    def finish(self) -> None:
        """No more faults: all that was sent arrives, and everything is as it must be."""
        self.say("finish")
        self.armed.clear()
        for sent in self.ledger.tokens():
            if not sent.sure:
                self.send(sent.name, [sent])
        while self.late:
            self.late.pop().arrive()
        self.join()
        for site in self.sites:
            site.show(all_of_it=True)
            for name in site.runners:
                while site.run(name):
                    pass
        for messages in self.flying:
            for message in messages:
                message.arrive()
        last = Site(self, 0)
        for name in self.loads:
            self.look(name, [*self.sites, last])

    def look(self, name: str, sites: list[Site]) -> None:
        """Events, books and answers are as they must be."""
        topics = self.broker.topics[name]
        commands = self.archive[name].commands + list(topics.read(topics.base, lambda: topics.end))
        truth = Truth(name, self.parameters[name], Stored(commands, topics.standing))
        for number in range(len(self.readers)):
            self.read(number, name, len(topics.events))
            seen = self.seen[number][name]
            data = b"".join(batch.records.tobytes() for batch in seen)
            require(data == truth.data, name, "a reader has seen other events")
        truth.check_batches(topics.standing)
        self.ledger.check(name, truth)
        truth.check_times(np.zeros(len(truth.commands), bool))
        for site in sites:
            truth.check_book(site.runners[name].book)
        if self.seed % TWIN_EVERY == 0:
            truth.check_twin()


TROUBLES = (
    "append fails",
    "append fails, and has happened",
    "publish fails",
    "publish fails, and has happened",
    *(f"crash before a {what}" for what in ("read", "publish", "commit", "store")),
    *(f"crash after a {what}" for what in ("publish", "commit", "store")),
)
ACTS: dict[Callable[[Runners], None], float] = {
    Runners.ask: 30,
    Runners.work: 25,
    Runners.arm: 12,
    Runners.retry: 8,
    Runners.arrive: 5,
    Runners.join: 6,
    Runners.sleep: 5,
    Runners.wake: 5,
    Runners.follow: 6,
    Runners.jump: 2,
    Runners.flip: 2,
    Runners.trim: 2,
}
