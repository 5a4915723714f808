# Is a command well-formed (semantics § 3, step 1), and is it one that this engine knows?
#
# Depends on the command and, for SET, on the parameters (a minimum above its maximum), on nothing
# else. The answer is 0, MALFORMED, or UNSUPPORTED for a reserved order type.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from engine.bits cimport bits_likely
from engine.core cimport Core
from engine.records cimport *

cdef enum:
    TIF_PLAIN = 0x5B       # a bit for each TIF but AUCTION
    FLAGS_ALL = 511
    FLAGS_POST_ONLY = 3    # POST_ONLY, POST_ONLY_SLIDE
    FLAGS_SLOT = 480       # ICEBERG, MINIMUM, OCO, ON_FILL: each gives `slot` its own meaning
    FLAGS_NOT_MARKET = 119 # post-only, HIDDEN, ALL_OR_NONE, ICEBERG, MINIMUM: need a limit price

cdef extern from *:
    """
    #define PRICE_END (((int64_t)1) << 62)
    """
    const int64_t PRICE_END  # 2^62: the first price and quantity that is too large


cdef inline bint price_sound(int64_t price) noexcept nogil:
    return -PRICE_END < price < PRICE_END


cdef inline bint quantity_sound(int64_t quantity) noexcept nogil:
    return 0 < quantity < PRICE_END


cdef inline uint8_t screen(const Core* core, const Command* command) noexcept nogil:
    """0, or the reason to refuse the command before anything else happens."""
    # Most commands, in few branches; all others take the long way.
    if bits_likely(command.kind == NEW and command.order_type == LIMIT and command.flags == 0):
        if bits_likely(
            command.reserved == 0 and command.order_id != 0 and 1 <= command.side <= 2
            and command.tif <= TIF_GTD and TIF_PLAIN >> command.tif & 1 and command.stp <= STP_ALLOW
            and quantity_sound(command.quantity) and price_sound(command.price)
        ):
            return 0
    elif command.kind == CANCEL and command.reserved == 0 and command.order_id != 0:
        return 0
    return screen_all(core, command)


cdef inline uint8_t screen_all(const Core* core, const Command* command) noexcept nogil:
    cdef uint8_t kind = command.kind
    if command.reserved != 0:
        return REASON_MALFORMED
    if kind == NEW or kind == REPLACE:
        return screen_order(command)
    if kind == CANCEL:
        return 0 if command.order_id != 0 else REASON_MALFORMED
    if kind == AMEND:
        if (
            command.order_id == 0 or not price_sound(command.price)
            or not price_sound(command.trigger) or not quantity_sound(command.quantity)
        ):
            return REASON_MALFORMED
        return 0
    if kind == MASS_CANCEL:
        return 0 if command.side <= 2 else REASON_MALFORMED
    if kind == QUOTE:
        return screen_quote(command)
    if kind == ARM:
        return 0 if command.account != 0 else REASON_MALFORMED
    if kind == PHASE or kind == UNCROSS:
        return 0 if PHASE_PRE_OPEN <= command.order_type <= PHASE_CLOSED else REASON_MALFORMED
    if kind == SET:
        return screen_set(core, command)
    return 0 if kind == CLOCK else REASON_MALFORMED


cdef inline uint8_t screen_order(const Command* command) noexcept nogil:
    """NEW and REPLACE: each field, then what does not go together."""
    cdef uint8_t order_type = command.order_type
    if (
        command.order_id == 0 or not 1 <= command.side <= 2 or not 1 <= order_type <= PEG_MID
        or command.tif > TIF_GTD or command.tif == 5 or command.stp > STP_ALLOW
        or command.flags & ~FLAGS_ALL or not quantity_sound(command.quantity)
        or (command.kind == REPLACE and command.slot == 0)
    ):
        return REASON_MALFORMED
    if order_type >= PEG_PRIMARY:
        return REASON_UNSUPPORTED
    return 0 if screen_prices(command) and screen_flags(command) else REASON_MALFORMED


cdef inline bint screen_prices(const Command* command) noexcept nogil:
    """Whether price and trigger are sound for the order type, where it uses them."""
    cdef uint8_t order_type = command.order_type
    if order_type == TRAILING_STOP or order_type == TRAILING_STOP_LIMIT:
        if not 1 <= command.trigger < PRICE_END:
            return False
        return order_type == TRAILING_STOP or 0 <= command.price < PRICE_END
    if order_type > LIMIT and not price_sound(command.trigger):
        return False
    if order_type == LIMIT or order_type == STOP_LIMIT or order_type == TAKE_PROFIT_LIMIT:
        return price_sound(command.price)
    return True


cdef inline bint screen_flags(const Command* command) noexcept nogil:
    """Whether the flags go together with each other, the order type and the time in force."""
    cdef uint16_t flags = command.flags
    cdef uint16_t slot_flags = flags & FLAGS_SLOT
    cdef uint8_t order_type = command.order_type
    cdef bint at_once = command.tif == TIF_IOC or command.tif == TIF_FOK
    if slot_flags & (slot_flags - 1) or (slot_flags and command.kind == REPLACE):
        return False
    if flags & FLAGS_POST_ONLY == FLAGS_POST_ONLY:
        return False
    if (
        order_type == MARKET or order_type == STOP or order_type == TAKE_PROFIT
        or order_type == TRAILING_STOP
    ):
        if flags & FLAGS_NOT_MARKET & ~(FLAG_MINIMUM if order_type == MARKET else 0):
            return False
    if at_once and flags & (FLAGS_POST_ONLY | FLAG_ICEBERG | FLAG_ALL_OR_NONE):
        return False
    if flags & FLAG_HIDDEN and flags & FLAG_ICEBERG:
        return False
    if flags & FLAG_ALL_OR_NONE and flags & (FLAG_ICEBERG | FLAG_MINIMUM | FLAGS_POST_ONLY):
        return False
    if flags & FLAG_QUOTE_QUANTITY:
        if order_type != MARKET or flags & FLAG_MINIMUM:
            return False
        if command.tif == TIF_FOK or command.tif == TIF_AUCTION:
            return False
    if command.tif == TIF_AUCTION:
        if order_type > LIMIT or flags & (FLAGS_POST_ONLY | FLAG_ALL_OR_NONE | FLAG_MINIMUM):
            return False
    if flags & (FLAG_ICEBERG | FLAG_MINIMUM):
        if not 1 <= command.slot <= <uint64_t> command.quantity:
            return False
    if flags & FLAG_MINIMUM and command.tif == TIF_FOK:
        return False
    if flags & (FLAG_OCO | FLAG_ON_FILL):
        return command.slot != 0 and command.slot != command.order_id
    return True


cdef inline uint8_t screen_quote(const Command* command) noexcept nogil:
    """Bid `price` x `quantity`, ask `trigger` x `slot`; a side without quantity needs no price."""
    cdef bint bid = command.quantity != 0
    cdef bint ask = command.slot != 0
    if (
        command.account == 0 or command.order_id == 0 or command.order_id + 1 == 0
        or command.quantity < 0 or command.quantity >= PRICE_END
        or command.slot >= <uint64_t> PRICE_END
        or (bid and not price_sound(command.price)) or (ask and not price_sound(command.trigger))
        or (bid and ask and command.price >= command.trigger)
    ):
        return REASON_MALFORMED
    return 0


cdef inline uint8_t screen_set(const Core* core, const Command* command) noexcept nogil:
    cdef int64_t value = command.price
    cdef uint64_t parameter = command.order_id
    if not 1 <= parameter < PARAMETERS or not price_sound(value):
        return REASON_MALFORMED
    return 0 if screen_value(core.parameter, <uint8_t> parameter, value) else REASON_MALFORMED


cdef inline bint screen_value(
    const int64_t* present, uint8_t parameter, int64_t value
) noexcept nogil:
    """Whether the parameter can have this value, given the others; 0 is no limit of notional."""
    if parameter == PARAMETER_MIN_PRICE:
        return value <= present[PARAMETER_MAX_PRICE]
    if parameter == PARAMETER_MAX_PRICE:
        return value >= present[PARAMETER_MIN_PRICE]
    if parameter == PARAMETER_MIN_QUANTITY:
        return 1 <= value <= present[PARAMETER_MAX_QUANTITY]
    if parameter == PARAMETER_MAX_QUANTITY:
        return value >= 1 and value >= present[PARAMETER_MIN_QUANTITY]
    if parameter == PARAMETER_MIN_NOTIONAL:
        return value >= 0 and not 0 < present[PARAMETER_MAX_NOTIONAL] < value
    if parameter == PARAMETER_MAX_NOTIONAL:
        return value == 0 or value >= max(<int64_t> 1, present[PARAMETER_MIN_NOTIONAL])
    if parameter == PARAMETER_STP:
        return STP_CANCEL_TAKER <= value <= STP_ALLOW
    if parameter == PARAMETER_MATCHING or parameter == PARAMETER_BAND_ACTION:
        return 1 <= value <= 2
    if parameter == PARAMETER_TOP_ORDER:
        return 0 <= value <= 1
    if parameter == PARAMETER_MIN_ALLOCATION or parameter == PARAMETER_AUCTION_SECONDS:
        return value >= 1
    if parameter == PARAMETER_STATIC_REFERENCE:
        return True
    return value >= 0  # ORDERS_PER_ACCOUNT, COLLAR, STATIC_BAND, DYNAMIC_BAND: counts and ticks
