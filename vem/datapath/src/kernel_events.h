/* SPDX-License-Identifier: Apache-2.0
 *
 * How the kernel engine tells its agent of frames: copies in BPF ring buffers.  Only kernel.bpf.c includes this.
 */
#ifndef DVS_KERNEL_EVENTS_H
#define DVS_KERNEL_EVENTS_H

#include "kernel_maps.h"
#include "punt.h"
#include "watch.h"

/* The verifier looks at a global function once, whatever the ways that lead to it, and follows no values through the
 * memory it is given: so the stages of a frame (decide, hand to receivers, judge one receiver, tell the agent) cost the
 * sum and not the product of their paths, and a flood's loop costs one round. */
#define STAGE __attribute__((noinline))

/* Bytes of tags that are in the frame now, and of which an agent is told otherwise. */
static INL __u32 kernel_apart(const struct dvs_pkt *p);

/* Copies the first `wanted` bytes of the frame, room for which there is, without the tags behind its MACs; returns how many
 * it has, or 0: it can't be read. */
static INL __u32 kernel_copy_frame(struct __sk_buff *skb, const struct dvs_pkt *p, __u8 *to, __u32 wanted, __u32 room)
{
	__u32 apart = kernel_apart(p), len = skb->len - apart, macs = 0;
	__u64 last = (__u64)(len < wanted ? len : wanted) - 1;

	if (apart && last > 12) {
		if (bpf_skb_load_bytes(skb, 0, to, 12))
			return 0;
		macs = 12;
		last -= 12;
		to += 12;
		room -= 12;
	}
	__asm__("" : "+r"(last)); /* or clang turns this into something whose bounds older verifiers don't see */
	if (last > room - 1 || bpf_skb_load_bytes(skb, macs ? 12 + apart : 0, to, (__u32)last + 1))
		return 0;
	return macs + (__u32)last + 1;
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
	if (!rate || !dvs_punt_allowed(rate, dvs_by_wire(p), now))
		return 0;
	event = bpf_ringbuf_reserve(&dvs_punts, sizeof(*event), 0);
	if (!event) {
		rate->lost++;
		return 0;
	}
	event->time = now;
	dvs_punt_event(p, event);
	event->stored = kernel_copy_frame(skb, p, event->data, DVS_EVENT_DATA, DVS_EVENT_DATA);
	if (event->stored)
		bpf_ringbuf_submit(event, 0);
	else
		bpf_ringbuf_discard(event, 0);
	return 0;
}

/* --- captures --------------------------------------------------------------------------------------------------- */

static INL void kernel_number(struct dvs_pkt *p)
{
	__u32 first = 0;
	__u64 *packets = bpf_map_lookup_elem(&dvs_packets, &first);

	if (packets)
		p->packet = ++*packets | (__u64)bpf_get_smp_processor_id() << 40;
}

STAGE int kernel_capture(struct __sk_buff *skb, struct dvs_pkt *p, struct dvs_site *site)
{
	__u32 first = 0;
	struct dvs_capture *capture = bpf_map_lookup_elem(&dvs_capture, &first);
	struct dvs_event *event;

	if (!DVS_HAS(CAPTURE) || !p || !site || !capture || !dvs_capture_wants(capture, p, site))
		return 0;
	event = bpf_ringbuf_reserve(&dvs_captures, sizeof(*event), 0);
	if (!event) {
		capture->lost++;
		return 0;
	}
	event->time = bpf_ktime_get_ns();
	dvs_capture_event(p, site, event);
	event->stored = kernel_copy_frame(skb, p, event->data, capture->snaplen, DVS_EVENT_DATA);
	if (!event->stored) {
		bpf_ringbuf_discard(event, 0);
		return 0;
	}
	capture->left--;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* --- drops ------------------------------------------------------------------------------------------------------ */

static INL void kernel_keep_drop(struct __sk_buff *skb, const struct dvs_pkt *p, __u32 key)
{
	__u32 first = 0, stored;
	struct dvs_last_drop *drop = bpf_map_lookup_elem(&dvs_last_drops, &key);
	int fresh = !drop;

	if (fresh)
		drop = bpf_map_lookup_elem(&dvs_drop_scratch, &first);
	if (!drop)
		return;
	drop->time = bpf_ktime_get_ns();
	dvs_last_drop_fill(p, drop);
	stored = kernel_copy_frame(skb, p, drop->head, DVS_DROP_HEAD, DVS_DROP_HEAD);
	if (!stored)
		return;
	drop->stored = stored;
	if (fresh)
		bpf_map_update_elem(&dvs_last_drops, &key, drop, BPF_ANY);
}

/* A frame (DVS_IN) or a copy (DVS_OUT) that was dropped at a port. */
STAGE int kernel_dropped(struct __sk_buff *skb, struct dvs_pkt *p, __u32 lport, __u32 direction, __u32 reason)
{
	struct dvs_site site = { .point = DVS_AT_DROP, .lport = lport, .reason = reason };

	if (!p)
		return 0;
	kernel_keep_drop(skb, p, dvs_last_drop_key(lport, direction, reason));
	if (!DVS_HAS(CAPTURE) || !p->capture)
		return 0;
	if (direction == DVS_OUT)
		dvs_site_inside(&site, p);
	else
		dvs_site_came(&site, p);
	return kernel_capture(skb, p, &site);
}

/* After the decision, which is `reason`: the points up to there. */
STAGE int kernel_entered(struct __sk_buff *skb, struct dvs_pkt *p, __u32 reason)
{
	struct dvs_site site = {};

	if (!DVS_HAS(CAPTURE) || !p)
		return 0;
	kernel_number(p);
	site.lport = p->lport;
	dvs_site_came(&site, p);
	site.point = p->uplink ? DVS_AT_UPLINK_RCV : DVS_AT_VNIC_TX;
	kernel_capture(skb, p, &site);
	site.point = DVS_AT_PORT_INPUT;
	kernel_capture(skb, p, &site);
	if (reason)
		return 0;
	site.point = DVS_AT_DISPATCH;
	dvs_site_inside(&site, p);
	return kernel_capture(skb, p, &site);
}

/* A receiver's copy has been judged; drops are told by kernel_dropped(). */
STAGE int kernel_left(struct __sk_buff *skb, struct dvs_pkt *p, struct dvs_copy *copy)
{
	struct dvs_site site = { .point = DVS_AT_PORT_OUTPUT };
	const struct dvs_port *port;

	if (!DVS_HAS(CAPTURE) || !p || !copy)
		return 0;
	site.lport = copy->lport;
	dvs_site_inside(&site, p);
	kernel_capture(skb, p, &site);
	port = dp_port(copy->lport);
	if (copy->reason || !port)
		return 0;
	site.point = port->flags & DVS_PORT_UPLINK ? DVS_AT_UPLINK_SND : DVS_AT_VNIC_RX;
	dvs_site_goes(&site, p, copy);
	return kernel_capture(skb, p, &site);
}

#endif
