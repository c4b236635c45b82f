// SPDX-License-Identifier: Apache-2.0
/* Armed and called on one thread at a time. */
#include "tests/lib/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned int calls_left; /* 0 = disarmed */
static int fault_errno;
static bool fault_hit;

void fault_arm(unsigned int n, int error)
{
	calls_left = n;
	fault_errno = error;
	fault_hit = false;
}

bool fault_disarm(void)
{
	calls_left = 0;
	return fault_hit;
}

unsigned int fault_open_fds(void)
{
	unsigned int nr = 0;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		abort();
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static bool fails(void)
{
	if (calls_left == 0 || --calls_left != 0)
		return false;
	fault_hit = true;
	errno = fault_errno;
	return true;
}

/* Declares, and passes on, one wrapped call; the linker gives these two names their meaning. */
/* clang-format off */
#define WRAP(type, name, params, args)                       \
	type __real_##name params;                           \
	type __wrap_##name params;                           \
	type __wrap_##name params                            \
	{                                                    \
		return fails() ? (type)-1 : __real_##name args; \
	}

/* clang-format on */
WRAP(int, eventfd, (unsigned int count, int flags), (count, flags))
WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev))
WRAP(ssize_t, preadv, (int fd, const struct iovec *iov, int nr, off_t off), (fd, iov, nr, off))
WRAP(ssize_t, pwritev, (int fd, const struct iovec *iov, int nr, off_t off), (fd, iov, nr, off))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
     (fd, addr, len, flags))
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(ssize_t, readv, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
WRAP(int, timerfd_settime,
     (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),
     (fd, flags, new, old))
WRAP(int, fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(ssize_t, getrandom, (void *buf, size_t len, unsigned int flags), (buf, len, flags))

/* Advice may be ignored, and so may its failure; giving memory back is more than that. */
int __real_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice)
{
	return advice == MADV_DONTNEED && fails() ? -1 : __real_madvise(at, len, advice);
}

/*
 * Those of io_uring, which the C library has no names for. Others pass through uncounted. Not every
 * caller gives six arguments, as the C library's own function must not mind either.
 */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if ((number == SYS_io_uring_setup || number == SYS_io_uring_enter ||
	     number == SYS_io_uring_register) &&
	    fails())
		return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
