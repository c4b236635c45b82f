// SPDX-License-Identifier: Apache-2.0
/* The monitor that serves the API: from the command line to the exit status. Loop thread. */
#include "api/api.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "api/config_file.h"
#include "api/handlers.h"
#include "api/json.h"
#include "api/metrics_out.h"
#include "api/openapi.h"
#include "api/routes.h"
#include "api/signals.h"
#include "vmm/log.h"
#include "vmm/metrics.h"
#include "vmm/term.h"
#include "vmm/util.h"
#include "vmm/version.h"

#define FLUSH_SECONDS 60
#define FILE_MAX_LEN  (1u << 20) /* bytes of a configuration file, at least */

/* Too large for a stack, and there is one of it. Zeroed pages cost nothing until they are used. */
static struct api the_api;

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- what others are told -------------------------------------------------------------------- */

void api_ready(const struct api *api, const char *what)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%s\n", what);

	struct pollfd p = { .fd = api->options.ready_fd, .events = POLLOUT };

	/* A pipe that somebody else has filled must not make us wait. */
	if (p.fd < 0 || poll(&p, 1, 0) <= 0)
		return;
	if (write(api->options.ready_fd, line, (size_t)len) < 0)
		log_warn("ready-fd %d: '%s' could not be written: %s", api->options.ready_fd, what,
			 strerror(errno));
}

static void on_guest_end(void *ctx)
{
	evloop_stop(&((struct api *)ctx)->loop);
}

/* vCPU thread. */
static void on_guest_booted(void *ctx)
{
	const struct api *api = ctx;
	uint64_t us = clock_us(CLOCK_MONOTONIC) - api->start_us;
	uint64_t cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID) - api->options.start_time_cpu_us;

	if (api->options.boot_timer)
		log_info("Guest-boot-time = %6llu us %llu ms, %6llu CPU us %llu CPU ms",
			 (unsigned long long)us, (unsigned long long)(us / 1000),
			 (unsigned long long)cpu, (unsigned long long)(cpu / 1000));
	api_ready(api, "booted");
}

static const struct vm_fns vm_fns = { .ended = on_guest_end, .booted = on_guest_booted };

/* ---- counters -------------------------------------------------------------------------------- */

static int timer_fd = -1;
static struct ev_source timer_source;

static void on_timer(void *ctx, uint32_t events)
{
	uint64_t times;

	(void)ctx;
	(void)events;
	if (read(timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		(void)metrics_out_flush(); /* what it could not write is counted */
}

static int flush_every_minute(struct api *api, struct err *e)
{
	struct itimerspec t = {
		.it_value.tv_sec = FLUSH_SECONDS,
		.it_interval.tv_sec = FLUSH_SECONDS,
	};
	int r;

	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer_fd < 0)
		return err_sys(e, -errno, "timerfd");
	if (timerfd_settime(timer_fd, 0, &t, NULL) < 0)
		return err_sys(e, -errno, "timerfd");
	/* Frozen with the devices: a paused machine writes nothing by itself. */
	r = ev_add(&api->loop, &timer_source, timer_fd, EPOLLIN, on_timer, api);
	return r < 0 ? err_sys(e, r, "epoll") : 0;
}

/* ---- the order of things --------------------------------------------------------------------- */

static void note_start(struct api *api, uint64_t start_ns)
{
	const struct api_options *o = &api->options;
	uint64_t cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	api->start_us = o->start_time_us ? o->start_time_us : start_ns / 1000;
	metric_set(&metrics.api_server.process_startup_time_us,
		   clock_us(CLOCK_MONOTONIC) - api->start_us);
	metric_set(&metrics.api_server.process_startup_time_cpu_us,
		   cpu - o->start_time_cpu_us + o->parent_cpu_time_us);
}

static int listen_for_clients(struct api *api, uint64_t start_ns, struct err *e)
{
	const char *path = api->options.api_sock;
	int r;

	if (api->options.no_api)
		return 0;
	r = server_start(&api->server, &api->loop, path, api->options.max_payload, api_dispatch,
			 api, e);
	if (r < 0)
		return r;
	note_start(api, start_ns);
	log_info("Listening on API socket (\"%s\").", path);
	log_info("API server started.");
	api_ready(api, "listening");
	return 0;
}

/* The options that stand for requests. */
static int apply_options(struct api *api, struct err *e)
{
	const struct api_options *o = &api->options;
	struct metrics_settings m = { 0 };
	int r = api_set_logger(api, &o->logger, e);

	if (r == 0 && o->metrics_path) {
		if ((size_t)snprintf(m.metrics_path, sizeof(m.metrics_path), "%s",
				     o->metrics_path) >= sizeof(m.metrics_path))
			return err_set(e, -ENAMETOOLONG, "option '--metrics-path': too long");
		schema_set_given(&object_metrics, &m, "metrics_path", true);
		r = api_set_metrics(api, &m, e);
	}
	return r;
}

static int store_metadata(struct api *api, struct err *e)
{
	const char *path = api->options.metadata;

	if (!path)
		return 0;
	api->metadata = json_copy_file("metadata", path, api->options.mmds_limit, e);
	if (!api->metadata)
		return -EINVAL;
	log_warn("metadata %s: %zu bytes kept, but this version has no service that shows them to "
		 "the guest",
		 path, strlen(api->metadata));
	return 0;
}

/* What GET answers before anything was configured. */
static void defaults(struct machine *m)
{
	struct vm_settings *s = &m->settings;

	schema_defaults(&object_machine, &s->machine);
	s->machine.vcpu_count = m->config.nr_vcpus;
	s->machine.mem_size_mib = m->config.mem_mib;
	schema_set_given(&object_vm_settings, s, "machine-config", true);
	s->logger.level = LOG_LEVEL_INFO;
}

/* Until the loop can run: 0, or the exit status with *e set. */
static enum api_exit prepare(struct api *api, uint64_t start_ns, struct err *e)
{
	bool started;
	int r = evloop_init(&api->loop);

	if (r < 0) {
		err_sys(e, r, "event loop");
		return API_EXIT_ERROR;
	}
	machine_init(&api->machine, &api->loop, &vm_fns, api);
	api->machine.config.confine = &api->confine;
	api->machine.closed = api->options.no_api;
	defaults(&api->machine);
	if (apply_options(api, e) < 0)
		return API_EXIT_BAD_CONFIG;
	log_info("Running Firecracker v" API_VERSION " (mote v" MOTE_VERSION ")");
	if (signals_catch(api, e) < 0)
		return API_EXIT_ERROR;
	/* Nobody could have said anything to us until here. */
	if (confine_begin(&api->confine, &api->options.confine, e) < 0)
		return API_EXIT_BAD_CONFIG;
	if (listen_for_clients(api, start_ns, e) < 0 ||
	    json_init(max_u64(max_u64(api->options.max_payload, api->options.mmds_limit),
			      FILE_MAX_LEN),
		      e) < 0 ||
	    flush_every_minute(api, e) < 0)
		return API_EXIT_ERROR;
	machine_create_ahead(&api->machine);
	if (store_metadata(api, e) < 0)
		return API_EXIT_BAD_CONFIG;
	if (!api->options.config_file)
		return API_EXIT_OK;
	if (api_apply_config_file(api, api->options.config_file, &started, e) < 0)
		return started ? API_EXIT_ERROR : API_EXIT_BAD_CONFIG;
	return API_EXIT_OK;
}

/* How the guest's end is the process's. */
static enum api_exit status_of_end(const struct api *api)
{
	log_info("Vmm is stopping.");
	if (api->machine.vm.end == VM_TRIPLE_FAULT)
		log_warn("the guest ended with a triple fault");
	return api->machine.vm.end == VM_FAILED ? API_EXIT_ERROR : API_EXIT_OK;
}

static void release(struct api *api)
{
	if (api->machine.phase != MACHINE_NOT_STARTED) {
		vm_stop(&api->machine.vm);
		for (unsigned int i = 0; i < api->machine.vm.nr_ports; i++)
			console_flush(&api->machine.vm.console[i]);
	}
	if (api->server)
		server_stop(api->server);
	term_restore();
	machine_release(&api->machine);
	free(api->metadata);
}

static int run(struct api *api, uint64_t start_ns)
{
	struct err e = { 0 };
	enum api_exit status = prepare(api, start_ns, &e);

	if (status == API_EXIT_OK) {
		int r = evloop_run(&api->loop);

		if (r < 0) {
			err_sys(&e, r, "event loop");
			status = API_EXIT_ERROR;
		} else if (api->signal == 0) {
			status = status_of_end(api);
		}
	}
	release(api);
	if (status != API_EXIT_OK) {
		if (e.msg[0] != '\0') {
			log_error("%s", e.msg);
			fprintf(stderr, "Error: %s\n", e.msg);
		}
		log_error("Firecracker exiting with error. exit_code=%d", (int)status);
	} else if (api->signal == 0) {
		log_info("Firecracker exiting successfully. exit_code=0");
	}
	(void)metrics_out_flush();
	signals_die(api);
	return (int)status;
}

int api_main(int argc, char **argv, uint64_t start_ns)
{
	struct api *api = &the_api;
	struct err e = { 0 };

	if (api_options_parse(&api->options, argc, argv, &e) < 0) {
		log_error("%s", e.msg);
		return e.code == -ENOTSUP ? API_EXIT_BAD_CONFIG : API_EXIT_BAD_ARGUMENT;
	}
	if (api->options.help) {
		printf("usage: mote [OPTION]...                       serve the API on a Unix "
		       "socket\n"
		       "       mote run [OPTION]... [-- COMMAND ARG...]   boot a microVM now (mote "
		       "run --help)\n\n"
		       "mote is a minimal monitor for microVMs on Linux/KVM; see mote(1).\n\n");
		api_options_help();
		return 0;
	}
	if (api->options.version) {
		printf("mote v" MOTE_VERSION "\n\nFirecracker API v" API_VERSION "\n");
		return 0;
	}
	if (api->options.openapi)
		return openapi_print(api_routes, nr_api_routes, STDOUT_FILENO) < 0 ? API_EXIT_ERROR
										   : API_EXIT_OK;
	log_contract_format();
	return run(api, start_ns);
}
