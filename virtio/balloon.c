// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread, but for balloon_init. */
#include "virtio/balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "virtio/virtio_mmio.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

/*
 * Work in one turn of the loop: a page number is one, a range is one for each 64 KiB, so that a
 * turn ends after 1024 pages here and there or 64 MiB in one piece.
 */
#define TURN	  1024u
#define UNIT	  65536u
#define PIECE	  MIB(16) /* of a range: at most this at once */
#define MAX_STATS 64u	  /* of one chain: who sends more repeats himself */

_Static_assert(sizeof(struct virtio_balloon_stat) == 10, "statistics layout, virtio 1.2 §5.5.6.3");
_Static_assert(BALLOON_NR_ROLES <= VIRTIO_MAX_QUEUES, "a queue for each role");

#define CONFIG_AT(field) offsetof(struct virtio_balloon_config, field)

/* ---- shares of a chain: each returns what it cost ------------------------------------------- */

/* The next numbers; 0: none are left. A rest that is no number is dropped, and the chain bad. */
static unsigned int next_numbers(struct balloon *b, struct balloon_job *j, uint32_t *pfn)
{
	unsigned int nr = (unsigned int)min_u64(j->left.len / sizeof(*pfn), BALLOON_BATCH);

	if (nr == 0 && j->left.len != 0) {
		b->count.bad_chains++;
		iov_skip(&j->left, j->left.len);
	}
	return nr != 0 && iov_take(&j->left, pfn, nr * sizeof(*pfn)) == 0 ? nr : 0;
}

static unsigned int share_inflate(struct balloon *b, struct balloon_job *j)
{
	struct balloon_freed f = { 0 };
	uint32_t pfn[BALLOON_BATCH];
	unsigned int nr = next_numbers(b, j, pfn);

	balloon_pages_take(&b->pages, pfn, nr, &f);
	b->count.bad_chains += f.fails;
	return nr;
}

static unsigned int share_deflate(struct balloon *b, struct balloon_job *j)
{
	uint32_t pfn[BALLOON_BATCH];
	unsigned int nr;

	/* Pages come back by themselves; only a map has to know. */
	if (!b->pages.in) {
		iov_skip(&j->left, j->left.len);
		return 1;
	}
	nr = next_numbers(b, j, pfn);
	balloon_pages_return(&b->pages, pfn, nr);
	return nr;
}

static unsigned int share_stats(struct balloon *b, struct balloon_job *j)
{
	struct balloon_stats now = { 0 };
	struct virtio_balloon_stat s;

	for (unsigned int n = 0; n < MAX_STATS && iov_take(&j->left, &s, sizeof(s)) == 0; n++) {
		if (s.tag >= BALLOON_NR_STATS)
			continue; /* of a newer driver */
		now.given |= 1u << s.tag;
		now.value[s.tag] = s.val;
	}
	b->count.stats++;
	if (j->left.len != 0)
		b->count.bad_stats++;
	iov_skip(&j->left, j->left.len);
	b->stats = now;
	return MAX_STATS;
}

/* Gives the front of what is left to the host; `freed` and `fails` count. */
static unsigned int share_range(struct balloon *b, struct balloon_job *j, uint64_t *freed,
				uint64_t *fails)
{
	struct iovec *v = j->left.iov;
	uintptr_t base = (uintptr_t)v->iov_base;
	/* Cut where the host's pages end, be they large: no page is cut in two. */
	uint64_t len = min_u64(v->iov_len, align_down(base + PIECE, MIB(2)) - base);
	int64_t r = gmem_discard(b->dev.mem, v->iov_base, len);

	if (r < 0)
		++*fails;
	else
		*freed += (uint64_t)r;
	iov_skip(&j->left, len);
	return (unsigned int)(1 + len / UNIT);
}

static bool hint_counts(const struct balloon *b)
{
	const struct balloon_hinting *h = &b->hinting;

	/* A run that is over: the guest uses those pages again, perhaps before we see this. */
	return h->host_cmd > VIRTIO_BALLOON_CMD_ID_DONE && h->guest_spoke &&
	       h->guest_cmd == h->host_cmd;
}

static unsigned int share_hint(struct balloon *b, struct balloon_job *j)
{
	if (!MUT_HINT_RUNS(hint_counts(b))) {
		iov_skip(&j->left, j->left.len);
		return 1;
	}
	b->count.hints++;
	return share_range(b, j, &b->count.hint_bytes, &b->count.hint_fails);
}

static unsigned int share_report(struct balloon *b, struct balloon_job *j)
{
	b->count.reports++;
	return share_range(b, j, &b->count.report_bytes, &b->count.report_fails);
}

/* ---- chains --------------------------------------------------------------------------------- */

static void set_command(struct balloon *b, uint32_t cmd)
{
	b->hinting.host_cmd = cmd;
	vmmio_config_change(b->dev.transport, CONFIG_AT(free_page_hint_cmd_id), &cmd, sizeof(cmd));
}

/* What the guest says at the beginning and the end of a run. */
static void take_command(struct balloon *b, struct virtq_chain *c)
{
	struct balloon_hinting *h = &b->hinting;
	struct iov_span in = iov_readable(c);
	uint32_t cmd;

	if (in.len == 0)
		return;
	if (iov_take(&in, &cmd, sizeof(cmd)) < 0) {
		b->count.bad_chains++;
		return;
	}
	h->guest_cmd = cmd;
	h->guest_spoke = true;
	if (cmd == VIRTIO_BALLOON_CMD_ID_STOP && h->acknowledge &&
	    h->host_cmd > VIRTIO_BALLOON_CMD_ID_DONE)
		set_command(b, VIRTIO_BALLOON_CMD_ID_DONE);
}

static void begin(struct balloon *b, enum balloon_role role, struct balloon_job *j)
{
	j->busy = true;
	/* First: what is readable stands before what is writable. */
	if (role == BALLOON_HINT)
		take_command(b, &j->chain);
	j->left = role == BALLOON_HINT || role == BALLOON_REPORT ? iov_writable(&j->chain)
								 : iov_readable(&j->chain);
}

/* Gives the chain back; the guest's buffer for statistics not before they are wanted again. */
static void finish(struct balloon *b, enum balloon_role role, unsigned int q, struct balloon_job *j)
{
	int32_t head = j->chain.head;

	j->busy = false;
	b->count.inflates += role == BALLOON_INFLATE;
	b->count.deflates += role == BALLOON_DEFLATE;
	if (MUT_HELD_STATS(role != BALLOON_STATS)) {
		virtq_push(&b->dev.vq[q], (uint16_t)head, 0);
	} else {
		if (b->stats_head >= 0)
			virtq_push(&b->dev.vq[q], (uint16_t)b->stats_head, 0);
		b->stats_head = head;
	}
	b->dev.stats.requests++;
}

/* Takes the next chain, if none is under way. As virtq_pop. */
static int next_chain(struct balloon *b, enum balloon_role role, unsigned int q,
		      struct balloon_job *j)
{
	int r = j->busy ? 1 : virtq_pop(&b->dev.vq[q], &j->chain);

	if (r > 0 && !j->busy)
		begin(b, role, j);
	return r;
}

static void balloon_kick(struct virtio_dev *d, unsigned int q)
{
	static unsigned int (*const share[BALLOON_NR_ROLES])(struct balloon *,
							     struct balloon_job *) = {
		[BALLOON_INFLATE] = share_inflate, [BALLOON_DEFLATE] = share_deflate,
		[BALLOON_STATS] = share_stats,	   [BALLOON_HINT] = share_hint,
		[BALLOON_REPORT] = share_report,
	};
	struct balloon *b = container_of(d, struct balloon, dev);
	enum balloon_role role = (enum balloon_role)b->role[q];
	struct balloon_job *j = &b->job[role];
	unsigned int cost = 0;
	int r;

	if (role == BALLOON_NR_ROLES || (role == BALLOON_REPORT && b->reporting_paused))
		return;
	virtq_mute(&d->vq[q]);
	do {
		while ((r = next_chain(b, role, q, j)) > 0) {
			cost++;
			if (j->left.len != 0)
				cost += share[role](b, j);
			if (j->left.len == 0)
				finish(b, role, q, j);
			if (cost >= MUT_TURN(TURN)) {
				virtio_notify(d, q);
				virtio_again(d, q);
				return;
			}
		}
		if (r < 0) {
			virtio_broken(d, q);
			return;
		}
	} while (virtq_unmute(&d->vq[q]));
	virtio_notify(d, q);
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* The queue of a role, VIRTIO_MAX_QUEUES when there is none. */
static unsigned int queue_of(const struct balloon *b, enum balloon_role role)
{
	unsigned int q = 0;

	while (q < VIRTIO_MAX_QUEUES && b->role[q] != role)
		q++;
	return q;
}

static int set_timer(struct balloon *b, uint32_t seconds)
{
	struct itimerspec t = { .it_value.tv_sec = seconds, .it_interval.tv_sec = seconds };

	return timerfd_settime(b->timer_fd, 0, &t, NULL) < 0 ? -errno : 0;
}

/* Returning the buffer is the question; who has not answered the last one is not asked again. */
static void on_timer(void *ctx, uint32_t events)
{
	struct balloon *b = ctx;
	unsigned int q = queue_of(b, BALLOON_STATS);
	uint64_t times;

	(void)events;
	if (read(b->timer_fd, &times, sizeof(times)) < 0 || q == VIRTIO_MAX_QUEUES ||
	    b->stats_head < 0)
		return;
	virtq_push(&b->dev.vq[q], (uint16_t)b->stats_head, 0);
	b->stats_head = -1;
	virtio_notify(&b->dev, q);
}

static int make_timer(struct balloon *b)
{
	int r;

	b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (b->timer_fd < 0)
		return -errno;
	r = ev_add(b->loop, &b->timer, b->timer_fd, EPOLLIN, on_timer, b);
	if (r < 0) {
		close(b->timer_fd);
		b->timer_fd = -1;
	}
	return r;
}

int balloon_set_interval(struct balloon *b, uint32_t seconds)
{
	int r = 0;

	if (queue_of(b, BALLOON_STATS) != VIRTIO_MAX_QUEUES)
		r = set_timer(b, seconds);
	if (r == 0)
		b->config.stats_s = seconds;
	return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

static const uint8_t role_feature[] = {
	[BALLOON_STATS] = VIRTIO_BALLOON_F_STATS_VQ,
	[BALLOON_HINT] = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	[BALLOON_REPORT] = VIRTIO_BALLOON_F_REPORTING,
};

/*
 * By the specification (§5.5.2) each role has a number, whether the ones before are there or not.
 * Linux numbers those that are there. Where the two differ, the last of them lies elsewhere, and
 * the driver has set up one of the two.
 */
static void assign_queues(struct balloon *b)
{
	unsigned int nr = BALLOON_STATS;
	unsigned int last = BALLOON_DEFLATE;
	bool by_number;

	for (unsigned int r = BALLOON_STATS; r < BALLOON_NR_ROLES; r++) {
		if (b->dev.driver_features & 1ull << role_feature[r]) {
			last = r;
			nr++;
		}
	}
	by_number = last >= nr && b->dev.vq[last].enabled;
	b->role[0] = BALLOON_INFLATE;
	b->role[1] = BALLOON_DEFLATE;
	nr = BALLOON_STATS;
	for (unsigned int r = BALLOON_STATS; r < BALLOON_NR_ROLES; r++) {
		if (b->dev.driver_features & 1ull << role_feature[r])
			b->role[by_number ? r : nr++] = (uint8_t)r;
	}
}

static void balloon_activate(struct virtio_dev *d)
{
	struct balloon *b = container_of(d, struct balloon, dev);

	assign_queues(b);
	/* It cannot fail: the descriptor is ours and the time is one. */
	if (queue_of(b, BALLOON_STATS) != VIRTIO_MAX_QUEUES && set_timer(b, b->config.stats_s) < 0)
		d->stats.failures++;
}

/* Whatever the guest had given is its own again, and it will say anew what it gives. */
static void forget_guest(struct balloon *b)
{
	for (unsigned int q = 0; q < VIRTIO_MAX_QUEUES; q++)
		b->role[q] = BALLOON_NR_ROLES;
	for (unsigned int r = 0; r < BALLOON_NR_ROLES; r++)
		b->job[r].busy = false;
	b->stats_head = -1;
	memset(&b->stats, 0, sizeof(b->stats));
	balloon_pages_forget(&b->pages);
}

static void balloon_reset(struct virtio_dev *d)
{
	struct balloon *b = container_of(d, struct balloon, dev);

	forget_guest(b);
	if (b->timer_fd >= 0 && set_timer(b, 0) < 0)
		d->stats.failures++;
	if (b->hinting.host_cmd != VIRTIO_BALLOON_CMD_ID_STOP)
		set_command(b, VIRTIO_BALLOON_CMD_ID_STOP);
	b->hinting.guest_spoke = false;
}

static void balloon_release(struct virtio_dev *d)
{
	struct balloon *b = container_of(d, struct balloon, dev);

	if (b->timer_fd >= 0) {
		ev_del(b->loop, &b->timer);
		close(b->timer_fd);
	}
	balloon_pages_release(&b->pages);
	free(b->job);
}

static const struct virtio_ops balloon_ops = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.nr_queues = BALLOON_NR_ROLES,
	.queue_max = VIRTQ_SIZE_MAX,
	.activate = balloon_activate,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.release = balloon_release,
};

static uint64_t features(const struct balloon_config *c)
{
	uint64_t f = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
		     1ull << VIRTIO_RING_F_INDIRECT_DESC;

	if (c->deflate_on_oom)
		f |= 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	if (c->stats_s != 0)
		f |= 1ull << VIRTIO_BALLOON_F_STATS_VQ;
	if (c->hinting)
		f |= 1ull << VIRTIO_BALLOON_F_FREE_PAGE_HINT;
	if (c->reporting)
		f |= 1ull << VIRTIO_BALLOON_F_REPORTING;
	return f;
}

int balloon_init(struct balloon *b, struct evloop *loop, const struct gmem *m,
		 const struct balloon_config *c)
{
	struct virtio_balloon_config config = { .num_pages = c->pages };
	int r;

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "grow VIRTIO_CONFIG_MAX");
	memset(b, 0, sizeof(*b));
	b->dev.ops = &balloon_ops;
	b->dev.features = features(c);
	b->dev.config_len = CONFIG_AT(poison_val); /* which is of a feature that we do not offer */
	b->dev.config_rw_off = CONFIG_AT(actual);
	b->dev.config_rw_len = sizeof(config.actual);
	memcpy(b->dev.config, &config, sizeof(config));
	b->loop = loop;
	b->config = *c;
	b->timer_fd = -1;
	b->job = calloc(BALLOON_NR_ROLES, sizeof(*b->job));
	r = b->job ? balloon_pages_init(&b->pages, m) : -ENOMEM;
	if (r == 0 && c->stats_s != 0)
		r = make_timer(b);
	if (r < 0) {
		balloon_release(&b->dev);
		return r;
	}
	forget_guest(b);
	return 0;
}

/* ---- what the API asks for ------------------------------------------------------------------ */

void balloon_set_target(struct balloon *b, uint32_t pages)
{
	b->config.pages = pages;
	vmmio_config_change(b->dev.transport, CONFIG_AT(num_pages), &pages, sizeof(pages));
}

uint32_t balloon_actual(struct balloon *b)
{
	uint32_t pages;

	vmmio_config_get(b->dev.transport, CONFIG_AT(actual), &pages, sizeof(pages));
	return pages;
}

int balloon_hint_start(struct balloon *b, bool acknowledge)
{
	struct balloon_hinting *h = &b->hinting;

	if (queue_of(b, BALLOON_HINT) == VIRTIO_MAX_QUEUES)
		return -ENODEV;
	/* The next number, but for the two that mean something else. */
	h->last_run = h->last_run < VIRTIO_BALLOON_CMD_ID_DONE || h->last_run == UINT32_MAX
			      ? VIRTIO_BALLOON_CMD_ID_DONE + 1
			      : h->last_run + 1;
	h->acknowledge = acknowledge;
	h->guest_spoke = false;
	set_command(b, h->last_run);
	return 0;
}

void balloon_hint_stop(struct balloon *b)
{
	set_command(b, VIRTIO_BALLOON_CMD_ID_DONE);
}

void balloon_pause_reporting(struct balloon *b, bool paused)
{
	unsigned int q = queue_of(b, BALLOON_REPORT);

	b->reporting_paused = paused;
	if (!paused && q != VIRTIO_MAX_QUEUES)
		virtio_again(&b->dev, q);
}
