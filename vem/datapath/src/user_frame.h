/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of the user engine as the pipeline sees them.
 */
#ifndef DVS_USER_FRAME_H
#define DVS_USER_FRAME_H

#include "user_engine.h"

/* Zeroes a frame, sixteen bytes at a time: what compilers make of a memset() of that size takes longer than the look-up. */
static INL void frame_clear(struct frame *f)
{
	typedef __u64 words __attribute__((vector_size(16), may_alias));
	words *at = (words *)f;
	__u32 i;

	_Static_assert(sizeof(*f) % sizeof(words) == 0, "frame");
#pragma GCC unroll 16
	for (i = 0; i < sizeof(*f) / sizeof(words); i++)
		at[i] = (words){ 0 };
}

/* Makes a frame of bytes as they are on the wire: an 802.1Q or 802.1ad tag goes out of band.  `bytes` must be
 * writable: the MACs move over the tag. */
static INL void frame_init(struct frame *f, __u32 lport, __u8 *bytes, __u32 len, __u32 stored)
{
	__u16 ethertype = stored >= DVS_ETH_HLEN + 4 ? dvs_load_be16(bytes + 12) : 0;

	frame_clear(f);
	f->pkt.lport = (__u16)lport;
	if (dvs_is_tag(ethertype)) {
		f->pkt.tag_present = 1;
		f->pkt.tag_foreign = ethertype != DVS_TPID_8021Q;
		f->pkt.tci = dvs_load_be16(bytes + 14);
		memmove(bytes + 4, bytes, 12);
		bytes += 4;
		len -= 4;
		stored -= 4;
	}
	f->bytes = bytes;
	f->pkt.data = bytes;
	f->pkt.end = bytes + stored;
	f->pkt.len = len;
}

/* A frame that the mobility program hands in: without its service tag, which says what it is. */
static inline void frame_service(struct frame *f)
{
	struct dvs_pkt *p = &f->pkt;
	__u32 lport = p->lport;
	__u16 service = p->tci;

	if (!p->tag_present || !p->tag_foreign || lport >= DVS_MAX_PORTS || !(self->port[lport].flags & DVS_PORT_TUNNEL))
		return;
	frame_init(f, lport, f->bytes, p->len, (__u32)(p->end - p->data));
	p->service = service;
	p->serviced = 1;
}

/* A private copy of a frame from outside, as the pipeline wants it; rx buffer 0 is free while the lock is held. */
static inline struct frame *hand_in(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso)
{
	struct frame *f = &e->rx.frame[0];

	memcpy(e->rx.buffers, frame, len);
	frame_init(f, lport, e->rx.buffers, len, len);
	frame_service(f);
	f->pkt.gso = gso;
	return f;
}

#endif
