// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/chain.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/gmem.h"

static void need(bool ok, const char *what, uint64_t value)
{
	if (ok)
		return;
	fprintf(stderr, "tests/lib/chain: %s: %llu\n", what, (unsigned long long)value);
	abort();
}

static bool inside(const struct guest *g, const struct iovec *iov)
{
	const uint8_t *base = iov->iov_base;

	for (unsigned int i = 0; i < g->mem.nr; i++) {
		const struct gmem_region *r = &g->mem.region[i];

		if (base >= r->hva && base < r->hva + r->len)
			return iov->iov_len <= (uint64_t)(r->hva + r->len - base);
	}
	return false;
}

static uint64_t sum(const struct guest *g, const struct iovec *iov, unsigned int nr)
{
	uint64_t len = 0;

	for (unsigned int i = 0; i < nr; i++) {
		need(iov[i].iov_len != 0, "empty segment", i);
		need(inside(g, &iov[i]), "segment outside guest memory", i);
		len += iov[i].iov_len;
	}
	return len;
}

void chain_check(const struct guest *g, const struct virtq *q, const struct virtq_chain *c)
{
	uint64_t len;

	need(c->head < q->size, "head outside the table", c->head);
	need(q->nr_in_flight <= q->size, "more chains in flight than descriptors", q->nr_in_flight);
	need(c->nr_read + c->nr_write <= VIRTQ_IOV_MAX, "too many segments",
	     (uint64_t)c->nr_read + c->nr_write);
	need(c->nr_read + c->nr_write > 0, "chain of nothing", c->head);
	len = sum(g, c->iov, c->nr_read);
	need(len == c->read_len, "wrong sum of readable bytes", c->read_len);
	len = sum(g, c->iov + c->nr_read, c->nr_write);
	need(len == c->write_len, "wrong sum of writable bytes", c->write_len);
	need(c->write_len <= UINT32_MAX, "more bytes than the used ring can tell", c->write_len);
}

void chain_touch(const struct virtq_chain *c)
{
	uint8_t buf[64] = { 0 };

	for (unsigned int i = 0; i < (unsigned int)c->nr_read + c->nr_write; i++) {
		size_t len = c->iov[i].iov_len;
		size_t part = len < sizeof(buf) ? len : sizeof(buf);
		/* Both ends of each segment. */
		guest_ram void *first = (guest_ram void *)c->iov[i].iov_base;
		guest_ram void *last = gmem_off(first, len - part);

		if (i < c->nr_read) {
			gmem_ldcpy(buf, first, part);
			gmem_ldcpy(buf, last, part);
		} else {
			gmem_stcpy(first, buf, part);
			gmem_stcpy(last, buf, part);
		}
	}
}
