/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of vsock: Unix stream sockets, by Firecracker's protocol.
 *
 *   host to guest: a client connects to PATH and writes "CONNECT <port>\n"; it is answered
 *                  "OK <host port>\n" once the guest has accepted, or the connection is closed
 *   guest to host: a connection to port P of the host is one to the socket PATH_P
 *
 * Paths may be relative to the working directory. All sockets are non-blocking.
 */
#ifndef MOTE_VIRTIO_VSOCK_UDS_H
#define MOTE_VIRTIO_VSOCK_UDS_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define VSOCK_MAX_CONNS 1023u /* at once, each with a descriptor */

#define VSOCK_LINE_MAX	32 /* bytes of a CONNECT line, with its newline */

struct vsock_uds {
	int fd;		/* listens; -1 = closed */
	char path[108]; /* NUL-terminated, as in struct sockaddr_un */
};

/*
 * Makes the socket at `path`, which must not exist, and listens. On failure *e names it and what
 * was expected, and nothing is held or left. The process's limit of descriptors grows by
 * VSOCK_MAX_CONNS, as far as it may. Builder thread; clients may connect from now on.
 */
int vsock_uds_open(struct vsock_uds *u, const char *path, struct err *e) MUST_CHECK;

/* Closes it. The file stays: clients may hold on to its name, and so does whoever gave it. */
void vsock_uds_close(struct vsock_uds *u);

/* Closes it and removes the file: for a configuration that is replaced by another one. */
void vsock_uds_discard(struct vsock_uds *u);

/* A second handle on the same listener, with a descriptor of its own. -errno of fcntl. */
int vsock_uds_dup(struct vsock_uds *copy, const struct vsock_uds *u) MUST_CHECK;

/* Next client: a descriptor for the caller to close, or -errno; -EAGAIN: none is waiting. */
int vsock_uds_accept(const struct vsock_uds *u) MUST_CHECK;

/*
 * Connects to the listener for the guest's connections to `port`: a descriptor for the caller to
 * close, or -errno. A Unix socket connects at once or not at all, so there is nothing to wait for.
 */
int vsock_uds_connect(const struct vsock_uds *u, uint32_t port) MUST_CHECK;

/* Reads a line of `len` bytes, with its newline. 0 and the port, or -EINVAL: not a request. */
int vsock_uds_parse(const char *line, size_t len, uint32_t *port) MUST_CHECK;

#endif
