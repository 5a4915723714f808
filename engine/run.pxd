# The run: many commands, one after the other, as long as there is room for events and memory.

from libc.stdint cimport uint32_t, uint64_t

from engine.bits cimport bits_prefetch, bits_unlikely
from engine.command cimport command_resume, command_take
from engine.core cimport (
    ROOM, STAGE_IDLE, Core, core_counts_accounts, core_level, core_order, core_room, core_terms,
)
from engine.index cimport index_guess, index_prefetch, index_room
from engine.ladder cimport NODES_KEPT, Ladder, ladder_find
from engine.order cimport Order, order_level
from engine.records cimport NEW, SET, Command
from engine.slab cimport slab_room

cdef enum:
    FAR = 24      # commands to look ahead
    MIDDLE = 16
    NEAR = 8


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


# --- looking ahead
#
# A deep book lies in main memory. Three steps, each finding what the one before it fetched: the bucket
# of the id, then the order or the level that the command names, then what these link to. The fields
# looked at are not screened yet, so that everything here is a guess and nothing is written.


cdef inline Ladder* guess_ladder(Core* core, const Command* command) noexcept nogil:
    return &core.ladder[(command.side - 1) & 1]


cdef inline void look_far(const Core* core, const Command* command) noexcept nogil:
    index_prefetch(&core.ids, command.order_id)


cdef inline void look_middle(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t guess
    if command.kind == NEW:
        guess = ladder_find(guess_ladder(core, command), command.price)
        if guess != 0:
            bits_prefetch(core_level(core, guess))
        return
    guess = index_guess(&core.ids, command.order_id)
    if guess != 0:
        bits_prefetch(core_order(core, guess))
        bits_prefetch(core_terms(core, guess))


cdef inline void look_near(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t guess
    cdef Order* order
    if command.kind == NEW:
        guess = ladder_find(guess_ladder(core, command), command.price)
        if guess != 0:
            bits_prefetch(core_order(core, core_level(core, guess).tail))
        return
    guess = index_guess(&core.ids, command.order_id)
    if guess != 0:
        order = core_order(core, guess)
        bits_prefetch(core_order(core, order.prior))
        bits_prefetch(core_order(core, order.next))
        bits_prefetch(core_level(core, order_level(order)))


cdef inline void look_ahead(Core* core, const Command* command) noexcept nogil:
    look_far(core, command + FAR)
    look_middle(core, command + MIDDLE)
    look_near(core, command + NEAR)


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
        if count - taken > FAR:
            look_ahead(core, commands + taken)
        # A copy, since the caller's array may change under us while the GIL is released.
        core.command = commands[taken]
        if bits_unlikely(core.command.kind == SET) and not core.set_ready:
            break
        taken += 1
        if not command_take(core):
            break
    return taken
