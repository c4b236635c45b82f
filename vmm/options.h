/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines by table: parsing, messages and --help follow from the same rows.
 */
#ifndef MOTE_VMM_OPTIONS_H
#define MOTE_VMM_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define OPTIONS_MAX 32

struct option_row {
	const char *name; /* without the dashes */
	const char *arg;  /* what the value is called in --help; NULL = a flag without value */
	const char *help; /* one line; a newline continues it, indented */
	/* Takes the value (NULL for a flag): 0, or -errno with *e set. */
	int (*set)(void *ctx, const char *value, struct err *e);
};

/*
 * Parses argv[1] to argv[argc - 1]: `--name value`, `--name=value`, `--name`, at most once each
 * unless the name of the row's value ends in "...", up to "--" or the end. *rest becomes the index
 * of what follows "--", or argc. -EINVAL with *e set otherwise; a word that is no option is
 * refused.
 */
int options_parse(const struct option_row *table, size_t nr, int argc, char **argv, void *ctx,
		  int *rest, struct err *e) MUST_CHECK;

/* Prints the rows of the table to standard output, for --help. */
void options_help(const struct option_row *table, size_t nr);

/*
 * Reads an unsigned decimal number between `min` and `max`; -EINVAL with *e naming the option, the
 * value and the range.
 */
int options_number(const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *out,
		   struct err *e) MUST_CHECK;

#endif
