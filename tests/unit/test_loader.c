// SPDX-License-Identifier: Apache-2.0
/* ELF kernels, and files that are no kernels. */
#include "vmm/loader.h"

#include "tests/lib/fault.h"
#include "tests/lib/guest.h"
#include "tests/lib/unit.h"
#include "tests/unit/image_file.h"
#include "vmm/loader_impl.h"
#include "vmm/util.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_LEN  0x9000u
#define NOTES_OFF 0x600u
#define TEXT_OFF  0x1000u
#define TEXT_GPA  0x100000u
#define TEXT_LEN  0x3000u
#define DATA_OFF  0x4080u
#define DATA_GPA  0x1ff080u /* crosses into the next region */
#define DATA_LEN  0x2100u
#define DATA_MEM  0x8000u
#define PVH_ENTRY (TEXT_GPA + 0x40)
#define ELF_ENTRY (TEXT_GPA + 0x123)
#define HIGH_GPA  0x100000000ull

enum {
	PH_TEXT,
	PH_DATA,
	PH_NOTE,
	PH_NR
};

/* A kernel in the making, which each test spoils in its own way. */
struct elf_file {
	Elf64_Ehdr h;
	Elf64_Phdr ph[PH_NR];
	size_t len;
	uint8_t data[FILE_LEN];
};

struct fixture {
	struct guest g;
	struct elf_file f;
	struct kernel_image k;
	struct err e;
};

static size_t add_note(struct elf_file *f, size_t off, const char *name, uint32_t type,
		       uint64_t desc, uint32_t desc_len)
{
	const Elf64_Nhdr h = { (Elf64_Word)strlen(name) + 1, desc_len, type };
	uint8_t *p = f->data + off;

	memcpy(p, &h, sizeof(h));
	memset(p + sizeof(h), 0, align_up(h.n_namesz, 4) + align_up(desc_len, 4));
	memcpy(p + sizeof(h), name, h.n_namesz);
	memcpy(p + sizeof(h) + align_up(h.n_namesz, 4), &desc, desc_len < 8 ? desc_len : 8);
	return off + sizeof(h) + align_up(h.n_namesz, 4) + align_up(desc_len, 4);
}

/* Two segments, and three notes of which the last one says PVH. */
static void init_elf(struct elf_file *f)
{
	size_t end;

	*f = (struct elf_file){
		.h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				    EV_CURRENT },
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_entry = ELF_ENTRY,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = PH_NR },
		.len = FILE_LEN,
	};
	f->ph[PH_TEXT] = (Elf64_Phdr){ .p_type = PT_LOAD,
				       .p_offset = TEXT_OFF,
				       .p_paddr = TEXT_GPA,
				       .p_filesz = TEXT_LEN,
				       .p_memsz = TEXT_LEN };
	f->ph[PH_DATA] = (Elf64_Phdr){ .p_type = PT_LOAD,
				       .p_offset = DATA_OFF,
				       .p_paddr = DATA_GPA,
				       .p_filesz = DATA_LEN,
				       .p_memsz = DATA_MEM };
	for (size_t i = 0; i < FILE_LEN; i++)
		f->data[i] = image_byte(i);
	end = add_note(f, NOTES_OFF, "GNU", 18, 0xbad, 20);
	end = add_note(f, end, "Xen", 17, 0xbad, 8);
	end = add_note(f, end, "Xen", 18, PVH_ENTRY, 8);
	f->ph[PH_NOTE] = (Elf64_Phdr){ .p_type = PT_NOTE,
				       .p_offset = NOTES_OFF,
				       .p_filesz = end - NOTES_OFF,
				       .p_memsz = end - NOTES_OFF,
				       .p_align = 4 };
}

static int elf_fd(struct elf_file *f)
{
	memcpy(f->data, &f->h, sizeof(f->h));
	memcpy(f->data + sizeof(f->h), f->ph, sizeof(f->ph));
	return image_fd(f->data, f->len);
}

static int set_up(void **state)
{
	static const struct guest_range ram[] = {
		{ 0, MIB(1) }, { MIB(1), MIB(1) }, { MIB(2), MIB(1) }, { HIGH_GPA, MIB(1) }
	};
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	guest_init(&x.g, ram, ARRAY_SIZE(ram));
	init_elf(&x.f);
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
	int ret = loader_kernel(&x->g.mem, fd, "K", LOAD_COPY, &x->k, &x->e);

	close(fd);
	return ret;
}

static int load(struct fixture *x)
{
	return load_fd(x, elf_fd(&x->f));
}

static bool all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i])
			return false;
	}
	return true;
}

/* It is refused with this code and these words, and nothing is said to be loaded or is. */
static void assert_refused(struct fixture *x, int code, const char *words)
{
	const struct kernel_image untouched = { .entry = 0x5a5a };

	x->k = untouched;
	assert_int_equal(load(x), code);
	assert_int_equal(x->e.code, code);
	if (!strstr(x->e.msg, words) || strncmp(x->e.msg, "kernel K: ", 10) != 0)
		fail_msg("\"%s\" says nothing of \"%s\"", x->e.msg, words);
	assert_memory_equal(&x->k, &untouched, sizeof(untouched));
	assert_true(all_zero(guest_at(&x->g, MIB(1), MIB(1)), MIB(1)));
}

/* Byte by byte: a segment lies across regions. */
static void assert_loaded(const struct fixture *x, uint64_t gpa, size_t off, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint8_t *p = guest_at(&x->g, gpa + i, 1);

		if (*p != x->f.data[off + i])
			fail_msg("byte %zu at 0x%llx is %02x, not %02x", i, (unsigned long long)gpa,
				 *p, x->f.data[off + i]);
	}
}

static void loads_a_pvh_kernel(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.protocol, BOOT_PVH);
	assert_int_equal(x->k.entry, PVH_ENTRY);
	assert_int_equal(x->k.start, TEXT_GPA);
	assert_int_equal(x->k.end, DATA_GPA + DATA_MEM);
	assert_int_equal(x->k.initrd_max, 0xffffffff);
	assert_int_equal(x->k.loaded_bytes, TEXT_LEN + DATA_LEN);
	assert_int_equal(x->k.setup_header_len, 0);
	assert_loaded(x, TEXT_GPA, TEXT_OFF, TEXT_LEN);
	assert_loaded(x, DATA_GPA, DATA_OFF, DATA_LEN);
	/* What follows a segment's bytes is left alone. */
	assert_true(all_zero(guest_at(&x->g, DATA_GPA + DATA_LEN, 0x1000), 0x1000));
	assert_true(all_zero(guest_at(&x->g, TEXT_GPA + TEXT_LEN, 0x1000), 0x1000));
}

static void takes_a_note_of_four_bytes(void **state)
{
	struct fixture *x = *state;
	size_t end = add_note(&x->f, NOTES_OFF, "Xen", 18, PVH_ENTRY, 4);

	x->f.ph[PH_NOTE].p_filesz = end - NOTES_OFF;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.entry, PVH_ENTRY);
}

static void takes_notes_aligned_to_eight(void **state)
{
	struct fixture *x = *state;
	const Elf64_Nhdr first = { 4, 4, 1 };
	size_t off = NOTES_OFF;

	/* Header and name fill 16 bytes; the value of four is padded to eight. */
	memcpy(x->f.data + off, &first, sizeof(first));
	off += 24;
	off = add_note(&x->f, off, "Xen", 18, PVH_ENTRY, 8);
	x->f.ph[PH_NOTE].p_align = 8;
	x->f.ph[PH_NOTE].p_filesz = off - NOTES_OFF;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.protocol, BOOT_PVH);
}

static void uses_the_elf_entry_without_a_note(void **state)
{
	struct fixture *x = *state;

	x->f.h.e_phnum = PH_NOTE;
	x->f.h.e_type = ET_DYN;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.protocol, BOOT_LINUX64);
	assert_int_equal(x->k.entry, ELF_ENTRY);
}

static void ignores_notes_of_others(void **state)
{
	struct fixture *x = *state;
	size_t end = add_note(&x->f, NOTES_OFF, "xen", 18, PVH_ENTRY, 8);

	end = add_note(&x->f, end, "Xenon", 18, PVH_ENTRY, 8);
	/* A longer name that begins with the whole of ours. */
	x->f.data[add_note(&x->f, end, "Xen_xyz", 18, PVH_ENTRY, 8) - 13] = '\0';
	end += sizeof(Elf64_Nhdr) + 8 + 8;
	x->f.ph[PH_NOTE].p_filesz = end - NOTES_OFF;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.protocol, BOOT_LINUX64);
}

/* Segments that touch do not overlap; empty ones are nothing. */
static void takes_touching_and_empty_segments(void **state)
{
	struct fixture *x = *state;

	x->f.ph[PH_DATA].p_paddr = TEXT_GPA + TEXT_LEN;
	x->f.ph[PH_NOTE] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_paddr = UINT64_MAX };
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.end, TEXT_GPA + TEXT_LEN + DATA_MEM);
}

static void refuses_bad_elf_headers(void **state)
{
	struct fixture *x = *state;
	Elf64_Ehdr *h = &x->f.h;
	const Elf64_Ehdr good = *h;

	h->e_ident[EI_CLASS] = ELFCLASS32;
	assert_refused(x, -ENOEXEC, "class is 1, expected 2");
	*h = good;
	h->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(x, -ENOEXEC, "byte order is 2");
	*h = good;
	h->e_machine = EM_AARCH64;
	assert_refused(x, -ENOEXEC, "machine is 183, expected 62");
	*h = good;
	h->e_type = ET_REL;
	assert_refused(x, -ENOEXEC, "type is 1");
	*h = good;
	h->e_phentsize = 32;
	assert_refused(x, -ENOEXEC, "size of a program header is 32");
	*h = good;
	h->e_phnum = 0;
	assert_refused(x, -ENOEXEC, "number of program headers is 0");
	h->e_phnum = 65;
	assert_refused(x, -ENOEXEC, "number of program headers is 65");
	h->e_phnum = 64;
	h->e_phoff = FILE_LEN - 64 * sizeof(Elf64_Phdr) + 1;
	assert_refused(x, -ENOEXEC, "end behind the file");
	h->e_phoff = UINT64_MAX;
	assert_refused(x, -ENOEXEC, "end behind the file");
	*h = good;
	x->f.len = sizeof(*h) - 1;
	assert_refused(x, -ENOEXEC, "file has 63 bytes");
	x->f.len = sizeof(*h) + PH_NR * sizeof(Elf64_Phdr) - 1;
	assert_refused(x, -ENOEXEC, "3 program headers");
}

static void refuses_segments_outside_the_file(void **state)
{
	struct fixture *x = *state;
	Elf64_Phdr *p = &x->f.ph[PH_DATA];
	const Elf64_Phdr good = *p;

	x->f.len = DATA_OFF + DATA_LEN - 1;
	assert_refused(x, -ENOEXEC, "program header 1: 8448 bytes at 0x4080 end behind the file");
	x->f.len = FILE_LEN;
	p->p_offset = FILE_LEN + 1;
	assert_refused(x, -ENOEXEC, "behind the file");
	p->p_offset = UINT64_MAX - 0x1000; /* wraps with the length */
	assert_refused(x, -ENOEXEC, "behind the file");
	*p = good;
	p->p_filesz = UINT64_MAX;
	p->p_memsz = UINT64_MAX;
	assert_refused(x, -ENOEXEC, "behind the file");
	*p = good;
	p->p_filesz = p->p_memsz + 1;
	x->f.len = FILE_LEN;
	p->p_offset = 0;
	assert_refused(x, -ENOEXEC, "exceeds size in memory");
	p->p_memsz = 0;
	assert_refused(x, -ENOEXEC, "exceeds size in memory 0x0");
}

static void refuses_segments_outside_memory(void **state)
{
	struct fixture *x = *state;
	Elf64_Phdr *p = &x->f.ph[PH_DATA];
	const Elf64_Phdr good = *p;

	p->p_paddr = MIB(1) - 1;
	assert_refused(x, -EFAULT, "starts below 0x100000");
	p->p_paddr = MIB(3) - DATA_MEM + 1;
	assert_refused(
		x, -EFAULT,
		"program header 1: segment 0x2f8001-0x300001 is outside guest memory (4 MiB)");
	p->p_paddr = MIB(16); /* no memory at all there */
	assert_refused(x, -EFAULT, "outside guest memory");
	p->p_paddr = HIGH_GPA; /* memory, but no entry can reach it */
	assert_refused(x, -EFAULT, "outside guest memory");
	p->p_paddr = HIGH_GPA - 0x1000;
	assert_refused(x, -EFAULT, "outside guest memory");
	*p = good;
	p->p_memsz = UINT64_MAX - p->p_paddr;
	assert_refused(x, -EFAULT, "outside guest memory");
	p->p_memsz = UINT64_MAX - p->p_paddr + 1;
	assert_refused(x, -ENOEXEC, "wraps around");
	p->p_paddr = UINT64_MAX - 0x10;
	assert_refused(x, -ENOEXEC, "wraps around");
}

/* Memory without a hole at 4 GiB, which entries cannot see beyond. */
static void refuses_segments_across_4_gib(void **state)
{
	static const struct guest_range ram[] = { { 0, MIB(2) },
						  { HIGH_GPA - MIB(1), MIB(1) },
						  { HIGH_GPA, MIB(1) } };
	struct fixture *x = *state;
	Elf64_Phdr *p = &x->f.ph[PH_DATA];

	guest_release(&x->g);
	guest_init(&x->g, ram, ARRAY_SIZE(ram));
	p->p_paddr = HIGH_GPA - DATA_MEM + 1;
	assert_refused(x, -EFAULT, "segment 0xffff8001-0x100000001 is outside guest memory");
	p->p_paddr--;
	assert_int_equal(load(x), 0);
	assert_int_equal(x->k.end, HIGH_GPA);
}

static void refuses_overlapping_segments(void **state)
{
	struct fixture *x = *state;
	Elf64_Phdr *p = &x->f.ph[PH_DATA];

	p->p_paddr = TEXT_GPA + TEXT_LEN - 1;
	assert_refused(x, -ENOEXEC, "program headers 0 and 1 overlap");
	/* Only what is zeroed of the one reaches the other. */
	p->p_paddr = TEXT_GPA;
	x->f.ph[PH_TEXT].p_paddr = TEXT_GPA + DATA_MEM - 1;
	assert_refused(x, -ENOEXEC, "overlap");
	x->f.ph[PH_TEXT].p_paddr = TEXT_GPA;
	assert_refused(x, -ENOEXEC, "overlap");
}

static void refuses_bad_entries(void **state)
{
	struct fixture *x = *state;
	size_t end;

	add_note(&x->f, NOTES_OFF, "Xen", 18, TEXT_GPA + TEXT_LEN, 8);
	assert_refused(x, -ENOEXEC, "PVH entry 0x103000 is in no segment");
	/* In memory that is zeroed, not loaded. */
	add_note(&x->f, NOTES_OFF, "Xen", 18, DATA_GPA + DATA_LEN, 8);
	assert_refused(x, -ENOEXEC, "is in no segment");
	add_note(&x->f, NOTES_OFF, "Xen", 18, HIGH_GPA | PVH_ENTRY, 8);
	assert_refused(x, -ENOEXEC, "not below 4 GiB");
	end = add_note(&x->f, NOTES_OFF, "Xen", 18, PVH_ENTRY, 5);
	x->f.ph[PH_NOTE].p_filesz = end - NOTES_OFF;
	assert_refused(x, -ENOEXEC, "PVH note has 5 bytes");
	x->f.h.e_phnum = PH_NOTE;
	x->f.h.e_entry = UINT64_MAX;
	assert_refused(x, -ENOEXEC, "ELF entry 0xffffffffffffffff is in no segment");
	x->f.ph[PH_TEXT].p_type = PT_NULL;
	x->f.ph[PH_DATA].p_type = PT_DYNAMIC;
	assert_refused(x, -ENOEXEC, "no segment to load");
}

static void refuses_bad_notes(void **state)
{
	struct fixture *x = *state;
	Elf64_Phdr *p = &x->f.ph[PH_NOTE];
	Elf64_Nhdr h = { 4, 8, 1 };
	size_t end = add_note(&x->f, NOTES_OFF, "Xen", 18, PVH_ENTRY, 8);

	/* Cut off anywhere: in the header, the name, the value. */
	for (size_t len = 1; len < end - NOTES_OFF; len++) {
		p->p_filesz = len;
		assert_refused(x, -ENOEXEC, "does not fit in its segment");
	}
	p->p_filesz = 64;
	h.n_namesz = UINT32_MAX;
	memcpy(x->f.data + NOTES_OFF, &h, sizeof(h));
	assert_refused(x, -ENOEXEC, "does not fit");
	h.n_namesz = 4;
	h.n_descsz = UINT32_MAX;
	memcpy(x->f.data + NOTES_OFF, &h, sizeof(h));
	assert_refused(x, -ENOEXEC, "does not fit");
	x->f.len = FILE_LEN;
	p->p_offset = FILE_LEN - 0x20;
	p->p_filesz = 0x21;
	assert_refused(x, -ENOEXEC, "program header 2: 33 bytes at");
}

/* A walk over megabytes of empty notes would take a system call for each. */
static void refuses_too_many_notes(void **state)
{
	struct fixture *x = *state;
	int fd;

	x->f.ph[PH_NOTE].p_filesz = 65537;
	x->f.ph[PH_NOTE].p_offset = FILE_LEN;
	fd = elf_fd(&x->f);
	assert_int_equal(ftruncate(fd, FILE_LEN + 65537), 0);
	assert_int_equal(load_fd(x, fd), -ENOEXEC);
	assert_non_null(strstr(x->e.msg, "notes of 65537 bytes"));
}

static void refuses_what_is_no_kernel(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(load_fd(x, image_fd("#!/bin/sh\n", 10)), -ENOEXEC);
	assert_string_equal(x->e.msg, "kernel K: not a kernel: starts with 23 21 2f 62, "
				      "expected an ELF or bzImage header");
	assert_int_equal(load_fd(x, image_fd("\x7f", 1)), -ENOEXEC);
	assert_int_equal(load_fd(x, image_fd("", 0)), -ENODATA);
	assert_non_null(strstr(x->e.msg, "empty"));
}

static void refuses_what_is_no_file(void **state)
{
	struct fixture *x = *state;
	int pipe_fds[2];

	assert_int_equal(load_fd(x, open("/", O_RDONLY | O_DIRECTORY)), -EINVAL);
	assert_non_null(strstr(x->e.msg, "not a regular file"));
	assert_int_equal(load_fd(x, open("/dev/zero", O_RDONLY)), -EINVAL);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(load_fd(x, pipe_fds[0]), -EINVAL);
	close(pipe_fds[1]);
	assert_int_equal(load_fd(x, -1), -EBADF);
}

/* Each read in turn is interrupted, which is nothing, or fails, which is the result. */
static void survives_every_failing_read(void **state)
{
	struct fixture *x = *state;
	const int errors[] = { EINTR, EIO };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		unsigned int n = 0;
		bool hit;

		do {
			int fd = elf_fd(&x->f), ret;

			fault_arm(++n, errors[i]);
			ret = load_fd(x, fd);
			hit = fault_disarm();
			assert_int_equal(ret, hit && errors[i] == EIO ? -EIO : 0);
		} while (hit);
		assert_true(n > 5); /* head, headers, notes, two segments */
	}
	assert_loaded(x, DATA_GPA, DATA_OFF, DATA_LEN);
}

/* The file became shorter after its size was taken. */
static void reports_a_file_that_shrinks(void **state)
{
	struct fixture *x = *state;
	const struct image_chunk c = { .off = 0x100, .gpa = TEXT_GPA, .len = 0x2000 };
	struct image_file f = { .what = "kernel", .name = "K", .size = 0x10000 };
	uint8_t buf[64];

	f.fd = image_fd(x->f.data, 0x200);
	assert_int_equal(image_copy(&x->g.mem, &f, &c, &x->e), -EIO);
	assert_string_equal(x->e.msg, "kernel K: file ended at 0x200 while it was read, "
				      "expected 64 KiB");
	assert_int_equal(image_read(&f, 0x1f0, buf, sizeof(buf), &x->e), -EIO);
	close(f.fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(loads_a_pvh_kernel),
		TEST(takes_a_note_of_four_bytes),
		TEST(takes_notes_aligned_to_eight),
		TEST(uses_the_elf_entry_without_a_note),
		TEST(ignores_notes_of_others),
		TEST(takes_touching_and_empty_segments),
		TEST(refuses_bad_elf_headers),
		TEST(refuses_segments_outside_the_file),
		TEST(refuses_segments_outside_memory),
		TEST(refuses_segments_across_4_gib),
		TEST(refuses_overlapping_segments),
		TEST(refuses_bad_entries),
		TEST(refuses_bad_notes),
		TEST(refuses_too_many_notes),
		TEST(refuses_what_is_no_kernel),
		TEST(refuses_what_is_no_file),
		TEST(survives_every_failing_read),
		TEST(reports_a_file_that_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
