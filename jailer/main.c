// SPDX-License-Identifier: Apache-2.0
/* The program: the order of things. README.md says why this order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jailer/jail.h"
#include "jailer/sys.h"
#include "vmm/util.h"
#include "vmm/version.h"

static int make_cgroups(struct jail *j, struct err *e)
{
	return cgroups_make(&j->cgroups, j->o, e);
}

static void undo_cgroups(struct jail *j)
{
	cgroups_remove(&j->cgroups, j->o);
}

static int join_cgroups(struct jail *j, struct err *e)
{
	return cgroups_join(&j->cgroups, j->o, e);
}

static void undo_join(struct jail *j)
{
	cgroups_leave(&j->cgroups);
}

/* A step that fails has undone nothing: its own undo is called too, then those before it. */
static const struct step {
	const char *name;
	int (*make)(struct jail *j, struct err *e);
	void (*undo)(struct jail *j); /* NULL: it ends with the process */
} steps[] = {
	{ "folder", jail_make_folder, jail_undo_folder },
	{ "root", jail_make_root, jail_undo_root },
	{ "executable", jail_copy_exec, jail_undo_exec },
	{ "cgroups", make_cgroups, undo_cgroups },
	{ "limits", jail_set_limits, NULL },
	{ "namespaces", jail_new_namespaces, NULL },
	{ "devices", jail_make_devices, jail_undo_devices },
	{ "enter", jail_enter_root, NULL },
	{ "detach", jail_detach, NULL }, /* from here on in the monitor's process */
	{ "join", join_cgroups, undo_join },
	{ "pid", jail_write_pid, jail_undo_pid },
	{ "give", jail_give_root, NULL },
	{ "rights", jail_drop_rights, jail_undo_rights },
	{ "exec", jail_exec, NULL },
};

/*
 * Tests build a jailer that says so and waits for a signal before the step that STOP names, or
 * fails in the one that FAIL names.
 */
#ifdef JAILER_STOPS
static const char *stop_at, *fail_at;

static void on_signal(int sig)
{
	(void)sig;
}

static bool step_fails(const char *name)
{
	if (stop_at && strcmp(stop_at, name) == 0) {
		signal(SIGUSR1, on_signal);
		fprintf(stderr, "stopped\n");
		pause();
	}
	return fail_at && strcmp(fail_at, name) == 0;
}
#define STEP_FAILS(name) step_fails(name)
#else
#define STEP_FAILS(name) false
#endif

/*
 * In a child that the "detach" step made, undoing goes back to that step; the parent, for which the
 * step itself has failed then, undoes the rest.
 */
static int make_jail(struct jail *j, struct err *e)
{
	size_t first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int report = j->report_fd;
		int r;

		r = STEP_FAILS(steps[i].name) ? err_set(e, -EIO, "step %s", steps[i].name)
					      : steps[i].make(j, e);
		if (j->report_fd != report)
			first = i + 1;
		if (r == 0)
			continue;
		for (size_t k = i + 1; k-- > first;) {
			if (steps[k].undo)
				steps[k].undo(j);
		}
		return r;
	}
	return 0;
}

/*
 * Standard input, output and error must be something, or a file of ours takes their place; and of
 * the rest only what was asked for gets to the monitor, or stays open at all.
 */
static int sort_descriptors(const struct jail_options *o, struct err *e)
{
	unsigned int from = STDERR_FILENO + 1;
	int r = 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return err_sys(e, -errno, "/dev/null");
	}
	for (unsigned int i = 0; i < o->nr_keep_fds; i++) {
		unsigned int fd = (unsigned int)o->keep_fds[i];

		if (fcntl((int)fd, F_SETFD, 0) < 0)
			return err_sys(e, -errno, "keep-fd %u", fd);
		if (r == 0)
			r = sys_close_range(from, fd - 1);
		from = fd + 1;
	}
	if (r == 0)
		r = sys_close_range(from, ~0u);
	return r < 0 ? err_sys(e, r, "closing descriptors") : 0;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int run(struct jail *j, struct err *e)
{
	int r = jail_check(j, e);

	return r < 0 ? r : make_jail(j, e);
}

int main(int argc, char **argv)
{
	static struct jail jail;
	static struct jail_options options;
	struct err e = { 0 };
	uint64_t start_us = clock_us(CLOCK_MONOTONIC);
	uint64_t start_cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	int r;

#ifdef JAILER_STOPS
	stop_at = getenv("STOP");
	fail_at = getenv("FAIL");
#endif
	r = jail_options_parse(&options, argc, argv, geteuid(), getegid(), &e);

	clearenv();
	if (r == 0 && options.help) {
		jail_options_help();
		return 0;
	}
	if (r == 0 && options.version) {
		printf("mote-jailer v" MOTE_VERSION "\n");
		return 0;
	}
	if (r == 0)
		r = sort_descriptors(&options, &e);
	jail_init(&jail, &options);
	jail.start_us = start_us;
	jail.start_cpu_us = start_cpu_us;
	if (r == 0)
		r = options.clean ? jail_clean(&options, &e) : run(&jail, &e);
	if (r == 0)
		return 0;
	if (jail.report_fd >= 0) {
		(void)!write(jail.report_fd, e.msg, strlen(e.msg) + 1);
		_exit(EXIT_FAILURE);
	}
	fprintf(stderr, "mote-jailer: %s\n", e.msg);
	return EXIT_FAILURE;
}
