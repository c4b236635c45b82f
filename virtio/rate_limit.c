// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread, or before the loop runs. */
#include "virtio/rate_limit.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

#define NS_PER_MS	1000000u
#define NS_PER_S	1000000000u

#define SIZE_MAX_TOKENS (1ull << 62)

/* Requests are let through in groups of this time, so that the timer is not the load. */
#define GROUP_NS NS_PER_MS

/* Longer waits end early and are begun again; it only has to fit a timer. */
#define WAIT_MAX_NS 3600000000000ull

/* Time times tokens; 128 bits hold any product of the two. */
typedef unsigned __int128 wide;

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- one bucket ------------------------------------------------------------------------------ */

static void bucket_set(struct rate_bucket *b, const struct rate_bucket_config *c, uint64_t now)
{
	memset(b, 0, sizeof(*b));
	if (c->size == 0 || c->refill_ms == 0)
		return;
	b->size = (int64_t)min_u64(c->size, SIZE_MAX_TOKENS);
	b->tokens = b->size;
	b->burst = min_u64(c->burst, SIZE_MAX_TOKENS);
	b->refill_ns = min_u64(c->refill_ms, UINT64_MAX / NS_PER_MS) * NS_PER_MS;
	b->seen_ns = now;
}

/* Adds what has come in since it was last looked at, to the fraction of a token. */
static void bucket_refill(struct rate_bucket *b, uint64_t now)
{
	uint64_t room = (uint64_t)(b->size - b->tokens);
	wide grown;

	if (b->size == 0 || now <= b->seen_ns)
		return;
	grown = (wide)(now - b->seen_ns) * (uint64_t)b->size + MUT_FRACTION(b->part);
	b->seen_ns = now;
	if (grown / b->refill_ns >= room) {
		b->tokens = b->size;
		b->part = 0; /* a full bucket runs over */
		return;
	}
	b->tokens += (int64_t)(grown / b->refill_ns);
	b->part = (uint64_t)(grown % b->refill_ns);
}

/* Nanoseconds until it holds something; 0 = it does. It has just been refilled. */
static uint64_t bucket_wait(const struct rate_bucket *b)
{
	wide missing, wait;

	if (b->size == 0 || b->tokens > 0 || b->burst > 0)
		return 0;
	missing = (wide)((uint64_t)-b->tokens + 1) * b->refill_ns - b->part;
	wait = (missing + (uint64_t)b->size - 1) / (uint64_t)b->size;
	/* A group must not cost anything: what comes in meanwhile has to fit into the bucket. */
	wait = max_u64(wait > WAIT_MAX_NS ? WAIT_MAX_NS : (uint64_t)wait,
		       min_u64(GROUP_NS, b->refill_ns / 2));
	return (uint64_t)wait;
}

static void bucket_pay(struct rate_bucket *b, uint64_t tokens)
{
	uint64_t from_burst = min_u64(tokens, b->burst);

	if (b->size == 0)
		return;
	b->burst -= from_burst;
	tokens -= from_burst;
	/* A debt of 2^62 is more than anybody lives to see paid. */
	if (b->tokens > -(int64_t)SIZE_MAX_TOKENS)
		b->tokens = MUT_DEBT(b->tokens - (int64_t)tokens);
}

/* ---- both and their timer -------------------------------------------------------------------- */

static void on_timer(void *ctx, uint32_t events)
{
	struct rate_limit *l = ctx;
	uint64_t count;

	(void)events;
	if (read(l->timer_fd, &count, sizeof(count)) < 0)
		return; /* it was set anew meanwhile */
	l->waiting = false;
	l->woken++;
	l->go_on(l->ctx);
}

static void set_timer(struct rate_limit *l, uint64_t ns)
{
	struct itimerspec t = { .it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
					      .tv_nsec = (long)(ns % NS_PER_S) } };

	l->waiting = timerfd_settime(l->timer_fd, 0, &t, NULL) == 0;
}

static int make_timer(struct rate_limit *l)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = ev_add(l->loop, &l->timer, fd, EPOLLIN, on_timer, l);
	if (r < 0) {
		close(fd);
		return r;
	}
	l->timer_fd = fd;
	return 0;
}

void rate_limit_init(struct rate_limit *l, struct evloop *loop, void (*go_on)(void *ctx), void *ctx)
{
	memset(l, 0, sizeof(*l));
	l->now_ns = monotonic_ns;
	l->loop = loop;
	l->timer_fd = -1;
	l->timer.fd = -1;
	l->go_on = go_on;
	l->ctx = ctx;
}

static bool limits(const struct rate_bucket_config *c)
{
	return c && c->size != 0 && c->refill_ms != 0;
}

int rate_limit_prepare(struct rate_limit *l, const struct rate_bucket_config *bandwidth,
		       const struct rate_bucket_config *ops)
{
	return l->timer_fd < 0 && l->go_on && (limits(bandwidth) || limits(ops)) ? make_timer(l)
										 : 0;
}

int rate_limit_set(struct rate_limit *l, const struct rate_bucket_config *bandwidth,
		   const struct rate_bucket_config *ops)
{
	uint64_t now = l->now_ns();
	int r = rate_limit_prepare(l, bandwidth, ops);

	if (r < 0)
		return r;
	if (bandwidth)
		bucket_set(&l->bandwidth, bandwidth, now);
	if (ops)
		bucket_set(&l->ops, ops, now);
	l->limited = l->bandwidth.size != 0 || l->ops.size != 0;
	if (l->waiting)
		set_timer(l, 1);
	return 0;
}

void rate_limit_release(struct rate_limit *l)
{
	if (l->timer_fd < 0)
		return;
	ev_del(l->loop, &l->timer);
	close(l->timer_fd);
	l->timer_fd = -1;
}

bool rate_limit_ask(struct rate_limit *l)
{
	uint64_t now;
	uint64_t wait;

	if (l->waiting)
		return false;
	now = l->now_ns();
	bucket_refill(&l->bandwidth, now);
	bucket_refill(&l->ops, now);
	wait = max_u64(bucket_wait(&l->bandwidth), bucket_wait(&l->ops));
	if (wait == 0)
		return true;
	l->throttled++;
	l->wait_ns = wait;
	set_timer(l, wait);
	return !l->waiting; /* without a timer there is no end to a wait: let it pass */
}

void rate_limit_pay(struct rate_limit *l, uint64_t bytes, uint64_t ops)
{
	bucket_pay(&l->bandwidth, bytes);
	bucket_pay(&l->ops, ops);
}

uint64_t rate_limit_take(struct rate_limit *l, uint64_t bytes)
{
	struct rate_bucket *b = &l->bandwidth;
	uint64_t allowed;

	if (b->size == 0)
		return bytes;
	bucket_refill(b, l->now_ns());
	allowed = min_u64(bytes, b->burst + (b->tokens > 0 ? (uint64_t)b->tokens : 0));
	bucket_pay(b, allowed);
	return allowed;
}
