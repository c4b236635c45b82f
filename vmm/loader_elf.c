// SPDX-License-Identifier: Apache-2.0
/* Builder thread only. An ELF64 kernel: everything is checked first, then the segments are read. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/loader_impl.h"
#include "vmm/mutants.h"
#include "vmm/util.h"
#include "vmm/x86/layout.h"

#define MAX_PHDRS	      64u
#define MAX_NOTES_LEN	      65536u /* bounds the walk; a kernel's notes take a few hundred bytes */
#define XEN_NOTE_PHYS32_ENTRY 18u    /* Xen's public elfnote.h */

struct elf {
	const struct gmem *m;
	const struct image_file *f;
	uint64_t entry;
	uint32_t pvh_entry;
	bool pvh;
	unsigned int nr;
	Elf64_Phdr ph[MAX_PHDRS];
};

static int header_error(const struct elf *x, struct err *e, const char *field, uint64_t got,
			const char *expected)
{
	return err_set(e, -ENOEXEC, "kernel %s: ELF header: %s is %" PRIu64 ", expected %s",
		       x->f->name, field, got, expected);
}

static int read_header(struct elf *x, const uint8_t *head, struct err *e)
{
	const uint64_t size = x->f->size;
	Elf64_Ehdr h;

	memcpy(&h, head, sizeof(h));
	if (size < sizeof(h))
		return err_set(e, -ENOEXEC,
			       "kernel %s: file has %" PRIu64 " bytes, an ELF header has %zu",
			       x->f->name, size, sizeof(h));
	if (h.e_ident[EI_CLASS] != ELFCLASS64)
		return header_error(x, e, "class", h.e_ident[EI_CLASS], "2 (64 bits)");
	if (h.e_ident[EI_DATA] != ELFDATA2LSB)
		return header_error(x, e, "byte order", h.e_ident[EI_DATA], "1 (little-endian)");
	if (h.e_machine != EM_X86_64)
		return header_error(x, e, "machine", h.e_machine, "62 (x86-64)");
	if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
		return header_error(x, e, "type", h.e_type, "2 or 3 (executable)");
	if (h.e_phentsize != sizeof(Elf64_Phdr))
		return header_error(x, e, "size of a program header", h.e_phentsize, "56");
	if (h.e_phnum == 0 || h.e_phnum > MAX_PHDRS)
		return header_error(x, e, "number of program headers", h.e_phnum, "1 to 64");
	x->nr = h.e_phnum;
	x->entry = h.e_entry;
	if (h.e_phoff > size || x->nr * sizeof(x->ph[0]) > size - h.e_phoff)
		return err_set(e, -ENOEXEC,
			       "kernel %s: %u program headers at 0x%" PRIx64
			       " end behind the file (%" PRIu64 " bytes)",
			       x->f->name, x->nr, h.e_phoff, size);
	return image_read(x->f, h.e_phoff, x->ph, x->nr * sizeof(x->ph[0]), e);
}

/* The part of the header that says where in the file it is. */
static int check_file_range(const struct elf *x, unsigned int i, struct err *e)
{
	const Elf64_Phdr *p = &x->ph[i];

	if (p->p_offset > x->f->size || p->p_filesz > x->f->size - p->p_offset)
		return err_set(e, -ENOEXEC,
			       "kernel %s: program header %u: %" PRIu64 " bytes at 0x%" PRIx64
			       " end behind the file (%" PRIu64 " bytes); is it cut off?",
			       x->f->name, i, p->p_filesz, p->p_offset, x->f->size);
	return 0;
}

static int check_segment(const struct elf *x, unsigned int i, struct err *e)
{
	const Elf64_Phdr *p = &x->ph[i];
	uint64_t end;

	if (p->p_filesz > p->p_memsz)
		return err_set(e, -ENOEXEC,
			       "kernel %s: program header %u: size in file 0x%" PRIx64
			       " exceeds size in memory 0x%" PRIx64,
			       x->f->name, i, p->p_filesz, p->p_memsz);
	if (__builtin_add_overflow(p->p_paddr, p->p_memsz, &end))
		return err_set(e, -ENOEXEC,
			       "kernel %s: program header %u: segment 0x%" PRIx64 " of 0x%" PRIx64
			       " bytes wraps around",
			       x->f->name, i, p->p_paddr, p->p_memsz);
	if (p->p_paddr < HIGH_RAM_GPA)
		return err_set(e, -EFAULT,
			       "kernel %s: program header %u: segment 0x%" PRIx64 "-0x%" PRIx64
			       " starts below 0x%x",
			       x->f->name, i, p->p_paddr, end, HIGH_RAM_GPA);
	if (!kernel_fits(x->m, p->p_paddr, p->p_memsz))
		return err_set(e, -EFAULT,
			       "kernel %s: program header %u: segment 0x%" PRIx64 "-0x%" PRIx64
			       " is outside guest memory (%s)",
			       x->f->name, i, p->p_paddr, end, size_text(gmem_size(x->m)).s);
	for (unsigned int j = 0; j < i; j++) {
		const Elf64_Phdr *q = &x->ph[j];

		if (q->p_type == PT_LOAD &&
		    ranges_overlap(p->p_paddr, p->p_memsz, q->p_paddr, q->p_memsz))
			return err_set(e, -ENOEXEC,
				       "kernel %s: program headers %u and %u overlap in memory",
				       x->f->name, j, i);
	}
	return 0;
}

static int note_error(const struct elf *x, unsigned int i, uint64_t off, struct err *e)
{
	return err_set(e, -ENOEXEC,
		       "kernel %s: program header %u: note at 0x%" PRIx64
		       " does not fit in its segment",
		       x->f->name, i, off);
}

/* A PVH note's value; `desc` holds `len` bytes of it, at most 8. */
static int pvh_note(struct elf *x, const uint8_t *desc, uint64_t len, struct err *e)
{
	uint64_t v = 0;

	if (len != 4 && len != 8)
		return err_set(e, -ENOEXEC,
			       "kernel %s: PVH note has %" PRIu64 " bytes, expected 4 or 8",
			       x->f->name, len);
	memcpy(&v, desc, len);
	if (v > UINT32_MAX)
		return err_set(e, -ENOEXEC, "kernel %s: PVH entry 0x%" PRIx64 " is not below 4 GiB",
			       x->f->name, v);
	x->pvh_entry = (uint32_t)v;
	x->pvh = true;
	return 0;
}

/*
 * Walks one PT_NOTE segment for the PVH entry. Notes are a header, a name and a value, the latter
 * two padded (System V gABI, "Note Section"; 8 where the segment says so).
 */
static int read_notes(struct elf *x, unsigned int i, struct err *e)
{
	const Elf64_Phdr *p = &x->ph[i];
	const uint64_t align = p->p_align == 8 ? 8 : 4;
	uint64_t off = 0;

	if (p->p_filesz > MAX_NOTES_LEN)
		return err_set(e, -ENOEXEC,
			       "kernel %s: program header %u: notes of %" PRIu64
			       " bytes, expected at most %u",
			       x->f->name, i, p->p_filesz, MAX_NOTES_LEN);
	while (off < p->p_filesz) {
		struct {
			Elf64_Nhdr h;
			char name[4];
			uint8_t desc[8];
		} note = { 0 };
		const uint64_t left = p->p_filesz - off;
		uint64_t desc_off;
		int ret;

		if (left < sizeof(note.h))
			return note_error(x, i, off, e);
		ret = image_read(x->f, p->p_offset + off, &note,
				 (size_t)min_u64(left, sizeof(note)), e);
		if (ret < 0)
			return ret;
		/* Both sizes have 32 bits: these sums cannot wrap. */
		desc_off = align_up(sizeof(note.h) + (uint64_t)note.h.n_namesz, align);
		if (desc_off > left || note.h.n_descsz > left - desc_off)
			return note_error(x, i, off, e);
		if (note.h.n_type == XEN_NOTE_PHYS32_ENTRY && note.h.n_namesz == 4 &&
		    memcmp(note.name, "Xen", 4) == 0)
			return pvh_note(x, note.desc, note.h.n_descsz, e);
		off += align_up(desc_off + note.h.n_descsz, align);
	}
	return 0;
}

static int check_headers(struct elf *x, struct err *e)
{
	int ret = 0;

	for (unsigned int i = 0; i < x->nr && ret == 0; i++) {
		const Elf64_Phdr *p = &x->ph[i];

		if (p->p_type != PT_LOAD && p->p_type != PT_NOTE)
			continue;
		ret = check_file_range(x, i, e);
		if (ret == 0 && p->p_type == PT_NOTE && !x->pvh)
			ret = read_notes(x, i, e);
		if (ret == 0 && p->p_type == PT_LOAD && (p->p_memsz | p->p_filesz) != 0)
			ret = check_segment(x, i, e);
	}
	return ret;
}

/* The entry must be in bytes that come from the file: zeroes are no code. */
static int describe(const struct elf *x, struct kernel_image *k, struct err *e)
{
	bool found = false;

	k->protocol = x->pvh ? BOOT_PVH : BOOT_LINUX64;
	k->entry = x->pvh ? x->pvh_entry : x->entry;
	k->start = UINT64_MAX;
	for (unsigned int i = 0; i < x->nr; i++) {
		const Elf64_Phdr *p = &x->ph[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		k->start = min_u64(k->start, p->p_paddr);
		k->end = max_u64(k->end, p->p_paddr + p->p_memsz);
		k->loaded_bytes += p->p_filesz;
		found = found || k->entry - p->p_paddr < p->p_filesz;
	}
	if (k->end == 0)
		return err_set(e, -ENOEXEC, "kernel %s: no segment to load", x->f->name);
	if (MUT_NO_ENTRY(!found))
		return err_set(e, -ENOEXEC, "kernel %s: %s entry 0x%" PRIx64 " is in no segment",
			       x->f->name, x->pvh ? "PVH" : "ELF", k->entry);
	/* Neither way to start an ELF image states a limit of its own. */
	k->initrd_max = KERNEL_LIMIT_GPA - 1;
	return 0;
}

int elf_load(const struct gmem *m, const struct image_file *f, const uint8_t *head,
	     struct kernel_image *out, struct err *e)
{
	struct elf x = { .m = m, .f = f };
	int ret;

	ret = read_header(&x, head, e);
	if (ret == 0)
		ret = check_headers(&x, e);
	if (ret == 0)
		ret = describe(&x, out, e);
	/* The rest of each segment (bss) is zero already: guest memory is fresh. */
	for (unsigned int i = 0; i < x.nr && ret == 0; i++) {
		const Elf64_Phdr *p = &x.ph[i];
		const struct image_chunk c = { p->p_offset, p->p_paddr, p->p_filesz };

		if (p->p_type == PT_LOAD && p->p_filesz != 0)
			ret = image_place(m, f, &c, e);
	}
	return ret;
}
