// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader.h"

#include "tests/lib/fault.h"
#include "tests/lib/guest.h"
#include "tests/lib/unit.h"
#include "tests/unit/image_file.h"
#include "vmm/util.h"

#include <errno.h>
#include <string.h>

#define SETUP_SECTS 3u
#define SETUP_LEN   ((SETUP_SECTS + 1) * 512u)
#define PAYLOAD	    0x5000u
#define FILE_LEN    (SETUP_LEN + PAYLOAD)
#define INIT_SIZE   0x20000u
#define PREF	    0x180000u /* the guest has 4 MiB */
#define HEADER_END  0x26cu
#define INITRD_MAX  0x7fffffffu

struct fixture {
	struct guest g;
	struct kernel_image k;
	struct err e;
	size_t len;
	uint8_t file[FILE_LEN + 512];
};

static void put(struct fixture *x, size_t off, uint64_t v, size_t len)
{
	memcpy(x->file + off, &v, len);
}

static void init_file(struct fixture *x)
{
	x->len = FILE_LEN;
	for (size_t i = 0; i < sizeof(x->file); i++)
		x->file[i] = image_byte(i);
	put(x, 0x1f1, SETUP_SECTS, 1);
	put(x, 0x1f4, PAYLOAD / 16, 4);
	put(x, 0x1fe, 0xaa55, 2);
	put(x, 0x200, 0xeb, 1);
	put(x, 0x201, HEADER_END - 0x202, 1);
	memcpy(x->file + 0x202, "HdrS", 4);
	put(x, 0x206, 0x020f, 2);
	put(x, 0x211, 0x01, 1);
	put(x, 0x22c, INITRD_MAX, 4);
	put(x, 0x230, 0x80000, 4);
	put(x, 0x234, 1, 1);
	put(x, 0x236, 0x003f, 2);
	put(x, 0x258, PREF, 8);
	put(x, 0x260, INIT_SIZE, 4);
}

static int set_up(void **state)
{
	static const struct guest_range ram[] = { { 0, MIB(2) }, { MIB(2), MIB(2) } };
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	guest_init(&x.g, ram, ARRAY_SIZE(ram));
	init_file(&x);
	*state = &x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	guest_release(&x->g);
	return 0;
}

static int load(struct fixture *x)
{
	int fd = image_fd(x->file, x->len);
	int ret = loader_kernel(&x->g.mem, fd, "K", LOAD_COPY, &x->k, &x->e);

	close(fd);
	return ret;
}

static void assert_refused(struct fixture *x, int code, const char *words)
{
	const struct kernel_image untouched = { .entry = 0x5a5a };

	x->k = untouched;
	assert_int_equal(load(x), code);
	if (!strstr(x->e.msg, words) || strncmp(x->e.msg, "kernel K: ", 10) != 0)
		fail_msg("\"%s\" says nothing of \"%s\"", x->e.msg, words);
	assert_memory_equal(&x->k, &untouched, sizeof(untouched));
}

static void loads_at_the_preferred_address(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.protocol, BOOT_LINUX64);
	assert_int_equal(x->k.start, PREF);
	assert_int_equal(x->k.entry, PREF + 0x200);
	assert_int_equal(x->k.end, PREF + INIT_SIZE);
	assert_int_equal(x->k.initrd_max, INITRD_MAX);
	assert_int_equal(x->k.loaded_bytes, PAYLOAD);
	assert_int_equal(x->k.setup_header_len, HEADER_END - 0x1f1);
	assert_memory_equal(x->k.setup_header, x->file + 0x1f1, HEADER_END - 0x1f1);
	assert_memory_equal(guest_at(&x->g, PREF, PAYLOAD), x->file + SETUP_LEN, PAYLOAD);
}

static void moves_when_the_preferred_address_does_not_fit(void **state)
{
	struct fixture *x = *state;
	const uint64_t bad[] = { 0,	  MIB(1) - 1, MIB(4) - INIT_SIZE + 1,
				 MIB(16), 1ull << 32, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(x, 0x258, bad[i], 8);
		assert_int_equal(load(x), 0);
		assert_int_equal(x->k.start, 0x100000); /* from 1 MiB, aligned to 512 KiB */
		assert_int_equal(x->k.entry, 0x100200);
	}
	put(x, 0x230, MIB(2), 4);
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.start, MIB(2));
}

static void refuses_what_fits_nowhere(void **state)
{
	struct fixture *x = *state;

	put(x, 0x260, MIB(3) + 1, 4);
	assert_refused(x, -EFAULT,
		       "needs 3 MiB of memory at 0x180000 or lower, "
		       "outside guest memory (4 MiB)");
	put(x, 0x260, UINT32_MAX, 4);
	assert_refused(x, -EFAULT, "outside guest memory");
	put(x, 0x260, INIT_SIZE, 4);
	put(x, 0x258, MIB(16), 8);
	put(x, 0x234, 0, 1);
	assert_refused(x, -EFAULT, "at 0x1000000, outside guest memory");
	put(x, 0x234, 1, 1);
	put(x, 0x230, 0, 4); /* no alignment, and one that is none */
	assert_refused(x, -EFAULT, "outside guest memory");
	put(x, 0x230, 0x180000, 4);
	assert_refused(x, -EFAULT, "outside guest memory");
	put(x, 0x230, 0x80000000, 4);
	assert_refused(x, -EFAULT, "outside guest memory");
}

/* A payload longer than init_size still has to fit. */
static void counts_the_larger_of_file_and_init_size(void **state)
{
	struct fixture *x = *state;

	put(x, 0x260, 0, 4);
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.end, PREF + PAYLOAD);
	put(x, 0x258, MIB(4) - PAYLOAD + 1, 8);
	put(x, 0x234, 0, 1);
	assert_refused(x, -EFAULT, "outside guest memory");
}

static void takes_four_sectors_for_none(void **state)
{
	struct fixture *x = *state;

	put(x, 0x1f1, 0, 1);
	x->len = 5 * 512 + PAYLOAD;
	assert_int_equal(load(x), 0);
	assert_memory_equal(guest_at(&x->g, PREF, PAYLOAD), x->file + (size_t)5 * 512, PAYLOAD);
}

/* What is appended to the kernel, a signature say, is not its payload. */
static void leaves_what_follows_the_payload(void **state)
{
	struct fixture *x = *state;

	x->len = FILE_LEN + 512;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.loaded_bytes, PAYLOAD);
	assert_int_equal(*(uint8_t *)guest_at(&x->g, PREF + PAYLOAD, 1), 0);
}

/* syssize counts paragraphs, and the last one may be a part. */
static void takes_a_payload_that_ends_in_a_paragraph(void **state)
{
	struct fixture *x = *state;

	x->len = FILE_LEN - 15;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.loaded_bytes, PAYLOAD - 15);
	x->len = FILE_LEN - 16;
	assert_refused(x, -ENOEXEC, "is it cut off?");
}

static void refuses_bad_headers(void **state)
{
	struct fixture *x = *state;

	put(x, 0x1fe, 0x55aa, 2);
	assert_refused(x, -ENOEXEC, "boot flag is 0x55aa, expected 0xaa55");
	init_file(x);
	put(x, 0x202, 0x53726448 ^ 1, 4);
	assert_refused(x, -ENOEXEC, "not a kernel");
	init_file(x);
	put(x, 0x206, 0x020b, 2);
	assert_refused(x, -ENOEXEC, "boot protocol is 2.11, expected at least 2.12");
	init_file(x);
	put(x, 0x211, 0xfe, 1);
	assert_refused(x, -ENOEXEC, "loadflags are 0xfe");
	init_file(x);
	put(x, 0x236, 0xfffe, 2);
	assert_refused(x, -ENOEXEC, "xloadflags are 0xfffe");
	init_file(x);
	put(x, 0x201, 0x264 - 0x202 - 1, 1);
	assert_refused(x, -ENOEXEC, "setup header ends at 0x263, expected 0x264");
	init_file(x);
	put(x, 0x1f4, 0x20, 4); /* no room for the entry at 0x200 */
	assert_refused(x, -ENOEXEC, "syssize is 32");
	put(x, 0x1f4, UINT32_MAX, 4);
	assert_refused(x, -ENOEXEC, "is it cut off?");
	init_file(x);
	x->len = SETUP_LEN - 100;
	assert_refused(x, -ENOEXEC, "is it cut off?");
	x->len = SETUP_LEN;
	assert_refused(x, -ENOEXEC, "is it cut off?");
	x->len = 0x206; /* not even a header */
	assert_refused(x, -ENOEXEC, "boot protocol is 0.0");
}

/* A header longer than we know is kept as far as we have room. */
static void cuts_a_long_header(void **state)
{
	struct fixture *x = *state;

	put(x, 0x201, 0xff, 1);
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.setup_header_len, SETUP_HEADER_MAX);
	assert_memory_equal(x->k.setup_header, x->file + 0x1f1, SETUP_HEADER_MAX);
}

static void survives_every_failing_read(void **state)
{
	struct fixture *x = *state;
	unsigned int n = 0;
	bool hit;

	do {
		int ret;

		fault_arm(++n, EIO);
		ret = load(x);
		hit = fault_disarm();
		assert_int_equal(ret, hit ? -EIO : 0);
	} while (hit);
	assert_int_equal(n, 3); /* head, payload, none */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(loads_at_the_preferred_address),
		TEST(moves_when_the_preferred_address_does_not_fit),
		TEST(refuses_what_fits_nowhere),
		TEST(counts_the_larger_of_file_and_init_size),
		TEST(takes_four_sectors_for_none),
		TEST(leaves_what_follows_the_payload),
		TEST(takes_a_payload_that_ends_in_a_paragraph),
		TEST(refuses_bad_headers),
		TEST(cuts_a_long_header),
		TEST(survives_every_failing_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
