// SPDX-License-Identifier: Apache-2.0
#include "vmm/log.h"

#include "tests/lib/unit.h"
#include "vmm/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Standard error goes into a pipe while a test looks at what is written there. */
static int saved_stderr;
static int pipe_in;

static void capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	pipe_in = fds[0];
}

/* Ends the capture; returns the text. */
static const char *captured(void)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n;

	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	while ((n = read(pipe_in, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(pipe_in);
	text[len] = '\0';
	return text;
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int nr = 0;

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		nr++;
	return nr;
}

static void lines_have_a_prefix(void **state)
{
	(void)state;
	capture();
	log_error("disk %s: gone", "a");
	log_warn("%u left", 3u);
	assert_string_equal(captured(), "mote: disk a: gone\nmote: warning: 3 left\n");
}

static void no_utf8_no_bytes(void **state)
{
	(void)state;
	capture();
	log_warn("%s", "a\xff"
		       "b\xc3\xa9\xc3"
		       "c\xed\xa0\x80\xf0\x9f\x98\x80\xe2\x82");
	assert_string_equal(captured(), "mote: warning: a?b\xc3\xa9?c???\xf0\x9f\x98\x80??\n");
}

static void control_characters_are_escaped(void **state)
{
	(void)state;
	capture();
	log_error("%s", "a\nb\033[2Jc\x7f\td\r\xc3\xa9");
	assert_string_equal(captured(), "mote: a\\nb\\x1b[2Jc\\x7f\\td\\r\xc3\xa9\n");
}

static void errno_stays(void **state)
{
	int closed;

	(void)state;
	capture();
	errno = ENOTDIR;
	log_error("x");
	assert_int_equal(errno, ENOTDIR);
	/* Nor does it change when nobody can be told. */
	closed = dup(STDERR_FILENO);
	assert_true(closed >= 0);
	close(STDERR_FILENO);
	errno = ENOTDIR;
	log_error("x");
	assert_int_equal(errno, ENOTDIR);
	assert_true(dup2(closed, STDERR_FILENO) >= 0);
	close(closed);
	assert_string_equal(captured(), "mote: x\n");
}

static void long_lines_are_cut_and_end(void **state)
{
	static char word[2 * LOG_LINE_MAX];
	const unsigned int most = LOG_LINE_MAX - 1 - (unsigned int)strlen("mote: ");

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	for (unsigned int len = most - 5; len < most + 5; len++) {
		const char *text;
		size_t kept;

		capture();
		log_error("%.*s", (int)len, word);
		text = captured();
		kept = strlen(text);
		assert_true(kept > most && kept <= LOG_LINE_MAX);
		assert_int_equal(count(text, "...\n"), len < most ? 0 : 1);
		assert_int_equal(text[kept - 1], '\n');
		assert_int_equal(count(text, "\n"), 1);
	}
}

/* Escapes make a line longer: it is cut between two of them, and between characters. */
static void cuts_split_nothing(void **state)
{
	static char word[2 * LOG_LINE_MAX];

	(void)state;
	for (unsigned int shift = 0; shift < 8; shift++) {
		const char *text;
		size_t kept;

		memset(word, 'x', sizeof(word));
		for (size_t i = shift; i + 1 < sizeof(word); i += 2)
			memcpy(word + i, "\xc3\xa9", 2);
		word[sizeof(word) - 1] = '\0';
		capture();
		log_error("%s", word);
		text = captured();
		kept = strlen(text);
		assert_true(kept > LOG_LINE_MAX - 8 && kept <= LOG_LINE_MAX);
		assert_string_equal(text + kept - 6, "\xc3\xa9...\n");
		memset(word + shift, 1, sizeof(word) - 1 - shift);
		capture();
		log_error("%s", word);
		text = captured();
		kept = strlen(text);
		assert_true(kept > LOG_LINE_MAX - 8 && kept <= LOG_LINE_MAX);
		assert_string_equal(text + kept - 8, "\\x01...\n");
	}
}

static void levels_are_filtered(void **state)
{
	struct log_config c = { .id = "a", .level = LOG_LEVEL_WARNING };
	int looked = 0;

	(void)state;
	assert_int_equal(log_configure(&c, NULL), 0);
	capture();
	log_error("1");
	log_warn("2");
	log_info("3 %d", ++looked);
	log_debug("4 %d", ++looked);
	c.level = LOG_LEVEL_OFF;
	assert_int_equal(log_configure(&c, NULL), 0);
	log_error("5");
	log_guest("6");
	c.level = LOG_LEVEL_TRACE;
	assert_int_equal(log_configure(&c, NULL), 0);
	log_debug("7");
	assert_string_equal(captured(), "mote: 1\nmote: warning: 2\nmote: 7\n");
	assert_int_equal(looked, 0);
	log_reset();
}

static void levels_have_names(void **state)
{
	enum log_level l = LOG_LEVEL_TRACE;

	(void)state;
	assert_int_equal(log_level_parse("wARN", &l), 0);
	assert_int_equal(l, LOG_LEVEL_WARNING);
	assert_int_equal(log_level_parse("off", &l), 0);
	assert_int_equal(l, LOG_LEVEL_OFF);
	assert_int_equal(log_level_parse("Debug", &l), 0);
	assert_int_equal(l, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("verbose", &l), -EINVAL);
	assert_int_equal(log_level_parse("", &l), -EINVAL);
}

static void modules_are_filtered(void **state)
{
	static const struct {
		const char *module;
		int shown;
	} cases[] = {
		{ NULL, 1 },
		{ "", 1 },
		{ "tests", 1 },
		{ "tests/", 1 },
		{ "tests::unit::test_", 1 },
		{ "tests/unit::test_log.c", 1 },
		{ "vmm", 0 },
		{ "unit", 0 },
		{ "tests:unit", 0 },
		{ "tests::units", 0 },
		{ "tests/unit/test_log.c::x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_config c = { .id = "a",
					.level = LOG_LEVEL_INFO,
					.module = cases[i].module };

		assert_int_equal(log_configure(&c, NULL), 0);
		capture();
		log_error("x");
		assert_int_equal(count(captured(), "x\n"), cases[i].shown);
	}
	log_reset();
}

static void configurations_are_bounded(void **state)
{
	static char word[LOG_ID_MAX + 1];
	struct log_config c = { .id = word, .level = LOG_LEVEL_ERROR };
	struct err e;

	(void)state;
	memset(word, 'x', LOG_ID_MAX);
	assert_int_equal(log_configure(&c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "65"));
	c.id = "x";
	c.module = word;
	assert_int_equal(log_configure(&c, &e), -EINVAL);
	assert_true(log_enabled(LOG_LEVEL_INFO)); /* nothing changed */
}

/* The limiter by itself, with a clock of ours. */
static void each_site_has_its_limit(void **state)
{
	struct log_site s = { 0 }, other = { 0 };
	uint64_t before = metric_get(&metrics.logger.rate_limited_log_count);
	unsigned int admitted = 0;
	uint32_t missed = 7;

	(void)state;
	for (int i = 0; i < 1000; i++)
		admitted += log_site_admits(&s, 1 + i, &missed);
	assert_int_equal(admitted, 10);
	assert_int_equal(missed, 0);
	assert_int_equal(metric_get(&metrics.logger.rate_limited_log_count) - before, 990);
	assert_true(log_site_admits(&other, 1000, &missed));
	assert_false(log_site_admits(&s, 5000, &missed));
	assert_true(log_site_admits(&s, 5001, &missed));
	assert_int_equal(missed, 991);
	assert_true(log_site_admits(&s, 5002, &missed));
	assert_int_equal(missed, 0);
}

static void guest_cannot_flood(void **state)
{
	const char *text;

	(void)state;
	capture();
	for (int i = 0; i < 1000; i++)
		log_guest("blk: bad %d", i);
	log_guest("rng: bad");
	text = captured();
	assert_true(count(text, "\n") <=
		    22); /* should the machine be so slow that it is two periods */
	assert_true(count(text, "mote: guest: blk: bad ") >= 10);
	assert_non_null(strstr(text, "bad 9\n"));
	assert_non_null(strstr(text, "mote: guest: rng: bad\n"));
}

static int reset(void **state)
{
	(void)state;
	log_reset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_a_prefix),
		cmocka_unit_test(no_utf8_no_bytes),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(errno_stays),
		cmocka_unit_test(long_lines_are_cut_and_end),
		cmocka_unit_test(cuts_split_nothing),
		cmocka_unit_test_teardown(levels_are_filtered, reset),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test_teardown(modules_are_filtered, reset),
		cmocka_unit_test(configurations_are_bounded),
		cmocka_unit_test(each_site_has_its_limit),
		cmocka_unit_test(guest_cannot_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
