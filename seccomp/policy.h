/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy: which system calls a kind of thread may make, under which conditions, and why. Part of
 * mote-seccomp, which runs where mote is built; one thread. Errors end the program with one line.
 */
#ifndef MOTE_SECCOMP_POLICY_H
#define MOTE_SECCOMP_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_MAX_RULES 512
#define POLICY_MAX_CONDS 6

/* What is compared: all 64 bits of an argument, or the lower 32, which is all that the kernel looks
 * at where its type is int. */
enum cond_op {
	COND_MASKED_EQ, /* argument & mask == value */
	COND_NE,	/* these four: 64 bits, of JSON filters only */
	COND_LT,
	COND_LE,
	COND_GT,
	COND_GE,
};

struct cond {
	unsigned int arg; /* 0 to 5 */
	enum cond_op op;
	uint64_t mask; /* of COND_MASKED_EQ */
	uint64_t value;
};

/* One line: allowed when all conditions hold. Several rules of one call: when one of them does. */
struct rule {
	int nr;
	char *call;
	char *file;
	unsigned int line; /* 0 = the file has no lines worth naming */
	unsigned int nr_conds;
	struct cond cond[POLICY_MAX_CONDS];
};

struct policy {
	uint32_t otherwise; /* SCMP_ACT_... when no rule fits */
	uint32_t matched;   /* SCMP_ACT_... when one does */
	unsigned int nr_rules;
	struct rule rule[POLICY_MAX_RULES];
};

/* An empty policy that traps. */
void policy_init(struct policy *p);

/* Adds the rules of a text file (README.md has the grammar), and of those that it includes. */
void policy_read_text(struct policy *p, const char *path);

/*
 * Adds a rule for a call of this name. Ends the program when no such call exists, or when a rule of
 * the same file allows it without condition already; that one of another file does is no mistake,
 * and the rule is kept for whoever lists them.
 */
struct rule *policy_add(struct policy *p, const char *call, const char *file, unsigned int line);

/* The value of a name of the kernel's headers, or of a number: 0, or -1 when it is neither. */
int constant_value(const char *text, size_t len, uint64_t *value);

/* One line on standard error, "mote-seccomp: ...", and the end. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

#endif
