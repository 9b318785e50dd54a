/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching frames: which points of a frame's way a capture tells of, and what a trace writes down.  None of it decides
 * anything.  The drivers call the points; when no capture is in force that is one test of p->capture.
 */
#ifndef DVS_WATCH_H
#define DVS_WATCH_H

#include "packet.h"

/* A step of the pipeline, written down by a trace (trace.bpf.c, user_trace.c); just the step in the live program. */
#ifdef DVS_TRACING
static INL void dp_note_step(__u32 step, int reason);
#define DVS_STEP(name, call) ({ int reason_ = (call); dp_note_step(DVS_STEP_##name, reason_); reason_; })
#else
#define DVS_STEP(name, call) (call)
#endif

/* What a trace tells of the decision, besides the steps. */
static INL void dvs_trace_decision(struct dvs_trace *trace, const struct dvs_pkt *p)
{
	trace->vlan = p->vlan;
	trace->out = p->out;
	trace->out_uplink = p->out_uplink;
	trace->list_kind = p->list / 4096;
	trace->flood = p->flood;
	trace->unknown = p->unknown;
	trace->punt = p->punt;
}

/* Where on its way a frame is, and with which tag. */
struct dvs_site {
	__u16 point; /* DVS_AT_* */
	__u16 lport;
	__u16 reason;
	__u16 tci;
	__u16 tagged; /* 0, DVS_TAG_* */
	__u16 niv;    /* DVS_NIV_* */
	__u32 niv_word;
};

static INL __u8 dvs_ip_protocol(const struct dvs_pkt *p)
{
	const __u8 *l3 = p->data + DVS_ETH_HLEN;

	if (l3 + 10 > p->end)
		return 0;
	return p->ethertype == 0x0800 ? l3[9] : p->ethertype == 0x86dd ? l3[6] : 0;
}

/* Called once the control entry is at hand. */
static INL void dvs_watch(struct dvs_pkt *p, const struct dvs_control *control)
{
	if (!DVS_HAS(CAPTURE) || !(control->flags & DVS_CTL_CAPTURE))
		return;
	p->capture = 1;
}

/* The tag as it came. */
static INL void dvs_site_came(struct dvs_site *site, const struct dvs_pkt *p)
{
	site->tci = p->tci;
	site->tagged = p->tag_present ? p->tag_foreign ? DVS_TAG_FOREIGN : DVS_TAG_OURS : 0;
	site->niv = p->niv_bad ? DVS_NIV_NONE : p->niv;
	site->niv_word = p->niv_word;
}

/* Inside the switch a frame carries its VLAN (S-245a). */
static INL void dvs_site_inside(struct dvs_site *site, const struct dvs_pkt *p)
{
	dvs_site_came(site, p);
	site->niv = DVS_NIV_NONE;
	if (p->tag_foreign)
		return;
	site->tci = (p->tag_present ? p->tci & DVS_TCI_PRIORITY : 0) | p->vlan;
	site->tagged = p->vlan ? DVS_TAG_OURS : 0;
}

/* The tag as the copy goes. */
static INL void dvs_site_goes(struct dvs_site *site, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	site->tci = p->tag_foreign ? p->tci : copy->tci;
	site->tagged = p->tag_foreign ? DVS_TAG_FOREIGN : copy->tagged ? DVS_TAG_OURS : 0;
	site->niv = copy->niv;
	site->niv_word = copy->niv_word;
}

static INL __u16 dvs_vlan_seen(const struct dvs_pkt *p)
{
	return p->vlan ? p->vlan : p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_VID : 0;
}

/* S-245d */
static INL int dvs_capture_wants(const struct dvs_capture *c, const struct dvs_pkt *p, const struct dvs_site *site)
{
	__u64 mac = dvs_load_mac(c->mac);

	if (!c->left || !(c->points >> (site->point & 31) & 1))
		return 0;
	if (c->lport && c->lport != site->lport)
		return 0;
	if (c->uplink && c->uplink != site->lport && c->uplink != p->lport)
		return 0;
	if (c->ethertype && c->ethertype != p->ethertype)
		return 0;
	if ((c->flags & DVS_CAPTURE_MAC) && mac != p->src && mac != p->dst)
		return 0;
	if ((c->flags & DVS_CAPTURE_VLAN) && c->vlan != dvs_vlan_seen(p))
		return 0;
	return !(c->flags & DVS_CAPTURE_PROTOCOL) || c->protocol == p->protocol;
}

/* All of an event but the time and the bytes. */
static INL void dvs_capture_event(const struct dvs_pkt *p, const struct dvs_site *site, struct dvs_event *event)
{
	event->packet = p->packet;
	event->len = p->len;
	event->kind = site->point;
	event->lport = site->lport;
	event->came_by = p->lport;
	event->reason = site->reason;
	event->vlan = p->vlan;
	event->tci = site->tci;
	event->tagged = site->tagged;
	event->niv = site->niv;
	event->niv_word = site->niv_word;
	event->pad = 0;
}

static INL __u32 dvs_last_drop_key(__u32 lport, __u32 direction, __u32 reason)
{
	return lport | reason << 16 | direction << 31;
}

/* All of a record but the time and the bytes. */
static INL void dvs_last_drop_fill(const struct dvs_pkt *p, struct dvs_last_drop *drop)
{
	drop->len = p->len;
	drop->came_by = p->lport;
	drop->vlan = p->vlan;
	drop->tci = p->tci;
	drop->tagged = p->tag_present ? p->tag_foreign ? DVS_TAG_FOREIGN : DVS_TAG_OURS : 0;
}

#endif
