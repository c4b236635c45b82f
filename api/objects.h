/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of the API: tables for the structs of vmm/settings.h, and for answers that are made
 * here. Field names, types, ranges and defaults are Firecracker's (docs/api.md is generated from
 * them).
 */
#ifndef MOTE_API_OBJECTS_H
#define MOTE_API_OBJECTS_H

#include "api/schema.h"
#include "vmm/settings.h"

/* Requests and configuration. */
extern const struct object object_token_bucket, object_rate_limiter, object_boot_source,
	object_machine, object_drive, object_drive_update, object_network, object_network_update,
	object_vsock, object_entropy, object_balloon, object_balloon_update,
	object_balloon_stats_update, object_hinting_start, object_serial, object_logger,
	object_metrics, object_mmds, object_action, object_vm;

/* PATCH /machine-config: the same struct as object_machine, nothing required, no defaults. */
extern const struct object object_machine_update;

/*
 * A configuration file (struct vm_settings), and the answer to GET /vm/config: sections in the
 * contract's order, "boot-source" and "drives" required.
 */
extern const struct object object_vm_settings;

/* Answers. */
struct error_answer {
	uint32_t given;
	char fault_message[ERR_MSG_MAX];
};

struct version_answer {
	uint32_t given;
	char firecracker_version[SETTINGS_WORD_MAX]; /* the version of the API */
	char mote_version[SETTINGS_WORD_MAX];
};

struct instance_answer {
	uint32_t given;
	char id[SETTINGS_ID_MAX];
	char state[SETTINGS_WORD_MAX]; /* "Not started", "Running", "Paused" */
	char vmm_version[SETTINGS_WORD_MAX];
	char app_name[SETTINGS_WORD_MAX];
};

extern const struct object object_error, object_version, object_instance, object_balloon_stats,
	object_hinting_status, object_reporting_status;

/* GET /metrics: groups of counters, which metrics.c writes; only for the OpenAPI document. */
extern const struct object object_metrics_values;

/* All of the above, NULL-terminated, for the OpenAPI document. */
extern const struct object *const all_objects[];

#endif
