// SPDX-License-Identifier: Apache-2.0
/* Where the contract's lines go: files, FIFOs, standard output; none of them makes anybody wait. */
#include "vmm/log.h"

#include "tests/lib/scratch.h"
#include "tests/lib/unit.h"
#include "vmm/metrics.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *folder;

static uint64_t missed(void)
{
	return metric_get(&metrics.logger.missed_log_count);
}

static int teardown(void **state)
{
	log_reset();
	log_name_thread("main");
	return scratch_teardown(state);
}

static void configure(bool level, bool origin)
{
	struct log_config c = {
		.id = "vm-7", .level = LOG_LEVEL_DEBUG, .show_level = level, .show_origin = origin
	};

	assert_int_equal(log_configure(&c, NULL), 0);
}

/* What follows the time, which is checked: 2023-06-16T07:45:41.767987318 and a space. */
static const char *after_time(const char *line)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddddd ";
	struct tm tm = { .tm_isdst = -1 };
	time_t then;

	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == 'd')
			assert_true(isdigit((unsigned char)line[i]));
		else
			assert_int_equal(line[i], shape[i]);
	}
	assert_non_null(strptime(line, "%Y-%m-%dT%H:%M:%S", &tm));
	then = mktime(&tm); /* local time */
	assert_true(then <= time(NULL) && then > time(NULL) - 60);
	return line + sizeof(shape) - 1;
}

static void lines_have_the_contracts_form(void **state)
{
	char expected[128];

	(void)state;
	assert_int_equal(log_open(scratch_path, NULL), 0);
	log_info("Listening on API socket (%s).", "/x");
	assert_string_equal(after_time(scratch_read()),
			    "[anonymous-instance:main] Listening on API socket (/x).\n");
	configure(true, false);
	log_name_thread("fc_vcpu 0");
	assert_int_equal(truncate(scratch_path, 0), 0);
	log_warn("a\nb");
	assert_string_equal(after_time(scratch_read()), "[vm-7:fc_vcpu 0:WARN] a\\nb\n");
	configure(true, true);
	assert_int_equal(truncate(scratch_path, 0), 0);
	snprintf(expected, sizeof(expected), "[vm-7:fc_vcpu 0:DEBUG:%s:%d] x\n", __FILE__,
		 __LINE__ + 1);
	log_debug("x");
	assert_string_equal(after_time(scratch_read()), expected);
	configure(false, true);
	assert_int_equal(truncate(scratch_path, 0), 0);
	snprintf(expected, sizeof(expected), "[vm-7:fc_vcpu 0:%s:%d] guest: y\n", __FILE__,
		 __LINE__ + 1);
	log_guest("y");
	assert_string_equal(after_time(scratch_read()), expected);
}

static void files_are_appended_to(void **state)
{
	const char *text;

	(void)state;
	assert_int_equal(log_open(scratch_path, NULL), 0);
	log_error("one");
	assert_int_equal(log_open(scratch_path, NULL), 0);
	log_error("two");
	text = scratch_read();
	assert_non_null(strstr(text, "one\n"));
	assert_non_null(strstr(text, "two\n"));
}

static void a_fifo_needs_no_reader(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(scratch_path, 0600), 0);
	assert_int_equal(log_open(scratch_path, NULL), 0);
	log_error("nobody there");
	assert_non_null(strstr(scratch_read(), "nobody there\n"));
}

/* What a full FIFO does not take is counted; what it took are whole lines. */
static void a_full_fifo_loses_whole_lines(void **state)
{
	uint64_t before = missed();
	unsigned int lines = 0;
	const char *text;

	(void)state;
	assert_int_equal(mkfifo(scratch_path, 0600), 0);
	assert_int_equal(log_open(scratch_path, NULL), 0);
	errno = ENOTDIR;
	for (unsigned int i = 0; i < 200; i++)
		log_error("%0*u", 1000, i);
	assert_int_equal(errno, ENOTDIR);
	text = scratch_read();
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(lines > 10 && lines < 200);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal(missed() - before, 200 - lines);
	log_error("again");
	assert_non_null(strstr(after_time(scratch_read()), "again\n"));
}

/* A disk that is full in the middle of a line: the next one starts by itself. */
static void a_torn_line_is_ended(void **state)
{
	struct rlimit old, limit;
	uint64_t before = missed();
	const char *text;

	(void)state;
	assert_int_equal(log_open(scratch_path, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ 40, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_error("first");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(missed() - before, 1);
	log_error("second");
	log_error("third");
	text = scratch_read();
	assert_int_equal(text[40], '\n');
	assert_non_null(strstr(after_time(text + 41), "second\n"));
	assert_non_null(strstr(after_time(strchr(text + 41, '\n') + 1), "third\n"));
}

static void errors_name_the_path(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(log_open("/tmp/no/such/file", &e), -ENOENT);
	assert_string_equal(e.msg, "log file /tmp/no/such/file: No such file or directory");
	assert_int_equal(log_open(folder, &e), -EISDIR);
	assert_non_null(strstr(e.msg, folder));
	assert_int_equal(log_open("/proc/version/x", &e), -ENOTDIR);
	/* Not even root may write there. */
	assert_true(log_open("/proc/self/nothing", &e) < 0);
	assert_non_null(strstr(e.msg, "/proc/self/nothing"));
}

/* Standard output, as a pipe that nobody reads and whose flags are not ours to change. */
static void standard_output_does_not_block(void **state)
{
	int fds[2];
	int saved = dup(STDOUT_FILENO);
	uint64_t before = missed();

	(void)state;
	fflush(stdout);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
	log_contract_format();
	for (unsigned int i = 0; i < 200; i++)
		log_error("%0*u", 1000, i);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
	assert_true(missed() - before > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_have_the_contracts_form, scratch_setup,
						teardown),
		cmocka_unit_test_setup_teardown(files_are_appended_to, scratch_setup, teardown),
		cmocka_unit_test_setup_teardown(a_fifo_needs_no_reader, scratch_setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_fifo_loses_whole_lines, scratch_setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_torn_line_is_ended, scratch_setup, teardown),
		cmocka_unit_test_setup_teardown(errors_name_the_path, scratch_setup, teardown),
		cmocka_unit_test_setup_teardown(standard_output_does_not_block, scratch_setup,
						teardown),
	};
	int r;

	signal(SIGXFSZ, SIG_IGN);
	folder = scratch_begin();
	if (!folder)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	scratch_end();
	return r;
}
