// SPDX-License-Identifier: Apache-2.0
/* What is only ever answered, and the list of all objects. */
#include "api/objects.h"

#include "api/field.h"

static const struct field error_fields[] = {
	{ "fault_message", FIELD_STRING, FIELD_REQUIRED, AT(error_answer, fault_message),
	  .help = "One line: what, its value, what was expected." },
};

const struct object object_error = {
	.name = "Error",
	.help = "Why a request was refused.",
	.size = sizeof(struct error_answer),
	FIELDS(error_fields),
};

static const struct field version_fields[] = {
	{ "firecracker_version", FIELD_STRING, FIELD_REQUIRED,
	  AT(version_answer, firecracker_version),
	  .help = "The version of Firecracker whose API this is." },
	{ "mote_version", FIELD_STRING, FIELD_REQUIRED, AT(version_answer, mote_version),
	  .help = "The version of the monitor." },
};

const struct object object_version = {
	.name = "FirecrackerVersion",
	.help = "Versions.",
	.size = sizeof(struct version_answer),
	FIELDS(version_fields),
};

static const struct field instance_fields[] = {
	{ "id", FIELD_STRING, FIELD_REQUIRED, AT(instance_answer, id),
	  .help = "As given by --id." },
	{ "state", FIELD_STRING, FIELD_REQUIRED, AT(instance_answer, state),
	  .help = "\"Not started\", \"Running\" or \"Paused\"." },
	{ "vmm_version", FIELD_STRING, FIELD_REQUIRED, AT(instance_answer, vmm_version),
	  .help = "The version of Firecracker whose API this is." },
	{ "app_name", FIELD_STRING, FIELD_REQUIRED, AT(instance_answer, app_name),
	  .help = "The name of the API." },
};

const struct object object_instance = {
	.name = "InstanceInfo",
	.help = "The state of the machine.",
	.size = sizeof(struct instance_answer),
	FIELDS(instance_fields),
};

static const struct field balloon_stats_fields[] = {
	{ "target_pages", FIELD_UINT, FIELD_REQUIRED, AT(balloon_statistics, target_pages),
	  .help = "Pages of 4 KiB that the guest should give." },
	{ "actual_pages", FIELD_UINT, FIELD_REQUIRED, AT(balloon_statistics, actual_pages),
	  .help = "Pages of 4 KiB that it has given." },
	{ "target_mib", FIELD_UINT, FIELD_REQUIRED, AT(balloon_statistics, target_mib),
	  .help = "The same in MiB: what it should give." },
	{ "actual_mib", FIELD_UINT, FIELD_REQUIRED, AT(balloon_statistics, actual_mib),
	  .help = "The same in MiB: what it has given." },
/* What the guest tells, in the order of VIRTIO_BALLOON_S_...; the rest if it did. */
#define GUEST(n, name, text)                                                                     \
	{                                                                                        \
		name, FIELD_UINT, FIELD_ABSENT, AT(balloon_statistics, guest[n]), .help = (text) \
	}
	GUEST(0, "swap_in", "Bytes that the guest has swapped in."),
	GUEST(1, "swap_out", "Bytes that it has swapped out."),
	GUEST(2, "major_faults", "Page faults that had to wait for a disk."),
	GUEST(3, "minor_faults", "Page faults that had not."),
	GUEST(4, "free_memory", "Bytes that nothing uses."),
	GUEST(5, "total_memory", "Bytes that it has."),
	GUEST(6, "available_memory", "Bytes that programs could get without swapping."),
	GUEST(7, "disk_caches", "Bytes that could be had back at once from caches of files."),
	GUEST(8, "hugetlb_allocations", "Huge pages that it has allocated."),
	GUEST(9, "hugetlb_failures", "Huge pages that it could not."),
	GUEST(10, "oom_kill", "Times that it killed a program for want of memory."),
	GUEST(11, "alloc_stall", "Allocations that had to make room first."),
	GUEST(12, "async_scan", "Pages looked at to make room ahead."),
	GUEST(13, "direct_scan", "Pages looked at to make room at once."),
	GUEST(14, "async_reclaim", "Pages of those that became free ahead."),
	GUEST(15, "direct_reclaim", "Pages of those that became free at once."),
#undef GUEST
};

_Static_assert(BALLOON_STATS_GUEST(BALLOON_STATS_MAX) == 1u << ARRAY_SIZE(balloon_stats_fields),
	       "the guest's come after ours, in their order");

const struct object object_balloon_stats = {
	.name = "BalloonStats",
	.help = "How much memory the guest has given back.",
	.size = sizeof(struct balloon_statistics),
	FIELDS(balloon_stats_fields),
};

static const struct field hinting_status_fields[] = {
	{ "host_cmd", FIELD_UINT, FIELD_REQUIRED, AT(hinting_status, host_cmd),
	  .help = "What the guest was told: 0 to stop, 1 that all is done, else to begin." },
	{ "guest_cmd", FIELD_UINT, 0, AT(hinting_status, guest_cmd),
	  .help = "What the guest answered to." },
};

const struct object object_hinting_status = {
	.name = "BalloonHintingStatus",
	.help = "How far the guest is with telling unused pages.",
	.size = sizeof(struct hinting_status),
	FIELDS(hinting_status_fields),
};

static const struct field reporting_status_fields[] = {
	{ "paused", FIELD_BOOL, FIELD_REQUIRED, AT(reporting_status, paused),
	  .help = "Whether the pages that the guest reports wait." },
};

const struct object object_reporting_status = {
	.name = "BalloonReportingStatus",
	.help = "Whether memory that the guest reports as free is given back.",
	.size = sizeof(struct reporting_status),
	FIELDS(reporting_status_fields),
};

const struct object object_metrics_values = {
	.name = "MetricsValues",
	.help = "Groups of counters since the start, as in the lines of the metrics file.",
	.size = sizeof(uint32_t),
	.open = true,
};

const struct object *const all_objects[] = {
	&object_action,
	&object_balloon,
	&object_balloon_stats,
	&object_balloon_stats_update,
	&object_balloon_update,
	&object_boot_source,
	&object_drive,
	&object_drive_update,
	&object_entropy,
	&object_error,
	&object_hinting_start,
	&object_hinting_status,
	&object_instance,
	&object_logger,
	&object_machine,
	&object_machine_update,
	&object_metrics,
	&object_metrics_values,
	&object_mmds,
	&object_network,
	&object_network_update,
	&object_rate_limiter,
	&object_reporting_status,
	&object_serial,
	&object_token_bucket,
	&object_version,
	&object_vm,
	&object_vm_settings,
	&object_vsock,
	NULL,
};
