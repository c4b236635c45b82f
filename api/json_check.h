/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a text is a JSON document that we take: the grammar of RFC 8259 to the letter, which
 * cJSON is more lenient about, and our limits. Looks at the text once and stores nothing. Any
 * thread.
 */
#ifndef MOTE_API_JSON_CHECK_H
#define MOTE_API_JSON_CHECK_H

#include <stddef.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define JSON_MAX_DEPTH 64u /* lists and objects within each other */

/* 0, or -EINVAL with "line L, column C: expected ..." in *e. Columns count bytes from 1. */
int json_check(const char *text, size_t len, struct err *e) MUST_CHECK;

#endif
