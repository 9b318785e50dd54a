/* SPDX-License-Identifier: Apache-2.0
 *
 * How the kernel engine tells its agent of frames: copies in BPF ring buffers.  Only kernel.bpf.c includes this.
 */
#ifndef DVS_KERNEL_EVENTS_H
#define DVS_KERNEL_EVENTS_H

#include "kernel_maps.h"
#include "punt.h"

/* The verifier looks at a global function once, whatever the ways that lead to it, and follows no values through the
 * memory it is given: so the stages of a frame (decide, hand to receivers, judge one receiver, tell the agent) cost the
 * sum and not the product of their paths, and a flood's loop costs one round. */
#define STAGE __attribute__((noinline))

/* Copies the first `wanted` bytes of the frame into the event; its tag is out of band. */
static INL int kernel_copy_frame(struct __sk_buff *skb, struct dvs_event *event, __u32 wanted)
{
	__u64 n = skb->len < wanted ? skb->len : wanted;

	if (n > DVS_EVENT_DATA)
		n = DVS_EVENT_DATA;
	__asm__("" : "+r"(n)); /* or clang derives the lower bound elsewhere than where the verifier needs it */
	if (n < 1 || n > DVS_EVENT_DATA)
		return -1;
	event->stored = (__u32)n;
	return (int)bpf_skb_load_bytes(skb, 0, event->data, (__u32)n);
}

STAGE int kernel_punt(struct __sk_buff *skb, struct dvs_pkt *p)
{
	struct dvs_punt_rate *rate;
	struct dvs_event *event;
	__u32 lport;
	__u64 now = bpf_ktime_get_ns();

	if (!p)
		return 0;
	lport = p->nic;
	rate = bpf_map_lookup_elem(&dvs_punt_rates, &lport);
	if (!rate || !dvs_punt_allowed(rate, p->uplink, now))
		return 0;
	event = bpf_ringbuf_reserve(&dvs_punts, sizeof(*event), 0);
	if (!event) {
		rate->lost++;
		return 0;
	}
	event->time = now;
	dvs_punt_event(p, event);
	if (kernel_copy_frame(skb, event, DVS_EVENT_DATA))
		bpf_ringbuf_discard(event, 0);
	else
		bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
