/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a value, in one line: where it is, what was given, what was expected. */
#ifndef MOTE_API_SCHEMA_ERROR_H
#define MOTE_API_SCHEMA_ERROR_H

#include <cJSON.h>

#include "api/schema.h"
#include "vmm/compiler.h"
#include "vmm/err.h"

/* Where a value is in the document: the way up to the root, whose name is NULL. */
struct place {
	const struct place *up;
	const char *name; /* in an object; NULL: of a list */
	unsigned int nr;  /* in a list */
};

/* "PLACE: <text>". `root` stands for the place when that is the whole document. -EINVAL. */
int schema_wrong(struct err *e, const char *root, const struct place *at, const char *fmt, ...)
	PRINTF(4, 5);

/* "PLACE: VALUE, expected <text>". -EINVAL. */
int schema_expected(struct err *e, const char *root, const struct place *at, const cJSON *value,
		    const char *fmt, ...) PRINTF(5, 6);

/* Writes the words of an enum, or the names of an object's fields, with ", " between them. */
void schema_words(const char *const *words, char *out, size_t cap);
void schema_names(const struct object *o, char *out, size_t cap);

#endif
