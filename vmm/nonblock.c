// SPDX-License-Identifier: Apache-2.0
/* Any thread. */
#include "vmm/nonblock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int nonblock_reopen(int fd, int flags)
{
	char path[32];
	struct stat st;
	int mine;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		mine = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (mine >= 0)
			return mine;
	}
	mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (mine < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		fcntl(mine, F_SETFL, fcntl(mine, F_GETFL) | O_NONBLOCK);
	return mine;
}
