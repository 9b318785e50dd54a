/* SPDX-License-Identifier: Apache-2.0
 *
 * How the user engine tells its agent of frames: copies in a queue, and an eventfd to wait on.
 */
#ifndef DVS_USER_EVENTS_H
#define DVS_USER_EVENTS_H

#include <sys/eventfd.h>

#include "punt.h"
#include "watch.h"
#include "user_engine.h"

#define PUNTS_MAX 512
#define CAPTURES_MAX 4096

/* Room for one more event, which is in the queue already; NULL: the queue is full. */
static struct dvs_event *telling_add(struct telling *t, __u32 limit)
{
	struct told *told = t->n < limit ? malloc(sizeof(*told)) : NULL;

	if (!told)
		return NULL;
	told->next = NULL;
	*t->last = told;
	t->last = &told->next;
	if (!t->n++)
		(void)eventfd_write(t->fd, 1);
	return &told->event;
}

static inline int telling_take(struct telling *t, struct dvs_event *event)
{
	struct told *told = t->first;
	eventfd_t count;

	if (!told)
		return -EAGAIN;
	if (event)
		*event = told->event;
	t->first = told->next;
	if (!t->first)
		t->last = &t->first;
	if (!--t->n)
		(void)eventfd_read(t->fd, &count);
	free(told);
	return 0;
}

static inline void telling_clear(struct telling *t)
{
	while (t->n)
		(void)telling_take(t, NULL);
}

static void event_copy_frame(struct dvs_event *event, const struct dvs_pkt *p, __u32 wanted)
{
	__u32 n = (__u32)(p->end - p->data);

	if (n > p->len)
		n = p->len;
	if (n > wanted)
		n = wanted;
	memcpy(event->data, p->data, n);
	memset(event->data + n, 0, DVS_EVENT_DATA - n);
	event->stored = n;
}

static void punt(struct dvs *e, const struct dvs_pkt *p)
{
	struct dvs_punt_rate *rate = &e->punt_rate[p->nic];
	struct dvs_event *event;

	if (!dvs_punt_allowed(rate, dvs_by_wire(p), e->now))
		return;
	event = telling_add(&e->punts, PUNTS_MAX);
	if (!event) {
		rate->lost++;
		return;
	}
	event->time = e->now;
	dvs_punt_event(p, event);
	event_copy_frame(event, p, DVS_EVENT_DATA);
}

/* --- captures ------------------------------------------------------------------------------------------------- */

static void capture(struct dvs *e, const struct dvs_pkt *p, const struct dvs_site *site)
{
	struct dvs_event *event;

	if (!dvs_capture_wants(&e->capture, p, site))
		return;
	event = telling_add(&e->captures, CAPTURES_MAX);
	if (!event) {
		e->capture.lost++;
		return;
	}
	e->capture.left--;
	event->time = clock_ns();
	dvs_capture_event(p, site, event);
	event_copy_frame(event, p, e->capture.snaplen);
}

/* After the decision, which is `reason`: the points up to there. */
static void capture_entered(struct dvs *e, struct dvs_pkt *p, int reason)
{
	struct dvs_site site = { .lport = p->lport };

	p->packet = ++e->packets;
	dvs_site_came(&site, p);
	site.point = p->uplink ? DVS_AT_UPLINK_RCV : DVS_AT_VNIC_TX;
	capture(e, p, &site);
	site.point = DVS_AT_PORT_INPUT;
	capture(e, p, &site);
	if (reason)
		return;
	site.point = DVS_AT_DISPATCH;
	dvs_site_inside(&site, p);
	capture(e, p, &site);
}

/* A receiver's copy has been judged; drops are told by watch_drop(). */
static void capture_left(struct dvs *e, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	const struct dvs_port *port = dp_port(copy->lport);
	struct dvs_site site = { .point = DVS_AT_PORT_OUTPUT, .lport = copy->lport };

	dvs_site_inside(&site, p);
	capture(e, p, &site);
	if (copy->reason || !port)
		return;
	site.point = port->flags & DVS_PORT_UPLINK ? DVS_AT_UPLINK_SND : DVS_AT_VNIC_RX;
	dvs_site_goes(&site, p, copy);
	capture(e, p, &site);
}

/* --- drops ---------------------------------------------------------------------------------------------------- */

static struct dvs_last_drop *drop_record(struct dvs *e, __u32 lport, __u32 direction, __u32 reason)
{
	if (lport >= DVS_MAX_PORTS || reason >= DVS_DROP_SLOTS)
		return NULL;
	if (!e->last_drop[lport])
		e->last_drop[lport] = calloc(DROP_RECORDS, sizeof(*e->last_drop[lport]));
	return e->last_drop[lport] ? &e->last_drop[lport][direction * DVS_DROP_SLOTS + reason] : NULL;
}

/* A frame (DVS_IN) or a copy (DVS_OUT) was dropped at a port. */
static void watch_drop(struct dvs *e, const struct dvs_pkt *p, __u32 lport, __u32 direction, __u32 reason)
{
	struct dvs_site site = { .point = DVS_AT_DROP, .lport = (__u16)lport, .reason = (__u16)reason };
	struct dvs_last_drop *drop = drop_record(e, lport, direction, reason);
	size_t n = (size_t)(p->end - p->data);

	if (drop) {
		drop->time = e->now;
		dvs_last_drop_fill(p, drop);
		drop->stored = (__u32)(n < DVS_DROP_HEAD ? n : DVS_DROP_HEAD);
		memcpy(drop->head, p->data, drop->stored);
	}
	if (!DVS_HAS(CAPTURE) || !p->capture)
		return;
	if (direction == DVS_OUT)
		dvs_site_inside(&site, p);
	else
		dvs_site_came(&site, p);
	capture(e, p, &site);
}

/* --- what the driver calls ------------------------------------------------------------------------------------ */

/* After the decision. */
static INL void watch_decision(struct dvs *e, struct dvs_pkt *p, int reason)
{
	if (p->punt)
		punt(e, p);
	if (reason && !p->capture)
		dvs_watch(p, dp_control(0)); /* dropped before anybody looked */
	if (DVS_HAS(CAPTURE) && p->capture)
		capture_entered(e, p, reason);
	if (reason)
		watch_drop(e, p, p->lport, DVS_IN, (__u32)reason);
}

/* After a receiver's copy was judged. */
static INL void watch_copy(struct dvs *e, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	if (DVS_HAS(CAPTURE) && p->capture)
		capture_left(e, p, copy);
	if (copy->reason)
		watch_drop(e, p, copy->lport, DVS_OUT, copy->reason);
}

#endif
