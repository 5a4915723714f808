/* A hint to the kernel: large memory in large pages. A deep book touches a random line with nearly
 * every command, and on small pages each of these also misses the address cache.
 */
#ifndef PRICETIME_MEMORY_H
#define PRICETIME_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__linux__)
#include <sys/mman.h>
static inline void memory_prefer_large(void *address, size_t bytes)
{
    uintptr_t begin = ((uintptr_t)address + 4095) & ~(uintptr_t)4095;
    uintptr_t end = ((uintptr_t)address + bytes) & ~(uintptr_t)4095;
    if (end > begin) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}
#else
static inline void memory_prefer_large(void *address, size_t bytes) { (void)address; (void)bytes; }
#endif

#endif
