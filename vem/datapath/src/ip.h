/* SPDX-License-Identifier: Apache-2.0
 *
 * What the switch reads of a frame beyond its Ethernet header: addresses for a team's hash (S-133 to S-136), the group a
 * multicast packet is for, and whether it is a membership report (S-232 to S-237).  Nothing here follows fragments or
 * other extension headers than the one that MLD has to have.
 */
#ifndef DVS_IP_H
#define DVS_IP_H

#include "packet.h"

#define DVS_IPV4 0x0800
#define DVS_IPV6 0x86dd
#define DVS_IPV4_BYTES 20
#define DVS_IPV6_BYTES 40
#define DVS_READ_BYTES (DVS_ETH_HLEN + 4 + 60 + 1) /* the farthest byte that is read here: IGMP behind all options */

#define DVS_IGMP 2
#define DVS_ICMPV6 58

/* The IP header, or what is where it would be; behind a second tag (S-046). */
static INL const __u8 *dvs_l3(const struct dvs_pkt *p, __u16 *type)
{
	const __u8 *at = p->data + DVS_ETH_HLEN;

	*type = p->ethertype;
	if (!dvs_is_tag(*type) || at + 4 > p->end)
		return at;
	*type = dvs_load_be16(at + 2);
	return at + 4;
}

/* Last octets of the addresses; of what is not IP, the words where IPv4 has them; of what is too short, 0. */
static INL __u32 dvs_ip_hash(const struct dvs_pkt *p)
{
	__u16 type;
	const __u8 *l3 = dvs_l3(p, &type);

	if (type == DVS_IPV6)
		return l3 + DVS_IPV6_BYTES > p->end ? 0 : l3[23] ^ l3[39];
	if (l3 + DVS_IPV4_BYTES > p->end)
		return 0;
	if (type == DVS_IPV4)
		return l3[15] ^ l3[19];
	return dvs_load_be32(l3 + 12) ^ dvs_load_be32(l3 + 16);
}

static INL int dvs_igmp_is_report(const __u8 *l3, const __u8 *end)
{
	__u32 header = (l3[0] & 0x0f) * 4;
	const __u8 *igmp = l3 + header;

	if (l3[9] != DVS_IGMP || igmp + 1 > end)
		return 0;
	return *igmp == 0x12 || *igmp == 0x16 || *igmp == 0x17 || *igmp == 0x22; /* v1, v2, leave, v3 */
}

static INL int dvs_mld_is_report(const __u8 *l3, const __u8 *end)
{
	__u8 type;

	if (l3 + DVS_IPV6_BYTES + 9 > end)
		return 0;
	if (l3[6] == DVS_ICMPV6)
		type = l3[40];
	else if (l3[6] == 0 && l3[40] == DVS_ICMPV6 && l3[41] == 0) /* hop-by-hop options of 8 bytes: router alert */
		type = l3[48];
	else
		return 0;
	return type == 131 || type == 132 || type == 143; /* v1, done, v2 */
}

/* Is this a multicast packet's group one that may be registered, and which?  Those that every node listens to
 * (224.0.0.0/24, ff02::1) may not (S-237). */
static INL int dvs_group_of(const struct dvs_pkt *p, __u8 *group, int *report)
{
	__u16 type;
	const __u8 *l3 = dvs_l3(p, &type);

	*report = 0;
	if (type == DVS_IPV4 && l3 + DVS_IPV4_BYTES <= p->end) {
		*report = dvs_igmp_is_report(l3, p->end);
		group[10] = group[11] = 0xff;
		__builtin_memcpy(group + 12, l3 + 16, 4);
		return (l3[16] & 0xf0) == 0xe0 && (l3[16] != 224 || l3[17] || l3[18]);
	}
	if (type == DVS_IPV6 && l3 + DVS_IPV6_BYTES <= p->end) {
		*report = dvs_mld_is_report(l3, p->end);
		__builtin_memcpy(group, l3 + 24, 16);
		return l3[24] == 0xff && !(dvs_load_be32(l3 + 24) == 0xff020000 && !dvs_load_be32(l3 + 28) &&
					   !dvs_load_be32(l3 + 32) && dvs_load_be32(l3 + 36) == 1);
	}
	return 0;
}

#endif
