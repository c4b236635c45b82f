/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 framing for the API: bytes in, requests out; no input or output of its own.
 * The behaviour that clients rely on is that of Firecracker's server (docs/api.md): see http.c.
 */
#ifndef MOTE_API_HTTP_H
#define MOTE_API_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/compiler.h"

#define HTTP_LINE_MAX 1024u /* bytes of the request line, and of a header line */
#define HTTP_HEAD_MAX 8192u /* bytes of both together */

enum http_method {
	HTTP_GET,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE
};

struct http_request {
	enum http_method method;
	const char *path; /* after scheme and host, without the leading '/'; not NUL-terminated */
	size_t path_len;
	const char *body; /* not NUL-terminated; NULL when there is none */
	size_t body_len;
	bool close; /* the connection ends after the answer (HTTP/1.0, Connection: close) */
};

enum http_verdict {
	HTTP_MORE,     /* incomplete: call again with more bytes */
	HTTP_CONTINUE, /* incomplete, and the client waits for "100 Continue" first; said once */
	HTTP_REQUEST,  /* *req is set; `used` bytes belong to it */
	HTTP_BAD,      /* no request: `error` says why, the connection is of no more use */
};

struct http_parser {
	size_t max_body; /* bytes */
	size_t seen;	 /* bytes of the head that were looked at already */
	bool continued;	 /* HTTP_CONTINUE was said for this request */
	size_t used;	 /* after HTTP_REQUEST */
	char error[256]; /* after HTTP_BAD: one line for the client */
};

void http_parser_init(struct http_parser *p, size_t max_body);

/*
 * Looks at the `len` bytes that have arrived since the end of the last request. Pointers in *req
 * point into `buf`. After HTTP_REQUEST the caller drops `used` bytes before the next call.
 */
enum http_verdict http_parse(struct http_parser *p, const char *buf, size_t len,
			     struct http_request *req) MUST_CHECK;

struct http_response {
	unsigned int status; /* 200, 204, 400, 413, 503 */
	bool deprecated;     /* header "Deprecation: true" */
	const char *body;    /* not NUL-terminated; ignored for 204 */
	size_t body_len;
};

/*
 * Writes status line and headers of `res` into buf (empty reason phrase, "Server: Firecracker API",
 * "Connection: keep-alive" or "close", then what belongs to a body). Returns their length, at
 * most 512 bytes.
 */
size_t http_head(const struct http_response *res, bool close, char *buf, size_t cap);

#endif
