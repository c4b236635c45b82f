// SPDX-License-Identifier: Apache-2.0
/* Main thread, before there are others. */
#include "vmm/passt.h"

#include <errno.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/net_stream.h"

#define CHILD_FD      3
#define CHILD_FD_WORD "3"

extern char **environ;

/* Runs it with `fd` as its socket: 0, or an error number. */
static int spawn(int fd)
{
	/*
	 * The guest gets an address that says nothing of the host, and the gateway is no way to
	 * what listens on the host's loopback only.
	 */
	static const char *const argv[] = {
		"passt",       "--foreground", "--quiet",     "--ipv4-only", "--fd",
		CHILD_FD_WORD, "--address",    PASST_GUEST,   "--netmask",   PASST_NETMASK,
		"--gateway",   PASST_GATEWAY,  "--no-map-gw", NULL,
	};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	/* Ctrl-C at our terminal is ours to act upon. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	/* Only this descriptor: all of ours close by themselves. */
	r = posix_spawn_file_actions_adddup2(&files, fd, CHILD_FD);
	if (r == 0)
		r = posix_spawnp(&pid, argv[0], &files, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

int passt_start(struct net_backend *b, struct err *e)
{
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, -errno, "network user: socket pair");
	r = spawn(pair[1]);
	close(pair[1]);
	if (r == 0)
		return net_stream_adopt(b, pair[0]);
	close(pair[0]);
	if (r == ENOENT)
		return err_set(
			e, -r,
			"network user: passt: not found in PATH, expected it to be installed "
			"(Debian: passt)");
	return err_sys(e, -r, "network user: passt");
}
