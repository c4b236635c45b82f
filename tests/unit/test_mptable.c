// SPDX-License-Identifier: Apache-2.0
/* The table is walked as Linux walks it. */
#include "vmm/x86/mptable.h"

#include "tests/lib/guest.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <string.h>

#define TABLE_END 0xa0000u /* end of the KiB that is searched */

struct fixture {
	struct guest g;
	struct platform p;
	struct err e;
};

/* What a walk found. */
struct found {
	unsigned int cpus, boot_cpus, buses, ioapics, irqs, lints;
	uint32_t irq_pins; /* bit n: ISA interrupt n on pin n */
};

static int set_up(void **state)
{
	static const struct guest_range ram[] = { { 0, MIB(1) } };
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	guest_init(&x.g, ram, 1);
	x.p.nr_vcpus = 1;
	*state = &x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	guest_release(&x->g);
	return 0;
}

static void add_virtio(struct platform *p, unsigned int nr)
{
	p->nr_virtio = nr;
	for (unsigned int i = 0; i < nr; i++)
		p->virtio[i] = (struct platform_virtio){ .gpa = VIRTIO_MMIO_GPA +
								(uint64_t)i * VIRTIO_MMIO_LEN,
							 .len = VIRTIO_MMIO_LEN,
							 .gsi = GSI_VIRTIO_FIRST + i };
}

static void assert_sum_is_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	assert_int_equal(sum, 0);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Counts one entry; returns its length. */
static size_t visit(const uint8_t *p, unsigned int nr_vcpus, struct found *f)
{
	switch (p[0]) {
	case 0:
		assert_int_equal(p[1], f->cpus);
		assert_int_equal(p[3] & 1, 1);
		f->boot_cpus += p[3] >> 1 & 1;
		f->cpus++;
		return 20;
	case 1:
		assert_memory_equal(p + 2, "ISA   ", 6);
		f->buses++;
		return 8;
	case 2:
		assert_int_equal(p[1], nr_vcpus);
		assert_int_equal(p[3], 1);
		assert_int_equal(get32(p + 4), 0xfec00000);
		f->ioapics++;
		return 8;
	case 3:
		assert_int_equal(p[1], 0);
		assert_int_equal(p[2] | p[3], 0);
		assert_int_equal(p[5], p[7]);
		assert_int_equal(p[6], nr_vcpus);
		f->irq_pins |= 1u << p[7];
		f->irqs++;
		return 8;
	case 4:
		assert_int_equal(p[1], p[7] == 0 ? 3 : 1); /* ExtINT on 0, NMI on 1 */
		assert_int_equal(p[6], p[7] == 0 ? 0 : 0xff);
		f->lints++;
		return 8;
	default:
		fail_msg("entry of type %u", p[0]);
		return 0;
	}
}

static struct found walk(struct fixture *x)
{
	const uint8_t *ptr = guest_at(&x->g, MPTABLE_GPA, 16), *h;
	struct found f = { 0 };
	size_t off = 44, nr = 0, len;

	assert_memory_equal(ptr, "_MP_", 4);
	assert_int_equal(ptr[8], 1);
	assert_int_equal(ptr[9], 4);
	assert_int_equal(ptr[11], 0); /* a table, not a default configuration */
	assert_sum_is_zero(ptr, 16);
	h = guest_at(&x->g, get32(ptr + 4), 44);
	assert_memory_equal(h, "PCMP", 4);
	len = h[4] | (size_t)h[5] << 8;
	assert_true(get32(ptr + 4) + len <= TABLE_END);
	assert_sum_is_zero(h, len);
	assert_int_equal(h[6], 4);
	assert_int_equal(get32(h + 36), 0xfee00000);
	for (; off < len; nr++)
		off += visit(h + off, x->p.nr_vcpus, &f);
	assert_int_equal(off, len);
	assert_int_equal(h[34] | h[35] << 8, nr);
	return f;
}

static void describes_a_small_machine(void **state)
{
	struct fixture *x = *state;
	struct found f;

	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), 0);
	f = walk(x);
	assert_int_equal(f.cpus, 1);
	assert_int_equal(f.boot_cpus, 1);
	assert_int_equal(f.buses, 1);
	assert_int_equal(f.ioapics, 1);
	assert_int_equal(f.irq_pins, 1u << 0 | 1u << I8042_GSI | 1u << COM1_GSI);
	assert_int_equal(f.irqs, 3);
	assert_int_equal(f.lints, 2);
}

static void describes_the_largest_machine(void **state)
{
	struct fixture *x = *state;
	struct found f;

	x->p.nr_vcpus = MAX_VCPUS;
	x->p.com2 = true;
	add_virtio(&x->p, PLATFORM_MAX_VIRTIO);
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), 0);
	f = walk(x);
	assert_int_equal(f.cpus, 32);
	assert_int_equal(f.boot_cpus, 1);
	assert_int_equal(f.irqs, 4 + 18);
	/* All but the cascade of the 8259s and the generation id, which ACPI alone describes. */
	assert_int_equal(f.irq_pins, 0x7fffff & ~(1u << 2));
}

/* Nothing in front of the KiB changes, nor behind it. */
static void keeps_to_its_place(void **state)
{
	struct fixture *x = *state;
	uint8_t *ram = guest_at(&x->g, 0, MIB(1));

	memset(ram, 0xa5, MIB(1));
	x->p.nr_vcpus = MAX_VCPUS;
	add_virtio(&x->p, PLATFORM_MAX_VIRTIO);
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), 0);
	for (size_t i = 0; i < MIB(1); i++) {
		if ((i < MPTABLE_GPA || i >= TABLE_END) && ram[i] != 0xa5)
			fail_msg("0x%zx was written", i);
	}
}

static void refuses_what_no_machine_has(void **state)
{
	struct fixture *x = *state;

	x->p.nr_vcpus = 0;
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	x->p.nr_vcpus = MAX_VCPUS + 1;
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	assert_string_equal(x->e.msg, "MPTable: 33 vCPUs, expected 1 to 32");
	x->p.nr_vcpus = 1;
	x->p.nr_virtio = PLATFORM_MAX_VIRTIO + 1;
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	x->p.nr_virtio = 0;
	x->g.mem.region[0].len = MPTABLE_GPA + 16;
	assert_int_equal(mptable_write(&x->g.mem, &x->p, &x->e), -EFAULT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(describes_a_small_machine),
		TEST(describes_the_largest_machine),
		TEST(keeps_to_its_place),
		TEST(refuses_what_no_machine_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
