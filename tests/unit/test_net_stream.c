// SPDX-License-Identifier: Apache-2.0
/* A network device whose other end is a stream socket: framing, parts, and lies about lengths. */
#include "virtio/net_stream.h"

#include "net_case.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Frames without their header of virtio; BIG needs more than one buffer. */
#define SMALL 60u
#define BIG   5000u

static int stream_set_up(void **state)
{
	(void)state;
	nic_init_stream(&nic, &plain, VERSION | MERGE);
	board_pump(&nic.b);
	return 0;
}

/* What goes over the socket for a frame of `len` bytes. */
static uint32_t packet(uint8_t *to, uint32_t len)
{
	const uint8_t prefix[] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
				   (uint8_t)len };

	memcpy(to, prefix, sizeof(prefix));
	memcpy(to + sizeof(prefix), frame(len + NET_HEADER) + NET_HEADER, len);
	return len + (uint32_t)sizeof(prefix);
}

static void come(const void *bytes, uint32_t len)
{
	assert_int_equal(write(nic.wire, bytes, len), len);
	board_pump(&nic.b);
}

static void give_buffers(void)
{
	for (uint16_t i = 0; i < 8; i++)
		give(i, BUF(i), 0x800);
	kick(NIC_RX);
}

static void is_header(uint64_t gpa, uint16_t buffers)
{
	static const uint8_t none[10];

	assert_memory_equal(guest_at(&nic.b.g, gpa, 10), none, 10);
	assert_int_equal(num_buffers(gpa), buffers);
}

static void no_offloads_are_offered(void **state)
{
	const uint64_t all = 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |
			     1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO4 |
			     1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_HOST_TSO6 |
			     1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_GUEST_UFO;

	(void)state;
	assert_int_equal(nic.net.dev.features & all, 0);
	assert_true(nic.net.dev.features & MERGE);
}

static void a_frame_comes(void **state)
{
	uint8_t bytes[4 + SMALL];

	(void)state;
	give_buffers();
	come(bytes, packet(bytes, SMALL));
	used(0, NET_HEADER + SMALL);
	is_header(BUF(0), 1);
	holds(BUF(0) + NET_HEADER, NET_HEADER + SMALL, NET_HEADER, SMALL);
}

/* Cut anywhere, it is one frame, once it is whole. */
static void a_frame_comes_byte_by_byte(void **state)
{
	uint8_t bytes[4 + SMALL];
	uint32_t len = packet(bytes, SMALL);

	(void)state;
	give_buffers();
	for (uint32_t i = 0; i < len; i++) {
		none_used();
		come(bytes + i, 1);
	}
	used(0, NET_HEADER + SMALL);
	holds(BUF(0) + NET_HEADER, NET_HEADER + SMALL, NET_HEADER, SMALL);
}

static void many_come_at_once(void **state)
{
	static uint8_t bytes[2 * (4 + SMALL) + 4 + BIG];
	uint32_t len = packet(bytes, SMALL);

	(void)state;
	len += packet(bytes + len, BIG);
	len += packet(bytes + len, SMALL);
	give_buffers();
	come(bytes, len - 1);
	used(0, NET_HEADER + SMALL);
	used(1, 0x800);
	used(2, 0x800);
	used(3, NET_HEADER + BIG - 0x1000);
	none_used();
	is_header(BUF(1), 3);
	holds(BUF(2), NET_HEADER + BIG, 0x800, 0x800);
	come(bytes + len - 1, 1);
	used(4, NET_HEADER + SMALL);
}

/* More than a round's share lies in our memory already: no event tells, and all of it comes. */
static void what_was_read_ahead_comes(void **state)
{
	static uint8_t bytes[600 * (4 + SMALL)];
	struct vring_used_elem e;
	unsigned int nr = 0;
	uint32_t len = 0;

	(void)state;
	for (unsigned int i = 0; i < 600; i++)
		len += packet(bytes + len, SMALL);
	come(bytes, len);
	for (uint16_t i = 0; nr < 600; i++) {
		assert_true(i < 1000);
		give(i % 8, BUF(i % 8), 0x800);
		kick(NIC_RX);
		while (driver_used(&nic.rx, &e))
			nr++;
	}
	assert_int_equal(nic.net.net_stats.rx_packets_count, 600);
}

static void wrong_length(uint32_t len)
{
	const uint8_t prefix[] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
				   (uint8_t)len };

	give_buffers();
	come(prefix, sizeof(prefix));
	assert_true(nic.net.dead);
	assert_int_equal(nic.net.net_stats.tap_gone, 1);
	none_used();
	/* What the guest sends comes back, as on a wire that nobody has plugged in. */
	send_simple(SMALL);
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.net_stats.tx_fails, 1);
	assert_int_equal(nic.net.watched, 0);
}

static void length_of_none(void **state)
{
	(void)state;
	wrong_length(0);
}

static void length_too_small(void **state)
{
	(void)state;
	wrong_length(13);
}

static void length_too_large(void **state)
{
	(void)state;
	wrong_length(NET_FRAME_MAX - NET_HEADER + 1);
}

static void length_without_end(void **state)
{
	(void)state;
	wrong_length(UINT32_MAX);
}

static void the_longest_frame_comes(void **state)
{
	static uint8_t bytes[4 + NET_FRAME_MAX];
	uint32_t len = packet(bytes, NET_FRAME_MAX - NET_HEADER);
	struct vring_used_elem e;
	uint32_t sum = 0;

	(void)state;
	for (uint16_t i = 0; i < 15; i++)
		give(i, GUEST_MID + 0x1000ull * i, 0x1000);
	give(15, GUEST_HIGH, 0x2000);
	kick(NIC_RX);
	come(bytes, len);
	while (driver_used(&nic.rx, &e))
		sum += e.len;
	assert_int_equal(sum, NET_FRAME_MAX);
}

static uint8_t from_guest[4 + NET_FRAME_MAX];

static uint32_t take(uint32_t at, uint32_t len)
{
	ssize_t n = read(nic.wire, from_guest + at, len);

	board_pump(&nic.b);
	return n > 0 ? (uint32_t)n : 0;
}

static void a_frame_goes(void **state)
{
	const uint8_t prefix[] = { 0, 0, 0, SMALL };

	(void)state;
	send_simple(NET_HEADER + SMALL);
	assert_int_equal(sent(), 1);
	assert_int_equal(take(0, sizeof(from_guest)), 4 + SMALL);
	assert_memory_equal(from_guest, prefix, 4);
	assert_memory_equal(from_guest + 4, frame(NET_HEADER + SMALL) + NET_HEADER, SMALL);
}

/* The header of virtio cut into parts, which the guest may do. */
static void a_header_in_parts(void **state)
{
	const struct vring_desc d[] = { READS(TXBUF, 5), READS(TXBUF + 5, 8),
					READS(TXBUF + 13, SMALL - 1) };

	(void)state;
	memcpy(guest_at(&nic.b.g, TXBUF, NET_HEADER + SMALL), frame(NET_HEADER + SMALL),
	       NET_HEADER + SMALL);
	send_chain(d, 3);
	assert_int_equal(sent(), 1);
	assert_int_equal(take(0, sizeof(from_guest)), 4 + SMALL);
	assert_memory_equal(from_guest + 4, frame(NET_HEADER + SMALL) + NET_HEADER, SMALL);
}

static void no_frame_at_all(void **state)
{
	(void)state;
	send_simple(NET_HEADER + 13);
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.net_stats.tx_fails, 1);
	assert_int_equal(take(0, sizeof(from_guest)), 0);
	assert_false(nic.net.dead);
}

/*
 * A socket that takes part of a frame: the chain goes back at once, the guest may do with it what
 * it likes, and the frame arrives whole, before the next one. Nothing but an event makes it go on.
 */
static void full(bool one_more)
{
	const uint32_t len = 20000;
	uint32_t got = 0, n;
	unsigned int nr = 0;
	int small = 1;

	assert_int_equal(
		setsockopt(nic.net.backend.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	while (!nic.net.unsent && !nic.net.tx_held) {
		send_simple(NET_HEADER + len);
		nr++;
		assert_true(nr < 1000);
	}
	assert_true(nic.net.unsent);
	if (one_more) {
		send_simple(NET_HEADER + len);
		nr++;
		assert_true(nic.net.tx_held);
	} else {
		memset(guest_at(&nic.b.g, TXBUF, len), 0xee, len);
	}
	for (unsigned int i = 0; i < nr; i++) {
		for (got = 0; got < 4 + len; got += n) {
			n = take(got, 4 + len - got);
			assert_int_not_equal(n, 0);
		}
		assert_memory_equal(from_guest + 4, frame(NET_HEADER + len) + NET_HEADER, len);
	}
	assert_false(nic.net.unsent);
	assert_false(nic.net.tx_held);
	assert_int_equal(sent(), nr);
	assert_int_equal(nic.net.watched & EPOLLOUT, 0);
}

static void a_socket_takes_a_part(void **state)
{
	(void)state;
	full(false);
}

static void a_socket_that_is_full(void **state)
{
	(void)state;
	full(true);
}

/* The driver leaves in the middle: what was begun is finished, or the other end would lose its way.
 */
static void a_reset_in_a_frame(void **state)
{
	const uint32_t len = 20000;
	uint32_t sum = 0, n;
	unsigned int nr = 0;
	int small = 1;

	(void)state;
	assert_int_equal(
		setsockopt(nic.net.backend.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	while (!nic.net.unsent) {
		send_simple(NET_HEADER + len);
		assert_true(++nr < 1000);
	}
	board_write(&nic.b, VIRTIO_MMIO_STATUS, 0);
	while ((n = take(0, sizeof(from_guest))) != 0)
		sum += n;
	assert_int_equal(sum, nr * (4 + len));
}

static void the_other_end_leaves(void **state)
{
	uint8_t bytes[4 + SMALL];
	uint32_t len = packet(bytes, SMALL);

	(void)state;
	give_buffers();
	assert_int_equal(write(nic.wire, bytes, len), len);
	assert_int_equal(shutdown(nic.wire, SHUT_RDWR), 0);
	board_pump(&nic.b);
	used(0, NET_HEADER + SMALL); /* what came before still arrives */
	assert_true(nic.net.dead);
	send_simple(NET_HEADER + SMALL);
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.net_stats.tap_gone, 1);
	assert_int_equal(nic.net.watched, 0);
}

static void opens(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[128], expected[256];
	struct net_backend b;
	struct err e = { 0 };
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/mote-net-%d", (int)getpid());
	snprintf(name, sizeof(name), "unix:%s", at.sun_path);
	snprintf(expected, sizeof(expected), "network %s: No such file or directory", name);
	unlink(at.sun_path);
	assert_int_equal(net_backend_open(&b, name, &e), -ENOENT);
	assert_string_equal(e.msg, expected);
	assert_int_equal(b.fd, -1);
	assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(net_backend_open(&b, name, &e), 0);
	assert_ptr_equal(b.ops, &net_stream_ops);
	/* And one that is there already. */
	snprintf(name, sizeof(name), "fd:%d", b.fd);
	assert_int_equal(net_backend_open(&b, name, &e), 0);
	assert_ptr_equal(b.ops, &net_stream_ops);
	net_backend_close(&b);
	close(l);
	unlink(at.sun_path);
	assert_int_equal(net_backend_open(&b, "unix:", &e), -EINVAL);
	assert_string_equal(e.msg, "network unix:: a path of 0 bytes, expected 1 to 107");
}

#define STREAM(f) cmocka_unit_test_setup_teardown(f, stream_set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM(no_offloads_are_offered),
		STREAM(a_frame_comes),
		STREAM(a_frame_comes_byte_by_byte),
		STREAM(many_come_at_once),
		STREAM(what_was_read_ahead_comes),
		STREAM(length_of_none),
		STREAM(length_too_small),
		STREAM(length_too_large),
		STREAM(length_without_end),
		STREAM(the_longest_frame_comes),
		STREAM(a_frame_goes),
		STREAM(a_header_in_parts),
		STREAM(no_frame_at_all),
		STREAM(a_socket_takes_a_part),
		STREAM(a_socket_that_is_full),
		STREAM(a_reset_in_a_frame),
		STREAM(the_other_end_leaves),
		cmocka_unit_test(opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
