// SPDX-License-Identifier: Apache-2.0
/* The keyboard controller, the report page and the ACPI registers. */
#include "vmm/i8042.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "vmm/report.h"
#include "vmm/x86/layout.h"

static int resets, booted, offs, last_status;

static void on_reset(void *ctx)
{
	(void)ctx;
	resets++;
}

static void on_booted(void *ctx)
{
	(void)ctx;
	booted++;
}

static unsigned int irqs;

static void pulse(void *ctx, uint32_t gsi)
{
	(void)ctx;
	assert_int_equal(gsi, 1);
	irqs++;
}

static const struct irq_line keyboard = { pulse, NULL, 1 };

static void on_off(void *ctx)
{
	(void)ctx;
	offs++;
}

static void on_status(void *ctx, uint8_t status)
{
	(void)ctx;
	last_status = status;
}

static uint8_t in(struct i8042 *k, uint32_t off)
{
	uint8_t v = 0xee;

	i8042_bus_ops.read(k, off, &v, 1);
	return v;
}

static void out(struct i8042 *k, uint32_t off, uint8_t v)
{
	i8042_bus_ops.write(k, off, &v, 1);
}

static void keyboard_answers_as_linux_expects(void **state)
{
	struct i8042 k = { 0 };

	(void)state;
	i8042_init(&k, &keyboard, on_reset, NULL);
	assert_int_equal(in(&k, 4) & 1, 0);
	out(&k, 4, 0xaa);
	assert_int_equal(in(&k, 4) & 1, 1);
	assert_int_equal(in(&k, 0), 0x55);
	assert_int_equal(in(&k, 4) & 1, 0);
	assert_int_equal(in(&k, 0), 0);
	out(&k, 4, 0x60);
	out(&k, 0, 0x47);
	out(&k, 4, 0x20);
	assert_int_equal(in(&k, 0), 0x47);
	out(&k, 4, 0xad);
	out(&k, 4, 0x20);
	assert_int_equal(in(&k, 0), 0x57);
	out(&k, 4, 0xae);
	out(&k, 0, 0xf4); /* to the keyboard: enable */
	assert_int_equal(in(&k, 0), 0xfa);
	i8042_release(&k);
}

static void reset_needs_the_right_command(void **state)
{
	struct i8042 k = { 0 };
	uint32_t wide = 0xfefefefe;

	(void)state;
	i8042_init(&k, &keyboard, on_reset, NULL);
	resets = 0;
	out(&k, 0, 0xfe);
	out(&k, 1, 0xfe);
	i8042_bus_ops.write(&k, 4, &wide, 4);
	assert_int_equal(resets, 0);
	out(&k, 4, 0xfe);
	assert_int_equal(resets, 1);
	i8042_release(&k);
}

static void ctrl_alt_del_arrives_once(void **state)
{
	static const uint8_t codes[] = { 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
					 0x71, 0xf0, 0x11, 0xf0, 0x14 };
	static const uint8_t translated[] = { 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d };
	struct i8042 k = { 0 };

	(void)state;
	irqs = 0;
	i8042_init(&k, &keyboard, on_reset, NULL);
	assert_int_equal(i8042_ctrl_alt_del(&k), 0);
	assert_int_equal(irqs, 1);
	for (size_t i = 0; i < sizeof(codes); i++)
		assert_int_equal(in(&k, 0), codes[i]);
	assert_int_equal(in(&k, 4) & 1, 0);
	assert_int_equal(i8042_ctrl_alt_del(&k), 0);
	assert_int_equal(i8042_ctrl_alt_del(&k), 0);
	assert_int_equal(i8042_ctrl_alt_del(&k), -ENOSPC);
	while (in(&k, 4) & 1)
		in(&k, 0);
	out(&k, 4, 0x60); /* the guest wants translation */
	out(&k, 0, 0x45);
	assert_int_equal(i8042_ctrl_alt_del(&k), 0);
	for (size_t i = 0; i < sizeof(translated); i++)
		assert_int_equal(in(&k, 0), translated[i]);
	assert_int_equal(in(&k, 4) & 1, 0);
	i8042_release(&k);
}

static void a_flood_of_commands_stays_in_bounds(void **state)
{
	struct i8042 k = { 0 };

	(void)state;
	i8042_init(&k, &keyboard, on_reset, NULL);
	for (unsigned int i = 0; i < 100000; i++) {
		out(&k, i % 5, (uint8_t)(i * 7 % 0xfe)); /* everything but reset */
		if (i % 3 == 0)
			in(&k, i % 5);
	}
	i8042_release(&k);
}

static const struct report_fns fns = {
	.booted = on_booted,
	.exit_status = on_status,
	.power_off = on_off,
	.reset = on_reset,
};

static void report_page_takes_two_words(void **state)
{
	struct report r = { .fns = &fns };
	uint8_t magic = 123, other = 122;
	uint32_t status = 0x12345603;
	uint64_t v = 1;

	(void)state;
	booted = 0;
	last_status = -1;
	report_bus_ops.write(&r, 0, &other, 1);
	report_bus_ops.write(&r, 8, &magic, 1);
	assert_int_equal(booted, 0);
	report_bus_ops.write(&r, 0, &magic, 1);
	assert_int_equal(booted, 1);
	report_bus_ops.write(&r, 4, &status, 1);
	report_bus_ops.write(&r, 5, &status, 4);
	assert_int_equal(last_status, -1);
	report_bus_ops.write(&r, 4, &status, 4);
	assert_int_equal(last_status, 3);
	report_bus_ops.read(&r, 0, &v, 8);
	assert_int_equal(v, 0);
}

static void acpi_sleeps_only_for_s5(void **state)
{
	struct report r = { .fns = &fns };
	uint32_t wide = 0x34343434;

	(void)state;
	offs = resets = 0;
	for (unsigned int v = 0; v < 256; v++) {
		uint8_t b = (uint8_t)v;
		bool s5 = (v & 0x20) && (v >> 2 & 7) == ACPI_S5_TYPE;
		int before = offs;

		report_acpi_ops.write(&r, 0, &b, 1);
		assert_int_equal(offs - before, s5);
		report_acpi_ops.write(&r, 1, &b, 1);
		assert_int_equal(offs - before, s5);
		if (v == ACPI_RESET_VALUE)
			continue;
		report_acpi_ops.write(&r, 2, &b, 1);
		assert_int_equal(resets, 0);
	}
	report_acpi_ops.write(&r, 2, &(uint8_t){ ACPI_RESET_VALUE }, 1);
	assert_int_equal(resets, 1);
	report_acpi_ops.write(&r, 0, &wide, 4);
	assert_int_equal(offs, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyboard_answers_as_linux_expects),
		cmocka_unit_test(reset_needs_the_right_command),
		cmocka_unit_test(ctrl_alt_del_arrives_once),
		cmocka_unit_test(a_flood_of_commands_stays_in_bounds),
		cmocka_unit_test(report_page_takes_two_words),
		cmocka_unit_test(acpi_sleeps_only_for_s5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
