// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <unistd.h>

#include "virtio/iov.h"
#include "virtio/virtio_mmio.h"
#include "virtio/vsock_conn.h"
#include "virtio/vsock_host.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

enum {
	RX, /* for packets to the guest */
	TX,
	EVENT,
	NR_QUEUES
};

/* ---- to the guest --------------------------------------------------------------------------- */

/* Copies the popped chain to the end of what is held; there is a place for it. */
static void keep(struct vsock *v)
{
	struct vsock_held *held = &v->held;
	struct iov_span *room = &held->room[held->nr];

	*room = iov_writable(&v->rx);
	memcpy(&v->conns.m->held_iov[held->nr_iov], room->iov,
	       (size_t)room->nr * sizeof(room->iov[0]));
	room->iov = &v->conns.m->held_iov[held->nr_iov];
	held->nr_iov = (uint16_t)(held->nr_iov + room->nr);
	held->head[held->nr++] = v->rx.head;
}

/* Holds as many buffers of the guest's as are wanted, or as there are. 1, 0 = none, -EIO = broken.
 */
static int hold_buffers(struct vsock *v)
{
	struct virtq *vq = &v->dev.vq[RX];
	struct vsock_held *held = &v->held;
	int r = 1;

	do {
		while (held->nr < max_u64(held->wanted, 1) &&
		       held->nr_iov + VIRTQ_IOV_MAX <= VSOCK_IOV_MAX) {
			r = virtq_pop(vq, &v->rx);
			if (r <= 0)
				break;
			keep(v);
		}
	} while (r == 0 && held->nr == 0 && virtq_unmute(vq));
	return r < 0 ? r : held->nr != 0;
}

/* Gives the first `nr` buffers back, each with its header and what follows it. */
static void use_buffers(struct vsock *v, unsigned int nr, const struct virtio_vsock_hdr *h)
{
	struct vsock_held *held = &v->held;

	for (unsigned int i = 0; i < nr; i++) {
		uint32_t written = 0;

		if (h && iov_put(&held->room[i], &h[MUT_HEADER(i)], sizeof(h[i])) == 0)
			written = (uint32_t)sizeof(h[i]) + h[i].len;
		virtq_push(&v->dev.vq[RX], held->head[i], written);
	}
	v->dev.stats.requests += nr;
	held->nr = (uint16_t)(held->nr - nr);
	memmove(held->head, held->head + nr, held->nr * sizeof(held->head[0]));
	memmove(held->room, held->room + nr, held->nr * sizeof(held->room[0]));
	if (held->nr == 0)
		held->nr_iov = 0;
}

/* Puts packets into the held buffers, if there are packets. Returns how many buffers that took. */
static unsigned int give_packets(struct vsock *v)
{
	struct vsock_held *held = &v->held;
	struct virtio_vsock_hdr h[VSOCK_BATCH];
	unsigned int fit = 0;
	unsigned int nr;

	/* §5.10.6.2: a buffer has room for a header and some payload. */
	while (fit < held->nr && held->room[fit].len > sizeof(h[0]))
		fit++;
	if (fit == 0) {
		v->dev.stats.faults++;
		use_buffers(v, 1, NULL);
		return 1;
	}
	nr = vsock_conns_next(&v->conns, h, held->room, fit);
	held->wanted = (uint16_t)(nr == held->nr ? min_u64(2ull * nr, VSOCK_BATCH) : 1);
	use_buffers(v, nr, h);
	return nr;
}

/*
 * At the end of a turn: one interrupt at most, for both directions. Linux tells its credit after
 * almost every read; that such a packet was served, it finds out with the next interrupt, unless
 * many of them fill the queue.
 */
static void notify(struct vsock *v)
{
	const struct virtq *rx = &v->dev.vq[RX];
	unsigned int queues = 1u << RX;

	if (MUT_TELL_TX(v->tell_tx) || v->quiet >= v->dev.vq[TX].size / 8 ||
	    rx->published != rx->next_used) {
		queues |= 1u << TX;
		v->quiet = 0;
		v->tell_tx = false;
	} else {
		virtq_show(&v->dev.vq[TX]);
	}
	virtio_notify_queues(&v->dev, queues);
}

/*
 * Sends what there is while the guest has buffers. After a queue's worth it comes back by a new
 * event, so that other devices get their turn.
 */
static void serve_rx(struct vsock *v)
{
	struct virtq *vq = &v->dev.vq[RX];
	unsigned int budget = vq->size;
	uint64_t one = 1;

	if (!vq->enabled || vq->fault != VIRTQ_OK) {
		notify(v);
		return;
	}
	while (vsock_conns_pending(&v->conns)) {
		int r = hold_buffers(v);
		unsigned int nr;

		if (r < 0) {
			virtio_broken(&v->dev, RX);
			break;
		}
		if (r == 0)
			break;
		nr = give_packets(v);
		budget -= (unsigned int)min_u64(nr, budget);
		if (budget == 0) {
			/* It cannot fail: the counter is far from full. */
			if (write(v->dev.transport->kick[RX].fd, &one, sizeof(one)) < 0)
				v->dev.stats.failures++;
			break;
		}
	}
	notify(v);
}

static void wake(struct vsock_conns *s)
{
	serve_rx(container_of(s, struct vsock, conns));
}

/* ---- from the guest ------------------------------------------------------------------------- */

static uint32_t tx_one(struct virtio_dev *d, struct virtq_chain *c)
{
	struct vsock *v = container_of(d, struct vsock, dev);
	struct iov_span payload = iov_readable(c);
	struct virtio_vsock_hdr h;

	if (iov_take(&payload, &h, sizeof(h)) < 0) {
		v->conns.count.bad_packets++;
		d->stats.faults++;
		v->tell_tx = true;
		return 0;
	}
	if (h.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE && c->read_len == sizeof(h))
		v->quiet++;
	else
		v->tell_tx = true;
	vsock_conns_receive(&v->conns, &h, &payload);
	return 0;
}

static void vsock_kick(struct virtio_dev *d, unsigned int q)
{
	struct vsock *v = container_of(d, struct vsock, dev);

	switch (q) {
	case RX:
		v->conns.count.rx_queue_event_count++;
		virtq_mute(&d->vq[RX]);
		break;
	case TX:
		v->conns.count.tx_queue_event_count++;
		virtio_serve(d, TX, &v->tx, tx_one);
		break;
	default:
		virtq_mute(&d->vq[EVENT]); /* buffers for events, which are rare */
		return;
	}
	serve_rx(v);
}

/* ---- events --------------------------------------------------------------------------------- */

int vsock_transport_reset(struct vsock *v)
{
	const struct virtio_vsock_event event = { .id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct virtq *vq = &v->dev.vq[EVENT];
	struct iov_span room;
	uint32_t written = 0;
	int r;

	if (!vq->enabled || vq->fault != VIRTQ_OK)
		return -EAGAIN;
	r = virtq_pop(vq, &v->tx);
	if (r < 0)
		virtio_broken(&v->dev, EVENT);
	if (r <= 0)
		return -EAGAIN;
	room = iov_writable(&v->tx);
	if (iov_put(&room, &event, sizeof(event)) == 0)
		written = sizeof(event);
	virtq_push(vq, v->tx.head, written);
	virtio_notify(&v->dev, EVENT);
	return written != 0 ? 0 : -EAGAIN;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void vsock_activate(struct virtio_dev *d)
{
	struct vsock *v = container_of(d, struct vsock, dev);

	if (vsock_host_start(&v->conns, d->transport->loop) < 0)
		log_error("vsock %s: cannot be watched: the guest has no connections",
			  v->conns.uds.path);
}

static void vsock_reset(struct virtio_dev *d)
{
	struct vsock *v = container_of(d, struct vsock, dev);

	vsock_host_stop(&v->conns);
	v->held.nr = v->held.nr_iov = 0;
	v->quiet = 0;
	v->tell_tx = false;
}

static void vsock_release(struct virtio_dev *d)
{
	struct vsock *v = container_of(d, struct vsock, dev);

	vsock_host_stop(&v->conns);
	vsock_uds_close(&v->conns.uds);
	vsock_table_release(&v->conns);
}

static const struct virtio_ops vsock_ops = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.nr_queues = NR_QUEUES,
	.queue_max = VIRTQ_SIZE_MAX,
	.activate = vsock_activate,
	.reset = vsock_reset,
	.kick = vsock_kick,
	.release = vsock_release,
};

int vsock_init(struct vsock *v, const struct vsock_uds *uds, uint32_t guest_cid, struct err *e)
{
	struct virtio_vsock_config config = { .guest_cid = guest_cid };
	int r;

	memset(v, 0, sizeof(*v));
	r = vsock_table_init(&v->conns, e);
	if (r < 0)
		return r;
	v->conns.uds = *uds;
	v->conns.guest_cid = guest_cid;
	v->conns.wake = wake;
	v->dev.ops = &vsock_ops;
	/* In order: each queue is worked through in its order, and each buffer is given back. */
	v->dev.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_IN_ORDER |
			  1ull << VIRTIO_RING_F_EVENT_IDX;
	v->dev.config_len = sizeof(config);
	memcpy(v->dev.config, &config, sizeof(config));
	return 0;
}
