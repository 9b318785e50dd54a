/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine's table of multicast groups: open addressing with linear probing, at most half full, as the MAC table.
 */
#ifndef DVS_USER_GROUP_H
#define DVS_USER_GROUP_H

#include <errno.h>
#include <string.h>

#include "packet.h"

#define GROUP_SLOTS (2 * DVS_MAX_GROUPS) /* a power of two */

/* list 0 marks a free slot: it is the key of a VLAN's list, never of a group's */
struct group_slot {
	struct dvs_group_key key;
	__u32 list;
};

struct group_table {
	struct group_slot *slot;
	__u32 n;
};

static inline __u32 group_home(const struct dvs_group_key *key)
{
	__u64 word[2];

	memcpy(word, key->address, sizeof(word));
	word[0] = (word[0] ^ word[1] ^ word[1] >> 32 ^ key->vlan) * 0x9e3779b97f4a7c15ULL;
	return (__u32)(word[0] >> 40) & (GROUP_SLOTS - 1);
}

/* The slot of that group, or the free one where it would be. */
static inline struct group_slot *group_slot(const struct group_table *t, const struct dvs_group_key *key)
{
	__u32 i = group_home(key);

	while (t->slot[i].list && memcmp(&t->slot[i].key, key, sizeof(*key)))
		i = (i + 1) & (GROUP_SLOTS - 1);
	return &t->slot[i];
}

static inline int group_put(struct group_table *t, const struct dvs_group_key *key, __u32 list)
{
	struct group_slot *slot = group_slot(t, key);

	if (!slot->list && t->n >= DVS_MAX_GROUPS)
		return -ENOSPC;
	t->n += !slot->list;
	slot->key = *key;
	slot->list = list;
	return 0;
}

/* Takes the group out and puts the rest of its run in anew. */
static inline void group_remove(struct group_table *t, const struct dvs_group_key *key)
{
	struct group_slot *slot = group_slot(t, key), again;
	__u32 i;

	if (!slot->list)
		return;
	slot->list = 0;
	t->n--;
	for (i = (__u32)(slot - t->slot + 1) & (GROUP_SLOTS - 1); t->slot[i].list; i = (i + 1) & (GROUP_SLOTS - 1)) {
		again = t->slot[i];
		t->slot[i].list = 0;
		t->n--;
		(void)group_put(t, &again.key, again.list);
	}
}

#endif
