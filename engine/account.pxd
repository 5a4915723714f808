# How many live orders each account has: counted only while ORDERS_PER_ACCOUNT limits them, since a
# book without that limit should not pay for it. Switching the limit on counts the book once.
#
# Invariant: an account stands here exactly while it has a live order.

from libc.stdint cimport uint32_t, uint64_t

from engine.index cimport (
    Index, Place, index_erase, index_find, index_insert, index_reset, index_tag,
)
from engine.invariant cimport INVARIANT
from engine.slab cimport Slab, slab_at, slab_give, slab_reset, slab_take


cdef struct Account:      # 16 bytes
    uint64_t account      # first, as the index wants it
    uint32_t live         # orders
    uint32_t seen         # scratch of the walk; else 0


cdef struct Accounts:
    Slab slab
    Index index


cdef inline Account* account_at(const Accounts* accounts, uint32_t item) noexcept nogil:
    return <Account*> slab_at(&accounts.slab, item, sizeof(Account))


cdef inline uint32_t account_find(
    const Accounts* accounts, uint32_t account, Place* place
) noexcept nogil:
    return index_find(
        &accounts.index, &accounts.slab, sizeof(Account), account, index_tag(account), place
    )


cdef inline uint32_t account_live(const Accounts* accounts, uint32_t account) noexcept nogil:
    """The account's live orders."""
    cdef Place place
    cdef uint32_t item = account_find(accounts, account, &place)
    return account_at(accounts, item).live if item != 0 else 0


cdef inline void account_enter(Accounts* accounts, uint32_t account) noexcept nogil:
    """One order more."""
    cdef Place place
    cdef uint32_t item = account_find(accounts, account, &place)
    if item == 0:
        item = slab_take(&accounts.slab, sizeof(Account))
        index_insert(&accounts.index, index_tag(account), item, accounts.slab.live - 1)
        account_at(accounts, item).account = account
        account_at(accounts, item).live = 0
        account_at(accounts, item).seen = 0
    account_at(accounts, item).live += 1


cdef inline void account_leave(Accounts* accounts, uint32_t account) noexcept nogil:
    """One order less."""
    cdef Place place
    cdef uint32_t item = account_find(accounts, account, &place)
    INVARIANT(item != 0)
    account_at(accounts, item).live -= 1
    if account_at(accounts, item).live == 0:
        index_erase(&accounts.index, &place)
        slab_give(&accounts.slab, item, sizeof(Account))


cdef inline void account_reset(Accounts* accounts) noexcept nogil:
    """Forgets all counts, and keeps the memory."""
    slab_reset(&accounts.slab)
    index_reset(&accounts.index)
