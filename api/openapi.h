/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document of the API, from the tables of routes and objects. Any thread. */
#ifndef MOTE_API_OPENAPI_H
#define MOTE_API_OPENAPI_H

#include <stddef.h>

#include "api/json_out.h"
#include "api/routes.h"
#include "vmm/compiler.h"

#define OPENAPI_MAX ((size_t)512 * 1024) /* bytes that are enough for it */

/*
 * Writes the document. Operations have an extension "x-phases" (a list of "before" and "after" the
 * start of the guest) and, when they are not supported yet, "x-supported": false; properties whose
 * words may be written in any case have "x-any-case".
 */
void openapi_write(const struct route *routes, size_t nr, struct json_out *out);

/* Writes it and a newline to `fd`. 0 or -errno. */
int openapi_print(const struct route *routes, size_t nr, int fd) MUST_CHECK;

#endif
