/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine's MAC table: open addressing with linear probing, at most half full, so that a look-up touches one
 * cache line most of the time.  Removal shifts later entries of the run back; there are no tombstones.
 */
#ifndef DVS_USER_MAC_H
#define DVS_USER_MAC_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "packet.h"

#define MAC_SLOTS (2 * DVS_MAX_MACS) /* a power of two */

/* lport 0 marks a free slot: no port has that number */
struct mac_slot {
	__u64 key;
	struct dvs_mac entry;
};

struct mac_table {
	struct mac_slot *slot;
	__u32 n;
};

static INL __u32 mac_home(__u64 key)
{
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15ULL;
	return (__u32)(key >> 40) & (MAC_SLOTS - 1);
}

/* Fetches the slot into the cache, for a look-up that comes a few frames later. */
static INL void mac_expect(const struct mac_table *t, __u64 key) { __builtin_prefetch(&t->slot[mac_home(key)]); }

static INL struct dvs_mac *mac_find(struct mac_table *t, __u64 key)
{
	__u32 i = mac_home(key);

	for (; t->slot[i].entry.lport; i = (i + 1) & (MAC_SLOTS - 1))
		if (t->slot[i].key == key)
			return &t->slot[i].entry;
	return NULL;
}

static inline int mac_put(struct mac_table *t, __u64 key, const struct dvs_mac *entry)
{
	struct dvs_mac *old = mac_find(t, key);
	__u32 i = mac_home(key);

	if (old) {
		*old = *entry;
		return 0;
	}
	if (t->n >= DVS_MAX_MACS)
		return -ENOSPC;
	while (t->slot[i].entry.lport)
		i = (i + 1) & (MAC_SLOTS - 1);
	t->slot[i].key = key;
	t->slot[i].entry = *entry;
	t->n++;
	return 0;
}

/* May the entry at `from` move into the hole?  Not if its home lies behind the hole, on the way to `from`. */
static inline int mac_may_move(const struct mac_table *t, __u32 hole, __u32 from)
{
	__u32 home = mac_home(t->slot[from].key);

	return ((from - home) & (MAC_SLOTS - 1)) >= ((from - hole) & (MAC_SLOTS - 1));
}

static inline void mac_remove(struct mac_table *t, __u64 key)
{
	struct dvs_mac *entry = mac_find(t, key);
	__u32 hole, i;

	if (!entry)
		return;
	hole = (__u32)((struct mac_slot *)((char *)entry - offsetof(struct mac_slot, entry)) - t->slot);
	for (i = (hole + 1) & (MAC_SLOTS - 1); t->slot[i].entry.lport; i = (i + 1) & (MAC_SLOTS - 1)) {
		if (mac_may_move(t, hole, i)) {
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole].entry.lport = 0;
	t->n--;
}

#endif
