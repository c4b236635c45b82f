// SPDX-License-Identifier: Apache-2.0
/*
 * A hostile guest, and hosts of any kind, at one vsock device. Input: steps of one byte, what it
 * needs following it. Whatever happens, connections keep their accounts, the tables are whole, and
 * after a reset nothing is left.
 */
#include "virtio/vsock.h"

#include "tests/lib/require.h"
#include "tests/lib/vguest.h"
#include "virtio/vsock_conn.h"

#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT  5u
#define PEERS 4

enum step {
	PACKET,	   /* of a connection that may exist: op, ports, flags, length of payload */
	RAW,	   /* 44 bytes of header */
	CHAIN,	   /* queue and a descriptor as it comes */
	CLIENT,	   /* comes, or goes */
	SAY,	   /* a client or peer sends bytes */
	CLIENT_GO, /* "CONNECT 5\n" */
	HEAR,	   /* reads a number of bytes */
	SHUT,	   /* closes its half */
	ACCEPT,	   /* takes a connection of the guest's, or lets one go */
	FEED,	   /* the guest takes what came and gives the buffers back */
	RESET,
	NR_STEPS
};

struct input {
	const uint8_t *p;
	size_t left;
};

static struct vguest g;
static int peer[PEERS]; /* clients, and what was accepted */
static int listener;

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

static void send_chain(uint32_t len)
{
	const struct vring_desc desc[] = { READS(VGUEST_HEADER, sizeof(struct virtio_vsock_hdr)),
					   READS(VGUEST_PAYLOAD, len) };

	driver_chain(&g.tx, 0, desc, len != 0 ? 2 : 1);
	board_kick(&g.b, 1);
}

static void packet(struct input *in)
{
	static const uint32_t ports[] = { PORT, 1u << 30, (1u << 30) + 1, 6 };
	struct virtio_vsock_hdr h = { .src_cid = VGUEST_CID, .dst_cid = 2, .type = 1 };
	uint8_t which = next(in);

	h.op = next(in) % 9;
	h.dst_port = ports[which % 4];
	h.src_port = which >> 2 & 1 ? PORT : which >> 4;
	h.flags = next(in);
	h.len = (uint32_t)next(in) << 8 | (which >> 3 & 1);
	h.buf_alloc = (uint32_t)next(in) << 8;
	h.fwd_cnt = (uint32_t)next(in) << 8;
	memcpy(guest_at(&g.b.g, VGUEST_HEADER, sizeof(h)), &h, sizeof(h));
	/* Sometimes the chain has less than the header says. */
	send_chain(which == 0xff ? h.len / 2 : h.len);
}

static void raw(struct input *in)
{
	uint8_t *at = guest_at(&g.b.g, VGUEST_HEADER, sizeof(struct virtio_vsock_hdr));

	for (size_t i = 0; i < sizeof(struct virtio_vsock_hdr); i++)
		at[i] = next(in);
	send_chain(100);
}

static void chain(struct input *in)
{
	struct driver *d[] = { &g.rx, &g.tx, &g.event };
	uint32_t q = next(in) % 3;
	struct vring_desc desc;
	uint8_t at = next(in);

	desc.addr = (uint64_t)next(in) << 12 | next(in);
	desc.len = (uint32_t)next(in) << 4 | (next(in) & 15);
	desc.flags = next(in) & 7;
	desc.next = next(in) % (VGUEST_BUFFERS + 1);
	driver_desc(d[q], at % VGUEST_BUFFERS, desc);
	driver_offer(d[q], at >> 4);
	board_kick(&g.b, q);
}

static void hang_up(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void say(int fd, struct input *in)
{
	static uint8_t bytes[4096];
	size_t len = next(in);

	if (len >= 32) {
		len = len << 4;
	} else {
		for (size_t i = 0; i < len; i++)
			bytes[i] = next(in);
	}
	if (fd >= 0 && send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void hear(int fd, size_t len)
{
	static uint8_t bytes[65536];

	if (fd >= 0 && recv(fd, bytes, len << 8, MSG_DONTWAIT) < 0)
		return;
}

static void feed(void)
{
	struct vring_used_elem e;

	while (driver_used(&g.rx, &e))
		driver_offer(&g.rx, (uint16_t)e.id);
	board_kick(&g.b, 0);
	while (driver_used(&g.tx, &e)) {
	}
}

static void one_step(struct input *in)
{
	uint8_t what = next(in);
	int *fd = &peer[what >> 6];

	switch ((enum step)(what % 16)) {
	case PACKET:
		packet(in);
		break;
	case RAW:
		raw(in);
		break;
	case CHAIN:
		chain(in);
		break;
	case CLIENT:
		hang_up(fd);
		if (!(what & 16))
			*fd = vguest_client(&g);
		break;
	case SAY:
		say(*fd, in);
		break;
	case CLIENT_GO:
		hang_up(fd);
		*fd = vguest_client(&g);
		REQUIRE(send(*fd, "CONNECT 5\n", 10, 0) == 10);
		break;
	case HEAR:
		hear(*fd, next(in));
		break;
	case SHUT:
		if (*fd >= 0)
			shutdown(*fd, what & 16 ? SHUT_RD : SHUT_WR);
		break;
	case ACCEPT:
		hang_up(fd);
		*fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		break;
	case RESET:
		board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
		REQUIRE(g.v.conns.nr == 0);
		vguest_start(&g, g.v.dev.features);
		break;
	case FEED:
	case NR_STEPS:
	default:
		feed();
	}
	/* What follows may come before the device saw this. */
	if (!(what & 32))
		vguest_settle(&g);
}

static void check_conn(const struct vsock_conn *c)
{
	REQUIRE(c->buf_len <= VSOCK_BUF_LEN && c->buf_head < VSOCK_BUF_LEN);
	if (c->state == VSOCK_OPEN)
		REQUIRE(c->received - c->forwarded == c->buf_len);
	REQUIRE((c->fd >= 0) == (c->state != VSOCK_DYING));
	REQUIRE(c->fd >= 0 || (c->pending != 0 && c->buf_len == 0));
	REQUIRE(c->pending == 0 || c->on_list & 1u << VSOCK_READY);
	REQUIRE(!c->hashed || vsock_find(c->owner, c->host_port, c->guest_port) == c);
}

static void check(void)
{
	const struct vsock_conns *s = &g.v.conns;
	unsigned int nr = 0;

	REQUIRE(s->nr_orphans <= VSOCK_MAX_ORPHANS && s->fresh <= VSOCK_MAX_CONNS);
	for (unsigned int i = 1; i <= s->fresh; i++) {
		if (s->m->conn[i].state == VSOCK_FREE)
			continue;
		check_conn(&s->m->conn[i]);
		nr++;
	}
	REQUIRE(nr == s->nr);
	REQUIRE(g.v.dev.vq[0].nr_in_flight <= VSOCK_BATCH && g.v.dev.vq[1].nr_in_flight == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };

	vguest_init(&g);
	listener = vguest_listen(&g, PORT, 2);
	for (int i = 0; i < PEERS; i++)
		peer[i] = -1;
	for (int i = 0; i < 200 && in.left != 0; i++) {
		one_step(&in);
		check();
	}
	for (int i = 0; i < PEERS; i++)
		hang_up(&peer[i]);
	vguest_settle(&g);
	check();
	board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
	REQUIRE(g.v.conns.nr == 0);
	vguest_unlisten(&g, PORT, listener);
	vguest_release(&g);
	return 0;
}
