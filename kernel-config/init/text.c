// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void text_str(struct text *t, const char *s)
{
	while (*s && t->len < sizeof(t->buf))
		t->buf[t->len++] = *s++;
}

void text_dec(struct text *t, uint64_t v)
{
	char digits[21];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	text_str(t, p);
}

void text_hex(struct text *t, uint8_t v)
{
	static const char hex[] = "0123456789abcdef";
	const char digits[3] = { hex[v >> 4], hex[v & 15], '\0' };

	text_str(t, digits);
}

int text_end(struct text *t, int fd)
{
	int rc;

	if (t->len == sizeof(t->buf))
		t->len--;
	t->buf[t->len++] = '\n';
	rc = write_all(fd, t->buf, t->len);
	t->len = 0;
	return rc;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

void say_list(const char *const *strings)
{
	struct text t = { 0 };

	text_str(&t, "init: ");
	while (*strings)
		text_str(&t, *strings++);
	/* When the console cannot be written, there is nobody left to tell. */
	(void)!text_end(&t, STDERR_FILENO);
}
