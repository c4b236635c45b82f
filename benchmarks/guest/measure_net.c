// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of a TCP connection, the host's timed. Static and small, so that it costs the same
 * everywhere, also where every instruction is counted.
 *
 * The host listens, and the guest connects:
 *   measure_net take ADDRESS PORT         takes all that the guest sends
 *   measure_net send ADDRESS PORT BYTES   sends, until the guest has taken it
 *   measure_net ping ADDRESS PORT COUNT   one byte there and back, COUNT times, after one to warm
 * up The guest: measure_net give ADDRESS PORT BYTES [WRITE]  sends, in pieces of WRITE bytes
 *   measure_net echo ADDRESS PORT         sends back what comes
 *   measure_net drain ADDRESS PORT        takes all that comes
 *   measure_net all ADDRESS PORT BYTES OWN  gives eth0 the address OWN, then give, drain and echo,
 * to PORT and the two after it
 *
 * The host's end prints `ready` when the guest may connect, and its result is one line: `KIND_ns
 * N`, the time from the connection's being there to its end, or of all round trips. Exit status: 0,
 * 1 with the reason, 2 usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char data[65536];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "measure_net: %s: %s\n", what, errno ? strerror(errno) : "ended early");
	exit(1);
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

/* Reads to the end, and sends it back if that is wanted. Returns the number of bytes. */
static uint64_t take_all(int fd, bool back)
{
	uint64_t sum = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		sum += (uint64_t)n;
		if (back)
			write_all(fd, data, (size_t)n);
	}
	if (n < 0)
		fail("read");
	return sum;
}

/* Sends `bytes` in pieces, and waits until the other end has taken them and closes. */
static void send_bytes(int fd, uint64_t bytes, size_t piece)
{
	while (bytes != 0) {
		size_t n = bytes < piece ? (size_t)bytes : piece;

		write_all(fd, data, n);
		bytes -= n;
	}
	if (shutdown(fd, SHUT_WR) < 0)
		fail("shutdown");
	take_all(fd, false);
}

static void ping(int fd)
{
	write_all(fd, data, 1);
	errno = 0;
	if (read(fd, data, 1) != 1)
		fail("ping");
}

static int one_connection(const char *address, unsigned long port, bool host)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	errno = EINVAL;
	if (s < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
		fail(address);
	if (host) {
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(s, 1) < 0)
			fail("listen");
		puts("ready");
		fflush(stdout);
		s = accept(s, NULL, NULL);
	} else if (connect(s, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		fail("connect");
	}
	if (s < 0 || setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		fail("connection");
	return s;
}

static void measure(const char *kind, int fd, uint64_t number)
{
	uint64_t begin;

	if (strcmp(kind, "ping") == 0)
		ping(fd);
	begin = now_ns();
	if (strcmp(kind, "send") == 0)
		send_bytes(fd, number, sizeof(data));
	else if (strcmp(kind, "take") == 0 && take_all(fd, false) == 0)
		fail("nothing came");
	for (uint64_t i = 0; strcmp(kind, "ping") == 0 && i < number; i++)
		ping(fd);
	printf("%s_ns %llu\n", kind, (unsigned long long)(now_ns() - begin));
}

/* An address with 24 bits of network, as `ip addr add OWN/24 dev eth0; ip link set eth0 up`. */
static void set_up_eth0(const char *own)
{
	struct ifreq ifr = { .ifr_name = "eth0" };
	struct sockaddr_in a = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	errno = EINVAL;
	if (s < 0 || inet_pton(AF_INET, own, &a.sin_addr) != 1)
		fail(own);
	memcpy(&ifr.ifr_addr, &a, sizeof(a));
	if (ioctl(s, SIOCSIFADDR, &ifr) < 0)
		fail("eth0: address");
	a.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&ifr.ifr_netmask, &a, sizeof(a));
	if (ioctl(s, SIOCSIFNETMASK, &ifr) < 0)
		fail("eth0: netmask");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		fail("eth0: up");
	close(s);
}

static void do_all(char **argv, unsigned long port, uint64_t bytes)
{
	set_up_eth0(argv[5]);
	send_bytes(one_connection(argv[2], port, false), bytes, sizeof(data));
	take_all(one_connection(argv[2], port + 1, false), false);
	take_all(one_connection(argv[2], port + 2, false), true);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 3 ? argv[1] : "";
	uint64_t number = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	size_t piece = argc > 5 ? strtoull(argv[5], NULL, 10) : sizeof(data);
	unsigned long port = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	bool numbered = strcmp(kind, "send") == 0 || strcmp(kind, "ping") == 0;

	if (strcmp(kind, "all") == 0 && number != 0 && argc == 6) {
		do_all(argv, port, number);
	} else if (strcmp(kind, "take") == 0 || (numbered && number != 0)) {
		measure(kind, one_connection(argv[2], port, true), number);
	} else if (strcmp(kind, "give") == 0 && number != 0 && piece - 1 < sizeof(data)) {
		send_bytes(one_connection(argv[2], port, false), number, piece);
	} else if (strcmp(kind, "echo") == 0 || strcmp(kind, "drain") == 0) {
		take_all(one_connection(argv[2], port, false), strcmp(kind, "echo") == 0);
	} else {
		fprintf(stderr, "usage: measure_net take|send|ping ADDRESS PORT [NUMBER]\n"
				"       measure_net give|echo|drain ADDRESS PORT [BYTES [WRITE]]\n"
				"       measure_net all ADDRESS PORT BYTES OWN\n");
		return 2;
	}
	return 0;
}
