// SPDX-License-Identifier: Apache-2.0
/*
 * The queue walker. Input: struct start, then `pokes` of struct poke, then guest memory from
 * address 0. The queue is served until it is empty; before each new round one poke changes guest
 * memory.
 */
#include "virtio/virtq.h"

#include "tests/lib/chain.h"
#include "tests/lib/driver.h"
#include "tests/lib/require.h"

#include <linux/virtio_ring.h>
#include <string.h>

#define MAX_CHAINS 2048 /* of one input */

struct start {
	uint8_t size_log2;
	uint8_t features; /* bit 0: event index, bit 1: indirect, bit 2: own places for the rings */
	uint8_t hold;	  /* every n-th chain stays in flight for a while; 0 = none */
	uint8_t pokes;
	uint16_t desc; /* places of the rings, in 16, 2 and 4 bytes */
	uint16_t avail;
	uint16_t used;
};

struct poke {
	uint16_t at; /* in units of 2 bytes */
	uint16_t value;
};

/* Takes `n` bytes off the input; what is missing is zero. */
static void take(const uint8_t **data, size_t *len, void *dst, size_t n)
{
	size_t part = n < *len ? n : *len;

	memset(dst, 0, n);
	memcpy(dst, *data, part);
	*data += part;
	*len -= part;
}

/* Serves what there is. Returns false when the queue broke. */
static bool serve(const struct guest *g, struct virtq *q, const struct start *s, unsigned int *left)
{
	static struct virtq_chain c;
	int held = -1;
	int r;

	virtq_mute(q);
	while ((r = virtq_pop(q, &c)) > 0 && (*left)-- > 0) {
		chain_check(g, q, &c);
		REQUIRE(c.head != held && q->nr_in_flight == 1 + (held >= 0));
		chain_touch(&c);
		if (held >= 0)
			virtq_push(q, (uint16_t)held, 0);
		held = s->hold != 0 && *left % s->hold == 0 ? c.head : -1;
		if (held < 0)
			virtq_push(q, c.head, (uint32_t)c.write_len);
		REQUIRE(!virtq_publish(q) || q->published == q->next_used);
	}
	if (held >= 0)
		virtq_push(q, (uint16_t)held, 0);
	REQUIRE((r < 0) == (q->fault != VIRTQ_OK));
	REQUIRE(r != 0 || !virtq_unmute(q) || q->enabled);
	return r >= 0 && *left > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned int left = MAX_CHAINS;
	struct poke poke[16];
	struct driver d;
	struct virtq q;
	struct guest g;
	struct start s;

	take(&data, &len, &s, sizeof(s));
	take(&data, &len, poke, (s.pokes % 16) * sizeof(poke[0]));
	guest_init_usual(&g);
	driver_init(&d, &g, (uint16_t)(1u << s.size_log2 % 9), 0);
	guest_fill(&g, data, len);
	if (s.features & 4) {
		d.regs.desc = s.desc * 16ull;
		d.regs.avail = s.avail * 2ull;
		d.regs.used = s.used * 4ull;
	}
	if (virtq_enable(&q, &g.mem, &d.regs,
			 (s.features & 1ull) << VIRTIO_RING_F_EVENT_IDX |
				 (s.features >> 1 & 1ull) << VIRTIO_RING_F_INDIRECT_DESC) == 0) {
		for (unsigned int i = 0; serve(&g, &q, &s, &left) && i < s.pokes % 16; i++)
			memcpy(guest_at(&g, poke[i].at * 2ull & 0xfffe, 2), &poke[i].value, 2);
	}
	virtq_disable(&q);
	guest_release(&g);
	return 0;
}
