// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/args.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int args_decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		int hi, lo;

		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		hi = hex_digit(s[1]);
		/* The first digit is looked at first: s[1] may be the end of the string. */
		lo = hi < 0 ? -1 : hex_digit(s[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return -EINVAL;
		*to++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*to = '\0';
	return 0;
}

int args_split(char *s, char **argv, int max)
{
	int n = 0;
	char *next;

	if (max < 1)
		return -E2BIG;
	for (next = *s ? s : NULL; next; n++) {
		if (n >= max - 1)
			return -E2BIG;
		argv[n] = next;
		/* Cut before decoding: a decoded '+' is no separator. */
		next = strchr(next, '+');
		if (next)
			*next++ = '\0';
		if (args_decode(argv[n]))
			return -EINVAL;
	}
	argv[n] = NULL;
	return n;
}

int args_words(char *s, char **argv, int max)
{
	int n = 0;

	if (max < 1)
		return -E2BIG;
	for (;;) {
		size_t len;

		s += strspn(s, " \t\r\n");
		if (!*s)
			break;
		if (n >= max - 1)
			return -E2BIG;
		len = strcspn(s, " \t\r\n");
		argv[n] = s;
		s += len;
		if (*s)
			*s++ = '\0';
		if (args_decode(argv[n++]))
			return -EINVAL;
	}
	argv[n] = NULL;
	return n;
}

int args_number(const char *s, uint64_t *v)
{
	uint64_t n = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -EINVAL;
	}
	*v = n;
	return 0;
}
