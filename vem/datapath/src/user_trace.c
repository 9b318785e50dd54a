/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine's pipeline once more, for tracing: on the same tables, but it changes none of them, and writes down
 * every step.  A translation unit of its own, so that the live pipeline has nothing of it.
 */
#define _GNU_SOURCE
#define DVS_TRACING
#include "user_frame.h"
#include "pipeline.h"

static __thread struct dvs_trace *tracing;

static INL void dp_note_step(__u32 step, int reason)
{
	__u32 n = tracing->n_steps++;

	if (n < DVS_TRACE_STEPS)
		tracing->step[n] = (struct dvs_step){ .step = (__u16)step, .reason = (__u16)reason };
}

static void trace_copy(const struct dvs_copy *copy)
{
	__u32 n = tracing->n++;

	if (n < DVS_TRACE_COPIES)
		tracing->copy[n] = *copy;
}

static __thread __u32 receivers;

static void trace_receiver(const struct dvs_pkt *p, __u32 lport)
{
	struct dvs_copy copy;

	receivers++;
	dvs_receive(p, lport, &copy);
	trace_copy(&copy);
	if (!copy.reason && dvs_mirror_out(p, &copy))
		trace_copy(&copy);
}

static void trace_mirror(const struct dvs_pkt *p)
{
	struct dvs_copy copy;

	dvs_mirror_in(p, &copy);
	trace_copy(&copy);
}

static void trace_list(const struct dvs_pkt *p, const struct dvs_members *vifs, struct dvs_copy *copy)
{
	__u32 i;

	dvs_niv_to_list(p, vifs, copy);
	for (i = 0; i < vifs->n; i++) {
		if (dvs_is_sender(p, vifs->lport[i]))
			continue;
		receivers++;
		copy->lport = vifs->lport[i];
		trace_copy(copy);
		copy->shared = 1;
	}
}

/* As flood_vifs() of user_forward.h. */
static void trace_vifs(const struct dvs_pkt *p, const struct dvs_members *vifs)
{
	struct dvs_copy copy = { .lport = 0 }, next;
	__u32 i, n = 0;

	for (i = 0; vifs && i < vifs->n; i++) {
		if (dvs_is_sender(p, vifs->lport[i]))
			continue;
		if (!dvs_wants(p, vifs->lport[i]))
			break;
		dvs_judge(p, vifs->lport[i], &next);
		if (!dvs_joins(&next, vifs->link, &copy))
			break;
		n++;
	}
	if (vifs && i == vifs->n && n > 1) {
		trace_list(p, vifs, &copy);
		return;
	}
	for (i = 0; vifs && i < vifs->n; i++)
		if (dvs_wants(p, vifs->lport[i]))
			trace_receiver(p, vifs->lport[i]);
}

static void trace_flood(const struct dvs *e, const struct dvs_pkt *p)
{
	const struct dvs_members *list = members(e, p->list);
	__u32 i;

	for (i = 0; list && i < list->n; i++) {
		if (list->lport[i] & DVS_RECEIVERS)
			trace_vifs(p, members(e, dvs_vifs_list(list->lport[i])));
		else if (dvs_wants(p, list->lport[i]))
			trace_receiver(p, list->lport[i]);
	}
}

static void trace_spies(const struct dvs *e, const struct dvs_pkt *p)
{
	const struct dvs_members *list = members(e, dvs_spy_list(p));
	const struct dvs_members *served = p->filtered && p->flood ? members(e, p->list) : NULL;
	__u32 i;

	for (i = 0; list && i < list->n; i++)
		if (dvs_spies(p, list->lport[i], served))
			trace_receiver(p, list->lport[i]);
}

/* As give_many() of user_forward.h. */
static void trace_receivers(const struct dvs *e, const struct dvs_pkt *p)
{
	if (p->out)
		trace_receiver(p, p->out);
	if (p->flood)
		trace_flood(e, p);
	if (p->spies)
		trace_spies(e, p);
	if (p->out_uplink && dvs_wants(p, p->out_uplink))
		trace_receiver(p, p->out_uplink);
}

static int trace_forward(struct dvs *e, struct dvs_pkt *p)
{
	int reason;

	tracing->niv = p->niv_bad ? DVS_NIV_NONE : p->niv;
	tracing->niv_word = p->niv_word;
	reason = dvs_decide(p);
	dvs_trace_decision(tracing, p);
	receivers = 0;
	if (p->mirror)
		trace_mirror(p);
	if (reason)
		return reason;
	trace_receivers(e, p);
	return receivers || p->held ? DVS_OK : dvs_nobody(p);
}

API int dvs_trace_frame(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso, struct dvs_trace *trace)
{
	if (len > RX_ROOM || lport >= DVS_MAX_PORTS)
		return -EINVAL;
	memset(trace, 0, sizeof(*trace));
	tracing = trace;
	engine_enter(e);
	trace->in_reason = (__u32)trace_forward(e, &hand_in(e, lport, frame, len, gso)->pkt);
	engine_leave(e);
	return 0;
}
