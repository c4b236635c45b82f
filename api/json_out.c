// SPDX-License-Identifier: Apache-2.0
#include "api/json_out.h"

#include "vmm/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct json_out *o, const char *text, size_t len)
{
	if (o->full || len >= o->cap - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->buf + o->len, text, len);
	o->len += len;
	o->buf[o->len] = '\0';
}

static void put_text(struct json_out *o, const char *text)
{
	put(o, text, strlen(text));
}

/* One character that a string cannot hold as it is. */
static void put_escape(struct json_out *o, char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *at = strchr(plain, c);
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", letter[at - plain]);
	else
		snprintf(text, sizeof(text), "\\u%04x", (unsigned int)(unsigned char)c);
	put_text(o, text);
}

static void put_quoted(struct json_out *o, const char *text)
{
	size_t left = strlen(text);

	put(o, "\"", 1);
	while (left > 0 && !o->full) {
		size_t n = utf8_char(text, left);

		if (n == 0) {
			put_text(o, "\xef\xbf\xbd");
			n = 1;
		} else if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\') {
			put_escape(o, *text);
		} else {
			put(o, text, n);
		}
		text += n;
		left -= n;
	}
	put(o, "\"", 1);
}

/* What comes before a value. */
static void lead(struct json_out *o, const char *name)
{
	if (o->comma)
		put(o, ",", 1);
	o->comma = true;
	if (name) {
		put_quoted(o, name);
		put(o, ":", 1);
	}
}

void json_out_init(struct json_out *o, char *buf, size_t cap)
{
	*o = (struct json_out){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

void json_begin(struct json_out *o, const char *name, char bracket)
{
	lead(o, name);
	put(o, &bracket, 1);
	o->comma = false;
}

void json_end(struct json_out *o, char bracket)
{
	put(o, &bracket, 1);
	o->comma = true;
}

void json_string(struct json_out *o, const char *name, const char *value)
{
	lead(o, name);
	put_quoted(o, value);
}

void json_uint(struct json_out *o, const char *name, uint64_t value)
{
	char text[24];

	lead(o, name);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_text(o, text);
}

void json_int(struct json_out *o, const char *name, int64_t value)
{
	char text[24];

	lead(o, name);
	snprintf(text, sizeof(text), "%" PRId64, value);
	put_text(o, text);
}

void json_bool(struct json_out *o, const char *name, bool value)
{
	lead(o, name);
	put_text(o, value ? "true" : "false");
}

void json_null(struct json_out *o, const char *name)
{
	lead(o, name);
	put_text(o, "null");
}
