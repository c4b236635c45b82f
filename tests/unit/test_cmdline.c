// SPDX-License-Identifier: Apache-2.0
#include "vmm/cmdline.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void words_are_joined_by_spaces(void **state)
{
	char line[16] = "";

	(void)state;
	assert_int_equal(cmdline_add(line, sizeof(line), "a=%d", 1), 0);
	assert_int_equal(cmdline_add(line, sizeof(line), "%s", "b"), 0);
	assert_string_equal(line, "a=1 b");
	assert_int_equal(cmdline_add(line, sizeof(line), "%s", ""), 0);
	assert_string_equal(line, "a=1 b");
}

static void the_last_byte_is_for_the_nul(void **state)
{
	char line[8] = "abc";

	(void)state;
	assert_int_equal(cmdline_add(line, sizeof(line), "%s", "defg"), -E2BIG);
	assert_string_equal(line, "abc");
	assert_int_equal(cmdline_add(line, sizeof(line), "%s", "def"), 0);
	assert_string_equal(line, "abc def");
	assert_int_equal(cmdline_add(line, sizeof(line), "%s", "x"), -E2BIG);
	assert_string_equal(line, "abc def");
}

static void vectors_are_encoded(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "echo \"a b\" +%\n\xff", "", NULL };
	char line[128] = "x";

	(void)state;
	assert_int_equal(cmdline_add_vector(line, sizeof(line), "CMD", argv), 0);
	assert_string_equal(line, "x CMD=/bin/sh+-c+echo%20%22a%20b%22%20%2B%25%0A%FF+");
	assert_int_equal(cmdline_check(line), 0);
}

static void vectors_that_do_not_fit_change_nothing(void **state)
{
	static const char *const argv[] = { "ab", "c d", NULL };
	static const char whole[] = "x C=ab+c%20d";
	static const char *const none[] = { NULL };

	(void)state;
	for (size_t size = 2; size <= sizeof(whole) + 2; size++) {
		char line[sizeof(whole) + 2] = "x";
		int r = cmdline_add_vector(line, size, "C", argv);

		assert_int_equal(r, size < sizeof(whole) ? -E2BIG : 0);
		assert_string_equal(line, size < sizeof(whole) ? "x" : whole);
	}
	{
		char line[16] = "x";

		assert_int_equal(cmdline_add_vector(line, sizeof(line), "C", none), -EINVAL);
		assert_string_equal(line, "x");
	}
}

static void only_printable_ascii_passes(void **state)
{
	(void)state;
	assert_int_equal(cmdline_check("root=/dev/vda ~"), 0);
	assert_int_equal(cmdline_check(""), 0);
	assert_int_equal(cmdline_check("a\nb"), -EINVAL);
	assert_int_equal(cmdline_check("a\x7f"), -EINVAL);
	assert_int_equal(cmdline_check("\xc3\xa9"), -EINVAL);
}

static void words_are_found_by_themselves(void **state)
{
	(void)state;
	assert_true(cmdline_has("noapic", "noapic"));
	assert_true(cmdline_has("ro  noapic quiet", "noapic"));
	assert_true(cmdline_has("ro noapic", "noapic"));
	assert_false(cmdline_has("", "noapic"));
	assert_false(cmdline_has("ro noapictimer xnoapic noapic=1", "noapic"));
	assert_false(cmdline_has("ro -- noapic", "noapic"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_by_themselves),
		cmocka_unit_test(words_are_joined_by_spaces),
		cmocka_unit_test(the_last_byte_is_for_the_nul),
		cmocka_unit_test(vectors_are_encoded),
		cmocka_unit_test(vectors_that_do_not_fit_change_nothing),
		cmocka_unit_test(only_printable_ascii_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
