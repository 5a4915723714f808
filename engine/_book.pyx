"""The compiled book: the border between Python and the kernels.

This is the only file with Python objects. It owns the memory (numpy arrays), checks what callers
hand in, copies what leaves, and lets one caller at a time into a book. What a command may contain
is not checked here: any bytes are a command, and the kernel answers with an event.

It is long, being the only one: an extension is one module, and all that knows Python is in it.
"""

cimport cython
from cpython.bool cimport PyBool_Check
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check, PyLong_CheckExact
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from engine.account cimport Account, account_reset
from engine.arm cimport Switch, switch_arm, switch_at, switch_find
from engine.bits cimport bits_unlikely
from engine.core cimport (
    LADDER_MARKET, LADDER_SECOND, MODE_PRO_RATA, PLANS_MAX, ROOM, STAGE_IDLE, Coming, Core,
    core_counts_accounts, core_crossed, core_find_id, core_level, core_refresh_due,
    core_refresh_modes, core_room, core_set_timer,
)
from engine.command cimport command_go_on, command_take
from engine.due cimport NEVER, due_refresh
from engine.fault cimport FAULTS, Fault
from engine.index cimport FILL, LANES, Bucket, Index, Place, index_reset, index_room, index_tag
from engine.invariant cimport PRICETIME_CHECKS
from engine.ladder cimport LADDERS, Ladder, Level, Node, ladder_after, ladder_init
from engine.load cimport load_ahead, load_links, load_order
from engine.order cimport Order, Rare, Terms, Timer, timer_at
from engine.records cimport *
from engine.run cimport run
from engine.saved cimport saved_join
from engine.screen cimport FLAGS_SLOT, screen_value
from engine.slab cimport PAGE, PAGE_FIRST, PAGE_SHIFT, Slab, slab_reset, slab_room
from engine.spare cimport spare_refresh
from engine.view cimport view_levels, view_order, view_public, view_rows, view_saved, view_slots
from engine.walk cimport walk

import numpy as np

from pricetime import checkpoint as _checkpoint
from pricetime.records import (
    BOUND as _BOUND, COMMAND as _COMMAND, EVENT as _EVENT, LEVEL as _LEVEL, ORDER as _ORDER,
    Parameter as _Parameter, Phase as _Phase, Reason as _Reason, STP as _STP, Status as _Status,
)
from pricetime.result import Trade as _Trade

cdef extern from "claim.h":
    bint claim_take(int* claim) noexcept
    void claim_give(int* claim) noexcept

cdef extern from *:
    """
    #define U4 0xFFFFFFFFull
    #define U8 0xFFFFFFFFFFFFFFFFull
    """
    const uint64_t U4
    const uint64_t U8

CHECKED = PRICETIME_CHECKS != 0  # which build this is: a figure from a checked one is worth nothing
ORDERS_MAX = 0x7FFFFFFF

cdef enum:
    U1 = 0xFF          # the most that fields of one, two and four bytes hold
    U2 = 0xFFFF
    SCRATCH = 64       # events that a single call has room for before it needs a second look
    LINE = 64          # bytes: pages begin at a cache line
    CHUNK_DIVISOR = 8  # a slab grows by an eighth
    ARRAY_MAX = 1 << 21  # bytes that growing adds at once
    SPARE_MIN = 16     # room in a slab below which it grows
    LOAD_AHEAD = 16    # orders of a checkpoint to look ahead
    EVENTS_FEW = 64    # least events that an answer array is made for

cdef list STATUS = [None] + list(_Status)

assert sizeof(Command) == _COMMAND.itemsize and sizeof(Event) == _EVENT.itemsize
assert sizeof(LevelRow) == _LEVEL.itemsize and sizeof(OrderRow) == _ORDER.itemsize
assert sizeof(PlainRow) == _checkpoint.PLAIN.itemsize
assert sizeof(ExtraRow) == _checkpoint.EXTRA.itemsize

FAULT_TEXT = {
    1: "slab {0}: its free chain leaves the slab after {1} items",
    2: "slab {0}: {1} items are live, which with the free ones does not make up those used",
    3: "free slot {0} has {1} lots remaining",
    4: "node {0} under node {1} has the wrong shape, prefix or parent",
    5: "{0} nodes are in the ladders, {1} in use",
    6: "level {0} at price {1} is not where its key belongs",
    7: "{0} levels are in the ladder, {1} counted",
    8: "the level at {0} says {1} lots, which its queue does not hold",
    9: "the level at {0} says {1} orders, which its queue does not hold",
    10: "ladder {0}: level {1} is not the best",
    11: "the book is crossed: bid {0}, ask {1}",
    12: "order {0} in slot {1}: its links do not fit its neighbours",
    13: "order {0} stands behind one with a later priority than {1}",
    14: "order {0} in slot {1} has terms that no order there can have",
    15: "{0} orders are in queues, {1} in use",
    16: "order {0} in slot {1} is not found by its id",
    17: "the index has {0} entries for {1} items",
    18: "bucket {0} of the index holds entries that are not its own, or miscounts its {1}",
    19: "order {0}: its record {1} does not fit it",
    20: "{0} records belong to something, {1} are in use",
    21: "next due at {0}, engine time {1}: the queue of what falls due is wrong",
    22: "account {0}: {1} orders counted, which is not what it has",
    23: "a command is half done (stage {0})",
    24: "ladder {0}: the leaf remembered at {1} is not one of it",
    25: "order {0} in slot {1} waits or sleeps where it should not",
    26: "order {0}, record {1}: the trail of the trailing stops is wrong",
    27: "order {0} in slot {1}: its links do not point both ways",
    28: "switch {0}: its timer {1} does not fit it",
    29: "planned phase {0} at {1} is out of order",
}
FAULTS_SIGNED = {6, 8, 9, 11, 21, 29}  # those that name a price, a quantity or a time
assert len(FAULT_TEXT) == FAULTS - 1


# --- memory


cdef class Memory:
    """The numpy arrays behind one slab: its pages, and the table of their addresses."""

    cdef Slab* slab
    cdef uint32_t size       # bytes of an item
    cdef list arrays
    cdef object table        # uintp array: the address of each page
    cdef uint32_t pages

    cdef int open(self, Slab* slab, uint32_t size) except -1:
        self.slab = slab
        self.size = size
        self.arrays = []
        self.table = np.zeros(4, np.uintp)
        slab.page = <char**> <uintptr_t> <object> self.table.ctypes.data
        slab.capacity = 0
        slab_reset(slab)
        return self.reserve(PAGE_FIRST)

    cdef tuple allocate(self, uint64_t items):
        """An array for so many items, and the address of the first, at a cache line."""
        # Not zeroed: that could clear megabytes of recycled heap at once, in the middle of a batch.
        array = np.empty(items * self.size + LINE, np.uint8)
        return array, (array.ctypes.data + LINE - 1) // LINE * LINE

    cdef int reserve(self, uint64_t items) except -1:
        """Makes the capacity at least `items`; raises MemoryError, and then nothing has changed."""
        if items > ORDERS_MAX:
            raise MemoryError(
                f"{items} items of {self.size} bytes are more than a book can address"
            )
        if self.slab.capacity < PAGE and self.slab.capacity < items:
            self.grow_first(items)
        if self.slab.capacity < items:
            self.grow_pages((items + PAGE - 1 >> PAGE_SHIFT) - self.pages)
        return 0

    cdef int grow_first(self, uint64_t items) except -1:
        """Doubles the first page until it has the items, or is full-sized; a bounded copy."""
        cdef uint64_t capacity = max(<uint32_t> PAGE_FIRST, self.slab.capacity)
        while capacity < items and capacity < PAGE:
            capacity *= 2
        array, address = self.allocate(capacity)
        memset(<char*> <uintptr_t> address, 0, self.size)  # item 0, which guesses may look at
        if self.slab.capacity != 0:
            memcpy(<char*> <uintptr_t> address, self.slab.page[0], self.slab.capacity * self.size)
        self.arrays = [array]
        self.table[0] = address
        self.pages = 1
        self.slab.capacity = capacity
        return 0

    cdef int grow_pages(self, uint64_t wanted) except -1:
        """Adds pages, in one array: an eighth of what there is, or as many as wanted.

        No more than ARRAY_MAX, though: numpy asks large pages for large arrays, and the first use
        of one can take milliseconds.
        """
        cdef uint64_t most = max(<uint64_t> 1, <uint64_t> ARRAY_MAX // (PAGE * self.size))
        cdef uint64_t added = max(wanted, <uint64_t> 1, min(self.pages // CHUNK_DIVISOR, most))
        cdef uint64_t i
        array, address = self.allocate(added * PAGE)
        if self.pages + added > <uint64_t> len(self.table):
            table = np.zeros(2 * (self.pages + added), np.uintp)
            table[: self.pages] = self.table[: self.pages]
            self.slab.page = <char**> <uintptr_t> <object> table.ctypes.data
            self.table = table
        self.arrays.append(array)
        for i in range(added):
            self.table[self.pages + i] = address + i * PAGE * self.size
        self.pages += added
        self.slab.capacity += added * PAGE
        return 0

    cdef int refill(self) except -1:
        """Grows where little room is left."""
        if slab_room(self.slab) < SPARE_MIN:
            self.reserve(self.slab.capacity + 1)
        return 0

    cdef size_t nbytes(self):
        return self.table.nbytes + <size_t> self.slab.capacity * self.size


cdef inline void* address(array):
    """Where the items of a contiguous array are."""
    return <void*> <uintptr_t> <object> array.ctypes.data


cdef inline uint32_t* slots_in(bytes slots):
    """The slots that `Book.slots` has written, or is about to."""
    return <uint32_t*> PyBytes_AS_STRING(slots)


cdef bint same(first, second):
    """Whether two arrays have the same records, whose sizes are multiples of eight bytes."""
    return np.array_equal(first.view(np.uint64), second.view(np.uint64))


# --- what comes in


cdef object as_commands(commands):
    """A contiguous array of COMMAND with these commands; a copy only where it must be one."""
    if type(commands) is np.ndarray and commands.dtype is _COMMAND and commands.ndim == 1:
        if commands.flags.c_contiguous:
            return commands
    if not isinstance(commands, (np.ndarray, np.void)):
        raise TypeError(
            f"commands are a {type(commands).__name__}: pass a numpy array of pricetime.COMMAND "
            "(numpy.frombuffer(data, pricetime.COMMAND) for bytes)"
        )
    if commands.dtype != _COMMAND:
        if commands.dtype.names != _COMMAND.names or not np.can_cast(commands.dtype, _COMMAND):
            raise TypeError(
                f"commands have dtype {commands.dtype}: pass a numpy array of pricetime.COMMAND"
            )
    if commands.ndim > 1:
        raise ValueError(f"commands have {commands.ndim} dimensions: pass one")
    return np.ascontiguousarray(commands, _COMMAND).reshape(-1)


cdef object check_out(out):
    """The caller's array of events, if the kernel can write to it."""
    if not isinstance(out, np.ndarray) or (out.dtype is not _EVENT and out.dtype != _EVENT):
        raise TypeError(
            f"out is a {type(out).__name__} of {getattr(out, 'dtype', 'no dtype')}: "
            "pass a numpy array of pricetime.EVENT"
        )
    if out.ndim != 1 or not out.flags.c_contiguous:
        raise ValueError("out must be one-dimensional and contiguous")
    if not out.flags.writeable:
        raise ValueError("out is read-only: pass an array that can be written to")
    if len(out) < ROOM:
        raise ValueError(f"out holds {len(out)} events: at least {ROOM} are needed to go on")
    return out


cdef object as_int(value, str name):
    """The value as an int; what is no whole number is refused rather than cut."""
    if not PyBool_Check(value) and not isinstance(value, np.bool_):
        if PyLong_Check(value):
            return value
        try:
            return value.__index__()
        except (AttributeError, TypeError):
            pass
    raise TypeError(
        f"{name} {value!r} is a {type(value).__name__}: pass an int (pricetime.Instrument converts)"
    )


cdef inline int64_t whole(value, str name) except? -1:
    """A signed number of 64 bits: ticks, lots, nanoseconds."""
    cdef int overflow = 0
    if not PyLong_CheckExact(value):
        value = as_int(value, name)
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow != 0:
        raise OverflowError(f"{name} {value} is outside -2**63..2**63-1")
    return number


cdef inline uint64_t natural(value, uint64_t most, str name) except? 0xFFFFFFFFFFFFFFFF:
    """A number from 0 to `most`: ids, accounts, seconds, values of enums."""
    cdef int overflow = 0
    if not PyLong_CheckExact(value):
        value = as_int(value, name)
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if bits_unlikely(overflow != 0 or number < 0 or <uint64_t> number > most):
        if value < 0 or value > most:
            raise OverflowError(f"{name} {value} is outside 0..{most}")
        return value
    return <uint64_t> number


# --- what goes out


@cython.final
@cython.freelist(32)
cdef class Result:
    """What became of one command; made from its events, when asked for."""

    cdef bytes data          # the events' bytes
    cdef uint64_t begun      # sequence of the last event before the command's own
    cdef readonly uint64_t order_id
    """The order that the command brought in, changed or ended; 0 for a command without one."""

    def __init__(self):
        raise TypeError("results come from the methods of a Book")

    cdef const Event* first(self):
        return <const Event*> PyBytes_AS_STRING(self.data)

    cdef Py_ssize_t count(self):
        return len(self.data) // <Py_ssize_t> sizeof(Event)

    cdef const Event* last(self):
        return self.first() + self.count() - 1

    cdef bint own(self, const Event* event):
        """Whether it is about the command's order: what fell due first may have had the same id."""
        return (
            event.order_id == self.order_id and self.order_id != 0 and event.sequence > self.begun
        )

    cdef bint made(self, const Event* event):
        """Whether it is a trade in which the command's order was the maker: with one that fired."""
        return (
            event.kind == EVENT_TRADE and event.maker_id == self.order_id and self.order_id != 0
            and event.sequence > self.begun
        )

    @property
    def status(self):
        """What became of the command, a `Status`."""
        cdef const Event* event = self.last()
        cdef Py_ssize_t i
        cdef bint traded = False
        cdef bint own = False
        cdef int64_t remaining = 0
        if event.kind == EVENT_REJECTED:
            return STATUS[1]
        for i in range(self.count()):
            event = self.first() + i
            if self.made(event):
                traded = True
                remaining = event.maker_remaining
            if not self.own(event) or event.kind == EVENT_PARAMETER_SET:
                continue
            if event.kind == EVENT_CANCELLED:
                return STATUS[5]
            own = True
            traded = traded or event.kind == EVENT_TRADE
            remaining = event.remaining
        if not own:
            return STATUS[6]
        if remaining == 0:
            return STATUS[4]
        return STATUS[3] if traded else STATUS[2]

    @property
    def filled(self):
        """Lots of the order that this command traded."""
        cdef Py_ssize_t i
        cdef const Event* event
        filled = 0  # a Python int, as a quote quantity may buy more than 64 bits hold
        for i in range(self.count()):
            event = self.first() + i
            if event.kind == EVENT_TRADE and (self.own(event) or self.made(event)):
                filled += event.quantity
        return filled

    @property
    def remaining(self):
        """Lots of the order that are still open; of a quote quantity, ticks times lots."""
        cdef Py_ssize_t i
        cdef int64_t remaining = 0
        for i in range(self.count()):
            if self.made(self.first() + i):
                remaining = self.first()[i].maker_remaining
            elif self.own(self.first() + i) and self.first()[i].kind != EVENT_REJECTED:
                remaining = self.first()[i].remaining
        return remaining

    @property
    def reason(self):
        """Why the command was rejected or its order cancelled, a `Reason`; else None."""
        cdef Py_ssize_t i
        if self.last().kind == EVENT_REJECTED:
            return _Reason(self.last().reason)
        for i in range(self.count()):
            if self.first()[i].kind == EVENT_CANCELLED and self.own(self.first() + i):
                return _Reason(self.first()[i].reason)
        return None

    @property
    def trades(self):
        """The order's trades with orders that rested, a tuple of `Trade` as they happened.

        What others traded under the same command, an order that it fired say, is in `events`.
        """
        cdef Py_ssize_t i
        cdef const Event* event
        trades = []
        for i in range(self.count()):
            event = self.first() + i
            if event.kind == EVENT_TRADE and self.own(event):
                trades.append(
                    _Trade(event.maker_id, event.maker_account, event.price, event.quantity)
                )
        return tuple(trades)

    @property
    def events(self):
        """All events of the command: a read-only array of EVENT."""
        return np.frombuffer(self.data, _EVENT)

    def __repr__(self):
        reason = f", reason={self.reason.name}" if self.reason is not None else ""
        return (
            f"Result({self.status.name}, order_id={self.order_id}, filled={self.filled}, "
            f"remaining={self.remaining}{reason})"
        )

    def __reduce__(self):
        return _result, (self.data, self.order_id, self.begun)


def _result(bytes data not None, uint64_t order_id, uint64_t begun) -> Result:
    """A result from its events' bytes, for pickling."""
    if len(data) == 0 or len(data) % <Py_ssize_t> sizeof(Event) != 0:
        raise ValueError(f"{len(data)} bytes are not the events of a command")
    cdef Result result = Result.__new__(Result)
    result.data = data
    result.order_id = order_id
    result.begun = begun
    return result


# --- the book


cdef class Book:
    """Book(*, max_orders=2**31 - 1, min_price=None, max_price=None, min_quantity=1,
    max_quantity=2**62 - 1, min_notional=0, max_notional=0, orders_per_account=0, stp=STP.ALLOW,
    matching=1, top_order=0, min_allocation=1, collar=0, static_band=0, static_reference=0,
    dynamic_band=0, band_action=1, auction_seconds=300)

    An order book for one traded pair: price-time matching over integer ticks and lots.

    Prices are ticks, quantities lots, both int; `Instrument` converts from and to decimals. Two
    ways in take the same path: `process` for arrays of commands, and a method for each kind of
    command. What a command asks for and cannot have is a result with a reason; exceptions are for
    callers' mistakes. A book serves one thread at a time and refuses a second one with
    RuntimeError; give each thread books of its own. `copy.copy`, `copy.deepcopy` and `pickle` make
    an equal book.
    """

    cdef Core core
    cdef int claim
    cdef Memory memory_orders, memory_terms, memory_rares, memory_timers, memory_levels
    cdef Memory memory_nodes, memory_shares
    cdef Memory memory_switches, memory_switch_buckets, memory_switch_spills
    cdef Memory memory_buckets, memory_spills
    cdef Memory memory_accounts, memory_account_buckets, memory_account_spills
    cdef list held           # arrays of events that a failed call could not hand over
    cdef Command single      # what a method for one command fills in
    cdef Event[SCRATCH] scratch
    cdef Py_ssize_t untold   # events in `scratch` that are not held yet, nor handed over
    cdef Py_ssize_t filled   # events in the last array held, while it is written to; else -1
    cdef object __weakref__

    def __cinit__(self, *args, **keywords):
        cdef uint32_t number
        memset(&self.core, 0, sizeof(Core))
        self.held = []
        self.filled = -1
        self.memory_orders = self.memory(&self.core.orders, sizeof(Order))
        self.memory_terms = self.memory(&self.core.terms, sizeof(Terms))
        self.memory_rares = self.memory(&self.core.rares, sizeof(Rare))
        self.memory_timers = self.memory(&self.core.timers, sizeof(Timer))
        self.memory_levels = self.memory(&self.core.levels, sizeof(Level))
        self.memory_nodes = self.memory(&self.core.nodes, sizeof(Node))
        self.memory_buckets = self.memory(&self.core.ids.buckets, sizeof(Bucket))
        self.memory_spills = self.memory(&self.core.ids.spills, sizeof(Bucket))
        self.memory_accounts = self.memory(&self.core.accounts.slab, sizeof(Account))
        self.memory_account_buckets = self.memory(&self.core.accounts.index.buckets, sizeof(Bucket))
        self.memory_account_spills = self.memory(&self.core.accounts.index.spills, sizeof(Bucket))
        self.memory_shares = self.memory(&self.core.shares, sizeof(int64_t))
        self.memory_switches = self.memory(&self.core.switches.slab, sizeof(Switch))
        self.memory_switch_buckets = self.memory(&self.core.switches.index.buckets, sizeof(Bucket))
        self.memory_switch_spills = self.memory(&self.core.switches.index.spills, sizeof(Bucket))
        index_reset(&self.core.ids)
        index_reset(&self.core.switches.index)
        account_reset(&self.core.accounts)
        for number in range(<uint32_t> LADDERS):
            ladder_init(
                &self.core.ladder[number], &self.core.levels, &self.core.nodes, number
            )
        # Seconds: the lowest first, as in all odd ladders.
        ladder_init(&self.core.due.ladder, &self.core.levels, &self.core.nodes, 7)
        ladder_init(&self.core.switches.due.ladder, &self.core.levels, &self.core.nodes, 7)
        due_refresh(&self.core.due)
        due_refresh(&self.core.switches.due)
        self.core.auction_end.time = NEVER
        self.core.quote_next = 2
        core_refresh_due(&self.core)
        self.core.phase = PHASE_CONTINUOUS

    cdef Memory memory(self, Slab* slab, uint32_t size):
        cdef Memory memory = Memory.__new__(Memory)
        memory.open(slab, size)
        return memory

    def __init__(
        self, *, max_orders=ORDERS_MAX, min_price=None, max_price=None, min_quantity=1,
        max_quantity=_BOUND - 1, min_notional=0, max_notional=0, orders_per_account=0,
        stp=_STP.ALLOW, matching=1, top_order=0, min_allocation=1, collar=0, static_band=0,
        static_reference=0, dynamic_band=0, band_action=1, auction_seconds=300,
    ):
        if self.core.commands != 0 or self.core.orders.live != 0:
            raise RuntimeError("this book is in use: make a new one")
        max_orders = as_int(max_orders, "max_orders")
        if not 0 <= max_orders <= ORDERS_MAX:
            raise ValueError(f"max_orders {max_orders} is outside 0..{ORDERS_MAX}")
        self.core.orders_max = max_orders
        widest = {
            "min_price": 1 - _BOUND, "max_price": _BOUND - 1, "min_quantity": 1,
            "max_quantity": _BOUND - 1, "min_notional": 0, "max_notional": 0,
            "orders_per_account": 0, "stp": _STP.ALLOW, "matching": 1, "top_order": 0,
            "min_allocation": 1, "collar": 0, "static_band": 0, "static_reference": 0,
            "dynamic_band": 0, "band_action": 1, "auction_seconds": 300,
        }
        for parameter in _Parameter:
            self.core.parameter[<int> parameter] = widest[parameter.name.lower()]
        given = {
            "min_price": min_price, "max_price": max_price, "min_quantity": min_quantity,
            "max_quantity": max_quantity, "min_notional": min_notional,
            "max_notional": max_notional, "orders_per_account": orders_per_account, "stp": stp,
            "matching": matching, "top_order": top_order, "min_allocation": min_allocation,
            "collar": collar, "static_band": static_band, "static_reference": static_reference,
            "dynamic_band": dynamic_band, "band_action": band_action,
            "auction_seconds": auction_seconds,
        }
        for name, value in given.items():
            if value is not None:
                self.set_first(_Parameter[name.upper()], name, value)
        core_refresh_modes(&self.core)

    cdef int set_first(self, int parameter, name, value) except -1:
        """Sets a parameter of a new book; the others have been set, or are at their widest."""
        value = as_int(value, name)
        if not -_BOUND < value < _BOUND:
            raise ValueError(f"{name} {value} does not lie between -2**62 and 2**62")
        if not screen_value(self.core.parameter, parameter, value):
            raise ValueError(
                f"{name} {value:d} is not possible: minima lie at or below maxima, quantities are "
                "at least 1, notionals, counts and ticks at least 0, stp is one of pricetime.STP "
                "without DEFAULT, matching and band_action are 1 or 2, top_order is 0 or 1"
            )
        self.core.parameter[parameter] = value
        return 0

    cdef int enter(self) except -1:
        """Begins a call; every way out of it ends with claim_give."""
        if bits_unlikely(not claim_take(&self.claim)):
            raise RuntimeError(
                "this book is busy in another thread: give each thread books of its own"
            )
        return 0

    cdef int enter_idle(self) except -1:
        """Begins a call that needs a book between two commands."""
        self.enter()
        if bits_unlikely(self.owes()):
            claim_give(&self.claim)
            raise RuntimeError(
                "events of earlier commands are still to be read: call process(commands[:0]) first"
            )
        return 0

    cdef int provide(self, bint set_comes) except -1:
        """Makes memory for what the next command may need; on MemoryError the book is unchanged."""
        cdef Index* ids = &self.core.ids
        cdef uint64_t live = self.core.orders.live
        if set_comes:
            # It may begin to count the accounts of all that is live.
            self.memory_accounts.reserve(live + 1 + SPARE_MIN)
            self.memory_account_buckets.reserve(live // FILL + 2)
            self.memory_account_spills.reserve(live // LANES + 1 + SPARE_MIN)
            self.core.set_ready = True
        self.memory_orders.refill()
        self.memory_terms.reserve(self.core.orders.capacity)
        if set_comes or self.core.modes & MODE_PRO_RATA:
            self.memory_shares.reserve(self.core.orders.capacity)
        self.memory_rares.refill()
        self.memory_timers.refill()
        self.memory_levels.refill()
        self.memory_nodes.refill()
        self.refill_index(ids, live, self.memory_buckets, self.memory_spills)
        if core_counts_accounts(&self.core):
            self.memory_accounts.refill()
            self.refill_index(
                &self.core.accounts.index, self.core.accounts.slab.live,
                self.memory_account_buckets, self.memory_account_spills,
            )
        self.memory_switches.refill()
        self.refill_index(
            &self.core.switches.index, self.core.switches.slab.live,
            self.memory_switch_buckets, self.memory_switch_spills,
        )
        spare_refresh(&self.core)
        return 0

    cdef int refill_index(
        self, Index* index, uint32_t entries, Memory buckets, Memory spills
    ) except -1:
        spills.refill()
        if index_room(index, entries) < 2:  # one for a command that is half done
            buckets.reserve(buckets.slab.capacity + 1)
        return 0

    # --- arrays of commands

    def process(self, commands, out=None):
        """Applies commands in order; returns their events.

        commands: one-dimensional array of COMMAND; read-only and strided ones are fine.
        out: array of EVENT, at least 24, to write to. The answer is then its filled head. Where
        the events of all commands do not fit, `process` stops when `out` is full, or nearly:
        `commands` of the book says how many it has taken in its life, and `pending` whether the
        last of these has more to say. Call again with the commands that were not taken (none is
        fine) to go on.

        Without `out` the answer is a new array with everything. Any bytes are a command: what
        cannot be done is answered by an event, never by an exception. TypeError and ValueError are
        for the arrays; MemoryError leaves the book valid, `commands` says how far it came, and the
        events made until then come with the next call. The GIL is released.
        """
        cdef Py_buffer given
        commands = as_commands(commands)
        if out is not None:
            check_out(out)
        PyObject_GetBuffer(commands, &given, PyBUF_SIMPLE)
        try:
            if <uintptr_t> given.buf % sizeof(int64_t):
                # Field by field numpy takes any address; the kernel wants whole words.
                PyBuffer_Release(&given)
                commands = commands.copy()
                PyObject_GetBuffer(commands, &given, PyBUF_SIMPLE)
            self.enter()
            try:
                self.keep()
                if out is not None:
                    return self.process_to(<const Command*> given.buf, len(commands), out)
                return self.process_all(<const Command*> given.buf, len(commands))
            finally:
                claim_give(&self.claim)
        finally:
            PyBuffer_Release(&given)

    cdef Py_ssize_t process_some(self, const Command* commands, Py_ssize_t count) except -1:
        """Takes commands while there is room for events; says how many. May raise MemoryError."""
        cdef Py_ssize_t taken = 0
        while True:
            with nogil:
                taken += run(&self.core, commands + taken, count - taken)
            self.core.set_ready = False
            if core_room(&self.core) < ROOM:
                return taken
            if self.core.stage != STAGE_IDLE:
                self.provide(False)
            elif taken == count:
                return taken
            else:
                self.provide(commands[taken].kind == SET)

    cdef object process_to(self, const Command* commands, Py_ssize_t count, out):
        cdef Py_buffer events
        cdef Py_ssize_t filled
        PyObject_GetBuffer(out, &events, PyBUF_WRITABLE)
        try:
            if <uintptr_t> events.buf % sizeof(int64_t):
                raise ValueError("out is not aligned: pass an array that numpy has made")
            if <char*> events.buf < <char*> (commands + count):
                if <char*> commands < <char*> events.buf + events.len:
                    raise ValueError("out shares memory with the commands: pass one of its own")
            filled = self.hand_over(out)
            self.core.event_end = <Event*> events.buf + events.len // <Py_ssize_t> sizeof(Event)
            self.core.event = self.core.event_begin = <Event*> events.buf + filled
            if not self.held:
                try:
                    self.process_some(commands, count)
                except MemoryError:
                    # What was done is told; the next call meets the same wall with nothing to tell.
                    if self.core.event == <Event*> events.buf:
                        raise
            filled = self.core.event - <Event*> events.buf
        finally:
            PyBuffer_Release(&events)
        return out[:filled]

    cdef Py_ssize_t hand_over(self, out) except -1:
        """Writes events that an earlier call could not hand over; says how many."""
        filled = 0
        while self.held and filled < len(out):
            part = self.held[0][: len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            self.held[0] = self.held[0][len(part) :]
            if len(self.held[0]) == 0:
                del self.held[0]
        return filled

    cdef object process_all(self, const Command* commands, Py_ssize_t count):
        cdef Py_ssize_t begin = 0
        cdef Py_ssize_t room = 0
        cdef Event* first
        while True:
            # Most commands make one event or two; where they make more, larger parts follow.
            room = max(2 * room, count - begin + (count - begin) // 2 + EVENTS_FEW)
            events = np.empty(room, _EVENT)
            first = <Event*> address(events)
            self.held.append(events)
            self.filled = 0
            self.core.event = self.core.event_begin = first
            self.core.event_end = first + room
            try:
                begin += self.process_some(commands + begin, count - begin)
            finally:
                self.filled = self.core.event - first
                if self.filled == 0:
                    del self.held[len(self.held) - 1]
                    self.filled = -1
            self.keep()
            if begin == count and self.core.stage == STAGE_IDLE:
                break
        if len(self.held) == 0:
            return np.empty(0, _EVENT)
        events = self.held[0] if len(self.held) == 1 else np.concatenate(self.held)
        self.held = []
        return events

    @property
    def pending(self):
        """Whether the last command taken has events that `process` has still to return."""
        return self.owes()

    cdef bint owes(self):
        return self.core.stage != STAGE_IDLE or len(self.held) != 0 or self.untold != 0

    # --- one command at a time

    cdef Result call(self, uint64_t order_id):
        """Carries out self.single."""
        cdef Result result = Result.__new__(Result)
        cdef Coming* coming = &self.core.coming[0]
        cdef bint done
        result.order_id = order_id
        self.core.begun = 0
        if bits_unlikely(self.core.spare == 0 or self.single.kind == SET):
            self.provide(self.single.kind == SET)
            self.core.set_ready = False
        coming.command = self.single
        coming.tag = index_tag(self.single.order_id)
        coming.level = 0
        self.core.event = self.core.event_begin = self.scratch
        self.core.event_end = self.scratch + SCRATCH
        done = command_take(&self.core, coming)
        self.untold = self.core.event - self.scratch
        while not done:
            self.keep()
            self.core.event = self.scratch
            if self.core.spare == 0:
                self.provide(False)
            done = command_go_on(&self.core)
            self.untold = self.core.event - self.scratch
        result.begun = self.core.begun
        if self.held:
            self.keep()
            result.data = b"".join(self.held)
            self.held = []
        else:
            result.data = self.told()
            self.untold = 0
        return result

    cdef bytes told(self):
        return PyBytes_FromStringAndSize(<char*> self.scratch, self.untold * sizeof(Event))

    cdef int keep(self) except -1:
        """Keeps events not handed over yet for the next call; may fail, and be called again."""
        if self.untold != 0:
            self.held.append(np.frombuffer(self.told(), _EVENT))
            self.untold = 0
        if self.filled >= 0:
            self.held[len(self.held) - 1] = self.held[len(self.held) - 1][: self.filled]
            self.filled = -1
        return 0

    cdef Command* command(self, uint8_t kind, timestamp) except NULL:
        """The command to fill in, zeroed."""
        cdef Command* command = &self.single
        memset(command, 0, sizeof(Command))
        command.kind = kind
        command.timestamp = whole(timestamp, "timestamp")
        return command

    cdef Command* order_command(
        self, uint8_t kind, uint8_t order_type, side, price, quantity, account, tif, stp, flags,
        expires, timestamp,
    ) except NULL:
        """The command of a new order, without its id."""
        cdef Command* command = self.command(kind, timestamp)
        command.order_type = order_type
        command.side = natural(side, U1, "side")
        command.price = whole(price, "price")
        command.quantity = whole(quantity, "quantity")
        command.account = natural(account, U4, "account")
        command.tif = natural(tif, U1, "tif")
        command.stp = natural(stp, U1, "stp")
        command.flags = natural(flags, U2, "flags")
        command.expires = natural(expires, U4, "expires")
        return command

    cdef int fill_slot(self, Command* command, peak, minimum, oco, parent) except -1:
        """What needs the one slot of a command, and the flag that says which it is."""
        cdef int i
        values = (peak, minimum, oco, parent)
        for i in range(4):
            if values[i] is None:
                continue
            if command.flags & FLAGS_SLOT:
                raise ValueError(
                    "give one of peak, minimum, oco and parent, or its Flag: an order has room for "
                    "one"
                )
            command.slot = natural(values[i], U8, ("peak", "minimum", "oco", "parent")[i])
            command.flags |= FLAG_ICEBERG << i
        return 0

    cdef Result order_call(self, Command* command, order_id, peak, minimum, oco, parent):
        """Carries out the command of a new order."""
        if peak is not None or minimum is not None or oco is not None or parent is not None:
            self.fill_slot(command, peak, minimum, oco, parent)
        command.order_id = self.id_or_next(order_id, "order_id")
        return self.call(command.order_id)

    cdef uint64_t id_or_next(self, order_id, str name) except? 0:
        """The id given; for None the highest so far plus one, at the end of ids the lowest free."""
        cdef Place place
        cdef uint64_t next_id
        if order_id is not None:
            return natural(order_id, U8, name)
        next_id = self.core.id_max + 1
        if next_id == 0:
            next_id = 1
            while core_find_id(&self.core, next_id, &place) != 0:
                next_id += 1
        return next_id

    def limit(
        self, side, price, quantity, *, account=0, tif=TIF_GTC, stp=STP_DEFAULT, flags=0, expires=0,
        peak=None, minimum=None, oco=None, parent=None, order_id=None, timestamp=0,
    ):
        """Enters a limit order.

        side: Side; price: ticks; quantity: lots; account: owner, 0 is nobody; tif: TIF; stp: STP;
        flags: Flag; expires: seconds since the epoch, for TIF.GTD; order_id: 1..2**64-1, None for
        the next free one; timestamp: nanoseconds since the epoch. One of: peak, the lots that an
        iceberg shows; minimum, the lots that must trade at once, if any do; oco, the id of a live
        order that goes when this one trades, and the other way round; parent, the id of a live
        order that this one sleeps for until that is gone.
        """
        self.enter_idle()
        try:
            command = self.order_command(
                NEW, LIMIT, side, price, quantity, account, tif, stp, flags, expires, timestamp
            )
            return self.order_call(command, order_id, peak, minimum, oco, parent)
        finally:
            claim_give(&self.claim)

    def market(
        self, side, quantity, *, account=0, tif=TIF_IOC, stp=STP_DEFAULT, flags=0, expires=0,
        minimum=None, oco=None, parent=None, order_id=None, timestamp=0,
    ):
        """Enters a market order: trades at any price, and what finds nobody is cancelled.

        side: Side; quantity: lots; the rest as for `limit`. In an auction it rests, if tif is not
        IOC or FOK.
        """
        self.enter_idle()
        try:
            command = self.order_command(
                NEW, MARKET, side, 0, quantity, account, tif, stp, flags, expires, timestamp
            )
            return self.order_call(command, order_id, None, minimum, oco, parent)
        finally:
            claim_give(&self.claim)

    def spend(
        self, side, amount, *, account=0, stp=STP_DEFAULT, flags=0, oco=None, parent=None,
        order_id=None, timestamp=0,
    ):
        """Enters a market order for an amount of money: buys or sells the whole lots that it pays
        for, and what pays for no lot more is cancelled.

        amount: ticks times lots; the rest as for `limit`.
        """
        self.enter_idle()
        try:
            command = self.order_command(
                NEW, MARKET, side, 0, amount, account, TIF_IOC, stp, flags, 0, timestamp
            )
            command.flags |= FLAG_QUOTE_QUANTITY
            return self.order_call(command, order_id, None, None, oco, parent)
        finally:
            claim_give(&self.claim)

    cdef Result triggered(
        self, uint8_t order_type, trigger, side, price, quantity, account, tif, stp, flags, expires,
        peak, minimum, oco, parent, order_id, timestamp,
    ):
        """A stop, a take-profit or a trailing stop; with a price it ends as a limit order."""
        self.enter_idle()
        try:
            command = self.order_command(
                NEW, order_type if price is None else order_type + 1, side,
                0 if price is None else price, quantity, account, tif, stp, flags, expires,
                timestamp,
            )
            command.trigger = whole(trigger, "trigger")
            return self.order_call(command, order_id, peak, minimum, oco, parent)
        finally:
            claim_give(&self.claim)

    def stop(
        self, side, trigger, quantity, *, price=None, account=0, tif=TIF_GTC, stp=STP_DEFAULT,
        flags=0, expires=0, peak=None, minimum=None, oco=None, parent=None, order_id=None,
        timestamp=0,
    ):
        """Enters an order that waits until the last price is at or beyond its trigger: at or above
        to buy, at or below to sell.

        side: Side; trigger: ticks; quantity: lots; price: ticks, None for a market order; the rest
        as for `limit`.
        """
        return self.triggered(
            STOP, trigger, side, price, quantity, account, tif, stp, flags, expires, peak, minimum,
            oco, parent, order_id, timestamp,
        )

    def take_profit(
        self, side, trigger, quantity, *, price=None, account=0, tif=TIF_GTC, stp=STP_DEFAULT,
        flags=0, expires=0, peak=None, minimum=None, oco=None, parent=None, order_id=None,
        timestamp=0,
    ):
        """Enters an order that waits until the last price is as good as its trigger: at or below to
        buy, at or above to sell. The rest as for `stop`.
        """
        return self.triggered(
            TAKE_PROFIT, trigger, side, price, quantity, account, tif, stp, flags, expires, peak,
            minimum, oco, parent, order_id, timestamp,
        )

    def trailing_stop(
        self, side, offset, quantity, *, distance=None, account=0, tif=TIF_GTC, stp=STP_DEFAULT,
        flags=0, expires=0, peak=None, minimum=None, oco=None, parent=None, order_id=None,
        timestamp=0,
    ):
        """Enters a stop whose trigger follows the last price at an offset, never back.

        side: Side; offset: ticks from the best last price since it entered, 1 or more; quantity:
        lots; distance: ticks from the trigger to the limit price that it will have, 0 or more, None
        for a market order; the rest as for `limit`.
        """
        return self.triggered(
            TRAILING_STOP, offset, side, distance, quantity, account, tif, stp, flags, expires,
            peak, minimum, oco, parent, order_id, timestamp,
        )

    def quote(self, account, bid=None, ask=None, *, order_id=None, timestamp=0):
        """Replaces both sides of an account's quote at once, or neither: it is refused whole where
        a side would trade.

        bid, ask: (price in ticks, open quantity in lots), None to take the side out; order_id: of
        the bid, the ask has the next one; None for the next free one, which makes a new quote.
        """
        cdef Command* command
        self.enter_idle()
        try:
            command = self.command(QUOTE, timestamp)
            command.account = natural(account, U4, "account")
            if bid is not None:
                price, quantity = bid
                command.price = whole(price, "bid price")
                command.quantity = whole(quantity, "bid quantity")
            if ask is not None:
                price, quantity = ask
                command.trigger = whole(price, "ask price")
                command.slot = natural(quantity, U8, "ask quantity")
            command.order_id = self.id_or_next(order_id, "order_id")
            return self.call(command.order_id)
        finally:
            claim_give(&self.claim)

    def cancel(self, order_id, *, account=0, timestamp=0):
        """Cancels a live order. account: refused where it is neither 0 nor the order's."""
        self.enter_idle()
        try:
            command = self.command(CANCEL, timestamp)
            command.order_id = natural(order_id, U8, "order_id")
            command.account = natural(account, U4, "account")
            return self.call(command.order_id)
        finally:
            claim_give(&self.claim)

    def amend(
        self, order_id, *, price=None, quantity=None, trigger=None, account=0, timestamp=0
    ):
        """Changes price (ticks), total quantity (lots: traded plus still open) and trigger (ticks;
        of a trailing stop the offset, whose price is its distance); None keeps it.

        The order keeps its place unless its price or trigger changes or its quantity grows; then it
        enters anew and may trade or fire. A total at or below what has traded cancels it.
        """
        cdef OrderRow row
        if price is None and quantity is None and trigger is None:
            raise TypeError("amend changes a price, a quantity or a trigger: give at least one")
        self.enter_idle()
        try:
            command = self.command(AMEND, timestamp)
            command.order_id = natural(order_id, U8, "order_id")
            command.account = natural(account, U4, "account")
            row = self.row_of(command.order_id)
            command.price = whole(price, "price") if price is not None else row.price
            command.quantity = whole(quantity, "quantity") if quantity is not None else row.quantity
            command.trigger = whole(trigger, "trigger") if trigger is not None else row.trigger
            return self.call(command.order_id)
        finally:
            claim_give(&self.claim)

    cdef OrderRow row_of(self, uint64_t order_id):
        """The live order; for one that is not there, values that a command is not refused for."""
        cdef OrderRow row
        cdef Place place
        cdef uint32_t slot = core_find_id(&self.core, order_id, &place)
        memset(&row, 0, sizeof(OrderRow))
        row.side, row.quantity, row.remaining = BUY, 1, 1
        if slot != 0:
            view_order(&self.core, slot, &row)
        return row

    def replace(
        self, order_id, side=None, price=None, quantity=None, *, order_type=LIMIT, trigger=0,
        new_id=None, account=0, tif=TIF_GTC, stp=STP_DEFAULT, flags=0, expires=0, timestamp=0,
    ):
        """Cancels an order and enters a new one of its account, in one step or not at all.

        side, price, quantity: None for the old order's, of quantity what remains of it; order_type:
        OrderType, with the trigger (ticks, or a trailing offset) that it needs; new_id: the new
        order's, None for the next free one; account: refused where it is neither 0 nor the old
        order's; the rest as for `limit`.
        """
        cdef OrderRow row
        cdef uint64_t old_id
        self.enter_idle()
        try:
            old_id = natural(order_id, U8, "order_id")
            row = self.row_of(old_id)
            command = self.order_command(
                REPLACE, natural(order_type, U1, "order_type"), row.side if side is None else side,
                row.price if price is None else price,
                row.remaining if quantity is None else quantity, account, tif, stp, flags, expires,
                timestamp,
            )
            command.order_id = old_id
            command.trigger = whole(trigger, "trigger")
            command.slot = self.id_or_next(new_id, "new_id")
            return self.call(command.slot)
        finally:
            claim_give(&self.claim)

    def mass_cancel(self, *, account=0, side=0, timestamp=0):
        """Cancels all orders of an account (0: of all) and a side (0: of both), oldest first."""
        self.enter_idle()
        try:
            command = self.command(MASS_CANCEL, timestamp)
            command.account = natural(account, U4, "account")
            command.side = natural(side, U1, "side")
            return self.call(0)
        finally:
            claim_give(&self.claim)

    def arm(self, account, expires, *, timestamp=0):
        """Arms an account's dead man's switch: unless it is armed again before `expires` (seconds
        since the epoch), all orders of the account are cancelled then; 0 takes the switch away.
        """
        self.enter_idle()
        try:
            command = self.command(ARM, timestamp)
            command.account = natural(account, U4, "account")
            command.expires = natural(expires, U4, "expires")
            return self.call(0)
        finally:
            claim_give(&self.claim)

    def phase(self, phase, *, expires=0, timestamp=0):
        """Enters a Phase, now or by itself at `expires` (seconds since the epoch); `current_phase`
        tells which reigns. CONTINUOUS and POST_ONLY begin with an uncross.
        """
        self.enter_idle()
        try:
            command = self.command(PHASE, timestamp)
            command.order_type = natural(phase, U1, "phase")
            command.expires = natural(expires, U4, "expires")
            return self.call(0)
        finally:
            claim_give(&self.claim)

    def uncross(self, phase=PHASE_CONTINUOUS, *, timestamp=0):
        """Runs the auction, in PRE_OPEN and AUCTION, and enters a Phase."""
        self.enter_idle()
        try:
            command = self.command(UNCROSS, timestamp)
            command.order_type = natural(phase, U1, "phase")
            return self.call(0)
        finally:
            claim_give(&self.claim)

    def clock(self, timestamp):
        """Lets time pass, to `timestamp` in nanoseconds since the epoch: what is due happens. In an
        auction its event says what an uncross would do now (INDICATIVE).
        """
        self.enter_idle()
        try:
            self.command(CLOCK, timestamp)
            return self.call(0)
        finally:
            claim_give(&self.claim)

    def set(self, parameter, value, *, timestamp=0):
        """Sets a Parameter; orders that rest stay."""
        self.enter_idle()
        try:
            command = self.command(SET, timestamp)
            command.order_id = natural(parameter, U8, "parameter")
            command.price = whole(value, "value")
            return self.call(0)
        finally:
            claim_give(&self.claim)

    # --- views

    cdef object best(self, uint8_t side):
        cdef Ladder* ladder = &self.core.ladder[side - 1]
        self.enter_idle()
        price = core_level(&self.core, ladder.best).price if ladder.best != 0 else None
        claim_give(&self.claim)
        return price

    @property
    def best_bid(self):
        """The highest price in ticks at which somebody buys, or None."""
        return self.best(BUY)

    @property
    def best_ask(self):
        """The lowest price in ticks at which somebody sells, or None."""
        return self.best(SELL)

    cdef object levels_of(self, uint8_t side, depth, hidden):
        cdef uint32_t count
        cdef int64_t wanted = U4 if depth is None else whole(depth, "depth")
        if wanted < 0:
            raise ValueError(f"depth {depth} is negative: give a number of levels, or None for all")
        self.enter_idle()
        try:
            count = self.core.ladder[side - 1].count
            if hidden:
                count += self.core.ladder[LADDER_SECOND + side - 1].count
            count = min(<int64_t> count, wanted)
            rows = np.empty(count, _LEVEL)
            count = view_levels(&self.core, side, <LevelRow*> address(rows), count, hidden)
        finally:
            claim_give(&self.claim)
        return rows[:count]

    def bids(self, depth=None, *, hidden=False):
        """The best `depth` levels of buyers, None for all: array of LEVEL, highest price first.

        hidden: also count what the market does not see: the rest of icebergs, hidden and
        all-or-none orders (not market orders, which have no price).
        """
        return self.levels_of(BUY, depth, hidden)

    def asks(self, depth=None, *, hidden=False):
        """The best `depth` levels of sellers, None for all: array of LEVEL, lowest price first.

        hidden: as for `bids`.
        """
        return self.levels_of(SELL, depth, hidden)

    def order(self, order_id, *, hidden=False):
        """A live order as a record of ORDER, with `order.price` and `order["price"]`; or None.

        hidden: show all there is to know; without it the answer is what the market sees: None for
        an order that is hidden, all-or-none, waiting, sleeping or at market, and of an iceberg the
        slice.
        """
        cdef OrderRow* row
        cdef Place place
        cdef uint32_t slot
        self.enter_idle()
        try:
            slot = core_find_id(&self.core, natural(order_id, U8, "order_id"), &place)
            if slot == 0:
                return None
            rows = np.recarray(1, _ORDER)
            row = <OrderRow*> address(rows)
            view_order(&self.core, slot, row)
            return rows[0] if hidden or view_public(row) else None
        finally:
            claim_give(&self.claim)

    def orders(self, *, hidden=False):
        """The resting orders that the market sees, an array of ORDER: buys from the best price,
        then sells from the best, in the order in which they trade within a price.

        hidden: all live orders, with all there is to know: resting ones in the order in which they
        trade (market orders first), then those that wait for a trigger and those that sleep, each
        in the order of time.
        """
        self.enter_idle()
        try:
            return self.rows(hidden)
        finally:
            claim_give(&self.claim)

    def waiting(self):
        """The orders that wait for their triggers, in the order of time: array of ORDER."""
        return self.in_state(ORDER_WAITING)

    def sleeping(self):
        """The orders that sleep, for their parent to be gone or for the next auction, in the order
        of time: array of ORDER."""
        return self.in_state(ORDER_SLEEPING)

    cdef object in_state(self, uint8_t state):
        rows = self.orders(hidden=True)
        return rows[rows["state"] == state]

    cdef object rows(self, bint hidden):
        cdef uint32_t count
        cdef bytes slots = self.slots(hidden, &count)
        # One more than there may be: a row is written before it is known whether it is seen.
        rows = np.empty(count + 1, _ORDER)
        cdef OrderRow* first = <OrderRow*> address(rows)
        return rows[: view_rows(&self.core, slots_in(slots), count, hidden, first) - first]

    cdef bytes slots(self, bint hidden, uint32_t* count):
        """The slots of all orders, or of those that may be displayed, in the order of `orders`."""
        cdef Py_ssize_t most = self.core.orders.live
        slots = PyBytes_FromStringAndSize(NULL, most * <Py_ssize_t> sizeof(uint32_t))
        count[0] = view_slots(&self.core, hidden, slots_in(slots)) - slots_in(slots)
        return slots

    def __len__(self):
        return self.core.orders.live

    @property
    def current_phase(self):
        """The Phase that reigns."""
        return _Phase(self.core.phase)

    @property
    def parameters(self):
        """Every Parameter and its value: a dict of int by lower-case name."""
        return {p.name.lower(): self.core.parameter[<int> p] for p in _Parameter}

    @property
    def max_orders(self):
        """How many orders may be live at once."""
        return self.core.orders_max

    @property
    def timestamp(self):
        """Engine time: nanoseconds since the epoch, 0 before the first command that has one."""
        return self.core.now

    @property
    def due(self):
        """When something happens next by itself, in nanoseconds since the epoch, or None: an order
        expires, a switch fires, a phase changes."""
        return self.core.next_due if self.core.next_due != NEVER else None

    @property
    def id_max(self):
        """The highest order id accepted so far, 0 before the first; ids of None go on behind it."""
        return self.core.id_max

    @property
    def last_price(self):
        """Price of the last trade in ticks, or None."""
        return self.core.last_price if self.core.trades != 0 else None

    @property
    def commands(self):
        """How many commands the book has taken in its life."""
        return self.core.commands

    @property
    def sequence(self):
        """Sequence of the last event, 0 before the first."""
        return self.core.sequence

    @property
    def trades(self):
        """How many trades the book has made in its life."""
        return self.core.trades

    @property
    def nbytes(self):
        """Bytes of memory that the book holds: all its arrays, and itself."""
        cdef Memory memory
        total = object.__sizeof__(self)
        for memory in (
            self.memory_orders, self.memory_terms, self.memory_rares, self.memory_timers,
            self.memory_levels, self.memory_nodes, self.memory_shares,
            self.memory_buckets, self.memory_spills,
            self.memory_switches, self.memory_switch_buckets, self.memory_switch_spills,
            self.memory_accounts, self.memory_account_buckets, self.memory_account_spills,
        ):
            total += memory.nbytes()
        for events in self.held:
            total += events.nbytes
        return total

    def __repr__(self):
        if self.owes() or self.claim:
            return f"<Book busy orders={len(self)}>"
        return (
            f"<Book bid={self.best_bid} ask={self.best_ask} orders={len(self)} "
            f"phase={self.current_phase.name}>"
        )

    # --- the state as a whole

    cdef object header(self):
        header = np.zeros(1, _checkpoint.HEADER)
        header["phase"] = self.core.phase
        header["last_known"] = self.core.trades != 0
        header["commands"] = self.core.commands
        header["sequence"] = self.core.sequence
        header["trades"] = self.core.trades
        header["id_max"] = self.core.id_max
        header["timestamp"] = self.core.now
        header["last_price"] = self.core.last_price
        header["orders_max"] = self.core.orders_max
        if self.core.auction_end.time != NEVER:
            header["auction_end"] = self.core.auction_end.time
            header["auction_sequence"] = self.core.auction_end.sequence
        for p in _Parameter:
            header["parameter"][0, p - 1] = self.core.parameter[<int> p]
        return header

    cdef object state(self):
        return _checkpoint.State(self.header(), *self.saved(), self.armed(), self.planned())

    cdef tuple saved(self):
        """All orders: an array of checkpoint.PLAIN, and one of checkpoint.EXTRA."""
        cdef uint32_t count
        cdef bytes slots = self.slots(True, &count)
        orders = np.empty(count, _checkpoint.PLAIN)
        # One more than there may be: a row is written before it is known whether it says anything.
        extras = np.empty(self.extras_most() + 1, _checkpoint.EXTRA)
        cdef PlainRow* plain = <PlainRow*> address(orders)
        cdef ExtraRow* first = <ExtraRow*> address(extras)
        cdef ExtraRow* end = view_saved(&self.core, slots_in(slots), count, plain, first)
        return orders, extras[: end - first]

    cdef uint64_t extras_most(self):
        """How many orders may have an extra row: those with a Rare record, and those at market."""
        cdef uint64_t most = self.core.rares.live
        cdef uint32_t side, level
        for side in range(2):
            level = self.core.ladder[LADDER_MARKET + side].best
            most += core_level(&self.core, level).orders if level != 0 else 0
        return most

    cdef object armed(self):
        """The armed switches in the order in which they fall due: array of checkpoint.SWITCH."""
        cdef uint32_t timer, level
        cdef Switch* switch
        rows = np.zeros(self.core.switches.slab.live, _checkpoint.SWITCH)
        i = 0
        level = self.core.switches.due.ladder.best
        while level != 0:
            timer = core_level(&self.core, level).head
            while timer != 0:
                switch = switch_at(&self.core.switches, timer_at(&self.core.timers, timer).owner)
                rows[i] = (
                    switch.account, timer_at(&self.core.timers, timer).expires, switch.sequence
                )
                i += 1
                timer = timer_at(&self.core.timers, timer).due_next
            level = ladder_after(&self.core.switches.due.ladder, level)
        return rows

    cdef object planned(self):
        """The changes of phase to come: array of checkpoint.PLAN."""
        rows = np.zeros(self.core.plans, _checkpoint.PLAN)
        for i in range(self.core.plans):
            rows[i]["time"] = self.core.plan[i].time
            rows[i]["sequence"] = self.core.plan[i].sequence
            rows[i]["phase"] = self.core.plan[i].phase
        return rows

    def checkpoint(self):
        """The state as canonical bytes, versioned and checksummed; see pricetime.checkpoint."""
        self.enter_idle()
        try:
            return _checkpoint.encode(self.state())
        finally:
            claim_give(&self.claim)

    @classmethod
    def restore(cls, data):
        """A book as `checkpoint` saved it; ValueError says what is wrong with the bytes."""
        cdef Book book = cls()
        book.load(_checkpoint.decode(data))
        return book

    cdef int load(self, state) except -1:
        header = state.header[0]
        self.load_header(header)
        self.load_plans(state.plans)
        self.load_orders(state.orders, state.extras)
        self.load_switches(state.switches)
        core_refresh_due(&self.core)
        core_refresh_modes(&self.core)
        self.core.left_crossed = core_crossed(&self.core)  # which an uncross may have done
        stamps = _checkpoint.stamps(state)
        if np.any(stamps[1:] == stamps[:-1]):
            raise ValueError("the checkpoint holds two things that have their time from one event")
        try:
            self.check()
        except AssertionError as error:
            raise ValueError(f"the checkpoint holds no possible book: {error}") from None
        orders, extras = self.saved()
        if not same(orders, state.orders) or not same(extras, state.extras):
            raise ValueError("the checkpoint's orders are not in canonical order")
        if not same(self.armed(), state.switches):
            raise ValueError("the checkpoint's switches are not in canonical order")
        return 0

    cdef int load_header(self, header) except -1:
        if not PHASE_PRE_OPEN <= header["phase"] <= PHASE_CLOSED:
            raise ValueError(f"the checkpoint has phase {header['phase']}, which is not known")
        for sound, what in (
            (header["reserved"] == 0, "a reserved field that is not 0"),
            (header["timestamp"] >= 0, "a negative time"),
            (header["last_known"] == (header["trades"] != 0), "a last price without a trade"),
            (header["last_known"] or header["last_price"] == 0, "a last price without a trade"),
            (abs(int(header["last_price"])) < _BOUND, "a last price that no trade can have"),
            (header["trades"] <= header["sequence"], "more trades than events"),
            (header["commands"] <= header["sequence"], "more commands than events"),
            (
                header["auction_end"] > header["timestamp"] or header["auction_end"] == 0,
                "an auction that has ended",
            ),
            (
                header["phase"] == PHASE_AUCTION or header["auction_end"] == 0,
                "the end of an auction in another phase",
            ),
            (
                (header["auction_end"] != 0) == (header["auction_sequence"] != 0)
                and header["auction_sequence"] <= header["sequence"],
                "the end of an auction that nothing has set",
            ),
        ):
            if not sound:
                raise ValueError(f"the checkpoint holds no possible book: it has {what}")
        values = {p.name.lower(): int(header["parameter"][p - 1]) for p in _Parameter}
        Book.__init__(
            self, max_orders=int(header["orders_max"]),
            **values,
        )
        self.core.phase = header["phase"]
        self.core.last_price = header["last_price"]
        self.core.commands = header["commands"]
        self.core.sequence = header["sequence"]
        self.core.trades = header["trades"]
        self.core.id_max = header["id_max"]
        self.core.now = header["timestamp"]
        if header["auction_end"] != 0:
            self.core.auction_end.time = header["auction_end"]
            self.core.auction_end.sequence = header["auction_sequence"]
        return 0

    cdef int load_plans(self, plans) except -1:
        if len(plans) > PLANS_MAX:
            raise ValueError(
                f"the checkpoint plans {len(plans)} phases, and at most {PLANS_MAX} can wait"
            )
        for i in range(len(plans)):
            if not PHASE_PRE_OPEN <= plans[i]["phase"] <= PHASE_CLOSED or plans[i]["reserved"] != 0:
                raise ValueError(f"the checkpoint plans an unknown phase, {plans[i]['phase']}")
            if not 0 < plans[i]["sequence"] <= self.core.sequence:
                raise ValueError("the checkpoint plans a phase that no event has acknowledged")
            self.core.plan[i].time = plans[i]["time"]
            self.core.plan[i].sequence = plans[i]["sequence"]
            self.core.plan[i].phase = plans[i]["phase"]
        self.core.plans = len(plans)
        return 0

    cdef int load_switches(self, switches) except -1:
        cdef Place place
        for switch in switches:
            account, expires, sequence = switch.tolist()
            found = switch_find(&self.core.switches, account, &place)
            if account == 0 or expires == 0 or found != 0:
                raise ValueError(f"the checkpoint's switch of account {account} cannot be armed")
            self.provide_one()
            switch_arm(&self.core.switches, &self.core.timers, account, expires, sequence)
        return 0

    cdef int load_orders(self, orders, extras) except -1:
        cdef const PlainRow* plain = <const PlainRow*> address(orders)
        cdef const ExtraRow* extra = <const ExtraRow*> address(extras)
        cdef const ExtraRow* end = extra + len(extras)
        cdef uint64_t count = len(orders)
        cdef uint64_t place
        cdef bint more
        cdef OrderRow row
        self.reserve_orders(count)
        for place in range(count):
            self.provide_one()
            if place + LOAD_AHEAD < count:
                load_ahead(&self.core, plain + place + LOAD_AHEAD)
            more = extra != end and extra.place == place
            saved_join(plain + place, extra if more else NULL, &row)
            extra += more
            if not load_order(&self.core, &row):
                raise ValueError(f"the checkpoint's order {row.order_id} cannot be in a book")
        self.load_all_links(orders, extras)
        self.load_expiries(orders)
        return 0

    cdef int load_all_links(self, orders, extras) except -1:
        cdef const ExtraRow* extra
        cdef Py_ssize_t i
        linked = extras[(extras["partner"] != 0) | (extras["parent"] != 0)]
        linked = linked[np.argsort(orders["accepted"][linked["place"]])]
        extra = <const ExtraRow*> address(linked)
        for i in range(len(linked)):
            self.provide_one()
            if not load_links(&self.core, extra[i].place + 1, extra + i):
                order_id = orders["order_id"][extra[i].place]
                raise ValueError(f"the checkpoint's order {order_id} has impossible links")
        return 0

    cdef int load_expiries(self, orders) except -1:
        """In order of acceptance, in which orders of one second fall due."""
        cdef const PlainRow* plain = <const PlainRow*> address(orders)
        cdef const int64_t* place
        cdef Py_ssize_t i
        places = np.flatnonzero(orders["expires"])
        places = places[np.argsort(orders["accepted"][places])].astype(np.int64, copy=False)
        place = <const int64_t*> address(places)
        for i in range(len(places)):
            self.provide_one()
            core_set_timer(&self.core, place[i] + 1, plain[place[i]].expires)
        return 0

    cdef inline int provide_one(self) except -1:
        """Makes sure of memory for one order more."""
        if self.core.spare == 0 and not spare_refresh(&self.core):
            self.provide(False)
        self.core.spare -= 1
        return 0

    cdef int reserve_orders(self, uint64_t count) except -1:
        """Makes memory for so many orders at once; levels and nodes grow as they come."""
        self.memory_orders.reserve(count + 1 + SPARE_MIN)
        self.memory_terms.reserve(self.core.orders.capacity)
        self.memory_buckets.reserve(count // FILL + 2)
        self.core.spare = 0
        return 0

    def state_hash(self):
        """The state's name, 32 hexadecimal digits: equal for books that would behave alike.

        Left out are the numbers that merely count (commands, sequence, trades), and with them the
        way that led here.
        """
        self.enter_idle()
        try:
            return _checkpoint.state_hash(self.state())
        finally:
            claim_give(&self.claim)

    def check(self):
        """Walks the whole book: links, totals, order, index; AssertionError says what is wrong."""
        cdef Fault found
        self.enter_idle()
        with nogil:
            found = walk(&self.core)
        claim_give(&self.claim)
        if found.kind != 0:
            first, second = found.first, found.second
            if found.kind in FAULTS_SIGNED:
                first, second = <int64_t> found.first, <int64_t> found.second
            raise AssertionError(FAULT_TEXT[found.kind].format(first, second))

    def __reduce__(self):
        return type(self).restore, (self.checkpoint(),)

    def __copy__(self):
        return type(self).restore(self.checkpoint())

    def __deepcopy__(self, memo):
        return type(self).restore(self.checkpoint())
