/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the mobility program (mobility.c): its sessions, the frames that wait in them, and the port of the switch.
 */
#ifndef DVS_MOBILITY_FRAMES_H
#define DVS_MOBILITY_FRAMES_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mobility_api.h"
#include "siphash.h"

#define FRAME_MAX 65600    /* bytes, tags included */
#define FRAME_MIN 14
#define SERVICE_BYTES 4
#define WAIT_FRAMES 65536  /* a session's, each way */
#define WAIT_BYTES (32u << 20)
#define STREAM_MAX (32u << 20)
#define RECORD_HEAD 20     /* hash, number, length of the frame behind it */
#define RECORD_END 2       /* length of what is no frame: the VLAN in which the network knows the new place */
#define NONCE 16
#define PENDING 64         /* connections that have not shown the key yet */
#define PENDING_NS 3000000000ULL
#define RETRY_NS 100000000ULL
#define SENDERS 64            /* told apart by a hash of their MACs */
#define QUIET_NS 50000000ULL  /* nor has a sender's last frame by the tunnel been here for less ... */
#define GATE_NS 1000000000ULL /* ... but no direct frame waits longer for all that */
#define VLANS 4096
#define SWITCH_MS 3000     /* how long the switch may take to make room */

/* A frame that waits. */
struct waiting {
	struct waiting *next;
	__u64 since;
	__u32 len;
	__u8 bytes[]; /* service tag included */
};

/* Oldest first. */
struct line {
	struct waiting *first, **last;
	__u32 n;
	__u64 bytes;
};

/* Bytes on their way, the oldest at `start`. */
struct stream {
	__u8 *bytes;
	size_t start, used, room;
};

/* Who sends to the vEth: by the tunnel until the network knows where it is, and directly then. */
struct sender {
	__u64 last; /* by the tunnel */
	struct line direct;
};

struct session {
	struct dvs_session is;
	struct dvs_session_counts counts;
	int fd; /* -1: not connected */
	/* SOURCE: `kept` bytes of records that are sent, until the target is activated; then records from the first that was
	 * not wholly sent, of which the first `sealed` bytes have hash and number, and `sent` are sent */
	struct stream out;
	size_t kept, sealed, sent;
	int settled; /* the target is activated */
	__u32 greeting; /* bytes of the peer's greeting so far */
	__u8 nonce[8 + NONCE];
	__u64 retry; /* when to connect again */
	/* TARGET */
	struct stream in;
	struct line to_port, from_port; /* for the vEth, and from it */
	struct sender *sender;          /* SENDERS, while gated */
	int open, gated;                /* gated: what comes directly may have to wait */
	int met;                        /* the source was connected: it keeps what it sent until `open` */
	__u64 used[VLANS / 64], ended[VLANS / 64]; /* VLANs of frames; those of which the tunnel brings no more */
	__u64 last, first_direct;       /* when the tunnel brought something; when something else did first, or 0 */
	/* of the connection */
	__u8 key[SIP_KEY];
	__u64 number;
};

/* A connection that somebody opened. */
struct pending {
	int fd; /* -1: free */
	__u64 since;
	__u32 got;
	__u8 nonce[NONCE];
	__u8 hello[24];
};

struct dvs_mobility {
	pthread_mutex_t lock;
	atomic_int stop, asked; /* asked: control calls that want the lock */
	int epoll, wakeup, port, listener;
	struct session *session[DVS_MOBILITY_SESSIONS];
	__u32 n_sessions, n_gated; /* n_gated: of those that are open */
	struct session *at[2][DVS_MAX_PORTS]; /* by role and lport */
	struct pending pending[PENDING];
	__u64 now, lost, refused;
	__u8 frame[SERVICE_BYTES + FRAME_MAX];
};

static inline __u64 mobility_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

/* --- the switch ------------------------------------------------------------------------------------------------- */

static void service_write(__u8 *frame, __u32 lport, __u32 what)
{
	__u32 tci = lport | what << DVS_SERVICE_SHIFT;

	frame[12] = 0x88;
	frame[13] = 0xa8;
	frame[14] = (__u8)(tci >> 8);
	frame[15] = (__u8)tci;
}

/* Hands the switch a frame, which has room for the service tag.  The switch's own thread makes room; it never waits for
 * this one. */
static int port_give(struct dvs_mobility *m, __u8 *frame, __u32 len, __u32 lport, __u32 what)
{
	struct pollfd room = { .fd = m->port, .events = POLLOUT };

	service_write(frame, lport, what);
	while (write(m->port, frame, len) < 0) {
		if (errno == EINTR)
			continue;
		if ((errno == EAGAIN || errno == ENOBUFS) && poll(&room, 1, SWITCH_MS) > 0)
			continue;
		m->lost++;
		return 0;
	}
	return 1;
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

static void line_init(struct line *l) { l->last = &l->first; }

static int line_push(struct line *l, __u64 now, const __u8 *frame, __u32 len)
{
	struct waiting *w;

	if (l->n >= WAIT_FRAMES || l->bytes + len > WAIT_BYTES || !(w = malloc(sizeof(*w) + len)))
		return 0;
	*w = (struct waiting){ .since = now, .len = len };
	memcpy(w->bytes, frame, len);
	*l->last = w;
	l->last = &w->next;
	l->n++;
	l->bytes += len;
	return 1;
}

/* The oldest leaves: to the switch, as what it has become. */
static int line_pop(struct dvs_mobility *m, struct line *l, __u32 lport, __u32 what)
{
	struct waiting *w = l->first;
	int given = port_give(m, w->bytes, w->len, lport, what);

	l->first = w->next;
	if (!l->first)
		l->last = &l->first;
	l->n--;
	l->bytes -= w->len;
	free(w);
	return given;
}

/* Those that came before `limit` have waited too long. */
static void line_expire(struct dvs_mobility *m, struct session *s, struct line *l, __u32 what, __u64 limit)
{
	while (l->first && l->first->since < limit) {
		line_pop(m, l, s->is.lport, what);
		s->counts.expired++;
	}
}

static void session_expire(struct dvs_mobility *m, struct session *s, __u64 limit)
{
	line_expire(m, s, &s->to_port, DVS_SERVICE_TO_EXPIRED, limit);
	line_expire(m, s, &s->from_port, DVS_SERVICE_FROM_EXPIRED, limit);
}

/* --- the gate ------------------------------------------------------------------------------------------------------ */

static struct sender *gate_sender(struct session *s, const __u8 *frame)
{
	return &s->sender[(frame[11] ^ frame[10] << 3 ^ frame[9] << 5) & (SENDERS - 1)];
}

static void gate_set(struct dvs_mobility *m, struct session *s, int closed)
{
	__u8 frame[64] = { (__u8)closed };

	s->gated = closed;
	m->n_gated += !s->open ? 0 : closed ? 1 : (__u32)-1;
	port_give(m, frame, sizeof(frame), s->is.lport, DVS_SERVICE_GATE);
}

/* Before the port is active: guests of this host send to it as soon as it is, and nothing else announces that to them. */
static void gate_close(struct dvs_mobility *m, struct session *s)
{
	__u32 i;

	s->sender = s->gated ? s->sender : calloc(SENDERS, sizeof(*s->sender));
	if (s->gated || !s->sender)
		return;
	for (i = 0; i < SENDERS; i++)
		line_init(&s->sender[i].direct);
	gate_set(m, s, 1);
}

/* VLAN of a frame, whose service tag is in front of its own. */
static __u32 gate_vlan(const __u8 *frame)
{
	return frame[16] == 0x81 && frame[17] == 0 ? (__u32)(frame[18] << 8 | frame[19]) & (VLANS - 1) : 0;
}

/* Do frames have to wait for the end of what the tunnel brings in these VLANs, 64 a word? */
static int gate_has_ended(const struct dvs_mobility *m, const struct session *s, __u32 word, __u64 vlans)
{
	if (!s->counts.ready || (s->first_direct && m->now - s->first_direct >= GATE_NS))
		return 1;
	return !(vlans & ~s->ended[word]);
}

/* Is a sender's frame in that VLAN behind all that it sent by the tunnel? */
static int gate_is_due(const struct dvs_mobility *m, const struct session *s, const struct sender *from, __u32 vlan)
{
	return s->open && m->now - from->last >= QUIET_NS && gate_has_ended(m, s, vlan / 64, 1ULL << vlan % 64);
}

/* A sender's frames that wait go, if those by the tunnel are all here; returns whether none waits any more. */
static int gate_release(struct dvs_mobility *m, struct session *s, struct sender *from, int all)
{
	struct line *l = &from->direct;

	while (l->first && (all || (s->open && m->now - l->first->since >= GATE_NS) ||
			    gate_is_due(m, s, from, gate_vlan(l->first->bytes))))
		line_pop(m, l, s->is.lport, DVS_SERVICE_DIRECT);
	return !l->first;
}

static void gate_open(struct dvs_mobility *m, struct session *s)
{
	__u32 i;

	for (i = 0; s->gated && i < SENDERS; i++)
		gate_release(m, s, &s->sender[i], 1);
	if (s->gated)
		gate_set(m, s, 0);
	free(s->sender);
	s->sender = NULL;
}

/* When something comes directly the network knows, or some of it; what it had sent to the source before is here when the
 * source, which heard of the new place by the same way, says so, and the tunnel is quiet. */
static void gate_check(struct dvs_mobility *m, struct session *s)
{
	int done = 1;
	__u32 i;

	if (!s->gated || !s->open || !s->first_direct)
		return;
	for (i = 0; i < SENDERS; i++)
		done &= gate_release(m, s, &s->sender[i], 0);
	for (i = 0; i < VLANS / 64; i++)
		done &= gate_has_ended(m, s, i, s->used[i]);
	if (done && m->now - s->last >= QUIET_NS && m->now - s->first_direct >= QUIET_NS)
		gate_open(m, s);
}

static void gate_uses(struct session *s, const __u8 *frame)
{
	__u32 vlan = gate_vlan(frame);

	s->used[vlan / 64] |= 1ULL << vlan % 64;
}

/* The source's word that the tunnel brings no more in a VLAN; what it says before the vEth is here is about another
 * move. */
static void gate_ended(struct session *s, __u32 vlan)
{
	if (!s->open || vlan >= VLANS)
		return;
	s->ended[vlan / 64] |= 1ULL << vlan % 64;
	s->counts.ended++;
}

/* A frame that came directly. */
static void gate_arrived(struct dvs_mobility *m, struct session *s, __u8 *frame, __u32 len)
{
	struct sender *from = s && s->gated ? gate_sender(s, frame) : NULL;

	if (from && !s->first_direct)
		s->first_direct = m->now;
	if (from)
		gate_uses(s, frame);
	if (from && !gate_release(m, s, from, 0) && line_push(&from->direct, m->now, frame, len))
		return;
	if (from && !gate_is_due(m, s, from, gate_vlan(frame)) && line_push(&from->direct, m->now, frame, len))
		return;
	port_give(m, frame, len, (__u32)(frame[14] << 8 | frame[15]) & DVS_SERVICE_LPORT, DVS_SERVICE_DIRECT);
}

/* The port is active: first what waits for the vEth, so that nothing that the network brings directly once it has heard
 * of the vEth can overtake it; then what the vEth sent. */
static void session_open(struct dvs_mobility *m, struct session *s)
{
	gate_close(m, s);
	while (s->to_port.first)
		s->counts.delivered += (__u64)line_pop(m, &s->to_port, s->is.lport, DVS_SERVICE_TO);
	while (s->from_port.first)
		line_pop(m, &s->from_port, s->is.lport, DVS_SERVICE_FROM);
	m->n_gated += !s->open && s->gated;
	s->open = 1;
	if (s->first_direct)
		s->first_direct = m->now;
}

/* A frame from the peer, for the vEth.  It has room for the service tag. */
static void session_arrived(struct dvs_mobility *m, struct session *s, __u8 *frame, __u32 len)
{
	s->counts.received++;
	s->last = m->now;
	gate_uses(s, frame);
	if (s->gated)
		gate_sender(s, frame)->last = m->now;
	if (s->open) {
		s->counts.delivered += (__u64)port_give(m, frame, len, s->is.lport, DVS_SERVICE_TO);
	} else if (line_push(&s->to_port, m->now, frame, len)) {
		s->counts.held++;
	} else {
		s->counts.overflow++;
		port_give(m, frame, len, s->is.lport, DVS_SERVICE_TO_OVERFLOW);
	}
}

/* A frame that the vEth sent. */
static void session_keep(struct dvs_mobility *m, struct session *s, __u8 *frame, __u32 len)
{
	if (s->open) {
		port_give(m, frame, len, s->is.lport, DVS_SERVICE_FROM);
	} else if (line_push(&s->from_port, m->now, frame, len)) {
		s->counts.held++;
	} else {
		s->counts.overflow++;
		port_give(m, frame, len, s->is.lport, DVS_SERVICE_FROM_OVERFLOW);
	}
}

/* --- streams ---------------------------------------------------------------------------------------------------- */

/* Room for n more bytes behind what is there; NULL: there is none. */
static __u8 *stream_room(struct stream *s, size_t n)
{
	size_t room = s->room ? s->room : 65536;
	__u8 *bytes;

	if (s->start && s->start + s->used + n > s->room) {
		memmove(s->bytes, s->bytes + s->start, s->used);
		s->start = 0;
	}
	if (s->used + n > STREAM_MAX)
		return NULL;
	while (room < s->used + n)
		room *= 2;
	if (room > s->room) {
		bytes = realloc(s->bytes, room);
		if (!bytes)
			return NULL;
		s->bytes = bytes;
		s->room = room;
	}
	return s->bytes + s->start + s->used;
}

static void stream_drop(struct stream *s, size_t n)
{
	s->start += n;
	s->used -= n;
	if (!s->used)
		s->start = 0;
}

#endif
