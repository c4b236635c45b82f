// SPDX-License-Identifier: Apache-2.0
#include "vmm/gmem.h"

#include "tests/lib/guest.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <string.h>

static int set_up(void **state)
{
	static struct guest g;

	guest_init_usual(&g);
	*state = &g;
	return 0;
}

static int tear_down(void **state)
{
	guest_release(*state);
	return 0;
}

static void add_takes_ascending_disjoint_regions(void **state)
{
	char ram[64];
	struct gmem m;

	(void)state;
	gmem_init(&m);
	assert_int_equal(gmem_size(&m), 0);
	assert_int_equal(gmem_add(&m, 0x1000, ram, 16), 0);
	assert_int_equal(gmem_add(&m, 0x1010, ram + 16, 16), 0);
	assert_int_equal(gmem_add(&m, 0x2000, ram + 32, 16), 0);
	assert_int_equal(gmem_size(&m), 48);
}

static void add_refuses_what_is_not_a_table(void **state)
{
	char ram[64];
	struct gmem m;

	(void)state;
	gmem_init(&m);
	assert_int_equal(gmem_add(&m, 0, ram, 0), -EINVAL);
	assert_int_equal(gmem_add(&m, UINT64_MAX - 15, ram, 16), -EINVAL);
	assert_int_equal(gmem_add(&m, UINT64_MAX, ram, 2), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x1000, ram, 16), 0);
	assert_int_equal(gmem_add(&m, 0x1000, ram, 16), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x100f, ram, 16), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x500, ram, 16), -EINVAL);
	assert_int_equal(m.nr, 1);
}

static void add_stops_when_full(void **state)
{
	char ram[16];
	struct gmem m;

	(void)state;
	gmem_init(&m);
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++)
		assert_int_equal(gmem_add(&m, i * 0x1000ull, ram, 16), 0);
	assert_int_equal(gmem_add(&m, 0x100000, ram, 16), -ENOSPC);
	assert_int_equal(m.nr, GMEM_MAX_REGIONS);
}

static void copies_cross_touching_regions(void **state)
{
	const struct guest *g = *state;
	char out[64];
	char in[64];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)i;
	assert_int_equal(gmem_write(&g->mem, GUEST_MID - 20, in, sizeof(in)), 0);
	assert_memory_equal(guest_at(g, GUEST_MID - 20, 20), in, 20);
	assert_memory_equal(guest_at(g, GUEST_MID, 44), in + 20, 44);
	assert_int_equal(gmem_read(&g->mem, GUEST_MID - 20, out, sizeof(out)), 0);
	assert_memory_equal(out, in, sizeof(in));
	assert_int_equal(gmem_zero(&g->mem, GUEST_MID - 10, 20), 0);
	memset(in + 10, 0, 20);
	assert_int_equal(gmem_read(&g->mem, GUEST_MID - 20, out, sizeof(out)), 0);
	assert_memory_equal(out, in, sizeof(in));
}

/* Ranges that leave memory at an edge, lie outside, or wrap around the address space. */
static const struct guest_range outside[] = {
	{ GUEST_HOLE - 1, 2 },
	{ GUEST_HOLE, 1 },
	{ GUEST_HIGH - 1, 2 },
	{ GUEST_END - 8, 9 },
	{ GUEST_END, 1 },
	{ 0, UINT64_MAX },
	{ 8, UINT64_MAX - 4 },
	{ UINT64_MAX, 1 },
	{ UINT64_MAX, 2 },
	{ UINT64_MAX - 7, 16 },
	{ GUEST_HIGH, UINT64_MAX - GUEST_HIGH + 2 },
};

static void copies_outside_memory_change_nothing(void **state)
{
	const struct guest *g = *state;
	char buf[16];

	memset(guest_at(g, GUEST_HOLE - 8, 8), 0x11, 8);
	memset(buf, 0x5a, sizeof(buf));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		uint64_t gpa = outside[i].gpa;
		uint64_t len = outside[i].len;

		assert_int_equal(gmem_read(&g->mem, gpa, buf, len), -EFAULT);
		assert_int_equal(gmem_write(&g->mem, gpa, buf, len), -EFAULT);
		assert_int_equal(gmem_zero(&g->mem, gpa, len), -EFAULT);
	}
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x5a);
	assert_memory_equal(guest_at(g, GUEST_HOLE - 8, 8), "\x11\x11\x11\x11\x11\x11\x11\x11", 8);
}

static void copies_of_nothing_succeed_anywhere(void **state)
{
	const struct guest *g = *state;
	char c = 7;

	assert_int_equal(gmem_read(&g->mem, GUEST_HOLE, &c, 0), 0);
	assert_int_equal(gmem_write(&g->mem, UINT64_MAX, &c, 0), 0);
	assert_int_equal(gmem_zero(&g->mem, GUEST_END, 0), 0);
	assert_int_equal(c, 7);
}

static void iov_splits_at_region_edges(void **state)
{
	const struct guest *g = *state;
	struct iovec iov[2];

	assert_int_equal(gmem_iov(&g->mem, GUEST_MID - 1, 2, iov, 2), 2);
	assert_ptr_equal(iov[0].iov_base, guest_at(g, GUEST_MID - 1, 1));
	assert_int_equal(iov[0].iov_len, 1);
	assert_ptr_equal(iov[1].iov_base, guest_at(g, GUEST_MID, 1));
	assert_int_equal(iov[1].iov_len, 1);
	assert_int_equal(gmem_iov(&g->mem, 0, 2 * GUEST_PART, iov, 2), 2);
	assert_int_equal(iov[0].iov_len + iov[1].iov_len, 2 * GUEST_PART);
	assert_int_equal(gmem_iov(&g->mem, GUEST_HIGH, GUEST_PART, iov, 1), 1);
	assert_int_equal(iov[0].iov_len, GUEST_PART);
}

static void iov_refuses_too_many_segments_and_bad_ranges(void **state)
{
	const struct guest *g = *state;
	struct iovec iov[2];

	assert_int_equal(gmem_iov(&g->mem, GUEST_MID - 1, 2, iov, 1), -ENOSPC);
	assert_int_equal(gmem_iov(&g->mem, GUEST_LOW, 1, iov, 0), -ENOSPC);
	assert_int_equal(gmem_iov(&g->mem, GUEST_LOW, 0, iov, 2), -EFAULT);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_int_equal(gmem_iov(&g->mem, outside[i].gpa, outside[i].len, iov, 2),
				 -EFAULT);
}

static void map_stays_inside_one_region(void **state)
{
	const struct guest *g = *state;

	assert_ptr_equal(gmem_map(&g->mem, GUEST_MID, GUEST_PART),
			 guest_at(g, GUEST_MID, GUEST_PART));
	assert_ptr_equal(gmem_map(&g->mem, GUEST_END - 1, 1), guest_at(g, GUEST_END - 1, 1));
	assert_null(gmem_map(&g->mem, GUEST_MID - 1, 2));
	assert_null(gmem_map(&g->mem, GUEST_LOW, 0));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_null(gmem_map(&g->mem, outside[i].gpa, outside[i].len));
}

static void single_accesses_see_little_endian_words(void **state)
{
	const struct guest *g = *state;
	guest_ram void *p = gmem_map(&g->mem, GUEST_HIGH, 64);
	uint8_t *raw = guest_at(g, GUEST_HIGH, 64);
	char buf[5];

	gmem_st16(gmem_off(p, 2), 0x1234);
	gmem_st16_rel(gmem_off(p, 4), 0xfedc);
	assert_memory_equal(raw, "\0\0\x34\x12\xdc\xfe\0\0", 8);
	assert_int_equal(gmem_ld16(gmem_off(p, 2)), 0x1234);
	assert_int_equal(gmem_ld16_acq(gmem_off(p, 4)), 0xfedc);
	gmem_stcpy(gmem_off(p, 9), "abcde", 5);
	gmem_ldcpy(buf, gmem_off(p, 9), 5);
	assert_memory_equal(raw + 9, "abcde", 5);
	assert_memory_equal(buf, "abcde", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_takes_ascending_disjoint_regions),
		cmocka_unit_test(add_refuses_what_is_not_a_table),
		cmocka_unit_test(add_stops_when_full),
		cmocka_unit_test(copies_cross_touching_regions),
		cmocka_unit_test(copies_outside_memory_change_nothing),
		cmocka_unit_test(copies_of_nothing_succeed_anywhere),
		cmocka_unit_test(iov_splits_at_region_edges),
		cmocka_unit_test(iov_refuses_too_many_segments_and_bad_ranges),
		cmocka_unit_test(map_stays_inside_one_region),
		cmocka_unit_test(single_accesses_see_little_endian_words),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
