// SPDX-License-Identifier: Apache-2.0
#include "seccomp/compile.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "seccomp/shrink.h"

#define LAST_CALL 1023 /* more than any kernel has */

void output_init(struct output *o)
{
	memset(o, 0, sizeof(*o));
	o->head.magic = SECCOMP_FILE_MAGIC;
	o->len = sizeof(o->head);
}

static void add_rule(scmp_filter_ctx ctx, const struct policy *p, const struct rule *r)
{
	static const enum scmp_compare op[] = {
		[COND_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
		[COND_NE] = SCMP_CMP_NE,
		[COND_LT] = SCMP_CMP_LT,
		[COND_LE] = SCMP_CMP_LE,
		[COND_GT] = SCMP_CMP_GT,
		[COND_GE] = SCMP_CMP_GE,
	};
	struct scmp_arg_cmp cmp[POLICY_MAX_CONDS];
	int e;

	for (unsigned int i = 0; i < r->nr_conds; i++) {
		const struct cond *c = &r->cond[i];
		bool masked = c->op == COND_MASKED_EQ;

		cmp[i] = (struct scmp_arg_cmp){
			.arg = c->arg,
			.op = op[c->op],
			.datum_a = masked ? c->mask : c->value,
			.datum_b = masked ? c->value : 0,
		};
	}
	e = seccomp_rule_add_exact_array(ctx, p->matched, r->nr, r->nr_conds, cmp);
	/* The same rule again is no mistake of whoever wrote JSON for two threads. */
	if (e < 0 && e != -EEXIST)
		die("%s:%u: %s: libseccomp: %s", r->file, r->line, r->call, strerror(-e));
}

static scmp_filter_ctx build(const struct policy *p)
{
	scmp_filter_ctx ctx = seccomp_init(p->otherwise);

	if (!ctx)
		die("libseccomp: no filter for action 0x%x", p->otherwise);
	/* Calls of another architecture, and x32 ones, have the same end as forbidden ones. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			     p->otherwise == SCMP_ACT_TRAP ? SCMP_ACT_TRAP
							   : SCMP_ACT_KILL_PROCESS) < 0)
		die("libseccomp: cannot refuse other architectures");
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		die("expected to run on x86-64");
	/* A tree of comparisons: what is not at its start does not cost a walk through all. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		die("libseccomp: cannot make a tree");
	for (unsigned int i = 0; i < p->nr_rules; i++)
		add_rule(ctx, p, &p->rule[i]);
	return ctx;
}

/* The filter as libseccomp has it, in `insn`; returns how many instructions. */
static size_t export(scmp_filter_ctx ctx, struct sock_filter *insn, size_t room)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;
	int e;

	if (fd < 0)
		die("memfd: %s", strerror(errno));
	e = seccomp_export_bpf(ctx, fd);
	if (e < 0)
		die("libseccomp: no BPF: %s", strerror(-e));
	n = pread(fd, insn, room * sizeof(*insn), 0);
	if (n <= 0 || n % (ssize_t)sizeof(*insn) != 0 || lseek(fd, 0, SEEK_END) != n)
		die("filters of more than %u bytes", SECCOMP_FILE_MAX);
	close(fd);
	return (size_t)n / sizeof(*insn);
}

void output_add(struct output *o, enum seccomp_kind kind, const struct policy *p)
{
	struct sock_filter *insn = (struct sock_filter *)&o->word[o->len / 8];
	size_t room = (sizeof(o->word) - o->len) / sizeof(*insn) - 1;
	scmp_filter_ctx ctx = build(p);
	size_t nr = 0;

	/*
	 * When a filter is entered, the kernel tries all numbers, to remember those that it need
	 * not ask about. A look at an argument before all else makes it give up at once. That saves
	 * 0.13 ms of a boot for each filter, for which each call is some 190
	 * instructions dearer (docs/performance.md).
	 */
	insn[nr++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, args));
	nr += export(ctx, insn + nr, room);
	nr = shrink(insn, nr, p->otherwise == SCMP_ACT_TRAP);
	memset(insn + nr, 0, sizeof(o->word) - o->len - nr * sizeof(*insn));
	o->head.nr[kind] = (uint32_t)nr;
	o->len += nr * sizeof(*insn);
	seccomp_release(ctx);
}

void output_finish(struct output *o)
{
	o->head.sum = seccomp_file_sum((const char *)o->word + SECCOMP_FILE_SUM_FROM,
				       o->len - SECCOMP_FILE_SUM_FROM);
}

void output_write(const struct output *o, FILE *f)
{
	fwrite(o->word, 1, o->len, f);
}

/* Each name ends with a NUL; numbers without a call have the empty name. */
static void write_names(FILE *f)
{
	int last = 0;

	for (int nr = 0; nr <= LAST_CALL; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (name)
			last = nr;
		free(name);
	}
	fprintf(f, "#define SECCOMP_NR_NAMES %d\nstatic const char seccomp_names[] =", last + 1);
	for (int nr = 0; nr <= last; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		fprintf(f, "\n\t\"%s\\0\"", name ? name : "");
		free(name);
	}
	fprintf(f, ";\n");
}

void output_write_header(const struct output *o, FILE *f)
{
	fprintf(f, "/* Made by mote-seccomp from seccomp/"
		   "*.policy. */\n#include <stdint.h>\n\n"
		   "static const uint64_t seccomp_builtin[] = {\n");
	for (size_t i = 0; i < o->len / 8; i++)
		fprintf(f, "\t0x%016llxu,\n", (unsigned long long)o->word[i]);
	fprintf(f, "};\n\n");
	write_names(f);
}
