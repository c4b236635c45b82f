// SPDX-License-Identifier: Apache-2.0
#include "vmm/options.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <string.h>

struct seen {
	const char *value;
	int flags;
};

static int set_value(void *ctx, const char *v, struct err *e)
{
	(void)e;
	((struct seen *)ctx)->value = v;
	return 0;
}

static int set_flag(void *ctx, const char *v, struct err *e)
{
	(void)e;
	assert_null(v);
	((struct seen *)ctx)->flags++;
	return 0;
}

static int refuse(void *ctx, const char *v, struct err *e)
{
	(void)ctx;
	return err_set(e, -EINVAL, "refused %s", v);
}

static const struct option_row rows[] = {
	{ "value", "V", "a value", set_value },
	{ "flag", NULL, "a flag", set_flag },
	{ "bad", "V", "never right", refuse },
};

#define PARSE(...)                                                                         \
	const char *words[] = { "run", __VA_ARGS__ };                                      \
	char **argv = (char **)(uintptr_t)words; /* as the C library hands them to main */ \
	struct seen s = { 0 };                                                             \
	struct err e = { 0 };                                                              \
	int rest = -1;                                                                     \
	int r = options_parse(rows, 3, (int)(sizeof(words) / sizeof(words[0])), argv, &s, &rest, &e)

static void values_come_both_ways(void **state)
{
	(void)state;
	{
		PARSE("--value", "x", "--flag");
		assert_int_equal(r, 0);
		assert_string_equal(s.value, "x");
		assert_int_equal(s.flags, 1);
		assert_int_equal(rest, 4);
	}
	{
		PARSE("--value=--flag");
		assert_int_equal(r, 0);
		assert_string_equal(s.value, "--flag");
		assert_int_equal(s.flags, 0);
	}
	{
		PARSE("--value=");
		assert_int_equal(r, 0);
		assert_string_equal(s.value, "");
	}
}

static void what_follows_the_dashes_is_left_alone(void **state)
{
	PARSE("--flag", "--", "--flag", "--nonsense");

	(void)state;
	assert_int_equal(r, 0);
	assert_int_equal(s.flags, 1);
	assert_int_equal(rest, 3);
	assert_string_equal(argv[rest], "--flag");
}

#define REFUSED(message, ...)                          \
	do {                                           \
		PARSE(__VA_ARGS__);                    \
		assert_int_equal(r, -EINVAL);          \
		assert_string_equal(e.msg, (message)); \
	} while (0)

static void errors_name_the_option(void **state)
{
	(void)state;
	REFUSED("option '--nonsense' is not known (see --help)", "--nonsense");
	REFUSED("option '--val' is not known (see --help)", "--val", "x");
	REFUSED("argument 'x' was not expected here (see --help)", "x");
	REFUSED("option '--flag' was given more than once", "--flag", "--flag");
	REFUSED("option '--flag' takes no value, '1' was given", "--flag=1");
	REFUSED("option '--value' requires a value: V", "--value");
	REFUSED("refused y", "--bad", "y");
}

static void numbers_are_exact(void **state)
{
	struct err e;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(options_number("n", "0", 0, 9, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(options_number("n", "18446744073709551615", 0, UINT64_MAX, &n, &e), 0);
	assert_true(n == UINT64_MAX);
	n = 7;
	assert_int_equal(options_number("n", "18446744073709551616", 0, UINT64_MAX, &n, &e),
			 -EINVAL);
	assert_int_equal(options_number("n", "10", 0, 9, &n, &e), -EINVAL);
	assert_string_equal(e.msg, "option '--n': '10', expected a number from 0 to 9");
	assert_int_equal(options_number("n", "", 0, 9, &n, &e), -EINVAL);
	assert_int_equal(options_number("n", "-1", 0, 9, &n, &e), -EINVAL);
	assert_int_equal(options_number("n", "1x", 0, 9, &n, &e), -EINVAL);
	assert_int_equal(options_number("n", " 1", 0, 9, &n, &e), -EINVAL);
	assert_int_equal(n, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_both_ways),
		cmocka_unit_test(what_follows_the_dashes_is_left_alone),
		cmocka_unit_test(errors_name_the_option),
		cmocka_unit_test(numbers_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
