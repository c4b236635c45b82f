// SPDX-License-Identifier: Apache-2.0
/*
 * Lines are found here, so that limits hold while a head is still arriving; picohttpparser then
 * takes the request line and the complete header lines apart, each once.
 */
#include "api/http.h"

#include <picohttpparser.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

struct slice {
	const char *at;
	size_t len;
};

/* What the headers say, of all of them together. */
struct headers {
	bool has_length;
	uint64_t length;
	bool expects_continue;
	bool close;
	bool keep_alive;
	bool identity_named;
	bool identity_refused;
	bool rest_refused; /* "*;q=0": what is not named */
};

static const char *const method_names[] = {
	[HTTP_GET] = "GET",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
};

static enum http_verdict bad(struct http_parser *p, const char *fmt, ...) PRINTF(2, 3);
static enum http_verdict bad(struct http_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, ap);
	va_end(ap);
	return HTTP_BAD;
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool is(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/* Takes what comes before the next `separator` off *rest. False when nothing is left. */
static bool next_item(struct slice *rest, char separator, struct slice *item)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->at, separator, rest->len);
	*item = *rest;
	if (end)
		item->len = (size_t)(end - rest->at);
	/* the separator goes too; without one, nothing is left */
	rest->len -= item->len + (end ? 1 : 0);
	rest->at += item->len + (end ? 1 : 0);
	*item = trim(*item);
	return true;
}

/* "q=0", and as many zeros behind the point as there may be. */
static bool is_zero_weight(struct slice s)
{
	if (s.len < 3 || (s.at[0] != 'q' && s.at[0] != 'Q') || s.at[1] != '=' || s.at[2] != '0')
		return false;
	for (size_t i = 3; i < s.len; i++) {
		if (s.at[i] != (i == 3 ? '.' : '0'))
			return false;
	}
	return true;
}

/* Digits only, of a number that fits. */
static bool parse_length(struct slice s, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		if (MUT_BODY_MAX(__builtin_mul_overflow(n, 10u, &n)) ||
		    MUT_BODY_MAX(__builtin_add_overflow(n, (unsigned int)(s.at[i] - '0'), &n)))
			return false;
	}
	*out = n;
	return s.len > 0;
}

/* ---- header lines ---------------------------------------------------------------------------- */

/* Each returns NULL, or what is wrong with the value. */

static const char *content_length(struct headers *h, struct slice value)
{
	uint64_t n;

	if (!parse_length(value, &n))
		return "Content-Length, expected a number of bytes";
	if (h->has_length && h->length != n)
		return "Content-Length, given twice with two values";
	h->has_length = true;
	h->length = n;
	return NULL;
}

static const char *transfer_encoding(struct headers *h, struct slice value)
{
	(void)h;
	if (is(value, "identity"))
		return NULL;
	return "Transfer-Encoding is not supported, expected a Content-Length";
}

static const char *expect(struct headers *h, struct slice value)
{
	if (is(value, "100-continue"))
		h->expects_continue = true;
	return NULL;
}

static const char *connection(struct headers *h, struct slice value)
{
	struct slice item;

	while (next_item(&value, ',', &item)) {
		h->close |= is(item, "close");
		h->keep_alive |= is(item, "keep-alive");
	}
	return NULL;
}

static const char *accept_encoding(struct headers *h, struct slice value)
{
	struct slice item;
	struct slice coding;
	struct slice parameter;

	while (next_item(&value, ',', &item)) {
		bool refused = false;

		if (!next_item(&item, ';', &coding))
			continue;
		while (next_item(&item, ';', &parameter))
			refused |= is_zero_weight(parameter);
		if (is(coding, "identity")) {
			h->identity_named = true;
			h->identity_refused |= refused;
		} else if (is(coding, "*")) {
			h->rest_refused |= refused;
		}
	}
	return NULL;
}

static const struct {
	const char *name;
	const char *(*fn)(struct headers *h, struct slice value);
} known_headers[] = {
	{ "content-length", content_length },
	{ "transfer-encoding", transfer_encoding },
	{ "expect", expect },
	{ "connection", connection },
	{ "accept-encoding", accept_encoding },
};

static const char *one_header(struct headers *h, const struct phr_header *line)
{
	const struct slice name = { line->name, line->name_len };

	if (!line->name)
		return "a header that is continued on the next line";
	for (size_t i = 0; i < ARRAY_SIZE(known_headers); i++) {
		if (is(name, known_headers[i].name))
			return known_headers[i].fn(
				h, trim((struct slice){ line->value, line->value_len }));
	}
	return NULL;
}

/* ---- the head -------------------------------------------------------------------------------- */

static bool find_method(struct slice name, enum http_method *out)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(method_names); i++) {
		/* methods, unlike header names, are told apart by case */
		if (name.len == strlen(method_names[i]) &&
		    memcmp(name.at, method_names[i], name.len) == 0) {
			*out = (enum http_method)i;
			return true;
		}
	}
	return false;
}

/* Takes scheme, host and the leading '/' off. */
static bool find_path(struct slice *uri)
{
	static const char scheme[] = "http://";
	const size_t n = sizeof(scheme) - 1;

	if (uri->len >= n && strncasecmp(uri->at, scheme, n) == 0) {
		const char *slash = memchr(uri->at + n, '/', uri->len - n);
		size_t skip = slash ? (size_t)(slash - uri->at) : uri->len;

		uri->at += skip;
		uri->len -= skip;
		if (uri->len == 0)
			return skip > n; /* http://host is short for http://host/ */
	}
	if (uri->len == 0 || uri->at[0] != '/')
		return false;
	uri->at++;
	uri->len--;
	return true;
}

/* `line` has its end. */
static enum http_verdict request_line(struct http_parser *p, const char *buf, struct slice line)
{
	struct http_progress *now = &p->now;
	struct slice method;
	struct slice uri;
	int minor;
	size_t nr = 0;
	int r;

	/* "Incomplete" is what a good line is, as no headers follow; a version cut short is, too.
	 */
	r = phr_parse_request(line.at, line.len, &method.at, &method.len, &uri.at, &uri.len, &minor,
			      NULL, &nr, 0);
	if (!method.at)
		return bad(p, "Invalid request line.");
	if (!find_method(method, &now->method))
		return bad(p, "Invalid HTTP Method: Unsupported HTTP method.");
	if (!uri.at)
		return bad(p, "Invalid request line.");
	if (!find_path(&uri))
		return bad(p, "Invalid URI: expected a path or http://host/path.");
	if (r != -2 || minor < 0 || minor > 1)
		return bad(p, "Invalid HTTP Version: Unsupported HTTP version.");
	now->old = minor == 0;
	now->path = (size_t)(uri.at - buf);
	now->path_len = uri.len;
	return HTTP_MORE;
}

static enum http_verdict judge_headers(struct http_parser *p, const struct headers *h)
{
	struct http_progress *now = &p->now;

	if (h->identity_refused || (h->rest_refused && !h->identity_named))
		return bad(p, "Invalid header: Accept-Encoding, expected identity to be accepted.");
	if (MUT_BODY_MAX(h->length > p->max_body))
		return bad(p,
			   "Request payload with size %llu is larger than the limit of %zu allowed "
			   "by server.",
			   (unsigned long long)h->length, p->max_body);
	now->body_len = h->length;
	now->close = h->close || (now->old && !h->keep_alive);
	now->waits = h->expects_continue && !now->old;
	now->head_len = now->seen;
	return HTTP_MORE;
}

static enum http_verdict header_lines(struct http_parser *p, const char *buf)
{
	struct phr_header line[HTTP_HEADERS_MAX];
	struct headers h = { 0 };
	size_t nr = ARRAY_SIZE(line);
	size_t len = p->now.seen - p->now.headers;
	int r = phr_parse_headers(buf + p->now.headers, len, line, &nr, 0);

	if (r < 0 && nr == ARRAY_SIZE(line))
		return bad(p, "Invalid header: more than %u of them.", HTTP_HEADERS_MAX);
	if (r < 0 || (size_t)r != len)
		return bad(p, "Invalid header: expected NAME: VALUE.");
	for (size_t i = 0; i < nr; i++) {
		const char *wrong = one_header(&h, &line[i]);

		if (wrong)
			return bad(p, "Invalid header: %s.", wrong);
	}
	return judge_headers(p, &h);
}

/* A line ends at `seen`. */
static enum http_verdict end_line(struct http_parser *p, const char *buf)
{
	struct http_progress *now = &p->now;
	const struct slice line = { buf + now->line, now->seen - now->line };
	bool empty = line.len == 1 || (line.len == 2 && line.at[0] == '\r');

	now->line = now->seen;
	if (now->headers == 0 && empty && line.at == buf)
		return HTTP_MORE; /* some clients end a body with one (RFC 9112, 2.2) */
	if (now->headers == 0) {
		now->headers = now->seen;
		return request_line(p, buf, line);
	}
	return empty ? header_lines(p, buf) : HTTP_MORE;
}

/* HTTP_MORE, with head_len set when the head is complete, or HTTP_BAD. */
static enum http_verdict parse_head(struct http_parser *p, const char *buf, size_t len)
{
	struct http_progress *now = &p->now;

	while (now->seen < len && now->head_len == 0) {
		size_t limit = min_u64(now->line + MUT_LINE_MAX(HTTP_LINE_MAX), HTTP_HEAD_MAX);
		size_t fresh = min_u64(len, limit) - now->seen;
		const char *end = memchr(buf + now->seen, '\n', fresh);

		now->seen = end ? (size_t)(end - buf) + 1 : now->seen + fresh;
		if (end && end_line(p, buf) == HTTP_BAD)
			return HTTP_BAD;
		if (now->head_len > 0)
			return HTTP_MORE;
		if (now->seen == HTTP_HEAD_MAX)
			return bad(p, "Invalid request: more than %u bytes before the body.",
				   HTTP_HEAD_MAX);
		if (!end && now->seen == limit)
			return bad(p, "Invalid request: a line of more than %u bytes.",
				   HTTP_LINE_MAX);
	}
	return HTTP_MORE;
}

/* ---- the request ----------------------------------------------------------------------------- */

void http_parser_init(struct http_parser *p, size_t max_body)
{
	memset(p, 0, sizeof(*p));
	p->max_body = max_body;
}

enum http_verdict http_parse(struct http_parser *p, const char *buf, size_t len,
			     struct http_request *req)
{
	struct http_progress *now = &p->now;

	if (parse_head(p, buf, len) == HTTP_BAD)
		return HTTP_BAD;
	if (now->head_len == 0)
		return HTTP_MORE;
	if (len - now->head_len < now->body_len) {
		bool waits = now->waits;

		now->waits = false;
		return waits ? HTTP_CONTINUE : HTTP_MORE;
	}
	*req = (struct http_request){
		.method = now->method,
		.path = buf + now->path,
		.path_len = now->path_len,
		.body = now->body_len > 0 ? buf + now->head_len : NULL,
		.body_len = now->body_len,
		.close = now->close,
	};
	p->used = now->head_len + now->body_len;
	*now = (struct http_progress){ .close = MUT_LEFT_OVER(now->close) };
	return HTTP_REQUEST;
}

size_t http_head(const struct http_response *res, bool close, char *buf, size_t cap)
{
	bool has_body = res->status >= 200 && res->status != 204;
	int n = snprintf(buf, cap,
			 "HTTP/1.1 %u \r\nServer: Firecracker API\r\nConnection: %s\r\n%s",
			 res->status, close ? "close" : "keep-alive",
			 res->deprecated ? "Deprecation: true\r\n" : "");

	if (has_body)
		n += snprintf(buf + n, cap - (size_t)n,
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			      res->body_len);
	n += snprintf(buf + n, cap - (size_t)n, "\r\n");
	return (size_t)n;
}
