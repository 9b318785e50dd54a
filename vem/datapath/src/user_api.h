/* SPDX-License-Identifier: Apache-2.0
 *
 * What libdvsuser.so offers to user.py; read as text by cffi, like abi.h.
 *
 * Every function may be called from any thread; dvs_run() is the forwarding thread and returns after dvs_stop().
 * int results are 0 (or a number) when it went well and -errno when it did not.  Python opens and closes file
 * descriptors; they must be non-blocking, stay open until dvs_unplug(), and be a datagram socket (WIRE), a
 * /dev/net/tun descriptor with IFF_TAP | IFF_NO_PI (TAP), or a bound AF_PACKET socket with PACKET_VNET_HDR and
 * PACKET_AUXDATA (RAW).
 */
#ifndef DVS_USER_API_H
#define DVS_USER_API_H

#include "abi.h"

#define API __attribute__((visibility("default")))

#define DVS_USER_API_VERSION 4

#define DVS_NIC_NONE 0
#define DVS_NIC_WIRE 1
#define DVS_NIC_TAP 2
#define DVS_NIC_RAW 3
#define DVS_NIC_MEMORY 4

struct dvs;

int dvs_api_version(void);
struct dvs *dvs_new(void); /* NULL: no memory or descriptors left */
void dvs_free(struct dvs *e);

/* life: dvs_run() forwards until dvs_stop() */
int dvs_run(struct dvs *e);
void dvs_stop(struct dvs *e);

/* NICs; peer is the socket address that a WIRE sends to */
int dvs_plug(struct dvs *e, __u32 lport, __u32 kind, int fd, const void *peer, __u32 peer_bytes);
int dvs_unplug(struct dvs *e, __u32 lport);
int dvs_emit(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len);

/* What the tables ask for (DVS_FEATURE_*): frames are forwarded by code that has these features, and perhaps more.  To be
 * said before tables are written that ask for more, and after those that ask for less; all of them until it is said.
 * dvs_get_features() is what the code has. */
void dvs_set_features(struct dvs *e, __u32 features);
__u32 dvs_get_features(struct dvs *e);

/* tables; set_config replaces all policies and teams at one instant */
int dvs_set_config(struct dvs *e, const struct dvs_control *control, __u32 n_policies, const __u32 *policy_ids,
		   const struct dvs_policy *policies, __u32 n_teams, const __u32 *team_ids,
		   const struct dvs_team *teams);
int dvs_set_port(struct dvs *e, __u32 lport, const struct dvs_port *port);
int dvs_set_macs(struct dvs *e, __u32 n, const __u64 *keys, const struct dvs_mac *entries); /* lport 0 removes */
int dvs_remember(struct dvs *e, __u64 key, __u32 lport); /* a learned entry, unless the MAC is known already */
int dvs_forget(struct dvs *e, __u64 key, __u32 lport); /* a learned entry, if it still points to lport */
int dvs_set_list(struct dvs *e, __u32 key, const struct dvs_members *members);
int dvs_set_vif_list(struct dvs *e, __u32 key, __u32 list); /* key of the VIF table; list 0 removes */
int dvs_set_group(struct dvs *e, const struct dvs_group_key *group, __u32 list); /* list 0 removes */

/* reading back: ids and entries of what is there, at most `room`; returns how many */
void dvs_get_control(struct dvs *e, struct dvs_control *control);
int dvs_get_ports(struct dvs *e, __u32 *lports, struct dvs_port *ports, __u32 room);
int dvs_get_policies(struct dvs *e, __u32 *ids, struct dvs_policy *policies, __u32 room);
int dvs_get_teams(struct dvs *e, __u32 *ids, struct dvs_team *teams, __u32 room);
int dvs_count_macs(struct dvs *e);
int dvs_get_macs(struct dvs *e, __u64 *keys, struct dvs_mac *entries, __u32 room);
int dvs_get_lists(struct dvs *e, __u32 *keys, __u32 room);
int dvs_get_list(struct dvs *e, __u32 key, struct dvs_members *members);
int dvs_get_groups(struct dvs *e, struct dvs_group_key *groups, __u32 *lists, __u32 room);
void dvs_get_live(struct dvs *e, struct dvs_live *live); /* of all DVS_MAX_PORTS ports */
void dvs_set_clock(struct dvs *e, __u64 now); /* tests: the pipeline's clock stands there; 0 = runs again */
__u64 dvs_clock(void); /* what dvs_mac.seen counts in */

int dvs_get_counters(struct dvs *e, __u32 lport, struct dvs_counters *counters);
int dvs_clear_counters(struct dvs *e, __u32 lport);

/* Frames for the agent: the oldest one, or -EAGAIN; the descriptor is readable while there are any.  How many were not
 * kept, since there were too many. */
int dvs_punt_fd(struct dvs *e);
int dvs_next_punt(struct dvs *e, struct dvs_event *event);
__u64 dvs_lost_punts(struct dvs *e);

/* Captures: one at a time; NULL ends it, and forgets what was not fetched. */
int dvs_set_capture(struct dvs *e, const struct dvs_capture *capture);
void dvs_get_capture(struct dvs *e, struct dvs_capture *capture);
int dvs_capture_fd(struct dvs *e);
int dvs_next_capture(struct dvs *e, struct dvs_event *event);

/* The last drops of a port, with their dvs_last_drop_key(); at most `room`; returns how many */
int dvs_get_last_drops(struct dvs *e, __u32 lport, __u32 *keys, struct dvs_last_drop *drops, __u32 room);

/* Like dvs_test(), but changes nothing, not even counters; the steps are recorded, the frames that leave are not. */
int dvs_trace_frame(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso, struct dvs_trace *trace);

/* One frame through the pipeline, delivered nowhere.  frames receives the copies of trace one after the other, each
 * as long as lengths says; copies that do not fit have length 0. */
int dvs_test(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso, struct dvs_trace *trace,
	     __u32 *lengths, __u8 *frames, __u32 room);

/* MEMORY ports: a frame in, delivered for real; the oldest frame that was delivered to it (its length, or -EAGAIN) */
int dvs_inject(struct dvs *e, __u32 lport, const __u8 *frame, __u32 len, __u32 gso);
int dvs_take(struct dvs *e, __u32 lport, __u8 *frame, __u32 room);

/* Runs `rounds` times over n frames, laid one after the other, from lport; deliveries to MEMORY ports are counted and
 * thrown away.  Returns the nanoseconds it took. */
__u64 dvs_bench(struct dvs *e, __u32 lport, const __u8 *frames, const __u32 *lengths, __u32 n, __u32 rounds);

#endif
