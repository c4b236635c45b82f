/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor behind the API: one process, one machine, one loop. Everything below is the loop's
 * thread's, unless it says otherwise.
 */
#ifndef MOTE_API_API_H
#define MOTE_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "api/http.h"
#include "api/objects.h"
#include "api/options.h"
#include "api/server.h"
#include "vmm/evloop.h"
#include "vmm/machine.h"

/* The version of Firecracker whose API this is; mote's own is MOTE_VERSION. */
#define API_VERSION "1.16.1"

/* What the process's exit status says (api-contract 1.1). */
enum api_exit {
	API_EXIT_OK = 0,
	API_EXIT_ERROR = 1,
	API_EXIT_BAD_SYSCALL = 148,
	API_EXIT_SIGBUS = 149,
	API_EXIT_SIGSEGV = 150,
	API_EXIT_SIGXFSZ = 151,
	API_EXIT_BAD_CONFIG = 152,
	API_EXIT_BAD_ARGUMENT = 153,
	API_EXIT_SIGXCPU = 154,
	API_EXIT_SIGPIPE = 155,
	API_EXIT_SIGHUP = 156,
	API_EXIT_SIGILL = 157,
};

struct api {
	struct evloop loop;
	struct machine machine;
	struct server *server; /* NULL with --no-api */
	struct api_options options;
	char *metadata; /* what --metadata had, until there is a service for it; NULL = nothing */
	struct confine confine;
	uint64_t start_us; /* CLOCK_MONOTONIC, of the process or what --start-time-us says */
	uint64_t last_call_us;
	int signal; /* the one that ends us; 0 = none */
};

/* Answers one request: a server_fn. `ctx` is the struct api. */
void api_dispatch(void *ctx, const struct http_request *req, struct http_response *res,
		  char *scratch);

/* Tells whoever holds the other end of --ready-fd; never blocks. Any thread. */
void api_ready(const struct api *api, const char *what);

/* The face of the program that serves the API: parses argv, runs until the end, returns the status.
 * `start_ns` is CLOCK_MONOTONIC at the start of main. */
int api_main(int argc, char **argv, uint64_t start_ns);

#endif
