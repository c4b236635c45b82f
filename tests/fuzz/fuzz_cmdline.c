// SPDX-License-Identifier: Apache-2.0
/*
 * The command line's encoder against its decoder in the guest: whatever a person gives as a command
 * arrives as it was, or is refused without a trace. Input: a buffer size, then strings, each ended
 * by a NUL.
 */
#include "vmm/cmdline.h"

#include "tests/lib/require.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 16
#define MAX_LINE  2048

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	REQUIRE(c >= 'A' && c <= 'F');
	return c - 'A' + 10;
}

/* Decodes one piece of an encoded vector, up to '+' or the end; returns where it stopped. */
static const char *decode(const char *p, char *out)
{
	while (*p != '\0' && *p != '+') {
		if (*p == '%') {
			*out++ = (char)(hex(p[1]) << 4 | hex(p[2]));
			p += 3;
		} else {
			*out++ = *p++;
		}
	}
	*out = '\0';
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *word[MAX_WORDS + 1] = { NULL };
	char line[MAX_LINE] = "quiet";
	size_t size;
	char *text;
	size_t nr = 0;
	int r;

	if (len < 2)
		return 0;
	size = 6 + (data[0] | (size_t)data[1] << 8) % (MAX_LINE - 5);
	text = malloc(len - 1); /* exactly the strings, so that ASan sees their ends */
	REQUIRE(text);
	memcpy(text, data + 2, len - 2);
	text[len - 2] = '\0';
	for (size_t at = 0; at < len - 1 && nr < MAX_WORDS; at += strlen(text + at) + 1)
		word[nr++] = text + at;
	r = cmdline_add_vector(line, size, "C", word);
	REQUIRE(strlen(line) < size && cmdline_check(line) == 0);
	if (r < 0) {
		REQUIRE(r == -E2BIG && strcmp(line, "quiet") == 0);
	} else {
		const char *p = line + strlen("quiet C=");

		for (size_t i = 0; i < nr; i++) {
			char back[MAX_LINE];

			p = decode(p, back);
			REQUIRE(strcmp(back, word[i]) == 0);
			REQUIRE(*p++ == (i + 1 < nr ? '+' : '\0'));
		}
	}
	free(text);
	return 0;
}
