/* SPDX-License-Identifier: Apache-2.0
 *
 * The mobility program: a thread beside the switch, of either engine, that carries frames of vEths on the move.
 *
 * The switch gives it, by one port of its own and with a service tag (abi.h), what came for a vEth that has moved away,
 * and what a vEth sent that is not activated yet.  The first goes to the host where the vEth moves to, whose program
 * keeps it until the vEth is activated there and gives it to its switch then; the second waits for the same moment.
 * Every frame that it was given goes back to a switch: with what else has become of it, if it is to be dropped.
 *
 * mobility_frames.h has the state and what waits, mobility_link.h the connections; here is the thread, and the functions
 * of mobility_api.h.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/eventfd.h>

#include "mobility_link.h"

#ifndef API
#define API __attribute__((visibility("default")))
#endif
#define BATCH 64
#define TICK_MS 50
#define GATE_MS 5

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* A frame from the switch.  What has no session any more goes back at once, to be dropped or sent as things are now. */
static void port_frame(struct dvs_mobility *m, __u32 len)
{
	__u32 tci = (__u32)m->frame[14] << 8 | m->frame[15], lport = tci & DVS_SERVICE_LPORT;
	__u32 what = tci >> DVS_SERVICE_SHIFT;
	int moved = what == DVS_SERVICE_TO;
	struct session *s;

	if (len < FRAME_MIN + SERVICE_BYTES || m->frame[12] != 0x88 || m->frame[13] != 0xa8 || lport >= DVS_MAX_PORTS)
		return; /* the host's own, for a tap is a network device like others */
	s = m->at[moved ? DVS_MOBILITY_SOURCE : DVS_MOBILITY_TARGET][lport];
	if (what == DVS_SERVICE_DIRECT)
		gate_arrived(m, s, m->frame, len);
	else if (!s && moved && m->at[DVS_MOBILITY_TARGET][lport])
		session_arrived(m, m->at[DVS_MOBILITY_TARGET][lport], m->frame, len); /* the vEth is back */
	else if (!s)
		port_give(m, m->frame, len, lport, moved ? DVS_SERVICE_TO_EXPIRED : DVS_SERVICE_FROM);
	else if (moved)
		link_frame(m, s, m->frame, len);
	else
		session_keep(m, s, m->frame, len);
}

/* Returns whether there was anything. */
static int port_batch(struct dvs_mobility *m)
{
	ssize_t len;
	int i;

	for (i = 0; i < BATCH; i++) {
		len = read(m->port, m->frame, sizeof(m->frame));
		if (len < 0)
			break;
		port_frame(m, (__u32)len);
	}
	return i > 0;
}

static void send_all(struct dvs_mobility *m)
{
	struct session *s;
	__u32 i;

	for (i = 0; i < DVS_MOBILITY_SESSIONS; i++) {
		s = m->session[i];
		if (s && s->is.role == DVS_MOBILITY_SOURCE && s->out.used > s->kept)
			link_send(m, s);
	}
}

static void session_event(struct dvs_mobility *m, struct session *s, __u32 events)
{
	if (!s || s->fd < 0)
		return;
	if (s->is.role == DVS_MOBILITY_TARGET) {
		link_receive(m, s);
		return;
	}
	if ((events & EPOLLOUT) && s->counts.ready)
		link_send(m, s);
	if (s->fd >= 0 && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) {
		if (s->counts.ready)
			link_heard(m, s);
		else
			link_greeted(m, s);
	}
}

static void handle_event(struct dvs_mobility *m, const struct epoll_event *event)
{
	__u32 what = event->data.u32;
	eventfd_t count;

	if (what == WATCH_PORT) {
		if (port_batch(m))
			send_all(m);
	} else if (what == WATCH_LISTENER) {
		link_accept(m);
	} else if (what == WATCH_WAKEUP) {
		(void)eventfd_read(m->wakeup, &count);
	} else if (what >= WATCH_SESSION) {
		session_event(m, m->session[what - WATCH_SESSION], event->events);
	} else if (m->pending[what - WATCH_PENDING].fd >= 0) {
		link_pending(m, &m->pending[what - WATCH_PENDING]);
	}
}

static void session_tick(struct dvs_mobility *m, struct session *s)
{
	if (s->is.role == DVS_MOBILITY_TARGET)
		session_expire(m, s, m->now > s->is.window ? m->now - s->is.window : 0);
	else if (s->fd < 0 && m->now >= s->retry)
		link_connect(m, s);
}

static void gates(struct dvs_mobility *m)
{
	__u32 i;

	for (i = 0; i < DVS_MOBILITY_SESSIONS; i++)
		if (m->session[i])
			gate_check(m, m->session[i]);
}

static void tick(struct dvs_mobility *m)
{
	__u32 i;

	for (i = 0; i < DVS_MOBILITY_SESSIONS && m->n_sessions; i++)
		if (m->session[i])
			session_tick(m, m->session[i]);
	for (i = 0; i < PENDING; i++)
		if (m->pending[i].fd >= 0 && m->now - m->pending[i].since > PENDING_NS)
			pending_close(m, &m->pending[i]);
}

static int has_pending(const struct dvs_mobility *m)
{
	int i;

	for (i = 0; i < PENDING; i++)
		if (m->pending[i].fd >= 0)
			return 1;
	return 0;
}

API int dvs_mobility_run(struct dvs_mobility *m)
{
	struct epoll_event events[BATCH];
	__u64 ticked = 0;
	int i, n, idle = 0;

	while (!atomic_load(&m->stop)) {
		n = epoll_wait(m->epoll, events, BATCH, idle ? -1 : m->n_gated ? GATE_MS : TICK_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		while (atomic_load(&m->asked))
			sched_yield();
		pthread_mutex_lock(&m->lock);
		m->now = mobility_clock();
		for (i = 0; i < n; i++)
			handle_event(m, &events[i]);
		if (m->n_gated)
			gates(m);
		if (m->now - ticked >= TICK_MS * 1000000ULL) {
			tick(m);
			ticked = m->now;
		}
		idle = !m->n_sessions && !has_pending(m);
		pthread_mutex_unlock(&m->lock);
	}
	return 0;
}

/* --- what Python asks ----------------------------------------------------------------------------------------------- */

static void enter(struct dvs_mobility *m)
{
	atomic_fetch_add(&m->asked, 1);
	pthread_mutex_lock(&m->lock);
	atomic_fetch_sub(&m->asked, 1);
	m->now = mobility_clock();
}

static void leave(struct dvs_mobility *m)
{
	pthread_mutex_unlock(&m->lock);
	(void)eventfd_write(m->wakeup, 1);
}

API struct dvs_mobility *dvs_mobility_new(int port, int listener)
{
	struct dvs_mobility *m = calloc(1, sizeof(*m));
	int i;

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	for (i = 0; i < PENDING; i++)
		m->pending[i].fd = -1;
	m->port = port;
	m->listener = listener;
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	m->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->epoll < 0 || m->wakeup < 0 || link_watch(m, m->wakeup, WATCH_WAKEUP, EPOLLIN, EPOLL_CTL_ADD) ||
	    link_watch(m, port, WATCH_PORT, EPOLLIN, EPOLL_CTL_ADD) ||
	    (listener >= 0 && link_watch(m, listener, WATCH_LISTENER, EPOLLIN, EPOLL_CTL_ADD))) {
		dvs_mobility_free(m);
		return NULL;
	}
	return m;
}

static void line_clear(struct line *l)
{
	struct waiting *w;

	while ((w = l->first)) {
		l->first = w->next;
		free(w);
	}
	*l = (struct line){ .last = &l->first };
}

static void session_free(struct dvs_mobility *m, struct session *s)
{
	__u32 i;

	link_close(m, s);
	line_clear(&s->to_port);
	line_clear(&s->from_port);
	for (i = 0; s->sender && i < SENDERS; i++)
		line_clear(&s->sender[i].direct);
	free(s->sender);
	free(s->in.bytes);
	free(s->out.bytes);
	free(s);
}

API void dvs_mobility_free(struct dvs_mobility *m)
{
	__u32 i;

	for (i = 0; i < DVS_MOBILITY_SESSIONS; i++)
		if (m->session[i])
			session_free(m, m->session[i]);
	for (i = 0; i < PENDING; i++)
		if (m->pending[i].fd >= 0)
			close(m->pending[i].fd);
	if (m->epoll >= 0)
		close(m->epoll);
	if (m->wakeup >= 0)
		close(m->wakeup);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

API void dvs_mobility_stop(struct dvs_mobility *m)
{
	atomic_store(&m->stop, 1);
	(void)eventfd_write(m->wakeup, 1);
}

static struct session *session_new(struct dvs_mobility *m)
{
	struct session *s;
	__u32 i = 0;

	while (i < DVS_MOBILITY_SESSIONS && m->session[i])
		i++;
	s = i < DVS_MOBILITY_SESSIONS ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return NULL;
	s->fd = -1;
	line_init(&s->to_port);
	line_init(&s->from_port);
	m->session[i] = s;
	m->n_sessions++;
	return s;
}

static void session_unplace(struct dvs_mobility *m, const struct session *s)
{
	if (m->at[s->is.role][s->is.lport] == s)
		m->at[s->is.role][s->is.lport] = NULL;
}

static int session_put(struct dvs_mobility *m, const struct dvs_session *is)
{
	struct session *s = session_find(m, is->id);
	int fresh = !s, gated = s && s->gated;

	if (fresh && !(s = session_new(m)))
		return -ENOMEM;
	if (!fresh)
		session_unplace(m, s);
	if (gated && s->is.lport != is->lport)
		gate_open(m, s);
	s->is = *is;
	if (gated)
		gate_close(m, s);
	m->at[is->role][is->lport] = s;
	if (fresh && is->role == DVS_MOBILITY_SOURCE)
		link_connect(m, s);
	return 0;
}

API int dvs_mobility_set(struct dvs_mobility *m, const struct dvs_session *is)
{
	int error;

	if (is->role > DVS_MOBILITY_TARGET || !is->lport || is->lport >= DVS_MAX_PORTS ||
	    is->peer_bytes > sizeof(is->peer))
		return -EINVAL;
	enter(m);
	error = session_put(m, is);
	leave(m);
	return error;
}

API int dvs_mobility_gate(struct dvs_mobility *m, __u64 id)
{
	struct session *s;

	enter(m);
	s = session_find(m, id);
	if (s && s->is.role == DVS_MOBILITY_TARGET && !s->open)
		gate_close(m, s);
	leave(m);
	return s ? 0 : -ENOENT;
}

API int dvs_mobility_open(struct dvs_mobility *m, __u64 id)
{
	struct session *s;

	enter(m);
	s = session_find(m, id);
	if (s) {
		session_open(m, s);
		link_tell(s);
	}
	leave(m);
	return s ? 0 : -ENOENT;
}

API int dvs_mobility_end(struct dvs_mobility *m, __u32 lport, __u32 vlan)
{
	struct session *s;

	if (lport >= DVS_MAX_PORTS || vlan >= VLANS)
		return -EINVAL;
	enter(m);
	s = m->at[DVS_MOBILITY_SOURCE][lport];
	while (s && port_batch(m))
		; /* what the switch passed on before that */
	if (s) {
		link_end(s, vlan);
		send_all(m);
	}
	leave(m);
	return s ? 0 : -ENOENT;
}

API int dvs_mobility_remove(struct dvs_mobility *m, __u64 id, int back)
{
	struct session *s;

	enter(m);
	s = session_find(m, id);
	if (s) {
		/* What the target said must be read: it decides what comes back; and with something unread, close() would
		 * throw away what the target has not read yet. */
		if (s->is.role == DVS_MOBILITY_SOURCE && s->counts.ready)
			link_heard(m, s);
		if (s->is.role == DVS_MOBILITY_SOURCE && s->counts.ready)
			link_send(m, s);
		gate_open(m, s);
		if (s->met && !s->open)
			line_clear(&s->to_port); /* the source has it, too, and the vEth */
		session_expire(m, s, m->now + 1);
		records_expire(m, s, back);
		session_unplace(m, s);
		m->session[session_index(m, s)] = NULL;
		m->n_sessions--;
		session_free(m, s);
	}
	leave(m);
	return s ? 0 : -ENOENT;
}

API int dvs_mobility_count(struct dvs_mobility *m, __u64 id, struct dvs_session_counts *counts)
{
	struct session *s;

	enter(m);
	s = session_find(m, id);
	if (s) {
		*counts = s->counts;
		counts->kept = s->kept;
		counts->waiting = s->is.role == DVS_MOBILITY_SOURCE ? s->out.used - s->kept : s->to_port.n + s->from_port.n;
	}
	leave(m);
	return s ? 0 : -ENOENT;
}

API __u64 dvs_mobility_lost(struct dvs_mobility *m)
{
	__u64 lost;

	enter(m);
	lost = m->lost;
	leave(m);
	return lost;
}

API __u64 dvs_mobility_refused(struct dvs_mobility *m)
{
	__u64 refused;

	enter(m);
	refused = m->refused;
	leave(m);
	return refused;
}
