// SPDX-License-Identifier: Apache-2.0
/* Policies as text: NAME [if COND [and COND]...] : REASON */
#include "seccomp/policy.h"

#include <errno.h>
#include <libgen.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 4

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("mote-seccomp: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void policy_init(struct policy *p)
{
	memset(p, 0, sizeof(*p));
	p->otherwise = SCMP_ACT_TRAP;
	p->matched = SCMP_ACT_ALLOW;
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	if (!c)
		die("out of memory");
	return c;
}

struct rule *policy_add(struct policy *p, const char *call, const char *file, unsigned int line)
{
	int nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, call);
	struct rule *r;

	if (nr < 0)
		die("%s:%u: '%s', expected the name of a system call of x86-64", file, line, call);
	for (unsigned int i = 0; i < p->nr_rules; i++) {
		if (p->rule[i].nr == nr && p->rule[i].nr_conds == 0 &&
		    strcmp(p->rule[i].file, file) == 0)
			die("%s:%u: %s: allowed without condition by %s:%u already", file, line,
			    call, p->rule[i].file, p->rule[i].line);
	}
	if (p->nr_rules == POLICY_MAX_RULES)
		die("%s:%u: more than %d rules", file, line, POLICY_MAX_RULES);
	r = &p->rule[p->nr_rules++];
	*r = (struct rule){ .nr = nr, .call = copy(call), .file = copy(file), .line = line };
	return r;
}

/* ---- one line -------------------------------------------------------------------------------- */

/* Where we are: words are cut off the front of `at`. */
struct source {
	const char *file;
	unsigned int line;
	char *at;
};

static char *next_word(struct source *s)
{
	char *word = s->at + strspn(s->at, " \t");
	size_t len = strcspn(word, " \t");

	s->at = word + len;
	if (*s->at != '\0')
		*s->at++ = '\0';
	return word;
}

/* NAME|NAME|NUMBER */
static uint64_t next_value(struct source *s)
{
	const char *word = next_word(s);
	uint64_t value = 0;
	uint64_t part;

	for (const char *p = word;; p++) {
		size_t len = strcspn(p, "|");

		if (constant_value(p, len, &part) < 0)
			die("%s:%u: '%.*s', expected a number or a name that seccomp/names.c knows",
			    s->file, s->line, (int)len, p);
		value |= part;
		p += len;
		if (*p == '\0')
			return value;
	}
}

/* argN == VALUE, or argN & MASK == VALUE; the lower 32 bits. */
static void read_cond(struct source *s, struct rule *r)
{
	struct cond *c = &r->cond[r->nr_conds];
	const char *arg = next_word(s);
	const char *op = next_word(s);

	if (r->nr_conds == POLICY_MAX_CONDS)
		die("%s:%u: more than %d conditions", s->file, s->line, POLICY_MAX_CONDS);
	if (strncmp(arg, "arg", 3) != 0 || arg[3] < '0' || arg[3] > '5' || arg[4] != '\0')
		die("%s:%u: '%s', expected arg0 to arg5", s->file, s->line, arg);
	*c = (struct cond){ .arg = (unsigned int)(arg[3] - '0'), .mask = UINT32_MAX };
	for (unsigned int i = 0; i < r->nr_conds; i++) {
		if (r->cond[i].arg == c->arg)
			die("%s:%u: %s twice, expected one condition for each argument", s->file,
			    s->line, arg);
	}
	if (strcmp(op, "&") == 0) {
		c->mask = next_value(s);
		op = next_word(s);
	}
	if (strcmp(op, "==") != 0)
		die("%s:%u: '%s', expected == or & MASK ==", s->file, s->line, op);
	c->value = next_value(s);
	if (c->mask > UINT32_MAX || (c->value & ~c->mask) != 0)
		die("%s:%u: %s can never be equal", s->file, s->line, arg);
	r->nr_conds++;
}

static void read_rule(struct policy *p, const char *call, struct source *s)
{
	struct rule *r = policy_add(p, call, s->file, s->line);
	const char *word = next_word(s);

	if (strcmp(word, "if") == 0) {
		do {
			read_cond(s, r);
			word = next_word(s);
		} while (strcmp(word, "and") == 0);
	}
	if (strcmp(word, ":") != 0)
		die("%s:%u: '%s', expected ' : ' and a reason", s->file, s->line, word);
	if (*next_word(s) == '\0')
		die("%s:%u: %s without a reason", s->file, s->line, call);
}

static void read_file(struct policy *p, const char *path, unsigned int depth);

static void include(struct policy *p, struct source *s, unsigned int depth)
{
	const char *name = next_word(s);
	char *folder = copy(s->file);
	char path[4096];

	if (depth == MAX_DEPTH)
		die("%s:%u: files include each other", s->file, s->line);
	if (*name == '\0' || snprintf(path, sizeof(path), "%s/%s.policy", dirname(folder), name) >=
				     (int)sizeof(path))
		die("%s:%u: '%s', expected the name of a policy", s->file, s->line, name);
	read_file(p, path, depth + 1);
	free(folder);
}

static void read_file(struct policy *p, const char *path, unsigned int depth)
{
	struct source s = { .file = path };
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (getline(&line, &size, f) >= 0) {
		const char *word;

		s.line++;
		line[strcspn(line, "\n")] = '\0';
		s.at = line;
		word = next_word(&s);
		if (*word == '\0' || *word == '#')
			continue;
		if (strcmp(word, "include") == 0)
			include(p, &s, depth);
		else
			read_rule(p, word, &s);
	}
	if (ferror(f))
		die("%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
}

void policy_read_text(struct policy *p, const char *path)
{
	read_file(p, path, 0);
}
