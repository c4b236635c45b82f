// SPDX-License-Identifier: Apache-2.0
/*
 * From a request to its row of the table, and back to an answer. Loop thread.
 */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/json.h"
#include "api/json_out.h"
#include "api/routes.h"
#include "vmm/log.h"
#include "vmm/metrics.h"
#include "vmm/util.h"

#define REQUEST_MAX 24576u /* bytes of the largest request, decoded */
#define LOGGED_BODY 1500u  /* bytes of a body that the log shows */

/* The decoded body of the request that is being handled. */
static _Alignas(8) uint8_t request_body[REQUEST_MAX];

static const char *const method_name[] = {
	[HTTP_GET] = "Get", [HTTP_PUT] = "Put", [HTTP_PATCH] = "Patch", [HTTP_DELETE] = "Delete"
};
static const char *const METHOD_NAME[] = {
	[HTTP_GET] = "GET", [HTTP_PUT] = "PUT", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE"
};

/* ---- finding the row ------------------------------------------------------------------------- */

struct word {
	const char *p;
	size_t len;
};

/* Takes the next segment of a path; empty at its end. */
static struct word next_word(const char **p, const char *end)
{
	struct word w = { .p = *p };

	while (*p < end && **p != '/')
		(*p)++;
	w.len = (size_t)(*p - w.p);
	if (*p < end)
		(*p)++;
	return w;
}

/*
 * One more than the segments of the row's path that the request begins with, or 0 when it does not.
 * What follows in the request is passed over, as the contract has it. *id is what stands for
 * "{...}".
 */
static unsigned int match(const struct route *r, const struct http_request *req, struct word *id)
{
	const char *path = req->path, *path_end = req->path + req->path_len;
	const char *want = r->path, *want_end = r->path + strlen(r->path);
	unsigned int nr = 1; /* the root matches itself */

	if (want == want_end)
		return path == path_end ? nr : 0;
	while (want < want_end) {
		struct word w = next_word(&want, want_end);
		struct word g = next_word(&path, path_end);

		if (w.p[0] == '{')
			*id = g;
		else if (w.len != g.len || memcmp(w.p, g.p, w.len) != 0)
			return 0;
		nr++;
	}
	return nr;
}

/* The row with the longest path that the request begins with. */
static const struct route *find_route(const struct http_request *req, struct word *id)
{
	const struct route *best = NULL;
	unsigned int most = 0;

	for (size_t i = 0; i < nr_api_routes; i++) {
		const struct route *r = &api_routes[i];
		struct word this_id = { 0 };
		unsigned int n = r->method == req->method ? match(r, req, &this_id) : 0;

		if (n > most) {
			most = n;
			best = r;
			*id = this_id;
		}
	}
	return best;
}

/* ---- checks before the handler --------------------------------------------------------------- */

static int check_phase(const struct api *api, const struct route *r, struct err *e)
{
	bool before = api->machine.phase == MACHINE_NOT_STARTED;

	if (r->phases & (before ? PHASE_BEFORE : PHASE_AFTER))
		return 0;
	return err_set(e, -EINVAL,
		       "%s /%s: The requested operation is not supported %s starting the microVM.",
		       METHOD_NAME[r->method], r->path, before ? "before" : "after");
}

static int check_body(const struct route *r, const struct http_request *req, struct err *e)
{
	if (r->method == HTTP_GET && req->body_len > 0)
		return err_set(e, -EINVAL, "GET request cannot have a body.");
	if (r->method == HTTP_DELETE && req->body_len > 0)
		return err_set(e, -EINVAL, "Empty Delete request.");
	if (r->method == HTTP_PUT && req->body_len == 0)
		return err_set(e, -EINVAL, "Empty PUT request.");
	if (r->method == HTTP_PATCH && req->body_len == 0 && !r->body_optional)
		return err_set(e, -EINVAL, "Empty PATCH request.");
	return 0;
}

/* The id in the path is one, and the same as in the body. */
static int check_id(const struct route *r, const struct word *id, const void *body, struct err *e)
{
	const char *name = strchr(r->path, '{');
	size_t len;

	if (!name)
		return 0;
	if (id->len == 0)
		return err_set(e, -EINVAL, "The ID cannot be empty.");
	for (size_t i = 0; i < id->len; i++) {
		char c = id->p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      c == '_'))
			return err_set(e, -EINVAL,
				       "API Resource IDs can only contain alphanumeric characters "
				       "and underscores.");
	}
	len = strcspn(++name, "}");
	for (unsigned int i = 0; body && i < r->request->nr; i++) {
		const struct field *f = &r->request->fields[i];
		const char *given = (const char *)body + f->offset;

		if (strlen(f->name) != len || memcmp(f->name, name, len) != 0)
			continue;
		if (strlen(given) != id->len || memcmp(given, id->p, id->len) != 0)
			return err_set(e, -EINVAL, "%s: \"%s\", expected \"%.*s\" as in the path",
				       f->name, given, (int)id->len, id->p);
	}
	return 0;
}

static int decode(const struct route *r, const struct http_request *req, bool *deprecated,
		  struct err *e)
{
	struct schema_notes notes = { 0 };
	const cJSON *json;
	int ret;

	if (req->body_len == 0) {
		schema_defaults(r->request, request_body);
		return 0;
	}
	json = json_parse(req->body, req->body_len, e);
	if (!json)
		return -EINVAL;
	ret = schema_decode(r->request, json, request_body, &notes, e);
	*deprecated = notes.deprecated;
	return ret;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answer_error(struct http_response *res, const struct err *e, char *scratch)
{
	struct error_answer answer = { 0 };
	struct json_out out;

	snprintf(answer.fault_message, sizeof(answer.fault_message), "%s", e->msg);
	json_out_init(&out, scratch, SERVER_MAX_ANSWER);
	schema_encode(&object_error, NULL, &answer, &out);
	res->status = 400;
	res->body = scratch;
	res->body_len = out.len;
}

static void answer_object(struct http_response *res, const struct route *r, const void *answer,
			  char *scratch)
{
	struct json_out out;
	int len;

	res->status = 204;
	if (r->write) {
		len = r->write(scratch, SERVER_MAX_ANSWER);
		res->status = 200;
		res->body_len = len < 0 ? 0 : (size_t)len;
	} else if (r->answer) {
		json_out_init(&out, scratch, SERVER_MAX_ANSWER);
		schema_encode(r->answer, NULL, answer, &out);
		res->status = 200;
		res->body_len = out.len;
	}
	res->body = scratch;
}

static int no_route(const struct http_request *req, struct err *e)
{
	const char *path = req->path;
	struct word first = next_word(&path, req->path + req->path_len);

	return err_set(e, -EINVAL, "Invalid request method and/or path: %s %.*s.",
		       METHOD_NAME[req->method], (int)min_u64(first.len, 64), first.p);
}

static int handle(struct api *api, const struct http_request *req, const struct route *r,
		  const struct word *id, struct http_response *res, char *scratch, struct err *e)
{
	const void *answer = NULL;
	int ret;

	if (r->count)
		metric_add(r->count, 1);
	ret = check_body(r, req, e);
	if (ret == 0 && r->unsupported)
		ret = err_set(e, -EOPNOTSUPP, "%s /%s: " NOT_SUPPORTED, METHOD_NAME[r->method],
			      r->path);
	if (ret == 0 && r->request)
		ret = decode(r, req, &res->deprecated, e);
	if (ret == 0)
		ret = check_id(r, id, r->request ? request_body : NULL, e);
	if (ret == 0)
		ret = check_phase(api, r, e);
	if (ret == 0 && r->handle)
		ret = r->handle(api, request_body, &answer, e);
	if (ret < 0 && r->fails)
		metric_add(r->fails, 1);
	if (ret == 0)
		answer_object(res, r, answer, scratch);
	return ret;
}

/* ---- the log, whose phrases clients wait for ------------------------------------------------- */

/* As a quoted string: what the log's own escapes leave, quotes and backslashes, gets one more. */
static const char *quoted(const struct http_request *req)
{
	static char text[2 * LOGGED_BODY + 4];
	size_t len = min_u64(req->body_len, LOGGED_BODY);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		char c = req->body[i];

		if (c == '"' || c == '\\')
			text[at++] = '\\';
		text[at++] = c == '\0' ? '?' : c;
	}
	snprintf(text + at, sizeof(text) - at, "%s", len < req->body_len ? "..." : "");
	return text;
}

static void log_request(const struct http_request *req, const struct route *r)
{
	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	if (req->body_len > 0 && !(r && r->quiet))
		log_info("The API server received a %s request on \"/%.*s\" with body \"%s\".",
			 method_name[req->method], (int)req->path_len, req->path, quoted(req));
	else
		log_info("The API server received a %s request on \"/%.*s\".",
			 method_name[req->method], (int)req->path_len, req->path);
}

static void log_answer(const struct http_response *res, const struct err *e)
{
	if (res->status == 400)
		log_error("Received Error. Status code: 400 Bad Request. Message: %s", e->msg);
	else
		log_info("The request was executed successfully. Status code: %s.",
			 res->status == 204 ? "204 No Content" : "200 OK");
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void api_dispatch(void *ctx, const struct http_request *req, struct http_response *res,
		  char *scratch)
{
	struct api *api = ctx;
	struct err e = { 0 };
	uint64_t start = now_us();
	struct word id = { 0 };
	const struct route *r = find_route(req, &id);
	int ret;

	log_request(req, r);
	ret = r ? handle(api, req, r, &id, res, scratch, &e) : no_route(req, &e);
	if (ret < 0)
		answer_error(res, &e, scratch);
	if (res->deprecated)
		metric_add(&metrics.deprecated_api.deprecated_http_api_calls, 1);
	log_answer(res, &e);
	api->last_call_us = now_us() - start;
	log_debug("Total previous API call duration: %llu us.",
		  (unsigned long long)api->last_call_us);
}
