/* SPDX-License-Identifier: Apache-2.0 */
/* Building a kernel command line in a fixed buffer. No thread rules: the buffer is the caller's. */
#ifndef MOTE_VMM_CMDLINE_H
#define MOTE_VMM_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/compiler.h"

/*
 * Appends words to the NUL-terminated string in buf[size], with one space between. -E2BIG, and the
 * string unchanged, when it would not fit.
 */
int cmdline_add(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4) MUST_CHECK;

/*
 * Appends `name=` and the strings of the NULL-terminated vector in the encoding that our init
 * decodes: pieces joined by '+', every byte that is not in [A-Za-z0-9_./:,@=-] as %XX. So they
 * survive the kernel's word splitting and quoting. Errors as above; -EINVAL: an empty vector.
 */
int cmdline_add_vector(char *buf, size_t size, const char *name, const char *const *vector)
	MUST_CHECK;

/* Whether `word` stands in the line by itself, before what is for the guest's init ("--"). */
bool cmdline_has(const char *line, const char *word);

/* 0, or -EINVAL: the text has a byte that a kernel command line cannot carry (control, non-ASCII).
 */
int cmdline_check(const char *text) MUST_CHECK;

#endif
