/* SPDX-License-Identifier: Apache-2.0
 *
 * Storm control: how many frames a second of a kind a port may send into the switch.  A GCRA per port and kind, one word
 * without a lock: it says when the next frame is due at that rate.  A tenth of a second's worth may come at once, and
 * always one frame.  A superframe counts as one.  Rates are exact to 1 in 1000 up to a million frames a second.
 *
 * "Unknown unicast" is what no port of this host owns; from a vNIC that is everything for the outside too.
 */
#ifndef DVS_STORM_H
#define DVS_STORM_H

#include "packet.h"

#define DVS_STORM_BURST_NS 100000000ULL
#define DVS_STORM_TRIES 4

DVS_ONCE int dvs_storm_at(__u32 lport, __u32 kind, __u32 rate)
{
	struct dvs_live *live = dp_live(lport);
	__u64 now, due, start, interval, ahead;
	__u32 i;

	if (!live || !rate || kind >= DVS_STORM_KINDS)
		return DVS_OK;
	interval = 1000000000ULL / rate;
	ahead = interval < DVS_STORM_BURST_NS ? DVS_STORM_BURST_NS - interval : 0;
	now = dp_now();
	for (i = 0; i < DVS_STORM_TRIES; i++) {
		due = *(volatile __u64 *)&live->storm[kind];
		start = due > now ? due : now;
		if (start - now > ahead)
			return DVS_DROP_STORM;
		if (dp_replace(&live->storm[kind], due, start + interval))
			return DVS_OK;
	}
	return DVS_DROP_STORM; /* so many at once on other CPUs: a storm */
}

static INL int dvs_storm(const struct dvs_pkt *p, const struct dvs_policy *policy, __u32 kind)
{
	return policy->storm[kind] ? dvs_storm_at(p->lport, kind, policy->storm[kind]) : DVS_OK;
}

/* Broadcast and multicast are known by their address alone; unknown unicast is looked up first (fdb.h). */
static INL int dvs_storm_group(const struct dvs_pkt *p, const struct dvs_policy *policy)
{
	if (!dvs_is_multicast(p->dst))
		return DVS_OK;
	return dvs_storm(p, policy, dvs_is_broadcast(p->dst) ? DVS_STORM_BROADCAST : DVS_STORM_MULTICAST);
}

#endif
