// SPDX-License-Identifier: Apache-2.0
/* Main thread; term_restore also from signal handlers. */
#include "vmm/term.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/util.h"

/* What a signal handler needs can only be global. */
static struct termios saved;
static volatile sig_atomic_t taken_fd = -1;

bool term_usable(int fd)
{
	return isatty(fd) && tcgetpgrp(fd) == getpgrp();
}

void term_restore(void)
{
	int fd = taken_fd;

	if (fd < 0)
		return;
	taken_fd = -1;
	tcsetattr(fd, TCSANOW, &saved);
}

/* A crash must not leave a terminal that does not echo. */
static void on_fatal(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	term_restore();
	/* A fault of our own comes again, and has its usual effect. What somebody sent does not,
	 * and our filters let us send nothing. */
	if (info->si_code <= 0)
		_exit(128 + sig);
}

int term_raw(int fd)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction sa = { .sa_sigaction = on_fatal,
				.sa_flags = (int)SA_RESETHAND | SA_SIGINFO };
	static bool registered;
	struct sigaction old;
	struct termios raw;

	if (tcgetattr(fd, &saved) < 0)
		return -errno;
	raw = saved;
	cfmakeraw(&raw);
	/* The guest's own terminal driver has turned newlines into CR LF already. */
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		/* A handler that is there already restores the terminal itself. */
		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(fatal[i], &sa, NULL);
	}
	if (!registered)
		registered = atexit(term_restore) == 0;
	taken_fd = fd;
	if (tcsetattr(fd, TCSANOW, &raw) < 0) {
		taken_fd = -1;
		return -errno;
	}
	return 0;
}
