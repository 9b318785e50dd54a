/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a frame through the user engine, built with the features DVS_BATCH_FEATURES, as DVS_BATCH.  Every
 * user_batch_*.c is one more build of it, a translation unit of its own; user_choose.h picks the one that runs.  What is
 * not in it costs no frame anything.  Nothing here, nor in what is included, may keep state: that is in struct dvs.
 */
/* Without those that are seldom in use and cost more than others. */
#define DVS_FEATURES_USUAL (DVS_FEATURES_ALL & ~(DVS_FEATURE_MIRROR | DVS_FEATURE_MOBILITY | DVS_FEATURE_NIV))

#ifndef DVS_BUILT /* all of them may be built with the same features, to measure those */
#define DVS_BUILT (DVS_BATCH_FEATURES)
#endif

#define _GNU_SOURCE
#include "user_forward.h"

static void forward_all(struct dvs *e, __u32 n)
{
	__u32 i;

	for (i = 0; i < n; i++)
		forward(e, &e->rx.frame[i]);
}

const struct batch DVS_BATCH = { .features = DVS_BUILT, .forward = forward, .forward_all = forward_all };
