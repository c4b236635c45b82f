// SPDX-License-Identifier: Apache-2.0
/* vsock_uds_open, _close, _discard: builder thread. The rest: event-loop thread. */
#include "virtio/vsock_uds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/util.h"

/* Clients that may wait to be accepted, which happens once the guest's driver runs. */
#define BACKLOG 1024

static int unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int bind_and_listen(int fd, const struct sockaddr_un *at)
{
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0) {
		int r = -errno;

		unlink(at->sun_path);
		return r;
	}
	return 0;
}

/* A descriptor for each connection, as far as the hard limit allows; beyond it, clients wait. */
static void allow_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur == RLIM_INFINITY)
		return;
	l.rlim_cur += VSOCK_MAX_CONNS;
	if (l.rlim_cur > l.rlim_max)
		l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int vsock_uds_open(struct vsock_uds *u, const char *path, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;
	int r;

	_Static_assert(sizeof(at.sun_path) == sizeof(u->path), "a path fits wherever it fits here");
	if (len == 0 || len >= sizeof(at.sun_path))
		return err_set(e, -EINVAL, "vsock: path of %zu bytes, expected 1 to %zu", len,
			       sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, path, len);
	fd = unix_socket();
	if (fd < 0)
		return err_sys(e, fd, "vsock %s", path);
	r = bind_and_listen(fd, &at);
	if (r < 0) {
		close(fd);
		if (r == -EADDRINUSE)
			return err_set(e, r, "vsock %s: exists already, expected a free name",
				       path);
		return err_sys(e, r, "vsock %s", path);
	}
	allow_files();
	u->fd = fd;
	memcpy(u->path, at.sun_path, sizeof(u->path));
	return 0;
}

void vsock_uds_close(struct vsock_uds *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

void vsock_uds_discard(struct vsock_uds *u)
{
	if (u->fd >= 0)
		unlink(u->path);
	vsock_uds_close(u);
}

int vsock_uds_dup(struct vsock_uds *copy, const struct vsock_uds *u)
{
	int fd = fcntl(u->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	*copy = *u;
	copy->fd = fd;
	return 0;
}

int vsock_uds_accept(const struct vsock_uds *u)
{
	int fd = accept4(u->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int vsock_uds_connect(const struct vsock_uds *u, uint32_t port)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int n;
	int fd;

	n = snprintf(to.sun_path, sizeof(to.sun_path), "%s_%u", u->path, port);
	if (n < 0 || (size_t)n >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	fd = unix_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_space(const char *line, size_t len, size_t i)
{
	while (i < len && is_space(line[i]))
		i++;
	return i;
}

int vsock_uds_parse(const char *line, size_t len, uint32_t *port)
{
	static const char word[] = "CONNECT";
	size_t i = skip_space(line, len, 0);
	uint64_t value = 0;
	size_t digits;
	size_t start;

	if (len - i < sizeof(word) - 1 || strncasecmp(line + i, word, sizeof(word) - 1) != 0)
		return -EINVAL;
	i += sizeof(word) - 1;
	start = skip_space(line, len, i);
	if (start == i)
		return -EINVAL;
	for (i = start; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
		value = value * 10 + (uint64_t)(line[i] - '0');
		if (value > UINT32_MAX)
			return -EINVAL;
	}
	digits = i - start;
	if (digits == 0 || skip_space(line, len, i) != len)
		return -EINVAL;
	*port = (uint32_t)value;
	return 0;
}
