// SPDX-License-Identifier: Apache-2.0
#include "virtio/virtq.h"

#include "tests/lib/driver.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define SIZE	  8
#define TABLE	  (GUEST_LOW + 0x8000) /* room for indirect tables */

#define R(addr, len)                \
	{                           \
		(addr), (len), 0, 0 \
	}
#define W(addr, len)                                 \
	{                                            \
		(addr), (len), VRING_DESC_F_WRITE, 0 \
	}

struct fixture {
	struct guest g;
	struct driver d;
	struct virtq q;
	struct virtq_chain c;
};

static struct fixture f;

static void enable(uint16_t size, uint64_t features)
{
	driver_init(&f.d, &f.g, size, GUEST_LOW);
	assert_int_equal(virtq_enable(&f.q, &f.g.mem, &f.d.regs, features), 0);
}

static int set_up(void **state)
{
	(void)state;
	guest_init_usual(&f.g);
	enable(SIZE, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_release(&f.g);
	return 0;
}

/* The next pop breaks the queue for this reason, and it stays broken. */
static void assert_breaks(enum virtq_fault why)
{
	assert_int_equal(virtq_pop(&f.q, &f.c), -EIO);
	assert_string_equal(virtq_fault_name(f.q.fault), virtq_fault_name(why));
	assert_int_equal(virtq_pop(&f.q, &f.c), -EIO);
	assert_int_equal(f.q.fault, why);
}

/* Offers `desc` as a chain from descriptor 0 of a fresh queue, which must break. */
static void assert_chain_breaks(const struct vring_desc *desc, uint16_t nr, uint64_t features,
				enum virtq_fault why)
{
	enable(SIZE, features);
	driver_chain(&f.d, 0, desc, nr);
	assert_breaks(why);
}

static void assert_segment(unsigned int i, uint64_t gpa, uint32_t len)
{
	assert_ptr_equal(f.c.iov[i].iov_base, guest_at(&f.g, gpa, len));
	assert_int_equal(f.c.iov[i].iov_len, len);
}

static void empty_queue_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(virtq_pop(&f.q, &f.c), 0);
	assert_int_equal(f.q.fault, VIRTQ_OK);
	assert_false(virtq_publish(&f.q));
}

static void queue_that_is_not_enabled_gives_an_error(void **state)
{
	(void)state;
	driver_offer(&f.d, 0);
	virtq_disable(&f.q);
	assert_int_equal(virtq_pop(&f.q, &f.c), -EIO);
	virtq_push(&f.q, 0, 1);
	assert_false(virtq_publish(&f.q));
	assert_false(virtq_unmute(&f.q));
	virtq_mute(&f.q);
	virtq_disable(&f.q);
}

static void chain_comes_out_as_it_went_in(void **state)
{
	const struct vring_desc desc[] = {
		R(GUEST_HIGH, 16),
		R(GUEST_HIGH + 0x1000, 512),
		W(GUEST_MID, 4096),
		W(GUEST_HIGH + 1, 1),
	};

	(void)state;
	driver_chain(&f.d, 2, desc, ARRAY_SIZE(desc));
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.c.head, 2);
	assert_int_equal(f.c.nr_read, 2);
	assert_int_equal(f.c.nr_write, 2);
	assert_int_equal(f.c.read_len, 528);
	assert_int_equal(f.c.write_len, 4097);
	for (unsigned int i = 0; i < ARRAY_SIZE(desc); i++)
		assert_segment(i, desc[i].addr, desc[i].len);
	assert_int_equal(f.q.nr_in_flight, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 0);
}

static void buffer_over_touching_regions_is_two_segments(void **state)
{
	const struct vring_desc desc = W(GUEST_MID - 100, 300);

	(void)state;
	driver_chain(&f.d, 0, &desc, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.c.nr_write, 2);
	assert_int_equal(f.c.write_len, 300);
	assert_segment(0, GUEST_MID - 100, 100);
	assert_segment(1, GUEST_MID, 200);
}

static void chains_come_in_the_order_of_the_ring(void **state)
{
	const struct vring_desc desc = R(GUEST_HIGH, 1);
	static const uint16_t order[] = { 5, 0, 7, 3 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		driver_chain(&f.d, order[i], &desc, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(virtq_pop(&f.q, &f.c), 1);
		assert_int_equal(f.c.head, order[i]);
	}
	assert_int_equal(virtq_pop(&f.q, &f.c), 0);
	assert_int_equal(f.q.nr_in_flight, 4);
}

static void sizes_from_one_to_the_largest_work(void **state)
{
	const struct vring_desc desc = R(GUEST_HIGH, 1);

	(void)state;
	for (uint16_t size = 1; size <= VIRTQ_SIZE_MAX; size = (uint16_t)(size * 2)) {
		enable(size, 0);
		for (uint16_t i = 0; i < size; i++)
			driver_chain(&f.d, i, &desc, 1);
		for (uint16_t i = 0; i < size; i++)
			assert_int_equal(virtq_pop(&f.q, &f.c), 1);
		assert_int_equal(virtq_pop(&f.q, &f.c), 0);
		assert_int_equal(f.q.nr_in_flight, size);
	}
}

static void longest_chain_is_a_full_ring(void **state)
{
	(void)state;
	enable(VIRTQ_SIZE_MAX, 0);
	for (uint16_t i = 0; i < VIRTQ_SIZE_MAX; i++) {
		uint16_t flags = i + 1 < VIRTQ_SIZE_MAX ? VRING_DESC_F_NEXT : 0;
		struct vring_desc desc = { GUEST_HIGH + i, 1, flags, (uint16_t)(i + 1) };

		driver_desc(&f.d, i, desc);
	}
	driver_offer(&f.d, 0);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.c.nr_read, VIRTQ_SIZE_MAX);
	assert_int_equal(f.c.read_len, VIRTQ_SIZE_MAX);
}

static void geometry_is_checked(void **state)
{
	static const struct virtq_regs bad[] = {
		{ .desc = 0, .avail = 0x1000, .used = 0x2000, .size = 0 },
		{ .desc = 0, .avail = 0x1000, .used = 0x2000, .size = 6 },
		{ .desc = 0, .avail = 0x1000, .used = 0x2000, .size = 2 * VIRTQ_SIZE_MAX },
		{ .desc = 0, .avail = 0x1000, .used = 0x2000, .size = 0x8000 },
		{ .desc = 8, .avail = 0x1000, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = 0x1001, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = 0x1000, .used = 0x2002, .size = 8 },
		/* Across touching regions, over the end, in the hole, around the address space. */
		{ .desc = GUEST_MID - 0x40, .avail = 0x1000, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = GUEST_HOLE - 20, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = 0x1000, .used = GUEST_END - 68, .size = 8 },
		{ .desc = GUEST_HOLE, .avail = 0x1000, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = UINT64_MAX - 1, .used = 0x2000, .size = 8 },
		{ .desc = 0, .avail = 0x1000, .used = UINT64_MAX - 3, .size = 8 },
		{ .desc = UINT64_MAX - 15, .avail = 0x1000, .used = 0x2000, .size = 8 },
	};
	/* The last byte of each ring at the last byte of a region. */
	static const struct virtq_regs tight = { .desc = GUEST_MID - 0x80,
						 .avail = GUEST_HOLE - 22,
						 .used = GUEST_END - 72,
						 .size = 8 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(virtq_enable(&f.q, &f.g.mem, &bad[i], 0), -EINVAL);
		assert_int_equal(f.q.fault, VIRTQ_BAD_GEOMETRY);
		assert_int_equal(virtq_pop(&f.q, &f.c), -EIO);
	}
	assert_int_equal(virtq_enable(&f.q, &f.g.mem, &tight, EVENT_IDX), 0);
	assert_int_equal(virtq_pop(&f.q, &f.c), 0);
	assert_false(virtq_unmute(&f.q)); /* writes the last word of the used ring */
}

static void announcing_more_than_the_ring_holds_breaks(void **state)
{
	const struct vring_desc desc = R(GUEST_HIGH, 1);

	(void)state;
	driver_set_avail_idx(&f.d, SIZE + 1);
	assert_breaks(VIRTQ_BAD_AVAIL_IDX);
	enable(SIZE, 0);
	driver_chain(&f.d, 0, &desc, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	driver_set_avail_idx(&f.d, 0); /* backwards */
	assert_breaks(VIRTQ_BAD_AVAIL_IDX);
}

static void head_outside_the_table_breaks(void **state)
{
	static const uint16_t heads[] = { SIZE, SIZE + 1, 0x7fff, 0xffff };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(heads); i++) {
		enable(SIZE, 0);
		driver_offer(&f.d, heads[i]);
		assert_breaks(VIRTQ_BAD_HEAD);
	}
}

static void head_in_flight_breaks_until_it_is_pushed(void **state)
{
	const struct vring_desc desc = R(GUEST_HIGH, 1);

	(void)state;
	driver_chain(&f.d, 3, &desc, 1);
	driver_offer(&f.d, 3);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_breaks(VIRTQ_HEAD_IN_USE);
	enable(SIZE, 0);
	driver_chain(&f.d, 3, &desc, 1);
	driver_offer(&f.d, 3);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	virtq_push(&f.q, 3, 0);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.q.nr_in_flight, 1);
}

static void link_outside_the_table_breaks(void **state)
{
	(void)state;
	driver_desc(&f.d, 0, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, SIZE });
	driver_offer(&f.d, 0);
	assert_breaks(VIRTQ_BAD_NEXT);
}

static void loops_break(void **state)
{
	(void)state;
	driver_desc(&f.d, 0, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 0 });
	driver_offer(&f.d, 0);
	assert_breaks(VIRTQ_LOOP);
	enable(SIZE, 0);
	driver_desc(&f.d, 4, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 5 });
	driver_desc(&f.d, 5, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 4 });
	driver_offer(&f.d, 4);
	assert_breaks(VIRTQ_LOOP);
}

static void readable_after_writable_breaks(void **state)
{
	const struct vring_desc desc[] = { R(GUEST_HIGH, 1), W(GUEST_HIGH, 1), R(GUEST_HIGH, 1) };

	(void)state;
	assert_chain_breaks(desc, ARRAY_SIZE(desc), 0, VIRTQ_BAD_ORDER);
}

static void buffers_outside_memory_break(void **state)
{
	static const struct vring_desc bad[] = {
		R(GUEST_HIGH, 0),      R(GUEST_HOLE, 1),    W(GUEST_HOLE - 1, 2),
		W(GUEST_HIGH - 1, 2),  R(GUEST_END - 1, 2), R(UINT64_MAX, 1),
		R(UINT64_MAX, 2),      W(0, UINT32_MAX),    R(UINT64_MAX - 3, 8),
		W(1ull << 63, 0x1000), R(GUEST_END, 1),
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_chain_breaks(&bad[i], 1, 0, VIRTQ_BAD_BUFFER);
}

static void too_many_segments_break(void **state)
{
	(void)state;
	enable(VIRTQ_SIZE_MAX, 0);
	/* Each buffer touches two regions, and there are more of them than VIRTQ_IOV_MAX / 2. */
	for (uint16_t i = 0; i < VIRTQ_SIZE_MAX; i++) {
		uint16_t flags = i + 1 < VIRTQ_SIZE_MAX ? VRING_DESC_F_NEXT : 0;
		struct vring_desc desc = { GUEST_MID - 1, 2, flags, (uint16_t)(i + 1) };

		driver_desc(&f.d, i, desc);
	}
	driver_offer(&f.d, 0);
	assert_breaks(VIRTQ_TOO_LONG);
}

/* Lengths that are fine one by one add up: UINT32_MAX is what the used ring can tell. */
static void too_many_bytes_break(void **state)
{
	const struct guest_range range[] = { { 0, MIB(16) + KIB(64) } };
	const uint64_t rings = MIB(16);

	(void)state;
	guest_release(&f.g);
	guest_init(&f.g, range, 1);
	for (unsigned int excess = 0; excess <= 1; excess++) {
		driver_init(&f.d, &f.g, VIRTQ_SIZE_MAX, rings);
		assert_int_equal(virtq_enable(&f.q, &f.g.mem, &f.d.regs, 0), 0);
		for (uint16_t i = 0; i < 255; i++)
			driver_desc(&f.d, i,
				    (struct vring_desc){ 0, MIB(16),
							 VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
							 (uint16_t)(i + 1) });
		driver_desc(&f.d, 255,
			    (struct vring_desc){ 0, (uint32_t)MIB(16) - 1 + excess,
						 VRING_DESC_F_WRITE, 0 });
		driver_offer(&f.d, 0);
		if (excess) {
			assert_breaks(VIRTQ_TOO_LONG);
		} else {
			assert_int_equal(virtq_pop(&f.q, &f.c), 1);
			assert_int_equal(f.c.write_len, UINT32_MAX);
		}
	}
}

static void indirect_table_is_followed(void **state)
{
	const struct vring_desc direct[] = {
		R(GUEST_HIGH, 16),
		{ TABLE, 3 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0 },
	};

	(void)state;
	enable(SIZE, INDIRECT);
	/* The table's own links, not in order. */
	driver_table_desc(&f.d, TABLE, 0,
			  (struct vring_desc){ GUEST_MID, 32, VRING_DESC_F_NEXT, 2 });
	driver_table_desc(&f.d, TABLE, 2,
			  (struct vring_desc){ GUEST_MID + 64, 8,
					       VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 });
	driver_table_desc(&f.d, TABLE, 1, (struct vring_desc)W(GUEST_HIGH + 0x100, 4));
	/* Alone, and as the last of a chain (§2.7.5.3.1); the WRITE flag on it means nothing. */
	driver_chain(&f.d, 1, direct + 1, 1);
	driver_chain(&f.d, 4, direct, 2);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.c.head, 1);
	assert_int_equal(f.c.nr_read, 1);
	assert_int_equal(f.c.nr_write, 2);
	assert_segment(0, GUEST_MID, 32);
	assert_segment(1, GUEST_MID + 64, 8);
	assert_segment(2, GUEST_HIGH + 0x100, 4);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(f.c.head, 4);
	assert_int_equal(f.c.nr_read, 2);
	assert_int_equal(f.c.read_len, 48);
	assert_int_equal(f.c.write_len, 12);
}

static void indirect_that_was_not_offered_breaks(void **state)
{
	const struct vring_desc desc = { TABLE, 16, VRING_DESC_F_INDIRECT, 0 };

	(void)state;
	driver_table_desc(&f.d, TABLE, 0, (struct vring_desc)R(GUEST_HIGH, 1));
	assert_chain_breaks(&desc, 1, EVENT_IDX, VIRTQ_BAD_INDIRECT);
}

static void bad_indirect_descriptors_break(void **state)
{
	static const struct vring_desc bad[] = {
		{ TABLE, 0, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 15, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 17, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 16 * (SIZE + 1), VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 0xfffffff0, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1 },
		{ GUEST_HOLE, 16, VRING_DESC_F_INDIRECT, 0 },
		{ GUEST_MID - 16, 32, VRING_DESC_F_INDIRECT, 0 },
		{ UINT64_MAX - 15, 16, VRING_DESC_F_INDIRECT, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		for (uint16_t k = 0; k <= SIZE; k++)
			driver_table_desc(&f.d, TABLE, k, (struct vring_desc)R(GUEST_HIGH, 1));
		assert_chain_breaks(&bad[i], 1, INDIRECT, VIRTQ_BAD_INDIRECT);
	}
}

static void bad_indirect_tables_break(void **state)
{
	static const struct {
		struct vring_desc first;
		enum virtq_fault why;
	} bad[] = {
		{ { TABLE, 16, VRING_DESC_F_INDIRECT, 0 }, VIRTQ_BAD_INDIRECT },
		{ { GUEST_HIGH, 1, VRING_DESC_F_NEXT, 2 }, VIRTQ_BAD_NEXT },
		{ { GUEST_HIGH, 1, VRING_DESC_F_NEXT, 0 }, VIRTQ_LOOP },
		{ { GUEST_HIGH, 0, 0, 0 }, VIRTQ_BAD_BUFFER },
		{ { GUEST_HOLE, 1, VRING_DESC_F_WRITE, 0 }, VIRTQ_BAD_BUFFER },
	};
	const struct vring_desc chain[] = {
		W(GUEST_HIGH, 1),
		{ TABLE, 32, VRING_DESC_F_INDIRECT, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		driver_table_desc(&f.d, TABLE, 0, bad[i].first);
		assert_chain_breaks(&chain[1], 1, INDIRECT, bad[i].why);
	}
	/* The order of directions holds over both tables. */
	driver_table_desc(&f.d, TABLE, 0, (struct vring_desc)R(GUEST_HIGH, 1));
	assert_chain_breaks(chain, 2, INDIRECT, VIRTQ_BAD_ORDER);
}

static void broken_queue_recovers_by_enabling_it(void **state)
{
	const struct vring_desc desc = R(GUEST_HIGH, 1);
	struct vring_used_elem e;

	(void)state;
	driver_chain(&f.d, 1, &desc, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	driver_offer(&f.d, SIZE);
	assert_breaks(VIRTQ_BAD_HEAD);
	virtq_push(&f.q, 1, 0);
	assert_false(virtq_publish(&f.q));
	assert_false(virtq_unmute(&f.q));
	assert_false(driver_used(&f.d, &e));
	enable(SIZE, 0);
	driver_chain(&f.d, 1, &desc, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
}

static void used_elements_are_seen_when_published(void **state)
{
	const struct vring_desc desc = W(GUEST_HIGH, 100);
	struct vring_used_elem e;

	(void)state;
	driver_chain(&f.d, 6, &desc, 1);
	driver_chain(&f.d, 2, &desc, 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	virtq_push(&f.q, 2, 100);
	virtq_push(&f.q, 6, 7);
	assert_int_equal(f.q.nr_in_flight, 0);
	assert_false(driver_used(&f.d, &e));
	assert_true(virtq_publish(&f.q));
	assert_true(driver_used(&f.d, &e));
	assert_int_equal(e.id, 2);
	assert_int_equal(e.len, 100);
	assert_true(driver_used(&f.d, &e));
	assert_int_equal(e.id, 6);
	assert_int_equal(e.len, 7);
	assert_false(driver_used(&f.d, &e));
	assert_false(virtq_publish(&f.q)); /* nothing new */
}

/* Does one chain from end to end; returns whether the guest wants an interrupt. */
static bool one_chain(void)
{
	struct vring_used_elem e;
	bool irq;

	driver_offer(&f.d, 0);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	virtq_push(&f.q, 0, 1);
	irq = virtq_publish(&f.q);
	assert_true(driver_used(&f.d, &e));
	assert_int_equal(e.id, 0);
	assert_false(driver_used(&f.d, &e));
	return irq;
}

static void flag_suppresses_interrupts(void **state)
{
	(void)state;
	driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
	assert_true(one_chain());
	driver_set_avail_flags(&f.d, VRING_AVAIL_F_NO_INTERRUPT);
	assert_false(one_chain());
	driver_set_avail_flags(&f.d, 0);
	assert_true(one_chain());
}

static void event_index_suppresses_interrupts(void **state)
{
	(void)state;
	enable(SIZE, EVENT_IDX);
	driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
	/* With the event index the flag means nothing (§2.7.7.1). */
	driver_set_avail_flags(&f.d, VRING_AVAIL_F_NO_INTERRUPT);
	assert_true(one_chain());
	driver_set_used_event(&f.d, 3);
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

		enable(SIZE, EVENT_IDX);
		for (uint16_t i = 0; i < SIZE; i++)
			driver_desc(&f.d, i, (struct vring_desc)W(GUEST_HIGH, 1));
		driver_set_used_event(&f.d, event);
		for (uint16_t from = 0; from < 12; from = (uint16_t)(from + 4)) {
			for (uint16_t i = 0; i < 4; i++) {
				driver_offer(&f.d, i);
				assert_int_equal(virtq_pop(&f.q, &f.c), 1);
				virtq_push(&f.q, i, 1);
			}
			assert_int_equal(virtq_publish(&f.q),
					 first || (event >= from && event < from + 4));
			first = false;
		}
	}
}

static void indices_wrap_around(void **state)
{
	(void)state;
	for (unsigned int event_idx = 0; event_idx <= 1; event_idx++) {
		enable(SIZE, event_idx ? EVENT_IDX : 0);
		driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
		for (unsigned int i = 0; i < 2 * 65536 + 5; i++) {
			/* Every third element is asked for; one that is long past is not due. */
			bool wanted = i % 3 == 0 || i == 0;

			driver_set_used_event(&f.d, (uint16_t)(wanted ? i : i - 2));
			assert_int_equal(one_chain(), wanted || !event_idx);
			assert_false(virtq_unmute(&f.q));
			if (event_idx)
				assert_int_equal(driver_avail_event(&f.d), (uint16_t)(i + 1));
		}
	}
}

static void full_ring_over_the_wrap(void **state)
{
	struct vring_used_elem e;

	(void)state;
	enable(SIZE, EVENT_IDX);
	for (uint16_t i = 0; i < SIZE; i++)
		driver_desc(&f.d, i, (struct vring_desc)W(GUEST_HIGH, 1));
	for (unsigned int i = 0; i < 65536 - SIZE / 2; i++)
		one_chain();
	for (uint16_t i = 0; i < SIZE; i++)
		driver_offer(&f.d, i);
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(virtq_pop(&f.q, &f.c), 0);
	for (uint16_t i = 0; i < SIZE; i++)
		virtq_push(&f.q, i, i);
	driver_set_used_event(&f.d, 1); /* past the wrap, inside the batch */
	assert_true(virtq_publish(&f.q));
	for (uint16_t i = 0; i < SIZE; i++) {
		assert_true(driver_used(&f.d, &e));
		assert_int_equal(e.id, i);
		assert_int_equal(e.len, i);
	}
	assert_int_equal(f.d.used_seen, SIZE / 2);
	driver_set_avail_idx(&f.d, SIZE / 2 + SIZE + 1);
	assert_breaks(VIRTQ_BAD_AVAIL_IDX);
}

static void mute_and_unmute_by_flag(void **state)
{
	(void)state;
	virtq_mute(&f.q);
	assert_int_equal(driver_used_flags(&f.d), VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_unmute(&f.q));
	assert_int_equal(driver_used_flags(&f.d), 0);
	virtq_mute(&f.q);
	driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
	driver_offer(&f.d, 0);
	assert_true(virtq_unmute(&f.q)); /* came while nobody would have told us */
}

static void mute_and_unmute_by_event_index(void **state)
{
	(void)state;
	enable(SIZE, EVENT_IDX);
	virtq_mute(&f.q);
	assert_int_equal(driver_used_flags(&f.d), 0);
	assert_false(virtq_unmute(&f.q));
	assert_int_equal(driver_avail_event(&f.d), 0);
	driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
	driver_offer(&f.d, 0);
	assert_true(virtq_unmute(&f.q));
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	assert_int_equal(driver_avail_event(&f.d), 0); /* stays behind: the driver stays quiet */
	assert_false(virtq_unmute(&f.q));
	assert_int_equal(driver_avail_event(&f.d), 1);
}

/* Our indices live on the host: what the guest writes over them changes nothing. */
static void guest_cannot_move_our_indices(void **state)
{
	struct vring_used_elem e;

	(void)state;
	driver_desc(&f.d, 0, (struct vring_desc)W(GUEST_HIGH, 1));
	one_chain();
	memset(guest_at(&f.g, f.d.regs.used, 4), 0xff, 4);
	driver_offer(&f.d, 0);
	assert_int_equal(virtq_pop(&f.q, &f.c), 1);
	virtq_push(&f.q, 0, 9);
	assert_true(virtq_publish(&f.q));
	assert_true(driver_used(&f.d, &e));
	assert_int_equal(e.len, 9);
	assert_false(driver_used(&f.d, &e));
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
		TEST(empty_queue_gives_nothing),
		TEST(queue_that_is_not_enabled_gives_an_error),
		TEST(chain_comes_out_as_it_went_in),
		TEST(buffer_over_touching_regions_is_two_segments),
		TEST(chains_come_in_the_order_of_the_ring),
		TEST(sizes_from_one_to_the_largest_work),
		TEST(longest_chain_is_a_full_ring),
		TEST(geometry_is_checked),
		TEST(announcing_more_than_the_ring_holds_breaks),
		TEST(head_outside_the_table_breaks),
		TEST(head_in_flight_breaks_until_it_is_pushed),
		TEST(link_outside_the_table_breaks),
		TEST(loops_break),
		TEST(readable_after_writable_breaks),
		TEST(buffers_outside_memory_break),
		TEST(too_many_segments_break),
		TEST(too_many_bytes_break),
		TEST(indirect_table_is_followed),
		TEST(indirect_that_was_not_offered_breaks),
		TEST(bad_indirect_descriptors_break),
		TEST(bad_indirect_tables_break),
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
