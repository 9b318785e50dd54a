/* SPDX-License-Identifier: Apache-2.0
 *
 * The one list of drop reasons.
 *
 * From this list come the C enum (abi.h), the counter slots, the CLI word and the help sentence
 * (dvswitch/drops.py is generated from this file by `make proto`).  A number is never reused: new reasons go
 * to the end.  DVS_DROP_SLOTS in abi.h is the capacity.
 *
 * X(NAME, "sentence for people: what happened and what to look at")
 */
#ifndef DVS_DROPS_H
#define DVS_DROPS_H

#define DVS_DROP_REASONS(X) \
	X(RUNT, "shorter than an Ethernet header (14 bytes)") \
	X(OVERSIZE, "longer than the switch MTU allows; compare the guest's MTU with the switch's") \
	X(SRC_MAC_INVALID, "source MAC is multicast, broadcast or all zero") \
	X(PORT_BLOCKED, "the port is blocked: profile or interface is shut down, disabled or not yet activated") \
	X(LINK_DOWN, "the receiver's link is down") \
	X(FORGED_TX, "source MAC is not the vNIC's own and forged transmits are rejected") \
	X(MAC_CHANGED, "the guest changed its MAC and MAC changes are rejected") \
	X(VLAN_MISMATCH, "the frame's VLAN is not carried by this port; check access VLAN, allowed list and native VLAN") \
	X(PVLAN, "private VLAN roles forbid this pair of ports") \
	X(RESERVED_MCAST, "link-local control frame (01-80-C2-00-00-0x) that a switch never forwards") \
	X(BPDU_GUARD, "spanning-tree BPDU sent by a guest") \
	X(RPF_LOCAL_SRC, "came in by an uplink with the source MAC of a local port: our own frame reflected by the network") \
	X(UPLINK_INACTIVE, "no usable uplink for this port, or it came by an uplink that the port's team does not use") \
	X(REVERSE_TEAMING, "came by another uplink than the one the receiving port is pinned to") \
	X(UNKNOWN_UNICAST, "no port owns the destination MAC in this VLAN") \
	X(MCAST_FILTER, "the receiver did not join this multicast group") \
	X(MAC_LIMIT, "the port's limit of learned MACs is reached") \
	X(PORT_SECURITY, "source MAC belongs to another port") \
	X(DHCP_SNOOP, "DHCP snooping: not allowed from an untrusted port") \
	X(IPSG, "IP source guard: address is not bound to this port") \
	X(DAI, "ARP inspection: address is not bound to this port") \
	X(ACL_DENY, "denied by an access list") \
	X(SHAPER_OVERFLOW, "over the port's rate and its queue is full") \
	X(MIRROR_DST, "the port is a mirror destination and takes no other traffic") \
	X(SAME_PORT, "the destination is the port that the frame came from") \
	X(NO_RECEIVER, "no other port carries this VLAN") \
	X(TX_ERROR, "the receiving NIC refused the frame or its queue was full") \
	X(NO_PORT, "came from a NIC that is not a port of this switch") \
	X(STORM, "over the storm-control rate") \
	X(MOVED_AWAY, "the network still delivered here what is for a vEth that has moved; `mobility forward` would pass it on") \
	X(MOVE_OVERFLOW, "there was no room to keep the frame until the vEth that it concerns had moved") \
	X(MOVE_EXPIRED, "kept for a vEth that was to move, but it was not activated in time") \
	X(NIV_UNTAGGED, "came by a NIV link without the tag agreed on there, so it is no VIF's; compare both ends' tagging") \
	X(NIV_DIRECTION, "its NIV tag is for the other direction: two bridges, or two hosts, face each other on this link") \
	X(NIV_VERSION, "its VNTag has another version than 0") \
	X(NIV_UNKNOWN_VIF, "its NIV tag names a VIF, or a list, that there is not on this link") \
	X(NIV_LOOPED, "a unicast frame that came back to the VIF that sent it") \
	X(NIV_NESTED, "begins with a NIV tag of its own, which would be taken for ours on the link") \
	X(NO_VIF, "the port has no VIF on a NIV link yet; `show niv` tells how it stands") \
	X(NIV_TWICE, "a flood to a host whose mode is changing, which comes with a NIV tag and without: the one that is too many")

#endif
