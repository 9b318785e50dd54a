/* SPDX-License-Identifier: Apache-2.0
 *
 * How the user engine tells its agent of frames: copies in a queue, and an eventfd to wait on.
 */
#ifndef DVS_USER_EVENTS_H
#define DVS_USER_EVENTS_H

#include <sys/eventfd.h>

#include "punt.h"
#include "user_engine.h"

#define PUNTS_MAX 512

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

static int telling_take(struct telling *t, struct dvs_event *event)
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

static void telling_clear(struct telling *t)
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

	if (!dvs_punt_allowed(rate, p->uplink, e->now))
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

#endif
