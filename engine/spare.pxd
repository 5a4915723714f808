# The spare: for how many steps there is surely memory. A step is a command, an order of the queue
# that is served, a side of a quote.

from libc.stdint cimport uint32_t

from engine.core cimport MODE_PRO_RATA, STAGE_IDLE, Core, core_counts_accounts
from engine.index cimport index_room
from engine.ladder cimport NODES_KEPT
from engine.slab cimport slab_room


cdef inline uint32_t spare_commands(const Core* core) noexcept nogil:
    """How many steps can surely be taken before memory must grow.

    A step enters one order at most: a slot, two Rare records (it may make a plain order the leg of
    a pair), a Timer, an entry in the index, an account or an armed switch; and three levels with
    the nodes that these need: its price, its trigger, the second it expires in.
    """
    cdef uint32_t spare = min(slab_room(&core.orders), index_room(&core.ids, core.orders.live))
    spare = min(spare, core.terms.capacity - 1 - core.orders.live)  # where growing failed half-way
    spare = min(spare, slab_room(&core.rares) // 2)
    spare = min(spare, slab_room(&core.timers))
    spare = min(spare, slab_room(&core.levels) // 3)
    spare = min(spare, slab_room(&core.nodes) // (3 * NODES_KEPT))
    spare = min(spare, slab_room(&core.switches.slab))
    spare = min(spare, index_room(&core.switches.index, core.switches.slab.live))
    if core.modes & MODE_PRO_RATA:
        spare = min(spare, core.shares.capacity - 1 - core.orders.live)
    if core_counts_accounts(core):
        spare = min(spare, slab_room(&core.accounts.slab))
        spare = min(spare, index_room(&core.accounts.index, core.accounts.slab.live))
    return spare


cdef inline bint spare_refresh(Core* core) noexcept nogil:
    """Counts anew; a command that is half done has taken its step already. False: none is left."""
    cdef uint32_t spare = spare_commands(core)
    cdef uint32_t begun = core.stage != STAGE_IDLE
    core.spare = spare - begun if spare > begun else 0
    return core.spare != 0
