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

/* Not by write_all: a peer that has left must not end us by a signal. */
static int echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t r = send(fd, data + done, (size_t)(n - done), MSG_NOSIGNAL);

			if (r < 0)
				return -1;
			done += r;
		}
	}
	return n < 0 ? -1 : 0;
}

int verb_vsock_echo(char **args)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	struct text t = { 0 };
	uint64_t v[2];
	int l;

	if (numbers("vsock-echo", args, v, 2))
		return 2;
	at.svm_port = (unsigned int)v[0];
	l = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || bind(l, (struct sockaddr *)&at, sizeof(at)) || listen(l, 16))
		return fail("vsock-echo", "listen");
	text_str(&t, "listening");
	text_end(&t, STDOUT_FILENO);
	for (uint64_t i = 0; i < v[1]; i++) {
		int fd = accept(l, NULL, NULL);

		if (fd < 0)
			return fail("vsock-echo", "accept");
		if (echo(fd))
			say("vsock-echo: ", strerror(errno)); /* that one's bad luck */
		close(fd);
	}
	close(l);
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
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST };
	uint64_t v[3], sent = 0, got = 0;
	int r = 1, fd;

	if (numbers("vsock-call", args, v, 3))
		return 2;
	to.svm_port = (unsigned int)v[0];
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
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
