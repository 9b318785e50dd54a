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
		tx_sent(p, copy->lport, copy->tagged, o.padding);
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

static __u32 flood(struct dvs *e, struct frame *f)
{
	const struct dvs_members *list = members(e, f->pkt.list);
	__u32 i, copies = 0;

	for (i = 0; list && i < list->n; i++) {
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
