/* SPDX-License-Identifier: Apache-2.0
 *
 * NIV tags in the kernel engine: off a frame when it comes by a link, onto a copy when it leaves by one.  Only kernel.bpf.c
 * includes this; niv.h decides.
 *
 * The kernel keeps 802.1Q's outer tag beside the frame and puts it behind the MACs when a NIC can't; a NIV tag must be
 * before it.  So, with a NIV tag, 802.1Q tags are bytes of the frame.
 *
 * Taking bytes out behind the MACs is bpf_skb_adjust_room()'s, which wants to see IP: the EtherType in the NIV tag's place is
 * made that of IP, and two VLAN tags are pushed and popped, of which the last pop makes the kernel take that EtherType for
 * the frame's protocol.  It keeps superframes as they are, and that wrong protocol until the frame leaves, which
 * matters to none of the ways that frames leave by.
 */
#ifndef DVS_KERNEL_NIV_H
#define DVS_KERNEL_NIV_H

#include "kernel_events.h"
#include "niv.h"
#include <bpf/bpf_endian.h>

#define TAGS_MAX 3      /* 802.1Q tags of one frame that are kept in order behind a NIV tag */
#define STRETCHED 128   /* bytes with which a frame has all that bpf_skb_adjust_room() wants there to be */

/* What is in the frame on its way to its receivers. */
struct niv_on {
	__u8 niv;  /* DVS_NIV_* */
	__u8 n;    /* 802.1Q tags behind it ... */
	__u8 own;  /* ... the outermost of which is the copy's ... */
	__u8 pad;
	__u16 tci; /* ... with that */
};

/* niv_work.looks */
#define JOINING 0  /* will one copy do? */
#define SHARING 1  /* it will */
#define OFFERING 2 /* it won't */
#define FLOOD_STEPS 8192 /* a list of VIFs is looked at twice, and there are hardly more than a dozen */

/* What belongs to the frame that this CPU is at, and is too much for the verifier's idea of a stack. */
struct niv_work {
	struct niv_on on;
	__u32 vifs;   /* key of the list of VIFs that a flood is at; 0 = none */
	__u16 next;   /* the flood's next receiver ... */
	__u16 at;     /* ... and that list's */
	__u16 joined; /* who of the list are to have the frame, as far as was looked */
	__u16 looks;
	struct dvs_copy first; /* the one for all of the list */
	struct dvs_copy copy;  /* the one that is looked at, or shown by a mirror */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct niv_work);
} dvs_niv_work SEC(".maps");

static INL struct niv_work *niv_work(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&dvs_niv_work, &first);
}

static INL void niv_begin_flood(void)
{
	struct niv_work *work = niv_work();

	if (work)
		work->vifs = work->next = 0;
}

static INL void niv_begin_list(struct niv_work *work, __u32 list)
{
	work->vifs = list;
	work->at = work->joined = 0;
	work->looks = JOINING;
	work->first.lport = work->first.shared = 0;
}

/* Has the frame the tags of that copy, but for the fields of NIV's? */
static INL int niv_is_on(const struct niv_on *on, const struct dvs_copy *copy, int foreign)
{
	return on->niv == copy->niv && (foreign || (on->own == copy->tagged && on->tci == copy->tci));
}

/* Takes n bytes out that are behind what the kernel thinks is the Ethernet header. */
static INL int niv_shrink(struct __sk_buff *skb, __u32 n, __u16 ethertype)
{
	__u16 ip = bpf_htons(ethertype == DVS_TYPE_IPV6 ? DVS_TYPE_IPV6 : DVS_TYPE_IPV4);

	if (bpf_skb_store_bytes(skb, 12, &ip, 2, 0) || bpf_skb_vlan_push(skb, bpf_htons(DVS_TPID_8021Q), 0) ||
	    bpf_skb_vlan_push(skb, bpf_htons(DVS_TPID_8021Q), 0) || bpf_skb_vlan_pop(skb) || bpf_skb_vlan_pop(skb))
		return -1;
	return (int)bpf_skb_adjust_room(skb, -(__s32)n, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

/* Makes a brief frame long enough for that; its true length is returned, or 0: it is long enough; -1: can't be done. */
static INL int niv_stretch(struct __sk_buff *skb)
{
	__u32 len = skb->len;

	if (len >= STRETCHED)
		return 0;
	return bpf_skb_change_tail(skb, STRETCHED, 0) ? -1 : (int)len;
}

/* --- off a frame -------------------------------------------------------------------------------------------------- */

/* The 802.1Q tag behind a NIV tag of so many bytes, if there is one, and the EtherType behind both. */
static INL int niv_behind(struct __sk_buff *skb, struct dvs_pkt *p, __u32 bytes, __u16 *type)
{
	__u8 tag[4];

	if (bpf_skb_load_bytes(skb, 12 + bytes, tag, 2))
		return -1;
	*type = dvs_load_be16(tag);
	if (!dvs_is_tag(*type) || skb->len < DVS_ETH_HLEN + bytes + 4)
		return 0;
	p->tag_present = 1;
	p->tag_foreign = *type != DVS_TPID_8021Q;
	if (bpf_skb_load_bytes(skb, 14 + bytes, tag, 4))
		return -1;
	p->tci = dvs_load_be16(tag);
	*type = dvs_load_be16(tag + 2);
	return 0;
}

/* To the kernel the network header of a frame that comes in is behind the EtherType, whatever that is. */
static INL int niv_cut(struct __sk_buff *skb, __u32 n, __u16 ethertype)
{
	__u16 type = bpf_htons(ethertype);
	int len = niv_stretch(skb);

	if (len < 0 || niv_shrink(skb, n, ethertype) || bpf_skb_store_bytes(skb, 12, &type, 2, 0))
		return -1;
	return len ? (int)bpf_skb_change_tail(skb, len - n, 0) : 0;
}

static INL int niv_take(struct __sk_buff *skb, struct dvs_pkt *p)
{
	__u32 bytes = dvs_niv_bytes(p->niv);
	__u8 tag[6];
	__u16 type;

	p->niv_bad = skb->len < DVS_ETH_HLEN + bytes ? DVS_DROP_RUNT : DVS_OK;
	if (p->niv_bad)
		return 0;
	if (bpf_skb_load_bytes(skb, 14, tag, 6))
		return -1;
	p->niv_word = dvs_load_be32(tag);
	if (p->niv == DVS_NIV_ETAG && (tag[4] | tag[5]))
		p->niv_bad = DVS_DROP_NIV_UNKNOWN_VIF; /* 12 bits are all that there is of VIFs here */
	if (p->niv_bad)
		return 0;
	if (niv_behind(skb, p, bytes, &type) || niv_cut(skb, bytes + (p->tag_present ? 4 : 0), type))
		return -1;
	if (!p->tag_present)
		return 0;
	return (int)bpf_skb_vlan_push(skb, bpf_htons(p->tag_foreign ? DVS_TPID_8021AD : DVS_TPID_8021Q), p->tci);
}

/* The NIV tag that a frame begins with, if the link that it came by is one and that tag is agreed on there. */
STAGE int kernel_niv_take(struct __sk_buff *skb, struct dvs_pkt *p, __u32 lport)
{
	struct niv_work *work = niv_work();
	const struct dvs_port *port = dp_port(lport);
	__u16 type;
	__u32 niv;

	if (!p || !work || !port)
		return 0;
	work->on.niv = work->on.n = 0;
	if (!(port->flags & DVS_NIV_LINK) || skb->vlan_present)
		return 0;
	niv = dvs_niv_of(port);
	if (!niv || bpf_skb_load_bytes(skb, 12, &type, 2) || type != bpf_htons(dvs_niv_tpid(niv)))
		return 0;
	p->niv = niv;
	return niv_take(skb, p);
}

/* --- onto a copy -------------------------------------------------------------------------------------------------- */

static INL void niv_note_tag(__u8 *at, __u16 tpid, __u16 tci)
{
	at[0] = tpid >> 8;
	at[1] = tpid;
	at[2] = tci >> 8;
	at[3] = tci;
}

/* The tags that a frame gets: NIV's, the copy's own 802.1Q tag (foreign: 1 << 16 and the TCI of one that is carried along),
 * and those that the kernel took out of the frame for lack of one; returns their bytes, or -1: too many. */
static INL int niv_compose(struct __sk_buff *skb, struct niv_on *on, const struct dvs_copy *copy, __u32 foreign, __u8 *tags)
{
	__u32 at = copy->niv == DVS_NIV_VNTAG ? 6 : 8, i;

	niv_note_tag(tags, dvs_niv_tpid(copy->niv), copy->niv_word >> 16);
	tags[4] = copy->niv_word >> 8;
	tags[5] = copy->niv_word;
	on->n = 0;
	on->own = copy->tagged && !foreign;
	on->tci = copy->tci;
	if (on->own || foreign) {
		niv_note_tag(tags + at, foreign ? DVS_TPID_8021AD : DVS_TPID_8021Q, foreign ? foreign : copy->tci);
		at += 4;
		on->n = 1;
	}
	for (i = 0; i < TAGS_MAX && skb->vlan_present; i++) {
		niv_note_tag(tags + at, bpf_ntohs(skb->vlan_proto), skb->vlan_tci);
		if (bpf_skb_vlan_pop(skb))
			return -1;
		at += 4;
		on->n++;
	}
	return skb->vlan_present ? -1 : (int)at;
}

/* Puts the tags that a copy leaves with on a frame, which has no tag of the switch's any more. */
STAGE int kernel_niv_put(struct __sk_buff *skb, struct niv_on *on, struct dvs_copy *copy, __u32 foreign)
{
	__u8 head[12 + 8 + 4 * (TAGS_MAX + 1)] = {};
	int bytes;
	__u32 n;

	if (!on || !copy || bpf_skb_load_bytes(skb, 0, head, 12))
		return -1;
	bytes = niv_compose(skb, on, copy, foreign, head + 12);
	if (bytes < 0 || bpf_skb_change_head(skb, bytes, 0))
		return -1;
	n = (bytes - 1) & 31;
	if (n > sizeof(head) - 13 || bpf_skb_store_bytes(skb, 0, head, 12 + n + 1, 0))
		return -1;
	on->niv = copy->niv;
	return 0;
}

/* Takes a NIV tag off again that was put on: the network header is where it belongs, so it is VLAN tags (two, of nothing)
 * that the NIV tag is made into, and that are popped, which moves that header too.  The first pop takes out of the frame
 * what the second push has put there; the last finds the frame's own 802.1Q tag, if any, and keeps it beside the frame. */
STAGE int kernel_niv_drop(struct __sk_buff *skb, struct niv_on *on)
{
	__u8 head[20] = {};
	__u32 i;

	if (!on || bpf_skb_load_bytes(skb, 0, head, 12))
		return -1;
	niv_note_tag(head + 12, DVS_TPID_8021Q, 0);
	niv_note_tag(head + 16, DVS_TPID_8021Q, 0);
	if (on->niv == DVS_NIV_VNTAG && bpf_skb_change_head(skb, 2, 0))
		return -1;
	if (bpf_skb_store_bytes(skb, 0, head, 20, 0) || bpf_skb_vlan_push(skb, bpf_htons(DVS_TPID_8021Q), 0) ||
	    bpf_skb_vlan_push(skb, bpf_htons(DVS_TPID_8021Q), 0))
		return -1;
	for (i = 0; i < 4; i++)
		if (bpf_skb_vlan_pop(skb))
			return -1;
	on->niv = on->n = 0;
	return 0;
}

/* Only the tag's fields are others than those of the copy before. */
static INL int niv_rewrite(struct __sk_buff *skb, const struct dvs_copy *copy)
{
	__u32 word = bpf_htonl(copy->niv_word);

	return (int)bpf_skb_store_bytes(skb, 14, &word, 4, 0);
}

#endif
