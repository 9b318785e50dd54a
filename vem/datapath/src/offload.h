/* SPDX-License-Identifier: Apache-2.0
 *
 * What a NIC would have done: unfinished checksums and superframes of guests, finished in software for receivers that
 * can't take them (wires and taps).  Pure functions over bytes; user_tx.h calls them.
 *
 * Sums are kept in the machine's byte order: the Internet checksum does not care (RFC 1071).
 */
#ifndef DVS_OFFLOAD_H
#define DVS_OFFLOAD_H

#include <string.h>

#include "packet.h"

#define CUT_HEADERS 256 /* longest headers that can be repeated on each segment */
#define CUT_TCP 6
#define CUT_UDP 17

static inline __u64 sum_bytes(const __u8 *p, __u32 n, __u64 sum)
{
	__u32 word;
	__u16 half = 0;

	for (; n >= 4; n -= 4, p += 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (n >= 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
		n -= 2;
	}
	half = 0;
	if (n)
		memcpy(&half, p, 1);
	return sum + half;
}

static inline __u16 sum_fold(__u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static inline void store_be16(__u8 *p, __u32 v)
{
	p[0] = (__u8)(v >> 8);
	p[1] = (__u8)v;
}

static inline void store_be32(__u8 *p, __u32 v)
{
	store_be16(p, v >> 16);
	store_be16(p + 2, v);
}

static inline __u32 load_be32(const __u8 *p) { return (__u32)dvs_load_be16(p) << 16 | dvs_load_be16(p + 2); }

/* Completes a checksum whose field holds the sum of the pseudo header (CHECKSUM_PARTIAL).  0, or it lies outside. */
static inline int finish_checksum(__u8 *frame, __u32 len, __u32 start, __u32 offset)
{
	__u16 sum;

	if (start >= len || start + offset + 2 > len)
		return -1;
	sum = sum_fold(sum_bytes(frame + start, len - start, 0));
	if (!sum)
		sum = 0xffff; /* 0 would mean "none" to UDP, and is the same to TCP */
	memcpy(frame + start + offset, &sum, 2);
	return 0;
}

/* Where the layers of a superframe are. */
struct cut {
	__u32 l3, l4, payload; /* offsets from the destination MAC */
	__u32 len, gso;
	__u8 ipv6, udp;
};

static inline __u32 cut_l3(const __u8 *frame, __u32 len, __u16 *ethertype)
{
	__u32 at = 12;

	while (at + 6 <= len && dvs_is_tag(dvs_load_be16(frame + at)))
		at += 4;
	*ethertype = at + 2 <= len ? dvs_load_be16(frame + at) : 0;
	return at + 2;
}

/* l4 is the vnet header's csum_start.  0, or this is nothing that can be cut. */
static inline int cut_plan(const __u8 *frame, __u32 len, __u32 l4, __u32 gso, int udp, struct cut *cut)
{
	__u16 ethertype;

	cut->l3 = cut_l3(frame, len, &ethertype);
	cut->ipv6 = ethertype == 0x86dd;
	cut->udp = !!udp;
	cut->l4 = l4;
	cut->len = len;
	cut->gso = gso;
	if (!gso || (ethertype != 0x0800 && !cut->ipv6) || l4 < cut->l3 + (cut->ipv6 ? 40 : 20) || l4 + 20 > len)
		return -1;
	cut->payload = l4 + (udp ? 8 : (frame[l4 + 12] >> 4) * 4);
	if (!udp && cut->payload < l4 + 20)
		return -1;
	return cut->payload >= len || cut->payload > CUT_HEADERS ? -1 : 0;
}

static inline __u32 cut_count(const struct cut *cut)
{
	return (cut->len - cut->payload + cut->gso - 1) / cut->gso;
}

static inline __u32 cut_bytes(const struct cut *cut, __u32 i)
{
	__u32 rest = cut->len - cut->payload - i * cut->gso;

	return rest < cut->gso ? rest : cut->gso;
}

static inline void cut_ipv4(const struct cut *cut, __u8 *head, __u32 i, __u32 bytes)
{
	__u8 *ip = head + cut->l3;
	__u16 sum;

	store_be16(ip + 2, cut->payload - cut->l3 + bytes);
	store_be16(ip + 4, dvs_load_be16(ip + 4) + i);
	store_be16(ip + 10, 0);
	sum = sum_fold(sum_bytes(ip, cut->l4 - cut->l3, 0));
	memcpy(ip + 10, &sum, 2);
}

static inline __u64 cut_pseudo(const struct cut *cut, const __u8 *head, __u32 bytes)
{
	const __u8 *ip = head + cut->l3;
	__u8 tail[4] = { 0, cut->udp ? CUT_UDP : CUT_TCP, 0, 0 };

	store_be16(tail + 2, bytes);
	return sum_bytes(tail, 4, cut->ipv6 ? sum_bytes(ip + 8, 32, 0) : sum_bytes(ip + 12, 8, 0));
}

static inline void cut_tcp(const struct cut *cut, __u8 *head, __u32 i)
{
	__u8 *tcp = head + cut->l4;

	store_be32(tcp + 4, load_be32(tcp + 4) + i * cut->gso);
	if (i + 1 < cut_count(cut))
		tcp[13] &= (__u8)~0x09; /* FIN and PSH belong to the last segment */
	if (i)
		tcp[13] &= (__u8)~0x80; /* CWR to the first */
}

/* Writes the headers of segment i, complete with lengths and checksums; its payload starts at payload + i * gso. */
static inline void cut_headers(const struct cut *cut, const __u8 *frame, __u32 i, __u8 *head)
{
	__u32 bytes = cut_bytes(cut, i), l4_bytes = cut->payload - cut->l4 + bytes;
	__u32 check = cut->l4 + (cut->udp ? 6 : 16);
	__u64 sum;
	__u16 folded;

	memcpy(head, frame, cut->payload);
	if (cut->ipv6)
		store_be16(head + cut->l3 + 4, cut->payload - cut->l3 - 40 + bytes);
	else
		cut_ipv4(cut, head, i, bytes);
	if (cut->udp)
		store_be16(head + cut->l4 + 4, l4_bytes);
	else
		cut_tcp(cut, head, i);
	store_be16(head + check, 0);
	sum = sum_bytes(head + cut->l4, cut->payload - cut->l4, cut_pseudo(cut, head, l4_bytes));
	folded = sum_fold(sum_bytes(frame + cut->payload + i * cut->gso, bytes, sum));
	if (!folded)
		folded = 0xffff;
	memcpy(head + check, &folded, 2);
}

#endif
