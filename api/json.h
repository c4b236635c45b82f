/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cJSON behind limits. A document is parsed into an arena that is reused for each one: whatever a
 * client sends, memory does not grow and nothing has to be freed. Loop thread.
 */
#ifndef MOTE_API_JSON_H
#define MOTE_API_JSON_H

#include <cJSON.h>
#include <stddef.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

/*
 * Prepares for documents of up to `max_len` bytes: reserves address space, which costs memory only
 * as far as documents fill it. Called again, it replaces the limit.
 */
int json_init(size_t max_len, struct err *e) MUST_CHECK;

/*
 * Parses one JSON document (RFC 8259) of `len` bytes, which need not end in NUL. The result is
 * valid until the next call. NULL with *e naming line and column and what was expected: syntax,
 * anything after the document, invalid UTF-8, a NUL (also as \u0000: our strings end there), a raw
 * control character in a string, more than 64 levels, longer than json_init's limit. *e does not
 * repeat the document.
 */
const cJSON *json_parse(const char *text, size_t len, struct err *e);

/*
 * Reads a whole file and parses it; *e names the file. `what` is what it is to a person: "config
 * file". The limit is json_init's, too.
 */
const cJSON *json_parse_file(const char *what, const char *path, struct err *e);

/*
 * Reads a whole file like json_parse_file, and returns its document as text without spaces, for the
 * caller to free. NULL also when that is longer than `max_len` bytes.
 */
char *json_copy_file(const char *what, const char *path, size_t max_len, struct err *e);

#endif
