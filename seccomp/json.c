// SPDX-License-Identifier: Apache-2.0
#include "seccomp/json.h"

#include <cJSON.h>
#include <errno.h>
#include <math.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (1u << 20)

/* Where we are, for messages: file, thread, and the rule's number from 0. */
struct place {
	const char *file;
	const char *thread;
	int rule;
};

#define die_at(p, fmt, ...) die("%s: %s[%d]: " fmt, (p)->file, (p)->thread, (p)->rule, __VA_ARGS__)

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = malloc(MAX_BYTES + 1);
	size_t len;

	if (!f)
		die("%s: %s", path, strerror(errno));
	if (!text)
		die("out of memory");
	len = fread(text, 1, MAX_BYTES + 1, f);
	if (ferror(f))
		die("%s: %s", path, strerror(errno));
	if (len > MAX_BYTES)
		die("%s: more than %u bytes", path, MAX_BYTES);
	text[len] = '\0';
	fclose(f);
	return text;
}

static const char *string_of(const struct place *p, const cJSON *o, const char *key)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	if (!s)
		die_at(p, "%s: missing, expected a string", key);
	return s;
}

static uint64_t number_of(const struct place *p, const cJSON *item, const char *key, uint64_t max)
{
	double d = cJSON_GetNumberValue(item);

	/* A double holds integers up to 2^53 exactly. */
	if (!cJSON_IsNumber(item) || d < 0 || d > 9007199254740992.0 || d != floor(d) ||
	    d > (double)max)
		die_at(p, "%s: expected an integer from 0 to %llu", key,
		       (unsigned long long)(max < 9007199254740992ULL ? max : 9007199254740992ULL));
	return (uint64_t)d;
}

/* {"masked_eq": MASK}, or one of six words. */
static void read_op(const struct place *p, const cJSON *arg, struct cond *c, bool dword)
{
	static const struct {
		const char *name;
		enum cond_op op;
	} ops[] = { { "eq", COND_MASKED_EQ }, { "ne", COND_NE }, { "lt", COND_LT },
		    { "le", COND_LE },	      { "gt", COND_GT }, { "ge", COND_GE } };
	const cJSON *op = cJSON_GetObjectItemCaseSensitive(arg, "op");
	const cJSON *mask = cJSON_GetObjectItemCaseSensitive(op, "masked_eq");

	c->op = COND_MASKED_EQ;
	c->mask = dword ? UINT32_MAX : UINT64_MAX;
	if (mask) {
		c->mask &= number_of(p, mask, "masked_eq", UINT64_MAX);
		c->value &= c->mask;
		return;
	}
	for (size_t i = 0; cJSON_IsString(op) && i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(op->valuestring, ops[i].name) != 0)
			continue;
		c->op = ops[i].op;
		if (dword && c->op != COND_MASKED_EQ)
			die_at(p, "op: %s of a dword, expected a qword", op->valuestring);
		return;
	}
	die_at(p, "op: %s, expected eq, ne, lt, le, gt, ge or masked_eq",
	       cJSON_IsString(op) ? op->valuestring : "missing");
}

static void read_arg(const struct place *p, const cJSON *arg, struct rule *r)
{
	struct cond *c = &r->cond[r->nr_conds];
	const char *type = string_of(p, arg, "type");
	bool dword = strcmp(type, "dword") == 0;

	if (r->nr_conds == POLICY_MAX_CONDS)
		die_at(p, "more than %d arguments", POLICY_MAX_CONDS);
	if (!dword && strcmp(type, "qword") != 0)
		die_at(p, "type: %s, expected dword or qword", type);
	*c = (struct cond){
		.arg = (unsigned int)number_of(p, cJSON_GetObjectItemCaseSensitive(arg, "index"),
					       "index", 5),
		.value = number_of(p, cJSON_GetObjectItemCaseSensitive(arg, "val"), "val",
				   dword ? UINT32_MAX : UINT64_MAX),
	};
	for (unsigned int i = 0; i < r->nr_conds; i++) {
		if (r->cond[i].arg == c->arg)
			die_at(p, "index: %u twice, expected one condition for each argument",
			       c->arg);
	}
	read_op(p, arg, c, dword);
	r->nr_conds++;
}

static uint32_t action_of(const struct place *p, const cJSON *filter, const char *key)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "allow", SCMP_ACT_ALLOW },
		{ "trap", SCMP_ACT_TRAP },
		{ "kill_process", SCMP_ACT_KILL_PROCESS },
		{ "kill_thread", SCMP_ACT_KILL_THREAD },
		{ "log", SCMP_ACT_LOG },
	};
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(filter, key);
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(a, "errno");

	if (error)
		return SCMP_ACT_ERRNO(number_of(p, error, "errno", 4095));
	for (size_t i = 0; cJSON_IsString(a) && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(a->valuestring, actions[i].name) == 0)
			return actions[i].action;
	}
	die("%s: %s: %s: expected allow, trap, kill_process, kill_thread, log or {\"errno\": N}",
	    p->file, p->thread, key);
}

/* Rules of one thread; a second thread of the same kind adds its own. */
static void read_filter(struct place *p, const cJSON *filter, struct policy *out, bool first)
{
	const cJSON *rules = cJSON_GetObjectItemCaseSensitive(filter, "filter");
	uint32_t otherwise = action_of(p, filter, "default_action");
	uint32_t matched = action_of(p, filter, "filter_action");
	const cJSON *item;
	const cJSON *arg;

	if (!cJSON_IsArray(rules))
		die("%s: %s: filter: missing, expected an array", p->file, p->thread);
	if (!first && (otherwise != out->otherwise || matched != out->matched))
		die("%s: %s: actions differ from those of the other filter for the same thread",
		    p->file, p->thread);
	if (otherwise == matched)
		die("%s: %s: default_action and filter_action are the same", p->file, p->thread);
	out->otherwise = otherwise;
	out->matched = matched;
	for (item = rules ? rules->child : NULL; item; item = item->next) {
		const cJSON *args = cJSON_GetObjectItemCaseSensitive(item, "args");
		const char *call = string_of(p, item, "syscall");
		bool known = false;

		/* vmm and api share calls: once without condition is enough. */
		for (unsigned int i = 0; i < out->nr_rules; i++)
			known |= strcmp(out->rule[i].call, call) == 0 && out->rule[i].nr_conds == 0;
		if (!known) {
			struct rule *r = policy_add(out, call, p->file, 0);

			for (arg = args ? args->child : NULL; arg; arg = arg->next)
				read_arg(p, arg, r);
		}
		p->rule++;
	}
}

void json_read(const char *path, struct policy policy[SECCOMP_KINDS], bool given[SECCOMP_KINDS])
{
	static const struct {
		const char *name;
		enum seccomp_kind kind;
	} threads[] = { { "setup", SECCOMP_SETUP },
			{ "loop", SECCOMP_LOOP },
			{ "vmm", SECCOMP_LOOP },
			{ "api", SECCOMP_LOOP },
			{ "vcpu", SECCOMP_VCPU } };
	const size_t nr = sizeof(threads) / sizeof(threads[0]);
	char *text = read_all(path);
	cJSON *root = cJSON_Parse(text);
	const cJSON *filter;

	if (!cJSON_IsObject(root))
		die("%s: not a JSON object", path);
	for (filter = root ? root->child : NULL; filter; filter = filter->next) {
		struct place p = { .file = path, .thread = filter->string };
		size_t i = 0;

		while (i < nr && strcmp(threads[i].name, filter->string) != 0)
			i++;
		if (i == nr)
			die("%s: %s: expected one of vmm, api, vcpu, setup, loop", path,
			    filter->string);
		read_filter(&p, filter, &policy[threads[i].kind], !given[threads[i].kind]);
		given[threads[i].kind] = true;
	}
	cJSON_Delete(root);
	free(text);
}
