// SPDX-License-Identifier: Apache-2.0
/* Opening: builder thread. The backend's functions: event-loop thread. */
#include "virtio/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/util.h"

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER, "frame header, virtio 1.2 §5.1.6");

/* The type of a request is libc's choice: int with musl, where some of tun's are negative. */
#ifdef __GLIBC__
#define REQUEST(r) (r)
#else
#define REQUEST(r) ((int)(r))
#endif

#define TUN_FILE "/dev/net/tun"
#define WANTED	 (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static int tap_set_offload(struct net_backend *t, unsigned int offload)
{
	offload &= t->offload;
	if (offload == t->offload_on)
		return 0;
	if (ioctl(t->fd, REQUEST(TUNSETOFFLOAD), (unsigned long)offload) < 0)
		return -errno;
	t->offload_on = offload;
	return 0;
}

/* Makes the open descriptor fit for us: header size, no waiting, and what it can do. */
static int prepare(struct net_backend *t, const char *name, struct err *e)
{
	/* The best first; each kernel knows some of them. */
	static const unsigned int sets[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
		TUN_F_CSUM,
	};
	int header = NET_HEADER;
	int flags = fcntl(t->fd, F_GETFL);

	if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(t->fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, -errno, "tap %s", name);
	if (ioctl(t->fd, REQUEST(TUNSETVNETHDRSZ), &header) < 0)
		return err_sys(e, -errno, "tap %s: header of %d bytes", name, header);
	for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
		if (ioctl(t->fd, REQUEST(TUNSETOFFLOAD), (unsigned long)sets[i]) == 0) {
			t->offload = sets[i];
			break;
		}
	}
	/* A host that sends before the guest has said what it takes sends plain frames. */
	t->offload_on = t->offload;
	if (tap_set_offload(t, 0) < 0)
		return err_sys(e, -errno, "tap %s: offloads", name);
	return 0;
}

/* The sentence for what TUNSETIFF on an interface's name said. */
static int refused(const char *name, int error, struct err *e)
{
	switch (error) {
	case EBUSY:
		return err_set(e, -error, "tap %s: busy, expected that nobody else has it open",
			       name);
	case EINVAL:
		return err_set(e, -error,
			       "tap %s: not a tap with one queue, expected one made by "
			       "'ip tuntap add mode tap'",
			       name);
	case EPERM:
		/* We may not make one; is there one that is somebody else's? */
		if (if_nametoindex(name) == 0)
			return err_set(e, -ENODEV,
				       "tap %s: no such interface, and no permission to make it",
				       name);
		return err_set(e, -error,
			       "tap %s: no permission, expected its owner or CAP_NET_ADMIN", name);
	default:
		return err_sys(e, -error, "tap %s", name);
	}
}

static int open_interface(struct net_backend *t, const char *name, struct err *e)
{
	struct ifreq ifr = { .ifr_flags = (short)WANTED };
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ)
		return err_set(e, -EINVAL, "tap '%s': a name of %zu bytes, expected 1 to %d", name,
			       len, IFNAMSIZ - 1);
	memcpy(ifr.ifr_name, name, len);
	t->fd = open(TUN_FILE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0)
		return err_sys(e, -errno, "tap %s: %s", name, TUN_FILE);
	if (ioctl(t->fd, REQUEST(TUNSETIFF), &ifr) < 0)
		return refused(name, errno, e);
	return 0;
}

/* The device file of a macvtap or ipvtap interface: the interface is already chosen. */
static int open_file(struct net_backend *t, const char *path, struct err *e)
{
	struct ifreq ifr = { .ifr_flags = (short)WANTED };
	struct stat st;

	t->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0)
		return err_sys(e, -errno, "tap %.200s", path);
	if (fstat(t->fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    ioctl(t->fd, REQUEST(TUNSETIFF), &ifr) < 0)
		return err_set(e, -EINVAL, "tap %.200s: expected the device file of a macvtap",
			       path);
	return 0;
}

int net_tap_adopt(struct net_backend *t, int fd, const char *name, struct err *e)
{
	struct ifreq ifr = { 0 };
	int r;

	if (ioctl(fd, REQUEST(TUNGETIFF), &ifr) < 0 || (ifr.ifr_flags & WANTED) != WANTED)
		return err_set(e, -EINVAL,
			       "tap %s: expected an open tap with IFF_NO_PI and IFF_VNET_HDR",
			       name);
	*t = (struct net_backend){ .ops = &net_tap_ops, .fd = fd };
	r = prepare(t, name, e);
	if (r < 0)
		t->fd = -1;
	return r;
}

int net_tap_open(struct net_backend *t, const char *name, struct err *e)
{
	int r;

	*t = (struct net_backend){ .ops = &net_tap_ops, .fd = -1 };
	r = strchr(name, '/') ? open_file(t, name, e) : open_interface(t, name, e);
	if (r == 0)
		r = prepare(t, name, e);
	if (r < 0)
		net_backend_close(t);
	return r;
}

/* ---- the backend's functions ----------------------------------------------------------------- */

static ssize_t tap_receive(struct net_backend *t, const struct iovec *iov, int nr)
{
	ssize_t len;

	do {
		len = readv(t->fd, iov, nr);
	} while (len < 0 && errno == EINTR);
	if (len == 0)
		return -EPIPE; /* not a tap: tests use sockets */
	return len < 0 ? -errno : len;
}

static ssize_t tap_send(struct net_backend *t, const struct iovec *iov, int nr)
{
	ssize_t len;

	do {
		len = writev(t->fd, iov, nr);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

/* The kernel takes a frame whole or not at all. */
static int tap_flush(struct net_backend *t)
{
	(void)t;
	return 0;
}

const struct net_backend_ops net_tap_ops = {
	.takes_headers = true,
	.receive = tap_receive,
	.send = tap_send,
	.flush = tap_flush,
	.set_offload = tap_set_offload,
};
