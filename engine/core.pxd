# The core: the whole state of one book, and the verbs that bring an order in and take it out.
#
# One command at a time. A command that makes more events than there is room for, or needs more
# memory, stops between two events, with `stage` saying where, and goes on when there is room again:
# so the memory for events is the caller's buffer, however many orders a command meets.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.account cimport Accounts, account_enter, account_leave
from engine.arm cimport Switches
from engine.bits cimport bits_likely, bits_prefetch, bits_unlikely
from engine.due cimport Due, due_clear, due_set
from engine.index cimport (
    Bucket, Index, Place, index_chain, index_erase, index_find, index_insert, index_locate,
    index_tag,
)
from engine.ladder cimport LADDERS, Ladder, Level, ladder_after, ladder_drop, ladder_level
from engine.order cimport (
    RARE_BIT, STATE_ENTERING, STATE_FREE, STATE_QUEUED, STATE_RESTING, STATE_SLEEPING,
    STATE_WAITING, TIMED_BIT, Order, Rare, Terms, order_at, order_level, order_marked,
    order_rare, queue_append, queue_remove, queue_unlink, rare_at, terms_at, timer_at,
    type_trailing,
)
from engine.records cimport *
from engine.slab cimport Slab, slab_give, slab_give_at, slab_take
from engine.trail cimport Trail, trail_remove

cdef enum:
    ROOM = 24          # events that must fit before a command is begun or gone on with
    ROOM_STEP = 23     # the same for a step: more than any makes; one is for what was kept back
    AHEAD = 32         # commands that are looked at ahead, with some to spare; a power of two
    PLANS_MAX = 64     # phase changes that can wait for their time
    FLAGS_RARE = 500   # HIDDEN, ALL_OR_NONE, ICEBERG, MINIMUM, OCO, ON_FILL: need a Rare record
    FLAGS_SECOND = 20  # HIDDEN, ALL_OR_NONE: rest in a level's second queue

cdef enum:             # which ladder; even ones have the highest price first
    LADDER_BUYS = 0
    LADDER_SELLS = 1
    LADDER_SECOND = 2  # plus side: the second queues, of hidden and all-or-none orders
    LADDER_MARKET = 4  # plus side: market orders that rest, one level at price 0
    LADDER_FALL = 6    # triggers that a last price at or below them meets
    LADDER_RISE = 7    # triggers that a last price at or above them meets

cdef enum:             # Stage: whether a command is being carried out, and where it goes on
    STAGE_IDLE = 0     # no command is being carried out
    STAGE_MATCH = 1    # the taker meets makers
    STAGE_NEXT = 2     # whatever comes next; see command_go_on

cdef enum:             # Turnover: how far a change of phase has come
    TURN_NONE = 0
    TURN_UNCROSS = 1   # orders trade at the uncross price
    TURN_REFRESH = 2   # icebergs that have traded show their slices
    TURN_LEFT = 3      # what the auction left over is cancelled
    TURN_ENTER = 4     # the phase begins

cdef enum:             # modes: what plain matching does not know
    MODE_PRO_RATA = 1
    MODE_GUARDED = 2   # a collar or a band
    MODE_RARE = 4      # there are Rare records
    MODE_PHASE = 8     # another phase than CONTINUOUS reigns


cdef struct Taker:         # an order on its way in: new, re-entering after an amend, fired, woken
    uint64_t id
    int64_t price          # ticks; 0 for a market order
    int64_t trigger        # ticks; 0 without
    int64_t quantity       # lots: traded plus remaining
    int64_t remaining      # lots; of a quote quantity, ticks times lots
    uint64_t limit         # the worst key, in the other side's ladder, that it trades at
    uint64_t accepted
    uint64_t priority
    uint64_t link          # order id or lots: what `slot` of the command says, by flag
    uint32_t account
    uint32_t expires       # seconds; 0: does not expire
    uint32_t slot          # where it lives already; 0: it gets a slot when it rests
    uint32_t rare          # its Rare record; 0: it has none
    uint16_t flags         # as Terms has them
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t stp            # as the order has it; DEFAULT is looked up when it matters
    uint32_t tag           # of the id
    uint32_t level         # a guess: where it may rest
    int64_t found          # ticks: the price of the first maker that had its turn
    int64_t before         # ticks: the last price before its step
    uint8_t odd            # it is anything but a limit order that may trade and rest
    uint8_t found_known
    uint8_t before_known
    uint8_t gone           # what was left of it has been cancelled
    uint8_t still          # it rests without a step; then it is odd
    uint8_t spends         # a quote quantity
    uint8_t stopped        # why it meets nobody else: COLLAR, BAND, IOC; then it is odd; or 0


cdef struct Coming:        # a command on its way, copied when it was first looked at
    Command command
    uint32_t tag           # of the order id that it names
    uint32_t level         # for NEW, a guess: the level of its price when looked for; or 0
    Bucket* bucket         # a guess: where the index has its id


cdef struct Cursor:        # where in a side's second queues a walk has come; see cursor_find
    bint set               # False: it begins at the best
    uint32_t level         # 0: at the end
    uint32_t slot          # 0: the level is done


cdef struct Round:         # of a pro-rata level; see allocation
    uint32_t next          # the maker that comes next, on the worklist; 0: no round is going on
    bint own               # the taker's own orders have their turns, before any trade
    int64_t price          # ticks
    int64_t rest           # lots to be given by size
    int64_t shown          # lots displayed by those who take part
    int64_t left           # lots that rounding has left, which are given by time
    int64_t first          # lots of the first order, where it has priority; 0: it has had them


cdef struct Plan:          # a change of phase to come
    int64_t time           # ns
    uint64_t sequence      # of the event that set it; of an auction's end, behind the orders that
                           # the same command accepted
    uint64_t command
    uint8_t phase


cdef struct Core:
    # where events go
    Event* event           # the next one to write
    Event* event_begin     # of the buffer
    Event* event_end
    Event kept             # the last event of a command that has stopped: it may prove to be LAST
    bint keeps             # whether there is one
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
    uint8_t modes
    # the command that is being carried out, and those that come
    Coming[AHEAD] coming   # a ring; see run
    Coming* doing          # the one that is being carried out, in its place until it is done
    uint8_t stage
    uint8_t agenda         # something may be left to do behind the taker's own step
    bint passing           # time passes, before the command itself
    uint64_t begun         # sequence of the last event of what fell due before the command itself
    uint8_t turn           # Turnover
    uint8_t turn_phase     # the phase that it leads to
    int64_t uncross        # ticks: the price of the uncross
    bint left_crossed      # the last uncross left the book crossed, as an OCO leg left on its way
    uint32_t touched       # icebergs that it has traded with, by the worklist's link
    uint8_t serve_reason   # why the worklist's orders go; 0: each by its own
    uint32_t serve         # the worklist's first order
    Taker taker            # in STAGE_MATCH
    Taker[2] quote         # the sides of a quote, as it wants them
    uint8_t[2] quote_action # what becomes of them
    uint8_t quote_next     # the side that comes next; 2: none
    Round round
    Cursor[2] cursor       # by side
    uint64_t dry_runs      # counts them: what one has found gone carries its number
    # what is alive
    Slab orders            # Order; the slot of an order is the same in `terms`
    Slab terms             # Terms
    Slab rares             # Rare
    Slab timers            # Timer
    Slab levels            # Level, of all ladders
    Slab nodes             # Node, of all ladders
    Slab shares            # int64_t by slot, where matching is pro rata: scratch of a dry run
    Index ids              # of orders
    Ladder[LADDERS] ladder
    Trail[2] trail         # of buys, of sells
    Level queued           # orders that have fired or been freed
    Level sleepers         # orders that sleep until the next auction, by time
    uint32_t waiting       # orders that wait for their triggers
    uint32_t icebergs      # live ones
    Due due                # orders that expire
    Switches switches
    Plan[PLANS_MAX] plan   # in the order in which they fall due
    uint32_t plans
    Plan auction_end       # of the auction that a band has called; time NEVER: none
    int64_t next_due       # ns; NEVER where nothing falls due
    Accounts accounts
    uint32_t spare         # commands that can surely be taken before memory must be looked at
    bint set_ready         # there is memory for what the next command, a SET, may begin to count


cdef inline Ladder* core_ladder(Core* core, uint8_t side) noexcept nogil:
    """The displayed orders of a side."""
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
    return 1 + (level.leaf_number & 1)


cdef inline Ladder* level_ladder(Core* core, const Level* level) noexcept nogil:
    return &core.ladder[level.leaf_number % LADDERS]


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


cdef inline bint core_counts_accounts(const Core* core) noexcept nogil:
    return bits_unlikely(core.parameter[PARAMETER_ORDERS_PER_ACCOUNT] != 0)


cdef inline void core_refresh_modes(Core* core) noexcept nogil:
    """To be called when a parameter or the phase changes, or the first Rare comes or goes."""
    core.modes = MODE_PRO_RATA if core.parameter[PARAMETER_MATCHING] == 2 else 0
    if core.rares.live != 0:
        core.modes |= MODE_RARE
    if core.phase != PHASE_CONTINUOUS:
        core.modes |= MODE_PHASE
    if (
        core.parameter[PARAMETER_COLLAR] != 0 or core.parameter[PARAMETER_STATIC_BAND] != 0
        or core.parameter[PARAMETER_DYNAMIC_BAND] != 0
    ):
        core.modes |= MODE_GUARDED


cdef inline void core_refresh_due(Core* core) noexcept nogil:
    """To be called when something that falls due has come or gone."""
    core.next_due = min(core.due.next, core.switches.due.next)
    core.next_due = min(core.next_due, core.auction_end.time)
    if core.plans != 0:
        core.next_due = min(core.next_due, core.plan[0].time)


# --- one order, wherever it is


cdef inline int64_t order_price(const Core* core, uint32_t slot, const Order* order) noexcept nogil:
    """As events show it: 0 of a market order, of a waiting trailing limit its distance."""
    if bits_unlikely(order_rare(order)):
        if core_rare(core, slot).state != STATE_RESTING:
            return core_rare(core, slot).price
    return core_level(core, order_level(order)).price


cdef inline uint8_t order_side(const Core* core, uint32_t slot, const Order* order) noexcept nogil:
    if bits_unlikely(order_rare(order)):
        return core_rare(core, slot).side
    return level_side(core_level(core, order_level(order)))


cdef inline int64_t order_traded(const Core* core, uint32_t slot) noexcept nogil:
    """Lots that it has traded in its life."""
    return core_terms(core, slot).quantity - core_order(core, slot).remaining


cdef inline uint32_t core_expires(const Core* core, uint32_t slot) noexcept nogil:
    """When it expires, in seconds; 0: never."""
    cdef Order* order = core_order(core, slot)
    cdef uint32_t timer
    if not order_marked(order):
        return 0
    timer = core_rare(core, slot).timer if order_rare(order) else core_terms(core, slot).rare
    return timer_at(&core.timers, timer).expires if timer != 0 else 0


cdef inline bint core_crossed(const Core* core) noexcept nogil:
    """Whether the displayed best prices meet."""
    cdef uint32_t bid = core.ladder[LADDER_BUYS].best
    cdef uint32_t ask = core.ladder[LADDER_SELLS].best
    return bid != 0 and ask != 0 and core_level(core, bid).price >= core_level(core, ask).price


# --- leaving


cdef inline void core_end(
    Core* core, uint32_t slot, Order* order, Bucket* chain
) noexcept nogil:
    """Ends an order that is in no queue and whose chain in the index is this."""
    cdef Place place
    place.item = order
    index_locate(&core.ids, chain, slot, &place)
    core_release(core, slot, &place)


cdef inline void core_release(Core* core, uint32_t slot, const Place* place) noexcept nogil:
    """Ends an order that is in no queue; `place` is where the index has it."""
    cdef Order* order = <Order*> place.item
    index_erase(&core.ids, place)
    if bits_unlikely(order_marked(order)):
        core_release_marked(core, slot, order)
    if core_counts_accounts(core):
        account_leave(&core.accounts, order.account)
    order.remaining = 0
    bits_prefetch(core_terms(core, slot))  # the next order will get this slot
    slab_give_at(&core.orders, slot, order)


cdef inline void core_release_marked(Core* core, uint32_t slot, const Order* order) noexcept nogil:
    """Takes back its Rare and its Timer."""
    cdef uint32_t timer = core_terms(core, slot).rare
    cdef Rare* rare
    if order_rare(order):
        rare = core_rare(core, slot)
        timer = rare.timer
        rare.state = STATE_FREE
        core.icebergs -= core_terms(core, slot).flags & FLAG_ICEBERG != 0
        slab_give(&core.rares, core_terms(core, slot).rare, sizeof(Rare))
        if core.rares.live == 0:
            core_refresh_modes(core)
    if timer != 0:
        due_clear(&core.due, &core.timers, timer)
        core_refresh_due(core)


cdef inline void core_drop(Core* core, uint32_t slot) noexcept nogil:
    """Ends an order that has no links, wherever it is."""
    cdef Order* order = core_order(core, slot)
    core_detach(core, slot, order)
    core_end(core, slot, order, core_chain(core, order))


cdef inline void core_detach(Core* core, uint32_t slot, Order* order) noexcept nogil:
    """Takes an order out of the queue that it is in; it stays alive."""
    cdef Level* level
    if bits_unlikely(order_rare(order)):
        core_detach_rare(core, slot, order)
        return
    level = core_level(core, order_level(order))
    queue_remove(level_ladder(core, level), level, &core.orders, order)


cdef inline void core_detach_rare(Core* core, uint32_t slot, Order* order) noexcept nogil:
    cdef Rare* rare = core_rare(core, slot)
    cdef Level* level = core_level(core, order_level(order))
    if rare.state == STATE_RESTING:
        if level.leaf_number % LADDERS - rare.side + 1 == LADDER_SECOND:
            cursor_pass(core, rare.side, slot, order)
        queue_remove(level_ladder(core, level), level, &core.orders, order)
    elif rare.state == STATE_WAITING:
        core.waiting -= 1
        if type_trailing(core_terms(core, slot).order_type):
            trail_remove(&core.rares, &core.trail[rare.side - 1], core_terms(core, slot).rare)
        else:
            queue_unlink(level, &core.orders, order)
            if level.orders == 0:
                ladder_drop(level_ladder(core, level), order_level(order))
    elif rare.state == STATE_QUEUED:
        queue_unlink(&core.queued, &core.orders, order)
    elif rare.state == STATE_SLEEPING:
        if rare.parent != 0:
            core_orphan(core, rare, slot)
        else:
            queue_unlink(&core.sleepers, &core.orders, order)
    rare.state = STATE_ENTERING


cdef inline void core_orphan(Core* core, Rare* child, uint32_t slot) noexcept nogil:
    """Takes a sleeping child from its parent."""
    cdef Rare* parent = core_rare(core, child.parent)
    if parent.child[0] == slot:
        parent.child[0] = parent.child[1]
    parent.child[1] = 0
    child.parent = 0


cdef inline void cursor_pass(
    Core* core, uint8_t side, uint32_t slot, const Order* order
) noexcept nogil:
    """Moves the side's cursor off an order that leaves its second queue."""
    cdef Cursor* cursor = &core.cursor[side - 1]
    if not cursor.set or cursor.level != order_level(order):
        return
    if cursor.slot == slot:
        cursor.slot = order.next
    if core_level(core, cursor.level).orders == 1:
        cursor.level = ladder_after(&core.ladder[LADDER_SECOND + side - 1], cursor.level)
        cursor.slot = core_level(core, cursor.level).head


# --- entering


cdef inline bint taker_odd(uint8_t order_type, uint16_t flags, uint8_t tif) noexcept nogil:
    """Whether an order of these terms is anything but a limit order that may trade and rest."""
    return order_type != LIMIT or flags != 0 or tif == TIF_AUCTION or tif == TIF_FOK


cdef inline bint taker_special(const Taker* taker) noexcept nogil:
    """Whether it needs a Rare record."""
    return (
        taker.flags & FLAGS_RARE != 0 or taker.order_type > LIMIT or taker.tif == TIF_AUCTION
    )


cdef inline uint32_t taker_ladder(const Taker* taker) noexcept nogil:
    """In which ladder it rests."""
    if bits_likely(not taker.odd):
        return taker.side - 1
    if taker.order_type == MARKET:
        return LADDER_MARKET + taker.side - 1
    if taker.flags & FLAGS_SECOND:
        return LADDER_SECOND + taker.side - 1
    return taker.side - 1


cdef inline void core_attach(Core* core, const Taker* taker, uint32_t level_at) noexcept nogil:
    """Lets what remains of the taker rest at a level that has room for it."""
    cdef uint32_t slot = taker.slot if taker.slot != 0 else core_admit(core, taker)
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    terms.quantity = taker.quantity
    terms.priority = taker.priority
    order.remaining = taker.remaining
    if bits_unlikely(taker.rare != 0):
        core_attach_rare(core, taker)
    queue_append(core_level(core, level_at), level_at, &core.orders, order, slot)


cdef inline void core_attach_rare(Core* core, const Taker* taker) noexcept nogil:
    """Shows the first slice of an iceberg."""
    cdef Rare* rare = rare_at(&core.rares, taker.rare)
    rare.state = STATE_RESTING
    rare.displayed = min(rare.slot, taker.remaining) if taker.flags & FLAG_ICEBERG else 0


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
    order.level_marks = 0
    terms.accepted = taker.accepted
    terms.rare = 0
    terms.order_type = taker.order_type
    terms.tif_stp = taker.tif | taker.stp << 4
    terms.flags = taker.flags
    index_insert(&core.ids, taker.tag, slot, core.orders.live - 1)
    if bits_unlikely(taker.expires != 0):
        core_admit_timer(core, slot, taker.expires)
    if core_counts_accounts(core):
        account_enter(&core.accounts, taker.account)
    return slot


cdef inline void core_admit_timer(Core* core, uint32_t slot, uint32_t expires) noexcept nogil:
    """Lets a new order expire: before the end of an auction that its command has seen begin."""
    core_set_timer(core, slot, expires)
    if core.auction_end.command == core.commands:
        core.auction_end.sequence = core.sequence


cdef inline void core_set_timer(Core* core, uint32_t slot, uint32_t expires) noexcept nogil:
    """Lets an order expire."""
    cdef uint32_t added = due_set(&core.due, &core.timers, slot, expires)
    if order_rare(core_order(core, slot)):
        core_rare(core, slot).timer = added
    else:
        core_order(core, slot).level_marks |= <uint32_t> 1 << TIMED_BIT
        core_terms(core, slot).rare = added
    core_refresh_due(core)


cdef inline uint32_t core_admit_rare(
    Core* core, uint32_t slot, uint8_t side, uint8_t state
) noexcept nogil:
    """Gives a live order a Rare record."""
    cdef uint32_t added = slab_take(&core.rares, sizeof(Rare))
    cdef Rare* rare = rare_at(&core.rares, added)
    cdef Order* order = core_order(core, slot)
    rare.order = slot
    rare.timer = core_terms(core, slot).rare if order_marked(order) else 0
    rare.link = rare.partner = rare.parent = rare.child[0] = rare.child[1] = 0
    rare.newer = rare.older = 0
    rare.side = side
    rare.state = state
    rare.fired = rare.touched = 0
    rare.price = rare.trigger = rare.reference = rare.slot = rare.displayed = rare.noted = 0
    rare.seen = 0
    order.level_marks |= <uint32_t> 1 << RARE_BIT
    core_terms(core, slot).rare = added
    if core.rares.live == 1:
        core_refresh_modes(core)
    return added


cdef inline void core_admit_special(Core* core, Taker* taker) noexcept nogil:
    """Gives an accepted taker that needs them a slot and a Rare record, before it does anything."""
    cdef Rare* rare
    taker.slot = core_admit(core, taker)
    core_order(core, taker.slot).remaining = taker.remaining
    core_terms(core, taker.slot).quantity = taker.quantity
    core_terms(core, taker.slot).priority = taker.priority
    taker.rare = core_admit_rare(core, taker.slot, taker.side, STATE_ENTERING)
    rare = rare_at(&core.rares, taker.rare)
    rare.price = taker.price
    rare.trigger = taker.trigger
    core.icebergs += taker.flags & FLAG_ICEBERG != 0
    if taker.flags & (FLAG_ICEBERG | FLAG_MINIMUM):
        rare.slot = <int64_t> taker.link
