# The shapes: slabs, ladders and indexes, each by itself, whatever stands in them.

from libc.stdint cimport uint32_t, uint64_t

from engine.account cimport Account
from engine.arm cimport Switch
from engine.bits cimport bits_lowest
from engine.core cimport Core, core_order
from engine.fault cimport (
    FAULT_BEST, FAULT_FREE_ORDER, FAULT_INDEX_COUNT, FAULT_INDEX_SHAPE, FAULT_LEVEL_COUNT,
    FAULT_LEVEL_KEY, FAULT_NODE_COUNT, FAULT_NODE_SHAPE, FAULT_NONE, FAULT_RECENT,
    FAULT_SLAB_CHAIN, FAULT_SLAB_COUNT, Fault, fault,
)
from engine.index cimport LANES, Bucket, Index, index_bucket, index_home, index_spill
from engine.ladder cimport (
    FANOUT_BITS, LADDERS, RECENT, Ladder, Level, Node, ladder_after, ladder_find, ladder_key,
    ladder_level, ladder_lowest, ladder_node,
)
from engine.order cimport Order, Rare, Timer
from engine.slab cimport Slab, slab_at


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
        found = walk_slab(&core.timers, sizeof(Timer), 8)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.switches.slab, sizeof(Switch), 9)
    if found.kind == FAULT_NONE:
        found = walk_slab(&core.switches.index.spills, sizeof(Bucket), 10)
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
                ladder_level(ladder, child).leaf_number != LADDERS * at + ladder.number
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
        return fault(FAULT_BEST, ladder.number, ladder.best)
    while level != 0:
        key = ladder_key(ladder, ladder_level(ladder, level).price)
        if levels != 0 and key <= last_key:
            return fault(FAULT_LEVEL_KEY, level, <uint64_t> ladder_level(ladder, level).price)
        leaf = ladder_level(ladder, level).leaf_number // LADDERS
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
            return fault(FAULT_RECENT, ladder.number, i)
        level = ladder_node(ladder, leaf).child[bits_lowest(ladder_node(ladder, leaf).bitmap)]
        if (
            level >= ladder.levels.used
            or ladder_level(ladder, level).leaf_number // LADDERS != leaf
            or ladder_find(ladder, ladder_level(ladder, level).price) != level
            or ladder_key(ladder, ladder_level(ladder, level).price) >> FANOUT_BITS
            != ladder.recent[i].prefix
        ):
            return fault(FAULT_RECENT, ladder.number, i)
    return fault(FAULT_NONE, 0, 0)


cdef inline Fault walk_ladders(Core* core) noexcept nogil:
    cdef uint32_t nodes = 0
    cdef uint32_t levels = core.due.ladder.count + core.switches.due.ladder.count
    cdef uint32_t number
    cdef Fault found = walk_ladder(&core.due.ladder, &nodes)
    if found.kind == FAULT_NONE:
        found = walk_ladder(&core.switches.due.ladder, &nodes)
    for number in range(<uint32_t> LADDERS):
        if found.kind == FAULT_NONE:
            found = walk_ladder(&core.ladder[number], &nodes)
            levels += core.ladder[number].count
    if found.kind != FAULT_NONE:
        return found
    if nodes != core.nodes.live:
        return fault(FAULT_NODE_COUNT, nodes, core.nodes.live)
    if levels != core.levels.live:
        return fault(FAULT_LEVEL_COUNT, levels, core.levels.live)
    return found


# --- indexes


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
