// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/verbs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/pattern.h"
#include "kernel-config/init/text.h"

/* The arguments of fill and verify. */
struct area {
	const char *file;
	uint64_t bytes, seed, off;
};

static uint8_t data[65536];

static int fail(const char *verb, const char *file)
{
	say(verb, " ", file, ": ", strerror(errno));
	return 1;
}

static int parse_area(struct area *a, char **args)
{
	struct {
		const char *what;
		uint64_t *to;
	} numbers[] = { { "bytes", &a->bytes }, { "seed", &a->seed }, { "offset", &a->off } };

	a->file = args[0];
	for (int i = 0; i < 3 && args[i + 1]; i++) {
		if (!args_number(args[i + 1], numbers[i].to))
			continue;
		say(numbers[i].what, " '", args[i + 1], "': expected a decimal number");
		return -EINVAL;
	}
	if (a->off > INT64_MAX || a->bytes > INT64_MAX - a->off) {
		say("offset and bytes: their sum does not fit a file");
		return -EINVAL;
	}
	return 0;
}

static size_t next_chunk(uint64_t left)
{
	return left < sizeof(data) ? (size_t)left : sizeof(data);
}

int verb_cat(char **args)
{
	int fd = open(args[0], O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return fail("cat", args[0]);
	while ((n = read(fd, data, sizeof(data))) > 0) {
		if (write_all(STDOUT_FILENO, data, (size_t)n))
			break;
	}
	close(fd);
	/* After a failed write n is what was read: nobody is there to be told then. */
	return n < 0 ? fail("cat", args[0]) : n > 0;
}

int verb_fill(char **args)
{
	struct area a = { 0 };
	int fd, rc = 0;

	if (parse_area(&a, args))
		return 2;
	fd = open(a.file, O_WRONLY | O_CREAT | O_CLOEXEC | (args[3] ? 0 : O_TRUNC), 0644);
	if (fd < 0 || lseek(fd, (off_t)a.off, SEEK_SET) < 0)
		return fail("fill", a.file);
	for (uint64_t done = 0; done < a.bytes && !rc;) {
		size_t n = next_chunk(a.bytes - done);

		pattern_fill(a.seed, a.off + done, data, n);
		rc = write_all(fd, data, n);
		done += n;
	}
	if (rc)
		errno = -rc;
	/* A close that fails loses data just as well. */
	if (rc || fsync(fd) || close(fd))
		return fail("fill", a.file);
	return 0;
}

static void tell_difference(const struct area *a, uint64_t at, uint8_t got, uint8_t want)
{
	struct text t = { 0 };

	text_str(&t, "verify ");
	text_str(&t, a->file);
	text_str(&t, ": byte ");
	text_dec(&t, at);
	text_str(&t, " is 0x");
	text_hex(&t, got);
	text_str(&t, ", expected 0x");
	text_hex(&t, want);
	t.buf[t.len < sizeof(t.buf) ? t.len : sizeof(t.buf) - 1] = '\0';
	say(t.buf);
}

/* Compare the n bytes read from offset at on. */
static bool same(const struct area *a, uint64_t at, size_t n)
{
	static uint8_t want[sizeof(data)];

	pattern_fill(a->seed, at, want, n);
	if (!memcmp(want, data, n))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (data[i] == want[i])
			continue;
		tell_difference(a, at + i, data[i], want[i]);
		break;
	}
	return false;
}

int verb_verify(char **args)
{
	struct area a = { 0 };
	int fd;

	if (parse_area(&a, args))
		return 2;
	fd = open(a.file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || lseek(fd, (off_t)a.off, SEEK_SET) < 0)
		return fail("verify", a.file);
	/* From the disk, not from what this guest still remembers; only clean pages can go. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (uint64_t done = 0; done < a.bytes;) {
		ssize_t n = read(fd, data, next_chunk(a.bytes - done));

		if (n < 0)
			return fail("verify", a.file);
		if (n == 0) {
			say("verify ", a.file, ": it is too short");
			return 1;
		}
		if (!same(&a, a.off + done, (size_t)n))
			return 1;
		done += (uint64_t)n;
	}
	close(fd);
	return 0;
}

int verb_rng(char **args)
{
	uint64_t left;
	int fd;

	if (args_number(args[0], &left)) {
		say("bytes '", args[0], "': expected a decimal number");
		return 2;
	}
	fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail("rng", "/dev/hwrng");
	while (left) {
		struct text t = { 0 };
		ssize_t n = read(fd, data, left < 32 ? (size_t)left : 32);

		if (n <= 0)
			return fail("rng", "/dev/hwrng");
		for (ssize_t i = 0; i < n; i++)
			text_hex(&t, data[i]);
		if (text_end(&t, STDOUT_FILENO))
			return 1;
		left -= (uint64_t)n;
	}
	close(fd);
	return 0;
}
