"""Random tapes that look for trouble: arrays of COMMAND in which things collide.

Prices are few, quantities tiny, accounts two or three, and ids come around again.  A tape is told
to a book while it is made, so that most commands name orders that live; what they mean to any other
book is up to that book.  One seed gives one tape.  What they are made of is in profiles.py.  For a
long run cut one long tape into batches: its time and ids go on.
"""

from itertools import accumulate
from random import Random

import numpy as np
import pricetime as pt
from pricetime.records import BOUND, COMMAND, TIF, Flag, Kind, OrderType, Parameter, Phase

from .profiles import LOOSE, PROFILES, SECOND
from .wellformed import (
    ALL_OR_NONE,
    HIDDEN,
    ICEBERG,
    LIMITS,
    MARKETS,
    MINIMUM,
    OCO,
    ON_FILL,
    POST,
    QUOTE_QUANTITY,
    TRAILING,
    TRIGGERED,
)

__all__ = ["PROFILES", "tape"]

INT64 = np.iinfo(np.int64)
WILD_VALUES = (0, 1, -1, BOUND - 1, -BOUND + 1, BOUND, -BOUND, BOUND // 2, INT64.max, INT64.min)
WILD_IDS = (0, 1, 2, 2**64 - 1, 2**64 - 2, 2**63, 2**63 - 1, 2**62)
WILD_TIMES = (0, -1, -SECOND, INT64.min, 1)  # all count as engine time
WILD_U4 = (0, 1, 2, 2**31, 2**32 - 1)
WILD = dict.fromkeys(("price", "quantity", "trigger"), WILD_VALUES)
WILD |= dict.fromkeys(("order_id", "slot"), WILD_IDS)
WILD |= dict.fromkeys(("account", "expires"), WILD_U4) | {"timestamp": WILD_TIMES}
LAST_TIMES = (INT64.max, BOUND)
SINGLE_FIELDS = ("kind", "side", "order_type", "tif", "stp", "reserved", "flags")
ENTRIES = (Kind.NEW, Kind.REPLACE)
OF_ONE_ORDER = (Kind.CANCEL, Kind.AMEND, Kind.REPLACE)
AT_ONCE = (TIF.IOC, TIF.FOK)
AUCTIONS = (Phase.PRE_OPEN, Phase.AUCTION)
LINKED = OCO | ON_FILL
SLOTTED = ICEBERG | MINIMUM | LINKED
NOT_MARKET = POST | HIDDEN | ICEBERG | ALL_OR_NONE  # flags that no market order can have
SLICES_MAX = 100
TRIES = 12  # ids that are passed on the way to one that lives, or that is free


def tape(seed, profile="mixed", count=1000):
    """An array of `count` commands; hypothesis can draw the seed, an int."""
    source = Source(seed, PROFILES[profile])
    commands = np.zeros(count, COMMAND)
    for i in range(count):
        commands[i] = source.next()
        source.book.process(commands[i : i + 1])
    return commands


class Source:
    """Commands that follow each other, and the book that hears them."""

    def __init__(self, seed, profile):
        self.rng = Random(seed)
        self.profile = p = profile
        self.book = pt.Book()
        self.weights = {
            name: (list(weights), list(accumulate(weights.values())))
            for name, weights in vars(p).items()
            if isinstance(weights, dict) and name != "values"
        }
        self.opening = list(p.opening)
        self.ids = 0  # the last one given out
        self.icebergs = set()  # ids that were ever of one
        self.born = []  # ids that were given out; those found dead are dropped
        self.start = self.rng.choice((0, 5 * SECOND, 1_700_000_000 * SECOND))
        self.time = self.start

    def next(self):
        """The fields of one command, in their order."""
        if self.opening:
            parameter, value = self.opening.pop(0)
            return self.row({"kind": Kind.SET, "order_id": parameter, "price": value})
        rng, p = self.rng, self.profile
        if rng.random() < p.noise:
            return self.noise()
        self.time += rng.choice(p.pause)
        fields = self.fields()
        fields["timestamp"] = self.time
        if rng.random() < 0.03:
            fields["timestamp"] -= rng.randint(1, 3 * SECOND)
        self.spoil(fields)
        self.limit_slices(fields)
        return self.row(fields)

    @staticmethod
    def row(fields):
        return tuple(int(fields.get(name, 0)) for name in COMMAND.names)

    # -- draws ------------------------------------------------------------------------------------

    def pick(self, name):
        """One of the profile's values of that name, by their weights."""
        values, weights = self.weights[name]
        return self.rng.choices(values, cum_weights=weights)[0]

    def chance(self, share):
        return self.rng.random() < share

    def price(self, side):
        """Buys below the centre, sells above it by `away` ticks; across it where that is less."""
        away = self.rng.randint(*self.profile.away)
        return self.profile.centre + (-away if side == 1 else away)

    def around(self):
        """A price on either side, as of triggers."""
        low, high = self.profile.away
        away = self.rng.randint(min(low, -high) + 1, high - 1) if high > 1 else low
        return self.profile.centre + away

    def fresh(self):
        """An id not used lately; now and then one that was."""
        if self.chance(0.03) and self.born:
            return self.recent()
        for _ in range(TRIES):
            self.ids = self.ids % self.profile.ids + 1
            if self.book.order(self.ids, hidden=True) is None:
                break
        self.born.append(self.ids)
        return self.ids

    def recent(self):
        """An id of late, whatever became of it."""
        if not self.born:
            return self.rng.randint(1, 9)
        return self.born[-1 - min(self.back(), len(self.born) - 1)]

    def back(self):
        """How far back to look: near ones more often."""
        return int(self.rng.expovariate(1 / self.profile.reach))

    def live(self):
        """A live order as a row of ORDER, and its id; None where one that is dead is named."""
        if self.chance(0.06):
            return None, self.recent()
        at = len(self.born) - 1 - self.back()
        for _ in range(TRIES):
            if not self.born:
                break
            at = min(max(at, 0), len(self.born) - 1)
            order = self.book.order(self.born[at], hidden=True)
            if order is not None:
                return order, self.born[at]
            del self.born[at]
            at -= 1
        return None, self.recent()

    def tight(self):
        """The limits that may forbid something."""
        values = self.book.parameters
        return [p for p, loose in LOOSE.items() if values[p.name.lower()] != loose]

    def expires(self):
        second = self.time // SECOND + self.rng.randint(-1, self.profile.horizon)
        return max(second, self.start // SECOND)

    # -- commands ---------------------------------------------------------------------------------

    def fields(self):
        kind, phase = self.pick("kinds"), self.book.current_phase
        # A book that stays shut tests little.
        if phase != Phase.CONTINUOUS and self.chance(self.profile.reopening):
            kind = Kind.UNCROSS if phase in AUCTIONS and self.chance(0.5) else Kind.PHASE
            return {"kind": kind, "order_type": Phase.CONTINUOUS}
        if self.chance(self.profile.lifting) and (tight := self.tight()):
            parameter = self.rng.choice(tight)
            return {"kind": Kind.SET, "order_id": parameter, "price": LOOSE[parameter]}
        made = {
            Kind.NEW: self.new,
            Kind.CANCEL: self.cancel,
            Kind.AMEND: self.amend,
            Kind.REPLACE: self.replace,
            Kind.MASS_CANCEL: self.mass_cancel,
            Kind.QUOTE: self.quote,
            Kind.ARM: self.arm,
            Kind.PHASE: self.phase,
            Kind.UNCROSS: self.phase,
            Kind.CLOCK: dict,
            Kind.SET: self.set,
        }[kind]()
        fields = {"kind": kind, **made}
        if kind in OF_ONE_ORDER:
            # Who asks is mostly nobody in particular.
            fields["account"] = 0 if self.chance(0.85) else self.account()
        return fields

    def account(self):
        return self.rng.randint(0, self.profile.accounts)

    def new(self):
        fields = self.terms() | {"account": self.account(), "order_id": self.fresh()}
        flags = fields["flags"]
        if flags & LINKED:
            order, fields["slot"] = self.live()
            if order is not None:
                fields["account"] = int(order["account"])
            elif self.chance(0.8):
                fields["flags"] &= ~LINKED
        elif flags & SLOTTED:
            most = min(4, max(fields["quantity"], 1))
            fields["slot"] = self.rng.randint(1, most)
        return fields

    def replace(self):
        _, old = self.live()
        fields = self.terms() | {"order_id": old}
        fields["slot"] = self.live()[1] if self.chance(0.06) else self.fresh()
        if self.chance(0.97):
            fields["flags"] &= ~SLOTTED
        return fields

    def terms(self):
        """Of a new order; flags that do not go with the rest are mostly left out."""
        side, order_type, tif = self.rng.randint(1, 2), self.pick("types"), self.pick("tifs")
        flags = int(self.pick("flags"))
        if flags & QUOTE_QUANTITY:
            order_type, tif = OrderType.MARKET, TIF.GTC
        if self.chance(self.profile.fitting):
            flags, order_type = fitted(flags, order_type, tif)
        foreign = self.profile.foreign
        if self.chance(foreign):
            order_type = self.rng.randint(1, 11)
        if self.chance(foreign):
            tif = self.rng.choice(list(TIF))
        if self.chance(foreign):
            flags |= int(self.rng.choice(list(Flag)))
        quantity = self.pick("quantities")
        fields = {
            **{"side": side, "order_type": order_type, "tif": tif, "stp": self.pick("stps")},
            **{"flags": flags, "quantity": quantity, "price": self.price(side)},
            "expires": self.expires(),
        }
        if flags & QUOTE_QUANTITY:
            value = quantity * max(self.profile.centre, 1) + self.rng.randint(0, 99)
            fields["quantity"] = min(value, BOUND - 1)
        if order_type in TRAILING:
            fields |= {"trigger": self.rng.randint(1, 3), "price": self.rng.randint(0, 2)}
        elif order_type in TRIGGERED:
            fields["trigger"] = self.around()
        return fields

    def cancel(self):
        return {"order_id": self.live()[1]}

    def amend(self):
        order, order_id = self.live()
        fields = {"order_id": order_id, "quantity": self.pick("quantities")}
        if order is not None and self.chance(0.4):
            kept = {"price": order["price"], "trigger": order["trigger"]}
        elif order is not None and order["order_type"] in TRAILING:
            kept = {"price": self.rng.randint(-1, 2), "trigger": self.rng.randint(0, 3)}
        else:
            kept = {"price": self.price(self.rng.randint(1, 2)), "trigger": self.around()}
        return fields | kept

    def mass_cancel(self):
        return {"account": self.account(), "side": self.rng.choice((0, 1, 1, 1, 2, 2, 2, 3))}

    def quote(self):
        """Of one of two ids of the account, above all others."""
        account = self.rng.randint(min(1, self.profile.accounts), self.profile.accounts)
        order_id = self.profile.ids + 10 * account + 2 * self.rng.randint(0, 1)
        if self.chance(0.05):
            order_id = self.recent()
        self.born += [order_id, order_id + 1]
        bid = min(self.price(1), self.profile.centre)
        return {
            **{"account": account, "order_id": order_id, "stp": self.chance(0.02)},
            **{"price": bid, "quantity": self.rng.choice((0, 1, 2, 3, 3, 4))},
            **{"trigger": bid + self.rng.randint(1, 4) - self.chance(0.02)},
            "slot": self.rng.choice((0, 1, 2, 3, 3, 4)),
        }

    def arm(self):
        expires = self.time // SECOND + 1 if self.chance(0.7) else self.expires()
        return {"account": self.account(), "expires": 0 if self.chance(0.2) else expires}

    def phase(self):
        late = self.time // SECOND + self.rng.randint(0, 2) if self.chance(0.1) else 0
        return {"order_type": self.pick("phases"), "expires": late}

    def set(self):
        """Parameters around what the tape can meet, so that limits bite; some out of range."""
        p, rng = self.profile, self.rng
        parameter = self.pick("parameters")
        if self.chance(0.02):
            parameter = rng.randint(0, 19)
        low, high = p.centre - 2, p.centre + 2
        value = {
            Parameter.MIN_PRICE: rng.randint(low - 4, low),
            Parameter.MAX_PRICE: rng.randint(high, high + 4),
            Parameter.MIN_NOTIONAL: rng.randint(0, abs(p.centre)),
            Parameter.MAX_NOTIONAL: rng.randint(3, 9) * abs(p.centre),
            Parameter.STATIC_REFERENCE: rng.randint(low, high),
        }.get(parameter)
        if value is None:
            value = rng.choice(p.values.get(parameter, (-1, 0, 1, 2, 3)))
        if parameter in LOOSE and self.chance(p.loose):
            value = LOOSE[parameter]
        elif not p.limits and self.chance(0.5):
            value = rng.choice(WILD_VALUES)
        return {"order_id": parameter, "price": min(max(value, INT64.min), INT64.max)}

    # -- spoils -----------------------------------------------------------------------------------

    def spoil(self, fields):
        """Extreme values, and any byte in a single field."""
        p, rng = self.profile, self.rng
        if p.wild:
            for name, pool in WILD.items():
                if rng.random() < p.wild:
                    fields[name] = rng.choice(pool)
        if p.end_of_time and rng.random() < p.end_of_time:
            fields["timestamp"] = rng.choice(LAST_TIMES)
        if p.broken:
            for name in SINGLE_FIELDS:
                if rng.random() < p.broken:
                    fields[name] = rng.randrange(13)
            if rng.random() < p.broken:
                fields["flags"] = 1 << rng.randrange(16)

    def noise(self):
        """A record of random bytes, most of which gets past the first look."""
        row = list(np.frombuffer(self.rng.randbytes(COMMAND.itemsize), COMMAND)[0].tolist())
        row[COMMAND.names.index("timestamp")] = self.time  # a random one ends all that may end
        if self.chance(0.8):
            row[COMMAND.names.index("kind")] = self.rng.randint(1, 11)
            row[COMMAND.names.index("reserved")] = 0
        fields = dict(zip(COMMAND.names, row, strict=True))
        self.limit_slices(fields)
        return self.row(fields)

    def limit_slices(self, fields):
        """No iceberg of so many slices that one sweep through it would never end."""
        flags, quantity = fields.get("flags", 0), fields.get("quantity", 0)
        if flags & ICEBERG and fields["kind"] == Kind.NEW:
            self.icebergs.add(fields.get("order_id"))
            fields["slot"] = max(fields.get("slot", 0), quantity // SLICES_MAX)
        elif fields["kind"] == Kind.AMEND and fields.get("order_id") in self.icebergs:
            fields["quantity"] = min(quantity, SLICES_MAX)


def fitted(flags, order_type, tif):
    """Flags and type without what is malformed together."""
    if order_type in MARKETS:
        flags &= ~NOT_MARKET
        if order_type != OrderType.MARKET:
            flags &= ~MINIMUM
    if tif in AT_ONCE:
        flags &= ~(POST | ICEBERG | ALL_OR_NONE)
    if tif == TIF.FOK:
        flags &= ~MINIMUM
    if tif == TIF.AUCTION:
        flags &= ~(POST | ALL_OR_NONE | MINIMUM)
        if order_type in TRIGGERED:
            order_type = OrderType.LIMIT if order_type in LIMITS else OrderType.MARKET
    return flags, order_type
