// SPDX-License-Identifier: Apache-2.0
/* The walls, one by one, each in a child of its own. What filters allow is
 * tests/seccomp/check-policies. */
#include "vmm/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"
#include "vmm/landlock.h"
#include "vmm/seccomp.h"

#define LEN (sizeof(struct seccomp_file) + 16)

/* A right file with one filter of two instructions. */
static void make_file(uint64_t data[LEN / 8])
{
	struct seccomp_file *f = (struct seccomp_file *)data;

	memset(data, 0, LEN);
	f->magic = SECCOMP_FILE_MAGIC;
	f->nr[SECCOMP_LOOP] = 2;
	f->sum = seccomp_file_sum((uint8_t *)data + SECCOMP_FILE_SUM_FROM,
				  LEN - SECCOMP_FILE_SUM_FROM);
}

static void expect_refused(const void *data, size_t len, const char *word)
{
	struct err e = { 0 };

	assert_int_equal(seccomp_check_file(data, len, "name", &e), -EINVAL);
	assert_non_null(strstr(e.msg, "seccomp filter name: "));
	assert_non_null(strstr(e.msg, word));
}

static void files_are_looked_at(void **state)
{
	uint64_t data[LEN / 8];
	struct seccomp_file *f = (struct seccomp_file *)data;
	struct err e = { 0 };

	(void)state;
	make_file(data);
	assert_int_equal(seccomp_check_file(data, LEN, "name", &e), 0);
	for (size_t len = 0; len < LEN; len++)
		expect_refused(data, len, len < sizeof(*f) ? "not a filter file" : "expected 48");
	f->nr[SECCOMP_VCPU] = UINT32_MAX;
	expect_refused(data, LEN, "expected 34359738408");
	for (size_t bit = 64; bit < LEN * 8; bit++) {
		make_file(data);
		((uint8_t *)data)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_refused(data, LEN, "expected");
	}
	make_file(data);
	f->magic++;
	expect_refused(data, LEN, "not a filter file");
}

/* How often the filters answer so. */
static unsigned int count(const struct seccomp_filters *f, uint32_t answer)
{
	const struct sock_filter *insn = (const struct sock_filter *)(f->file + 1);
	unsigned int n = 0;

	for (int k = 0; k < SECCOMP_KINDS; k++) {
		for (uint32_t i = 0; i < f->file->nr[k]; i++, insn++)
			n += insn->code == (BPF_RET | BPF_K) && insn->k == answer;
	}
	return n;
}

static void kill_replaces_trap(void **state)
{
	struct seccomp_filters f;
	struct err e;

	(void)state;
	assert_int_equal(seccomp_load(&f, NULL, false, &e), 0);
	assert_int_equal(count(&f, SECCOMP_RET_KILL_PROCESS), 0);
	assert_true(count(&f, SECCOMP_RET_TRAP) >= SECCOMP_KINDS);
	assert_int_equal(seccomp_load(&f, NULL, true, &e), 0);
	assert_true(count(&f, SECCOMP_RET_KILL_PROCESS) >= SECCOMP_KINDS);
	assert_int_equal(count(&f, SECCOMP_RET_TRAP), 0);
}

static void a_missing_file_is_named(void **state)
{
	struct seccomp_filters f;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(seccomp_load(&f, "/nonexistent/filter", false, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "seccomp filter /nonexistent/filter: "));
	assert_int_equal(seccomp_load(&f, "/dev", false, &e), -EISDIR);
	assert_int_equal(seccomp_load(&f, "/dev/null", false, &e), -EINVAL);
}

/* ---- in a child ------------------------------------------------------------------------------ */

/* The child's wait status. */
static int in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSYS, SIG_DFL);
		fn();
		/* Not _exit, before which AddressSanitizer makes calls of its own. */
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check(bool good, int code)
{
	if (!good)
		_exit(code);
}

static void begin(struct confine *c, struct confine_options o)
{
	struct err e;

	check(confine_begin(c, &o, &e) == 0, 90);
}

static void rights(void)
{
	struct confine c;

	begin(&c, (struct confine_options){ .no_seccomp = true });
	check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, 1);
	check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, 2);
	check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0, 3);
}

static void dumps_wanted(void)
{
	struct confine c;

	begin(&c, (struct confine_options){ .no_seccomp = true, .core_dumps = true });
	check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1, 2);
}

static void rights_are_given_up(void **state)
{
	(void)state;
	assert_int_equal(in_child(rights), 0);
	assert_int_equal(in_child(dumps_wanted), 0);
}

/* What the loop may do and a vCPU may not. */
static void reads_as_vcpu(void)
{
	struct confine c;
	struct err e;
	char byte;

	begin(&c, (struct confine_options){ .unspoken = true });
	check(confine_vcpu(&c, &e) == 0, 91);
	check(write(-1, "", 0) < 0, 1);
	check(read(-1, &byte, 1) < 0, 2);
}

static void reads_as_loop(void)
{
	struct confine c;
	struct err e;
	char byte;

	begin(&c, (struct confine_options){ .unspoken = true });
	check(confine_loop(&c, &e) == 0, 91);
	check(read(-1, &byte, 1) < 0, 1);
	(void)getppid();
}

static void each_thread_has_its_filter(void **state)
{
	int status = in_child(reads_as_vcpu);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = in_child(reads_as_loop);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static bool opens(int flags)
{
	int fd = open("/dev/null", flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* 77: this kernel has none. */
static void behind_landlock(bool read, bool write)
{
	struct confine c;
	struct err e;

	begin(&c, (struct confine_options){ .no_seccomp = true });
	check(confine_prepare(&c, (struct confine_files){ read, write }, &e) == 0, 91);
	check(c.files >= 0, 77);
	check(confine_loop(&c, &e) == 0, 92);
	check(opens(O_RDONLY) == read, 1);
	check(opens(O_WRONLY) == write, 2);
	check(open("/dev/shm/mote-test-confine", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES,
	      3);
	check(open("/dev", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES, 4);
}

static void behind_all(void)
{
	behind_landlock(false, false);
}

static void behind_read(void)
{
	behind_landlock(true, false);
}

static void behind_write(void)
{
	behind_landlock(true, true);
}

static void files_are_out_of_reach(void **state)
{
	int status = in_child(behind_all);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_int_equal(in_child(behind_read), 0);
	assert_int_equal(in_child(behind_write), 0);
}

static void options_contradict_each_other(void **state)
{
	struct confine_options o = { .no_seccomp = true };
	struct err e;

	(void)state;
	assert_int_equal(confine_check_options(&o, &e), 0);
	o.seccomp_kill = true;
	assert_int_equal(confine_check_options(&o, &e), -EINVAL);
	o.seccomp_filter = "f";
	assert_int_equal(confine_check_options(&o, &e), -EINVAL);
	o.no_seccomp = false;
	assert_int_equal(confine_check_options(&o, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_looked_at),
		cmocka_unit_test(kill_replaces_trap),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(rights_are_given_up),
		cmocka_unit_test(each_thread_has_its_filter),
		cmocka_unit_test(files_are_out_of_reach),
		cmocka_unit_test(options_contradict_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
