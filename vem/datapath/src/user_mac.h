/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine's MAC table: open addressing with linear probing, at most half full, so that a look-up touches one
 * cache line most of the time.  It grows with its entries, so that a small one stays in the cache.  Removal shifts later
 * entries of the run back; there are no tombstones.
 */
#ifndef DVS_USER_MAC_H
#define DVS_USER_MAC_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "packet.h"
#include "user_memory.h"

#define MAC_SLOTS_FIRST 1024 /* a power of two, as all numbers of slots are */

/* lport 0 marks a free slot: no port has that number.  Two fill a cache line. */
struct mac_slot {
	__u64 key;
	struct dvs_mac entry;
} __attribute__((aligned(32)));

struct mac_table {
	struct mac_slot *slot;
	__u32 n;
	__u32 last; /* slots less one */
};

/* The slot of a key, if nobody was there before. */
static INL __u32 mac_home(const struct mac_table *t, __u64 key)
{
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15ULL;
	return (__u32)(key >> 40) & t->last;
}

/* Fetches the slot into the cache, for a look-up that comes a few frames later. */
static INL void mac_expect(const struct mac_table *t, __u64 key) { __builtin_prefetch(&t->slot[mac_home(t, key)]); }

static INL struct dvs_mac *mac_find(const struct mac_table *t, __u64 key)
{
	__u32 i = mac_home(t, key);

	for (; t->slot[i].entry.lport; i = (i + 1) & t->last)
		if (t->slot[i].key == key)
			return &t->slot[i].entry;
	return NULL;
}

static inline int mac_init(struct mac_table *t)
{
	t->slot = memory_zeroed(MAC_SLOTS_FIRST * sizeof(*t->slot));
	t->last = MAC_SLOTS_FIRST - 1;
	return t->slot ? 0 : -ENOMEM;
}

/* Into a free slot; the key is not there. */
static inline void mac_add(struct mac_table *t, __u64 key, const struct dvs_mac *entry)
{
	__u32 i = mac_home(t, key);

	while (t->slot[i].entry.lport)
		i = (i + 1) & t->last;
	t->slot[i].key = key;
	t->slot[i].entry = *entry;
	t->n++;
}

/* Twice as many slots; all pointers to entries are void afterwards. */
static inline int mac_grow(struct mac_table *t)
{
	struct mac_table more = { .last = 2 * t->last + 1 };
	__u32 i;

	more.slot = memory_zeroed(((size_t)more.last + 1) * sizeof(*more.slot));
	if (!more.slot)
		return -ENOSPC;
	for (i = 0; i <= t->last; i++)
		if (t->slot[i].entry.lport)
			mac_add(&more, t->slot[i].key, &t->slot[i].entry);
	free(t->slot);
	*t = more;
	return 0;
}

static inline int mac_put(struct mac_table *t, __u64 key, const struct dvs_mac *entry)
{
	struct dvs_mac *old = mac_find(t, key);

	if (old) {
		*old = *entry;
		return 0;
	}
	if (t->n >= DVS_MAX_MACS || (t->n > t->last / 2 && mac_grow(t)))
		return -ENOSPC;
	mac_add(t, key, entry);
	return 0;
}

/* May the entry at `from` move into the hole?  Not if its home lies behind the hole, on the way to `from`. */
static inline int mac_may_move(const struct mac_table *t, __u32 hole, __u32 from)
{
	__u32 home = mac_home(t, t->slot[from].key);

	return ((from - home) & t->last) >= ((from - hole) & t->last);
}

static inline void mac_remove(struct mac_table *t, __u64 key)
{
	struct dvs_mac *entry = mac_find(t, key);
	__u32 hole, i;

	if (!entry)
		return;
	hole = (__u32)((struct mac_slot *)((char *)entry - offsetof(struct mac_slot, entry)) - t->slot);
	for (i = (hole + 1) & t->last; t->slot[i].entry.lport; i = (i + 1) & t->last) {
		if (mac_may_move(t, hole, i)) {
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole].entry.lport = 0;
	t->n--;
}

#endif
