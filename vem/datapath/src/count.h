/* SPDX-License-Identifier: Apache-2.0
 *
 * Every frame is accounted for: received = forwarded + drops on the way in; every copy = sent or a drop on the way
 * out.  These are the only places that touch counters, so that a drop can't go uncounted.
 */
#ifndef DVS_COUNT_H
#define DVS_COUNT_H

#include "packet.h"

static INL __u32 dvs_wire_bytes(const struct dvs_pkt *p, int tagged) { return p->len + (tagged ? 4 : 0); }

/* Bytes of a NIV tag. */
static INL __u32 dvs_niv_bytes(__u32 niv) { return !niv ? 0 : niv == DVS_NIV_VNTAG ? 6 : 8; }

/* Bytes of the tags that a copy leaves with, as far as they count at its port: a foreign tag is carried along and counts,
 * the NIV tag of a VIF does not. */
static INL __u32 dvs_tag_bytes(const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	__u32 bytes = copy->tagged || p->tag_foreign ? 4 : 0;

	return DVS_HAS(NIV) && !copy->link ? bytes + dvs_niv_bytes(copy->niv) : bytes;
}

static INL void dvs_count_received(const struct dvs_pkt *p)
{
	struct dvs_counters *c = dp_counters(p->nic);

	if (!c)
		return;
	c->rx_frames++;
	c->rx_bytes += dvs_wire_bytes(p, p->tag_present);
	if (DVS_HAS(NIV) && p->by_link && !p->niv_bad) /* or it is a VIF's */
		c->rx_bytes += dvs_niv_bytes(p->niv);
	if (dvs_is_broadcast(p->dst))
		c->rx_broadcast++;
	else if (dvs_is_multicast(p->dst))
		c->rx_multicast++;
}

/* Bytes that a copy lacks of the least length that it has to have. */
static INL __u32 dvs_padding(const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	__u32 bytes = dvs_wire_bytes(p, copy->tagged || p->tag_foreign);

	if (DVS_HAS(NIV))
		bytes += dvs_niv_bytes(copy->niv);
	return copy->padded && bytes < DVS_ETH_MIN ? DVS_ETH_MIN - bytes : 0;
}

/* The end of a frame that nobody gets. */
static INL int dvs_drop_in(const struct dvs_pkt *p, int reason)
{
	struct dvs_counters *c = dp_counters(p->nic);

	if (c && (__u32)reason < DVS_DROP_SLOTS)
		c->drops[DVS_IN][reason]++;
	return reason;
}

static INL void dvs_count_forwarded(const struct dvs_pkt *p, __u32 copies)
{
	struct dvs_counters *c = dp_counters(p->nic);

	if (!c)
		return;
	c->rx_forwarded++;
	c->rx_copies += copies;
	if (!DVS_HAS(NIV) || p->niv_way != DVS_NIV_UP)
		return;
	c->niv_rx_frames++;
	c->niv_rx_bytes += dvs_wire_bytes(p, p->tag_present);
	if (dvs_is_broadcast(p->dst))
		c->niv_rx_broadcast++;
	else if (dvs_is_multicast(p->dst))
		c->niv_rx_multicast++;
}

/* One more copy, for a mirror. */
static INL void dvs_count_mirrored(const struct dvs_pkt *p)
{
	struct dvs_counters *c = dp_counters(p->nic);

	if (c)
		c->rx_copies++;
}

/* The end of one receiver's copy that it does not get. */
static INL void dvs_drop_out(__u32 lport, __u32 reason)
{
	struct dvs_counters *c = dp_counters(lport);

	if (c && reason < DVS_DROP_SLOTS)
		c->drops[DVS_OUT][reason]++;
}

/* dvs_padding() that was added (S-001). */
static INL void dvs_count_padding(__u32 lport, __u32 bytes)
{
	struct dvs_counters *c = dp_counters(lport);

	if (c)
		c->tx_bytes += bytes;
}

static INL void dvs_count_sent_by_vif(const struct dvs_pkt *p, struct dvs_counters *c, __u32 tags)
{
	c->niv_tx_frames++;
	c->niv_tx_bytes += p->len + tags;
	if (dvs_is_broadcast(p->dst))
		c->niv_tx_broadcast++;
	else if (dvs_is_multicast(p->dst))
		c->niv_tx_multicast++;
}

/* tags: dvs_tag_bytes() that it left with. */
static INL void dvs_count_sent(const struct dvs_pkt *p, __u32 lport, __u32 tags)
{
	struct dvs_counters *c = dp_counters(lport);

	if (!c)
		return;
	c->tx_frames++;
	c->tx_bytes += p->len + tags;
	if (dvs_is_broadcast(p->dst))
		c->tx_broadcast++;
	else if (dvs_is_multicast(p->dst))
		c->tx_multicast++;
	else if (p->unknown)
		c->tx_flooded++;
	if (DVS_HAS(NIV) && p->niv_way == DVS_NIV_DOWN)
		dvs_count_sent_by_vif(p, c, tags);
}

#endif
