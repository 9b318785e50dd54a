/* SPDX-License-Identifier: Apache-2.0
 *
 * What libdvsuser.so offers to vem/datapath/mobility.py: the mobility program, which passes frames of moving vEths on
 * from host to host and keeps those that come too early (mobility.c).  Read as text by cffi, like user_api.h.
 *
 * Every function may be called from any thread; dvs_mobility_run() is the program's own thread and returns after
 * dvs_mobility_stop().  int results are 0 or -errno.  Python opens and closes the descriptors, which must be
 * non-blocking: that of the switch's port is a tap (without packet information or offload headers) or one end of a pair
 * of unix SEQPACKET sockets, the listener a TCP socket, or -1.
 */
#ifndef DVS_MOBILITY_API_H
#define DVS_MOBILITY_API_H

#include "abi.h"

#define DVS_MOBILITY_SOURCE 0 /* the vEth moves away: its frames go to the peer */
#define DVS_MOBILITY_TARGET 1 /* the vEth moves here: its frames come from the peer */
#define DVS_MOBILITY_SESSIONS 1024

/* One move of one vEth as one of its two hosts has it. */
struct dvs_session {
	__u64 id;         /* the same on both hosts, and of no other move */
	__u64 window;     /* ns that a frame may wait here */
	__u32 role;       /* DVS_MOBILITY_* */
	__u32 lport;      /* of the vEth, here */
	__u32 peer_bytes; /* SOURCE: of peer */
	__u32 pad;
	__u8 key[16];     /* known to both hosts only */
	__u8 peer[32];    /* SOURCE: the target's socket address */
};

struct dvs_session_counts {
	__u64 sent;      /* SOURCE: frames given to the connection */
	__u64 received;  /* TARGET: frames that came from the source */
	__u64 delivered; /* TARGET: ... that the switch was given */
	__u64 held;      /* TARGET: frames that had to wait, for the vEth and from it */
	__u64 overflow;  /* frames that there was no room for */
	__u64 expired;   /* frames that waited too long, or had no peer any more */
	__u64 waiting;   /* frames, or on a source bytes, that wait now */
	__u64 kept;      /* SOURCE: bytes that are sent, and would be delivered here if the vEth came back */
	__u64 ready;     /* the connection is there */
	__u64 ended;     /* TARGET: times that the source has said of a VLAN that the network knows the new place */
};

struct dvs_mobility;

struct dvs_mobility *dvs_mobility_new(int port, int listener); /* NULL: no memory or descriptors left */
void dvs_mobility_free(struct dvs_mobility *m);
int dvs_mobility_run(struct dvs_mobility *m);
void dvs_mobility_stop(struct dvs_mobility *m);

int dvs_mobility_set(struct dvs_mobility *m, const struct dvs_session *session); /* new, or with another lport */
/* TARGET: the port is there, and not active yet; what comes directly as soon as it is waits for dvs_mobility_open(). */
int dvs_mobility_gate(struct dvs_mobility *m, __u64 id);
int dvs_mobility_open(struct dvs_mobility *m, __u64 id);   /* TARGET: the port is active; what waits goes out first */
/* What waits is dropped, and counted.  SOURCE with back: the vEth is active here again, so what the target was not
 * activated for is delivered here; the target, which had it too, drops it without a word. */
int dvs_mobility_remove(struct dvs_mobility *m, __u64 id, int back);
/* SOURCE: the network knows the vEth's new place in this VLAN; what it delivered here before, the switch has passed on. */
int dvs_mobility_end(struct dvs_mobility *m, __u32 lport, __u32 vlan);
int dvs_mobility_count(struct dvs_mobility *m, __u64 id, struct dvs_session_counts *counts);
__u64 dvs_mobility_lost(struct dvs_mobility *m);    /* frames that the switch did not take back */
__u64 dvs_mobility_refused(struct dvs_mobility *m); /* connections that could not show the key, or broke the rules */

#endif
