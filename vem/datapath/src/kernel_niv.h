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
 *
 * That is what costs most of a frame's way.  So a VIS leaves the tag where it is (niv_on.came), as most frames go back to
 * a host, with a tag that differs in its fields alone; it is taken off when a receiver has none.  Not of a superframe: a NIC
 * that can't cut those up leaves it to the kernel, which can't either while it takes the NIV tag for the frame's protocol.
 *
 * Bytes are written straight into the frame where few are: a helper costs more than all the rest.  The kernel sees to
 * it that this program has the head of a frame for itself.
 */
#ifndef DVS_KERNEL_NIV_H
#define DVS_KERNEL_NIV_H

#include "kernel_events.h"
#include "niv.h"
#include <bpf/bpf_endian.h>

#define TAGS_MAX 3      /* 802.1Q tags of one frame that are kept in order behind a NIV tag */
#define NIV_HEAD (DVS_ETH_HLEN + 8 + 4) /* bytes of the longest head with a NIV tag and one of 802.1Q */

/* What is in the frame on its way to its receivers. */
struct niv_on {
	__u8 niv;  /* DVS_NIV_* */
	__u8 n;    /* 802.1Q tags behind it ... */
	__u8 own;  /* ... the outermost of which is the copy's ... */
	__u8 came; /* the frame came with them: to the kernel, its network header is in the NIV tag */
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
	if (on->niv != copy->niv)
		return 0;
	return foreign || (on->own == copy->tagged && (!copy->tagged || on->tci == copy->tci));
}

/* Those that an agent is told of otherwise: NIV's, and the frame's outermost of 802.1Q. */
static INL __u32 kernel_apart(const struct dvs_pkt *p)
{
	const struct niv_work *work = DVS_HAS(NIV) ? niv_work() : 0;

	if (!work || !work->on.niv)
		return 0;
	return dvs_niv_bytes(work->on.niv) + (work->on.own || p->tag_foreign ? 4 : 0);
}

static INL int niv_set_type(struct __sk_buff *skb, __u16 ethertype)
{
	__u8 *data = (__u8 *)(long)skb->data;

	if (data + DVS_ETH_HLEN > (__u8 *)(long)skb->data_end)
		return -1;
	*(__u16 *)(data + 12) = bpf_htons(ethertype);
	return 0;
}

/* --- off a frame -------------------------------------------------------------------------------------------------- */

/* Makes a frame long enough to have n bytes taken out; its true length is returned, or 0: it is long enough; -1: can't be
 * done. */
static INL int niv_stretch(struct __sk_buff *skb, __u32 n, __u16 ip)
{
	__u32 len = skb->len, least = DVS_ETH_HLEN + n + (ip == DVS_TYPE_IPV6 ? 40 : 20);

	if (len >= least)
		return 0;
	return bpf_skb_change_tail(skb, least, 0) ? -1 : (int)len;
}

/* Takes the tags off that a frame came with; its 802.1Q tag is beside it then.  To the kernel the network header of a frame
 * that comes in is behind the EtherType, whatever that is. */
static INL int niv_cut(struct __sk_buff *skb, const struct dvs_pkt *p, const struct niv_on *on, __u16 ethertype)
{
	__u16 tpid = bpf_htons(p->tag_foreign ? DVS_TPID_8021AD : DVS_TPID_8021Q);
	__u16 ip = ethertype == DVS_TYPE_IPV6 ? DVS_TYPE_IPV6 : DVS_TYPE_IPV4;
	__u32 n = dvs_niv_bytes(on->niv) + (on->n ? 4 : 0);
	int len = niv_stretch(skb, n, ip);

	if (len < 0 || niv_set_type(skb, ip) || bpf_skb_vlan_push(skb, tpid, on->n ? on->tci : 0) ||
	    bpf_skb_vlan_push(skb, bpf_htons(DVS_TPID_8021Q), 0) || bpf_skb_vlan_pop(skb)) /* the first is beside it now */
		return -1;
	if ((!on->n && bpf_skb_vlan_pop(skb)) ||
	    bpf_skb_adjust_room(skb, -(__s32)n, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	if (ethertype != ip && niv_set_type(skb, ethertype))
		return -1;
	return len ? (int)bpf_skb_change_tail(skb, len - n, 0) : 0;
}

/* Reads the tags; *type: the EtherType behind all of them. */
static INL int niv_look(struct __sk_buff *skb, struct dvs_pkt *p, __u16 *type)
{
	__u32 bytes = dvs_niv_bytes(p->niv) & 15;
	const __u8 *tag = (const __u8 *)(long)skb->data, *behind = tag + bytes, *end = (const __u8 *)(long)skb->data_end;

	p->niv_bad = DVS_OK;
	if (tag + DVS_ETH_HLEN + 6 > end || behind + DVS_ETH_HLEN > end) {
		p->niv_bad = DVS_DROP_RUNT;
		return 0;
	}
	p->niv_word = dvs_load_be32(tag + DVS_ETH_HLEN);
	if (p->niv == DVS_NIV_ETAG && dvs_load_be16(behind + 10))
		p->niv_bad = DVS_DROP_NIV_UNKNOWN_VIF; /* 12 bits are all that there is of VIFs here */
	*type = dvs_load_be16(behind + 12);
	if (p->niv_bad || !dvs_is_tag(*type) || behind + DVS_ETH_HLEN + 4 > end)
		return 0;
	p->tag_present = 1;
	p->tag_foreign = *type != DVS_TPID_8021Q;
	p->tci = dvs_load_be16(behind + 14);
	*type = dvs_load_be16(behind + 16);
	return 0;
}

static INL int niv_take(struct __sk_buff *skb, struct dvs_pkt *p, struct niv_on *on, int leave)
{
	__u16 type = 0;

	niv_look(skb, p, &type);
	if (p->niv_bad)
		return 0;
	on->n = p->tag_present;
	on->own = p->tag_present && !p->tag_foreign;
	on->tci = p->tci;
	on->niv = p->niv;
	on->came = 1;
	if (leave) {
		p->apart = dvs_niv_bytes(p->niv) + (p->tag_present ? 4 : 0);
		return 0;
	}
	if (niv_cut(skb, p, on, type))
		return -1;
	on->niv = on->n = 0;
	return 0;
}

/* Has the frame a head that can be read without a helper? */
static INL int niv_readable(struct __sk_buff *skb)
{
	__u32 want = skb->len < NIV_HEAD ? skb->len : NIV_HEAD;

	return (long)skb->data + want <= (long)skb->data_end || !bpf_skb_pull_data(skb, want);
}

static INL int niv_begins_with(struct __sk_buff *skb, __u16 ethertype)
{
	const __u8 *data = (const __u8 *)(long)skb->data;

	return data + DVS_ETH_HLEN <= (const __u8 *)(long)skb->data_end && dvs_load_be16(data + 12) == ethertype;
}

/* The NIV tag that a frame begins with, if the link that it came by is one and that tag is agreed on there. */
STAGE int kernel_niv_take(struct __sk_buff *skb, struct dvs_pkt *p, __u32 lport)
{
	struct niv_work *work = niv_work();
	const struct dvs_port *port = dp_port(lport);
	__u32 niv;

	if (!p || !work)
		return 0;
	work->on.niv = work->on.n = 0;
	if (!port || !(port->flags & DVS_NIV_LINK) || skb->vlan_present)
		return 0;
	niv = dvs_niv_of(port);
	if (!niv || !niv_readable(skb) || !niv_begins_with(skb, dvs_niv_tpid(niv)))
		return 0;
	p->niv = niv;
	return niv_take(skb, p, &work->on, (port->flags & DVS_PORT_BRIDGE) && !skb->gso_size);
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

/* The same of a frame that gets no other tag, which most don't. */
static INL int niv_put_alone(struct __sk_buff *skb, const struct dvs_copy *copy)
{
	__u32 bytes = dvs_niv_bytes(copy->niv) & 15, macs[3];
	__u8 *data, *behind;

	if (bpf_skb_change_head(skb, bytes, 0))
		return -1;
	data = (__u8 *)(long)skb->data;
	behind = data + bytes;
	if (behind + 12 > (__u8 *)(long)skb->data_end || data + DVS_ETH_HLEN + 6 > (__u8 *)(long)skb->data_end)
		return -1;
	macs[0] = *(__u32 *)behind;
	macs[1] = *(__u32 *)(behind + 4);
	macs[2] = *(__u32 *)(behind + 8);
	*(__u32 *)data = macs[0];
	*(__u32 *)(data + 4) = macs[1];
	*(__u32 *)(data + 8) = macs[2];
	*(__u16 *)(data + 12) = bpf_htons(dvs_niv_tpid(copy->niv));
	*(__u32 *)(data + 14) = bpf_htonl(copy->niv_word);
	if (copy->niv == DVS_NIV_ETAG)
		*(__u16 *)(data + 18) = 0;
	return 0;
}

/* Puts the tags that a copy leaves with on a frame, which has no tag of the switch's any more. */
STAGE int kernel_niv_put(struct __sk_buff *skb, struct niv_on *on, struct dvs_copy *copy, __u32 foreign)
{
	__u8 head[12 + 8 + 4 * (TAGS_MAX + 1)] = {};
	int bytes;
	__u32 n;

	if (!on || !copy)
		return -1;
	on->niv = copy->niv;
	on->came = on->own = on->n = 0;
	if (!copy->tagged && !foreign && !skb->vlan_present)
		return niv_put_alone(skb, copy);
	if (bpf_skb_load_bytes(skb, 0, head, 12))
		return -1;
	bytes = niv_compose(skb, on, copy, foreign, head + 12);
	if (bytes < 0 || bpf_skb_change_head(skb, bytes, 0))
		return -1;
	n = (bytes - 1) & 31;
	if (n > sizeof(head) - 13 || bpf_skb_store_bytes(skb, 0, head, 12 + n + 1, 0))
		return -1;
	return 0;
}

/* Takes a NIV tag off again that was put on: the network header is where it belongs, so it is VLAN tags (two, of nothing)
 * that the NIV tag is made into, and that are popped, which moves that header too.  The first pop takes out of the frame
 * what the second push has put there; the last finds the frame's own 802.1Q tag, if any, and keeps it beside the frame. */
STAGE int kernel_niv_drop(struct __sk_buff *skb, struct niv_on *on, struct dvs_pkt *p)
{
	__u8 head[20] = {};
	__u32 i;

	if (!on || !p)
		return -1;
	if (on->came) {
		if (niv_cut(skb, p, on, p->ethertype))
			return -1;
		on->niv = on->n = 0;
		return 0;
	}
	if (bpf_skb_load_bytes(skb, 0, head, 12))
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

/* Only the tag's fields are others than those that are there. */
static INL int niv_rewrite(struct __sk_buff *skb, const struct dvs_copy *copy)
{
	__u8 *data = (__u8 *)(long)skb->data;

	if (data + DVS_ETH_HLEN + 4 > (__u8 *)(long)skb->data_end)
		return -1;
	*(__u32 *)(data + DVS_ETH_HLEN) = bpf_htonl(copy->niv_word);
	return 0;
}

#endif
