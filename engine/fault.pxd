# A fault: what a walk has found wrong, as a number and two values for the message (the edge has the
# words).

from libc.stdint cimport uint32_t, uint64_t

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
    FAULT_BEST = 10           # ladder, level
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
    FAULT_RECENT = 24         # ladder, place
    FAULT_WAITING = 25        # order id, slot
    FAULT_TRAIL = 26          # order id, rare record
    FAULT_LINK = 27           # order id, slot
    FAULT_SWITCH = 28         # account, timer
    FAULT_PLAN = 29           # place, time
    FAULTS = 30


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
