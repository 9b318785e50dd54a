/* SPDX-License-Identifier: Apache-2.0
 *
 * Hostile superframes for src/offload.h, under the sanitizers: whatever a guest writes into its offload header, no byte
 * outside the frame is touched, and the segments of what is accepted add up to the payload with right checksums.
 */
#include <stdio.h>
#include <stdlib.h>

#include "offload.h"

static __u64 state = 88172645463325252ULL;

static __u32 next(__u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (__u32)(state % below);
}

static void fill(__u8 *frame, __u32 len)
{
	static const __u16 types[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806 };
	__u32 i;

	for (i = 0; i < len; i++)
		frame[i] = (__u8)next(256);
	if (len >= 14)
		store_be16(frame + 12, types[next(5)]);
	if (len >= 18 && next(2))
		store_be16(frame + 16, types[next(2)]);
}

static void require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "wrong: %s\n", what);
	exit(1);
}

/* A finished segment's transport checksum sums to zero over pseudo header, header and payload. */
static void check_segment(const struct cut *cut, const __u8 *frame, __u32 i)
{
	__u32 bytes = cut_bytes(cut, i), l4_bytes = cut->payload - cut->l4 + bytes;
	__u8 *head = malloc(cut->payload);
	__u64 sum;

	cut_headers(cut, frame, i, head);
	sum = sum_bytes(head + cut->l4, cut->payload - cut->l4, cut_pseudo(cut, head, l4_bytes));
	sum = sum_bytes(frame + cut->payload + i * cut->gso, bytes, sum);
	require(sum_fold(sum) == 0, "transport checksum");
	if (!cut->ipv6)
		require(sum_fold(sum_bytes(head + cut->l3, cut->l4 - cut->l3, 0)) == 0, "IPv4 checksum");
	free(head);
}

static __u32 try_cut(const __u8 *frame, __u32 len)
{
	__u32 i, total = 0, l4 = next(2) ? 14 + 20 * (1 + next(2)) + 4 * next(2) : next(0x10000);
	struct cut cut;

	if (cut_plan(frame, len, l4, next(4) ? 1 + next(2000) : next(0x10000), next(2), &cut))
		return 0;
	for (i = 0; i < cut_count(&cut); i++) {
		check_segment(&cut, frame, i);
		total += cut_bytes(&cut, i);
	}
	require(total == len - cut.payload, "segments do not add up to the payload");
	return 1;
}

int main(void)
{
	__u32 round, len, cuts = 0, finished = 0;
	__u8 *frame;

	for (round = 0; round < 100000; round++) {
		len = next(20) ? next(400) : next(9000);
		frame = malloc(len ? len : 1); /* exactly as long: the sanitizer sees one byte too far */
		fill(frame, len);
		cuts += try_cut(frame, len);
		finished += !finish_checksum(frame, len, next(len + 20), next(40));
		free(frame);
	}
	printf("%u cut, %u finished\n", cuts, finished);
	return cuts > 1000 && finished > 1000 ? 0 : 1;
}
