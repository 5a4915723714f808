# The core: the whole state of one book, and the verbs that bring an order in and take it out.
#
# One command at a time. A command that makes more events than there is room for stops between two
# of them, with `stage` saying where, and goes on when there is room again: so the memory for events
# is the caller's buffer, however many orders a command meets.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.account cimport Accounts, account_enter, account_leave
from engine.bits cimport bits_prefetch, bits_unlikely
from engine.due cimport Due, due_add, due_remove
from engine.index cimport (
    Bucket, Index, Place, index_chain, index_erase, index_find, index_insert, index_locate,
    index_tag,
)
from engine.ladder cimport Ladder, Level, ladder_level
from engine.order cimport (
    RARE_SHIFT, Order, Rare, Terms, order_at, order_level, order_rare, queue_append, queue_remove,
    rare_at, terms_at,
)
from engine.records cimport PARAMETER_ORDERS_PER_ACCOUNT, PARAMETERS, Command, Event
from engine.slab cimport Slab, slab_give, slab_give_at, slab_take

cdef enum:
    ROOM = 4           # events that must fit before a command is taken: more than any makes unasked
                       # (REPLACED, ACCEPTED, CANCELLED)
    AHEAD = 32         # commands that are looked at ahead, with some to spare; a power of two

cdef enum:             # Stage: where a command goes on that ran out of room
    STAGE_IDLE = 0     # no command is being carried out
    STAGE_DUE = 1      # time passes: orders expire
    STAGE_MATCH = 2    # the taker meets makers
    STAGE_SERVE = 3    # the worklist's orders are cancelled


cdef struct Taker:         # an order on its way in: new, or re-entering after an amend
    uint64_t id
    int64_t price          # ticks; 0 for a market order
    int64_t quantity       # lots: traded plus remaining
    int64_t remaining      # lots
    uint64_t limit         # the worst key, in the other side's ladder, that it trades at
    uint64_t accepted
    uint64_t priority
    uint32_t account
    uint32_t expires       # seconds; 0: does not expire
    uint32_t slot          # where it lives already, if it re-enters; else 0
    uint16_t flags
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t stp            # as the order has it; DEFAULT is looked up when it matters
    uint32_t tag           # of the id
    uint32_t level         # a guess: where it may rest
    bint gone              # self-trade prevention has cancelled what was left


cdef struct Coming:        # a command on its way, copied when it was first looked at
    Command command
    uint32_t tag           # of the order id that it names
    uint32_t level         # for NEW, a guess: the level of its price when looked for; or 0
    Bucket* bucket         # a guess: where the index has its id


cdef struct Core:
    # where events go
    Event* event           # the next one to write
    Event* event_end
    # what has been: counters that number things and decide nothing
    uint64_t commands
    uint64_t sequence
    uint64_t trades
    uint64_t id_max        # the highest id accepted so far
    # the state proper, with the orders below
    int64_t now            # ns
    int64_t last_price     # ticks, of the last trade; means nothing where there was none
    int64_t[PARAMETERS] parameter # by Parameter
    uint32_t orders_max
    uint8_t phase
    # the command that is being carried out, and those that come
    Coming[AHEAD] coming   # a ring; see run
    Coming* doing          # the one that is being carried out, in its place until it is done
    uint8_t stage
    uint8_t serve_reason   # why the worklist's orders go
    uint32_t serve         # the worklist's first order
    Taker taker            # in STAGE_MATCH
    # what is alive
    Slab orders            # Order; the slot of an order is the same in `terms`
    Slab terms             # Terms
    Slab rares             # Rare
    Slab levels            # Level, of all ladders
    Slab nodes             # Node, of all ladders
    Index ids              # of orders
    Ladder[2] ladder       # buys, sells
    Due due
    Accounts accounts
    uint32_t spare         # commands that can surely be taken before memory must be looked at
    bint set_ready         # there is memory for what the next command, a SET, may begin to count


cdef inline Ladder* core_ladder(Core* core, uint8_t side) noexcept nogil:
    return &core.ladder[side - 1]


cdef inline Order* core_order(const Core* core, uint32_t slot) noexcept nogil:
    return order_at(&core.orders, slot)


cdef inline Terms* core_terms(const Core* core, uint32_t slot) noexcept nogil:
    return terms_at(&core.terms, slot)


cdef inline Rare* core_rare(const Core* core, uint32_t slot) noexcept nogil:
    """The rare record of an order that has one."""
    return rare_at(&core.rares, core_terms(core, slot).rare)


cdef inline Level* core_level(const Core* core, uint32_t level) noexcept nogil:
    return ladder_level(&core.ladder[0], level)


cdef inline uint8_t level_side(const Level* level) noexcept nogil:
    return 1 + (level.leaf_side & 1)


cdef inline Py_ssize_t core_room(const Core* core) noexcept nogil:
    """How many events can be written."""
    return core.event_end - core.event


cdef inline uint32_t core_find(
    const Core* core, uint64_t order_id, uint32_t tag, Place* place
) noexcept nogil:
    """The slot of a live order, its address and where the index has it; or 0."""
    return index_find(&core.ids, &core.orders, sizeof(Order), order_id, tag, place)


cdef inline uint32_t core_find_id(const Core* core, uint64_t order_id, Place* place) noexcept nogil:
    """The same, where the tag is not known."""
    return core_find(core, order_id, index_tag(order_id), place)


cdef inline Bucket* core_chain(const Core* core, const Order* order) noexcept nogil:
    """The first bucket of the chain where the index has a live order."""
    return index_chain(&core.ids, index_tag(order.id))


cdef inline void core_end(
    Core* core, uint32_t slot, Order* order, Bucket* chain
) noexcept nogil:
    """Ends an order that is in no queue and whose chain in the index is this."""
    cdef Place place
    place.item = order
    index_locate(&core.ids, chain, slot, &place)
    core_release(core, slot, &place)


cdef inline bint core_counts_accounts(const Core* core) noexcept nogil:
    return bits_unlikely(core.parameter[PARAMETER_ORDERS_PER_ACCOUNT] != 0)


cdef inline void core_release(Core* core, uint32_t slot, const Place* place) noexcept nogil:
    """Ends an order that is in no queue; `place` is where the index has it."""
    cdef Order* order = <Order*> place.item
    index_erase(&core.ids, place)
    if bits_unlikely(order_rare(order)):
        core_release_rare(core, slot)
    if core_counts_accounts(core):
        account_leave(&core.accounts, order.account)
    order.remaining = 0
    bits_prefetch(core_terms(core, slot))  # the next order will get this slot
    slab_give_at(&core.orders, slot, order)


cdef inline void core_release_rare(Core* core, uint32_t slot) noexcept nogil:
    cdef uint32_t rare = core_terms(core, slot).rare
    if rare_at(&core.rares, rare).expires != 0:
        due_remove(&core.due, &core.rares, rare)
    slab_give(&core.rares, rare, sizeof(Rare))


cdef inline void core_drop(Core* core, uint32_t slot) noexcept nogil:
    """Ends a resting order."""
    cdef Order* order = core_order(core, slot)
    core_detach(core, order)
    core_end(core, slot, order, core_chain(core, order))


cdef inline void core_detach(Core* core, const Order* order) noexcept nogil:
    """Takes an order out of its queue; it stays alive."""
    cdef Level* level = core_level(core, order_level(order))
    queue_remove(core_ladder(core, level_side(level)), level, &core.orders, order)


cdef inline void core_attach(Core* core, const Taker* taker, uint32_t level_at) noexcept nogil:
    """Lets what remains of the taker rest at a level that has room for it."""
    cdef uint32_t slot = taker.slot if taker.slot != 0 else core_admit(core, taker)
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    terms.quantity = taker.quantity
    terms.priority = taker.priority
    order.remaining = taker.remaining
    queue_append(core_level(core, level_at), level_at, &core.orders, order, slot)


cdef inline uint32_t core_admit(Core* core, const Taker* taker) noexcept nogil:
    """A slot for a new order, in the index; quantities, priority and queue are the caller's."""
    cdef uint32_t slot = slab_take(&core.orders, sizeof(Order))
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms
    # Orders and terms share their numbers: only the orders keep a list of free ones.
    core.terms.used = core.orders.used
    terms = core_terms(core, slot)
    order.id = taker.id
    order.account = taker.account
    order.level_rare = 0
    terms.accepted = taker.accepted
    terms.rare = 0
    terms.order_type = taker.order_type
    terms.tif_stp = taker.tif | taker.stp << 4
    terms.flags = taker.flags
    index_insert(&core.ids, taker.tag, slot, core.orders.live - 1)
    if bits_unlikely(taker.expires != 0):
        core_admit_rare(core, slot, taker.expires)
    if core_counts_accounts(core):
        account_enter(&core.accounts, taker.account)
    return slot


cdef inline void core_admit_rare(Core* core, uint32_t slot, uint32_t expires) noexcept nogil:
    """Gives an order its rare record."""
    cdef uint32_t added = slab_take(&core.rares, sizeof(Rare))
    cdef Rare* rare = rare_at(&core.rares, added)
    rare.order = slot
    rare.link = 0
    rare.expires = expires
    core_order(core, slot).level_rare |= <uint32_t> 1 << RARE_SHIFT
    core_terms(core, slot).rare = added
    due_add(&core.due, &core.rares, added)
