/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a vsock device: storage, look-up, lists, time-outs. What a connection does is
 * in vsock_conn.h.
 *
 * Everything is allocated once, without being touched: an idle device costs address space only.
 * Slot 0 is the head of each list, the other 1023 are connections. Event-loop thread only.
 */
#ifndef MOTE_VIRTIO_VSOCK_TABLE_H
#define MOTE_VIRTIO_VSOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/virtq.h"
#include "virtio/vsock_uds.h"
#include "vmm/evloop.h"

#define VSOCK_SLOTS	  (VSOCK_MAX_CONNS + 1)
#define VSOCK_MAX_ORPHANS 256u
#define VSOCK_BUF_LEN	  262144u /* bytes of the guest's that may wait in one connection, */
#define VSOCK_WIDE_CONNS  32u	  /* as long as it is one of so few; in one of many: */
#define VSOCK_BUF_NARROW  65536u
#define VSOCK_IOV_MAX	  (2 * VIRTQ_IOV_MAX)
#define VSOCK_TIMEOUT_NS                                                         \
	2000000000ull /* for the guest's answer, or a sign of life of the host's \
		       */

enum vsock_list {
	VSOCK_READY, /* has something for the guest */
	VSOCK_TIMED, /* waits for a deadline; in order, as all of them are equally long */
	VSOCK_NR_LISTS
};

enum vsock_state {
	VSOCK_FREE,
	VSOCK_LINE,	 /* a client of the host that has not yet said which port it wants */
	VSOCK_REQUESTED, /* the guest was asked, or is about to be */
	VSOCK_OPEN,
	VSOCK_DRAINING, /* the guest has left, the host has yet to take the guest's last bytes */
	VSOCK_DYING,	/* no socket any more; the guest has yet to be told */
};

struct vsock_conns;

struct vsock_conn {
	struct vsock_conns *owner;
	struct ev_source source;
	int fd; /* -1 = closed */
	uint32_t host_port;
	uint32_t guest_port;
	uint8_t state;	    /* enum vsock_state */
	uint8_t on_list;    /* bit N: on list N */
	uint8_t guest_shut; /* enum virtio_vsock_shutdown: what the guest no longer does */
	uint8_t host_shut;  /* the same of the host */
	bool hashed;
	bool readable;	  /* the socket may have bytes, or its end */
	bool ended;	  /* it has: behind its last bytes there is no new event */
	bool want_out;	  /* watched for room in the socket */
	bool buf_touched; /* the buffer holds pages */
	uint16_t pending; /* bit OP: a packet of this kind is owed to the guest */
	uint32_t window; /* bytes of the guest's that may wait: VSOCK_BUF_LEN or VSOCK_BUF_NARROW */
	uint16_t chain;	 /* next in the bucket, or next free slot; 0 = last */
	struct {
		uint16_t prev;
		uint16_t next;
	} link[VSOCK_NR_LISTS];
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */

	/* Credit, virtio 1.2 §5.10.6.3; all of it counts modulo 2^32. */
	uint32_t sent;		 /* bytes to the guest */
	uint32_t guest_fwd;	 /* of these, taken out of the guest's buffer */
	uint32_t guest_buf;	 /* size of that buffer */
	uint32_t received;	 /* bytes from the guest */
	uint32_t forwarded;	 /* of these, handed to the socket or thrown away */
	uint32_t forwarded_told; /* as the guest knows it */

	uint32_t buf_head; /* the ring buffer: first byte, and bytes in it */
	uint32_t buf_len;

	uint8_t line_len;
	char line[VSOCK_LINE_MAX];
};

/* A packet that belongs to no connection and is answered by a reset. */
struct vsock_orphan {
	uint32_t host_port;
	uint32_t guest_port;
	uint16_t type;
};

/* What is only touched when it is used. */
struct vsock_memory {
	struct vsock_conn conn[VSOCK_SLOTS];
	uint16_t bucket[VSOCK_SLOTS];
	struct vsock_orphan orphan[VSOCK_MAX_ORPHANS];
	struct iovec held_iov[VSOCK_IOV_MAX]; /* of the guest's buffers that the device holds */
	struct iovec iov[VSOCK_IOV_MAX];      /* of the transfer being made */
};

/* Loop thread; read by anybody. The names are those of the `vsock` group of metrics. */
struct vsock_counters {
	uint64_t rx_queue_event_count; /* notifications, by queue; rx is towards the guest */
	uint64_t tx_queue_event_count;
	uint64_t rx_bytes_count; /* payload */
	uint64_t tx_bytes_count;
	uint64_t rx_packets_count;
	uint64_t tx_packets_count;
	uint64_t conns_added;
	uint64_t conns_killed;	    /* by a reset of either side, a broken rule or a time-out */
	uint64_t conns_removed;	    /* all that ended */
	uint64_t conns_refused;	    /* never came to be: no listener, no slot, not a request */
	uint64_t rx_read_fails;	    /* of the host's sockets */
	uint64_t tx_write_fails;    /* the same, with the guest's packet at hand */
	uint64_t tx_flush_fails;    /* the same, out of the buffer */
	uint64_t muxer_event_fails; /* accepting and watching sockets */
	uint64_t orphans_dropped;   /* resets that found no room */
	uint64_t bad_packets;	    /* the guest broke the rules */
};

struct vsock_conns {
	struct evloop *loop; /* NULL = not running */
	struct vsock_uds uds;
	struct ev_source listener;
	bool deaf; /* out of descriptors: the listener is not watched until the timer */
	uint64_t guest_cid;
	void (*wake)(struct vsock_conns *s); /* there may be something for the guest */
	struct vsock_memory *m;
	uint8_t *buffers; /* VSOCK_BUF_LEN or VSOCK_BUF_NARROW for each slot */
	uint16_t nr;	  /* connections that exist */
	uint16_t free;	  /* first free slot of those used before; 0 = none */
	uint16_t fresh;	  /* slots that were used before: 1 to `fresh` */
	uint16_t orphan_head;
	uint16_t nr_orphans;
	uint32_t next_port;
	int timer_fd;
	bool timer_armed;
	struct ev_source timer;
	struct vsock_counters count;
};

/* Allocates. On failure *e says what is missing, and nothing is held. Builder thread. */
int vsock_table_init(struct vsock_conns *s, struct err *e) MUST_CHECK;
void vsock_table_release(struct vsock_conns *s);

/* A fresh connection around `fd`, not hashed and on no list. NULL: all slots are in use. */
struct vsock_conn *vsock_conn_new(struct vsock_conns *s, int fd) MUST_CHECK;

/* Gives the slot back; its socket is closed and its buffer empty. */
void vsock_conn_free(struct vsock_conn *c);

/* By its two ports. NULL: there is none. */
struct vsock_conn *vsock_find(struct vsock_conns *s, uint32_t host_port, uint32_t guest_port);
void vsock_hash(struct vsock_conn *c);
void vsock_unhash(struct vsock_conn *c); /* no effect when it is not hashed */

/* A host port for a connection to `guest_port`: from 2^30, round robin. */
uint32_t vsock_new_port(struct vsock_conns *s, uint32_t guest_port);

/* Lists: adding at the end when it is not on the list; the first one, or NULL. */
void vsock_list_add(struct vsock_conn *c, enum vsock_list l);
void vsock_list_del(struct vsock_conn *c, enum vsock_list l);
struct vsock_conn *vsock_list_first(const struct vsock_conns *s, enum vsock_list l);

/* (Re)starts the time-out of a connection, or ends it. */
void vsock_timeout_start(struct vsock_conn *c);
void vsock_timeout_stop(struct vsock_conn *c);

/* Has the timer fire for the first deadline, or one time-out from now when there is none. */
void vsock_timer_arm(struct vsock_conns *s);

uint64_t vsock_now_ns(void);

/*
 * The buffer of a connection. _put: `len` bytes of guest memory at segment `iov`, which fit.
 * _peek: its contents as up to two segments; returns their number. _drop: the first `len` bytes;
 * an empty buffer gives its memory back.
 */
void vsock_buf_put(struct vsock_conn *c, const struct iovec *iov);
int vsock_buf_peek(struct vsock_conn *c, struct iovec iov[2]);
void vsock_buf_drop(struct vsock_conn *c, uint32_t len);

#endif
