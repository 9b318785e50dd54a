/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel engine's pipeline once more, for tracing: dvs_test of kernel.bpf.c on the same tables, but it changes none of
 * them, and writes down every step.  An object of its own, so that the live program has nothing of it.
 */
#define DVS_TRACING
#include "kernel.bpf.c"
