// SPDX-License-Identifier: Apache-2.0
/*
 * race_virtq [SECONDS]: a second thread plays a hostile vCPU, which rewrites the rings and the
 * descriptors while the walker reads them. Every chain that comes out must still be whole. A bug
 * that reads a guest field twice, to check one value and use another, is found here and nowhere
 * else.
 */
#include "virtio/virtq.h"

#include "tests/lib/chain.h"
#include "tests/lib/driver.h"
#include "tests/lib/require.h"
#include "vmm/util.h"

#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define SIZE  16
#define TABLE 0x4000ull /* an indirect table */

static struct guest g;
static struct driver d;
static atomic_bool over;

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

/* Field by field, as another processor would: the walker may see any mixture. */
static void rewrite_desc(uint64_t at, uint64_t *seed)
{
	static const uint64_t addr[] = { 0x1000,     GUEST_MID - 8,  GUEST_HIGH, GUEST_HOLE - 8,
					 GUEST_HOLE, UINT64_MAX - 7, TABLE };
	static const uint32_t len[] = { 1, 8, 16, 32, 512, 0, 0x20000, 0xfffffff0 };
	static const uint16_t flags[] = { 0, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
					  VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
					  VRING_DESC_F_INDIRECT };
	struct vring_desc *desc = guest_at(&g, at, sizeof(*desc));
	uint32_t r = next_random(seed);

	/* Mostly good values, or no chain would ever come out. */
	__atomic_store_n(&desc->addr, addr[(r & 15) < 12 ? r % 3 : r % ARRAY_SIZE(addr)],
			 __ATOMIC_RELAXED);
	r >>= 4;
	__atomic_store_n(&desc->len, len[(r & 15) < 12 ? r % 5 : r % ARRAY_SIZE(len)],
			 __ATOMIC_RELAXED);
	r >>= 4;
	__atomic_store_n(&desc->flags, flags[r % ARRAY_SIZE(flags)], __ATOMIC_RELAXED);
	r >>= 4;
	__atomic_store_n(&desc->next, (uint16_t)(r % 64 == 0 ? r : r % SIZE), __ATOMIC_RELAXED);
}

static void *hostile_vcpu(void *arg)
{
	struct vring_avail *avail = guest_at(&g, d.regs.avail, 4 + 2 * SIZE + 2);
	uint64_t seed = 42;

	(void)arg;
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		uint32_t r = next_random(&seed);

		rewrite_desc(d.regs.desc + 16 * (r % SIZE), &seed);
		rewrite_desc(TABLE + 16 * (r / SIZE % SIZE), &seed);
		r >>= 8;
		__atomic_store_n(&avail->ring[r % SIZE], (uint16_t)(r % 251 ? r / SIZE % SIZE : r),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + (r % 127 ? 1 : r)),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&avail->ring[SIZE], (uint16_t)r, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Starts over as after a reset, with a full ring: whatever stands in it. */
static void enable(struct virtq *q)
{
	driver_set_avail_idx(&d, SIZE);
	REQUIRE(virtq_enable(q, &g.mem, &d.regs,
			     1ull << VIRTIO_RING_F_EVENT_IDX |
				     1ull << VIRTIO_RING_F_INDIRECT_DESC) == 0);
}

/* Pushes a chain now or, every other time, one later, so that some are in flight. */
static void complete(struct virtq *q, const struct virtq_chain *c)
{
	static int held = -1;

	if (q->nr_in_flight > 1 && held >= 0)
		virtq_push(q, (uint16_t)held, 0);
	held = -1;
	if (q->next_used % 2 == 0)
		held = c->head;
	else
		virtq_push(q, c->head, (uint32_t)c->write_len);
	if (virtq_publish(q) && virtq_unmute(q))
		REQUIRE(q->published == q->next_used);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 10) : 5);
	unsigned long long faults[VIRTQ_BAD_INDIRECT + 1] = { 0 };
	static struct virtq_chain c;
	unsigned long long pops = 0;
	struct virtq q;
	pthread_t vcpu;

	guest_init_usual(&g);
	driver_init(&d, &g, SIZE, 0);
	enable(&q);
	REQUIRE(pthread_create(&vcpu, NULL, hostile_vcpu, NULL) == 0);
	for (unsigned int i = 0; i % 4096 != 0 || time(NULL) < end; i++) {
		int r = virtq_pop(&q, &c);

		if (r > 0) {
			pops++;
			chain_check(&g, &q, &c);
			complete(&q, &c);
		} else if (r < 0) {
			REQUIRE(q.fault > VIRTQ_OK && q.fault < ARRAY_SIZE(faults));
			faults[q.fault]++;
			enable(&q);
		} else {
			driver_set_avail_idx(&d, (uint16_t)(q.next_avail + SIZE));
		}
	}
	atomic_store(&over, true);
	REQUIRE(pthread_join(vcpu, NULL) == 0);
	printf("%llu chains\n", pops);
	for (unsigned int f = VIRTQ_OK + 1; f < ARRAY_SIZE(faults); f++)
		printf("%llu times %s\n", faults[f], virtq_fault_name((enum virtq_fault)f));
	/* A race in which nothing happened shows nothing. */
	REQUIRE(pops > 1000 && faults[VIRTQ_BAD_BUFFER] > 100 && faults[VIRTQ_BAD_INDIRECT] > 100);
	guest_release(&g);
	return 0;
}
