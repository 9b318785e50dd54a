/* SPDX-License-Identifier: Apache-2.0
 *
 * Port mirroring: what a port receives, dropped or not, and what it sends is also shown on another port, as it is on the
 * wire: padded if the port is an uplink (or what it is shown on).  A shown copy passes none of the receiver's checks.  The
 * drivers ask for it after dvs_decide() and after each copy that is sent.
 */
#ifndef DVS_MIRROR_H
#define DVS_MIRROR_H

#include "packet.h"
#include "count.h"

/* The copy goes to that port instead, which may ask for more (S-001). */
static INL void dvs_show_on(__u32 lport, struct dvs_copy *copy)
{
	const struct dvs_port *port = dp_port(lport);

	copy->lport = lport;
	copy->niv_word = 0;
	copy->niv = copy->shared = 0;
	copy->link = 0;
	if (port && (port->flags & DVS_PORT_UPLINK))
		copy->padded = 1;
}

/* The frame as it came, for p->mirror, which is not 0. */
static INL void dvs_mirror_in(const struct dvs_pkt *p, struct dvs_copy *copy)
{
	*copy = (struct dvs_copy){ .reason = DVS_OK };
	copy->tagged = p->tag_present && !p->tag_foreign;
	dvs_show_on(p->mirror, copy);
	copy->tci = copy->tagged ? p->tci : 0;
	dvs_count_mirrored(p);
}

/* Turns a copy that is sent into the one that is shown elsewhere; 0 = nobody wants to see it. */
static INL int dvs_mirror_out(const struct dvs_pkt *p, struct dvs_copy *copy)
{
	const struct dvs_port *port = DVS_HAS(MIRROR) ? dp_port(copy->lport) : 0;

	if (!port || !port->mirror_tx)
		return 0;
	dvs_show_on(port->mirror_tx, copy);
	dvs_count_mirrored(p);
	return 1;
}

#endif
