// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP framing: however the bytes arrive, the same requests come out, and they lie within what
 * arrived. Input: two bytes that say where to cut, then what a client sends.
 */
#include "api/http.h"

#include "tests/lib/require.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BODY 300u

/* What came of an input. */
struct outcome {
	unsigned int requests;
	size_t used; /* by all requests */
	uint64_t sum;
	bool bad;
	char error[160];
};

static void mix(struct outcome *o, const void *data, size_t len)
{
	const unsigned char *p = data;

	o->sum = (o->sum ^ len) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		o->sum = (o->sum ^ p[i]) * 1099511628211u;
}

static void note(struct outcome *o, const char *buf, size_t len, const struct http_parser *p,
		 const struct http_request *req)
{
	const unsigned char facts[] = { (unsigned char)req->method, req->close, !req->body };

	REQUIRE(p->used > 0 && p->used <= len && req->body_len <= MAX_BODY);
	REQUIRE(req->path > buf && req->path + req->path_len < buf + p->used);
	REQUIRE(!req->body == (req->body_len == 0));
	if (req->body)
		REQUIRE(req->body > req->path && req->body + req->body_len == buf + p->used);
	for (size_t i = 0; i < req->path_len; i++)
		REQUIRE((unsigned char)req->path[i] > ' ' && req->path[i] != 0x7f);
	mix(o, facts, sizeof(facts));
	mix(o, req->path, req->path_len);
	if (req->body)
		mix(o, req->body, req->body_len);
	o->requests++;
	o->used += p->used;
}

/* Takes all requests that are complete when `len` bytes have arrived, in memory of that size. */
static void arrive(struct http_parser *p, const uint8_t *data, size_t len, struct outcome *o)
{
	size_t have = len - o->used;
	char *buf = malloc(have > 0 ? have : 1);
	const char *at = buf;

	REQUIRE(buf);
	memcpy(buf, data + o->used, have);
	for (bool more = true; more && !o->bad;) {
		struct http_request req;

		switch (http_parse(p, at, have, &req)) {
		case HTTP_REQUEST:
			note(o, at, have, p, &req);
			at += p->used;
			have -= p->used;
			break;
		case HTTP_BAD:
			o->bad = true;
			REQUIRE(strlen(p->error) > 0 && !strchr(p->error, '"'));
			memcpy(o->error, p->error, sizeof(o->error));
			break;
		case HTTP_CONTINUE:
			break;
		default:
			REQUIRE(have < HTTP_HEAD_MAX + MAX_BODY);
			more = false;
		}
	}
	free(buf);
}

static struct outcome run(const uint8_t *data, size_t len, size_t first, size_t step)
{
	struct http_parser p;
	struct outcome o = { 0 };

	http_parser_init(&p, MAX_BODY);
	for (size_t n = first; n < len && !o.bad; n += step)
		arrive(&p, data, n, &o);
	if (!o.bad)
		arrive(&p, data, len, &o);
	return o;
}

static void same(const struct outcome *a, const struct outcome *b)
{
	REQUIRE(a->requests == b->requests && a->used == b->used && a->sum == b->sum);
	REQUIRE(a->bad == b->bad && strcmp(a->error, b->error) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct outcome whole;
	struct outcome cut;
	size_t at;

	if (len < 3 || len > 12000)
		return 0;
	at = (data[0] | (size_t)data[1] << 8) % (len - 2);
	whole = run(data + 2, len - 2, len - 2, 1);
	cut = run(data + 2, len - 2, at, len);
	same(&whole, &cut);
	cut = run(data + 2, len - 2, 1, len > 1000 ? 61 : 1);
	same(&whole, &cut);
	return 0;
}
