# The ladder: the occupied prices of one side in order, at any int64, dense or sparse.
#
# A trie of nodes with 64-way fan-out: six bits of the key a node, a bitmap of what is below it, and
# no node with a single child, so that a lone price far away costs two nodes and not eleven. The
# next price is a bit scan in the same node nearly always. A price's key is chosen so that the lower
# key is the better price on either side; all code below is therefore written once, for "lower is
# better".
#
# Invariant: `best` is the level with the lowest key; a level is in the trie exactly while it holds
# an order; a node above the leaves has two children or more.
#
# Rejected: a flat window of prices (a price outside must move the window or be refused), a hash map
# of prices with a heap (stale entries, no order for the depth view), a balanced tree
# (pointer chasing).

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.bits cimport bits_highest, bits_lowest, bits_prefetch, bits_unlikely
from engine.invariant cimport CHECK, INVARIANT
from engine.slab cimport Slab, slab_at, slab_give, slab_take

cdef enum:
    FANOUT_BITS = 6
    RECENT = 64      # leaves remembered: enough for the prices near the best of most books
    NODES_KEPT = 2   # nodes that one new price may need: its leaf, and a fork above it
    LADDERS = 8      # the most that share levels and nodes


cdef struct Level:       # 32 bytes
    int64_t price        # ticks; in the ladder of what falls due, seconds
    int64_t quantity     # lots, the sum over the queue, below 2^62; 0 for triggers and seconds
    uint32_t head        # first in time; 0 exactly where the level is free
    uint32_t tail
    uint32_t orders      # in the queue
    uint32_t leaf_number # the leaf node that it hangs from, times LADDERS, plus the ladder's number


cdef struct Node:        # 280 bytes
    uint64_t bitmap      # which children there are
    uint64_t prefix      # the key's bits above those that this node and the ones below decide
    uint32_t parent      # 0 for the root
    uint32_t shift       # position of its six bits in the key; 0: a leaf, its children are levels
    uint32_t[64] child


cdef struct Recent:      # a leaf that was found lately; each prefix has one place
    uint64_t prefix
    uint32_t leaf        # node; 0 where there is none


cdef struct Ladder:
    Slab* levels
    Slab* nodes
    uint64_t flip        # xor of price and key: see ladder_key
    uint32_t number      # which of the book's; even: the highest price is the best, odd: the lowest
    uint32_t root        # node; 0 where the ladder is empty
    uint32_t best        # level; 0 where the ladder is empty
    uint32_t count       # levels
    Recent[RECENT] recent


cdef inline void ladder_init(
    Ladder* ladder, Slab* levels, Slab* nodes, uint32_t number
) noexcept nogil:
    ladder.levels = levels
    ladder.nodes = nodes
    ladder.number = number
    cdef uint32_t i
    ladder.root = ladder.best = ladder.count = 0
    for i in range(<uint32_t> RECENT):
        ladder.recent[i].leaf = 0
    # Flipping the sign bit orders signed prices as unsigned keys; flipping the rest reverses them.
    ladder.flip = <uint64_t> 1 << 63
    if number & 1 == 0:
        ladder.flip = ~ladder.flip


cdef inline uint64_t ladder_key(const Ladder* ladder, int64_t price) noexcept nogil:
    """The lower, the better: the lowest sell, the highest buy."""
    return <uint64_t> price ^ ladder.flip


cdef inline Level* ladder_level(const Ladder* ladder, uint32_t level) noexcept nogil:
    return <Level*> slab_at(ladder.levels, level, sizeof(Level))


cdef inline Node* ladder_node(const Ladder* ladder, uint32_t node) noexcept nogil:
    return <Node*> slab_at(ladder.nodes, node, sizeof(Node))


cdef inline uint64_t ladder_prefix(uint64_t key, uint32_t shift) noexcept nogil:
    """The key's bits above a node; in two steps, as one shift by 64 is undefined."""
    return key >> shift >> FANOUT_BITS


cdef inline uint32_t ladder_find(const Ladder* ladder, int64_t price) noexcept nogil:
    """The level at this price, or 0."""
    cdef uint64_t key = ladder_key(ladder, price)
    cdef uint32_t below = ladder.root
    cdef uint32_t shift
    cdef Node* node
    while below != 0:
        node = ladder_node(ladder, below)
        shift = node.shift
        if ladder_prefix(key, shift) != node.prefix:
            return 0
        if node.bitmap >> ((key >> shift) & 63) & 1 == 0:
            return 0
        below = node.child[(key >> shift) & 63]
        if shift == 0:
            return below
    return 0


cdef inline uint32_t ladder_lowest(const Ladder* ladder, uint32_t below) noexcept nogil:
    """The level with the lowest key under a node."""
    cdef Node* node
    while True:
        node = ladder_node(ladder, below)
        below = node.child[bits_lowest(node.bitmap)]
        if node.shift == 0:
            return below


cdef inline uint32_t ladder_after(const Ladder* ladder, uint32_t level) noexcept nogil:
    """The next level in order of keys, or 0."""
    cdef uint64_t key = ladder_key(ladder, ladder_level(ladder, level).price)
    cdef uint32_t below = ladder_level(ladder, level).leaf_number // LADDERS
    cdef uint64_t above
    cdef Node* node
    while below != 0:
        node = ladder_node(ladder, below)
        # Bits beyond this child's; shifted in two steps, since the child may be the last of 64.
        above = node.bitmap >> ((key >> node.shift) & 63) >> 1
        if above != 0:
            below = node.child[((key >> node.shift) & 63) + 1 + bits_lowest(above)]
            return below if node.shift == 0 else ladder_lowest(ladder, below)
        below = node.parent
    return 0


cdef inline uint32_t ladder_leaf(Ladder* ladder, uint64_t key, uint32_t parent) noexcept nogil:
    """A new leaf for the key, linked upwards only."""
    cdef uint32_t leaf = slab_take(ladder.nodes, sizeof(Node))
    cdef Node* node = ladder_node(ladder, leaf)
    node.bitmap = 0
    node.prefix = ladder_prefix(key, 0)
    node.parent = parent
    node.shift = 0
    return leaf


cdef inline void ladder_adopt(
    Ladder* ladder, uint32_t parent, uint64_t key, uint32_t child
) noexcept nogil:
    """Hangs a child under the node, where the key says; parent 0 makes it the root."""
    cdef Node* node
    if parent == 0:
        ladder.root = child
        return
    node = ladder_node(ladder, parent)
    node.bitmap |= <uint64_t> 1 << ((key >> node.shift) & 63)
    node.child[(key >> node.shift) & 63] = child


cdef inline uint32_t ladder_fork(Ladder* ladder, uint32_t below, uint64_t key) noexcept nogil:
    """Puts a node above `below`, at the highest six bits in which its keys and `key` differ."""
    cdef Node* node = ladder_node(ladder, below)
    cdef uint64_t theirs = node.prefix << node.shift << FANOUT_BITS
    cdef uint64_t differ = (theirs ^ key) >> node.shift >> FANOUT_BITS << node.shift << FANOUT_BITS
    cdef uint32_t shift = bits_highest(differ) // FANOUT_BITS * FANOUT_BITS
    cdef uint32_t fork = slab_take(ladder.nodes, sizeof(Node))
    cdef Node* added = ladder_node(ladder, fork)
    CHECK(shift > node.shift)
    added.bitmap = 0
    added.prefix = ladder_prefix(key, shift)
    added.parent = node.parent
    added.shift = shift
    ladder_adopt(ladder, node.parent, key, fork)
    ladder_adopt(ladder, fork, theirs, below)
    node.parent = fork
    return fork


cdef inline uint32_t ladder_reach(Ladder* ladder, uint64_t key) noexcept nogil:
    """The leaf for this key, made where there is none."""
    cdef uint32_t below = ladder.root
    cdef uint32_t parent = 0
    cdef Node* node
    while below != 0:
        node = ladder_node(ladder, below)
        if ladder_prefix(key, node.shift) != node.prefix:
            parent = ladder_fork(ladder, below, key)
            break
        if node.shift == 0:
            return below
        parent = below
        if node.bitmap >> ((key >> node.shift) & 63) & 1 == 0:
            break
        below = node.child[(key >> node.shift) & 63]
    below = ladder_leaf(ladder, key, parent)
    ladder_adopt(ladder, parent, key, below)
    return below


cdef inline uint32_t ladder_add(Ladder* ladder, int64_t price) noexcept nogil:
    """The level at this price, made where there is none; a new one is empty and must be filled."""
    cdef uint64_t key = ladder_key(ladder, price)
    cdef Recent* recent = &ladder.recent[(key >> FANOUT_BITS) % RECENT]
    cdef uint32_t level
    cdef Node* node
    if bits_unlikely(recent.leaf == 0 or recent.prefix != key >> FANOUT_BITS):
        recent.leaf = ladder_reach(ladder, key)
        recent.prefix = key >> FANOUT_BITS
    node = ladder_node(ladder, recent.leaf)
    if node.bitmap >> (key & 63) & 1:
        return node.child[key & 63]
    level = slab_take(ladder.levels, sizeof(Level))
    ladder_adopt(ladder, recent.leaf, key, level)
    ladder_fill_in(ladder, ladder_level(ladder, level), price, recent.leaf)
    if ladder.best == 0 or key < ladder_key(ladder, ladder_level(ladder, ladder.best).price):
        ladder.best = level
    ladder.count += 1
    return level


cdef inline void ladder_fill_in(
    Ladder* ladder, Level* level, int64_t price, uint32_t leaf
) noexcept nogil:
    level.price = price
    level.quantity = 0
    level.head = level.tail = level.orders = 0
    level.leaf_number = LADDERS * leaf + ladder.number


cdef inline void ladder_drop(Ladder* ladder, uint32_t dropped) noexcept nogil:
    """Takes an emptied level out of the trie, and the nodes that it alone needed."""
    cdef Level* level = ladder_level(ladder, dropped)
    cdef uint64_t key = ladder_key(ladder, level.price)
    cdef uint32_t leaf = level.leaf_number // LADDERS
    cdef Node* node = ladder_node(ladder, leaf)
    CHECK(level.orders == 0)
    CHECK(level.quantity == 0)
    node.bitmap &= ~(<uint64_t> 1 << (key & 63))
    level.head = 0
    slab_give(ladder.levels, dropped, sizeof(Level))
    ladder.count -= 1
    if node.bitmap != 0:
        if ladder.best == dropped:
            ladder.best = node.child[bits_lowest(node.bitmap)]
        return
    ladder_prune(ladder, leaf, key)
    if ladder.best == dropped:
        ladder.best = ladder_lowest(ladder, ladder.root) if ladder.root != 0 else 0


cdef inline void ladder_prune(Ladder* ladder, uint32_t empty, uint64_t key) noexcept nogil:
    """Takes out a leaf without levels, and its parent too where that keeps only one child."""
    cdef uint32_t parent = ladder_node(ladder, empty).parent
    cdef uint32_t only
    cdef Node* node
    if ladder.recent[(key >> FANOUT_BITS) % RECENT].leaf == empty:
        ladder.recent[(key >> FANOUT_BITS) % RECENT].leaf = 0
    slab_give(ladder.nodes, empty, sizeof(Node))
    if parent == 0:
        ladder.root = 0
        return
    node = ladder_node(ladder, parent)
    node.bitmap &= ~(<uint64_t> 1 << ((key >> node.shift) & 63))
    INVARIANT(node.bitmap != 0)
    if node.bitmap & (node.bitmap - 1) != 0:
        return
    only = node.child[bits_lowest(node.bitmap)]
    ladder_node(ladder, only).parent = node.parent
    ladder_adopt(ladder, node.parent, key, only)
    slab_give(ladder.nodes, parent, sizeof(Node))


cdef inline bint ladder_holds(
    const Ladder* ladder, uint32_t level, int64_t price
) noexcept nogil:
    """Whether this level, a guess from earlier, is the one at this price now."""
    cdef Level* guess = ladder_level(ladder, level)
    # A free level has no quantity, nor has one that a ladder of triggers or seconds uses now.
    if guess.price != price or guess.quantity == 0:
        return False
    return guess.leaf_number % LADDERS == ladder.number


cdef inline void ladder_prefetch(const Ladder* ladder, int64_t price) noexcept nogil:
    """Fetches the part of the leaf where this price hangs, if its nodes are the usual ones."""
    cdef uint64_t key = ladder_key(ladder, price)
    cdef uint32_t below = ladder.root
    cdef Node* node
    while below != 0:
        node = ladder_node(ladder, below)
        if node.shift == 0:
            return
        if node.bitmap >> ((key >> node.shift) & 63) & 1 == 0:
            return
        below = node.child[(key >> node.shift) & 63]
        if node.shift == FANOUT_BITS:
            node = ladder_node(ladder, below)
            bits_prefetch(node)
            bits_prefetch(&node.child[key & 63])
            return
