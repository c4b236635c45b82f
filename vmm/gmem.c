// SPDX-License-Identifier: Apache-2.0
/* Callable from any thread; see the header for the rule on when the table may change. */
#include "vmm/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

void gmem_init(struct gmem *m)
{
	memset(m, 0, sizeof(*m));
	m->page = GMEM_PAGE;
}

int gmem_add(struct gmem *m, uint64_t gpa, void *hva, uint64_t len)
{
	uint64_t end;

	if (len == 0 || __builtin_add_overflow(gpa, len, &end))
		return -EINVAL;
	if (m->nr == GMEM_MAX_REGIONS)
		return -ENOSPC;
	if (m->nr > 0) {
		const struct gmem_region *last = &m->region[m->nr - 1];

		if (gpa < last->gpa + last->len)
			return -EINVAL;
	}
	m->region[m->nr++] = (struct gmem_region){ .gpa = gpa, .len = len, .hva = hva };
	return 0;
}

uint64_t gmem_size(const struct gmem *m)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < m->nr; i++)
		sum += m->region[i].len;
	return sum;
}

/* The region that holds `gpa`, or NULL. At most four: a linear search beats anything cleverer. */
static const struct gmem_region *find(const struct gmem *m, uint64_t gpa)
{
	for (unsigned int i = 0; i < m->nr; i++) {
		if (gpa - m->region[i].gpa < m->region[i].len)
			return &m->region[i];
	}
	return NULL;
}

/*
 * The part of [gpa, gpa + len) that lies in one region: its host address, and its length in *part.
 * NULL when gpa is not RAM.
 */
static uint8_t *segment(const struct gmem *m, uint64_t gpa, uint64_t len, uint64_t *part)
{
	const struct gmem_region *r = find(m, gpa);

	*part = 0;
	if (!r)
		return NULL;
	*part = min_u64(len, r->len - (gpa - r->gpa));
	return r->hva + (gpa - r->gpa);
}

/* Nothing is copied unless all of it can be: half a structure helps nobody. */
static bool inside(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	uint64_t part;

	if (len != 0 && gpa + (len - 1) < gpa)
		return false;
	for (; len != 0; gpa += part, len -= part) {
		if (!segment(m, gpa, len, &part))
			return false;
	}
	return true;
}

int gmem_read(const struct gmem *m, uint64_t gpa, void *dst, size_t len)
{
	uint8_t *out = dst;
	uint64_t part;

	if (!inside(m, gpa, len))
		return -EFAULT;
	for (; len != 0; gpa += part, out += part, len -= part) {
		const uint8_t *hva = segment(m, gpa, len, &part);

		memcpy(out, hva, part);
	}
	/* Keep the compiler from going back to guest memory for what it has just copied. */
	__asm__ volatile("" ::: "memory");
	return 0;
}

int gmem_write(const struct gmem *m, uint64_t gpa, const void *src, size_t len)
{
	const uint8_t *in = src;
	uint64_t part;

	if (!inside(m, gpa, len))
		return -EFAULT;
	for (; len != 0; gpa += part, in += part, len -= part) {
		uint8_t *hva = segment(m, gpa, len, &part);

		memcpy(hva, in, part);
	}
	return 0;
}

int gmem_zero(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	uint64_t part;

	if (!inside(m, gpa, len))
		return -EFAULT;
	for (; len != 0; gpa += part, len -= part) {
		uint8_t *hva = segment(m, gpa, len, &part);

		memset(hva, 0, part);
	}
	return 0;
}

int gmem_iov(const struct gmem *m, uint64_t gpa, uint64_t len, struct iovec *iov, int max)
{
	uint64_t part;
	int nr = 0;

	if (len == 0 || !inside(m, gpa, len))
		return -EFAULT;
	for (; len != 0; gpa += part, len -= part) {
		if (nr == max)
			return -ENOSPC;
		iov[nr].iov_base = segment(m, gpa, len, &part);
		iov[nr].iov_len = part;
		nr++;
	}
	return nr;
}

int64_t gmem_discard(const struct gmem *m, void *hva, uint64_t len)
{
	uintptr_t at = (uintptr_t)hva;
	uintptr_t from = MUT_INSIDE(align_up(at, m->page), align_down(at, m->page));
	uintptr_t to = align_down(at + len, m->page);

	if (from >= to)
		return 0;
	if (madvise((void *)from, to - from, MADV_DONTNEED) < 0)
		return -errno;
	return (int64_t)(to - from);
}

guest_ram void *gmem_map(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	uint64_t part;
	uint8_t *hva;

	if (len == 0)
		return NULL;
	hva = segment(m, gpa, len, &part);
	if (!hva || part != len)
		return NULL;
	return (guest_ram void *)hva;
}

/* The guest writes these words while we read them, on purpose: a data race only in name. */
NO_TSAN uint16_t gmem_ld16(const guest_ram void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
}

NO_TSAN uint16_t gmem_ld16_acq(const guest_ram void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
}

NO_TSAN void gmem_st16(guest_ram void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED);
}

NO_TSAN void gmem_st16_rel(guest_ram void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE);
}

NO_TSAN void gmem_ldcpy(void *dst, const guest_ram void *src, size_t len)
{
	memcpy(dst, (const void *)src, len);
	__asm__ volatile("" ::: "memory");
}

NO_TSAN void gmem_stcpy(guest_ram void *dst, const void *src, size_t len)
{
	memcpy((void *)dst, src, len);
	__asm__ volatile("" ::: "memory");
}

guest_ram void *gmem_off(guest_ram void *p, size_t off)
{
	return (guest_ram void *)((uint8_t *)p + off);
}
