/* SPDX-License-Identifier: Apache-2.0
 *
 * May this frame enter the switch by this port?  Port state, size, source MAC, forged transmits, link-local control
 * frames (S-002 to S-022, S-240).  Each step returns a drop reason, or DVS_OK to go on.
 */
#ifndef DVS_ADMIT_H
#define DVS_ADMIT_H

#include "packet.h"

static INL int dvs_admit_state(const struct dvs_port *port, const struct dvs_policy *policy)
{
	if ((port->flags & DVS_PORT_BLOCKED) || (policy->flags & DVS_POL_BLOCKED))
		return DVS_DROP_PORT_BLOCKED;
	return DVS_OK;
}

/* Bytes of L2 header that do not count against the MTU: MACs, type, and up to two tags (S-004). */
static INL __u32 dvs_l2_bytes(const struct dvs_pkt *p)
{
	return DVS_ETH_HLEN + (dvs_is_tag(p->ethertype) ? 4 : 0);
}

/* Read beforehand (read.h).  A superframe is as long as the segments it will be cut into (S-005): its headers, then gso bytes. */
static INL __u32 dvs_segment_bytes(const struct dvs_pkt *p)
{
	const __u8 *l3 = p->data + DVS_ETH_HLEN;
	__u32 headers = 20;

	if (l3 + 20 > p->end)
		return p->gso;
	if (p->ethertype == 0x86dd)
		headers = 40;
	else if (p->ethertype == 0x0800)
		headers = (l3[0] & 0x0f) * 4;
	return headers + (p->gso_udp ? 8 : 20) + p->gso;
}

static INL int dvs_admit_size(const struct dvs_pkt *p, __u32 mtu)
{
	return (p->gso ? p->segment : p->len - dvs_l2_bytes(p)) > mtu ? DVS_DROP_OVERSIZE : DVS_OK;
}

static INL int dvs_admit_source(const struct dvs_pkt *p)
{
	if (dvs_is_multicast(p->src) || p->src == 0)
		return DVS_DROP_SRC_MAC_INVALID;
	return DVS_OK;
}

/* 01-80-C2-00-00-0x is never forwarded, whoever sends it (S-018, S-020, S-021); CDP of the network neither (S-019). */
static INL int dvs_admit_control(const struct dvs_pkt *p, const struct dvs_policy *policy)
{
	__u64 group = p->dst & 0x0000ffffffffffULL;
	__u32 low = (__u32)(p->dst >> 40);

	if (p->uplink && p->dst == DVS_CDP_GROUP)
		return DVS_DROP_RESERVED_MCAST;
	if (group != 0x000000c28001ULL || low > 0x0f)
		return DVS_OK;
	if (low == 0 && !p->uplink)
		return policy->flags & DVS_POL_BPDU_OK ? DVS_OK : DVS_DROP_BPDU_GUARD;
	return DVS_DROP_RESERVED_MCAST;
}

/* The Ethernet source must be the vNIC's effective MAC (S-008 to S-010, S-014). */
static INL int dvs_admit_forged(const struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy)
{
	if (p->uplink || (policy->flags & DVS_POL_FORGED_OK) || p->src == dvs_load_mac(port->mac))
		return DVS_OK;
	return DVS_DROP_FORGED_TX;
}

static INL int dvs_admit(const struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy, __u32 mtu)
{
	int reason = dvs_admit_state(port, policy);

	if (reason && p->serviced && (port->flags & DVS_PORT_MOVED))
		reason = DVS_OK; /* sent before the vEth moved away, and kept until now */
	if (!reason)
		reason = dvs_admit_size(p, mtu);
	if (!reason)
		reason = dvs_admit_source(p);
	if (!reason)
		reason = dvs_admit_control(p, policy);
	if (!reason)
		reason = dvs_admit_forged(p, port, policy);
	return reason;
}

#endif
