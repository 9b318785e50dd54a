/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame as the pipeline sees it, and what an engine must provide.
 *
 * The steps never touch engine memory directly: the engine that includes pipeline.h defines, before it does so,
 *
 *   static INL const struct dvs_control *dp_control(__u32 bank);   of that bank, as all that follow
 *   static INL const struct dvs_port    *dp_port(__u32 lport);             NULL when out of range
 *   static INL const struct dvs_policy  *dp_policy(__u32 bank, __u32 policy);   or NULL
 *   static INL const struct dvs_team    *dp_team(__u32 bank, __u32 team);       or NULL
 *   static INL struct dvs_mac           *dp_mac(__u64 key);                NULL when absent
 *   static INL int                       dp_learn(__u64 key, const struct dvs_mac *entry);   0, 1: is there already, -1: full
 *   static INL struct dvs_live          *dp_live(__u32 lport);             NULL when out of range
 *   static INL __u32                     dp_group(const struct dvs_group_key *key);   key of its list, 0 = none
 *   static INL __u32                     dp_vif(__u32 key);   of the VIF table (abi.h), 0 = none
 *   static INL struct dvs_counters      *dp_counters(__u32 lport);         NULL when not to be counted
 *   static INL __u64                     dp_now(void);                     ns, monotonic
 *   static INL void                      dp_read(struct dvs_pkt *p, __u32 control_flags);   calls dvs_read() (read.h)
 * and, for words that several CPUs may change at once,
 *   static INL __u32                     dp_add(__u32 *number, __u32 by);            what it was
 *   static INL __u32                     dp_exchange(__u32 *number, __u32 by);       what it was
 *   static INL int                       dp_replace(__u64 *number, __u64 old, __u64 by);   0: it was not `old`
 *
 * The outer 802.1Q tag is out of band (tag_present, tci) as the kernel keeps it; the drivers push and pop.
 */
#ifndef DVS_PACKET_H
#define DVS_PACKET_H

#include "abi.h"

#ifndef INL
#define INL inline __attribute__((always_inline))
#endif

/* A part that the kernel's verifier looks at once, whatever the ways that lead to it; so it gets numbers and table
 * entries (which may be NULL as far as it can know), never the frame. */
#ifndef DVS_ONCE
#define DVS_ONCE static INL
#endif

/* Is this feature in the program at all?  What it stands before costs nothing where it is not.  The user engine has
 * the way of its frames built several times (user_batch.h), and all in all else. */
#ifndef DVS_HAS
#ifndef DVS_BUILT
#define DVS_BUILT DVS_FEATURES_ALL
#endif
#define DVS_HAS(feature) ((DVS_BUILT & DVS_FEATURE_##feature) != 0)
#endif

/* Most at which a driver leaves EtherType and MACs apart; a power of two less one. */
#ifndef DVS_APART
#define DVS_APART 0
#endif

#define DVS_ETH_HLEN 14
#define DVS_TPID_8021Q 0x8100
#define DVS_TPID_8021AD 0x88a8
#define DVS_TPID_VNTAG 0x8926
#define DVS_TPID_ETAG 0x893f
#define DVS_CDP_GROUP 0xcccccc0c0001ULL /* 01-00-0C-CC-CC-CC, first byte lowest */
#define DVS_TCI_VID 0x0fff
#define DVS_TCI_PRIORITY 0xf000 /* PCP and DEI */
#define DVS_VID_RESERVED 4095
#define DVS_MAC_MASK 0x0000ffffffffffffULL

/* dvs_pkt.niv_way */
#define DVS_NIV_UP 1   /* from a vNIC to its link */
#define DVS_NIV_DOWN 2 /* from a link to vNICs */
#define DVS_NIV_BACK 3 /* VEPA: what p->link, a port of this host, sent has come back by an uplink */

struct dvs_pkt {
	/* filled by the driver */
	void *frame;      /* what the driver reads the frame by, if not by data and end */
	const __u8 *data; /* destination MAC */
	const __u8 *end;
	__u32 len;     /* bytes, without the out-of-band tag */
	__u32 gso;     /* payload bytes of each segment a superframe will be cut into; 0 = not a superframe */
	__u16 lport;   /* ingress: the port by which it came in, or that port's LAG */
	__u16 tci;     /* of the out-of-band tag */
	__u8 tag_present; /* an out-of-band tag is there ... */
	__u8 tag_foreign; /* ... but its TPID is not 0x8100 (S-045): carried along unchanged, never matched */
	__u8 gso_udp;
	__u8 uplink;   /* came in by an uplink */
	__u16 service; /* the service tag by which the mobility program handed it in ... */
	__u8 serviced; /* ... if it did */
	__u8 niv_bad;  /* the NIV tag is no good: DVS_DROP_*; then it was not taken off */
	__u32 bank;    /* the half of the tables that the frame is judged by; user engine: 0 */
	__u32 niv_word; /* of the NIV tag that it came with (niv.h) ... */

	/* filled by the steps */
	__u16 link;    /* on a VIS: the NIV link by which the frames of p->lport come; 0 = none ... */
	__u16 vif;     /* ... and its VIF.  UP: the sender's; DOWN: who must not get it */
	__u64 dst, src; /* MACs, first byte lowest */
	__u16 ethertype; /* host order, of the frame without the out-of-band tag */
	__u16 vlan;     /* where the frame belongs; 0 = untagged */
	__u8 priority_tagged; /* came with VID 0 (S-042) */
	__u8 unknown;   /* flooded because nobody owns the destination */
	__u16 out;      /* the port that owns the destination; 0 = none */
	__u16 out_uplink; /* the one uplink that gets a copy too; 0 = none */
	__u32 list;     /* flood: the receivers' list */
	__u8 flood;     /* to all of a list ... */
	__u8 filtered;  /* ... which is a multicast group's (S-232) */
	__u8 spies;     /* promiscuous ports of the VLAN get it too */
	__u8 reflected; /* our own frame come back, for promiscuous ports only (S-111) */
	__u16 punt;     /* the agent shall see it: DVS_PUNT_*; 0 = no */
	__u8 capture;   /* a capture is in force */
	__u8 protocol;  /* of IP, when a capture is in force */
	/* bits, as the kernel's verifier has little room: */
	__u8 niv : 2;        /* by the driver: the NIV tag that it came with, DVS_NIV_*, 0 = none */
	__u8 niv_way : 2;    /* DVS_NIV_UP or DVS_NIV_DOWN: it passes by all switching; DVS_NIV_BACK: p->link sent it */
	__u8 by_link : 1;    /* came in by a NIV link ... */
	__u8 bridge : 1;     /* ... without a tag, on a VIS */
	__u8 reflective : 1; /* may go back where it came from */
	__u8 own_mac;   /* the destination is the own MAC of p->out: never flooded */
	__u16 nic;      /* ingress: the port by which it came in */
	__u16 to_tunnel; /* the service tag with which it goes to the mobility program, by p->out; 0 = it does not */
	__u8 held;      /* ... to come back later: counts nothing yet */
	__u8 doomed;    /* why its receiver will not have it after all */
	__u64 packet;   /* number of the frame, when a capture is in force */
	__u8 in_time;   /* out of the tunnel, for a port that was open when that was decided */
	__u8 apart;     /* by the driver: bytes of tags that it left between the MACs and the EtherType (DVS_APART) */
	__u16 mirror;   /* lport that gets it as it came, whatever becomes of it; 0 = none */

	/* filled by dvs_read(), where dvs_must_read() */
	__u32 segment;  /* bytes of L3 of the segments that a superframe will be cut into */
	__u32 hash;     /* dvs_ip_hash(), if some team goes by it */
	__u32 is;       /* DVS_IS_* */
	__u8 group[16]; /* the multicast group, if DVS_IS_GROUPED */
};

/* dvs_pkt.is */
#define DVS_IS_BEACON 1     /* a beacon probe of ours */
#define DVS_IS_GRATUITOUS 2 /* a gratuitous ARP */
#define DVS_IS_MEMBERSHIP 4 /* IGMP or MLD */
#define DVS_IS_REPORT 8     /* ... that tells of members */
#define DVS_IS_VIF_CONTROL 32
#define DVS_IS_GROUPED 16   /* a multicast packet for a group that may be registered */

static INL int dvs_is_multicast(__u64 mac) { return mac & 1; }

/* 01-80-C2-00-00-0x */
static INL int dvs_is_link_local(__u64 mac)
{
	return (mac & 0x0000ffffffffffULL) == 0x000000c28001ULL && mac >> 40 <= 0x0f;
}

static INL int dvs_is_broadcast(__u64 mac) { return mac == DVS_MAC_MASK; }

static INL __u64 dvs_mac_key(__u64 mac, __u32 vlan) { return mac | (__u64)vlan << 48; }

static INL __u64 dvs_load_mac(const __u8 *p)
{
#ifdef __bpf__ /* where clang would make byte loads of a memcpy(), though none is needed */
	return *(const __u32 *)p | (__u64)*(const __u16 *)(p + 4) << 32;
#else
	__u32 low;
	__u16 high;

	__builtin_memcpy(&low, p, 4);
	__builtin_memcpy(&high, p + 4, 2);
	return low | (__u64)high << 32;
#endif
}

static INL __u16 dvs_load_be16(const __u8 *p) { return (__u16)(p[0] << 8 | p[1]); }

static INL __u32 dvs_load_be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

static INL int dvs_is_tag(__u16 ethertype) { return ethertype == DVS_TPID_8021Q || ethertype == DVS_TPID_8021AD; }

/* Reads the Ethernet header (S-002).  A tag that is cut off is a runt too. */
static INL int dvs_parse(struct dvs_pkt *p)
{
	const __u8 *d = p->data, *behind = d + (p->apart & DVS_APART);

	if (d + DVS_ETH_HLEN > p->end || (DVS_APART && behind + DVS_ETH_HLEN > p->end))
		return DVS_DROP_RUNT;
	p->dst = dvs_load_mac(d);
	p->src = dvs_load_mac(d + 6);
	p->ethertype = dvs_load_be16(behind + 12);
	if (dvs_is_tag(p->ethertype) && p->len < DVS_ETH_HLEN + 4)
		return DVS_DROP_RUNT;
	return DVS_OK;
}

#endif
