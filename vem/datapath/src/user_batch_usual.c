/* SPDX-License-Identifier: Apache-2.0
 *
 * What most hosts have in use, or could have at no cost worth speaking of.
 */
#define DVS_BATCH dvs_batch_usual
#define DVS_BATCH_FEATURES DVS_FEATURES_USUAL
#include "user_batch.h"
