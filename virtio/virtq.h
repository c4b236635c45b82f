/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split virtqueue (virtio 1.2 §2.7): one walker for every device.
 *
 *      descriptor table          available ring            used ring
 *     addr len flags next       flags idx ring[size]      flags idx ring[size]{id,len}
 *     (guest writes)            used_event (guest writes) avail_event (we write)
 *
 * The rings are the guest's memory, and the guest may rewrite them at any moment. So: a chain is
 * copied out once, checked, and only the copy is used; our indices live here and are never read
 * back; anything malformed makes the queue broken until the driver resets the device.
 *
 * A queue belongs to the event loop's thread from virtq_enable to virtq_disable; it takes no lock.
 */
#ifndef MOTE_VIRTIO_VIRTQ_H
#define MOTE_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/gmem.h"

#define VIRTQ_SIZE_MAX 256
#define VIRTQ_IOV_MAX  260 /* a full ring of segments, and a little for ranges that span regions */

/* What the driver told the transport about a queue: the guest-visible part, fit for a snapshot. */
struct virtq_regs {
	uint64_t desc;	/* guest-physical, 16-byte aligned */
	uint64_t avail; /* guest-physical, 2-byte aligned */
	uint64_t used;	/* guest-physical, 4-byte aligned */
	uint16_t size;	/* entries, a power of two */
	uint16_t ready; /* 0 or 1 */
	uint32_t reserved;
};

/* Why a queue broke; for the log and the tests. */
enum virtq_fault {
	VIRTQ_OK,
	VIRTQ_BAD_GEOMETRY,  /* size, alignment or placement of a ring */
	VIRTQ_BAD_AVAIL_IDX, /* more chains announced than the ring holds */
	VIRTQ_BAD_HEAD,	     /* chain head outside the table */
	VIRTQ_HEAD_IN_USE,   /* chain head already in flight */
	VIRTQ_BAD_NEXT,	     /* link outside the table */
	VIRTQ_LOOP,	     /* chain longer than the queue */
	VIRTQ_BAD_ORDER,     /* readable after writable */
	VIRTQ_BAD_BUFFER,    /* empty, or outside guest memory */
	VIRTQ_TOO_LONG,	     /* more segments or bytes than we take */
	VIRTQ_BAD_INDIRECT,  /* not negotiated, nested, chained, or of a wrong length */
};

struct virtq {
	const struct gmem *mem;
	guest_ram void *desc;
	guest_ram void *avail;
	guest_ram void *used;
	uint16_t size;
	uint16_t avail_seen; /* avail.idx as last read and checked */
	uint16_t next_avail; /* next entry of the available ring to take */
	uint16_t next_used;  /* next entry of the used ring to fill */
	uint16_t published;  /* used.idx as the guest sees it */
	uint16_t signalled;  /* next_used when the guest was last asked about interrupts */
	bool signalled_valid;
	bool enabled;
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC negotiated */
	uint8_t fault;	/* enum virtq_fault; not VIRTQ_OK = broken */
	uint16_t nr_in_flight;
	uint64_t in_flight[VIRTQ_SIZE_MAX / 64]; /* heads popped and not yet pushed */
};

/*
 * A copy of one chain: first the segments that the device reads, then those that it writes. The
 * segments point into guest memory, whose contents may still change; their bounds cannot.
 */
struct virtq_chain {
	uint16_t head;
	uint16_t nr_read;
	uint16_t nr_write;
	uint64_t read_len;  /* bytes */
	uint64_t write_len; /* bytes; at most UINT32_MAX, as the used ring counts in 32 bits */
	struct iovec iov[VIRTQ_IOV_MAX];
};

/*
 * Takes the queue into use as `r` describes it, with the driver's accepted `features`. 0, or
 * -EINVAL with q->fault set: the geometry is not acceptable.
 */
int virtq_enable(struct virtq *q, const struct gmem *m, const struct virtq_regs *r,
		 uint64_t features) MUST_CHECK;

/* Forgets everything; a queue that was never enabled may be disabled too. */
void virtq_disable(struct virtq *q);

/* Next chain: 1 = *c filled, 0 = none, -EIO = the queue is broken (or not enabled). */
int virtq_pop(struct virtq *q, struct virtq_chain *c) MUST_CHECK;

/*
 * Puts the chain whose head was popped as `head` into the used ring, with the number of bytes
 * written into it. The guest sees it after virtq_publish.
 */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);

/* Lets the guest see what was pushed; the interrupt for it is left to virtq_publish. */
void virtq_show(struct virtq *q);

/*
 * Gives back the last chain that was popped, `head`, unused: the next virtq_pop finds it again.
 * Several are given back in the reverse order of their popping, and none of them was pushed.
 */
void virtq_unpop(struct virtq *q, uint16_t head);

/*
 * Lets the guest see what was pushed. Returns true when the guest wants an interrupt for it
 * (§2.7.7, event index or flag).
 */
bool virtq_publish(struct virtq *q) MUST_CHECK;

/*
 * Asks the driver not to notify while we are working through the queue. With the event index there
 * is nothing to write: the index asked for stays behind by itself.
 */
void virtq_mute(struct virtq *q);

/*
 * Asks the driver to notify about the next chain. Returns true when one has arrived meanwhile:
 * then the caller goes on working, because no notification will come for it.
 */
bool virtq_unmute(struct virtq *q) MUST_CHECK;

/* A word for a fault, for messages. */
const char *virtq_fault_name(enum virtq_fault f);

#endif
