/* SPDX-License-Identifier: Apache-2.0
 *
 * Which build of the way of a frame (user_batch.h) the user engine runs: the first of those below that has all that the
 * tables ask for.  Few, since each takes seconds to compile: mirroring, moving, NIV and uplinks are what costs those who don't
 * use them more than a nanosecond or so.
 */
#ifndef DVS_USER_CHOOSE_H
#define DVS_USER_CHOOSE_H

#include "user_engine.h"

extern const struct batch dvs_batch_none, dvs_batch_uplink, dvs_batch_usual, dvs_batch_all;

static const struct batch *const batches[] = { &dvs_batch_none, &dvs_batch_uplink, &dvs_batch_usual, &dvs_batch_all };

#define BATCHES (sizeof(batches) / sizeof(batches[0]))

static const struct batch *batch_with(__u32 features)
{
	__u32 i;

	for (i = 0; i + 1 < BATCHES; i++)
		if (!(features & ~batches[i]->features))
			break;
	return batches[i];
}

#endif
