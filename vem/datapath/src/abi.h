/* SPDX-License-Identifier: Apache-2.0
 *
 * Table layouts shared by the kernel engine, the user engine and Python.
 *
 * Read three times: by clang -target bpf (kernel.bpf.c), by the C compiler (user.c) and, as text, by cffi
 * (abi.py).  Only fixed-size integers, every hole is an explicit pad, little-endian hosts.  tests/abi compares
 * sizes and offsets across the three readers.  A changed layout needs a new DVS_ABI_VERSION: the kernel engine
 * puts it in the pin path, so that an old agent's maps are never read with new eyes.
 *
 * Numbers: an *lport* is a port of one switch on one host, 1..DVS_MAX_PORTS-1; 0 means none.  A *policy* is
 * what a port profile comes to on this host.  VLAN 0 stands for "untagged, no VLAN" (S-030 ff.).
 */
#ifndef DVS_ABI_H
#define DVS_ABI_H

#include <linux/types.h>
#include "drops.h"

#define DVS_ABI_VERSION 5

#define DVS_MAX_PORTS 1024
#define DVS_MAX_POLICIES 1024
#define DVS_POLICY_SLOTS 2048
#define DVS_MAX_TEAMS 64
#define DVS_TEAM_UPLINKS 16
#define DVS_MAX_MACS 131072
#define DVS_MAX_MEMBERS 1022
#define DVS_MAX_GROUPS 4096
#define DVS_LISTS 20480
#define DVS_MAX_VIF_LISTS 4096
#define DVS_DROP_SLOTS 48

/* key of a static MAC: a vNIC's own MAC is valid in every VLAN its port carries (S-053, S-060) */
#define DVS_VLAN_ANY 0xffff

/* dvs_port.flags */
#define DVS_PORT_USED 1
#define DVS_PORT_UPLINK 2
#define DVS_PORT_LINK_UP 4
#define DVS_PORT_BLOCKED 8
#define DVS_PORT_MAC_VIOLATION 16
#define DVS_PORT_LAG 32 /* no NIC: the members in use are the uplinks of its policy's team */
#define DVS_PORT_PEER 64 /* kernel engine: the NIC is a veth whose other end is in another network namespace */
#define DVS_PORT_OWNS_MAC 128 /* set by the engine: the static entry of the port's MAC is the port's (saves asking) */
#define DVS_PORT_AWAITED 256 /* blocked until its VM speaks here: a frame with the port's own MAC is shown to the agent */
#define DVS_PORT_TUNNEL 512 /* its NIC is the mobility program, to which frames go with a service tag */
#define DVS_PORT_MOVED 1024 /* the vEth lives elsewhere: its MACs, learned ones too, are nobody's here */
#define DVS_PORT_FORWARD 2048 /* ... and what comes for them goes through the tunnel */
#define DVS_PORT_HELD 4096 /* what it sends waits in the mobility program until the port is activated */
#define DVS_PORT_RELEASING 8192 /* ... as long as something that it sent before waits there */
/* NIV (niv.h): links between a host that only tags (IV) and the switch that forwards for it (VIS) */
#define DVS_PORT_EXTENDER 16384 /* an uplink of a NIV host */
#define DVS_PORT_BRIDGE 32768 /* a VIS's port to a NIV host */
#define DVS_PORT_VNTAG 65536 /* of such a link: tags agreed on; neither: none yet */
#define DVS_PORT_ETAG 131072
#define DVS_PORT_TAGGED_ONLY 262144 /* of such a link: frames without the tag are not let in */
#define DVS_PORT_REFLECTIVE 524288 /* frames may go back where they came from (VEPA's relay) */

/* dvs_policy.mode */
#define DVS_MODE_ACCESS 0
#define DVS_MODE_TRUNK 1

/* dvs_policy.flags */
#define DVS_POL_BLOCKED 1
#define DVS_POL_FORGED_OK 2
#define DVS_POL_MAC_CHANGES_OK 4
#define DVS_POL_LEARN 8
#define DVS_POL_UNKNOWN_FLOOD 16
#define DVS_POL_BPDU_OK 32
#define DVS_POL_PROMISCUOUS 64
#define DVS_POL_LIMIT_ALLOW 128 /* over mac_limit: forward unlearned (S-067) instead of dropping (S-066) */

/* dvs_policy.storm and dvs_live.storm */
#define DVS_STORM_BROADCAST 0
#define DVS_STORM_MULTICAST 1
#define DVS_STORM_UNKNOWN 2
#define DVS_STORM_KINDS 3

/* dvs_team.method */
#define DVS_TEAM_PORT_ID 0    /* S-130 */
#define DVS_TEAM_SOURCE_MAC 1 /* S-132 */
#define DVS_TEAM_IP_HASH 2    /* S-133 ff. */
#define DVS_TEAM_EXPLICIT 3   /* S-137 */

/* dvs_control.flags */
#define DVS_CTL_NO_REVERSE_TEAMING 1
#define DVS_CTL_KEEP_PRIORITY_TAG 2
#define DVS_CTL_NO_RPF_PROMISCUOUS 4 /* promiscuous ports get reflected frames too (S-111) */
#define DVS_CTL_SNOOPING 8           /* groups are in use (S-232) */
/* ... and what follows from policies and teams, so that a feature that nobody uses costs one test of a bit */
#define DVS_CTL_PROMISCUOUS 16 /* some policy is promiscuous */
#define DVS_CTL_STORM 32       /* some policy limits storms */
#define DVS_CTL_MOVED 128      /* some port has moved away */
#define DVS_CTL_READ_IP 64     /* IP addresses are needed: by a team's hash or by snooping */
#define DVS_CTL_CAPTURE 1024 /* dvs_capture is in force */
#define DVS_CTL_IP_HASH 2048 /* some team picks by IP addresses */
#define DVS_CTL_NIV 4096 /* what vNICs send goes to their links, tagged; nothing is switched here */
#define DVS_CTL_VEPA 8192 /* what vNICs send goes to their uplinks, and may come back from there */

/* What the forwarding code has in it: a kernel engine's program when it is loaded (dvs_features in kernel_maps.h; the
 * verifier takes out the rest), the user engine by the build that it chooses (user_choose.h).  feature_bits.py tells
 * which tables need which. */
#define DVS_FEATURE_CAPTURE 1
#define DVS_FEATURE_STORM 2
#define DVS_FEATURE_PROMISCUOUS 4
#define DVS_FEATURE_READ_IP 8
#define DVS_FEATURE_LEARN 16
#define DVS_FEATURE_LAG 32
#define DVS_FEATURE_MIRROR 64
#define DVS_FEATURE_UPLINK 128
#define DVS_FEATURE_MOBILITY 256
#define DVS_FEATURE_NIV 512
#define DVS_FEATURES_ALL 1023

/* dvs_mac.flags */
#define DVS_MAC_STATIC 1

/* member lists: key = kind * 4096 + vlan, of a group: + a number of its own */
#define DVS_LIST_ALL 0
#define DVS_LIST_UNKNOWN 1
#define DVS_LIST_PROMISCUOUS 2
#define DVS_LIST_GROUP 3
#define DVS_LIST_VIFS 4 /* number: the engine's own */

/* An entry of a member list that is no lport: all of the list DVS_LIST_VIFS with that number */
#define DVS_RECEIVERS 0x8000
#define DVS_RECEIVERS_NUMBER 0x0fff

/* Key of the VIF table: lport of the link << 16, and a VIF, or DVS_VIF_LIST and the number of a list on that link.  Value:
 * the lport of the port whose VIF it is, or the key of the list. */
#define DVS_VIF_LIST 0x8000
#define DVS_VIF_MAX 4095
#define DVS_VIF_LIST_MAX 16383

/* Service tag of frames between a switch and its mobility program (mobility.c): an 802.1ad tag outside of all others,
 * whose VLAN is the lport of the vEth concerned and whose priority says what.  To the program: FROM, TO for what is
 * to follow a vEth that has moved away, and DIRECT. */
#define DVS_SERVICE_FROM 0          /* the vEth sent it */
#define DVS_SERVICE_FROM_OVERFLOW 1 /* ... and it is dropped, since there was no room */
#define DVS_SERVICE_FROM_EXPIRED 2  /* ... since the port was not activated in time */
#define DVS_SERVICE_TO 3            /* for the vEth */
#define DVS_SERVICE_TO_OVERFLOW 4
#define DVS_SERVICE_TO_EXPIRED 5
#define DVS_SERVICE_DIRECT 6 /* for the vEth, by another way than the tunnel */
#define DVS_SERVICE_GATE 7   /* no frame: the gate closes (a destination other than 0) or opens */
#define DVS_SERVICE_SHIFT 13
#define DVS_SERVICE_LPORT 0x0fff

/* Indexes of dvs_counters.drops */
#define DVS_IN 0
#define DVS_OUT 1

/* Whole-switch settings; one entry.  `bank` picks the half of policy_index and teams that is in force:
 * the agent writes the other half and flips, so that edits of many policies take effect at one instant. */
struct dvs_control {
	__u32 bank;  /* 0 or 1 */
	__u32 flags; /* DVS_CTL_* */
	__u32 mtu;   /* bytes of L3 payload a segment may carry, 1280..9190 (S-243) */
	__u32 tunnel; /* lport of the port with DVS_PORT_TUNNEL; 0 = none */
};

/* One switch port, by lport.  Small: what many ports share is in the policy. */
struct dvs_port {
	__u32 flags;      /* DVS_PORT_* */
	__u32 ifindex;    /* kernel engine: the NIC; user engine: 0 */
	__u32 policy;     /* index into policy_index, 0..DVS_MAX_POLICIES-1 */
	__u32 number;     /* vEth number, or p of Ethernet m/p for an uplink: who this is */
	__u32 port_id;    /* what port-id teaming counts with (S-130) */
	__u32 generation; /* of the vEth's place; higher wins (S-255) */
	__u8 mac[6];      /* effective MAC (S-008 compares with it) */
	__u16 pin;        /* lport of the one uplink to use, if the team has it; 0 = as the team's method says */
	__u16 lag;        /* lport of the LAG that this port is a member of; 0 = none */
	__u16 mirror_rx;  /* lport on which all that comes in here is shown too; 0 = none */
	__u16 mirror_tx;  /* ... and all that goes out */
	__u16 pad;
	__u16 link;       /* lport of the link by which its frames come and go with the tag of its VIF; 0 = none */
	__u16 vif;        /* ... 1..DVS_VIF_MAX, 0 = none yet */
	__u32 pad2;
};

/* What a port profile comes to.  allowed: bit v = VLAN v is carried (trunk); bit 0 = untagged without native. */
struct dvs_policy {
	__u32 flags;     /* DVS_POL_* */
	__u16 mode;      /* DVS_MODE_* */
	__u16 vlan;      /* access VLAN, or native VLAN of a trunk; 0 = untagged */
	__u16 team;      /* which uplinks, in what order, its ports use; index into teams */
	__u16 mac_limit; /* learned MACs a port may have; 0 = as the table allows */
	__u32 storm[DVS_STORM_KINDS]; /* frames a second that a port may send; 0 = no limit */
	__u64 allowed[64];
};

/* Uplinks in use, in order.  n = 0: no usable uplink (S-093, S-094). */
struct dvs_team {
	__u16 method; /* DVS_TEAM_* */
	__u16 n;
	__u16 uplink[DVS_TEAM_UPLINKS]; /* lports */
	__u32 pad;
};

/* MAC table key; as one little-endian u64: vlan << 48 | mac (first byte of the MAC lowest) */
struct dvs_mac_key {
	__u8 mac[6];
	__u16 vlan; /* DVS_VLAN_ANY for static entries */
};

struct dvs_mac {
	__u32 lport;
	__u32 flags; /* DVS_MAC_* */
	__u64 seen; /* engine clock, ns; learned entries only, refreshed when older than a second */
};

/* What the pipeline remembers about a port, by lport. */
struct dvs_live {
	__u64 storm[DVS_STORM_KINDS]; /* when the next frame is due at that rate, ns of the engine's clock */
	__u32 learned;   /* MACs learned here or moved here, less those that moved away; wraps */
	__u32 forgotten; /* those the agent removed; written by nobody else.  The port has learned - forgotten MACs */
	__u32 held;      /* frames it sent that went to the mobility program to wait; wraps */
	__u32 released;  /* ... that came back from there; wraps */
	__u32 gated;     /* frames for it that wait for those of the tunnel, and one for the closed gate; wraps */
	__u32 passed;    /* ... that came back, and one for each opening; wraps */
};

/* A multicast group in a VLAN; an IPv4 address as ::ffff:a.b.c.d. */
struct dvs_group_key {
	__u8 address[16];
	__u32 vlan;
	__u32 pad;
};

/* Receivers of a flooded frame; swapped whole.  May hold more ports than carry the VLAN (each receiver's policy
 * decides), never fewer. */
struct dvs_members {
	__u32 n;
	__u16 link; /* of VIFs: the link that they are all on ... */
	__u16 vif;  /* ... and the list's number there */
	__u16 lport[DVS_MAX_MEMBERS];
};

/* Per port (and per CPU in the kernel engine).  Frames, and bytes as received or sent without FCS, tag included.
 *   rx_frames = rx_forwarded + sum of drops[DVS_IN]
 *   over all ports: sum of rx_copies = sum of (tx_frames + sum of drops[DVS_OUT])
 * niv_*: of these, what went from a vNIC to a VIS with a NIV tag, or came so: the VIS counts it for the vEth, too. */
struct dvs_counters {
	__u64 rx_frames;
	__u64 rx_bytes;
	__u64 rx_multicast;
	__u64 rx_broadcast;
	__u64 rx_forwarded; /* frames that had at least one receiver */
	__u64 rx_copies;    /* receivers of those frames, summed */
	__u64 tx_frames;
	__u64 tx_bytes;
	__u64 tx_multicast;
	__u64 tx_broadcast;
	__u64 tx_flooded; /* unicast frames sent because their MAC was unknown */
	__u64 mac_moves; /* learned MACs that came here from another port (S-072) */
	__u64 niv_rx_frames;
	__u64 niv_rx_bytes;
	__u64 niv_rx_multicast;
	__u64 niv_rx_broadcast;
	__u64 niv_tx_frames;
	__u64 niv_tx_bytes;
	__u64 niv_tx_multicast;
	__u64 niv_tx_broadcast;
	__u64 drops[2][DVS_DROP_SLOTS]; /* [DVS_IN or DVS_OUT][reason] */
};

/* shortest frame on a physical network, without FCS (S-001) */
#define DVS_ETH_MIN 60

/* What became of one receiver's copy; the record of a test run or a trace. */
struct dvs_copy {
	__u16 lport;
	__u16 reason; /* 0 = delivered, else DVS_DROP_* */
	__u16 tci;
	__u8 tagged;  /* 1: leaves with an 802.1Q tag of that tci */
	__u8 padded;  /* 1: leaves with DVS_ETH_MIN bytes, if it has fewer */
	__u32 niv_word; /* of the NIV tag that it leaves with */
	__u16 link;   /* leaves by that port's NIC, not by its own; 0 = by its own */
	__u8 niv;     /* DVS_NIV_*: leaves with that tag */
	__u8 shared;  /* 1: the copy before, which is for a list, is this receiver's too */
};

/* NIV tags */
#define DVS_NIV_NONE 0
#define DVS_NIV_VNTAG 1
#define DVS_NIV_ETAG 2

#define DVS_TRACE_COPIES 64
#define DVS_TRACE_STEPS 24

/* dvs_step.step, in the order of the pipeline (S-001 ff.) */
#define DVS_STEP_PARSE 1
#define DVS_STEP_PORT 2
#define DVS_STEP_ADMIT 3
#define DVS_STEP_CONTROL 4
#define DVS_STEP_CLASSIFY 5
#define DVS_STEP_LOCAL_SOURCE 6
#define DVS_STEP_LEARN 7
#define DVS_STEP_LOOKUP 8
#define DVS_STEP_STORM 9 /* before LEARN, if in use at all */
#define DVS_STEP_NIV 10 /* the NIV tag, or what is instead of looking the frame up */

/* One step of the pipeline on the way in. */
struct dvs_step {
	__u16 step;   /* DVS_STEP_* */
	__u16 reason; /* 0 = go on, else DVS_DROP_* */
};

struct dvs_trace {
	__u32 in_reason; /* 0 = forwarded */
	__u32 n;         /* copies made; the first DVS_TRACE_COPIES are recorded */
	/* the rest up to the copies is only filled by a trace, not by a test run */
	__u16 vlan;       /* where the frame belongs, and what was decided of it: as in struct dvs_pkt */
	__u16 out;
	__u16 out_uplink;
	__u16 list_kind;
	__u16 flood;
	__u16 unknown;
	__u16 punt;
	__u16 niv; /* DVS_NIV_*: the tag that it came with, and that was taken off */
	__u32 niv_word;
	__u16 pad;
	__u16 n_steps;
	struct dvs_step step[DVS_TRACE_STEPS];
	struct dvs_copy copy[DVS_TRACE_COPIES];
};

/* dvs_event.kind of a frame that the agent gets to see */
#define DVS_PUNT_CONTROL 1 /* link-local control: LACP, LLDP, CDP; not forwarded */
#define DVS_PUNT_BEACON 2  /* a host's beacon probe, by an uplink; not forwarded */
#define DVS_PUNT_SNOOPED 3 /* IGMP or MLD, when snooping; forwarded too */
#define DVS_PUNT_MOVED 4   /* RARP or gratuitous ARP by an uplink with a local port's MAC (S-089); dropped */
#define DVS_PUNT_ARRIVED 5 /* out of an awaited port, with its MAC (S-246); dropped */
#define DVS_PUNT_FOLLOWED 6 /* RARP by an uplink with the MAC of a port that moved away; forwarded too */

#define DVS_EVENT_DATA 1600

/* A frame, or its head, told to the agent. */
struct dvs_event {
	__u64 time;   /* engine clock, ns */
	__u64 packet; /* the same at all points of a frame's way; 0 = not numbered */
	__u32 len;    /* of the frame, without the outer tag */
	__u32 stored; /* bytes in data, which has no outer tag either */
	__u16 kind;   /* DVS_PUNT_* or DVS_AT_* */
	__u16 lport;  /* where */
	__u16 came_by; /* the port it came in by */
	__u16 reason; /* DVS_DROP_*, or 0 */
	__u16 vlan;   /* where it belongs, as far as that was decided */
	__u16 tci;    /* of the outer tag, if tagged */
	__u16 tagged; /* 0, DVS_TAG_OURS or DVS_TAG_FOREIGN */
	__u16 niv;    /* DVS_NIV_*: the tag outside of all others */
	__u32 niv_word;
	__u32 pad;
	__u8 data[DVS_EVENT_DATA];
};

/* dvs_event.kind of a captured frame, and bits of dvs_capture.points: where on its way (S-245 ff.) */
#define DVS_AT_VNIC_TX 0     /* came from a guest, as it came */
#define DVS_AT_UPLINK_RCV 1  /* came from the network, as it came */
#define DVS_AT_PORT_INPUT 2  /* enters the switch by a port, as it came */
#define DVS_AT_DISPATCH 3    /* was admitted, and its receivers are sought: with its VLAN */
#define DVS_AT_PORT_OUTPUT 4 /* a receiver's copy before the receiver's filters: with its VLAN */
#define DVS_AT_VNIC_RX 5     /* goes to a guest, as it goes */
#define DVS_AT_UPLINK_SND 6  /* goes to the network, as it goes */
#define DVS_AT_DROP 7        /* a frame or a copy that goes nowhere */

/* dvs_capture.flags: what else to look at */
#define DVS_CAPTURE_MAC 1
#define DVS_CAPTURE_VLAN 2
#define DVS_CAPTURE_PROTOCOL 4

/* The capture in force, if DVS_CTL_CAPTURE; what is 0 and has no flag matches everything (S-245d). */
struct dvs_capture {
	__u64 left;      /* frames yet to be told */
	__u64 lost;      /* frames that there was no room for */
	__u32 points;    /* bits DVS_AT_* */
	__u32 snaplen;   /* bytes of each, 1..DVS_EVENT_DATA */
	__u16 lport;     /* where */
	__u16 uplink;    /* where, or the port it came in by */
	__u16 ethertype; /* of the frame without the outer tag */
	__u16 vlan;
	__u8 mac[6];     /* source or destination */
	__u8 protocol;   /* of IPv4 or IPv6 */
	__u8 flags;      /* DVS_CAPTURE_* */
};

#define DVS_DROP_HEAD 64

/* The last frame that was dropped at a port for a reason: key lport | reason << 16 | (DVS_IN or DVS_OUT) << 31. */
struct dvs_last_drop {
	__u64 time;   /* engine clock, ns */
	__u32 len;    /* of the frame, without the outer tag */
	__u16 came_by; /* the port it came in by */
	__u16 vlan;   /* where it belonged, as far as that was decided */
	__u16 tci;    /* of the outer tag it came with, if tagged */
	__u16 tagged; /* 0, DVS_TAG_OURS or DVS_TAG_FOREIGN */
	__u32 stored; /* bytes in head */
	__u8 head[DVS_DROP_HEAD];
};

#define DVS_TAG_OURS 1    /* 802.1Q */
#define DVS_TAG_FOREIGN 2 /* 802.1ad */

/* How many frames a port may yet have told to the agent, by the clock (GCRA); and how many were not told. */
struct dvs_punt_rate {
	__u64 due;
	__u64 lost;
};

#ifndef DVS_CFFI
/* reason 0 means "go on" */
enum dvs_drop {
	DVS_OK = 0,
#define X(name, text) DVS_DROP_##name,
	DVS_DROP_REASONS(X)
#undef X
	DVS_DROP_COUNT
};

_Static_assert(DVS_DROP_COUNT <= DVS_DROP_SLOTS, "more drop reasons than counter slots");
_Static_assert(sizeof(struct dvs_control) == 16, "dvs_control");
_Static_assert(sizeof(struct dvs_port) == 48, "dvs_port");
_Static_assert(sizeof(struct dvs_policy) == 536, "dvs_policy");
_Static_assert(sizeof(struct dvs_team) == 40, "dvs_team");
_Static_assert(sizeof(struct dvs_mac_key) == 8, "dvs_mac_key");
_Static_assert(sizeof(struct dvs_mac) == 16, "dvs_mac");
_Static_assert(sizeof(struct dvs_live) == 48, "dvs_live");
_Static_assert(sizeof(struct dvs_group_key) == 24, "dvs_group_key");
_Static_assert(sizeof(struct dvs_members) == 2052, "dvs_members");
_Static_assert(sizeof(struct dvs_counters) == 928, "dvs_counters");
_Static_assert(sizeof(struct dvs_event) == 48 + DVS_EVENT_DATA, "dvs_event");
_Static_assert(sizeof(struct dvs_capture) == 40, "dvs_capture");
_Static_assert(sizeof(struct dvs_last_drop) == 88, "dvs_last_drop");
_Static_assert(sizeof(struct dvs_trace) == 1152, "dvs_trace");
#endif

#endif
