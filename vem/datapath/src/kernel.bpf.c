/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel engine's driver: the pipeline as a tc program, at the ingress of every plugged NIC.
 *
 *   dvs_switch  live: takes frames from NICs, sends them by redirect
 *   dvs_test    the same pipeline under BPF_PROG_TEST_RUN: counts and learns, but records copies instead of sending
 *
 * trace.bpf.c includes this file to make of dvs_test what neither counts nor learns, and writes down the steps.
 *
 * Here is what the pipeline does not know: that the kernel keeps the outer tag of a frame beside it (skb metadata), that
 * superframes have a gso_size, and how copies are made.  The frame is never copied for its last receiver.
 */
#define DVS_ONCE __attribute__((noinline))
#include "kernel_maps.h"
#include "pipeline.h"
#include "kernel_events.h"
#include "kernel_niv.h"
#include <bpf/bpf_endian.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#define TEST_LPORT 0  /* skb->cb[] of a test run: ingress port ... */
#define TEST_CUT 1    /* ... and the frame's true length less that of what is given (only the head of a long one) */
#define XMIT_CN 2     /* NET_XMIT_CN: sent, though the queue is getting full */

/* A frame on its way to its receivers. */
struct job {
	struct dvs_pkt p;
	struct dvs_copy waiting; /* a receiver still to be served: lport 0 = none */
	__u16 copies;
	__u16 tci;     /* the outer tag as it is now */
	__u8 tagged;
	__u8 dropped;  /* the reason; only a mirror gets it */
	__u8 direct;   /* the waiting copy is for the port whose own MAC the frame is for */
	__u8 padded;   /* bytes that were added so far */
};

/* What a stage has at hand besides: pointers, which have no place in a struct job. */
struct way {
	struct __sk_buff *skb;
	struct job *job;
	const struct dvs_members *members;
	const struct dvs_members *served; /* the group's, while promiscuous ports are looked for */
};

/* --- telling the agent ------------------------------------------------------------------------------------------ */

#ifdef DVS_TRACING /* tells nobody */
#define watch_decision(skb, p, reason) ((void)(reason))
#define watch_copy(way, copy) ((void)(copy))
#define watch_drop(skb, p, lport, direction, reason) ((void)(p))
#else

static INL void watch_drop(struct __sk_buff *skb, struct dvs_pkt *p, __u32 lport, __u32 direction, __u32 reason)
{
	kernel_dropped(skb, p, lport, direction, reason);
}

/* After the decision. */
static INL void watch_decision(struct __sk_buff *skb, struct dvs_pkt *p, int reason)
{
	if (p->punt)
		kernel_punt(skb, p);
	if (DVS_HAS(CAPTURE) && p->capture)
		kernel_entered(skb, p, reason);
	if (reason)
		watch_drop(skb, p, p->lport, DVS_IN, reason);
}

/* After a receiver's copy was judged. */
static INL void watch_copy(const struct way *way, struct dvs_copy *copy)
{
	struct dvs_pkt *p = &way->job->p;

	if (DVS_HAS(CAPTURE) && p->capture)
		kernel_left(way->skb, p, copy);
	if (copy->reason)
		watch_drop(way->skb, p, copy->lport, DVS_OUT, copy->reason);
}

#endif

/* --- taking a frame in ------------------------------------------------------------------------------------------ */

/* Live frames come with the outer tag out of band; test runs with it in the frame.  Pop and push moves it out. */
static INL int hoist_tag(struct __sk_buff *skb)
{
	const __u8 *data = (const __u8 *)(long)skb->data;
	const __u8 *end = (const __u8 *)(long)skb->data_end;
	__u16 type, tci;

	if (skb->vlan_present || data + DVS_ETH_HLEN + 4 > end)
		return 0;
	type = dvs_load_be16(data + 12);
	if (type != DVS_TPID_8021Q && type != DVS_TPID_8021AD)
		return 0;
	tci = dvs_load_be16(data + 14);
	if (bpf_skb_vlan_pop(skb))
		return -1;
	return bpf_skb_vlan_push(skb, bpf_htons(type), tci);
}

/* A frame that the mobility program hands in: takes the service tag off, which says what it is. */
static INL int take_service(struct dvs_pkt *p, struct __sk_buff *skb, __u32 lport)
{
	const struct dvs_port *port;

	if (!skb->vlan_present || skb->vlan_proto != bpf_htons(DVS_TPID_8021AD))
		return 0;
	port = dp_port(lport);
	if (!port || !(port->flags & DVS_PORT_TUNNEL))
		return 0;
	p->service = skb->vlan_tci;
	p->serviced = 1;
	return (int)bpf_skb_vlan_pop(skb);
}

/* How much of the frame the pipeline may read: of most the headers of a superframe; membership reports may be behind
 * many options. */
static INL __u32 head_wanted(const struct __sk_buff *skb)
{
	const __u8 *data = (const __u8 *)(long)skb->data;

	if (!DVS_HAS(READ_IP) || data + 1 > (const __u8 *)(long)skb->data_end || !(data[0] & 1))
		return DVS_PUNT_HEAD;
	return DVS_READ_BYTES;
}

/* Makes the headers that the pipeline reads directly readable, mostly by finding that they are. */
static INL int pull_head(struct __sk_buff *skb, __u32 apart)
{
	__u32 want = head_wanted(skb) + apart;

	if (want > skb->len)
		want = skb->len;
	if ((long)skb->data + want <= (long)skb->data_end)
		return 0;
	return bpf_skb_pull_data(skb, want);
}

/* The frame's bytes, which the steps do not see. */
static INL int is_udp(const struct dvs_pkt *p)
{
	const __u8 *l3 = p->data + DVS_ETH_HLEN;

	if (l3 + 20 > p->end)
		return 0;
	if (p->data[12] == 0x08 && p->data[13] == 0x00)
		return l3[9] == 17;
	return p->data[12] == 0x86 && p->data[13] == 0xdd && l3[6] == 17;
}

static INL int take(struct job *job, struct __sk_buff *skb, __u32 lport)
{
	struct dvs_pkt *p = &job->p;

	p->bank = kernel_bank();
	if (DVS_HAS(MOBILITY) && take_service(p, skb, lport))
		return -1;
	if (DVS_HAS(NIV) && kernel_niv_take(skb, p, lport))
		return -1;
	if (pull_head(skb, DVS_HAS(NIV) ? p->apart : 0))
		return -1;
	p->frame = skb;
	p->data = (const __u8 *)(long)skb->data;
	p->end = (const __u8 *)(long)skb->data_end;
	p->len = skb->len - (DVS_HAS(NIV) ? p->apart : 0);
	p->lport = lport;
	p->gso = skb->gso_size;
	if (skb->vlan_present) {
		p->tag_present = 1;
		p->tag_foreign = skb->vlan_proto != bpf_htons(DVS_TPID_8021Q);
		p->tci = skb->vlan_tci;
	}
	job->tagged = p->tag_present;
	job->tci = p->tci;
	return 0;
}

STAGE int kernel_read(struct __sk_buff *skb, struct dvs_pkt *p, __u32 control_flags)
{
	struct dvs_pkt seen;

	if (!p)
		return 0;
	seen = *p;
	seen.data = (const __u8 *)(long)skb->data + (p->apart & DVS_APART);
	seen.end = (const __u8 *)(long)skb->data_end;
	if (seen.gso)
		seen.gso_udp = is_udp(&seen);
	dvs_read(&seen, control_flags);
	p->segment = seen.segment;
	p->hash = seen.hash;
	p->is = seen.is;
	p->protocol = seen.protocol;
	__builtin_memcpy(p->group, seen.group, sizeof(p->group));
	return 0;
}

static INL void dp_read(struct dvs_pkt *p, __u32 control_flags) { kernel_read(p->frame, p, control_flags); }

/* --- sending ---------------------------------------------------------------------------------------------------- */

/* Gives the frame the tag that this copy leaves with; costs nothing when it has it already. */
static INL int set_tag(const struct way *way, const struct dvs_copy *copy)
{
	struct job *job = way->job;

	if (job->p.tag_foreign || (job->tagged == copy->tagged && (!copy->tagged || job->tci == copy->tci)))
		return 0;
	if (job->tagged && bpf_skb_vlan_pop(way->skb))
		return -1;
	job->tagged = 0;
	if (!copy->tagged)
		return 0;
	if (bpf_skb_vlan_push(way->skb, bpf_htons(DVS_TPID_8021Q), copy->tci))
		return -1;
	job->tagged = 1;
	job->tci = copy->tci;
	return 0;
}

/* Gives the frame the NIV tag that this copy leaves with, and its 802.1Q tag behind that. */
static INL int set_niv(const struct way *way, struct dvs_copy *copy)
{
	struct niv_work *work = niv_work();
	struct job *job = way->job;

	if (!work)
		return -1;
	if (!work->on.niv && !copy->niv)
		return 0;
	if (niv_is_on(&work->on, copy, job->p.tag_foreign))
		return niv_rewrite(way->skb, copy);
	if (work->on.niv) {
		if (kernel_niv_drop(way->skb, &work->on, &job->p))
			return -1;
		job->tagged = job->p.tag_foreign | work->on.own;
		job->tci = work->on.tci;
	}
	if (!copy->niv)
		return 0;
	if (job->tagged && bpf_skb_vlan_pop(way->skb))
		return -1;
	job->tagged = 0;
	return kernel_niv_put(way->skb, &work->on, copy, job->p.tag_foreign ? 0x10000 | job->p.tci : 0);
}

/* By whose NIC the copy leaves. */
static INL __u32 leaves_by(const struct dvs_copy *copy, const struct dvs_port *port)
{
	const struct dvs_port *link = DVS_HAS(NIV) && copy->link ? dp_port(copy->link) : port;

	return link ? link->ifindex : 0;
}

/* Gives the frame the length that this copy leaves with; the copy before may have been padded. */
static INL int set_length(const struct way *way, __u32 lacks)
{
	__u32 before = way->job->padded;

	if (lacks == before)
		return 0;
	if (bpf_skb_change_tail(way->skb, way->skb->len + lacks - before, 0))
		return -1;
	way->job->padded = lacks;
	return 0;
}

/* How a copy leaves. */
struct leave {
	const struct dvs_port *port;
	__u32 ifindex;
	__u32 lacks; /* bytes that were added */
};

/* Makes the frame ready for the receiver's NIC; ifindex 0 = can't be done. */
static INL void prepare(const struct way *way, struct dvs_copy *copy, struct leave *leave)
{
	const struct dvs_port *port = dp_port(copy->lport);

	leave->port = port;
	leave->ifindex = leave->lacks = 0;
	if (!port || !leaves_by(copy, port))
		return;
	if (DVS_HAS(NIV) && set_niv(way, copy))
		return;
	if (!(DVS_HAS(NIV) && copy->niv) && set_tag(way, copy))
		return;
	leave->lacks = dvs_padding(&way->job->p, copy);
	if (set_length(way, leave->lacks))
		return;
	if (DVS_HAS(MOBILITY) && way->job->p.to_tunnel && copy->lport == way->job->p.out &&
	    bpf_skb_vlan_push(way->skb, bpf_htons(DVS_TPID_8021AD), way->job->p.to_tunnel))
		return;
	leave->ifindex = leaves_by(copy, port);
}

static INL void count_copy(const struct way *way, const struct dvs_copy *copy, __u32 lacks, int sent)
{
	struct job *job = way->job;

	if (DVS_HAS(MOBILITY) && job->p.held)
		return;
	if (!sent) {
		dvs_drop_out(copy->lport, DVS_DROP_TX_ERROR);
		watch_drop(way->skb, &job->p, copy->lport, DVS_OUT, DVS_DROP_TX_ERROR);
		return;
	}
	dvs_count_sent(&job->p, copy->lport, dvs_tag_bytes(&job->p, copy));
	if (lacks && !(DVS_HAS(NIV) && copy->link)) /* no frame of the VIF's */
		dvs_count_padding(copy->lport, lacks);
}

/* Sends the waiting copy, which is not the last. */
STAGE int kernel_clone(struct __sk_buff *skb, struct job *job)
{
	struct way way = { .skb = skb, .job = job };
	struct leave leave;
	long error = -1;

	if (!job)
		return 0;
	prepare(&way, &job->waiting, &leave);
	if (leave.ifindex)
		error = bpf_clone_redirect(skb, leave.ifindex, 0);
	count_copy(&way, &job->waiting, leave.lacks, error == 0 || error == XMIT_CN);
	return 0;
}

/* Straight into the guest's namespace, where the receiver is there: without the wait in this CPU's backlog that other
 * copies have.  Only for the owner of the destination, whose frames never take another way (flooded copies do): a flow
 * must not overtake itself. */
static INL int send_straight(struct __sk_buff *skb, __u32 ifindex)
{
	if (skb->pkt_type == PACKET_OTHERHOST && bpf_skb_change_type(skb, PACKET_HOST))
		return TC_ACT_SHOT; /* by the MAC of our end of the veth it was not for us */
	return (int)bpf_redirect_peer(ifindex, 0);
}

/* A frame whose NIV tag was taken off is IP to the kernel until it leaves by a NIC (kernel_niv.h): what is not must leave
 * so, lest the guest's stack takes ARP for it. */
static INL int is_mistaken(const struct dvs_pkt *p)
{
	return DVS_HAS(NIV) && p->niv && p->ethertype != DVS_TYPE_IPV4 && p->ethertype != DVS_TYPE_IPV6;
}

/* The last copy is the frame itself. */
static INL int send_frame(const struct way *way, struct dvs_copy *copy)
{
	struct leave leave;

	prepare(way, copy, &leave);
	count_copy(way, copy, leave.lacks, leave.ifindex != 0);
	if (!leave.ifindex)
		return TC_ACT_SHOT;
	if (way->job->direct && (leave.port->flags & DVS_PORT_PEER) && !is_mistaken(&way->job->p))
		return send_straight(way->skb, leave.ifindex);
	return (int)bpf_redirect(leave.ifindex, 0);
}

/* --- to one receiver -------------------------------------------------------------------------------------------- */

STAGE int kernel_receive(struct dvs_pkt *p, __u32 lport, struct dvs_copy *copy)
{
	if (!p || !copy)
		return DVS_DROP_TX_ERROR;
	dvs_receive(p, lport, copy);
	return copy->reason;
}

/* The copy before this one is sent, now that it is known not to be the last. */
static INL void hold(const struct way *way, const struct dvs_copy *copy)
{
	struct job *job = way->job;

	if (job->waiting.lport)
		kernel_clone(way->skb, job);
	job->waiting = *copy;
}

/* The copy as a mirror shows it. */
static INL void show_out(const struct way *way, const struct dvs_copy *copy)
{
	struct niv_work *work = niv_work();

	if (!work)
		return;
	work->copy = *copy;
	if (dvs_mirror_out(&way->job->p, &work->copy))
		hold(way, &work->copy);
}

static INL int receive_live(const struct way *way, __u32 lport)
{
	struct job *job = way->job;
	struct dvs_copy copy = {};

	job->copies++;
	kernel_receive(&job->p, lport, &copy);
	watch_copy(way, &copy);
	if (copy.reason)
		return 0;
	if (DVS_HAS(MIRROR))
		show_out(way, &copy);
	hold(way, &copy);
	return 1;
}

/* In a test run copies are recorded instead. */
static INL void record(const struct way *way, const struct dvs_copy *copy)
{
	__u32 first = 0, n;
	struct dvs_trace *trace = bpf_map_lookup_elem(&dvs_trace, &first);

	if (!copy->reason)
		count_copy(way, copy, dvs_padding(&way->job->p, copy), 1);
	if (!trace)
		return;
	n = trace->n++;
	if (n < DVS_TRACE_COPIES)
		trace->copy[n] = *copy;
}

static INL int receive_test(const struct way *way, __u32 lport)
{
	struct niv_work *work = niv_work();

	if (!work)
		return 0;
	way->job->copies++;
	kernel_receive(&way->job->p, lport, &work->copy);
	watch_copy(way, &work->copy);
	record(way, &work->copy);
	if (!work->copy.reason && dvs_mirror_out(&way->job->p, &work->copy))
		record(way, &work->copy);
	return !work->copy.reason;
}

/* The frame as it came, for a mirror. */
static INL void show(const struct way *way, int live)
{
	struct niv_work *work = niv_work();

	if (!work)
		return;
	work->copy = (struct dvs_copy){};
	dvs_mirror_in(&way->job->p, &work->copy);
	if (live)
		hold(way, &work->copy);
	else
		record(way, &work->copy);
}

/* --- to all receivers ------------------------------------------------------------------------------------------- */

static INL int receive(const struct way *way, __u32 lport, int live)
{
	return live ? receive_live(way, lport) : receive_test(way, lport);
}

static INL void offer(const struct way *way, __u32 lport, int live)
{
	if (dvs_wants(&way->job->p, lport))
		receive(way, lport, live);
}

static INL void offer_spy(const struct way *way, __u32 lport, int live)
{
	if (dvs_spies(&way->job->p, lport, way->served))
		receive(way, lport, live);
}

/* --- to all of a list ------------------------------------------------------------------------------------------- */

STAGE int kernel_judge(struct dvs_pkt *p, __u32 lport, struct dvs_copy *copy)
{
	if (p && copy)
		dvs_judge(p, lport, copy);
	return 0;
}

/* Will the one copy do for this receiver, too? */
static INL int joins(const struct dvs_pkt *p, struct niv_work *work, __u32 lport, __u32 link)
{
	if (!dvs_wants(p, lport))
		return 0;
	kernel_judge((struct dvs_pkt *)p, lport, &work->copy);
	return dvs_joins(&work->copy, link, &work->first);
}

/* The one copy of a list of VIFs; but for the first receiver it is only counted (and, in a test run, recorded). */
static INL void share(const struct way *way, struct niv_work *work, __u32 lport, int live)
{
	way->job->copies++;
	work->first.lport = lport;
	watch_copy(way, &work->first);
	if (!live)
		record(way, &work->first);
	else if (work->first.shared)
		count_copy(way, &work->first, 0, 1);
	else
		hold(way, &work->first);
	work->first.shared = 1;
}

/* All of a list of VIFs were looked at. */
static INL void vifs_next(const struct dvs_pkt *p, struct niv_work *work, const struct dvs_members *vifs)
{
	work->at = 0;
	if (work->looks != JOINING) {
		work->vifs = 0;
		return;
	}
	work->looks = work->joined > 1 ? SHARING : OFFERING;
	if (vifs)
		dvs_niv_to_list(p, vifs, &work->first);
}

/* One receiver of a list of VIFs, to which it comes twice: first to see whether one copy will do for all. */
static INL void vifs_step(const struct way *way, struct niv_work *work, int live)
{
	const struct dvs_members *vifs = kernel_members(work->vifs);
	__u32 at = work->at, lport;

	if (!vifs || at >= DVS_MAX_MEMBERS || at >= vifs->n) {
		vifs_next(&way->job->p, work, vifs);
		return;
	}
	work->at++;
	lport = vifs->lport[at];
	if (work->looks == OFFERING) {
		offer(way, lport, live);
	} else if (!dvs_is_sender(&way->job->p, lport)) {
		if (work->looks == SHARING) {
			share(way, work, lport, live);
		} else if (!joins(&way->job->p, work, lport, vifs->link)) {
			work->looks = OFFERING;
			work->at = 0;
		} else {
			work->joined++;
		}
	}
}

/* One step of a flood where lists of VIFs are among the receivers: one loop for all of them, since loops in loops are too
 * deep for the verifier. */
static INL long vifs_flood_step(const struct way *way, int live)
{
	struct niv_work *work = niv_work();
	__u32 i, to;

	if (!work)
		return 1;
	if (work->vifs) {
		vifs_step(way, work, live);
		return 0;
	}
	i = work->next;
	if (!way->members || i >= DVS_MAX_MEMBERS || i >= way->members->n)
		return 1;
	work->next++;
	to = way->members->lport[i];
	if (to & DVS_RECEIVERS)
		niv_begin_list(work, dvs_vifs_list(to));
	else
		offer(way, to, live);
	return 0;
}

static INL long flood_step(__u32 i, const struct way *way, int live)
{
	if (DVS_HAS(NIV))
		return vifs_flood_step(way, live);
	if (i >= DVS_MAX_MEMBERS || !way->members)
		return 1;
	offer(way, way->members->lport[i], live);
	return 0;
}

static INL long spy_step(__u32 i, const struct way *way, int live)
{
	if (i >= DVS_MAX_MEMBERS || !way->members)
		return 1;
	offer_spy(way, way->members->lport[i], live);
	return 0;
}

static long flood_live(__u32 i, struct way *way) { return flood_step(i, way, 1); }
static long flood_test(__u32 i, struct way *way) { return flood_step(i, way, 0); }
static long spy_live(__u32 i, struct way *way) { return spy_step(i, way, 1); }
static long spy_test(__u32 i, struct way *way) { return spy_step(i, way, 0); }

static INL void flood(struct way *way, int live)
{
	if (DVS_HAS(NIV))
		niv_begin_flood();
	way->members = kernel_members(way->job->p.list);
	if (way->members)
		bpf_loop(DVS_HAS(NIV) ? FLOOD_STEPS : way->members->n, live ? (void *)flood_live : (void *)flood_test, way, 0);
}

static INL void show_spies(struct way *way, int live)
{
	const struct dvs_pkt *p = &way->job->p;

	way->served = p->filtered && p->flood ? way->members : 0;
	way->members = kernel_members(dvs_spy_list(p));
	if (way->members)
		bpf_loop(way->members->n, live ? (void *)spy_live : (void *)spy_test, way, 0);
}

static INL int nobody(struct way *way)
{
	struct dvs_pkt *p = &way->job->p;
	int reason = dvs_drop_in(p, dvs_nobody(p));

	watch_drop(way->skb, p, p->lport, DVS_IN, reason);
	return reason;
}

/* Forwards what was decided; the reason when it turned out that nobody is there to have it.  The owner of the
 * destination comes last: then it is the frame itself that goes there, always. */
static INL int forward(struct way *way, int live)
{
	struct dvs_pkt *p = &way->job->p;

	if (DVS_HAS(MIRROR) && p->mirror)
		show(way, live);
	if (DVS_HAS(MIRROR) && way->job->dropped)
		return way->job->dropped;
	if (p->flood)
		flood(way, live);
	if (DVS_HAS(PROMISCUOUS) && p->spies && kernel_spied(p->vlan))
		show_spies(way, live);
	if (DVS_HAS(UPLINK) && p->out_uplink)
		offer(way, p->out_uplink, live);
	if (p->out && receive(way, p->out, live))
		way->job->direct = p->own_mac;
	if (DVS_HAS(MOBILITY) && p->held)
		return DVS_OK;
	if (!way->job->copies)
		return nobody(way);
	dvs_count_forwarded(p, way->job->copies);
	return DVS_OK;
}

#ifndef DVS_TRACING

STAGE int kernel_forward(struct __sk_buff *skb, struct job *job)
{
	struct way way = { .skb = skb, .job = job };

	if (job)
		forward(&way, 1);
	return 0;
}

/* The verdict for tc. */
STAGE int kernel_send(struct __sk_buff *skb, struct job *job)
{
	struct way way = { .skb = skb, .job = job };

	return job && job->waiting.lport ? send_frame(&way, &job->waiting) : TC_ACT_SHOT;
}

#endif

/* The reason for which nobody has it, or DVS_OK. */
STAGE int kernel_record(struct __sk_buff *skb, struct job *job)
{
	struct way way = { .skb = skb, .job = job };

	if (!job)
		return DVS_DROP_NO_RECEIVER;
	return forward(&way, 0);
}

/* --- the two programs ------------------------------------------------------------------------------------------- */

#ifndef DVS_TRACING

SEC("tc")
int dvs_switch(struct __sk_buff *skb)
{
	struct job job = {};
	int reason;

	if (take(&job, skb, kernel_lport(skb->ifindex)))
		return TC_ACT_SHOT;
	reason = dvs_decide(&job.p);
	watch_decision(skb, &job.p, reason);
	if (reason && !(DVS_HAS(MIRROR) && job.p.mirror))
		return TC_ACT_SHOT;
	job.dropped = reason;
	kernel_forward(skb, &job);
	return kernel_send(skb, &job);
}

#endif

static INL void note_verdict(int reason)
{
	__u32 first = 0;
	struct dvs_trace *trace = bpf_map_lookup_elem(&dvs_trace, &first);

	if (!trace)
		return;
	trace->in_reason = reason;
	if (!reason)
		trace->n = trace->n_steps = 0;
}

/* The tag that was taken off. */
static INL void note_niv(const struct dvs_pkt *p)
{
	__u32 first = 0;
	struct dvs_trace *trace = bpf_map_lookup_elem(&dvs_trace, &first);

	if (!trace)
		return;
	trace->niv = p->niv_bad ? DVS_NIV_NONE : p->niv;
	trace->niv_word = p->niv_word;
}

#ifdef DVS_TRACING

static INL void dp_note_step(__u32 step, int reason)
{
	__u32 first = 0, n;
	struct dvs_trace *trace = bpf_map_lookup_elem(&dvs_trace, &first);

	if (!trace)
		return;
	n = trace->n_steps++;
	if (n < DVS_TRACE_STEPS)
		trace->step[n] = (struct dvs_step){ .step = step, .reason = reason };
}

static INL void note_decision(const struct dvs_pkt *p)
{
	__u32 first = 0;
	struct dvs_trace *trace = bpf_map_lookup_elem(&dvs_trace, &first);

	if (trace)
		dvs_trace_decision(trace, p);
}

#else
#define note_decision(p) ((void)(p))
#endif

SEC("tc")
int dvs_test(struct __sk_buff *skb)
{
	struct job job = {};
	int reason;

	note_verdict(DVS_OK);
	if (hoist_tag(skb) || take(&job, skb, skb->cb[TEST_LPORT]))
		return TC_ACT_SHOT;
	job.p.len += skb->cb[TEST_CUT];
	note_niv(&job.p);
	reason = dvs_decide(&job.p);
	watch_decision(skb, &job.p, reason);
	note_decision(&job.p);
	job.dropped = reason;
	if (!reason || job.p.mirror)
		reason = kernel_record(skb, &job);
	if (reason)
		note_verdict(reason);
	return reason ? TC_ACT_SHOT : TC_ACT_OK;
}

/* Nothing used here asks for a GPL-compatible program. */
char LICENSE[] SEC("license") = "Apache-2.0";
