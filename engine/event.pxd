# The events: every field of each, as the contract has it. A field that does not apply is 0.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.core cimport (
    STAGE_IDLE, Core, Taker, core_rare, core_room, core_terms, order_price, order_side,
)
from engine.invariant cimport CHECK
from engine.order cimport Order, order_rare
from engine.records cimport (
    EVENT_ACCEPTED, EVENT_AMENDED, EVENT_CANCELLED, EVENT_INDICATIVE, EVENT_REFRESHED,
    EVENT_REJECTED, EVENT_REPLACED, EVENT_TRADE, EVENT_TRIGGERED, MARK_LAST, Command, Event,
)


cdef inline Event* event_head(
    Core* core, uint8_t kind, uint8_t side, uint8_t reason, uint32_t account, uint64_t order_id
) noexcept nogil:
    cdef Event* event = core.event
    CHECK(core_room(core) > 0)
    core.event += 1
    core.sequence += 1
    event.kind = kind
    event.side = side
    event.reason = reason
    event.flags = 0
    event.account = account
    event.sequence = core.sequence
    event.command = core.commands
    event.timestamp = core.now
    event.order_id = order_id
    event.reserved = 0
    return event


cdef inline void event_body(
    Event* event, int64_t price, int64_t quantity, int64_t remaining, int64_t detail
) noexcept nogil:
    """The rest of any event but a trade."""
    event.price = price
    event.quantity = quantity
    event.remaining = remaining
    event.maker_id = 0
    event.maker_account = 0
    event.maker_remaining = 0
    event.detail = detail


cdef inline bint event_last(Core* core) noexcept nogil:
    """Ends the command. Its last event is still there: see command_stop."""
    (core.event - 1).flags |= MARK_LAST
    core.stage = STAGE_IDLE
    return True


cdef inline bint event_reject(Core* core, const Command* command, uint8_t reason) noexcept nogil:
    """The one event of a command that is refused."""
    event_body(
        event_head(
            core, EVENT_REJECTED, command.side, reason, command.account, command.order_id
        ),
        command.price, command.quantity, 0, 0,
    )
    return event_last(core)


cdef inline void event_accepted(Core* core, const Taker* taker) noexcept nogil:
    event_body(
        event_head(core, EVENT_ACCEPTED, taker.side, 0, taker.account, taker.id),
        taker.price, taker.quantity, taker.quantity, taker.trigger,
    )


cdef inline void event_taker_amended(Core* core, const Taker* taker, uint8_t reason) noexcept nogil:
    event_body(
        event_head(core, EVENT_AMENDED, taker.side, reason, taker.account, taker.id),
        taker.price, taker.quantity, taker.remaining, taker.trigger,
    )


cdef inline void event_taker_cancelled(
    Core* core, const Taker* taker, uint8_t reason, int64_t quantity
) noexcept nogil:
    event_body(
        event_head(core, EVENT_CANCELLED, taker.side, reason, taker.account, taker.id),
        taker.price, quantity, 0, 0,
    )


cdef inline void event_triggered(Core* core, const Taker* taker, int64_t met) noexcept nogil:
    event_body(
        event_head(core, EVENT_TRIGGERED, taker.side, 0, taker.account, taker.id),
        taker.price, taker.remaining, taker.remaining, met,
    )


cdef inline Event* event_order(
    Core* core, uint8_t kind, uint32_t slot, const Order* order, uint8_t reason
) noexcept nogil:
    """The head of an event about a live order, wherever it is."""
    return event_head(
        core, kind, order_side(core, slot, order), reason, order.account, order.id
    )


cdef inline void event_order_cancelled(
    Core* core, uint32_t slot, const Order* order, uint8_t reason
) noexcept nogil:
    """Of all that remains of an order, before it leaves its place."""
    event_body(
        event_order(core, EVENT_CANCELLED, slot, order, reason),
        order_price(core, slot, order), order.remaining, 0, 0,
    )


cdef inline void event_order_amended(
    Core* core, uint32_t slot, const Order* order, uint8_t reason
) noexcept nogil:
    """Of an order that keeps its place, after the change."""
    event_body(
        event_order(core, EVENT_AMENDED, slot, order, reason),
        order_price(core, slot, order), core_terms(core, slot).quantity, order.remaining,
        core_rare(core, slot).trigger if order_rare(order) else 0,
    )


cdef inline void event_refreshed(
    Core* core, uint32_t slot, const Order* order, int64_t displayed
) noexcept nogil:
    event_body(
        event_order(core, EVENT_REFRESHED, slot, order, 0),
        order_price(core, slot, order), displayed, order.remaining, 0,
    )


cdef inline void event_replaced(
    Core* core, uint32_t slot, const Order* order, uint64_t new_id
) noexcept nogil:
    """Of the old order, before it leaves its place."""
    event_body(
        event_order(core, EVENT_REPLACED, slot, order, 0),
        order_price(core, slot, order), order.remaining, 0, <int64_t> new_id,
    )


cdef inline void event_trade(
    Core* core, const Taker* taker, const Order* maker, int64_t price, int64_t quantity,
    uint8_t flags,
) noexcept nogil:
    """Written after both have given what they trade."""
    cdef Event* event = event_head(core, EVENT_TRADE, taker.side, 0, taker.account, taker.id)
    core.trades += 1
    core.last_price = price
    event.flags = flags
    event.price = price
    event.quantity = quantity
    event.remaining = taker.remaining
    event.maker_id = maker.id
    event.maker_account = maker.account
    event.maker_remaining = maker.remaining
    event.detail = <int64_t> core.trades


cdef inline void event_other(
    Core* core, uint8_t kind, uint32_t account, uint64_t order_id, int64_t detail
) noexcept nogil:
    """PHASE_CHANGED, PARAMETER_SET, ACKNOWLEDGED."""
    event_body(event_head(core, kind, 0, 0, account, order_id), 0, 0, 0, detail)


cdef inline void event_indicative(
    Core* core, int64_t price, int64_t quantity, int64_t surplus
) noexcept nogil:
    event_body(event_head(core, EVENT_INDICATIVE, 0, 0, 0, 0), price, quantity, 0, surplus)
