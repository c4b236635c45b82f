/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate limiter of every device: a bucket of bytes and a bucket of operations, each with a size,
 * a time in which it refills, and a burst that is spent first and never comes back.
 *
 * A request may start while both buckets hold something, and is paid for afterwards, when its size
 * is known; a bucket in debt makes the next ones wait. So any request passes some day, be it larger
 * than a whole bucket, and in any time t at most size + burst + rate * t and one request go
 *through.
 *
 *	if (!rate_limit_ready(&l))
 *		return;			the limiter calls back when it may go on
 *	... serve one request ...
 *	rate_limit_charge(&l, bytes, 1);
 *
 * Who cannot wait, and rather drops what exceeds the limit, asks rate_limit_take how much may pass.
 *
 * A device has one of these for each direction. Loop thread, or before the loop runs.
 */
#ifndef MOTE_VIRTIO_RATE_LIMIT_H
#define MOTE_VIRTIO_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/evloop.h"

/* A size or a refill time of 0: no limit. */
struct rate_bucket_config {
	uint64_t size;	    /* bytes, or operations; above 2^62 it counts as 2^62 */
	uint64_t refill_ms; /* until an empty bucket is full again */
	uint64_t burst;	    /* once, on top of the size; spent first; likewise up to 2^62 */
};

struct rate_config {
	struct rate_bucket_config bandwidth; /* bytes */
	struct rate_bucket_config ops;
};

struct rate_bucket {
	int64_t tokens; /* at most size; negative = in debt */
	int64_t size;	/* 0 = no limit */
	uint64_t burst; /* what is left of it */
	uint64_t refill_ns;
	uint64_t seen_ns; /* the time up to which it was refilled */
	uint64_t part;	  /* of a token, in units of 1 / refill_ns */
};

struct rate_limit {
	bool limited; /* one of the buckets has a limit */
	bool waiting; /* the timer is set */
	struct rate_bucket bandwidth;
	struct rate_bucket ops;
	uint64_t throttled; /* times that somebody had to wait */
	uint64_t woken;	    /* times that a wait was over */
	uint64_t wait_ns;   /* how long, the last time */
	uint64_t (*now_ns)(void);
	struct evloop *loop;
	int timer_fd; /* -1 = none was needed yet */
	struct ev_source timer;
	void (*go_on)(void *ctx);
	void *ctx;
};

/*
 * No limits, and no descriptor. `go_on(ctx)` is called on the loop when a wait is over; NULL:
 * nobody ever waits, only rate_limit_take is used.
 */
void rate_limit_init(struct rate_limit *l, struct evloop *loop, void (*go_on)(void *ctx),
		     void *ctx);

/*
 * Sets buckets, which begin full and with their burst; NULL leaves one as it is. Makes the timer
 * when there is the first limit; on failure (-errno) nothing has changed. Who waits is called back
 * at once, to try under the new limits.
 */
int rate_limit_set(struct rate_limit *l, const struct rate_bucket_config *bandwidth,
		   const struct rate_bucket_config *ops) MUST_CHECK;

/*
 * Makes what rate_limit_set with the same arguments needs, which cannot fail then: for whoever
 * changes several limits or none. -errno: no timer.
 */
int rate_limit_prepare(struct rate_limit *l, const struct rate_bucket_config *bandwidth,
		       const struct rate_bucket_config *ops) MUST_CHECK;

void rate_limit_release(struct rate_limit *l);

/* For rate_limit_ready and rate_limit_charge, where there is a limit. */
bool rate_limit_ask(struct rate_limit *l) MUST_CHECK;
void rate_limit_pay(struct rate_limit *l, uint64_t bytes, uint64_t ops);

/* May a request start? False: no, and go_on will be called when it may. */
static inline bool rate_limit_ready(struct rate_limit *l)
{
	return !l->limited || rate_limit_ask(l);
}

/* Of `bytes`, how many may pass now by the bandwidth's bucket, never into debt; they are paid. */
uint64_t rate_limit_take(struct rate_limit *l, uint64_t bytes);

/* What was done; `bytes` is below 2^62. */
static inline void rate_limit_charge(struct rate_limit *l, uint64_t bytes, uint64_t ops)
{
	if (l->limited)
		rate_limit_pay(l, bytes, ops);
}

#endif
