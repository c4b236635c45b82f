// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/rng.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/random.h>

#include "virtio/iov.h"
#include "vmm/util.h"

/*
 * A request may be shortened (§5.4.6): a guest that asks for gigabytes does not hold the loop, nor
 * does a queue full of requests, which is served in one turn: 1 MiB at most. Linux asks for 64.
 */
#define RNG_MAX_BYTES 4096u

static uint32_t rng_one(struct virtio_dev *d, struct virtq_chain *c)
{
	struct iov_span out = iov_writable(c);
	uint32_t done = 0;

	while (out.len != 0 && done < RNG_MAX_BYTES) {
		uint8_t bytes[256];
		size_t n = min_u64(min_u64(out.len, sizeof(bytes)), RNG_MAX_BYTES - done);

		/* Up to 256 bytes getrandom neither blocks nor returns less, once seeded. */
		if (getrandom(bytes, n, GRND_NONBLOCK) != (ssize_t)n ||
		    iov_put(&out, bytes, n) < 0) {
			d->stats.failures++;
			break;
		}
		done += (uint32_t)n;
	}
	container_of(d, struct rng, dev)->bytes += done;
	return done;
}

static void rng_kick(struct virtio_dev *d, unsigned int q)
{
	struct rng *r = container_of(d, struct rng, dev);

	virtio_drain(d, q, &r->chain, rng_one);
}

static void rng_reset(struct virtio_dev *d)
{
	(void)d; /* every request is complete when its kick returns */
}

static const struct virtio_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.nr_queues = 1,
	.queue_max = VIRTQ_SIZE_MAX,
	.kick = rng_kick,
	.reset = rng_reset,
};

void rng_init(struct rng *r)
{
	memset(r, 0, sizeof(*r));
	r->dev.ops = &rng_ops;
	r->dev.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
			  1ull << VIRTIO_RING_F_INDIRECT_DESC;
}
