/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything.
 */
#define DVS_BATCH dvs_batch_all
#define DVS_BATCH_FEATURES DVS_FEATURES_ALL
#include "user_batch.h"
