/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for the user engine's tables: zeroed, on cache lines of its own and, where much of it is in use at random, on huge
 * pages, so that a look-up does not wait for the page tables besides.
 */
#ifndef DVS_USER_MEMORY_H
#define DVS_USER_MEMORY_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What is touched for every frame has cache lines of its own. */
#define LINE 64
#define LINES __attribute__((aligned(LINE)))
#define HUGE_PAGE (2u << 20)

/* To be freed by free(); NULL: no memory.  From half a huge page on, huge pages are asked for: not having them is no
 * failure. */
static inline void *memory_zeroed(size_t bytes)
{
	size_t align = bytes >= HUGE_PAGE / 2 ? HUGE_PAGE : LINE;
	void *memory = aligned_alloc(align, (bytes + align - 1) & ~(align - 1));

	if (!memory)
		return NULL;
	if (align == HUGE_PAGE)
		(void)madvise(memory, (bytes + align - 1) & ~(align - 1), MADV_HUGEPAGE);
	return memset(memory, 0, bytes);
}

#endif
