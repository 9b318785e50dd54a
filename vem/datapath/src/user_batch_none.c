/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing beyond ports, policies and VLANs.
 */
#define DVS_BATCH dvs_batch_none
#define DVS_BATCH_FEATURES 0
#include "user_batch.h"
