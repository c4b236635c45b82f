// SPDX-License-Identifier: Apache-2.0
/* The running device: doorbells, faults, reset, and several threads at it. */
#include "virtio/virtio_mmio.h"

#include "tests/lib/board.h"
#include "tests/lib/toy.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

static struct toy toy;
static struct board b;
static struct driver d[2];

static int set_up(void **state)
{
	(void)state;
	toy_init(&toy);
	board_init(&b, &toy.dev);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	board_release(&b);
	return 0;
}

static uint64_t faults(void)
{
	return atomic_load(&b.t.register_faults);
}

static uint32_t status(void)
{
	return board_read(&b, VIRTIO_MMIO_STATUS);
}

static void queue_of_a_running_device_can_be_stopped(void **state)
{
	(void)state;
	toy_start(&toy, &b, d);
	board_write(&b, VIRTIO_MMIO_QUEUE_SEL, 1);
	board_write(&b, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_false(toy.dev.vq[1].enabled);
	driver_offer(&d[1], 0);
	driver_offer(&d[0], 0);
	board_kick(&b, 1);
	board_kick(&b, 0);
	board_pump(&b);
	assert_string_equal(toy.order, "a");
	assert_int_equal(faults(), 0);
	board_write(&b, VIRTIO_MMIO_QUEUE_READY, 1); /* not before a reset */
	assert_int_equal(faults(), 1);
}

static void doorbell_serves_its_queue(void **state)
{
	struct vring_used_elem e;

	(void)state;
	toy_start(&toy, &b, d);
	driver_offer(&d[1], 3);
	board_kick(&b, 1);
	board_pump(&b);
	assert_int_equal(toy.kicked[0], 0);
	assert_int_equal(toy.kicked[1], 1);
	assert_true(driver_used(&d[1], &e));
	assert_int_equal(e.id, 3);
	assert_int_equal(e.len, 16);
	assert_int_equal(board_irqs(&b), 1);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	assert_int_equal(toy.dev.stats.kicks, 3); /* with one for each queue at the start */
	assert_int_equal(toy.dev.stats.requests, 1);
	assert_int_equal(toy.dev.stats.interrupts, 1);
	assert_int_equal(toy.dev.stats.queue[0].kicks + toy.dev.stats.queue[1].kicks, 3);
	assert_int_equal(toy.dev.stats.queue[0].interrupts + toy.dev.stats.queue[1].interrupts, 1);
}

static void doorbell_of_no_queue_is_a_fault(void **state)
{
	(void)state;
	toy_start(&toy, &b, d);
	board_kick(&b, 2);
	board_kick(&b, UINT32_MAX);
	board_pump(&b);
	assert_int_equal(faults(), 2);
	assert_int_equal(toy.kicked[0] + toy.kicked[1], 0);
}

static void doorbell_before_driver_ok_is_ignored(void **state)
{
	(void)state;
	board_negotiate(&b, VERSION_1);
	driver_init(&d[0], &b.g, TOY_SIZE, 0);
	board_queue(&b, 0, &d[0].regs);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(toy.kicked[0], 0);
}

/* §3.1.1 step 7 comes before 8, but a queue may be filled before anybody listens. */
static void chains_offered_before_driver_ok_are_served(void **state)
{
	struct vring_used_elem e;

	(void)state;
	board_negotiate(&b, VERSION_1);
	driver_init(&d[0], &b.g, TOY_SIZE, 0);
	driver_desc(&d[0], 0, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_WRITE, 0 });
	driver_offer(&d[0], 0);
	board_queue(&b, 0, &d[0].regs);
	board_driver_ok(&b);
	board_pump(&b);
	assert_true(driver_used(&d[0], &e));
}

static void driver_that_wants_no_interrupt_gets_none(void **state)
{
	struct vring_used_elem e;

	(void)state;
	toy_start(&toy, &b, d);
	driver_set_avail_flags(&d[0], VRING_AVAIL_F_NO_INTERRUPT);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(driver_used(&d[0], &e));
	assert_int_equal(board_irqs(&b), 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void reset_forgets_everything(void **state)
{
	static const struct vmmio_state fresh;

	(void)state;
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	board_write(&b, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_memory_equal(&b.t.state, &fresh, sizeof(fresh));
	assert_int_equal(status(), 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(toy.resets, 1);
	assert_false(toy.dev.vq[0].enabled);
	board_write(&b, VIRTIO_MMIO_STATUS, 0); /* of a device that does not run */
	assert_int_equal(toy.resets, 1);
	toy_start(&toy, &b, d);
	assert_int_equal(toy.activated, 2);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(toy.kicked[0], 1);
}

static void reset_while_requests_are_queued(void **state)
{
	uint8_t rings[0x2000];

	(void)state;
	toy_start(&toy, &b, d);
	for (uint16_t i = 0; i < TOY_SIZE; i++)
		driver_offer(&d[0], i);
	board_kick(&b, 0);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	memcpy(rings, guest_at(&b.g, 0, sizeof(rings)), sizeof(rings));
	board_pump(&b); /* the doorbell comes late */
	assert_memory_equal(rings, guest_at(&b.g, 0, sizeof(rings)), sizeof(rings));
	assert_int_equal(toy.kicked[0], 0);
	assert_int_equal(toy.served, 0);
	assert_int_equal(board_irqs(&b), 0);
}

static void bad_rings_need_a_reset(void **state)
{
	(void)state;
	board_negotiate(&b, VERSION_1);
	driver_init(&d[0], &b.g, TOY_SIZE, 0);
	d[0].regs.used = GUEST_HOLE;
	board_queue(&b, 0, &d[0].regs);
	board_driver_ok(&b);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(toy.dev.stats.faults, 1);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(toy.kicked[0], 0);
	/* The driver writes what it read, and may not clear the bit but by a reset. */
	board_write(&b, VIRTIO_MMIO_STATUS, status() | FAILED);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET | FAILED);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(status(), 0);
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(toy.served, 1);
}

static void bad_chain_needs_a_reset(void **state)
{
	struct vring_used_elem e;

	(void)state;
	toy_start(&toy, &b, d);
	driver_offer(&d[0], TOY_SIZE);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(status() & NEEDS_RESET);
	assert_int_equal(board_irqs(&b), 1);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(toy.dev.stats.faults, 1);
	assert_int_equal(toy.dev.vq[0].fault, VIRTQ_BAD_HEAD);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(toy.kicked[0], 1);
	assert_int_equal(toy.dev.stats.faults, 1);
	assert_false(driver_used(&d[0], &e));
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(driver_used(&d[0], &e));
}

/* A queue that is never empty is served a ring at a time, with the other queue between. */
static void endless_queue_does_not_starve_the_other(void **state)
{
	(void)state;
	toy_start(&toy, &b, d);
	toy.feed = &d[0];
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	driver_offer(&d[1], 0);
	board_kick(&b, 1);
	board_pump(&b);
	toy.feed = NULL;
	assert_string_equal(toy.order, "aaaaaaaabaaaaaaaaaaaaaaaa");
}

struct writer {
	pthread_barrier_t *start;
	unsigned int rounds;
	unsigned int seed;
};

/* A guest that rings and turns its power off at once: nobody has heard the doorbell yet. */
static void what_was_offered_is_served_at_the_end(void **state)
{
	struct vring_used_elem e;

	(void)state;
	vmmio_finish(&b.t); /* of a device that was never started: nothing */
	assert_string_equal(toy.order, "");
	toy_start(&toy, &b, d);
	driver_offer(&d[1], 3);
	driver_offer(&d[0], 1);
	board_kick(&b, 1);
	evloop_close(&b.loop);
	vmmio_finish(&b.t);
	assert_string_equal(toy.order, "ab");
	assert_true(driver_used(&d[1], &e) && e.id == 3);
	assert_true(driver_used(&d[0], &e) && e.id == 1);
	vmmio_finish(&b.t);
	assert_string_equal(toy.order, "ab");
}

static void *set_driver_ok(void *arg)
{
	struct writer *w = arg;

	for (unsigned int i = 0; i < w->rounds; i++) {
		pthread_barrier_wait(w->start);
		board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		pthread_barrier_wait(w->start);
	}
	return NULL;
}

static void two_vcpus_start_a_device_once(void **state)
{
	enum {
		ROUNDS = 200
	};
	pthread_barrier_t barrier;
	struct writer w = { .start = &barrier, .rounds = ROUNDS };
	pthread_t other;

	(void)state;
	board_run(&b);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&other, NULL, set_driver_ok, &w), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		board_negotiate(&b, VERSION_1);
		pthread_barrier_wait(&barrier);
		board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		pthread_barrier_wait(&barrier);
		assert_int_equal(toy.activated, i + 1);
		assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		board_write(&b, VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(toy.resets, i + 1);
	}
	assert_int_equal(pthread_join(other, NULL), 0);
	pthread_barrier_destroy(&barrier);
}

static void *write_any_status(void *arg)
{
	static const uint32_t values[] = { 0, ACK, ACK | DRIVER, ACK | DRIVER | FEATURES_OK,
					   ACK | DRIVER | FEATURES_OK | DRIVER_OK };
	struct writer *w = arg;

	for (unsigned int i = 0; i < w->rounds; i++) {
		board_write(&b, VIRTIO_MMIO_STATUS,
			    values[(unsigned int)rand_r(&w->seed) % ARRAY_SIZE(values)]);
		board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	}
	return NULL;
}

/* Whatever two vCPUs write in whatever order: resets and starts alternate, and a reset ends it. */
static void two_vcpus_fight_over_the_status(void **state)
{
	struct writer w[2] = { { .rounds = 5000, .seed = 1 }, { .rounds = 5000, .seed = 2 } };
	pthread_t other;

	(void)state;
	board_run(&b);
	assert_int_equal(pthread_create(&other, NULL, write_any_status, &w[0]), 0);
	write_any_status(&w[1]);
	assert_int_equal(pthread_join(other, NULL), 0);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(status(), 0);
	assert_true(toy.activated > 0);
	assert_int_equal(toy.activated, toy.resets);
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_settle(&b);
	assert_int_equal(toy.served, 1);
}

static void registers_outlive_the_loop(void **state)
{
	(void)state;
	board_run(&b);
	board_negotiate(&b, VERSION_1);
	board_stop(&b);
	/* vCPUs may still be writing when the monitor ends: nothing hangs, nothing starts. */
	board_driver_ok(&b);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(toy.activated, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queue_of_a_running_device_can_be_stopped),
		TEST(doorbell_serves_its_queue),
		TEST(doorbell_of_no_queue_is_a_fault),
		TEST(doorbell_before_driver_ok_is_ignored),
		TEST(chains_offered_before_driver_ok_are_served),
		TEST(driver_that_wants_no_interrupt_gets_none),
		TEST(reset_forgets_everything),
		TEST(reset_while_requests_are_queued),
		TEST(bad_rings_need_a_reset),
		TEST(bad_chain_needs_a_reset),
		TEST(endless_queue_does_not_starve_the_other),
		TEST(what_was_offered_is_served_at_the_end),
		TEST(two_vcpus_start_a_device_once),
		TEST(two_vcpus_fight_over_the_status),
		TEST(registers_outlive_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
