/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a kernel image and an initrd into guest memory. Both files are foreign input: every offset,
 * size and address in them is checked against the file and against guest RAM before it is used,
 * and what the loader says about them afterwards is only what it verified.
 *
 * Called before the guest runs, on the thread that builds the VM.
 */
#ifndef MOTE_VMM_LOADER_H
#define MOTE_VMM_LOADER_H

#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/gmem.h"

enum boot_protocol {
	BOOT_PVH,     /* ELF with a XEN_ELFNOTE_PHYS32_ENTRY note: 32-bit entry, hvm_start_info */
	BOOT_LINUX64, /* ELF without it, or bzImage: 64-bit entry, zero page */
};

enum load_mode {
	LOAD_COPY, /* read the file into guest memory: fastest with huge pages */
	LOAD_MAP,  /* map page-aligned ELF segments copy-on-write: shares the page cache */
};

#define SETUP_HEADER_MAX 0x80 /* bytes of a bzImage's setup header that we keep */

struct kernel_image {
	enum boot_protocol protocol;
	uint64_t entry;	       /* guest-physical address of the first instruction */
	uint64_t start;	       /* lowest guest-physical address that the kernel occupies */
	uint64_t end;	       /* first one past it: bss, and for a bzImage init_size, included */
	uint64_t initrd_max;   /* highest address that a byte of the initrd may have */
	uint64_t loaded_bytes; /* bytes taken from the file */
	/* bzImage: its setup header (file offset 0x1f1), to be copied into the zero page */
	uint32_t setup_header_len; /* 0 for an ELF image */
	uint8_t setup_header[SETUP_HEADER_MAX];
};

struct initrd_image {
	uint64_t gpa;
	uint64_t len; /* bytes; 0 = no initrd */
};

/*
 * Loads the kernel in `fd` (ELF64 x86-64 executable, or bzImage of boot protocol 2.12 or later with
 * a 64-bit entry). `name` is used in messages. Guest memory must be fresh, all zero: what a segment
 * has beyond its bytes in the file (bss) is not written. Everything is checked before the first
 * byte is copied; after a failed read guest memory may have been written. On failure *out is
 * unchanged and *e says what was wrong with which field.
 *
 * Reads by position only; `fd` stays the caller's and may be closed afterwards. Callers that open a
 * path given by a user do so with O_NONBLOCK, as else opening a FIFO waits for its writer. With
 * LOAD_MAP the file must stay as it is while the guest runs: a guest that touches a page behind the
 * end of a file that was cut is stopped by KVM with EFAULT.
 *
 * Errors: -ENOEXEC not a kernel we can boot, -EFAULT does not fit in guest RAM below 4 GiB, -EINVAL
 * no regular file, -ENODATA empty, -EIO shorter than it was, or what reading or mapping returned.
 */
int loader_kernel(const struct gmem *m, int fd, const char *name, enum load_mode mode,
		  struct kernel_image *out, struct err *e) MUST_CHECK;

/*
 * Loads the initrd in `fd` into the first whole pages above the kernel, in the same RAM and below
 * both 4 GiB and what `k` allows. So it shares the huge page that the kernel's end needs anyway: 3
 * ms less for a whole boot than at the top of memory (docs/performance.md). *out is written on
 * success only. -E2BIG: it does not fit between the kernel and the end of that RAM; else as above.
 */
int loader_initrd(const struct gmem *m, int fd, const char *name, const struct kernel_image *k,
		  struct initrd_image *out, struct err *e) MUST_CHECK;

#endif
