// SPDX-License-Identifier: Apache-2.0
/*
 * What an intruder in a monitor's thread could do: inject TID NUMBER [ARG...] makes thread TID make
 * that system call and prints what it returned. An ARG is a number, or s:TEXT for a string that is
 * put on the thread's stack. When the call raises a signal, "signal N" is printed, and the thread
 * goes on with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t tid;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The process must not end by this. */
static void wait_for_stop(void)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid)
		fail("waitpid");
	if (!WIFSTOPPED(status)) {
		printf("ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		exit(0);
	}
}

/* Has the kernel sent the thread this signal, which it has not seen yet? */
static bool is_pending(int sig)
{
	char path[64];
	char line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "r");
	if (!f)
		fail(path);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "SigPnd:", 7) == 0)
			found = strtoull(line + 7, NULL, 16) >> (sig - 1) & 1;
	}
	fclose(f);
	return found;
}

/* Puts `text` at `at` in the thread's memory. */
static void put_text(unsigned long at, const char *text)
{
	size_t len = strlen(text) + 1;

	for (size_t i = 0; i < len; i += sizeof(long)) {
		long word = 0;

		memcpy(&word, text + i, len - i < sizeof(word) ? len - i : sizeof(word));
		if (ptrace(PTRACE_POKEDATA, tid, (void *)(at + i), (void *)word) < 0)
			fail("POKEDATA");
	}
}

int main(int argc, char **argv)
{
	struct user_regs_struct saved;
	struct user_regs_struct regs;
	unsigned long stack;

	if (argc < 3 || argc > 9) {
		fprintf(stderr, "usage: inject TID NUMBER [ARG...]\n");
		return 2;
	}
	tid = (pid_t)strtol(argv[1], NULL, 10);
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
		fail("attach");
	wait_for_stop();
	if (ptrace(PTRACE_GETREGS, tid, NULL, &saved) < 0)
		fail("GETREGS");
	regs = saved;
	/* It was stopped in a call, so that the instruction before is the one we need. */
	if ((ptrace(PTRACE_PEEKTEXT, tid, (void *)(saved.rip - 2), NULL) & 0xffff) != 0x050f) {
		errno = EAGAIN;
		fail("not in a system call");
	}
	regs.rip -= 2;
	regs.orig_rax = (unsigned long)-1; /* the interrupted call is not begun again */
	regs.rax = strtoull(argv[2], NULL, 0);
	stack = (saved.rsp - 1024) & ~15ul;
	unsigned long *arg[] = { &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9 };

	for (int i = 3; i < argc; i++) {
		if (strncmp(argv[i], "s:", 2) == 0) {
			put_text(stack, argv[i] + 2);
			*arg[i - 3] = stack;
			stack += 256;
		} else {
			*arg[i - 3] = strtoull(argv[i], NULL, 0);
		}
	}
	if (ptrace(PTRACE_SETREGS, tid, NULL, &regs) < 0)
		fail("SETREGS");
	/* To the call, and to its end. */
	for (int i = 0; i < 2; i++) {
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) < 0)
			fail("SYSCALL");
		wait_for_stop();
	}
	if (is_pending(SIGSYS)) {
		printf("signal %d\n", SIGSYS);
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return 0;
	}
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
		fail("GETREGS");
	printf("%lld\n", (long long)regs.rax);
	saved.rax = (unsigned long)-EINTR;
	saved.orig_rax = (unsigned long)-1;
	if (ptrace(PTRACE_SETREGS, tid, NULL, &saved) < 0 ||
	    ptrace(PTRACE_DETACH, tid, NULL, NULL) < 0)
		fail("detach");
	return 0;
}
