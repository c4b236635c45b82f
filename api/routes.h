/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints of the API, one row for each method and path. Requests are dispatched by it
 * (dispatch.c), and the OpenAPI document and docs/api.md follow from it.
 */
#ifndef MOTE_API_ROUTES_H
#define MOTE_API_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http.h"
#include "api/schema.h"
#include "vmm/err.h"
#include "vmm/metrics.h"

enum route_phase {
	PHASE_BEFORE = 1u << 0, /* before the guest was started */
	PHASE_AFTER = 1u << 1,
};

struct api;

struct route {
	enum http_method method;
	const char *path;	      /* "drives/{drive_id}": no leading '/' */
	unsigned int phases;	      /* enum route_phase */
	const struct object *request; /* NULL: no body, or not looked at */
	const struct object *answer;  /* of status 200; NULL: 204 without a body */
	bool unsupported;	      /* answers 400 "not supported by this version" */
	bool body_optional;	      /* a PATCH that may come without */
	bool quiet;		      /* the body is not logged */
	const char *help;	      /* one sentence for people */
	/*
	 * `request` is the decoded body. Sets *answer (which stays valid until the next request)
	 * when the row has one. 0, or -errno with *e set.
	 */
	int (*handle)(struct api *api, const void *request, const void **answer, struct err *e);
	/* Instead of encoding `answer` by its table: writes the document, at most `cap` bytes; its
	 * length. */
	int (*write)(char *buf, size_t cap);
	metric *count; /* calls; NULL = not counted */
	metric *fails;
};

extern const struct route api_routes[];
extern const size_t nr_api_routes;

#endif
