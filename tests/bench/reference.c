/* SPDX-License-Identifier: Apache-2.0
 *
 * Two loops that never change, for reference.py: how fast the machine calculates, and how fast it fetches.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define STEPS 200000
#define LINES (1u << 16) /* of 64 bytes: 4 MB, more than a core's own caches */

static struct line {
	struct line *next;
	char rest[56];
} *chain;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of a multiplication and an addition that wait for the one before. */
double reference_alu(void)
{
	volatile uint64_t sink;
	uint64_t x = 1;
	double start = now();
	int i;

	for (i = 0; i < STEPS; i++)
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	sink = x;
	(void)sink;
	return (now() - start) / STEPS;
}

/* All lines in one ring, in an order that can't be foreseen. */
static int chain_make(void)
{
	uint32_t i, at = 0;

	chain = aligned_alloc(64, LINES * sizeof(*chain));
	if (!chain)
		return -1;
	for (i = 0; i < LINES; i++, at = (at * 5 + 12345) % LINES) /* goes through all of them */
		chain[at].next = &chain[(at * 5 + 12345) % LINES];
	return 0;
}

/* Nanoseconds of a fetch that waits for the one before; less than 0: no memory. */
double reference_chase(void)
{
	struct line *volatile sink;
	struct line *at;
	double start;
	int i;

	if (!chain && chain_make())
		return -1;
	at = chain;
	start = now();
	for (i = 0; i < STEPS; i++)
		at = at->next;
	sink = at;
	(void)sink;
	return (now() - start) / STEPS;
}
