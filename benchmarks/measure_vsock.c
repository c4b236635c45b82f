// SPDX-License-Identifier: Apache-2.0
/*
 * The host's end of vsock connections, timed. Static and small, so that it costs the same
 * everywhere, also where every instruction is counted.
 *
 *   measure_vsock take PATH PORT        takes all that the guest sends to PORT of the host
 *   measure_vsock send PATH PORT BYTES  sends to PORT of the guest, until the guest has taken it
 *   measure_vsock ping PATH PORT COUNT  one byte there and back, COUNT times, after one to warm up
 *
 * `take` prints `ready` when the guest may connect; the others try until the guest answers. One
 * line is the result, `result vsock.KIND N`: MB/s from the connection's being there to its end, or
 * microseconds for each round trip.
 * Exit status: 0, 1 with the reason, 2 usage.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DIALS 400

static char data[65536];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "measure_vsock: %s: %s\n", what, errno ? strerror(errno) : "ended early");
	exit(1);
}

static int unix_socket(struct sockaddr_un *at, const char *path, const char *suffix)
{
	int n = snprintf(at->sun_path, sizeof(at->sun_path), "%s%s", path, suffix);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at->sun_family = AF_UNIX;
	if (n < 0 || (size_t)n >= sizeof(at->sun_path))
		errno = ENAMETOOLONG;
	else if (fd >= 0)
		return fd;
	fail(path);
}

static void write_all(int fd, const char *from, size_t len)
{
	while (len != 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send");
		from += n;
		len -= (size_t)n;
	}
}

/* Reads until the end; returns the number of bytes. */
static uint64_t take_all(int fd)
{
	uint64_t sum = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		sum += (uint64_t)n;
	if (n < 0)
		fail("read");
	return sum;
}

/* One attempt: a connection, or -1. */
static int try_to_dial(const char *path, const char *port)
{
	struct sockaddr_un to = { 0 };
	int fd = unix_socket(&to, path, "");
	char c = 0;
	int n;

	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0) {
		n = snprintf(data, sizeof(data), "CONNECT %s\n", port);
		write_all(fd, data, (size_t)n);
		while (c != '\n' && read(fd, &c, 1) == 1)
			;
		if (c == '\n')
			return fd;
	}
	close(fd);
	return -1;
}

static int dial(const char *path, const char *port)
{
	for (int i = 0; i < DIALS; i++) {
		int fd = try_to_dial(path, port);

		if (fd >= 0)
			return fd;
		usleep(50000);
	}
	errno = ETIMEDOUT;
	fail(path);
}

static double rate(uint64_t bytes, uint64_t ns)
{
	return (double)bytes * 1000 / (double)ns;
}

static double measure_take(const char *path, const char *port)
{
	struct sockaddr_un at = { 0 };
	char suffix[32];
	uint64_t begin, bytes;
	int l, fd;

	snprintf(suffix, sizeof(suffix), "_%s", port);
	l = unix_socket(&at, path, suffix);
	unlink(at.sun_path);
	if (bind(l, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(l, 1) < 0)
		fail(at.sun_path);
	puts("ready");
	fflush(stdout);
	fd = accept(l, NULL, NULL);
	if (fd < 0)
		fail("accept");
	begin = now_ns();
	bytes = take_all(fd);
	if (bytes == 0)
		fail("nothing came");
	return rate(bytes, now_ns() - begin);
}

static double measure_send(const char *path, const char *port, uint64_t bytes)
{
	int fd = dial(path, port);
	uint64_t begin = now_ns();

	for (uint64_t left = bytes; left != 0;) {
		size_t n = left < sizeof(data) ? (size_t)left : sizeof(data);

		write_all(fd, data, n);
		left -= n;
	}
	if (shutdown(fd, SHUT_WR) < 0)
		fail("shutdown");
	take_all(fd); /* the guest closes when it has read the end */
	return rate(bytes, now_ns() - begin);
}

static void ping(int fd)
{
	write_all(fd, data, 1);
	errno = 0;
	if (read(fd, data, 1) != 1)
		fail("ping");
}

static double measure_ping(const char *path, const char *port, uint64_t count)
{
	int fd = dial(path, port);
	uint64_t begin;

	ping(fd);
	begin = now_ns();
	for (uint64_t i = 0; i < count; i++)
		ping(fd);
	return (double)(now_ns() - begin) / (double)count / 1000;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 3 ? argv[1] : "";
	uint64_t number = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	double value;

	if (strcmp(kind, "take") == 0 && argc == 4) {
		value = measure_take(argv[2], argv[3]);
	} else if (strcmp(kind, "send") == 0 && number != 0) {
		value = measure_send(argv[2], argv[3], number);
	} else if (strcmp(kind, "ping") == 0 && number != 0) {
		value = measure_ping(argv[2], argv[3], number);
	} else {
		fprintf(stderr, "usage: measure_vsock take PATH PORT | send PATH PORT BYTES | "
				"ping PATH PORT COUNT\n");
		return 2;
	}
	printf("result vsock.%s %.2f\n", kind, value);
	return 0;
}
