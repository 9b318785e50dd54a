/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of the mobility program: one TCP connection per move, from source to target, so that frames of any size
 * cross an underlay of any MTU whole and in order.
 *
 *   target: "DVSMOB02", 16 bytes at random
 *   source: "DVSMOB02", the session's id (8), hash of these 16 bytes (8)
 *   source: for each frame: hash of what follows (8), its number from 0 (8), its length (4), the frame
 *           or, of length 2, a VLAN in which the network has heard of the vEth's new place, so that no more frames come
 *   target: a byte when the vEth is activated; until then the source keeps what it has sent, in case it comes back
 *
 * Numbers are little-endian.  Hashes are SipHash-2-4 with a key made of the session's key and the random bytes, so what
 * is replayed, or comes from anybody who does not have the key from the supervisor, is refused.  Frames are not
 * encrypted: they were on the network as they are.
 */
#ifndef DVS_MOBILITY_LINK_H
#define DVS_MOBILITY_LINK_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>

#include "mobility_frames.h"

#define MAGIC "DVSMOB02"
#define WATCH_PORT 0
#define WATCH_LISTENER 1
#define WATCH_WAKEUP 2
#define WATCH_PENDING 16
#define WATCH_SESSION (WATCH_PENDING + PENDING)

static void link_key(struct session *s, const __u8 nonce[NONCE])
{
	__u8 text[NONCE + 1];
	__u64 half;
	int i;

	memcpy(text, nonce, NONCE);
	for (i = 0; i < 2; i++) {
		text[NONCE] = (__u8)i;
		half = siphash(s->is.key, text, sizeof(text));
		memcpy(s->key + i * 8, &half, 8);
	}
	s->number = 0;
}

static __u32 session_index(const struct dvs_mobility *m, const struct session *s)
{
	__u32 i = 0;

	while (m->session[i] != s)
		i++;
	return i;
}

static int link_watch(struct dvs_mobility *m, int fd, __u32 what, __u32 events, int op)
{
	struct epoll_event event = { .events = events, .data.u32 = what };

	return epoll_ctl(m->epoll, op, fd, &event);
}

static void link_close(struct dvs_mobility *m, struct session *s)
{
	if (s->fd < 0)
		return;
	epoll_ctl(m->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
	s->counts.ready = 0;
	s->greeting = 0;
	s->sealed = s->sent = 0; /* a record that was cut off goes again */
	s->retry = m->now + RETRY_NS;
	stream_drop(&s->in, s->in.used);
}

/* --- source ----------------------------------------------------------------------------------------------------- */

static void link_connect(struct dvs_mobility *m, struct session *s)
{
	struct sockaddr_storage peer;
	int on = 1;

	memset(&peer, 0, sizeof(peer));
	memcpy(&peer, s->is.peer, s->is.peer_bytes);
	s->retry = m->now + RETRY_NS;
	s->fd = socket(peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return;
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((connect(s->fd, (struct sockaddr *)&peer, s->is.peer_bytes) && errno != EINPROGRESS) ||
	    link_watch(m, s->fd, WATCH_SESSION + session_index(m, s), EPOLLIN, EPOLL_CTL_ADD)) {
		close(s->fd);
		s->fd = -1;
	}
}

static __u32 record_bytes(const __u8 *record)
{
	__u32 len;

	memcpy(&len, record + 16, 4);
	return RECORD_HEAD + len;
}

static void records_seal(struct session *s)
{
	__u8 *record;
	__u64 hash;

	while (s->kept + s->sealed < s->out.used) {
		record = s->out.bytes + s->out.start + s->kept + s->sealed;
		memcpy(record + 8, &s->number, 8);
		s->number++;
		hash = siphash(s->key, record + 8, record_bytes(record) - 8);
		memcpy(record, &hash, 8);
		s->sealed += record_bytes(record);
	}
}

static int record_is_frame(__u32 bytes) { return bytes > RECORD_HEAD + RECORD_END; }

/* Records that were wholly given to the connection are done, once they can't be wanted back. */
static void records_done(struct session *s)
{
	__u32 bytes;

	while (s->out.used > s->kept &&
	       s->sent >= (bytes = record_bytes(s->out.bytes + s->out.start + s->kept))) {
		s->kept += bytes;
		s->sent -= bytes;
		s->sealed -= bytes;
		s->counts.sent += (__u64)record_is_frame(bytes);
	}
	if (s->settled) {
		stream_drop(&s->out, s->kept);
		s->kept = 0;
	}
}

static void link_send(struct dvs_mobility *m, struct session *s)
{
	ssize_t n;

	if (!s->counts.ready)
		return;
	records_seal(s);
	while (s->kept + s->sent < s->out.used) {
		n = send(s->fd, s->out.bytes + s->out.start + s->kept + s->sent, s->out.used - s->kept - s->sent,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		s->sent += (size_t)n;
	}
	n = s->kept + s->sent < s->out.used && errno != EAGAIN ? -1 : 0;
	records_done(s);
	if (n)
		link_close(m, s);
	else
		link_watch(m, s->fd, WATCH_SESSION + session_index(m, s),
			   s->out.used > s->kept ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

static void link_hello(struct dvs_mobility *m, struct session *s)
{
	__u8 hello[24] = MAGIC;
	__u64 hash;

	link_key(s, s->nonce + 8);
	memcpy(hello + 8, &s->is.id, 8);
	hash = siphash(s->key, hello, 16);
	memcpy(hello + 16, &hash, 8);
	if (memcmp(s->nonce, MAGIC, 8) || send(s->fd, hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello)) {
		link_close(m, s);
		return;
	}
	s->counts.ready = 1;
	link_send(m, s);
}

/* A source hears the greeting, and nothing else. */
static void link_greeted(struct dvs_mobility *m, struct session *s)
{
	ssize_t n = recv(s->fd, s->nonce + s->greeting, sizeof(s->nonce) - s->greeting, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_close(m, s);
		return;
	}
	s->greeting += (__u32)n;
	if (s->greeting == sizeof(s->nonce))
		link_hello(m, s);
}

/* A target says that it is activated, and nothing else; or it has gone. */
static void link_heard(struct dvs_mobility *m, struct session *s)
{
	__u8 said[16];
	ssize_t n = recv(s->fd, said, sizeof(said), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_close(m, s);
		return;
	}
	s->settled = 1;
	records_done(s);
}

/* The source's switch has a frame for the vEth (service tag and all): it goes to the peer. */
static void link_frame(struct dvs_mobility *m, struct session *s, __u8 *frame, __u32 len)
{
	__u32 plain = len - SERVICE_BYTES;
	__u8 *record = stream_room(&s->out, RECORD_HEAD + plain);

	if (!record) {
		s->counts.overflow++;
		port_give(m, frame, len, s->is.lport, DVS_SERVICE_TO_OVERFLOW);
		return;
	}
	memcpy(record + 16, &plain, 4);
	memcpy(record + RECORD_HEAD, frame, 12);
	memcpy(record + RECORD_HEAD + 12, frame + 12 + SERVICE_BYTES, plain - 12);
	s->out.used += RECORD_HEAD + plain;
}

/* The network knows the new place in a VLAN. */
static void link_end(struct session *s, __u32 vlan)
{
	__u8 *record = stream_room(&s->out, RECORD_HEAD + RECORD_END);
	__u32 plain = RECORD_END;
	__u16 number = (__u16)vlan;

	if (!record)
		return; /* the target does not wait for ever */
	memcpy(record + 16, &plain, 4);
	memcpy(record + RECORD_HEAD, &number, RECORD_END);
	s->out.used += RECORD_HEAD + RECORD_END;
}

/* What was not wanted elsewhere: the vEth is active here again (back), or it is dropped in the vEth's name, but for what
 * the target has. */
static void records_expire(struct dvs_mobility *m, struct session *s, int back)
{
	__u32 bytes;
	__u8 *record;

	if (!back)
		stream_drop(&s->out, s->kept);
	while (s->out.used) {
		record = s->out.bytes + s->out.start;
		bytes = record_bytes(record);
		if (!record_is_frame(bytes)) {
			stream_drop(&s->out, bytes);
			continue;
		}
		memcpy(m->frame, record + RECORD_HEAD, 12);
		memcpy(m->frame + 12 + SERVICE_BYTES, record + RECORD_HEAD + 12, bytes - RECORD_HEAD - 12);
		if (back) {
			port_give(m, m->frame, bytes - RECORD_HEAD + SERVICE_BYTES, s->is.lport, DVS_SERVICE_TO);
		} else if (m->at[DVS_MOBILITY_TARGET][s->is.lport]) { /* the vEth is back */
			session_arrived(m, m->at[DVS_MOBILITY_TARGET][s->is.lport], m->frame,
					bytes - RECORD_HEAD + SERVICE_BYTES);
		} else {
			port_give(m, m->frame, bytes - RECORD_HEAD + SERVICE_BYTES, s->is.lport, DVS_SERVICE_TO_EXPIRED);
			s->counts.expired++;
		}
		stream_drop(&s->out, bytes);
	}
}

/* --- target ----------------------------------------------------------------------------------------------------- */

/* One record at the head of what came in: its bytes, 0 = not whole yet, -1 = not by the rules. */
static int record_take(struct dvs_mobility *m, struct session *s)
{
	const __u8 *record = s->in.bytes + s->in.start;
	__u64 hash, number;
	__u32 bytes;
	__u16 vlan;

	if (s->in.used < RECORD_HEAD)
		return 0;
	bytes = record_bytes(record);
	if (bytes > RECORD_HEAD + FRAME_MAX || (bytes < RECORD_HEAD + FRAME_MIN && bytes != RECORD_HEAD + RECORD_END))
		return -1;
	if (s->in.used < bytes)
		return 0;
	memcpy(&hash, record, 8);
	memcpy(&number, record + 8, 8);
	if (number != s->number || hash != siphash(s->key, record + 8, bytes - 8))
		return -1;
	s->number++;
	if (!record_is_frame(bytes)) {
		memcpy(&vlan, record + RECORD_HEAD, RECORD_END);
		gate_ended(s, vlan);
		stream_drop(&s->in, bytes);
		return (int)bytes;
	}
	memcpy(m->frame, record + RECORD_HEAD, 12);
	memcpy(m->frame + 12 + SERVICE_BYTES, record + RECORD_HEAD + 12, bytes - RECORD_HEAD - 12);
	session_arrived(m, s, m->frame, bytes - RECORD_HEAD + SERVICE_BYTES);
	stream_drop(&s->in, bytes);
	return (int)bytes;
}

static void link_receive(struct dvs_mobility *m, struct session *s)
{
	__u8 *room = stream_room(&s->in, 65536);
	ssize_t n = room ? recv(s->fd, room, 65536, 0) : 0;
	int taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->in.used += (size_t)n;
	do
		taken = n > 0 ? record_take(m, s) : -1;
	while (taken > 0);
	if (taken < 0) {
		m->refused += n > 0;
		link_close(m, s);
	}
}

static void pending_close(struct dvs_mobility *m, struct pending *p)
{
	epoll_ctl(m->epoll, EPOLL_CTL_DEL, p->fd, NULL);
	close(p->fd);
	p->fd = -1;
}

static struct pending *pending_free(struct dvs_mobility *m)
{
	int i;

	for (i = 0; i < PENDING; i++)
		if (m->pending[i].fd < 0)
			return &m->pending[i];
	return NULL;
}

static void link_accept(struct dvs_mobility *m)
{
	int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pending *p = pending_free(m);
	__u8 greeting[8 + NONCE] = MAGIC;

	if (fd < 0)
		return;
	if (!p || getrandom(greeting + 8, NONCE, 0) != NONCE ||
	    send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) != sizeof(greeting)) {
		close(fd);
		return;
	}
	*p = (struct pending){ .fd = fd, .since = m->now };
	memcpy(p->nonce, greeting + 8, NONCE);
	if (link_watch(m, fd, WATCH_PENDING + (__u32)(p - m->pending), EPOLLIN, EPOLL_CTL_ADD))
		pending_close(m, p);
}

static struct session *session_find(struct dvs_mobility *m, __u64 id)
{
	__u32 i;

	for (i = 0; i < DVS_MOBILITY_SESSIONS; i++)
		if (m->session[i] && m->session[i]->is.id == id)
			return m->session[i];
	return NULL;
}

/* The vEth is activated.  (A source that does not hear of it hears so on its next connection.) */
static void link_tell(const struct session *s)
{
	if (s->open && s->fd >= 0)
		(void)!send(s->fd, "A", 1, MSG_NOSIGNAL);
}

/* The session that the hello is for, if it shows the key.  A newer connection takes the place of an older one. */
static int pending_settle(struct dvs_mobility *m, struct pending *p)
{
	struct session *s;
	struct session key;
	__u64 id, hash;

	memcpy(&id, p->hello + 8, 8);
	memcpy(&hash, p->hello + 16, 8);
	s = session_find(m, id);
	if (memcmp(p->hello, MAGIC, 8) || !s || s->is.role != DVS_MOBILITY_TARGET)
		return 0;
	key.is = s->is;
	link_key(&key, p->nonce);
	if (hash != siphash(key.key, p->hello, 16))
		return 0;
	link_close(m, s);
	link_key(s, p->nonce);
	s->fd = p->fd;
	s->counts.ready = 1;
	s->met = 1;
	link_tell(s);
	link_watch(m, s->fd, WATCH_SESSION + session_index(m, s), EPOLLIN, EPOLL_CTL_MOD);
	p->fd = -1;
	return 1;
}

static void link_pending(struct dvs_mobility *m, struct pending *p)
{
	ssize_t n = recv(p->fd, p->hello + p->got, sizeof(p->hello) - p->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		p->got += (__u32)n;
	if (n > 0 && p->got < sizeof(p->hello))
		return;
	if (n > 0 && pending_settle(m, p))
		return;
	m->refused += n > 0;
	pending_close(m, p);
}

#endif
