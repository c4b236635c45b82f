/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON into a buffer of the caller's: commas, quotes and escapes are taken care of, nothing
 * is allocated. What does not fit is left out and remembered, so that writers need not look.
 *
 *	json_out_init(&o, buf, sizeof(buf));
 *	json_begin(&o, NULL, '{');
 *	json_string(&o, "id", "anonymous-instance");
 *	json_begin(&o, "drives", '[');
 *	json_end(&o, ']');
 *	json_end(&o, '}');
 *
 * `name` is the member's name inside an object, NULL for an element of a list and the outermost
 * value. Any thread.
 */
#ifndef MOTE_API_JSON_OUT_H
#define MOTE_API_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_out {
	char *buf;
	size_t cap;
	size_t len; /* bytes written, without the final NUL, which is always there */
	bool full;  /* something was left out: what is in the buffer is no document */
	bool comma; /* the next value is not the first of its list or object */
};

/* `cap` is at least 1. */
void json_out_init(struct json_out *o, char *buf, size_t cap);

/* Opens and closes an object ('{', '}') or a list ('[', ']'). */
void json_begin(struct json_out *o, const char *name, char bracket);
void json_end(struct json_out *o, char bracket);

/* Bytes that are no valid UTF-8 are written as U+FFFD; so every document is valid. */
void json_string(struct json_out *o, const char *name, const char *value);
void json_uint(struct json_out *o, const char *name, uint64_t value);
void json_int(struct json_out *o, const char *name, int64_t value);
void json_bool(struct json_out *o, const char *name, bool value);
void json_null(struct json_out *o, const char *name);

#endif
