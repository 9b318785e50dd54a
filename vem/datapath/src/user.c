/* SPDX-License-Identifier: Apache-2.0
 *
 * The user engine: a thread that moves frames between datagram wires, taps and raw sockets through the pipeline.
 * This file holds the functions of user_api.h; user_rx.h, user_forward.h, user_tx.h and user_flush.h are the road of a
 * frame, of which user_forward.h and user_tx.h are built several times (user_batch.h).
 *
 * It costs one system call per batch and NIC each way (one per frame on taps); the pipeline itself is a small part.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>

#include "user_choose.h"
#include "user_rx.h"

__thread struct dvs *self;

#define EVENTS 64
#define EAGER_RETRIES 64 /* how often held frames are retried at once before the thread sleeps between tries */

API int dvs_api_version(void) { return DVS_USER_API_VERSION; }

API __u64 dvs_clock(void) { return clock_ns(); }

/* --- life ------------------------------------------------------------------------------------------------------ */

static int engine_descriptors(struct dvs *e)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 0 };

	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->punts.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->captures.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->epoll < 0 || e->wakeup < 0 || e->punts.fd < 0 || e->captures.fd < 0)
		return -errno;
	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->wakeup, &event);
}

API struct dvs *dvs_new(void)
{
	struct dvs *e = memory_zeroed(sizeof(*e));

	if (!e)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	e->epoll = e->wakeup = e->punts.fd = e->captures.fd = -1;
	e->punts.last = &e->punts.first;
	e->captures.last = &e->captures.first;
	e->control.mtu = 1500;
	e->batch = batch_with(DVS_FEATURES_ALL);
	e->groups.slot = calloc(GROUP_SLOTS, sizeof(*e->groups.slot));
	e->arena = malloc(ARENA_BYTES);
	if (mac_init(&e->macs) || mac_init(&e->vifs) || !e->groups.slot || !e->arena || rx_init(e) || engine_descriptors(e)) {
		dvs_free(e);
		return NULL;
	}
	return e;
}

static void close_descriptor(int fd)
{
	if (fd >= 0)
		close(fd);
}

API void dvs_free(struct dvs *e)
{
	__u32 i;

	for (i = 0; i < DVS_MAX_PORTS; i++)
		dvs_unplug(e, i);
	for (i = 0; i < DVS_MAX_POLICIES; i++)
		free(e->policy[i]);
	for (i = 0; i < DVS_LISTS; i++)
		free(e->list[i]);
	close_descriptor(e->epoll);
	close_descriptor(e->wakeup);
	telling_clear(&e->punts);
	telling_clear(&e->captures);
	close_descriptor(e->punts.fd);
	close_descriptor(e->captures.fd);
	for (i = 0; i < DVS_MAX_PORTS; i++)
		free(e->last_drop[i]);
	pthread_mutex_destroy(&e->lock);
	free(e->macs.slot);
	free(e->vifs.slot);
	free(e->groups.slot);
	free(e->arena);
	free(e->rx.buffers);
	free(e);
}

static void handle_event(struct dvs *e, __u32 lport)
{
	eventfd_t count;

	if (lport)
		rx_batch(e, lport);
	else
		(void)eventfd_read(e->wakeup, &count);
}

/* Tries all held frames again; returns how many went away. */
static __u32 retry_all(struct dvs *e)
{
	__u32 lport, n = 0;

	e->now = clock_ns();
	for (lport = 1; lport < DVS_MAX_PORTS && e->n_held; lport++)
		if (e->nic[lport].queue && e->nic[lport].queue->held)
			n += held_retry(e, lport);
	return n;
}

/* How long to sleep: for ever, or while frames are held not at all for a while, then a millisecond at a time. */
static int run_timeout(const struct dvs *e, __u32 idle)
{
	if (!e->n_held)
		return -1;
	return idle < EAGER_RETRIES ? 0 : 1;
}

static void run_once(struct dvs *e, const struct epoll_event *events, int n, __u32 *idle)
{
	int i;

	engine_yield(e);
	for (i = 0; i < n; i++) {
		if (i)
			engine_yield(e);
		handle_event(e, events[i].data.u32);
	}
	if (e->n_held)
		*idle = retry_all(e) || n > 0 ? 0 : *idle + 1;
	pthread_mutex_unlock(&e->lock);
	if (e->n_held)
		sched_yield(); /* let the readers run */
}

API int dvs_run(struct dvs *e)
{
	struct epoll_event events[EVENTS];
	__u32 idle = 0;
	int n;

	while (!atomic_load(&e->stop)) {
		n = epoll_wait(e->epoll, events, EVENTS, run_timeout(e, idle));
		if (n < 0 && errno != EINTR)
			return -errno;
		pthread_mutex_lock(&e->lock);
		run_once(e, events, n < 0 ? 0 : n, &idle);
	}
	return 0;
}

API void dvs_stop(struct dvs *e)
{
	atomic_store(&e->stop, 1);
	(void)eventfd_write(e->wakeup, 1);
}

/* The forwarding thread may be asleep: held frames are its to retry. */
static void wake_for_held(struct dvs *e)
{
	if (e->n_held)
		(void)eventfd_write(e->wakeup, 1);
}

/* --- NICs ------------------------------------------------------------------------------------------------------ */

static int nic_init(struct nic *nic, __u32 kind, int fd, const void *peer, __u32 peer_bytes)
{
	nic->kind = kind;
	nic->fd = fd;
	nic->plain = kind != DVS_NIC_RAW;
	memcpy(&nic->peer, peer, peer_bytes);
	nic->peer_bytes = peer_bytes;
	nic->queue = memory_zeroed(sizeof(*nic->queue));
	nic->memory.last = &nic->memory.first;
	if (!nic->queue)
		return -ENOMEM;
	nic->queue->last = &nic->queue->first;
	return 0;
}

static void memory_drop(struct memory *m)
{
	struct kept *k = m->first;

	m->first = k->next;
	if (!m->first)
		m->last = &m->first;
	m->n--;
	free(k);
}

static void nic_clear(struct nic *nic)
{
	while (nic->memory.n)
		memory_drop(&nic->memory);
	free(nic->queue);
	memset(nic, 0, sizeof(*nic));
}

static int nic_watch(struct dvs *e, __u32 lport, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = lport };

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

API int dvs_plug(struct dvs *e, __u32 lport, __u32 kind, int fd, const void *peer, __u32 peer_bytes)
{
	struct nic *nic;
	int error;

	if (lport == 0 || lport >= DVS_MAX_PORTS || kind == DVS_NIC_NONE || kind > DVS_NIC_MEMORY ||
	    peer_bytes > sizeof(nic->peer))
		return -EINVAL;
	engine_enter(e);
	nic = &e->nic[lport];
	error = nic->kind == DVS_NIC_NONE ? nic_init(nic, kind, fd, peer, peer_bytes) : -EBUSY;
	if (!error && kind != DVS_NIC_MEMORY)
		error = nic_watch(e, lport, fd);
	if (error && error != -EBUSY)
		nic_clear(nic);
	engine_leave(e);
	return error;
}

API int dvs_unplug(struct dvs *e, __u32 lport)
{
	struct nic *nic;

	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	nic = &e->nic[lport];
	if (nic->kind != DVS_NIC_NONE) {
		held_drop(e, lport);
		if (nic->kind != DVS_NIC_MEMORY)
			epoll_ctl(e->epoll, EPOLL_CTL_DEL, nic->fd, NULL);
		nic_clear(nic);
	}
	engine_leave(e);
	return 0;
}

API int dvs_emit(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len)
{
	struct out *o;
	int plugged;

	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	plugged = e->nic[lport].kind != DVS_NIC_NONE;
	if (plugged) {
		o = queue_next(e, lport);
		out_part(o, frame, len);
		queue_commit(e, lport);
		queues_flush(e);
		e->nic[lport].queue->failed = 0; /* if it was: that is nothing to the next frame that counts */
	}
	wake_for_held(e);
	engine_leave(e);
	return plugged ? 0 : -ENODEV;
}

/* --- features ---------------------------------------------------------------------------------------------------- */

API void dvs_set_features(struct dvs *e, __u32 features)
{
	engine_enter(e);
	e->batch = batch_with(features);
	engine_leave(e);
}

API __u32 dvs_get_features(struct dvs *e)
{
	__u32 features;

	engine_enter(e);
	features = e->batch->features;
	engine_leave(e);
	return features;
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

static int ids_valid(const __u32 *ids, __u32 n, __u32 limit)
{
	__u32 i;

	for (i = 0; i < n; i++)
		if (ids[i] >= limit)
			return 0;
	return 1;
}

static void policies_free(struct dvs_policy **policies)
{
	__u32 i;

	for (i = 0; i < DVS_MAX_POLICIES; i++)
		free(policies[i]);
	free(policies);
}

/* A new set of policies beside the one in force; NULL: no memory. */
static struct dvs_policy **policies_copy(__u32 n, const __u32 *ids, const struct dvs_policy *policies)
{
	struct dvs_policy **fresh = calloc(DVS_MAX_POLICIES, sizeof(*fresh));
	__u32 i;

	for (i = 0; fresh && i < n; i++) {
		if (!fresh[ids[i]] && !(fresh[ids[i]] = malloc(sizeof(**fresh)))) {
			policies_free(fresh);
			return NULL;
		}
		*fresh[ids[i]] = policies[i];
	}
	return fresh;
}

static void policies_swap(struct dvs *e, struct dvs_policy **fresh)
{
	struct dvs_policy *old;
	__u32 i;

	for (i = 0; i < DVS_MAX_POLICIES; i++) {
		old = e->policy[i];
		e->policy[i] = fresh[i];
		fresh[i] = old;
	}
}

static void teams_replace(struct dvs *e, __u32 n, const __u32 *ids, const struct dvs_team *teams)
{
	__u32 i;

	memset(e->team, 0, sizeof(e->team));
	memset(e->team_used, 0, sizeof(e->team_used));
	for (i = 0; i < n; i++) {
		e->team[ids[i]] = teams[i];
		e->team_used[ids[i]] = 1;
	}
}

API int dvs_set_config(struct dvs *e, const struct dvs_control *control, __u32 n_policies, const __u32 *policy_ids,
		       const struct dvs_policy *policies, __u32 n_teams, const __u32 *team_ids,
		       const struct dvs_team *teams)
{
	struct dvs_policy **fresh;

	if (!ids_valid(policy_ids, n_policies, DVS_MAX_POLICIES) || !ids_valid(team_ids, n_teams, DVS_MAX_TEAMS))
		return -EINVAL;
	fresh = policies_copy(n_policies, policy_ids, policies);
	if (!fresh)
		return -ENOMEM;
	engine_enter(e);
	e->control = *control;
	if (e->capture.points)
		e->control.flags |= DVS_CTL_CAPTURE;
	policies_swap(e, fresh);
	teams_replace(e, n_teams, team_ids, teams);
	engine_leave(e);
	policies_free(fresh);
	return 0;
}

/* Notes whether the port has the static entry of its own MAC. */
static void port_note_owner(struct dvs *e, __u32 lport)
{
	struct dvs_port *port = &e->port[lport];
	const struct dvs_mac *entry = mac_find(&e->macs, dvs_mac_key(dvs_load_mac(port->mac), DVS_VLAN_ANY));

	port->flags &= ~(__u32)DVS_PORT_OWNS_MAC;
	if ((port->flags & DVS_PORT_USED) && entry && entry->lport == lport)
		port->flags |= DVS_PORT_OWNS_MAC;
}

static __u64 vif_key(const struct dvs_port *port) { return (__u64)port->link << 16 | port->vif; }

/* Whose a VIF is from now on. */
static void port_name_vif(struct dvs *e, __u32 lport, const struct dvs_port *port)
{
	const struct dvs_port *old = &e->port[lport];
	const struct dvs_mac *entry = old->link && old->vif ? mac_find(&e->vifs, vif_key(old)) : NULL;

	if (entry && entry->lport == lport)
		mac_remove(&e->vifs, vif_key(old));
	if ((port->flags & DVS_PORT_USED) && port->link && port->vif)
		(void)mac_put(&e->vifs, vif_key(port), &(struct dvs_mac){ .lport = lport });
}

API int dvs_set_port(struct dvs *e, __u32 lport, const struct dvs_port *port)
{
	if (lport == 0 || lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	if ((port->flags & ~e->port[lport].flags) & DVS_PORT_MOVED)
		rx_rest(e, lport);
	port_name_vif(e, lport, port);
	e->port[lport] = *port;
	port_note_owner(e, lport);
	wake_for_held(e);
	engine_leave(e);
	return 0;
}

static int mac_write(struct dvs *e, __u64 key, const struct dvs_mac *entry)
{
	const struct dvs_mac *old = mac_find(&e->macs, key);
	__u32 before = old ? old->lport : 0;
	int error = 0;

	if (entry->lport >= DVS_MAX_PORTS)
		return -EINVAL;
	if (entry->lport)
		error = mac_put(&e->macs, key, entry);
	else
		mac_remove(&e->macs, key);
	port_note_owner(e, before);
	port_note_owner(e, entry->lport);
	return error;
}

API int dvs_set_macs(struct dvs *e, __u32 n, const __u64 *keys, const struct dvs_mac *entries)
{
	int error = 0;
	__u32 i;

	engine_enter(e);
	for (i = 0; i < n && !error; i++)
		error = mac_write(e, keys[i], &entries[i]);
	engine_leave(e);
	return error;
}

API int dvs_remember(struct dvs *e, __u64 key, __u32 lport)
{
	struct dvs_mac entry = { .lport = lport, .seen = dvs_clock() };
	int error = 0;

	if (!lport || lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	if (!mac_find(&e->macs, key)) {
		error = mac_put(&e->macs, key, &entry);
		if (!error)
			e->live[lport].learned++;
	}
	engine_leave(e);
	return error;
}

API int dvs_forget(struct dvs *e, __u64 key, __u32 lport)
{
	struct dvs_mac *entry;

	engine_enter(e);
	entry = mac_find(&e->macs, key);
	if (entry && entry->lport == lport && !(entry->flags & DVS_MAC_STATIC)) {
		mac_remove(&e->macs, key);
		e->live[lport].forgotten++;
	}
	engine_leave(e);
	return 0;
}

/* members NULL removes */
API int dvs_set_list(struct dvs *e, __u32 key, const struct dvs_members *members)
{
	struct dvs_members *fresh = NULL, *old;
	size_t bytes;

	if (key >= DVS_LISTS || (members && members->n > DVS_MAX_MEMBERS))
		return -EINVAL;
	if (members) {
		bytes = offsetof(struct dvs_members, lport) + members->n * sizeof(members->lport[0]);
		fresh = malloc(bytes);
		if (!fresh)
			return -ENOMEM;
		memcpy(fresh, members, bytes);
	}
	engine_enter(e);
	old = e->list[key];
	e->list[key] = fresh;
	engine_leave(e);
	free(old);
	return 0;
}

API int dvs_set_vif_list(struct dvs *e, __u32 key, __u32 list)
{
	int error = 0;

	if (list && (list < DVS_LIST_VIFS * 4096 || list >= DVS_LISTS))
		return -EINVAL;
	engine_enter(e);
	if (list)
		error = mac_put(&e->vifs, key, &(struct dvs_mac){ .lport = list });
	else
		mac_remove(&e->vifs, key);
	engine_leave(e);
	return error;
}

API int dvs_set_group(struct dvs *e, const struct dvs_group_key *group, __u32 list)
{
	int error = 0;

	if (list && (list < DVS_LIST_GROUP * 4096 || list >= DVS_LISTS))
		return -EINVAL;
	engine_enter(e);
	if (list)
		error = group_put(&e->groups, group, list);
	else
		group_remove(&e->groups, group);
	engine_leave(e);
	return error;
}

/* --- reading back ---------------------------------------------------------------------------------------------- */

API void dvs_get_control(struct dvs *e, struct dvs_control *control)
{
	engine_enter(e);
	*control = e->control;
	control->flags &= ~(__u32)DVS_CTL_CAPTURE;
	engine_leave(e);
}

API int dvs_get_ports(struct dvs *e, __u32 *lports, struct dvs_port *ports, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i < DVS_MAX_PORTS && n < room; i++) {
		if (!(e->port[i].flags & DVS_PORT_USED))
			continue;
		lports[n] = i;
		ports[n++] = e->port[i];
	}
	engine_leave(e);
	return (int)n;
}

API int dvs_get_policies(struct dvs *e, __u32 *ids, struct dvs_policy *policies, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i < DVS_MAX_POLICIES && n < room; i++) {
		if (!e->policy[i])
			continue;
		ids[n] = i;
		policies[n++] = *e->policy[i];
	}
	engine_leave(e);
	return (int)n;
}

API int dvs_get_teams(struct dvs *e, __u32 *ids, struct dvs_team *teams, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i < DVS_MAX_TEAMS && n < room; i++) {
		if (!e->team_used[i])
			continue;
		ids[n] = i;
		teams[n++] = e->team[i];
	}
	engine_leave(e);
	return (int)n;
}

API int dvs_count_macs(struct dvs *e)
{
	int n;

	engine_enter(e);
	n = (int)e->macs.n;
	engine_leave(e);
	return n;
}

API int dvs_get_macs(struct dvs *e, __u64 *keys, struct dvs_mac *entries, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i <= e->macs.last && n < e->macs.n && n < room; i++) {
		if (!e->macs.slot[i].entry.lport)
			continue;
		keys[n] = e->macs.slot[i].key;
		entries[n++] = e->macs.slot[i].entry;
	}
	engine_leave(e);
	return (int)n;
}

API int dvs_get_lists(struct dvs *e, __u32 *keys, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i < DVS_LISTS && n < room; i++)
		if (e->list[i])
			keys[n++] = i;
	engine_leave(e);
	return (int)n;
}

API int dvs_get_list(struct dvs *e, __u32 key, struct dvs_members *members)
{
	const struct dvs_members *list;

	if (key >= DVS_LISTS)
		return -EINVAL;
	engine_enter(e);
	list = e->list[key];
	members->n = list ? list->n : 0;
	if (list)
		memcpy(members, list, offsetof(struct dvs_members, lport) + list->n * sizeof(list->lport[0]));
	engine_leave(e);
	return list ? 0 : -ENOENT;
}

API int dvs_get_groups(struct dvs *e, struct dvs_group_key *groups, __u32 *lists, __u32 room)
{
	__u32 i, n = 0;

	engine_enter(e);
	for (i = 0; i < GROUP_SLOTS && n < e->groups.n && n < room; i++) {
		if (!e->groups.slot[i].list)
			continue;
		groups[n] = e->groups.slot[i].key;
		lists[n++] = e->groups.slot[i].list;
	}
	engine_leave(e);
	return (int)n;
}

API void dvs_get_live(struct dvs *e, struct dvs_live *live)
{
	engine_enter(e);
	memcpy(live, e->live, sizeof(e->live));
	engine_leave(e);
}

API void dvs_set_clock(struct dvs *e, __u64 now)
{
	engine_enter(e);
	e->test_now = now;
	engine_leave(e);
}

API int dvs_get_counters(struct dvs *e, __u32 lport, struct dvs_counters *counters)
{
	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	*counters = e->counters[lport].port;
	engine_leave(e);
	return 0;
}

API int dvs_clear_counters(struct dvs *e, __u32 lport)
{
	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	memset(&e->counters[lport], 0, sizeof(e->counters[lport]));
	memset(e->live[lport].storm, 0, sizeof(e->live[lport].storm));
	e->live[lport].held = e->live[lport].released = 0;
	e->live[lport].gated = e->live[lport].passed = 0;
	free(e->last_drop[lport]);
	e->last_drop[lport] = NULL;
	engine_leave(e);
	return 0;
}

/* --- frames for the agent -------------------------------------------------------------------------------------- */

API int dvs_punt_fd(struct dvs *e) { return e->punts.fd; }

API int dvs_next_punt(struct dvs *e, struct dvs_event *event)
{
	int error;

	engine_enter(e);
	error = telling_take(&e->punts, event);
	engine_leave(e);
	return error;
}

API __u64 dvs_lost_punts(struct dvs *e)
{
	__u64 lost = 0;
	__u32 i;

	engine_enter(e);
	for (i = 0; i < DVS_MAX_PORTS; i++)
		lost += e->punt_rate[i].lost;
	engine_leave(e);
	return lost;
}

API int dvs_set_capture(struct dvs *e, const struct dvs_capture *capture)
{
	if (capture && (!capture->snaplen || capture->snaplen > DVS_EVENT_DATA || !capture->points))
		return -EINVAL;
	engine_enter(e);
	telling_clear(&e->captures);
	e->control.flags &= ~(__u32)DVS_CTL_CAPTURE;
	memset(&e->capture, 0, sizeof(e->capture));
	if (capture) {
		e->capture = *capture;
		e->control.flags |= DVS_CTL_CAPTURE;
	}
	engine_leave(e);
	return 0;
}

API void dvs_get_capture(struct dvs *e, struct dvs_capture *capture)
{
	engine_enter(e);
	*capture = e->capture;
	engine_leave(e);
}

API int dvs_capture_fd(struct dvs *e) { return e->captures.fd; }

API int dvs_next_capture(struct dvs *e, struct dvs_event *event)
{
	int error;

	engine_enter(e);
	error = telling_take(&e->captures, event);
	engine_leave(e);
	return error;
}

API int dvs_get_last_drops(struct dvs *e, __u32 lport, __u32 *keys, struct dvs_last_drop *drops, __u32 room)
{
	const struct dvs_last_drop *last;
	__u32 i, n = 0;

	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	last = e->last_drop[lport];
	for (i = 0; last && i < DROP_RECORDS && n < room; i++) {
		if (!last[i].time)
			continue;
		keys[n] = dvs_last_drop_key(lport, i / DVS_DROP_SLOTS, i % DVS_DROP_SLOTS);
		drops[n++] = last[i];
	}
	engine_leave(e);
	return (int)n;
}

/* --- frames by hand -------------------------------------------------------------------------------------------- */

API int dvs_test(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso, struct dvs_trace *trace,
		 __u32 *lengths, __u8 *frames, __u32 room)
{
	struct recorder recorder = { .trace = trace, .lengths = lengths, .frames = frames, .room = room };

	if (len > RX_ROOM || lport >= DVS_MAX_PORTS)
		return -EINVAL;
	trace->n = 0;
	engine_enter(e);
	e->recorder = &recorder;
	trace->in_reason = (__u32)e->batch->forward(e, hand_in(e, lport, frame, len, gso));
	e->recorder = NULL;
	engine_leave(e);
	return 0;
}

API int dvs_inject(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso)
{
	if (len > RX_ROOM || lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	e->batch->forward(e, hand_in(e, lport, frame, len, gso));
	queues_flush(e);
	wake_for_held(e);
	engine_leave(e);
	return 0;
}

static int memory_take(struct memory *m, __u8 *frame, __u32 room)
{
	__u32 len;

	if (!m->n)
		return -EAGAIN;
	len = m->first->len;
	memcpy(frame, m->first->bytes, len < room ? len : room);
	memory_drop(m);
	return (int)len;
}

API int dvs_take(struct dvs *e, __u32 lport, __u8 *frame, __u32 room)
{
	int len;

	if (lport >= DVS_MAX_PORTS)
		return -EINVAL;
	engine_enter(e);
	len = memory_take(&e->nic[lport].memory, frame, room);
	engine_leave(e);
	return len;
}

/* What this thread had of its processor: not what others had meanwhile. */
static __u64 busy_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

/* One batch of the benchmark: frames first.. of the n, as a NIC's batch would be. */
static const __u8 *bench_batch(struct dvs *e, __u32 lport, const __u8 *at, const __u32 *lengths, __u32 n)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		memcpy(rx_buffer(e, i), at, lengths[i]);
		frame_init(&e->rx.frame[i], lport, rx_buffer(e, i), lengths[i], lengths[i]);
		frame_niv(e, &e->rx.frame[i]);
		expect(e, &e->rx.frame[i]);
		at += lengths[i];
	}
	e->batch->forward_all(e, n);
	queues_flush(e);
	return at;
}

API __u64 dvs_bench(struct dvs *e, __u32 lport, const __u8 *frames, const __u32 *lengths, __u32 n, __u32 rounds)
{
	const __u8 *at;
	__u64 start;
	__u32 i;

	for (i = 0; i < n; i++)
		if (lengths[i] > RX_ROOM || lport >= DVS_MAX_PORTS)
			return 0;
	engine_enter(e);
	e->discard = 1;
	start = busy_ns();
	for (; rounds; rounds--)
		for (at = frames, i = 0; i < n; i += RX_BATCH)
			at = bench_batch(e, lport, at, lengths + i, n - i < RX_BATCH ? n - i : RX_BATCH);
	start = busy_ns() - start;
	e->discard = 0;
	engine_leave(e);
	return start;
}
