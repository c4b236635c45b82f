// SPDX-License-Identifier: Apache-2.0
/* The receive side of virtio-net. Event-loop thread only. */
#include "virtio/net_impl.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "virtio/iov.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

/* ---- receive: buffers ------------------------------------------------------------------------ */

void net_rx_forget(struct net_rx *rx)
{
	rx->first = rx->end = rx->first_iov = rx->end_iov = 0;
	rx->room = 0;
	rx->spill_off = rx->spill_len = rx->frame_len = 0;
	rx->starved = false;
}

/* Gives the first `nr` buffers back: `len` bytes were written, into one after the other. */
static void rx_give_back(struct net *n, uint16_t nr, uint32_t len)
{
	struct net_rx *rx = &n->rx;

	for (; nr != 0; nr--) {
		const struct net_buffer *b = &rx->buffer[rx->first++];
		uint32_t part = (uint32_t)min_u64(len, b->len);

		virtq_push(&n->dev.vq[RXQ], b->head, part);
		n->dev.stats.requests++;
		len -= part;
		rx->first_iov = (uint16_t)(rx->first_iov + b->nr_iov);
		rx->room -= b->nr_iov != 0 ? b->len : 0;
	}
	if (rx->first == rx->end) {
		rx->first = rx->end = 0;
		rx->first_iov = rx->end_iov = 0;
		rx->room = 0;
	}
}

/* Makes a place for one more chain of `nr_iov` segments; false: there is none. */
static bool rx_make_room(struct net_rx *rx, unsigned int nr_iov)
{
	uint16_t nr = (uint16_t)(rx->end - rx->first);
	uint16_t kept_iov = (uint16_t)(rx->end_iov - rx->first_iov);

	if (rx->end < VIRTQ_SIZE_MAX && rx->end_iov + nr_iov <= NET_RX_IOV)
		return true;
	if (nr == VIRTQ_SIZE_MAX || kept_iov + nr_iov > NET_RX_IOV)
		return false;
	memmove(rx->buffer, rx->buffer + rx->first, nr * sizeof(rx->buffer[0]));
	memmove(rx->iov, rx->iov + rx->first_iov, kept_iov * sizeof(rx->iov[0]));
	rx->first = rx->first_iov = 0;
	rx->end = nr;
	rx->end_iov = kept_iov;
	return true;
}

/* Takes the next chain of the receive queue into rx->chain: 1, 0 = none, -EIO = broken. */
static int rx_pop(struct net *n)
{
	int r = virtq_pop(&n->dev.vq[RXQ], &n->rx.chain);

	if (r < 0)
		virtio_broken(&n->dev, RXQ);
	return r;
}

/* Has the driver notify about its next buffer. False: one has come meanwhile. */
static bool rx_wait(struct net *n)
{
	if (virtq_unmute(&n->dev.vq[RXQ]))
		return false;
	n->net_stats.no_rx_avail_buffer++;
	n->rx.starved = true;
	return true;
}

/* A chain that no frame can go into is returned empty. */
static bool rx_unfit(struct net *n, const struct virtq_chain *c)
{
	if (c->nr_read == 0 && c->write_len >= (n->mergeable ? 1 : NET_HEADER))
		return false;
	n->dev.stats.faults++;
	n->net_stats.rx_fails++;
	return true;
}

/* Notes a chain; its segments too, when they are yet to be filled. Its place has been made. */
static void rx_keep(struct net_rx *rx, const struct virtq_chain *c, bool with_iov)
{
	uint16_t nr = with_iov ? c->nr_write : 0;

	rx->buffer[rx->end++] = (struct net_buffer){
		.head = c->head,
		.len = (uint32_t)c->write_len,
		.nr_iov = nr,
	};
	memcpy(rx->iov + rx->end_iov, c->iov, nr * sizeof(c->iov[0]));
	rx->end_iov = (uint16_t)(rx->end_iov + nr);
	if (with_iov)
		rx->room += c->write_len;
}

/* Takes chains for the longest frame there may be, or as many as there are: 0, or -EIO. */
static int rx_take(struct net *n, unsigned int *budget)
{
	struct net_rx *rx = &n->rx;

	while (rx->room < (n->mergeable ? NET_FRAME_MAX : 1) && rx_make_room(rx, VIRTQ_IOV_MAX)) {
		int r = rx_pop(n);

		if (r <= 0)
			return r;
		if (rx_unfit(n, &rx->chain)) {
			/* With those before it: what is kept is always what was taken last. */
			rx_give_back(n, (uint16_t)(rx->end - rx->first), 0);
			virtq_push(&n->dev.vq[RXQ], rx->chain.head, 0);
		} else {
			rx_keep(rx, &rx->chain, true);
		}
		if (--*budget == 0)
			break;
	}
	return 0;
}

/*
 * Collects buffers. The header's place has to be there when a frame comes: -EAGAIN when there is
 * less, and -EIO when the queue is broken.
 */
static int rx_collect(struct net *n)
{
	unsigned int budget = 2u * VIRTQ_SIZE_MAX;
	int r;

	do {
		r = rx_take(n, &budget);
		if (r < 0)
			return r;
		if (n->rx.room >= NET_HEADER)
			return 0;
	} while (budget != 0 && !rx_wait(n));
	return -EAGAIN; /* without a budget left, the tap's next event is the next try */
}

/* ---- receive: frames ------------------------------------------------------------------------- */

/* Tells in the frame's header how many buffers it takes (§5.1.6.4): the tap leaves that to us. */
static void rx_set_num_buffers(struct net_rx *rx, uint16_t nr)
{
	size_t off = offsetof(struct virtio_net_hdr_v1, num_buffers);
	const uint8_t byte[] = { (uint8_t)MUT_BUFFERS(nr), (uint8_t)(MUT_BUFFERS(nr) >> 8) };
	const struct iovec *iov = rx->iov + rx->first_iov;

	for (unsigned int i = 0; i < sizeof(byte); i++, off++) {
		while (off >= iov->iov_len) {
			off -= iov->iov_len;
			iov++;
		}
		gmem_stcpy((guest_ram void *)((uint8_t *)iov->iov_base + off), &byte[i], 1);
	}
}

static void rx_done(struct net *n, uint16_t nr, uint32_t len)
{
	rx_set_num_buffers(&n->rx, nr);
	rx_give_back(n, nr, len);
	n->net_stats.rx_packets_count++;
	n->net_stats.rx_count++;
	n->net_stats.rx_bytes_count += len;
}

/* A frame of which the beginning is in guest memory gets the buffers that it lacked. */
static int rx_finish(struct net *n)
{
	struct net_rx *rx = &n->rx;
	struct virtq *vq = &n->dev.vq[RXQ];
	uint32_t len = rx->frame_len;

	while (rx->spill_len != 0) {
		/* All of it may be in the spill; the header's place is written to in the end. */
		bool header = len - rx->spill_len < NET_HEADER;
		struct iov_span out;
		uint32_t part;
		int r = rx_pop(n);

		if (r < 0)
			return r;
		if (r == 0 && vq->nr_in_flight < vq->size) {
			if (rx_wait(n))
				return -EAGAIN;
			continue;
		}
		if (r == 0 || rx->chain.nr_read != 0 ||
		    !rx_make_room(rx, header ? VIRTQ_IOV_MAX : 0)) {
			/* The whole queue is too small for it, or it is no receive queue. */
			if (r != 0)
				virtq_push(vq, rx->chain.head, 0);
			rx->frame_len = rx->spill_len = 0;
			rx_give_back(n, (uint16_t)(rx->end - rx->first), 0);
			n->net_stats.rx_fails++;
			return 0;
		}
		rx_keep(rx, &rx->chain, header);
		out = iov_writable(&rx->chain);
		part = (uint32_t)min_u64(out.len, rx->spill_len);
		if (iov_put(&out, n->spill + rx->spill_off, part) < 0)
			return -EIO;
		rx->spill_off += part;
		rx->spill_len -= part;
	}
	rx->frame_len = 0;
	rx_done(n, (uint16_t)(rx->end - rx->first), len);
	return 0;
}

/* Takes the beginning of a frame out of guest memory, before what is in the spill. */
static void rx_take_back(struct net *n)
{
	struct net_rx *rx = &n->rx;
	uint32_t behind = rx->spill_off + rx->spill_len;
	uint32_t begun = rx->frame_len - behind;
	const struct iovec *iov = rx->iov + rx->first_iov;

	memmove(n->spill + begun, n->spill, behind);
	for (uint32_t off = 0; off < begun; iov++) {
		uint32_t part = (uint32_t)min_u64(begun - off, iov->iov_len);

		gmem_ldcpy(n->spill + off, (const guest_ram void *)iov->iov_base, part);
		off += part;
	}
	rx->spill_off = 0;
	rx->spill_len = rx->frame_len;
}

void net_rx_settle(struct net *n)
{
	struct net_rx *rx = &n->rx;

	if (rx->frame_len != 0)
		rx_take_back(n);
	while (MUT_SETTLED(rx->first != rx->end))
		virtq_unpop(&n->dev.vq[RXQ], rx->buffer[--rx->end].head);
	rx->first = rx->end = 0;
	rx->first_iov = rx->end_iov = 0;
	rx->room = 0;
}

/* One frame of `len` bytes was read into the first `room` bytes of buffers, and the spill. */
static int rx_deliver(struct net *n, uint32_t len, uint64_t room)
{
	struct net_rx *rx = &n->rx;
	uint64_t sum = 0;
	uint16_t nr = 0;

	if (len < NET_HEADER) {
		n->net_stats.tap_read_fails++;
		return 0;
	}
	if (len > room && !n->mergeable && !MUT_FITS(false)) {
		n->net_stats.rx_fails++; /* the driver's buffer is too small for what it accepts */
		return 0;
	}
	if (len > room && n->mergeable) {
		rx->frame_len = len;
		rx->spill_off = 0;
		rx->spill_len = (uint32_t)(len - room);
		return rx_finish(n);
	}
	len = (uint32_t)min_u64(len, room);
	while (sum < len)
		sum += rx->buffer[rx->first + nr++].len;
	rx_done(n, nr, len);
	return 0;
}

/* Reads one frame. 0 = done, go on; -EAGAIN = nothing more to do at present. */
static int rx_one(struct net *n)
{
	struct net_rx *rx = &n->rx;
	struct iovec *iov, saved;
	uint64_t room;
	uint16_t nr;
	ssize_t len;

	if (!rate_limit_ready(&rx->limit))
		return -EAGAIN;
	if (rx->frame_len != 0)
		return rx_finish(n);
	if (rx_collect(n) < 0)
		return -EAGAIN;
	iov = rx->iov + rx->first_iov;
	nr = n->mergeable ? (uint16_t)(rx->end_iov - rx->first_iov) : rx->buffer[rx->first].nr_iov;
	room = n->mergeable ? rx->room : rx->buffer[rx->first].len;
	/* Behind the buffers, for what does not fit: in the place of a later buffer's segment. */
	saved = iov[nr];
	iov[nr] = (struct iovec){ .iov_base = n->spill, .iov_len = sizeof(n->spill) };
	len = n->backend.ops->receive(&n->backend, iov, nr + 1);
	iov[nr] = saved;
	if (len >= 0) {
		rate_limit_charge(&rx->limit, (uint64_t)len, 1);
		return rx_deliver(n, (uint32_t)len, room);
	}
	if (len == -EAGAIN)
		return -EAGAIN;
	n->net_stats.tap_read_fails++;
	if (net_backend_lost((int)-len))
		net_gone(n);
	return -EAGAIN;
}

void net_rx_run(struct net *n)
{
	unsigned int budget = BUDGET;
	int r = 0;

	n->rx.starved = false;
	if (!net_queue_runs(&n->dev.vq[RXQ])) {
		net_rx_forget(&n->rx);
	} else if (!n->dead) {
		virtq_mute(&n->dev.vq[RXQ]);
		while (r == 0 && budget-- != 0)
			r = rx_one(n);
		virtio_notify(&n->dev, RXQ);
		/* A stream's next frames may be with us already: no event would tell. */
		if (r == 0)
			virtio_again(&n->dev, RXQ);
	}
	net_watch(n);
}
