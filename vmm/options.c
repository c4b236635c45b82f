// SPDX-License-Identifier: Apache-2.0
/* Main thread, at start. */
#include "vmm/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A value whose name ends in "..." may be given again. */
static bool repeats(const struct option_row *row)
{
	size_t len = row->arg ? strlen(row->arg) : 0;

	return len > 3 && strcmp(row->arg + len - 3, "...") == 0;
}

static const struct option_row *find(const struct option_row *table, size_t nr, const char *name,
				     size_t len)
{
	for (size_t i = 0; i < nr; i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return &table[i];
	}
	return NULL;
}

int options_parse(const struct option_row *table, size_t nr, int argc, char **argv, void *ctx,
		  int *rest, struct err *e)
{
	bool seen[OPTIONS_MAX] = { false };
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *word = argv[i];
		const char *name = word + 2;
		const char *value = NULL;
		const struct option_row *row;
		size_t len;
		int r;

		if (strncmp(word, "--", 2) != 0)
			return err_set(e, -EINVAL,
				       "argument '%s' was not expected here (see --help)", word);
		len = strcspn(name, "=");
		row = find(table, nr, name, len);
		if (!row)
			return err_set(e, -EINVAL, "option '%s' is not known (see --help)", word);
		if (seen[row - table] && !repeats(row))
			return err_set(e, -EINVAL, "option '--%s' was given more than once",
				       row->name);
		seen[row - table] = true;
		if (name[len] == '=')
			value = name + len + 1;
		if (!row->arg && value)
			return err_set(e, -EINVAL, "option '--%s' takes no value, '%s' was given",
				       row->name, value);
		if (row->arg && !value) {
			if (++i == argc)
				return err_set(e, -EINVAL, "option '--%s' requires a value: %s",
					       row->name, row->arg);
			value = argv[i];
		}
		r = row->set(ctx, value, e);
		if (r < 0)
			return r;
	}
	*rest = i < argc ? i + 1 : argc;
	return 0;
}

void options_help(const struct option_row *table, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const char *help = table[i].help;
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", table[i].name,
			 table[i].arg ? table[i].arg : "");
		printf("  %-24s", left);
		for (;;) {
			size_t len = strcspn(help, "\n");

			printf(" %.*s\n", (int)len, help);
			if (help[len] == '\0')
				break;
			help += len + 1;
			printf("  %-24s", "");
		}
	}
}

int options_number(const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *out,
		   struct err *e)
{
	uint64_t n = 0;
	const char *p = value;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			break;
	}
	if (*p != '\0' || p == value || n < min || n > max)
		return err_set(e, -EINVAL,
			       "option '--%s': '%s', expected a number from %llu to %llu", name,
			       value, (unsigned long long)min, (unsigned long long)max);
	*out = n;
	return 0;
}
