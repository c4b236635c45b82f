// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/toy.h"

#include <linux/virtio_ring.h>
#include <string.h>

#include "vmm/util.h"

static void toy_activate(struct virtio_dev *d)
{
	struct toy *toy = container_of(d, struct toy, dev);

	toy->activated++;
	toy->features_seen = d->driver_features;
}

static void toy_reset(struct virtio_dev *d)
{
	container_of(d, struct toy, dev)->resets++;
}

static uint32_t toy_one(struct virtio_dev *d, struct virtq_chain *c)
{
	struct toy *toy = container_of(d, struct toy, dev);

	if (toy->served < sizeof(toy->order) - 1)
		toy->order[toy->served++] = (char)('a' + (c - toy->chain));
	if (toy->feed && toy->feed->avail_idx < 3 * TOY_SIZE)
		driver_offer(toy->feed, c->head == 0 ? 1 : 0);
	return (uint32_t)c->write_len;
}

static void toy_kick(struct virtio_dev *d, unsigned int q)
{
	struct toy *toy = container_of(d, struct toy, dev);

	toy->kicked[q]++;
	virtio_drain(d, q, &toy->chain[q], toy_one);
}

static void toy_release(struct virtio_dev *d)
{
	container_of(d, struct toy, dev)->released++;
}

static const struct virtio_ops toy_ops = {
	.name = "toy",
	.id = 42,
	.nr_queues = 2,
	.queue_max = 16,
	.activate = toy_activate,
	.reset = toy_reset,
	.kick = toy_kick,
	.release = toy_release,
};

void toy_init(struct toy *toy)
{
	memset(toy, 0, sizeof(*toy));
	toy->dev.ops = &toy_ops;
	toy->dev.features = VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX | TOY_FEATURES;
	toy->dev.config_len = TOY_CONFIG_LEN;
	memcpy(toy->dev.config, TOY_CONFIG, sizeof(TOY_CONFIG) - 1);
}

void toy_start(struct toy *toy, struct board *b, struct driver *d)
{
	board_negotiate(b, VERSION_1);
	for (uint32_t q = 0; q < 2; q++) {
		driver_init(&d[q], &b->g, TOY_SIZE, q * 0x1000ull);
		for (uint16_t i = 0; i < TOY_SIZE; i++)
			driver_desc(&d[q], i,
				    (struct vring_desc){ GUEST_HIGH, 16, VRING_DESC_F_WRITE, 0 });
		board_queue(b, q, &d[q].regs);
	}
	board_driver_ok(b);
	if (b->running)
		board_settle(b);
	else
		board_pump(b);
	memset(toy->kicked, 0, sizeof(toy->kicked));
}
