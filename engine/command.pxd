# The commands: what each kind does (semantics § 3), from its first check to its last event.
#
# `command_take` begins a command, `command_go_on` goes on with one that ran out of room for events
# or memory. Both say whether it is done. Checks come first and in the contract's order; once the
# first event of an order is written, nothing can refuse it any more. A function for a kind answers
# whether all is told; if not, `command_go_on` does what is still to come, one step after the other.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.account cimport account_enter, account_reset
from engine.arm cimport switch_arm, switch_at, switch_disarm
from engine.auction cimport Crossing, auction_refresh, auction_touched, auction_trade, crossing_of
from engine.bits cimport bits_likely, bits_unlikely
from engine.check cimport check_dry, check_entry, check_owned, check_ranges
from engine.core cimport (
    PLANS_MAX, ROOM, ROOM_STEP, STAGE_IDLE, STAGE_MATCH, STAGE_NEXT, TURN_ENTER, TURN_LEFT,
    TURN_NONE, TURN_REFRESH, TURN_UNCROSS, Coming, Core, Taker, core_chain,
    core_counts_accounts, core_crossed, core_detach, core_end, core_order, core_rare,
    core_refresh_due, core_refresh_modes, core_release, core_room, core_terms, order_price,
    order_side, order_traded,
)
from engine.due cimport NEVER, SECOND
from engine.enter cimport enter, enter_again, serve_queued, taker_of_command, taker_of_order
from engine.event cimport (
    event_indicative, event_last, event_order_amended, event_order_cancelled, event_other,
    event_reject, event_replaced, event_taker_amended,
)
from engine.index cimport Place, index_tag
from engine.ladder cimport ladder_level
from engine.links cimport links_cancel, links_free, links_leg
from engine.matching cimport match_resume, settle, take
from engine.order cimport (
    STATE_RESTING, Order, Rare, Terms, order_rare, timer_at, type_limited, type_trailing,
    type_triggered,
)
from engine.phase cimport phase_auction, phase_enter, phase_open, phase_refuses
from engine.quote cimport quote_apply, quote_leave, quote_prepare
from engine.records cimport *
from engine.screen cimport screen
from engine.spare cimport spare_refresh
from engine.trigger cimport trigger_fire
from engine.turn cimport order_reduce
from engine.worklist cimport worklist_account, worklist_auction, worklist_day, worklist_next


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
        if bits_unlikely(core.next_due <= command.timestamp and core.next_due != NEVER):
            core.passing = True
            return command_go_on(core)
        core.now = command.timestamp
    return command_execute(core) or command_go_on(core)


cdef inline bint command_execute(Core* core) noexcept nogil:
    """Carries out the command itself; False: more is to come."""
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
    if kind == QUOTE:
        return command_quote(core, command)
    if kind == MASS_CANCEL:
        return command_mass_cancel(core, command)
    if kind == ARM:
        return command_arm(core, command)
    if kind == PHASE:
        return command_phase(core, command)
    if kind == UNCROSS:
        return command_uncross(core, command)
    if kind == SET:
        return command_set(core, command)
    return command_clock(core, command)


cdef inline bint command_done(Core* core) noexcept nogil:
    """Ends the command, if nothing is left to be done."""
    if bits_unlikely(core.agenda):
        core.stage = STAGE_NEXT
        return False
    return event_last(core)


cdef inline bint command_go_on(Core* core) noexcept nogil:
    """Does one thing after the other, as long as there is room for what one may tell."""
    if core.stage == STAGE_IDLE:
        core.stage = STAGE_NEXT
    if core.keeps:
        if core_room(core) < ROOM:
            return False
        core.keeps = False
        core.event[0] = core.kept
        core.event += 1
    while True:
        if core_room(core) < ROOM_STEP:
            return command_stop(core)
        if core.spare == 0 and not spare_refresh(core):
            return command_stop(core)
        if core.stage == STAGE_MATCH:
            if not match_resume(core):
                return command_stop(core)
            core.stage = STAGE_NEXT
            settle(core, &core.taker)
        elif core.turn != TURN_NONE:
            turn_step(core)
        elif core.serve != 0:
            serve_cancel(core, core.serve_reason)
        elif core.quote_next < 2:
            core.spare -= 1
            quote_apply(core)
        elif core.queued.head != 0:
            core.spare -= 1
            serve_queued(core)
        elif core.passing and core.next_due <= core.doing.command.timestamp and (
            core.next_due != NEVER
        ):
            due_step(core)
        elif core.passing:
            core.passing = False
            core.begun = core.sequence
            core.now = max(core.now, core.doing.command.timestamp)
            core.stage = STAGE_IDLE
            if command_execute(core):
                return True
            if core.stage == STAGE_IDLE:
                core.stage = STAGE_NEXT
        else:
            core.agenda = False
            return event_last(core)


cdef inline bint command_stop(Core* core) noexcept nogil:
    """Stops between two events, to go on later.

    The last one is kept back, since there may be nothing more to tell: then it is the one to mark.
    """
    if not core.keeps and core.event != core.event_begin:
        if (core.event - 1).command == core.commands:
            core.event -= 1
            core.kept = core.event[0]
            core.keeps = True
    return False


cdef inline void serve_cancel(Core* core, uint8_t reason) noexcept nogil:
    """Cancels the first order of the worklist; a reason of 0 is the one of its kind."""
    cdef uint32_t slot = core.serve
    core.serve = worklist_next(core, slot)
    if core_order(core, slot).remaining == 0:
        return  # one before it has taken it along
    if reason == 0:
        reason = REASON_AUCTION
        if core_terms(core, slot).order_type == MARKET:
            reason = REASON_NO_LIQUIDITY
    links_cancel(core, slot, reason)


# --- what falls due


cdef inline void due_step(Core* core) noexcept nogil:
    """The one thing that falls due next: of those of one time, what was set first."""
    cdef int64_t time = core.next_due
    cdef uint64_t first = <uint64_t> -1
    cdef uint32_t slot = 0
    cdef uint32_t switch = 0
    cdef bint plan = False
    cdef bint auction = False
    if core.due.next == time:
        slot = timer_at(
            &core.timers, ladder_level(&core.due.ladder, core.due.ladder.best).head
        ).owner
        first = core_terms(core, slot).accepted
    if core.switches.due.next == time:
        switch = timer_at(
            &core.timers, ladder_level(&core.due.ladder, core.switches.due.ladder.best).head
        ).owner
        if switch_at(&core.switches, switch).sequence < first:
            first = switch_at(&core.switches, switch).sequence
            slot = 0
        else:
            switch = 0
    if core.plans != 0 and core.plan[0].time == time and core.plan[0].sequence < first:
        first = core.plan[0].sequence
        plan = True
    if core.auction_end.time == time and core.auction_end.sequence < first:
        auction = True
    core.now = time
    if auction:
        core.auction_end.time = NEVER
        core_refresh_due(core)
        turn_begin(core, PHASE_CONTINUOUS, core.phase != PHASE_CONTINUOUS)
    elif plan:
        due_plan(core)
    elif switch != 0:
        due_switch(core, <uint32_t> switch_at(&core.switches, switch).account)
    else:
        links_cancel(core, slot, REASON_EXPIRED)


cdef inline void due_switch(Core* core, uint32_t account) noexcept nogil:
    switch_disarm(&core.switches, &core.timers, account)
    core_refresh_due(core)
    core.serve = worklist_account(core, account, 0)
    core.serve_reason = REASON_DISARMED


cdef inline void due_plan(Core* core) noexcept nogil:
    cdef uint8_t phase = core.plan[0].phase
    cdef uint32_t i
    core.plans -= 1
    for i in range(core.plans):
        core.plan[i] = core.plan[i + 1]
    core_refresh_due(core)
    phase_begin(core, phase)


# --- phases


cdef inline void phase_begin(Core* core, uint8_t phase) noexcept nogil:
    """Enters a phase: through an uncross, where trading begins."""
    turn_begin(
        core, phase,
        phase != core.phase and (phase == PHASE_CONTINUOUS or phase == PHASE_POST_ONLY),
    )


cdef inline void turn_begin(Core* core, uint8_t phase, bint uncross) noexcept nogil:
    cdef Crossing crossing
    core.agenda = True
    core.turn = TURN_ENTER
    core.turn_phase = phase
    core.stage = STAGE_NEXT
    if not uncross:
        return
    core.turn = TURN_UNCROSS
    core.touched = 0
    crossing = crossing_of(core)
    core.uncross = crossing.price
    core.cursor[0].set = core.cursor[1].set = False
    if not crossing.found:
        turn_left(core)


cdef inline void turn_left(Core* core) noexcept nogil:
    """What the auction leaves over comes to its end."""
    core.turn = TURN_LEFT
    core.serve = worklist_auction(core)


cdef inline void turn_step(Core* core) noexcept nogil:
    """One event or so of a change of phase."""
    if core.turn == TURN_UNCROSS:
        if not auction_trade(core):
            core.turn = TURN_REFRESH
            auction_touched(core)
    elif core.turn == TURN_REFRESH:
        if core.touched != 0:
            auction_refresh(core)
        else:
            turn_left(core)
    elif core.turn == TURN_LEFT and core.serve != 0:
        serve_cancel(core, 0)
    else:
        core.turn = TURN_NONE
        core.left_crossed = core_crossed(core)
        phase_enter(core, core.turn_phase)
        if core.phase == PHASE_CLOSED:
            core.serve = worklist_day(core)
            core.serve_reason = REASON_EXPIRED
        elif core.phase == PHASE_CONTINUOUS and core.trades != 0:
            trigger_fire(core, core.last_price, False, 0)


# --- orders


cdef inline bint command_new(Core* core, const Command* command) noexcept nogil:
    cdef Taker taker
    cdef uint8_t reason
    if bits_unlikely(core.phase != PHASE_CONTINUOUS):
        # A child only sleeps for now.
        if not phase_open(core) or (
            command.flags & FLAG_ON_FILL == 0
            and phase_refuses(core, command.order_type, command.tif, command.flags)
        ):
            return event_reject(core, command, REASON_PHASE)
    taker_of_command(command, command.order_id, core.doing.tag, command.account, &taker)
    taker.level = core.doing.level
    reason = check_entry(core, &taker, 0)
    if bits_unlikely(reason != 0):
        return event_reject(core, command, reason)
    return enter(core, &taker) and command_done(core)


cdef inline bint command_cancel(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason
    cdef Place place
    if core.phase == PHASE_CLOSED:
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason != 0:
        return event_reject(core, command, reason)
    return cancel_found(core, slot, &place)


cdef inline bint cancel_found(Core* core, uint32_t slot, const Place* place) noexcept nogil:
    cdef Order* order = <Order*> place.item
    if bits_unlikely(order_rare(order)):
        links_cancel(core, slot, REASON_USER)
    else:
        event_order_cancelled(core, slot, order, REASON_USER)
        core_detach(core, slot, order)
        core_release(core, slot, place)
    return command_done(core)


cdef inline bint command_amend(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason
    cdef Place place
    cdef Order* order
    cdef Terms* terms
    cdef int64_t price = command.price
    cdef int64_t trigger = 0
    if not phase_open(core):
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason != 0:
        return event_reject(core, command, reason)
    order = <Order*> place.item
    terms = core_terms(core, slot)
    if command.quantity <= terms.quantity - order.remaining:
        return cancel_found(core, slot, &place)
    if not type_limited(terms.order_type):
        price = 0
    if type_trailing(terms.order_type) and (command.trigger < 1 or price < 0):
        return event_reject(core, command, REASON_PRICE_RANGE)
    reason = check_ranges(core, terms.order_type, price, command.quantity)
    if reason != 0:
        return event_reject(core, command, reason)
    if type_triggered(terms.order_type):
        trigger = command.trigger
    if bits_unlikely(order_rare(order)):
        if core_rare(core, slot).state != STATE_RESTING:
            return amend_dormant(core, slot, order, price, trigger, command.quantity)
    if price == order_price(core, slot, order) and command.quantity <= terms.quantity:
        return amend_in_place(core, slot, order, command.quantity)
    return amend_anew(core, command, slot, order, price)


cdef inline bint amend_in_place(
    Core* core, uint32_t slot, Order* order, int64_t quantity
) noexcept nogil:
    """The same price and no more quantity: a resting order keeps its place."""
    if core_terms(core, slot).quantity > quantity:
        order_reduce(core, slot, order, core_terms(core, slot).quantity - quantity)
    event_order_amended(core, slot, order, 0)
    return event_last(core)


cdef inline bint amend_anew(
    Core* core, const Command* command, uint32_t slot, Order* order, int64_t price
) noexcept nogil:
    """A resting order enters as the newest, unless it slides to where it was."""
    cdef Taker taker
    cdef uint8_t reason
    cdef uint32_t[2] absent
    cdef Terms* terms = core_terms(core, slot)
    taker_of_order(core, slot, order_side(core, slot, order), price, &taker)
    taker.remaining = command.quantity - order_traded(core, slot)
    taker.quantity = command.quantity
    taker.flags &= ~<int> FLAG_MINIMUM  # it counts at the first entry only
    absent[0] = absent[1] = 0
    reason = check_dry(
        core, &taker, core_rare(core, slot).partner if taker.rare != 0 else 0, absent
    )
    if reason != 0:
        return event_reject(core, command, reason)
    if terms.flags & FLAG_POST_ONLY_SLIDE:
        if taker.price == order_price(core, slot, order) and taker.quantity <= terms.quantity:
            return amend_in_place(core, slot, order, taker.quantity)
    core_detach(core, slot, order)
    event_taker_amended(core, &taker, 0)
    taker.priority = core.sequence
    return take(core, &taker) and command_done(core)


cdef inline bint amend_dormant(
    Core* core, uint32_t slot, Order* order, int64_t price, int64_t trigger, int64_t quantity
) noexcept nogil:
    """An order that waits or sleeps: where more changes than a smaller quantity, it starts anew."""
    cdef Rare* rare = core_rare(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    cdef bint keeps = price == rare.price and trigger == rare.trigger and (
        quantity <= terms.quantity
    )
    if not keeps and rare.parent == 0:
        core_detach(core, slot, order)
    order.remaining -= terms.quantity - quantity
    terms.quantity = quantity
    rare.price = price
    rare.trigger = trigger
    event_order_amended(core, slot, order, 0)
    if keeps:
        return event_last(core)
    terms.priority = core.sequence
    if rare.parent != 0:
        return event_last(core)
    taker_of_order(core, slot, rare.side, price, &core.taker)
    return enter_again(core) and command_done(core)


cdef inline bint command_replace(Core* core, const Command* command) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t reason = 0
    cdef Place place
    cdef Taker taker
    cdef Order* order
    if phase_refuses(core, command.order_type, command.tif, command.flags):
        return event_reject(core, command, REASON_PHASE)
    reason = check_owned(core, command, &place, &slot)
    if reason == 0:
        taker_of_command(
            command, command.slot, index_tag(command.slot), (<Order*> place.item).account, &taker
        )
        reason = check_entry(core, &taker, slot)
    if reason != 0:
        return event_reject(core, command, reason)
    order = <Order*> place.item
    event_replaced(core, slot, order, taker.id)
    core_detach(core, slot, order)
    if bits_unlikely(order_rare(order)):
        links_leg(core, slot)
        links_free(core, slot, order_traded(core, slot))
        core_end(core, slot, order, core_chain(core, order))
    else:
        core_release(core, slot, &place)
    return enter(core, &taker) and command_done(core)


cdef inline bint command_quote(Core* core, const Command* command) noexcept nogil:
    cdef uint8_t reason
    if not phase_open(core):
        return event_reject(core, command, REASON_PHASE)
    reason = quote_prepare(core, command)
    if reason != 0:
        return event_reject(core, command, reason)
    core.agenda = True
    if not quote_leave(core):
        core.quote_next = 2
        event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
    return command_done(core)


# --- the rest


cdef inline bint command_mass_cancel(Core* core, const Command* command) noexcept nogil:
    if core.phase == PHASE_CLOSED:
        return event_reject(core, command, REASON_PHASE)
    core.serve = worklist_account(core, command.account, command.side)
    core.serve_reason = REASON_MASS
    core.agenda = True
    if core.serve == 0:
        event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
    return command_done(core)


cdef inline bint command_arm(Core* core, const Command* command) noexcept nogil:
    if core.phase == PHASE_CLOSED:
        return event_reject(core, command, REASON_PHASE)
    if command.expires != 0 and command.expires * <int64_t> SECOND <= core.now:
        return event_reject(core, command, REASON_EXPIRED)
    event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
    switch_disarm(&core.switches, &core.timers, command.account)
    if command.expires != 0:
        switch_arm(
            &core.switches, &core.timers, command.account, command.expires, core.sequence
        )
    core_refresh_due(core)
    return event_last(core)


cdef inline bint command_phase(Core* core, const Command* command) noexcept nogil:
    cdef int64_t time = command.expires * <int64_t> SECOND
    cdef uint32_t i
    if time <= core.now:
        phase_begin(core, command.order_type)
        return False
    if core.plans == PLANS_MAX:
        return event_reject(core, command, REASON_CAPACITY)
    event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
    i = core.plans
    while i > 0 and core.plan[i - 1].time > time:
        core.plan[i] = core.plan[i - 1]
        i -= 1
    core.plan[i].time = time
    core.plan[i].sequence = core.sequence
    core.plan[i].phase = command.order_type
    core.plans += 1
    core_refresh_due(core)
    return event_last(core)


cdef inline bint command_uncross(Core* core, const Command* command) noexcept nogil:
    if not phase_auction(core):
        return event_reject(core, command, REASON_PHASE)
    turn_begin(core, command.order_type, True)
    return False


cdef inline bint command_clock(Core* core, const Command* command) noexcept nogil:
    cdef Crossing crossing
    if phase_auction(core):
        crossing = crossing_of(core)
        event_indicative(core, crossing.price, crossing.volume, crossing.surplus)
    else:
        event_other(core, EVENT_ACKNOWLEDGED, command.account, 0, 0)
    return event_last(core)


cdef inline bint command_set(Core* core, const Command* command) noexcept nogil:
    cdef bint counted = core_counts_accounts(core)
    core.spare = 0  # what a command may need has changed
    core.parameter[command.order_id] = command.price
    core_refresh_modes(core)
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
