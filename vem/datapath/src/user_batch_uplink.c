/* SPDX-License-Identifier: Apache-2.0
 *
 * Uplinks, and nothing else.
 */
#define DVS_BATCH dvs_batch_uplink
#define DVS_BATCH_FEATURES DVS_FEATURE_UPLINK
#include "user_batch.h"
