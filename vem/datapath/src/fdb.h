/* SPDX-License-Identifier: Apache-2.0
 *
 * The MAC table: static entries for vNICs, valid in every VLAN their port carries (S-053, S-060); learned entries per
 * VLAN where the policy says so, as many as it allows (S-063 to S-074); and the look-up that turns a destination into a receiver or a flood
 * (S-080 to S-094), to which promiscuous ports are added (S-102 to S-112).
 */
#ifndef DVS_FDB_H
#define DVS_FDB_H

#include "packet.h"
#include "storm.h"
#include "team.h"
#include "vlan.h"
#include "mobility.h"
#include "niv.h"

#define DVS_REFRESH_NS 1000000000ULL

/* An entry counts only while its port is there and carries the VLAN: a leftover blackholes nobody (S-056, S-074). */
static INL __u32 dvs_entry_port(const struct dvs_mac *entry, __u32 vlan, __u32 bank)
{
	const struct dvs_port *port;
	const struct dvs_policy *policy;

	if (!entry)
		return 0;
	port = dp_port(entry->lport);
	if (!port || (port->flags & (DVS_PORT_USED | DVS_PORT_MOVED)) != DVS_PORT_USED)
		return 0;
	policy = dp_policy(bank, port->policy);
	return policy && dvs_carries(policy, vlan) ? entry->lport : 0;
}

static INL __u32 dvs_static_owner(__u64 mac, __u32 vlan, __u32 bank)
{
	return dvs_entry_port(dp_mac(dvs_mac_key(mac, DVS_VLAN_ANY)), vlan, bank);
}

#define DVS_OWNER_LPORT 0xffff
#define DVS_OWNER_OWN 0x10000 /* it is the vNIC's own MAC */

/* The port that owns a MAC in a VLAN, with DVS_OWNER_*, or 0; a vNIC's own MAC before a learned one. */
DVS_ONCE __u32 dvs_owner(__u64 mac, __u32 vlan, __u32 bank)
{
	__u32 lport = dvs_static_owner(mac, vlan, bank);

	return lport ? lport | DVS_OWNER_OWN : dvs_entry_port(dp_mac(dvs_mac_key(mac, vlan)), vlan, bank);
}

/* Is it in that (sorted) list? */
DVS_ONCE int dvs_is_member(const struct dvs_members *list, __u32 lport)
{
	__u64 found = 0, at, more;
	__u32 step = DVS_MAX_MEMBERS / 2; /* and 256, 128 ... 1: DVS_MAX_MEMBERS together */

	if (!list || !list->n)
		return 0;
	/* How many are no greater than lport; without a branch, each of which would double what the verifier has to see. */
	for (; step; step = step == DVS_MAX_MEMBERS / 2 ? 256 : step / 2) {
		at = found + step - 1;
		more = (at - list->n) >> 63;
		__asm__("" : "+r"(more)); /* or clang turns this into a branch */
		at &= -more; /* there are that many, or look at the first */
		more &= ((__u64)list->lport[at] - lport - 1) >> 63;
		__asm__("" : "+r"(more));
		found += more * step;
	}
	return found && list->lport[found - 1] == lport;
}

/* Are promiscuous ports to see reflected frames too (S-111)? */
static INL int dvs_shows_reflected(__u32 control_flags)
{
	return DVS_HAS(PROMISCUOUS) && (control_flags & DVS_CTL_PROMISCUOUS) && (control_flags & DVS_CTL_NO_RPF_PROMISCUOUS);
}

/* Our own frame come back by the network (S-087, S-089a: per VLAN and MAC). */
static INL int dvs_local_source(struct dvs_pkt *p, __u32 control_flags)
{
	__u32 owner = DVS_HAS(UPLINK) && p->uplink ? dvs_owner(p->src, p->vlan, p->bank) & DVS_OWNER_LPORT : 0;

	if (!owner)
		return DVS_OK;
	if (!DVS_HAS(NIV) || !(control_flags & DVS_CTL_VEPA))
		return DVS_DROP_RPF_LOCAL_SRC;
	p->niv_way = DVS_NIV_BACK; /* S-092: for all others here it is as from outside */
	p->link = owner;
	return DVS_OK;
}

/* VEPA: a vNIC's frame goes to its uplink, and nowhere else (S-092). */
static INL int dvs_to_relay(struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy)
{
	p->out_uplink = dvs_tx_uplink(p, port, policy);
	return p->out_uplink ? DVS_OK : DVS_DROP_UPLINK_INACTIVE;
}

/* Must not go back there: S-085, S-091, and what says so of NIV links and of VEPA. */
static INL int dvs_back(const struct dvs_pkt *p, __u32 lport)
{
	const struct dvs_port *port;

	if (!DVS_HAS(NIV))
		return lport == p->lport ? DVS_DROP_SAME_PORT : DVS_OK;
	port = dp_port(lport);
	if (p->niv_way == DVS_NIV_BACK && lport == p->link)
		return DVS_DROP_RPF_LOCAL_SRC;
	if (lport == p->lport)
		return p->reflective ? DVS_OK : DVS_DROP_SAME_PORT;
	return port && lport && dvs_niv_same_link(p, lport, port) ? DVS_DROP_SAME_PORT : DVS_OK;
}

static INL int dvs_over_limit(const struct dvs_policy *policy)
{
	return policy->flags & DVS_POL_LIMIT_ALLOW ? DVS_OK : DVS_DROP_MAC_LIMIT; /* S-067, S-066 */
}

/* Counts one more MAC for the port, unless it has as many as it may. */
static INL int dvs_mac_room(struct dvs_live *live, const struct dvs_policy *policy)
{
	__u32 had = dp_add(&live->learned, 1) - live->forgotten;

	if (!policy->mac_limit || had < policy->mac_limit)
		return 1;
	dp_add(&live->learned, -1);
	return 0;
}

static INL int dvs_learn_new(__u64 key, __u32 lport, const struct dvs_policy *policy)
{
	struct dvs_mac fresh = { .lport = lport, .seen = dp_now() };
	struct dvs_live *live = dp_live(lport);
	int failed;

	if (!live || !dvs_mac_room(live, policy))
		return dvs_over_limit(policy);
	failed = dp_learn(key, &fresh);
	if (failed)
		dp_add(&live->learned, -1);
	return failed < 0 ? dvs_over_limit(policy) : DVS_OK;
}

/* The MAC spoke on another port before (S-072). */
static INL int dvs_learn_move(struct dvs_mac *entry, __u32 lport, const struct dvs_policy *policy)
{
	struct dvs_live *live = dp_live(lport), *old;
	struct dvs_counters *c = dp_counters(lport);
	__u32 before;

	if (!live || !dvs_mac_room(live, policy))
		return dvs_over_limit(policy);
	before = dp_exchange(&entry->lport, lport);
	old = dp_live(before); /* this port itself, if another CPU was faster */
	if (old)
		dp_add(&old->learned, -1);
	if (c && before != lport)
		c->mac_moves++;
	entry->seen = dp_now();
	return DVS_OK;
}

/* A host that is to become an IV still sends by its link what its VIFs on the VIS will send (or by another link of its). */
static INL int dvs_niv_to_be(__u32 owner, __u32 lport)
{
	const struct dvs_port *port = dp_port(owner), *link = dp_port(lport);

	return port && port->link && link && (link->flags & (DVS_PORT_BRIDGE | DVS_PORT_TAGGED_ONLY)) == DVS_PORT_BRIDGE;
}

/* Learning, and its refresh, at most one write a second and MAC. */
DVS_ONCE int dvs_learn_at(__u64 key, __u32 lport, const struct dvs_policy *policy, __u32 bank)
{
	struct dvs_mac *entry;
	__u32 owner;
	__u64 now;

	if (!policy)
		return DVS_OK;
	owner = dvs_static_owner(key & DVS_MAC_MASK, key >> 48, bank);
	if (owner)
		return owner == lport || (DVS_HAS(NIV) && dvs_niv_to_be(owner, lport)) ? DVS_OK : DVS_DROP_PORT_SECURITY; /* S-073 */
	entry = dp_mac(key);
	if (!entry)
		return dvs_learn_new(key, lport, policy);
	if (entry->lport != lport)
		return dvs_learn_move(entry, lport, policy);
	now = dp_now();
	if (now - entry->seen > DVS_REFRESH_NS)
		entry->seen = now;
	return DVS_OK;
}

/* Never from an uplink (S-062). */
static INL int dvs_learn(const struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy)
{
	if (!DVS_HAS(LEARN) || p->uplink || !(policy->flags & DVS_POL_LEARN))
		return DVS_OK;
	if ((port->flags & DVS_PORT_OWNS_MAC) && p->src == dvs_load_mac(port->mac))
		return DVS_OK; /* what dvs_learn_at() would find */
	return dvs_learn_at(dvs_mac_key(p->src, p->vlan), p->lport, policy, p->bank);
}

static INL void dvs_plan_flood(struct dvs_pkt *p, __u32 list)
{
	p->flood = 1;
	p->list = list;
}

static INL int dvs_is_shown(__u32 control_flags)
{
	return DVS_HAS(PROMISCUOUS) && (control_flags & DVS_CTL_PROMISCUOUS);
}

/* A multicast packet, with snooping: to a registered group's members only (S-232), a membership report to no vNIC at all
 * (S-236: another guest that heard it would keep its own to itself). */
static INL int dvs_plan_group(struct dvs_pkt *p, __u32 control_flags)
{
	struct dvs_group_key key = { .vlan = p->vlan };
	int report = !!(p->is & DVS_IS_REPORT);
	__u32 list;

	__builtin_memcpy(key.address, p->group, sizeof(key.address));
	list = (p->is & DVS_IS_GROUPED) && !report ? dp_group(&key) : 0;
	if (!list && !report)
		return 0;
	p->filtered = 1;
	p->spies = dvs_is_shown(control_flags);
	if (list)
		dvs_plan_flood(p, list);
	return 1;
}

/* Whether the frame, which is for p->out, waits for others that are still in the tunnel. */
static INL int dvs_wait_at_gate(struct dvs_pkt *p, __u32 control_flags)
{
	const struct dvs_port *port = dp_port(p->out);
	const struct dvs_policy *policy = port ? dp_policy(p->bank, port->policy) : 0;

	if (!port || !policy || dvs_reverse_teaming(p, p->out, port, policy, control_flags))
		return 0; /* that is the receiver's to say */
	return dvs_at_gate(p, port, p->out);
}

/* Where to: fills p->out, or p->flood and its list, and p->out_uplink: never from uplink to uplink (S-080 to S-086). */
static INL int dvs_lookup(struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy,
			  __u32 control_flags)
{
	__u32 owner;
	int reason;

	if (DVS_HAS(NIV) && (control_flags & DVS_CTL_VEPA) && !p->uplink)
		return dvs_to_relay(p, port, policy);
	if (dvs_is_multicast(p->dst)) {
		p->out_uplink = dvs_tx_uplink(p, port, policy);
		if (!DVS_HAS(READ_IP) || !(control_flags & DVS_CTL_SNOOPING) || dvs_is_broadcast(p->dst) ||
		    !dvs_plan_group(p, control_flags))
			dvs_plan_flood(p, DVS_LIST_ALL * 4096 + p->vlan);
		return DVS_OK;
	}
	owner = dvs_owner(p->dst, p->vlan, p->bank);
	reason = dvs_back(p, owner & DVS_OWNER_LPORT);
	/* A port of a physical switch may know by now where the vEth has gone: it brings what it had before, too. */
	if (DVS_HAS(MOBILITY) && reason == DVS_DROP_SAME_PORT && (control_flags & DVS_CTL_MOVED)) {
		dvs_seek_moved(p);
		p->spies = p->to_tunnel && dvs_is_shown(control_flags);
		return p->to_tunnel ? DVS_OK : DVS_DROP_SAME_PORT;
	}
	if (reason)
		return reason;
	p->spies = dvs_is_shown(control_flags);
	if (owner) {
		p->out = owner & DVS_OWNER_LPORT;
		if (DVS_HAS(MOBILITY) && (control_flags & DVS_CTL_MOVED) && dvs_wait_at_gate(p, control_flags))
			return DVS_OK;
		p->own_mac = owner >> 16;
		return DVS_OK;
	}
	if ((control_flags & DVS_CTL_MOVED) && ((reason = dvs_seek_moved(p)) || p->to_tunnel))
		return reason;
	p->unknown = 1;
	p->out_uplink = dvs_tx_uplink(p, port, policy);
	dvs_plan_flood(p, DVS_LIST_UNKNOWN * 4096 + p->vlan);
	return DVS_HAS(STORM) && (control_flags & DVS_CTL_STORM) ? dvs_storm(p, policy, DVS_STORM_UNKNOWN) : DVS_OK;
}

/* Why a frame that was to be given to several ports found none. */
static INL int dvs_nobody(const struct dvs_pkt *p)
{
	if (p->reflected || (DVS_HAS(NIV) && p->niv_way == DVS_NIV_BACK))
		return DVS_DROP_RPF_LOCAL_SRC;
	if (p->filtered && (p->flood || p->uplink))
		return DVS_DROP_MCAST_FILTER;
	if (!p->uplink && !p->out_uplink)
		return p->unknown || p->filtered ? DVS_DROP_UPLINK_INACTIVE : DVS_DROP_NO_RECEIVER; /* S-093 */
	return p->unknown ? DVS_DROP_UNKNOWN_UNICAST : DVS_DROP_NO_RECEIVER; /* S-082 */
}

#endif
