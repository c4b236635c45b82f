// SPDX-License-Identifier: Apache-2.0
/* The machine, its logs and metrics, actions, and the whole configuration. */
#include "api/objects.h"

#include "api/field.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

/* Bytes of memory are counted in 64 bits, of which the host can address 47. */
#define MEM_MAX_MIB (UINT64_C(1) << 27)

static const struct field boot_source_fields[] = {
	{ "kernel_image_path", FIELD_STRING, FIELD_REQUIRED,
	  AT(boot_source_settings, kernel_image_path),
	  .help = "The guest's kernel: ELF or bzImage; empty as long as there is none." },
	{ "initrd_path", FIELD_STRING, 0, AT(boot_source_settings, initrd_path), .min = 1,
	  .help = "Initial ram disk." },
	{ "boot_args", FIELD_STRING, 0, AT(boot_source_settings, boot_args),
	  .help = "Command line of the kernel, to which the monitor adds devices." },
};

const struct object object_boot_source = {
	.name = "BootSource",
	.help = "What the guest boots.",
	.size = sizeof(struct boot_source_settings),
	FIELDS(boot_source_fields),
};

static const char *const cpu_templates[] = {
	[CPU_TEMPLATE_NONE] = "None", [CPU_TEMPLATE_C3] = "C3",
	[CPU_TEMPLATE_T2] = "T2",     [CPU_TEMPLATE_T2S] = "T2S",
	[CPU_TEMPLATE_T2CL] = "T2CL", [CPU_TEMPLATE_T2A] = "T2A",
	[CPU_TEMPLATE_V1N1] = "V1N1", NULL
};
static const char *const huge_page_words[] = { [HUGE_PAGES_NONE] = "None",
					       [HUGE_PAGES_TRANSPARENT] = "Transparent",
					       [HUGE_PAGES_2M] = "2M",
					       NULL };

/* The fields of a machine in both tables; `first` are the flags of the two that PUT requires,
 * `rest` of those that have a default then. */
#define MACHINE_FIELDS(first, rest)                                                               \
	{ "vcpu_count",                                                                           \
	  FIELD_UINT,                                                                             \
	  first,                                                                                  \
	  AT(machine_settings, vcpu_count),                                                       \
	  .min = 1,                                                                               \
	  .max = MAX_VCPUS,                                                                       \
	  .help = "Number of vCPUs; with `smt`: 1 or even." },                                    \
		{ "mem_size_mib",                                                                 \
		  FIELD_UINT,                                                                     \
		  first,                                                                          \
		  AT(machine_settings, mem_size_mib),                                             \
		  .min = 1,                                                                       \
		  .max = MEM_MAX_MIB,                                                             \
		  .help = "Memory in MiB; with `huge_pages` 2M: even." },                         \
		{ "smt", FIELD_BOOL, rest, AT(machine_settings, smt),                             \
		  .help = "Whether two vCPUs each appear as threads of a core." },                \
		{ "track_dirty_pages", FIELD_BOOL, rest, AT(machine_settings, track_dirty_pages), \
		  .help = "Whether pages that the guest writes are tracked, for diff "            \
			  "snapshots; no effect before there are any." },                         \
		{ "cpu_template",                                                                 \
		  FIELD_ENUM,                                                                     \
		  FIELD_DEPRECATED | FIELD_ABSENT,                                                \
		  AT(machine_settings, cpu_template),                                             \
		  .words = cpu_templates,                                                         \
		  .help = "Static CPU template; not given: as before. Taken for old "             \
			  "clients, without effect: the guest sees the host's processor." },      \
		{ "huge_pages",                                                                   \
		  FIELD_ENUM,                                                                     \
		  rest,                                                                           \
		  AT(machine_settings, huge_pages),                                               \
		  .words = huge_page_words,                                                       \
		  .help = "Pages that back the guest's memory." },

static const struct field machine_fields[] = { MACHINE_FIELDS(FIELD_REQUIRED, FIELD_HAS_DEFAULT) };

static const struct field machine_update_fields[] = { MACHINE_FIELDS(0, 0) };

/* Of an update, fields that were not given are zero, and nothing is wrong with them. */
static int check_machine(void *obj, struct err *e)
{
	const struct machine_settings *m = obj;

	if (m->smt && m->vcpu_count > 1 && m->vcpu_count % 2 != 0)
		return err_set(e, -EINVAL, "vcpu_count: %u, expected 1 or an even number with smt",
			       m->vcpu_count);
	if (m->huge_pages == HUGE_PAGES_2M && m->mem_size_mib % 2 != 0)
		return err_set(e, -EINVAL,
			       "mem_size_mib: %llu, expected an even number with huge_pages 2M",
			       (unsigned long long)m->mem_size_mib);
	return 0;
}

static int check_machine_update(void *obj, struct err *e)
{
	const struct machine_settings *m = obj;

	if (m->given == 0)
		return err_set(e, -EINVAL, "MachineUpdate: an empty object, expected a field");
	return check_machine(obj, e);
}

const struct object object_machine = {
	.name = "MachineConfiguration",
	.help = "Processors and memory.",
	.size = sizeof(struct machine_settings),
	FIELDS(machine_fields),
	.check = check_machine,
};

const struct object object_machine_update = {
	.name = "MachineUpdate",
	.help = "A change to processors and memory: at least one field.",
	.size = sizeof(struct machine_settings),
	FIELDS(machine_update_fields),
	.check = check_machine_update,
};

/* In the order of enum log_level (vmm/log.h). */
static const char *const log_levels[] = { "Off",   "Error", "Warning|Warn", "Info", "Debug",
					  "Trace", NULL };

static const struct field logger_fields[] = {
	{ "log_path", FIELD_STRING, 0, AT(logger_settings, log_path), .min = 1,
	  .help = "File or FIFO for messages, instead of standard output." },
	{ "level", FIELD_ENUM, FIELD_ANY_CASE, AT(logger_settings, level), .words = log_levels,
	  .help = "The least important messages that are written; at first Info." },
	{ "show_level", FIELD_BOOL, 0, AT(logger_settings, show_level),
	  .help = "Whether each message says its level; at first not." },
	{ "show_log_origin", FIELD_BOOL, 0, AT(logger_settings, show_log_origin),
	  .help = "Whether each message says file and line; at first not." },
	{ "module", FIELD_STRING, 0, AT(logger_settings, module),
	  .help = "Only messages of modules whose name begins so." },
};

const struct object object_logger = {
	.name = "Logger",
	.help = "Where messages go; what is not given stays as it is.",
	.size = sizeof(struct logger_settings),
	FIELDS(logger_fields),
};

static const struct field metrics_fields[] = {
	{ "metrics_path", FIELD_STRING, FIELD_REQUIRED, AT(metrics_settings, metrics_path),
	  .min = 1, .help = "File or FIFO for one line of JSON a minute." },
	{ "emit_id", FIELD_BOOL, FIELD_HAS_DEFAULT, AT(metrics_settings, emit_id),
	  .help = "Whether each line has the id of the machine." },
	{ "properties", FIELD_MAP, 0, LIST_AT(metrics_settings, properties),
	  .max = SETTINGS_MAX_PROPS, .help = "Names and values that each line repeats." },
};

const struct object object_metrics = {
	.name = "Metrics",
	.help = "Where counters go.",
	.size = sizeof(struct metrics_settings),
	FIELDS(metrics_fields),
	.open = true,
};

static const char *const mmds_versions[] = { [MMDS_V1] = "V1", [MMDS_V2] = "V2", NULL };

static const struct field mmds_fields[] = {
	{ "network_interfaces", FIELD_STRINGS, FIELD_REQUIRED | FIELD_ID,
	  LIST_AT(mmds_settings, network_interfaces), .min = 1, .max = SETTINGS_MAX_DEVICES,
	  .help = "The `iface_id` of interfaces through which the guest reaches the service." },
	{ "version", FIELD_ENUM, FIELD_HAS_DEFAULT, AT(mmds_settings, version), .fallback = MMDS_V1,
	  .words = mmds_versions, .help = "V1, which is deprecated, or V2, which wants tokens." },
	{ "ipv4_address", FIELD_STRING, 0, AT(mmds_settings, ipv4_address),
	  .help = "A link-local address for the service; not given: 169.254.169.254." },
	{ "imds_compat", FIELD_BOOL, FIELD_HAS_DEFAULT, AT(mmds_settings, imds_compat),
	  .help = "Whether answers are text even when JSON is asked for." },
};

/* Link-local is 169.254.0.0/16 without its first and last 256 (RFC 3927). */
static int check_mmds(void *obj, struct err *e)
{
	struct mmds_settings *m = obj;
	struct in_addr in;
	uint32_t a;

	if (!schema_given(&object_mmds, obj, "ipv4_address")) {
		snprintf(m->ipv4_address, sizeof(m->ipv4_address), "169.254.169.254");
		schema_set_given(&object_mmds, obj, "ipv4_address", true);
	}
	if (inet_pton(AF_INET, m->ipv4_address, &in) == 1) {
		a = ntohl(in.s_addr);
		if (a >= 0xa9fe0100u && a < 0xa9feff00u)
			return 0;
	}
	return err_set(e, -EINVAL,
		       "ipv4_address: expected one from 169.254.1.0 to 169.254.254.255");
}

const struct object object_mmds = {
	.name = "MmdsConfig",
	.help = "The metadata service.",
	.size = sizeof(struct mmds_settings),
	FIELDS(mmds_fields),
	.check = check_mmds,
};

static const char *const actions[] = { [ACTION_INSTANCE_START] = "InstanceStart",
				       [ACTION_FLUSH_METRICS] = "FlushMetrics",
				       [ACTION_SEND_CTRL_ALT_DEL] = "SendCtrlAltDel",
				       NULL };

static const struct field action_fields[] = {
	{ "action_type", FIELD_ENUM, FIELD_REQUIRED, AT(action_request, action_type),
	  .words = actions,
	  .help = "InstanceStart before the guest runs, the others while it does." },
};

const struct object object_action = {
	.name = "InstanceActionInfo",
	.help = "Something to do now.",
	.size = sizeof(struct action_request),
	FIELDS(action_fields),
};

static const char *const vm_states[] = {
	[VM_STATE_PAUSED] = "Paused", [VM_STATE_RESUMED] = "Resumed", NULL
};

static const struct field vm_fields[] = {
	{ "state", FIELD_ENUM, FIELD_REQUIRED, AT(vm_request, state), .words = vm_states,
	  .help = "What the machine should be." },
};

const struct object object_vm = {
	.name = "Vm",
	.help = "Stops a machine for a while, or lets it go on.",
	.size = sizeof(struct vm_request),
	FIELDS(vm_fields),
};

static const struct field vm_settings_fields[] = {
	{ "balloon", FIELD_OBJECT, 0, AT(vm_settings, balloon), .object = &object_balloon,
	  .help = "As PUT /balloon." },
	{ "drives", FIELD_OBJECTS, FIELD_REQUIRED, LIST_AT(vm_settings, drives),
	  .max = SETTINGS_MAX_DEVICES, .object = &object_drive,
	  .help = "As PUT /drives/{drive_id}, each." },
	{ "boot-source", FIELD_OBJECT, FIELD_REQUIRED, AT(vm_settings, boot_source),
	  .object = &object_boot_source, .help = "As PUT /boot-source." },
	{ "cpu-config", FIELD_ANY, FIELD_LATER, .help = "Not supported by this version." },
	{ "logger", FIELD_OBJECT, 0, AT(vm_settings, logger), .object = &object_logger,
	  .help = "As PUT /logger." },
	{ "machine-config", FIELD_OBJECT, 0, AT(vm_settings, machine), .object = &object_machine,
	  .help = "As PUT /machine-config." },
	{ "metrics", FIELD_OBJECT, 0, AT(vm_settings, metrics), .object = &object_metrics,
	  .help = "As PUT /metrics." },
	{ "mmds-config", FIELD_OBJECT, 0, AT(vm_settings, mmds), .object = &object_mmds,
	  .help = "As PUT /mmds/config." },
	{ "network-interfaces", FIELD_OBJECTS, FIELD_HAS_DEFAULT, LIST_AT(vm_settings, networks),
	  .max = SETTINGS_MAX_DEVICES, .object = &object_network,
	  .help = "As PUT /network-interfaces/{iface_id}, each." },
	{ "vsock", FIELD_OBJECT, 0, AT(vm_settings, vsock), .object = &object_vsock,
	  .help = "As PUT /vsock." },
	{ "entropy", FIELD_OBJECT, 0, AT(vm_settings, entropy), .object = &object_entropy,
	  .help = "As PUT /entropy." },
	{ "pmem", FIELD_OBJECTS, FIELD_LATER, .help = "Not supported by this version." },
	{ "memory-hotplug", FIELD_ANY, FIELD_LATER, .help = "Not supported by this version." },
};

const struct object object_vm_settings = {
	.name = "FullVmConfiguration",
	.help = "Everything that is configured; also the contents of a configuration file.",
	.size = sizeof(struct vm_settings),
	FIELDS(vm_settings_fields),
	.open = true,
};
