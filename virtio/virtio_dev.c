// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/virtio_dev.h"

#include <errno.h>

#include "vmm/util.h"

/* As virtq_pop; -EAGAIN: not now, the limiter will call. */
static int next_allowed(struct virtio_dev *d, struct virtq *vq, struct virtq_chain *c)
{
	return rate_limit_ready(&d->limit) ? virtq_pop(vq, c) : -EAGAIN;
}

void virtio_complete(struct virtio_dev *d, unsigned int q, uint16_t head, uint32_t written)
{
	virtq_push(&d->vq[q], head, written);
	d->stats.requests++;
}

void virtio_serve(struct virtio_dev *d, unsigned int q, struct virtq_chain *c,
		  uint32_t (*one)(struct virtio_dev *d, struct virtq_chain *c))
{
	struct virtq *vq = &d->vq[q];
	unsigned int budget = vq->size;
	int r;

	virtq_mute(vq);
	do {
		while ((r = next_allowed(d, vq, c)) > 0) {
			uint32_t written = one(d, c);

			if (written == VIRTIO_LATER)
				written = (uint32_t)c->write_len;
			else
				virtio_complete(d, q, c->head, written);
			rate_limit_charge(&d->limit, max_u64(c->read_len, written), 1);
			if (--budget == 0) {
				virtio_again(d, q);
				return;
			}
		}
		if (r == -EAGAIN)
			break;
		if (r < 0) {
			virtio_broken(d, q);
			return;
		}
	} while (virtq_unmute(vq));
}

void virtio_drain(struct virtio_dev *d, unsigned int q, struct virtq_chain *c,
		  uint32_t (*one)(struct virtio_dev *d, struct virtq_chain *c))
{
	virtio_serve(d, q, c, one);
	virtio_notify(d, q);
}
