// SPDX-License-Identifier: Apache-2.0
#include "vmm/log.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

static void control_characters_are_not_passed_on(void **state)
{
	(void)state;
	capture();
	log_error("a\nb\033[2Jc\x7f\td\xc3\xa9");
	assert_string_equal(captured(), "mote: a?b?[2Jc??d\xc3\xa9\n");
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
	static char word[1024];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	for (int len = 470; len < 530; len++) {
		const char *text;
		size_t kept;

		capture();
		log_error("%.*s", len, word);
		text = captured();
		kept = strlen(text);
		assert_true(kept > 470 && kept <= 512);
		assert_int_equal(text[kept - 1], '\n');
		assert_int_equal(count(text, "\n"), 1);
	}
}

/* Waits for the start of a period of the limiter, so that a burst cannot straddle two. */
static void wait_for_period(void)
{
	struct timespec now;
	struct timespec rest = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	rest.tv_sec = 5 - now.tv_sec % 5 - 1;
	rest.tv_nsec = 1000000000 - now.tv_nsec;
	if (rest.tv_nsec == 1000000000) {
		rest.tv_nsec = 0;
		rest.tv_sec++;
	}
	while (nanosleep(&rest, &rest) < 0)
		continue;
}

static void guest_cannot_flood(void **state)
{
	const char *text;

	(void)state;
	wait_for_period();
	capture();
	for (int i = 0; i < 1000; i++)
		log_guest("blk: bad %d", i);
	text = captured();
	assert_int_equal(count(text, "\n"), 10);
	assert_int_equal(count(text, "mote: guest: blk: bad "), 10);
	assert_non_null(strstr(text, "bad 9\n"));
	wait_for_period();
	capture();
	log_guest("rng: bad");
	log_guest("rng: worse");
	assert_string_equal(captured(), "mote: warning: guest: 990 messages left out\n"
					"mote: guest: rng: bad\nmote: guest: rng: worse\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_a_prefix),
		cmocka_unit_test(control_characters_are_not_passed_on),
		cmocka_unit_test(errno_stays),
		cmocka_unit_test(long_lines_are_cut_and_end),
		cmocka_unit_test(guest_cannot_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
