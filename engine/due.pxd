# What falls due by the second (orders that expire, and armed switches), and within a second by the
# command that set it. It is a ladder like those of prices, with seconds for ticks and `Timer`
# records for orders.

from libc.stdint cimport int64_t, uint32_t

from engine.invariant cimport CHECK
from engine.ladder cimport Ladder, Level, ladder_add, ladder_drop, ladder_level
from engine.order cimport Timer, timer_at
from engine.slab cimport Slab, slab_give, slab_take

cdef enum:
    NEVER = 0x7FFFFFFFFFFFFFFF
    SECOND = 1000000000  # ns


cdef struct Due:
    Ladder ladder        # its best level is the next second in which something falls due
    int64_t next         # ns; NEVER where nothing falls due


cdef inline void due_refresh(Due* due) noexcept nogil:
    due.next = NEVER
    if due.ladder.best != 0:
        due.next = ladder_level(&due.ladder, due.ladder.best).price * SECOND


cdef inline uint32_t due_set(
    Due* due, Slab* timers, uint32_t owner, uint32_t expires
) noexcept nogil:
    """A new timer for its owner, behind all others of that second."""
    cdef uint32_t added = slab_take(timers, sizeof(Timer))
    timer_at(timers, added).owner = owner
    timer_at(timers, added).link = 0
    timer_at(timers, added).expires = expires
    due_add(due, timers, added)
    return added


cdef inline void due_clear(Due* due, Slab* timers, uint32_t timer) noexcept nogil:
    due_remove(due, timers, timer)
    slab_give(timers, timer, sizeof(Timer))


cdef inline void due_add(Due* due, Slab* timers, uint32_t added) noexcept nogil:
    """Enters a record whose `expires` is set, behind all others of that second."""
    cdef Timer* timer = timer_at(timers, added)
    cdef Level* level
    timer.due = ladder_add(&due.ladder, timer.expires)
    level = ladder_level(&due.ladder, timer.due)
    timer.due_next = 0
    timer.due_prior = level.tail
    if level.tail != 0:
        timer_at(timers, level.tail).due_next = added
    else:
        level.head = added
    level.tail = added
    level.orders += 1
    due_refresh(due)


cdef inline void due_remove(Due* due, Slab* timers, uint32_t removed) noexcept nogil:
    cdef Timer* timer = timer_at(timers, removed)
    cdef Level* level = ladder_level(&due.ladder, timer.due)
    if timer.due_prior != 0:
        timer_at(timers, timer.due_prior).due_next = timer.due_next
    else:
        CHECK(level.head == removed)
        level.head = timer.due_next
    if timer.due_next != 0:
        timer_at(timers, timer.due_next).due_prior = timer.due_prior
    else:
        CHECK(level.tail == removed)
        level.tail = timer.due_prior
    level.orders -= 1
    if level.orders == 0:
        ladder_drop(&due.ladder, timer.due)
    due_refresh(due)
