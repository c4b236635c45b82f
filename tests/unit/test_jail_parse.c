// SPDX-License-Identifier: Apache-2.0
#include "jailer/options.h"
#include "jailer/parse.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void ids(void **state)
{
	char longest[] = "0123456789012345678901234567890123456789012345678901234567890123x";
	static const char *const bad[] = { "", ".", "..", "a.b", "a/b", "a b", "a_b", "\xc3\xa4" };

	(void)state;
	assert_int_equal(parse_id("a-Z9", NULL), 0);
	assert_int_equal(parse_id(longest, NULL), -EINVAL);
	longest[64] = '\0';
	assert_int_equal(parse_id(longest, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_id(bad[i], NULL), -EINVAL);
}

static void names_of_executables(void **state)
{
	static const char *const bad[] = { "",	    "/",    "/a/", "/a/..", "/a/.",
					   "/a/.x", "/dev", "run", "/a/b c" };
	const char *name = NULL;

	(void)state;
	assert_int_equal(parse_exec_name("/usr/bin/fire-cracker_1.2+x", &name, NULL), 0);
	assert_string_equal(name, "fire-cracker_1.2+x");
	assert_int_equal(parse_exec_name("mote", &name, NULL), 0);
	assert_string_equal(name, "mote");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_exec_name(bad[i], &name, NULL), -EINVAL);
}

static void settings(void **state)
{
	static const char *const bad[] = {
		"",	     "memory.max", "memory.max=",   "=1",
		"memory=1",  ".max=1",	   "memory.=1",	    "../x.max=1",
		"a/b.max=1", "a.b\n=1",	   "memory.max=\n", "cgroup.procs=1",
		"a b.c=1",   "a.b=\x80",
	};
	struct setting s;

	(void)state;
	assert_int_equal(parse_setting("io.max=8:0 rbps=1 wbps=2", &s, NULL), 0);
	assert_string_equal(s.file, "io.max");
	assert_string_equal(s.controller, "io");
	assert_string_equal(s.value, "8:0 rbps=1 wbps=2");
	assert_int_equal(parse_setting("hugetlb.2MB.max=1", &s, NULL), 0);
	assert_string_equal(s.controller, "hugetlb");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_setting(bad[i], &s, NULL), -EINVAL);
}

static void settings_have_an_end(void **state)
{
	static char text[4096];
	struct setting s;

	(void)state;
	snprintf(text, sizeof(text), "a.%0*d=1", SETTING_FILE_MAX - 3, 0);
	assert_int_equal(parse_setting(text, &s, NULL), 0);
	snprintf(text, sizeof(text), "a.%0*d=1", SETTING_FILE_MAX - 2, 0);
	assert_int_equal(parse_setting(text, &s, NULL), -EINVAL);
	snprintf(text, sizeof(text), "%0*d.a=1", CONTROLLER_MAX, 0);
	assert_int_equal(parse_setting(text, &s, NULL), -EINVAL);
	snprintf(text, sizeof(text), "a.b=%0*d", SETTING_VALUE_MAX, 0);
	assert_int_equal(parse_setting(text, &s, NULL), 0);
	snprintf(text, sizeof(text), "a.b=%0*d", SETTING_VALUE_MAX + 1, 0);
	assert_int_equal(parse_setting(text, &s, NULL), -EINVAL);
}

static void memory_limits_leave_room(void **state)
{
	static const char *const good[] = {
		"memory.max=16777216", "memory.max=16M",
		"memory.max=16384k",   "memory.max=max",
		"memory.low=1",	       "memory.limit_in_bytes=-1",
		"memory.max=1G",       "memory.high=99999999999999999999",
		"memory.swap.max=0",
	};
	static const char *const bad[] = {
		"memory.max=16777215", "memory.max=15M",	   "memory.max=16383K",
		"memory.high=0",       "memory.limit_in_bytes=1m",
	};
	struct setting s;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(parse_setting(good[i], &s, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_setting(bad[i], &s, NULL), -EINVAL);
}

static void parents(void **state)
{
	static const char *const bad[] = { "",	 "/",	 "/a",	 "a/",	   "a//b",  ".",
					   "..", "../a", "a/..", "a/../b", "a/./b", "a\nb" };

	(void)state;
	assert_int_equal(parse_parent_cgroup("a", NULL), 0);
	assert_int_equal(parse_parent_cgroup("a.slice/b..c/...", NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_parent_cgroup(bad[i], NULL), -EINVAL);
}

static void limits(void **state)
{
	static const char *const bad[] = { "",
					   "fsize",
					   "fsize=",
					   "fsize=-1",
					   "nofile=1",
					   "no-file=x",
					   "fsize=18446744073709551615" };
	uint64_t n = 0;
	int resource = 0;

	(void)state;
	assert_int_equal(parse_limit("fsize=18446744073709551614", &resource, &n, NULL), 0);
	assert_int_equal(resource, RLIMIT_FSIZE);
	assert_true(n == UINT64_MAX - 1);
	assert_int_equal(parse_limit("no-file=7", &resource, &n, NULL), 0);
	assert_int_equal(resource, RLIMIT_NOFILE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_limit(bad[i], &resource, &n, NULL), -EINVAL);
}

static void mounts(void **state)
{
	static const char *const none[] = {
		"",
		"\n",
		"cgroup",
		"cgroup /x",
		"cgroup /x cgroup",
		"none /x tmpfs rw 0 0\n",
		"cgroup x cgroup rw 0 0\n",
		"x /y cgroup3 rw 0 0\n",
		"x /a\\000b cgroup rw 0 0\n",
	};
	struct mount_line m;

	(void)state;
	assert_int_equal(parse_mount("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", &m), 1);
	assert_int_equal(m.version, 2);
	assert_string_equal(m.path, "/sys/fs/cgroup");
	assert_int_equal(parse_mount("x /a\\040b\\134 cgroup rw,cpu,cpuacct 0 0\n", &m), 1);
	assert_int_equal(m.version, 1);
	assert_string_equal(m.path, "/a b\\");
	assert_true(list_has(m.options, ',', "cpu"));
	assert_true(list_has(m.options, ',', "cpuacct"));
	assert_false(list_has(m.options, ',', "acct"));
	assert_false(list_has(m.options, ',', "0"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(parse_mount(none[i], &m), 0);
}

static void own_cgroups(void **state)
{
	const char *text =
		"7:cpu,cpuacct:/a\n3:memory:/b/c\nnonsense\n1:name=systemd:/d\n0::/e f\n";
	char out[16];

	(void)state;
	assert_int_equal(parse_own_cgroup(text, NULL, out, sizeof(out)), 0);
	assert_string_equal(out, "/e f");
	assert_int_equal(parse_own_cgroup(text, "cpuacct", out, sizeof(out)), 0);
	assert_string_equal(out, "/a");
	assert_int_equal(parse_own_cgroup(text, "memory", out, 4), -ENOENT);
	assert_int_equal(parse_own_cgroup(text, "pids", out, sizeof(out)), -ENOENT);
	assert_int_equal(parse_own_cgroup("3:memory:/b", "memory", out, sizeof(out)), 0);
	assert_string_equal(out, "/b");
}

static char noted[256];

static void note(void *ctx, const char *path)
{
	size_t len = strlen(noted);

	(void)ctx;
	snprintf(noted + len, sizeof(noted) - len, "%s;", path);
}

static void records(void **state)
{
	(void)state;
	noted[0] = '\0';
	assert_int_equal(parse_record("cgroup /a/b\ncgroup x\nwhat\n\npid 12\n", note, NULL), 12);
	assert_string_equal(noted, "/a/b;");
	assert_int_equal(parse_record("pid 12", note, NULL), 0); /* cut off: perhaps 123 */
	assert_int_equal(parse_record("pid 0\npid -1\npid 4294967296\n", NULL, NULL), 0);
	assert_int_equal(parse_record("pid 1\npid 2\n", NULL, NULL), 2);
	assert_int_equal(parse_record("", note, NULL), 0);
}

/* ---- the whole command line ------------------------------------------------------------------ */

#define BASIC "--id", "x", "--exec-file", "/bin/m"

static int parse(struct jail_options *o, uid_t euid, size_t nr, const char *const *words,
		 struct err *e)
{
	return jail_options_parse(o, (int)nr, (char **)(uintptr_t)words, euid, euid, e);
}

#define PARSE(euid, ...)                                      \
	const char *words[] = { "mote-jailer", __VA_ARGS__ }; \
	struct jail_options o;                                \
	struct err e = { 0 };                                 \
	int r = parse(&o, euid, sizeof(words) / sizeof(words[0]), words, &e)

static void command_line_of_root(void **state)
{
	PARSE(0, BASIC, "--uid", "1", "--gid", "2", "--cgroup", "a.b=1", "--cgroup", "a.b=2",
	      "--keep-fd", "9", "--keep-fd", "3", "--keep-fd", "9", "--", "--id", "y");

	(void)state;
	assert_int_equal(r, 0);
	assert_string_equal(o.id, "x");
	assert_string_equal(o.name, "m");
	assert_string_equal(o.base, "/srv/jailer");
	assert_int_equal(o.nr_settings, 2);
	assert_string_equal(o.settings[1].value, "2");
	assert_int_equal(o.nr_keep_fds, 2);
	assert_int_equal(o.keep_fds[0], 3);
	assert_int_equal(o.keep_fds[1], 9);
	assert_int_equal(o.nr_args, 2);
	assert_string_equal(o.args[1], "y");
	assert_false(o.rootless || o.new_user_ns || o.new_net_ns || o.new_pid_ns);
	assert_true(o.nofile == 2048 && !o.nofile_given);
}

static void command_line_of_a_user(void **state)
{
	(void)state;
	{
		PARSE(7, BASIC);
		assert_int_equal(r, 0);
		assert_int_equal(o.uid, 7);
		assert_true(o.rootless && o.new_user_ns && o.new_net_ns && o.new_pid_ns);
	}
	{
		PARSE(7, BASIC, "--gid", "0");
		assert_int_equal(r, -EPERM);
		assert_non_null(strstr(e.msg, "gid 0"));
	}
	{
		PARSE(7, BASIC, "--netns", "/x", "--uid", "7");
		assert_int_equal(r, 0);
		assert_false(o.new_net_ns);
	}
}

static void what_does_not_go_together(void **state)
{
	(void)state;
	{
		PARSE(0, BASIC, "--uid", "1");
		assert_int_equal(r, -EINVAL);
		assert_string_equal(e.msg, "option '--gid' is required (see --help)");
	}
	{
		PARSE(0, "--clean", "x", "--exec-file", "/m");
		assert_int_equal(r, -EINVAL);
	}
	{
		PARSE(0, BASIC, "--resource-limit", "fsize=1", "--resource-limit", "fsize=2");
		assert_int_equal(r, -EINVAL);
	}
	{
		PARSE(0, "--clean", "x");
		assert_int_equal(r, 0);
		assert_true(o.clean);
	}
	{
		PARSE(0, BASIC, "--id", "y");
		assert_int_equal(r, -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(names_of_executables),
		cmocka_unit_test(settings),
		cmocka_unit_test(settings_have_an_end),
		cmocka_unit_test(memory_limits_leave_room),
		cmocka_unit_test(parents),
		cmocka_unit_test(limits),
		cmocka_unit_test(mounts),
		cmocka_unit_test(own_cgroups),
		cmocka_unit_test(records),
		cmocka_unit_test(command_line_of_root),
		cmocka_unit_test(command_line_of_a_user),
		cmocka_unit_test(what_does_not_go_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
