// SPDX-License-Identifier: Apache-2.0
/* Builder thread. */
#include "vmm/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "vmm/util.h"

#define HUGE_PAGE MIB(2)

static uint64_t host_mib(void)
{
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return UINT32_MAX;
	return (uint64_t)si.totalram * si.mem_unit >> 20;
}

static int reserve(struct memory *m, uint64_t bytes, enum mem_backing backing, struct err *e)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	if (backing == MEM_HUGETLB)
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	/* Room to start at a huge page's boundary, without which there would be none. */
	m->len = backing == MEM_HUGETLB ? bytes : bytes + HUGE_PAGE;
	m->base = mmap(NULL, m->len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (m->base == MAP_FAILED) {
		m->base = NULL;
		return err_sys(e, -errno, "guest memory: cannot reserve %llu MiB%s",
			       (unsigned long long)(bytes >> 20),
			       backing == MEM_HUGETLB ? " of 2 MiB huge pages" : "");
	}
	return 0;
}

int memory_check(uint64_t mem_mib, enum mem_backing backing, struct err *e)
{
	uint64_t limit = host_mib();

	if (mem_mib < VM_MIN_MEM_MIB || mem_mib > limit)
		return err_set(e, -EINVAL, "guest memory: %llu MiB, expected %u to %llu MiB",
			       (unsigned long long)mem_mib, VM_MIN_MEM_MIB,
			       (unsigned long long)limit);
	if (backing == MEM_HUGETLB && mem_mib % 2 != 0)
		return err_set(e, -EINVAL,
			       "guest memory: %llu MiB, expected an even number with huge pages",
			       (unsigned long long)mem_mib);
	return 0;
}

int memory_init(struct memory *m, uint64_t mem_mib, enum mem_backing backing, struct err *e)
{
	uint64_t low;
	uint8_t *hva;
	int r;

	memset(m, 0, sizeof(*m));
	gmem_init(&m->gmem);
	r = memory_check(mem_mib, backing, e);
	if (r < 0)
		return r;
	r = reserve(m, MIB(mem_mib), backing, e);
	if (r < 0)
		return r;
	if (backing == MEM_HUGETLB)
		m->gmem.page = HUGE_PAGE;
	hva = (uint8_t *)align_up((uintptr_t)m->base, HUGE_PAGE);
	if (backing != MEM_HUGETLB)
		/* Advice: a host without transparent huge pages is slower, not wrong. */
		madvise(hva, MIB(mem_mib), backing == MEM_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	madvise(hva, MIB(mem_mib), MADV_DONTDUMP);
	low = min_u64(MIB(mem_mib), MMIO_HOLE_GPA);
	r = gmem_add(&m->gmem, 0, hva, low);
	if (r == 0 && MIB(mem_mib) > low)
		r = gmem_add(&m->gmem, RAM_64BIT_GPA, hva + low, MIB(mem_mib) - low);
	if (r < 0) {
		memory_release(m);
		return err_sys(e, r, "guest memory");
	}
	return 0;
}

int memory_attach(const struct memory *m, const struct kvm *k, struct err *e)
{
	for (uint32_t i = 0; i < m->gmem.nr; i++) {
		const struct gmem_region *g = &m->gmem.region[i];
		int r = kvm_set_memslot(k, i, g->gpa, g->hva, g->len, 0, e);

		if (r < 0)
			return r;
	}
	return 0;
}

void memory_release(struct memory *m)
{
	if (m->base)
		munmap(m->base, m->len);
	m->base = NULL;
	gmem_init(&m->gmem);
}
