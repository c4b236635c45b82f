// SPDX-License-Identifier: Apache-2.0
/*
 * A monitor that misbehaves: standin FILE KIND. Under the filter for KIND of a compiled FILE it
 * tries each call of standard input, a line "NUMBER ARG0 ... ARG5" (hexadecimal; "i" before the
 * number: by the way of 32-bit programs), and writes a letter for each: A allowed, T trapped as
 * that very call, S: it does not exist here, W trapped as another call, ? killed before it.
 *
 * A second filter lets no call through that the first one allows: it fails with an errno of its
 * own. What traps, traps all the same, as the stricter of two answers counts. So every call can be
 * tried.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/seccomp_file.h"

#define MAX_PROBES 65536
#define OUR_ERRNO  999

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

struct probe {
	uint32_t nr;
	int i386;
	long arg[6];
};

static struct probe probe[MAX_PROBES];
static int nr_probes;
static char *result; /* shared with the child */
static sigjmp_buf back;
static volatile sig_atomic_t trapped_nr;
static volatile uint32_t trapped_arch;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "standin: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	trapped_nr = info->si_code == SYS_SECCOMP ? info->si_syscall : -1;
	trapped_arch = (uint32_t)info->si_arch;
	siglongjmp(back, 1);
}

/* No int 0x80 in this kernel, or a call that it answers before any filter (uretprobe). */
static void on_missing(int sig)
{
	(void)sig;
	siglongjmp(back, 2);
}

/* Everything fails but seccomp, which is still needed. */
static void enter_errno(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | OUR_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(insn) / sizeof(insn[0]), .filter = insn };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		fail("seccomp");
}

static void enter_tested(const struct seccomp_file *f, int kind)
{
	struct sock_filter *insn = (struct sock_filter *)(uintptr_t)(f + 1);
	struct sock_fprog prog;

	for (int k = 0; k < kind; k++)
		insn += f->nr[k];
	prog = (struct sock_fprog){ .len = (unsigned short)f->nr[kind], .filter = insn };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		fail("tested filter");
}

static void make_call(const struct probe *p)
{
	long r = (long)p->nr;
	register long r10 __asm__("r10");
	register long r8 __asm__("r8");
	register long r9 __asm__("r9");

	r10 = p->arg[3];
	r8 = p->arg[4];
	r9 = p->arg[5];
	if (p->i386)
		__asm__ volatile("int $0x80" : "+a"(r) : "b"(0L), "c"(0L), "d"(0L) : "memory");
	else
		__asm__ volatile("syscall"
				 : "+a"(r)
				 : "D"(p->arg[0]), "S"(p->arg[1]), "d"(p->arg[2]), "r"(r10),
				   "r"(r8), "r"(r9)
				 : "rcx", "r11", "memory");
}

static char try_call(const struct probe *p)
{
	switch (sigsetjmp(back, 0)) {
	case 0:
		make_call(p);
		return 'A';
	case 1:
		return (uint32_t)trapped_nr == p->nr &&
				       (trapped_arch == AUDIT_ARCH_I386) == (p->i386 != 0)
			       ? 'T'
			       : 'W';
	default:
		return 'S';
	}
}

/* No call is possible at the end, so the child ends by a breakpoint. */
static _Noreturn void child(const struct seccomp_file *f, int kind)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction missing = { .sa_handler = on_missing, .sa_flags = SA_NODEFER };

	sigaction(SIGSYS, &sa, NULL);
	sigaction(SIGSEGV, &missing, NULL);
	sigaction(SIGILL, &missing, NULL);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	enter_errno();
	enter_tested(f, kind);
	for (volatile int i = 0; i < nr_probes; i++)
		result[i] = try_call(&probe[i]);
	for (;;)
		__asm__ volatile("int3");
}

static void read_probes(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		struct probe *p = &probe[nr_probes];
		char *at = line + (*line == 'i');

		if (nr_probes++ == MAX_PROBES)
			fail("too many probes");
		p->i386 = *line == 'i';
		p->nr = (uint32_t)strtoul(at, &at, 16);
		for (int i = 0; i < 6; i++)
			p->arg[i] = (long)strtoull(at, &at, 16);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = SECCOMP_KIND_NAMES;
	static uint64_t file[SECCOMP_FILE_MAX / 8];
	int kind = 0;
	FILE *f;
	pid_t pid;

	while (argc == 3 && kind < SECCOMP_KINDS && strcmp(names[kind], argv[2]) != 0)
		kind++;
	if (argc != 3 || kind == SECCOMP_KINDS) {
		fprintf(stderr, "usage: standin FILE setup|loop|vcpu <PROBES\n");
		return 2;
	}
	f = fopen(argv[1], "r");
	if (!f || fread(file, 1, sizeof(file), f) < sizeof(struct seccomp_file))
		fail(argv[1]);
	fclose(f);
	read_probes();
	result = mmap(NULL, MAX_PROBES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		fail("mmap");
	memset(result, '?', MAX_PROBES);
	pid = fork();
	if (pid == 0)
		child((const struct seccomp_file *)(const void *)file, kind);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		fail("child");
	printf("%.*s\n", nr_probes, result);
	return 0;
}
