// SPDX-License-Identifier: Apache-2.0
/*
 * Starts one monitor with an API socket and times what a client waits for: the socket, calls, the
 * start of the guest. Static and small, so that it costs the same everywhere, also where every
 * instruction is counted.
 *
 *   measure_api SOCKET KERNEL INITRD MONITOR [ARG...]
 *
 * MONITOR is called with ARGs, --api-sock SOCKET and --ready-fd 3. One fact a line:
 *   listen_ns N       from right before exec until the monitor said that it listens
 *   connect_ns N      a connection
 *   call_ns NAME N    from a request's first byte sent to its answer's last received; repeated
 *   start_ns N        the same for InstanceStart
 *   booted_ns N       from InstanceStart's first byte until the guest touched the boot timer
 * Exit status: 0, 1 with the reason, 2 usage.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_FD    3
#define CALLS	    20 /* of each kind */
#define PATIENCE_MS 60000

static pid_t monitor;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *value)
{
	fprintf(stderr, "measure_api: %s: %s\n", what, value);
	if (monitor > 0)
		kill(monitor, SIGKILL);
	exit(1);
}

/* Starts the monitor; *start_ns is set by the child, which knows it. Returns the pipe to read. */
static int start(char **argv, uint64_t *start_ns)
{
	int ready[2];

	if (pipe(ready) < 0)
		fail("pipe", strerror(errno));
	monitor = fork();
	if (monitor < 0)
		fail("fork", strerror(errno));
	if (monitor == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ready[1] != READY_FD && dup2(ready[1], READY_FD) < 0)
			_exit(127);
		if (ready[0] != READY_FD)
			close(ready[0]);
		*start_ns = now_ns();
		execv(argv[0], argv);
		_exit(127);
	}
	close(ready[1]);
	return ready[0];
}

/* Waits until the monitor has written `line`. */
static void wait_for(int fd, const char *line)
{
	char text[64];
	size_t len = strlen(line);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (size_t at = 0; at < len;) {
		ssize_t n = poll(&p, 1, PATIENCE_MS) > 0 ? read(fd, text, len - at) : 0;

		if (n <= 0)
			fail("the monitor did not say", line);
		if (memcmp(text, line + at, (size_t)n) != 0)
			fail("the monitor did not say", line);
		at += (size_t)n;
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		fail("socket path too long", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail(path, strerror(errno));
	return fd;
}

/* One call; fails unless its status is `status`. Returns how long it took. */
static uint64_t call(int fd, const char *method, const char *path, const char *body,
		     const char *status)
{
	char text[8192];
	int len = snprintf(text, sizeof(text),
			   "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
			   method, path, strlen(body), body);
	uint64_t t = now_ns();
	ssize_t n;

	if (*body == '\0')
		len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
			       method, path);
	if (write(fd, text, (size_t)len) != len)
		fail(path, strerror(errno));
	/* The answers to these calls come in one piece. */
	n = read(fd, text, sizeof(text) - 1);
	t = now_ns() - t;
	if (n < 12)
		fail(path, "no answer");
	text[n] = '\0';
	if (memcmp(text + 9, status, 3) != 0)
		fail(path, text);
	return t;
}

static void time_calls(int fd, const char *kernel, const char *initrd)
{
	char boot[1024];

	snprintf(boot, sizeof(boot),
		 "{\"kernel_image_path\":\"%s\",\"initrd_path\":\"%s\",\"boot_args\":"
		 "\"console=ttyS0 reboot=k panic=-1 quiet\"}",
		 kernel, initrd);
	const struct {
		const char *name, *method, *path, *body, *status;
	} calls[] = {
		{ "GET_machine-config", "GET", "/machine-config", "", "200" },
		{ "GET_vm-config", "GET", "/vm/config", "", "200" },
		{ "PUT_machine-config", "PUT", "/machine-config",
		  "{\"vcpu_count\":1,\"mem_size_mib\":128}", "204" },
		{ "PUT_boot-source", "PUT", "/boot-source", boot, "204" },
		{ "PUT_refused", "PUT", "/machine-config", "{\"vcpu_count\":\"x\"}", "400" },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int k = 0; k < CALLS; k++)
			printf("call_ns %s %llu\n", calls[i].name,
			       (unsigned long long)call(fd, calls[i].method, calls[i].path,
							calls[i].body, calls[i].status));
	}
}

int main(int argc, char **argv)
{
	uint64_t *start_ns =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static char api_sock[] = "--api-sock", ready_fd[] = "--ready-fd", three[] = "3";
	char *args[64];
	int nr = 0;
	uint64_t t, taken;
	int ready, fd;

	if (argc < 5 || argc > 50) {
		fprintf(stderr, "usage: measure_api SOCKET KERNEL INITRD MONITOR [ARG...]\n");
		return 2;
	}
	if (start_ns == MAP_FAILED)
		fail("mmap", strerror(errno));
	for (int i = 4; i < argc; i++)
		args[nr++] = argv[i];
	args[nr++] = api_sock;
	args[nr++] = argv[1];
	args[nr++] = ready_fd;
	args[nr++] = three;
	args[nr] = NULL;
	unlink(argv[1]);
	ready = start(args, start_ns);
	wait_for(ready, "listening\n");
	printf("listen_ns %llu\n", (unsigned long long)(now_ns() - *start_ns));
	/* What the monitor makes ahead is not what a call costs. */
	usleep(50000);
	t = now_ns();
	fd = connect_to(argv[1]);
	printf("connect_ns %llu\n", (unsigned long long)(now_ns() - t));
	time_calls(fd, argv[2], argv[3]);
	t = now_ns();
	taken = call(fd, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}", "204");
	printf("start_ns %llu\n", (unsigned long long)taken);
	wait_for(ready, "running\n");
	wait_for(ready, "booted\n");
	printf("booted_ns %llu\n", (unsigned long long)(now_ns() - t));
	kill(monitor, SIGTERM);
	waitpid(monitor, NULL, 0);
	unlink(argv[1]);
	return 0;
}
