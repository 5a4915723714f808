"""How a history of the first world ends: without faults, with everybody looking."""

from typing import TYPE_CHECKING

from pricetime.records import EVENT

from .acts import add, restart, wake
from .flips import flip
from .truth import Truth, join, require

if TYPE_CHECKING:
    from .venues import Venues

__all__ = ["finish"]

TWIN_EVERY = 50
"""Histories of which one is told to the naive twin as well."""


def finish(world: "Venues") -> None:
    """Everything recovers, and is as it must be."""
    world.say("finish")
    if world.process is not None:
        world.process.machine.armed.clear()
        if world.core._broken or world.rng.random() < 0.5:
            restart(world)
    if world.process is None:
        world.start(safely=True)
    world.process.machine.armed.clear()
    wake(world)
    for name, there in world.adding.items():
        if there == "maybe":
            add(world, name)
            require(world.adding[name] == "there", name, "cannot be added")
    send_all_again(world)
    truths = look(world)
    if world.durable and world.zombie is None and world.rng.random() < 0.4:
        flip(world, truths)


def send_all_again(world: "Venues") -> None:
    """What is not known to be done is sent again, and then is done."""
    again = [
        sent
        for sent in world.ledger.tokens()
        if sent.events is None and world.adding[sent.name] == "there"
    ]
    for sent in again:
        world.put(world.process, sent)
        world.step()
    while not world.core.idle:
        world.step()
    for sent in again:
        done = sent.events is not None or sent.trimmed
        require(done, "sent again without a fault, and not done:", sent)


def look(world: "Venues") -> dict[str, Truth]:
    """Everything is as it must be."""
    for follower in world.followers:
        follower.poll_all()
        world.claim(follower)
    truths: dict[str, Truth] = {}
    for name in world.core.log.instruments():
        require(world.adding[name] == "there", name, "was not added, but is there")
        stored = world.stored(name)
        truth = truths[name] = world.truth(name, stored)
        truth.check_events(join(stored.events))
        truth.check_batches(stored.events)
        truth.check_times(world.ledger.check(name, truth))
        truth.check_book(world.core.runner(name).book)
        if world.seed % TWIN_EVERY == 0:
            truth.check_twin()
    for name, there in world.adding.items():
        require(there == "not" or name in truths, name, "was added, and is not there")
    for name, after, data in world.claims:
        if data:
            same = truths[name].data.startswith(data, after * EVENT.itemsize)
            require(same, name, "a follower had seen other events")
    return truths
