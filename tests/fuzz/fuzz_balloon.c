// SPDX-License-Identifier: Apache-2.0
/*
 * The balloon's five queues. Input: a byte of flags, one of what else happens, then guest memory
 * from address 0, where the queues' rings lie one after the other. Whatever the guest names, memory
 * goes by whole pages of the host's or stays as it is, and each chain comes back unless it broke
 * its queue or waits by intent.
 */
#include "virtio/balloon.h"

#include "tests/lib/board.h"
#include "tests/lib/require.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define SIZE	16
#define PAGE	4096ull
#define PATTERN 0x5a
#define TURNS	64 /* of the loop: a chain may be long, and the input is to end */

/* Flags. */
enum {
	STATS = 1,
	HINTING = 2,
	REPORTING = 4,
	LARGE = 8,
	EVENT_IDX = 16,
	INDIRECT = 32,
	FEWER = 64 /* the driver takes none of the three features */
};

/* What else happens. */
enum {
	RUN = 1,
	WAIT = 2, /* for a resumption of reporting */
	STOP = 4,
	ACTUAL = 8,
	RESET = 16
};

static void negotiate(struct board *b, uint8_t flags)
{
	uint64_t features = b->dev->features;
	struct driver d;

	if (!(flags & EVENT_IDX))
		features &= ~(1ull << VIRTIO_RING_F_EVENT_IDX);
	if (!(flags & INDIRECT))
		features &= ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);
	if (flags & FEWER)
		features = 1ull << VIRTIO_F_VERSION_1;
	board_negotiate(b, features);
	for (unsigned int q = 0; q < BALLOON_NR_ROLES; q++) {
		driver_init(&d, &b->g, SIZE, 0x400 * q);
		board_queue(b, q, &d.regs);
	}
	board_driver_ok(b);
	board_pump(b);
}

/* The device writes nothing there: a page is as it was, or its whole host page is zeros. */
static void check_memory(const struct board *b)
{
	const uint8_t *ram = guest_at(&b->g, GUEST_HIGH, GUEST_PART);
	uint64_t page = b->g.mem.page;

	for (uint64_t at = 0; at < GUEST_PART; at += page) {
		REQUIRE(ram[at] == PATTERN || ram[at] == 0);
		REQUIRE(memcmp(ram + at, ram + at + 1, page - 1) == 0);
	}
}

static void check_queues(const struct board *b, const struct balloon *l)
{
	for (unsigned int q = 0; q < BALLOON_NR_ROLES; q++) {
		const struct virtq *vq = &l->dev.vq[q];
		bool waits = l->role[q] == BALLOON_REPORT && l->reporting_paused;
		unsigned int kept = l->role[q] == BALLOON_STATS && l->stats_head >= 0;

		if (l->role[q] == BALLOON_NR_ROLES || waits)
			continue;
		REQUIRE(vq->nr_in_flight == kept + l->job[l->role[q]].busy);
		if (vq->fault != VIRTQ_OK)
			REQUIRE(b->t.state.status & VIRTIO_CONFIG_S_NEEDS_RESET);
		else
			REQUIRE(vq->published == vq->next_used);
	}
}

/* As the loop does it, but not for ever. */
static void serve(struct balloon *l)
{
	for (unsigned int i = 0; i < TURNS * BALLOON_NR_ROLES; i++) {
		unsigned int q = i % BALLOON_NR_ROLES;

		if (l->dev.vq[q].enabled && l->dev.vq[q].fault == VIRTQ_OK)
			l->dev.ops->kick(&l->dev, q);
	}
}

static void act(struct board *b, struct balloon *l, uint8_t what)
{
	if (what & RUN)
		(void)!balloon_hint_start(l, what & ACTUAL);
	balloon_pause_reporting(l, what & WAIT);
	serve(l);
	if (what & STOP)
		balloon_hint_stop(l);
	if (what & ACTUAL)
		board_write(b, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_balloon_config, actual),
			    what);
	balloon_pause_reporting(l, what & WAIT && what & STOP);
	serve(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct balloon l;
	struct balloon_config c = { .pages = 3 };
	struct board b;

	if (len < 2)
		return 0;
	c.stats_s = data[0] & STATS ? 1000 : 0;
	c.hinting = data[0] & HINTING;
	c.reporting = data[0] & REPORTING;
	board_prepare(&b);
	b.g.mem.page = data[0] & LARGE ? 4 * PAGE : PAGE;
	REQUIRE(balloon_init(&l, &b.loop, &b.g.mem, &c) == 0);
	board_plug(&b, &l.dev);
	negotiate(&b, data[0]);
	memset(guest_at(&b.g, GUEST_HIGH, GUEST_PART), PATTERN, GUEST_PART);
	guest_fill(&b.g, data + 2, len - 2 < 0x20000 ? len - 2 : 0x20000);
	act(&b, &l, data[1]);
	if (data[1] & RESET) {
		board_write(&b, VIRTIO_MMIO_STATUS, 0);
		REQUIRE(balloon_actual(&l) == 0 && l.stats_head == -1);
	}
	check_queues(&b, &l);
	check_memory(&b);
	board_release(&b);
	return 0;
}
