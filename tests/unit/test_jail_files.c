// SPDX-License-Identifier: Apache-2.0
/* Where the jailer opens and makes files: links and strangers' folders in its way. Partly as root
 * only. */
#include "jailer/jail.h"
#include "jailer/path.h"
#include "jailer/sys.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRANGER 12345

static char top[64];
static int top_fd;

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/var/tmp/test_jail.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	static const char *const left[] = { "inside/root/dev/net",
					    "inside/root/dev",
					    "inside/root/run",
					    "inside/root",
					    "inside/x/y",
					    "inside/x",
					    "inside",
					    "link",
					    "file",
					    "other" };

	(void)state;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		if (unlinkat(top_fd, left[i], 0) < 0)
			(void)unlinkat(top_fd, left[i], AT_REMOVEDIR);
	}
	close(top_fd);
	return rmdir(top);
}

static void make_file(const char *name)
{
	int fd = openat(top_fd, name, O_CREAT | O_WRONLY, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void nothing_is_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(top_fd, "inside", 0700), 0);
	assert_int_equal(symlinkat("inside", top_fd, "link"), 0);
	assert_int_equal(sys_open_beneath(top_fd, "link", O_RDONLY, 0), -ELOOP);
	assert_int_equal(sys_open_beneath(top_fd, "..", O_RDONLY, 0), -EXDEV);
	assert_int_equal(sys_open_beneath(top_fd, "/", O_RDONLY, 0), -EXDEV);
	assert_int_equal(sys_open_beneath(top_fd, "link/x", O_RDWR | O_CREAT, 0600), -ELOOP);
	assert_int_equal(faccessat(top_fd, "inside/x", F_OK, 0), -1);
}

static void files_are_read_and_written_whole(void **state)
{
	char text[4];

	(void)state;
	make_file("file");
	assert_int_equal(sys_write_file(top_fd, "file", "abc"), 0);
	assert_int_equal(sys_read_file(top_fd, "file", text, sizeof(text)), -EFBIG);
	assert_int_equal(sys_write_file(top_fd, "file", "ab"), 0); /* not truncated, as in /proc */
	assert_int_equal(unlinkat(top_fd, "file", 0), 0);
	make_file("file");
	assert_int_equal(sys_read_file(top_fd, "file", text, sizeof(text)), 1);
	assert_string_equal(text, "x");
	assert_int_equal(sys_write_file(top_fd, "none", "x"), -ENOENT);
}

static void missing_folders_are_made_or_found_missing(void **state)
{
	struct err e = { 0 };
	unsigned int made = 9;
	bool missing = false;
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/inside/x/./y//", top);
	fd = path_find_trusted(path, &missing, &e);
	assert_true(fd >= 0 && missing);
	close(fd);
	assert_int_equal(faccessat(top_fd, "inside", F_OK, 0), -1);
	fd = path_open_trusted(path, &made, &e);
	assert_true(fd >= 0 && made == 3);
	close(fd);
	fd = path_open_trusted(path, &made, &e);
	assert_true(fd >= 0 && made == 0);
	close(fd);
	fd = path_find_trusted(path, &missing, &e);
	assert_true(fd >= 0 && !missing);
	close(fd);
	make_file("file");
	snprintf(path, sizeof(path), "%s/file/x", top);
	assert_int_equal(path_open_trusted(path, &made, &e), -ENOTDIR);
}

static void loops_of_links_end(void **state)
{
	struct err e = { 0 };
	unsigned int made;
	char path[128];

	(void)state;
	assert_int_equal(symlinkat("link", top_fd, "link"), 0);
	snprintf(path, sizeof(path), "%s/link", top);
	assert_int_equal(path_open_trusted(path, &made, &e), -ELOOP);
}

static void strangers_folders_are_refused(void **state)
{
	struct err e = { 0 };
	unsigned int made;
	char path[128];
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(top_fd, "inside", 0755), 0);
	assert_int_equal(fchownat(top_fd, "inside", STRANGER, 0, 0), 0);
	snprintf(path, sizeof(path), "%s/inside/x", top);
	assert_int_equal(path_open_trusted(path, &made, &e), -EPERM);
	assert_non_null(strstr(e.msg, "belongs to user 12345"));
	assert_int_equal(fchownat(top_fd, "inside", 0, 0, 0), 0);
	assert_int_equal(fchmodat(top_fd, "inside", 0777, 0), 0);
	assert_int_equal(path_open_trusted(path, &made, &e), -EPERM);
	assert_int_equal(fchmodat(top_fd, "inside", 01777, 0), 0);
	fd = path_open_trusted(path, &made, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlinkat("inside", top_fd, "link"), 0);
	assert_int_equal(fchownat(top_fd, "link", STRANGER, 0, AT_SYMLINK_NOFOLLOW), 0);
	snprintf(path, sizeof(path), "%s/link/x", top);
	assert_int_equal(path_open_trusted(path, &made, &e), -ELOOP);
}

static void folders_are_taken_while_they_are_filled(void **state)
{
	static struct jail_options o = { .uid = STRANGER, .gid = STRANGER };
	static struct jail j;
	struct err e = { 0 };
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(top_fd, "inside", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "inside/root", 0777), 0);
	assert_int_equal(fchownat(top_fd, "inside/root", STRANGER, 7, 0), 0);
	jail_init(&j, &o);
	j.id_fd = openat(top_fd, "inside", O_RDONLY | O_DIRECTORY);
	assert_int_equal(jail_make_root(&j, &e), 0);
	assert_int_equal(fstatat(top_fd, "inside/root", &st, 0), 0);
	assert_true(st.st_uid == 0 && (st.st_mode & 07777) == 0700);
	assert_int_equal(jail_give_root(&j, &e), 0);
	assert_int_equal(fstatat(top_fd, "inside/root/dev/net", &st, 0), 0);
	assert_true(st.st_uid == STRANGER);
	jail_undo_root(&j);
	assert_int_equal(fstatat(top_fd, "inside/root", &st, 0), 0);
	assert_true(st.st_uid == STRANGER && st.st_gid == 7);
	assert_int_equal(faccessat(top_fd, "inside/root/dev", F_OK, 0), -1);
	for (int i = 0; i < NR_DIRS; i++)
		sys_close(&j.dirs[i].fd);
	close(j.id_fd);
}

static void executables_have_one_name(void **state)
{
	static struct jail_options o;
	static struct jail j;
	struct err e = { 0 };
	static char path[128];

	(void)state;
	make_file("file");
	assert_int_equal(linkat(top_fd, "file", top_fd, "other", 0), 0);
	snprintf(path, sizeof(path), "%s/file", top);
	o.exec_file = path;
	o.base = top;
	jail_init(&j, &o);
	assert_int_equal(jail_check(&j, &e), -EPERM);
	assert_non_null(strstr(e.msg, "2 hard links"));
	sys_close(&j.exec_fd);
	sys_close(&j.proc_fd);
	sys_close(&j.null_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_read_and_written_whole, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(missing_folders_are_made_or_found_missing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(loops_of_links_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strangers_folders_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(folders_are_taken_while_they_are_filled, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(executables_have_one_name, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
