# The run: many commands, one after the other, as long as there is room for events and memory.

from libc.stdint cimport uint32_t, uint64_t

from engine.bits cimport bits_unlikely
from engine.command cimport command_resume, command_take
from engine.core cimport ROOM, STAGE_IDLE, Core, core_counts_accounts, core_room
from engine.index cimport index_room
from engine.ladder cimport NODES_KEPT
from engine.records cimport SET, Command
from engine.slab cimport slab_room


cdef inline uint32_t spare_commands(const Core* core) noexcept nogil:
    """How many commands can surely be taken before memory must grow.

    A command enters one order at most: a slot, its price and the second it expires in with the nodes
    that these need, an entry in the index, an account.
    """
    cdef uint32_t spare = min(slab_room(&core.orders), index_room(&core.ids, core.orders.live))
    spare = min(spare, slab_room(&core.rares))
    spare = min(spare, slab_room(&core.levels) // 2)
    spare = min(spare, slab_room(&core.nodes) // (2 * NODES_KEPT))
    if core_counts_accounts(core):
        spare = min(spare, slab_room(&core.accounts.slab))
        spare = min(spare, index_room(&core.accounts.index, core.accounts.slab.live))
    return spare


cdef inline Py_ssize_t run(Core* core, const Command* commands, Py_ssize_t count) noexcept nogil:
    """Takes commands until all are taken, or room or memory is short; says how many it took."""
    cdef Py_ssize_t taken = 0
    if core.stage != STAGE_IDLE:
        if core_room(core) < ROOM or not command_resume(core):
            return 0
    while taken < count and core_room(core) >= ROOM:
        if bits_unlikely(core.spare == 0):
            core.spare = spare_commands(core)
            if core.spare == 0:
                break
        # A copy, since the caller's array may change under us while the GIL is released.
        core.command = commands[taken]
        if bits_unlikely(core.command.kind == SET) and not core.set_ready:
            break
        taken += 1
        if not command_take(core):
            break
    return taken
