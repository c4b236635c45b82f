// SPDX-License-Identifier: Apache-2.0
#include "vmm/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_TAIL 5u /* ..." and the NUL */

size_t utf8_char(const char *p, size_t len)
{
	uint8_t first, low = 0x80, high = 0xbf; /* of the second byte */
	size_t need;

	if (len == 0)
		return 0;
	first = (uint8_t)p[0];
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	need = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	if (first == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f; /* past U+10FFFF */
	if ((uint8_t)p[1] < low || (uint8_t)p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

/* How one character looks in quotes: itself, or an escape in `tmp`. */
static size_t shown(const char *p, size_t n, char tmp[8], const char **text)
{
	uint8_t c = (uint8_t)*p;

	*text = tmp;
	/* U+0080 to U+009F are control characters, too */
	if (n == 2 && c == 0xc2 && (uint8_t)p[1] < 0xa0)
		return (size_t)snprintf(tmp, 8, "\\u%04x", (uint8_t)p[1]);
	if (n == 0)
		return (size_t)snprintf(tmp, 8, "\\x%02x", c);
	if (c == '"' || c == '\\')
		return (size_t)snprintf(tmp, 8, "\\%c", c);
	if (c == '\n')
		return (size_t)snprintf(tmp, 8, "\\n");
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(tmp, 8, "\\u%04x", c);
	*text = p;
	return n;
}

const char *utf8_quote(const char *text, char *out, size_t cap)
{
	size_t left = strlen(text), at = 0;

	out[at++] = '"';
	while (left > 0) {
		size_t n = utf8_char(text, left), len;
		const char *piece;
		char tmp[8];

		len = shown(text, n, tmp, &piece);
		if (at + len + QUOTE_TAIL > cap) {
			memcpy(out + at, "...", 3);
			at += 3;
			break;
		}
		memcpy(out + at, piece, len);
		at += len;
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}
