/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints of the API, one row for each method and path. Requests are dispatched by it, and
 * the OpenAPI document and docs/api.md follow from it.
 */
#ifndef MOTE_API_ROUTES_H
#define MOTE_API_ROUTES_H

#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/http.h"
#include "api/schema.h"

enum route_phase {
	PHASE_BEFORE = 1u << 0, /* before the guest was started */
	PHASE_AFTER = 1u << 1,
};

struct api;

struct route {
	enum http_method method;
	const char *path;	      /* "drives/{drive_id}": no leading '/' */
	unsigned int phases;	      /* enum route_phase */
	const struct object *request; /* NULL: no body */
	const struct object *answer;  /* of status 200; NULL: 204 without a body */
	bool supported;		      /* false: answers 400 "not supported by this version" */
	const char *help;	      /* one sentence for people */
	/* The merger's: what is called once the body is parsed. */
	int (*handle)(struct api *api, const struct http_request *req, const cJSON *body);
};

extern const struct route api_routes[];
extern const size_t nr_api_routes;

#endif
