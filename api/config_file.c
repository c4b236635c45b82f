// SPDX-License-Identifier: Apache-2.0
/* A configuration file: the same objects through the same handlers as requests. Loop thread. */
#include "api/config_file.h"

#include <errno.h>
#include <sys/mman.h>

#include "api/handlers.h"
#include "api/json.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define PAGE 4096u

/* What the file says; too large for a stack. */
static struct vm_settings wanted __attribute__((aligned(PAGE)));

static int apply_drives(struct api *api, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < wanted.nr_drives; i++)
		r = put_drive(api, &wanted.drives[i], NULL, e);
	return r;
}

static int apply_networks(struct api *api, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < wanted.nr_networks; i++)
		r = put_network(api, &wanted.networks[i], NULL, e);
	return r;
}

/* Each section that the file has, messages first, so that the others have somewhere to go. */
static int apply(struct api *api, struct err *e)
{
	static const struct {
		const char *section;
		HANDLER((*put));
		const void *settings;
	} single[] = {
		{ "logger", put_logger, &wanted.logger },
		{ "metrics", put_metrics, &wanted.metrics },
		{ "boot-source", put_boot_source, &wanted.boot_source },
		{ "machine-config", put_machine_config, &wanted.machine },
		{ "vsock", put_vsock, &wanted.vsock },
		{ "entropy", put_entropy, &wanted.entropy },
		{ "balloon", put_balloon, &wanted.balloon },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(single); i++) {
		if (schema_given(&object_vm_settings, &wanted, single[i].section))
			r = single[i].put(api, single[i].settings, NULL, e);
	}
	if (r == 0)
		r = apply_drives(api, e);
	if (r == 0)
		r = apply_networks(api, e);
	if (r == 0 && schema_given(&object_vm_settings, &wanted, "mmds-config"))
		log_warn("mmds-config: " NOT_SUPPORTED ", the guest has no metadata service");
	return r;
}

/* Nobody looks at it again: its pages go back to the host. What is left is zero, or as it was. */
static void forget_wanted(void)
{
	madvise(&wanted, sizeof(wanted) & ~(size_t)(PAGE - 1), MADV_DONTNEED);
}

int api_apply_config_file(struct api *api, const char *path, bool *started, struct err *e)
{
	static const struct action_request start = { .action_type = ACTION_INSTANCE_START };
	const cJSON *json = json_parse_file("config file", path, e);
	struct err why = { 0 };

	*started = false;
	if (!json)
		return -EINVAL;
	if (schema_decode(&object_vm_settings, json, &wanted, NULL, &why) < 0 ||
	    apply(api, &why) < 0)
		return err_set(e, -EINVAL, "config file %s: %s", path, why.msg);
	forget_wanted();
	*started = true;
	return put_action(api, &start, NULL, e);
}
