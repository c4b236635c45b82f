// SPDX-License-Identifier: Apache-2.0
#include "api/openapi.h"

#include "api/objects.h"
#include "vmm/version.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const method_names[] = {
	[HTTP_GET] = "get", [HTTP_PUT] = "put", [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete"
};

/* Members "content": JSON of this schema. */
static void content(const struct object *o, struct json_out *out)
{
	char ref[128];

	snprintf(ref, sizeof(ref), "#/components/schemas/%s", o->name);
	json_begin(out, "content", '{');
	json_begin(out, "application/json", '{');
	json_begin(out, "schema", '{');
	json_string(out, "$ref", ref);
	json_end(out, '}');
	json_end(out, '}');
	json_end(out, '}');
}

/* The same for a document that no table describes. */
static void any_object(struct json_out *out)
{
	json_begin(out, "content", '{');
	json_begin(out, "application/json", '{');
	json_begin(out, "schema", '{');
	json_string(out, "type", "object");
	json_end(out, '}');
	json_end(out, '}');
	json_end(out, '}');
}

/* "put_drives_drive_id": each operation needs a name of its own. */
static void operation_id(const struct route *r, char *id, size_t cap)
{
	size_t at = (size_t)snprintf(id, cap, "%s", method_names[r->method]);
	bool gap = true;

	for (const char *p = r->path; *p && at + 2 < cap; p++) {
		if (!isalnum((unsigned char)*p)) {
			gap = true;
			continue;
		}
		if (gap)
			id[at++] = '_';
		gap = false;
		id[at++] = *p;
	}
	id[at] = '\0';
}

/* Each {name} of the path. */
static void parameters(const char *path, struct json_out *out)
{
	char name[64];

	json_begin(out, "parameters", '[');
	while ((path = strchr(path, '{')) != NULL) {
		path++;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, "}"), path);
		json_begin(out, NULL, '{');
		json_string(out, "name", name);
		json_string(out, "in", "path");
		json_bool(out, "required", true);
		json_string(out, "description", "As in the body.");
		json_begin(out, "schema", '{');
		json_string(out, "type", "string");
		json_string(out, "pattern", "^[A-Za-z0-9_]+$");
		json_uint(out, "maxLength", SETTINGS_ID_MAX - 1);
		json_end(out, '}');
		json_end(out, '}');
	}
	json_end(out, ']');
}

static void responses(const struct route *r, struct json_out *out)
{
	json_begin(out, "responses", '{');
	if (!r->unsupported) {
		bool answers = r->answer || r->write;

		json_begin(out, answers ? "200" : "204", '{');
		json_string(out, "description", answers ? "The answer." : "Done.");
		if (r->answer)
			content(r->answer, out);
		else if (r->write)
			any_object(out);
		json_end(out, '}');
	}
	json_begin(out, "400", '{');
	json_string(out, "description",
		    "Refused, for the reason in the body; nothing was changed.");
	content(&object_error, out);
	json_end(out, '}');
	json_end(out, '}');
}

static void operation(const struct route *r, struct json_out *out)
{
	char id[128];

	json_begin(out, method_names[r->method], '{');
	operation_id(r, id, sizeof(id));
	json_string(out, "operationId", id);
	json_string(out, "summary", r->help);
	parameters(r->path, out);
	if (r->request) {
		json_begin(out, "requestBody", '{');
		json_bool(out, "required", !r->body_optional);
		content(r->request, out);
		json_end(out, '}');
	}
	responses(r, out);
	json_begin(out, "x-phases", '[');
	if (r->phases & PHASE_BEFORE)
		json_string(out, NULL, "before");
	if (r->phases & PHASE_AFTER)
		json_string(out, NULL, "after");
	json_end(out, ']');
	if (r->unsupported)
		json_bool(out, "x-supported", false);
	json_end(out, '}');
}

/* Rows of one path need not stand together; they are written where the first of them stands. */
static void paths(const struct route *routes, size_t nr, struct json_out *out)
{
	char path[128];

	json_begin(out, "paths", '{');
	for (size_t i = 0; i < nr; i++) {
		size_t first = 0;

		while (strcmp(routes[first].path, routes[i].path) != 0)
			first++;
		if (first < i)
			continue;
		snprintf(path, sizeof(path), "/%s", routes[i].path);
		json_begin(out, path, '{');
		for (size_t k = i; k < nr; k++) {
			if (strcmp(routes[k].path, routes[i].path) == 0)
				operation(&routes[k], out);
		}
		json_end(out, '}');
	}
	json_end(out, '}');
}

void openapi_write(const struct route *routes, size_t nr, struct json_out *out)
{
	json_begin(out, NULL, '{');
	json_string(out, "openapi", "3.1.0");
	json_begin(out, "info", '{');
	json_string(out, "title", "mote");
	json_string(out, "summary", "Firecracker's API, on a Unix socket.");
	json_string(out, "version", MOTE_VERSION);
	json_end(out, '}');
	paths(routes, nr, out);
	json_begin(out, "components", '{');
	json_begin(out, "schemas", '{');
	for (size_t i = 0; all_objects[i]; i++)
		schema_describe(all_objects[i], all_objects[i]->name, out);
	json_end(out, '}');
	json_end(out, '}');
	json_end(out, '}');
}

static int write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int openapi_print(const struct route *routes, size_t nr, int fd)
{
	char *buf = malloc(OPENAPI_MAX);
	struct json_out out;
	int r;

	if (!buf)
		return -ENOMEM;
	json_out_init(&out, buf, OPENAPI_MAX - 1);
	openapi_write(routes, nr, &out);
	if (out.full) {
		r = -E2BIG;
	} else {
		buf[out.len] = '\n';
		r = write_all(fd, buf, out.len + 1);
	}
	free(buf);
	return r;
}
