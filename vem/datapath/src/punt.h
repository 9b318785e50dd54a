/* SPDX-License-Identifier: Apache-2.0
 *
 * Which frames the agent gets to see, beside what becomes of them: the protocols that it speaks itself.  The steps set
 * p->punt; the drivers copy the frame to the agent, within dvs_punt_allowed(), so that no guest can keep it busy.
 *
 * LACP and LLDP are seen even when the port is blocked: a suspended member of a channel must hear its partner.
 */
#ifndef DVS_PUNT_H
#define DVS_PUNT_H

#include "admit.h"
#include "ip.h"
#include "packet.h"

#define DVS_TYPE_IPV4 0x0800
#define DVS_TYPE_ARP 0x0806
#define DVS_TYPE_RARP 0x8035
#define DVS_TYPE_IPV6 0x86dd
#define DVS_TYPE_SLOW 0x8809 /* LACP */
#define DVS_TYPE_LLDP 0x88cc
#define DVS_TYPE_BEACON 0x88b5 /* with DVS_BEACON_MAGIC: a beacon probe of ours */
#define DVS_BEACON_MAGIC 0x44565342 /* "DVSB" */
#define DVS_VIF_CONTROL_MAGIC 0x44565356 /* "DVSV": VIF control between IV and VIS, to DVS_VIF_CONTROL_MAC, untagged */
#define DVS_VIF_CONTROL_MAC 0x0e0000c28001ULL
#define DVS_PUNT_HEAD 64 /* bytes that must be readable, if the frame has them */

/* Frames a second: uplinks carry control traffic, guests hardly any. */
#define DVS_PUNT_UPLINK_NS 1000000ULL
#define DVS_PUNT_GUEST_NS 10000000ULL
#define DVS_PUNT_BURST 64

/* Does it begin with these four letters? */
static INL int dvs_is_ours(const struct dvs_pkt *p, __u32 magic)
{
	const __u8 *l3 = p->data + DVS_ETH_HLEN;

	return p->ethertype == DVS_TYPE_BEACON && l3 + 4 <= p->end && dvs_load_be32(l3) == magic;
}

static INL int dvs_is_beacon(const struct dvs_pkt *p) { return dvs_is_ours(p, DVS_BEACON_MAGIC); }

/* Not by a guest's port, nor by a VIF: by an uplink, or a link of a VIS; announcements that are followed come by those and
 * by a VIS's other ports. */
static INL int dvs_by_wire(const struct dvs_pkt *p)
{
	return p->uplink || p->by_link || p->punt == DVS_PUNT_FOLLOWED;
}

/* Frames for switches, not for guests. */
static INL void dvs_punt_control(struct dvs_pkt *p)
{
	if (!dvs_is_multicast(p->dst))
		return;
	if (dvs_is_link_local(p->dst) && (p->ethertype == DVS_TYPE_SLOW || p->ethertype == DVS_TYPE_LLDP))
		p->punt = DVS_PUNT_CONTROL;
	else if (p->uplink && p->dst == DVS_CDP_GROUP)
		p->punt = DVS_PUNT_CONTROL;
	else if (p->uplink && (p->is & DVS_IS_BEACON))
		p->punt = DVS_PUNT_BEACON;
	else if ((p->is & DVS_IS_VIF_CONTROL) && p->dst == DVS_VIF_CONTROL_MAC && !p->tag_present && dvs_by_wire(p))
		p->punt = DVS_PUNT_CONTROL;
}

/* The VM of a port that is prepared for it speaks: whatever it says comes out of its own NIC here, and of no other. */
static INL void dvs_punt_arrived(struct dvs_pkt *p, const struct dvs_port *port, int reason)
{
	if (reason == DVS_DROP_PORT_BLOCKED && (port->flags & DVS_PORT_AWAITED) && p->src == dvs_load_mac(port->mac))
		p->punt = DVS_PUNT_ARRIVED;
}

/* Gratuitous: sender and target address are the same. */
static INL int dvs_is_gratuitous_arp(const struct dvs_pkt *p)
{
	const __u8 *arp = p->data + DVS_ETH_HLEN;

	return p->ethertype == DVS_TYPE_ARP && arp + 28 <= p->end && dvs_load_be32(arp + 14) == dvs_load_be32(arp + 24);
}

static INL int dvs_is_igmp(const struct dvs_pkt *p)
{
	const __u8 *ip = p->data + DVS_ETH_HLEN;

	return p->ethertype == DVS_TYPE_IPV4 && ip + 20 <= p->end && ip[9] == 2;
}

/* ICMPv6 behind a hop-by-hop header of 8 bytes, as MLD must be: query, report, done, report of version 2. */
static INL int dvs_is_mld(const struct dvs_pkt *p)
{
	const __u8 *ip = p->data + DVS_ETH_HLEN;

	if (p->ethertype != DVS_TYPE_IPV6 || ip + 49 > p->end || ip[6] != 0 || ip[40] != 58 || ip[41] != 0)
		return 0;
	return (ip[48] >= 130 && ip[48] <= 132) || ip[48] == 143;
}

/* Frames judged by all steps: `reason` is what came of that. */
static INL void dvs_punt_accepted(struct dvs_pkt *p, __u32 control_flags, int reason)
{
	if (reason == DVS_DROP_RPF_LOCAL_SRC && (p->ethertype == DVS_TYPE_RARP || (p->is & DVS_IS_GRATUITOUS)))
		p->punt = DVS_PUNT_MOVED;
	if (DVS_HAS(READ_IP) && !reason && (control_flags & DVS_CTL_SNOOPING) && (p->is & DVS_IS_MEMBERSHIP))
		p->punt = DVS_PUNT_SNOOPED;
}

/* Takes one of what the port has left; counts it as lost when there is none.  Not exact between CPUs, nor need be. */
static INL int dvs_punt_allowed(struct dvs_punt_rate *rate, int uplink, __u64 now)
{
	__u64 every = uplink ? DVS_PUNT_UPLINK_NS : DVS_PUNT_GUEST_NS;
	__u64 due = rate->due > now ? rate->due : now;

	if (due - now > DVS_PUNT_BURST * every) {
		rate->lost++;
		return 0;
	}
	rate->due = due + every;
	return 1;
}

/* All of an event but the time and the bytes. */
static INL void dvs_punt_event(const struct dvs_pkt *p, struct dvs_event *event)
{
	event->packet = 0;
	event->len = p->len;
	event->kind = p->punt;
	event->lport = p->nic;
	event->came_by = p->nic;
	event->reason = 0;
	event->vlan = p->vlan;
	event->tci = p->tci;
	event->tagged = p->tag_present ? p->tag_foreign ? DVS_TAG_FOREIGN : DVS_TAG_OURS : 0;
	event->niv = event->niv_word = event->pad = 0;
}

#endif
