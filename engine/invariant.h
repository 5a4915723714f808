/* INVARIANT holds in every build: one comparison on what is at hand. CHECK costs a load more and is
 * compiled in checked builds only. A broken one names its .pyx or .pxd line (Cython emits #line)
 * and aborts: going on with a damaged book would turn a bug into wrong trades.
 */
#ifndef PRICETIME_INVARIANT_H
#define PRICETIME_INVARIANT_H

#include <stdio.h>
#include <stdlib.h>

#if defined(__GNUC__)
#define PRICETIME_COLD __attribute__((cold, noinline, noreturn, unused))
#define PRICETIME_EXPECT(x) __builtin_expect(!!(x), 1)
#else
#define PRICETIME_COLD
#define PRICETIME_EXPECT(x) (x)
#endif

#ifndef PRICETIME_CHECKS
#define PRICETIME_CHECKS 0
#endif

PRICETIME_COLD static void pricetime_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "pricetime: broken invariant at %s:%d: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}

#define INVARIANT(holds) \
    do { if (!PRICETIME_EXPECT(holds)) pricetime_broken(#holds, __FILE__, __LINE__); } while (0)

#if PRICETIME_CHECKS
#define CHECK(holds) INVARIANT(holds)
#else
#define CHECK(holds) ((void)sizeof(!(holds)))
#endif

#endif
