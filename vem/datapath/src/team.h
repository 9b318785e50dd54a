/* SPDX-License-Identifier: Apache-2.0
 *
 * Which uplink a port sends by, and from which uplink it takes frames (S-115 to S-137).
 */
#ifndef DVS_TEAM_H
#define DVS_TEAM_H

#include "ip.h"
#include "packet.h"

static INL int dvs_team_usable(const struct dvs_team *team) { return team && team->n && team->n <= DVS_TEAM_UPLINKS; }

DVS_ONCE int dvs_team_has(const struct dvs_team *team, __u32 lport)
{
	__u32 i;

	if (!team)
		return 0;
	for (i = 0; i < DVS_TEAM_UPLINKS; i++)
		if (i < team->n && team->uplink[i] == lport)
			return 1;
	return 0;
}

/* A pin counts as long as the team has that uplink in use. */
static INL int dvs_pinned(const struct dvs_team *team, const struct dvs_port *port)
{
	return port->pin && dvs_team_has(team, port->pin);
}

/* number mod n over the uplinks in use, in order */
static INL __u32 dvs_team_pick(const struct dvs_team *team, __u32 number)
{
	__u64 i = number % team->n;

	__asm__("" : "+r"(i)); /* or clang drops the mask as superfluous, and the kernel's verifier sees no bound */
	return team->uplink[i & (DVS_TEAM_UPLINKS - 1)];
}

/* For the methods by which a port, or a MAC, has one uplink. */
static INL __u32 dvs_team_fixed(const struct dvs_team *team, const struct dvs_port *port, __u64 mac)
{
	if (dvs_pinned(team, port))
		return port->pin;
	if (team->method == DVS_TEAM_SOURCE_MAC)
		return dvs_team_pick(team, (__u32)(mac >> 40) & 0xff); /* S-132: the last byte */
	return dvs_team_pick(team, team->method == DVS_TEAM_EXPLICIT ? 0 : port->port_id);
}

/* The uplink that a frame of that port would leave by, with that source and hash of its addresses; 0 = none is usable. */
DVS_ONCE __u32 dvs_team_uplink(__u32 bank, __u32 number, const struct dvs_port *port, __u64 src, __u32 hash)
{
	const struct dvs_team *team = dp_team(bank, number);

	if (!port || !dvs_team_usable(team))
		return 0;
	if (team->method == DVS_TEAM_IP_HASH && !dvs_pinned(team, port))
		return dvs_team_pick(team, hash);
	return dvs_team_fixed(team, port, src);
}

static INL __u32 dvs_tx_uplink(const struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy)
{
	return !DVS_HAS(UPLINK) || p->uplink ? 0 : dvs_team_uplink(p->bank, policy->team, port, p->src, p->hash);
}

/* Only from the uplink this port would send by (S-115).  With a source-MAC hash that is the uplink of the MAC that the
 * frame is for, if it is one of this port's, else of the port's own.  By IP hash any member will do (S-120, S-121). */
static INL int dvs_from_own_uplink(const struct dvs_pkt *p, __u32 lport, const struct dvs_port *port,
				   const struct dvs_policy *policy)
{
	const struct dvs_team *team = dp_team(p->bank, policy->team);
	__u64 mac = p->out == lport ? p->dst : dvs_load_mac(port->mac);

	if (!dvs_team_usable(team))
		return DVS_DROP_REVERSE_TEAMING;
	if (team->method == DVS_TEAM_IP_HASH && !dvs_pinned(team, port))
		return dvs_team_has(team, p->lport) ? DVS_OK : DVS_DROP_UPLINK_INACTIVE;
	return dvs_team_fixed(team, port, mac) == p->lport ? DVS_OK : DVS_DROP_REVERSE_TEAMING;
}

/* Reverse teaming, per receiver, unicast too (S-116).  An uplink never takes what came by an uplink, filter or not
 * (S-086). */
static INL int dvs_reverse_teaming(const struct dvs_pkt *p, __u32 lport, const struct dvs_port *port,
				   const struct dvs_policy *policy, __u32 control_flags)
{
	if (!DVS_HAS(UPLINK))
		return DVS_OK;
	if (p->uplink && (port->flags & DVS_PORT_UPLINK))
		return DVS_DROP_REVERSE_TEAMING;
	if (!p->uplink || (control_flags & DVS_CTL_NO_REVERSE_TEAMING))
		return DVS_OK;
	return dvs_from_own_uplink(p, lport, port, policy);
}

#endif
