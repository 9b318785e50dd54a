/* SPDX-License-Identifier: Apache-2.0
 *
 * The forwarding pipeline, written once.  A driver (kernel.bpf.c, user.c)
 *   1. fills struct dvs_pkt from the frame and calls dvs_decide();
 *   2. on DVS_OK sends the frame to p->out (0 = none); if p->flood, to every port of list p->list that dvs_wants() it;
 *      if p->spies, to every port of list dvs_spy_list() that dvs_spies() on it; and to p->out_uplink (0 = none), if
 *      it dvs_wants() it; calling dvs_receive() for each receiver, and then dvs_count_forwarded() or, if there was
 *      none, dvs_drop_in(p, dvs_nobody(p)).  What is p->held is not counted: it comes back.  A copy for p->to_tunnel
 *      (the port p->out) leaves with that service tag outside of all others.
 * After dvs_decide(), whatever it said, a driver shows the frame to the agent if p->punt, and to p->mirror (0 = none), and
 * it tells of the points on the frame's way if p->capture (watch.h); after each copy that is sent, it asks
 * dvs_mirror_out().  Nothing here changes the frame.
 */
#ifndef DVS_PIPELINE_H
#define DVS_PIPELINE_H

#include "packet.h"
#include "count.h"
#include "watch.h"
#include "admit.h"
#include "punt.h"
#include "read.h"
#include "vlan.h"
#include "storm.h"
#include "team.h"
#include "fdb.h"
#include "lag.h"
#include "mirror.h"
#include "mobility.h"
#include "niv.h"

static INL int dvs_steps(struct dvs_pkt *p)
{
	const struct dvs_control *control = dp_control(p->bank);
	const struct dvs_port *port = dp_port(p->lport);
	const struct dvs_policy *policy;
	int reason;

	if (control) {
		dvs_watch(p, control);
		if (dvs_must_read(p, control->flags))
			dp_read(p, control->flags);
	}
	if (!control || !port || !(port->flags & DVS_PORT_USED))
		return DVS_STEP(PORT, DVS_DROP_NO_PORT);
	if (DVS_HAS(NIV) && dvs_niv_passes(p))
		return DVS_STEP(NIV, dvs_niv_down(p, control->flags));
	if (DVS_HAS(NIV) && (control->flags & DVS_CTL_NIV) && !(port->flags & DVS_PORT_UPLINK))
		return DVS_STEP(NIV, dvs_niv_up(p, port, control->mtu));
	policy = dp_policy(p->bank, port->policy);
	if (!policy)
		return DVS_STEP(PORT, DVS_DROP_PORT_BLOCKED);
	if (DVS_HAS(NIV))
		dvs_niv_origin(p, port);
	p->uplink = DVS_HAS(UPLINK) && (port->flags & DVS_PORT_UPLINK);
	p->mirror = DVS_HAS(MIRROR) ? port->mirror_rx : 0;
	dvs_enter_lag(p, port);

	dvs_punt_control(p);
	reason = DVS_STEP(ADMIT, dvs_admit(p, port, policy, control->mtu));
	dvs_punt_arrived(p, port, reason);
	if (!reason && p->punt)
		reason = DVS_STEP(CONTROL, DVS_DROP_RESERVED_MCAST);
	if (!reason)
		reason = DVS_STEP(CLASSIFY, dvs_classify(p, policy));
	if (!reason)
		reason = DVS_STEP(LOCAL_SOURCE, dvs_local_source(p, control->flags));
	if (DVS_HAS(NIV) && !reason && (control->flags & DVS_CTL_NIV))
		reason = DVS_STEP(NIV, dvs_niv_plain(p, port, control->flags));
	if (DVS_HAS(STORM) && !reason && (control->flags & DVS_CTL_STORM))
		reason = DVS_STEP(STORM, dvs_storm_group(p, policy));
	if (!reason)
		reason = DVS_STEP(LEARN, dvs_learn(p, port, policy));
	if (!reason)
		reason = DVS_STEP(LOOKUP, dvs_lookup(p, port, policy, control->flags));
	dvs_punt_accepted(p, control->flags, reason);
	if (DVS_HAS(MOBILITY) && !reason && (control->flags & DVS_CTL_MOVED))
		dvs_punt_followed(p);
	if (reason == DVS_DROP_RPF_LOCAL_SRC && dvs_shows_reflected(control->flags)) {
		p->reflected = p->spies = 1;
		reason = DVS_OK;
	}
	return reason;
}

/* Counts the frame, runs the steps.  DVS_OK: forward as p says.  Else it was dropped, and counted, for that reason. */
static INL int dvs_decide(struct dvs_pkt *p)
{
	int reason = DVS_STEP(PARSE, dvs_parse(p));

	p->nic = p->lport;
	if (DVS_HAS(NIV) && !reason && dvs_niv_at_link(p))
		reason = DVS_STEP(NIV, dvs_niv_enter(p));
	if (DVS_HAS(MOBILITY) && p->serviced && !dvs_is_for_port(p))
		reason = reason ? reason : dvs_released(p);
	else if (DVS_HAS(MOBILITY) && !reason && !p->serviced && dvs_hold(p))
		return DVS_OK; /* not yet */
	if (DVS_HAS(MOBILITY) && p->serviced && dvs_service(p) == DVS_SERVICE_GATE) {
		dvs_set_gate(p);
		return DVS_OK;
	}
	dvs_count_received(p);
	if (!reason)
		reason = DVS_HAS(MOBILITY) && dvs_is_for_port(p) ? dvs_tunnelled(p) : dvs_steps(p);
	return reason ? dvs_drop_in(p, reason) : DVS_OK;
}

#define DVS_UNKNOWN_TOO (DVS_POL_LEARN | DVS_POL_UNKNOWN_FLOOD) /* on the list for unknown unicast (S-070) */

static INL __u32 dvs_spy_list(const struct dvs_pkt *p) { return DVS_LIST_PROMISCUOUS * 4096 + p->vlan; }

/* Does this promiscuous port get a copy that it would not have otherwise (S-102 to S-112)?  served: the receivers of the
 * group that the frame was sent to, or NULL. */
static INL int dvs_spies(const struct dvs_pkt *p, __u32 lport, const struct dvs_members *served)
{
	const struct dvs_port *port = dp_port(lport);
	const struct dvs_policy *policy;

	if (lport == p->lport || lport == p->out || (DVS_HAS(NIV) && p->niv_way == DVS_NIV_BACK && lport == p->link) || !port || !(port->flags & DVS_PORT_USED) ||
	    (port->flags & DVS_PORT_UPLINK))
		return 0;
	policy = dp_policy(p->bank, port->policy);
	if (!policy || !(policy->flags & DVS_POL_PROMISCUOUS) || !dvs_carries(policy, p->vlan))
		return 0;
	if (p->tag_foreign && policy->mode == DVS_MODE_ACCESS)
		return 0; /* S-045 */
	if (p->unknown && (policy->flags & DVS_UNKNOWN_TOO) == DVS_UNKNOWN_TOO)
		return 0; /* it had its copy (S-112) */
	return !served || !dvs_is_member(served, lport);
}

/* Is this port of the flood list, or this p->out_uplink, a receiver at all?  (Not being one is no drop.)  Of all
 * uplinks only p->out_uplink may be (S-083, S-086). */
static INL int dvs_wants(const struct dvs_pkt *p, __u32 lport)
{
	const struct dvs_port *port = dp_port(lport);
	const struct dvs_policy *policy;

	if ((lport == p->lport && !(DVS_HAS(NIV) && p->reflective)) || !port || !(port->flags & DVS_PORT_USED))
		return 0;
	if (DVS_HAS(NIV) && dvs_niv_passes(p))
		return dvs_niv_wants(p, port);
	if (DVS_HAS(NIV) && dvs_niv_same_link(p, lport, port))
		return 0;
	policy = dp_policy(p->bank, port->policy);
	if (!policy || !dvs_carries(policy, p->vlan))
		return 0;
	if (p->tag_foreign && policy->mode == DVS_MODE_ACCESS)
		return 0; /* S-045 */
	if (port->flags & DVS_PORT_UPLINK)
		return lport == p->out_uplink;
	return !p->unknown || (policy->flags & DVS_POL_UNKNOWN_FLOOD);
}

static INL int dvs_receive_steps(const struct dvs_pkt *p, struct dvs_copy *copy)
{
	const struct dvs_control *control = dp_control(p->bank);
	const struct dvs_port *port = dp_port(copy->lport);
	const struct dvs_policy *policy;
	int reason;

	if (!control || !port || !(port->flags & DVS_PORT_USED))
		return DVS_DROP_NO_PORT;
	if (DVS_HAS(NIV) && dvs_niv_passes(p))
		return dvs_niv_receive(p, port, copy);
	policy = dp_policy(p->bank, port->policy);
	if (!policy)
		return DVS_DROP_PORT_BLOCKED;
	reason = dvs_admit_state(port, policy);
	if (reason && (port->flags & DVS_PORT_MOVED) && p->out == copy->lport && (!p->serviced || p->in_time))
		reason = DVS_OK; /* decided in the instant before it moved away: it was in time */
	if (!reason && !(port->flags & DVS_PORT_LINK_UP))
		reason = DVS_DROP_LINK_DOWN; /* S-090 */
	if (!reason && (port->flags & DVS_PORT_MAC_VIOLATION))
		reason = DVS_DROP_MAC_CHANGED; /* S-011 */
	if (!reason && !dvs_carries(policy, p->vlan))
		reason = DVS_DROP_VLAN_MISMATCH;
	if (!reason && p->tag_foreign && policy->mode == DVS_MODE_ACCESS)
		reason = DVS_DROP_VLAN_MISMATCH; /* S-045 */
	if (!reason)
		reason = dvs_reverse_teaming(p, copy->lport, port, policy, control->flags);
	dvs_egress_tag(p, port, policy, control->flags, copy);
	copy->padded = !!(port->flags & DVS_PORT_UPLINK); /* S-001 */
	if (DVS_HAS(NIV) && !reason)
		reason = dvs_niv_leave(p, port, copy);
	return reason;
}

/* What one receiver's copy would be: dvs_receive() without counting. */
static INL void dvs_judge(const struct dvs_pkt *p, __u32 lport, struct dvs_copy *copy)
{
	__u32 out;

	*copy = (struct dvs_copy){ .lport = lport };
	if (DVS_HAS(MOBILITY) && p->to_tunnel && lport == p->out) {
		dvs_receive_tunnel(p, lport, copy);
		return;
	}
	out = dvs_leave_lag(p, lport);
	if (out)
		copy->lport = out;
	copy->reason = out ? dvs_receive_steps(p, copy) : DVS_DROP_LINK_DOWN;
	if (DVS_HAS(MOBILITY) && p->doomed)
		copy->reason = p->doomed == DVS_DROP_MOVE_EXPIRED ? DVS_DROP_MOVE_EXPIRED : DVS_DROP_MOVE_OVERFLOW;
}

/* One receiver's copy: fills copy->reason and the tags it leaves with.  A drop is counted here; the driver calls
 * dvs_count_sent() or dvs_drop_out(TX_ERROR) for the rest. */
static INL void dvs_receive(const struct dvs_pkt *p, __u32 lport, struct dvs_copy *copy)
{
	dvs_judge(p, lport, copy);
	if (copy->reason)
		dvs_drop_out(copy->lport, copy->reason);
}

/* A list of VIFs among the receivers (DVS_RECEIVERS) gets one copy if all that are to have the frame may have it, and
 * have it in the same form.  A driver asks of all but dvs_is_sender() whether dvs_wants(), and whether what dvs_judge()
 * makes of it dvs_joins() the others of that link; first, of lport 0 before that, becomes the copy of the first.  Then, if
 * there were several, it sends that with dvs_niv_to_list(), and counts it for each of them; else it gives each its own. */
static INL int dvs_joins(const struct dvs_copy *copy, __u32 link, struct dvs_copy *first)
{
	const struct dvs_port *port = dp_port(copy->lport);

	if (copy->reason || !copy->link || copy->link != link || !port || port->mirror_tx)
		return 0;
	if (!first->lport)
		*first = *copy;
	return copy->tagged == first->tagged && copy->tci == first->tci;
}

/* The sender is no receiver, though it may be on the list. */
static INL int dvs_is_sender(const struct dvs_pkt *p, __u32 lport)
{
	return lport == p->lport && !p->reflective;
}

#endif
