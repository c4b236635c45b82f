// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/verbs_vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/pattern.h"
#include "kernel-config/init/text.h"

#define GATHER_MAX 1020u /* what a limit of 1024 descriptors leaves */

static uint8_t data[65536];
static uint8_t want[sizeof(data)];

static int fail(const char *verb, const char *what)
{
	say(verb, ": ", what, ": ", strerror(errno));
	return 1;
}

/* The first `nr` arguments, all of them numbers; the first one is a port. */
static int numbers(const char *verb, char **args, uint64_t *v, int nr)
{
	for (int i = 0; i < nr; i++) {
		if (!args_number(args[i], &v[i]) && (i != 0 || v[i] <= UINT32_MAX))
			continue;
		say(verb, ": '", args[i], "': expected a decimal number");
		return -EINVAL;
	}
	return 0;
}

/* Reads to the end, and does nothing with it. */
static int take(int fd)
{
	ssize_t n;

	do {
		n = read(fd, data, sizeof(data));
	} while (n > 0);
	return n < 0 ? -1 : 0;
}

/* Not by write_all: a peer that has left must not end us by a signal. */
static int send_data(int fd, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = send(fd, data + done, n - done, MSG_NOSIGNAL);

		if (r < 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

static int echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		if (send_data(fd, (size_t)n))
			return -1;
	}
	return n < 0 ? -1 : 0;
}

/* Listens to `port` and says so; the descriptor, or -1. */
static int listen_to(uint64_t port)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = (unsigned int)port };
	struct text t = { 0 };
	int l = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (l < 0 || bind(l, (struct sockaddr *)&at, sizeof(at)) || listen(l, 16))
		return -1;
	text_str(&t, "listening");
	text_end(&t, STDOUT_FILENO);
	return l;
}

/* Has `serve` see to v[1] connections to port v[0], one after the other. */
static int listen_for(const char *verb, const uint64_t *v, int (*serve)(int fd))
{
	int l = listen_to(v[0]);

	if (l < 0)
		return fail(verb, "listen");
	for (uint64_t i = 0; i < v[1]; i++) {
		int fd = accept(l, NULL, NULL);

		if (fd < 0)
			return fail(verb, "accept");
		if (serve(fd))
			say(verb, ": ", strerror(errno)); /* that one's bad luck */
		close(fd);
	}
	close(l);
	return 0;
}

int verb_vsock_echo(char **args)
{
	uint64_t v[2];

	return numbers("vsock-echo", args, v, 2) ? 2 : listen_for("vsock-echo", v, echo);
}

int verb_vsock_take(char **args)
{
	uint64_t v[2];

	return numbers("vsock-take", args, v, 2) ? 2 : listen_for("vsock-take", v, take);
}

int verb_vsock_gather(char **args)
{
	static int conn[GATHER_MAX];
	static const char verb[] = "vsock-gather";
	uint64_t v[2];
	int status = 0;
	int l;

	if (numbers(verb, args, v, 2))
		return 2;
	if (v[1] > GATHER_MAX) {
		say(verb, ": '", args[1], "': expected at most 1020");
		return 2;
	}
	l = listen_to(v[0]);
	if (l < 0)
		return fail(verb, "listen");
	for (uint64_t i = 0; i < v[1]; i++) {
		conn[i] = accept(l, NULL, NULL);
		if (conn[i] < 0)
			return fail(verb, "accept");
	}
	for (uint64_t i = 0; i < v[1]; i++) {
		if (echo(conn[i]))
			status = fail(verb, "echo");
		close(conn[i]);
	}
	close(l);
	return status;
}

/* A connection to that port of the host, or -1. */
static int call_host(uint64_t port)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_HOST,
				  .svm_port = (unsigned int)port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

int verb_vsock_send(char **args)
{
	uint64_t v[2];
	int fd;

	if (numbers("vsock-send", args, v, 2))
		return 2;
	fd = call_host(v[0]);
	if (fd < 0)
		return fail("vsock-send", "connect");
	for (uint64_t left = v[1]; left != 0;) {
		size_t n = left < sizeof(data) ? (size_t)left : sizeof(data);

		if (send_data(fd, n))
			return fail("vsock-send", "send");
		left -= n;
	}
	if (shutdown(fd, SHUT_WR) || take(fd))
		return fail("vsock-send", "end");
	close(fd);
	return 0;
}

/* Sends a piece of the pattern, as much of it as goes. Returns 0 or -1. */
static int call_out(int fd, const uint64_t *v, uint64_t *sent)
{
	size_t n = v[1] - *sent < sizeof(data) ? (size_t)(v[1] - *sent) : sizeof(data);
	ssize_t r;

	pattern_fill(v[2], *sent, data, n);
	r = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0)
		return errno == EAGAIN ? 0 : -1;
	*sent += (uint64_t)r;
	return *sent == v[1] ? shutdown(fd, SHUT_WR) : 0;
}

/* Takes in what came back. 1 = more to come, 0 = all was right and then ended, -1 = not. */
static int call_in(int fd, const uint64_t *v, uint64_t *got)
{
	ssize_t n = read(fd, data, sizeof(data));

	if (n < 0)
		return -1;
	if (n == 0 || (uint64_t)n > v[1] - *got) {
		errno = n == 0 ? EPIPE : EMSGSIZE;
		return n == 0 && *got == v[1] ? 0 : -1;
	}
	pattern_fill(v[2], *got, want, (size_t)n);
	if (memcmp(data, want, (size_t)n) != 0) {
		errno = EILSEQ;
		return -1;
	}
	*got += (uint64_t)n;
	return 1;
}

int verb_vsock_call(char **args)
{
	uint64_t v[3], sent = 0, got = 0;
	int r = 1, fd;

	if (numbers("vsock-call", args, v, 3))
		return 2;
	fd = call_host(v[0]);
	if (fd < 0)
		return fail("vsock-call", "connect");
	while (r > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (sent < v[1])
			p.events |= POLLOUT;
		if (poll(&p, 1, -1) < 0)
			return fail("vsock-call", "poll");
		if (p.revents & POLLOUT && call_out(fd, v, &sent))
			return fail("vsock-call", "send");
		if (p.revents & ~POLLOUT)
			r = call_in(fd, v, &got);
	}
	if (r < 0)
		return fail("vsock-call", "receive");
	close(fd);
	return 0;
}
