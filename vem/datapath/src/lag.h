/* SPDX-License-Identifier: Apache-2.0
 *
 * LAGs of a physical switch: several NICs that are one port to the MAC table, the receiver lists and the look-up.  The
 * LAG is a port entry of its own, without a NIC, whose policy's team holds the members in use; each member's entry
 * names its LAG.  So a frame is never sent back to the LAG it came by, and a flood gives a LAG one copy.
 */
#ifndef DVS_LAG_H
#define DVS_LAG_H

#include "packet.h"
#include "team.h"

/* From here on the frame is the LAG's; only counters remember the member (p->nic). */
static INL void dvs_enter_lag(struct dvs_pkt *p, const struct dvs_port *port)
{
	if (DVS_HAS(LAG) && port->lag)
		p->lport = port->lag;
}

/* The port by which a receiver's copy leaves: the receiver, or the member of a LAG that the team's method picks; 0 = no
 * member is in use. */
static INL __u32 dvs_leave_lag(const struct dvs_pkt *p, __u32 lport)
{
	const struct dvs_port *port = DVS_HAS(LAG) ? dp_port(lport) : 0;
	const struct dvs_policy *policy;
	const struct dvs_team *team;

	if (!port || !(port->flags & DVS_PORT_LAG))
		return lport;
	policy = dp_policy(p->bank, port->policy);
	team = policy ? dp_team(p->bank, policy->team) : 0;
	if (!dvs_team_usable(team))
		return 0;
	return team->method == DVS_TEAM_IP_HASH ? dvs_team_pick(team, p->hash) : dvs_team_fixed(team, port, p->src);
}

#endif
