/* SPDX-License-Identifier: Apache-2.0
 *
 * How frames enter the user engine: one batch per ready NIC, straight into the receive buffers, then through the
 * pipeline, then all queues are flushed.
 */
#ifndef DVS_USER_RX_H
#define DVS_USER_RX_H

#include <linux/if_packet.h>
#include <sys/epoll.h>

#include "user_flush.h"
#include "user_frame.h"

#define REST_BATCHES 1024

static __u8 *rx_buffer(struct dvs *e, __u32 i) { return e->rx.buffers + (size_t)i * RX_ROOM; }

static __u32 rx_stored(__u32 len) { return len < RX_ROOM ? len : RX_ROOM; }

/* The tag that the kernel took out of a frame (PACKET_AUXDATA). */
static void rx_auxdata(struct frame *f, struct msghdr *msg)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			return;
		f->pkt.tag_present = 1;
		f->pkt.tci = aux.tp_vlan_tci;
		f->pkt.tag_foreign =
			(aux.tp_status & TP_STATUS_VLAN_TPID_VALID) && aux.tp_vlan_tpid != DVS_TPID_8021Q;
	}
}

static void rx_offload(struct frame *f, const struct virtio_net_hdr *vnet)
{
	__u8 type = vnet->gso_type & (__u8)~VIRTIO_NET_HDR_GSO_ECN;

	f->vnet = *vnet;
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return;
	f->pkt.gso = vnet->gso_size;
	f->pkt.gso_udp = type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6;
}

/* A frame as AF_PACKET gives it: tag and offload state beside it. */
static void rx_raw(struct dvs *e, struct frame *f, __u32 lport, __u32 i)
{
	struct mmsghdr *msg = &e->rx.msg[i];
	__u32 head = sizeof(struct virtio_net_hdr), len = msg->msg_len > head ? msg->msg_len - head : 0;

	frame_clear(f);
	f->bytes = rx_buffer(e, i);
	f->pkt.lport = (__u16)lport;
	f->pkt.data = f->bytes;
	f->pkt.len = len;
	f->pkt.end = f->bytes + rx_stored(len);
	rx_offload(f, &e->rx.vnet[i]);
	rx_auxdata(f, &msg->msg_hdr);
}

static void rx_prepare(struct dvs *e, int raw)
{
	struct msghdr *m;
	__u32 i;

	for (i = 0; i < RX_BATCH; i++) {
		m = &e->rx.msg[i].msg_hdr;
		m->msg_iov = raw ? e->rx.part[i] : &e->rx.part[i][1];
		m->msg_iovlen = raw ? 2 : 1;
		m->msg_control = raw ? e->rx.control[i].bytes : NULL;
		m->msg_controllen = raw ? sizeof(e->rx.control[i].bytes) : 0;
		m->msg_flags = 0;
	}
}

/* Fetches what the look-ups of a frame will need, while others of its batch are still being taken in. */
static INL void expect(const struct dvs *e, const struct frame *f)
{
	const __u8 *d = f->pkt.data;

	if (d + DVS_ETH_HLEN > f->pkt.end)
		return;
	mac_expect(&e->macs, dvs_mac_key(dvs_load_mac(d), DVS_VLAN_ANY));
	mac_expect(&e->macs, dvs_mac_key(dvs_load_mac(d + 6), DVS_VLAN_ANY));
}

/* Returns how many frames were forwarded, or -errno. */
static int rx_socket(struct dvs *e, __u32 lport, struct nic *nic)
{
	int raw = nic->kind == DVS_NIC_RAW, n, i;
	struct frame *f;

	rx_prepare(e, raw);
	n = recvmmsg(nic->fd, e->rx.msg, RX_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		f = &e->rx.frame[i];
		if (raw)
			rx_raw(e, f, lport, (__u32)i);
		else
			frame_init(f, lport, rx_buffer(e, (__u32)i), e->rx.msg[i].msg_len,
				   rx_stored(e->rx.msg[i].msg_len));
		frame_service(f);
		frame_niv(e, f);
		expect(e, f);
	}
	e->batch->forward_all(e, (__u32)n);
	return n;
}

static int rx_tap(struct dvs *e, __u32 lport, struct nic *nic)
{
	ssize_t len;
	__u32 i;

	for (i = 0; i < RX_BATCH; i++) {
		len = read(nic->fd, rx_buffer(e, i), RX_ROOM);
		if (len < 0)
			break;
		frame_init(&e->rx.frame[i], lport, rx_buffer(e, i), (__u32)len, (__u32)len);
		frame_service(&e->rx.frame[i]);
		frame_niv(e, &e->rx.frame[i]);
		expect(e, &e->rx.frame[i]);
	}
	if (!i)
		return -errno;
	e->batch->forward_all(e, i);
	return (int)i;
}

/* A NIC that is gone for good (its netdevice was deleted) would wake us for ever. */
static void rx_failed(struct dvs *e, struct nic *nic, int error)
{
	if (error == -EBADFD || error == -EBADF || error == -ENODEV)
		epoll_ctl(e->epoll, EPOLL_CTL_DEL, nic->fd, NULL);
}

/* One batch from one NIC, through to the receivers; returns how many frames, or -errno. */
static int rx_batch(struct dvs *e, __u32 lport)
{
	struct nic *nic = &e->nic[lport];
	int n;

	if (nic->kind != DVS_NIC_WIRE && nic->kind != DVS_NIC_RAW && nic->kind != DVS_NIC_TAP)
		return 0;
	e->now = engine_now(e);
	n = nic->kind == DVS_NIC_TAP ? rx_tap(e, lport, nic) : rx_socket(e, lport, nic);
	if (n < 0)
		rx_failed(e, nic, n);
	queues_flush(e);
	return n;
}

/* What the guest had sent before it was paused has left, whatever this thread had to do meanwhile. */
static void rx_rest(struct dvs *e, __u32 lport)
{
	__u32 batches = 0;

	while (batches++ < REST_BATCHES && rx_batch(e, lport) > 0)
		;
}

static int rx_init(struct dvs *e)
{
	__u32 i;

	e->rx.buffers = malloc((size_t)RX_BATCH * RX_ROOM);
	if (!e->rx.buffers)
		return -ENOMEM;
	for (i = 0; i < RX_BATCH; i++) {
		e->rx.part[i][0].iov_base = &e->rx.vnet[i];
		e->rx.part[i][0].iov_len = sizeof(e->rx.vnet[i]);
		e->rx.part[i][1].iov_base = rx_buffer(e, i);
		e->rx.part[i][1].iov_len = RX_ROOM;
	}
	return 0;
}

#endif
