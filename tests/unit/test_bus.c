// SPDX-License-Identifier: Apache-2.0
#include "vmm/bus.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A device that remembers the last access, and answers reads with 0xa0 + offset when it speaks. */
struct probe {
	uint32_t off;
	uint32_t len;
	uint64_t value;
	unsigned int reads;
	unsigned int writes;
	bool silent;
};

static void probe_read(void *ctx, uint32_t off, void *data, uint32_t len)
{
	struct probe *p = ctx;

	p->off = off;
	p->len = len;
	p->reads++;
	if (!p->silent)
		memset(data, (int)(0xa0 + off), len);
}

static void probe_write(void *ctx, uint32_t off, const void *data, uint32_t len)
{
	struct probe *p = ctx;

	p->off = off;
	p->len = len;
	p->writes++;
	p->value = 0;
	memcpy(&p->value, data, len);
}

static const struct bus_ops probe_ops = { .read = probe_read, .write = probe_write };

static void empty_bus_gives_all_ones(void **state)
{
	static const struct bus b;
	uint64_t v = 0;

	(void)state;
	assert_int_equal(bus_read(&b, 0, &v, 8), -ENXIO);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(bus_write(&b, UINT64_MAX, &v, 1), -ENXIO);
}

static void accesses_find_their_device(void **state)
{
	/* Deliberately out of order; neighbours touch. */
	static const uint64_t addr[] = { 0x3000, 0x1000, 0x5000, 0x2000, UINT64_MAX - 0xfff };
	struct probe p[5] = { 0 };
	struct bus b = { 0 };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(bus_add(&b, addr[i], 0x1000 - (i == 4), &probe_ops, &p[i]), 0);
	for (size_t i = 0; i < 5; i++) {
		uint32_t v = 0;

		assert_int_equal(bus_read(&b, addr[i] + 0x10, &v, 4), 0);
		assert_int_equal(v, 0xb0b0b0b0);
		assert_int_equal(bus_write(&b, addr[i] + 0xffc - 4, &v, 4), 0);
		assert_int_equal(p[i].off, 0xff8);
		assert_int_equal(p[i].len, 4);
		assert_int_equal(p[i].value, 0xb0b0b0b0);
		assert_int_equal(p[i].reads, 1);
		assert_int_equal(p[i].writes, 1);
	}
}

static void every_width_of_hardware_and_no_other(void **state)
{
	struct probe p = { 0 };
	struct bus b = { 0 };
	uint8_t buf[16];

	(void)state;
	assert_int_equal(bus_add(&b, 0x100, 16, &probe_ops, &p), 0);
	for (uint32_t len = 0; len <= sizeof(buf); len++) {
		int expected = len == 1 || len == 2 || len == 4 || len == 8 ? 0 : -ENXIO;

		assert_int_equal(bus_read(&b, 0x100, buf, len), expected);
		assert_int_equal(bus_write(&b, 0x100, buf, len), expected);
	}
	assert_int_equal(p.reads, 4);
	assert_int_equal(p.writes, 4);
}

static void accesses_over_an_edge_reach_nobody(void **state)
{
	struct probe p = { 0 };
	struct bus b = { 0 };
	uint64_t v = 0;

	(void)state;
	assert_int_equal(bus_add(&b, 0x100, 8, &probe_ops, &p), 0);
	assert_int_equal(bus_add(&b, 0x108, 8, &probe_ops, &p), 0);
	assert_int_equal(bus_read(&b, 0x106, &v, 4), -ENXIO);
	assert_int_equal((uint32_t)v, UINT32_MAX);
	assert_int_equal(bus_write(&b, 0xff, &v, 2), -ENXIO);
	assert_int_equal(bus_write(&b, 0x10f, &v, 2), -ENXIO);
	assert_int_equal(bus_read(&b, 0x110, &v, 1), -ENXIO);
	assert_int_equal(bus_read(&b, 0x108, &v, 8), 0);
	assert_int_equal(p.reads, 1);
	assert_int_equal(p.writes, 0);
}

static void silent_device_leaks_nothing(void **state)
{
	struct probe p = { .silent = true };
	struct bus b = { 0 };
	uint32_t v = 0x12345678;

	(void)state;
	assert_int_equal(bus_add(&b, 0, 4, &probe_ops, &p), 0);
	assert_int_equal(bus_read(&b, 0, &v, 2), 0);
	assert_int_equal(v, 0x1234ffff);
}

static void add_refuses_overlaps(void **state)
{
	struct bus b = { 0 };

	(void)state;
	assert_int_equal(bus_add(&b, 0x100, 0x10, &probe_ops, NULL), 0);
	assert_int_equal(bus_add(&b, 0x100, 0x10, &probe_ops, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, 0x10f, 1, &probe_ops, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, 0xff, 2, &probe_ops, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, 0, 0x1000, &probe_ops, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, 0x108, 1, &probe_ops, NULL), -EEXIST);
	assert_int_equal(b.nr, 1);
}

/* An empty range would hide its neighbours from the binary search; a wrapping one, all others. */
static void add_refuses_empty_wrapping_and_huge_ranges(void **state)
{
	struct probe p = { 0 };
	struct bus b = { 0 };
	uint8_t v;

	(void)state;
	assert_int_equal(bus_add(&b, 0x100, 0x10, &probe_ops, &p), 0);
	assert_int_equal(bus_add(&b, 0x100, 0, &probe_ops, &p), -EINVAL);
	assert_int_equal(bus_add(&b, UINT64_MAX - 1, 2, &probe_ops, &p), -EINVAL);
	assert_int_equal(bus_add(&b, 0x1000, (1ull << 32) + 1, &probe_ops, &p), -EINVAL);
	assert_int_equal(bus_read(&b, 0x100, &v, 1), 0);
	assert_int_equal(b.nr, 1);
}

static void add_stops_when_full(void **state)
{
	struct bus b = { 0 };

	(void)state;
	for (unsigned int i = 0; i < BUS_MAX_RANGES; i++)
		assert_int_equal(bus_add(&b, (BUS_MAX_RANGES - i) * 16, 16, &probe_ops, NULL), 0);
	assert_int_equal(bus_add(&b, 0, 16, &probe_ops, NULL), -ENOSPC);
	for (unsigned int i = 1; i < BUS_MAX_RANGES; i++)
		assert_true(b.range[i - 1].addr < b.range[i].addr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_bus_gives_all_ones),
		cmocka_unit_test(accesses_find_their_device),
		cmocka_unit_test(every_width_of_hardware_and_no_other),
		cmocka_unit_test(accesses_over_an_edge_reach_nobody),
		cmocka_unit_test(silent_device_leaks_nothing),
		cmocka_unit_test(add_refuses_overlaps),
		cmocka_unit_test(add_refuses_empty_wrapping_and_huge_ranges),
		cmocka_unit_test(add_stops_when_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
