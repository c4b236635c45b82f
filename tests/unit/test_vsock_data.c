// SPDX-License-Identifier: Apache-2.0
/* Data, credit and closing of vsock connections. How they come to be: test_vsock.c. */
#include "virtio/vsock.h"

#include "tests/lib/unit.h"
#include "tests/lib/vguest.h"
#include "virtio/vsock_conn.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT  7u  /* the host's */
#define GUEST 99u /* the guest's */
#define RCV   VIRTIO_VSOCK_SHUTDOWN_RCV
#define SEND  VIRTIO_VSOCK_SHUTDOWN_SEND
#define MUCH  (1u << 20)

static struct vguest g;
static struct virtio_vsock_hdr h;
static int host;
static uint8_t bytes[MUCH];
static uint8_t got[MUCH];

/* A connection of the guest's, with the host's end in `host`. */
static int set_up(void **state)
{
	int l;

	(void)state;
	for (uint32_t i = 0; i < MUCH; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 4096 * 31);
	memset(got, 0, sizeof(got));
	vguest_init(&g);
	l = vguest_listen(&g, PORT, 4);
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, GUEST, 0, NULL, 0);
	if (!vguest_get(&g, &h, NULL) || h.op != VIRTIO_VSOCK_OP_RESPONSE)
		return -1;
	host = accept(l, NULL, NULL);
	vguest_unlisten(&g, PORT, l);
	return host < 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (host >= 0)
		close(host);
	vguest_release(&g);
	return 0;
}

static void guest_sends(const void *data, uint32_t len)
{
	vguest_send(&g, VIRTIO_VSOCK_OP_RW, PORT, GUEST, 0, data, len);
}

static void guest_gets(uint16_t op)
{
	memset(&h, 0, sizeof(h));
	assert_true(vguest_get(&g, &h, got));
	assert_int_equal(h.op, op);
}

static void guest_gets_nothing(void)
{
	assert_false(vguest_get(&g, &h, NULL));
}

/* Reads up to `max` bytes to got + off, what comes in consequence of reading too. */
static uint32_t host_reads(uint32_t off, uint32_t max)
{
	uint32_t n = 0;
	ssize_t r;

	while (n < max && (r = recv(host, got + off + n, max - n, MSG_DONTWAIT)) > 0) {
		n += (uint32_t)r;
		vguest_settle(&g);
	}
	return n;
}

static void host_sends(const void *data, size_t len)
{
	assert_int_equal(send(host, data, len, MSG_NOSIGNAL | MSG_DONTWAIT), len);
	vguest_settle(&g);
}

static void to_the_host_in_any_size(void **state)
{
	static const uint32_t size[] = { 1, 2, 43, 4096, 4097, 65535, 65536 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(size); i++) {
		guest_sends(bytes, size[i]);
		assert_int_equal(host_reads(0, MUCH), size[i]);
		assert_memory_equal(got, bytes, size[i]);
	}
	guest_sends(bytes, 0);
	assert_int_equal(host_reads(0, MUCH), 0);
}

/* Header and payload cut where no driver would cut them, payload over touching regions. */
static void to_the_host_in_any_layout(void **state)
{
	const struct virtio_vsock_hdr out = { .src_cid = VGUEST_CID,
					      .dst_cid = 2,
					      .src_port = GUEST,
					      .dst_port = PORT,
					      .len = 3000,
					      .type = VIRTIO_VSOCK_TYPE_STREAM,
					      .op = VIRTIO_VSOCK_OP_RW,
					      .buf_alloc = 65536 };
	const struct vring_desc desc[] = { READS(GUEST_HIGH, 1), READS(GUEST_HIGH + 1, 40),
					   READS(GUEST_HIGH + 41, 10), READS(0xfff0, 2000),
					   READS(GUEST_HIGH + 4000, 5000) };
	uint8_t *at = guest_at(&g.b.g, GUEST_HIGH, 10000);
	struct vring_used_elem e;

	(void)state;
	memcpy(at, &out, sizeof(out));
	memcpy(at + sizeof(out), bytes, 7);
	memcpy(guest_at(&g.b.g, 0xfff0, 16), bytes + 7, 16);
	memcpy(guest_at(&g.b.g, GUEST_MID, 1984), bytes + 23, 1984);
	memcpy(at + 4000, bytes + 2007, 5000);
	driver_chain(&g.tx, 0, desc, ARRAY_SIZE(desc));
	board_kick(&g.b, 1);
	vguest_settle(&g);
	assert_true(driver_used(&g.tx, &e));
	assert_int_equal(host_reads(0, MUCH), 3000); /* and not the rest of the chain */
	assert_memory_equal(got, bytes, 3000);
}

static void to_the_guest(void **state)
{
	static const uint32_t size[] = { 1, 4051, 4052, 4053, 100000 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(size); i++) {
		uint32_t n = 0;
		uint8_t part[VGUEST_BUFFER];

		host_sends(bytes, size[i]);
		while (vguest_get(&g, &h, part)) {
			assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
			memcpy(got + n, part, h.len);
			n += h.len;
		}
		assert_int_equal(n, size[i]);
		assert_memory_equal(got, bytes, n);
	}
}

/* A buffer of many small pieces, over touching regions too. */
static void to_the_guest_in_any_layout(void **state)
{
	const struct vring_desc desc[] = { WRITES(GUEST_HIGH, 1), WRITES(GUEST_HIGH + 100, 42),
					   WRITES(GUEST_HIGH + 200, 3), WRITES(0xfffe, 4),
					   WRITES(GUEST_HIGH + 300, 100) };
	struct vring_used_elem e;
	const uint8_t *at = guest_at(&g.b.g, GUEST_HIGH, 400);
	uint32_t len;

	(void)state;
	/* Take all other buffers away first. */
	g.hungry = false;
	for (int i = 0; i < VGUEST_BUFFERS; i++) {
		host_sends(bytes, 1);
		guest_gets(VIRTIO_VSOCK_OP_RW);
	}
	driver_chain(&g.rx, 0, desc, ARRAY_SIZE(desc));
	board_kick(&g.b, 0);
	host_sends(bytes, 50);
	assert_true(driver_used(&g.rx, &e));
	assert_int_equal(e.len, sizeof(h) + 50);
	memcpy(&len, at + 123, sizeof(len)); /* byte 24 of the header */
	assert_int_equal(len, 50);
	assert_memory_equal(at + 201, bytes, 2);
	assert_memory_equal(guest_at(&g.b.g, 0xfffe, 2), bytes + 2, 2);
	assert_memory_equal(guest_at(&g.b.g, GUEST_MID, 2), bytes + 4, 2);
	assert_memory_equal(at + 300, bytes + 6, 44);
}

/* 1 MiB both ways at once, by odd pieces, as the credit of each side allows. */
static void a_mebibyte_each_way(void **state)
{
	static uint8_t in[MUCH];
	uint8_t part[VGUEST_BUFFER];
	uint32_t to_host = 0, from_guest = 0, to_guest = 0, from_host = 0;
	uint32_t host_fwd = 0;
	uint32_t x = 1;

	(void)state;
	g.buf_alloc = 10000;
	while (to_host < MUCH || from_guest < MUCH || to_guest < MUCH || from_host < MUCH) {
		uint32_t n;
		ssize_t r;

		x = x * 1664525 + 1013904223;
		n = (uint32_t)min_u64(min_u64(x >> 16 & 0x7fff, MUCH - from_guest),
				      VSOCK_BUF_LEN - (from_guest - host_fwd));
		guest_sends(bytes + from_guest, n);
		from_guest += n;
		to_host += host_reads(to_host, (x >> 8 & 0xffff) + 1);
		r = send(host, bytes + from_host, min_u64(x >> 12 & 0xffff, MUCH - from_host),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		from_host += r > 0 ? (uint32_t)r : 0;
		vguest_settle(&g);
		while (vguest_get(&g, &h, part)) {
			assert_true(h.op == VIRTIO_VSOCK_OP_RW ||
				    h.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			memcpy(in + to_guest, part, h.len);
			to_guest += h.len;
			host_fwd = h.fwd_cnt;
			assert_true(to_guest - g.fwd_cnt <= g.buf_alloc);
		}
		/* What the guest took, told with the next packet or by one of its own. */
		g.fwd_cnt = to_guest;
		vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	}
	assert_memory_equal(in, bytes, MUCH);
	assert_memory_equal(got, bytes, MUCH);
	assert_int_equal(g.v.conns.count.tx_bytes_count, MUCH);
	assert_int_equal(g.v.conns.count.rx_bytes_count, MUCH);
}

/* The guest has no room: the host's bytes wait in the socket until it says that it has. */
static void without_credit_nothing_is_sent(void **state)
{
	(void)state;
	g.buf_alloc = 100;
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	host_sends(bytes, 250);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 100);
	guest_gets_nothing();
	g.fwd_cnt = 30;
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 30);
	/* A buffer that shrinks, and a count that runs ahead, are no room either. */
	g.buf_alloc = 10;
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	g.fwd_cnt = 1000;
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	guest_gets_nothing();
	/* Nobody is busy meanwhile. */
	vguest_wait(&g, 20);
	g.buf_alloc = 1000;
	g.fwd_cnt = 130;
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, PORT, GUEST, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 120);
}

static struct vsock_conn *conn(void)
{
	return vsock_find(&g.v.conns, PORT, GUEST);
}

/* Sends 4 KiB after 4 KiB until the host takes no more; returns the number of bytes. */
static uint32_t stuff(void)
{
	uint32_t sent = 0;

	while (conn()->buf_len == 0) {
		guest_sends(bytes + sent, 4096);
		sent += 4096;
		assert_true(sent < MUCH - VSOCK_BUF_LEN);
	}
	/* It has heard of credit on the way. */
	while (vguest_get(&g, &h, NULL))
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	return sent;
}

static uint32_t credit_left(uint32_t sent)
{
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_REQUEST, PORT, GUEST, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_LEN);
	return h.buf_alloc - (sent - h.fwd_cnt);
}

/* In packets of up to 64 KiB. */
static void guest_sends_all(const uint8_t *from, uint32_t len)
{
	while (len != 0) {
		uint32_t part = (uint32_t)min_u64(len, VSOCK_PACKET_MAX);

		guest_sends(from, part);
		from += part;
		len -= part;
	}
}

/* The host does not read: the guest can send what it has credit for, and that is kept. */
static void a_peer_that_does_not_read(void **state)
{
	uint32_t sent = stuff();
	uint32_t left = credit_left(sent);
	unsigned char in_core[VSOCK_BUF_LEN / 4096];
	uint8_t *buf = g.v.conns.buffers + VSOCK_BUF_LEN;

	(void)state;
	assert_in_range(left, 1, VSOCK_BUF_LEN - 1);
	guest_sends_all(bytes + sent, left);
	sent += left;
	assert_int_equal(credit_left(sent), 0);
	guest_gets_nothing();
	assert_int_equal(mincore(buf, VSOCK_BUF_LEN, in_core), 0);
	assert_true(in_core[0] & 1);
	/* It reads: all of it comes, the guest hears of the room, and the memory is given back. */
	assert_int_equal(host_reads(0, 4096), 4096);
	assert_int_equal(host_reads(4096, MUCH), sent - 4096);
	assert_memory_equal(got, bytes, sent);
	guest_gets(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_true(h.fwd_cnt != 0);
	assert_int_equal(conn()->buf_len, 0);
	assert_int_equal(mincore(buf, VSOCK_BUF_LEN, in_core), 0);
	for (unsigned int i = 0; i < sizeof(in_core); i++)
		assert_false(in_core[i] & 1);
}

static void sending_without_credit_is_a_fault(void **state)
{
	uint32_t sent = stuff();
	uint32_t left = credit_left(sent);

	(void)state;
	guest_sends_all(bytes, left);
	guest_gets_nothing();
	guest_sends(bytes, 1);
	guest_gets(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(g.v.conns.nr, 0);
}

/* Updates come when the guest knows of less than 4 KiB, not before. */
static void credit_updates_are_few(void **state)
{
	(void)state;
	for (uint32_t sent = 0; sent < VSOCK_BUF_LEN - VSOCK_CREDIT_STEP; sent += 1024) {
		guest_sends(bytes, 1024);
		guest_gets_nothing();
		assert_int_equal(recv(host, got, sizeof(got), 0), 1024);
	}
	guest_sends(bytes, 1);
	guest_gets(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, VSOCK_BUF_LEN - VSOCK_CREDIT_STEP + 1);
	guest_gets_nothing();
}

/* No buffers: nothing is sent and nothing is busy; with buffers it goes on, in turns. */
static void starved(void **state)
{
	uint8_t part[VGUEST_BUFFER];
	uint64_t kicks;

	(void)state;
	g.hungry = false;
	host_sends(bytes, 150000);
	for (int i = 0; i < VGUEST_BUFFERS; i++)
		assert_true(vguest_get(&g, &h, part));
	guest_gets_nothing();
	kicks = g.v.dev.stats.kicks;
	host_sends(bytes, 1);
	vguest_wait(&g, 20);
	assert_int_equal(g.v.dev.stats.kicks, kicks);
	guest_gets_nothing();
	vguest_feed(&g, 3);
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	guest_gets_nothing();
}

static void host_closes_its_half(void **state)
{
	(void)state;
	host_sends("last words", 10);
	shutdown(host, SHUT_WR);
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 10);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, SEND);
	guest_sends("answer", 6);
	assert_int_equal(host_reads(0, MUCH), 6);
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, RCV | SEND, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(recv(host, got, 1, MSG_DONTWAIT), 0);
}

/* Bytes and the end in one event. */
static void host_writes_and_closes(void **state)
{
	(void)state;
	assert_int_equal(send(host, "all", 3, MSG_NOSIGNAL), 3);
	shutdown(host, SHUT_WR);
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 3);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, SEND);
	close(host);
	host = -1;
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, RCV | SEND);
	guest_gets_nothing();
}

/* The same with the guest's half closed before: the end is all there is. */
static void the_second_half_closes_with_data(void **state)
{
	(void)state;
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, SEND, NULL, 0);
	assert_int_equal(send(host, "all", 3, MSG_NOSIGNAL), 3);
	close(host);
	host = -1;
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 3);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, RCV | SEND);
	guest_gets_nothing();
}

static void guest_closes_its_half(void **state)
{
	(void)state;
	guest_sends("last words", 10);
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, SEND, NULL, 0);
	assert_int_equal(host_reads(0, MUCH), 10);
	assert_int_equal(recv(host, got, 1, MSG_DONTWAIT), 0);
	host_sends("answer", 6);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 6);
	/* It said that it would send no more. */
	guest_sends("x", 1);
	guest_gets(VIRTIO_VSOCK_OP_RST);
}

static void guest_no_longer_receives(void **state)
{
	(void)state;
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, RCV, NULL, 0);
	assert_true(send(host, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	guest_sends("still", 5);
	assert_int_equal(host_reads(0, MUCH), 5);
	guest_gets_nothing();
}

/* The guest closes while the host has not read all: the host gets everything, then the end. */
static void closing_waits_for_the_reader(void **state)
{
	uint32_t sent = stuff();

	(void)state;
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, RCV | SEND, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(g.v.conns.nr, 1);
	assert_int_equal(host_reads(0, MUCH), sent);
	assert_memory_equal(got, bytes, sent);
	assert_int_equal(recv(host, got, 1, MSG_DONTWAIT), 0);
	assert_int_equal(g.v.conns.nr, 0);
	guest_gets_nothing();
}

static void closing_does_not_wait_for_ever(void **state)
{
	(void)state;
	stuff();
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, GUEST, RCV | SEND, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST);
	vguest_wait(&g, 4000);
	assert_int_equal(g.v.conns.nr, 0);
	guest_gets_nothing();
}

/* The host's end vanishes, with bytes of the guest's unread and others on their way. */
static void host_vanishes(void **state)
{
	(void)state;
	guest_sends(bytes, 1000);
	host_sends("last words", 10);
	close(host);
	host = -1;
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 10);
	/* Unread bytes make it a reset. */
	guest_gets(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(g.v.conns.nr, 0);
}

static void host_vanishes_while_clogged(void **state)
{
	uint32_t sent = stuff();

	(void)state;
	host_reads(0, 10);
	close(host);
	host = -1;
	vguest_settle(&g);
	assert_true(vguest_get(&g, &h, NULL));
	assert_true(h.op == VIRTIO_VSOCK_OP_RST);
	assert_true(sent > 0 && g.v.conns.nr == 0);
}

/* The guest does not answer the end of the host: it is reset after a while. */
static void shutdown_times_out(void **state)
{
	(void)state;
	close(host);
	host = -1;
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, RCV | SEND);
	/* What it still sends goes nowhere and costs no credit. */
	guest_sends_all(bytes, VSOCK_BUF_LEN - VSOCK_CREDIT_STEP);
	guest_sends(bytes, 60000);
	guest_gets(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	vguest_wait(&g, 4000);
	while (vguest_get(&g, &h, NULL) && h.op != VIRTIO_VSOCK_OP_RST)
		;
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(g.v.conns.nr, 0);
}

static void guest_resets(void **state)
{
	(void)state;
	host_sends("x", 1);
	vguest_send(&g, VIRTIO_VSOCK_OP_RST, PORT, GUEST, 0, NULL, 0);
	assert_int_equal(recv(host, got, 1, MSG_DONTWAIT), 0);
	assert_int_equal(g.v.conns.nr, 0);
	assert_int_equal(g.v.conns.count.conns_killed, 1);
}

/* Descriptors that come with the host's bytes are dropped, the bytes behind them are not lost. */
static void descriptors_are_dropped(void **state)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { bytes, 10 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	(void)state;
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &host, sizeof(int));
	assert_int_equal(sendmsg(host, &m, 0), 10);
	host_sends(bytes + 10, 10);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 10);
	guest_gets(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(to_the_host_in_any_size),
		TEST(to_the_host_in_any_layout),
		TEST(to_the_guest),
		TEST(to_the_guest_in_any_layout),
		TEST(a_mebibyte_each_way),
		TEST(without_credit_nothing_is_sent),
		TEST(a_peer_that_does_not_read),
		TEST(sending_without_credit_is_a_fault),
		TEST(credit_updates_are_few),
		TEST(starved),
		TEST(host_closes_its_half),
		TEST(host_writes_and_closes),
		TEST(the_second_half_closes_with_data),
		TEST(guest_closes_its_half),
		TEST(guest_no_longer_receives),
		TEST(closing_waits_for_the_reader),
		TEST(closing_does_not_wait_for_ever),
		TEST(host_vanishes),
		TEST(host_vanishes_while_clogged),
		TEST(shutdown_times_out),
		TEST(guest_resets),
		TEST(descriptors_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
