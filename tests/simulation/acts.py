"""What happens in a history of the first world, by what weight, and what goes wrong in it."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw
from pricetime.log.errors import Fenced, LogBusy, LogError, LogFailed
from pricetime.log.holder import witness_path
from pricetime.venue.core import Core, Question
from pricetime.venue.retention import trim_point

from .disk import Armed, File
from .faults import CUTS, OPERATIONS, Crash, Failure
from .process import Follower, Process
from .truth import require

if TYPE_CHECKING:
    from .venues import Venues

__all__ = ["ACTS", "add", "arm", "restart", "wake"]

SECOND = 10**9
NOT_THERE = (Fenced, LogBusy, LogFailed)
"""Errors that promise that an instrument was not added."""
OFTEN = {"write": 25, "sync": 8, "truncate": 2, "delete": 1}
"""Before how many operations of a sort a crash may strike, counted from when it is armed."""

Strike = Callable[[File | None], None]


def ask(world: "Venues") -> None:
    """Clients send something, and the venue does a group."""
    for _ in range(world.rng.choice((1, 1, 2, 3, 5))):
        load = world.rng.choice(list(world.loads.values()))
        if world.adding[load.name] != "there":
            add(world, load.name)
        if world.adding[load.name] == "there":
            world.put(world.process, load.next(world.time))
    world.step()


def add(world: "Venues", name: str) -> None:
    """Adds an instrument, or finds that it is there."""
    before, world.adding[name] = world.adding[name], "maybe"
    try:
        world.core.add(world.definitions[name])
    except LogError as error:
        world.say(f"add    {name}: {error!r}")
        if isinstance(error, NOT_THERE):
            world.adding[name] = before
    else:
        world.say(f"add    {name}")
        world.adding[name] = "there"
        world.note_tails()
    world.witness()


def idle(world: "Venues") -> None:
    """Time passes, and what falls due by it happens."""
    world.time += world.rng.choice((1, SECOND, 3 * SECOND))
    world.step()


def jump(world: "Venues") -> None:
    """The machine's clock is set."""
    seconds = world.rng.choice((3600, 60, -60, -3600, -1))
    world.faults["clock jumps forward" if seconds > 0 else "clock jumps backward"] += 1
    world.time = max(world.time + seconds * SECOND, 1)


def retry(world: "Venues") -> None:
    """Clients send again what they got no events for; or what they did, in vain."""
    choice = world.ledger.tokens()
    if world.rng.random() < 0.8:
        choice = [sent for sent in choice if sent.events is None]
    for sent in world.rng.sample(choice, min(len(choice), 3)):
        if world.adding[sent.name] == "there":
            world.faults["sent again"] += 1
            world.put(world.process, sent)
    world.step()


def mistake(world: "Venues") -> None:
    """A client takes a token for something else."""
    choice = [sent for sent in world.ledger.tokens() if sent.events is not None]
    if choice:
        sent = world.rng.choice(choice)
        world.faults["token taken again"] += 1
        world.put(world.process, world.loads[sent.name].other(sent))
        world.step()


def question(world: "Venues") -> None:
    """Somebody looks at a book behind somebody's command, and sees what others read in the file."""
    choice = [name for name, there in world.adding.items() if there == "there"]
    if not choice:
        return
    name = world.rng.choice(choice)

    def see(core: Core) -> tuple[int, int]:
        follower = Follower(world.path, world.disk)
        try:
            return core.runner(name).book.sequence, follower.reader.tail(name).sequence
        finally:
            follower.die()

    said: list[tuple[int, int]] = []
    world.put(world.process, world.loads[name].next(world.time))
    world.core.put(Question(see, lambda answer, error: said.append(answer) if answer else None))
    world.step()
    world.step()
    for shown, committed in said:
        require(shown == committed, name, "is shown up to event", shown, "of", committed)


def follow(world: "Venues") -> None:
    """Those who follow look for new events."""
    if not world.followers or (len(world.followers) < 3 and world.rng.random() < 0.3):
        world.followers.append(Follower(world.path, world.disk))
    for follower in world.followers:
        follower.poll(world.rng.choice((None, None, 1, 2)))


def restart(world: "Venues") -> None:
    """The venue ends as it should."""
    world.say("close")
    process = world.process
    try:
        process.close()
    except LogError as error:
        world.say(f"       {error!r}")
    world.witness()
    world.end(process)
    world.process = None


def trim(world: "Venues") -> None:
    """What recovery does not need is archived and dropped."""
    if not world.core.definitions or world.zombie is not None or not world.durable:
        return
    name = world.rng.choice(list(world.core.definitions))
    follower = Follower(world.path, world.disk)
    try:
        point = trim_point(follower.reader, name)
    except LogError:  # no two checkpoints yet
        return
    finally:
        follower.die()
    for follower in world.followers:  # as those do who do not want to miss what is dropped
        follower.poll_all()
    world.archive[name] = world.stored(name)
    world.say(f"trim   {name} {point}")
    try:
        while world.core.trim(name, point):
            world.faults["trimmed"] += 1
    except LogError as error:
        world.excuse(world.process, error)
    world.witness()


# --- two venues at once


def refuse(world: "Venues") -> None:
    """Somebody starts a second venue, and cannot: the first one holds the lock."""
    if world.zombie is not None:
        return
    second = Process(world, world.process.durability)
    try:
        second.start()
    except LogBusy:
        world.faults["a second venue is refused"] += 1
    else:
        raise Failure("a second venue writes beside the first")
    finally:
        second.die()


def take_over(world: "Venues") -> None:
    """Somebody removes the lock file and starts a second venue; the first one lives on."""
    if world.zombie is not None:
        return
    world.say("take over")
    with suppress(FileNotFoundError):
        witness_path(world.path).unlink()
    world.witnesses = []
    first, second = world.process, Process(world, world.process.durability)
    first.machine.armed.clear()
    try:
        second.start()
    except LogError as error:  # the first one has broken off in the middle of something
        world.say(f"       {error!r}")
        require(first.core._failed, "cannot take over:", repr(error))
        second.die()
        return
    world.faults["two venues at once"] += 1
    world.zombie, world.process = first, second
    first.machine.logged = 0
    world.witness()
    world.note_tails()


def wake(world: "Venues") -> None:
    """The venue that was taken over goes on: it may not write any more."""
    zombie = world.zombie
    if zombie is None:
        return
    for _ in range(world.rng.randint(1, 3)):
        load = world.rng.choice(list(world.loads.values()))
        if load.name in zombie.core.definitions:
            sent = load.next(world.time)
            sent.token = None  # nobody would send it again
            world.put(zombie, sent)
    zombie.core.step()
    require(zombie.machine.logged == 0, "a venue that was taken over has written")
    if world.rng.random() < 0.3:
        with suppress(Fenced):
            zombie.close()
        require(zombie.machine.logged == 0, "a venue that was taken over has written")
        world.end(zombie)
        world.zombie = None


# --- faults


def arm(world: "Venues") -> None:
    """Something will go wrong, soon."""
    process, rng = world.process, world.rng
    if rng.random() < 0.5:
        cut, operation, before = rng.choice(CUTS), rng.choice(OPERATIONS), rng.random() < 0.5
        name = f"{cut} {'before' if before else 'after'} a {operation}"
        times, countdown = 1, rng.randrange(OFTEN[operation])

        def strike(file: File | None) -> None:
            process.machine.dead = True
            world.cut = cut

    else:
        name, operation, times, strike = rng.choice(errors(world))
        before, countdown = True, rng.randrange(40 if operation == "read" else 12)

    def counted(file: File | None) -> None:
        world.faults[name] += 1
        world.say(f"       {name}")
        strike(file)

    process.machine.armed.append(Armed(operation, countdown, counted, before, times))
    world.say(f"arm    {name}")


def errors(world: "Venues") -> list[tuple[str, str, int, Strike]]:
    """What may go wrong that a process lives through: name, operation, how often, and what."""

    def full(file: File | None) -> None:
        raise apsw.FullError

    def broken(file: File | None) -> None:
        raise apsw.IOError

    def dropped(file: File | None) -> None:
        file.pending.clear()
        raise apsw.IOError

    def killed(file: File | None) -> None:
        file.pending.clear()
        world.process.machine.dead = True
        world.cut = "kill"

    def reverted(file: File | None) -> None:
        file.pending.clear()
        file.content[:] = file.platter
        raise apsw.IOError

    def stuck(file: File | None) -> None:
        world.time += world.rng.choice((1, 30, 3600)) * SECOND

    def full_soon(file: File | None) -> None:
        armed = world.process.machine.armed
        armed.append(Armed("sync", 0, broken, True, world.rng.choice((1, 2))))
        armed.append(Armed("write", 0, full, True, world.rng.randint(2, 9)))
        raise apsw.IOError

    found = [
        ("disk full at one write", "write", 1, full),
        ("disk full for a while", "write", world.rng.randint(5, 40), full),
        ("write error", "write", 1, broken),
        ("read error", "read", 1, broken),
        ("sync error, data kept", "sync", world.rng.choice((1, 2, 2, 3)), broken),
        *(2 * [("sync error, then a full disk", "sync", 1, full_soon)]),
        ("stuck sync", "sync", 3, stuck),
    ]
    if world.durable:  # else what is lost had been acknowledged: nobody promises more
        found += [
            ("sync error, data dropped", "sync", 1, dropped),
            ("sync error, data reverted", "sync", 1, reverted),
            *(3 * [("sync error, data dropped, and a kill", "sync", 1, killed)]),
        ]
    return found


def cut_now(world: "Venues") -> None:
    """A kill or a power cut between two groups."""
    cut = world.rng.choice(CUTS)
    world.faults[f"{cut} between groups"] += 1
    world.cut = cut
    raise Crash


ACTS: dict[Callable[["Venues"], None], float] = {
    ask: 50,
    idle: 6,
    arm: 14,
    retry: 7,
    follow: 8,
    restart: 4,
    cut_now: 5,
    jump: 4,
    trim: 3,
    take_over: 2,
    refuse: 1,
    wake: 3,
    mistake: 2,
    question: 2,
}
