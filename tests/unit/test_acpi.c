// SPDX-License-Identifier: Apache-2.0
/*
 * The tables are found and checked as a guest does it. That the DSDT is good AML is a question for
 * ACPICA: tests/integration/test_acpi_tables.py.
 */
#include "vmm/x86/acpi.h"

#include "tests/lib/fault.h"
#include "tests/lib/guest.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"
#include "vmm/x86/vmgenid.h"

#include <errno.h>
#include <string.h>

struct fixture {
	struct guest g;
	struct platform p;
	struct err e;
};

static int set_up(void **state)
{
	static const struct guest_range ram[] = { { 0, MIB(1) } };
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	guest_init(&x.g, ram, 1);
	x.p.nr_vcpus = 2;
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

static uint64_t get(const uint8_t *p, size_t off, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p + off, len);
	return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	return s;
}

/* A table with this signature, which lies where tables may and whose checksum is right. */
static const uint8_t *table(struct fixture *x, uint64_t gpa, const char *signature)
{
	const uint8_t *t = guest_at(&x->g, gpa, 36);
	const uint32_t len = (uint32_t)get(t, 4, 4);

	assert_memory_equal(t, signature, 4);
	assert_true(gpa >= ACPI_GPA && len >= 36 && gpa + len <= ACPI_END);
	assert_int_equal(gpa % 16, 0);
	assert_int_equal(sum(guest_at(&x->g, gpa, len), len), 0);
	assert_memory_equal(t + 10, "MOTE  ", 6);
	return t;
}

struct tables {
	const uint8_t *fadt, *madt, *dsdt;
};

static struct tables find(struct fixture *x)
{
	const uint8_t *rsdp = guest_at(&x->g, RSDP_GPA, 36), *xsdt;
	struct tables t;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp, 20, 4), 36);
	xsdt = table(x, get(rsdp, 24, 8), "XSDT");
	assert_int_equal(get(xsdt, 4, 4), 36 + 2 * 8);
	t.fadt = table(x, get(xsdt, 36, 8), "FACP");
	t.madt = table(x, get(xsdt, 44, 8), "APIC");
	t.dsdt = table(x, get(t.fadt, 140, 8), "DSDT");
	return t;
}

static bool holds(const uint8_t *table, const void *bytes, size_t len)
{
	for (size_t i = 36; i + len <= get(table, 4, 4); i++) {
		if (memcmp(table + i, bytes, len) == 0)
			return true;
	}
	return false;
}

static void fadt_says_how_to_stop(void **state)
{
	struct fixture *x = *state;
	const uint8_t *f;

	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	f = find(x).fadt;
	assert_int_equal(get(f, 4, 4), 276);
	assert_int_equal(f[8], 6);
	assert_int_equal(get(f, 112, 4) >> 20 & 3, 1); /* hardware reduced, no S0 idle */
	assert_int_equal(get(f, 112, 4) >> 10 & 1, 1); /* reset register */
	assert_int_equal(get(f, 109, 2), 0x2e);	       /* 8042; no VGA, MSI, RTC */
	assert_true(get(f, 116, 4) == 0x01000801);     /* port, 8 bits, byte access */
	assert_int_equal(get(f, 120, 8), ACPI_RESET_PORT);
	assert_int_equal(f[128], ACPI_RESET_VALUE);
	assert_true(get(f, 244, 4) == 0x01000801);
	assert_int_equal(get(f, 248, 8), ACPI_SLEEP_CTL_PORT);
	assert_int_equal(get(f, 260, 8), ACPI_SLEEP_STS_PORT);
}

static void madt_lists_the_cpus(void **state)
{
	struct fixture *x = *state;
	const unsigned int nr[] = { 1, 2, 32 };

	for (size_t i = 0; i < ARRAY_SIZE(nr); i++) {
		const uint8_t *m;

		x->p.nr_vcpus = nr[i];
		assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
		m = find(x).madt;
		assert_int_equal(get(m, 4, 4), 44 + nr[i] * 8 + 12 + 6);
		assert_int_equal(get(m, 36, 4), 0xfee00000);
		assert_int_equal(get(m, 40, 4), 0);
		m += 44;
		for (unsigned int cpu = 0; cpu < nr[i]; cpu++, m += 8)
			assert_true(get(m, 0, 8) ==
				    (0x0800ull | cpu << 16 | cpu << 24 | 1ull << 32));
		assert_true(get(m, 0, 4) == (0x0c01 | nr[i] << 16));
		assert_int_equal(get(m, 4, 4), 0xfec00000);
		assert_int_equal(get(m, 8, 4), 0);
		assert_memory_equal(m + 12, "\x04\x06\xff\x00\x00\x01", 6);
	}
}

/* Descriptors as they stand in the resources of a device. */
static bool has_window(const uint8_t *dsdt, uint64_t gpa)
{
	uint8_t res[12] = { 0x86, 9, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0 };

	memcpy(res + 4, &gpa, 4);
	return holds(dsdt, res, sizeof(res));
}

static bool has_irq(const uint8_t *dsdt, uint32_t gsi)
{
	uint8_t res[9] = { 0x89, 6, 0, 0x3, 1 };

	memcpy(res + 5, &gsi, 4);
	return holds(dsdt, res, sizeof(res));
}

static bool has_port(const uint8_t *dsdt, uint16_t port, uint8_t len)
{
	uint8_t res[8] = { 0x47, 1, 0, 0, 0, 0, 1, len };

	memcpy(res + 2, &port, 2);
	memcpy(res + 4, &port, 2);
	return holds(dsdt, res, sizeof(res));
}

static void dsdt_lists_the_devices(void **state)
{
	struct fixture *x = *state;
	const uint8_t *d;

	add_virtio(&x->p, 2);
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	d = find(x).dsdt;
	assert_true(has_window(d, VIRTIO_MMIO_GPA));
	assert_true(has_window(d, VIRTIO_MMIO_GPA + VIRTIO_MMIO_LEN));
	assert_false(has_window(d, VIRTIO_MMIO_GPA + 2 * VIRTIO_MMIO_LEN));
	assert_true(has_irq(d, GSI_VIRTIO_FIRST + 1));
	assert_false(has_irq(d, GSI_VIRTIO_FIRST + 2));
	assert_true(has_irq(d, GSI_VMGENID));
	assert_true(has_irq(d, I8042_GSI));
	assert_true(has_port(d, 0x60, 1));
	assert_true(has_port(d, 0x64, 1));
	assert_true(has_port(d, COM1_PORT, 8));
	assert_true(has_irq(d, COM1_GSI));
	assert_false(has_port(d, COM2_PORT, 8));
	assert_true(holds(d, "LNRO0005", 9));
	assert_true(holds(d, "VM_Gen_Counter", 15));
	assert_true(holds(d, "ACPI0013", 9));
	assert_true(holds(d, "\x08\\_S5_", 6));
	x->p.com2 = true;
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	d = find(x).dsdt;
	assert_true(has_port(d, COM2_PORT, 8));
	assert_true(has_irq(d, COM2_GSI));
}

static void holds_the_largest_machine(void **state)
{
	struct fixture *x = *state;
	const uint8_t *d;

	x->p.nr_vcpus = MAX_VCPUS;
	x->p.com2 = true;
	add_virtio(&x->p, PLATFORM_MAX_VIRTIO);
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	d = find(x).dsdt;
	for (unsigned int i = 0; i < PLATFORM_MAX_VIRTIO; i++) {
		assert_true(has_window(d, VIRTIO_MMIO_GPA + (uint64_t)i * VIRTIO_MMIO_LEN));
		assert_true(has_irq(d, GSI_VIRTIO_FIRST + i));
	}
	assert_true(holds(d, "V017", 4));
}

static void refuses_what_no_machine_has(void **state)
{
	struct fixture *x = *state;

	x->p.nr_vcpus = 0;
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	x->p.nr_vcpus = MAX_VCPUS + 1;
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	assert_string_equal(x->e.msg, "ACPI tables: 33 vCPUs, expected 1 to 32");
	x->p.nr_vcpus = 1;
	x->p.nr_virtio = PLATFORM_MAX_VIRTIO + 1;
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	add_virtio(&x->p, 1);
	x->p.virtio[0].gpa = 1ull << 32;
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -EINVAL);
	assert_non_null(strstr(x->e.msg, "virtio device 0 is at 0x100000000"));
}

static void refuses_too_little_memory(void **state)
{
	struct fixture *x = *state;
	const uint64_t len[] = { ACPI_GPA, ACPI_GPA + 100, VMGENID_GPA + 8, RSDP_GPA,
				 RSDP_GPA + 35 };

	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		x->g.mem.region[0].len = len[i];
		assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -EFAULT);
	}
	assert_int_equal(vmgenid_write(&x->g.mem, &x->e), 0);
	x->g.mem.region[0].len = VMGENID_GPA + 15;
	assert_int_equal(vmgenid_write(&x->g.mem, &x->e), -EFAULT);
}

static void each_machine_has_its_own_generation_id(void **state)
{
	struct fixture *x = *state;
	const uint8_t *now = guest_at(&x->g, VMGENID_GPA, VMGENID_LEN);
	uint8_t before[VMGENID_LEN] = { 0 };

	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	assert_memory_not_equal(now, before, VMGENID_LEN);
	memcpy(before, now, VMGENID_LEN);
	assert_int_equal(vmgenid_write(&x->g.mem, &x->e), 0);
	assert_memory_not_equal(now, before, VMGENID_LEN);
	fault_arm(1, EINTR);
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), 0);
	assert_true(fault_disarm());
	fault_arm(1, ENOSYS);
	assert_int_equal(acpi_write(&x->g.mem, &x->p, &x->e), -ENOSYS);
	assert_true(fault_disarm());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(fadt_says_how_to_stop),
		TEST(madt_lists_the_cpus),
		TEST(dsdt_lists_the_devices),
		TEST(holds_the_largest_machine),
		TEST(refuses_what_no_machine_has),
		TEST(refuses_too_little_memory),
		TEST(each_machine_has_its_own_generation_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
