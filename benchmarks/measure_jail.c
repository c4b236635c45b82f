// SPDX-License-Identifier: Apache-2.0
/*
 * Starts one jailer and times it until the monitor in the jail listens. Static and small, so that
 * it costs the same everywhere, also where every instruction is counted.
 *
 *   measure_jail JAILER ARG...
 *
 * The monitor is told to write to descriptor 3 (--keep-fd 3 among ARGs, --ready-fd 3 after "--").
 * One fact a line:
 *   listen_ns N   from right before exec of the jailer until the monitor said that it listens
 *   cpu_ns N      the CPU time that jailer and monitor had used by then
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_FD    3
#define PATIENCE_MS 60000

static uint64_t ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) == 0 ? ns(&t) : 0;
}

static _Noreturn void fail(const char *what, pid_t child)
{
	fprintf(stderr, "measure_jail: %s: %s\n", what, strerror(errno));
	if (child > 0)
		kill(child, SIGKILL);
	exit(1);
}

int main(int argc, char **argv)
{
	uint64_t *start_ns =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char text[16] = "";
	uint64_t end, cpu = 0;
	clockid_t clock;
	int ready[2];
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: measure_jail JAILER ARG...\n");
		return 2;
	}
	if (start_ns == MAP_FAILED || pipe(ready) < 0)
		fail("pipe", 0);
	child = fork();
	if (child < 0)
		fail("fork", 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ready[1] != READY_FD && dup2(ready[1], READY_FD) < 0)
			_exit(127);
		if (ready[0] != READY_FD)
			close(ready[0]);
		*start_ns = now_ns(CLOCK_MONOTONIC);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	close(ready[1]);

	struct pollfd p = { .fd = ready[0], .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) <= 0 || read(ready[0], text, sizeof(text) - 1) < 10 ||
	    strncmp(text, "listening\n", 10) != 0)
		fail("the monitor did not say that it listens", child);
	end = now_ns(CLOCK_MONOTONIC);
	if (clock_getcpuclockid(child, &clock) == 0)
		cpu = now_ns(clock);
	printf("listen_ns %llu\ncpu_ns %llu\n", (unsigned long long)(end - *start_ns),
	       (unsigned long long)cpu);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	return 0;
}
