// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"

#include "api/handlers.h"
#include "api/metrics_out.h"
#include "vmm/util.h"

#define BOTH (PHASE_BEFORE | PHASE_AFTER)

/* NOLINTBEGIN(bugprone-macro-parentheses): these are members of an initialiser, no expressions. */
#define GET_COUNT(name) .count = &metrics.get_api_requests.name##_count
#define PUT_COUNT(name)                                  \
	.count = &metrics.put_api_requests.name##_count, \
	.fails = &metrics.put_api_requests.name##_fails
#define PATCH_COUNT(name)                                  \
	.count = &metrics.patch_api_requests.name##_count, \
	.fails = &metrics.patch_api_requests.name##_fails
/* NOLINTEND(bugprone-macro-parentheses) */

const struct route api_routes[] = {
	{ HTTP_GET, "", BOTH, .answer = &object_instance, .handle = get_instance,
	  .help = "What and in which state the machine is.", GET_COUNT(instance_info) },
	{ HTTP_GET, "version", BOTH, .answer = &object_version, .handle = get_version,
	  .help = "The versions of the API and of the monitor.", GET_COUNT(vmm_version) },
	{ HTTP_GET, "vm/config", BOTH, .answer = &object_vm_settings, .handle = get_vm_config,
	  .help = "All that is configured, in the form of a configuration file." },
	{ HTTP_PATCH, "vm", PHASE_AFTER, .request = &object_vm, .handle = patch_vm,
	  .help = "Pauses or resumes vCPUs and devices." },
	{ HTTP_PUT, "actions", BOTH, .request = &object_action, .handle = put_action,
	  .help = "Starts the guest, presses Ctrl-Alt-Del, or writes the metrics out.",
	  PUT_COUNT(actions) },

	{ HTTP_PUT, "boot-source", PHASE_BEFORE, .request = &object_boot_source,
	  .handle = put_boot_source, .help = "Opens kernel and initrd. Repeated, it replaces them.",
	  PUT_COUNT(boot_source) },
	{ HTTP_GET, "machine-config", BOTH, .answer = &object_machine, .handle = get_machine_config,
	  .help = "Processors and memory.", GET_COUNT(machine_cfg) },
	{ HTTP_PUT, "machine-config", PHASE_BEFORE, .request = &object_machine,
	  .handle = put_machine_config,
	  .help = "Sets processors and memory; what is not given returns to its default.",
	  PUT_COUNT(machine_cfg) },
	{ HTTP_PATCH, "machine-config", PHASE_BEFORE, .request = &object_machine_update,
	  .handle = patch_machine_config, .help = "Changes what is given.",
	  PATCH_COUNT(machine_cfg) },
	{ HTTP_PUT, "cpu-config", PHASE_BEFORE, .unsupported = true, .quiet = true,
	  .help = "Custom CPU templates.", PUT_COUNT(cpu_cfg) },

	{ HTTP_PUT, "drives/{drive_id}", PHASE_BEFORE, .request = &object_drive,
	  .handle = put_drive, .help = "Adds a drive, or replaces the one of that name.",
	  PUT_COUNT(drive) },
	{ HTTP_PATCH, "drives/{drive_id}", PHASE_AFTER, .request = &object_drive_update,
	  .handle = patch_drive, .help = "Puts another file into a running drive.",
	  PATCH_COUNT(drive) },
	{ HTTP_DELETE, "drives/{drive_id}", PHASE_AFTER, .unsupported = true,
	  .help = "Unplugs a drive." },
	{ HTTP_PUT, "pmem/{id}", PHASE_BEFORE, .unsupported = true,
	  .help = "Adds a persistent-memory device.", PUT_COUNT(pmem) },
	{ HTTP_PATCH, "pmem/{id}", PHASE_AFTER, .unsupported = true,
	  .help = "Changes its rate limiter." },
	{ HTTP_DELETE, "pmem/{id}", PHASE_AFTER, .unsupported = true, .help = "Unplugs it." },
	{ HTTP_PUT, "network-interfaces/{iface_id}", PHASE_BEFORE, .request = &object_network,
	  .handle = put_network,
	  .help = "Adds a network interface, or replaces the one of that name.",
	  PUT_COUNT(network) },
	{ HTTP_PATCH, "network-interfaces/{iface_id}", PHASE_AFTER,
	  .request = &object_network_update, .handle = patch_network,
	  .help = "Changes the rate limiters of a running interface.", PATCH_COUNT(network) },
	{ HTTP_DELETE, "network-interfaces/{iface_id}", PHASE_AFTER, .unsupported = true,
	  .help = "Unplugs an interface." },
	{ HTTP_PUT, "vsock", PHASE_BEFORE, .request = &object_vsock, .handle = put_vsock,
	  .help = "Adds the vsock device. Repeated, it replaces it.", PUT_COUNT(vsock) },
	{ HTTP_PUT, "entropy", PHASE_BEFORE, .request = &object_entropy, .handle = put_entropy,
	  .help = "Adds the entropy device." },
	{ HTTP_PUT, "serial", PHASE_BEFORE, .request = &object_serial, .handle = put_serial,
	  .help = "Sends the serial console to a file or FIFO.", PUT_COUNT(serial) },

	{ HTTP_PUT, "balloon", PHASE_BEFORE, .request = &object_balloon, .handle = put_balloon,
	  .help = "Adds the balloon. Repeated, it replaces it." },
	{ HTTP_GET, "balloon", BOTH, .answer = &object_balloon, .handle = get_balloon,
	  .help = "The balloon's configuration." },
	{ HTTP_PATCH, "balloon", PHASE_AFTER, .request = &object_balloon_update,
	  .handle = patch_balloon, .help = "Changes its size." },
	{ HTTP_GET, "balloon/statistics", PHASE_AFTER, .answer = &object_balloon_stats,
	  .handle = get_balloon_stats, .help = "What the guest says of its memory." },
	{ HTTP_PATCH, "balloon/statistics", PHASE_AFTER, .request = &object_balloon_stats_update,
	  .handle = patch_balloon_stats, .help = "Changes how often it is asked." },
	{ HTTP_PATCH, "balloon/hinting/start", PHASE_AFTER, .request = &object_hinting_start,
	  .body_optional = true, .handle = start_hinting, .help = "Asks for free pages." },
	{ HTTP_GET, "balloon/hinting/status", PHASE_AFTER, .answer = &object_hinting_status,
	  .handle = get_hinting_status, .help = "How far that is." },
	{ HTTP_PATCH, "balloon/hinting/stop", PHASE_AFTER, .body_optional = true,
	  .handle = stop_hinting, .help = "Ends it: the guest may use its pages again." },
	{ HTTP_PATCH, "balloon/reporting/pause", PHASE_AFTER, .body_optional = true,
	  .handle = pause_reporting, .help = "Lets pages that the guest reports wait." },
	{ HTTP_PATCH, "balloon/reporting/resume", PHASE_AFTER, .body_optional = true,
	  .handle = resume_reporting, .help = "Gives them back again, also those that waited." },
	{ HTTP_GET, "balloon/reporting/status", PHASE_AFTER, .answer = &object_reporting_status,
	  .handle = get_reporting_status, .help = "Whether reporting is paused." },

	{ HTTP_PUT, "logger", PHASE_BEFORE, .request = &object_logger, .handle = put_logger,
	  .help = "Says where messages go, and which.", PUT_COUNT(logger) },
	{ HTTP_PUT, "metrics", PHASE_BEFORE, .request = &object_metrics, .handle = put_metrics,
	  .help = "Says where counters go. Once.", PUT_COUNT(metrics) },
	{ HTTP_GET, "metrics", BOTH, .answer = &object_metrics_values, .write = metrics_out_current,
	  .help = "All counters since the start; what is flushed does not change." },

	{ HTTP_PUT, "mmds/config", PHASE_BEFORE, .unsupported = true, .quiet = true,
	  .help = "Configures the metadata service.", PUT_COUNT(mmds) },
	{ HTTP_GET, "mmds", BOTH, .unsupported = true, .help = "The metadata.", GET_COUNT(mmds) },
	{ HTTP_PUT, "mmds", BOTH, .unsupported = true, .quiet = true,
	  .help = "Replaces the metadata.", PUT_COUNT(mmds) },
	{ HTTP_PATCH, "mmds", BOTH, .unsupported = true, .quiet = true,
	  .help = "Changes the metadata.", PATCH_COUNT(mmds) },
	{ HTTP_PUT, "snapshot/create", PHASE_AFTER, .unsupported = true,
	  .help = "Saves a paused machine." },
	{ HTTP_PUT, "snapshot/load", PHASE_BEFORE, .unsupported = true,
	  .help = "Restores a machine." },
	{ HTTP_PUT, "hotplug/memory", PHASE_BEFORE, .unsupported = true,
	  .help = "Adds memory that can be plugged.", PUT_COUNT(hotplug_memory) },
	{ HTTP_GET, "hotplug/memory", PHASE_AFTER, .unsupported = true,
	  .help = "How much of it is.", GET_COUNT(hotplug_memory) },
	{ HTTP_PATCH, "hotplug/memory", PHASE_AFTER, .unsupported = true, .help = "Plugs it.",
	  PATCH_COUNT(hotplug_memory) },
};

const size_t nr_api_routes = ARRAY_SIZE(api_routes);
