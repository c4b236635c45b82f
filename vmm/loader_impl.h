/* SPDX-License-Identifier: Apache-2.0 */
/* What loader.c shares with the two image formats; nobody else includes this. */
#ifndef MOTE_VMM_LOADER_IMPL_H
#define MOTE_VMM_LOADER_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/gmem.h"
#include "vmm/loader.h"

/*
 * A 32-bit entry cannot see more, and the page tables of the 64-bit entry map no more: a kernel
 * lies below 4 GiB or does not run.
 */
#define KERNEL_LIMIT_GPA (1ull << 32)

/* A file that is being loaded. Read by position only, so that the caller's offset stays. */
struct image_file {
	const char *what; /* "kernel" or "initrd", first word of every message */
	const char *name;
	int fd;
	uint64_t size; /* bytes, when it was opened */
	enum load_mode mode;
};

/* A run of file bytes and its place in guest memory. */
struct image_chunk {
	uint64_t off;
	uint64_t gpa;
	uint64_t len;
};

/* Reads exactly `len` bytes at `off`. The caller has checked them against the file's size. */
int image_read(const struct image_file *f, uint64_t off, void *buf, size_t len, struct err *e)
	MUST_CHECK;

/* Reads `c` straight into guest memory. -EFAULT: not RAM; -EIO: the file is shorter than it was. */
int image_copy(const struct gmem *m, const struct image_file *f, const struct image_chunk *c,
	       struct err *e) MUST_CHECK;

/* Places `c` by f->mode: copied, or mapped as far as whole pages of file and memory coincide. */
int image_place(const struct gmem *m, const struct image_file *f, const struct image_chunk *c,
		struct err *e) MUST_CHECK;

/* True when [gpa, gpa + len) is RAM where a kernel may lie: above 1 MiB, below KERNEL_LIMIT_GPA. */
bool kernel_fits(const struct gmem *m, uint64_t gpa, uint64_t len);

/* First address past the run of touching RAM regions that holds `gpa`; 0 = `gpa` is not RAM. */
uint64_t ram_run_end(const struct gmem *m, uint64_t gpa);

/* A size for a message, in the largest unit that does not read as 0, rounded down. */
struct size_text {
	char s[24];
};
struct size_text size_text(uint64_t bytes);

/*
 * The two formats. `head` is the start of the file, KERNEL_HEAD_LEN bytes, padded with zeroes when
 * the file is shorter. On success *out is complete; on failure it is unspecified.
 */
#define KERNEL_HEAD_LEN 0x280u
int elf_load(const struct gmem *m, const struct image_file *f, const uint8_t *head,
	     struct kernel_image *out, struct err *e) MUST_CHECK;
int bzimage_load(const struct gmem *m, const struct image_file *f, const uint8_t *head,
		 struct kernel_image *out, struct err *e) MUST_CHECK;

#endif
