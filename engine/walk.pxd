# The walk: everything that must hold in a book between two commands, checked from one end to the
# other. Answers with the first thing that does not, as a number and two values for the message (the
# edge has the words). It is for bugs in the kernels, not for bytes from outside: those are
# screened.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.account cimport Account, account_at, account_find
from engine.bits cimport bits_lowest
from engine.core cimport (
    STAGE_IDLE, Core, core_counts_accounts, core_find_id, core_level, core_order, core_rare,
    core_terms,
)
from engine.due cimport NEVER, SECOND
from engine.index cimport LANES, Bucket, Index, Place, index_bucket, index_home, index_spill
from engine.ladder cimport (
    FANOUT_BITS, RECENT, Ladder, Level, Node, ladder_after, ladder_find, ladder_key, ladder_level,
    ladder_lowest, ladder_node,
)
from engine.order cimport (
    Order, Rare, Terms, order_level, order_rare, rare_at, terms_stp, terms_tif,
)
from engine.records cimport FLAG_POST_ONLY_SLIDE, LIMIT, STP_ALLOW, TIF_DAY, TIF_GTC, TIF_GTD
from engine.screen cimport price_sound, quantity_sound
from engine.slab cimport Slab, slab_at

cdef enum:                    # Fault
    FAULT_NONE = 0
    FAULT_SLAB_CHAIN = 1      # slab number, items on its free chain
    FAULT_SLAB_COUNT = 2      # slab number, items live
    FAULT_FREE_ORDER = 3      # slot, remaining
    FAULT_NODE_SHAPE = 4      # node, parent
    FAULT_NODE_COUNT = 5      # nodes reached, nodes live
    FAULT_LEVEL_KEY = 6       # level, price
    FAULT_LEVEL_COUNT = 7     # levels reached, levels counted
    FAULT_LEVEL_TOTAL = 8     # price, quantity
    FAULT_LEVEL_ORDERS = 9    # price, orders
    FAULT_BEST = 10           # side, level
    FAULT_CROSSED = 11        # best bid, best ask
    FAULT_QUEUE_LINK = 12     # order id, slot
    FAULT_QUEUE_TIME = 13     # order id, priority
    FAULT_ORDER_TERMS = 14    # order id, slot
    FAULT_ORDER_COUNT = 15    # orders in queues, orders live
    FAULT_INDEX_ENTRY = 16    # order id, slot
    FAULT_INDEX_COUNT = 17    # entries, items
    FAULT_INDEX_SHAPE = 18    # bucket, entries
    FAULT_RARE = 19           # order id, rare record
    FAULT_RARE_COUNT = 20     # records in the due queue, records live
    FAULT_DUE_TIME = 21       # time due, engine time
    FAULT_ACCOUNT = 22        # account, orders counted
    FAULT_STAGE = 23          # stage, 0
    FAULT_RECENT = 24         # side, place
    FAULTS = 25


cdef struct Fault:
    uint32_t kind
    uint64_t first
    uint64_t second


cdef inline Fault fault(uint32_t kind, uint64_t first, uint64_t second) noexcept nogil:
    cdef Fault found
    found.kind = kind
    found.first = first
    found.second = second
    return found


cdef inline Fault walk(Core* core) noexcept nogil:
    cdef Fault found
    cdef int64_t bid, ask
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
        found = walk_due(core)
    if found.kind == FAULT_NONE and core_counts_accounts(core):
        found = walk_accounts(core)
    if found.kind == FAULT_NONE and core.ladder[0].best != 0 and core.ladder[1].best != 0:
        bid = core_level(core, core.ladder[0].best).price
        ask = core_level(core, core.ladder[1].best).price
        if bid >= ask:
            return fault(FAULT_CROSSED, <uint64_t> bid, <uint64_t> ask)
    return found


# --- slabs


cdef inline Fault walk_slab(const Slab* slab, uint32_t size, uint32_t number) noexcept nogil:
    """The free chain stays inside, ends, and with what is live makes up all that was used."""
    cdef uint32_t item = slab.free
    cdef uint32_t count = 0
    while item != 0:
        count += 1
        if item >= slab.used or count >= slab.used:
            return fault(FAULT_SLAB_CHAIN, number, count)
        item = (<uint32_t*> slab_at(slab, item, size))[0]
    if slab.live + count + 1 != slab.used or slab.used > slab.capacity:
        return fault(FAULT_SLAB_COUNT, number, slab.live)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_slabs(Core* core) noexcept nogil:
    cdef Fault found = walk_slab(&core.orders, sizeof(Order), 1)
    cdef uint32_t slot = core.orders.free
    while found.kind == FAULT_NONE and slot != 0:
        if core_order(core, slot).remaining != 0:
            return fault(FAULT_FREE_ORDER, slot, <uint64_t> core_order(core, slot).remaining)
        slot = (<uint32_t*> core_order(core, slot))[0]
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.rares, sizeof(Rare), 2)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.levels, sizeof(Level), 3)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.nodes, sizeof(Node), 4)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.ids.spills, sizeof(Bucket), 5)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.accounts.slab, sizeof(Account), 6)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.accounts.index.spills, sizeof(Bucket), 7)
    return found


# --- ladders


cdef inline Fault walk_node(const Ladder* ladder, uint32_t at, uint32_t* nodes) noexcept nogil:
    """One node against its children; adds the inner children to `nodes`."""
    cdef Node* node = ladder_node(ladder, at)
    cdef uint64_t left = node.bitmap
    cdef uint64_t prefix
    cdef uint32_t lane, child
    if left == 0 or node.shift % FANOUT_BITS != 0 or node.shift > 60:
        return fault(FAULT_NODE_SHAPE, at, node.parent)
    if node.shift != 0 and left & (left - 1) == 0:
        return fault(FAULT_NODE_SHAPE, at, node.parent)
    while left != 0:
        lane = bits_lowest(left)
        left &= left - 1
        child = node.child[lane]
        prefix = node.prefix << FANOUT_BITS | lane
        if node.shift == 0:
            if (
                ladder_level(ladder, child).leaf_side != 2 * at + ladder.side - 1
                or ladder_key(ladder, ladder_level(ladder, child).price) != prefix
            ):
                return fault(FAULT_LEVEL_KEY, child, <uint64_t> ladder_level(ladder, child).price)
        elif (
            ladder_node(ladder, child).parent != at
            or ladder_node(ladder, child).shift >= node.shift
            or ladder_node(ladder, child).prefix
            >> (node.shift - ladder_node(ladder, child).shift - FANOUT_BITS) != prefix
        ):
            return fault(FAULT_NODE_SHAPE, child, at)
        else:
            nodes[0] += 1
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_ladder(const Ladder* ladder, uint32_t* nodes) noexcept nogil:
    """Every node and level from the best on, by way of the leaves' order."""
    cdef uint32_t level = 0
    cdef uint32_t levels = 0
    cdef uint32_t leaf, at, last_leaf = 0
    cdef uint64_t key, last_key = 0
    cdef Fault found = fault(FAULT_NONE, 0, 0)
    if ladder.root != 0:
        nodes[0] += 1
        if ladder_node(ladder, ladder.root).parent != 0:
            return fault(FAULT_NODE_SHAPE, ladder.root, ladder_node(ladder, ladder.root).parent)
        level = ladder_lowest(ladder, ladder.root)
    if ladder.best != level:
        return fault(FAULT_BEST, ladder.side, ladder.best)
    while level != 0:
        key = ladder_key(ladder, ladder_level(ladder, level).price)
        if levels != 0 and key <= last_key:
            return fault(FAULT_LEVEL_KEY, level, <uint64_t> ladder_level(ladder, level).price)
        leaf = ladder_level(ladder, level).leaf_side >> 1
        if leaf != last_leaf:
            # The leaf, and each node of which it is the leftmost way down: so each node once.
            at = leaf
            while at != 0:
                found = walk_node(ladder, at, nodes)
                if found.kind != FAULT_NONE:
                    return found
                if ladder_node(ladder, at).parent == 0:
                    break
                if ladder_lowest(ladder, ladder_node(ladder, at).parent) != level:
                    break
                at = ladder_node(ladder, at).parent
        last_leaf = leaf
        last_key = key
        levels += 1
        level = ladder_after(ladder, level)
    if levels != ladder.count:
        return fault(FAULT_LEVEL_COUNT, levels, ladder.count)
    return walk_recent(ladder)


cdef inline Fault walk_recent(const Ladder* ladder) noexcept nogil:
    """A leaf that is remembered is the one that a search finds for its prefix."""
    cdef uint32_t i, leaf, level
    for i in range(<uint32_t> RECENT):
        leaf = ladder.recent[i].leaf
        if leaf == 0:
            continue
        if leaf >= ladder.nodes.used or ladder_node(ladder, leaf).bitmap == 0:
            return fault(FAULT_RECENT, ladder.side, i)
        level = ladder_node(ladder, leaf).child[bits_lowest(ladder_node(ladder, leaf).bitmap)]
        if (
            level >= ladder.levels.used or ladder_level(ladder, level).leaf_side >> 1 != leaf
            or ladder_find(ladder, ladder_level(ladder, level).price) != level
            or ladder_key(ladder, ladder_level(ladder, level).price) >> FANOUT_BITS
            != ladder.recent[i].prefix
        ):
            return fault(FAULT_RECENT, ladder.side, i)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_ladders(Core* core) noexcept nogil:
    cdef uint32_t nodes = 0
    cdef uint32_t levels = core.ladder[0].count + core.ladder[1].count + core.due.ladder.count
    cdef Fault found = walk_ladder(&core.ladder[0], &nodes)
    if found.kind == FAULT_NONE:
        found = walk_ladder(&core.ladder[1], &nodes)
    if found.kind == FAULT_NONE:
        found = walk_ladder(&core.due.ladder, &nodes)
    if found.kind != FAULT_NONE:
        return found
    if nodes != core.nodes.live:
        return fault(FAULT_NODE_COUNT, nodes, core.nodes.live)
    if levels != core.levels.live:
        return fault(FAULT_LEVEL_COUNT, levels, core.levels.live)
    return found


# --- queues and orders


cdef inline Fault walk_order(Core* core, uint32_t slot, const Level* level) noexcept nogil:
    """One resting order by itself: its terms, and the one entry that names it."""
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    cdef uint8_t tif = terms_tif(terms)
    cdef Place place
    if (
        not quantity_sound(order.remaining) or not quantity_sound(terms.quantity)
        or order.remaining > terms.quantity or not price_sound(level.price)
        or terms.order_type != LIMIT or terms_stp(terms) > STP_ALLOW
        or terms.flags > FLAG_POST_ONLY_SLIDE
        or (tif != TIF_DAY and tif != TIF_GTC and tif != TIF_GTD) or order.id == 0
        or terms.accepted == 0 or terms.priority < terms.accepted
        or terms.priority > core.sequence or order.id > core.id_max
    ):
        return fault(FAULT_ORDER_TERMS, order.id, slot)
    if order_rare(order) != (tif == TIF_GTD) or (not order_rare(order) and terms.rare != 0):
        return fault(FAULT_RARE, order.id, terms.rare)
    if order_rare(order) and core_rare(core, slot).order != slot:
        return fault(FAULT_RARE, order.id, terms.rare)
    if core_find_id(core, order.id, &place) != slot:
        return fault(FAULT_INDEX_ENTRY, order.id, slot)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_queue(Core* core, uint32_t level_at, uint32_t* orders) noexcept nogil:
    """One level's queue against its links, its totals and time."""
    cdef Level* level = core_level(core, level_at)
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
        found = walk_order(core, slot, level)
        if found.kind != FAULT_NONE:
            return found
        if core_terms(core, slot).priority <= priority:
            return fault(FAULT_QUEUE_TIME, core_order(core, slot).id, priority)
        priority = core_terms(core, slot).priority
        quantity += core_order(core, slot).remaining
        if not quantity_sound(quantity):
            return fault(FAULT_LEVEL_TOTAL, <uint64_t> level.price, <uint64_t> quantity)
        count += 1
        prior = slot
        slot = core_order(core, slot).next
    if level.tail != prior or level.orders != count or count == 0:
        return fault(FAULT_LEVEL_ORDERS, <uint64_t> level.price, level.orders)
    if level.quantity != quantity:
        return fault(FAULT_LEVEL_TOTAL, <uint64_t> level.price, <uint64_t> level.quantity)
    orders[0] += count
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_queues(Core* core) noexcept nogil:
    cdef uint32_t orders = 0
    cdef uint32_t level
    cdef int side
    cdef Fault found
    for side in range(2):
        level = core.ladder[side].best
        while level != 0:
            found = walk_queue(core, level, &orders)
            if found.kind != FAULT_NONE:
                return found
            level = ladder_after(&core.ladder[side], level)
    if orders != core.orders.live or orders > core.orders_max:
        return fault(FAULT_ORDER_COUNT, orders, core.orders.live)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_index(const Index* index, uint32_t items) noexcept nogil:
    """Every entry stands in the chain that its tag names, and there are as many as items."""
    cdef uint32_t at, lane
    cdef uint32_t spills = 0
    cdef uint64_t entries = 0
    cdef Bucket* bucket
    for at in range(index.count):
        bucket = index_bucket(index, at)
        while True:
            for lane in range(<uint32_t> LANES):
                if (bucket.item[lane] != 0) != (lane < bucket.count):
                    return fault(FAULT_INDEX_SHAPE, at, bucket.count)
                if lane < bucket.count and index_home(index, bucket.tag[lane]) != at:
                    return fault(FAULT_INDEX_SHAPE, at, bucket.count)
            entries += bucket.count
            if bucket.next == 0 or spills > index.spills.live:
                break
            bucket = index_spill(index, bucket.next)
            spills += 1
            if bucket.count == 0:
                return fault(FAULT_INDEX_SHAPE, at, 0)
    if spills != index.spills.live or entries != items:
        return fault(FAULT_INDEX_COUNT, entries, items)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_due(Core* core) noexcept nogil:
    """The queue of each second, in the order of the commands that set them."""
    cdef uint32_t level = core.due.ladder.best
    cdef uint32_t records = 0
    cdef uint32_t at, prior
    cdef uint64_t accepted
    cdef int64_t next_due = NEVER
    cdef Rare* rare
    if level != 0:
        next_due = ladder_level(&core.due.ladder, level).price * SECOND
    if core.due.next != next_due or (level != 0 and next_due <= core.now):
        return fault(FAULT_DUE_TIME, <uint64_t> core.due.next, <uint64_t> core.now)
    while level != 0:
        at = ladder_level(&core.due.ladder, level).head
        prior = 0
        accepted = 0
        while at != 0 and records <= core.rares.live:
            rare = rare_at(&core.rares, at)
            if (
                rare.due_prior != prior or rare.due != level
                or rare.expires != ladder_level(&core.due.ladder, level).price
                or core_terms(core, rare.order).rare != at
                or not order_rare(core_order(core, rare.order))
                or core_terms(core, rare.order).accepted <= accepted
            ):
                return fault(FAULT_RARE, core_order(core, rare.order).id, at)
            accepted = core_terms(core, rare.order).accepted
            records += 1
            prior = at
            at = rare.due_next
        if ladder_level(&core.due.ladder, level).tail != prior:
            return fault(FAULT_RARE, 0, prior)
        level = ladder_after(&core.due.ladder, level)
    if records != core.rares.live:
        return fault(FAULT_RARE_COUNT, records, core.rares.live)
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
