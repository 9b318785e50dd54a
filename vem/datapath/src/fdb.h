/* SPDX-License-Identifier: Apache-2.0
 *
 * The MAC table: static entries for vNICs, valid in every VLAN their port carries (S-053, S-060); learned entries per
 * VLAN where the policy says so (S-063 to S-074); and the look-up that turns a destination into a receiver or a flood
 * (S-080 to S-094).
 */
#ifndef DVS_FDB_H
#define DVS_FDB_H

#include "packet.h"
#include "team.h"
#include "vlan.h"

#define DVS_REFRESH_NS 1000000000ULL

/* An entry counts only while its port is there and carries the VLAN: a leftover blackholes nobody (S-056, S-074). */
static INL __u32 dvs_entry_port(const struct dvs_mac *entry, __u32 vlan)
{
	const struct dvs_port *port;
	const struct dvs_policy *policy;

	if (!entry)
		return 0;
	port = dp_port(entry->lport);
	if (!port || !(port->flags & DVS_PORT_USED))
		return 0;
	policy = dp_policy(port->policy);
	return policy && dvs_carries(policy, vlan) ? entry->lport : 0;
}

static INL __u32 dvs_static_owner(__u64 mac, __u32 vlan)
{
	return dvs_entry_port(dp_mac(dvs_mac_key(mac, DVS_VLAN_ANY)), vlan);
}

/* The port that owns a MAC in a VLAN, or 0; a vNIC's own MAC before a learned one. */
static INL __u32 dvs_owner(__u64 mac, __u32 vlan)
{
	__u32 lport = dvs_static_owner(mac, vlan);

	return lport ? lport : dvs_entry_port(dp_mac(dvs_mac_key(mac, vlan)), vlan);
}

/* Our own frame come back by the network (S-087, S-089a: per VLAN and MAC). */
static INL int dvs_local_source(const struct dvs_pkt *p)
{
	return p->uplink && dvs_owner(p->src, p->vlan) ? DVS_DROP_RPF_LOCAL_SRC : DVS_OK;
}

/* Learning, never from an uplink (S-062); and its refresh, at most one write a second and MAC. */
static INL int dvs_learn(const struct dvs_pkt *p, const struct dvs_policy *policy)
{
	__u64 key = dvs_mac_key(p->src, p->vlan);
	struct dvs_mac fresh = { .lport = p->lport };
	struct dvs_mac *entry;
	__u32 owner;

	if (p->uplink || !(policy->flags & DVS_POL_LEARN))
		return DVS_OK;
	owner = dvs_static_owner(p->src, p->vlan);
	if (owner)
		return owner == p->lport ? DVS_OK : DVS_DROP_PORT_SECURITY; /* S-073 */
	fresh.seen = dp_now();
	entry = dp_mac(key);
	if (!entry)
		return dp_learn(key, &fresh) ? DVS_DROP_MAC_LIMIT : DVS_OK;
	if (entry->lport == p->lport && fresh.seen - entry->seen <= DVS_REFRESH_NS)
		return DVS_OK;
	entry->lport = p->lport; /* S-072 */
	entry->seen = fresh.seen;
	return DVS_OK;
}

static INL void dvs_plan_flood(struct dvs_pkt *p, __u32 kind, __u32 uplink)
{
	p->flood = 1;
	p->list = kind * 4096 + p->vlan;
	p->out_uplink = p->uplink ? 0 : uplink; /* never from uplink to uplink (S-086) */
}

/* Where to: fills p->out, or p->flood and its list (S-080 to S-084). */
static INL int dvs_lookup(struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy)
{
	__u32 uplink = p->uplink ? 0 : dvs_tx_uplink(port, policy);
	__u32 owner;

	if (dvs_is_multicast(p->dst)) {
		dvs_plan_flood(p, DVS_LIST_ALL, uplink);
		return DVS_OK;
	}
	owner = dvs_owner(p->dst, p->vlan);
	if (owner == p->lport)
		return DVS_DROP_SAME_PORT; /* S-085, S-091 */
	if (owner) {
		p->out = owner;
		return DVS_OK;
	}
	p->unknown = 1;
	dvs_plan_flood(p, DVS_LIST_UNKNOWN, uplink);
	return DVS_OK;
}

/* Why a frame that was to be flooded found no receiver at all. */
static INL int dvs_nobody(const struct dvs_pkt *p)
{
	if (!p->uplink && !p->out_uplink)
		return p->unknown ? DVS_DROP_UPLINK_INACTIVE : DVS_DROP_NO_RECEIVER; /* S-093 */
	return p->unknown ? DVS_DROP_UNKNOWN_UNICAST : DVS_DROP_NO_RECEIVER; /* S-082 */
}

#endif
