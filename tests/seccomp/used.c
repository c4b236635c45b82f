// SPDX-License-Identifier: Apache-2.0
/*
 * Which lines of the policies does a monitor use? used OUT SETUP LOOP VCPU MONITOR ARG... runs the
 * monitor under ptrace, looks up each of its system calls in the policy of the thread that makes
 * it, and appends to OUT a line "FILE:LINE" for each rule that was needed. It ends as the monitor
 * does, and hands on signals.
 *
 * SIGUSR1 makes the next call of a vCPU a forbidden one.
 *
 * A thread's policy follows from the filters that it was seen to enter. A rule is needed when the
 * call meets it and no rule of an included file.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "seccomp/policy.h"
#include "vmm/seccomp_file.h"

#define MAX_THREADS 256

struct thread {
	pid_t tid;
	int entered;   /* filters of its own */
	bool entering; /* is in a call of seccomp */
};

static struct policy policy[SECCOMP_KINDS];
static const char *path[SECCOMP_KINDS];
static bool used[SECCOMP_KINDS][POLICY_MAX_RULES];
static struct thread threads[MAX_THREADS];
static int nr_threads;
static pid_t monitor;
static volatile sig_atomic_t break_vcpu;
static bool is_run; /* mote run: no filter while it builds */

static struct thread *find(pid_t tid)
{
	for (int i = 0; i < nr_threads; i++) {
		if (threads[i].tid == tid)
			return &threads[i];
	}
	if (nr_threads == MAX_THREADS)
		die("used: more than %d threads", MAX_THREADS);
	threads[nr_threads] = (struct thread){ .tid = tid };
	return &threads[nr_threads++];
}

/* The kind of filter that it is under; -1 = none. */
static int kind_of(const struct thread *t)
{
	if (t->tid != monitor)
		return t->entered > 0 ? SECCOMP_VCPU : is_run ? -1 : SECCOMP_SETUP;
	return t->entered - 1 + (is_run && t->entered > 0);
}

static bool meets(const struct rule *r, unsigned long long nr, const __u64 *arg)
{
	if ((unsigned long long)r->nr != nr)
		return false;
	for (unsigned int i = 0; i < r->nr_conds; i++) {
		if ((arg[r->cond[i].arg] & r->cond[i].mask) != r->cond[i].value)
			return false;
	}
	return true;
}

static void note_call(int kind, unsigned long long nr, const __u64 *arg)
{
	const struct policy *p = &policy[kind];
	bool included = false;

	for (unsigned int i = 0; i < p->nr_rules; i++)
		included |= strcmp(p->rule[i].file, path[kind]) != 0 && meets(&p->rule[i], nr, arg);
	for (unsigned int i = 0; i < p->nr_rules; i++) {
		bool own = strcmp(p->rule[i].file, path[kind]) == 0;

		if (own && !included && meets(&p->rule[i], nr, arg))
			used[kind][i] = true;
	}
}

static void on_call(struct thread *t)
{
	struct ptrace_syscall_info info;
	int kind = kind_of(t);

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, (void *)sizeof(info), &info) < 0)
		return; /* it was killed meanwhile */
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		if (t->entering && info.exit.rval == 0)
			t->entered++;
		t->entering = false;
	}
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	t->entering = info.entry.nr == SYS_seccomp;
	if (kind == SECCOMP_VCPU && break_vcpu) {
		break_vcpu = 0;
		ptrace(PTRACE_POKEUSER, t->tid, (void *)offsetof(struct user_regs_struct, orig_rax),
		       (void *)SYS_execve);
		return;
	}
	if (kind >= 0)
		note_call(kind, info.entry.nr, info.entry.args);
}

static void write_used(const char *out)
{
	FILE *f = fopen(out, "a");

	if (!f)
		die("used: %s: %s", out, strerror(errno));
	for (int k = 0; k < SECCOMP_KINDS; k++) {
		for (unsigned int i = 0; i < policy[k].nr_rules; i++) {
			if (used[k][i])
				fprintf(f, "%s:%u\n", policy[k].rule[i].file,
					policy[k].rule[i].line);
		}
	}
	fclose(f);
}

static void hand_on(int sig)
{
	kill(monitor, sig);
}

static void on_break(int sig)
{
	(void)sig;
	break_vcpu = 1;
}

static void start(char **argv)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGSYS, SIGCONT };
	int status;

	monitor = fork();
	if (monitor == 0) {
		raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(127);
	}
	if (monitor < 0 || waitpid(monitor, &status, WUNTRACED) != monitor)
		die("used: fork: %s", strerror(errno));
	if (ptrace(PTRACE_SEIZE, monitor, NULL,
		   (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
				  PTRACE_O_EXITKILL)) < 0)
		die("used: ptrace: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], hand_on);
	signal(SIGUSR1, on_break);
	kill(monitor, SIGCONT);
}

/* Until the monitor's end; its wait status. */
static int trace(void)
{
	for (;;) {
		int status;
		int sig = 0;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			die("used: waitpid: %s", strerror(errno));
		if (!WIFSTOPPED(status)) {
			if (tid == monitor)
				return status;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			on_call(find(tid));
		} else if (status >> 16 == PTRACE_EVENT_STOP) {
			int stop = WSTOPSIG(status);

			/* Stopped by a signal: stays so until SIGCONT. */
			if (stop == SIGSTOP || stop == SIGTSTP || stop == SIGTTIN ||
			    stop == SIGTTOU) {
				ptrace(PTRACE_LISTEN, tid, NULL, NULL);
				continue;
			}
		} else if (status >> 16 == 0) {
			sig = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(long)sig);
	}
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 6)
		die("usage: used OUT SETUP LOOP VCPU MONITOR ARG...");
	for (int k = 0; k < SECCOMP_KINDS; k++) {
		path[k] = argv[2 + k];
		policy_init(&policy[k]);
		policy_read_text(&policy[k], path[k]);
	}
	is_run = argc > 6 && strcmp(argv[6], "run") == 0;
	start(argv + 5);
	status = trace();
	write_used(argv[1]);
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
