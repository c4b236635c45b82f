// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "virtio/iov.h"
#include "virtio/virtio_mmio.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

_Static_assert(sizeof(struct virtio_blk_outhdr) == 16, "request header, virtio 1.2 §5.2.6");

/* Segments of data in one request: a queue of descriptors less the header's and the status'. */
#define BLK_SEG_MAX (VIRTQ_SIZE_MAX - 2)

/*
 * Reads or writes the data of a request at its sector. 0, -EINVAL for what the guest got wrong, or
 * the host's error.
 */
static int transfer(const struct blk *b, struct iov_span *data, uint64_t sector, bool write)
{
	uint64_t nr = data->len / BLK_SECTOR;
	int r;

	if (data->len % BLK_SECTOR != 0 ||
	    MUT_SECTOR_BAD(sector > b->file.sectors || nr > b->file.sectors - sector))
		return -EINVAL;
	if (write && b->file.read_only)
		return -EROFS;
	if (write)
		r = blk_file_write(&b->file, data->iov, data->nr, sector * BLK_SECTOR, data->len);
	else
		r = blk_file_read(&b->file, data->iov, data->nr, sector * BLK_SECTOR, data->len);
	return r;
}

/* Executes one request; returns 0 or -errno, and in *written the bytes put into `in`. */
static int execute(const struct blk *b, const struct virtio_blk_outhdr *h, struct iov_span *out,
		   struct iov_span *in, uint32_t *written)
{
	uint64_t in_len = in->len;
	int r;

	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		r = transfer(b, in, h->sector, false);
		break;
	case VIRTIO_BLK_T_OUT:
		return transfer(b, out, h->sector, true);
	case VIRTIO_BLK_T_FLUSH:
		return b->file.read_only ? 0 : blk_file_flush(&b->file);
	case VIRTIO_BLK_T_GET_ID:
		in_len = BLK_ID_LENGTH;
		r = iov_put(in, b->file.id, sizeof(b->file.id));
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (r == 0)
		*written = (uint32_t)in_len;
	return r;
}

static uint8_t status_of(int r)
{
	switch (r) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

static void count(struct blk_count *n, uint32_t type, uint64_t read, uint64_t written)
{
	if (type == VIRTIO_BLK_T_IN) {
		n->read_count++;
		n->read_bytes += read;
	} else if (type == VIRTIO_BLK_T_OUT) {
		n->write_count++;
		n->write_bytes += written;
	} else if (type == VIRTIO_BLK_T_FLUSH) {
		n->flush_count++;
	}
}

static uint32_t blk_one(struct virtio_dev *d, struct virtq_chain *c)
{
	struct blk *b = container_of(d, struct blk, dev);
	struct iov_span out = iov_readable(c);
	struct iov_span in = iov_writable(c);
	struct virtio_blk_outhdr h;
	struct iov_span status;
	struct iovec tail;
	uint32_t written = 0;
	uint8_t s;
	int r;

	/* Without room for a status there is nobody to tell: the chain is returned untouched. */
	if (iov_split_tail(&in, 1, &tail) < 0) {
		d->stats.faults++;
		return 0;
	}
	status = (struct iov_span){ .iov = &tail, .nr = 1, .len = 1 };
	r = iov_take(&out, &h, sizeof(h));
	if (r == 0) {
		uint64_t out_len = out.len;

		r = execute(b, &h, &out, &in, &written);
		if (r == 0)
			count(&b->count, h.type, written, out_len);
	}
	if (r < 0 && r != -EOPNOTSUPP) {
		d->stats.failures++;
		log_guest("blk: request failed: %s", strerror(-r));
	}
	s = status_of(r);
	if (iov_put(&status, &s, sizeof(s)) < 0)
		return 0;
	return written + 1;
}

static void blk_kick(struct virtio_dev *d, unsigned int q)
{
	struct blk *b = container_of(d, struct blk, dev);

	virtio_drain(d, q, &b->chain, blk_one);
}

static void blk_reset(struct virtio_dev *d)
{
	(void)d; /* every request is complete when its kick returns */
}

static void blk_release(struct virtio_dev *d)
{
	blk_file_close(&container_of(d, struct blk, dev)->file);
}

static const struct virtio_ops blk_ops = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_max = VIRTQ_SIZE_MAX,
	.kick = blk_kick,
	.reset = blk_reset,
	.release = blk_release,
};

void blk_init(struct blk *b, const struct blk_file *file, bool flush)
{
	struct virtio_blk_config config = { .capacity = file->sectors, .seg_max = BLK_SEG_MAX };

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "grow VIRTIO_CONFIG_MAX");
	memset(b, 0, sizeof(*b));
	b->file = *file;
	b->dev.ops = &blk_ops;
	b->dev.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
			  1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_BLK_F_SEG_MAX;
	if (flush)
		b->dev.features |= 1ull << VIRTIO_BLK_F_FLUSH;
	if (file->read_only)
		b->dev.features |= 1ull << VIRTIO_BLK_F_RO;
	b->dev.config_len = sizeof(config);
	memcpy(b->dev.config, &config, sizeof(config));
}

void blk_change(struct blk *b, const struct blk_file *file)
{
	uint64_t capacity = file->sectors;

	/* Requests are served whole on this thread: none is on its way in the old file. */
	blk_file_close(&b->file);
	b->file = *file;
	b->count.update_count++;
	vmmio_config_change(b->dev.transport, offsetof(struct virtio_blk_config, capacity),
			    &capacity, sizeof(capacity));
}
