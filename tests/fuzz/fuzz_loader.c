// SPDX-License-Identifier: Apache-2.0
/*
 * Kernel files: whatever the file says, nothing outside guest memory is written, and what the
 * loader reports lies inside it. Input: the file.
 *
 * The guest's regions are allocations of their own, so that AddressSanitizer sees their edges.
 * Every file that is taken is loaded a second time by LOAD_MAP, which must give the same memory.
 */
#include "tests/lib/guest.h"
#include "tests/lib/require.h"
#include "vmm/loader.h"
#include "vmm/util.h"
#include "vmm/x86/boot.h"
#include "vmm/x86/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOW_LEN	   MIB(1)
#define PART_LEN   0x20000u /* small regions above 1 MiB: cheap to clear and to compare */
#define HIGH_LEN   0x10000u
#define HIGH_GPA   (1ull << 32)
#define INITRD_LEN 0x1234u

/* Below 1 MiB, two small regions that touch above it, and one above 4 GiB. */
static const struct guest_range ram[] = {
	{ 0, LOW_LEN },
	{ MIB(1), PART_LEN },
	{ MIB(1) + PART_LEN, PART_LEN },
	{ HIGH_GPA, HIGH_LEN },
};

static struct guest copied;
static struct gmem mapped; /* the same shape, in mappings that LOAD_MAP may replace */
static int file_fd = -1, initrd_fd = -1;

static void map_fresh(void)
{
	gmem_init(&mapped);
	for (size_t i = 0; i < ARRAY_SIZE(ram); i++) {
		void *p = mmap(NULL, ram[i].len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		REQUIRE(p != MAP_FAILED && gmem_add(&mapped, ram[i].gpa, p, ram[i].len) == 0);
	}
}

static void set_up(void)
{
	static char zero[INITRD_LEN];

	if (file_fd >= 0)
		return;
	guest_init(&copied, ram, ARRAY_SIZE(ram));
	file_fd = memfd_create("kernel", MFD_CLOEXEC);
	initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	REQUIRE(file_fd >= 0 && initrd_fd >= 0);
	memset(zero, 0x77, sizeof(zero));
	REQUIRE(write(initrd_fd, zero, sizeof(zero)) == (ssize_t)sizeof(zero));
}

/* The kernel's part of memory; all of it was zero before. */
static void clear_ram(void)
{
	for (unsigned int i = 1; i < copied.mem.nr; i++)
		memset(copied.mem.region[i].hva, 0, copied.mem.region[i].len);
}

/* [gpa, gpa + len) is memory from 1 MiB up, below the hole. */
static bool in_kernel_ram(uint64_t gpa, uint64_t len)
{
	return gpa >= MIB(1) && gpa < MIB(1) + 2 * PART_LEN && len <= MIB(1) + 2 * PART_LEN - gpa;
}

/* By memcmp: a loop under AddressSanitizer would take most of the time. */
static bool untouched(const struct gmem_region *r)
{
	return r->hva[0] == 0 && memcmp(r->hva, r->hva + 1, r->len - 1) == 0;
}

static void check_kernel(const struct kernel_image *k, size_t file_len)
{
	REQUIRE(k->start < k->end && in_kernel_ram(k->start, k->end - k->start));
	REQUIRE(k->entry >= k->start && k->entry < k->end);
	REQUIRE(k->loaded_bytes <= k->end - k->start);
	REQUIRE(k->setup_header_len <= SETUP_HEADER_MAX);
	REQUIRE(k->protocol == BOOT_LINUX64 || k->setup_header_len == 0);
	REQUIRE(k->loaded_bytes > 0 && file_len > 0);
}

static void check_initrd(const struct kernel_image *k)
{
	struct initrd_image initrd = { 0 };
	uint8_t byte = 0;
	struct err e;
	int r = loader_initrd(&copied.mem, initrd_fd, "I", k, &initrd, &e);

	if (r < 0) {
		REQUIRE(r == -E2BIG && initrd.len == 0);
		return;
	}
	REQUIRE(initrd.len == INITRD_LEN && initrd.gpa % 4096 == 0);
	REQUIRE(initrd.gpa >= k->end && in_kernel_ram(initrd.gpa, initrd.len));
	REQUIRE(initrd.gpa + initrd.len - 1 <= k->initrd_max);
	REQUIRE(gmem_read(&copied.mem, initrd.gpa + INITRD_LEN - 1, &byte, 1) == 0 && byte == 0x77);
	REQUIRE(boot_write(&copied.mem, k, &initrd, "quiet", &e) == 0 || e.code == -E2BIG);
}

static void check_map(const struct kernel_image *k)
{
	struct kernel_image again = { 0 };
	struct err e;

	map_fresh();
	REQUIRE(loader_kernel(&mapped, file_fd, "K", LOAD_MAP, &again, &e) == 0);
	REQUIRE(memcmp(&again, k, sizeof(*k)) == 0);
	for (unsigned int i = 1; i < mapped.nr; i++) {
		REQUIRE(memcmp(mapped.region[i].hva, copied.mem.region[i].hva, ram[i].len) == 0);
		munmap(mapped.region[i].hva, ram[i].len);
	}
	munmap(mapped.region[0].hva, ram[0].len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kernel_image k = { 0 };
	struct err e = { 0 };
	int r;

	set_up();
	REQUIRE(ftruncate(file_fd, 0) == 0);
	REQUIRE(len == 0 || pwrite(file_fd, data, len, 0) == (ssize_t)len);
	r = loader_kernel(&copied.mem, file_fd, "K", LOAD_COPY, &k, &e);
	REQUIRE(untouched(&copied.mem.region[3]));
	if (r < 0) {
		/* Everything is checked before the first byte is copied, and there is a reason. */
		REQUIRE(untouched(&copied.mem.region[1]) && untouched(&copied.mem.region[2]));
		REQUIRE(e.code == r && strncmp(e.msg, "kernel K: ", 10) == 0);
		REQUIRE(k.end == 0 && !strchr(e.msg, '\n'));
		return 0;
	}
	check_kernel(&k, len);
	check_map(&k);
	check_initrd(&k);
	clear_ram();
	return 0;
}
