# The load: puts orders into a new book as a checkpoint has them, without matching.

from libc.stdint cimport uint32_t

from engine.core cimport (
    Core, Taker, core_admit_rare, core_attach, core_find_id, core_ladder, core_level,
)
from engine.index cimport Place, index_tag
from engine.ladder cimport ladder_add
from engine.records cimport STP_ALLOW, TIF_GTD, OrderRow
from engine.screen cimport PRICE_END, price_sound, quantity_sound


cdef inline bint load_order(Core* core, const OrderRow* row) noexcept nogil:
    """Adds one order behind those of its price. False: none can be so (`walk` cannot see it)."""
    cdef Taker taker
    cdef Place place
    cdef uint32_t level
    if (
        not 1 <= row.side <= 2 or not price_sound(row.price) or not quantity_sound(row.remaining)
        or row.order_id == 0 or row.tif > TIF_GTD or row.stp > STP_ALLOW or row.reserved != 0
        or (row.expires != 0) != (row.tif == TIF_GTD)
        or core_find_id(core, row.order_id, &place) != 0
    ):
        return False
    taker.id = row.order_id
    taker.tag = index_tag(row.order_id)
    taker.price = row.price
    taker.quantity = row.quantity
    taker.remaining = row.remaining
    taker.accepted = row.accepted
    taker.priority = row.priority
    taker.account = row.account
    taker.expires = 0  # load_expiry comes later
    taker.slot = 0
    taker.flags = row.flags
    taker.side = row.side
    taker.order_type = row.order_type
    taker.tif = row.tif
    taker.stp = row.stp
    level = ladder_add(core_ladder(core, row.side), row.price)
    if core_level(core, level).quantity >= PRICE_END - row.remaining:
        return False
    core_attach(core, &taker, level)
    return True


cdef inline void load_expiry(Core* core, const OrderRow* row) noexcept nogil:
    """Lets a loaded order expire; to be called in order of acceptance, as ties fall due in it."""
    cdef Place place
    core_admit_rare(core, core_find_id(core, row.order_id, &place), row.expires)
