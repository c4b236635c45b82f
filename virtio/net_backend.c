// SPDX-License-Identifier: Apache-2.0
#include "virtio/net_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/net_stream.h"
#include "virtio/net_tap.h"

static int inherit(struct net_backend *b, const char *name, struct err *e)
{
	const char *digits = name + 3;
	char *end;
	long fd;

	errno = 0;
	fd = strtol(digits, &end, 10);
	if (errno != 0 || end == digits || *end != '\0' || *digits < '0' || *digits > '9' ||
	    fd > INT_MAX)
		return err_set(e, -EINVAL, "tap %s: expected fd: and a number", name);
	return net_stream_is((int)fd) ? net_stream_adopt(b, (int)fd)
				      : net_tap_adopt(b, (int)fd, name, e);
}

int net_backend_open(struct net_backend *b, const char *name, struct err *e)
{
	*b = (struct net_backend){ .fd = -1 };
	if (strncmp(name, "fd:", 3) == 0)
		return inherit(b, name, e);
	if (strncmp(name, "unix:", 5) == 0)
		return net_stream_connect(b, name + 5, e);
	return net_tap_open(b, name, e);
}

int net_backend_dup(struct net_backend *copy, const struct net_backend *b)
{
	int fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	*copy = *b;
	copy->fd = fd;
	return 0;
}

void net_backend_close(struct net_backend *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

bool net_backend_lost(int error)
{
	return error == EBADFD || error == EBADF || error == ENODEV || error == ENXIO ||
	       error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == EBADMSG;
}
