"""What is done to a venue of four pairs under load, and what is measured meanwhile."""

import time
from collections.abc import Callable

from pricetime.log.kafka.kafka import PARTITIONS

from .bare import BareProcess
from .load import MESSAGE_MAX
from .result import Result, shown_ms
from .venue import PAIRS, SETTLE_SECONDS, Venue

__all__ = ["PLACES", "PLAIN", "SCENARIOS"]

BLOCKED_SECONDS_MAX = 300.0  # to have done what has gathered meanwhile
BULK_SECONDS_MAX = 600.0  # for millions of commands
WARM_SECONDS = 3.0  # that are not measured

PLACES = {
    "blocked": {"events": [2] * PARTITIONS, "commands": [1] * PARTITIONS},
    "stuck": {"events": [2] + [1] * (PARTITIONS - 1), "commands": [1] * PARTITIONS},
}
"""On which broker alone each partition lies, in some scenarios."""
PLAIN = ("steady", "bare", "peak", "peak_bare", "crowd")
"""Nobody publishes twice: any consumer will do."""

Say = Callable[[str], None]


def steady(venue: Venue, count: int, say: Say) -> Result:
    """Nothing is done, for so many seconds."""
    venue.serve()
    time.sleep(count)
    return venue.finish(count, 0)


def kills(venue: Venue, count: int, say: Say) -> Result:
    """The one runner is killed with SIGKILL, and started again."""
    (runner,) = venue.serve()
    for number in range(count):
        venue.sleep(0.2, 1.5)
        venue.trouble()
        runner.kill()
        runner = venue.runner()
        if venue.rng.random() < 0.7:  # else killed while it recovers, perhaps
            runner.await_ready()
        say(f"kill {number + 1}")
    return venue.finish(count, 10)


def standby(venue: Venue, count: int, say: Say) -> Result:
    """Two runners publish the same; one is killed, and another takes its place."""
    active, other = venue.serve(2)
    for number in range(count):
        venue.sleep(0.5, 1.5)
        venue.trouble()
        active.kill()
        time.sleep(0.5)  # what is measured is how the other does alone
        active, other = other, venue.runner()
        other.await_ready()
        say(f"kill {number + 1}")
    return venue.finish(count, 0.5)


def zombies(venue: Venue, count: int, say: Say) -> Result:
    """Both runners are frozen, others come, and the frozen ones wake up as zombies."""
    runners = venue.serve(2)
    for number in range(count):
        venue.sleep(0.2, 1.0)
        venue.trouble()
        for runner in runners:
            runner.freeze()
        heir = venue.runner()
        heir.await_ready()
        venue.sleep(0.1, 0.8)
        for runner in runners:
            runner.wake()
        venue.sleep(0.1, 0.5)
        runners[0].kill()
        runners = [runners[1], heir]
        say(f"frozen {number + 1}")
    return venue.finish(count, 10)


def rebalances(venue: Venue, count: int, say: Say) -> Result:
    """Runners of a group join and leave in order."""
    group = ("--group", "g")
    runners = [venue.runner(*group)]
    venue.begin()
    venue.watch.await_commands(dict.fromkeys(PAIRS, 1), SETTLE_SECONDS)
    for number in range(count):
        venue.sleep(0.5, 2.0)
        venue.trouble()
        if len(runners) == 1 or (len(runners) < 3 and venue.rng.random() < 0.5):
            runners.append(venue.runner(*group))
            runners[-1].await_ready()
        else:
            runners.pop(venue.rng.randrange(len(runners))).end()
        say(f"move {number + 1}: {len(runners)} runners")
    return venue.finish(count, 3)


def bare(venue: Venue, count: int, say: Say) -> Result:
    """As steady, with a loop in the runner's place that has no book: what Kafka alone takes."""
    engine = BareProcess(venue.url)
    venue.begin()
    time.sleep(count)
    result = venue.finish(count, 0, checked=False)
    engine.end()
    return result


def leaders(venue: Venue, count: int, say: Say) -> Result:
    """The broker that leads a partition under load is killed with SIGKILL, and started again; each
    fifth time all producers and consumers are new ones too."""
    (runner,) = venue.serve()
    for number in range(count):
        venue.sleep(1.0, 3.0)
        node = venue.leader(venue.rng.choice(("commands", "events")), venue.rng.choice(PAIRS))
        venue.trouble()
        venue.cluster.kill(node)
        venue.sleep(7.0, 9.0)
        venue.cluster.start_node(node)
        venue.await_in_sync()
        if number % 5 == 4:
            venue.load.renew()
            venue.watch.renew()
            runner.end()
            runner = venue.runner()
            runner.await_ready()
        say(f"leader {number + 1}: broker {node}")
    return venue.finish(count, 10)


def frozen(venue: Venue, count: int, say: Say) -> Result:
    """A leading broker and the runner are frozen; both wake up when others have taken over."""
    (runner,) = venue.serve()
    for number in range(count):
        venue.sleep(0.5, 1.5)
        node = venue.leader("events", venue.rng.choice(PAIRS))
        venue.trouble()
        venue.cluster.pause(node)
        runner.freeze()
        heir = venue.runner()
        venue.sleep(4.0, 6.0)
        venue.cluster.resume(node)
        runner.wake()
        heir.await_ready()
        venue.sleep(0.2, 0.6)
        runner.kill()
        runner = heir
        venue.await_in_sync()
        say(f"frozen {number + 1}: broker {node}")
    return venue.finish(count, 9)


def blocked(venue: Venue, count: int, say: Say) -> Result:
    """For so many seconds nobody takes events, while commands go on coming: the one broker that has
    all of them is frozen."""
    (runner,) = venue.serve()
    time.sleep(5)
    venue.trouble()
    before = runner.resident_bytes()
    node = venue.leader("events", PAIRS[0])
    venue.cluster.pause(node)
    sizes = []
    for _ in range(count):
        time.sleep(1)
        sizes.append(runner.resident_bytes())
    venue.cluster.resume(node)
    sent = sum(venue.load.sent.values())
    venue.drain()
    after = runner.resident_bytes()
    result = venue.finish(count, count + BLOCKED_SECONDS_MAX)
    told = (
        f"memory {before >> 20} MiB before, {max(sizes) >> 20} MiB at most while blocked, "
        f"{after >> 20} MiB at the end; {sent:,} commands had come when it ended"
    )
    return result._replace(notes=[told])


def recovery(venue: Venue, count: int, say: Say) -> Result:
    """The runner is killed, and started again, with a pair that has a long history."""
    runner = venue.ready_runner()
    venue.load.fill(PAIRS[0], venue.history, venue.load.prepare(PAIRS[0], venue.history))
    venue.watch.await_commands(venue.load.sent, BULK_SECONDS_MAX)
    venue.begin()
    for number in range(count):
        venue.sleep(2, 4)
        venue.trouble()
        runner.kill()
        runner = venue.ready_runner()
        say(f"kill {number + 1}")
    return venue.finish(count, 20)._replace(notes=[f"{venue.history:,} commands behind {PAIRS[0]}"])


def peak(venue: Venue, count: int, say: Say) -> Result:
    """So many commands of one pair, as fast as they go through; the first half warms up."""
    venue.ready_runner()
    return _peak(venue, count, checked=True)


def peak_bare(venue: Venue, count: int, say: Say) -> Result:
    """As peak, with the loop that has no book."""
    engine = BareProcess(venue.url)
    result = _peak(venue, count, checked=False)
    engine.end()
    return result


def _peak(venue: Venue, count: int, *, checked: bool) -> Result:
    messages = venue.load.prepare(PAIRS[0], count)
    warm = len(messages) // 2  # brokers compile themselves
    before = warm * MESSAGE_MAX
    venue.load.fill(PAIRS[0], before, messages[:warm])
    venue.watch.await_commands(venue.load.sent, BULK_SECONDS_MAX)
    began = time.monotonic()
    venue.load.fill(PAIRS[0], count, messages[warm:])
    venue.watch.await_commands(venue.load.sent, BULK_SECONDS_MAX)
    rate = (count - before) / (time.monotonic() - began)
    result = venue.finish(count, 0, checked=checked)
    return result._replace(notes=[f"{rate:,.0f} commands a second"])


def crowd(venue: Venue, count: int, say: Say) -> Result:
    """Many pairs on one runner: nothing to do; then load; then load beside a pair that cannot be
    begun and one that gets rubbish, 5 messages a second. Each for so many seconds."""
    runner = venue.ready_runner()
    cpu = runner.cpu_seconds()
    time.sleep(count)
    told = [
        f"{len(venue.names):,} pairs with nothing to do: {runner.resident_bytes() >> 20} MiB, "
        f"{(runner.cpu_seconds() - cpu) / count:.0%} of a core"
    ]
    venue.begin()
    times = [time.monotonic()]
    time.sleep(count)
    times.append(time.monotonic())
    venue.log.add("BROKEN", "no definition")
    rubbish = venue.add("RUBBISH")
    while time.monotonic() < times[1] + WARM_SECONDS + count:
        venue.log.send("commands", rubbish, venue.rng.randbytes(100))
        venue.log.output.poll(0)
        time.sleep(0.2)
    spans = {"alone": times, "beside them": [times[1] + WARM_SECONDS, time.monotonic()]}
    told += _compared(venue, venue.names, spans)
    told.append(f"{runner.resident_bytes() >> 20} MiB at the end")
    return venue.finish(count, 0)._replace(notes=told)


def stuck(venue: Venue, count: int, say: Say) -> Result:
    """One pair's events are taken by nobody for so many seconds, as the one broker that has them is
    frozen; the others go on beside it."""
    venue.serve()
    times = [time.monotonic()]
    time.sleep(count)
    times.append(time.monotonic())
    venue.trouble()
    node = venue.leader("events", PAIRS[0])
    venue.cluster.pause(node)
    time.sleep(count)
    spans = {"alone": times, "beside it": [times[1] + WARM_SECONDS, time.monotonic()]}
    venue.cluster.resume(node)
    venue.drain()
    told = _compared(venue, list(PAIRS[1:]), spans)
    return venue.finish(1, count + BLOCKED_SECONDS_MAX)._replace(notes=told)


def _compared(venue: Venue, names: list[str], spans: dict[str, list[float]]) -> list[str]:
    """The latency of some pairs in spans of time, a line each."""
    return [f"{what}: {shown_ms(venue.latency_ms(names, *span))}" for what, span in spans.items()]


SCENARIOS: dict[str, Callable[[Venue, int, Say], Result]] = {
    "steady": steady,
    "kills": kills,
    "standby": standby,
    "zombies": zombies,
    "rebalances": rebalances,
    "bare": bare,
    "leaders": leaders,
    "frozen": frozen,
    "blocked": blocked,
    "stuck": stuck,
    "recovery": recovery,
    "peak": peak,
    "peak_bare": peak_bare,
    "crowd": crowd,
}
