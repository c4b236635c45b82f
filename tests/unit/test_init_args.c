// SPDX-License-Identifier: Apache-2.0
/* The parts of the guest's init that only compute: words, configuration, input decoder, pattern. */
#include "kernel-config/init/args.h"
#include "kernel-config/init/config.h"
#include "kernel-config/init/parmrk.h"
#include "kernel-config/init/pattern.h"
#include "kernel-config/init/text.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX 8

static void decodes_every_byte_but_nul(void **state)
{
	char s[8];

	(void)state;
	for (int c = 1; c < 256; c++) {
		snprintf(s, sizeof(s), c & 1 ? "a%%%02Xz" : "a%%%02xz", (unsigned int)c);
		assert_int_equal(args_decode(s), 0);
		assert_int_equal(strlen(s), 3);
		assert_int_equal(s[0], 'a');
		assert_int_equal((unsigned char)s[1], c);
		assert_int_equal(s[2], 'z');
	}
}

static void refuses_broken_escapes(void **state)
{
	static const char *const bad[] = { "%",	  "%4",	 "%g0",	 "%0g", "a%",
					   "a%4", "%00", "%%41", "% 1" };
	char s[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(s, sizeof(s), "%s", bad[i]);
		assert_int_equal(args_decode(s), -EINVAL);
	}
}

static void splits_at_plus(void **state)
{
	char s[] = "/bin/echo+a%20b++%2B%25+";
	char *argv[MAX];

	(void)state;
	assert_int_equal(args_split(s, argv, MAX), 5);
	assert_string_equal(argv[0], "/bin/echo");
	assert_string_equal(argv[1], "a b");
	assert_string_equal(argv[2], "");
	assert_string_equal(argv[3], "+%");
	assert_string_equal(argv[4], "");
	assert_null(argv[5]);
}

static void splits_at_the_limits(void **state)
{
	char empty[] = "", one[] = "x", three[] = "a+b+c", bad[] = "a+%0";
	char *argv[MAX];

	(void)state;
	assert_int_equal(args_split(empty, argv, 1), 0);
	assert_null(argv[0]);
	assert_int_equal(args_split(one, argv, 1), -E2BIG);
	assert_int_equal(args_split(one, argv, 0), -E2BIG);
	assert_int_equal(args_split(three, argv, 3), -E2BIG);
	memcpy(three, "a+b+c", sizeof(three));
	assert_int_equal(args_split(three, argv, 4), 3);
	assert_null(argv[3]);
	assert_int_equal(args_split(bad, argv, MAX), -EINVAL);
}

static void words_of_a_line(void **state)
{
	char line[] = "  fill\t/dev/vda  a%20b\r", blank[] = " \t ", full[] = "a b c";
	char *argv[MAX];

	(void)state;
	assert_int_equal(args_words(line, argv, MAX), 3);
	assert_string_equal(argv[0], "fill");
	assert_string_equal(argv[1], "/dev/vda");
	assert_string_equal(argv[2], "a b");
	assert_null(argv[3]);
	assert_int_equal(args_words(blank, argv, MAX), 0);
	assert_int_equal(args_words(full, argv, 3), -E2BIG);
}

static void numbers(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999"
	};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(args_number(bad[i], &v), -EINVAL);
		assert_true(v == 7);
	}
	assert_int_equal(args_number("0", &v), 0);
	assert_true(v == 0);
	assert_int_equal(args_number("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
}

/* Decode in, cut into pieces of every length, and compare with the first len bytes of want. */
static void check_parmrk(const char *in, size_t in_len, const char *want, size_t len, bool want_brk)
{
	for (size_t piece = 1; piece <= in_len; piece++) {
		struct parmrk p = { 0 };
		uint8_t out[64];
		size_t n = 0;
		bool brk = false;

		for (size_t at = 0; at < in_len && !brk; at += piece) {
			size_t part = in_len - at < piece ? in_len - at : piece;

			n += parmrk_decode(&p, (const uint8_t *)in + at, part, out + n, &brk);
		}
		assert_int_equal(n, len);
		assert_memory_equal(out, want, len);
		assert_int_equal(brk, want_brk);
	}
}

#define PARMRK(in, want, brk) check_parmrk(in, sizeof(in) - 1, want, sizeof(want) - 1, brk)

static void parmrk_takes_escapes_apart(void **state)
{
	(void)state;
	PARMRK("plain\0text", "plain\0text", false);
	PARMRK("a\377\377b", "a\377b", false);
	PARMRK("\377\377\377\377", "\377\377", false);
	/* Not a BREAK: a literal 377 with two zero bytes behind it. */
	PARMRK("\377\377\0\0", "\377\0\0", false);
	PARMRK("end\377\0\0", "end", true);
	PARMRK("end\377\0\0dropped", "end", true);
	PARMRK("\377\0x!", "x!", false);
	PARMRK("\377\0\377!", "\377!", false);
}

static void parmrk_in_place(void **state)
{
	uint8_t buf[] = { 'a', 0377, 0377, 'b', 0377, 0, 0 };
	struct parmrk p = { 0 };
	bool brk = false;

	(void)state;
	assert_int_equal(parmrk_decode(&p, buf, sizeof(buf), buf, &brk), 3);
	assert_memory_equal(buf, "a\377b", 3);
	assert_true(brk);
}

static void pattern_can_be_entered_anywhere(void **state)
{
	uint8_t whole[100], part[100];

	(void)state;
	pattern_fill(1, 0, whole, sizeof(whole));
	for (size_t off = 0; off < 20; off++) {
		for (size_t len = 0; len < 20; len++) {
			memset(part, 0xee, sizeof(part));
			pattern_fill(1, off, part, len);
			assert_memory_equal(part, whole + off, len);
			assert_int_equal(part[len], 0xee);
		}
	}
	/* Far behind 4 GiB it is another, but as reproducible. */
	pattern_fill(1, 1ULL << 40, part, sizeof(part));
	assert_memory_not_equal(part, whole, sizeof(part));
	pattern_fill(1, (1ULL << 40) + 50, whole, 50);
	assert_memory_equal(whole, part + 50, 50);
}

static void pattern_differs_by_seed_and_block(void **state)
{
	uint8_t a[512], b[512];

	(void)state;
	for (uint64_t seed = 0; seed < 32; seed++) {
		pattern_fill(seed, 0, a, sizeof(a));
		pattern_fill(seed + 1, 0, b, sizeof(b));
		assert_memory_not_equal(a, b, sizeof(a));
		/* Neither shifted by a word. */
		assert_memory_not_equal(a + 8, b, sizeof(a) - 8);
		assert_memory_not_equal(a, b + 8, sizeof(a) - 8);
		pattern_fill(seed, 512, b, sizeof(b));
		assert_memory_not_equal(a, b, sizeof(a));
	}
}

static uint64_t reference_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* What another build wrote can be verified: nothing else would show that the sequence changed. */
static void pattern_is_the_known_one(void **state)
{
	const uint64_t step = 0x9e3779b97f4a7c15;
	const uint64_t base = reference_mix(42 + step);
	const uint64_t want[] = { reference_mix(base), reference_mix(base + step) };
	uint8_t got[sizeof(want)];

	(void)state;
	pattern_fill(42, 0, got, sizeof(got));
	/* x86 is little-endian, as the sequence is. */
	assert_memory_equal(got, want, sizeof(got));
}

static void config_takes_its_words_out(void **state)
{
	char home[] = "HOME=/", cmd[] = "MOTE_CMD=ls+-l", mode[] = "MOTE_TTYMODE=cooked";
	char rows[] = "MOTE_ROWS=24", cols[] = "MOTE_COLS=80",
	     root[] = "MOTE_ROOT=", foo[] = "FOO=a=b";
	char *env[] = { home, cmd, mode, rows, cols, root, foo, NULL };
	struct init_config c = { 0 };

	(void)state;
	assert_int_equal(config_read(&c, env), 0);
	assert_string_equal(c.cmd, "ls+-l");
	assert_true(c.cooked);
	assert_false(c.reset);
	assert_int_equal(c.rows, 24);
	assert_int_equal(c.cols, 80);
	assert_null(c.root);
	assert_string_equal(env[0], "HOME=/");
	assert_string_equal(env[1], "FOO=a=b");
	assert_null(env[2]);
}

static void config_refuses_wrong_values(void **state)
{
	static const char *const bad[] = { "MOTE_TTYMODE=",   "MOTE_TTYMODE=Raw", "MOTE_ROWS=x",
					   "MOTE_COLS=65536", "MOTE_END=halt",	  "MOTE_WHAT=1" };
	char s[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *env[] = { s, NULL };
		struct init_config c = { 0 };

		snprintf(s, sizeof(s), "%s", bad[i]);
		assert_int_equal(config_read(&c, env), -EINVAL);
		assert_null(env[0]);
	}
}

static void command_environment(void **state)
{
	char list[] = "A=1+B=x%20y+HOME=/root";
	char home[] = "HOME=/", term[] = "TERM=linux", prefix[] = "AB=2";
	char *base[] = { home, term, prefix, NULL };
	char *out[MAX];

	(void)state;
	assert_int_equal(config_env(list, base, out, MAX), 0);
	assert_string_equal(out[0], "A=1");
	assert_string_equal(out[1], "B=x y");
	assert_string_equal(out[2], "HOME=/root");
	assert_string_equal(out[3], "TERM=linux");
	assert_string_equal(out[4], "AB=2");
	assert_memory_equal(out[5], "PATH=/", 6);
	assert_null(out[6]);
}

static void command_environment_limits(void **state)
{
	char path[] = "PATH=/x", term[] = "TERM=t", nameless[] = "A", empty[] = "=v",
	     bad[] = "A=%0";
	char *base[] = { path, term, NULL };
	char *out[3] = { NULL };

	(void)state;
	/* Room for both and the NULL; with a PATH given, none is added. */
	assert_int_equal(config_env(NULL, base, out, 3), 0);
	assert_null(out[2]);
	assert_int_equal(config_env(NULL, base, out, 2), -E2BIG);
	assert_int_equal(config_env(nameless, base, out, 3), -EINVAL);
	assert_int_equal(config_env(empty, base, out, 3), -EINVAL);
	assert_int_equal(config_env(bad, base, out, 3), -EINVAL);
}

static void text_cuts_long_lines(void **state)
{
	struct text t = { 0 };
	char got[600];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	text_dec(&t, UINT64_MAX);
	text_str(&t, " ");
	text_dec(&t, 0);
	text_hex(&t, 0x0f);
	assert_int_equal(text_end(&t, fds[1]), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), 25);
	assert_memory_equal(got, "18446744073709551615 00f\n", 25);
	for (int i = 0; i < 600; i++)
		text_str(&t, "x");
	assert_int_equal(text_end(&t, fds[1]), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), sizeof(t.buf));
	assert_int_equal(got[sizeof(t.buf) - 1], '\n');
	assert_int_equal(t.len, 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(text_end(&t, fds[1]), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_every_byte_but_nul),
		cmocka_unit_test(refuses_broken_escapes),
		cmocka_unit_test(splits_at_plus),
		cmocka_unit_test(splits_at_the_limits),
		cmocka_unit_test(words_of_a_line),
		cmocka_unit_test(numbers),
		cmocka_unit_test(parmrk_takes_escapes_apart),
		cmocka_unit_test(parmrk_in_place),
		cmocka_unit_test(pattern_can_be_entered_anywhere),
		cmocka_unit_test(pattern_differs_by_seed_and_block),
		cmocka_unit_test(pattern_is_the_known_one),
		cmocka_unit_test(config_takes_its_words_out),
		cmocka_unit_test(config_refuses_wrong_values),
		cmocka_unit_test(command_environment),
		cmocka_unit_test(command_environment_limits),
		cmocka_unit_test(text_cuts_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
