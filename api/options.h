/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the monitor as Firecracker's clients write it (api-contract 1.5). */
#ifndef MOTE_API_OPTIONS_H
#define MOTE_API_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/confine.h"
#include "vmm/err.h"
#include "vmm/settings.h"

struct api_options {
	const char *api_sock;
	const char *id;
	const char *config_file; /* NULL = none */
	const char *metadata;
	bool no_api;
	struct logger_settings logger; /* level etc.; `given` as object_logger has it */
	const char *metrics_path;
	bool boot_timer;
	struct confine_options confine;
	uint64_t start_time_us, start_time_cpu_us, parent_cpu_time_us; /* 0 = not given */
	uint64_t max_payload; /* bytes of a request's body */
	uint64_t mmds_limit;
	int ready_fd; /* -1 = none */
	bool help, version, openapi;
};

/* -EINVAL with *e naming the option, its value and what was expected. Strings stay argv's. */
int api_options_parse(struct api_options *o, int argc, char **argv, struct err *e) MUST_CHECK;

/* Prints the options, for --help. */
void api_options_help(void);

#endif
