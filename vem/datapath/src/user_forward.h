/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine's driver of the pipeline: decides on a frame and hands each receiver's copy to its transmit queue,
 * or, during a test run, to the recorder.
 */
#ifndef DVS_USER_FORWARD_H
#define DVS_USER_FORWARD_H

#include "user_engine.h"
#include "pipeline.h"
#include "user_frame.h"
#include "user_tx.h"
#include "user_events.h"

static void record_bytes(struct recorder *r, __u32 at, const struct out *o)
{
	r->lengths[at] = 0;
	if (r->used + o->bytes > r->room)
		return;
	r->lengths[at] = out_copy(o, r->frames + r->used);
	r->used += o->bytes;
}

static void record_copy(struct recorder *r, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	__u32 at = r->trace->n++;
	struct out o = { .parts = 0 };

	out_whole(&o, p, copy);
	if (!copy->reason && !p->held)
		tx_sent(p, copy->lport, dvs_tag_bytes(p, copy), copy->link ? 0 : o.padding);
	if (at >= DVS_TRACE_COPIES)
		return;
	r->trace->copy[at] = *copy;
	record_bytes(r, at, &o);
}

static INL void hand_over(struct dvs *e, struct frame *f, const struct dvs_copy *copy)
{
	if (e->recorder)
		record_copy(e->recorder, &f->pkt, copy);
	else if (!copy->reason)
		send_copy(e, f, copy);
}

static INL void give(struct dvs *e, struct frame *f, __u32 lport)
{
	struct dvs_copy copy, shown;

	dvs_receive(&f->pkt, lport, &copy);
	watch_copy(e, &f->pkt, &copy);
	shown = copy;
	if (copy.reason || !dvs_mirror_out(&f->pkt, &shown)) {
		hand_over(e, f, &copy);
		return;
	}
	finish_here(f);
	hand_over(e, f, &copy);
	hand_over(e, f, &shown);
}

static void show(struct dvs *e, struct frame *f)
{
	struct dvs_copy copy;

	dvs_mirror_in(&f->pkt, &copy);
	finish_here(f);
	hand_over(e, f, &copy);
}

/* How many of a list of VIFs are to have the frame, if one copy, which is filled in, will do for all of them; else 0. */
static __u32 join(const struct dvs_pkt *p, const struct dvs_members *vifs, struct dvs_copy *copy)
{
	struct dvs_copy next;
	__u32 i, n = 0;

	copy->lport = 0;
	for (i = 0; i < vifs->n; i++) {
		if (dvs_is_sender(p, vifs->lport[i]))
			continue;
		if (!dvs_wants(p, vifs->lport[i]))
			return 0;
		dvs_judge(p, vifs->lport[i], &next);
		if (!dvs_joins(&next, vifs->link, copy))
			return 0;
		n++;
	}
	return n;
}

/* The copy of a list: it leaves once, and counts for each. */
static void give_list(struct dvs *e, struct frame *f, const struct dvs_members *vifs, struct dvs_copy *copy)
{
	__u32 i;

	dvs_niv_to_list(&f->pkt, vifs, copy);
	for (i = 0; i < vifs->n; i++) {
		if (dvs_is_sender(&f->pkt, vifs->lport[i]))
			continue;
		copy->lport = vifs->lport[i];
		watch_copy(e, &f->pkt, copy);
		if (!copy->shared || e->recorder)
			hand_over(e, f, copy);
		else
			dvs_count_sent(&f->pkt, copy->lport, dvs_tag_bytes(&f->pkt, copy));
		copy->shared = 1;
	}
}

static __u32 flood_vifs(struct dvs *e, struct frame *f, const struct dvs_members *vifs)
{
	struct dvs_copy copy;
	__u32 i, copies = vifs ? join(&f->pkt, vifs, &copy) : 0;

	if (copies > 1) {
		give_list(e, f, vifs, &copy);
		return copies;
	}
	for (copies = i = 0; vifs && i < vifs->n; i++) {
		if (!dvs_wants(&f->pkt, vifs->lport[i]))
			continue;
		give(e, f, vifs->lport[i]);
		copies++;
	}
	return copies;
}

static __u32 flood(struct dvs *e, struct frame *f)
{
	const struct dvs_members *list = members(e, f->pkt.list);
	__u32 i, copies = 0;

	for (i = 0; list && i < list->n; i++) {
		if (DVS_HAS(NIV) && (list->lport[i] & DVS_RECEIVERS)) {
			copies += flood_vifs(e, f, members(e, dvs_vifs_list(list->lport[i])));
			continue;
		}
		if (!dvs_wants(&f->pkt, list->lport[i]))
			continue;
		give(e, f, list->lport[i]);
		copies++;
	}
	return copies;
}

static __u32 show_spies(struct dvs *e, struct frame *f)
{
	const struct dvs_members *list = members(e, dvs_spy_list(&f->pkt)), *served = NULL;
	__u32 i, copies = 0;

	if (f->pkt.filtered && f->pkt.flood)
		served = members(e, f->pkt.list);
	for (i = 0; list && i < list->n; i++) {
		if (!dvs_spies(&f->pkt, list->lport[i], served))
			continue;
		give(e, f, list->lport[i]);
		copies++;
	}
	return copies;
}

/* To all receivers that there may be; returns how many there were. */
static __u32 give_many(struct dvs *e, struct frame *f)
{
	const struct dvs_pkt *p = &f->pkt;
	__u32 copies = 0;

	finish_here(f);
	if (p->out) {
		give(e, f, p->out);
		copies++;
	}
	if (p->flood)
		copies += flood(e, f);
	if (DVS_HAS(PROMISCUOUS) && p->spies)
		copies += show_spies(e, f);
	if (DVS_HAS(UPLINK) && p->out_uplink && dvs_wants(p, p->out_uplink)) {
		give(e, f, p->out_uplink);
		copies++;
	}
	return copies;
}

static int nobody(struct dvs *e, const struct dvs_pkt *p)
{
	int reason = dvs_drop_in(p, dvs_nobody(p));

	watch_drop(e, p, p->lport, DVS_IN, (__u32)reason);
	return reason;
}

/* Is there a promiscuous port in the frame's VLAN? */
static INL int is_spied(const struct dvs *e, const struct dvs_pkt *p)
{
	return DVS_HAS(PROMISCUOUS) && p->spies && members(e, dvs_spy_list(p));
}

/* Returns 0 if the frame had a receiver, else why it was dropped. */
static int forward(struct dvs *e, struct frame *f)
{
	int reason = dvs_decide(&f->pkt);
	__u32 copies = 1;

	watch_decision(e, &f->pkt, reason);
	if (DVS_HAS(MIRROR) && f->pkt.mirror)
		show(e, f);
	if (reason)
		return reason;
	if (f->pkt.out && !is_spied(e, &f->pkt))
		give(e, f, f->pkt.out);
	else
		copies = give_many(e, f);
	if (DVS_HAS(MOBILITY) && f->pkt.held)
		return DVS_OK;
	if (!copies)
		return nobody(e, &f->pkt);
	dvs_count_forwarded(&f->pkt, copies);
	return DVS_OK;
}

#endif
