"""A venue without threads, driven by hand: requests as they are, and a market's calls."""

import numpy as np
from pricetime import EVENT, Instrument, Status
from pricetime.log import MemoryLog
from pricetime.venue.core import Core, Question
from pricetime.venue.definition import Definition
from pricetime.venue.desk import Desk
from pricetime.venue.request import Request

from .failing import FailingLog
from .logs import NAME, joined

OTHER = "ETH_EUR"
REJECTED = Status.REJECTED
NOW = 1_700_000_000 * 10**9  # ns


def defined(name):
    return Definition(Instrument(name, tick_size="0.01", lot_size="0.001"), {})


class Hand:
    """A core driven by hand, with a clock that is set; it remembers what was answered."""

    def __init__(self, log=None, names=(NAME, OTHER), now=NOW, **options):
        self.log = log or FailingLog(MemoryLog())
        self.now = now
        self.options = options
        self.start()
        for name in names:
            self.core.add(defined(name))

    def start(self):
        """As the venue of a new process."""
        self.core = Core(self.log, lambda: self.now, **self.options)

    def put(self, commands, name=NAME, **fields):
        """Lets commands wait; the list in which (events, repeated) or an error will be."""
        answers = []

        def settle(request, events, repeated, error):
            answers.append(error if events is None else (events, repeated))

        self.core.put(Request(name, commands.tobytes(), settle, **fields))
        return answers

    def do(self, commands, name=NAME, **fields):
        """Carries out commands; (events, repeated), or raises."""
        answers = self.put(commands, name, **fields)
        self.core.step()
        (answer,) = answers
        if isinstance(answer, BaseException):
            raise answer
        return np.frombuffer(answer[0], EVENT), answer[1]

    def ask(self, answer):
        """Puts a question; the list in which what is answered will be."""
        answers = []
        self.core.put(Question(answer, lambda value, error: answers.append(error or value)))
        return answers

    def book(self, name=NAME):
        """The book of an instrument."""
        return self.core.runner(name).book

    def events(self, name=NAME):
        """The bytes of all events that a reader sees."""
        return joined(self.log.reader().events(name, 0))


class Counter(Desk):
    """A market over a core without threads, on a log in memory; its clock is set by hand."""

    def __init__(self, instrument, now=0, log=None):
        self.instrument = instrument
        self.now = now
        self.core = Core(log or MemoryLog(), lambda: self.now)
        self.core.add(Definition(instrument, {}))

    @property
    def book(self):
        """The book behind it."""
        return self.core.runner(self.instrument.name).book

    def put(self, data, *, money=False, token=None, **fields):
        """Lets a command wait; the list in which its answer will be."""
        answers = []

        def settle(request, events, repeated, error):
            answers.append(error or request.make(request, events, repeated))

        make = self._answer_money if money else self._answer
        self.core.put(Request(self.instrument.name, data, settle, token=token, make=make, **fields))
        return answers

    def _send(self, data, **fields):
        answers = self.put(data, **fields)
        self.core.step()
        (answer,) = answers
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Crowd(Counter):
    """The same, but calls wait until `step`, which does them all as one group."""

    def _send(self, data, **fields):
        return self.put(data, **fields)

    def step(self):
        """Carries out what waits."""
        self.core.step()


def same(answer, result, instrument, remaining=None):
    """Asserts that a market answered what a book did; `remaining`: what converts what remains."""
    convert = remaining or instrument.quantity
    assert answer.events.tobytes() == result.events.tobytes()
    assert (answer.status, answer.reason) == (result.status, result.reason)
    # A market names no id that it gave and nobody got: of a refused replace the old order.
    refused = int(answer.events["order_id"][-1])
    assert answer.order_id in (result.order_id, refused if answer.status == REJECTED else -1)
    assert answer.filled == instrument.quantity(result.filled)
    assert answer.remaining == convert(result.remaining)
    assert answer.trades == tuple(
        (maker, account, instrument.price(price), instrument.quantity(quantity))
        for maker, account, price, quantity in result.trades
    )
