// SPDX-License-Identifier: Apache-2.0
/* LOAD_MAP must leave the same bytes in memory as LOAD_COPY, and never change the file. */
#include "vmm/loader.h"

#include "tests/lib/unit.h"
#include "tests/unit/image_file.h"
#include "vmm/loader_impl.h"
#include "vmm/util.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_LEN	 MIB(2)
#define FILE_LEN 0x10000u
#define PAGE	 4096u

/* Two memories of the same shape: two regions that touch at 1.5 MiB. */
struct fixture {
	struct gmem copied;
	struct gmem mapped;
	uint8_t *copied_hva;
	uint8_t *mapped_hva;
	int fd;
	uint8_t data[FILE_LEN];
	struct err e;
};

static uint8_t *new_ram(struct gmem *m)
{
	uint8_t *p =
		mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	gmem_init(m);
	assert_int_equal(gmem_add(m, 0, p, RAM_LEN / 4 * 3), 0);
	assert_int_equal(gmem_add(m, RAM_LEN / 4 * 3, p + RAM_LEN / 4 * 3, RAM_LEN / 4), 0);
	return p;
}

static int set_up(void **state)
{
	static struct fixture x;

	x.copied_hva = new_ram(&x.copied);
	x.mapped_hva = new_ram(&x.mapped);
	for (size_t i = 0; i < FILE_LEN; i++)
		x.data[i] = image_byte(i);
	x.fd = image_fd(x.data, FILE_LEN);
	*state = &x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	munmap(x->copied_hva, RAM_LEN);
	munmap(x->mapped_hva, RAM_LEN);
	close(x->fd);
	return 0;
}

/* The file is mapped at `hva`, as the kernel sees it. */
static bool is_mapped(const uint8_t *hva)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		abort();
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		found = sscanf(line, "%lx-%lx", &start, &end) == 2 && (uintptr_t)hva >= start &&
			(uintptr_t)hva < end && strstr(line, "memfd:image");
	}
	fclose(f);
	return found;
}

static void place_both(struct fixture *x, const struct image_chunk *c)
{
	struct image_file f = { .what = "kernel", .name = "K", .fd = x->fd, .size = FILE_LEN };

	f.mode = LOAD_COPY;
	assert_int_equal(image_place(&x->copied, &f, c, &x->e), 0);
	f.mode = LOAD_MAP;
	assert_int_equal(image_place(&x->mapped, &f, c, &x->e), 0);
	assert_memory_equal(x->mapped_hva, x->copied_hva, RAM_LEN);
	assert_memory_equal(x->mapped_hva + c->gpa, x->data + c->off, c->len);
}

static void maps_whole_pages(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = PAGE, .gpa = MIB(1), .len = 4 * PAGE };

	place_both(x, &c);
	assert_true(is_mapped(x->mapped_hva + MIB(1)));
	assert_true(is_mapped(x->mapped_hva + MIB(1) + 4 * PAGE - 1));
	assert_false(is_mapped(x->mapped_hva + MIB(1) + 4 * PAGE));
	assert_false(is_mapped(x->mapped_hva + MIB(1) - 1));
	assert_false(is_mapped(x->copied_hva + MIB(1)));
}

/* The file goes on behind a segment's last byte; memory there must stay zero. */
static void copies_what_shares_a_page(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = PAGE + 0x123,
				       .gpa = MIB(1) + 0x123,
				       .len = 3 * PAGE };

	place_both(x, &c);
	assert_false(is_mapped(x->mapped_hva + MIB(1)));
	assert_true(is_mapped(x->mapped_hva + MIB(1) + PAGE));
	assert_true(is_mapped(x->mapped_hva + MIB(1) + 2 * PAGE));
	assert_false(is_mapped(x->mapped_hva + MIB(1) + 3 * PAGE));
	assert_int_equal(x->mapped_hva[c.gpa - 1], 0);
	assert_int_equal(x->mapped_hva[c.gpa + c.len], 0);
}

static void copies_what_is_not_congruent(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = PAGE + 0x200, .gpa = MIB(1), .len = 4 * PAGE };

	place_both(x, &c);
	assert_false(is_mapped(x->mapped_hva + MIB(1) + PAGE));
}

static void copies_what_crosses_regions(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = PAGE,
				       .gpa = RAM_LEN / 4 * 3 - 2 * PAGE,
				       .len = 4 * PAGE };

	place_both(x, &c);
	assert_false(is_mapped(x->mapped_hva + c.gpa));
}

/* Every kind of start and length around the borders of pages. */
static void equals_a_copy_wherever_it_lies(void **state)
{
	static const uint64_t off[] = { 0, 1, 0x7ff, PAGE - 1, PAGE, PAGE + 1 };
	static const uint64_t len[] = { 0,
					1,
					PAGE - 2,
					PAGE - 1,
					PAGE,
					PAGE + 1,
					2 * PAGE - 2,
					2 * PAGE - 1,
					2 * PAGE,
					2 * PAGE + 1,
					3 * PAGE + 5 };
	uint64_t gpa = MIB(1);

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(len); j++) {
			struct image_chunk c = { .off = off[i],
						 .gpa = gpa + off[i] % PAGE,
						 .len = len[j] };

			place_both(*state, &c);
			c.gpa = gpa + 0x8000 + 0x10;
			place_both(*state, &c);
			gpa = gpa == MIB(1) ? MIB(1) + 0x20000 : MIB(1);
			tear_down(state);
			set_up(state);
		}
	}
}

static void guest_writes_stay_private(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = 0, .gpa = MIB(1), .len = PAGE };
	uint8_t byte;

	place_both(x, &c);
	x->mapped_hva[MIB(1)] ^= 0xff;
	assert_int_equal(pread(x->fd, &byte, 1, 0), 1);
	assert_int_equal(byte, x->data[0]);
}

static void reports_a_failing_map(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = 0, .gpa = MIB(1), .len = PAGE };
	struct image_file f = { .what = "kernel", .name = "K", .fd = -1, .mode = LOAD_MAP };

	assert_int_equal(image_place(&x->mapped, &f, &c, &x->e), -EBADF);
	assert_non_null(strstr(x->e.msg, "kernel K: map 4 KiB"));
}

/* The whole way, as a user asks for it. */
static void loads_a_kernel_both_ways(void **state)
{
	struct fixture *x = *state;
	const Elf64_Ehdr h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					    ELFDATA2LSB, EV_CURRENT },
			       .e_type = ET_EXEC,
			       .e_machine = EM_X86_64,
			       .e_entry = MIB(1) + 0x10,
			       .e_phoff = sizeof(h),
			       .e_phentsize = sizeof(Elf64_Phdr),
			       .e_phnum = 1 };
	const Elf64_Phdr ph = { .p_type = PT_LOAD,
				.p_offset = 0x1010,
				.p_paddr = MIB(1) + 0x10,
				.p_filesz = 0x6543,
				.p_memsz = 0x9000 };
	struct kernel_image a, b;

	assert_int_equal(pwrite(x->fd, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(pwrite(x->fd, &ph, sizeof(ph), sizeof(h)), sizeof(ph));
	assert_int_equal(loader_kernel(&x->copied, x->fd, "K", LOAD_COPY, &a, &x->e), 0);
	assert_int_equal(loader_kernel(&x->mapped, x->fd, "K", LOAD_MAP, &b, &x->e), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_equal(x->mapped_hva, x->copied_hva, RAM_LEN);
	assert_true(is_mapped(x->mapped_hva + MIB(1) + PAGE));
	assert_memory_equal(x->mapped_hva + MIB(1) + 0x10, x->data + 0x1010, 0x6543);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(maps_whole_pages),
		TEST(copies_what_shares_a_page),
		TEST(copies_what_is_not_congruent),
		TEST(copies_what_crosses_regions),
		TEST(equals_a_copy_wherever_it_lies),
		TEST(guest_writes_stay_private),
		TEST(reports_a_failing_map),
		TEST(loads_a_kernel_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
