// SPDX-License-Identifier: Apache-2.0
#include "api/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/metrics_out.h"
#include "api/objects.h"
#include "vmm/log.h"
#include "vmm/metrics.h"
#include "vmm/version.h"

void api_note_given(struct api *api, const char *section)
{
	schema_set_given(&object_vm_settings, &api->machine.settings, section, true);
}

/* ---- questions ------------------------------------------------------------------------------- */

HANDLER(get_instance)
{
	static const char *const phase[] = {
		[MACHINE_NOT_STARTED] = "Not started",
		[MACHINE_RUNNING] = "Running",
		[MACHINE_PAUSED] = "Paused",
	};
	static struct instance_answer a;

	(void)request;
	(void)e;
	snprintf(a.id, sizeof(a.id), "%s", api->options.id);
	snprintf(a.state, sizeof(a.state), "%s", phase[api->machine.phase]);
	snprintf(a.vmm_version, sizeof(a.vmm_version), API_VERSION);
	snprintf(a.app_name, sizeof(a.app_name), "Firecracker");
	*answer = &a;
	return 0;
}

HANDLER(get_version)
{
	static const struct version_answer a = {
		.firecracker_version = API_VERSION,
		.mote_version = MOTE_VERSION,
	};

	(void)api;
	(void)request;
	(void)e;
	*answer = &a;
	return 0;
}

HANDLER(get_vm_config)
{
	(void)request;
	(void)e;
	*answer = &api->machine.settings;
	return 0;
}

HANDLER(get_machine_config)
{
	(void)request;
	(void)e;
	*answer = &api->machine.settings.machine;
	return 0;
}

/* ---- what the guest boots, and with what ----------------------------------------------------- */

HANDLER(put_boot_source)
{
	int r = machine_set_boot_source(&api->machine, request, e);

	(void)answer;
	if (r == 0)
		api_note_given(api, "boot-source");
	return r;
}

static int set_machine(struct api *api, const struct machine_settings *s, struct err *e)
{
	int r = machine_set_config(&api->machine, s, e);

	if (r == 0)
		api_note_given(api, "machine-config");
	return r;
}

HANDLER(put_machine_config)
{
	const struct machine_settings *old = &api->machine.settings.machine;
	struct machine_settings s = *(const struct machine_settings *)request;

	(void)answer;
	/* Of all that is not given, the template alone stays as it was. */
	if (!schema_given(&object_machine, &s, "cpu_template") &&
	    schema_given(&object_machine, old, "cpu_template")) {
		s.cpu_template = old->cpu_template;
		schema_set_given(&object_machine, &s, "cpu_template", true);
	}
	return set_machine(api, &s, e);
}

HANDLER(patch_machine_config)
{
	const struct machine_settings *p = request;
	struct machine_settings s = api->machine.settings.machine;
	const struct object *o = &object_machine_update;

	(void)answer;
	if (schema_given(o, p, "vcpu_count"))
		s.vcpu_count = p->vcpu_count;
	if (schema_given(o, p, "mem_size_mib"))
		s.mem_size_mib = p->mem_size_mib;
	if (schema_given(o, p, "smt"))
		s.smt = p->smt;
	if (schema_given(o, p, "track_dirty_pages"))
		s.track_dirty_pages = p->track_dirty_pages;
	if (schema_given(o, p, "huge_pages"))
		s.huge_pages = p->huge_pages;
	if (schema_given(o, p, "cpu_template")) {
		s.cpu_template = p->cpu_template;
		schema_set_given(&object_machine, &s, "cpu_template", true);
	}
	/* Two fields that are right by themselves can be wrong together. */
	if (object_machine.check(&s, e) < 0)
		return -EINVAL;
	return set_machine(api, &s, e);
}

/* ---- devices --------------------------------------------------------------------------------- */

HANDLER(put_drive)
{
	int r = machine_set_drive(&api->machine, request, e);

	(void)answer;
	if (r == 0)
		api_note_given(api, "drives");
	return r;
}

HANDLER(patch_drive)
{
	(void)answer;
	return machine_update_drive(&api->machine, request, e);
}

HANDLER(put_entropy)
{
	int r = machine_set_entropy(&api->machine, request, e);

	(void)answer;
	if (r == 0)
		api_note_given(api, "entropy");
	return r;
}

HANDLER(put_network)
{
	int r = machine_set_network(&api->machine, request, e);

	(void)answer;
	if (r == 0)
		api_note_given(api, "network-interfaces");
	return r;
}

HANDLER(patch_network)
{
	(void)answer;
	return machine_update_network(&api->machine, request, e);
}

HANDLER(put_vsock)
{
	int r = machine_set_vsock(&api->machine, request, e);

	(void)answer;
	/* A socket cannot be made again at the same path while the old one is there: both may be
	 * gone.
	 */
	schema_set_given(&object_vm_settings, &api->machine.settings, "vsock",
			 api->machine.config.has_vsock);
	return r;
}

HANDLER(put_serial)
{
	(void)answer;
	return machine_set_serial(&api->machine, request, e);
}

/* ---- messages and counters ------------------------------------------------------------------- */

int api_set_logger(struct api *api, const struct logger_settings *s, struct err *e)
{
	struct logger_settings *now = &api->machine.settings.logger;
	const struct object *o = &object_logger;
	struct logger_settings next = *now;
	struct log_config c = { .id = api->options.id };
	int r;

	if (schema_given(o, s, "level"))
		next.level = s->level;
	if (schema_given(o, s, "show_level"))
		next.show_level = s->show_level;
	if (schema_given(o, s, "show_log_origin"))
		next.show_log_origin = s->show_log_origin;
	if (schema_given(o, s, "module"))
		snprintf(next.module, sizeof(next.module), "%s", s->module);
	if (schema_given(o, s, "log_path")) {
		r = log_open(s->log_path, e);
		if (r < 0)
			return r;
		snprintf(next.log_path, sizeof(next.log_path), "%s", s->log_path);
	}
	c.level = (enum log_level)next.level;
	c.show_level = next.show_level;
	c.show_origin = next.show_log_origin;
	c.module = next.module;
	r = log_configure(&c, e);
	if (r < 0)
		return r;
	next.given |= s->given;
	*now = next;
	return 0;
}

int api_set_metrics(struct api *api, const struct metrics_settings *s, struct err *e)
{
	int r = metrics_out_open(s, api->options.id, e);

	if (r == 0)
		api->machine.settings.metrics = *s;
	return r;
}

HANDLER(put_logger)
{
	(void)answer;
	return api_set_logger(api, request, e);
}

HANDLER(put_metrics)
{
	(void)answer;
	return api_set_metrics(api, request, e);
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int start(struct api *api, struct err *e)
{
	int r;

	if (api->machine.phase != MACHINE_NOT_STARTED)
		return err_set(e, -EINVAL,
			       "InstanceStart: The requested operation is not supported after "
			       "starting the microVM.");
	r = machine_start(&api->machine, e);
	if (r == 0)
		api_ready(api, "running");
	return r;
}

HANDLER(put_action)
{
	const struct action_request *a = request;

	(void)answer;
	if (a->action_type == ACTION_INSTANCE_START)
		return start(api, e);
	if (api->machine.phase == MACHINE_NOT_STARTED)
		return err_set(e, -EINVAL,
			       "action_type: The requested operation is not supported before "
			       "starting the microVM.");
	if (a->action_type == ACTION_SEND_CTRL_ALT_DEL)
		return machine_ctrl_alt_del(&api->machine, e);
	return metrics_out_flush() < 0 ? err_set(e, -EIO, "FlushMetrics: the file does not take it")
				       : 0;
}

HANDLER(patch_vm)
{
	const struct vm_request *v = request;
	bool pause = v->state == VM_STATE_PAUSED;
	bool change = pause == (api->machine.phase == MACHINE_RUNNING);
	uint64_t start_us = now_us();
	uint64_t us;
	int r;

	(void)answer;
	r = pause ? machine_pause(&api->machine, e) : machine_resume(&api->machine, e);
	us = now_us() - start_us;
	if (r < 0 || !change)
		return r;
	metric_set(pause ? &metrics.latencies_us.pause_vm : &metrics.latencies_us.resume_vm, us);
	metric_set(pause ? &metrics.latencies_us.vmm_pause_vm : &metrics.latencies_us.vmm_resume_vm,
		   us);
	return r;
}
