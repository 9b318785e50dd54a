/* SPDX-License-Identifier: Apache-2.0
 *
 * NIV and VEPA (S-092): a host that leaves switching to the switch behind its uplinks.
 *
 * A NIV host is an Interface Virtualizer (IV): what a vNIC sends goes to its port's link with a tag that names its VIF,
 * and what comes by a link goes to the VIF, or the list of VIFs, that the tag names.  The switch there, a Virtual Interface
 * Switch (VIS), has a port for every VIF, without a NIC: the tag says which port a frame is from, and from then on it is
 * as any other; a copy for a VIF leaves by its link with a tag.  VIFs belong to one link.  The drivers take the tag off
 * before dvs_decide() (p->niv), or leave it between MACs and EtherType (p->apart), and put copy->niv on; like 802.1Q's, it
 * is beside the frame here.
 *
 *   VNTag  8926 d|p|dst(14) l|r|ver(2)|src(12)            d: to the host; p: dst is a list; l: not to VIF src
 *   E-TAG  893f pcp|dei|ingress(12) r(2)|grp(2)|base(12) 0 0    grp 1..3: a list; ingress: not to that VIF
 *
 * A VIF's frames count at its port, without the tag, as they would on a host that switches; what is dropped because of its
 * tag counts at the link.
 */
#ifndef DVS_NIV_H
#define DVS_NIV_H

#include "admit.h"
#include "count.h"
#include "packet.h"

#define DVS_NIV_LINK (DVS_PORT_EXTENDER | DVS_PORT_BRIDGE)

#define DVS_VNTAG_DOWN 0x80000000U
#define DVS_VNTAG_LIST 0x40000000U
#define DVS_VNTAG_LOOPED 0x00008000U
#define DVS_VNTAG_VERSION 0x00003000U
#define DVS_ETAG_LIST 0x3000U /* GRP */
#define DVS_NIV_SOURCE 0x0fffU
#define DVS_NIV_TARGET 0x3fffU

/* Is it not looked up? */
static INL int dvs_niv_passes(const struct dvs_pkt *p) { return p->niv_way == DVS_NIV_UP || p->niv_way == DVS_NIV_DOWN; }

static INL __u16 dvs_niv_tpid(__u32 niv) { return niv == DVS_NIV_VNTAG ? DVS_TPID_VNTAG : DVS_TPID_ETAG; }

/* The tag agreed on at that link, or none. */
static INL __u32 dvs_niv_of(const struct dvs_port *port)
{
	if (port->flags & DVS_PORT_VNTAG)
		return DVS_NIV_VNTAG;
	return port->flags & DVS_PORT_ETAG ? DVS_NIV_ETAG : DVS_NIV_NONE;
}

static INL int dvs_is_niv_type(__u16 ethertype) { return ethertype == DVS_TPID_VNTAG || ethertype == DVS_TPID_ETAG; }

/* Would the frame, as it came, be taken for one with our tag? */
static INL int dvs_niv_nested(const struct dvs_pkt *p) { return !p->tag_present && dvs_is_niv_type(p->ethertype); }

/* --- by a link ---------------------------------------------------------------------------------------------------- */

/* LLDP, VIF control and the like are for the agent, with or without VIFs; not so BPDUs (the first of the addresses). */
static INL int dvs_niv_untagged(struct dvs_pkt *p, const struct dvs_port *port)
{
	if (port->flags & DVS_PORT_BRIDGE)
		p->bridge = 1;
	if (!(port->flags & DVS_PORT_TAGGED_ONLY) || (dvs_is_link_local(p->dst) && p->dst >> 40))
		return DVS_OK;
	return p->uplink && p->dst == DVS_CDP_GROUP ? DVS_OK : DVS_DROP_NIV_UNTAGGED;
}

static INL int dvs_niv_check(const struct dvs_pkt *p)
{
	if (p->niv_bad)
		return p->niv_bad;
	if (p->niv == DVS_NIV_VNTAG && (p->niv_word & DVS_VNTAG_VERSION))
		return DVS_DROP_NIV_VERSION;
	return dvs_niv_nested(p) ? DVS_DROP_NIV_NESTED : DVS_OK;
}

/* On a VIS: the port whose VIF sent it. */
static INL int dvs_niv_from_host(struct dvs_pkt *p)
{
	__u32 lport, wrong = p->niv == DVS_NIV_VNTAG ? DVS_VNTAG_DOWN : DVS_NIV_SOURCE << 16 | DVS_ETAG_LIST;

	if (p->niv_word & wrong)
		return DVS_DROP_NIV_DIRECTION;
	lport = dp_vif(p->lport << 16 | (p->niv_word & DVS_NIV_SOURCE));
	if (!lport)
		return DVS_DROP_NIV_UNKNOWN_VIF;
	p->lport = p->nic = lport;
	p->by_link = p->uplink = 0;
	return DVS_OK;
}

/* On an IV: the vNIC, or the vNICs, that it is for. */
static INL int dvs_niv_from_bridge(struct dvs_pkt *p)
{
	__u32 word = p->niv_word, list, to, found;

	if (p->niv == DVS_NIV_VNTAG) {
		if (!(word & DVS_VNTAG_DOWN))
			return DVS_DROP_NIV_DIRECTION;
		list = word & DVS_VNTAG_LIST;
		to = word >> 16 & DVS_NIV_TARGET;
		p->vif = word & DVS_VNTAG_LOOPED ? word & DVS_NIV_SOURCE : 0;
	} else {
		list = word & DVS_ETAG_LIST;
		to = word & DVS_NIV_TARGET;
		p->vif = word >> 16 & DVS_NIV_SOURCE;
	}
	found = dp_vif(p->lport << 16 | (list ? DVS_VIF_LIST : 0) | to);
	if (!to || !found)
		return DVS_DROP_NIV_UNKNOWN_VIF;
	if (!list && p->vif == to)
		return DVS_DROP_NIV_LOOPED;
	p->niv_way = DVS_NIV_DOWN;
	p->flood = !!list;
	p->list = list ? found : 0;
	p->out = list ? 0 : found;
	return DVS_OK;
}

static INL int dvs_niv_at_link(const struct dvs_pkt *p)
{
	const struct dvs_port *port = dp_port(p->lport);

	return port && (port->flags & DVS_NIV_LINK);
}

/* Whose is it?  Before anything is counted. */
static INL int dvs_niv_enter(struct dvs_pkt *p)
{
	const struct dvs_port *port = dp_port(p->lport);
	int reason;

	if (!port)
		return DVS_OK;
	p->by_link = 1;
	p->uplink = !!(port->flags & DVS_PORT_UPLINK);
	if (!p->niv)
		return dvs_niv_untagged(p, port);
	if (port->flags & DVS_PORT_BLOCKED)
		return DVS_DROP_PORT_BLOCKED;
	reason = dvs_niv_check(p);
	if (reason)
		return reason;
	return port->flags & DVS_PORT_BRIDGE ? dvs_niv_from_host(p) : dvs_niv_from_bridge(p);
}

/* --- on an IV ----------------------------------------------------------------------------------------------------- */

/* From a vNIC, of which nobody asks here what it may send: that is the VIS's to say. */
static INL int dvs_niv_up(struct dvs_pkt *p, const struct dvs_port *port, __u32 mtu)
{
	if (port->flags & DVS_PORT_BLOCKED)
		return DVS_DROP_PORT_BLOCKED;
	if (dvs_admit_size(p, mtu))
		return DVS_DROP_OVERSIZE;
	if (dvs_niv_nested(p))
		return DVS_DROP_NIV_NESTED;
	if (!port->link || !port->vif)
		return DVS_DROP_NO_VIF;
	p->niv_way = DVS_NIV_UP;
	p->vif = port->vif;
	p->out = port->link;
	return DVS_OK;
}

/* By a link.  While this host still switches by itself, what it sent has been given to its own ports already, and floods
 * come without a tag, too. */
static INL int dvs_niv_down(struct dvs_pkt *p, __u32 control_flags)
{
	const struct dvs_port *port = p->out ? dp_port(p->out) : 0;

	if (!(control_flags & DVS_CTL_NIV)) {
		if (dp_mac(dvs_mac_key(p->src, DVS_VLAN_ANY)))
			return DVS_DROP_RPF_LOCAL_SRC;
		if (p->flood || dvs_is_multicast(p->dst))
			return DVS_DROP_NIV_TWICE;
	}
	p->vlan = p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_VID : 0;
	p->own_mac = port && p->dst == dvs_load_mac(port->mac);
	return DVS_OK;
}

/* Without a tag, to a host that does not switch any more: the VIS sends floods with one, too, until it has heard that. */
static INL int dvs_niv_plain(const struct dvs_pkt *p, const struct dvs_port *port, __u32 control_flags)
{
	int twice = (control_flags & DVS_CTL_NIV) && (port->flags & DVS_PORT_EXTENDER) && dvs_is_multicast(p->dst);

	return twice ? DVS_DROP_NIV_TWICE : DVS_OK;
}

/* Is this port of the list that it is for one of its receivers? */
static INL int dvs_niv_wants(const struct dvs_pkt *p, const struct dvs_port *port)
{
	return (port->flags & DVS_PORT_USED) && (!p->vif || port->vif != p->vif);
}

static INL __u16 dvs_priority(const struct dvs_pkt *p)
{
	return p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_PRIORITY : 0;
}

static INL int dvs_niv_open(const struct dvs_port *port)
{
	if (!(port->flags & DVS_PORT_USED))
		return DVS_DROP_NO_PORT;
	if (port->flags & DVS_PORT_BLOCKED)
		return DVS_DROP_PORT_BLOCKED;
	return port->flags & DVS_PORT_LINK_UP ? DVS_OK : DVS_DROP_LINK_DOWN;
}

/* A copy on an IV: with its 802.1Q tag as it came. */
static INL int dvs_niv_receive(const struct dvs_pkt *p, const struct dvs_port *port, struct dvs_copy *copy)
{
	__u32 source = p->vif;
	int reason = dvs_niv_open(port);

	copy->tagged = p->tag_present && !p->tag_foreign;
	copy->tci = copy->tagged ? p->tci : 0;
	if (reason || p->niv_way == DVS_NIV_DOWN)
		return reason;
	copy->niv = dvs_niv_of(port);
	if (!copy->niv)
		return DVS_DROP_NO_VIF;
	copy->niv_word = copy->niv == DVS_NIV_VNTAG ? source : (__u32)dvs_priority(p) << 16 | source;
	copy->padded = 1;
	return DVS_OK;
}

/* --- on a VIS ----------------------------------------------------------------------------------------------------- */

/* By which link do the frames of the port that it came by come?  (On a host that is to become an IV, but still switches,
 * ports have links too.) */
static INL void dvs_niv_origin(struct dvs_pkt *p, const struct dvs_port *port)
{
	const struct dvs_port *link = port->link ? dp_port(port->link) : 0;

	p->reflective = !!(port->flags & DVS_PORT_REFLECTIVE);
	if (!link || !(link->flags & DVS_PORT_BRIDGE))
		return;
	p->link = port->link;
	p->vif = port->vif;
}

/* Would the host that sent it get it back by the other road, with the tag or without, on the same link? */
static INL int dvs_niv_same_link(const struct dvs_pkt *p, __u32 lport, const struct dvs_port *port)
{
	return (p->link && lport == p->link) || (p->bridge && port->link == p->lport);
}

/* Tag for a VIF, or (list) for a list of them. */
static INL __u32 dvs_niv_word(const struct dvs_pkt *p, __u32 niv, __u32 link, __u32 to, int list)
{
	__u32 source = p->link == link ? p->vif : 0;

	if (niv == DVS_NIV_ETAG)
		return ((__u32)dvs_priority(p) | source) << 16 | to;
	return DVS_VNTAG_DOWN | (list ? DVS_VNTAG_LIST : 0) | to << 16 | (source ? DVS_VNTAG_LOOPED | source : 0);
}

/* How a copy that the port may have leaves: a VIF's by its link. */
static INL int dvs_niv_leave(const struct dvs_pkt *p, const struct dvs_port *port, struct dvs_copy *copy)
{
	const struct dvs_port *link = port->link ? dp_port(port->link) : 0;
	int reason;

	if ((port->flags & DVS_NIV_LINK) && !copy->tagged && !p->tag_foreign && dvs_is_niv_type(p->ethertype))
		return DVS_DROP_NIV_NESTED;
	if (!link || !(link->flags & DVS_PORT_BRIDGE))
		return DVS_OK;
	reason = dvs_niv_open(link);
	if (reason)
		return reason;
	copy->niv = dvs_niv_of(link);
	if (!port->vif || !copy->niv)
		return DVS_DROP_NO_VIF;
	copy->niv_word = dvs_niv_word(p, copy->niv, port->link, port->vif, 0);
	copy->link = port->link;
	copy->padded = 1;
	return DVS_OK;
}

/* Key of the list that an entry of a member list stands for. */
static INL __u32 dvs_vifs_list(__u32 entry) { return DVS_LIST_VIFS * 4096 + (entry & DVS_RECEIVERS_NUMBER); }

/* The copy, judged for one of the list, becomes that of all. */
static INL void dvs_niv_to_list(const struct dvs_pkt *p, const struct dvs_members *list, struct dvs_copy *copy)
{
	copy->niv_word = dvs_niv_word(p, copy->niv, list->link, list->vif, 1);
}

#endif
