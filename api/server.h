/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's socket on the event loop: at most ten connections, each with one request at a time
 * (pipelined ones wait in its buffer), none of which can hold up the loop or another. A peer that
 * sends a byte a minute costs a buffer; one that does not read its answer is not read from either.
 * Loop thread.
 */
#ifndef MOTE_API_SERVER_H
#define MOTE_API_SERVER_H

#include <stddef.h>

#include "api/http.h"
#include "vmm/err.h"
#include "vmm/evloop.h"

#define SERVER_MAX_CONNECTIONS 10u
#define SERVER_MAX_ANSWER      ((size_t)256 * 1024) /* bytes of an answer's body */

struct server;

/* Called with each request. Sets *res; its body may lie in `scratch`, of SERVER_MAX_ANSWER bytes.
 */
typedef void (*server_fn)(void *ctx, const struct http_request *req, struct http_response *res,
			  char *scratch);

/*
 * Binds and listens on the Unix socket `path` (relative paths: from the working directory). Bodies
 * of up to `max_body` bytes are taken. *e names the path and what is wrong with it: too long
 * (107 bytes), already existing, in a folder that is missing or may not be written to. There is one
 * server in a process; *out is it.
 */
int server_start(struct server **out, struct evloop *loop, const char *path, size_t max_body,
		 server_fn fn, void *ctx, struct err *e) MUST_CHECK;

/* Writes out answers that are still buffered (without waiting), then closes all. The socket file
 * stays, as clients expect. */
void server_stop(struct server *s);

#endif
