// SPDX-License-Identifier: Apache-2.0
#include "api/json_out.h"
#include "vmm/utf8.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

static void write_sample(struct json_out *o)
{
	json_begin(o, NULL, '{');
	json_string(o, "s", "a");
	json_uint(o, "u", UINT64_MAX);
	json_int(o, "i", INT64_MIN);
	json_begin(o, "list", '[');
	json_bool(o, NULL, true);
	json_begin(o, NULL, '{');
	json_end(o, '}');
	json_null(o, NULL);
	json_end(o, ']');
	json_bool(o, "b", false);
	json_end(o, '}');
}

static const char sample[] = "{\"s\":\"a\",\"u\":18446744073709551615,\"i\":-9223372036854775808,"
			     "\"list\":[true,{},null],\"b\":false}";

static void commas_are_taken_care_of(void **state)
{
	struct json_out o;
	char buf[256];

	(void)state;
	json_out_init(&o, buf, sizeof(buf));
	write_sample(&o);
	assert_false(o.full);
	assert_string_equal(buf, sample);
	assert_int_equal(o.len, strlen(sample));
}

static void what_does_not_fit_is_remembered(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= sizeof(sample) + 1; cap++) {
		char buf[sizeof(sample) + 2];
		struct json_out o;

		memset(buf, 'x', sizeof(buf));
		json_out_init(&o, buf, cap);
		write_sample(&o);
		assert_int_equal(o.full, cap < sizeof(sample));
		assert_true(o.len < cap);
		assert_int_equal(buf[o.len], '\0');
		assert_int_equal(buf[cap], 'x');
		assert_memory_equal(buf, sample, o.len);
	}
}

static void strings_are_escaped(void **state)
{
	struct json_out o;
	char buf[256];

	(void)state;
	json_out_init(&o, buf, sizeof(buf));
	json_string(&o, NULL, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
	assert_string_equal(buf, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
	json_out_init(&o, buf, sizeof(buf));
	json_string(&o, NULL, "a\xff\xe2\x82z\xed\xa0\x80");
	assert_string_equal(buf, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"
				 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void messages_quote_what_strangers_say(void **state)
{
	char out[24], tiny[6];

	(void)state;
	assert_string_equal(utf8_quote("plain", out, sizeof(out)), "\"plain\"");
	assert_string_equal(utf8_quote("a\"\n\x1b\xff", out, sizeof(out)),
			    "\"a\\\"\\n\\u001b\\xff\"");
	assert_string_equal(utf8_quote("\xc2\x85\xc3\xa9", out, sizeof(out)),
			    "\"\\u0085\xc3\xa9\"");
	assert_string_equal(utf8_quote("0123456789012345678901234567890", out, sizeof(out)),
			    "\"012345678901234567...\"");
	assert_string_equal(utf8_quote("", tiny, sizeof(tiny)), "\"\"");
	assert_string_equal(utf8_quote("ab", tiny, sizeof(tiny)), "\"...\"");
}

/* Each code point, in its only form. */
static void utf8_is_exact(void **state)
{
	(void)state;
	for (uint32_t b = 0; b < 1u << 24; b += b < 0x10000 ? 1 : 251) {
		char text[4] = { (char)(b & 0xff), (char)(b >> 8), (char)(b >> 16), (char)0x80 };
		size_t n = utf8_char(text, sizeof(text));
		uint32_t c = 0;

		assert_in_range(n, 0, 4);
		if (n <= 1) {
			assert_int_equal(n == 1, (b & 0xff) < 0x80);
			if (n == 1)
				continue;
		} else {
			c = (uint32_t)(text[0] & (0xff >> (n + 1)));
			for (size_t i = 1; i < n && i < sizeof(text); i++) {
				assert_int_equal(text[i] & 0xc0, 0x80);
				c = c << 6 | (uint32_t)(text[i] & 0x3f);
			}
			assert_true(c >= (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u));
			assert_true(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
			assert_int_equal(utf8_char(text, n - 1), 0);
		}
	}
	assert_int_equal(utf8_char("a", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_are_taken_care_of),
		cmocka_unit_test(what_does_not_fit_is_remembered),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(messages_quote_what_strangers_say),
		cmocka_unit_test(utf8_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
