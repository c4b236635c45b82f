// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/vguest.h"

#include "tests/lib/require.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void vguest_start(struct vguest *g, uint64_t features)
{
	board_negotiate(&g->b, features);
	driver_init(&g->rx, &g->b.g, VGUEST_BUFFERS, 0);
	driver_init(&g->tx, &g->b.g, VGUEST_BUFFERS, 0x1000);
	driver_init(&g->event, &g->b.g, VGUEST_BUFFERS, 0x2000);
	board_queue(&g->b, 0, &g->rx.regs);
	board_queue(&g->b, 1, &g->tx.regs);
	board_queue(&g->b, 2, &g->event.regs);
	for (uint16_t i = 0; i < VGUEST_BUFFERS; i++) {
		driver_desc(
			&g->rx, i,
			(struct vring_desc)WRITES(VGUEST_RX + i * VGUEST_BUFFER, VGUEST_BUFFER));
	}
	board_driver_ok(&g->b);
	if (g->hungry) {
		for (uint16_t i = 0; i < VGUEST_BUFFERS; i++)
			driver_offer(&g->rx, i);
	}
	vguest_settle(g);
}

void vguest_init(struct vguest *g)
{
	struct vsock_uds uds;
	struct err e;

	memset(g, 0, sizeof(*g));
	snprintf(g->dir, sizeof(g->dir), "/tmp/mote-vsock-XXXXXX");
	REQUIRE(mkdtemp(g->dir));
	snprintf(g->path, sizeof(g->path), "%s/v", g->dir);
	REQUIRE(vsock_uds_open(&uds, g->path, &e) == 0);
	REQUIRE(vsock_init(&g->v, &uds, VGUEST_CID, &e) == 0);
	board_init(&g->b, &g->v.dev);
	g->hungry = true;
	g->buf_alloc = 256 * 1024;
	vguest_start(g, g->v.dev.features);
}

void vguest_release(struct vguest *g)
{
	board_release(&g->b);
	unlink(g->path);
	REQUIRE(rmdir(g->dir) == 0);
}

/* Are there events? What woke the loop for the end of board_pump is none. */
static bool has_events(struct vguest *g, int ms)
{
	struct pollfd p = { .fd = g->b.loop.epfd, .events = POLLIN };
	uint64_t count;

	if (read(g->b.loop.wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	return poll(&p, 1, ms) > 0;
}

void vguest_settle(struct vguest *g)
{
	do {
		board_pump(&g->b);
	} while (has_events(g, 0));
}

void vguest_wait(struct vguest *g, int ms)
{
	if (has_events(g, ms))
		vguest_settle(g);
}

void vguest_send_raw(struct vguest *g, const struct virtio_vsock_hdr *h, const void *payload,
		     uint32_t len)
{
	const struct vring_desc desc[] = { READS(VGUEST_HEADER, sizeof(*h)),
					   READS(VGUEST_PAYLOAD, len) };
	struct vring_used_elem e;

	memcpy(guest_at(&g->b.g, VGUEST_HEADER, sizeof(*h)), h, sizeof(*h));
	if (len != 0)
		memcpy(guest_at(&g->b.g, VGUEST_PAYLOAD, len), payload, len);
	driver_chain(&g->tx, 0, desc, len != 0 ? 2 : 1);
	board_kick(&g->b, 1);
	vguest_settle(g);
	REQUIRE(driver_used(&g->tx, &e) && e.id == 0 && e.len == 0);
}

void vguest_send(struct vguest *g, uint16_t op, uint32_t host_port, uint32_t guest_port,
		 uint32_t flags, const void *payload, uint32_t len)
{
	const struct virtio_vsock_hdr h = {
		.src_cid = VGUEST_CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = g->buf_alloc,
		.fwd_cnt = g->fwd_cnt,
	};

	vguest_send_raw(g, &h, payload, len);
}

void vguest_feed(struct vguest *g, uint16_t i)
{
	driver_offer(&g->rx, i);
	board_kick(&g->b, 0);
}

bool vguest_get(struct vguest *g, struct virtio_vsock_hdr *h, void *payload)
{
	struct vring_used_elem e;
	const uint8_t *at;

	if (!driver_used(&g->rx, &e))
		return false;
	REQUIRE(e.id < VGUEST_BUFFERS && e.len <= VGUEST_BUFFER && e.len >= sizeof(*h));
	at = guest_at(&g->b.g, VGUEST_RX + e.id * VGUEST_BUFFER, VGUEST_BUFFER);
	memcpy(h, at, sizeof(*h));
	REQUIRE(e.len == sizeof(*h) + h->len);
	if (payload)
		memcpy(payload, at + sizeof(*h), h->len);
	if (g->hungry) {
		vguest_feed(g, (uint16_t)e.id);
		vguest_settle(g);
	}
	return true;
}

int vguest_client(const struct vguest *g)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, g->path, strlen(g->path));
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

static void port_path(const struct vguest *g, uint32_t port, struct sockaddr_un *at)
{
	memset(at, 0, sizeof(*at));
	at->sun_family = AF_UNIX;
	snprintf(at->sun_path, sizeof(at->sun_path), "%s_%u", g->path, port);
}

int vguest_listen(const struct vguest *g, uint32_t port, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;

	port_path(g, port, &at);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	REQUIRE(listen(fd, backlog) == 0);
	return fd;
}

void vguest_unlisten(const struct vguest *g, uint32_t port, int fd)
{
	struct sockaddr_un at;

	port_path(g, port, &at);
	unlink(at.sun_path);
	close(fd);
}
