// SPDX-License-Identifier: Apache-2.0
/* Taking chains from a queue: what is whole comes out, all else breaks the queue. */
#include "virtio/virtq.h"

#include "tests/lib/unit.h"
#include "tests/lib/walker.h"
#include "vmm/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE  8
#define TABLE (GUEST_LOW + 0x8000) /* room for indirect tables */

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

/* Offers `desc` as a chain from descriptor 0 of a fresh queue, which must break. */
static void assert_chain_breaks(const struct vring_desc *desc, uint16_t nr, uint64_t features,
				enum virtq_fault why)
{
	walker_enable(&w, SIZE, features);
	driver_chain(&w.d, 0, desc, nr);
	walker_breaks(&w, why);
}

static void assert_segment(unsigned int i, uint64_t gpa, uint32_t len)
{
	assert_ptr_equal(w.c.iov[i].iov_base, guest_at(&w.g, gpa, len));
	assert_int_equal(w.c.iov[i].iov_len, len);
}

static void empty_queue_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(virtq_pop(&w.q, &w.c), 0);
	assert_int_equal(w.q.fault, VIRTQ_OK);
	assert_false(virtq_publish(&w.q));
}

static void queue_that_is_not_enabled_gives_an_error(void **state)
{
	(void)state;
	driver_offer(&w.d, 0);
	virtq_disable(&w.q);
	assert_int_equal(virtq_pop(&w.q, &w.c), -EIO);
	virtq_push(&w.q, 0, 1);
	assert_false(virtq_publish(&w.q));
	assert_false(virtq_unmute(&w.q));
	virtq_mute(&w.q);
	virtq_disable(&w.q);
}

static void chain_comes_out_as_it_went_in(void **state)
{
	const struct vring_desc desc[] = {
		READS(GUEST_HIGH, 16),
		READS(GUEST_HIGH + 0x1000, 512),
		WRITES(GUEST_MID, 4096),
		WRITES(GUEST_HIGH + 1, 1),
	};

	(void)state;
	driver_chain(&w.d, 2, desc, ARRAY_SIZE(desc));
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.c.head, 2);
	assert_int_equal(w.c.nr_read, 2);
	assert_int_equal(w.c.nr_write, 2);
	assert_int_equal(w.c.read_len, 528);
	assert_int_equal(w.c.write_len, 4097);
	for (unsigned int i = 0; i < ARRAY_SIZE(desc); i++)
		assert_segment(i, desc[i].addr, desc[i].len);
	assert_int_equal(w.q.nr_in_flight, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 0);
}

static void buffer_over_touching_regions_is_two_segments(void **state)
{
	const struct vring_desc desc = WRITES(GUEST_MID - 100, 300);

	(void)state;
	driver_chain(&w.d, 0, &desc, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.c.nr_write, 2);
	assert_int_equal(w.c.write_len, 300);
	assert_segment(0, GUEST_MID - 100, 100);
	assert_segment(1, GUEST_MID, 200);
}

static void chains_come_in_the_order_of_the_ring(void **state)
{
	const struct vring_desc desc = READS(GUEST_HIGH, 1);
	static const uint16_t order[] = { 5, 0, 7, 3 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		driver_chain(&w.d, order[i], &desc, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(virtq_pop(&w.q, &w.c), 1);
		assert_int_equal(w.c.head, order[i]);
	}
	assert_int_equal(virtq_pop(&w.q, &w.c), 0);
	assert_int_equal(w.q.nr_in_flight, 4);
}

static void sizes_from_one_to_the_largest_work(void **state)
{
	const struct vring_desc desc = READS(GUEST_HIGH, 1);

	(void)state;
	for (uint16_t size = 1; size <= VIRTQ_SIZE_MAX; size = (uint16_t)(size * 2)) {
		walker_enable(&w, size, 0);
		for (uint16_t i = 0; i < size; i++)
			driver_chain(&w.d, i, &desc, 1);
		for (uint16_t i = 0; i < size; i++)
			assert_int_equal(virtq_pop(&w.q, &w.c), 1);
		assert_int_equal(virtq_pop(&w.q, &w.c), 0);
		assert_int_equal(w.q.nr_in_flight, size);
	}
}

static void longest_chain_is_a_full_ring(void **state)
{
	(void)state;
	walker_enable(&w, VIRTQ_SIZE_MAX, 0);
	for (uint16_t i = 0; i < VIRTQ_SIZE_MAX; i++) {
		uint16_t flags = i + 1 < VIRTQ_SIZE_MAX ? VRING_DESC_F_NEXT : 0;
		struct vring_desc desc = { GUEST_HIGH + i, 1, flags, (uint16_t)(i + 1) };

		driver_desc(&w.d, i, desc);
	}
	driver_offer(&w.d, 0);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.c.nr_read, VIRTQ_SIZE_MAX);
	assert_int_equal(w.c.read_len, VIRTQ_SIZE_MAX);
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
		assert_int_equal(virtq_enable(&w.q, &w.g.mem, &bad[i], 0), -EINVAL);
		assert_int_equal(w.q.fault, VIRTQ_BAD_GEOMETRY);
		assert_int_equal(virtq_pop(&w.q, &w.c), -EIO);
	}
	assert_int_equal(virtq_enable(&w.q, &w.g.mem, &tight, EVENT_IDX), 0);
	assert_int_equal(virtq_pop(&w.q, &w.c), 0);
	assert_false(virtq_unmute(&w.q)); /* writes the last word of the used ring */
}

static void announcing_more_than_the_ring_holds_breaks(void **state)
{
	const struct vring_desc desc = READS(GUEST_HIGH, 1);

	(void)state;
	driver_set_avail_idx(&w.d, SIZE + 1);
	walker_breaks(&w, VIRTQ_BAD_AVAIL_IDX);
	walker_enable(&w, SIZE, 0);
	driver_chain(&w.d, 0, &desc, 1);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	driver_set_avail_idx(&w.d, 0); /* backwards */
	walker_breaks(&w, VIRTQ_BAD_AVAIL_IDX);
}

static void head_outside_the_table_breaks(void **state)
{
	static const uint16_t heads[] = { SIZE, SIZE + 1, 0x7fff, 0xffff };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(heads); i++) {
		walker_enable(&w, SIZE, 0);
		driver_offer(&w.d, heads[i]);
		walker_breaks(&w, VIRTQ_BAD_HEAD);
	}
}

static void head_in_flight_breaks_until_it_is_pushed(void **state)
{
	const struct vring_desc desc = READS(GUEST_HIGH, 1);

	(void)state;
	driver_chain(&w.d, 3, &desc, 1);
	driver_offer(&w.d, 3);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	walker_breaks(&w, VIRTQ_HEAD_IN_USE);
	walker_enable(&w, SIZE, 0);
	driver_chain(&w.d, 3, &desc, 1);
	driver_offer(&w.d, 3);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	virtq_push(&w.q, 3, 0);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.q.nr_in_flight, 1);
}

static void link_outside_the_table_breaks(void **state)
{
	(void)state;
	driver_desc(&w.d, 0, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, SIZE });
	driver_offer(&w.d, 0);
	walker_breaks(&w, VIRTQ_BAD_NEXT);
}

static void loops_break(void **state)
{
	(void)state;
	driver_desc(&w.d, 0, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 0 });
	driver_offer(&w.d, 0);
	walker_breaks(&w, VIRTQ_LOOP);
	walker_enable(&w, SIZE, 0);
	driver_desc(&w.d, 4, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 5 });
	driver_desc(&w.d, 5, (struct vring_desc){ GUEST_HIGH, 1, VRING_DESC_F_NEXT, 4 });
	driver_offer(&w.d, 4);
	walker_breaks(&w, VIRTQ_LOOP);
}

static void readable_after_writable_breaks(void **state)
{
	const struct vring_desc desc[] = { READS(GUEST_HIGH, 1), WRITES(GUEST_HIGH, 1),
					   READS(GUEST_HIGH, 1) };

	(void)state;
	assert_chain_breaks(desc, ARRAY_SIZE(desc), 0, VIRTQ_BAD_ORDER);
}

static void buffers_outside_memory_break(void **state)
{
	static const struct vring_desc bad[] = {
		READS(GUEST_HIGH, 0),	    READS(GUEST_HOLE, 1),    WRITES(GUEST_HOLE - 1, 2),
		WRITES(GUEST_HIGH - 1, 2),  READS(GUEST_END - 1, 2), READS(UINT64_MAX, 1),
		READS(UINT64_MAX, 2),	    WRITES(0, UINT32_MAX),   READS(UINT64_MAX - 3, 8),
		WRITES(1ull << 63, 0x1000), READS(GUEST_END, 1),
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_chain_breaks(&bad[i], 1, 0, VIRTQ_BAD_BUFFER);
}

static void too_many_segments_break(void **state)
{
	(void)state;
	walker_enable(&w, VIRTQ_SIZE_MAX, 0);
	/* Each buffer touches two regions, and there are more of them than VIRTQ_IOV_MAX / 2. */
	for (uint16_t i = 0; i < VIRTQ_SIZE_MAX; i++) {
		uint16_t flags = i + 1 < VIRTQ_SIZE_MAX ? VRING_DESC_F_NEXT : 0;
		struct vring_desc desc = { GUEST_MID - 1, 2, flags, (uint16_t)(i + 1) };

		driver_desc(&w.d, i, desc);
	}
	driver_offer(&w.d, 0);
	walker_breaks(&w, VIRTQ_TOO_LONG);
}

/* Lengths that are fine one by one add up: UINT32_MAX is what the used ring can tell. */
static void too_many_bytes_break(void **state)
{
	const struct guest_range range[] = { { 0, MIB(16) + KIB(64) } };
	const uint64_t rings = MIB(16);

	(void)state;
	guest_release(&w.g);
	guest_init(&w.g, range, 1);
	for (unsigned int excess = 0; excess <= 1; excess++) {
		driver_init(&w.d, &w.g, VIRTQ_SIZE_MAX, rings);
		assert_int_equal(virtq_enable(&w.q, &w.g.mem, &w.d.regs, 0), 0);
		for (uint16_t i = 0; i < 255; i++)
			driver_desc(&w.d, i,
				    (struct vring_desc){ 0, MIB(16),
							 VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
							 (uint16_t)(i + 1) });
		driver_desc(&w.d, 255,
			    (struct vring_desc){ 0, (uint32_t)MIB(16) - 1 + excess,
						 VRING_DESC_F_WRITE, 0 });
		driver_offer(&w.d, 0);
		if (excess) {
			walker_breaks(&w, VIRTQ_TOO_LONG);
		} else {
			assert_int_equal(virtq_pop(&w.q, &w.c), 1);
			assert_int_equal(w.c.write_len, UINT32_MAX);
		}
	}
}

static void indirect_table_is_followed(void **state)
{
	const struct vring_desc direct[] = {
		READS(GUEST_HIGH, 16),
		{ TABLE, 3 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0 },
	};

	(void)state;
	walker_enable(&w, SIZE, INDIRECT);
	/* The table's own links, not in order. */
	driver_table_desc(&w.d, TABLE, 0,
			  (struct vring_desc){ GUEST_MID, 32, VRING_DESC_F_NEXT, 2 });
	driver_table_desc(&w.d, TABLE, 2,
			  (struct vring_desc){ GUEST_MID + 64, 8,
					       VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 });
	driver_table_desc(&w.d, TABLE, 1, (struct vring_desc)WRITES(GUEST_HIGH + 0x100, 4));
	/* Alone, and as the last of a chain (§2.7.5.3.1); the WRITE flag on it means nothing. */
	driver_chain(&w.d, 1, direct + 1, 1);
	driver_chain(&w.d, 4, direct, 2);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.c.head, 1);
	assert_int_equal(w.c.nr_read, 1);
	assert_int_equal(w.c.nr_write, 2);
	assert_segment(0, GUEST_MID, 32);
	assert_segment(1, GUEST_MID + 64, 8);
	assert_segment(2, GUEST_HIGH + 0x100, 4);
	assert_int_equal(virtq_pop(&w.q, &w.c), 1);
	assert_int_equal(w.c.head, 4);
	assert_int_equal(w.c.nr_read, 2);
	assert_int_equal(w.c.read_len, 48);
	assert_int_equal(w.c.write_len, 12);
}

static void indirect_that_was_not_offered_breaks(void **state)
{
	const struct vring_desc desc = { TABLE, 16, VRING_DESC_F_INDIRECT, 0 };

	(void)state;
	driver_table_desc(&w.d, TABLE, 0, (struct vring_desc)READS(GUEST_HIGH, 1));
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
			driver_table_desc(&w.d, TABLE, k, (struct vring_desc)READS(GUEST_HIGH, 1));
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
		WRITES(GUEST_HIGH, 1),
		{ TABLE, 32, VRING_DESC_F_INDIRECT, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		driver_table_desc(&w.d, TABLE, 0, bad[i].first);
		assert_chain_breaks(&chain[1], 1, INDIRECT, bad[i].why);
	}
	/* The order of directions holds over both tables. */
	driver_table_desc(&w.d, TABLE, 0, (struct vring_desc)READS(GUEST_HIGH, 1));
	assert_chain_breaks(chain, 2, INDIRECT, VIRTQ_BAD_ORDER);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
