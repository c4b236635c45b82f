/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 framing for the API: bytes in, requests out; no input or output of its own, and no state
 * beyond one request. What comes out does not depend on how the bytes were cut into pieces.
 *
 * Taken: GET, PUT, PATCH and DELETE, in HTTP/1.0 and 1.1, of a path or an absolute http:// URI.
 * Refused: any other method or version; a line longer than HTTP_LINE_MAX, a head longer than
 * HTTP_HEAD_MAX, more than HTTP_HEADERS_MAX headers, folded ones; a Content-Length that is no
 * number, is given twice with two values or is above max_body; a Transfer-Encoding; an
 * Accept-Encoding that does not accept an unencoded answer. Other headers are passed over.
 */
#ifndef MOTE_API_HTTP_H
#define MOTE_API_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/compiler.h"

#define HTTP_LINE_MAX	 1024u /* bytes of the request line, and of a header line, with its end */
#define HTTP_HEAD_MAX	 8192u /* bytes of all of them together */
#define HTTP_HEADERS_MAX 64u
#define HTTP_ANSWER_HEAD 256u /* bytes that the head of an answer never exceeds */

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
	bool close; /* the client wants no other answer (Connection: close, or HTTP/1.0) */
};

enum http_verdict {
	HTTP_MORE,     /* incomplete: call again with more bytes */
	HTTP_CONTINUE, /* incomplete, and the client waits for "100 Continue" first; said once */
	HTTP_REQUEST,  /* *req is set; `used` bytes belong to it */
	HTTP_BAD,      /* no request: `error` says why, the connection is of no more use */
};

/* What is known of the request that is arriving. Offsets, as the buffer may move between calls. */
struct http_progress {
	size_t seen;	 /* bytes of the head that were looked at already */
	size_t line;	 /* where the line that is arriving begins */
	size_t headers;	 /* where the header lines begin; 0 = not known yet */
	size_t head_len; /* 0 = the head is not complete */
	size_t path;
	size_t path_len;
	size_t body_len;
	enum http_method method;
	bool old;   /* HTTP/1.0 */
	bool close; /* as in http_request */
	bool waits; /* the client waits for HTTP_CONTINUE, which was not said yet */
};

struct http_parser {
	size_t max_body; /* bytes */
	size_t used;	 /* after HTTP_REQUEST */
	char error[160]; /* after HTTP_BAD: text for the client, without quotes or bytes of its own
			  */
	struct http_progress now; /* private */
};

void http_parser_init(struct http_parser *p, size_t max_body);

/*
 * Looks at the `len` bytes that have arrived since the end of the last request: all of them, but
 * what was looked at in an earlier call is not looked at again. Pointers in *req point into `buf`.
 * After HTTP_REQUEST the caller drops `used` bytes before the next call; HTTP_HEAD_MAX + max_body
 * bytes are room enough for any verdict but HTTP_MORE. Not called again after HTTP_BAD.
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
 * "Connection: keep-alive" or "close", then what belongs to a body; 1xx and 204 have none). Returns
 * their length, less than HTTP_ANSWER_HEAD, which is what `cap` should be.
 */
size_t http_head(const struct http_response *res, bool close, char *buf, size_t cap);

#endif
