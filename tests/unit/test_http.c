// SPDX-License-Identifier: Apache-2.0
#include "api/http.h"

#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BODY 51200u

static struct http_parser parser;
static struct http_request req;

static enum http_verdict whole(const char *text, size_t len)
{
	http_parser_init(&parser, MAX_BODY);
	return http_parse(&parser, text, len, &req);
}

static enum http_verdict whole_text(const char *text)
{
	return whole(text, strlen(text));
}

/* Each prefix in memory of its own, so that AddressSanitizer sees its end. */
static enum http_verdict bytewise(const char *text, size_t len)
{
	enum http_verdict v = HTTP_MORE;

	http_parser_init(&parser, MAX_BODY);
	for (size_t n = 1; n <= len && (v == HTTP_MORE || v == HTTP_CONTINUE); n++) {
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, text, n);
		v = http_parse(&parser, copy, n, &req);
		free(copy);
	}
	return v;
}

#define LINE "GET / HTTP/1.1\r\n"
#define PUT  "PUT /x HTTP/1.1\r\n"

/* path or error NULL: of no interest; verdict BAD: the error begins with `text` */
static const struct row {
	const char *in;
	enum http_verdict verdict;
	const char *text;
	const char *body;
	bool close;
} rows[] = {
	{ LINE "\r\n", HTTP_REQUEST, "", NULL, false },
	{ "GET / HTTP/1.1\n\n", HTTP_REQUEST, "", NULL, false },
	{ "\r\nGET /a/b HTTP/1.1\r\n\r\n", HTTP_REQUEST, "a/b", NULL, false },
	{ "GET //a HTTP/1.1\r\n\r\n", HTTP_REQUEST, "/a", NULL, false },
	{ "PATCH /vm HTTP/1.1\r\n\r\n", HTTP_REQUEST, "vm", NULL, false },
	{ "DELETE /vm HTTP/1.1\r\n\r\n", HTTP_REQUEST, "vm", NULL, false },
	{ "GET http://localhost/a HTTP/1.1\r\n\r\n", HTTP_REQUEST, "a", NULL, false },
	{ "GET HTTP://h HTTP/1.1\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ "GET / HTTP/1.0\r\n\r\n", HTTP_REQUEST, "", NULL, true },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ LINE "connection: x , CLOSE\r\n\r\n", HTTP_REQUEST, "", NULL, true },
	{ LINE "Connection: closed\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ LINE "Content-Length: 0\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ PUT "CONTENT-length:3 \t\r\n\r\nabc", HTTP_REQUEST, "x", "abc", false },
	{ PUT "Content-Length: 3\r\nContent-Length: 03\r\n\r\nabc", HTTP_REQUEST, "x", "abc",
	  false },
	{ PUT "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", HTTP_REQUEST, "x", "abc",
	  false },
	{ PUT "Transfer-Encoding: identity\r\n\r\n", HTTP_REQUEST, "x", NULL, false },
	{ LINE "Content-Type: text/html\r\nAccept: x\r\nExpect: y\r\n\r\n", HTTP_REQUEST, "", NULL,
	  false },
	{ LINE "Accept-Encoding: gzip, *;q=0, identity\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ LINE "Accept-Encoding: identity;q=0.01\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ LINE "Accept-Encoding:\r\n\r\n", HTTP_REQUEST, "", NULL, false },
	{ "GET / HT", HTTP_MORE, NULL, NULL, false },
	{ LINE "Host: x\r\n", HTTP_MORE, NULL, NULL, false },
	{ PUT "Content-Length: 3\r\n\r\nab", HTTP_MORE, NULL, NULL, false },
	{ "POST / HTTP/1.1\r\n", HTTP_BAD, "Invalid HTTP Method: Unsupported HTTP method.", NULL,
	  false },
	{ "get / HTTP/1.1\r\n", HTTP_BAD, "Invalid HTTP Method", NULL, false },
	{ " / HTTP/1.1\r\n", HTTP_BAD, "Invalid HTTP Method", NULL, false },
	{ "GET / HTTP/2.0\r\n", HTTP_BAD, "Invalid HTTP Version", NULL, false },
	{ "GET / HTTP/1.2\r\n", HTTP_BAD, "Invalid HTTP Version", NULL, false },
	{ "GET / HTTP\r\n", HTTP_BAD, "Invalid HTTP Version", NULL, false },
	{ "GET /a b HTTP/1.1\r\n", HTTP_BAD, "Invalid HTTP Version", NULL, false },
	{ "GET /a\001b HTTP/1.1\r\n", HTTP_BAD, "Invalid request line", NULL, false },
	{ "GET /\r\n", HTTP_BAD, "Invalid request line", NULL, false },
	{ "\r\n\r\n", HTTP_BAD, "Invalid request line", NULL, false },
	{ "GET * HTTP/1.1\r\n", HTTP_BAD, "Invalid URI", NULL, false },
	{ "GET http:// HTTP/1.1\r\n", HTTP_BAD, "Invalid URI", NULL, false },
	{ LINE "no colon\r\n\r\n", HTTP_BAD, "Invalid header", NULL, false },
	{ LINE "a: b\r\n c\r\n\r\n", HTTP_BAD, "Invalid header: a header that is con", NULL,
	  false },
	{ LINE "a: b\rc\r\n\r\n", HTTP_BAD, "Invalid header", NULL, false },
	{ PUT "Content-Length:\r\n\r\n", HTTP_BAD, "Invalid header: Content-Len", NULL, false },
	{ PUT "Content-Length: +3\r\n\r\n", HTTP_BAD, "Invalid header: Content-Len", NULL, false },
	{ PUT "Content-Length: 3,3\r\n\r\n", HTTP_BAD, "Invalid header: Content-Len", NULL, false },
	{ PUT "Content-Length: 18446744073709551616\r\n\r\n", HTTP_BAD,
	  "Invalid header: Content-Length, expected a number", NULL, false },
	{ PUT "Content-Length: 18446744073709551615\r\n\r\n", HTTP_BAD,
	  "Request payload with size 18446744073709551615 is larger", NULL, false },
	{ PUT "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", HTTP_BAD,
	  "Invalid header: Content-Length, given twice", NULL, false },
	{ PUT "Transfer-Encoding: chunked\r\n\r\n", HTTP_BAD, "Invalid header: Transfer-Enc", NULL,
	  false },
	{ LINE "Accept-Encoding: identity;q=0\r\n\r\n", HTTP_BAD, "Invalid header: Accept", NULL,
	  false },
	{ LINE "Accept-Encoding: gzip, * ; Q=0.000\r\n\r\n", HTTP_BAD, "Invalid header: Accept",
	  NULL, false },
};

static void check_row(const struct row *row, enum http_verdict v, bool has_bytes)
{
	if (v != row->verdict)
		print_error("%s\n", row->in);
	assert_int_equal(v, row->verdict);
	if (v == HTTP_BAD)
		assert_int_equal(strncmp(parser.error, row->text, strlen(row->text)), 0);
	if (v != HTTP_REQUEST)
		return;
	assert_int_equal(parser.used, strlen(row->in));
	assert_int_equal(req.path_len, strlen(row->text));
	assert_int_equal(req.body_len, row->body ? strlen(row->body) : 0);
	assert_int_equal(req.close, row->close);
	assert_int_equal(req.body == NULL, row->body == NULL);
	if (has_bytes) {
		assert_memory_equal(req.path, row->text, req.path_len);
		if (row->body)
			assert_memory_equal(req.body, row->body, req.body_len);
	}
}

static void every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i], whole_text(rows[i].in), true);
}

static void byte_by_byte_is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i], bytewise(rows[i].in, strlen(rows[i].in)), false);
}

static void methods_are_told_apart(void **state)
{
	static const char *const names[] = { "GET", "PUT", "PATCH", "DELETE" };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n\r\n", names[i]);
		assert_int_equal(whole_text(text), HTTP_REQUEST);
		assert_int_equal(req.method, i);
	}
}

static void path_has_no_nul(void **state)
{
	(void)state;
	assert_int_equal(whole("GET /a\0b HTTP/1.1\r\n\r\n", 22), HTTP_BAD);
}

static void lines_have_a_limit(void **state)
{
	(void)state;
	for (size_t len = 1023; len <= 1025; len++) {
		enum http_verdict want = len <= HTTP_LINE_MAX ? HTTP_REQUEST : HTTP_BAD;
		char text[2048];
		int n;

		/* with its end, the line is `len` bytes long */
		n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n\r\n", (int)len - 16, 0);
		assert_int_equal(whole(text, (size_t)n), want);
		assert_int_equal(bytewise(text, (size_t)n), want);
		n = snprintf(text, sizeof(text), LINE "a: %0*d\r\n\r\n", (int)len - 5, 0);
		assert_int_equal(whole(text, (size_t)n), want);
		assert_int_equal(bytewise(text, (size_t)n), want);
	}
}

/* 8192 bytes are a head; one more is none, wherever the lines end. */
static void head_has_a_limit(void **state)
{
	(void)state;
	for (size_t len = HTTP_HEAD_MAX - 1; len <= HTTP_HEAD_MAX + 1; len++) {
		enum http_verdict want = len <= HTTP_HEAD_MAX ? HTTP_REQUEST : HTTP_BAD;
		char text[2 * HTTP_HEAD_MAX];
		size_t n = (size_t)snprintf(text, sizeof(text), LINE);

		while (len - n > 600)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "a: %0500d\r\n", 0);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a: %0*d\r\n\r\n",
				      (int)(len - n - 7), 0);
		assert_int_equal(n, len);
		assert_int_equal(whole(text, n), want);
		assert_int_equal(bytewise(text, n), want);
	}
}

static void headers_are_counted(void **state)
{
	(void)state;
	for (unsigned int nr = HTTP_HEADERS_MAX; nr <= HTTP_HEADERS_MAX + 1; nr++) {
		char text[2048] = LINE;

		for (unsigned int i = 0; i < nr; i++)
			memcpy(text + strlen(text), "a:b\r\n", 6);
		memcpy(text + strlen(text), "\r\n", 3);
		assert_int_equal(whole_text(text),
				 nr <= HTTP_HEADERS_MAX ? HTTP_REQUEST : HTTP_BAD);
	}
	assert_non_null(strstr(parser.error, "more than 64"));
}

static void body_has_a_limit(void **state)
{
	char *text = calloc(1, MAX_BODY + 200);
	size_t head;

	(void)state;
	assert_non_null(text);
	head = (size_t)snprintf(text, 200, PUT "Content-Length: %u\r\n\r\n", MAX_BODY);
	assert_int_equal(whole(text, head + MAX_BODY - 1), HTTP_MORE);
	assert_int_equal(http_parse(&parser, text, head + MAX_BODY, &req), HTTP_REQUEST);
	assert_int_equal(req.body_len, MAX_BODY);
	assert_ptr_equal(req.body, text + head);
	head = (size_t)snprintf(text, 200, PUT "Content-Length: %u\r\n\r\n", MAX_BODY + 1);
	assert_int_equal(whole(text, head), HTTP_BAD);
	assert_string_equal(parser.error, "Request payload with size 51201 is larger than the "
					  "limit of 51200 allowed by server.");
	free(text);
}

static void continue_is_said_once(void **state)
{
	static const char text[] = PUT "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nab";
	static const char old[] = "PUT / HTTP/1.0\r\nExpect: 100-continue\r\n"
				  "Content-Length: 2\r\n\r\n";

	(void)state;
	assert_int_equal(whole(text, sizeof(text) - 3), HTTP_CONTINUE);
	assert_int_equal(http_parse(&parser, text, sizeof(text) - 3, &req), HTTP_MORE);
	assert_int_equal(http_parse(&parser, text, sizeof(text) - 1, &req), HTTP_REQUEST);
	assert_int_equal(whole(old, sizeof(old) - 1), HTTP_MORE);
}

static void requests_follow_each_other(void **state)
{
	static const char text[] = PUT "Connection: close\r\nContent-Length: 2\r\n\r\nab"
				       "GET /y HTTP/1.1\r\n\r\nGET";

	(void)state;
	assert_int_equal(whole(text, sizeof(text) - 1), HTTP_REQUEST);
	assert_true(req.close);
	for (size_t at = parser.used, i = 0; i < 1; i++) {
		assert_int_equal(http_parse(&parser, text + at, sizeof(text) - 1 - at, &req),
				 HTTP_REQUEST);
		assert_memory_equal(req.path, "y", 1);
		assert_null(req.body);
		assert_false(req.close);
		at += parser.used;
		assert_int_equal(http_parse(&parser, text + at, sizeof(text) - 1 - at, &req),
				 HTTP_MORE);
	}
}

static void heads_of_answers(void **state)
{
	static const struct {
		struct http_response res;
		bool close;
		const char *text;
	} heads[] = {
		{ { .status = 204 },
		  false,
		  "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n" },
		{ { .status = 204, .deprecated = true },
		  true,
		  "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: close\r\n"
		  "Deprecation: true\r\n\r\n" },
		{ { .status = 200, .body = "{}", .body_len = 2 },
		  false,
		  "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
		  "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n" },
		{ { .status = 100 },
		  false,
		  "HTTP/1.1 100 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		char buf[HTTP_ANSWER_HEAD];

		assert_int_equal(http_head(&heads[i].res, heads[i].close, buf, sizeof(buf)),
				 strlen(heads[i].text));
		assert_string_equal(buf, heads[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(byte_by_byte_is_the_same),
		cmocka_unit_test(methods_are_told_apart),
		cmocka_unit_test(path_has_no_nul),
		cmocka_unit_test(lines_have_a_limit),
		cmocka_unit_test(head_has_a_limit),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(body_has_a_limit),
		cmocka_unit_test(continue_is_said_once),
		cmocka_unit_test(requests_follow_each_other),
		cmocka_unit_test(heads_of_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
