/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of the user engine as the pipeline sees them.
 */
#ifndef DVS_USER_FRAME_H
#define DVS_USER_FRAME_H

#include "user_engine.h"
#include "niv.h"

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

/* Takes so many bytes of tags out that are behind the MACs; what the NIC left unfinished is nearer then. */
static inline void frame_cut(struct frame *f, __u32 bytes)
{
	memmove(f->bytes + bytes, f->bytes, 12);
	f->bytes += bytes;
	f->pkt.data += bytes;
	f->pkt.len -= bytes;
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		f->vnet.csum_start -= bytes;
	if (f->vnet.hdr_len > bytes)
		f->vnet.hdr_len -= bytes;
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

/* An 802.1Q or 802.1ad tag that is in the frame goes out of band. */
static inline void frame_hoist(struct frame *f)
{
	struct dvs_pkt *p = &f->pkt;

	if (p->tag_present || p->end - p->data < DVS_ETH_HLEN + 4 || !dvs_is_tag(dvs_load_be16(p->data + 12)))
		return;
	p->tag_present = 1;
	p->tag_foreign = dvs_load_be16(p->data + 12) != DVS_TPID_8021Q;
	p->tci = dvs_load_be16(p->data + 14);
	frame_cut(f, 4);
}

/* A frame that came by a NIV link: without the tag that names its VIF, which is beside it from here on (niv.h). */
static inline void frame_niv(struct dvs *e, struct frame *f)
{
	struct dvs_pkt *p = &f->pkt;
	__u32 niv, bytes;

	if (!(e->batch->features & DVS_FEATURE_NIV) || p->lport >= DVS_MAX_PORTS || p->tag_present)
		return;
	niv = dvs_niv_of(&e->port[p->lport]);
	if (!niv || p->end - p->data < DVS_ETH_HLEN || dvs_load_be16(p->data + 12) != dvs_niv_tpid(niv))
		return;
	bytes = dvs_niv_bytes(niv);
	p->niv = (__u8)niv;
	if (p->end - p->data < DVS_ETH_HLEN + (long)bytes) {
		p->niv_bad = DVS_DROP_RUNT;
		return;
	}
	p->niv_word = dvs_load_be32(p->data + 14);
	if (niv == DVS_NIV_ETAG && dvs_load_be16(p->data + 18)) {
		p->niv_bad = DVS_DROP_NIV_UNKNOWN_VIF; /* 12 bits are all that there is of VIFs here */
		return;
	}
	frame_cut(f, bytes);
	frame_hoist(f);
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
	frame_niv(e, f);
	f->pkt.gso = gso;
	return f;
}

#endif
