// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/mman.h>

#include "virtio/iov.h"
#include "virtio/virtio_mmio.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

_Static_assert(sizeof(struct virtio_blk_outhdr) == 16, "request header, virtio 1.2 §5.2.6");

/* Segments of data in one request: a queue of descriptors less the header's and the status'. */
#define BLK_SEG_MAX (VIRTQ_SIZE_MAX - 2)

/* What one discard or write-zeroes request may cover; as many sectors are few enough to write. */
#define DISCARD_MAX (1u << 22) /* sectors */
#define ZEROES_MAX  (1u << 16)
#define ALIGNMENT   8u /* sectors: pages, the blocks of most file systems */

/* What is known of a request once its header and its place for the status are off the chain. */
struct blk_work {
	uint32_t type;
	uint64_t bytes; /* as it counts in the metrics */
	struct blk_op op;
	struct iovec status; /* one byte of guest memory */
};

/* A request in the ring. Its operation points to its segments. */
struct blk_request {
	struct blk_work work;
	struct iovec iov[VIRTQ_IOV_MAX];
};

static int check_range(const struct blk *b, uint64_t sector, uint64_t nr)
{
	if (MUT_SECTOR_BAD(sector > b->file.sectors || nr > b->file.sectors - sector))
		return -EINVAL;
	return 0;
}

/* Reads or writes the data of a request at its sector. */
static int prepare_transfer(const struct blk *b, struct blk_work *w, const struct iov_span *data,
			    uint64_t sector)
{
	bool write = w->type == VIRTIO_BLK_T_OUT;

	if (data->len % BLK_SECTOR != 0 || check_range(b, sector, data->len / BLK_SECTOR) < 0)
		return -EINVAL;
	if (write && b->file.read_only)
		return -EROFS;
	w->bytes = data->len;
	w->op = (struct blk_op){ .kind = write ? BLK_WRITE : BLK_READ,
				 .iov = data->iov,
				 .nr = data->nr,
				 .off = sector * BLK_SECTOR,
				 .len = data->len };
	return 1;
}

/* Discard and write zeroes: one range (§5.2.6, max_*_seg is 1). */
static int prepare_range(const struct blk *b, struct blk_work *w, struct iov_span *out)
{
	bool zero = w->type == VIRTIO_BLK_T_WRITE_ZEROES;
	struct virtio_blk_discard_write_zeroes range;
	bool unmap;

	if (b->file.read_only)
		return -EROFS;
	if (out->len != sizeof(range) || iov_take(out, &range, sizeof(range)) < 0)
		return -EINVAL;
	unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if ((range.flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) || (unmap && !zero))
		return -EOPNOTSUPP;
	if (MUT_RANGE_MAX(range.num_sectors > (zero ? ZEROES_MAX : DISCARD_MAX)) ||
	    check_range(b, range.sector, range.num_sectors) < 0)
		return -EINVAL;
	w->bytes = (uint64_t)range.num_sectors * BLK_SECTOR;
	w->op = (struct blk_op){ .kind = !zero	 ? BLK_DISCARD
					 : unmap ? BLK_ZERO_UNMAP
						 : BLK_ZERO,
				 .off = range.sector * BLK_SECTOR,
				 .len = w->bytes };
	return w->bytes != 0;
}

/*
 * Finds out what is to be done. 1 = w->op; 0 = it is done; or -errno, -EINVAL for what the guest
 * got wrong and -EOPNOTSUPP for what we do not know.
 */
static int prepare(const struct blk *b, struct blk_work *w, const struct virtio_blk_outhdr *h,
		   struct iov_span *out, struct iov_span *in)
{
	w->type = h->type;
	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		return prepare_transfer(b, w, in, h->sector);
	case VIRTIO_BLK_T_OUT:
		return prepare_transfer(b, w, out, h->sector);
	case VIRTIO_BLK_T_FLUSH:
		w->op = (struct blk_op){ .kind = BLK_FLUSH };
		return !b->file.read_only;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return prepare_range(b, w, out);
	case VIRTIO_BLK_T_GET_ID:
		w->bytes = sizeof(b->file.id);
		return iov_put(in, b->file.id, sizeof(b->file.id));
	default:
		return -EOPNOTSUPP;
	}
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

static void count(struct blk_count *n, uint32_t type, uint64_t bytes)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		n->read_count++;
		n->read_bytes += bytes;
		break;
	case VIRTIO_BLK_T_OUT:
		n->write_count++;
		n->write_bytes += bytes;
		break;
	case VIRTIO_BLK_T_FLUSH:
		n->flush_count++;
		break;
	case VIRTIO_BLK_T_DISCARD:
		n->discard_count++;
		n->discard_bytes += bytes;
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		n->zero_count++;
		n->zero_bytes += bytes;
		break;
	default:
		break;
	}
}

/* The request has ended with `r`: counts it, writes its status, returns the used length. */
static uint32_t finish(struct blk *b, const struct blk_work *w, int r)
{
	struct iovec tail = w->status;
	struct iov_span status = { .iov = &tail, .nr = 1, .len = 1 };
	bool reads = w->type == VIRTIO_BLK_T_IN || w->type == VIRTIO_BLK_T_GET_ID;
	uint8_t s = status_of(r);

	if (r == 0)
		count(&b->count, w->type, w->bytes);
	if (r < 0 && r != -EOPNOTSUPP) {
		b->dev.stats.failures++;
		log_guest("blk: request failed: %s", strerror(-r));
	}
	if (iov_put(&status, &s, sizeof(s)) < 0)
		return 0;
	return (r == 0 && reads ? (uint32_t)w->bytes : 0) + 1;
}

/* ---- requests in the ring -------------------------------------------------------------------- */

/* Gives the request to the ring, with a copy of its segments. */
static void begin(struct blk *b, const struct blk_work *w)
{
	struct blk_request *q = &b->requests[b->chain.head];

	q->work = *w;
	for (int i = 0; i < w->op.nr; i++)
		q->iov[i] = w->op.iov[i];
	q->work.op.iov = q->iov;
	blk_ring_add(&b->ring, &q->work.op, b->chain.head);
	b->nr_in_flight++;
}

static void end(struct blk *b, uint16_t head, int r)
{
	b->nr_in_flight--;
	virtio_complete(&b->dev, 0, head, finish(b, &b->requests[head].work, r));
}

/*
 * Hands over what was added; `wait_for` as for blk_ring_submit. What the kernel does not want (it
 * has no memory, say) is done here and now.
 */
static void submit(struct blk *b, unsigned int wait_for)
{
	uint64_t head;

	if (blk_ring_submit(&b->ring, wait_for) == 0)
		return;
	while (blk_ring_take_back(&b->ring, &head))
		end(b, (uint16_t)head, blk_file_do(&b->file, &b->requests[head].work.op));
}

/* Completes what has ended. Some of it has to go on: then there is more to submit. */
static bool reap(struct blk *b)
{
	bool more = false;
	uint64_t head;
	int32_t result;

	while (blk_ring_next(&b->ring, &head, &result)) {
		struct blk_op *op = &b->requests[head].work.op;
		int r = blk_file_done(&b->file, op, result);

		if (r <= 0) {
			end(b, (uint16_t)head, r);
			continue;
		}
		blk_ring_add(&b->ring, op, head);
		more = true;
	}
	return more;
}

/* What was added goes to the kernel; what it has done already goes back to the guest. */
static void blk_flow(struct blk *b)
{
	do {
		submit(b, 0);
	} while (reap(b));
	virtio_notify(&b->dev, 0);
}

static void on_ended(void *ctx, uint32_t events)
{
	(void)events;
	blk_flow(ctx);
}

/* Waits until nothing is in flight. */
static void blk_settle(struct virtio_dev *d)
{
	struct blk *b = container_of(d, struct blk, dev);

	while (MUT_SETTLE(b->nr_in_flight != 0)) {
		submit(b, 1);
		reap(b);
	}
	virtio_notify(d, 0);
}

/* ---- the device ------------------------------------------------------------------------------ */

static uint32_t blk_one(struct virtio_dev *d, struct virtq_chain *c)
{
	struct blk *b = container_of(d, struct blk, dev);
	struct iov_span out = iov_readable(c);
	struct iov_span in = iov_writable(c);
	struct blk_work w = { .type = UINT32_MAX };
	struct virtio_blk_outhdr h;
	int r;

	/* Without room for a status there is nobody to tell: the chain is returned untouched. */
	if (iov_split_tail(&in, 1, &w.status) < 0) {
		d->stats.faults++;
		return 0;
	}
	r = iov_take(&out, &h, sizeof(h));
	if (r == 0)
		r = prepare(b, &w, &h, &out, &in);
	if (r == 1 && b->ring.fd >= 0 && !b->file.in_memory) {
		begin(b, &w);
		return VIRTIO_LATER;
	}
	if (r == 1)
		r = blk_file_do(&b->file, &w.op);
	return finish(b, &w, r);
}

static void blk_kick(struct virtio_dev *d, unsigned int q)
{
	struct blk *b = container_of(d, struct blk, dev);

	virtio_drain(d, q, &b->chain, blk_one);
	if (b->nr_in_flight != 0)
		blk_flow(b);
}

static void blk_release(struct virtio_dev *d)
{
	struct blk *b = container_of(d, struct blk, dev);

	blk_file_close(&b->file);
	if (b->ring.fd < 0)
		return;
	ev_del(b->loop, &b->ended);
	blk_ring_release(&b->ring);
	munmap(b->requests, BLK_RING_DEPTH * sizeof(*b->requests));
}

static const struct virtio_ops blk_ops = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_max = VIRTQ_SIZE_MAX,
	.kick = blk_kick,
	.reset = blk_settle, /* a reset device touches nothing any more */
	.settle = blk_settle,
	.release = blk_release,
};

void blk_init(struct blk *b, const struct blk_file *file, bool flush)
{
	struct virtio_blk_config config = { .capacity = file->sectors, .seg_max = BLK_SEG_MAX };

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "grow VIRTIO_CONFIG_MAX");
	memset(b, 0, sizeof(*b));
	b->file = *file;
	b->ring.fd = -1;
	b->dev.ops = &blk_ops;
	b->dev.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
			  1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_BLK_F_SEG_MAX;
	if (flush)
		b->dev.features |= 1ull << VIRTIO_BLK_F_FLUSH;
	if (file->read_only) {
		b->dev.features |= 1ull << VIRTIO_BLK_F_RO;
	} else {
		b->dev.features |= 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
		config.max_discard_sectors = DISCARD_MAX;
		config.discard_sector_alignment = ALIGNMENT;
		config.max_write_zeroes_sectors = ZEROES_MAX;
		config.max_discard_seg = config.max_write_zeroes_seg = 1;
		config.write_zeroes_may_unmap = 1;
	}
	b->dev.config_len = sizeof(config);
	memcpy(b->dev.config, &config, sizeof(config));
}

int blk_check_async(struct err *e)
{
	struct blk_ring ring;
	int r = blk_ring_init(&ring, -1, e);

	if (r == 0)
		blk_ring_release(&ring);
	return r;
}

int blk_make_async(struct blk *b, struct evloop *loop, struct err *e)
{
	/* Mapped, not allocated: a request that is never in flight costs no memory. */
	void *requests = mmap(NULL, BLK_RING_DEPTH * sizeof(*b->requests), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	_Static_assert(BLK_RING_DEPTH >= VIRTQ_SIZE_MAX, "a place for each head");
	if (requests == MAP_FAILED)
		return err_sys(e, -errno, "io_engine Async: memory for requests");
	r = blk_ring_init(&b->ring, b->file.fd, e);
	if (r == 0) {
		r = ev_add(loop, &b->ended, b->ring.fd, EPOLLIN | EPOLLET, on_ended, b);
		if (r < 0) {
			err_sys(e, r, "io_engine Async: epoll");
			blk_ring_release(&b->ring);
		}
	}
	if (r < 0) {
		munmap(requests, BLK_RING_DEPTH * sizeof(*b->requests));
		return r;
	}
	b->loop = loop;
	b->requests = requests;
	return 0;
}

int blk_change(struct blk *b, const struct blk_file *file)
{
	uint64_t capacity = file->sectors;
	int r;

	blk_settle(&b->dev);
	if (b->ring.fd >= 0) {
		r = blk_ring_set_file(&b->ring, file->fd);
		if (r < 0)
			return r;
	}
	blk_file_close(&b->file);
	b->file = *file;
	b->count.update_count++;
	vmmio_config_change(b->dev.transport, offsetof(struct virtio_blk_config, capacity),
			    &capacity, sizeof(capacity));
	return 0;
}
