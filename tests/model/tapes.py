"""Random tapes that look for trouble: arrays of COMMAND in which things collide.

Prices are few, quantities tiny, accounts two or three, and ids come around again, so that a random
command mostly means something to a random book.  No state is kept: which ids are alive is guessed
from how many orders were entered so far, which is right often enough and costs a few array draws.
One seed gives one tape.  For a long run cut one long tape into batches: its time and ids go on.
"""

from dataclasses import dataclass, field

import numpy as np
from pricetime.records import BOUND, COMMAND, STP, TIF, Flag, Kind, OrderType, Parameter, Phase

SECOND = 10**9  # ns
INT64 = np.iinfo(np.int64)
WILD_VALUES = (0, 1, -1, BOUND - 1, -BOUND + 1, BOUND, -BOUND, BOUND // 2, INT64.max, INT64.min)
WILD_IDS = (0, 1, 2, 2**64 - 1, 2**64 - 2, 2**63, 2**63 - 1, 2**62)
WILD_TIMES = (0, -1, -SECOND, INT64.min, 1, BOUND)  # all but the last count as engine time
WILD_U4 = (0, 1, 2, 2**31, 2**32 - 1)
SINGLE_FIELDS = ("kind", "side", "order_type", "tif", "stp", "reserved", "flags")

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
POST, SLIDE = Flag.POST_ONLY, Flag.POST_ONLY_SLIDE
CONTINUOUS = Phase.CONTINUOUS
FLOW = {Kind.NEW: 60, Kind.CANCEL: 12, Kind.AMEND: 12, Kind.REPLACE: 8, Kind.CLOCK: 2}
RARE = {Kind.MASS_CANCEL: 0.4, Kind.SET: 1, Kind.PHASE: 1, Kind.QUOTE: 0.3, Kind.ARM: 0.3}
EVERY_KIND = FLOW | RARE | {Kind.UNCROSS: 0.3}
OPEN_HOURS = {CONTINUOUS: 8, Phase.CANCEL_ONLY: 1, Phase.HALTED: 1, Phase.CLOSED: 1}
EVERY_STP = dict.fromkeys(map(int, STP), 1)


@dataclass(frozen=True)
class Profile:
    """What a tape is made of; dicts map a value to its weight."""

    kinds: dict = field(default_factory=lambda: EVERY_KIND)
    types: dict = field(default_factory=lambda: {LIMIT: 10, MARKET: 1})
    tifs: dict = field(
        default_factory=lambda: {TIF.GTC: 10, TIF.DAY: 3, TIF.GTD: 2, TIF.IOC: 2, TIF.FOK: 2}
    )
    flags: dict = field(default_factory=lambda: {0: 8, POST: 1, SLIDE: 1})
    stps: dict = field(default_factory=lambda: EVERY_STP)
    phases: dict = field(default_factory=lambda: OPEN_HOURS)
    quantities: dict = field(default_factory=lambda: {1: 3, 2: 3, 3: 2, 5: 2, 8: 1})
    centre: int = 100  # ticks
    away: tuple = (-2, 5)  # ticks from the centre, less than 0 is across it; ends included
    accounts: int = 3  # 0 .. accounts
    ids: int = 120  # then they come around again
    reach: float = 6.0  # how many ids back a cancel looks, in the mean
    pause: tuple = (0, 0, 0, 1, SECOND // 7)  # ns between commands, one of them
    horizon: int = 4  # seconds that a GTD lives, at most; as many as -1 occur
    loose: float = 0.7  # chance that a SET lifts a limit
    limits: bool = True  # SET is drawn around what the tape can meet, else anywhere
    wild: float = 0.002  # chance of an extreme value, each field that has one
    broken: float = 0.002  # chance of any byte, each single field
    foreign: float = 0.01  # chance of a type, tif or flag that may be unsupported
    noise: float = 0.0  # chance that all 64 bytes are random
    end_of_time: float = 0.0  # chance of the last timestamp there is


PROFILES = {
    "mixed": Profile(),
    "calm": Profile(
        kinds={Kind.NEW: 55, Kind.CANCEL: 35, Kind.AMEND: 8, Kind.REPLACE: 2},
        tifs={TIF.GTC: 20, TIF.DAY: 2, TIF.IOC: 1},
        away=(-1, 25),
        accounts=20,
        ids=100_000,
        reach=60.0,
        wild=0.0,
        broken=0.0,
        foreign=0.0,
    ),
    "selftrade": Profile(accounts=1, away=(-2, 2), flags={0: 4, POST: 1, SLIDE: 1}, foreign=0.0),
    "post": Profile(flags={0: 2, POST: 3, SLIDE: 5}, accounts=2, tifs={TIF.GTC: 3, TIF.DAY: 1}),
    "taker": Profile(
        types={LIMIT: 5, MARKET: 2}, tifs={TIF.GTC: 6, TIF.IOC: 2, TIF.FOK: 4}, accounts=2
    ),
    "amend": Profile(
        kinds={Kind.NEW: 30, Kind.AMEND: 50, Kind.REPLACE: 20, Kind.CANCEL: 2}, reach=4.0, ids=60
    ),
    "expiry": Profile(
        kinds=FLOW | {Kind.CLOCK: 12, Kind.PHASE: 1},
        tifs={TIF.GTD: 8, TIF.DAY: 2, TIF.GTC: 1},
        phases=OPEN_HOURS | {Phase.CLOSED: 3},
        pause=(0, 0, SECOND // 3, SECOND // 2, SECOND),
    ),
    "phases": Profile(
        kinds=EVERY_KIND | {Kind.PHASE: 5, Kind.UNCROSS: 1},
        phases=dict.fromkeys(Phase, 1) | {CONTINUOUS: 8},
        tifs={TIF.DAY: 4, TIF.GTC: 4, TIF.GTD: 1},
    ),
    "limits": Profile(kinds=EVERY_KIND | {Kind.SET: 12}, loose=0.4),
    "spread": Profile(centre=0, away=(-2, 3), flags={0: 3, POST: 1, SLIDE: 2}),
    "extreme": Profile(
        quantities={1: 4, 2: 2, BOUND - 1: 2, BOUND - 2: 2, BOUND // 2: 3, BOUND // 4: 3},
        away=(-1, 1),
        limits=False,
        wild=0.03,
        end_of_time=0.0005,
    ),
    "edge": Profile(centre=BOUND - 2, away=(-3, 3), flags={0: 2, SLIDE: 2, POST: 1}, wild=0.01),
    "abyss": Profile(centre=-BOUND + 2, away=(-3, 3), flags={0: 2, SLIDE: 2, POST: 1}, wild=0.01),
    "foreign": Profile(
        foreign=0.5, kinds=EVERY_KIND | {Kind.QUOTE: 8, Kind.ARM: 3, Kind.UNCROSS: 3}
    ),
    "noise": Profile(broken=0.02, wild=0.03, noise=0.1, limits=False, end_of_time=0.0005),
}


def tape(seed, profile="mixed", count=1000):
    """An array of `count` commands; `seed` is an int (hypothesis can draw it) or a Generator."""
    rng = np.random.default_rng(seed)
    p = PROFILES[profile]
    out = np.zeros(count, COMMAND)
    out["kind"] = pick(rng, p.kinds, count)
    out["order_type"] = pick(rng, p.types, count)
    out["side"] = rng.integers(1, 3, count)
    out["tif"] = pick(rng, p.tifs, count)
    out["stp"] = pick(rng, p.stps, count)
    out["flags"] = pick(rng, p.flags, count)
    out["quantity"] = pick(rng, p.quantities, count)
    out["price"] = prices(rng, p, out["side"])
    put_times(rng, p, out)
    put_ids(rng, p, out)
    put_accounts(rng, p, out)
    put_foreign(rng, p, out)
    put_others(rng, p, out)
    put_sets(rng, p, out)
    spoil(rng, p, out)
    return out


def pick(rng, weights, count):
    """`count` draws of the keys by their weights."""
    chances = np.array(list(weights.values()), float)
    values = np.array([int(key) for key in weights])
    return values[np.searchsorted(np.cumsum(chances / chances.sum()), rng.random(count))]


def some(rng, chance, count):
    """A mask with about that share set."""
    return rng.random(count) < chance


def prices(rng, p, side):
    """Buys below the centre, sells above it by `away` ticks; across it where that is negative."""
    away = rng.integers(p.away[0], p.away[1] + 1, len(side))
    return np.where(side == 1, p.centre - away, p.centre + away)


def put_times(rng, p, out):
    """Timestamps in bursts, some of which fall behind; a GTD ends within seconds."""
    count = len(out)
    start = int(rng.choice([0, 5 * SECOND, 1_700_000_000 * SECOND]))
    time = start + np.cumsum(rng.choice(np.array(p.pause), count))
    out["expires"] = time // SECOND + rng.integers(-1, p.horizon + 1, count).clip(-start, None)
    late = some(rng, 0.03, count)
    time[late] -= rng.integers(1, 3 * SECOND, count)[late]
    out["timestamp"] = time


def put_ids(rng, p, out):
    """New ids count up, around a ring; the others name a recent order that is likely to rest."""
    count = len(out)
    new, replaces = out["kind"] == Kind.NEW, out["kind"] == Kind.REPLACE
    fresh = (np.cumsum(new | replaces) - 1) % p.ids + 1
    back = rng.geometric(1 / p.reach, count)
    ahead = np.where(out["side"] == 1, p.centre - out["price"], out["price"] - p.centre)
    lasting = np.isin(out["tif"], (TIF.DAY, TIF.GTC, TIF.GTD)) & (out["order_type"] == LIMIT)
    resting = np.flatnonzero((new | replaces) & lasting & (ahead >= 0))
    if len(resting) == 0:
        resting = np.zeros(1, int)
    before = np.searchsorted(resting, np.arange(count))
    recent = fresh[resting[(before - back).clip(0, None)]]
    born = np.where(some(rng, 0.03, count), recent, fresh)
    out["order_id"] = np.where(new, born, recent)
    other = fresh[resting[(before - np.roll(back, 1)).clip(0, None)]]
    slot = np.where(some(rng, 0.06, count), recent, born)
    out["slot"][replaces] = np.where(some(rng, 0.06, count), other, slot)[replaces]


def put_accounts(rng, p, out):
    """Owners of new orders; who cancels is mostly nobody in particular."""
    count = len(out)
    owner = rng.integers(0, p.accounts + 1, count)
    anybody = np.isin(out["kind"], (Kind.CANCEL, Kind.AMEND, Kind.REPLACE)) & some(rng, 0.85, count)
    out["account"] = np.where(anybody, 0, owner)


def put_foreign(rng, p, out):
    """Types, tifs and flags of later issues, well-formed or not, with a slot that may fit them."""
    count = len(out)
    types, tifs, flags = (some(rng, p.foreign, count) for _ in range(3))
    out["order_type"][types] = rng.integers(1, 12, count)[types]
    out["tif"][tifs] = rng.choice(np.array([0, 1, 2, 2, 3, 4, 6]), count)[tifs]
    one, two = (1 << rng.integers(0, 9, count) for _ in range(2))
    out["flags"][flags] = np.where(some(rng, 0.4, count), one | two, one)[flags]
    slots = flags & (out["kind"] == Kind.NEW)
    out["slot"][slots] = rng.integers(0, 6, count)[slots]
    triggers = types | some(rng, 0.05, count)
    out["trigger"][triggers] = prices(rng, p, out["side"])[triggers]


def put_others(rng, p, out):
    """The kinds without an order of their own: their sides, phases and due times."""
    kind, count = out["kind"], len(out)
    mass, quotes = kind == Kind.MASS_CANCEL, kind == Kind.QUOTE
    out["side"][mass] = pick(rng, {0: 2, 1: 6, 2: 6, 3: 1}, count)[mass]
    out["trigger"][quotes] = prices(rng, p, np.full(count, 2))[quotes]
    out["quantity"][quotes] = rng.integers(0, 4, count)[quotes]
    out["slot"][quotes] = rng.integers(0, 4, count)[quotes]
    phases = np.isin(kind, (Kind.PHASE, Kind.UNCROSS))
    out["order_type"][phases] = pick(rng, p.phases, count)[phases]
    # A book that stays shut tests little: a few commands later it is opened again.
    shut = np.flatnonzero(phases & (out["order_type"] != CONTINUOUS))
    opened = shut + rng.geometric(0.15, len(shut))
    opened = opened[opened < count]
    out["kind"][opened], out["order_type"][opened] = Kind.PHASE, CONTINUOUS
    now = (kind == Kind.PHASE) & some(rng, 0.9, count)
    now[opened] = True
    out["expires"][now] = 0


LOOSE = {  # the values that forbid nothing; 0 for the others
    Parameter.MIN_PRICE: -BOUND + 1,
    Parameter.MAX_PRICE: BOUND - 1,
    Parameter.MIN_QUANTITY: 1,
    Parameter.MAX_QUANTITY: BOUND - 1,
    Parameter.STP: STP.ALLOW,
}


def put_sets(rng, p, out):
    """Parameters around what the tape can meet, so that limits bite; some out of range."""
    near = {
        Parameter.MIN_PRICE: (p.centre - 6, p.centre - 2),
        Parameter.MAX_PRICE: (p.centre + 2, p.centre + 6),
        Parameter.MIN_QUANTITY: (0, 2),
        Parameter.MAX_QUANTITY: (4, 9),
        Parameter.MIN_NOTIONAL: (0, p.centre),
        Parameter.MAX_NOTIONAL: (p.centre * 3, p.centre * 9),
        Parameter.ORDERS_PER_ACCOUNT: (0, 12),
        Parameter.STP: (0, 6),
    }
    for row in np.flatnonzero(out["kind"] == Kind.SET):
        parameter = Parameter(int(rng.integers(1, 9 if rng.random() < 0.85 else 18)))
        low, high = sorted(
            max(INT64.min, min(INT64.max, value)) for value in near.get(parameter, (-1, 3))
        )
        value = int(rng.integers(low, high, endpoint=True)) if low < high else low
        if parameter != Parameter.STP and rng.random() < p.loose:
            value = int(LOOSE.get(parameter, 0))
        elif not p.limits and rng.random() < 0.5:
            value = int(WILD_VALUES[rng.integers(len(WILD_VALUES))])
        out["order_id"][row], out["price"][row] = parameter, value


def spoil(rng, p, out):
    """Extreme values, any byte in a single field, whole records of noise."""
    count = len(out)
    if p.wild:
        for name in ("price", "quantity", "trigger"):
            scatter(rng, out, name, p.wild, WILD_VALUES)
        for name in ("order_id", "slot"):
            scatter(rng, out, name, p.wild, WILD_IDS)
        for name in ("account", "expires"):
            scatter(rng, out, name, p.wild, WILD_U4)
        scatter(rng, out, "timestamp", p.wild, WILD_TIMES[:-1])
    if p.end_of_time:
        scatter(rng, out, "timestamp", p.end_of_time, (INT64.max, BOUND))
    if p.broken:
        for name in SINGLE_FIELDS:
            scatter(rng, out, name, p.broken, range(13))
        scatter(rng, out, "flags", p.broken, [1 << bit for bit in range(16)])
    noisy = np.flatnonzero(some(rng, p.noise, count))
    if len(noisy):
        raw = rng.integers(0, 256, (len(noisy), COMMAND.itemsize), dtype=np.uint8)
        noise = raw.view(COMMAND)[:, 0]
        # A random kind or `reserved` is nearly always wrong, and a random timestamp ends all GTDs:
        # most of the noise gets past the first look.
        tame = some(rng, 0.8, len(noisy))
        noise["kind"][tame] = rng.integers(1, 12, len(noisy))[tame]
        noise["reserved"][tame] = 0
        noise["timestamp"] = out["timestamp"][noisy]
        out[noisy] = noise


def scatter(rng, out, name, chance, values):
    """Put one of the values into about that share of a column."""
    rows = np.flatnonzero(some(rng, chance, len(out)))
    pool = np.array(values, out.dtype[name])
    out[name][rows] = pool[rng.integers(0, len(pool), len(rows))]
