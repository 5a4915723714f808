# The run: many commands, one after the other, as long as there is room for events and memory.

from libc.stdint cimport uint32_t

from engine.bits cimport bits_prefetch, bits_unlikely
from engine.command cimport command_go_on, command_take
from engine.core cimport (
    AHEAD, ROOM, STAGE_IDLE, Coming, Core, core_level, core_order, core_room, core_terms,
)
from engine.index cimport index_chain, index_guess, index_tag
from engine.ladder cimport Ladder, ladder_find, ladder_prefetch
from engine.order cimport Order, order_level
from engine.records cimport AMEND, NEW, SET, Command
from engine.spare cimport spare_refresh

cdef enum:
    FAR = 24      # commands to look ahead
    MIDDLE = 16
    NEAR = 8
    DEEP = 1 << 16 # live orders from which looking for more than the bucket pays


# --- looking ahead
#
# The bucket of a command's id is fetched early in any book. A deep book lies in main memory, so
# there it is three steps: the bucket, then the order or the level that the command names, then what
# these link to; each finds what the one before it fetched. The fields looked at are not screened
# yet, so everything here is a guess and nothing is written. A level that was guessed may meanwhile
# serve the ladder of what falls due, whose heads and tails number timers: harmless, as there are
# never more of these than orders and switches


cdef inline Ladder* guess_ladder(Core* core, const Command* command) noexcept nogil:
    return &core.ladder[(command.side - 1) & 1]


cdef inline void look_far(
    Core* core, Coming* coming, const Command* command, bint deep
) noexcept nogil:
    # A copy, since the caller's array may change under us while the GIL is released.
    coming.command = command[0]
    coming.tag = index_tag(coming.command.order_id)
    coming.level = 0
    coming.bucket = index_chain(&core.ids, coming.tag)
    bits_prefetch(coming.bucket)
    if deep and coming.command.kind == NEW:
        ladder_prefetch(guess_ladder(core, &coming.command), coming.command.price)


cdef inline void look_middle(Core* core, Coming* coming) noexcept nogil:
    cdef uint32_t guess
    if coming.command.kind == NEW:
        coming.level = ladder_find(
            guess_ladder(core, &coming.command), coming.command.price
        )
        bits_prefetch(core_level(core, coming.level))
        return
    guess = index_guess(coming.bucket, coming.tag)
    bits_prefetch(core_order(core, guess))
    if coming.command.kind == AMEND:
        bits_prefetch(core_terms(core, guess))


cdef inline void look_near(Core* core, Coming* coming) noexcept nogil:
    cdef Order* order
    if coming.command.kind == NEW:
        bits_prefetch(core_order(core, core_level(core, coming.level).tail))
        return
    order = core_order(core, index_guess(coming.bucket, coming.tag))
    bits_prefetch(core_order(core, order.prior))
    bits_prefetch(core_order(core, order.next))
    bits_prefetch(core_level(core, order_level(order)))


cdef inline bint run_may_take(Core* core) noexcept nogil:
    """Whether there is room for the next command's events, and memory for what it may bring."""
    if core.spare == 0 and not spare_refresh(core):
        return False
    return core_room(core) >= ROOM


cdef inline Py_ssize_t run(Core* core, const Command* commands, Py_ssize_t count) noexcept nogil:
    """Takes commands until all are taken, or room or memory is short; says how many it took."""
    cdef Py_ssize_t taken = 0
    cdef Py_ssize_t i
    cdef bint deep = core.orders.live >= DEEP
    cdef Coming* coming
    if core.stage != STAGE_IDLE:
        if not command_go_on(core):
            return 0
    for i in range(min(count, FAR)):
        look_far(core, &core.coming[i], commands + i, deep)
    for i in range(min(count, MIDDLE) if deep else 0):
        look_middle(core, &core.coming[i])
    while taken < count and run_may_take(core):
        if taken + FAR < count:
            look_far(core, &core.coming[(taken + FAR) % AHEAD], commands + taken + FAR, deep)
            if deep:
                look_middle(core, &core.coming[(taken + MIDDLE) % AHEAD])
                look_near(core, &core.coming[(taken + NEAR) % AHEAD])
        coming = &core.coming[taken % AHEAD]
        if bits_unlikely(coming.command.kind == SET):
            if taken != 0 or not core.set_ready:
                break
            core.set_ready = False
        taken += 1
        if not command_take(core, coming):
            break
    return taken
