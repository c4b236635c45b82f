// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 4096u

struct bad {
	const char *text, *message;
};

static int set_up(void **state)
{
	(void)state;
	return json_init(LIMIT, NULL);
}

/* From a copy of exactly this length, so that ASan sees its end. */
static const cJSON *parse(const char *text, size_t len, struct err *e)
{
	char *copy = malloc(len ? len : 1);
	const cJSON *tree;

	assert_non_null(copy);
	memcpy(copy, text, len);
	*e = (struct err){ 0 };
	tree = json_parse(copy, len, e);
	free(copy);
	assert_int_equal(tree == NULL, e->code != 0);
	return tree;
}

static void documents_are_taken(void **state)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n[ ]\n",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-1.5e+3",
		"1E9",
		"\"\"",
		"[1,[2]]",
		"{\"a\":{\"b\":1}}",
		"\"\\\\\\\"\\/\\b\\f\\n\\r\\t\"",
		"\"\\u00e9\\ud83d\\ude00\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
		"[0.10, 12]",
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!parse(good[i], strlen(good[i]), &e))
			fail_msg("%s: %s", good[i], e.msg);
	}
}

static void values_arrive(void **state)
{
	static const char text[] = "{\"s\":\"\\u00e9\\ud83d\\ude00\",\"n\":9007199254740991}";
	struct err e;
	const cJSON *tree = parse(text, strlen(text), &e);

	(void)state;
	assert_non_null(tree);
	assert_string_equal(tree->child->valuestring, "\xc3\xa9\xf0\x9f\x98\x80");
	assert_true(tree->child->next->valuedouble == 9007199254740991.0);
}

static void what_is_no_json_is_refused(void **state)
{
	static const struct bad bad[] = {
		{ "", "line 1, column 1: expected a value, found the end" },
		{ "{} x", "line 1, column 4: expected nothing after the document" },
		{ "{}{}", "line 1, column 3: expected nothing after the document" },
		{ "[1,]", "line 1, column 4: expected a value" },
		{ "[,1]", "line 1, column 2: expected a value" },
		{ "[1 2]", "line 1, column 4: expected ',' or ']'" },
		{ "{\"a\":1,}", "line 1, column 8: expected a name in quotes" },
		{ "{a:1}", "line 1, column 2: expected a name or '}'" },
		{ "{\"a\" 1}", "line 1, column 6: expected ':'" },
		{ "{\"a\":1]", "line 1, column 7: expected ',' or '}'" },
		{ "[1}", "line 1, column 3: expected ',' or ']'" },
		{ "{\n \"a\": 1\n", "line 3, column 1: expected ',' or '}', found the end" },
		{ "01", "line 1, column 2: expected no digit after a leading 0" },
		{ "1.", "line 1, column 3: expected a digit, found the end" },
		{ "1.e1", "line 1, column 3: expected a digit" },
		{ "1e", "line 1, column 3: expected a digit, found the end" },
		{ ".5", "line 1, column 1: expected a value" },
		{ "+1", "line 1, column 1: expected a value" },
		{ "-", "line 1, column 2: expected a digit, found the end" },
		{ "NaN", "line 1, column 1: expected a value" },
		{ "-Infinity", "line 1, column 2: expected a digit" },
		{ "0x10", "line 1, column 2: expected nothing after the document" },
		{ "True", "line 1, column 1: expected a value" },
		{ "nul", "line 1, column 1: expected a value" },
		{ "'a'", "line 1, column 1: expected a value" },
		{ "/**/1", "line 1, column 1: expected a value" },
		{ "\"a",
		  "line 1, column 3: expected '\"' at the end of the string, found the end" },
		{ "\"a\nb\"", "line 1, column 3: expected an escape for this control character" },
		{ "\"\\x\"",
		  "line 1, column 2: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u" },
		{ "\"\\u12g4\"", "line 1, column 2: expected four hexadecimal digits after \\u" },
		{ "\"\\u12", "line 1, column 2: expected four hexadecimal digits after \\u" },
		{ "\"\\u0000\"", "line 1, column 2: expected a character other than U+0000" },
		{ "{\"a\\u0000b\":1}", "line 1, column 4: expected a character other than U+0000" },
		{ "\"\\ud83d\"",
		  "line 1, column 2: expected a pair of surrogates, a high and a low one" },
		{ "\"\\ude00\\ud83d\"",
		  "line 1, column 2: expected a pair of surrogates, a high and a low one" },
		{ "\"\\ud83d\\u0041\"",
		  "line 1, column 2: expected a pair of surrogates, a high and a low one" },
		{ "\"\xff\"", "line 1, column 2: expected valid UTF-8" },
		{ "\"\xc0\xaf\"", "line 1, column 2: expected valid UTF-8" },
		{ "\"\xed\xa0\x80\"", "line 1, column 2: expected valid UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", "line 1, column 2: expected valid UTF-8" },
		{ "\"\xe2\x82", "line 1, column 2: expected valid UTF-8" },
		{ "\xef\xbb\xbf{}", "line 1, column 1: expected a value" },
		{ "[1,\v2]", "line 1, column 4: expected a value" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(parse(bad[i].text, strlen(bad[i].text), &e));
		assert_string_equal(e.msg, bad[i].message);
		assert_int_equal(e.code, -EINVAL);
	}
}

static void a_nul_ends_nothing(void **state)
{
	struct err e;

	(void)state;
	assert_null(parse("{}\0", 3, &e));
	assert_string_equal(e.msg, "line 1, column 3: expected nothing after the document");
	assert_null(parse("\"a\0b\"", 5, &e));
	assert_null(parse("[1,\0]", 5, &e));
}

static void depth_has_a_bound(void **state)
{
	char text[2 * 65 + 1];
	struct err e;

	(void)state;
	for (size_t depth = 64; depth <= 65; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		if (depth == 64)
			assert_non_null(parse(text, 2 * depth, &e));
		else
			assert_null(parse(text, 2 * depth, &e));
	}
	assert_string_equal(
		e.msg,
		"line 1, column 65: expected at most 64 lists and objects within each other");
	/* each level knows what it is */
	assert_null(parse("[{\"a\":[}]", 9, &e));
	assert_string_equal(e.msg, "line 1, column 8: expected a value");
}

/* The arena has room for the worst that fits into a document. */
static void every_document_fits(void **state)
{
	static const char *const unit[] = {
		"1,", "\"\",", "[],", "{},", "\"a\":1,", "-0,", "1e11111111111111,"
	};
	char text[LIMIT + 1];
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		size_t n = strlen(unit[i]), at = 1;
		bool object = strchr(unit[i], ':');

		text[0] = object ? '{' : '[';
		for (; at + n < LIMIT; at += n)
			memcpy(text + at, unit[i], n);
		text[at - 1] = object ? '}' : ']';
		for (unsigned int k = 0; k < 3; k++) {
			if (!parse(text, at, &e))
				fail_msg("%s: %s", unit[i], e.msg);
		}
	}
	memset(text, ' ', sizeof(text));
	text[0] = '1';
	assert_non_null(parse(text, LIMIT, &e));
	assert_null(parse(text, LIMIT + 1, &e));
	assert_int_equal(e.code, -EFBIG);
	assert_string_equal(e.msg, "a JSON document of 4097 bytes, expected at most 4096");
}

static void files_are_read(void **state)
{
	char path[] = "/tmp/mote-test-json-XXXXXX";
	int fd = mkstemp(path);
	char spaces[LIMIT];
	char expected[ERR_MSG_MAX];
	struct err e = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"a\":[1,2]}", 11), 11);
	assert_non_null(json_parse_file("config file", path, &e));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_null(json_parse_file("config file", path, &e));
	snprintf(expected, sizeof(expected),
		 "config file %s: line 1, column 12: expected nothing after the document", path);
	assert_string_equal(e.msg, expected);
	memset(spaces, ' ', sizeof(spaces));
	assert_int_equal(write(fd, spaces, sizeof(spaces)), sizeof(spaces));
	assert_null(json_parse_file("config file", path, &e));
	assert_int_equal(e.code, -EFBIG);
	close(fd);
	unlink(path);
	assert_null(json_parse_file("config file", path, &e));
	assert_int_equal(e.code, -ENOENT);
	assert_null(json_parse_file("config file", "/tmp", &e));
	assert_int_equal(e.code, -EISDIR);
}

static void limits_can_be_replaced(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(json_init(4, &e), 0);
	assert_non_null(parse("1234", 4, &e));
	assert_null(parse("12345", 5, &e));
	assert_int_equal(json_init(SIZE_MAX / 2, &e), -EINVAL);
	assert_non_null(parse("1234", 4, &e));
	assert_int_equal(json_init(LIMIT, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_taken),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(a_nul_ends_nothing),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(every_document_fits),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(limits_can_be_replaced),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
