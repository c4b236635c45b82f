/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2 §5.1): one pair of queues on a backend. Frames go straight between a tap
 * and guest memory; checksums and segmentation are left to whoever is last, as both sides agree.
 */
#ifndef MOTE_VIRTIO_NET_H
#define MOTE_VIRTIO_NET_H

#include "virtio/net_backend.h"
#include "virtio/net_stream.h"
#include "virtio/rate_limit.h"
#include "virtio/virtio_dev.h"

struct net_config {
	struct net_backend backend;
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu; /* bytes; 0 = not told to the guest */
	struct rate_config rx;
	struct rate_config tx;
};

/* Counters, loop thread; read by anybody. Names as in the metrics of the API. */
struct net_stats {
	uint64_t rx_bytes_count; /* with headers */
	uint64_t rx_packets_count;
	uint64_t rx_count; /* reads that gave a frame */
	uint64_t rx_fails; /* frames that did not fit, unfit buffers */
	uint64_t rx_queue_event_count;
	uint64_t rx_tap_event_count;
	uint64_t rx_event_rate_limiter_count; /* waits that ended */
	uint64_t no_rx_avail_buffer;
	uint64_t tap_read_fails;
	uint64_t tx_bytes_count;
	uint64_t tx_packets_count;
	uint64_t tx_count;
	uint64_t tx_fails;
	uint64_t tx_malformed_frames;
	uint64_t tx_queue_event_count;
	uint64_t tx_event_rate_limiter_count;
	uint64_t tx_spoofed_mac_count;
	uint64_t tx_tap_full_count; /* waits for room in the tap */
	uint64_t tap_write_fails;
	uint64_t tap_gone; /* 1 = the interface was removed under us */
};

/* A chain of the receive queue that we hold; its segments are in iov, in the same order. */
struct net_buffer {
	uint32_t len; /* bytes; a 64 KiB frame needs no more, so it is cut to 32 bits */
	uint16_t head;
	uint16_t nr_iov;
};

#define NET_RX_IOV (2 * VIRTQ_IOV_MAX)

/*
 * Buffers taken from the receive queue and not yet used: the segments iov[first_iov..end_iov) of
 * buffer[first..end), `room` bytes in all.
 */
struct net_rx {
	uint16_t first, end;
	uint16_t first_iov, end_iov;
	uint64_t room;
	bool starved; /* the driver has to notify before there are more */
	/* A frame that needs more buffers than there were: how much of it waits in `spill`. */
	uint32_t spill_off, spill_len;
	uint32_t frame_len; /* the whole of it; 0 = there is none */
	struct rate_limit limit;
	struct net_buffer buffer[VIRTQ_SIZE_MAX];
	struct iovec iov[NET_RX_IOV + 1]; /* and the spill */
	struct virtq_chain chain;	  /* the last one popped */
};

struct net {
	struct virtio_dev dev;
	struct net_backend backend;
	struct evloop *loop;
	struct ev_source source;
	uint32_t watched; /* events of the backend that the loop waits for */
	bool has_mac;
	bool mergeable; /* VIRTIO_NET_F_MRG_RXBUF negotiated */
	bool unsent;	/* the backend keeps the rest of a frame, and waits for room */
	bool dead;	/* the backend is gone */
	uint8_t mac[6];
	struct net_stats net_stats;
	struct rate_limit tx_limit;
	bool tx_held; /* tx_chain waits for room in the tap */
	struct virtq_chain tx_chain;
	struct net_rx rx;
	/* Last, and touched only when it is needed: it costs no memory before. */
	uint8_t spill[NET_FRAME_MAX];
	struct net_stream stream;
};

/*
 * Prepares the device for vmmio_init, and takes over the backend in any case. Storage is the
 * caller's; `spill` and `stream` need not be cleared. Its descriptors are watched on `loop` from
 * the time that the driver is ready. -errno: no timer for the rate limits. Builder thread.
 */
int net_init(struct net *n, struct evloop *loop, const struct net_config *c) MUST_CHECK;

/*
 * Changes limits of the running device, or of one that does not run yet: NULL = as it is, see
 * rate_limit_set. Loop thread.
 */
int net_set_rx_limit(struct net *n, const struct rate_bucket_config *bandwidth,
		     const struct rate_bucket_config *ops) MUST_CHECK;
int net_set_tx_limit(struct net *n, const struct rate_bucket_config *bandwidth,
		     const struct rate_bucket_config *ops) MUST_CHECK;

#endif
