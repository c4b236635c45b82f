// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only, but for net_init: builder thread. */
#include "virtio/net_impl.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#define BIT(n)	   (1ull << (n))

#define SOURCE_MAC (NET_HEADER + 6u) /* where it is in a frame */

static struct net *net_of(struct virtio_dev *d)
{
	return container_of(d, struct net, dev);
}

/* ---- the backend in the loop ----------------------------------------------------------------- */

static void on_backend(void *ctx, uint32_t events);

static void watch(struct net *n, uint32_t events)
{
	if (n->watched == events)
		return;
	ev_del(n->loop, &n->source);
	n->watched = 0;
	if (events == 0)
		return;
	if (ev_add(n->loop, &n->source, n->backend.fd, events, on_backend, n) == 0)
		n->watched = events;
	else
		log_guest("net: the host's end cannot be waited for");
}

/* Waits for what somebody can do something with, and for nothing else. */
void net_watch(struct net *n)
{
	uint32_t events = 0;

	if (!n->dead) {
		if (net_queue_runs(&n->dev.vq[RXQ]) && !n->rx.starved && !n->rx.limit.waiting)
			events |= EPOLLIN;
		if (n->unsent || (n->tx_held && net_queue_runs(&n->dev.vq[TXQ])))
			events |= EPOLLOUT;
	}
	watch(n, events);
}

/* The interface is no more, or the other side of a descriptor: for good. */
void net_gone(struct net *n)
{
	if (n->dead)
		return;
	n->dead = true;
	n->net_stats.tap_gone = 1;
	log_guest("net: the %s is gone: the device goes on without a network",
		  n->backend.ops->takes_headers ? "tap" : "socket's other end");
}

/* Has the backend send what it kept of a frame. */
static void flush(struct net *n)
{
	int r = n->dead ? 0 : n->backend.ops->flush(&n->backend);

	n->unsent = r == -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		net_gone(n);
}

/* ---- transmit -------------------------------------------------------------------------------- */

/* Copies bytes at `off` of what the chain gives to read, and leaves the chain as it is. */
static bool peek(const struct virtq_chain *c, size_t off, void *dst, size_t len)
{
	uint8_t *to = dst;

	if (off + len > c->read_len)
		return false;
	for (const struct iovec *iov = c->iov; len != 0; iov++) {
		size_t part;

		if (off >= iov->iov_len) {
			off -= iov->iov_len;
			continue;
		}
		part = min_u64(len, iov->iov_len - off);
		gmem_ldcpy(to, (const guest_ram void *)((uint8_t *)iov->iov_base + off), part);
		to += part;
		len -= part;
		off = 0;
	}
	return true;
}

static void count_spoofed(struct net *n, const struct virtq_chain *c)
{
	uint8_t mac[6];

	if (peek(c, SOURCE_MAC, mac, sizeof(mac)) && memcmp(mac, n->mac, sizeof(mac)) != 0)
		n->net_stats.tx_spoofed_mac_count++;
}

/* Sends the frame in tx_chain. False: there is no room, the frame is still to be sent. */
static bool tx_send(struct net *n)
{
	const struct virtq_chain *c = &n->tx_chain;
	ssize_t sent;

	if (c->read_len < NET_HEADER || c->read_len > NET_FRAME_MAX || c->nr_write != 0) {
		n->net_stats.tx_malformed_frames++;
		n->net_stats.tx_fails++;
		return true;
	}
	sent = n->dead ? -ENODEV : n->backend.ops->send(&n->backend, c->iov, c->nr_read);
	if (sent >= 0) {
		n->net_stats.tx_packets_count++;
		n->net_stats.tx_count++;
		n->net_stats.tx_bytes_count += (uint64_t)sent;
		if (n->has_mac)
			count_spoofed(n, c);
		return true;
	}
	if (MUT_HELD(sent == -EAGAIN))
		return false;
	/* Down, out of memory, or a header that the kernel finds fault with: lost, as on a wire. */
	n->net_stats.tx_fails++;
	n->net_stats.tap_write_fails++;
	n->dev.stats.failures++;
	if (net_backend_lost((int)-sent))
		net_gone(n);
	return true;
}

/* One frame. 1 = done, go on; 0 = the queue is empty; -EAGAIN = it waits; -EIO = broken. */
static int tx_one(struct net *n)
{
	struct virtq *vq = &n->dev.vq[TXQ];

	if (!n->tx_held) {
		int r;

		if (!rate_limit_ready(&n->tx_limit))
			return -EAGAIN;
		r = virtq_pop(vq, &n->tx_chain);
		if (r <= 0)
			return r;
		rate_limit_charge(&n->tx_limit, n->tx_chain.read_len, 1);
	}
	n->tx_held = !tx_send(n);
	if (n->tx_held) {
		n->net_stats.tx_tap_full_count++;
		return -EAGAIN;
	}
	virtq_push(vq, n->tx_chain.head, 0);
	n->dev.stats.requests++;
	return 1;
}

static void tx_run(struct net *n)
{
	struct virtq *vq = &n->dev.vq[TXQ];
	unsigned int budget = BUDGET;
	int r;

	flush(n);
	if (!net_queue_runs(vq)) {
		n->tx_held = false;
		net_watch(n);
		return;
	}
	virtq_mute(vq);
	do {
		while ((r = tx_one(n)) > 0) {
			if (--budget == 0) {
				virtio_again(&n->dev, TXQ);
				break;
			}
		}
	} while (r == 0 && virtq_unmute(vq));
	if (r == -EIO)
		virtio_broken(&n->dev, TXQ);
	else
		virtio_notify(&n->dev, TXQ);
	flush(n);
	net_watch(n);
}

/* ---- what the loop calls --------------------------------------------------------------------- */

static void on_backend(void *ctx, uint32_t events)
{
	struct net *n = ctx;

	n->net_stats.rx_tap_event_count += !!(events & EPOLLIN);
	if (events & EPOLLOUT)
		tx_run(n);
	/* What was received before the end is still delivered. */
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		net_rx_run(n);
	if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN)) {
		net_gone(n);
		if (n->tx_held)
			tx_run(n);
		net_watch(n);
	}
}

static void on_rx_limit(void *ctx)
{
	struct net *n = ctx;

	n->net_stats.rx_event_rate_limiter_count++;
	net_rx_run(n);
}

static void on_tx_limit(void *ctx)
{
	struct net *n = ctx;

	n->net_stats.tx_event_rate_limiter_count++;
	tx_run(n);
}

static void net_kick(struct virtio_dev *d, unsigned int q)
{
	struct net *n = net_of(d);

	if (q == RXQ) {
		n->net_stats.rx_queue_event_count++;
		net_rx_run(n);
	} else {
		n->net_stats.tx_queue_event_count++;
		tx_run(n);
	}
}

static void net_activate(struct virtio_dev *d)
{
	static const struct {
		unsigned int feature, offload;
	} map[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
	};
	struct net *n = net_of(d);
	unsigned int offload = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(map); i++) {
		if (d->driver_features & BIT(map[i].feature))
			offload |= map[i].offload;
	}
	if (n->backend.ops->set_offload(&n->backend, offload) < 0)
		net_gone(n);
	n->mergeable = d->driver_features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	net_rx_forget(&n->rx);
	n->tx_held = false;
}

static void net_reset(struct virtio_dev *d)
{
	struct net *n = net_of(d);

	net_rx_forget(&n->rx);
	n->tx_held = false;
	/* A frame that was begun goes on from memory of ours, so that the other end keeps its way.
	 */
	watch(n, n->unsent && !n->dead ? EPOLLOUT : 0);
}

/* Chains that are held go back to the queue, and are taken from there again: nothing is lost. */
static void net_settle(struct virtio_dev *d)
{
	struct net *n = net_of(d);

	if (net_queue_runs(&d->vq[RXQ]))
		net_rx_settle(n);
	if (n->tx_held && net_queue_runs(&d->vq[TXQ])) {
		virtq_unpop(&d->vq[TXQ], n->tx_chain.head);
		n->tx_held = false;
		virtio_again(d, TXQ);
	}
}

static void net_release(struct virtio_dev *d)
{
	struct net *n = net_of(d);

	watch(n, 0);
	rate_limit_release(&n->rx.limit);
	rate_limit_release(&n->tx_limit);
	net_backend_close(&n->backend);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.nr_queues = NR_QUEUES,
	.queue_max = VIRTQ_SIZE_MAX,
	.activate = net_activate,
	.kick = net_kick,
	.reset = net_reset,
	.settle = net_settle,
	.release = net_release,
};

static uint64_t features_of(const struct net_config *c)
{
	uint64_t f = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) |
		     BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_NET_F_MRG_RXBUF);

	/* What the guest may leave to us, the kernel's tap does; it accepts any of these. */
	if (MUT_OFFERS(c->backend.ops->takes_headers))
		f |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
		     BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_UFO);

	if (c->backend.offload & TUN_F_CSUM)
		f |= BIT(VIRTIO_NET_F_GUEST_CSUM);
	if (c->backend.offload & TUN_F_TSO4)
		f |= BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6);
	if (c->backend.offload & TUN_F_UFO)
		f |= BIT(VIRTIO_NET_F_GUEST_UFO);
	if (c->has_mac)
		f |= BIT(VIRTIO_NET_F_MAC);
	if (c->mtu != 0)
		f |= BIT(VIRTIO_NET_F_MTU);
	return f;
}

int net_init(struct net *n, struct evloop *loop, const struct net_config *c)
{
	struct virtio_net_config config = { .mtu = c->mtu };
	int r;

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "grow VIRTIO_CONFIG_MAX");
	memset(n, 0, offsetof(struct net, spill));
	n->dev.ops = &net_ops;
	n->dev.features = features_of(c);
	n->dev.config_len = offsetof(struct virtio_net_config, mtu) + sizeof(config.mtu);
	n->loop = loop;
	n->backend = c->backend;
	n->backend.stream = &n->stream;
	net_stream_init(&n->stream);
	n->source.fd = -1;
	n->has_mac = c->has_mac;
	if (c->has_mac) {
		memcpy(n->mac, c->mac, sizeof(n->mac));
		memcpy(config.mac, c->mac, sizeof(config.mac));
	}
	memcpy(n->dev.config, &config, n->dev.config_len);
	rate_limit_init(&n->rx.limit, loop, on_rx_limit, n);
	rate_limit_init(&n->tx_limit, loop, on_tx_limit, n);
	r = net_set_rx_limit(n, &c->rx.bandwidth, &c->rx.ops);
	if (r == 0)
		r = net_set_tx_limit(n, &c->tx.bandwidth, &c->tx.ops);
	if (r < 0)
		net_release(&n->dev);
	return r;
}

int net_set_rx_limit(struct net *n, const struct rate_bucket_config *bandwidth,
		     const struct rate_bucket_config *ops)
{
	return rate_limit_set(&n->rx.limit, bandwidth, ops);
}

int net_set_tx_limit(struct net *n, const struct rate_bucket_config *bandwidth,
		     const struct rate_bucket_config *ops)
{
	return rate_limit_set(&n->tx_limit, bandwidth, ops);
}
