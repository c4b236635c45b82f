/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory for tests: every region is an allocation of its own, so that AddressSanitizer sees
 * each edge. Whatever fails here is a mistake of the test and aborts.
 */
#ifndef MOTE_TESTS_LIB_GUEST_H
#define MOTE_TESTS_LIB_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/gmem.h"

struct guest {
	struct gmem mem;
};

/* Where one region goes, bytes. */
struct guest_range {
	uint64_t gpa;
	uint64_t len;
};

/* The usual layout: two regions that touch, a hole, a third region. 64 KiB each. */
#define GUEST_LOW  0x0ull
#define GUEST_MID  0x10000ull
#define GUEST_HOLE 0x20000ull
#define GUEST_HIGH 0x100000ull
#define GUEST_END  0x110000ull
#define GUEST_PART 0x10000ull

/* How regions whose length is a multiple of it are aligned in the host's memory; others: 4 KiB. */
#define GUEST_ALIGN 0x4000u

/* Zeroed memory at `range`, ascending. guest_init_usual: the layout above. */
void guest_init(struct guest *g, const struct guest_range *range, unsigned int nr);
void guest_init_usual(struct guest *g);
void guest_release(struct guest *g);

/* The guest's own view of [gpa, gpa + len), which lies inside one region. */
void *guest_at(const struct guest *g, uint64_t gpa, uint64_t len);

/* Fills guest memory from its start with up to `len` bytes, over all regions. */
void guest_fill(struct guest *g, const void *data, size_t len);

#endif
