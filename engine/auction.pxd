# The auction: one price at which most can trade, and the trades at it (semantics § 8).
#
# Demand at a price is what would buy there: all market orders, and limits at or above it; supply
# likewise; volume is the smaller of the two. Pairing both sides off from their best, as far as they
# meet, gives the largest volume. The prices that reach it lie between the last limits that trade,
# and on these the surplus (demand minus supply) only falls as the price rises; so its smallest size
# is where it is 0, or at an idle limit beside that. All-or-none orders take no part.
#
# The cost is that of the prices that trade, not of the book.

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.core cimport (
    LADDER_MARKET, LADDER_SECOND, Core, Cursor, Taker, core_chain, core_detach, core_end,
    core_level, core_order, core_rare, core_terms, level_side,
)
from engine.event cimport event_refreshed, event_trade
from engine.ladder cimport Ladder, ladder_after, ladder_key
from engine.order cimport Order, Rare, order_level, order_rare
from engine.records cimport BUY, FLAG_ALL_OR_NONE, MARK_AUCTION, SELL
from engine.turn cimport ENDED_MAKER, ENDED_TAKER, behind, sliced
from engine.worklist cimport (
    BY_TIME, Worklist, worklist_add, worklist_end, worklist_link, worklist_next, worklist_open,
)


cdef struct Crossing:      # what an uncross would do
    bint found             # whether anything trades
    int64_t price          # ticks
    int64_t volume         # lots, clamped to 64 bits
    int64_t surplus        # lots, demand minus supply, clamped to 64 bits

cdef enum:
    NO_LIMIT = -0x7FFFFFFFFFFFFFFF  # no price: far below all


cdef struct Side:          # a walk over the limit prices of one side, from its best
    uint8_t side
    uint32_t shown         # level, in the ladder of the displayed
    uint32_t hidden        # level, in the ladder of the second queues
    bint more              # whether there is a price
    int64_t price          # ticks
    int64_t quantity       # lots that take part at it


# --- walking prices


cdef inline int64_t second_quantity(const Core* core, uint32_t level) noexcept nogil:
    """Lots of a second queue that take part."""
    cdef int64_t quantity = 0
    cdef uint32_t slot = core_level(core, level).head if level != 0 else 0
    while slot != 0:
        if core_terms(core, slot).flags & FLAG_ALL_OR_NONE == 0:
            quantity += core_order(core, slot).remaining
        slot = core_order(core, slot).next
    return quantity


cdef inline void side_step(Core* core, Side* walk) noexcept nogil:
    """To the next price at which somebody takes part."""
    cdef Ladder* ladder = &core.ladder[walk.side - 1]
    cdef Ladder* second = &core.ladder[LADDER_SECOND + walk.side - 1]
    cdef int64_t shown, hidden
    cdef bint front
    walk.quantity = 0
    while walk.quantity == 0:
        walk.more = walk.shown != 0 or walk.hidden != 0
        if not walk.more:
            return
        shown = core_level(core, walk.shown).price
        hidden = core_level(core, walk.hidden).price
        front = walk.hidden == 0 or (
            walk.shown != 0 and ladder_key(ladder, shown) <= ladder_key(ladder, hidden)
        )
        walk.price = shown if front else hidden
        if walk.shown != 0 and shown == walk.price:
            walk.quantity = core_level(core, walk.shown).quantity
            walk.shown = ladder_after(ladder, walk.shown)
        if walk.hidden != 0 and hidden == walk.price:
            walk.quantity += second_quantity(core, walk.hidden)
            walk.hidden = ladder_after(second, walk.hidden)


cdef inline Side side_walk(Core* core, uint8_t side) noexcept nogil:
    """A walk at its first price."""
    cdef Side walk
    walk.side = side
    walk.shown = core.ladder[side - 1].best
    walk.hidden = core.ladder[LADDER_SECOND + side - 1].best
    side_step(core, &walk)
    return walk


cdef inline int64_t market_quantity(const Core* core, uint8_t side) noexcept nogil:
    return core_level(core, core.ladder[LADDER_MARKET + side - 1].best).quantity


# --- the price


cdef struct Head:          # what comes next of one side: its market orders first, then its limits
    Side walk
    bint at_market
    int64_t left           # lots at this price that have not been paired off
    int64_t limit          # ticks: the last limit that trades; NO_LIMIT: none does


cdef inline Head head_of(Core* core, uint8_t side) noexcept nogil:
    cdef Head head
    head.walk = side_walk(core, side)
    head.at_market = True
    head.left = market_quantity(core, side)
    head.limit = NO_LIMIT
    return head


cdef inline bint head_ready(Core* core, Head* head) noexcept nogil:
    """Goes to the next price where this one is used up; False: there is none."""
    if head.left == 0:
        if not head.at_market:
            side_step(core, &head.walk)
        head.at_market = False
        head.left = head.walk.quantity if head.walk.more else 0
    return head.left != 0


cdef inline void head_take(Head* head, int64_t quantity) noexcept nogil:
    head.left -= quantity
    if not head.at_market:
        head.limit = head.walk.price


cdef inline void head_pass(Core* core, Head* head) noexcept nogil:
    """From a price that is used up to the first limit that trades nothing."""
    if not head.at_market and head.limit == head.walk.price:
        side_step(core, &head.walk)
    head.at_market = False


cdef inline Crossing crossing_of(Core* core) noexcept nogil:
    """What an uncross would do now."""
    cdef Head buys = head_of(core, BUY)
    cdef Head sells = head_of(core, SELL)
    cdef int64_t quantity
    cdef Crossing crossing
    crossing.volume = crossing.surplus = crossing.price = 0
    crossing.found = False
    while head_ready(core, &buys) and head_ready(core, &sells):
        if not buys.at_market and not sells.at_market and buys.walk.price < sells.walk.price:
            break
        quantity = min(buys.left, sells.left)
        head_take(&buys, quantity)
        head_take(&sells, quantity)
        crossing.volume += min(quantity, INT64_MAX - crossing.volume)
    if crossing.volume != 0:
        choose_price(core, &buys, &sells, &crossing)
    return crossing


cdef inline void choose_price(
    Core* core, Head* buys, Head* sells, Crossing* crossing
) noexcept nogil:
    """Of the limits that reach the largest volume: those from `sells.limit` to `buys.limit`."""
    if buys.left != 0 and (buys.at_market or buys.limit == buys.walk.price):
        crossing.surplus = buys.left
        choose_beyond(buys, sells.limit, crossing)
    elif sells.left != 0 and (sells.at_market or sells.limit == sells.walk.price):
        crossing.surplus = -sells.left
        choose_beyond(sells, buys.limit, crossing)
    else:
        head_pass(core, buys)
        head_pass(core, sells)
        choose_even(core, buys, sells, crossing)
    if not crossing.found and core.trades != 0:
        crossing.found = True  # only market orders meet
        crossing.price = core.last_price
    if not crossing.found:
        crossing.volume = crossing.surplus = crossing.price = 0


cdef inline void choose_beyond(
    const Head* head, int64_t opposite, Crossing* crossing
) noexcept nogil:
    """One side has lots left over at its last price, so all prices have its surplus.

    It is smallest at the limit that trades last. Where that is a market order, at its best limit or
    at the last limit of the other side, whichever is further.
    """
    cdef bint further
    crossing.found = True
    if head.limit != NO_LIMIT:
        crossing.price = head.limit
        return
    crossing.price = opposite
    if not head.walk.more:
        crossing.found = opposite != NO_LIMIT
        return
    further = opposite == NO_LIMIT or (
        head.walk.price >= opposite if head.walk.side == BUY else head.walk.price <= opposite
    )
    if further:
        crossing.price = head.walk.price
        crossing.surplus += head.walk.quantity if head.walk.side == BUY else -head.walk.quantity


cdef inline void choose_even(
    Core* core, Head* buys, Head* sells, Crossing* crossing
) noexcept nogil:
    """Nothing is left over where the two sides stopped; both are at their first idle limits.

    So the last limits that trade have no surplus, if no idle one is as good. Where idle ones are
    as good as both, the smaller of the two that come next is the surplus.
    """
    cdef int64_t[4] price
    cdef int64_t bid = buys.walk.price
    cdef int64_t buying = buys.walk.quantity if buys.walk.more else INT64_MAX
    cdef int64_t selling = sells.walk.quantity if sells.walk.more else INT64_MAX
    cdef int count = choose_last(buys, sells, price, 0)
    if count == 0:
        if not buys.walk.more and not sells.walk.more:
            return
        crossing.surplus = min(buying, selling)
        if buying <= selling:
            price[count] = bid
            count += 1
        if selling <= buying:
            price[count] = sells.walk.price
            count += 1
        if count == 2:
            # As good as these are the last limits that trade, if no second idle one is as good.
            side_step(core, &buys.walk)
            side_step(core, &sells.walk)
            count = choose_last(buys, sells, price, count)
    crossing.found = True
    crossing.price = choose_nearest(core, price, count)
    if buying > selling or crossing.price > bid:
        crossing.surplus = -crossing.surplus


cdef inline int choose_last(
    const Head* buys, const Head* sells, int64_t* price, int count
) noexcept nogil:
    """Adds the last limits that trade, where the idle limit of their own kind is not as good."""
    if sells.limit != NO_LIMIT and not (buys.walk.more and buys.walk.price >= sells.limit):
        price[count] = sells.limit
        count += 1
    if buys.limit != NO_LIMIT and not (sells.walk.more and sells.walk.price <= buys.limit):
        price[count] = buys.limit
        count += 1
    return count


cdef inline int64_t apart(int64_t a, int64_t b) noexcept nogil:
    return a - b if a > b else b - a


cdef inline int64_t choose_nearest(
    const Core* core, const int64_t* price, int count
) noexcept nogil:
    """The nearest to the last trade's: of two the lower; where there was none, the lowest."""
    cdef int64_t best = price[0]
    cdef int64_t away, nearest
    cdef int i
    for i in range(1, count):
        away = nearest = 0
        if core.trades != 0:
            away = apart(price[i], core.last_price)
            nearest = apart(best, core.last_price)
        if away < nearest or (away == nearest and price[i] < best):
            best = price[i]
    return best


# --- the trades


cdef inline uint32_t auction_first(
    Core* core, uint8_t side, int64_t price
) noexcept nogil:
    """The order of a side whose turn it is in an uncross at this price, or 0."""
    cdef Ladder* ladder = &core.ladder[side - 1]
    cdef Ladder* second = &core.ladder[LADDER_SECOND + side - 1]
    cdef uint32_t market = core.ladder[LADDER_MARKET + side - 1].best
    cdef uint32_t hidden
    cdef uint64_t key = ladder_key(ladder, price)
    if market != 0:
        return core_level(core, market).head
    hidden = auction_second(core, side)
    if ladder.best != 0 and ladder_key(ladder, core_level(core, ladder.best).price) <= key:
        if hidden == 0 or (
            ladder_key(ladder, core_level(core, ladder.best).price)
            <= ladder_key(second, core_level(core, core.cursor[side - 1].level).price)
        ):
            return core_level(core, ladder.best).head
    if hidden != 0:
        if ladder_key(second, core_level(core, core.cursor[side - 1].level).price) <= key:
            return hidden
    return 0


cdef inline uint32_t auction_second(Core* core, uint8_t side) noexcept nogil:
    """The first order of the second queues that takes part, at the side's cursor; or 0."""
    cdef Ladder* second = &core.ladder[LADDER_SECOND + side - 1]
    cdef Cursor* cursor = &core.cursor[side - 1]
    if not cursor.set:
        cursor.set = True
        cursor.level = second.best
        cursor.slot = core_level(core, second.best).head
    while cursor.level != 0:
        while cursor.slot != 0:
            if core_terms(core, cursor.slot).flags & FLAG_ALL_OR_NONE == 0:
                return cursor.slot
            cursor.slot = core_order(core, cursor.slot).next
        cursor.level = ladder_after(second, cursor.level)
        cursor.slot = core_level(core, cursor.level).head
    return 0


cdef inline bint auction_trade(Core* core) noexcept nogil:
    """One trade of the uncross; False: there is none left."""
    cdef uint32_t buyer = auction_first(core, BUY, core.uncross)
    cdef uint32_t seller = auction_first(core, SELL, core.uncross)
    cdef bint buyer_later
    if buyer == 0 or seller == 0:
        return False
    buyer_later = core_terms(core, buyer).priority > core_terms(core, seller).priority
    auction_pair(core, buyer if buyer_later else seller, seller if buyer_later else buyer)
    return True


cdef inline void auction_pair(Core* core, uint32_t later, uint32_t earlier) noexcept nogil:
    """Two orders trade; the later one stands as the taker."""
    cdef Order* maker = core_order(core, earlier)
    cdef Order* order = core_order(core, later)
    cdef bint known = core.trades != 0
    cdef int64_t before = core.last_price
    cdef int64_t quantity = min(maker.remaining, order.remaining)
    cdef uint32_t ended
    cdef Taker taker
    auction_give(core, earlier, maker, quantity)
    auction_give(core, later, order, quantity)
    taker.id = order.id
    taker.account = order.account
    taker.side = level_side(core_level(core, order_level(order)))
    taker.quantity = core_terms(core, later).quantity
    taker.remaining = order.remaining
    taker.slot = later
    taker.rare = core_terms(core, later).rare if order_rare(order) else 0
    taker.gone = False
    event_trade(core, &taker, maker, core.uncross, quantity, MARK_AUCTION)
    if order.remaining == 0:
        core_detach(core, later, order)
    if maker.remaining == 0:
        core_detach(core, earlier, maker)
    ended = behind(core, &taker, earlier, maker.remaining == 0, known, before)
    if maker.remaining == 0 and not ended & ENDED_MAKER:
        core_end(core, earlier, maker, core_chain(core, maker))
    if order.remaining == 0 and not ended & ENDED_TAKER:
        core_end(core, later, order, core_chain(core, order))


cdef inline void auction_give(
    Core* core, uint32_t slot, Order* order, int64_t quantity
) noexcept nogil:
    """Takes what it trades off an order; an iceberg is remembered until it shows its slice."""
    cdef Rare* rare
    order.remaining -= quantity
    core_level(core, order_level(order)).quantity -= quantity
    if sliced(core, slot, order):
        rare = core_rare(core, slot)
        if not rare.touched:
            rare.touched = True
            rare.link = core.touched
            core.touched = slot


# --- the slices behind the trades


cdef inline void auction_touched(Core* core) noexcept nogil:
    """Sorts the icebergs that have traded by time."""
    cdef Worklist list
    cdef uint32_t slot = core.touched
    cdef uint32_t behind
    worklist_open(&list, BY_TIME, 0)
    while slot != 0:
        behind = worklist_link(core, slot)[0]
        if core_order(core, slot).remaining != 0:
            worklist_add(core, &list, slot)
        slot = behind
    core.touched = worklist_end(core, &list)


cdef inline void auction_refresh(Core* core) noexcept nogil:
    """The next iceberg shows its slice, in its place."""
    cdef uint32_t slot = core.touched
    cdef Order* order = core_order(core, slot)
    cdef Rare* rare = core_rare(core, slot)
    cdef int64_t displayed = min(rare.slot, order.remaining)
    core.touched = worklist_next(core, slot)
    rare.touched = False
    if displayed != rare.displayed:
        rare.displayed = displayed
        event_refreshed(core, slot, order, displayed)
