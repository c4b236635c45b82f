// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader.h"

#include "tests/lib/fault.h"
#include "tests/lib/guest.h"
#include "tests/lib/unit.h"
#include "tests/unit/image_file.h"
#include "vmm/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define KERNEL_END 0x180123u
#define HIGH_GPA   0x100000000ull

struct fixture {
	struct guest g;
	struct kernel_image k;
	struct initrd_image out;
	struct err e;
	uint8_t data[0x5000];
};

/* The kernel's end and the end of memory lie in two regions that touch. */
static void init_memory(struct fixture *x)
{
	static const struct guest_range ram[] = { { 0, MIB(1) },
						  { MIB(1), 0x81000 },
						  { MIB(1) + 0x81000, MIB(1) - 0x81000 },
						  { HIGH_GPA, MIB(1) } };

	guest_init(&x->g, ram, ARRAY_SIZE(ram));
}

static int set_up(void **state)
{
	static struct fixture x;

	init_memory(&x);
	x.k = (struct kernel_image){ .start = MIB(1), .end = KERNEL_END, .initrd_max = 0xffffffff };
	x.out = (struct initrd_image){ .gpa = 1, .len = 2 };
	for (size_t i = 0; i < sizeof(x.data); i++)
		x.data[i] = image_byte(i);
	*state = &x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	guest_release(&x->g);
	return 0;
}

static int load_fd(struct fixture *x, int fd)
{
	int ret = loader_initrd(&x->g.mem, fd, "I", &x->k, &x->out, &x->e);

	close(fd);
	return ret;
}

static int load(struct fixture *x, size_t len)
{
	return load_fd(x, image_fd(x->data, len));
}

/* A file of `len` bytes without contents. */
static int load_hole(struct fixture *x, uint64_t len)
{
	int fd = image_fd("", 0);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return load_fd(x, fd);
}

#define FIRST align_up(KERNEL_END, 0x1000) /* the first whole page above the kernel */

static void lies_right_above_the_kernel_page_aligned(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(load(x, 0x4001), 0);
	assert_int_equal(x->out.gpa, FIRST);
	assert_int_equal(x->out.len, 0x4001);
	assert_memory_equal(guest_at(&x->g, x->out.gpa, 0x4001), x->data, 0x4001);
	assert_int_equal(*(uint8_t *)guest_at(&x->g, x->out.gpa + 0x4001, 1), 0);
	x->k.end = FIRST; /* nothing to round */
	assert_int_equal(load(x, 1), 0);
	assert_int_equal(x->out.gpa, FIRST);
	x->k.end = FIRST + 1;
	assert_int_equal(load(x, 1), 0);
	assert_int_equal(x->out.gpa, FIRST + 0x1000);
}

static void keeps_below_the_kernels_limit(void **state)
{
	struct fixture *x = *state;

	x->k.initrd_max = FIRST + 0xfff;
	assert_int_equal(load(x, 0x1000), 0);
	assert_int_equal(x->out.gpa, FIRST);
	x->k.initrd_max = FIRST + 0xffe; /* one byte less */
	assert_int_equal(load(x, 0x1000), -E2BIG);
	assert_int_equal(load(x, 0xfff), 0);
}

static void fills_the_room_to_the_byte(void **state)
{
	struct fixture *x = *state;
	const uint64_t room = MIB(2) - FIRST;

	assert_int_equal(load_hole(x, room), 0);
	assert_int_equal(x->out.gpa, FIRST);
	x->out = (struct initrd_image){ .gpa = 1, .len = 2 };
	assert_int_equal(load_hole(x, room + 1), -E2BIG);
	assert_string_equal(x->e.msg, "initrd I: 508 KiB does not fit below 0x200000 "
				      "(508 KiB free above the kernel)");
	assert_int_equal(x->out.gpa, 1);
	assert_int_equal(x->out.len, 2);
	assert_int_equal(load_hole(x, GIB(200)), -E2BIG);
	assert_non_null(strstr(x->e.msg, "204800 MiB does not fit"));
}

static void refuses_limits_below_the_kernel(void **state)
{
	struct fixture *x = *state;
	const uint64_t max[] = { 0, 0xfff, MIB(1), KERNEL_END - 1, KERNEL_END + 10 };

	for (size_t i = 0; i < ARRAY_SIZE(max); i++) {
		x->k.initrd_max = max[i];
		assert_int_equal(load(x, 1), -E2BIG);
		assert_non_null(strstr(x->e.msg, "(0 bytes free above the kernel)"));
	}
	x->k.initrd_max = UINT64_MAX;
	assert_int_equal(load(x, 1), 0);
}

static void leaves_memory_above_4_gib(void **state)
{
	struct fixture *x = *state;

	x->k.initrd_max = UINT64_MAX;
	assert_int_equal(load_hole(x, MIB(1)), -E2BIG);
	/* And where the kernel's end is the end of memory, nothing is left. */
	x->k.end = MIB(2);
	assert_int_equal(load(x, 1), -E2BIG);
}

/* The guest's memory ends within a page. */
static void stays_inside_odd_memory(void **state)
{
	struct fixture *x = *state;

	const uint64_t room = MIB(2) - 0x800 - FIRST;

	x->g.mem.region[2].len -= 0x800;
	assert_int_equal(load_hole(x, room + 1), -E2BIG);
	assert_int_equal(load_hole(x, room), 0);
	assert_int_equal(x->out.gpa, FIRST);
}

static void refuses_what_is_no_file(void **state)
{
	struct fixture *x = *state;
	int pipe_fds[2];

	assert_int_equal(load(x, 0), -ENODATA);
	assert_string_equal(x->e.msg, "initrd I: file is empty");
	assert_int_equal(load_fd(x, open("/", O_RDONLY | O_DIRECTORY)), -EINVAL);
	assert_string_equal(x->e.msg, "initrd I: not a regular file");
	assert_int_equal(load_fd(x, open("/dev/zero", O_RDONLY)), -EINVAL);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(load_fd(x, pipe_fds[0]), -EINVAL);
	close(pipe_fds[1]);
	assert_int_equal(load_fd(x, -1), -EBADF);
}

static void reports_a_failing_read(void **state)
{
	struct fixture *x = *state;

	fault_arm(1, EIO);
	assert_int_equal(load(x, 0x1000), -EIO);
	assert_true(fault_disarm());
	assert_int_equal(x->out.gpa, 1);
	fault_arm(1, EINTR);
	assert_int_equal(load(x, 0x1000), 0);
	assert_true(fault_disarm());
	assert_memory_equal(guest_at(&x->g, x->out.gpa, 0x1000), x->data, 0x1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(lies_right_above_the_kernel_page_aligned),
		TEST(keeps_below_the_kernels_limit),
		TEST(fills_the_room_to_the_byte),
		TEST(refuses_limits_below_the_kernel),
		TEST(leaves_memory_above_4_gib),
		TEST(stays_inside_odd_memory),
		TEST(refuses_what_is_no_file),
		TEST(reports_a_failing_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
