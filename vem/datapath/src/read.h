/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps have to know of a frame beyond its Ethernet header, read in one go before they begin; most frames need
 * none of it.  From here on the steps go by numbers alone, so that the kernel engine's verifier need not follow the
 * frame through them.
 */
#ifndef DVS_READ_H
#define DVS_READ_H

#include "admit.h"
#include "ip.h"
#include "packet.h"
#include "punt.h"
#include "watch.h"

static INL void dp_read(struct dvs_pkt *p, __u32 control_flags);

static INL int dvs_must_read(const struct dvs_pkt *p, __u32 control_flags)
{
	return p->gso || dvs_is_multicast(p->dst) || p->ethertype == DVS_TYPE_ARP ||
	       (control_flags & (DVS_CTL_IP_HASH | DVS_CTL_CAPTURE));
}

static INL void dvs_read_group(struct dvs_pkt *p)
{
	int report;

	if (dvs_group_of(p, p->group, &report))
		p->is |= DVS_IS_GROUPED;
	if (report)
		p->is |= DVS_IS_REPORT;
	if (dvs_is_igmp(p) || dvs_is_mld(p))
		p->is |= DVS_IS_MEMBERSHIP;
}

static INL void dvs_read(struct dvs_pkt *p, __u32 control_flags)
{
	if (p->gso)
		p->segment = dvs_segment_bytes(p);
	if (dvs_is_beacon(p))
		p->is |= DVS_IS_BEACON;
	if (dvs_is_ours(p, DVS_VIF_CONTROL_MAGIC))
		p->is |= DVS_IS_VIF_CONTROL;
	if (dvs_is_gratuitous_arp(p))
		p->is |= DVS_IS_GRATUITOUS;
	if (DVS_HAS(READ_IP) && (control_flags & DVS_CTL_IP_HASH))
		p->hash = dvs_ip_hash(p);
	if (DVS_HAS(READ_IP) && (control_flags & DVS_CTL_SNOOPING) && dvs_is_multicast(p->dst))
		dvs_read_group(p);
	if (DVS_HAS(CAPTURE) && (control_flags & DVS_CTL_CAPTURE))
		p->protocol = dvs_ip_protocol(p);
}

#endif
