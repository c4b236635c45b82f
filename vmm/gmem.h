/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: one table of RAM regions, and the only way from a guest-physical address to host
 * memory. An address never travels without its length, and everything that the guest can change
 * while we look is read once, by the functions below.
 *
 * Regions are added before the guest runs (gmem_add, gmem_seal); after that the table is constant
 * and every function may be called from any thread without a lock.
 */
#ifndef MOTE_VMM_GMEM_H
#define MOTE_VMM_GMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/compiler.h"

#define GMEM_MAX_REGIONS 4
#define GMEM_PAGE	 4096u /* bytes: the smallest page there is */

struct gmem_region {
	uint64_t gpa; /* guest-physical start, bytes */
	uint64_t len; /* bytes */
	uint8_t *hva; /* where the region is mapped in this process */
};

struct gmem {
	unsigned int nr;
	uint64_t page; /* bytes of the host's pages behind it, a power of two */
	struct gmem_region region[GMEM_MAX_REGIONS]; /* sorted by gpa, disjoint */
};

void gmem_init(struct gmem *m);

/*
 * Adds RAM at [gpa, gpa + len), mapped at `hva`; does not take ownership of the mapping. Regions
 * come in ascending order. -EINVAL: empty, wrapping, overlapping or out of order; -ENOSPC: table
 * full.
 */
int gmem_add(struct gmem *m, uint64_t gpa, void *hva, uint64_t len) MUST_CHECK;

/* Sum of all regions, bytes. */
uint64_t gmem_size(const struct gmem *m);

/* Copies `len` bytes from or to guest memory; may cross regions that touch. -EFAULT: outside RAM.
 */
int gmem_read(const struct gmem *m, uint64_t gpa, void *dst, size_t len) MUST_CHECK;
int gmem_write(const struct gmem *m, uint64_t gpa, const void *src, size_t len) MUST_CHECK;

/* Sets `len` bytes of guest memory to zero. -EFAULT: outside RAM. */
int gmem_zero(const struct gmem *m, uint64_t gpa, uint64_t len) MUST_CHECK;

/*
 * Describes [gpa, gpa + len) as host segments for readv(2) and the like; a range that crosses
 * touching regions gives several. Returns the number of segments; -EFAULT: outside RAM or empty;
 * -ENOSPC: more than `max` segments.
 */
int gmem_iov(const struct gmem *m, uint64_t gpa, uint64_t len, struct iovec *iov, int max)
	MUST_CHECK;

/*
 * Gives memory that gmem_iov described back to the host, as far as it consists of whole pages of
 * the host's: the guest finds zeros there. Returns how many bytes, or -errno of madvise.
 */
int64_t gmem_discard(const struct gmem *m, void *hva, uint64_t len) MUST_CHECK;

/*
 * A pointer to [gpa, gpa + len) for long-lived rings. NULL: empty, not wholly inside one region.
 * It is only to be used with the gmem_ld and gmem_st functions below.
 */
guest_ram void *gmem_map(const struct gmem *m, uint64_t gpa, uint64_t len) MUST_CHECK;

/*
 * Single loads and stores on guest memory. Each is one access of the stated width, whatever the
 * compiler would rather do; `_acq` and `_rel` order it against the data that it announces. Ring
 * fields are little-endian (virtio 1.2 §1.4), and so are we.
 */
uint16_t gmem_ld16(const guest_ram void *p);
uint16_t gmem_ld16_acq(const guest_ram void *p);
void gmem_st16(guest_ram void *p, uint16_t v);
void gmem_st16_rel(guest_ram void *p, uint16_t v);

/* Copies out of or into guest memory; afterwards only the copy is looked at. */
void gmem_ldcpy(void *dst, const guest_ram void *src, size_t len);
void gmem_stcpy(guest_ram void *dst, const void *src, size_t len);

/* Byte offset arithmetic on a marked pointer; the range was checked when it was mapped. */
guest_ram void *gmem_off(guest_ram void *p, size_t off);

#endif
