// SPDX-License-Identifier: Apache-2.0
/* Main thread, at start. */
#include "api/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/objects.h"
#include "vmm/log.h"
#include "vmm/options.h"
#include "vmm/util.h"

#define DEFAULT_SOCKET	"/run/firecracker.socket"
#define DEFAULT_ID	"anonymous-instance"
#define DEFAULT_PAYLOAD 51200u
#define MAX_PAYLOAD	(1u << 30)

/* ---- one setter a row ------------------------------------------------------------------------ */

/* Rows whose value is kept as it is. */
#define KEEP(member)                                                     \
	static int set_##member(void *ctx, const char *v, struct err *e) \
	{                                                                \
		(void)e;                                                 \
		((struct api_options *)ctx)->member = v;                 \
		return 0;                                                \
	}
#define FLAG(member)                                                     \
	static int set_##member(void *ctx, const char *v, struct err *e) \
	{                                                                \
		(void)e;                                                 \
		(void)v;                                                 \
		((struct api_options *)ctx)->member = true;              \
		return 0;                                                \
	}
#define NUMBER(member, name, min, max)                                                             \
	static int set_##member(void *ctx, const char *v, struct err *e)                           \
	{                                                                                          \
		return options_number(name, v, min, max, &((struct api_options *)ctx)->member, e); \
	}

KEEP(api_sock)
KEEP(config_file)
KEEP(metadata)
KEEP(metrics_path)
FLAG(no_api)
FLAG(boot_timer)
FLAG(help)
FLAG(version)
FLAG(openapi)
NUMBER(start_time_us, "start-time-us", 0, UINT64_MAX)
NUMBER(start_time_cpu_us, "start-time-cpu-us", 0, UINT64_MAX)
NUMBER(parent_cpu_time_us, "parent-cpu-time-us", 0, UINT64_MAX)
NUMBER(max_payload, "http-api-max-payload-size", 1, MAX_PAYLOAD)
NUMBER(mmds_limit, "mmds-size-limit", 1, MAX_PAYLOAD)

/* What both faces of the program know (vmm/confine.h). */
#define CONFINE_FLAG(member)                                             \
	static int set_##member(void *ctx, const char *v, struct err *e) \
	{                                                                \
		(void)e;                                                 \
		(void)v;                                                 \
		((struct api_options *)ctx)->confine.member = true;      \
		return 0;                                                \
	}
CONFINE_FLAG(no_seccomp)
CONFINE_FLAG(seccomp_kill)
CONFINE_FLAG(core_dumps)

static int set_seccomp_filter(void *ctx, const char *v, struct err *e)
{
	(void)e;
	((struct api_options *)ctx)->confine.seccomp_filter = v;
	return 0;
}

static int set_id(void *ctx, const char *v, struct err *e)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t len = strlen(v);

	if (len < 1 || len >= SETTINGS_ID_MAX || strspn(v, allowed) != len)
		return err_set(e, -EINVAL,
			       "option '--id': '%s', expected 1 to %u letters, digits and '-'", v,
			       SETTINGS_ID_MAX - 1);
	((struct api_options *)ctx)->id = v;
	return 0;
}

static void note(struct api_options *o, const char *field)
{
	schema_set_given(&object_logger, &o->logger, field, true);
}

static int keep_text(char *dst, size_t size, const char *option, const char *v, struct err *e)
{
	size_t len = strlen(v);

	if (len < 1 || len >= size)
		return err_set(e, -EINVAL, "option '--%s': %zu bytes, expected 1 to %zu", option,
			       len, size - 1);
	memcpy(dst, v, len + 1);
	return 0;
}

static int set_log_path(void *ctx, const char *v, struct err *e)
{
	struct api_options *o = ctx;

	note(o, "log_path");
	return keep_text(o->logger.log_path, sizeof(o->logger.log_path), "log-path", v, e);
}

static int set_level(void *ctx, const char *v, struct err *e)
{
	struct api_options *o = ctx;
	enum log_level level;

	if (log_level_parse(v, &level) < 0)
		return err_set(e, -ENOTSUP,
			       "option '--level': '%s', expected one of Off, Error, Warning, Info, "
			       "Debug, Trace",
			       v);
	o->logger.level = (uint32_t)level;
	note(o, "level");
	return 0;
}

static int set_module(void *ctx, const char *v, struct err *e)
{
	struct api_options *o = ctx;

	note(o, "module");
	return keep_text(o->logger.module, sizeof(o->logger.module), "module", v, e);
}

static int set_show_level(void *ctx, const char *v, struct err *e)
{
	struct api_options *o = ctx;

	(void)v;
	(void)e;
	o->logger.show_level = true;
	note(o, "show_level");
	return 0;
}

static int set_show_log_origin(void *ctx, const char *v, struct err *e)
{
	struct api_options *o = ctx;

	(void)v;
	(void)e;
	o->logger.show_log_origin = true;
	note(o, "show_log_origin");
	return 0;
}

static int set_ready_fd(void *ctx, const char *v, struct err *e)
{
	uint64_t fd;
	int r = options_number("ready-fd", v, 0, INT32_MAX, &fd, e);

	if (r < 0)
		return r;
	if (fcntl((int)fd, F_GETFD) < 0)
		return err_set(e, -EINVAL, "option '--ready-fd': %s is not open", v);
	((struct api_options *)ctx)->ready_fd = (int)fd;
	return 0;
}

static const struct option_row rows[] = {
	{ "api-sock", "PATH", "Unix socket of the API (default " DEFAULT_SOCKET ")", set_api_sock },
	{ "id", "NAME", "name of the microVM (default " DEFAULT_ID ")", set_id },
	{ "config-file", "FILE", "configure and start at once, from a file in JSON",
	  set_config_file },
	{ "no-api", NULL, "no socket; needs --config-file", set_no_api },
	{ "metadata", "FILE", "contents of the metadata service, in JSON: kept, not shown yet",
	  set_metadata },
	{ "log-path", "PATH", "file or FIFO for messages (default: standard output)",
	  set_log_path },
	{ "level", "LEVEL", "Off, Error, Warning, Info (default), Debug or Trace", set_level },
	{ "module", "NAME", "only messages of modules that begin so: api, vmm/vm", set_module },
	{ "show-level", NULL, "each message says its level", set_show_level },
	{ "show-log-origin", NULL, "each message says file and line", set_show_log_origin },
	{ "metrics-path", "PATH", "file or FIFO for one line of counters a minute",
	  set_metrics_path },
	{ "boot-timer", NULL, "log when the guest has booted", set_boot_timer },
	{ "ready-fd", "N",
	  "write a line to descriptor N when the API listens, when the\n"
	  "guest runs, and when it has booted",
	  set_ready_fd },
	{ "seccomp-filter", "FILE", "system call filters of one's own, made by mote-seccomp",
	  set_seccomp_filter },
	{ "no-seccomp", NULL, "no system call filters", set_no_seccomp },
	{ "seccomp-kill", NULL, "a refused system call kills at once, without a word",
	  set_seccomp_kill },
	{ "core-dumps", NULL, "a crash may leave a core dump, without guest memory; no Landlock",
	  set_core_dumps },
	{ "start-time-us", "N", "when the process was started, CLOCK_MONOTONIC",
	  set_start_time_us },
	{ "start-time-cpu-us", "N", "its CPU time then", set_start_time_cpu_us },
	{ "parent-cpu-time-us", "N", "CPU time of what started it", set_parent_cpu_time_us },
	{ "http-api-max-payload-size", "BYTES", "largest body of a request (default 51200)",
	  set_max_payload },
	{ "mmds-size-limit", "BYTES", "largest metadata (default: as above)", set_mmds_limit },
	{ "openapi", NULL, "print the API's description (OpenAPI 3.1) and exit", set_openapi },
	{ "version", NULL, "print the version and exit", set_version },
	{ "help", NULL, "print this and exit", set_help },
};

static int check(const struct api_options *o, struct err *e)
{
	if (o->no_api && !o->config_file)
		return err_set(e, -EINVAL, "option '--no-api': expected --config-file with it");
	return confine_check_options(&o->confine, e);
}

/* Whatever else is wrong, who asks for help gets it. */
static bool asked(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], option) == 0)
			return true;
	}
	return false;
}

int api_options_parse(struct api_options *o, int argc, char **argv, struct err *e)
{
	int rest;
	int r;

	memset(o, 0, sizeof(*o));
	o->api_sock = DEFAULT_SOCKET;
	o->id = DEFAULT_ID;
	o->max_payload = DEFAULT_PAYLOAD;
	o->ready_fd = -1;
	o->logger.level = LOG_LEVEL_INFO;
	o->help = asked(argc, argv, "--help") || asked(argc, argv, "-h");
	o->version = asked(argc, argv, "--version");
	if (o->help || o->version)
		return 0;
	r = options_parse(rows, ARRAY_SIZE(rows), argc, argv, o, &rest, e);
	if (r < 0)
		return r;
	if (rest < argc)
		return err_set(e, -EINVAL, "argument '%s' was not expected here (see --help)",
			       argv[rest]);
	if (o->mmds_limit == 0)
		o->mmds_limit = o->max_payload;
	return check(o, e);
}

void api_options_help(void)
{
	options_help(rows, ARRAY_SIZE(rows));
}
