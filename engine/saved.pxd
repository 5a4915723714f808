# A saved order: the fields of its `OrderRow` that every order has, and apart from them those that
# most orders do without. So a checkpoint of plain orders has little more than half the bytes.

from libc.stdint cimport uint64_t

from engine.records cimport ExtraRow, OrderRow, PlainRow


cdef inline bint saved_cut(
    const OrderRow* row, uint64_t place, PlainRow* plain, ExtraRow* extra
) noexcept nogil:
    """Cuts the row of the order at a place in two; whether the extra one says anything."""
    plain.order_id = row.order_id
    plain.price = row.price
    plain.quantity = row.quantity
    plain.remaining = row.remaining
    plain.accepted = row.accepted
    plain.priority = row.priority
    plain.account = row.account
    plain.expires = row.expires
    plain.side = row.side
    plain.order_type = row.order_type
    plain.tif = row.tif
    plain.stp = row.stp
    plain.flags = row.flags
    plain.state = row.state
    plain.marks = row.marks
    extra.place = place
    extra.displayed = row.displayed
    extra.trigger = row.trigger
    extra.reference = row.reference
    extra.slot = row.slot
    extra.partner = row.partner
    extra.parent = row.parent
    return (
        row.displayed != row.remaining or row.trigger != 0 or row.reference != 0
        or row.slot != 0 or row.partner != 0 or row.parent != 0
    )


cdef inline void saved_join(
    const PlainRow* plain, const ExtraRow* extra, OrderRow* row
) noexcept nogil:
    """Makes the row of an order anew; NULL: it has nothing extra."""
    row.order_id = plain.order_id
    row.price = plain.price
    row.quantity = plain.quantity
    row.remaining = row.displayed = plain.remaining
    row.trigger = row.reference = 0
    row.slot = row.partner = row.parent = 0
    row.accepted = plain.accepted
    row.priority = plain.priority
    row.account = plain.account
    row.expires = plain.expires
    row.side = plain.side
    row.order_type = plain.order_type
    row.tif = plain.tif
    row.stp = plain.stp
    row.flags = plain.flags
    row.state = plain.state
    row.marks = plain.marks
    if extra == NULL:
        return
    row.displayed = extra.displayed
    row.trigger = extra.trigger
    row.reference = extra.reference
    row.slot = extra.slot
    row.partner = extra.partner
    row.parent = extra.parent
