// SPDX-License-Identifier: Apache-2.0
#include "vmm/err.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <string.h>

static void set_formats_and_returns_the_code(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "--cpus %d: expected %s", 40, "1 to 32"), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.msg, "--cpus 40: expected 1 to 32");
}

static void sys_appends_the_errno(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_sys(&e, -ENOENT, "disk %s", "/x"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.msg, "disk /x: No such file or directory");
}

static void nobody_listening_is_fine(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EIO, "%s", "x"), -EIO);
	assert_int_equal(err_sys(NULL, -EPERM, "%s", "x"), -EPERM);
}

/* Lengths around the buffer's: cut and terminated, never past the end (AddressSanitizer looks). */
static void long_messages_are_cut(void **state)
{
	static char text[2 * ERR_MSG_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int len = ERR_MSG_MAX - 30; len < ERR_MSG_MAX + 30; len++) {
		struct {
			struct err e;
			char guard[16];
		} m = { 0 };
		size_t kept = (size_t)len < ERR_MSG_MAX - 1 ? (size_t)len : ERR_MSG_MAX - 1;

		assert_int_equal(err_set(&m.e, -E2BIG, "%.*s", len, text), -E2BIG);
		assert_int_equal(strlen(m.e.msg), kept);
		assert_int_equal(err_sys(&m.e, -ENOENT, "%.*s", len, text), -ENOENT);
		assert_true(strlen(m.e.msg) < ERR_MSG_MAX);
		assert_memory_equal(m.e.msg, text, kept);
		assert_int_equal(m.guard[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_formats_and_returns_the_code),
		cmocka_unit_test(sys_appends_the_errno),
		cmocka_unit_test(nobody_listening_is_fine),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
