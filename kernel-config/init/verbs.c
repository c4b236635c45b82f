// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/mounts.h"
#include "kernel-config/init/power.h"
#include "kernel-config/init/run.h"
#include "kernel-config/init/text.h"
#include "kernel-config/init/verbs_file.h"
#include "kernel-config/init/verbs_vsock.h"

#define MAX_WORDS 32

/* Returns the status that the arguments of exit give, or -EINVAL. */
static int exit_status(char **args)
{
	uint64_t status = 0;

	if (args[0] && (args_number(args[0], &status) || status > 255))
		return -EINVAL;
	return (int)status;
}

static int verb_exit(char **args)
{
	int status = exit_status(args);

	if (status >= 0)
		return status;
	say("exit ", args[0], ": expected a status from 0 to 255");
	return 2;
}

static int verb_echo(char **args)
{
	int rc = 0;

	for (; *args && !rc; args++) {
		rc = write_all(STDOUT_FILENO, *args, strlen(*args));
		if (args[1] && !rc)
			rc = write_all(STDOUT_FILENO, " ", 1);
	}
	return rc || write_all(STDOUT_FILENO, "\n", 1) ? 1 : 0;
}

static int print_number(uint64_t v)
{
	struct text t = { 0 };

	text_dec(&t, v);
	return text_end(&t, STDOUT_FILENO) ? 1 : 0;
}

static int verb_cpus(char **args)
{
	cpu_set_t set;

	(void)args;
	if (sched_getaffinity(0, sizeof(set), &set)) {
		say("cpus: ", strerror(errno));
		return 1;
	}
	return print_number((uint64_t)CPU_COUNT(&set));
}

static int verb_mem(char **args)
{
	struct sysinfo si;

	(void)args;
	if (sysinfo(&si)) {
		say("mem: ", strerror(errno));
		return 1;
	}
	return print_number((uint64_t)si.totalram * si.mem_unit / 1024);
}

static int verb_cmdline(char **args)
{
	static char file[] = "/proc/cmdline";
	char *file_args[] = { file, NULL };

	(void)args;
	return verb_cat(file_args);
}

/* One block device: its name, size in bytes, ro or rw. */
static int print_device(int dir, const char *name)
{
	struct text t = { 0 };
	struct stat st;
	uint64_t size;
	int ro, fd, rc = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISBLK(st.st_mode))
		return 0;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		say("dev: cannot open ", name, ": ", strerror(errno));
		return 1;
	}
	if (ioctl(fd, (int)BLKGETSIZE64, &size) || ioctl(fd, BLKROGET, &ro)) {
		say("dev: ", name, ": ", strerror(errno));
		rc = 1;
	} else {
		text_str(&t, name);
		text_str(&t, " ");
		text_dec(&t, size);
		text_str(&t, ro ? " ro" : " rw");
		rc = text_end(&t, STDOUT_FILENO) ? 1 : 0;
	}
	close(fd);
	return rc;
}

static int verb_dev(char **args)
{
	static union {
		struct dirent entry;
		char bytes[2048];
	} buf;
	int dir = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n, rc = 0;

	(void)args;
	if (dir < 0) {
		say("dev: cannot open /dev: ", strerror(errno));
		return 1;
	}
	/* Not readdir: it would bring malloc, which init does without. */
	while ((n = getdents(dir, &buf.entry, sizeof(buf))) > 0) {
		for (int at = 0; at < n;) {
			const struct dirent *e = (const void *)(buf.bytes + at);

			rc |= print_device(dir, e->d_name);
			at += e->d_reclen;
		}
	}
	close(dir);
	return rc;
}

static int verb_poweroff(char **args)
{
	(void)args;
	power_off();
}

static int verb_reboot(char **args)
{
	(void)args;
	power_reset();
}

static int verb_panic(char **args)
{
	(void)args;
	/* The kernel does not survive its first process. */
	_exit(1);
}

static int verb_hold(char **args)
{
	if (*args && verb_echo(args))
		return 1;
	run_hold();
}

static int verb_help(char **args);

enum {
	NEEDS_DEV = 1,
	NEEDS_PROC = 2,
	PID1_ONLY = 4
};

static const struct verb {
	const char *name;
	const char *args;
	int min, max;
	int flags;
	int (*fn)(char **args); /* NULL-terminated; returns the exit status */
} verbs[] = {
	{ "exit", "[STATUS]", 0, 1, 0, verb_exit },
	{ "echo", "[WORD...]", 0, MAX_WORDS, 0, verb_echo },
	{ "cpus", "", 0, 0, 0, verb_cpus },
	{ "mem", "", 0, 0, 0, verb_mem },
	{ "cmdline", "", 0, 0, NEEDS_PROC, verb_cmdline },
	{ "cat", "FILE", 1, 1, NEEDS_DEV | NEEDS_PROC, verb_cat },
	{ "dev", "", 0, 0, NEEDS_DEV, verb_dev },
	{ "fill", "FILE BYTES SEED [OFFSET]", 3, 4, NEEDS_DEV, verb_fill },
	{ "verify", "FILE BYTES SEED [OFFSET]", 3, 4, NEEDS_DEV, verb_verify },
	{ "rng", "BYTES", 1, 1, NEEDS_DEV, verb_rng },
	{ "vsock-echo", "PORT COUNT", 2, 2, 0, verb_vsock_echo },
	{ "vsock-gather", "PORT COUNT", 2, 2, 0, verb_vsock_gather },
	{ "vsock-take", "PORT COUNT", 2, 2, 0, verb_vsock_take },
	{ "vsock-call", "PORT BYTES SEED", 3, 3, 0, verb_vsock_call },
	{ "vsock-send", "PORT BYTES", 2, 2, 0, verb_vsock_send },
	{ "poweroff", "", 0, 0, PID1_ONLY, verb_poweroff },
	{ "reboot", "", 0, 0, PID1_ONLY, verb_reboot },
	{ "panic", "", 0, 0, PID1_ONLY, verb_panic },
	{ "hold", "[WORD...]", 0, MAX_WORDS, PID1_ONLY, verb_hold },
	{ "help", "", 0, 0, 0, verb_help },
};

static int verb_help(char **args)
{
	struct text t = { 0 };

	(void)args;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		text_str(&t, verbs[i].name);
		text_str(&t, *verbs[i].args ? " " : "");
		text_str(&t, verbs[i].args);
		if (text_end(&t, STDOUT_FILENO))
			return 1;
	}
	return 0;
}

int verbs_run(int argc, char **argv, bool pid1)
{
	const struct verb *v = verbs;
	const struct verb *end = verbs + sizeof(verbs) / sizeof(verbs[0]);

	while (v < end && strcmp(v->name, argv[0]))
		v++;
	if (v == end) {
		say("unknown verb '", argv[0], "' ('help' lists them)");
		return 127;
	}
	if (argc - 1 < v->min || argc - 1 > v->max) {
		say("wrong number of arguments; expected: ", v->name, " ", v->args);
		return 2;
	}
	if ((v->flags & PID1_ONLY) && !pid1) {
		say(v->name, ": only process 1 of a guest may do that");
		return 1;
	}
	if ((v->flags & NEEDS_DEV) && pid1)
		(void)mounts_dev();
	if ((v->flags & NEEDS_PROC) && pid1)
		(void)mounts_proc();
	return v->fn(argv + 1);
}

/*
 * Read a line into buf, a byte at a time because standard input may be shared with what is started
 * next. Returns 1, 0 at the end of input, or -E2BIG, behind its end, for a line too long.
 */
static int read_line(char *buf, size_t size)
{
	size_t len = 0;
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (c == '\n')
			break;
		if (len < size)
			buf[len] = c;
		len++;
	}
	if (len >= size)
		return -E2BIG;
	buf[len] = '\0';
	return 1;
}

int verbs_serve(void)
{
	static char line[2048];
	char *argv[MAX_WORDS + 2];
	int rc, argc, status = 0;

	while ((rc = read_line(line, sizeof(line))) != 0) {
		struct text t = { 0 };
		bool last = false;

		argc = rc < 0 ? rc : args_words(line, argv, MAX_WORDS + 2);
		if (!argc)
			continue;
		if (argc < 0) {
			say(argc == -E2BIG ? "line too long" : "expected %XX after every '%'");
			status = 2;
		} else {
			status = verbs_run(argc, argv, true);
			last = !strcmp(argv[0], "exit") && argc <= 2 && exit_status(argv + 1) >= 0;
		}
		text_str(&t, "status ");
		text_dec(&t, (uint64_t)status);
		(void)!text_end(&t, STDOUT_FILENO);
		if (last)
			break;
	}
	return status;
}
