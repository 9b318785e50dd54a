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

/* Nanoseconds of a dozen instructions, most of which wait for none of the others: a processor whose units are shared with
 * somebody else takes longer, though its clock is the same. */
double reference_alu(void)
{
	volatile uint64_t sink;
	uint64_t a = 1, b = 2, c = 3, d = 4;
	double start = now();
	uint64_t i;

	for (i = 0; i < STEPS; i++) {
		a = (a ^ i) + 7;
		b = (b + i) ^ (b >> 3);
		c = (c ^ i) + (c << 1);
		d = (d + i) ^ 5;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	sink = a + b + c + d;
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
