// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread, but for init and release. */
#include "virtio/balloon_pages.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

#define BITS 64u

static uint64_t last_gpa(const struct gmem *m)
{
	return m->nr ? m->region[m->nr - 1].gpa + m->region[m->nr - 1].len : 0;
}

static size_t map_bytes(const struct balloon_pages *p)
{
	return align_up(p->nr, BITS) / 8;
}

int balloon_pages_init(struct balloon_pages *p, const struct gmem *m)
{
	memset(p, 0, sizeof(*p));
	p->mem = m;
	if (m->page <= GMEM_PAGE)
		return 0;
	p->nr = align_up(last_gpa(m), m->page) >> VIRTIO_BALLOON_PFN_SHIFT;
	p->in = calloc(1, map_bytes(p));
	return p->in ? 0 : -ENOMEM;
}

void balloon_pages_release(struct balloon_pages *p)
{
	free(p->in);
	p->in = NULL;
}

void balloon_pages_forget(struct balloon_pages *p)
{
	if (p->in)
		memset(p->in, 0, map_bytes(p));
}

static bool is_in(const struct balloon_pages *p, uint64_t pfn)
{
	return p->in[pfn / BITS] >> (pfn % BITS) & 1;
}

static void discard(const struct balloon_pages *p, uint64_t pfn, uint64_t nr,
		    struct balloon_freed *f)
{
	struct iovec part[GMEM_MAX_REGIONS];
	int n = gmem_iov(p->mem, pfn << VIRTIO_BALLOON_PFN_SHIFT, nr << VIRTIO_BALLOON_PFN_SHIFT,
			 part, GMEM_MAX_REGIONS);

	if (n < 0)
		f->fails++;
	for (int i = 0; i < n; i++) {
		int64_t freed = gmem_discard(p->mem, part[i].iov_base, part[i].iov_len);

		if (freed < 0)
			f->fails++;
		else
			f->bytes += (uint64_t)freed;
	}
}

/* Discards each large page that the run completes; those were checked to be memory. */
static void discard_complete(const struct balloon_pages *p, uint64_t pfn, uint64_t nr,
			     struct balloon_freed *f)
{
	uint64_t per_page = p->mem->page >> VIRTIO_BALLOON_PFN_SHIFT;
	uint64_t end = pfn + nr;

	for (uint64_t large = align_down(pfn, per_page); large < end; large += per_page) {
		uint64_t n = 0;

		while (n < per_page && MUT_ALL_IN(is_in(p, large + n)))
			n++;
		if (n == per_page)
			discard(p, large, per_page, f);
	}
}

/* A run of pages, each once. */
static void take_run(struct balloon_pages *p, uint64_t pfn, uint64_t nr, struct balloon_freed *f)
{
	if (!p->in) {
		discard(p, pfn, nr, f);
		return;
	}
	if (MUT_PFN_BAD(pfn + nr > p->nr)) {
		f->fails++;
		return;
	}
	for (uint64_t i = pfn; i < pfn + nr; i++)
		p->in[i / BITS] |= 1ull << (i % BITS);
	discard_complete(p, pfn, nr, f);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void balloon_pages_take(struct balloon_pages *p, uint32_t *pfn, unsigned int nr,
			struct balloon_freed *f)
{
	unsigned int i = 0;

	/* One call to the host a run: pages that were allocated together are neighbours. */
	qsort(pfn, nr, sizeof(*pfn), by_number);
	while (i < nr) {
		uint64_t first = pfn[i];
		uint64_t end = first;

		while (i < nr && pfn[i] <= end) {
			end = pfn[i] + 1ull;
			i++;
		}
		take_run(p, first, end - first, f);
	}
}

void balloon_pages_return(struct balloon_pages *p, const uint32_t *pfn, unsigned int nr)
{
	for (unsigned int i = 0; p->in && i < nr; i++) {
		if (pfn[i] < p->nr)
			p->in[pfn[i] / BITS] &= ~(1ull << (pfn[i] % BITS));
	}
}
