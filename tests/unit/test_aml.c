// SPDX-License-Identifier: Apache-2.0
/* Encodings worked out by hand from ACPI 6.5 chapter 20 and §6.4. */
#include "vmm/x86/aml.h"

#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <stdlib.h>
#include <string.h>

static void assert_bytes(const struct aml *a, const void *want, size_t len)
{
	assert_false(a->full);
	assert_int_equal(a->len, len);
	assert_memory_equal(a->buf, want, len);
}

#define ASSERT_BYTES(a, ...)                                    \
	do {                                                    \
		static const uint8_t want_[] = { __VA_ARGS__ }; \
		assert_bytes(a, want_, sizeof(want_));          \
	} while (0)

static void integers_take_their_shortest_form(void **state)
{
	uint8_t buf[64];
	struct aml a;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	aml_int(&a, 0);
	aml_int(&a, 1);
	aml_int(&a, 2);
	aml_int(&a, 0xff);
	aml_int(&a, 0x100);
	aml_int(&a, 0x10000);
	aml_int(&a, 0xffffffff);
	aml_int(&a, 0x100000000);
	ASSERT_BYTES(&a, 0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00,
		     0x01, 0x00, 0x0c, 0xff, 0xff, 0xff, 0xff, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x01,
		     0x00, 0x00, 0x00);
}

static void names_strings_and_ids(void **state)
{
	uint8_t buf[64];
	struct aml a;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	aml_name(&a, "_HID");
	aml_eisa_id(&a, "PNP0501");
	aml_name(&a, "\\_S5");
	aml_string(&a, "ab");
	ASSERT_BYTES(&a, 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01, 0x08, '\\', '_',
		     'S', '5', '_', 0x0d, 'a', 'b', 0);
	aml_init(&a, buf, sizeof(buf));
	aml_eisa_id(&a, "PNP0C0F");
	ASSERT_BYTES(&a, 0x0c, 0x41, 0xd0, 0x0c, 0x0f);
}

/* A length counts itself: three bytes, the low four bits in the first. */
static void lengths_are_filled_in(void **state)
{
	static uint8_t buf[8192];
	struct aml a;
	size_t mark;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	mark = aml_package(&a, 1);
	aml_int(&a, 0);
	aml_end(&a, mark);
	ASSERT_BYTES(&a, 0x12, 0x85, 0x00, 0x00, 0x01, 0x00);
	aml_init(&a, buf, sizeof(buf));
	mark = aml_scope(&a, "\\_SB");
	while (a.len < 1 + 0x1234)
		aml_int(&a, 0);
	aml_end(&a, mark);
	assert_int_equal(buf[1], 0x84);
	assert_int_equal(buf[2], 0x23);
	assert_int_equal(buf[3], 0x01);
}

static void resources_know_their_length(void **state)
{
	uint8_t buf[64];
	struct aml a;
	size_t mark;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	mark = aml_resources(&a);
	aml_res_io(&a, 0x3f8, 8);
	aml_res_irq(&a, 0x17);
	aml_resources_end(&a, mark);
	ASSERT_BYTES(&a, 0x11, 0x89, 0x01, 0x00, 0x0b, 19, 0, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 1,
		     8, 0x89, 6, 0, 0x03, 1, 0x17, 0, 0, 0, 0x79, 0);
	aml_init(&a, buf, sizeof(buf));
	aml_res_mem32(&a, 0xc0001000, 0x1000);
	ASSERT_BYTES(&a, 0x86, 9, 0, 1, 0x00, 0x10, 0x00, 0xc0, 0x00, 0x10, 0x00, 0x00);
}

static void a_method_that_notifies(void **state)
{
	uint8_t buf[64];
	struct aml a;
	size_t method, cond;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	method = aml_method(&a, "_EVT", 1);
	cond = aml_if_arg0_is(&a, 23);
	aml_notify(&a, "DEV", 0x80);
	aml_end(&a, cond);
	aml_end(&a, method);
	ASSERT_BYTES(&a, 0x14, 0x87, 0x01, 0x00, '_', 'E', 'V', 'T', 0x09, 0xa0, 0x8e, 0x00, 0x00,
		     0x93, 0x68, 0x0a, 23, 0x86, 'D', 'E', 'V', '_', 0x0a, 0x80);
}

static void write_all(struct aml *a)
{
	size_t scope = aml_scope(a, "\\_SB"), dev = aml_device(a, "DEV0"), mark;

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0501");
	aml_name(a, "_UID");
	aml_string(a, "a string");
	aml_name(a, "PKG_");
	mark = aml_package(a, 2);
	aml_int(a, 0x123456789);
	aml_int(a, 0x1234);
	aml_end(a, mark);
	mark = aml_resources(a);
	aml_res_mem32(a, 1, 2);
	aml_res_io(a, 3, 4);
	aml_res_irq(a, 5);
	aml_resources_end(a, mark);
	mark = aml_method(a, "_EVT", 1);
	aml_end(a, aml_if_arg0_is(a, 6));
	aml_notify(a, "DEV0", 7);
	aml_end(a, mark);
	aml_end(a, dev);
	aml_end(a, scope);
}

/* Whatever the size, it is enough or `full` is set; allocations end where the buffer does. */
static void stops_when_full(void **state)
{
	uint8_t big[512];
	struct aml a;
	size_t need;

	(void)state;
	aml_init(&a, big, sizeof(big));
	write_all(&a);
	assert_false(a.full);
	need = a.len;
	for (size_t size = 0; size <= need + 1; size++) {
		uint8_t *buf = malloc(size ? size : 1);

		assert_non_null(buf);
		aml_init(&a, buf, size);
		write_all(&a);
		assert_int_equal(a.full, size < need);
		assert_true(a.len <= size);
		if (!a.full)
			assert_memory_equal(buf, big, need);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_take_their_shortest_form),
		cmocka_unit_test(names_strings_and_ids),
		cmocka_unit_test(lengths_are_filled_in),
		cmocka_unit_test(resources_know_their_length),
		cmocka_unit_test(a_method_that_notifies),
		cmocka_unit_test(stops_when_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
