/* A book serves one caller at a time. The claim is a flag and not a lock: to wait here for another
 * thread's batch would hide a mistake in the caller. Under the GIL the flag is only touched while
 * holding it; without a GIL it is atomic.
 */
#ifndef PRICETIME_CLAIM_H
#define PRICETIME_CLAIM_H

#if defined(Py_GIL_DISABLED) && defined(__GNUC__)
static inline int claim_take(int *claim)
{
    return !__atomic_exchange_n(claim, 1, __ATOMIC_ACQUIRE);
}
static inline void claim_give(int *claim) { __atomic_store_n(claim, 0, __ATOMIC_RELEASE); }
#else
static inline int claim_take(int *claim) { return *claim ? 0 : (*claim = 1); }
static inline void claim_give(int *claim) { *claim = 0; }
#endif

#endif
