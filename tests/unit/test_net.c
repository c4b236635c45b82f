// SPDX-License-Identifier: Apache-2.0
/* virtio-net (virtio 1.2 §5.1): the device, what it sends, limits, and a tap in trouble. */
#include "virtio/net.h"

#include "tests/unit/net_case.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <sys/socket.h>

static const uint8_t mac_here[6] = { 6, 0, 0xac, 0x10, 0, 2 };

static void identity_and_features(void **state)
{
	const uint64_t f = nic.net.dev.features;

	(void)state;
	assert_int_equal(board_read(&nic.b, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_NET);
	for (uint32_t q = 0; q < 3; q++) {
		board_write(&nic.b, VIRTIO_MMIO_QUEUE_SEL, q);
		assert_int_equal(board_read(&nic.b, VIRTIO_MMIO_QUEUE_NUM_MAX), q < 2 ? 256 : 0);
	}
	assert_true(f & 1ull << VIRTIO_NET_F_CSUM && f & 1ull << VIRTIO_NET_F_HOST_TSO4);
	/* Not what this tap cannot do, and not what was not given. */
	assert_false(f & 1ull << VIRTIO_NET_F_GUEST_TSO4);
	assert_false(f & (1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_MTU));
}

static void mac_and_mtu_are_shown(void **state)
{
	struct net_config c = { .has_mac = true, .mtu = 1400 };
	uint8_t mac[6];
	uint16_t mtu;

	(void)state;
	memcpy(c.mac, mac_here, sizeof(mac_here));
	start(&c, MERGE | 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_MTU);
	for (uint32_t i = 0; i < 6; i++)
		vmmio_bus_ops.read(&nic.b.t, VIRTIO_MMIO_CONFIG + i, &mac[i], 1);
	vmmio_bus_ops.read(&nic.b.t, VIRTIO_MMIO_CONFIG + 10, &mtu, 2);
	assert_memory_equal(mac, mac_here, sizeof(mac_here));
	assert_int_equal(mtu, 1400);
	assert_true(nic.net.dev.features & 1ull << VIRTIO_NET_F_MAC);
}

static void a_frame_is_sent_from_any_layout(void **state)
{
	const struct vring_desc d[] = { READS(TXBUF, 5), READS(TXBUF + 5, 7), READS(TXBUF + 12, 1),
					READS(TXBUF + 13, 187) };
	uint8_t got[2000];

	(void)state;
	memcpy(guest_at(&nic.b.g, TXBUF, 200), frame(200), 200);
	send_chain(d, 4);
	assert_int_equal(read(nic.wire, got, sizeof(got)), 200);
	assert_memory_equal(got, frame(200), 200);
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.net_stats.tx_packets_count, 1);
	assert_int_equal(nic.net.net_stats.tx_bytes_count, 200);
	assert_int_equal(board_irqs(&nic.b), 1);
}

static void one_interrupt_for_a_batch(void **state)
{
	const struct vring_desc d = READS(TXBUF, 60);

	(void)state;
	for (uint16_t i = 0; i < 10; i++)
		driver_chain(&nic.tx, i, &d, 1);
	kick(NIC_TX);
	assert_int_equal(sent(), 10);
	assert_int_equal(board_irqs(&nic.b), 1);
	for (uint16_t i = 0; i < 10; i++) {
		give(i, BUF(i), 2000);
		arrive(100);
	}
	kick(NIC_RX);
	for (uint16_t i = 0; i < 10; i++)
		used(i, 100);
	assert_int_equal(board_irqs(&nic.b), 1);
}

static void bad_frames_are_dropped_and_counted(void **state)
{
	const struct vring_desc tiny = READS(TXBUF, NET_HEADER - 1);
	const struct vring_desc written[] = { READS(TXBUF, 100), WRITES(TXBUF + 100, 100) };
	const struct vring_desc huge[] = { READS(GUEST_MID, 0x10000), READS(TXBUF, 0x100) };
	uint8_t got[100];

	(void)state;
	send_chain(&tiny, 1);
	send_chain(written, 2);
	send_chain(huge, 2);
	assert_int_equal(sent(), 3);
	assert_int_equal(nic.net.net_stats.tx_malformed_frames, 3);
	assert_int_equal(nic.net.net_stats.tx_packets_count, 0);
	assert_int_equal(read(nic.wire, got, sizeof(got)), -1);
	send_simple(80);
	assert_int_equal(read(nic.wire, got, sizeof(got)), 80);
}

static void what_the_tap_says(void **state)
{
	static const int errors[] = { EIO, ENOBUFS, EINVAL, ENOMEM };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(errors); i++) {
		fault_arm(1, errors[i]);
		send_simple(80);
		assert_true(fault_disarm());
		assert_int_equal(sent(), 1);
		assert_int_equal(nic.net.net_stats.tap_write_fails, i + 1);
		assert_false(nic.net.dead);
	}
	fault_arm(1, EINTR);
	send_simple(80);
	assert_int_equal(nic.net.net_stats.tx_packets_count, 1);
	assert_int_equal(sent(), 1);
}

static void a_tap_that_is_gone(void **state)
{
	(void)state;
	give(0, BUF(0), 2000);
	kick(NIC_RX);
	fault_arm(1, EBADFD);
	send_simple(80);
	assert_true(nic.net.dead);
	assert_int_equal(nic.net.watched, 0);
	assert_int_equal(sent(), 1);
	send_simple(80); /* goes on, into the void */
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.net_stats.tx_fails, 2);
	kick(NIC_RX);
	assert_int_equal(nic.net.net_stats.tap_gone, 1);
}

/* The other end hangs up: what it said before arrives, and the loop does not spin. */
static void the_wire_is_cut(void **state)
{
	(void)state;
	give(0, BUF(0), 2000);
	give(1, BUF(1), 2000);
	arrive(100);
	kick(NIC_RX);
	used(0, 100);
	assert_int_equal(shutdown(nic.wire, SHUT_RDWR), 0);
	board_pump(&nic.b);
	assert_true(nic.net.dead);
	assert_int_equal(nic.net.watched, 0);
}

static void a_full_tap_is_waited_for(void **state)
{
	static uint8_t got[NET_FRAME_MAX];
	unsigned int frames = 0, done = 0;

	(void)state;
	while (!nic.net.tx_held) {
		send_simple(20000);
		frames++;
		done += sent();
		assert_true(frames < 1000);
	}
	assert_int_equal(nic.net.watched & EPOLLOUT, EPOLLOUT);
	assert_int_equal(done, frames - 1);
	assert_int_equal(nic.net.net_stats.tap_write_fails, 0);
	for (unsigned int i = 0; i < frames; i++) {
		assert_int_equal(read(nic.wire, got, sizeof(got)), 20000);
		assert_memory_equal(got, frame(20000), 20000);
		board_pump(&nic.b);
	}
	assert_false(nic.net.tx_held);
	assert_int_equal(sent(), 1);
	assert_int_equal(nic.net.watched & EPOLLOUT, 0);
}

static void spoofed_addresses_are_counted(void **state)
{
	struct net_config c = { .has_mac = true };
	const struct vring_desc cut[] = { READS(TXBUF, 12), READS(TXBUF + 12, 8),
					  READS(TXBUF + 20, 80) };
	uint8_t *at;

	(void)state;
	memcpy(c.mac, mac_here, sizeof(mac_here));
	start(&c, MERGE);
	at = guest_at(&nic.b.g, TXBUF, 100);
	memset(at, 0, 100);
	memcpy(at + 18, mac_here, sizeof(mac_here));
	send_chain(cut, 3);
	assert_int_equal(nic.net.net_stats.tx_spoofed_mac_count, 0);
	at[23] ^= 1;
	send_chain(cut, 3);
	send_chain(cut, 1); /* no address at all */
	assert_int_equal(nic.net.net_stats.tx_spoofed_mac_count, 1);
	assert_int_equal(nic.net.net_stats.tx_packets_count, 3);
}

/* The loop runs until the limiter has called back. */
static void wait_for(const uint64_t *counter)
{
	uint64_t before = *counter;

	while (*counter == before)
		board_pump(&nic.b);
}

static uint64_t clock_ns;

static uint64_t read_clock(void)
{
	return clock_ns;
}

static void limits_hold_up_both_ways(void **state)
{
	const struct net_config c = {
		.rx.ops = { 2, 40, 0 },
		.tx.bandwidth = { 160, 40, 0 },
	};
	const struct rate_bucket_config none = { 0 };

	(void)state;
	start(&c, MERGE);
	/* The timers are real, what fills the buckets is not. */
	clock_ns = max_u64(nic.net.rx.limit.ops.seen_ns, nic.net.tx_limit.bandwidth.seen_ns);
	nic.net.rx.limit.now_ns = nic.net.tx_limit.now_ns = read_clock;
	for (uint16_t i = 0; i < 8; i++) {
		give(i, BUF(i), 2000);
		arrive(100);
	}
	kick(NIC_RX);
	used(0, 100);
	used(1, 100);
	none_used();
	assert_int_equal(nic.net.watched, 0);
	assert_int_equal(nic.net.rx.limit.throttled, 1);
	clock_ns += 20000000;
	wait_for(&nic.net.net_stats.rx_event_rate_limiter_count);
	used(2, 100);
	none_used();
	assert_int_equal(net_set_rx_limit(&nic.net, NULL, &none), 0);
	wait_for(&nic.net.net_stats.rx_event_rate_limiter_count);
	for (uint16_t i = 3; i < 8; i++)
		used(i, 100);
	send_simple(80);
	send_simple(80);
	send_simple(80);
	assert_int_equal(sent(), 2);
	clock_ns += 40000000;
	wait_for(&nic.net.net_stats.tx_event_rate_limiter_count);
	assert_int_equal(sent(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity_and_features),
		OWN(mac_and_mtu_are_shown),
		TEST(a_frame_is_sent_from_any_layout),
		TEST(one_interrupt_for_a_batch),
		TEST(bad_frames_are_dropped_and_counted),
		TEST(what_the_tap_says),
		TEST(a_tap_that_is_gone),
		TEST(the_wire_is_cut),
		TEST(a_full_tap_is_waited_for),
		OWN(spoofed_addresses_are_counted),
		OWN(limits_hold_up_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
