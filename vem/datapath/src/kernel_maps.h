/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel engine's tables, and the dp_*() accessors that packet.h asks for.  Only kernel.bpf.c includes this.
 *
 * All maps but the per-CPU ones of a single frame are pinned and outlive the agent; vem/datapath/kernel_maps.py opens
 * them.  dvs_bank and dvs_ports are mapped into the agent's memory: a map update copies a value in pieces, an aligned
 * store is seen whole.
 */
#ifndef DVS_KERNEL_MAPS_H
#define DVS_KERNEL_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Known when the program is loaded, so that the verifier takes out what is not wanted. */
#define DVS_HAS(feature) (dvs_features & DVS_FEATURE_##feature)

#include "abi.h"

/* DVS_FEATURE_*; set before loading (Object in libbpf.py).  A section of its own: clang puts constants of its making into
 * .rodata. */
const volatile __u32 dvs_features SEC(".rodata.features") = DVS_FEATURES_ALL;

/* A NIV tag and one of 802.1Q (kernel_niv.h). */
#define DVS_APART (DVS_HAS(NIV) ? 15 : 0)

#include "packet.h"

/* The bank in force: one word, the only thing that changes when a new configuration takes effect. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} dvs_bank SEC(".maps");

/* By bank. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct dvs_control);
} dvs_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct dvs_port);
} dvs_ports SEC(".maps");

/* By bank and policy: slot + 1, or 0 for "no such policy". */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * DVS_MAX_POLICIES);
	__type(key, __u32);
	__type(value, __u32);
} dvs_policy_index SEC(".maps");

/* Room for two whole configurations, so that a new one is written beside the one in force. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DVS_POLICY_SLOTS);
	__type(key, __u32);
	__type(value, struct dvs_policy);
} dvs_policies SEC(".maps");

/* By bank and team. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * DVS_MAX_TEAMS);
	__type(key, __u32);
	__type(value, struct dvs_team);
} dvs_teams SEC(".maps");

/* By dvs_mac_key() */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DVS_MAX_MACS);
	__type(key, __u64);
	__type(value, struct dvs_mac);
} dvs_macs SEC(".maps");

struct members_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct dvs_members)); /* __type() of a struct is no size to clang 14 in here */
};

/* Member lists by key (abi.h); replaced whole. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DVS_LISTS);
	__type(key, __u32);
	__array(values, struct members_map);
} dvs_lists SEC(".maps");

/* VLANs that some promiscuous port carries: bit v of them all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} dvs_spied SEC(".maps");

/* Registered multicast groups: the key of each one's list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DVS_MAX_GROUPS);
	__type(key, struct dvs_group_key);
	__type(value, __u32);
} dvs_groups SEC(".maps");

/* VIFs, and lists of them, by link and number (abi.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DVS_MAX_PORTS + DVS_MAX_VIF_LISTS);
	__type(key, __u32);
	__type(value, __u32);
} dvs_vifs SEC(".maps");

/* Mapped into the agent's memory, which writes `forgotten` alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct dvs_live);
} dvs_live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct dvs_counters);
} dvs_counters SEC(".maps");

/* The same for most NICs, found faster: by the low bits of its index, index << 32 | lport. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, __u64);
} dvs_nics SEC(".maps");

/* Which port a NIC is.  All NICs of one engine are in one network namespace, so the index says it all. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} dvs_ifindex SEC(".maps");

/* What became of the last test run. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dvs_trace);
} dvs_trace SEC(".maps");

/* struct dvs_event: frames for the agent */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} dvs_punts SEC(".maps");

/* By lport. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DVS_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct dvs_punt_rate);
} dvs_punt_rates SEC(".maps");

/* The capture in force; gone with the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dvs_capture);
} dvs_capture SEC(".maps");

/* struct dvs_event: captured frames */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024);
} dvs_captures SEC(".maps");

/* By CPU: how many frames were numbered. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dvs_packets SEC(".maps");

/* By dvs_last_drop_key(); the least recent give way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct dvs_last_drop);
} dvs_last_drops SEC(".maps");

/* Room to put a new record together. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dvs_last_drop);
} dvs_drop_scratch SEC(".maps");

/* The bank that a frame is judged by, from its first step to its last copy. */
static INL __u32 kernel_bank(void)
{
	__u32 first = 0;
	const __u32 *bank = bpf_map_lookup_elem(&dvs_bank, &first);

	return bank ? *(const volatile __u32 *)bank & 1 : 0;
}

static INL const struct dvs_control *dp_control(__u32 bank) { return bpf_map_lookup_elem(&dvs_control, &bank); }

static INL const struct dvs_port *dp_port(__u32 lport) { return bpf_map_lookup_elem(&dvs_ports, &lport); }

static INL const struct dvs_policy *dp_policy(__u32 bank, __u32 policy)
{
	__u32 at = bank * DVS_MAX_POLICIES + policy;
	const __u32 *index;
	__u32 slot;

	if (policy >= DVS_MAX_POLICIES)
		return 0;
	index = bpf_map_lookup_elem(&dvs_policy_index, &at);
	if (!index || *index == 0)
		return 0;
	slot = *index - 1;
	return bpf_map_lookup_elem(&dvs_policies, &slot);
}

static INL const struct dvs_team *dp_team(__u32 bank, __u32 team)
{
	__u32 at = bank * DVS_MAX_TEAMS + team;

	if (team >= DVS_MAX_TEAMS)
		return 0;
	return bpf_map_lookup_elem(&dvs_teams, &at);
}

#ifdef DVS_TRACING

/* A trace changes nothing: it works on copies, learns nothing and counts nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dvs_mac);
} dvs_mac_copy SEC(".maps");

static INL struct dvs_mac *dp_mac(__u64 key)
{
	const struct dvs_mac *entry = bpf_map_lookup_elem(&dvs_macs, &key);
	__u32 first = 0;
	struct dvs_mac *copy = bpf_map_lookup_elem(&dvs_mac_copy, &first);

	if (!entry || !copy)
		return 0;
	*copy = *entry;
	return copy;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dvs_live);
} dvs_live_copy SEC(".maps");

static INL struct dvs_live *dp_live(__u32 lport)
{
	const struct dvs_live *live = bpf_map_lookup_elem(&dvs_live, &lport);
	__u32 first = 0;
	struct dvs_live *copy = bpf_map_lookup_elem(&dvs_live_copy, &first);

	if (!live || !copy)
		return 0;
	*copy = *live;
	return copy;
}

static INL int dp_learn(__u64 key, const struct dvs_mac *entry)
{
	(void)key;
	(void)entry;
	return 0;
}

static INL struct dvs_counters *dp_counters(__u32 lport)
{
	(void)lport;
	return 0;
}

#else

static INL struct dvs_mac *dp_mac(__u64 key) { return bpf_map_lookup_elem(&dvs_macs, &key); }

static INL struct dvs_live *dp_live(__u32 lport) { return bpf_map_lookup_elem(&dvs_live, &lport); }

static INL int dp_learn(__u64 key, const struct dvs_mac *entry)
{
	/* Two CPUs may meet the same new MAC at once: whoever comes second finds it there, which is well. */
	long error = bpf_map_update_elem(&dvs_macs, &key, entry, BPF_NOEXIST);

	return error == -17 /* EEXIST */ ? 1 : error ? -1 : 0;
}

static INL struct dvs_counters *dp_counters(__u32 lport) { return bpf_map_lookup_elem(&dvs_counters, &lport); }

#endif

/* To the tick, which is enough for ageing; on the same scale as CLOCK_MONOTONIC. */
static INL __u64 dp_now(void) { return bpf_ktime_get_coarse_ns(); }

static INL __u32 dp_group(const struct dvs_group_key *key)
{
	const __u32 *list = bpf_map_lookup_elem(&dvs_groups, key);

	return list ? *list : 0;
}

static INL __u32 dp_vif(__u32 key)
{
	const __u32 *found = bpf_map_lookup_elem(&dvs_vifs, &key);

	return found ? *found : 0;
}

static INL __u32 dp_add(__u32 *number, __u32 by) { return __sync_fetch_and_add(number, by); }

static INL __u32 dp_exchange(__u32 *number, __u32 by) { return __sync_lock_test_and_set(number, by); }

static INL int dp_replace(__u64 *number, __u64 old, __u64 by)
{
	return __sync_val_compare_and_swap(number, old, by) == old;
}

/* The port that a NIC is; 0 = none. */
static INL __u32 kernel_lport(__u32 ifindex)
{
	__u32 at = ifindex & (DVS_MAX_PORTS - 1);
	const __u64 *nic = bpf_map_lookup_elem(&dvs_nics, &at);
	const __u32 *lport;

	if (nic && *nic >> 32 == ifindex)
		return (__u32)*nic;
	lport = bpf_map_lookup_elem(&dvs_ifindex, &ifindex);
	return lport ? *lport : 0;
}

static INL int kernel_spied(__u32 vlan)
{
	__u32 word = vlan >> 6 & 63;
	const __u64 *vlans = bpf_map_lookup_elem(&dvs_spied, &word);

	return vlans && (*vlans >> (vlan & 63) & 1);
}

static INL const struct dvs_members *kernel_members(__u32 key)
{
	__u32 first = 0;
	void *list = bpf_map_lookup_elem(&dvs_lists, &key);

	return list ? bpf_map_lookup_elem(list, &first) : 0;
}

#endif
