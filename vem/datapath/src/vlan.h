/* SPDX-License-Identifier: Apache-2.0
 *
 * Which VLAN a frame belongs to when it enters (S-030 to S-047), whether a port carries a VLAN, and which tag a copy
 * leaves with.  VLAN 0 is "untagged": an access port with VLAN 0 is the external-tagging port of the rules (EST), one
 * with 1..4094 is VST, a trunk with native VLAN 0 is VGT.  A trunk with a native VLAN can't carry VLAN 0: what leaves
 * untagged there belongs to the native VLAN.
 */
#ifndef DVS_VLAN_H
#define DVS_VLAN_H

#include "packet.h"

static INL int dvs_carries(const struct dvs_policy *policy, __u32 vlan)
{
	if (policy->mode == DVS_MODE_ACCESS)
		return policy->vlan == vlan;
	if (!vlan && policy->vlan)
		return 0;
	return policy->allowed[(vlan >> 6) & 63] >> (vlan & 63) & 1;
}

static INL int dvs_classify_access(struct dvs_pkt *p, const struct dvs_policy *policy)
{
	if (p->tag_foreign || (p->tag_present && (p->tci & DVS_TCI_VID)))
		return DVS_DROP_VLAN_MISMATCH; /* S-040, S-041, S-045 */
	p->vlan = policy->vlan;
	return DVS_OK;
}

static INL int dvs_classify_trunk(struct dvs_pkt *p, const struct dvs_policy *policy)
{
	__u32 vid = p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_VID : 0;

	if (vid == DVS_VID_RESERVED)
		return DVS_DROP_VLAN_MISMATCH; /* S-044 */
	if (p->tag_foreign && policy->vlan)
		return DVS_DROP_VLAN_MISMATCH; /* a native VLAN takes untagged frames, not foreign tags */
	p->vlan = vid ? vid : policy->vlan;
	return dvs_carries(policy, p->vlan) ? DVS_OK : DVS_DROP_VLAN_MISMATCH; /* S-037, S-039 */
}

static INL int dvs_classify(struct dvs_pkt *p, const struct dvs_policy *policy)
{
	p->priority_tagged = p->tag_present && !p->tag_foreign && !(p->tci & DVS_TCI_VID);
	if (policy->mode == DVS_MODE_ACCESS)
		return dvs_classify_access(p, policy);
	return dvs_classify_trunk(p, policy);
}

/* The tag a copy leaves with, PCP and DEI kept (S-032 to S-036, S-042, S-043). */
static INL void dvs_egress_tag(const struct dvs_pkt *p, const struct dvs_port *port, const struct dvs_policy *policy,
			       __u32 control_flags, struct dvs_copy *copy)
{
	__u16 priority = p->tag_present && !p->tag_foreign ? p->tci & DVS_TCI_PRIORITY : 0;
	int keep_priority;

	copy->tagged = 0;
	copy->tci = 0;
	if (policy->mode == DVS_MODE_ACCESS)
		return;
	if (p->vlan != policy->vlan) {
		copy->tagged = 1;
		copy->tci = p->vlan | priority;
		return;
	}
	/* a trunk vNIC gets a priority tag as it came; an uplink only when the switch is told to keep it */
	keep_priority = !(port->flags & DVS_PORT_UPLINK) || (priority && (control_flags & DVS_CTL_KEEP_PRIORITY_TAG));
	if (p->priority_tagged && keep_priority) {
		copy->tagged = 1;
		copy->tci = priority;
	}
}

#endif
