# The commands: what each kind does (semantics § 3), from its first check to its last event.
#
# `command_take` begins a command, `command_resume` goes on with one that ran out of room for
# events. Both say whether it is done. Checks come first and in the contract's order; once the first
# event of an order is written, nothing can refuse it any more.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.account cimport account_enter, account_live, account_reset
from engine.bits cimport bits_likely, bits_notional_in, bits_unlikely
from engine.core cimport (
    ROOM, STAGE_DUE, STAGE_MATCH, STAGE_SERVE, Coming, Core, Taker, core_counts_accounts,
    core_detach, core_drop, core_find, core_level, core_order, core_rare, core_release, core_room,
    core_terms, level_side,
)
from engine.due cimport SECOND
from engine.event cimport (
    event_accepted, event_last, event_order_amended, event_order_cancelled, event_other,
    event_reject, event_replaced, event_taker_amended,
)
from engine.index cimport Place, index_tag
from engine.ladder cimport ladder_level
from engine.matching cimport (
    Prospect, dry_run, match, order_reduce, reachable, settle, take, taker_aim, taker_crosses,
)
from engine.order cimport (
    Order, Terms, order_level, order_rare, rare_at, terms_stp, terms_tif,
)
from engine.records cimport *
from engine.screen cimport FLAGS_POST_ONLY, screen
from engine.worklist cimport TAKE_ACCOUNT, TAKE_DAY, worklist_collect, worklist_link


# --- the frame


cdef inline bint command_take(Core* core, Coming* coming) noexcept nogil:
    """Begins a command. The caller has made sure of room for ROOM events, and of memory."""
    cdef const Command* command = &coming.command
    cdef uint8_t reason = screen(core, command)
    core.doing = coming
    core.commands += 1
    core.spare -= 1
    if bits_unlikely(reason != 0):
        return event_reject(core, command, reason)
    if bits_likely(command.timestamp > core.now):
        if bits_unlikely(core.due.next <= command.timestamp):
            core.stage = STAGE_DUE
            return command_resume(core)
        core.now = command.timestamp
    return command_execute(core)


cdef inline bint command_execute(Core* core) noexcept nogil:
    cdef const Command* command = &core.doing.command
    cdef uint8_t kind = command.kind
    if kind == NEW:
        return command_new(core, command)
    if kind == CANCEL:
        return command_cancel(core, command)
    if kind == AMEND:
        return command_amend(core, command)
    if kind == REPLACE:
        return command_replace(core, command)
    if kind == MASS_CANCEL:
        return command_mass_cancel(core, command)
    if kind == PHASE:
        return command_phase(core, command)
    if kind == SET:
        return command_set(core, command)
    event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)  # CLOCK
    return event_last(core)


cdef inline bint command_resume(Core* core) noexcept nogil:
    """Goes on with the command that ran out of room; there is some now."""
    if core.stage == STAGE_DUE:
        # The command itself comes after what was due, and wants its own room.
        if not command_pass_time(core) or core_room(core) < ROOM:
            return False
        return command_execute(core)
    if core.stage == STAGE_MATCH:
        return match(core, &core.taker) and settle(core, &core.taker)
    return command_serve(core)


cdef inline bint command_pass_time(Core* core) noexcept nogil:
    """Lets everything due at or before the command's timestamp happen, each at its own time.

    The loop asks for an empty ladder and not for a time, as a timestamp may be NEVER itself.
    """
    cdef uint32_t slot
    cdef Order* order
    cdef int64_t time = core.doing.command.timestamp
    while core.due.ladder.best != 0 and core.due.next <= time:
        if core_room(core) < 1:
            return False
        core.now = core.due.next
        slot = rare_at(&core.rares, ladder_level(&core.due.ladder, core.due.ladder.best).head).order
        order = core_order(core, slot)
        event_order_cancelled(core, order, REASON_EXPIRED)
        core_drop(core, slot)
    core.now = max(core.now, time)
    return True


cdef inline bint command_serve(Core* core) noexcept nogil:
    """Cancels the orders of the worklist."""
    cdef uint32_t slot
    cdef Order* order
    while core.serve != 0:
        if core_room(core) < 1:
            core.stage = STAGE_SERVE
            return False
        slot = core.serve
        core.serve = worklist_link(core, slot)[0]
        order = core_order(core, slot)
        if not order_rare(order):
            core_terms(core, slot).rare = 0
        event_order_cancelled(core, order, core.serve_reason)
        core_drop(core, slot)
    return event_last(core)


# --- checks


cdef inline bint phase_takes_orders(const Core* core) noexcept nogil:
    return core.phase == PHASE_CONTINUOUS


cdef inline uint8_t check_owned(
    const Core* core, const Command* command, Place* place, uint32_t* slot
) noexcept nogil:
    """Finds the order that the command names; UNKNOWN_ORDER, NOT_OWNER or 0."""
    slot[0] = core_find(core, command.order_id, core.doing.tag, place)
    if slot[0] == 0:
        return REASON_UNKNOWN_ORDER
    if command.account != 0 and command.account != (<Order*> place.item).account:
        return REASON_NOT_OWNER
    return 0


cdef inline uint8_t check_ranges(
    const Core* core, uint8_t order_type, int64_t price, int64_t quantity
) noexcept nogil:
    """PRICE_RANGE, QUANTITY_RANGE, NOTIONAL_RANGE or 0."""
    if order_type != MARKET:
        if price < core.parameter[PARAMETER_MIN_PRICE]:
            return REASON_PRICE_RANGE
        if price > core.parameter[PARAMETER_MAX_PRICE]:
            return REASON_PRICE_RANGE
    if quantity < core.parameter[PARAMETER_MIN_QUANTITY]:
        return REASON_QUANTITY_RANGE
    if quantity > core.parameter[PARAMETER_MAX_QUANTITY]:
        return REASON_QUANTITY_RANGE
    if core.parameter[PARAMETER_MIN_NOTIONAL] | core.parameter[PARAMETER_MAX_NOTIONAL]:
        if order_type != MARKET and not bits_notional_in(
            price, quantity, core.parameter[PARAMETER_MIN_NOTIONAL],
            core.parameter[PARAMETER_MAX_NOTIONAL],
        ):
            return REASON_NOTIONAL_RANGE
    return 0


cdef inline uint8_t check_entry(
    Core* core, Taker* taker, uint32_t leaving
) noexcept nogil:
    """What could refuse a new order, in the contract's order; `leaving` is what it replaces, or 0.

    An order that slides gets its new price here.
    """
    cdef uint32_t live = core.orders.live - (leaving != 0)
    cdef uint8_t reason
    cdef Place place
    if core_find(core, taker.id, taker.tag, &place) != 0:
        return REASON_DUPLICATE_ID
    reason = check_ranges(core, taker.order_type, taker.price, taker.quantity)
    if reason != 0:
        return reason
    if taker.tif == TIF_GTD and taker.expires * <int64_t> SECOND <= core.now:
        return REASON_EXPIRED
    if core_counts_accounts(core) and taker.account != 0:
        if (
            account_live(&core.accounts, taker.account) - (leaving != 0)
            >= <uint64_t> core.parameter[PARAMETER_ORDERS_PER_ACCOUNT]
        ):
            return REASON_TOO_MANY_ORDERS
    if live >= core.orders_max:
        return REASON_CAPACITY
    if bits_unlikely(taker.flags & FLAGS_POST_ONLY):
        return check_post_only(core, taker, leaving)
    if bits_unlikely(taker.tif == TIF_FOK):
        return check_all(core, taker, leaving)
    return 0


cdef inline uint8_t check_post_only(Core* core, Taker* taker, uint32_t absent) noexcept nogil:
    """WOULD_TRADE or 0; an order that slides is moved one tick short of where it would trade."""
    cdef Prospect prospect
    cdef int64_t price
    taker_aim(core, taker)
    if not taker_crosses(core, taker):
        return 0
    prospect = dry_run(core, taker, absent, 1)
    if prospect.traded == 0:
        return 0
    if taker.flags & FLAG_POST_ONLY:
        return REASON_WOULD_TRADE
    price = prospect.first_price + (1 if taker.side == SELL else -1)
    if not core.parameter[PARAMETER_MIN_PRICE] <= price <= core.parameter[PARAMETER_MAX_PRICE]:
        return REASON_WOULD_TRADE
    taker.price = price
    return 0


cdef inline uint8_t check_all(Core* core, Taker* taker, uint32_t absent) noexcept nogil:
    """FOK or 0."""
    taker_aim(core, taker)
    if absent == 0 and not reachable(core, taker):
        return REASON_FOK
    if dry_run(core, taker, absent, taker.remaining).traded < taker.remaining:
        return REASON_FOK
    return 0


# --- orders


cdef inline void taker_of_command(
    const Command* command, uint64_t order_id, uint32_t tag, uint32_t account, Taker* taker
) noexcept nogil:
    taker.id = order_id
    taker.tag = tag
    taker.level = 0
    taker.price = 0 if command.order_type == MARKET else command.price
    taker.quantity = taker.remaining = command.quantity
    taker.account = account
    taker.expires = command.expires if command.tif == TIF_GTD else 0
    taker.slot = 0
    taker.flags = command.flags
    taker.side = command.side
    taker.order_type = command.order_type
    taker.tif = command.tif
    taker.stp = command.stp
    taker.gone = False


cdef inline bint enter(Core* core, Taker* taker) noexcept nogil:
    """Accepts a checked order and lets it trade."""
    event_accepted(core, taker)
    taker.accepted = taker.priority = core.sequence
    core.id_max = max(core.id_max, taker.id)
    return take(core, taker)


cdef inline bint command_new(Core* core, const Command* command) noexcept nogil:
    cdef Taker taker
    cdef uint8_t reason
    if not phase_takes_orders(core):
        return event_reject(core, command, REASON_PHASE)
    taker_of_command(command, command.order_id, core.doing.tag, command.account, &taker)
    taker.level = core.doing.level
    reason = check_entry(core, &taker, 0)
    if bits_unlikely(reason != 0):
        return event_reject(core, command, reason)
    return enter(core, &taker)


cdef inline bint command_cancel(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason
    cdef Place place
    if core.phase == PHASE_CLOSED:
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason != 0:
        return event_reject(core, command, reason)
    cancel_found(core, slot, &place)
    return event_last(core)


cdef inline void cancel_found(Core* core, uint32_t slot, const Place* place) noexcept nogil:
    cdef Order* order = <Order*> place.item
    event_order_cancelled(core, order, REASON_USER)
    core_detach(core, order)
    core_release(core, slot, place)


cdef inline bint command_amend(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason
    cdef Place place
    cdef Order* order
    cdef Terms* terms
    if not phase_takes_orders(core):
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason != 0:
        return event_reject(core, command, reason)
    order = <Order*> place.item
    terms = core_terms(core, slot)
    if command.quantity <= terms.quantity - order.remaining:
        cancel_found(core, slot, &place)
        return event_last(core)
    reason = check_ranges(core, terms.order_type, command.price, command.quantity)
    if reason != 0:
        return event_reject(core, command, reason)
    if terms.flags & FLAG_POST_ONLY_SLIDE == 0:
        if command.price == core_level(core, order_level(order)).price:
            if command.quantity <= terms.quantity:
                return amend_in_place(core, order, terms, command.quantity)
    return amend_anew(core, command, slot, order, terms)


cdef inline bint amend_in_place(
    Core* core, Order* order, Terms* terms, int64_t quantity
) noexcept nogil:
    """The same price and no more quantity: the order keeps its place."""
    order_reduce(core, order, terms, terms.quantity - quantity)
    event_order_amended(core, order, terms, 0)
    return event_last(core)


cdef inline bint amend_anew(
    Core* core, const Command* command, uint32_t slot, Order* order, Terms* terms
) noexcept nogil:
    """The order leaves its place and enters as the newest, unless it slides to where it was."""
    cdef Taker taker
    cdef uint8_t reason
    taker_of_order(core, command, slot, order, terms, &taker)
    if taker.flags & FLAGS_POST_ONLY:
        reason = check_post_only(core, &taker, 0)
        if reason != 0:
            return event_reject(core, command, reason)
        if taker.price == core_level(core, order_level(order)).price:
            if taker.quantity <= terms.quantity:
                return amend_in_place(core, order, terms, taker.quantity)
    core_detach(core, order)
    event_taker_amended(core, &taker, 0)
    taker.priority = core.sequence
    return take(core, &taker)


cdef inline void taker_of_order(
    Core* core, const Command* amend, uint32_t slot, const Order* order, const Terms* terms,
    Taker* taker,
) noexcept nogil:
    """The order as the amend wants it."""
    taker.id = order.id
    taker.tag = core.doing.tag
    taker.level = 0
    taker.price = amend.price
    taker.quantity = amend.quantity
    taker.remaining = amend.quantity - (terms.quantity - order.remaining)
    taker.accepted = terms.accepted
    taker.account = order.account
    taker.expires = core_rare(core, slot).expires if order_rare(order) else 0
    taker.slot = slot
    taker.flags = terms.flags
    taker.side = level_side(core_level(core, order_level(order)))
    taker.order_type = terms.order_type
    taker.tif = terms_tif(terms)
    taker.stp = terms_stp(terms)
    taker.gone = False


cdef inline bint command_replace(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason
    cdef Place place
    cdef Taker taker
    if not phase_takes_orders(core):
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason == 0:
        taker_of_command(
            command, command.slot, index_tag(command.slot), (<Order*> place.item).account, &taker
        )
        reason = check_entry(core, &taker, slot)
    if reason != 0:
        return event_reject(core, command, reason)
    event_replaced(core, <Order*> place.item, taker.id)
    core_detach(core, <Order*> place.item)
    core_release(core, slot, &place)
    return enter(core, &taker)


# --- the rest


cdef inline bint command_mass_cancel(Core* core, const Command* command) noexcept nogil:
    if core.phase == PHASE_CLOSED:
        return event_reject(core, command, REASON_PHASE)
    core.serve = worklist_collect(core, TAKE_ACCOUNT, command.account, command.side)
    core.serve_reason = REASON_MASS
    if core.serve == 0:
        event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
        return event_last(core)
    return command_serve(core)


cdef inline bint command_phase(Core* core, const Command* command) noexcept nogil:
    core.phase = command.order_type
    event_other(core, EVENT_PHASE_CHANGED, 0, 0, core.phase)
    if core.phase != PHASE_CLOSED:
        return event_last(core)
    core.serve = worklist_collect(core, TAKE_DAY, 0, 0)
    core.serve_reason = REASON_EXPIRED
    return command_serve(core)


cdef inline bint command_set(Core* core, const Command* command) noexcept nogil:
    cdef bint counted = core_counts_accounts(core)
    core.spare = 0  # what a command may need has changed
    core.parameter[command.order_id] = command.price
    if core_counts_accounts(core) and not counted:
        count_accounts(core)
    event_other(core, EVENT_PARAMETER_SET, 0, command.order_id, command.price)
    return event_last(core)


cdef inline void count_accounts(Core* core) noexcept nogil:
    """Begins to count orders by account, the limit being on now; the edge has made the memory."""
    cdef uint32_t slot
    account_reset(&core.accounts)
    for slot in range(1, core.orders.used):
        if core_order(core, slot).remaining != 0:
            account_enter(&core.accounts, core_order(core, slot).account)
