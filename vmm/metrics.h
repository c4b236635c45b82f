/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the whole monitor, listed once: METRICS_GROUPS below names every group and every
 * field as the API's contract does (Firecracker 1.16), and the structures, the table and the
 * document that is written (api/metrics_out.h) follow from it.
 *
 * A field is one of
 *	INC    an event counter: written as what was added since the last line;
 *	STORE  a value: written as it is;
 *	AGG    durations: min_us and max_us (STORE), sum_us (INC).
 *
 * Events that are rare are counted in `metrics` by any thread:
 *
 *	metric_add(&metrics.put_api_requests.drive_count, 1);
 *
 * What is frequent, or belongs to one device, is counted in an instance of the group that its
 * owner has (struct metrics_block in a drive, struct metrics_vcpu in a vCPU), by metric_own, which
 * costs what `n++` does, and which one thread may use for an instance. metrics_attach makes it part
 * of the whole.
 */
#ifndef MOTE_VMM_METRICS_H
#define MOTE_VMM_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/compiler.h"

/* ---- the list -------------------------------------------------------------------------------- */

#define METRICS_API_SERVER(INC, STORE, AGG) \
	STORE(process_startup_time_us)      \
	STORE(process_startup_time_cpu_us)

#define METRICS_BALLOON(INC, STORE, AGG) \
	INC(activate_fails)              \
	INC(cfg_fails)                   \
	INC(inflate_count)               \
	INC(stats_updates_count)         \
	INC(stats_update_fails)          \
	INC(deflate_count)               \
	INC(event_fails)                 \
	INC(free_page_report_count)      \
	INC(free_page_report_freed)      \
	INC(free_page_report_fails)      \
	INC(free_page_hint_count)        \
	INC(free_page_hint_freed)        \
	INC(free_page_hint_fails)

#define METRICS_BLOCK(INC, STORE, AGG)     \
	INC(activate_fails)                \
	INC(cfg_fails)                     \
	INC(no_avail_buffer)               \
	INC(event_fails)                   \
	INC(execute_fails)                 \
	INC(invalid_reqs_count)            \
	INC(flush_count)                   \
	INC(queue_event_count)             \
	INC(rate_limiter_event_count)      \
	INC(update_count)                  \
	INC(update_fails)                  \
	INC(read_bytes)                    \
	INC(write_bytes)                   \
	INC(read_count)                    \
	INC(write_count)                   \
	AGG(read_agg)                      \
	AGG(write_agg)                     \
	INC(rate_limiter_throttled_events) \
	INC(io_engine_throttled_events)    \
	INC(remaining_reqs_count)          \
	INC(interrupt_count)               \
	INC(discard_count)                 \
	INC(discard_bytes)                 \
	INC(write_zeroes_count)            \
	INC(write_zeroes_bytes)

#define METRICS_DEPRECATED_API(INC, STORE, AGG) INC(deprecated_http_api_calls)

#define METRICS_GET_API_REQUESTS(INC, STORE, AGG) \
	INC(instance_info_count)                  \
	INC(machine_cfg_count)                    \
	INC(mmds_count)                           \
	INC(vmm_version_count)                    \
	INC(hotplug_memory_count)

#define METRICS_I8042(INC, STORE, AGG) \
	INC(error_count)               \
	INC(missed_read_count)         \
	INC(missed_write_count)        \
	INC(read_count)                \
	INC(reset_count)               \
	INC(write_count)

#define METRICS_LATENCIES_US(INC, STORE, AGG) \
	STORE(full_create_snapshot)           \
	STORE(diff_create_snapshot)           \
	STORE(load_snapshot)                  \
	STORE(pause_vm)                       \
	STORE(resume_vm)                      \
	STORE(vmm_full_create_snapshot)       \
	STORE(vmm_diff_create_snapshot)       \
	STORE(vmm_load_snapshot)              \
	STORE(vmm_pause_vm)                   \
	STORE(vmm_resume_vm)

#define METRICS_LOGGER(INC, STORE, AGG) \
	INC(missed_metrics_count)       \
	INC(metrics_fails)              \
	INC(missed_log_count)           \
	INC(rate_limited_log_count)

#define METRICS_MMDS(INC, STORE, AGG) \
	INC(rx_accepted)              \
	INC(rx_accepted_err)          \
	INC(rx_accepted_unusual)      \
	INC(rx_bad_eth)               \
	INC(rx_invalid_token)         \
	INC(rx_no_token)              \
	INC(rx_count)                 \
	INC(tx_bytes)                 \
	INC(tx_count)                 \
	INC(tx_errors)                \
	INC(tx_frames)                \
	INC(connections_created)      \
	INC(connections_destroyed)

#define METRICS_NET(INC, STORE, AGG)     \
	INC(activate_fails)              \
	INC(cfg_fails)                   \
	INC(mac_address_updates)         \
	INC(no_rx_avail_buffer)          \
	INC(no_tx_avail_buffer)          \
	INC(event_fails)                 \
	INC(rx_queue_event_count)        \
	INC(rx_event_rate_limiter_count) \
	INC(rx_rate_limiter_throttled)   \
	INC(rx_tap_event_count)          \
	INC(rx_bytes_count)              \
	INC(rx_packets_count)            \
	INC(rx_fails)                    \
	INC(rx_count)                    \
	INC(tap_read_fails)              \
	INC(tap_write_fails)             \
	AGG(tap_write_agg)               \
	INC(tx_bytes_count)              \
	INC(tx_malformed_frames)         \
	INC(tx_fails)                    \
	INC(tx_count)                    \
	INC(tx_packets_count)            \
	INC(tx_partial_reads)            \
	INC(tx_queue_event_count)        \
	INC(tx_rate_limiter_event_count) \
	INC(tx_rate_limiter_throttled)   \
	INC(tx_spoofed_mac_count)        \
	INC(tx_remaining_reqs_count)

#define METRICS_PATCH_API_REQUESTS(INC, STORE, AGG) \
	INC(drive_count)                            \
	INC(drive_fails)                            \
	INC(network_count)                          \
	INC(network_fails)                          \
	INC(machine_cfg_count)                      \
	INC(machine_cfg_fails)                      \
	INC(mmds_count)                             \
	INC(mmds_fails)                             \
	INC(hotplug_memory_count)                   \
	INC(hotplug_memory_fails)

#define METRICS_PUT_API_REQUESTS(INC, STORE, AGG) \
	INC(actions_count)                        \
	INC(actions_fails)                        \
	INC(boot_source_count)                    \
	INC(boot_source_fails)                    \
	INC(drive_count)                          \
	INC(drive_fails)                          \
	INC(logger_count)                         \
	INC(logger_fails)                         \
	INC(machine_cfg_count)                    \
	INC(machine_cfg_fails)                    \
	INC(cpu_cfg_count)                        \
	INC(cpu_cfg_fails)                        \
	INC(metrics_count)                        \
	INC(metrics_fails)                        \
	INC(network_count)                        \
	INC(network_fails)                        \
	INC(mmds_count)                           \
	INC(mmds_fails)                           \
	INC(vsock_count)                          \
	INC(vsock_fails)                          \
	INC(pmem_count)                           \
	INC(pmem_fails)                           \
	INC(serial_count)                         \
	INC(serial_fails)                         \
	INC(hotplug_memory_count)                 \
	INC(hotplug_memory_fails)

#define METRICS_SECCOMP(INC, STORE, AGG) STORE(num_faults)

#define METRICS_VCPU(INC, STORE, AGG) \
	INC(exit_io_in)               \
	INC(exit_io_out)              \
	INC(exit_mmio_read)           \
	INC(exit_mmio_write)          \
	INC(failures)                 \
	INC(kvmclock_ctrl_fails)      \
	AGG(exit_io_in_agg)           \
	AGG(exit_io_out_agg)          \
	AGG(exit_mmio_read_agg)       \
	AGG(exit_mmio_write_agg)

#define METRICS_VMM(INC, STORE, AGG) STORE(panic_count)

#define METRICS_UART(INC, STORE, AGG) \
	INC(error_count)              \
	INC(flush_count)              \
	INC(missed_read_count)        \
	INC(missed_write_count)       \
	INC(read_count)               \
	INC(write_count)              \
	INC(rate_limiter_dropped_bytes)

/* Signals that end the process are values, 0 or 1. */
#define METRICS_SIGNALS(INC, STORE, AGG) \
	STORE(sigbus)                    \
	STORE(sigsegv)                   \
	STORE(sigxfsz)                   \
	STORE(sigxcpu)                   \
	INC(sigpipe)                     \
	STORE(sighup)                    \
	STORE(sigill)

#define METRICS_VSOCK(INC, STORE, AGG) \
	INC(activate_fails)            \
	INC(cfg_fails)                 \
	INC(rx_queue_event_fails)      \
	INC(tx_queue_event_fails)      \
	INC(ev_queue_event_fails)      \
	INC(muxer_event_fails)         \
	INC(conn_event_fails)          \
	INC(rx_queue_event_count)      \
	INC(tx_queue_event_count)      \
	INC(rx_bytes_count)            \
	INC(tx_bytes_count)            \
	INC(rx_packets_count)          \
	INC(tx_packets_count)          \
	INC(conns_added)               \
	INC(conns_killed)              \
	INC(conns_removed)             \
	INC(killq_resync)              \
	INC(tx_flush_fails)            \
	INC(tx_write_fails)            \
	INC(rx_read_fails)

#define METRICS_ENTROPY(INC, STORE, AGG)    \
	INC(activate_fails)                 \
	INC(entropy_event_fails)            \
	INC(entropy_event_count)            \
	INC(entropy_bytes)                  \
	INC(host_rng_fails)                 \
	INC(entropy_rate_limiter_throttled) \
	INC(rate_limiter_event_count)

#define METRICS_INTERRUPTS(INC, STORE, AGG) \
	INC(triggers)                       \
	INC(config_updates)

#define METRICS_PMEM(INC, STORE, AGG) \
	INC(activate_fails)           \
	INC(cfg_fails)                \
	INC(event_fails)              \
	INC(queue_event_count)

#define METRICS_MEMORY_HOTPLUG(INC, STORE, AGG) \
	INC(activate_fails)                     \
	INC(queue_event_fails)                  \
	INC(queue_event_count)                  \
	AGG(plug_agg)                           \
	INC(plug_count)                         \
	INC(plug_bytes)                         \
	INC(plug_fails)                         \
	AGG(unplug_agg)                         \
	INC(unplug_count)                       \
	INC(unplug_bytes)                       \
	INC(unplug_fails)                       \
	INC(unplug_discard_fails)               \
	AGG(unplug_all_agg)                     \
	INC(unplug_all_count)                   \
	INC(unplug_all_fails)                   \
	AGG(state_agg)                          \
	INC(state_count)                        \
	INC(state_fails)

/*
 * Of ours, and not in the contract, hence only in GET /metrics: what passes through the transport
 * of each virtio device. Its instances are called virtio_INDEX_KIND.
 */
#define METRICS_VIRTIO(INC, STORE, AGG) \
	INC(notifications)              \
	INC(interrupts)                 \
	INC(config_interrupts)          \
	INC(requests)                   \
	INC(failures)                   \
	INC(faults)                     \
	INC(register_faults)            \
	INC(queue0_notifications)       \
	INC(queue0_interrupts)          \
	INC(queue1_notifications)       \
	INC(queue1_interrupts)          \
	INC(queue2_notifications)       \
	INC(queue2_interrupts)          \
	INC(queue3_notifications)       \
	INC(queue3_interrupts)          \
	INC(queue4_notifications)       \
	INC(queue4_interrupts)

/* In the order in which they are written. */
#define METRICS_GROUPS(GROUP)                                 \
	GROUP(api_server, METRICS_API_SERVER)                 \
	GROUP(balloon, METRICS_BALLOON)                       \
	GROUP(block, METRICS_BLOCK)                           \
	GROUP(deprecated_api, METRICS_DEPRECATED_API)         \
	GROUP(get_api_requests, METRICS_GET_API_REQUESTS)     \
	GROUP(i8042, METRICS_I8042)                           \
	GROUP(uart, METRICS_UART)                             \
	GROUP(latencies_us, METRICS_LATENCIES_US)             \
	GROUP(logger, METRICS_LOGGER)                         \
	GROUP(mmds, METRICS_MMDS)                             \
	GROUP(net, METRICS_NET)                               \
	GROUP(patch_api_requests, METRICS_PATCH_API_REQUESTS) \
	GROUP(put_api_requests, METRICS_PUT_API_REQUESTS)     \
	GROUP(seccomp, METRICS_SECCOMP)                       \
	GROUP(vcpu, METRICS_VCPU)                             \
	GROUP(vmm, METRICS_VMM)                               \
	GROUP(signals, METRICS_SIGNALS)                       \
	GROUP(vsock, METRICS_VSOCK)                           \
	GROUP(entropy, METRICS_ENTROPY)                       \
	GROUP(pmem, METRICS_PMEM)                             \
	GROUP(interrupts, METRICS_INTERRUPTS)                 \
	GROUP(memory_hotplug, METRICS_MEMORY_HOTPLUG)         \
	GROUP(virtio, METRICS_VIRTIO)

/* ---- what follows from it -------------------------------------------------------------------- */

typedef _Atomic uint64_t metric;

struct metric_durations {
	metric min_us;
	metric max_us;
	metric sum_us;
};

#define METRICS_MEMBER(name)	metric name;
#define METRICS_DURATIONS(name) struct metric_durations name;
#define METRICS_STRUCT(group, fields)                                     \
	struct metrics_##group {                                          \
		fields(METRICS_MEMBER, METRICS_MEMBER, METRICS_DURATIONS) \
	};
#define METRICS_GROUP_MEMBER(group, fields) struct metrics_##group group;
#define METRICS_GROUP_ID(group, fields)	    METRICS_ID_##group,

/* struct metrics_api_server, struct metrics_balloon, ... */
METRICS_GROUPS(METRICS_STRUCT)

/* METRICS_ID_api_server, ... */
enum metrics_id {
	METRICS_GROUPS(METRICS_GROUP_ID) METRICS_NR_GROUPS
};

struct metrics {
	METRICS_GROUPS(METRICS_GROUP_MEMBER)
};

extern struct metrics metrics;

/* Any thread. */
static inline void metric_add(metric *m, uint64_t n)
{
	atomic_fetch_add_explicit(m, n, memory_order_relaxed);
}

/* Any thread. */
static inline void metric_set(metric *m, uint64_t value)
{
	atomic_store_explicit(m, value, memory_order_relaxed);
}

static inline uint64_t metric_get(const metric *m)
{
	return atomic_load_explicit(m, memory_order_relaxed);
}

/* The one thread that writes *m; anybody may read it meanwhile. */
static inline void metric_own(metric *m, uint64_t n)
{
	metric_set(m, metric_get(m) + n);
}

/* Notes one duration. The one thread that writes *d. */
void metric_duration(struct metric_durations *d, uint64_t us);

/* ---- the table, for those who write it down -------------------------------------------------- */

enum metric_kind {
	METRIC_INC,
	METRIC_STORE,
};

/* Field N is the N-th metric of its group's structure. */
struct metrics_field {
	const char *part; /* of an AGG: its name, and `name` is one of its three; otherwise NULL */
	const char *name;
	enum metric_kind kind;
};

struct metrics_group {
	const char *name;
	const struct metrics_field *fields;
	unsigned int nr_fields;
	unsigned int first; /* its first metric, counted from the start of struct metrics */
};

extern const struct metrics_group metrics_groups[METRICS_NR_GROUPS];

/* ---- instances ------------------------------------------------------------------------------- */

#define METRICS_MAX_INSTANCES 80u /* vCPUs and devices */
#define METRICS_MAX_FIELDS    40u /* of a group that has instances */

/*
 * Counts what is in `group_struct` (a struct metrics_<group>) with its group from now on. With an
 * id it is also written by itself, as <group>_<id>; the id must stay as it is while attached. Loop
 * thread. -ENOSPC when there are too many; then it just is not counted.
 */
int metrics_attach(enum metrics_id group, const char *id, metric *group_struct);

/* What it counted stays in the group's sum; its own object is gone. Loop thread. */
void metrics_detach(const metric *group_struct);

/*
 * `gather` is called before each look at the counters, to copy what is counted elsewhere. It may be
 * called from a signal handler, hence only loads and stores. NULL = none. Loop thread.
 */
void metrics_set_gather(void (*gather)(void *ctx), void *ctx);

/* ---- snapshots ------------------------------------------------------------------------------- */

#define METRICS_NR (sizeof(struct metrics) / sizeof(metric))

struct metrics_instance {
	enum metrics_id group;
	const char *id; /* NULL: not written by itself */
	uint64_t value[METRICS_MAX_FIELDS];
};

/* Some 30 KiB: static storage. */
struct metrics_snapshot {
	uint64_t value[METRICS_NR]; /* the groups, with all that is attached */
	unsigned int nr_instances;
	struct metrics_instance instance[METRICS_MAX_INSTANCES];
};

/*
 * What is to be written: for METRIC_INC what was added since the last metrics_commit (or since
 * ever, with `absolute`), for METRIC_STORE the value. Async-signal-safe.
 */
void metrics_take(struct metrics_snapshot *s, bool absolute);

/* The deltas of *s were written: the next ones count from there. Async-signal-safe. */
void metrics_commit(struct metrics_snapshot *s);

#endif
