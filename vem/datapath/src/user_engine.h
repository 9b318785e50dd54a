/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a user engine, and the table access that packet.h asks an engine for.
 *
 * One mutex guards all of it.  The forwarding thread holds it for one batch of frames at a time, and between batches
 * lets waiting control calls in first (engine_yield).
 */
#ifndef DVS_USER_ENGINE_H
#define DVS_USER_ENGINE_H

#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "user_api.h"
#include "packet.h"
#include "read.h"
#include "user_group.h"
#include "user_mac.h"
#include "user_memory.h"

#define RX_BATCH 64
#define RX_ROOM 65600    /* the longest superframe, and a tag */
#define TX_BATCH 64
#define TX_PARTS 4       /* vnet header, head, payload, padding */
#define TX_HEAD 28       /* MACs, a NIV tag or a service tag, and a tag */
#define ARENA_BYTES 65536 /* headers of segments that wait in queues */
#define MEMORY_FRAMES 8192
#define DROP_RECORDS (2 * DVS_DROP_SLOTS) /* last drops of a port: DVS_IN, then DVS_OUT, by reason */

/* A frame on its way through: what the pipeline sees and what the NIC said about unfinished work. */
struct frame {
	struct dvs_pkt pkt; /* first: the pipeline's view converts back */
	struct virtio_net_hdr vnet;
	__u8 *bytes; /* writable twin of pkt.data */
} LINES;

/* One frame that waits in a transmit queue.  What a frame needs that leaves as it came is on the first cache line. */
struct out {
	const struct dvs_pkt *counts_as; /* NULL: not counted (emitted, or not the last segment) */
	__u32 bytes;
	__u8 parts;
	__u8 tags; /* dvs_tag_bytes() */
	__u8 tags_there; /* bytes of all tags */
	__u8 padding;
	__u16 counts_at; /* lport of the receiver */
	struct iovec part[TX_PARTS];
	struct virtio_net_hdr vnet;
	__u8 head[TX_HEAD];
} LINES;

/* A frame that the peer's full socket could not take yet. */
struct held {
	struct held *next;
	struct dvs_pkt pkt;
	__u64 since;
	__u32 len;
	__u8 counted, tags, tags_there, padding;
	__u16 counts_at;
	__u8 bytes[];
};

struct queue {
	__u32 n;
	int failed; /* a segment of the superframe that is being sent was refused */
	struct held *first, **last;
	__u32 held;
	struct out out[TX_BATCH];
};

/* A frame delivered to a MEMORY port. */
struct kept {
	struct kept *next;
	__u32 len;
	__u8 bytes[];
};

/* All of them, oldest first. */
struct memory {
	struct kept *first, **last;
	__u32 n;
};

struct nic {
	__u32 kind; /* DVS_NIC_* */
	int fd;
	int dirty; /* is in the list of queues to flush */
	int plain; /* takes frames as they are, without a header that says what is unfinished */
	socklen_t peer_bytes;
	struct queue *queue;
	struct memory memory;
	struct sockaddr_storage peer;
} LINES;

/* A frame that the agent has not fetched yet. */
struct told {
	struct told *next;
	struct dvs_event event;
};

/* Oldest first; fd, an eventfd, is readable while there are any. */
struct telling {
	struct told *first, **last;
	__u32 n;
	int fd;
};

/* Where a test run writes down what became of a frame. */
struct recorder {
	struct dvs_trace *trace;
	__u32 *lengths;
	__u8 *frames;
	__u32 room, used;
};

struct receiver {
	struct mmsghdr msg[RX_BATCH];
	struct iovec part[RX_BATCH][2];
	struct virtio_net_hdr vnet[RX_BATCH];
	struct frame frame[RX_BATCH];
	union {
		struct cmsghdr align;
		char bytes[128];
	} control[RX_BATCH];
	__u8 *buffers; /* RX_BATCH * RX_ROOM */
};

/* Rows of their own lines. */
struct counted {
	struct dvs_counters port;
} LINES;

struct dvs;

/* The way of a frame through the pipeline to its receivers' queues, built with certain features (user_batch.h). */
struct batch {
	__u32 features; /* DVS_FEATURE_* */
	int (*forward)(struct dvs *e, struct frame *f); /* 0 if it had a receiver, else why it was dropped */
	void (*forward_all)(struct dvs *e, __u32 n);    /* the first n that were received */
};

struct dvs {
	pthread_mutex_t lock;
	atomic_int waiting; /* control calls that want the lock */
	atomic_int stop;
	int epoll, wakeup;

	struct dvs_control control;
	struct dvs_port port[DVS_MAX_PORTS];
	struct dvs_policy *policy[DVS_MAX_POLICIES];
	struct dvs_team team[DVS_MAX_TEAMS];
	__u8 team_used[DVS_MAX_TEAMS];
	struct mac_table macs;
	struct group_table groups;
	struct mac_table vifs; /* by keys of the VIF table (abi.h), which are no MACs; the entry's lport is the value */
	struct dvs_live live[DVS_MAX_PORTS];
	struct dvs_members *list[DVS_LISTS];
	struct counted counters[DVS_MAX_PORTS];

	struct telling punts, captures;
	struct dvs_capture capture;
	__u64 packets;
	struct dvs_last_drop *last_drop[DVS_MAX_PORTS]; /* DROP_RECORDS each, made at the first drop */
	struct dvs_punt_rate punt_rate[DVS_MAX_PORTS];

	struct nic nic[DVS_MAX_PORTS];
	__u16 dirty[DVS_MAX_PORTS + 1]; /* the last is never in use, only written */
	__u32 n_dirty;
	__u32 n_held; /* over all queues */
	struct mmsghdr tx_msg[TX_BATCH]; /* of the queue that is being flushed */
	struct receiver rx;
	__u8 *arena;
	__u32 arena_used;
	__u64 now;
	__u64 test_now; /* 0, or what the clock shall say */
	const struct batch *batch; /* changes only between two batches, as the lock is held for one */
	struct recorder *recorder; /* set during a test run */
	int discard;               /* set during a benchmark */
};

/* The engine whose lock this thread holds: the pipeline's table access has no argument for it. */
extern __thread struct dvs *self;

static inline __u64 clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

static inline __u64 engine_now(const struct dvs *e) { return e->test_now ? e->test_now : clock_ns(); }

static inline void engine_enter(struct dvs *e)
{
	atomic_fetch_add(&e->waiting, 1);
	pthread_mutex_lock(&e->lock);
	atomic_fetch_sub(&e->waiting, 1);
	self = e;
	e->now = engine_now(e);
}

static inline void engine_leave(struct dvs *e) { pthread_mutex_unlock(&e->lock); }

/* For the forwarding thread: gives up the lock until no control call wants it. */
static inline void engine_yield(struct dvs *e)
{
	pthread_mutex_unlock(&e->lock);
	while (atomic_load(&e->waiting))
		sched_yield();
	pthread_mutex_lock(&e->lock);
	self = e;
}

static inline const struct dvs_members *members(const struct dvs *e, __u32 list)
{
	return list < DVS_LISTS ? e->list[list] : NULL;
}

static INL const struct dvs_control *dp_control(__u32 bank)
{
	(void)bank;
	return &self->control;
}

static INL const struct dvs_port *dp_port(__u32 lport) { return lport < DVS_MAX_PORTS ? &self->port[lport] : NULL; }

static INL const struct dvs_policy *dp_policy(__u32 bank, __u32 policy)
{
	(void)bank;
	return policy < DVS_MAX_POLICIES ? self->policy[policy] : NULL;
}

static INL const struct dvs_team *dp_team(__u32 bank, __u32 team)
{
	(void)bank;
	return team < DVS_MAX_TEAMS ? &self->team[team] : NULL;
}

/* The frame's bytes are always at hand. */
static INL void dp_read(struct dvs_pkt *p, __u32 control_flags) { dvs_read(p, control_flags); }

static INL __u32 dp_group(const struct dvs_group_key *key) { return group_slot(&self->groups, key)->list; }

static INL __u32 dp_vif(__u32 key)
{
	const struct dvs_mac *entry = mac_find(&self->vifs, key);

	return entry ? entry->lport : 0;
}

/* The engine's lock is held: nobody else changes anything. */
static INL __u32 dp_add(__u32 *number, __u32 by)
{
	*number += by;
	return *number - by;
}

static INL __u32 dp_exchange(__u32 *number, __u32 by)
{
	__u32 old = *number;

	*number = by;
	return old;
}

static INL int dp_replace(__u64 *number, __u64 old, __u64 by)
{
	(void)old;
	*number = by;
	return 1;
}

#ifdef DVS_TRACING

/* A trace changes nothing: it works on copies, learns nothing and counts nothing. */
static INL struct dvs_mac *dp_mac(__u64 key)
{
	static __thread struct dvs_mac copy;
	const struct dvs_mac *entry = mac_find(&self->macs, key);

	if (!entry)
		return NULL;
	copy = *entry;
	return &copy;
}

static INL struct dvs_live *dp_live(__u32 lport)
{
	static __thread struct dvs_live copy;

	if (lport >= DVS_MAX_PORTS)
		return NULL;
	copy = self->live[lport];
	return &copy;
}

static INL int dp_learn(__u64 key, const struct dvs_mac *entry)
{
	(void)key;
	(void)entry;
	return 0;
}

static INL struct dvs_counters *dp_counters(__u32 lport)
{
	(void)lport;
	return NULL;
}

#else

static INL struct dvs_mac *dp_mac(__u64 key) { return mac_find(&self->macs, key); }

static INL struct dvs_live *dp_live(__u32 lport) { return lport < DVS_MAX_PORTS ? &self->live[lport] : NULL; }

static INL int dp_learn(__u64 key, const struct dvs_mac *entry) { return mac_put(&self->macs, key, entry) ? -1 : 0; }

static INL struct dvs_counters *dp_counters(__u32 lport)
{
	return lport < DVS_MAX_PORTS ? &self->counters[lport].port : NULL;
}

#endif

static INL __u64 dp_now(void) { return self->now; }

#endif
