// SPDX-License-Identifier: Apache-2.0
#include "vmm/sigend.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>

int sigend_hold(const sigset_t *set)
{
	int fd;

	/* Once the guest runs no handler can be changed any more. */
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		if (sigismember(set, sig) == 1)
			signal(sig, SIG_DFL);
	}
	sigprocmask(SIG_BLOCK, set, NULL);
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int sigend_waiting(void)
{
	sigset_t waiting;

	sigpending(&waiting);
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		if (sigismember(&waiting, sig) == 1)
			return sig;
	}
	return 0;
}

void sigend_release(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
