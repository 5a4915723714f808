# What falls due: the orders that expire, by the second, and within a second by the command that set
# them. It is a ladder like those of prices, with seconds for ticks and `Rare` records for orders.

from libc.stdint cimport int64_t, uint32_t

from engine.invariant cimport CHECK
from engine.ladder cimport Ladder, Level, ladder_add, ladder_drop, ladder_level
from engine.order cimport Rare, rare_at
from engine.slab cimport Slab

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


cdef inline void due_add(Due* due, Slab* rares, uint32_t added) noexcept nogil:
    """Enters a record whose `expires` is set, behind all others of that second."""
    cdef Rare* rare = rare_at(rares, added)
    cdef Level* level
    rare.due = ladder_add(&due.ladder, rare.expires)
    level = ladder_level(&due.ladder, rare.due)
    rare.due_next = 0
    rare.due_prior = level.tail
    if level.tail != 0:
        rare_at(rares, level.tail).due_next = added
    else:
        level.head = added
    level.tail = added
    level.orders += 1
    due_refresh(due)


cdef inline void due_remove(Due* due, Slab* rares, uint32_t removed) noexcept nogil:
    cdef Rare* rare = rare_at(rares, removed)
    cdef Level* level = ladder_level(&due.ladder, rare.due)
    if rare.due_prior != 0:
        rare_at(rares, rare.due_prior).due_next = rare.due_next
    else:
        CHECK(level.head == removed)
        level.head = rare.due_next
    if rare.due_next != 0:
        rare_at(rares, rare.due_next).due_prior = rare.due_prior
    else:
        CHECK(level.tail == removed)
        level.tail = rare.due_prior
    level.orders -= 1
    if level.orders == 0:
        ladder_drop(&due.ladder, rare.due)
    due_refresh(due)
