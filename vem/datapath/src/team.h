/* SPDX-License-Identifier: Apache-2.0
 *
 * Which uplink a port sends by, and from which uplink it takes frames (S-115 to S-126, S-130).
 */
#ifndef DVS_TEAM_H
#define DVS_TEAM_H

#include "packet.h"

/* Originating port id: index = port_id mod n over the uplinks in use.  0 = no uplink. */
static INL __u32 dvs_tx_uplink(const struct dvs_port *port, const struct dvs_policy *policy)
{
	const struct dvs_team *team = dp_team(policy->team);
	__u64 i;

	if (!team || team->n == 0 || team->n > DVS_TEAM_UPLINKS)
		return 0;
	i = port->port_id % team->n;
	__asm__("" : "+r"(i)); /* or clang drops the mask as superfluous, and the kernel's verifier sees no bound */
	return team->uplink[i & (DVS_TEAM_UPLINKS - 1)];
}

/* Reverse teaming, per receiver, unicast too: only from the uplink this port would send by (S-115, S-116).  An uplink
 * never takes what came by an uplink, filter or not (S-086). */
static INL int dvs_reverse_teaming(const struct dvs_pkt *p, const struct dvs_port *port,
				   const struct dvs_policy *policy, __u32 control_flags)
{
	if (p->uplink && (port->flags & DVS_PORT_UPLINK))
		return DVS_DROP_REVERSE_TEAMING;
	if (!p->uplink || (control_flags & DVS_CTL_NO_REVERSE_TEAMING))
		return DVS_OK;
	return dvs_tx_uplink(port, policy) == p->lport ? DVS_OK : DVS_DROP_REVERSE_TEAMING;
}

#endif
