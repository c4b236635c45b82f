// SPDX-License-Identifier: Apache-2.0
/* The one way in which L1 gives up. Process 1, main thread. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

static int fail_fd = -1;

void l1_fail_to(int fd)
{
	fail_fd = fd;
}

void l1_fail(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (fail_fd >= 0) {
		dprintf(fail_fd, "fail %s\n", line);
		/* run ends QEMU when it has read the line; a reboot now could overtake it. */
		sleep(10);
	} else {
		dprintf(STDERR_FILENO, "testbed: %s\n", line);
	}
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot and ends here */
	for (;;)
		pause();
}
