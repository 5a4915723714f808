# The walk: everything that must hold in a book between two commands, checked from one end to the
# other. Answers with the first thing that does not. It is for bugs in the kernels, not for bytes
# from outside: those are screened.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.account cimport account_at, account_find
from engine.core cimport (
    FLAGS_RARE, FLAGS_SECOND, LADDER_BUYS, LADDER_FALL, LADDER_MARKET, LADDER_SECOND,
    LADDER_SELLS, STAGE_IDLE, Core, core_counts_accounts, core_crossed, core_find_id,
    core_level, core_order, core_rare, core_terms, level_side,
)
from engine.fault cimport (
    FAULT_ACCOUNT, FAULT_CROSSED, FAULT_INDEX_ENTRY, FAULT_LEVEL_ORDERS, FAULT_LEVEL_TOTAL,
    FAULT_NONE, FAULT_ORDER_COUNT, FAULT_ORDER_TERMS, FAULT_QUEUE_LINK, FAULT_QUEUE_TIME,
    FAULT_RARE, FAULT_STAGE, Fault, fault,
)
from engine.index cimport Place
from engine.ladder cimport LADDERS, Level, ladder_after, ladder_find
from engine.order cimport (
    FLAGS_MASK, STATE_FREE, STATE_RESTING, STATE_SLEEPING, STATE_WAITING, Order, Rare, Terms,
    order_level, order_marked, order_rare, rare_at, terms_stp, terms_tif, timer_at,
    type_trailing,
)
from engine.records cimport *
from engine.screen cimport price_sound, quantity_sound
from engine.walk_due cimport walk_times
from engine.walk_rare cimport walk_rares, walk_trails
from engine.walk_shape cimport walk_index, walk_ladders, walk_slabs


cdef inline Fault walk(Core* core) noexcept nogil:
    cdef Fault found
    if core.stage != STAGE_IDLE:
        return fault(FAULT_STAGE, core.stage, 0)
    found = walk_slabs(core)
    if found.kind == FAULT_NONE:
        found = walk_ladders(core)
    if found.kind == FAULT_NONE:
        found = walk_queues(core)
    if found.kind == FAULT_NONE:
        found = walk_index(&core.ids, core.orders.live)
    if found.kind == FAULT_NONE:
        found = walk_rares(core)
    if found.kind == FAULT_NONE:
        found = walk_trails(core)
    if found.kind == FAULT_NONE:
        found = walk_times(core)
    if found.kind == FAULT_NONE and core_counts_accounts(core):
        found = walk_accounts(core)
    if found.kind == FAULT_NONE and not core.left_crossed and core_crossed(core):
        if core.phase == PHASE_CONTINUOUS or core.phase == PHASE_POST_ONLY:
            return fault(
                FAULT_CROSSED,
                <uint64_t> core_level(core, core.ladder[LADDER_BUYS].best).price,
                <uint64_t> core_level(core, core.ladder[LADDER_SELLS].best).price,
            )
    return found


# --- queues and orders


cdef inline Fault walk_order(Core* core, uint32_t slot) noexcept nogil:
    """One order, wherever it is: its terms, its records, and the one entry that names it."""
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    cdef uint8_t tif = terms_tif(terms)
    cdef uint16_t flags = terms.flags & FLAGS_MASK
    cdef uint32_t timer = terms.rare
    cdef Place place
    if (
        not quantity_sound(order.remaining) or not quantity_sound(terms.quantity)
        or order.remaining > terms.quantity or terms_stp(terms) > STP_ALLOW or order.id == 0
        or terms.accepted == 0 or terms.priority < terms.accepted
        or terms.priority > core.sequence or order.id > core.id_max
        or not MARKET <= terms.order_type <= TRAILING_STOP_LIMIT
        or (tif == TIF_DAY and core.phase == PHASE_CLOSED)
    ):
        return fault(FAULT_ORDER_TERMS, order.id, slot)
    if order_rare(order):
        if terms.rare >= core.rares.used or core_rare(core, slot).order != slot:
            return fault(FAULT_RARE, order.id, terms.rare)
        timer = core_rare(core, slot).timer
    elif flags & FLAGS_RARE or terms.order_type > LIMIT or tif == TIF_AUCTION:
        return fault(FAULT_RARE, order.id, 0)
    if (timer != 0) != (tif == TIF_GTD) or (not order_marked(order) and terms.rare != 0):
        return fault(FAULT_RARE, order.id, terms.rare)
    if timer != 0:
        if timer >= core.timers.used or timer_at(&core.timers, timer).owner != slot:
            return fault(FAULT_RARE, order.id, timer)
    if core_find_id(core, order.id, &place) != slot:
        return fault(FAULT_INDEX_ENTRY, order.id, slot)
    return fault(FAULT_NONE, 0, 0)


cdef inline bint walk_rests(Core* core, uint32_t slot, const Level* level) noexcept nogil:
    """Whether a resting order is of the kind that its level holds."""
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    cdef uint32_t number = level.leaf_number % LADDERS
    cdef uint32_t kind = number & ~<uint32_t> 1
    cdef uint8_t tif = terms_tif(terms)
    cdef Rare* rare
    if tif == TIF_IOC or tif == TIF_FOK or not price_sound(level.price):
        return False
    if tif == TIF_AUCTION and kind != LADDER_MARKET:
        if core.phase == PHASE_CONTINUOUS or core.phase == PHASE_POST_ONLY:
            return False
    if kind == LADDER_MARKET:
        if terms.order_type != MARKET or core.phase == PHASE_CONTINUOUS or level.price != 0:
            return False
    elif terms.order_type != LIMIT or (kind == LADDER_SECOND) != (
        terms.flags & FLAGS_SECOND != 0
    ):
        return False
    if not order_rare(order):
        return True
    rare = core_rare(core, slot)
    if rare.state != STATE_RESTING or rare.side != level_side(level) or rare.trigger != 0:
        return False
    if rare.touched or rare.parent != 0:
        return False
    if terms.flags & FLAG_ICEBERG:
        return 1 <= rare.displayed <= min(rare.slot, order.remaining)
    return rare.displayed == 0


cdef inline Fault walk_queue(
    Core* core, const Level* level, uint32_t level_at, bint resting, uint32_t* orders
) noexcept nogil:
    """A queue against its links, its totals and time; of a level that counts lots, or not."""
    cdef uint32_t slot = level.head
    cdef uint32_t prior = 0
    cdef uint32_t count = 0
    cdef int64_t quantity = 0
    cdef uint64_t priority = 0
    cdef Fault found
    while slot != 0:
        if slot >= core.orders.used or count > core.orders.live:
            return fault(FAULT_QUEUE_LINK, 0, slot)
        if (
            core_order(core, slot).prior != prior
            or order_level(core_order(core, slot)) != level_at
        ):
            return fault(FAULT_QUEUE_LINK, core_order(core, slot).id, slot)
        found = walk_order(core, slot)
        if found.kind != FAULT_NONE:
            return found
        if resting and not walk_rests(core, slot, level):
            return fault(FAULT_ORDER_TERMS, core_order(core, slot).id, slot)
        # The place of an iceberg is that of its slice.
        if not (resting and core_terms(core, slot).flags & FLAG_ICEBERG):
            if core_terms(core, slot).priority <= priority:
                return fault(FAULT_QUEUE_TIME, core_order(core, slot).id, priority)
            priority = core_terms(core, slot).priority
        quantity += core_order(core, slot).remaining if resting else 0
        if resting and not quantity_sound(quantity):
            return fault(FAULT_LEVEL_TOTAL, <uint64_t> level.price, <uint64_t> quantity)
        count += 1
        prior = slot
        slot = core_order(core, slot).next
    if level.tail != prior or level.orders != count:
        return fault(FAULT_LEVEL_ORDERS, <uint64_t> level.price, level.orders)
    if level.quantity != quantity:
        return fault(FAULT_LEVEL_TOTAL, <uint64_t> level.price, <uint64_t> level.quantity)
    orders[0] += count
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_queues(Core* core) noexcept nogil:
    """All orders: those of levels, then those that wait or sleep elsewhere."""
    cdef uint32_t orders = 0
    cdef uint32_t number, level, rare
    cdef Fault found = fault(FAULT_NONE, 0, 0)
    if core.queued.head != 0:
        return fault(FAULT_STAGE, 0, core.queued.head)
    for number in range(<uint32_t> LADDERS):
        level = core.ladder[number].best
        while level != 0:
            if core_level(core, level).head == 0:
                return fault(FAULT_LEVEL_ORDERS, <uint64_t> core_level(core, level).price, 0)
            found = walk_queue(
                core, core_level(core, level), level, number < LADDER_FALL, &orders
            )
            if found.kind != FAULT_NONE:
                return found
            if number < LADDER_SECOND:
                found = walk_total(core, level, number)
                if found.kind != FAULT_NONE:
                    return found
            level = ladder_after(&core.ladder[number], level)
    found = walk_queue(core, &core.sleepers, 0, False, &orders)
    if found.kind != FAULT_NONE:
        return found
    for rare in range(1, core.rares.used):
        if rare_at(&core.rares, rare).state == STATE_FREE or not walk_elsewhere(core, rare):
            continue
        found = walk_order(core, rare_at(&core.rares, rare).order)
        if found.kind != FAULT_NONE:
            return found
        orders += 1
    if orders != core.orders.live or orders > core.orders_max:
        return fault(FAULT_ORDER_COUNT, orders, core.orders.live)
    return found


cdef inline bint walk_elsewhere(Core* core, uint32_t at) noexcept nogil:
    """Whether an order is in no queue: in a trail, or with its parent."""
    cdef Rare* rare = rare_at(&core.rares, at)
    if rare.state == STATE_WAITING:
        return type_trailing(core_terms(core, rare.order).order_type)
    return rare.state == STATE_SLEEPING and rare.parent != 0


cdef inline Fault walk_total(Core* core, uint32_t level, uint32_t number) noexcept nogil:
    """The displayed and the second queue of a price hold less than the bound together."""
    cdef int64_t price = core_level(core, level).price
    cdef uint32_t second = ladder_find(&core.ladder[number + LADDER_SECOND], price)
    cdef int64_t quantity = core_level(core, level).quantity + core_level(core, second).quantity
    if not quantity_sound(quantity):
        return fault(FAULT_LEVEL_TOTAL, <uint64_t> price, <uint64_t> quantity)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_accounts(Core* core) noexcept nogil:
    """Counts every account anew, in its scratch field."""
    cdef uint32_t slot, item
    cdef Place place
    cdef uint64_t counted = 0
    cdef Fault found = walk_index(&core.accounts.index, core.accounts.slab.live)
    if found.kind != FAULT_NONE:
        return found
    for slot in range(1, core.orders.used):
        if core_order(core, slot).remaining == 0:
            continue
        item = account_find(&core.accounts, core_order(core, slot).account, &place)
        if item == 0:
            return fault(FAULT_ACCOUNT, core_order(core, slot).account, 0)
        account_at(&core.accounts, item).seen += 1
    for slot in range(1, core.orders.used):
        if core_order(core, slot).remaining == 0:
            continue
        item = account_find(&core.accounts, core_order(core, slot).account, &place)
        if account_at(&core.accounts, item).seen != 0:
            if account_at(&core.accounts, item).seen != account_at(&core.accounts, item).live:
                found = fault(
                    FAULT_ACCOUNT, core_order(core, slot).account,
                    account_at(&core.accounts, item).live,
                )
            counted += account_at(&core.accounts, item).seen
            account_at(&core.accounts, item).seen = 0
    if found.kind == FAULT_NONE and counted != core.orders.live:
        return fault(FAULT_ACCOUNT, 0, counted)
    return found
