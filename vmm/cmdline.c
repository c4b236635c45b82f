// SPDX-License-Identifier: Apache-2.0
/* Pure functions. */
#include "vmm/cmdline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/mutants.h"

int cmdline_add(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	size_t at = len;
	va_list ap;
	int n;

	if (len != 0) {
		if (len + 1 >= size)
			return -E2BIG;
		buf[at++] = ' ';
	}
	va_start(ap, fmt);
	n = vsnprintf(buf + at, size - at, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < size - at && n > 0)
		return 0;
	buf[len] = '\0';
	return n == 0 ? 0 : -E2BIG;
}

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_./:,@=-", c));
}

/* Appends one byte at *at, encoded; false when there is no room for it and the final NUL. */
static bool put_byte(char *buf, size_t size, size_t *at, char c)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char u = (unsigned char)c;

	if (plain(c)) {
		if (*at + 2 > size)
			return false;
		buf[(*at)++] = c;
		return true;
	}
	if (MUT_NO_ROOM(*at + 4 > size))
		return false;
	buf[(*at)++] = '%';
	buf[(*at)++] = hex[u >> 4];
	buf[(*at)++] = hex[u & 15];
	return true;
}

static bool put_vector(char *buf, size_t size, size_t at, const char *const *vector)
{
	for (size_t i = 0; vector[i]; i++) {
		if (i > 0) {
			if (at + 2 > size)
				return false;
			buf[at++] = '+';
		}
		for (const char *p = vector[i]; *p; p++) {
			if (!put_byte(buf, size, &at, *p))
				return false;
		}
	}
	buf[at] = '\0';
	return true;
}

int cmdline_add_vector(char *buf, size_t size, const char *name, const char *const *vector)
{
	size_t len = strlen(buf);
	int r;

	if (!vector[0])
		return -EINVAL;
	r = cmdline_add(buf, size, "%s=", name);
	if (r < 0)
		return r;
	if (!put_vector(buf, size, strlen(buf), vector)) {
		buf[len] = '\0';
		return -E2BIG;
	}
	return 0;
}

bool cmdline_has(const char *line, const char *word)
{
	size_t want = strlen(word);

	while (*line) {
		size_t len = strcspn(line, " ");

		if (len == 2 && memcmp(line, "--", 2) == 0)
			return false;
		if (len == want && memcmp(line, word, len) == 0)
			return true;
		line += len + strspn(line + len, " ");
	}
	return false;
}

int cmdline_check(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < ' ' || *p > '~')
			return -EINVAL;
	}
	return 0;
}
