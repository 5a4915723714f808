# The armed switches: an account whose orders are all cancelled at a second to come, unless it says
# before that it is still there.
#
# Invariant: an account stands here exactly while its switch is armed.

from libc.stdint cimport uint32_t, uint64_t

from engine.due cimport Due, due_clear, due_set
from engine.index cimport Index, Place, index_erase, index_find, index_insert, index_tag
from engine.slab cimport Slab, slab_at, slab_give, slab_take


cdef struct Switch:       # 24 bytes
    uint64_t account      # first, as the index wants it
    uint64_t sequence     # of the event that armed it
    uint32_t timer
    uint32_t reserved


cdef struct Switches:
    Slab slab
    Index index
    Due due               # timers whose owner is a switch


cdef inline Switch* switch_at(const Switches* switches, uint32_t item) noexcept nogil:
    return <Switch*> slab_at(&switches.slab, item, sizeof(Switch))


cdef inline uint32_t switch_find(
    const Switches* switches, uint32_t account, Place* place
) noexcept nogil:
    return index_find(
        &switches.index, &switches.slab, sizeof(Switch), account, index_tag(account), place
    )


cdef inline void switch_arm(
    Switches* switches, Slab* timers, uint32_t account, uint32_t expires, uint64_t sequence
) noexcept nogil:
    """Arms an account that has no switch."""
    cdef uint32_t item = slab_take(&switches.slab, sizeof(Switch))
    cdef Switch* switch = switch_at(switches, item)
    index_insert(&switches.index, index_tag(account), item, switches.slab.live - 1)
    switch.account = account
    switch.sequence = sequence
    switch.timer = due_set(&switches.due, timers, item, expires)
    switch.reserved = 0


cdef inline void switch_disarm(Switches* switches, Slab* timers, uint32_t account) noexcept nogil:
    """Takes an account's switch away, if it has one."""
    cdef Place place
    cdef uint32_t item = switch_find(switches, account, &place)
    if item == 0:
        return
    due_clear(&switches.due, timers, switch_at(switches, item).timer)
    index_erase(&switches.index, &place)
    slab_give(&switches.slab, item, sizeof(Switch))
