/* SPDX-License-Identifier: Apache-2.0
 *
 * How frames leave the user engine: composed of parts without copying the payload, queued per port, sent in batches.
 *
 * A queue refers to receive buffers, so every queue is flushed before those are used again (queues_flush).  Nothing
 * blocks: what a NIC refuses is a TX_ERROR drop.  One exception: a unix datagram socket takes only a handful of frames
 * before its reader has run (net.unix.max_dgram_qlen), so what it can't take yet is held, in order and within limits,
 * and tried again.
 */
#ifndef DVS_USER_TX_H
#define DVS_USER_TX_H

#include <unistd.h>

#include "user_engine.h"
#include "count.h"
#include "offload.h"
#include "user_events.h"

#define GSO_UDP_SEGMENTS 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, which older kernel headers lack */
#define HELD_MAX 1024
#define HELD_NS 3000000000ULL /* a busy machine keeps a reader from its processor for longer than one would think */

static const __u8 zeros[DVS_ETH_MIN];

/* --- how it ended ------------------------------------------------------------------------------------------ */

static INL void tx_sent(const struct dvs_pkt *p, __u32 lport, int tagged, __u32 padding)
{
	dvs_count_sent(p, lport, tagged);
	if (padding)
		dvs_count_padding(lport, padding);
}

static void tx_failed(const struct dvs_pkt *p, __u32 lport)
{
	dvs_drop_out(lport, DVS_DROP_TX_ERROR);
	watch_drop(self, p, lport, DVS_OUT, DVS_DROP_TX_ERROR);
}

/* A superframe is one copy, whatever number of segments it took: the last one counts for all. */
static INL void tx_done(__u32 lport, struct queue *q, const struct out *o, int ok)
{
	if (!ok)
		q->failed = 1;
	if (!o->counts_as)
		return;
	if (q->failed)
		tx_failed(o->counts_as, lport);
	else
		tx_sent(o->counts_as, lport, o->tagged, o->padding);
	q->failed = 0;
}

/* All parts, one after the other; returns their length. */
static __u32 out_copy(const struct out *o, __u8 *bytes)
{
	__u32 i, at = 0;

	for (i = 0; i < o->parts; i++) {
		memcpy(bytes + at, o->part[i].iov_base, o->part[i].iov_len);
		at += (__u32)o->part[i].iov_len;
	}
	return at;
}

/* --- frames held for a full peer ---------------------------------------------------------------------------- */

static int held_push(struct dvs *e, struct queue *q, const struct out *o)
{
	struct held *h;

	if (q->held >= HELD_MAX)
		return 0;
	h = malloc(sizeof(*h) + o->bytes);
	if (!h)
		return 0;
	*h = (struct held){ .since = e->now, .counted = !!o->counts_as, .tagged = o->tagged, .padding = o->padding };
	if (o->counts_as)
		h->pkt = *o->counts_as;
	h->len = out_copy(o, h->bytes);
	*q->last = h;
	q->last = &h->next;
	q->held++;
	e->n_held++;
	return 1;
}

/* Its bytes are those of the copy: without its tag they are as the pipeline saw them. */
static void held_failed(struct held *h, __u32 lport)
{
	__u32 tag = h->tagged || h->pkt.tag_foreign ? 4 : 0;

	memmove(h->bytes + tag, h->bytes, 12);
	h->pkt.data = h->bytes + tag;
	h->pkt.end = h->bytes + h->len;
	tx_failed(&h->pkt, lport);
}

/* Takes the oldest held frame off and accounts for it. */
static void held_pop(struct dvs *e, __u32 lport, int ok)
{
	struct queue *q = e->nic[lport].queue;
	struct held *h = q->first;

	if (h->counted && ok)
		tx_sent(&h->pkt, lport, h->tagged, h->padding);
	else if (h->counted)
		held_failed(h, lport);
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
static void flush_hold(struct dvs *e, __u32 lport, struct queue *q, __u32 from)
{
	for (; from < q->n; from++)
		if (!held_push(e, q, &q->out[from]))
			tx_done(lport, q, &q->out[from], 0);
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
			tx_done(lport, q, &q->out[done++], 0);
			continue;
		}
		for (; n > 0; n--)
			tx_done(lport, q, &q->out[done++], 1);
	}
	flush_hold(e, lport, q, done);
}

static void flush_tap(__u32 lport, struct nic *nic)
{
	struct out *o = nic->queue->out;
	__u32 i;

	for (i = 0; i < nic->queue->n; i++)
		tx_done(lport, nic->queue, &o[i], writev(nic->fd, o[i].part, (int)o[i].parts) >= 0);
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

static void flush_memory(struct dvs *e, __u32 lport, struct nic *nic)
{
	__u32 i;

	for (i = 0; i < nic->queue->n; i++)
		tx_done(lport, nic->queue, &nic->queue->out[i],
			e->discard || memory_store(&nic->memory, &nic->queue->out[i]));
}

static void queue_flush(struct dvs *e, __u32 lport)
{
	struct nic *nic = &e->nic[lport];

	if (!nic->queue || !nic->queue->n)
		return;
	if (nic->kind == DVS_NIC_TAP)
		flush_tap(lport, nic);
	else if (nic->kind == DVS_NIC_MEMORY)
		flush_memory(e, lport, nic);
	else
		flush_socket(e, lport, nic);
	nic->queue->n = 0;
}

static void queues_flush(struct dvs *e)
{
	__u32 i;

	for (i = 0; i < e->n_dirty; i++) {
		e->nic[e->dirty[i]].dirty = 0;
		queue_flush(e, e->dirty[i]);
	}
	e->n_dirty = 0;
	e->arena_used = 0;
}

/* --- composing ----------------------------------------------------------------------------------------------- */

static INL void out_part(struct out *o, const void *bytes, __u32 n)
{
	if (!n)
		return;
	o->part[o->parts].iov_base = (void *)bytes;
	o->part[o->parts++].iov_len = n;
	o->bytes += n;
}

/* The TPID of the tag that a copy leaves with, 0 = none; a foreign tag is carried along as it came (S-045). */
static INL __u16 out_tag(const struct dvs_pkt *p, const struct dvs_copy *copy, __u16 *tci)
{
	*tci = p->tag_foreign ? p->tci : copy->tci;
	if (p->tag_foreign)
		return DVS_TPID_8021AD;
	return copy->tagged ? DVS_TPID_8021Q : 0;
}

static INL __u32 out_store_tag(struct out *o, __u32 at, __u16 tpid, __u16 tci)
{
	store_be16(o->head + at, tpid);
	store_be16(o->head + at + 2, tci);
	return at + 4;
}

/* head_bytes of bytes, which start with the MACs, then the tags of that copy behind the MACs, then n bytes of payload. */
static INL void out_compose(struct out *o, const struct dvs_pkt *p, const struct dvs_copy *copy, const __u8 *bytes,
			    __u32 head_bytes, const __u8 *payload, __u32 n)
{
	__u16 tci, tpid = out_tag(p, copy, &tci);
	__u32 head = 12;

	if (tpid || p->to_tunnel) {
		memcpy(o->head, bytes, 12);
		if (p->to_tunnel && copy->lport == p->out)
			head = out_store_tag(o, head, DVS_TPID_8021AD, p->to_tunnel);
		if (tpid)
			head = out_store_tag(o, head, tpid, tci);
		out_part(o, o->head, head);
		out_part(o, bytes + 12, head_bytes - 12);
	} else {
		out_part(o, bytes, head_bytes);
	}
	out_part(o, payload, n);
}

/* As dvs_padding() wants it, of what there is so far: a frame, or a segment of one. */
static INL void out_pad(struct out *o, const struct dvs_copy *copy)
{
	if (o->bytes >= DVS_ETH_MIN || !copy->padded)
		return;
	o->padding = (__u8)(DVS_ETH_MIN - o->bytes);
	out_part(o, zeros, o->padding);
}

/* A whole frame as it leaves: tag, payload, padding. */
static INL void out_whole(struct out *o, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	out_compose(o, p, copy, p->data, p->len, NULL, 0);
	if (!p->gso)
		out_pad(o, copy);
}

/* --- queueing ------------------------------------------------------------------------------------------------- */

/* The queue has something to flush.  Whether it had before is anybody's guess: no branch. */
static INL void queue_note(struct dvs *e, struct nic *nic, __u32 lport)
{
	e->dirty[e->n_dirty] = (__u16)lport;
	e->n_dirty += !nic->dirty;
	nic->dirty = 1;
}

/* The next free place in a port's queue, empty. */
static INL struct out *queue_next(struct dvs *e, __u32 lport)
{
	struct nic *nic = &e->nic[lport];
	struct out *o;

	if (nic->queue->n == TX_BATCH)
		queue_flush(e, lport);
	queue_note(e, nic, lport);
	o = &nic->queue->out[nic->queue->n];
	o->parts = 0;
	o->bytes = 0;
	o->counts_as = NULL;
	o->padding = 0;
	if (nic->kind == DVS_NIC_RAW) {
		memset(&o->vnet, 0, sizeof(o->vnet));
		out_part(o, &o->vnet, sizeof(o->vnet));
		o->bytes = 0;
	}
	return o;
}

static INL void queue_commit(struct dvs *e, __u32 lport)
{
	e->nic[lport].queue->n++;
}

/* Unfinished work goes on to a NIC that can do it; offsets count from the first byte, tag included. */
static void pass_offload(struct out *o, const struct frame *f, int tagged)
{
	o->vnet = f->vnet;
	if (tagged && (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		o->vnet.csum_start += 4;
	if (tagged && f->vnet.hdr_len)
		o->vnet.hdr_len += 4;
}

/* The n-th segment's headers need a place until the queue is flushed. */
static __u8 *arena_take(struct dvs *e)
{
	if (e->arena_used + CUT_HEADERS > ARENA_BYTES)
		queues_flush(e);
	e->arena_used += CUT_HEADERS;
	return e->arena + e->arena_used - CUT_HEADERS;
}

static int can_cut(const struct frame *f)
{
	__u8 type = f->vnet.gso_type & (__u8)~VIRTIO_NET_HDR_GSO_ECN;

	return type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6 || type == GSO_UDP_SEGMENTS;
}

static void send_segments(struct dvs *e, const struct frame *f, const struct dvs_copy *copy)
{
	struct cut cut;
	struct out *o;
	__u8 *head;
	__u32 i;

	if (!can_cut(f) ||
	    cut_plan(f->bytes, f->pkt.len, f->vnet.csum_start, f->pkt.gso, f->pkt.gso_udp, &cut)) {
		tx_failed(&f->pkt, copy->lport);
		return;
	}
	for (i = 0; i < cut_count(&cut); i++) {
		head = arena_take(e);
		cut_headers(&cut, f->bytes, i, head);
		o = queue_next(e, copy->lport);
		out_compose(o, &f->pkt, copy, head, cut.payload, f->bytes + cut.payload + i * cut.gso,
			    cut_bytes(&cut, i));
		out_pad(o, copy);
		o->tagged = (__u8)copy->tagged;
		o->padding = 0; /* counted as the one superframe it was */
		o->counts_as = i + 1 == cut_count(&cut) && !f->pkt.held ? &f->pkt : NULL;
		queue_commit(e, copy->lport);
	}
}

/* Finishes the checksum in place; before the first receiver's copy is queued, since all copies share the bytes. */
static void finish_here(struct frame *f)
{
	if (f->pkt.gso || !(f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	finish_checksum(f->bytes, f->pkt.len, f->vnet.csum_start, f->vnet.csum_offset);
	f->vnet.flags = 0;
	f->vnet.csum_start = f->vnet.csum_offset = 0;
}

/* Does the copy leave by a NIC that takes it as it came: nothing to add, to cut, or to finish?  Most do. */
static INL int is_plain(const struct nic *nic, const struct frame *f, const struct dvs_copy *copy)
{
	return nic->plain && nic->queue->n < TX_BATCH && f->pkt.len >= DVS_ETH_MIN &&
	       !(copy->tagged | f->pkt.tag_foreign | f->pkt.gso | f->vnet.flags | f->pkt.to_tunnel);
}

static INL void send_plain(struct dvs *e, const struct frame *f, __u32 lport)
{
	struct nic *nic = &e->nic[lport];
	struct out *o = &nic->queue->out[nic->queue->n++];

	queue_note(e, nic, lport);
	*o->part = (struct iovec){ .iov_base = f->bytes, .iov_len = f->pkt.len };
	o->parts = 1;
	o->bytes = f->pkt.len;
	o->tagged = o->padding = 0;
	o->counts_as = &f->pkt;
}

static void send_made(struct dvs *e, struct frame *f, const struct dvs_copy *copy)
{
	struct nic *nic = &e->nic[copy->lport];
	int capable = nic->kind == DVS_NIC_RAW;
	struct out *o;

	if (nic->kind == DVS_NIC_NONE) {
		tx_failed(&f->pkt, copy->lport);
		return;
	}
	if (f->pkt.gso && nic->kind != DVS_NIC_RAW && nic->kind != DVS_NIC_MEMORY) {
		send_segments(e, f, copy);
		return;
	}
	if (!capable)
		finish_here(f);
	o = queue_next(e, copy->lport);
	out_whole(o, &f->pkt, copy);
	if (capable)
		pass_offload(o, f, copy->tagged || f->pkt.tag_foreign);
	o->tagged = (__u8)copy->tagged;
	o->counts_as = f->pkt.held ? NULL : &f->pkt;
	queue_commit(e, copy->lport);
}

static INL void send_copy(struct dvs *e, struct frame *f, const struct dvs_copy *copy)
{
	if (is_plain(&e->nic[copy->lport], f, copy))
		send_plain(e, f, copy->lport);
	else
		send_made(e, f, copy);
}

#endif
