/* SPDX-License-Identifier: Apache-2.0
 *
 * How the queues of the user engine are sent; for user.c alone, since no feature makes a difference here.
 *
 * A queue refers to receive buffers, so every queue is flushed before those are used again (queues_flush).  Nothing
 * blocks: what a NIC refuses is a TX_ERROR drop.  One exception: a unix datagram socket takes only a handful of frames
 * before its reader has run (net.unix.max_dgram_qlen), so what it can't take yet is held, in order and within limits,
 * and tried again.
 */
#ifndef DVS_USER_FLUSH_H
#define DVS_USER_FLUSH_H

#include <unistd.h>

#include "user_tx.h"

#define HELD_MAX 1024
#define HELD_TUNNEL 16384 /* the mobility program stands for many senders */
#define HELD_NS 3000000000ULL /* a busy machine keeps a reader from its processor for longer than one would think */

/* A superframe is one copy, whatever number of segments it took: the last one counts for all. */
static INL void tx_done(struct queue *q, const struct out *o, int ok)
{
	if (!ok)
		q->failed = 1;
	if (!o->counts_as)
		return;
	if (q->failed)
		tx_failed(o->counts_as, o->counts_at);
	else
		tx_sent(o->counts_as, o->counts_at, o->tags, o->padding);
	q->failed = 0;
}

/* --- frames held for a full peer ---------------------------------------------------------------------------- */

static int held_push(struct dvs *e, struct queue *q, const struct out *o, __u32 most)
{
	struct held *h;

	if (q->held >= most)
		return 0;
	h = malloc(sizeof(*h) + o->bytes);
	if (!h)
		return 0;
	*h = (struct held){ .since = e->now, .counted = !!o->counts_as, .tags = o->tags, .padding = o->padding };
	h->counts_at = o->counts_at;
	h->tags_there = o->tags_there;
	if (o->counts_as)
		h->pkt = *o->counts_as;
	h->len = out_copy(o, h->bytes);
	*q->last = h;
	q->last = &h->next;
	q->held++;
	e->n_held++;
	return 1;
}

/* Its bytes are those of the copy: without its tags they are as the pipeline saw them. */
static void held_failed(struct held *h)
{
	memmove(h->bytes + h->tags_there, h->bytes, 12);
	h->pkt.data = h->bytes + h->tags_there;
	h->pkt.end = h->bytes + h->len;
	tx_failed(&h->pkt, h->counts_at);
}

/* Takes the oldest held frame off and accounts for it. */
static void held_pop(struct dvs *e, __u32 lport, int ok)
{
	struct queue *q = e->nic[lport].queue;
	struct held *h = q->first;

	if (h->counted && ok)
		tx_sent(&h->pkt, h->counts_at, h->tags, h->padding);
	else if (h->counted)
		held_failed(h);
	q->first = h->next;
	if (!q->first)
		q->last = &q->first;
	q->held--;
	e->n_held--;
	free(h);
}

/* Tries again; returns how many frames went away. */
static __u32 held_retry(struct dvs *e, __u32 lport)
{
	struct nic *nic = &e->nic[lport];
	struct held *h;
	__u32 n = 0;
	int ok;

	while ((h = nic->queue->first)) {
		ok = sendto(nic->fd, h->bytes, h->len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&nic->peer,
			    nic->peer_bytes) >= 0;
		if (!ok && errno == EAGAIN && e->now - h->since < HELD_NS)
			break;
		held_pop(e, lport, ok);
		n++;
	}
	return n;
}

static void held_drop(struct dvs *e, __u32 lport)
{
	while (e->nic[lport].queue && e->nic[lport].queue->first)
		held_pop(e, lport, 0);
}

/* --- flushing ------------------------------------------------------------------------------------------------ */

/* The peer is full at frame `from`: hold the rest. */
static void flush_hold(struct dvs *e, struct queue *q, __u32 from, __u32 most)
{
	for (; from < q->n; from++)
		if (!held_push(e, q, &q->out[from], most))
			tx_done(q, &q->out[from], 0);
}

/* All of the queue as sendmmsg() wants it. */
static void flush_prepare(struct dvs *e, struct nic *nic)
{
	struct msghdr *m;
	__u32 i;

	for (i = 0; i < nic->queue->n; i++) {
		m = &e->tx_msg[i].msg_hdr;
		m->msg_iov = nic->queue->out[i].part;
		m->msg_iovlen = nic->queue->out[i].parts;
		m->msg_name = nic->peer_bytes ? &nic->peer : NULL;
		m->msg_namelen = nic->peer_bytes;
	}
}

static void flush_socket(struct dvs *e, __u32 lport, struct nic *nic)
{
	const struct dvs_port *port = dp_port(lport);
	struct queue *q = nic->queue;
	__u32 done = 0;
	int n;

	if (q->held)
		held_retry(e, lport);
	if (!q->held)
		flush_prepare(e, nic);
	while (done < q->n && !q->held) {
		n = sendmmsg(nic->fd, e->tx_msg + done, q->n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && nic->peer.ss_family == AF_UNIX)
			break;
		if (n <= 0) {
			tx_done(q, &q->out[done++], 0);
			continue;
		}
		for (; n > 0; n--)
			tx_done(q, &q->out[done++], 1);
	}
	flush_hold(e, q, done, port && (port->flags & DVS_PORT_TUNNEL) ? HELD_TUNNEL : HELD_MAX);
}

static void flush_tap(struct nic *nic)
{
	struct out *o = nic->queue->out;
	__u32 i;

	for (i = 0; i < nic->queue->n; i++)
		tx_done(nic->queue, &o[i], writev(nic->fd, o[i].part, (int)o[i].parts) >= 0);
}

static int memory_store(struct memory *m, const struct out *o)
{
	struct kept *k;

	if (m->n >= MEMORY_FRAMES || !(k = malloc(sizeof(*k) + o->bytes)))
		return 0;
	k->next = NULL;
	k->len = out_copy(o, k->bytes);
	*m->last = k;
	m->last = &k->next;
	m->n++;
	return 1;
}

static void flush_memory(struct dvs *e, struct nic *nic)
{
	__u32 i;

	for (i = 0; i < nic->queue->n; i++)
		tx_done(nic->queue, &nic->queue->out[i],
			e->discard || memory_store(&nic->memory, &nic->queue->out[i]));
}

void queue_flush(struct dvs *e, __u32 lport)
{
	struct nic *nic = &e->nic[lport];

	if (!nic->queue || !nic->queue->n)
		return;
	if (nic->kind == DVS_NIC_TAP)
		flush_tap(nic);
	else if (nic->kind == DVS_NIC_MEMORY)
		flush_memory(e, nic);
	else
		flush_socket(e, lport, nic);
	nic->queue->n = 0;
}

void queues_flush(struct dvs *e)
{
	__u32 i;

	for (i = 0; i < e->n_dirty; i++) {
		e->nic[e->dirty[i]].dirty = 0;
		queue_flush(e, e->dirty[i]);
	}
	e->n_dirty = 0;
	e->arena_used = 0;
}

#endif
