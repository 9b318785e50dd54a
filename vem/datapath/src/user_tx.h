/* SPDX-License-Identifier: Apache-2.0
 *
 * How frames leave the user engine: composed of parts without copying the payload, queued per port, and sent in batches
 * (user_flush.h).
 */
#ifndef DVS_USER_TX_H
#define DVS_USER_TX_H

#include "user_engine.h"
#include "count.h"
#include "niv.h"
#include "offload.h"
#include "user_events.h"

#define GSO_UDP_SEGMENTS 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, which older kernel headers lack */

static const __u8 zeros[DVS_ETH_MIN];

/* --- how it ended ------------------------------------------------------------------------------------------ */

static INL void tx_sent(const struct dvs_pkt *p, __u32 lport, __u32 tags, __u32 padding)
{
	dvs_count_sent(p, lport, tags);
	if (padding)
		dvs_count_padding(lport, padding);
}

static void tx_failed(const struct dvs_pkt *p, __u32 lport)
{
	dvs_drop_out(lport, DVS_DROP_TX_ERROR);
	watch_drop(self, p, lport, DVS_OUT, DVS_DROP_TX_ERROR);
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

/* Behind the MACs; E-TAG's extensions are 0. */
static INL __u32 out_store_niv(struct out *o, const struct dvs_copy *copy)
{
	store_be16(o->head + 12, dvs_niv_tpid(copy->niv));
	store_be32(o->head + 14, copy->niv_word);
	store_be16(o->head + 18, 0);
	return 12 + dvs_niv_bytes(copy->niv);
}

/* By whose NIC a copy leaves. */
static INL __u32 out_by(const struct dvs_copy *copy) { return DVS_HAS(NIV) && copy->link ? copy->link : copy->lport; }

/* head_bytes of bytes, which start with the MACs, then the tags of that copy behind the MACs, then n bytes of payload. */
static INL void out_compose(struct out *o, const struct dvs_pkt *p, const struct dvs_copy *copy, const __u8 *bytes,
			    __u32 head_bytes, const __u8 *payload, __u32 n)
{
	__u16 tci, tpid = out_tag(p, copy, &tci);
	__u32 head = 12;

	if (tpid || p->to_tunnel || (DVS_HAS(NIV) && copy->niv)) {
		memcpy(o->head, bytes, 12);
		if (DVS_HAS(NIV) && copy->niv)
			head = out_store_niv(o, copy);
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

/* user_flush.h: sends what waits for one port, and for all of them. */
void queue_flush(struct dvs *e, __u32 lport);
void queues_flush(struct dvs *e);

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

/* What is counted, where, when it has left.  What a VIF's copy is padded with for the link is no frame of the VIF's. */
static INL void out_counts(struct out *o, const struct dvs_pkt *p, const struct dvs_copy *copy)
{
	o->tags = (__u8)dvs_tag_bytes(p, copy);
	o->tags_there = (__u8)(DVS_HAS(NIV) && copy->link ? o->tags + dvs_niv_bytes(copy->niv) : o->tags);
	o->counts_at = copy->lport;
	o->counts_as = p->held ? NULL : p;
	if (DVS_HAS(NIV) && copy->link)
		o->padding = 0;
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
		o = queue_next(e, out_by(copy));
		out_compose(o, &f->pkt, copy, head, cut.payload, f->bytes + cut.payload + i * cut.gso,
			    cut_bytes(&cut, i));
		out_pad(o, copy);
		out_counts(o, &f->pkt, copy);
		o->padding = 0; /* counted as the one superframe it was */
		if (i + 1 != cut_count(&cut))
			o->counts_as = NULL;
		queue_commit(e, out_by(copy));
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
	       !(copy->tagged | copy->niv | f->pkt.tag_foreign | f->pkt.gso | f->vnet.flags | f->pkt.to_tunnel);
}

static INL void send_plain(struct dvs *e, const struct frame *f, __u32 lport)
{
	struct nic *nic = &e->nic[lport];
	struct out *o = &nic->queue->out[nic->queue->n++];

	queue_note(e, nic, lport);
	*o->part = (struct iovec){ .iov_base = f->bytes, .iov_len = f->pkt.len };
	o->parts = 1;
	o->bytes = f->pkt.len;
	o->tags = o->tags_there = o->padding = 0;
	o->counts_at = (__u16)lport;
	o->counts_as = &f->pkt;
}

static void send_made(struct dvs *e, struct frame *f, const struct dvs_copy *copy)
{
	__u32 by = out_by(copy);
	struct nic *nic = &e->nic[by];
	int capable = nic->kind == DVS_NIC_RAW && !copy->niv; /* no NIC knows what is behind a NIV tag */
	struct out *o;

	if (nic->kind == DVS_NIC_NONE) {
		tx_failed(&f->pkt, copy->lport);
		return;
	}
	if (f->pkt.gso && !capable && nic->kind != DVS_NIC_MEMORY) {
		send_segments(e, f, copy);
		return;
	}
	if (!capable)
		finish_here(f);
	o = queue_next(e, by);
	out_whole(o, &f->pkt, copy);
	if (capable)
		pass_offload(o, f, copy->tagged || f->pkt.tag_foreign);
	out_counts(o, &f->pkt, copy);
	queue_commit(e, by);
}

static INL void send_copy(struct dvs *e, struct frame *f, const struct dvs_copy *copy)
{
	if (is_plain(&e->nic[out_by(copy)], f, copy))
		send_plain(e, f, copy->lport);
	else
		send_made(e, f, copy);
}

#endif
