/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-2-4: a keyed hash of 64 bits, short and quick, by which mobility.c knows frames of its peers from those of
 * anybody else.
 */
#ifndef DVS_SIPHASH_H
#define DVS_SIPHASH_H

#include <linux/types.h>
#include <string.h>

#define SIP_KEY 16

struct sip {
	__u64 a, b, c, d;
};

static inline __u64 sip_rotate(__u64 word, int by) { return word << by | word >> (64 - by); }

static inline void sip_rounds(struct sip *s, int n)
{
	while (n--) {
		s->a += s->b;
		s->b = sip_rotate(s->b, 13) ^ s->a;
		s->a = sip_rotate(s->a, 32);
		s->c += s->d;
		s->d = sip_rotate(s->d, 16) ^ s->c;
		s->a += s->d;
		s->d = sip_rotate(s->d, 21) ^ s->a;
		s->c += s->b;
		s->b = sip_rotate(s->b, 17) ^ s->c;
		s->c = sip_rotate(s->c, 32);
	}
}

static inline void sip_word(struct sip *s, __u64 word)
{
	s->d ^= word;
	sip_rounds(s, 2);
	s->a ^= word;
}

static inline __u64 siphash(const __u8 key[SIP_KEY], const void *bytes, size_t n)
{
	const __u8 *at = bytes, *whole = at + (n & ~(size_t)7);
	__u64 low, high, word, last = (__u64)n << 56;
	struct sip s;

	memcpy(&low, key, 8);
	memcpy(&high, key + 8, 8);
	s.a = low ^ 0x736f6d6570736575ULL;
	s.b = high ^ 0x646f72616e646f6dULL;
	s.c = low ^ 0x6c7967656e657261ULL;
	s.d = high ^ 0x7465646279746573ULL;
	for (; at < whole; at += 8) {
		memcpy(&word, at, 8);
		sip_word(&s, word);
	}
	word = 0;
	memcpy(&word, at, n & 7);
	sip_word(&s, last | word);
	s.c ^= 0xff;
	sip_rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}

#endif
