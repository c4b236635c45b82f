// SPDX-License-Identifier: Apache-2.0
/* seccomp_load: main thread, at start. The rest: the thread that it is about. */
#include "vmm/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_filters.h" /* made by mote-seccomp */
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code; glibc hides it */
#endif

#define X32_CALL 0x40000000u

static const char *const kind_name[SECCOMP_KINDS] = SECCOMP_KIND_NAMES;

/* Which filter the thread entered last; -1 = none. */
static _Thread_local int entered = -1;

/* ---- files ----------------------------------------------------------------------------------- */

int seccomp_check_file(const void *data, size_t len, const char *name, struct err *e)
{
	const struct seccomp_file *f = data;
	uint64_t total = sizeof(*f);

	if (len < sizeof(*f) || f->magic != SECCOMP_FILE_MAGIC)
		return err_set(e, -EINVAL,
			       "seccomp filter %.200s: not a filter file, expected one made by "
			       "mote-seccomp",
			       name);
	for (int k = 0; k < SECCOMP_KINDS; k++)
		total += (uint64_t)f->nr[k] * sizeof(struct sock_filter);
	if (MUT_FILE_LENGTH(total != len))
		return err_set(e, -EINVAL, "seccomp filter %.200s: %zu bytes, expected %llu", name,
			       len, (unsigned long long)total);
	if (MUT_FILE_SUM(f->sum != seccomp_file_sum((const uint8_t *)data + SECCOMP_FILE_SUM_FROM,
						    len - SECCOMP_FILE_SUM_FROM)))
		return err_set(e, -EINVAL,
			       "seccomp filter %.200s: damaged, expected the sum that it says",
			       name);
	return 0;
}

/* Memory that is ours for good. */
static void *take_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int read_file(struct seccomp_filters *f, const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *data;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return err_sys(e, -errno, "seccomp filter %.200s", path);
	data = take_memory(SECCOMP_FILE_MAX + 1);
	if (!data) {
		close(fd);
		return err_sys(e, -ENOMEM, "seccomp filter %.200s", path);
	}
	do {
		n = read(fd, data + len, SECCOMP_FILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len <= SECCOMP_FILE_MAX);
	close(fd);
	if (n < 0)
		return err_sys(e, -errno, "seccomp filter %.200s", path);
	f->file = (const struct seccomp_file *)(void *)data;
	return seccomp_check_file(data, len, path, e);
}

/* In a copy, what would raise SIGSYS kills. */
static int make_deadly(struct seccomp_filters *f, struct err *e)
{
	const struct seccomp_file *from = f->file;
	size_t nr =
		(size_t)from->nr[SECCOMP_SETUP] + from->nr[SECCOMP_LOOP] + from->nr[SECCOMP_VCPU];
	size_t len = sizeof(*from) + nr * sizeof(struct sock_filter);
	struct seccomp_file *copy = take_memory(len);
	struct sock_filter *insn;

	if (!copy)
		return err_sys(e, -ENOMEM, "seccomp filters");
	memcpy(copy, from, len);
	insn = (struct sock_filter *)(copy + 1);
	for (size_t i = 0; i < nr; i++) {
		if (insn[i].code == (BPF_RET | BPF_K) && insn[i].k == SECCOMP_RET_TRAP)
			insn[i].k = MUT_DEADLY(SECCOMP_RET_KILL_PROCESS);
	}
	f->file = copy;
	return 0;
}

int seccomp_load(struct seccomp_filters *f, const char *path, bool kill, struct err *e)
{
	int r = 0;

	f->file = (const struct seccomp_file *)(const void *)seccomp_builtin;
	if (path)
		r = read_file(f, path, e);
	if (r == 0 && kill)
		r = make_deadly(f, e);
	return r;
}

/* ---- threads --------------------------------------------------------------------------------- */

int seccomp_enter(const struct seccomp_filters *f, enum seccomp_kind kind, struct err *e)
{
	struct sock_filter *insn;
	struct sock_fprog prog;

	assert(kind < SECCOMP_KINDS);
	if (!f->file || f->file->nr[kind] == 0)
		return 0;
	/* The kernel only reads it. */
	insn = (struct sock_filter *)(uintptr_t)(f->file + 1);
	for (enum seccomp_kind k = 0; k < kind; k++)
		insn += f->file->nr[k];
	if (f->file->nr[kind] > BPF_MAXINSNS)
		return err_set(e, -E2BIG,
			       "seccomp filter for %s: %u instructions, expected at most %d",
			       kind_name[kind], f->file->nr[kind], BPF_MAXINSNS);
	prog = (struct sock_fprog){ .len = (unsigned short)f->file->nr[kind], .filter = insn };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
		return err_sys(e, -errno, "seccomp filter for %s", kind_name[kind]);
	entered = (int)kind;
	return 0;
}

static const char *call_name(unsigned int nr)
{
	const char *name = seccomp_names;

	if (nr >= SECCOMP_NR_NAMES)
		return "unknown";
	for (unsigned int i = 0; i < nr; i++)
		name += strlen(name) + 1;
	return *name ? name : "unknown";
}

void seccomp_explain(const siginfo_t *info)
{
	unsigned int nr = (unsigned int)info->si_syscall;
	const char *kind = entered < 0 ? "none" : kind_name[entered];

	if (info->si_code != SYS_SECCOMP)
		return;
	if (info->si_arch != AUDIT_ARCH_X86_64)
		log_error("seccomp: filter %s: refused system call %u of architecture 0x%x", kind,
			  nr, info->si_arch);
	else if (nr & X32_CALL)
		log_error("seccomp: filter %s: refused system call %u of the x32 architecture",
			  kind, nr & ~X32_CALL);
	else
		log_error("seccomp: filter %s: refused system call %u (%s)", kind, nr,
			  call_name(nr));
}
