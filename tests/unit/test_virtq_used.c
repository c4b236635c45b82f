// SPDX-License-Identifier: Apache-2.0
/* Giving chains back: the used ring, interrupts and notifications, and indices that wrap. */
#include "virtio/virtq.h"

#include "tests/lib/unit.h"
#include "tests/lib/walker.h"
#include "vmm/util.h"

#include <errno.h>
#include <string.h>

#define SIZE 8

static struct walker w;

static int set_up(void **state)
{
	(void)state;
	guest_init_usual(&w.g);
	walker_enable(&w, SIZE, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_release(&w.g);
	return 0;
}

static void broken_queue_recovers_by_enabling_it(void **state)
{
	const struct vring_desc desc = READS(GUEST_HIGH, 1);
	struct vring_used_elem e;

	(void)state;
	driver_chain(&w.d, 1, &desc, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	driver_offer(&w.d, SIZE);
	walker_breaks(&w, VIRTQ_BAD_HEAD);
	virtq_push(&w.q, 1, 0);
	assert_false(virtq_publish(&w.q));
	assert_false(virtq_unmute(&w.q));
	assert_false(driver_used(&w.d, &e));
	walker_enable(&w, SIZE, 0);
	driver_chain(&w.d, 1, &desc, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
}

static void used_elements_are_seen_when_published(void **state)
{
	const struct vring_desc desc = WRITES(GUEST_HIGH, 100);
	struct vring_used_elem e;

	(void)state;
	driver_chain(&w.d, 6, &desc, 1);
	driver_chain(&w.d, 2, &desc, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	virtq_push(&w.q, 2, 100);
	virtq_push(&w.q, 6, 7);
	assert_int_equal(w.q.nr_in_flight, 0);
	assert_false(driver_used(&w.d, &e));
	assert_true(virtq_publish(&w.q));
	assert_true(driver_used(&w.d, &e));
	assert_int_equal(e.id, 2);
	assert_int_equal(e.len, 100);
	assert_true(driver_used(&w.d, &e));
	assert_int_equal(e.id, 6);
	assert_int_equal(e.len, 7);
	assert_false(driver_used(&w.d, &e));
	assert_false(virtq_publish(&w.q)); /* nothing new */
}

/* Does one chain from end to end; returns whether the guest wants an interrupt. */
static bool one_chain(void)
{
	struct vring_used_elem e;
	bool irq;

	driver_offer(&w.d, 0);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	virtq_push(&w.q, 0, 1);
	irq = virtq_publish(&w.q);
	assert_true(driver_used(&w.d, &e));
	assert_int_equal(e.id, 0);
	assert_false(driver_used(&w.d, &e));
	return irq;
}

static void flag_suppresses_interrupts(void **state)
{
	(void)state;
	driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	assert_true(one_chain());
	driver_set_avail_flags(&w.d, VRING_AVAIL_F_NO_INTERRUPT);
	assert_false(one_chain());
	driver_set_avail_flags(&w.d, 0);
	assert_true(one_chain());
}

static void event_index_suppresses_interrupts(void **state)
{
	(void)state;
	walker_enable(&w, SIZE, EVENT_IDX);
	driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	/* With the event index the flag means nothing (§2.7.7.1). */
	driver_set_avail_flags(&w.d, VRING_AVAIL_F_NO_INTERRUPT);
	assert_true(one_chain());
	driver_set_used_event(&w.d, 3);
	assert_false(one_chain());
	assert_false(one_chain());
	assert_true(one_chain()); /* the element with index 3 */
	assert_false(one_chain());
}

/* An interrupt is due when the batch passes the index that the driver named (§2.7.10.1). */
static void event_index_is_hit_inside_a_batch(void **state)
{
	(void)state;
	for (uint16_t event = 0; event < 12; event++) {
		bool first = true;

		walker_enable(&w, SIZE, EVENT_IDX);
		for (uint16_t i = 0; i < SIZE; i++)
			driver_desc(&w.d, i, (struct vring_desc)WRITES(GUEST_HIGH, 1));
		driver_set_used_event(&w.d, event);
		for (uint16_t from = 0; from < 12; from = (uint16_t)(from + 4)) {
			for (uint16_t i = 0; i < 4; i++) {
				driver_offer(&w.d, i);
				assert_int_equal(virtq_pop(&w.q, &w.c), 1);
				virtq_push(&w.q, i, 1);
			}
			assert_int_equal(virtq_publish(&w.q),
					 first || (event >= from && event < from + 4));
			first = false;
		}
	}
}

static void indices_wrap_around(void **state)
{
	(void)state;
	for (unsigned int event_idx = 0; event_idx <= 1; event_idx++) {
		walker_enable(&w, SIZE, event_idx ? EVENT_IDX : 0);
		driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
		for (unsigned int i = 0; i < 2 * 65536 + 5; i++) {
			/* Every third element is asked for; one that is long past is not due. */
			bool wanted = i % 3 == 0 || i == 0;

			driver_set_used_event(&w.d, (uint16_t)(wanted ? i : i - 2));
			assert_int_equal(one_chain(), wanted || !event_idx);
			assert_false(virtq_unmute(&w.q));
			if (event_idx)
				assert_int_equal(driver_avail_event(&w.d), (uint16_t)(i + 1));
		}
	}
}

static void full_ring_over_the_wrap(void **state)
{
	struct vring_used_elem e;

	(void)state;
	walker_enable(&w, SIZE, EVENT_IDX);
	for (uint16_t i = 0; i < SIZE; i++)
		driver_desc(&w.d, i, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	for (unsigned int i = 0; i < 65536 - SIZE / 2; i++)
		one_chain();
	for (uint16_t i = 0; i < SIZE; i++)
		driver_offer(&w.d, i);
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 0);
	for (uint16_t i = 0; i < SIZE; i++)
		virtq_push(&w.q, i, i);
	driver_set_used_event(&w.d, 1); /* past the wrap, inside the batch */
	assert_true(virtq_publish(&w.q));
	for (uint16_t i = 0; i < SIZE; i++) {
		assert_true(driver_used(&w.d, &e));
		assert_int_equal(e.id, i);
		assert_int_equal(e.len, i);
	}
	assert_int_equal(w.d.used_seen, SIZE / 2);
	driver_set_avail_idx(&w.d, SIZE / 2 + SIZE + 1);
	walker_breaks(&w, VIRTQ_BAD_AVAIL_IDX);
}

static void mute_and_unmute_by_flag(void **state)
{
	(void)state;
	virtq_mute(&w.q);
	assert_int_equal(driver_used_flags(&w.d), VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_unmute(&w.q));
	assert_int_equal(driver_used_flags(&w.d), 0);
	virtq_mute(&w.q);
	driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	driver_offer(&w.d, 0);
	assert_true(virtq_unmute(&w.q)); /* came while nobody would have told us */
}

static void mute_and_unmute_by_event_index(void **state)
{
	(void)state;
	walker_enable(&w, SIZE, EVENT_IDX);
	virtq_mute(&w.q);
	assert_int_equal(driver_used_flags(&w.d), 0);
	assert_false(virtq_unmute(&w.q));
	assert_int_equal(driver_avail_event(&w.d), 0);
	driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	driver_offer(&w.d, 0);
	assert_true(virtq_unmute(&w.q));
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(driver_avail_event(&w.d), 0); /* stays behind: the driver stays quiet */
	assert_false(virtq_unmute(&w.q));
	assert_int_equal(driver_avail_event(&w.d), 1);
}

/* Our indices live on the host: what the guest writes over them changes nothing. */
static void guest_cannot_move_our_indices(void **state)
{
	struct vring_used_elem e;

	(void)state;
	driver_desc(&w.d, 0, (struct vring_desc)WRITES(GUEST_HIGH, 1));
	one_chain();
	memset(guest_at(&w.g, w.d.regs.used, 4), 0xff, 4);
	driver_offer(&w.d, 0);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	virtq_push(&w.q, 0, 9);
	assert_true(virtq_publish(&w.q));
	assert_true(driver_used(&w.d, &e));
	assert_int_equal(e.len, 9);
	assert_false(driver_used(&w.d, &e));
}

static void every_fault_has_its_own_name(void **state)
{
	(void)state;
	for (int i = VIRTQ_OK; i <= VIRTQ_BAD_INDIRECT; i++) {
		for (int k = VIRTQ_OK; k < i; k++)
			assert_string_not_equal(virtq_fault_name((enum virtq_fault)i),
						virtq_fault_name((enum virtq_fault)k));
	}
	assert_string_equal(virtq_fault_name((enum virtq_fault)(VIRTQ_BAD_INDIRECT + 1)),
			    "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(broken_queue_recovers_by_enabling_it),
		TEST(used_elements_are_seen_when_published),
		TEST(flag_suppresses_interrupts),
		TEST(event_index_suppresses_interrupts),
		TEST(event_index_is_hit_inside_a_batch),
		TEST(indices_wrap_around),
		TEST(full_ring_over_the_wrap),
		TEST(mute_and_unmute_by_flag),
		TEST(mute_and_unmute_by_event_index),
		TEST(guest_cannot_move_our_indices),
		TEST(every_fault_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
