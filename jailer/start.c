// SPDX-License-Identifier: Apache-2.0
/* Becoming the monitor's process (in the background, or in a PID namespace), and the monitor. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jailer/jail.h"
#include "jailer/sys.h"

#define OWN_ARGS 9 /* and NULL */

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The parent's part: until the child has become the monitor, or says why it has not. */
static int wait_for_child(int fd, pid_t child, struct err *e)
{
	char text[ERR_MSG_MAX];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len < sizeof(text) - 1) || (n < 0 && errno == EINTR));
	close(fd);
	if (len == 0)
		_exit(0);
	/* It is gone from its cgroups before it says anything, and from the process table soon. */
	(void)waitpid(child, NULL, 0);
	text[len] = '\0';
	return err_set(e, -ECHILD, "%s", text);
}

/* A child; the parent, with *parent set, gets the result of waiting for it. */
static int fork_away(struct jail *j, bool *parent, struct err *e)
{
	int report[2];
	pid_t child;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "pipe");
	child = fork();
	if (child < 0) {
		int r = err_sys(e, -errno, "fork");

		close(report[0]);
		close(report[1]);
		return r;
	}
	*parent = child > 0;
	if (child > 0) {
		close(report[1]);
		return wait_for_child(report[0], child, e);
	}
	close(report[0]);
	/* What the parent used is its own; this process's clock begins anew. */
	j->parent_cpu_us += j->fork_cpu_us;
	j->start_cpu_us = 0;
	sys_close(&j->report_fd);
	j->report_fd = report[1];
	return 0;
}

/*
 * --daemonize: twice, so that the monitor leads no session and never gets a terminal. A PID
 * namespace begins with the last child. The first parent waits, to undo what it made if need be.
 */
int jail_detach(struct jail *j, struct err *e)
{
	bool parent = false;
	int r;

	j->fork_cpu_us = cpu_us() - j->start_cpu_us;
	if (j->o->daemonize) {
		r = fork_away(j, &parent, e);
		if (r < 0)
			return r;
		setsid();
		j->fork_cpu_us = cpu_us();
	}
	if (j->o->new_pid_ns && unshare(CLONE_NEWPID) < 0)
		return err_sys(e, -errno, "new PID namespace");
	if (!j->o->daemonize && !j->o->new_pid_ns)
		return 0;
	return fork_away(j, &parent, e);
}

/* 0, 1 and 2 become /dev/null; opened beforehand, the jail has none. */
static int leave_stdio(const struct jail *j)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(j->null_fd, fd) < 0)
			return -errno;
	}
	return 0;
}

int jail_exec(struct jail *j, struct err *e)
{
	char path[JAIL_NAME_MAX + 2], start[24], cpu[24], parent[24];
	char *none[] = { NULL };
	char **argv = calloc((size_t)j->o->nr_args + OWN_ARGS + 1, sizeof(*argv));
	char *own[OWN_ARGS] = { path,
				(char *)"--id",
				(char *)(uintptr_t)j->o->id,
				(char *)"--start-time-us",
				start,
				(char *)"--start-time-cpu-us",
				cpu,
				(char *)"--parent-cpu-time-us",
				parent };
	int r;

	if (!argv)
		return err_sys(e, -ENOMEM, "arguments");
	snprintf(path, sizeof(path), "/%s", j->o->name);
	snprintf(start, sizeof(start), "%llu", (unsigned long long)j->start_us);
	snprintf(cpu, sizeof(cpu), "%llu", (unsigned long long)j->start_cpu_us);
	snprintf(parent, sizeof(parent), "%llu", (unsigned long long)j->parent_cpu_us);
	memcpy(argv, own, sizeof(own));
	memcpy(argv + OWN_ARGS, j->o->args, (size_t)j->o->nr_args * sizeof(*argv));
	r = j->o->daemonize ? leave_stdio(j) : 0;
	if (r == 0) {
		execve(path, argv, none);
		r = -errno;
	}
	free(argv);
	/* In root's new user namespace nobody is root any more, who could undo anything. */
	return err_sys(e, r, "exec-file %s: executing it in the jail%s", j->o->exec_file,
		       j->o->new_user_ns && !j->o->rootless ? " (--clean removes what was made)"
							    : "");
}
