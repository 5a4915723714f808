"""What tapes are made of: one profile for each kind of trouble."""

from dataclasses import dataclass, field

from pricetime.records import BOUND, STP, TIF, Flag, Kind, OrderType, Parameter, Phase

SECOND = 10**9  # ns

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
POST, SLIDE = Flag.POST_ONLY, Flag.POST_ONLY_SLIDE
HIDDEN, SPEND, AON = Flag.HIDDEN, Flag.QUOTE_QUANTITY, Flag.ALL_OR_NONE
ICEBERG, MINIMUM, OCO, ON_FILL = Flag.ICEBERG, Flag.MINIMUM, Flag.OCO, Flag.ON_FILL
CONTINUOUS = Phase.CONTINUOUS

FLOW = {Kind.NEW: 60, Kind.CANCEL: 12, Kind.AMEND: 12, Kind.REPLACE: 8, Kind.CLOCK: 2}
RARE = {Kind.MASS_CANCEL: 0.4, Kind.SET: 1, Kind.PHASE: 1, Kind.QUOTE: 0.3, Kind.ARM: 0.3}
EVERY_KIND = FLOW | RARE | {Kind.UNCROSS: 0.3}
TRADING = {Kind.NEW: 60, Kind.CANCEL: 5, Kind.AMEND: 14, Kind.REPLACE: 6, Kind.CLOCK: 1}
PLAIN_TYPES = {LIMIT: 10, MARKET: 1}
WATCHING = {OrderType.STOP: 2, OrderType.STOP_LIMIT: 2}
WATCHING |= {OrderType.TAKE_PROFIT: 1, OrderType.TAKE_PROFIT_LIMIT: 1}
TRAILING = {OrderType.TRAILING_STOP: 2, OrderType.TRAILING_STOP_LIMIT: 2}
EVERY_TYPE = {LIMIT: 14, MARKET: 4} | WATCHING | TRAILING
PLAIN_TIFS = {TIF.GTC: 10, TIF.DAY: 3, TIF.GTD: 2, TIF.IOC: 2, TIF.FOK: 2}
LASTING = {TIF.GTC: 10, TIF.DAY: 3, TIF.GTD: 2, TIF.IOC: 0.5, TIF.FOK: 0.5, TIF.AUCTION: 0.5}
PLAIN_FLAGS = {0: 8, POST: 1, SLIDE: 1}
EVERY_FLAG = {0: 8, POST: 1, SLIDE: 1, HIDDEN: 1, SPEND: 1, AON: 2, ICEBERG: 3, MINIMUM: 1}
EVERY_FLAG |= {OCO: 3, ON_FILL: 4, HIDDEN | OCO: 0.5, AON | ON_FILL: 0.5, POST | ICEBERG: 0.5}
EVERY_FLAG |= {SLIDE | ON_FILL: 0.5, SLIDE | MINIMUM: 0.5, SPEND | ON_FILL: 0.3, AON | OCO: 0.3}
EVERY_FLAG |= {HIDDEN | ON_FILL: 0.3, HIDDEN | MINIMUM: 0.3, SLIDE | OCO: 0.5}
OPEN_HOURS = {CONTINUOUS: 8, Phase.CANCEL_ONLY: 1, Phase.HALTED: 1, Phase.CLOSED: 1}
EVERY_PHASE = {CONTINUOUS: 8, Phase.AUCTION: 3, Phase.PRE_OPEN: 1, Phase.POST_ONLY: 1}
EVERY_PHASE |= {Phase.CANCEL_ONLY: 0.5, Phase.HALTED: 0.5, Phase.CLOSED: 0.5}
EVERY_STP = dict.fromkeys(map(int, STP), 1)
MOSTLY_ALLOW = {STP.DEFAULT: 3, STP.ALLOW: 2} | dict.fromkeys(list(STP)[1:5], 0.3)

OLD_PARAMETERS = dict.fromkeys(map(int, list(Parameter)[:8]), 1)
BANDS = dict.fromkeys(map(int, list(Parameter)[11:17]), 1)
EVERY_PARAMETER = OLD_PARAMETERS | dict.fromkeys(map(int, list(Parameter)[8:]), 0.3)
VALUES = {  # what SET draws from, where that does not depend on the centre
    Parameter.MIN_QUANTITY: (0, 1, 1, 2),
    Parameter.MAX_QUANTITY: (4, 5, 6, 8, 9),
    Parameter.ORDERS_PER_ACCOUNT: (0, 0, 1, 3, 6, 12),
    Parameter.STP: range(7),
    Parameter.MATCHING: (1, 1, 2, 2, 3),
    Parameter.TOP_ORDER: (0, 1),
    Parameter.MIN_ALLOCATION: (1, 1, 2, 3),
    Parameter.COLLAR: (0, 0, 1, 2),
    Parameter.STATIC_BAND: (0, 0, 3, 5),
    Parameter.DYNAMIC_BAND: (0, 0, 2, 3),
    Parameter.BAND_ACTION: (1, 2, 2),
    Parameter.AUCTION_SECONDS: (1, 2, 3),
}
LOOSE = {  # the values that forbid nothing
    Parameter.MIN_PRICE: -BOUND + 1,
    Parameter.MAX_PRICE: BOUND - 1,
    Parameter.MIN_QUANTITY: 1,
    Parameter.MAX_QUANTITY: BOUND - 1,
    Parameter.MIN_NOTIONAL: 0,
    Parameter.MAX_NOTIONAL: 0,
    Parameter.ORDERS_PER_ACCOUNT: 0,
}


@dataclass(frozen=True)
class Profile:
    """What a tape is made of; dicts map a value to its weight."""

    kinds: dict = field(default_factory=lambda: EVERY_KIND)
    types: dict = field(default_factory=lambda: PLAIN_TYPES)
    tifs: dict = field(default_factory=lambda: PLAIN_TIFS)
    flags: dict = field(default_factory=lambda: PLAIN_FLAGS)
    stps: dict = field(default_factory=lambda: EVERY_STP)
    phases: dict = field(default_factory=lambda: OPEN_HOURS)
    quantities: dict = field(default_factory=lambda: {1: 3, 2: 3, 3: 2, 5: 2, 8: 1})
    parameters: dict = field(default_factory=lambda: EVERY_PARAMETER)
    values: dict = field(default_factory=lambda: VALUES)
    opening: tuple = ()  # (parameter, value) that are set first
    centre: int = 100  # ticks
    away: tuple = (-2, 5)  # ticks from the centre, less than 0 is across it; ends included
    accounts: int = 3  # 0 .. accounts
    ids: int = 120  # then they come around again
    reach: float = 6.0  # how many ids back a cancel looks, in the mean
    pause: tuple = (0, 0, 0, 1, SECOND // 7)  # ns between commands, one of them
    horizon: int = 4  # seconds that a GTD lives, at most; as many as -1 occur
    loose: float = 0.7  # chance that a SET lifts a limit
    limits: bool = True  # SET is drawn around what the tape can meet, else anywhere
    lifting: float = 0.03  # chance that a command lifts a limit that may bite
    reopening: float = 0.15  # chance that a command opens a book that is not
    fitting: float = 0.95  # chance that flags go with type and tif
    wild: float = 0.002  # chance of an extreme value, each field that has one
    broken: float = 0.002  # chance of any byte, each single field
    foreign: float = 0.01  # chance of a type, tif or flag that the profile does not have
    noise: float = 0.0  # chance that all 64 bytes are random
    end_of_time: float = 0.0  # chance of the last timestamp there is


def trading(**changed):
    """A profile of the later order types: little is spoilt, and orders meet close to the market."""
    given = {"kinds": TRADING, "tifs": LASTING, "stps": MOSTLY_ALLOW, "away": (-2, 4)}
    given |= {"wild": 0.0003, "broken": 0.0003, "reach": 8.0, "accounts": 2}
    given |= {"pause": (0, 0, 0, 1, SECOND // 9, SECOND // 3)}
    return Profile(**given | changed)


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
    "limits": Profile(kinds=EVERY_KIND | {Kind.SET: 12}, loose=0.4, lifting=0.0),
    "spread": Profile(centre=0, away=(-2, 3), flags={0: 3, POST: 1, SLIDE: 2}),
    "extreme": Profile(
        quantities={1: 4, 2: 2, BOUND - 1: 2, BOUND - 2: 2, BOUND // 2: 3, BOUND // 4: 3},
        away=(-1, 1),
        flags=EVERY_FLAG | {0: 30},
        limits=False,
        wild=0.03,
        end_of_time=0.0005,
    ),
    "edge": Profile(
        centre=BOUND - 2,
        away=(-3, 3),
        types=EVERY_TYPE | {LIMIT: 40},
        flags={0: 2, SLIDE: 2, POST: 1},
        wild=0.01,
    ),
    "abyss": Profile(
        centre=-BOUND + 2,
        away=(-3, 3),
        types=EVERY_TYPE | {LIMIT: 40},
        flags={0: 2, SLIDE: 2, POST: 1},
        wild=0.01,
    ),
    "foreign": Profile(
        foreign=0.5, kinds=EVERY_KIND | {Kind.QUOTE: 8, Kind.ARM: 3, Kind.UNCROSS: 3}, fitting=0.5
    ),
    "noise": Profile(broken=0.02, wild=0.03, noise=0.1, limits=False, end_of_time=0.0005),
    "stops": trading(types={LIMIT: 8, MARKET: 2} | {t: 2 * w for t, w in WATCHING.items()}),
    "trailing": trading(types={LIMIT: 8, MARKET: 3, OrderType.STOP: 1} | TRAILING),
    "icebergs": trading(
        flags={0: 4, ICEBERG: 6, HIDDEN: 3, AON: 3, MINIMUM: 3, POST | ICEBERG: 1, SPEND: 1},
        quantities={1: 2, 2: 2, 3: 2, 5: 2, 8: 2, 12: 1},
        away=(-2, 2),
    ),
    "links": trading(
        types=EVERY_TYPE,
        flags={0: 8, OCO: 6, ON_FILL: 8, SLIDE | ON_FILL: 1, AON | OCO: 1, SPEND | ON_FILL: 0.5},
        kinds=TRADING | {Kind.CANCEL: 10, Kind.MASS_CANCEL: 1},
    ),
    "quotes": trading(
        kinds=TRADING | {Kind.NEW: 30, Kind.QUOTE: 30, Kind.PHASE: 1, Kind.SET: 1},
        phases=EVERY_PHASE,
        flags=PLAIN_FLAGS | {OCO: 1, ICEBERG: 1},
    ),
    "auctions": trading(
        kinds=TRADING | {Kind.PHASE: 4, Kind.UNCROSS: 3, Kind.CLOCK: 3, Kind.QUOTE: 2},
        phases=EVERY_PHASE | {Phase.AUCTION: 8, Phase.PRE_OPEN: 3},
        types=EVERY_TYPE,
        tifs=LASTING | {TIF.AUCTION: 3},
        flags={0: 10, ICEBERG: 3, HIDDEN: 2, OCO: 2, ON_FILL: 2, AON: 0.5},
        reopening=0.06,
    ),
    "bands": trading(
        kinds=TRADING | {Kind.SET: 4, Kind.PHASE: 1, Kind.ARM: 1},
        types={LIMIT: 8, MARKET: 3} | WATCHING | TRAILING,
        parameters=BANDS,
        opening=((Parameter.BAND_ACTION, 2), (Parameter.AUCTION_SECONDS, 1)),
        reopening=0.03,
    ),
    "prorata": trading(
        kinds=TRADING | {Kind.SET: 1},
        opening=((Parameter.MATCHING, 2),),
        parameters={Parameter.MATCHING: 0.3, Parameter.TOP_ORDER: 1, Parameter.MIN_ALLOCATION: 1},
        flags={0: 8, ICEBERG: 3, HIDDEN: 1, AON: 1, OCO: 8, MINIMUM: 1, SPEND: 1},
        stps=MOSTLY_ALLOW | {STP.CANCEL_MAKER: 1, STP.DECREMENT: 1},
        quantities={1: 2, 2: 2, 3: 2, 5: 2, 8: 2, 13: 1, 21: 0.5},
        away=(0, 1),
    ),
    "everything": trading(
        kinds=TRADING
        | {Kind.MASS_CANCEL: 0.7, Kind.QUOTE: 7, Kind.ARM: 1, Kind.PHASE: 2, Kind.UNCROSS: 1.5}
        | {Kind.CLOCK: 2, Kind.SET: 3},
        types=EVERY_TYPE | {OrderType.PEG_MID: 0.1},
        tifs=PLAIN_TIFS | {TIF.AUCTION: 2},
        flags=EVERY_FLAG,
        phases=EVERY_PHASE,
        parameters=dict.fromkeys(Parameter, 1),
        ids=300,
    ),
}
