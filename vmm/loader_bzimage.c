// SPDX-License-Identifier: Apache-2.0
/*
 * Builder thread only. A bzImage by its 64-bit entry (Linux Documentation/arch/x86/boot.rst): the
 * real-mode part stays in the file, the rest is placed and unpacks itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/loader_impl.h"
#include "vmm/util.h"
#include "vmm/x86/layout.h"

/* Offsets in the file, which are offsets in the zero page as well. */
#define HDR_SETUP_SECTS	 0x1f1u
#define HDR_SYSSIZE	 0x1f4u
#define HDR_BOOT_FLAG	 0x1feu
#define HDR_JUMP	 0x201u /* the header ends where this short jump leads */
#define HDR_VERSION	 0x206u
#define HDR_LOADFLAGS	 0x211u
#define HDR_INITRD_MAX	 0x22cu
#define HDR_ALIGNMENT	 0x230u
#define HDR_RELOCATABLE	 0x234u
#define HDR_XLOADFLAGS	 0x236u
#define HDR_PREF_ADDRESS 0x258u
#define HDR_INIT_SIZE	 0x260u
#define HDR_MIN_END	 0x264u /* init_size is the last field that we need */
#define BOOT_FLAG	 0xaa55u
#define VERSION_MIN	 0x020cu /* first one with xloadflags */
#define LOADED_HIGH	 0x01u
#define XLF_KERNEL_64	 0x0001u
#define ENTRY_64_OFF	 0x200u
#define SECTOR		 512u
#define SETUP_SECTS_OLD	 4u /* what 0 stands for */

static uint16_t get16(const uint8_t *head, unsigned int off)
{
	uint16_t v;

	memcpy(&v, head + off, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *head, unsigned int off)
{
	uint32_t v;

	memcpy(&v, head + off, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *head, unsigned int off)
{
	uint64_t v;

	memcpy(&v, head + off, sizeof(v));
	return v;
}

static int check_header(const struct image_file *f, const uint8_t *head, struct err *e)
{
	const unsigned int end = HDR_JUMP + 1 + head[HDR_JUMP];

	if (get16(head, HDR_BOOT_FLAG) != BOOT_FLAG)
		return err_set(e, -ENOEXEC, "kernel %s: bzImage: boot flag is 0x%x, expected 0x%x",
			       f->name, get16(head, HDR_BOOT_FLAG), BOOT_FLAG);
	if (get16(head, HDR_VERSION) < VERSION_MIN)
		return err_set(e, -ENOEXEC,
			       "kernel %s: bzImage: boot protocol is %u.%u, expected at least 2.12",
			       f->name, get16(head, HDR_VERSION) >> 8,
			       get16(head, HDR_VERSION) & 0xffu);
	if (end < HDR_MIN_END)
		return err_set(e, -ENOEXEC,
			       "kernel %s: bzImage: setup header ends at 0x%x, expected 0x%x",
			       f->name, end, HDR_MIN_END);
	if (!(head[HDR_LOADFLAGS] & LOADED_HIGH))
		return err_set(e, -ENOEXEC,
			       "kernel %s: bzImage: loadflags are 0x%x, expected bit 0 (high)",
			       f->name, head[HDR_LOADFLAGS]);
	if (!(get16(head, HDR_XLOADFLAGS) & XLF_KERNEL_64))
		return err_set(e, -ENOEXEC,
			       "kernel %s: bzImage: xloadflags are 0x%x, expected bit 0 (64-bit "
			       "entry)",
			       f->name, get16(head, HDR_XLOADFLAGS));
	return 0;
}

/* The part of the file to load. */
static int find_payload(const struct image_file *f, const uint8_t *head, struct image_chunk *c,
			struct err *e)
{
	const unsigned int sects = head[HDR_SETUP_SECTS] ? head[HDR_SETUP_SECTS] : SETUP_SECTS_OLD;
	const uint64_t want = (uint64_t)get32(head, HDR_SYSSIZE) * 16;

	c->off = (uint64_t)(sects + 1) * SECTOR;
	if (want <= ENTRY_64_OFF)
		return err_set(e, -ENOEXEC, "kernel %s: bzImage: syssize is %u, expected a kernel",
			       f->name, get32(head, HDR_SYSSIZE));
	/* syssize is rounded up to 16 bytes, the file need not be. */
	if (c->off >= f->size || want > align_up(f->size - c->off, 16))
		return err_set(e, -ENOEXEC,
			       "kernel %s: bzImage: %" PRIu64 " bytes at 0x%" PRIx64
			       " end behind the file (%" PRIu64 " bytes); is it cut off?",
			       f->name, want, c->off, f->size);
	c->len = min_u64(want, f->size - c->off);
	return 0;
}

/*
 * Where the payload goes: the address it was linked for, where it has the least to do, else the
 * lowest that its alignment allows.
 */
static int choose_address(const struct gmem *m, const struct image_file *f, const uint8_t *head,
			  struct image_chunk *c, struct err *e)
{
	const uint64_t need = max_u64(get32(head, HDR_INIT_SIZE), c->len);
	const uint64_t pref = get64(head, HDR_PREF_ADDRESS);
	const uint64_t align = get32(head, HDR_ALIGNMENT);

	c->gpa = pref;
	if (kernel_fits(m, c->gpa, need))
		return 0;
	if (head[HDR_RELOCATABLE] && is_pow2(align)) {
		c->gpa = align_up(HIGH_RAM_GPA, align);
		if (kernel_fits(m, c->gpa, need))
			return 0;
	}
	return err_set(e, -EFAULT,
		       "kernel %s: bzImage: needs %s of memory at 0x%" PRIx64
		       "%s, outside guest memory (%s)",
		       f->name, size_text(need).s, pref, head[HDR_RELOCATABLE] ? " or lower" : "",
		       size_text(gmem_size(m)).s);
}

int bzimage_load(const struct gmem *m, const struct image_file *f, const uint8_t *head,
		 struct kernel_image *out, struct err *e)
{
	struct image_chunk c = { 0 };
	int ret;

	ret = check_header(f, head, e);
	if (ret == 0)
		ret = find_payload(f, head, &c, e);
	if (ret == 0)
		ret = choose_address(m, f, head, &c, e);
	if (ret < 0)
		return ret;
	out->protocol = BOOT_LINUX64;
	out->entry = c.gpa + ENTRY_64_OFF;
	out->start = c.gpa;
	out->end = c.gpa + max_u64(get32(head, HDR_INIT_SIZE), c.len);
	out->initrd_max = get32(head, HDR_INITRD_MAX);
	out->loaded_bytes = c.len;
	out->setup_header_len = HDR_JUMP + 1 + head[HDR_JUMP] - HDR_SETUP_SECTS;
	if (out->setup_header_len > SETUP_HEADER_MAX)
		out->setup_header_len = SETUP_HEADER_MAX;
	memcpy(out->setup_header, head + HDR_SETUP_SECTS, out->setup_header_len);
	return image_place(m, f, &c, e);
}
