// SPDX-License-Identifier: Apache-2.0
/* mote-seccomp: compiles policies into filters for `mote --seccomp-filter`, or into the monitor. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seccomp/compile.h"
#include "seccomp/json.h"

static const char *const kind_name[] = SECCOMP_KIND_NAMES;

static struct policy policy[SECCOMP_KINDS];
static bool given[SECCOMP_KINDS];
static struct output output;

static void usage(FILE *f)
{
	fputs("usage: mote-seccomp --output FILE setup.policy loop.policy vcpu.policy\n"
	      "       mote-seccomp --output FILE FILTERS.json\n\n"
	      "Compiles system call policies into a file for mote --seccomp-filter.\n"
	      "A policy is for the kind of thread that its file is named after; a JSON\n"
	      "file has Firecracker's documented form, with filters vmm, api, vcpu (and setup).\n\n"
	      "  --output FILE   where the filters go\n"
	      "  --header        write a C header instead\n"
	      "  --list          print the rules with all names resolved, and write nothing\n"
	      "  --help          this text\n",
	      f);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);

	return len > strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static void read_input(const char *path)
{
	char name[4096];
	const char *base;
	int kind = 0;

	if (ends_with(path, ".json")) {
		json_read(path, policy, given);
		return;
	}
	if (snprintf(name, sizeof(name), "%s", path) >= (int)sizeof(name))
		die("%s: name too long", path);
	base = basename(name);
	while (kind < SECCOMP_KINDS &&
	       !(strncmp(base, kind_name[kind], strlen(kind_name[kind])) == 0 &&
		 strcmp(base + strlen(kind_name[kind]), ".policy") == 0))
		kind++;
	if (kind == SECCOMP_KINDS)
		die("%s: expected setup.policy, loop.policy, vcpu.policy or a .json file", path);
	else if (given[kind])
		die("%s: a second policy for %s", path, kind_name[kind]);
	policy_read_text(&policy[kind], path);
	given[kind] = true;
}

/* KIND FILE:LINE NUMBER NAME [ARG OP MASK VALUE]... */
static void list(void)
{
	static const char *const op[] = { "&", "ne", "lt", "le", "gt", "ge" };

	for (int k = 0; k < SECCOMP_KINDS; k++) {
		for (unsigned int i = 0; i < policy[k].nr_rules; i++) {
			const struct rule *r = &policy[k].rule[i];

			printf("%s %s:%u %d %s", kind_name[k], r->file, r->line, r->nr, r->call);
			for (unsigned int j = 0; j < r->nr_conds; j++)
				printf(" %u %s 0x%llx 0x%llx", r->cond[j].arg, op[r->cond[j].op],
				       (unsigned long long)r->cond[j].mask,
				       (unsigned long long)r->cond[j].value);
			putchar('\n');
		}
	}
}

/* A file that is half written must not be taken for a filter. */
static void write_file(const char *path, bool header)
{
	char temporary[4096];
	FILE *f;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
		die("%s: name too long", path);
	f = fopen(temporary, "w");
	if (!f)
		die("%s: %s", temporary, strerror(errno));
	if (header)
		output_write_header(&output, f);
	else
		output_write(&output, f);
	if (fclose(f) != 0 || rename(temporary, path) < 0) {
		int e = errno;

		unlink(temporary);
		die("%s: %s", path, strerror(e));
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "header", no_argument, NULL, 'H' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	bool header = false;
	bool only_list = false;
	int c;

	while ((c = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			path = optarg;
			break;
		case 'H':
			header = true;
			break;
		case 'l':
			only_list = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc || (!path && !only_list)) {
		usage(stderr);
		return 2;
	}
	for (int k = 0; k < SECCOMP_KINDS; k++)
		policy_init(&policy[k]);
	for (int i = optind; i < argc; i++)
		read_input(argv[i]);
	if (only_list) {
		list();
		return 0;
	}
	output_init(&output);
	for (int k = 0; k < SECCOMP_KINDS; k++) {
		if (given[k])
			output_add(&output, (enum seccomp_kind)k, &policy[k]);
	}
	output_finish(&output);
	write_file(path, header);
	return 0;
}
