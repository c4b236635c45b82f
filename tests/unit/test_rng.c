// SPDX-License-Identifier: Apache-2.0
#include "virtio/rng.h"

#include "tests/lib/board.h"
#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define SIZE   8
#define BUFFER GUEST_MID

static struct rng rng;
static struct board b;
static struct driver d;

static int set_up(void **state)
{
	(void)state;
	rng_init(&rng);
	board_init(&b, &rng.dev);
	board_start(&b, &d, SIZE, 0, rng.dev.features);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	board_release(&b);
	return 0;
}

/* Has the device serve one chain; returns the number of bytes that it says it wrote. */
static uint32_t ask(const struct vring_desc *desc, uint16_t nr)
{
	struct vring_used_elem e;

	driver_chain(&d, 0, desc, nr);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(driver_used(&d, &e));
	assert_int_equal(e.id, 0);
	return e.len;
}

static unsigned int zeros(uint64_t gpa, uint32_t len)
{
	const uint8_t *p = guest_at(&b.g, gpa, len);
	unsigned int nr = 0;

	for (uint32_t i = 0; i < len; i++)
		nr += p[i] == 0;
	return nr;
}

static void identity(void **state)
{
	(void)state;
	assert_int_equal(board_read(&b, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	board_write(&b, VIRTIO_MMIO_QUEUE_SEL, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_NUM_MAX), VIRTQ_SIZE_MAX);
	board_write(&b, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG), 0);
}

static void buffer_is_filled_and_nothing_else(void **state)
{
	const struct vring_desc desc = { BUFFER + 16, 4000, VRING_DESC_F_WRITE, 0 };

	(void)state;
	assert_int_equal(ask(&desc, 1), 4000);
	/* About 16 bytes of 4000 are zero by chance; 100 would be a miracle. */
	assert_true(zeros(BUFFER + 16, 4000) < 100);
	assert_int_equal(zeros(BUFFER, 16), 16);
	assert_int_equal(zeros(BUFFER + 4016, 16), 16);
	assert_int_equal(board_irqs(&b), 1);
	assert_int_equal(rng.dev.stats.requests, 1);
}

static void two_requests_differ(void **state)
{
	const struct vring_desc desc = { BUFFER, 32, VRING_DESC_F_WRITE, 0 };
	uint8_t first[32];

	(void)state;
	assert_int_equal(ask(&desc, 1), 32);
	memcpy(first, guest_at(&b.g, BUFFER, 32), 32);
	assert_int_equal(ask(&desc, 1), 32);
	assert_memory_not_equal(first, guest_at(&b.g, BUFFER, 32), 32);
}

static void any_layout_is_filled(void **state)
{
	const struct vring_desc desc[] = {
		{ BUFFER, 1, VRING_DESC_F_WRITE, 0 },
		{ BUFFER + 100, 255, VRING_DESC_F_WRITE, 0 },
		{ GUEST_MID - 300, 600, VRING_DESC_F_WRITE, 0 }, /* over touching regions */
	};

	(void)state;
	assert_int_equal(ask(desc, ARRAY_SIZE(desc)), 856);
	assert_true(zeros(GUEST_MID - 300, 300) < 30);
	assert_true(zeros(GUEST_MID + 100, 255) < 30);
}

static void readable_buffers_are_left_alone(void **state)
{
	const struct vring_desc desc[] = {
		{ BUFFER, 64, 0, 0 },
		{ BUFFER + 64, 64, VRING_DESC_F_WRITE, 0 },
	};

	(void)state;
	assert_int_equal(ask(desc, 2), 64);
	assert_int_equal(zeros(BUFFER, 64), 64);
	assert_int_equal(ask(desc, 1), 0);
	assert_int_equal(zeros(BUFFER, 64), 64);
}

/* Two requests, and then each as its time has come; none after the limit is gone. */
static void a_limit_holds_requests_up(void **state)
{
	const struct rate_bucket_config few = { 2, 20, 0 };
	const struct rate_bucket_config none = { 0 };
	const struct vring_desc desc = { BUFFER, 32, VRING_DESC_F_WRITE, 0 };
	struct vring_used_elem e;
	unsigned int served = 0;

	(void)state;
	assert_int_equal(rate_limit_set(&rng.dev.limit, NULL, &few), 0);
	for (uint16_t i = 0; i < 6; i++)
		driver_chain(&d, i, &desc, 1);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(rng.dev.limit.throttled >= 1);
	assert_true(rng.dev.stats.requests < 6);
	while (rng.dev.stats.requests < 4)
		board_pump(&b);
	assert_int_equal(rate_limit_set(&rng.dev.limit, NULL, &none), 0);
	while (rng.dev.stats.requests < 6)
		board_pump(&b);
	while (driver_used(&d, &e))
		served++;
	assert_int_equal(served, 6);
	board_kick(&b, 0); /* nothing is left over */
	board_pump(&b);
	assert_int_equal(rng.dev.stats.requests, 6);
}

/* A guest that asks for more than 4 KiB gets that much, and the loop back to others. */
static void long_requests_are_shortened(void **state)
{
	const struct vring_desc desc[] = {
		{ GUEST_HIGH, 0x1000, VRING_DESC_F_WRITE, 0 },
		{ BUFFER, 0x10000, VRING_DESC_F_WRITE, 0 },
	};

	(void)state;
	assert_int_equal(ask(desc, 2), 0x1000);
	assert_int_equal(zeros(BUFFER, 0x10000), 0x10000);
	assert_int_equal(rng.bytes, 0x1000);
}

static void host_without_entropy_fails_the_request_only(void **state)
{
	const struct vring_desc desc = { BUFFER, 600, VRING_DESC_F_WRITE, 0 };

	(void)state;
	fault_arm(2, EAGAIN);
	assert_int_equal(ask(&desc, 1), 256);
	assert_true(fault_disarm());
	assert_int_equal(rng.dev.stats.failures, 1);
	assert_int_equal(zeros(BUFFER + 256, 344), 344);
	assert_int_equal(ask(&desc, 1), 600);
}

static void event_index_is_used(void **state)
{
	const struct vring_desc desc = { BUFFER, 1, VRING_DESC_F_WRITE, 0 };

	(void)state;
	driver_set_used_event(&d, 2);
	ask(&desc, 1);
	assert_int_equal(board_irqs(&b), 1);
	ask(&desc, 1);
	assert_int_equal(board_irqs(&b), 0);
	ask(&desc, 1);
	assert_int_equal(board_irqs(&b), 1);
	assert_int_equal(driver_avail_event(&d), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(buffer_is_filled_and_nothing_else),
		TEST(two_requests_differ),
		TEST(a_limit_holds_requests_up),
		TEST(any_layout_is_filled),
		TEST(readable_buffers_are_left_alone),
		TEST(long_requests_are_shortened),
		TEST(host_without_entropy_fails_the_request_only),
		TEST(event_index_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
