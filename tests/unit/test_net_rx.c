// SPDX-License-Identifier: Apache-2.0
/* virtio-net (virtio 1.2 §5.1.6.3, §5.1.6.4): frames that arrive, and buffers of every shape. */
#include "virtio/net.h"

#include "tests/unit/net_case.h"

#include <linux/virtio_mmio.h>

static int set_up_unmergeable(void **state)
{
	(void)state;
	return start(&plain, 0);
}

static void a_frame_arrives(void **state)
{
	(void)state;
	give(3, BUF(0), 2000);
	kick(NIC_RX);
	none_used();
	memset(guest_at(&nic.b.g, BUF(0), 2000), 0xee, 2000);
	arrive(150);
	board_pump(&nic.b);
	used(3, 150);
	assert_int_equal(num_buffers(BUF(0)), 1);
	holds(BUF(0) + 12, 150, 12, 138);
	assert_int_equal(*(uint8_t *)guest_at(&nic.b.g, BUF(0) + 150, 1), 0xee);
	assert_int_equal(board_irqs(&nic.b), 1);
	assert_int_equal(nic.net.net_stats.rx_bytes_count, 150);
}

static void a_long_frame_takes_several_buffers(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 5; i++)
		give(i, BUF(i), 700);
	kick(NIC_RX);
	arrive(1800);
	arrive(700);
	board_pump(&nic.b);
	used(0, 700);
	used(1, 700);
	used(2, 400);
	used(3, 700);
	none_used();
	assert_int_equal(num_buffers(BUF(0)), 3);
	assert_int_equal(num_buffers(BUF(3)), 1);
	holds(BUF(0) + 12, 1800, 12, 688);
	holds(BUF(1), 1800, 700, 700);
	holds(BUF(2), 1800, 1400, 400);
	holds(BUF(3) + 12, 700, 12, 688);
}

/* Buffers smaller than the header, and a chain of several segments. */
static void buffers_of_any_shape(void **state)
{
	const struct vring_desc chain[] = { WRITES(BUF(8), 1), WRITES(BUF(9), 50),
					    WRITES(BUF(10), 49) };
	uint16_t low, high;

	(void)state;
	give(0, BUF(0), 7);
	give(1, BUF(1), 4);
	give(2, BUF(2), 90);
	driver_chain(&nic.rx, 5, chain, 3);
	kick(NIC_RX);
	arrive(151);
	board_pump(&nic.b);
	used(0, 7);
	used(1, 4);
	used(2, 90);
	used(5, 50);
	low = *(uint8_t *)guest_at(&nic.b.g, BUF(1) + 3, 1);
	high = *(uint8_t *)guest_at(&nic.b.g, BUF(2), 1);
	assert_int_equal(low | high << 8, 4);
	holds(BUF(2) + 1, 151, 12, 89);
	holds(BUF(8), 151, 101, 1);
	holds(BUF(9), 151, 102, 49);
}

static void frames_wait_while_there_are_no_buffers(void **state)
{
	(void)state;
	arrive(100);
	arrive(200);
	kick(NIC_RX);
	assert_int_equal(nic.net.watched, 0);
	assert_true(nic.net.net_stats.no_rx_avail_buffer > 0);
	give(0, BUF(0), 2000);
	kick(NIC_RX);
	used(0, 100);
	none_used();
	assert_int_equal(nic.net.watched, 0);
	give(1, BUF(1), 2000);
	give(2, BUF(2), 2000);
	kick(NIC_RX);
	used(1, 200);
	assert_int_equal(nic.net.watched, EPOLLIN);
	assert_int_equal(nic.net.net_stats.rx_fails, 0);
}

/* There is room for the beginning only: the rest is kept until there is more. */
static void a_frame_waits_for_the_rest_of_its_buffers(void **state)
{
	(void)state;
	give(0, BUF(0), 500);
	kick(NIC_RX);
	arrive(1600);
	arrive(90);
	board_pump(&nic.b);
	none_used();
	assert_int_equal(nic.net.watched, 0);
	give(1, BUF(1), 500);
	kick(NIC_RX);
	none_used();
	give(2, BUF(2), 2000);
	give(3, BUF(3), 100);
	kick(NIC_RX);
	used(0, 500);
	used(1, 500);
	used(2, 600);
	used(3, 90);
	assert_int_equal(num_buffers(BUF(0)), 3);
	holds(BUF(0) + 12, 1600, 12, 488);
	holds(BUF(1), 1600, 500, 500);
	holds(BUF(2), 1600, 1000, 600);
	assert_int_equal(nic.net.net_stats.rx_packets_count, 2);
}

static void a_queue_too_small_for_a_frame(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < NIC_SIZE; i++)
		give(i, BUF(i), 20);
	kick(NIC_RX);
	arrive(1600);
	board_pump(&nic.b);
	for (uint16_t i = 0; i < NIC_SIZE; i++)
		used(i, 0);
	assert_int_equal(nic.net.net_stats.rx_fails, 1);
	give(0, BUF(0), 2000);
	kick(NIC_RX);
	arrive(1600);
	board_pump(&nic.b);
	used(0, 1600);
}

/* The longest frame, in the usual buffers of a Linux guest. */
static void a_frame_of_64_kib(void **state)
{
	static uint8_t got[NET_FRAME_MAX];
	uint32_t at = 0;

	(void)state;
	for (uint16_t i = 0; i < NIC_SIZE; i++)
		give(i, GUEST_MID + 4200u * i, i < 15 ? 4200 : 0x20000 - 0x10000 - 15 * 4200);
	kick(NIC_RX);
	arrive(65000);
	board_pump(&nic.b);
	for (uint16_t i = 0; at < 65000; i++) {
		uint32_t len = (uint32_t)min_u64(4200, 65000 - at);

		used(i, len);
		memcpy(got + at, guest_at(&nic.b.g, GUEST_MID + 4200u * i, len), len);
		at += len;
	}
	assert_memory_equal(got + 12, frame(65000) + 12, 65000 - 12);
}

static void without_merging_a_frame_has_one_chain(void **state)
{
	const struct vring_desc chain[] = { WRITES(BUF(4), 12), WRITES(BUF(5), 1600) };

	(void)state;
	give(0, BUF(0), 500);
	driver_chain(&nic.rx, 4, chain, 2);
	kick(NIC_RX);
	arrive(501); /* does not fit, and is not cut */
	arrive(500);
	arrive(1612);
	board_pump(&nic.b);
	used(0, 500);
	used(4, 1612);
	assert_int_equal(num_buffers(BUF(0)), 1);
	holds(BUF(0) + 12, 500, 12, 488);
	holds(BUF(5), 1612, 12, 1600);
	assert_int_equal(nic.net.net_stats.rx_fails, 1);
}

static void buffers_that_cannot_be_written_come_back(void **state)
{
	const struct vring_desc readable = READS(BUF(0), 2000);
	const struct vring_desc mixed[] = { READS(BUF(1), 10), WRITES(BUF(1), 2000) };

	(void)state;
	driver_chain(&nic.rx, 0, &readable, 1);
	driver_chain(&nic.rx, 1, mixed, 2);
	give(4, BUF(4), 2000);
	kick(NIC_RX);
	used(0, 0);
	used(1, 0);
	none_used();
	assert_int_equal(nic.net.net_stats.rx_fails, 2);
	arrive(100);
	board_pump(&nic.b);
	used(4, 100);
}

static void hostile_chains_break_the_queue_only(void **state)
{
	const struct vring_desc outside = WRITES(GUEST_HOLE, 100);

	(void)state;
	give(0, BUF(0), 100);
	driver_chain(&nic.rx, 1, &outside, 1);
	kick(NIC_RX);
	assert_int_equal(nic.net.dev.stats.faults, 1);
	assert_int_equal(nic.net.watched, 0);
	arrive(100);
	board_pump(&nic.b);
	none_used();
	assert_int_equal(nic.net.dev.stats.faults, 1);
	send_simple(80); /* the other queue goes on until the driver resets */
	assert_int_equal(nic.net.net_stats.tx_packets_count, 1);
}

/* After the queue is stopped or the device reset, its buffers are the driver's again. */
static void stopped_queues_are_left_alone(void **state)
{
	(void)state;
	memset(guest_at(&nic.b.g, BUF(0), 2000), 0xee, 2000);
	give(0, BUF(0), 2000);
	kick(NIC_RX);
	board_write(&nic.b, VIRTIO_MMIO_QUEUE_SEL, NIC_RX);
	board_write(&nic.b, VIRTIO_MMIO_QUEUE_READY, 0);
	arrive(100);
	board_pump(&nic.b);
	assert_int_equal(*(uint8_t *)guest_at(&nic.b.g, BUF(0) + 50, 1), 0xee);
	assert_int_equal(nic.net.watched, 0);
	board_write(&nic.b, VIRTIO_MMIO_STATUS, 0);
	arrive(100);
	board_pump(&nic.b);
	assert_int_equal(*(uint8_t *)guest_at(&nic.b.g, BUF(0) + 50, 1), 0xee);
}

static void reset_in_the_middle_of_everything(void **state)
{
	static uint8_t got[NET_FRAME_MAX];

	(void)state;
	give(0, BUF(0), 500);
	kick(NIC_RX);
	arrive(1600); /* half received */
	for (int i = 0; i < 100 && !nic.net.tx_held; i++)
		send_simple(20000);
	assert_true(nic.net.tx_held);
	board_write(&nic.b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(nic.net.watched, 0);
	while (read(nic.wire, got, sizeof(got)) > 0)
		board_pump(&nic.b);
	board_negotiate(&nic.b, VERSION | MERGE);
	driver_init(&nic.rx, &nic.b.g, NIC_SIZE, 0);
	driver_init(&nic.tx, &nic.b.g, NIC_SIZE, NIC_TX_RINGS);
	board_queue(&nic.b, NIC_RX, &nic.rx.regs);
	board_queue(&nic.b, NIC_TX, &nic.tx.regs);
	board_driver_ok(&nic.b);
	give(0, BUF(0), 2000);
	kick(NIC_RX);
	arrive(300);
	board_pump(&nic.b);
	used(0, 300);
	send_simple(90);
	assert_int_equal(read(nic.wire, got, sizeof(got)), 90);
}

static void settle(void)
{
	vmmio_settle(&nic.b.t);
	assert_int_equal(nic.net.dev.vq[NIC_RX].nr_in_flight, 0);
	assert_int_equal(nic.net.dev.vq[NIC_TX].nr_in_flight, 0);
	none_used();
}

/* A machine that is paused owes its queues nothing, and afterwards nothing is missing. */
static void kept_buffers_go_back_to_the_queue(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		give(i, BUF(i), 500);
	kick(NIC_RX);
	arrive(90);
	board_pump(&nic.b);
	used(0, 90);
	assert_int_equal(nic.net.dev.vq[NIC_RX].nr_in_flight, 3);
	settle();
	settle();
	arrive(700);
	arrive(80);
	board_pump(&nic.b);
	used(1, 500);
	used(2, 200);
	used(3, 80);
	holds(BUF(2), 700, 500, 200);
}

/* Also a frame of which a part is in guest memory: it comes whole, into buffers of any size. */
static void a_frame_that_was_begun_survives(void **state)
{
	(void)state;
	give(0, BUF(0), 500);
	kick(NIC_RX);
	arrive(1600);
	board_pump(&nic.b);
	give(1, BUF(1), 300);
	kick(NIC_RX);
	none_used();
	settle();
	give(2, BUF(2), 2000);
	kick(NIC_RX);
	used(0, 500);
	used(1, 300);
	used(2, 800);
	assert_int_equal(num_buffers(BUF(0)), 3);
	holds(BUF(0) + 12, 1600, 12, 488);
	holds(BUF(1), 1600, 500, 300);
	holds(BUF(2), 1600, 800, 800);
	assert_int_equal(nic.net.net_stats.rx_packets_count, 1);
}

/* The place of its header may lie across several of them. */
static void a_header_across_buffers_after_a_pause(void **state)
{
	(void)state;
	give(0, BUF(0), 11);
	give(1, BUF(1), 100);
	kick(NIC_RX);
	arrive(300);
	board_pump(&nic.b);
	settle();
	give(2, BUF(2), 2000);
	kick(NIC_RX);
	used(0, 11);
	used(1, 100);
	used(2, 189);
	assert_int_equal(*(uint8_t *)guest_at(&nic.b.g, BUF(0) + 10, 1), 3);
	assert_int_equal(*(uint8_t *)guest_at(&nic.b.g, BUF(1), 1), 0);
	holds(BUF(1) + 1, 300, 12, 99);
	holds(BUF(2), 300, 111, 189);
}

/* A chain that is no buffer takes those before it along: order is what giving back relies on. */
static void buffers_before_one_that_is_none(void **state)
{
	const struct vring_desc readable = READS(BUF(1), 2000);

	(void)state;
	give(0, BUF(0), 500);
	driver_chain(&nic.rx, 1, &readable, 1);
	give(2, BUF(2), 2000);
	kick(NIC_RX);
	used(0, 0);
	used(1, 0);
	settle();
	arrive(100);
	board_pump(&nic.b);
	used(2, 100);
}

static void a_frame_that_waits_for_room(void **state)
{
	static uint8_t got[NET_FRAME_MAX];
	unsigned int nr = 0;

	(void)state;
	for (; nr < 100 && !nic.net.tx_held; nr++)
		send_simple(20000);
	settle();
	assert_false(nic.net.tx_held);
	board_pump(&nic.b);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(read(nic.wire, got, sizeof(got)), 20000);
		board_pump(&nic.b);
	}
	assert_int_equal(sent(), nr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_arrives),
		TEST(a_long_frame_takes_several_buffers),
		TEST(buffers_of_any_shape),
		TEST(frames_wait_while_there_are_no_buffers),
		TEST(a_frame_waits_for_the_rest_of_its_buffers),
		TEST(a_queue_too_small_for_a_frame),
		TEST(a_frame_of_64_kib),
		cmocka_unit_test_setup_teardown(without_merging_a_frame_has_one_chain,
						set_up_unmergeable, tear_down),
		TEST(buffers_that_cannot_be_written_come_back),
		TEST(hostile_chains_break_the_queue_only),
		TEST(stopped_queues_are_left_alone),
		TEST(reset_in_the_middle_of_everything),
		TEST(kept_buffers_go_back_to_the_queue),
		TEST(a_frame_that_was_begun_survives),
		TEST(a_header_across_buffers_after_a_pause),
		TEST(buffers_before_one_that_is_none),
		TEST(a_frame_that_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
