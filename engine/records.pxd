# The records and their values, as C sees them. pricetime/records.py is where their names are
# public, and pricetime/checkpoint.py for the last two; a test compares them, field by field and
# value by value.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    BUY = 1
    SELL = 2

cdef enum:  # Kind
    NEW = 1
    CANCEL = 2
    AMEND = 3
    REPLACE = 4
    MASS_CANCEL = 5
    QUOTE = 6
    ARM = 7
    PHASE = 8
    UNCROSS = 9
    CLOCK = 10
    SET = 11

cdef enum:  # OrderType
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TAKE_PROFIT = 5
    TAKE_PROFIT_LIMIT = 6
    TRAILING_STOP = 7
    TRAILING_STOP_LIMIT = 8
    PEG_PRIMARY = 9
    PEG_MARKET = 10
    PEG_MID = 11

cdef enum:  # TIF
    TIF_DAY = 0
    TIF_GTC = 1
    TIF_AUCTION = 2
    TIF_IOC = 3
    TIF_FOK = 4
    TIF_GTD = 6

cdef enum:  # STP
    STP_DEFAULT = 0
    STP_CANCEL_TAKER = 1
    STP_CANCEL_MAKER = 2
    STP_CANCEL_BOTH = 3
    STP_DECREMENT = 4
    STP_ALLOW = 5

cdef enum:  # Flag
    FLAG_POST_ONLY = 1
    FLAG_POST_ONLY_SLIDE = 2
    FLAG_HIDDEN = 4
    FLAG_QUOTE_QUANTITY = 8
    FLAG_ALL_OR_NONE = 16
    FLAG_ICEBERG = 32
    FLAG_MINIMUM = 64
    FLAG_OCO = 128
    FLAG_ON_FILL = 256

cdef enum:  # EventKind
    EVENT_ACCEPTED = 1
    EVENT_REJECTED = 2
    EVENT_TRADE = 3
    EVENT_CANCELLED = 4
    EVENT_AMENDED = 5
    EVENT_REPLACED = 6
    EVENT_TRIGGERED = 7
    EVENT_REFRESHED = 8
    EVENT_PHASE_CHANGED = 9
    EVENT_INDICATIVE = 10
    EVENT_PARAMETER_SET = 11
    EVENT_ACKNOWLEDGED = 12

cdef enum:  # EventFlag
    MARK_LAST = 1
    MARK_AUCTION = 2
    MARK_HIDDEN = 4

cdef enum:  # OrderState
    ORDER_RESTING = 1
    ORDER_WAITING = 2
    ORDER_SLEEPING = 3

cdef enum:  # Mark
    MARKED_QUOTE = 1
    MARKED_TRIGGERED = 2
    MARKED_REFERENCE = 4

cdef enum:  # Phase
    PHASE_PRE_OPEN = 1
    PHASE_AUCTION = 2
    PHASE_CONTINUOUS = 3
    PHASE_POST_ONLY = 4
    PHASE_CANCEL_ONLY = 5
    PHASE_HALTED = 6
    PHASE_CLOSED = 7

cdef enum:  # Parameter
    PARAMETER_MIN_PRICE = 1
    PARAMETER_MAX_PRICE = 2
    PARAMETER_MIN_QUANTITY = 3
    PARAMETER_MAX_QUANTITY = 4
    PARAMETER_MIN_NOTIONAL = 5
    PARAMETER_MAX_NOTIONAL = 6
    PARAMETER_ORDERS_PER_ACCOUNT = 7
    PARAMETER_STP = 8
    PARAMETER_MATCHING = 9
    PARAMETER_TOP_ORDER = 10
    PARAMETER_MIN_ALLOCATION = 11
    PARAMETER_COLLAR = 12
    PARAMETER_STATIC_BAND = 13
    PARAMETER_STATIC_REFERENCE = 14
    PARAMETER_DYNAMIC_BAND = 15
    PARAMETER_BAND_ACTION = 16
    PARAMETER_AUCTION_SECONDS = 17
    PARAMETERS = 18  # one more than the highest

cdef enum:  # Reason
    REASON_MALFORMED = 1
    REASON_UNSUPPORTED = 2
    REASON_PHASE = 3
    REASON_UNKNOWN_ORDER = 4
    REASON_NOT_OWNER = 5
    REASON_DUPLICATE_ID = 6
    REASON_PRICE_RANGE = 7
    REASON_QUANTITY_RANGE = 8
    REASON_NOTIONAL_RANGE = 9
    REASON_EXPIRED = 10
    REASON_TOO_MANY_ORDERS = 11
    REASON_CAPACITY = 12
    REASON_LINK_GONE = 13
    REASON_WOULD_TRADE = 14
    REASON_FOK = 15
    REASON_MINIMUM = 16
    REASON_USER = 18
    REASON_IOC = 19
    REASON_NO_LIQUIDITY = 20
    REASON_COLLAR = 21
    REASON_BAND = 22
    REASON_SELF_TRADE = 23
    REASON_MASS = 24
    REASON_DISARMED = 25
    REASON_OCO = 26
    REASON_PARENT = 27
    REASON_AUCTION = 28


cdef struct Command:       # 64 bytes
    uint8_t kind
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t stp
    uint8_t reserved
    uint16_t flags
    uint32_t account
    uint32_t expires       # seconds
    uint64_t order_id
    int64_t price          # ticks
    int64_t quantity       # lots
    int64_t trigger        # ticks
    int64_t timestamp      # ns
    uint64_t slot


cdef struct Event:         # 96 bytes
    uint8_t kind
    uint8_t side
    uint8_t reason
    uint8_t flags
    uint32_t account
    uint64_t sequence
    uint64_t command
    int64_t timestamp      # ns
    uint64_t order_id
    int64_t price          # ticks
    int64_t quantity       # lots
    int64_t remaining      # lots
    uint64_t maker_id
    uint32_t maker_account
    uint32_t reserved
    int64_t maker_remaining # lots
    int64_t detail


cdef struct LevelRow:      # 24 bytes; pricetime.LEVEL
    int64_t price
    int64_t quantity
    int64_t orders


cdef struct OrderRow:      # 112 bytes; pricetime.ORDER
    uint64_t order_id
    int64_t price
    int64_t quantity
    int64_t remaining
    int64_t displayed
    int64_t trigger
    int64_t reference
    uint64_t slot
    uint64_t partner
    uint64_t parent
    uint64_t accepted
    uint64_t priority
    uint32_t account
    uint32_t expires
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t stp
    uint16_t flags
    uint8_t state
    uint8_t marks


cdef struct PlainRow:      # 64 bytes; pricetime.checkpoint.PLAIN
    uint64_t order_id
    int64_t price
    int64_t quantity
    int64_t remaining
    uint64_t accepted
    uint64_t priority
    uint32_t account
    uint32_t expires
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t stp
    uint16_t flags
    uint8_t state
    uint8_t marks


cdef struct ExtraRow:      # 56 bytes; pricetime.checkpoint.EXTRA
    uint64_t place
    int64_t displayed
    int64_t trigger
    int64_t reference
    uint64_t slot
    uint64_t partner
    uint64_t parent
