/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client can ask for, as plain data: one struct for each object of the API's contract, with
 * the contract's field names. api/objects.c has the tables that describe them; nothing here knows
 * how they were written down.
 *
 * Each struct begins with `given`: bit N is set when field N of its table was given. Strings are
 * NUL-terminated. All-zero storage is a struct in which nothing was given.
 */
#ifndef MOTE_VMM_SETTINGS_H
#define MOTE_VMM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86/layout.h"

#define SETTINGS_ID_MAX	     65u   /* bytes with the final NUL, as all of these */
#define SETTINGS_PATH_MAX    4096u /* PATH_MAX */
#define SETTINGS_SOCKET_MAX  108u  /* sun_path */
#define SETTINGS_WORD_MAX    64u
#define SETTINGS_SERIAL_MAX  21u
#define SETTINGS_MAX_DEVICES (GSI_VIRTIO_LAST - GSI_VIRTIO_FIRST + 1) /* virtio devices in all */
#define SETTINGS_MAX_PROPS   16u

/* Rate limiter: a bucket whose size or refill time is 0 limits nothing. */
struct token_bucket_settings {
	uint32_t given;
	uint64_t size;		 /* bytes, or operations */
	uint64_t refill_time;	 /* ms until an empty bucket is full */
	uint64_t one_time_burst; /* spent first, never refilled */
};

struct rate_limiter_settings {
	uint32_t given;
	struct token_bucket_settings bandwidth; /* bytes */
	struct token_bucket_settings ops;
};

/* In `given` of a rate limiter: a bucket that an update does not give stays as it is. */
#define RATE_LIMITER_BANDWIDTH (1u << 0)
#define RATE_LIMITER_OPS       (1u << 1)

struct boot_source_settings {
	uint32_t given;
	char kernel_image_path[SETTINGS_PATH_MAX];
	char initrd_path[SETTINGS_PATH_MAX];
	char boot_args[CMDLINE_MAX];
};

enum huge_pages {
	HUGE_PAGES_NONE,
	HUGE_PAGES_TRANSPARENT,
	HUGE_PAGES_2M
};

/* Static CPU templates: deprecated, accepted by name. */
enum cpu_template {
	CPU_TEMPLATE_NONE,
	CPU_TEMPLATE_C3,
	CPU_TEMPLATE_T2,
	CPU_TEMPLATE_T2S,
	CPU_TEMPLATE_T2CL,
	CPU_TEMPLATE_T2A,
	CPU_TEMPLATE_V1N1,
};

struct machine_settings {
	uint32_t given;
	uint32_t vcpu_count;
	uint64_t mem_size_mib;
	bool smt;
	bool track_dirty_pages;
	uint32_t cpu_template; /* enum cpu_template */
	uint32_t huge_pages;   /* enum huge_pages */
};

enum cache_type {
	CACHE_UNSAFE,
	CACHE_WRITEBACK
};
enum io_engine {
	IO_SYNC,
	IO_ASYNC
};

struct drive_settings {
	uint32_t given;
	char drive_id[SETTINGS_ID_MAX];
	bool is_root_device;
	bool is_read_only;
	char partuuid[SETTINGS_WORD_MAX];
	uint32_t cache_type; /* enum cache_type */
	char path_on_host[SETTINGS_PATH_MAX];
	uint32_t io_engine;		  /* enum io_engine */
	char serial[SETTINGS_SERIAL_MAX]; /* as the guest sees it; empty = made from the file */
	char socket[SETTINGS_SOCKET_MAX]; /* vhost-user */
	struct rate_limiter_settings rate_limiter;
};

/* PATCH of a running drive. */
struct drive_update {
	uint32_t given;
	char drive_id[SETTINGS_ID_MAX];
	char path_on_host[SETTINGS_PATH_MAX];
	struct rate_limiter_settings rate_limiter;
};

struct network_settings {
	uint32_t given;
	char iface_id[SETTINGS_ID_MAX];
	char host_dev_name[SETTINGS_PATH_MAX]; /* a tap's name, or a device file such as /dev/tap7
						*/
	uint8_t guest_mac[6];
	uint32_t mtu;
	struct rate_limiter_settings rx_rate_limiter;
	struct rate_limiter_settings tx_rate_limiter;
};

struct network_update {
	uint32_t given;
	char iface_id[SETTINGS_ID_MAX];
	struct rate_limiter_settings rx_rate_limiter;
	struct rate_limiter_settings tx_rate_limiter;
};

struct vsock_settings {
	uint32_t given;
	uint32_t guest_cid; /* 0 is what firecracker-containerd sends */
	char uds_path[SETTINGS_SOCKET_MAX];
	char vsock_id[SETTINGS_ID_MAX]; /* deprecated, without effect */
};

struct entropy_settings {
	uint32_t given;
	struct rate_limiter_settings rate_limiter;
};

struct balloon_settings {
	uint32_t given;
	uint32_t amount_mib;
	bool deflate_on_oom;
	uint32_t stats_polling_interval_s;
	bool free_page_hinting;
	bool free_page_reporting;
};

struct balloon_update {
	uint32_t given;
	uint32_t amount_mib;
};

struct balloon_stats_update {
	uint32_t given;
	uint32_t stats_polling_interval_s;
};

struct hinting_start {
	uint32_t given;
	bool acknowledge_on_stop;
};

/* Answers about a running balloon. In `given` of the statistics: the N-th that the guest told. */
#define BALLOON_STATS_GUEST(n) (1u << (4 + (n)))
#define BALLOON_STATS_MAX      16u

struct balloon_statistics {
	uint32_t given;
	uint64_t target_pages; /* of 4 KiB */
	uint64_t actual_pages;
	uint64_t target_mib;
	uint64_t actual_mib;
	uint64_t guest[BALLOON_STATS_MAX]; /* by VIRTIO_BALLOON_S_... */
};

#define HINTING_STATUS_GUEST (1u << 1) /* the guest has answered in this run */

struct hinting_status {
	uint32_t given;
	uint32_t host_cmd;  /* 0: stopped, 1: done, others: a run */
	uint32_t guest_cmd; /* likewise: what the guest said last */
};

struct reporting_status {
	uint32_t given;
	bool paused;
};

struct serial_settings {
	uint32_t given;
	char serial_out_path[SETTINGS_PATH_MAX];
	struct token_bucket_settings rate_limiter; /* bytes; what exceeds it is dropped */
};

struct logger_settings {
	uint32_t given;
	char log_path[SETTINGS_PATH_MAX];
	uint32_t level; /* enum log_level */
	bool show_level;
	bool show_log_origin;
	char module[SETTINGS_WORD_MAX];
};

struct property {
	char name[SETTINGS_WORD_MAX];
	char value[SETTINGS_WORD_MAX];
};

struct metrics_settings {
	uint32_t given;
	char metrics_path[SETTINGS_PATH_MAX];
	bool emit_id;
	unsigned int nr_properties;
	struct property properties[SETTINGS_MAX_PROPS];
};

enum mmds_version {
	MMDS_V1,
	MMDS_V2
};

struct mmds_settings {
	uint32_t given;
	unsigned int nr_network_interfaces;
	char network_interfaces[SETTINGS_MAX_DEVICES][SETTINGS_ID_MAX];
	uint32_t version; /* enum mmds_version */
	char ipv4_address[16];
	bool imds_compat;
};

enum action {
	ACTION_INSTANCE_START,
	ACTION_FLUSH_METRICS,
	ACTION_SEND_CTRL_ALT_DEL
};

struct action_request {
	uint32_t given;
	uint32_t action_type; /* enum action */
};

enum vm_state_wanted {
	VM_STATE_PAUSED,
	VM_STATE_RESUMED
};

struct vm_request {
	uint32_t given;
	uint32_t state; /* enum vm_state_wanted */
};

/* Everything there is to configure: a configuration file, and the answer to GET /vm/config. */
struct vm_settings {
	uint32_t given;
	struct boot_source_settings boot_source;
	struct machine_settings machine;
	unsigned int nr_drives;
	struct drive_settings drives[SETTINGS_MAX_DEVICES + 1]; /* the last: room to sort them */
	unsigned int nr_networks;
	struct network_settings networks[SETTINGS_MAX_DEVICES];
	struct vsock_settings vsock;
	struct entropy_settings entropy;
	struct balloon_settings balloon;
	struct logger_settings logger;
	struct metrics_settings metrics;
	struct mmds_settings mmds;
};

#endif
