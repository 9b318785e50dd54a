/* SPDX-License-Identifier: Apache-2.0
 *
 * Moves of vEths between hosts without a lost frame (S-246 ff.): what comes for a vEth that has moved away, and what a
 * vEth sends that is not activated yet, goes to the mobility program (mobility.c) by the port with DVS_PORT_TUNNEL, and
 * what comes back from there is told by its service tag (abi.h).
 *
 * A port that moved away keeps its entries in the MAC table, but with DVS_PORT_MOVED they are nobody's: one store to the
 * port's flags moves all of its addresses, learned ones too, at one instant.
 *
 * Order of what a vEth sends: a port that holds, or has frames that wait (held != released), sends by the mobility
 * program; only when all have come back does the next frame go straight.  Likewise for what it is sent: once the network
 * knows where it is, frames would overtake those that are still in the tunnel.  So they wait, at the gate, for the end of
 * those in the tunnel, and the next one goes straight when all that waited have passed (gated == passed).
 */
#ifndef DVS_MOBILITY_H
#define DVS_MOBILITY_H

#include "packet.h"
#include "count.h"
#include "punt.h"
#include "vlan.h"

/* What it sends goes to the mobility program first. */
static INL int dvs_must_hold(const struct dvs_port *port, const struct dvs_live *live)
{
	if (port->flags & DVS_PORT_HELD)
		return 1;
	return (port->flags & DVS_PORT_RELEASING) && live->held != live->released;
}

static INL int dvs_hold(struct dvs_pkt *p)
{
	const struct dvs_control *control = dp_control(p->bank);
	const struct dvs_port *port = dp_port(p->lport);
	struct dvs_live *live;

	if (!control || !control->tunnel || !port || !(port->flags & (DVS_PORT_HELD | DVS_PORT_RELEASING)))
		return 0;
	live = dp_live(p->lport);
	if (!live || !dvs_must_hold(port, live))
		return 0;
	dp_add(&live->held, 1);
	dvs_punt_arrived(p, port, DVS_DROP_PORT_BLOCKED);
	p->held = 1;
	p->to_tunnel = p->lport;
	p->out = control->tunnel;
	return 1;
}

static INL __u32 dvs_service(const struct dvs_pkt *p) { return p->service >> DVS_SERVICE_SHIFT; }

static INL int dvs_is_for_port(const struct dvs_pkt *p) { return p->serviced && dvs_service(p) >= DVS_SERVICE_TO; }

/* What a vEth sent before comes back: from here on it is as if it had just been sent. */
static INL int dvs_released(struct dvs_pkt *p)
{
	struct dvs_live *live;

	p->lport = p->nic = p->service & DVS_SERVICE_LPORT;
	live = dp_live(p->lport);
	if (live)
		dp_add(&live->released, 1);
	if (dvs_service(p) == DVS_SERVICE_FROM_OVERFLOW)
		return DVS_DROP_MOVE_OVERFLOW;
	return dvs_service(p) == DVS_SERVICE_FROM_EXPIRED ? DVS_DROP_MOVE_EXPIRED : DVS_OK;
}

/* It goes to the vEth of that lport through the tunnel. */
static INL void dvs_plan_tunnel(struct dvs_pkt *p, const struct dvs_control *control, __u32 lport)
{
	p->out = control->tunnel;
	p->to_tunnel = (__u16)(lport | DVS_SERVICE_TO << DVS_SERVICE_SHIFT);
}

/* The gate of that port closes, or opens. */
static INL void dvs_set_gate(struct dvs_pkt *p)
{
	struct dvs_live *live = dp_live(p->service & DVS_SERVICE_LPORT);

	p->held = 1; /* it goes nowhere, and counts nothing */
	if (live)
		dp_add(p->dst ? &live->gated : &live->passed, 1);
}

/* A frame for that port, of which nothing else says that it may not have it: must it wait at the gate? */
static INL int dvs_at_gate(struct dvs_pkt *p, const struct dvs_port *port, __u32 lport)
{
	const struct dvs_control *control = dp_control(p->bank);
	struct dvs_live *live;

	if (!control || !control->tunnel || p->tag_foreign || !(port->flags & (DVS_PORT_HELD | DVS_PORT_RELEASING)))
		return 0;
	live = dp_live(lport);
	if (!live || live->gated == live->passed)
		return 0;
	dp_add(&live->gated, 1);
	p->out = control->tunnel;
	p->to_tunnel = (__u16)(lport | DVS_SERVICE_DIRECT << DVS_SERVICE_SHIFT);
	return 1;
}

/* A frame out of the tunnel: for that vEth, or on to where it has moved since. */
static INL int dvs_tunnelled(struct dvs_pkt *p)
{
	const struct dvs_control *control = dp_control(p->bank);
	__u32 lport = p->service & DVS_SERVICE_LPORT;
	const struct dvs_port *port = dp_port(lport);
	struct dvs_live *live;

	if (!control || !port || !(port->flags & DVS_PORT_USED))
		return DVS_DROP_NO_PORT;
	p->vlan = p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_VID : 0;
	p->out = lport;
	if (dvs_service(p) == DVS_SERVICE_DIRECT) {
		live = dp_live(lport);
		if (live)
			dp_add(&live->passed, 1);
	}
	if (dvs_service(p) == DVS_SERVICE_TO_OVERFLOW)
		p->doomed = DVS_DROP_MOVE_OVERFLOW;
	else if (dvs_service(p) == DVS_SERVICE_TO_EXPIRED)
		p->doomed = DVS_DROP_MOVE_EXPIRED;
	else if (port->flags & DVS_PORT_FORWARD)
		dvs_plan_tunnel(p, control, lport);
	else
		p->in_time = !(port->flags & DVS_PORT_BLOCKED);
	return DVS_OK;
}

static INL __u32 dvs_moved_port(const struct dvs_mac *entry, __u32 vlan, __u32 bank)
{
	const struct dvs_port *port = entry ? dp_port(entry->lport) : 0;
	const struct dvs_policy *policy;

	if (!port || !(port->flags & DVS_PORT_MOVED))
		return 0;
	policy = dp_policy(bank, port->policy);
	return policy && dvs_carries(policy, vlan) ? entry->lport : 0;
}

/* The port that owned a MAC in a VLAN before it moved away; 0 = none. */
DVS_ONCE __u32 dvs_moved(__u64 mac, __u32 vlan, __u32 bank)
{
	__u32 lport = dvs_moved_port(dp_mac(dvs_mac_key(mac, DVS_VLAN_ANY)), vlan, bank);

	return lport ? lport : dvs_moved_port(dp_mac(dvs_mac_key(mac, vlan)), vlan, bank);
}

DVS_ONCE int dvs_has_no_mac(__u32 lport)
{
	const struct dvs_port *port = dp_port(lport);

	return port && !dvs_load_mac(port->mac);
}

/* The network delivers by the same uplink, or port of a switch (which has no MAC of its own, as guests' ports have), what
 * it had for the vEth before this; nothing more comes behind it. */
static INL void dvs_punt_followed(struct dvs_pkt *p)
{
	if (p->ethertype == DVS_TYPE_RARP && (p->uplink || dvs_has_no_mac(p->nic)) &&
	    dvs_moved(p->src, p->vlan, p->bank))
		p->punt = DVS_PUNT_FOLLOWED;
}

/* Nobody owns the destination.  If it is a vEth that has moved away, the frame goes through the tunnel (p->to_tunnel) or
 * is dropped for the reason returned; DVS_OK: it is unknown.  A guest's frame goes to the network then, which may know
 * better.  Foreign tags do not fit the tunnel. */
static INL int dvs_seek_moved(struct dvs_pkt *p)
{
	const struct dvs_control *control = dp_control(p->bank);
	__u32 lport = dvs_moved(p->dst, p->vlan, p->bank);
	const struct dvs_port *port = lport ? dp_port(lport) : 0;

	if (!port || !control)
		return DVS_OK;
	if (DVS_HAS(MOBILITY) && (port->flags & DVS_PORT_FORWARD) && control->tunnel && !p->tag_foreign) {
		dvs_plan_tunnel(p, control, lport);
		return DVS_OK;
	}
	return p->uplink ? DVS_DROP_MOVED_AWAY : DVS_OK;
}

/* The copy for the mobility program: as it came if it is to come back, else with the tag of its VLAN. */
static INL void dvs_receive_tunnel(const struct dvs_pkt *p, __u32 lport, struct dvs_copy *copy)
{
	const struct dvs_port *port = dp_port(lport);
	__u16 priority = p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_PRIORITY : 0;

	copy->reason = port && (port->flags & DVS_PORT_LINK_UP) ? DVS_OK : DVS_DROP_LINK_DOWN;
	copy->tagged = p->held ? p->tag_present && !p->tag_foreign : p->vlan != 0;
	copy->tci = p->held ? p->tci : p->vlan | priority;
	if (!copy->tagged)
		copy->tci = 0;
}

#endif
